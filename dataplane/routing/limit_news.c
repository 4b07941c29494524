/* What providers tell of their limits in header fields. The families differ in prefix and in the
 * order of the words behind it ("remaining-tokens", "input-tokens-remaining", "tokens-minute"), so
 * a name is read word by word; one with a word that is not known is passed over. Each kind of limit
 * is gathered by itself, then the tightest is told. */
#include "dataplane/routing/target_state.h"

#include "dataplane/net/exchange.h"
#include "dataplane/routing/limit_news_value.h"

/* What a name's word says: part of what it is a limit of (bits), or which of its numbers. */
enum {
    OF_REQUESTS = 1 << 0,
    OF_TOKENS = 1 << 1,
    OF_INPUT = 1 << 2,
    OF_OUTPUT = 1 << 3,
    OF_PROJECT = 1 << 4,
    OF_SECOND = 1 << 5,
    OF_MINUTE = 1 << 6,
    OF_HOUR = 1 << 7,
    OF_DAY = 1 << 8,
    OF_MONTH = 1 << 9,
    IS_LEFT = 1 << 10,
    IS_RESET = 1 << 11,
    IS_LIMIT = 1 << 12,
    IS_ANY = IS_LEFT | IS_RESET | IS_LIMIT
};

static const struct {
    struct str name;
    unsigned bit;
} words[] = {
    {STR_LIT("requests"), OF_REQUESTS}, {STR_LIT("request"), OF_REQUESTS},
    {STR_LIT("req"), OF_REQUESTS},      {STR_LIT("tokens"), OF_TOKENS},
    {STR_LIT("token"), OF_TOKENS},      {STR_LIT("input"), OF_INPUT},
    {STR_LIT("prompt"), OF_INPUT},      {STR_LIT("output"), OF_OUTPUT},
    {STR_LIT("generated"), OF_OUTPUT},  {STR_LIT("project"), OF_PROJECT},
    {STR_LIT("second"), OF_SECOND},     {STR_LIT("minute"), OF_MINUTE},
    {STR_LIT("hour"), OF_HOUR},         {STR_LIT("day"), OF_DAY},
    {STR_LIT("month"), OF_MONTH},       {STR_LIT("remaining"), IS_LEFT},
    {STR_LIT("reset"), IS_RESET},       {STR_LIT("limit"), IS_LIMIT},
};

static const struct {
    struct str prefix;
    unsigned bits;
} families[] = {
    {STR_LIT("x-ratelimit-"), 0},
    {STR_LIT("anthropic-ratelimit-"), 0},
    {STR_LIT("ratelimit-"), 0},
    {STR_LIT("x-tokenlimit-"), OF_TOKENS},
    {STR_LIT("x-ratelimitbysize-"), OF_TOKENS},
    {STR_LIT("ratelimitbysize-"), OF_TOKENS},
};

#define MAX_LIMITS 16

struct limit {
    unsigned of;
    bool has_left, has_reset;
    uint64_t left, reset_ms;
};

struct gathered {
    struct limit limits[MAX_LIMITS];
    size_t n;
    int64_t wall_s;
    unsigned retry_rank; /* of the field that retry_after_ms is from; 0: none */
    uint64_t retry_after_ms;
};

static struct limit *limit_of(struct gathered *g, unsigned of)
{
    if (!(of & (OF_REQUESTS | OF_TOKENS))) {
        of |= OF_REQUESTS;
    }
    for (size_t i = 0; i < g->n; i++) {
        if (g->limits[i].of == of) {
            return &g->limits[i];
        }
    }
    if (g->n == MAX_LIMITS) {
        return NULL;
    }
    g->limits[g->n] = (struct limit){.of = of};
    return &g->limits[g->n++];
}

static void limit_set_left(struct gathered *g, unsigned of, struct str value)
{
    uint64_t left;
    struct limit *l = limit_count_read(value, &left) ? limit_of(g, of) : NULL;
    if (l) {
        l->left = left;
        l->has_left = true;
    }
}

/* A reset that was told is never 0, which means that it was not. */
static void limit_set_reset(struct gathered *g, unsigned of, struct str value)
{
    uint64_t ms;
    struct limit *l = limit_time_read(value, g->wall_s, &ms) ? limit_of(g, of) : NULL;
    if (l) {
        l->reset_ms = ms ? ms : 1;
        l->has_reset = true;
    }
}

/* The bits of all words of a name behind its prefix; 0: one of them is not known. */
static unsigned name_bits(struct str rest)
{
    unsigned bits = 0;
    while (rest.len > 0) {
        struct str word = rest;
        if (!str_cut(rest, '-', &word, &rest)) {
            rest = STR_NONE;
        }
        unsigned bit = 0;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !bit; i++) {
            bit = str_eq_nocase(word, words[i].name) ? words[i].bit : 0;
        }
        if (!bit) {
            return 0;
        }
        bits |= bit;
    }
    return bits;
}

static void family_read(struct gathered *g, struct str name, struct str value)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct str prefix = families[i].prefix;
        if (!str_eq_nocase(str_slice(name, 0, prefix.len), prefix)) {
            continue;
        }
        unsigned bits = name_bits(str_slice(name, prefix.len, name.len));
        unsigned of = (bits | families[i].bits) & ~(unsigned)IS_ANY;
        if ((bits & IS_ANY) == IS_LEFT) {
            limit_set_left(g, of, value);
        } else if ((bits & IS_ANY) == IS_RESET) {
            limit_set_reset(g, of, value);
        }
        return;
    }
}

static bool holds_nocase(struct str text, struct str part)
{
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (str_eq_nocase(str_slice(text, i, part.len), part)) {
            return true;
        }
    }
    return false;
}

/* Cuts off what stands before the next of `;` and `,` outside of quotes; *ret_list: it was a comma.
 */
static struct str take_item(struct str *rest, bool *ret_list)
{
    bool quoted = false;
    size_t at = 0;
    for (; at < rest->len; at++) {
        char c = rest->ptr[at];
        if (c == '"') {
            quoted = !quoted;
        } else if (c == '\\' && quoted && at + 1 < rest->len) {
            at++;
        } else if (!quoted && (c == ',' || c == ';')) {
            break;
        }
    }
    struct str item = str_trim(str_slice(*rest, 0, at));
    *ret_list = at < rest->len && rest->ptr[at] == ',';
    *rest = at < rest->len ? str_slice(*rest, at + 1, rest->len) : STR_NONE;
    return item;
}

/* The IETF draft's one field: `limit=100, remaining=50, reset=5` as it was, and as it became, a
 * list of policies: `"burst";r=50;t=30, "daily";r=1000;t=3600`. Policies that name tokens are of
 * tokens; they are told apart by their place in the list. */
static void draft_read(struct gathered *g, struct str value)
{
    unsigned of = OF_REQUESTS;
    unsigned place = 0;
    bool list = false;
    while (value.len > 0) {
        bool begins = list || place == 0;
        struct str item = take_item(&value, &list);
        struct str name = item, text = STR_NONE;
        bool is_pair = item.len > 0 && item.ptr[0] != '"' && str_cut(item, '=', &name, &text);
        if (begins && !is_pair && item.len > 0) {
            place++;
            of = (holds_nocase(item, STR_LIT("token")) ? OF_TOKENS : OF_REQUESTS) | place << 16;
        }
        name = str_trim(name);
        if (!is_pair) {
            continue;
        }
        if (str_eq_nocase(name, STR_LIT("remaining")) || str_eq_nocase(name, STR_LIT("r"))) {
            limit_set_left(g, of, text);
        } else if (str_eq_nocase(name, STR_LIT("reset")) || str_eq_nocase(name, STR_LIT("t"))) {
            limit_set_reset(g, of, text);
        }
    }
}

/* The more exact field wins, wherever it stands. */
static bool retry_read(struct gathered *g, struct str name, struct str value)
{
    unsigned rank;
    uint64_t ms;
    bool read;
    if (str_eq_nocase(name, STR_LIT("retry-after-ms"))) {
        rank = 3;
        read = limit_number_read(value, 1, &ms);
    } else if (str_eq_nocase(name, STR_LIT("x-ms-retry-after-ms"))) {
        rank = 2;
        read = limit_number_read(value, 1, &ms);
    } else if (str_eq_nocase(name, STR_LIT("retry-after"))) {
        rank = 1;
        read = limit_time_read(value, g->wall_s, &ms);
    } else {
        return false;
    }
    if (read && rank > g->retry_rank) {
        g->retry_rank = rank;
        g->retry_after_ms = ms;
    }
    return true;
}

/* The limit of that kind with the least left; of equal ones that which resets last. Output tokens
 * are not what a request asks for when it is sent: they count once they are used up. */
static const struct limit *tightest(const struct gathered *g, unsigned kind)
{
    const struct limit *best = NULL;
    for (size_t i = 0; i < g->n; i++) {
        const struct limit *l = &g->limits[i];
        if (!(l->of & kind) || !l->has_left || (l->of & OF_OUTPUT && l->left > 0)) {
            continue;
        }
        if (!best || l->left < best->left ||
            (l->left == best->left && l->reset_ms > best->reset_ms)) {
            best = l;
        }
    }
    return best;
}

bool limit_news_read(const struct header *headers, size_t n, int64_t wall_s, struct limit_news *ret)
{
    struct gathered g = {.n = 0, .wall_s = wall_s};
    for (size_t i = 0; i < n; i++) {
        struct str name = headers[i].name;
        char first = name.len >= 9 ? (char)(name.ptr[0] | 0x20) : '\0';
        if (first != 'r' && first != 'x' && first != 'a') {
            continue; /* most fields of an answer */
        }
        if (str_eq_nocase(name, STR_LIT("ratelimit"))) {
            draft_read(&g, headers[i].value);
        } else if (!retry_read(&g, name, headers[i].value)) {
            family_read(&g, name, headers[i].value);
        }
    }
    const struct limit *requests = tightest(&g, OF_REQUESTS);
    const struct limit *tokens = tightest(&g, OF_TOKENS);
    if (!requests && !tokens && g.retry_rank == 0) {
        return false;
    }
    *ret = (struct limit_news){.has_requests = requests != NULL,
                               .has_tokens = tokens != NULL,
                               .has_retry_after = g.retry_rank > 0,
                               .retry_after_ms = g.retry_after_ms};
    if (requests) {
        ret->requests_left = requests->left;
        ret->requests_reset_ms = requests->reset_ms;
    }
    if (tokens) {
        ret->tokens_left = tokens->left;
        ret->tokens_reset_ms = tokens->reset_ms;
    }
    return true;
}
