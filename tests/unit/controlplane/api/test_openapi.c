/* docs/openapi.json and the table of routes say the same: no operation without a route, no route
 * without one; and what is inside the binary is that file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "controlplane/api/resources.h"
#include "controlplane/api/routes.h"

static char text[1 << 20];
static struct json_value paths;

static struct json_value member(struct json_value object, const char *name)
{
    struct json_value n, v;
    size_t pos = 0;
    while (json_next(object, &pos, &n, &v)) {
        if (json_text_eq(n, str_of(name))) {
            return v;
        }
    }
    return (struct json_value){.type = JSON_NULL};
}

static int load(void **state)
{
    struct error err = ERROR_INIT;
    struct json_value doc;
    FILE *f = fopen("docs/openapi.json", "re");
    (void)state;
    if (!f) {
        return -1;
    }
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    if (!json_validate((struct str){text, n}, 0, &doc, &err)) {
        return -1;
    }
    paths = member(doc, "paths");
    return paths.type == JSON_OBJECT ? 0 : -1;
}

static void every_route_is_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_routes_count; i++) {
        const struct route *r = &api_routes[i];
        char method[16];
        size_t k = 0;
        for (; r->method[k] && k < sizeof method - 1; k++) {
            method[k] = (char)(r->method[k] | 0x20);
        }
        method[k] = '\0';
        struct json_value op = member(member(paths, r->pattern), method);
        if (op.type != JSON_OBJECT) {
            print_message("not described: %s %s\n", r->method, r->pattern);
        }
        assert_int_equal(op.type, JSON_OBJECT);
        struct json_value permission = member(op, "x-weir-permission");
        if (permission.type == JSON_STRING) {
            assert_true(json_text_eq(permission, str_of(permission_name(r->permission))));
        } else {
            assert_true(r->permission == PERMISSION_PUBLIC ||
                        r->permission == PERMISSION_SIGNED_IN);
        }
        assert_int_equal(member(op, "requestBody").type == JSON_OBJECT,
                         (r->flags & (ROUTE_BODY | ROUTE_BODY_OPTIONAL)) != 0);
    }
}

static void nothing_else_is_described(void **state)
{
    struct json_value path, methods, method, op;
    size_t at_path = 0, count = 0;
    (void)state;
    while (json_next(paths, &at_path, &path, &methods)) {
        size_t at_method = 0;
        while (json_next(methods, &at_method, &method, &op)) {
            count++;
        }
    }
    assert_int_equal(count, api_routes_count);
}

static void the_binary_holds_the_file(void **state)
{
    struct call c = {.status = 200};
    struct error err = ERROR_INIT;
    (void)state;
    buffer_init(&c.out, 1 << 20);
    assert_true(openapi_call(&c, &err));
    assert_true(str_eq(buffer_str(&c.out), str_of(text)));
    buffer_release(&c.out);
}

static void the_schema_of_configs_is_served_as_it_is(void **state)
{
    static char file[1 << 19];
    struct call c = {.status = 200};
    struct error err = ERROR_INIT;
    struct json_value v;
    (void)state;
    FILE *f = fopen("docs/schema/routing-config.schema.json", "re");
    assert_non_null(f);
    size_t n = fread(file, 1, sizeof file - 1, f);
    (void)fclose(f);
    buffer_init(&c.out, 1 << 20);
    assert_true(config_schema_call(&c, &err));
    assert_true(str_eq(buffer_str(&c.out), (struct str){file, n}));
    assert_true(json_validate(buffer_str(&c.out), 0, &v, &err));
    buffer_release(&c.out);
}

static void ids_in_paths_have_their_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_routes_count; i++) {
        assert_int_equal(strstr(api_routes[i].pattern, "{id}") != NULL,
                         api_routes[i].prefix != NULL);
        assert_true(api_routes[i].permission < PERMISSION_COUNT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(nothing_else_is_described),
        cmocka_unit_test(the_binary_holds_the_file),
        cmocka_unit_test(the_schema_of_configs_is_served_as_it_is),
        cmocka_unit_test(ids_in_paths_have_their_prefix),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
