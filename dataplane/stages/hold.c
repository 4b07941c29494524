/* See hold.h. */
#include "dataplane/stages/hold.h"

#include "common/json.h"
#include "dataplane/stages/governed.h"
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
    struct header *list = arena_alloc(r->arena, (n + 4 + GOVERNED_HEADERS) * sizeof(*list));
    if (!list) {
        list = rl->headers;
    } else {
        memcpy(list, rl->headers, n * sizeof(*list));
        list[n++] = (struct header){STR_LIT("x-weir-request-id"), str_of(r->id_text)};
        n += request_prompt_header(r, &list[n]);
        n += governed_headers(r, &list[n]);
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

/* The answer at hand failed before the client saw any of it. True: another target is tried. */
static bool lead_on(struct relay *rl, enum error_code code)
{
    struct request *r = rl->request;
    struct attempt_failure f = {.class = FAILURE_SERVER,
                                .code = code,
                                .outcome = EVENT_PROVIDER_ERROR,
                                .status = error_status(code)};
    enum verdict next;
    if (attempt_failed(r, &f, &next)) {
        request_resume(r, next);
        return true;
    }
    r->error = (struct error)ERROR_INIT;
    return false;
}

static bool is_coded(const struct relay *rl)
{
    for (size_t i = 0; i < rl->n_headers; i++) {
        if (str_eq_nocase(rl->headers[i].name, STR_LIT("content-encoding"))) {
            return !str_eq_nocase(rl->headers[i].value, STR_LIT("identity"));
        }
    }
    return false;
}

bool hold_garbled(struct relay *rl)
{
    struct json_value whole;
    if (!rl->holding || !rl->keeps_all || rl->failed || rl->answer_status != 200 || is_coded(rl) ||
        (json_validate(buffer_str(&rl->held), 0, &whole, NULL) &&
         (whole.type == JSON_OBJECT || whole.type == JSON_ARRAY))) {
        return false;
    }
    rl->failed = true;
    return lead_on(rl, ERR_UPSTREAM_GARBAGE);
}

/* Told within the stream, before any content: as good as an error status. True: another target is
 * tried. */
bool hold_failed(struct relay *rl)
{
    if (!rl->failed || !rl->holding) {
        return false;
    }
    if (lead_on(rl, ERR_PROVIDER_ERROR)) {
        return true;
    }
    hold_release(rl); /* its own words go to the client after all */
    return false;
}
