/* A proxy in miniature for the channel's tests: enrols, says hello, sends sealed requests, checks
 * sealed replies. */
#ifndef TESTS_UNIT_CONTROLPLANE_CHANNEL_PLANE_H
#define TESTS_UNIT_CONTROLPLANE_CHANNEL_PLANE_H

#include "common/base/clock.h"
#include "common/json.h"
#include "common/x509.h"
#include "controlplane/channel/channel.h"
#include "controlplane/config_rows.h"
#include "proto/control.pb-c.h"
#include "proto/envelope.h"
#include "proto/link.h"

struct plane {
    struct uuid id;
    uint8_t secret[32], session_key[32], hello_key[32];
    char *certificate, *ca, *key;
    char sync_url[200], report_url[200], announce_url[200], lease_url[200];
    struct link_req *sync, *report;
    struct uuid session;
    uint64_t sync_sequence, report_sequence;
    struct buffer reply; /* the last one, whole */
    struct envelope e;   /* of it */
};

static inline char *plane_text(struct json_value object, const char *name)
{
    struct json_member m = {.name = str_of(name)};
    struct error err = ERROR_INIT;
    size_t n;
    assert_true(json_members(object, &m, 1, &err) && m.found);
    char *text = mem_alloc(m.value.raw.len + 1);
    assert_true(json_unescape(m.value, text, m.value.raw.len, &n));
    text[n] = '\0';
    return text;
}

static inline void plane_url(struct json_value object, const char *name, char out[200])
{
    char *text = plane_text(object, name);
    (void)snprintf(out, 200, "%s", text);
    mem_free(text);
}

/* Body of POST /enrol, heap. */
static inline char *plane_enrol_body(const char *token, const char *name, const char *csr)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 65536);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "token", token);
    json_field_z(&w, "name", name);
    json_field_z(&w, "csr", csr);
    json_object_end(&w);
    return buffer_detach(&b);
}

static inline void plane_read_enrolled(struct plane *p, struct str json)
{
    struct json_value v, list, endpoint;
    struct json_member m = {.name = STR_LIT("endpoints")};
    struct error err = ERROR_INIT;
    size_t n, pos = 0;
    assert_true(json_validate(json, 16, &v, &err));
    char *id = plane_text(v, "plane_id"), *secret = plane_text(v, "secret");
    assert_true(uuid_parse(str_of(id), &p->id));
    assert_true(crypto_unbase64(str_of(secret), p->secret, 32, &n) && n == 32);
    mem_free(id);
    mem_free(secret);
    p->certificate = plane_text(v, "certificate");
    p->ca = plane_text(v, "ca");
    assert_true(json_members(v, &m, 1, &err) && m.found);
    list = m.value;
    assert_true(json_next(list, &pos, NULL, &endpoint));
    plane_url(endpoint, "sync", p->sync_url);
    plane_url(endpoint, "report", p->report_url);
    plane_url(endpoint, "announce", p->announce_url);
    plane_url(endpoint, "lease", p->lease_url);
    envelope_hello_key(p->secret, 32, p->hello_key);
}

static inline void plane_enrol(struct plane *p, struct channel *c, const struct uuid *group,
                               const char *name)
{
    char token[96], *csr;
    struct error err = ERROR_INIT;
    struct str json;
    struct arena *a = arena_new(0);
    *p = (struct plane){0};
    assert_true(channel_enrolment_token(c, group, NULL, token, &err));
    assert_true(x509_make_csr(name, &csr, &p->key, &err));
    char *body = plane_enrol_body(token, name, csr);
    if (!channel_enrol(c, str_of(body), "127.0.0.1", a, &json, &err)) {
        fail_msg("enrol: %s", error_text(&err));
    }
    plane_read_enrolled(p, json);
    buffer_init(&p->reply, LINK_MAX_REPLY);
    mem_free(body);
    mem_free(csr);
    arena_free(a);
}

static inline void plane_connect(struct plane *p)
{
    struct error err = ERROR_INIT;
    struct link_tls tls = {p->certificate, p->key, p->ca};
    p->sync = link_req(p->sync_url, &tls, 8, &err);
    p->report = link_req(p->report_url, &tls, 8, &err);
    assert_non_null(p->sync);
    assert_non_null(p->report);
}

static inline void plane_disconnect(struct plane *p)
{
    link_req_close(p->sync);
    link_req_close(p->report);
    p->sync = p->report = NULL;
}

static inline void plane_release(struct plane *p)
{
    plane_disconnect(p);
    buffer_release(&p->reply);
    mem_free(p->certificate);
    mem_free(p->ca);
    mem_free(p->key);
}

/* Message to heap bytes. */
static inline struct str plane_pack(const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *b = mem_alloc(n + 1);
    protobuf_c_message_pack(m, b);
    return (struct str){(char *)b, n};
}

static inline struct str plane_seal(const struct plane *p, uint16_t type,
                                    const struct uuid *session, uint64_t sequence,
                                    const uint8_t *key, struct str body)
{
    struct envelope e = {ENVELOPE_SCHEMA, type, p->id, *session, sequence, body};
    uint8_t *m = mem_alloc(body.len + ENVELOPE_OVERHEAD);
    envelope_write(&e, key, m);
    return (struct str){(char *)m, body.len + ENVELOPE_OVERHEAD};
}

/* Sends bytes as they are; the reply's envelope is in p->e. */
static inline enum link_result plane_ask_raw(struct plane *p, struct link_req *r,
                                             struct str message, unsigned timeout_ms)
{
    enum link_result x = link_ask(r, message, timeout_ms, &p->reply);
    if (x == LINK_OK) {
        assert_true(envelope_peek(p->reply.ptr, p->reply.len, &p->e));
    }
    return x;
}

static inline struct str plane_hello_message(struct plane *p, const uint8_t *hello_key,
                                             const uint8_t nonce[32])
{
    static const struct uuid nil;
    Weir__Hello h = WEIR__HELLO__INIT;
    char *features[] = {(char *)(uintptr_t) "chat"};
    h.plane_id = (ProtobufCBinaryData){16, p->id.b};
    h.nonce = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)nonce};
    h.software_version = (char *)(uintptr_t) "0.1.0";
    h.schema_min = h.schema_max = ENVELOPE_SCHEMA;
    h.n_features = 1;
    h.features = features;
    struct str body = plane_pack(&h.base);
    struct str m = plane_seal(p, ENVELOPE_HELLO, &nil, 1, hello_key, body);
    mem_free((void *)(uintptr_t)body.ptr);
    return m;
}

/* Reads the session out of p->reply, which answers a hello with that nonce. */
static inline void plane_take_session(struct plane *p, const uint8_t nonce[32])
{
    assert_int_equal(p->e.type, ENVELOPE_HELLO_REPLY);
    assert_true(envelope_verify(p->reply.ptr, p->reply.len, p->hello_key));
    Weir__HelloReply *r =
        weir__hello_reply__unpack(NULL, p->e.body.len, (const uint8_t *)p->e.body.ptr);
    assert_non_null(r);
    assert_int_equal(r->session.len, 16);
    assert_true(r->n_endpoints >= 1);
    memcpy(p->session.b, r->session.data, 16);
    envelope_session_key(p->secret, 32, nonce, r->nonce.data, p->session_key);
    weir__hello_reply__free_unpacked(r, NULL);
    p->sync_sequence = p->report_sequence = 0;
}

static inline void plane_hello(struct plane *p)
{
    uint8_t nonce[32];
    crypto_random(nonce, 32);
    struct str m = plane_hello_message(p, p->hello_key, nonce);
    assert_int_equal(plane_ask_raw(p, p->sync, m, 10000), LINK_OK);
    mem_free((void *)(uintptr_t)m.ptr);
    plane_take_session(p, nonce);
}

/* One request in the session; the reply must be sealed by the session key, or be an error, whose
 * code is returned (heap). */
static inline char *plane_request(struct plane *p, bool report, uint16_t type,
                                  const ProtobufCMessage *message)
{
    struct str body = plane_pack(message);
    uint64_t sequence = report ? ++p->report_sequence : ++p->sync_sequence;
    struct str m = plane_seal(p, type, &p->session, sequence, p->session_key, body);
    assert_int_equal(plane_ask_raw(p, report ? p->report : p->sync, m, 10000), LINK_OK);
    mem_free((void *)(uintptr_t)m.ptr);
    mem_free((void *)(uintptr_t)body.ptr);
    assert_true(p->e.sequence == sequence);
    if (p->e.type == ENVELOPE_ERROR) {
        Weir__ErrorReply *r =
            weir__error_reply__unpack(NULL, p->e.body.len, (const uint8_t *)p->e.body.ptr);
        char *code = mem_strdup(r->code);
        weir__error_reply__free_unpacked(r, NULL);
        return code;
    }
    assert_true(envelope_verify(p->reply.ptr, p->reply.len, p->session_key));
    assert_true(uuid_eq(&p->e.session, &p->session));
    return NULL;
}

/* The caller frees with weir__sync_reply__free_unpacked. */
static inline Weir__SyncReply *plane_sync(struct plane *p, Weir__SyncRequest *request)
{
    char *code = plane_request(p, false, ENVELOPE_SYNC, &request->base);
    if (code) {
        fail_msg("sync: %s", code);
    }
    assert_int_equal(p->e.type, ENVELOPE_SYNC_REPLY);
    Weir__SyncReply *r =
        weir__sync_reply__unpack(NULL, p->e.body.len, (const uint8_t *)p->e.body.ptr);
    assert_non_null(r);
    return r;
}

#endif
