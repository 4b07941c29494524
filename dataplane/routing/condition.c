/* See condition.h. */
#include "dataplane/routing/condition.h"

#include "common/regex.h"

#define LIST_MAX 4096u /* items of a list that a condition looks at */

bool facts_init(struct facts *f, const struct route_tree *t, struct arena *a, fact_fn ask,
                void *arg)
{
    *f = (struct facts){.tree = t, .ask = ask, .arg = arg, .regex_left = FACTS_REGEX_STEPS};
    if (t->n_fields == 0) {
        return true;
    }
    f->known = arena_alloc(a, t->n_fields * sizeof(*f->known));
    f->asked = arena_zalloc(a, t->n_fields);
    return f->known && f->asked;
}

static const struct fact absent = {.type = FACT_ABSENT};

/* Apart, so that the look at what is known stays short. */
__attribute__((noinline)) static const struct fact *fact_ask(struct facts *f, uint16_t field)
{
    if (field >= f->tree->n_fields) {
        return &absent;
    }
    f->asked[field] = 1; /* before it is asked: what depends on itself is absent */
    f->known[field] = absent;
    f->ask(f->arg, &f->tree->fields[field], &f->known[field]);
    return &f->known[field];
}

static inline const struct fact *fact_of(struct facts *f, uint16_t field)
{
    return field < f->tree->n_fields && f->asked[field] ? &f->known[field] : fact_ask(f, field);
}

const struct fact *facts_get(struct facts *f, uint16_t field)
{
    return fact_of(f, field);
}

/* ---- one value against one literal ---- */

static size_t skip_digits(struct str s, size_t at)
{
    while (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9') {
        at++;
    }
    return at;
}

/* A number from the first to the last character, blanks around it allowed. */
static bool whole_number(struct str s)
{
    size_t at, digits;

    s = str_trim(s);
    at = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+');
    digits = skip_digits(s, at) - at;
    at += digits;
    if (at < s.len && s.ptr[at] == '.') {
        size_t end = skip_digits(s, at + 1);
        digits += end - at - 1;
        at = end;
    }
    if (digits == 0) {
        return false;
    }
    if (at < s.len && (s.ptr[at] | 0x20) == 'e') {
        size_t from = at + 1;
        from += from < s.len && (s.ptr[from] == '-' || s.ptr[from] == '+');
        at = skip_digits(s, from);
        return at > from && at == s.len;
    }
    return at == s.len;
}

static bool equal(const struct fact *a, const struct route_literal *b)
{
    bool written_a = a->type == FACT_NUMBER, written_b = b->type == JSON_NUMBER;

    if (str_eq(a->text, b->text)) {
        return true;
    }
    if (!(written_a || written_b) || !a->is_number || !b->is_number || a->micro != b->micro ||
        a->micro == INT64_MAX || a->micro == INT64_MIN) {
        return false;
    }
    return (written_a || whole_number(a->text)) && (written_b || whole_number(b->text));
}

/* "9:30" sorts as "09:30". */
static int clock_cmp(struct str a, struct str b)
{
    a = str_slice(a, str_starts(a, STR_LIT("0")), a.len);
    b = str_slice(b, str_starts(b, STR_LIT("0")), b.len);
    const char *colon_a = a.len ? memchr(a.ptr, ':', a.len) : NULL;
    const char *colon_b = b.len ? memchr(b.ptr, ':', b.len) : NULL;

    if (!colon_a || !colon_b || colon_a - a.ptr == colon_b - b.ptr) {
        return str_cmp(a, b);
    }
    return colon_a - a.ptr < colon_b - b.ptr ? -1 : 1;
}

/* False: the two have no order. */
static bool compare(const struct route_field *field, const struct fact *a,
                    const struct route_literal *b, int *ret)
{
    bool civil = field->kind == ROUTE_FIELD_TIME || field->kind == ROUTE_FIELD_DATE;

    if (civil && a->type != FACT_NUMBER && b->type != JSON_NUMBER) {
        *ret = field->kind == ROUTE_FIELD_TIME ? clock_cmp(a->text, b->text)
                                               : str_cmp(a->text, b->text);
        return true;
    }
    if (a->is_number != b->is_number) {
        return false;
    }
    *ret = a->is_number ? (a->micro > b->micro) - (a->micro < b->micro) : str_cmp(a->text, b->text);
    return true;
}

static bool ordered(const struct route_field *field, enum route_op op, const struct fact *a,
                    const struct route_literal *b)
{
    int order;

    if (!compare(field, a, b, &order)) {
        return false;
    }
    switch (op) {
    case ROUTE_OP_GT:
        return order > 0;
    case ROUTE_OP_GTE:
        return order >= 0;
    case ROUTE_OP_LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

static bool is_among(const struct fact *a, const struct route_query *q)
{
    for (size_t i = 0; i < q->n_values; i++) {
        if (equal(a, &q->values[i])) {
            return true;
        }
    }
    return false;
}

static bool text_has(struct str text, struct str part)
{
    return part.len == 0 ||
           (part.len <= text.len && memmem(text.ptr, text.len, part.ptr, part.len));
}

/* ---- one query ---- */

static bool item_holds(struct facts *f, const struct route_query *q, const struct fact *a,
                       bool of_list)
{
    const struct route_field *field = &f->tree->fields[q->field];
    const struct route_literal *b = q->values;

    if (q->op == ROUTE_OP_REGEX) {
        return q->regex && regex_matches_within(q->regex, a->text, &f->regex_left);
    }
    if (q->op == ROUTE_OP_EQ || q->op == ROUTE_OP_IN) {
        return is_among(a, q);
    }
    if (q->op == ROUTE_OP_NE || q->op == ROUTE_OP_NIN) {
        return !is_among(a, q);
    }
    if (q->n_values == 0) {
        return false;
    }
    switch (q->op) {
    case ROUTE_OP_GT:
    case ROUTE_OP_GTE:
    case ROUTE_OP_LT:
    case ROUTE_OP_LTE:
        return ordered(field, q->op, a, b);
    case ROUTE_OP_CONTAINS:
        return of_list ? equal(a, b) : text_has(a->text, b->text);
    case ROUTE_OP_STARTS:
        return str_starts(a->text, b->text);
    case ROUTE_OP_ENDS:
        return str_ends(a->text, b->text);
    default:
        return false;
    }
}

__attribute__((noinline)) static bool list_holds(struct facts *f, const struct route_query *q,
                                                 const struct fact *list)
{
    for (size_t i = 0; i < list->n_items; i++) {
        struct fact item;
        fact_text(&item, list->items[i]);
        if (item_holds(f, q, &item, true)) {
            return true;
        }
    }
    return false;
}

static bool field_holds(struct facts *f, const struct route_query *q)
{
    const struct fact *fact = fact_of(f, q->field);

    if (q->op == ROUTE_OP_EXISTS) {
        bool wanted = q->n_values == 0 || q->values[0].type == JSON_TRUE;
        return (fact->type != FACT_ABSENT) == wanted;
    }
    if (fact->type == FACT_ABSENT) {
        return false;
    }
    return fact->type == FACT_LIST ? list_holds(f, q, fact) : item_holds(f, q, fact, false);
}

bool condition_holds(struct facts *f, const struct route_query *q)
{
    switch (q->op) {
    case ROUTE_OP_AND:
        for (size_t i = 0; i < q->n_parts; i++) {
            if (!condition_holds(f, q->parts[i])) {
                return false;
            }
        }
        return true;
    case ROUTE_OP_OR:
        for (size_t i = 0; i < q->n_parts; i++) {
            if (condition_holds(f, q->parts[i])) {
                return true;
            }
        }
        return false;
    case ROUTE_OP_NOT:
        return q->n_parts > 0 && !condition_holds(f, q->parts[0]);
    default:
        return field_holds(f, q);
    }
}

/* ---- answering facts ---- */

void fact_text(struct fact *ret, struct str text)
{
    *ret = (struct fact){.type = text.ptr ? FACT_TEXT : FACT_ABSENT, .text = text};
    ret->is_number = text.ptr && route_number(text, &ret->micro);
}

void fact_number(struct fact *ret, struct arena *a, int64_t n)
{
    struct str text = arena_printf(a, "%lld", (long long)n);

    *ret = (struct fact){.type = text.ptr ? FACT_NUMBER : FACT_ABSENT, .text = text};
    ret->is_number = text.ptr != NULL;
    if (__builtin_mul_overflow(n, (int64_t)1000000, &ret->micro)) {
        ret->micro = n < 0 ? INT64_MIN : INT64_MAX;
    }
}

void fact_bool(struct fact *ret, bool v)
{
    *ret = (struct fact){.type = FACT_BOOL, .text = v ? STR_LIT("true") : STR_LIT("false")};
}

/* NULL ptr: not a primitive (or out of room). */
static struct str primitive_text(struct arena *a, struct json_value v)
{
    struct str text = STR_NONE;
    char *copy;

    switch (v.type) {
    case JSON_STRING:
        if (!v.escaped) {
            return json_text(v);
        }
        copy = arena_alloc(a, v.raw.len);
        return copy && json_unescape(v, copy, v.raw.len, &text.len) ? (struct str){copy, text.len}
                                                                    : STR_NONE;
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
        return v.raw;
    default:
        return STR_NONE;
    }
}

static void fact_list(struct fact *ret, struct arena *a, struct json_value v)
{
    struct json_value item;
    size_t pos = 0, n = 0;

    *ret = (struct fact){.type = FACT_LIST, .text = v.raw};
    while (v.type == JSON_ARRAY && n < LIST_MAX && json_next(v, &pos, NULL, &item)) {
        n += item.type != JSON_NULL && item.type != JSON_OBJECT && item.type != JSON_ARRAY;
    }
    struct str *items = n ? arena_alloc(a, n * sizeof(*items)) : NULL;
    if (!items) {
        return;
    }
    for (pos = 0; ret->n_items < n && json_next(v, &pos, NULL, &item);) {
        struct str text = primitive_text(a, item);
        if (text.ptr) {
            items[ret->n_items++] = text;
        } else if (item.type == JSON_STRING) {
            break; /* out of room */
        }
    }
    ret->items = items;
}

void fact_json(struct fact *ret, struct arena *a, struct json_value v)
{
    switch (v.type) {
    case JSON_NULL:
        *ret = (struct fact){.type = FACT_ABSENT};
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        fact_bool(ret, v.type == JSON_TRUE);
        return;
    case JSON_OBJECT:
    case JSON_ARRAY:
        fact_list(ret, a, v);
        return;
    default:
        fact_text(ret, primitive_text(a, v));
        if (v.type == JSON_NUMBER && ret->type == FACT_TEXT) {
            ret->type = FACT_NUMBER;
        }
    }
}

/* ---- paths into the body ---- */

static bool step_member(struct json_value at, struct str name, struct json_value *ret)
{
    struct json_member m = {.name = name};

    if (at.type != JSON_OBJECT || !json_members(at, &m, 1, NULL) || !m.found) {
        return false;
    }
    *ret = m.value;
    return true;
}

static bool step_index(struct json_value at, int64_t index, struct json_value *ret)
{
    struct json_value item;
    size_t pos = 0;

    if (at.type != JSON_ARRAY) {
        return false;
    }
    if (index < 0) {
        while (json_next(at, &pos, NULL, &item)) {
            index++; /* an index from the end: becomes the one from the start below */
        }
        if (index < 0) {
            return false;
        }
        /* counted n items: start index = n + index, and `index` now holds just that */
        pos = 0;
    }
    while (json_next(at, &pos, NULL, &item)) {
        if (index-- == 0) {
            *ret = item;
            return true;
        }
    }
    return false;
}

void fact_steps(struct fact *ret, struct arena *a, struct json_value at,
                const struct route_path_step *steps, size_t n)
{
    *ret = (struct fact){.type = FACT_ABSENT};
    for (size_t i = 0; i < n; i++) {
        if (!(steps[i].name.ptr ? step_member(at, steps[i].name, &at)
                                : step_index(at, steps[i].index, &at))) {
            return;
        }
    }
    fact_json(ret, a, at);
}

void fact_body(struct fact *ret, struct arena *a, struct str body, const struct route_field *f)
{
    struct str text = str_trim(body);
    struct json_value at = {.type = JSON_OBJECT, .raw = text};

    *ret = (struct fact){.type = FACT_ABSENT};
    if (text.len < 2 || text.ptr[0] != '{') {
        return;
    }
    fact_steps(ret, a, at, f->steps, f->n_steps);
}
