/* The neutral conversation as Bedrock wants it: roles alternate, results of tools stand in the
 * user's messages, no text is blank, images are bytes, documents have names of their own. See
 * converse_parts.h. */
#include "dataplane/dialects/converse_parts.h"
#include "dataplane/dialects/tool_shape.h"

#include <ctype.h>
#include <stdio.h>

#define NAME_MAX_BYTES 200
#define NAMES_COMPARED \
    64 /* Bedrock takes five documents; past this a number alone sets them apart */

struct writer {
    struct json_writer *w;
    const struct chat_request *q;
    const struct exchange_context *x;
    struct arena *a;
    struct error *err;
    bool own;                /* the client speaks Converse: its words go as they are */
    bool claude;             /* the model is Anthropic's */
    bool caches;             /* the model knows cache points */
    const char *role;        /* of the message that is open; NULL: none */
    size_t message, part;    /* where in the request, for errors */
    size_t written;          /* blocks of the message at hand */
    unsigned calls, results; /* numbers of those without an id */
    struct str names[NAMES_COMPARED];
    size_t n_names;
};

static void lose(struct writer *s, enum chat_field field)
{
    losses_add(s->x->losses, s->q->family, field);
}

/* A block is about to be written: opens the message of this role, or goes on with it. */
static void begin_block(struct writer *s, const char *role)
{
    s->written++;
    if (s->role && strcmp(s->role, role) == 0) {
        return;
    }
    if (s->role) {
        json_array_end(s->w);
        json_object_end(s->w);
    }
    s->role = role;
    json_object_begin(s->w);
    json_field_z(s->w, "role", role);
    json_name(s->w, "content");
    json_array_begin(s->w);
}

/* ---- documents ---- */

/* Letters, digits, single blanks, hyphens, parentheses and brackets are all that Bedrock allows. */
static struct str clean_name(struct arena *a, struct str name)
{
    size_t n = 0, dot = name.len;
    char *out = arena_alloc(a, NAME_MAX_BYTES + 24);
    if (!out) {
        return STR_LIT("document");
    }
    while (dot > 0 && name.len - dot < 6 && name.ptr[dot - 1] != '.') {
        dot--;
    }
    if (dot > 1 && name.ptr[dot - 1] == '.' && dot < name.len) {
        name.len = dot - 1; /* the format says it already */
    }
    for (size_t i = 0; i < name.len && n < NAME_MAX_BYTES; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if ((c & 0xc0) == 0x80) {
            continue; /* the rest of a letter that is not ASCII */
        }
        char put = c < 0x80 && (isalnum(c) || strchr("-()[]", c)) && c ? (char)c : '-';
        if (c == ' ' || c == '\t' || c == '\n' || c == '_') {
            put = ' ';
        }
        if (put == ' ' && (n == 0 || out[n - 1] == ' ')) {
            continue;
        }
        out[n++] = put;
    }
    while (n > 0 && out[n - 1] == ' ') {
        n--;
    }
    return n ? (struct str){out, n} : STR_LIT("document");
}

static bool name_taken(const struct writer *s, struct str name)
{
    for (size_t i = 0; i < s->n_names && i < NAMES_COMPARED; i++) {
        if (str_eq(s->names[i], name)) {
            return true;
        }
    }
    return false;
}

static struct str document_name(struct writer *s, const struct media *m)
{
    struct str base = clean_name(s->a, m->name.ptr ? m->name : STR_LIT("document"));
    struct str name = base;
    size_t number = s->n_names < NAMES_COMPARED ? 2 : s->n_names + 1;
    while ((s->n_names >= NAMES_COMPARED && name.ptr == base.ptr) || name_taken(s, name)) {
        name = arena_printf(s->a, "%.*s %zu", STR_ARG(base), number++);
        if (!name.ptr) {
            return base;
        }
    }
    if (s->n_names < NAMES_COMPARED) {
        s->names[s->n_names] = name;
    }
    s->n_names++;
    return name;
}

static bool put_document(struct writer *s, const char *role, const struct part *p)
{
    const struct media *m = &p->media;
    struct str format = converse_document_format(m);
    struct str data = m->data.ptr ? m->data : m->text.ptr ? base64_text(s->a, m->text) : STR_NONE;
    if (!format.ptr || data.len == 0) {
        lose(s, FIELD_DOCUMENT);
        return false;
    }
    if (role) {
        begin_block(s, role);
    }
    json_object_begin(s->w);
    json_name(s->w, "document");
    json_object_begin(s->w);
    json_field_str(s->w, "format", format);
    json_field_str(s->w, "name", document_name(s, m));
    json_name(s->w, "source");
    json_object_begin(s->w);
    json_field_str(s->w, "bytes", data);
    json_object_end(s->w);
    if (m->context.ptr) {
        json_field_str(s->w, "context", m->context);
    }
    if (m->citations) {
        json_name(s->w, "citations");
        json_object_begin(s->w);
        json_field_bool(s->w, "enabled", true);
        json_object_end(s->w);
    }
    json_object_end(s->w);
    json_object_end(s->w);
    return true;
}

/* ---- other media ---- */

static bool put_media(struct writer *s, const char *role, const struct part *p)
{
    static const struct {
        enum part_type type;
        const char *name;
        enum chat_field field;
        struct str (*format)(const struct media *m);
    } kinds[] = {{PART_IMAGE, "image", FIELD_IMAGE, converse_image_format},
                 {PART_VIDEO, "video", FIELD_VIDEO, converse_video_format},
                 {PART_AUDIO, "audio", FIELD_AUDIO, converse_audio_format}};
    size_t k = 0;
    while (kinds[k].type != p->type) {
        k++;
    }
    struct str format = p->media.data.len ? kinds[k].format(&p->media) : STR_NONE;
    if (!format.ptr) {
        lose(s, kinds[k].field);
        return false;
    }
    if (role) {
        begin_block(s, role);
    }
    json_object_begin(s->w);
    json_name(s->w, kinds[k].name);
    json_object_begin(s->w);
    json_field_str(s->w, "format", format);
    json_name(s->w, "source");
    json_object_begin(s->w);
    json_field_str(s->w, "bytes", p->media.data);
    json_object_end(s->w);
    json_object_end(s->w);
    json_object_end(s->w);
    return true;
}

static void put_text(struct json_writer *w, struct str text)
{
    json_object_begin(w);
    json_field_str(w, "text", text);
    json_object_end(w);
}

/* ---- the results of tools ---- */

static void put_inner(struct writer *s, const struct part *p)
{
    if (s->own && p->raw.ptr && p->family == FAMILY_CONVERSE) {
        json_put_raw(s->w, p->raw);
        return;
    }
    switch (p->type) {
    case PART_TEXT:
    case PART_REFUSAL:
        if (!text_blank(p->text)) {
            put_text(s->w, p->text);
        }
        break;
    case PART_IMAGE:
    case PART_VIDEO:
        (void)put_media(s, NULL, p);
        break;
    case PART_DOCUMENT:
        (void)put_document(s, NULL, p);
        break;
    default:
        lose(s, FIELD_CONTENT);
        break;
    }
}

/* Calls and results without an id are matched by their order. */
static struct str tool_id(struct writer *s, struct str id, unsigned number)
{
    if (!id.len) {
        id = arena_printf(s->a, "tooluse_%.*s_%u", STR_ARG(s->x->unique), number);
    }
    return s->own ? id : tool_text(s->a, id, CONVERSE_TOOL_MAX);
}

static void put_tool_call(struct writer *s, const struct part *p)
{
    struct part call = *p;
    call.id = tool_id(s, p->id, s->calls++);
    call.name = s->own ? p->name : tool_text(s->a, p->name, CONVERSE_TOOL_MAX);
    begin_block(s, "assistant");
    converse_put_tool_use(s->w, s->a, &call);
}

static enum cache_mark put_tool_result(struct writer *s, const struct part *p)
{
    enum cache_mark cache = p->cache;
    begin_block(s, "user");
    json_object_begin(s->w);
    json_name(s->w, "toolResult");
    json_object_begin(s->w);
    json_field_str(s->w, "toolUseId", tool_id(s, p->id, s->results++));
    json_name(s->w, "content");
    json_array_begin(s->w);
    for (size_t i = 0; i < p->n_parts; i++) {
        put_inner(s, &p->parts[i]);
        cache = p->parts[i].cache > cache ? p->parts[i].cache : cache;
    }
    json_array_end(s->w);
    if (p->is_error) {
        json_field_z(s->w, "status", "error");
    }
    json_object_end(s->w);
    json_object_end(s->w);
    return cache;
}

/* ---- parts ---- */

static void put_thinking(struct writer *s, const char *role, const struct part *p)
{
    bool redacted = p->type == PART_REDACTED_THINKING;
    bool fits = s->own || (s->claude && converse_signature_fits(p->signature_family));
    if (!p->signature.ptr && (redacted || !s->own)) {
        return; /* thoughts without proof are the model's own affair */
    }
    if (p->signature.ptr && !fits) {
        lose(s, FIELD_THINKING);
        return;
    }
    begin_block(s, role);
    if (!redacted) {
        converse_put_thinking(s->w, p, true);
        return;
    }
    json_object_begin(s->w);
    json_name(s->w, "reasoningContent");
    json_object_begin(s->w);
    json_field_str(s->w, "redactedContent", p->signature);
    json_object_end(s->w);
    json_object_end(s->w);
}

static void put_cited_text(struct writer *s, const struct part *p)
{
    json_object_begin(s->w);
    json_name(s->w, "citationsContent");
    json_object_begin(s->w);
    json_name(s->w, "content");
    json_array_begin(s->w);
    put_text(s->w, p->text);
    json_array_end(s->w);
    json_name(s->w, "citations");
    json_array_begin(s->w);
    for (size_t i = 0; i < p->n_citations; i++) {
        converse_put_citation(s->w, &p->citations[i]);
    }
    json_array_end(s->w);
    json_object_end(s->w);
    json_object_end(s->w);
}

static void put_text_part(struct writer *s, const char *role, const struct part *p)
{
    if (text_blank(p->text)) {
        return;
    }
    if (p->n_citations && !s->own) {
        lose(s, FIELD_CITATIONS);
    }
    begin_block(s, role);
    if (p->n_citations && s->own) {
        put_cited_text(s, p);
    } else {
        put_text(s->w, p->text);
    }
}

/* False: the part is something that this message must not do without (see message_done). */
static bool put_part(struct writer *s, const char *role, const struct part *p)
{
    bool ok = true;
    enum cache_mark cache = p->cache;
    size_t before = s->written;
    bool assistant = strcmp(role, "assistant") == 0;
    if (p->signature.ptr && (p->type == PART_TEXT || p->type == PART_TOOL_CALL)) {
        lose(s, FIELD_THINKING); /* no place for it here */
    }
    if (s->own && p->raw.ptr && p->family == FAMILY_CONVERSE) {
        begin_block(s, role);
        json_put_raw(s->w, p->raw);
    } else if (p->type == PART_TEXT || p->type == PART_REFUSAL) {
        put_text_part(s, role, p);
    } else if (p->type == PART_THINKING || p->type == PART_REDACTED_THINKING) {
        put_thinking(s, role, p);
    } else if (p->type == PART_TOOL_CALL) {
        put_tool_call(s, p);
    } else if (p->type == PART_TOOL_RESULT) {
        cache = put_tool_result(s, p);
    } else if (p->type == PART_NATIVE) {
        lose(s, FIELD_CONTENT);
        ok = false;
    } else if (assistant && p->type == PART_AUDIO && p->text.len) {
        struct part said = {.type = PART_TEXT, .text = p->text};
        lose(s, FIELD_AUDIO);
        put_text_part(s, role, &said);
    } else if (p->type == PART_DOCUMENT) {
        ok = put_document(s, role, p);
    } else {
        ok = put_media(s, role, p);
    }
    if (cache != CACHE_NONE && s->written > before) {
        if (s->caches) {
            converse_put_cache_point(s->w, cache);
        } else {
            lose(s, FIELD_CACHE_CONTROL);
        }
    }
    return ok;
}

static bool put_message(struct writer *s, const struct message *m)
{
    const char *role = m->role == ROLE_ASSISTANT ? "assistant" : "user";
    size_t lost = SIZE_MAX;
    s->written = 0;
    if (m->name.ptr) {
        lose(s, FIELD_NAME);
    }
    for (size_t i = 0; i < m->n_parts; i++) {
        struct part p = m->parts[i];
        bool last = s->message + 1 == s->q->n_messages && i + 1 == m->n_parts;
        s->part = i;
        /* an answer begun by the client must not end in white space */
        while (last && !s->own && m->role == ROLE_ASSISTANT && p.type == PART_TEXT && p.text.len &&
               strchr(" \t\r\n", p.text.ptr[p.text.len - 1])) {
            p.text.len--;
        }
        if (!put_part(s, role, &p) && lost == SIZE_MAX) {
            lost = i;
        }
    }
    if (s->written == 0 && lost != SIZE_MAX && m->role != ROLE_ASSISTANT) {
        char param[64];
        (void)snprintf(param, sizeof(param), "messages[%zu].content[%zu]", s->message, lost);
        return error_set_param(s->err, ERR_INVALID_FIELD, param,
                               "%s cannot be sent to this provider: it takes media as base64 data "
                               "of a known format only",
                               param);
    }
    return true;
}

/* ---- the system's texts ---- */

static void put_system_part(struct writer *s, const struct part *p, size_t *n)
{
    if (s->own && p->raw.ptr && p->family == FAMILY_CONVERSE) {
        if ((*n)++ == 0) {
            json_name(s->w, "system");
            json_array_begin(s->w);
        }
        json_put_raw(s->w, p->raw);
    } else if (p->type != PART_TEXT && p->type != PART_REFUSAL) {
        lose(s, FIELD_CONTENT);
        return;
    } else if (text_blank(p->text)) {
        return;
    } else {
        if ((*n)++ == 0) {
            json_name(s->w, "system");
            json_array_begin(s->w);
        }
        put_text(s->w, p->text);
    }
    if (p->cache != CACHE_NONE && s->caches) {
        converse_put_cache_point(s->w, p->cache);
    } else if (p->cache != CACHE_NONE) {
        lose(s, FIELD_CACHE_CONTROL);
    }
}

static bool is_system(const struct message *m)
{
    return m->role == ROLE_SYSTEM || m->role == ROLE_DEVELOPER;
}

bool converse_put_messages(struct json_writer *w, const struct chat_request *q,
                           const struct exchange_context *x, struct arena *a, struct error *err)
{
    struct writer s = {.w = w, .q = q, .x = x, .a = a, .err = err};
    size_t n_system = 0;
    s.own = q->family == FAMILY_CONVERSE;
    s.claude = converse_model_is(x->model, "anthropic.");
    s.caches = s.own || s.claude || converse_model_is(x->model, "amazon.nova");
    /* there must be a turn: a prompt that is all system is said by the user */
    bool only_system = !s.own;
    for (size_t i = 0; i < q->n_messages; i++) {
        only_system = only_system && is_system(&q->messages[i]);
    }
    for (size_t i = 0; !only_system && i < q->n_messages; i++) {
        for (size_t k = 0; is_system(&q->messages[i]) && k < q->messages[i].n_parts; k++) {
            put_system_part(&s, &q->messages[i].parts[k], &n_system);
        }
    }
    if (n_system) {
        json_array_end(w);
    }
    json_name(w, "messages");
    json_array_begin(w);
    for (size_t i = 0; i < q->n_messages; i++) {
        s.message = i;
        if ((only_system || !is_system(&q->messages[i])) && !put_message(&s, &q->messages[i])) {
            return false;
        }
    }
    if (s.role) {
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
    if (!s.role && !s.own) {
        return error_set_param(err, ERR_INVALID_FIELD, "messages",
                               "messages holds nothing to answer to");
    }
    return true;
}
