/* Matching of paths against a table. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/http/router.h"

static const struct route routes[] = {
    {.method = "GET", .pattern = "/keys"},
    {.method = "POST", .pattern = "/keys"},
    {.method = "GET", .pattern = "/keys/{id}"},
    {.method = "POST", .pattern = "/keys/{id}/revoke"},
    {.method = "PUT", .pattern = "/keys/{id}/labels/{label}"},
};

static const struct route *match(const char *method, const char *path, char allow[static 64],
                                 struct str *id)
{
    *id = STR_NONE;
    return router_match(routes, sizeof routes / sizeof routes[0], str_of(method), str_of(path),
                        allow, id);
}

static void finds_the_route_and_its_id(void **state)
{
    char allow[64];
    struct str id;
    (void)state;
    assert_ptr_equal(match("GET", "/keys", allow, &id), &routes[0]);
    assert_ptr_equal(match("POST", "/keys", allow, &id), &routes[1]);
    assert_ptr_equal(match("HEAD", "/keys", allow, &id), &routes[0]);
    assert_ptr_equal(match("GET", "/keys/key_1", allow, &id), &routes[2]);
    assert_true(str_eqz(id, "key_1"));
    assert_ptr_equal(match("POST", "/keys/key_2/revoke", allow, &id), &routes[3]);
    assert_true(str_eqz(id, "key_2"));
}

static void finds_what_a_second_placeholder_names(void **state)
{
    char allow[64];
    struct str id;
    (void)state;
    assert_ptr_equal(match("PUT", "/keys/key_1/labels/prod", allow, &id), &routes[4]);
    assert_true(str_eqz(id, "key_1"));
    assert_true(str_eqz(router_item(str_of(routes[4].pattern), STR_LIT("/keys/key_1/labels/prod")),
                        "prod"));
    assert_null(router_item(str_of(routes[3].pattern), STR_LIT("/keys/key_1/revoke")).ptr);
    assert_null(match("PUT", "/keys/key_1/labels", allow, &id));
    assert_null(match("PUT", "/keys/key_1/labels/", allow, &id));
    assert_null(match("PUT", "/keys/key_1/labels/a/b", allow, &id));
}

static void knows_paths_from_methods(void **state)
{
    char allow[64];
    struct str id;
    (void)state;
    assert_null(match("DELETE", "/keys", allow, &id));
    assert_string_equal(allow, "GET, POST");
    assert_null(match("get", "/keys", allow, &id));
    assert_string_equal(allow, "GET, POST");
    static const char *const strangers[] = {"",
                                            "/",
                                            "/key",
                                            "/keyss",
                                            "/keys/",
                                            "/keys//revoke",
                                            "/keys/a/b",
                                            "/keys/a/revoke/",
                                            "/keys/a/revoke/b",
                                            "keys",
                                            "//keys"};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        if (match("GET", strangers[i], allow, &id) || match("POST", strangers[i], allow, &id)) {
            print_message("matched: %s\n", strangers[i]);
            fail();
        }
        assert_string_equal(allow, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_route_and_its_id),
        cmocka_unit_test(finds_what_a_second_placeholder_names),
        cmocka_unit_test(knows_paths_from_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
