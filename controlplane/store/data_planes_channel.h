/* What the channel reads and writes about data planes, groups, enrolment, instances and commands
 * between them. Each call is one short transaction as TX_SYSTEM and blocks. (The admin API's own
 * view of data planes is in another file.) */
#ifndef CONTROLPLANE_STORE_DATA_PLANES_CHANNEL_H
#define CONTROLPLANE_STORE_DATA_PLANES_CHANNEL_H

#include "controlplane/store/db.h"

struct seal_keys;

struct plane_secret {
    struct uuid group_id;
    uint8_t secret[32];
};
/* False with ERR_NOT_FOUND: unknown, revoked or unreadable. The caller wipes the secret. */
bool planes_secret(struct db_pool *p, const struct seal_keys *keys, const struct uuid *plane,
                   struct plane_secret *ret, struct error *err);

/* What a session says of its plane, for the row that the admin sees. */
struct plane_seen {
    struct uuid id;
    uint64_t version, refused_version; /* refused 0: none */
    uint8_t root_hash[32];
    bool has_root;
    struct str refused_reason, state_json, software_version;
    const struct str *features;
    size_t n_features;
};
bool planes_seen(struct db_pool *p, const struct uuid *instance, const struct plane_seen *rows,
                 size_t n, struct error *err);

struct plane_alive {
    struct uuid id, group_id;
};
/* Those of `ids` that exist and are not revoked; ret holds n. */
bool planes_alive(struct db_pool *p, const struct uuid *ids, size_t n, struct plane_alive *ret,
                  size_t *ret_n, struct error *err);

/* One row per group and served part: serves_all with both ids nil, or an organization, or a
 * workspace of one. A group that serves nothing has one row with serves_all false and both nil.
 * Sorted by group. */
struct group_serves {
    struct uuid group_id, organization_id, workspace_id;
    bool serves_all;
};
/* Inside the caller's transaction. */
bool planes_groups(struct tx *t, struct arena *a, struct group_serves **ret, size_t *ret_n,
                   struct error *err);

/* ---- enrolment ---- */

/* Inside the caller's transaction. */
bool planes_token_add(struct tx *t, const struct uuid *group, const struct uuid *created_by,
                      const uint8_t hash[static 32], uint64_t expires_wall_ms, struct error *err);
/* True when the token would be accepted now: a cheap check before a certificate is made. */
bool planes_token_check(struct db_pool *p, const uint8_t hash[static 32], struct error *err);
struct plane_new {
    struct uuid id;
    struct str name, secret_sealed;
    const char *secret_kek, *address;
    uint64_t certificate_expires_wall_ms;
};
/* Uses up the token and adds the plane, with an audit row. ERR_UNAUTHENTICATED: unknown, used or
 * expired token; ERR_CONFLICT: the name is taken (the token stays usable). */
bool planes_enrol(struct db_pool *p, const uint8_t token_hash[static 32], const struct plane_new *n,
                  struct error *err);
/* Forgets the secret and, at commit, tells every instance. Inside the caller's transaction.
 * ERR_NOT_FOUND: unknown or already revoked. */
bool planes_revoke(struct tx *t, const struct uuid *plane, struct error *err);
bool planes_certificate(struct db_pool *p, const struct uuid *plane, uint64_t expires_wall_ms,
                        struct error *err);

/* ---- instances ---- */

struct instance_row {
    struct uuid id;
    struct str endpoints_json;
};
/* Says that this instance lives, and lists those seen within 10 s (this one too). */
bool instances_beat(struct db_pool *p, const struct uuid *id, struct str endpoints_json,
                    struct arena *a, struct instance_row **ret, size_t *ret_n, struct error *err);
bool instances_leave(struct db_pool *p, const struct uuid *id, struct error *err);

/* ---- commands by way of the database ---- */

struct command_row {
    struct uuid id, plane_id;
    unsigned kind, timeout_ms;
    struct str body;
};
/* A plane in session with another instance: this one, or (plane NULL) any of a group that serves
 * the organization. False with ERR_NOT_READY when there is none. */
bool commands_find_plane(struct db_pool *p, const struct uuid *self, const struct uuid *plane,
                         const struct uuid *organization, struct uuid *ret_plane,
                         struct uuid *ret_instance, struct error *err);
bool commands_put(struct db_pool *p, const struct uuid *instance, const struct command_row *c,
                  struct error *err);
/* The command if it is for this instance and still open; *ret_found false when not. */
bool commands_take(struct db_pool *p, const struct uuid *instance, const struct uuid *id,
                   struct arena *a, struct command_row *ret, bool *ret_found, struct error *err);
bool commands_done(struct db_pool *p, const struct uuid *id, bool ok, struct str error_text,
                   struct str result, struct error *err);
/* The outcome, deleting the row; *ret_done false: not there yet (the row stays unless give_up). */
bool commands_outcome(struct db_pool *p, const struct uuid *id, bool give_up, struct arena *a,
                      bool *ret_done, bool *ret_ok, struct str *ret_error, struct str *ret_result,
                      struct error *err);

#endif
