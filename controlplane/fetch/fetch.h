/* libcurl behind one call: what the control plane fetches, from identity providers and from
 * HashiCorp Vault. http and https only, no redirects, bounded in time and size. Blocks: no
 * transaction may be open. Any thread. */
#ifndef CONTROLPLANE_FETCH_FETCH_H
#define CONTROLPLANE_FETCH_FETCH_H

#include "common/base/buffer.h"
#include "common/base/error.h"

struct fetch_request {
    const char *url;
    /* Addresses of the own network are for whom the operator trusts: else every address that is not
     * public is refused when it is connected to, whatever name it was found by. */
    bool private_ok;
    struct str form;            /* a form to POST; NULL ptr: GET */
    const char *authorization;  /* the whole field; NULL: none */
    const char *const *headers; /* more of them, "name: value", then NULL; NULL: none */
    const char *ca_file;        /* PEM of whom to trust, instead of the system's store; NULL */
    uint64_t timeout_ms;        /* 0: 10 seconds */
};

struct fetch_answer {
    int status;
    struct buffer body;
    uint64_t max_age_s; /* Cache-Control; 0 when it says none or not to keep it */
};

/* True: an answer came, whatever its status; release it. False: ERR_UPSTREAM_*. */
bool fetch(const struct fetch_request *r, struct fetch_answer *ret, struct error *err);
void fetch_answer_release(struct fetch_answer *a);

/* https with a host, or http to loopback by its address or as localhost; no user, no fragment. */
bool fetch_url_is_safe(struct str url);
/* Is the host loopback by its name? */
bool fetch_url_is_loopback(struct str url);
/* The host without brackets, and its port as given ("" when none). */
void fetch_url_host(struct str url, struct str *ret_host, struct str *ret_port);
/* application/x-www-form-urlencoded. */
void fetch_put_form(struct buffer *b, const char *name, struct str value);

#endif
