/* See provider_entity.h. */
#include "dataplane/snapshot/provider_entity.h"

#include "common/base/mem.h"
#include "common/json.h"
#include "dataplane/canonical/head.h"
#include "dataplane/snapshot/base_url.h"

#define SETTINGS_MAX 64
#define HEADERS_MAX 32

struct build {
    struct snap_provider *p;
    struct arena *a;
    struct snap_setting *settings, *headers;
    struct str headers_json;            /* the setting; NULL ptr: none */
    struct str keys[PROVIDER_KEYS_MAX]; /* "api_keys" */
    size_t n_keys;
};

/* ---- secrets ---- */

struct wiped {
    void *ptr;
    size_t len;
};

static void wipe(void *arg)
{
    struct wiped *w = arg;
    explicit_bzero(w->ptr, w->len);
}

/* Room that is wiped with the arena. */
static char *secret_alloc(struct arena *a, size_t len)
{
    struct wiped *w = arena_alloc(a, sizeof(*w));
    char *room = arena_alloc(a, len + 1);
    if (w && room) {
        *w = (struct wiped){room, len};
        if (arena_on_release(a, wipe, w)) {
            return room;
        }
    }
    return NULL;
}

/* ---- settings ---- */

static void setting_put(struct build *b, struct str name, struct str value)
{
    struct snap_provider *p = b->p;
    if (value.len == 0) {
        return;
    }
    for (size_t i = 0; i < p->n_settings; i++) {
        if (str_eq(b->settings[i].name, name)) {
            b->settings[i].value = value;
            return;
        }
    }
    if (p->n_settings < SETTINGS_MAX) {
        b->settings[p->n_settings++] = (struct snap_setting){name, value};
    }
}

/* A member's text; that of numbers and the like as it is written. */
static struct str text_of(struct build *b, struct json_value v, bool secret)
{
    size_t len = 0;
    if (v.type == JSON_NULL) {
        return STR_NONE;
    }
    if (v.type != JSON_STRING) {
        return v.raw;
    }
    char *room = secret ? secret_alloc(b->a, v.raw.len) : arena_alloc(b->a, v.raw.len + 1);
    return room && json_unescape(v, room, v.raw.len, &len) ? (struct str){room, len} : STR_NONE;
}

/* What others call the same secrets: Cloudflare's stored AWS credentials. */
static struct str own_name(struct str name)
{
    static const struct {
        const char *other, *own;
    } names[] = {
        {"accessKeyId", "aws_access_key_id"},
        {"secretAccessKey", "aws_secret_access_key"},
        {"sessionToken", "aws_session_token"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eqz(name, names[i].other)) {
            return str_of(names[i].own);
        }
    }
    return name;
}

static void take_key(struct build *b, struct str key)
{
    if (key.len && b->n_keys < PROVIDER_KEYS_MAX) {
        b->keys[b->n_keys++] = key;
    }
}

/* "api_keys": a list of texts. */
static void take_keys(struct build *b, struct json_value list)
{
    struct json_value item;
    size_t pos = 0;
    b->n_keys = 0;
    while (list.type == JSON_ARRAY && json_next(list, &pos, NULL, &item)) {
        take_key(b, item.type == JSON_STRING ? str_trim(text_of(b, item, true)) : STR_NONE);
    }
}

static void take_member(struct build *b, struct str name, struct json_value v, bool secret)
{
    const struct provider_setting *s = provider_setting_named(name);
    struct snap_provider *p = b->p;
    if (s && s->object) {
        bool fits = v.type == (str_eqz(name, "drop_params") ? JSON_ARRAY : JSON_OBJECT);
        struct str *to = str_eqz(name, "headers")         ? &b->headers_json
                         : str_eqz(name, "rename_params") ? &p->rename_json
                                                          : &p->drop_json;
        if (fits) {
            *to = v.raw;
        }
        return;
    }
    if (!secret && str_eqz(name, "health_check")) {
        p->health_check_json = v.type == JSON_OBJECT ? v.raw : STR_NONE;
        return;
    }
    if (secret && str_eqz(name, "api_keys")) {
        take_keys(b, v);
        return;
    }
    struct str text = text_of(b, v, secret);
    if (secret && str_eqz(name, "api_key")) {
        p->credential = text.ptr ? text : STR_LIT("");
        return;
    }
    setting_put(b, own_name(name), text);
}

static void take_object(struct build *b, struct str json, bool secret)
{
    struct json_value object, name, value;
    size_t pos = 0;
    if (!json_validate(json, 0, &object, NULL) || object.type != JSON_OBJECT) {
        return;
    }
    while (json_next(object, &pos, &name, &value)) {
        struct str key = text_of(b, name, false);
        if (key.len) {
            take_member(b, key, value, secret);
        }
    }
}

/* Google's key file is itself an object: given as the API key, it is the service account. */
static bool is_service_account(struct str json)
{
    struct json_member wanted[] = {{.name = STR_LIT("private_key")},
                                   {.name = STR_LIT("client_email")}};
    return json_scan(json, wanted, 2, 0, NULL) && wanted[0].found && wanted[1].found;
}

static void take_credential(struct build *b, struct str credential)
{
    struct str text = str_trim(credential);
    b->p->credential = STR_LIT("");
    if (credential.len == 0) {
        return;
    }
    char *copy = secret_alloc(b->a, credential.len);
    if (!copy) {
        return;
    }
    memcpy(copy, credential.ptr, credential.len);
    text = str_trim((struct str){copy, credential.len});
    if (text.len && text.ptr[0] == '{' && is_service_account(text)) {
        setting_put(b, STR_LIT("service_account"), text);
    } else if (text.len && text.ptr[0] == '{' && json_validate(text, 0, NULL, NULL)) {
        take_object(b, text, true);
    } else {
        b->p->credential = text; /* a file's last line end is no part of a key */
    }
}

/* `api_key` and `api_keys` as one list, each key once, and never empty. */
static void list_credentials(struct build *b)
{
    struct snap_provider *p = b->p;
    struct str *list = arena_alloc(b->a, (b->n_keys + 1) * sizeof(*list));
    size_t n = 0;
    p->credentials = list ? list : &p->credential;
    p->n_credentials = 1;
    if (!list) {
        return;
    }
    if (p->credential.len || b->n_keys == 0) {
        list[n++] = p->credential;
    }
    for (size_t i = 0; i < b->n_keys; i++) {
        size_t k = 0;
        while (k < n && !str_eq(list[k], b->keys[i])) {
            k++;
        }
        if (k == n) {
            list[n++] = b->keys[i];
        }
    }
    p->credential = list[0];
    p->n_credentials = n;
}

static struct str get_setting(void *arg, struct str name)
{
    const struct snap_provider *p = arg;
    for (size_t i = 0; i < p->n_settings; i++) {
        if (str_eq(p->settings[i].name, name)) {
            return p->settings[i].value;
        }
    }
    return STR_NONE;
}

/* SigV4 names a region even where the base URL does not depend on it. */
static void default_region(struct build *b)
{
    struct snap_provider *p = b->p;
    struct str rest = p->host, part;
    if (p->row->auth != AUTH_SIGV4 || get_setting(p, STR_LIT("region")).len) {
        return;
    }
    if (str_ends(p->host, STR_LIT(".amazonaws.com")) && str_cut(rest, '.', &part, &rest) &&
        str_cut(rest, '.', &part, &rest)) {
        setting_put(b, STR_LIT("region"), part);
        return;
    }
    setting_put(b, STR_LIT("region"), STR_LIT("us-east-1"));
}

static void fallbacks(struct build *b)
{
    size_t n;
    const struct provider_setting *list = provider_settings(&n);
    for (size_t i = 0; i < n; i++) {
        if (list[i].fallback && provider_setting_applies(&list[i], b->p->row) &&
            get_setting(b->p, str_of(list[i].name)).len == 0) {
            setting_put(b, str_of(list[i].name), str_of(list[i].fallback));
        }
    }
}

/* ---- the row ---- */

static struct provider_row *row_copy(struct build *b)
{
    struct provider_row *row = arena_alloc(b->a, sizeof(*row));
    if (row) {
        *row = *b->p->row;
        b->p->row = row;
    }
    return row;
}

/* A custom provider is its own row. */
static void custom_row(struct build *b)
{
    struct str dialect = get_setting(b->p, STR_LIT("dialect")), unknown, name;
    struct str auth = get_setting(b->p, STR_LIT("auth"));
    struct provider_endpoint list[API_COUNT], *own;
    struct provider_row *row = dialect.len || auth.len ? row_copy(b) : NULL;
    if (!row) {
        return;
    }
    if (!provider_auth_parse(auth, &row->auth, &name)) {
        b->p->disabled = true; /* the key must not go where it does not belong */
    }
    row->auth_name = name.len ? arena_str(b->a, name).ptr : NULL;
    size_t n = dialect.len ? provider_dialect_endpoints(dialect, list, &unknown) : 0;
    if (dialect.len == 0) {
        return;
    }
    own = arena_alloc(b->a, (n + 1) * sizeof(*own));
    row->endpoints = own;
    row->n_endpoints = own ? n : 0;
    if (own) {
        memcpy(own, list, n * sizeof(*own));
    }
}

static void choose_row(struct build *b)
{
    struct snap_provider *p = b->p;
    const struct provider_row *row = provider_row_named(p->kind);
    if (!row) {
        p->needs_unknown = true; /* a kind that a newer control plane knows */
        row = provider_row_named(STR_LIT("custom"));
    }
    p->row = provider_row_at(row, get_setting(p, STR_LIT("api_version")));
    if (str_eqz(str_of(row->name), "custom")) {
        custom_row(b);
    }
}

/* ---- header fields ---- */

static void header_put(struct build *b, struct str name, struct str value)
{
    struct snap_provider *p = b->p;
    if (!provider_header_ok(name) || !head_value_ok(value)) {
        return;
    }
    for (size_t i = 0; i < p->n_headers; i++) {
        if (str_eq_nocase(b->headers[i].name, name)) {
            b->headers[i].value = value;
            return;
        }
    }
    if (p->n_headers < HEADERS_MAX) {
        b->headers[p->n_headers++] = (struct snap_setting){name, value};
    }
}

/* "name: value" lines. */
static void row_headers(struct build *b)
{
    struct str rest = str_of(b->p->row->headers), line, name, value;
    while (rest.len) {
        if (!str_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = STR_NONE;
        }
        if (str_cut(line, ':', &name, &value)) {
            header_put(b, str_trim(name), str_trim(value));
        }
    }
}

static void own_headers(struct build *b)
{
    struct json_value object = {.type = JSON_OBJECT, .raw = b->headers_json}, name, value;
    struct str organization = get_setting(b->p, STR_LIT("organization"));
    size_t pos = 0;
    row_headers(b);
    if (organization.len && str_eqz(str_of(b->p->row->name), "openai")) {
        header_put(b, STR_LIT("OpenAI-Organization"), organization);
    }
    while (b->headers_json.len && json_next(object, &pos, &name, &value)) {
        struct str key = text_of(b, name, false), text = text_of(b, value, false);
        if (text.ptr) {
            header_put(b, key, text);
        }
    }
}

/* ---- the address ---- */

static void address(struct build *b)
{
    struct snap_provider *p = b->p;
    struct base_url u;
    struct error ignored = ERROR_INIT;
    struct str missing, url = p->base_url.len ? p->base_url : str_of(p->row->base_url);
    p->host = p->path = p->host_header = STR_LIT("");
    if (memchr(url.len ? url.ptr : "", '{', url.len)) {
        url = provider_fill(b->a, url, STR_NONE, STR_NONE, get_setting, p, &missing);
    }
    p->base_url = url.ptr ? url : STR_LIT("");
    if (!url.ptr || !base_url_split(url, &u, &ignored)) {
        p->base_url_invalid = true;
        p->disabled = true;
        return;
    }
    p->tls = u.tls;
    p->host = u.host;
    p->port = u.port;
    p->path = u.path;
    if (u.path.len == 0 && (p->row->quirks & QUIRK_ADD_V1)) {
        p->path = STR_LIT("/v1");
    }
    size_t room = u.host.len + 16;
    char *to = arena_alloc(b->a, room);
    p->host_header = to ? (struct str){to, base_url_host_header(&u, to, room)} : STR_LIT("");
}

void provider_entity_build(struct snap_provider *p, struct str credential, struct arena *a)
{
    struct build b = {.p = p, .a = a};
    b.settings = arena_alloc(a, SETTINGS_MAX * sizeof(*b.settings));
    p->settings = b.settings;
    p->n_settings = 0;
    b.headers = arena_alloc(a, HEADERS_MAX * sizeof(*b.headers));
    p->headers = b.headers;
    p->n_headers = 0;
    p->rename_json = p->drop_json = p->health_check_json = STR_NONE;
    p->credential = STR_LIT("");
    p->credentials = &p->credential;
    p->n_credentials = 1;
    if (!b.settings || !b.headers) {
        p->disabled = true;
        return;
    }
    take_object(&b, p->settings_json, false);
    take_credential(&b, credential);
    list_credentials(&b);
    choose_row(&b);
    fallbacks(&b);
    address(&b);
    default_region(&b);
    own_headers(&b);
}

struct str snap_provider_setting(const struct snap_provider *p, const char *name)
{
    for (size_t i = 0; i < p->n_settings; i++) {
        if (str_eqz(p->settings[i].name, name)) {
            return p->settings[i].value;
        }
    }
    return STR_NONE;
}
