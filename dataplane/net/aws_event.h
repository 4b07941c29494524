/* The AWS event stream, application/vnd.amazon.eventstream: binary frames of
 *
 *     total length(4) headers length(4) CRC-32 of those 8(4) | headers | payload | CRC-32 of all(4)
 *
 * all big-endian. A reader for a stream that comes in any pieces, down to one byte, and a writer.
 *
 * The reader checks both sums, and the lengths before it collects anything by them; a frame that
 * lies whole in the piece fed is handed out without a copy. It holds at most one frame, never more
 * than the ceiling. Whatever is wrong, it says so once and stays failed: behind a broken frame
 * nothing can be trusted. Events that came before are handed out. One thread; nothing blocks. */
#ifndef DATAPLANE_NET_AWS_EVENT_H
#define DATAPLANE_NET_AWS_EVENT_H

#include "common/base/arena.h"
#include "common/base/buffer.h"

#define AWS_EVENT_MAX_BYTES (16u << 20) /* what 0 stands for as a ceiling */

enum aws_event_kind {
    AWS_EVENT = 0, /* :message-type "event", or none */
    AWS_EXCEPTION, /* a modelled exception: type says which, the payload is its JSON */
    AWS_ERROR,     /* an unmodelled one: type is the code, message its text */
    AWS_EVENT_KIND_COUNT
};

/* Spans are valid during the call of on_event only; absent ones have a NULL ptr. */
struct aws_event {
    enum aws_event_kind kind;
    struct str type;         /* :event-type, :exception-type or :error-code */
    struct str content_type; /* :content-type */
    struct str message;      /* :error-message */
    struct str payload;
};

enum aws_event_fault {
    AWS_FAULT_NONE = 0,
    AWS_FAULT_PRELUDE_CRC,
    AWS_FAULT_MESSAGE_CRC,
    AWS_FAULT_LENGTH,    /* lengths that cannot be */
    AWS_FAULT_TOO_LARGE, /* larger than the ceiling */
    AWS_FAULT_HEADERS,   /* headers that do not parse */
    AWS_FAULT_TRUNCATED, /* the stream ended within a frame */
    AWS_FAULT_MEMORY,
    AWS_FAULT_COUNT
};

/* Must not feed or release the reader. */
typedef void (*aws_event_fn)(void *arg, const struct aws_event *e);

/* Fields are private. */
struct aws_event_reader {
    aws_event_fn on_event;
    void *arg;
    size_t max_frame_bytes;
    struct buffer held; /* the frame that is not whole yet */
    enum aws_event_fault fault;
};

/* max_frame_bytes 0: AWS_EVENT_MAX_BYTES. */
void aws_event_reader_init(struct aws_event_reader *r, size_t max_frame_bytes,
                           aws_event_fn on_event, void *arg);
void aws_event_reader_release(struct aws_event_reader *r);
/* False: the stream is broken (now or before); aws_event_fault says how. */
bool aws_event_feed(struct aws_event_reader *r, struct str piece);
/* A part of a frame has been fed whose end has not. */
bool aws_event_mid_frame(const struct aws_event_reader *r);
/* The stream ended: false when within a frame, or when it was broken before. */
bool aws_event_finish(struct aws_event_reader *r);
enum aws_event_fault aws_event_fault(const struct aws_event_reader *r);
const char *aws_event_fault_text(enum aws_event_fault f); /* "wrong checksum of a frame" … */

/* Writers: append one frame; false when the buffer is full (or a name is longer than a header
 * holds). */
bool aws_event_write(struct buffer *out, struct str event_type, struct str content_type,
                     struct str payload);
/* An exception; its payload is JSON. */
bool aws_exception_write(struct buffer *out, struct str exception_type, struct str payload);
/* One inner JSON event of InvokeModelWithResponseStream: a `chunk` whose payload is
 * {"bytes":"<base64 of json>"}. */
bool aws_event_chunk(struct buffer *out, struct str json);
/* The reverse: a chunk's payload to the inner JSON, in the arena. False when it has no base64
 * `bytes`. */
bool aws_event_chunk_inner(struct arena *a, struct str payload, struct str *ret_json);

#endif
