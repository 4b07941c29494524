/* The session and the configuration over real sockets and a real database: hello, sequences,
 * deltas, refusals, strangers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "controlplane/channel/world.h"

static void test_full_then_a_parked_sync_is_woken_by_a_change(void **state)
{
    (void)state;
    struct plane p;
    uint64_t have = 0, version;
    uint8_t root[32];
    size_t n;
    join(&p, "parked");
    catch_up(&p, &have, root, &n);
    assert_true(n >= 2);
    assert_true(have == channel_version(channel));
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    q.have_version = have;
    q.root_hash = (ProtobufCBinaryData){32, root};
    /* nothing new: parked for its whole time, and answered empty */
    uint64_t began = clock_mono_ms();
    Weir__SyncReply *r = plane_sync(&p, &q);
    uint64_t took = clock_mono_ms() - began;
    assert_null(r->part);
    assert_false(r->want_shard_hashes);
    assert_true(took > 1500 && took < 4000);
    weir__sync_reply__free_unpacked(r, NULL);
    /* a change answers it early */
    began = clock_mono_ms();
    (void)rows_key(pool, &org, &ws, "wakes", &version);
    r = plane_sync(&p, &q);
    took = clock_mono_ms() - began;
    assert_non_null(r->part);
    assert_true(r->part->to_version == version);
    assert_true(r->part->from_version == have);
    assert_int_equal(r->part->n_changes, 1);
    assert_true(took < 1000);
    weir__sync_reply__free_unpacked(r, NULL);
    plane_release(&p);
}

static void test_a_wrong_root_hash_is_repaired_by_shards(void **state)
{
    (void)state;
    struct plane p;
    uint64_t have = 0;
    uint8_t root[32], wrong[32] = {1};
    size_t n;
    join(&p, "diverged");
    catch_up(&p, &have, root, &n);
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    q.have_version = have;
    q.root_hash = (ProtobufCBinaryData){32, wrong};
    Weir__SyncReply *r = plane_sync(&p, &q);
    assert_true(r->want_shard_hashes);
    assert_null(r->part);
    weir__sync_reply__free_unpacked(r, NULL);
    ProtobufCBinaryData *hashes = mem_alloc(4096 * sizeof(*hashes)); /* all shards empty */
    q.n_shard_hashes = 4096;
    q.shard_hashes = hashes;
    r = plane_sync(&p, &q);
    assert_non_null(r->part);
    assert_int_equal(r->part->n_changes, n); /* every shard that is not empty, whole */
    assert_true(r->part->n_resend_kind > 0);
    assert_int_equal(r->part->n_resend_kind, r->part->n_resend_shard);
    assert_memory_equal(r->part->root_hash.data, root, 32);
    weir__sync_reply__free_unpacked(r, NULL);
    mem_free(hashes);
    plane_release(&p);
}

static void test_wrong_hmac_and_sender_are_strangers(void **state)
{
    (void)state;
    struct plane p;
    uint64_t have = 0;
    uint8_t root[32], nonce[32] = {3}, wrong[32] = {4};
    size_t n;
    join(&p, "hmac");
    catch_up(&p, &have, root, &n);
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    struct str body = plane_pack(&q.base);
    struct str m = plane_seal(&p, ENVELOPE_SYNC, &p.session, 99, wrong, body);
    ask(&p, m);
    assert_code(&p, "unknown_session");
    mem_free((void *)(uintptr_t)m.ptr);
    struct uuid kept = p.id;
    p.id = uuid_v7();
    m = plane_seal(&p, ENVELOPE_SYNC, &p.session, 99, p.session_key, body);
    ask(&p, m);
    assert_code(&p, "unknown_session");
    mem_free((void *)(uintptr_t)m.ptr);
    m = plane_hello_message(&p, p.hello_key, nonce); /* a plane that nobody knows */
    ask(&p, m);
    assert_code(&p, "refused");
    mem_free((void *)(uintptr_t)m.ptr);
    p.id = kept;
    m = plane_hello_message(&p, wrong, nonce);
    ask(&p, m);
    assert_code(&p, "refused");
    mem_free((void *)(uintptr_t)m.ptr);
    mem_free((void *)(uintptr_t)body.ptr);
    /* what is no envelope gets no answer */
    assert_int_equal(plane_ask_raw(&p, p.sync, STR_LIT("GET / HTTP/1.1"), 300), LINK_TIMEOUT);
    /* and none of it hurt the session */
    q.have_version = have;
    (void)rows_key(pool, &org, &ws, "after hmac", NULL);
    Weir__SyncReply *r = plane_sync(&p, &q);
    assert_non_null(r->part);
    weir__sync_reply__free_unpacked(r, NULL);
    plane_release(&p);
}

static void test_a_repeated_sequence_gets_the_same_reply_and_a_lower_one_none(void **state)
{
    (void)state;
    struct plane p;
    join(&p, "sequence");
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    struct str body = plane_pack(&q.base);
    struct str m = plane_seal(&p, ENVELOPE_SYNC, &p.session, 5, p.session_key, body);
    ask(&p, m);
    assert_int_equal(p.e.type, ENVELOPE_SYNC_REPLY);
    struct str first = {mem_dup(p.reply.ptr, p.reply.len), p.reply.len};
    (void)rows_key(pool, &org, &ws, "between", NULL);
    ask(&p, m);
    assert_true(str_eq(first, buffer_str(&p.reply)));
    mem_free((void *)(uintptr_t)m.ptr);
    m = plane_seal(&p, ENVELOPE_SYNC, &p.session, 4, p.session_key, body);
    ask(&p, m);
    assert_code(&p, "sequence");
    mem_free((void *)(uintptr_t)m.ptr);
    mem_free((void *)(uintptr_t)first.ptr);
    mem_free((void *)(uintptr_t)body.ptr);
    plane_release(&p);
}

static void test_a_replayed_hello_displaces_nobody(void **state)
{
    (void)state;
    struct plane p;
    uint64_t have = 0;
    uint8_t root[32], nonce[32] = {6};
    size_t n;
    plane_enrol(&p, channel, &group, "replay");
    plane_connect(&p);
    struct str m = plane_hello_message(&p, p.hello_key, nonce);
    ask(&p, m);
    plane_take_session(&p, nonce);
    catch_up(&p, &have, root, &n);
    for (int i = 0; i < 8; i++) {
        ask(&p, m); /* recorded, sent again: answered, but of no use to who has not the secret */
        assert_int_equal(p.e.type, ENVELOPE_HELLO_REPLY);
    }
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    q.have_version = 0;
    Weir__SyncReply *r = plane_sync(&p, &q);
    assert_non_null(r->part);
    weir__sync_reply__free_unpacked(r, NULL);
    /* the last replay's session becomes current by its first valid message, and ends the older one
     */
    struct uuid old = p.session;
    uint8_t old_key[32];
    memcpy(old_key, p.session_key, 32);
    ask(&p, m);
    plane_take_session(&p, nonce);
    r = plane_sync(&p, &q);
    weir__sync_reply__free_unpacked(r, NULL);
    p.session = old;
    memcpy(p.session_key, old_key, 32);
    char *code = plane_request(&p, false, ENVELOPE_SYNC, &q.base);
    assert_string_equal(code, "unknown_session");
    mem_free(code);
    mem_free((void *)(uintptr_t)m.ptr);
    plane_release(&p);
}

static void test_a_stranger_gets_nowhere(void **state)
{
    (void)state;
    struct plane p;
    struct error err = ERROR_INIT;
    char *ca, *ca_key, *csr, *key, *cert;
    plane_enrol(&p, channel, &group, "stranger");
    assert_true(x509_make_ca("another", 1, &ca, &ca_key, &err));
    assert_true(x509_make_csr("x", &csr, &key, &err));
    assert_true(x509_sign_csr(csr, ca, ca_key, "x", false, NULL, 1, &cert, &err));
    struct link_tls tls = {cert, key, p.ca};
    struct link_req *r = link_req(p.sync_url, &tls, 1, &err);
    uint8_t nonce[32] = {1};
    struct str m = plane_hello_message(&p, p.hello_key, nonce); /* even with the secret */
    assert_int_not_equal(link_ask(r, m, 800, &p.reply), LINK_OK);
    assert_int_equal(p.reply.len, 0);
    mem_free((void *)(uintptr_t)m.ptr);
    link_req_close(r);
    mem_free(ca), mem_free(ca_key), mem_free(csr), mem_free(key), mem_free(cert);
    plane_release(&p);
}

static void test_a_refused_version_is_not_sent_again(void **state)
{
    (void)state;
    struct plane p;
    uint64_t have = 0, version;
    uint8_t root[32];
    size_t n;
    join(&p, "refuser");
    catch_up(&p, &have, root, &n);
    (void)rows_key(pool, &org, &ws, "refused", &version);
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    q.have_version = have;
    Weir__SyncReply *r = plane_sync(&p, &q);
    assert_non_null(r->part);
    weir__sync_reply__free_unpacked(r, NULL);
    q.refused_version = version;
    r = plane_sync(&p, &q);
    assert_null(r->part);
    weir__sync_reply__free_unpacked(r, NULL);
    (void)rows_key(pool, &org, &ws, "not refused", NULL);
    r = plane_sync(&p, &q);
    assert_non_null(r->part);
    assert_true(r->part->from_version == have); /* what was refused comes along */
    assert_int_equal(r->part->n_changes, 2);
    weir__sync_reply__free_unpacked(r, NULL);
    plane_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_then_a_parked_sync_is_woken_by_a_change),
        cmocka_unit_test(test_a_wrong_root_hash_is_repaired_by_shards),
        cmocka_unit_test(test_wrong_hmac_and_sender_are_strangers),
        cmocka_unit_test(test_a_repeated_sequence_gets_the_same_reply_and_a_lower_one_none),
        cmocka_unit_test(test_a_replayed_hello_displaces_nobody),
        cmocka_unit_test(test_a_stranger_gets_nowhere),
        cmocka_unit_test(test_a_refused_version_is_not_sent_again),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
