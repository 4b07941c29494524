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
        upstream_request_id, kind, option, service_tier;
    int64_t credential, list_nanousd, ratio_ppm;
};

struct usage_event {
    struct uuid id, organization, workspace, key, user, data_plane;
    struct str key_name, data_plane_name; /* NULL ptr: gone */
    uint64_t started_ms, received_ms;
    int64_t duration_us, first_byte_us, status, cost_nanousd, config_version, price_version;
    struct str endpoint, dialect, model, outcome, error_code, metadata_json, trace_id;
    bool stream;
    struct str cache_status, assignment;
    int64_t saved_nanousd, saved_us, config_number, prompt_version;
    struct uuid config_id, prompt_id, mirror_of; /* nil: none */
    struct uuid team, service_account, price_book;
    struct str end_user, price_group, downgraded_from, charges_json;
    int64_t list_nanousd, custom_nanousd;
    const struct str *tags;
    size_t n_tags;
};

struct usage_query {
    const struct uuid *id; /* one event */
    const struct uuid *organization;
    bool only_workspaces;
    const struct uuid *workspaces;
    size_t n_workspaces;
    const struct uuid *key, *config, *prompt;
    struct str model, outcome, cache_status, assignment; /* NULL ptr: any */
    int64_t status;                                      /* 0: any; 1..5: a class of hundred */
    uint64_t from_ms, to_ms;                             /* 0: open; from <= started < to */
    const struct uuid *before;                           /* keyset, newest first */
    unsigned limit;
};

bool usage_event_list(struct tx *t, const struct usage_query *q, struct arena *a,
                      struct usage_event **ret, size_t *ret_n, struct error *err);
/* Attempts and quantity lines of these events, in order of event, attempt (and unit). */
bool usage_attempt_list(struct tx *t, const struct usage_event *events, size_t n, struct arena *a,
                        struct usage_attempt **ret, size_t *ret_n, struct error *err);
bool usage_quantity_list(struct tx *t, const struct usage_event *events, size_t n, struct arena *a,
                         struct usage_quantity **ret, size_t *ret_n, struct error *err);

/* Sums over events, of all or of one group of them. Sums are decimal texts: they are exact, however
 * large. */
struct usage_sum {
    struct str group; /* NULL ptr: all */
    struct str requests, cache_hits, cost_nanousd, saved_nanousd, saved_us;
};

/* What events can be summed by, as the API calls it: "day", "model" … */
bool usage_group_known(struct str by);
/* by: NULL ptr: one row for all (there always is one); else a row a group, most requests first, at
 * most q->limit. `before` and `id` of the query do not count. */
bool usage_sum_list(struct tx *t, const struct usage_query *q, struct str by, struct arena *a,
                    struct usage_sum **ret, size_t *ret_n, struct error *err);

#endif
