/* GET /prices/effective: what a call costs, worked out as data planes do: catalogue, the
 * organization's entries, its price book, a price group's ratio (docs/prices.md). */
#include "common/base/clock.h"
#include "common/rules/catalogue.h"
#include "common/rules/money.h"
#include "common/rules/price_book.h"
#include "common/rules/provider.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/store/catalogue.h"
#include "controlplane/store/documents.h"
#include "controlplane/store/organizations.h"
#include "controlplane/store/price_groups.h"
#include "controlplane/store/providers.h"

/* Whose price of what. */
struct question {
    struct str provider, kind; /* name of the object (or of the kind), name of the kind's row */
    struct str model, called, service_tier;
    const struct provider_row *row;
    uint64_t at_ms;
};

struct answer {
    struct price_list catalogue, list;
    bool catalogued, priced; /* which of both are known */
    bool by_default;         /* the organization's default_prices */
    const struct uuid *book;
    uint64_t book_version;
    struct str group;
    uint64_t ratio_ppm;
};

static bool required(struct call *c, const char *name, struct str *ret, struct error *err)
{
    *ret = http_query(c->request, name);
    return (ret->len > 0 && ret->len <= 400) ||
           error_set_param(err, ERR_INVALID_FIELD, name, "%s is required", name);
}

/* The provider object of that name or id, else the kind of that name. */
static bool read_provider(struct call *c, struct question *q, struct error *err)
{
    struct object_query by = {.limit = 1};
    struct object row;
    struct uuid id;
    struct str text;
    if (!required(c, "provider", &text, err)) {
        return false;
    }
    /* who may see prices need not see providers: to them there are kinds alone */
    bool sees = resource_query(c, &provider_resource, &by, err);
    if (!sees && err->code != ERR_NOT_FOUND) {
        return false;
    }
    if (uuid_parse_public("prov", text, &id)) {
        object_filter_uuid(&by, PROVIDER_ID, &id);
    } else {
        object_filter_text(&by, PROVIDER_NAME, text, false);
    }
    if (sees && object_find(c->tx, &providers_table, &by, c->arena, &row, err)) {
        q->provider = row.v[PROVIDER_NAME].text;
        q->row = provider_row_named(row.v[PROVIDER_KIND].text);
        q->kind = q->row ? str_of(q->row->name) : row.v[PROVIDER_KIND].text;
        return true;
    }
    if (err->code != ERR_NOT_FOUND) {
        return false;
    }
    *err = (struct error)ERROR_INIT;
    q->row = provider_row_named(text);
    if (!q->row) {
        return error_set_param(err, ERR_NOT_FOUND, "provider",
                               "there is no provider of that name, nor such a kind");
    }
    q->provider = q->kind = str_of(q->row->name);
    return true;
}

static bool read_question(struct call *c, struct question *q, struct error *err)
{
    *q = (struct question){.at_ms = clock_wall_ms(),
                           .called = http_query(c->request, "called"),
                           .service_tier = http_query(c->request, "service_tier")};
    return read_provider(c, q, err) && required(c, "model", &q->model, err) &&
           query_time(c, "at", &q->at_ms, err);
}

/* --- the catalogue --- */

static bool next_word(struct str *rest, struct str *ret)
{
    struct str tail;
    *rest = str_trim(*rest);
    if (str_cut(*rest, ' ', ret, &tail)) {
        *rest = tail;
        return true;
    }
    *ret = *rest;
    *rest = STR_NONE;
    return ret->len > 0;
}

/* The organization's row, else everybody's, of the first of the kind's catalogue ids that has one.
 */
static const struct catalogue_row *row_of(const struct question *q,
                                          const struct catalogue_row *rows, size_t n)
{
    const struct catalogue_row *found = NULL;
    struct str ids = str_of(q->row && q->row->catalogue ? q->row->catalogue : NULL), id;
    ids = ids.len ? ids : q->kind;
    while (!found && next_word(&ids, &id)) {
        for (size_t i = 0; i < n; i++) {
            if (str_eq(rows[i].provider, id) && str_eq(rows[i].model, q->model) &&
                (!found || rows[i].own)) {
                found = &rows[i];
            }
        }
    }
    return found;
}

static bool find_catalogue(struct call *c, const struct question *q, struct answer *a,
                           struct error *err)
{
    const struct api_context *context = c->context;
    const struct catalogue_model *installed =
        context->catalogue ? catalogue_find(context->catalogue, q->kind, q->model) : NULL;
    struct catalogue_model m = installed ? *installed : (struct catalogue_model){.priced = false};
    struct error ignored = ERROR_INIT;
    struct catalogue_row *rows;
    size_t n;
    if (!catalogue_rows(c->tx, &c->organization, c->arena, &rows, &n, err)) {
        return false;
    }
    const struct catalogue_row *row = row_of(q, rows, n);
    if (row) {
        (void)catalogue_entry_read(row->entry_json, c->arena, &m, &ignored);
    }
    a->catalogued = m.priced;
    a->catalogue = m.prices;
    return true;
}

/* --- the organization's rules --- */

static bool find_defaults(struct call *c, struct answer *a, struct str *ret_group,
                          struct error *err)
{
    struct json_member m[] = {{.name = STR_LIT("unpriced_models")},
                              {.name = STR_LIT("default_prices")},
                              {.name = STR_LIT("price_group")}};
    struct object_query q = {.limit = 1};
    struct object row;
    struct error ignored = ERROR_INIT;
    object_filter_uuid(&q, ORGANIZATION_ID, &c->organization);
    if (!object_find(c->tx, &organizations_table, &q, c->arena, &row, err)) {
        return false;
    }
    a->list = a->catalogue;
    a->priced = a->catalogued;
    if (!object_is_set(&row.v[ORGANIZATION_SETTINGS]) ||
        !json_scan(row.v[ORGANIZATION_SETTINGS].text, m, 3, 0, NULL)) {
        return true;
    }
    if (!a->priced && m[0].found && json_text_eq(m[0].value, STR_LIT("default")) && m[1].found) {
        a->priced = a->by_default = price_list_parse(m[1].value.raw, &a->list, &ignored);
    }
    if (!ret_group->ptr && m[2].found && m[2].value.type == JSON_STRING) {
        *ret_group = json_text(m[2].value);
    }
    return true;
}

static bool apply_book(struct call *c, const struct question *q, struct answer *a,
                       struct error *err)
{
    struct object_query by = {.organization = &c->organization, .limit = 1};
    struct object *rows;
    struct document_version v;
    struct price_book *book;
    size_t n;
    if (!object_list(c->tx, &price_books_table, &by, c->arena, &rows, &n, err)) {
        return false;
    }
    uint64_t published = n > 0 ? (uint64_t)rows[0].v[DOCUMENT_PUBLISHED].integer : 0;
    if (published == 0) {
        return true;
    }
    a->book = &rows[0].v[DOCUMENT_ID].uuid;
    a->book_version = published;
    if (!document_get(c->tx, &price_books_table, a->book, published, c->arena, &v, err) ||
        !price_book_new(v.document, &book, err)) {
        return false;
    }
    struct price_query pq = {.provider = q->provider,
                             .kind = q->kind,
                             .model = q->model,
                             .called = q->called,
                             .service_tier = q->service_tier,
                             .at_s = (int64_t)(q->at_ms / 1000)};
    price_book_apply(book, &pq, &a->list, &a->priced);
    price_book_free(book);
    return true;
}

static struct str override_text(struct json_member m, struct arena *a)
{
    size_t len = 0;
    char *text = m.found ? arena_alloc(a, m.value.raw.len + 1) : NULL;
    return text && json_unescape(m.value, text, m.value.raw.len, &len) ? (struct str){text, len}
                                                                       : STR_NONE;
}

static uint64_t ratio_of(const struct object *group, const struct question *q, struct arena *a)
{
    struct json_value list, item;
    struct error ignored = ERROR_INIT;
    size_t pos = 0;
    uint64_t ppm;
    if (object_is_set(&group->v[PRICE_GROUP_OVERRIDES]) &&
        json_validate(group->v[PRICE_GROUP_OVERRIDES].text, 0, &list, &ignored)) {
        while (json_next(list, &pos, NULL, &item)) {
            struct json_member m[] = {{.name = STR_LIT("provider")},
                                      {.name = STR_LIT("model")},
                                      {.name = STR_LIT("ratio_ppm")}};
            if (json_members(item, m, 3, NULL) && m[2].found && json_u64(m[2].value, &ppm) &&
                price_pattern_fits(override_text(m[0], a), q->provider, q->kind) &&
                price_pattern_fits(override_text(m[1], a), q->model, q->called)) {
                return ppm;
            }
        }
    }
    return (uint64_t)group->v[PRICE_GROUP_RATIO_PPM].integer;
}

static bool apply_group(struct call *c, const struct question *q, struct str name, struct answer *a,
                        struct error *err)
{
    bool named = http_query(c->request, "group").len > 0;
    struct object_query by = {.organization = &c->organization, .limit = 1};
    struct object row;
    struct uuid id;
    a->ratio_ppm = PRICE_RATIO_ONE;
    if (name.len == 0) {
        return true;
    }
    if (uuid_parse_public("pgr", name, &id)) {
        object_filter_uuid(&by, PRICE_GROUP_ID, &id);
    } else {
        object_filter_text(&by, PRICE_GROUP_NAME, name, true);
    }
    if (!object_find(c->tx, &price_groups_table, &by, c->arena, &row, err)) {
        if (err->code != ERR_NOT_FOUND || named) {
            return err->code == ERR_NOT_FOUND
                       ? error_set_param(err, ERR_NOT_FOUND, "group", "price group not found")
                       : false;
        }
        *err = (struct error)ERROR_INIT; /* the settings name one that is gone: none */
        return true;
    }
    a->group = row.v[PRICE_GROUP_NAME].text;
    a->ratio_ppm = ratio_of(&row, q, c->arena);
    return true;
}

/* --- the answer --- */

static void put_prices(struct json_writer *w, const char *name, const struct price_list *list,
                       bool known)
{
    json_name(w, name);
    if (known) {
        price_list_write(list, w);
    } else {
        json_put_null(w);
    }
}

static void put_answer(struct json_writer *w, const struct question *q, const struct answer *a)
{
    char ratio[MONEY_TEXT_MAX], room[32];
    struct price_list charged = a->list;
    size_t n = money_format(a->ratio_ppm, MONEY_RATIO_DECIMALS, ratio, sizeof ratio);
    price_list_multiply(&charged, a->ratio_ppm);
    json_object_begin(w);
    json_field_str(w, "provider", q->provider);
    json_field_str(w, "kind", q->kind);
    json_field_str(w, "model", q->model);
    json_field_str(w, "service_tier", price_tier_name(q->service_tier, room));
    reply_put_time(w, "at", q->at_ms);
    json_field_bool(w, "priced", a->priced);
    json_field_bool(w, "default_prices", a->by_default);
    put_prices(w, "catalogue", &a->catalogue, a->catalogued);
    put_prices(w, "list", &a->list, a->priced);
    put_prices(w, "charged", &charged, a->priced);
    json_field_str(w, "ratio", (struct str){ratio, n});
    json_field_str(w, "price_group", a->group.ptr ? a->group : STR_NONE);
    reply_put_id(w, "price_book_id", "pbk", a->book ? a->book : &(struct uuid){{0}});
    json_field_u64(w, "price_book_version", a->book_version);
    json_object_end(w);
}

bool prices_effective_call(struct call *c, struct error *err)
{
    struct question q;
    struct answer a = {.priced = false};
    struct str group = http_query(c->request, "group");
    if (!read_question(c, &q, err) || !find_catalogue(c, &q, &a, err) ||
        !find_defaults(c, &a, &group, err) || !apply_book(c, &q, &a, err) ||
        !apply_group(c, &q, group, &a, err)) {
        return false;
    }
    put_answer(&c->json, &q, &a);
    return true;
}
