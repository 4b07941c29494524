/* Job threads: see work.h. */
#include "controlplane/channel/work.h"

#include <pthread.h>

#include "common/base/mem.h"

struct job {
    work_fn run;
    void *arg;
};

struct work {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job *ring;
    unsigned max, first, n;
    pthread_t *threads;
    unsigned n_threads;
    bool stopping;
};

static void *work_run(void *arg)
{
    struct work *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->stopping) {
        if (w->n == 0) {
            pthread_cond_wait(&w->more, &w->lock);
            continue;
        }
        struct job j = w->ring[w->first];
        w->first = (w->first + 1) % w->max;
        w->n--;
        pthread_mutex_unlock(&w->lock);
        j.run(j.arg, true);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct work *work_new(unsigned threads, unsigned max_jobs)
{
    struct work *w = mem_alloc(sizeof(*w));
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    w->max = max_jobs;
    w->ring = mem_alloc(max_jobs * sizeof(*w->ring));
    w->threads = mem_alloc(threads * sizeof(*w->threads));
    while (w->n_threads < threads &&
           pthread_create(&w->threads[w->n_threads], NULL, work_run, w) == 0) {
        w->n_threads++;
    }
    if (w->n_threads == 0) {
        work_free(w);
        return NULL;
    }
    return w;
}

bool work_push(struct work *w, work_fn run, void *arg)
{
    pthread_mutex_lock(&w->lock);
    bool ok = !w->stopping && w->n < w->max;
    if (ok) {
        w->ring[(w->first + w->n++) % w->max] = (struct job){run, arg};
        pthread_cond_signal(&w->more);
    }
    pthread_mutex_unlock(&w->lock);
    return ok;
}

void work_stop(struct work *w)
{
    if (!w) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->n_threads; i++) {
        pthread_join(w->threads[i], NULL);
    }
    w->n_threads = 0;
    for (; w->n > 0; w->n--) {
        struct job j = w->ring[w->first];
        w->first = (w->first + 1) % w->max;
        j.run(j.arg, false);
    }
}

void work_free(struct work *w)
{
    if (w) {
        pthread_cond_destroy(&w->more);
        pthread_mutex_destroy(&w->lock);
        mem_free(w->threads);
        mem_free(w->ring);
        mem_free(w);
    }
}
