/* Blocks are read, normalised and asked. */
#include "common/rules/ip_block.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_normal(const char *text, const char *expected)
{
    struct ip_block block;
    char out[IP_BLOCK_TEXT_MAX];
    assert_true(ip_block_parse(str_of(text), &block));
    assert_int_equal(ip_block_format(&block, out), strlen(expected));
    assert_string_equal(out, expected);
}

static void test_normal_form(void **state)
{
    (void)state;
    assert_normal("10.1.2.3/8", "10.0.0.0/8");
    assert_normal("192.0.2.7", "192.0.2.7");
    assert_normal("192.0.2.7/32", "192.0.2.7");
    assert_normal("0.0.0.0/0", "0.0.0.0/0");
    assert_normal("2001:DB8:0:0::/32", "2001:db8::/32");
    assert_normal("2001:db8::1/127", "2001:db8::/127");
    assert_normal("::1", "::1");
    assert_normal("::/0", "::/0");
    assert_normal("::ffff:10.0.0.1", "10.0.0.1");
    assert_normal("::ffff:10.0.0.0/104", "10.0.0.0/8");
}

static void test_refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const junk[] = {
        "",       "10.0.0",      "10.0.0.0/33",  "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1",
        "::/129", "example.com", "10.0.0.0/8/8", " 10.0.0.1", "*",           "fe80::1%eth0"};
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        struct ip_block block;
        if (ip_block_parse(str_of(junk[i]), &block)) {
            fail_msg("\"%s\" was taken", junk[i]);
        }
    }
}

static bool holds(const char *block_text, const char *address_text)
{
    struct ip_block block, address;
    assert_true(ip_block_parse(str_of(block_text), &block));
    assert_true(ip_block_parse(str_of(address_text), &address));
    return ip_block_holds(&block, address.b);
}

static void test_holds(void **state)
{
    (void)state;
    assert_true(holds("10.0.0.0/8", "10.255.0.1"));
    assert_false(holds("10.0.0.0/8", "11.0.0.1"));
    assert_true(holds("192.0.2.128/25", "192.0.2.200"));
    assert_false(holds("192.0.2.128/25", "192.0.2.100"));
    assert_true(holds("0.0.0.0/0", "203.0.113.9"));
    assert_false(holds("0.0.0.0/0", "2001:db8::1"));
    assert_true(holds("::/0", "2001:db8::1"));
    assert_true(holds("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(holds("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(holds("::1", "::1"));
    assert_false(holds("::1", "::2"));
}

static bool holds_peer(const char *block, const char *peer)
{
    struct ip_block b, p;
    assert_true(ip_block_parse(str_of(block), &b));
    assert_true(ip_block_parse_peer(str_of(peer), &p));
    return ip_block_holds(&b, p.b);
}

static void test_peers(void **state)
{
    (void)state;
    struct ip_block p;
    assert_true(holds_peer("10.0.0.0/8", "10.255.1.2:4711"));
    assert_false(holds_peer("10.0.0.0/8", "11.0.0.1:4711"));
    assert_true(holds_peer("192.0.2.128/25", "192.0.2.200"));
    assert_true(holds_peer("2001:db8::/32", "[2001:db8:1::5]:80"));
    assert_true(holds_peer("127.0.0.1", "[::ffff:127.0.0.1]:80"));
    assert_false(holds_peer("0.0.0.0/0", "[::1]:5"));
    assert_true(holds_peer("::/0", "::1"));
    assert_false(ip_block_parse_peer(str_of("unix:"), &p));
    assert_false(ip_block_parse_peer(str_of("10.0.0.0/8"), &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal_form),
        cmocka_unit_test(test_refuses_what_is_none),
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
