/* Usage times price: see price.h. A line's price per unit is the tier's that the prompt falls into;
 * what a unit lacks is looked up in the unit that stands in for it. */
#include "common/rules/price.h"

#include "common/json.h"

#define PICO_PER_NANO 1000u

static const struct unit_row {
    const char *name;
    enum price_unit stand_in; /* PRICE_NONE: costs nothing without a price of its own */
} units[PRICE_UNIT_COUNT] = {
    [PRICE_NONE] = {"", PRICE_NONE},
    [PRICE_TOKEN_IN] = {"token_in", PRICE_NONE},
    [PRICE_TOKEN_OUT] = {"token_out", PRICE_NONE},
    [PRICE_TOKEN_CACHED] = {"token_cached", PRICE_TOKEN_IN},
    [PRICE_CACHE_WRITE_5M] = {"cache_write_5m", PRICE_TOKEN_IN},
    [PRICE_CACHE_WRITE_1H] = {"cache_write_1h", PRICE_TOKEN_IN},
    [PRICE_TOKEN_REASONING] = {"token_reasoning", PRICE_NONE},
    [PRICE_AUDIO_IN] = {"audio_in", PRICE_TOKEN_IN},
    [PRICE_AUDIO_OUT] = {"audio_out", PRICE_TOKEN_OUT},
    [PRICE_IMAGE] = {"image", PRICE_NONE},
    [PRICE_SECOND] = {"second", PRICE_NONE},
    [PRICE_PIXEL] = {"pixel", PRICE_NONE},
    [PRICE_REQUEST] = {"request", PRICE_NONE},
    [PRICE_SEARCH] = {"search", PRICE_NONE},
    [PRICE_IMAGE_IN] = {"image_in", PRICE_TOKEN_IN},
    [PRICE_IMAGE_OUT] = {"image_out", PRICE_TOKEN_OUT},
    [PRICE_AUDIO_CACHED] = {"audio_cached", PRICE_TOKEN_CACHED},
    [PRICE_IMAGE_CACHED] = {"image_cached", PRICE_TOKEN_CACHED},
    [PRICE_VIDEO_IN] = {"video_in", PRICE_TOKEN_IN},
    [PRICE_CHARACTER] = {"character", PRICE_NONE},
    [PRICE_PAGE] = {"page", PRICE_NONE},
};

static uint64_t picousd_at(const struct price *p, uint64_t prompt_tokens)
{
    uint64_t picousd = p->picousd;
    for (unsigned i = 0; i < p->n_tiers && prompt_tokens > p->tiers[i].above; i++) {
        picousd = p->tiers[i].picousd;
    }
    return picousd;
}

static uint64_t unit_picousd(const struct price_list *prices, enum price_unit unit,
                             uint64_t prompt_tokens)
{
    while (unit > PRICE_NONE && unit < PRICE_UNIT_COUNT) {
        if (prices->units[unit].known) {
            return picousd_at(&prices->units[unit], prompt_tokens);
        }
        unit = units[unit].stand_in;
    }
    return 0;
}

typedef unsigned __int128 wide;

/* A sum in pico-USD; one that 128 bits do not hold stays at its largest. */
static void add(wide *sum, uint64_t quantity, uint64_t picousd)
{
    wide line = (wide)quantity * picousd;
    *sum = line > ~*sum ? ~(wide)0 : *sum + line;
}

/* Pico-USD times parts per million as nano-USD, rounded half up once. */
static uint64_t nano_of(wide picousd, uint64_t ppm)
{
    const wide unit = (wide)PICO_PER_NANO * PRICE_RATIO_ONE;
    if (ppm > 0 && picousd > (~(wide)0 - unit) / ppm) {
        return UINT64_MAX;
    }
    wide nano = (picousd * ppm + unit / 2) / unit;
    return nano > UINT64_MAX ? UINT64_MAX : (uint64_t)nano;
}

uint64_t price_lines_ratio(const struct price_list *prices, uint64_t prompt_tokens,
                           struct price_line *lines, size_t n, uint64_t ratio_ppm,
                           uint64_t *ret_list_nanousd)
{
    wide sum = 0;
    for (size_t i = 0; i < n; i++) {
        lines[i].picousd = unit_picousd(prices, lines[i].unit, prompt_tokens);
        add(&sum, lines[i].quantity, lines[i].picousd);
    }
    if (ret_list_nanousd) {
        *ret_list_nanousd = nano_of(sum, PRICE_RATIO_ONE);
    }
    return nano_of(sum, ratio_ppm);
}

uint64_t price_lines(const struct price_list *prices, uint64_t prompt_tokens,
                     struct price_line *lines, size_t n)
{
    return price_lines_ratio(prices, prompt_tokens, lines, n, PRICE_RATIO_ONE, NULL);
}

bool price_unit_input(enum price_unit unit)
{
    static const bool is[PRICE_UNIT_COUNT] = {
        [PRICE_TOKEN_IN] = true,       [PRICE_TOKEN_CACHED] = true, [PRICE_CACHE_WRITE_5M] = true,
        [PRICE_CACHE_WRITE_1H] = true, [PRICE_AUDIO_IN] = true,     [PRICE_IMAGE_IN] = true,
        [PRICE_AUDIO_CACHED] = true,   [PRICE_IMAGE_CACHED] = true, [PRICE_VIDEO_IN] = true,
    };
    return (unsigned)unit < PRICE_UNIT_COUNT && is[unit];
}

bool price_unit_output(enum price_unit unit)
{
    return unit == PRICE_TOKEN_OUT || unit == PRICE_TOKEN_REASONING || unit == PRICE_AUDIO_OUT ||
           unit == PRICE_IMAGE_OUT;
}

/* The dearest that the unit's price, or its stand-in's, can be for a prompt of at most so many
 * tokens. */
static uint64_t dearest_of(const struct price_list *prices, enum price_unit unit,
                           uint64_t prompt_tokens)
{
    while (unit > PRICE_NONE && unit < PRICE_UNIT_COUNT && !prices->units[unit].known) {
        unit = units[unit].stand_in;
    }
    if (unit <= PRICE_NONE || unit >= PRICE_UNIT_COUNT) {
        return 0;
    }
    const struct price *p = &prices->units[unit];
    uint64_t most = p->picousd;
    for (unsigned i = 0; i < p->n_tiers && prompt_tokens > p->tiers[i].above; i++) {
        most = p->tiers[i].picousd > most ? p->tiers[i].picousd : most;
    }
    return most;
}

uint64_t price_bound(const struct price_list *prices, uint64_t tokens_in, uint64_t tokens_out,
                     const struct price_line *pieces, size_t n, uint64_t ratio_ppm)
{
    uint64_t in = 0, out = 0;
    wide sum = 0;
    for (unsigned i = 1; i < PRICE_UNIT_COUNT; i++) {
        enum price_unit unit = (enum price_unit)i;
        bool input = price_unit_input(unit);
        uint64_t picousd =
            input || price_unit_output(unit) ? dearest_of(prices, unit, tokens_in) : 0;
        in = input && picousd > in ? picousd : in;
        out = !input && picousd > out ? picousd : out;
    }
    add(&sum, tokens_in, in);
    add(&sum, tokens_out, out);
    for (size_t i = 0; i < n; i++) {
        add(&sum, pieces[i].quantity, dearest_of(prices, pieces[i].unit, tokens_in));
    }
    return nano_of(sum, ratio_ppm);
}

bool price_splits_reasoning(const struct price_list *prices)
{
    return prices->units[PRICE_TOKEN_REASONING].known;
}

const char *price_unit_name(enum price_unit unit)
{
    return (unsigned)unit < PRICE_UNIT_COUNT ? units[unit].name : "";
}

enum price_unit price_unit_named(struct str name)
{
    for (unsigned i = 1; i < PRICE_UNIT_COUNT; i++) {
        if (str_eqz(name, units[i].name)) {
            return (enum price_unit)i;
        }
    }
    return PRICE_NONE;
}

/* --- reading --- */

static bool refuse(struct error *err, const char *unit, const char *what)
{
    return error_set_param(err, ERR_INVALID_FIELD, unit, "price of '%s' %s", unit, what);
}

static bool read_tier(struct json_value v, struct price *p, const char *unit, struct error *err)
{
    struct json_member m[] = {{.name = STR_LIT("above")}, {.name = STR_LIT("price")}};
    struct price_tier t;
    if (p->n_tiers == PRICE_TIERS) {
        return refuse(err, unit, "has more than 4 tiers");
    }
    if (v.type != JSON_OBJECT || !json_members(v, m, 2, NULL) || !m[0].found || !m[1].found ||
        !json_u64(m[0].value, &t.above) || !json_u64(m[1].value, &t.picousd)) {
        return refuse(err, unit, "has a tier that is not {\"above\": tokens, \"price\": pico-USD}");
    }
    if (p->n_tiers > 0 && t.above <= p->tiers[p->n_tiers - 1].above) {
        return refuse(err, unit, "has tiers that do not ascend");
    }
    p->tiers[p->n_tiers++] = t;
    return true;
}

static bool read_tiered(struct json_value v, struct price *p, const char *unit, struct error *err)
{
    struct json_member m[] = {{.name = STR_LIT("price")}, {.name = STR_LIT("tiers")}};
    struct json_value tier;
    size_t pos = 0;
    if (!json_members(v, m, 2, NULL) || !m[0].found || !json_u64(m[0].value, &p->picousd)) {
        return refuse(err, unit, "is not a whole number of pico-USD");
    }
    if (m[1].found && m[1].value.type != JSON_ARRAY) {
        return refuse(err, unit, "has tiers that are not a list");
    }
    while (m[1].found && json_next(m[1].value, &pos, NULL, &tier)) {
        if (!read_tier(tier, p, unit, err)) {
            return false;
        }
    }
    return true;
}

static bool read_price(struct json_value v, struct price *ret, const char *unit, struct error *err)
{
    struct price p = {.known = true};
    if (ret->known) {
        return refuse(err, unit, "is given twice");
    }
    if (v.type == JSON_OBJECT
            ? !read_tiered(v, &p, unit, err)
            : !json_u64(v, &p.picousd) && !refuse(err, unit, "is not a whole number of pico-USD")) {
        return false;
    }
    *ret = p;
    return true;
}

bool price_list_read(struct json_value object, struct price_list *ret, struct error *err)
{
    struct json_value name, value;
    char text[32];
    size_t pos = 0, len;
    if (object.type != JSON_OBJECT) {
        return error_set(err, ERR_INVALID_FIELD, "prices are not an object");
    }
    *ret = (struct price_list){0};
    while (json_next(object, &pos, &name, &value)) {
        if (!json_unescape(name, text, sizeof(text), &len)) {
            len = 0;
        }
        enum price_unit unit = price_unit_named((struct str){text, len});
        if (unit == PRICE_NONE) {
            return error_set(err, ERR_INVALID_FIELD, "no such unit of prices: %.*s",
                             STR_ARG(str_slice(name.raw, 0, 80)));
        }
        if (!read_price(value, &ret->units[unit], price_unit_name(unit), err)) {
            return false;
        }
    }
    return true;
}

bool price_list_parse(struct str json, struct price_list *ret, struct error *err)
{
    struct price_list prices;
    struct json_value v;
    if (!json_validate(json, 8, &v, err) || !price_list_read(v, &prices, err)) {
        return false;
    }
    *ret = prices;
    return true;
}

bool price_equal(const struct price *a, const struct price *b)
{
    bool same = a->known == b->known && a->picousd == b->picousd && a->n_tiers == b->n_tiers;
    for (unsigned t = 0; same && t < a->n_tiers; t++) {
        same = a->tiers[t].above == b->tiers[t].above && a->tiers[t].picousd == b->tiers[t].picousd;
    }
    return same;
}

bool price_list_equal(const struct price_list *a, const struct price_list *b)
{
    for (unsigned i = 1; i < PRICE_UNIT_COUNT; i++) {
        if (!price_equal(&a->units[i], &b->units[i])) {
            return false;
        }
    }
    return true;
}

void price_write(const struct price *p, struct json_writer *w)
{
    if (!p->known) {
        json_put_null(w);
        return;
    }
    if (p->n_tiers == 0) {
        json_put_u64(w, p->picousd);
        return;
    }
    json_object_begin(w);
    json_field_u64(w, "price", p->picousd);
    json_name(w, "tiers");
    json_array_begin(w);
    for (unsigned i = 0; i < p->n_tiers; i++) {
        json_object_begin(w);
        json_field_u64(w, "above", p->tiers[i].above);
        json_field_u64(w, "price", p->tiers[i].picousd);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

void price_list_write(const struct price_list *prices, struct json_writer *w)
{
    json_object_begin(w);
    for (unsigned i = 1; i < PRICE_UNIT_COUNT; i++) {
        if (prices->units[i].known) {
            json_name(w, price_unit_name((enum price_unit)i));
            price_write(&prices->units[i], w);
        }
    }
    json_object_end(w);
}
