/* Reading what providers say when they refuse or fail; see provider_error.h. */
#include "dataplane/canonical/provider_error.h"

#include "dataplane/canonical/read.h"

#define MESSAGE_MAX 4096 /* of a body that is no JSON: more than that is a page, not a message */

static const struct {
    enum failure_class class;
    int status;
} statuses[] = {
    {FAILURE_NONE, 200},           {FAILURE_INVALID, 400},        {FAILURE_CONTEXT_LENGTH, 400},
    {FAILURE_CONTENT_POLICY, 400}, {FAILURE_AUTHENTICATION, 401}, {FAILURE_BILLING, 402},
    {FAILURE_PERMISSION, 403},     {FAILURE_NOT_FOUND, 404},      {FAILURE_TIMEOUT, 504},
    {FAILURE_CONFLICT, 409},       {FAILURE_TOO_LARGE, 413},      {FAILURE_UNPROCESSABLE, 422},
    {FAILURE_RATE_LIMIT, 429},     {FAILURE_QUOTA, 429},          {FAILURE_SERVER, 500},
    {FAILURE_UNAVAILABLE, 503},    {FAILURE_OVERLOADED, 529},
};
_Static_assert(sizeof(statuses) / sizeof(statuses[0]) == FAILURE_CLASS_COUNT, "a row each");

int failure_status(enum failure_class c)
{
    return (unsigned)c < FAILURE_CLASS_COUNT ? statuses[c].status : 500;
}

enum failure_class failure_of_status(int status)
{
    switch (status) {
    case 401:
        return FAILURE_AUTHENTICATION;
    case 402:
        return FAILURE_BILLING;
    case 403:
        return FAILURE_PERMISSION;
    case 404:
        return FAILURE_NOT_FOUND;
    case 408:
    case 504:
    case 524:
        return FAILURE_TIMEOUT;
    case 409:
        return FAILURE_CONFLICT;
    case 413:
        return FAILURE_TOO_LARGE;
    case 422:
        return FAILURE_UNPROCESSABLE;
    case 429:
        return FAILURE_RATE_LIMIT;
    case 503:
        return FAILURE_UNAVAILABLE;
    case 529:
        return FAILURE_OVERLOADED;
    default:
        return status >= 500 ? FAILURE_SERVER : status >= 400 ? FAILURE_INVALID : FAILURE_SERVER;
    }
}

/* ---- words ---- */

static bool has_word(struct str s, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= s.len; i++) {
        if (str_eq_nocase((struct str){s.ptr + i, n}, (struct str){word, n})) {
            return true;
        }
    }
    return false;
}

/* The words stand in codes and types (short, so looked for in the whole), and where `message` is
 * set in messages too: those are only trusted for the statuses that fit. First row that fits
 * counts. */
static const struct {
    const char *word;
    enum failure_class class;
    bool message;
    int min_status, max_status; /* 0: inside a stream, always fits */
} words[] = {
    {"context_length_exceeded", FAILURE_CONTEXT_LENGTH, false, 400, 499},
    {"string_above_max_length", FAILURE_CONTEXT_LENGTH, false, 400, 499},
    {"maximum context length", FAILURE_CONTEXT_LENGTH, true, 400, 499},
    {"prompt is too long", FAILURE_CONTEXT_LENGTH, true, 400, 499},
    {"input is too long", FAILURE_CONTEXT_LENGTH, true, 400, 499},
    {"exceeds the maximum number of tokens", FAILURE_CONTEXT_LENGTH, true, 400, 499},
    {"exceed context limit", FAILURE_CONTEXT_LENGTH, true, 400, 499},
    {"context window", FAILURE_CONTEXT_LENGTH, true, 400, 413},
    {"too many tokens", FAILURE_CONTEXT_LENGTH, true, 400, 413},
    {"content_policy_violation", FAILURE_CONTENT_POLICY, false, 400, 499},
    {"content_filter", FAILURE_CONTENT_POLICY, false, 400, 499},
    {"ResponsibleAIPolicyViolation", FAILURE_CONTENT_POLICY, true, 400, 499},
    {"content management policy", FAILURE_CONTENT_POLICY, true, 400, 499},
    {"content policy", FAILURE_CONTENT_POLICY, true, 400, 403},
    {"insufficient_quota", FAILURE_QUOTA, false, 400, 499},
    {"billing_hard_limit_reached", FAILURE_QUOTA, false, 400, 499},
    {"exceeded your current quota", FAILURE_QUOTA, true, 429, 429},
    {"credit balance is too low", FAILURE_BILLING, true, 400, 403},
    {"billing_error", FAILURE_BILLING, false, 400, 499},
    {"overloaded_error", FAILURE_OVERLOADED, false, 0, 599},
    {"overloaded", FAILURE_OVERLOADED, true, 503, 529},
    {"rate_limit", FAILURE_RATE_LIMIT, false, 429, 429},
    {"throttl", FAILURE_RATE_LIMIT, false, 400, 503},
    {"RESOURCE_EXHAUSTED", FAILURE_RATE_LIMIT, false, 429, 429},
    {"API_KEY_INVALID", FAILURE_AUTHENTICATION, false, 400, 401},
    {"API key not valid", FAILURE_AUTHENTICATION, true, 400, 400},
    {"UnrecognizedClient", FAILURE_AUTHENTICATION, false, 400, 403},
    {"InvalidSignature", FAILURE_AUTHENTICATION, false, 400, 403},
    {"ExpiredToken", FAILURE_AUTHENTICATION, false, 400, 403},
    {"ModelTimeout", FAILURE_TIMEOUT, false, 400, 499},
    {"ServiceUnavailable", FAILURE_UNAVAILABLE, false, 400, 599},
    {"ModelNotReady", FAILURE_UNAVAILABLE, false, 400, 599},
    {"ServiceQuotaExceeded", FAILURE_QUOTA, false, 400, 499},
    {"modelStreamError", FAILURE_SERVER, false, 400, 499},
    {"ModelError", FAILURE_SERVER, false, 400, 499},
};

/* Inside a stream there is no status: the words of types stand for it. */
static enum failure_class class_in_stream(const struct provider_error *e)
{
    static const struct {
        const char *word;
        enum failure_class class;
    } names[] = {
        {"invalid_request", FAILURE_INVALID},
        {"validation", FAILURE_INVALID},
        {"INVALID_ARGUMENT", FAILURE_INVALID},
        {"authentication", FAILURE_AUTHENTICATION},
        {"permission", FAILURE_PERMISSION},
        {"AccessDenied", FAILURE_PERMISSION},
        {"not_found", FAILURE_NOT_FOUND},
        {"ResourceNotFound", FAILURE_NOT_FOUND},
        {"rate_limit", FAILURE_RATE_LIMIT},
        {"throttl", FAILURE_RATE_LIMIT},
        {"RESOURCE_EXHAUSTED", FAILURE_RATE_LIMIT},
        {"quota", FAILURE_QUOTA},
        {"overloaded", FAILURE_OVERLOADED},
        {"unavailable", FAILURE_UNAVAILABLE},
        {"timeout", FAILURE_TIMEOUT},
        {"DEADLINE", FAILURE_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (has_word(e->type, names[i].word) || has_word(e->code, names[i].word)) {
            return names[i].class;
        }
    }
    uint64_t number;
    if (str_to_u64(e->code, &number) && number >= 400 && number < 600) {
        return failure_of_status((int)number);
    }
    return FAILURE_SERVER;
}

void provider_error_refine(struct provider_error *e)
{
    if (e->status == 0 && e->class == FAILURE_NONE) {
        e->class = class_in_stream(e);
    } else if (e->class == FAILURE_NONE) {
        e->class = failure_of_status(e->status);
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (e->status && (e->status < words[i].min_status || e->status > words[i].max_status)) {
            continue;
        }
        if (has_word(e->code, words[i].word) || has_word(e->type, words[i].word) ||
            (words[i].message && has_word(e->message, words[i].word))) {
            e->class = words[i].class;
            return;
        }
    }
}

/* ---- shapes ---- */

/* A code may be a number as well as a word. */
static struct str word_of(struct arena *a, struct json_value object, const char *name)
{
    struct json_value v;
    if (!read_get(object, name, &v)) {
        return STR_NONE;
    }
    return v.type == JSON_NUMBER ? v.raw : read_text(a, v);
}

static void take(struct str *to, struct str from)
{
    if (!to->len && from.len) {
        *to = from;
    }
}

static void read_object(struct arena *a, struct json_value o, struct provider_error *e);

static void read_details(struct arena *a, struct json_value o, struct provider_error *e)
{
    struct json_value list, item;
    size_t pos = 0;
    if (!read_get(o, "details", &list) || list.type != JSON_ARRAY) {
        return;
    }
    while (json_next(list, &pos, NULL, &item)) {
        take(&e->code, read_get_text(a, item, "reason")); /* google.rpc.ErrorInfo */
    }
}

static void read_nested(struct arena *a, struct json_value v, struct provider_error *e)
{
    struct json_value item;
    size_t pos = 0;
    if (v.type == JSON_OBJECT) {
        read_object(a, v, e);
    } else if (v.type == JSON_STRING) {
        take(&e->message, read_text(a, v));
    } else if (v.type == JSON_ARRAY && json_next(v, &pos, NULL, &item)) {
        if (item.type == JSON_OBJECT) {
            read_object(a, item, e);
        } else {
            take(&e->message, read_text(a, item));
        }
    }
}

static void read_object(struct arena *a, struct json_value o, struct provider_error *e)
{
    static const char *const nested[] = {"error", "errors", "detail", "Error"};
    static const char *const messages[] = {"message",   "Message", "msg",  "error_message",
                                           "error_msg", "reason",  "title"};
    struct json_value v;
    for (size_t i = 0; i < sizeof(nested) / sizeof(nested[0]); i++) {
        if (read_get(o, nested[i], &v)) {
            read_nested(a, v, e);
        }
    }
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        if (read_get(o, messages[i], &v)) {
            read_nested(a, v, e);
        }
    }
    read_details(a, o, e);
    take(&e->type, word_of(a, o, "type"));
    take(&e->type, word_of(a, o, "status"));
    take(&e->type, word_of(a, o, "__type"));
    take(&e->code, word_of(a, o, "code"));
    take(&e->code, word_of(a, o, "error_code"));
    take(&e->param, word_of(a, o, "param"));
}

/* What a page says in its title, or a text in its first bytes. */
static struct str text_message(struct arena *a, struct str body)
{
    static const struct str open = STR_LIT("<title>"), close = STR_LIT("</title>");
    for (size_t i = 0; i + open.len < body.len; i++) {
        if (!str_eq_nocase(str_slice(body, i, open.len), open)) {
            continue;
        }
        struct str rest = str_slice(body, i + open.len, body.len);
        for (size_t k = 0; k + close.len <= rest.len; k++) {
            if (str_eq_nocase(str_slice(rest, k, close.len), close)) {
                return str_trim(str_slice(rest, 0, k));
            }
        }
    }
    (void)a;
    return str_trim(str_slice(body, 0, MESSAGE_MAX));
}

void provider_error_read(struct str body, int status, struct str errortype, struct arena *a,
                         struct provider_error *ret)
{
    struct provider_error e = {.status = status, .raw = body};
    struct json_value v;
    struct str head;
    if (errortype.len) {
        struct str tail;
        head = errortype;
        (void)str_cut(errortype, ':', &head, &tail); /* "ValidationException:http://…" */
        e.type = head;
    }
    if (body.len && read_json(body, &v)) {
        e.raw_is_json = true;
        read_nested(a, v, &e);
    } else if (body.len) {
        e.message = text_message(a, body);
    }
    if (!e.message.len) {
        e.message = status ? arena_printf(a, "the provider answered with status %d", status)
                           : STR_LIT("the provider failed within its answer");
        if (!e.message.ptr) {
            e.message = STR_LIT("the provider failed");
        }
    }
    provider_error_refine(&e);
    *ret = e;
}
