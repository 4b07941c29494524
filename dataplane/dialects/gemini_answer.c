/* A whole answer written for a client of Gemini; see gemini_inside.h. */
#include "dataplane/dialects/gemini_inside.h"

void gemini_put_call(struct json_writer *w, struct str id, struct str name, struct str arguments,
                     struct str signature)
{
    struct json_value v;
    struct str text = arguments.ptr ? str_trim(arguments) : STR_LIT("");
    json_object_begin(w);
    json_name(w, "functionCall");
    json_object_begin(w);
    if (id.len > 0) {
        json_field_str(w, "id", id);
    }
    json_field_str(w, "name", name.ptr ? name : STR_LIT(""));
    json_name(w, "args");
    if (read_json(text, &v) && v.type == JSON_OBJECT) {
        json_put_raw(w, v.raw);
    } else {
        json_object_begin(w);
        if (text.len > 0 && !str_eqz(text, "null")) {
            json_field_str(w, "_raw", text);
        }
        json_object_end(w);
    }
    json_object_end(w);
    if (signature.len > 0) {
        json_field_str(w, "thoughtSignature", signature);
    }
    json_object_end(w);
}

static void put_signed_text(struct json_writer *w, struct arena *a, const struct part *p)
{
    bool redacted = p->type == PART_REDACTED_THINKING;
    json_object_begin(w);
    json_field_str(w, "text", p->text.ptr && !redacted ? p->text : STR_LIT(""));
    if (p->type == PART_THINKING || redacted) {
        json_field_bool(w, "thought", true);
    }
    if (p->signature.len > 0) {
        struct str s = gemini_signature_text(a, p->signature_family, redacted, p->signature);
        if (s.ptr) {
            json_field_str(w, "thoughtSignature", s);
        }
    }
    json_object_end(w);
}

/* What an answer's sound is, where nobody says: OpenAI's "pcm16" is what Gemini calls L16. */
static struct str answer_type(const struct part *p, const struct exchange_context *x)
{
    struct str format = p->media.format;
    if (p->media.media_type.ptr) {
        return p->media.media_type;
    }
    if (p->type == PART_AUDIO && !format.ptr && x->request) {
        format = x->request->audio_format;
    }
    if (p->type == PART_AUDIO && (!format.ptr || str_starts(format, STR_LIT("pcm")))) {
        return STR_LIT("audio/L16;codec=pcm;rate=24000");
    }
    struct str type = format.ptr ? media_type_of_format(format) : STR_NONE;
    return type.ptr                ? type
           : p->type == PART_IMAGE ? STR_LIT("image/png")
                                   : STR_LIT("application/octet-stream");
}

static bool put_media(struct json_writer *w, const struct part *p, const struct exchange_context *x)
{
    const struct media *m = &p->media;
    if (!m->data.ptr && !m->url.ptr) {
        return false;
    }
    json_object_begin(w);
    json_name(w, m->data.ptr ? "inlineData" : "fileData");
    json_object_begin(w);
    if (m->data.ptr || m->media_type.ptr) {
        json_field_str(w, "mimeType", answer_type(p, x));
    }
    json_field_str(w, m->data.ptr ? "data" : "fileUri", m->data.ptr ? m->data : m->url);
    json_object_end(w);
    json_object_end(w);
    return true;
}

bool gemini_put_part(struct json_writer *w, struct arena *a, const struct part *p,
                     const struct exchange_context *x)
{
    switch (p->type) {
    case PART_TEXT:
    case PART_REFUSAL:
    case PART_THINKING:
    case PART_REDACTED_THINKING:
        put_signed_text(w, a, p);
        return true;
    case PART_TOOL_CALL:
        gemini_put_call(w, p->id, p->name, p->arguments,
                        p->signature.len > 0
                            ? gemini_signature_text(a, p->signature_family, false, p->signature)
                            : STR_NONE);
        return true;
    case PART_IMAGE:
    case PART_AUDIO:
    case PART_VIDEO:
    case PART_DOCUMENT: {
        bool put = put_media(w, p, x);
        if (p->type == PART_AUDIO && p->text.len > 0) {
            json_object_begin(w);
            json_field_str(w, "text", p->text); /* the transcript */
            json_object_end(w);
            put = true;
        }
        return put;
    }
    case PART_NATIVE:
        if (p->family == FAMILY_GEMINI) {
            json_put_raw(w, p->raw);
            return true;
        }
        return false;
    case PART_TOOL_RESULT:
    case PART_TYPE_COUNT:
        break;
    }
    return false;
}

/* ---- usage ---- */

static void put_modality(struct json_writer *w, const char *modality, uint64_t tokens)
{
    if (tokens > 0) {
        json_object_begin(w);
        json_field_z(w, "modality", modality);
        json_field_u64(w, "tokenCount", tokens);
        json_object_end(w);
    }
}

static void put_details(struct json_writer *w, const char *name, uint64_t all, uint64_t audio,
                        uint64_t image, uint64_t video)
{
    uint64_t apart = audio + image + video;
    if (all == 0) {
        return;
    }
    json_name(w, name);
    json_array_begin(w);
    put_modality(w, "TEXT", all > apart ? all - apart : 0);
    put_modality(w, "AUDIO", audio);
    put_modality(w, "IMAGE", image);
    put_modality(w, "VIDEO", video);
    json_array_end(w);
}

void gemini_put_usage(struct json_writer *w, const struct usage *u)
{
    uint64_t prompt = u->input > u->tool_input ? u->input - u->tool_input : 0;
    uint64_t made = u->output > u->reasoning ? u->output - u->reasoning : 0;
    json_name(w, "usageMetadata");
    json_object_begin(w);
    json_field_u64(w, "promptTokenCount", prompt);
    json_field_u64(w, "candidatesTokenCount", made);
    if (u->cached > 0) {
        json_field_u64(w, "cachedContentTokenCount", u->cached);
    }
    if (u->reasoning > 0) {
        json_field_u64(w, "thoughtsTokenCount", u->reasoning);
    }
    if (u->tool_input > 0) {
        json_field_u64(w, "toolUsePromptTokenCount", u->tool_input);
    }
    json_field_u64(w, "totalTokenCount", usage_total(u));
    put_details(w, "promptTokensDetails", prompt, u->audio_in, u->image_in, u->video_in);
    put_details(w, "cacheTokensDetails", u->cached, u->audio_cached, u->image_cached, 0);
    if (u->audio_out + u->image_out > 0) {
        put_details(w, "candidatesTokensDetails", made, u->audio_out, u->image_out, 0);
    }
    json_object_end(w);
}

/* ---- the whole ---- */

static void put_candidate(struct json_writer *w, struct arena *a, const struct chat_choice *c,
                          const struct exchange_context *x)
{
    bool any = false;
    json_object_begin(w);
    json_name(w, "content");
    json_object_begin(w);
    json_name(w, "parts");
    json_array_begin(w);
    for (size_t i = 0; i < c->n_parts; i++) {
        any = gemini_put_part(w, a, &c->parts[i], x) || any;
    }
    if (!any) {
        json_object_begin(w); /* as Google does: readers take parts[0] for granted */
        json_field_z(w, "text", "");
        json_object_end(w);
    }
    json_array_end(w);
    json_field_z(w, "role", "model");
    json_object_end(w);
    json_field_str(w, "finishReason", gemini_finish_text(c->finish, c->finish_raw));
    json_field_u64(w, "index", c->index);
    if (c->safety.ptr) {
        json_name(w, "safetyRatings");
        json_put_raw(w, c->safety);
    }
    gemini_put_grounding(w, c->parts, c->n_parts);
    if (c->logprobs.ptr) {
        gemini_put_logprobs(w, c->logprobs);
    }
    json_object_end(w);
}

bool gemini_encode_reply(const struct chat_reply *r, const struct exchange_context *x,
                         struct arena *a, struct buffer *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    if (r->blocked) {
        json_name(&w, "promptFeedback");
        json_object_begin(&w);
        json_field_str(&w, "blockReason", gemini_block_word(r->block_reason));
        json_object_end(&w);
    } else {
        json_name(&w, "candidates");
        json_array_begin(&w);
        for (size_t i = 0; i < r->n_choices; i++) {
            put_candidate(&w, a, &r->choices[i], x);
        }
        json_array_end(&w);
    }
    if (r->usage.found || r->usage.estimated) {
        gemini_put_usage(&w, &r->usage);
    }
    json_field_str(&w, "modelVersion", r->model.len ? r->model : x->model);
    json_field_str(&w, "responseId", r->id.len ? r->id : x->unique);
    json_object_end(&w);
    return !out->failed;
}
