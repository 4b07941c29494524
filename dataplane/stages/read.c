/* read: the body, once. Pass-through needs four spans of it, and a malformed one is refused here
 * with its position rather than by the provider. What the dialects' decoders want to know they read
 * for themselves, later and only where a request is translated. */
#include "dataplane/canonical/head.h"
#include "dataplane/dialects/bedrock_invoke.h"
#include "dataplane/stages/faces.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"

#define NATIVE_MODEL_MAX 200

static bool is_json(struct str content_type)
{
    static const struct str json = STR_LIT("application/json");
    return str_eq_nocase(str_slice(content_type, 0, json.len), json);
}

static struct str plain_model(const struct json_member *m)
{
    if (!m->found || m->value.type != JSON_STRING || m->value.escaped) {
        return STR_NONE;
    }
    struct str name = json_text(m->value);
    return name.len && name.len <= NATIVE_MODEL_MAX && head_value_ok(name) ? name : STR_NONE;
}

/* A provider's own format: whatever it is, it goes on as it is. Its model name is read where it has
 * OpenAI's form, for the event and for keys that are bound to models. */
static void read_native(struct request *r)
{
    struct json_member wanted[] = {{.name = STR_LIT("model")}, {.name = STR_LIT("stream")}};
    if (r->body.len == 0 || !is_json(request_header(r, "content-type")) ||
        !json_scan(r->body, wanted, 2, 0, NULL)) {
        return;
    }
    r->model = plain_model(&wanted[0]);
    r->stream = wanted[1].found && wanted[1].value.type == JSON_TRUE;
}

/* "" or null, as Azure's SDKs may have it, gives way to the path's. */
static bool replace_model(struct request *r, struct str value)
{
    struct head h;
    size_t at = (size_t)(value.ptr - r->body.ptr);
    if (!head_init(&h, r->arena, r->body.len + 6 * r->path_model.len + 2)) {
        return error_set(&r->error, ERR_INTERNAL, "out of room for the request");
    }
    head_put(&h, str_slice(r->body, 0, at));
    head_put(&h, STR_LIT("\""));
    head_put_json(&h, r->path_model);
    head_put(&h, STR_LIT("\""));
    head_put(&h, str_slice(r->body, at + value.len, r->body.len));
    r->body = head_str(&h);
    return !h.failed || error_set(&r->error, ERR_INTERNAL, "out of room for the request");
}

/* The path names the model; a dialect whose body does so elsewhere (Azure's is OpenAI's) has one
 * put in, so that it can go to any provider. */
static bool insert_model(struct request *r)
{
    struct json_member model = {.name = STR_LIT("model")};
    struct head h;
    size_t at = 0;
    if (!json_scan(r->body, &model, 1, 0, &r->error)) {
        return false;
    }
    if (model.found) {
        bool none = model.value.type != JSON_STRING || model.value.raw.len <= 2;
        return !none || replace_model(r, model.value.raw);
    }
    while (r->body.ptr[at++] != '{') {
    }
    struct str rest = str_slice(r->body, at, r->body.len), tail = str_trim(rest);
    if (!head_init(&h, r->arena, r->body.len + 6 * r->path_model.len + 32)) {
        return error_set(&r->error, ERR_INTERNAL, "out of room for the request");
    }
    head_put(&h, STR_LIT("{\"model\":\""));
    head_put_json(&h, r->path_model);
    head_put(&h, str_starts(tail, STR_LIT("}")) ? STR_LIT("\"") : STR_LIT("\","));
    head_put(&h, rest);
    r->body = head_str(&h);
    return !h.failed || error_set(&r->error, ERR_INTERNAL, "out of room for the request");
}

/* A body may leave the model to its routing config (Portkey's do): then a word stands in its place
 * until a target says which. */
static bool names_later(struct request *r)
{
    struct json_member model = {.name = STR_LIT("model")};
    bool config = request_header(r, "x-weir-config").len ||
                  request_header(r, "x-portkey-config").len || r->key->config.len ||
                  r->prompt_config.ptr;
    if (!config || !json_scan(r->body, &model, 1, 0, NULL) || model.found) {
        return false;
    }
    r->path_model = STR_LIT("auto");
    r->model_later = true;
    return true;
}

/* The path names the model, and nobody asks the body: what it holds all the same is noted, to be
 * replaced. */
static bool read_by_path(struct request *r)
{
    struct json_member wanted[] = {{.name = STR_LIT("model")}, {.name = STR_LIT("stream")}};
    if (!json_scan(r->body, wanted, 2, 0, &r->error)) {
        return false;
    }
    if (wanted[0].found) {
        r->chat.model_value = wanted[0].value;
    }
    if (r->face_api == API_VERTEX_MESSAGES && wanted[1].found) {
        r->stream = r->stream || wanted[1].value.type == JSON_TRUE;
    }
    r->chat.stream = r->stream;
    r->model = r->path_model;
    return true;
}

/* InvokeModel carries whatever the model speaks: the body tells. */
static bool read_invoke(struct request *r)
{
    enum provider_api api = bedrock_invoke_api(r->body, r->path_model);
    r->face_api = api;
    switch (provider_api_kind(api)) {
    case API_KIND_CHAT:
        r->kind = REQUEST_CHAT;
        return true;
    case API_KIND_EMBED:
        r->kind = REQUEST_EMBED;
        return true;
    case API_KIND_RERANK:
        r->kind = REQUEST_RERANK;
        return true;
    default:
        return error_set(&r->error, ERR_INVALID_FIELD,
                         "the body of this InvokeModel request has no form that is known here: use "
                         "Converse, or the provider's own path");
    }
}

static bool read_body(struct request *r)
{
    bool openai = r->dialect == &dialect_openai || r->dialect == &dialect_responses;
    if (r->path_model.ptr && !openai) {
        return read_by_path(r) && (r->face_api != API_INVOKE_MESSAGES || read_invoke(r));
    }
    if (((r->path_model.ptr || names_later(r)) && !insert_model(r)) ||
        !openai_chat_read(r->body, r->arena, &r->chat, &r->error)) {
        return false;
    }
    r->model = r->path_model.ptr && !r->model_later ? r->path_model : r->chat.model;
    r->stream = r->kind == REQUEST_CHAT && r->chat.stream;
    return true;
}

bool read_again(struct request *r)
{
    struct str model = r->model;
    bool stream = r->stream;
    switch (r->kind) {
    case REQUEST_CHAT:
    case REQUEST_EMBED:
    case REQUEST_RERANK:
    case REQUEST_COUNT:
        r->chat = (struct openai_chat){.stream = false};
        if (!read_body(r)) {
            return false;
        }
        r->model = model; /* as the client named it, whatever a config puts in its place */
        r->stream = stream;
        return true;
    default:
        return true;
    }
}

enum verdict stage_read(struct request *r)
{
    if (r->prompt_ref.ptr && !r->prompt) {
        return VERDICT_NEXT; /* expand makes the body, and comes here again */
    }
    switch (r->kind) {
    case REQUEST_NATIVE:
        read_native(r);
        return VERDICT_NEXT;
    case REQUEST_UNIVERSAL:
        return cloudflare_read_steps(r) ? VERDICT_NEXT : VERDICT_REJECT;
    case REQUEST_CHAT:
    case REQUEST_EMBED:
    case REQUEST_RERANK:
    case REQUEST_COUNT:
        if (!read_body(r)) {
            return VERDICT_REJECT;
        }
        if (r->stream && r->client_framing == FRAMING_NONE) {
            r->client_framing = FRAMING_SSE;
        }
        r->client_body = r->body;
        return VERDICT_NEXT;
    default:
        return VERDICT_NEXT;
    }
}
