/* A provider's stream to events, whatever its framing: server-sent events, lines of JSON, one JSON
 * array, or AWS's event stream (InvokeModel's chunks are taken out of their {"bytes"}). Bounded
 * memory; one thread. */
#ifndef DATAPLANE_STREAM_FRAMING_H
#define DATAPLANE_STREAM_FRAMING_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "dataplane/dialects/dialect.h"
#include "dataplane/net/aws_event.h"
#include "dataplane/net/ndjson.h"
#include "dataplane/net/sse.h"

#define FRAMING_EVENT_MAX                                                  \
    (4u << 20) /* of one event; AWS's frames and Gemini's images are large \
                */

/* One event: as chat_codec's decode_event wants it. Spans are valid during the call. False: stop,
 * nothing more is wanted. */
typedef bool (*framing_event_fn)(void *arg, struct str name, struct str data);

struct framing_reader {
    enum framing framing;
    bool unwrap; /* AWS chunks hold {"bytes": …} */
    framing_event_fn on_event;
    void *arg;
    struct arena *scratch; /* for unwrapping; the caller resets it */
    struct error error;    /* the stream is broken: why */
    bool stopped;
    union {
        struct sse_reader sse;
        struct ndjson_reader items;
        struct aws_event_reader aws;
    } u;
};

void framing_init(struct framing_reader *f, enum framing framing, bool unwrap,
                  struct arena *scratch, framing_event_fn on_event, void *arg);
void framing_release(struct framing_reader *f);
/* False: broken, now or before (f->error), or stopped. */
bool framing_feed(struct framing_reader *f, struct str piece);
/* The bytes ended: hands out what may be whole. False: within an event. */
bool framing_finish(struct framing_reader *f);

/* The framing of an answer by its media type; FRAMING_NONE: no stream. */
enum framing framing_of_type(struct str content_type);
const char *framing_type(enum framing framing);

#endif
