/* signers: what goes into the upstream head, and what never does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/signers/signer.h"

static struct str signed_as(struct arena *a, const char *kind, struct str credential,
                            struct error *err)
{
    struct head h;
    assert_true(head_init(&h, a, 256));
    if (!signer_for(str_of(kind))->sign(credential, &h, err)) {
        return STR_NONE;
    }
    assert_false(h.failed);
    return head_str(&h);
}

static void bearer_is_one_line(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct error err = ERROR_INIT;
    assert_true(
        str_eqz(signed_as(a, "openai", STR_LIT("sk-1"), &err), "Authorization: Bearer sk-1\r\n"));
    assert_true(str_eqz(signed_as(a, "some-new-kind", STR_LIT("sk-2"), &err),
                        "Authorization: Bearer sk-2\r\n"));
    arena_free(a);
}

static void no_credential_no_line(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct error err = ERROR_INIT;
    assert_int_equal(signed_as(a, "openai", STR_LIT(""), &err).len, 0);
    assert_int_equal(signed_as(a, "openai", STR_NONE, &err).len, 0);
    assert_int_equal(err.code, ERR_NONE);
    arena_free(a);
}

static void line_ends_are_refused_and_not_shown(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct error err = ERROR_INIT;
    assert_null(signed_as(a, "openai", STR_LIT("sk-secret\r\nX: y"), &err).ptr);
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_null(strstr(error_text(&err), "secret"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bearer_is_one_line),
        cmocka_unit_test(no_credential_no_line),
        cmocka_unit_test(line_ends_are_refused_and_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
