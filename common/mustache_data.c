/* Names looked up in JSON data. A small object is read through each time; a large one gets a table
 * of its members when it is asked first, which stays for all that is rendered with this data. What
 * is looked at is counted, so that no template can make a worker busy for long. */
#include "common/base/map.h"
#include "common/mustache_inside.h"

#define SMALL_OBJECT 512 /* bytes of text */

struct member {
    struct str name;
    struct json_value value;
};

/* The members of one object, hashed by name (open addressing, a power of two of slots). */
struct table {
    const char *object; /* where its text begins */
    struct member *slots;
    size_t mask;
};

struct mustache_data {
    struct json_value root;
    struct arena *a;
    size_t work_left;
    struct table *tables; /* by address, open addressing */
    size_t n, cap;
};

struct mustache_data *mustache_data_new(struct json_value data, struct arena *a)
{
    struct mustache_data *d = arena_zalloc(a, sizeof(*d));
    if (d) {
        *d = (struct mustache_data){.root = data, .a = a, .work_left = MUSTACHE_MAX_WORK};
    }
    return d;
}

bool mustache_data_spend(struct mustache_data *d, size_t n)
{
    if (n > d->work_left) {
        d->work_left = 0;
        return false;
    }
    d->work_left -= n;
    return true;
}

static bool member_name(struct arena *a, struct json_value name, struct str *ret)
{
    if (!name.escaped) {
        *ret = json_text(name);
        return true;
    }
    size_t len = 0;
    char *text = arena_alloc(a, name.raw.len);
    if (!text || !json_unescape(name, text, name.raw.len, &len)) {
        return false;
    }
    *ret = (struct str){text, len};
    return true;
}

static uint64_t hash_of(struct str s)
{
    return map_hash(s.len ? s.ptr : "", s.len);
}

/* The slot of that name, or the free one where it would stand. */
static struct member *slot_of(const struct table *t, struct str name)
{
    size_t i = hash_of(name) & t->mask;
    while (t->slots[i].name.ptr && !str_eq(t->slots[i].name, name)) {
        i = (i + 1) & t->mask;
    }
    return &t->slots[i];
}

/* Of two members of one name the last counts, as JavaScript reads it. */
static bool table_fill(struct mustache_data *d, struct json_value object, struct table *t)
{
    struct json_value name, value;
    size_t n = 0, pos = 0, cap = 16;
    while (json_next(object, &pos, NULL, &value)) {
        n++;
    }
    while (cap < 2 * n) {
        cap *= 2;
    }
    t->slots = arena_zalloc(d->a, cap * sizeof(*t->slots));
    t->mask = cap - 1;
    if (!t->slots) {
        return false;
    }
    for (pos = 0; json_next(object, &pos, &name, &value);) {
        struct str text;
        if (!member_name(d->a, name, &text)) {
            return false;
        }
        *slot_of(t, text) = (struct member){text, value};
    }
    t->object = object.raw.ptr;
    return true;
}

static size_t place_of(const struct mustache_data *d, const char *object)
{
    size_t i = (size_t)map_hash(&object, sizeof(object)) & (d->cap - 1);
    while (d->tables[i].object && d->tables[i].object != object) {
        i = (i + 1) & (d->cap - 1);
    }
    return i;
}

static bool tables_grow(struct mustache_data *d)
{
    struct table *old = d->tables;
    size_t old_cap = d->cap, cap = old_cap ? old_cap * 2 : 8;
    struct table *grown = arena_zalloc(d->a, cap * sizeof(*grown));
    if (!grown) {
        return false;
    }
    d->tables = grown;
    d->cap = cap;
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].object) {
            grown[place_of(d, old[i].object)] = old[i];
        }
    }
    return true;
}

/* NULL: out of room or of work. */
static const struct table *table_of(struct mustache_data *d, struct json_value object)
{
    if (2 * (d->n + 1) > d->cap && !tables_grow(d)) {
        return NULL;
    }
    struct table *t = &d->tables[place_of(d, object.raw.ptr)];
    if (!t->object) {
        if (!mustache_data_spend(d, object.raw.len) || !table_fill(d, object, t)) {
            d->work_left = 0;
            return NULL;
        }
        d->n++;
    }
    return t;
}

static bool find_member(struct mustache_data *d, struct json_value object, struct str name,
                        struct json_value *ret)
{
    if (object.type != JSON_OBJECT) {
        return false;
    }
    if (object.raw.len > SMALL_OBJECT) {
        const struct table *t = table_of(d, object);
        const struct member *m = t ? slot_of(t, name) : NULL;
        if (!m || !m->name.ptr) {
            return false;
        }
        *ret = m->value;
        return true;
    }
    struct json_value at, value;
    bool found = false;
    size_t pos = 0;
    while (json_next(object, &pos, &at, &value)) {
        if (json_text_eq(at, name)) {
            *ret = value;
            found = true;
        }
    }
    (void)mustache_data_spend(d, object.raw.len / 8);
    return found;
}

bool mustache_data_find(struct mustache_data *d, const struct mustache_path *path,
                        const struct mustache_frame *top, struct json_value *ret)
{
    struct json_value v = top->value;
    size_t i = 0;
    if (path->n && !path->here) {
        const struct mustache_frame *f = top;
        while (f && mustache_data_spend(d, 1) && !find_member(d, f->value, path->parts[0], &v)) {
            f = f->outer;
        }
        if (!f) {
            return false;
        }
        i = 1;
    }
    for (; i < path->n; i++) {
        struct json_value object = v;
        if (!mustache_data_spend(d, 1) || !find_member(d, object, path->parts[i], &v)) {
            return false;
        }
    }
    *ret = v;
    return d->work_left > 0;
}

/* 0 in any way of writing it: no digit but 0 before the exponent. */
static bool is_zero(struct str number)
{
    for (size_t i = 0; i < number.len; i++) {
        char c = number.ptr[i];
        if (c == 'e' || c == 'E') {
            break;
        }
        if (c >= '1' && c <= '9') {
            return false;
        }
    }
    return true;
}

bool mustache_is_true(struct json_value v)
{
    struct json_value first;
    size_t pos = 0;
    switch (v.type) {
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_NUMBER:
        return !is_zero(v.raw);
    case JSON_STRING:
        return v.raw.len > 2;
    case JSON_ARRAY:
        return json_next(v, &pos, NULL, &first);
    default:
        return true;
    }
}

static const struct mustache_node *sole_node(const struct mustache *m)
{
    const struct mustache_node *sole = NULL;
    for (size_t i = 0; i < m->n; i++) {
        const struct mustache_node *node = &m->nodes[i];
        if (node->kind == MUSTACHE_TEXT && node->text.len == 0) {
            continue; /* where the line begins */
        }
        if (sole || (node->kind != MUSTACHE_VALUE && node->kind != MUSTACHE_RAW_VALUE)) {
            return NULL;
        }
        sole = node;
    }
    return sole;
}

bool mustache_is_sole(const struct mustache *m)
{
    return sole_node(m) != NULL;
}

bool mustache_sole_value(const struct mustache *m, struct mustache_data *data, bool *ret_found,
                         struct json_value *ret)
{
    const struct mustache_node *node = sole_node(m);
    if (!node) {
        return false;
    }
    struct mustache_frame top = {.value = data->root};
    *ret_found = mustache_data_find(data, &node->path, &top, ret);
    return true;
}
