/* Usage events for reading. What is written is ingest's. Either role. */
#ifndef CONTROLPLANE_STORE_USAGE_READ_H
#define CONTROLPLANE_STORE_USAGE_READ_H

#include "controlplane/store/db.h"

struct usage_quantity {
    struct uuid event;
    int64_t attempt, quantity, price_picousd;
    struct str unit, source;
};

struct usage_attempt {
    struct uuid event, provider_id;
    int64_t number, status, started_us, duration_us, first_byte_us, bound_nanousd, cost_nanousd;
    struct str provider, model, answered_model, outcome, error_code, finish_reason,
        upstream_request_id;
};

struct usage_event {
    struct uuid id, organization, workspace, key, user, data_plane;
    struct str key_name, data_plane_name; /* NULL ptr: gone */
    uint64_t started_ms, received_ms;
    int64_t duration_us, first_byte_us, status, cost_nanousd, config_version, price_version;
    struct str endpoint, dialect, model, outcome, error_code, metadata_json, trace_id;
    bool stream;
};

struct usage_query {
    const struct uuid *id; /* one event */
    const struct uuid *organization;
    bool only_workspaces;
    const struct uuid *workspaces;
    size_t n_workspaces;
    const struct uuid *key;
    struct str model, outcome; /* NULL ptr: any */
    int64_t status;            /* 0: any; 1..5: a class of hundred */
    uint64_t from_ms, to_ms;   /* 0: open; from <= started < to */
    const struct uuid *before; /* keyset, newest first */
    unsigned limit;
};

bool usage_event_list(struct tx *t, const struct usage_query *q, struct arena *a,
                      struct usage_event **ret, size_t *ret_n, struct error *err);
/* Attempts and quantity lines of these events, in order of event, attempt (and unit). */
bool usage_attempt_list(struct tx *t, const struct usage_event *events, size_t n, struct arena *a,
                        struct usage_attempt **ret, size_t *ret_n, struct error *err);
bool usage_quantity_list(struct tx *t, const struct usage_event *events, size_t n, struct arena *a,
                         struct usage_quantity **ret, size_t *ret_n, struct error *err);

#endif
