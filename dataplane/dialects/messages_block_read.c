/* Content blocks of Anthropic's Messages, of requests and of answers, to neutral parts. What is
 * known is read, with the path of what is wrong; what is not known stays raw. */
#include "dataplane/dialects/citation_hold.h"
#include "dataplane/dialects/messages_inside.h"

#include <inttypes.h>
#include <stdio.h>

bool messages_wrong(struct error *err, const struct messages_where *w, const char *member,
                    const char *text)
{
    char path[64];
    int n = 0;
    struct {
        const char *name;
        int64_t at;
    } steps[] = {{w->list, w->message}, {".content", w->block}, {".content", w->inner}};
    path[0] = '\0';
    for (size_t i = 0; i < 3; i++) {
        if (steps[i].at < 0) {
            continue;
        }
        /* a system prompt has its blocks where a request has its messages */
        n += snprintf(path + n, sizeof(path) - (size_t)n, "%s[%" PRId64 "]", steps[i].name,
                      steps[i].at);
        if (n >= (int)sizeof(path)) {
            n = (int)sizeof(path) - 1;
        }
    }
    (void)snprintf(path + n, sizeof(path) - (size_t)n, "%s%s", member[0] && n ? "." : "", member);
    return error_set_param(err, ERR_INVALID_FIELD, path, "%s: %s", path, text);
}

enum cache_mark messages_read_cache(struct json_value block)
{
    struct json_value mark, ttl;
    if (!read_get(block, "cache_control", &mark) || mark.type != JSON_OBJECT) {
        return CACHE_NONE;
    }
    if (read_get(mark, "ttl", &ttl) && json_text_eq(ttl, STR_LIT("1h"))) {
        return CACHE_1H;
    }
    return CACHE_5M;
}

/* Text of a member that a request must have. */
static bool must_text(const struct messages_reader *r, const struct messages_where *w,
                      struct json_value block, const char *name, struct str *ret)
{
    struct json_value v;
    if (!read_get(block, name, &v) || v.type != JSON_STRING) {
        *ret = STR_LIT("");
        return r->lenient || messages_wrong(r->err, w, name, "a string is required");
    }
    *ret = read_text(r->a, v);
    return ret->ptr || error_set(r->err, ERR_INTERNAL, "out of room");
}

static int64_t number_or(struct json_value v, const char *name, int64_t none)
{
    struct json_value n;
    int64_t i;
    return read_get(v, name, &n) && json_i64(n, &i) ? i : none;
}

struct citation messages_read_citation(struct arena *a, struct json_value v)
{
    struct str type = read_get_text(a, v, "type");
    struct citation c = {
        .url = read_get_text(a, v, "url"),
        .title = read_get_text(a, v, "title"),
        .cited_text = read_get_text(a, v, "cited_text"),
        .source = read_get_text(a, v, "source"),
        .start = -1,
        .end = -1,
        .document = number_or(v, "document_index", -1),
        .page_start = number_or(v, "start_page_number", -1),
        .page_end = number_or(v, "end_page_number", -1),
        .raw = v.raw,
        .family = FAMILY_MESSAGES,
    };
    if (!c.title.ptr) {
        c.title = read_get_text(a, v, "document_title");
    }
    if (!c.source.ptr) {
        c.source = read_get_text(a, v, "file_id");
    }
    if (str_eqz(type, "search_result_location") && !c.url.ptr &&
        (str_starts(c.source, STR_LIT("https://")) || str_starts(c.source, STR_LIT("http://")))) {
        c.url = c.source;
    }
    return c;
}

static size_t count_items(struct json_value list)
{
    struct json_value v;
    size_t pos = 0, n = 0;
    while (list.type == JSON_ARRAY && json_next(list, &pos, NULL, &v)) {
        n++;
    }
    return n;
}

static bool read_citations(const struct messages_reader *r, struct json_value block,
                           struct part *ret)
{
    struct json_value list, v;
    size_t pos = 0, n;
    if (!read_get(block, "citations", &list) || (n = count_items(list)) == 0) {
        return true;
    }
    ret->citations = arena_zalloc(r->a, n * sizeof(*ret->citations));
    if (!ret->citations) {
        return error_set(r->err, ERR_INTERNAL, "out of room");
    }
    int64_t characters = citation_characters(ret->text);
    while (ret->n_citations < n && json_next(list, &pos, NULL, &v)) {
        if (v.type == JSON_OBJECT) {
            struct citation *c = &ret->citations[ret->n_citations++];
            *c = messages_read_citation(r->a, v);
            c->start = 0; /* Anthropic cuts a block per cited statement: it is about the whole */
            c->end = characters;
        }
    }
    return true;
}

static bool read_text_block(const struct messages_reader *r, const struct messages_where *w,
                            struct json_value block, struct part *ret)
{
    ret->type = PART_TEXT;
    return must_text(r, w, block, "text", &ret->text) && read_citations(r, block, ret);
}

/* `source` of images and documents. *ret_known: one of the kinds that the neutral form has. */
static bool read_source(const struct messages_reader *r, const struct messages_where *w,
                        struct json_value block, struct media *ret, bool *ret_known)
{
    struct json_value source, content;
    *ret_known = false;
    if (!read_get(block, "source", &source) || source.type != JSON_OBJECT) {
        return r->lenient || messages_wrong(r->err, w, "source", "an object is required");
    }
    struct str type = read_get_text(r->a, source, "type");
    ret->media_type = read_get_text(r->a, source, "media_type");
    if (str_eqz(type, "base64")) {
        ret->data = read_get_text(r->a, source, "data");
    } else if (str_eqz(type, "url")) {
        ret->url = read_get_text(r->a, source, "url");
    } else if (str_eqz(type, "file")) {
        ret->file_id = read_get_text(r->a, source, "file_id");
    } else if (str_eqz(type, "text")) {
        ret->text = read_get_text(r->a, source, "data");
    } else if (str_eqz(type, "content") && read_get(source, "content", &content)) {
        struct messages_reader inner = {r->a, r->err, true};
        struct messages_where at = *w;
        struct part *parts = NULL;
        size_t n = 0;
        if (!messages_read_content(&inner, &at, true, content, &parts, &n)) {
            return false;
        }
        ret->text = parts_text(r->a, parts, n, STR_LIT("\n\n"), NULL);
    }
    *ret_known = ret->data.ptr || ret->url.ptr || ret->file_id.ptr || ret->text.ptr;
    if (!*ret_known && !r->lenient &&
        (str_eqz(type, "base64") || str_eqz(type, "url") || str_eqz(type, "file") ||
         str_eqz(type, "text"))) {
        return messages_wrong(r->err, w, "source", "its data, url or file_id is required");
    }
    if (!type.ptr && !r->lenient) {
        return messages_wrong(r->err, w, "source.type", "a string is required");
    }
    return true;
}

static bool read_image(const struct messages_reader *r, const struct messages_where *w,
                       struct json_value block, struct part *ret)
{
    bool known;
    if (!read_source(r, w, block, &ret->media, &known)) {
        return false;
    }
    ret->type = known ? PART_IMAGE : PART_NATIVE;
    return true;
}

static bool read_document(const struct messages_reader *r, const struct messages_where *w,
                          struct json_value block, struct part *ret)
{
    struct json_value v, on;
    bool known;
    if (!read_source(r, w, block, &ret->media, &known)) {
        return false;
    }
    ret->type = known ? PART_DOCUMENT : PART_NATIVE;
    ret->media.name = read_get_text(r->a, block, "title");
    ret->media.context = read_get_text(r->a, block, "context");
    ret->media.citations =
        read_get(block, "citations", &v) && read_get(v, "enabled", &on) && on.type == JSON_TRUE;
    return true;
}

static bool read_tool_use(const struct messages_reader *r, const struct messages_where *w,
                          struct json_value block, struct part *ret)
{
    struct json_value input;
    ret->type = PART_TOOL_CALL;
    ret->arguments = STR_LIT("{}");
    if (!must_text(r, w, block, "id", &ret->id) || !must_text(r, w, block, "name", &ret->name)) {
        return false;
    }
    if (read_get(block, "input", &input)) {
        /* some that are compatible give the text of the object */
        ret->arguments =
            arguments_of(r->a, input.type == JSON_STRING ? read_text(r->a, input) : input.raw);
    }
    return ret->arguments.ptr || error_set(r->err, ERR_INTERNAL, "out of room");
}

static bool read_tool_result(const struct messages_reader *r, const struct messages_where *w,
                             struct json_value block, struct part *ret)
{
    struct json_value v;
    struct messages_where inner = *w;
    ret->type = PART_TOOL_RESULT;
    if (!must_text(r, w, block, "tool_use_id", &ret->id)) {
        return false;
    }
    ret->is_error = read_get(block, "is_error", &v) && v.type == JSON_TRUE;
    if (!read_get(block, "content", &v)) {
        return true;
    }
    return messages_read_content(r, &inner, true, v, &ret->parts, &ret->n_parts);
}

static bool read_thinking(const struct messages_reader *r, const struct messages_where *w,
                          struct json_value block, struct part *ret)
{
    ret->type = PART_THINKING;
    if (!must_text(r, w, block, "thinking", &ret->text)) {
        return false;
    }
    struct str signature = read_get_text(r->a, block, "signature");
    if (signature.len) {
        ret->signature_family = messages_signature_read(signature, &ret->id, &ret->signature);
    }
    return true;
}

static bool read_redacted(const struct messages_reader *r, const struct messages_where *w,
                          struct json_value block, struct part *ret)
{
    struct str data;
    ret->type = PART_REDACTED_THINKING;
    if (!must_text(r, w, block, "data", &data)) {
        return false;
    }
    ret->signature_family = messages_signature_read(data, &ret->id, &ret->signature);
    ret->id = STR_NONE;
    return true;
}

static const struct {
    const char *type;
    bool (*read)(const struct messages_reader *, const struct messages_where *, struct json_value,
                 struct part *);
} kinds[] = {
    {"text", read_text_block},
    {"image", read_image},
    {"document", read_document},
    {"tool_use", read_tool_use},
    {"tool_result", read_tool_result},
    {"thinking", read_thinking},
    {"redacted_thinking", read_redacted},
};

bool messages_read_block(const struct messages_reader *r, const struct messages_where *w,
                         struct json_value block, struct part *ret)
{
    struct json_value type;
    *ret = (struct part){.type = PART_NATIVE, .raw = block.raw, .family = FAMILY_MESSAGES};
    if (block.type != JSON_OBJECT) {
        return messages_wrong(r->err, w, "", "a content block must be an object");
    }
    if (!read_get(block, "type", &type) || type.type != JSON_STRING) {
        return r->lenient || messages_wrong(r->err, w, "type", "a string is required");
    }
    ret->cache = messages_read_cache(block);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (json_text_eq(type, str_of(kinds[i].type))) {
            return kinds[i].read(r, w, block, ret);
        }
    }
    return true;
}

bool messages_read_content(const struct messages_reader *r, struct messages_where *w, bool inner,
                           struct json_value content, struct part **ret_parts, size_t *ret_n)
{
    struct json_value v;
    size_t pos = 0, n = 0, room = content.type == JSON_ARRAY ? count_items(content) : 1;
    /* a system prompt's blocks stand one step higher than a message's */
    int64_t *at = inner ? &w->inner : str_eqz(str_of(w->list), "system") ? &w->message : &w->block;
    *ret_n = 0;
    *ret_parts = NULL;
    if (content.type != JSON_ARRAY && content.type != JSON_STRING) {
        return r->lenient ||
               messages_wrong(r->err, w, w->message < 0 && !inner ? w->list : "content",
                              "a string or an array of blocks is required");
    }
    struct part *parts = room ? arena_zalloc(r->a, room * sizeof(*parts)) : NULL;
    if (room && !parts) {
        return error_set(r->err, ERR_INTERNAL, "out of room");
    }
    if (content.type == JSON_STRING) {
        parts[0] = (struct part){.type = PART_TEXT, .text = read_text(r->a, content)};
        n = 1;
    } else {
        while (n < room && json_next(content, &pos, NULL, &v)) {
            struct json_value type;
            *at = (int64_t)n;
            if (r->lenient && v.type != JSON_OBJECT) {
                continue;
            }
            if (inner && read_get(v, "type", &type) &&
                json_text_eq(type, STR_LIT("tool_result"))) { /* never within itself */
                if (r->lenient) {
                    continue;
                }
                return messages_wrong(r->err, w, "type", "not allowed here");
            }
            if (!messages_read_block(r, w, v, &parts[n])) {
                return false;
            }
            n++;
        }
        *at = -1;
    }
    *ret_parts = parts;
    *ret_n = n;
    return true;
}

#define SETTLED_MAX 64 /* per message; what is more goes unsigned */

void messages_settle_signatures(struct part *parts, size_t *n)
{
    size_t kept = 0, settled = 0;
    for (size_t i = 0; i < *n; i++) {
        struct part *p = &parts[i];
        if (p->type == PART_THINKING && p->id.ptr) {
            for (size_t j = 0; settled < SETTLED_MAX && j < *n; j++) {
                struct part *call = &parts[j];
                if (call->type == PART_TOOL_CALL && str_eq(call->id, p->id)) {
                    call->signature = p->signature;
                    call->signature_family = p->signature_family;
                }
            }
            settled++;
            if (p->text.len == 0) {
                continue;
            }
            p->id = p->signature = STR_NONE;
            p->signature_family = FAMILY_NONE;
        }
        parts[kept++] = *p;
    }
    *n = kept;
}
