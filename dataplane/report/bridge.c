/* The bridge's life: one thread that sleeps on a condition, hears from NNG's callbacks, spools and
 * commands, and works off what is due. It holds a session with one control-plane instance at a time
 * and goes to the next when that one is lost. */
#include "dataplane/report/bridge.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/log.h"
#include "dataplane/report/bridge_inside.h"
#include "proto/control.pb-c.h"

#define TICK_MS 1000
#define AWAY_PATIENCE_MS 2000

void bridge_wake(struct bridge *b)
{
    (void)pthread_mutex_lock(&b->lock);
    b->woken = true;
    (void)pthread_cond_signal(&b->wake);
    (void)pthread_mutex_unlock(&b->lock);
}

static void on_spool(void *arg)
{
    bridge_wake(arg);
}

/* ---- exchanges ---- */

static void on_reply(void *arg, enum link_result result, struct str reply)
{
    struct turn *x = arg;
    struct bridge *b = x->bridge;
    (void)pthread_mutex_lock(&b->lock);
    x->state = TURN_ARRIVED;
    x->result = result;
    buffer_clear(&x->reply);
    if (result == LINK_OK && !buffer_append_str(&x->reply, reply)) {
        x->result = LINK_FAILED;
    }
    b->woken = true;
    (void)pthread_cond_signal(&b->wake);
    (void)pthread_mutex_unlock(&b->lock);
}

bool turn_send(struct turn *x, struct link_req *link, unsigned timeout_ms)
{
    struct bridge *b = x->bridge;
    (void)pthread_mutex_lock(&b->lock);
    x->state = TURN_SENT;
    (void)pthread_mutex_unlock(&b->lock);
    x->sent_ms = clock_mono_ms();
    x->tries++;
    if (link_send(link, buffer_str(&x->request), timeout_ms, on_reply, x)) {
        return true;
    }
    (void)pthread_mutex_lock(&b->lock);
    x->state = TURN_IDLE;
    (void)pthread_mutex_unlock(&b->lock);
    return false;
}

bool turn_seal(struct bridge *b, struct turn *x, uint16_t type, const struct uuid *session,
               const uint8_t key[static 32], struct str body)
{
    struct envelope e = {.schema = ENVELOPE_SCHEMA,
                         .type = type,
                         .sender = b->identity.plane_id,
                         .session = *session,
                         .sequence = ++x->sequence,
                         .body = body};
    x->tries = 0;
    buffer_clear(&x->request);
    if (!buffer_reserve(&x->request, body.len + ENVELOPE_OVERHEAD)) {
        return false;
    }
    envelope_write(&e, key, (uint8_t *)x->request.ptr);
    x->request.len = body.len + ENVELOPE_OVERHEAD;
    return true;
}

bool turn_take(struct turn *x)
{
    (void)pthread_mutex_lock(&x->bridge->lock);
    bool arrived = x->state == TURN_ARRIVED;
    if (arrived) {
        x->state = TURN_IDLE;
    }
    (void)pthread_mutex_unlock(&x->bridge->lock);
    return arrived;
}

bool turn_is_idle(struct turn *x)
{
    (void)pthread_mutex_lock(&x->bridge->lock);
    bool idle = x->state == TURN_IDLE;
    (void)pthread_mutex_unlock(&x->bridge->lock);
    return idle;
}

bool turn_check(const struct bridge *b, const struct turn *x, uint16_t type,
                const uint8_t key[static 32], const struct uuid *session, struct envelope *ret,
                char code[static 40])
{
    static const uint8_t no_key[32];
    (void)b;
    code[0] = '\0';
    if (!envelope_peek(x->reply.ptr, x->reply.len, ret) || ret->sequence != x->sequence) {
        return false;
    }
    if (ret->type == ENVELOPE_ERROR) {
        /* sealed by nobody's key: believed only as far as to say hello again */
        Weir__ErrorReply *m =
            envelope_verify(x->reply.ptr, x->reply.len, no_key)
                ? weir__error_reply__unpack(NULL, ret->body.len, (const uint8_t *)ret->body.ptr)
                : NULL;
        (void)snprintf(code, 40, "%s", m ? m->code : "garbage");
        weir__error_reply__free_unpacked(m, NULL);
        return false;
    }
    return ret->type == type && uuid_eq(&ret->session, session) &&
           envelope_verify(x->reply.ptr, x->reply.len, key);
}

/* ---- connection ---- */

static void on_announce(void *arg, struct str message)
{
    struct bridge *b = arg;
    struct envelope e;
    if (!envelope_peek(message.ptr, message.len, &e) || e.type != ENVELOPE_ANNOUNCE) {
        return;
    }
    Weir__Announce *m = weir__announce__unpack(NULL, e.body.len, (const uint8_t *)e.body.ptr);
    if (!m) {
        return;
    }
    (void)pthread_mutex_lock(&b->lock);
    if (m->version > b->announced) {
        b->announced = m->version; /* a hint only: nothing is believed of it but "ask" */
        b->woken = true;
        (void)pthread_cond_signal(&b->wake);
    }
    (void)pthread_mutex_unlock(&b->lock);
    weir__announce__free_unpacked(m, NULL);
}

static void turn_reset(struct turn *x)
{
    (void)pthread_mutex_lock(&x->bridge->lock);
    x->state = TURN_IDLE;
    (void)pthread_mutex_unlock(&x->bridge->lock);
    x->sequence = 0;
    x->tries = 0;
}

static void disconnect(struct bridge *b)
{
    link_sub_close(b->announce_link);
    link_req_close(b->sync_link); /* its callbacks have returned afterwards */
    link_req_close(b->report_link);
    link_req_close(b->lease_link);
    b->announce_link = NULL;
    b->sync_link = b->report_link = b->lease_link = NULL;
    turn_reset(&b->sync);
    turn_reset(&b->report);
    turn_reset(&b->lease);
    lease_on_lost(b);
    b->phase = PHASE_AWAY;
}

void bridge_lose(struct bridge *b, const char *why, bool same_at_once)
{
    uint32_t random;
    bool was = b->phase == PHASE_SESSION;
    log_write(was ? LOG_WARN : LOG_DEBUG, "control_lost", "no session with the control plane",
              LOG_Z("reason", why), LOG_Z("endpoint", b->identity.endpoints[b->endpoint].sync));
    report_rewind(b);
    session_drop_run(b);
    disconnect(b);
    (void)pthread_mutex_lock(&b->lock);
    b->status.connected = false;
    for (struct list *n = b->results.next; n != &b->results; n = n->next) {
        LIST_ENTRY(n, struct command_result, node)->sent = false;
    }
    (void)pthread_mutex_unlock(&b->lock);
    /* jitter, so that the proxies of a control plane that restarts do not come as one */
    crypto_random(&random, sizeof(random));
    uint64_t ceiling = (uint64_t)BRIDGE_BACKOFF_MIN_MS << (b->failures / b->identity.n_endpoints);
    ceiling = b->failures / b->identity.n_endpoints > 4 || ceiling > BRIDGE_BACKOFF_MAX_MS
                  ? BRIDGE_BACKOFF_MAX_MS
                  : ceiling;
    uint64_t pause = ceiling / 2 + random % (ceiling / 2 + 1) + BRIDGE_BACKOFF_MIN_MS / 2;
    if (same_at_once && b->failures == 0) {
        pause = 0;
    } else if (!same_at_once) {
        b->endpoint = (b->endpoint + 1) % b->identity.n_endpoints;
    }
    b->failures += b->failures < 1000;
    b->retry_at_ms = clock_mono_ms() + pause;
}

static void connect_endpoint(struct bridge *b)
{
    struct error err = ERROR_INIT;
    b->endpoint %= b->identity.n_endpoints;
    const struct identity_endpoint *e = &b->identity.endpoints[b->endpoint];
    struct link_tls tls = {b->identity.cert_pem, b->identity.key_pem, b->identity.ca_pem};
    b->sync_link = link_req(e->sync, &tls, 2, &err);
    b->report_link = b->sync_link ? link_req(e->report, &tls, 2, &err) : NULL;
    b->lease_link = b->report_link ? link_req(e->lease, &tls, 2, &err) : NULL;
    b->announce_link = b->lease_link ? link_sub(e->announce, &tls, on_announce, b, &err) : NULL;
    if (!b->announce_link) {
        bridge_lose(b, error_text(&err), false);
    } else if (!session_hello(b)) {
        bridge_lose(b, "hello could not be sent", false);
    } else {
        b->phase = PHASE_HELLO;
    }
}

/* ---- the thread ---- */

static void sleep_until(struct bridge *b, uint64_t at_ms, uint64_t now_ms)
{
    struct timespec by;
    uint64_t ms = at_ms > now_ms ? at_ms - now_ms : 0;
    ms = ms < TICK_MS ? ms : TICK_MS;
    (void)clock_gettime(CLOCK_MONOTONIC, &by);
    by.tv_sec += (time_t)(ms / 1000);
    by.tv_nsec += (long)(ms % 1000) * 1000000;
    if (by.tv_nsec >= 1000000000) {
        by.tv_sec++;
        by.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&b->lock);
    while (!b->woken && ms > 0 && pthread_cond_timedwait(&b->wake, &b->lock, &by) == 0) {
    }
    b->woken = false;
    (void)pthread_mutex_unlock(&b->lock);
}

/* What nobody takes now waits in the spool for the next start: without a session the end is not put
 * off for it. */
static bool should_stop(struct bridge *b, uint64_t now_ms)
{
    (void)pthread_mutex_lock(&b->lock);
    bool stopping = b->stopping;
    uint64_t by_ms = b->stop_by_ms, asked_ms = b->stop_asked_ms;
    (void)pthread_mutex_unlock(&b->lock);
    bool alone = b->phase == PHASE_AWAY && now_ms >= asked_ms + AWAY_PATIENCE_MS;
    return stopping && (now_ms >= by_ms || alone || (report_is_empty(b) && lease_is_done(b)));
}

static void tend(struct bridge *b)
{
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < b->config.n_spools && b->phase != PHASE_SESSION; i++) {
        spool_tend(b->spools[i]);
    }
    if (!b->current) {
        return;
    }
    bool ok = snapshot_disk_tend(b->disk, b->current, &err);
    if (!ok && !b->disk_failing) {
        log_write(LOG_ERROR, "snapshot_not_saved", "snapshot could not be written",
                  LOG_Z("error", error_text(&err)));
    }
    b->disk_failing = !ok;
}

/* One turn; returns when the next is due. */
static uint64_t turn(struct bridge *b, uint64_t now_ms)
{
    uint64_t next = now_ms + TICK_MS, tend_at = lease_tend(b, now_ms);
    next = tend_at < next ? tend_at : next;
    if (b->phase == PHASE_AWAY) {
        if (now_ms < b->retry_at_ms) {
            return b->retry_at_ms < next ? b->retry_at_ms : next;
        }
        connect_endpoint(b);
    }
    if (b->phase == PHASE_HELLO && turn_take(&b->sync)) {
        session_on_hello(b);
    }
    if (b->phase == PHASE_SESSION && turn_take(&b->report)) {
        report_on_ack(b, now_ms);
    }
    if (b->phase == PHASE_SESSION && turn_take(&b->lease)) {
        lease_on_grant(b, now_ms);
    }
    if (b->phase == PHASE_SESSION && turn_take(&b->sync)) {
        session_on_sync(b, now_ms);
    }
    if (b->phase == PHASE_SESSION && session_should_hurry(b, now_ms)) {
        link_cancel(b->sync_link);
    }
    if (b->phase == PHASE_SESSION) {
        session_sync(b, now_ms);
        next = b->sync_not_before_ms > now_ms && b->sync_not_before_ms < next
                   ? b->sync_not_before_ms
                   : next;
    }
    if (b->phase == PHASE_SESSION) {
        uint64_t lease = lease_send(b, now_ms), report = report_send(b, now_ms);
        next = report < next ? report : next;
        next = lease < next ? lease : next;
    }
    return b->phase == PHASE_AWAY ? b->retry_at_ms : next;
}

static void *run(void *arg)
{
    struct bridge *b = arg;
    uint64_t tended_ms = 0, now_ms;
    while (!should_stop(b, now_ms = clock_mono_ms())) {
        uint64_t next = turn(b, now_ms);
        if (now_ms - tended_ms >= TICK_MS) {
            tended_ms = now_ms;
            tend(b);
        }
        sleep_until(b, next, clock_mono_ms());
    }
    report_rewind(b);
    session_drop_run(b);
    disconnect(b);
    return NULL;
}

/* ---- start and stop ---- */

static void results_free(struct bridge *b)
{
    for (struct list *n; (n = list_pop_front(&b->results)) != NULL;) {
        struct command_result *r = LIST_ENTRY(n, struct command_result, node);
        mem_free(r->error);
        mem_free(r->body_json);
        mem_free(r);
    }
}

static void bridge_free(struct bridge *b)
{
    for (size_t i = 0; i < b->config.n_spools; i++) {
        spool_set_wake(b->spools[i], NULL, NULL);
    }
    snapshot_disk_close(b->disk);
    snapshot_unref(b->current);
    results_free(b);
    identity_release(&b->identity);
    buffer_release(&b->sync.request);
    buffer_release(&b->sync.reply);
    buffer_release(&b->report.request);
    buffer_release(&b->report.reply);
    buffer_release(&b->lease.request);
    buffer_release(&b->lease.reply);
    mem_free_secret(b->pending_key_pem, b->pending_key_pem ? strlen(b->pending_key_pem) : 0);
    mem_free(b->pending_csr_pem);
    (void)pthread_cond_destroy(&b->wake);
    (void)pthread_mutex_destroy(&b->lock);
    mem_free(b->spools);
    mem_free(b->positions);
    mem_free(b->counts);
    mem_free(b->former);
    mem_free(b->folder);
    mem_free_secret(b, sizeof(*b));
}

/* When the snapshot on disk was last known to be current, for its age after a restart. */
static uint64_t confirmed_read(const struct bridge *b)
{
    char path[4096], text[24] = "";
    uint64_t at = 0, now = clock_wall_ms();
    (void)snprintf(path, sizeof(path), "%s/confirmed", b->folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof(text) - 1);
        (void)close(fd);
        if (n <= 0 || !str_to_u64(str_trim((struct str){text, (size_t)n}), &at)) {
            at = 0;
        }
    }
    return at < now ? at : now;
}

static bool load(struct bridge *b, struct error *err)
{
    struct error why = ERROR_INIT;
    if (!identity_load(b->folder, b->has_state_key ? b->state_key : NULL, &b->identity, err)) {
        return false;
    }
    envelope_wrap_key(b->identity.secret, sizeof(b->identity.secret), b->wrap_key);
    envelope_hello_key(b->identity.secret, sizeof(b->identity.secret), b->hello_key);
    struct snapshot_disk_config c = {.folder = b->folder,
                                     .state_key = b->has_state_key ? b->state_key : NULL,
                                     .wrap_key = b->wrap_key};
    b->disk = snapshot_disk_open(&c, err);
    if (!b->disk) {
        return false;
    }
    b->current = snapshot_disk_load(b->disk, &why);
    if (b->current) {
        b->status.version = snapshot_version(b->current);
        b->status.snapshot_wall_ms = confirmed_read(b);
        swap_publish(b->config.hub, snapshot_ref(b->current));
        log_write(LOG_INFO, "snapshot_loaded", "serving from the last good snapshot",
                  LOG_U("version", b->status.version));
    } else if (why.code) {
        log_write(LOG_ERROR, "snapshot_unusable", "no snapshot until the control plane sends one",
                  LOG_Z("error", error_text(&why)));
    }
    return true;
}

struct bridge *bridge_start(const struct bridge_config *c, struct error *err)
{
    struct bridge *b = mem_alloc(sizeof(*b));
    pthread_condattr_t attr;
    b->config = *c;
    b->folder = mem_strdup(c->state_folder);
    b->config.state_folder = b->folder;
    b->config.state_key = NULL;
    b->spools = mem_alloc((c->n_spools + 1) * sizeof(struct spool *));
    b->positions = mem_alloc((c->n_spools + 1) * sizeof(uint64_t));
    b->counts = mem_alloc((c->n_spools + 1) * sizeof(uint64_t));
    b->former = mem_alloc((c->n_spools + 1) * sizeof(uint64_t));
    for (size_t i = 0; i < c->n_spools; i++) {
        struct spool_stats stats;
        b->spools[i] = c->spools[i];
        spool_stats(b->spools[i], &stats);
        b->former[i] = stats.waiting_records;
    }
    b->started_ms = clock_mono_ms();
    b->batch_number = 1;
    list_init(&b->results);
    b->sync.bridge = b->report.bridge = b->lease.bridge = b;
    buffer_init(&b->sync.request, LINK_MAX_REQUEST);
    buffer_init(&b->sync.reply, LINK_MAX_REPLY);
    buffer_init(&b->report.request, LINK_MAX_REQUEST);
    buffer_init(&b->report.reply, 1u << 20);
    buffer_init(&b->lease.request, LINK_MAX_REQUEST);
    buffer_init(&b->lease.reply, LINK_MAX_REQUEST);
    (void)pthread_mutex_init(&b->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&b->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    b->has_state_key = c->state_key && *c->state_key;
    if ((b->has_state_key && !state_key_parse(c->state_key, b->state_key, err)) || !load(b, err)) {
        bridge_free(b);
        return NULL;
    }
    for (size_t i = 0; i < c->n_spools; i++) {
        spool_set_wake(b->spools[i], on_spool, b);
    }
    if (pthread_create(&b->thread, NULL, run, b) != 0) {
        (void)error_set(err, ERR_INTERNAL, "cannot start the bridge thread");
        bridge_free(b);
        return NULL;
    }
    return b;
}

void bridge_stop(struct bridge *b, unsigned drain_ms)
{
    if (!b) {
        return;
    }
    (void)pthread_mutex_lock(&b->lock);
    b->stopping = b->woken = true;
    b->stop_asked_ms = clock_mono_ms();
    b->stop_by_ms = b->stop_asked_ms + drain_ms;
    (void)pthread_cond_signal(&b->wake);
    (void)pthread_mutex_unlock(&b->lock);
    (void)pthread_join(b->thread, NULL);
    bridge_free(b);
}

void bridge_command_done(struct bridge *b, const struct uuid *id, bool ok, const char *error,
                         const char *body_json)
{
    struct command_result *r = mem_alloc(sizeof(*r));
    r->id = *id;
    r->ok = ok;
    r->error = mem_strdup(error ? error : "");
    r->body_json = mem_strdup(body_json ? body_json : "");
    (void)pthread_mutex_lock(&b->lock);
    list_push_back(&b->results, &r->node);
    b->woken = true;
    (void)pthread_cond_signal(&b->wake);
    (void)pthread_mutex_unlock(&b->lock);
}

void bridge_status(const struct bridge *b, struct bridge_status *ret)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&b->lock;
    (void)pthread_mutex_lock(lock);
    *ret = b->status;
    (void)pthread_mutex_unlock(lock);
}
