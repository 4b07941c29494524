/* What stands between a provider's answer and the client: a chain of sinks in phase order
 * (table.c). Each sees the events of an event stream and may drop one, sees the bytes that go on,
 * and is told the end; what it does not implement is NULL and passes everything. Memory per stream
 * is bounded whatever its length. All on the worker's thread. */
#ifndef DATAPLANE_STREAM_SINK_H
#define DATAPLANE_STREAM_SINK_H

#include "dataplane/net/openai_usage.h"
#include "dataplane/net/sse.h"
#include "dataplane/request/request.h"

/* In the order in which an answer meets them. */
enum sink_phase { SINK_METER = 0, SINK_HIDE, SINK_DELIVER, SINK_PHASE_COUNT };

/* An answer on its way: the state of all its sinks, in the request's arena. */
struct relay {
    struct request *request;
    bool events;    /* an event stream; else a body in pieces */
    bool filtering; /* bytes come from the event reader, not as they came */
    struct sse_reader sse;
    int64_t content_length; /* of the provider's answer, -1 unknown */
    uint64_t received;      /* body bytes from the provider */
    bool done;              /* [DONE] was seen */
    bool failed;            /* the stream told of an error by itself */
    bool torn;              /* the client has a part of an event */

    /* meter */
    struct openai_usage usage;
    struct openai_reader *reader; /* for a body in more than one piece */
    enum openai_chunk chunk;      /* of the event at hand */
    uint64_t delta_bytes;         /* text that the events carried */

    /* deliver */
    struct str piece;   /* what the provider's read gave: spans of it may be joined */
    struct str pending; /* run of bytes of `piece` to be sent */
    bool full;          /* the client is slow: upstream is paused */
};

struct sink {
    const char *name;
    enum sink_phase phase;
    enum sse_verdict (*on_event)(struct relay *rl, const struct sse_event *e);
    void (*on_bytes)(struct relay *rl, struct str bytes);
    /* All bytes of the provider's read have come by. */
    void (*on_flush)(struct relay *rl);
};

extern const struct sink sink_meter, sink_hide, sink_deliver;

/* Through the table; a dropped event is not shown to later sinks. */
enum sse_verdict sinks_event(struct relay *rl, const struct sse_event *e);
void sinks_bytes(struct relay *rl, struct str bytes);
void sinks_flush(struct relay *rl);

/* meter: fills the attempt's quantities and what the answer says of itself: the provider's numbers
 * where it gave them, else (for chat, when the answer was no error) an estimate of a token per four
 * bytes.
 *
 * Lines do not overlap, so that prices can be summed over them: TOKEN_IN is without TOKEN_CACHED
 * and AUDIO_IN, TOKEN_OUT without AUDIO_OUT; TOKEN_REASONING alone is a part of TOKEN_OUT, told for
 * information. rl NULL: no answer came. */
void meter_settle(const struct request *r, const struct relay *rl, struct attempt *t);

#endif
