/* A provider's secrets: what bodies give of them, and how they stand in the sealed credential. See
 * provider_settings.h. */
#include "controlplane/api/provider_settings.h"

#include "common/base/buffer.h"
#include "common/json.h"
#include "common/rules/provider.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/secrets/reference.h"

#define KEY_FILE_MAX 16384
#define SECRETS_MAX (256u << 10)
#define KEYS_BYTES_MAX (64u << 10) /* of one list of API keys */

static void secret_put(struct provider_secrets *s, struct str name, struct str value)
{
    size_t i = 0;
    while (i < s->n && !str_eq(s->items[i].name, name)) {
        i++;
    }
    if (value.ptr && i < PROVIDER_SECRETS_MAX) {
        s->items[i] = (struct provider_secret){name, value};
        s->n += i == s->n;
    } else if (!value.ptr && i < s->n) {
        s->items[i] = s->items[--s->n];
    }
}

void provider_secrets_read(struct str credential, struct arena *a, struct provider_secrets *ret)
{
    struct json_value object, name, value;
    size_t pos = 0;
    ret->n = 0;
    if (credential.len == 0) {
        return;
    }
    if (credential.ptr[0] != '{' || !json_validate(credential, 0, &object, NULL)) {
        secret_put(ret, STR_LIT("api_key"), credential);
        return;
    }
    while (json_next(object, &pos, &name, &value)) {
        size_t len = 0;
        const struct provider_setting *s =
            name.escaped ? NULL : provider_setting_named(json_text(name));
        if (value.type == JSON_ARRAY && json_text_eq(name, STR_LIT("api_keys"))) {
            secret_put(ret, STR_LIT("api_keys"), value.raw);
            continue;
        }
        char *text = value.type == JSON_STRING ? arena_alloc(a, value.raw.len) : NULL;
        if (!text || !json_unescape(value, text, value.raw.len, &len)) {
            continue;
        }
        if (s && s->secret) {
            secret_put(ret, str_of(s->name), (struct str){text, len});
        } else if (json_text_eq(name, STR_LIT("api_key"))) {
            secret_put(ret, STR_LIT("api_key"), (struct str){text, len});
        }
    }
    if (ret->n == 0) {
        secret_put(ret, STR_LIT("api_key"), credential); /* a key that looks like JSON */
    }
}

/* Why a text cannot be a secret; NULL: it can. A key file is only ever itself, or a reference. */
static const char *refuse_secret(const struct change *ch, struct str secret, bool key_file)
{
    const struct api_context *context = ch->call->context;
    if (reference_is(secret)) {
        return references_refuse(context->references, &ch->call->organization, secret);
    }
    if (key_file) {
        return secret.ptr[0] == '{' ? NULL : "must be the JSON of the key file itself";
    }
    return validate_secret(secret);
}

static bool take_secret(struct change *ch, const char *name, const struct body_value *v,
                        struct provider_secrets *s, struct error *err)
{
    bool key_file = str_eqz(STR_LIT("service_account"), name);
    struct str secret = STR_NONE;
    const char *wrong;
    if (v->type == BODY_NULL) {
        secret_put(s, str_of(name), STR_NONE);
        return true;
    }
    if (key_file && v->type == BODY_OBJECT) {
        secret_put(s, str_of(name), v->text);
        return true;
    }
    if (!body_text(v, 1, key_file ? KEY_FILE_MAX : 4096, ch->at, name, &secret, err)) {
        return false;
    }
    if ((wrong = refuse_secret(ch, secret, key_file)) != NULL) {
        return body_refuse(err, ch->at, name, "%s", wrong);
    }
    secret_put(s, str_of(name), secret);
    return true;
}

/* A list replaces the whole list; an empty one and null remove it. */
static bool take_keys(struct change *ch, const struct body_value *v, struct provider_secrets *s,
                      struct error *err)
{
    struct body_path at = {ch->at, "api_keys", 0};
    struct buffer out;
    struct json_writer w;
    struct str list = STR_NONE;
    if (v->type != BODY_NULL && v->type != BODY_ARRAY) {
        return body_refuse(err, ch->at, "api_keys", "must be an array of texts");
    }
    if (v->type == BODY_NULL || v->n == 0) {
        secret_put(s, STR_LIT("api_keys"), STR_NONE);
        return true;
    }
    if (v->n > PROVIDER_KEYS_MAX) {
        return body_refuse(err, ch->at, "api_keys", "must be at most %d", PROVIDER_KEYS_MAX);
    }
    buffer_init(&out, KEYS_BYTES_MAX);
    json_writer_init(&w, &out);
    json_array_begin(&w);
    bool ok = true;
    for (size_t i = 0; ok && i < v->n; i++) {
        struct body_path item = {&at, NULL, i};
        struct str key;
        const char *wrong = NULL;
        ok = body_text(&v->items[i], 1, 4096, &item, NULL, &key, err) &&
             ((wrong = refuse_secret(ch, key, false)) == NULL ||
              body_refuse(err, &item, NULL, "%s", wrong));
        if (ok) {
            json_put_str(&w, key);
        }
    }
    json_array_end(&w);
    if (ok) {
        list = out.failed ? STR_NONE : arena_str(ch->call->arena, buffer_str(&out));
        secret_put(s, STR_LIT("api_keys"), list);
        ok = list.ptr || body_refuse(err, ch->at, "api_keys", "are too large");
    }
    if (out.len) {
        explicit_bzero(out.ptr, out.len);
    }
    buffer_release(&out);
    return ok;
}

bool provider_secrets_take(struct change *ch, struct provider_secrets *s, bool *ret_given,
                           struct error *err)
{
    size_t n;
    const struct provider_setting *all = provider_settings(&n);
    const struct body_value *v = body_get(ch->body, "api_key");
    *ret_given = v != NULL;
    if (v && !take_secret(ch, "api_key", v, s, err)) {
        return false;
    }
    v = body_get(ch->body, "api_keys");
    *ret_given = *ret_given || v;
    if (v && !take_keys(ch, v, s, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        v = all[i].secret ? body_get(ch->body, all[i].name) : NULL;
        *ret_given = *ret_given || v;
        if (v && !take_secret(ch, all[i].name, v, s, err)) {
            return false;
        }
    }
    return true;
}

static struct str secret_named(const struct provider_secrets *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (str_eqz(s->items[i].name, name)) {
            return s->items[i].value;
        }
    }
    return STR_NONE;
}

size_t provider_secrets_keys(const struct provider_secrets *s, struct arena *a,
                             struct str *ret_first)
{
    struct str known[PROVIDER_KEYS_MAX + 1], key = secret_named(s, "api_key"), first = STR_NONE;
    struct json_value list = {.type = JSON_ARRAY, .raw = secret_named(s, "api_keys")}, item;
    size_t n = 0, pos = 0;
    if (key.len) {
        known[n++] = key;
    }
    while (list.raw.len && n <= PROVIDER_KEYS_MAX && json_next(list, &pos, NULL, &item)) {
        size_t i = 0, len = 0;
        char *text = item.type == JSON_STRING ? arena_alloc(a, item.raw.len) : NULL;
        if (!text || !json_unescape(item, text, item.raw.len, &len) || len == 0) {
            continue;
        }
        while (i < n && !str_eq(known[i], (struct str){text, len})) {
            i++;
        }
        if (i == n) {
            known[n++] = (struct str){text, len};
        }
    }
    first = n ? known[0] : first;
    if (ret_first && first.ptr) {
        *ret_first = first;
    }
    return n;
}

/* References in a secret: how many are added to `names`; *ret_all: it is nothing but references. */
static size_t references_in(const struct provider_secret *s, struct arena *a, struct str *names,
                            bool *ret_all)
{
    struct json_value list = {.type = JSON_ARRAY, .raw = s->value}, item;
    size_t pos = 0, n = 0;
    *ret_all = reference_is(s->value);
    if (*ret_all) {
        names[n++] = str_slice(s->value, 4, s->value.len);
    }
    if (!str_eqz(s->name, "api_keys")) {
        return n;
    }
    *ret_all = true;
    while (json_next(list, &pos, NULL, &item) && n < PROVIDER_KEYS_MAX) {
        size_t len = 0;
        char *text = item.type == JSON_STRING ? arena_alloc(a, item.raw.len) : NULL;
        if (text && json_unescape(item, text, item.raw.len, &len) &&
            reference_is((struct str){text, len})) {
            names[n++] = (struct str){text + 4, len - 4};
        } else {
            *ret_all = false;
        }
    }
    return n;
}

bool provider_secrets_references(const struct provider_secrets *s, struct arena *a,
                                 struct str *ret_members, struct str **ret_names, size_t *ret_n)
{
    struct str *names = arena_alloc(a, (PROVIDER_SECRETS_MAX + PROVIDER_KEYS_MAX) * sizeof *names);
    struct buffer out;
    struct json_writer w;
    size_t n = 0;
    if (!names) {
        return false;
    }
    buffer_init(&out, KEYS_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    for (size_t i = 0; i < s->n; i++) {
        bool all;
        size_t found = references_in(&s->items[i], a, names + n, &all);
        n += found;
        if (found > 0 && all) {
            struct str name = arena_str(a, s->items[i].name);
            json_name(&w, name.ptr ? name.ptr : "");
            if (str_eqz(name, "api_keys")) {
                json_put_raw(&w, s->items[i].value);
            } else {
                json_put_str(&w, s->items[i].value);
            }
        }
    }
    json_object_end(&w);
    *ret_members = out.failed ? STR_NONE : arena_str(a, buffer_str(&out));
    buffer_release(&out);
    *ret_names = names;
    *ret_n = n;
    return ret_members->ptr != NULL;
}

struct str provider_secrets_text(const struct provider_secrets *s, struct arena *a)
{
    struct buffer out;
    struct json_writer w;
    struct str text = STR_NONE;
    char name[64];
    if (s->n == 0) {
        return STR_NONE;
    }
    if (s->n == 1 && str_eqz(s->items[0].name, "api_key")) {
        return s->items[0].value;
    }
    buffer_init(&out, SECRETS_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    for (size_t i = 0; i < s->n; i++) {
        size_t len = s->items[i].name.len < sizeof(name) ? s->items[i].name.len : sizeof(name) - 1;
        memcpy(name, s->items[i].name.ptr, len);
        name[len] = '\0';
        if (strcmp(name, "api_keys") == 0) {
            json_name(&w, name);
            json_put_raw(&w, s->items[i].value);
            continue;
        }
        json_field_str(&w, name, s->items[i].value);
    }
    json_object_end(&w);
    if (!out.failed) {
        text = arena_str(a, buffer_str(&out));
    }
    explicit_bzero(out.ptr, out.len);
    buffer_release(&out);
    return text;
}
