/* What configs, prompts and price books share in the API: a row with immutable numbered documents,
 * one of them published, labels on any. A kind is a resource and a struct document_kind; routes of
 * a kind have its resource, whose hooks are those here. */
#ifndef CONTROLPLANE_API_DOCUMENTS_H
#define CONTROLPLANE_API_DOCUMENTS_H

#include "controlplane/api/resource.h"
#include "controlplane/store/documents.h"

#define DOCUMENT_NAME_MAX 100
#define DOCUMENT_DESCRIPTION_MAX 1000
#define DOCUMENT_NOTE_MAX 1000
#define DOCUMENT_VERSIONS_MAX 1000
/* All versions of one travel to data planes as one entity. */
#define DOCUMENT_BYTES_MAX ((uint64_t)16 << 20)
#define DOCUMENT_LABELS_MAX 50

struct document_kind {
    const struct resource *resource;
    /* The same without what stands outside the row: for audit rows of changes that leave the
     * documents alone. */
    const struct resource *quiet;
    enum permission publish;
    size_t document_max; /* bytes */
    /* Is the document well formed? err->param: the path in it, beginning with `root` where that is
     * not "". */
    bool (*check)(struct str document, bool partial, struct arena *a, struct error *err);
    const char *root;
    /* Puts markers in place of credentials and seals those: fills document, secrets, secrets_kek of
     * *v from `given`, and may set columns of ch->now. NULL: the document is stored as it came. */
    bool (*seal)(struct change *ch, const struct body_path *at, struct str given,
                 struct document_version *v, struct error *err);
    /* Names what uses the row (or the label of it), so that it can be neither deleted nor renamed.
     * NULL: nothing does. */
    bool (*in_use)(struct change *ch, struct str label, struct error *err);
    /* Further members of the answer of /validate. */
    void (*describe)(struct json_writer *w, struct str document, bool partial, struct arena *a);
    bool of_organization; /* none stands in a workspace */
};

extern const struct document_kind config_document_kind, prompt_document_kind,
    price_book_document_kind;
const struct document_kind *document_kind_of(const struct resource *res);

/* The fields, extras and hooks of these kinds' resources. */
#define DOCUMENT_FIELDS(name_check)                                                         \
    FIELD_ORGANIZATION(DOCUMENT), FIELD_WORKSPACE(DOCUMENT),                                \
        FIELD_NAME(DOCUMENT, DOCUMENT_NAME_MAX, name_check),                                \
        {.name = "description",                                                             \
         .kind = FIELD_TEXT,                                                                \
         .column = DOCUMENT_DESCRIPTION,                                                    \
         .flags = FIELD_WRITE,                                                              \
         .max = DOCUMENT_DESCRIPTION_MAX},                                                  \
        {.name = "published_version", .kind = FIELD_INTEGER, .column = DOCUMENT_PUBLISHED}, \
        {.name = "latest_version", .kind = FIELD_INTEGER, .column = DOCUMENT_LATEST},       \
        {.name = "labels", .kind = FIELD_OBJECT, .column = DOCUMENT_LABELS},                \
        FIELD_OWNED_BY(DOCUMENT), FIELD_ROW_TIMES(DOCUMENT)

extern const char *const document_extras[];
bool document_prepare(struct change *ch, struct error *err);
bool document_stored(struct change *ch, struct error *err);
bool document_removing(struct change *ch, struct error *err);
/* What a resource's `load` is made of. */
bool document_load(struct call *c, const struct object_table *table, const struct object *rows,
                   size_t n, void **ret, struct error *err);
void document_show(struct call *c, struct json_writer *w, const struct object *row, void *loaded);

/* --- shared by documents.c and document_versions.c --- */

/* A version in the making, from a body with `document`, `note`, `publish`, `labels`. */
struct document_draft {
    struct document_version version; /* number: the caller's to give */
    bool publish;
    const struct str *labels;
    size_t n_labels;
};

/* Reads and checks those members of the body and puts markers in place of secrets. `publish`: what
 * it is when not said. */
bool document_read(struct change *ch, const struct document_kind *kind, bool partial, bool publish,
                   struct document_draft *ret, struct error *err);
/* The draft becomes version `number` of the row: sets the columns of ch->now that point at it.
 * ERR_FORBIDDEN where that needs a permission to publish. */
bool document_point(struct change *ch, const struct document_kind *kind, uint64_t number,
                    const struct document_draft *d, struct error *err);
/* 409 where one more version is too many or too much. */
bool document_check_room(struct change *ch, const struct document_version *v, struct error *err);
/* NULL when it may be a label, else what is wrong. */
const char *document_check_label(struct str s);
/* ERR_FORBIDDEN unless the actor may publish where the row stands. */
bool document_may_publish(struct change *ch, const struct document_kind *kind, struct error *err);

/* Labels as rows have them: {"production": 3}. */
struct document_label {
    struct str name;
    uint64_t version;
};
size_t document_labels(struct str json, struct arena *a, struct document_label **ret);
/* As JSON text; NULL ptr: out of room. */
struct str document_labels_text(const struct document_label *list, size_t n, struct arena *a);
bool document_has_label(struct str json, uint64_t version, struct arena *a);
/* Names of the labels at this version, as a JSON array. */
void document_put_labels(struct json_writer *w, struct str json, uint64_t version, struct arena *a);

/* --- routes; the route's `resource` says of which kind --- */

bool document_update_call(struct call *c, struct error *err);
bool document_versions_call(struct call *c, struct error *err);
bool document_version_get_call(struct call *c, struct error *err);
bool document_version_create_call(struct call *c, struct error *err);
bool document_publish_call(struct call *c, struct error *err);
bool document_label_put_call(struct call *c, struct error *err);
bool document_label_delete_call(struct call *c, struct error *err);
bool document_validate_call(struct call *c, struct error *err);

#endif
