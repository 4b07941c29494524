/* The bench's upstream: answers every POST with the same 1 KB chat completion, as fast as one
 * thread can. It checks nothing; correctness is the business of tests/e2e. Usage: bench-mock PORT
 * (0: any; the port is printed). */
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

#include "common/base/mem.h"

struct client {
    int fd;
    size_t body_left; /* of the request that is being read */
    size_t head_len;
    char head[8192];
};

static char answer[2048];
static size_t answer_len;

static void make_answer(void)
{
    char body[1200];
    int n = snprintf(
        body, sizeof(body),
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"gpt-4o\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%0640d\"},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":64,"
        "\"completion_tokens\":128,\"total_tokens\":192,\"prompt_tokens_details\":{\"cached_"
        "tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0}},\"system_fingerprint\":\"fp_"
        "bench\"}",
        0);
    answer_len = (size_t)snprintf(
        answer, sizeof(answer),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n,
        body);
}

/* Takes the bytes of one read; answers each request that ends in them. False: close. */
static bool client_feed(struct client *c, const char *p, size_t n)
{
    while (n > 0) {
        if (c->body_left > 0) {
            size_t take = n < c->body_left ? n : c->body_left;
            c->body_left -= take;
            p += take;
            n -= take;
        } else {
            size_t room = sizeof(c->head) - 1 - c->head_len, take = n < room ? n : room;
            memcpy(c->head + c->head_len, p, take);
            c->head[c->head_len + take] = '\0';
            char *end = strstr(c->head, "\r\n\r\n");
            if (end == NULL) {
                c->head_len += take;
                if (take == room) {
                    return false;
                }
                return true;
            }
            size_t used = (size_t)(end + 4 - c->head) - c->head_len;
            p += used;
            n -= used;
            char *length = strcasestr(c->head, "\r\ncontent-length:");
            c->body_left = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
            c->head_len = 0;
            if (c->body_left > 0) {
                continue;
            }
        }
        if (c->body_left == 0 &&
            send(c->fd, answer, answer_len, MSG_NOSIGNAL) != (ssize_t)answer_len) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    static char scratch[1 << 18];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);
    a.sin_port = htons((uint16_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 0));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(listener, 1024) != 0) {
        perror("listen");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&a, &len);
    printf("%u\n", ntohs(a.sin_port));
    fflush(stdout);
    make_answer();
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL}, got[256];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
    for (;;) {
        int n = epoll_wait(ep, got, 256, -1);
        for (int i = 0; i < n; i++) {
            struct client *c = got[i].data.ptr;
            if (c == NULL) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (fd >= 0) {
                    c = mem_alloc(sizeof(*c));
                    c->fd = fd;
                    ev = (struct epoll_event){.events = EPOLLIN, .data.ptr = c};
                    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
                }
                continue;
            }
            ssize_t r = recv(c->fd, scratch, sizeof(scratch), 0);
            if (r == 0 || (r < 0 && errno != EAGAIN) ||
                (r > 0 && !client_feed(c, scratch, (size_t)r))) {
                close(c->fd);
                mem_free(c);
            }
        }
    }
}
