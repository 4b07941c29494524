/* Errors in Bedrock's shape; see bedrock_error.h. */
#include "dataplane/dialects/bedrock_error.h"

#include <stdio.h>

#include "dataplane/canonical/read.h"
#include "dataplane/net/aws_event.h"

#define BODY_MAX_BYTES (1u << 20)

struct class_row {
    enum failure_class class;
    int status;
    const char *name;   /* x-amzn-errortype */
    const char *within; /* the stream's member; a stream knows five exceptions only */
};

static const struct class_row rows[] = {
    {FAILURE_NONE, 500, "InternalServerException", "internalServerException"},
    {FAILURE_INVALID, 400, "ValidationException", "validationException"},
    {FAILURE_CONTEXT_LENGTH, 400, "ValidationException", "validationException"},
    {FAILURE_CONTENT_POLICY, 400, "ValidationException", "validationException"},
    {FAILURE_AUTHENTICATION, 403, "AccessDeniedException", "validationException"},
    {FAILURE_BILLING, 400, "ServiceQuotaExceededException", "throttlingException"},
    {FAILURE_PERMISSION, 403, "AccessDeniedException", "validationException"},
    {FAILURE_NOT_FOUND, 404, "ResourceNotFoundException", "validationException"},
    {FAILURE_TIMEOUT, 408, "ModelTimeoutException", "modelStreamErrorException"},
    {FAILURE_CONFLICT, 400, "ValidationException", "validationException"},
    {FAILURE_TOO_LARGE, 400, "ValidationException", "validationException"},
    {FAILURE_UNPROCESSABLE, 400, "ValidationException", "validationException"},
    {FAILURE_RATE_LIMIT, 429, "ThrottlingException", "throttlingException"},
    {FAILURE_QUOTA, 400, "ServiceQuotaExceededException", "throttlingException"},
    {FAILURE_SERVER, 500, "InternalServerException", "internalServerException"},
    {FAILURE_UNAVAILABLE, 503, "ServiceUnavailableException", "serviceUnavailableException"},
    {FAILURE_OVERLOADED, 503, "ServiceUnavailableException", "serviceUnavailableException"},
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == FAILURE_CLASS_COUNT, "a row each");

/* The provider could not be used at all: the model's own failure, in Bedrock's words. */
static const struct class_row model_failed = {FAILURE_SERVER, 424, "ModelErrorException",
                                              "modelStreamErrorException"};

static const struct class_row *row_of(const struct failure *f)
{
    if (f->provider) {
        return &rows[(unsigned)f->provider->class < FAILURE_CLASS_COUNT ? f->provider->class : 0];
    }
    if (!f->error) {
        return &rows[FAILURE_SERVER];
    }
    switch (f->error->code) {
    case ERR_UPSTREAM_REFUSED:
    case ERR_UPSTREAM_GARBAGE:
    case ERR_UPSTREAM_CLOSED:
    case ERR_UPSTREAM_TLS:
        return &model_failed;
    case ERR_BUDGET_EXCEEDED:
        return &rows[FAILURE_QUOTA];
    case ERR_METHOD_NOT_ALLOWED:
    case ERR_NOT_IMPLEMENTED:
        return &rows[FAILURE_INVALID];
    default:
        return &rows[failure_of_status(error_status(f->error->code))];
    }
}

int bedrock_error_status(const struct failure *f)
{
    return row_of(f)->status;
}

struct str bedrock_error_header_value(const struct failure *f)
{
    return str_of(row_of(f)->name);
}

/* ---- bodies ---- */

static void put_message(struct json_writer *w, const struct failure *f)
{
    char text[400];
    const struct error *e = f->error;
    if (f->provider && f->provider->message.len) {
        json_field_str(w, "message", f->provider->message);
        return;
    }
    if (!e) {
        json_field_z(w, "message", "internal error");
        return;
    }
    /* the scanner's own text tells line and column already */
    if (e->line > 0 && !strstr(error_text(e), "line ")) {
        (void)snprintf(text, sizeof(text), "%s (line %d, column %d)", error_text(e), e->line,
                       e->column);
        json_field_z(w, "message", text);
    } else {
        json_field_z(w, "message", error_text(e));
    }
}

static void put_weir(struct json_writer *w, const struct failure *f)
{
    json_name(w, "weir");
    json_object_begin(w);
    if (f->error) {
        json_field_z(w, "code", error_code_name(f->error->code));
    }
    if (f->error && f->error->param[0]) {
        json_field_z(w, "param", f->error->param);
    }
    if (f->request_id.ptr) {
        json_field_str(w, "request_id", f->request_id);
    }
    if (f->provider) {
        const struct provider_error *p = f->provider;
        json_field_str(w, "provider", p->provider);
        json_field_i64(w, "status", p->status);
        if (p->raw.ptr) {
            json_name(w, "provider_error");
            if (p->raw_is_json) {
                json_put_raw(w, p->raw);
            } else {
                json_put_str(w, p->raw);
            }
        }
    }
    json_object_end(w);
}

static void put_body(struct buffer *out, const struct failure *f)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    put_message(&w, f);
    put_weir(&w, f);
    json_object_end(&w);
}

/* The buffer's bytes in the arena, `fallback` when either is out of room. */
static struct str take(struct arena *a, struct buffer *b, struct str fallback)
{
    struct str copy = b->failed ? STR_NONE : arena_str(a, buffer_str(b));
    buffer_release(b);
    return copy.ptr ? copy : fallback;
}

struct str bedrock_error_body(struct arena *a, const struct failure *f)
{
    static const struct str fallback = STR_LIT("{\"message\":\"internal error\"}");
    struct buffer b;
    if (!a) {
        return fallback;
    }
    buffer_init(&b, BODY_MAX_BYTES);
    put_body(&b, f);
    return take(a, &b, fallback);
}

struct str bedrock_error_event(struct arena *a, const struct failure *f, enum framing framing)
{
    struct buffer b;
    if (!a) {
        return STR_LIT(""); /* a stream without its end is broken for every reader */
    }
    struct str body = bedrock_error_body(a, f);
    buffer_init(&b, 2 * BODY_MAX_BYTES);
    if (framing == FRAMING_AWS) {
        (void)aws_exception_write(&b, str_of(row_of(f)->within), body);
    } else {
        (void)buffer_append_str(&b, body);
        (void)buffer_append_z(&b, "\n");
    }
    return take(a, &b, STR_LIT(""));
}

bool bedrock_error_frame(struct buffer *out, const struct provider_error *e)
{
    struct failure f = {.provider = e};
    struct buffer b;
    buffer_init(&b, BODY_MAX_BYTES);
    put_body(&b, &f);
    bool ok = aws_exception_write(out, str_of(row_of(&f)->within),
                                  b.failed ? STR_LIT("{\"message\":\"provider failed\"}")
                                           : buffer_str(&b));
    buffer_release(&b);
    return ok;
}

bool bedrock_error_is_own(struct str body)
{
    struct json_value whole, v;
    if (!read_json(body, &whole) || whole.type != JSON_OBJECT) {
        return false;
    }
    if (read_get(whole, "error", &v) || read_get(whole, "detail", &v) ||
        read_get(whole, "type", &v) || read_get(whole, "id", &v)) {
        return false;
    }
    return (read_get(whole, "message", &v) || read_get(whole, "Message", &v)) &&
           v.type == JSON_STRING;
}
