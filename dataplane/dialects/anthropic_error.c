/* Error bodies and events in Anthropic's shape; see anthropic_error.h. */
#include "dataplane/dialects/anthropic_error.h"

#include <inttypes.h>
#include <stdio.h>

#include "dataplane/canonical/read.h"

#define BODY_MAX (4u << 20)

#define FIXED                                                                                \
    "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"internal error\"}," \
    "\"request_id\":null}"

static const struct str out_of_room = STR_LIT(FIXED "\n");
static const struct str event_out_of_room = STR_LIT("event: error\ndata: " FIXED "\n\n");

static const struct {
    int status;
    const char *type;
} types[] = {
    {400, "invalid_request_error"}, {401, "authentication_error"}, {402, "billing_error"},
    {403, "permission_error"},      {404, "not_found_error"},      {408, "timeout_error"},
    {413, "request_too_large"},     {429, "rate_limit_error"},     {503, "overloaded_error"},
    {504, "timeout_error"},         {529, "overloaded_error"},
};

int anthropic_error_status(const struct failure *f)
{
    if (f->provider && f->provider->class != FAILURE_NONE) {
        return failure_status(f->provider->class);
    }
    return f->error && f->error->code != ERR_NONE ? error_status(f->error->code) : 500;
}

const char *anthropic_error_type(const struct failure *f)
{
    int status = anthropic_error_status(f);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].status == status) {
            return types[i].type;
        }
    }
    return status >= 400 && status < 500 ? "invalid_request_error" : "api_error";
}

/* Weir's words, with the field and the position where they do not tell them already. */
static struct str own_message(struct arena *a, const struct error *e)
{
    const char *text = error_text(e), *param = e->param;
    bool name = param[0] && !strstr(text, param);
    char where[96] = "";
    if (e->line > 0 && strstr(text, "line ")) {
        (void)snprintf(where, sizeof(where), " (offset %" PRId64 ")", e->offset);
    } else if (e->line > 0) {
        (void)snprintf(where, sizeof(where), " (line %d, column %d, offset %" PRId64 ")", e->line,
                       e->column, e->offset);
    }
    return arena_printf(a, "%s%s%s%s", name ? param : "", name ? ": " : "", text, where);
}

static void write_weir(struct json_writer *w, const struct failure *f)
{
    const struct provider_error *p = f->provider;
    json_name(w, "weir");
    json_object_begin(w);
    if (f->error && f->error->code != ERR_NONE) {
        json_field_z(w, "code", error_code_name(f->error->code));
        if (f->error->param[0]) {
            json_field_z(w, "param", f->error->param);
        }
    }
    if (p) {
        if (p->provider.ptr) {
            json_field_str(w, "provider", p->provider);
        }
        if (p->status) {
            json_field_i64(w, "status", p->status);
        }
        json_name(w, "provider_error");
        if (p->raw_is_json) {
            json_put_raw(w, p->raw);
        } else {
            json_put_str(w, p->raw);
        }
    }
    json_object_end(w);
}

static void write_error(struct buffer *out, struct arena *a, const struct failure *f)
{
    struct json_writer w;
    struct str message = f->provider && f->provider->message.len ? f->provider->message
                         : f->error                              ? own_message(a, f->error)
                                                                 : STR_LIT("internal error");
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_z(&w, "type", "error");
    json_name(&w, "error");
    json_object_begin(&w);
    json_field_z(&w, "type", anthropic_error_type(f));
    json_field_str(&w, "message", message.ptr ? message : STR_LIT("internal error"));
    json_object_end(&w);
    json_field_str(&w, "request_id", f->request_id.len ? f->request_id : STR_NONE);
    write_weir(&w, f);
    json_object_end(&w);
    /* an original may be printed over several lines; within strings line ends are escaped */
    for (size_t i = 0; i < out->len; i++) {
        if (out->ptr[i] == '\n' || out->ptr[i] == '\r') {
            out->ptr[i] = ' ';
        }
    }
}

static struct str in_arena(struct arena *a, const struct failure *f, struct str before,
                           struct str behind, struct str fallback)
{
    struct buffer b;
    struct str whole = STR_NONE;
    if (!a) {
        return fallback;
    }
    buffer_init(&b, BODY_MAX);
    write_error(&b, a, f);
    if (!b.failed) {
        size_t len = before.len + b.len + behind.len;
        char *p = arena_alloc(a, len + 1);
        if (p) {
            memcpy(p, before.ptr, before.len);
            memcpy(p + before.len, b.ptr, b.len);
            memcpy(p + before.len + b.len, behind.ptr, behind.len);
            p[len] = '\0';
            whole = (struct str){p, len};
        }
    }
    buffer_release(&b);
    return whole.ptr ? whole : fallback;
}

struct str anthropic_error_body(struct arena *a, const struct failure *f)
{
    return in_arena(a, f, STR_LIT(""), STR_LIT("\n"), out_of_room);
}

struct str anthropic_error_event(struct arena *a, const struct failure *f, enum framing framing)
{
    (void)framing; /* Anthropic has one */
    return in_arena(a, f, STR_LIT("event: error\ndata: "), STR_LIT("\n\n"), event_out_of_room);
}

bool anthropic_error_is_own(struct str body)
{
    struct json_value v, type, error, message;
    return read_json(body, &v) && v.type == JSON_OBJECT && read_get(v, "type", &type) &&
           json_text_eq(type, STR_LIT("error")) && read_get(v, "error", &error) &&
           error.type == JSON_OBJECT && read_get(error, "type", &type) &&
           type.type == JSON_STRING && read_get(error, "message", &message) &&
           message.type == JSON_STRING;
}
