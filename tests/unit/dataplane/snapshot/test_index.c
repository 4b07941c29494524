/* The index: look-ups, shadowing, tenancy, copy on write, hashes, and what a builder refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "dataplane/snapshot/entities.h"
#include "dataplane/snapshot/root.h"

static void put(struct snapshot_builder *b, unsigned kind, unsigned n, struct str body)
{
    struct error err = ERROR_INIT;
    struct uuid id = id_of(kind, n);
    if (!snapshot_builder_put(b, kind, &id, body, &err)) {
        fail_msg("put: %s", error_text(&err));
    }
    release(body);
}

static struct snapshot *finish(struct snapshot_builder *b, uint64_t version)
{
    struct error err = ERROR_INIT;
    struct snapshot *s = snapshot_builder_finish(b, version, &err);
    if (!s) {
        fail_msg("finish: %s", error_text(&err));
    }
    return s;
}

/* What look-ups of keys are decoded into. */
static struct arena *memory;

static const struct snap_key *find_key(const struct snapshot *s, unsigned secret)
{
    uint8_t hash[32];
    secret_of(secret, hash);
    return snapshot_key(s, hash, memory);
}

static void test_key_fields(void **state)
{
    (void)state;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, 3, 1,
        key_body((struct key_spec){
            .n = 1, .organization = 1, .workspace = 2, .name = "dev", .pattern = "gpt-*"}));
    put(b, 3, 2,
        key_body(
            (struct key_spec){.n = 2, .organization = 1, .workspace = 2, .need = "time-travel"}));
    struct snapshot *s = finish(b, 9);
    const struct snap_key *k = find_key(s, 1);
    assert_non_null(k);
    assert_true(str_eqz(k->name, "dev"));
    assert_int_equal(k->n_models, 1);
    assert_true(str_eqz(k->models[0], "gpt-*"));
    struct uuid org = id_of(1, 1);
    assert_true(uuid_eq(&k->organization_id, &org));
    assert_false(k->needs_unknown);
    assert_true(find_key(s, 2)->needs_unknown);
    assert_true(str_eqz(find_key(s, 2)->providers[0], "*"));
    assert_null(find_key(s, 3));
    assert_int_equal(snapshot_version(s), 9);
    assert_int_equal(snapshot_count(s, 3), 2);
    snapshot_unref(s);
}

static void test_many_secrets(void **state)
{
    (void)state;
    uint8_t hashes[2][32];
    struct uuid id = id_of(3, 1), org = id_of(1, 1), ws = id_of(2, 1);
    ProtobufCBinaryData secrets[2] = {{32, hashes[0]}, {32, hashes[1]}};
    Weir__Key m = WEIR__KEY__INIT;
    secret_of(100, hashes[0]);
    secret_of(200, hashes[1]);
    m.id = bytes_of_uuid(&id);
    m.organization_id = bytes_of_uuid(&org);
    m.workspace_id = bytes_of_uuid(&ws);
    m.n_secret_sha256 = 2;
    m.secret_sha256 = secrets;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, 3, 1, packed(&m.base));
    struct snapshot *both = finish(b, 1);
    assert_non_null(find_key(both, 100));
    assert_true(uuid_eq(&find_key(both, 100)->id, &id));
    assert_true(uuid_eq(&find_key(both, 200)->id, &id));
    /* the rotation ends: the old secret must be gone */
    m.n_secret_sha256 = 1;
    m.secret_sha256 = &secrets[1];
    b = snapshot_builder_new(both);
    put(b, 3, 1, packed(&m.base));
    struct snapshot *after = finish(b, 2);
    assert_null(find_key(after, 100));
    assert_non_null(find_key(after, 200));
    assert_non_null(find_key(both, 100));
    snapshot_unref(both);
    snapshot_unref(after);
}

static bool collect(void *arg, const struct snap_model *m)
{
    struct buffer *names = arg;
    (void)buffer_append_str(names, m->name);
    return buffer_append_z(names, uuid_is_nil(&m->workspace_id) ? "/shared " : "/own ");
}

static void test_shadowing_and_tenants(void **state)
{
    (void)state;
    struct uuid org1 = id_of(1, 1), org2 = id_of(1, 2), ws1 = id_of(2, 1), ws2 = id_of(2, 2),
                ws9 = id_of(2, 9);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, 5, 1, model_body(1, 1, 0, "gpt", 1)); /* organization 1's */
    put(b, 5, 2, model_body(2, 1, 1, "gpt", 2)); /* workspace 1's own of the same name */
    put(b, 5, 3, model_body(3, 1, 1, "alpha", 1));
    put(b, 5, 4, model_body(4, 2, 9, "secret", 1)); /* another tenant's */
    put(b, 4, 1, provider_body((struct provider_spec){.n = 1, .organization = 1, .name = "main"}));
    put(b, 4, 2,
        provider_body(
            (struct provider_spec){.n = 2, .organization = 1, .workspace = 1, .name = "main"}));
    struct snapshot *s = finish(b, 1);
    struct uuid own = id_of(5, 2), shared = id_of(5, 1), provider2 = id_of(4, 2);
    assert_true(uuid_eq(&snapshot_model(s, &org1, &ws1, STR_LIT("gpt"))->id, &own));
    assert_true(uuid_eq(&snapshot_model(s, &org1, &ws2, STR_LIT("gpt"))->id, &shared));
    assert_null(snapshot_model(s, &org2, &ws1, STR_LIT("gpt")));
    assert_null(snapshot_model(s, &org1, &ws9,
                               STR_LIT("secret"))); /* right workspace, wrong organization */
    assert_non_null(snapshot_model(s, &org2, &ws9, STR_LIT("secret")));
    assert_int_equal(snapshot_model(s, &org1, &ws1, STR_LIT("gpt"))->targets[0].weight, 7);
    assert_true(uuid_eq(&snapshot_provider_named(s, &org1, &ws1, STR_LIT("main"))->id, &provider2));
    assert_non_null(snapshot_provider(s, &provider2));
    struct buffer names;
    buffer_init(&names, 64u << 20);
    snapshot_each_model(s, &org1, &ws1, collect, &names);
    assert_true(str_eqz(buffer_str(&names), "alpha/own gpt/own "));
    buffer_clear(&names);
    snapshot_each_model(s, &org1, &ws2, collect, &names);
    assert_true(str_eqz(buffer_str(&names), "gpt/shared "));
    buffer_release(&names);
    /* the own one goes: the shared one shows again */
    b = snapshot_builder_new(s);
    snapshot_builder_delete(b, 5, &own);
    struct snapshot *t = finish(b, 2);
    assert_true(uuid_eq(&snapshot_model(t, &org1, &ws1, STR_LIT("gpt"))->id, &shared));
    snapshot_unref(s);
    snapshot_unref(t);
}

static void test_provider_address_and_credential(void **state)
{
    (void)state;
    uint8_t key[32] = {7}, sealed[CRYPTO_SEALED_LEN(6)];
    struct uuid key_id = id_of(9, 9), p1 = id_of(4, 1), p2 = id_of(4, 2), p3 = id_of(4, 3),
                p4 = id_of(4, 4);
    crypto_seal(key, NULL, (struct str){(char *)p1.b, 16}, "sk-abc", 6, sealed);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, 4, 1,
        provider_body((struct provider_spec){.n = 1,
                                             .organization = 1,
                                             .name = "a",
                                             .data_key_id = &key_id,
                                             .sealed = {(char *)sealed, sizeof(sealed)}}));
    put(b, 4, 2,
        provider_body((struct provider_spec){.n = 2,
                                             .organization = 1,
                                             .name = "b",
                                             .plain = "plain",
                                             .base_url = "http://127.0.0.1:9001/v1/"}));
    put(b, 4, 3,
        provider_body(
            (struct provider_spec){.n = 3, .organization = 1, .name = "c", .base_url = "ftp://x"}));
    put(b, 4, 4,
        provider_body(
            (struct provider_spec){.n = 4, .organization = 1, .name = "d", .kind = "quantum"}));
    struct snapshot *s = finish(b, 1);
    const struct snap_provider *p = snapshot_provider(s, &p1);
    assert_true(p->credential_unreadable);
    assert_true(p->tls && p->port == 443 && str_eqz(p->host, "api.openai.com") &&
                str_eqz(p->path, "/v1"));
    assert_true(str_eqz(p->host_header, "api.openai.com"));
    p = snapshot_provider(s, &p2);
    assert_true(str_eqz(p->credential, "plain") && !p->credential_unreadable);
    assert_true(!p->tls && p->port == 9001 && str_eqz(p->host, "127.0.0.1") &&
                str_eqz(p->path, "/v1"));
    assert_true(str_eqz(p->host_header, "127.0.0.1:9001"));
    assert_true(snapshot_provider(s, &p3)->base_url_invalid && snapshot_provider(s, &p3)->disabled);
    assert_true(snapshot_provider(s, &p4)->needs_unknown);
    /* the data key comes later: the provider can be read then, and keeps its hash */
    uint8_t before[32], after[32];
    snapshot_root_hash(s, before);
    b = snapshot_builder_new(s);
    snapshot_builder_data_key(b, &key_id, key);
    struct snapshot *t = finish(b, 2);
    snapshot_root_hash(t, after);
    assert_true(str_eqz(snapshot_provider(t, &p1)->credential, "sk-abc"));
    assert_memory_equal(before, after, 32);
    /* and it is carried over */
    struct snapshot *u = finish(snapshot_builder_new(t), 3);
    assert_true(str_eqz(snapshot_provider(u, &p1)->credential, "sk-abc"));
    snapshot_unref(s);
    snapshot_unref(t);
    snapshot_unref(u);
}

static void test_scope_needs_bind_keys(void **state)
{
    (void)state;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, 1, 1, scope_body(1, 1, NULL));
    put(b, 2, 1, scope_body(2, 1, NULL));
    put(b, 3, 1, key_body((struct key_spec){.n = 1, .organization = 1, .workspace = 1}));
    put(b, 3, 2, key_body((struct key_spec){.n = 2, .organization = 2, .workspace = 2}));
    struct snapshot *s = finish(b, 1);
    assert_false(find_key(s, 1)->needs_unknown);
    b = snapshot_builder_new(s);
    put(b, 1, 1, scope_body(1, 1, "later"));
    struct snapshot *t = finish(b, 2);
    assert_true(find_key(t, 1)->needs_unknown);
    assert_false(find_key(t, 2)->needs_unknown);
    assert_false(find_key(s, 1)->needs_unknown);
    b = snapshot_builder_new(t);
    put(b, 3, 5,
        key_body((struct key_spec){
            .n = 5, .organization = 1, .workspace = 1})); /* a new key is bound too */
    struct snapshot *u = finish(b, 3);
    assert_true(find_key(u, 5)->needs_unknown);
    b = snapshot_builder_new(u);
    put(b, 1, 1, scope_body(1, 1, NULL));
    struct snapshot *v = finish(b, 4);
    assert_false(find_key(v, 1)->needs_unknown);
    assert_false(find_key(v, 5)->needs_unknown);
    snapshot_unref(s);
    snapshot_unref(t);
    snapshot_unref(u);
    snapshot_unref(v);
}

static void test_hash_ignores_order_and_names_content(void **state)
{
    (void)state;
    uint8_t one[32], two[32], three[32];
    struct snapshot_builder *a = snapshot_builder_new(NULL), *b = snapshot_builder_new(NULL);
    struct uuid gone = id_of(3, 1000);
    put(b, 3, 1000, key_body((struct key_spec){.n = 1000, .organization = 1, .workspace = 1}));
    for (unsigned i = 1; i <= 300; i++) {
        put(a, 3, i, key_body((struct key_spec){.n = i, .organization = 1, .workspace = 1}));
        put(b, 3, 301 - i,
            key_body((struct key_spec){.n = 301 - i, .organization = 1, .workspace = 1}));
    }
    put(b, 3, 7,
        key_body((struct key_spec){.n = 7, .organization = 1, .workspace = 1, .name = "changed"}));
    put(b, 3, 7,
        key_body((struct key_spec){.n = 7, .organization = 1, .workspace = 1})); /* and back */
    snapshot_builder_delete(b, 3, &gone);
    put(a, 15, 1, str_of(mem_strdup("a kind of the future")));
    put(b, 15, 1, str_of(mem_strdup("a kind of the future")));
    struct snapshot *s = finish(a, 1), *t = finish(b, 2);
    snapshot_root_hash(s, one);
    snapshot_root_hash(t, two);
    assert_memory_equal(one, two, 32);
    assert_int_equal(snapshot_count(t, 15), 1);
    a = snapshot_builder_new(s);
    put(a, 3, 7,
        key_body((struct key_spec){.n = 7, .organization = 1, .workspace = 1, .name = "changed"}));
    struct snapshot *u = finish(a, 3);
    snapshot_root_hash(u, three);
    assert_memory_not_equal(one, three, 32);
    /* the contract's formula, written out: SHA-256(kind | id | body) in the shard of SHA-256(id) */
    struct uuid id = id_of(15, 1);
    uint8_t shard_of[32], want[32], got[32], bytes[20 + 20] = {15};
    memcpy(bytes + 4, id.b, 16);
    memcpy(bytes + 20, "a kind of the future", 20);
    crypto_sha256(id.b, 16, shard_of);
    crypto_sha256(bytes, sizeof(bytes), want);
    snapshot_shard_hash(s, 15, shard_of[0], got);
    assert_memory_equal(want, got, 32);
    snapshot_unref(s);
    snapshot_unref(t);
    snapshot_unref(u);
}

static void test_copy_on_write(void **state)
{
    (void)state;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    for (unsigned i = 1; i <= 5000; i++) {
        put(b, 3, i, key_body((struct key_spec){.n = i, .organization = 1, .workspace = 1}));
    }
    put(b, 5, 1, model_body(1, 1, 0, "gpt", 1));
    struct snapshot *s = finish(b, 1);
    b = snapshot_builder_new(s);
    put(b, 3, 17,
        key_body((struct key_spec){.n = 17, .organization = 1, .workspace = 1, .name = "renamed"}));
    struct snapshot *t = finish(b, 2);
    unsigned copied = 0, copied_look_ups = 0;
    for (unsigned i = 0; i < SNAPSHOT_SHARDS; i++) {
        copied += s->sets[3]->shards[i] != t->sets[3]->shards[i];
        copied_look_ups +=
            s->sets[SET_KEY_BY_SECRET]->shards[i] != t->sets[SET_KEY_BY_SECRET]->shards[i];
    }
    assert_int_equal(copied, 1);
    assert_int_equal(copied_look_ups, 1);
    assert_ptr_equal(s->sets[5], t->sets[5]);
    assert_ptr_equal(find_key(s, 18)->name.ptr, find_key(t, 18)->name.ptr);
    assert_true(str_eqz(find_key(s, 17)->name, "key"));
    assert_true(str_eqz(find_key(t, 17)->name, "renamed"));
    /* the same again changes nothing at all */
    b = snapshot_builder_new(t);
    put(b, 3, 17,
        key_body((struct key_spec){.n = 17, .organization = 1, .workspace = 1, .name = "renamed"}));
    struct snapshot *u = finish(b, 3);
    assert_ptr_equal(t->sets[3], u->sets[3]);
    snapshot_unref(s); /* the shared parts outlive the first root */
    assert_non_null(find_key(t, 4999));
    snapshot_unref(t);
    assert_non_null(find_key(u, 1));
    snapshot_unref(u);
}

static void test_swaps_within_one_run(void **state)
{
    (void)state;
    struct uuid org = id_of(1, 1), ws = id_of(2, 1), one = id_of(5, 1);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, 5, 1, model_body(1, 1, 1, "a", 1));
    put(b, 5, 2, model_body(2, 1, 1, "b", 1));
    struct snapshot *s = finish(b, 1);
    b = snapshot_builder_new(s);
    put(b, 5, 1, model_body(1, 1, 1, "b", 1));
    put(b, 5, 2, model_body(2, 1, 1, "a", 1));
    struct snapshot *t = finish(b, 2);
    assert_true(uuid_eq(&snapshot_model(t, &org, &ws, STR_LIT("b"))->id, &one));
    snapshot_unref(s);
    snapshot_unref(t);
}

static void test_refusals_leave_the_base(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct uuid id = id_of(3, 2);
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    put(b, 3, 1, key_body((struct key_spec){.n = 1, .organization = 1, .workspace = 1}));
    struct snapshot *s = finish(b, 1);
    b = snapshot_builder_new(s);
    assert_false(snapshot_builder_put(b, 3, &id, STR_LIT("\x0a\xff junk"), &err));
    assert_non_null(strstr(err.text, "key 01030000-"));
    struct str body = key_body((struct key_spec){.n = 9, .organization = 1, .workspace = 1});
    assert_false(snapshot_builder_put(b, 3, &id, body, &err)); /* another entity's body */
    release(body);
    snapshot_builder_free(b);
    b = snapshot_builder_new(s);
    put(b, 3, 2,
        key_body((struct key_spec){.n = 2, .organization = 1, .workspace = 1, .secret = 1}));
    assert_null(snapshot_builder_finish(b, 2, &err));
    assert_non_null(strstr(err.text, "same secret"));
    b = snapshot_builder_new(s);
    put(b, 5, 1, model_body(1, 1, 1, "x", 1));
    put(b, 5, 2, model_body(2, 1, 1, "x", 1));
    assert_null(snapshot_builder_finish(b, 2, &err));
    assert_non_null(find_key(s, 1));
    assert_int_equal(snapshot_count(s, 3), 1);
    snapshot_unref(s);
}

static void test_every_truncation_is_refused_or_read(void **state)
{
    (void)state;
    struct str body =
        provider_body((struct provider_spec){.n = 1, .organization = 1, .name = "a", .plain = "s"});
    struct uuid id = id_of(4, 1);
    unsigned refused = 0;
    for (size_t n = 0; n < body.len; n++) {
        struct error err = ERROR_INIT;
        struct snapshot_builder *b = snapshot_builder_new(NULL);
        char *cut = mem_dup(body.ptr, n + 1);
        refused += !snapshot_builder_put(b, 4, &id, (struct str){cut, n}, &err);
        mem_free(cut);
        snapshot_builder_free(b);
    }
    assert_true(refused > body.len / 2);
    release(body);
}

static void test_clear_shard(void **state)
{
    (void)state;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    for (unsigned i = 1; i <= 3000; i++) {
        put(b, 3, i, key_body((struct key_spec){.n = i, .organization = 1, .workspace = 1}));
    }
    struct snapshot *s = finish(b, 1);
    b = snapshot_builder_new(s);
    struct uuid kept = id_of(3, 5);
    struct place at = place_of_id(&kept);
    snapshot_builder_clear_shard(b, 3, at.shard);
    put(b, 3, 5, key_body((struct key_spec){.n = 5, .organization = 1, .workspace = 1}));
    struct snapshot *t = finish(b, 2);
    assert_int_equal(t->sets[3]->shards[at.shard]->count, 1);
    assert_true(snapshot_count(t, 3) < 3000 && snapshot_count(t, 3) > 2900);
    assert_non_null(find_key(t, 5));
    for (unsigned i = 1; i <= 3000; i++) {
        struct uuid id = id_of(3, i);
        assert_int_equal(find_key(t, i) != NULL, i == 5 || place_of_id(&id).shard != at.shard);
    }
    /* emptied altogether */
    b = snapshot_builder_new(t);
    for (unsigned i = 0; i < SNAPSHOT_SHARDS; i++) {
        snapshot_builder_clear_shard(b, 3, i);
    }
    struct snapshot *u = finish(b, 3), *empty = snapshot_new();
    uint8_t one[32], two[32];
    snapshot_root_hash(u, one);
    snapshot_root_hash(empty, two);
    assert_memory_equal(one, two, 32);
    assert_null(find_key(u, 5));
    snapshot_unref(s);
    snapshot_unref(t);
    snapshot_unref(u);
    snapshot_unref(empty);
}

static void test_many_keys(void **state)
{
    (void)state;
    const unsigned n = 100000;
    struct str *bodies = mem_alloc(n * sizeof(*bodies));
    for (unsigned i = 0; i < n; i++) {
        bodies[i] = key_body((struct key_spec){
            .n = i + 1, .organization = 1, .workspace = 1, .name = "a typical name"});
    }
    size_t before = mallinfo2().uordblks;
    uint64_t t0 = clock_mono_ns();
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    for (unsigned i = 0; i < n; i++) {
        struct error err = ERROR_INIT;
        struct uuid id = id_of(3, i + 1);
        assert_true(snapshot_builder_put(b, 3, &id, bodies[i], &err));
    }
    struct snapshot *s = finish(b, 1);
    uint64_t t1 = clock_mono_ns();
    size_t after = mallinfo2().uordblks;
    for (unsigned i = 0; i < n; i++) {
        if (!find_key(s, i + 1)) {
            fail_msg("key %u is missing", i + 1);
        }
        release(bodies[i]);
    }
    uint64_t t2 = clock_mono_ns();
    const unsigned deltas = 100;
    for (unsigned i = 1; i <= deltas; i++) {
        b = snapshot_builder_new(s);
        put(b, 3, i,
            key_body(
                (struct key_spec){.n = i, .organization = 1, .workspace = 1, .name = "changed"}));
        struct snapshot *next = finish(b, 1 + i);
        snapshot_unref(s);
        s = next;
    }
    uint64_t t3 = clock_mono_ns();
    assert_true(str_eqz(find_key(s, deltas)->name, "changed"));
    print_message("%u keys: build %llu ms, %zu bytes a key, look-up with hash %llu ns, delta of "
                  "one %llu us\n",
                  n, (unsigned long long)((t1 - t0) / 1000000), (after - before) / n,
                  (unsigned long long)((t2 - t1) / n),
                  (unsigned long long)((t3 - t2) / 1000 / deltas));
    snapshot_unref(s);
    mem_free(bodies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_fields),
        cmocka_unit_test(test_many_secrets),
        cmocka_unit_test(test_shadowing_and_tenants),
        cmocka_unit_test(test_provider_address_and_credential),
        cmocka_unit_test(test_scope_needs_bind_keys),
        cmocka_unit_test(test_hash_ignores_order_and_names_content),
        cmocka_unit_test(test_copy_on_write),
        cmocka_unit_test(test_swaps_within_one_run),
        cmocka_unit_test(test_refusals_leave_the_base),
        cmocka_unit_test(test_every_truncation_is_refused_or_read),
        cmocka_unit_test(test_clear_shard),
        cmocka_unit_test(test_many_keys),
    };
    memory = arena_new(0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(memory);
    return failed;
}
