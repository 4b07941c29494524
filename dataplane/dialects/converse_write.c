/* Parts to Converse's content blocks, and the small tables both sides share; see converse_parts.h.
 */
#include "dataplane/dialects/converse_parts.h"

/* ---- formats ---- */

static struct str one_of(struct str format, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq_nocase(format, str_of(list[i]))) {
            return str_of(list[i]);
        }
    }
    return STR_NONE;
}
#define ONE_OF(format, list) one_of(format, list, sizeof(list) / sizeof((list)[0]))

/* By the media type, else by the name's ending. */
static struct str media_format(const struct media *m)
{
    struct str format = m->media_type.ptr ? media_format_of_type(m->media_type) : STR_NONE;
    if (!format.ptr && m->name.ptr) {
        format = media_format_of_type(media_type_of_name(m->name));
    }
    return format;
}

struct str converse_image_format(const struct media *m)
{
    static const char *const known[] = {"png", "jpeg", "gif", "webp"};
    static const struct {
        struct str begin;
        const char *format;
    } magic[] = {{STR_LIT("iVBOR"), "png"},
                 {STR_LIT("/9j/"), "jpeg"},
                 {STR_LIT("R0lGOD"), "gif"},
                 {STR_LIT("UklGR"), "webp"}};
    if (str_eq_nocase(m->media_type, STR_LIT("image/jpg"))) {
        return STR_LIT("jpeg");
    }
    struct str format = ONE_OF(media_format(m), known);
    /* a missing or empty-handed type (application/octet-stream): the bytes tell */
    for (size_t i = 0; !format.ptr && i < sizeof(magic) / sizeof(magic[0]); i++) {
        if (str_starts(m->data, magic[i].begin)) {
            format = str_of(magic[i].format);
        }
    }
    return format;
}

struct str converse_document_format(const struct media *m)
{
    static const char *const known[] = {"pdf",  "csv",  "doc", "docx", "xls",
                                        "xlsx", "html", "txt", "md"};
    struct str format = ONE_OF(media_format(m), known);
    if (format.ptr) {
        return format;
    }
    if (str_starts(m->data, STR_LIT("JVBERi"))) {
        return STR_LIT("pdf");
    }
    if (m->text.ptr || str_starts(m->media_type, STR_LIT("text/")) ||
        str_eqz(m->media_type, "application/json")) {
        return STR_LIT("txt");
    }
    return STR_NONE;
}

struct str converse_video_format(const struct media *m)
{
    static const char *const known[] = {"mkv",  "mov", "mp4", "webm",    "flv",
                                        "mpeg", "mpg", "wmv", "three_gp"};
    struct str format = m->format.ptr ? ONE_OF(m->format, known) : STR_NONE;
    return format.ptr ? format : ONE_OF(media_format(m), known);
}

struct str converse_audio_format(const struct media *m)
{
    static const char *const known[] = {"mp3", "opus",  "wav", "aac",  "flac", "mp4", "ogg", "mkv",
                                        "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm"};
    struct str format = m->format.ptr ? ONE_OF(m->format, known) : STR_NONE;
    if (!format.ptr && str_eqz(m->format, "pcm16")) {
        format = STR_LIT("pcm");
    }
    return format.ptr ? format : ONE_OF(media_format(m), known);
}

/* ---- blocks ---- */

bool converse_signature_fits(enum family f)
{
    return f == FAMILY_MESSAGES || f == FAMILY_CONVERSE;
}

void converse_put_cache_point(struct json_writer *w, enum cache_mark mark)
{
    json_object_begin(w);
    json_name(w, "cachePoint");
    json_object_begin(w);
    json_field_z(w, "type", "default");
    if (mark == CACHE_1H) {
        json_field_z(w, "ttl", "1h");
    }
    json_object_end(w);
    json_object_end(w);
}

void converse_put_image(struct json_writer *w, struct str format, struct str data)
{
    json_object_begin(w);
    json_name(w, "image");
    json_object_begin(w);
    json_field_str(w, "format", format);
    json_name(w, "source");
    json_object_begin(w);
    json_field_str(w, "bytes", data);
    json_object_end(w);
    json_object_end(w);
    json_object_end(w);
}

void converse_put_tool_use(struct json_writer *w, struct arena *a, const struct part *p)
{
    json_object_begin(w);
    json_name(w, "toolUse");
    json_object_begin(w);
    json_field_str(w, "toolUseId", p->id.ptr ? p->id : STR_LIT(""));
    json_field_str(w, "name", p->name.ptr ? p->name : STR_LIT(""));
    json_name(w, "input");
    json_put_raw(w, arguments_of(a, p->arguments));
    json_object_end(w);
    json_object_end(w);
}

void converse_put_thinking(struct json_writer *w, const struct part *p, bool with_signature)
{
    json_object_begin(w);
    json_name(w, "reasoningContent");
    json_object_begin(w);
    json_name(w, "reasoningText");
    json_object_begin(w);
    json_field_str(w, "text", p->text.ptr ? p->text : STR_LIT(""));
    if (with_signature && p->signature.ptr) {
        json_field_str(w, "signature", p->signature);
    }
    json_object_end(w);
    json_object_end(w);
    json_object_end(w);
}

/* ---- citations ---- */

static int64_t number_or(struct json_value object, const char *name, int64_t absent)
{
    struct json_value v;
    int64_t n;
    return read_get(object, name, &v) && json_i64(v, &n) ? n : absent;
}

void converse_read_citation(struct arena *a, struct json_value v, struct citation *ret)
{
    struct json_value list, item, where;
    size_t pos = 0;
    *ret = (struct citation){.start = -1,
                             .end = -1,
                             .document = -1,
                             .page_start = -1,
                             .page_end = -1,
                             .raw = v.raw,
                             .family = FAMILY_CONVERSE};
    ret->title = read_get_text(a, v, "title");
    ret->source = read_get_text(a, v, "source");
    if (read_get(v, "sourceContent", &list) && json_next(list, &pos, NULL, &item)) {
        ret->cited_text = read_get_text(a, item, "text");
    }
    if (!read_get(v, "location", &list)) {
        return;
    }
    /* `start` and `end` of a location count in the document, not in the answer's text: only pages
     * have a place in the neutral form */
    if (read_get(list, "web", &where)) {
        ret->url = read_get_text(a, where, "url");
    } else if (read_get(list, "documentPage", &where)) {
        ret->document = number_or(where, "documentIndex", -1);
        ret->page_start = number_or(where, "start", -1);
        ret->page_end = number_or(where, "end", -1);
    } else if (read_get(list, "documentChar", &where) || read_get(list, "documentChunk", &where)) {
        ret->document = number_or(where, "documentIndex", -1);
    }
}

void converse_put_citation(struct json_writer *w, const struct citation *c)
{
    if (c->family == FAMILY_CONVERSE && c->raw.ptr) {
        json_put_raw(w, c->raw);
        return;
    }
    json_object_begin(w);
    if (c->title.ptr) {
        json_field_str(w, "title", c->title);
    }
    if (c->source.ptr) {
        json_field_str(w, "source", c->source);
    }
    if (c->cited_text.ptr) {
        json_name(w, "sourceContent");
        json_array_begin(w);
        json_object_begin(w);
        json_field_str(w, "text", c->cited_text);
        json_object_end(w);
        json_array_end(w);
    }
    if (c->url.ptr) {
        json_name(w, "location");
        json_object_begin(w);
        json_name(w, "web");
        json_object_begin(w);
        json_field_str(w, "url", c->url);
        json_object_end(w);
        json_object_end(w);
    } else if (c->document >= 0 && c->page_start >= 0) {
        json_name(w, "location");
        json_object_begin(w);
        json_name(w, "documentPage");
        json_object_begin(w);
        json_field_i64(w, "documentIndex", c->document);
        json_field_i64(w, "start", c->page_start);
        json_field_i64(w, "end", c->page_end >= 0 ? c->page_end : c->page_start);
        json_object_end(w);
        json_object_end(w);
    }
    json_object_end(w);
}

/* ---- stop reasons ---- */

/* The first row of a finish is how it is written. */
static const struct {
    const char *word;
    enum finish finish;
} reasons[] = {
    {"end_turn", FINISH_STOP},
    {"tool_use", FINISH_TOOL_CALLS},
    {"max_tokens", FINISH_LENGTH},
    {"stop_sequence", FINISH_STOP_SEQUENCE},
    {"content_filtered", FINISH_CONTENT_FILTER},
    {"guardrail_intervened", FINISH_CONTENT_FILTER},
    {"content_filtered", FINISH_REFUSAL},
    {"refusal", FINISH_REFUSAL},
    {"malformed_model_output", FINISH_MALFORMED},
    {"malformed_tool_use", FINISH_MALFORMED},
    {"model_context_window_exceeded", FINISH_CONTEXT},
};
#define N_REASONS (sizeof(reasons) / sizeof(reasons[0]))

enum finish converse_finish_of(struct str stop_reason)
{
    for (size_t i = 0; i < N_REASONS; i++) {
        if (str_eqz(stop_reason, reasons[i].word)) {
            return reasons[i].finish;
        }
    }
    return FINISH_OTHER;
}

const char *converse_stop_reason(enum finish f, struct str raw)
{
    for (size_t i = 0; i < N_REASONS; i++) {
        if (reasons[i].finish == f && str_eqz(raw, reasons[i].word) && !str_eqz(raw, "refusal")) {
            return reasons[i].word;
        }
    }
    for (size_t i = 0; i < N_REASONS; i++) {
        if (reasons[i].finish == f) {
            return reasons[i].word;
        }
    }
    return "end_turn";
}

/* ---- usage ---- */

void converse_read_usage(struct arena *a, struct json_value v, struct usage *ret)
{
    struct json_value n, list, item;
    size_t pos = 0;
    uint64_t read = read_get_u64(v, "cacheReadInputTokens");
    uint64_t written = read_get_u64(v, "cacheWriteInputTokens"), hour = 0;
    *ret = (struct usage){.found = false};
    if (v.type != JSON_OBJECT) {
        return;
    }
    read = read ? read : read_get_u64(v, "cacheReadInputTokenCount");
    written = written ? written : read_get_u64(v, "cacheWriteInputTokenCount");
    ret->input_found = read_get(v, "inputTokens", &n);
    ret->output_found = read_get(v, "outputTokens", &n);
    ret->found = ret->input_found || ret->output_found;
    if (read_get(v, "cacheDetails", &list)) {
        while (json_next(list, &pos, NULL, &item)) {
            hour += str_eqz(read_get_text(a, item, "ttl"), "1h") ? read_get_u64(item, "inputTokens")
                                                                 : 0;
        }
    }
    hour = hour < written ? hour : written;
    ret->cached = read;
    ret->cache_write_1h = hour;
    ret->cache_write_5m = written - hour;
    ret->input = read_get_u64(v, "inputTokens") + read + written;
    ret->output = read_get_u64(v, "outputTokens");
    ret->total = read_get_u64(v, "totalTokens");
    /* some models leave the cached tokens out of their total */
    if (ret->total < ret->input + ret->output) {
        ret->total = 0;
    }
}

static void put_cache_detail(struct json_writer *w, const char *ttl, uint64_t tokens)
{
    if (tokens > 0) {
        json_object_begin(w);
        json_field_u64(w, "inputTokens", tokens);
        json_field_z(w, "ttl", ttl);
        json_object_end(w);
    }
}

void converse_put_usage(struct json_writer *w, const struct usage *u)
{
    uint64_t written = u->cache_write_5m + u->cache_write_1h, rest = u->cached + written;
    json_name(w, "usage");
    json_object_begin(w);
    json_field_u64(w, "inputTokens", u->input > rest ? u->input - rest : 0);
    json_field_u64(w, "outputTokens", u->output);
    json_field_u64(w, "totalTokens", usage_total(u));
    if (rest > 0) {
        json_field_u64(w, "cacheReadInputTokens", u->cached);
        json_field_u64(w, "cacheWriteInputTokens", written);
    }
    if (written > 0) {
        json_name(w, "cacheDetails");
        json_array_begin(w);
        put_cache_detail(w, "5m", u->cache_write_5m);
        put_cache_detail(w, "1h", u->cache_write_1h);
        json_array_end(w);
    }
    json_object_end(w);
    json_name(w, "metrics");
    json_object_begin(w);
    json_field_u64(w, "latencyMs", 0);
    json_object_end(w);
}

/* ---- models ---- */

bool converse_model_is(struct str model, const char *maker)
{
    return model.len && memmem(model.ptr, model.len, maker, strlen(maker)) != NULL;
}

bool converse_json_tool(const struct chat_request *q)
{
    return q && q->output == OUTPUT_SCHEMA && q->schema.ptr && q->family != FAMILY_CONVERSE;
}
