/* What the files of the Cloudflare importer share. Private to import_cloudflare*.c. */
#ifndef CLI_IMPORT_CLOUDFLARE_H
#define CLI_IMPORT_CLOUDFLARE_H

#include "cli/import.h"

/* "path.name", "path[0]"; in the arena. */
const char *cloudflare_path(struct import *im, const char *path, const char *name);
/* The member `provider` of a leaf, and a note that somebody has to make it. */
void cloudflare_put_provider(struct import *im, struct json_writer *w, const char *name,
                             const char *path);
/* The member `retry`, where there is anything to say. */
void cloudflare_put_retry(struct import *im, struct json_writer *w, int64_t retries,
                          int64_t delay_ms, const char *backoff, const char *path);
int64_t cloudflare_number(const struct yaml_node *map, const char *name); /* 0 when absent */

/* import_cloudflare_route.c: the graph of elements as members of an open object. False: nothing
 * usable came of it, and why is noted; the object is to be thrown away. */
bool cloudflare_put_route(struct import *im, struct json_writer *w,
                          const struct yaml_node *elements, const char *path);

#endif
