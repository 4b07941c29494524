/* Usage of a body: in one piece and in pieces it comes out the same; and of valid JSON, an answer
 * whose usage a strict look at the whole finds is found. The first byte chooses the pieces. */
#include "common/base/mem.h"
#include "dataplane/net/openai_usage.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void strict_compare(struct str text, const struct openai_usage *u)
{
    struct json_member m[] = {{.name = STR_LIT("usage")}, {.name = STR_LIT("choices")}};
    struct openai_usage strict = {0};

    /* a usage object at the ceiling may differ, and so may members that come twice */
    if (!json_scan(text, m, 2, 0, NULL))
        return;
    if (m[0].found && m[0].value.raw.len < OPENAI_USAGE_MAX_BYTES / 2)
        (void)openai_usage_object(m[0].value, &strict);
    else if (m[0].found)
        return;
    must(strict.found == u->found);
    must(strict.prompt_tokens.found == u->prompt_tokens.found);
    must(strict.prompt_tokens.value == u->prompt_tokens.value);
    must(strict.reasoning_tokens.value == u->reasoning_tokens.value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct openai_usage whole, cut, chunk;
    struct openai_reader r;
    struct str text;
    size_t step;

    if (size < 1)
        return 0;
    step = 1 + data[0] % 64;
    text = (struct str){(const char *)data + 1, size - 1};
    memset(&whole, 0, sizeof(whole));
    memset(&cut, 0, sizeof(cut));
    memset(&chunk, 0, sizeof(chunk));
    (void)openai_usage_body(text, &whole);
    openai_reader_init(&r, &cut);
    for (size_t at = 0; at < text.len; at += step) {
        size_t n = text.len - at < step ? text.len - at : step;
        char *copy = mem_dup(text.ptr + at, n);

        openai_reader_feed(&r, (struct str){copy, n});
        mem_free(copy);
    }
    must(whole.found == cut.found);
    must(str_eq(openai_usage_model(&whole), openai_usage_model(&cut)));
    must(str_eq(openai_usage_id(&whole), openai_usage_id(&cut)));
    must(str_eq(openai_usage_finish_reason(&whole), openai_usage_finish_reason(&cut)));
    must(whole.prompt_tokens.value == cut.prompt_tokens.value);
    must(whole.completion_tokens.value == cut.completion_tokens.value);
    must(whole.total_tokens.value == cut.total_tokens.value);
    strict_compare(text, &whole);
    if (openai_usage_chunk(text, &chunk) == OPENAI_CHUNK_USAGE)
        must(chunk.found);
    return 0;
}
