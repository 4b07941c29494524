/* The request itself: birth, state, attempts. Its way and its end are in pipeline.c. */
#include "dataplane/request/request.h"

#include <assert.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/crypto.h"
#include "dataplane/request/holds.h"
#include "dataplane/routing/target_state.h"

static const char *const state_names[] = {"read", "running", "parked", "relaying", "finished"};
static const char *const kind_names[] = {"none",         "chat.completions", "embeddings", "rerank",
                                         "count_tokens", "universal",        "models",     "native",
                                         "usage",        "options"};

_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == REQUEST_STATE_COUNT, "a name each");
_Static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == REQUEST_KIND_COUNT, "a name each");

/* bit s: state s may come before */
static const unsigned predecessors[REQUEST_STATE_COUNT] = {
    [REQUEST_READ] = 0,
    [REQUEST_RUNNING] = 1u << REQUEST_READ | 1u << REQUEST_PARKED,
    [REQUEST_PARKED] = 1u << REQUEST_RUNNING,
    [REQUEST_RELAYING] = 1u << REQUEST_RUNNING,
    [REQUEST_FINISHED] = 1u << REQUEST_RUNNING | 1u << REQUEST_PARKED | 1u << REQUEST_RELAYING,
};

const char *request_state_name(enum request_state s)
{
    return s < REQUEST_STATE_COUNT ? state_names[s] : "?";
}

const char *request_endpoint_name(const struct request *r)
{
    static const char *const names[API_COUNT] = {
        [API_CHAT] = "chat.completions",    [API_RESPONSES] = "responses",
        [API_MESSAGES] = "messages",        [API_GENERATE] = "generate_content",
        [API_CONVERSE] = "converse",        [API_INVOKE_MESSAGES] = "invoke_model",
        [API_VERTEX_MESSAGES] = "messages", [API_COHERE_CHAT] = "chat",
        [API_OLLAMA_CHAT] = "chat",
    };
    if (r->prompt_ref.ptr) {
        return r->prompt_render ? "prompts.render" : "prompts.completions";
    }
    switch (provider_api_kind(r->face_api)) {
    case API_KIND_EMBED:
        return "embeddings";
    case API_KIND_RERANK:
        return "rerank";
    case API_KIND_COUNT_TOKENS:
        return "count_tokens";
    case API_KIND_CHAT:
        if (r->kind == REQUEST_CHAT && names[r->face_api]) {
            return names[r->face_api];
        }
        break;
    default:
        break;
    }
    return request_kind_name(r->kind);
}

const char *request_kind_name(enum request_kind k)
{
    return k < REQUEST_KIND_COUNT ? kind_names[k] : "?";
}

void request_set_state(struct request *r, enum request_state s)
{
    assert(s < REQUEST_STATE_COUNT && (predecessors[s] & 1u << r->state) != 0);
    r->state = s;
}

static void name_request(struct request *r)
{
    r->id = uuid_v7();
    memcpy(r->id_text, "req_", 4);
    crypto_hex(r->id.b, sizeof(r->id.b), r->id_text + 4);
}

struct request *request_new_detached(struct request_env *env)
{
    struct arena *a = request_env_arena(env);
    struct request *r = arena_zalloc(a, sizeof(*r));
    assert(r);
    r->env = env;
    list_push_back(&env->live, &r->node);
    r->arena = a;
    r->dialect = &dialect_openai;
    r->started_ns = clock_mono_ns();
    r->started_wall_us = clock_wall_us();
    r->error.offset = -1;
    name_request(r);
    r->hold = swap_acquire(env->reader);
    r->snapshot = r->hold ? swap_root(r->hold) : NULL;
    return r;
}

static uint64_t header_bit(struct str name)
{
    unsigned first = (unsigned char)name.ptr[0] | 0x20u;
    unsigned last = (unsigned char)name.ptr[name.len - 1] | 0x20u;
    return 1ull << ((first * 7 + last * 3 + name.len) & 63);
}

static bool is_own_header(struct str name)
{
    char third = name.len > 6 && name.ptr[1] == '-' ? (char)(name.ptr[2] | 0x20) : '\0';
    bool one = third == 'w' || third == 'p' || third == 'e' || third == 'l' || third == 'o';
    return name.len > 6 && ((one && (name.ptr[0] | 0x20) == 'x') ||
                            str_eq_nocase(str_slice(name, 0, 3), STR_LIT("cf-")) ||
                            str_eq_nocase(str_slice(name, 0, 6), STR_LIT("cache-")));
}

/* Most fields that are asked for are not there: one look at each name tells that of nearly all of
 * them. */
static void index_headers(struct request *r)
{
    r->header_mask = 0;
    for (size_t i = 0; i < r->head->n_headers; i++) {
        struct str name = r->head->headers[i].name;
        if (name.len) {
            char first = (char)(name.ptr[0] | 0x20);
            r->header_mask |= header_bit(name);
            r->own_headers =
                r->own_headers || ((first == 'x' || first == 'c') && is_own_header(name));
        }
    }
}

struct request *request_new(struct request_env *env, struct exchange *x)
{
    struct request *r = request_new_detached(env);
    r->exchange = x;
    r->head = exchange_head(x);
    r->body = r->client_body = exchange_body(x);
    index_headers(r);
    return r;
}

struct str request_header(const struct request *r, const char *name)
{
    struct str wanted = str_of(name);
    if (r->header_mask && !(r->header_mask & header_bit(wanted))) {
        return STR_NONE;
    }
    for (size_t i = 0; i < r->head->n_headers; i++) {
        if (str_eq_nocase(r->head->headers[i].name, wanted)) {
            return r->head->headers[i].value;
        }
    }
    return STR_NONE;
}

bool request_prompt_header(const struct request *r, struct header *ret)
{
    struct str number = r->prompt
                            ? arena_printf(r->arena, "%llu", (unsigned long long)r->prompt_version)
                            : STR_NONE;
    *ret = (struct header){STR_LIT("x-weir-prompt-version"), number};
    return number.ptr != NULL;
}

bool request_reply_header(struct request *r, const char *name, struct str value)
{
    struct header *list = arena_alloc(r->arena, (r->reply.n_headers + 1) * sizeof(*list));
    if (!list) {
        return false;
    }
    if (r->reply.n_headers) {
        memcpy(list, r->reply.headers, r->reply.n_headers * sizeof(*list));
    }
    list[r->reply.n_headers++] = (struct header){str_of(name), value};
    r->reply.headers = list;
    return true;
}

struct attempt *request_attempt(struct request *r)
{
    return r->attempt ? &r->attempts[r->attempt - 1] : NULL;
}

/* One is the rule: the list grows only where there are more. */
struct attempt *request_attempt_new(struct request *r)
{
    if (r->n_attempts == r->attempts_room) {
        unsigned room = r->attempts_room ? r->attempts_room * 4 : 1;
        struct attempt *list =
            room <= REQUEST_MAX_ATTEMPTS ? arena_zalloc(r->arena, room * sizeof(*list)) : NULL;
        if (!list) {
            return NULL;
        }
        if (r->n_attempts) {
            memcpy(list, r->attempts, r->n_attempts * sizeof(*list));
        }
        r->attempts = list;
        r->attempts_room = room;
    }
    r->attempt = ++r->n_attempts;
    return &r->attempts[r->n_attempts - 1];
}

/* What an answer says of its target: a client's own mistake, or its going, says nothing; one that
 * began well and broke off, or could not be read, is as good as none. */
static void tell_state(const struct attempt *t)
{
    bool refused = t->status >= 400 && t->status < 500 && t->status != 401 && t->status != 402 &&
                   t->status != 403 && t->status != 408 && t->status != 429;
    struct target_outcome o = {
        .success = t->outcome == EVENT_OK && t->status < 400,
        .counts = !t->ours && !refused && t->outcome != EVENT_CLIENT_GONE &&
                  t->outcome != EVENT_FAILED && t->outcome != EVENT_REFUSED &&
                  !(t->callers_time && t->outcome == EVENT_TIMEOUT),
        .status = t->outcome == EVENT_OK || t->status >= 400 ? t->status : 0,
        .cooldown_ms = t->cooldown_ms,
        .now_ms = clock_mono_ms(),
    };
    if (o.success && t->first_byte_ns > t->started_ns) {
        o.first_token_us = (t->first_byte_ns - t->started_ns) / 1000;
    }
    target_finished(t->state, t->breaker, &o, t->probe);
}

void request_end_attempt(struct request *r, enum event_outcome outcome, enum error_code error)
{
    struct attempt *t = request_attempt(r);
    if (!t || t->ended_ns) {
        return;
    }
    t->outcome = outcome;
    t->error = error;
    t->ended_ns = clock_mono_ns();
    holds_end_attempt(r, r->attempt, t);
    if (t->state) {
        tell_state(t);
    }
}

void request_probe_back(struct request *r)
{
    struct candidate *c = r->candidate < r->n_candidates ? &r->candidates[r->candidate] : NULL;
    if (c && c->probe && c->state) {
        target_probe_dropped(c->state);
        c->probe = false;
    }
}
