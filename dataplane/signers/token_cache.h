/* Access tokens that are bought with a credential (Google service accounts, Entra client
 * credentials) and held until they expire. One cache per worker, used on its thread only; no I/O of
 * its own: the POST is made by the `start` function given at creation, so whoever owns the HTTP
 * client wires it.
 *
 *     on a request:     token_cache_get → READY: sign with it
 *                                       → WAIT: park; the waiter's fn is called once, from done
 *                                       → FAILED: refuse with the reason
 *     the POST's end:   token_cache_done(fetch, status, body), or status 0 when it got no answer
 *     request dies:     token_waiter_cancel
 *     provider's 401:   token_cache_reject, so that a revoked token is not used for an hour
 *     worker ends:      token_cache_free
 *
 * A token is fetched when first asked for, and again in the background when it is asked for with
 * less than five minutes (or a tenth of its life, if that is less) left: the old one is served
 * until it really expires. After a failed fetch the next one is not tried before a pause of 1 s,
 * doubling up to 60 s; the reason of the last failure is what FAILED says meanwhile. Time is
 * clock_mono_ms for pauses and lives, clock_wall_ms for what goes into the request (tests replace
 * both). */
#ifndef DATAPLANE_SIGNERS_TOKEN_CACHE_H
#define DATAPLANE_SIGNERS_TOKEN_CACHE_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/list.h"

struct token_cache;
struct token_fetch; /* one POST under way */

/* The POST that buys a token. */
struct token_call {
    struct str url;          /* absolute */
    struct str content_type; /* "application/x-www-form-urlencoded" */
    struct str body;
};

/* What it answered. */
struct token_answer {
    struct str token;
    uint64_t expires_in_s;
};

/* A way to get a token: google_token_source, entra_token_source. Both functions are pure; their
 * texts are in the arena (a call's also in `credential`, an answer's also in `body`). */
struct token_source {
    const char *name; /* "google": for reasons and logs */
    /* The call for this credential at this Unix time. False: the credential is wrong (err never
     * shows a part of it). */
    bool (*build)(struct str credential, uint64_t now_s, struct arena *a, struct token_call *ret,
                  struct error *err);
    /* The answer's meaning. False: it is a refusal or not understood. */
    bool (*parse)(int status, struct str body, struct arena *a, struct token_answer *ret,
                  struct error *err);
};

struct token_transport {
    /* Starts the POST. The call's texts are valid during this function only. It must end in exactly
     * one token_cache_done(f, …) - now or later, a time limit is its own business - unless `cancel`
     * is called first. */
    void (*start)(void *arg, struct token_fetch *f, const struct token_call *call);
    /* Gives the POST up; token_cache_done is not called for it any more. */
    void (*cancel)(void *arg, struct token_fetch *f);
    void *arg;
};

/* One place per fetch for whatever the transport keeps about it (its exchange); NULL at first. */
void token_fetch_set_user(struct token_fetch *f, void *user);
void *token_fetch_user(const struct token_fetch *f);

enum token_state { TOKEN_READY = 0, TOKEN_WAIT, TOKEN_FAILED, TOKEN_STATE_COUNT };

/* Stands in the request (or its arena). Zero it; set fn and arg. */
struct token_waiter {
    /* Called once, from token_cache_done. TOKEN_READY with the token, or TOKEN_FAILED with why;
     * both are valid during the call only (copy the token into the request's arena). It may call
     * token_cache_get and token_waiter_cancel, not token_cache_free. */
    void (*fn)(void *arg, enum token_state state, struct str token, const struct error *err);
    void *arg;
    struct list node; /* of the cache; unlinked when both are NULL */
};

/* max_entries: ceiling over provider and credential pairs; the one not used for longest gives way
 * (0: 1,024). The transport is copied. */
struct token_cache *token_cache_new(const struct token_transport *transport, size_t max_entries);
/* Cancels every POST under way; waiters that still stand are told TOKEN_FAILED (ERR_CLIENT_GONE is
 * never used: ERR_NOT_READY). Accepts NULL. */
void token_cache_free(struct token_cache *c);

/* The token for this provider (its id: any bytes that tell it apart) and credential, both copied.
 *   TOKEN_READY   *ret_token is it; valid until the next call on this cache.
 *   TOKEN_WAIT    the waiter is queued and its fn will be called.
 *   TOKEN_FAILED  *err says why (code ERR_UPSTREAM_REFUSED, ERR_UPSTREAM_GARBAGE, or
 *                 ERR_INVALID_FIELD for a credential that cannot be used at all).
 * A waiter must not stand in a queue already. */
enum token_state token_cache_get(struct token_cache *c, struct str provider,
                                 const struct token_source *source, struct str credential,
                                 struct token_waiter *waiter, struct str *ret_token,
                                 struct error *err);

/* Takes the waiter out of whatever queue it stands in; its fn is not called any more. Harmless when
 * it stands in none. The fetch goes on: others may want its token. */
void token_waiter_cancel(struct token_waiter *waiter);

/* The POST has ended: HTTP status and whole body, or status 0 with `err` (may be NULL) when there
 * was no answer. Calls the waiters; f is gone afterwards. */
void token_cache_done(struct token_fetch *f, int status, struct str body, const struct error *err);

/* The provider refused this token (401) although it has not expired: forgets it, so that the next
 * get buys another. A token younger than a minute is kept: then the fault is not its age, and
 * nobody can make Weir buy tokens by being refused. */
void token_cache_reject(struct token_cache *c, struct str provider, struct str credential,
                        struct str token);

/* Entries held, for tests and metrics. */
size_t token_cache_count(const struct token_cache *c);

#endif
