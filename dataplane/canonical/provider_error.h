/* A provider's refusal or failure, in one form for all dialects. */
#ifndef DATAPLANE_CANONICAL_PROVIDER_ERROR_H
#define DATAPLANE_CANONICAL_PROVIDER_ERROR_H

#include "common/base/arena.h"

/* What kind of failure; each dialect has its own word and status for each (the SDKs choose their
 * exception by them). */
enum failure_class {
    FAILURE_NONE = 0,
    FAILURE_INVALID,        /* 400 */
    FAILURE_CONTEXT_LENGTH, /* 400: the prompt is too long */
    FAILURE_CONTENT_POLICY, /* 400: refused by the provider's safety system */
    FAILURE_AUTHENTICATION, /* 401 */
    FAILURE_BILLING,        /* 402 */
    FAILURE_PERMISSION,     /* 403 */
    FAILURE_NOT_FOUND,      /* 404 */
    FAILURE_TIMEOUT,        /* 408, 504 */
    FAILURE_CONFLICT,       /* 409 */
    FAILURE_TOO_LARGE,      /* 413 */
    FAILURE_UNPROCESSABLE,  /* 422 */
    FAILURE_RATE_LIMIT,     /* 429 */
    FAILURE_QUOTA,          /* 429: credit or quota is used up */
    FAILURE_SERVER,         /* 500, 502 */
    FAILURE_UNAVAILABLE,    /* 503 */
    FAILURE_OVERLOADED,     /* 529 at Anthropic; 503 elsewhere */
    FAILURE_CLASS_COUNT
};

struct provider_error {
    int status; /* the provider's; 0: inside a stream */
    enum failure_class class;
    struct str message;           /* never empty */
    struct str code, type, param; /* the provider's words; absent: none */
    struct str raw;               /* the whole original: JSON, or text that is not */
    bool raw_is_json;
    struct str provider; /* name of the provider */
};

/* Status to class and back, where nothing says more. */
enum failure_class failure_of_status(int status);
int failure_status(enum failure_class c);
/* Looks at the words that providers use for the classes that a status alone does not tell (context
 * length, content policy, quota, overload) in code, type and message; call it last, it refines
 * e->class. */
void provider_error_refine(struct provider_error *e);
/* Reads any of the shapes in the wild: {"error":{"message","type","code","param","status"}},
 * {"error":"…"}, {"type":"error","error":{…}}, {"message":…}, {"detail":…}, {"errors":[…]}, an
 * array holding one of these (Gemini's), text, HTML (its title), nothing. Cannot fail; texts are in
 * the arena or in the body. `errortype` is Bedrock's x-amzn-errortype header, absent elsewhere. */
void provider_error_read(struct str body, int status, struct str errortype, struct arena *a,
                         struct provider_error *ret);

#endif
