/* Cohere's dialect: no answer, event or request crashes it; streams keep to the grammar of chunks;
 * what was read is written as valid JSON and read again. The first byte chooses the reader. */
#define CODEC cohere_chat_codec
#include "provider_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void embed(struct str text)
{
    struct arena *a = arena_new(ROOM);
    struct error err = ERROR_INIT;
    struct wire_request w = {.body = text};
    struct embedding_request q, again;
    struct embedding_reply r;
    struct buffer out;

    buffer_init(&out, ROOM);
    if (cohere_embedding_codec.decode_request(&w, a, &q, &err)) {
        must(cohere_embedding_codec.encode_request(&q, &context, a, &out, &err));
        w.body = buffer_str(&out);
        must(cohere_embedding_codec.decode_request(&w, a, &again, &err));
        must(again.n_inputs == q.n_inputs);
    } else {
        must(err.code != ERR_NONE);
    }
    buffer_clear(&out);
    q = (struct embedding_request){.family = FAMILY_COHERE, .encoding = STR_LIT("base64")};
    if (cohere_embedding_codec.decode_reply(text, &context, a, &r, &err) &&
        cohere_embedding_codec.encode_reply(&r, &q, &context, a, &out))
        must(json_validate(buffer_str(&out), 0, NULL, NULL));
    buffer_release(&out);
    arena_free(a);
}

static void rerank(struct str text)
{
    struct arena *a = arena_new(ROOM);
    struct error err = ERROR_INIT;
    struct wire_request w = {.body = text};
    struct rerank_request q, again;
    struct rerank_reply r;
    struct buffer out;

    buffer_init(&out, ROOM);
    if (cohere_rerank_codec.decode_request(&w, a, &q, &err)) {
        must(cohere_rerank_codec.encode_request(&q, &context, a, &out, &err));
        w.body = buffer_str(&out);
        must(cohere_rerank_codec.decode_request(&w, a, &again, &err));
        must(again.n_documents == q.n_documents && again.top_n == q.top_n);
    } else {
        must(err.code != ERR_NONE);
    }
    buffer_clear(&out);
    if (cohere_rerank_codec.decode_reply(text, &context, a, &r, &err)) {
        must(cohere_rerank_codec.encode_reply(&r, NULL, &context, a, &out));
        must(json_validate(buffer_str(&out), 0, NULL, NULL));
    }
    buffer_release(&out);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct str text) = {stream, reply, embed, rerank};

    if (size < 1)
        return 0;
    losses = (struct losses){.n = 0};
    readers[data[0] % 4]((struct str){(const char *)data + 1, size - 1});
    return 0;
}
