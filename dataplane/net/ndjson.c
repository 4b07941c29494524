/* Newline-delimited JSON and JSON arrays in pieces; see ndjson.h. */
#include "dataplane/net/ndjson.h"

void ndjson_reader_init(struct ndjson_reader *r, enum ndjson_mode mode, size_t max_item_bytes,
                        ndjson_item_fn on_item, void *arg)
{
    *r = (struct ndjson_reader){
        .on_item = on_item, .arg = arg, .mode = mode, .max_item_bytes = max_item_bytes};
    buffer_init(&r->held, max_item_bytes);
}

void ndjson_reader_release(struct ndjson_reader *r)
{
    buffer_release(&r->held);
}

bool ndjson_mid_item(const struct ndjson_reader *r)
{
    return r->in_item;
}

bool ndjson_ended(const struct ndjson_reader *r)
{
    return r->ended;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* More bytes of the item at hand, whose end is not there yet. */
static void hold(struct ndjson_reader *r, struct str bytes)
{
    r->in_item = true;
    if (!r->too_large && bytes.len &&
        (bytes.len > r->max_item_bytes - r->held.len || !buffer_append_str(&r->held, bytes))) {
        r->too_large = true;
        buffer_clear(&r->held);
    }
}

/* The item ends with these bytes. */
static void end_item(struct ndjson_reader *r, struct str bytes, bool cut)
{
    struct ndjson_item item = {.text = bytes, .cut = cut};
    if (r->in_item || bytes.len > r->max_item_bytes) {
        hold(r, bytes);
        item.text = buffer_str(&r->held);
    }
    item.too_large = r->too_large;
    item.text = item.too_large ? STR_LIT("") : str_trim(item.text);
    if (item.too_large || item.text.len) {
        r->on_item(r->arg, &item);
    }
    buffer_clear(&r->held);
    r->in_item = r->too_large = false;
    r->scalar = r->in_string = r->escaped = false;
    r->depth = 0;
}

static void feed_lines(struct ndjson_reader *r, struct str piece)
{
    while (piece.len) {
        const char *lf = memchr(piece.ptr, '\n', piece.len);
        if (!lf) {
            hold(r, piece);
            return;
        }
        size_t n = (size_t)(lf - piece.ptr);
        end_item(r, (struct str){piece.ptr, n}, false);
        piece = (struct str){piece.ptr + n + 1, piece.len - n - 1};
    }
}

/* One byte within an item. True: the item ends behind it. */
static bool within(struct ndjson_reader *r, char c)
{
    if (r->in_string) {
        if (r->escaped) {
            r->escaped = false;
        } else if (c == '\\') {
            r->escaped = true;
        } else if (c == '"') {
            r->in_string = false;
        }
        return !r->in_string && r->depth == 0;
    }
    if (c == '"') {
        r->in_string = true;
    } else if (c == '{' || c == '[') {
        r->depth++;
    } else if (c == '}' || c == ']') {
        r->depth--;
        return r->depth == 0;
    }
    return false;
}

/* One byte between items. True: an item begins with it. */
static bool between(struct ndjson_reader *r, char c)
{
    if (is_blank(c) || (c == ',' && r->opened)) {
        return false;
    }
    if (c == '[' && !r->opened) {
        r->opened = true;
        return false;
    }
    if (c == ']' && r->opened) {
        r->ended = true;
        return false;
    }
    r->scalar = c != '{' && c != '[' && c != '"';
    return true;
}

static void feed_array(struct ndjson_reader *r, struct str piece)
{
    size_t begin = 0;
    bool open = r->in_item;
    for (size_t i = 0; i < piece.len && !r->ended; i++) {
        char c = piece.ptr[i];
        if (open && r->scalar && (is_blank(c) || c == ',' || c == ']')) {
            end_item(r, (struct str){piece.ptr + begin, i - begin}, false);
            open = false;
        }
        if (!open) {
            open = between(r, c);
            begin = i;
            if (!open) {
                continue;
            }
        }
        if (!r->scalar && within(r, c)) {
            end_item(r, (struct str){piece.ptr + begin, i + 1 - begin}, false);
            open = false;
            r->ended = !r->opened; /* one object instead of an array */
        }
    }
    if (open) {
        hold(r, (struct str){piece.ptr + begin, piece.len - begin});
    }
}

void ndjson_feed(struct ndjson_reader *r, struct str piece)
{
    if (r->mode == NDJSON_ARRAY) {
        feed_array(r, piece);
    } else {
        feed_lines(r, piece);
    }
}

void ndjson_finish(struct ndjson_reader *r)
{
    if (r->in_item) {
        end_item(r, STR_LIT(""), true);
    }
}
