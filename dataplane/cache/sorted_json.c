#include "dataplane/cache/sorted_json.h"

#include <endian.h>
#include <stdio.h>

#include "dataplane/cache/short_number.h"

struct member {
    const char *name; /* decoded */
    uint32_t name_len;
    uint32_t name_at, value_at; /* in the text */
    uint32_t first;             /* the first object at or behind value_at */
    uint32_t next;              /* the object's next member, from 1; 0: none */
};

struct object {
    uint32_t members; /* its first, in order */
    uint32_t end;     /* behind its brace */
    uint32_t behind;  /* the first object after it */
};

struct sorter {
    const char *text;
    size_t len;
    struct arena *arena;
    struct member *members; /* from 1 */
    struct object *objects; /* in the order of their opening braces */
    uint32_t n_members, cap_members, n_objects, cap_objects;
    const struct str *left_out;
    size_t n_left_out;
    bool failed;
    char *out;
    size_t out_len, out_cap;
};

/* ---- first pass ---- */

static size_t past_blanks(const struct sorter *x, size_t at)
{
    while (at < x->len && (x->text[at] == ' ' || x->text[at] == '\n' || x->text[at] == '\r' ||
                           x->text[at] == '\t')) {
        at++;
    }
    return at;
}

/* Of eight bytes: the high bit of the first one that is zero, and of none before it. */
static uint64_t zero_bytes(uint64_t v)
{
    return (v - 0x0101010101010101u) & ~v & 0x8080808080808080u;
}

/* The first quote or backslash at or behind `at`, which a validated string has. */
static inline size_t next_mark(const struct sorter *x, size_t at)
{
    for (; at + 8 <= x->len; at += 8) {
        uint64_t v;
        memcpy(&v, x->text + at, sizeof(v));
        v = le64toh(v);
        v = zero_bytes(v ^ 0x2222222222222222u) | zero_bytes(v ^ 0x5c5c5c5c5c5c5c5cu);
        if (v) {
            return at + (size_t)__builtin_ctzll(v) / 8;
        }
    }
    while (x->text[at] != '"' && x->text[at] != '\\') {
        at++;
    }
    return at;
}

/* at: the opening quote. Returns what is behind the closing one. */
static size_t past_string(const struct sorter *x, size_t at)
{
    for (at = next_mark(x, at + 1); x->text[at] == '\\';) {
        at = next_mark(x, at + 2);
    }
    return at + 1;
}

static size_t past_scalar(const struct sorter *x, size_t at)
{
    while (at < x->len && !memchr(",]} \n\r\t", x->text[at], 7)) {
        at++;
    }
    return at;
}

/* A vector in the arena twice its size; the old one stays behind. */
static void *grown(struct sorter *x, const void *old, size_t each, uint32_t n, uint32_t *cap)
{
    uint32_t wanted = *cap ? *cap * 2 : 64;
    void *p = arena_alloc(x->arena, wanted * each);
    if (!p) {
        x->failed = true;
        return NULL;
    }
    if (n) {
        memcpy(p, old, n * each);
    }
    *cap = wanted;
    return p;
}

static uint32_t object_add(struct sorter *x)
{
    if (x->n_objects == x->cap_objects) {
        void *p = grown(x, x->objects, sizeof(*x->objects), x->n_objects, &x->cap_objects);
        if (!p) {
            return 0;
        }
        x->objects = p;
    }
    x->objects[x->n_objects] = (struct object){0, 0, 0};
    return x->n_objects++;
}

/* The name's text is decoded where it holds escapes. Returns 0 when out of room. */
static uint32_t member_add(struct sorter *x, size_t name_at, size_t name_end)
{
    if (x->n_members + 1 >= x->cap_members) {
        void *p = grown(x, x->members, sizeof(*x->members), x->cap_members ? x->n_members + 1 : 0,
                        &x->cap_members);
        if (!p) {
            return 0;
        }
        x->members = p;
    }
    struct str name = {x->text + name_at + 1, name_end - name_at - 2};
    if (memchr(name.ptr, '\\', name.len)) {
        struct json_value v = {JSON_STRING, true, {x->text + name_at, name_end - name_at}};
        char *copy = arena_alloc(x->arena, name.len);
        if (!copy || !json_unescape(v, copy, name.len, &name.len)) {
            x->failed = true;
            return 0;
        }
        name.ptr = copy;
    }
    x->members[++x->n_members] = (struct member){.name = name.ptr,
                                                 .name_len = (uint32_t)name.len,
                                                 .name_at = (uint32_t)name_at,
                                                 .first = x->n_objects};
    return x->n_members;
}

static int member_cmp(const struct sorter *x, uint32_t a, uint32_t b)
{
    const struct member *m = &x->members[a], *n = &x->members[b];
    return str_cmp((struct str){m->name, m->name_len}, (struct str){n->name, n->name_len});
}

static uint32_t merged(struct sorter *x, uint32_t a, uint32_t b)
{
    uint32_t first = 0, *link = &first;
    while (a && b) {
        uint32_t *from = member_cmp(x, b, a) < 0 ? &b : &a; /* equal: a came first */
        *link = *from;
        link = &x->members[*from].next;
        *from = *link;
    }
    *link = a ? a : b;
    return first;
}

/* Merge sort of a list, from below: runs[i] holds 2^i members or none. */
static uint32_t sorted(struct sorter *x, uint32_t list)
{
    uint32_t runs[32] = {0}, all = 0;
    unsigned top = 0;
    while (list) {
        uint32_t one = list;
        unsigned i = 0;
        list = x->members[one].next;
        x->members[one].next = 0;
        for (; i < 31 && runs[i]; i++) {
            one = merged(x, runs[i], one);
            runs[i] = 0;
        }
        runs[i] = merged(x, runs[i], one);
        top = i > top ? i : top;
    }
    for (unsigned i = 0; i <= top; i++) {
        all = merged(x, runs[i], all); /* a larger run came earlier */
    }
    return all;
}

static size_t note_value(struct sorter *x, size_t at);

static size_t note_object(struct sorter *x, size_t at)
{
    uint32_t o = object_add(x), first = 0, last = 0;
    bool in_order = true;
    at = past_blanks(x, at + 1);
    while (!x->failed && x->text[at] != '}') {
        size_t end = past_string(x, at);
        uint32_t m = member_add(x, at, end);
        if (!m) {
            break;
        }
        in_order = in_order && (!last || member_cmp(x, last, m) <= 0);
        *(last ? &x->members[last].next : &first) = m;
        last = m;
        at = past_blanks(x, past_blanks(x, end) + 1); /* the colon */
        x->members[m].value_at = (uint32_t)at;
        at = past_blanks(x, note_value(x, at));
        if (!x->failed && x->text[at] == ',') {
            at = past_blanks(x, at + 1);
        }
    }
    if (!x->failed) {
        x->objects[o] = (struct object){.members = in_order ? first : sorted(x, first),
                                        .end = (uint32_t)at + 1,
                                        .behind = x->n_objects};
    }
    return at + 1;
}

static size_t note_array(struct sorter *x, size_t at)
{
    at = past_blanks(x, at + 1);
    while (!x->failed && x->text[at] != ']') {
        at = past_blanks(x, note_value(x, at));
        if (!x->failed && x->text[at] == ',') {
            at = past_blanks(x, at + 1);
        }
    }
    return at + 1;
}

/* Nesting is bounded by the validation before. */
static size_t note_value(struct sorter *x, size_t at)
{
    switch (x->text[at]) {
    case '"':
        return past_string(x, at);
    case '{':
        return note_object(x, at);
    case '[':
        return note_array(x, at);
    default:
        return past_scalar(x, at);
    }
}

/* ---- second pass ---- */

static void put(struct sorter *x, const char *p, size_t n)
{
    if (n > x->out_cap - x->out_len) {
        x->failed = true;
        return;
    }
    memcpy(x->out + x->out_len, p, n);
    x->out_len += n;
}

static void put_char(struct sorter *x, char c)
{
    put(x, &c, 1);
}

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        v = v << 4 | (uint32_t)str_hex_digit(p[i]);
    }
    return v;
}

static void put_utf8(struct sorter *x, uint32_t c)
{
    char b[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6) {
        b[i] = (char)(0x80 | (c & 0x3f));
    }
    b[0] = (char)(lead[n] | c);
    put(x, b, n);
}

static void put_code(struct sorter *x, uint32_t c)
{
    static const char shorts[] = "\b\f\n\r\t\"\\", names[] = "bfnrt\"\\";
    const char *s = c && c < 0x80 ? strchr(shorts, (int)c) : NULL;
    if (s) {
        put_char(x, '\\');
        put_char(x, names[s - shorts]);
    } else if (c < 0x20) {
        char b[8];
        put(x, b, (size_t)snprintf(b, sizeof(b), "\\u%04x", (unsigned)c));
    } else {
        put_utf8(x, c);
    }
}

/* p: at "\u" or "\/". Returns what is behind it. */
static const char *put_escape(struct sorter *x, const char *p)
{
    if (p[1] == 'u') {
        uint32_t c = hex4(p + 2);
        p += 6;
        if (c >= 0xd800 && c < 0xdc00) {
            c = 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 2) - 0xdc00);
            p += 6;
        }
        put_code(x, c);
        return p;
    }
    put_char(x, p[1]);
    return p + 2;
}

/* Runs are copied whole; "\n" and its like are in their shortest form already. */
static size_t write_string(struct sorter *x, size_t at)
{
    size_t run = at;
    at = next_mark(x, at + 1);
    while (x->text[at] == '\\') {
        if (x->text[at + 1] != 'u' && x->text[at + 1] != '/') {
            at = next_mark(x, at + 2);
            continue;
        }
        put(x, x->text + run, at - run);
        run = (size_t)(put_escape(x, x->text + at) - x->text);
        at = next_mark(x, run);
    }
    put(x, x->text + run, at + 1 - run);
    return at + 1;
}

static size_t write_scalar(struct sorter *x, size_t at)
{
    size_t end = past_scalar(x, at), n = 0;
    struct str s = {x->text + at, end - at};
    if (*s.ptr != '-' && !(*s.ptr >= '0' && *s.ptr <= '9')) {
        put(x, s.ptr, s.len);
    } else if (short_number(s, x->out + x->out_len, x->out_cap - x->out_len, &n)) {
        x->out_len += n;
    } else {
        x->failed = true;
    }
    return end;
}

static bool is_left_out(const struct sorter *x, const struct member *m)
{
    for (size_t i = 0; i < x->n_left_out; i++) {
        if (str_eq((struct str){m->name, m->name_len}, x->left_out[i])) {
            return true;
        }
    }
    return false;
}

static size_t write_value(struct sorter *x, size_t at, uint32_t *object);

/* *object: the next object at or behind at; moved behind what was written. */
static size_t write_object(struct sorter *x, uint32_t *object)
{
    const struct object *o = &x->objects[*object];
    bool top = *object == 0, any = false;
    put_char(x, '{');
    for (uint32_t i = o->members; i && !x->failed; i = x->members[i].next) {
        const struct member *m = &x->members[i];
        uint32_t inner = m->first;
        if (top && is_left_out(x, m)) {
            continue;
        }
        if (any) {
            put_char(x, ',');
        }
        any = true;
        (void)write_string(x, m->name_at);
        put_char(x, ':');
        (void)write_value(x, m->value_at, &inner);
    }
    put_char(x, '}');
    *object = o->behind;
    return o->end;
}

static size_t write_array(struct sorter *x, size_t at, uint32_t *object)
{
    put_char(x, '[');
    at = past_blanks(x, at + 1);
    while (!x->failed && x->text[at] != ']') {
        at = past_blanks(x, write_value(x, at, object));
        if (x->text[at] == ',') {
            put_char(x, ',');
            at = past_blanks(x, at + 1);
        }
    }
    put_char(x, ']');
    return at + 1;
}

static size_t write_value(struct sorter *x, size_t at, uint32_t *object)
{
    switch (x->text[at]) {
    case '"':
        return write_string(x, at);
    case '{':
        return write_object(x, object);
    case '[':
        return write_array(x, at, object);
    default:
        return write_scalar(x, at);
    }
}

bool sorted_json_write(struct json_value v, const struct str *left_out, size_t n_left_out,
                       struct arena *a, char *out, size_t *ret_len)
{
    struct sorter x = {.text = v.raw.ptr,
                       .len = v.raw.len,
                       .arena = a,
                       .left_out = left_out,
                       .n_left_out = v.type == JSON_OBJECT ? n_left_out : 0,
                       .out = out,
                       .out_cap = SORTED_JSON_MAX(v.raw.len)};
    uint32_t object = 0;
    if (v.raw.len >= UINT32_MAX) {
        return false;
    }
    (void)note_value(&x, 0);
    if (!x.failed) {
        (void)write_value(&x, 0, &object);
    }
    if (x.failed) {
        return false;
    }
    *ret_len = x.out_len;
    return true;
}
