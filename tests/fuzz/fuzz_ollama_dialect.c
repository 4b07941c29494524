/* Ollama's dialect: no answer or line crashes it; streams keep to the grammar of chunks; an answer
 * that was read goes back as a turn in valid JSON. The first byte chooses the reader. */
#define CODEC ollama_chat_codec
#include "provider_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void embed(struct str text)
{
    struct arena *a = arena_new(ROOM);
    struct error err = ERROR_INIT;
    struct embedding_reply r;

    if (ollama_embedding_codec.decode_reply(text, &context, a, &r, &err)) {
        for (size_t i = 0; i < r.n_vectors; i++)
            must(json_validate(r.vectors[i].floats, 0, NULL, NULL));
    } else {
        must(err.code != ERR_NONE);
    }
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct str text) = {stream, reply, embed};

    if (size < 1)
        return 0;
    losses = (struct losses){.n = 0};
    readers[data[0] % 3]((struct str){(const char *)data + 1, size - 1});
    return 0;
}
