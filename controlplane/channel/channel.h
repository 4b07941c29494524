/* The control plane's end of the channel: NNG listeners, sessions, parked syncs, commands, reports;
 * and enrolment. See docs/channel.md. Started once by main after the database was checked.
 * Thread-safe. */
#ifndef CONTROLPLANE_CHANNEL_CHANNEL_H
#define CONTROLPLANE_CHANNEL_CHANNEL_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/uuid.h"

struct channel;
struct db_pool;
struct seal_keys;
struct references;
struct tx;

struct channel_config {
    struct db_pool *pool;
    const struct seal_keys *keys;
    struct references *references; /* controlplane/secrets/reference.h; NULL: none */
    const char *address;           /* to bind: "127.0.0.1" */
    const char *advertise; /* name or address that proxies reach this instance by; goes into the
                              certificate */
    uint16_t port;         /* sync; announce = port + 1, report = port + 2, lease = port + 3 */
};

/* Makes the CA on first start (one instance wins), a server certificate for this process, loads the
 * published state, listens, registers the instance. A taken port is a clear error. */
struct channel *channel_start(const struct channel_config *c, struct error *err);
void channel_stop(struct channel *c);

/* The server certificate for the enrolment listener: certificate + CA chain, and key. Valid until
 * channel_stop. */
const char *channel_cert_pem(const struct channel *c);
const char *channel_key_pem(const struct channel *c);
const char *channel_ca_pem(const struct channel *c);

/* Text of a new enrolment token: "wr_enr_" + 27 base62 + "." + base64url SHA-256 of the CA
 * certificate (43). Stores its hash; valid one hour, once. */
bool channel_enrolment_token(struct channel *c, const struct uuid *group,
                             const struct uuid *created_by, char ret[static 96], struct error *err);
/* The same in the caller's transaction (system role), where its audit row belongs too. */
bool channel_enrolment_token_in(struct channel *c, struct tx *t, const struct uuid *group,
                                const struct uuid *created_by, char ret[static 96],
                                struct error *err);
/* Body of POST /enrol: {"token","name","csr"}; fills *ret_json with {"plane_id","secret"(base64url,
 * 32 bytes), "certificate","ca","endpoints":[{"sync","announce","report","lease"}]}. Errors:
 * invalid_field, unauthenticated (unknown, used or expired token: not told apart), conflict (name
 * taken). */
bool channel_enrol(struct channel *c, struct str body_json, const char *address, struct arena *a,
                   struct str *ret_json, struct error *err);
/* Revokes: forgets the secret, ends its sessions here at once and in other instances by NOTIFY,
 * within a second at the latest. ERR_NOT_FOUND: unknown or already revoked. Writes no audit row:
 * the caller knows who asked. (Enrolment writes its own.) */
bool channel_revoke(struct channel *c, const struct uuid *plane, struct error *err);
/* The same in the caller's transaction (system role), where its audit row belongs too. The plane's
 * session ends when that is committed and this instance is notified like the others. */
bool channel_revoke_in(struct tx *t, const struct uuid *plane, struct error *err);

/* Sends a command to a plane in session with this or another instance and waits up to timeout_ms
 * for its result (JSON text in the arena). plane NULL: any connected one of a group that serves the
 * organization. *ret_plane names who answered. ERR_NOT_READY when none is connected or it went
 * away, ERR_UPSTREAM_TIMEOUT when no result came in time, ERR_NOT_IMPLEMENTED when the plane does
 * not know the kind. A plane that answers "failed" with a JSON text gives that text (true); without
 * one, ERR_INTERNAL with its words. A plane in session with another instance is reached through the
 * database (NOTIFY). */
bool channel_command(struct channel *c, const struct uuid *plane, const struct uuid *organization,
                     unsigned kind, struct str body, unsigned timeout_ms, struct arena *a,
                     struct uuid *ret_plane, struct str *ret_json, struct error *err);

/* The same for several planes at once; answers in the order of `planes`. All are waited for
 * together: at most timeout_ms, however many stay silent. */
struct channel_answer {
    bool ok;         /* json is what the plane said */
    struct str json; /* in the arena */
    struct error error;
};
void channel_command_all(struct channel *c, const struct uuid *planes, size_t n, unsigned kind,
                         struct str body, unsigned timeout_ms, struct arena *a,
                         struct channel_answer *ret);

/* Config version last published by this instance. */
uint64_t channel_version(const struct channel *c);

#endif
