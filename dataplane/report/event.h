/* A usage event as plain values, and its bytes as the spool and the wire carry them
 * (proto/usage.proto). Encoding is one pass over the struct into the caller's buffer: no allocation
 * besides the buffer's growth, about a quarter of a microsecond. Texts are borrowed; absent texts
 * and nil ids are left out. Any thread. */
#ifndef DATAPLANE_REPORT_EVENT_H
#define DATAPLANE_REPORT_EVENT_H

#include "common/base/buffer.h"
#include "common/base/uuid.h"

/* The numbers of proto/usage.proto (checked in event.c). */
enum event_outcome {
    EVENT_UNKNOWN = 0, /* the process died between open and event: charged at its bound */
    EVENT_OK,
    EVENT_REFUSED, /* by Weir itself */
    EVENT_PROVIDER_ERROR,
    EVENT_TIMEOUT,
    EVENT_CLIENT_GONE,
    EVENT_CUT,
    EVENT_FAILED,
    EVENT_OUTCOME_COUNT
};

enum event_unit {
    UNIT_NONE = 0,
    UNIT_TOKEN_IN,
    UNIT_TOKEN_OUT,
    UNIT_TOKEN_CACHED,
    UNIT_TOKEN_CACHE_WRITE_5M,
    UNIT_TOKEN_CACHE_WRITE_1H,
    UNIT_TOKEN_REASONING,
    UNIT_AUDIO_IN,
    UNIT_AUDIO_OUT,
    UNIT_IMAGE,
    UNIT_SECOND,
    UNIT_PIXEL,
    UNIT_REQUEST,
    UNIT_SEARCH,
    UNIT_IMAGE_IN, /* tokens, as the four behind it */
    UNIT_IMAGE_OUT,
    UNIT_AUDIO_CACHED,
    UNIT_IMAGE_CACHED,
    UNIT_VIDEO_IN,
    UNIT_CHARACTER,
    UNIT_PAGE,
    UNIT_COUNT
};

enum event_source {
    SOURCE_NONE = 0,
    SOURCE_PROVIDER,
    SOURCE_ESTIMATED,
    SOURCE_BOUND,
    SOURCE_COUNT
};

struct event_quantity {
    enum event_unit unit;
    enum event_source source;
    uint64_t quantity, price_picousd;
};

struct event_attempt {
    uint32_t number; /* from 1 */
    uint32_t status; /* the provider's, 0: none came */
    struct uuid provider_id;
    struct str provider, model, answered_model;
    enum event_outcome outcome;
    struct str error_code, finish_reason, upstream_request_id;
    uint64_t started_us; /* after the request's start */
    uint64_t duration_us;
    uint64_t first_byte_us; /* after the attempt's start; 0: none came */
    uint64_t bound_nanousd, cost_nanousd;
    const struct event_quantity *quantities;
    size_t n_quantities;
    struct str kind;     /* "" (the first), "retry", "fallback", "hedge" */
    struct str option;   /* which node of the routing config: "config.targets[0]"; "": none */
    uint32_t credential; /* number of the key among the provider's */
    uint64_t list_nanousd, ratio_ppm; /* before the price group; 0 ppm: no group */
    struct str service_tier;
};

/* What was taken from one account of a budget (proto/usage.proto, Charge). */
struct event_charge {
    struct uuid quota_id, holder; /* holder nil: out of no lease */
    struct str bucket;
    int64_t window_start_s;
    uint64_t amount;
    bool overrun;
};

struct event {
    struct uuid id, organization_id, workspace_id, key_id, user_id;
    uint64_t started_us; /* Unix time */
    uint64_t duration_us, first_byte_us;
    struct str endpoint, dialect, model;
    bool stream;
    uint32_t status;
    enum event_outcome outcome;
    struct str error_code;
    uint64_t cost_nanousd, config_version, price_version;
    struct str metadata_json, trace_id;
    const struct event_attempt *attempts;
    size_t n_attempts;
    /* "", "hit", "miss", "refresh", "coalesced". A hit has no attempts and costs nothing; what it
     * would have cost and taken stands in the two behind. */
    struct str cache_status;
    uint64_t saved_nanousd, saved_us;
    struct uuid config_id; /* the routing config that was followed; nil: none, or an inline one */
    uint64_t config_number;
    struct str assignment; /* arms of splits that were taken */
    struct uuid prompt_id; /* nil: none */
    uint64_t prompt_version;
    struct uuid mirror_of; /* the request whose copy this is; nil: none */
    struct uuid team_id, service_account_id;
    struct str end_user, price_group;
    uint64_t list_nanousd;
    const struct event_charge *charges;
    size_t n_charges;
    const struct str *tags;
    size_t n_tags;
    struct str downgraded_from;
    struct uuid price_book_id;
    uint64_t custom_nanousd;
};

/* At most so many bytes are appended by event_write (6 more by event_write_open): what to reserve
 * in the spool. */
size_t event_size_max(const struct event *e);
/* Appends the Event message; false when the buffer's ceiling is reached (its `failed` is then set).
 */
bool event_write(const struct event *e, struct buffer *out);
/* Appends the Open message: the event as known before an attempt is sent, with that attempt as its
 * last. */
bool event_write_open(const struct event *e, struct buffer *out);

/* What spool_open wants as `recover`: makes of an Open the event of a request whose end nobody saw.
 * Outcome unknown, the last attempt charged at its bound, its quantities with source `bound`. False
 * for bytes that are no Open. */
bool event_recover(void *arg, struct str open, struct buffer *out);

#endif
