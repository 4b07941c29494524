/* See route_config_inside.h: conditions, as Portkey writes them ({"metadata.plan": {"$eq": "pro"}},
 * "$and", "$or"), and what Weir adds. */
#include "common/rules/route_config_inside.h"

#include "common/regex.h"

#define NAME(s)            \
    {                      \
        (s), sizeof(s) - 1 \
    }
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum operand { OPERAND_ONE = 0, OPERAND_LIST, OPERAND_TEXT, OPERAND_BOOL, OPERAND_QUERY };

static const struct operator_row {
    struct str name;
    enum route_op op;
    enum operand operand;
    bool whole; /* a number only when all of the literal is one */
} operators[] = {
    {NAME("$eq"), ROUTE_OP_EQ, OPERAND_ONE, true},
    {NAME("$ne"), ROUTE_OP_NE, OPERAND_ONE, true},
    {NAME("$gt"), ROUTE_OP_GT, OPERAND_ONE, false},
    {NAME("$gte"), ROUTE_OP_GTE, OPERAND_ONE, false},
    {NAME("$lt"), ROUTE_OP_LT, OPERAND_ONE, false},
    {NAME("$lte"), ROUTE_OP_LTE, OPERAND_ONE, false},
    {NAME("$in"), ROUTE_OP_IN, OPERAND_LIST, true},
    {NAME("$nin"), ROUTE_OP_NIN, OPERAND_LIST, true},
    {NAME("$regex"), ROUTE_OP_REGEX, OPERAND_TEXT, true},
    {NAME("$exists"), ROUTE_OP_EXISTS, OPERAND_BOOL, true},
    {NAME("$contains"), ROUTE_OP_CONTAINS, OPERAND_ONE, true},
    {NAME("$startsWith"), ROUTE_OP_STARTS, OPERAND_TEXT, true},
    {NAME("$endsWith"), ROUTE_OP_ENDS, OPERAND_TEXT, true},
    {NAME("$not"), ROUTE_OP_NOT, OPERAND_QUERY, true},
};

struct query_read {
    struct route_compile *c;
    const struct zone *zone;
};

static struct route_query *query_new(const struct query_read *r, enum route_op op, struct str text)
{
    struct route_query *q = arena_zalloc(r->c->a, sizeof(*q));
    if (!q) {
        (void)route_fail_memory(r->c);
        return NULL;
    }
    q->op = op;
    q->text = text;
    return q;
}

/* {"field":{"$op":value}}: where one object holds several conditions each gets a text of its own.
 */
static struct str text_of(const struct query_read *r, const struct route_at *at, struct str field,
                          struct str op, struct str value)
{
    size_t len = field.len + op.len + value.len + 6, n = 0;
    char *p = route_derive(r->c, at, len);
    if (!p) {
        return STR_NONE;
    }
#define PUT(s)                       \
    memcpy(p + n, (s).ptr, (s).len); \
    n += (s).len
    p[n++] = '{';
    PUT(field);
    p[n++] = ':';
    if (op.len) {
        p[n++] = '{';
        PUT(op);
        p[n++] = ':';
    }
    PUT(value);
#undef PUT
    if (op.len) {
        p[n++] = '}';
    }
    p[n++] = '}';
    return (struct str){p, n};
}

/* ---- literals ---- */

/* Whether all of it is a number, and one that `micro` holds: "1-gold" and ids of twenty digits are
 * texts, to be compared as such. */
static bool is_whole_number(struct str s, int64_t micro)
{
    size_t i = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+');
    for (; i < s.len; i++) {
        char ch = s.ptr[i];
        bool sign = (ch == '-' || ch == '+') && (s.ptr[i - 1] | 0x20) == 'e';
        if (!((ch >= '0' && ch <= '9') || ch == '.' || (ch | 0x20) == 'e' || sign)) {
            return false;
        }
    }
    struct json_value number = {JSON_NUMBER, false, s};
    return micro < INT64_MAX && micro > -INT64_MAX && json_validate(s, 0, &number, NULL);
}

static bool literal_read(const struct query_read *r, const struct route_at *at, struct json_value v,
                         bool whole, struct route_literal *ret)
{
    *ret = (struct route_literal){.type = v.type, .text = v.raw};
    if (v.type == JSON_OBJECT || v.type == JSON_ARRAY) {
        return route_fail(r->c, at, &v, ERR_INVALID_FIELD,
                          "must be a text, a number, true or false");
    }
    if (v.type == JSON_STRING && !route_text(r->c, at, v, &ret->text)) {
        return false;
    }
    if (v.type == JSON_STRING || v.type == JSON_NUMBER) {
        ret->is_number = route_number(ret->text, &ret->micro);
    }
    if (ret->is_number && whole && !is_whole_number(ret->text, ret->micro)) {
        ret->is_number = false;
        ret->micro = 0;
    }
    return true;
}

static bool list_read(const struct query_read *r, const struct route_at *at, struct json_value v,
                      bool whole, struct route_query *q)
{
    struct json_value item;
    size_t n, pos = 0;
    if (!route_count(r->c, at, v, &n)) {
        return false;
    }
    struct route_literal *list = arena_alloc(r->c->a, (n + 1) * sizeof(*list));
    if (!list) {
        return route_fail_memory(r->c);
    }
    for (size_t i = 0; json_next(v, &pos, NULL, &item); i++) {
        if (!literal_read(r, ROUTE_AT_INDEX(at, i), item, whole, &list[i])) {
            return false;
        }
    }
    q->values = list;
    q->n_values = n;
    return true;
}

static bool regex_read(const struct query_read *r, const struct route_at *at, struct json_value v,
                       struct route_query *q)
{
    struct error why = ERROR_INIT;
    if (!regex_compile(q->values[0].text, r->c->a, &q->regex, &why)) {
        return route_fail(r->c, at, &v, why.code, "%s", error_text(&why));
    }
    return true;
}

static bool operand_read(const struct query_read *r, const struct route_at *at,
                         const struct operator_row *row, struct json_value v, struct route_query *q)
{
    if (row->operand == OPERAND_LIST) {
        return list_read(r, at, v, row->whole, q);
    }
    if (row->operand == OPERAND_TEXT && v.type != JSON_STRING) {
        return route_fail(r->c, at, &v, ERR_INVALID_FIELD, "must be a text");
    }
    if (row->operand == OPERAND_BOOL && v.type != JSON_TRUE && v.type != JSON_FALSE) {
        return route_fail(r->c, at, &v, ERR_INVALID_FIELD, "must be true or false");
    }
    struct route_literal *one = arena_alloc(r->c->a, sizeof(*one));
    if (!one) {
        return route_fail_memory(r->c);
    }
    if (!literal_read(r, at, v, row->whole, one)) {
        return false;
    }
    q->values = one;
    q->n_values = 1;
    return row->op != ROUTE_OP_REGEX || regex_read(r, at, v, q);
}

/* ---- {"$op": value, …} ---- */

struct field_read {
    struct json_value name; /* as written */
    uint16_t index;
    struct str whole; /* {"field":{…}} where the object holds nothing else; NULL ptr: it does */
};

static const struct operator_row *operator_named(struct json_value name)
{
    for (size_t i = 0; i < COUNT(operators); i++) {
        if (json_text_eq(name, operators[i].name)) {
            return &operators[i];
        }
    }
    return NULL;
}

static bool operators_read(const struct query_read *r, const struct route_at *at,
                           const struct field_read *f, struct json_value v,
                           const struct route_query **ret);

static bool operator_read(const struct query_read *r, const struct route_at *at,
                          const struct field_read *f, struct json_value name,
                          struct json_value value, bool alone, const struct route_query **ret)
{
    const struct operator_row *row = operator_named(name);
    if (!row) {
        struct str known[COUNT(operators)];
        for (size_t i = 0; i < COUNT(operators); i++) {
            known[i] = operators[i].name;
        }
        return route_unknown(r->c, at, name, known, COUNT(known));
    }
    const struct route_at *here = ROUTE_AT(at, row->name.ptr);
    struct route_query *q = query_new(r, row->op, f->whole);
    if (!q) {
        return false;
    }
    if (!alone || !f->whole.ptr) {
        q->text = text_of(r, here, f->name.raw, name.raw, value.raw);
    }
    q->field = f->index;
    if (!q->text.ptr) {
        return false;
    }
    if (row->op == ROUTE_OP_NOT) {
        const struct route_query **part = arena_alloc(r->c->a, sizeof(*part));
        struct field_read inner = {f->name, f->index, STR_NONE};
        q->parts = part;
        q->n_parts = 1;
        q->field = 0;
        *ret = q;
        return part ? operators_read(r, here, &inner, value, part) : route_fail_memory(r->c);
    }
    *ret = q;
    return operand_read(r, here, row, value, q);
}

static bool operators_read(const struct query_read *r, const struct route_at *at,
                           const struct field_read *f, struct json_value v,
                           const struct route_query **ret)
{
    struct json_value name, value;
    size_t n = 0, pos = 0, i = 0;
    if (v.type != JSON_OBJECT) {
        return route_fail(r->c, at, &v, ERR_INVALID_FIELD, "must be an object of operators");
    }
    while (json_next(v, &pos, NULL, NULL)) {
        n++;
    }
    if (n == 0) {
        return route_fail(r->c, at, &v, ERR_INVALID_FIELD, "holds no operator");
    }
    if (n == 1) {
        pos = 0;
        return json_next(v, &pos, &name, &value) && operator_read(r, at, f, name, value, true, ret);
    }
    struct str text = f->whole.ptr ? f->whole : text_of(r, at, f->name.raw, STR_LIT(""), v.raw);
    struct route_query *all = text.ptr ? query_new(r, ROUTE_OP_AND, text) : NULL;
    const struct route_query **parts = all ? arena_alloc(r->c->a, n * sizeof(*parts)) : NULL;
    if (!parts) {
        return text.ptr ? route_fail_memory(r->c) : false;
    }
    for (pos = 0; json_next(v, &pos, &name, &value); i++) {
        if (!operator_read(r, at, f, name, value, false, &parts[i])) {
            return false;
        }
    }
    all->parts = parts;
    all->n_parts = n;
    *ret = all;
    return true;
}

/* ---- {"field": …, "$and": […]} ---- */

static bool logic_read(const struct query_read *r, const struct route_at *at, enum route_op op,
                       struct json_value v, struct str text, const struct route_query **ret)
{
    struct json_value item;
    size_t n = 1, pos = 0, i = 0;
    if (op != ROUTE_OP_NOT && !route_count(r->c, at, v, &n)) {
        return false;
    }
    struct route_query *q = query_new(r, op, text);
    const struct route_query **parts = q ? arena_alloc(r->c->a, (n + 1) * sizeof(*parts)) : NULL;
    if (!parts) {
        return q ? route_fail_memory(r->c) : false;
    }
    q->parts = parts;
    q->n_parts = n;
    *ret = q;
    if (op == ROUTE_OP_NOT) {
        return route_query_read(r->c, at, v, r->zone, &parts[0]);
    }
    for (; json_next(v, &pos, NULL, &item); i++) {
        if (!route_query_read(r->c, ROUTE_AT_INDEX(at, i), item, r->zone, &parts[i])) {
            return false;
        }
    }
    return true;
}

/* One member; `whole`: the object that holds nothing else, NULL ptr: it holds more. */
static bool member_read(const struct query_read *r, const struct route_at *at,
                        struct json_value name, struct json_value v, struct str whole,
                        const struct route_query **ret)
{
    static const struct operator_row bare = {NAME("$eq"), ROUTE_OP_EQ, OPERAND_ONE, true};
    struct str text;
    if (!route_text(r->c, at, name, &text)) {
        return false;
    }
    const struct route_at *here = ROUTE_AT_TEXT(at, text);
    bool is_not = str_eqz(text, "$not");
    if (str_eqz(text, "$and") || str_eqz(text, "$or") || is_not) {
        enum route_op op = is_not ? ROUTE_OP_NOT : text.ptr[1] == 'a' ? ROUTE_OP_AND : ROUTE_OP_OR;
        return logic_read(r, here, op, v, whole.ptr ? whole : v.raw, ret);
    }
    struct field_read f = {.name = name, .whole = whole};
    if (!route_field_read(r->c, here, text, &name, r->zone, &f.index)) {
        return false;
    }
    if (v.type == JSON_OBJECT) {
        return operators_read(r, here, &f, v, ret);
    }
    if (v.type == JSON_ARRAY) {
        return route_fail(r->c, here, &v, ERR_INVALID_FIELD, "a list needs \"$in\" or \"$nin\"");
    }
    struct route_query *q = query_new(
        r, ROUTE_OP_EQ, whole.ptr ? whole : text_of(r, here, name.raw, STR_LIT(""), v.raw));
    if (!q || !q->text.ptr) {
        return false;
    }
    q->field = f.index;
    *ret = q;
    return operand_read(r, here, &bare, v, q);
}

bool route_query_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                      const struct zone *zone, const struct route_query **ret)
{
    const struct query_read r = {c, zone};
    struct json_value name, value;
    size_t n = 0, pos = 0, i = 0;
    if (v.type != JSON_OBJECT) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be an object");
    }
    while (json_next(v, &pos, NULL, NULL)) {
        n++;
    }
    if (n == 1) {
        pos = 0;
        return json_next(v, &pos, &name, &value) && member_read(&r, at, name, value, v.raw, ret);
    }
    struct route_query *all = query_new(&r, ROUTE_OP_AND, v.raw); /* of none: it holds */
    const struct route_query **parts = all ? arena_alloc(c->a, (n + 1) * sizeof(*parts)) : NULL;
    if (!parts) {
        return all ? route_fail_memory(c) : false;
    }
    for (pos = 0; json_next(v, &pos, &name, &value); i++) {
        if (!member_read(&r, at, name, value, STR_NONE, &parts[i])) {
            return false;
        }
    }
    all->parts = parts;
    all->n_parts = n;
    *ret = all;
    return true;
}
