/* What both ends of a link share: TLS settings, messages, errors. See link.h; the ends are
 * link_server.c and link_client.c. */
#include "proto/link_internal.h"

bool link_fail(struct error *err, const char *what, const char *url, int rv)
{
    return error_set(err, ERR_INTERNAL, "%s \"%s\": %s", what, url, nng_strerror(rv));
}

bool link_tls_config(const struct link_tls *tls, bool server, nng_tls_config **ret,
                     struct error *err)
{
    nng_tls_config *c;
    int rv = nng_tls_config_alloc(&c, server ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
    if (rv != 0) {
        return error_set(err, ERR_INTERNAL, "TLS: %s", nng_strerror(rv));
    }
    if ((rv = nng_tls_config_version(c, NNG_TLS_1_2, NNG_TLS_1_2)) == 0 &&
        (rv = nng_tls_config_auth_mode(c, NNG_TLS_AUTH_MODE_REQUIRED)) == 0 &&
        (rv = nng_tls_config_ca_chain(c, tls->ca_pem, NULL)) == 0 &&
        (rv = nng_tls_config_own_cert(c, tls->cert_pem, tls->key_pem, NULL)) == 0 &&
        (server || (rv = nng_tls_config_server_name(c, LINK_SERVER_NAME)) == 0)) {
        *ret = c;
        return true;
    }
    nng_tls_config_free(c);
    return error_set(err, ERR_INTERNAL, "certificate or key for the channel: %s", nng_strerror(rv));
}

nng_msg *link_message_of(struct str s)
{
    nng_msg *m;
    if (nng_msg_alloc(&m, 0) != 0) {
        return NULL;
    }
    if (nng_msg_append(m, s.ptr, s.len) != 0) {
        nng_msg_free(m);
        return NULL;
    }
    return m;
}

struct str link_message_str(nng_msg *m)
{
    return (struct str){nng_msg_body(m), nng_msg_len(m)};
}
