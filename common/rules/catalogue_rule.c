/* The catalogue's match rules: which names of a model mean an entry. They come from the packages;
 * regular expressions were made into texts with '#' for a digit when the file was built. */
#include "common/rules/catalogue_inside.h"

#define RULE_DEPTH 8
#define RULE_ITEMS 200

static const char *const kinds[] = {
    [RULE_OR] = "or",
    [RULE_AND] = "and",
    [RULE_NOT] = "not",
    [RULE_EQUALS] = "equals",
    [RULE_STARTS] = "starts_with",
    [RULE_ENDS] = "ends_with",
    [RULE_CONTAINS] = "contains",
    [RULE_DIGITS] = "digits",
    [RULE_DIGITS_START] = "digits_start",
};

static bool rule_read(struct json_value v, struct arena *a, unsigned depth,
                      struct catalogue_rule *ret, struct error *err);

static bool bad(struct error *err)
{
    return error_set_param(err, ERR_INVALID_FIELD, "match", "a match rule cannot be read");
}

static bool read_items(struct json_value v, struct arena *a, unsigned depth,
                       struct catalogue_rule *ret, struct error *err)
{
    struct json_value item;
    size_t pos = 0, n = 0;
    while (json_next(v, &pos, NULL, &item)) {
        n++;
    }
    if (v.type != JSON_ARRAY || n == 0 || n > RULE_ITEMS) {
        return bad(err);
    }
    ret->items = arena_zalloc(a, n * sizeof(*ret->items));
    for (pos = 0; ret->items && json_next(v, &pos, NULL, &item); ret->n++) {
        if (!rule_read(item, a, depth + 1, &ret->items[ret->n], err)) {
            return false;
        }
    }
    return ret->items ? true : error_set(err, ERR_OVERLOADED, "%s", "");
}

static bool read_text(struct json_value v, struct arena *a, struct str *ret, struct error *err)
{
    size_t len;
    char *text = v.type == JSON_STRING ? arena_alloc(a, v.raw.len) : NULL;
    if (!text || !json_unescape(v, text, v.raw.len, &len) || len == 0) {
        return bad(err);
    }
    for (size_t i = 0; i < len; i++) {
        text[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
    }
    *ret = (struct str){text, len};
    return true;
}

static bool rule_read(struct json_value v, struct arena *a, unsigned depth,
                      struct catalogue_rule *ret, struct error *err)
{
    struct json_value name, value;
    size_t pos = 0;
    if (v.type != JSON_OBJECT || depth > RULE_DEPTH || !json_next(v, &pos, &name, &value)) {
        return bad(err);
    }
    for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        if (!json_text_eq(name, str_of(kinds[k]))) {
            continue;
        }
        ret->kind = (enum rule_kind)k;
        if (k == RULE_NOT) {
            ret->items = arena_zalloc(a, sizeof(*ret->items));
            ret->n = 1;
            return ret->items && rule_read(value, a, depth + 1, ret->items, err);
        }
        return k <= RULE_AND ? read_items(value, a, depth, ret, err)
                             : read_text(value, a, &ret->text, err);
    }
    return bad(err);
}

struct catalogue_rule *catalogue_rule_read(struct json_value v, struct arena *a, struct error *err)
{
    struct catalogue_rule *r = arena_zalloc(a, sizeof(*r));
    if (!r) {
        (void)error_set(err, ERR_OVERLOADED, "%s", "");
        return NULL;
    }
    return rule_read(v, a, 0, r, err) ? r : NULL;
}

static bool digits_match(struct str pattern, struct str name)
{
    for (size_t i = 0; i < pattern.len; i++) {
        bool same = pattern.ptr[i] == '#' ? name.ptr[i] >= '0' && name.ptr[i] <= '9'
                                          : name.ptr[i] == pattern.ptr[i];
        if (!same) {
            return false;
        }
    }
    return true;
}

bool catalogue_rule_matches(const struct catalogue_rule *r, struct str name)
{
    switch (r->kind) {
    case RULE_OR:
    case RULE_AND:
        for (size_t i = 0; i < r->n; i++) {
            if (catalogue_rule_matches(&r->items[i], name) == (r->kind == RULE_OR)) {
                return r->kind == RULE_OR;
            }
        }
        return r->kind == RULE_AND;
    case RULE_NOT:
        return !catalogue_rule_matches(r->items, name);
    case RULE_EQUALS:
        return str_eq(name, r->text);
    case RULE_STARTS:
        return str_starts(name, r->text);
    case RULE_ENDS:
        return str_ends(name, r->text);
    case RULE_CONTAINS:
        return memmem(name.ptr, name.len, r->text.ptr, r->text.len) != NULL;
    case RULE_DIGITS:
        return name.len == r->text.len && digits_match(r->text, name);
    case RULE_DIGITS_START:
        return name.len >= r->text.len && digits_match(r->text, name);
    }
    return false;
}
