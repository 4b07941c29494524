/* The pool of receive blocks. */
#include "dataplane/net/block.h"

#include "common/base/mem.h"

#define SPARE_MAX 16u

struct block *block_take(struct block_pool *p)
{
    struct block *b = p->spare;
    if (b) {
        p->spare = b->next;
        p->n_spare--;
        b->next = NULL;
        return b;
    }
    /* not cleared: untouched pages cost nothing */
    b = mem_realloc(NULL, sizeof(*b));
    b->next = NULL;
    return b;
}

void block_give(struct block_pool *p, struct block *b)
{
    if (!b) {
        return;
    }
    if (p->n_spare == SPARE_MAX) {
        mem_free(b);
        return;
    }
    b->next = p->spare;
    p->spare = b;
    p->n_spare++;
}

void block_pool_release(struct block_pool *p)
{
    while (p->spare) {
        struct block *b = p->spare;
        p->spare = b->next;
        mem_free(b);
    }
    p->n_spare = 0;
}
