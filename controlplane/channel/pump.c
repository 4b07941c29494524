/* The channel's two own threads. The pump answers parked requests and announces; it never touches
 * the database. The books write what planes said of themselves, keep this instance listed, look for
 * revocations, and clear away what is over. */
#include "controlplane/channel/internal.h"

#include <stdio.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "common/log.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/data_planes_channel.h"
#include "controlplane/store/usage_write.h"

#define BOOKS_TURN_MS 200
#define PREPARE_MS 3600000u
#define SEEN_BATCH 256

static void wait_on(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_ms)
{
    struct timespec t = {.tv_sec = (time_t)(until_ms / 1000),
                         .tv_nsec = (long)(until_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(cond, lock, &t);
}

/* ---- pump ---- */

static void announce(struct channel *c)
{
    static const uint8_t no_key[32];
    static const struct uuid nil;
    Weir__Announce m = WEIR__ANNOUNCE__INIT;
    struct buffer body, out;
    buffer_init(&body, 1024);
    buffer_init(&out, 2048);
    m.version = state_version(c->state);
    m.instance_id = (ProtobufCBinaryData){16, c->instance.b};
    if (pack_message(&m.base, &body) &&
        seal_message(c, ENVELOPE_ANNOUNCE, &nil, 0, no_key, buffer_str(&body), &out)) {
        link_publish(c->announce, buffer_str(&out));
    }
    buffer_release(&body);
    buffer_release(&out);
}

struct answer_job {
    struct channel *c;
    struct session *s;
};

static void run_answer(void *arg, bool live)
{
    struct answer_job *j = arg;
    if (live) {
        sync_answer(j->c, j->s);
    } else {
        session_unref(j->c, j->s);
    }
    mem_free(j);
}

/* Lock held: hands due sessions to the workers; returns when the next one is due. */
static uint64_t wake_parked(struct channel *c, bool all, uint64_t now)
{
    uint64_t next = now + CHANNEL_ANNOUNCE_MS;
    for (struct list *n = c->sessions.next; n != &c->sessions; n = n->next) {
        struct session *s = LIST_ENTRY(n, struct session, node);
        if (!s->parked) {
            continue;
        }
        if (all || sync_is_due(c, s, now)) {
            struct answer_job *j = mem_alloc(sizeof(*j));
            *j = (struct answer_job){c, s};
            if (work_push(c->syncs, run_answer, j)) {
                s->refs++;
                s->parked = false;
                continue;
            }
            mem_free(j); /* all are busy: at the next turn */
        }
        if (s->park_until_ms < next) {
            next = s->park_until_ms;
        }
    }
    return next > now ? next : now + 10;
}

static void *pump_run(void *arg)
{
    struct channel *c = arg;
    uint64_t announce_ms = 0;
    pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        uint64_t now = clock_mono_ms();
        bool changed = c->changed;
        c->changed = false;
        uint64_t next = wake_parked(c, changed, now);
        if (changed || now >= announce_ms) {
            pthread_mutex_unlock(&c->lock);
            announce(c);
            announce_ms = now + CHANNEL_ANNOUNCE_MS;
            pthread_mutex_lock(&c->lock);
        }
        if (!c->stopping && !c->changed) {
            wait_on(&c->pump_wake, &c->lock, next < announce_ms ? next : announce_ms);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- books ---- */

/* A copy that the database takes: what a plane says may be cut within a character or be no UTF-8 at
 * all, and must not keep the others' from being written. */
static struct str keep(struct arena *a, struct str s)
{
    for (size_t cut = 0; cut < 4 && cut <= s.len; cut++) {
        if (validate_utf8(str_slice(s, 0, s.len - cut))) {
            return arena_str(a, str_slice(s, 0, s.len - cut));
        }
    }
    struct str ret = arena_str(a, s);
    for (size_t i = 0; ret.ptr && i < ret.len; i++) {
        if ((unsigned char)ret.ptr[i] >= 0x80 || ret.ptr[i] == '\0') {
            ((char *)(uintptr_t)ret.ptr)[i] = '?';
        }
    }
    return ret;
}

/* Lock held: what one session's plane is said to be, copied. */
static void copy_seen(const struct session *s, struct arena *a, struct plane_seen *ret)
{
    struct str *features = arena_alloc(a, (s->n_features + 1) * sizeof(*features));
    *ret = (struct plane_seen){.id = s->plane,
                               .version = s->have,
                               .refused_version = s->refused_version,
                               .has_root = s->has_root,
                               .refused_reason = keep(a, str_of(s->refused_reason)),
                               .state_json = keep(a, str_of(s->state_json)),
                               .software_version = keep(a, str_of(s->software_version)),
                               .features = features,
                               .n_features = features ? s->n_features : 0};
    memcpy(ret->root_hash, s->root, 32);
    for (size_t i = 0; i < ret->n_features; i++) {
        features[i] = keep(a, s->features[i]);
    }
}

static void write_seen(struct channel *c, uint64_t now)
{
    struct error err = ERROR_INIT;
    size_t n = 0;
    struct arena *a = arena_new(0);
    struct plane_seen *rows = arena_alloc(a, SEEN_BATCH * sizeof(*rows));
    pthread_mutex_lock(&c->lock);
    for (struct list *l = c->sessions.next; l != &c->sessions && rows && n < SEEN_BATCH;
         l = l->next) {
        struct session *s = LIST_ENTRY(l, struct session, node);
        if (s->current && s->dirty &&
            (s->dirty_version || ms_since(now, s->written_ms) >= CHANNEL_SEEN_MS)) {
            copy_seen(s, a, &rows[n++]);
            s->dirty = s->dirty_version = false;
            s->written_ms = now;
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (n > 0 && !planes_seen(c->config.pool, &c->instance, rows, n, &err)) {
        log_write(LOG_WARN, "data_planes_not_written", "the state of data planes was not written",
                  LOG_Z("error", error_text(&err)));
    }
    arena_free(a);
}

/* Ends sessions whose plane was revoked or put into another group, whoever did it. */
static void check_alive(struct channel *c)
{
    struct error err = ERROR_INIT;
    size_t n = 0, n_alive = 0;
    pthread_mutex_lock(&c->lock);
    size_t most = c->n_sessions;
    struct uuid *ids = mem_alloc((most + 1) * sizeof(*ids));
    struct uuid *groups = mem_alloc((most + 1) * sizeof(*groups));
    for (struct list *l = c->sessions.next; l != &c->sessions && n < most; l = l->next) {
        const struct session *s = LIST_ENTRY(l, struct session, node);
        groups[n] = s->group;
        ids[n++] = s->plane;
    }
    pthread_mutex_unlock(&c->lock);
    struct plane_alive *alive = mem_alloc((n + 1) * sizeof(*alive));
    if (n > 0 && planes_alive(c->config.pool, ids, n, alive, &n_alive, &err)) {
        for (size_t i = 0; i < n; i++) {
            const struct plane_alive *found = NULL;
            for (size_t k = 0; k < n_alive && !found; k++) {
                found = uuid_eq(&alive[k].id, &ids[i]) ? &alive[k] : NULL;
            }
            if (!found || !uuid_eq(&found->group_id, &groups[i])) {
                sessions_end_plane(
                    c, &ids[i]); /* in another group it says hello again, and sees other things */
            }
        }
    }
    mem_free(alive);
    mem_free(groups);
    mem_free(ids);
}

static void expire(struct channel *c, uint64_t now)
{
    struct link_call *calls[LANE_COUNT];
    bool again = true;
    while (again) {
        again = false;
        pthread_mutex_lock(&c->lock);
        commands_expire(c, now);
        for (struct list *l = c->sessions.next; l != &c->sessions && !again; l = l->next) {
            struct session *s = LIST_ENTRY(l, struct session, node);
            if (s->current ? !s->parked && ms_since(now, s->last_seen_ms) > CHANNEL_IDLE_MS
                           : ms_since(now, s->born_ms) > CHANNEL_PENDING_MS) {
                session_end(c, s, calls);
                again = true;
                break;
            }
        }
        pthread_mutex_unlock(&c->lock);
        for (int i = 0; again && i < LANE_COUNT; i++) {
            if (calls[i]) {
                link_drop(calls[i]);
            }
        }
    }
}

static bool read_url(struct json_value object, const char *name, char out[192])
{
    struct json_member m = {.name = str_of(name)};
    struct error ignored = ERROR_INIT;
    size_t n = 0;
    if (!json_members(object, &m, 1, &ignored) || !m.found ||
        !json_unescape(m.value, out, 191, &n)) {
        return false;
    }
    out[n] = '\0';
    return true;
}

static bool read_endpoints(struct str text, char urls[4][192])
{
    struct json_value v;
    struct error ignored = ERROR_INIT;
    return json_validate(text, 8, &v, &ignored) && v.type == JSON_OBJECT &&
           read_url(v, "announce", urls[0]) && read_url(v, "sync", urls[1]) &&
           read_url(v, "report", urls[2]) && read_url(v, "lease", urls[3]);
}

bool books_beat(struct channel *c, struct error *err)
{
    struct instance_row *rows = NULL;
    size_t n = 0;
    struct arena *a = arena_new(0);
    bool ok =
        instances_beat(c->config.pool, &c->instance, str_of(c->endpoints_json), a, &rows, &n, err);
    pthread_mutex_lock(&c->lock);
    unsigned before = c->n_others, k = 0;
    bool changed = false;
    for (size_t i = 0; ok && i < n && k < CHANNEL_ENDPOINTS_MAX; i++) {
        char urls[4][192] = {{0}};
        if (uuid_eq(&rows[i].id, &c->instance) || !read_endpoints(rows[i].endpoints_json, urls)) {
            continue;
        }
        if (k >= before || !uuid_eq(&c->others[k].id, &rows[i].id)) {
            changed = true;
        }
        c->others[k].id = rows[i].id;
        memcpy(c->others[k].urls, urls, sizeof(urls));
        k++;
    }
    if (ok && (changed || k != before)) {
        c->n_others = k;
        c->endpoints_version++;
        pthread_cond_signal(&c->pump_wake);
    }
    pthread_mutex_unlock(&c->lock);
    arena_free(a);
    return ok;
}

static void *books_run(void *arg)
{
    struct channel *c = arg;
    uint64_t beat = clock_mono_ms() + CHANNEL_BEAT_MS, alive = 0, prepare = 0;
    pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        beat = c->beat_now ? 0 : beat;
        c->beat_now = false;
        pthread_mutex_unlock(&c->lock);
        uint64_t now = clock_mono_ms();
        struct error err = ERROR_INIT;
        write_seen(c, now);
        expire(c, now);
        if (now >= alive) {
            alive = now + CHANNEL_ALIVE_MS;
            check_alive(c);
        }
        if (now >= beat) {
            beat = now + CHANNEL_BEAT_MS;
            if (!books_beat(c, &err)) {
                log_write(LOG_WARN, "heartbeat_not_written", "this instance's heartbeat failed",
                          LOG_Z("error", error_text(&err)));
            }
        }
        if (now >= prepare) {
            /* After a failure (another process has the lock) soon again; the default partition
             * takes what comes. */
            prepare = now + (usage_prepare(c->config.pool, &err) ? PREPARE_MS : 60000);
        }
        pthread_mutex_lock(&c->lock);
        if (!c->stopping && !c->beat_now) {
            wait_on(&c->books_wake, &c->lock, clock_mono_ms() + BOOKS_TURN_MS);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

bool pump_start(struct channel *c)
{
    c->pump_running = pthread_create(&c->pump, NULL, pump_run, c) == 0;
    c->books_running = pthread_create(&c->books, NULL, books_run, c) == 0;
    return c->pump_running && c->books_running;
}

void pump_stop(struct channel *c)
{
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->pump_wake);
    pthread_cond_broadcast(&c->books_wake);
    pthread_cond_broadcast(&c->command_done);
    pthread_mutex_unlock(&c->lock);
    if (c->pump_running) {
        pthread_join(c->pump, NULL);
    }
    if (c->books_running) {
        pthread_join(c->books, NULL);
    }
    c->pump_running = c->books_running = false;
}
