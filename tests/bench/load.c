/* The bench's client: C connections, each sending the next request when the answer to the last one
 * has come, for T seconds. Usage: bench-load PORT CONNECTIONS SECONDS BODY_BYTES KEY PATH Prints
 * one line: requests errors seconds p50_us p99_us. An answer that is no 200 is an error. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

struct conn {
    int fd;
    size_t sent, head_len, body_left;
    bool in_body;
    uint64_t began_ns;
    char head[4096];
};

static char *request;
static size_t request_len;
static uint64_t done, errors;
static uint32_t latency_us[1 << 16]; /* by microsecond, the last bucket holds the rest */

static void make_request(size_t body_bytes, const char *key, const char *path)
{
    const char *front = "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"",
               *back = "\"}],\"temperature\":0.2}";
    size_t frame = strlen(front) + strlen(back), text = body_bytes > frame ? body_bytes - frame : 1;
    char *body = mem_alloc(frame + text + 1);
    static const char words[] =
        "The quick brown fox jumps over the lazy dog, and then it rests a while. ";
    memcpy(body, front, strlen(front));
    for (size_t i = 0; i < text; i++) {
        body[strlen(front) + i] = words[i % (sizeof(words) - 1)];
    }
    memcpy(body + strlen(front) + text, back, strlen(back));
    request = mem_alloc(frame + text + 512);
    int n = snprintf(request, 512,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                     "application/json\r\nAuthorization: Bearer %s\r\n"
                     "User-Agent: bench\r\nAccept: application/json\r\nContent-Length: %zu\r\n\r\n",
                     path, key, frame + text);
    memcpy(request + n, body, frame + text);
    request_len = (size_t)n + frame + text;
    mem_free(body);
}

static bool conn_send(struct conn *c, int ep)
{
    ssize_t n = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) {
        return false;
    }
    c->sent += n > 0 ? (size_t)n : 0;
    struct epoll_event ev = {.events = EPOLLIN | (c->sent < request_len ? EPOLLOUT : 0),
                             .data.ptr = c};
    static bool armed[1 << 16];
    bool want = c->sent < request_len;
    if (want != armed[c->fd & 0xffff]) {
        armed[c->fd & 0xffff] = want;
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
    }
    return true;
}

static bool conn_next(struct conn *c, int ep)
{
    c->sent = c->head_len = c->body_left = 0;
    c->in_body = false;
    c->began_ns = clock_mono_ns();
    return conn_send(c, ep);
}

/* One answer at a time: there is no pipelining here. Returns 1 when it is whole, 0 for more, -1 on
 * a fault. */
static int conn_feed(struct conn *c, const char *p, size_t n)
{
    if (!c->in_body) {
        if (c->head_len + n >= sizeof(c->head)) {
            return -1;
        }
        memcpy(c->head + c->head_len, p, n);
        c->head_len += n;
        c->head[c->head_len] = '\0';
        char *end = strstr(c->head, "\r\n\r\n");
        if (end == NULL) {
            return 0;
        }
        char *length = strcasestr(c->head, "\r\ncontent-length:");
        if (length == NULL || strncmp(c->head, "HTTP/1.1 200", 12) != 0) {
            return -1;
        }
        size_t body = strtoul(length + 17, NULL, 10),
               have = c->head_len - (size_t)(end + 4 - c->head);
        c->in_body = true;
        c->body_left = body - have;
    } else {
        c->body_left -= n;
    }
    return c->body_left == 0;
}

static int conn_open(int ep, uint16_t port, struct conn *c)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        return -1;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    return epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

static uint64_t percentile(uint64_t total, unsigned per_thousand)
{
    uint64_t want = total * per_thousand / 1000, seen = 0;
    for (size_t i = 0; i < sizeof(latency_us) / sizeof(latency_us[0]); i++) {
        seen += latency_us[i];
        if (seen > want) {
            return i;
        }
    }
    return sizeof(latency_us) / sizeof(latency_us[0]);
}

int main(int argc, char **argv)
{
    static char scratch[1 << 18];
    if (argc != 7) {
        fprintf(stderr, "usage: bench-load PORT CONNECTIONS SECONDS BODY_BYTES KEY PATH\n");
        return 2;
    }
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    size_t n_conns = strtoul(argv[2], NULL, 10);
    double seconds = strtod(argv[3], NULL);
    make_request(strtoul(argv[4], NULL, 10), argv[5], argv[6]);
    struct conn *conns = mem_alloc(n_conns * sizeof(*conns));
    int ep = epoll_create1(0);
    for (size_t i = 0; i < n_conns; i++) {
        if (conn_open(ep, port, &conns[i]) != 0 || !conn_next(&conns[i], ep)) {
            perror("connect");
            return 1;
        }
    }
    uint64_t began = clock_mono_ns(), end = began + (uint64_t)(seconds * 1e9);
    size_t busy = n_conns;
    while (busy > 0 && clock_mono_ns() < end + 5000000000u) {
        struct epoll_event got[256];
        int n = epoll_wait(ep, got, 256, 100);
        for (int i = 0; i < n; i++) {
            struct conn *c = got[i].data.ptr;
            if ((got[i].events & EPOLLOUT) && c->sent < request_len && !conn_send(c, ep)) {
                errors++;
            }
            if (!(got[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
                continue;
            }
            ssize_t r = recv(c->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
            int whole =
                r > 0 ? conn_feed(c, scratch, (size_t)r) : (r < 0 && errno == EAGAIN ? 0 : -1);
            if (whole < 0) {
                errors++;
                close(c->fd);
                if (errors > 1000 || conn_open(ep, port, c) != 0 || !conn_next(c, ep)) {
                    printf("%llu %llu 0 0 0\n", (unsigned long long)done,
                           (unsigned long long)errors);
                    return 1;
                }
            } else if (whole) {
                uint64_t us = (clock_mono_ns() - c->began_ns) / 1000;
                latency_us[us < 65535 ? us : 65535]++;
                done++;
                if (clock_mono_ns() >= end) {
                    busy--; /* no answer is left behind: each request sent is counted */
                } else if (!conn_next(c, ep)) {
                    errors++;
                }
            }
        }
    }
    printf("%llu %llu %.3f %llu %llu\n", (unsigned long long)done, (unsigned long long)errors,
           (double)(clock_mono_ns() - began) / 1e9, (unsigned long long)percentile(done, 500),
           (unsigned long long)percentile(done, 990));
    return 0;
}
