/* Error bodies and events in Google's shape; see gemini_error.h. */
#include "dataplane/dialects/gemini_error.h"

#include <inttypes.h>
#include <stdio.h>

#include "dataplane/canonical/read.h"

static const struct str out_of_room =
    STR_LIT("{\"error\":{\"code\":500,\"message\":\"internal error\",\"status\":\"INTERNAL\"}}\n");
static const struct str sse_out_of_room =
    STR_LIT("data: {\"error\":{\"code\":500,\"message\":\"internal error\","
            "\"status\":\"INTERNAL\"}}\r\n\r\n");
static const struct str array_out_of_room =
    STR_LIT(",\r\n{\"error\":{\"code\":500,\"message\":\"internal error\","
            "\"status\":\"INTERNAL\"}}\n]");

/* google.rpc.Code's words by class; a refusal by Weir itself goes by its HTTP status. */
static const struct {
    const char *word;
    int status;
} classes[] = {
    [FAILURE_NONE] = {"INTERNAL", 500},
    [FAILURE_INVALID] = {"INVALID_ARGUMENT", 400},
    [FAILURE_CONTEXT_LENGTH] = {"INVALID_ARGUMENT", 400},
    [FAILURE_CONTENT_POLICY] = {"INVALID_ARGUMENT", 400},
    [FAILURE_AUTHENTICATION] = {"UNAUTHENTICATED", 401},
    [FAILURE_BILLING] = {"PERMISSION_DENIED", 403},
    [FAILURE_PERMISSION] = {"PERMISSION_DENIED", 403},
    [FAILURE_NOT_FOUND] = {"NOT_FOUND", 404},
    [FAILURE_TIMEOUT] = {"DEADLINE_EXCEEDED", 504},
    [FAILURE_CONFLICT] = {"ABORTED", 409},
    [FAILURE_TOO_LARGE] = {"INVALID_ARGUMENT", 400},
    [FAILURE_UNPROCESSABLE] = {"INVALID_ARGUMENT", 400},
    [FAILURE_RATE_LIMIT] = {"RESOURCE_EXHAUSTED", 429},
    [FAILURE_QUOTA] = {"RESOURCE_EXHAUSTED", 429},
    [FAILURE_SERVER] = {"INTERNAL", 500},
    [FAILURE_UNAVAILABLE] = {"UNAVAILABLE", 503},
    [FAILURE_OVERLOADED] = {"UNAVAILABLE", 503},
};
_Static_assert(sizeof(classes) / sizeof(classes[0]) == FAILURE_CLASS_COUNT, "a row each");

static const struct {
    int status;
    const char *word;
} statuses[] = {
    {400, "INVALID_ARGUMENT"},    {401, "UNAUTHENTICATED"},    {403, "PERMISSION_DENIED"},
    {404, "NOT_FOUND"},           {405, "UNIMPLEMENTED"},      {409, "ABORTED"},
    {412, "FAILED_PRECONDITION"}, {413, "INVALID_ARGUMENT"},   {415, "INVALID_ARGUMENT"},
    {428, "FAILED_PRECONDITION"}, {429, "RESOURCE_EXHAUSTED"}, {431, "INVALID_ARGUMENT"},
    {408, "DEADLINE_EXCEEDED"},   {499, "CANCELLED"},          {500, "INTERNAL"},
    {501, "UNIMPLEMENTED"},       {502, "UNAVAILABLE"},        {503, "UNAVAILABLE"},
    {504, "DEADLINE_EXCEEDED"},
};

int gemini_error_status(const struct failure *f)
{
    if (f->provider && (unsigned)f->provider->class < FAILURE_CLASS_COUNT &&
        f->provider->class != FAILURE_NONE) {
        return classes[f->provider->class].status;
    }
    return f->status ? f->status : error_status(f->error->code);
}

static const char *status_word(const struct failure *f)
{
    int status = gemini_error_status(f);
    if (f->provider && (unsigned)f->provider->class < FAILURE_CLASS_COUNT) {
        return classes[f->provider->class].word;
    }
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].status == status) {
            return statuses[i].word;
        }
    }
    return status >= 500 ? "INTERNAL" : "INVALID_ARGUMENT";
}

/* The message with the position in the input; the scanner's own text tells line and column already.
 */
static void put_message(struct json_writer *w, const struct failure *f, struct arena *a)
{
    const struct error *e = f->error;
    const char *text = error_text(e);
    struct str message = str_of(text);
    if (f->provider && f->provider->message.len > 0) {
        message = f->provider->message;
    } else if (e->line > 0 && strstr(text, "line ")) {
        message = arena_printf(a, "%s (offset %" PRId64 ")", text, e->offset);
    } else if (e->line > 0) {
        message = arena_printf(a, "%s (line %d, column %d, offset %" PRId64 ")", text, e->line,
                               e->column, e->offset);
    }
    json_field_str(w, "message", message.ptr ? message : str_of(text));
}

static void put_details(struct json_writer *w, const struct failure *f)
{
    json_name(w, "details");
    json_array_begin(w);
    json_object_begin(w);
    json_field_z(w, "@type", "type.googleapis.com/google.rpc.ErrorInfo");
    json_field_z(w, "reason", error_code_name(f->error->code));
    json_field_z(w, "domain", "weir");
    json_name(w, "metadata");
    json_object_begin(w);
    if (f->request_id.len > 0) {
        json_field_str(w, "request_id", f->request_id);
    }
    if (f->error->param[0]) {
        json_field_z(w, "param", f->error->param);
    }
    json_object_end(w);
    json_object_end(w);
    json_array_end(w);
}

static void put_provider(struct json_writer *w, const struct provider_error *p)
{
    json_name(w, "weir");
    json_object_begin(w);
    if (p->provider.len > 0) {
        json_field_str(w, "provider", p->provider);
    }
    if (p->status > 0) {
        json_field_i64(w, "status", p->status);
    }
    json_name(w, "provider_error");
    if (p->raw.len > 0 && p->raw_is_json) {
        json_put_raw(w, p->raw);
    } else {
        json_put_str(w, p->raw.ptr ? p->raw : p->message);
    }
    json_object_end(w);
}

static struct str write_error(struct arena *a, const struct failure *f, const char *before,
                              const char *behind, struct str fallback)
{
    struct buffer object, all;
    struct json_writer w;
    if (!a) {
        return fallback;
    }
    buffer_init(&object, 64u << 20);
    buffer_init(&all, 256u << 20);
    json_writer_init(&w, &object);
    json_object_begin(&w);
    json_name(&w, "error");
    json_object_begin(&w);
    json_field_i64(&w, "code", gemini_error_status(f));
    put_message(&w, f, a);
    json_field_z(&w, "status", status_word(f));
    put_details(&w, f);
    json_object_end(&w);
    if (f->provider) {
        put_provider(&w, f->provider);
    }
    json_object_end(&w);
    (void)buffer_append_z(&all, before);
    (void)buffer_append_str(&all, buffer_str(&object));
    (void)buffer_append_z(&all, behind);
    struct str text = object.failed || all.failed ? STR_NONE : arena_str(a, buffer_str(&all));
    buffer_release(&object);
    buffer_release(&all);
    return text.ptr ? text : fallback;
}

struct str gemini_error_body(struct arena *a, const struct failure *f)
{
    return write_error(a, f, "", "\n", out_of_room);
}

/* A frame ends at a line end, so what is embedded as the provider wrote it must have none. */
static struct str one_line(struct arena *a, struct str raw)
{
    if (!raw.len || (!memchr(raw.ptr, '\n', raw.len) && !memchr(raw.ptr, '\r', raw.len))) {
        return raw;
    }
    char *copy = a ? arena_alloc(a, raw.len) : NULL;
    if (!copy) {
        return STR_NONE;
    }
    for (size_t i = 0; i < raw.len; i++) {
        copy[i] = raw.ptr[i] == '\n' || raw.ptr[i] == '\r' ? ' ' : raw.ptr[i];
    }
    return (struct str){copy, raw.len};
}

struct str gemini_error_event(struct arena *a, const struct failure *f, enum framing framing)
{
    struct failure line = *f;
    struct provider_error p;
    if (framing == FRAMING_JSON_ARRAY) {
        return write_error(a, f, ",\r\n", "\n]", array_out_of_room);
    }
    if (f->provider && f->provider->raw_is_json) {
        p = *f->provider;
        p.raw = one_line(a, p.raw); /* valid JSON has line ends between its tokens only */
        line.provider = &p;
    }
    return write_error(a, &line, "data: ", "\r\n\r\n", sse_out_of_room);
}

bool gemini_error_is_own(struct str body)
{
    struct json_value v, e, code, status;
    size_t pos = 0;
    if (!json_validate(body, 0, &v, NULL)) {
        return false;
    }
    if (v.type == JSON_ARRAY && !json_next(v, &pos, NULL, &v)) {
        return false;
    }
    return v.type == JSON_OBJECT && read_get(v, "error", &e) && e.type == JSON_OBJECT &&
           read_get(e, "code", &code) && code.type == JSON_NUMBER &&
           read_get(e, "status", &status) && status.type == JSON_STRING;
}
