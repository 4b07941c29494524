/* Routing configs: the JSON document of docs/routing.md (a superset of Portkey's config object)
 * compiled into an immutable tree. Both planes use it: the control plane to refuse what is wrong
 * when it is saved, the data plane to route by. Compiling does all that does not depend on a
 * request: inheritance of settings down the tree, merging of override_params, regular expressions,
 * time zones, interning of the fields that conditions look at; so that a request reads and compares
 * only.
 *
 * A tree is immutable but for the counters of round_robin nodes (atomic), and may be read by any
 * thread. Everything in it lives in the arena that it was compiled into (clean-up hooks release
 * regular expressions and zones). */
#ifndef COMMON_RULES_ROUTE_CONFIG_H
#define COMMON_RULES_ROUTE_CONFIG_H

#include <stdatomic.h>

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/json.h"
#include "common/rules/provider.h"

struct regex; /* common/regex.h */
struct zone;  /* common/zone.h */

enum route_mode {
    ROUTE_SINGLE =
        0, /* the first target ("single"; also a document without strategy that has targets) */
    ROUTE_FALLBACK,        /* in order: "fallback" */
    ROUTE_WEIGHTED,        /* one at random by weight: "weighted", "loadbalance" */
    ROUTE_ROUND_ROBIN,     /* smooth weighted: "round_robin" */
    ROUTE_LEAST_LATENCY,   /* time to first token: "least_latency" */
    ROUTE_LEAST_BUSY,      /* requests in flight by weight: "least_busy" */
    ROUTE_LEAST_COST,      /* "least_cost" */
    ROUTE_CONSISTENT_HASH, /* "consistent_hash", "sticky": weighted rendezvous over hash_fields */
    ROUTE_PRIORITY,        /* lowest `priority` first, by weight within a tier: "priority" */
    ROUTE_SPLIT,           /* shares in percent, assignment recorded: "split", "percentage" */
    ROUTE_CONDITIONAL,     /* "conditional" */
    ROUTE_MIRROR,          /* the first target answers, the others get a copy: "mirror" */
    ROUTE_HEDGE,           /* the second starts when the first is late: "hedge" */
    ROUTE_MODE_COUNT
};
const char *route_mode_name(enum route_mode m); /* "least_latency" */

/* ---- conditions ---- */

/* What a condition looks at. Those with a name: the part behind the first dot. */
enum route_field_kind {
    ROUTE_FIELD_METADATA = 0, /* "metadata.plan" */
    ROUTE_FIELD_HEADER,       /* "headers.x-tier"; compared without case of the name */
    ROUTE_FIELD_BODY, /* "params.max_tokens", "body.messages[0].role", "params.messages[-1].content"
                       */
    ROUTE_FIELD_PATH, /* "url.pathname" */
    ROUTE_FIELD_ENDPOINT,      /* "endpoint": as events say it, "chat.completions" */
    ROUTE_FIELD_MODEL,         /* "model": as the client named it */
    ROUTE_FIELD_STREAM,        /* "stream": boolean */
    ROUTE_FIELD_PROMPT_TOKENS, /* "prompt_tokens": estimate, a number */
    ROUTE_FIELD_HAS_TOOLS,     /* "has_tools", "has_images", "has_json_schema": booleans */
    ROUTE_FIELD_HAS_IMAGES,
    ROUTE_FIELD_HAS_JSON_SCHEMA,
    ROUTE_FIELD_CALLER,  /* "caller.key", "caller.key_name", "caller.user", "caller.team",
                            "caller.workspace",  "caller.tags" (a list: a condition holds if it does
                            for any) */
    ROUTE_FIELD_TIME,    /* "time": "HH:MM" in the zone; "time.hour" 0-23, "time.minute" of the day
                            0-1439 */
    ROUTE_FIELD_WEEKDAY, /* "weekday": "mon" … "sun" */
    ROUTE_FIELD_DATE,    /* "date": "2026-11-22" */
    ROUTE_FIELD_BUDGET,  /* "budget.remaining" in USD, "budget.remaining_percent"; absent where no
                            budget binds */
    ROUTE_FIELD_HEALTH,  /* "health.NAME": of the target of that name in this document: "healthy",
                            "degraded",  "open"; "latency.NAME": its time to first token in ms */
    ROUTE_FIELD_LATENCY,
    ROUTE_FIELD_KIND_COUNT
};

struct route_path_step { /* of ROUTE_FIELD_BODY: a member's name, or an index (negative: from the
                            end) */
    struct str name;     /* NULL ptr: an index */
    int64_t index;
};

struct route_field {
    enum route_field_kind kind;
    struct str text;                     /* as written */
    struct str name;                     /* behind the first dot; "" for none */
    const struct route_path_step *steps; /* ROUTE_FIELD_BODY */
    size_t n_steps;
    const struct zone *zone;       /* ROUTE_FIELD_TIME, _WEEKDAY, _DATE; NULL: UTC */
    const struct route_node *node; /* ROUTE_FIELD_HEALTH, _LATENCY */
};

enum route_op {
    ROUTE_OP_AND = 0, /* of `parts`; an empty list holds */
    ROUTE_OP_OR,
    ROUTE_OP_NOT, /* of its one part */
    ROUTE_OP_EQ,  /* from here on of `field` and `value` */
    ROUTE_OP_NE,
    ROUTE_OP_GT,
    ROUTE_OP_GTE,
    ROUTE_OP_LT,
    ROUTE_OP_LTE,
    ROUTE_OP_IN,
    ROUTE_OP_NIN,
    ROUTE_OP_REGEX,
    ROUTE_OP_EXISTS,   /* value: boolean */
    ROUTE_OP_CONTAINS, /* a text that holds it, a list that has it */
    ROUTE_OP_STARTS,
    ROUTE_OP_ENDS,
    ROUTE_OP_COUNT
};

/* A literal of a condition: its text (strings decoded; numbers and booleans as written), and its
 * number where it reads as one by JavaScript's parseFloat (leading blanks and sign, digits,
 * exponent; what follows is ignored), as Portkey compares. Scale 10^6, saturating. Literals of $eq,
 * $ne, $in, $nin, $contains are numbers only when the whole text is one within that range: "1-gold"
 * is not 1, and two ids of twenty digits are not the same. */
struct route_literal {
    enum json_type type;
    struct str text;
    bool is_number;
    int64_t micro;
};
/* The same reading for what a request has; false: not a number. */
bool route_number(struct str text, int64_t *ret_micro);

struct route_query {
    enum route_op op;
    const struct route_query *const *parts; /* AND, OR, NOT */
    size_t n_parts;
    uint16_t field;                     /* index into route_tree.fields */
    const struct route_literal *values; /* one, or the list of IN and NIN */
    size_t n_values;
    const struct regex *regex;
    struct str text; /* the part of the document, for explain: {"metadata.plan":{"$eq":"pro"}} */
};

/* ---- settings, as they hold at a node once inherited ---- */

/* What a failure was, as strategies (`on`) and retries tell them apart; bits. */
enum route_failure {
    ROUTE_FAIL_ANY = 1 << 0,            /* every answer that is no success */
    ROUTE_FAIL_STATUS = 1 << 1,         /* those in the list of statuses */
    ROUTE_FAIL_CONTEXT_WINDOW = 1 << 2, /* the prompt was too long for the model */
    ROUTE_FAIL_CONTENT_POLICY = 1 << 3,
    ROUTE_FAIL_GUARDRAIL = 1 << 4, /* a guardrail's verdict (246, 446) */
    ROUTE_FAIL_RATE_LIMIT = 1 << 5,
    ROUTE_FAIL_BUDGET = 1 << 6,
    ROUTE_FAIL_TIMEOUT = 1 << 7,
    ROUTE_FAIL_CONNECTION = 1 << 8, /* refused, reset, TLS, cut before the first content byte */
    ROUTE_FAIL_SERVER = 1 << 9,     /* 5xx, overloaded */
    ROUTE_FAIL_CREDENTIAL = 1 << 10 /* 401, 402, 403: the provider refuses our key */
};
#define ROUTE_FAIL_NAMES 11
const char *route_failure_name(unsigned bit_index); /* "context_window" */

struct route_statuses {
    const uint16_t *list;
    size_t n;
};

struct route_triggers {
    unsigned kinds;                 /* enum route_failure; 0: none */
    struct route_statuses statuses; /* with ROUTE_FAIL_STATUS */
};

struct route_retry {
    bool set;
    unsigned attempts; /* further tries after the first; 0: none. At most 10 */
    struct route_triggers
        on; /* default statuses 429, 500, 502, 503, 504; and failures to connect, timeouts */
    bool use_retry_after; /* wait as long as the provider says (429 and 503), within max_wait_ms */
    uint64_t base_ms,
        max_ms; /* back-off: random in [0, min(max_ms, base_ms * 2^n)); defaults 250, 8000 */
    uint64_t max_wait_ms;    /* a longer Retry-After fails at once; default 60000 */
    uint64_t total_ms;       /* of the whole request, waits included; 0: no bound. Default 0 */
    unsigned budget_percent; /* retries per requests of the target at most, over its rolling window;
                                default 20 */
    unsigned budget_min;     /* but so many a second always; default 3 */
};

enum route_cache_mode { ROUTE_CACHE_NONE = 0, ROUTE_CACHE_SIMPLE, ROUTE_CACHE_SEMANTIC };
struct route_cache {
    bool set;
    enum route_cache_mode mode; /* SEMANTIC is refused when compiled: it comes later */
    uint64_t max_age_s;         /* 1 .. 90 days; 0: not said (the default holds) */
    struct str name_space;      /* "namespace"; NULL ptr: none */
};

struct route_breaker {
    bool set;
    bool off;                  /* "circuit_breaker": false */
    unsigned threshold;        /* failures in the window; 0: not by count */
    unsigned percent;          /* of requests in the window; 0: not by rate. Default 50 */
    unsigned minimum_requests; /* default 10 (Portkey's cb_config: 5) */
    uint64_t window_ms;        /* default 60000 */
    uint64_t cooldown_ms;      /* default 30000; what a provider's header says counts when longer */
    unsigned probes;           /* successes in a row that close it again; default 2 */
    struct route_statuses
        statuses; /* default: every 5xx, 408, 429, 401, 403, and no answer at all */
};

struct route_settings {
    struct route_retry retry;
    struct route_cache cache;
    struct route_breaker breaker;
    uint64_t request_timeout_ms;  /* to the first byte of the answer; 0: the provider's */
    struct str override_json;     /* merged object without `model`, which is in the node; NULL ptr:
                                     none */
    struct str default_json;      /* put in where the body has no such member */
    const struct str *drop_paths; /* "logit_bias", "messages[*].name" */
    size_t n_drop_paths;
    const struct str *forward_headers;
    size_t n_forward_headers;
    struct str custom_host; /* NULL ptr: none */
    bool strict_openai;     /* default true */
    bool passthrough;
};

/* ---- the tree ---- */

struct route_condition {
    const struct route_query *query;
    const struct route_node *then;
};

struct route_strategy {
    enum route_mode mode;
    struct route_triggers on; /* which failures lead on to another target */
    unsigned
        failover; /* further targets to try; UINT_MAX: all. 0 for loadbalance, conditional, single,
                     split unless the document says otherwise; all for the other modes */
    const struct route_condition *conditions;
    size_t n_conditions;
    const struct route_node *otherwise; /* conditional's `default`; NULL: none */
    /* consistent_hash, and sticky on weighted; split's `by` */
    const uint16_t *hash_fields; /* indexes into route_tree.fields; none: the caller's key */
    size_t n_hash_fields;
    bool sticky;
    uint64_t sticky_ttl_s;   /* 0: for good */
    uint32_t mirror_ppm;     /* of requests that are copied; default all */
    uint64_t hedge_after_ms; /* 0: after the p95 of the first target */
    const uint16_t
        *wheel; /* round_robin: smooth order of the children's indexes, computed when compiled */
    size_t n_wheel;
};

struct route_node {
    struct str name;                 /* NULL ptr: none */
    struct str path;                 /* "config.targets[0].targets[1]"; "config" at the root */
    uint32_t ordinal;                /* in the tree; the root's is 0 */
    const struct route_node *parent; /* NULL: the root */
    uint32_t index;                  /* among its parent's children */
    const struct route_strategy *strategy; /* NULL: a leaf, which names whom to call */
    const struct route_node *const *children;
    size_t n_children;
    /* as a child */
    uint32_t weight;   /* default 1; 0: only when nothing else is left. Decimals as Portkey has them
                          (0.7) are scaled   within the siblings */
    uint32_t priority; /* default 0 */
    uint32_t share_ppm; /* split */
    /* a leaf */
    struct str provider; /* without '@'; NULL ptr: the model's name alone says whom */
    struct str model; /* from `model` or override_params.model; NULL ptr: as the client named it */
    enum provider_api endpoint; /* API_NONE: the provider's own choice */
    struct str credential; /* api_key in the document: instead of the stored one; where it has more
                              secrets (aws_secret_access_key …) a JSON object of them by the names
                              of provider.h, with those that go with them (aws_access_key_id,
                              client_id, tenant_id). NULL ptr: none. Never logged */
    struct str
        settings_json;          /* object of further settings of the provider, by the names of
                                   provider.h (region, project, location, api_version, account_id,
                                   organization, headers), and "base_url" (azure_resource_name: its own
                                   host at Azure): they replace the provider object's. NULL ptr: none
                                 */
    const uint8_t *provider_id; /* 16 bytes: trees made from a model alias; NULL: by `provider` */
    bool must_exist; /* `provider` was written "@name" or as virtual_key: a provider object of that
                        name, never a kind */
    const struct route_settings
        *settings; /* every node's; at a leaf, all that holds for its calls */
};

struct route_tree {
    const struct route_node *root;
    const struct route_node *const *nodes; /* by ordinal */
    size_t n_nodes;
    const struct route_field *fields; /* each distinct field once */
    size_t n_fields;
    _Atomic uint32_t *turns; /* round_robin's counters by ordinal; NULL when no node needs one */
    unsigned depth;
};

#define ROUTE_MAX_DEPTH 16
#define ROUTE_MAX_NODES 4096
#define ROUTE_MAX_TARGETS 1000 /* of one node */
#define ROUTE_MAX_DOCUMENT (1u << 20)

/* Compiles a document. Unknown members are errors (the message names the nearest known one), as are
 * values out of range, `then` that names no target, an empty document, semantic caching and
 * guardrail members (NOT_IMPLEMENTED): err has `param` = the path
 * ("config.targets[1].retry.attempts"), offset where the scanner knows it. The text must outlive
 * the tree or be in the arena. *ret is untouched on failure. */
bool route_config_compile(struct str json, struct arena *a, const struct route_tree **ret,
                          struct error *err);

/* One target of a model alias, or of a plain list. */
struct route_plain_target {
    uint8_t provider_id[16];
    struct str model;
    uint32_t weight;
    enum provider_api endpoint;
};
/* The tree of an alias without a config: weighted, with failover over all on timeout, connection,
 * server, rate_limit and credential; no retries; cache off. Texts are not copied. NULL: out of
 * room. */
const struct route_tree *route_config_plain(const struct route_plain_target *targets, size_t n,
                                            struct arena *a);

/* True when the document holds a credential (api_key, aws_secret_access_key …) anywhere: such a
 * document is sealed where it is stored. */
bool route_config_has_secret(struct str json);

/* "name", "name@12", "name@latest", "name@production", "cfg_…" (a public id, with or without @…):
 * cut in two. Version and label are told apart by being digits. */
struct route_ref {
    struct str name;  /* or public id */
    uint64_t version; /* 0: not by number */
    struct str label; /* "" : not by label; "latest" is the newest, published or not */
};
bool route_ref_parse(struct str text, struct route_ref *ret);

#endif
