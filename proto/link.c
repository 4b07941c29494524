/* What both ends of a link share: TLS settings, messages, errors. See link.h; the ends are
 * link_server.c and link_client.c. */
#include "proto/link_internal.h"

#include <pthread.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log.h"

#define QUIET_MS 30
#define QUIET_WAIT_MS 200
#define CLOSE_WAIT_MS 3000

bool link_fail(struct error *err, const char *what, const char *url, int rv)
{
    return error_set(err, ERR_INTERNAL, "%s \"%s\": %s", what, url, nng_strerror(rv));
}

bool link_tls_config(const struct link_tls *tls, bool server, nng_tls_config **ret,
                     struct error *err)
{
    nng_tls_config *c;
    int rv = nng_tls_config_alloc(&c, server ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
    if (rv != 0) {
        return error_set(err, ERR_INTERNAL, "TLS: %s", nng_strerror(rv));
    }
    if ((rv = nng_tls_config_version(c, NNG_TLS_1_2, NNG_TLS_1_2)) == 0 &&
        (rv = nng_tls_config_auth_mode(c, NNG_TLS_AUTH_MODE_REQUIRED)) == 0 &&
        (rv = nng_tls_config_ca_chain(c, tls->ca_pem, NULL)) == 0 &&
        (rv = nng_tls_config_own_cert(c, tls->cert_pem, tls->key_pem, NULL)) == 0 &&
        (server || (rv = nng_tls_config_server_name(c, LINK_SERVER_NAME)) == 0)) {
        *ret = c;
        return true;
    }
    nng_tls_config_free(c);
    return error_set(err, ERR_INTERNAL, "certificate or key for the channel: %s", nng_strerror(rv));
}

nng_msg *link_message_of(struct str s)
{
    nng_msg *m;
    if (nng_msg_alloc(&m, 0) != 0) {
        return NULL;
    }
    if (nng_msg_append(m, s.ptr, s.len) != 0) {
        nng_msg_free(m);
        return NULL;
    }
    return m;
}

void link_send_or_drop(nng_socket s, nng_msg *m)
{
    if (m && nng_sendmsg(s, m, NNG_FLAG_NONBLOCK) != 0) {
        nng_msg_free(m);
    }
}

struct str link_message_str(nng_msg *m)
{
    return (struct str){nng_msg_body(m), nng_msg_len(m)};
}

void link_wait_quiet(atomic_ullong *last_ms)
{
    uint64_t give_up = clock_mono_ms() + QUIET_WAIT_MS, now;
    while ((now = clock_mono_ms()) < give_up && now < atomic_load(last_ms) + QUIET_MS) {
        const struct timespec t = {.tv_nsec = 5000000};
        (void)nanosleep(&t, NULL);
    }
}

/* Shared by who closes and who waits for it; freed by the last of the two. */
struct closing {
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    nng_socket socket;
    bool done;
    unsigned refs;
};

static void closing_leave(struct closing *c)
{
    bool last = --c->refs == 0;
    pthread_mutex_unlock(&c->lock);
    if (last) {
        pthread_cond_destroy(&c->done_cond);
        pthread_mutex_destroy(&c->lock);
        mem_free(c);
    }
}

static void *closing_run(void *arg)
{
    struct closing *c = arg;
    nng_close(c->socket);
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_signal(&c->done_cond);
    closing_leave(c);
    return NULL;
}

bool link_close_socket(nng_socket s)
{
    pthread_t thread;
    pthread_condattr_t attr;
    struct timespec until;
    struct closing *c = mem_alloc(sizeof(*c));
    c->socket = s;
    c->refs = 2;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->done_cond, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&thread, NULL, closing_run, c) != 0) {
        c->refs = 1;
        (void)closing_run(c);
        return true;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CLOSE_WAIT_MS / 1000;
    pthread_mutex_lock(&c->lock);
    while (!c->done && pthread_cond_timedwait(&c->done_cond, &c->lock, &until) == 0) {
    }
    bool done = c->done;
    closing_leave(c);
    if (done) {
        (void)pthread_join(thread, NULL);
    } else {
        (void)pthread_detach(thread);
        log_write(LOG_WARN, "link_not_closed", "NNG does not end a socket; it is given up");
    }
    return done;
}
