/* Files of the spool: creation, mapping, headers, and the single record. */
#include "dataplane/report/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/report/crc32c.h"

#define MAGIC 0x314c4f4f50534557ull /* "WESPOOL1" */
#define PAGE 4096u

struct header {
    _Atomic uint64_t magic; /* 0: unused */
    uint64_t seq, nonce, size;
    uint32_t crc; /* over seq, nonce, size */
    uint8_t spare[28];
    _Atomic uint64_t acked; /* in a cache line of its own: the reader writes it */
};

_Static_assert(sizeof(struct header) <= SEGMENT_HEADER, "header fits");
_Static_assert(offsetof(struct header, acked) == 64, "reader's line");
_Static_assert(sizeof(struct record) == 40, "record layout");

static struct header *header_of(const struct segment *s)
{
    return (struct header *)(void *)s->base;
}

static uint32_t header_crc(const struct header *h)
{
    return crc32c(0, &h->seq, 3 * sizeof(uint64_t));
}

void segment_path(char *buf, size_t size, const char *folder, unsigned worker, unsigned number)
{
    (void)snprintf(buf, size, "%s/spool-%u-%u.seg", folder, worker, number);
}

bool segment_name_parse(const char *name, unsigned *ret_worker, unsigned *ret_number)
{
    struct str s = str_of(name), worker, number;
    uint64_t w, n;
    if (!str_starts(s, STR_LIT("spool-")) || !str_ends(s, STR_LIT(".seg")) || s.len < 13 ||
        !str_cut(str_slice(s, 6, s.len - 10), '-', &worker, &number) || !str_to_u64(worker, &w) ||
        !str_to_u64(number, &n) || w > UINT32_MAX || n > UINT32_MAX) {
        return false;
    }
    *ret_worker = (unsigned)w;
    *ret_number = (unsigned)n;
    return true;
}

static struct segment *segment_map(int fd, size_t size, unsigned number, struct error *err,
                                   const char *path)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        (void)error_set(err, ERR_SPOOL_FULL, "cannot map spool file \"%s\": %s", path,
                        strerror(errno));
        return NULL;
    }
    struct segment *s = mem_alloc(sizeof(*s));
    s->base = base;
    s->size = s->limit = size;
    s->number = number;
    return s;
}

struct segment *segment_create(const char *folder, unsigned worker, unsigned number, size_t size,
                               struct error *err)
{
    char path[4096];
    struct segment *s = NULL;
    segment_path(path, sizeof(path), folder, worker, number);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        (void)error_set(err, ERR_SPOOL_FULL, "cannot make spool file \"%s\": %s", path,
                        strerror(errno));
        return NULL;
    }
    int failed = posix_fallocate(fd, 0, (off_t)size);
    if (failed) {
        (void)error_set(err, ERR_SPOOL_FULL, "cannot allocate spool file \"%s\": %s", path,
                        strerror(failed));
    } else {
        s = segment_map(fd, size, number, err, path);
    }
    (void)close(fd);
    if (!s) {
        (void)unlink(path);
        return NULL;
    }
    /* take the page faults here, so that a worker does not take them while it serves */
    for (size_t off = 0; off < size; off += PAGE) {
        *(volatile uint8_t *)(s->base + off) = 0;
    }
    return s;
}

struct segment *segment_open(const char *folder, unsigned worker, unsigned number,
                             struct error *err)
{
    char path[4096];
    struct stat st;
    segment_path(path, sizeof(path), folder, worker, number);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        (void)error_set(err, ERR_INTERNAL, "cannot open spool file \"%s\": %s", path,
                        strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return NULL;
    }
    struct segment *s = NULL;
    /* a file cut short would fault when touched, so only what is there is mapped; a file that is
     * too short for its header holds nothing */
    if ((size_t)st.st_size < SEGMENT_HEADER || (uint64_t)st.st_blocks * 512 < SEGMENT_HEADER) {
        (void)error_set(err, ERR_NOT_FOUND, "spool file \"%s\" is empty", path);
    } else {
        s = segment_map(fd, (size_t)st.st_size & ~(size_t)7, number, err, path);
    }
    (void)close(fd);
    if (!s) {
        return NULL;
    }
    const struct header *h = header_of(s);
    if (atomic_load(&h->magic) != MAGIC || h->crc != header_crc(h)) {
        (void)error_set(err, atomic_load(&h->magic) ? ERR_INVALID_FIELD : ERR_NOT_FOUND,
                        "spool file \"%s\" has no valid header", path);
        segment_close(s, NULL, worker);
        return NULL;
    }
    s->seq = h->seq;
    s->nonce = h->nonce;
    s->acked_off = atomic_load(&h->acked);
    return s;
}

void segment_begin(struct segment *s, uint64_t seq)
{
    struct header *h = header_of(s);
    atomic_store_explicit(&h->magic, 0, memory_order_release);
    crypto_random(&s->nonce, sizeof(s->nonce));
    s->nonce |= 1ull << 63; /* no mark is ever 0 */
    s->seq = seq;
    s->limit = s->size;
    s->acked_off = SEGMENT_HEADER;
    s->acked_events = s->synced_events = 0;
    atomic_store_explicit(&s->next, NULL, memory_order_relaxed);
    atomic_store_explicit(&s->events, 0, memory_order_relaxed);
    atomic_store_explicit(&s->waiting, 0, memory_order_relaxed);
    h->seq = seq;
    h->nonce = s->nonce;
    h->size = s->size;
    h->crc = header_crc(h);
    atomic_store_explicit(&h->acked, SEGMENT_HEADER, memory_order_relaxed);
    atomic_store_explicit(&h->magic, MAGIC, memory_order_release);
}

void segment_retire(struct segment *s)
{
    atomic_store_explicit(&header_of(s)->magic, 0, memory_order_release);
}

void segment_close(struct segment *s, const char *folder, unsigned worker)
{
    if (!s) {
        return;
    }
    (void)munmap(s->base, s->size);
    if (folder) {
        char path[4096];
        segment_path(path, sizeof(path), folder, worker, s->number);
        (void)unlink(path);
    }
    mem_free(s);
}

static uint32_t record_crc(const struct segment *s, const struct record *r)
{
    uint8_t head[4 + 16 + 1];
    memcpy(head, &r->len, 4);
    memcpy(head + 4, r->id.b, 16);
    head[20] = r->kind;
    return crc32c(crc32c((uint32_t)s->nonce, head, sizeof(head)), r->payload, r->len);
}

void segment_put(struct segment *s, uint64_t off, enum spool_kind kind, const struct uuid *id,
                 struct str payload)
{
    struct record *r = segment_record(s, off);
    r->len = (uint32_t)payload.len;
    r->id = *id;
    r->kind = (uint8_t)kind;
    atomic_store_explicit(&r->closed, 0, memory_order_relaxed);
    memset(r->spare, 0, sizeof(r->spare));
    if (payload.len) {
        memcpy(r->payload, payload.ptr, payload.len);
    }
    r->crc = record_crc(s, r);
    atomic_store_explicit(&r->mark, s->nonce ^ off, memory_order_release);
}

void segment_acked(struct segment *s, uint64_t off)
{
    s->acked_off = off;
    atomic_store_explicit(&header_of(s)->acked, off, memory_order_release);
}

bool segment_sync(const struct segment *s, uint64_t from, uint64_t to)
{
    from &= ~(uint64_t)(PAGE - 1);
    return msync(s->base + from, to - from, MS_SYNC) == 0;
}

const struct record *segment_check(const struct segment *s, uint64_t off)
{
    const struct record *r = segment_at(s, off);
    if (!r || r->len > s->limit - off - sizeof(*r) || off + record_size(r->len) > s->limit ||
        (r->kind != SPOOL_OPEN && r->kind != SPOOL_EVENT) || r->crc != record_crc(s, r)) {
        return NULL;
    }
    return r;
}
