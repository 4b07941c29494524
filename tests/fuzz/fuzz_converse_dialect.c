/* Bedrock's dialect, fed with anything: what it writes is valid JSON in whole frames, what it wrote
 * of its own request is read again, a stream that ended said so once and last, and nothing follows
 * an end. The first byte chooses the side: requests (chat, embeddings, rerank, counting), whole
 * answers, streams ("name data" lines), error bodies. */
#include "common/json.h"
#include "dataplane/dialects/bedrock_error.h"
#include "dataplane/dialects/bedrock_invoke.h"
#include "dataplane/dialects/dialect.h"
#include "dataplane/net/aws_event.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct losses losses;
static struct exchange_context context;

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_json(const struct buffer *b)
{
    struct json_value v;

    must(!b->failed && json_validate(buffer_str(b), 0, &v, NULL));
}

static void try_chat(struct arena *a, const struct wire_request *w, enum family family)
{
    struct chat_request q, again;
    struct buffer b;
    struct error err = ERROR_INIT;

    if (!converse_codec.decode_request(w, a, &q, &err)) {
        must(err.code != ERR_NONE);
        return;
    }
    q.family = family; /* a foreign one: other choices in the encoder */
    buffer_init(&b, 1 << 24);
    if (converse_codec.encode_request(&q, &context, a, &b, &err)) {
        struct wire_request second = *w;

        check_json(&b);
        second.body = buffer_str(&b);
        must(converse_codec.decode_request(&second, a, &again, &err));
    }
    buffer_clear(&b);
    if (converse_count_codec.encode_request(&q, &context, a, &b, &err))
        check_json(&b);
    buffer_release(&b);
}

static void try_embedding(const struct embedding_codec *codec, struct arena *a,
                          const struct wire_request *w)
{
    struct embedding_request q;
    struct embedding_reply r;
    struct buffer b;
    struct error err = ERROR_INIT;

    buffer_init(&b, 1 << 24);
    if (codec->decode_request(w, a, &q, &err) && codec->encode_request(&q, &context, a, &b, &err))
        check_json(&b);
    buffer_clear(&b);
    if (codec->decode_reply(w->body, &context, a, &r, &err)) {
        must(codec->encode_reply(&r, NULL, &context, a, &b));
        check_json(&b);
    }
    buffer_release(&b);
}

static void try_rerank(struct arena *a, const struct wire_request *w)
{
    const struct rerank_codec *codec = &bedrock_cohere_rerank_codec;
    struct rerank_request q;
    struct rerank_reply r;
    struct buffer b;
    struct error err = ERROR_INIT;

    buffer_init(&b, 1 << 24);
    if (codec->decode_request(w, a, &q, &err) && codec->encode_request(&q, &context, a, &b, &err))
        check_json(&b);
    buffer_clear(&b);
    if (codec->decode_reply(w->body, &context, a, &r, &err)) {
        must(codec->encode_reply(&r, NULL, &context, a, &b));
        check_json(&b);
    }
    buffer_release(&b);
}

static void try_reply(struct arena *a, struct str body)
{
    struct chat_reply r;
    struct buffer b;
    struct error err = ERROR_INIT;

    if (!converse_codec.decode_reply(body, &context, a, &r, &err))
        return;
    buffer_init(&b, 1 << 24);
    must(converse_codec.encode_reply(&r, &context, a, &b));
    check_json(&b);
    must(converse_codec.decode_reply(buffer_str(&b), &context, a, &r, &err));
    buffer_release(&b);
}

struct stream {
    void *encoder;
    struct buffer out;
    unsigned starts, ends;
};

static void on_chunk(void *arg, const struct chunk *c)
{
    struct stream *s = arg;

    must(s->ends == 0);
    s->starts += c->type == CHUNK_START;
    s->ends += c->type == CHUNK_END || c->type == CHUNK_ERROR;
    must(s->starts == 1 || c->type == CHUNK_ERROR);
    must(converse_codec.encode_chunk(s->encoder, c, &s->out));
}

static void on_event(void *arg, const struct aws_event *e)
{
    struct json_value v;

    (void)arg;
    must(json_validate(e->payload, 0, &v, NULL));
}

static void try_stream(struct arena *a, struct str text)
{
    struct stream s = {.encoder = converse_codec.encoder_new(&context, a)};
    struct arena *scratch = arena_new(0);
    struct aws_event_reader r;
    void *decoder = converse_codec.decoder_new(&context, a, on_chunk, &s);
    struct str line, name, body;

    buffer_init(&s.out, 1 << 24);
    while (str_cut(text, '\n', &line, &text)) {
        if (!str_cut(line, ' ', &name, &body))
            continue;
        (void)converse_codec.decode_event(decoder, scratch, name, body);
        arena_reset(scratch);
    }
    converse_codec.decode_end(decoder);
    must(s.starts <= 1 && s.ends <= 1);
    aws_event_reader_init(&r, 1 << 24, on_event, NULL);
    must(aws_event_feed(&r, buffer_str(&s.out)) && aws_event_finish(&r));
    aws_event_reader_release(&r);
    buffer_release(&s.out);
    arena_free(scratch);
}

static void try_error(struct arena *a, struct str body)
{
    struct provider_error e;
    struct error own = ERROR_INIT;
    struct failure f = {.error = &own, .provider = &e, .status = 500};
    struct json_value v;

    (void)error_set(&own, ERR_UPSTREAM_GARBAGE, "provider failed");
    provider_error_read(body, 500, STR_NONE, a, &e);
    must(json_validate(bedrock_error_body(a, &f), 0, &v, NULL));
    must(bedrock_error_event(a, &f, FRAMING_AWS).len > 16);
    (void)bedrock_error_is_own(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a;
    struct wire_request w;
    struct str inner = STR_NONE;
    struct chat_request wants_schema = {
        .family = FAMILY_CHAT, .output = OUTPUT_SCHEMA, .schema = STR_LIT("{}")};

    if (size < 2)
        return 0;
    a = arena_new(0);
    losses = (struct losses){.n = 0};
    w = (struct wire_request){.body = {(const char *)data + 1, size - 1}, .model = STR_LIT("m")};
    context =
        (struct exchange_context){.model = data[0] & 64 ? STR_LIT("us.anthropic.claude-x-v1:0")
                                                        : STR_LIT("amazon.nova-lite-v1:0"),
                                  .unique = STR_LIT("0123456789abcdef"),
                                  .losses = &losses,
                                  .request = data[0] & 32 ? &wants_schema : NULL};
    switch (data[0] % 4) {
    case 0:
        (void)bedrock_invoke_api(w.body, w.model);
        (void)bedrock_count_api(w.body, a, &inner);
        try_chat(a, &w, data[0] & 16 ? FAMILY_CHAT : FAMILY_CONVERSE);
        break;
    case 1:
        try_reply(a, w.body);
        try_embedding(&titan_embedding_codec, a, &w);
        try_embedding(&bedrock_cohere_embedding_codec, a, &w);
        try_rerank(a, &w);
        break;
    case 2:
        try_stream(a, w.body);
        break;
    default:
        try_error(a, w.body);
        break;
    }
    arena_free(a);
    return 0;
}
