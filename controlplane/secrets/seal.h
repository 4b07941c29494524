/* Envelope encryption of secrets at rest: each row has its own data key, wrapped by the
 * key-encryption key. Sealed bytes: version(1) | wrapped data key (12+32+16) | sealed text
 * (12+n+16); the aad of both is "table|row id|column|kek id", so a sealed value cannot be moved to
 * another row.
 *
 * Key-encryption keys come from a file or the environment: 32 bytes as 64 hex digits or base64; its
 * id is the first 8 bytes of its SHA-256 in hex. Several may be loaded (old ones for reading); the
 * first seals. Any thread after loading. */
#ifndef CONTROLPLANE_SECRETS_SEAL_H
#define CONTROLPLANE_SECRETS_SEAL_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/uuid.h"

struct seal_keys;

/* `text`: one key a line, the first is the current one. */
struct seal_keys *seal_keys_parse(struct str text, struct error *err);
struct seal_keys *seal_keys_load(const char *path,
                                 struct error *err); /* refuses a file others may read */
/* Adds former keys, which only open: one a line, or comma-separated; or a file of them. */
bool seal_keys_add(struct seal_keys *k, struct str text, struct error *err);
bool seal_keys_add_file(struct seal_keys *k, const char *path, struct error *err);
void seal_keys_free(struct seal_keys *k);
const char *seal_current_id(const struct seal_keys *k);
/* Sealed bytes into the arena. */
struct str seal_close(const struct seal_keys *k, const char *table, const struct uuid *row,
                      const char *column, struct str secret, struct arena *a);
/* Plain bytes into the arena (the caller wipes them when done). False: unknown key id or tampered.
 */
bool seal_open(const struct seal_keys *k, const char *kek_id, const char *table,
               const struct uuid *row, const char *column, struct str sealed, struct arena *a,
               struct str *ret, struct error *err);

#endif
