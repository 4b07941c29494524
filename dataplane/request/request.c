/* The request itself: birth, state, attempts. Its way and its end are in pipeline.c. */
#include "dataplane/request/request.h"

#include <assert.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/crypto.h"

static const char *const state_names[] = {"read", "running", "parked", "relaying", "finished"};
static const char *const kind_names[] = {"none",   "chat.completions", "embeddings",
                                         "rerank", "count_tokens",     "universal",
                                         "models", "native",           "options"};

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

struct request *request_new(struct request_env *env, struct exchange *x)
{
    struct arena *a = request_env_arena(env);
    struct request *r = arena_zalloc(a, sizeof(*r));
    assert(r);
    r->env = env;
    list_push_back(&env->live, &r->node);
    r->arena = a;
    r->exchange = x;
    r->head = exchange_head(x);
    r->body = exchange_body(x);
    r->dialect = &dialect_openai;
    r->started_ns = clock_mono_ns();
    r->started_wall_us = clock_wall_us();
    r->error.offset = -1;
    name_request(r);
    r->hold = swap_acquire(env->reader);
    r->snapshot = r->hold ? swap_root(r->hold) : NULL;
    return r;
}

struct attempt *request_attempt(struct request *r)
{
    return r->n_attempts ? &r->attempts[r->n_attempts - 1] : NULL;
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
}
