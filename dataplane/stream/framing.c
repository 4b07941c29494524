/* See framing.h. */
#include "dataplane/stream/framing.h"

#include <stdio.h>

#include "common/json.h"

static void broken(struct framing_reader *f, const char *why)
{
    if (f->error.code == ERR_NONE) {
        (void)error_set(&f->error, ERR_UPSTREAM_GARBAGE, "the provider's stream is broken: %s",
                        why);
    }
    f->stopped = true;
}

static void hand_out(struct framing_reader *f, struct str name, struct str data)
{
    if (!f->stopped && !f->on_event(f->arg, name, data)) {
        f->stopped = true;
    }
}

static enum sse_verdict on_sse(void *arg, const struct sse_event *e)
{
    struct framing_reader *f = arg;
    struct json_value v;
    if (e->too_large) {
        broken(f, "an event is too large");
    } else if (!e->cut || str_eqz(e->data, "[DONE]") || json_validate(e->data, 0, &v, NULL)) {
        hand_out(f, e->name, e->data); /* some end without the last blank line */
    }
    return SSE_KEEP;
}

static void on_item(void *arg, const struct ndjson_item *item)
{
    struct framing_reader *f = arg;
    struct json_value v;
    if (item->too_large) {
        broken(f, "an event is too large");
        return;
    }
    if (item->cut && !json_validate(item->text, 0, &v, NULL)) {
        return; /* the caller sees the cut */
    }
    hand_out(f, STR_NONE, item->text);
}

static void on_aws(void *arg, const struct aws_event *e)
{
    struct framing_reader *f = arg;
    struct str name = e->type, data = e->payload;
    char text[160];
    if (e->kind != AWS_EVENT) {
        int n = snprintf(text, sizeof(text), "exception:%.*s", STR_ARG(str_slice(name, 0, 128)));
        name = (struct str){text, (size_t)n};
        if (e->kind == AWS_ERROR && data.len == 0) {
            data = e->message;
        }
        hand_out(f, name, data);
        return;
    }
    if (f->unwrap) {
        if (!str_eqz(name, "chunk")) {
            return;
        }
        name = STR_NONE;
        if (!aws_event_chunk_inner(f->scratch, e->payload, &data)) {
            broken(f, "a chunk holds no bytes");
            return;
        }
    }
    hand_out(f, name, data);
}

static const struct sse_ops sse_looks = {on_sse, NULL};

void framing_init(struct framing_reader *f, enum framing framing, bool unwrap,
                  struct arena *scratch, framing_event_fn on_event, void *arg)
{
    *f = (struct framing_reader){
        .framing = framing, .unwrap = unwrap, .scratch = scratch, .on_event = on_event, .arg = arg};
    f->error = (struct error)ERROR_INIT;
    switch (framing) {
    case FRAMING_AWS:
        aws_event_reader_init(&f->u.aws, 0, on_aws, f);
        break;
    case FRAMING_NDJSON:
    case FRAMING_JSON_ARRAY:
        ndjson_reader_init(&f->u.items, framing == FRAMING_NDJSON ? NDJSON_LINES : NDJSON_ARRAY,
                           AWS_EVENT_MAX_BYTES, on_item, f);
        break;
    default:
        f->framing = FRAMING_SSE;
        sse_reader_init(&f->u.sse, FRAMING_EVENT_MAX, &sse_looks, f);
        break;
    }
}

void framing_release(struct framing_reader *f)
{
    switch (f->framing) {
    case FRAMING_AWS:
        aws_event_reader_release(&f->u.aws);
        break;
    case FRAMING_NDJSON:
    case FRAMING_JSON_ARRAY:
        ndjson_reader_release(&f->u.items);
        break;
    default:
        sse_reader_release(&f->u.sse);
        break;
    }
}

bool framing_feed(struct framing_reader *f, struct str piece)
{
    if (f->stopped) {
        return false;
    }
    switch (f->framing) {
    case FRAMING_AWS:
        if (!aws_event_feed(&f->u.aws, piece)) {
            broken(f, aws_event_fault_text(aws_event_fault(&f->u.aws)));
        }
        break;
    case FRAMING_NDJSON:
    case FRAMING_JSON_ARRAY:
        ndjson_feed(&f->u.items, piece);
        break;
    default:
        sse_feed(&f->u.sse, piece);
        break;
    }
    return !f->stopped;
}

bool framing_finish(struct framing_reader *f)
{
    bool whole = true;
    if (f->stopped) {
        return false;
    }
    switch (f->framing) {
    case FRAMING_AWS:
        whole = aws_event_finish(&f->u.aws);
        break;
    case FRAMING_NDJSON:
        ndjson_finish(&f->u.items);
        break;
    case FRAMING_JSON_ARRAY:
        ndjson_finish(&f->u.items);
        whole = ndjson_ended(&f->u.items);
        break;
    default:
        /* half an event at the end matters only if the answer lacks its end */
        sse_finish(&f->u.sse);
        break;
    }
    return whole;
}

static const char *const types[FRAMING_COUNT] = {
    [FRAMING_NONE] = "application/json",       [FRAMING_SSE] = "text/event-stream",
    [FRAMING_NDJSON] = "application/x-ndjson", [FRAMING_AWS] = "application/vnd.amazon.eventstream",
    [FRAMING_JSON_ARRAY] = "application/json",
};

const char *framing_type(enum framing framing)
{
    return framing < FRAMING_COUNT ? types[framing] : types[0];
}

enum framing framing_of_type(struct str content_type)
{
    static const enum framing streams[] = {FRAMING_SSE, FRAMING_NDJSON, FRAMING_AWS};
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        struct str type = str_of(types[streams[i]]);
        if (str_eq_nocase(str_slice(content_type, 0, type.len), type)) {
            return streams[i];
        }
    }
    return FRAMING_NONE;
}
