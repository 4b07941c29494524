/* See route_config_inside.h: what conditions and hashes look at. Each distinct field stands once in
 * the tree, so that a request answers it once. */
#include "common/rules/route_config_inside.h"

#define NAME(s)            \
    {                      \
        (s), sizeof(s) - 1 \
    }
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define STEPS_MAX 32
#define FIELDS_MAX 65535u

enum name_rule {
    NAME_NONE = 0, /* "stream" */
    NAME_ANY,      /* "metadata.NAME" */
    NAME_LISTED,   /* "caller.user": one of those in the table */
    NAME_MAYBE     /* "time", "time.hour" */
};

static const struct head {
    struct str text;
    enum route_field_kind kind;
    enum name_rule rule;
    struct str names[6];
} heads[] = {
    {NAME("metadata"), ROUTE_FIELD_METADATA, NAME_ANY, {{0}}},
    {NAME("headers"), ROUTE_FIELD_HEADER, NAME_ANY, {{0}}},
    {NAME("params"), ROUTE_FIELD_BODY, NAME_ANY, {{0}}},
    {NAME("body"), ROUTE_FIELD_BODY, NAME_ANY, {{0}}},
    {NAME("url"), ROUTE_FIELD_PATH, NAME_LISTED, {NAME("pathname")}},
    {NAME("endpoint"), ROUTE_FIELD_ENDPOINT, NAME_NONE, {{0}}},
    {NAME("model"), ROUTE_FIELD_MODEL, NAME_NONE, {{0}}},
    {NAME("stream"), ROUTE_FIELD_STREAM, NAME_NONE, {{0}}},
    {NAME("prompt_tokens"), ROUTE_FIELD_PROMPT_TOKENS, NAME_NONE, {{0}}},
    {NAME("has_tools"), ROUTE_FIELD_HAS_TOOLS, NAME_NONE, {{0}}},
    {NAME("has_images"), ROUTE_FIELD_HAS_IMAGES, NAME_NONE, {{0}}},
    {NAME("has_json_schema"), ROUTE_FIELD_HAS_JSON_SCHEMA, NAME_NONE, {{0}}},
    {NAME("caller"),
     ROUTE_FIELD_CALLER,
     NAME_LISTED,
     {NAME("key"), NAME("key_name"), NAME("user"), NAME("team"), NAME("workspace"), NAME("tags")}},
    {NAME("time"), ROUTE_FIELD_TIME, NAME_MAYBE, {NAME("hour"), NAME("minute")}},
    {NAME("weekday"), ROUTE_FIELD_WEEKDAY, NAME_NONE, {{0}}},
    {NAME("date"), ROUTE_FIELD_DATE, NAME_NONE, {{0}}},
    {NAME("budget"),
     ROUTE_FIELD_BUDGET,
     NAME_LISTED,
     {NAME("remaining"), NAME("remaining_percent")}},
    {NAME("health"), ROUTE_FIELD_HEALTH, NAME_ANY, {{0}}},
    {NAME("latency"), ROUTE_FIELD_LATENCY, NAME_ANY, {{0}}},
};

/* For suggestions: every field, those with a free name as "metadata.NAME". */
static const struct str shown_fields[] = {
    NAME("metadata.NAME"),
    NAME("headers.NAME"),
    NAME("params.PATH"),
    NAME("url.pathname"),
    NAME("endpoint"),
    NAME("model"),
    NAME("stream"),
    NAME("prompt_tokens"),
    NAME("has_tools"),
    NAME("has_images"),
    NAME("has_json_schema"),
    NAME("caller.key"),
    NAME("caller.key_name"),
    NAME("caller.user"),
    NAME("caller.team"),
    NAME("caller.workspace"),
    NAME("caller.tags"),
    NAME("time"),
    NAME("time.hour"),
    NAME("time.minute"),
    NAME("weekday"),
    NAME("date"),
    NAME("budget.remaining"),
    NAME("budget.remaining_percent"),
    NAME("health.TARGET"),
    NAME("latency.TARGET"),
    NAME("$and"),
    NAME("$or"),
    NAME("$not"),
};

static bool name_fits(const struct head *h, struct str name)
{
    if (name.len == 0 || h->rule == NAME_ANY) {
        return name.len ? h->rule != NAME_NONE : h->rule == NAME_NONE || h->rule == NAME_MAYBE;
    }
    for (size_t i = 0; i < COUNT(h->names) && h->names[i].ptr; i++) {
        if (str_eq(name, h->names[i])) {
            return true;
        }
    }
    return false;
}

static const struct head *head_find(struct str text, struct str *ret_name)
{
    struct str first = text, name = STR_LIT("");
    bool dotted = str_cut(text, '.', &first, &name);
    for (size_t i = 0; i < COUNT(heads); i++) {
        if (str_eq(heads[i].text, first)) {
            *ret_name = name;
            return name_fits(&heads[i], name) && (!dotted || name.len) ? &heads[i] : NULL;
        }
    }
    return NULL;
}

/* ---- paths in the body ---- */

/* "[12]", "[-1]" at *i; false when it is none. */
static bool index_read(struct str s, size_t *i, int64_t *ret)
{
    size_t end = *i + 1;
    while (end < s.len && s.ptr[end] != ']') {
        end++;
    }
    struct str number = str_slice(s, *i + 1, end - *i - 1);
    bool ok = end < s.len && number.len > 0 && number.len < 10 && number.ptr[0] != '+' &&
              str_to_i64(number, ret);
    *i = end + 1;
    return ok;
}

/* "messages[-1].content" into steps; 0: it cannot be read. */
static size_t steps_read(struct str s, struct route_path_step steps[static STEPS_MAX])
{
    size_t n = 0, i = 0;
    while (i < s.len && n < STEPS_MAX) {
        size_t from = i;
        while (i < s.len && s.ptr[i] != '.' && s.ptr[i] != '[') {
            i++;
        }
        if (i == from) {
            return 0;
        }
        steps[n++] = (struct route_path_step){.name = str_slice(s, from, i - from)};
        while (i < s.len && s.ptr[i] == '[') {
            struct route_path_step step = {.name = STR_NONE};
            if (n == STEPS_MAX || !index_read(s, &i, &step.index)) {
                return 0;
            }
            steps[n++] = step;
        }
        if (i == s.len) {
            return n;
        }
        if (s.ptr[i++] != '.') {
            return 0;
        }
    }
    return 0;
}

static bool body_field(struct route_compile *c, const struct route_at *at,
                       const struct json_value *v, struct route_field *f)
{
    struct route_path_step steps[STEPS_MAX];
    size_t n = steps_read(f->name, steps);
    if (n == 0) {
        return route_fail(c, at, v, ERR_INVALID_FIELD,
                          "\"%.*s\" is no path in the body (\"params.messages[-1].content\")",
                          route_shown(f->text), f->text.ptr);
    }
    struct route_path_step *copy = arena_alloc(c->a, n * sizeof(*copy));
    if (!copy) {
        return route_fail_memory(c);
    }
    memcpy(copy, steps, n * sizeof(*copy));
    f->steps = copy;
    f->n_steps = n;
    return true;
}

/* ---- the table ---- */

static struct route_field *field_add(struct route_compile *c)
{
    if (c->n_fields == c->cap_fields) {
        size_t cap = c->cap_fields ? c->cap_fields * 4 : 8;
        struct route_field *list = arena_alloc(c->a, cap * sizeof(*list));
        if (!list) {
            return NULL;
        }
        if (c->n_fields) {
            memcpy(list, c->fields, c->n_fields * sizeof(*list));
        }
        c->fields = list;
        c->cap_fields = cap;
    }
    return &c->fields[c->n_fields];
}

static bool is_clock(enum route_field_kind kind)
{
    return kind == ROUTE_FIELD_TIME || kind == ROUTE_FIELD_WEEKDAY || kind == ROUTE_FIELD_DATE;
}

static bool target_field(struct route_compile *c, const struct route_at *at,
                         const struct json_value *v, struct str name)
{
    struct route_pending *p = arena_zalloc(c->a, sizeof(*p));
    struct error none = *c->err;
    if (!p) {
        return route_fail_memory(c);
    }
    (void)route_fail(c, at, v, ERR_INVALID_FIELD, "no target is named \"%.*s\"", route_shown(name),
                     name.ptr);
    *p = (struct route_pending){c->pending, (uint16_t)c->n_fields, *c->err};
    *c->err = none;
    c->pending = p;
    return true;
}

bool route_field_read(struct route_compile *c, const struct route_at *at, struct str text,
                      const struct json_value *v, const struct zone *zone, uint16_t *ret)
{
    struct str name;
    uint32_t found;
    const struct head *h = head_find(text, &name);
    if (!h) {
        const char *nearest = route_nearest(text, shown_fields, COUNT(shown_fields));
        return route_fail(c, at, v, ERR_INVALID_FIELD, "no field \"%.*s\"%s%s%s", route_shown(text),
                          text.ptr ? text.ptr : "", nearest ? " (did you mean \"" : "",
                          nearest ? nearest : "", nearest ? "\"?)" : "");
    }
    zone = is_clock(h->kind) ? zone : NULL;
    if (!route_names_put(&c->field_names, c->a, (uintptr_t)zone, text, (uint32_t)c->n_fields,
                         &found)) {
        return route_fail_memory(c);
    }
    if (found < c->n_fields) {
        *ret = (uint16_t)found;
        return true;
    }
    struct route_field *f = c->n_fields < FIELDS_MAX ? field_add(c) : NULL;
    if (!f) {
        return c->n_fields < FIELDS_MAX ? route_fail_memory(c)
                                        : route_fail(c, at, v, ERR_INVALID_FIELD,
                                                     "more than %u different fields", FIELDS_MAX);
    }
    *f = (struct route_field){.kind = h->kind, .text = text, .name = name, .zone = zone};
    if (h->kind == ROUTE_FIELD_BODY && !body_field(c, at, v, f)) {
        return false;
    }
    if ((h->kind == ROUTE_FIELD_HEALTH || h->kind == ROUTE_FIELD_LATENCY) &&
        !target_field(c, at, v, name)) {
        return false;
    }
    *ret = (uint16_t)c->n_fields++;
    return true;
}

bool route_fields_resolve(struct route_compile *c)
{
    for (const struct route_pending *p = c->pending; p; p = p->next) {
        struct route_field *f = &c->fields[p->field];
        uint32_t ordinal = route_names_get(&c->targets, ROUTE_SCOPE_ANY, f->name);
        if (ordinal == UINT32_MAX) {
            *c->err = p->error;
            return false;
        }
        f->node = c->nodes[ordinal];
    }
    return true;
}
