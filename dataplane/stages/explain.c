/* See explain.h. The question is made a request without a client, goes through the same stages as
 * one would, up to the cache, and ends there: nothing is sent, nothing recorded, no shared state
 * moved. */
#include "dataplane/stages/explain.h"

#include "common/base/clock.h"
#include "dataplane/cache/key.h"
#include "dataplane/net/exchange.h"
#include "dataplane/request/pricing.h"
#include "dataplane/stages/cache.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"

#define DECISIONS_MAX (4u << 20)

struct json_writer *explain_decisions(struct request *r)
{
    return r->explanation ? &r->explanation->writer : NULL;
}

/* ---- the question ---- */

static struct str text_of(struct arena *a, struct json_value v)
{
    size_t n = 0;
    if (v.type != JSON_STRING) {
        return STR_NONE;
    }
    char *text = arena_alloc(a, v.raw.len + 1);
    return text && json_unescape(v, text, v.raw.len, &n) ? (struct str){text, n} : STR_NONE;
}

/* A document given as it is, or as a text that holds it. */
static struct str document_of(struct arena *a, struct json_value v)
{
    return v.type == JSON_STRING ? text_of(a, v) : v.type == JSON_NULL ? STR_NONE : v.raw;
}

static bool read_headers(struct request *r, struct json_value object, struct request_head *h)
{
    struct json_value name, value;
    size_t pos = 0;
    h->headers = arena_alloc(r->arena, EXCHANGE_MAX_HEADERS * sizeof(*h->headers));
    while (h->headers && json_next(object, &pos, &name, &value)) {
        struct header f = {text_of(r->arena, name), text_of(r->arena, value)};
        if (!f.name.ptr || !f.value.ptr) {
            return error_set_param(&r->error, ERR_INVALID_FIELD, "headers",
                                   "header fields are texts");
        }
        if (h->n_headers == EXCHANGE_MAX_HEADERS) {
            return error_set_param(&r->error, ERR_INVALID_FIELD, "headers",
                                   "a request has at most %d header fields", EXCHANGE_MAX_HEADERS);
        }
        h->headers[h->n_headers++] = f;
    }
    return h->headers != NULL;
}

static bool find_key(struct request *r, struct json_member *m)
{
    struct uuid id;
    struct str text = m->found ? text_of(r->arena, m->value) : STR_NONE;
    if (!text.ptr || !uuid_parse_public("key", text, &id)) {
        return error_set_param(&r->error, ERR_INVALID_FIELD, "key",
                               "'key' is the id of the virtual key that would ask");
    }
    r->key = r->snapshot ? snapshot_key_by_id(r->snapshot, &id, r->arena) : NULL;
    return r->key ||
           error_set_param(&r->error, ERR_NOT_FOUND, "key", "this data plane has no such key");
}

static bool read_question(struct request *r, struct str question)
{
    struct json_member m[] = {{.name = STR_LIT("key")},  {.name = STR_LIT("method")},
                              {.name = STR_LIT("path")}, {.name = STR_LIT("headers")},
                              {.name = STR_LIT("body")}, {.name = STR_LIT("config")}};
    struct request_head *h = arena_zalloc(r->arena, sizeof(*h));
    if (!h || !json_scan(question, m, 6, 0, &r->error)) {
        return h != NULL || error_set(&r->error, ERR_INTERNAL, "out of room for the question");
    }
    h->method = m[1].found ? text_of(r->arena, m[1].value) : STR_LIT("POST");
    h->target = m[2].found ? text_of(r->arena, m[2].value) : STR_LIT("/v1/chat/completions");
    if (!h->method.ptr || !h->target.ptr || !str_starts(h->target, STR_LIT("/"))) {
        return error_set_param(&r->error, ERR_INVALID_FIELD, "path",
                               "'method' and 'path' are texts, the path begins with '/'");
    }
    h->path = h->target;
    (void)str_cut(h->target, '?', &h->path, &h->query);
    r->head = h;
    if (m[3].found && !read_headers(r, m[3].value, h)) {
        return false;
    }
    struct str body = m[4].found ? document_of(r->arena, m[4].value) : STR_NONE;
    r->body = r->client_body = body.ptr ? body : STR_LIT("{}");
    r->explanation->proposed = m[5].found ? document_of(r->arena, m[5].value) : STR_NONE;
    return find_key(r, &m[0]);
}

/* ---- the stages ---- */

static bool key_may(struct request *r)
{
    if (r->key->disabled) {
        return error_set(&r->error, ERR_KEY_DISABLED, "API key is disabled");
    }
    if (r->key->expires_at_ms && (int64_t)clock_wall_ms() >= r->key->expires_at_ms) {
        return error_set(&r->error, ERR_KEY_EXPIRED, "API key has expired");
    }
    return true;
}

/* What it says of the cache can be read. The stage itself would look up, and be counted. */
static bool cache_may(struct request *r)
{
    struct cache_wish wish;
    bool cacheable =
        r->kind == REQUEST_CHAT || r->kind == REQUEST_EMBED || r->kind == REQUEST_RERANK;
    return !cacheable || cache_wish_read(r->head->headers, r->head->n_headers, &wish, &r->error);
}

/* True: a request would be sent now. */
static bool go_through(struct request *r)
{
    return stage_parse(r) == VERDICT_NEXT && key_may(r) && stage_read(r) == VERDICT_NEXT &&
           stage_expand(r) == VERDICT_NEXT && stage_route(r) == VERDICT_NEXT && cache_may(r);
}

/* ---- the answer ---- */

static void put_id(struct json_writer *w, const char *name, const char *prefix,
                   const struct uuid *id)
{
    char text[64];
    uuid_format_public(prefix, id, text, sizeof(text));
    json_field_str(w, name, uuid_is_nil(id) ? STR_NONE : str_of(text));
}

static void put_request(struct json_writer *w, const struct request *r)
{
    json_name(w, "request");
    json_object_begin(w);
    json_field_z(w, "endpoint", request_endpoint_name(r));
    json_field_z(w, "dialect", r->dialect->name);
    json_field_str(w, "model", r->model);
    json_field_bool(w, "stream", r->stream);
    json_field_u64(w, "prompt_tokens", routing_prompt_tokens(r));
    json_object_end(w);
    json_name(w, "caller");
    json_object_begin(w);
    put_id(w, "key", "key", &r->key->id);
    json_field_str(w, "name", r->key->name);
    put_id(w, "workspace", "ws", &r->key->workspace_id);
    json_object_end(w);
}

static void put_config(struct json_writer *w, const struct request *r)
{
    const struct config_found *c = r->routing ? &r->routing->config : NULL;
    json_name(w, "config");
    if (!c) {
        json_put_null(w);
        return;
    }
    json_object_begin(w);
    json_field_z(w, "source", config_source_name(c->source));
    if (c->document) {
        put_id(w, "id", "cfg", &c->document->id);
        json_field_str(w, "name", c->document->name);
        json_field_u64(w, "version", c->number);
    }
    json_object_end(w);
}

/* The prompt that was expanded; null: none was asked for, or it was not found. */
static void put_prompt(struct json_writer *w, const struct request *r)
{
    json_name(w, "prompt");
    if (!r->prompt) {
        json_put_null(w);
        return;
    }
    json_object_begin(w);
    put_id(w, "id", "prm", &r->prompt->id);
    json_field_str(w, "name", r->prompt->name);
    json_field_u64(w, "version", r->prompt_version);
    json_object_end(w);
}

static void put_price(struct json_writer *w, struct request *r, const struct candidate *c)
{
    uint64_t price = pricing_estimate(r, c, routing_prompt_tokens(r), ROUTING_EXPECTED_OUTPUT);
    json_name(w, "estimated_nanousd");
    if (price == UINT64_MAX) {
        json_put_null(w);
    } else {
        json_put_u64(w, price);
    }
}

static void put_state(struct json_writer *w, const struct request *r, const struct candidate *c)
{
    const struct target_state *s = c->state;
    uint64_t now = clock_mono_ms();
    if (!s) {
        return;
    }
    uint64_t reopens = target_reopens_ms(s);
    json_field_z(w, "health", breaker_state_name(target_breaker(s, now)));
    json_field_u64(w, "reopens_in_ms", reopens > now ? reopens - now : 0);
    json_field_bool(w, "saturated", target_saturated(s, routing_prompt_tokens(r), now));
    json_field_u64(w, "latency_ms", target_latency_us(s, now) / 1000);
    json_field_u64(w, "in_flight", target_in_flight(s));
}

static void put_target(struct json_writer *w, struct request *r, const struct candidate *c,
                       struct str option, struct str name)
{
    json_object_begin(w);
    json_field_str(w, "option", option);
    json_field_str(w, "name", name);
    json_field_str(w, "provider", c->provider->name);
    json_field_str(w, "model", c->model);
    json_field_z(w, "endpoint", c->endpoint ? provider_api_name(c->endpoint->api) : "native");
    json_field_bool(w, "translated",
                    c->endpoint && r->face_api != API_NONE && c->endpoint->api != r->face_api);
    put_state(w, r, c);
    put_price(w, r, c);
    json_object_end(w);
}

static void put_targets(struct json_writer *w, struct request *r, bool goes)
{
    const struct walk_place *order;
    json_name(w, "targets");
    json_array_begin(w);
    if (goes && r->routing) {
        size_t n = walk_explain_order(r->routing->walk, &order);
        for (size_t i = 0; i < n; i++) {
            struct routing_target *t = routing_target_of(r->routing, order[i].leaf);
            if (t && t->possible) {
                put_target(w, r, &t->candidate, order[i].option, order[i].leaf->name);
            }
        }
    } else if (goes) {
        for (size_t i = 0; i < r->n_candidates; i++) {
            put_target(w, r, &r->candidates[i], STR_NONE, STR_NONE);
        }
    }
    json_array_end(w);
    json_name(w, "impossible");
    json_array_begin(w);
    for (struct routing_target *t = r->routing ? r->routing->targets : NULL; t; t = t->next) {
        if (!t->possible) {
            json_object_begin(w);
            json_field_str(w, "option", t->leaf->path);
            json_field_z(w, "code", error_code_name(t->why));
            json_field_str(w, "reason", t->why_text);
            json_object_end(w);
        }
    }
    json_array_end(w);
}

static void put_error(struct json_writer *w, const char *name, const struct error *err)
{
    json_name(w, name);
    json_object_begin(w);
    json_field_u64(w, "status", (uint64_t)error_status(err->code));
    json_field_z(w, "code", error_code_name(err->code));
    json_field_z(w, "message", error_text(err));
    json_field_str(w, "param", err->param[0] ? str_of(err->param) : STR_NONE);
    json_object_end(w);
}

static void put_refusal(struct json_writer *w, const struct request *r, bool goes)
{
    if (goes || r->error.code == ERR_NONE) {
        json_name(w, "refused");
        json_put_null(w);
        return;
    }
    put_error(w, "refused", &r->error);
}

/* The question itself is wrong: whoever asked is told so, which is no refusal of the request. */
static void answer_bad_question(const struct request *r, struct buffer *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    put_error(&w, "error", &r->error);
    json_object_end(&w);
}

static void answer(struct request *r, bool goes, struct buffer *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_u64(&w, "config_version", r->snapshot ? snapshot_version(r->snapshot) : 0);
    put_request(&w, r);
    put_prompt(&w, r);
    put_config(&w, r);
    json_name(&w, "decisions");
    json_put_raw(&w, buffer_str(&r->explanation->decisions));
    put_targets(&w, r, goes);
    json_name(&w, "guardrails");
    json_array_begin(&w);
    json_array_end(&w);
    json_name(&w, "limits");
    json_array_begin(&w);
    json_array_end(&w);
    json_name(&w, "cache");
    if (goes) {
        cache_explain(r, &w);
    } else {
        json_put_null(&w);
    }
    put_refusal(&w, r, goes);
    json_object_end(&w);
}

bool explain_answer(struct request_env *env, struct str question, struct buffer *out,
                    struct error *err)
{
    struct request *r = request_new_detached(env);
    struct explanation *e = arena_zalloc(r->arena, sizeof(*e));
    bool ok = e != NULL;
    request_set_state(r, REQUEST_RUNNING);
    if (ok) {
        buffer_init(&e->decisions, DECISIONS_MAX);
        json_writer_init(&e->writer, &e->decisions);
        json_array_begin(&e->writer);
        r->explanation = e;
        if (read_question(r, question)) {
            bool goes = go_through(r);
            json_array_end(&e->writer);
            answer(r, goes, out);
        } else {
            answer_bad_question(r, out);
        }
        ok = !out->failed;
    }
    if (!ok) {
        *err = r->error;
        if (err->code == ERR_NONE) {
            (void)error_set(err, ERR_INTERNAL, "the explanation does not fit");
        }
    }
    if (e) {
        buffer_release(&e->decisions);
    }
    r->recorded = true; /* a question is no request */
    request_drop(r);
    return ok;
}
