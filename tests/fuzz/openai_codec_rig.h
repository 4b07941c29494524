/* One input through all of a chat codec: as a client's request, which is written again for a
 * provider; as a provider's answer and as its stream, an event per line, each written again for a
 * client. Whatever is accepted must come out as JSON. */
#ifndef TESTS_FUZZ_OPENAI_CODEC_RIG_H
#define TESTS_FUZZ_OPENAI_CODEC_RIG_H

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/json.h"
#include "common/rules/provider.h"
#include "dataplane/dialects/dialect.h"

static const struct chat_codec *const fuzz_targets[] = {
    &openai_chat_codec, &openai_responses_codec, &messages_codec, &gemini_codec, &converse_codec};
#define FUZZ_TARGETS (sizeof(fuzz_targets) / sizeof(fuzz_targets[0]))

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void must_be_json(const struct buffer *b)
{
    must(json_validate(buffer_str(b), 0, NULL, NULL));
}

struct fuzz_pipe {
    const struct chat_codec *to;
    void *encoder;
    struct buffer *out;
};

static void fuzz_on_chunk(void *arg, const struct chunk *c)
{
    struct fuzz_pipe *p = arg;
    must(c->type < CHUNK_TYPE_COUNT);
    (void)p->to->encode_chunk(p->encoder, c, p->out);
}

/* Every `data:` line is JSON or [DONE]. */
static void fuzz_check_events(const struct buffer *b)
{
    struct str rest = buffer_str(b), line;
    while (!b->failed && str_cut(rest, '\n', &line, &rest)) {
        if (str_starts(line, STR_LIT("data: ")) && !str_eqz(line, "data: [DONE]")) {
            must(json_validate(str_slice(line, 6, line.len), 0, NULL, NULL));
        } else {
            must(line.len == 0 || line.ptr[0] == ':' || str_starts(line, STR_LIT("event: ")) ||
                 str_eqz(line, "data: [DONE]"));
        }
    }
}

static void fuzz_stream(const struct chat_codec *from, const struct exchange_context *x,
                        struct arena *a, struct str data)
{
    for (size_t t = 0; t < FUZZ_TARGETS; t++) {
        struct buffer out;
        buffer_init(&out, 16u << 20);
        struct fuzz_pipe p = {fuzz_targets[t], fuzz_targets[t]->encoder_new(x, a), &out};
        void *decoder = from->decoder_new(x, a, fuzz_on_chunk, &p);
        struct str rest = data, line;
        while (rest.len) {
            struct arena *scratch = arena_new(16u << 20);
            if (!str_cut(rest, '\n', &line, &rest)) {
                line = rest;
                rest = STR_NONE;
            }
            bool ok = from->decode_event(decoder, scratch, STR_NONE, line);
            arena_free(scratch);
            if (!ok) {
                break;
            }
        }
        from->decode_end(decoder);
        if (fuzz_targets[t]->framing == FRAMING_SSE && t < 3) { /* Gemini ends lines by CR LF */
            fuzz_check_events(&out);
        }
        buffer_release(&out);
    }
}

static void fuzz_request(const struct chat_codec *from, struct exchange_context *x, struct arena *a,
                         struct str data, struct chat_request *q)
{
    struct error err = ERROR_INIT;
    struct wire_request w = {.body = data};
    if (!from->decode_request(&w, a, q, &err)) {
        must(err.code != ERR_NONE);
        return;
    }
    for (size_t t = 0; t < FUZZ_TARGETS; t++) {
        struct buffer out;
        buffer_init(&out, 16u << 20);
        if (fuzz_targets[t]->encode_request(q, x, a, &out, &err)) {
            must_be_json(&out);
        }
        buffer_release(&out);
    }
    x->request = q;
}

static void fuzz_reply(const struct chat_codec *from, const struct exchange_context *x,
                       struct arena *a, struct str data)
{
    struct error err = ERROR_INIT;
    struct chat_reply r;
    if (!from->decode_reply(data, x, a, &r, &err)) {
        must(err.code != ERR_NONE);
        return;
    }
    for (size_t t = 0; t < FUZZ_TARGETS; t++) {
        struct buffer out;
        buffer_init(&out, 16u << 20);
        if (fuzz_targets[t]->encode_reply(&r, x, a, &out)) {
            must_be_json(&out);
        }
        buffer_release(&out);
    }
}

/* The first byte chooses the provider's kind and quirks. */
static void fuzz_codec(const struct chat_codec *from, const uint8_t *data, size_t size)
{
    static const char *const kinds[] = {"openai",    "openrouter", "mistral",       "zai",
                                        "dashscope", "custom",     "gemini-openai", ""};
    struct losses losses = {.n = 0};
    struct chat_request q;
    if (size < 1) {
        return;
    }
    struct arena *a = arena_new(64u << 20);
    char *copy = mem_dup(data + 1, size - 1);
    struct str text = {copy, size - 1};
    struct exchange_context x = {.model = STR_LIT("gpt-5"),
                                 .unique = STR_LIT("0123456789abcdef0123456789abcdef"),
                                 .created = 1,
                                 .provider_kind = str_of(kinds[data[0] % 8]),
                                 .quirks = data[0] & 8
                                               ? QUIRK_CONTENT_STRING | QUIRK_SYSTEM_ROLE |
                                                     QUIRK_REASONING_CONTENT | QUIRK_NO_JSON_SCHEMA
                                               : 0,
                                 .losses = &losses};
    fuzz_request(from, &x, a, text, &q);
    fuzz_reply(from, &x, a, text);
    fuzz_stream(from, &x, a, text);
    mem_free(copy);
    arena_free(a);
}

#endif
