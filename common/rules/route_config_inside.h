/* The compiler of routing configs, in parts: route_config.c (entry, names, plain trees),
 * route_config_read.c (places, errors, members and values), route_config_node.c (the tree),
 * route_config_whom.c (providers and credentials), route_config_merge.c (override_params),
 * route_config_settings.c (what is inherited), route_config_strategy.c, route_config_query.c and
 * route_config_field.c (conditions). Private to common/rules. */
#ifndef COMMON_RULES_ROUTE_CONFIG_INSIDE_H
#define COMMON_RULES_ROUTE_CONFIG_INSIDE_H

#include "common/rules/route_config.h"

/* ---- compile state ---- */

/* Open addressing over (scope, text), in the arena; both planes compile what users wrote, so the
 * hash is the keyed one. */
struct route_names {
    struct route_name_slot *slots;
    size_t cap, n;
};
/* The value that stands there, or UINT32_MAX; with `put`, `value` is put where there is none.
 * *ret_value untouched when out of room (false). */
bool route_names_put(struct route_names *t, struct arena *a, uintptr_t scope, struct str text,
                     uint32_t value, uint32_t *ret_value);
uint32_t route_names_get(const struct route_names *t, uintptr_t scope, struct str text);

#define ROUTE_SCOPE_ANY UINTPTR_MAX /* targets by name over the whole document */

/* A field that names a target, and where: names are known at the end only. */
struct route_pending {
    struct route_pending *next;
    uint16_t field;
    struct error error; /* what is said when there is no such target */
};

struct route_compile {
    struct str json;
    struct arena *a;
    struct error *err;
    struct route_node **nodes;
    size_t n_nodes, cap_nodes;
    struct route_field *fields;
    size_t n_fields, cap_fields;
    struct route_names field_names; /* scope: zone */
    struct route_names targets;     /* scope: ordinal of the parent, or ROUTE_SCOPE_ANY */
    size_t wheel_work;              /* steps that round_robin's orders took, bounded */
    size_t derived_bytes;           /* merged and composed texts, bounded */
    struct route_pending *pending;
    unsigned depth;
    bool has_turns;
};

/* Where the compiler is, for messages: frames on the C stack, outermost last. A frame is a member
 * (name, or text for one that the user named) or an index. */
struct route_at {
    const struct route_at *up;
    const char *name;
    struct str text;
    size_t index;
};
#define ROUTE_AT(up, name)         \
    &(struct route_at)             \
    {                              \
        (up), (name), {NULL, 0}, 0 \
    }
#define ROUTE_AT_TEXT(up, text) \
    &(struct route_at)          \
    {                           \
        (up), NULL, (text), 0   \
    }
#define ROUTE_AT_INDEX(up, index)      \
    &(struct route_at)                 \
    {                                  \
        (up), NULL, {NULL, 0}, (index) \
    }

/* ---- route_config_read.c ---- */

/* Both return false. `value` (may be NULL): gives the offset. */
bool route_fail(struct route_compile *c, const struct route_at *at, const struct json_value *value,
                enum error_code code, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
bool route_fail_memory(struct route_compile *c);
/* Room for texts made of the document's; bounded over the whole document, so that a large text at
 * the root is not multiplied by its targets. NULL: err is set. */
void *route_derive(struct route_compile *c, const struct route_at *at, size_t n);
int route_shown(struct str s); /* length for %.*s, cut */

/* The known name nearest to a misspelt one; NULL: none is near. */
const char *route_nearest(struct str name, const struct str *known, size_t n);
/* Members of an object into `ret` by their place in `names` (raw.ptr NULL: absent). Unknown and
 * repeated ones are errors, as is what is no object. */
bool route_object(struct route_compile *c, const struct route_at *at, struct json_value v,
                  const struct str *names, size_t n, struct json_value *ret);
bool route_unknown(struct route_compile *c, const struct route_at *at, struct json_value name,
                   const struct str *known, size_t n);

static inline bool route_has(struct json_value v)
{
    return v.raw.ptr != NULL;
}

/* Decoded text (in the document, or in the arena when it holds escapes). */
bool route_text(struct route_compile *c, const struct route_at *at, struct json_value v,
                struct str *ret);
/* The same, not empty. */
bool route_word(struct route_compile *c, const struct route_at *at, struct json_value v,
                struct str *ret);
bool route_bool(struct route_compile *c, const struct route_at *at, struct json_value v, bool *ret);
/* A whole number, in any spelling of JSON's. */
bool route_u64(struct route_compile *c, const struct route_at *at, struct json_value v,
               uint64_t min, uint64_t max, uint64_t *ret);
bool route_unsigned(struct route_compile *c, const struct route_at *at, struct json_value v,
                    unsigned min, unsigned max, unsigned *ret);
/* A decimal, in units of 10^-scale. */
bool route_decimal(struct route_compile *c, const struct route_at *at, struct json_value v,
                   unsigned scale, uint64_t max_whole, uint64_t *ret);
/* How many elements an array has; an error when it is none. */
bool route_count(struct route_compile *c, const struct route_at *at, struct json_value v,
                 size_t *ret);
/* A list of texts that are not empty. */
bool route_words(struct route_compile *c, const struct route_at *at, struct json_value v,
                 const struct str **ret, size_t *ret_n);
bool route_statuses_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                         struct route_statuses *ret);
/* Failures that a list of statuses means: those statuses, and where no provider answered, what the
 * client would get for it: 502 and 503 a connection that failed, 408 and 504 a timeout. */
unsigned route_status_kinds(struct route_statuses s);

/* ---- members of nodes, route_config_node.c ---- */

enum route_member {
    MEMBER_SCHEMA = 0,
    MEMBER_STRATEGY,
    MEMBER_TARGETS,
    MEMBER_NAME,
    MEMBER_WEIGHT,
    MEMBER_PRIORITY,
    MEMBER_SHARE,
    MEMBER_ON_STATUS_CODES,
    /* whom to call */
    MEMBER_PROVIDER,
    MEMBER_VIRTUAL_KEY,
    MEMBER_MODEL,
    MEMBER_ENDPOINT,
    MEMBER_API_KEY,
    MEMBER_DEPLOYMENTS,
    /* settings */
    MEMBER_OVERRIDE_PARAMS,
    MEMBER_DEFAULT_PARAMS,
    MEMBER_DROP_PARAMS,
    MEMBER_RETRY,
    MEMBER_CACHE,
    MEMBER_REQUEST_TIMEOUT,
    MEMBER_CIRCUIT_BREAKER,
    MEMBER_FORWARD_HEADERS,
    MEMBER_CUSTOM_HOST,
    MEMBER_STRICT,
    MEMBER_PASSTHROUGH,
    /* not implemented: fine when empty */
    MEMBER_PROMPT_ID,
    MEMBER_GUARD_FIRST,
    MEMBER_GUARD_LAST = MEMBER_GUARD_FIRST + 8,
    MEMBER_COUNT
};

/* A member that belongs to some provider, as it is written. */
struct route_extra {
    const struct route_extra_row *row;
    struct json_value value;
};
#define ROUTE_EXTRAS_MAX 48

struct route_members {
    struct json_value m[MEMBER_COUNT];
    struct route_extra extras[ROUTE_EXTRAS_MAX];
    size_t n_extras;
};

bool route_node_compile(struct route_compile *c, struct json_value v,
                        const struct route_node **ret);

/* ---- whom to call, route_config_whom.c ---- */

enum route_extra_kind {
    EXTRA_CREDENTIAL = 0, /* into the credential object, by `to` */
    EXTRA_SECRET,         /* the same, and it is a secret by itself */
    EXTRA_SETTING,        /* into settings_json, by `to` */
    EXTRA_AZURE_RESOURCE, /* settings_json.base_url */
    EXTRA_HOST,           /* custom_host */
    EXTRA_MODEL,          /* the deployment: what the provider is called for */
    EXTRA_HEADER,         /* settings_json.headers, by `to` */
    EXTRA_NO_EFFECT,      /* of operations that are not routed */
    EXTRA_REFUSED         /* changes who pays or how it is signed: not implemented */
};
struct route_extra_row {
    struct str name;
    const char *to;
    enum route_extra_kind kind;
    const char *unless; /* EXTRA_REFUSED: a value that is fine */
};
const struct route_extra_row *route_extra_rows(size_t *ret_n);
/* Index of a member of nodes: below MEMBER_COUNT, or MEMBER_COUNT + index of a row; -1: unknown. */
int route_member_named(struct str name);
/* All names, for suggestions. */
const struct str *route_member_names(size_t *ret_n);
struct str route_member_name(enum route_member m);

struct route_extra_text {
    const struct route_extra_row *row;
    struct str text;
};

/* Whom a node names, and what its targets inherit that name no provider of their own. */
struct route_whom {
    struct str provider;
    bool must_exist;
    struct str model;
    enum provider_api endpoint;
    struct str api_key;
    const struct route_extra_text *extras;
    size_t n_extras;
    struct str credential, settings_json; /* composed of these */
};

/* What goes down the tree. */
struct route_inherit {
    const struct route_settings *settings;
    struct route_whom whom;
    struct str override_model; /* of override_params; holds for every provider */
};

/* *whom begins as the parent's. *ret_host: a base URL among the provider's members, NULL ptr:
 * none. */
bool route_whom_read(struct route_compile *c, const struct route_at *at,
                     const struct route_members *m, struct route_whom *whom, struct str *ret_host);

struct route_deployment {
    struct str alias, deployment, api_version;
    bool is_default;
};
bool route_deployments_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                            struct route_deployment **ret, size_t *ret_n);
/* The settings of `whom` with another api_version. */
bool route_whom_version(struct route_compile *c, const struct route_at *at, struct route_whom *whom,
                        struct str api_version);

/* ---- settings ---- */

extern const struct route_settings route_settings_default;
/* *in->settings and *in->override_model become those of the node; shared with the parent where the
 * node says nothing. `cb` is strategy.cb_config, absent for none. */
bool route_settings_read(struct route_compile *c, const struct route_at *at,
                         const struct route_members *m, struct json_value cb,
                         struct route_inherit *in, struct str *ret_own_model);
bool route_host_check(struct route_compile *c, const struct route_at *at, struct json_value *v,
                      struct str url);
/* parent (NULL ptr: none) and an object on top of it, without `model` (*ret_model: it, NULL ptr:
 * not there). */
bool route_override_merge(struct route_compile *c, const struct route_at *at, struct str parent,
                          struct json_value own, struct str *ret, struct str *ret_model);

/* ---- strategies ---- */

enum { STRATEGY_MODE = 0, STRATEGY_CB_CONFIG, STRATEGY_MEMBERS = 15 };
bool route_strategy_members(struct route_compile *c, const struct route_at *at, struct json_value v,
                            struct json_value m[static STRATEGY_MEMBERS]);
/* Of a node whose children are complete. m NULL: single. */
bool route_strategy_read(struct route_compile *c, const struct route_at *at,
                         const struct json_value *m, struct json_value node_statuses,
                         struct route_node *node);
bool route_mode_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                     enum route_mode *ret, bool *ret_failover);
/* Weights as they were written, in millionths, into whole ones of the same proportions. */
void route_weights(struct route_node *const *children, const uint64_t *micro, size_t n);
bool route_wheel(struct route_compile *c, const struct route_node *node, struct route_strategy *s);

/* ---- conditions ---- */

bool route_query_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                      const struct zone *zone, const struct route_query **ret);
/* The field of that name, each once. */
bool route_field_read(struct route_compile *c, const struct route_at *at, struct str text,
                      const struct json_value *v, const struct zone *zone, uint16_t *ret);
/* health.NAME and latency.NAME, once all names are known. */
bool route_fields_resolve(struct route_compile *c);

#endif
