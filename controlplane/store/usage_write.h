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
    struct str kind, option, service_tier;
    int32_t credential;
    int64_t list_nanousd, ratio_ppm;
};

/* What an event took from one account of a budget. */
struct usage_charge {
    struct uuid quota, holder; /* holder nil: none */
    struct str bucket;
    int64_t window_start_s, amount;
    bool overrun;
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
    struct uuid config_id, prompt_id, mirror_of;            /* nil: none */
    struct uuid team_id, service_account_id, price_book_id; /* the same */
    struct str end_user, price_group, downgraded_from;
    int64_t list_nanousd, custom_nanousd;
    const struct str *tags;
    size_t n_tags;
    const struct usage_charge *charges;
    size_t n_charges;
    struct str payload; /* as received, for quarantine */
};

struct usage_refused {
    struct str payload;
    const char *reason;
};

/* All of `events` (each id once) and of `refused`, in a TX_SYSTEM transaction of the caller.
 * ret_new[i]: whether that event was new. False with ERR_INVALID_FIELD or ERR_CONFLICT: the data is
 * at fault; other codes: try again later. Blocks. */
bool usage_write(struct tx *t, const struct uuid *plane, const struct usage_event *const *events,
                 size_t n, const struct usage_refused *refused, size_t n_refused, bool *ret_new,
                 struct error *err);
/* Notes when the events' keys were used last: at most once a minute for each, and no change of
 * configuration. */
bool usage_touch_keys(struct tx *t, const struct usage_event *const *events, size_t n,
                      struct error *err);
/* Makes the partitions of today and some days ahead. */
bool usage_prepare(struct db_pool *p, struct error *err);

#endif
