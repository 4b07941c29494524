/* The envelope: what is written is read back, and any changed byte is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "proto/envelope.h"

static const uint8_t key[32] = {1, 2, 3};

static uint8_t *write_one(struct str body, size_t *ret_len)
{
    struct envelope e = {.schema = ENVELOPE_SCHEMA,
                         .type = ENVELOPE_SYNC,
                         .sender = uuid_v7(),
                         .session = uuid_v7(),
                         .sequence = 0x0102030405060708u,
                         .body = body};
    *ret_len = body.len + ENVELOPE_OVERHEAD;
    uint8_t *m = mem_alloc(*ret_len);
    envelope_write(&e, key, m);
    return m;
}

static void test_round_trip(void **state)
{
    (void)state;
    size_t len;
    uint8_t *m = write_one(STR_LIT("payload"), &len);
    struct envelope e;
    assert_true(envelope_peek(m, len, &e));
    assert_int_equal(e.schema, ENVELOPE_SCHEMA);
    assert_int_equal(e.type, ENVELOPE_SYNC);
    assert_true(e.sequence == 0x0102030405060708u);
    assert_true(str_eqz(e.body, "payload"));
    assert_true(envelope_verify(m, len, key));
    assert_memory_equal(m, "WEIR", 4);
    assert_int_equal(m[48], 8); /* little-endian */
    mem_free(m);
    m = write_one(STR_LIT(""), &len);
    assert_true(envelope_peek(m, len, &e));
    assert_int_equal(e.body.len, 0);
    assert_true(envelope_verify(m, len, key));
    mem_free(m);
}

static void test_every_changed_byte_is_refused(void **state)
{
    (void)state;
    size_t len;
    uint8_t *m = write_one(STR_LIT("payload"), &len);
    for (size_t i = 0; i < len; i++) {
        struct envelope e;
        m[i] ^= 0x40;
        assert_false(envelope_peek(m, len, &e) && envelope_verify(m, len, key));
        m[i] ^= 0x40;
    }
    uint8_t other[32] = {9};
    assert_false(envelope_verify(m, len, other));
    assert_true(envelope_verify(m, len, key));
    mem_free(m);
}

static void test_length_must_fit(void **state)
{
    (void)state;
    size_t len;
    struct envelope e;
    uint8_t *m = write_one(STR_LIT("payload"), &len);
    for (size_t n = 0; n < len; n++) {
        assert_false(envelope_peek(m, n, &e));
    }
    m[4] = m[5] = 0; /* schema 0 */
    assert_false(envelope_peek(m, len, &e));
    mem_free(m);
}

static void test_keys_differ_by_purpose_and_nonce(void **state)
{
    (void)state;
    uint8_t secret[32] = {7}, a[32] = {1}, b[32] = {2}, out[4][32];
    envelope_hello_key(secret, 32, out[0]);
    envelope_wrap_key(secret, 32, out[1]);
    envelope_session_key(secret, 32, a, b, out[2]);
    envelope_session_key(secret, 32, b, a, out[3]);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < i; j++) {
            assert_memory_not_equal(out[i], out[j], 32);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_changed_byte_is_refused),
        cmocka_unit_test(test_length_must_fit),
        cmocka_unit_test(test_keys_differ_by_purpose_and_nonce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
