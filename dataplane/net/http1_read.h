/* The HTTP/1.1 grammar, inwards: heads of requests and answers, and the chunked coding (RFC 9112).
 * Strict: whatever two parsers in a row could read differently is refused, so nothing can be
 * smuggled past Weir. Refused are, among others: line ends other than CR LF, NUL and other
 * controls, folded lines, a blank before the colon, more than one Content-Length or Host,
 * Content-Length beside Transfer-Encoding, any transfer coding but `chunked`, versions other
 * than 1.0 and 1.1.
 *
 * Heads are parsed where they lie; the spans that come out point into the caller's bytes. A verdict
 * never depends on how the bytes were split: HTTP1_MORE may turn into either other one, those two
 * are final. Pure functions, any thread. */
#ifndef DATAPLANE_NET_HTTP1_READ_H
#define DATAPLANE_NET_HTTP1_READ_H

#include "dataplane/net/exchange.h"

enum http1_result { HTTP1_MORE = 0, HTTP1_DONE, HTTP1_BAD };

struct http1_request {
    struct request_head head; /* headers: the caller's array */
    size_t head_len;          /* bytes of the head, blank line and leading empty lines included */
    int minor;                /* HTTP/1.minor */
    int64_t content_length;   /* -1: none given */
    bool chunked;
    bool expect_continue;
};

/* Reads a request head from p[0..n). At most max_bytes of it may be a head (then HTTP1_BAD with
 * ERR_HEADERS_TOO_LARGE, as for more than EXCHANGE_MAX_HEADERS fields); other faults are
 * ERR_BAD_REQUEST. On HTTP1_BAD, ret->head holds what had been read before. For an absolute-form
 * target, head.target, path and query are those of its origin form (target is "/" where it has no
 * path). */
enum http1_result http1_read_request(const char *p, size_t n, size_t max_bytes,
                                     struct header headers[static EXCHANGE_MAX_HEADERS],
                                     struct http1_request *ret, struct error *err);

struct http1_response {
    int status; /* 100..999 */
    int minor;
    struct header *headers;
    size_t n_headers;
    size_t head_len;
    int64_t content_length; /* -1: none given */
    bool chunked;
    bool keep_alive;
};

/* The same for an answer's head; every fault is ERR_UPSTREAM_GARBAGE. */
enum http1_result http1_read_response(const char *p, size_t n, size_t max_bytes,
                                      struct header headers[static EXCHANGE_MAX_HEADERS],
                                      struct http1_response *ret, struct error *err);

/* Whether reading a head again is worth while after HTTP1_MORE: true when p[*seen..n) holds an end
 * of a head, a line end that is wrong, or n has reached max_bytes. Keeps reading linear when a head
 * arrives in drips. *seen: 0 before the first call. */
bool http1_head_ready(const char *p, size_t n, size_t max_bytes, size_t *seen);

/* Chunked coding. Zero-initialise. Extensions and trailer fields are checked, bounded and dropped.
 */
struct http1_chunks {
    uint64_t left; /* of the chunk's data */
    unsigned state;
    unsigned digits;
    unsigned extra; /* bytes of extensions and trailers so far */
};

#define HTTP1_CHUNK_EXTRA_MAX 16384u

/* Decodes p[0..n) in place: the data ends up in one piece (*ret_data, inside p). *ret_used: bytes
 * consumed, all of them unless HTTP1_DONE, where the rest belongs to the next message. HTTP1_BAD:
 * err is ERR_BAD_REQUEST; *ret_data holds what came before. */
enum http1_result http1_decode_chunks(struct http1_chunks *c, char *p, size_t n,
                                      struct str *ret_data, size_t *ret_used, struct error *err);

#endif
