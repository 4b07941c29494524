/* read: the body, once. Pass-through needs four spans of it, and a malformed one is refused here
 * with its position rather than by the provider. */
#include "dataplane/canonical/head.h"
#include "dataplane/stages/stages.h"

#define NATIVE_MODEL_MAX 200

static bool is_json(struct str content_type)
{
    static const struct str json = STR_LIT("application/json");
    return str_eq_nocase(str_slice(content_type, 0, json.len), json);
}

/* A provider's own format: whatever it is, it goes on as it is. Its model name is read where it has
 * OpenAI's form, for the event and for keys that are bound to models. */
static void read_native(struct request *r)
{
    struct json_member model = {.name = STR_LIT("model")};
    if (r->body.len == 0 || !is_json(exchange_header(r->exchange, "content-type")) ||
        !json_scan(r->body, &model, 1, 0, NULL)) {
        return;
    }
    if (model.found && model.value.type == JSON_STRING && !model.value.escaped) {
        struct str name = json_text(model.value);
        r->model =
            name.len && name.len <= NATIVE_MODEL_MAX && head_value_ok(name) ? name : STR_NONE;
    }
}

enum verdict stage_read(struct request *r)
{
    if (r->kind == REQUEST_NATIVE) {
        read_native(r);
        return VERDICT_NEXT;
    }
    if (r->kind != REQUEST_CHAT) {
        return VERDICT_NEXT;
    }
    if (!openai_chat_read(r->body, r->arena, &r->chat, &r->error)) {
        return VERDICT_REJECT;
    }
    r->model = r->chat.model;
    r->stream = r->chat.stream;
    return VERDICT_NEXT;
}
