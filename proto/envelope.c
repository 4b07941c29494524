/* The envelope around every message between the planes: see envelope.h for the layout. */
#include "proto/envelope.h"

#include <assert.h>

#include "common/crypto.h"

static const char magic[4] = {'W', 'E', 'I', 'R'};

static void put_le(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static uint64_t get_le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

void envelope_write(const struct envelope *e, const uint8_t key[static 32], uint8_t *out)
{
    assert(e->body.len <= UINT32_MAX);
    memcpy(out, magic, sizeof(magic));
    put_le(out + 4, e->schema, 2);
    put_le(out + 6, e->type, 2);
    put_le(out + 8, e->body.len, 4);
    put_le(out + 12, 0, 4);
    memcpy(out + 16, e->sender.b, 16);
    memcpy(out + 32, e->session.b, 16);
    put_le(out + 48, e->sequence, 8);
    if (e->body.len > 0) {
        memcpy(out + ENVELOPE_HEADER, e->body.ptr, e->body.len);
    }
    size_t signed_len = ENVELOPE_HEADER + e->body.len;
    crypto_hmac_sha256(key, 32, out, signed_len, out + signed_len);
}

bool envelope_peek(const void *message, size_t len, struct envelope *ret)
{
    const uint8_t *p = message;
    if (len < ENVELOPE_OVERHEAD || memcmp(p, magic, sizeof(magic)) != 0 || get_le(p + 4, 2) == 0 ||
        get_le(p + 8, 4) != len - ENVELOPE_OVERHEAD) {
        return false;
    }
    ret->schema = (uint16_t)get_le(p + 4, 2);
    ret->type = (uint16_t)get_le(p + 6, 2);
    memcpy(ret->sender.b, p + 16, 16);
    memcpy(ret->session.b, p + 32, 16);
    ret->sequence = get_le(p + 48, 8);
    ret->body = (struct str){(const char *)p + ENVELOPE_HEADER, len - ENVELOPE_OVERHEAD};
    return true;
}

bool envelope_verify(const void *message, size_t len, const uint8_t key[static 32])
{
    uint8_t mac[32];
    crypto_hmac_sha256(key, 32, message, len - 32, mac);
    return crypto_equal(mac, (const uint8_t *)message + len - 32, 32);
}

void envelope_hello_key(const void *secret, size_t len, uint8_t out[static 32])
{
    crypto_hkdf(secret, len, NULL, 0, "weir hello", out, 32);
}

void envelope_session_key(const void *secret, size_t len, const uint8_t proxy_nonce[static 32],
                          const uint8_t control_nonce[static 32], uint8_t out[static 32])
{
    uint8_t salt[64];
    memcpy(salt, proxy_nonce, 32);
    memcpy(salt + 32, control_nonce, 32);
    crypto_hkdf(secret, len, salt, sizeof(salt), "weir session", out, 32);
}

void envelope_wrap_key(const void *secret, size_t len, uint8_t out[static 32])
{
    crypto_hkdf(secret, len, NULL, 0, "weir data key", out, 32);
}
