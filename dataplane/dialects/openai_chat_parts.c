/* Content, tool calls and thoughts as messages of chat completions hold them: OpenAI's own shapes,
 * and those that compatible providers and clients add (Mistral's thinking parts, OpenRouter's
 * reasoning_details, LiteLLM's thinking_blocks, Google's thought signatures). */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_chat_codec.h"
#include "dataplane/dialects/openai_freeform.h"

struct list {
    struct part **parts;
    size_t *n, *cap;
};

static struct part *add(struct openai_decode *d, struct list l, enum part_type type)
{
    return openai_part(d, l.parts, l.n, l.cap, type);
}

/* {"image_url":{"url":…}} or {"image_url":"…"} */
static bool read_media_url(struct openai_decode *d, struct json_value o, const char *name,
                           struct part *p)
{
    struct json_value v;
    struct str url;
    (void)openai_path_name(d, name);
    if (!read_get(o, name, &v)) {
        return openai_bad(d, "is missing");
    }
    if (v.type == JSON_OBJECT) {
        (void)openai_path_name(d, "url");
        p->media.detail = read_get_text(d->a, v, "detail");
        url = read_get_text(d->a, v, "url");
    } else {
        url = read_text(d->a, v);
    }
    if (!url.len) {
        return openai_bad(d, "must be a URL");
    }
    return media_of_url(d->a, url, &p->media) ||
           openai_bad(d, "holds a data URL that cannot be read");
}

static bool read_audio(struct openai_decode *d, struct json_value o, struct part *p)
{
    struct json_value v;
    (void)openai_path_name(d, "input_audio");
    if (!read_get(o, "input_audio", &v) || v.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    p->media.data = read_get_text(d->a, v, "data");
    p->media.format = read_get_text(d->a, v, "format");
    if (!p->media.data.len) {
        (void)openai_path_name(d, "data");
        return openai_bad(d, "must be base64 text");
    }
    if (str_starts(p->media.data, STR_LIT("data:")) &&
        !media_of_url(d->a, p->media.data, &p->media)) {
        return openai_bad(d, "holds a data URL that cannot be read");
    }
    if (!p->media.media_type.len) {
        p->media.media_type = media_type_of_format(p->media.format);
    }
    return true;
}

static bool read_file(struct openai_decode *d, struct json_value o, struct part *p)
{
    struct json_value v;
    (void)openai_path_name(d, "file");
    if (!read_get(o, "file", &v) || v.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    return openai_file_part(d, v, p);
}

/* Mistral: {"type":"thinking","thinking":[{"type":"text","text"}]}; Anthropic-like clients write a
 * text and a signature. */
static bool read_thinking_part(struct openai_decode *d, struct json_value o, struct part *p)
{
    struct json_value v, item;
    if (!read_get(o, "thinking", &v)) {
        p->text = STR_LIT("");
    } else if (v.type == JSON_ARRAY) {
        struct part *texts = NULL;
        size_t n = 0, cap = 0;
        for (size_t pos = 0; json_next(v, &pos, NULL, &item);) {
            struct part *t = openai_part(d, &texts, &n, &cap, PART_TEXT);
            if (!t) {
                return false;
            }
            t->text = read_get_text(d->a, item, "text");
        }
        p->text = parts_text(d->a, texts, n, STR_LIT(""), NULL);
    } else {
        p->text = read_text(d->a, v);
    }
    if (!p->text.ptr) {
        p->text = STR_LIT("");
    }
    p->signature = read_get_text(d->a, o, "signature");
    if (!p->signature.len) {
        p->signature = STR_NONE;
    } else {
        p->signature_family =
            openai_family_named(read_get_text(d->a, o, "signature_from"), FAMILY_MESSAGES);
    }
    return true;
}

static bool read_text_part(struct openai_decode *d, struct json_value o, const char *member,
                           struct part *p)
{
    struct json_value v;
    (void)openai_path_name(d, member);
    if (!read_get(o, member, &v) || v.type != JSON_STRING) {
        return openai_bad(d, "must be a string");
    }
    p->text = read_text(d->a, v);
    return p->text.ptr || openai_no_room(d);
}

static bool read_part(struct openai_decode *d, struct json_value o, struct list l)
{
    static const struct {
        const char *type;
        enum part_type part;
    } types[] = {{"text", PART_TEXT},
                 {"input_text", PART_TEXT},
                 {"output_text", PART_TEXT},
                 {"refusal", PART_REFUSAL},
                 {"image_url", PART_IMAGE},
                 {"video_url", PART_VIDEO},
                 {"input_audio", PART_AUDIO},
                 {"file", PART_DOCUMENT},
                 {"thinking", PART_THINKING},
                 {"audio_url", PART_AUDIO},
                 {"reference", PART_NATIVE},
                 {"document_url", PART_DOCUMENT},
                 {"redacted_thinking", PART_REDACTED_THINKING}};
    struct str type;
    struct part *p = NULL;
    if (o.type == JSON_STRING) {
        p = add(d, l, PART_TEXT);
        return p && ((p->text = read_text(d->a, o)).ptr || openai_no_room(d));
    }
    if (o.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    type = read_get_text(d->a, o, "type");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && !p; i++) {
        if (str_eqz(type, types[i].type) && !(p = add(d, l, types[i].part))) {
            return false;
        }
    }
    if (!p && d->lenient) {
        p = add(d, l, PART_NATIVE);
    }
    if (!p) {
        (void)openai_path_name(d, "type");
        return openai_bad(d, "is not a type of content part");
    }
    p->cache = openai_cache_mark(d->a, o);
    switch (p->type) {
    case PART_TEXT:
        return read_text_part(d, o, "text", p);
    case PART_REFUSAL:
        return read_text_part(d, o, "refusal", p);
    case PART_IMAGE:
        return read_media_url(d, o, "image_url", p);
    case PART_VIDEO:
        return read_media_url(d, o, "video_url", p);
    case PART_AUDIO:
        return str_eqz(type, "audio_url") ? read_media_url(d, o, "audio_url", p)
                                          : read_audio(d, o, p);
    case PART_DOCUMENT:
        return str_eqz(type, "document_url") ? read_media_url(d, o, "document_url", p)
                                             : read_file(d, o, p);
    case PART_THINKING:
        return read_thinking_part(d, o, p);
    case PART_REDACTED_THINKING:
        p->signature = read_get_text(d->a, o, "data");
        p->signature_family = FAMILY_MESSAGES;
        return p->signature.len > 0 || openai_bad(d, "must hold data");
    default:
        p->raw = o.raw;
        p->family = FAMILY_CHAT;
        return true;
    }
}

bool openai_chat_read_content(struct openai_decode *d, struct json_value content,
                              struct part **parts, size_t *n, size_t *cap)
{
    struct list l = {parts, n, cap};
    struct json_value item;
    size_t i = 0;
    if (content.type == JSON_NULL) {
        return true;
    }
    if (content.type == JSON_STRING) {
        return read_part(d, content, l);
    }
    if (content.type != JSON_ARRAY) {
        return openai_bad(d, "must be a string or an array of content parts");
    }
    for (size_t pos = 0; json_next(content, &pos, NULL, &item); i++) {
        size_t mark = openai_path_index(d, i), before = *n;
        if (!read_part(d, item, l)) {
            if (!d->lenient || d->err->code == ERR_INTERNAL) {
                return false;
            }
            *n = before;
        }
        openai_path_back(d, mark);
    }
    return true;
}

/* Gemini's proof of a call or a text, as Google's own compatible endpoint and LiteLLM write it. */
static struct str call_signature(struct openai_decode *d, struct json_value call)
{
    struct json_value v, inner;
    if (read_get(call, "extra_content", &v) && read_get(v, "google", &inner)) {
        return read_get_text(d->a, inner, "thought_signature");
    }
    if (read_get(call, "provider_specific_fields", &v)) {
        return read_get_text(d->a, v, "thought_signature");
    }
    return STR_NONE;
}

void openai_chat_read_text_proof(struct openai_decode *d, struct json_value message,
                                 struct part *parts, size_t n)
{
    struct str signature = call_signature(d, message);
    for (size_t i = n; i > 0 && signature.len; i--) {
        if (parts[i - 1].type == PART_TEXT) {
            parts[i - 1].signature = signature;
            parts[i - 1].signature_family = FAMILY_GEMINI;
            return;
        }
    }
}

bool openai_chat_read_call(struct openai_decode *d, struct json_value call, struct part **parts,
                           size_t *n, size_t *cap)
{
    struct json_value function, v;
    struct part *p;
    if (call.type != JSON_OBJECT) {
        return openai_bad(d, "must be an object");
    }
    if (read_get(call, "custom", &function) && function.type == JSON_OBJECT) {
        if (!(p = openai_part(d, parts, n, cap, PART_TOOL_CALL))) {
            return false;
        }
        p->id = read_get_text(d->a, call, "id");
        p->name = read_get_text(d->a, function, "name");
        p->arguments = openai_freeform_arguments(d->a, read_get_text(d->a, function, "input"));
        return p->arguments.ptr || openai_no_room(d);
    }
    if (!read_get(call, "function", &function) || function.type != JSON_OBJECT) {
        struct str type = read_get_text(d->a, call, "type");
        if (!type.len || str_eqz(type, "function")) {
            (void)openai_path_name(d, "function");
            return openai_bad(d, "must be an object");
        }
        if (!(p = openai_part(d, parts, n, cap, PART_NATIVE))) {
            return false;
        }
        p->raw = call.raw;
        p->family = FAMILY_CHAT;
        p->id = read_get_text(d->a, call, "id");
        return true;
    }
    if (!(p = openai_part(d, parts, n, cap, PART_TOOL_CALL))) {
        return false;
    }
    p->id = read_get_text(d->a, call, "id");
    p->name = read_get_text(d->a, function, "name");
    p->cache = openai_cache_mark(d->a, call);
    struct str text = STR_LIT("");
    if (read_get(function, "arguments", &v)) {
        text = v.type == JSON_STRING ? read_text(d->a, v) : v.raw;
    }
    p->arguments = arguments_of(d->a, text);
    p->signature = call_signature(d, call);
    p->signature_family = p->signature.ptr ? FAMILY_GEMINI : FAMILY_NONE;
    return p->arguments.ptr || openai_no_room(d);
}

/* LiteLLM's: [{"type":"thinking","thinking","signature"},{"type":"redacted_thinking","data"}]. Our
 * own streams send a block with the signature alone: its text is that of reasoning_content. */
static bool read_blocks(struct openai_decode *d, struct json_value blocks, struct str text,
                        struct list l)
{
    struct json_value o;
    for (size_t pos = 0; json_next(blocks, &pos, NULL, &o);) {
        bool redacted = str_eqz(read_get_text(d->a, o, "type"), "redacted_thinking");
        struct part *p = add(d, l, redacted ? PART_REDACTED_THINKING : PART_THINKING);
        if (!p) {
            return false;
        }
        if (redacted) {
            p->signature = read_get_text(d->a, o, "data");
            p->signature_family =
                openai_family_named(read_get_text(d->a, o, "signature_from"), FAMILY_MESSAGES);
            if (!p->signature.len) {
                --*l.n;
            }
            continue;
        }
        if (!read_thinking_part(d, o, p)) {
            return false;
        }
        if (p->text.len == 0 && text.len) {
            p->text = text;
            text = STR_NONE;
        }
        if (p->text.len == 0 && !p->signature.len) {
            --*l.n;
        }
    }
    return true;
}

/* OpenRouter's: [{"type":"reasoning.text","text","signature","format"}, …summary, …encrypted]. */
static bool read_details(struct openai_decode *d, struct json_value details, struct list l)
{
    struct json_value o;
    for (size_t pos = 0; json_next(details, &pos, NULL, &o);) {
        struct openai_detail t;
        if (!openai_read_detail(d->a, o, &t)) {
            continue;
        }
        struct part *p = add(d, l, t.encrypted ? PART_REDACTED_THINKING : PART_THINKING);
        if (!p) {
            return false;
        }
        p->text = t.encrypted ? STR_NONE : t.text.ptr ? t.text : STR_LIT("");
        p->signature = t.signature;
        p->signature_family = t.signature.ptr ? t.family : FAMILY_NONE;
    }
    return true;
}

bool openai_chat_read_thinking(struct openai_decode *d, struct json_value message,
                               struct part **parts, size_t *n, size_t *cap)
{
    struct list l = {parts, n, cap};
    struct json_value v;
    size_t before = *n;
    struct str text = openai_reasoning_text(d->a, message);
    if (read_get(message, "thinking_blocks", &v) && v.type == JSON_ARRAY &&
        !read_blocks(d, v, text, l)) {
        return false;
    }
    if (*n == before && read_get(message, "reasoning_details", &v) && v.type == JSON_ARRAY &&
        !read_details(d, v, l)) {
        return false;
    }
    if (*n == before && text.len) {
        struct part *p = add(d, l, PART_THINKING);
        if (!p) {
            return false;
        }
        p->text = text;
    }
    return true;
}
