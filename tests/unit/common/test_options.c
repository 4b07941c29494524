/* Promises of common/base/options.h (common/options.c). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/options.h"
#include "common/yaml.h"

struct settings {
    bool verbose;
    uint64_t workers, timeout_ms, spool_bytes;
    char *listen, *token;
};

#define FIELD(f) offsetof(struct settings, f)
static const struct option_row rows[] = {
    {"verbose", "WEIRTEST_VERBOSE", OPTION_BOOL, FIELD(verbose), "false", 0, 0, false, "say more"},
    {"workers", "WEIRTEST_WORKERS", OPTION_U64, FIELD(workers), "2", 1, 64, false, "threads"},
    {"read-timeout", NULL, OPTION_DURATION_MS, FIELD(timeout_ms), "30s", 0, 0, false, "deadline"},
    {"spool-size", "WEIRTEST_SPOOL_SIZE", OPTION_BYTES, FIELD(spool_bytes), "64MiB", 0, 0, false,
     "size"},
    {"listen", "WEIRTEST_LISTEN", OPTION_TEXT, FIELD(listen), "127.0.0.1:1", 0, 0, false,
     "address"},
    {"token", "WEIRTEST_TOKEN", OPTION_TEXT, FIELD(token), NULL, 0, 0, true, "secret"},
};
#define N (sizeof(rows) / sizeof(rows[0]))

#define ARGV(...)                                     \
    (char *[])                                        \
    {                                                 \
        (char *)(uintptr_t) "prog", __VA_ARGS__, NULL \
    }

static int count(char **argv)
{
    int n = 0;
    while (argv[n]) {
        n++;
    }
    return n;
}

static bool load(struct settings *s, const char *file, char **argv, struct error *err)
{
    *err = (struct error)ERROR_INIT;
    return options_load(rows, N, s, file, count(argv), argv, 1, NULL, NULL, err);
}

static char path[] = "/tmp/weir-options-XXXXXX";

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void layers_override_in_order(void **state)
{
    (void)state;
    struct settings s;
    struct error err;
    assert_true(load(&s, NULL, (char *[]){NULL}, &err));
    assert_false(s.verbose);
    assert_true(s.workers == 2 && s.timeout_ms == 30000 && s.spool_bytes == 64u << 20);
    assert_string_equal(s.listen, "127.0.0.1:1");
    assert_null(s.token);
    options_release(rows, N, &s);
    assert_null(s.listen);

    write_file(
        "workers: 3\nspool_size: 1KiB\nread-timeout: 500ms\nlisten: \"file:1\"\nverbose: true\n");
    setenv("WEIRTEST_WORKERS", "4", 1);
    setenv("WEIRTEST_LISTEN", "", 1); /* empty counts as unset */
    setenv("WEIRTEST_SPOOL_SIZE", "2KiB", 1);
    char argument[] = "--workers=5", off[] = "--no-verbose", name[] = "--token",
         value[] = "--dashes";
    assert_true(load(&s, path, ARGV(argument, off, name, value), &err));
    assert_true(s.workers == 5 && s.spool_bytes == 2048 && s.timeout_ms == 500 && !s.verbose);
    assert_string_equal(s.listen, "file:1");
    assert_string_equal(s.token, "--dashes");
    options_release(rows, N, &s);
    unsetenv("WEIRTEST_WORKERS");
    unsetenv("WEIRTEST_LISTEN");
    unsetenv("WEIRTEST_SPOOL_SIZE");
}

static void durations_and_sizes_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *flag;
        uint64_t timeout_ms, spool_bytes;
    } good[] = {
        {"--read-timeout=0", 0, 64u << 20},        {"--read-timeout=10m", 600000, 64u << 20},
        {"--read-timeout=2h", 7200000, 64u << 20}, {"--read_timeout=7d", 604800000, 64u << 20},
        {"--spool-size=4096", 30000, 4096},        {"--spool-size=1GiB", 30000, 1u << 30}};
    struct settings s;
    struct error err;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char flag[64];
        (void)snprintf(flag, sizeof(flag), "%s", good[i].flag);
        assert_true(load(&s, NULL, ARGV(flag), &err));
        assert_true(s.timeout_ms == good[i].timeout_ms && s.spool_bytes == good[i].spool_bytes);
        options_release(rows, N, &s);
    }
}

static void refusals_name_source_and_value(void **state)
{
    (void)state;
    static const struct {
        const char *flag, *text;
    } bad[] = {
        {"--workers=many", "flag --workers: \"many\" is not a whole number"},
        {"--workers=65", "flag --workers: \"65\" is not between 1 and 64"},
        {"--workers", "flag --workers: needs a whole number"},
        {"--read-timeout=30",
         "flag --read-timeout: \"30\" is not a duration such as 500ms, 30s, 10m, 2h or 7d"},
        {"--read-timeout=99999999999999999d", "flag --read-timeout: \"99999999999999999d\" is not "
                                              "a duration such as 500ms, 30s, 10m, 2h or 7d"},
        {"--spool-size=1KB",
         "flag --spool-size: \"1KB\" is not a size such as 65536, 64KiB, 8MiB or 1GiB"},
        {"--verbose=maybe", "flag --verbose: \"maybe\" is not true or false"},
        {"--nope", "unknown flag --nope"},
        {"--no-workers", "unknown flag --no-workers"},
        {"-v", "unknown flag -v"},
        {"word", "unexpected argument \"word\""},
    };
    struct settings s;
    struct error err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char flag[64];
        (void)snprintf(flag, sizeof(flag), "%s", bad[i].flag);
        assert_false(load(&s, NULL, ARGV(flag), &err));
        assert_string_equal(err.text, bad[i].text);
        assert_null(s.listen); /* released */
    }
    setenv("WEIRTEST_WORKERS", "0", 1);
    assert_false(load(&s, NULL, (char *[]){NULL}, &err));
    assert_string_equal(err.text, "environment WEIRTEST_WORKERS: \"0\" is not between 1 and 64");
    assert_string_equal(err.param, "workers");
    unsetenv("WEIRTEST_WORKERS");
}

static void files_are_refused_with_position(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text;
        int line, column;
    } bad[] = {
        {"workers: 3\nlisten: x\nwrokers: 3\n", ":3:1: unknown option \"wrokers\"", 3, 1},
        {"workers: x\n", ":1:10: workers: \"x\" is not a whole number", 1, 10},
        {"workers: [1]\n", ":1:10: workers must be a whole number", 1, 10},
        {"listen: ~\n", ":1:9: listen must be a text", 1, 9},
        {"- a\n", ":1:1: settings must be a map of option names to values", 1, 1},
        {"a: b: c\n", ":1:5: mapping values are not allowed in this context", 1, 5},
    };
    struct settings s;
    struct error err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char want[256];
        write_file(bad[i].file);
        assert_false(load(&s, path, (char *[]){NULL}, &err));
        (void)snprintf(want, sizeof(want), "%s%s", path, bad[i].text);
        assert_string_equal(err.text, want);
        assert_int_equal(err.line, bad[i].line);
        assert_int_equal(err.column, bad[i].column);
    }
    assert_false(load(&s, "/nonexistent/weir.yaml", (char *[]){NULL}, &err));
    assert_string_equal(err.text,
                        "cannot open \"/nonexistent/weir.yaml\": No such file or directory");
}

static void gathers_positional_words(void **state)
{
    (void)state;
    struct settings s;
    struct error err = ERROR_INIT;
    char create[] = "create", flag[] = "--verbose", name[] = "name", end[] = "--",
         last[] = "--last";
    char **argv = ARGV(create, flag, name, end, last);
    char **words = NULL;
    int n = 0;
    assert_true(options_load(rows, N, &s, NULL, 6, argv, 1, &words, &n, &err));
    assert_int_equal(n, 3);
    assert_string_equal(words[0], "create");
    assert_string_equal(words[1], "name");
    assert_string_equal(words[2], "--last");
    assert_true(s.verbose);
    mem_free(words);
    options_release(rows, N, &s);
}

static void secrets_are_not_repeated(void **state)
{
    (void)state;
    static const struct option_row secret[] = {
        {"pin", NULL, OPTION_U64, 0, NULL, 0, 0, true, "a secret number"}};
    uint64_t pin;
    struct error err = ERROR_INIT;
    char flag[] = "--pin=12x4";
    assert_false(options_load(secret, 1, &pin, NULL, 2, ARGV(flag), 1, NULL, NULL, &err));
    assert_null(strstr(err.text, "12x4"));
}

static void settings_may_come_from_a_manifest(void **state)
{
    (void)state;
    struct settings s;
    struct error err = ERROR_INIT;
    struct arena *a = arena_new(0);
    struct yaml_node *root = NULL;
    char flag[] = "--workers=9";
    assert_true(yaml_parse(STR_LIT("settings: {workers: 3, listen: there}"), 0, a, &root, &err));
    assert_true(options_load_settings(rows, N, &s, yaml_get(root, "settings"), "weir.yaml", 2,
                                      ARGV(flag), 1, NULL, NULL, &err));
    assert_true(s.workers == 9);
    assert_string_equal(s.listen, "there");
    options_release(rows, N, &s);
    assert_true(yaml_parse(STR_LIT("settings: {wrokers: 3}"), 0, a, &root, &err));
    assert_false(options_load_settings(rows, N, &s, yaml_get(root, "settings"), "weir.yaml", 2,
                                       ARGV(flag), 1, NULL, NULL, &err));
    assert_string_equal(err.text, "weir.yaml:1:12: unknown option \"wrokers\"");
    arena_free(a);
}

static void help_shows_each_option(void **state)
{
    (void)state;
    char text[4096];
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    FILE *capture = tmpfile();
    assert_non_null(capture);
    assert_true(dup2(fileno(capture), STDOUT_FILENO) >= 0);
    options_help(rows, N, "usage: prog [options]");
    fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    rewind(capture);
    text[fread(text, 1, sizeof(text) - 1, capture)] = '\0';
    fclose(capture);
    assert_memory_equal(text, "usage: prog [options]\n", 22);
    for (size_t i = 0; i < N; i++) {
        assert_non_null(strstr(text, rows[i].name));
        assert_non_null(strstr(text, rows[i].help));
    }
    assert_non_null(
        strstr(text, "--spool-size=SIZE\n      size [WEIRTEST_SPOOL_SIZE] (default: 64MiB)\n"));
}

static void peeks_at_one_flag(void **state)
{
    (void)state;
    char a[] = "--config-file=x", b[] = "--config-file", c[] = "y", d[] = "--help",
         e[] = "--config-filename=z";
    assert_string_equal(options_peek(2, ARGV(a), "config-file"), "x");
    assert_string_equal(options_peek(3, ARGV(b, c), "config-file"), "y");
    assert_string_equal(options_peek(2, ARGV(d), "help"), "");
    assert_null(options_peek(2, ARGV(e), "config-file"));
    assert_null(options_peek(1, ARGV(NULL), "help"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_override_in_order),
        cmocka_unit_test(durations_and_sizes_have_units),
        cmocka_unit_test(refusals_name_source_and_value),
        cmocka_unit_test(files_are_refused_with_position),
        cmocka_unit_test(gathers_positional_words),
        cmocka_unit_test(secrets_are_not_repeated),
        cmocka_unit_test(peeks_at_one_flag),
        cmocka_unit_test(settings_may_come_from_a_manifest),
        cmocka_unit_test(help_shows_each_option),
    };
    int fd = mkstemp(path);
    if (fd < 0) {
        return 1;
    }
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
