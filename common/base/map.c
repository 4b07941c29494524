/* Hash map: linear probing over a power of two, at most three quarters full, and removal by
 * shifting the run back, so there are no tombstones and a look-up never slows down with age. The
 * hash is SipHash-1-3 under a key drawn once per process. */
#include "common/base/map.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/base/mem.h"

#define FIRST_CAP 16u

struct slot {
    uint64_t hash; /* 0: empty */
    struct str key;
    void *value;
};

struct map {
    struct slot *slots;
    size_t cap, count;
};

static uint64_t sip_key[2];
static pthread_once_t sip_once = PTHREAD_ONCE_INIT;

static void draw_key(void)
{
    ssize_t n;
    do {
        n = getrandom(sip_key, sizeof(sip_key), 0);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(sip_key)) {
        abort(); /* a kernel without randomness: nothing that we promise holds */
    }
}

static inline uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

uint64_t map_hash(const void *p, size_t n)
{
    (void)pthread_once(&sip_once, draw_key);
    uint64_t v[4] = {sip_key[0] ^ 0x736f6d6570736575ull, sip_key[1] ^ 0x646f72616e646f6dull,
                     sip_key[0] ^ 0x6c7967656e657261ull, sip_key[1] ^ 0x7465646279746573ull};
    const unsigned char *at = p;
    uint64_t word;
    for (size_t left = n; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)n << 56;
    for (size_t i = 0; i < (n & 7); i++) {
        word |= (uint64_t)at[i] << (8 * i);
    }
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t slot_hash(struct str key)
{
    uint64_t h = map_hash(key.ptr, key.len);
    return h ? h : 1;
}

struct map *map_new(void)
{
    struct map *m = mem_alloc(sizeof(*m));
    m->cap = FIRST_CAP;
    m->slots = mem_alloc(m->cap * sizeof(*m->slots));
    return m;
}

void map_free(struct map *m)
{
    if (m) {
        mem_free(m->slots);
        mem_free(m);
    }
}

/* The key's slot, or the empty one where it would go. */
static struct slot *find(const struct map *m, struct str key, uint64_t hash)
{
    size_t i = hash & (m->cap - 1);
    while (m->slots[i].hash && !(m->slots[i].hash == hash && str_eq(m->slots[i].key, key))) {
        i = (i + 1) & (m->cap - 1);
    }
    return &m->slots[i];
}

void *map_get(const struct map *m, struct str key)
{
    const struct slot *s = find(m, key, slot_hash(key));
    return s->hash ? s->value : NULL;
}

static void grow(struct map *m)
{
    struct slot *old = m->slots;
    size_t old_cap = m->cap;
    m->cap *= 2;
    m->slots = mem_alloc(m->cap * sizeof(*m->slots));
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].hash) {
            *find(m, old[i].key, old[i].hash) = old[i];
        }
    }
    mem_free(old);
}

void *map_put(struct map *m, struct str key, void *value)
{
    uint64_t hash = slot_hash(key);
    struct slot *s = find(m, key, hash);
    if (s->hash) {
        void *before = s->value;
        s->key = key; /* the new owner's bytes: the old ones may go with the old value */
        s->value = value;
        return before;
    }
    if ((m->count + 1) * 4 > m->cap * 3) {
        grow(m);
        s = find(m, key, hash);
    }
    *s = (struct slot){.hash = hash, .key = key, .value = value};
    m->count++;
    return NULL;
}

void *map_remove(struct map *m, struct str key)
{
    struct slot *s = find(m, key, slot_hash(key));
    if (!s->hash) {
        return NULL;
    }
    void *value = s->value;
    size_t mask = m->cap - 1;
    size_t hole = (size_t)(s - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].hash; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        /* may move back only if its home does not lie between the hole and itself */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct slot){0};
    m->count--;
    return value;
}

size_t map_count(const struct map *m)
{
    return m->count;
}

bool map_next(const struct map *m, size_t *pos, struct str *ret_key, void **ret_value)
{
    while (*pos < m->cap) {
        const struct slot *s = &m->slots[(*pos)++];
        if (s->hash) {
            *ret_key = s->key;
            *ret_value = s->value;
            return true;
        }
    }
    return false;
}
