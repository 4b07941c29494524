/* Enrolment: one blocking HTTPS exchange with a control plane that is trusted by the token's
 * fingerprint alone. The key is made here and never leaves; what comes back is certificate, secret
 * and where the channel is. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/tls.h"
#include "common/x509.h"
#include "dataplane/report/bridge.h"
#include "dataplane/report/identity.h"

#define TIMEOUT_MS 20000
#define REPLY_MAX_BYTES (1u << 20)
#define TOKEN_PREFIX "wr_enr_"

/* The CA's fingerprint is what stands behind the token's dot. */
static bool token_fingerprint(struct str token, uint8_t out[static 32], struct error *err)
{
    struct str head, tail;
    size_t n;
    if (!str_starts(token, STR_LIT(TOKEN_PREFIX)) || !str_cut(token, '.', &head, &tail) ||
        !crypto_unbase64(tail, out, 32, &n) || n != 32) {
        return error_set(err, ERR_INVALID_FIELD, "this is not an enrolment token");
    }
    return true;
}

/* "https://host:port", "host:port" or "host" (443); IPv6 in brackets. */
static bool control_split(const char *control, char *host, size_t host_size, char port[static 8],
                          struct error *err)
{
    struct str s = str_of(control), head, tail;
    const char *number = "443";
    if (str_starts(s, STR_LIT("https://"))) {
        s = str_slice(s, 8, s.len);
    }
    while (s.len && s.ptr[s.len - 1] == '/') {
        s.len--;
    }
    struct str name = s, digits = STR_LIT("");
    if (s.len && s.ptr[0] == '[' && str_cut(str_slice(s, 1, s.len), ']', &head, &tail)) {
        name = head;
        digits = tail.len && tail.ptr[0] == ':' ? str_slice(tail, 1, tail.len) : tail;
    } else if (str_cut(s, ':', &head, &tail)) {
        name = head;
        digits = tail;
    }
    uint64_t v = 0;
    if (name.len == 0 || name.len >= host_size || memchr(name.ptr, '/', name.len) ||
        (digits.len && (!str_to_u64(digits, &v) || v == 0 || v > 65535))) {
        return error_set(err, ERR_INVALID_FIELD, "control plane \"%s\" is not host:port", control);
    }
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    (void)snprintf(port, 8, "%.*s", digits.len ? (int)digits.len : 3,
                   digits.len ? digits.ptr : number);
    return true;
}

static bool wait_for(int fd, short events, uint64_t by_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        uint64_t now = clock_mono_ms();
        if (now >= by_ms) {
            return false;
        }
        int n = poll(&p, 1, (int)(by_ms - now));
        if (n != 0 && !(n < 0 && errno == EINTR)) {
            return n > 0;
        }
    }
}

static int dial(const char *host, const char *port, uint64_t by_ms, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC}, *list = NULL;
    int why = getaddrinfo(host, port, &hints, &list), fd = -1, failed = 0;
    if (why != 0) {
        (void)error_set(err, ERR_UPSTREAM_REFUSED, "cannot resolve \"%s\": %s", host,
                        gai_strerror(why));
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        socklen_t len = sizeof(failed);
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            failed = errno;
            continue;
        }
        failed = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
        if (failed == EINPROGRESS) {
            failed = ETIMEDOUT;
            if (wait_for(fd, POLLOUT, by_ms)) {
                (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len);
            }
        }
        if (failed) {
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        (void)error_set(err, ERR_UPSTREAM_REFUSED, "cannot connect to %s:%s: %s", host, port,
                        strerror(failed));
    }
    return fd;
}

/* Waits as `code` of a tls call asks; false: failed or too late. */
static bool tls_wait(struct tls *t, int fd, long code, uint64_t by_ms, struct error *err)
{
    if (code == TLS_FAILED) {
        return error_set(err, ERR_UPSTREAM_TLS, "TLS with the control plane failed: %s",
                         tls_failure(t));
    }
    if (code == TLS_TRUNCATED) {
        return error_set(err, ERR_UPSTREAM_CLOSED, "control plane closed the connection");
    }
    if (!wait_for(fd, code == TLS_WANT_READ ? POLLIN : POLLOUT, by_ms)) {
        return error_set(err, ERR_UPSTREAM_TIMEOUT, "control plane did not answer in time");
    }
    return true;
}

/* The whole of the reply's body is there: by its Content-Length. */
static bool reply_split(struct str reply, int *ret_status, struct str *ret_body)
{
    const char *end = reply.len ? memmem(reply.ptr, reply.len, "\r\n\r\n", 4) : NULL;
    struct str head, line, name, value, rest;
    uint64_t status, length = UINT64_MAX;
    if (!end) {
        return false;
    }
    head = str_slice(reply, 0, (size_t)(end - reply.ptr) + 2);
    *ret_body = str_slice(reply, head.len + 2, reply.len);
    if (head.len < 12 || !str_starts(head, STR_LIT("HTTP/1.")) ||
        !str_to_u64(str_slice(head, 9, 3), &status)) {
        return false;
    }
    rest = head;
    while (str_cut(rest, '\n', &line, &rest)) {
        if (str_cut(str_trim(line), ':', &name, &value) &&
            str_eq_nocase(name, STR_LIT("content-length"))) {
            (void)str_to_u64(str_trim(value), &length);
        }
    }
    *ret_status = (int)status;
    return length != UINT64_MAX && ret_body->len >= length;
}

static bool exchange(struct tls *t, int fd, struct str request, struct buffer *reply,
                     uint64_t by_ms, int *ret_status, struct str *ret_body, struct error *err)
{
    long n;
    while (request.len) {
        n = tls_write(t, request.ptr, request.len);
        if (n < 0 && !tls_wait(t, fd, n, by_ms, err)) {
            return false;
        }
        request = str_slice(request, n > 0 ? (size_t)n : 0, request.len);
    }
    for (;;) {
        if (!buffer_reserve(reply, 16384)) {
            return error_set(err, ERR_UPSTREAM_GARBAGE, "control plane's answer is too long");
        }
        n = tls_read(t, reply->ptr + reply->len, 16384);
        if (n > 0) {
            reply->len += (size_t)n;
        } else if (n == 0) {
            return error_set(err, ERR_UPSTREAM_CLOSED, "control plane closed the connection");
        } else if (!tls_wait(t, fd, n, by_ms, err)) {
            return false;
        }
        if (reply_split(buffer_str(reply), ret_status, ret_body)) {
            return true;
        }
    }
}

static bool post(const char *control, const uint8_t fingerprint[static 32], struct str body,
                 struct buffer *reply, int *ret_status, struct str *ret_body, struct error *err)
{
    char host[256], port[8];
    struct buffer request;
    uint64_t by_ms = clock_mono_ms() + TIMEOUT_MS;
    bool ok = false;
    if (!control_split(control, host, sizeof(host), port, err)) {
        return false;
    }
    int fd = dial(host, port, by_ms, err);
    if (fd < 0) {
        return false;
    }
    struct tls_context *context = tls_client_pinned_new(fingerprint, err);
    struct tls *t = context ? tls_connect_new(context, fd, NULL) : NULL;
    buffer_init(&request, 65536);
    (void)buffer_printf(&request,
                        "POST /enrol HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                        host, port, body.len);
    (void)buffer_append_str(&request, body);
    if (t) {
        ok = exchange(t, fd, buffer_str(&request), reply, by_ms, ret_status, ret_body, err);
    }
    tls_free(t);
    tls_context_unref(context);
    buffer_release(&request);
    (void)close(fd);
    return ok;
}

/* {"error":{"message":…}} of a refusal, as the error's text. */
static bool refused(int status, struct str body, struct error *err)
{
    struct json_member error = {.name = STR_LIT("error")}, message = {.name = STR_LIT("message")};
    struct error ignored = ERROR_INIT;
    char text[160] = "";
    size_t n = 0;
    if (json_scan(body, &error, 1, 16, &ignored) && error.found &&
        error.value.type == JSON_OBJECT && json_members(error.value, &message, 1, &ignored) &&
        message.found && message.value.raw.len < sizeof(text) &&
        json_unescape(message.value, text, sizeof(text) - 1, &n)) {
        text[n] = '\0';
    }
    return error_set(
        err, status == 401 || status == 403 ? ERR_UNAUTHENTICATED : ERR_UPSTREAM_GARBAGE,
        "control plane refused the enrolment with status %d%s%s", status, n ? ": " : "", text);
}

/* Plain, or public with whatever prefix the control plane gives to planes. */
static bool id_parse(const char *text, struct uuid *ret)
{
    char prefix[16] = "";
    struct str head, tail;
    if (str_cut(str_of(text), '_', &head, &tail) && head.len < sizeof(prefix)) {
        memcpy(prefix, head.ptr, head.len);
    }
    return uuid_parse_public(prefix, str_of(text), ret);
}

/* Fills all of the identity but its key. */
static bool accepted(struct str body, struct identity *i, struct error *err)
{
    struct json_member m[] = {{.name = STR_LIT("plane_id")},
                              {.name = STR_LIT("secret")},
                              {.name = STR_LIT("certificate")},
                              {.name = STR_LIT("ca")},
                              {.name = STR_LIT("endpoints")}};
    struct error why = ERROR_INIT;
    size_t n;
    if (!json_scan(body, m, 5, 16, &why)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "control plane's answer is not JSON");
    }
    char *id = identity_text(&m[0]), *secret = identity_text(&m[1]);
    i->cert_pem = identity_text(&m[2]);
    i->ca_pem = identity_text(&m[3]);
    bool ok = id && id_parse(id, &i->plane_id) && secret &&
              crypto_unbase64(str_of(secret), i->secret, sizeof(i->secret), &n) &&
              n == sizeof(i->secret) && i->cert_pem && i->ca_pem;
    ok = identity_endpoints(&m[4], i) && ok;
    mem_free(id);
    mem_free_secret(secret, secret ? strlen(secret) : 0);
    return ok || error_set(err, ERR_UPSTREAM_GARBAGE,
                           "control plane's answer lacks identity or endpoints");
}

bool bridge_enrol(const char *state_folder, const char *state_key, const char *token,
                  const char *control, const char *name, struct error *err)
{
    uint8_t fingerprint[32], key[32];
    char own_name[128] = "";
    struct identity i;
    struct buffer body, reply;
    struct str answer;
    char *csr = NULL;
    int status = 0;
    bool ok = false;
    memset(&i, 0, sizeof(i));
    if (mkdir(state_folder, 0700) != 0 && errno != EEXIST) {
        return error_set(err, ERR_INTERNAL, "cannot make state folder \"%s\": %s", state_folder,
                         strerror(errno));
    }
    if (identity_exists(state_folder)) {
        return error_set(err, ERR_CONFLICT, "\"%s\" holds an identity already", state_folder);
    }
    if ((state_key && !state_key_parse(state_key, key, err)) ||
        !token_fingerprint(str_of(token), fingerprint, err)) {
        return false;
    }
    if (!name || !*name) {
        (void)gethostname(own_name, sizeof(own_name) - 1);
        name = own_name;
    }
    buffer_init(&body, 65536);
    buffer_init(&reply, REPLY_MAX_BYTES);
    if (x509_make_csr(name, &csr, &i.key_pem, err)) {
        struct json_writer w;
        json_writer_init(&w, &body);
        json_object_begin(&w);
        json_field_z(&w, "token", token);
        json_field_z(&w, "name", name);
        json_field_z(&w, "csr", csr);
        json_object_end(&w);
        ok = post(control, fingerprint, buffer_str(&body), &reply, &status, &answer, err) &&
             (status / 100 == 2 || refused(status, answer, err)) && accepted(answer, &i, err) &&
             identity_save(state_folder, state_key ? key : NULL, &i, err);
    }
    mem_free(csr);
    buffer_release(&body);
    if (reply.ptr) {
        explicit_bzero(reply.ptr, reply.len);
    }
    buffer_release(&reply);
    identity_release(&i);
    return ok;
}

bool bridge_is_enrolled(const char *state_folder)
{
    return identity_exists(state_folder);
}
