/* See provider_settings.h. */
#include "controlplane/api/provider_settings.h"

#include "common/base/buffer.h"
#include "common/json.h"
#include "common/rules/health_check.h"
#include "common/rules/provider.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/providers.h"

#define TEXT_MAX 1024
#define HEADER_NAME_MAX 256
#define OBJECT_ITEMS_MAX 64
#define SETTINGS_MAX (64u << 10)

static struct str column_text(const struct change *ch, int column)
{
    const struct object_value *now = &ch->now.v[column], *before = &ch->before.v[column];
    if (object_is_set(now)) {
        return now->text;
    }
    return !ch->creating && !ch->whole && object_is_set(before) ? before->text : STR_LIT("");
}

static const struct provider_row *row_of(const struct change *ch)
{
    return provider_row_named(column_text(ch, PROVIDER_KIND));
}

static bool kind_changes(const struct change *ch)
{
    const struct object_value *kind = &ch->now.v[PROVIDER_KIND];
    return !ch->creating && object_is_set(kind) &&
           !str_eq(kind->text, ch->before.v[PROVIDER_KIND].text);
}

/* ---- settings that are shown ---- */

/* Fields that frame the message or say where it goes. */
static bool is_own_header(struct str name)
{
    static const char *const own[] = {
        "host",    "content-length", "transfer-encoding", "connection", "te",
        "trailer", "keep-alive",     "proxy-connection",  "upgrade",    "expect",
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (str_eq_nocase(name, str_of(own[i]))) {
            return true;
        }
    }
    return false;
}

/* A token of RFC 9110. */
static bool is_header_name(struct str s)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && !(c && strchr(marks, c))) {
            return false;
        }
    }
    return s.len > 0 && s.len <= HEADER_NAME_MAX;
}

/* One member of `headers`, `rename_params`, or one item of `drop_params` (name "": items have
 * none). */
static bool check_item(const struct provider_setting *s, struct str name,
                       const struct body_value *v, const struct body_path *at, struct error *err)
{
    bool header = str_eqz(STR_LIT("headers"), s->name), list = name.ptr == NULL;
    struct str text;
    const char *wrong;
    if (header && !is_header_name(name)) {
        return body_refuse(err, at, NULL, "hold a name that is none of a header");
    }
    if (header && is_own_header(name)) {
        return body_refuse(err, at, name.ptr, "is Weir's to set");
    }
    if (!list && (name.len == 0 || name.len > TEXT_MAX)) {
        return body_refuse(err, at, NULL, "hold a name that is empty or too long");
    }
    if (!body_text(v, 1, TEXT_MAX, at, list ? NULL : name.ptr, &text, err)) {
        return false;
    }
    wrong = header ? validate_secret(text) : NULL;
    return !wrong || body_refuse(err, at, name.ptr, "%s", wrong);
}

static bool put_items(const struct body_path *at, const struct provider_setting *s,
                      const struct body_value *v, struct json_writer *w, struct error *err)
{
    bool list = str_eqz(STR_LIT("drop_params"), s->name);
    struct body_path here = {at, s->name, 0};
    if (v->type != (list ? BODY_ARRAY : BODY_OBJECT) || v->n > OBJECT_ITEMS_MAX) {
        return body_refuse(err, at, s->name, "must be %s of at most %d texts",
                           list ? "an array" : "an object", OBJECT_ITEMS_MAX);
    }
    if (list) {
        json_array_begin(w);
    } else {
        json_object_begin(w);
    }
    for (size_t i = 0; i < v->n; i++) {
        struct body_path item = {&here, NULL, i};
        if (!check_item(s, list ? STR_NONE : v->names[i], &v->items[i], list ? &item : &here,
                        err)) {
            return false;
        }
        if (!list) {
            json_name(w, v->names[i].ptr);
        }
        json_put_str(w, v->items[i].text);
    }
    if (list) {
        json_array_end(w);
    } else {
        json_object_end(w);
    }
    return true;
}

static bool put_setting(const struct body_path *at, const struct provider_setting *s,
                        const struct body_value *v, struct json_writer *w, struct error *err)
{
    struct str text;
    const char *wrong;
    if (v->type == BODY_NULL) {
        return true;
    }
    if (s->object) {
        json_name(w, s->name);
        return put_items(at, s, v, w, err);
    }
    if (!body_text(v, 1, TEXT_MAX, at, s->name, &text, err)) {
        return false;
    }
    if ((wrong = validate_secret(text)) != NULL) {
        return body_refuse(err, at, s->name, "%s", wrong);
    }
    json_field_str(w, s->name, text);
    return true;
}

/* `health_check`, as it was given; false and null: none. */
static bool put_health_check(const struct body_path *at, const struct body_value *v,
                             struct json_writer *w, struct error *err)
{
    struct health_check ignored;
    struct error why = ERROR_INIT;
    bool on = v->type == BODY_BOOL && v->boolean;
    if (v->type == BODY_NULL || (v->type == BODY_BOOL && !on)) {
        return true;
    }
    if (!on && v->type != BODY_OBJECT) {
        return body_refuse(err, at, "health_check", "must be an object, true or false");
    }
    struct str json = on ? STR_LIT("{}") : v->text;
    if (!health_check_read(json, true, &ignored, &why)) {
        struct body_path here = {at, "health_check", 0};
        return body_refuse(err, &here, NULL, "%s", error_text(&why));
    }
    json_name(w, "health_check");
    json_put_raw(w, json);
    return true;
}

/* What the body says of a setting: flat, or inside its `settings` (*ret_inside). */
static const struct body_value *given(const struct change *ch, const char *name, bool *ret_inside)
{
    const struct body_value *flat = body_get(ch->body, name),
                            *settings = body_get(ch->body, "settings");
    *ret_inside = !flat && settings && settings->type == BODY_OBJECT;
    return *ret_inside ? body_get(settings, name) : flat;
}

/* A member of the settings as they stood, unless the body says something else of it, or the kind
 * does not know it. */
static void keep_member(const struct change *ch, const struct provider_row *row,
                        struct json_value name, struct json_value value, struct json_writer *w)
{
    struct str text = name.escaped ? STR_NONE : json_text(name);
    const struct provider_setting *s = provider_setting_named(text);
    char z[64];
    if (!text.ptr || text.len >= sizeof(z) || (s && !provider_setting_applies(s, row))) {
        return;
    }
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    bool inside;
    if ((s || str_eqz(text, "health_check")) && given(ch, z, &inside)) {
        return;
    }
    json_name(w, z);
    json_put_raw(w, value.raw);
}

static bool merge(struct change *ch, const struct provider_row *row, struct str base,
                  struct json_writer *w, struct error *err)
{
    struct json_value object = {.type = JSON_OBJECT, .raw = base}, name, value;
    size_t pos = 0, n;
    const struct provider_setting *all = provider_settings(&n);
    struct body_path inside = {ch->at, "settings", 0};
    json_object_begin(w);
    while (base.len && json_next(object, &pos, &name, &value)) {
        keep_member(ch, row, name, value, w);
    }
    for (size_t i = 0; i < n; i++) {
        bool is_inside;
        const struct body_value *v = given(ch, all[i].name, &is_inside);
        const struct body_path *at = is_inside ? &inside : ch->at;
        if (v && !provider_setting_applies(&all[i], row)) {
            return body_refuse(err, at, all[i].name, "is no setting of kind \"%s\"", row->name);
        }
        if (v && !all[i].secret && !put_setting(at, &all[i], v, w, err)) {
            return false;
        }
    }
    bool is_inside;
    const struct body_value *v = given(ch, "health_check", &is_inside);
    if (v && !put_health_check(is_inside ? &inside : ch->at, v, w, err)) {
        return false;
    }
    json_object_end(w);
    return true;
}

/* What a body gives as `settings` may hold the same names: they are told apart by the table. */
static bool no_secrets_in_settings(const struct change *ch, struct str settings, struct error *err)
{
    struct json_value object = {.type = JSON_OBJECT, .raw = settings}, name, value;
    struct body_path at = {ch->at, "settings", 0};
    size_t pos = 0;
    while (settings.len && json_next(object, &pos, &name, &value)) {
        const struct provider_setting *s =
            name.escaped ? NULL : provider_setting_named(json_text(name));
        bool keys = json_text_eq(name, STR_LIT("api_keys"));
        if (keys || (s && s->secret)) {
            return body_refuse(err, &at, keys ? "api_keys" : s->name,
                               "is a secret: give it beside api_key");
        }
    }
    return true;
}

bool provider_settings_take(struct change *ch, struct error *err)
{
    struct object_value *kind = &ch->now.v[PROVIDER_KIND],
                        *settings = &ch->now.v[PROVIDER_SETTINGS];
    struct buffer out;
    struct json_writer w;
    if (object_is_set(kind) && provider_row_named(kind->text)) {
        object_set_text(kind, str_of(provider_row_named(kind->text)->name));
    }
    const struct provider_row *row = row_of(ch);
    if (!row) {
        return body_refuse(err, ch->at, "kind", "is not one that is known");
    }
    struct str base = kind_changes(ch) && !body_get(ch->body, "settings")
                          ? STR_LIT("")
                          : column_text(ch, PROVIDER_SETTINGS);
    if (!no_secrets_in_settings(ch, base, err)) {
        return false;
    }
    buffer_init(&out, SETTINGS_MAX);
    json_writer_init(&w, &out);
    bool ok = merge(ch, row, base, &w, err);
    if (ok) {
        struct str text = out.failed ? STR_NONE : arena_str(ch->call->arena, buffer_str(&out));
        object_set_text(settings, text);
        ok = text.ptr || body_refuse(err, ch->at, "settings", "are too large");
    }
    buffer_release(&out);
    return ok;
}

struct str provider_settings_get(const struct change *ch, struct str name)
{
    struct json_member m = {.name = name};
    struct str settings = column_text(ch, PROVIDER_SETTINGS);
    if (!json_scan(settings, &m, 1, 0, NULL) || !m.found || m.value.type != JSON_STRING) {
        return STR_NONE;
    }
    size_t len = 0;
    char *text = arena_alloc(ch->call->arena, m.value.raw.len);
    return text && json_unescape(m.value, text, m.value.raw.len, &len) ? (struct str){text, len}
                                                                       : STR_NONE;
}

static struct str get_setting(void *arg, struct str name)
{
    return provider_settings_get(arg, name);
}

bool provider_settings_check(struct change *ch, struct error *err)
{
    const struct provider_row *row = row_of(ch);
    struct provider_endpoint list[API_COUNT];
    struct str unknown, name, dialect = provider_settings_get(ch, STR_LIT("dialect"));
    enum provider_auth auth;
    const char *missing =
        provider_missing(provider_row_at(row, provider_settings_get(ch, STR_LIT("api_version"))),
                         column_text(ch, PROVIDER_BASE_URL), get_setting, ch);
    if (missing) {
        return body_refuse(err, ch->at, missing, "is required for kind \"%s\"", row->name);
    }
    if (dialect.len && provider_dialect_endpoints(dialect, list, &unknown) == 0) {
        return body_refuse(err, ch->at, "dialect", "names no operation or dialect: \"%.*s\"",
                           STR_ARG(str_slice(unknown, 0, 60)));
    }
    return provider_auth_parse(provider_settings_get(ch, STR_LIT("auth")), &auth, &name) ||
           body_refuse(err, ch->at, "auth", "must be bearer, none, header:NAME or query:NAME");
}

/* ---- showing ---- */

void provider_settings_show(struct json_writer *w, const struct object *row, bool rest)
{
    struct json_value object = {.type = JSON_OBJECT, .raw = row->v[PROVIDER_SETTINGS].text}, name,
                      value;
    size_t n, pos = 0, n_rest = 0;
    const struct provider_setting *all = provider_settings(&n);
    for (size_t i = 0; i < n; i++) {
        struct json_member m = {.name = str_of(all[i].name)};
        if (!all[i].secret && json_members(object, &m, 1, NULL) && m.found) {
            json_name(w, all[i].name);
            json_put_raw(w, m.value.raw);
        }
    }
    struct json_member check = {.name = STR_LIT("health_check")};
    if (json_members(object, &check, 1, NULL) && check.found) {
        json_name(w, "health_check");
        json_put_raw(w, check.value.raw);
    }
    while (rest && json_next(object, &pos, &name, &value)) {
        if (json_text_eq(name, STR_LIT("health_check")) || name.escaped ||
            provider_setting_named(json_text(name))) {
            continue;
        }
        if (n_rest++ == 0) {
            json_name(w, "settings");
            json_object_begin(w);
        }
        char z[64];
        struct str text = str_slice(json_text(name), 0, sizeof(z) - 1);
        memcpy(z, text.ptr, text.len);
        z[text.len] = '\0';
        json_name(w, z);
        json_put_raw(w, value.raw);
    }
    if (n_rest) {
        json_object_end(w);
    }
}

static void put_words(struct json_writer *w, const char *name, const char *list)
{
    const char *p = list ? list : "";
    json_name(w, name);
    json_array_begin(w);
    while (*p) {
        size_t len = strcspn(p, " ");
        if (len) {
            json_put_str(w, (struct str){p, len});
        }
        p += len + (p[len] == ' ');
    }
    json_array_end(w);
}

/* Every setting but one has a value. */
static struct str all_but(void *arg, struct str name)
{
    return str_eqz(name, arg) ? STR_NONE : STR_LIT("x");
}

/* A provider of this kind, at the kind's own base URL where it has one, is refused without it. */
static bool is_required(const struct provider_row *row, const struct provider_setting *s)
{
    struct str url = row->base_url[0] ? STR_LIT("") : STR_LIT("x");
    const char *missing = provider_missing(row, url, all_but, (void *)(uintptr_t)s->name);
    return missing && str_eqz(str_of(missing), s->name);
}

static void put_kind_settings(struct json_writer *w, const struct provider_row *row)
{
    size_t n;
    const struct provider_setting *all = provider_settings(&n);
    json_name(w, "settings");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        if (!provider_setting_applies(&all[i], row)) {
            continue;
        }
        json_object_begin(w);
        json_field_z(w, "name", all[i].name);
        json_field_z(w, "about", all[i].about);
        json_field_bool(w, "secret", all[i].secret);
        json_field_bool(w, "required", is_required(row, &all[i]));
        json_field_z(w, "type",
                     !all[i].object                                 ? "text"
                     : str_eqz(STR_LIT("drop_params"), all[i].name) ? "array"
                                                                    : "object");
        json_field_str(w, "default", str_of(all[i].fallback));
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_kind(struct json_writer *w, const struct provider_row *row)
{
    json_object_begin(w);
    json_field_z(w, "kind", row->name);
    json_field_z(w, "title", row->title);
    put_words(w, "aliases", row->aliases);
    json_field_z(w, "base_url", row->base_url);
    json_field_bool(w, "needs_base_url", row->base_url[0] == '\0');
    json_field_z(w, "auth", provider_auth_name(row->auth));
    json_name(w, "endpoints");
    json_array_begin(w);
    for (size_t i = 0; i < row->n_endpoints; i++) {
        json_put_z(w, provider_api_name(row->endpoints[i].api));
    }
    json_array_end(w);
    put_kind_settings(w, row);
    json_field_z(w, "docs", row->docs);
    json_object_end(w);
}

bool provider_kinds_call(struct call *c, struct error *err)
{
    size_t n;
    const struct provider_row *rows = provider_rows(&n);
    (void)err;
    json_object_begin(&c->json);
    json_name(&c->json, "data");
    json_array_begin(&c->json);
    for (size_t i = 0; i < n; i++) {
        put_kind(&c->json, &rows[i]);
    }
    json_array_end(&c->json);
    json_object_end(&c->json);
    return true;
}
