/* A small control plane for tests of the bridge: real links with real certificates, a session, and
 * a script of what sync requests are answered with. Everything that came is kept for the test to
 * look at. */
#ifndef DATAPLANE_REPORT_FAKE_CONTROL_H
#define DATAPLANE_REPORT_FAKE_CONTROL_H

#include <pthread.h>
#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/x509.h"
#include "dataplane/report/identity.h"
#include "proto/control.pb-c.h"
#include "proto/envelope.h"
#include "proto/link.h"
#include "proto/usage.pb-c.h"

struct authority {
    char *ca_cert, *ca_key, *server_cert, *server_key, *plane_cert, *plane_key;
    struct uuid plane_id;
    uint8_t secret[32];
};

struct fake_control {
    const struct authority *authority;
    struct link_server *sync, *report, *lease;
    struct link_pub *announce;
    struct identity_endpoint urls;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint8_t session_key[32];
    struct uuid session, instance;
    unsigned hellos, syncs, reports, acks;
    /* what to say next: a reply without anything is parked until there is something */
    struct link_call *parked;
    uint64_t parked_sequence;
    Weir__SyncRequest *last;             /* newest request */
    struct buffer reply;                 /* packed SyncReply to give next; len 0: none */
    bool forget_session;                 /* answer unknown_session once */
    unsigned fail_reports, drop_reports; /* so many are refused, or stored without an answer */
    struct map *stored;                  /* event bytes -> count */
    unsigned n_stored, n_doubled;
    /* Leases: each request's body is given to lease_fn, which appends the grant's. NULL: all are
     * answered "unavailable". */
    void (*lease_fn)(struct fake_control *f, struct str request, struct buffer *grant);
    unsigned leases, fail_leases, drop_leases; /* came; so many are refused, or are worked on and
                                                  never answered */
    const struct identity_endpoint *others;    /* told in hello, besides itself */
    bool dead;
};

static inline void authority_make(struct authority *a)
{
    struct error err = ERROR_INIT;
    char *csr = NULL;
    memset(a, 0, sizeof(*a));
    crypto_random(&a->plane_id, sizeof(a->plane_id));
    crypto_random(a->secret, sizeof(a->secret));
    if (!x509_make_ca("test channel", 365, &a->ca_cert, &a->ca_key, &err) ||
        !x509_make_server(a->ca_cert, a->ca_key, "weir-control", "weir-control,127.0.0.1", 30,
                          &a->server_cert, &a->server_key, &err) ||
        !x509_make_csr("plane", &csr, &a->plane_key, &err) ||
        !x509_sign_csr(csr, a->ca_cert, a->ca_key, "plane", false, NULL, 90, &a->plane_cert,
                       &err)) {
        fprintf(stderr, "certificates: %s\n", error_text(&err));
        abort();
    }
    mem_free(csr);
}

static inline void authority_free(struct authority *a)
{
    mem_free(a->ca_cert);
    mem_free(a->ca_key);
    mem_free(a->server_cert);
    mem_free(a->server_key);
    mem_free(a->plane_cert);
    mem_free(a->plane_key);
}

static inline void fake_reply(struct fake_control *f, struct link_call *call, uint16_t type,
                              uint64_t sequence, const uint8_t key[32], const struct uuid *session,
                              const ProtobufCMessage *m, struct str raw)
{
    struct buffer body;
    buffer_init(&body, 32u << 20);
    if (m) {
        (void)buffer_reserve(&body, protobuf_c_message_get_packed_size(m) + 1);
        body.len = protobuf_c_message_pack(m, (uint8_t *)body.ptr);
    } else {
        (void)buffer_append_str(&body, raw);
    }
    struct envelope e = {.schema = 1,
                         .type = type,
                         .sender = f->instance,
                         .session = *session,
                         .sequence = sequence,
                         .body = buffer_str(&body)};
    uint8_t *out = mem_alloc(body.len + ENVELOPE_OVERHEAD);
    envelope_write(&e, key, out);
    link_reply(call, (struct str){(char *)out, body.len + ENVELOPE_OVERHEAD});
    mem_free(out);
    buffer_release(&body);
}

static inline void fake_error(struct fake_control *f, struct link_call *call,
                              const struct envelope *e, const char *code)
{
    static const uint8_t no_key[32];
    Weir__ErrorReply m = WEIR__ERROR_REPLY__INIT;
    m.code = (char *)(uintptr_t)code;
    fake_reply(f, call, ENVELOPE_ERROR, e->sequence, no_key, &e->session, &m.base, STR_NONE);
}

static inline void fake_hello(struct fake_control *f, struct link_call *call,
                              const struct envelope *e, struct str message)
{
    uint8_t key[32], nonce[32];
    Weir__HelloReply m = WEIR__HELLO_REPLY__INIT;
    Weir__Endpoint items[2] = {WEIR__ENDPOINT__INIT, WEIR__ENDPOINT__INIT},
                   *list[2] = {&items[0], &items[1]};
    const struct identity_endpoint *urls[2] = {&f->urls, f->others};
    static const struct uuid nil;
    envelope_hello_key(f->authority->secret, 32, key);
    Weir__Hello *h = envelope_verify(message.ptr, message.len, key)
                         ? weir__hello__unpack(NULL, e->body.len, (const uint8_t *)e->body.ptr)
                         : NULL;
    if (!h) {
        fake_error(f, call, e, "refused");
        return;
    }
    crypto_random(nonce, sizeof(nonce));
    crypto_random(&f->session, sizeof(f->session));
    envelope_session_key(f->authority->secret, 32, h->nonce.data, nonce, f->session_key);
    m.nonce = (ProtobufCBinaryData){32, nonce};
    m.session = (ProtobufCBinaryData){16, f->session.b};
    m.instance_id = (ProtobufCBinaryData){16, f->instance.b};
    m.schema = 1;
    m.n_endpoints = f->others ? 2 : 1;
    m.endpoints = list;
    for (size_t i = 0; i < m.n_endpoints; i++) {
        items[i].sync = (char *)(uintptr_t)urls[i]->sync;
        items[i].report = (char *)(uintptr_t)urls[i]->report;
        items[i].announce = (char *)(uintptr_t)urls[i]->announce;
        items[i].lease = (char *)(uintptr_t)urls[i]->lease;
    }
    f->hellos++;
    fake_reply(f, call, ENVELOPE_HELLO_REPLY, e->sequence, key, &nil, &m.base, STR_NONE);
    weir__hello__free_unpacked(h, NULL);
}

/* Lock held: answers the parked call with what there is to say. */
static inline void fake_pump(struct fake_control *f)
{
    if (f->parked && f->reply.len) {
        fake_reply(f, f->parked, ENVELOPE_SYNC_REPLY, f->parked_sequence, f->session_key,
                   &f->session, NULL, buffer_str(&f->reply));
        f->parked = NULL;
        buffer_clear(&f->reply);
    }
}

static inline void fake_on_sync(void *arg, struct link_call *call, struct str message)
{
    struct fake_control *f = arg;
    struct envelope e;
    (void)pthread_mutex_lock(&f->lock);
    if (f->dead || !envelope_peek(message.ptr, message.len, &e)) {
        link_drop(call);
    } else if (e.type == ENVELOPE_HELLO) {
        fake_hello(f, call, &e, message);
    } else if (f->forget_session || !uuid_eq(&e.session, &f->session) ||
               !envelope_verify(message.ptr, message.len, f->session_key)) {
        f->forget_session = false;
        memset(&f->session, 0, sizeof(f->session));
        fake_error(f, call, &e, "unknown_session");
    } else {
        if (f->parked) {
            link_drop(f->parked);
        }
        f->parked = call;
        f->parked_sequence = e.sequence;
        weir__sync_request__free_unpacked(f->last, NULL);
        f->last = weir__sync_request__unpack(NULL, e.body.len, (const uint8_t *)e.body.ptr);
        f->syncs++;
        fake_pump(f);
    }
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
}

static inline void fake_store(struct fake_control *f, const Weir__Batch *b, Weir__BatchAck *ack)
{
    for (size_t i = 0; i < b->n_events; i++) {
        struct str bytes = {(const char *)b->events[i].data, b->events[i].len};
        if (map_get(f->stored, bytes)) {
            ack->duplicates++;
            f->n_doubled++;
        } else {
            struct str copy = {mem_dup(bytes.ptr, bytes.len), bytes.len};
            (void)map_put(f->stored, copy, (void *)(uintptr_t)copy.ptr);
            ack->stored++;
            f->n_stored++;
        }
    }
}

static inline void fake_on_report(void *arg, struct link_call *call, struct str message)
{
    struct fake_control *f = arg;
    struct envelope e;
    (void)pthread_mutex_lock(&f->lock);
    if (f->dead || !envelope_peek(message.ptr, message.len, &e)) {
        link_drop(call);
    } else if (!uuid_eq(&e.session, &f->session) ||
               !envelope_verify(message.ptr, message.len, f->session_key)) {
        fake_error(f, call, &e, "unknown_session");
    } else if (f->fail_reports) {
        f->fail_reports--;
        f->reports++;
        fake_error(f, call, &e, "unavailable");
    } else {
        Weir__BatchAck ack = WEIR__BATCH_ACK__INIT;
        Weir__Batch *b = weir__batch__unpack(NULL, e.body.len, (const uint8_t *)e.body.ptr);
        f->reports++;
        ack.number = b->number;
        fake_store(f, b, &ack);
        weir__batch__free_unpacked(b, NULL);
        if (f->drop_reports) {
            f->drop_reports--;
            fake_error(f, call, &e, "unavailable"); /* stored, but the plane never learns */
        } else {
            f->acks++;
            fake_reply(f, call, ENVELOPE_REPORT_ACK, e.sequence, f->session_key, &f->session,
                       &ack.base, STR_NONE);
        }
    }
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
}

static inline void fake_on_lease(void *arg, struct link_call *call, struct str message)
{
    struct fake_control *f = arg;
    struct envelope e;
    struct buffer grant;
    buffer_init(&grant, 1u << 20);
    (void)pthread_mutex_lock(&f->lock);
    if (f->dead || !envelope_peek(message.ptr, message.len, &e)) {
        link_drop(call);
    } else if (!uuid_eq(&e.session, &f->session) || e.type != ENVELOPE_LEASE ||
               !envelope_verify(message.ptr, message.len, f->session_key)) {
        fake_error(f, call, &e, "unknown_session");
    } else if (f->fail_leases || !f->lease_fn) {
        f->fail_leases -= f->fail_leases > 0;
        f->leases++;
        fake_error(f, call, &e, "unavailable");
    } else {
        f->leases++;
        f->lease_fn(f, e.body, &grant);
        if (f->drop_leases) {
            f->drop_leases--;
            fake_error(f, call, &e, "unavailable"); /* granted, but the plane never learns */
        } else {
            fake_reply(f, call, ENVELOPE_LEASE_GRANT, e.sequence, f->session_key, &f->session, NULL,
                       buffer_str(&grant));
        }
    }
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
    buffer_release(&grant);
}

static inline void fake_start(struct fake_control *f, const struct authority *a)
{
    struct error err = ERROR_INIT;
    struct link_tls tls = {a->server_cert, a->server_key, a->ca_cert};
    memset(f, 0, sizeof(*f));
    f->authority = a;
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->changed, NULL);
    buffer_init(&f->reply, 32u << 20);
    f->stored = map_new();
    crypto_random(&f->instance, sizeof(f->instance));
    f->sync = link_listen_rep("tls+tcp://127.0.0.1:0", &tls, 8, fake_on_sync, f, &err);
    f->report =
        f->sync ? link_listen_rep("tls+tcp://127.0.0.1:0", &tls, 8, fake_on_report, f, &err) : NULL;
    f->lease = f->report ? link_listen_rep("tls+tcp://127.0.0.1:0", &tls, 8, fake_on_lease, f, &err)
                         : NULL;
    f->announce = f->lease ? link_listen_pub("tls+tcp://127.0.0.1:0", &tls, &err) : NULL;
    if (!f->announce) {
        fprintf(stderr, "fake control plane: %s\n", error_text(&err));
        abort();
    }
    (void)snprintf(f->urls.sync, IDENTITY_URL_MAX, "tls+tcp://127.0.0.1:%u",
                   link_server_port(f->sync));
    (void)snprintf(f->urls.report, IDENTITY_URL_MAX, "tls+tcp://127.0.0.1:%u",
                   link_server_port(f->report));
    (void)snprintf(f->urls.announce, IDENTITY_URL_MAX, "tls+tcp://127.0.0.1:%u",
                   link_pub_port(f->announce));
    (void)snprintf(f->urls.lease, IDENTITY_URL_MAX, "tls+tcp://127.0.0.1:%u",
                   link_server_port(f->lease));
}

/* As if it had been killed: nothing is answered any more. */
static inline void fake_kill(struct fake_control *f)
{
    (void)pthread_mutex_lock(&f->lock);
    f->dead = true;
    if (f->parked) {
        link_drop(f->parked);
        f->parked = NULL;
    }
    (void)pthread_mutex_unlock(&f->lock);
    link_server_close(f->sync);
    link_server_close(f->report);
    link_server_close(f->lease);
    link_pub_close(f->announce);
    f->sync = f->report = f->lease = NULL;
    f->announce = NULL;
}

static inline void fake_free(struct fake_control *f)
{
    struct str key;
    void *value;
    size_t pos = 0;
    if (f->sync) {
        fake_kill(f);
    }
    while (map_next(f->stored, &pos, &key, &value)) {
        mem_free(value);
    }
    map_free(f->stored);
    weir__sync_request__free_unpacked(f->last, NULL);
    buffer_release(&f->reply);
    (void)pthread_cond_destroy(&f->changed);
    (void)pthread_mutex_destroy(&f->lock);
}

static inline void fake_say(struct fake_control *f, const Weir__SyncReply *m)
{
    (void)pthread_mutex_lock(&f->lock);
    buffer_clear(&f->reply);
    (void)buffer_reserve(&f->reply, weir__sync_reply__get_packed_size(m) + 1);
    f->reply.len = weir__sync_reply__pack(m, (uint8_t *)f->reply.ptr);
    fake_pump(f);
    (void)pthread_mutex_unlock(&f->lock);
}

/* Waits until the condition holds (lock held while it is looked at); false after 20 seconds. */
#define FAKE_WAIT(f, condition)                                                \
    ({                                                                         \
        bool held_;                                                            \
        struct timespec by_;                                                   \
        (void)clock_gettime(CLOCK_REALTIME, &by_);                             \
        by_.tv_sec += 20;                                                      \
        (void)pthread_mutex_lock(&(f)->lock);                                  \
        while (!(held_ = (condition)) &&                                       \
               pthread_cond_timedwait(&(f)->changed, &(f)->lock, &by_) == 0) { \
        }                                                                      \
        (void)pthread_mutex_unlock(&(f)->lock);                                \
        held_;                                                                 \
    })

#endif
