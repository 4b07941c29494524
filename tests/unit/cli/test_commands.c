/* The table of commands, and what needs no control plane: help, version, completion, wrong use. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/commands.h"
#include "cli/document.h"
#include "common/base/mem.h"
#include "cli/run_cli.h"

static int set_up(void **state)
{
    (void)state;
    /* no profile, no token, nobody listening */
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    setenv("WEIR_URL", "http://127.0.0.1:9", 1);
    unsetenv("WEIR_TOKEN");
    unsetenv("WEIR_ORGANIZATION");
    return 0;
}

static void rows_are_whole_and_unlike(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_commands; i++) {
        const struct command *k = &commands[i];
        assert_non_null(k->run);
        assert_true(k->words[0] && k->summary[0]);
        assert_true(k->options_size >= sizeof(struct cli_options));
        assert_true(k->min_words <= k->max_words);
        assert_true((k->max_words > 0) == (k->arguments[0] != '\0' && k->arguments[0] != '-'));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(k->words, commands[j].words);
        }
        for (size_t o = 0; o < k->n_options; o++) {
            assert_true(k->options[o].offset >= sizeof(struct cli_options));
            assert_true(k->options[o].offset < k->options_size);
            for (size_t g = 0; g < cli_n_rows; g++) {
                assert_string_not_equal(k->options[o].name, cli_rows[g].name);
            }
        }
        for (int r = 0; r < COMMAND_REPEATABLE_MAX && k->repeatable[r]; r++) {
            bool found = false;
            for (size_t o = 0; o < k->n_options; o++) {
                found = found || (strcmp(k->options[o].name, k->repeatable[r]) == 0 &&
                                  k->options[o].type == OPTION_TEXT);
            }
            assert_true(found);
        }
    }
}

static void every_command_is_documented(void **state)
{
    (void)state;
    static char text[65536];
    FILE *f = fopen("docs/cli.md", "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    for (size_t i = 0; i < n_commands; i++) {
        char title[64];
        (void)snprintf(title, sizeof title, "weir %s", commands[i].words);
        if (!strstr(text, title)) {
            fail_msg("docs/cli.md does not name \"%s\"", title);
        }
        for (size_t o = 0; o < commands[i].n_options; o++) {
            (void)snprintf(title, sizeof title, "--%s", commands[i].options[o].name);
            if (!strstr(text, title)) {
                fail_msg("docs/cli.md does not name %s", title);
            }
        }
    }
}

static void help_shows_each_command(void **state)
{
    (void)state;
    struct ran r = run_cli(NULL, "help", NULL);
    assert_int_equal(r.exit, CLI_OK);
    for (size_t i = 0; i < n_commands; i++) {
        assert_non_null(strstr(r.out, commands[i].words));
    }
    ran_release(&r);
    r = run_cli(NULL, "key", "create", "--help", NULL);
    assert_int_equal(r.exit, CLI_OK);
    assert_non_null(strstr(r.out, "usage: weir key create [options] NAME"));
    assert_non_null(strstr(r.out, "--expires"));
    ran_release(&r);
    r = run_cli(NULL, "help", "provider", NULL);
    assert_non_null(strstr(r.out, "provider test"));
    assert_null(strstr(r.out, "key create"));
    ran_release(&r);
    r = run_cli(NULL, "help", "nothing", NULL);
    assert_int_equal(r.exit, CLI_USAGE);
    ran_release(&r);
}

/* stdout is exactly one JSON document. */
static struct document *one_document(const struct ran *r)
{
    struct error err = ERROR_INIT;
    struct document *d = document_parse(str_of(r->out), &err);
    if (!d) {
        fail_msg("not one JSON document (%s): %s", err.text, r->out);
    }
    return d;
}

static void json_is_one_document_whatever_happens(void **state)
{
    (void)state;
    static const struct {
        const char *words[3];
        int exit;
        const char *code;
    } cases[] = {
        {{"version"}, CLI_OK, ""},
        {{"help"}, CLI_OK, ""},
        {{"help", "key"}, CLI_OK, ""},
        {{"completion", "bash"}, CLI_OK, ""},
        {{"status", "--help"}, CLI_OK, ""},
        {{"status"}, CLI_ERROR, "unauthenticated"},
        {{"key", "list"}, CLI_ERROR, "unauthenticated"},
        {{"logs", "--follow"}, CLI_ERROR, "unauthenticated"},
        {{"data-plane", "token"}, CLI_ERROR, "unauthenticated"},
        {{"key", "create"}, CLI_USAGE, "usage"},
        {{"nonsense"}, CLI_USAGE, "usage"},
        {{"apply"}, CLI_USAGE, "usage"},
        {{"explain"}, CLI_USAGE, "usage"},
        {{"replay", "x"}, CLI_USAGE, "usage"},
        {{"targets"}, CLI_ERROR, "unauthenticated"},
        {{"config", "list"}, CLI_ERROR, "unauthenticated"},
        {{"cache", "purge"}, CLI_ERROR, "unauthenticated"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ran r =
            run_cli(NULL, "--json", cases[i].words[0], cases[i].words[1], cases[i].words[2], NULL);
        struct document *d = one_document(&r);
        assert_int_equal(r.exit, cases[i].exit);
        assert_string_equal(document_text(d, "error.code"), cases[i].code);
        document_free(d);
        ran_release(&r);
    }
}

static void a_dead_address_is_told_as_such(void **state)
{
    (void)state;
    setenv("WEIR_TOKEN", "wr_adm_x", 1);
    struct ran r = run_cli(NULL, "status", NULL);
    assert_int_equal(r.exit, CLI_ERROR);
    assert_non_null(strstr(r.err, "cannot connect to http://127.0.0.1:9"));
    assert_null(strstr(r.err, "wr_adm_x"));
    assert_string_equal(r.out, "");
    unsetenv("WEIR_TOKEN");
    ran_release(&r);
}

static void a_literal_provider_key_is_refused_and_not_repeated(void **state)
{
    (void)state;
    struct ran r = run_cli(NULL, "provider", "add", "p", "--kind", "openai", "--api-key",
                           "sk-very-secret", NULL);
    assert_int_equal(r.exit, CLI_USAGE);
    assert_non_null(strstr(r.err, "env:NAME"));
    assert_null(strstr(r.err, "sk-very-secret"));
    ran_release(&r);
}

static void apply_tells_where_a_file_is_wrong(void **state)
{
    (void)state;
    struct ran r =
        run_cli("version: 1\nmodels:\n  - name: m\n", "apply", "-f", "-", "--json", NULL);
    assert_int_equal(r.exit, CLI_ERROR);
    struct document *d = one_document(&r);
    assert_int_equal(document_integer(d, "error.line"), 3);
    assert_string_equal(document_text(d, "error.param"), "models[0].targets");
    assert_non_null(strstr(r.err, "<stdin>:3:5: "));
    document_free(d);
    ran_release(&r);
}

static void completion_knows_every_first_word_once(void **state)
{
    (void)state;
    struct ran r = run_cli(NULL, "completion", "bash", NULL);
    char *last = strstr(r.out, "    *) words='");
    assert_non_null(last);
    assert_non_null(strstr(last,
                           " login logout key budget limit team provider catalog apply "
                           "export config prompt price price-book "
                           "price-group statement explain "
                           "targets cache replay import logs audit status data-plane version help "
                           "completion --url"));
    assert_non_null(
        strstr(r.out, "\"key \"*) words=' create list revoke rotate block unblock check import'"));
    ran_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole_and_unlike),
        cmocka_unit_test(every_command_is_documented),
        cmocka_unit_test(help_shows_each_command),
        cmocka_unit_test(json_is_one_document_whatever_happens),
        cmocka_unit_test(a_dead_address_is_told_as_such),
        cmocka_unit_test(a_literal_provider_key_is_refused_and_not_repeated),
        cmocka_unit_test(apply_tells_where_a_file_is_wrong),
        cmocka_unit_test(completion_knows_every_first_word_once),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
