/* The vector readers against the scalar one: same verdict, same offset, same spans, on every
 * placing of a special sequence around the 16-, 32- and 64-byte steps and on generated texts (the
 * seed is fixed). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/json_kernel.h"

struct outcome {
    bool ok, found, escaped;
    int64_t offset;
    size_t value_at, value_len;
};

static struct outcome outcome_of(json_string_fn fn, struct str text)
{
    struct json_member m = {.name = STR_LIT("k")};
    struct error err = ERROR_INIT;
    struct outcome o = {0};

    o.ok = json_scan_by(fn, text, &m, 1, 0, &err);
    o.offset = err.offset;
    o.found = m.found;
    if (m.found) {
        o.escaped = m.value.escaped;
        o.value_at = (size_t)(m.value.raw.ptr - text.ptr);
        o.value_len = m.value.raw.len;
    }
    return o;
}

static void compare(struct str text)
{
    struct outcome want = outcome_of(NULL, text);

    for (int path = JSON_PATH_SCALAR + 1; path < JSON_PATH_COUNT; path++) {
        struct outcome got;

        if (!json_path_present((enum json_path)path))
            continue;
        got = outcome_of(json_string_by((enum json_path)path), text);
        if (got.ok != want.ok || got.offset != want.offset || got.found != want.found ||
            got.escaped != want.escaped || got.value_at != want.value_at ||
            got.value_len != want.value_len)
            fail_msg("path %d: ok %d at %d, scalar: ok %d at %d, in '%.*s'", path, got.ok,
                     (int)got.offset, want.ok, (int)want.offset, STR_ARG(text));
    }
}

static const struct str good[] = {
    STR_LIT("\\\""),
    STR_LIT("\\\\"),
    STR_LIT("\\n"),
    STR_LIT("\\\\\\\\"),
    STR_LIT("\\\\\\\""),
    STR_LIT("\\u0041"),
    STR_LIT("\\u00e9\\u4e2d"),
    STR_LIT("\\ud83d\\ude00"),
    STR_LIT("\xc3\xa9"),
    STR_LIT("\xe4\xb8\xad"),
    STR_LIT("\xf0\x9f\x98\x80"),
    STR_LIT("\xf0\x9f\x98\x80\xe4\xb8\xad\xc3\xa9\\n\xc3\xa9"),
    STR_LIT("\xed\x9f\xbf"),
    STR_LIT("\xf4\x8f\xbf\xbf"),
    STR_LIT("\xe0\xa0\x80"),
    STR_LIT("\x7f"),
};

static const struct str bad[] = {
    STR_LIT("\n"),
    STR_LIT("\0"),
    STR_LIT("\x1f"),
    STR_LIT("\\x"),
    STR_LIT("\\\\\\q"),
    STR_LIT("\\u12g4"),
    STR_LIT("\\ud83d"),
    STR_LIT("\\ude00"),
    STR_LIT("\\ud83d\\u0041"),
    STR_LIT("\\ud83d\\n"),
    STR_LIT("\x80"),
    STR_LIT("\xc0\x80"),
    STR_LIT("\xc3"),
    STR_LIT("\xe4\xb8"),
    STR_LIT("\xf0\x9f\x98"),
    STR_LIT("\xed\xa0\x80"),
    STR_LIT("\xf4\x90\x80\x80"),
    STR_LIT("\xe0\x80\x80"),
    STR_LIT("\xf0\x80\x80\x80"),
    STR_LIT("\xff"),
    STR_LIT("\xf5\x80\x80\x80"),
    STR_LIT("\xc3\xa9\xa9"),
    STR_LIT("\\\xc3\xa9"),
};

/* A vector reader must know a good string's end by itself: doubt would be right but slow. */
static void readers_check(const char *p, const char *end)
{
    for (int path = 0; path < JSON_PATH_COUNT; path++) {
        json_string_fn fn = json_string_by((enum json_path)path);
        bool escaped;

        if (fn != NULL)
            assert_ptr_equal(fn(p, end, &escaped), end - 2);
    }
}

/* {"k":"aaa<piece>aaa"} with the piece at each place of a string of each length. The text stands at
 * the end of its memory, so a sanitizer sees whoever reads on. */
static void place_all(struct str piece, bool want)
{
    for (size_t len = 0; len <= 140; len += len < 70 ? 1 : 7) {
        for (size_t at = 0; at <= len; at++) {
            size_t total = 6 + len + piece.len + 2;
            char *text = mem_alloc(total);
            struct outcome o;

            memcpy(text, "{\"k\":\"", 6);
            memset(text + 6, 'a', len + piece.len);
            memcpy(text + 6 + at, piece.ptr, piece.len);
            memcpy(text + 6 + len + piece.len, "\"}", 2);
            o = outcome_of(NULL, (struct str){text, total});
            assert_int_equal(o.ok, want);
            if (want)
                assert_int_equal(o.value_len, len + piece.len + 2);
            else
                assert_true(o.offset >= (int64_t)(6 + at) &&
                            o.offset <= (int64_t)(6 + at + piece.len));
            compare((struct str){text, total});
            if (want)
                readers_check(text + 6, text + total);
            mem_free(text);
        }
    }
}

static void test_good_pieces_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        place_all(good[i], true);
}

static void test_bad_pieces_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        place_all(bad[i], false);
}

static void test_unclosed_string_of_each_length(void **state)
{
    (void)state;
    for (size_t len = 0; len < 200; len++) {
        char *text = mem_alloc(6 + len);
        struct str s = {text, 6 + len};

        memcpy(text, "{\"k\":\"", 6);
        memset(text + 6, 'a', len);
        assert_int_equal(outcome_of(NULL, s).offset, 6 + len);
        compare(s);
        memset(text + 6, '\\', len);
        compare(s);
        mem_free(text);
    }
}

/* Long runs of backslashes of each length at each place of a step. */
static void test_backslash_runs(void **state)
{
    char text[400];

    (void)state;
    for (size_t before = 0; before < 66; before++) {
        for (size_t run = 1; run < 140; run++) {
            size_t n = 0;

            memcpy(text, "{\"k\":\"", 6);
            memset(text + 6, 'a', before);
            n = 6 + before;
            memset(text + n, '\\', run);
            n += run;
            /* an odd run escapes the first quote */
            memcpy(text + n, "\"\"}", 3);
            n += 3;
            assert_int_equal(outcome_of(NULL, (struct str){text, n}).ok, run % 2 == 1);
            compare((struct str){text, n});
        }
    }
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1dULL >> 16;
}

static size_t put(char *text, size_t n, struct str s)
{
    memcpy(text + n, s.ptr, s.len);
    return n + s.len;
}

/* A string of random pieces; now and then a bad one. */
static size_t string_make(char *text, size_t n, uint64_t *seed, unsigned bad_per_1000)
{
    size_t pieces = random_next(seed) % 40;

    text[n++] = '"';
    for (size_t i = 0; i < pieces; i++) {
        unsigned kind = (unsigned)(random_next(seed) % 8);

        if (random_next(seed) % 1000 < bad_per_1000) {
            n = put(text, n, bad[random_next(seed) % (sizeof(bad) / sizeof(bad[0]))]);
        } else if (kind < 3) {
            for (uint64_t k = random_next(seed) % 50; k > 0; k--)
                text[n++] = (char)('a' + k % 26);
        } else {
            n = put(text, n, good[random_next(seed) % (sizeof(good) / sizeof(good[0]))]);
        }
    }
    text[n++] = '"';
    return n;
}

static void test_generated_texts(void **state)
{
    static char text[64 * 1024];
    uint64_t seed = 0x5eed5eed5eed5eedULL;
    size_t accepted = 0, refused = 0;

    (void)state;
    for (int round = 0; round < 6000; round++) {
        size_t n = random_next(&seed) % 64, start = n;
        char *copy;

        n = put(text, n, STR_LIT("{\"a\":["));
        for (uint64_t k = random_next(&seed) % 4; k > 0; k--) {
            n = string_make(text, n, &seed, 3);
            text[n++] = ',';
        }
        n = put(text, n, STR_LIT("0],\"k\": "));
        n = string_make(text, n, &seed, 3);
        n = put(text, n, STR_LIT(" }"));
        if (random_next(&seed) % 4 == 0) /* any byte changed, or the end cut off */
            text[start + random_next(&seed) % (n - start)] = (char)random_next(&seed);
        if (random_next(&seed) % 8 == 0)
            n -= random_next(&seed) % (n - start);
        copy = mem_dup(text + start, n - start);
        compare((struct str){copy, n - start});
        if (outcome_of(NULL, (struct str){copy, n - start}).ok)
            accepted++;
        else
            refused++;
        mem_free(copy);
    }
    /* the generator reaches both sides */
    assert_true(accepted > 1000 && refused > 1000);
}

/* Every pair and many triples and quadruples of bytes, as UTF-8, against a reader of another make.
 */
static bool utf8_good_slowly(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned lead = p[i], tails = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        uint32_t c = tails == 0 ? lead : lead & (0x3fu >> tails);
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

        if ((lead >= 0x80 && lead < 0xc0) || lead >= 0xf8 || i + tails >= n)
            return false;
        for (unsigned k = 1; k <= tails; k++) {
            if (p[i + k] >> 6 != 2)
                return false;
            c = c << 6 | (p[i + k] & 0x3f);
        }
        if (c < least[tails] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return false;
        i += tails + 1;
    }
    return true;
}

static void utf8_compare(const unsigned char *bytes, size_t n, size_t at)
{
    char text[128];
    size_t total = at + n + 40;
    bool want = utf8_good_slowly(bytes, n);

    memset(text, 'a', total);
    text[0] = '"';
    memcpy(text + at, bytes, n);
    text[total - 1] = '"';
    for (int path = 0; path < JSON_PATH_COUNT; path++) {
        if (json_path_present((enum json_path)path))
            assert_int_equal(json_validate_by(json_string_by((enum json_path)path),
                                              (struct str){text, total}, 0, NULL, NULL),
                             want);
    }
}

static void test_utf8_by_brute_force(void **state)
{
    static const unsigned char leads[] = {0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
                                          0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
    static const unsigned char tails[] = {'a',  0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                          0xbf, 0xc0, 0xc3, 0xe1, 0xf0};
    unsigned char b[4];

    (void)state;
    for (unsigned i = 0x80; i < 0x10000; i++) {
        b[0] = (unsigned char)(i >> 8);
        b[1] = (unsigned char)i;
        if (b[0] >= 0x80 && b[1] != '"' && b[1] != '\\' && b[1] >= 0x20)
            utf8_compare(b, 2, 1 + i % 67);
    }
    for (size_t l = 0; l < sizeof(leads); l++) {
        for (unsigned i = 0; i < 11 * 11 * 11; i++) {
            b[0] = leads[l];
            b[1] = tails[i % 11];
            b[2] = tails[i / 11 % 11];
            b[3] = tails[i / 121];
            utf8_compare(b, 4, 1 + i % 67);
            utf8_compare(b, 3, 29 + i % 7);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_pieces_everywhere),
        cmocka_unit_test(test_bad_pieces_everywhere),
        cmocka_unit_test(test_unclosed_string_of_each_length),
        cmocka_unit_test(test_backslash_runs),
        cmocka_unit_test(test_generated_texts),
        cmocka_unit_test(test_utf8_by_brute_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
