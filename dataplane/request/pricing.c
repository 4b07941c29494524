/* See pricing.h. */
#include "dataplane/request/pricing.h"

#include "common/json.h"
#include "common/rules/catalogue.h"

#define SNAPSHOT_KIND_CATALOGUE \
    6 /* proto/snapshot.proto's KIND_CATALOGUE, which this layer does not read */

/* What was found for a candidate. */
struct found {
    const struct price_list *prices;
    uint64_t max_output;
};

static bool next_word(struct str *list, struct str *ret)
{
    *list = str_trim(*list);
    if (list->len == 0) {
        return false;
    }
    struct str rest;
    if (str_cut(*list, ' ', ret, &rest)) {
        *list = rest;
    } else {
        *ret = *list;
        *list = STR_NONE;
    }
    return true;
}

/* The organization's entry, or everybody's, laid over what is installed. */
static bool lay_over(struct request *r, const struct candidate *c, struct catalogue_model *io)
{
    const struct provider_row *row = c->provider->row;
    struct error err = ERROR_INIT;
    struct str ids = str_of(row ? (row->catalogue ? row->catalogue : row->name) : NULL);
    struct str id, entry;
    if (!r->snapshot || !r->key) {
        return false;
    }
    while (next_word(&ids, &id)) {
        entry = snapshot_catalogue_entry(r->snapshot, &r->key->organization_id, id, c->model);
        if (entry.ptr) {
            return catalogue_entry_read(entry, r->arena, io, &err);
        }
    }
    return false;
}

/* The installed catalogue's entry. Its matching rules are not for every request, so what they gave
 * is remembered by the worker: one place per hash of the name, the last one wins. */
static const struct catalogue_model *find_installed(struct request *r, const struct candidate *c)
{
    const struct catalogue *all = r->env->policy->catalogue;
    const struct provider_row *row = c->provider->row;
    struct str kind = row ? str_of(row->name) : c->provider->kind;
    uint32_t hash = 2166136261u;
    if (!all) {
        return NULL;
    }
    if (c->model.len > ENV_PRICE_MODEL || kind.len > ENV_PRICE_KIND) {
        return catalogue_find(all, kind, c->model);
    }
    for (size_t i = 0; i < c->model.len; i++) {
        hash = (hash ^ (unsigned char)c->model.ptr[i]) * 16777619u;
    }
    struct price_memo *m = &r->env->prices[(hash ^ hash >> 16) & (ENV_PRICE_MEMOS - 1)];
    struct str kept = {m->model, m->model_len}, kept_kind = {m->kind, m->kind_len};
    if (m->catalogue != all || !str_eq(kept_kind, kind) || !str_eq(kept, c->model)) {
        m->catalogue = all;
        m->kind_len = kind.len;
        memcpy(m->kind, kind.ptr, kind.len);
        m->model_len = c->model.len;
        memcpy(m->model, c->model.ptr, c->model.len);
        m->found = catalogue_find(all, kind, c->model);
    }
    return m->found;
}

static void find(struct request *r, const struct candidate *c, struct found *ret)
{
    if (!c->model.len) {
        return;
    }
    const struct catalogue_model *installed = find_installed(r, c);
    if (snapshot_count(r->snapshot, SNAPSHOT_KIND_CATALOGUE) > 0) {
        struct catalogue_model *own = arena_zalloc(r->arena, sizeof(*own));
        if (own && installed) {
            *own = *installed;
        }
        installed = own && lay_over(r, c, own) ? own : installed;
    }
    if (installed) {
        ret->max_output = installed->max_output;
        ret->prices = installed->priced ? &installed->prices : NULL;
    }
}

static bool policy_member(struct request *r, const char *name, struct json_value *ret)
{
    const struct snap_organization *o =
        r->snapshot && r->key ? snapshot_organization(r->snapshot, &r->key->organization_id) : NULL;
    struct json_member m = {.name = str_of(name)};
    if (!o || o->settings_json.len == 0 || !json_scan(o->settings_json, &m, 1, 0, NULL) ||
        !m.found) {
        return false;
    }
    *ret = m.value;
    return true;
}

static const struct price_list *default_prices(struct request *r)
{
    struct json_value how, prices;
    struct error err = ERROR_INIT;
    if (!policy_member(r, "unpriced_models", &how) || !json_text_eq(how, STR_LIT("default")) ||
        !policy_member(r, "default_prices", &prices)) {
        return NULL;
    }
    struct price_list *list = arena_zalloc(r->arena, sizeof(*list));
    return list && price_list_parse(prices.raw, list, &err) ? list : NULL;
}

static void seek(struct request *r, const struct candidate *c)
{
    struct found f = {.prices = NULL};
    if (r->prices_sought && r->priced == c) {
        return;
    }
    r->prices_sought = true;
    r->priced = c;
    find(r, c, &f);
    r->prices = f.prices ? f.prices : default_prices(r);
    r->max_output = f.max_output;
}

bool pricing_allows(struct request *r, const struct candidate *c)
{
    struct json_value how;
    seek(r, c);
    if (r->prices || !policy_member(r, "unpriced_models", &how) ||
        !json_text_eq(how, STR_LIT("refuse"))) {
        return true;
    }
    return error_set_param(&r->error, ERR_MODEL_UNPRICED, "model",
                           "the model '%.*s' has no price, and this organization refuses those",
                           STR_ARG(str_slice(c->model, 0, 120)));
}

uint64_t pricing_max_output(struct request *r, const struct candidate *c)
{
    seek(r, c);
    return r->max_output;
}

uint64_t pricing_estimate(struct request *r, const struct candidate *c, uint64_t tokens_in,
                          uint64_t tokens_out)
{
    r->prices_sought = false;
    seek(r, c);
    struct price_line lines[] = {{.unit = PRICE_TOKEN_IN, .quantity = tokens_in},
                                 {.unit = PRICE_TOKEN_OUT, .quantity = tokens_out},
                                 {.unit = PRICE_REQUEST, .quantity = 1}};
    uint64_t sum = r->prices ? price_lines(r->prices, tokens_in, lines, 3) : UINT64_MAX;
    r->prices_sought = false;
    return sum;
}

/* Every token of the prompt, which chooses the tier. */
static uint64_t prompt_of(const struct attempt *t)
{
    static const bool is_input[UNIT_COUNT] = {
        [UNIT_TOKEN_IN] = true,
        [UNIT_TOKEN_CACHED] = true,
        [UNIT_TOKEN_CACHE_WRITE_5M] = true,
        [UNIT_TOKEN_CACHE_WRITE_1H] = true,
        [UNIT_AUDIO_IN] = true,
        [UNIT_IMAGE_IN] = true,
        [UNIT_AUDIO_CACHED] = true,
        [UNIT_IMAGE_CACHED] = true,
        [UNIT_VIDEO_IN] = true,
    };
    uint64_t sum = 0;
    for (size_t i = 0; i < t->n_quantities; i++) {
        if (t->quantities[i].unit < UNIT_COUNT && is_input[t->quantities[i].unit]) {
            sum += t->quantities[i].quantity;
        }
    }
    return sum;
}

void pricing_attempt(struct request *r, const struct candidate *c, struct attempt *t)
{
    struct price_line lines[ATTEMPT_QUANTITIES];
    uint64_t reasoning = 0;
    seek(r, c);
    if (!r->prices || t->n_quantities == 0) {
        return;
    }
    bool splits = price_splits_reasoning(r->prices);
    for (size_t i = 0; i < t->n_quantities && splits; i++) {
        reasoning += t->quantities[i].unit == UNIT_TOKEN_REASONING ? t->quantities[i].quantity : 0;
    }
    for (size_t i = 0; i < t->n_quantities; i++) {
        struct event_quantity *q = &t->quantities[i];
        if (q->unit == UNIT_TOKEN_OUT && reasoning) {
            q->quantity -= reasoning < q->quantity ? reasoning : q->quantity;
        }
        /* both enums are proto/usage.proto's Unit */
        lines[i] = (struct price_line){.unit = (enum price_unit)q->unit, .quantity = q->quantity};
    }
    t->cost_nanousd = price_lines(r->prices, prompt_of(t), lines, t->n_quantities);
    for (size_t i = 0; i < t->n_quantities; i++) {
        t->quantities[i].price_picousd = lines[i].picousd;
    }
}

_Static_assert((int)PRICE_PAGE == (int)UNIT_PAGE && (int)PRICE_TOKEN_IN == (int)UNIT_TOKEN_IN,
               "units are the same in both");
