/* Gemini's dialect: requests, answers, streams, embeddings and schemas. The first byte chooses.
 * What was read must be writable again as valid JSON, and what was written readable; a stream's
 * chunks keep the grammar of canonical/chat.h, and its array framing is one JSON value. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/dialect.h"
#include "dataplane/dialects/gemini_error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void must_be_json(const struct buffer *b)
{
    struct json_value v;
    must(!b->failed && json_validate(buffer_str(b), 0, &v, NULL));
}

static void requests(struct str body, struct exchange_context *x, struct arena *a,
                     struct buffer *out)
{
    struct wire_request w = {.body = body, .model = STR_LIT("m"), .stream = true};
    struct chat_request q, again;
    struct error err = ERROR_INIT;
    if (!gemini_codec.decode_request(&w, a, &q, &err)) {
        must(err.code != ERR_NONE);
        return;
    }
    must(q.n_messages > 0);
    for (unsigned family = FAMILY_CHAT; family <= FAMILY_GEMINI; family++) {
        q.family = (enum family)family; /* as another client's: other ways through the encoder */
        buffer_clear(out);
        if (gemini_codec.encode_request(&q, x, a, out, &err)) {
            must_be_json(out);
            w.body = buffer_str(out);
            struct error second = ERROR_INIT;
            must(gemini_codec.decode_request(&w, a, &again, &second));
        }
    }
    buffer_clear(out);
    if (gemini_count_codec.encode_request(&q, x, a, out, &err)) {
        must_be_json(out);
    }
}

static void replies(struct str body, struct exchange_context *x, struct arena *a,
                    struct buffer *out)
{
    struct chat_reply r, again;
    struct error err = ERROR_INIT;
    if (!gemini_codec.decode_reply(body, x, a, &r, &err)) {
        return;
    }
    must(r.n_choices > 0 || r.blocked);
    must(gemini_codec.encode_reply(&r, x, a, out));
    must_be_json(out);
    must(gemini_codec.decode_reply(buffer_str(out), x, a, &again, &err));
    must(again.n_choices == r.n_choices && again.blocked == r.blocked);
}

/* Both framings at once, and the grammar. */
struct stream {
    void *sse, *array;
    struct buffer *sse_out, *array_out;
    bool started, ended, failed;
    uint32_t finished;
};

static void on_chunk(void *arg, const struct chunk *c)
{
    struct stream *s = arg;
    must(!s->ended && !s->failed);
    must(s->started == (c->type != CHUNK_START) || c->type == CHUNK_ERROR);
    s->started = s->started || c->type == CHUNK_START;
    s->ended = c->type == CHUNK_END;
    s->failed = c->type == CHUNK_ERROR;
    if (c->type == CHUNK_FINISH) {
        must(c->choice < 32 && !(s->finished >> c->choice & 1));
        s->finished |= 1u << c->choice;
    }
    must(gemini_codec.encode_chunk(s->sse, c, s->sse_out));
    must(gemini_codec.encode_chunk(s->array, c, s->array_out));
}

static void frames_must_be_json(const struct buffer *b)
{
    struct str rest = buffer_str(b), line;
    struct json_value v;
    while (rest.len > 0) {
        must(str_starts(rest, STR_LIT("data: ")));
        must(str_cut(str_slice(rest, 6, rest.len), '\n', &line, &rest));
        must(json_validate(str_trim(line), 0, &v, NULL));
        must(str_starts(rest, STR_LIT("\r\n")));
        rest = str_slice(rest, 2, rest.len);
    }
}

static void streams(struct str body, struct exchange_context *x, struct arena *a,
                    struct buffer *out)
{
    struct exchange_context array = *x;
    struct buffer second;
    struct stream s = {.sse_out = out, .array_out = &second};
    struct str event, rest = body;
    bool more = true;
    array.client_framing = FRAMING_JSON_ARRAY;
    buffer_init(&second, 256u << 20);
    s.sse = gemini_codec.encoder_new(x, a);
    s.array = gemini_codec.encoder_new(&array, a);
    void *decoder = gemini_codec.decoder_new(x, a, on_chunk, &s);
    while (more) {
        more = str_cut(rest, '\n', &event, &rest);
        if (!more) {
            event = rest;
        }
        struct arena *scratch = arena_new(64u << 20);
        bool ok = gemini_codec.decode_event(decoder, scratch, STR_NONE, event);
        arena_free(scratch);
        if (!ok) {
            break;
        }
    }
    gemini_codec.decode_end(decoder);
    frames_must_be_json(out);
    if (s.ended) {
        must_be_json(&second);
    } else if (s.started) {
        struct error err = {.code = ERR_UPSTREAM_CLOSED, .offset = -1};
        struct failure f = {.error = &err, .status = 502};
        (void)buffer_append_str(&second, gemini_error_event(a, &f, FRAMING_JSON_ARRAY));
        must_be_json(&second);
    }
    buffer_release(&second);
}

static void embeddings(const struct embedding_codec *codec, struct str body,
                       struct exchange_context *x, struct arena *a, struct buffer *out)
{
    struct wire_request w = {.body = body, .model = STR_LIT("m")};
    struct embedding_request q = {.n_inputs = 0}, again;
    struct embedding_reply r;
    struct error err = ERROR_INIT;
    if (codec->decode_request(&w, a, &q, &err)) {
        must(q.n_inputs > 0);
        if (codec->encode_request(&q, x, a, out, &err)) {
            must_be_json(out);
            w.body = buffer_str(out);
            must(codec->decode_request(&w, a, &again, &err) && again.n_inputs == q.n_inputs);
        }
    }
    buffer_clear(out);
    if (codec->decode_reply(body, x, a, &r, &err)) {
        must(codec->encode_reply(&r, &q, x, a, out));
        must_be_json(out);
    }
}

static void schemas(struct str body, struct arena *a)
{
    struct json_value v;
    struct str once = schema_openapi(a, body);
    if (!json_validate(body, 0, &v, NULL)) {
        must(!once.ptr);
        return;
    }
    must(once.ptr && json_validate(once, 0, &v, NULL) && v.type == JSON_OBJECT);
    struct str twice = schema_openapi(a, once);
    must(twice.ptr && json_validate(twice, 0, &v, NULL));
}

static void errors(struct str body, struct arena *a)
{
    struct error err = {.code = ERR_UPSTREAM_REFUSED, .offset = -1};
    struct provider_error e;
    struct json_value v;
    provider_error_read(body, 500, STR_NONE, a, &e);
    provider_error_refine(&e);
    struct failure f = {.error = &err, .provider = &e, .status = 500};
    struct str text = gemini_error_body(a, &f);
    must(json_validate(text, 0, &v, NULL) && gemini_error_is_own(text));
    text = gemini_error_event(a, &f, FRAMING_SSE);
    must(str_starts(text, STR_LIT("data: ")));
    (void)gemini_error_is_own(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const models[] = {"gemini-2.5-flash", "gemini-3-pro-preview", "other"};
    struct losses losses = {.n = 0};
    struct buffer out;
    if (size < 1 || size > 65536) {
        return 0;
    }
    struct arena *a = arena_new(512u << 20);
    char *copy = mem_dup(data + 1, size - 1); /* of its own, so that a step past it is seen */
    struct str body = {copy, size - 1};
    struct exchange_context x = {.model = str_of(models[data[0] / 8 % 3]),
                                 .unique = STR_LIT("0123"),
                                 .client_framing = FRAMING_SSE,
                                 .losses = &losses};
    buffer_init(&out, 256u << 20);
    switch (data[0] % 8) {
    case 0:
    case 1:
        requests(body, &x, a, &out);
        break;
    case 2:
        replies(body, &x, a, &out);
        break;
    case 3:
    case 4:
        streams(body, &x, a, &out);
        break;
    case 5:
        embeddings(data[0] & 128 ? &vertex_embedding_codec : &gemini_embedding_codec, body, &x, a,
                   &out);
        break;
    case 6:
        schemas(body, a);
        break;
    default:
        errors(body, a);
        break;
    }
    buffer_release(&out);
    arena_free(a);
    mem_free(copy);
    return 0;
}
