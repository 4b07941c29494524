/* Leases over the channel: asked and answered on their own socket, told of by events, and the same
 * at every instance. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/channel/world.h"
#include "proto/usage.pb-c.h"

static struct uuid budget;

static struct uuid add_budget(int64_t amount)
{
    struct uuid id = uuid_v7();
    char name[37];
    uuid_format(&id, name);
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "INSERT INTO budgets (id, organization_id, name, metric, amount, time_window) "
              "VALUES ($1, $2, $3, 'cost', $4, 'total')",
              DB_UUID(&id), DB_UUID(&org), DB_Z(name), DB_I64(amount));
    rows_commit(t, NULL);
    return id;
}

static ProtobufCBinaryData bytes(const struct uuid *u)
{
    return (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)u->b};
}

/* A plane with its lease socket, and a run of it. */
struct lessee {
    struct plane p;
    struct link_req *lease;
    uint64_t sequence;
    struct uuid holder;
};

static void lessee_connect(struct lessee *x)
{
    struct error err = ERROR_INIT;
    struct link_tls tls = {x->p.certificate, x->p.key, x->p.ca};
    x->lease = link_req(x->p.lease_url, &tls, 8, &err);
    assert_non_null(x->lease);
    x->sequence = 0;
    x->holder = uuid_v7();
}

static void lessee_release(struct lessee *x)
{
    link_req_close(x->lease);
    plane_release(&x->p);
}

/* Sends a body as the request of this sequence; the code of an error (heap), NULL when granted. */
static char *send_lease(struct lessee *x, uint64_t sequence, struct str body)
{
    struct str m =
        plane_seal(&x->p, ENVELOPE_LEASE, &x->p.session, sequence, x->p.session_key, body);
    assert_int_equal(plane_ask_raw(&x->p, x->lease, m, 10000), LINK_OK);
    mem_free((void *)(uintptr_t)m.ptr);
    if (x->p.e.type != ENVELOPE_ERROR) {
        assert_true(envelope_verify(x->p.reply.ptr, x->p.reply.len, x->p.session_key));
        assert_int_equal(x->p.e.type, ENVELOPE_LEASE_GRANT);
        return NULL;
    }
    Weir__ErrorReply *r =
        weir__error_reply__unpack(NULL, x->p.e.body.len, (const uint8_t *)x->p.e.body.ptr);
    char *code = mem_strdup(r->code);
    weir__error_reply__free_unpacked(r, NULL);
    return code;
}

/* One ask; the answer by value. */
static Weir__LeaseAnswer ask_lease(struct lessee *x, uint64_t granted, uint64_t returned,
                                   uint64_t need, bool again)
{
    Weir__LeaseRequest q = WEIR__LEASE_REQUEST__INIT;
    Weir__LeaseAsk ask_message = WEIR__LEASE_ASK__INIT, *asks = &ask_message;
    Weir__Account account = WEIR__ACCOUNT__INIT;
    account.quota_id = bytes(&budget);
    ask_message.account = &account;
    ask_message.granted_total = granted;
    ask_message.returned_total = returned;
    ask_message.need = ask_message.want = need;
    q.holder = bytes(&x->holder);
    q.n_asks = 1;
    q.asks = &asks;
    struct str body = plane_pack(&q.base);
    char *code = send_lease(x, again ? x->sequence : ++x->sequence, body);
    mem_free((void *)(uintptr_t)body.ptr);
    if (code) {
        fail_msg("lease: %s", code);
    }
    Weir__LeaseGrant *g =
        weir__lease_grant__unpack(NULL, x->p.e.body.len, (const uint8_t *)x->p.e.body.ptr);
    assert_non_null(g);
    assert_int_equal(g->n_answers, 1);
    assert_true(g->planes >= 1);
    Weir__LeaseAnswer r = *g->answers[0];
    weir__lease_grant__free_unpacked(g, NULL);
    return r;
}

static void report_charge(struct lessee *x, const struct uuid *event, uint64_t amount,
                          unsigned want_stored)
{
    Weir__Event e = WEIR__EVENT__INIT;
    Weir__Charge c = WEIR__CHARGE__INIT, *charges = &c;
    Weir__Batch b = WEIR__BATCH__INIT;
    c.quota_id = bytes(&budget);
    c.holder = bytes(&x->holder);
    c.amount = amount;
    e.id = bytes(event);
    e.organization_id = bytes(&org);
    e.started_us = clock_wall_us();
    e.endpoint = (char *)(uintptr_t) "chat.completions";
    e.status = 200;
    e.outcome = WEIR__OUTCOME__OUTCOME_OK;
    e.n_charges = 1;
    e.charges = &charges;
    struct str packed = plane_pack(&e.base);
    ProtobufCBinaryData events = {packed.len, (uint8_t *)(uintptr_t)packed.ptr};
    b.number = 1;
    b.n_events = 1;
    b.events = &events;
    char *code = plane_request(&x->p, true, ENVELOPE_REPORT, &b.base);
    mem_free((void *)(uintptr_t)packed.ptr);
    if (code) {
        fail_msg("report: %s", code);
    }
    Weir__BatchAck *ack =
        weir__batch_ack__unpack(NULL, x->p.e.body.len, (const uint8_t *)x->p.e.body.ptr);
    assert_int_equal(ack->stored, want_stored);
    weir__batch_ack__free_unpacked(ack, NULL);
}

static void test_a_lease_is_granted_spent_and_settled_once(void **state)
{
    (void)state;
    struct lessee x = {.sequence = 0};
    struct uuid event = uuid_v7();
    budget = add_budget(100);
    join(&x.p, "spender");
    lessee_connect(&x);
    Weir__LeaseAnswer r = ask_lease(&x, 0, 0, 40, false);
    assert_int_equal(r.state, WEIR__LEASE_STATE__LEASE_GRANTED);
    assert_int_equal(r.granted_total, 40);
    assert_int_equal(r.amount, 100);
    r = ask_lease(&x, 0, 0, 40, true); /* the very message again: the very answer */
    assert_int_equal(r.granted_total, 40);
    report_charge(&x, &event, 30, 1);
    report_charge(&x, &event, 30, 0); /* a duplicate charges nothing */
    r = ask_lease(&x, 40, 10, 0, false);
    assert_int_equal(r.settled, 30);
    assert_int_equal(r.held, 0);
    r = ask_lease(&x, 40, 10, 71, false);
    assert_int_equal(r.state, WEIR__LEASE_STATE__LEASE_EXCEEDED);
    lessee_release(&x);
}

static void test_another_instance_goes_on_where_the_first_ended(void **state)
{
    (void)state;
    struct lessee x = {.sequence = 0}, y = {.sequence = 0};
    budget = add_budget(100);
    join(&x.p, "mover");
    lessee_connect(&x);
    assert_int_equal(ask_lease(&x, 0, 0, 60, false).granted_total, 60); /* and its reply is lost */
    struct channel *first = channel, *second = start_channel();
    channel = second;
    join(&y.p, "mover-2"); /* another plane, for its addresses */
    struct uuid holder = x.holder;
    lessee_release(&x);
    lessee_connect(&y);
    assert_int_equal(ask_lease(&y, 0, 0, 60, false).state, WEIR__LEASE_STATE__LEASE_HELD);
    y.holder = holder;
    assert_int_equal(ask_lease(&y, 0, 0, 60, false).granted_total, 60);
    assert_int_equal(ask_lease(&y, 60, 0, 40, false).granted_total, 100);
    lessee_release(&y);
    channel_stop(second);
    channel = first;
}

static void test_only_what_the_group_serves(void **state)
{
    (void)state;
    struct lessee x = {.sequence = 0};
    struct uuid usual = group;
    budget = add_budget(100);
    group = uuid_v7(); /* of a group that serves nobody */
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "INSERT INTO data_plane_groups (id, name) VALUES ($1, 'elsewhere')",
              DB_UUID(&group));
    rows_commit(t, NULL);
    struct channel *first = channel, *second = start_channel(); /* it knows the group */
    channel = second;
    join(&x.p, "stranger");
    group = usual;
    lessee_connect(&x);
    Weir__LeaseAnswer r = ask_lease(&x, 0, 0, 1, false);
    assert_int_equal(r.state, WEIR__LEASE_STATE__LEASE_UNKNOWN);
    assert_int_equal(r.amount + r.settled + r.held + r.granted_total, 0);
    lessee_release(&x);
    channel_stop(second);
    channel = first;
}

static void test_what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    struct lessee x = {.sequence = 0};
    Weir__LeaseRequest q = WEIR__LEASE_REQUEST__INIT;
    join(&x.p, "garbler");
    lessee_connect(&x);
    const struct str bodies[] = {STR_LIT("\xff\xff\xff"), STR_LIT("")}; /* and one without holder */
    for (size_t i = 0; i < 2; i++) {
        char *code = send_lease(&x, ++x.sequence, bodies[i]);
        assert_non_null(code);
        assert_string_equal(code, "bad_request");
        mem_free(code);
    }
    q.holder = bytes(&x.holder); /* nothing asked is fine: it tells how many proxies there are */
    struct str body = plane_pack(&q.base);
    assert_null(send_lease(&x, ++x.sequence, body));
    mem_free((void *)(uintptr_t)body.ptr);
    Weir__LeaseGrant *g =
        weir__lease_grant__unpack(NULL, x.p.e.body.len, (const uint8_t *)x.p.e.body.ptr);
    assert_true(g->planes >= 1 && g->n_answers == 0);
    weir__lease_grant__free_unpacked(g, NULL);
    lessee_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lease_is_granted_spent_and_settled_once),
        cmocka_unit_test(test_another_instance_goes_on_where_the_first_ended),
        cmocka_unit_test(test_only_what_the_group_serves),
        cmocka_unit_test(test_what_cannot_be_read_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
