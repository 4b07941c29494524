/* Scripts. The server keeps each by a name that it tells itself (SCRIPT LOAD), so that a call
 * carries forty bytes in place of the text; a server that has forgotten it (NOSCRIPT) is given the
 * text again. */
#include "dataplane/cache/redis_inside.h"

#include <stdio.h>

#include "common/base/mem.h"

#define WORDS_MAX (REDIS_EVAL_WORDS + 3)

struct eval {
    struct redis_call call;
    void (*fn)(void *arg, const int64_t *values, size_t n);
    void *arg;
    struct str script;
    struct redis_script *known; /* NULL: more scripts than there are places for */
    bool by_name;               /* as it was sent last */
    size_t n_keys, n_words;
    size_t len[]; /* of the words, which stand one behind the other behind these */
};

static struct redis_script *script_of(struct redis *r, struct str script)
{
    for (size_t i = 0; i < REDIS_SCRIPTS; i++) {
        if (!r->scripts[i].text || r->scripts[i].text == script.ptr) {
            r->scripts[i].text = script.ptr;
            return &r->scripts[i];
        }
    }
    return NULL;
}

static void on_loaded(redisAsyncContext *ac, void *arg_reply, void *arg)
{
    const redisReply *reply = arg_reply;
    struct redis_script *known = arg;
    (void)ac;
    if (reply && reply->type == REDIS_REPLY_STRING && reply->len == REDIS_SHA) {
        memcpy(known->sha, reply->str, REDIS_SHA + 1);
    }
}

/* By its name where that is known; else with its text, and asks for the name. */
static bool eval_send(struct redis_call *c)
{
    struct eval *e = (struct eval *)c;
    redisAsyncContext *ac = c->redis->ac;
    const char *argv[WORDS_MAX];
    size_t len[WORDS_MAX];
    char n_keys[24];
    e->by_name = e->known && e->known->sha[0];
    if (!e->by_name && e->known) {
        const char *load[] = {"SCRIPT", "LOAD", e->script.ptr};
        size_t load_len[] = {6, 4, e->script.len};
        if (redisAsyncCommandArgv(ac, on_loaded, e->known, 3, load, load_len) != REDIS_OK) {
            return false;
        }
    }
    argv[0] = e->by_name ? "EVALSHA" : "EVAL";
    len[0] = e->by_name ? 7 : 4;
    argv[1] = e->by_name ? e->known->sha : e->script.ptr;
    len[1] = e->by_name ? REDIS_SHA : e->script.len;
    argv[2] = n_keys;
    len[2] = (size_t)snprintf(n_keys, sizeof(n_keys), "%zu", e->n_keys);
    const char *at = (const char *)(e->len + e->n_words);
    for (size_t i = 0; i < e->n_words; i++) {
        argv[3 + i] = at;
        len[3 + i] = e->len[i];
        at += e->len[i];
    }
    return redisAsyncCommandArgv(ac, redis_on_answer, c, (int)e->n_words + 3, argv, len) ==
           REDIS_OK;
}

static bool eval_again(struct redis_call *c, const redisReply *reply)
{
    struct eval *e = (struct eval *)c;
    if (!reply || reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "NOSCRIPT", 8) != 0 ||
        !e->by_name) {
        return false;
    }
    e->known->sha[0] = '\0';
    return eval_send(c);
}

static void eval_tell(struct redis_call *c, const redisReply *reply)
{
    struct eval *e = (struct eval *)c;
    int64_t values[REDIS_EVAL_WORDS];
    size_t n = 0;
    bool ok = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements <= REDIS_EVAL_WORDS;
    for (; ok && n < reply->elements; n++) {
        ok = reply->element[n]->type == REDIS_REPLY_INTEGER;
        values[n] = reply->element[n]->integer;
    }
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        redis_refused(c->redis, reply);
    }
    if (e->fn) {
        e->fn(e->arg, ok ? values : NULL, ok ? n : 0);
    }
}

struct redis_call *redis_eval(struct redis *r, struct str script, const struct str *keys,
                              size_t n_keys, const struct str *args, size_t n_args,
                              void (*fn)(void *arg, const int64_t *values, size_t n), void *arg)
{
    size_t bytes = 0, n = n_keys + n_args;
    if (n > REDIS_EVAL_WORDS) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        bytes += (i < n_keys ? &keys[i] : &args[i - n_keys])->len;
    }
    struct eval *e = mem_alloc(sizeof(*e) + n * sizeof(e->len[0]) + bytes);
    e->call = (struct redis_call){.tell = eval_tell, .send = eval_send, .again = eval_again};
    e->fn = fn;
    e->arg = arg;
    e->script = script;
    e->known = script_of(r, script);
    e->n_keys = n_keys;
    e->n_words = n;
    char *to = (char *)(e->len + n);
    for (size_t i = 0; i < n; i++) {
        const struct str *word = i < n_keys ? &keys[i] : &args[i - n_keys];
        e->len[i] = word->len;
        memcpy(to, word->ptr, word->len);
        to += word->len;
    }
    return redis_call_begin(r, &e->call);
}
