/* hide: the usage chunk that Weir asked for on its own account does not reach a client who did not
 * ask for it. */
#include "dataplane/stream/sink.h"

static enum sse_verdict on_event(struct relay *rl, const struct sse_event *e)
{
    (void)e;
    return rl->request->hide_usage && rl->chunk == OPENAI_CHUNK_USAGE ? SSE_DROP : SSE_KEEP;
}

const struct sink sink_hide = {
    .name = "hide",
    .phase = SINK_HIDE,
    .on_event = on_event,
};
