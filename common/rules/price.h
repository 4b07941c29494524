/* Usage times price. Prices are integers, pico-USD per unit; lines are summed in 128 bits and
 * rounded half up to nano-USD once per attempt. Never a float. Pure, any thread. */
#ifndef COMMON_RULES_PRICE_H
#define COMMON_RULES_PRICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"

/* Units that have prices; the numbers are proto/usage.proto's Unit. */
enum price_unit {
    PRICE_NONE = 0,
    PRICE_TOKEN_IN,
    PRICE_TOKEN_OUT,
    PRICE_TOKEN_CACHED,
    PRICE_CACHE_WRITE_5M,
    PRICE_CACHE_WRITE_1H,
    PRICE_TOKEN_REASONING, /* absent: reasoning is part of TOKEN_OUT and costs as that */
    PRICE_AUDIO_IN,
    PRICE_AUDIO_OUT,
    PRICE_IMAGE, /* pieces */
    PRICE_SECOND,
    PRICE_PIXEL,
    PRICE_REQUEST,
    PRICE_SEARCH,
    PRICE_IMAGE_IN, /* tokens, from here on */
    PRICE_IMAGE_OUT,
    PRICE_AUDIO_CACHED,
    PRICE_IMAGE_CACHED,
    PRICE_VIDEO_IN,
    PRICE_CHARACTER,
    PRICE_PAGE,
    PRICE_UNIT_COUNT
};

/* A price that holds from a prompt length on: the whole request is charged at the tier that its
 * prompt (all input tokens) falls into. */
struct price_tier {
    uint64_t above;   /* prompt tokens; more than these */
    uint64_t picousd; /* per unit */
};

#define PRICE_TIERS 4
struct price {
    bool known;
    uint64_t picousd;                     /* per unit */
    struct price_tier tiers[PRICE_TIERS]; /* ascending; n_tiers used */
    unsigned n_tiers;
};

struct price_list {
    struct price units[PRICE_UNIT_COUNT];
};

struct price_line {
    enum price_unit unit;
    uint64_t quantity;
    uint64_t picousd; /* out: the price per unit that was applied */
};

/* Prices each line (sets picousd) and gives the sum in nano-USD. `prompt_tokens` chooses the tier.
 * Where a unit has no price of its own, what stands in for it: cached, cache writes, audio, image
 * and video input → TOKEN_IN; audio and image output → TOKEN_OUT; AUDIO_CACHED, IMAGE_CACHED →
 * TOKEN_CACHED; TOKEN_REASONING is information unless it has a price of its own (then TOKEN_OUT
 * must be given without it by the caller: see price_splits_reasoning). Other units without a price
 * cost nothing. Saturates at UINT64_MAX. */
uint64_t price_lines(const struct price_list *prices, uint64_t prompt_tokens,
                     struct price_line *lines, size_t n);
/* The same, times a price group's ratio in parts per million: the sum in pico-USD is multiplied and
 * then rounded, once. *ret_list_nanousd (may be NULL): the sum without it, as price_lines gives. */
#define PRICE_RATIO_ONE 1000000u
uint64_t price_lines_ratio(const struct price_list *prices, uint64_t prompt_tokens,
                           struct price_line *lines, size_t n, uint64_t ratio_ppm,
                           uint64_t *ret_list_nanousd);
/* The most that a call can cost whose prompt has at most `tokens_in` tokens of whatever kind, whose
 * answer has at most `tokens_out`, and of which `pieces` are billed besides (units that are no
 * tokens, one line each): the dearest kind of token in the dearest tier that such a prompt may fall
 * into. Never less than price_lines_ratio of any such call. */
uint64_t price_bound(const struct price_list *prices, uint64_t tokens_in, uint64_t tokens_out,
                     const struct price_line *pieces, size_t n, uint64_t ratio_ppm);
/* A unit of tokens that count towards `prompt_tokens`, or of tokens that were made. */
bool price_unit_input(enum price_unit unit);
bool price_unit_output(enum price_unit unit);
bool price_splits_reasoning(const struct price_list *prices);
const char *
price_unit_name(enum price_unit unit); /* "token_in": in the catalogue, the API, overrides */
enum price_unit price_unit_named(struct str name);
/* {"token_in": 2500000, "token_out": {"price": 10000000, "tiers": [{"above": 200000, "price":
 * 15000000}]}} : pico-USD per unit. *ret is untouched on failure. */
bool price_list_parse(struct str json, struct price_list *ret, struct error *err);
/* The same of an object found in validated JSON; *ret is written to even when it fails. */
bool price_list_read(struct json_value object, struct price_list *ret, struct error *err);
void price_list_write(const struct price_list *prices, struct json_writer *w); /* its reverse */
bool price_equal(const struct price *a, const struct price *b);
void price_write(const struct price *p, struct json_writer *w); /* null when not known */
bool price_list_equal(const struct price_list *a, const struct price_list *b);

#endif
