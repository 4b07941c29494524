/* Items of the Responses API, as requests hold them and answers give them. */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_freeform.h"
#include "dataplane/dialects/openai_responses.h"

#define SEAL "weir."

struct str openai_responses_seal(struct arena *a, const struct part *p)
{
    bool redacted = p->type == PART_REDACTED_THINKING;
    if (!p->signature.ptr || (p->signature_family == FAMILY_RESPONSES && !redacted)) {
        return p->signature;
    }
    const char *family = family_name(p->signature_family);
    size_t len = strlen(SEAL) + strlen(family) + 1;
    char *out = arena_alloc(a, len + p->signature.len + 1);
    if (!out) {
        return STR_NONE;
    }
    memcpy(out, SEAL, strlen(SEAL));
    memcpy(out + strlen(SEAL), family, strlen(family));
    out[len - 1] = redacted ? '*' : '.';
    memcpy(out + len, p->signature.ptr, p->signature.len);
    return (struct str){out, len + p->signature.len};
}

struct str openai_responses_seal_call(struct arena *a, enum family family, struct str call,
                                      struct str signature)
{
    return arena_printf(a, SEAL "%s@%.*s:%.*s", family_name(family), STR_ARG(call),
                        STR_ARG(signature));
}

/* "CALL:SIGNATURE", cut at the last colon: a signature is base64, an id may be anything. */
static void unseal_call(struct str rest, struct part *p)
{
    size_t at = rest.len;
    while (at > 0 && rest.ptr[at - 1] != ':') {
        at--;
    }
    p->name = str_slice(rest, 0, at ? at - 1 : 0);
    p->signature = str_slice(rest, at, rest.len);
}

void openai_responses_settle(struct part *parts, size_t *n)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        struct part *p = &parts[i];
        if (p->type == PART_THINKING && p->name.ptr) {
            for (size_t j = 0; j < *n; j++) {
                struct part *call = &parts[j];
                if (call->type == PART_TOOL_CALL && str_eq(call->id, p->name)) {
                    call->signature = p->signature;
                    call->signature_family = p->signature_family;
                    break;
                }
            }
            if (p->text.len == 0) {
                continue;
            }
            p->name = p->signature = STR_NONE;
            p->signature_family = FAMILY_NONE;
        }
        parts[kept++] = *p;
    }
    *n = kept;
}

void openai_responses_unseal(struct str encrypted, struct part *p)
{
    p->signature = encrypted;
    p->signature_family = FAMILY_RESPONSES;
    if (!str_starts(encrypted, STR_LIT(SEAL))) {
        return;
    }
    struct str rest = str_slice(encrypted, strlen(SEAL), encrypted.len);
    for (unsigned f = FAMILY_CHAT; f < FAMILY_COUNT; f++) {
        struct str name = str_of(family_name((enum family)f));
        if (!str_starts(rest, name) || rest.len <= name.len ||
            !memchr(".*@", rest.ptr[name.len], 3)) {
            continue;
        }
        p->type = rest.ptr[name.len] == '*' ? PART_REDACTED_THINKING : PART_THINKING;
        p->signature = str_slice(rest, name.len + 1, rest.len);
        p->signature_family = (enum family)f;
        if (rest.ptr[name.len] == '@') {
            unseal_call(p->signature, p);
        }
        return;
    }
}

static bool read_image(struct openai_decode *d, struct json_value o, struct part *p)
{
    struct json_value v;
    struct str url = STR_NONE;
    p->type = PART_IMAGE;
    p->media.detail = read_get_text(d->a, o, "detail");
    if (read_get(o, "image_url", &v)) {
        url = v.type == JSON_OBJECT ? read_get_text(d->a, v, "url") : read_text(d->a, v);
    }
    if (url.len) {
        return media_of_url(d->a, url, &p->media) ||
               openai_bad(d, "holds a data URL that cannot be read");
    }
    p->media.file_id = read_get_text(d->a, o, "file_id");
    return p->media.file_id.len > 0 || openai_bad(d, "must hold image_url or file_id");
}

static bool read_audio(struct openai_decode *d, struct json_value o, struct part *p)
{
    struct json_value v;
    p->type = PART_AUDIO;
    if (!read_get(o, "input_audio", &v)) {
        v = o;
    }
    p->media.data = read_get_text(d->a, v, "data");
    p->media.format = read_get_text(d->a, v, "format");
    p->media.media_type = media_type_of_format(p->media.format);
    return p->media.data.len > 0 || openai_bad(d, "must hold data");
}

static bool read_annotations(struct openai_decode *d, struct json_value o, struct part *p)
{
    struct json_value list, item;
    size_t n = 0;
    if (!read_get(o, "annotations", &list) || list.type != JSON_ARRAY) {
        return true;
    }
    for (size_t pos = 0; json_next(list, &pos, NULL, &item);) {
        n++;
    }
    struct citation *c = n ? arena_zalloc(d->a, n * sizeof(*c)) : NULL;
    if (n && !c) {
        return openai_no_room(d);
    }
    p->citations = c;
    for (size_t pos = 0; json_next(list, &pos, NULL, &item);) {
        p->n_citations +=
            openai_read_annotation(d->a, item, FAMILY_RESPONSES, &p->citations[p->n_citations]);
    }
    return true;
}

static bool read_text_of(struct openai_decode *d, struct json_value o, const char *member,
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

static bool read_part(struct openai_decode *d, struct json_value o, struct part *p)
{
    struct str type = read_get_text(d->a, o, "type");
    if (str_eqz(type, "input_text") || str_eqz(type, "output_text") || str_eqz(type, "text") ||
        str_eqz(type, "summary_text") || str_eqz(type, "reasoning_text")) {
        return read_annotations(d, o, p) && read_text_of(d, o, "text", p);
    }
    if (str_eqz(type, "refusal")) {
        p->type = PART_REFUSAL;
        return read_text_of(d, o, "refusal", p);
    }
    if (str_eqz(type, "input_image")) {
        return read_image(d, o, p);
    }
    if (str_eqz(type, "input_file")) {
        p->type = PART_DOCUMENT;
        return openai_file_part(d, o, p);
    }
    if (str_eqz(type, "input_audio")) {
        return read_audio(d, o, p);
    }
    if (d->lenient) {
        p->type = PART_NATIVE;
        p->family = FAMILY_RESPONSES;
        p->raw = o.raw;
        return true;
    }
    (void)openai_path_name(d, "type");
    return openai_bad(d, "is not a type of content part");
}

bool openai_responses_read_content(struct openai_decode *d, struct json_value content,
                                   struct part **parts, size_t *n, size_t *cap)
{
    struct json_value o;
    size_t i = 0;
    if (content.type == JSON_STRING) {
        struct part *p = openai_part(d, parts, n, cap, PART_TEXT);
        return p && ((p->text = read_text(d->a, content)).ptr || openai_no_room(d));
    }
    if (content.type != JSON_ARRAY) {
        return openai_bad(d, "must be a string or an array of content parts");
    }
    for (size_t pos = 0; json_next(content, &pos, NULL, &o); i++) {
        size_t mark = openai_path_index(d, i), before = *n;
        struct part *p = openai_part(d, parts, n, cap, PART_TEXT);
        if (!p) {
            return false;
        }
        if (o.type != JSON_OBJECT ? !openai_bad(d, "must be an object") : !read_part(d, o, p)) {
            if (!d->lenient || d->err->code == ERR_INTERNAL) {
                return false;
            }
            *n = before;
        }
        openai_path_back(d, mark);
    }
    return true;
}

/* Texts of an array of {"text"}, joined. */
static struct str texts_of(struct openai_decode *d, struct json_value item, const char *name)
{
    struct json_value list, o;
    struct part *texts = NULL;
    size_t n = 0, cap = 0;
    if (!read_get(item, name, &list) || list.type != JSON_ARRAY) {
        return STR_NONE;
    }
    for (size_t pos = 0; json_next(list, &pos, NULL, &o);) {
        struct part *p = part_add(d->a, &texts, &n, &cap);
        if (!p) {
            return STR_NONE;
        }
        p->text = read_get_text(d->a, o, "text");
    }
    return n ? parts_text(d->a, texts, n, STR_LIT("\n\n"), NULL) : STR_NONE;
}

static bool read_reasoning(struct openai_decode *d, struct json_value item, struct part *p)
{
    struct str sealed = read_get_text(d->a, item, "encrypted_content");
    p->text = texts_of(d, item, "content");
    if (!p->text.len) {
        p->text = texts_of(d, item, "summary");
    }
    if (!p->text.ptr) {
        p->text = STR_LIT("");
    }
    p->id = read_get_text(d->a, item, "id");
    if (sealed.len) {
        openai_responses_unseal(sealed, p);
    }
    return true;
}

static bool read_call(struct openai_decode *d, struct json_value item, struct part *p)
{
    struct json_value v;
    p->id = read_get_text(d->a, item, "call_id");
    if (!p->id.len) {
        p->id = read_get_text(d->a, item, "id");
    }
    p->name = read_get_text(d->a, item, "name");
    struct str text = STR_LIT("");
    if (str_eqz(read_get_text(d->a, item, "type"), "custom_tool_call")) {
        p->arguments = openai_freeform_arguments(d->a, read_get_text(d->a, item, "input"));
        return p->arguments.ptr || openai_no_room(d);
    }
    if (read_get(item, "arguments", &v)) {
        text = v.type == JSON_STRING ? read_text(d->a, v) : v.raw;
    }
    p->arguments = arguments_of(d->a, text);
    return p->arguments.ptr || openai_no_room(d);
}

bool openai_responses_read_item(struct openai_decode *d, struct json_value item, struct str type,
                                struct part **parts, size_t *n, size_t *cap)
{
    struct json_value content;
    struct part *p;
    if (str_eqz(type, "message")) {
        if (!read_get(item, "content", &content)) {
            return true;
        }
        size_t mark = openai_path_name(d, "content");
        bool ok = openai_responses_read_content(d, content, parts, n, cap);
        if (ok) {
            openai_path_back(d, mark);
        }
        return ok;
    }
    if (str_eqz(type, "function_call") || str_eqz(type, "custom_tool_call")) {
        p = openai_part(d, parts, n, cap, PART_TOOL_CALL);
        return p && read_call(d, item, p);
    }
    if (str_eqz(type, "reasoning")) {
        p = openai_part(d, parts, n, cap, PART_THINKING);
        return p && read_reasoning(d, item, p);
    }
    if (str_eqz(type, "image_generation_call") && d->lenient) {
        struct str format = read_get_text(d->a, item, "output_format");
        if (!(p = openai_part(d, parts, n, cap, PART_IMAGE))) {
            return false;
        }
        p->id = read_get_text(d->a, item, "id");
        p->media.data = read_get_text(d->a, item, "result");
        p->media.media_type =
            format.len ? arena_printf(d->a, "image/%.*s", STR_ARG(format)) : STR_LIT("image/png");
        *n -= !p->media.data.len;
        return true;
    }
    if (!(p = openai_part(d, parts, n, cap, PART_NATIVE))) {
        return false;
    }
    p->family = FAMILY_RESPONSES;
    p->raw = item.raw;
    return true;
}
