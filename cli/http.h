/* Outbound HTTP of the command line. libcurl is included in http.c only. TLS is always verified;
 * redirects are never followed (a token must not travel on); answers are bounded. */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include "common/base/buffer.h"
#include "common/base/error.h"

struct http;

#define HTTP_HEADERS_MAX 64

struct http_call {
    const char *method, *url;
    const char *headers[HTTP_HEADERS_MAX]; /* "name: value" */
    unsigned n_headers;
    struct str body;     /* ptr NULL: none */
    uint64_t timeout_ms; /* for all of it; 0: 120 s */
};

struct http_answer {
    long status;
    struct buffer body;  /* http_answer_release */
    char request_id[64]; /* header x-weir-request-id, "" when absent */
    char content_type[64];
    char cost_usd[32];                /* header x-weir-cost-usd, "" when absent */
    uint64_t first_byte_us, total_us; /* since the call began */
};

/* ca_file NULL: the system's store. Cookies that servers set live as long as the struct. */
struct http *http_new(const char *ca_file);
void http_free(struct http *h);
/* True when an answer came, whatever its status. False: *err says what failed, in words that name
 * the URL's host. */
bool http_send(struct http *h, const struct http_call *call, struct http_answer *ret,
               struct error *err);
void http_answer_release(struct http_answer *a);
/* Is the host of this URL this machine's loopback? */
bool http_is_loopback(const char *url);

#endif
