/* See governed.h. */
#include "dataplane/stages/governed.h"

#include "common/crypto.h"
#include "common/json_kernel.h"
#include "common/rules/model_name.h"
#include "dataplane/stages/routing.h"

#define VALUE_MAX 256u
#define METADATA_MAX 8192u
#define TAGS_MAX 32u
#define QUOTAS_MAX 256u
#define SEPARATOR "\x1f"

/* ---- whom the request names ---- */

/* What stands in an event or names an account: no control characters, of bounded length. */
static bool is_plain(struct str s)
{
    if (s.len == 0 || s.len > VALUE_MAX) {
        return false;
    }
    for (const char *p = s.ptr, *end = s.ptr + s.len; p < end;) {
        unsigned n = json_utf8_len(p, end);
        if (n == 0 || (unsigned char)*p < ' ' || *p == 0x7f) {
            return false;
        }
        p += n;
    }
    return true;
}

/* What is too long or odd to be a name still names an account of its own: nobody gets around a
 * budget on each of his users by giving them long names. */
static struct str digest_of(struct request *r, struct str s)
{
    uint8_t digest[CRYPTO_SHA256_LEN];
    char hex[2 * CRYPTO_SHA256_LEN + 1];
    crypto_sha256(s.ptr, s.len, digest);
    crypto_hex(digest, sizeof(digest), hex);
    return arena_printf(r->arena, "sha256:%.*s", (int)(2 * sizeof(digest)), hex);
}

/* s must live as long as the request. */
static struct str named(struct request *r, struct str s)
{
    return s.len == 0 || is_plain(s) ? s : digest_of(r, s);
}

static struct str text_of(struct request *r, struct json_value v)
{
    char text[VALUE_MAX + 1];
    size_t len;
    if (v.type == JSON_NULL) {
        return STR_NONE;
    }
    if (v.type != JSON_STRING) {
        return v.raw.len <= VALUE_MAX && v.type != JSON_OBJECT && v.type != JSON_ARRAY
                   ? v.raw
                   : digest_of(r, v.raw);
    }
    if (!json_unescape(v, text, sizeof(text), &len)) {
        return digest_of(r, v.raw);
    }
    struct str s = {text, len};
    return len == 0 ? STR_NONE : is_plain(s) ? arena_str(r->arena, s) : digest_of(r, s);
}

static bool member(struct str object, struct str name, struct json_value *ret)
{
    struct json_value whole = {.type = JSON_OBJECT, .raw = object};
    struct json_member m = {.name = name};
    if (!object.len || !json_members(whole, &m, 1, NULL) || !m.found) {
        return false;
    }
    *ret = m.value;
    return true;
}

static struct str metadata_text(struct request *r, struct str name)
{
    struct json_value v;
    struct str all = r->metadata_json.ptr ? r->metadata_json : r->key->metadata_json;
    return member(all, name, &v) ? text_of(r, v) : STR_NONE;
}

static void put_member(struct json_writer *w, struct json_value name, struct json_value value)
{
    char text[VALUE_MAX + 1];
    size_t n;
    if (json_unescape(name, text, VALUE_MAX, &n) && !memchr(text, '\0', n)) {
        text[n] = '\0';
        json_name(w, text);
        json_put_raw(w, value.raw);
    }
}

/* The request's members over its key's defaults. */
static struct str merged(struct request *r, struct str own)
{
    struct json_value key = {.type = JSON_OBJECT, .raw = r->key->metadata_json}, name, value, seen;
    struct json_value mine = {.type = JSON_OBJECT, .raw = own};
    struct json_writer w;
    size_t pos = 0;
    struct buffer *out = arena_buffer(r->arena, METADATA_MAX * 2);
    if (!out || own.len > METADATA_MAX) {
        return STR_NONE;
    }
    json_writer_init(&w, out);
    json_object_begin(&w);
    while (json_next(mine, &pos, &name, &value)) {
        put_member(&w, name, value);
    }
    pos = 0;
    while (key.raw.len && json_next(key, &pos, &name, &value)) {
        char text[VALUE_MAX];
        size_t len;
        bool known = json_unescape(name, text, sizeof(text), &len) &&
                     member(own, (struct str){text, len}, &seen);
        if (!known) {
            put_member(&w, name, value);
        }
    }
    json_object_end(&w);
    return out->failed ? STR_NONE : buffer_str(out);
}

/* A header's word counts before the body's; Portkey's clients have it among the metadata. */
static void read_end_user(struct request *r)
{
    static const char *const headers[] = {"x-weir-end-user", "x-end-user-id",
                                          "x-litellm-end-user-id", "x-openwebui-user-id"};
    size_t n = r->own_headers || !r->header_mask ? sizeof(headers) / sizeof(headers[0]) : 0;
    for (size_t i = 0; i < n && !r->end_user.ptr; i++) {
        struct str v = request_header(r, headers[i]);
        r->end_user = v.len ? named(r, v) : STR_NONE;
    }
    if (!r->end_user.ptr && r->chat.end_user.type == JSON_STRING) {
        r->end_user = text_of(r, r->chat.end_user);
    }
    if (!r->metadata_json.ptr && !r->key->metadata_json.len) {
        return;
    }
    if (!r->end_user.ptr) {
        r->end_user = metadata_text(r, STR_LIT("_user"));
    }
    if (!r->end_user.ptr && r->dialect == &dialect_messages) {
        r->end_user = metadata_text(r, STR_LIT("user_id")); /* Anthropic's own place */
    }
}

/* Each once: what a request costs counts once for a tag. */
static size_t add_tag(struct str *list, size_t n, struct str tag)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(list[i], tag)) {
            return n;
        }
    }
    list[n] = tag;
    return n + 1;
}

static void read_tags(struct request *r)
{
    struct str said =
        r->own_headers || !r->header_mask ? request_header(r, "x-weir-tags") : STR_NONE;
    struct str one, rest;
    r->tags = r->key->tags;
    r->n_tags = r->key->n_tags;
    if (!said.len && r->n_tags < 2) {
        return;
    }
    struct str *list = arena_alloc(r->arena, (TAGS_MAX + r->n_tags) * sizeof(*list));
    size_t n = 0;
    if (!list) {
        return;
    }
    for (size_t i = 0; i < r->n_tags; i++) {
        n = add_tag(list, n, r->tags[i]);
    }
    for (bool more = said.len > 0; more && n < TAGS_MAX + r->n_tags;) {
        more = str_cut(said, ',', &one, &rest);
        one = named(r, str_trim(more ? one : said));
        said = more ? rest : STR_NONE;
        if (one.len) {
            n = add_tag(list, n, one);
        }
    }
    r->tags = list;
    r->n_tags = n;
}

static bool has_metadata(struct request *r, struct str name)
{
    struct json_value v;
    struct str all = r->metadata_json.ptr ? r->metadata_json : r->key->metadata_json;
    return member(all, name, &v) && v.type != JSON_NULL &&
           !(v.type == JSON_STRING && v.raw.len <= 2);
}

bool governed_read(struct request *r)
{
    const struct snap_key *k = r->key;
    bool own_headers = r->own_headers || !r->header_mask;
    struct str own = r->chat.has_metadata || k->n_required_metadata ? routing_metadata(r)
                     : own_headers                                  ? routing_header_metadata(r)
                                                                    : STR_NONE;
    if (own.ptr && own.len > METADATA_MAX) {
        return error_set_param(&r->error, ERR_INVALID_FIELD, "metadata",
                               "metadata of a request is at most %u bytes", METADATA_MAX);
    }
    if (own.ptr) {
        r->metadata_json = k->metadata_json.len ? merged(r, own) : own;
    }
    read_tags(r);
    read_end_user(r);
    for (size_t i = 0; i < k->n_required_metadata; i++) {
        if (!has_metadata(r, k->required_metadata[i])) {
            return error_set_param(&r->error, ERR_METADATA_REQUIRED, "metadata",
                                   "this key demands metadata '%.*s': send it as 'x-weir-metadata: "
                                   "{\"%.*s\": \"...\"}'",
                                   STR_ARG(str_slice(k->required_metadata[i], 0, 60)),
                                   STR_ARG(str_slice(k->required_metadata[i], 0, 60)));
        }
    }
    return true;
}

/* ---- which quotas ---- */

bool governed_by_target(const struct snap_quota *q)
{
    for (size_t i = 0; i < q->n_scopes; i++) {
        if (q->scopes[i].kind == SCOPE_MODEL || q->scopes[i].kind == SCOPE_PROVIDER) {
            return true;
        }
    }
    return false;
}

static bool take_anchor(struct request *r, const struct uuid *anchor)
{
    struct holds *s = r->holds;
    size_t n = 0;
    const struct snap_quota *const *list =
        uuid_is_nil(anchor) ? NULL : snapshot_quotas(r->snapshot, anchor, &n);
    for (size_t i = 0; i < n; i++) {
        const struct snap_quota *q = list[i];
        bool here =
            uuid_eq(&q->organization_id, &r->key->organization_id) &&
            (uuid_is_nil(&q->workspace_id) || uuid_eq(&q->workspace_id, &r->key->workspace_id));
        if (!here || q->disabled) {
            continue;
        }
        if (q->needs_unknown) {
            return error_set(&r->error, ERR_UPGRADE_REQUIRED,
                             "this proxy lacks a feature that '%.*s' needs",
                             STR_ARG(str_slice(q->name, 0, 64)));
        }
        if (s->n_quotas == QUOTAS_MAX) {
            return error_set(&r->error, ERR_OVERLOADED,
                             "more than %u budgets and limits bind this request", QUOTAS_MAX);
        }
        s->quotas[s->n_quotas++] = q;
    }
    return true;
}

/* In one order for everybody, so that two that wait for each other's accounts cannot be. */
static int by_id(const void *a, const void *b)
{
    const struct snap_quota *const *x = a, *const *y = b;
    return memcmp((*x)->id.b, (*y)->id.b, sizeof((*x)->id.b));
}

bool governed_find(struct request *r)
{
    const struct snap_key *k = r->key;
    if ((r->holds && r->holds->sought) || !snapshot_has_quotas(r->snapshot)) {
        return true;
    }
    struct holds *s = holds_of(r);
    if (s) {
        s->quotas = arena_alloc(r->arena, QUOTAS_MAX * sizeof(*s->quotas));
    }
    if (!s || !s->quotas) {
        return error_set(&r->error, ERR_INTERNAL, "out of room for the request");
    }
    const struct uuid *anchors[] = {&k->organization_id, &k->workspace_id,       &k->team_id,
                                    &k->user_id,         &k->service_account_id, &k->id};
    for (size_t i = 0; i < sizeof(anchors) / sizeof(anchors[0]); i++) {
        if (!take_anchor(r, anchors[i])) {
            return false;
        }
    }
    if (s->n_quotas > 1) {
        qsort(s->quotas, s->n_quotas, sizeof(*s->quotas), by_id);
    }
    s->sought = true;
    return true;
}

/* ---- scopes ---- */

static bool id_scope(struct request *r, const struct snap_scope *sc, const struct uuid *mine,
                     struct str *ret_value)
{
    if (uuid_is_nil(mine)) {
        return false;
    }
    if (!sc->each) {
        return uuid_eq(&sc->id, mine);
    }
    char hex[33] = "";
    crypto_hex(mine->b, sizeof(mine->b), hex);
    *ret_value = arena_str(r->arena, str_of(hex));
    return ret_value->ptr != NULL;
}

static bool text_scope(const struct snap_scope *sc, struct str mine, struct str *ret_value)
{
    if (!mine.ptr || mine.len == 0) {
        return false;
    }
    *ret_value = mine;
    return sc->each || str_eq(sc->value, mine);
}

static bool tag_scope(const struct request *r, const struct snap_scope *sc, size_t variant,
                      struct str *ret_value)
{
    if (sc->each) {
        return variant < r->n_tags && text_scope(sc, r->tags[variant], ret_value);
    }
    for (size_t i = 0; i < r->n_tags; i++) {
        if (str_eq(sc->value, r->tags[i])) {
            return true;
        }
    }
    return false;
}

/* A native call whose model cannot be read may be of any: what could cost anything is bound. */
static bool model_scope(struct request *r, const struct candidate *c, const struct snap_scope *sc,
                        struct str *ret_value)
{
    if (!c || !c->model.len) {
        return c == NULL || (c->step ? c->step->body.len : r->body.len) > 0;
    }
    if (sc->each) {
        *ret_value = named(r, c->model);
        return ret_value->ptr != NULL;
    }
    struct str full =
        arena_printf(r->arena, "%.*s/%.*s", STR_ARG(c->provider->name), STR_ARG(c->model));
    return model_name_matches(sc->value, c->model) || model_name_matches(sc->value, r->model) ||
           (full.ptr && model_name_matches(sc->value, full));
}

static bool provider_scope(const struct candidate *c, const struct snap_scope *sc,
                           struct str *ret_value)
{
    if (!c) {
        return true;
    }
    if (sc->each) {
        *ret_value = c->provider->name;
        return true;
    }
    return uuid_is_nil(&sc->id) ? model_name_matches(sc->value, c->provider->name)
                                : uuid_eq(&sc->id, &c->provider->id);
}

static bool scope_binds(struct request *r, const struct candidate *c, const struct snap_scope *sc,
                        size_t variant, struct str *ret_value)
{
    const struct snap_key *k = r->key;
    switch (sc->kind) {
    case SCOPE_ORGANIZATION:
        return true;
    case SCOPE_WORKSPACE:
        return id_scope(r, sc, &k->workspace_id, ret_value);
    case SCOPE_TEAM:
        return id_scope(r, sc, &k->team_id, ret_value);
    case SCOPE_USER:
        return id_scope(r, sc, &k->user_id, ret_value);
    case SCOPE_SERVICE_ACCOUNT:
        return id_scope(r, sc, &k->service_account_id, ret_value);
    case SCOPE_KEY:
        return id_scope(r, sc, &k->id, ret_value);
    case SCOPE_END_USER:
        return text_scope(sc, r->end_user, ret_value);
    case SCOPE_TAG:
        return tag_scope(r, sc, variant, ret_value);
    case SCOPE_METADATA:
        return text_scope(sc, metadata_text(r, sc->name), ret_value);
    case SCOPE_MODEL:
        return model_scope(r, c, sc, ret_value);
    case SCOPE_PROVIDER:
        return provider_scope(c, sc, ret_value);
    default:
        return false;
    }
}

size_t governed_variants(const struct request *r, const struct snap_quota *q)
{
    for (size_t i = 0; i < q->n_scopes; i++) {
        if (q->scopes[i].kind == SCOPE_TAG && q->scopes[i].each) {
            return r->n_tags;
        }
    }
    return 1;
}

bool governed_binds(struct request *r, const struct candidate *c, const struct snap_quota *q,
                    size_t variant, struct str *ret_bucket)
{
    struct str bucket = STR_LIT("");
    bool first = true;
    for (size_t i = 0; i < q->n_scopes; i++) {
        struct str value = STR_NONE;
        if (!scope_binds(r, c, &q->scopes[i], variant, &value)) {
            return false;
        }
        if (!q->scopes[i].each || !value.ptr) {
            continue;
        }
        bucket = first ? value
                       : arena_printf(r->arena, "%.*s" SEPARATOR "%.*s", STR_ARG(bucket),
                                      STR_ARG(value));
        first = false;
        if (!bucket.ptr) {
            return false;
        }
    }
    *ret_bucket = bucket;
    return true;
}

bool governed_is_tighter(const struct quota_view *a, const struct quota_view *b)
{
    return (unsigned __int128)a->remaining * b->amount <
           (unsigned __int128)b->remaining * a->amount;
}

bool governed_is_exact(const struct request *r, const struct snap_quota *q)
{
    return r->env->exact && q->exact && q->rule.limit && exact_can(&q->rule);
}

static bool view_of(struct request *r, const struct snap_quota *q, size_t variant,
                    struct quota_view *ret)
{
    struct str bucket;
    struct quota_account *a =
        governed_binds(r, NULL, q, variant, &bucket)
            ? quota_account(r->env->policy->quotas, &q->id, &q->rule, bucket, q->max_values)
            : NULL;
    if (a) {
        quota_view(a, ret);
    }
    quota_account_unref(a);
    return a && ret->known;
}

bool governed_tightest(struct request *r, enum quota_metric metric, struct quota_view *ret)
{
    bool found = false;
    if (!r->env->policy->quotas || !governed_find(r)) {
        return false;
    }
    for (size_t i = 0; r->holds && i < r->holds->n_quotas; i++) {
        const struct snap_quota *q = r->holds->quotas[i];
        bool meant = !q->rule.limit && !governed_by_target(q) &&
                     (metric == METRIC_NONE || q->rule.metric == metric);
        size_t variants = meant ? governed_variants(r, q) : 0;
        for (size_t k = 0; k < variants; k++) {
            struct quota_view v;
            if (view_of(r, q, k, &v) && (!found || governed_is_tighter(&v, ret))) {
                *ret = v;
                found = true;
            }
        }
    }
    return found;
}
