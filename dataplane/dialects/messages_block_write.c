/* Neutral parts to Anthropic's content blocks, in requests and in answers. */
#include "dataplane/dialects/messages_inside.h"

void messages_write_text(struct json_writer *w, const char *name, struct str s)
{
    json_field_str(w, name, s.ptr ? s : STR_LIT(""));
}

static void write_optional(struct json_writer *w, const char *name, struct str s)
{
    if (s.ptr) {
        json_field_str(w, name, s);
    }
}

void messages_write_cache(struct json_writer *w, enum cache_mark mark)
{
    if (mark == CACHE_NONE) {
        return;
    }
    json_name(w, "cache_control");
    json_object_begin(w);
    json_field_z(w, "type", "ephemeral");
    if (mark == CACHE_1H) {
        json_field_z(w, "ttl", "1h");
    }
    json_object_end(w);
}

void messages_lose(const struct messages_writer *m, enum chat_field field)
{
    if (m->x->losses) {
        losses_add(m->x->losses, m->client, field);
    }
}

/* ---- what fits ---- */

static struct str type_of(const struct media *media)
{
    if (media->media_type.ptr) {
        return media->media_type;
    }
    struct str type = media->format.ptr ? media_type_of_format(media->format) : STR_NONE;
    return type.ptr ? type : media_type_of_name(media->name);
}

static bool text_like(struct str type)
{
    return str_starts(type, STR_LIT("text/")) || str_eqz(type, "application/json") ||
           str_eqz(type, "application/xml");
}

/* Own files only; URLs are fetched by Anthropic's own API, not by the clouds. */
static bool media_reachable(const struct messages_writer *m, const struct media *media)
{
    if (m->client == FAMILY_MESSAGES) {
        return true;
    }
    if (media->file_id.ptr) {
        return false;
    }
    return !media->url.ptr || m->flavour == MESSAGES_API || m->flavour == MESSAGES_COUNT;
}

static enum messages_fit media_fit(const struct messages_writer *m, const struct part *p,
                                   enum chat_field field, enum chat_field *ret_lost)
{
    struct str type = type_of(&p->media);
    bool ok = media_reachable(m, &p->media);
    if (p->type == PART_DOCUMENT && p->media.data.ptr && type.ptr) {
        ok = ok && (str_eqz(type, "application/pdf") || text_like(type));
    }
    if (!p->media.url.ptr && !p->media.data.ptr && !p->media.text.ptr && !p->media.file_id.ptr) {
        ok = false;
    }
    *ret_lost = field;
    return ok ? FIT_WRITE : FIT_LOSE;
}

static enum messages_fit thinking_fit(const struct messages_writer *m, const struct part *p,
                                      enum chat_field *ret_lost)
{
    if (m->reply) {
        return FIT_WRITE;
    }
    if (p->signature.len == 0) {
        return FIT_SKIP; /* an unsigned thought cannot be proven, and nobody misses it */
    }
    *ret_lost = FIELD_THINKING;
    return p->signature_family == FAMILY_MESSAGES ? FIT_WRITE : FIT_LOSE;
}

enum messages_fit messages_part_fit(const struct messages_writer *m, const struct part *p,
                                    enum chat_field *ret_lost)
{
    switch (p->type) {
    case PART_TEXT:
    case PART_REFUSAL:
        return text_blank(p->text) && !(m->reply && p->text.len) ? FIT_SKIP : FIT_WRITE;
    case PART_IMAGE:
        return m->reply ? FIT_SKIP : media_fit(m, p, FIELD_IMAGE, ret_lost);
    case PART_DOCUMENT:
        return m->reply ? FIT_SKIP : media_fit(m, p, FIELD_DOCUMENT, ret_lost);
    case PART_AUDIO:
        /* what was said can be read */
        *ret_lost = FIELD_AUDIO;
        return !text_blank(p->text) ? FIT_WRITE : m->reply ? FIT_SKIP : FIT_LOSE;
    case PART_VIDEO:
        *ret_lost = FIELD_VIDEO;
        return FIT_LOSE;
    case PART_THINKING:
    case PART_REDACTED_THINKING:
        return thinking_fit(m, p, ret_lost);
    case PART_NATIVE:
        *ret_lost = FIELD_CONTENT;
        return p->family == FAMILY_MESSAGES && p->raw.ptr ? FIT_WRITE : FIT_LOSE;
    default:
        return FIT_WRITE;
    }
}

/* ---- blocks ---- */

void messages_write_citation(struct json_writer *w, const struct citation *c)
{
    if (c->family == FAMILY_MESSAGES && c->raw.ptr) {
        json_put_raw(w, c->raw);
        return;
    }
    json_object_begin(w);
    if (c->url.ptr) {
        json_field_z(w, "type", "web_search_result_location");
        messages_write_text(w, "cited_text", c->cited_text);
        json_field_z(w, "encrypted_index", "");
        json_field_str(w, "title", c->title);
        json_field_str(w, "url", c->url);
    } else if (c->document >= 0 || c->page_start >= 0) {
        bool pages = c->page_start >= 0;
        json_field_z(w, "type", pages ? "page_location" : "char_location");
        messages_write_text(w, "cited_text", c->cited_text);
        json_field_i64(w, "document_index", c->document >= 0 ? c->document : 0);
        json_field_str(w, "document_title", c->title);
        json_field_str(w, "file_id", STR_NONE);
        json_field_i64(w, pages ? "start_page_number" : "start_char_index",
                       pages ? c->page_start : 0);
        json_field_i64(w, pages ? "end_page_number" : "end_char_index",
                       !pages                        ? 0
                       : c->page_end > c->page_start ? c->page_end
                                                     : c->page_start + 1);
    } else {
        json_field_z(w, "type", "search_result_location");
        messages_write_text(w, "cited_text", c->cited_text);
        json_field_u64(w, "search_result_index", 0);
        messages_write_text(w, "source", c->source);
        json_field_str(w, "title", c->title);
        json_field_u64(w, "start_block_index", 0);
        json_field_u64(w, "end_block_index", 0);
    }
    json_object_end(w);
}

/* Citations hold proofs that only Anthropic makes; what Weir wrote in the name of another provider
 * has an empty one. */
static bool citation_fits(const struct messages_writer *m, const struct citation *c)
{
    struct json_value v, proof;
    if (m->reply) {
        return true;
    }
    return c->family == FAMILY_MESSAGES && c->raw.ptr && read_json(c->raw, &v) &&
           !(read_get(v, "encrypted_index", &proof) && json_text_eq(proof, STR_LIT("")));
}

static void write_citations(struct messages_writer *m, const struct part *p)
{
    bool begun = false;
    for (size_t i = 0; i < p->n_citations; i++) {
        const struct citation *c = &p->citations[i];
        if (!citation_fits(m, c)) {
            messages_lose(m, FIELD_CITATIONS);
            continue;
        }
        if (!begun) {
            json_name(&m->w, "citations");
            json_array_begin(&m->w);
            begun = true;
        }
        messages_write_citation(&m->w, c);
    }
    if (begun) {
        json_array_end(&m->w);
    }
}

static void write_text_part(struct messages_writer *m, const struct part *p)
{
    json_field_z(&m->w, "type", "text");
    messages_write_text(&m->w, "text", p->text);
    write_citations(m, p);
    messages_write_cache(&m->w, p->cache);
    if (p->type == PART_AUDIO && !m->reply) {
        messages_lose(m, FIELD_AUDIO);
    }
}

static void write_source(struct messages_writer *m, const struct media *media, struct str type,
                         bool as_text)
{
    json_name(&m->w, "source");
    json_object_begin(&m->w);
    if (media->file_id.ptr) {
        json_field_z(&m->w, "type", "file");
        json_field_str(&m->w, "file_id", media->file_id);
    } else if (media->url.ptr) {
        json_field_z(&m->w, "type", "url");
        json_field_str(&m->w, "url", media->url);
    } else if (media->text.ptr || as_text) {
        json_field_z(&m->w, "type", "text");
        json_field_z(&m->w, "media_type", "text/plain");
        messages_write_text(&m->w, "data",
                            media->text.ptr ? media->text : base64_bytes(m->a, media->data));
    } else {
        json_field_z(&m->w, "type", "base64");
        json_field_str(&m->w, "media_type", type);
        json_field_str(&m->w, "data", media->data);
    }
    json_object_end(&m->w);
}

static void write_image(struct messages_writer *m, const struct part *p)
{
    struct str type = type_of(&p->media);
    if (str_eqz(type, "image/jpg")) {
        type = STR_LIT("image/jpeg");
    }
    json_field_z(&m->w, "type", "image");
    write_source(m, &p->media, type.ptr ? type : STR_LIT("image/png"), false);
    messages_write_cache(&m->w, p->cache);
}

static void write_document(struct messages_writer *m, const struct part *p)
{
    struct str type = type_of(&p->media);
    json_field_z(&m->w, "type", "document");
    write_source(m, &p->media, type.ptr ? type : STR_LIT("application/pdf"),
                 p->media.data.ptr && text_like(type));
    write_optional(&m->w, "title", p->media.name);
    write_optional(&m->w, "context", p->media.context);
    if (p->media.citations) {
        json_name(&m->w, "citations");
        json_object_begin(&m->w);
        json_field_bool(&m->w, "enabled", true);
        json_object_end(&m->w);
    }
    messages_write_cache(&m->w, p->cache);
}

/* Calls and results without an id are matched by their order. */
static struct str id_or_number(struct messages_writer *m, struct str id, unsigned number)
{
    if (id.len) {
        return m->reply ? id : messages_id(m->a, id);
    }
    return arena_printf(m->a, "toolu_%.*s_%u", STR_ARG(m->x->unique), number);
}

static void write_tool_call(struct messages_writer *m, const struct part *p)
{
    json_field_z(&m->w, "type", "tool_use");
    json_field_str(&m->w, "id", id_or_number(m, p->id, m->calls++));
    messages_write_text(&m->w, "name", m->reply ? p->name : messages_tool_name(m->a, p->name));
    json_name(&m->w, "input");
    json_put_raw(&m->w, arguments_of(m->a, p->arguments.ptr ? p->arguments : STR_LIT("")));
    messages_write_cache(&m->w, p->cache);
}

static void write_tool_result(struct messages_writer *m, const struct part *p)
{
    bool begun = false;
    json_field_z(&m->w, "type", "tool_result");
    json_field_str(&m->w, "tool_use_id", id_or_number(m, p->id, m->results++));
    for (size_t i = 0; i < p->n_parts; i++) {
        const struct part *inner = &p->parts[i];
        enum chat_field lost;
        enum messages_fit fit = messages_part_fit(m, inner, &lost);
        if (inner->type == PART_TOOL_RESULT || inner->type == PART_TOOL_CALL || fit == FIT_SKIP) {
            continue;
        }
        if (fit == FIT_LOSE) {
            messages_lose(m, lost);
            continue;
        }
        if (!begun) {
            json_name(&m->w, "content");
            json_array_begin(&m->w);
            begun = true;
        }
        messages_write_part(m, inner);
    }
    if (begun) {
        json_array_end(&m->w);
    }
    if (p->is_error) {
        json_field_bool(&m->w, "is_error", true);
    }
    messages_write_cache(&m->w, p->cache);
}

static void write_thinking(struct messages_writer *m, const struct part *p)
{
    struct str signature = p->signature.ptr ? messages_signature_text(m->a, p->signature_family,
                                                                      STR_NONE, p->signature)
                                            : STR_LIT("");
    if (p->type == PART_REDACTED_THINKING) {
        json_field_z(&m->w, "type", "redacted_thinking");
        messages_write_text(&m->w, "data", signature);
        return;
    }
    json_field_z(&m->w, "type", "thinking");
    messages_write_text(&m->w, "thinking", p->text);
    messages_write_text(&m->w, "signature", signature);
}

/* The proof that another family wants back with its tool call stands in an empty thought of its
 * own: clients send thoughts back, and Anthropic's calls have no place for it. */
static void write_call_signature(struct messages_writer *m, const struct part *p)
{
    json_object_begin(&m->w);
    json_field_z(&m->w, "type", "thinking");
    json_field_z(&m->w, "thinking", "");
    json_field_str(&m->w, "signature",
                   messages_signature_text(m->a, p->signature_family, p->id, p->signature));
    json_object_end(&m->w);
}

void messages_write_part(struct messages_writer *m, const struct part *p)
{
    if (p->type == PART_NATIVE) {
        json_put_raw(&m->w, p->raw);
        return;
    }
    if (p->type == PART_DOCUMENT && p->raw.ptr && p->family == FAMILY_MESSAGES) {
        json_put_raw(&m->w, p->raw); /* with all that the neutral form has no place for */
        return;
    }
    if (m->reply && p->type == PART_TOOL_CALL && p->signature.ptr && p->id.len &&
        p->signature_family != FAMILY_MESSAGES) {
        write_call_signature(m, p);
    }
    json_object_begin(&m->w);
    switch (p->type) {
    case PART_IMAGE:
        write_image(m, p);
        break;
    case PART_DOCUMENT:
        write_document(m, p);
        break;
    case PART_TOOL_CALL:
        write_tool_call(m, p);
        break;
    case PART_TOOL_RESULT:
        write_tool_result(m, p);
        break;
    case PART_THINKING:
    case PART_REDACTED_THINKING:
        write_thinking(m, p);
        break;
    default:
        write_text_part(m, p);
        break;
    }
    json_object_end(&m->w);
}
