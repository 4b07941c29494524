/* The session: hello, then one sync request always under way. It is parked by the control plane
 * until there is news, and carries the heartbeat, results of commands, refusals and renewals. What
 * comes back becomes a new root, or a reason why not. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/log.h"
#include "common/x509.h"
#include "dataplane/report/bridge_inside.h"
#include "dataplane/snapshot/wire.h"
#include "proto/control.pb-c.h"

#define HURRY_AFTER_MS 300    /* a sync that the announced version should have answered by then */
#define REFUSED_AGAIN_MS 1000 /* pause when a version is refused a second time */
#define CONFIRM_EVERY_MS 30000
#define RESULTS_MAX 64
#define RENEW_PAUSE_MS 3600000

static const struct uuid nil;

static ProtobufCBinaryData bytes_of(const void *p, size_t n)
{
    return (ProtobufCBinaryData){.len = n, .data = (uint8_t *)(uintptr_t)p};
}

static bool pack(const ProtobufCMessage *m, struct buffer *out)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    buffer_clear(out);
    if (!buffer_reserve(out, n + 1)) {
        return false;
    }
    out->len = protobuf_c_message_pack(m, (uint8_t *)out->ptr);
    return true;
}

bool session_hello(struct bridge *b)
{
    Weir__Hello h = WEIR__HELLO__INIT;
    char version[] = WEIR_VERSION;
    struct buffer body;
    crypto_random(b->nonce, sizeof(b->nonce));
    h.plane_id = bytes_of(b->identity.plane_id.b, 16);
    h.nonce = bytes_of(b->nonce, sizeof(b->nonce));
    h.software_version = version;
    h.schema_min = h.schema_max = ENVELOPE_SCHEMA;
    buffer_init(&body, 65536);
    bool ok = pack(&h.base, &body) &&
              turn_seal(b, &b->sync, ENVELOPE_HELLO, &nil, b->hello_key, buffer_str(&body)) &&
              turn_send(&b->sync, b->sync_link, BRIDGE_HELLO_MS);
    buffer_release(&body);
    return ok;
}

/* Other instances of the control plane, to go to when this one is lost; kept on disk for the next
 * start. */
static void learn_endpoints(struct bridge *b, Weir__Endpoint **list, size_t n)
{
    struct identity *i = &b->identity;
    struct identity_endpoint *fresh = mem_alloc(IDENTITY_ENDPOINTS_MAX * sizeof(*fresh));
    struct error err = ERROR_INIT;
    unsigned count = 0, same = 0;
    for (size_t k = 0; k < n && count < IDENTITY_ENDPOINTS_MAX; k++) {
        struct identity_endpoint *e = &fresh[count];
        memset(e, 0, sizeof(*e));
        count += identity_url(str_of(list[k]->sync), e->sync) &&
                 identity_url(str_of(list[k]->report), e->report) &&
                 identity_url(str_of(list[k]->announce), e->announce) &&
                 identity_url(str_of(list[k]->lease), e->lease);
    }
    for (unsigned k = 0; k < count; k++) {
        for (unsigned o = 0; o < i->n_endpoints; o++) {
            same += strcmp(fresh[k].sync, i->endpoints[o].sync) == 0 &&
                    strcmp(fresh[k].report, i->endpoints[o].report) == 0;
        }
    }
    if (count > 0 && (same != count || count != i->n_endpoints)) {
        char in_use[IDENTITY_URL_MAX];
        memcpy(in_use, i->endpoints[b->endpoint].sync, sizeof(in_use));
        memcpy(i->endpoints, fresh, count * sizeof(*fresh));
        i->n_endpoints = count;
        b->endpoint = 0;
        for (unsigned k = 0; k < count; k++) {
            b->endpoint = strcmp(i->endpoints[k].sync, in_use) == 0 ? k : b->endpoint;
        }
        if (!identity_save(b->folder, b->has_state_key ? b->state_key : NULL, i, &err)) {
            log_write(LOG_WARN, "identity_not_saved", error_text(&err));
        }
    }
    mem_free(fresh);
}

void session_on_hello(struct bridge *b)
{
    struct envelope e;
    char code[40] = "";
    Weir__HelloReply *m = NULL;
    if (b->sync.result == LINK_OK &&
        turn_check(b, &b->sync, ENVELOPE_HELLO_REPLY, b->hello_key, &nil, &e, code)) {
        m = weir__hello_reply__unpack(NULL, e.body.len, (const uint8_t *)e.body.ptr);
    }
    if (!m || m->nonce.len != 32 || m->session.len != 16 || m->schema != ENVELOPE_SCHEMA) {
        if (strcmp(code, "refused") == 0) {
            log_write(LOG_ERROR, "control_refused",
                      "control plane does not accept this data plane (revoked?)");
        }
        weir__hello_reply__free_unpacked(m, NULL);
        bridge_lose(b,
                    code[0]          ? code
                    : b->sync.result ? link_result_name(b->sync.result)
                                     : "wrong answer",
                    false);
        return;
    }
    envelope_session_key(b->identity.secret, sizeof(b->identity.secret), b->nonce, m->nonce.data,
                         b->session_key);
    memcpy(b->session.b, m->session.data, 16);
    b->sync.sequence = b->report.sequence = b->lease.sequence = 0;
    b->phase = PHASE_SESSION;
    b->sync_not_before_ms = b->report_not_before_ms = 0;
    (void)pthread_mutex_lock(&b->lock);
    b->announced = 0; /* another database's numbers, perhaps */
    (void)pthread_mutex_unlock(&b->lock);
    b->hurried_for = 0;
    log_write(LOG_INFO, "control_session", "in session with the control plane",
              LOG_Z("endpoint", b->identity.endpoints[b->endpoint].sync),
              LOG_Z("version", m->software_version));
    learn_endpoints(b, m->endpoints, m->n_endpoints);
    weir__hello_reply__free_unpacked(m, NULL);
    lease_on_session(b);
}

/* A certificate that ends soon is asked for anew, with a new key. */
static void renew(struct bridge *b)
{
    struct error err = ERROR_INIT;
    char id[37];
    uint64_t until = x509_not_after(b->identity.cert_pem) * 1000;
    if (b->pending_csr_pem || clock_mono_ms() < b->renew_not_before_ms ||
        until > clock_wall_ms() + (uint64_t)BRIDGE_RENEW_DAYS * 86400000) {
        return;
    }
    uuid_format(&b->identity.plane_id, id);
    if (!x509_make_csr(id, &b->pending_csr_pem, &b->pending_key_pem, &err)) {
        log_write(LOG_WARN, "renewal_failed", error_text(&err));
    }
}

static void take_certificate(struct bridge *b, const char *pem)
{
    struct error err = ERROR_INIT;
    if (!b->pending_key_pem || x509_not_after(pem) == 0) {
        return;
    }
    struct identity *i = &b->identity;
    mem_free(i->cert_pem);
    mem_free_secret(i->key_pem, strlen(i->key_pem));
    i->cert_pem = mem_strdup(pem);
    i->key_pem = b->pending_key_pem; /* used from the next connection on */
    mem_free(b->pending_csr_pem);
    b->pending_key_pem = b->pending_csr_pem = NULL;
    b->renew_not_before_ms = clock_mono_ms() + RENEW_PAUSE_MS; /* the CA itself may end soon */
    if (!identity_save(b->folder, b->has_state_key ? b->state_key : NULL, i, &err)) {
        log_write(LOG_ERROR, "identity_not_saved", error_text(&err));
    }
    log_write(LOG_INFO, "certificate_renewed", "channel certificate was renewed");
}

struct sync_parts {
    Weir__SyncRequest m;
    Weir__PlaneState state;
    Weir__CommandResult results[RESULTS_MAX], *list[RESULTS_MAX];
    uint8_t root[32];
    uint8_t *shards; /* heap, 32 bytes each */
    ProtobufCBinaryData *shard_list;
};

static void fill_state(struct bridge *b, Weir__PlaneState *s)
{
    uint64_t in_flight = 0, total = 0;
    bool draining = false;
    struct spool_stats stats;
    weir__plane_state__init(s);
    if (b->config.on_state) {
        b->config.on_state(b->config.arg, &in_flight, &total, &draining);
    }
    s->in_flight = in_flight;
    s->requests_total = total;
    s->draining = draining;
    s->uptime_ms = clock_mono_ms() - b->started_ms;
    for (size_t i = 0; i < b->config.n_spools; i++) {
        spool_stats(b->spools[i], &stats);
        s->spool_records += stats.waiting_records;
        s->spool_bytes += stats.waiting_bytes;
        s->events_dropped += stats.dropped;
    }
}

/* Results stay listed until a reply has come; their texts live as long. */
static void fill_results(struct bridge *b, struct sync_parts *p)
{
    (void)pthread_mutex_lock(&b->lock);
    for (struct list *n = b->results.next; n != &b->results && p->m.n_results < RESULTS_MAX;
         n = n->next) {
        struct command_result *r = LIST_ENTRY(n, struct command_result, node);
        Weir__CommandResult *to = &p->results[p->m.n_results];
        weir__command_result__init(to);
        to->id = bytes_of(r->id.b, 16);
        to->ok = r->ok;
        to->error = r->error;
        to->body_json = r->body_json;
        r->sent = true;
        p->list[p->m.n_results++] = to;
    }
    (void)pthread_mutex_unlock(&b->lock);
    p->m.results = p->list;
}

static void fill_shards(struct bridge *b, struct sync_parts *p)
{
    size_t n = (size_t)SNAPSHOT_KINDS * SNAPSHOT_SHARDS;
    p->shards = mem_alloc(n * 32);
    p->shard_list = mem_alloc(n * sizeof(*p->shard_list));
    for (size_t i = 0; i < n; i++) {
        snapshot_shard_hash(b->current, (unsigned)(i / SNAPSHOT_SHARDS),
                            (unsigned)(i % SNAPSHOT_SHARDS), p->shards + i * 32);
        p->shard_list[i] = bytes_of(p->shards + i * 32, 32);
    }
    p->m.shard_hashes = p->shard_list;
    p->m.n_shard_hashes = n;
}

void session_sync(struct bridge *b, uint64_t now_ms)
{
    struct buffer body;
    if (now_ms < b->sync_not_before_ms || !turn_is_idle(&b->sync)) {
        return;
    }
    struct sync_parts *p = mem_alloc(sizeof(*p));
    weir__sync_request__init(&p->m);
    renew(b);
    fill_state(b, &p->state);
    p->m.state = &p->state;
    fill_results(b, p);
    if (b->current) {
        p->m.have_version = snapshot_version(b->current);
        snapshot_root_hash(b->current, p->root);
        p->m.root_hash = bytes_of(p->root, sizeof(p->root));
        if (b->send_shards) {
            fill_shards(b, p);
        }
    }
    p->m.refused_version = b->refused_version;
    p->m.refused_reason = b->refused_reason;
    if (b->run) {
        p->m.next_part = snapshot_run_next_part(b->run);
        p->m.run_version = snapshot_run_version(b->run);
    }
    if (b->pending_csr_pem) {
        p->m.csr_pem = b->pending_csr_pem;
    }
    buffer_init(&body, LINK_MAX_REQUEST - ENVELOPE_OVERHEAD);
    bool ok =
        pack(&p->m.base, &body) &&
        turn_seal(b, &b->sync, ENVELOPE_SYNC, &b->session, b->session_key, buffer_str(&body)) &&
        turn_send(&b->sync, b->sync_link, BRIDGE_SYNC_MS);
    buffer_release(&body);
    mem_free(p->shards);
    mem_free(p->shard_list);
    mem_free(p);
    if (!ok) {
        bridge_lose(b, "sync could not be sent", false);
    }
}

bool session_should_hurry(struct bridge *b, uint64_t now_ms)
{
    bool hurry = false;
    uint64_t have = b->current ? snapshot_version(b->current) : 0;
    (void)pthread_mutex_lock(&b->lock);
    if (b->sync.state == TURN_SENT) {
        for (struct list *n = b->results.next; n != &b->results; n = n->next) {
            hurry |= !LIST_ENTRY(n, struct command_result, node)->sent;
        }
        if (b->announced > have && b->announced > b->refused_version &&
            b->announced != b->hurried_for && now_ms > b->sync.sent_ms + HURRY_AFTER_MS) {
            b->hurried_for = b->announced; /* once for each version */
            hurry = true;
        }
    }
    (void)pthread_mutex_unlock(&b->lock);
    return hurry;
}

void session_drop_run(struct bridge *b)
{
    snapshot_run_free(b->run);
    b->run = NULL;
    for (size_t i = 0; i < b->n_parts; i++) {
        mem_free((void *)(uintptr_t)b->parts[i].ptr);
    }
    mem_free(b->parts);
    b->parts = NULL;
    b->n_parts = 0;
}

static void refuse(struct bridge *b, uint64_t version, const struct error *why, uint64_t now_ms)
{
    if (version == b->refused_version) {
        b->sync_not_before_ms = now_ms + REFUSED_AGAIN_MS;
    } else {
        log_write(LOG_ERROR, "snapshot_refused", "the snapshot in use stays",
                  LOG_U("version", version), LOG_Z("error", error_text(why)));
    }
    b->refused_version = version;
    (void)snprintf(b->refused_reason, sizeof(b->refused_reason), "%s", error_text(why));
    session_drop_run(b);
}

static void confirm(struct bridge *b, uint64_t now_ms)
{
    char path[4096], text[24];
    uint64_t wall_ms = clock_wall_ms();
    (void)pthread_mutex_lock(&b->lock);
    b->status.snapshot_wall_ms = wall_ms;
    (void)pthread_mutex_unlock(&b->lock);
    if (b->confirmed_written_ms && now_ms - b->confirmed_written_ms < CONFIRM_EVERY_MS) {
        return;
    }
    b->confirmed_written_ms = now_ms;
    (void)snprintf(path, sizeof(path), "%s/confirmed", b->folder);
    int n = snprintf(text, sizeof(text), "%020llu\n", (unsigned long long)wall_ms);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (pwrite(fd, text, (size_t)n, 0) != n) {
            log_write(LOG_DEBUG, "confirmed_not_saved",
                      "time of the last confirmation was not written");
        }
        (void)close(fd);
    }
}

static void apply(struct bridge *b, uint64_t now_ms)
{
    struct error err = ERROR_INIT;
    bool diverged = false, full = snapshot_run_is_full(b->run);
    uint64_t version = snapshot_run_version(b->run);
    struct snapshot *next = snapshot_run_finish(b->run, &diverged, &err);
    b->run = NULL;
    if (!next) {
        refuse(b, version, &err, now_ms);
        return;
    }
    snapshot_unref(b->current);
    b->current = next;
    b->refused_version = 0;
    b->refused_reason[0] = '\0';
    (void)pthread_mutex_lock(&b->lock);
    b->status.version = version;
    (void)pthread_mutex_unlock(&b->lock);
    swap_publish(b->config.hub, snapshot_ref(next));
    confirm(b, now_ms);
    log_write(LOG_INFO, "snapshot_applied", "new configuration is in force",
              LOG_U("version", version), LOG_U("diverged", diverged));
    bool saved = snapshot_disk_append(b->disk, b->parts, b->n_parts, full, next, &err);
    if (!saved && !b->disk_failing) {
        log_write(LOG_ERROR, "snapshot_not_saved", "snapshot could not be written",
                  LOG_Z("error", error_text(&err)));
    }
    b->disk_failing = !saved;
    session_drop_run(b);
}

/* The next part is asked for before this one is taken in, so that it is under way meanwhile. */
static void take_part(struct bridge *b, struct str raw, uint64_t now_ms)
{
    struct error err = ERROR_INIT;
    uint32_t number = 0;
    uint64_t to_version = 0;
    if (!snapshot_run_peek(raw, &number, &to_version) || number == 0) {
        session_drop_run(b); /* the control plane begins anew */
    }
    if (!b->run && number > 0) {
        return; /* asked for before the part in front of it was refused */
    }
    if (!b->run) {
        b->run = snapshot_run_new(b->current, b->wrap_key);
    }
    if (!snapshot_run_head(b->run, raw, &err)) {
        refuse(b, to_version, &err, now_ms);
        return;
    }
    if (snapshot_run_wants_more(b->run)) {
        session_sync(b, now_ms);
    }
    if (!b->run) {
        return; /* the session ended with that */
    }
    if (!snapshot_run_body(b->run, raw, &err)) {
        refuse(b, to_version, &err, now_ms);
        return;
    }
    if (!snapshot_run_is_full(b->run)) {
        b->parts = mem_realloc(b->parts, (b->n_parts + 1) * sizeof(struct str));
        b->parts[b->n_parts++] = (struct str){mem_dup(raw.ptr, raw.len), raw.len};
    }
    if (snapshot_run_complete(b->run)) {
        apply(b, now_ms);
    }
}

/* True the first time that this command comes. */
static bool command_is_new(struct bridge *b, const struct uuid *id)
{
    for (unsigned i = 0; i < BRIDGE_RECENT_COMMANDS && i < b->n_recent; i++) {
        if (uuid_eq(&b->recent[i], id)) {
            return false;
        }
    }
    b->recent[b->n_recent++ % BRIDGE_RECENT_COMMANDS] = *id;
    if (b->n_recent >= 2 * BRIDGE_RECENT_COMMANDS) {
        b->n_recent -= BRIDGE_RECENT_COMMANDS;
    }
    return true;
}

static void take_commands(struct bridge *b, const Weir__SyncReply *m)
{
    for (size_t i = 0; i < m->n_commands; i++) {
        const Weir__Command *c = m->commands[i];
        struct uuid id;
        if (c->id.len != sizeof(id.b)) {
            continue;
        }
        memcpy(id.b, c->id.data, sizeof(id.b));
        if (!command_is_new(b, &id)) {
            continue;
        }
        if (b->config.on_command) {
            b->config.on_command(b->config.arg, b, &id, c->kind,
                                 (struct str){(const char *)c->body.data, c->body.len},
                                 c->deadline_ms);
        } else {
            bridge_command_done(b, &id, false, "unsupported", "");
        }
    }
}

/* What the last request carried has been heard. */
static void forget_results(struct bridge *b)
{
    (void)pthread_mutex_lock(&b->lock);
    for (struct list *n = b->results.next, *next; n != &b->results; n = next) {
        struct command_result *r = LIST_ENTRY(n, struct command_result, node);
        next = n->next;
        if (r->sent) {
            list_remove(n);
            mem_free(r->error);
            mem_free(r->body_json);
            mem_free(r);
        }
    }
    (void)pthread_mutex_unlock(&b->lock);
}

/* The part's bytes as they stand in the reply (field 1; NULL ptr: there is none), and all else of
 * the reply, which alone is unpacked: of a large part that would be thousands of allocations. */
static bool split_reply(struct str body, struct str *ret_part, struct buffer *rest)
{
    struct wire w = wire_of(body);
    struct wire_field f;
    bool fits = true;
    *ret_part = STR_NONE;
    for (const uint8_t *from = w.at; wire_next(&w, &f); from = w.at) {
        if (f.number == 1 && f.type == WIRE_BYTES) {
            *ret_part = f.bytes;
        } else {
            fits &= buffer_append(rest, from, (size_t)(w.at - from));
        }
    }
    return fits && !w.bad;
}

static Weir__SyncReply *unpack_reply(struct str body, struct str *ret_part)
{
    struct buffer rest;
    Weir__SyncReply *m = NULL;
    buffer_init(&rest, body.len + 1);
    if (split_reply(body, ret_part, &rest)) {
        m = weir__sync_reply__unpack(NULL, rest.len, (const uint8_t *)(rest.len ? rest.ptr : ""));
    }
    buffer_release(&rest);
    return m;
}

static void take_reply(struct bridge *b, const Weir__SyncReply *m, struct str part, uint64_t now_ms)
{
    b->failures = 0;
    (void)pthread_mutex_lock(&b->lock);
    b->status.connected = true;
    b->status.last_sync_mono_ms = now_ms;
    (void)pthread_mutex_unlock(&b->lock);
    forget_results(b);
    b->send_shards = m->want_shard_hashes;
    if (m->certificate_pem[0]) {
        take_certificate(b, m->certificate_pem);
    }
    if (m->n_endpoints) {
        learn_endpoints(b, m->endpoints, m->n_endpoints);
    }
    if (part.ptr) {
        take_part(b, part, now_ms);
    } else {
        session_drop_run(b);
        if (b->refused_version == 0 && b->current) {
            confirm(b, now_ms);
        }
    }
    take_commands(b, m);
}

void session_on_sync(struct bridge *b, uint64_t now_ms)
{
    struct turn *x = &b->sync;
    struct envelope e;
    char code[40] = "";
    if (x->result == LINK_CANCELLED) {
        (void)pthread_mutex_lock(&b->lock);
        for (struct list *n = b->results.next; n != &b->results; n = n->next) {
            LIST_ENTRY(n, struct command_result, node)->sent = false;
        }
        (void)pthread_mutex_unlock(&b->lock);
        return; /* given up to say or hear something: the next one follows at once */
    }
    if (x->result != LINK_OK) {
        if (x->result == LINK_RESET && x->tries < 2 &&
            turn_send(x, b->sync_link, BRIDGE_HELLO_MS)) {
            return; /* the connection only; the same sequence again */
        }
        bridge_lose(b, link_result_name(x->result), false);
        return;
    }
    Weir__SyncReply *m = NULL;
    struct str part = STR_NONE;
    if (turn_check(b, x, ENVELOPE_SYNC_REPLY, b->session_key, &b->session, &e, code)) {
        m = unpack_reply(e.body, &part);
    }
    if (m) {
        struct buffer mine = x->reply; /* the next answer may come while this one is read */
        buffer_init(&x->reply, LINK_MAX_REPLY);
        take_reply(b, m, part, now_ms);
        buffer_release(&mine);
    } else if (strcmp(code, "unavailable") == 0) {
        b->sync_not_before_ms = now_ms + BRIDGE_BACKOFF_MIN_MS * 2;
    } else {
        bridge_lose(b, code[0] ? code : "wrong answer", strcmp(code, "unknown_session") == 0);
    }
    weir__sync_reply__free_unpacked(m, NULL);
}
