/* What the tests of the Converse codec share: an arena, losses, and requests made by hand. */
#ifndef TESTS_UNIT_DATAPLANE_DIALECTS_CONVERSE_RIG_H
#define TESTS_UNIT_DATAPLANE_DIALECTS_CONVERSE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/json.h"
#include "dataplane/dialects/dialect.h"
#include "dataplane/net/aws_event.h"

#define CLAUDE "us.anthropic.claude-sonnet-4-20250514-v1:0"

static struct arena *arena;
static struct losses losses;
static struct exchange_context context;
static struct error err;

static inline int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    losses = (struct losses){.n = 0};
    err = (struct error)ERROR_INIT;
    context = (struct exchange_context){
        .model = STR_LIT(CLAUDE), .unique = STR_LIT("0123456789abcdef"), .losses = &losses};
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static inline struct chat_request decoded(const char *body)
{
    struct wire_request w = {.body = str_of(body), .model = STR_LIT("m")};
    struct chat_request q;
    if (!converse_codec.decode_request(&w, arena, &q, &err)) {
        fail_msg("%s", error_text(&err));
    }
    return q;
}

static inline const char *taken(struct buffer *b)
{
    struct json_value v;
    assert_false(b->failed);
    assert_true(json_validate(buffer_str(b), 0, &v, NULL));
    const char *z = arena_str(arena, buffer_str(b)).ptr;
    buffer_release(b);
    return z;
}

static inline const char *encoded(const struct chat_request *q)
{
    struct buffer b;
    buffer_init(&b, 1 << 20);
    if (!converse_codec.encode_request(q, &context, arena, &b, &err)) {
        buffer_release(&b);
        return NULL;
    }
    return taken(&b);
}

static inline const char *lost(void)
{
    struct str s = losses_text(&losses, arena);
    return s.ptr ? s.ptr : "";
}

static inline struct chat_request request_of(struct message *messages, size_t n)
{
    return (struct chat_request){.family = FAMILY_CHAT,
                                 .messages = messages,
                                 .n_messages = n,
                                 .parallel_tool_calls = -1,
                                 .schema_strict = -1,
                                 .logprobs = -1,
                                 .top_logprobs = -1,
                                 .store = -1,
                                 .reasoning = {.budget = -1, .include = -1}};
}

static inline struct part text_part(const char *text)
{
    return (struct part){.type = PART_TEXT, .text = str_of(text)};
}

#endif
