/* Edits of a text that leave everything else where it lies: the text as an ordered list of pieces,
 * spans of the original and what was put between them. So a large body is passed on with one member
 * changed and not copied. Edits may come in any order and must not overlap. In an arena; one
 * thread. */
#ifndef DATAPLANE_CANONICAL_SPLICE_H
#define DATAPLANE_CANONICAL_SPLICE_H

#include "common/base/arena.h"

struct splice {
    struct arena *arena;
    struct str *pieces; /* the text is all of them, in order */
    size_t n, cap;
    size_t len_bytes; /* of all */
};

/* The text unchanged. False when the arena is out of room. */
bool splice_init(struct splice *s, struct arena *a, struct str text);
/* The same for a text that is in pieces already. */
bool splice_init_pieces(struct splice *s, struct arena *a, const struct str *pieces, size_t n);
/* Puts `text` (which must live as long as the list) in the place of `old_len` bytes of the original
 * at `at`; old_len 0 inserts, an empty text removes. False when out of room, or when these bytes
 * are not in one piece of the original any more. */
bool splice_replace(struct splice *s, const char *at, size_t old_len, struct str text);
/* All pieces as one text; the piece itself when there is only one. NULL ptr when out of room. */
struct str splice_join(const struct splice *s);

#endif
