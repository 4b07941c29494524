/* The sync request: what a plane has, and what it gets: parts of a run, shards that differ,
 * commands, a new certificate; or nothing yet, and then the request is parked until there is
 * something, two seconds at most. */
#include "controlplane/channel/internal.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "common/x509.h"
#include "controlplane/store/data_planes_channel.h"

#define COMMANDS_PER_REPLY 16

/* A reply under construction. */
struct answer {
    struct run *run; /* with a reference; NULL: no part */
    uint32_t part;
    bool want_hashes;
    char *certificate;
    uint64_t version; /* of the state that was looked at */
};

size_t endpoints_fill(struct channel *c, Weir__Endpoint *items, Weir__Endpoint **list, size_t max,
                      struct arena *a)
{
    size_t n = 0;
    pthread_mutex_lock(&c->lock);
    for (unsigned i = 0; i <= c->n_others && n < max; i++, n++) {
        const struct uuid *id = i == 0 ? &c->instance : &c->others[i - 1].id;
        char(*urls)[192] = i == 0 ? c->urls : c->others[i - 1].urls;
        weir__endpoint__init(&items[n]);
        items[n].instance_id = (ProtobufCBinaryData){
            16, (uint8_t *)(uintptr_t)arena_str(a, (struct str){(const char *)id->b, 16}).ptr};
        items[n].announce = (char *)(uintptr_t)arena_str(a, str_of(urls[0])).ptr;
        items[n].sync = (char *)(uintptr_t)arena_str(a, str_of(urls[1])).ptr;
        items[n].report = (char *)(uintptr_t)arena_str(a, str_of(urls[2])).ptr;
        items[n].lease = (char *)(uintptr_t)arena_str(a, str_of(urls[3])).ptr;
        list[n] = &items[n];
    }
    pthread_mutex_unlock(&c->lock);
    return n;
}

/* The part goes in as the bytes that it is, as field 1 of SyncReply, in front of or behind the
 * others. */
static bool append_part(const struct answer *x, const struct channel *c, const struct session *s,
                        struct buffer *body)
{
    struct buffer part;
    struct uuid key_id;
    uint8_t sealed[STATE_WRAPPED_LEN];
    buffer_init(&part, LINK_MAX_REPLY);
    state_wrap_key(c->state, s->wrap_key, &key_id, sealed);
    bool ok = run_part(x->run, x->part, &key_id, sealed, &part);
    uint8_t tag[11] = {0x0a};
    size_t n = 1;
    for (size_t v = part.len; n < sizeof(tag); v >>= 7) {
        tag[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        if (v <= 0x7f) {
            break;
        }
    }
    ok = ok && buffer_append(body, tag, n) && buffer_append_str(body, buffer_str(&part));
    buffer_release(&part);
    return ok;
}

/* Packs and sends; the commands' texts are copied under the lock. Gives up the references in x and
 * on s. */
static void send_answer(struct channel *c, struct session *s, uint64_t sequence, struct answer *x)
{
    Weir__SyncReply m = WEIR__SYNC_REPLY__INIT;
    Weir__Endpoint items[CHANNEL_ENDPOINTS_MAX + 1], *endpoints[CHANNEL_ENDPOINTS_MAX + 1];
    Weir__Command commands[COMMANDS_PER_REPLY], *list[COMMANDS_PER_REPLY];
    struct arena *a = arena_new(0);
    struct buffer body;
    buffer_init(&body, LINK_MAX_REPLY - ENVELOPE_OVERHEAD);
    m.want_shard_hashes = x->want_hashes;
    m.certificate_pem = x->certificate ? x->certificate : (char *)(uintptr_t) "";
    m.n_endpoints = endpoints_fill(c, items, endpoints, CHANNEL_ENDPOINTS_MAX + 1, a);
    m.endpoints = endpoints;
    pthread_mutex_lock(&c->lock);
    s->endpoints_told = c->endpoints_version;
    for (struct list *n = s->commands.next;
         n != &s->commands && m.n_commands < COMMANDS_PER_REPLY && !s->ended; n = n->next) {
        struct command *k = LIST_ENTRY(n, struct command, node);
        /* One that was sent goes along again, since that reply may have been lost; planes know a
         * command by its id. */
        k->state = COMMAND_SENT;
        Weir__Command *w = &commands[m.n_commands];
        weir__command__init(w);
        struct str id = arena_str(a, (struct str){(const char *)k->id.b, 16});
        struct str text = arena_str(a, (struct str){k->body, k->body_len});
        w->id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)id.ptr};
        w->kind = k->kind;
        w->body = (ProtobufCBinaryData){text.len, (uint8_t *)(uintptr_t)text.ptr};
        w->deadline_ms = k->deadline_wall_ms;
        list[m.n_commands++] = w;
    }
    m.commands = list;
    pthread_mutex_unlock(&c->lock);
    bool ok = pack_message(&m.base, &body) && (!x->run || append_part(x, c, s, &body));
    run_unref(x->run);
    mem_free(x->certificate);
    if (ok) {
        session_finish(c, s, LANE_SYNC, sequence, ENVELOPE_SYNC_REPLY, buffer_str(&body), true);
    } else {
        session_finish_error(c, s, LANE_SYNC, sequence, "internal", "the reply could not be made");
    }
    buffer_release(&body);
    arena_free(a);
}

static bool has_queued_command(const struct session *s)
{
    for (const struct list *n = s->commands.next; n != &s->commands; n = n->next) {
        if (LIST_ENTRY(n, struct command, node)->state == COMMAND_QUEUED) {
            return true;
        }
    }
    return false;
}

/* A new run from what the plane has, kept for its further parts. Lock not held. */
static void start_run(struct channel *c, struct session *s, uint64_t have, const uint8_t *hashes,
                      struct answer *x)
{
    struct run *r = state_run(c->state, &s->group, have, hashes), *old;
    if (!r) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    old = s->run;
    s->run = run_ref(r);
    pthread_mutex_unlock(&c->lock);
    run_unref(old);
    x->run = r;
    x->part = 0;
}

/* Looks whether there is something to say about the configuration; true when x was filled. */
static bool answer_config(struct channel *c, struct session *s, struct answer *x)
{
    uint64_t version = 0, now = clock_mono_ms();
    uint8_t root[32];
    if (!state_root(c->state, &s->group, &version, root)) {
        return false;
    }
    x->version = version;
    pthread_mutex_lock(&c->lock);
    uint64_t have = s->have;
    bool same_root = !s->has_root || memcmp(root, s->root, 32) == 0;
    bool refused =
        s->refused_version == version; /* sending the same again would be refused again */
    if (have <= version) {
        s->ahead_since_ms = 0;
    } else if (s->ahead_since_ms == 0) {
        s->ahead_since_ms = now;
    }
    /* Ahead of this instance: it will hear soon. Ahead for long: the database was put back, and the
     * plane with it. */
    bool ahead = have > version && ms_since(now, s->ahead_since_ms) < 2 * CHANNEL_PARK_MS;
    bool repair =
        have == version && !same_root && ms_since(now, s->repaired_ms) >= CHANNEL_REPAIR_MS;
    if (repair && !refused) {
        s->repaired_ms = now;
    }
    pthread_mutex_unlock(&c->lock);
    if (refused || ahead) {
        return false;
    }
    if (have != version) {
        start_run(c, s, have, NULL, x);
        return x->run != NULL;
    }
    x->want_hashes = repair;
    return repair;
}

bool sync_is_due(const struct channel *c, const struct session *s, uint64_t now_ms)
{
    return now_ms >= s->park_until_ms || has_queued_command(s) ||
           s->endpoints_told != c->endpoints_version;
}

/* Parks the request, unless something turned up while it was looked at. Gives up the reference on s
 * when it did. */
static bool park(struct channel *c, struct session *s, uint64_t sequence, uint64_t version)
{
    pthread_mutex_lock(&c->lock);
    bool ok = s->ended || s->lanes[LANE_SYNC].last != sequence || !s->lanes[LANE_SYNC].busy;
    if (!ok && !sync_is_due(c, s, clock_mono_ms()) &&
        (version == 0 || version == state_version(c->state))) {
        s->parked = ok = true;
    }
    if (ok) {
        session_unref_locked(s);
    }
    pthread_mutex_unlock(&c->lock);
    return ok;
}

void sync_answer(struct channel *c, struct session *s)
{
    struct answer x = {0};
    pthread_mutex_lock(&c->lock);
    uint64_t sequence = s->lanes[LANE_SYNC].last;
    pthread_mutex_unlock(&c->lock);
    if (answer_config(c, s, &x) || !park(c, s, sequence, x.version)) {
        send_answer(c, s, sequence, &x);
    }
}

static void renew(struct channel *c, struct session *s, const char *csr, struct answer *x)
{
    char name[37];
    struct error err = ERROR_INIT;
    uuid_format(&s->plane, name);
    if (!x509_sign_csr(csr, c->ca_cert, c->ca_key, name, false, NULL, CHANNEL_CERT_DAYS,
                       &x->certificate, &err) ||
        !planes_certificate(c->config.pool, &s->plane, x509_not_after(x->certificate) * 1000,
                            &err)) {
        log_write(LOG_WARN, "certificate_not_renewed", "a data plane's certificate was not renewed",
                  LOG_Z("data_plane", name), LOG_Z("error", error_text(&err)));
        mem_free(x->certificate);
        x->certificate = NULL;
    }
}

/* Lock held: what the request says of the plane. */
static void note(struct channel *c, struct session *s, const Weir__SyncRequest *m)
{
    bool moved = s->have != m->have_version || s->refused_version != m->refused_version;
    s->have = m->have_version;
    s->has_root = m->root_hash.len == 32;
    if (s->has_root) {
        memcpy(s->root, m->root_hash.data, 32);
    }
    s->refused_version = m->refused_version;
    (void)snprintf(s->refused_reason, sizeof(s->refused_reason), "%s", m->refused_reason);
    if (m->state) {
        const Weir__PlaneState *p = m->state;
        (void)snprintf(s->state_json, sizeof(s->state_json),
                       "{\"in_flight\":%llu,\"spool_records\":%llu,\"spool_bytes\":%llu,"
                       "\"events_dropped\":%llu,\"draining\":%s,\"uptime_ms\":%llu,"
                       "\"requests_total\":%llu}",
                       (unsigned long long)p->in_flight, (unsigned long long)p->spool_records,
                       (unsigned long long)p->spool_bytes, (unsigned long long)p->events_dropped,
                       p->draining ? "true" : "false", (unsigned long long)p->uptime_ms,
                       (unsigned long long)p->requests_total);
    }
    s->dirty = true;
    if (moved) {
        s->dirty_version = true;
        pthread_cond_signal(&c->books_wake);
    }
    for (size_t i = 0; i < m->n_results; i++) {
        command_result(c, s, m->results[i]);
    }
}

/* The hashes in one piece; NULL when not sent or not complete. An empty hash stands for an empty
 * shard. */
static uint8_t *read_hashes(const Weir__SyncRequest *m)
{
    if (m->n_shard_hashes != STATE_HASHES) {
        return NULL;
    }
    uint8_t *all = mem_alloc((size_t)STATE_HASHES * 32);
    for (size_t i = 0; i < STATE_HASHES; i++) {
        if (m->shard_hashes[i].len == 32) {
            memcpy(all + i * 32, m->shard_hashes[i].data, 32);
        }
    }
    return all;
}

/* The part that the plane asks for of the run that it is in, if that is still here. */
static bool next_part(struct channel *c, struct session *s, const Weir__SyncRequest *m,
                      struct answer *x)
{
    pthread_mutex_lock(&c->lock);
    bool ok = m->next_part > 0 && s->run && run_version(s->run) == m->run_version &&
              m->next_part < run_parts(s->run);
    if (ok) {
        x->run = run_ref(s->run);
        x->part = m->next_part;
    }
    pthread_mutex_unlock(&c->lock);
    return ok;
}

void sync_request(struct channel *c, struct session *s, uint64_t sequence, struct str body)
{
    struct answer x = {0};
    Weir__SyncRequest *m = weir__sync_request__unpack(NULL, body.len, (const uint8_t *)body.ptr);
    if (!m) {
        session_finish_error(c, s, LANE_SYNC, sequence, "bad_request", "cannot be read");
        return;
    }
    pthread_mutex_lock(&c->lock);
    note(c, s, m);
    s->park_until_ms = clock_mono_ms() + CHANNEL_PARK_MS;
    pthread_mutex_unlock(&c->lock);
    uint8_t *hashes = read_hashes(m);
    bool answer = false;
    if (*m->csr_pem) {
        renew(c, s, m->csr_pem, &x);
        answer = x.certificate != NULL;
    }
    if (next_part(c, s, m, &x)) {
        answer = true;
    } else if (hashes) {
        start_run(c, s, m->have_version, hashes, &x);
        answer = true;
    } else if (answer_config(c, s, &x)) {
        answer = true;
    }
    mem_free(hashes);
    weir__sync_request__free_unpacked(m, NULL);
    if (answer || !park(c, s, sequence, x.version)) {
        send_answer(c, s, sequence, &x);
    }
}
