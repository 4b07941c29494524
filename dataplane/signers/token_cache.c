/* Access tokens of one worker; see token_cache.h. An entry lives while it is in the table and is
 * freed only when nothing fetches for it and no call stands in it (`pins`). */
#include "dataplane/signers/token_cache.h"

#include <assert.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

#define BUCKETS 256u
#define MAX_ENTRIES 1024u
#define AHEAD_MS (5u * 60 * 1000)
#define PAUSE_MIN_MS 1000u
#define PAUSE_MAX_MS 60000u
#define YOUNG_MS 60000u            /* token_cache_reject's minute */
#define SCRATCH_BYTES (256u << 10) /* for one call or one answer */

struct token_fetch {
    struct token_entry *entry;
    void *user;
    uint64_t started_ms;
};

struct token_entry {
    struct token_cache *cache;
    struct list bucket; /* others with the same hash */
    struct list age;    /* cache->ages: the one used last stands first */
    struct str provider;
    struct str credential; /* heap, wiped when freed */
    const struct token_source *source;
    struct token_fetch *fetch; /* NULL: none is under way */
    struct list waiters;
    struct str token; /* NULL ptr: none */
    uint64_t bought_ms, refresh_ms, expires_ms;
    uint64_t retry_ms; /* no fetch before this moment */
    uint64_t pause_ms; /* the next failure's pause; 0: none has failed */
    struct error why;  /* of the last failure */
    unsigned pins;
};

struct token_cache {
    struct token_transport transport;
    struct list buckets[BUCKETS];
    struct list ages;
    size_t n, max;
};

void token_fetch_set_user(struct token_fetch *f, void *user)
{
    f->user = user;
}

void *token_fetch_user(const struct token_fetch *f)
{
    return f->user;
}

struct token_cache *token_cache_new(const struct token_transport *transport, size_t max_entries)
{
    struct token_cache *c = mem_alloc(sizeof(*c));
    assert(transport->start && transport->cancel);
    c->transport = *transport;
    c->max = max_entries ? max_entries : MAX_ENTRIES;
    list_init(&c->ages);
    for (size_t i = 0; i < BUCKETS; i++) {
        list_init(&c->buckets[i]);
    }
    return c;
}

size_t token_cache_count(const struct token_cache *c)
{
    return c->n;
}

/* ---- entries ---- */

static struct str copy(struct str s)
{
    char *p = mem_alloc(s.len + 1);
    if (s.len) {
        memcpy(p, s.ptr, s.len);
    }
    return (struct str){p, s.len};
}

static void wipe(struct str *s)
{
    mem_free_secret((void *)(uintptr_t)s->ptr, s->len);
    *s = STR_NONE;
}

/* The credential is compared in whole, so no two can be mistaken for each other; the bucket goes by
 * the provider alone. FNV-1a: ids are Weir's own, nobody chooses them to collide. */
static struct list *bucket_of(struct token_cache *c, struct str provider)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < provider.len; i++) {
        h = (h ^ (uint8_t)provider.ptr[i]) * 16777619u;
    }
    return &c->buckets[(h ^ h >> 16) % BUCKETS];
}

static struct token_entry *entry_find(struct token_cache *c, struct str provider,
                                      struct str credential)
{
    struct list *head = bucket_of(c, provider);
    for (struct list *l = head->next; l != head; l = l->next) {
        struct token_entry *e = LIST_ENTRY(l, struct token_entry, bucket);
        if (str_eq(e->provider, provider) && str_eq(e->credential, credential)) {
            return e;
        }
    }
    return NULL;
}

static void entry_free(struct token_entry *e)
{
    assert(!e->fetch && e->pins == 0 && list_empty(&e->waiters));
    list_remove(&e->bucket);
    list_remove(&e->age);
    e->cache->n--;
    wipe(&e->token);
    wipe(&e->credential);
    wipe(&e->provider);
    mem_free(e);
}

/* Makes room for one more. Entries in use are stepped over: there are no more of them than requests
 * under way. */
static void evict(struct token_cache *c)
{
    struct list *l = c->ages.prev;
    while (c->n >= c->max && l != &c->ages) {
        struct token_entry *e = LIST_ENTRY(l, struct token_entry, age);
        l = l->prev;
        if (!e->fetch && e->pins == 0) {
            entry_free(e);
        }
    }
}

static struct token_entry *entry_new(struct token_cache *c, struct str provider,
                                     struct str credential)
{
    evict(c);
    struct token_entry *e = mem_alloc(sizeof(*e));
    e->cache = c;
    e->provider = copy(provider);
    e->credential = copy(credential);
    list_init(&e->waiters);
    list_push_front(bucket_of(c, provider), &e->bucket);
    list_push_front(&c->ages, &e->age);
    c->n++;
    return e;
}

/* ---- fetching ---- */

static void entry_failed(struct token_entry *e, const struct error *err)
{
    e->why = *err;
    e->pause_ms = e->pause_ms == 0                 ? PAUSE_MIN_MS
                  : e->pause_ms * 2 < PAUSE_MAX_MS ? e->pause_ms * 2
                                                   : PAUSE_MAX_MS;
    e->retry_ms = clock_mono_ms() + e->pause_ms;
}

/* The life is counted from when it was asked for: the provider's clock started later. */
static void entry_bought(struct token_entry *e, const struct token_answer *answer,
                         uint64_t started_ms)
{
    uint64_t life_ms = answer->expires_in_s < UINT32_MAX ? answer->expires_in_s * 1000
                                                         : (uint64_t)UINT32_MAX * 1000;
    uint64_t ahead_ms = life_ms / 10 < AHEAD_MS ? life_ms / 10 : AHEAD_MS;
    wipe(&e->token);
    e->token = copy(answer->token);
    e->bought_ms = started_ms;
    e->expires_ms = started_ms + life_ms;
    e->refresh_ms = e->expires_ms - ahead_ms;
    e->retry_ms = 0;
    e->pause_ms = 0;
    e->why = (struct error)ERROR_INIT;
}

static bool has_token(const struct token_entry *e, uint64_t now_ms)
{
    return e->token.ptr && now_ms < e->expires_ms;
}

/* The transport may call token_cache_done before `start` returns. */
static void entry_fetch(struct token_entry *e, uint64_t now_ms)
{
    struct error err = ERROR_INIT;
    struct token_call call = {.url = STR_NONE};
    struct arena *a = arena_new(SCRATCH_BYTES);
    if (!e->source->build(e->credential, clock_wall_ms() / 1000, a, &call, &err)) {
        if (err.code == ERR_NONE) {
            (void)error_set(&err, ERR_INTERNAL, "out of room for a token request");
        }
        entry_failed(e, &err);
        arena_free(a);
        return;
    }
    struct token_fetch *f = mem_alloc(sizeof(*f));
    f->entry = e;
    f->started_ms = now_ms;
    e->fetch = f;
    e->cache->transport.start(e->cache->transport.arg, f, &call);
    arena_free(a);
}

/* Tells every waiter that stood at this moment what became of it. A callback may cancel others,
 * queue up anew, and get other tokens. */
static void entry_tell(struct token_entry *e, bool ready, const struct error *why)
{
    struct list told;
    struct list *l;
    list_init(&told);
    while ((l = list_pop_front(&e->waiters))) {
        list_push_back(&told, l);
    }
    e->pins++;
    while ((l = list_pop_front(&told))) {
        struct token_waiter *w = LIST_ENTRY(l, struct token_waiter, node);
        w->node = (struct list){NULL, NULL};
        w->fn(w->arg, ready ? TOKEN_READY : TOKEN_FAILED, ready ? e->token : STR_NONE,
              ready ? NULL : why);
    }
    e->pins--;
}

/* The answer's token, if it is one that can still be used. */
static bool entry_take(struct token_entry *e, int status, struct str body, uint64_t started_ms,
                       struct error *why)
{
    struct token_answer answer = {.token = STR_NONE};
    struct arena *a = arena_new(SCRATCH_BYTES);
    bool ok = e->source->parse(status, body, a, &answer, why) && answer.token.len;
    if (ok) {
        entry_bought(e, &answer, started_ms);
        ok = has_token(e, clock_mono_ms());
        if (!ok) {
            (void)error_set(why, ERR_UPSTREAM_GARBAGE,
                            "the access token had expired before it came");
        }
    } else if (why->code == ERR_NONE) {
        (void)error_set(why, ERR_UPSTREAM_GARBAGE, "the token endpoint gave no token");
    }
    arena_free(a);
    return ok;
}

void token_cache_done(struct token_fetch *f, int status, struct str body, const struct error *err)
{
    struct token_entry *e = f->entry;
    struct error why = ERROR_INIT;
    uint64_t started_ms = f->started_ms;
    bool ready = false;
    assert(e->fetch == f);
    e->fetch = NULL;
    mem_free(f);
    if (status != 0) {
        ready = entry_take(e, status, body, started_ms, &why);
    } else if (err && err->code != ERR_NONE) {
        why = *err;
    } else {
        (void)error_set(&why, ERR_UPSTREAM_REFUSED, "the token endpoint gave no answer");
    }
    if (!ready) {
        entry_failed(e, &why);
    }
    entry_tell(e, ready, &why);
}

/* ---- asking ---- */

enum token_state token_cache_get(struct token_cache *c, struct str provider,
                                 const struct token_source *source, struct str credential,
                                 struct token_waiter *waiter, struct str *ret_token,
                                 struct error *err)
{
    uint64_t now_ms = clock_mono_ms();
    struct token_entry *e = entry_find(c, provider, credential);
    if (!e) {
        e = entry_new(c, provider, credential);
    }
    e->source = e->fetch ? e->source : source;
    list_remove(&e->age);
    list_push_front(&c->ages, &e->age);

    bool wanted = !has_token(e, now_ms) || now_ms >= e->refresh_ms;
    if (wanted && !e->fetch && now_ms >= e->retry_ms) {
        e->pins++;
        entry_fetch(e, now_ms);
        e->pins--;
    }
    if (has_token(e, now_ms)) {
        *ret_token = e->token;
        return TOKEN_READY;
    }
    if (e->fetch) {
        assert(!waiter->node.next);
        list_push_back(&e->waiters, &waiter->node);
        return TOKEN_WAIT;
    }
    assert(e->why.code != ERR_NONE); /* no token and no fetch: the last one failed */
    *err = e->why;
    return TOKEN_FAILED;
}

void token_waiter_cancel(struct token_waiter *waiter)
{
    if (waiter->node.next) {
        list_remove(&waiter->node);
        waiter->node = (struct list){NULL, NULL};
    }
}

void token_cache_reject(struct token_cache *c, struct str provider, struct str credential,
                        struct str token)
{
    struct token_entry *e = entry_find(c, provider, credential);
    if (e && e->token.ptr && str_eq(e->token, token) &&
        clock_mono_ms() >= e->bought_ms + YOUNG_MS) {
        wipe(&e->token);
    }
}

void token_cache_free(struct token_cache *c)
{
    if (!c) {
        return;
    }
    struct error stopping = ERROR_INIT;
    while (!list_empty(&c->ages)) {
        struct token_entry *e = LIST_ENTRY(c->ages.next, struct token_entry, age);
        if (e->fetch) {
            c->transport.cancel(c->transport.arg, e->fetch);
            mem_free(e->fetch);
            e->fetch = NULL;
        }
        wipe(&e->token);
        (void)error_set(&stopping, ERR_NOT_READY, "the proxy is stopping");
        entry_tell(e, false, &stopping);
        entry_free(e);
    }
    mem_free(c);
}
