/* One walk over the document. */
#include "controlplane/api/config_secret_walk.h"

#include "common/base/buffer.h"
#include "common/crypto.h"

#define NAME_MAX_BYTES 40 /* of any member that is looked at */

/* The members of routing configs that hold credentials (common/rules/route_config_whom.c). */
static const char *const secret_names[] = {
    "api_key",           "aws_access_key_id", "aws_secret_access_key",
    "aws_session_token", "azure_ad_token",    "azure_entra_client_secret",
    "client_secret",     "access_token",      NULL};
/* These may be a key file, as a JSON object as well as its text. */
static const char *const file_names[] = {"service_account", "vertex_service_account_json", NULL};
/* The members that say which server a target is called at. */
static const char *const place_names[] = {"provider",
                                          "virtual_key",
                                          "custom_host",
                                          "azure_resource_name",
                                          "resource_name",
                                          "azure_foundry_url",
                                          "huggingface_base_url",
                                          "aws_region",
                                          "region",
                                          "workers_ai_account_id",
                                          "snowflake_account",
                                          "account_id",
                                          NULL};

struct walk {
    config_secret_fn fn;
    void *arg;
};

/* What is said of the place so far, from the root down. */
struct place {
    uint8_t above[SECRET_PLACE_LEN]; /* of the objects around */
    uint8_t here[SECRET_PLACE_LEN];  /* and of this one's own members */
    bool known;                      /* `whole` is made */
    uint8_t whole[SECRET_PLACE_LEN]; /* and of all below */
    struct json_value object;
};

static int index_in(struct str name, const char *const *list)
{
    for (int i = 0; list[i]; i++) {
        if (str_eqz(name, list[i])) {
            return i;
        }
    }
    return -1;
}

static bool name_of(struct json_value v, char buf[static NAME_MAX_BYTES], struct str *ret)
{
    size_t len;
    if (!json_unescape(v, buf, NAME_MAX_BYTES - 1, &len)) {
        return false;
    }
    buf[len] = '\0';
    *ret = (struct str){buf, len};
    return true;
}

static bool is_params(struct str name)
{
    return str_eqz(name, "override_params") || str_eqz(name, "default_params");
}

/* Appends an object's own members that count, in the order of the table. */
static void put_own(struct buffer *b, struct json_value object)
{
    struct json_value found[sizeof place_names / sizeof *place_names] = {0}, name, item;
    char buf[NAME_MAX_BYTES];
    struct str known;
    size_t pos = 0;
    while (json_next(object, &pos, &name, &item)) {
        int i = name_of(name, buf, &known) ? index_in(known, place_names) : -1;
        if (i >= 0) {
            found[i] = item;
        }
    }
    for (int i = 0; place_names[i]; i++) {
        if (found[i].raw.ptr) {
            buffer_printf(b, "%s=", place_names[i]);
            buffer_append_str(b, found[i].raw);
            buffer_append_z(b, "\n");
        }
    }
}

static void put_below(struct buffer *b, struct json_value v)
{
    struct json_value name, item;
    char buf[NAME_MAX_BYTES];
    struct str known;
    size_t pos = 0;
    while (json_next(v, &pos, &name, &item)) {
        bool params = v.type == JSON_OBJECT && name_of(name, buf, &known) && is_params(known);
        if (item.type == JSON_OBJECT && !params) {
            put_own(b, item);
        }
        if (!params) {
            put_below(b, item);
        }
    }
}

/* SHA-256 over a digest and a text; a text that there was no room for gives what equals nothing. */
static void digest(const uint8_t *from, struct buffer *b, uint8_t ret[static SECRET_PLACE_LEN])
{
    buffer_append(b, from, SECRET_PLACE_LEN);
    if (b->failed) {
        crypto_random(ret, SECRET_PLACE_LEN);
    } else {
        crypto_sha256(b->ptr, b->len, ret);
    }
    buffer_release(b);
}

static void enter(struct place *p, const struct place *up, struct json_value object)
{
    struct buffer b;
    buffer_init(&b, (size_t)2 << 20);
    *p = (struct place){.object = object};
    if (up) {
        memcpy(p->above, up->here, sizeof p->above);
    }
    put_own(&b, object);
    if (b.len == 0 && !b.failed) { /* a node that says nothing changes nothing */
        memcpy(p->here, p->above, sizeof p->here);
    } else {
        digest(p->above, &b, p->here);
    }
}

static const uint8_t *whole(struct place *p)
{
    if (!p->known) {
        struct buffer b;
        buffer_init(&b, (size_t)4 << 20);
        put_below(&b, p->object);
        digest(p->here, &b, p->whole);
        p->known = true;
    }
    return p->whole;
}

/* A text under such a name is a secret wherever it stands: a body's parameters are no place for
 * one, but hide none. An object is one only where a target has its members. */
static bool is_secret(struct str name, struct json_value v, bool in_params)
{
    bool file = index_in(name, file_names) >= 0;
    return v.type == JSON_STRING ? file || index_in(name, secret_names) >= 0
                                 : v.type == JSON_OBJECT && file && !in_params;
}

static bool walk(struct walk *w, struct json_value v, const struct body_path *at, struct place *up,
                 bool in_params)
{
    struct json_value name = {.type = JSON_NULL}, item;
    char buf[NAME_MAX_BYTES];
    struct str known = STR_LIT("");
    struct place own, *place = up;
    size_t pos = 0, i = 0;
    if (v.type == JSON_OBJECT && !(in_params && up)) {
        enter(&own, up, v);
        place = &own;
    }
    while (json_next(v, &pos, &name, &item)) {
        bool named = v.type == JSON_OBJECT && name_of(name, buf, &known);
        struct body_path here = {at, named ? buf : NULL, i++};
        const struct body_path *path = named || v.type == JSON_ARRAY ? &here : at;
        if (named && is_secret(known, item, in_params)) {
            if (!w->fn(w->arg, item, path, whole(place))) {
                return false;
            }
        } else if ((item.type == JSON_OBJECT || item.type == JSON_ARRAY) &&
                   !walk(w, item, path, place, in_params || (named && is_params(known)))) {
            return false;
        }
    }
    return true;
}

bool config_secrets_each(struct json_value document, const struct body_path *at,
                         config_secret_fn fn, void *arg)
{
    struct walk w = {fn, arg};
    return document.type != JSON_OBJECT || walk(&w, document, at, NULL, false);
}
