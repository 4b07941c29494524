/* JSON of a stream's events: items, parts and the response; see openai_responses_events.h. */
#include "dataplane/dialects/openai_responses_events.h"

#include <stdio.h>

#include "dataplane/dialects/openai_answer.h"

void responses_hold(struct responses_encoder *e, struct buffer *b, struct str text)
{
    if (text.len > HELD_MAX - e->held) {
        size_t room = HELD_MAX - e->held;
        while (room > 0 && ((unsigned char)text.ptr[room] & 0xc0) == 0x80) {
            room--; /* between characters */
        }
        text.len = room;
        e->held = HELD_MAX;
    } else {
        e->held += text.len;
    }
    (void)buffer_append_str(b, text);
}

/* ---- events ---- */

size_t responses_event_begin(struct responses_encoder *e, struct json_writer *w, struct buffer *out,
                             const char *type)
{
    (void)buffer_append_z(out, "event: ");
    (void)buffer_append_z(out, type);
    (void)buffer_append_z(out, "\n");
    size_t from = out->len;
    (void)buffer_append_z(out, "data: ");
    json_writer_init(w, out);
    json_object_begin(w);
    json_field_z(w, "type", type);
    json_field_u64(w, "sequence_number", e->sequence++);
    return from;
}

void responses_event_end(struct json_writer *w, size_t from)
{
    json_object_end(w);
    openai_one_line(w->out, from);
    (void)buffer_append_z(w->out, "\n\n");
}

void responses_put_item_id(struct responses_encoder *e, struct json_writer *w, const char *name,
                           unsigned index)
{
    static const char *const kinds[] = {"msg", "rs", "fc", "ig", "item", "ctc"};
    char id[96];
    (void)snprintf(id, sizeof(id), "%s_%.*s_%u", kinds[e->items[index]->kind],
                   STR_ARG(e->x->unique), index);
    json_field_z(w, name, id);
}

size_t responses_event_of_item(struct responses_encoder *e, struct json_writer *w,
                               struct buffer *out, const char *type, unsigned index)
{
    size_t from = responses_event_begin(e, w, out, type);
    responses_put_item_id(e, w, "item_id", index);
    json_field_u64(w, "output_index", index);
    return from;
}

void responses_put_list(struct json_writer *w, const char *name, const struct buffer *inner)
{
    json_name(w, name);
    json_put_raw(w, STR_LIT("["));
    (void)buffer_append_str(w->out, buffer_str(inner));
    (void)buffer_append_z(w->out, "]");
}

void responses_hold_element(struct responses_encoder *e, struct buffer *list, struct str element)
{
    if (element.len + 1 > HELD_MAX - e->held) {
        return;
    }
    if (list->len) {
        responses_hold(e, list, STR_LIT(","));
    }
    responses_hold(e, list, element);
}

void responses_put_part(struct json_writer *w, const struct responses_item *it, bool empty)
{
    struct buffer none = {.len = 0};
    struct str text = empty || !it->text.len ? STR_LIT("") : buffer_str(&it->text);
    json_object_begin(w);
    if (it->kind == ITEM_REASONING) {
        json_field_z(w, "type", "summary_text");
        json_field_str(w, "text", text);
    } else if (it->refusal) {
        json_field_z(w, "type", "refusal");
        json_field_str(w, "refusal", text);
    } else {
        json_field_z(w, "type", "output_text");
        responses_put_list(w, "annotations", empty ? &none : &it->notes);
        responses_put_list(w, "logprobs", empty ? &none : &it->probs);
        json_field_str(w, "text", text);
    }
    json_object_end(w);
}

static void put_call_members(struct json_writer *w, const struct responses_item *it, bool done)
{
    json_field_z(w, "status", done ? "completed" : "in_progress");
    json_field_str(w, it->kind == ITEM_CUSTOM ? "input" : "arguments",
                   done && it->text.len ? buffer_str(&it->text) : STR_LIT(""));
    json_field_str(w, "call_id", it->call_id);
    json_field_str(w, "name", it->name.ptr ? it->name : STR_LIT(""));
}

static void put_item(struct responses_encoder *e, struct json_writer *w, unsigned index, bool done)
{
    const struct responses_item *it = e->items[index];
    struct buffer none = {.len = 0};
    if (it->kind == ITEM_NATIVE) {
        json_put_raw(w, it->text.len ? buffer_str(&it->text) : STR_LIT("{}"));
        return;
    }
    json_object_begin(w);
    responses_put_item_id(e, w, "id", index);
    switch (it->kind) {
    case ITEM_MESSAGE:
        json_field_z(w, "type", "message");
        json_field_z(w, "status", done ? "completed" : "in_progress");
        json_field_z(w, "role", "assistant");
        responses_put_list(w, "content", done ? &it->parts : &none);
        break;
    case ITEM_REASONING:
        json_field_z(w, "type", "reasoning");
        json_name(w, "summary");
        json_array_begin(w);
        if (done && it->text.len) {
            responses_put_part(w, it, false);
        }
        json_array_end(w);
        if (done && it->parts.len) {
            json_field_str(w, "encrypted_content", buffer_str(&it->parts));
        }
        break;
    case ITEM_CALL:
    case ITEM_CUSTOM:
        json_field_z(w, "type", it->kind == ITEM_CALL ? "function_call" : "custom_tool_call");
        put_call_members(w, it, done);
        break;
    default:
        json_field_z(w, "type", "image_generation_call");
        json_field_z(w, "status", done ? "completed" : "in_progress");
        if (it->notes.len) {
            json_field_str(w, "output_format", buffer_str(&it->notes));
        }
        json_field_str(w, "result", done && it->text.len ? buffer_str(&it->text) : STR_NONE);
        break;
    }
    json_object_end(w);
}

void responses_put_response(struct responses_encoder *e, struct buffer *out, const char *type,
                            enum openai_responses_status status,
                            const struct provider_error *failure)
{
    struct json_writer w;
    struct openai_responses_head h = {.id = e->id,
                                      .model = e->model.ptr ? e->model : STR_LIT(""),
                                      .service_tier = e->service_tier,
                                      .created = e->created,
                                      .status = status,
                                      .failure = failure,
                                      .usage = status == RESPONSES_IN_PROGRESS ? NULL : &e->usage};
    size_t from = responses_event_begin(e, &w, out, type);
    json_name(&w, "response");
    json_object_begin(&w);
    openai_responses_put_head(&w, e->x, &h);
    json_name(&w, "output");
    json_array_begin(&w);
    for (unsigned i = 0; i < e->n_items && status != RESPONSES_IN_PROGRESS; i++) {
        put_item(e, &w, i, true);
    }
    json_array_end(&w);
    openai_responses_put_tail(&w, e->x, &h);
    json_object_end(&w);
    responses_event_end(&w, from);
}

void responses_item_event(struct responses_encoder *e, struct buffer *out, const char *type,
                          unsigned index, bool done)
{
    struct json_writer w;
    size_t from = responses_event_begin(e, &w, out, type);
    json_field_u64(&w, "output_index", index);
    json_name(&w, "item");
    put_item(e, &w, index, done);
    responses_event_end(&w, from);
}
