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
    struct str deprecated;        /* "2026-03-01"; "": it is, since when is not known; absent: no */
    struct str source;            /* packages that it comes from */
    bool priced;
    struct price_list prices;
};

/* NULL: err says why (with line and column of bad JSON, or which entry). The text is copied. */
struct catalogue *catalogue_load(const char *path, struct error *err);
struct catalogue *catalogue_parse(struct str json, struct error *err);
/* The file `named` by a setting (NULL or "": catalogue.json beside the program, else
 * ../share/weir/catalogue.json from there). ERR_NOT_FOUND: no such file. ret_path: which one, ""
 * when none was found. */
#define CATALOGUE_PATH_MAX 4096
struct catalogue *catalogue_load_installed(const char *named,
                                           char ret_path[static CATALOGUE_PATH_MAX],
                                           struct error *err);
void catalogue_free(struct catalogue *c); /* accepts NULL */
size_t catalogue_count(const struct catalogue *c);
struct str catalogue_version(
    const struct catalogue *c); /* "2026-11-21 genai-prices 0.1.8 pi-catalog 18.2.11" */
const struct catalogue_model *catalogue_at(const struct catalogue *c,
                                           size_t i); /* sorted by provider, model */
/* The entry for a model as a provider names it. `kind`: row name (common/rules/provider.h); its
 * catalogue ids are tried in order, then the name itself; ids may be aliases that the file lists.
 * Per id, the first that gives an entry:
 *  1. the name as it is, exactly, then by the catalogue's own match rules;
 *  2. without what stands around it (an ARN's front, "models/", "publishers/…/models/"), the same;
 *  3. the same without a ":free"-like tail, Bedrock's region prefix (us., eu., apac., global. …), a
 *     version (-v1:0, @default) and a date (-2024-11-20, -20250929, @20250929), taken off one after
 *     the other.
 * Letters' case does not matter. NULL: not known, as always for names that a user made up (Azure's
 * deployments). */
const struct catalogue_model *catalogue_find(const struct catalogue *c, struct str kind,
                                             struct str model);
/* The entry with these ids (or an alias of the provider's), exactly. NULL: none. */
const struct catalogue_model *catalogue_get(const struct catalogue *c, struct str provider,
                                            struct str model);
/* An entry's text in the file; "" for one of catalogue_entry_read. Lives as long as c. */
struct str catalogue_raw(const struct catalogue *c, const struct catalogue_model *m);

/* Lays one entry (an object as in the file; what a row of the snapshot holds) over *io: members
 * that it has replace those of *io, `price` as a whole, the others stay. Start with a zeroed *io
 * for one that stands alone. Texts live in the arena. False: *io is untouched, err names the
 * member. */
bool catalogue_entry_read(struct str json, struct arena *a, struct catalogue_model *io,
                          struct error *err);
/* Names of capability bits: "tools", "json_schema" …; modalities: "text", "image" …. NULL at the
 * end of the list. */
struct capability_name {
    unsigned bit;
    const char *member,
        *name; /* {CAN_TOOLS, "capabilities", "tools"}, {IN_IMAGE, "input", "image"} */
};
extern const struct capability_name capability_names[];
/* "input":["text", …] of these bits; member: "capabilities", "input", "output". */
void catalogue_words_write(unsigned can, const char *member, struct json_writer *w);

/* Alike in all that Weir uses: title, limits, capabilities, deprecation, prices. */
bool catalogue_model_equal(const struct catalogue_model *a, const struct catalogue_model *b);
/* One side of a comparison: entries by provider and model, in byte order. */
struct catalogue_side {
    const struct catalogue_model *const *models;
    size_t n;
};
struct catalogue_counts {
    size_t added, removed, changed, unchanged;
};
/* Members of an object that the caller began: "added" and "removed" [{provider, model, price}],
 * "changed" [{provider, model, prices: [{unit, old, new}], fields: [names of what else changed]}],
 * "counts". */
void catalogue_diff_write(const struct catalogue_side *old, const struct catalogue_side *now,
                          struct json_writer *w, struct catalogue_counts *ret);

#endif
