/* Promises of common/base/uuid.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/uuid.h"

static uint64_t wall_ns = 1795301611123000000ull;

static uint64_t wall(void)
{
    return wall_ns;
}

static void ids_of_a_thread_sort(void **state)
{
    (void)state;
    clock_set_source(NULL, wall);
    struct uuid last = uuid_v7();
    assert_true(uuid_time_ms(&last) == 1795301611123ull);
    for (int i = 0; i < 100000; i++) {
        /* time stands still, steps on, and once steps back */
        wall_ns += i % 1000 == 0 ? 1000000 : 0;
        wall_ns -= i == 50000 ? 20000000 : 0;
        struct uuid u = uuid_v7();
        assert_true(memcmp(last.b, u.b, sizeof(u.b)) < 0);
        assert_int_equal(u.b[6] >> 4, 7);
        assert_int_equal(u.b[8] >> 6, 2);
        last = u;
    }
    clock_set_source(NULL, NULL);
}

static void a_fork_makes_other_ids(void **state)
{
    (void)state;
    int pipes[2];
    struct uuid theirs;
    (void)uuid_v7();
    clock_set_source(NULL, wall);
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct uuid u = uuid_v7();
        _exit(write(pipes[1], &u, sizeof(u)) == sizeof(u) ? 0 : 1);
    }
    assert_int_equal(read(pipes[0], &theirs, sizeof(theirs)), sizeof(theirs));
    struct uuid ours = uuid_v7();
    clock_set_source(NULL, NULL);
    assert_false(uuid_eq(&ours, &theirs));
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(pipes[0]);
    close(pipes[1]);
}

static void texts_go_there_and_back(void **state)
{
    (void)state;
    struct uuid u = uuid_v7(), back;
    char text[37], public[64];
    uuid_format(&u, text);
    assert_int_equal(strlen(text), 36);
    assert_true(uuid_parse(str_of(text), &back) && uuid_eq(&u, &back));
    uuid_format_public("key", &u, public, sizeof(public));
    assert_int_equal(strlen(public), 36);
    assert_true(uuid_parse_public("key", str_of(public), &back) && uuid_eq(&u, &back));
    assert_true(uuid_parse_public("key", str_of(text), &back) && uuid_eq(&u, &back));
    assert_false(uuid_parse_public("cfg", str_of(public), &back));
    assert_true(uuid_parse(STR_LIT("0193ABCD-0000-7000-8000-00000000000F"), &back));
    assert_int_equal(back.b[15], 15);
    assert_int_equal(back.b[2], 0xab);
}

static void refuses_other_texts(void **state)
{
    (void)state;
    static const char *const junk[] = {"",
                                       "0193abcd-0000-7000-8000-00000000000",
                                       "0193abcd-0000-7000-8000-0000000000000",
                                       "0193abcd00000-7000-8000-000000000000",
                                       "0193abcd-0000-7000-8000-00000000000g",
                                       "0193abcd0000700080000000000000000000"};
    struct uuid u = {{1}};
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        assert_false(uuid_parse(str_of(junk[i]), &u));
    }
    assert_int_equal(u.b[0], 1);
    assert_false(uuid_is_nil(&u));
    u.b[0] = 0;
    assert_true(uuid_is_nil(&u));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_a_thread_sort),
        cmocka_unit_test(a_fork_makes_other_ids),
        cmocka_unit_test(texts_go_there_and_back),
        cmocka_unit_test(refuses_other_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
