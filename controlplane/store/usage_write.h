/* Writes usage: many events, with their attempts and quantity lines, in one statement over binary
 * arrays. Idempotent: an event that stands already is left as it is, and nothing of it is added. */
#ifndef CONTROLPLANE_STORE_USAGE_WRITE_H
#define CONTROLPLANE_STORE_USAGE_WRITE_H

#include "controlplane/store/db.h"

struct usage_quantity {
    const char *unit, *source;
    int64_t quantity, price_picousd;
};

struct usage_attempt {
    int32_t number, status;
    struct uuid provider_id; /* nil: none */
    struct str provider, model, answered_model, error_code, finish_reason, upstream_request_id;
    const char *outcome;
    int64_t started_us, duration_us, first_byte_us, bound_nanousd, cost_nanousd;
    const struct usage_quantity *quantities;
    size_t n_quantities;
    struct str kind, option;
    int32_t credential;
};

/* One event, checked: texts are UTF-8 without NUL, numbers fit their columns. */
struct usage_event {
    struct uuid id, organization_id, workspace_id, key_id, user_id; /* nil: none */
    int64_t started_us;                                             /* Unix */
    int64_t duration_us, first_byte_us, cost_nanousd, config_version, price_version;
    struct str endpoint, dialect, model, error_code, metadata_json, trace_id;
    bool stream;
    int32_t status;
    const char *outcome;
    const struct usage_attempt *attempts;
    size_t n_attempts;
    struct str cache_status, assignment;
    int64_t saved_nanousd, saved_us, config_number, prompt_version;
    struct uuid config_id, prompt_id, mirror_of; /* nil: none */
    struct str payload;                          /* as received, for quarantine */
};

struct usage_refused {
    struct str payload;
    const char *reason;
};

/* All of `events` (each id once) and of `refused`, in one transaction. *ret_stored: how many events
 * were new. False with ERR_INVALID_FIELD or ERR_CONFLICT: the data is at fault, nothing was stored;
 * other codes: try again later. Blocks. */
bool usage_write(struct db_pool *p, const struct uuid *plane,
                 const struct usage_event *const *events, size_t n,
                 const struct usage_refused *refused, size_t n_refused, size_t *ret_stored,
                 struct error *err);
/* Makes the partitions of today and some days ahead. */
bool usage_prepare(struct db_pool *p, struct error *err);

#endif
