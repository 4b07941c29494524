/* Settings of weir-control: what is accepted, and that a refusal names the option. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "controlplane/cp_options.h"

#define BASE "weir-control", "--database-url", "postgresql://s@h/d", "--key", "k"

static bool load(struct cp_options *o, struct error *err, const char *const *argv)
{
    char *words[16];
    int argc = 0;
    for (; argv[argc]; argc++) {
        assert_true(argc < 16);
        words[argc] = (char *)(uintptr_t)argv[argc]; /* as main has them; nobody writes there */
    }
    return cp_options_load(o, argc, words, 1, err);
}

static void accepted(const char *const *argv)
{
    struct cp_options o;
    struct error err = ERROR_INIT;
    if (!load(&o, &err, argv)) {
        fail_msg("%s", error_text(&err));
    }
    cp_options_release(&o);
}

static void refused(const char *option, const char *const *argv)
{
    struct cp_options o;
    struct error err = ERROR_INIT;
    assert_false(load(&o, &err, argv));
    assert_string_equal(err.param, option);
    assert_non_null(strstr(err.text, option));
}
#define WORDS(...) ((const char *[]){BASE, __VA_ARGS__, NULL})

static void defaults_bind_to_loopback(void **state)
{
    (void)state;
    struct cp_options o;
    struct error err = ERROR_INIT;
    assert_true(load(&o, &err, (const char *[]){BASE, NULL}));
    assert_string_equal(o.listen, "127.0.0.1:8080");
    assert_string_equal(o.enrol_listen, "127.0.0.1:8443");
    assert_string_equal(o.channel_listen, "127.0.0.1:7300");
    assert_null(o.tls_listen);
    assert_string_equal(o.base_path, "/");
    cp_options_release(&o);
}

static void what_belongs_together_is_checked(void **state)
{
    (void)state;
    accepted(WORDS("--tls-listen=[::1]:8443", "--tls-certificate=c", "--tls-key=k"));
    refused("tls-listen", WORDS("--tls-listen=[::1]:8443", "--tls-certificate=c"));
    refused("key-file", WORDS("--key-file=f"));
    refused("key-file", (const char *[]){"weir-control", "--database-url=x", NULL});
    refused("database-url", (const char *[]){"weir-control", "--key=k", NULL});
    accepted(WORDS("--channel-listen=0.0.0.0:7300", "--channel-advertise=control.example"));
    refused("channel-advertise", WORDS("--channel-listen=0.0.0.0:7300"));
    refused("channel-listen", WORDS("--channel-listen=127.0.0.1:65533"));
    refused("channel-listen", WORDS("--channel-listen=127.0.0.1:0"));
    accepted(WORDS("--base-path=/weir", "--public-url=https://w.example", "--log-level=debug"));
    refused("base-path", WORDS("--base-path=weir"));
    refused("base-path", WORDS("--base-path=/weir/"));
    refused("public-url", WORDS("--public-url=w.example"));
    refused("log-level", WORDS("--log-level=loud"));
    refused("log-format", WORDS("--log-format=xml"));
    accepted(WORDS("--listen="));
    refused("listen", WORDS("--listen=8080"));
    refused("database-connections", WORDS("--database-connections=1"));
}

static void addresses_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {{"127.0.0.1:8080", "127.0.0.1", 8080},
                {"[::1]:0", "::1", 0},
                {"localhost:65535", "localhost", 65535}};
    static const char *const bad[] = {"",       ":80",   "host",    "host:", "host:65536",
                                      "::1:80", "[::1]", "host:+1", "[]:1",  "host: 80"};
    char host[64];
    uint16_t port;
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(cp_address_parse("listen", good[i].text, host, &port, &err));
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(cp_address_parse("listen", bad[i], host, &port, &err));
    }
}

int main(void)
{
    static const char *const names[] = {"WEIR_DATABASE_URL", "WEIR_KEY", "WEIR_KEY_FILE",
                                        "WEIR_CONTROL_CONFIG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unsetenv(names[i]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_bind_to_loopback),
        cmocka_unit_test(what_belongs_together_is_checked),
        cmocka_unit_test(addresses_are_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
