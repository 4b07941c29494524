/* Messages for a provider of chat completions. */
#include <stdio.h>

#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_chat_encode.h"
#include "dataplane/dialects/openai_target.h"
#include "dataplane/canonical/read.h"

void openai_chat_put_cache(struct openai_chat_writer *c, enum cache_mark mark)
{
    if (mark == CACHE_NONE) {
        return;
    }
    if (!openai_target_is(c->x, "openrouter dashscope dashscope-cn litellm")) {
        openai_lose(c->q, c->x, FIELD_CACHE_CONTROL);
        return;
    }
    json_name(&c->w, "cache_control");
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "ephemeral");
    if (mark == CACHE_1H) {
        json_field_z(&c->w, "ttl", "1h");
    }
    json_object_end(&c->w);
}

static void put_text_part(struct openai_chat_writer *c, struct str text, enum cache_mark cache)
{
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "text");
    json_field_str(&c->w, "text", text.ptr ? text : STR_LIT(""));
    openai_chat_put_cache(c, cache);
    json_object_end(&c->w);
}

static bool put_url_part(struct openai_chat_writer *c, const struct part *p, const char *type,
                         struct str url)
{
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", type);
    json_name(&c->w, type);
    json_object_begin(&c->w);
    json_field_str(&c->w, "url", url);
    if (p->media.detail.len) {
        json_field_str(&c->w, "detail", p->media.detail);
    }
    json_object_end(&c->w);
    openai_chat_put_cache(c, p->cache);
    json_object_end(&c->w);
    return true;
}

static bool put_image(struct openai_chat_writer *c, const struct part *p)
{
    struct str url = media_url(c->a, &p->media);
    if (!url.len) {
        openai_lose(c->q, c->x, FIELD_IMAGE);
        return false;
    }
    return put_url_part(c, p, "image_url", url);
}

static bool put_video(struct openai_chat_writer *c, const struct part *p)
{
    struct str url = media_url(c->a, &p->media);
    if (!url.len || openai_target_is_openai(c->x)) {
        openai_lose(c->q, c->x, FIELD_VIDEO);
        return false;
    }
    return put_url_part(c, p, "video_url", url);
}

static bool put_audio(struct openai_chat_writer *c, const struct part *p)
{
    struct str format =
        p->media.format.len ? p->media.format : media_format_of_type(p->media.media_type);
    if (!p->media.data.ptr || !format.len) {
        openai_lose(c->q, c->x, FIELD_AUDIO);
        return false;
    }
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "input_audio");
    json_name(&c->w, "input_audio");
    json_object_begin(&c->w);
    json_field_str(&c->w, "data", p->media.data);
    json_field_str(&c->w, "format", format);
    json_object_end(&c->w);
    openai_chat_put_cache(c, p->cache);
    json_object_end(&c->w);
    return true;
}

/* A file needs a name: Anthropic's and Gemini's have none. */
static struct str file_name(struct arena *a, const struct media *m)
{
    if (m->name.len) {
        return m->name;
    }
    struct str format = media_format_of_type(m->media_type);
    return format.len ? arena_printf(a, "document.%.*s", STR_ARG(format)) : STR_LIT("document.pdf");
}

static bool put_document(struct openai_chat_writer *c, const struct part *p)
{
    const struct media *m = &p->media;
    bool kin = c->q->family == FAMILY_CHAT || c->q->family == FAMILY_RESPONSES;
    bool url = m->url.ptr && openai_target_is(c->x, "openrouter");
    openai_lose_if(m->citations, c->q, c->x, FIELD_CITATIONS);
    if (m->text.ptr) { /* a plain text document is a text */
        put_text_part(c, m->text, p->cache);
        return true;
    }
    if (!m->data.ptr && !url && !(m->file_id.ptr && kin)) {
        openai_lose(c->q, c->x, FIELD_DOCUMENT);
        return false;
    }
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", "file");
    json_name(&c->w, "file");
    json_object_begin(&c->w);
    if (m->file_id.ptr && !m->data.ptr) {
        json_field_str(&c->w, "file_id", m->file_id);
    } else {
        struct media typed = *m;
        if (!typed.media_type.len) {
            typed.media_type = STR_LIT("application/pdf");
        }
        json_field_str(&c->w, "filename", file_name(c->a, m));
        json_field_str(&c->w, "file_data", media_url(c->a, &typed));
    }
    json_object_end(&c->w);
    openai_chat_put_cache(c, p->cache);
    json_object_end(&c->w);
    return true;
}

/* One part of a user's (or system's) content array; false: it is lost, and named. */
static bool put_part(struct openai_chat_writer *c, const struct part *p)
{
    switch (p->type) {
    case PART_TEXT:
        openai_lose_if(p->n_citations > 0, c->q, c->x, FIELD_CITATIONS);
        put_text_part(c, p->text, p->cache);
        return true;
    case PART_IMAGE:
        return put_image(c, p);
    case PART_VIDEO:
        return put_video(c, p);
    case PART_AUDIO:
        return put_audio(c, p);
    case PART_DOCUMENT:
        return put_document(c, p);
    case PART_NATIVE:
        if (p->family == FAMILY_CHAT) {
            json_put_raw(&c->w, p->raw);
            return true;
        }
        openai_lose(c->q, c->x, FIELD_CONTENT);
        return false;
    default:
        openai_lose(c->q, c->x, FIELD_CONTENT);
        return false;
    }
}

static bool only_text(const struct part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].type != PART_TEXT) {
            return false;
        }
    }
    return true;
}

static bool any_cache(const struct part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].cache != CACHE_NONE) {
            return true;
        }
    }
    return false;
}

static void begin_message(struct openai_chat_writer *c, const char *role, struct str name)
{
    json_object_begin(&c->w);
    json_field_z(&c->w, "role", role);
    if (name.len) {
        json_field_str(&c->w, "name", name);
    }
}

/* Content of a system or user message. */
static bool put_content(struct openai_chat_writer *c, const struct message *m, size_t index)
{
    bool text = only_text(m->parts, m->n_parts);
    bool string = c->x->quirks & QUIRK_CONTENT_STRING;
    bool marked = any_cache(m->parts, m->n_parts);
    size_t written = 0;
    json_name(&c->w, "content");
    if (text && (string || (m->n_parts <= 1 && !marked))) {
        struct str between = m->role == ROLE_USER ? STR_LIT("\n") : STR_LIT("\n\n");
        struct str all = parts_text(c->a, m->parts, m->n_parts, between, NULL);
        openai_lose_if(marked, c->q, c->x, FIELD_CACHE_CONTROL);
        json_put_str(&c->w, all.ptr ? all : STR_LIT(""));
        return true;
    }
    json_array_begin(&c->w);
    for (size_t i = 0; i < m->n_parts; i++) {
        written += put_part(c, &m->parts[i]);
    }
    json_array_end(&c->w);
    if (written == 0 && m->n_parts) {
        char path[64];
        (void)snprintf(path, sizeof(path), "messages[%zu].content[0]", index);
        return error_set_param(c->err, ERR_INVALID_FIELD, path,
                               "%s is of a kind that this model cannot be given", path);
    }
    return true;
}

static void put_calls(struct openai_chat_writer *c, const struct message *m)
{
    bool begun = false;
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        bool native = p->type == PART_NATIVE && p->family == FAMILY_CHAT && p->id.ptr;
        if (p->type != PART_TOOL_CALL && !native) {
            continue;
        }
        if (!begun) {
            json_name(&c->w, "tool_calls");
            json_array_begin(&c->w);
            begun = true;
        }
        if (native) {
            json_put_raw(&c->w, p->raw);
            continue;
        }
        json_object_begin(&c->w);
        json_field_str(&c->w, "id", openai_call_id(c->a, c->q, FAMILY_CHAT, p->id));
        json_field_z(&c->w, "type", "function");
        json_name(&c->w, "function");
        json_object_begin(&c->w);
        json_field_str(&c->w, "name", openai_tool_name(c->a, c->q, FAMILY_CHAT, p->name));
        json_field_str(&c->w, "arguments", p->arguments.len ? p->arguments : STR_LIT("{}"));
        json_object_end(&c->w);
        if (p->signature.ptr) {
            bool google = p->signature_family == FAMILY_GEMINI &&
                          openai_target_is(c->x, "gemini-openai gemini vertex litellm");
            openai_lose_if(!google, c->q, c->x, FIELD_THINKING);
            if (google) {
                openai_put_thought_signature(&c->w, p->signature);
            }
        }
        openai_lose_if(p->cache != CACHE_NONE, c->q, c->x, FIELD_CACHE_CONTROL);
        json_object_end(&c->w);
    }
    if (begun) {
        json_array_end(&c->w);
    }
}

static void put_detail(struct openai_chat_writer *c, const struct part *p, unsigned index)
{
    bool encrypted = p->type == PART_REDACTED_THINKING;
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", encrypted ? "reasoning.encrypted" : "reasoning.text");
    if (encrypted) {
        json_field_str(&c->w, "data", p->signature);
    } else {
        json_field_str(&c->w, "text", p->text.ptr ? p->text : STR_LIT(""));
        if (p->signature.ptr) {
            json_field_str(&c->w, "signature", p->signature);
        }
    }
    json_field_z(&c->w, "format", openai_detail_format(p->signature_family));
    json_field_u64(&c->w, "index", index);
    json_object_end(&c->w);
}

/* Thoughts go back where they are understood; one without a proof is only the model's aside. */
static void put_thoughts(struct openai_chat_writer *c, const struct message *m)
{
    bool router = openai_target_is(c->x, "openrouter");
    bool plain = c->x->quirks & QUIRK_REASONING_CONTENT;
    struct part *texts = arena_zalloc(c->a, (m->n_parts + 1) * sizeof(*texts));
    unsigned n = 0;
    for (size_t i = 0; i < m->n_parts && texts; i++) {
        const struct part *p = &m->parts[i];
        if (p->type != PART_THINKING && p->type != PART_REDACTED_THINKING) {
            continue;
        }
        if (router) {
            if (n == 0) {
                json_name(&c->w, "reasoning_details");
                json_array_begin(&c->w);
            }
            put_detail(c, p, n++);
            continue;
        }
        openai_lose_if(p->signature.ptr && p->signature_family != FAMILY_CHAT, c->q, c->x,
                       FIELD_THINKING);
        if (p->type == PART_THINKING && p->text.len) {
            texts[n].type = PART_TEXT;
            texts[n++].text = p->text;
        }
    }
    if (router && n) {
        json_array_end(&c->w);
    } else if (plain && n) {
        json_field_str(&c->w, "reasoning_content", parts_text(c->a, texts, n, STR_LIT(""), NULL));
    }
}

/* A message of which all is lost would be an empty answer, which the model never gave. */
static bool is_sayable(const struct openai_chat_writer *c, const struct message *m)
{
    bool thinks = openai_target_is(c->x, "openrouter") || (c->x->quirks & QUIRK_REASONING_CONTENT);
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        bool thought = p->type == PART_THINKING || p->type == PART_REDACTED_THINKING;
        bool native = p->type == PART_NATIVE && (p->family != FAMILY_CHAT || !p->id.ptr);
        if (!native && (thinks || !thought) && p->type != PART_IMAGE) {
            return true;
        }
    }
    return m->n_parts == 0;
}

static void put_assistant(struct openai_chat_writer *c, const struct message *m)
{
    struct part *texts = arena_zalloc(c->a, (m->n_parts + 1) * sizeof(*texts));
    struct str refusal = STR_NONE, audio = STR_NONE;
    size_t n = 0, calls = 0;
    begin_message(c, "assistant", m->name);
    put_thoughts(c, m);
    for (size_t i = 0; i < m->n_parts && texts; i++) {
        const struct part *p = &m->parts[i];
        switch (p->type) {
        case PART_TEXT:
            texts[n++] = *p;
            openai_lose_if(p->n_citations > 0, c->q, c->x, FIELD_CITATIONS);
            break;
        case PART_REFUSAL:
            refusal = p->text;
            break;
        case PART_TOOL_CALL:
            calls++;
            break;
        case PART_THINKING:
        case PART_REDACTED_THINKING:
            break;
        case PART_AUDIO:
            audio = p->media.file_id;
            openai_lose_if(!audio.ptr, c->q, c->x, FIELD_AUDIO);
            break;
        case PART_IMAGE:
            openai_lose(c->q, c->x, FIELD_IMAGE);
            break;
        default:
            calls += p->type == PART_NATIVE && p->family == FAMILY_CHAT && p->id.ptr;
            openai_lose_if(p->type != PART_NATIVE || p->family != FAMILY_CHAT, c->q, c->x,
                           FIELD_CONTENT);
            break;
        }
    }
    json_name(&c->w, "content");
    if (n && any_cache(texts, n) && !(c->x->quirks & QUIRK_CONTENT_STRING)) {
        json_array_begin(&c->w);
        for (size_t i = 0; i < n; i++) {
            put_text_part(c, texts[i].text, texts[i].cache);
        }
        json_array_end(&c->w);
    } else if (n) {
        json_put_str(&c->w, parts_text(c->a, texts, n, STR_LIT(""), NULL));
    } else if (c->x->quirks & QUIRK_CONTENT_STRING || !(calls || refusal.ptr || audio.ptr)) {
        json_put_z(&c->w, "");
    } else {
        json_put_null(&c->w);
    }
    if (refusal.ptr) {
        json_field_str(&c->w, "refusal", refusal);
    }
    if (audio.ptr) {
        json_name(&c->w, "audio");
        json_object_begin(&c->w);
        json_field_str(&c->w, "id", audio);
        json_object_end(&c->w);
    }
    put_calls(c, m);
    json_object_end(&c->w);
}

/* The losses are named by put_assistant all the same: what it wrote is taken back. */
static void put_answer(struct openai_chat_writer *c, const struct message *m)
{
    struct json_writer before = c->w;
    size_t mark = c->w.out->len;
    put_assistant(c, m);
    if (!is_sayable(c, m)) {
        c->w.out->len = mark;
        c->w = before;
    }
}

/* A `tool` message carries text alone: other content follows in a user message of its own, behind
 * all results of the turn, in their order. */
static void put_results(struct openai_chat_writer *c, const struct message *m)
{
    size_t others = 0;
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct part *p = &m->parts[i];
        bool skipped = false;
        if (p->type != PART_TOOL_RESULT) {
            openai_lose(c->q, c->x, FIELD_CONTENT);
            continue;
        }
        begin_message(c, "tool", STR_NONE);
        json_field_str(&c->w, "tool_call_id", openai_call_id(c->a, c->q, FAMILY_CHAT, p->id));
        struct str text = parts_text(c->a, p->parts, p->n_parts, STR_LIT(""), &skipped);
        json_field_str(&c->w, "content", text.ptr ? text : STR_LIT(""));
        openai_chat_put_cache(c, p->cache);
        json_object_end(&c->w);
        others += skipped;
    }
    if (others == 0) {
        return;
    }
    struct buffer *out = c->w.out;
    struct json_writer before = c->w;
    size_t mark = out->len, written = 0;
    begin_message(c, "user", STR_NONE);
    json_name(&c->w, "content");
    json_array_begin(&c->w);
    for (size_t i = 0; i < m->n_parts; i++) {
        for (size_t k = 0; k < m->parts[i].n_parts; k++) {
            const struct part *p = &m->parts[i].parts[k];
            written += p->type != PART_TEXT && put_part(c, p);
        }
    }
    json_array_end(&c->w);
    json_object_end(&c->w);
    if (written == 0) {
        out->len = mark;
        c->w = before;
    }
}

bool openai_chat_put_messages(struct openai_chat_writer *c)
{
    static const char *const roles[] = {"system", "developer", "user"};
    json_name(&c->w, "messages");
    json_array_begin(&c->w);
    for (size_t i = 0; i < c->q->n_messages; i++) {
        const struct message *m = &c->q->messages[i];
        enum chat_role role = m->role;
        if (role == ROLE_DEVELOPER && (c->x->quirks & QUIRK_SYSTEM_ROLE)) {
            role = ROLE_SYSTEM;
        }
        if (role == ROLE_ASSISTANT) {
            put_answer(c, m);
        } else if (role == ROLE_TOOL) {
            put_results(c, m);
        } else {
            begin_message(c, roles[role], m->name);
            if (!put_content(c, m, i)) {
                return false;
            }
            json_object_end(&c->w);
        }
    }
    json_array_end(&c->w);
    return true;
}
