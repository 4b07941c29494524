/* Converse's content blocks to parts; see converse_parts.h.
 *
 * A block that has more to it than its part can hold (S3 locations, guardContent's qualifiers,
 * documents in chunks) keeps its JSON in the part's `raw`: other dialects see the part, Bedrock
 * gets the block as it was. */
#include "dataplane/dialects/citation_hold.h"
#include "dataplane/dialects/converse_parts.h"

#include <stdio.h>

#define PATH_MAX_BYTES 64

struct reader {
    struct arena *a;
    struct converse_list *list;
    struct error *err;
    const char *path;
    bool nested; /* inside a tool's result */
};

static bool wrong(struct reader *r, const char *path, const char *what)
{
    if (r->err) {
        (void)error_set_param(r->err, ERR_INVALID_FIELD, path, "%s %s", path, what);
    }
    return false;
}

static bool read_list(struct reader *r, struct json_value array);

static bool out_of_room(struct error *err)
{
    return err ? error_set(err, ERR_INTERNAL, "out of room for the conversation") : false;
}

static struct part *add(struct reader *r, enum part_type type)
{
    struct part *p = part_add(r->a, &r->list->parts, &r->list->n, &r->list->cap);
    if (p) {
        p->type = type;
    } else {
        (void)out_of_room(r->err);
    }
    return p;
}

static void keep_raw(struct part *p, struct json_value block)
{
    p->raw = block.raw;
    p->family = FAMILY_CONVERSE;
}

/* The texts of [{"text":…}, …], joined. */
static struct str joined_texts(struct arena *a, struct json_value array, const char *between)
{
    struct part *parts = NULL;
    size_t n = 0, cap = 0, pos = 0;
    struct json_value item;
    while (json_next(array, &pos, NULL, &item)) {
        struct str text = read_get_text(a, item, "text");
        struct part *p = text.ptr ? part_add(a, &parts, &n, &cap) : NULL;
        if (p) {
            p->text = text;
        }
    }
    return parts_text(a, parts, n, str_of(between), NULL);
}

enum cache_mark converse_read_cache_point(struct arena *a, struct json_value point)
{
    return str_eqz(read_get_text(a, point, "ttl"), "1h") ? CACHE_1H : CACHE_5M;
}

/* source{bytes|text|content|s3Location} of image, document, video and audio. */
static bool read_source(struct reader *r, struct json_value media, struct json_value block,
                        const char *path, struct part *p)
{
    struct json_value source, v;
    if (!read_get(media, "source", &source)) {
        return wrong(r, path, "needs a source");
    }
    p->media.data = read_get_text(r->a, source, "bytes");
    if (p->media.data.ptr) {
        return true;
    }
    if (read_get(source, "s3Location", &v)) {
        p->media.url = read_get_text(r->a, v, "uri");
        keep_raw(p, block);
    } else if (p->type == PART_DOCUMENT && read_get(source, "text", &v)) {
        p->media.text = read_text(r->a, v);
    } else if (p->type == PART_DOCUMENT && read_get(source, "content", &v)) {
        p->media.text = joined_texts(r->a, v, "\n");
        keep_raw(p, block);
    }
    if (!p->media.url.ptr && !p->media.text.ptr) {
        return wrong(r, path, "needs a source of bytes or s3Location");
    }
    return true;
}

static bool read_media(struct reader *r, enum part_type type, struct json_value media,
                       struct json_value block, const char *path)
{
    struct part *p = add(r, type);
    struct json_value v, enabled;
    if (!p) {
        return false;
    }
    struct str format = read_get_text(r->a, media, "format");
    p->media.media_type = media_type_of_format(format);
    if (type == PART_AUDIO || type == PART_VIDEO) {
        p->media.format = format;
    }
    /* "webm" and "mp4" are films in the table of endings */
    if (type == PART_AUDIO && str_starts(p->media.media_type, STR_LIT("video/"))) {
        p->media.media_type = arena_printf(r->a, "audio/%.*s", STR_ARG(format));
    }
    p->media.name = read_get_text(r->a, media, "name");
    p->media.context = read_get_text(r->a, media, "context");
    if (read_get(media, "citations", &v) && read_get(v, "enabled", &enabled)) {
        p->media.citations = enabled.type == JSON_TRUE;
    }
    return read_source(r, media, block, path, p);
}

static bool read_tool_use(struct reader *r, struct json_value use, struct json_value block,
                          const char *path)
{
    struct json_value v;
    bool server = read_get(use, "type", &v); /* a tool that Bedrock itself runs */
    struct part *p = add(r, server ? PART_NATIVE : PART_TOOL_CALL);
    if (!p) {
        return false;
    }
    if (server) {
        keep_raw(p, block);
        return true;
    }
    p->id = read_get_text(r->a, use, "toolUseId");
    p->name = read_get_text(r->a, use, "name");
    if (!p->name.ptr) {
        return wrong(r, path, "needs a name");
    }
    /* Bedrock gives "" for a call without arguments, at least in streams */
    p->arguments = read_get(use, "input", &v) && v.type == JSON_OBJECT ? v.raw : STR_LIT("{}");
    if (read_get(use, "input", &v) && v.type == JSON_STRING) {
        p->arguments = arguments_of(r->a, read_text(r->a, v));
    }
    return true;
}

static bool read_tool_result(struct reader *r, struct json_value result, struct json_value block,
                             const char *path)
{
    struct json_value v;
    struct converse_list inner = {.n = 0};
    char inside[PATH_MAX_BYTES];
    bool server = read_get(result, "type", &v);
    struct part *p = add(r, server ? PART_NATIVE : PART_TOOL_RESULT);
    if (!p) {
        return false;
    }
    if (server) {
        keep_raw(p, block);
        return true;
    }
    p->id = read_get_text(r->a, result, "toolUseId");
    if (!p->id.ptr) {
        return wrong(r, path, "needs a toolUseId");
    }
    p->is_error = str_eqz(read_get_text(r->a, result, "status"), "error");
    if (!read_get(result, "content", &v)) {
        return true;
    }
    if (r->nested || v.type != JSON_ARRAY) {
        return wrong(r, path, "needs a list of content");
    }
    (void)snprintf(inside, sizeof(inside), "%.48s.content", path);
    struct reader deeper = {r->a, &inner, r->err, inside, true};
    if (!read_list(&deeper, v)) {
        return false;
    }
    p->parts = inner.parts;
    p->n_parts = inner.n;
    return true;
}

static bool read_reasoning(struct reader *r, struct json_value v, struct json_value block)
{
    struct json_value text;
    struct part *p = add(r, PART_THINKING);
    if (!p) {
        return false;
    }
    p->signature_family = FAMILY_MESSAGES;
    if (read_get(v, "reasoningText", &text)) {
        p->text = read_get_text(r->a, text, "text");
        p->signature = read_get_text(r->a, text, "signature");
        if (!p->text.ptr) {
            p->text = STR_LIT("");
        }
        return true;
    }
    p->type = PART_REDACTED_THINKING;
    p->signature = read_get_text(r->a, v, "redactedContent");
    if (!p->signature.ptr) {
        p->type = PART_NATIVE; /* of a kind that is not known yet */
        keep_raw(p, block);
    }
    return true;
}

static bool add_citation(struct arena *a, struct part *p, size_t *cap, struct json_value v)
{
    if (p->n_citations == *cap) {
        size_t more = *cap ? *cap * 2 : 4;
        struct citation *bigger = arena_alloc(a, more * sizeof(*bigger));
        if (!bigger) {
            return false;
        }
        if (p->n_citations) {
            memcpy(bigger, p->citations, p->n_citations * sizeof(*bigger));
        }
        p->citations = bigger;
        *cap = more;
    }
    converse_read_citation(a, v, &p->citations[p->n_citations++]);
    return true;
}

static bool read_citations_content(struct reader *r, struct json_value v)
{
    struct json_value list, item;
    size_t pos = 0, cap = 0;
    struct part *p = add(r, PART_TEXT);
    if (!p) {
        return false;
    }
    p->text = read_get(v, "content", &list) ? joined_texts(r->a, list, "") : STR_LIT("");
    if (read_get(v, "citations", &list)) {
        while (json_next(list, &pos, NULL, &item)) {
            if (!add_citation(r->a, p, &cap, item)) {
                return out_of_room(r->err);
            }
            /* a block per cited statement: it is about the whole */
            p->citations[p->n_citations - 1].start = 0;
            p->citations[p->n_citations - 1].end = citation_characters(p->text);
        }
    }
    return true;
}

/* guardContent{text{text,qualifiers}|image}: what it holds is the user's own content, only marked
 * for the guardrail. */
static bool read_guard(struct reader *r, struct json_value v, struct json_value block,
                       const char *path)
{
    struct json_value inner;
    if (read_get(v, "image", &inner)) {
        if (!read_media(r, PART_IMAGE, inner, block, path)) {
            return false;
        }
        keep_raw(&r->list->parts[r->list->n - 1], block);
        return true;
    }
    struct part *p = add(r, PART_TEXT);
    if (!p) {
        return false;
    }
    p->text = read_get(v, "text", &inner) ? read_get_text(r->a, inner, "text") : STR_NONE;
    if (!p->text.ptr) {
        return wrong(r, path, "needs a text or an image");
    }
    keep_raw(p, block);
    return true;
}

static bool read_search_result(struct reader *r, struct json_value v, struct json_value block)
{
    struct json_value list;
    struct part *p = add(r, PART_DOCUMENT);
    if (!p) {
        return false;
    }
    p->media.text = read_get(v, "content", &list) ? joined_texts(r->a, list, "\n") : STR_LIT("");
    p->media.name = read_get_text(r->a, v, "title");
    p->media.media_type = STR_LIT("text/plain");
    keep_raw(p, block);
    return true;
}

static bool read_plain(struct reader *r, struct str text, struct json_value block, bool json)
{
    struct part *p = add(r, PART_TEXT);
    if (!p) {
        return false;
    }
    p->text = text;
    if (json) {
        keep_raw(p, block);
    }
    return true;
}

/* The member that says which kind of block it is, and its value; absent: none. */
static bool block_kind(struct json_value block, struct json_value *ret_name,
                       struct json_value *ret_value)
{
    size_t pos = 0;
    while (json_next(block, &pos, ret_name, ret_value)) {
        if (ret_value->type != JSON_NULL) {
            return true;
        }
    }
    return false;
}

static bool read_block(struct reader *r, struct json_value block, const char *path)
{
    static const struct {
        const char *name;
        enum part_type type;
    } media[] = {{"image", PART_IMAGE},
                 {"document", PART_DOCUMENT},
                 {"video", PART_VIDEO},
                 {"audio", PART_AUDIO}};
    struct json_value name, v;
    if (!block_kind(block, &name, &v)) {
        return wrong(r, path, "must be a content block");
    }
    if (json_text_eq(name, STR_LIT("text"))) {
        struct str text = read_text(r->a, v);
        return text.ptr ? read_plain(r, text, block, false) : wrong(r, path, "needs a text");
    }
    for (size_t i = 0; i < sizeof(media) / sizeof(media[0]); i++) {
        if (json_text_eq(name, str_of(media[i].name))) {
            return read_media(r, media[i].type, v, block, path);
        }
    }
    if (json_text_eq(name, STR_LIT("toolUse"))) {
        return read_tool_use(r, v, block, path);
    }
    if (json_text_eq(name, STR_LIT("toolResult"))) {
        return read_tool_result(r, v, block, path);
    }
    if (json_text_eq(name, STR_LIT("reasoningContent"))) {
        return read_reasoning(r, v, block);
    }
    if (json_text_eq(name, STR_LIT("citationsContent"))) {
        return read_citations_content(r, v);
    }
    if (json_text_eq(name, STR_LIT("guardContent"))) {
        return read_guard(r, v, block, path);
    }
    if (json_text_eq(name, STR_LIT("searchResult"))) {
        return read_search_result(r, v, block);
    }
    if (r->nested && json_text_eq(name, STR_LIT("json"))) {
        return read_plain(r, v.raw, block, true);
    }
    if (json_text_eq(name, STR_LIT("cachePoint"))) {
        if (r->list->n > 0) {
            r->list->parts[r->list->n - 1].cache = converse_read_cache_point(r->a, v);
        }
        return true;
    }
    struct part *p = add(r, PART_NATIVE);
    if (p) {
        keep_raw(p, block);
    }
    return p != NULL;
}

static bool read_list(struct reader *r, struct json_value array)
{
    struct json_value block;
    size_t pos = 0;
    for (unsigned i = 0; json_next(array, &pos, NULL, &block); i++) {
        char where[PATH_MAX_BYTES];
        size_t before = r->list->n;
        (void)snprintf(where, sizeof(where), "%.48s[%u]", r->path, i);
        if (!read_block(r, block, where)) {
            if (r->err) {
                return false;
            }
            /* a reply is read as far as it makes sense */
            r->list->n = before;
        }
    }
    return true;
}

bool converse_read_blocks(struct arena *a, struct json_value array, const char *path,
                          struct converse_list *ret, struct error *err)
{
    struct reader r = {a, ret, err, path, false};
    return read_list(&r, array);
}
