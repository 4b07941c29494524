/* Sessions: hello, the check of every message, sequences and remembered replies.
 *
 * A hello makes a session that is pending until its first valid message, which only the holder of
 * the secret can send: so a replayed hello takes nobody's place. Whatever is wrong with a message,
 * the answer is the same unknown_session. */
#include "controlplane/channel/internal.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/log.h"
#include "controlplane/store/data_planes_channel.h"

static const uint8_t no_key[32];
static const struct uuid nil;

bool pack_message(const ProtobufCMessage *m, struct buffer *out)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    buffer_clear(out);
    if (!buffer_reserve(out, n + 1)) {
        return false;
    }
    protobuf_c_message_pack(m, (uint8_t *)out->ptr);
    out->len = n;
    return true;
}

bool seal_message(const struct channel *c, uint16_t type, const struct uuid *session,
                  uint64_t sequence, const uint8_t key[static 32], struct str body,
                  struct buffer *out)
{
    struct envelope e = {.schema = ENVELOPE_SCHEMA,
                         .type = type,
                         .sender = c->instance,
                         .session = *session,
                         .sequence = sequence,
                         .body = body};
    buffer_clear(out);
    if (!buffer_reserve(out, body.len + ENVELOPE_OVERHEAD)) {
        return false;
    }
    envelope_write(&e, key, (uint8_t *)out->ptr);
    out->len = body.len + ENVELOPE_OVERHEAD;
    return true;
}

void reply_error(struct channel *c, struct link_call *call, const struct envelope *request,
                 const char *code, const char *text)
{
    Weir__ErrorReply m = WEIR__ERROR_REPLY__INIT;
    struct buffer body, out;
    buffer_init(&body, 4096);
    buffer_init(&out, 8192);
    m.code = (char *)(uintptr_t)code;
    m.text = (char *)(uintptr_t)text;
    if (pack_message(&m.base, &body) &&
        seal_message(c, ENVELOPE_ERROR, &request->session, request->sequence, no_key,
                     buffer_str(&body), &out)) {
        link_reply(call, buffer_str(&out));
    } else {
        link_drop(call);
    }
    buffer_release(&body);
    buffer_release(&out);
}

/* ---- the table ---- */

static struct session *find(struct channel *c, const struct uuid *id)
{
    for (struct list *n = c->sessions.next; n != &c->sessions; n = n->next) {
        struct session *s = LIST_ENTRY(n, struct session, node);
        if (uuid_eq(&s->id, id)) {
            return s;
        }
    }
    return NULL;
}

void session_unref_locked(struct session *s)
{
    if (--s->refs > 0) {
        return;
    }
    for (int i = 0; i < LANE_COUNT; i++) {
        buffer_release(&s->lanes[i].reply);
    }
    for (size_t i = 0; i < s->n_features; i++) {
        mem_free((void *)(uintptr_t)s->features[i].ptr);
    }
    mem_free(s->features);
    mem_free(s->software_version);
    run_unref(s->run);
    mem_free_secret(s, sizeof(*s));
}

void session_unref(struct channel *c, struct session *s)
{
    pthread_mutex_lock(&c->lock);
    session_unref_locked(s);
    pthread_mutex_unlock(&c->lock);
}

bool session_serves(void *arg, const struct uuid *organization, const struct uuid *workspace)
{
    const struct session_scope *s = arg;
    return state_serves(s->channel->state, &s->session->group, organization, workspace);
}

void session_end(struct channel *c, struct session *s, struct link_call *calls[LANE_COUNT])
{
    for (int i = 0; i < LANE_COUNT; i++) {
        calls[i] = s->lanes[i].call;
        s->lanes[i].call = NULL;
        s->lanes[i].busy = false;
    }
    s->parked = false;
    s->ended = true;
    commands_lose(c, s);
    list_remove(&s->node);
    c->n_sessions--;
    session_unref_locked(s);
}

static void drop_calls(struct link_call *calls[LANE_COUNT])
{
    for (int i = 0; i < LANE_COUNT; i++) {
        if (calls[i]) {
            link_drop(calls[i]);
        }
    }
}

void sessions_end_plane(struct channel *c, const struct uuid *plane)
{
    for (;;) {
        struct link_call *calls[LANE_COUNT] = {NULL};
        struct envelope about = {.schema = ENVELOPE_SCHEMA};
        bool found = false;
        pthread_mutex_lock(&c->lock);
        for (struct list *n = c->sessions.next; n != &c->sessions && !found; n = n->next) {
            struct session *s = LIST_ENTRY(n, struct session, node);
            if (uuid_eq(&s->plane, plane)) {
                found = true;
                about.session = s->id;
                about.sequence = s->lanes[LANE_SYNC].last;
                session_end(c, s, calls);
                break;
            }
        }
        pthread_mutex_unlock(&c->lock);
        for (int i = 0; i < LANE_COUNT; i++) {
            if (calls[i]) {
                reply_error(c, calls[i], &about, "unknown_session", "the session was ended");
            }
        }
        if (!found) {
            return;
        }
    }
}

void sessions_free(struct channel *c)
{
    pthread_mutex_lock(&c->lock);
    while (!list_empty(&c->sessions)) {
        struct link_call *calls[LANE_COUNT];
        session_end(c, LIST_ENTRY(c->sessions.next, struct session, node), calls);
    }
    pthread_mutex_unlock(&c->lock);
}

/* Lock held. The oldest pending session of the plane beyond the ceiling, NULL when below it. */
static struct session *surplus(struct channel *c, const struct uuid *plane)
{
    struct session *oldest = NULL;
    unsigned n = 0;
    for (struct list *l = c->sessions.next; l != &c->sessions; l = l->next) {
        struct session *s = LIST_ENTRY(l, struct session, node);
        if (!s->current && uuid_eq(&s->plane, plane)) {
            n++;
            oldest = oldest ? oldest : s; /* new ones are put at the end */
        }
    }
    return n >= CHANNEL_PENDING_MAX ? oldest : NULL;
}

/* ---- hello ---- */

static void describe(struct session *s, const Weir__Hello *h)
{
    s->software_version = str_dup(str_slice(str_of(h->software_version), 0, 64));
    size_t n = h->n_features < CHANNEL_FEATURES_MAX ? h->n_features : CHANNEL_FEATURES_MAX;
    s->features = mem_alloc((n + 1) * sizeof(*s->features));
    for (size_t i = 0; i < n; i++) {
        struct str f = str_slice(str_of(h->features[i]), 0, 64);
        s->features[i] = (struct str){str_dup(f), f.len};
    }
    s->n_features = n;
}

static void hello_accept(struct channel *c, struct link_call *call, const struct envelope *e,
                         const Weir__Hello *h, const struct plane_secret *plane,
                         const uint8_t hello_key[static 32])
{
    uint8_t nonce[32];
    struct session *s = mem_alloc(sizeof(*s));
    struct link_call *calls[LANE_COUNT] = {NULL};
    Weir__HelloReply m = WEIR__HELLO_REPLY__INIT;
    Weir__Endpoint items[CHANNEL_ENDPOINTS_MAX + 1], *list[CHANNEL_ENDPOINTS_MAX + 1];
    struct buffer body, out;
    struct arena *a = arena_new(0);
    buffer_init(&body, 65536);
    buffer_init(&out, 65536 + ENVELOPE_OVERHEAD);
    crypto_random(nonce, sizeof(nonce));
    crypto_random(s->id.b, sizeof(s->id.b));
    s->refs = 1;
    s->plane = e->sender;
    s->group = plane->group_id;
    s->born_ms = s->last_seen_ms = clock_mono_ms();
    envelope_session_key(plane->secret, 32, h->nonce.data, nonce, s->key);
    envelope_wrap_key(plane->secret, 32, s->wrap_key);
    for (int i = 0; i < LANE_COUNT; i++) {
        buffer_init(&s->lanes[i].reply, LINK_MAX_REPLY);
    }
    list_init(&s->commands);
    (void)snprintf(s->state_json, sizeof(s->state_json), "{}");
    describe(s, h);
    m.nonce = (ProtobufCBinaryData){32, nonce};
    m.session = (ProtobufCBinaryData){16, s->id.b};
    m.instance_id = (ProtobufCBinaryData){16, c->instance.b};
    m.schema = ENVELOPE_SCHEMA;
    m.software_version = (char *)(uintptr_t)WEIR_VERSION;
    m.wall_ms = clock_wall_ms();
    m.n_endpoints = endpoints_fill(c, items, list, CHANNEL_ENDPOINTS_MAX + 1, a);
    m.endpoints = list;
    bool ok =
        pack_message(&m.base, &body) && seal_message(c, ENVELOPE_HELLO_REPLY, &nil, e->sequence,
                                                     hello_key, buffer_str(&body), &out);
    pthread_mutex_lock(&c->lock);
    struct session *old = surplus(c, &s->plane);
    if (old) {
        session_end(c, old, calls);
    }
    ok = ok && c->n_sessions < CHANNEL_SESSIONS_MAX;
    list_push_back(&c->sessions, &s->node);
    c->n_sessions++;
    if (!ok) {
        session_end(c, s, calls);
    }
    pthread_mutex_unlock(&c->lock);
    drop_calls(calls);
    if (ok) {
        link_reply(call, buffer_str(&out));
    } else {
        link_drop(call);
    }
    buffer_release(&body);
    buffer_release(&out);
    arena_free(a);
}

static void hello(struct channel *c, struct link_call *call, const struct envelope *e,
                  struct str message)
{
    struct plane_secret plane;
    struct error err = ERROR_INIT;
    uint8_t key[32];
    if (!planes_secret(c->config.pool, c->config.keys, &e->sender, &plane, &err)) {
        bool database = err.code == ERR_DATABASE;
        reply_error(c, call, e, database ? "unavailable" : "refused",
                    database ? "database unavailable" : "not accepted");
        return;
    }
    envelope_hello_key(plane.secret, 32, key);
    Weir__Hello *h = envelope_verify(message.ptr, message.len, key)
                         ? weir__hello__unpack(NULL, e->body.len, (const uint8_t *)e->body.ptr)
                         : NULL;
    if (!h || h->nonce.len != 32 || h->plane_id.len != 16 ||
        memcmp(h->plane_id.data, e->sender.b, 16) != 0) {
        reply_error(c, call, e, "refused", "not accepted");
    } else if (h->schema_min > ENVELOPE_SCHEMA || h->schema_max < ENVELOPE_SCHEMA) {
        reply_error(c, call, e, "schema_unsupported", "no common schema");
    } else {
        hello_accept(c, call, e, h, &plane, key);
    }
    weir__hello__free_unpacked(h, NULL);
    memset(&plane, 0, sizeof(plane));
}

/* ---- requests in a session ---- */

/* Lock held: a valid message makes the session the plane's only one. */
static void make_current(struct channel *c, struct session *s, struct link_call **ret_calls,
                         size_t *ret_n)
{
    *ret_n = 0;
    s->last_seen_ms = clock_mono_ms();
    if (s->current) {
        return;
    }
    s->current = s->dirty = s->dirty_version = true;
    for (struct list *n = c->sessions.next, *next; n != &c->sessions; n = next) {
        struct session *o = LIST_ENTRY(n, struct session, node);
        next = n->next;
        if (o != s && uuid_eq(&o->plane, &s->plane) && *ret_n < 8 * LANE_COUNT) {
            session_end(c, o, ret_calls + *ret_n);
            *ret_n += LANE_COUNT;
        }
    }
}

enum turn { TURN_RUN, TURN_REPEAT, TURN_TAKEN, TURN_OLD };

/* Lock held: what to do with this sequence. Takes the call over, unless TURN_REPEAT or TURN_OLD;
 * *ret_old is one to drop. */
static enum turn take_turn(struct session *s, enum lane_kind lane, uint64_t sequence,
                           struct link_call *call, struct link_call **ret_old)
{
    struct lane *l = &s->lanes[lane];
    *ret_old = NULL;
    if (sequence == 0 || sequence < l->last) {
        return TURN_OLD;
    }
    if (sequence == l->last && !l->busy && l->reply.len > 0) {
        return TURN_REPEAT;
    }
    *ret_old = l->call;
    l->call = call;
    if (sequence == l->last && l->busy) {
        return TURN_TAKEN; /* its work goes on and answers this call */
    }
    l->last = sequence;
    l->busy = true;
    buffer_release(&l->reply);
    if (lane == LANE_SYNC) {
        s->parked = false;
    }
    return TURN_RUN;
}

/* e's body is a copy: the call that it came with may be dropped for its own repetition while the
 * work goes on. */
static void session_turn(struct channel *c, struct session *s, enum lane_kind lane,
                         struct link_call *call, const struct envelope *e)
{
    struct link_call *calls[8 * LANE_COUNT], *old = NULL;
    size_t n_calls = 0;
    struct buffer again;
    buffer_init(&again, LINK_MAX_REPLY);
    pthread_mutex_lock(&c->lock);
    bool ended = s->ended;
    enum turn turn = TURN_OLD;
    if (!ended) {
        turn = take_turn(s, lane, e->sequence, call, &old);
        if (turn != TURN_OLD) {
            make_current(c, s, calls, &n_calls);
        }
        if (turn == TURN_REPEAT) {
            (void)buffer_append_str(&again, buffer_str(&s->lanes[lane].reply));
        }
    }
    pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < n_calls; i++) {
        if (calls[i]) {
            link_drop(calls[i]);
        }
    }
    if (old) {
        link_drop(old);
    }
    if (ended) {
        reply_error(c, call, e, "unknown_session", "say hello");
    } else if (turn == TURN_OLD) {
        reply_error(c, call, e, "sequence", "the sequence went back");
    } else if (turn == TURN_REPEAT) {
        link_reply(call, buffer_str(&again));
    }
    buffer_release(&again);
    if (ended || turn != TURN_RUN) {
        session_unref(c, s);
    } else if (lane == LANE_SYNC) {
        sync_request(c, s, e->sequence, e->body);
    } else if (lane == LANE_REPORT) {
        report_request(c, s, e->sequence, e->body);
    } else {
        lease_request(c, s, e->sequence, e->body);
    }
}

void session_request(struct channel *c, enum lane_kind lane, struct link_call *call,
                     struct str message)
{
    static const uint16_t types[LANE_COUNT] = {ENVELOPE_SYNC, ENVELOPE_REPORT, ENVELOPE_LEASE};
    struct envelope e;
    uint8_t key[32];
    if (!envelope_peek(message.ptr, message.len, &e)) {
        link_drop(call);
        return;
    }
    if (e.type == ENVELOPE_HELLO && lane == LANE_SYNC) {
        hello(c, call, &e, message);
        return;
    }
    pthread_mutex_lock(&c->lock);
    struct session *s = find(c, &e.session);
    if (s) {
        s->refs++;
        memcpy(key, s->key, sizeof(key));
    }
    pthread_mutex_unlock(&c->lock);
    if (!s || !envelope_verify(message.ptr, message.len, key) || !uuid_eq(&e.sender, &s->plane) ||
        e.type != types[lane]) {
        reply_error(c, call, &e, "unknown_session", "say hello");
        if (s) {
            session_unref(c, s);
        }
        return;
    }
    char *body = mem_try_alloc(e.body.len + 1);
    if (!body) {
        link_drop(call);
        session_unref(c, s);
        return;
    }
    memcpy(body, e.body.ptr, e.body.len);
    e.body.ptr = body;
    session_turn(c, s, lane, call, &e);
    mem_free(body);
}

void session_finish(struct channel *c, struct session *s, enum lane_kind lane, uint64_t sequence,
                    uint16_t type, struct str body, bool remember)
{
    struct buffer out;
    struct link_call *call = NULL;
    buffer_init(&out, LINK_MAX_REPLY);
    bool ok = seal_message(c, type, &s->id, sequence, type == ENVELOPE_ERROR ? no_key : s->key,
                           body, &out);
    pthread_mutex_lock(&c->lock);
    struct lane *l = &s->lanes[lane];
    if (!s->ended && l->last == sequence && l->busy) {
        call = l->call;
        l->call = NULL;
        l->busy = false;
        buffer_clear(&l->reply);
        if (ok && remember) {
            (void)buffer_append_str(&l->reply, buffer_str(&out));
        }
    }
    session_unref_locked(s);
    pthread_mutex_unlock(&c->lock);
    if (call && ok) {
        link_reply(call, buffer_str(&out));
    } else if (call) {
        link_drop(call);
    }
    buffer_release(&out);
}

void session_finish_error(struct channel *c, struct session *s, enum lane_kind lane,
                          uint64_t sequence, const char *code, const char *text)
{
    Weir__ErrorReply m = WEIR__ERROR_REPLY__INIT;
    struct buffer body;
    buffer_init(&body, 4096);
    m.code = (char *)(uintptr_t)code;
    m.text = (char *)(uintptr_t)text;
    (void)pack_message(&m.base, &body);
    session_finish(c, s, lane, sequence, ENVELOPE_ERROR, buffer_str(&body), false);
    buffer_release(&body);
}
