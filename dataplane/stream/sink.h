/* What stands between a provider's answer and the client: a chain of sinks in phase order
 * (table.c). Each sees the events of an event stream and may drop one, sees the bytes that go on,
 * and is told the end; what it does not implement is NULL and passes everything. Memory per stream
 * is bounded whatever its length. All on the worker's thread. */
#ifndef DATAPLANE_STREAM_SINK_H
#define DATAPLANE_STREAM_SINK_H

#include "dataplane/net/openai_usage.h"
#include "dataplane/net/sse.h"
#include "dataplane/request/request.h"
#include "dataplane/stream/fold.h"
#include "dataplane/stream/framing.h"
#include "dataplane/stream/translation.h"

/* In the order in which an answer meets them. */
enum sink_phase { SINK_METER = 0, SINK_HIDE, SINK_DELIVER, SINK_PHASE_COUNT };

/* How an answer reaches the client. */
enum relay_way {
    RELAY_PASS = 0, /* as its bytes come, through the sinks */
    RELAY_STREAM,   /* translated, event by event */
    RELAY_WHOLE,    /* collected to its end, then translated */
    RELAY_FOLD,     /* a stream, collected into a whole answer */
    RELAY_WAY_COUNT
};

#define HEARD_TEXT_MAX 128

/* What a codec reads from an answer on its way: usage, and what it says of itself. */
struct heard {
    struct usage usage;
    size_t model_len, finish_len, tier_len;
    char model[HEARD_TEXT_MAX], finish[HEARD_TEXT_MAX];
    char tier[HEARD_TEXT_MAX]; /* service tier, as it was served */
    uint64_t text_bytes;       /* text that the chunks carried */
    bool finish_seen, whole;
};

/* An answer on its way: the state of all its sinks, in the request's arena. */
struct relay {
    struct request *request;
    enum relay_way way;
    bool events;    /* an event stream in OpenAI's form; else a body in pieces, or a codec's */
    bool filtering; /* bytes come from the event reader, not as they came */
    struct sse_reader sse;
    uint64_t told_input;    /* tokens that a header field tells (Bedrock); 0: none does */
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

    /* a codec at work (chunks.c): RELAY_STREAM, RELAY_FOLD, or beside a RELAY_PASS */
    bool looking; /* beside: what it cannot read passes all the same */
    bool garbled; /* an event could not be read */
    const struct chat_codec *from, *to;
    void *decoder, *encoder;
    struct framing_reader *frames;
    struct arena *scratch; /* for one event */
    struct fold *fold;
    struct heard heard;
    struct buffer out;      /* RELAY_STREAM: what the piece at hand came to */
    struct buffer whole;    /* RELAY_WHOLE, or beside a pass: the body */
    enum framing framing;   /* of the stream that the client gets; FRAMING_NONE: no stream */
    struct header *headers; /* for the client, in the arena */
    size_t n_headers;

    /* while another target may still be tried: nothing goes out before the answer's first content
     */
    bool holding;
    bool keeps_all; /* no stream: held to its end, as far as there is room */
    int answer_status;
    struct buffer held;

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

#define HELD_MAX (256u << 10)

/* deliver: sends bytes that are no part of a piece of the provider's, with the same back-pressure.
 */
void deliver_send(struct relay *rl, struct str bytes);
/* The held bytes, now that the answer has begun. */
void deliver_held(struct relay *rl);

/* chunks.c: a codec reads the answer's stream. False: out of room. `to` NULL: nobody is written
 * to (looking, or folding). */
bool chunks_begin(struct relay *rl, const struct chat_codec *from, enum framing framing,
                  const struct chat_codec *to, const struct exchange_context *x);
/* False: the stream cannot be read on (rl->garbled, or rl->frames->error). */
bool chunks_feed(struct relay *rl, struct str piece);
void chunks_finish(struct relay *rl);
/* Ends what was written by a failure of Weir's own (the stream broke off), by the encoder where it
 * has a form for that, else in the face's; the bytes stand in rl->out. */
void chunks_fail(struct relay *rl, const struct error *err);
/* What a whole answer says of itself. */
void heard_reply(struct heard *h, const struct chat_reply *reply);
/* Reads a body collected beside a pass by the codec of its operation. */
void heard_body(struct relay *rl, enum provider_api api, const struct exchange_context *x);

/* meter: fills the attempt's quantities and what the answer says of itself: the provider's numbers
 * where it gave them, else (for chat, when the answer was no error) an estimate of a token per four
 * bytes.
 *
 * Lines do not overlap, so that prices can be summed over them: TOKEN_IN is without TOKEN_CACHED
 * and AUDIO_IN, TOKEN_OUT without AUDIO_OUT; TOKEN_REASONING alone is a part of TOKEN_OUT, told for
 * information. rl NULL: no answer came. */
void meter_settle(struct request *r, const struct relay *rl, struct attempt *t);

#endif
