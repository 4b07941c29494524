/* Enrolment: a token that works once, for an hour, and carries the CA's fingerprint; and the end of
 * a plane. */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/log.h"
#include "common/rules/apikey.h"
#include "common/x509.h"
#include "controlplane/channel/internal.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/data_planes_channel.h"

#define TOKEN_PREFIX "wr_enr_"
#define TOKEN_BODY 27
#define TOKEN_SECRET (sizeof(TOKEN_PREFIX) - 1 + TOKEN_BODY)
#define TOKEN_LEN (TOKEN_SECRET + 1 + 43)
#define TOKEN_MS 3600000u
#define NAME_MAX_LEN 100
#define CSR_MAX 8192

bool channel_enrolment_token_in(struct channel *c, struct tx *t, const struct uuid *group,
                                const struct uuid *created_by, char ret[static 96],
                                struct error *err)
{
    char minted[APIKEY_MAX], text[96];
    uint8_t print[32], hash[32];
    if (!x509_fingerprint(c->ca_cert, print, err)) {
        return false;
    }
    apikey_mint(TOKEN_PREFIX, minted); /* its checksum is left off: the form is 27 characters */
    memcpy(text, minted, TOKEN_SECRET);
    text[TOKEN_SECRET] = '.';
    (void)crypto_base64url(print, sizeof(print), text + TOKEN_SECRET + 1);
    crypto_sha256(text, TOKEN_SECRET, hash);
    if (!planes_token_add(t, group, created_by, hash, clock_wall_ms() + TOKEN_MS, err)) {
        return false;
    }
    memcpy(ret, text, TOKEN_LEN + 1);
    return true;
}

bool channel_enrolment_token(struct channel *c, const struct uuid *group,
                             const struct uuid *created_by, char ret[static 96], struct error *err)
{
    struct tx *t = tx_begin(c->config.pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!channel_enrolment_token_in(c, t, group, created_by, ret, err)) {
        tx_rollback(t);
        return false;
    }
    return tx_commit(t, NULL, err);
}

static bool read_member(const struct json_member *m, size_t max, struct arena *a, struct str *ret,
                        struct error *err)
{
    char *text = arena_alloc(a, max + 1);
    size_t n = 0;
    char name[16];
    (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(m->name));
    if (!text || !m->found || !json_unescape(m->value, text, max, &n) || n == 0 ||
        memchr(text, '\0', n)) {
        return error_set_param(err, ERR_INVALID_FIELD, name, "%s must be a text of 1 to %zu bytes",
                               name, max);
    }
    text[n] = '\0';
    *ret = (struct str){text, n};
    return true;
}

static bool is_plane_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f) {
            return false;
        }
    }
    return str_trim(s).len == s.len;
}

static struct str enrolled_json(struct channel *c, const struct uuid *plane, const uint8_t *secret,
                                const char *certificate, struct arena *a)
{
    char id[37], encoded[48];
    struct buffer b;
    struct json_writer w;
    Weir__Endpoint items[CHANNEL_ENDPOINTS_MAX + 1], *list[CHANNEL_ENDPOINTS_MAX + 1];
    size_t n = endpoints_fill(c, items, list, CHANNEL_ENDPOINTS_MAX + 1, a);
    uuid_format(plane, id);
    (void)crypto_base64url(secret, 32, encoded);
    buffer_init(&b, 262144);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "plane_id", id);
    json_field_z(&w, "secret", encoded);
    json_field_z(&w, "certificate", certificate);
    json_field_z(&w, "ca", c->ca_cert);
    json_name(&w, "endpoints");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        json_field_z(&w, "sync", items[i].sync);
        json_field_z(&w, "announce", items[i].announce);
        json_field_z(&w, "report", items[i].report);
        json_field_z(&w, "lease", items[i].lease);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    struct str ret = b.failed ? STR_NONE : arena_str(a, buffer_str(&b));
    buffer_release(&b);
    memset(encoded, 0, sizeof(encoded));
    return ret;
}

static bool enrol(struct channel *c, const uint8_t *token_hash, struct str name, const char *csr,
                  const char *address, struct arena *a, struct str *ret_json, struct error *err)
{
    struct plane_new n = {.id = uuid_v7(), .name = name, .address = address};
    uint8_t secret[32];
    char id[37], *certificate = NULL;
    struct error why = ERROR_INIT;
    uuid_format(&n.id, id);
    if (!x509_sign_csr(csr, c->ca_cert, c->ca_key, id, false, NULL, CHANNEL_CERT_DAYS, &certificate,
                       &why)) {
        return error_set_param(err, ERR_INVALID_FIELD, "csr", "csr: %s", error_text(&why));
    }
    crypto_random(secret, sizeof(secret));
    n.secret_sealed = seal_close(c->config.keys, "data_planes", &n.id, "secret",
                                 (struct str){(const char *)secret, 32}, a);
    n.secret_kek = seal_current_id(c->config.keys);
    n.certificate_expires_wall_ms = x509_not_after(certificate) * 1000;
    bool ok = n.secret_sealed.ptr ? planes_enrol(c->config.pool, token_hash, &n, err)
                                  : error_set(err, ERR_INTERNAL, "out of memory");
    if (!ok && err->code == ERR_CONFLICT) {
        (void)error_set_param(err, ERR_CONFLICT, "name", "the name is taken");
    }
    if (ok) {
        *ret_json = enrolled_json(c, &n.id, secret, certificate, a);
        ok = ret_json->ptr || error_set(err, ERR_INTERNAL, "out of memory");
        log_write(LOG_INFO, "data_plane_enrolled", "a data plane was enrolled",
                  LOG_Z("data_plane", id), LOG_S("name", name));
    }
    mem_free(certificate);
    memset(secret, 0, sizeof(secret));
    return ok;
}

bool channel_enrol(struct channel *c, struct str body_json, const char *address, struct arena *a,
                   struct str *ret_json, struct error *err)
{
    struct json_member m[] = {
        {.name = STR_LIT("token")}, {.name = STR_LIT("name")}, {.name = STR_LIT("csr")}};
    struct str token, name, csr;
    uint8_t hash[32];
    if (!json_scan(body_json, m, 3, 8, err) || !read_member(&m[0], 128, a, &token, err) ||
        !read_member(&m[1], NAME_MAX_LEN, a, &name, err) ||
        !read_member(&m[2], CSR_MAX, a, &csr, err)) {
        return false;
    }
    if (!is_plane_name(name)) {
        return error_set_param(err, ERR_INVALID_FIELD, "name",
                               "name must not hold control characters or outer blanks");
    }
    /* With or without the fingerprint, which is the proxy's business. */
    if ((token.len != TOKEN_LEN && token.len != TOKEN_SECRET) ||
        !str_starts(token, STR_LIT(TOKEN_PREFIX))) {
        return error_set(err, ERR_UNAUTHENTICATED, "enrolment token not accepted");
    }
    crypto_sha256(token.ptr, TOKEN_SECRET, hash);
    return planes_token_check(c->config.pool, hash, err) &&
           enrol(c, hash, name, csr.ptr, address ? address : "", a, ret_json, err);
}

bool channel_revoke(struct channel *c, const struct uuid *plane, struct error *err)
{
    struct tx *t = tx_begin(c->config.pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!planes_revoke(t, plane, err)) {
        tx_rollback(t);
        return false;
    }
    if (!tx_commit(t, NULL, err)) {
        return false;
    }
    sessions_end_plane(c, plane);
    return true;
}

bool channel_revoke_in(struct tx *t, const struct uuid *plane, struct error *err)
{
    return planes_revoke(t, plane, err);
}
