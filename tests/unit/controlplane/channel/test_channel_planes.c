/* Planes and what they send and get besides the configuration: enrolment, reports, commands,
 * announcements, two instances. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "controlplane/channel/world.h"
#include "common/tls.h"
#include "proto/usage.pb-c.h"

/* By plain OpenSSL, since link.h does not connect without a certificate. */
static void test_without_a_certificate_there_is_no_connection(void **state)
{
    (void)state;
    struct plane p;
    struct error err = ERROR_INIT;
    uint8_t print[32];
    char byte;
    plane_enrol(&p, channel, &group, "bare");
    assert_true(x509_fingerprint(p.ca, print, &err));
    struct tls_context *c = tls_client_pinned_new(print, &err);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint64_t port;
    assert_true(str_to_u64(str_of(strrchr(p.sync_url, ':') + 1), &port));
    a.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    struct tls *t =
        tls_connect_new(c, fd, NULL); /* the socket blocks: each call ends in a result */
    int shaken = tls_handshake(t);
    /* TLS 1.3 would end the handshake before the server has looked: then reading must fail */
    assert_true(shaken < 0 || tls_read(t, &byte, 1) < 0);
    tls_free(t);
    close(fd);
    tls_context_unref(c);
    plane_release(&p);
}

static struct channel *second;

static bool enrol_again(const char *token, const char *name, struct error *err)
{
    char *csr, *key;
    struct str json;
    struct arena *a = arena_new(0);
    struct error ignored = ERROR_INIT;
    assert_true(x509_make_csr(name, &csr, &key, &ignored));
    char *body = plane_enrol_body(token, name, csr);
    *err = (struct error)ERROR_INIT;
    bool ok = channel_enrol(channel, str_of(body), NULL, a, &json, err);
    mem_free(body), mem_free(csr), mem_free(key);
    arena_free(a);
    return ok;
}

static void test_enrolment_tokens_work_once(void **state)
{
    (void)state;
    char token[96], other[96];
    struct error err = ERROR_INIT;
    uint8_t print[32], carried[32];
    size_t n;
    assert_true(channel_enrolment_token(channel, &group, NULL, token, &err));
    assert_int_equal(strlen(token), 7 + 27 + 1 + 43);
    assert_true(x509_fingerprint(channel_ca_pem(channel), print, &err));
    assert_true(crypto_unbase64(str_of(token + 35), carried, 32, &n) && n == 32);
    assert_memory_equal(print, carried, 32);
    assert_true(enrol_again(token, "once", &err));
    assert_false(enrol_again(token, "twice", &err));
    assert_int_equal(err.code, ERR_UNAUTHENTICATED);
    assert_true(channel_enrolment_token(channel, &group, NULL, other, &err));
    assert_false(enrol_again(other, "ONCE", &err)); /* names fold case */
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_true(enrol_again(other, "another", &err)); /* the token was not used up */
    assert_true(channel_enrolment_token(channel, &group, NULL, other, &err));
    static const char *const expire[] = {
        "UPDATE weir.enrolment_tokens SET expires_at = now() - interval '1 second'"};
    assert_true(pg_fixture_run(pg.owner_url, expire, 1));
    assert_false(enrol_again(other, "late", &err));
    assert_int_equal(err.code, ERR_UNAUTHENTICATED);
    struct uuid nowhere = uuid_v7();
    assert_false(channel_enrolment_token(channel, &nowhere, NULL, other, &err));
    struct arena *a = arena_new(0);
    struct str json;
    err = (struct error)ERROR_INIT;
    assert_false(channel_enrol(channel, STR_LIT("{\"token\":1}"), NULL, a, &json, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_string_equal(err.param, "token");
    arena_free(a);
}

/* A sync request whose answer does not matter. */
static void say(struct plane *p, Weir__SyncRequest *q)
{
    weir__sync_reply__free_unpacked(plane_sync(p, q), NULL);
}

static void test_the_plane_row_follows_and_renewal_works(void **state)
{
    (void)state;
    struct plane p;
    uint64_t have = 0;
    uint8_t root[32];
    size_t n;
    join(&p, "seen");
    catch_up(&p, &have, root, &n);
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    Weir__PlaneState st = WEIR__PLANE_STATE__INIT;
    char *csr, *key;
    struct error err = ERROR_INIT;
    assert_true(x509_make_csr("whatever", &csr, &key, &err));
    st.in_flight = 42;
    q.have_version = have;
    q.state = &st;
    q.csr_pem = csr;
    q.refused_version = have + 1;
    q.refused_reason = (char *)(uintptr_t) "does not add up";
    Weir__SyncReply *r = plane_sync(&p, &q);
    assert_true(x509_not_after(r->certificate_pem) > clock_wall_ms() / 1000 + 80 * 86400);
    mem_free(p.certificate);
    mem_free(p.key);
    p.certificate = mem_strdup(r->certificate_pem);
    p.key = key;
    weir__sync_reply__free_unpacked(r, NULL);
    mem_free(csr);
    char sql[300];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM data_planes WHERE name = 'seen' AND config_version = %llu "
                   "AND (state->>'in_flight')::int = 42 AND refused_reason = 'does not add up' AND "
                   "last_seen_at > now() - interval '1 minute' AND features = '{chat}' AND "
                   "instance_id IN (SELECT id FROM control_instances)",
                   (unsigned long long)have);
    wait_for(sql, 1);
    /* a reason that is cut within a character, and one that is no text at all, are written too */
    char wide[402] = "x";
    for (size_t i = 1; i + 2 < sizeof(wide); i += 2) {
        memcpy(wide + i, "\xc3\xa9", 3);
    }
    q.csr_pem = NULL;
    q.refused_version = have + 2;
    q.refused_reason = wide;
    say(&p, &q);
    wait_for("SELECT count(*) FROM data_planes WHERE name = 'seen' AND refused_reason LIKE "
             "'x\xc3\xa9%\xc3\xa9'",
             1);
    q.refused_version = have + 3;
    q.refused_reason = (char *)(uintptr_t) "no \xff\xfe text";
    say(&p, &q);
    wait_for("SELECT count(*) FROM data_planes WHERE name = 'seen' AND refused_reason = 'no ?? "
             "text'",
             1);
    plane_disconnect(&p);
    plane_connect(&p); /* by the new certificate */
    plane_hello(&p);
    plane_release(&p);
}

static void test_reports_are_acknowledged_after_commit(void **state)
{
    (void)state;
    struct plane p;
    join(&p, "reporter");
    struct uuid id = uuid_v7();
    Weir__Event e = WEIR__EVENT__INIT;
    Weir__Batch b = WEIR__BATCH__INIT;
    e.id = (ProtobufCBinaryData){16, id.b};
    e.organization_id = (ProtobufCBinaryData){16, org.b};
    e.endpoint = (char *)(uintptr_t) "models";
    e.status = 200;
    e.outcome = WEIR__OUTCOME__OUTCOME_OK;
    struct str bytes = plane_pack(&e.base);
    ProtobufCBinaryData list = {bytes.len, (uint8_t *)(uintptr_t)bytes.ptr};
    b.number = 77;
    b.n_events = 1;
    b.events = &list;
    for (uint32_t i = 0; i < 2; i++) {
        assert_null(plane_request(&p, true, ENVELOPE_REPORT, &b.base));
        assert_int_equal(p.e.type, ENVELOPE_REPORT_ACK);
        Weir__BatchAck *a =
            weir__batch_ack__unpack(NULL, p.e.body.len, (const uint8_t *)p.e.body.ptr);
        assert_true(a->number == 77);
        assert_int_equal(a->stored, 1 - i);
        assert_int_equal(a->duplicates, i);
        weir__batch_ack__free_unpacked(a, NULL);
    }
    assert_int_equal(rows_count(pool, "SELECT count(*) FROM usage_events"), 1);
    mem_free((void *)(uintptr_t)bytes.ptr);
    plane_release(&p);
}

struct heard {
    pthread_mutex_t lock;
    uint64_t version;
};

static void on_announced(void *arg, struct str message)
{
    struct heard *h = arg;
    struct envelope e;
    if (envelope_peek(message.ptr, message.len, &e) && e.type == ENVELOPE_ANNOUNCE) {
        Weir__Announce *m = weir__announce__unpack(NULL, e.body.len, (const uint8_t *)e.body.ptr);
        pthread_mutex_lock(&h->lock);
        h->version = m ? m->version : 0;
        pthread_mutex_unlock(&h->lock);
        weir__announce__free_unpacked(m, NULL);
    }
}

static bool heard_of(struct heard *h, uint64_t version, unsigned within_ms)
{
    uint64_t give_up = clock_mono_ms() + within_ms, got = 0;
    while (got < version && clock_mono_ms() < give_up) {
        usleep(5000);
        pthread_mutex_lock(&h->lock);
        got = h->version;
        pthread_mutex_unlock(&h->lock);
    }
    return got >= version;
}

static void test_versions_are_announced(void **state)
{
    (void)state;
    struct plane p;
    struct error err = ERROR_INIT;
    struct heard h = {.lock = PTHREAD_MUTEX_INITIALIZER};
    uint64_t version;
    plane_enrol(&p, channel, &group, "listener");
    struct link_tls tls = {p.certificate, p.key, p.ca};
    struct link_sub *sub = link_sub(p.announce_url, &tls, on_announced, &h, &err);
    assert_non_null(sub);
    assert_true(heard_of(&h, 1, 5000));
    (void)rows_key(pool, &org, &ws, "announced", &version);
    assert_true(heard_of(&h, version, 1000));
    link_sub_close(sub);
    plane_release(&p);
}

static void test_leases_are_reserved(void **state)
{
    (void)state;
    struct plane p;
    struct error err = ERROR_INIT;
    join(&p, "lessee");
    struct link_tls tls = {p.certificate, p.key, p.ca};
    struct link_req *lease = link_req(p.lease_url, &tls, 1, &err), *report = p.report;
    Weir__LeaseRequest q = WEIR__LEASE_REQUEST__INIT;
    uint8_t id[16] = {7};
    q.holder = (ProtobufCBinaryData){16, id};
    p.report = lease;
    assert_null(plane_request(&p, true, ENVELOPE_LEASE, &q.base));
    p.report = report;
    assert_int_equal(p.e.type, ENVELOPE_LEASE_GRANT);
    Weir__LeaseGrant *g =
        weir__lease_grant__unpack(NULL, p.e.body.len, (const uint8_t *)p.e.body.ptr);
    assert_int_equal(g->n_answers, 0);
    weir__lease_grant__free_unpacked(g, NULL);
    link_req_close(lease);
    plane_release(&p);
}

static void test_a_revoked_plane_is_out_at_once(void **state)
{
    (void)state;
    struct plane p;
    uint64_t have = 0;
    uint8_t root[32], nonce[32] = {8};
    size_t n;
    struct error err = ERROR_INIT;
    join(&p, "revoked");
    catch_up(&p, &have, root, &n);
    assert_true(channel_revoke(channel, &p.id, &err));
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    char *code = plane_request(&p, false, ENVELOPE_SYNC, &q.base);
    assert_string_equal(code, "unknown_session");
    mem_free(code);
    struct str m = plane_hello_message(&p, p.hello_key, nonce);
    ask(&p, m);
    assert_code(&p, "refused");
    mem_free((void *)(uintptr_t)m.ptr);
    assert_false(channel_revoke(channel, &p.id, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    plane_release(&p);
}

/* Another thread that asks for a command, as the admin API does. */
struct asking {
    struct channel *c;
    const struct uuid *plane;
    struct arena *a;
    struct str json;
    struct uuid who;
    struct error err;
    bool ok;
};

static void *ask_command(void *arg)
{
    struct asking *x = arg;
    x->ok = channel_command(x->c, x->plane, &org, 1, STR_LIT("provider id 1234"), 20000, x->a,
                            &x->who, &x->json, &x->err);
    return NULL;
}

/* The plane syncs, gets the command, answers it. */
static void serve_command(struct plane *p, uint64_t have, bool ok)
{
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    q.have_version = have;
    Weir__SyncReply *r = plane_sync(p, &q);
    while (r->n_commands == 0) {
        if (r->part) {
            q.have_version = r->part->to_version;
        }
        weir__sync_reply__free_unpacked(r, NULL);
        r = plane_sync(p, &q);
    }
    assert_int_equal(r->n_commands, 1);
    assert_int_equal(r->commands[0]->kind, WEIR__COMMAND_KIND__COMMAND_TEST_PROVIDER);
    assert_int_equal(r->commands[0]->body.len, 16);
    Weir__CommandResult done = WEIR__COMMAND_RESULT__INIT, *results = &done;
    done.id = r->commands[0]->id;
    done.ok = ok;
    done.error = (char *)(uintptr_t)(ok ? "" : "unsupported");
    done.body_json = (char *)(uintptr_t)(ok ? "{\"status\":200}" : "");
    Weir__SyncRequest with = WEIR__SYNC_REQUEST__INIT;
    with.have_version = 0; /* answered at once */
    with.n_results = 1;
    with.results = &results;
    weir__sync_reply__free_unpacked(plane_sync(p, &with), NULL);
    weir__sync_reply__free_unpacked(r, NULL);
}

static void run_command(struct plane *p, struct channel *by, bool named, bool ok)
{
    struct asking x = {
        .c = by, .plane = named ? &p->id : NULL, .a = arena_new(0), .err = ERROR_INIT};
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, ask_command, &x), 0);
    serve_command(p, channel_version(channel), ok);
    pthread_join(t, NULL);
    assert_int_equal(x.ok, ok);
    if (ok) {
        assert_true(str_eqz(x.json, "{\"status\":200}"));
        assert_true(uuid_eq(&x.who, &p->id));
    } else {
        assert_int_equal(x.err.code, ERR_NOT_IMPLEMENTED);
    }
    arena_free(x.a);
}

static void test_commands_reach_a_plane_and_come_back(void **state)
{
    (void)state;
    struct plane p;
    struct error err = ERROR_INIT;
    struct str json;
    struct uuid who, nobody = uuid_v7();
    struct arena *a = arena_new(0);
    uint64_t have = 0;
    uint8_t root[32];
    size_t n;
    join(&p, "commanded");
    catch_up(&p, &have, root, &n);
    run_command(&p, channel, true, true);
    run_command(&p, channel, true, false);
    assert_false(
        channel_command(channel, &nobody, NULL, 1, STR_LIT("x"), 200, a, &who, &json, &err));
    assert_int_equal(err.code, ERR_NOT_READY);
    /* one that is not answered */
    err = (struct error)ERROR_INIT;
    assert_false(channel_command(channel, &p.id, NULL, 1, STR_LIT("x"), 200, a, &who, &json, &err));
    assert_int_equal(err.code, ERR_UPSTREAM_TIMEOUT);
    arena_free(a);
    plane_release(&p);
}

struct asking_all {
    struct uuid planes[3];
    struct channel_answer answers[3];
    struct arena *a;
    uint64_t took_ms;
};

static void *ask_all(void *arg)
{
    struct asking_all *x = arg;
    uint64_t from = clock_mono_ms();
    channel_command_all(channel, x->planes, 3, 1, STR_LIT("provider id 1234"), 3000, x->a,
                        x->answers);
    x->took_ms = clock_mono_ms() - from;
    return NULL;
}

/* One answers, one stays silent, one is unknown: the first is not held up by the others' faults,
 * and each answer stands where its plane does. */
static void test_many_are_asked_at_once(void **state)
{
    (void)state;
    struct plane talks, silent;
    struct asking_all x = {.a = arena_new(0)};
    uint64_t have = 0;
    uint8_t root[32];
    size_t n;
    pthread_t t;
    join(&talks, "talks");
    catch_up(&talks, &have, root, &n);
    have = 0;
    join(&silent, "stays silent");
    catch_up(&silent, &have, root, &n);
    x.planes[0] = silent.id;
    x.planes[1] = uuid_v7();
    x.planes[2] = talks.id;
    assert_int_equal(pthread_create(&t, NULL, ask_all, &x), 0);
    serve_command(&talks, channel_version(channel), true);
    pthread_join(t, NULL);
    assert_true(x.answers[2].ok && str_eqz(x.answers[2].json, "{\"status\":200}"));
    assert_false(x.answers[0].ok || x.answers[1].ok);
    assert_int_equal(x.answers[0].error.code, ERR_UPSTREAM_TIMEOUT);
    assert_int_equal(x.answers[1].error.code, ERR_NOT_READY);
    assert_true(x.took_ms < 10000);
    arena_free(x.a);
    plane_release(&talks);
    plane_release(&silent);
}

static void test_two_instances_know_of_each_other(void **state)
{
    (void)state;
    struct plane p;
    struct error err = ERROR_INIT;
    uint64_t have = 0;
    uint8_t root[32];
    size_t n;
    second = start_channel();
    assert_string_equal(channel_ca_pem(second), channel_ca_pem(channel));
    join(&p, "between two");
    catch_up(&p, &have, root, &n);
    char sql[200], id[37];
    uuid_format(&p.id, id);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM data_planes WHERE id = '%s' AND instance_id IS NOT NULL",
                   id);
    wait_for(sql, 1);
    /* a command from the instance that the plane does not talk to */
    run_command(&p, second, true, true);
    assert_int_equal(rows_count(pool, "SELECT count(*) FROM plane_commands"), 0);
    /* the first one learns of the second, and tells */
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    uint64_t give_up = clock_mono_ms() + 10000;
    size_t endpoints = 0;
    while (endpoints < 2 && clock_mono_ms() < give_up) {
        q.have_version = channel_version(channel);
        Weir__SyncReply *r = plane_sync(&p, &q);
        endpoints = r->n_endpoints;
        weir__sync_reply__free_unpacked(r, NULL);
    }
    assert_int_equal(endpoints, 2);
    /* a revocation through the other one ends the session here, parked or not */
    assert_true(channel_revoke(second, &p.id, &err));
    q.have_version = channel_version(channel);
    struct str body = plane_pack(&q.base);
    give_up = clock_mono_ms() + 3000;
    do {
        struct str m =
            plane_seal(&p, ENVELOPE_SYNC, &p.session, ++p.sync_sequence, p.session_key, body);
        ask(&p, m);
        mem_free((void *)(uintptr_t)m.ptr);
    } while (p.e.type != ENVELOPE_ERROR && clock_mono_ms() < give_up);
    assert_code(&p, "unknown_session");
    mem_free((void *)(uintptr_t)body.ptr);
    plane_release(&p);
    channel_stop(second);
    assert_int_equal(rows_count(pool, "SELECT count(*) FROM control_instances"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_certificate_there_is_no_connection),
        cmocka_unit_test(test_enrolment_tokens_work_once),
        cmocka_unit_test(test_the_plane_row_follows_and_renewal_works),
        cmocka_unit_test(test_reports_are_acknowledged_after_commit),
        cmocka_unit_test(test_versions_are_announced),
        cmocka_unit_test(test_leases_are_reserved),
        cmocka_unit_test(test_a_revoked_plane_is_out_at_once),
        cmocka_unit_test(test_commands_reach_a_plane_and_come_back),
        cmocka_unit_test(test_many_are_asked_at_once),
        cmocka_unit_test(test_two_instances_know_of_each_other),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
