/* A chat body as the provider gets it: valid JSON, the client's bytes but for the model's value and
 * stream_options, and with usage asked for exactly where the answer will be filtered for it. The
 * first byte chooses the model that is put in. */
#include "common/base/mem.h"
#include "common/json.h"
#include "dataplane/dialects/openai_chat.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static struct json_value value_of(struct str text)
{
    struct json_value v;

    must(json_validate(text, 0, &v, NULL));
    return v;
}

static struct str join(const struct openai_chat_body *b)
{
    char *p = mem_alloc(b->len_bytes + 1);
    size_t n = 0;

    must(b->n >= 1 && b->n <= OPENAI_CHAT_PIECES);
    for (size_t i = 0; i < b->n; i++) {
        if (b->pieces[i].len > 0)
            memcpy(p + n, b->pieces[i].ptr, b->pieces[i].len);
        n += b->pieces[i].len;
    }
    must(n == b->len_bytes);
    return (struct str){p, n};
}

/* stream_options as sent, but for include_usage. `from` may be NULL: there were none. */
static void options_same(const struct json_value *from, struct json_value to)
{
    struct json_value a_name, a, b_name, b;
    size_t at_from = 0, at_to = 0;
    bool asked = false;

    must(to.type == JSON_OBJECT);
    while (json_next(to, &at_to, &b_name, &b)) {
        if (json_text_eq(b_name, STR_LIT("include_usage"))) {
            must(!asked && b.type == JSON_TRUE);
            asked = true;
            continue;
        }
        do {
            must(from && json_next(*from, &at_from, &a_name, &a));
        } while (json_text_eq(a_name, STR_LIT("include_usage")));
        must(str_eq(a.raw, b.raw) && str_eq(a_name.raw, b_name.raw));
    }
    must(asked);
    while (from && json_next(*from, &at_from, &a_name, &a)) {
        must(json_text_eq(a_name, STR_LIT("include_usage")));
    }
}

/* Member by member, in the same order. */
static void same(struct str before, struct str after, struct str model, bool usage_added)
{
    struct json_value from = value_of(before), to = value_of(after), a_name, a, b_name, b;
    struct json_member had = {.name = STR_LIT("stream_options")};
    size_t at_from = 0, at_to = 0;

    must(json_members(from, &had, 1, NULL));
    if (usage_added && !had.found) {
        must(json_next(to, &at_to, &b_name, &b));
        must(json_text_eq(b_name, STR_LIT("stream_options")));
        options_same(NULL, b);
    }
    while (json_next(from, &at_from, &a_name, &a)) {
        must(json_next(to, &at_to, &b_name, &b));
        must(str_eq(a_name.raw, b_name.raw));
        if (json_text_eq(a_name, STR_LIT("model"))) {
            must(json_text_eq(b, model));
        } else if (usage_added && json_text_eq(a_name, STR_LIT("stream_options"))) {
            options_same(a.type == JSON_OBJECT ? &a : NULL, b);
        } else {
            must(str_eq(a.raw, b.raw));
        }
    }
    must(!json_next(to, &at_to, &b_name, &b));
}

static void splice(struct str body, const struct openai_chat *c, struct str model, struct arena *a)
{
    struct openai_chat_body out;
    struct openai_chat again;

    must(openai_chat_write(body, c, model, a, &out));
    struct str sent = join(&out);
    same(body, sent, model, out.usage_added);
    must(out.usage_added || !str_eq(model, c->model) || str_eq(sent, body));
    must(!out.usage_added || (c->stream && !c->usage_asked));
    must(openai_chat_read(sent, a, &again, NULL));
    must(str_eq(again.model, model) && again.stream == c->stream);
    must(again.usage_asked == (c->usage_asked || out.usage_added));
    mem_free((void *)(uintptr_t)sent.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const models[] = {"gpt-4o-2024-11-20", "a\"b\\c/\xc3\xa9", "m"};
    struct openai_chat c;

    if (size < 1)
        return 0;
    struct arena *a = arena_new(64u << 20);
    char *copy = mem_dup(data + 1, size - 1); /* of its own, so that a step past it is seen */
    struct str body = {copy, size - 1};
    if (openai_chat_read(body, a, &c, NULL)) {
        must(c.model.len > 0 && c.model.len <= 200);
        splice(body, &c, c.model, a);
        splice(body, &c, str_of(models[data[0] % 3]), a);
    }
    mem_free(copy);
    arena_free(a);
    return 0;
}
