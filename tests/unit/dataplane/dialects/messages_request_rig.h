/* What the tests of Messages requests share: decoding, encoding, and requests made by hand. */
#ifndef TESTS_UNIT_DATAPLANE_DIALECTS_MESSAGES_REQUEST_RIG_H
#define TESTS_UNIT_DATAPLANE_DIALECTS_MESSAGES_REQUEST_RIG_H

#include "messages_test.h"

#include "dataplane/dialects/messages_codec.h"

static struct chat_request q;

static inline void decode(const char *body)
{
    struct wire_request w = {.body = str_of(body)};
    struct error err = ERROR_INIT;
    bool ok = messages_codec.decode_request(&w, arena, &q, &err);
    if (!ok) {
        print_message("%s: %s\n", err.param, error_text(&err));
    }
    assert_true(ok);
}

static inline void refused(const char *body, const char *param)
{
    struct wire_request w = {.body = str_of(body)};
    struct error err = ERROR_INIT;
    assert_false(messages_codec.decode_request(&w, arena, &q, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_string_equal(err.param, param);
}

static inline void encode_by(const struct chat_codec *codec)
{
    struct error err = ERROR_INIT;
    struct json_value v;
    buffer_clear(&out);
    context.request = &q;
    bool ok = codec->encode_request(&q, &context, arena, &out, &err);
    if (!ok) {
        print_message("%s: %s\n", err.param, error_text(&err));
    }
    assert_true(ok);
    assert_true(json_validate(buffer_str(&out), 0, &v, NULL));
}

static inline void encode(void)
{
    encode_by(&messages_codec);
}

/* A request as a client of chat completions makes it. */
static inline void foreign(struct message *list, size_t n)
{
    q = (struct chat_request){
        .family = FAMILY_CHAT,
        .model = STR_LIT("fast"),
        .messages = list,
        .n_messages = n,
        .parallel_tool_calls = -1,
        .schema_strict = -1,
        .logprobs = -1,
        .top_logprobs = -1,
        .store = -1,
        .reasoning = {.budget = -1, .include = -1},
    };
}

static inline struct part text_part(const char *z)
{
    return (struct part){.type = PART_TEXT, .text = str_of(z)};
}

static struct part hello[1];
static struct message hello_message[1];

static inline void foreign_hello(void)
{
    hello[0] = text_part("hi");
    hello_message[0] = (struct message){.role = ROLE_USER, .parts = hello, .n_parts = 1};
    foreign(hello_message, 1);
}

#define HEAD "{\"model\":\"m\",\"max_tokens\":10,"
#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

#endif
