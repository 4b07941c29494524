/* The key of an answer: what is hashed begins with the tenant, and each part is preceded by its
 * length, so that no two calls that differ can read as one. */
#include "dataplane/cache/key.h"

#include "common/crypto.h"
#include "common/json.h"
#include "dataplane/cache/sorted_json.h"

/* Changed whenever the form changes, so that answers in a shared store never meet another's keys.
 */
#define FORM "weir-cache-1"

/* Larger bodies count as they are spelled: to put some hundred thousand members in order would hold
 * the worker up. */
#define SORTED_MAX (4u << 20)

enum content { CONTENT_OWN_KEY = 'k', CONTENT_JSON = 'j', CONTENT_BYTES = 'b' };

static const struct str left_out[] = {
    {"user", 4}, {"metadata", 8}, {"store", 5}, {"safety_identifier", 17}, {"prompt_cache_key", 16},
};

struct writer {
    char *ptr;
    size_t len;
};

static void put(struct writer *w, const void *p, size_t n)
{
    if (n) {
        memcpy(w->ptr + w->len, p, n);
    }
    w->len += n;
}

static void put_len(struct writer *w, uint64_t n)
{
    uint8_t b[8];
    for (int i = 0; i < 8; i++) {
        b[i] = (uint8_t)(n >> (8 * i));
    }
    put(w, b, sizeof(b));
}

static void put_part(struct writer *w, struct str s)
{
    put_len(w, s.len);
    put(w, s.ptr, s.len);
}

/* What the call asks for: the caller's word for it, or its body. */
static bool put_content(struct writer *w, const struct cache_key_parts *p, struct arena *a)
{
    struct json_value v;
    size_t n;
    if (p->own_key.ptr) {
        put(w, &(char){CONTENT_OWN_KEY}, 1);
        put_part(w, p->own_key);
        return true;
    }
    if (p->body.len > SORTED_MAX || !json_validate(p->body, 0, &v, NULL) || v.type != JSON_OBJECT) {
        put(w, &(char){CONTENT_BYTES}, 1);
        put_part(w, p->body);
        return true;
    }
    put(w, &(char){CONTENT_JSON}, 1);
    if (!sorted_json_write(v, left_out, sizeof(left_out) / sizeof(left_out[0]), a, w->ptr + w->len,
                           &n)) {
        return false;
    }
    w->len += n; /* the last part needs no length */
    return true;
}

bool cache_key_make(const struct cache_key_parts *p, struct arena *a, struct cache_key *ret)
{
    const struct str parts[] = {
        p->scope, p->dialect, p->operation, p->model, p->policy, p->name_space,
    };
    enum { N = sizeof(parts) / sizeof(parts[0]) };
    struct str content = p->own_key.ptr ? p->own_key : p->body;
    size_t room = sizeof(FORM) + 2 * sizeof(struct uuid) + 1 + 8 + SORTED_JSON_MAX(content.len);
    for (size_t i = 0; i < N; i++) {
        room += 8 + parts[i].len;
    }
    struct writer w = {arena_alloc(a, room), 0};
    if (!w.ptr) {
        return false;
    }
    put(&w, FORM, sizeof(FORM));
    put(&w, &p->organization, sizeof(p->organization));
    put(&w, &p->workspace, sizeof(p->workspace));
    for (size_t i = 0; i < N; i++) {
        put_part(&w, parts[i]);
    }
    if (!put_content(&w, p, a)) {
        return false;
    }
    crypto_sha256(w.ptr, w.len, ret->digest);
    ret->tenant = uuid_is_nil(&p->workspace) ? p->organization : p->workspace;
    return true;
}

void cache_key_text(const struct cache_key *k, char out[static 65])
{
    crypto_hex(k->digest, CACHE_KEY_BYTES, out);
}

static size_t put_hex(char *buf, size_t at, const void *p, size_t n)
{
    crypto_hex(p, n, buf + at);
    buf[at + 2 * n] = ':';
    return at + 2 * n + 1;
}

struct str cached_prefix(const struct uuid *tenant, char buf[static CACHED_NAME_BYTES])
{
    size_t n = sizeof("weir:cache:") - 1;
    memcpy(buf, "weir:cache:", n);
    if (!uuid_is_nil(tenant)) {
        n = put_hex(buf, n, tenant->b, sizeof(tenant->b));
    }
    return (struct str){buf, n};
}

struct str cached_name(const struct cache_key *k, char buf[static CACHED_NAME_BYTES])
{
    static const char prefix[] = "weir:cache:"; /* also where the tenant is nil */
    memcpy(buf, prefix, sizeof(prefix) - 1);
    size_t n = put_hex(buf, sizeof(prefix) - 1, k->tenant.b, sizeof(k->tenant.b));
    return (struct str){buf, put_hex(buf, n, k->digest, CACHE_KEY_BYTES) - 1};
}
