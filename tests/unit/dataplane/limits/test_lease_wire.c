/* Lease messages written and read in place, against what protobuf-c makes of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/rules/quota.h"
#include "dataplane/limits/lease_wire.h"
#include "proto/control.pb-c.h"

static const struct uuid holder = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static void test_request(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'b', sizeof(text));
    struct lease_ask asks[3] = {
        {.quota = {{4}},
         .bucket = STR_LIT("a\x1f"),
         .window_start_s = 1700000000,
         .need = 5,
         .want = UINT64_MAX,
         .granted_total = 1ull << 40,
         .returned_total = 300,
         .used_total = 7},
        {.quota = {{5}}, .bucket = STR_LIT("")},
        {.quota = {{6}},
         .bucket = {text, 256},
         .window_start_s = INT64_MAX,
         .granted_total = UINT64_MAX,
         .returned_total = UINT64_MAX,
         .used_total = UINT64_MAX,
         .need = UINT64_MAX,
         .want = UINT64_MAX},
    };
    struct lease_ask back[3];
    struct uuid id;
    struct buffer out;
    bool former = false;
    size_t n;
    buffer_init(&out, 65536);
    assert_true(lease_request_write(&out, &holder, true, asks, 3));
    assert_true(out.len < 3 * LEASE_ASK_MAX);
    Weir__LeaseRequest *m = weir__lease_request__unpack(NULL, out.len, (const uint8_t *)out.ptr);
    assert_non_null(m);
    assert_true(m->former_delivered);
    assert_memory_equal(m->holder.data, holder.b, 16);
    assert_int_equal(m->n_asks, 3);
    for (size_t i = 0; i < 3; i++) {
        const Weir__LeaseAsk *a = m->asks[i];
        assert_memory_equal(a->account->quota_id.data, asks[i].quota.b, 16);
        assert_true(str_eqz(asks[i].bucket, "") ? a->account->bucket[0] == '\0'
                                                : strlen(a->account->bucket) == asks[i].bucket.len);
        assert_int_equal(a->account->window_start_s, asks[i].window_start_s);
        assert_int_equal(a->granted_total, asks[i].granted_total);
        assert_int_equal(a->returned_total, asks[i].returned_total);
        assert_int_equal(a->used_total, asks[i].used_total);
        assert_int_equal(a->need, asks[i].need);
        assert_int_equal(a->want, asks[i].want);
    }
    weir__lease_request__free_unpacked(m, NULL);
    assert_true(lease_request_read(buffer_str(&out), &id, &former, back, 3, &n));
    assert_true(former && uuid_eq(&id, &holder));
    assert_int_equal(n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(str_eq(back[i].bucket, asks[i].bucket));
        assert_int_equal(back[i].want, asks[i].want);
        assert_int_equal(back[i].window_start_s, asks[i].window_start_s);
    }
    assert_false(lease_request_read(buffer_str(&out), &id, &former, back, 2, &n));
    for (size_t cut = 1; cut < 20; cut++) {
        struct str part = {out.ptr, out.len - cut};
        assert_false(lease_request_read(part, &id, &former, back, 3, &n));
    }
    buffer_release(&out);
    /* nothing to ask, but something to say */
    assert_true(lease_request_write(&out, &holder, false, NULL, 0));
    assert_true(lease_request_read(buffer_str(&out), &id, &former, back, 3, &n));
    assert_false(former);
    assert_int_equal(n, 0);
    buffer_release(&out);
    buffer_init(&out, 100);
    assert_false(lease_request_write(&out, &holder, true, asks, 3)); /* its ceiling */
    buffer_release(&out);
}

static void test_grant(void **state)
{
    (void)state;
    struct lease_answer answers[2] = {
        {.state = QUOTA_HELD,
         .granted_total = 77,
         .amount = UINT64_MAX,
         .settled = 3,
         .held = 4,
         .reset_ms = 1700000000000,
         .scarce = true},
        {0},
    };
    struct lease_answer back[3];
    struct buffer out;
    unsigned planes = 0;
    buffer_init(&out, 65536);
    assert_true(lease_grant_write(&out, answers, 2, 4));
    Weir__LeaseGrant *m = weir__lease_grant__unpack(NULL, out.len, (const uint8_t *)out.ptr);
    assert_non_null(m);
    assert_int_equal(m->n_answers, 2);
    assert_int_equal(m->planes, 4);
    assert_int_equal(m->answers[0]->state, WEIR__LEASE_STATE__LEASE_HELD);
    assert_int_equal(m->answers[0]->reset_ms, 1700000000000);
    assert_true(m->answers[0]->scarce);
    weir__lease_grant__free_unpacked(m, NULL);
    assert_true(lease_grant_read(buffer_str(&out), back, 2, &planes));
    assert_int_equal(planes, 4);
    assert_int_equal(back[0].granted_total, 77);
    assert_int_equal(back[0].amount, UINT64_MAX);
    assert_int_equal(back[1].state, QUOTA_UNKNOWN);
    assert_false(lease_grant_read(buffer_str(&out), back, 1, &planes));
    assert_false(lease_grant_read(buffer_str(&out), back, 3, &planes));
    assert_false(lease_grant_read(STR_LIT("\x0a\x7f"), back, 1, &planes));
    buffer_release(&out);
    /* the numbers are the protocol's */
    assert_int_equal(QUOTA_UNKNOWN, WEIR__LEASE_STATE__LEASE_UNKNOWN);
    assert_int_equal(QUOTA_GRANTED, WEIR__LEASE_STATE__LEASE_GRANTED);
    assert_int_equal(QUOTA_EXCEEDED, WEIR__LEASE_STATE__LEASE_EXCEEDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_grant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
