/* What the tests of OpenAI's codecs share: a request through both its sides, a stream of one
 * codec's events as another's bytes, and looking values up by a path. */
#ifndef TESTS_UNIT_DATAPLANE_DIALECTS_OPENAI_RIG_H
#define TESTS_UNIT_DATAPLANE_DIALECTS_OPENAI_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/json.h"
#include "common/rules/provider.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/dialect.h"

static struct arena *arena;
static struct buffer out;
static struct losses losses;
static struct chat_request request;
static struct exchange_context context;

static int rig_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    buffer_init(&out, 64u << 20);
    losses = (struct losses){.n = 0};
    context = (struct exchange_context){.model = STR_LIT("target-model"),
                                        .client_model = STR_LIT("alias"),
                                        .request_id = STR_LIT("req_1"),
                                        .unique = STR_LIT("00112233445566778899aabbccddeeff"),
                                        .created = 1700000000,
                                        .provider_kind = STR_LIT("openai"),
                                        .losses = &losses};
    return 0;
}

static int rig_down(void **state)
{
    (void)state;
    buffer_release(&out);
    arena_free(arena);
    return 0;
}

/* "choices[0].message.content" */
static inline struct json_value at(struct str json, const char *path)
{
    struct json_value v, next;
    assert_true(read_json(json, &v));
    for (const char *p = path; *p;) {
        if (*p == '[') {
            char *end;
            unsigned long n = strtoul(p + 1, &end, 10);
            size_t pos = 0;
            for (unsigned long i = 0; i <= n; i++) {
                if (!json_next(v, &pos, NULL, &next)) {
                    fail_msg("no %s in %.*s", path, STR_ARG(json));
                }
            }
            v = next;
            p = end + 1;
        } else {
            char name[64];
            size_t n = 0;
            p += *p == '.';
            while (*p && *p != '.' && *p != '[') {
                name[n++] = *p++;
            }
            name[n] = '\0';
            if (!read_get(v, name, &next)) {
                fail_msg("no %s in %.*s", path, STR_ARG(json));
            }
            v = next;
        }
    }
    return v;
}

static inline void text_is(struct str json, const char *path, const char *want)
{
    struct json_value v = at(json, path);
    struct str text = v.type == JSON_STRING ? read_text(arena, v) : v.raw;
    char *got = (char *)(uintptr_t)arena_str(arena, text).ptr;
    assert_string_equal(got, want);
}

static inline bool holds(struct str json, const char *part)
{
    return memmem(json.ptr, json.len, part, strlen(part)) != NULL;
}

static inline void decode(const struct chat_codec *codec, const char *body)
{
    struct error err = ERROR_INIT;
    struct wire_request w = {.body = str_of(body)};
    if (!codec->decode_request(&w, arena, &request, &err)) {
        fail_msg("refused: %s (%s)", error_text(&err), err.param);
    }
    context.request = &request;
}

static inline void refused(const struct chat_codec *codec, const char *body, const char *param)
{
    struct error err = ERROR_INIT;
    struct wire_request w = {.body = str_of(body)};
    assert_false(codec->decode_request(&w, arena, &request, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_string_equal(err.param, param);
}

/* The client's body in one codec as the provider's in another. */
static inline struct str translated(const struct chat_codec *from, const struct chat_codec *to,
                                    const char *body)
{
    struct error err = ERROR_INIT;
    struct json_value v;
    decode(from, body);
    buffer_clear(&out);
    if (!to->encode_request(&request, &context, arena, &out, &err)) {
        fail_msg("not written: %s (%s)", error_text(&err), err.param);
    }
    struct str ret = arena_str(arena, buffer_str(&out));
    assert_true(read_json(ret, &v));
    return ret;
}

/* A provider's answer in one codec as the client's in another. */
static inline struct str answered(const struct chat_codec *from, const struct chat_codec *to,
                                  const char *body)
{
    struct chat_reply reply;
    struct error err = ERROR_INIT;
    struct json_value v;
    if (!from->decode_reply(str_of(body), &context, arena, &reply, &err)) {
        fail_msg("not read: %s", error_text(&err));
    }
    buffer_clear(&out);
    assert_true(to->encode_reply(&reply, &context, arena, &out));
    struct str ret = arena_str(arena, buffer_str(&out));
    assert_true(read_json(ret, &v));
    return ret;
}

/* ---- streams ---- */

/* Chunks as short text: "start text:Hi tool0:call_1:f args0:{} finish:tool_calls usage:3+4 end" */
static struct buffer told;

static inline void on_chunk(void *arg, const struct chunk *c)
{
    static const char *const names[] = {"start",    "text",  "refusal",  "thinking", "signature",
                                        "redacted", "tool",  "args",     "toolend",  "break",
                                        "media",    "audio", "citation", "logprobs", "finish",
                                        "usage",    "ping",  "error",    "end"};
    (void)arg;
    assert_true(buffer_printf(&told, "%s%s", told.len ? " " : "", names[c->type]));
    switch (c->type) {
    case CHUNK_TOOL_BEGIN:
        (void)buffer_printf(&told, "%d:%.*s:%.*s", c->tool, STR_ARG(c->id), STR_ARG(c->name));
        break;
    case CHUNK_TOOL_ARGUMENTS:
        (void)buffer_printf(&told, "%d:%.*s", c->tool, STR_ARG(c->text));
        break;
    case CHUNK_FINISH:
        (void)buffer_printf(&told, "%u:%d", c->choice, (int)c->finish);
        break;
    case CHUNK_USAGE:
        (void)buffer_printf(&told, ":%u+%u", (unsigned)c->usage->input, (unsigned)c->usage->output);
        break;
    case CHUNK_ERROR:
        (void)buffer_printf(&told, ":%.*s", STR_ARG(c->error->message));
        break;
    default:
        if (c->text.len) {
            (void)buffer_printf(&told, ":%.*s", STR_ARG(c->text));
        }
        break;
    }
}

/* Feeds events (data only); the chunks as text. */
static inline const char *chunks_of(const struct chat_codec *codec, const char *const *events)
{
    buffer_init(&told, 1u << 20);
    void *d = codec->decoder_new(&context, arena, on_chunk, NULL);
    assert_non_null(d);
    for (; *events; events++) {
        struct arena *scratch = arena_new(0);
        struct str copy = arena_str(scratch, str_of(*events));
        assert_true(codec->decode_event(d, scratch, STR_NONE, copy));
        arena_free(scratch);
    }
    codec->decode_end(d);
    char *text = (char *)(uintptr_t)arena_str(arena, buffer_str(&told)).ptr;
    buffer_release(&told);
    return text ? text : "";
}

struct pipe {
    const struct chat_codec *to;
    void *encoder;
};

static inline void on_piped(void *arg, const struct chunk *c)
{
    struct pipe *p = arg;
    assert_true(p->to->encode_chunk(p->encoder, c, &out));
}

/* The client's bytes for a provider's events. */
static inline struct str streamed(const struct chat_codec *from, const struct chat_codec *to,
                                  const char *const *events)
{
    struct pipe p = {.to = to, .encoder = to->encoder_new(&context, arena)};
    buffer_clear(&out);
    assert_non_null(p.encoder);
    void *d = from->decoder_new(&context, arena, on_piped, &p);
    for (; *events; events++) {
        struct arena *scratch = arena_new(0);
        struct str copy = arena_str(scratch, str_of(*events));
        assert_true(from->decode_event(d, scratch, STR_NONE, copy));
        arena_free(scratch);
    }
    from->decode_end(d);
    return arena_str(arena, buffer_str(&out));
}

/* Data of the nth event whose data holds `part`. */
static inline struct str event_with(struct str bytes, const char *part, unsigned nth)
{
    struct str rest = bytes, line;
    while (rest.len) {
        if (!str_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = STR_NONE;
        }
        if (str_starts(line, STR_LIT("data: ")) && holds(line, part) && nth-- == 0) {
            return str_slice(line, 6, line.len);
        }
    }
    fail_msg("no event with %s in %.*s", part, STR_ARG(bytes));
    return STR_NONE;
}

#endif
