/* One command to many planes. Each is waited for by a thread of its own, as far as there are so
 * many: what one waits for is another process, and a plane that stays silent must not hold up the
 * others. */
#include "controlplane/channel/channel.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

#define THREADS_MAX 16

struct round {
    struct channel *channel;
    const struct uuid *planes;
    size_t n;
    unsigned kind;
    struct str body;
    uint64_t until_ms;
    struct channel_answer *answers; /* texts in the asker's arena */
    atomic_size_t next;
};

struct asker {
    struct round *round;
    struct arena *arena;
    pthread_t thread;
};

static void ask(struct round *r, size_t i, struct arena *a)
{
    struct channel_answer *to = &r->answers[i];
    uint64_t now = clock_mono_ms();
    if (now >= r->until_ms) {
        to->ok = error_set(&to->error, ERR_UPSTREAM_TIMEOUT, "no time was left to ask it");
        return;
    }
    to->ok = channel_command(r->channel, &r->planes[i], NULL, r->kind, r->body,
                             (unsigned)(r->until_ms - now), a, NULL, &to->json, &to->error);
}

static void *work(void *arg)
{
    const struct asker *k = arg;
    size_t i;
    while ((i = atomic_fetch_add(&k->round->next, 1)) < k->round->n) {
        ask(k->round, i, k->arena);
    }
    return NULL;
}

void channel_command_all(struct channel *c, const struct uuid *planes, size_t n, unsigned kind,
                         struct str body, unsigned timeout_ms, struct arena *a,
                         struct channel_answer *ret)
{
    struct asker askers[THREADS_MAX];
    struct round r = {.channel = c,
                      .planes = planes,
                      .n = n,
                      .kind = kind,
                      .body = body,
                      .until_ms = clock_mono_ms() + timeout_ms,
                      .answers = ret};
    size_t n_threads = 0;
    for (size_t i = 0; i < n; i++) {
        ret[i] = (struct channel_answer){.error = ERROR_INIT};
    }
    while (n_threads < THREADS_MAX && n_threads < n) {
        struct asker *k = &askers[n_threads];
        *k = (struct asker){.round = &r, .arena = arena_new(0)};
        if (pthread_create(&k->thread, NULL, work, k) != 0) {
            arena_free(k->arena);
            break;
        }
        n_threads++;
    }
    if (n_threads == 0 && n > 0) {
        struct asker self = {.round = &r, .arena = a};
        (void)work(&self);
    }
    for (size_t i = 0; i < n_threads; i++) {
        (void)pthread_join(askers[i].thread, NULL);
    }
    for (size_t i = 0; n_threads && i < n; i++) {
        ret[i].json = ret[i].ok ? arena_str(a, ret[i].json) : STR_NONE;
        ret[i].ok = ret[i].json.ptr != NULL;
    }
    for (size_t i = 0; i < n_threads; i++) {
        arena_free(askers[i].arena);
    }
}
