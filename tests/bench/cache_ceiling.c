/* What the answer cache promises of its memory and time: 8 GiB of attempted puts into 256 MiB stay
 * under 300 MiB resident, and a hit costs at most 60 us; here with entries of 300 bytes to 1 MiB of
 * forty tenants, from two threads, and hits among them. Prints what it saw, and for a request body
 * of 64 KB what its key costs. Exit code 1 where memory or an answer's bytes are wrong; times are
 * figures to look at. Usage: bench-cache-ceiling [GiB] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/cache/key.h"

#define MIB ((size_t)1 << 20)
#define CEILING (256 * MIB)
#define RSS_MAX_MIB 300.0
#define TENANTS 40u
#define THREADS 2u
#define SAMPLES 200000u
#define WALL_MS 1795301611000ull

static const size_t sizes[] = {300, 1500, 4096, 20000, 65536, 262144, 1048576 - 4096};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* VmRSS or VmHWM of /proc/self/status, in MiB. */
static double status_mib(const char *name)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kib = strtol(line + strlen(name) + 1, NULL, 10);
        }
    }
    if (f) {
        fclose(f);
    }
    return (double)kib / 1024;
}

struct job {
    struct cache_store *store;
    char *bytes;
    size_t to_put, tried, kept;
    unsigned number, hits, looked, wrong;
    uint32_t *took_ns; /* of each hit */
    size_t *took_len;
};

static struct cache_key key_of(unsigned thread, unsigned n)
{
    struct cache_key k = {.tenant = {{1}}};
    unsigned both[] = {thread, n};
    crypto_sha256(both, sizeof(both), k.digest);
    k.tenant.b[15] = (uint8_t)(n % TENANTS);
    return k;
}

static size_t size_of(unsigned n)
{
    return sizes[n * 2654435761u % 97 % N_SIZES];
}

static void look_up(struct job *j, unsigned n, struct buffer *out)
{
    struct cache_key k = key_of(j->number, n);
    struct cache_entry e;
    buffer_clear(out);
    uint64_t from = now_ns();
    bool hit = cache_get(j->store, &k, WALL_MS, out, &e);
    uint64_t took = now_ns() - from;
    j->looked++;
    if (!hit) {
        return;
    }
    j->wrong += e.body.len != size_of(n) || memcmp(e.body.ptr, j->bytes, e.body.len) != 0 ||
                memcmp(e.head.ptr, &n, sizeof(n)) != 0;
    if (j->hits < SAMPLES) {
        j->took_ns[j->hits] = (uint32_t)took;
        j->took_len[j->hits] = e.body.len;
        j->hits++;
    }
}

static void *run(void *arg)
{
    struct job *j = arg;
    struct buffer out;
    buffer_init(&out, 2 * MIB);
    for (unsigned n = 0; j->tried < j->to_put; n++) {
        struct cache_key k = key_of(j->number, n);
        struct cache_entry e = {.head = {(const char *)&n, sizeof(n)},
                                .body = {j->bytes, size_of(n)},
                                .stored_ms = WALL_MS,
                                .expires_ms = WALL_MS + 3600000};
        j->tried += e.body.len;
        j->kept += cache_put(j->store, &k, &e, WALL_MS);
        look_up(j, n > 50 ? n - n * 7919 % 50 : n, &out); /* one of the latest */
    }
    buffer_release(&out);
    return NULL;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_hits(const struct job *jobs, size_t from, size_t to)
{
    uint32_t *all = mem_alloc(THREADS * SAMPLES * sizeof(*all));
    size_t n = 0;
    for (unsigned t = 0; t < THREADS; t++) {
        for (unsigned i = 0; i < jobs[t].hits; i++) {
            if (jobs[t].took_len[i] >= from && jobs[t].took_len[i] < to) {
                all[n++] = jobs[t].took_ns[i];
            }
        }
    }
    qsort(all, n, sizeof(*all), by_number);
    if (n) {
        printf("cache: hits of %7zu to %7zu bytes: %7zu, p50 %6.1f us, p99 %6.1f us\n", from,
               to - 1, n, all[n / 2] / 1e3, all[n * 99 / 100] / 1e3);
    }
    mem_free(all);
}

static void print_key(void)
{
    enum { TIMES = 200 };
    struct buffer body;
    struct cache_key k;
    buffer_init(&body, MIB);
    (void)buffer_append_z(&body, "{\"stream\":true,\"model\":\"gpt-4o\",\"messages\":[");
    for (unsigned i = 0; body.len < 65000; i++) {
        (void)buffer_printf(&body,
                            "%s{\"role\":\"user\",\"content\":\"The committee met on Tuesday, and "
                            "agreed\\nthat the \\\"old\\\" bridge be closed; number %u.\"}",
                            i ? "," : "", i);
    }
    (void)buffer_append_z(&body, "],\"temperature\":0.20,\"max_tokens\":256}");
    struct cache_key_parts p = {.model = STR_LIT("gpt-4o"), .body = buffer_str(&body)};
    struct arena *a = arena_new(0);
    uint64_t best = UINT64_MAX;
    for (unsigned i = 0; i < TIMES; i++) {
        uint64_t from = now_ns();
        (void)cache_key_make(&p, a, &k);
        uint64_t took = now_ns() - from;
        best = took < best ? took : best;
        arena_reset(a);
    }
    printf("cache: key of a body of %zu bytes: %.1f us\n", body.len, (double)best / 1e3);
    arena_free(a);
    buffer_release(&body);
}

int main(int argc, char **argv)
{
    size_t gib = argc > 1 ? strtoul(argv[1], NULL, 10) : 8, kept = 0;
    struct cache_store *s = cache_store_new(CEILING);
    struct job jobs[THREADS] = {{0}};
    pthread_t threads[THREADS];
    struct cache_counts c;
    unsigned wrong = 0;
    char *bytes = mem_alloc(MIB);
    crypto_random(bytes, MIB);
    uint64_t from = now_ns();
    for (unsigned t = 0; t < THREADS; t++) {
        jobs[t] = (struct job){
            .store = s, .bytes = bytes, .to_put = gib * 1024 * MIB / THREADS, .number = t};
        jobs[t].took_ns = mem_alloc(SAMPLES * sizeof(*jobs[t].took_ns));
        jobs[t].took_len = mem_alloc(SAMPLES * sizeof(*jobs[t].took_len));
        if (pthread_create(&threads[t], NULL, run, &jobs[t]) != 0) {
            return 1;
        }
    }
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        kept += jobs[t].kept;
        wrong += jobs[t].wrong;
    }
    double seconds = (double)(now_ns() - from) / 1e9, peak = status_mib("VmHWM:");
    cache_counts(s, &c);
    printf(
        "cache: %zu GiB into %zu MiB in %.1f s: %zu puts, %llu evicted, %llu entries, %.0f MiB of "
        "blocks\n",
        gib, CEILING / MIB, seconds, kept, (unsigned long long)c.evicted,
        (unsigned long long)c.entries, (double)c.bytes / (double)MIB);
    printf("cache: resident at most %.1f MiB (ceiling of the promise: %.0f)\n", peak, RSS_MAX_MIB);
    print_hits(jobs, 0, 16384);
    print_hits(jobs, 16384, 131072);
    print_hits(jobs, 131072, 2 * MIB);
    print_key();
    cache_store_free(s);
    for (unsigned t = 0; t < THREADS; t++) {
        mem_free(jobs[t].took_ns);
        mem_free(jobs[t].took_len);
    }
    mem_free(bytes);
    if (wrong) {
        printf("cache: %u hits held other bytes than were put\n", wrong);
    }
    return wrong || peak > RSS_MAX_MIB;
}
