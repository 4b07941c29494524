/* What the tests of Gemini's dialect share: an arena, a context, and texts in and out. */
#ifndef TESTS_UNIT_DATAPLANE_DIALECTS_GEMINI_RIG_H
#define TESTS_UNIT_DATAPLANE_DIALECTS_GEMINI_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/canonical/read.h"
#include "dataplane/dialects/dialect.h"

static struct arena *arena;
static struct losses losses;
static struct exchange_context context;
static struct buffer output;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    losses = (struct losses){.n = 0};
    context = (struct exchange_context){
        .model = STR_LIT("gemini-2.5-flash"), .unique = STR_LIT("0123"), .losses = &losses};
    buffer_init(&output, 64u << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    buffer_release(&output);
    return 0;
}

static inline const char *text_of(struct str s)
{
    return s.ptr ? arena_str(arena, s).ptr : "(none)";
}

/* The output, which must be one JSON value. */
static inline const char *json_out(void)
{
    struct json_value v;
    assert_false(output.failed);
    assert_true(read_json(buffer_str(&output), &v));
    return text_of(buffer_str(&output));
}

static inline void has(const char *text, const char *piece)
{
    if (!strstr(text, piece)) {
        print_error("missing %s\n     in %s\n", piece, text);
        fail();
    }
}

static inline void has_not(const char *text, const char *piece)
{
    if (strstr(text, piece)) {
        print_error("unwanted %s\n      in %s\n", piece, text);
        fail();
    }
}

static inline const char *lost(void)
{
    return text_of(losses_text(&losses, arena));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
