/* Inside of a request, for the files of http/ only. */
#ifndef CONTROLPLANE_HTTP_REQUEST_H
#define CONTROLPLANE_HTTP_REQUEST_H

#include "controlplane/http/server.h"

struct MHD_Connection;
struct streaming;

#define HTTP_REPLY_HEADERS_MAX 24

struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct arena *arena;
    struct buffer body;
    size_t max_body;
    struct streaming *streaming; /* an answer in parts; NULL: none */
    uint64_t begun_ms, discarded;
    struct str method, raw_path, path;
    bool bad_path, bad_query; /* escapes that are none, a NUL, or no UTF-8 */
    bool too_large, flooded, two_lengths, no_room, replied;
    bool answer_now; /* without reading a body that is refused anyway */
    size_t held;     /* bytes of the body that count against the server's ceiling */
    char id[40], peer[64];
    struct {
        const char *name, *value;
    } headers[HTTP_REPLY_HEADERS_MAX];
    unsigned n_headers;
};

/* Undoes percent escapes (once); false when an escape is malformed or the text then holds a NUL or
 * no UTF-8. */
bool http_unescape(struct arena *a, struct str s, struct str *ret);

#endif
