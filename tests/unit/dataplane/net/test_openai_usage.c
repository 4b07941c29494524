/* Usage read from bodies in any pieces and from the chunks of a stream. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "dataplane/net/openai_usage.h"

/* The result as text, so that a case is one line. */
static const char *shown(const struct openai_usage *u)
{
    static char text[1024];
    const struct openai_count *counts[] = {
        &u->prompt_tokens,   &u->completion_tokens, &u->total_tokens,    &u->cached_tokens,
        &u->audio_in_tokens, &u->audio_out_tokens,  &u->reasoning_tokens};
    int n = 0;

    for (size_t i = 0; i < 7; i++) {
        if (counts[i]->found)
            n += snprintf(text + n, sizeof(text) - (size_t)n, "%llu ",
                          (unsigned long long)counts[i]->value);
        else
            n += snprintf(text + n, sizeof(text) - (size_t)n, "- ");
    }
    (void)snprintf(text + n, sizeof(text) - (size_t)n, "%s %.*s|%.*s|%.*s",
                   u->found ? "found" : "none", STR_ARG(openai_usage_id(u)),
                   STR_ARG(openai_usage_model(u)), STR_ARG(openai_usage_finish_reason(u)));
    return text;
}

static void expect(const struct openai_usage *u, const char *want, const char *in)
{
    if (strcmp(shown(u), want) != 0)
        fail_msg("'%s' is not '%s' in %s", shown(u), want, in);
}

/* The body whole, a byte at a time, and cut at every place. */
static void body_check(const char *body, const char *want)
{
    size_t len = strlen(body);
    struct openai_usage u = {0};
    struct openai_reader r;

    assert_int_equal(openai_usage_body(str_of(body), &u), strstr(want, "found") != NULL);
    expect(&u, want, body);
    for (size_t cut = 0; cut <= len; cut++) {
        char *head = mem_dup(body, cut), *tail = mem_dup(body + cut, len - cut);

        u = (struct openai_usage){0};
        openai_reader_init(&r, &u);
        openai_reader_feed(&r, (struct str){head, cut});
        openai_reader_feed(&r, STR_NONE);
        openai_reader_feed(&r, (struct str){tail, len - cut});
        expect(&u, want, body);
        mem_free(head);
        mem_free(tail);
    }
    u = (struct openai_usage){0};
    openai_reader_init(&r, &u);
    for (size_t i = 0; i < len; i++)
        openai_reader_feed(&r, (struct str){body + i, 1});
    expect(&u, want, body);
}

#define USAGE_FULL                                                              \
    "{\"prompt_tokens\":19,\"completion_tokens\":10,\"total_tokens\":29,"       \
    "\"prompt_tokens_details\":{\"cached_tokens\":3,\"audio_tokens\":1},"       \
    "\"completion_tokens_details\":{\"reasoning_tokens\":4,\"audio_tokens\":2," \
    "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}"

static void test_whole_bodies(void **state)
{
    (void)state;
    body_check("{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":\"gpt-4o-2024\","
               "\"choices\":[{"
               "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi "
               "\\\"you\\\"\\\\\"},\"logprobs\":null,"
               "\"finish_reason\":\"stop\"}],\"usage\":" USAGE_FULL
               ",\"service_tier\":\"default\"}",
               "19 10 29 3 1 2 4 found chatcmpl-1|gpt-4o-2024|stop");
    /* laid out, in another order, with parts missing */
    body_check("\n{ \"usage\" : { \"total_tokens\" : 7 , \"prompt_tokens\" : 7 } ,\r\n \"model\" : "
               "\"m\\/1\" }\n",
               "7 - 7 - - - - found |m/1|");
    body_check("{\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}}",
               "0 0 0 - - - - found ||");
    body_check(
        "{\"\\u0075sage\":{\"prompt_tokens\":5,\"completion_tokens\":6},\"mod\\u0065l\":\"e\"}",
        "5 6 - - - - - found |e|");
}

static void test_usage_elsewhere_does_not_count(void **state)
{
    (void)state;
    body_check(
        "{\"choices\":[{\"message\":{\"content\":\"x\\\",\\\"usage\\\":{\\\"prompt_tokens\\\":9}\","
        "\"usage\":{\"prompt_tokens\":9}},\"usage\":{\"prompt_tokens\":9}}],\"a\":{\"usage\":{"
        "\"prompt_tokens\":9},\"model\":\"no\"},\"b\":[\"usage\",{\"usage\":{\"prompt_tokens\":9}}]"
        "}",
        "- - - - - - - none ||");
    body_check("[{\"usage\":{\"prompt_tokens\":9}}]", "- - - - - - - none ||");
    body_check("{\"x\":[[{\"finish_reason\":\"no\"}]],\"choices\":[[{\"finish_reason\":\"no\"}],["
               "\"finish_reason\",\"no\"]]}",
               "- - - - - - - none ||");
    body_check("\"usage\"", "- - - - - - - none ||");
    body_check("", "- - - - - - - none ||");
    body_check("<html>{\"usage\":{\"prompt_tokens\":9}}</html>", "- - - - - - - none ||");
    body_check("{}{\"usage\":{\"prompt_tokens\":9}}", "- - - - - - - none ||");
}

static void test_values_of_another_kind(void **state)
{
    (void)state;
    body_check("{\"usage\":null,\"model\":7,\"id\":null,\"choices\":null}",
               "- - - - - - - none ||");
    body_check("{\"usage\":[1],\"model\":\"\"}", "- - - - - - - none ||");
    body_check("{\"usage\":{}}", "- - - - - - - none ||");
    body_check(
        "{\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1.5,\"total_tokens\":\"9\"}}",
        "- - - - - - - none ||");
    body_check("{\"usage\":{\"prompt_tokens\":18446744073709551616,\"total_tokens\":"
               "18446744073709551615}}",
               "- - 18446744073709551615 - - - - found ||");
    body_check("{\"usage\":{\"prompt_tokens\":1,\"prompt_tokens_details\":null,"
               "\"completion_tokens_details\":[]}}",
               "1 - - - - - - found ||");
    body_check("{\"usage\":{\"prompt_tokens\":1,\"prompt_tokens\":2}}", "- - - - - - - none ||");
    body_check("{\"usage\":{\"prompt_tokens\":01}}", "- - - - - - - none ||");
    /* the last of two counts, as it does for the client's parser */
    body_check("{\"usage\":{\"prompt_tokens\":1},\"usage\":{\"total_tokens\":2}}",
               "- - 2 - - - - found ||");
}

static void test_finish_reasons(void **state)
{
    (void)state;
    body_check(
        "{\"choices\":[{\"finish_reason\":null},{\"finish_reason\":\"length\"},{\"finish_reason\":"
        "\"stop\"}]}",
        "- - - - - - - none ||length");
    body_check("{\"choices\":{\"finish_reason\":\"no\"}}", "- - - - - - - none ||");
    /* the last one stands where it is looked for first; an earlier one, however spelled, still wins
     */
    body_check("{\"choices\":[{\"finish_reason\":\"length\"},{\"finish_reason\":\"stop\"}]}",
               "- - - - - - - none ||length");
    body_check("{\"choices\":[{\"finish_reason\" : \"length\"},{\"finish_reason\":\"stop\"}]}",
               "- - - - - - - none ||length");
    body_check("{\"choices\":[{\"finish_re\\u0061son\":\"length\"},{\"finish_reason\":\"stop\"}]}",
               "- - - - - - - none ||length");
    body_check(
        "{\"choices\":[{\"text\":\"\\\"finish_reason\\\":\\\"no\",\"finish_reason\":\"stop\"}]}",
        "- - - - - - - none ||stop");
}

static void test_cut_bodies_keep_what_was_whole(void **state)
{
    (void)state;
    body_check("{\"model\":\"m\",\"usage\":{\"prompt_tokens\":1", "- - - - - - - none |m|");
    body_check("{\"usage\":{\"prompt_tokens\":1},\"choices\":[{\"fin", "1 - - - - - - found ||");
}

/* Nothing of the body is kept, however long, and a text that is all escapes costs no more than
 * another. */
static void test_long_bodies(void **state)
{
    static char body[400000];
    struct openai_usage u = {0};
    struct openai_reader r;
    size_t n = (size_t)snprintf(body, sizeof(body),
                                "{\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"");

    (void)state;
    for (size_t i = 0; i < 390000; i++)
        body[n++] = "\\\"x"[i % 3];
    n += (size_t)snprintf(body + n, sizeof(body) - n,
                          "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":8}}");
    for (size_t piece = 1000; piece < 100000; piece = piece * 3 + 1) {
        u = (struct openai_usage){0};
        openai_reader_init(&r, &u);
        for (size_t at = 0; at < n; at += piece)
            openai_reader_feed(&r, (struct str){body + at, n - at < piece ? n - at : piece});
        expect(&u, "8 - - - - - - found |m|stop", "the long body");
    }
}

static void test_ceilings(void **state)
{
    static char body[8192];
    char model[OPENAI_TEXT_MAX + 32];
    struct openai_usage u = {0};

    (void)state;
    /* a usage object past the ceiling is left out, and what follows is read */
    (void)snprintf(body, sizeof(body),
                   "{\"usage\":{\"x\":\"%0*d\",\"prompt_tokens\":1},\"model\":\"m\"}",
                   OPENAI_USAGE_MAX_BYTES, 0);
    assert_false(openai_usage_body(str_of(body), &u));
    expect(&u, "- - - - - - - none |m|", "a large usage");
    /* a long model name is cut between characters */
    memset(model, 'a', OPENAI_TEXT_MAX - 1);
    (void)snprintf(model + OPENAI_TEXT_MAX - 1, 32, "\xc3\xa9zz");
    (void)snprintf(body, sizeof(body), "{\"model\":\"%s\"}", model);
    u = (struct openai_usage){0};
    (void)openai_usage_body(str_of(body), &u);
    assert_int_equal(u.model_len, OPENAI_TEXT_MAX - 1);
    (void)snprintf(body, sizeof(body), "{\"model\":\"%.*s\\n%s\"}", OPENAI_TEXT_MAX - 1, model,
                   "tail");
    u = (struct openai_usage){0};
    (void)openai_usage_body(str_of(body), &u);
    assert_int_equal(u.model_len, OPENAI_TEXT_MAX);
    assert_int_equal(u.model[OPENAI_TEXT_MAX - 1], '\n');
    /* a name longer than any that is wanted */
    (void)snprintf(body, sizeof(body), "{\"%0*d\":{\"usage\":1},\"usage\":{\"total_tokens\":3}}",
                   200, 0);
    u = (struct openai_usage){0};
    assert_true(openai_usage_body(str_of(body), &u));
}

static void test_chunks_of_a_stream(void **state)
{
    static const struct {
        const char *data;
        enum openai_chunk kind;
        const char *want;
    } rows[] = {
        {"{\"id\":\"c1\",\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
         "\"assistant\"},"
         "\"finish_reason\":null}],\"usage\":null}",
         OPENAI_CHUNK_CONTENT, "- - - - - - - none c1|gpt|"},
        {"{\"id\":\"c2\",\"model\":\"other\",\"choices\":[{\"delta\":{\"content\":\"[]"
         "\\\"usage\\\"\"}}]}",
         OPENAI_CHUNK_CONTENT, "- - - - - - - none c1|gpt|"},
        {"{\"choices\":[],\"prompt_filter_results\":[{\"usage\":{\"prompt_tokens\":1}}]}",
         OPENAI_CHUNK_CONTENT, "- - - - - - - none c1|gpt|"},
        {"{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}"
         "}",
         OPENAI_CHUNK_CONTENT, "1 - - - - - - found c1|gpt|stop"},
        {"{\"id\":\"c1\",\"choices\":[ ],\"usage\":" USAGE_FULL "}", OPENAI_CHUNK_USAGE,
         "19 10 29 3 1 2 4 found c1|gpt|stop"},
        {"{\"choices\":[],\"usage\":null}", OPENAI_CHUNK_CONTENT,
         "19 10 29 3 1 2 4 found c1|gpt|stop"},
        {"{\"usage\":{\"prompt_tokens\":2}}", OPENAI_CHUNK_CONTENT,
         "2 - - - - - - found c1|gpt|stop"},
        {"{\"choices\":[],\"usage\":{\"prompt_tokens\":3},}", OPENAI_CHUNK_OTHER,
         "2 - - - - - - found c1|gpt|stop"},
        {"{\"choices\":[],\"usage\":{\"prompt_tokens\":3},\"choices\":[{}]}", OPENAI_CHUNK_OTHER,
         "2 - - - - - - found c1|gpt|stop"},
        {"{\"error\":{\"message\":\"x\"}}", OPENAI_CHUNK_ERROR, "2 - - - - - - found c1|gpt|stop"},
        {"{\"error\":null,\"choices\":[{}]}", OPENAI_CHUNK_CONTENT,
         "2 - - - - - - found c1|gpt|stop"},
        {"[DONE]", OPENAI_CHUNK_DONE, "2 - - - - - - found c1|gpt|stop"},
        {" [DONE]", OPENAI_CHUNK_DONE, "2 - - - - - - found c1|gpt|stop"},
        {"", OPENAI_CHUNK_OTHER, "2 - - - - - - found c1|gpt|stop"},
        {"[1]", OPENAI_CHUNK_OTHER, "2 - - - - - - found c1|gpt|stop"},
    };
    struct openai_usage u = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(openai_usage_chunk(str_of(rows[i].data), &u), rows[i].kind);
        expect(&u, rows[i].want, rows[i].data);
    }
}

static const char *tier_of(const struct openai_usage *u)
{
    static char text[OPENAI_TEXT_MAX + 1];
    struct str s = openai_usage_service_tier(u);
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return text;
}

/* The tier that a call was served in is read from bodies, in one piece or many, and from chunks,
 * where the last counts; that of a message's text is none. */
static void service_tiers(void **state)
{
    static const char body[] = "{\"id\":\"c\",\"choices\":[{\"message\":{\"content\":\"x\","
                               "\"service_tier\":\"no\"}}],\"usage\":{\"total_tokens\":1,"
                               "\"service_tier\":\"no\"},\"service_tier\":\"fl\\u0065x\"}";
    struct openai_usage u = {0};
    struct openai_reader r;
    (void)state;
    assert_true(openai_usage_body(str_of(body), &u));
    assert_string_equal(tier_of(&u), "flex");
    u = (struct openai_usage){0};
    openai_reader_init(&r, &u);
    for (size_t i = 0; i < sizeof(body) - 1; i++) {
        openai_reader_feed(&r, (struct str){body + i, 1});
    }
    assert_string_equal(tier_of(&u), "flex");
    u = (struct openai_usage){0};
    (void)openai_usage_chunk(STR_LIT("{\"choices\":[{}],\"service_tier\":\"auto\"}"), &u);
    (void)openai_usage_chunk(STR_LIT("{\"choices\":[],\"service_tier\":\"priority\"}"), &u);
    (void)openai_usage_chunk(STR_LIT("{\"choices\":[{}],\"service_tier\":null}"), &u);
    (void)openai_usage_chunk(STR_LIT("{\"choices\":[{}]}"), &u);
    assert_string_equal(tier_of(&u), "priority");
    u = (struct openai_usage){0};
    assert_false(openai_usage_body(STR_LIT("{\"choices\":[],\"service_tier\":5}"), &u));
    assert_string_equal(tier_of(&u), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_bodies),
        cmocka_unit_test(test_usage_elsewhere_does_not_count),
        cmocka_unit_test(test_values_of_another_kind),
        cmocka_unit_test(test_finish_reasons),
        cmocka_unit_test(test_cut_bodies_keep_what_was_whole),
        cmocka_unit_test(test_long_bodies),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_chunks_of_a_stream),
        cmocka_unit_test(service_tiers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
