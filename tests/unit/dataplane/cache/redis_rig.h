/* A redis-server of a test's own, on a port of its own, without any file. */
#ifndef TESTS_UNIT_DATAPLANE_CACHE_REDIS_RIG_H
#define TESTS_UNIT_DATAPLANE_CACHE_REDIS_RIG_H

#include "dataplane/net/rig.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static inline uint16_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)close(fd);
    return ntohs(a.sin_port);
}

/* One command on a connection of its own; whether the answer begins so. */
static inline bool says(uint16_t port, const char *command, const char *begins)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    char answer[64] = {0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool ok = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
              write(fd, command, strlen(command)) == (ssize_t)strlen(command) &&
              write(fd, "\r\n", 2) == 2 && read(fd, answer, sizeof(answer) - 1) > 0;
    (void)close(fd);
    return ok && strncmp(answer, begins, strlen(begins)) == 0;
}

/* redis-server, without any file of its own; `more` is up to two words further. */
static inline pid_t server_start(uint16_t port, const char *word, const char *value)
{
    char text[8];
    (void)snprintf(text, sizeof(text), "%u", port);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)chdir("/");
        (void)execlp("redis-server", "redis-server", "--port", text, "--bind", "127.0.0.1",
                     "--save", "", "--appendonly", "no", "--databases", "4", word, value,
                     (char *)NULL);
        _exit(127);
    }
    uint64_t from = rig_kernel_ns();
    while (!says(port, "PING", "+PONG") && !says(port, "PING", "-NOAUTH")) {
        int status;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            fail_msg("redis-server could not be started (package redis-server)");
        }
        if (rig_kernel_ns() - from > RIG_WAIT_MS * 1000000ull) {
            fail_msg("redis-server does not answer");
        }
        (void)usleep(1000);
    }
    return pid;
}

static inline void server_kill(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

#endif
