/* The envelope around every message between the planes: fixed little-endian header, body, HMAC.
 *
 *   0  magic "WEIR"      4  schema u16      6  type u16       8  body length u32    12 reserved u32
 * (0) 16 sender (plane or instance id, 16)    32 session (16; zero for hello)         48 sequence
 * u64 56 body …            then HMAC-SHA256 (32) over everything before it
 *
 * The HMAC key is the session key; for hello and its reply it is HKDF(proxy secret, info "weir
 * hello"). A receiver checks magic, length and HMAC before it looks at anything else. An
 * announcement (PUB) has no session: its key is 32 zero bytes, since it is a hint that carries no
 * secret and is trusted no further. Pure functions, any thread. */
#ifndef PROTO_ENVELOPE_H
#define PROTO_ENVELOPE_H

#include "common/base/error.h"
#include "common/base/uuid.h"

#define ENVELOPE_HEADER 56
#define ENVELOPE_OVERHEAD (ENVELOPE_HEADER + 32)
#define ENVELOPE_SCHEMA 1

enum envelope_type {
    ENVELOPE_HELLO = 1,
    ENVELOPE_HELLO_REPLY,
    ENVELOPE_SYNC,
    ENVELOPE_SYNC_REPLY,
    ENVELOPE_REPORT,
    ENVELOPE_REPORT_ACK,
    ENVELOPE_LEASE,
    ENVELOPE_LEASE_GRANT,
    ENVELOPE_ANNOUNCE,
    ENVELOPE_ERROR
};

struct envelope {
    uint16_t schema, type;
    struct uuid sender, session;
    uint64_t sequence;
    struct str body; /* points into the message */
};

/* Writes header + body + HMAC into out (body.len + ENVELOPE_OVERHEAD bytes). */
void envelope_write(const struct envelope *e, const uint8_t key[static 32], uint8_t *out);
/* Reads the header only (to find the session); false on bad magic, schema 0 or a length that does
 * not fit. */
bool envelope_peek(const void *message, size_t len, struct envelope *ret);
/* Constant-time check of the HMAC of a message that envelope_peek accepted. */
bool envelope_verify(const void *message, size_t len, const uint8_t key[static 32]);
void envelope_hello_key(const void *secret, size_t len, uint8_t out[static 32]);
void envelope_session_key(const void *secret, size_t len, const uint8_t proxy_nonce[static 32],
                          const uint8_t control_nonce[static 32], uint8_t out[static 32]);
/* Key that wraps data keys for one proxy. */
void envelope_wrap_key(const void *secret, size_t len, uint8_t out[static 32]);

#endif
