/* Many virtual keys in one call, between its files. A bulk is worked in batches, each in its own
 * transaction with one version of the configuration and one audit row; what became of its keys is
 * sent, a JSON line each, once the batch is committed. */
#ifndef CONTROLPLANE_API_KEY_BULK_H
#define CONTROLPLANE_API_KEY_BULK_H

#include "controlplane/api/keys.h"

#define KEY_BULK_MAX 100000
#define KEY_BULK_BATCH 1000

enum bulk_action {
    BULK_NONE = 0,
    BULK_CREATE,
    BULK_UPDATE,
    BULK_ROTATE,
    BULK_REVOKE,
    BULK_BLOCK,
    BULK_UNBLOCK,
    BULK_ACTIONS
};

struct bulk {
    struct call call; /* of the request; its arena is the batch's while one is worked */
    enum bulk_action action;
    struct key_memo *memo;
    /* create */
    const struct body_value *template, *list; /* each may be NULL */
    bool placed;
    struct uuid workspace;
    /* the others: ids, or a filter */
    struct uuid *ids;
    struct object_query filter;
    const struct body_value *patch;
    int64_t overlap_s;
    size_t total; /* of the list, the count or the ids; with a filter: as many as have been found */
    size_t at;    /* worked so far */
    bool has_after;
    struct uuid after; /* filter: the last one */
    size_t succeeded, failed;
    bool over;
};

/* One batch in b->call.tx: writes its lines, counts, moves `at`, sets `over` at the end. False: the
 * database failed, nothing of the batch stands. */
bool bulk_create_batch(struct bulk *b, struct json_writer *lines, struct error *err);
bool bulk_change_batch(struct bulk *b, struct json_writer *lines, struct error *err);

/* {"index":3,"id":...,"name":...,"result":...,"secret":...} and a line feed. row NULL: not known.
 * index SIZE_MAX: none. */
void bulk_put_line(struct json_writer *w, size_t index, const struct object *row,
                   const char *result, struct str secret);
void bulk_put_error(struct json_writer *w, size_t index, const struct uuid *id,
                    const struct error *err);
/* One audit row: which keys, and the template or patch. */
bool bulk_audit(struct bulk *b, const char *action, const struct object *rows, size_t n,
                const struct body_value *what, struct error *err);

#endif
