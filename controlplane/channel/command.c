/* Commands to planes: queued on the session, handed over with the next sync reply, finished by a
 * result in a later sync request. For a plane in session with another instance the way there and
 * back is a row and two notifications. */
#include "controlplane/channel/internal.h"

#include <errno.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "controlplane/store/data_planes_channel.h"

#define REMOTE_LOOK_MS 500 /* when no notification comes */
#define RESULT_MAX ((size_t)1 << 20)

static struct command *command_new(const struct uuid *id, unsigned kind, struct str body,
                                   unsigned timeout_ms)
{
    struct command *k = mem_alloc(sizeof(*k));
    list_init(&k->node);
    k->id = *id;
    k->kind = kind;
    k->body = str_dup((struct str){body.ptr ? body.ptr : "", body.len});
    k->body_len = body.len;
    k->until_ms = clock_mono_ms() + timeout_ms;
    k->deadline_wall_ms = clock_wall_ms() + timeout_ms;
    return k;
}

static void command_free(struct command *k)
{
    if (k) {
        mem_free(k->body);
        mem_free(k->error);
        mem_free(k->body_json);
        mem_free(k);
    }
}

struct outcome_job {
    struct channel *c;
    struct command *k;
};

static void write_outcome(void *arg, bool live)
{
    struct outcome_job *j = arg;
    struct error err = ERROR_INIT;
    struct command *k = j->k;
    if (live && !commands_done(j->c->config.pool, &k->id, k->ok, str_of(k->error ? k->error : ""),
                               str_of(k->body_json ? k->body_json : ""), &err)) {
        log_write(LOG_WARN, "command_outcome_lost", "a command's outcome was not written",
                  LOG_Z("error", error_text(&err)));
    }
    command_free(k);
    mem_free(j);
}

/* Lock held: ends the command's time in the session. One of another instance goes on to the
 * database. */
static void settle(struct channel *c, struct command *k, enum command_state state)
{
    list_remove(&k->node);
    k->state = state;
    if (k->remote) {
        struct outcome_job *j = mem_alloc(sizeof(*j));
        *j = (struct outcome_job){c, k};
        if (state == COMMAND_LOST && !k->error) {
            k->error = mem_strdup("disconnected");
        }
        if (!work_push(c->syncs, write_outcome, j)) {
            write_outcome(j, false);
        }
    } else {
        pthread_cond_broadcast(&c->command_done);
    }
}

void command_result(struct channel *c, struct session *s, const Weir__CommandResult *r)
{
    for (struct list *n = s->commands.next; n != &s->commands && r->id.len == 16; n = n->next) {
        struct command *k = LIST_ENTRY(n, struct command, node);
        if (memcmp(k->id.b, r->id.data, 16) == 0) {
            k->ok = r->ok;
            k->error = str_dup(str_slice(str_of(r->error), 0, 1000));
            k->body_json = str_dup(str_slice(str_of(r->body_json), 0, RESULT_MAX));
            settle(c, k, COMMAND_DONE);
            return;
        }
    }
}

void commands_lose(struct channel *c, struct session *s)
{
    while (!list_empty(&s->commands)) {
        settle(c, LIST_ENTRY(s->commands.next, struct command, node), COMMAND_LOST);
    }
}

void commands_expire(struct channel *c, uint64_t now_ms)
{
    for (struct list *n = c->sessions.next; n != &c->sessions; n = n->next) {
        struct session *s = LIST_ENTRY(n, struct session, node);
        for (struct list *x = s->commands.next, *next; x != &s->commands; x = next) {
            struct command *k = LIST_ENTRY(x, struct command, node);
            next = x->next;
            if (k->remote && now_ms >= k->until_ms) {
                settle(c, k, COMMAND_LOST);
            }
        }
    }
}

static bool is_connected(const struct session *s, uint64_t now_ms)
{
    return s->current && (s->parked || ms_since(now_ms, s->last_seen_ms) < CHANNEL_CONNECTED_MS);
}

/* Lock held. */
static struct session *find_session(struct channel *c, const struct uuid *plane,
                                    const struct uuid *organization)
{
    uint64_t now = clock_mono_ms();
    for (struct list *n = c->sessions.next; n != &c->sessions; n = n->next) {
        struct session *s = LIST_ENTRY(n, struct session, node);
        if (!is_connected(s, now)) {
            continue;
        }
        if (plane ? uuid_eq(plane, &s->plane)
                  : !organization || state_serves(c->state, &s->group, organization, NULL)) {
            return s;
        }
    }
    return NULL;
}

/* Lock held: waits on command_done until then, in real time slices. */
static void wait_until(struct channel *c, uint64_t until_ms)
{
    struct timespec t = {.tv_sec = (time_t)(until_ms / 1000),
                         .tv_nsec = (long)(until_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(&c->command_done, &c->lock, &t);
}

/* What the plane said becomes the caller's answer. */
static bool conclude(bool ok, struct str error_text, struct str json, struct arena *a,
                     struct str *ret_json, struct error *err)
{
    if (ok || json.len > 0) {
        *ret_json = arena_str(a, json.len > 0 ? json : STR_LIT("{}"));
        return ret_json->ptr || error_set(err, ERR_INTERNAL, "out of memory");
    }
    if (str_eqz(error_text, "unsupported")) {
        return error_set(err, ERR_NOT_IMPLEMENTED, "the data plane does not know this command");
    }
    if (str_eqz(error_text, "disconnected")) {
        return error_set(err, ERR_NOT_READY, "the data plane went away");
    }
    return error_set(err, ERR_INTERNAL, "the data plane answered: %.*s", STR_ARG(error_text));
}

/* Lock held on entry and exit. */
static bool command_here(struct channel *c, struct session *s, struct command *k, struct arena *a,
                         struct str *ret_json, struct error *err)
{
    list_push_back(&s->commands, &k->node);
    pthread_cond_signal(&c->pump_wake);
    while ((k->state == COMMAND_QUEUED || k->state == COMMAND_SENT) &&
           clock_mono_ms() < k->until_ms) {
        wait_until(c, k->until_ms);
    }
    list_remove(&k->node);
    if (k->state == COMMAND_DONE) {
        return conclude(k->ok, str_of(k->error), str_of(k->body_json), a, ret_json, err);
    }
    return k->state == COMMAND_LOST
               ? error_set(err, ERR_NOT_READY, "the data plane went away")
               : error_set(err, ERR_UPSTREAM_TIMEOUT, "the data plane did not answer in time");
}

static bool command_there(struct channel *c, const struct command *k, const struct uuid *plane,
                          const struct uuid *instance, unsigned timeout_ms, struct arena *a,
                          struct str *ret_json, struct error *err)
{
    struct command_row row = {.id = k->id,
                              .plane_id = *plane,
                              .kind = k->kind,
                              .timeout_ms = timeout_ms,
                              .body = {k->body, k->body_len}};
    struct remote_wait w = {.id = k->id};
    bool done = false, ok = false, fine = true;
    struct str error_text = STR_NONE, json = STR_NONE;
    pthread_mutex_lock(&c->lock);
    list_push_back(&c->remote_waits, &w.node);
    pthread_mutex_unlock(&c->lock);
    fine = commands_put(c->config.pool, instance, &row, err);
    while (fine && !done) {
        uint64_t now = clock_mono_ms(), next = now + REMOTE_LOOK_MS;
        bool last = now >= k->until_ms;
        fine =
            commands_outcome(c->config.pool, &k->id, last, a, &done, &ok, &error_text, &json, err);
        if (last) {
            break;
        }
        pthread_mutex_lock(&c->lock);
        while (fine && !done && !w.told && clock_mono_ms() < next && !c->stopping) {
            wait_until(c, next < k->until_ms ? next : k->until_ms);
            if (clock_mono_ms() >= k->until_ms) {
                break;
            }
        }
        w.told = false;
        pthread_mutex_unlock(&c->lock);
    }
    pthread_mutex_lock(&c->lock);
    list_remove(&w.node);
    pthread_mutex_unlock(&c->lock);
    if (!fine) {
        return false;
    }
    return done ? conclude(ok, error_text, json, a, ret_json, err)
                : error_set(err, ERR_UPSTREAM_TIMEOUT, "the data plane did not answer in time");
}

bool channel_command(struct channel *c, const struct uuid *plane, const struct uuid *organization,
                     unsigned kind, struct str body, unsigned timeout_ms, struct arena *a,
                     struct uuid *ret_plane, struct str *ret_json, struct error *err)
{
    struct uuid id = uuid_v7(), there, instance;
    struct command *k = command_new(&id, kind, body, timeout_ms);
    bool ok;
    pthread_mutex_lock(&c->lock);
    struct session *s = find_session(c, plane, organization);
    if (s) {
        there = s->plane;
        ok = command_here(c, s, k, a, ret_json, err);
    }
    pthread_mutex_unlock(&c->lock);
    if (!s) {
        ok = commands_find_plane(c->config.pool, &c->instance, plane, organization, &there,
                                 &instance, err) &&
             command_there(c, k, &there, &instance, timeout_ms, a, ret_json, err);
    }
    command_free(k);
    if (ok && ret_plane) {
        *ret_plane = there;
    }
    return ok;
}

/* ---- for other instances ---- */

struct take_job {
    struct channel *c;
    struct uuid id;
};

static void take(void *arg, bool live)
{
    struct take_job *j = arg;
    struct channel *c = j->c;
    struct command_row row;
    struct error err = ERROR_INIT;
    bool found = false;
    struct arena *a = arena_new(0);
    if (live && commands_take(c->config.pool, &c->instance, &j->id, a, &row, &found, &err) &&
        found) {
        struct command *k = command_new(&row.id, row.kind, row.body, row.timeout_ms);
        k->remote = true;
        pthread_mutex_lock(&c->lock);
        struct session *s = find_session(c, &row.plane_id, NULL);
        if (s) {
            list_push_back(&s->commands, &k->node);
            pthread_cond_signal(&c->pump_wake);
        } else {
            settle(c, k, COMMAND_LOST);
        }
        pthread_mutex_unlock(&c->lock);
    }
    arena_free(a);
    mem_free(j);
}

void command_notified(struct channel *c, struct str id_text)
{
    struct uuid id;
    bool mine = false;
    if (!uuid_parse(id_text, &id)) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    for (struct list *n = c->remote_waits.next; n != &c->remote_waits; n = n->next) {
        struct remote_wait *w = LIST_ENTRY(n, struct remote_wait, node);
        if (uuid_eq(&w->id, &id)) {
            w->told = mine = true;
        }
    }
    if (mine) {
        pthread_cond_broadcast(&c->command_done);
    }
    pthread_mutex_unlock(&c->lock);
    if (!mine) {
        struct take_job *j = mem_alloc(sizeof(*j));
        *j = (struct take_job){c, id};
        if (!work_push(c->syncs, take, j)) {
            mem_free(j);
        }
    }
}
