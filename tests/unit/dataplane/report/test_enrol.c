/* Enrolment against a small HTTPS server: pinned by the token's fingerprint, and nothing is written
 * unless it all fits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "common/tls.h"
#include "dataplane/report/bridge.h"
#include "dataplane/report/fake_control.h"

static struct authority authority;
static char folder[256], cert_file[300], key_file[300], token[128], control[64];
static int listener;

/* One connection's answer; the request's body is kept. */
struct server {
    pthread_t thread;
    int status;
    bool wrong_secret;
    char request[8192];
};

static long tls_wait_io(struct tls *t, int fd, long r)
{
    struct pollfd p = {.fd = fd, .events = r == TLS_WANT_WRITE ? POLLOUT : POLLIN};
    (void)t;
    return (r == TLS_WANT_READ || r == TLS_WANT_WRITE) && poll(&p, 1, 5000) == 1 ? 0 : -1;
}

static void answer(struct server *s, struct buffer *out)
{
    char id[37], secret[48], *cert = NULL;
    struct error err = ERROR_INIT;
    struct json_writer w;
    struct json_member csr = {.name = STR_LIT("csr")};
    const char *body = strstr(s->request, "\r\n\r\n");
    struct buffer json;
    buffer_init(&json, 1 << 20);
    json_writer_init(&w, &json);
    json_object_begin(&w);
    if (s->status != 200) {
        json_name(&w, "error");
        json_object_begin(&w);
        json_field_z(&w, "message", "token was used");
        json_object_end(&w);
    } else {
        char csr_pem[4096];
        size_t n;
        if (json_scan(str_of(body + 4), &csr, 1, 8, &err) &&
            json_unescape(csr.value, csr_pem, sizeof(csr_pem) - 1, &n)) {
            csr_pem[n] = '\0';
            (void)x509_sign_csr(csr_pem, authority.ca_cert, authority.ca_key, "plane", false, NULL,
                                90, &cert, &err);
        }
        uuid_format(&authority.plane_id, id);
        (void)crypto_base64url(authority.secret, s->wrong_secret ? 12 : 32, secret);
        json_field_z(&w, "plane_id", id);
        json_field_z(&w, "secret", secret);
        json_field_z(&w, "certificate", cert ? cert : "");
        json_field_z(&w, "ca", authority.ca_cert);
        json_name(&w, "endpoints");
        json_array_begin(&w);
        json_object_begin(&w);
        json_field_z(&w, "sync", "tls+tcp://127.0.0.1:4910");
        json_field_z(&w, "announce", "tls+tcp://127.0.0.1:4911");
        json_field_z(&w, "report", "tls+tcp://127.0.0.1:4912");
        json_field_z(&w, "lease", "tls+tcp://127.0.0.1:4913");
        json_object_end(&w);
        json_array_end(&w);
    }
    json_object_end(&w);
    (void)buffer_printf(
        out, "HTTP/1.1 %d x\r\nContent-Type: application/json\r\ncontent-length: %zu\r\n\r\n",
        s->status, json.len);
    (void)buffer_append_str(out, buffer_str(&json));
    mem_free(cert);
    buffer_release(&json);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    struct error err = ERROR_INIT;
    struct tls_context *c = tls_server_new(cert_file, key_file, &err);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    struct tls *t = tls_accept_new(c, fd);
    struct buffer out;
    size_t have = 0, sent = 0;
    long n;
    buffer_init(&out, 1 << 20);
    while (have < sizeof(s->request) - 1) {
        n = tls_read(t, s->request + have, sizeof(s->request) - 1 - have);
        if (n <= 0) {
            if (n == 0 || tls_wait_io(t, fd, n) != 0) {
                break;
            }
            continue;
        }
        have += (size_t)n;
        if (s->request[have - 1] == '}') {
            answer(s, &out);
            break;
        }
    }
    while (sent < out.len) {
        n = tls_write(t, out.ptr + sent, out.len - sent);
        if (n < 0 && tls_wait_io(t, fd, n) != 0) {
            break;
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    tls_free(t);
    tls_context_unref(c);
    close(fd);
    buffer_release(&out);
    return NULL;
}

static void write_file(const char *path, const char *a, const char *b)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s%s", a, b);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    uint8_t fingerprint[32];
    char text[48];
    authority_make(&authority);
    (void)snprintf(folder, sizeof(folder), "/tmp/weir-enrol-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(cert_file, sizeof(cert_file), "%s/server.pem", folder);
    (void)snprintf(key_file, sizeof(key_file), "%s/server.key", folder);
    write_file(cert_file, authority.server_cert, authority.ca_cert);
    write_file(key_file, authority.server_key, "");
    assert_true(x509_fingerprint(authority.ca_cert, fingerprint, &err));
    (void)crypto_base64url(fingerprint, 32, text);
    (void)snprintf(token, sizeof(token), "wr_enr_%s.%s", "012345678901234567890123456", text);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(control, sizeof(control), "https://127.0.0.1:%u", ntohs(a.sin_port));
    return 0;
}

static int remove_one(const char *p, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(p);
}

static int tear_down(void **state)
{
    (void)state;
    close(listener);
    authority_free(&authority);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool enrol(struct server *s, const char *state, const char *with_token, struct error *err)
{
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    bool ok = bridge_enrol(state, NULL, with_token, control, "edge-1", err);
    (void)pthread_join(s->thread, NULL);
    return ok;
}

static void test_enrols(void **state)
{
    (void)state;
    char home[300], path[400];
    struct error err = ERROR_INIT;
    struct identity i;
    struct stat st;
    struct server *s = mem_alloc(sizeof(*s));
    s->status = 200;
    (void)snprintf(home, sizeof(home), "%s/state", folder);
    if (!enrol(s, home, token, &err)) {
        fail_msg("%s", error_text(&err));
    }
    assert_non_null(strstr(s->request, "POST /enrol HTTP/1.1\r\n"));
    assert_non_null(strstr(s->request, token));
    assert_non_null(strstr(s->request, "\"name\":\"edge-1\""));
    assert_null(strstr(s->request, "PRIVATE"));
    assert_true(bridge_is_enrolled(home));
    assert_true(identity_load(home, NULL, &i, &err));
    assert_memory_equal(i.secret, authority.secret, 32);
    assert_string_equal(i.endpoints[0].report, "tls+tcp://127.0.0.1:4912");
    assert_true(x509_not_after(i.cert_pem) > 0);
    identity_release(&i);
    (void)snprintf(path, sizeof(path), "%s/plane.json", home);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    mem_free(s);
}

static void test_refusals(void **state)
{
    (void)state;
    char home[300];
    struct error err = ERROR_INIT;
    struct server *s = mem_alloc(sizeof(*s));
    (void)snprintf(home, sizeof(home), "%s/other", folder);
    s->status = 401;
    assert_false(enrol(s, home, token, &err));
    assert_int_equal(err.code, ERR_UNAUTHENTICATED);
    assert_non_null(strstr(err.text, "token was used"));
    memset(s, 0, sizeof(*s));
    s->status = 200;
    s->wrong_secret = true;
    assert_false(enrol(s, home, token, &err));
    /* another CA's fingerprint: the token never leaves */
    char foreign[128];
    memset(s, 0, sizeof(*s));
    s->status = 200;
    (void)snprintf(foreign, sizeof(foreign), "%s", token);
    foreign[strlen(foreign) - 5] = foreign[strlen(foreign) - 5] == 'A' ? 'B' : 'A';
    assert_false(enrol(s, home, foreign, &err));
    assert_int_equal(err.code, ERR_UPSTREAM_TLS);
    assert_int_equal(strlen(s->request), 0);
    assert_false(bridge_is_enrolled(home));
    assert_false(bridge_enrol(home, NULL, "wr_live_nonsense", control, NULL, &err));
    assert_false(bridge_enrol(home, "bad key", token, control, NULL, &err));
    assert_false(bridge_enrol(home, NULL, token, "host:99999", NULL, &err));
    assert_false(bridge_is_enrolled(home));
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_enrols, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
