/* Names, words and signatures of Gemini's dialect; see gemini_inside.h. */
#include "dataplane/dialects/gemini_inside.h"

#include "dataplane/dialects/tool_shape.h"

/* ---- names ---- */

bool gemini_name_is(struct json_value name, struct str camel)
{
    if (name.escaped) {
        return json_text_eq(name, camel);
    }
    struct str key = json_text(name);
    size_t i = 0, j = 0;
    while (i < key.len && j < camel.len) {
        char c = key.ptr[i++];
        if (c == '_' && i > 1 && i < key.len && key.ptr[i] >= 'a' && key.ptr[i] <= 'z') {
            c = (char)(key.ptr[i++] - 'a' + 'A');
        }
        if (c != camel.ptr[j++]) {
            return false;
        }
    }
    return i == key.len && j == camel.len;
}

bool gemini_members(struct json_value object, struct json_member *wanted, size_t n)
{
    size_t pos = 0;
    struct json_value name, value;
    bool once = true;
    for (size_t i = 0; i < n; i++) {
        wanted[i].found = false;
    }
    if (object.type != JSON_OBJECT) {
        return true;
    }
    while (json_next(object, &pos, &name, &value)) {
        for (size_t i = 0; i < n; i++) {
            if (gemini_name_is(name, wanted[i].name)) {
                if (wanted[i].found) {
                    once = false;
                } else {
                    wanted[i].found = true;
                    wanted[i].value = value;
                }
                break;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        wanted[i].found = wanted[i].found && wanted[i].value.type != JSON_NULL;
    }
    return once;
}

bool gemini_get(struct json_value object, const char *camel, struct json_value *ret)
{
    struct json_member m = {.name = str_of(camel)};
    (void)gemini_members(object, &m, 1);
    if (m.found) {
        *ret = m.value;
    }
    return m.found;
}

struct str gemini_get_text(struct arena *a, struct json_value object, const char *camel)
{
    struct json_value v;
    return gemini_get(object, camel, &v) ? read_text(a, v) : STR_NONE;
}

uint64_t gemini_u64(struct json_value v)
{
    uint64_t n = 0;
    struct json_member m = {.found = true, .value = v};
    struct error ignored = ERROR_INIT;
    if (v.type == JSON_STRING && !v.escaped) {
        return str_to_u64(json_text(v), &n) ? n : 0;
    }
    return read_u64_member(&m, "", &n, &ignored) ? n : 0;
}

uint64_t gemini_get_u64(struct json_value object, const char *camel)
{
    struct json_value v;
    return gemini_get(object, camel, &v) ? gemini_u64(v) : 0;
}

void gemini_put_name(struct json_writer *w, struct json_value name)
{
    json_put_raw(w, name.raw);
    (void)buffer_append(w->out, ":", 1);
    w->after_name = true;
}

struct str gemini_model_name(struct str model)
{
    for (size_t i = model.len; i > 0; i--) {
        if (model.ptr[i - 1] == '/') {
            return str_slice(model, i, model.len);
        }
    }
    return model;
}

unsigned gemini_generation(struct str model)
{
    static const struct str prefix = STR_LIT("gemini-");
    struct str name = gemini_model_name(model);
    unsigned n = 0;
    if (!str_starts(name, prefix)) {
        return 0;
    }
    for (size_t i = prefix.len; i < name.len && name.ptr[i] >= '0' && name.ptr[i] <= '9'; i++) {
        n = n > 1000 ? n : 10 * n + (unsigned)(name.ptr[i] - '0');
    }
    return n;
}

bool gemini_may_sign(struct str model)
{
    struct str name = gemini_model_name(model);
    return gemini_generation(name) >= 3 ||
           (gemini_generation(name) == 0 && str_starts(name, STR_LIT("gemini-")));
}

struct str gemini_call_id(struct arena *a, struct str unique, unsigned number)
{
    return arena_printf(a, "call_%.*s%s%u", STR_ARG(unique), unique.len ? "_" : "", number);
}

/* ---- words ---- */

static const struct {
    const char *word;
    enum finish finish;
} finish_words[] = {
    {"STOP", FINISH_STOP},
    {"MAX_TOKENS", FINISH_LENGTH},
    {"SAFETY", FINISH_CONTENT_FILTER},
    {"RECITATION", FINISH_CONTENT_FILTER},
    {"BLOCKLIST", FINISH_CONTENT_FILTER},
    {"PROHIBITED_CONTENT", FINISH_CONTENT_FILTER},
    {"SPII", FINISH_CONTENT_FILTER},
    {"IMAGE_SAFETY", FINISH_CONTENT_FILTER},
    {"IMAGE_PROHIBITED_CONTENT", FINISH_CONTENT_FILTER},
    {"IMAGE_RECITATION", FINISH_CONTENT_FILTER},
    {"MODEL_ARMOR", FINISH_CONTENT_FILTER},
    {"MALFORMED_FUNCTION_CALL", FINISH_MALFORMED},
    {"UNEXPECTED_TOOL_CALL", FINISH_MALFORMED},
    {"TOO_MANY_TOOL_CALLS", FINISH_MALFORMED},
    {"MISSING_THOUGHT_SIGNATURE", FINISH_MALFORMED},
    {"MALFORMED_RESPONSE", FINISH_MALFORMED},
    {"LANGUAGE", FINISH_OTHER},
    {"OTHER", FINISH_OTHER},
    {"NO_IMAGE", FINISH_OTHER},
    {"IMAGE_OTHER", FINISH_OTHER},
};

enum finish gemini_finish_of(struct str word, bool has_calls)
{
    enum finish f = FINISH_OTHER;
    for (size_t i = 0; i < sizeof(finish_words) / sizeof(finish_words[0]); i++) {
        if (str_eqz(word, finish_words[i].word)) {
            f = finish_words[i].finish;
            break;
        }
    }
    return f == FINISH_STOP && has_calls ? FINISH_TOOL_CALLS : f;
}

static const char *finish_word(enum finish f)
{
    switch (f) {
    case FINISH_STOP:
    case FINISH_STOP_SEQUENCE:
    case FINISH_TOOL_CALLS:
    case FINISH_PAUSE:
        return "STOP";
    case FINISH_LENGTH:
    case FINISH_CONTEXT:
        return "MAX_TOKENS";
    case FINISH_CONTENT_FILTER:
    case FINISH_REFUSAL:
        return "SAFETY";
    case FINISH_MALFORMED:
        return "MALFORMED_FUNCTION_CALL";
    case FINISH_OTHER:
        return "OTHER";
    case FINISH_NONE:
    case FINISH_COUNT:
        break;
    }
    return "FINISH_REASON_UNSPECIFIED";
}

struct str gemini_finish_text(enum finish f, struct str raw)
{
    for (size_t i = 0; i < sizeof(finish_words) / sizeof(finish_words[0]); i++) {
        if (str_eqz(raw, finish_words[i].word) &&
            (finish_words[i].finish == f ||
             (f == FINISH_TOOL_CALLS && finish_words[i].finish == FINISH_STOP))) {
            return raw;
        }
    }
    return str_of(finish_word(f));
}

struct str gemini_block_word(struct str reason)
{
    static const char *const words[] = {
        "SAFETY",       "OTHER",       "BLOCKLIST", "PROHIBITED_CONTENT",
        "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eqz(reason, words[i])) {
            return reason;
        }
    }
    return STR_LIT("SAFETY");
}

enum part_type gemini_kind_of_type(struct str media_type)
{
    static const struct {
        struct str prefix;
        enum part_type type;
    } kinds[] = {{STR_LIT("image/"), PART_IMAGE},
                 {STR_LIT("audio/"), PART_AUDIO},
                 {STR_LIT("video/"), PART_VIDEO}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (str_eq_nocase(str_slice(media_type, 0, kinds[i].prefix.len), kinds[i].prefix)) {
            return kinds[i].type;
        }
    }
    return PART_DOCUMENT;
}

/* ---- signatures ---- */

/* base64 of "weir:t" and "weir:r" begins so; other signatures are left alone without decoding. */
#define WRAPPED_PREFIX "d2Vpcjp"

struct str gemini_signature_text(struct arena *a, enum family family, bool redacted,
                                 struct str signature)
{
    if (family == FAMILY_GEMINI && !redacted) {
        return signature;
    }
    struct str plain = arena_printf(a, "weir:%c:%s:%.*s", redacted ? 'r' : 't', family_name(family),
                                    STR_ARG(signature));
    return plain.ptr ? base64_text(a, plain) : STR_NONE;
}

void gemini_signature_read(struct arena *a, struct str text, struct part *ret)
{
    ret->signature = text;
    ret->signature_family = FAMILY_GEMINI;
    if (!str_starts(text, STR_LIT(WRAPPED_PREFIX))) {
        return;
    }
    struct str plain = base64_bytes(a, text), head, rest, kind, family;
    if (!plain.ptr || !str_cut(plain, ':', &head, &rest) || !str_eqz(head, "weir") ||
        !str_cut(rest, ':', &kind, &rest) || !str_cut(rest, ':', &family, &rest)) {
        return;
    }
    for (unsigned f = FAMILY_NONE + 1; f < FAMILY_COUNT; f++) {
        if (str_eqz(family, family_name((enum family)f))) {
            ret->signature = rest;
            ret->signature_family = (enum family)f;
            if (str_eqz(kind, "r") && ret->type == PART_THINKING) {
                ret->type = PART_REDACTED_THINKING;
            }
            return;
        }
    }
}

/* ---- functions ---- */

struct str gemini_tool_name(struct arena *a, const struct chat_request *q, struct str name)
{
    return q->family == FAMILY_GEMINI || !name.len ? name : tool_gemini(a, name);
}

struct str gemini_tool_name_back(struct arena *a, const struct exchange_context *x, struct str name)
{
    const struct chat_request *q = x->request;
    return q && q->family != FAMILY_GEMINI ? tool_gemini_back(a, q, name) : name;
}
