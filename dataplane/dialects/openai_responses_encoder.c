/* A stream of typed events for a client. The dialect repeats at the end of each part, item and
 * response what its deltas said, so texts are held, HELD_MAX bytes in all: past that the repeated
 * texts are cut, the deltas never. */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_freeform.h"
#include "dataplane/dialects/openai_responses_events.h"

static void release(void *arg)
{
    struct responses_encoder *e = arg;
    for (unsigned i = 0; i < e->n_items; i++) {
        buffer_release(&e->items[i]->text);
        buffer_release(&e->items[i]->notes);
        buffer_release(&e->items[i]->probs);
        buffer_release(&e->items[i]->parts);
    }
}

void *openai_responses_encoder_new(const struct exchange_context *x, struct arena *a)
{
    struct responses_encoder *e = arena_zalloc(a, sizeof(*e));
    if (!e || !arena_on_release(a, release, e)) {
        return NULL;
    }
    e->x = x;
    e->a = a;
    e->open = -1;
    e->model = x->model;
    e->created = x->created;
    e->id = arena_printf(a, "resp_%.*s", STR_ARG(x->unique));
    return e->id.ptr ? e : NULL;
}

static struct str keep(struct responses_encoder *e, struct str text)
{
    return text.len && text.len <= WORD_MAX ? arena_str(e->a, text) : STR_NONE;
}

/* ---- items ---- */

/* -1: past the ceiling of items, or out of room. */
static int item_new(struct responses_encoder *e, enum responses_item_kind kind)
{
    struct responses_item *it =
        e->n_items < ITEMS_MAX ? arena_zalloc(e->a, sizeof(struct responses_item)) : NULL;
    if (!it) {
        return -1;
    }
    it->kind = kind;
    it->tool = -1;
    buffer_init(&it->text, HELD_MAX + 64);
    buffer_init(&it->notes, HELD_MAX + 64);
    buffer_init(&it->probs, HELD_MAX + 64);
    buffer_init(&it->parts, 8 * HELD_MAX);
    e->items[e->n_items] = it;
    return (int)e->n_items++;
}

static void part_event(struct responses_encoder *e, struct buffer *out, unsigned index, bool done)
{
    struct responses_item *it = e->items[index];
    struct json_writer w;
    bool thought = it->kind == ITEM_REASONING;
    const char *type = thought
                           ? (done ? "response.reasoning_summary_part.done"
                                   : "response.reasoning_summary_part.added")
                           : (done ? "response.content_part.done" : "response.content_part.added");
    size_t from = responses_event_of_item(e, &w, out, type, index);
    json_field_u64(&w, thought ? "summary_index" : "content_index", it->part);
    json_name(&w, "part");
    responses_put_part(&w, it, !done);
    responses_event_end(&w, from);
}

static void part_close(struct responses_encoder *e, struct buffer *out, unsigned index)
{
    struct responses_item *it = e->items[index];
    struct json_writer w;
    if (!it->part_open) {
        return;
    }
    bool thought = it->kind == ITEM_REASONING;
    size_t from = responses_event_of_item(e, &w, out,
                                          thought       ? "response.reasoning_summary_text.done"
                                          : it->refusal ? "response.refusal.done"
                                                        : "response.output_text.done",
                                          index);
    json_field_u64(&w, thought ? "summary_index" : "content_index", it->part);
    json_field_str(&w, it->refusal ? "refusal" : "text",
                   it->text.len ? buffer_str(&it->text) : STR_LIT(""));
    if (!thought && !it->refusal) {
        responses_put_list(&w, "logprobs", &it->probs);
    }
    responses_event_end(&w, from);
    part_event(e, out, index, true);
    it->part_open = false;
    if (thought) {
        return;
    }
    /* what is held moves over; the escapes that JSON adds are bounded by the buffer's own ceiling
     */
    struct buffer *parts = &it->parts;
    size_t mark = parts->len;
    if (mark) {
        (void)buffer_append_z(parts, ",");
    }
    json_writer_init(&w, parts);
    responses_put_part(&w, it, false);
    if (parts->failed) {
        parts->failed = false;
        parts->len = mark;
    }
    it->part++;
    it->n_notes = 0;
    buffer_clear(&it->text);
    buffer_clear(&it->notes);
    buffer_clear(&it->probs);
}

/* The text of a custom tool's call is known only when its arguments are whole. */
static void custom_close(struct responses_encoder *e, struct buffer *out, unsigned index)
{
    struct responses_item *it = e->items[index];
    struct json_writer w;
    struct arena *scratch = arena_new(0);
    struct str held = it->text.len ? buffer_str(&it->text) : STR_LIT("");
    struct str text = scratch ? openai_freeform_input(scratch, held) : held;
    if (text.len) {
        size_t from =
            responses_event_of_item(e, &w, out, "response.custom_tool_call_input.delta", index);
        json_field_str(&w, "delta", text);
        responses_event_end(&w, from);
    }
    size_t from =
        responses_event_of_item(e, &w, out, "response.custom_tool_call_input.done", index);
    json_field_str(&w, "input", text);
    responses_event_end(&w, from);
    if (text.ptr != held.ptr) { /* it is never longer than what it was read from */
        buffer_clear(&it->text);
        (void)buffer_append_str(&it->text, text);
    }
    arena_free(scratch);
}

static void item_close(struct responses_encoder *e, struct buffer *out, unsigned index)
{
    struct responses_item *it = e->items[index];
    struct json_writer w;
    if (it->closed) {
        return;
    }
    part_close(e, out, index);
    if (it->kind == ITEM_CUSTOM) {
        custom_close(e, out, index);
    }
    if (it->kind == ITEM_CALL) {
        if (it->text.len == 0) {
            size_t begun = responses_event_of_item(e, &w, out,
                                                   "response.function_call_arguments.delta", index);
            json_field_z(&w, "delta", "{}");
            responses_event_end(&w, begun);
            (void)buffer_append_z(&it->text, "{}");
        }
        size_t from =
            responses_event_of_item(e, &w, out, "response.function_call_arguments.done", index);
        json_field_str(&w, "name", it->name.ptr ? it->name : STR_LIT(""));
        json_field_str(&w, "arguments", buffer_str(&it->text));
        responses_event_end(&w, from);
    }
    responses_item_event(e, out, "response.output_item.done", index, true);
    it->closed = true;
    if (e->open == (int)index) {
        e->open = -1;
    }
}

static void close_open(struct responses_encoder *e, struct buffer *out)
{
    if (e->open >= 0) {
        item_close(e, out, (unsigned)e->open);
    }
}

/* The open item of this kind, begun if it is not there; NULL past the ceiling. */
static struct responses_item *open_item(struct responses_encoder *e, struct buffer *out,
                                        enum responses_item_kind kind)
{
    if (e->open >= 0 && e->items[e->open]->kind == kind) {
        return e->items[e->open];
    }
    close_open(e, out);
    e->open = item_new(e, kind);
    if (e->open < 0) {
        return NULL;
    }
    responses_item_event(e, out, "response.output_item.added", (unsigned)e->open, false);
    return e->items[e->open];
}

static void put_text(struct responses_encoder *e, struct buffer *out, enum responses_item_kind kind,
                     bool refusal, struct str text)
{
    struct json_writer w;
    struct responses_item *it = text.len ? open_item(e, out, kind) : NULL;
    if (!it) {
        return;
    }
    unsigned index = (unsigned)e->open;
    if (it->part_open && it->refusal != refusal) {
        part_close(e, out, index);
    }
    if (!it->part_open) {
        it->part_open = true;
        it->refusal = refusal;
        part_event(e, out, index, false);
    }
    size_t from =
        responses_event_of_item(e, &w, out,
                                kind == ITEM_REASONING ? "response.reasoning_summary_text.delta"
                                : refusal              ? "response.refusal.delta"
                                                       : "response.output_text.delta",
                                index);
    json_field_u64(&w, kind == ITEM_REASONING ? "summary_index" : "content_index", it->part);
    json_field_str(&w, "delta", text);
    if (kind == ITEM_MESSAGE && !refusal) {
        json_name(&w, "logprobs");
        json_array_begin(&w);
        json_array_end(&w);
    }
    responses_event_end(&w, from);
    responses_hold(e, &it->text, text);
}

static void put_proof(struct responses_encoder *e, struct buffer *out, const struct chunk *c)
{
    struct responses_item *it;
    bool redacted = c->type == CHUNK_REDACTED;
    if (redacted) {
        close_open(e, out);
    }
    if (!c->text.len || !(it = open_item(e, out, ITEM_REASONING))) {
        return;
    }
    /* a proof is of use only whole */
    if (c->text.len + 32 <= HELD_MAX - e->held) {
        if (it->parts.len == 0 && (redacted || c->family != FAMILY_RESPONSES)) {
            responses_hold(e, &it->parts, STR_LIT("weir."));
            responses_hold(e, &it->parts, str_of(family_name(c->family)));
            responses_hold(e, &it->parts, redacted ? STR_LIT("*") : STR_LIT("."));
        }
        responses_hold(e, &it->parts, c->text);
    }
    if (redacted) {
        close_open(e, out);
    }
}

static struct responses_item *call_item(struct responses_encoder *e, int tool, unsigned *ret_index)
{
    for (unsigned i = e->n_items; i-- > 0 && tool >= 0;) {
        bool call = e->items[i]->kind == ITEM_CALL || e->items[i]->kind == ITEM_CUSTOM;
        if (call && e->items[i]->tool == tool) {
            *ret_index = i;
            return e->items[i];
        }
    }
    return NULL;
}

/* The dialect's calls have no place for their proof: it stands in an item of its own behind them.
 */
static void put_call_proof(struct responses_encoder *e, struct buffer *out, const struct chunk *c)
{
    unsigned at;
    const struct responses_item *call = call_item(e, c->tool, &at);
    struct arena *scratch = call && c->text.len ? arena_new(0) : NULL;
    struct str sealed =
        scratch ? openai_responses_seal_call(scratch, c->family, call->call_id, c->text) : STR_NONE;
    int index = sealed.len && sealed.len <= HELD_MAX - e->held ? item_new(e, ITEM_REASONING) : -1;
    if (index >= 0) {
        responses_item_event(e, out, "response.output_item.added", (unsigned)index, false);
        responses_hold(e, &e->items[index]->parts, sealed);
        responses_item_event(e, out, "response.output_item.done", (unsigned)index, true);
        e->items[index]->closed = true;
    }
    arena_free(scratch);
}

static void put_call_begin(struct responses_encoder *e, struct buffer *out, const struct chunk *c)
{
    close_open(e, out);
    bool freeform = openai_is_freeform(e->x->request, c->name);
    int index = item_new(e, freeform ? ITEM_CUSTOM : ITEM_CALL);
    if (index < 0) {
        return;
    }
    struct responses_item *it = e->items[index];
    it->tool = c->tool;
    it->name = keep(e, c->name);
    it->call_id = keep(e, c->id);
    if (!it->call_id.ptr) {
        it->call_id = arena_printf(e->a, "call_%.*s_%d", STR_ARG(e->x->unique), c->tool);
    }
    responses_item_event(e, out, "response.output_item.added", (unsigned)index, false);
}

static void put_arguments(struct responses_encoder *e, struct buffer *out, const struct chunk *c)
{
    struct json_writer w;
    unsigned index;
    struct responses_item *it = call_item(e, c->tool, &index);
    if (!it || it->closed || !c->text.len) {
        return;
    }
    if (it->kind == ITEM_CUSTOM) {
        responses_hold(e, &it->text, c->text);
        return;
    }
    size_t from =
        responses_event_of_item(e, &w, out, "response.function_call_arguments.delta", index);
    json_field_str(&w, "delta", c->text);
    responses_event_end(&w, from);
    responses_hold(e, &it->text, c->text);
}

static void put_citation(struct responses_encoder *e, struct buffer *out, const struct citation *c)
{
    struct json_writer w;
    struct buffer note;
    struct responses_item *it = e->open >= 0 ? e->items[e->open] : NULL;
    if (!it || it->kind != ITEM_MESSAGE || !it->part_open) {
        return;
    }
    buffer_init(&note, HELD_MAX);
    json_writer_init(&w, &note);
    if (openai_put_annotation(&w, c, false, 0) && !note.failed) {
        size_t from = responses_event_of_item(e, &w, out, "response.output_text.annotation.added",
                                              (unsigned)e->open);
        json_field_u64(&w, "content_index", it->part);
        json_field_u64(&w, "annotation_index", it->n_notes++);
        json_name(&w, "annotation");
        json_put_raw(&w, buffer_str(&note));
        responses_event_end(&w, from);
        responses_hold_element(e, &it->notes, buffer_str(&note));
    }
    buffer_release(&note);
}

/* Kept for the part's end: they come behind the text that they are of. */
static void hold_logprobs(struct responses_encoder *e, struct str raw)
{
    struct json_value v, list, one;
    struct responses_item *it = e->open >= 0 ? e->items[e->open] : NULL;
    if (!it || it->kind != ITEM_MESSAGE || !it->part_open || !read_json(raw, &v) ||
        !read_get(v, "content", &list)) {
        return;
    }
    for (size_t pos = 0; json_next(list, &pos, NULL, &one);) {
        responses_hold_element(e, &it->probs, one.raw);
    }
}

static void put_media(struct responses_encoder *e, struct buffer *out, const struct part *p)
{
    struct json_writer w;
    bool native = p->type == PART_NATIVE && p->family == FAMILY_RESPONSES;
    if (p->type == PART_AUDIO) {
        put_text(e, out, ITEM_MESSAGE, false, p->text);
        return;
    }
    if (!native && !(p->type == PART_IMAGE && p->media.data.ptr)) {
        return;
    }
    close_open(e, out);
    int index = item_new(e, native ? ITEM_NATIVE : ITEM_IMAGE);
    if (index < 0) {
        return;
    }
    struct responses_item *it = e->items[index];
    struct str whole = native ? p->raw : p->media.data;
    if (!native) {
        responses_hold(e, &it->notes, media_format_of_type(p->media.media_type));
        responses_item_event(e, out, "response.output_item.added", (unsigned)index, false);
    }
    if (whole.len <= HELD_MAX - e->held) {
        responses_hold(e, &it->text, whole);
        if (native) { /* SDKs count the items by these */
            responses_item_event(e, out, "response.output_item.added", (unsigned)index, true);
        }
        responses_item_event(e, out, "response.output_item.done", (unsigned)index, true);
    } else { /* too large to be held: it is told once, and absent from the response's end */
        size_t from = responses_event_begin(e, &w, out, "response.output_item.done");
        json_field_u64(&w, "output_index", (unsigned)index);
        json_name(&w, "item");
        if (native) {
            json_put_raw(&w, whole);
        } else {
            json_object_begin(&w);
            responses_put_item_id(e, &w, "id", (unsigned)index);
            json_field_z(&w, "type", "image_generation_call");
            json_field_z(&w, "status", "completed");
            json_field_str(&w, "result", whole);
            json_object_end(&w);
        }
        responses_event_end(&w, from);
    }
    it->closed = true;
}

/* ---- the response ---- */

static void put_start(struct responses_encoder *e, const struct chunk *c, struct buffer *out)
{
    struct str id = keep(e, c->id), model = keep(e, c->model);
    e->id = id.ptr ? id : e->id;
    e->model = model.ptr ? model : e->model;
    e->created = c->created ? c->created : e->created;
    e->started = true;
    responses_put_response(e, out, "response.created", RESPONSES_IN_PROGRESS, NULL);
    responses_put_response(e, out, "response.in_progress", RESPONSES_IN_PROGRESS, NULL);
}

static void close_all(struct responses_encoder *e, struct buffer *out)
{
    close_open(e, out);
    for (unsigned i = 0; i < e->n_items; i++) {
        item_close(e, out, i);
    }
}

static void put_end(struct responses_encoder *e, struct buffer *out)
{
    enum openai_responses_status s = openai_responses_status_of(e->finish, e->refused);
    close_all(e, out);
    responses_put_response(
        e, out, s == RESPONSES_COMPLETED ? "response.completed" : "response.incomplete", s, NULL);
    e->over = true;
}

/* The SDKs raise on `error`; those that follow the response's life see it fail. */
static void put_error(struct responses_encoder *e, const struct provider_error *f,
                      struct buffer *out)
{
    struct json_writer w;
    responses_put_response(e, out, "response.failed", RESPONSES_FAILED, f);
    size_t from = responses_event_begin(e, &w, out, "error");
    json_field_str(&w, "code", openai_responses_error_code(f));
    json_field_str(&w, "message", f->message);
    json_field_str(&w, "param", f->param);
    openai_put_error(&w, f, 0);
    responses_event_end(&w, from);
    e->over = true;
}

static void put_chunk(struct responses_encoder *e, const struct chunk *c, struct buffer *out)
{
    unsigned index;
    switch (c->type) {
    case CHUNK_TEXT:
    case CHUNK_REFUSAL:
        e->refused |= c->type == CHUNK_REFUSAL && c->text.len > 0;
        put_text(e, out, ITEM_MESSAGE, c->type == CHUNK_REFUSAL, c->text);
        break;
    case CHUNK_AUDIO: /* this dialect has no sound: what is said in it */
        put_text(e, out, ITEM_MESSAGE, false, c->text);
        break;
    case CHUNK_THINKING:
        if (e->open >= 0 && e->items[e->open]->kind == ITEM_REASONING &&
            e->items[e->open]->parts.len) {
            close_open(e, out); /* a proof ends a thought */
        }
        put_text(e, out, ITEM_REASONING, false, c->text);
        break;
    case CHUNK_SIGNATURE:
    case CHUNK_REDACTED:
        if (c->tool < 0) {
            put_proof(e, out, c);
        } else if (c->type == CHUNK_SIGNATURE) {
            put_call_proof(e, out, c);
        }
        break;
    case CHUNK_TOOL_BEGIN:
        put_call_begin(e, out, c);
        break;
    case CHUNK_TOOL_ARGUMENTS:
        put_arguments(e, out, c);
        break;
    case CHUNK_TOOL_END:
        if (call_item(e, c->tool, &index)) {
            item_close(e, out, index);
        }
        break;
    case CHUNK_BREAK:
        close_open(e, out);
        break;
    case CHUNK_MEDIA:
        if (c->part) {
            put_media(e, out, c->part);
        }
        break;
    case CHUNK_CITATION:
        if (c->citation) {
            put_citation(e, out, c->citation);
        }
        break;
    case CHUNK_LOGPROBS:
        hold_logprobs(e, c->raw);
        break;
    case CHUNK_FINISH:
        e->finish = c->finish;
        break;
    default:
        break;
    }
}

bool openai_responses_encode_chunk(void *encoder, const struct chunk *c, struct buffer *out)
{
    struct responses_encoder *e = encoder;
    if (e->over) {
        return !out->failed;
    }
    if (c->usage) {
        usage_merge(&e->usage, c->usage);
    }
    if (c->service_tier.len) {
        struct str tier = keep(e, c->service_tier);
        e->service_tier = tier.ptr ? tier : e->service_tier;
    }
    if (c->type == CHUNK_PING) {
        (void)buffer_append_z(out, ": ping\n\n");
        return !out->failed;
    }
    if (!e->started) {
        put_start(e, c->type == CHUNK_START ? c : &(struct chunk){.type = CHUNK_START}, out);
    }
    if (c->type == CHUNK_END) {
        put_end(e, out);
    } else if (c->type == CHUNK_ERROR) {
        put_error(e, c->error, out);
    } else if (c->choice == 0) {
        put_chunk(e, c, out);
    }
    return !out->failed;
}
