/* Keeping an answer: only one that came whole, said nothing of a failure, and was made for just the
 * facts that its key stands for. */
#include "common/base/clock.h"
#include "common/json.h"
#include "dataplane/cache/redis.h"
#include "dataplane/stages/cache_parts.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stream/sink.h"

/* What is one call's own, and would be wrong of another. */
static bool is_kept(struct str name)
{
    static const char *const dropped[] = {"x-weir-request-id",
                                          "x-weir-cache",
                                          "x-weir-cache-key",
                                          "x-weir-attempts",
                                          "x-weir-prompt-version",
                                          "date",
                                          "age",
                                          "x-request-id",
                                          "request-id",
                                          "x-portkey-cache-status",
                                          "x-portkey-retry-attempt-count",
                                          "cf-aig-cache-status",
                                          "cf-ray",
                                          "content-length",
                                          "retry-after",
                                          "retry-after-ms",
                                          "x-should-retry",
                                          "openai-processing-ms",
                                          "set-cookie",
                                          "x-amzn-requestid",
                                          "apim-request-id"};
    static const struct str prefixes[] = {STR_LIT("x-ratelimit-"), STR_LIT("anthropic-ratelimit-"),
                                          STR_LIT("x-weir-budget-"), STR_LIT("x-weir-key-"),
                                          STR_LIT("x-weir-max-tokens")};
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        if (str_eq_nocase(name, str_of(dropped[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (str_eq_nocase(str_slice(name, 0, prefixes[i].len), prefixes[i])) {
            return false;
        }
    }
    return true;
}

/* ---- whether ---- */

/* A stream came to the end that its dialect has, could be read, and told something. */
static bool stream_is_whole(const struct relay *rl, struct str body)
{
    if (!rl || rl->failed || rl->garbled || (rl->frames && rl->frames->error.code)) {
        return false;
    }
    if (rl->heard.whole) {
        return true; /* a whole answer, written as a stream */
    }
    struct str text = str_trim(body);
    if (rl->framing == FRAMING_JSON_ARRAY && (!text.len || text.ptr[text.len - 1] != ']')) {
        return false;
    }
    bool finished = rl->heard.finish_seen || rl->usage.finish_reason_len > 0;
    bool heard = finished || rl->delta_bytes > 0 || rl->heard.text_bytes > 0;
    return heard && (rl->done || (rl->events && finished));
}

/* Some providers tell of failures with a 200; a response that works in the background is not there
 * yet. What is coded (gzip) is no JSON either. */
static bool body_is_answer(struct str body)
{
    enum { ERROR, TYPE, STATUS, N };
    struct json_member m[N] = {
        {.name = STR_LIT("error")}, {.name = STR_LIT("type")}, {.name = STR_LIT("status")}};
    struct json_value whole;
    if (!json_validate(body, 0, &whole, NULL)) {
        return false;
    }
    if (whole.type == JSON_ARRAY) {
        return true; /* Gemini's, of a target that does not stream */
    }
    if (whole.type != JSON_OBJECT || !json_members(whole, m, N, NULL)) {
        return false;
    }
    if (m[ERROR].found && m[ERROR].value.type != JSON_NULL) {
        return false;
    }
    if (m[TYPE].found && json_text_eq(m[TYPE].value, STR_LIT("error"))) {
        return false;
    }
    return !m[STATUS].found || m[STATUS].value.type != JSON_STRING ||
           json_text_eq(m[STATUS].value, STR_LIT("completed")) ||
           json_text_eq(m[STATUS].value, STR_LIT("incomplete"));
}

/* A condition that was looked at after the key was made (behind a failure) may hold for this
 * request alone, as may the client's own key where only another target takes it. */
static bool is_keyed(const struct request *r)
{
    bool own = cache_client_pays(r, &r->candidates[r->candidate]);
    return (!r->routing || r->routing->seen.len == r->cache->seen_len) &&
           (!own || r->cache->scoped);
}

static bool may_keep(const struct request *r)
{
    const struct cache_use *u = r->cache;
    if (!u->filling || u->failed || r->outcome != EVENT_OK || u->http_status != 200 ||
        u->body.len == 0 || !is_keyed(r)) {
        return false;
    }
    return u->stream ? stream_is_whole(r->relay, buffer_str(&u->body))
                     : body_is_answer(buffer_str(&u->body));
}

/* ---- how ---- */

static void add_tokens(const struct attempt *t, struct cached_head *head)
{
    for (size_t q = 0; q < t->n_quantities; q++) {
        uint64_t n = t->quantities[q].quantity;
        head->tokens_in += t->quantities[q].unit == UNIT_TOKEN_IN ? n : 0;
        head->tokens_out += t->quantities[q].unit == UNIT_TOKEN_OUT ? n : 0;
    }
}

static bool describe(const struct request *r, struct cached_head *ret)
{
    const struct cache_use *u = r->cache;
    struct header *list = arena_alloc(r->arena, (u->n_headers + 1) * sizeof(*list));
    if (!list) {
        return false;
    }
    *ret = (struct cached_head){.status = u->http_status,
                                .headers = list,
                                .stream = u->stream,
                                .duration_us = (clock_mono_ns() - r->started_ns) / 1000,
                                .provider = STR_LIT(""),
                                .model = STR_LIT("")};
    for (size_t i = 0; i < u->n_headers; i++) {
        if (is_kept(u->headers[i].name)) {
            list[ret->n_headers++] = u->headers[i];
        }
    }
    for (unsigned i = 0; i < r->n_attempts; i++) {
        const struct attempt *t = &r->attempts[i];
        ret->cost_nanousd += t->cost_nanousd;
        ret->provider = t->provider->name;
        ret->model = t->model.ptr ? t->model : STR_LIT("");
        add_tokens(t, ret);
    }
    return true;
}

static void share(struct request *r, const struct cache_entry *e)
{
    struct cache_use *u = r->cache;
    struct buffer value;
    char name[CACHED_NAME_BYTES];
    buffer_init(&value, 2u * CACHE_ENTRY_MAX);
    if (cached_value_write(e, &value)) {
        redis_set(r->env->redis, cached_name(&u->key, name), buffer_str(&value), u->ttl_s * 1000);
    }
    buffer_release(&value);
}

enum cache_flight cache_keep(struct request *r)
{
    struct cache_use *u = r->cache;
    struct cached_head head;
    struct buffer bytes;
    bool kept = false;
    uint64_t now = clock_wall_ms();
    if (!may_keep(r) || !describe(r, &head)) {
        return CACHE_NOT_KEPT;
    }
    buffer_init(&bytes, 1u << 20);
    if (cached_head_write(&head, &bytes)) {
        struct cache_entry e = {.head = buffer_str(&bytes),
                                .body = buffer_str(&u->body),
                                .stored_ms = now,
                                .expires_ms = now + u->ttl_s * 1000};
        struct cache_store *s = r->env->policy->cache;
        kept = s && cache_put(s, &u->key, &e, now);
        if (r->env->redis) {
            share(r, &e);
        }
    }
    buffer_release(&bytes);
    return kept ? CACHE_KEPT : CACHE_NOT_KEPT;
}
