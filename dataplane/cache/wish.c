/* What a request's header fields say about caching (key.h, docs/caching.md): each family is read
 * into a wish of its own, then they are put together, Weir's last and above the others. */
#include "dataplane/cache/key.h"

#define KEY_MAX 1024u
#define NAMESPACE_MAX 256u
#define CLOUDFLARE_KEY_TTL_S 300u

/* One family's wish; mode_said: it spoke of on, off, refresh or only. */
struct said {
    struct cache_wish wish;
    bool mode_said;
};

struct reading {
    struct said weir, portkey, cloudflare, standard;
    bool has_max_age; /* of Cache-Control */
    uint64_t max_age_s;
    struct error *err;
};

static bool bad(struct reading *r, const char *field, struct str value, const char *wanted)
{
    return error_set_param(r->err, ERR_INVALID_FIELD, field, "%s: '%.*s' is not %s", field,
                           value.len > 60 ? 60 : (int)value.len, value.ptr, wanted);
}

/* ---- values ---- */

/* Digits only; larger than any span of time reads as that. */
static bool seconds(struct str s, uint64_t *ret)
{
    uint64_t n;
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
    }
    *ret = str_to_u64(s, &n) && n < UINT32_MAX ? n : UINT32_MAX;
    return true;
}

static void set_ttl(struct cache_wish *w, uint64_t s)
{
    w->has_ttl = true;
    w->ttl_s = s < 1 ? 1 : s > CACHE_TTL_MAX_S ? CACHE_TTL_MAX_S : s;
}

static bool set_text(struct reading *r, const char *field, struct str v, size_t max,
                     struct str *ret)
{
    if (v.len > max) {
        return error_set_param(r->err, ERR_INVALID_FIELD, field, "%s: more than %zu bytes", field,
                               max);
    }
    if (v.len && !ret->ptr) {
        *ret = v;
    }
    return true;
}

static bool truth(struct str v, bool *ret)
{
    *ret = str_eq_nocase(v, STR_LIT("true"));
    return *ret || v.len == 0 || str_eq_nocase(v, STR_LIT("false"));
}

/* ---- families ---- */

static bool weir_mode(struct reading *r, const char *field, struct str v)
{
    struct said *s = &r->weir;
    if (v.len == 0 || s->mode_said) {
        return true;
    }
    s->mode_said = true;
    if (str_eq_nocase(v, STR_LIT("off"))) {
        s->wish.off = true;
        return true;
    }
    s->wish.on = true;
    s->wish.refresh = str_eq_nocase(v, STR_LIT("refresh"));
    s->wish.only = str_eq_nocase(v, STR_LIT("only"));
    return s->wish.refresh || s->wish.only || str_eq_nocase(v, STR_LIT("on")) ||
           bad(r, field, v, "on, off, refresh or only");
}

static bool weir_ttl(struct reading *r, const char *field, struct str v)
{
    uint64_t s;
    if (v.len == 0 || r->weir.wish.has_ttl) {
        return true;
    }
    if (!seconds(v, &s)) {
        return bad(r, field, v, "a number of seconds");
    }
    set_ttl(&r->weir.wish, s);
    r->weir.wish.on = true;
    return true;
}

static bool weir_key(struct reading *r, const char *field, struct str v)
{
    r->weir.wish.on = r->weir.wish.on || v.len;
    return set_text(r, field, v, KEY_MAX, &r->weir.wish.key);
}

static bool weir_namespace(struct reading *r, const char *field, struct str v)
{
    return set_text(r, field, v, NAMESPACE_MAX, &r->weir.wish.name_space);
}

static bool portkey_cache(struct reading *r, const char *field, struct str v)
{
    if (v.len == 0) {
        return true;
    }
    if (str_eq_nocase(v, STR_LIT("semantic"))) {
        return error_set_param(r->err, ERR_NOT_IMPLEMENTED, field,
                               "%s: semantic caching is not implemented", field);
    }
    r->portkey.mode_said = r->portkey.wish.on = true;
    return str_eq_nocase(v, STR_LIT("simple")) || bad(r, field, v, "simple");
}

static bool portkey_refresh(struct reading *r, const char *field, struct str v)
{
    bool yes;
    if (!truth(v, &yes)) {
        return bad(r, field, v, "true or false");
    }
    r->portkey.wish.refresh = r->portkey.wish.refresh || yes;
    return true;
}

static bool portkey_namespace(struct reading *r, const char *field, struct str v)
{
    return set_text(r, field, v, NAMESPACE_MAX, &r->portkey.wish.name_space);
}

/* "false" there: neither logged nor cached. Other values are its logger's business. */
static bool portkey_debug(struct reading *r, const char *field, struct str v)
{
    (void)field;
    r->portkey.wish.off = r->portkey.wish.off || str_eq_nocase(v, STR_LIT("false"));
    return true;
}

static bool cloudflare_skip(struct reading *r, const char *field, struct str v)
{
    bool yes;
    if (!truth(v, &yes)) {
        return bad(r, field, v, "true or false");
    }
    r->cloudflare.wish.off = r->cloudflare.wish.off || yes;
    return true;
}

static bool cloudflare_ttl(struct reading *r, const char *field, struct str v)
{
    struct cache_wish *w = &r->cloudflare.wish;
    uint64_t s;
    if (v.len == 0 || w->has_ttl) {
        return true;
    }
    if (!seconds(v, &s)) {
        return bad(r, field, v, "a number of seconds");
    }
    if (s == 0) {
        w->off = true;
        return true;
    }
    set_ttl(w, s);
    w->on = true;
    return true;
}

static bool cloudflare_key(struct reading *r, const char *field, struct str v)
{
    struct cache_wish *w = &r->cloudflare.wish;
    if (v.len) {
        w->on = true;
        w->else_ttl_s = CLOUDFLARE_KEY_TTL_S;
    }
    return set_text(r, field, v, KEY_MAX, &w->key);
}

/* RFC 9111: what is not known, or not well formed, is passed over. */
static void standard_directive(struct reading *r, struct str d)
{
    struct str name = d, value = STR_NONE;
    uint64_t s;
    if (str_cut(d, '=', &name, &value)) {
        name = str_trim(name);
        value = str_trim(value);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
            value = str_slice(value, 1, value.len - 2);
        }
    }
    struct cache_wish *w = &r->standard.wish;
    if (str_eq_nocase(name, STR_LIT("no-cache"))) {
        w->refresh = true;
    } else if (str_eq_nocase(name, STR_LIT("no-store"))) {
        w->off = w->no_keep = true;
    } else if (str_eq_nocase(name, STR_LIT("only-if-cached"))) {
        w->only = true;
    } else if (str_eq_nocase(name, STR_LIT("max-age")) && seconds(value, &s)) {
        r->max_age_s = r->has_max_age && r->max_age_s < s ? r->max_age_s : s;
        r->has_max_age = true;
    }
}

static bool standard_control(struct reading *r, const char *field, struct str v)
{
    struct str head, tail = v;
    (void)field;
    while (str_cut(tail, ',', &head, &tail)) {
        standard_directive(r, str_trim(head));
    }
    standard_directive(r, str_trim(tail));
    return true;
}

static const struct field {
    struct str name;
    bool (*read)(struct reading *r, const char *field, struct str value);
} fields[] = {
    {{"x-weir-cache", 12}, weir_mode},
    {{"x-weir-cache-ttl", 16}, weir_ttl},
    {{"x-weir-cache-key", 16}, weir_key},
    {{"x-weir-cache-namespace", 22}, weir_namespace},
    {{"cache-control", 13}, standard_control},
    {{"x-portkey-cache", 15}, portkey_cache},
    {{"x-portkey-cache-force-refresh", 29}, portkey_refresh},
    {{"x-portkey-cache-namespace", 25}, portkey_namespace},
    {{"x-portkey-debug", 15}, portkey_debug},
    {{"cf-aig-skip-cache", 17}, cloudflare_skip},
    {{"cf-aig-cache-ttl", 16}, cloudflare_ttl},
    {{"cf-aig-cache-key", 16}, cloudflare_key},
    {{"cf-skip-cache", 13}, cloudflare_skip},
    {{"cf-cache-ttl", 12}, cloudflare_ttl},
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static bool begins(struct str s, struct str prefix)
{
    return str_eq_nocase(str_slice(s, 0, prefix.len), prefix);
}

/* ---- together ---- */

static void modes_join(const struct reading *r, struct cache_wish *w)
{
    const struct cache_wish *c = &r->cloudflare.wish, *p = &r->portkey.wish, *s = &r->standard.wish;
    if (r->weir.mode_said) {
        w->off = r->weir.wish.off;
        w->refresh = r->weir.wish.refresh;
        w->only = r->weir.wish.only;
    } else {
        w->off = c->off || p->off || s->off;
        w->no_keep = s->no_keep;
        w->refresh = !w->off && (p->refresh || s->refresh);
        w->only = !w->off && s->only;
    }
    w->on = !w->off && (r->weir.wish.on || c->on || p->on);
}

static void values_join(const struct reading *r, struct cache_wish *w)
{
    const struct cache_wish *v = &r->weir.wish, *c = &r->cloudflare.wish, *p = &r->portkey.wish;
    w->key = v->key.ptr ? v->key : c->key;
    w->name_space = v->name_space.ptr ? v->name_space : p->name_space;
    w->else_ttl_s = c->else_ttl_s;
    w->has_ttl = v->has_ttl || c->has_ttl;
    w->ttl_s = v->has_ttl ? v->ttl_s : c->ttl_s;
    if (r->has_max_age && p->on) { /* Portkey's: how long the answer is to be kept */
        if (!w->has_ttl) {
            set_ttl(w, r->max_age_s);
        }
    } else if (r->has_max_age) {
        w->has_max_age = true;
        w->max_age_s = r->max_age_s;
    }
}

bool cache_wish_read(const struct header *headers, size_t n, struct cache_wish *ret,
                     struct error *err)
{
    struct reading r = {.err = err};
    struct cache_wish w = {0};
    for (size_t i = 0; i < n; i++) {
        struct str name = headers[i].name;
        w.said_portkey = w.said_portkey || begins(name, STR_LIT("x-portkey-"));
        w.said_cloudflare = w.said_cloudflare || begins(name, STR_LIT("cf-aig-")) ||
                            str_eq_nocase(name, STR_LIT("cf-skip-cache")) ||
                            str_eq_nocase(name, STR_LIT("cf-cache-ttl"));
    }
    /* by field first, so that of two names for one thing the newer wins wherever it stands */
    for (size_t f = 0; f < N_FIELDS; f++) {
        for (size_t i = 0; i < n; i++) {
            if (str_eq_nocase(headers[i].name, fields[f].name) &&
                !fields[f].read(&r, fields[f].name.ptr, str_trim(headers[i].value))) {
                return false;
            }
        }
    }
    modes_join(&r, &w);
    values_join(&r, &w);
    *ret = w;
    return true;
}
