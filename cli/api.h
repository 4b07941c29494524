/* Calls of the admin API: address, token, organization, errors, pages. */
#ifndef CLI_API_H
#define CLI_API_H

#include "cli/cli.h"
#include "cli/document.h"
#include "common/base/buffer.h"

#define API_BODY_MAX ((size_t)64 << 20)

/* The base URL, without a slash at its end: --url, WEIR_URL, the profile's, else
 * http://127.0.0.1:8080. */
const char *api_url(const struct cli *c);

/* path begins with '/' and stands behind <url>/api/v1. body: JSON, ptr NULL for none. *ret (may be
 * NULL) is the answer, NULL when it has no body; document_free it. False: *err is the transport's
 * failure, or what the API answered; then its code, request id and (for validation) param are kept
 * for cli_report. Uses WEIR_TOKEN, else the profile's token if it was made for this URL. */
bool api_call(struct cli *c, const char *method, const char *path, struct str body,
              struct document **ret, struct error *err);
/* GET of what is no JSON: the answer as it came, heap. */
bool api_text(struct cli *c, const char *path, char **ret, struct error *err);
/* POST of a call that answers JSON lines: the answer as it came, heap. It may show secrets. */
bool api_lines(struct cli *c, const char *path, struct str body, char **ret, struct error *err);
/* One header more ("name: value", NULL for none), without the token: for signing in. */
bool api_call_unsigned(struct cli *c, const char *method, const char *path, const char *header,
                       struct str body, struct document **ret, struct error *err);
/* GET of a list, all pages gathered into one {"data":[...],"next_cursor":null}. At most `max`
 * elements (0: all). */
bool api_list(struct cli *c, const char *path, size_t max, struct document **ret,
              struct error *err);
/* The element of the list at `path` whose id or name is `text`, borrowed from *ret_list; an exact
 * id comes first, and of several with the name those not revoked. ERR_NOT_FOUND, ERR_CONFLICT when
 * several are meant. `noun` for the message. */
bool api_find(struct cli *c, const char *path, const char *noun, const char *text,
              struct document **ret_list, const struct document **ret, struct error *err);
/* Appends "?name=value" or "&name=value", percent-encoded; nothing when value is NULL or "". */
void api_query(struct buffer *path, const char *name, const char *value);
/* Prints the document as it is. */
int api_print(struct cli *c, const struct document *d);

#endif
