/* What is done to one virtual key besides changing its members: revoke, block, rotate. All of it
 * may be done to keys that a file owns: it is what one does in a hurry. */
#include "controlplane/api/keys.h"

#include "common/base/clock.h"
#include "controlplane/api/resources.h"
#include "controlplane/store/quota_rows.h"
#include "controlplane/store/virtual_keys.h"

/* The key of the path, under lock, where the actor may write it. */
static bool find(struct change *ch, struct error *err)
{
    struct call *c = ch->call;
    if (!resource_find(c, &key_resource, &c->id, true, &ch->before, err) ||
        !call_check_revision(c, (uint64_t)ch->before.v[KEY_REVISION].integer, err)) {
        return false;
    }
    return permission_scope_covers(&c->scope, &ch->before.v[KEY_WORKSPACE_ID].uuid) ||
           error_set(err, ERR_FORBIDDEN, "this needs the permission %s there",
                     permission_name(c->route->permission));
}

static bool finish(struct change *ch, const char *action, bool gone, struct error *err)
{
    struct call *c = ch->call;
    if (action && (!object_update(c->tx, &virtual_keys_table, &c->id, &ch->now, c->arena, err) ||
                   !change_note(ch, action, gone, err))) {
        return false;
    }
    c->revision = (uint64_t)ch->now.v[KEY_REVISION].integer;
    return resource_show(c, &key_resource, &ch->now, ch->secret, &c->json, err);
}

bool key_drop_quotas(struct call *c, const struct uuid *ids, size_t n, struct error *err)
{
    static const struct resource *const of_keys[] = {&budget_resource, &limit_resource};
    for (size_t i = 0; i < sizeof of_keys / sizeof of_keys[0]; i++) {
        if (!quotas_drop_of_keys(c->tx, of_keys[i]->table, of_keys[i]->change_kind,
                                 &c->organization, ids, n, c->arena, err)) {
            return false;
        }
    }
    return true;
}

bool key_revoke_call(struct call *c, struct error *err)
{
    struct change ch;
    change_init(&ch, c, &key_resource);
    if (!find(&ch, err)) {
        return false;
    }
    if (object_is_set(&ch.before.v[KEY_REVOKED_AT])) {
        ch.now = ch.before; /* revoked before: the same answer again */
        return finish(&ch, NULL, false, err);
    }
    object_set_i64(&ch.now.v[KEY_REVOKED_AT], (int64_t)clock_wall_ms());
    return key_drop_quotas(c, &c->id, 1, err) && finish(&ch, "key.revoke", true, err);
}

static bool set_blocked(struct call *c, bool blocked, struct error *err)
{
    struct change ch;
    change_init(&ch, c, &key_resource);
    if (!find(&ch, err)) {
        return false;
    }
    if (object_is_set(&ch.before.v[KEY_REVOKED_AT])) {
        return error_set(err, ERR_CONFLICT, "key was revoked");
    }
    if ((ch.before.v[KEY_DISABLED].integer != 0) == blocked) {
        ch.now = ch.before;
        return finish(&ch, NULL, false, err);
    }
    object_set_bool(&ch.now.v[KEY_DISABLED], blocked);
    return finish(&ch, blocked ? "key.block" : "key.unblock", false, err);
}

bool key_block_call(struct call *c, struct error *err)
{
    return set_blocked(c, true, err);
}

bool key_unblock_call(struct call *c, struct error *err)
{
    return set_blocked(c, false, err);
}

void key_keep_former(const struct object *before, struct object *now, int64_t overlap_s,
                     uint64_t now_ms)
{
    if (overlap_s > 0) {
        object_set_text(&now->v[KEY_FORMER_HASH], before->v[KEY_SECRET_HASH].text);
        object_set_i64(&now->v[KEY_FORMER_EXPIRES_AT], (int64_t)now_ms + overlap_s * 1000);
    } else {
        object_set_null(&now->v[KEY_FORMER_HASH]);
        object_set_null(&now->v[KEY_FORMER_EXPIRES_AT]);
    }
    object_set_i64(&now->v[KEY_ROTATED_AT], (int64_t)now_ms);
}

bool key_read_overlap(const struct body_value *body, int64_t *ret, struct error *err)
{
    const struct body_value *v = body_get(body, "overlap_s");
    *ret = KEY_OVERLAP_DEFAULT_S;
    return !v || v->type == BODY_NULL ||
           body_integer(v, 0, KEY_OVERLAP_MAX_S, NULL, "overlap_s", ret, err);
}

bool key_rotate_call(struct call *c, struct error *err)
{
    static const char *const names[] = {"overlap_s", NULL};
    struct change ch;
    int64_t overlap_s;
    change_init(&ch, c, &key_resource);
    if ((c->body.type == BODY_OBJECT && !body_known(&c->body, names, NULL, err)) ||
        !key_read_overlap(&c->body, &overlap_s, err) || !find(&ch, err)) {
        return false;
    }
    if (object_is_set(&ch.before.v[KEY_REVOKED_AT])) {
        return error_set(err, ERR_CONFLICT, "key was revoked");
    }
    if (!key_permissions_held(c, &ch.before, err)) {
        return false;
    }
    key_keep_former(&ch.before, &ch.now, overlap_s, clock_wall_ms());
    return key_mint(c, &ch.now, &ch.secret, err) && finish(&ch, "key.rotate", false, err);
}
