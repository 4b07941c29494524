/* Promises of common/log.h: stderr is caught in a file and read back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/json.h"
#include "common/log.h"

static char caught[32768];

static uint64_t wall(void)
{
    return 1795301611123000000ull;
}

static int saved_stderr;
static FILE *capture;

static void begin(void)
{
    capture = tmpfile();
    assert_non_null(capture);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(capture), STDERR_FILENO) >= 0);
}

static const char *end(void)
{
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    rewind(capture);
    size_t n = fread(caught, 1, sizeof(caught) - 1, capture);
    caught[n] = '\0';
    fclose(capture);
    return caught;
}

static void writes_one_json_object_a_line(void **state)
{
    (void)state;
    log_init("proxy", LOG_INFO, true);
    begin();
    log_write(LOG_INFO, "listening", "listener is open", LOG_Z("address", "127.0.0.1"),
              LOG_U("port", 8080), LOG_I("delta", -3), LOG_S("none", STR_NONE));
    log_write(LOG_DEBUG, "hidden", "below the level");
    log_write(LOG_ERROR, "odd", "a \"quote\"\n\x01\xff\xe2\x82\xac\\");
    assert_string_equal(
        end(),
        "{\"ts\":\"2026-11-21T22:53:31.123Z\",\"level\":\"info\",\"component\":\"proxy\",\"event\":"
        "\"listening\",\"msg\":\"listener is "
        "open\",\"address\":\"127.0.0.1\",\"port\":8080,\"delta\":-3,"
        "\"none\":null}\n"
        "{\"ts\":\"2026-11-21T22:53:31.123Z\",\"level\":\"error\",\"component\":\"proxy\","
        "\"event\":\"odd\","
        "\"msg\":\"a \\\"quote\\\"\\n\\u0001\xef\xbf\xbd\xe2\x82\xac\\\\\"}\n");
}

static void writes_text_for_people(void **state)
{
    (void)state;
    log_init("proxy", LOG_WARN, false);
    begin();
    log_write(LOG_WARN, "spool", "nearly full", LOG_U("percent", 91), LOG_Z("dir", "a b"));
    assert_string_equal(
        end(), "2026-11-21T22:53:31.123Z warn  proxy spool: nearly full percent=91 dir=\"a b\"\n");
}

static void masks_what_looks_like_a_secret(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"key wr_live_abcDEF0123 used", "key wr_live_*** used"},
        {"wr_adm_x,wr_scim_y;wr_enr_z", "wr_adm_***,wr_scim_***;wr_enr_***"},
        {"sk-proj-abc_DEF-123", "sk-***"},
        {"Authorization: Bearer abc.def-ghi==", "Authorization: Bearer ***"},
        {"bearer  abc", "bearer  ***"},
        {"api_key=sk-1", "api_key=sk-***"},
        {"xsk-abcdefghij0123456789", "xsk-***"},
        /* stays quiet */
        {"task-list of the disk-cache", "task-list of the disk-cache"},
        {"wr_other_abc, wr_live_", "wr_other_abc, wr_live_"},
        {"the bearer", "the bearer"},
        {"forbearer abc", "forbearer abc"},
        {"sk-", "sk-"},
    };
    log_init("t", LOG_INFO, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char want[256];
        begin();
        log_write(LOG_INFO, "e", cases[i].in, LOG_U("i", i));
        (void)snprintf(want, sizeof(want), "2026-11-21T22:53:31.123Z info  t e: %s i=%zu\n",
                       cases[i].out, i);
        assert_string_equal(end(), want);
    }
}

static void cuts_long_lines_to_valid_json(void **state)
{
    (void)state;
    static char big[12000];
    log_init("t", LOG_INFO, true);
    for (size_t extra = 0; extra < 300; extra++) {
        /* escapes fall on every position of the ceiling */
        memset(big, '"', sizeof(big));
        big[3800 + extra] = '\0';
        begin();
        log_write(LOG_INFO, "e", extra % 2 ? big : "m", LOG_Z("pad", extra % 3 ? "x" : ""),
                  LOG_Z("a", big), LOG_Z("b", big), LOG_U("n", 1));
        const char *line = end();
        struct json_value v;
        struct error err = ERROR_INIT;
        size_t n = strlen(line);
        assert_true(n <= 8192 && line[n - 1] == '\n');
        assert_true(json_validate((struct str){line, n - 1}, 8, &v, &err));
    }
}

static void levels_have_names(void **state)
{
    (void)state;
    enum log_level level = LOG_DEBUG;
    assert_true(log_level_parse(STR_LIT("warn"), &level) && level == LOG_WARN);
    assert_false(log_level_parse(STR_LIT("WARN"), &level));
    log_set_level(LOG_ERROR);
    assert_false(log_enabled(LOG_WARN));
    assert_true(log_enabled(LOG_ERROR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_one_json_object_a_line),
        cmocka_unit_test(writes_text_for_people),
        cmocka_unit_test(masks_what_looks_like_a_secret),
        cmocka_unit_test(cuts_long_lines_to_valid_json),
        cmocka_unit_test(levels_have_names),
    };
    clock_set_source(NULL, wall);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
