/* Plain values: look-ups, and what is fired and forgotten. */
#include "dataplane/cache/redis_inside.h"

#include <stdio.h>

#include "common/base/mem.h"

#define SCAN_COUNT "500"

struct get {
    struct redis_call call;
    void (*fn)(void *arg, bool found, struct str value);
    void *arg;
    size_t key_len;
    char key[];
};

static void get_tell(struct redis_call *c, const redisReply *reply)
{
    const struct get *g = (const struct get *)c;
    bool found = reply && reply->type == REDIS_REPLY_STRING;
    g->fn(g->arg, found, found ? (struct str){reply->str, (size_t)reply->len} : STR_NONE);
}

static bool get_send(struct redis_call *c)
{
    struct get *g = (struct get *)c;
    const char *argv[] = {"GET", g->key};
    size_t len[] = {3, g->key_len};
    return redisAsyncCommandArgv(c->redis->ac, redis_on_answer, c, 2, argv, len) == REDIS_OK;
}

struct redis_call *redis_get(struct redis *r, struct str key,
                             void (*fn)(void *arg, bool found, struct str value), void *arg)
{
    struct get *g = mem_alloc(sizeof(*g) + key.len);
    *g = (struct get){
        .call = {.tell = get_tell, .send = get_send}, .fn = fn, .arg = arg, .key_len = key.len};
    memcpy(g->key, key.ptr, key.len);
    return redis_call_begin(r, &g->call);
}

void redis_set(struct redis *r, struct str key, struct str value, uint64_t ttl_ms)
{
    char ttl[24];
    const char *argv[] = {"SET", key.ptr, value.ptr, "PX", ttl};
    size_t len[] = {3, key.len, value.len, 2, 0};
    if (ttl_ms == 0 || !redis_is_roomy(r, value.len)) {
        return;
    }
    len[4] = (size_t)snprintf(ttl, sizeof(ttl), "%llu", (unsigned long long)ttl_ms);
    (void)redisAsyncCommandArgv(r->ac, redis_on_done, NULL, 5, argv, len);
}

void redis_delete(struct redis *r, struct str key)
{
    const char *argv[] = {"DEL", key.ptr};
    size_t len[] = {3, key.len};
    if (redis_is_roomy(r, key.len)) {
        (void)redisAsyncCommandArgv(r->ac, redis_on_done, NULL, 2, argv, len);
    }
}

/* ---- all keys of a prefix ---- */

struct sweep {
    size_t len;
    char pattern[]; /* the prefix, escaped, and a star */
};

static void on_scanned(redisAsyncContext *ac, void *reply, void *arg);

static void sweep_step(redisAsyncContext *ac, struct sweep *w, struct str cursor)
{
    const char *argv[] = {"SCAN", cursor.ptr, "MATCH", w->pattern, "COUNT", SCAN_COUNT};
    size_t len[] = {4, cursor.len, 5, w->len, 5, sizeof(SCAN_COUNT) - 1};
    if (redisAsyncCommandArgv(ac, on_scanned, w, 6, argv, len) != REDIS_OK) {
        mem_free(w);
    }
}

static void keys_delete(redisAsyncContext *ac, const redisReply *keys)
{
    const char **argv = mem_alloc((keys->elements + 1) * sizeof(*argv));
    size_t *len = mem_alloc((keys->elements + 1) * sizeof(*len));
    argv[0] = "DEL";
    len[0] = 3;
    for (size_t i = 0; i < keys->elements; i++) {
        argv[i + 1] = keys->element[i]->str;
        len[i + 1] = (size_t)keys->element[i]->len;
    }
    (void)redisAsyncCommandArgv(ac, redis_on_done, NULL, (int)keys->elements + 1, argv, len);
    mem_free(argv);
    mem_free(len);
}

static void on_scanned(redisAsyncContext *ac, void *arg_reply, void *arg)
{
    const redisReply *reply = arg_reply;
    struct sweep *w = arg;
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY) {
        redis_on_done(ac, arg_reply, NULL);
        mem_free(w);
        return;
    }
    struct str cursor = {reply->element[0]->str, (size_t)reply->element[0]->len};
    if (reply->element[1]->elements > 0) {
        keys_delete(ac, reply->element[1]);
    }
    if (str_eqz(cursor, "0")) {
        mem_free(w);
    } else {
        sweep_step(ac, w, cursor);
    }
}

void redis_delete_all(struct redis *r, struct str prefix)
{
    if (!redis_is_roomy(r, prefix.len)) {
        return;
    }
    struct sweep *w = mem_alloc(sizeof(*w) + 2 * prefix.len + 1);
    for (size_t i = 0; i < prefix.len; i++) {
        if (memchr("*?[]^\\", prefix.ptr[i], 6)) {
            w->pattern[w->len++] = '\\';
        }
        w->pattern[w->len++] = prefix.ptr[i];
    }
    w->pattern[w->len++] = '*';
    sweep_step(r->ac, w, STR_LIT("0"));
}
