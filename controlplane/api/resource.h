/* What the resources of the admin API share: a table of fields that reads bodies and writes
 * answers, and the steps of a change (decode, check, write, audit, log for the data planes) with
 * hooks for what a resource has of its own. */
#ifndef CONTROLPLANE_API_RESOURCE_H
#define CONTROLPLANE_API_RESOURCE_H

#include "controlplane/http/router.h"
#include "controlplane/store/object.h"

enum field_kind {
    FIELD_TEXT = 0,
    FIELD_ID,
    FIELD_INTEGER,
    FIELD_BOOL,
    FIELD_TIME,
    FIELD_TEXTS,
    FIELD_OBJECT
};

enum field_flag {
    FIELD_CREATE = 1 << 0,   /* accepted when made */
    FIELD_UPDATE = 1 << 1,   /* accepted when changed */
    FIELD_REQUIRED = 1 << 2, /* must be there when made */
    FIELD_NULL = 1 << 3,     /* null is a value */
    FIELD_FILTER = 1 << 4,   /* a list can be narrowed by ?name=value */
    FIELD_EMPTY = 1 << 5,    /* TEXTS: none where none is given, not "*" */
    FIELD_WRITE = FIELD_CREATE | FIELD_UPDATE,
};

struct field {
    const char *name;
    enum field_kind kind;
    int column;
    unsigned flags;
    int64_t min, max;   /* TEXT: bytes; INTEGER: value; TEXTS: max items; OBJECT: max bytes */
    const char *prefix; /* ID */
    const char *(*check)(struct str); /* TEXT and each of TEXTS (rules/validate.h) */
    const char *const *words;         /* TEXT: one of these, NULL-terminated */
};

/* The fields that most have. */
#define FIELD_ROW_TIMES(p)                                                    \
    {.name = "revision", .kind = FIELD_INTEGER, .column = p##_REVISION},      \
        {.name = "created_at", .kind = FIELD_TIME, .column = p##_CREATED_AT}, \
    {                                                                         \
        .name = "updated_at", .kind = FIELD_TIME, .column = p##_UPDATED_AT    \
    }
#define FIELD_ORGANIZATION(p)                                                       \
    {                                                                               \
        .name = "organization_id", .kind = FIELD_ID, .column = p##_ORGANIZATION_ID, \
        .prefix = "org"                                                             \
    }
#define FIELD_WORKSPACE(p)                                                                    \
    {                                                                                         \
        .name = "workspace_id", .kind = FIELD_ID, .column = p##_WORKSPACE_ID, .prefix = "ws", \
        .flags = FIELD_FILTER                                                                 \
    }
#define FIELD_NAME(p, longest, name_check)                                                \
    {                                                                                     \
        .name = "name", .kind = FIELD_TEXT, .column = p##_NAME,                           \
        .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER, .min = 1, .max = (longest), \
        .check = (name_check)                                                             \
    }
#define FIELD_OWNED_BY(p)                                                                     \
    {                                                                                         \
        .name = "owned_by", .kind = FIELD_TEXT, .column = p##_OWNED_BY, .flags = FIELD_FILTER \
    }

struct change;

struct resource {
    const char *kind;   /* in the audit log and in messages: "key" */
    const char *prefix; /* of its ids */
    const struct object_table *table;
    const struct field *fields;
    size_t n_fields;
    const char *const
        *extras; /* other members that bodies may have, NULL-terminated; the hooks read them */
    enum permission read; /* who may see one */
    unsigned change_kind; /* for data planes (proto/snapshot.proto, Kind); 0: they do not care */
    const char *live;     /* condition on rows that exist for writers: "revoked_at IS NULL" */
    bool shared;          /* rows without a workspace are seen from each workspace */
    /* Hooks, each may be NULL. */
    bool (*narrow)(struct call *c, struct object_query *q, struct error *err);
    bool (*prepare)(struct change *ch,
                    struct error *err); /* checks and derives columns, before the write */
    bool (*differs)(struct change *ch); /* has what stands outside the row changed? after prepare */
    bool (*stored)(struct change *ch, struct error *err); /* writes what stands outside the row */
    bool (*removing)(struct change *ch, struct error *err);
    /* Loads, for rows about to be shown, what stands outside them; the result is given to show. */
    bool (*load)(struct call *c, const struct object *rows, size_t n, void **ret,
                 struct error *err);
    void (*show)(struct call *c, struct json_writer *w, const struct object *row, void *loaded);
};

struct change {
    struct call *call;
    const struct resource *resource;
    const struct body_value *body;
    const struct body_path
        *at;           /* where the body stands in the request's, NULL: it is the request's */
    const char *owner; /* ownership mark of what is made; "file" may change what a file owns */
    bool whole;        /* absent fields mean their defaults (apply), not "as it was" */
    bool creating;
    bool placed; /* apply: the row's workspace is this one (nil: shared), and bodies name none */
    struct uuid workspace;
    struct object before,
        now;           /* now: the set columns are written; afterwards the row as it stands */
    struct str secret; /* shown once in the answer */
    void *extra;       /* the resource's own, between its hooks */
};

/* Reads ch->body into ch->now. */
bool change_decode(struct change *ch, struct error *err);
/* Decodes, prepares, checks the permission, inserts, audits, logs. */
bool change_create(struct change *ch, struct error *err);
/* ch->before is the row, read under lock. *ret_changed (may be NULL: then it is written in any
 * case). */
bool change_update(struct change *ch, bool *ret_changed, struct error *err);
/* Deletes ch->before. */
bool change_delete(struct change *ch, struct error *err);
/* Audits and logs a change that a handler made by itself: "key.revoke". */
bool change_note(struct change *ch, const char *action, bool deleted, struct error *err);
/* What a file owns is changed by apply only. */
bool change_check_owner(const struct change *ch, struct error *err);
void change_init(struct change *ch, struct call *c, const struct resource *res);

/* The row of this id in the call's organization, as far as the actor may see it. ERR_NOT_FOUND. */
bool resource_find(struct call *c, const struct resource *res, const struct uuid *id, bool lock,
                   struct object *ret, struct error *err);
/* A query held to the call's organization and to where the actor may read. */
bool resource_query(struct call *c, const struct resource *res, struct object_query *ret,
                    struct error *err);
/* One JSON object. secret: NULL ptr for none. */
bool resource_show(struct call *c, const struct resource *res, const struct object *row,
                   struct str secret, struct json_writer *w, struct error *err);
void resource_show_loaded(struct call *c, const struct resource *res, const struct object *row,
                          void *loaded, struct str secret, struct json_writer *w);
/* The column of a row, set or not. */
struct uuid resource_workspace(const struct resource *res, const struct object *row);

/* Reads workspace_id or workspace (a name) of a body: an existing one of the organization. Neither:
 * *ret nil. */
bool resource_read_workspace(struct call *c, const struct body_value *body,
                             const struct body_path *at, struct uuid *ret, struct error *err);
/* Finds one by public id or name. ERR_NOT_FOUND. */
bool resource_workspace_named(struct call *c, struct str text, struct uuid *ret, struct error *err);
/* The only workspace that the call can mean; ERR_INVALID_FIELD naming `workspace` when there are
 * none or several. */
bool resource_only_workspace(struct call *c, const struct body_path *at, struct uuid *ret,
                             struct error *err);

/* Sets the workspace of a row that is made: the one given, else, `needed` or when the actor may not
 * write for the whole organization, the only one there is, else none (shared). Of a row that is
 * there it cannot change. */
bool resource_place(struct change *ch, int column, bool needed, struct error *err);

#endif
