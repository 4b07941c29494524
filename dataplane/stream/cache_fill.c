/* See cache_fill.h. */
#include "dataplane/stream/cache_fill.h"

/* The provider's fields stand in the worker's block, which the next read overwrites. */
static bool copy_headers(struct request *r, struct cache_use *u)
{
    struct header *list = arena_alloc(r->arena, (u->n_headers + 1) * sizeof(*list));
    for (size_t i = 0; list && i < u->n_headers; i++) {
        list[i].name = arena_str(r->arena, u->headers[i].name);
        list[i].value = arena_str(r->arena, u->headers[i].value);
        if (!list[i].name.ptr || !list[i].value.ptr) {
            return false;
        }
    }
    u->headers = list;
    return list != NULL;
}

/* It will not be kept: who waits for it need not wait for its end. */
static void give_up(struct request *r, struct cache_use *u)
{
    u->failed = true;
    buffer_release(&u->body);
    if (u->leads) {
        u->leads = false;
        cache_flight_end(r->env->policy->cache, &u->key, CACHE_NOT_KEPT);
    }
}

void cache_note_head(struct request *r, int status, const struct header *headers, size_t n,
                     bool stream)
{
    struct cache_use *u = r->cache;
    if (u && u->filling && !u->failed) {
        u->http_status = status;
        u->headers = headers;
        u->n_headers = n;
        u->stream = stream;
        if (!copy_headers(r, u)) {
            give_up(r, u);
        }
    }
}

void cache_note_bytes(struct request *r, struct str bytes)
{
    struct cache_use *u = r->cache;
    if (u && u->filling && !u->failed && !buffer_append_str(&u->body, bytes)) {
        give_up(r, u);
    }
}

void cache_note_reply(struct request *r, const struct header *headers, size_t n)
{
    if (r->cache && r->cache->filling) {
        cache_note_head(r, r->reply.status, headers, n, r->stream);
        cache_note_bytes(r, r->reply.body);
    }
}
