/* Header fields that tell of limits: lines "name: value", in any order and number. What was read
 * stays within its bounds, a field without a limit's name changes nothing, and a table that learns
 * from it stays sound. */
#include <stdlib.h>

#include "dataplane/net/exchange.h"
#include "dataplane/routing/limit_news_value.h"
#include "dataplane/routing/target_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_FIELDS 64
#define WALL_S INT64_C(1795341600)

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_bounds(const struct limit_news *n)
{
    must(n->has_requests || n->has_tokens || n->has_retry_after);
    must(n->requests_left <= INT64_MAX && n->tokens_left <= INT64_MAX);
    must(n->requests_reset_ms <= LIMIT_NEWS_MAX_MS && n->tokens_reset_ms <= LIMIT_NEWS_MAX_MS);
    must(n->retry_after_ms <= LIMIT_NEWS_MAX_MS);
    must(n->has_requests || (n->requests_left == 0 && n->requests_reset_ms == 0));
    must(n->has_tokens || (n->tokens_left == 0 && n->tokens_reset_ms == 0));
}

static bool equal(const struct limit_news *a, const struct limit_news *b)
{
    return a->has_requests == b->has_requests && a->has_tokens == b->has_tokens &&
           a->requests_left == b->requests_left && a->tokens_left == b->tokens_left &&
           a->requests_reset_ms == b->requests_reset_ms &&
           a->tokens_reset_ms == b->tokens_reset_ms && a->has_retry_after == b->has_retry_after &&
           a->retry_after_ms == b->retry_after_ms;
}

static void check_learning(const struct limit_news *n)
{
    static struct target_table *table;
    if (!table)
        table = target_table_new(1);
    struct target_state *s =
        target_state_of(table, &(struct uuid){{1}}, STR_LIT("p"), STR_LIT("m"), 0, 1);
    target_learn(s, n, 1000);
    if ((n->has_requests && n->requests_left == 0) || (n->has_tokens && n->tokens_left == 0))
        must(target_saturated(s, 0, 1000));
    target_spend(s, 10);
    /* nothing is believed for longer than ten minutes */
    must(!target_saturated(s, UINT64_MAX, 1000 + 600000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header headers[MAX_FIELDS + 1];
    struct str rest = {(const char *)data, size};
    size_t n = 0;
    while (rest.len > 0 && n < MAX_FIELDS) {
        struct str line = rest, name, value;
        if (!str_cut(rest, '\n', &line, &rest))
            rest = STR_NONE;
        if (str_cut(line, ':', &name, &value))
            headers[n++] = (struct header){name, str_trim(value)};
    }
    struct limit_news news, again;
    bool read = limit_news_read(headers, n, WALL_S, &news);
    headers[n] = (struct header){STR_LIT("x-request-id"), STR_LIT("5")};
    must(limit_news_read(headers, n + 1, WALL_S, &again) == read);
    if (read) {
        must(equal(&news, &again));
        check_bounds(&news);
        check_learning(&news);
    }
    return 0;
}
