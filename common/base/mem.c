/* The only caller of malloc in the tree (tests/lint keeps it so). Two promises: mem_* never return
 * NULL, because a process that runs on without a small fixed block half works; mem_try_* may,
 * because a size that a peer chose must fail only the request that it came with. */
#include "common/base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void mem_die(void)
{
    static const char text[] = "weir: out of memory\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)n;
    abort();
}

void *mem_alloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    if (!p) {
        mem_die();
    }
    return p;
}

void *mem_realloc(void *p, size_t n)
{
    void *grown = realloc(p, n ? n : 1);
    if (!grown) {
        mem_die();
    }
    return grown;
}

void *mem_dup(const void *p, size_t n)
{
    void *copy = mem_alloc(n);
    if (n) {
        memcpy(copy, p, n);
    }
    return copy;
}

char *mem_strdup(const char *z)
{
    return mem_dup(z, strlen(z) + 1);
}

void *mem_try_alloc(size_t n)
{
    return malloc(n ? n : 1);
}

void *mem_try_realloc(void *p, size_t n)
{
    return realloc(p, n ? n : 1);
}

void mem_free(void *p)
{
    free(p);
}

void mem_free_secret(void *p, size_t n)
{
    if (p) {
        explicit_bzero(p, n);
        free(p);
    }
}
