/* One request on its way through the stages. Born when the whole request has been read, freed in
 * one place (after record, behind the loop turn). Everything it needs lives in its arena or is held
 * by it; all on one worker's thread.
 *
 * The story is the table in pipeline.c. A request is answered in one of three ways: VERDICT_REJECT
 * (r->error, in the client's dialect), VERDICT_ANSWERED (r->reply), or relayed by stages/relay.c;
 * whichever it is, `record` comes before the answer's last byte and exactly once. */
#ifndef DATAPLANE_REQUEST_REQUEST_H
#define DATAPLANE_REQUEST_REQUEST_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/uuid.h"
#include "common/rules/provider.h"
#include "common/rules/route_config.h"
#include "dataplane/dialects/dialect.h"
#include "dataplane/dialects/openai_chat.h"
#include "dataplane/net/exchange.h"
#include "dataplane/report/event.h"
#include "dataplane/request/env.h"
#include "dataplane/snapshot/index.h"

struct cache_use;
struct explanation;
struct holds;
struct hedge;
struct relay;
struct routing;
struct target_state;
struct translation;
struct request;
struct upstream_answer;
struct upstream_call;

/* What a stage says. */
enum verdict {
    VERDICT_NEXT = 0, /* go on with the next stage */
    VERDICT_WAIT,     /* parked: a callback calls request_resume or request_finish */
    VERDICT_ANSWERED, /* r->reply is the whole answer: record, then send it */
    VERDICT_REJECT,   /* r->error is set: record, then answer it in the client's dialect */
    VERDICT_AGAIN,    /* back to reserve: the next candidate, or the next call of a series */
    VERDICT_COUNT
};

enum request_kind {
    REQUEST_NONE = 0,
    REQUEST_CHAT,  /* a chat in any client's dialect: face_api says which */
    REQUEST_EMBED, /* embeddings */
    REQUEST_RERANK,
    REQUEST_COUNT,     /* token counting */
    REQUEST_UNIVERSAL, /* Cloudflare's array of steps: native calls tried in order */
    REQUEST_MODELS,    /* GET /v1/models, /v1/models/{name} */
    REQUEST_NATIVE,    /* /{provider}/… as the provider has it */
    REQUEST_USAGE,     /* GET /v1/usage */
    REQUEST_OPTIONS,   /* OPTIONS on a path of ours */
    REQUEST_KIND_COUNT
};

/* request_set_state is the only setter and checks the predecessor. */
enum request_state {
    REQUEST_READ = 0, /* the whole request is here */
    REQUEST_RUNNING,  /* a stage runs */
    REQUEST_PARKED,   /* waits for request_resume */
    REQUEST_RELAYING, /* bytes flow to the client */
    REQUEST_FINISHED, /* answer complete or given up */
    REQUEST_STATE_COUNT
};

#define ATTEMPT_QUANTITIES 20

/* One try at one provider: what the usage event will say of it. */
struct attempt {
    const struct snap_provider *provider;
    struct str model; /* as sent; STR_NONE when not known (native) */
    struct str answered_model, finish_reason, upstream_request_id; /* in the arena */
    int status;
    enum event_outcome outcome;
    enum error_code error;
    uint64_t started_ns, first_byte_ns, ended_ns; /* mono; 0: not */
    struct event_quantity quantities[ATTEMPT_QUANTITIES];
    size_t n_quantities;
    uint64_t cost_nanousd;
    uint64_t list_nanousd, ratio_ppm; /* before the price group's ratio; 0 ppm: no group */
    struct str service_tier;          /* as the provider says it was served; in the arena */
    bool reasoning_split;   /* reasoning has a price of its own: TOKEN_OUT is without it */
    uint64_t bound_nanousd; /* what was reserved for it, where a budget binds it */
    const char *kind;       /* NULL: the first; "retry", "fallback", "credential", "hedge" */
    struct str option;      /* which node of the routing config */
    unsigned credential;    /* number of the key among the provider's */
    /* what is told of it to the target's state, once (request_end_attempt); NULL: nothing */
    struct target_state *state;
    const struct route_breaker *breaker;
    bool probe, ours;     /* ours: it failed before anything was sent */
    bool callers_time;    /* how long it may take was for the caller to say: late is not failed */
    uint64_t cooldown_ms; /* the provider said so */
};

#define REQUEST_MAX_ATTEMPTS 16

/* One step of Cloudflare's universal request: a native call with its own body. */
struct step {
    struct str path;  /* behind the provider's base path, with its slash; may hold a query */
    struct str query; /* NULL ptr: none */
    struct str body;
    struct header *headers; /* of the step; they go before the request's own */
    size_t n_headers;
    uint64_t timeout_ms;   /* 0: not said */
    struct str provider;   /* as the step names it */
    struct str credential; /* for a provider that has none stored; NULL ptr: the request's */
};

struct candidate {
    const struct snap_provider *provider;
    struct str model;                         /* as the provider is to be called */
    const struct provider_endpoint *endpoint; /* which of its operations; NULL: native */
    const struct step *step;                  /* REQUEST_UNIVERSAL */
    enum provider_api api; /* of a step: the operation that its path is; API_NONE: not known */
    /* by a routing config (stages/routing.h); NULL: without one */
    const struct route_node *leaf;
    const struct route_settings *settings;
    struct str option;     /* path of the leaf, for events and headers */
    struct str credential; /* in place of the provider's own; NULL ptr: that */
    unsigned credential_number;
    struct target_state *state;
    const char *kind; /* of the attempt that it will be */
    bool probe;       /* its target's, owed until an attempt takes it over */
    bool callers;     /* the settings are the caller's own word, and others share the provider: they
                         open     no breaker */
};

/* A whole answer of our own, in the arena. */
struct reply {
    int status;
    struct str body;
    struct str allow;        /* "Allow" header; NULL ptr: none */
    struct str content_type; /* NULL ptr: the dialect's own */
    struct header *headers;  /* besides these and the request id */
    size_t n_headers;
    enum event_outcome outcome; /* of a VERDICT_ANSWERED; EVENT_UNKNOWN: ok */
};

struct request {
    struct list node; /* in the env's live list */
    struct request *next_dead;
    struct request_env *env;
    struct exchange *exchange; /* NULL once the answer was handed over to its end */
    const struct request_head *head;
    uint64_t header_mask; /* a bit for each of the head's field names; 0: not made */
    bool own_headers; /* one of them is Weir's, Portkey's or Cloudflare's, or may name an end user,
                         or speaks of caching */
    struct str body;  /* as the attempt at hand has it: what a config changes is changed */
    struct str client_body; /* as it came */
    struct arena *arena;
    struct swap_hold *hold;
    const struct snapshot *snapshot; /* NULL when there is none yet */
    const struct dialect *dialect;

    struct uuid id; /* UUIDv7: event id and x-weir-request-id ("req_" + hex) */
    char id_text[40];
    uint64_t started_ns; /* mono */
    uint64_t started_wall_us;
    enum request_state state;
    unsigned stage; /* index into the stage table */
    enum request_kind kind;
    bool recorded;
    struct error error;
    struct reply reply;

    /* parse */
    enum provider_api face_api; /* the operation in the client's dialect; API_NONE for models and
                                   native calls that no endpoint of the provider's row matches */
    enum framing
        client_framing;    /* how the client wants a stream: SSE, Gemini's array, AWS frames */
    struct str path_model; /* decoded, where the path names the model (Gemini, Bedrock, Azure); else
                              NULL ptr */
    struct str provider_hint; /* provider asked for by header or Cloudflare path, without '@'; NULL
                                 ptr: none */
    struct openai_chat chat; /* where the body has its `model` (and `stream`): spans for splicing */
    bool model_later;        /* it named none: its routing config does, or "auto" */
    struct str model;        /* decoded, as the client named it; STR_NONE when it named none */
    struct str provider_name; /* REQUEST_NATIVE: decoded first segment */
    struct str
        native_path;     /* REQUEST_NATIVE: what follows it, encoded, with its slash; "" for none */
    struct str model_id; /* REQUEST_MODELS: decoded; NULL ptr: the list */
    struct str prompt_ref; /* /v1/prompts/{id}/…: decoded; NULL ptr: no such path */
    bool prompt_render;    /* …/render: the body that it makes is the answer */
    bool stream;

    /* authenticate */
    const struct snap_key *key;
    struct str client_credential; /* the dialect's own key when the virtual key was found elsewhere;
                                     else NULL ptr */
    struct str
        key_parameter; /* query parameter that held a key: not passed on; NULL ptr when none */

    struct str metadata_json; /* the request's over its key's; NULL ptr: the key's alone */
    struct str end_user;      /* whom the caller names; NULL ptr: nobody */
    const struct str *tags;   /* the key's and the request's */
    size_t n_tags;

    /* limit, reserve (request/holds.h) */
    struct holds *holds;        /* NULL: nothing was asked for yet */
    struct str downgraded_from; /* the model that was asked for; NULL ptr: it is */
    uint64_t bound_nanousd;     /* of the attempt that is about to be sent, where quotas bind it */
    uint64_t output_cap; /* tokens that a budget leaves to an answer that named no maximum; 0: none
                          */

    /* expand */
    const struct snap_document *prompt; /* NULL: none */
    uint64_t prompt_version;
    struct str prompt_config; /* the prompt's default routing config; NULL ptr: none */

    /* route */
    struct routing *routing;         /* NULL: its model's name alone says whom to call */
    struct cache_use *cache;         /* NULL: nothing to do with the cache */
    struct explanation *explanation; /* NULL: a request, not a question about one */
    struct uuid mirror_of;           /* nil: none */
    struct candidate *candidates;    /* ordered, arena */
    size_t n_candidates;
    size_t candidate;   /* index of the one that is tried now */
    struct step *steps; /* REQUEST_UNIVERSAL */
    size_t n_steps;

    /* translate, dispatch */
    struct str upstream_head, upstream_body;
    bool hide_usage;                 /* the stream's usage was asked for by us alone */
    struct losses losses;            /* what the target cannot carry */
    bool strict;                     /* x-weir-strict: refuse rather than drop */
    bool estimated;                  /* the answer's number is Weir's own: x-weir-estimated */
    struct translation *translation; /* stream/translation.h: both codecs and the neutral request;
                                        NULL: pass-through */
    const struct price_list *prices; /* of the candidate at hand (request/pricing.h); NULL: not
                                        known */
    uint64_t max_output, context;    /* of its model, from the catalogue; 0: not known */
    const struct candidate *priced;  /* whom both are of */
    bool prices_sought;
    struct str token, token_credential; /* the access token that signed it, and what it was bought
                                           with; NULL ptr: none was bought */
    struct upstream_call *call;
    struct attempt *attempts; /* arena, REQUEST_MAX_ATTEMPTS at most */
    unsigned n_attempts, attempts_room;
    unsigned attempt;    /* the one that runs now: its number, from 1; 0 before the first */
    struct hedge *hedge; /* NULL: no second call */
    bool hurry;  /* a second call is being made: nothing is waited for, and nothing leads on */
    bool opened; /* an `open` record stands in the spool */

    /* relay */
    const struct upstream_answer *answer; /* during the upstream's on_head only */
    struct relay *relay;
    int status; /* sent to the client; 0: nothing yet */
    uint64_t first_byte_ns;
    bool client_gone;
    enum event_outcome outcome; /* set before record */
};

/* Takes the exchange over; never fails (memory for one arena is small and fixed). */
struct request *request_new(struct request_env *env, struct exchange *x);
/* One without a client: its head and body are given and must live in its arena or longer (a copy of
 * another request, or a question of the control plane's). */
struct request *request_new_detached(struct request_env *env);
/* Walks the stages from r->stage until one parks, answers or rejects. */
void request_run(struct request *r);
/* The same from `reserve` on, for a copy whose candidate is there already. */
void request_run_from_reserve(struct request *r);
/* Continues a parked request at the next stage; with VERDICT_REJECT, r->error says why. */
void request_resume(struct request *r, enum verdict v);
void request_set_state(struct request *r, enum request_state s);
const char *request_state_name(enum request_state s);
const char *request_kind_name(enum request_kind k); /* "chat" */
/* The operation as events say it: "chat.completions", "messages", "native" … */
const char *request_endpoint_name(const struct request *r);

/* The one door out: records (if relay has not yet), ends or breaks the exchange, cancels an
 * upstream call that still runs, and frees the request after the loop turn. `broken` leaves the
 * client with a visibly cut answer. */
void request_finish(struct request *r, enum event_outcome outcome, bool broken);

/* First header field of that name, also of a request that has no exchange (a copy, a question). */
struct str request_header(const struct request *r, const char *name);

/* Which version of a stored prompt was used; false: none was. */
bool request_prompt_header(const struct request *r, struct header *ret);

/* One more field of r->reply; false when out of room. */
bool request_reply_header(struct request *r, const char *name, struct str value);
/* Ends one that no client and no attempt knows of: nothing is recorded or counted. */
void request_drop(struct request *r);

/* The attempt that runs now; NULL before the first. */
struct attempt *request_attempt(struct request *r);
/* A further one, at REQUEST_MAX_ATTEMPTS at most, which runs now; pointers to others are invalid
 * then. NULL: there is no room. */
struct attempt *request_attempt_new(struct request *r);
/* Ends the running attempt, if it has not ended, and tells the target's state. */
void request_end_attempt(struct request *r, enum event_outcome outcome, enum error_code error);
/* The candidate at hand is not called after all: where it was to probe its target, another request
 * may. */
void request_probe_back(struct request *r);

/* exchange_handler's on_request and on_bad_request; arg is the struct request_env. */
void request_on_exchange(void *arg, struct exchange *x);
void request_on_bad_exchange(void *arg, struct exchange *x, const struct error *err);

/* The worker ends: whatever still runs is answered 503 or, when its answer has begun, cut visibly,
 * and recorded. */
void request_end_all(struct request_env *env);

#endif
