/* AWS Signature Version 4 of one request: pure, with the time given. The host is signed, so a base
 * URL that is rewritten needs another signature. Static keys and session tokens.
 *
 * The path is signed as every service but S3 wants it: each segment, as it is sent, is
 * percent-encoded once more, so that a model id with ':' (sent as %3A) or an ARN with '/' (%2F) is
 * signed as %253A and %252F. Empty and dot segments are not resolved: Weir sends none. */
#ifndef DATAPLANE_SIGNERS_AWS_SIGV4_H
#define DATAPLANE_SIGNERS_AWS_SIGV4_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "dataplane/canonical/head.h"

struct sigv4_header {
    struct str name; /* any case */
    struct str value;
};

#define SIGV4_HEADERS_MAX 16

struct sigv4_request {
    struct str method;
    struct str host;  /* the Host header's (or :authority's) value */
    struct str path;  /* exactly as sent; empty: "/" */
    struct str query; /* as sent, without '?' */
    struct str payload;
    struct str region, service; /* "us-east-1", "bedrock" */
    int64_t time_s;             /* Unix seconds */
    struct str access_key, secret_key;
    struct str session_token; /* absent: static keys */
    bool content_sha256;      /* X-Amz-Content-Sha256 too */
    /* Further headers to sign, which the caller sends itself; names must differ from those above.
     */
    const struct sigv4_header *headers;
    size_t n_headers;
};

/* Adds the lines X-Amz-Date, X-Amz-Content-Sha256 and X-Amz-Security-Token (where due) and
 * Authorization. False: a credential that cannot stand in a header, or out of room; err never shows
 * it. Scratch memory comes from the arena. */
bool sigv4_sign(const struct sigv4_request *r, struct arena *a, struct head *out,
                struct error *err);

/* Bytes that sigv4_sign adds at most. */
size_t sigv4_room(const struct sigv4_request *r);

/* The access key id in a client's "AWS4-HMAC-SHA256 Credential=AKID/2026…/…", or in the value of a
 * presigned URL's X-Amz-Credential ("AKID/2026…", '/' possibly as %2F). STR_NONE otherwise. The
 * signature is not looked at. */
struct str sigv4_access_key(struct str authorization);

#endif
