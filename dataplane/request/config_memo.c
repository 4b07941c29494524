/* See config_memo.h. */
#include "dataplane/request/config_memo.h"

#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "dataplane/request/env.h"

#define MEMOS 64 /* a power of two */
/* What a text may become: small patterns can stand for large programs, and a client may send many
 * such texts. Honest ones stay below a tenth of it. */
#define COMPILED_LEAST ((size_t)1 << 20)
#define COMPILED_TIMES 32u
#define KEPT_MAX ((size_t)64 << 20) /* of all that the table keeps */

struct config_memo {
    uint64_t hash;
    unsigned refs; /* requests, and the table while it stands there */
    struct arena *arena;
    struct str text;
    const struct route_tree *tree;
};

struct config_memos {
    struct config_memo *at[MEMOS];
    size_t kept; /* bytes */
    size_t hand; /* who is given up next where there are too many */
};

static void unref(void *arg)
{
    struct config_memo *m = arg;
    if (--m->refs == 0) {
        if (m->text.len) {
            explicit_bzero((char *)(uintptr_t)m->text.ptr, m->text.len); /* it may hold secrets */
        }
        arena_free(m->arena);
        mem_free(m);
    }
}

static struct config_memo *compile(struct str json, uint64_t hash, struct error *err)
{
    struct config_memo *m = mem_alloc(sizeof(*m));
    m->hash = hash;
    m->refs = 1;
    m->arena = arena_new(COMPILED_LEAST + COMPILED_TIMES * json.len);
    m->text = arena_str(m->arena, json);
    if (!m->text.ptr || !route_config_compile(m->text, m->arena, &m->tree, err)) {
        unref(m);
        return NULL;
    }
    return m;
}

static void give_up(struct config_memos *t, size_t i)
{
    if (t->at[i]) {
        t->kept -= arena_used(t->at[i]->arena);
        unref(t->at[i]);
        t->at[i] = NULL;
    }
}

static void keep(struct config_memos *t, struct config_memo *m)
{
    size_t place = m->hash & (MEMOS - 1), bytes = arena_used(m->arena);
    give_up(t, place);
    for (size_t i = 0; i < MEMOS && t->kept + bytes > KEPT_MAX; i++) {
        give_up(t, t->hand++ & (MEMOS - 1));
    }
    t->kept += bytes;
    t->at[place] = m;
}

const struct route_tree *config_memo_get(struct request_env *env, struct arena *user,
                                         struct str json, struct error *err)
{
    uint64_t hash = map_hash(json.ptr, json.len);
    if (!env->configs) {
        env->configs = mem_alloc(sizeof(*env->configs));
    }
    struct config_memo *m = env->configs->at[hash & (MEMOS - 1)];
    if (!m || m->hash != hash || !str_eq(m->text, json)) {
        m = compile(json, hash, err);
        if (!m) {
            return NULL;
        }
        keep(env->configs, m);
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
        give_up(env->configs, i);
    }
    mem_free(env->configs);
    env->configs = NULL;
}
