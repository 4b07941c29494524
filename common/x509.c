/* The channel's small CA. Certificates carry what both OpenSSL and mbedTLS ask for (version 3,
 * basic constraints, key usage, key identifiers) and nothing that the requester chose but the
 * public key. */
#include "common/x509.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

#define SKEW_S 3600 /* valid from an hour ago: the other machine's clock may be behind */
#define DAY_S 86400

/* Says what failed with OpenSSL's reason, and empties its queue. */
static bool fail(struct error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    (void)error_set(err, ERR_INTERNAL, "%s: %s", what, reason ? reason : "not well-formed");
    ERR_clear_error();
    return false;
}

/* An encrypted key must fail, not ask a terminal. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static X509 *read_cert(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    return cert;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static X509_REQ *read_csr(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509_REQ *csr = bio ? PEM_read_bio_X509_REQ(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    return csr;
}

/* Takes the text out of a memory BIO and frees it; NULL if writing had failed. */
static char *take_text(BIO *bio, bool written)
{
    char *data = NULL, *text = NULL;
    long len = bio ? BIO_get_mem_data(bio, &data) : 0;
    if (written && len > 0) {
        text = mem_alloc((size_t)len + 1);
        memcpy(text, data, (size_t)len);
    }
    if (len > 0) {
        OPENSSL_cleanse(data, (size_t)len);
    }
    BIO_free(bio);
    return text;
}

static char *write_cert(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take_text(bio, bio && PEM_write_bio_X509(bio, cert));
}

static char *write_key(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take_text(bio,
                     bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
}

static char *write_csr(X509_REQ *csr)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take_text(bio, bio && PEM_write_bio_X509_REQ(bio, csr));
}

static bool set_name(X509_NAME *name, const char *common_name)
{
    return name && *common_name &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0);
}

/* 159 random bits: positive and within the 20 bytes that RFC 5280 allows. */
static bool set_serial(X509 *cert)
{
    unsigned char bytes[20];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return false;
    }
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
    BIGNUM *n = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return ok;
}

static bool set_validity(X509 *cert, unsigned days, const ASN1_TIME *latest)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    time_t until = now + (time_t)days * DAY_S;
    if (!ASN1_TIME_set(X509_getm_notBefore(cert), now - SKEW_S) ||
        !ASN1_TIME_set(X509_getm_notAfter(cert), until)) {
        return false;
    }
    /* nothing outlives its issuer */
    if (latest && ASN1_TIME_compare(X509_get0_notAfter(cert), latest) > 0) {
        return X509_set1_notAfter(cert, latest) == 1;
    }
    return true;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext && X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    return ok;
}

static bool is_dns_name(struct str s)
{
    if (s.len == 0 || s.len > 253) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.' || c == '_' || (c == '*' && i == 0);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool add_general_name(GENERAL_NAMES *all, struct str text)
{
    char z[256];
    if (text.len >= sizeof(z)) {
        return false;
    }
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(z);
    if (name && ip) {
        GENERAL_NAME_set0_value(name, GEN_IPADD, ip);
    } else {
        ERR_clear_error(); /* not an address */
        ASN1_IA5STRING *dns = is_dns_name(text) ? ASN1_IA5STRING_new() : NULL;
        if (!name || !dns || !ASN1_STRING_set(dns, text.ptr, (int)text.len)) {
            ASN1_IA5STRING_free(dns);
            GENERAL_NAME_free(name);
            return false;
        }
        GENERAL_NAME_set0_value(name, GEN_DNS, dns);
    }
    if (!sk_GENERAL_NAME_push(all, name)) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

/* Built as objects and not by OpenSSL's text form, in which a name could smuggle others in. */
static bool add_alt_names(X509 *cert, const char *names, struct error *err)
{
    struct str rest = str_of(names), part;
    GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
    bool ok = all != NULL, more = true;
    while (ok && more) {
        struct str tail = STR_NONE;
        more = str_cut(rest, ',', &part, &tail);
        part = str_trim(more ? part : rest);
        rest = tail;
        ok = add_general_name(all, part);
        if (!ok) {
            (void)error_set_param(err, ERR_INVALID_FIELD, "names",
                                  "\"%.*s\" is neither a host name nor an IP address",
                                  (int)(part.len > 100 ? 100 : part.len), part.ptr);
        }
    }
    if (ok && !X509_add1_ext_i2d(cert, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT)) {
        ok = fail(err, "cannot add the names");
    }
    GENERAL_NAMES_free(all);
    return ok;
}

bool x509_make_ca(const char *common_name, unsigned days, char **ret_cert_pem, char **ret_key_pem,
                  struct error *err)
{
    char *cert_pem = NULL, *key_pem = NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    bool ok = key && cert && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
              set_name(X509_get_subject_name(cert), common_name) &&
              X509_set_issuer_name(cert, X509_get_subject_name(cert)) &&
              set_validity(cert, days, NULL) && X509_set_pubkey(cert, key) &&
              add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_extension(cert, cert, NID_subject_key_identifier, "hash") &&
              X509_sign(cert, key, EVP_sha256()) && (cert_pem = write_cert(cert)) &&
              (key_pem = write_key(key));
    X509_free(cert);
    EVP_PKEY_free(key);
    if (!ok) {
        mem_free(cert_pem);
        return fail(err, "cannot make the CA");
    }
    *ret_cert_pem = cert_pem;
    *ret_key_pem = key_pem;
    return true;
}

bool x509_make_csr(const char *common_name, char **ret_csr_pem, char **ret_key_pem,
                   struct error *err)
{
    char *csr_pem = NULL, *key_pem = NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *csr = X509_REQ_new();
    bool ok = key && csr && X509_REQ_set_version(csr, X509_REQ_VERSION_1) &&
              set_name(X509_REQ_get_subject_name(csr), common_name) &&
              X509_REQ_set_pubkey(csr, key) && X509_REQ_sign(csr, key, EVP_sha256()) &&
              (csr_pem = write_csr(csr)) && (key_pem = write_key(key));
    X509_REQ_free(csr);
    EVP_PKEY_free(key);
    if (!ok) {
        mem_free(csr_pem);
        return fail(err, "cannot make a certificate request");
    }
    *ret_csr_pem = csr_pem;
    *ret_key_pem = key_pem;
    return true;
}

static bool is_p256(EVP_PKEY *key)
{
    char group[32];
    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) &&
           (strcmp(group, SN_X9_62_prime256v1) == 0 || strcmp(group, "P-256") == 0);
}

struct issuer {
    X509 *cert;
    EVP_PKEY *key;
};

static void issuer_release(struct issuer *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
}

static bool issuer_init(struct issuer *ca, const char *cert_pem, const char *key_pem,
                        struct error *err)
{
    *ca = (struct issuer){.cert = read_cert(cert_pem)};
    if (!ca->cert) {
        return fail(err, "cannot read the CA certificate");
    }
    ca->key = read_key(key_pem);
    if (!ca->key || !X509_check_private_key(ca->cert, ca->key)) {
        bool result = fail(err, ca->key ? "the CA's key and certificate do not belong together"
                                        : "cannot read the CA key");
        issuer_release(ca);
        return result;
    }
    return true;
}

static char *sign_key(const struct issuer *ca, EVP_PKEY *subject, const char *common_name,
                      bool server, const char *names, unsigned days, struct error *err)
{
    const char *usage = server ? "serverAuth,clientAuth" : "clientAuth";
    char *pem = NULL;
    X509 *cert = X509_new();
    bool ok = cert && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
              set_name(X509_get_subject_name(cert), common_name) &&
              X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) &&
              set_validity(cert, days, X509_get0_notAfter(ca->cert)) &&
              X509_set_pubkey(cert, subject) &&
              add_extension(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(cert, ca->cert, NID_key_usage, "critical,digitalSignature") &&
              add_extension(cert, ca->cert, NID_ext_key_usage, usage) &&
              add_extension(cert, ca->cert, NID_subject_key_identifier, "hash") &&
              add_extension(cert, ca->cert, NID_authority_key_identifier, "keyid:always");
    if (!ok) {
        (void)fail(err, "cannot make the certificate");
    } else if (server && names && *names && !add_alt_names(cert, names, err)) {
        ok = false;
    } else if (!X509_sign(cert, ca->key, EVP_sha256()) || !(pem = write_cert(cert))) {
        (void)fail(err, "cannot sign the certificate");
    }
    X509_free(cert);
    return pem;
}

bool x509_sign_csr(const char *csr_pem, const char *ca_cert_pem, const char *ca_key_pem,
                   const char *common_name, bool server, const char *names, unsigned days,
                   char **ret_cert_pem, struct error *err)
{
    struct issuer ca;
    char *pem = NULL;
    X509_REQ *csr = read_csr(csr_pem);
    EVP_PKEY *subject = csr ? X509_REQ_get0_pubkey(csr) : NULL;
    if (!subject) {
        X509_REQ_free(csr);
        (void)fail(err, "cannot read the certificate request");
        err->code = ERR_INVALID_FIELD; /* the peer's fault, not ours */
        return false;
    }
    if (!is_p256(subject) || X509_REQ_verify(csr, subject) != 1) {
        (void)error_set(err, ERR_INVALID_FIELD, "certificate request %s",
                        is_p256(subject) ? "is not signed by its own key" : "has no P-256 key");
        ERR_clear_error();
    } else if (issuer_init(&ca, ca_cert_pem, ca_key_pem, err)) {
        pem = sign_key(&ca, subject, common_name, server, names, days, err);
        issuer_release(&ca);
    }
    X509_REQ_free(csr);
    if (!pem) {
        return false;
    }
    *ret_cert_pem = pem;
    return true;
}

bool x509_make_server(const char *ca_cert_pem, const char *ca_key_pem, const char *common_name,
                      const char *names, unsigned days, char **ret_cert_pem, char **ret_key_pem,
                      struct error *err)
{
    struct issuer ca;
    char *cert_pem = NULL, *key_pem = NULL;
    if (!issuer_init(&ca, ca_cert_pem, ca_key_pem, err)) {
        return false;
    }
    EVP_PKEY *key = EVP_EC_gen("P-256");
    key_pem = key ? write_key(key) : NULL;
    if (!key_pem) {
        (void)fail(err, "cannot make a key");
    } else {
        cert_pem = sign_key(&ca, key, common_name, true, names, days, err);
    }
    EVP_PKEY_free(key);
    issuer_release(&ca);
    if (!cert_pem) {
        mem_free_secret(key_pem, key_pem ? strlen(key_pem) : 0);
        return false;
    }
    *ret_cert_pem = cert_pem;
    *ret_key_pem = key_pem;
    return true;
}

bool x509_fingerprint(const char *cert_pem, uint8_t out[static 32], struct error *err)
{
    unsigned len = 32;
    X509 *cert = read_cert(cert_pem);
    bool ok = cert && X509_digest(cert, EVP_sha256(), out, &len) == 1;
    X509_free(cert);
    return ok ? true : fail(err, "cannot read the certificate");
}

uint64_t x509_not_after(const char *cert_pem)
{
    int days = 0, seconds = 0;
    X509 *cert = read_cert(cert_pem);
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool ok = cert && epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(cert));
    ASN1_TIME_free(epoch);
    X509_free(cert);
    ERR_clear_error();
    return ok && days >= 0 && seconds >= 0 ? (uint64_t)days * DAY_S + (uint64_t)seconds : 0;
}

bool x509_sign_rs256(const char *key_pem, struct str text, uint8_t *out, size_t cap,
                     size_t *ret_len, struct error *err)
{
    EVP_PKEY *key = read_key(key_pem);
    EVP_MD_CTX *ctx = NULL;
    size_t len = cap;
    bool ok = false;
    if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        (void)error_set(err, ERR_INVALID_FIELD, "the private key is not an RSA key in PEM form");
        ERR_clear_error();
        goto out;
    }
    ctx = EVP_MD_CTX_new();
    ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
         EVP_DigestSign(ctx, out, &len, (const unsigned char *)text.ptr, text.len) == 1;
    if (ok) {
        *ret_len = len;
    } else {
        (void)fail(err, "cannot sign with the private key");
    }
out:
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return ok;
}
