/* The events of Anthropic's stream, each written whole: the message's start, blocks and their
 * deltas.
 */
#include "dataplane/dialects/messages_encoder_inside.h"

#include "dataplane/net/aws_event.h"

size_t messages_copy_name(char *to, struct str from)
{
    size_t n = from.len < NAME_ROOM ? from.len : NAME_ROOM - 1;
    if (n) {
        memcpy(to, from.ptr, n);
    }
    return n;
}

/* ---- one event ---- */

/* Begins {"type":name of one event. */
void messages_event_begin(struct messages_encoder *e, struct messages_event *v, struct buffer *out,
                          const char *name)
{
    v->out = e->aws ? &e->scratch : out;
    if (e->aws) {
        buffer_clear(&e->scratch);
    } else {
        (void)buffer_printf(out, "event: %s\ndata: ", name);
    }
    v->from = v->out->len;
    json_writer_init(&v->w, v->out);
    json_object_begin(&v->w);
    json_field_z(&v->w, "type", name);
}

void messages_event_end(struct messages_encoder *e, struct messages_event *v, struct buffer *out)
{
    json_object_end(&v->w);
    /* raw pieces may have line ends between their values */
    for (size_t i = v->from; !v->out->failed && i < v->out->len; i++) {
        if (v->out->ptr[i] == '\n' || v->out->ptr[i] == '\r') {
            v->out->ptr[i] = ' ';
        }
    }
    if (!e->aws) {
        (void)buffer_append(out, "\n\n", 2);
    } else if (e->scratch.failed || !aws_event_chunk(out, buffer_str(&e->scratch))) {
        out->failed = true;
    }
}

void messages_put_start(struct messages_encoder *e, const struct chunk *c, struct buffer *out)
{
    struct messages_event v;
    struct json_writer *w = &v.w;
    bool told = c && c->type == CHUNK_START;
    if (e->started) {
        return;
    }
    e->started = true;
    messages_event_begin(e, &v, out, "message_start");
    json_name(w, "message");
    json_object_begin(w);
    json_name(w, "id");
    if (told && c->id.len) {
        json_put_str(w, c->id);
    } else {
        json_put_str(w, arena_printf(e->scratch_arena, "msg_%.*s", STR_ARG(e->x->unique)));
    }
    json_field_z(w, "type", "message");
    json_field_z(w, "role", "assistant");
    messages_write_text(w, "model", told && c->model.len ? c->model : e->x->model);
    json_name(w, "content");
    json_array_begin(w);
    json_array_end(w);
    json_field_str(w, "stop_reason", STR_NONE);
    json_field_str(w, "stop_sequence", STR_NONE);
    json_name(w, "usage");
    messages_write_usage(w, &e->usage, (struct str){e->tier, e->tier_len});
    json_object_end(w);
    messages_event_end(e, &v, out);
}

/* ---- blocks ---- */

void messages_block_begin(struct messages_encoder *e, struct messages_event *v, struct buffer *out,
                          const char *type)
{
    messages_event_begin(e, v, out, "content_block_start");
    json_field_u64(&v->w, "index", e->index);
    json_name(&v->w, "content_block");
    if (type) {
        json_object_begin(&v->w);
        json_field_z(&v->w, "type", type);
    }
}

void messages_put_stop(struct messages_encoder *e, struct buffer *out)
{
    struct messages_event v;
    messages_event_begin(e, &v, out, "content_block_stop");
    json_field_u64(&v.w, "index", e->index++);
    messages_event_end(e, &v, out);
}

/* A block that is whole in its start. */
void messages_put_whole(struct messages_encoder *e, struct buffer *out, const char *type,
                        const char *name, struct str value)
{
    struct messages_event v;
    messages_block_begin(e, &v, out, type);
    messages_write_text(&v.w, name, value);
    json_object_end(&v.w);
    messages_event_end(e, &v, out);
    messages_put_stop(e, out);
}

void messages_put_delta(struct messages_encoder *e, struct buffer *out, const char *type,
                        const char *name, struct str text)
{
    struct messages_event v;
    messages_event_begin(e, &v, out, "content_block_delta");
    json_field_u64(&v.w, "index", e->index);
    json_name(&v.w, "delta");
    json_object_begin(&v.w);
    json_field_z(&v.w, "type", type);
    json_field_str(&v.w, name, text);
    json_object_end(&v.w);
    messages_event_end(e, &v, out);
}

void messages_open_block(struct messages_encoder *e, struct buffer *out, enum open_kind kind)
{
    struct messages_event v;
    messages_block_begin(e, &v, out, kind == OPEN_TEXT ? "text" : "thinking");
    if (kind == OPEN_TEXT) {
        json_field_z(&v.w, "text", "");
    } else {
        json_field_z(&v.w, "thinking", "");
        json_field_z(&v.w, "signature", "");
    }
    json_object_end(&v.w);
    messages_event_end(e, &v, out);
    e->open = kind;
    e->signed_ = false;
}

void messages_open_tool(struct messages_encoder *e, struct buffer *out, int tool, struct str id,
                        struct str name)
{
    struct messages_event v;
    if (id.len == 0) {
        id = arena_printf(e->scratch_arena, "toolu_%.*s_%d", STR_ARG(e->x->unique), tool);
    }
    e->tool_id_len = messages_copy_name(e->tool_id, id);
    messages_block_begin(e, &v, out, "tool_use");
    messages_write_text(&v.w, "id", id);
    messages_write_text(&v.w, "name", name);
    json_name(&v.w, "input");
    json_object_begin(&v.w);
    json_object_end(&v.w);
    json_object_end(&v.w);
    messages_event_end(e, &v, out);
    e->open = OPEN_TOOL;
    e->tool = tool;
    e->called = true;
}

/* Proofs that other families want back with their calls stand in empty thoughts behind them:
 * clients send thoughts back, and Anthropic's calls have no place for them. */
static void put_proofs(struct messages_encoder *e, struct buffer *out)
{
    for (size_t i = 0; i < e->n_proofs; i++) {
        messages_open_block(e, out, OPEN_THINKING);
        messages_put_delta(e, out, "signature_delta", "signature", e->proofs[i]);
        messages_put_stop(e, out);
    }
    e->n_proofs = 0;
}

void messages_close_block(struct messages_encoder *e, struct buffer *out)
{
    if (e->open != OPEN_NONE) {
        messages_put_stop(e, out);
    }
    put_proofs(e, out);
    e->open = OPEN_NONE;
    e->tool = -1;
}
