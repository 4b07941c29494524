/* What a call can cost at most, before it is made; and what a caller says that it costs. */
#include "dataplane/request/pricing.h"

#include "common/json.h"
#include "common/rules/money.h"
#include "common/rules/price_book.h"

/* Cohere bills a search for each 100 documents, and a document of more than 500 tokens as several.
 */
#define DOCUMENTS_A_SEARCH 100u
#define TOKENS_A_DOCUMENT 500u

static struct str body_of(const struct request *r, const struct candidate *c)
{
    return c->step ? c->step->body : r->body;
}

/* --- searches --- */

static uint64_t rerank_searches(struct str body, uint64_t tokens_in)
{
    struct json_member m = {.name = STR_LIT("documents")};
    struct json_value item;
    uint64_t documents = tokens_in / TOKENS_A_DOCUMENT;
    size_t pos = 0;
    if (json_scan(body, &m, 1, 0, NULL) && m.found) {
        while (json_next(m.value, &pos, NULL, &item)) {
            documents++;
        }
    }
    return documents / DOCUMENTS_A_SEARCH + 1;
}

/* One of a request's tools: false when it may search for as long as it likes. */
static bool tool_searches(struct json_value tool, uint64_t *io)
{
    enum { TYPE = 0, MAX_USES, GOOGLE, GOOGLE_SNAKE, RETRIEVAL, COUNT };
    struct json_member m[COUNT] = {[TYPE] = {.name = STR_LIT("type")},
                                   [MAX_USES] = {.name = STR_LIT("max_uses")},
                                   [GOOGLE] = {.name = STR_LIT("googleSearch")},
                                   [GOOGLE_SNAKE] = {.name = STR_LIT("google_search")},
                                   [RETRIEVAL] = {.name = STR_LIT("googleSearchRetrieval")}};
    uint64_t uses;
    if (tool.type != JSON_OBJECT) {
        return true;
    }
    if (!json_members(tool, m, COUNT, NULL) || m[GOOGLE].found || m[GOOGLE_SNAKE].found ||
        m[RETRIEVAL].found) {
        return false;
    }
    if (!m[TYPE].found || m[TYPE].value.type != JSON_STRING) {
        return true;
    }
    if (!memmem(m[TYPE].value.raw.ptr, m[TYPE].value.raw.len, "search", 6)) {
        return !m[TYPE].value.escaped;
    }
    if (!m[MAX_USES].found || !json_u64(m[MAX_USES].value, &uses)) {
        return false;
    }
    *io = uses > UINT64_MAX - *io ? UINT64_MAX : *io + uses;
    return true;
}

/* How many paid searches a call may make; UINT64_MAX: nobody says. */
static uint64_t searches_of(const struct request *r, const struct candidate *c, uint64_t tokens_in)
{
    enum { TOOLS = 0, OPTIONS, PLUGINS, COUNT };
    struct json_member m[COUNT] = {[TOOLS] = {.name = STR_LIT("tools")},
                                   [OPTIONS] = {.name = STR_LIT("web_search_options")},
                                   [PLUGINS] = {.name = STR_LIT("plugins")}};
    struct str body = body_of(r, c);
    struct json_value tool;
    size_t pos = 0;
    uint64_t n = 0;
    const struct provider_row *row = c->provider->row;
    if (r->kind == REQUEST_RERANK) {
        return rerank_searches(body, tokens_in);
    }
    if (r->kind == REQUEST_EMBED || r->kind == REQUEST_COUNT) {
        return 0;
    }
    if (row && str_eqz(str_of(row->name), "perplexity")) {
        return UINT64_MAX; /* it searches by itself */
    }
    if (!json_scan(body, m, COUNT, 0, NULL) || m[PLUGINS].found) {
        return UINT64_MAX;
    }
    n = m[OPTIONS].found; /* sold by the call */
    while (m[TOOLS].found && json_next(m[TOOLS].value, &pos, NULL, &tool)) {
        if (!tool_searches(tool, &n)) {
            return UINT64_MAX;
        }
    }
    return n;
}

/* --- the bound --- */

/* Sought once for a call, whatever its tokens. */
struct bound {
    const struct price_list *lists[36]; /* of the service tiers that it may be served in */
    size_t n;
    struct price_line pieces[2];
    uint64_t ppm;
    bool open; /* paid searches without a limit */
};

static void add_list(struct bound *b, const struct price_list *list)
{
    if (list && b->n < sizeof(b->lists) / sizeof(b->lists[0])) {
        b->lists[b->n++] = list;
    }
}

/* Which tier a call is served in is the provider's word: "auto", or nothing, may come out as any of
 * them, and a tier that was asked for may be left for the usual one. So all that the book names
 * count, and one that it does not. */
static void bound_begin(struct request *r, const struct candidate *c, uint64_t tokens_in,
                        struct bound *b)
{
    struct uuid id;
    uint64_t version;
    bool grouped;
    const struct str *tiers;
    const struct price_book *book =
        r->snapshot && r->key
            ? snapshot_price_book(r->snapshot, &r->key->organization_id, &id, &version)
            : NULL;
    size_t n = book ? price_book_tiers(book, &tiers) : 0;
    uint64_t searches = 0;
    *b = (struct bound){.ppm = pricing_ratio(r, c, &grouped)};
    add_list(b, pricing_list(r, c, STR_NONE));
    if (n > 0) {
        add_list(b, pricing_list(r, c, STR_LIT("\x01")));
    }
    for (size_t i = 0; i < n; i++) {
        add_list(b, pricing_list(r, c, tiers[i]));
    }
    for (size_t i = 0; i < b->n; i++) {
        const struct price *p = &b->lists[i]->units[PRICE_SEARCH];
        if (searches == 0 && p->known && (p->picousd > 0 || p->n_tiers > 0)) {
            searches = searches_of(r, c, tokens_in);
        }
    }
    b->open = searches == UINT64_MAX;
    b->pieces[0] = (struct price_line){.unit = PRICE_REQUEST, .quantity = 1};
    b->pieces[1] = (struct price_line){.unit = PRICE_SEARCH, .quantity = searches};
    pricing_forget(r, c);
}

static uint64_t bound_at(const struct bound *b, uint64_t tokens_in, uint64_t tokens_out)
{
    uint64_t most = 0;
    if (b->n == 0 || b->open) {
        return UINT64_MAX;
    }
    for (size_t i = 0; i < b->n; i++) {
        uint64_t v = price_bound(b->lists[i], tokens_in, tokens_out, b->pieces, 2, b->ppm);
        most = v > most ? v : most;
    }
    return most;
}

uint64_t pricing_bound(struct request *r, const struct candidate *c, uint64_t tokens_in,
                       uint64_t tokens_out)
{
    struct bound b;
    bound_begin(r, c, tokens_in, &b);
    return bound_at(&b, tokens_in, tokens_out);
}

uint64_t pricing_tokens_for(struct request *r, const struct candidate *c, uint64_t tokens_in,
                            uint64_t budget_nanousd)
{
    struct bound b;
    uint64_t low = 0, high = UINT64_MAX; /* what fits; nothing above fits */
    bound_begin(r, c, tokens_in, &b);
    if (b.n == 0 || b.open || bound_at(&b, tokens_in, 0) > budget_nanousd) {
        return 0;
    }
    while (low < high) {
        uint64_t middle = low + (high - low) / 2 + 1;
        if (bound_at(&b, tokens_in, middle) <= budget_nanousd) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* --- what the caller says --- */

/* USD in units of 10^-18: 64 bits of digits and where their point is, so that both a millionth of a
 * cent per token and a large total are read exactly. */
struct usd {
    uint64_t digits;
    unsigned decimals;
};

static bool usd_read(const struct json_member *m, struct usd *ret)
{
    bool text = m->found && m->value.type == JSON_STRING && !m->value.escaped;
    if (!m->found || (!text && m->value.type != JSON_NUMBER)) {
        return false;
    }
    struct str s = text ? json_text(m->value) : m->value.raw;
    for (unsigned decimals = 18; decimals >= 9; decimals -= 3) {
        if (money_parse(s, decimals, &ret->digits)) {
            ret->decimals = decimals;
            return true;
        }
    }
    return false;
}

/* Adds quantity * price, in 10^-18 USD; stays at the largest number when that is passed. */
static void usd_add(unsigned __int128 *sum, uint64_t quantity, const struct usd *price)
{
    const unsigned __int128 most = ~(unsigned __int128)0;
    unsigned __int128 v = price->digits;
    for (unsigned d = price->decimals; d < 18; d += 3) {
        v *= 1000;
    }
    if (quantity && v > (most - *sum) / quantity) {
        *sum = most;
        return;
    }
    *sum += v * quantity;
}

enum { TOTAL = 0, IN, OUT, READ, WRITE, CUSTOM_COUNT };

/* Which of its prices an attempt's unit has; TOTAL: none. */
static int custom_of(const struct attempt *t, enum event_unit unit)
{
    switch (unit) {
    case UNIT_TOKEN_CACHED:
    case UNIT_AUDIO_CACHED:
    case UNIT_IMAGE_CACHED:
        return READ;
    case UNIT_TOKEN_CACHE_WRITE_5M:
    case UNIT_TOKEN_CACHE_WRITE_1H:
        return WRITE;
    case UNIT_TOKEN_REASONING:
        return t->reasoning_split ? OUT : TOTAL;
    default:
        break;
    }
    return price_unit_input((enum price_unit)unit)    ? IN
           : price_unit_output((enum price_unit)unit) ? OUT
                                                      : TOTAL;
}

static unsigned __int128 custom_sum(const struct request *r, const struct usd *prices)
{
    unsigned __int128 sum = 0;
    for (unsigned i = 0; i < r->n_attempts; i++) {
        const struct attempt *t = &r->attempts[i];
        for (size_t k = 0; k < t->n_quantities; k++) {
            int which = custom_of(t, t->quantities[k].unit);
            if (which != TOTAL) {
                usd_add(&sum, t->quantities[k].quantity, &prices[which]);
            }
        }
    }
    return sum;
}

static bool custom_read(struct str header, struct usd prices[CUSTOM_COUNT], bool *ret_total)
{
    struct json_member m[CUSTOM_COUNT] = {[TOTAL] = {.name = STR_LIT("total_cost")},
                                          [IN] = {.name = STR_LIT("per_token_in")},
                                          [OUT] = {.name = STR_LIT("per_token_out")},
                                          [READ] = {.name = STR_LIT("per_cache_read_token")},
                                          [WRITE] = {.name = STR_LIT("per_cache_write_token")}};
    if (!header.len || !json_scan(header, m, CUSTOM_COUNT, 4, NULL)) {
        return false;
    }
    for (int i = 0; i < CUSTOM_COUNT; i++) {
        m[i].found = m[i].found && m[i].value.type != JSON_NULL;
        if (m[i].found && !usd_read(&m[i], &prices[i])) {
            return false; /* half of what was meant is nobody's cost */
        }
    }
    for (int i = READ; i <= WRITE; i++) {
        prices[i] = m[i].found ? prices[i] : prices[IN];
    }
    *ret_total = m[TOTAL].found;
    return m[TOTAL].found || m[IN].found || m[OUT].found;
}

bool pricing_custom(struct request *r, uint64_t *ret_nanousd)
{
    const unsigned __int128 nano = 1000000000u;
    struct usd prices[CUSTOM_COUNT] = {{.digits = 0}};
    struct json_value allowed;
    bool total;
    struct str header = request_header(r, "x-weir-custom-cost");
    header = header.len ? header : request_header(r, "cf-aig-custom-cost");
    if (!header.len || !pricing_policy(r, "custom_costs", &allowed) || allowed.type != JSON_TRUE ||
        !custom_read(header, prices, &total)) {
        return false;
    }
    unsigned __int128 sum = 0;
    if (total) {
        usd_add(&sum, 1, &prices[TOTAL]);
    } else {
        sum = custom_sum(r, prices);
    }
    sum = sum / nano + (sum % nano >= nano / 2);
    *ret_nanousd = sum > UINT64_MAX ? UINT64_MAX : (uint64_t)sum;
    return true;
}
