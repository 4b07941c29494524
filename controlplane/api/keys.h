/* Virtual keys, between the files that serve them. */
#ifndef CONTROLPLANE_API_KEYS_H
#define CONTROLPLANE_API_KEYS_H

#include "controlplane/api/resource.h"

struct key_memo;

/* What was found in order once is not asked again: for many keys in one call (ch->extra). */
struct key_memo *key_memo_new(void);
void key_memo_free(struct key_memo *m);

/* key_members.c: everything in a body that points at something else, or that has a form of its own:
 * owner, config, price group, addresses, permissions. ch->extra: a key_memo or NULL. */
bool key_members_check(struct change *ch, struct error *err);
/* The resource's `prepare`; placed: the row's workspace stands in it already. */
bool key_prepare_placed(struct change *ch, bool placed, struct error *err);
/* May the actor come to hold this key's secret? Not where it administers more than they do. */
bool key_permissions_held(struct call *c, const struct object *row, struct error *err);

/* Sets hash and mask of a secret on a row that is about to be written. */
bool key_put_secret(struct call *c, struct object *now, struct str secret, struct error *err);
/* A new secret in the arena, put on the row. */
bool key_mint(struct call *c, struct object *now, struct str *ret, struct error *err);

#define KEY_OVERLAP_DEFAULT_S 1800
#define KEY_OVERLAP_MAX_S (90 * 86400)
/* Moves the row's secret to its former one, for overlap_s (0: it ends at once). */
void key_keep_former(const struct object *before, struct object *now, int64_t overlap_s,
                     uint64_t now_ms);
/* "overlap_s" of a body. */
bool key_read_overlap(const struct body_value *body, int64_t *ret, struct error *err);
/* Budgets and limits that are about these keys alone go with them. */
bool key_drop_quotas(struct call *c, const struct uuid *ids, size_t n, struct error *err);
const char *key_status(const struct object *row, uint64_t now_ms);

#endif
