/* See planes.h. */
#include "controlplane/api/planes.h"

#include "controlplane/http/reply.h"

#define ALIVE_MS 10000u /* a sync request is parked for two seconds at most */
#define PLANES_MAX 500
#define QUESTIONS_AT_ONCE 16u /* each holds a thread and waits */

bool planes_in_tx(struct call *c, enum tx_role role,
                  bool (*fn)(struct call *c, void *arg, struct error *err), void *arg,
                  struct error *err)
{
    const struct api_context *api = c->context;
    c->tx = tx_begin(api->pool, role, role == TX_TENANT ? &c->organization : NULL, err);
    if (!c->tx) {
        return false;
    }
    return call_end(c, fn(c, arg, err), err);
}

static bool read_planes(struct call *c, void *arg, struct error *err)
{
    struct planes_found *f = arg;
    struct data_plane_query q = {
        .id = f->only, .organization = &c->organization, .limit = PLANES_MAX};
    size_t n = 0;
    if (!data_plane_list(c->tx, &q, c->arena, &f->list, &f->n, err)) {
        return false;
    }
    f->ids = arena_alloc(c->arena, (f->n + 1) * sizeof *f->ids);
    for (size_t i = 0; f->ids && i < f->n; i++) {
        const struct data_plane *p = &f->list[i];
        if (!p->revoked_ms && p->last_seen_ms && p->silent_ms <= ALIVE_MS) {
            f->ids[n] = p->id;
            f->list[n++] = *p;
        }
    }
    f->n = n;
    return f->ids || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool planes_find(struct call *c, struct planes_found *f, struct error *err)
{
    /* groups are the installation's: the system's role reads them, narrowed to this organization */
    if (!planes_in_tx(c, TX_SYSTEM, read_planes, f, err)) {
        return false;
    }
    return f->n > 0 || !f->only || error_set(err, ERR_NOT_FOUND, "no such data plane is connected");
}

static bool read_plane(struct call *c, void *arg, struct error *err)
{
    struct data_plane *found = arg, *list;
    size_t n;
    struct data_plane_query q = {.id = &found->id, .limit = 1, .with_revoked = true};
    if (!data_plane_list(c->tx, &q, c->arena, &list, &n, err)) {
        return false;
    }
    if (n == 1) {
        *found = list[0];
    }
    return true;
}

bool planes_read(struct call *c, struct data_plane *p, struct error *err)
{
    return planes_in_tx(c, TX_SYSTEM, read_plane, p, err);
}

bool planes_enter(struct call *c, struct error *err)
{
    struct api_context *api = c->context;
    if (atomic_fetch_add(&api->plane_questions, 1) < QUESTIONS_AT_ONCE) {
        return true;
    }
    atomic_fetch_sub(&api->plane_questions, 1);
    return error_set(err, ERR_OVERLOADED,
                     "too many questions to data planes run already: try again in a moment");
}

void planes_leave(struct call *c)
{
    struct api_context *api = c->context;
    atomic_fetch_sub(&api->plane_questions, 1);
}

bool planes_ask(struct call *c, const struct planes_found *f, unsigned kind, struct str body,
                unsigned timeout_ms, struct channel_answer **ret, struct error *err)
{
    const struct api_context *api = c->context;
    *ret = arena_zalloc(c->arena, (f->n + 1) * sizeof **ret);
    if (!*ret) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (api->channel && f->n) {
        http_wait_begin(c->request);
        channel_command_all(api->channel, f->ids, f->n, kind, body, timeout_ms, c->arena, *ret);
        http_wait_end(c->request);
    }
    return true;
}

void planes_put(struct json_writer *w, const struct data_plane *p)
{
    reply_put_id(w, "id", "dp", &p->id);
    json_field_str(w, "name", p->name);
}
