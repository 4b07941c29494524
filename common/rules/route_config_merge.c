/* See route_config_inside.h: override_params, merged from the root down. The parts are kept as they
 * are written; where one name comes twice the later counts, in one object as between parent and
 * child. */
#include "common/rules/route_config_inside.h"

struct entry {
    struct json_value name, value;
};

struct merge {
    struct route_compile *c;
    const struct route_at *at;
    struct entry *list;
    size_t n, cap;
    struct route_names names; /* used when there are many */
    bool changed;             /* the object cannot be taken as it is written */
};

#define FEW 12

static bool name_text(struct merge *m, struct json_value name, struct str *ret)
{
    return route_text(m->c, m->at, name, ret);
}

/* The entry of that name, or list + n. */
static bool entry_find(struct merge *m, struct json_value name, size_t *ret)
{
    struct str text;
    uint32_t found;
    if (!name_text(m, name, &text)) {
        return false;
    }
    if (m->n < FEW) {
        size_t i = 0;
        while (i < m->n && !json_text_eq(m->list[i].name, text)) {
            i++;
        }
        *ret = i;
        return true;
    }
    for (size_t i = m->names.n; i < m->n; i++) { /* once, when they become many */
        struct str other;
        if (!name_text(m, m->list[i].name, &other) ||
            !route_names_put(&m->names, m->c->a, 0, other, (uint32_t)i, &found)) {
            return route_fail_memory(m->c);
        }
    }
    if (!route_names_put(&m->names, m->c->a, 0, text, (uint32_t)m->n, &found)) {
        return route_fail_memory(m->c);
    }
    *ret = found;
    return true;
}

static bool entry_put(struct merge *m, struct json_value name, struct json_value value)
{
    size_t i = 0;
    if (!entry_find(m, name, &i)) {
        return false;
    }
    if (i < m->n) {
        m->list[i] = (struct entry){name, value};
        m->changed = true;
        return true;
    }
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 16;
        struct entry *list = arena_alloc(m->c->a, cap * sizeof(*list));
        if (!list) {
            return route_fail_memory(m->c);
        }
        if (m->n) {
            memcpy(list, m->list, m->n * sizeof(*list));
        }
        m->list = list;
        m->cap = cap;
    }
    m->list[m->n++] = (struct entry){name, value};
    return true;
}

static bool write_out(struct merge *m, struct str *ret)
{
    size_t len = 2;
    for (size_t i = 0; i < m->n; i++) {
        len += m->list[i].name.raw.len + m->list[i].value.raw.len + 2;
    }
    char *out = route_derive(m->c, m->at, len), *p = out;
    if (!out) {
        return false;
    }
    *p++ = '{';
    for (size_t i = 0; i < m->n; i++) {
        const struct entry *e = &m->list[i];
        if (i) {
            *p++ = ',';
        }
        memcpy(p, e->name.raw.ptr, e->name.raw.len);
        p += e->name.raw.len;
        *p++ = ':';
        memcpy(p, e->value.raw.ptr, e->value.raw.len);
        p += e->value.raw.len;
    }
    *p++ = '}';
    *ret = (struct str){out, (size_t)(p - out)};
    return true;
}

bool route_override_merge(struct route_compile *c, const struct route_at *at, struct str parent,
                          struct json_value own, struct str *ret, struct str *ret_model)
{
    struct merge m = {.c = c, .at = at};
    struct json_value above = {JSON_OBJECT, false, parent}, name, value;
    struct str model = STR_NONE;
    size_t pos = 0, added = 0;
    if (own.type != JSON_OBJECT) {
        return route_fail(c, at, &own, ERR_INVALID_FIELD, "must be an object");
    }
    /* nearly always it is nothing but the model: then all of the parent's is shared */
    while (json_next(own, &pos, &name, &value)) {
        if (json_text_eq(name, STR_LIT("model"))) {
            if (!route_word(c, ROUTE_AT(at, "model"), value, &model)) {
                return false;
            }
        } else {
            added++;
        }
    }
    *ret_model = model;
    *ret = parent;
    if (added == 0) {
        return true;
    }
    for (pos = 0; parent.ptr && json_next(above, &pos, &name, &value);) {
        if (!entry_put(&m, name, value)) {
            return false;
        }
    }
    m.changed = m.n > 0 || model.ptr;
    for (pos = 0; json_next(own, &pos, &name, &value);) {
        if (!json_text_eq(name, STR_LIT("model")) && !entry_put(&m, name, value)) {
            return false;
        }
    }
    if (!m.changed) {
        *ret = own.raw;
        return true;
    }
    return write_out(&m, ret);
}
