/* See openai_responses_error.h. */
#include "dataplane/dialects/openai_responses_error.h"

#include "common/json.h"
#include "dataplane/dialects/openai_error.h"

#define EVENT_MAX 16384

struct str openai_responses_error_event(struct arena *a, const struct failure *f,
                                        enum framing framing)
{
    struct buffer out;
    struct json_writer w;
    const struct provider_error *p = f->provider;
    struct str code = p && p->code.len ? p->code : str_of(error_code_name(f->error->code));
    buffer_init(&out, EVENT_MAX);
    (void)buffer_append_z(&out, "event: error\ndata: ");
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_field_z(&w, "type", "error");
    json_field_u64(&w, "sequence_number", 0);
    json_field_str(&w, "code", code);
    json_field_str(&w, "message", p ? p->message : str_of(error_text(f->error)));
    json_name(&w, "param");
    json_put_null(&w);
    json_field_str(&w, "request_id", f->request_id);
    json_object_end(&w);
    (void)buffer_append_z(&out, "\n\n");
    struct str event = out.failed || !a ? STR_NONE : arena_str(a, buffer_str(&out));
    buffer_release(&out);
    return event.ptr ? event : openai_error_event(a, f, framing);
}
