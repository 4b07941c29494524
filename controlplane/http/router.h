/* From a request to a handler: match in one table, find out who calls, in which organization, check
 * the permission, read the body and the preconditions, open the transaction; then the handler; then
 * commit and reply. */
#ifndef CONTROLPLANE_HTTP_ROUTER_H
#define CONTROLPLANE_HTTP_ROUTER_H

#include "common/json.h"
#include "controlplane/http/actor.h"
#include "controlplane/http/body.h"

struct seal_keys;

enum route_flag {
    ROUTE_TENANT = 1 << 0, /* has an organization; the transaction is the tenant's */
    ROUTE_ANY_TENANT =
        1 << 1, /* same, but a platform administrator who names none sees all, as the system */
    ROUTE_TENANT_IN_PATH = 1 << 2, /* {id} is the organization */
    ROUTE_SYSTEM = 1 << 3, /* with one of the above: the transaction is the system's all the same */
    ROUTE_NO_TX = 1 << 4,  /* the handler opens its own */
    ROUTE_BODY = 1 << 5,   /* a JSON object is required */
    ROUTE_BODY_OPTIONAL = 1 << 6,
    ROUTE_IF_MATCH = 1 << 7, /* If-Match is honoured */
    ROUTE_IF_MATCH_NEEDED = 1 << 8,
    ROUTE_IDEMPOTENT = 1 << 9, /* Idempotency-Key is honoured */
    ROUTE_BODY_RAW = 1 << 10,  /* with ROUTE_BODY: the handler reads http_body by itself */
};

struct call;
/* True: answer with call->status and what was written to call->json (nothing: no body). False: *err
 * is the answer and the transaction is undone. */
typedef bool (*route_fn)(struct call *c, struct error *err);

struct route {
    /* "GET", "/keys/{id}/revoke"; one more placeholder of any other name may stand behind */
    const char *method, *pattern;
    enum permission permission;
    route_fn handle;
    unsigned flags;
    const char *prefix;   /* of {id}, NULL: the pattern has none */
    const void *resource; /* for handlers that several routes share */
};

struct router_config {
    const struct route *routes;
    size_t n_routes;
    const struct actor_config *actors;
    const struct seal_keys *keys; /* seal stored answers to idempotent calls */
    void *context;                /* for handlers */
};

struct call {
    const struct router_config *router;
    void *context;
    struct http_request *request;
    struct arena *arena;
    const struct route *route;
    struct actor actor;
    struct uuid organization;      /* nil: none (platform) */
    struct permission_scope scope; /* where in it the actor holds the route's permission */
    struct uuid id;                /* of the path */
    struct str item;               /* what the path names below {id}: {number}, {label} */
    struct body_value body;        /* BODY_NULL when there is none */
    struct tx *tx;
    bool if_match, if_match_any;
    uint64_t if_match_revision;
    /* the answer */
    int status;
    struct buffer out;
    struct json_writer json;
    uint64_t revision;        /* ETag, 0: none */
    const char *content_type; /* of what was written to `out`; NULL: JSON */
    bool undo;                /* answer, but roll the transaction back: a dry run */
};

/* path: what stands behind the API's prefix, beginning with '/'. */
void router_handle(const struct router_config *c, struct http_request *r, struct str path);
/* What stands in the path where the pattern has a placeholder other than {id}; NULL ptr: none. */
struct str router_item(struct str pattern, struct str path);
/* The route of this method and path, or NULL; then *ret_allow (never NULL) lists the path's methods
 * ("GET, POST"), "" when the path is none. *ret_id is the path's {id} as given. HEAD counts as GET.
 */
const struct route *router_match(const struct route *routes, size_t n, struct str method,
                                 struct str path, char ret_allow[static 64], struct str *ret_id);

/* --- for handlers --- */

/* Opens c->tx as a route without ROUTE_NO_TX finds it: for handlers that make several, one after
 * the other. */
bool call_begin(struct call *c, struct error *err);
/* Commits c->tx where ok, else rolls it back; false unless it is committed. c->tx is NULL then. */
bool call_end(struct call *c, bool ok, struct error *err);
/* The current object's revision against If-Match: false with ERR_PRECONDITION_FAILED. */
bool call_check_revision(const struct call *c, uint64_t revision, struct error *err);
/* Does the actor hold a permission on an object of this workspace (nil: of the whole organization)?
 */
bool call_may(const struct call *c, enum permission p, const struct uuid *workspace);
/* May the actor hand out these permissions there? Only who holds each of them there, and the one
 * that the route needs. */
bool call_may_give(const struct call *c, const struct permission_set *given,
                   const struct uuid *workspace);
/* The same of a role of the table. */
bool call_may_grant(const struct call *c, enum role given, const struct uuid *workspace);

#endif
