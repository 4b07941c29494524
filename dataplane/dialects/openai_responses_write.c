/* The response object for a client, and a whole answer in it. */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_freeform.h"
#include "dataplane/dialects/openai_responses.h"

enum openai_responses_status openai_responses_status_of(enum finish f, bool refusal)
{
    switch (f) {
    case FINISH_REFUSAL: /* with words of its own it is an answer; without, it must not look as one
                          */
        return refusal ? RESPONSES_COMPLETED : RESPONSES_INCOMPLETE_FILTER;
    case FINISH_LENGTH:
    case FINISH_CONTEXT:
        return RESPONSES_INCOMPLETE_LENGTH;
    case FINISH_CONTENT_FILTER:
        return RESPONSES_INCOMPLETE_FILTER;
    default:
        return RESPONSES_COMPLETED;
    }
}

static const char *status_word(enum openai_responses_status s)
{
    static const char *const words[] = {"in_progress", "completed", "incomplete", "incomplete",
                                        "failed"};
    return words[s];
}

struct str openai_responses_error_code(const struct provider_error *e)
{
    switch (e->class) {
    case FAILURE_RATE_LIMIT:
        return STR_LIT("rate_limit_exceeded");
    case FAILURE_QUOTA:
    case FAILURE_BILLING:
        return STR_LIT("insufficient_quota");
    case FAILURE_CONTEXT_LENGTH:
        return STR_LIT("context_length_exceeded");
    case FAILURE_INVALID:
    case FAILURE_CONTENT_POLICY:
        return STR_LIT("invalid_prompt");
    default:
        return STR_LIT("server_error");
    }
}

static void put_null(struct json_writer *w, const char *name)
{
    json_name(w, name);
    json_put_null(w);
}

static void put_raw(struct json_writer *w, const char *name, struct str raw, const char *otherwise)
{
    json_name(w, name);
    json_put_raw(w, raw.ptr ? raw : str_of(otherwise));
}

/* What the client gave as `instructions`; nothing for other dialects' system prompts. */
static struct str instructions_of(const struct chat_request *q)
{
    bool has = q && q->family == FAMILY_RESPONSES && q->n_messages &&
               q->messages[0].role == ROLE_SYSTEM && q->messages[0].n_parts == 1 &&
               q->messages[0].parts[0].type == PART_TEXT;
    return has ? q->messages[0].parts[0].text : STR_NONE;
}

void openai_responses_put_head(struct json_writer *w, const struct exchange_context *x,
                               const struct openai_responses_head *h)
{
    const struct chat_request *q = x->request;
    json_field_str(w, "id", h->id);
    json_field_z(w, "object", "response");
    json_field_i64(w, "created_at", h->created);
    json_field_z(w, "status", status_word(h->status));
    json_field_bool(w, "background", false);
    if (h->failure) {
        json_name(w, "error");
        json_object_begin(w);
        json_field_str(w, "code", openai_responses_error_code(h->failure));
        json_field_str(w, "message", h->failure->message);
        json_object_end(w);
    } else {
        put_null(w, "error");
    }
    if (h->status == RESPONSES_INCOMPLETE_LENGTH || h->status == RESPONSES_INCOMPLETE_FILTER) {
        json_name(w, "incomplete_details");
        json_object_begin(w);
        json_field_z(w, "reason",
                     h->status == RESPONSES_INCOMPLETE_LENGTH ? "max_output_tokens"
                                                              : "content_filter");
        json_object_end(w);
    } else {
        put_null(w, "incomplete_details");
    }
    json_field_str(w, "instructions", instructions_of(q));
    if (q && q->max_tokens) {
        json_field_u64(w, "max_output_tokens", q->max_tokens);
    } else {
        put_null(w, "max_output_tokens");
    }
    put_null(w, "max_tool_calls");
    json_field_str(w, "model", h->model);
}

static void put_tools(struct json_writer *w, const struct chat_request *q)
{
    json_name(w, "tools");
    json_array_begin(w);
    for (size_t i = 0; q && i < q->n_tools; i++) {
        const struct tool *t = &q->tools[i];
        if (t->builtin || t->freeform) {
            json_put_raw(w, t->raw);
            continue;
        }
        json_object_begin(w);
        json_field_z(w, "type", "function");
        json_field_str(w, "name", t->name);
        json_field_str(w, "description", t->description);
        put_raw(w, "parameters", t->parameters, "null");
        json_field_bool(w, "strict", t->strict == 1);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_choice(struct json_writer *w, const struct chat_request *q)
{
    static const char *const words[] = {"auto", "auto", "none", "required"};
    json_name(w, "tool_choice");
    if (!q || q->tool_choice != CHOICE_NAMED) {
        json_put_z(w, q ? words[q->tool_choice] : "auto");
        return;
    }
    json_object_begin(w);
    json_field_z(w, "type", openai_is_freeform(q, q->tool_choice_name) ? "custom" : "function");
    json_field_str(w, "name", q->tool_choice_name);
    json_object_end(w);
}

static void put_text(struct json_writer *w, const struct chat_request *q)
{
    enum output_format f = q ? q->output : OUTPUT_UNSET;
    json_name(w, "text");
    json_object_begin(w);
    json_name(w, "format");
    json_object_begin(w);
    json_field_z(w, "type",
                 f == OUTPUT_SCHEMA ? "json_schema"
                 : f == OUTPUT_JSON ? "json_object"
                                    : "text");
    if (f == OUTPUT_SCHEMA) {
        json_field_str(w, "name", q->schema_name.ptr ? q->schema_name : STR_LIT("response"));
        json_field_str(w, "description", q->schema_description);
        put_raw(w, "schema", q->schema, "{}");
        json_field_bool(w, "strict", q->schema_strict == 1);
    }
    json_object_end(w);
    json_field_str(w, "verbosity", q && q->verbosity.ptr ? q->verbosity : STR_LIT("medium"));
    json_object_end(w);
}

void openai_responses_put_tail(struct json_writer *w, const struct exchange_context *x,
                               const struct openai_responses_head *h)
{
    const struct chat_request *q = x->request;
    json_field_bool(w, "parallel_tool_calls", !q || q->parallel_tool_calls != 0);
    put_null(w, "previous_response_id");
    put_null(w, "prompt_cache_key");
    json_name(w, "reasoning");
    json_object_begin(w);
    json_field_str(w, "effort",
                   q && q->reasoning.effort != EFFORT_UNSET
                       ? str_of(effort_name(q->reasoning.effort))
                       : STR_NONE);
    json_field_str(w, "summary", q ? q->reasoning.summary : STR_NONE);
    json_object_end(w);
    put_null(w, "safety_identifier");
    json_field_str(w, "service_tier", h->service_tier.len ? h->service_tier : STR_LIT("default"));
    json_field_bool(w, "store", false);
    put_raw(w, "temperature", q ? q->temperature : STR_NONE, "1.0");
    put_text(w, q);
    put_choice(w, q);
    put_tools(w, q);
    json_field_i64(w, "top_logprobs", q && q->top_logprobs > 0 ? q->top_logprobs : 0);
    put_raw(w, "top_p", q ? q->top_p : STR_NONE, "1.0");
    json_field_z(w, "truncation", "disabled");
    if (h->usage && h->usage->found) {
        json_name(w, "usage");
        openai_put_responses_usage(w, h->usage);
    } else {
        put_null(w, "usage");
    }
    json_field_str(w, "user", q ? q->user : STR_NONE);
    put_raw(w, "metadata", q ? q->metadata : STR_NONE, "{}");
}

/* ---- a whole answer ---- */

struct output {
    struct json_writer *w;
    const struct exchange_context *x;
    struct arena *a;
    const struct chat_choice *choice;
    size_t n;     /* items so far */
    bool message; /* one is open */
};

static void put_id(struct output *o, const char *kind)
{
    json_field_str(o->w, "id",
                   arena_printf(o->a, "%s_%.*s_%zu", kind, STR_ARG(o->x->unique), o->n++));
}

static void close_message(struct output *o)
{
    if (o->message) {
        json_array_end(o->w);
        json_object_end(o->w);
        o->message = false;
    }
}

static void put_text_part(struct output *o, const struct part *p)
{
    struct json_writer *w = o->w;
    struct json_value probs, list;
    if (!o->message) {
        json_object_begin(w);
        put_id(o, "msg");
        json_field_z(w, "type", "message");
        json_field_z(w, "status", "completed");
        json_field_z(w, "role", "assistant");
        json_name(w, "content");
        json_array_begin(w);
        o->message = true;
    }
    json_object_begin(w);
    if (p->type == PART_REFUSAL) {
        json_field_z(w, "type", "refusal");
        json_field_str(w, "refusal", p->text);
        json_object_end(w);
        return;
    }
    json_field_z(w, "type", "output_text");
    json_name(w, "annotations");
    json_array_begin(w);
    for (size_t i = 0; i < p->n_citations; i++) {
        (void)openai_put_annotation(w, &p->citations[i], false, 0);
    }
    json_array_end(w);
    json_name(w, "logprobs");
    if (o->choice->logprobs.ptr && read_json(o->choice->logprobs, &probs) &&
        read_get(probs, "content", &list)) {
        json_put_raw(w, list.raw);
    } else {
        json_array_begin(w);
        json_array_end(w);
    }
    json_field_str(w, "text", p->text.ptr ? p->text : STR_LIT(""));
    json_object_end(w);
}

static void put_reasoning(struct output *o, const struct part *p, struct str sealed)
{
    struct json_writer *w = o->w;
    json_object_begin(w);
    put_id(o, "rs");
    json_field_z(w, "type", "reasoning");
    json_name(w, "summary");
    json_array_begin(w);
    if (p->text.len && p->type == PART_THINKING) {
        json_object_begin(w);
        json_field_z(w, "type", "summary_text");
        json_field_str(w, "text", p->text);
        json_object_end(w);
    }
    json_array_end(w);
    if (sealed.ptr) {
        json_field_str(w, "encrypted_content", sealed);
    }
    json_object_end(w);
}

static void put_call(struct output *o, const struct part *p)
{
    struct json_writer *w = o->w;
    size_t number = o->n;
    bool freeform = openai_is_freeform(o->x->request, p->name);
    struct str text = p->arguments.len ? p->arguments : STR_LIT("{}");
    struct str id =
        p->id.len ? p->id : arena_printf(o->a, "call_%.*s_%zu", STR_ARG(o->x->unique), number);
    if (p->signature.len) { /* its proof, before it as a thought would be */
        put_reasoning(o, &(struct part){.type = PART_THINKING},
                      openai_responses_seal_call(o->a, p->signature_family, id, p->signature));
    }
    json_object_begin(w);
    put_id(o, freeform ? "ctc" : "fc");
    json_field_z(w, "type", freeform ? "custom_tool_call" : "function_call");
    json_field_z(w, "status", "completed");
    json_field_str(w, freeform ? "input" : "arguments",
                   freeform ? openai_freeform_input(o->a, text) : text);
    json_field_str(w, "call_id", id);
    json_field_str(w, "name", p->name.ptr ? p->name : STR_LIT(""));
    json_object_end(w);
}

static void put_image(struct output *o, const struct part *p)
{
    struct json_writer *w = o->w;
    json_object_begin(w);
    put_id(o, "ig");
    json_field_z(w, "type", "image_generation_call");
    json_field_z(w, "status", "completed");
    struct str format = media_format_of_type(p->media.media_type);
    if (format.len) {
        json_field_str(w, "output_format", format);
    }
    json_field_str(w, "result", p->media.data);
    json_object_end(w);
}

static void put_part(struct output *o, const struct part *p)
{
    if (p->type == PART_TEXT || p->type == PART_REFUSAL) {
        put_text_part(o, p);
        return;
    }
    if (p->type == PART_AUDIO) { /* this dialect has no sound: what was said in it */
        put_text_part(o, &(struct part){.type = PART_TEXT, .text = p->text});
        return;
    }
    close_message(o);
    if (p->type == PART_TOOL_CALL) {
        put_call(o, p);
    } else if (p->type == PART_THINKING || p->type == PART_REDACTED_THINKING) {
        put_reasoning(o, p, openai_responses_seal(o->a, p));
    } else if (p->type == PART_IMAGE && p->media.data.ptr) {
        put_image(o, p);
    } else if (p->type == PART_NATIVE && p->family == FAMILY_RESPONSES) {
        json_put_raw(o->w, p->raw);
    }
}

static bool has_refusal(const struct chat_choice *c)
{
    for (size_t i = 0; i < c->n_parts; i++) {
        if (c->parts[i].type == PART_REFUSAL && c->parts[i].text.len) {
            return true;
        }
    }
    return false;
}

bool openai_responses_encode_reply(const struct chat_reply *r, const struct exchange_context *x,
                                   struct arena *a, struct buffer *out)
{
    static const struct chat_choice refused = {.finish = FINISH_CONTENT_FILTER};
    const struct chat_choice *c = r->n_choices ? &r->choices[0] : &refused;
    struct json_writer w;
    struct output o = {.w = &w, .x = x, .a = a, .choice = c};
    struct openai_responses_head h = {.id = r->id,
                                      .model = r->model.len ? r->model : x->model,
                                      .service_tier = r->service_tier,
                                      .created = r->created ? r->created : x->created,
                                      .status =
                                          openai_responses_status_of(c->finish, has_refusal(c)),
                                      .usage = &r->usage};
    if (!h.id.len) {
        h.id = arena_printf(a, "resp_%.*s", STR_ARG(x->unique));
    }
    json_writer_init(&w, out);
    json_object_begin(&w);
    openai_responses_put_head(&w, x, &h);
    json_name(&w, "output");
    json_array_begin(&w);
    for (size_t i = 0; i < c->n_parts; i++) {
        put_part(&o, &c->parts[i]);
    }
    close_message(&o);
    json_array_end(&w);
    openai_responses_put_tail(&w, x, &h);
    json_object_end(&w);
    return !out->failed;
}
