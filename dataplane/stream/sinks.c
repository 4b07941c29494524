/* The chain: a row per phase; see sink.h. */
#include "dataplane/stream/sink.h"

static const struct sink *const table[SINK_PHASE_COUNT] = {
    [SINK_METER] = &sink_meter,
    [SINK_HIDE] = &sink_hide,
    [SINK_DELIVER] = &sink_deliver,
};

enum sse_verdict sinks_event(struct relay *rl, const struct sse_event *e)
{
    for (unsigned i = 0; i < SINK_PHASE_COUNT; i++) {
        if (table[i]->on_event && table[i]->on_event(rl, e) == SSE_DROP) {
            return SSE_DROP;
        }
    }
    return SSE_KEEP;
}

void sinks_bytes(struct relay *rl, struct str bytes)
{
    for (unsigned i = 0; i < SINK_PHASE_COUNT; i++) {
        if (table[i]->on_bytes) {
            table[i]->on_bytes(rl, bytes);
        }
    }
}

void sinks_flush(struct relay *rl)
{
    for (unsigned i = 0; i < SINK_PHASE_COUNT; i++) {
        if (table[i]->on_flush) {
            table[i]->on_flush(rl);
        }
    }
}
