/* See config_memo.h. */
#include "dataplane/request/config_memo.h"

#include "common/base/map.h"
#include "common/base/mem.h"
#include "dataplane/request/env.h"

#define MEMOS 64 /* a power of two */
#define COMPILED_MAX (64u << 20)

struct config_memo {
    uint64_t hash;
    unsigned refs; /* requests, and the table while it stands there */
    struct arena *arena;
    struct str text;
    const struct route_tree *tree;
};

struct config_memos {
    struct config_memo *at[MEMOS];
};

static void unref(void *arg)
{
    struct config_memo *m = arg;
    if (--m->refs == 0) {
        arena_free(m->arena); /* holds the text, which may hold secrets: the arena wipes */
        mem_free(m);
    }
}

static struct config_memo *compile(struct str json, uint64_t hash, struct error *err)
{
    struct config_memo *m = mem_alloc(sizeof(*m));
    m->hash = hash;
    m->refs = 1;
    m->arena = arena_new(COMPILED_MAX);
    m->text = arena_str(m->arena, json);
    if (!m->text.ptr || !route_config_compile(m->text, m->arena, &m->tree, err)) {
        unref(m);
        return NULL;
    }
    return m;
}

const struct route_tree *config_memo_get(struct request_env *env, struct arena *user,
                                         struct str json, struct error *err)
{
    uint64_t hash = map_hash(json.ptr, json.len);
    if (!env->configs) {
        env->configs = mem_alloc(sizeof(*env->configs));
    }
    struct config_memo **place = &env->configs->at[hash & (MEMOS - 1)], *m = *place;
    if (!m || m->hash != hash || !str_eq(m->text, json)) {
        m = compile(json, hash, err);
        if (!m) {
            return NULL;
        }
        if (*place) {
            unref(*place);
        }
        *place = m;
    }
    if (!arena_on_release(user, unref, m)) {
        (void)error_set(err, ERR_INTERNAL, "out of room for the routing config");
        return NULL;
    }
    m->refs++;
    return m->tree;
}

void config_memo_release(struct request_env *env)
{
    for (size_t i = 0; env->configs && i < MEMOS; i++) {
        if (env->configs->at[i]) {
            unref(env->configs->at[i]);
        }
    }
    mem_free(env->configs);
    env->configs = NULL;
}
