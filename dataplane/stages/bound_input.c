/* How many tokens may go in at most. A token has at least one byte, so text counts by its bytes; an
 * image counts at what providers charge for one at most, and its data not at all; what the body
 * only refers to is bounded by the model's window; and what a provider does by itself, again and
 * again within one call (its own tools), by nothing that is known here. See governed.h.
 *
 * The looks go by marks, which is enough: a text that holds a mark has its quotes escaped. Who
 * writes the letters of a name as escapes hides it from them, so such a body is taken at its
 * worst. */
#include "common/json.h"
#include "common/json_kernel.h"
#include "dataplane/request/pricing.h"
#include "dataplane/stages/governed.h"

#define REQUEST_OVERHEAD 64u /* tokens that a chat's own form adds, besides those of its bytes */
#define TOOL_OVERHEAD                                                                              \
    1024u                    /* and each tool: Anthropic's own ones have instructions of their own \
                              */
#define SCHEMA_OVERHEAD 512u /* and an answer's schema */
#define SEARCH_OVERHEAD 16384u      /* and what a search model reads of what it finds */
#define ITEM_OVERHEAD 16u           /* and a document to be ranked */
#define IMAGE_TOKENS 8192u          /* the most that one image is counted as */
#define IMAGE_TOKENS_4O_MINI 48200u /* OpenAI: 2833 + 8 tiles of 5667 */
#define RUN_MIN 512u                /* shorter data counts as text */
#define DEPTH_MAX 12u
#define LONG_WINDOW 1000000u /* of Anthropic's beta */

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* ---- marks ---- */

static size_t count_marks(struct str body, const char *mark)
{
    size_t n = 0, len = strlen(mark);
    const char *p = body.ptr, *end = body.ptr + body.len;
    while ((p = memmem(p, (size_t)(end - p), mark, len)) != NULL) {
        n++;
        p += len;
    }
    return n;
}

static bool has_mark(struct str body, const char *const *marks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memmem(body.ptr, body.len, marks[i], strlen(marks[i]))) {
            return true;
        }
    }
    return false;
}

#define HAS_MARK(body, list) has_mark(body, list, sizeof(list) / sizeof((list)[0]))

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A letter, a digit or '_' written as \u00XX. Nobody's writer does that. */
static bool hides_names(struct str body)
{
    const char *p = body.ptr, *end = body.ptr + body.len;
    while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL && end - p >= 6) {
        if (p[1] == 'u' && p[2] == '0' && p[3] == '0') {
            int high = hex_of(p[4]), low = hex_of(p[5]);
            int c = high >= 0 && low >= 0 ? high * 16 + low : 0;
            if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                c == '_') {
                return true;
            }
        }
        p += 2;
    }
    return false;
}

/* ---- images ---- */

/* By the words that each dialect has for a part that is an image. */
static uint64_t image_marks(struct str body)
{
    static const char *const marks[] = {
        "\"image_url\"",    "\"input_image\"", "\"image\"",       "\"inlineData\"",
        "\"inline_data\"",  "\"images\"",      "\"fileData\"",    "\"file_data\"",
        "\"image_base64\"", "\"inputImage\"",  "\"image_bytes\"", "\"bytesBase64Encoded\""};
    uint64_t n = 0;
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        n += count_marks(body, marks[i]);
    }
    return n;
}

struct pictures {
    uint64_t parts, bytes; /* whose data stands in the body */
    bool other; /* there is data of another kind: a page or a minute of it may be small */
};

static bool is_one_of(struct json_value name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (json_text_eq(name, str_of(list[i]))) {
            return true;
        }
    }
    return false;
}

#define IS_ONE_OF(name, list) is_one_of(name, list, sizeof(list) / sizeof((list)[0]))

/* Base64, bare or as a data URL; some writers escape the slash. */
static bool is_data(struct json_value v, bool bare)
{
    if (v.type != JSON_STRING || v.raw.len < RUN_MIN) {
        return false;
    }
    struct str s = str_slice(v.raw, 1, v.raw.len - 2);
    const char *p = s.ptr, *end = s.ptr + s.len;
    if (str_starts(s, STR_LIT("data:image"))) {
        p = memmem(s.ptr, 160, "base64,", 7);
        if (!p) {
            return false;
        }
        p += 7;
    } else if (!bare) {
        return false;
    }
    for (; p < end; p++) {
        bool fine = (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
                    (*p >= '0' && *p <= '9') || *p == '+' || *p == '/' || *p == '=' || *p == '-' ||
                    *p == '_' || (*p == '\\' && p + 1 < end && p[1] == '/');
        if (!fine) {
            return false;
        }
    }
    return true;
}

/* Beside its data stands what it is. */
static bool is_other(struct json_value object)
{
    struct json_member m[] = {{.name = STR_LIT("mimeType")},
                              {.name = STR_LIT("mime_type")},
                              {.name = STR_LIT("media_type")}};
    if (!json_members(object, m, 3, NULL)) {
        return true;
    }
    for (size_t i = 0; i < 3; i++) {
        if (m[i].found && !str_starts(m[i].value.raw, STR_LIT("\"image/")) &&
            !str_starts(m[i].value.raw, STR_LIT("\"image\\/"))) {
            return true;
        }
    }
    return false;
}

/* Only along the members in which a dialect has its parts: what a tool is given, or has said, is
 * text however it looks. */
static void find_pictures(struct json_value v, unsigned depth, bool list, struct pictures *io)
{
    static const char *const ways[] = {"messages",  "content",   "contents",         "parts",
                                       "source",    "image_url", "inlineData",       "inline_data",
                                       "image",     "images",    "output",           "toolResult",
                                       "instances", "inputs",    "systemInstruction"};
    static const char *const data[] = {"data", "bytes", "image_base64", "bytesBase64Encoded",
                                       "inputImage"};
    static const char *const urls[] = {"url", "image_url", "image"};
    struct json_value name, value;
    size_t pos = 0;
    if (depth > DEPTH_MAX) {
        return;
    }
    while (json_next(v, &pos, v.type == JSON_OBJECT ? &name : NULL, &value)) {
        bool object = v.type == JSON_OBJECT;
        bool bare = object ? IS_ONE_OF(name, data) : list;
        if (value.type == JSON_STRING) {
            bool here = bare || (object && IS_ONE_OF(name, urls));
            bool image = here && is_data(value, bare);
            bool url = here && str_starts(value.raw, STR_LIT("\"data:"));
            bool other = (bare && object && is_other(v)) ||
                         (url && !str_starts(value.raw, STR_LIT("\"data:image")));
            io->other = io->other || other;
            if (image && !other) {
                io->parts++;
                io->bytes += value.raw.len;
            }
            continue;
        }
        bool way = !object || IS_ONE_OF(name, ways) ||
                   (depth == 0 && json_text_eq(name, STR_LIT("input")));
        if (way && (value.type == JSON_OBJECT || value.type == JSON_ARRAY)) {
            find_pictures(value, depth + 1, object && json_text_eq(name, STR_LIT("images")), io);
        }
    }
}

/* ---- tools ---- */

struct tools {
    uint64_t n, rounds; /* UINT64_MAX: the provider may go on as long as it likes */
    bool schema, search, unseen;
};

/* Those that the client runs itself: each call of them is a request of its own. */
static bool is_clients(struct json_value type)
{
    static const char *const names[] = {"function",    "custom",      "computer",
                                        "text_editor", "bash",        "memory",
                                        "local_shell", "apply_patch", "str_replace"};
    char text[64];
    size_t n;
    if (type.type != JSON_STRING || !json_unescape(type, text, sizeof(text), &n)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_starts((struct str){text, n}, str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

static void look_at_tool(struct json_value tool, struct tools *io)
{
    static const char *const plain[] = {"functionDeclarations",
                                        "function_declarations",
                                        "function",
                                        "name",
                                        "description",
                                        "parameters",
                                        "input_schema",
                                        "cache_control",
                                        "cachePoint",
                                        "toolSpec",
                                        "strict",
                                        "computerUse",
                                        "computer_use",
                                        "type",
                                        "max_uses"};
    struct json_member m[] = {{.name = STR_LIT("type")}, {.name = STR_LIT("max_uses")}};
    struct json_value name, value;
    uint64_t uses;
    size_t pos = 0;
    io->n++;
    if (tool.type != JSON_OBJECT || !json_members(tool, m, 2, NULL)) {
        io->rounds = UINT64_MAX;
        return;
    }
    if (m[0].found && !is_clients(m[0].value)) {
        bool bounded = m[1].found && json_u64(m[1].value, &uses);
        io->rounds = bounded ? plus(io->rounds, uses) : UINT64_MAX;
        return;
    }
    while (!m[0].found && json_next(tool, &pos, &name, &value)) { /* Gemini's and Bedrock's */
        struct json_value one;
        size_t at = 0;
        if (!IS_ONE_OF(name, plain)) {
            io->rounds = UINT64_MAX;
        }
        while (value.type == JSON_ARRAY && json_next(value, &at, NULL, &one)) {
            io->n++;
        }
    }
}

static void look_at_tools(struct json_value list, struct tools *io)
{
    struct json_value tool;
    size_t pos = 0;
    if (list.type == JSON_OBJECT) {
        look_at_tool(list, io);
    }
    while (list.type == JSON_ARRAY && json_next(list, &pos, NULL, &tool)) {
        look_at_tool(tool, io);
    }
}

static void find_tools(struct str body, struct tools *ret)
{
    enum { TOOLS = 0, FUNCTIONS, CONFIG, SERVERS, PLUGINS, SEARCH, PROMPT, COUNT };
    static const char *const schemas[] = {"\"json_schema\"",     "\"responseSchema\"",
                                          "\"response_schema\"", "\"responseJsonSchema\"",
                                          "\"output_format\"",   "\"output_config\""};
    struct json_member inner = {.name = STR_LIT("tools")};
    struct json_member m[COUNT] = {[TOOLS] = {.name = STR_LIT("tools")},
                                   [FUNCTIONS] = {.name = STR_LIT("functions")},
                                   [CONFIG] = {.name = STR_LIT("toolConfig")},
                                   [SERVERS] = {.name = STR_LIT("mcp_servers")},
                                   [PLUGINS] = {.name = STR_LIT("plugins")},
                                   [SEARCH] = {.name = STR_LIT("web_search_options")},
                                   [PROMPT] = {.name = STR_LIT("prompt")}};
    *ret = (struct tools){.schema = HAS_MARK(body, schemas)};
    if (!json_scan(body, m, COUNT, 0, NULL)) {
        ret->rounds = UINT64_MAX; /* not JSON, or one of them stands there twice */
        return;
    }
    for (unsigned i = TOOLS; i <= FUNCTIONS; i++) {
        if (m[i].found) {
            look_at_tools(m[i].value, ret);
        }
    }
    if (m[CONFIG].found && m[CONFIG].value.type == JSON_OBJECT) {
        if (!json_members(m[CONFIG].value, &inner, 1, NULL)) {
            ret->rounds = UINT64_MAX;
        } else if (inner.found) {
            look_at_tools(inner.value, ret);
        }
    }
    bool servers =
        m[SERVERS].found && m[SERVERS].value.raw.len > 2 && m[SERVERS].value.type != JSON_NULL;
    if (servers || m[PLUGINS].found) {
        ret->rounds = UINT64_MAX;
    }
    ret->search = m[SEARCH].found;
    ret->unseen = m[PROMPT].found && m[PROMPT].value.type == JSON_OBJECT; /* kept at OpenAI */
}

/* ---- the sum ---- */

/* Files, sound and films, and what a provider keeps itself: only the model's window bounds them. */
static bool is_unseen(struct str body)
{
    static const char *const marks[] = {"\"input_audio\"",
                                        "\"file_id\"",
                                        "\"input_file\"",
                                        "\"document\"",
                                        "\"video\"",
                                        "\"file_uri\"",
                                        "\"previous_response_id\"",
                                        "\"fileUri\"",
                                        "\"conversation\"",
                                        "\"cachedContent\"",
                                        "\"cached_content\"",
                                        "\"video_url\"",
                                        "\"item_reference\"",
                                        "\"container\"",
                                        "\"file\"",
                                        "\"s3Location\""};
    struct json_member m = {.name = STR_LIT("messages")};
    if (HAS_MARK(body, marks)) {
        return true;
    }
    /* an answer of before that was spoken, by its id; "audio" of the whole request asks for one */
    return memmem(body.ptr, body.len, "\"audio\"", 7) && json_scan(body, &m, 1, 0, NULL) &&
           m.found && memmem(m.value.raw.ptr, m.value.raw.len, "\"audio\"", 7);
}

/* Some bill the question again with each document. */
static uint64_t ranked(struct str body)
{
    struct json_member m[] = {{.name = STR_LIT("query")}, {.name = STR_LIT("documents")}};
    struct json_value one;
    uint64_t n = 0;
    size_t pos = 0;
    if (!json_scan(body, m, 2, 0, NULL)) {
        return UINT64_MAX;
    }
    while (m[1].found && json_next(m[1].value, &pos, NULL, &one)) {
        n++;
    }
    uint64_t question = m[0].found ? m[0].value.raw.len : body.len;
    return plus(plus(body.len, REQUEST_OVERHEAD), times(n, question + ITEM_OVERHEAD));
}

/* UINT64_MAX: it shows what cannot be counted. */
static uint64_t shown(const struct candidate *c, struct str body)
{
    struct pictures p = {0, 0, false};
    uint64_t marks = image_marks(body);
    struct json_value whole;
    if (marks && json_validate(body, 0, &whole, NULL)) {
        find_pictures(whole, 0, false, &p);
    }
    if (p.other) {
        return UINT64_MAX;
    }
    uint64_t n = marks > p.parts ? marks : p.parts;
    bool dear = c && c->model.len && memmem(c->model.ptr, c->model.len, "4o-mini", 7) != NULL;
    return plus(body.len - p.bytes, times(n, dear ? IMAGE_TOKENS_4O_MINI : IMAGE_TOKENS));
}

static uint64_t window_of(struct request *r, const struct candidate *c)
{
    uint64_t window = c ? pricing_context(r, c) : 0;
    struct str beta =
        window && window < LONG_WINDOW ? request_header(r, "anthropic-beta") : STR_NONE;
    return beta.len && memmem(beta.ptr, beta.len, "context-1m", 10) ? LONG_WINDOW : window;
}

uint64_t bound_tokens_in(struct request *r, const struct candidate *c, struct str body, bool chat)
{
    uint64_t window = chat ? window_of(r, c) : 0, sum;
    struct tools t = {.n = 0};
    if (!body.len) {
        return REQUEST_OVERHEAD;
    }
    if (r->kind == REQUEST_RERANK) {
        return ranked(body);
    }
    if (chat) {
        find_tools(body, &t);
    }
    if (t.rounds == UINT64_MAX) {
        return UINT64_MAX;
    }
    if (t.unseen || is_unseen(body) || hides_names(body)) {
        sum = window ? window : UINT64_MAX;
    } else {
        sum = plus(shown(c, body), REQUEST_OVERHEAD + times(t.n, TOOL_OVERHEAD));
        sum = plus(sum, (t.schema ? SCHEMA_OVERHEAD : 0) + (t.search ? SEARCH_OVERHEAD : 0));
        sum = window && window < sum ? window : sum;
    }
    return t.rounds == 0 ? sum : window ? times(window, plus(t.rounds, 1)) : UINT64_MAX;
}
