/* Virtual keys, of which a snapshot may hold millions: kept as the message that came, checked once,
 * and decoded into the memory of whoever asks. */
#ifndef DATAPLANE_SNAPSHOT_KEY_ENTITY_H
#define DATAPLANE_SNAPSHOT_KEY_ENTITY_H

#include "dataplane/snapshot/entity.h"

#define KEY_SECRETS_MAX 16

struct entity *key_entity_new(const struct uuid *id, struct str body, struct error *err);
/* Its secrets' hashes in their order; points into the body. Returns how many. */
unsigned key_entity_secrets(const struct entity *e, const uint8_t *ret[static KEY_SECRETS_MAX]);
bool key_entity_has_secret(const struct entity *e, const uint8_t secret[static 32]);
/* Texts point into the body, arrays and the key itself are the arena's. secret: the hash that was
 * presented, one of the key's; NULL: none was. NULL: the arena is out of room. */
struct snap_key *key_entity_read(const struct entity *e, const uint8_t *secret, struct arena *a);
#endif
