/* The exact cache's keys, and the form in which an answer is kept. Pure. */
#ifndef DATAPLANE_CACHE_KEY_H
#define DATAPLANE_CACHE_KEY_H

#include "common/base/arena.h"
#include "dataplane/cache/store.h"
#include "dataplane/net/exchange.h"

/* Everything that makes two calls different. */
struct cache_key_parts {
    struct uuid organization, workspace;
    struct str scope;   /* narrower than the workspace where policy says so (a key's id); "" else */
    struct str dialect; /* the client's, with its framing: answers are kept as bytes of it */
    struct str operation; /* "chat.completions" */
    struct str model;     /* as the client named it */
    struct str policy;    /* config id and version, or the SHA-256 of an inline one; "" for none */
    struct str name_space;
    struct str own_key; /* the caller's x-weir-cache-key: in place of the body; NULL ptr: none */
    struct str body;    /* the client's JSON body */
};

/* SHA-256 over all parts, each with its length; the body in canonical form: members in order of
 * their decoded names at every depth, no blanks, numbers and strings as their shortest JSON
 * ("\u0041" is "A"; 1.0, 1 and 1e0 are one). What does not change an answer is left out at the top
 * level: user, metadata, store, safety_identifier, prompt_cache_key, service_tier stays. A body
 * that is no JSON object, or larger than 4 MiB, counts byte for byte. ret->tenant is the workspace,
 * or the organization where there is none. False: out of room. */
bool cache_key_make(const struct cache_key_parts *p, struct arena *a, struct cache_key *ret);
void cache_key_text(const struct cache_key *k,
                    char out[static 65]); /* hex, as shown in x-weir-cache-key */

/* What a stored answer says of itself besides its body. */
struct cached_head {
    int status;
    struct header
        *headers; /* end to end ones that still mean the same: content-type, x-weir-model … */
    size_t n_headers;
    bool stream;
    uint64_t cost_nanousd, duration_us; /* of the call that made it: what a hit saves */
    struct str provider, model;         /* who answered */
    uint64_t tokens_in, tokens_out;
};
/* Appends. False: out of room, or a header that cannot be sent (cached_head_read would refuse). */
bool cached_head_write(const struct cached_head *h, struct buffer *out);
/* Any bytes are safe; texts point into them. False: not of this form or version, trailing bytes, a
 * status that is none, or a header that would break the answer's framing. */
bool cached_head_read(struct str bytes, struct arena *a, struct cached_head *ret);

/* A whole entry as one value, for a store outside of the process. Appends. */
bool cached_value_write(const struct cache_entry *e, struct buffer *out);
/* ret points into bytes; any bytes are safe. */
bool cached_value_read(struct str bytes, struct cache_entry *ret);
/* Under which it is kept there: "weir:cache:<tenant>:<digest>", in hex; and what all of a tenant's
 * begin with (nil: everybody's), for redis_delete_all. */
#define CACHED_NAME_BYTES 128
struct str cached_name(const struct cache_key *k, char buf[static CACHED_NAME_BYTES]);
struct str cached_prefix(const struct uuid *tenant, char buf[static CACHED_NAME_BYTES]);

/* What the request's header fields say about caching, in all their families; docs/caching.md has
 * the rules. Weir's own (x-weir-cache: on, off, refresh, only; -ttl, -key, -namespace) win over the
 * others, each in what it says: the mode, the ttl, the key, the namespace. Of the others
 * cf-aig-cache-* wins over x-portkey-cache-* and Cache-Control; what they say of the mode adds up,
 * and off is above all. */
struct cache_wish {
    bool on;      /* asks for caching where the policy alone would not */
    bool off;     /* neither look up nor keep */
    bool refresh; /* do not look up, keep */
    bool only;    /* a miss is answered 504; with refresh: always */
    bool no_keep; /* the answer is not kept; so far never without off */
    bool has_ttl;
    uint64_t ttl_s;      /* clamped to 1 s … 90 days; cf-aig-cache-ttl 0: off */
    uint64_t else_ttl_s; /* where neither has_ttl nor the policy says one (0: no wish) */
    bool has_max_age;
    uint64_t max_age_s;                 /* of what is looked up */
    struct str key, name_space;         /* NULL ptr: none */
    bool said_portkey, said_cloudflare; /* whose status header the answer should carry as well */
};
/* False: err names the field that cannot be read (400), or asks for what there is not (501). Texts
 * point into the headers. */
bool cache_wish_read(const struct header *headers, size_t n, struct cache_wish *ret,
                     struct error *err);

#endif
