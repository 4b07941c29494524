/* A provider's base URL, taken apart and checked once, when it is indexed: http or https, a host
 * (name, IPv4, or IPv6 in brackets), perhaps a port, perhaps a path; never user info, query,
 * fragment, blanks or dot segments. Pure. */
#ifndef DATAPLANE_SNAPSHOT_BASE_URL_H
#define DATAPLANE_SNAPSHOT_BASE_URL_H

#include "common/base/error.h"

#define BASE_URL_MAX 2048

struct base_url {
    bool tls;
    bool default_port; /* the port is the scheme's own: the Host header leaves it out */
    bool bracketed;    /* host is an IPv6 address */
    struct str host;   /* without brackets */
    uint16_t port;
    struct str path; /* "" or "/v1": no slash at its end */
};

/* Spans point into url. False: ERR_INVALID_FIELD with what is wrong; credentials in the URL are
 * never quoted. */
bool base_url_split(struct str url, struct base_url *ret, struct error *err);
/* Value of the Host header into buf; returns its length (at most host + 8). */
size_t base_url_host_header(const struct base_url *u, char *buf, size_t size);

#endif
