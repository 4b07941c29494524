/* Between the files of the catalogue: how it lies in memory. Private to common/rules. */
#ifndef COMMON_RULES_CATALOGUE_INSIDE_H
#define COMMON_RULES_CATALOGUE_INSIDE_H

#include "common/rules/catalogue.h"

#define CATALOGUE_NAME_MAX 400 /* of a model's name, as a client or a provider writes it */

enum rule_kind {
    RULE_OR = 0,
    RULE_AND,
    RULE_NOT,
    RULE_EQUALS,
    RULE_STARTS,
    RULE_ENDS,
    RULE_CONTAINS,
    RULE_DIGITS,       /* equals, where '#' is any digit */
    RULE_DIGITS_START, /* starts with, likewise */
};

struct catalogue_rule {
    enum rule_kind kind;
    struct str text; /* lower case */
    struct catalogue_rule *items;
    size_t n;
};

struct catalogue_entry {
    struct catalogue_model m; /* first: a model found is its entry */
    struct str raw;
    struct catalogue_rule *rule; /* NULL: none */
};

struct catalogue_alias {
    struct str name, id;
};

struct catalogue {
    struct arena *arena; /* all below */
    struct str text, version;
    struct catalogue_entry *entries; /* by provider, then model, in byte order */
    size_t n;
    struct catalogue_alias *aliases;
    size_t n_aliases;
    uint32_t *slots; /* by provider and lower-case model: index + 1, 0 empty */
    size_t n_slots;  /* a power of two */
};

/* Reads a `match` member; NULL with err set. */
struct catalogue_rule *catalogue_rule_read(struct json_value v, struct arena *a, struct error *err);
/* name: lower case */
bool catalogue_rule_matches(const struct catalogue_rule *r, struct str name);
/* Fills the table of slots. */
bool catalogue_index(struct catalogue *c);

#endif
