/* What requests borrow from their worker; see env.h. */
#include "dataplane/request/env.h"

#include "common/crypto.h"
#include "dataplane/request/request.h"
#include "dataplane/request/config_memo.h"
#include "dataplane/request/token_post.h"

#define RECORD_MAX (64u << 10)
#define ARENA_MAX (256u << 20) /* of one request; bodies have their own, smaller ceiling */
#define FIRST_CHUNK (24u << 10)

void request_env_init(struct request_env *env)
{
    buffer_init(&env->record, RECORD_MAX);
    crypto_random(&env->random_state, sizeof(env->random_state));
    env->random_state |= 1;
    env->n_spare = 0;
    list_init(&env->live);
    env->dead = NULL;
    env->tokens = NULL;
    env->redis = NULL;
    env->configs = NULL;
    env->turn = 0;
    env->ending = false;
    memset(env->prices, 0, sizeof(env->prices));
}

void request_env_release(struct request_env *env)
{
    token_post_release(env);
    config_memo_release(env);
    while (env->n_spare) {
        arena_free(env->spare[--env->n_spare]);
    }
    buffer_release(&env->record);
}

struct arena *request_env_arena(struct request_env *env)
{
    if (env->n_spare) {
        return env->spare[--env->n_spare];
    }
    struct arena *a = arena_new(ARENA_MAX);
    /* the first chunk is the one that a reset keeps: large enough for nearly every request */
    (void)arena_alloc(a, FIRST_CHUNK);
    arena_reset(a);
    return a;
}

void request_env_arena_back(struct request_env *env, struct arena *a)
{
    arena_reset(a); /* what it held may come back here too (a stream's scratch) */
    if (env->n_spare == ENV_SPARE_ARENAS) {
        arena_free(a);
        return;
    }
    env->spare[env->n_spare++] = a;
}

uint64_t request_env_random(struct request_env *env, uint64_t n)
{
    /* xorshift64*: good enough to spread load */
    uint64_t x = env->random_state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    env->random_state = x;
    return (uint64_t)(((unsigned __int128)(x * 0x2545f4914f6cdd1dull) * n) >> 64);
}
