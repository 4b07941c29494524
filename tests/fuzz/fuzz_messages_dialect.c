/* The Messages dialect: a request, an answer or a stream of events (a line each), read and written
 * again. What was read can be written, what is written is JSON and is read again, streams keep the
 * order that SDKs want. The first byte chooses which of them, and as whose the request is written.
 */
#include "common/base/mem.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/anthropic_error.h"
#include "dataplane/dialects/messages_codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static const struct chat_codec *const codecs[] = {&messages_codec, &vertex_messages_codec,
                                                  &invoke_messages_codec};

static void request(struct str body, struct exchange_context *x, struct arena *a, unsigned choice)
{
    const struct chat_codec *to = codecs[choice % 3];
    struct wire_request w = {.body = body};
    struct chat_request q, again;
    struct error err = ERROR_INIT;
    struct buffer out;

    if (!messages_count_decode(&w, a, &q, &err)) {
        must(err.code != ERR_NONE);
        return;
    }
    buffer_init(&out, 64u << 20);
    if (choice & 8)
        q.family = FAMILY_CHAT; /* as if another dialect had said the same */
    x->request = &q;
    if (to->encode_request(&q, x, a, &out, &err)) {
        w.body = buffer_str(&out);
        w.model = STR_LIT("m");
        must(json_validate(w.body, 0, NULL, NULL));
        must(to->decode_request(&w, a, &again, &err) || q.n_messages > 0);
    } else {
        must(err.code != ERR_NONE);
    }
    buffer_clear(&out);
    if (messages_count_codec.encode_request(&q, x, a, &out, &err))
        must(json_validate(buffer_str(&out), 0, NULL, NULL));
    buffer_release(&out);
}

static void reply(struct str body, const struct exchange_context *x, struct arena *a)
{
    struct chat_reply r, again;
    struct error err = ERROR_INIT;
    struct buffer out;

    (void)anthropic_error_is_own(body);
    if (!messages_codec.decode_reply(body, x, a, &r, &err))
        return;
    must(r.usage.cached <= r.usage.input);
    buffer_init(&out, 64u << 20);
    must(messages_codec.encode_reply(&r, x, a, &out));
    must(json_validate(buffer_str(&out), 0, NULL, NULL));
    must(messages_codec.decode_reply(buffer_str(&out), x, a, &again, &err));
    buffer_release(&out);
}

struct pipe {
    void *sse, *aws;
    struct buffer out, framed;
    bool started, ended;
};

static void pass(void *arg, const struct chunk *c)
{
    struct pipe *p = arg;

    /* an error may come before anything else: then nothing has begun */
    must(!p->ended && (c->type == CHUNK_ERROR || p->started == (c->type != CHUNK_START)));
    p->started = true;
    p->ended = c->type == CHUNK_END || c->type == CHUNK_ERROR;
    must(messages_codec.encode_chunk(p->sse, c, &p->out));
    must(invoke_messages_codec.encode_chunk(p->aws, c, &p->framed));
}

/* One open block at a time, indexes without holes. */
static void check_order(struct str sse, struct arena *a)
{
    struct str line, rest = sse;
    int64_t open = -1, next = 0;

    while (str_cut(rest, '\n', &line, &rest)) {
        struct json_value v;
        if (!str_starts(line, STR_LIT("data: ")))
            continue;
        must(json_validate(str_slice(line, 6, line.len), 0, &v, NULL));
        struct str type = read_get_text(a, v, "type");
        int64_t at = (int64_t)read_get_u64(v, "index");
        if (str_eqz(type, "content_block_start")) {
            must(open < 0 && at == next);
            open = next++;
        } else if (str_eqz(type, "content_block_stop")) {
            must(open == at);
            open = -1;
        } else if (str_eqz(type, "content_block_delta")) {
            must(open == at);
        }
    }
}

static void stream(struct str body, const struct exchange_context *x, struct arena *a)
{
    struct pipe p = {.started = false};
    struct str line, rest = body;
    struct arena *scratch = arena_new(64u << 20);

    buffer_init(&p.out, 256u << 20);
    buffer_init(&p.framed, 256u << 20);
    p.sse = messages_codec.encoder_new(x, a);
    p.aws = invoke_messages_codec.encoder_new(x, a);
    void *d = messages_codec.decoder_new(x, a, pass, &p);
    must(p.sse && p.aws && d);
    while (rest.len) {
        if (!str_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = STR_NONE;
        }
        if (!messages_codec.decode_event(d, scratch, STR_LIT(""), line))
            break;
        arena_reset(scratch);
    }
    messages_codec.decode_end(d);
    if (!p.ended) {
        struct chunk end = {.type = CHUNK_END, .tool = -1};
        must(messages_codec.encode_chunk(p.sse, &end, &p.out));
    }
    check_order(buffer_str(&p.out), a);
    buffer_release(&p.out);
    buffer_release(&p.framed);
    arena_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const models[] = {"claude-sonnet-4-5", "claude-opus-4-6", "claude-3-haiku"};
    struct losses losses = {.n = 0};
    struct exchange_context x = {.unique = STR_LIT("0123"), .losses = &losses};

    if (size < 1)
        return 0;
    struct arena *a = arena_new(256u << 20);
    char *copy = mem_dup(data + 1, size - 1); /* of its own, so that a step past it is seen */
    struct str body = {copy, size - 1};
    struct chat_request wanted = {.family = FAMILY_CHAT, .output = OUTPUT_SCHEMA};
    x.model = str_of(models[(data[0] >> 4) % 3]);
    switch (data[0] & 3) {
    case 0:
        request(body, &x, a, data[0] >> 2);
        break;
    case 1:
        x.request = data[0] & 4 ? &wanted : NULL;
        reply(body, &x, a);
        break;
    default:
        x.request = data[0] & 4 ? &wanted : NULL;
        stream(body, &x, a);
        break;
    }
    mem_free(copy);
    arena_free(a);
    return 0;
}
