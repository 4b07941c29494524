/* Making many keys: each is decoded and checked as one that comes alone, then a batch is one
 * statement. */
#include "controlplane/api/key_bulk.h"

#include <stdio.h>

#include "controlplane/api/quotas.h"
#include "controlplane/api/resources.h"
#include "controlplane/store/virtual_keys.h"

struct draft {
    struct body_value body;
    struct body_path list, at;
    struct change change;
    size_t index;
};

static bool is_place(struct str name)
{
    return str_eqz(name, "workspace_id") || str_eqz(name, "workspace");
}

static void put_member(struct body_value *to, struct str name, const struct body_value *v)
{
    to->names[to->n] = name;
    to->items[to->n++] = *v;
}

/* "app-{n}" or "app": the number in its place, or behind a hyphen. */
static struct str numbered(struct arena *a, struct str name, int64_t number)
{
    static const char mark[] = "{n}";
    const char *at = name.ptr ? memmem(name.ptr, name.len, mark, sizeof mark - 1) : NULL;
    if (!at) {
        return arena_printf(a, "%.*s-%lld", STR_ARG(name), (long long)number);
    }
    size_t before = (size_t)(at - name.ptr), behind = before + sizeof mark - 1;
    return arena_printf(a, "%.*s%lld%.*s", (int)before, name.ptr, (long long)number,
                        (int)(name.len - behind), name.ptr + behind);
}

/* The template's members, but for those that the item has, and the place, which was found before.
 */
static bool merge(struct bulk *b, const struct body_value *item, size_t index,
                  struct body_value *ret, struct error *err)
{
    const struct body_value *t = b->template;
    struct arena *a = b->call.arena;
    size_t room = (t ? t->n : 0) + (item ? item->n : 0) + 1;
    *ret = (struct body_value){.type = BODY_OBJECT};
    ret->names = arena_zalloc(a, room * sizeof *ret->names);
    ret->items = arena_zalloc(a, room * sizeof *ret->items);
    if (!ret->names || !ret->items) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; t && i < t->n; i++) {
        bool named = str_eqz(t->names[i], "name") && t->items[i].type == BODY_TEXT;
        if (is_place(t->names[i]) || (item && body_get(item, t->names[i].ptr))) {
            continue;
        }
        struct body_value v = t->items[i];
        if (named) {
            v.text = numbered(a, v.text, (b->list ? 1 : b->overlap_s) + (int64_t)index);
            if (!v.text.ptr) {
                return error_set(err, ERR_OVERLOADED, "%s", "");
            }
        }
        put_member(ret, t->names[i], &v);
    }
    for (size_t i = 0; item && i < item->n; i++) {
        put_member(ret, item->names[i], &item->items[i]);
    }
    return true;
}

/* What an insert of several needs: every column that one may have. */
static void fill_defaults(struct object *o)
{
    static const int lists[] = {KEY_MODELS, KEY_PROVIDERS};
    static const int empty[] = {
        KEY_TAGS,     KEY_ENDPOINTS,        KEY_CONFIGS, KEY_MCP_TOOLS, KEY_ADMIN_PERMISSIONS,
        KEY_IP_ALLOW, KEY_REQUIRED_METADATA};
    static const int nulls[] = {KEY_USER_ID,    KEY_TEAM_ID, KEY_SERVICE_ACCOUNT_ID,
                                KEY_EXPIRES_AT, KEY_CONFIG,  KEY_CREATED_BY};
    static struct str any[] = {{"*", 1}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (o->v[lists[i]].state == OBJECT_UNSET) {
            o->v[lists[i]] = (struct object_value){.state = OBJECT_SET, .list = any, .n = 1};
        }
    }
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        if (o->v[empty[i]].state == OBJECT_UNSET) {
            o->v[empty[i]] = (struct object_value){.state = OBJECT_SET};
        }
    }
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++) {
        if (o->v[nulls[i]].state == OBJECT_UNSET) {
            object_set_null(&o->v[nulls[i]]);
        }
    }
    if (o->v[KEY_METADATA].state == OBJECT_UNSET) {
        object_set_text(&o->v[KEY_METADATA], STR_LIT("{}"));
    }
    if (o->v[KEY_PRICE_GROUP].state == OBJECT_UNSET) {
        object_set_text(&o->v[KEY_PRICE_GROUP], STR_LIT(""));
    }
    if (o->v[KEY_DISABLED].state == OBJECT_UNSET) {
        object_set_bool(&o->v[KEY_DISABLED], false);
    }
    if (o->v[KEY_CONFIG_LOCKED].state == OBJECT_UNSET) {
        object_set_bool(&o->v[KEY_CONFIG_LOCKED], false);
    }
}

static bool prepare(struct bulk *b, struct draft *d, struct error *err)
{
    struct change *ch = &d->change;
    struct uuid id = uuid_v7();
    const struct body_value *item = b->list ? &b->list->items[d->index] : NULL;
    d->list = (struct body_path){NULL, b->list ? "keys" : "template", 0};
    d->at = (struct body_path){&d->list, NULL, d->index};
    const struct body_path *at = b->list ? &d->at : &d->list;
    if (item && item->type != BODY_OBJECT) {
        return body_refuse(err, at, NULL, "must be an object");
    }
    if (!merge(b, item, d->index, &d->body, err)) {
        return false;
    }
    change_init(ch, &b->call, &key_resource);
    ch->creating = true;
    ch->body = &d->body;
    ch->at = at;
    ch->extra = b->memo;
    bool own = body_get(&d->body, "workspace_id") || body_get(&d->body, "workspace");
    if (b->placed && !own) {
        object_set_uuid(&ch->now.v[KEY_WORKSPACE_ID], &b->workspace);
    }
    if (!change_decode(ch, err)) {
        return false;
    }
    object_set_uuid(&ch->now.v[KEY_ID], &id);
    object_set_uuid(&ch->now.v[KEY_ORGANIZATION_ID], &b->call.organization);
    object_set_text(&ch->now.v[KEY_OWNED_BY], str_of(ch->owner));
    /* for the place only: a key in a bulk may hold budgets, as one that comes alone */
    if (!key_prepare_placed(ch, b->placed && !own, err)) {
        return false;
    }
    struct uuid workspace = resource_workspace(&key_resource, &ch->now);
    if (!permission_scope_covers(&b->call.scope, &workspace)) {
        return error_set(err, ERR_FORBIDDEN, "this needs the permission %s there",
                         permission_name(PERMISSION_KEY_WRITE));
    }
    fill_defaults(&ch->now);
    return true;
}

/* A fault of what was given is that item's; one of ours ends the batch. */
static bool is_ours(const struct error *err)
{
    return err->code == ERR_DATABASE || err->code == ERR_INTERNAL || err->code == ERR_OVERLOADED;
}

static bool finish(struct bulk *b, struct draft *drafts, const struct object *rows, size_t n,
                   const bool *made, struct json_writer *lines, struct error *err)
{
    struct object *kept = arena_alloc(b->call.arena, (n + 1) * sizeof *kept);
    size_t n_kept = 0;
    if (!kept) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < n; i++) {
        struct error taken = ERROR_INIT;
        if (!made[i]) {
            (void)body_refuse(&taken, drafts[i].change.at, "name",
                              "or secret is taken by another key");
            taken.code = ERR_CONFLICT;
            bulk_put_error(lines, drafts[i].index, NULL, &taken);
            b->failed++;
            continue;
        }
        if (!quota_create_of_key(&drafts[i].change, err)) {
            return false;
        }
        tx_change(b->call.tx, key_resource.change_kind, &b->call.organization,
                  &rows[i].v[KEY_ID].uuid, false);
        bulk_put_line(lines, drafts[i].index, &rows[i], "created", drafts[i].change.secret);
        b->succeeded++;
        kept[n_kept++] = rows[i];
    }
    return bulk_audit(b, "key.bulk_create", kept, n_kept, b->template, err);
}

bool bulk_create_batch(struct bulk *b, struct json_writer *lines, struct error *err)
{
    size_t end = b->total - b->at > KEY_BULK_BATCH ? b->at + KEY_BULK_BATCH : b->total, n = 0;
    struct arena *a = b->call.arena;
    struct draft *drafts = arena_zalloc(a, (end - b->at + 1) * sizeof *drafts);
    struct object *rows = arena_alloc(a, (end - b->at + 1) * sizeof *rows);
    bool *made = arena_zalloc(a, (end - b->at + 1) * sizeof *made);
    if (!drafts || !rows || !made) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (; b->at < end; b->at++) {
        struct error wrong = ERROR_INIT;
        drafts[n].index = b->at;
        if (prepare(b, &drafts[n], &wrong)) {
            rows[n] = drafts[n].change.now;
            n++;
            continue;
        }
        if (is_ours(&wrong)) {
            *err = wrong;
            return false;
        }
        bulk_put_error(lines, b->at, NULL, &wrong);
        b->failed++;
    }
    b->over = b->at == b->total;
    return object_insert_many(b->call.tx, &virtual_keys_table, rows, n, a, made, err) &&
           finish(b, drafts, rows, n, made, lines, err);
}
