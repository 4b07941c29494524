/* A whole chat completion for a client. */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_chat_codec.h"
#include "dataplane/dialects/openai_freeform.h"

static void put_texts(struct json_writer *w, const struct chat_choice *c, struct arena *a)
{
    struct part *texts = arena_zalloc(a, (c->n_parts + 1) * sizeof(*texts));
    struct str refusal = STR_NONE;
    size_t n = 0;
    for (size_t i = 0; i < c->n_parts && texts; i++) {
        if (c->parts[i].type == PART_TEXT) {
            texts[n++] = c->parts[i];
        } else if (c->parts[i].type == PART_REFUSAL) {
            refusal = c->parts[i].text;
        }
    }
    json_name(w, "content");
    if (n) {
        struct str all = parts_text(a, texts, n, STR_LIT(""), NULL);
        json_put_str(w, all.ptr ? all : STR_LIT(""));
    } else {
        json_put_null(w);
    }
    json_field_str(w, "refusal", refusal);
}

static void put_document_citation(struct json_writer *w, const struct citation *c, int64_t offset)
{
    json_object_begin(w);
    json_field_str(w, "cited_text", c->cited_text);
    json_field_str(w, "title", c->title);
    json_field_str(w, "source", c->source);
    json_field_i64(w, "start_index", c->start < 0 ? offset : c->start + offset);
    json_field_i64(w, "end_index", c->end < 0 ? offset : c->end + offset);
    if (c->document >= 0) {
        json_field_i64(w, "document_index", c->document);
    }
    if (c->page_start >= 0) {
        json_field_i64(w, "start_page_number", c->page_start);
        json_field_i64(w, "end_page_number", c->page_end);
    }
    json_object_end(w);
}

/* Sources on the web are `annotations`; passages of documents, for which the dialect has no word,
 * stand under `citations`. */
static void put_citations(struct json_writer *w, const struct chat_choice *c, bool web)
{
    bool begun = false;
    int64_t offset = 0;
    for (size_t i = 0; i < c->n_parts; i++) {
        const struct part *p = &c->parts[i];
        if (p->type != PART_TEXT) {
            continue;
        }
        for (size_t k = 0; k < p->n_citations; k++) {
            const struct citation *one = &p->citations[k];
            if ((one->url.len > 0) != web) {
                continue;
            }
            if (!begun) {
                json_name(w, web ? "annotations" : "citations");
                json_array_begin(w);
                begun = true;
            }
            if (!web) {
                put_document_citation(w, one, offset);
            } else {
                (void)openai_put_annotation(w, one, true, offset);
            }
        }
        offset += openai_characters(p->text);
    }
    if (begun) {
        json_array_end(w);
    }
}

static void put_block(struct json_writer *w, const struct part *p)
{
    json_object_begin(w);
    if (p->type == PART_REDACTED_THINKING) {
        json_field_z(w, "type", "redacted_thinking");
        json_field_str(w, "data", p->signature);
    } else {
        json_field_z(w, "type", "thinking");
        json_field_str(w, "thinking", p->text.ptr ? p->text : STR_LIT(""));
        json_field_str(w, "signature", p->signature);
    }
    if (p->signature_family != FAMILY_MESSAGES && p->signature_family != FAMILY_NONE) {
        json_field_z(w, "signature_from", family_name(p->signature_family));
    }
    json_object_end(w);
}

static void put_thinking(struct json_writer *w, const struct chat_choice *c, struct arena *a)
{
    struct part *texts = arena_zalloc(a, (c->n_parts + 1) * sizeof(*texts));
    size_t n = 0, signed_blocks = 0;
    for (size_t i = 0; i < c->n_parts && texts; i++) {
        const struct part *p = &c->parts[i];
        if (p->type == PART_THINKING && p->text.len) {
            texts[n].type = PART_TEXT;
            texts[n++].text = p->text;
        }
        signed_blocks +=
            (p->type == PART_THINKING || p->type == PART_REDACTED_THINKING) && p->signature.ptr;
    }
    if (n) {
        json_field_str(w, "reasoning_content", parts_text(a, texts, n, STR_LIT(""), NULL));
    }
    if (signed_blocks == 0) {
        return;
    }
    json_name(w, "thinking_blocks");
    json_array_begin(w);
    for (size_t i = 0; i < c->n_parts; i++) {
        if ((c->parts[i].type == PART_THINKING || c->parts[i].type == PART_REDACTED_THINKING) &&
            (c->parts[i].signature.ptr || c->parts[i].text.len)) {
            put_block(w, &c->parts[i]);
        }
    }
    json_array_end(w);
}

static void put_call_body(struct json_writer *w, const struct part *p,
                          const struct exchange_context *x, struct arena *a)
{
    bool freeform = openai_is_freeform(x->request, p->name);
    struct str text = p->arguments.len ? p->arguments : STR_LIT("{}");
    json_field_z(w, "type", freeform ? "custom" : "function");
    json_name(w, freeform ? "custom" : "function");
    json_object_begin(w);
    json_field_str(w, "name", p->name.ptr ? p->name : STR_LIT(""));
    json_field_str(w, freeform ? "input" : "arguments",
                   freeform ? openai_freeform_input(a, text) : text);
    json_object_end(w);
}

static void put_calls(struct json_writer *w, const struct chat_choice *c,
                      const struct exchange_context *x, struct arena *a)
{
    bool begun = false;
    for (size_t i = 0; i < c->n_parts; i++) {
        const struct part *p = &c->parts[i];
        if (p->type != PART_TOOL_CALL) {
            continue;
        }
        if (!begun) {
            json_name(w, "tool_calls");
            json_array_begin(w);
            begun = true;
        }
        json_object_begin(w);
        json_field_str(w, "id",
                       p->id.len ? p->id : arena_printf(a, "call_%.*s_%zu", STR_ARG(x->unique), i));
        put_call_body(w, p, x, a);
        if (p->signature.ptr && p->signature_family == FAMILY_GEMINI) {
            openai_put_thought_signature(w, p->signature);
        }
        json_object_end(w);
    }
    if (begun) {
        json_array_end(w);
    }
}

/* Gemini's proof of a text without a thought before it. */
static void put_text_proof(struct json_writer *w, const struct chat_choice *c)
{
    for (size_t i = c->n_parts; i > 0; i--) {
        const struct part *p = &c->parts[i - 1];
        if (p->type == PART_TEXT && p->signature.len && p->signature_family == FAMILY_GEMINI) {
            openai_put_thought_signature(w, p->signature);
            return;
        }
    }
}

static void put_images(struct json_writer *w, const struct chat_choice *c, struct arena *a)
{
    bool begun = false;
    for (size_t i = 0; i < c->n_parts; i++) {
        struct str url =
            c->parts[i].type == PART_IMAGE ? media_url(a, &c->parts[i].media) : STR_NONE;
        if (!url.len) {
            continue;
        }
        if (!begun) {
            json_name(w, "images");
            json_array_begin(w);
            begun = true;
        }
        json_object_begin(w);
        json_field_z(w, "type", "image_url");
        json_name(w, "image_url");
        json_object_begin(w);
        json_field_str(w, "url", url);
        json_object_end(w);
        json_object_end(w);
    }
    if (begun) {
        json_array_end(w);
    }
}

static void put_audio(struct json_writer *w, const struct chat_choice *c,
                      const struct exchange_context *x, struct arena *a)
{
    for (size_t i = 0; i < c->n_parts; i++) {
        const struct part *p = &c->parts[i];
        if (p->type != PART_AUDIO) {
            continue;
        }
        json_name(w, "audio");
        json_object_begin(w);
        json_field_str(w, "id",
                       p->id.len ? p->id : arena_printf(a, "audio_%.*s", STR_ARG(x->unique)));
        json_field_i64(w, "expires_at", x->created + 3600);
        json_field_str(w, "data", p->media.data.ptr ? p->media.data : STR_LIT(""));
        json_field_str(w, "transcript", p->text.ptr ? p->text : STR_LIT(""));
        json_object_end(w);
        return;
    }
}

static void put_choice(struct json_writer *w, const struct chat_choice *c,
                       const struct exchange_context *x, struct arena *a)
{
    json_object_begin(w);
    json_field_u64(w, "index", c->index);
    json_name(w, "message");
    json_object_begin(w);
    json_field_z(w, "role", "assistant");
    put_texts(w, c, a);
    put_thinking(w, c, a);
    put_text_proof(w, c);
    put_calls(w, c, x, a);
    put_citations(w, c, true);
    put_citations(w, c, false);
    put_images(w, c, a);
    put_audio(w, c, x, a);
    json_object_end(w);
    json_name(w, "logprobs");
    json_put_raw(w, c->logprobs.ptr ? c->logprobs : STR_LIT("null"));
    json_field_z(w, "finish_reason", openai_finish_word(c->finish));
    json_object_end(w);
}

bool openai_chat_encode_reply(const struct chat_reply *r, const struct exchange_context *x,
                              struct arena *a, struct buffer *out)
{
    static const struct chat_choice refused = {.finish = FINISH_CONTENT_FILTER};
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_str(&w, "id",
                   r->id.len ? r->id : arena_printf(a, "chatcmpl-%.*s", STR_ARG(x->unique)));
    json_field_z(&w, "object", "chat.completion");
    json_field_i64(&w, "created", r->created ? r->created : x->created);
    json_field_str(&w, "model", r->model.len ? r->model : x->model);
    json_name(&w, "choices");
    json_array_begin(&w);
    for (size_t i = 0; i < r->n_choices; i++) {
        put_choice(&w, &r->choices[i], x, a);
    }
    if (r->n_choices == 0) {
        put_choice(&w, &refused, x, a); /* SDKs look into choices[0] */
    }
    json_array_end(&w);
    if (r->usage.found) {
        json_name(&w, "usage");
        openai_put_chat_usage(&w, &r->usage);
    }
    if (r->service_tier.len) {
        json_field_str(&w, "service_tier", r->service_tier);
    }
    if (r->system_fingerprint.len) {
        json_field_str(&w, "system_fingerprint", r->system_fingerprint);
    }
    json_object_end(&w);
    return !out->failed;
}
