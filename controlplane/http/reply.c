/* JSON answers of one shape. */
#include "controlplane/http/reply.h"

#include "common/base/clock.h"
#include "common/base/uuid.h"

#define JSON_TYPE "application/json"

void reply_guard_headers(struct http_request *r)
{
    http_reply_header(r, "x-content-type-options", "nosniff");
    http_reply_header(r, "referrer-policy", "no-referrer");
}

static void no_store(struct http_request *r)
{
    reply_guard_headers(r);
    http_reply_header(r, "cache-control", "no-store");
}

void http_reply_error(struct http_request *r, const struct error *e)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 16384);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_name(&w, "error");
    json_object_begin(&w);
    json_field_z(&w, "code", error_code_name(e->code));
    json_field_z(&w, "message", error_text(e));
    json_field_str(&w, "param", e->param[0] ? str_of(e->param) : STR_NONE);
    json_field_z(&w, "type", error_type(e->code));
    json_field_z(&w, "request_id", http_request_id(r));
    if (e->code == ERR_INVALID_JSON && e->offset >= 0) {
        json_field_i64(&w, "offset", e->offset);
        json_field_i64(&w, "line", e->line);
        json_field_i64(&w, "column", e->column);
    }
    json_object_end(&w);
    json_object_end(&w);
    no_store(r);
    http_reply(r, error_status(e->code), JSON_TYPE, buffer_str(&b));
    buffer_release(&b);
}

void reply_text(struct http_request *r, int status, const char *content_type,
                const struct buffer *body)
{
    if (body->failed) {
        struct error err = ERROR_INIT;
        (void)error_set(&err, ERR_INTERNAL, "the answer is too large");
        http_reply_error(r, &err);
        return;
    }
    no_store(r);
    http_reply(r, status, content_type ? content_type : JSON_TYPE, buffer_str(body));
}

void reply_json(struct http_request *r, int status, const struct buffer *body)
{
    reply_text(r, status, NULL, body);
}

void reply_empty(struct http_request *r, int status)
{
    no_store(r);
    http_reply(r, status, NULL, STR_LIT(""));
}

void reply_put_id(struct json_writer *w, const char *name, const char *prefix,
                  const struct uuid *id)
{
    char text[64];
    json_name(w, name);
    if (uuid_is_nil(id)) {
        json_put_null(w);
        return;
    }
    uuid_format_public(prefix, id, text, sizeof text);
    json_put_z(w, text);
}

void reply_put_time(struct json_writer *w, const char *name, uint64_t wall_ms)
{
    char text[25];
    json_name(w, name);
    if (wall_ms == 0) {
        json_put_null(w);
        return;
    }
    clock_format_rfc3339(wall_ms, text);
    json_put_z(w, text);
}
