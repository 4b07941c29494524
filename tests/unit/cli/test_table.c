/* Tables: widths in characters, alignment, safe cells. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/table.h"

static char *printed;
static size_t printed_len;

static FILE *open_out(void)
{
    return open_memstream(&printed, &printed_len);
}

static int tear_down(void **state)
{
    (void)state;
    free(printed);
    printed = NULL;
    return 0;
}

static const char *const titles[] = {"NAME", ">COUNT", "NOTE", NULL};

static void columns_line_up(void **state)
{
    (void)state;
    struct table *t = table_new(titles);
    FILE *out = open_out();
    const char *cells[] = {"a", "1", "x", "long-name", "12345678", "", "\xc3\xa9\xc3\xa9",
                           "2", "y"};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        table_cell_z(t, cells[i]);
    }
    table_print(t, out, false);
    fclose(out);
    assert_string_equal(printed, "NAME          COUNT  NOTE\n"
                                 "a                 1  x\n"
                                 "long-name  12345678  -\n"
                                 "\xc3\xa9\xc3\xa9                2  y\n");
    table_free(t);
}

static void escape_sequences_do_not_reach_the_terminal(void **state)
{
    (void)state;
    struct table *t = table_new(titles);
    FILE *out = open_out();
    table_cell_z(t, "\033[31mred\n");
    table_cell_z(t, "\xc2\x9b"
                    "2J");
    table_cell_z(t, "ok");
    table_print(t, out, false);
    fclose(out);
    assert_null(strchr(printed, '\033'));
    assert_null(strstr(printed, "\xc2\x9b"));
    assert_non_null(strstr(printed, "?[31mred?"));
    table_free(t);
}

static void color_marks_the_titles_only_when_asked(void **state)
{
    (void)state;
    struct table *t = table_new(titles);
    FILE *out = open_out();
    table_print(t, out, true);
    fclose(out);
    assert_non_null(strstr(printed, "\033[1m"));
    assert_non_null(strstr(printed, "NOTE\033[0m\n"));
    table_free(t);
}

static void a_flushed_table_has_its_titles_once(void **state)
{
    (void)state;
    struct table *t = table_new(titles);
    FILE *out = open_out();
    for (int i = 0; i < 2; i++) {
        table_cell_z(t, i ? "b" : "aaaa-aaaa");
        table_cell_z(t, "1");
        table_cell_z(t, "n");
        table_flush(t, out, false);
    }
    fclose(out);
    assert_string_equal(printed, "NAME       COUNT  NOTE\n"
                                 "aaaa-aaaa      1  n\n"
                                 "b              1  n\n");
    table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(columns_line_up, tear_down),
        cmocka_unit_test_teardown(escape_sequences_do_not_reach_the_terminal, tear_down),
        cmocka_unit_test_teardown(color_marks_the_titles_only_when_asked, tear_down),
        cmocka_unit_test_teardown(a_flushed_table_has_its_titles_once, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
