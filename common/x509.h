/* The channel's small CA: P-256 keys, PEM in and out. Made by the control plane, used by both
 * planes. Any thread. PEM texts are heap, NUL-terminated, freed with mem_free (keys:
 * mem_free_secret). */
#ifndef COMMON_X509_H
#define COMMON_X509_H

#include "common/base/error.h"

/* Self-signed CA. */
bool x509_make_ca(const char *common_name, unsigned days, char **ret_cert_pem, char **ret_key_pem,
                  struct error *err);
/* New key and a CSR for it (CN = common_name). */
bool x509_make_csr(const char *common_name, char **ret_csr_pem, char **ret_key_pem,
                   struct error *err);
/* Signs the CSR's key (its self-signature is checked; its subject and extensions are ignored) as CN
 * common_name (1 to 64 bytes). A bad CSR (or one whose key is not P-256) is ERR_INVALID_FIELD. It
 * never outlives the CA. `server` adds serverAuth and the names (DNS names or IP addresses,
 * comma-separated) as SAN; else clientAuth only. */
bool x509_sign_csr(const char *csr_pem, const char *ca_cert_pem, const char *ca_key_pem,
                   const char *common_name, bool server, const char *names, unsigned days,
                   char **ret_cert_pem, struct error *err);
/* Key and certificate in one step, for the control plane's own listeners. The certificate stands
 * alone: where clients pin the CA (tls_client_pinned_new), write the CA's PEM behind it into the
 * certificate file. mbedTLS 2.28 (NNG) does not compare IP addresses: give such clients a DNS name
 * to expect. */
bool x509_make_server(const char *ca_cert_pem, const char *ca_key_pem, const char *common_name,
                      const char *names, unsigned days, char **ret_cert_pem, char **ret_key_pem,
                      struct error *err);
/* SHA-256 over the certificate's DER: what an enrolment token carries. */
bool x509_fingerprint(const char *cert_pem, uint8_t out[static 32], struct error *err);
/* Unix time of expiry, 0 when unreadable. */
uint64_t x509_not_after(const char *cert_pem);
/* RS256 of a JWT (RSASSA-PKCS1-v1_5 with SHA-256): the signature's bytes into out. False: the PEM
 * holds no RSA key (ERR_INVALID_FIELD) or the signature does not fit cap; 1,024 bytes fit 8,192
 * bits.
 */
bool x509_sign_rs256(const char *key_pem, struct str text, uint8_t *out, size_t cap,
                     size_t *ret_len, struct error *err);

#endif
