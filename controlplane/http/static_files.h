/* The built web admin, served from a folder under the base path, with a strict content security
 * policy. index.html is sent for every path of the application; in it __WEIR_BASE__ and
 * __WEIR_NONCE__ are replaced. */
#ifndef CONTROLPLANE_HTTP_STATIC_FILES_H
#define CONTROLPLANE_HTTP_STATIC_FILES_H

#include "controlplane/http/server.h"

/* folder: NULL or not there (yet): a plain page says so. base: "/" or "/weir/". path: behind the
 * base, without a leading
 * '/'. Replies always. */
void static_files_serve(struct http_request *r, const char *folder, const char *base,
                        struct str path);
/* May this path below the folder be opened: relative, no "..", no hidden or empty part, no
 * backslash? */
bool static_files_path_ok(struct str path);

#endif
