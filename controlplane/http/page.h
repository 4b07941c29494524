/* Keyset paging: ?limit=1..200 (default 50) & cursor=..., answered by
 * {"data":[...],"next_cursor":...|null}. A cursor is the last id in an opaque form. */
#ifndef CONTROLPLANE_HTTP_PAGE_H
#define CONTROLPLANE_HTTP_PAGE_H

#include "common/base/uuid.h"
#include "common/json.h"
#include "controlplane/http/server.h"

struct page {
    unsigned limit; /* ask the store for one more: that tells whether there is a next page */
    bool has_after;
    struct uuid after;
};

/* False: ERR_INVALID_FIELD naming limit or cursor. */
bool page_read(const struct http_request *r, struct page *ret, struct error *err);
/* Begins the answer, up to its data array. *n: the rows found, cut to the page's; true when there
 * are more. */
bool page_begin(struct json_writer *w, const struct page *p, size_t *n);
/* Ends it with next_cursor. last: id of the last row written (NULL when none was). */
void page_end(struct json_writer *w, bool more, const struct uuid *last);

#endif
