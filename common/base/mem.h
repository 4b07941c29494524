/* The only place that calls malloc. mem_* stop the process when memory is out (small, fixed sizes);
 * mem_try_* return NULL, for sizes that a peer chose. Freed by mem_free, which accepts NULL. */
#ifndef COMMON_BASE_MEM_H
#define COMMON_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n); /* zeroed */
void *mem_realloc(void *p, size_t n);
void *mem_dup(const void *p, size_t n);
char *mem_strdup(const char *z);
void *mem_try_alloc(size_t n); /* not zeroed */
void *mem_try_realloc(void *p, size_t n);
void mem_free(void *p);
/* Wipes before freeing; for secrets. */
void mem_free_secret(void *p, size_t n);

#endif
