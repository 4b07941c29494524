/* Streams of JSON values without SSE, in any pieces: newline-delimited JSON (Ollama), and one JSON
 * array whose elements come one by one (Gemini without alt=sse). Each item is handed out as text;
 * whether it is JSON is for whoever reads it. The array's reader only finds where elements begin
 * and end (depth and strings), so it never fails either: what is no array yields items that do not
 * parse.
 *
 * An item that lies whole in the piece fed is handed out without a copy. The memory is bounded: an
 * item larger than the ceiling is skipped and reported with too_large; those behind it are read as
 * before. One thread; nothing blocks. */
#ifndef DATAPLANE_NET_NDJSON_H
#define DATAPLANE_NET_NDJSON_H

#include "common/base/buffer.h"

enum ndjson_mode {
    NDJSON_LINES = 0, /* LF or CR LF between items; blank lines are skipped */
    NDJSON_ARRAY, /* "[" item "," item "]"; one object without brackets is one item (errors come so)
                   */
    NDJSON_MODE_COUNT
};

struct ndjson_item {
    struct str text; /* without blanks at its ends; valid during the call only */
    bool too_large;  /* text is empty */
    bool cut; /* the stream ended within it; a last line that lacks its LF is cut too, and may be
                 whole all the same */
};

/* Each item, in order. Must not feed or release the reader. */
typedef void (*ndjson_item_fn)(void *arg, const struct ndjson_item *item);

/* Fields are private. */
struct ndjson_reader {
    ndjson_item_fn on_item;
    void *arg;
    enum ndjson_mode mode;
    size_t max_item_bytes;
    struct buffer held; /* the item that is not whole yet */
    bool in_item, too_large;
    /* NDJSON_ARRAY only */
    bool opened, ended, scalar, in_string, escaped;
    uint64_t depth; /* open containers within the item */
};

void ndjson_reader_init(struct ndjson_reader *r, enum ndjson_mode mode, size_t max_item_bytes,
                        ndjson_item_fn on_item, void *arg);
void ndjson_reader_release(struct ndjson_reader *r);
void ndjson_feed(struct ndjson_reader *r, struct str piece);
/* The stream ended: what is held is reported with `cut`. Then the reader may only be released. */
void ndjson_finish(struct ndjson_reader *r);
/* Bytes of an item have been fed whose end has not. */
bool ndjson_mid_item(const struct ndjson_reader *r);
/* NDJSON_ARRAY: the array's closing bracket was seen (or its one object is whole): the stream came
 * to its own end. Lines have no end of their own: always false. */
bool ndjson_ended(const struct ndjson_reader *r);

#endif
