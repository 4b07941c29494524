/* The HTTP/1.1 grammar, outwards: the head of an answer into one growing scratch, so that it can
 * leave together with the first bytes of the body. Pure but for the cached date; one writer per
 * worker. */
#ifndef DATAPLANE_NET_HTTP1_WRITE_H
#define DATAPLANE_NET_HTTP1_WRITE_H

#include "common/base/buffer.h"
#include "dataplane/net/exchange.h"

/* The Date field's text, made anew once a second. Zero-initialise. */
struct http1_date {
    uint64_t checked_ms; /* loop time of the last look at the clock */
    uint64_t second;
    char text[32]; /* "Sat, 21 Nov 2026 22:53:31 GMT" */
};

struct str http1_date(struct http1_date *d, uint64_t loop_now_ms);

struct http1_answer {
    int status;
    const struct header *headers;
    size_t n_headers;
    int64_t length; /* -1: no content-length */
    bool chunked;
    bool keep_alive; /* else "connection: close" */
    bool old_client; /* HTTP/1.0: staying open must be said */
};

/* Appends the head to `out`. Fields that framing owns (content-length, transfer-encoding,
 * connection, keep-alive, date) and fields that could not be written safely (a control character
 * inside) are left out. False when `out` is full. */
bool http1_write_head(struct buffer *out, const struct http1_answer *a, struct str date);

/* "1f\r\n" into buf; returns its length. */
size_t http1_write_chunk_size(char buf[static 20], size_t n);

/* "OK"; "" for a status without a well-known phrase. */
const char *http1_reason(int status);

#endif
