/* Declarations of references, and their values where stored secrets name them. */
#include "controlplane/secrets/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "controlplane/fetch/fetch.h"
#include "controlplane/secrets/reference_inside.h"

#define PREFIX STR_LIT("ref:")
#define NAME_MAX_LEN 64
#define REFERENCES_MAX 1000
#define REFRESH_MS 60000u
#define CREDENTIAL_MAX ((size_t)1 << 20)

static const char *const sources[] = {
    [REFERENCE_ENV] = "env", [REFERENCE_FILE] = "file", [REFERENCE_VAULT] = "vault"};

/* --- declarations --- */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool name_is_valid(struct str s)
{
    bool ok = s.len > 0 && s.len <= NAME_MAX_LEN && is_alnum(s.ptr[0]);
    for (size_t i = 0; ok && i < s.len; i++) {
        ok = is_alnum(s.ptr[i]) || s.ptr[i] == '.' || s.ptr[i] == '_' || s.ptr[i] == '-';
    }
    return ok;
}

static char *copy(struct str s)
{
    char *z = mem_alloc(s.len + 1);
    memcpy(z, s.ptr, s.len);
    return z;
}

static char *copy_z(const char *z)
{
    return z && *z ? mem_strdup(z) : NULL;
}

/* "env:X", "file:/x", "vault:a/b#c" */
static bool read_source(struct references *r, struct reference *x, struct str text,
                        struct error *err)
{
    struct str kind, place, field;
    size_t i = 0;
    if (str_cut(text, ':', &kind, &place)) {
        while (i < sizeof sources / sizeof *sources && !str_eqz(kind, sources[i])) {
            i++;
        }
    } else {
        i = sizeof sources / sizeof *sources;
    }
    if (i == sizeof sources / sizeof *sources || place.len == 0) {
        return error_set(err, ERR_INVALID_FIELD,
                         "secret reference %s: must be env:VARIABLE, file:PATH or vault:PATH#FIELD",
                         x->name);
    }
    x->source = (enum reference_source)i;
    for (size_t k = 0; x->source == REFERENCE_ENV && k < place.len; k++) {
        if (!is_alnum(place.ptr[k]) && place.ptr[k] != '_') {
            return error_set(err, ERR_INVALID_FIELD,
                             "secret reference %s: is not the name of a variable", x->name);
        }
    }
    if (x->source != REFERENCE_VAULT) {
        x->place = copy(place);
        return true;
    }
    if (!str_cut(place, '#', &place, &field) || place.len == 0 || field.len == 0 ||
        place.ptr[0] == '/') {
        return error_set(err, ERR_INVALID_FIELD,
                         "secret reference %s: must be vault:PATH#FIELD, such as "
                         "vault:secret/data/openai#api_key",
                         x->name);
    }
    if (!r->vault_address || !(r->vault_token || r->vault_token_file)) {
        return error_set(err, ERR_INVALID_FIELD,
                         "secret reference %s: needs --vault-address, and --vault-token-file or "
                         "WEIR_VAULT_TOKEN",
                         x->name);
    }
    x->place = copy(place);
    x->field = copy(field);
    return true;
}

static bool read_organizations(struct reference *x, struct str text, struct error *err)
{
    struct str item;
    bool more = true;
    while (more) {
        struct uuid id;
        more = str_cut(text, ',', &item, &text);
        item = str_trim(more ? item : text);
        if (!uuid_parse_public("org", item, &id)) {
            return error_set(err, ERR_INVALID_FIELD,
                             "secret reference %s: \"%.*s\" is not the id of an organization "
                             "(org_...)",
                             x->name, item.len > 60 ? 60 : (int)item.len, item.ptr);
        }
        x->organizations =
            mem_realloc(x->organizations, (x->n_organizations + 1) * sizeof *x->organizations);
        x->organizations[x->n_organizations++] = id;
    }
    return true;
}

static bool read_one(struct references *r, struct str line, struct error *err)
{
    struct str name, rest, places = STR_NONE;
    if (!str_cut(line, '=', &name, &rest) || !name_is_valid(name = str_trim(name))) {
        return error_set(err, ERR_INVALID_FIELD,
                         "a secret reference must be NAME = SOURCE, with a name of letters, "
                         "digits, '.', '_' and '-'");
    }
    rest = str_trim(rest);
    const char *mark = rest.len ? memmem(rest.ptr, rest.len, " for ", 5) : NULL;
    if (mark) {
        places = str_slice(rest, (size_t)(mark - rest.ptr) + 5, rest.len);
        rest = str_trim(str_slice(rest, 0, (size_t)(mark - rest.ptr)));
    }
    if (r->n == REFERENCES_MAX) {
        return error_set(err, ERR_INVALID_FIELD, "more than %d secret references", REFERENCES_MAX);
    }
    r->list = mem_realloc(r->list, (r->n + 1) * sizeof *r->list);
    struct reference *x = &r->list[r->n++];
    *x = (struct reference){.name = copy(name)};
    for (size_t i = 0; i + 1 < r->n; i++) {
        if (strcmp(r->list[i].name, x->name) == 0) {
            return error_set(err, ERR_INVALID_FIELD, "secret reference %s: is declared twice",
                             x->name);
        }
    }
    return read_source(r, x, rest, err) && (!places.ptr || read_organizations(x, places, err));
}

static bool read_all(struct references *r, struct str text, struct error *err)
{
    bool ok = true;
    while (ok && text.len > 0) {
        size_t end = 0;
        while (end < text.len && text.ptr[end] != '\n' && text.ptr[end] != ';') {
            end++;
        }
        struct str line = str_trim(str_slice(text, 0, end));
        text = str_slice(text, end + (end < text.len), text.len);
        ok = line.len == 0 || line.ptr[0] == '#' || read_one(r, line, err);
    }
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct reference *)a)->name, ((const struct reference *)b)->name);
}

static bool read_declarations(struct references *r, const struct references_config *c,
                              struct error *err)
{
    size_t len = 0;
    if (c->declared && !read_all(r, str_of(c->declared), err)) {
        return false;
    }
    if (c->file && *c->file) {
        struct error why = ERROR_INIT;
        char *text = reference_read_file(c->file, &len, &why);
        if (!text) {
            return error_set(err, ERR_INVALID_FIELD, "--secret-references-file \"%s\": %s", c->file,
                             error_text(&why));
        }
        bool ok = read_all(r, (struct str){text, len}, err);
        mem_free(text);
        if (!ok) {
            return false;
        }
    }
    if (r->n > 1) {
        qsort(r->list, r->n, sizeof *r->list, by_name);
    }
    return true;
}

struct references *references_new(const struct references_config *c, struct error *err)
{
    struct references *r = mem_alloc(sizeof *r);
    pthread_condattr_t attributes;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    r->refresh_ms = c->refresh_ms ? c->refresh_ms : REFRESH_MS;
    r->vault_address = copy_z(c->vault_address);
    r->vault_token = copy_z(c->vault_token);
    r->vault_token_file = copy_z(c->vault_token_file);
    r->vault_ca_file = copy_z(c->vault_ca_file);
    r->vault_namespace = copy_z(c->vault_namespace);
    size_t n = r->vault_address ? strlen(r->vault_address) : 0;
    if (n > 0 && r->vault_address[n - 1] == '/') {
        r->vault_address[n - 1] = '\0';
    }
    bool ok = !r->vault_address || fetch_url_is_safe(str_of(r->vault_address)) ||
              error_set(err, ERR_INVALID_FIELD,
                        "--vault-address must be an https URL, or http to this machine");
    if (!ok || !read_declarations(r, c, err)) {
        references_free(r);
        return NULL;
    }
    return r;
}

void references_free(struct references *r)
{
    if (!r) {
        return;
    }
    if (r->started) {
        pthread_mutex_lock(&r->lock);
        r->stopping = true;
        pthread_cond_signal(&r->wake);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
    }
    for (size_t i = 0; i < r->n; i++) {
        struct reference *x = &r->list[i];
        if (x->value) {
            mem_free_secret(x->value, x->len);
        }
        mem_free(x->name);
        mem_free(x->place);
        mem_free(x->field);
        mem_free(x->organizations);
    }
    if (r->vault_token) {
        mem_free_secret(r->vault_token, strlen(r->vault_token));
    }
    mem_free(r->list);
    mem_free(r->vault_address);
    mem_free(r->vault_token_file);
    mem_free(r->vault_ca_file);
    mem_free(r->vault_namespace);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

/* --- stored secrets --- */

bool reference_is(struct str secret)
{
    return str_starts(secret, PREFIX);
}

static bool is_for(const struct reference *x, const struct uuid *organization)
{
    bool all = x->n_organizations == 0;
    for (size_t i = 0; !all && i < x->n_organizations; i++) {
        all = uuid_eq(&x->organizations[i], organization);
    }
    return all || uuid_is_nil(organization); /* the installation's own */
}

static struct reference *find(const struct references *r, const struct uuid *organization,
                              struct str secret)
{
    struct str name = str_slice(secret, PREFIX.len, secret.len);
    for (size_t i = 0; r && i < r->n; i++) {
        if (str_eqz(name, r->list[i].name) && is_for(&r->list[i], organization)) {
            return &r->list[i];
        }
    }
    return NULL;
}

const char *references_refuse(const struct references *r, const struct uuid *organization,
                              struct str secret)
{
    if (!name_is_valid(str_slice(secret, PREFIX.len, secret.len))) {
        return "must be ref: and the name of a reference: letters, digits, '.', '_' and '-'";
    }
    return find(r, organization, secret)
               ? NULL
               : "names no reference that the operator of this installation declared for this "
                 "organization (GET /secret-references)";
}

bool references_value(struct references *r, const struct uuid *organization, struct str secret,
                      struct arena *a, struct str *ret)
{
    struct reference *x = find(r, organization, secret);
    bool ok = false;
    if (x) {
        pthread_mutex_lock(&r->lock);
        if (x->value) {
            *ret = arena_str(a, (struct str){x->value, x->len});
            ok = ret->ptr != NULL;
        }
        pthread_mutex_unlock(&r->lock);
    }
    return ok;
}

/* --- whole credentials --- */

struct expanding {
    struct references *references;
    const struct uuid *organization;
    struct arena *arena;
    struct buffer out;
};

/* *ret_text: what a string stands for. False: a reference that cannot be read, or out of room. */
static bool text_of(struct expanding *e, struct json_value v, struct str *ret_text)
{
    size_t len = 0;
    char *text = arena_alloc(e->arena, v.raw.len + 1);
    if (!text || !json_unescape(v, text, v.raw.len, &len)) {
        return false;
    }
    *ret_text = (struct str){text, len};
    return !reference_is(*ret_text) ||
           references_value(e->references, e->organization, *ret_text, e->arena, ret_text);
}

static void put_string(struct expanding *e, struct str text)
{
    struct json_writer w;
    json_writer_init(&w, &e->out);
    json_put_str(&w, text);
}

static void put_list(struct expanding *e, struct json_value list)
{
    struct json_value item;
    struct str text;
    size_t pos = 0, n = 0;
    buffer_append_z(&e->out, "[");
    while (json_next(list, &pos, NULL, &item)) {
        if (item.type == JSON_STRING && text_of(e, item, &text)) {
            buffer_append_z(&e->out, n++ ? "," : "");
            put_string(e, text);
        }
    }
    buffer_append_z(&e->out, "]");
}

static bool put_object(struct expanding *e, struct json_value object)
{
    struct json_value name, value;
    struct str text;
    size_t pos = 0, n = 0;
    bool ok = true;
    buffer_append_z(&e->out, "{");
    while (ok && json_next(object, &pos, &name, &value)) {
        buffer_append_z(&e->out, n++ ? "," : "");
        buffer_append_str(&e->out, name.raw);
        buffer_append_z(&e->out, ":");
        if (value.type == JSON_STRING) {
            ok = text_of(e, value, &text);
            if (ok) {
                put_string(e, text);
            }
        } else if (value.type == JSON_ARRAY) {
            put_list(e, value);
        } else {
            buffer_append_str(&e->out, value.raw);
        }
    }
    buffer_append_z(&e->out, "}");
    return ok;
}

bool references_expand(struct references *r, const struct uuid *organization, struct str credential,
                       struct arena *a, struct str *ret)
{
    struct json_value object;
    *ret = credential;
    if (reference_is(credential)) {
        return references_value(r, organization, credential, a, ret);
    }
    if (credential.len == 0 || credential.ptr[0] != '{' ||
        !memmem(credential.ptr, credential.len, "\"ref:", 5) ||
        !json_validate(credential, 0, &object, NULL) || object.type != JSON_OBJECT) {
        return true;
    }
    struct expanding e = {.references = r, .organization = organization, .arena = a};
    buffer_init(&e.out, CREDENTIAL_MAX);
    bool ok = put_object(&e, object) && !e.out.failed;
    if (ok) {
        *ret = arena_str(a, buffer_str(&e.out));
        ok = ret->ptr != NULL;
    }
    if (e.out.ptr) {
        explicit_bzero(e.out.ptr, e.out.cap);
    }
    buffer_release(&e.out);
    return ok;
}

/* --- for people --- */

bool references_list(struct references *r, const struct uuid *organization, struct arena *a,
                     struct reference_state **ret, size_t *ret_n)
{
    struct reference_state *list = arena_zalloc(a, ((r ? r->n : 0) + 1) * sizeof *list);
    size_t n = 0;
    for (size_t i = 0; list && r && i < r->n; i++) {
        const struct reference *x = &r->list[i];
        if (organization && !is_for(x, organization)) {
            continue;
        }
        pthread_mutex_lock(&r->lock);
        list[n++] = (struct reference_state){.name = str_of(x->name),
                                             .source = sources[x->source],
                                             .resolves = x->value != NULL,
                                             .stale = x->value && x->failed,
                                             .read_at_ms = x->read_at_ms};
        pthread_mutex_unlock(&r->lock);
    }
    *ret = list;
    *ret_n = n;
    return list != NULL;
}
