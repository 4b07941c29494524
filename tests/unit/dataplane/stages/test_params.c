/* params: members renamed, bounded and left out, and everything else as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/stages/params.h"

static void edit(const struct snap_provider *p, const char *body, const char *want,
                 const char *dropped)
{
    struct arena *a = arena_new(0);
    struct losses losses = {.n = 0};
    struct splice s;
    assert_true(splice_init(&s, a, str_of(body)));
    assert_true(params_edit(p, API_CHAT, str_of(body), &s, &losses));
    struct str got = splice_join(&s);
    if (!str_eqz(got, want)) {
        fail_msg("%.*s", (int)got.len, got.ptr);
    }
    struct str names = losses_text(&losses, a);
    assert_true(dropped ? str_eqz(names, dropped) : names.len == 0);
    arena_free(a);
}

static void a_rows_params(void **state)
{
    (void)state;
    struct provider_row row = {
        .name = "x",
        .params = "max_completion_tokens=max_tokens -logit_bias -user temperature<=1 top_p>=0.1"};
    struct snap_provider p = {.row = &row};
    assert_true(params_apply(&p, API_CHAT));
    assert_false(params_apply(&p, API_MESSAGES));
    edit(&p, "{\"model\":\"m\",\"max_completion_tokens\":5}", "{\"model\":\"m\",\"max_tokens\":5}",
         NULL);
    /* said both ways, the provider's own name counts */
    edit(&p, "{\"max_completion_tokens\":5,\"max_tokens\":4}",
         "{\"max_completion_tokens\":5,\"max_tokens\":4}", NULL);
    edit(&p, "{\"temperature\" : 1.5, \"top_p\":0.05}", "{\"temperature\" : 1, \"top_p\":0.1}",
         NULL);
    edit(&p, "{\"temperature\":0.9,\"top_p\":null}", "{\"temperature\":0.9,\"top_p\":null}", NULL);
    edit(&p, "{\"user\":\"u\",\"model\":\"m\"}", "{\"model\":\"m\"}", "user");
    edit(&p, "{\"model\":\"m\", \"logit_bias\":{\"1\":2}, \"user\":\"u\" }", "{\"model\":\"m\"}",
         "logit_bias, user");
    edit(&p, "{\"a\":1,\"user\":\"u\",\"logit_bias\":{},\"b\":2}", "{\"a\":1,\"b\":2}",
         "user, logit_bias");
    edit(&p, "{\"user\":\"u\"}", "{}", "user");
    edit(&p, "{\"nested\":{\"user\":\"u\"}}", "{\"nested\":{\"user\":\"u\"}}", NULL);
}

static void a_providers_own_settings(void **state)
{
    (void)state;
    struct provider_row row = {.name = "x", .params = "a=b"};
    struct snap_provider p = {.row = &row,
                              .rename_json = STR_LIT("{\"a\":\"c\",\"x\":\"y\"}"),
                              .drop_json = STR_LIT("[\"seed\"]")};
    assert_true(params_apply(&p, API_RESPONSES));
    edit(&p, "{\"a\":1,\"seed\":2,\"x\":3}", "{\"c\":1,\"y\":3}", "seed");
}

static void none_is_nothing(void **state)
{
    (void)state;
    struct provider_row row = {.name = "x"};
    struct snap_provider p = {.row = &row};
    assert_false(params_apply(&p, API_CHAT));
    edit(&p, "{\"a\":1}", "{\"a\":1}", NULL);
    edit(&p, "[1]", "[1]", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rows_params),
        cmocka_unit_test(a_providers_own_settings),
        cmocka_unit_test(none_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
