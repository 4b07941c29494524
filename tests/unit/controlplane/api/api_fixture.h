/* The admin API over real sockets and a real database: a server on a free port, one platform
 * administrator, and a small client. Header only: one test program includes it once. */
#ifndef TESTS_UNIT_CONTROLPLANE_API_API_FIXTURE_H
#define TESTS_UNIT_CONTROLPLANE_API_API_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/buffer.h"
#include "common/json.h"
#include "controlplane/api/api.h"
#include "controlplane/http/server.h"
#include "controlplane/secrets/password.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/db.h"
#include "pg_fixture.h"

#define ADMIN_EMAIL "root@example.org"
#define ADMIN_PASSWORD "correct horse battery"

struct api_fixture {
    struct pg_fixture pg;
    struct db_pool *pool;
    struct seal_keys *keys;
    struct api *api;
    struct http_server *server;
    uint16_t port;
    char cookie[128], csrf[64], bearer[80]; /* who calls; bearer wins */
    const struct catalogue *catalogue;      /* set before it starts; NULL: none */
    char organization[64];                  /* x-weir-organization, "" for none */
    char extra[512]; /* header lines for the next call only, each ending in \r\n */
};

/* One answer; texts live until the next call. */
struct answer {
    int status;
    char *head, *body;
};

static struct api_fixture fx;
static char answer_bytes[4 << 20];

static inline bool fixture_make_admin(void)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(fx.pool, TX_SYSTEM, NULL, &err);
    struct uuid id = uuid_v7();
    char hash[PASSWORD_HASH_MAX];
    bool ok = t && password_hash(str_of(ADMIN_PASSWORD), hash, &err) &&
              tx_exec(t, NULL, &err,
                      "INSERT INTO users (id, email, password_hash, platform_admin) VALUES ($1, "
                      "$2, $3, true)",
                      DB_UUID(&id), DB_Z(ADMIN_EMAIL), DB_Z(hash));
    ok = ok ? tx_commit(t, NULL, &err) : (tx_rollback(t), false);
    if (!ok) {
        fprintf(stderr, "admin: %s\n", error_text(&err));
    }
    return ok;
}

static inline bool fixture_start(const char *base_path, const char *folder)
{
    struct error err = ERROR_INIT;
    if (!pg_fixture_start(&fx.pg)) {
        return false;
    }
    fx.pool = db_pool_new(fx.pg.service_url, 8);
    fx.keys = seal_keys_parse(
        STR_LIT("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"), &err);
    struct api_config config = {.pool = fx.pool,
                                .keys = fx.keys,
                                .base_path = base_path,
                                .catalogue = fx.catalogue,
                                .web_admin_folder = folder,
                                .session_idle_ms = 3600000,
                                .session_max_ms = 7200000};
    fx.api = api_new(&config);
    struct http_server_config server = {.address = "127.0.0.1",
                                        .threads = 2,
                                        .max_body = 1 << 20,
                                        .handle = api_handle,
                                        .arg = fx.api};
    fx.server = fx.keys ? http_server_start(&server, &err) : NULL;
    if (!fx.server) {
        fprintf(stderr, "server: %s\n", error_text(&err));
        return false;
    }
    fx.port = http_server_port(fx.server);
    return fixture_make_admin();
}

static inline void fixture_stop(void)
{
    http_server_stop(fx.server);
    api_free(fx.api);
    seal_keys_free(fx.keys);
    db_pool_free(fx.pool);
    pg_fixture_stop(&fx.pg);
}

/* Sends bytes, reads until the server closes. */
static inline struct answer exchange(const char *bytes, size_t len)
{
    struct answer a = {0, answer_bytes, NULL};
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(fx.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t got = 0;
    answer_bytes[0] = '\0';
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0) {
        for (size_t sent = 0; sent < len;) {
            ssize_t n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);
            if (n <= 0) {
                break;
            }
            sent += (size_t)n;
        }
        for (ssize_t n; (n = recv(fd, answer_bytes + got, sizeof answer_bytes - 1 - got, 0)) > 0;) {
            got += (size_t)n;
        }
    }
    close(fd);
    answer_bytes[got] = '\0';
    char *gap = strstr(answer_bytes, "\r\n\r\n");
    if (gap && sscanf(answer_bytes, "HTTP/1.1 %d", &a.status) == 1) {
        gap[2] = '\0';
        a.body = gap + 4;
    } else {
        a.body = answer_bytes;
    }
    return a;
}

static inline struct answer call(const char *method, const char *path, const char *body_format, ...)
    __attribute__((format(printf, 3, 4)));

/* One call under /api/v1, as fx.bearer or fx.cookie; body_format NULL: none. */
static inline struct answer call(const char *method, const char *path, const char *body_format, ...)
{
    static char request[2 << 20], body[1 << 20];
    body[0] = '\0';
    if (body_format) {
        va_list ap;
        va_start(ap, body_format);
        vsnprintf(body, sizeof body, body_format, ap);
        va_end(ap);
    }
    int n = snprintf(request, sizeof request,
                     "%s /api/v1%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s", method,
                     path, fx.extra);
    fx.extra[0] = '\0';
    if (fx.bearer[0]) {
        n += snprintf(request + n, sizeof request - (size_t)n, "Authorization: Bearer %s\r\n",
                      fx.bearer);
    } else if (fx.cookie[0]) {
        n += snprintf(request + n, sizeof request - (size_t)n, "Cookie: %s\r\nx-weir-csrf: %s\r\n",
                      fx.cookie, fx.csrf);
    }
    if (fx.organization[0]) {
        n += snprintf(request + n, sizeof request - (size_t)n, "x-weir-organization: %s\r\n",
                      fx.organization);
    }
    if (body_format) {
        n += snprintf(request + n, sizeof request - (size_t)n,
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    } else if (strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0) {
        n += snprintf(request + n, sizeof request - (size_t)n, "Content-Length: 0\r\n");
    }
    n += snprintf(request + n, sizeof request - (size_t)n, "\r\n%s", body);
    return exchange(request, (size_t)n);
}

/* The text (or the raw JSON) at a path such as "error.param" or "data.0.id"; "" when there is none.
 * A fresh copy out of a ring of 16. */
static inline const char *at(const struct answer *a, const char *path)
{
    static char ring[16][4096];
    static unsigned next;
    char *out = ring[next++ % 16];
    struct json_value v;
    struct error err = ERROR_INIT;
    out[0] = '\0';
    if (!json_validate(str_of(a->body), 0, &v, &err)) {
        return out;
    }
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "."), pos = 0, index = 0, wanted = strtoul(p, NULL, 10);
        struct json_value name, value;
        bool found = false;
        while (!found && json_next(v, &pos, &name, &value)) {
            found =
                v.type == JSON_ARRAY ? index++ == wanted : json_text_eq(name, (struct str){p, len});
        }
        if (!found) {
            return out;
        }
        v = value;
        p += len + (p[len] == '.');
    }
    size_t len = 0;
    if (v.type == JSON_STRING) {
        if (json_unescape(v, out, 4095, &len)) {
            out[len] = '\0';
        }
    } else {
        snprintf(out, 4096, "%.*s", STR_ARG(v.raw));
    }
    return out;
}

/* A header of an answer, "" when absent; the name in lower case or as sent. */
static inline const char *header(const struct answer *a, const char *name)
{
    static char out[2048];
    size_t len = strlen(name);
    out[0] = '\0';
    for (const char *line = strstr(a->head, "\r\n"); line && line[2];
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            const char *v = line + 3 + len;
            v += strspn(v, " ");
            snprintf(out, sizeof out, "%.*s", (int)strcspn(v, "\r\n"), v);
            break;
        }
    }
    return out;
}

/* The answer's status; shows the answer when it is another. The call is made once. */
#define assert_status(answered, want)                                       \
    do {                                                                    \
        struct answer answer_ = (answered);                                 \
        if (answer_.status != (want)) {                                     \
            print_message("status %d: %s\n", answer_.status, answer_.body); \
        }                                                                   \
        assert_int_equal(answer_.status, (want));                           \
    } while (0)

/* Signs in and keeps cookie and CSRF token in fx. */
static inline struct answer sign_in(const char *email, const char *password)
{
    fx.bearer[0] = fx.cookie[0] = '\0';
    struct answer a =
        call("POST", "/session", "{\"email\":\"%s\",\"password\":\"%s\"}", email, password);
    const char *cookie = header(&a, "set-cookie");
    snprintf(fx.cookie, sizeof fx.cookie, "%.*s", (int)strcspn(cookie, ";"), cookie);
    snprintf(fx.csrf, sizeof fx.csrf, "%s", at(&a, "csrf_token"));
    return a;
}

/* For cmocka_run_group_tests. */
static inline int fixture_setup(void **state)
{
    (void)state;
    return fixture_start("/", NULL) ? 0 : -1;
}

static inline int fixture_teardown(void **state)
{
    (void)state;
    fixture_stop();
    return 0;
}

#endif
