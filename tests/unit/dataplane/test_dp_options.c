/* dp_options.c: layers, and what one row alone cannot check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/arena.h"
#include "common/yaml.h"
#include "dataplane/dp_options.h"

#define MAX_ARGS 16

/* args: flags, NULL at the end. */
static bool load(struct dp_options *o, struct error *err, const char *settings,
                 const char *const *args)
{
    struct arena *a = arena_new(0);
    struct yaml_node *node = NULL;
    char *argv[MAX_ARGS + 1] = {(char *)(uintptr_t) "weir-proxy"};
    int argc = 1;
    for (; args && *args; args++) {
        argv[argc++] = (char *)(uintptr_t)*args;
    }
    if (settings) {
        assert_true(yaml_parse(str_of(settings), 65536, a, &node, err));
    }
    bool ok = dp_options_load(o, node, "weir.yaml", argc, argv, 1, err);
    arena_free(a);
    return ok;
}

static void defaults_stand_alone(void **state)
{
    (void)state;
    struct dp_options o;
    struct error err = ERROR_INIT;
    assert_true(load(&o, &err, NULL, NULL));
    assert_string_equal(o.listen, "127.0.0.1:8787");
    assert_string_equal(o.ops_listen, "127.0.0.1:8788");
    assert_int_equal(o.upstream_timeout_ms, 600000);
    assert_int_equal(dp_options_sync(&o), SPOOL_SYNC_BATCH);
    assert_false(dp_options_drop_oldest(&o));
    assert_true(dp_options_workers(&o) >= 1);
    assert_int_equal(o.cache_bytes, 256 << 20);
    assert_int_equal(o.cache_redis_timeout_ms, 50);
    assert_null(o.cache_redis);
    assert_null(o.custom_hosts);
    dp_options_release(&o);
}

static void the_cache_is_off_or_large_enough(void **state)
{
    (void)state;
    struct dp_options o;
    struct error err = ERROR_INIT;
    assert_true(load(&o, &err, "{cache_bytes: 0}", NULL));
    assert_int_equal(o.cache_bytes, 0);
    dp_options_release(&o);
    assert_true(load(&o, &err, "{cache_bytes: 1MiB, custom_hosts: \"a.example\"}", NULL));
    assert_string_equal(o.custom_hosts, "a.example");
    dp_options_release(&o);
    assert_false(load(&o, &err, "{cache_bytes: 1000KiB}", NULL));
    assert_string_equal(err.param, "cache-bytes");
}

static void flags_beat_settings(void **state)
{
    (void)state;
    struct dp_options o;
    struct error err = ERROR_INIT;
    static const char *const args[] = {"--workers", "3", "--spool-sync=record", NULL};
    assert_true(load(&o, &err, "{workers: 2, max_body: 1MiB, listen: \"127.0.0.1:1\"}", args));
    assert_int_equal(o.workers, 3);
    assert_int_equal(o.max_body_bytes, 1 << 20);
    assert_string_equal(o.listen, "127.0.0.1:1");
    assert_int_equal(dp_options_sync(&o), SPOOL_SYNC_RECORD);
    dp_options_release(&o);
}

static void refused(const char *const *args, const char *param)
{
    struct dp_options o;
    struct error err = ERROR_INIT;
    assert_false(load(&o, &err, NULL, args));
    assert_string_equal(err.param, param);
}

static void words_are_checked(void **state)
{
    (void)state;
    refused((const char *const[]){"--spool-full=maybe", NULL}, "spool-full");
    refused((const char *const[]){"--spool-sync=maybe", NULL}, "spool-sync");
    refused((const char *const[]){"--log-level=loud", NULL}, "log-level");
    refused((const char *const[]){"--log-format=xml", NULL}, "log-format");
    refused((const char *const[]){"--workers=65", NULL}, "workers");
    refused((const char *const[]){"--tls-listen=127.0.0.1:0", NULL}, "tls-certificate");
    refused((const char *const[]){"--listen=off", NULL}, "listen");
    refused((const char *const[]){"--spool-size=8MiB", NULL}, "spool-size");
    refused((const char *const[]){"--state-key=zz", NULL}, "state-key");
}

static void no_authentication_only_on_loopback_and_alone(void **state)
{
    (void)state;
    struct dp_options o;
    struct error err = ERROR_INIT;
    refused((const char *const[]){"--auth=maybe", NULL}, "auth");
    refused((const char *const[]){"--auth=none", NULL}, "auth");
    refused((const char *const[]){"--auth=none", "--config=x", "--listen=0.0.0.0:80", NULL},
            "auth");
    refused((const char *const[]){"--auth=none", "--config=x", "--listen=10.0.0.1:80", NULL},
            "auth");
    assert_true(
        load(&o, &err, NULL,
             (const char *const[]){"--auth=none", "--config=x", "--listen=[::1]:80", NULL}));
    dp_options_release(&o);
}

static void loopback_is_known(void **state)
{
    (void)state;
    assert_true(dp_options_is_loopback("127.0.0.1:1"));
    assert_true(dp_options_is_loopback("localhost:1"));
    assert_true(dp_options_is_loopback("[::1]:1"));
    assert_false(dp_options_is_loopback("0.0.0.0:1"));
    assert_false(dp_options_is_loopback("[::]:1"));
    assert_false(dp_options_is_loopback("127.example.com:1"));
    assert_false(dp_options_is_loopback("localhost.example.com:1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_stand_alone),
        cmocka_unit_test(the_cache_is_off_or_large_enough),
        cmocka_unit_test(flags_beat_settings),
        cmocka_unit_test(words_are_checked),
        cmocka_unit_test(no_authentication_only_on_loopback_and_alone),
        cmocka_unit_test(loopback_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
