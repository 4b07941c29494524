/* What lies between credentials is copied as it is. */
#include "controlplane/api/config_secrets.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/map.h"
#include "common/json.h"
#include "common/rules/route_config.h"
#include "controlplane/api/config_secret_walk.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/secrets/seal.h"

#define MARK STR_LIT("weir-secret:")
#define SECRET_MAX 16384

struct secret {
    uint64_t number;
    struct str text;
    bool used; /* by the document in the making */
    struct secret *next;
};

struct sealing {
    struct change *ch;
    struct arena *arena;
    struct secret *known; /* newest version first; then those given now */
    struct secret **end;
    uint64_t made; /* the last number given */
    size_t n_used;
    struct map *by_number, *by_text; /* of `known` */
    struct map *places;              /* struct place_key of earlier versions */
    struct buffer out;
    const char *copied; /* the document up to here is in `out` */
    struct error *err;
};

static bool no_room(struct sealing *s)
{
    return error_set(s->err, ERR_OVERLOADED, "%s", "");
}

static struct secret *remember(struct sealing *s, uint64_t number, struct str text)
{
    struct secret *k = arena_zalloc(s->arena, sizeof *k);
    if (k) {
        k->number = number;
        k->text = text;
        *s->end = k;
        s->end = &k->next;
        (void)map_put(s->by_number, (struct str){(const char *)&k->number, sizeof number}, k);
        if (!map_get(s->by_text, text)) {
            (void)map_put(s->by_text, text, k);
        }
    }
    return k;
}

static struct secret *find_number(const struct sealing *s, uint64_t number)
{
    return map_get(s->by_number, (struct str){(const char *)&number, sizeof number});
}

/* A string's decoded text; NULL ptr: out of room. */
static struct str text_of(struct sealing *s, struct json_value v)
{
    char *buf = arena_alloc(s->arena, v.raw.len + 1);
    size_t len = 0;
    if (!buf || !json_unescape(v, buf, v.raw.len, &len)) {
        return STR_NONE;
    }
    buf[len] = '\0';
    return (struct str){buf, len};
}

/* --- what earlier versions hold --- */

/* What a marker was at, in a version that was made before. */
struct place_key {
    uint64_t number;
    uint8_t place[SECRET_PLACE_LEN];
};

static bool marker_number(struct str text, uint64_t *ret)
{
    return str_starts(text, MARK) && str_to_u64(str_slice(text, MARK.len, text.len), ret);
}

static bool note_place(void *arg, struct json_value v, const struct body_path *at,
                       const uint8_t place[static SECRET_PLACE_LEN])
{
    struct sealing *s = arg;
    uint64_t number;
    struct place_key *key;
    (void)at;
    if (v.type != JSON_STRING || v.escaped || !marker_number(json_text(v), &number)) {
        return true;
    }
    key = arena_zalloc(s->arena, sizeof *key);
    if (key) {
        key->number = number;
        memcpy(key->place, place, sizeof key->place);
        (void)map_put(s->places, (struct str){(const char *)key, sizeof *key}, s);
    }
    return key || no_room(s);
}

static bool was_at(struct sealing *s, uint64_t number, const uint8_t place[static SECRET_PLACE_LEN])
{
    struct place_key key = {number, {0}};
    memcpy(key.place, place, sizeof key.place);
    return map_get(s->places, (struct str){(const char *)&key, sizeof key}) != NULL;
}

static bool load_version(struct sealing *s, const struct document_version *v)
{
    const struct api_context *api = s->ch->call->context;
    struct error ignored = ERROR_INIT;
    struct json_value object, name, value;
    struct str plain;
    size_t pos = 0;
    if (json_validate(v->document, 0, &object, &ignored) &&
        !config_secrets_each(object, NULL, note_place, s)) {
        return false;
    }
    if (!v->secrets_kek.ptr ||
        !seal_open(api->keys, v->secrets_kek.ptr, "configs", &v->owner, "secrets", v->secrets,
                   s->arena, &plain, &ignored) ||
        !json_validate(plain, 0, &object, &ignored)) {
        return true; /* cannot be opened here: its markers are unknown then */
    }
    while (json_next(object, &pos, &name, &value)) {
        uint64_t number;
        if (str_to_u64(json_text(name), &number) && !find_number(s, number)) {
            struct str text = text_of(s, value);
            if (!text.ptr || !remember(s, number, text)) {
                return no_room(s);
            }
        }
    }
    return true;
}

static bool load(struct sealing *s)
{
    struct document_version *list;
    size_t n;
    if (s->ch->creating) {
        return true;
    }
    s->made = (uint64_t)s->ch->before.v[CONFIG_SECRETS_MADE].integer;
    if (s->made == 0) {
        return true;
    }
    if (!document_secrets(s->ch->call->tx, &s->ch->before.v[DOCUMENT_ID].uuid, s->arena, &list, &n,
                          s->err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!load_version(s, &list[i])) {
            return false;
        }
    }
    return true;
}

/* --- the document --- */

/* A stored secret goes only where somebody who knew it sent it: else whoever may edit a config
 * could have it delivered to a server of theirs. */
static struct secret *kept(struct sealing *s, struct str text, const struct body_path *at,
                           const uint8_t place[static SECRET_PLACE_LEN])
{
    uint64_t number;
    struct secret *k = marker_number(text, &number) ? find_number(s, number) : NULL;
    if (!k) {
        (void)body_refuse(s->err, at, NULL,
                          "stands for a secret that no version of this config has: give the secret "
                          "itself");
        return NULL;
    }
    if (!was_at(s, number, place)) {
        (void)body_refuse(s->err, at, NULL,
                          "must be given again: it was given for another provider or host");
        return NULL;
    }
    return k;
}

/* The credential's entry: one that is there, or a new one. */
static struct secret *entry_of(struct sealing *s, struct str text, const struct body_path *at,
                               const uint8_t place[static SECRET_PLACE_LEN])
{
    if (str_starts(text, MARK)) {
        return kept(s, text, at, place);
    }
    const char *wrong = text.len > SECRET_MAX ? "is too long for a secret"
                        : text.len > 0 && text.ptr[0] == '{' /* a service account's key file */
                            ? NULL
                            : validate_secret(text);
    if (wrong) {
        (void)body_refuse(s->err, at, NULL, "%s", wrong);
        return NULL;
    }
    struct secret *k = map_get(s->by_text, text);
    if (!k) {
        k = remember(s, ++s->made, text);
        if (!k) {
            (void)no_room(s);
        }
    }
    return k;
}

static bool replace(void *arg, struct json_value v, const struct body_path *at,
                    const uint8_t place[static SECRET_PLACE_LEN])
{
    struct sealing *s = arg;
    struct str text = v.type == JSON_STRING ? text_of(s, v) : v.raw;
    if (!text.ptr) {
        return no_room(s);
    }
    if (text.len == 0) {
        return true; /* none: as it is */
    }
    struct secret *k = entry_of(s, text, at, place);
    if (!k) {
        return false;
    }
    s->n_used += !k->used;
    k->used = true;
    buffer_append(&s->out, s->copied, (size_t)(v.raw.ptr - s->copied));
    buffer_printf(&s->out, "\"%.*s%llu\"", STR_ARG(MARK), (unsigned long long)k->number);
    s->copied = v.raw.ptr + v.raw.len;
    return true;
}

/* --- the result --- */

static bool seal(struct sealing *s, struct document_version *v)
{
    const struct api_context *api = s->ch->call->context;
    struct json_writer w;
    struct buffer b;
    buffer_init(&b, ROUTE_MAX_DOCUMENT * 2);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    for (const struct secret *k = s->known; k; k = k->next) {
        if (k->used) {
            char number[24];
            (void)snprintf(number, sizeof number, "%llu", (unsigned long long)k->number);
            json_field_str(&w, number, k->text);
        }
    }
    json_object_end(&w);
    bool ok = !b.failed;
    if (ok) {
        v->secrets =
            seal_close(api->keys, "configs", &v->owner, "secrets", buffer_str(&b), s->arena);
        v->secrets_kek = str_of(seal_current_id(api->keys));
        ok = v->secrets.ptr != NULL;
    }
    if (b.len) {
        explicit_bzero(b.ptr, b.len);
    }
    buffer_release(&b);
    return ok || no_room(s);
}

static bool finish(struct sealing *s, struct str given, struct document_version *v)
{
    if (s->n_used == 0) {
        return true; /* the document as it came */
    }
    buffer_append(&s->out, s->copied, (size_t)(given.ptr + given.len - s->copied));
    v->document = s->out.failed ? STR_NONE : arena_str(s->arena, buffer_str(&s->out));
    object_set_i64(&s->ch->now.v[CONFIG_SECRETS_MADE], (int64_t)s->made);
    return v->document.ptr ? seal(s, v) : no_room(s);
}

bool config_secrets_seal(struct change *ch, const struct body_path *at, struct str given,
                         struct document_version *v, struct error *err)
{
    struct sealing s = {
        .ch = ch, .arena = ch->call->arena, .copied = given.ptr, .err = err, .made = 0};
    struct body_path here = {at, "document", 0};
    struct json_value document;
    s.end = &s.known;
    s.by_number = map_new();
    s.by_text = map_new();
    s.places = map_new();
    v->owner = ch->creating ? ch->now.v[DOCUMENT_ID].uuid : ch->before.v[DOCUMENT_ID].uuid;
    buffer_init(&s.out, ROUTE_MAX_DOCUMENT * 2);
    bool ok = json_validate(given, 0, &document, err) && load(&s) &&
              config_secrets_each(document, &here, replace, &s) && finish(&s, given, v);
    buffer_release(&s.out);
    map_free(s.by_number);
    map_free(s.by_text);
    map_free(s.places);
    return ok;
}
