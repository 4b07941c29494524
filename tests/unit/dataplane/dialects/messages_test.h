/* Helpers of the tests of the Messages dialect: one arena, one context, texts in and out. */
#ifndef TESTS_UNIT_DATAPLANE_DIALECTS_MESSAGES_TEST_H
#define TESTS_UNIT_DATAPLANE_DIALECTS_MESSAGES_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/json.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/dialect.h"

static struct arena *arena;
static struct losses losses;
static struct exchange_context context;
static struct buffer out;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    buffer_init(&out, 8u << 20);
    losses = (struct losses){.n = 0};
    context = (struct exchange_context){
        .model = STR_LIT("claude-sonnet-4-5"),
        .client_model = STR_LIT("fast"),
        .request_id = STR_LIT("req_1"),
        .unique = STR_LIT("0123456789abcdef0123456789abcdef"),
        .created = 1700000000,
        .losses = &losses,
    };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&out);
    arena_free(arena);
    return 0;
}

static const char *text_of(struct str s)
{
    return s.ptr ? arena_str(arena, s).ptr : "(none)";
}

#define assert_str(s, z) assert_string_equal(text_of(s), (z))

__attribute__((unused)) static const char *out_text(void)
{
    assert_false(out.failed);
    return text_of(out.len ? buffer_str(&out) : STR_LIT(""));
}

__attribute__((unused)) static const char *lost(void)
{
    return text_of(losses_text(&losses, arena));
}

/* Whether the output holds it; the output is told when not. */
__attribute__((unused)) static bool holds(const char *piece)
{
    bool yes = strstr(out_text(), piece) != NULL;
    if (!yes) {
        print_message("wanted: %s\nin: %s\n", piece, out_text());
    }
    return yes;
}

#define assert_holds(piece) assert_true(holds(piece))
#define assert_lacks(piece) assert_null(strstr(out_text(), (piece)))

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
