/* See citation_hold.h. */
#include "dataplane/dialects/citation_hold.h"

#include "dataplane/canonical/read.h"

#define HOLD_MAX (1u << 20)

void citation_hold_init(struct citation_hold *h)
{
    h->characters = 0;
    buffer_init(&h->list, HOLD_MAX);
}

void citation_hold_release(struct citation_hold *h)
{
    buffer_release(&h->list);
}

int64_t citation_characters(struct str text)
{
    int64_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    }
    return n;
}

void citation_hold_text(struct citation_hold *h, struct str text)
{
    h->characters += citation_characters(text);
}

void citation_hold_add(struct citation_hold *h, struct json_value raw)
{
    /* room for the brackets too, so that what is held can always be given */
    if (raw.raw.len + 3 > HOLD_MAX - h->list.len) {
        return;
    }
    (void)buffer_append(&h->list, h->list.len ? "," : "[", 1);
    (void)buffer_append_str(&h->list, raw.raw);
}

void citation_hold_give(struct citation_hold *h,
                        void (*give)(void *arg, struct json_value raw, int64_t characters),
                        void *arg)
{
    struct json_value list, v;
    size_t pos = 0;
    if (h->list.len && buffer_append(&h->list, "]", 1) && read_json(buffer_str(&h->list), &list)) {
        while (json_next(list, &pos, NULL, &v)) {
            give(arg, v, h->characters);
        }
    }
    h->characters = 0;
    buffer_clear(&h->list);
}
