/* Idle connections per origin, last in first out: the busiest few stay warm and the rest reach
 * their idle limit. */
#include <stdio.h>

#include "common/base/mem.h"
#include "dataplane/upstream/call.h"

#define HOST_MAX 255u

struct origin *pool_origin(struct upstream *u, const struct upstream_origin *at)
{
    char key[HOST_MAX + 16];
    if (at->host.len == 0 || at->host.len > HOST_MAX || memchr(at->host.ptr, '\0', at->host.len)) {
        return NULL;
    }
    key[0] = at->tls ? 's' : 'p';
    key[1] = (char)(at->port >> 8);
    key[2] = (char)(at->port & 0xff);
    memcpy(key + 3, at->host.ptr, at->host.len);
    size_t len = 3 + at->host.len;
    struct origin *o = map_get(u->origins, (struct str){key, len});
    if (!o) {
        o = mem_alloc(sizeof(*o) + len + 1);
        o->upstream = u;
        list_init(&o->idle);
        o->port = at->port;
        o->tls = at->tls;
        memcpy(o->key, key, len);
        o->key_len = len;
        o->host = o->key + 3;
        (void)map_put(u->origins, (struct str){o->key, len}, o);
    }
    o->refs++;
    return o;
}

void pool_unref(struct origin *o)
{
    if (--o->refs == 0) {
        (void)map_remove(o->upstream->origins, (struct str){o->key, o->key_len});
        mem_free(o);
    }
}

struct peer *pool_take(struct origin *o)
{
    struct list *n = list_pop_front(&o->idle);
    if (!n) {
        return NULL;
    }
    o->n_idle--;
    return LIST_ENTRY(n, struct peer, node);
}

void pool_put(struct peer *l)
{
    struct origin *o = l->origin;
    list_push_front(&o->idle, &l->node);
    o->n_idle++;
    if (o->n_idle > o->upstream->limits.max_idle_per_origin) {
        peer_close(LIST_ENTRY(o->idle.prev, struct peer, node));
    }
}

void pool_remove(struct peer *l)
{
    list_remove(&l->node);
    l->origin->n_idle--;
}

void pool_close_idle(struct upstream *u)
{
    struct str key;
    void *value;
    size_t pos = 0;
    while (map_next(u->origins, &pos, &key, &value)) {
        struct origin *o = value;
        /* a closed peer gives up its reference behind the turn, so the map does not change under
         * the walk */
        while (!list_empty(&o->idle)) {
            peer_close(LIST_ENTRY(o->idle.next, struct peer, node));
        }
    }
}
