/* References: what may be declared, who may use it, and what becomes of a credential. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/secrets/reference.h"

#define ORG_A "org_01890000000070008000000000000001"

static struct uuid org_a, org_b;
static const struct uuid nil;

static struct references *declare(const char *text, struct error *err)
{
    const struct references_config c = {.declared = text};
    return references_new(&c, err);
}

static struct references *declared(const char *text)
{
    struct error err = ERROR_INIT;
    struct references *r = declare(text, &err);
    if (!r) {
        fail_msg("%s", error_text(&err));
    }
    references_refresh(r);
    return r;
}

static const char *expanded(struct references *r, const char *credential, struct arena *a)
{
    struct str out = STR_NONE;
    return references_expand(r, &org_a, str_of(credential), a, &out) ? arena_str(a, out).ptr : NULL;
}

static void faulty_declarations_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x",
        "= env:X",
        "../x = env:X",
        "x = y",
        "x = env:",
        "x = http://somewhere",
        "x = vault:secret/data/x",
        "x = vault:secret/data/x#field", /* no Vault is set */
        "x = env:X; x = env:Y",
        "x = env:X for acme",
        "x = env:X for ",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = ERROR_INIT;
        assert_null(declare(bad[i], &err));
        assert_int_not_equal(err.code, ERR_NONE);
    }
    const struct references_config c = {.vault_address = "http://vault.example.test:8200"};
    struct error err = ERROR_INIT;
    assert_null(references_new(&c, &err)); /* in clear over a network */
}

static void names_are_for_whom_they_were_declared(void **state)
{
    (void)state;
    struct references *r = declared("# all\nall = env:WEIR_T_A\nmine = env:WEIR_T_A for " ORG_A);
    assert_null(references_refuse(r, &org_a, STR_LIT("ref:all")));
    assert_null(references_refuse(r, &org_b, STR_LIT("ref:all")));
    assert_null(references_refuse(r, &org_a, STR_LIT("ref:mine")));
    assert_null(references_refuse(r, &nil, STR_LIT("ref:mine")));
    const char *foreign = references_refuse(r, &org_b, STR_LIT("ref:mine"));
    const char *unknown = references_refuse(r, &org_b, STR_LIT("ref:unknown"));
    assert_non_null(foreign);
    assert_string_equal(foreign, unknown);
    static const char *const bad[] = {"ref:", "ref:../x", "ref:env:X", "ref:a/b", "ref: all"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_non_null(references_refuse(r, &org_a, str_of(bad[i])));
    }
    assert_non_null(references_refuse(NULL, &org_a, STR_LIT("ref:all")));
    struct arena *a = arena_new(0);
    struct str out;
    assert_true(references_value(r, &org_a, STR_LIT("ref:mine"), a, &out));
    assert_true(str_eqz(out, "value-a"));
    /* also where it was stored before the declaration was narrowed */
    assert_false(references_value(r, &org_b, STR_LIT("ref:mine"), a, &out));
    struct reference_state *list;
    size_t n;
    assert_true(references_list(r, &org_b, a, &list, &n));
    assert_int_equal(n, 1);
    assert_true(references_list(r, NULL, a, &list, &n));
    assert_int_equal(n, 2);
    arena_free(a);
    references_free(r);
}

static void credentials_are_expanded(void **state)
{
    (void)state;
    struct references *r =
        declared("a = env:WEIR_T_A; quote = env:WEIR_T_QUOTE; none = env:WEIR_T_NO");
    struct arena *a = arena_new(0);
    static const char *const cases[][2] = {
        {"sk-plain", "sk-plain"},
        {"", ""},
        {"ref:a", "value-a"},
        {"{\"api_key\":\"ref:a\",\"client_secret\":\"own\"}",
         "{\"api_key\":\"value-a\",\"client_secret\":\"own\"}"},
        {"{\"api_keys\":[\"ref:a\",\"own\",\"ref:none\"]}", "{\"api_keys\":[\"value-a\",\"own\"]}"},
        {"{\"api_key\":\"ref:quote\"}", "{\"api_key\":\"a\\\"b\"}"},
        {"{not json \"ref:a\"", "{not json \"ref:a\""},
        {"ref:none", NULL},
        {"ref:unknown", NULL},
        {"{\"api_key\":\"ref:none\"}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = expanded(r, cases[i][0], a);
        if (!cases[i][1]) {
            assert_null(got);
        } else {
            assert_non_null(got);
            assert_string_equal(got, cases[i][1]);
        }
    }
    assert_null(expanded(NULL, "ref:a", a));
    assert_string_equal(expanded(NULL, "sk-plain", a), "sk-plain");
    arena_free(a);
    references_free(r);
}

static void write_value(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void a_file_is_read_again_and_its_last_value_kept(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-test-ref-XXXXXX", text[128];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_value(path, "first\n");
    (void)snprintf(text, sizeof text, "f = file:%s", path);
    struct references *r = declared(text);
    struct arena *a = arena_new(0);
    assert_string_equal(expanded(r, "ref:f", a), "first");
    write_value(path, "second");
    references_refresh(r);
    assert_string_equal(expanded(r, "ref:f", a), "second");
    static const char *const faulty[] = {"", "two\nlines", "ref:f", " blank"};
    for (size_t i = 0; i < sizeof faulty / sizeof *faulty; i++) {
        write_value(path, faulty[i]);
        references_refresh(r);
        assert_string_equal(expanded(r, "ref:f", a), "second");
    }
    assert_int_equal(unlink(path), 0);
    references_refresh(r);
    assert_string_equal(expanded(r, "ref:f", a), "second");
    struct reference_state *list;
    size_t n;
    assert_true(references_list(r, &org_a, a, &list, &n));
    assert_true(n == 1 && list[0].resolves && list[0].stale);
    write_value(path, "{\n  \"type\": \"service_account\"\n}\n");
    references_refresh(r);
    assert_string_equal(expanded(r, "ref:f", a), "{\n  \"type\": \"service_account\"\n}");
    unlink(path);
    arena_free(a);
    references_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faulty_declarations_are_refused),
        cmocka_unit_test(names_are_for_whom_they_were_declared),
        cmocka_unit_test(credentials_are_expanded),
        cmocka_unit_test(a_file_is_read_again_and_its_last_value_kept),
    };
    setenv("WEIR_T_A", "value-a", 1);
    setenv("WEIR_T_QUOTE", "a\"b", 1);
    unsetenv("WEIR_T_NO");
    if (!uuid_parse_public("org", STR_LIT(ORG_A), &org_a)) {
        return 1;
    }
    org_b = uuid_v7();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
