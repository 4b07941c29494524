/* Events: our writer against protobuf-c, recovery of opens, and the JSON line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "dataplane/report/crc32c.h"
#include "dataplane/report/event.h"
#include "dataplane/report/event_json.h"
#include "proto/usage.pb-c.h"

static struct uuid id_of(uint8_t n)
{
    struct uuid u;
    memset(u.b, n, sizeof(u.b));
    return u;
}

static const struct event_quantity quantities[] = {
    {UNIT_TOKEN_IN, SOURCE_PROVIDER, 1234567, 2500000},
    {UNIT_TOKEN_OUT, SOURCE_ESTIMATED, 0, 10000000},
    {UNIT_SEARCH, SOURCE_BOUND, UINT64_MAX, UINT64_MAX},
};

static struct event sample(struct event_attempt *attempts)
{
    attempts[0] = (struct event_attempt){.number = 1,
                                         .provider_id = id_of(7),
                                         .provider = STR_LIT("openai"),
                                         .model = STR_LIT("gpt-4o"),
                                         .status = 503,
                                         .outcome = EVENT_PROVIDER_ERROR,
                                         .error_code = STR_LIT("server_error"),
                                         .cost_nanousd = 11,
                                         .started_us = 5};
    attempts[1] = (struct event_attempt){.number = 2,
                                         .provider_id = id_of(8),
                                         .provider = STR_LIT("azure"),
                                         .model = STR_LIT("gpt-4o"),
                                         .answered_model = STR_LIT("gpt-4o-2024"),
                                         .status = 200,
                                         .outcome = EVENT_OK,
                                         .finish_reason = STR_LIT("stop"),
                                         .upstream_request_id = STR_LIT("req_1"),
                                         .duration_us = 1000,
                                         .first_byte_us = 300,
                                         .bound_nanousd = 500,
                                         .cost_nanousd = 100,
                                         .quantities = quantities,
                                         .n_quantities = 3,
                                         .kind = STR_LIT("fallback"),
                                         .option = STR_LIT("config.targets[1]"),
                                         .credential = 2};
    return (struct event){.id = id_of(1),
                          .organization_id = id_of(2),
                          .workspace_id = id_of(3),
                          .key_id = id_of(4),
                          .started_us = 1700000000000000,
                          .duration_us = 2000,
                          .first_byte_us = 900,
                          .endpoint = STR_LIT("chat.completions"),
                          .dialect = STR_LIT("openai"),
                          .model = STR_LIT("gpt-4o \"quoted\""),
                          .stream = true,
                          .status = 200,
                          .outcome = EVENT_CLIENT_GONE,
                          .cost_nanousd = 111,
                          .config_version = 42,
                          .metadata_json = STR_LIT("{\"team\":\"x\"}"),
                          .trace_id = STR_LIT("abc"),
                          .attempts = attempts,
                          .n_attempts = 2,
                          .cache_status = STR_LIT("miss"),
                          .config_id = id_of(9),
                          .config_number = 12,
                          .assignment = STR_LIT("canary"),
                          .prompt_id = id_of(10),
                          .prompt_version = UINT64_MAX,
                          .mirror_of = id_of(11)};
}

static void test_same_bytes_as_protobuf(void **state)
{
    (void)state;
    struct event_attempt attempts[2];
    struct event e = sample(attempts);
    struct buffer out, again;
    buffer_init(&out, 1 << 20);
    buffer_init(&again, 1 << 20);
    assert_true(event_write(&e, &out));
    assert_true(out.len <= event_size_max(&e));
    Weir__Event *m = weir__event__unpack(NULL, out.len, (uint8_t *)out.ptr);
    assert_non_null(m);
    assert_string_equal(m->model, "gpt-4o \"quoted\"");
    assert_int_equal(m->user_id.len, 0);
    assert_int_equal(m->n_attempts, 2);
    assert_string_equal(m->attempts[1]->upstream_request_id, "req_1");
    assert_int_equal(m->attempts[1]->n_quantities, 3);
    assert_true(m->attempts[1]->quantities[2]->quantity == UINT64_MAX);
    assert_int_equal(m->outcome, WEIR__OUTCOME__OUTCOME_CLIENT_GONE);
    assert_true(buffer_reserve(&again, weir__event__get_packed_size(m)));
    again.len = weir__event__pack(m, (uint8_t *)again.ptr);
    assert_int_equal(again.len, out.len);
    assert_memory_equal(again.ptr, out.ptr, out.len);
    weir__event__free_unpacked(m, NULL);
    buffer_release(&out);
    buffer_release(&again);
}

static Weir__Event *written(const struct event *e)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    assert_true(event_write(e, &out));
    assert_true(out.len <= event_size_max(e));
    Weir__Event *m = weir__event__unpack(NULL, out.len, (uint8_t *)out.ptr);
    assert_non_null(m);
    buffer_release(&out);
    return m;
}

static void test_routing_fields(void **state)
{
    (void)state;
    struct event_attempt attempts[2];
    struct event e = sample(attempts);
    Weir__Event *m = written(&e);
    assert_string_equal(m->cache_status, "miss");
    assert_int_equal(m->config_id.len, 16);
    assert_memory_equal(m->config_id.data, e.config_id.b, 16);
    assert_int_equal(m->config_number, 12);
    assert_string_equal(m->assignment, "canary");
    assert_memory_equal(m->prompt_id.data, e.prompt_id.b, 16);
    assert_true(m->prompt_version == UINT64_MAX);
    assert_memory_equal(m->mirror_of.data, e.mirror_of.b, 16);
    assert_string_equal(m->attempts[0]->kind, "");
    assert_int_equal(m->attempts[0]->credential, 0);
    assert_string_equal(m->attempts[1]->kind, "fallback");
    assert_string_equal(m->attempts[1]->option, "config.targets[1]");
    assert_int_equal(m->attempts[1]->credential, 2);
    weir__event__free_unpacked(m, NULL);
}

/* A hit: no attempts, no cost, but what it saved; what is not there takes no bytes. */
static void test_cache_hit(void **state)
{
    (void)state;
    struct event e = {.id = id_of(1),
                      .outcome = EVENT_OK,
                      .cache_status = STR_LIT("hit"),
                      .saved_nanousd = UINT64_MAX,
                      .saved_us = 1250000};
    Weir__Event *m = written(&e);
    assert_string_equal(m->cache_status, "hit");
    assert_true(m->saved_nanousd == UINT64_MAX);
    assert_int_equal(m->saved_us, 1250000);
    assert_int_equal(m->n_attempts, 0);
    assert_int_equal(m->cost_nanousd, 0);
    assert_int_equal(m->config_id.len, 0);
    assert_int_equal(m->prompt_id.len, 0);
    assert_int_equal(m->mirror_of.len, 0);
    assert_string_equal(m->assignment, "");
    weir__event__free_unpacked(m, NULL);
}

/* Every field at its widest stays within what event_size_max promises. */
static void test_widest(void **state)
{
    (void)state;
    struct event_quantity q = {UNIT_PAGE, SOURCE_BOUND, UINT64_MAX, UINT64_MAX};
    struct event_attempt t = {UINT32_MAX,
                              UINT32_MAX,
                              id_of(255),
                              STR_LIT("p"),
                              STR_LIT("m"),
                              STR_LIT("a"),
                              EVENT_FAILED,
                              STR_LIT("e"),
                              STR_LIT("f"),
                              STR_LIT("u"),
                              UINT64_MAX,
                              UINT64_MAX,
                              UINT64_MAX,
                              UINT64_MAX,
                              UINT64_MAX,
                              &q,
                              1,
                              STR_LIT("k"),
                              STR_LIT("o"),
                              UINT32_MAX,
                              UINT64_MAX,
                              UINT64_MAX,
                              STR_LIT("t")};
    struct event_charge charge = {id_of(9), id_of(10), STR_LIT("b"), INT64_MAX, UINT64_MAX, true};
    static const struct str tag = STR_LIT("g");
    struct event e = {id_of(1),
                      id_of(2),
                      id_of(3),
                      id_of(4),
                      id_of(5),
                      UINT64_MAX,
                      UINT64_MAX,
                      UINT64_MAX,
                      STR_LIT("e"),
                      STR_LIT("d"),
                      STR_LIT("m"),
                      true,
                      UINT32_MAX,
                      EVENT_FAILED,
                      STR_LIT("x"),
                      UINT64_MAX,
                      UINT64_MAX,
                      UINT64_MAX,
                      STR_LIT("{}"),
                      STR_LIT("t"),
                      &t,
                      1,
                      STR_LIT("c"),
                      UINT64_MAX,
                      UINT64_MAX,
                      id_of(6),
                      UINT64_MAX,
                      STR_LIT("a"),
                      id_of(7),
                      UINT64_MAX,
                      id_of(8),
                      id_of(11),
                      id_of(12),
                      STR_LIT("u"),
                      STR_LIT("g"),
                      UINT64_MAX,
                      &charge,
                      1,
                      &tag,
                      1,
                      STR_LIT("w"),
                      id_of(13),
                      UINT64_MAX};
    weir__event__free_unpacked(written(&e), NULL);
}

/* Nested lengths of one, two and three bytes. */
static void test_lengths(void **state)
{
    (void)state;
    char *long_text = mem_alloc(40000);
    struct buffer out;
    buffer_init(&out, 1 << 20);
    memset(long_text, 'm', 40000);
    static const size_t lengths[] = {0, 1, 90, 120, 130, 300, 16200, 16380, 16390, 40000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct event_attempt t = {.number = 1, .model = {long_text, lengths[i]}};
        struct event e = {.id = id_of(1), .attempts = &t, .n_attempts = 1};
        buffer_clear(&out);
        assert_true(event_write_open(&e, &out));
        Weir__Open *m = weir__open__unpack(NULL, out.len, (uint8_t *)out.ptr);
        assert_non_null(m);
        assert_int_equal(strlen(m->event->attempts[0]->model), lengths[i]);
        assert_int_equal(weir__open__get_packed_size(m), out.len);
        weir__open__free_unpacked(m, NULL);
    }
    mem_free(long_text);
    buffer_release(&out);
}

static void test_ceiling(void **state)
{
    (void)state;
    struct event_attempt attempts[2];
    struct event e = sample(attempts);
    struct buffer out;
    buffer_init(&out, 64);
    assert_false(event_write(&e, &out));
    assert_true(out.failed);
    buffer_release(&out);
}

static void test_recover(void **state)
{
    (void)state;
    struct event_attempt attempts[2];
    struct event e = sample(attempts);
    struct buffer open, event;
    buffer_init(&open, 1 << 20);
    buffer_init(&event, 1 << 20);
    assert_true(event_write_open(&e, &open));
    assert_true(buffer_append(&open, "\x78\x05", 2)); /* field 15 of a newer writer's Open */
    assert_true(event_recover(NULL, buffer_str(&open), &event));
    Weir__Event *m = weir__event__unpack(NULL, event.len, (uint8_t *)event.ptr);
    assert_non_null(m);
    assert_int_equal(m->outcome, WEIR__OUTCOME__OUTCOME_UNKNOWN);
    assert_int_equal(m->attempts[0]->outcome,
                     WEIR__OUTCOME__OUTCOME_PROVIDER_ERROR); /* that one had ended */
    assert_int_equal(m->attempts[1]->outcome, WEIR__OUTCOME__OUTCOME_UNKNOWN);
    assert_int_equal(m->attempts[1]->cost_nanousd, 500);
    assert_int_equal(m->cost_nanousd, 511);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(m->attempts[1]->quantities[i]->source, WEIR__SOURCE__SOURCE_BOUND);
    }
    assert_memory_equal(m->id.data, e.id.b, 16);
    weir__event__free_unpacked(m, NULL);
    buffer_clear(&event);
    assert_false(event_recover(NULL, STR_LIT("\xff\xff"), &event));
    assert_false(event_recover(NULL, STR_LIT(""), &event));
    assert_int_equal(event.len, 0);
    buffer_release(&open);
    buffer_release(&event);
}

static void test_json(void **state)
{
    (void)state;
    struct event_attempt attempts[2];
    struct event e = sample(attempts);
    struct buffer bytes, line;
    struct error err = ERROR_INIT;
    buffer_init(&bytes, 1 << 20);
    buffer_init(&line, 1 << 20);
    assert_true(event_write(&e, &bytes));
    assert_true(event_json_write(buffer_str(&bytes), &line, &err));
    struct json_member m[] = {{.name = STR_LIT("id")},       {.name = STR_LIT("outcome")},
                              {.name = STR_LIT("user_id")},  {.name = STR_LIT("model")},
                              {.name = STR_LIT("metadata")}, {.name = STR_LIT("attempts")},
                              {.name = STR_LIT("stream")}};
    if (!json_scan(buffer_str(&line), m, 7, 32, &err)) {
        fail_msg("%.*s", STR_ARG(buffer_str(&line)));
    }
    assert_true(json_text_eq(m[0].value, STR_LIT("01010101-0101-0101-0101-010101010101")));
    assert_true(json_text_eq(m[1].value, STR_LIT("client_gone")));
    assert_int_equal(m[2].value.type, JSON_NULL);
    assert_true(json_text_eq(m[3].value, STR_LIT("gpt-4o \"quoted\"")));
    assert_int_equal(m[4].value.type, JSON_OBJECT);
    assert_int_equal(m[6].value.type, JSON_TRUE);
    struct str text = buffer_str(&line);
    static const char *const wanted[] = {"\"unit\":\"token_in\"",
                                         "\"source\":\"bound\"",
                                         "\"quantity\":18446744073709551615",
                                         "\"finish_reason\":\"stop\"",
                                         "\"error_code\":\"\"",
                                         "\"config_version\":42",
                                         "\"kind\":\"fallback\"",
                                         "\"option\":\"config.targets[1]\"",
                                         "\"credential\":2",
                                         "\"cache_status\":\"miss\"",
                                         "\"saved_nanousd\":0",
                                         "\"saved_us\":0",
                                         "\"config_id\":\"09090909-0909-0909-0909-090909090909\"",
                                         "\"config_number\":12",
                                         "\"assignment\":\"canary\"",
                                         "\"prompt_id\":\"0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a\"",
                                         "\"prompt_version\":18446744073709551615",
                                         "\"mirror_of\":\"0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b\""};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (!memmem(text.ptr, text.len, wanted[i], strlen(wanted[i]))) {
            fail_msg("no %s in %.*s", wanted[i], STR_ARG(text));
        }
    }
    assert_null(memchr(text.ptr, '\n', text.len));
    assert_false(event_json_write(STR_LIT("\xff\xff"), &line, &err));
    buffer_release(&bytes);
    buffer_release(&line);
}

static void test_crc32c(void **state)
{
    (void)state;
    uint8_t bytes[300];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283); /* the standard's check value */
    assert_int_equal(crc32c_table(0, "123456789", 9), 0xe3069283);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 37 + 11);
    }
    for (size_t n = 0; n < sizeof(bytes); n++) {
        assert_int_equal(crc32c(5, bytes, n), crc32c_table(5, bytes, n));
        assert_int_equal(crc32c(crc32c(0, bytes, n), bytes + n, sizeof(bytes) - n),
                         crc32c(0, bytes, sizeof(bytes)));
    }
}

static void test_write_is_quick(void **state)
{
    (void)state;
    struct event_attempt attempts[2];
    struct event e = sample(attempts);
    struct buffer out;
    const unsigned rounds = 100000;
    buffer_init(&out, 1 << 20);
    uint64_t from = clock_mono_ns();
    for (unsigned i = 0; i < rounds; i++) {
        buffer_clear(&out);
        assert_true(event_write(&e, &out));
    }
    print_message("event of %zu bytes: %llu ns\n", out.len,
                  (unsigned long long)((clock_mono_ns() - from) / rounds));
    buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes_as_protobuf),
        cmocka_unit_test(test_routing_fields),
        cmocka_unit_test(test_cache_hit),
        cmocka_unit_test(test_widest),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_recover),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_crc32c),
        cmocka_unit_test(test_write_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
