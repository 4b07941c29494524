/* Looking a model up by the many names that it goes by: see catalogue_find in catalogue.h. */
#include <ctype.h>

#include "common/base/map.h"
#include "common/rules/catalogue_inside.h"
#include "common/rules/provider.h"

struct key {
    char bytes[2 * CATALOGUE_NAME_MAX];
    size_t len;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* "provider\0model", the model in lower case; false: too long to be any */
static bool make_key(struct str provider, struct str model, struct key *ret)
{
    if (provider.len + 1 + model.len > sizeof(ret->bytes)) {
        return false;
    }
    if (provider.len > 0) {
        memcpy(ret->bytes, provider.ptr, provider.len);
    }
    ret->bytes[provider.len] = '\0';
    for (size_t i = 0; i < model.len; i++) {
        ret->bytes[provider.len + 1 + i] = lower(model.ptr[i]);
    }
    ret->len = provider.len + 1 + model.len;
    return true;
}

bool catalogue_index(struct catalogue *c)
{
    struct key k;
    for (c->n_slots = 64; c->n_slots < 2 * c->n; c->n_slots *= 2) {
    }
    c->slots = arena_zalloc(c->arena, c->n_slots * sizeof(*c->slots));
    for (size_t i = 0; c->slots && i < c->n; i++) {
        if (!make_key(c->entries[i].m.provider, c->entries[i].m.model, &k)) {
            continue;
        }
        size_t at = map_hash(k.bytes, k.len) & (c->n_slots - 1);
        while (c->slots[at]) {
            at = (at + 1) & (c->n_slots - 1);
        }
        c->slots[at] = (uint32_t)i + 1;
    }
    return c->slots != NULL;
}

/* Of several that differ by case alone the one written as asked, else the first. */
static const struct catalogue_model *find_exact(const struct catalogue *c, struct str provider,
                                                struct str model)
{
    const struct catalogue_model *found = NULL;
    struct key k;
    if (!make_key(provider, model, &k)) {
        return NULL;
    }
    size_t at = map_hash(k.bytes, k.len) & (c->n_slots - 1);
    for (; c->slots[at]; at = (at + 1) & (c->n_slots - 1)) {
        const struct catalogue_model *m = &c->entries[c->slots[at] - 1].m;
        if (!str_eq(m->provider, provider) || !str_eq_nocase(m->model, model)) {
            continue;
        }
        if (str_eq(m->model, model)) {
            return m;
        }
        found = found ? found : m;
    }
    return found;
}

static struct str resolve(const struct catalogue *c, struct str provider)
{
    for (size_t i = 0; i < c->n_aliases; i++) {
        if (str_eq(c->aliases[i].name, provider)) {
            return c->aliases[i].id;
        }
    }
    return provider;
}

const struct catalogue_model *catalogue_get(const struct catalogue *c, struct str provider,
                                            struct str model)
{
    const struct catalogue_model *m = find_exact(c, resolve(c, provider), model);
    return m && str_eq(m->model, model) ? m : NULL;
}

/* The first entry of a provider in the sorted array. */
static size_t first_of(const struct catalogue *c, struct str provider)
{
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (str_cmp(c->entries[mid].m.provider, provider) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static const struct catalogue_model *find_form(const struct catalogue *c, struct str provider,
                                               struct str model)
{
    const struct catalogue_model *m = find_exact(c, provider, model);
    struct key k;
    if (m || model.len == 0 || !make_key(STR_LIT(""), model, &k)) {
        return m;
    }
    struct str name = {k.bytes + 1, k.len - 1};
    for (size_t i = first_of(c, provider); i < c->n; i++) {
        const struct catalogue_entry *e = &c->entries[i];
        if (!str_eq(e->m.provider, provider)) {
            break;
        }
        if (e->rule && catalogue_rule_matches(e->rule, name)) {
            return &e->m;
        }
    }
    return NULL;
}

/* --- taking names apart --- */

static bool cut_front(struct str *s, size_t n)
{
    if (n == 0 || n >= s->len) {
        return false;
    }
    *s = str_slice(*s, n, s->len - n);
    return true;
}

/* What stands around a name: "arn:aws:bedrock:…:inference-profile/", "models/",
 * "projects/…/publishers/…/models/". */
static bool unwrap(struct str *s)
{
    const char *slash = s->len ? memrchr(s->ptr, '/', s->len) : NULL;
    size_t behind = slash ? (size_t)(slash - s->ptr) + 1 : 0;
    struct str front = str_slice(*s, 0, behind);
    bool wrapped = str_starts(front, STR_LIT("arn:")) || str_ends(front, STR_LIT("/models/")) ||
                   str_eqz(front, "models/");
    return wrapped && cut_front(s, behind);
}

static bool all_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!isdigit((unsigned char)s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

static struct str last(struct str s, size_t n)
{
    return s.len > n ? str_slice(s, s.len - n, n) : STR_LIT("");
}

/* "-20250929", "@20250929", "-2024-11-20" at the end */
static size_t date_len(struct str s)
{
    struct str d = last(s, 9);
    if (d.len && (*d.ptr == '-' || *d.ptr == '@') && all_digits(str_slice(d, 1, 8)) &&
        str_starts(str_slice(d, 1, 8), STR_LIT("20"))) {
        return 9;
    }
    d = last(s, 11);
    return d.len && *d.ptr == '-' && d.ptr[5] == '-' && d.ptr[8] == '-' &&
                   all_digits(str_slice(d, 1, 4)) && all_digits(str_slice(d, 6, 2)) &&
                   all_digits(str_slice(d, 9, 2)) && str_starts(str_slice(d, 1, 4), STR_LIT("20"))
               ? 11
               : 0;
}

/* ":free", ":thinking": a colon and a word; "@default" */
static size_t tail_len(struct str s)
{
    const char *colon = s.len ? memrchr(s.ptr, ':', s.len) : NULL;
    if (str_ends(s, STR_LIT("@default"))) {
        return 8;
    }
    if (!colon || colon + 1 == s.ptr + s.len || !isalpha((unsigned char)colon[1])) {
        return 0;
    }
    return s.len - (size_t)(colon - s.ptr);
}

/* "-v1:0", "-v2", "-v1:0:8k" */
static size_t version_len(struct str s)
{
    for (size_t n = 3; n <= 10 && n < s.len; n++) {
        struct str v = last(s, n);
        if (v.ptr[0] != '-' || v.ptr[1] != 'v' || !isdigit((unsigned char)v.ptr[2])) {
            continue;
        }
        for (size_t i = 3; i < n; i++) {
            bool fits = isdigit((unsigned char)v.ptr[i]) || v.ptr[i] == ':' ||
                        (i == n - 1 && v.ptr[i] == 'k');
            if (!fits) {
                return 0;
            }
        }
        return n;
    }
    return 0;
}

static size_t region_len(struct str s)
{
    static const char *const regions[] = {"us.", "eu.", "apac.", "global.", "us-gov.",
                                          "jp.", "au.", "ca.",   "sa.",     "in."};
    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        if (str_starts(s, str_of(regions[i]))) {
            return strlen(regions[i]);
        }
    }
    return 0;
}

static bool take_off(struct str *s)
{
    size_t n = tail_len(*s);
    if (n == 0 && cut_front(s, region_len(*s))) {
        return true;
    }
    n = n ? n : version_len(*s);
    n = n ? n : date_len(*s);
    if (n == 0 || n >= s->len) {
        return false;
    }
    s->len -= n;
    return true;
}

static const struct catalogue_model *find_in(const struct catalogue *c, struct str provider,
                                             struct str model)
{
    const struct catalogue_model *m = find_form(c, provider, model);
    while (!m && unwrap(&model)) {
        m = find_form(c, provider, model);
    }
    while (!m && take_off(&model)) {
        m = find_form(c, provider, model);
    }
    return m;
}

const struct catalogue_model *catalogue_find(const struct catalogue *c, struct str kind,
                                             struct str model)
{
    const struct provider_row *row = provider_row_named(kind);
    struct str rest = row && row->catalogue ? str_of(row->catalogue) : STR_LIT("");
    struct str id, tried = STR_NONE;
    const struct catalogue_model *m = NULL;
    if (!c || model.len == 0 || model.len > CATALOGUE_NAME_MAX) {
        return NULL;
    }
    while (!m && rest.len > 0) {
        if (!str_cut(rest, ' ', &id, &rest)) {
            id = rest;
            rest.len = 0;
        }
        id = resolve(c, id);
        if (id.len > 0 && !str_eq(id, tried)) {
            m = find_in(c, id, model);
            tried = id;
        }
    }
    id = resolve(c, row ? str_of(row->name) : kind);
    return m || str_eq(id, tried) ? m : find_in(c, id, model);
}
