/* The model catalogue: context windows, modalities, capabilities, prices; generated at build time
 * from npm packages (common/catalogue/build.mjs), loaded once, read by both planes. Prices are
 * integers: pico-USD per unit. Immutable once loaded; any thread. */
#ifndef COMMON_RULES_CATALOGUE_H
#define COMMON_RULES_CATALOGUE_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/rules/price.h"

struct catalogue;

enum capability { /* bits */
                  CAN_TOOLS = 1 << 0,
                  CAN_JSON_SCHEMA = 1 << 1,
                  CAN_REASON = 1 << 2,
                  CAN_STREAM = 1 << 3,
                  CAN_CACHE = 1 << 4,
                  CAN_SEARCH = 1 << 5,
                  IN_TEXT = 1 << 8,
                  IN_IMAGE = 1 << 9,
                  IN_AUDIO = 1 << 10,
                  IN_VIDEO = 1 << 11,
                  IN_DOCUMENT = 1 << 12,
                  OUT_TEXT = 1 << 16,
                  OUT_IMAGE = 1 << 17,
                  OUT_AUDIO = 1 << 18,
                  OUT_EMBEDDING = 1 << 19,
                  OUT_VIDEO = 1 << 20,
};

struct catalogue_model {
    struct str provider, model; /* ids in the catalogue: "anthropic", "claude-sonnet-4-5" */
    struct str title;
    uint64_t context, max_output; /* tokens; 0 not known */
    unsigned can;                 /* capability bits */
    struct str deprecated;        /* "2026-03-01"; absent: not known */
    struct str source;            /* packages that it comes from */
    bool priced;
    struct price_list prices;
};

/* NULL: err says why (with line and column of bad JSON, or which entry). */
struct catalogue *catalogue_load(const char *path, struct error *err);
struct catalogue *catalogue_parse(struct str json, struct error *err);
void catalogue_free(struct catalogue *c); /* accepts NULL */
size_t catalogue_count(const struct catalogue *c);
struct str catalogue_version(
    const struct catalogue *c); /* "2026-11-21 genai-prices 0.1.8 pi-catalog 18.2.11" */
const struct catalogue_model *catalogue_at(const struct catalogue *c,
                                           size_t i); /* sorted by provider, model */
/* The entry for a model as a provider names it. `kind`: row name; its catalogue ids are tried in
 * order. Exact first; then without a date suffix (-2024-11-20, -20250929, @20250929, -v1:0),
 * Bedrock's region prefix (us., eu., apac., global.), an ARN's front, "models/",
 * "publishers/…/models/", a ":free"-like tail; then the catalogue's own match rules. NULL: not
 * known. */
const struct catalogue_model *catalogue_find(const struct catalogue *c, struct str kind,
                                             struct str model);

#endif
