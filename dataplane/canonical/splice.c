/* See splice.h. */
#include "dataplane/canonical/splice.h"

#define FIRST_ROOM 8

static bool reserve(struct splice *s, size_t n)
{
    size_t cap = s->cap ? s->cap : FIRST_ROOM;
    while (cap < n) {
        cap *= 2;
    }
    if (cap == s->cap) {
        return true;
    }
    struct str *list = arena_alloc(s->arena, cap * sizeof(*list));
    if (!list) {
        return false;
    }
    if (s->n) {
        memcpy(list, s->pieces, s->n * sizeof(*list));
    }
    s->pieces = list;
    s->cap = cap;
    return true;
}

bool splice_init_pieces(struct splice *s, struct arena *a, const struct str *pieces, size_t n)
{
    *s = (struct splice){.arena = a};
    if (!reserve(s, n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        s->pieces[s->n++] = pieces[i];
        s->len_bytes += pieces[i].len;
    }
    return true;
}

bool splice_init(struct splice *s, struct arena *a, struct str text)
{
    return splice_init_pieces(s, a, &text, 1);
}

bool splice_replace(struct splice *s, const char *at, size_t old_len, struct str text)
{
    size_t i = 0;
    while (i < s->n && !(s->pieces[i].ptr && at >= s->pieces[i].ptr &&
                         at + old_len <= s->pieces[i].ptr + s->pieces[i].len)) {
        i++;
    }
    if (i == s->n || !reserve(s, s->n + 2)) {
        return false;
    }
    struct str whole = s->pieces[i];
    struct str front = {whole.ptr, (size_t)(at - whole.ptr)};
    struct str back = {at + old_len, whole.len - front.len - old_len};
    memmove(&s->pieces[i + 3], &s->pieces[i + 1], (s->n - i - 1) * sizeof(*s->pieces));
    s->pieces[i] = front;
    s->pieces[i + 1] = text;
    s->pieces[i + 2] = back;
    s->n += 2;
    s->len_bytes += text.len;
    s->len_bytes -= old_len;
    return true;
}

struct str splice_join(const struct splice *s)
{
    if (s->n == 1) {
        return s->pieces[0];
    }
    char *out = arena_alloc(s->arena, s->len_bytes + 1);
    size_t at = 0;
    if (!out) {
        return STR_NONE;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->pieces[i].len) {
            memcpy(out + at, s->pieces[i].ptr, s->pieces[i].len);
        }
        at += s->pieces[i].len;
    }
    out[at] = '\0';
    return (struct str){out, at};
}
