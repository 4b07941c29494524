/* Whole Converse answers, both ways; see converse_parts.h. */
#include "dataplane/dialects/converse_parts.h"
#include "dataplane/dialects/tool_shape.h"

/* The call of CONVERSE_JSON_TOOL is the text that was asked for. */
static void unwrap_json(const struct exchange_context *x, struct chat_choice *c)
{
    bool calls = false, unwrapped = false;
    if (!converse_json_tool(x->request)) {
        return;
    }
    for (size_t i = 0; i < c->n_parts; i++) {
        struct part *p = &c->parts[i];
        if (p->type == PART_TOOL_CALL && str_eqz(p->name, CONVERSE_JSON_TOOL)) {
            *p = (struct part){.type = PART_TEXT, .text = p->arguments};
            unwrapped = true;
        }
        calls = calls || p->type == PART_TOOL_CALL;
    }
    if (unwrapped && !calls && c->finish == FINISH_TOOL_CALLS) {
        c->finish = FINISH_STOP;
        c->finish_raw = STR_LIT("end_turn");
    }
}

bool converse_decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                           struct chat_reply *ret, struct error *err)
{
    struct json_value whole, output, message, content, v;
    struct converse_list list = {.n = 0};
    struct chat_choice *choice = arena_zalloc(a, sizeof(*choice));
    if (!choice) {
        return error_set(err, ERR_INTERNAL, "out of room for the answer");
    }
    if (!read_json(body, &whole) || !read_get(whole, "output", &output) ||
        output.type != JSON_OBJECT) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer is not Converse's");
    }
    if (read_get(output, "message", &message) && read_get(message, "content", &content)) {
        (void)converse_read_blocks(a, content, "", &list, NULL);
    }
    choice->parts = list.parts;
    choice->n_parts = list.n;
    choice->finish_raw = read_get_text(a, whole, "stopReason");
    choice->finish = converse_finish_of(choice->finish_raw);
    if (read_get(whole, "additionalModelResponseFields", &v)) {
        choice->stop_sequence = read_get_text(a, v, "stop_sequence");
    }
    unwrap_json(x, choice);
    for (size_t i = 0; i < choice->n_parts; i++) {
        struct part *p = &choice->parts[i];
        if (p->type == PART_TOOL_CALL) {
            p->name = tool_text_back(a, x->request, p->name, CONVERSE_TOOL_MAX);
        }
    }
    *ret = (struct chat_reply){.choices = choice, .n_choices = 1};
    if (read_get(whole, "usage", &v)) {
        converse_read_usage(a, v, &ret->usage);
    }
    if (read_get(whole, "serviceTier", &v)) {
        ret->service_tier = read_get_text(a, v, "type");
    }
    return true;
}

/* ---- writing ---- */

static void put_cited(struct json_writer *w, const struct part *p)
{
    json_object_begin(w);
    json_name(w, "citationsContent");
    json_object_begin(w);
    json_name(w, "content");
    json_array_begin(w);
    json_object_begin(w);
    json_field_str(w, "text", p->text);
    json_object_end(w);
    json_array_end(w);
    json_name(w, "citations");
    json_array_begin(w);
    for (size_t i = 0; i < p->n_citations; i++) {
        converse_put_citation(w, &p->citations[i]);
    }
    json_array_end(w);
    json_object_end(w);
    json_object_end(w);
}

static void put_text(struct json_writer *w, const struct part *p)
{
    if (p->text.len == 0) {
        return;
    }
    if (p->n_citations) {
        put_cited(w, p);
        return;
    }
    json_object_begin(w);
    json_field_str(w, "text", p->text);
    json_object_end(w);
}

static void put_redacted(struct json_writer *w, const struct part *p)
{
    json_object_begin(w);
    json_name(w, "reasoningContent");
    json_object_begin(w);
    json_field_str(w, "redactedContent", p->signature);
    json_object_end(w);
    json_object_end(w);
}

static void put_part(struct json_writer *w, struct arena *a, const struct part *p)
{
    struct str format;
    bool fits = converse_signature_fits(p->signature_family);
    if (p->raw.ptr && p->family == FAMILY_CONVERSE) {
        json_put_raw(w, p->raw);
        return;
    }
    switch (p->type) {
    case PART_TEXT:
    case PART_REFUSAL:
    case PART_AUDIO: /* its transcript: an answer's sound has no place */
        put_text(w, p);
        break;
    case PART_THINKING:
        converse_put_thinking(w, p, fits);
        break;
    case PART_REDACTED_THINKING:
        if (fits && p->signature.ptr) {
            put_redacted(w, p);
        }
        break;
    case PART_TOOL_CALL:
        converse_put_tool_use(w, a, p);
        break;
    case PART_IMAGE:
        format = p->media.data.len ? converse_image_format(&p->media) : STR_NONE;
        if (format.ptr) {
            converse_put_image(w, format, p->media.data);
        }
        break;
    default:
        break;
    }
}

bool converse_encode_reply(const struct chat_reply *r, const struct exchange_context *x,
                           struct arena *a, struct buffer *out)
{
    struct json_writer w;
    const struct chat_choice *c = r->n_choices ? &r->choices[0] : NULL;
    enum finish finish = c ? c->finish : r->blocked ? FINISH_CONTENT_FILTER : FINISH_STOP;
    (void)x;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_name(&w, "output");
    json_object_begin(&w);
    json_name(&w, "message");
    json_object_begin(&w);
    json_field_z(&w, "role", "assistant");
    json_name(&w, "content");
    json_array_begin(&w);
    for (size_t i = 0; c && i < c->n_parts; i++) {
        put_part(&w, a, &c->parts[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
    json_object_end(&w);
    json_field_z(&w, "stopReason", converse_stop_reason(finish, c ? c->finish_raw : STR_NONE));
    converse_put_usage(&w, &r->usage);
    if (c && c->stop_sequence.ptr) {
        json_name(&w, "additionalModelResponseFields");
        json_object_begin(&w);
        json_field_str(&w, "stop_sequence", c->stop_sequence);
        json_object_end(&w);
    }
    if (r->service_tier.ptr) {
        json_name(&w, "serviceTier");
        json_object_begin(&w);
        json_field_str(&w, "type", r->service_tier);
        json_object_end(&w);
    }
    json_object_end(&w);
    return !out->failed;
}
