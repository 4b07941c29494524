/* Cleartext HTTP/2 by prior knowledge (RFC 9113, 3.3) on a client connection: each stream becomes
 * an exchange, so nothing above net/ knows the difference. http2.c is the only includer of
 * libnghttp2.
 *
 * Inside of net/: conn.c finds the client's preface and hands the connection over; exchange.c hands
 * over what the request layer says of an exchange that has a stream. All on the worker's thread. */
#ifndef DATAPLANE_NET_HTTP2_H
#define DATAPLANE_NET_HTTP2_H

#include "dataplane/net/conn.h"

struct http2_session;
struct http2_stream;

/* Whether p[0..n) is the beginning of the client's preface, or all of it: -1 no, 0 so far, 1 yes.
 */
int http2_preface(const char *p, size_t n);
/* The connection speaks HTTP/2 from p[0..n) on (the preface is its start). It is in CONN_HTTP2
 * afterwards, or closed. */
void http2_begin(struct conn *c, const char *p, size_t n);

/* conn.c: something to read; the kernel takes again; the deadline's tick; the listener drains. */
void http2_read(struct conn *c);
void http2_writable(struct conn *c);
void http2_on_timer(struct conn *c);
void http2_drain(struct conn *c);
/* The connection is closing: its exchanges are told (`later`: behind this turn's events). */
void http2_closed(struct conn *c, bool later);
/* Streams, or a call that is queued, still refer to the connection; the last of them calls
 * conn_release. */
bool http2_held(const struct http2_session *h);
bool http2_idle(const struct conn *c); /* no stream is open */
void http2_free(struct http2_session *h);

/* exchange.c: the answer. As the calls of exchange.h. */
void http2_start(struct exchange *x, int status, const struct header *headers, size_t n,
                 int64_t length);
bool http2_send(struct exchange *x, struct str piece);
void http2_finish(struct exchange *x, bool broken);
void http2_stream_free(struct http2_stream *st); /* with its exchange */

#endif
