/* Counts, finish words, annotations and thoughts of OpenAI's answers; see openai_answer.h. */
#include "dataplane/dialects/openai_answer.h"

#include "dataplane/canonical/read.h"
#include "dataplane/dialects/openai_error.h"

enum family openai_family_named(struct str name, enum family otherwise)
{
    for (unsigned i = FAMILY_CHAT; i < FAMILY_COUNT && name.len; i++) {
        if (str_eqz(name, family_name((enum family)i))) {
            return (enum family)i;
        }
    }
    return otherwise;
}

struct str openai_reasoning_text(struct arena *a, struct json_value message)
{
    static const char *const names[] = {"reasoning_content", "reasoning", "thinking", "thought"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str text = read_get_text(a, message, names[i]);
        if (text.len) {
            return text;
        }
    }
    return STR_NONE;
}

/* ---- OpenRouter's details ---- */

static enum family format_family(struct str format)
{
    if (str_starts(format, STR_LIT("anthropic"))) {
        return FAMILY_MESSAGES;
    }
    if (str_starts(format, STR_LIT("google"))) {
        return FAMILY_GEMINI;
    }
    return str_starts(format, STR_LIT("openai")) ? FAMILY_RESPONSES : FAMILY_CHAT;
}

const char *openai_detail_format(enum family f)
{
    switch (f) {
    case FAMILY_MESSAGES:
    case FAMILY_CONVERSE:
        return "anthropic-claude-v1";
    case FAMILY_GEMINI:
        return "google-gemini-v1";
    case FAMILY_RESPONSES:
        return "openai-responses-v1";
    default:
        return "unknown";
    }
}

bool openai_read_detail(struct arena *a, struct json_value o, struct openai_detail *ret)
{
    struct str type = read_get_text(a, o, "type");
    struct openai_detail t = {.family = format_family(read_get_text(a, o, "format"))};
    if (str_eqz(type, "reasoning.encrypted")) {
        t.encrypted = true;
        t.signature = read_get_text(a, o, "data");
    } else if (str_eqz(type, "reasoning.summary")) {
        t.text = read_get_text(a, o, "summary");
    } else {
        t.text = read_get_text(a, o, "text");
        t.signature = read_get_text(a, o, "signature");
    }
    if (!t.signature.len) {
        t.signature = STR_NONE;
    }
    *ret = t;
    return t.text.len > 0 || t.signature.len > 0;
}

void openai_put_thought_signature(struct json_writer *w, struct str signature)
{
    json_name(w, "extra_content");
    json_object_begin(w);
    json_name(w, "google");
    json_object_begin(w);
    json_field_str(w, "thought_signature", signature);
    json_object_end(w);
    json_object_end(w);
}

/* ---- usage ---- */

static bool number(struct json_value o, const char *name, uint64_t *ret)
{
    struct json_value v;
    if (!read_get(o, name, &v) || v.type != JSON_NUMBER) {
        return false;
    }
    *ret = read_get_u64(o, name);
    return true;
}

static bool either(struct json_value o, const char *one, const char *other, uint64_t *ret)
{
    return number(o, one, ret) || number(o, other, ret);
}

static void read_input_details(struct json_value v, struct usage *u)
{
    struct json_value o;
    if (read_get(v, "prompt_tokens_details", &o) || read_get(v, "input_tokens_details", &o)) {
        (void)number(o, "cached_tokens", &u->cached);
        (void)number(o, "audio_tokens", &u->audio_in);
        (void)number(o, "image_tokens", &u->image_in);
        (void)number(o, "video_tokens", &u->video_in);
        (void)either(o, "cache_write_tokens", "cache_creation_tokens", &u->cache_write_5m);
    }
    if (u->cached == 0 && !either(v, "prompt_cache_hit_tokens", "cached_tokens", &u->cached)) {
        (void)number(v, "cache_read_input_tokens", &u->cached);
    }
    if (u->cache_write_5m == 0) {
        (void)number(v, "cache_creation_input_tokens", &u->cache_write_5m);
    }
}

static void read_output_details(struct json_value v, struct usage *u)
{
    struct json_value o;
    if (read_get(v, "completion_tokens_details", &o) || read_get(v, "output_tokens_details", &o)) {
        (void)number(o, "reasoning_tokens", &u->reasoning);
        (void)number(o, "audio_tokens", &u->audio_out);
        (void)number(o, "image_tokens", &u->image_out);
        (void)number(o, "accepted_prediction_tokens", &u->accepted_prediction);
        (void)number(o, "rejected_prediction_tokens", &u->rejected_prediction);
    }
    if (u->reasoning == 0) {
        (void)number(v, "reasoning_tokens", &u->reasoning);
    }
    if (!either(v, "num_search_queries", "num_sources_used", &u->searches) &&
        read_get(v, "server_tool_use", &o)) {
        (void)number(o, "web_search_requests", &u->searches);
    }
}

bool openai_read_usage(struct json_value v, const struct exchange_context *x, struct usage *ret)
{
    struct usage u = {.found = false};
    if (v.type != JSON_OBJECT) {
        return false;
    }
    u.input_found = either(v, "prompt_tokens", "input_tokens", &u.input);
    u.output_found = either(v, "completion_tokens", "output_tokens", &u.output);
    bool total = number(v, "total_tokens", &u.total);
    u.found = u.input_found || u.output_found || total;
    if (!u.found) {
        return false;
    }
    read_input_details(v, &u);
    read_output_details(v, &u);
    /* xAI, and Google's compatible endpoint, count the thoughts beside the answer: the total tells
     */
    uint64_t told = u.input + u.output;
    if (u.output_found && u.total > told && told >= u.input) {
        uint64_t beside = u.total - told;
        bool google =
            x && (str_eqz(x->provider_kind, "gemini-openai") ||
                  str_eqz(x->provider_kind, "gemini") || str_eqz(x->provider_kind, "vertex"));
        if (beside == u.reasoning || (google && u.reasoning == 0)) {
            u.output += beside;
            u.reasoning = beside;
        }
    }
    *ret = u;
    return true;
}

bool openai_find_usage(struct json_value answer, const struct exchange_context *x,
                       struct usage *ret)
{
    struct json_value v, inner;
    if (read_get(answer, "usage", &v) && openai_read_usage(v, x, ret)) {
        return true;
    }
    if (read_get(answer, "x_groq", &v) && read_get(v, "usage", &inner) &&
        openai_read_usage(inner, x, ret)) {
        return true;
    }
    /* Moonshot: within the choice */
    if (read_get(answer, "choices", &v)) {
        for (size_t pos = 0; json_next(v, &pos, NULL, &inner);) {
            if (read_get(inner, "usage", &inner) && openai_read_usage(inner, x, ret)) {
                return true;
            }
        }
    }
    return false;
}

static void put_some(struct json_writer *w, const char *name, uint64_t v)
{
    if (v) {
        json_field_u64(w, name, v);
    }
}

void openai_put_chat_usage(struct json_writer *w, const struct usage *u)
{
    json_object_begin(w);
    json_field_u64(w, "prompt_tokens", u->input);
    json_field_u64(w, "completion_tokens", u->output);
    json_field_u64(w, "total_tokens", usage_total(u));
    json_name(w, "prompt_tokens_details");
    json_object_begin(w);
    json_field_u64(w, "cached_tokens", u->cached);
    json_field_u64(w, "audio_tokens", u->audio_in);
    put_some(w, "cache_write_tokens", u->cache_write_5m + u->cache_write_1h);
    put_some(w, "image_tokens", u->image_in);
    put_some(w, "video_tokens", u->video_in);
    json_object_end(w);
    json_name(w, "completion_tokens_details");
    json_object_begin(w);
    json_field_u64(w, "reasoning_tokens", u->reasoning);
    json_field_u64(w, "audio_tokens", u->audio_out);
    json_field_u64(w, "accepted_prediction_tokens", u->accepted_prediction);
    json_field_u64(w, "rejected_prediction_tokens", u->rejected_prediction);
    put_some(w, "image_tokens", u->image_out);
    json_object_end(w);
    json_object_end(w);
}

void openai_put_responses_usage(struct json_writer *w, const struct usage *u)
{
    json_object_begin(w);
    json_field_u64(w, "input_tokens", u->input);
    json_name(w, "input_tokens_details");
    json_object_begin(w);
    json_field_u64(w, "cached_tokens", u->cached);
    put_some(w, "cache_write_tokens", u->cache_write_5m + u->cache_write_1h);
    json_object_end(w);
    json_field_u64(w, "output_tokens", u->output);
    json_name(w, "output_tokens_details");
    json_object_begin(w);
    json_field_u64(w, "reasoning_tokens", u->reasoning);
    json_object_end(w);
    json_field_u64(w, "total_tokens", usage_total(u));
    json_object_end(w);
}

/* ---- finish ---- */

static const struct {
    const char *word;
    enum finish finish;
} finish_words[] = {
    {"stop", FINISH_STOP},
    {"length", FINISH_LENGTH},
    {"tool_calls", FINISH_TOOL_CALLS},
    {"function_call", FINISH_TOOL_CALLS},
    {"content_filter", FINISH_CONTENT_FILTER},
    {"eos", FINISH_STOP},
    {"eos_token", FINISH_STOP},
    {"end_turn", FINISH_STOP},
    {"end", FINISH_STOP},
    {"complete", FINISH_STOP},
    {"completed", FINISH_STOP},
    {"stop_sequence", FINISH_STOP_SEQUENCE},
    {"max_tokens", FINISH_LENGTH},
    {"max_output_tokens", FINISH_LENGTH},
    {"model_length", FINISH_LENGTH},
    {"model_context_window_exceeded", FINISH_CONTEXT},
    {"tool_use", FINISH_TOOL_CALLS},
    {"tool_call", FINISH_TOOL_CALLS},
    {"safety", FINISH_CONTENT_FILTER},
    {"recitation", FINISH_CONTENT_FILTER},
    {"sensitive", FINISH_CONTENT_FILTER},
    {"refusal", FINISH_REFUSAL},
    {"malformed_function_call", FINISH_MALFORMED},
};

enum finish openai_finish_of(struct str word)
{
    if (!word.len) {
        return FINISH_NONE;
    }
    for (size_t i = 0; i < sizeof(finish_words) / sizeof(finish_words[0]); i++) {
        if (str_eq_nocase(word, str_of(finish_words[i].word))) {
            return finish_words[i].finish;
        }
    }
    return FINISH_OTHER;
}

const char *openai_finish_word(enum finish f)
{
    switch (f) {
    case FINISH_LENGTH:
    case FINISH_CONTEXT:
        return "length";
    case FINISH_TOOL_CALLS:
        return "tool_calls";
    case FINISH_CONTENT_FILTER:
    case FINISH_REFUSAL:
        return "content_filter";
    default:
        return "stop";
    }
}

struct str openai_stop_hit(struct arena *a, struct json_value choice,
                           const struct exchange_context *x)
{
    struct str hit = read_get_text(a, choice, "stop_reason");
    if (!hit.len) {
        hit = read_get_text(a, choice, "matched_stop");
    }
    for (size_t i = 0; x->request && i < x->request->n_stop && hit.len; i++) {
        if (str_eq(hit, x->request->stop[i])) {
            return x->request->stop[i];
        }
    }
    return STR_NONE;
}

/* ---- annotations ---- */

static int64_t position(struct json_value o, const char *name)
{
    uint64_t v = 0;
    return number(o, name, &v) && v <= INT64_MAX ? (int64_t)v : -1;
}

bool openai_read_annotation(struct arena *a, struct json_value o, enum family family,
                            struct citation *ret)
{
    struct json_value inner;
    struct str type = read_get_text(a, o, "type");
    struct citation c = {.start = -1, .end = -1, .document = -1, .page_start = -1, .page_end = -1};
    c.raw = o.raw;
    c.family = family;
    if (str_eqz(type, "url_citation")) {
        if (read_get(o, "url_citation", &inner)) {
            o = inner;
        }
        c.url = read_get_text(a, o, "url");
        c.cited_text = read_get_text(a, o, "content");
    } else if (str_eqz(type, "file_citation") || str_eqz(type, "container_file_citation")) {
        c.source = read_get_text(a, o, "file_id");
    } else {
        return false;
    }
    c.title = read_get_text(a, o, str_eqz(type, "url_citation") ? "title" : "filename");
    if (str_eqz(type, "file_citation")) { /* says where alone, not how much */
        c.start = c.end = position(o, "index");
        *ret = c;
        return true;
    }
    c.start = position(o, "start_index");
    c.end = position(o, "end_index");
    *ret = c;
    return true;
}

bool openai_put_annotation(struct json_writer *w, const struct citation *c, bool nested,
                           int64_t offset)
{
    if (!c->url.len && (nested || (!c->source.len && !c->title.len))) {
        return false;
    }
    json_object_begin(w);
    if (!c->url.len) { /* a passage of a document: of it this dialect knows the file alone */
        json_field_z(w, "type", "file_citation");
        json_field_str(w, "file_id", c->source.ptr ? c->source : STR_LIT(""));
        json_field_str(w, "filename", c->title.len ? c->title : c->source);
        json_field_i64(w, "index", c->end < 0 ? offset : c->end + offset);
        json_object_end(w);
        return true;
    }
    json_field_z(w, "type", "url_citation");
    if (nested) {
        json_name(w, "url_citation");
        json_object_begin(w);
    }
    json_field_i64(w, "start_index", c->start < 0 ? offset : c->start + offset);
    json_field_i64(w, "end_index", c->end < 0 ? offset : c->end + offset);
    json_field_str(w, "title", c->title.ptr ? c->title : STR_LIT(""));
    json_field_str(w, "url", c->url);
    if (nested) {
        json_object_end(w);
    }
    json_object_end(w);
    return true;
}

bool openai_find_sources(struct json_value answer, struct json_value *ret_list)
{
    static const char *const names[] = {"search_results", "citations"};
    struct json_value v;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (read_get(answer, names[i], &v) && v.type == JSON_ARRAY && v.raw.len > 2) {
            *ret_list = v;
            return true;
        }
    }
    return false;
}

bool openai_read_source(struct arena *a, struct json_value o, struct citation *ret)
{
    struct citation c = {.start = -1, .end = -1, .document = -1, .page_start = -1, .page_end = -1};
    c.family = FAMILY_CHAT;
    c.url = o.type == JSON_STRING ? read_text(a, o) : read_get_text(a, o, "url");
    c.title = read_get_text(a, o, "title");
    *ret = c;
    return c.url.len > 0;
}

bool openai_choice_error(struct json_value choices, struct json_value *ret_choice)
{
    struct json_value o, v;
    for (size_t pos = 0; choices.type == JSON_ARRAY && json_next(choices, &pos, NULL, &o);) {
        if (read_get(o, "error", &v) && v.type == JSON_OBJECT) {
            *ret_choice = o;
            return true;
        }
    }
    return false;
}

uint64_t openai_hash(struct str id)
{
    uint64_t h = 1469598103934665603ULL;
    for (size_t i = 0; i < id.len; i++) {
        h = (h ^ (unsigned char)id.ptr[i]) * 1099511628211ULL;
    }
    return id.len ? h | 1 : 0;
}

int64_t openai_characters(struct str text)
{
    int64_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    }
    return n;
}

void openai_one_line(struct buffer *out, size_t from)
{
    size_t to = from;
    if (out->failed || out->len <= from) {
        return;
    }
    if (!memchr(out->ptr + from, '\n', out->len - from) &&
        !memchr(out->ptr + from, '\r', out->len - from)) {
        return;
    }
    for (size_t i = from; i < out->len; i++) {
        if (out->ptr[i] != '\n' && out->ptr[i] != '\r') {
            out->ptr[to++] = out->ptr[i];
        }
    }
    out->len = to;
}
