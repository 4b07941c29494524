/* Error bodies and events in OpenAI's shape; see openai_error.h. */
#include "dataplane/dialects/openai_error.h"

#include <inttypes.h>
#include <stdio.h>

#include "dataplane/canonical/head.h"

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

struct str openai_error_body(struct arena *a, const struct failure *f)
{
    return write_error(a, f->error, f->request_id, STR_LIT(""), STR_LIT("\n"), out_of_room);
}

struct str openai_error_event(struct arena *a, const struct failure *f, enum framing framing)
{
    (void)framing;
    return write_error(a, f->error, f->request_id, STR_LIT("data: "), STR_LIT("\n\n"),
                       event_out_of_room);
}
