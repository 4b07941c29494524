/* GET of the model catalogue: the whole list with filters, one entry, its providers. */
#include "controlplane/api/catalogue.h"

#include "common/crypto.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/rules/validate.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 200
#define CURSOR_MAX 1024

/* --- walking --- */

bool catalogue_walk_init(struct catalogue_walk *w, struct call *c, const struct uuid *organization,
                         struct error *err)
{
    const struct api_context *context = c->context;
    struct catalogue_row *rows;
    *w = (struct catalogue_walk){.installed = context->catalogue, .arena = c->arena};
    if (!catalogue_rows(c->tx, organization, c->arena, &rows, &w->n_rows, err)) {
        return false;
    }
    w->rows = rows;
    return true;
}

static int order_ids(struct str provider, struct str model, struct str p, struct str m)
{
    int order = str_cmp(provider, p);
    return order ? order : str_cmp(model, m);
}

static const struct catalogue_model *lay_over(struct arena *a, const struct catalogue_model *base,
                                              const struct catalogue_row *row)
{
    struct catalogue_model *m = arena_zalloc(a, sizeof *m);
    struct error ignored = ERROR_INIT;
    if (!m) {
        return base;
    }
    if (base) {
        *m = *base;
    } else {
        m->title = row->model;
    }
    m->provider = row->provider;
    m->model = row->model;
    return catalogue_entry_read(row->entry_json, a, m, &ignored) ? m : base;
}

bool catalogue_walk_next(struct catalogue_walk *w, struct catalogue_item *ret)
{
    for (;;) {
        const struct catalogue_model *base =
            w->installed ? catalogue_at(w->installed, w->at) : NULL;
        const struct catalogue_row *row = w->at_row < w->n_rows ? &w->rows[w->at_row] : NULL;
        if (!base && !row) {
            return false;
        }
        int order = !row    ? -1
                    : !base ? 1
                            : order_ids(base->provider, base->model, row->provider, row->model);
        *ret = (struct catalogue_item){.model = order <= 0 ? base : NULL};
        w->at += order <= 0;
        while (order >= 0 && w->at_row < w->n_rows) {
            const struct catalogue_row *r = &w->rows[w->at_row];
            if (order_ids(r->provider, r->model, row->provider, row->model) != 0) {
                break;
            }
            ret->model = lay_over(w->arena, ret->model, r);
            *(r->own ? &ret->own : &ret->everybody) = r;
            w->at_row++;
        }
        if (ret->model) {
            return true;
        }
    }
}

/* --- showing --- */

static struct uuid entry_id(const struct catalogue_model *m)
{
    uint8_t hash[32];
    char bytes[600];
    struct uuid id;
    size_t a = m->provider.len < 100 ? m->provider.len : 100;
    size_t b = m->model.len < 400 ? m->model.len : 400;
    memcpy(bytes, m->provider.ptr, a);
    bytes[a] = '\0';
    memcpy(bytes + a + 1, m->model.ptr, b);
    crypto_sha256(bytes, a + 1 + b, hash);
    memcpy(id.b, hash, sizeof id.b);
    return id;
}

static void put_count(struct json_writer *w, const char *name, uint64_t n)
{
    json_name(w, name);
    if (n > 0) {
        json_put_u64(w, n);
    } else {
        json_put_null(w);
    }
}

static void show(struct json_writer *w, const struct catalogue_item *item)
{
    const struct catalogue_model *m = item->model;
    struct uuid id = entry_id(m);
    json_object_begin(w);
    reply_put_id(w, "id", "cat", &id);
    json_field_str(w, "provider", m->provider);
    json_field_str(w, "model", m->model);
    json_field_str(w, "title", m->title.ptr ? m->title : m->model);
    put_count(w, "context", m->context);
    put_count(w, "max_output", m->max_output);
    catalogue_words_write(m->can, "capabilities", w);
    catalogue_words_write(m->can, "input", w);
    catalogue_words_write(m->can, "output", w);
    json_field_bool(w, "deprecated", m->deprecated.ptr != NULL);
    json_field_str(w, "deprecated_on", m->deprecated.len ? m->deprecated : STR_NONE);
    json_name(w, "price");
    if (m->priced) {
        price_list_write(&m->prices, w);
    } else {
        json_put_null(w);
    }
    json_field_str(w, "source", m->source.ptr ? m->source : STR_LIT(""));
    json_field_bool(w, "updated", item->everybody != NULL);
    reply_put_id(w, "override_id", "cato", item->own ? &item->own->id : &(struct uuid){{0}});
    json_object_end(w);
}

/* --- the list --- */

struct query {
    struct str provider, q;
    int priced; /* -1: does not matter */
    unsigned can;
    bool overridden;
    unsigned limit;
    struct str after_provider, after_model; /* ptr NULL: from the start */
};

static bool read_flag(const struct call *c, const char *name, int *ret, struct error *err)
{
    struct str s = http_query(c->request, name);
    if (!s.ptr) {
        return true;
    }
    if (!str_eqz(s, "true") && !str_eqz(s, "false")) {
        return error_set_param(err, ERR_INVALID_FIELD, name, "%s must be true or false", name);
    }
    *ret = str_eqz(s, "true");
    return true;
}

/* "tools,reason": all of these; modalities as "input:image", "output:audio". */
static bool read_capabilities(const struct call *c, unsigned *ret, struct error *err)
{
    struct str rest = http_query(c->request, "capability"), word;
    while (rest.len > 0) {
        const struct capability_name *n = capability_names;
        if (!str_cut(rest, ',', &word, &rest)) {
            word = rest;
            rest = STR_NONE;
        }
        for (; n->name; n++) {
            size_t at = strcmp(n->member, "capabilities") == 0 ? 0 : strlen(n->member) + 1;
            struct str front = str_slice(word, 0, at ? at - 1 : 0);
            if (str_eqz(str_slice(word, at, word.len), n->name) &&
                (at == 0 ||
                 (word.len > at && word.ptr[at - 1] == ':' && str_eqz(front, n->member)))) {
                break;
            }
        }
        if (!n->name) {
            return error_set_param(err, ERR_INVALID_FIELD, "capability",
                                   "capability \"%.*s\" is not known",
                                   STR_ARG(str_slice(word, 0, 40)));
        }
        *ret |= n->bit;
    }
    return true;
}

static bool read_cursor(const struct call *c, struct query *q, struct error *err)
{
    struct str cursor = http_query(c->request, "cursor");
    size_t len = 0;
    if (cursor.len == 0) {
        return true;
    }
    char *text = cursor.len <= CURSOR_MAX ? arena_alloc(c->arena, cursor.len + 1) : NULL;
    if (!text || !crypto_unbase64(cursor, (uint8_t *)text, cursor.len, &len) ||
        !str_cut((struct str){text, len}, '\n', &q->after_provider, &q->after_model)) {
        return error_set_param(err, ERR_INVALID_FIELD, "cursor",
                               "cursor is not one that this API gave");
    }
    return true;
}

static bool read_query(const struct call *c, struct query *q, struct error *err)
{
    struct str limit = http_query(c->request, "limit");
    uint64_t n = LIMIT_DEFAULT;
    int overridden = 0;
    *q = (struct query){.priced = -1,
                        .provider = http_query(c->request, "provider"),
                        .q = http_query(c->request, "q")};
    if (limit.ptr && (!str_to_u64(limit, &n) || n < 1 || n > LIMIT_MAX)) {
        return error_set_param(err, ERR_INVALID_FIELD, "limit", "limit must be between 1 and %d",
                               LIMIT_MAX);
    }
    q->limit = (unsigned)n;
    if (!read_flag(c, "priced", &q->priced, err) || !read_flag(c, "overridden", &overridden, err) ||
        !read_capabilities(c, &q->can, err)) {
        return false;
    }
    q->overridden = overridden == 1;
    return read_cursor(c, q, err);
}

static bool contains(struct str text, struct str part)
{
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (str_eq_nocase(str_slice(text, i, part.len), part)) {
            return true;
        }
    }
    return part.len == 0;
}

static bool wanted(const struct query *q, const struct catalogue_item *item)
{
    const struct catalogue_model *m = item->model;
    if (q->after_provider.ptr &&
        order_ids(m->provider, m->model, q->after_provider, q->after_model) <= 0) {
        return false;
    }
    return (q->provider.len == 0 || str_eq(m->provider, q->provider)) &&
           (q->priced < 0 || m->priced == (q->priced == 1)) && (m->can & q->can) == q->can &&
           (!q->overridden || item->own) &&
           (contains(m->model, q->q) || contains(m->title, q->q) || contains(m->provider, q->q));
}

static void put_cursor(struct call *c, const struct catalogue_model *last)
{
    struct str text =
        arena_printf(c->arena, "%.*s\n%.*s", STR_ARG(last->provider), STR_ARG(last->model));
    char *out = text.ptr ? arena_alloc(c->arena, text.len * 2 + 8) : NULL;
    if (out) {
        (void)crypto_base64url(text.ptr, text.len, out);
    }
    json_put_z(&c->json, out ? out : "");
}

static const struct uuid *tenant(const struct call *c)
{
    return uuid_is_nil(&c->organization) ? NULL : &c->organization;
}

static void put_version(struct call *c)
{
    const struct api_context *context = c->context;
    json_field_str(&c->json, "version",
                   context->catalogue ? catalogue_version(context->catalogue) : STR_NONE);
}

bool catalogue_list_call(struct call *c, struct error *err)
{
    struct catalogue_walk w;
    struct catalogue_item item;
    const struct catalogue_model *last = NULL;
    struct query q;
    unsigned n = 0;
    bool more = false;
    if (!read_query(c, &q, err) || !catalogue_walk_init(&w, c, tenant(c), err)) {
        return false;
    }
    json_object_begin(&c->json);
    json_name(&c->json, "data");
    json_array_begin(&c->json);
    while (!more && catalogue_walk_next(&w, &item)) {
        if (!wanted(&q, &item)) {
            continue;
        }
        more = n == q.limit;
        if (!more) {
            show(&c->json, &item);
            last = item.model;
            n++;
        }
    }
    json_array_end(&c->json);
    json_name(&c->json, "next_cursor");
    if (more) {
        put_cursor(c, last);
    } else {
        json_put_null(&c->json);
    }
    put_version(c);
    json_object_end(&c->json);
    return true;
}

bool catalogue_get_call(struct call *c, struct error *err)
{
    struct catalogue_walk w;
    struct catalogue_item item;
    if (!catalogue_walk_init(&w, c, tenant(c), err)) {
        return false;
    }
    while (catalogue_walk_next(&w, &item)) {
        struct uuid id = entry_id(item.model);
        if (uuid_eq(&id, &c->id)) {
            show(&c->json, &item);
            return true;
        }
    }
    return error_set(err, ERR_NOT_FOUND, "%s", "");
}

static void put_provider(struct call *c, struct str provider, uint64_t models, uint64_t priced)
{
    json_object_begin(&c->json);
    json_field_str(&c->json, "provider", provider);
    json_field_u64(&c->json, "models", models);
    json_field_u64(&c->json, "priced", priced);
    json_object_end(&c->json);
}

bool catalogue_providers_call(struct call *c, struct error *err)
{
    struct catalogue_walk w;
    struct catalogue_item item;
    struct str provider = STR_NONE;
    uint64_t models = 0, priced = 0;
    if (!catalogue_walk_init(&w, c, tenant(c), err)) {
        return false;
    }
    json_object_begin(&c->json);
    json_name(&c->json, "data");
    json_array_begin(&c->json);
    while (catalogue_walk_next(&w, &item)) {
        if (models > 0 && !str_eq(provider, item.model->provider)) {
            put_provider(c, provider, models, priced);
            models = priced = 0;
        }
        provider = item.model->provider;
        models++;
        priced += item.model->priced;
    }
    if (models > 0) {
        put_provider(c, provider, models, priced);
    }
    json_array_end(&c->json);
    put_version(c);
    json_object_end(&c->json);
    return true;
}
