/* A proxy on its own, as far as money goes, killed at any moment: its spool, the reader that writes
 * and books, the ledger. What a request charged is booked once; what was cut, once at its bound. */
#include "dataplane/limits/own_rig.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/log.h"
#include "dataplane/report/sink_file.h"

#define BOUND 1000u /* what a request is sent at; in the end it comes to 1 … 7 */
#define ROUNDS 25u

/* In memory that outlives a process: requests are numbered through all of them. */
struct progress {
    _Atomic uint64_t opened, ended; /* of all below: known to be in the spool */
};

static uint64_t cost_of(uint64_t n)
{
    return 1 + n % 7;
}

struct life {
    struct spool *spool;
    struct own_ledger *ledger;
    struct sink_file *sink;
};

static bool on_book(void *arg, const struct str *events, size_t n, struct error *err)
{
    const struct life *life = arg;
    return own_ledger_book(life->ledger, events, n, err);
}

static void on_caught_up(void *arg)
{
    const struct life *life = arg;
    own_ledger_caught_up(life->ledger);
}

/* False: something could not be opened. */
static bool life_begin(struct life *life)
{
    static char spool_folder[300], events[300];
    struct error err = ERROR_INIT;
    (void)snprintf(spool_folder, sizeof(spool_folder), "%.*s/spool", (int)strlen(folder) - 7,
                   folder);
    (void)snprintf(events, sizeof(events), "%.*s/events.jsonl", (int)strlen(folder) - 7, folder);
    struct own_ledger_config lc = rig_config();
    struct spool_config sc = {
        .folder = spool_folder, .segment_bytes = 256 << 10, .max_bytes = 8 << 20};
    lc.compact_bytes = 1500;
    life->spool = spool_open(&sc, event_recover, NULL, &err);
    life->ledger = own_ledger_open(&lc, &err);
    struct sink_file_config c = {.path = events,
                                 .spools = &life->spool,
                                 .n_spools = 1,
                                 .wait_ms = 1,
                                 .book = on_book,
                                 .caught_up = on_caught_up,
                                 .arg = life};
    life->sink = life->spool && life->ledger ? sink_file_start(&c, &err) : NULL;
    return life->sink != NULL;
}

static struct event event_of(uint64_t n, const struct event_charge *c)
{
    return (struct event){.id = event_id(n),
                          .endpoint = STR_LIT("chat.completions"),
                          .outcome = EVENT_OK,
                          .charges = c,
                          .n_charges = 1};
}

/* One request after the other, for ever. */
static void serve(struct life *life, struct progress *p)
{
    struct error err = ERROR_INIT;
    struct buffer b;
    buffer_init(&b, 65536);
    for (uint64_t n = p->opened;; n++) {
        struct event_charge c = charge_of(0, "", BOUND);
        struct event e = event_of(n, &c);
        struct event_attempt attempt = {.number = 1, .bound_nanousd = BOUND};
        e.attempts = &attempt;
        e.n_attempts = 1;
        buffer_clear(&b);
        if (!event_write_open(&e, &b) ||
            !spool_append_open(life->spool, &e.id, buffer_str(&b), 400, &err)) {
            _exit(3);
        }
        p->opened = n + 1;
        c.amount = cost_of(n);
        buffer_clear(&b);
        if (!event_write(&e, &b) || !spool_append_event(life->spool, &e.id, buffer_str(&b), &err)) {
            _exit(4);
        }
        p->ended = n + 1;
        while (n % 16 == 15) { /* no further ahead than the spool holds */
            struct spool_stats stats;
            spool_stats(life->spool, &stats);
            if (stats.waiting_records < 400) {
                break;
            }
            (void)sched_yield();
        }
    }
}

static uint64_t random_state = 362436069;

static uint64_t random_below(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

static void killed_somewhere(struct progress *p)
{
    uint64_t until = p->ended + 1 + random_below(300), spin = random_below(30000);
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct life life;
        if (!life_begin(&life)) {
            _exit(2);
        }
        serve(&life, p);
    }
    while (p->ended < until && waitpid(pid, &status, WNOHANG) == 0) {
        (void)sched_yield();
    }
    for (volatile uint64_t i = 0; i < spin; i++) {
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
}

static void test_killed_at_any_moment(void **state)
{
    (void)state;
    uint64_t booked = 0, done = 0, cut = 0;
    struct progress *p =
        mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    log_init("test", LOG_ERROR + 1, false);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct life life;
        struct own_ledger_stats stats;
        killed_somewhere(p);
        assert_true(life_begin(&life)); /* the next process; here it only takes up what is left */
        while (!own_ledger_is_caught_up(life.ledger)) {
            (void)sched_yield();
        }
        uint64_t ended = p->ended, opened = p->opened;
        for (; done < ended; done++) {
            booked += cost_of(done);
        }
        /* the last one: not begun, cut (at its bound), or ended and killed before it was noted */
        uint64_t stands = settled(life.ledger, 0, ""), last = stands - booked;
        assert_true(opened - ended <= 1);
        if (last == BOUND) {
            cut++;
        } else {
            assert_true(last == cost_of(ended) ? opened > ended : last == 0 && opened == ended);
        }
        p->opened = p->ended = done = last ? ended + 1 : ended;
        booked = stands;
        own_ledger_stats(life.ledger, &stats);
        assert_int_equal(stats.failures, 0);
        sink_file_stop(life.sink, 5000);
        assert_int_equal(settled(life.ledger, 0, ""), booked);
        own_ledger_close(life.ledger);
        spool_close(life.spool);
    }
    assert_true(done > ROUNDS);
    (void)cut; /* how many there were is chance */
    (void)munmap(p, sizeof(*p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_killed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
