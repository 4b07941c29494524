/* Server-sent events (WHATWG HTML, 9.2): a reader for a stream that comes in any pieces, and a
 * writer.
 *
 * The reader serves two users. One only looks: it gets each event while the raw bytes go their own
 * way at once (on_bytes NULL). The other filters: it sends on what on_bytes gives it, which is
 * every byte of the stream, unchanged and in order, save the events that on_event said SSE_DROP to.
 * Then an event's bytes wait until the event is whole; nothing else ever waits (comments, which
 * providers use as heartbeats, go at once).
 *
 * An event that lies whole in the piece fed is handed out without a copy. The memory is bounded: an
 * event larger than the ceiling is not collected but passed on as it comes and then reported with
 * too_large; the events behind it are read as before. All on one thread; nothing blocks. */
#ifndef DATAPLANE_NET_SSE_H
#define DATAPLANE_NET_SSE_H

#include "common/base/buffer.h"

/* Spans are valid during the call of on_event only. */
struct sse_event {
    struct str name; /* `event` field; empty (len 0) stands for "message" */
    struct str data; /* `data` lines joined by LF */
    struct str
        id; /* `id` field of this very event; NULL ptr when it has none (or one with a NUL in it) */
    int64_t retry_ms; /* -1 when not given */
    /* Raw bytes of the event, as offsets from the stream's first byte: from its first line that is
     * not a comment to behind the blank line. Where that ends in CR LF, `end` is behind the CR: the
     * LF may not be there yet, and shares the event's fate. */
    uint64_t begin, end;
    bool too_large; /* larger than the ceiling: name, data and id are empty, and the verdict is not
                       heeded */
    bool cut; /* the stream ended before the blank line; a browser would not have seen this event */
};

enum sse_verdict { SSE_KEEP = 0, SSE_DROP };

struct sse_ops {
    /* Each event that has data, in order. Must not feed or release the reader. */
    enum sse_verdict (*on_event)(void *arg, const struct sse_event *e);
    /* Bytes to send on, valid during the call; NULL: the raw bytes are not wanted. */
    void (*on_bytes)(void *arg, struct str bytes);
};

/* Fields are private. */
struct sse_reader {
    const struct sse_ops *ops;
    void *arg;
    size_t max_event_bytes;
    struct buffer held; /* the event that is not whole yet */
    struct buffer join; /* data of more than one line */
    uint64_t offset;    /* bytes fed */
    uint64_t begin;     /* where the current event starts */
    size_t line_len;    /* of the current line so far */
    unsigned bom_bytes; /* of the byte order mark that the stream may start with; 4: past that */
    char line_first;    /* first byte of the current line */
    bool fields;        /* the current event has a line that is not a comment */
    bool too_large;
    bool after_cr;     /* an LF that comes now belongs to the CR before */
    bool last_dropped; /* the event that ended at that CR was dropped */
};

/* ops must outlive the reader. max_event_bytes bounds an event's raw bytes; the reader holds at
 * most twice that. */
void sse_reader_init(struct sse_reader *r, size_t max_event_bytes, const struct sse_ops *ops,
                     void *arg);
void sse_reader_release(struct sse_reader *r);
void sse_feed(struct sse_reader *r, struct str piece);
/* A part of an event, or of a line, has been fed whose end has not. */
bool sse_mid_event(const struct sse_reader *r);
/* The stream ended: an event without its blank line is reported with `cut`, and bytes still held go
 * to on_bytes unless that is dropped. Then the reader may only be released. */
void sse_finish(struct sse_reader *r);

/* Appends one event. name empty: no `event` line. Data of more lines (LF, CR or CR LF) becomes as
 * many `data` lines. False when the name holds a line break (nothing is appended) or the buffer is
 * full. */
bool sse_write(struct buffer *out, struct str name, struct str data);
/* Appends a comment, which every reader skips: a heartbeat. Line breaks in it become blanks. */
bool sse_write_comment(struct buffer *out, struct str text);

#endif
