/* See pricing.h. */
#include "dataplane/request/pricing.h"

#include "common/json.h"
#include "common/rules/catalogue.h"
#include "common/rules/price_book.h"

#define SNAPSHOT_KIND_CATALOGUE \
    6 /* proto/snapshot.proto's KIND_CATALOGUE, which this layer does not read */

/* What was found for a candidate. */
struct found {
    const struct price_list *prices;
    uint64_t max_output, context;
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
        ret->context = installed->context;
        ret->prices = installed->priced ? &installed->prices : NULL;
    }
}

bool pricing_policy(struct request *r, const char *name, struct json_value *ret)
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
    if (!pricing_policy(r, "unpriced_models", &how) || !json_text_eq(how, STR_LIT("default")) ||
        !pricing_policy(r, "default_prices", &prices)) {
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
    r->context = f.context;
}

void pricing_forget(struct request *r, const struct candidate *c)
{
    if (!r->candidates || c < r->candidates || c >= r->candidates + r->n_candidates) {
        r->prices_sought = false;
    }
}

/* --- the organization's own rules --- */

static const struct price_book *book_of(struct request *r, struct uuid *ret_id, uint64_t *ret)
{
    return r->snapshot && r->key
               ? snapshot_price_book(r->snapshot, &r->key->organization_id, ret_id, ret)
               : NULL;
}

const struct price_list *pricing_list(struct request *r, const struct candidate *c,
                                      struct str service_tier)
{
    struct uuid id;
    uint64_t version;
    const struct price_book *book = book_of(r, &id, &version);
    seek(r, c);
    if (!book || price_book_rules(book) == 0) {
        return r->prices;
    }
    struct price_query q = {
        .provider = c->provider->name,
        .kind = c->provider->row ? str_of(c->provider->row->name) : c->provider->kind,
        .model = c->model,
        .called = r->model,
        .service_tier = service_tier,
        .at_s = (int64_t)(r->started_wall_us / 1000000),
    };
    bool priced = r->prices != NULL;
    struct price_list *list = arena_alloc(r->arena, sizeof(*list));
    if (!list) {
        return r->prices;
    }
    *list = priced ? *r->prices : (struct price_list){0};
    price_book_apply(book, &q, list, &priced);
    return priced ? list : NULL;
}

/* The key's, else its team's, else its workspace's, else the organization's. A name that no group
 * has (any more) counts as none. */
static const struct snap_price_group *group_of(struct request *r)
{
    if (!r->snapshot || !r->key) {
        return NULL;
    }
    const struct snap_key *k = r->key;
    const struct snap_team *t = snapshot_team(r->snapshot, &k->team_id);
    const struct snap_workspace *w = snapshot_workspace(r->snapshot, &k->workspace_id);
    const struct snap_organization *o = snapshot_organization(r->snapshot, &k->organization_id);
    struct str name = k->price_group.len        ? k->price_group
                      : t && t->price_group.len ? t->price_group
                      : w && w->price_group.len ? w->price_group
                      : o                       ? o->price_group
                                                : STR_NONE;
    return name.len ? snapshot_price_group(r->snapshot, &k->organization_id, name) : NULL;
}

uint64_t pricing_ratio(struct request *r, const struct candidate *c, bool *ret_grouped)
{
    const struct snap_price_group *g = group_of(r);
    const struct snap_provider *p = c->provider;
    struct str kind = p->row ? str_of(p->row->name) : p->kind;
    *ret_grouped = g != NULL;
    for (size_t i = 0; g && i < g->n_overrides; i++) {
        const struct snap_ratio *o = &g->overrides[i];
        if (price_pattern_fits(o->provider, p->name, kind) &&
            price_pattern_fits(o->model, c->model, r->model)) {
            return o->ppm;
        }
    }
    return g ? g->ratio_ppm : PRICE_RATIO_ONE;
}

void pricing_names(struct request *r, struct str *ret_group, struct uuid *ret_book,
                   uint64_t *ret_version)
{
    const struct snap_price_group *g = group_of(r);
    *ret_group = g ? g->name : STR_NONE;
    if (!book_of(r, ret_book, ret_version)) {
        *ret_book = (struct uuid){{0}};
        *ret_version = 0;
    }
}

/* --- what callers ask --- */

bool pricing_allows(struct request *r, const struct candidate *c)
{
    struct json_value how;
    if (pricing_list(r, c, STR_NONE) || !pricing_policy(r, "unpriced_models", &how) ||
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

uint64_t pricing_context(struct request *r, const struct candidate *c)
{
    seek(r, c);
    return r->context;
}

uint64_t pricing_estimate(struct request *r, const struct candidate *c, uint64_t tokens_in,
                          uint64_t tokens_out)
{
    bool grouped;
    r->prices_sought = false;
    const struct price_list *prices = pricing_list(r, c, STR_NONE);
    struct price_line lines[] = {{.unit = PRICE_TOKEN_IN, .quantity = tokens_in},
                                 {.unit = PRICE_TOKEN_OUT, .quantity = tokens_out},
                                 {.unit = PRICE_REQUEST, .quantity = 1}};
    uint64_t sum =
        prices ? price_lines_ratio(prices, tokens_in, lines, 3, pricing_ratio(r, c, &grouped), NULL)
               : UINT64_MAX;
    r->prices_sought = false;
    return sum;
}

/* --- an attempt --- */

/* Every token of the prompt, which chooses the tier. */
static uint64_t prompt_of(const struct attempt *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->n_quantities; i++) {
        /* both enums are proto/usage.proto's Unit */
        if (price_unit_input((enum price_unit)t->quantities[i].unit)) {
            uint64_t n = t->quantities[i].quantity;
            sum = n > UINT64_MAX - sum ? UINT64_MAX : sum + n;
        }
    }
    return sum;
}

/* Reasoning that has a price of its own is taken out of the output. */
static void split_reasoning(struct attempt *t)
{
    uint64_t reasoning = 0;
    for (size_t i = 0; i < t->n_quantities; i++) {
        reasoning += t->quantities[i].unit == UNIT_TOKEN_REASONING ? t->quantities[i].quantity : 0;
    }
    for (size_t i = 0; i < t->n_quantities; i++) {
        struct event_quantity *q = &t->quantities[i];
        if (q->unit == UNIT_TOKEN_OUT) {
            q->quantity -= reasoning < q->quantity ? reasoning : q->quantity;
        }
    }
    t->reasoning_split = true;
}

/* Some sell each call besides its tokens, or nothing else. */
static void count_request(const struct price_list *prices, struct attempt *t)
{
    if (prices->units[PRICE_REQUEST].known && t->status >= 200 && t->status < 300 &&
        t->n_quantities < ATTEMPT_QUANTITIES) {
        t->quantities[t->n_quantities++] =
            (struct event_quantity){.unit = UNIT_REQUEST, .source = SOURCE_PROVIDER, .quantity = 1};
    }
}

void pricing_attempt(struct request *r, const struct candidate *c, struct attempt *t)
{
    struct price_line lines[ATTEMPT_QUANTITIES];
    bool grouped;
    const struct price_list *prices = pricing_list(r, c, t->service_tier);
    if (!prices) {
        return;
    }
    count_request(prices, t);
    if (t->n_quantities == 0) {
        return;
    }
    if (price_splits_reasoning(prices)) {
        split_reasoning(t);
    }
    for (size_t i = 0; i < t->n_quantities; i++) {
        lines[i] = (struct price_line){.unit = (enum price_unit)t->quantities[i].unit,
                                       .quantity = t->quantities[i].quantity};
    }
    uint64_t ppm = pricing_ratio(r, c, &grouped);
    t->cost_nanousd =
        price_lines_ratio(prices, prompt_of(t), lines, t->n_quantities, ppm, &t->list_nanousd);
    t->ratio_ppm = grouped ? ppm : 0;
    for (size_t i = 0; i < t->n_quantities; i++) {
        t->quantities[i].price_picousd = lines[i].picousd;
    }
}

_Static_assert((int)PRICE_PAGE == (int)UNIT_PAGE && (int)PRICE_TOKEN_IN == (int)UNIT_TOKEN_IN,
               "units are the same in both");
