/* The readers that all dialects share, and the neutral form's names and lists. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/canonical/read.h"

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_new(0);
    return a ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

#define assert_str(s, z)                                    \
    do {                                                    \
        struct str s_ = (s);                                \
        if (!s_.ptr || !str_eqz(s_, z)) {                   \
            fail_msg("'%.*s' is not '%s'", STR_ARG(s_), z); \
        }                                                   \
    } while (0)

static void data_urls_are_taken_apart(void **state)
{
    (void)state;
    struct media m = {.detail = STR_LIT("low")};
    assert_true(media_of_url(a, STR_LIT("data:image/png;base64,iVBORw0="), &m));
    assert_str(m.media_type, "image/png");
    assert_str(m.data, "iVBORw0=");
    assert_null(m.url.ptr);
    assert_str(m.detail, "low");
    assert_str(media_url(a, &m), "data:image/png;base64,iVBORw0=");

    m = (struct media){0};
    assert_true(media_of_url(a, STR_LIT("DATA:text/plain;charset=utf-8,a%20b"), &m));
    assert_str(m.media_type, "text/plain");
    assert_str(m.data, "YSBi");

    m = (struct media){0};
    assert_true(media_of_url(a, STR_LIT("https://x.example/a.png"), &m));
    assert_str(m.url, "https://x.example/a.png");
    assert_null(m.data.ptr);
    assert_str(media_url(a, &m), "https://x.example/a.png");

    assert_false(media_of_url(a, STR_LIT("data:image/png;base64"), &m));
    assert_false(media_of_url(a, STR_LIT("data:image/png;base64,"), &m));
    assert_false(media_of_url(a, STR_LIT(""), &m));
}

static void types_and_endings_meet(void **state)
{
    (void)state;
    assert_str(media_type_of_name(STR_LIT("https://h/dir.x/Photo.JPG?w=1.5#f")), "image/jpeg");
    assert_null(media_type_of_name(STR_LIT("https://h.png/none")).ptr);
    assert_null(media_type_of_name(STR_LIT("x.unknown")).ptr);
    assert_str(media_format_of_type(STR_LIT("image/jpeg")), "jpeg");
    assert_str(media_format_of_type(STR_LIT("text/html; charset=utf-8")), "html");
    assert_str(media_format_of_type(STR_LIT("audio/x-wav")), "wav");
    assert_null(media_format_of_type(STR_LIT("application/x-none")).ptr);
    assert_str(media_type_of_format(STR_LIT("mp3")), "audio/mpeg");
}

static void base64_goes_both_ways(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_str(base64_text(a, str_of(pairs[i][0])), pairs[i][1]);
        assert_str(base64_bytes(a, str_of(pairs[i][1])), pairs[i][0]);
    }
    assert_null(base64_bytes(a, STR_LIT("Zm9*")).ptr);
}

static void arguments_are_always_an_object(void **state)
{
    (void)state;
    assert_str(arguments_of(a, STR_LIT("")), "{}");
    assert_str(arguments_of(a, STR_NONE), "{}");
    assert_str(arguments_of(a, STR_LIT("  \n")), "{}");
    assert_str(arguments_of(a, STR_LIT("null")), "{}");
    assert_str(arguments_of(a, STR_LIT(" {\"a\": 1}")), "{\"a\": 1}");
    assert_str(arguments_of(a, STR_LIT("{\"a\": ")), "{\"_raw\":\"{\\\"a\\\": \"}");
    assert_str(arguments_of(a, STR_LIT("[1]")), "{\"_raw\":\"[1]\"}");
}

static void texts_are_joined(void **state)
{
    (void)state;
    struct part parts[] = {{.type = PART_TEXT, .text = STR_LIT("one")},
                           {.type = PART_IMAGE},
                           {.type = PART_TEXT, .text = STR_LIT("two")}};
    bool skipped;
    assert_str(parts_text(a, parts, 3, STR_LIT("\n\n"), &skipped), "one\n\ntwo");
    assert_true(skipped);
    assert_str(parts_text(a, parts, 1, STR_LIT("\n\n"), &skipped), "one");
    assert_false(skipped);
    assert_str(parts_text(a, parts, 0, STR_LIT("\n\n"), NULL), "");
}

static void whole_numbers_however_spelled(void **state)
{
    (void)state;
    struct json_member m[] = {{.name = STR_LIT("a")},
                              {.name = STR_LIT("b")},
                              {.name = STR_LIT("c")},
                              {.name = STR_LIT("d")},
                              {.name = STR_LIT("e")}};
    struct error err = ERROR_INIT;
    uint64_t n = 7;
    assert_true(
        json_scan(STR_LIT("{\"a\":4.0,\"b\":1e2,\"c\":null,\"d\":1.5,\"e\":-1}"), m, 5, 0, NULL));
    assert_true(read_u64_member(&m[0], "a", &n, &err));
    assert_int_equal(n, 4);
    assert_true(read_u64_member(&m[1], "b", &n, &err));
    assert_int_equal(n, 100);
    assert_true(read_u64_member(&m[2], "c", &n, &err));
    assert_int_equal(n, 100);
    assert_false(read_u64_member(&m[3], "d", &n, &err));
    assert_string_equal(err.param, "d");
    assert_false(read_u64_member(&m[4], "e", &n, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
}

static void losses_are_named_once_and_in_the_clients_words(void **state)
{
    (void)state;
    struct losses l = {.n = 0};
    assert_null(losses_text(&l, a).ptr);
    losses_add(&l, FAMILY_GEMINI, FIELD_TOP_K);
    losses_add(&l, FAMILY_GEMINI, FIELD_TOP_K);
    losses_add_name(&l, STR_LIT("x\r\ny, z"));
    losses_add(&l, FAMILY_CHAT, FIELD_SEED);
    assert_str(losses_text(&l, a), "generationConfig.topK, xyz, seed");
    for (int i = 0; i < 2 * LOSSES_MAX; i++) {
        losses_add_name(&l, arena_printf(a, "f%d", i));
    }
    assert_int_equal(l.n, LOSSES_MAX);
    assert_str(l.names[LOSSES_MAX - 1], "...");
}

static void efforts_and_budgets(void **state)
{
    (void)state;
    for (unsigned e = EFFORT_LOW; e < EFFORT_COUNT; e++) {
        assert_int_equal(effort_of(str_of(effort_name((enum effort)e))), e);
        assert_int_equal(effort_of_budget(effort_budget((enum effort)e)), e);
    }
    assert_int_equal(effort_of_budget(0), EFFORT_NONE);
    assert_int_equal(effort_of_budget(1 << 20), EFFORT_MAX);
    assert_int_equal(effort_of(STR_LIT("enormous")), EFFORT_UNSET);
    assert_int_equal(effort_of(STR_LIT("")), EFFORT_UNSET);
}

static void lists_grow_and_keep_their_order(void **state)
{
    (void)state;
    struct part *parts = NULL;
    size_t n = 0, cap = 0;
    for (int i = 0; i < 100; i++) {
        struct part *p = part_add(a, &parts, &n, &cap);
        assert_non_null(p);
        p->text = arena_printf(a, "%d", i);
    }
    assert_int_equal(n, 100);
    for (int i = 0; i < 100; i++) {
        assert_str(parts[i].text, arena_printf(a, "%d", i).ptr);
    }
}

static void later_usage_replaces_what_it_knows(void **state)
{
    (void)state;
    struct usage u = {.found = true, .input_found = true, .input = 10, .output = 1, .cached = 4};
    struct usage later = {.found = true, .output_found = true, .output = 20};
    usage_merge(&u, &later);
    assert_int_equal(u.input, 10);
    assert_int_equal(u.output, 20);
    assert_int_equal(u.cached, 4);
    assert_true(u.input_found && u.output_found);
    assert_int_equal(usage_total(&u), 30);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(data_urls_are_taken_apart),
        T(types_and_endings_meet),
        T(base64_goes_both_ways),
        T(arguments_are_always_an_object),
        T(texts_are_joined),
        T(whole_numbers_however_spelled),
        T(losses_are_named_once_and_in_the_clients_words),
        T(efforts_and_budgets),
        T(lists_grow_and_keep_their_order),
        T(later_usage_replaces_what_it_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
