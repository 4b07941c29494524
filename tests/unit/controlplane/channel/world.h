/* What the channel's test programs share: a database, one running channel, planes that join it. */
#ifndef TESTS_UNIT_CONTROLPLANE_CHANNEL_WORLD_H
#define TESTS_UNIT_CONTROLPLANE_CHANNEL_WORLD_H

#include <unistd.h>

#include "controlplane/channel/plane.h"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct seal_keys *keys;
static struct channel *channel;
static struct uuid group, org, ws;

static inline struct channel *start_channel(void)
{
    struct error err = ERROR_INIT;
    struct channel_config c = {
        .pool = pool, .keys = keys, .address = "127.0.0.1", .advertise = "127.0.0.1"};
    struct channel *x = channel_start(&c, &err);
    if (!x) {
        fail_msg("channel: %s", error_text(&err));
    }
    return x;
}

static inline int setup(void **state)
{
    (void)state;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 12);
    keys = rows_seal_keys();
    assert_true(uuid_parse(STR_LIT(ROWS_GROUP), &group));
    org = rows_organization(pool, "org");
    ws = rows_workspace(pool, &org, "ws");
    channel = start_channel();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    channel_stop(channel);
    seal_keys_free(keys);
    db_pool_free(pool);
    pg_fixture_stop(&pg);
    return 0;
}

static inline void join(struct plane *p, const char *name)
{
    plane_enrol(p, channel, &group, name);
    plane_connect(p);
    plane_hello(p);
}

/* Syncs until the plane has what the channel has published; *ret_changes counts what came. */
static inline void catch_up(struct plane *p, uint64_t *have, uint8_t root[32], size_t *ret_changes)
{
    *ret_changes = 0;
    Weir__SyncRequest q = WEIR__SYNC_REQUEST__INIT;
    q.have_version = *have;
    for (;;) {
        Weir__SyncReply *r = plane_sync(p, &q);
        if (!r->part) {
            weir__sync_reply__free_unpacked(r, NULL);
            return;
        }
        *ret_changes += r->part->n_changes;
        if (r->part->last) {
            *have = r->part->to_version;
            memcpy(root, r->part->root_hash.data, 32);
            weir__sync_reply__free_unpacked(r, NULL);
            return;
        }
        q.next_part = r->part->part + 1;
        q.run_version = r->part->to_version;
        weir__sync_reply__free_unpacked(r, NULL);
    }
}

static inline void assert_code(struct plane *p, const char *code)
{
    assert_int_equal(p->e.type, ENVELOPE_ERROR);
    Weir__ErrorReply *r =
        weir__error_reply__unpack(NULL, p->e.body.len, (const uint8_t *)p->e.body.ptr);
    assert_non_null(r);
    assert_string_equal(r->code, code);
    weir__error_reply__free_unpacked(r, NULL);
}

static inline void ask(struct plane *p, struct str m)
{
    assert_int_equal(plane_ask_raw(p, p->sync, m, 10000), LINK_OK);
}

static inline void wait_for(const char *sql, int64_t want)
{
    uint64_t give_up = clock_mono_ms() + 10000;
    while (rows_count(pool, sql) != want) {
        if (clock_mono_ms() > give_up) {
            fail_msg("%s: never %lld", sql, (long long)want);
        }
        usleep(20000);
    }
}

#endif
