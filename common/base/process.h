/* What the kernel may do with this process. */
#ifndef COMMON_BASE_PROCESS_H
#define COMMON_BASE_PROCESS_H

#include <stdbool.h>

/* No core files, and no other process of the same user may read this one's memory: it holds
 * secrets. Called once by main, before the first secret is read and the first thread started.
 * False: the kernel refused. */
bool process_forbid_dumps(void);

#endif
