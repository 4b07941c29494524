/* Base URLs: what is taken, what is refused, and the table of kinds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/snapshot/base_url.h"

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *path, *header;
        uint16_t port;
        bool tls;
    } rows[] = {
        {"https://api.openai.com/v1", "api.openai.com", "/v1", "api.openai.com", 443, true},
        {"https://api.openai.com", "api.openai.com", "", "api.openai.com", 443, true},
        {"HTTP://Host.example:80/", "Host.example", "", "Host.example", 80, false},
        {"http://127.0.0.1:9001/v1/", "127.0.0.1", "/v1", "127.0.0.1:9001", 9001, false},
        {"https://[::1]:8443/a/b-c_~.d", "::1", "/a/b-c_~.d", "[::1]:8443", 8443, true},
        {"http://[fe80::1]", "fe80::1", "", "[fe80::1]", 80, false},
        {"https://h:443/x", "h", "/x", "h", 443, true},
        {"https://under_score.local/%41", "under_score.local", "/%41", "under_score.local", 443,
         true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct base_url u;
        struct error err = ERROR_INIT;
        char header[300];
        if (!base_url_split(str_of(rows[i].url), &u, &err)) {
            fail_msg("%s: %s", rows[i].url, error_text(&err));
        }
        size_t n = base_url_host_header(&u, header, sizeof(header));
        assert_true(str_eqz(u.host, rows[i].host));
        assert_true(str_eqz(u.path, rows[i].path));
        assert_int_equal(u.port, rows[i].port);
        assert_int_equal(u.tls, rows[i].tls);
        assert_true(str_eqz((struct str){header, n}, rows[i].header));
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "api.openai.com",
        "ftp://x",
        "https://",
        "https:///v1",
        "http://:80",
        "http://h:",
        "http://h:0",
        "http://h:65536",
        "http://h:8x",
        "http://h:1:2",
        "https://user@h",
        "https://user:pw@h/v1",
        "https://h/?q",
        "https://h?q",
        "https://h/#f",
        "https://h/a b",
        "https://h/a\r\nX: y",
        "https://h/a\"",
        "https://h/../x",
        "https://h/a/./b",
        "https://h//a",
        "https://[::1",
        "https://[]",
        "https://[1234]",
        "https://[::1]x",
        "https://h\n",
        "https://-h",
        "https://.h",
        "https://h/\xc3\xa4",
        "http://[::1]:",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct base_url u = {.port = 7};
        struct error err = ERROR_INIT;
        if (base_url_split(str_of(rows[i]), &u, &err)) {
            fail_msg("%s was taken", rows[i]);
        }
        assert_int_equal(err.code, ERR_INVALID_FIELD);
        assert_int_equal(u.port, 7);
        assert_null(strstr(err.text, "pw"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
