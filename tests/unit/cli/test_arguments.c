/* Promises of cli/arguments.h: finding the command, short and repeated options, refusals. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/arguments.h"
#include "cli/commands.h"

static struct arguments a;
static struct error err;

/* argv[0] is added; the list ends in NULL. */
static bool read_line(const char *first, ...)
{
    char *argv[24] = {(char *)(uintptr_t) "weir"};
    int argc = 1;
    va_list args;
    va_start(args, first);
    for (const char *word = first; word; word = va_arg(args, const char *)) {
        argv[argc++] = (char *)(uintptr_t)word;
    }
    va_end(args);
    err = (struct error)ERROR_INIT;
    return arguments_read(commands, n_commands, argc, argv, &a, &err);
}

static int tear_down(void **state)
{
    (void)state;
    arguments_release(&a);
    return 0;
}

static void finds_a_command_of_two_words_and_its_arguments(void **state)
{
    (void)state;
    assert_true(read_line("key", "create", "my-app", NULL));
    assert_string_equal(a.command->words, "key create");
    assert_int_equal(a.n_words, 1);
    assert_string_equal(a.words[0], "my-app");
}

static void global_options_may_stand_before_the_command(void **state)
{
    (void)state;
    assert_true(read_line("--url", "http://h:1", "--json", "key", "list", NULL));
    const struct cli_options *o = a.options;
    assert_string_equal(a.command->words, "key list");
    assert_string_equal(o->url, "http://h:1");
    assert_true(o->json);
}

static void repeated_options_are_gathered_in_order(void **state)
{
    (void)state;
    assert_true(
        read_line("key", "create", "--model", "a", "x", "--model=b*", "--model", "c", NULL));
    const struct key_create_options *o = a.options;
    assert_string_equal(o->models, "a\nb*\nc");
    assert_null(o->providers);
    assert_string_equal(a.words[0], "x");
}

static void short_options_take_their_value_in_any_form(void **state)
{
    (void)state;
    assert_true(read_line("logs", "-n", "7", NULL));
    assert_int_equal(((struct logs_options *)a.options)->count, 7);
    arguments_release(&a);
    assert_true(read_line("logs", "-n8", NULL));
    assert_int_equal(((struct logs_options *)a.options)->count, 8);
    arguments_release(&a);
    assert_true(read_line("apply", "-f", "-", "--prune", NULL));
    assert_string_equal(((struct apply_options *)a.options)->file, "-");
    assert_true(((struct apply_options *)a.options)->prune);
    assert_false(((struct apply_options *)a.options)->dry_run);
}

static void words_behind_two_dashes_are_arguments(void **state)
{
    (void)state;
    assert_true(read_line("key", "create", "--model", "m", "--", "--odd-name", NULL));
    assert_string_equal(a.words[0], "--odd-name");
    assert_string_equal(((struct key_create_options *)a.options)->models, "m");
}

static void an_argument_that_looks_like_a_command_is_one_all_the_same(void **state)
{
    (void)state;
    assert_true(read_line("provider", "test", "list", NULL));
    assert_string_equal(a.command->words, "provider test");
    assert_string_equal(a.words[0], "list");
}

static void help_asks_for_nothing_else(void **state)
{
    (void)state;
    assert_true(read_line("key", "create", "--help", NULL));
    assert_true(a.help);
    arguments_release(&a);
    assert_true(read_line("-h", NULL));
    assert_true(a.help);
    assert_null(a.command);
}

static void wrong_use_is_refused_in_words(void **state)
{
    (void)state;
    assert_false(read_line("key", NULL));
    assert_non_null(strstr(err.text, "one word more"));
    arguments_release(&a);
    assert_false(read_line("frobnicate", NULL));
    assert_non_null(strstr(err.text, "unknown command \"frobnicate\""));
    arguments_release(&a);
    assert_false(read_line("key", "create", NULL));
    assert_non_null(strstr(err.text, "needs NAME"));
    arguments_release(&a);
    assert_false(read_line("key", "list", "extra", NULL));
    assert_non_null(strstr(err.text, "unexpected argument \"extra\""));
    arguments_release(&a);
    assert_false(read_line("key", "list", "--frob", NULL));
    assert_non_null(strstr(err.text, "--frob"));
    arguments_release(&a);
    assert_false(read_line("key", "list", "-z", NULL));
    assert_non_null(strstr(err.text, "-z"));
    arguments_release(&a);
    assert_false(read_line("logs", "-n", "many", NULL));
    assert_non_null(strstr(err.text, "--count"));
    arguments_release(&a);
    assert_false(read_line("key", "create", "x", "--model", NULL));
    assert_non_null(strstr(err.text, "--model"));
    arguments_release(&a);
    assert_false(read_line(NULL));
}

static void a_token_is_never_an_option(void **state)
{
    (void)state;
    assert_false(read_line("status", "--token", "wr_adm_x", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(finds_a_command_of_two_words_and_its_arguments, tear_down),
        cmocka_unit_test_teardown(global_options_may_stand_before_the_command, tear_down),
        cmocka_unit_test_teardown(repeated_options_are_gathered_in_order, tear_down),
        cmocka_unit_test_teardown(short_options_take_their_value_in_any_form, tear_down),
        cmocka_unit_test_teardown(words_behind_two_dashes_are_arguments, tear_down),
        cmocka_unit_test_teardown(an_argument_that_looks_like_a_command_is_one_all_the_same,
                                  tear_down),
        cmocka_unit_test_teardown(help_asks_for_nothing_else, tear_down),
        cmocka_unit_test_teardown(wrong_use_is_refused_in_words, tear_down),
        cmocka_unit_test_teardown(a_token_is_never_an_option, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
