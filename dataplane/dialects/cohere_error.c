/* Errors in Cohere's shape; see cohere_error.h. */
#include "dataplane/dialects/cohere_error.h"

#include "common/json.h"
#include "dataplane/canonical/read.h"
#include "dataplane/net/sse.h"

#define BODY_MAX (4u << 20)

static const struct str out_of_room = STR_LIT("{\"message\":\"internal error\"}\n");
static const struct str event_out_of_room = STR_LIT("data: {\"message\":\"internal error\"}\n\n");

static void put_provider(struct json_writer *w, const struct provider_error *p)
{
    if (p->provider.len) {
        json_field_str(w, "provider", p->provider);
    }
    if (p->status) {
        json_field_i64(w, "status", p->status);
    }
    if (p->raw.len) {
        json_name(w, "provider_error");
        if (p->raw_is_json) {
            json_put_raw(w, p->raw);
        } else {
            json_put_str(w, p->raw);
        }
    }
}

static void put_body(struct json_writer *w, const struct failure *f)
{
    bool provider = f->provider && f->provider->message.len;
    json_object_begin(w);
    json_field_str(w, "message", provider ? f->provider->message : str_of(error_text(f->error)));
    if (f->request_id.len) {
        json_field_str(w, "id", f->request_id);
    }
    json_name(w, "weir");
    json_object_begin(w);
    json_field_z(w, "code", error_code_name(f->error->code));
    if (f->error->param[0]) {
        json_field_z(w, "param", f->error->param);
    }
    if (f->request_id.len) {
        json_field_str(w, "request_id", f->request_id);
    }
    if (f->provider) {
        put_provider(w, f->provider);
    }
    json_object_end(w);
    json_object_end(w);
}

/* The finished text in the arena; as an event where `event`. */
static struct str written(struct arena *a, const struct failure *f, bool event, struct str fallback)
{
    struct buffer body, framed;
    struct json_writer w;
    struct str ret = STR_NONE;
    if (!a) {
        return fallback;
    }
    buffer_init(&body, BODY_MAX);
    buffer_init(&framed, 2 * BODY_MAX);
    json_writer_init(&w, &body);
    put_body(&w, f);
    if (!body.failed && event) {
        (void)sse_write(&framed, STR_LIT(""), buffer_str(&body));
    } else if (!body.failed) {
        (void)buffer_append_str(&framed, buffer_str(&body));
        (void)buffer_append(&framed, "\n", 1);
    }
    if (!body.failed && !framed.failed) {
        ret = arena_str(a, buffer_str(&framed));
    }
    buffer_release(&body);
    buffer_release(&framed);
    return ret.ptr ? ret : fallback;
}

struct str cohere_error_body(struct arena *a, const struct failure *f)
{
    return written(a, f, false, out_of_room);
}

struct str cohere_error_event(struct arena *a, const struct failure *f, enum framing framing)
{
    return framing == FRAMING_SSE ? written(a, f, true, event_out_of_room)
                                  : written(a, f, false, out_of_room);
}

bool cohere_error_is_own(struct str body)
{
    struct json_value o, v;
    return read_json(body, &o) && o.type == JSON_OBJECT && read_get(o, "message", &v) &&
           v.type == JSON_STRING && !read_get(o, "error", &v) && !read_get(o, "type", &v) &&
           !read_get(o, "code", &v);
}
