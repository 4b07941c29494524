/* Error bodies and events in OpenAI's shape; see openai_error.h. */
#include "dataplane/dialects/openai_error.h"

#include <inttypes.h>
#include <stdio.h>

#include "dataplane/canonical/head.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/openai_answer.h"

static const struct str out_of_room =
    STR_LIT("{\"error\":{\"message\":\"internal error\",\"type\":\"server_error\",\"param\":null,"
            "\"code\":\"internal_error\"}}");
static const struct str event_out_of_room =
    STR_LIT("data: {\"error\":{\"message\":\"internal error\",\"type\":\"server_error\","
            "\"param\":null,\"code\":\"internal_error\"}}\n\n");

/* The scanner's own text tells line and column already. */
static void put_position(struct head *h, const struct error *e)
{
    char where[96];
    if (e->line <= 0) {
        return;
    }
    if (strstr(error_text(e), "line ")) {
        (void)snprintf(where, sizeof(where), " (offset %" PRId64 ")", e->offset);
    } else {
        (void)snprintf(where, sizeof(where), " (line %d, column %d, offset %" PRId64 ")", e->line,
                       e->column, e->offset);
    }
    head_put_z(h, where);
}

static void put_error(struct head *h, const struct error *e, struct str request_id)
{
    head_put(h, STR_LIT("{\"error\":{\"message\":\""));
    head_put_json(h, str_of(error_text(e)));
    put_position(h, e);
    head_put(h, STR_LIT("\",\"type\":\""));
    head_put_z(h, error_type(e->code));
    head_put(h, STR_LIT("\",\"param\":"));
    if (e->param[0]) {
        head_put(h, STR_LIT("\""));
        head_put_json(h, str_of(e->param));
        head_put(h, STR_LIT("\""));
    } else {
        head_put(h, STR_LIT("null"));
    }
    head_put(h, STR_LIT(",\"code\":\""));
    head_put_z(h, error_code_name(e->code));
    head_put(h, STR_LIT("\",\"request_id\":\""));
    head_put(h, request_id);
    head_put(h, STR_LIT("\"}}"));
}

static struct str write_error(struct arena *a, const struct error *e, struct str request_id,
                              struct str before, struct str behind, struct str fallback)
{
    /* every byte of text and param may grow to six */
    size_t room =
        512 + request_id.len + 6 * (strlen(error_text(e)) + strlen(e->param)) + before.len;
    struct head h;
    if (!a || !head_init(&h, a, room)) {
        return fallback;
    }
    head_put(&h, before);
    put_error(&h, e, request_id);
    head_put(&h, behind);
    return h.failed ? fallback : head_str(&h);
}

/* ---- a provider's ---- */

/* What OpenAI's API itself says; param where it names one. */
static const struct {
    const char *type, *code, *param;
} classes[FAILURE_CLASS_COUNT] = {
    [FAILURE_NONE] = {"server_error", NULL, NULL},
    [FAILURE_INVALID] = {"invalid_request_error", NULL, NULL},
    [FAILURE_CONTEXT_LENGTH] = {"invalid_request_error", "context_length_exceeded", "messages"},
    [FAILURE_CONTENT_POLICY] = {"invalid_request_error", "content_filter", "prompt"},
    [FAILURE_AUTHENTICATION] = {"invalid_request_error", "invalid_api_key", NULL},
    [FAILURE_BILLING] = {"insufficient_quota", "insufficient_quota", NULL},
    [FAILURE_PERMISSION] = {"invalid_request_error", "insufficient_permissions", NULL},
    [FAILURE_NOT_FOUND] = {"invalid_request_error", "model_not_found", NULL},
    [FAILURE_TIMEOUT] = {"server_error", "timeout", NULL},
    [FAILURE_CONFLICT] = {"invalid_request_error", "conflict", NULL},
    [FAILURE_TOO_LARGE] = {"invalid_request_error", "request_too_large", NULL},
    [FAILURE_UNPROCESSABLE] = {"invalid_request_error", "unprocessable_entity", NULL},
    [FAILURE_RATE_LIMIT] = {"requests", "rate_limit_exceeded", NULL},
    [FAILURE_QUOTA] = {"insufficient_quota", "insufficient_quota", NULL},
    [FAILURE_SERVER] = {"server_error", "server_error", NULL},
    [FAILURE_UNAVAILABLE] = {"server_error", "service_unavailable", NULL},
    [FAILURE_OVERLOADED] = {"server_error", "overloaded", NULL},
};

static bool own_value(struct json_value top)
{
    struct json_value e, v;
    /* Anthropic's has a type above its error, Google's none within */
    return top.type == JSON_OBJECT && !read_get(top, "type", &v) && read_get(top, "error", &e) &&
           e.type == JSON_OBJECT && read_get(e, "message", &v) && v.type == JSON_STRING &&
           read_get(e, "type", &v) && v.type == JSON_STRING && !read_get(e, "status", &v);
}

bool openai_error_is_own(struct str body)
{
    struct json_value top;
    return json_validate(body, 0, &top, NULL) && own_value(top);
}

static struct str word_of(const char *z)
{
    return z ? str_of(z) : STR_NONE;
}

static void put_words(struct json_writer *w, const struct provider_error *e)
{
    unsigned c = (unsigned)e->class < FAILURE_CLASS_COUNT ? e->class : FAILURE_NONE;
    bool own = e->raw_is_json && openai_error_is_own(e->raw);
    struct str type = own && e->type.len ? e->type : word_of(classes[c].type);
    json_field_str(w, "message", e->message.ptr ? e->message : STR_LIT("provider failed"));
    json_field_str(w, "type", type);
    json_field_str(w, "param", own ? e->param : word_of(classes[c].param));
    json_field_str(w, "code", own ? e->code : word_of(classes[c].code));
}

static void put_original(struct json_writer *w, const struct provider_error *e, int status)
{
    json_name(w, "weir");
    json_object_begin(w);
    json_name(w, "provider_error");
    if (e->raw_is_json) {
        json_put_raw(w, e->raw);
    } else {
        json_put_str(w, e->raw);
    }
    json_field_str(w, "provider", e->provider);
    if (status || e->status) {
        json_field_i64(w, "status", e->status ? e->status : status);
    } else {
        json_name(w, "status");
        json_put_null(w);
    }
    json_object_end(w);
}

void openai_put_error(struct json_writer *w, const struct provider_error *e, int status)
{
    json_name(w, "error");
    json_object_begin(w);
    put_words(w, e);
    json_object_end(w);
    put_original(w, e, status);
}

static struct str provider_failure(struct arena *a, const struct failure *f, struct str before,
                                   struct str behind, struct str fallback)
{
    struct buffer out;
    struct json_writer w;
    struct str ret = STR_NONE;
    buffer_init(&out, 16u << 20);
    (void)buffer_append_str(&out, before);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, "error");
    json_object_begin(&w);
    put_words(&w, f->provider);
    json_field_str(&w, "request_id", f->request_id);
    json_object_end(&w);
    put_original(&w, f->provider, f->status);
    json_object_end(&w);
    openai_one_line(&out, 0);
    (void)buffer_append_str(&out, behind);
    if (a && !out.failed) {
        ret = arena_str(a, buffer_str(&out));
    }
    buffer_release(&out);
    return ret.ptr ? ret : fallback;
}

struct str openai_error_body(struct arena *a, const struct failure *f)
{
    if (f->provider) {
        return provider_failure(a, f, STR_LIT(""), STR_LIT("\n"), out_of_room);
    }
    return write_error(a, f->error, f->request_id, STR_LIT(""), STR_LIT("\n"), out_of_room);
}

struct str openai_error_event(struct arena *a, const struct failure *f, enum framing framing)
{
    (void)framing;
    if (f->provider) {
        return provider_failure(a, f, STR_LIT("data: "), STR_LIT("\n\n"), event_out_of_room);
    }
    return write_error(a, f->error, f->request_id, STR_LIT("data: "), STR_LIT("\n\n"),
                       event_out_of_room);
}
