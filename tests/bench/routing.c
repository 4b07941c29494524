/* What choosing a target costs a request: ns per facts_init + walk_new + walk_first, each target
 * looked up in the table of targets. Three levels with ten targets by each mode, and a conditional
 * of a thousand targets whose last condition holds. Fails when the median of the rounds passes the
 * bound (5 us and 50 us), in an optimized build without sanitizers. Usage: bench-routing [rounds]
 */
#include "dataplane/routing/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define BOUNDS_HOLD true
#else
#define BOUNDS_HOLD false
#endif
#define TIMES 500

struct bench {
    struct target_table *table;
    struct walk_env env;
    uint64_t random;
    struct str metadata;
};

static uint64_t bench_random(void *arg, uint64_t n)
{
    struct bench *b = arg;
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random % n;
}

static void bench_fact(void *arg, const struct route_field *f, struct fact *ret)
{
    struct bench *b = arg;
    struct json_member m = {.name = f->name};
    if (json_scan(b->metadata, &m, 1, 0, NULL) && m.found) {
        fact_json(ret, b->env.arena, m.value);
    }
}

static struct target_state *bench_state(void *arg, const struct route_node *leaf)
{
    struct bench *b = arg;
    struct uuid id = {0};
    memcpy(&id, leaf->provider.ptr,
           leaf->provider.len < sizeof(id) ? leaf->provider.len : sizeof(id));
    return target_state_of(b->table, &id, leaf->provider, STR_LIT("m"), 0, b->env.now_ms);
}

static uint64_t bench_price(void *arg, const struct route_node *leaf)
{
    (void)arg;
    return 1000 + leaf->ordinal;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t median_ns(struct bench *b, const struct route_tree *t, long rounds)
{
    uint64_t *each = mem_alloc((size_t)rounds * sizeof(*each)), median;
    for (long r = 0; r < rounds; r++) {
        uint64_t from = now_ns();
        for (int i = 0; i < TIMES; i++) {
            struct walk_step step;
            arena_reset(b->env.arena);
            struct walk *w = walk_new(t, &b->env);
            if (!w || walk_first(w, &step) != WALK_TRY) {
                fprintf(stderr, "routing: no target was found\n");
                exit(1);
            }
        }
        each[r] = (now_ns() - from) / TIMES;
    }
    qsort(each, (size_t)rounds, sizeof(*each), by_size);
    median = each[rounds / 2];
    mem_free(each);
    return median;
}

/* False: over the bound. */
static bool run(struct bench *b, const char *name, struct str json, uint64_t bound_ns, long rounds)
{
    struct arena *a = arena_new(0);
    struct error err = ERROR_INIT;
    const struct route_tree *t;
    if (!route_config_compile(json, a, &t, &err)) {
        fprintf(stderr, "routing: %s: %s (%s)\n", name, error_text(&err), err.param);
        exit(1);
    }
    uint64_t ns = median_ns(b, t, rounds);
    bool slow = ns > bound_ns;
    printf("%-32s %10llu %10llu%s\n", name, (unsigned long long)ns, (unsigned long long)bound_ns,
           slow ? "  over" : "");
    arena_free(a);
    return !slow || !BOUNDS_HOLD;
}

/* conditional > mode > fallback; the second half of the targets stands in the default's branch. */
static bool three_levels(struct bench *b, enum route_mode mode, long rounds)
{
    char json[2048], name[64];
    size_t n = (size_t)snprintf(
        json, sizeof(json),
        "{\"strategy\":{\"mode\":\"conditional\",\"default\":\"rest\",\"conditions\":[{\"query\":{"
        "\"metadata.plan\":\"gold\"},\"then\":\"rest\"},{\"query\":{\"metadata.plan\":{\"$in\":["
        "\"pro\",\"max\"]}},\"then\":\"best\"}]},\"targets\":[");
    for (int side = 0; side < 2; side++) {
        n += (size_t)snprintf(json + n, sizeof(json) - n,
                              "%s{\"name\":\"%s\",\"strategy\":{\"mode\":\"%s\"},\"targets\":[",
                              side ? "," : "", side ? "rest" : "best", route_mode_name(mode));
        for (int i = 0; i < 5; i++) {
            bool group = i < 2;
            char target[128];
            (void)snprintf(target, sizeof(target), "\"provider\":\"provider-%d-%d\"", side, i);
            n += (size_t)snprintf(
                json + n, sizeof(json) - n,
                group ? "%s{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{%s}]}" : "%s{%s}",
                i ? "," : "", target);
        }
        n += (size_t)snprintf(json + n, sizeof(json) - n, "]}");
    }
    n += (size_t)snprintf(json + n, sizeof(json) - n, "]}");
    (void)snprintf(name, sizeof(name), "10 targets, %s", route_mode_name(mode));
    return run(b, name, (struct str){json, n}, 5000, rounds);
}

/* query: of condition i, with %d for i; the request is the last one's. */
static bool thousand(struct bench *b, const char *name, bool numbers, long rounds)
{
    struct buffer json;
    buffer_init(&json, 1 << 20);
    buffer_append_z(&json, "{\"strategy\":{\"mode\":\"conditional\",\"conditions\":[");
    for (int i = 0; i < 1000; i++) {
        buffer_printf(&json, "%s{\"query\":{", i ? "," : "");
        if (numbers) {
            buffer_printf(&json, "\"metadata.n\":{\"$gte\":%d,\"$lt\":%d}", i * 10, i * 10 + 10);
        } else {
            buffer_printf(&json, "\"metadata.tenant\":\"tenant-%03d\"", i);
        }
        buffer_printf(&json, "},\"then\":\"t%d\"}", i);
    }
    buffer_append_z(&json, "]},\"targets\":[");
    for (int i = 0; i < 1000; i++) {
        buffer_printf(&json, "%s{\"name\":\"t%d\",\"provider\":\"provider-%d\"}", i ? "," : "", i,
                      i);
    }
    buffer_append_z(&json, "]}");
    bool fine = run(b, name, buffer_str(&json), 50000, rounds);
    buffer_release(&json);
    return fine;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 101;
    struct bench b = {
        .table = target_table_new(0),
        .random = 88172645463325252u,
        .metadata =
            STR_LIT("{\"user\":\"u-81\",\"plan\":\"pro\",\"tenant\":\"tenant-999\",\"n\":9995}")};
    static const enum route_mode modes[] = {
        ROUTE_FALLBACK,   ROUTE_WEIGHTED,   ROUTE_ROUND_ROBIN,     ROUTE_LEAST_LATENCY,
        ROUTE_LEAST_BUSY, ROUTE_LEAST_COST, ROUTE_CONSISTENT_HASH, ROUTE_PRIORITY};
    bool fine = true;

    b.env = (struct walk_env){.arg = &b,
                              .arena = arena_new(0),
                              .now_ms = 1000000,
                              .wall_s = 1800000000,
                              .random = bench_random,
                              .fact = bench_fact,
                              .state = bench_state,
                              .price = bench_price,
                              .caller = STR_LIT("key_1")};
    rounds = rounds > 0 ? rounds : 1;
    printf("%-32s %10s %10s\n", "routing", "ns", "bound");
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        fine &= three_levels(&b, modes[i], rounds);
    }
    fine &= thousand(&b, "1000 conditions, texts", false, rounds);
    fine &= thousand(&b, "1000 conditions, ranges", true, rounds);
    arena_free(b.env.arena);
    target_table_free(b.table);
    return fine ? 0 : 1;
}
