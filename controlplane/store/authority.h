/* What an installation makes once and keeps sealed: the channel's CA and the data key of snapshots.
 * Both are made on first use, under an advisory lock, so of several instances that start together
 * one makes them. Block. */
#ifndef CONTROLPLANE_STORE_AUTHORITY_H
#define CONTROLPLANE_STORE_AUTHORITY_H

#include "controlplane/store/db.h"

struct seal_keys;

/* PEM texts, heap: mem_free the certificate, mem_free_secret the key. */
bool authority_get(struct db_pool *p, const struct seal_keys *keys, char **ret_cert_pem,
                   char **ret_key_pem, struct error *err);
/* The newest snapshot key. The caller wipes it. */
bool snapshot_key_get(struct db_pool *p, const struct seal_keys *keys, struct uuid *ret_id,
                      uint8_t ret_key[static 32], struct error *err);

#endif
