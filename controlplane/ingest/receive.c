/* From a batch's bytes to checked events: see receive.h. */
#include "controlplane/ingest/receive.h"

#include <limits.h>

#include "common/base/arena.h"
#include "common/base/map.h"
#include "common/json.h"
#include "common/rules/quota.h"
#include "controlplane/ingest/internal.h"
#include "proto/usage.pb-c.h"

#define ATTEMPTS_MAX 1000
#define METADATA_DEPTH 32
#define CHARGES_MAX 1000
#define TAGS_MAX 1000
#define YEAR_2020_MS 1577836800000u
#define YEAR_2100_MS 4102444800000u

static const char *const outcomes[] = {"unknown", "ok",          "refused", "provider_error",
                                       "timeout", "client_gone", "cut",     "failed"};
static const char *const units[] = {NULL,
                                    "token_in",
                                    "token_out",
                                    "token_cached",
                                    "token_cache_write_5m",
                                    "token_cache_write_1h",
                                    "token_reasoning",
                                    "audio_in",
                                    "audio_out",
                                    "image",
                                    "second",
                                    "pixel",
                                    "request",
                                    "search",
                                    "image_in",
                                    "image_out",
                                    "audio_cached",
                                    "image_cached",
                                    "video_in",
                                    "character",
                                    "page"};
static const char *const sources[] = {NULL, "provider", "estimated", "bound"};
#define COUNT(x) (sizeof(x) / sizeof((x)[0]))
_Static_assert(COUNT(outcomes) == WEIR__OUTCOME__OUTCOME_FAILED + 1, "every outcome has a name");
_Static_assert(COUNT(units) == WEIR__UNIT__UNIT_PAGE + 1, "every unit has a name");
_Static_assert(COUNT(sources) == WEIR__SOURCE__SOURCE_BOUND + 1, "every source has a name");

/* The state of reading one event: the first fault found wins. */
struct check {
    const char *reason;
};

static void fault(struct check *c, const char *reason)
{
    if (!c->reason) {
        c->reason = reason;
    }
}

static struct uuid read_id(struct check *c, ProtobufCBinaryData b, const char *reason)
{
    struct uuid u = {{0}};
    if (b.len == 16) {
        memcpy(u.b, b.data, 16);
    } else if (b.len != 0) {
        fault(c, reason);
    }
    return u;
}

static int64_t read_i64(struct check *c, uint64_t v)
{
    if (v > INT64_MAX) {
        fault(c, "a number is too large");
        return 0;
    }
    return (int64_t)v;
}

static int32_t read_i32(struct check *c, uint32_t v)
{
    if (v > INT32_MAX) {
        fault(c, "a number is too large");
        return 0;
    }
    return (int32_t)v;
}

static const char *read_name(struct check *c, const char *const *names, size_t n, int value,
                             const char *reason)
{
    if (value < 0 || (size_t)value >= n || !names[value]) {
        fault(c, reason);
        return "";
    }
    return names[value];
}

/* protobuf-c's strings end at their NUL; bad UTF-8 is left to the database, which says so. */
static struct str read_text(const char *z)
{
    return z ? str_of(z) : STR_LIT("");
}

static void read_attempt(struct check *c, const Weir__Attempt *x, struct arena *a,
                         struct usage_attempt *ret)
{
    struct usage_quantity *q = arena_alloc(a, (x->n_quantities + 1) * sizeof(*q));
    if (!q) {
        fault(c, "too large");
        return;
    }
    if (x->number < 1 || x->number > SHRT_MAX) {
        fault(c, "an attempt's number is out of range");
    }
    for (size_t i = 0; i < x->n_quantities; i++) {
        const Weir__Quantity *y = x->quantities[i];
        q[i] = (struct usage_quantity){
            .unit = read_name(c, units, COUNT(units), (int)y->unit, "unknown unit"),
            .source = read_name(c, sources, COUNT(sources), (int)y->source, "unknown source"),
            .quantity = read_i64(c, y->quantity),
            .price_picousd = read_i64(c, y->price_picousd)};
    }
    *ret = (struct usage_attempt){
        .number = (int32_t)x->number,
        .status = read_i32(c, x->status),
        .provider_id = read_id(c, x->provider_id, "provider_id is no id"),
        .provider = read_text(x->provider),
        .model = read_text(x->model),
        .answered_model = read_text(x->answered_model),
        .error_code = read_text(x->error_code),
        .finish_reason = read_text(x->finish_reason),
        .upstream_request_id = read_text(x->upstream_request_id),
        .kind = read_text(x->kind),
        .option = read_text(x->option),
        .credential = read_i32(c, x->credential),
        .outcome = read_name(c, outcomes, COUNT(outcomes), (int)x->outcome, "unknown outcome"),
        .started_us = read_i64(c, x->started_us),
        .duration_us = read_i64(c, x->duration_us),
        .first_byte_us = read_i64(c, x->first_byte_us),
        .bound_nanousd = read_i64(c, x->bound_nanousd),
        .cost_nanousd = read_i64(c, x->cost_nanousd),
        .list_nanousd = read_i64(c, x->list_nanousd),
        .ratio_ppm = read_i64(c, x->ratio_ppm),
        .service_tier = read_text(x->service_tier),
        .quantities = q,
        .n_quantities = x->n_quantities};
}

static void read_charge(struct check *c, const Weir__Charge *x, struct usage_charge *ret)
{
    *ret = (struct usage_charge){.quota = read_id(c, x->quota_id, "a charge's quota_id is no id"),
                                 .holder = read_id(c, x->holder, "a charge's holder is no id"),
                                 .bucket = read_text(x->bucket),
                                 .window_start_s = x->window_start_s,
                                 .amount = read_i64(c, x->amount),
                                 .overrun = x->overrun};
    if (uuid_is_nil(&ret->quota) || ret->bucket.len > QUOTA_BUCKET_MAX || ret->window_start_s < 0 ||
        ret->window_start_s > (int64_t)(YEAR_2100_MS / 1000)) {
        fault(c, "a charge's account is out of range");
    }
}

/* Who it was for, at whose price, out of which budgets. */
static void read_governance(struct check *c, const Weir__Event *m, struct arena *a,
                            struct usage_event *ret)
{
    ret->team_id = read_id(c, m->team_id, "team_id is no id");
    ret->service_account_id = read_id(c, m->service_account_id, "service_account_id is no id");
    ret->price_book_id = read_id(c, m->price_book_id, "price_book_id is no id");
    ret->end_user = read_text(m->end_user);
    ret->price_group = read_text(m->price_group);
    ret->downgraded_from = read_text(m->downgraded_from);
    ret->list_nanousd = read_i64(c, m->list_nanousd);
    ret->custom_nanousd = read_i64(c, m->custom_nanousd);
    if (m->n_tags > TAGS_MAX || m->n_charges > CHARGES_MAX) {
        fault(c, "too many tags or charges");
        return;
    }
    struct str *tags = arena_alloc(a, (m->n_tags + 1) * sizeof(*tags));
    struct usage_charge *charges = arena_alloc(a, (m->n_charges + 1) * sizeof(*charges));
    if (!tags || !charges) {
        fault(c, "too large");
        return;
    }
    for (size_t i = 0; i < m->n_tags; i++) {
        tags[i] = read_text(m->tags[i]);
    }
    for (size_t i = 0; i < m->n_charges; i++) {
        read_charge(c, m->charges[i], &charges[i]);
    }
    ret->tags = tags;
    ret->n_tags = m->n_tags;
    ret->charges = charges;
    ret->n_charges = m->n_charges;
}

static void check_event(struct check *c, const struct usage_event *e, ingest_serves_fn serves,
                        void *arg)
{
    uint64_t ms = uuid_time_ms(&e->id);
    struct json_value v;
    struct error ignored = ERROR_INIT;
    if (uuid_is_nil(&e->id) || (e->id.b[6] & 0xf0) != 0x70 || ms < YEAR_2020_MS ||
        ms > YEAR_2100_MS) {
        fault(c, "id is no UUIDv7 of a plausible time");
    }
    if (uuid_is_nil(&e->organization_id)) {
        fault(c, "no organization");
    } else if (!serves(arg, &e->organization_id, &e->workspace_id)) {
        fault(c, "the data plane's group does not serve this organization");
    }
    if (e->metadata_json.len > 0 &&
        !json_validate(e->metadata_json, METADATA_DEPTH, &v, &ignored)) {
        fault(c, "metadata is not JSON");
    }
}

static void read_event(struct check *c, const Weir__Event *m, struct arena *a,
                       struct usage_event *ret)
{
    *ret = (struct usage_event){
        .id = read_id(c, m->id, "id is no id"),
        .organization_id = read_id(c, m->organization_id, "organization_id is no id"),
        .workspace_id = read_id(c, m->workspace_id, "workspace_id is no id"),
        .key_id = read_id(c, m->key_id, "key_id is no id"),
        .user_id = read_id(c, m->user_id, "user_id is no id"),
        .started_us = read_i64(c, m->started_us),
        .duration_us = read_i64(c, m->duration_us),
        .first_byte_us = read_i64(c, m->first_byte_us),
        .cost_nanousd = read_i64(c, m->cost_nanousd),
        .config_version = read_i64(c, m->config_version),
        .price_version = read_i64(c, m->price_version),
        .endpoint = read_text(m->endpoint),
        .dialect = read_text(m->dialect),
        .model = read_text(m->model),
        .error_code = read_text(m->error_code),
        .metadata_json = read_text(m->metadata_json),
        .trace_id = read_text(m->trace_id),
        .stream = m->stream,
        .status = read_i32(c, m->status),
        .outcome = read_name(c, outcomes, COUNT(outcomes), (int)m->outcome, "unknown outcome"),
        .cache_status = read_text(m->cache_status),
        .saved_nanousd = read_i64(c, m->saved_nanousd),
        .saved_us = read_i64(c, m->saved_us),
        .config_id = read_id(c, m->config_id, "config_id is no id"),
        .config_number = read_i64(c, m->config_number),
        .assignment = read_text(m->assignment),
        .prompt_id = read_id(c, m->prompt_id, "prompt_id is no id"),
        .prompt_version = read_i64(c, m->prompt_version),
        .mirror_of = read_id(c, m->mirror_of, "mirror_of is no id")};
    read_governance(c, m, a, ret);
    struct usage_attempt *attempts = NULL;
    if (m->n_attempts > ATTEMPTS_MAX) {
        fault(c, "too many attempts");
    } else if ((attempts = arena_alloc(a, (m->n_attempts + 1) * sizeof(*attempts))) == NULL) {
        fault(c, "too large");
    } else {
        for (size_t i = 0; i < m->n_attempts; i++) {
            read_attempt(c, m->attempts[i], a, &attempts[i]);
        }
        ret->attempts = attempts;
        ret->n_attempts = m->n_attempts;
    }
}

static void free_message(void *message)
{
    weir__event__free_unpacked(message, NULL);
}

/* Sorts the batch's events into new ones, repeated ones and refused ones, then stores. */
static bool receive(struct db_pool *p, const struct uuid *plane, ingest_serves_fn serves, void *arg,
                    const Weir__Batch *b, struct arena *a, struct map *ids, struct ingest_ack *ret,
                    struct error *err)
{
    size_t n = 0, n_refused = 0;
    struct usage_event *events = arena_alloc(a, (b->n_events + 1) * sizeof(*events));
    const struct usage_event **list = arena_alloc(a, (b->n_events + 1) * sizeof(*list));
    struct usage_refused *refused = arena_alloc(a, (b->n_events + 1) * sizeof(*refused));
    if (!events || !list || !refused) {
        return error_set(err, ERR_OVERLOADED, "out of memory");
    }
    for (size_t i = 0; i < b->n_events; i++) {
        struct check c = {NULL};
        struct usage_event *e = &events[i];
        struct str payload = {(const char *)b->events[i].data, b->events[i].len};
        Weir__Event *m = weir__event__unpack(NULL, b->events[i].len, b->events[i].data);
        if (m && arena_on_release(a, free_message, m)) {
            read_event(&c, m, a, e);
            e->payload = payload;
            check_event(&c, e, serves, arg);
        } else {
            weir__event__free_unpacked(m, NULL);
            fault(&c, "cannot be read");
        }
        if (c.reason) {
            refused[n_refused++] = (struct usage_refused){payload, c.reason};
        } else if (map_put(ids, (struct str){(const char *)e->id.b, 16}, e)) {
            ret->duplicates++;
        } else {
            list[n++] = e;
        }
    }
    return persist_events(p, plane, list, n, refused, n_refused, ret, err);
}

bool ingest_receive(struct db_pool *p, const struct uuid *plane, ingest_serves_fn serves, void *arg,
                    struct str batch, struct ingest_ack *ret, struct error *err)
{
    Weir__Batch *b = weir__batch__unpack(NULL, batch.len, (const uint8_t *)batch.ptr);
    if (!b || b->n_events > INGEST_MAX_EVENTS) {
        weir__batch__free_unpacked(b, NULL);
        return error_set(err, ERR_BAD_REQUEST, "not a batch of events");
    }
    struct ingest_ack ack = {.number = b->number};
    struct arena *a = arena_new(0);
    struct map *ids = map_new();
    bool ok = receive(p, plane, serves, arg, b, a, ids, &ack, err);
    map_free(ids);
    arena_free(a);
    weir__batch__free_unpacked(b, NULL);
    if (ok) {
        *ret = ack;
    }
    return ok;
}
