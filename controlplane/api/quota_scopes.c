/* Scopes of budgets and limits: people write names or public ids, the database and the data planes
 * hold ids as 32 hex digits, and answers show public ids with their names. */
#include "controlplane/api/quotas.h"

#include "common/crypto.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/quota_scopes.h"

#define NAMES_PER_KIND 1024

bool quota_scopes_read(const struct change *ch, const struct body_value *v,
                       struct quota_scope_text **ret, size_t *ret_n, struct error *err)
{
    /* value_name is what answers show; it may come back and says nothing */
    static const char *const names[] = {"kind", "name", "value", "value_name", NULL};
    struct body_path here = {ch->at, "scopes", 0};
    if (!body_array(v, QUOTA_SCOPES_MAX, ch->at, "scopes", err)) {
        return false;
    }
    struct quota_scope_text *list = arena_zalloc(ch->call->arena, (v->n + 1) * sizeof *list);
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < v->n; i++) {
        struct body_path at = {&here, NULL, i};
        const struct body_value *item = &v->items[i];
        struct str *const room[] = {&list[i].kind, &list[i].name, &list[i].value};
        if (item->type != BODY_OBJECT) {
            return body_refuse(err, &at, NULL, "must be an object {kind, value}");
        }
        if (!body_known(item, names, &at, err)) {
            return false;
        }
        for (size_t k = 0; k < sizeof room / sizeof room[0]; k++) {
            const struct body_value *m = body_get(item, names[k]);
            if (m && m->type != BODY_NULL &&
                !body_text(m, 0, QUOTA_SCOPE_VALUE_MAX, &at, names[k], room[k], err)) {
                return false;
            }
        }
    }
    *ret = list;
    *ret_n = v->n;
    return true;
}

static struct str unescaped(struct json_value v, struct arena *a)
{
    char *text = arena_alloc(a, v.raw.len + 1);
    size_t len = 0;
    if (!text || !json_unescape(v, text, v.raw.len, &len)) {
        return STR_NONE;
    }
    text[len] = '\0';
    return (struct str){text, len};
}

bool quota_scopes_parse(struct str json, struct arena *a, struct quota_scope_text **ret,
                        size_t *ret_n, struct error *err)
{
    struct json_value array, item, name, value;
    struct quota_scope_text *list = arena_zalloc(a, QUOTA_SCOPES_MAX * sizeof *list);
    size_t pos = 0, n = 0;
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!json_validate(json, 0, &array, err)) {
        return error_set(err, ERR_INTERNAL, "stored scopes cannot be read");
    }
    while (n < QUOTA_SCOPES_MAX && json_next(array, &pos, NULL, &item)) {
        size_t at = 0;
        while (json_next(item, &at, &name, &value)) {
            struct str text = unescaped(value, a);
            if (json_text_eq(name, STR_LIT("kind"))) {
                list[n].kind = text;
            } else if (json_text_eq(name, STR_LIT("name"))) {
                list[n].name = text;
            } else if (json_text_eq(name, STR_LIT("value"))) {
                list[n].value = text;
            }
        }
        n++;
    }
    *ret = list;
    *ret_n = n;
    return true;
}

static bool parse_hex_id(struct str s, struct uuid *ret)
{
    for (size_t i = 0; s.len == 32 && i < 16; i++) {
        int high = str_hex_digit(s.ptr[2 * i]), low = str_hex_digit(s.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret->b[i] = (uint8_t)(high << 4 | low);
    }
    return s.len == 32;
}

static struct str hex_id(struct arena *a, const struct uuid *id)
{
    char hex[33];
    crypto_hex(id->b, sizeof id->b, hex);
    return arena_str(a, str_of(hex));
}

/* --- into what is stored --- */

struct resolving {
    struct change *ch;
    const struct uuid *workspace; /* of the budget; nil: the organization's */
    struct body_path at;
};

static bool find_target(struct resolving *r, enum quota_scope kind, struct str text,
                        struct scope_target *ret, struct error *err)
{
    struct call *c = r->ch->call;
    const char *prefix = quota_scope_prefix(kind);
    static const struct uuid any;
    struct uuid id;
    /* of a workspace's budget: another workspace's is told apart from what is not there */
    const struct uuid *where = uuid_parse_public(prefix, text, &id) ? &any : r->workspace;
    if (!quota_scope_find(c->tx, kind, &c->organization, where, text, c->arena, ret, err)) {
        if (err->code == ERR_CONFLICT) {
            return body_refuse(err, &r->at, "value", "names several: give the id (%s_...)", prefix);
        }
        return err->code == ERR_NOT_FOUND
                   ? body_refuse(err, &r->at, "value", "names no %s: \"%.*s\"",
                                 quota_scope_name(kind), (int)(text.len > 80 ? 80 : text.len),
                                 text.ptr)
                   : false;
    }
    if (!uuid_is_nil(r->workspace) && !uuid_is_nil(&ret->workspace) &&
        !uuid_eq(r->workspace, &ret->workspace)) {
        return body_refuse(err, &r->at, "value", "names no %s of this workspace: \"%.*s\"",
                           quota_scope_name(kind), (int)(text.len > 80 ? 80 : text.len), text.ptr);
    }
    return true;
}

static bool resolve_organization(struct resolving *r, struct str text, struct str *ret,
                                 struct error *err)
{
    struct call *c = r->ch->call;
    struct uuid id;
    bool own = text.len == 0 || str_eqz(text, "*") ||
               (uuid_parse_public("org", text, &id) && uuid_eq(&id, &c->organization));
    *ret = hex_id(c->arena, &c->organization);
    return own || body_refuse(err, &r->at, "value", "must be the organization itself");
}

static bool resolve_value(struct resolving *r, enum quota_scope kind, struct str text,
                          struct str *ret, struct uuid *ret_key, struct error *err)
{
    struct scope_target target;
    const char *wrong;
    bool pattern = memchr(text.ptr ? text.ptr : "", '*', text.len) != NULL;
    *ret = text;
    if (kind == SCOPE_ORGANIZATION) {
        return resolve_organization(r, text, ret, err);
    }
    if (str_eqz(text, "*")) {
        return true;
    }
    if (kind == SCOPE_MODEL || (kind == SCOPE_PROVIDER && pattern)) {
        wrong = validate_pattern(text);
        return !wrong || body_refuse(err, &r->at, "value", "%s", wrong);
    }
    if (!quota_scope_prefix(kind)) {
        return true;
    }
    if (!find_target(r, kind, text, &target, err)) {
        return false;
    }
    if (kind == SCOPE_KEY) {
        *ret_key = target.id;
    }
    /* a provider's name is a pattern: a workspace's own one of that name is meant as well */
    if (kind != SCOPE_PROVIDER || str_starts(text, STR_LIT("prov_"))) {
        *ret = hex_id(r->ch->call->arena, &target.id);
    }
    return true;
}

bool quota_scopes_resolve(struct change *ch, const struct uuid *workspace,
                          const struct quota_scope_text *list, size_t n, struct str *ret_json,
                          struct uuid *ret_key, struct error *err)
{
    struct body_path here = {ch->at, "scopes", 0};
    struct resolving r = {.ch = ch, .workspace = workspace};
    struct buffer b;
    struct json_writer w;
    struct uuid key = {{0}};
    bool ok = true;
    buffer_init(&b, 8192);
    json_writer_init(&w, &b);
    json_array_begin(&w);
    for (size_t i = 0; ok && i < n; i++) {
        struct str value = STR_NONE;
        r.at = (struct body_path){&here, NULL, i};
        ok = resolve_value(&r, quota_scope_named(list[i].kind), list[i].value, &value, &key, err);
        json_object_begin(&w);
        json_field_str(&w, "kind", list[i].kind);
        json_field_str(&w, "name", list[i].name.ptr ? list[i].name : STR_LIT(""));
        json_field_str(&w, "value", value.ptr ? value : STR_LIT(""));
        json_object_end(&w);
    }
    json_array_end(&w);
    *ret_json = ok && !b.failed ? arena_str(ch->call->arena, buffer_str(&b)) : STR_NONE;
    buffer_release(&b);
    *ret_key = n == 1 ? key : (struct uuid){{0}};
    return ok && (ret_json->ptr || error_set(err, ERR_OVERLOADED, "%s", ""));
}

/* --- shown --- */

struct quota_scope_names {
    struct scope_target *targets[SCOPE_COUNT];
    size_t n[SCOPE_COUNT];
};

static void gather(struct quota_scope_names *names, const struct quota_scope_text *s)
{
    enum quota_scope kind = quota_scope_named(s->kind);
    struct uuid id;
    if (!quota_scope_prefix(kind) || !parse_hex_id(s->value, &id) ||
        names->n[kind] == NAMES_PER_KIND) {
        return;
    }
    for (size_t i = 0; i < names->n[kind]; i++) {
        if (uuid_eq(&names->targets[kind][i].id, &id)) {
            return;
        }
    }
    names->targets[kind][names->n[kind]++] = (struct scope_target){.id = id};
}

bool quota_scopes_load(struct call *c, const struct object *rows, size_t n, int column,
                       struct quota_scope_names **ret, struct error *err)
{
    struct quota_scope_names *names = arena_zalloc(c->arena, sizeof *names);
    struct quota_scope_text *list;
    size_t count;
    for (int k = 0; names && k < SCOPE_COUNT; k++) {
        size_t room = n * QUOTA_SCOPES_MAX + 1;
        names->targets[k] = arena_zalloc(c->arena, (room < NAMES_PER_KIND ? room : NAMES_PER_KIND) *
                                                       sizeof *names->targets[k]);
        if (!names->targets[k]) {
            names = NULL;
        }
    }
    if (!names) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < n; i++) {
        if (!quota_scopes_parse(rows[i].v[column].text, c->arena, &list, &count, err)) {
            return false;
        }
        for (size_t k = 0; k < count; k++) {
            gather(names, &list[k]);
        }
    }
    for (int k = 0; k < SCOPE_COUNT; k++) {
        if (names->n[k] > 0 && !quota_scope_names(c->tx, (enum quota_scope)k, &rows[0].v[1].uuid,
                                                  names->targets[k], names->n[k], c->arena, err)) {
            return false;
        }
    }
    *ret = names;
    return true;
}

static const struct scope_target *known_as(const struct quota_scope_names *names,
                                           enum quota_scope kind, const struct uuid *id)
{
    for (size_t i = 0; names && i < names->n[kind]; i++) {
        if (uuid_eq(&names->targets[kind][i].id, id)) {
            return &names->targets[kind][i];
        }
    }
    return NULL;
}

static void show_value(struct json_writer *w, const struct quota_scope_text *s,
                       const struct quota_scope_names *names, bool by_name)
{
    enum quota_scope kind = quota_scope_named(s->kind);
    const char *prefix = kind == SCOPE_ORGANIZATION ? "org" : quota_scope_prefix(kind);
    struct uuid id;
    char text[64];
    if (!prefix || !parse_hex_id(s->value, &id)) {
        json_field_str(w, "value", s->value);
        return;
    }
    const struct scope_target *known = known_as(names, kind, &id);
    uuid_format_public(prefix, &id, text, sizeof text);
    if (by_name) {
        json_field_str(w, "value",
                       kind == SCOPE_ORGANIZATION ? STR_LIT("*")
                       : known && known->name.ptr ? known->name
                                                  : str_of(text));
        return;
    }
    json_field_z(w, "value", text);
    if (kind != SCOPE_ORGANIZATION) {
        json_field_str(w, "value_name", known ? known->name : STR_NONE);
    }
}

void quota_scopes_show(struct json_writer *w, struct str json, struct arena *a,
                       const struct quota_scope_names *names, bool by_name)
{
    struct quota_scope_text *list;
    struct error ignored = ERROR_INIT;
    size_t n = 0;
    json_name(w, "scopes");
    json_array_begin(w);
    if (quota_scopes_parse(json, a, &list, &n, &ignored)) {
        for (size_t i = 0; i < n; i++) {
            json_object_begin(w);
            json_field_str(w, "kind", list[i].kind);
            if (list[i].name.len > 0) {
                json_field_str(w, "name", list[i].name);
            }
            show_value(w, &list[i], names, by_name);
            json_object_end(w);
        }
    }
    json_array_end(w);
}
