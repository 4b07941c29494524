/* What is well formed and what is not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/rules/validate.h"

static void all(const char *(*check)(struct str), const char *const *texts, bool good)
{
    for (size_t i = 0; texts[i]; i++) {
        if ((check(str_of(texts[i])) == NULL) != good) {
            print_message("\"%s\": %s\n", texts[i],
                          good ? check(str_of(texts[i])) : "was accepted");
        }
        assert_int_equal(check(str_of(texts[i])) == NULL, good);
    }
}

static void names(void **state)
{
    (void)state;
    all(validate_name, (const char *[]){"a", "my team", "\xc3\xbc", NULL}, true);
    all(validate_name, (const char *[]){"", " a", "a ", "a\nb", "\x7f", NULL}, false);
    all(validate_slug, (const char *[]){"openai", "a.b-c_d", "9", NULL}, true);
    all(validate_slug, (const char *[]){"", "-a", "a/b", "a b", "\xc3\xbc", NULL}, false);
    all(validate_pattern, (const char *[]){"*", "gpt-*", "a/b", NULL}, true);
    all(validate_pattern, (const char *[]){"", "a b", "\xc3\xbc", NULL}, false);
    all(validate_email, (const char *[]){"a@b", "root@example.org", NULL}, true);
    all(validate_email,
        (const char *[]){"", "a", "@b", "a@", "a@b@c", "a b@c", "a@.b", "a@b.", NULL}, false);
}

static void urls(void **state)
{
    (void)state;
    all(validate_base_url,
        (const char *[]){"", "https://api.openai.com/v1", "http://127.0.0.1:9001/v1",
                         "http://[::1]:80/x", "http://h", "http://[::1]", NULL},
        true);
    all(validate_base_url,
        (const char *[]){"ftp://h", "//h", "https://", "https:///x", "http://u@h", "http://u:p@h/",
                         "http://h?q", "http://h/#f", "http://h:0", "http://h:65536",
                         "http://h:", "http://h:x", "http://h i", "http://[::1", "http://[::1]x",
                         "http://[x]:1", "http://[::1]:", "http://:80", NULL},
        false);
}

static void secrets(void **state)
{
    (void)state;
    all(validate_secret, (const char *[]){"sk-abc", "with a blank within", "\xc3\xbc", NULL}, true);
    all(validate_secret, (const char *[]){"env:X", "file:/etc/passwd", " a", "a ", "a\r\nb", NULL},
        false);
}

static void utf8(void **state)
{
    (void)state;
    static const struct {
        struct str s;
        bool good;
    } cases[] = {
        {STR_LIT("plain"), true},
        {STR_LIT("\xc3\xbc"), true},
        {STR_LIT("\xf0\x9f\x98\x80"), true},
        {STR_LIT(""), true},
        {STR_LIT("a\0b"), false},
        {STR_LIT("\xc3"), false},
        {STR_LIT("\xc0\x80"), false},
        {STR_LIT("\xe0\x80\x80"), false},
        {STR_LIT("\xed\xa0\x80"), false},
        {STR_LIT("\xf4\x90\x80\x80"), false},
        {STR_LIT("\xff"), false},
        {STR_LIT("\x80"), false},
        {STR_LIT("\xe2\x82"), false},
        {STR_LIT("\xc3("), false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(validate_utf8(cases[i].s), cases[i].good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(urls),
        cmocka_unit_test(secrets),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
