/* Budgets and limits that stand in the body of a key that is made: each becomes an object of its
 * own, about that key. */
#include "controlplane/api/quotas.h"

#include <stdio.h>

#include "controlplane/api/resources.h"
#include "controlplane/store/virtual_keys.h"

#define INLINE_MAX 10
#define NAME_MAX_BYTES 100

/* A member that the body has not. */
static bool with_members(struct change *key, const struct body_value *item, struct str name,
                         struct body_value *ret)
{
    struct arena *a = key->call->arena;
    char id[64];
    struct body_value *scope = arena_zalloc(a, sizeof *scope);
    struct body_value *values = arena_zalloc(a, 2 * sizeof *values);
    struct str *names = arena_zalloc(a, 2 * sizeof *names);
    *ret = *item;
    ret->items = arena_zalloc(a, (item->n + 3) * sizeof *ret->items);
    ret->names = arena_zalloc(a, (item->n + 3) * sizeof *ret->names);
    uuid_format_public("key", &key->now.v[KEY_ID].uuid, id, sizeof id);
    struct str key_id = arena_str(a, str_of(id));
    if (!scope || !values || !names || !ret->items || !ret->names || !key_id.ptr) {
        return false;
    }
    memcpy(ret->items, item->items, item->n * sizeof *item->items);
    memcpy(ret->names, item->names, item->n * sizeof *item->names);
    names[0] = STR_LIT("kind");
    values[0] = (struct body_value){.type = BODY_TEXT, .text = STR_LIT("key")};
    names[1] = STR_LIT("value");
    values[1] = (struct body_value){.type = BODY_TEXT, .text = key_id};
    *scope = (struct body_value){.type = BODY_OBJECT, .n = 2, .names = names, .items = values};
    ret->names[ret->n] = STR_LIT("scopes");
    ret->items[ret->n++] = (struct body_value){.type = BODY_ARRAY, .n = 1, .items = scope};
    if (!body_get(item, "name")) {
        ret->names[ret->n] = STR_LIT("name");
        ret->items[ret->n++] = (struct body_value){.type = BODY_TEXT, .text = name};
    }
    return true;
}

/* "app: cost per month", and a number from the second of the same on. */
static struct str derived_name(struct change *key, const struct body_value *list, size_t i)
{
    const struct body_value *metric = body_get(&list->items[i], "metric"),
                            *window = body_get(&list->items[i], "window");
    struct str m = metric ? metric->text : STR_NONE, w = window ? window->text : STR_NONE;
    unsigned same = 1;
    char tail[80], number[16] = "";
    for (size_t k = 0; k < i; k++) {
        const struct body_value *om = body_get(&list->items[k], "metric"),
                                *ow = body_get(&list->items[k], "window");
        same += str_eq(om ? om->text : STR_NONE, m) && str_eq(ow ? ow->text : STR_NONE, w);
    }
    if (same > 1) {
        (void)snprintf(number, sizeof number, " %u", same);
    }
    int n = snprintf(tail, sizeof tail, ": %.24s%s%.24s%s", m.ptr ? m.ptr : "",
                     w.len ? " per " : "", w.ptr ? w.ptr : "", number);
    struct str title = key->now.v[KEY_NAME].text;
    size_t room = NAME_MAX_BYTES - (size_t)n;
    while (title.len > room || (title.len > 0 && title.len < key->now.v[KEY_NAME].text.len &&
                                ((unsigned char)title.ptr[title.len] & 0xc0) == 0x80)) {
        title.len--;
    }
    return arena_printf(key->call->arena, "%.*s%s", STR_ARG(title), tail);
}

static bool create_list(struct change *key, const char *member, const struct resource *res,
                        enum permission needed, struct error *err)
{
    const struct body_value *list = body_get(key->body, member);
    struct body_path here = {key->at, member, 0};
    if (!list || list->type == BODY_NULL || !key->creating) {
        return true;
    }
    if (!body_array(list, INLINE_MAX, key->at, member, err)) {
        return false;
    }
    if (list->n > 0 && !call_may(key->call, needed, &key->now.v[KEY_WORKSPACE_ID].uuid)) {
        return error_set_param(err, ERR_FORBIDDEN, member, "%s: this needs the permission %s there",
                               member, permission_name(needed));
    }
    for (size_t i = 0; i < list->n; i++) {
        struct body_path at = {&here, NULL, i};
        struct body_value body;
        struct change ch;
        if (list->items[i].type != BODY_OBJECT) {
            return body_refuse(err, &at, NULL, "must be an object");
        }
        if (body_get(&list->items[i], "scopes")) {
            return body_refuse(err, &at, "scopes", "is the key itself here");
        }
        if (!with_members(key, &list->items[i], derived_name(key, list, i), &body)) {
            return error_set(err, ERR_OVERLOADED, "%s", "");
        }
        change_init(&ch, key->call, res);
        ch.body = &body;
        ch.at = &at;
        ch.owner = key->owner;
        ch.placed = true;
        ch.workspace = key->now.v[KEY_WORKSPACE_ID].uuid;
        if (!change_create(&ch, err)) {
            return false;
        }
    }
    return true;
}

bool quota_create_of_key(struct change *key, struct error *err)
{
    return create_list(key, "budgets", &budget_resource, PERMISSION_BUDGET_WRITE, err) &&
           create_list(key, "limits", &limit_resource, PERMISSION_LIMIT_WRITE, err);
}
