/* Prices in a manifest: the list `price_groups` and the map `price_book`, whose document is written
 * as YAML and kept as JSON text, as the control plane keeps it (docs/prices.md). */
#include "common/rules/manifest_read.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/map.h"
#include "common/json.h"
#include "common/rules/money.h"
#include "common/rules/price_book.h"
#include "common/yaml.h"

#define BOOK_NAME "prices"
#define DESCRIPTION_MAX_BYTES 1000

static bool take_ratio(const struct manifest_reader *r, const struct manifest_place *p,
                       uint64_t *ret)
{
    const struct yaml_node *n = yaml_get(p->map, "ratio");
    uint64_t ppm;
    if (!n) {
        return manifest_fail(r, p->map, p->path, "ratio", "missing field \"ratio\"");
    }
    if (n->kind != YAML_SCALAR || !money_parse(n->text, MONEY_RATIO_DECIMALS, &ppm) ||
        ppm > PRICE_RATIO_MAX) {
        return manifest_fail(r, n, p->path, "ratio",
                             "ratio must be a number from 0 to 1000 with at most 6 decimals");
    }
    *ret = ppm;
    return true;
}

static bool take_pattern(const struct manifest_reader *r, const struct manifest_place *p,
                         const char *field, struct str *ret)
{
    if (!manifest_take_text(r, p, field, false, ret)) {
        return false;
    }
    return ret->len <= PRICE_PATTERN_MAX ||
           manifest_fail(r, yaml_get(p->map, field), p->path, field,
                         "%s may be at most %d bytes long", field, PRICE_PATTERN_MAX);
}

static bool read_override(const struct manifest_reader *r, const struct manifest_place *p,
                          struct manifest_ratio *ret)
{
    static const char *const fields[] = {"provider", "model", "ratio", NULL};
    if (!manifest_check_fields(r, p, fields) || !take_pattern(r, p, "provider", &ret->provider) ||
        !take_pattern(r, p, "model", &ret->model) || !take_ratio(r, p, &ret->ratio_ppm)) {
        return false;
    }
    return ret->provider.len > 0 || ret->model.len > 0 ||
           manifest_fail(r, p->map, p->path, "", "an override needs a provider or a model");
}

static bool read_group(const struct manifest_reader *r, const struct manifest_place *p,
                       struct manifest_price_group *ret)
{
    static const char *const fields[] = {"name", "description", "ratio", "overrides", NULL};
    const struct yaml_node *list;
    ret->line = p->map->line;
    if (!manifest_check_fields(r, p, fields) || !manifest_take_name(r, p, &ret->name) ||
        !manifest_take_text(r, p, "description", false, &ret->description) ||
        !take_ratio(r, p, &ret->ratio_ppm) ||
        !manifest_take_list(r, p, "overrides", sizeof(*ret->overrides), &list, &ret->overrides)) {
        return false;
    }
    if (ret->description.len > DESCRIPTION_MAX_BYTES) {
        return manifest_fail(r, yaml_get(p->map, "description"), p->path, "description",
                             "description may be at most %d bytes long", DESCRIPTION_MAX_BYTES);
    }
    if (list && list->n > PRICE_OVERRIDES_MAX) {
        return manifest_fail(r, list, p->path, "overrides", "overrides may be at most %d",
                             PRICE_OVERRIDES_MAX);
    }
    for (size_t i = 0; list && i < list->n; i++) {
        struct manifest_place at;
        if (!manifest_enter(r, p, "overrides", list, i, &at) ||
            !read_override(r, &at, &ret->overrides[i])) {
            return false;
        }
        ret->n_overrides++;
    }
    return true;
}

static bool read_groups(const struct manifest_reader *r, const struct manifest_place *top,
                        struct manifest *m)
{
    const struct yaml_node *list;
    struct map *names = map_new();
    bool ok = manifest_take_list(r, top, "price_groups", sizeof(*m->price_groups), &list,
                                 &m->price_groups);
    for (size_t i = 0; ok && list && i < list->n; i++) {
        struct manifest_place at;
        ok = manifest_enter(r, top, "price_groups", list, i, &at) &&
             read_group(r, &at, &m->price_groups[i]) &&
             manifest_claim_name(r, names, &at, m->price_groups[i].name, &m->price_groups[i]);
        m->n_price_groups++;
    }
    map_free(names);
    return ok;
}

/* Compiled once to see that it can be; what is wrong is turned back into a place in the file. */
static bool check_book(const struct manifest_reader *r, const struct yaml_node *n, struct str json)
{
    struct price_book *book;
    struct error why = ERROR_INIT;
    if (price_book_new(json, &book, &why)) {
        price_book_free(book);
        return true;
    }
    const struct yaml_node *at = manifest_find(n, why.param);
    (void)manifest_fail(r, at ? at : n, "price_book.document", why.param, "%s", error_text(&why));
    r->err->code = why.code;
    return false;
}

static bool read_book(const struct manifest_reader *r, const struct manifest_place *top,
                      struct manifest_document *ret)
{
    static const char *const fields[] = {"name", "description", "document", NULL};
    const struct yaml_node *n = yaml_get(top->map, "price_book");
    if (!n || yaml_is_null(n)) {
        return true;
    }
    if (n->kind != YAML_MAP) {
        return manifest_fail(r, n, "", "price_book", "price_book must be a map");
    }
    struct manifest_place p = {.map = n, .path = "price_book"};
    const struct yaml_node *document = yaml_get(n, "document");
    struct json_writer w;
    struct buffer b;
    ret->line = n->line;
    ret->name = STR_LIT(BOOK_NAME);
    if (!manifest_check_fields(r, &p, fields) ||
        (yaml_get(n, "name") && !manifest_take_name(r, &p, &ret->name)) ||
        !manifest_take_text(r, &p, "description", false, &ret->description)) {
        return false;
    }
    if (!document || document->kind != YAML_MAP) {
        return manifest_fail(r, document ? document : n, p.path, "document",
                             document ? "document must be a map" : "missing field \"document\"");
    }
    buffer_init(&b, PRICE_BOOK_MAX_DOCUMENT);
    json_writer_init(&w, &b);
    manifest_put_json(document, &w);
    ret->json = b.failed ? STR_NONE : arena_str(r->arena, buffer_str(&b));
    bool ok = b.failed ? manifest_fail(r, document, p.path, "document",
                                       "document nests too deep or is too large")
                       : ret->json.ptr || manifest_fail_memory(r);
    buffer_release(&b);
    return ok && check_book(r, document, ret->json);
}

bool manifest_read_prices(const struct manifest_reader *r, const struct manifest_place *top,
                          struct manifest *m)
{
    return read_groups(r, top, m) && read_book(r, top, &m->price_book);
}
