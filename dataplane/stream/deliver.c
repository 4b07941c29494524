/* deliver: bytes to the client. Spans of one read of the provider's that follow each other leave by
 * one write; a client that does not take them pauses the provider until they have drained. */
#include "dataplane/stream/cache_fill.h"
#include "dataplane/stream/sink.h"
#include "dataplane/upstream/client.h"

static void on_drain(void *arg)
{
    struct relay *rl = arg;
    rl->full = false;
    if (rl->request->call) {
        upstream_resume(rl->request->call);
    }
}

/* The client may be found gone by the very write: then the request is finished, and there is no
 * exchange any more. */
static void send_bytes(struct relay *rl, struct str bytes)
{
    struct request *r = rl->request;
    if (bytes.len == 0) {
        return;
    }
    if (rl->holding) {
        (void)buffer_append_str(&rl->held, bytes);
        return;
    }
    cache_note_bytes(r, bytes);
    if (!r->exchange) {
        return;
    }
    if (exchange_send(r->exchange, bytes) || !r->exchange || rl->full) {
        return;
    }
    rl->full = true;
    exchange_on_drain(r->exchange, on_drain, rl);
    if (r->call) {
        upstream_pause(r->call);
    }
}

void deliver_held(struct relay *rl)
{
    send_bytes(rl, buffer_str(&rl->held));
    buffer_release(&rl->held);
}

void deliver_send(struct relay *rl, struct str bytes)
{
    send_bytes(rl, bytes);
}

static void on_flush(struct relay *rl)
{
    struct str run = rl->pending;
    rl->pending = STR_NONE;
    send_bytes(rl, run);
}

static bool within(struct str outer, struct str s)
{
    return outer.ptr && s.ptr >= outer.ptr && s.ptr + s.len <= outer.ptr + outer.len;
}

static void on_bytes(struct relay *rl, struct str bytes)
{
    if (rl->pending.ptr && rl->pending.ptr + rl->pending.len == bytes.ptr &&
        within(rl->piece, bytes)) {
        rl->pending.len += bytes.len;
        return;
    }
    on_flush(rl);
    if (within(rl->piece, bytes)) {
        rl->pending = bytes;
    } else {
        send_bytes(rl, bytes); /* the event reader's own memory: gone after this call */
    }
}

const struct sink sink_deliver = {
    .name = "deliver",
    .phase = SINK_DELIVER,
    .on_bytes = on_bytes,
    .on_flush = on_flush,
};
