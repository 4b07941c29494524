/* The published state against a real database: full, delta, horizon, groups, shard repair, order of
 * commits. A tiny model of a proxy applies the parts and computes the hashes by the definition in
 * dataplane/snapshot/index.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "controlplane/config_rows.h"
#include "controlplane/snapshot/state.h"
#include "proto/snapshot.pb-c.h"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct seal_keys *keys;
static struct uuid group;

static int setup(void **state)
{
    (void)state;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 6);
    keys = rows_seal_keys();
    assert_true(uuid_parse(STR_LIT(ROWS_GROUP), &group));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    seal_keys_free(keys);
    db_pool_free(pool);
    pg_fixture_stop(&pg);
    return 0;
}

static struct state *load(unsigned log_max, unsigned part_bytes)
{
    struct error err = ERROR_INIT;
    struct state_config c = {
        .pool = pool, .keys = keys, .log_max = log_max, .part_bytes = part_bytes};
    struct state *s = state_load(&c, &err);
    if (!s) {
        fail_msg("load: %s", error_text(&err));
    }
    return s;
}

static void refresh(struct state *s)
{
    struct error err = ERROR_INIT;
    bool changed;
    if (!state_refresh(s, &changed, &err)) {
        fail_msg("refresh: %s", error_text(&err));
    }
}

/* ---- a proxy's copy ---- */

struct held {
    uint32_t kind;
    struct uuid id;
    struct str body;
};

struct proxy {
    struct held items[4000];
    size_t n, last_changes;
    uint32_t parts;
    uint64_t version, from;
};

static unsigned shard_of(const struct uuid *id)
{
    uint8_t h[32];
    crypto_sha256(id->b, 16, h);
    return h[0];
}

static void forget(struct proxy *p, size_t i)
{
    mem_free((void *)(uintptr_t)p->items[i].body.ptr);
    p->items[i] = p->items[--p->n];
}

static void put(struct proxy *p, const Weir__Change *c)
{
    struct uuid id;
    assert_int_equal(c->id.len, 16);
    memcpy(id.b, c->id.data, 16);
    for (size_t i = 0; i < p->n; i++) {
        if (p->items[i].kind == c->kind && uuid_eq(&p->items[i].id, &id)) {
            forget(p, i);
            break;
        }
    }
    if (!c->deleted) {
        assert_true(p->n < 4000);
        p->items[p->n++] =
            (struct held){c->kind, id, {mem_dup(c->body.data, c->body.len), c->body.len}};
    }
}

static void proxy_release(struct proxy *p)
{
    while (p->n > 0) {
        forget(p, p->n - 1);
    }
}

static void proxy_hashes(const struct proxy *p, uint8_t *hashes, uint8_t root[32])
{
    memset(hashes, 0, (size_t)STATE_HASHES * 32);
    for (size_t i = 0; i < p->n; i++) {
        const struct held *x = &p->items[i];
        uint8_t h[32];
        uint8_t *m = mem_alloc(20 + x->body.len);
        m[0] = (uint8_t)x->kind;
        memcpy(m + 4, x->id.b, 16);
        memcpy(m + 20, x->body.ptr, x->body.len);
        crypto_sha256(m, 20 + x->body.len, h);
        mem_free(m);
        for (int k = 0; k < 32; k++) {
            hashes[((size_t)x->kind * STATE_SHARDS + shard_of(&x->id)) * 32 + k] ^= h[k];
        }
    }
    crypto_sha256(hashes, (size_t)STATE_HASHES * 32, root);
}

/* Applies a run and checks that its root hash is what comes out. */
static void apply(struct proxy *p, struct state *s, struct run *r)
{
    uint8_t wrap[32] = {5}, sealed[STATE_WRAPPED_LEN], root[32];
    uint8_t *hashes = mem_alloc((size_t)STATE_HASHES * 32);
    struct uuid key_id;
    assert_non_null(r);
    state_wrap_key(s, wrap, &key_id, sealed);
    p->last_changes = 0;
    p->parts = run_parts(r);
    for (uint32_t i = 0; i < p->parts; i++) {
        struct buffer b;
        buffer_init(&b, 64u << 20);
        assert_true(run_part(r, i, &key_id, sealed, &b));
        Weir__SnapshotPart *m = weir__snapshot_part__unpack(NULL, b.len, (const uint8_t *)b.ptr);
        assert_non_null(m);
        assert_int_equal(m->part, i);
        assert_int_equal(m->last, i + 1 == p->parts);
        assert_int_equal(m->n_keys, i == 0 ? 1 : 0);
        if (i == 0 && m->from_version == 0) {
            proxy_release(p);
        }
        for (size_t k = 0; i == 0 && k < m->n_resend_kind; k++) {
            for (size_t x = p->n; x-- > 0;) {
                if (p->items[x].kind == m->resend_kind[k] &&
                    shard_of(&p->items[x].id) == m->resend_shard[k]) {
                    forget(p, x);
                }
            }
        }
        for (size_t k = 0; k < m->n_changes; k++) {
            put(p, m->changes[k]);
        }
        p->last_changes += m->n_changes;
        p->from = m->from_version;
        p->version = m->to_version;
        if (m->last) {
            proxy_hashes(p, hashes, root);
            assert_int_equal(m->root_hash.len, 32);
            assert_memory_equal(m->root_hash.data, root, 32);
        }
        weir__snapshot_part__free_unpacked(m, NULL);
        buffer_release(&b);
    }
    mem_free(hashes);
    run_unref(r);
}

static void follow(struct proxy *p, struct state *s)
{
    apply(p, s, state_run(s, &group, p->version, NULL));
}

static const struct held *find(const struct proxy *p, unsigned kind, const struct uuid *id)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->items[i].kind == kind && uuid_eq(&p->items[i].id, id)) {
            return &p->items[i];
        }
    }
    return NULL;
}

/* ---- tests ---- */

static void test_everything_then_deltas(void **state)
{
    (void)state;
    static struct proxy p;
    struct uuid org = rows_organization(pool, "one"), ws = rows_workspace(pool, &org, "ws");
    struct uuid provider = rows_provider(pool, keys, &org, "openai", "sk-secret");
    struct uuid model = rows_model(pool, &org, &provider, "gpt-4o");
    struct uuid k1 = rows_key(pool, &org, &ws, "k1", NULL);
    struct state *s = load(0, 0);
    follow(&p, s);
    assert_int_equal(p.from, 0);
    assert_non_null(find(&p, CONFIG_ORGANIZATION, &org));
    assert_non_null(find(&p, CONFIG_WORKSPACE, &ws));
    assert_non_null(find(&p, CONFIG_PROVIDER, &provider));
    const struct held *h = find(&p, CONFIG_MODEL, &model);
    assert_non_null(h);
    Weir__Model *m = weir__model__unpack(NULL, h->body.len, (const uint8_t *)h->body.ptr);
    assert_int_equal(m->n_targets, 2);
    assert_string_equal(m->targets[0]->model, "first");
    assert_int_equal(m->targets[0]->weight, 3);
    weir__model__free_unpacked(m, NULL);

    uint64_t v;
    struct uuid k2 = rows_key(pool, &org, &ws, "k2", &v);
    refresh(s);
    assert_true(state_version(s) == v);
    follow(&p, s);
    assert_true(p.from > 0);
    assert_int_equal(p.last_changes, 1);
    assert_non_null(find(&p, CONFIG_KEY, &k2));

    rows_key_revoke(pool, &org, &k1, &v);
    refresh(s);
    follow(&p, s);
    assert_int_equal(p.last_changes, 1);
    assert_null(find(&p, CONFIG_KEY, &k1));
    assert_non_null(find(&p, CONFIG_KEY, &k2));
    assert_true(p.version == v);

    /* a workspace that goes takes its keys along, though only it is logged */
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "DELETE FROM workspaces WHERE id = $1", DB_UUID(&ws));
    tx_change(t, CONFIG_WORKSPACE, &org, &ws, true);
    rows_commit(t, NULL);
    refresh(s);
    follow(&p, s);
    assert_null(find(&p, CONFIG_WORKSPACE, &ws));
    assert_null(find(&p, CONFIG_KEY, &k2));
    assert_non_null(find(&p, CONFIG_PROVIDER, &provider));
    proxy_release(&p);
    state_free(s);
}

static void test_credentials_are_stable_and_open_with_the_wrapped_key(void **state)
{
    (void)state;
    static struct proxy p, q;
    struct uuid org = rows_organization(pool, "credentials");
    struct uuid provider = rows_provider(pool, keys, &org, "anthropic", "sk-ant-1");
    struct state *one = load(0, 0), *two = load(0, 0); /* two instances, or one twice */
    follow(&p, one);
    follow(&q, two);
    const struct held *a = find(&p, CONFIG_PROVIDER, &provider);
    const struct held *b = find(&q, CONFIG_PROVIDER, &provider);
    assert_true(str_eq(a->body, b->body));
    assert_null(memmem(a->body.ptr, a->body.len, "sk-ant-1", 8));
    Weir__Provider *m = weir__provider__unpack(NULL, a->body.len, (const uint8_t *)a->body.ptr);
    uint8_t wrap[32] = {9}, sealed[STATE_WRAPPED_LEN], key[32], plain[64];
    struct uuid key_id;
    state_wrap_key(one, wrap, &key_id, sealed);
    assert_memory_equal(m->credential->data_key_id.data, key_id.b, 16);
    assert_true(crypto_open(wrap, (struct str){(char *)key_id.b, 16}, sealed, sizeof(sealed), key));
    assert_true(crypto_open(key, (struct str){(char *)provider.b, 16}, m->credential->sealed.data,
                            m->credential->sealed.len, plain));
    assert_memory_equal(plain, "sk-ant-1", 8);
    weir__provider__free_unpacked(m, NULL);
    proxy_release(&p);
    proxy_release(&q);
    state_free(one);
    state_free(two);
}

static void test_configs_carry_all_versions_and_sealed_secrets(void **state)
{
    (void)state;
    static struct proxy p, q;
    struct uuid org = rows_organization(pool, "configs");
    struct uuid config = rows_config(pool, keys, &org, "router", "sk-in-config");
    struct state *one = load(0, 0), *two = load(0, 0);
    follow(&p, one);
    follow(&q, two);
    const struct held *a = find(&p, CONFIG_ROUTING, &config);
    assert_non_null(a);
    assert_true(str_eq(a->body, find(&q, CONFIG_ROUTING, &config)->body));
    assert_null(memmem(a->body.ptr, a->body.len, "sk-in-config", 12));
    Weir__Config *m = weir__config__unpack(NULL, a->body.len, (const uint8_t *)a->body.ptr);
    assert_string_equal(m->name, "router");
    assert_int_equal(m->published, 1);
    assert_int_equal(m->n_versions, 2);
    assert_int_equal(m->versions[0]->number, 1);
    assert_string_equal(m->versions[0]->document_json, "{ \"api_key\":\"weir-secret:1\"}");
    assert_null(m->versions[1]->secrets);
    assert_int_equal(m->n_labels, 1);
    assert_string_equal(m->labels[0]->name, "production");
    assert_int_equal(m->labels[0]->version, 2);
    uint8_t wrap[32] = {9}, sealed[STATE_WRAPPED_LEN], key[32], plain[64];
    struct uuid key_id;
    state_wrap_key(one, wrap, &key_id, sealed);
    assert_true(crypto_open(wrap, (struct str){(char *)key_id.b, 16}, sealed, sizeof(sealed), key));
    assert_true(crypto_open(key, (struct str){(char *)config.b, 16},
                            m->versions[0]->secrets->sealed.data,
                            m->versions[0]->secrets->sealed.len, plain));
    assert_memory_equal(plain, "{\"1\":\"sk-in-config\"}", 20);
    weir__config__free_unpacked(m, NULL);

    /* a label that moves is one change; a config that goes is gone */
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "UPDATE configs SET labels = '{\"production\": 1}' WHERE id = $1",
              DB_UUID(&config));
    tx_change(t, CONFIG_ROUTING, &org, &config, false);
    rows_commit(t, NULL);
    refresh(one);
    follow(&p, one);
    assert_int_equal(p.last_changes, 1);
    a = find(&p, CONFIG_ROUTING, &config);
    m = weir__config__unpack(NULL, a->body.len, (const uint8_t *)a->body.ptr);
    assert_int_equal(m->labels[0]->version, 1);
    weir__config__free_unpacked(m, NULL);
    t = rows_begin(pool);
    ROWS_EXEC(t, "DELETE FROM configs WHERE id = $1", DB_UUID(&config));
    tx_change(t, CONFIG_ROUTING, &org, &config, true);
    rows_commit(t, NULL);
    refresh(one);
    follow(&p, one);
    assert_null(find(&p, CONFIG_ROUTING, &config));
    proxy_release(&p);
    proxy_release(&q);
    state_free(one);
    state_free(two);
}

static void test_prompts_keys_and_models_carry_what_is_theirs(void **state)
{
    (void)state;
    static struct proxy p;
    struct uuid org = rows_organization(pool, "prompts"), ws = rows_workspace(pool, &org, "ws");
    struct uuid provider = rows_provider(pool, keys, &org, "openai", "sk-secret");
    struct uuid model = rows_model(pool, &org, &provider, "m"), prompt = uuid_v7();
    struct uuid k = rows_key(pool, &org, &ws, "k", NULL);
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t,
              "INSERT INTO prompts (id, organization_id, workspace_id, name, published, latest, "
              "partial) VALUES ($1, $2, $3, 'tone', 0, 1, true)",
              DB_UUID(&prompt), DB_UUID(&org), DB_UUID(&ws));
    ROWS_EXEC(t,
              "INSERT INTO prompt_documents (organization_id, owner_id, number, document) "
              "VALUES ($1, $2, 1, '\"be {{x}}\"')",
              DB_UUID(&org), DB_UUID(&prompt));
    ROWS_EXEC(t,
              "UPDATE virtual_keys SET config = 'router@production', config_locked = true, "
              "tags = '{a,\"b c\"}' WHERE id = $1",
              DB_UUID(&k));
    ROWS_EXEC(t, "UPDATE models SET config = 'router' WHERE id = $1", DB_UUID(&model));
    tx_change(t, CONFIG_PROMPT, &org, &prompt, false);
    rows_commit(t, NULL);
    struct state *s = load(0, 0);
    follow(&p, s);
    const struct held *h = find(&p, CONFIG_PROMPT, &prompt);
    assert_non_null(h);
    Weir__Prompt *m = weir__prompt__unpack(NULL, h->body.len, (const uint8_t *)h->body.ptr);
    assert_true(m->partial);
    assert_int_equal(m->published, 0);
    assert_int_equal(m->workspace_id.len, 16);
    assert_string_equal(m->versions[0]->document_json, "\"be {{x}}\"");
    weir__prompt__free_unpacked(m, NULL);
    h = find(&p, CONFIG_KEY, &k);
    Weir__Key *key = weir__key__unpack(NULL, h->body.len, (const uint8_t *)h->body.ptr);
    assert_string_equal(key->config, "router@production");
    assert_true(key->config_locked);
    assert_int_equal(key->n_tags, 2);
    assert_string_equal(key->tags[1], "b c");
    weir__key__free_unpacked(key, NULL);
    h = find(&p, CONFIG_MODEL, &model);
    Weir__Model *alias = weir__model__unpack(NULL, h->body.len, (const uint8_t *)h->body.ptr);
    assert_string_equal(alias->config, "router");
    weir__model__free_unpacked(alias, NULL);
    proxy_release(&p);
    state_free(s);
}

static void test_commits_out_of_order_are_both_published(void **state)
{
    (void)state;
    static struct proxy p;
    struct uuid org = rows_organization(pool, "order"), ws = rows_workspace(pool, &org, "ws");
    struct state *s = load(0, 0);
    follow(&p, s);
    struct tx *early = rows_begin(pool);
    struct uuid first = rows_key_in(early, &org, &ws, "began first");
    uint64_t v1, v2;
    struct uuid second = rows_key(pool, &org, &ws, "began second", &v2);
    refresh(s); /* between the two commits */
    follow(&p, s);
    assert_null(find(&p, CONFIG_KEY, &first));
    assert_non_null(find(&p, CONFIG_KEY, &second));
    rows_commit(early, &v1);
    assert_true(v1 > v2);
    refresh(s);
    follow(&p, s);
    assert_non_null(find(&p, CONFIG_KEY, &first));
    assert_non_null(find(&p, CONFIG_KEY, &second));
    proxy_release(&p);
    state_free(s);
}

static void test_behind_the_horizon_gets_everything(void **state)
{
    (void)state;
    static struct proxy p, q;
    struct uuid org = rows_organization(pool, "horizon"), ws = rows_workspace(pool, &org, "ws");
    struct state *s = load(4, 0);
    follow(&p, s);
    q.version = p.version - 1; /* one that was there shortly before, but lost what it had */
    for (int i = 0; i < 10; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "h%d", i);
        (void)rows_key(pool, &org, &ws, name, NULL);
        if (i % 2) {
            refresh(s);
        }
    }
    follow(&q, s);
    assert_int_equal(q.from, 0);
    follow(&q, s); /* up to date: an empty delta */
    assert_int_equal(q.last_changes, 0);
    assert_true(q.from > 0);
    /* the database's own horizon, when this instance was away */
    struct state *late = load(0, 0);
    (void)rows_key(pool, &org, &ws, "late", NULL);
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "SELECT trim_changes($1::interval)", DB_Z("-1 hour"));
    rows_commit(t, NULL);
    (void)rows_key(pool, &org, &ws, "later", NULL);
    refresh(late);
    follow(&q, late);
    assert_int_equal(q.from, 0);
    assert_true(q.version == state_version(late));
    /* loaded anew, the log since the horizon still gives deltas */
    struct state *again = load(0, 0);
    q.version--;
    struct run *r = state_run(again, &group, q.version, NULL);
    apply(&q, again, r);
    assert_int_equal(q.last_changes, 1);
    proxy_release(&p);
    proxy_release(&q);
    state_free(s);
    state_free(late);
    state_free(again);
}

static void test_large_runs_come_in_parts(void **state)
{
    (void)state;
    static struct proxy p;
    struct uuid org = rows_organization(pool, "parts"), ws = rows_workspace(pool, &org, "ws");
    struct tx *t = rows_begin(pool);
    for (int i = 0; i < 300; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "p%d", i);
        (void)rows_key_in(t, &org, &ws, name);
    }
    rows_commit(t, NULL);
    struct state *s = load(0, 4096);
    follow(&p, s);
    assert_true(p.parts > 5);
    assert_true(p.n >= 300);
    proxy_release(&p);
    state_free(s);
}

static void test_damaged_shards_are_given_whole(void **state)
{
    (void)state;
    static struct proxy p;
    uint8_t *hashes = mem_alloc((size_t)STATE_HASHES * 32), root[32];
    struct state *s = load(0, 0);
    follow(&p, s);
    size_t all = p.n;
    assert_true(all > 100);
    p.items[3].body.len--; /* a changed body */
    forget(&p, 10);        /* and a missing one */
    proxy_hashes(&p, hashes, root);
    apply(&p, s, state_run(s, &group, p.version, hashes)); /* checks the root */
    assert_int_equal(p.n, all);
    assert_true(p.last_changes < all / 4);
    proxy_release(&p);
    mem_free(hashes);
    state_free(s);
}

static void test_a_group_sees_what_it_serves(void **state)
{
    (void)state;
    static struct proxy p;
    struct uuid mine = rows_organization(pool, "mine"), other = rows_organization(pool, "other");
    struct uuid w1 = rows_workspace(pool, &mine, "w1"), w2 = rows_workspace(pool, &mine, "w2");
    struct uuid w3 = rows_workspace(pool, &other, "w3");
    struct uuid shared = rows_provider(pool, keys, &mine, "shared", "x");
    struct uuid k1 = rows_key(pool, &mine, &w1, "k", NULL),
                k2 = rows_key(pool, &mine, &w2, "k", NULL);
    struct uuid k3 = rows_key(pool, &other, &w3, "k", NULL);
    struct uuid g = uuid_v7(), kept = group;
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "INSERT INTO data_plane_groups (id, name) VALUES ($1, 'eu')", DB_UUID(&g));
    ROWS_EXEC(t, "INSERT INTO data_plane_group_serves VALUES ($1, $2, $3)", DB_UUID(&g),
              DB_UUID(&mine), DB_UUID(&w1));
    rows_commit(t, NULL);
    struct state *s = load(0, 0);
    group = g;
    follow(&p, s);
    assert_non_null(find(&p, CONFIG_ORGANIZATION, &mine));
    assert_non_null(find(&p, CONFIG_WORKSPACE, &w1));
    assert_non_null(find(&p, CONFIG_PROVIDER, &shared));
    assert_non_null(find(&p, CONFIG_KEY, &k1));
    assert_null(find(&p, CONFIG_KEY, &k2));
    assert_null(find(&p, CONFIG_WORKSPACE, &w2));
    assert_null(find(&p, CONFIG_ORGANIZATION, &other));
    assert_null(find(&p, CONFIG_KEY, &k3));
    assert_int_equal(p.n, 4);
    assert_true(state_serves(s, &g, &mine, &w1));
    assert_true(state_serves(s, &g, &mine, NULL));
    assert_false(state_serves(s, &g, &mine, &w2));
    assert_false(state_serves(s, &g, &other, NULL));
    /* a change elsewhere is an empty delta; a wider group gives everything anew */
    (void)rows_key(pool, &other, &w3, "k4", NULL);
    refresh(s);
    follow(&p, s);
    assert_int_equal(p.last_changes, 0);
    t = rows_begin(pool);
    ROWS_EXEC(t, "UPDATE data_plane_group_serves SET workspace_id = NULL WHERE group_id = $1",
              DB_UUID(&g));
    rows_commit(t, NULL);
    refresh(s);
    follow(&p, s);
    assert_int_equal(p.from, 0);
    assert_non_null(find(&p, CONFIG_KEY, &k2));
    assert_null(find(&p, CONFIG_KEY, &k3));
    group = uuid_v7();
    assert_null(state_run(s, &group, 0, NULL));
    group = kept;
    proxy_release(&p);
    state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_then_deltas),
        cmocka_unit_test(test_credentials_are_stable_and_open_with_the_wrapped_key),
        cmocka_unit_test(test_configs_carry_all_versions_and_sealed_secrets),
        cmocka_unit_test(test_prompts_keys_and_models_carry_what_is_theirs),
        cmocka_unit_test(test_commits_out_of_order_are_both_published),
        cmocka_unit_test(test_behind_the_horizon_gets_everything),
        cmocka_unit_test(test_large_runs_come_in_parts),
        cmocka_unit_test(test_damaged_shards_are_given_whole),
        cmocka_unit_test(test_a_group_sees_what_it_serves),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
