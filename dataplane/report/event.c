/* Writing and recovering events. The bytes are proto/usage.proto's; nested messages are written
 * behind a guess of their length's width and moved in the rare case that the guess was wrong, so
 * nothing is measured twice. */
#include "dataplane/report/event.h"

#include "common/base/mem.h"
#include "dataplane/snapshot/wire.h"
#include "proto/usage.pb-c.h"

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
SAME(EVENT_UNKNOWN, WEIR__OUTCOME__OUTCOME_UNKNOWN);
SAME(EVENT_OK, WEIR__OUTCOME__OUTCOME_OK);
SAME(EVENT_REFUSED, WEIR__OUTCOME__OUTCOME_REFUSED);
SAME(EVENT_PROVIDER_ERROR, WEIR__OUTCOME__OUTCOME_PROVIDER_ERROR);
SAME(EVENT_TIMEOUT, WEIR__OUTCOME__OUTCOME_TIMEOUT);
SAME(EVENT_CLIENT_GONE, WEIR__OUTCOME__OUTCOME_CLIENT_GONE);
SAME(EVENT_CUT, WEIR__OUTCOME__OUTCOME_CUT);
SAME(EVENT_FAILED, WEIR__OUTCOME__OUTCOME_FAILED);
SAME(UNIT_TOKEN_IN, WEIR__UNIT__UNIT_TOKEN_IN);
SAME(UNIT_TOKEN_OUT, WEIR__UNIT__UNIT_TOKEN_OUT);
SAME(UNIT_TOKEN_CACHED, WEIR__UNIT__UNIT_TOKEN_CACHED);
SAME(UNIT_TOKEN_CACHE_WRITE_5M, WEIR__UNIT__UNIT_TOKEN_CACHE_WRITE_5M);
SAME(UNIT_TOKEN_CACHE_WRITE_1H, WEIR__UNIT__UNIT_TOKEN_CACHE_WRITE_1H);
SAME(UNIT_TOKEN_REASONING, WEIR__UNIT__UNIT_TOKEN_REASONING);
SAME(UNIT_AUDIO_IN, WEIR__UNIT__UNIT_AUDIO_IN);
SAME(UNIT_AUDIO_OUT, WEIR__UNIT__UNIT_AUDIO_OUT);
SAME(UNIT_IMAGE, WEIR__UNIT__UNIT_IMAGE);
SAME(UNIT_SECOND, WEIR__UNIT__UNIT_SECOND);
SAME(UNIT_PIXEL, WEIR__UNIT__UNIT_PIXEL);
SAME(UNIT_REQUEST, WEIR__UNIT__UNIT_REQUEST);
SAME(UNIT_SEARCH, WEIR__UNIT__UNIT_SEARCH);
SAME(UNIT_IMAGE_IN, WEIR__UNIT__UNIT_IMAGE_IN);
SAME(UNIT_PAGE, WEIR__UNIT__UNIT_PAGE);
SAME(SOURCE_PROVIDER, WEIR__SOURCE__SOURCE_PROVIDER);
SAME(SOURCE_ESTIMATED, WEIR__SOURCE__SOURCE_ESTIMATED);
SAME(SOURCE_BOUND, WEIR__SOURCE__SOURCE_BOUND);

/* Upper bounds of everything in a message but its texts: tags, lengths, ids and numbers at their
 * widest. */
#define EVENT_FIXED (5 * 18 + 6 * 19 + 16 * 12 + 12 * 7 + 16)
#define ATTEMPT_FIXED (18 + 13 * 12 + 9 * 7 + 16)
#define QUANTITY_FIXED 40
#define CHARGE_FIXED (2 * 18 + 3 * 12 + 7 + 6)

static uint8_t *put_u64(uint8_t *at, unsigned field, uint64_t v)
{
    if (v == 0) {
        return at;
    }
    at = wire_put_varint(at, (uint64_t)field << 3 | WIRE_VARINT);
    return wire_put_varint(at, v);
}

static uint8_t *put_bytes(uint8_t *at, unsigned field, const void *p, size_t n)
{
    at = wire_put_varint(at, (uint64_t)field << 3 | WIRE_BYTES);
    at = wire_put_varint(at, n);
    memcpy(at, p, n);
    return at + n;
}

static uint8_t *put_str(uint8_t *at, unsigned field, struct str s)
{
    return s.len ? put_bytes(at, field, s.ptr, s.len) : at;
}

static uint8_t *put_uuid(uint8_t *at, unsigned field, const struct uuid *u)
{
    return uuid_is_nil(u) ? at : put_bytes(at, field, u->b, sizeof(u->b));
}

/* A nested message: its tag, room for a length of `width` bytes. Returns where its content begins.
 */
static uint8_t *nest_begin(uint8_t *at, unsigned field, unsigned width)
{
    return wire_put_varint(at, (uint64_t)field << 3 | WIRE_BYTES) + width;
}

static uint8_t *nest_end(uint8_t *content, uint8_t *at, unsigned width)
{
    size_t n = (size_t)(at - content), need = wire_varint_size(n);
    if (need != width) {
        memmove(content - width + need, content, n);
    }
    (void)wire_put_varint(content - width, n);
    return content - width + need + n;
}

static uint8_t *put_quantity(uint8_t *at, const struct event_quantity *q)
{
    at = put_u64(at, 1, (uint64_t)q->unit);
    at = put_u64(at, 2, q->quantity);
    at = put_u64(at, 3, q->price_picousd);
    return put_u64(at, 4, (uint64_t)q->source);
}

static uint8_t *put_attempt(uint8_t *at, const struct event_attempt *t)
{
    at = put_u64(at, 1, t->number);
    at = put_uuid(at, 2, &t->provider_id);
    at = put_str(at, 3, t->provider);
    at = put_str(at, 4, t->model);
    at = put_str(at, 5, t->answered_model);
    at = put_u64(at, 6, t->status);
    at = put_u64(at, 7, (uint64_t)t->outcome);
    at = put_str(at, 8, t->error_code);
    at = put_str(at, 9, t->finish_reason);
    at = put_u64(at, 10, t->started_us);
    at = put_u64(at, 11, t->duration_us);
    at = put_u64(at, 12, t->first_byte_us);
    at = put_u64(at, 13, t->bound_nanousd);
    at = put_u64(at, 14, t->cost_nanousd);
    for (size_t i = 0; i < t->n_quantities; i++) {
        uint8_t *content = nest_begin(at, 15, 1);
        at = nest_end(content, put_quantity(content, &t->quantities[i]), 1);
    }
    at = put_str(at, 16, t->upstream_request_id);
    at = put_str(at, 17, t->kind);
    at = put_str(at, 18, t->option);
    at = put_u64(at, 19, t->credential);
    at = put_u64(at, 20, t->list_nanousd);
    at = put_u64(at, 21, t->ratio_ppm);
    return put_str(at, 22, t->service_tier);
}

static uint8_t *put_charge(uint8_t *at, const struct event_charge *c)
{
    at = put_uuid(at, 1, &c->quota_id);
    at = put_str(at, 2, c->bucket);
    at = put_u64(at, 3, (uint64_t)c->window_start_s);
    at = put_uuid(at, 4, &c->holder);
    at = put_u64(at, 5, c->amount);
    return put_u64(at, 6, c->overrun);
}

/* For whom, at whose price, out of which budgets. */
static uint8_t *put_governance(uint8_t *at, const struct event *e)
{
    at = put_uuid(at, 31, &e->team_id);
    at = put_uuid(at, 32, &e->service_account_id);
    at = put_str(at, 33, e->end_user);
    at = put_str(at, 34, e->price_group);
    at = put_u64(at, 35, e->list_nanousd);
    for (size_t i = 0; i < e->n_charges; i++) {
        uint8_t *content = nest_begin(at, 36, 1);
        at = nest_end(content, put_charge(content, &e->charges[i]), 1);
    }
    for (size_t i = 0; i < e->n_tags; i++) {
        at = put_bytes(at, 37, e->tags[i].ptr, e->tags[i].len);
    }
    at = put_str(at, 38, e->downgraded_from);
    at = put_uuid(at, 39, &e->price_book_id);
    return put_u64(at, 40, e->custom_nanousd);
}

static uint8_t *put_event(uint8_t *at, const struct event *e)
{
    at = put_uuid(at, 1, &e->id);
    at = put_uuid(at, 2, &e->organization_id);
    at = put_uuid(at, 3, &e->workspace_id);
    at = put_uuid(at, 4, &e->key_id);
    at = put_uuid(at, 5, &e->user_id);
    at = put_u64(at, 6, e->started_us);
    at = put_u64(at, 7, e->duration_us);
    at = put_u64(at, 8, e->first_byte_us);
    at = put_str(at, 9, e->endpoint);
    at = put_str(at, 10, e->dialect);
    at = put_str(at, 11, e->model);
    at = put_u64(at, 12, e->stream);
    at = put_u64(at, 13, e->status);
    at = put_u64(at, 14, (uint64_t)e->outcome);
    at = put_str(at, 15, e->error_code);
    at = put_u64(at, 16, e->cost_nanousd);
    at = put_u64(at, 17, e->config_version);
    at = put_u64(at, 18, e->price_version);
    at = put_str(at, 19, e->metadata_json);
    at = put_str(at, 20, e->trace_id);
    for (size_t i = 0; i < e->n_attempts; i++) {
        uint8_t *content = nest_begin(at, 21, 2);
        at = nest_end(content, put_attempt(content, &e->attempts[i]), 2);
    }
    at = put_str(at, 22, e->cache_status);
    at = put_u64(at, 23, e->saved_nanousd);
    at = put_u64(at, 24, e->saved_us);
    at = put_uuid(at, 25, &e->config_id);
    at = put_u64(at, 26, e->config_number);
    at = put_str(at, 27, e->assignment);
    at = put_uuid(at, 28, &e->prompt_id);
    at = put_u64(at, 29, e->prompt_version);
    at = put_uuid(at, 30, &e->mirror_of);
    return put_governance(at, e);
}

size_t event_size_max(const struct event *e)
{
    size_t n = EVENT_FIXED + e->endpoint.len + e->dialect.len + e->model.len + e->error_code.len +
               e->metadata_json.len + e->trace_id.len + e->cache_status.len + e->assignment.len +
               e->end_user.len + e->price_group.len + e->downgraded_from.len;
    for (size_t i = 0; i < e->n_charges; i++) {
        n += CHARGE_FIXED + e->charges[i].bucket.len;
    }
    for (size_t i = 0; i < e->n_tags; i++) {
        n += 7 + e->tags[i].len;
    }
    for (size_t i = 0; i < e->n_attempts; i++) {
        const struct event_attempt *t = &e->attempts[i];
        n += ATTEMPT_FIXED + t->provider.len + t->model.len + t->answered_model.len +
             t->error_code.len + t->finish_reason.len + t->upstream_request_id.len + t->kind.len +
             t->option.len + t->service_tier.len + t->n_quantities * QUANTITY_FIXED;
    }
    return n;
}

static bool append(struct buffer *out, uint8_t *from, const uint8_t *to)
{
    out->len += (size_t)(to - from);
    return true;
}

bool event_write(const struct event *e, struct buffer *out)
{
    if (!buffer_reserve(out, event_size_max(e))) {
        out->failed = true;
        return false;
    }
    uint8_t *from = (uint8_t *)out->ptr + out->len;
    return append(out, from, put_event(from, e));
}

bool event_write_open(const struct event *e, struct buffer *out)
{
    if (!buffer_reserve(out, event_size_max(e) + 6)) {
        out->failed = true;
        return false;
    }
    uint8_t *from = (uint8_t *)out->ptr + out->len;
    uint8_t *content = nest_begin(from, 1, 2);
    return append(out, from, nest_end(content, put_event(content, e), 2));
}

/* What had not ended stands at its bound: the last one, and where two calls ran at once the other.
 */
static void recover_attempt(Weir__Attempt *t, bool last)
{
    if (!last && t->outcome != WEIR__OUTCOME__OUTCOME_UNKNOWN) {
        return;
    }
    t->outcome = WEIR__OUTCOME__OUTCOME_UNKNOWN;
    t->cost_nanousd = t->bound_nanousd;
    for (size_t i = 0; i < t->n_quantities; i++) {
        t->quantities[i]->source = WEIR__SOURCE__SOURCE_BOUND;
    }
}

/* The generated structs keep fields that this build does not know, so a newer writer's event passes
 * through whole. */
bool event_recover(void *arg, struct str open, struct buffer *out)
{
    (void)arg;
    Weir__Open *o = weir__open__unpack(NULL, open.len, (const uint8_t *)open.ptr);
    if (!o || !o->event || o->event->id.len != sizeof(struct uuid)) {
        weir__open__free_unpacked(o, NULL);
        return false;
    }
    Weir__Event *e = o->event;
    e->outcome = WEIR__OUTCOME__OUTCOME_UNKNOWN;
    e->status = 0;
    e->cost_nanousd = 0;
    for (size_t i = 0; i < e->n_attempts; i++) {
        recover_attempt(e->attempts[i], i + 1 == e->n_attempts);
        e->cost_nanousd += e->attempts[i]->cost_nanousd;
    }
    size_t n = weir__event__get_packed_size(e);
    bool ok = buffer_reserve(out, n);
    if (ok) {
        out->len += weir__event__pack(e, (uint8_t *)out->ptr + out->len);
    } else {
        out->failed = true;
    }
    weir__open__free_unpacked(o, NULL);
    return ok;
}
