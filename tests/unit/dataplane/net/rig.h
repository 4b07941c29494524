/* What the tests of net/ and upstream/ share: one loop, driven by hand, and plain sockets as the
 * other side, all in one thread. Waiting is always for a condition, with a bound in real time past
 * which the test fails. */
#ifndef TESTS_UNIT_DATAPLANE_NET_RIG_H
#define TESTS_UNIT_DATAPLANE_NET_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "dataplane/net/listener.h"
#include "dataplane/net/loop.h"

#define RIG_WAIT_MS 5000u

/* The kernel's clock plus what a test adds: deadlines strike when a test says so. */
static uint64_t rig_clock_ahead_ns;

static inline uint64_t rig_kernel_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t rig_clock(void)
{
    return rig_kernel_ns() + rig_clock_ahead_ns;
}

static inline uint64_t rig_wall(void)
{
    return 1795301611ull * 1000000000u; /* Sat, 21 Nov 2026 22:53:31 GMT */
}

static inline void rig_skip_ms(uint64_t ms)
{
    rig_clock_ahead_ns += ms * 1000000u;
}

#define RIG_UNTIL(l, condition)                                          \
    do {                                                                 \
        uint64_t rig_from = rig_kernel_ns();                             \
        while (!(condition)) {                                           \
            if (rig_kernel_ns() - rig_from > RIG_WAIT_MS * 1000000ull) { \
                fail_msg("waited in vain for %s", #condition);           \
            }                                                            \
            loop_turn((l), 5);                                           \
        }                                                                \
    } while (0)

static inline void rig_turns(struct loop *l, int n)
{
    while (n-- > 0) {
        loop_turn(l, 0);
    }
}

static inline int rig_connect(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline void rig_send(int fd, const char *p, size_t n)
{
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

static inline void rig_say(int fd, const char *z)
{
    rig_send(fd, z, strlen(z));
}

/* One non-blocking read into `in`; false at the end of the stream (or a reset). */
static inline bool rig_pull(int fd, struct buffer *in)
{
    char tmp[65536];
    ssize_t n = recv(fd, tmp, sizeof(tmp), MSG_DONTWAIT);
    if (n > 0) {
        assert_true(buffer_append(in, tmp, (size_t)n));
        return true;
    }
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static inline bool rig_holds(const struct buffer *in, const char *text)
{
    return in->len && memmem(in->ptr, in->len, text, strlen(text));
}

static inline unsigned rig_count(const struct buffer *in, const char *text)
{
    unsigned n = 0;
    const char *p = in->ptr;
    size_t left = in->len;
    const char *at;
    while (left && (at = memmem(p, left, text, strlen(text)))) {
        n++;
        left -= (size_t)(at - p) + 1;
        p = at + 1;
    }
    return n;
}

/* Turns the loop until what the client has received holds the text. */
static inline void rig_expect(struct loop *l, int fd, struct buffer *in, const char *text)
{
    uint64_t from = rig_kernel_ns();
    while (!rig_holds(in, text)) {
        if (!rig_pull(fd, in) || rig_kernel_ns() - from > RIG_WAIT_MS * 1000000ull) {
            fail_msg("no \"%s\" in what came: \"%.*s\"", text, (int)(in->len < 900 ? in->len : 900),
                     in->ptr ? in->ptr : "");
        }
        loop_turn(l, 2);
    }
}

/* Until the other side has closed. */
static inline void rig_expect_end(struct loop *l, int fd, struct buffer *in)
{
    uint64_t from = rig_kernel_ns();
    while (rig_pull(fd, in)) {
        if (rig_kernel_ns() - from > RIG_WAIT_MS * 1000000ull) {
            fail_msg("the connection was not closed");
        }
        loop_turn(l, 2);
    }
}

/* A listening socket of the other side. */
static inline int rig_listen(uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static inline int rig_accept(struct loop *l, int listening)
{
    int fd = -1;
    RIG_UNTIL(l, (fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
    return fd;
}

#endif
