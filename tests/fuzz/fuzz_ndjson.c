/* Streams of JSON items: the same text in one piece and in pieces gives the same items. The first
 * byte chooses mode and ceiling, the second the pieces. */
#include "common/base/mem.h"
#include "common/json.h"
#include "dataplane/net/ndjson.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

struct log {
    struct buffer items;
    size_t max;
};

static void on_item(void *arg, const struct ndjson_item *item)
{
    struct log *l = arg;
    uint8_t flags = (uint8_t)(item->too_large | item->cut << 1);
    must(item->text.len <= l->max);
    must(item->too_large == (item->text.len == 0));
    (void)buffer_append(&l->items, &item->text.len, sizeof(item->text.len));
    (void)buffer_append(&l->items, &flags, 1);
    (void)buffer_append_str(&l->items, item->text);
}

/* pieces 0: all at once */
static bool run(struct log *l, enum ndjson_mode mode, struct str text, size_t max, unsigned pieces)
{
    struct ndjson_reader r;
    uint32_t mix = pieces * 2654435761u;
    bool ended;

    l->max = max;
    buffer_init(&l->items, SIZE_MAX / 2);
    ndjson_reader_init(&r, mode, max, on_item, l);
    while (text.len > 0) {
        size_t n = pieces == 0 ? text.len : 1 + (mix >> 16) % pieces;
        char *copy;

        n = n < text.len ? n : text.len;
        copy = mem_dup(text.ptr, n);
        ndjson_feed(&r, (struct str){copy, n});
        mem_free(copy);
        must(r.held.cap <= max);
        text = (struct str){text.ptr + n, text.len - n};
        mix = mix * 1664525u + 1013904223u;
    }
    ended = ndjson_ended(&r);
    ndjson_finish(&r);
    must(!ndjson_mid_item(&r));
    ndjson_reader_release(&r);
    return ended;
}

/* A valid array is its elements, and its reader knows the end. */
static void array_check(struct str text)
{
    struct json_value array, item;
    struct log l, wanted = {.max = text.len};
    size_t pos = 0;

    if (!json_validate(text, 0, &array, NULL) || array.type != JSON_ARRAY)
        return;
    buffer_init(&wanted.items, SIZE_MAX / 2);
    while (json_next(array, &pos, NULL, &item))
        on_item(&wanted, &(struct ndjson_item){.text = item.raw});
    must(run(&l, NDJSON_ARRAY, text, text.len, 3));
    must(str_eq(buffer_str(&l.items), buffer_str(&wanted.items)));
    buffer_release(&l.items);
    buffer_release(&wanted.items);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text;
    struct log whole, cut, bytes;
    enum ndjson_mode mode;
    size_t max;
    bool ended;

    if (size < 2)
        return 0;
    mode = data[0] & 1 ? NDJSON_ARRAY : NDJSON_LINES;
    max = 4 + 3 * (size_t)(data[0] >> 1);
    text = (struct str){(const char *)data + 2, size - 2};
    ended = run(&whole, mode, text, max, 0);
    must(run(&cut, mode, text, max, 1 + data[1] % 40) == ended);
    must(run(&bytes, mode, text, max, 1) == ended);
    must(str_eq(buffer_str(&whole.items), buffer_str(&cut.items)));
    must(str_eq(buffer_str(&whole.items), buffer_str(&bytes.items)));
    buffer_release(&whole.items);
    buffer_release(&cut.items);
    buffer_release(&bytes.items);
    array_check(text);
    return 0;
}
