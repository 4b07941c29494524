/* See hold.h. */
#include "dataplane/stages/hold.h"

#include "dataplane/stages/routing.h"
#include "dataplane/stream/cache_fill.h"

int hold_status(const struct relay *rl)
{
    return rl->way == RELAY_STREAM ? 200 : rl->answer_status;
}

/* The client's answer begins. */
void hold_start(struct relay *rl)
{
    struct request *r = rl->request;
    size_t n = rl->n_headers;
    struct header *list = arena_alloc(r->arena, (n + 4) * sizeof(*list));
    if (!list) {
        list = rl->headers;
    } else {
        memcpy(list, rl->headers, n * sizeof(*list));
        list[n++] = (struct header){STR_LIT("x-weir-request-id"), str_of(r->id_text)};
        n += request_prompt_header(r, &list[n]);
        if (rl->way == RELAY_STREAM) {
            list[n++] = (struct header){STR_LIT("content-type"), str_of(framing_type(rl->framing))};
            list[n++] = (struct header){STR_LIT("cache-control"), STR_LIT("no-cache")};
        }
    }
    bool own = rl->filtering || rl->way == RELAY_STREAM;
    r->status = hold_status(rl);
    r->stream = r->stream || rl->framing != FRAMING_NONE;
    request_set_state(r, REQUEST_RELAYING);
    cache_note_head(r, r->status, list, n, rl->framing != FRAMING_NONE);
    if (r->exchange) {
        exchange_start(r->exchange, r->status, list, n, own ? -1 : rl->content_length,
                       rl->framing != FRAMING_NONE);
    }
}

/* From here on the answer is this one. */
void hold_release(struct relay *rl)
{
    struct request *r = rl->request;
    if (!rl->holding || r->state == REQUEST_FINISHED) {
        return;
    }
    rl->holding = false;
    request_set_state(r, REQUEST_RUNNING);
    hold_start(rl);
    deliver_held(rl);
}

static bool has_content(const struct relay *rl)
{
    return rl->delta_bytes > 0 || rl->heard.text_bytes > 0 || rl->heard.finish_seen ||
           rl->usage.finish_reason_len > 0 || rl->heard.whole;
}

/* Content is there, or more is held than there is room for. A stream that tells of its failure is
 * no content. */
void hold_look(struct relay *rl)
{
    if (!rl->holding || rl->failed) {
        return;
    }
    if (rl->held.len > HELD_MAX / 2 || (!rl->keeps_all && (has_content(rl) || rl->done))) {
        hold_release(rl);
    }
}

/* Told within the stream, before any content: as good as an error status. True: another target is
 * tried. */
bool hold_failed(struct relay *rl)
{
    struct request *r = rl->request;
    if (!rl->failed || !rl->holding) {
        return false;
    }
    struct attempt_failure f = {.class = FAILURE_SERVER,
                                .code = ERR_PROVIDER_ERROR,
                                .outcome = EVENT_PROVIDER_ERROR,
                                .status = error_status(ERR_PROVIDER_ERROR)};
    enum verdict next;
    if (attempt_failed(r, &f, &next)) {
        request_resume(r, next);
        return true;
    }
    r->error = (struct error)ERROR_INIT;
    hold_release(rl); /* its own words go to the client after all */
    return false;
}
