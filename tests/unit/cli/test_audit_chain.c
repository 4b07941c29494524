/* The verifier of audit exports: a chain that holds passes, and every tampering is found. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/audit_chain.h"
#include "common/crypto.h"

#define ORG "01890000-0000-7000-8000-000000000001"
#define NONE "00000000-0000-0000-0000-000000000000"
#define ROWS 4
#define LINE_MAX_LEN 1024

struct chain {
    char lines[ROWS + 1][LINE_MAX_LEN]; /* the last is the head's */
    char hashes[ROWS + 1][AUDIT_HASH_LEN + 1];
};

static void make(const char *id, struct chain *ret)
{
    memset(ret->hashes[0], '0', AUDIT_HASH_LEN);
    ret->hashes[0][AUDIT_HASH_LEN] = '\0';
    for (int i = 1; i <= ROWS; i++) {
        char text[256], made[512];
        uint8_t sum[CRYPTO_SHA256_LEN];
        (void)snprintf(text, sizeof text,
                       "{\"seq\": %d, \"chain\": \"%s\", \"action\": \"key.create\"}", i, id);
        char before[AUDIT_HASH_LEN + 1];
        memcpy(before, ret->hashes[i - 1], sizeof before);
        int n = snprintf(made, sizeof made, "%s\n%s", before, text);
        crypto_sha256(made, (size_t)n, sum);
        crypto_hex(sum, sizeof sum, ret->hashes[i]);
        char hash[AUDIT_HASH_LEN + 1];
        memcpy(hash, ret->hashes[i], sizeof hash);
        (void)snprintf(ret->lines[i - 1], LINE_MAX_LEN,
                       "{\"chain\":\"%s\",\"seq\":%d,\"hash\":\"%s\",\"text\":\"{\\\"seq\\\": %d, "
                       "\\\"chain\\\": \\\"%s\\\", \\\"action\\\": \\\"key.create\\\"}\"}",
                       id, i, hash, i, id);
    }
    char last[AUDIT_HASH_LEN + 1];
    memcpy(last, ret->hashes[ROWS], sizeof last);
    (void)snprintf(ret->lines[ROWS], LINE_MAX_LEN,
                   "{\"chain\":\"%s\",\"head\":{\"seq\":%d,\"hash\":\"%s\"}}", id, ROWS, last);
}

/* "" when all of it holds, else what is said. */
static const char *verdict(const char *const *lines, size_t n, const char *head)
{
    static struct error err;
    struct audit_check *c = audit_check_new(head);
    bool ok = true;
    err = (struct error)ERROR_INIT;
    for (size_t i = 0; ok && i < n; i++) {
        ok = audit_check_line(c, str_of(lines[i]), &err);
    }
    ok = ok && audit_check_end(c, &err);
    audit_check_free(c);
    return ok ? "" : error_text(&err);
}

static void says(const char *const *lines, size_t n, const char *head, const char *wanted)
{
    const char *got = verdict(lines, n, head);
    if (*wanted ? strstr(got, wanted) == NULL : *got != '\0') {
        fail_msg("\"%s\" instead of \"%s\"", got, wanted);
    }
}

static void chains_that_hold_pass(void **state)
{
    (void)state;
    struct chain a, b;
    make(ORG, &a);
    make(NONE, &b);
    const char *one[] = {a.lines[0], a.lines[1], a.lines[2], a.lines[3], a.lines[4], ""};
    const char *two[] = {b.lines[0], b.lines[1], b.lines[2], b.lines[3], b.lines[4],
                         a.lines[0], a.lines[1], a.lines[2], a.lines[3], a.lines[4]};
    says(one, 6, NULL, "");
    says(two, 10, NULL, "");
    says(one, 6, a.hashes[2], "");
    says(one, 6, b.hashes[2], "no row has the hash");
}

static void each_tampering_is_named(void **state)
{
    (void)state;
    struct chain a, changed, other;
    make(ORG, &a);
    make(NONE, &other);
    changed = a;
    *strstr(changed.lines[1], "create") = 'C';
    const char *text[] = {a.lines[0], changed.lines[1], a.lines[2], a.lines[3], a.lines[4]};
    says(text, 5, NULL, "row 2 of " ORG " was changed");
    changed = a;
    *(strstr(changed.lines[1], "\"hash\":\"") + 8) ^= 1;
    const char *hash[] = {a.lines[0], changed.lines[1], a.lines[2], a.lines[3], a.lines[4]};
    says(hash, 5, NULL, "row 2 of " ORG " was changed");
    const char *removed[] = {a.lines[0], a.lines[2], a.lines[3], a.lines[4]};
    says(removed, 4, NULL, "row 3 of " ORG " stands where row 2 belongs");
    const char *first[] = {a.lines[1], a.lines[2], a.lines[3], a.lines[4]};
    says(first, 4, NULL, "row 2 of " ORG " stands where row 1 belongs");
    const char *moved[] = {a.lines[0], a.lines[2], a.lines[1], a.lines[3], a.lines[4]};
    says(moved, 5, NULL, "row 3 of " ORG " stands where row 2 belongs");
    const char *twice[] = {a.lines[0], a.lines[1], a.lines[1], a.lines[2], a.lines[3], a.lines[4]};
    says(twice, 6, NULL, "row 2 of " ORG " stands where row 3 belongs");
    const char *cut[] = {a.lines[0], a.lines[1]};
    says(cut, 2, NULL, "cut off");
    const char *end[] = {a.lines[0], a.lines[1], a.lines[2], a.lines[4]};
    says(end, 4, NULL, "row 4 of " ORG " is missing");
    const char *behind[] = {a.lines[0], a.lines[1], a.lines[2], a.lines[3], a.lines[4], a.lines[3]};
    says(behind, 6, NULL, "stands behind the end");
    const char *head[] = {a.lines[0], a.lines[1], a.lines[2], a.lines[3], other.lines[4]};
    says(head, 5, NULL, "row 1 of the installation is missing");
}

/* A line says it is another row than its text does: its hash alone would not tell. */
static void a_text_belongs_to_its_line(void **state)
{
    (void)state;
    struct chain a;
    make(ORG, &a);
    *(strstr(a.lines[0], "\\\"seq\\\": 1") + 9) = '7';
    const char *lines[] = {a.lines[0]};
    says(lines, 1, NULL, "holds the text of another row");
}

static void a_part_goes_on_from_where_it_says(void **state)
{
    (void)state;
    struct chain a;
    char from[256];
    make(ORG, &a);
    (void)snprintf(from, sizeof from,
                   "{\"chain\":\"" ORG "\",\"from\":{\"seq\":2,\"hash\":\"%s\"}}", a.hashes[2]);
    const char *part[] = {from, a.lines[2], a.lines[3], a.lines[4]};
    says(part, 4, NULL, "");
    const char *pages[] = {a.lines[0], a.lines[1], from, a.lines[2], a.lines[3], a.lines[4]};
    says(pages, 6, NULL, "");
    const char *wrong[] = {a.lines[0], from, a.lines[2], a.lines[3], a.lines[4]};
    says(wrong, 5, NULL, "is not where the rows before it ended");
}

static void other_lines_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "nonsense",
        "[]",
        "{}",
        "{\"chain\":7}",
        "{\"chain\":\"" ORG "\"}",
        "{\"chain\":\"" ORG "\",\"seq\":1}",
        "{\"chain\":\"" ORG "\",\"seq\":\"1\",\"hash\":\"x\",\"text\":\"y\"}",
        "{\"chain\":\"" ORG "\",\"head\":7}",
        "{\"chain\":\"" ORG "\",\"from\":{}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_string_not_equal(verdict(&bad[i], 1, NULL), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_that_hold_pass),
        cmocka_unit_test(each_tampering_is_named),
        cmocka_unit_test(a_text_belongs_to_its_line),
        cmocka_unit_test(a_part_goes_on_from_where_it_says),
        cmocka_unit_test(other_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
