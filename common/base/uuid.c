/* UUIDv7. Each thread keeps the last id's time and random part: within one millisecond (and when
 * the wall clock steps back) the random part grows by a random step, so ids of a thread always sort
 * as they were made. Random bytes are drawn from the kernel in blocks; a fork forgets the block, so
 * that parent and child never make the same id. */
#include "common/base/uuid.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/base/clock.h"

#define LOW_BITS 62u
#define LOW_MASK ((1ull << LOW_BITS) - 1)

struct maker {
    unsigned generation; /* of the process, see below; 0: fresh thread */
    uint64_t ms;
    uint64_t high; /* 12 bits: rand_a */
    uint64_t low;  /* 62 bits: rand_b */
    size_t unread; /* words left in the block */
    uint64_t block[32];
};

static _Thread_local struct maker maker;
static atomic_uint generation = 1;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void on_fork_child(void)
{
    atomic_fetch_add(&generation, 1);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, on_fork_child);
}

static uint64_t random_word(struct maker *m)
{
    if (m->unread == 0) {
        ssize_t n;
        do {
            n = getrandom(m->block, sizeof(m->block), 0);
        } while (n < 0 && errno == EINTR);
        if (n != (ssize_t)sizeof(m->block)) {
            abort(); /* without randomness ids would collide silently */
        }
        m->unread = sizeof(m->block) / sizeof(m->block[0]);
    }
    return m->block[--m->unread];
}

static void restart(struct maker *m, uint64_t ms)
{
    m->ms = ms;
    /* the top bit starts at 0, which leaves room to count */
    m->high = random_word(m) & 0x7ff;
    m->low = random_word(m) & LOW_MASK;
}

static void advance(struct maker *m)
{
    m->low += (random_word(m) & 0xffffffffu) + 1;
    if (m->low <= LOW_MASK) {
        return;
    }
    m->low &= LOW_MASK;
    if (++m->high > 0xfff) {
        restart(m, m->ms + 1);
    }
}

struct uuid uuid_v7(void)
{
    struct maker *m = &maker;
    (void)pthread_once(&fork_once, watch_forks);
    unsigned now_generation = atomic_load_explicit(&generation, memory_order_relaxed);
    if (m->generation != now_generation) {
        *m = (struct maker){.generation = now_generation};
    }
    uint64_t ms = clock_wall_ms() & 0xffffffffffffull;
    if (ms > m->ms) {
        restart(m, ms);
    } else {
        advance(m);
    }
    uint64_t head = m->ms << 16 | 0x7000u | m->high;
    uint64_t tail = 0x8000000000000000ull | m->low;
    struct uuid u;
    for (int i = 0; i < 8; i++) {
        u.b[i] = (uint8_t)(head >> (56 - 8 * i));
        u.b[8 + i] = (uint8_t)(tail >> (56 - 8 * i));
    }
    return u;
}

uint64_t uuid_time_ms(const struct uuid *u)
{
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | u->b[i];
    }
    return ms;
}

static char *put_hex(char *at, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *at++ = digits[p[i] >> 4];
        *at++ = digits[p[i] & 15];
    }
    *at = '\0';
    return at;
}

/* bytes of each group of the 8-4-4-4-12 form */
static const unsigned char groups[] = {4, 2, 2, 2, 6};

void uuid_format(const struct uuid *u, char buf[static 37])
{
    const uint8_t *from = u->b;
    char *at = buf;
    for (size_t g = 0; g < sizeof(groups); g++) {
        if (g) {
            *at++ = '-';
        }
        at = put_hex(at, from, groups[g]);
        from += groups[g];
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_hex(const char *at, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(at[2 * i]), low = hex_value(at[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool uuid_parse(struct str s, struct uuid *ret)
{
    struct uuid u;
    uint8_t *to = u.b;
    const char *at = s.ptr;
    if (s.len != 36) {
        return false;
    }
    for (size_t g = 0; g < sizeof(groups); g++) {
        if (g && *at++ != '-') {
            return false;
        }
        if (!take_hex(at, to, groups[g])) {
            return false;
        }
        at += 2 * groups[g];
        to += groups[g];
    }
    *ret = u;
    return true;
}

bool uuid_eq(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool uuid_is_nil(const struct uuid *u)
{
    static const struct uuid nil;
    return uuid_eq(u, &nil);
}

void uuid_format_public(const char *prefix, const struct uuid *u, char *buf, size_t size)
{
    char hex[33];
    put_hex(hex, u->b, sizeof(u->b));
    (void)snprintf(buf, size, "%s_%s", prefix, hex);
}

bool uuid_parse_public(const char *prefix, struct str s, struct uuid *ret)
{
    struct str p = str_of(prefix);
    struct uuid u;
    if (s.len == p.len + 33 && str_starts(s, p) && s.ptr[p.len] == '_' &&
        take_hex(s.ptr + p.len + 1, u.b, sizeof(u.b))) {
        *ret = u;
        return true;
    }
    return uuid_parse(s, ret);
}
