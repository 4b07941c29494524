/* What differs between two catalogues, entry by entry, for people who decide about an update. */
#include "common/rules/catalogue.h"

static bool same_date(struct str a, struct str b)
{
    return !a.ptr == !b.ptr && str_eq(a, b);
}

static bool same_prices(const struct catalogue_model *a, const struct catalogue_model *b)
{
    return a->priced == b->priced && (!a->priced || price_list_equal(&a->prices, &b->prices));
}

bool catalogue_model_equal(const struct catalogue_model *a, const struct catalogue_model *b)
{
    return str_eq(a->title, b->title) && a->context == b->context &&
           a->max_output == b->max_output && a->can == b->can &&
           same_date(a->deprecated, b->deprecated) && same_prices(a, b);
}

void catalogue_words_write(unsigned can, const char *member, struct json_writer *w)
{
    json_name(w, member);
    json_array_begin(w);
    for (const struct capability_name *c = capability_names; c->name; c++) {
        if ((can & c->bit) && strcmp(c->member, member) == 0) {
            json_put_z(w, c->name);
        }
    }
    json_array_end(w);
}

static void put_ids(struct json_writer *w, const struct catalogue_model *m)
{
    json_field_str(w, "provider", m->provider);
    json_field_str(w, "model", m->model);
}

static void put_whole(struct json_writer *w, const struct catalogue_model *m)
{
    json_object_begin(w);
    put_ids(w, m);
    json_name(w, "price");
    if (m->priced) {
        price_list_write(&m->prices, w);
    } else {
        json_put_null(w);
    }
    json_object_end(w);
}

static void put_unit(struct json_writer *w, enum price_unit unit, const struct price *old,
                     const struct price *now)
{
    json_object_begin(w);
    json_field_z(w, "unit", price_unit_name(unit));
    json_name(w, "old");
    price_write(old, w);
    json_name(w, "new");
    price_write(now, w);
    json_object_end(w);
}

static void put_prices(struct json_writer *w, const struct catalogue_model *old,
                       const struct catalogue_model *now)
{
    static const struct price none;
    json_name(w, "prices");
    json_array_begin(w);
    for (unsigned u = 1; u < PRICE_UNIT_COUNT; u++) {
        const struct price *a = old->priced ? &old->prices.units[u] : &none;
        const struct price *b = now->priced ? &now->prices.units[u] : &none;
        if (!price_equal(a, b)) {
            put_unit(w, (enum price_unit)u, a, b);
        }
    }
    json_array_end(w);
}

static void put_change(struct json_writer *w, const struct catalogue_model *old,
                       const struct catalogue_model *now)
{
    json_object_begin(w);
    put_ids(w, now);
    put_prices(w, old, now);
    json_name(w, "fields");
    json_array_begin(w);
    if (!str_eq(old->title, now->title)) {
        json_put_z(w, "title");
    }
    if (old->context != now->context) {
        json_put_z(w, "context");
    }
    if (old->max_output != now->max_output) {
        json_put_z(w, "max_output");
    }
    if (old->can != now->can) {
        json_put_z(w, "capabilities");
    }
    if (!same_date(old->deprecated, now->deprecated)) {
        json_put_z(w, "deprecated");
    }
    json_array_end(w);
    json_object_end(w);
}

static int order(const struct catalogue_model *a, const struct catalogue_model *b)
{
    int by_provider = str_cmp(a->provider, b->provider);
    return by_provider ? by_provider : str_cmp(a->model, b->model);
}

enum part { ADDED = 0, REMOVED, CHANGED, UNCHANGED, PARTS };

/* Walks both in step; writes the entries of one part, or (w NULL) counts them all. */
static void walk(const struct catalogue_side *old, const struct catalogue_side *now,
                 enum part wanted, struct json_writer *w, size_t counts[static PARTS])
{
    size_t i = 0, k = 0;
    while (i < old->n || k < now->n) {
        int which = i == old->n ? 1 : k == now->n ? -1 : order(old->models[i], now->models[k]);
        enum part part = which > 0                                               ? ADDED
                         : which < 0                                             ? REMOVED
                         : catalogue_model_equal(old->models[i], now->models[k]) ? UNCHANGED
                                                                                 : CHANGED;
        counts[part] += w == NULL;
        if (w && part == wanted && part == CHANGED) {
            put_change(w, old->models[i], now->models[k]);
        } else if (w && part == wanted) {
            put_whole(w, part == ADDED ? now->models[k] : old->models[i]);
        }
        i += which <= 0;
        k += which >= 0;
    }
}

void catalogue_diff_write(const struct catalogue_side *old, const struct catalogue_side *now,
                          struct json_writer *w, struct catalogue_counts *ret)
{
    static const char *const names[] = {"added", "removed", "changed", "unchanged"};
    size_t counts[PARTS] = {0};
    for (int part = ADDED; part <= CHANGED; part++) {
        json_name(w, names[part]);
        json_array_begin(w);
        walk(old, now, (enum part)part, w, counts);
        json_array_end(w);
    }
    walk(old, now, UNCHANGED, NULL, counts);
    json_name(w, "counts");
    json_object_begin(w);
    for (int part = ADDED; part < PARTS; part++) {
        json_field_u64(w, names[part], counts[part]);
    }
    json_object_end(w);
    *ret = (struct catalogue_counts){counts[ADDED], counts[REMOVED], counts[CHANGED],
                                     counts[UNCHANGED]};
}
