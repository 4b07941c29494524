/* A request under way by a routing config: parts of the stages route and dispatch. The config is
 * found (config.c), the walk through it asks for facts (facts.c) and targets (targets.c), and
 * attempts that fail lead on (attempts.c). */
#ifndef DATAPLANE_STAGES_ROUTING_H
#define DATAPLANE_STAGES_ROUTING_H

#include "common/base/buffer.h"
#include "dataplane/request/request.h"
#include "dataplane/routing/walk.h"

/* Where the config came from. */
enum config_source {
    CONFIG_NONE = 0,
    CONFIG_HEADER, /* the caller's: its targets are held against what the key may use */
    CONFIG_KEY,
    CONFIG_PROMPT,
    CONFIG_MODEL,
    CONFIG_PLAIN,    /* an alias of several targets, which has no config */
    CONFIG_PROPOSED, /* explain's */
    CONFIG_SOURCE_COUNT
};
const char *config_source_name(enum config_source s);

struct config_found {
    const struct route_tree *tree; /* NULL: there is none */
    enum config_source source;
    const struct snap_document *document; /* NULL: inline, or plain */
    uint64_t number;
    struct str
        policy; /* what stands for it in cache keys: "cfg:<id>:<number>", "inline:<sha256>" */
};

/* The config that holds for the request before its model is looked at: of header, key or prompt.
 * False: r->error. */
bool config_find(struct request *r, struct config_found *ret);
/* By a reference that an alias has. False: r->error. */
bool config_by_reference(struct request *r, struct str text, enum config_source source,
                         struct config_found *ret);

/* A tree that the walk is in: the first, or an alias in a leaf's place. */
struct routing_tree {
    const struct route_tree *tree;
    bool trusted;    /* not the caller's own: what it names needs no leave of the key */
    struct str rest; /* what a wildcard alias's star stands for; NULL ptr: none */
    struct str name; /* of the alias; "" else */
    struct routing_tree *next;
};

/* What a leaf came to. */
struct routing_target {
    const struct route_node *leaf;
    struct candidate candidate;
    bool possible, own_credential;
    enum error_code why;
    struct str why_text; /* in the arena; where it is not possible */
    struct routing_target *next;
};

struct routing {
    struct request *request;
    struct config_found config;
    struct walk *walk;
    struct walk_step step; /* at hand */
    struct routing_tree *trees;
    struct routing_target *targets;
    struct error first_error; /* of a target that was impossible: told when nothing is possible */
    struct loop_timer *timer; /* of the wait before a further try; NULL: none was needed */
    struct str metadata;      /* of the request: looked for once */
    bool metadata_known;
    struct body_view *body; /* facts.c: what was found in the body */
    struct buffer seen; /* facts that conditions and hashes looked at: another caller's differ, and
                           so may its answer */
};

/* route.c: begins the walk over a tree and takes its first target as candidate. */
enum verdict routing_begin(struct request *r, const struct config_found *found, struct str rest,
                           struct str name);
/* targets.c */
/* What a candidate without a walk needs besides: which key, whose state. */
void routing_plain_target(struct request *r, struct candidate *c);
/* What is known of a candidate with one of its provider's keys; NULL: there is no table. */
struct target_state *routing_state_of(struct request *r, const struct candidate *c,
                                      unsigned credential);
/* Tokens that an answer is taken to have, for prices told or compared before there is one. */
#define ROUTING_EXPECTED_OUTPUT 256
void routing_env(struct routing *g, struct walk_env *ret);
struct routing_target *routing_target_of(struct routing *g, const struct route_node *leaf);
/* Puts a leaf in as the candidate at hand; `retry`: with another of its keys, where it has several.
 * False: r->error. */
bool routing_take(struct request *r, const struct walk_place *place, const char *kind, bool retry);
/* The same of the step at hand. False: r->error; its probe is given back. */
bool routing_take_step(struct request *r);
/* The step at hand as a place. */
struct walk_place routing_place(const struct routing *g);
uint64_t routing_prompt_tokens(const struct request *r);
/* leaf_provider.c: the provider that a leaf names, where the key may use it. `trusted`: the leaf
 * needs no leave of the key. `inlined`: the caller wrote the document itself. False: r->error. */
bool routing_provider(struct request *r, const struct route_node *leaf, bool trusted, bool inlined,
                      const struct snap_provider **ret);
/* facts.c */
void routing_fact(void *arg, const struct route_field *f, struct fact *ret);
/* Metadata of the request, else of its key: raw object; NULL ptr: none. */
struct str routing_metadata(const struct request *r);
struct str routing_header_metadata(const struct request *r); /* of a header alone */

/* Whom a model's name means: an alias, or a provider and what it calls the model. False: r->error.
 */
struct route_found {
    const struct snap_model *alias;
    struct str rest; /* of a wildcard alias; NULL ptr: none */
    const struct snap_provider *provider;
    struct str model;
};
bool route_find(struct request *r, struct str name, bool trusted, struct route_found *ret);
/* One target of an alias, with `rest` for its star. False: r->error. */
bool route_target(struct request *r, const struct uuid *provider_id, struct str model,
                  struct str rest, enum provider_api endpoint, struct candidate *ret);
/* The operation that the provider will be asked for. False: r->error. */
bool route_candidate(struct request *r, const struct snap_provider *p, struct str model,
                     enum provider_api forced, struct candidate *ret);
/* "openai/gpt-4o" asked of openai is its gpt-4o. */
struct str route_bare_model(const struct snap_provider *p, struct str hint, struct str name);

/* ---- attempts.c ---- */

/* How the attempt at hand failed. */
struct attempt_failure {
    enum failure_class class; /* FAILURE_NONE: by `code` alone */
    enum error_code code;
    enum event_outcome outcome;
    int status; /* the client would get; 0: none */
    bool ours;  /* nothing was sent */
};
/* Ends the attempt and leads on, where that may be: *ret is VERDICT_AGAIN, or VERDICT_WAIT (a
 * back-off; resumed by itself). False: nothing more is tried; r->error and r->reply are as they
 * were. */
bool attempt_failed(struct request *r, const struct attempt_failure *f, enum verdict *ret);
/* What the attempt at hand made is forgotten, its call cancelled, so that the next one begins as
 * the first did. */
void attempt_clear(struct request *r);
/* Whether a failure now could lead on: then the start of an answer is held back. */
bool attempt_may_go_on(const struct request *r);
/* What the provider's answer says of limits and waiting; for the attempt at hand. */
void attempt_learn(struct request *r, const struct header *headers, size_t n);

/* override.c: r->body with what the candidate's settings force, put in and drop. False: r->error.
 */
bool override_apply(struct request *r, const struct candidate *c);
/* An object with members forced in, put in and dropped; NULL ptr: out of room. */
struct str override_body(struct arena *a, struct str object, const struct route_settings *s);
/* read.c: the spans of r->body, after it was changed. False: r->error. */
bool read_again(struct request *r);

/* explain.c: where decisions are written down; NULL for a request. */
struct json_writer *explain_decisions(struct request *r);

#endif
