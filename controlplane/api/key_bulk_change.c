/* Changing many keys that are there: found by id or by a filter, a batch at a time, under lock. */
#include "controlplane/api/key_bulk.h"

#include "common/base/clock.h"
#include "common/base/map.h"
#include "controlplane/api/resources.h"
#include "controlplane/store/virtual_keys.h"

struct batch {
    struct object *rows; /* that will be changed */
    size_t n;
};

static const char *const results[BULK_ACTIONS] = {
    [BULK_UPDATE] = "updated", [BULK_ROTATE] = "rotated",    [BULK_REVOKE] = "revoked",
    [BULK_BLOCK] = "blocked",  [BULK_UNBLOCK] = "unblocked",
};
static const char *const audit_names[BULK_ACTIONS] = {
    [BULK_UPDATE] = "key.bulk_update",   [BULK_ROTATE] = "key.bulk_rotate",
    [BULK_REVOKE] = "key.bulk_revoke",   [BULK_BLOCK] = "key.bulk_block",
    [BULK_UNBLOCK] = "key.bulk_unblock",
};

static void fail_row(struct bulk *b, const struct uuid *id, enum error_code code, const char *text,
                     struct json_writer *lines)
{
    struct error err = ERROR_INIT;
    (void)error_set(&err, code, "%s", text);
    bulk_put_error(lines, SIZE_MAX, id, &err);
    b->failed++;
}

/* "id = ANY ('{...}')": our own hex digits. */
static const char *id_condition(struct bulk *b, const struct uuid *ids, size_t n)
{
    struct buffer text;
    buffer_init(&text, 64 + n * 40);
    (void)buffer_append_z(&text, "id = ANY ('{");
    for (size_t i = 0; i < n; i++) {
        char id[37];
        uuid_format(&ids[i], id);
        (void)buffer_printf(&text, "%s%s", i > 0 ? "," : "", id);
    }
    (void)buffer_append_z(&text, "}'::uuid[])");
    struct str s = text.failed ? STR_NONE : arena_str(b->call.arena, buffer_str(&text));
    buffer_release(&text);
    return s.ptr;
}

/* Those that the actor may write. */
static bool find(struct bulk *b, struct object **ret, size_t *ret_n, struct error *err)
{
    struct call *c = &b->call;
    struct object_query q = b->filter;
    size_t left = b->ids ? b->total - b->at : KEY_BULK_BATCH;
    size_t wanted = left > KEY_BULK_BATCH ? KEY_BULK_BATCH : left;
    q.organization = &c->organization;
    q.only_workspaces = !c->scope.whole;
    q.workspaces = c->scope.workspaces;
    q.n_workspaces = c->scope.n;
    q.lock = true;
    if (b->ids) {
        q.where = id_condition(b, b->ids + b->at, wanted);
        if (!q.where) {
            return error_set(err, ERR_OVERLOADED, "%s", "");
        }
    } else {
        q.where = "revoked_at IS NULL";
        q.has_after = b->has_after;
        q.after = b->after;
        q.limit = KEY_BULK_BATCH;
    }
    return object_list(c->tx, &virtual_keys_table, &q, c->arena, ret, ret_n, err);
}

/* Ids that were given and not found. */
static void tell_missing(struct bulk *b, const struct object *rows, size_t n, size_t wanted,
                         struct json_writer *lines)
{
    struct map *found = map_new();
    for (size_t i = 0; i < n; i++) {
        const struct uuid *id = &rows[i].v[KEY_ID].uuid;
        (void)map_put(found, (struct str){(const char *)id->b, 16}, (void *)(uintptr_t)id);
    }
    for (size_t i = 0; i < wanted; i++) {
        const struct uuid *id = &b->ids[b->at + i];
        if (!map_get(found, (struct str){(const char *)id->b, 16})) {
            fail_row(b, id, ERR_NOT_FOUND, "key not found", lines);
        }
    }
    map_free(found);
}

/* A key that is revoked stays so; of what a file owns only the members stand in it. */
static bool may_change(struct bulk *b, const struct object *row, struct json_writer *lines)
{
    const struct uuid *id = &row->v[KEY_ID].uuid;
    struct error err = ERROR_INIT;
    if (object_is_set(&row->v[KEY_REVOKED_AT])) {
        if (b->action == BULK_REVOKE) {
            bulk_put_line(lines, SIZE_MAX, row, results[b->action], STR_NONE);
            b->succeeded++;
        } else {
            fail_row(b, id, ERR_CONFLICT, "key was revoked", lines);
        }
        return false;
    }
    if (b->action == BULK_UPDATE && str_eqz(row->v[KEY_OWNED_BY].text, "file")) {
        fail_row(b, id, ERR_CONFLICT, "key is owned by a file: change it there and apply that",
                 lines);
        return false;
    }
    if (b->action == BULK_ROTATE && !key_permissions_held(&b->call, row, &err)) {
        bulk_put_error(lines, SIZE_MAX, id, &err);
        b->failed++;
        return false;
    }
    return true;
}

static bool rotate(struct bulk *b, struct batch *t, struct str *secrets, struct error *err)
{
    struct object *now = arena_zalloc(b->call.arena, (t->n + 1) * sizeof *now);
    uint64_t now_ms = clock_wall_ms();
    if (!now) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < t->n; i++) {
        now[i].v[KEY_ID] = t->rows[i].v[KEY_ID];
        key_keep_former(&t->rows[i], &now[i], b->overlap_s, now_ms);
        if (!key_mint(&b->call, &now[i], &secrets[i], err)) {
            return false;
        }
    }
    return object_update_each(b->call.tx, &virtual_keys_table, now, t->n, b->call.arena, err);
}

static bool set_for_all(struct bulk *b, const struct batch *t, const struct object *now,
                        struct error *err)
{
    struct uuid *ids = object_ids(t->rows, t->n, KEY_ID, b->call.arena);
    return ids ? object_update_many(b->call.tx, &virtual_keys_table, ids, t->n, now, b->call.arena,
                                    NULL, err)
               : error_set(err, ERR_OVERLOADED, "%s", "");
}

/* The patch as it comes out for each: what it says is the same, what it names is looked for in each
 * key's workspace. */
static bool update(struct bulk *b, struct batch *t, struct json_writer *lines, struct error *err)
{
    static const struct body_path at = {NULL, "patch", 0};
    struct object *now = arena_zalloc(b->call.arena, (t->n + 1) * sizeof *now);
    size_t kept = 0;
    if (!now) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < t->n; i++) {
        struct error wrong = ERROR_INIT;
        struct change ch;
        change_init(&ch, &b->call, &key_resource);
        ch.body = b->patch;
        ch.at = &at;
        ch.extra = b->memo;
        ch.before = t->rows[i];
        if (change_decode(&ch, &wrong) && key_resource.prepare(&ch, &wrong)) {
            ch.now.v[KEY_ID] = t->rows[i].v[KEY_ID];
            t->rows[kept] = t->rows[i];
            now[kept++] = ch.now;
        } else if (wrong.code == ERR_DATABASE || wrong.code == ERR_INTERNAL ||
                   wrong.code == ERR_OVERLOADED) {
            *err = wrong;
            return false;
        } else {
            bulk_put_error(lines, SIZE_MAX, &t->rows[i].v[KEY_ID].uuid, &wrong);
            b->failed++;
        }
    }
    t->n = kept;
    return object_update_each(b->call.tx, &virtual_keys_table, now, kept, b->call.arena, err);
}

static bool change(struct bulk *b, struct batch *t, struct str *secrets, struct json_writer *lines,
                   struct error *err)
{
    struct object now;
    memset(&now, 0, sizeof now);
    switch (b->action) {
    case BULK_UPDATE:
        return update(b, t, lines, err);
    case BULK_ROTATE:
        return rotate(b, t, secrets, err);
    case BULK_REVOKE: {
        struct uuid *ids = object_ids(t->rows, t->n, KEY_ID, b->call.arena);
        object_set_i64(&now.v[KEY_REVOKED_AT], (int64_t)clock_wall_ms());
        return (ids || error_set(err, ERR_OVERLOADED, "%s", "")) &&
               key_drop_quotas(&b->call, ids, t->n, err) && set_for_all(b, t, &now, err);
    }
    default:
        object_set_bool(&now.v[KEY_DISABLED], b->action == BULK_BLOCK);
        return set_for_all(b, t, &now, err);
    }
}

static bool finish(struct bulk *b, const struct batch *t, const struct str *secrets,
                   struct json_writer *lines, struct error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        tx_change(b->call.tx, key_resource.change_kind, &b->call.organization,
                  &t->rows[i].v[KEY_ID].uuid, b->action == BULK_REVOKE);
        bulk_put_line(lines, SIZE_MAX, &t->rows[i], results[b->action], secrets[i]);
    }
    b->succeeded += t->n;
    return bulk_audit(b, audit_names[b->action], t->rows, t->n, b->patch, err);
}

bool bulk_change_batch(struct bulk *b, struct json_writer *lines, struct error *err)
{
    struct object *rows;
    size_t n;
    if (!find(b, &rows, &n, err)) {
        return false;
    }
    if (b->ids) {
        size_t left = b->total - b->at, wanted = left > KEY_BULK_BATCH ? KEY_BULK_BATCH : left;
        tell_missing(b, rows, n, wanted, lines);
        b->at += wanted;
        b->over = b->at == b->total;
    } else {
        b->at += n;
        b->over = n < KEY_BULK_BATCH || b->at >= KEY_BULK_MAX;
        b->has_after = n > 0;
        b->after = n > 0 ? rows[n - 1].v[KEY_ID].uuid : b->after;
    }
    struct batch t = {.rows = rows};
    struct str *secrets = arena_zalloc(b->call.arena, (n + 1) * sizeof *secrets);
    if (!secrets) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < n; i++) {
        if (may_change(b, &rows[i], lines)) {
            t.rows[t.n++] = rows[i];
        }
    }
    return t.n == 0 || (change(b, &t, secrets, lines, err) && finish(b, &t, secrets, lines, err));
}
