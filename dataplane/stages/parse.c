/* parse: where a request wants to go, from path and method alone. Paths are compared as sent; only
 * names inside them (a model, a provider) are percent-decoded. */
#include "common/base/str.h"
#include "dataplane/stages/path.h"
#include "dataplane/stages/stages.h"

static bool is_method(const struct request *r, const char *name)
{
    return str_eqz(r->head->method, name);
}

static enum verdict reject_method(struct request *r, const char *allow)
{
    r->reply.allow = str_of(allow);
    (void)error_set(&r->error, ERR_METHOD_NOT_ALLOWED, "method '%.*s' is not allowed here, use %s",
                    STR_ARG(str_slice(r->head->method, 0, 32)), allow);
    return VERDICT_REJECT;
}

static enum verdict answer_options(struct request *r, const char *allow)
{
    r->kind = REQUEST_OPTIONS;
    r->reply.status = 204;
    r->reply.allow = str_of(allow);
    return VERDICT_ANSWERED;
}

static enum verdict parse_chat(struct request *r)
{
    r->kind = REQUEST_CHAT;
    if (is_method(r, "OPTIONS")) {
        return answer_options(r, "POST, OPTIONS");
    }
    return is_method(r, "POST") ? VERDICT_NEXT : reject_method(r, "POST, OPTIONS");
}

/* name: what follows /models/, encoded; NULL ptr for the list. */
static enum verdict parse_models(struct request *r, struct str name)
{
    r->kind = REQUEST_MODELS;
    if (is_method(r, "OPTIONS")) {
        return answer_options(r, "GET, HEAD, OPTIONS");
    }
    if (!is_method(r, "GET") && !is_method(r, "HEAD")) {
        return reject_method(r, "GET, HEAD, OPTIONS");
    }
    if (name.ptr && !path_decode_name(r->arena, name, &r->model_id)) {
        (void)error_set_param(&r->error, ERR_INVALID_FIELD, "model",
                              "model name in the path is not well encoded");
        return VERDICT_REJECT;
    }
    return VERDICT_NEXT;
}

static enum verdict parse_native(struct request *r, struct str path)
{
    struct str rest = str_slice(path, 1, path.len), name = rest, tail;
    r->dialect = &dialect_native;
    if (is_method(r, "CONNECT") || is_method(r, "TRACE")) {
        return reject_method(r, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    r->native_path = STR_LIT("");
    if (str_cut(rest, '/', &name, &tail)) {
        r->native_path = (struct str){tail.ptr - 1, tail.len + 1};
    }
    if (name.len == 0 || !path_decode_name(r->arena, name, &r->provider_name)) {
        (void)error_set(&r->error, ERR_NOT_FOUND, "there is nothing at this path");
        return VERDICT_REJECT;
    }
    if (!path_is_plain(r->arena, r->native_path)) {
        (void)error_set(&r->error, ERR_BAD_REQUEST,
                        "path must not hold dot segments, backslashes or control characters");
        return VERDICT_REJECT;
    }
    r->kind = REQUEST_NATIVE;
    return VERDICT_NEXT;
}

enum verdict stage_parse(struct request *r)
{
    static const struct str v1 = STR_LIT("/v1"), models = STR_LIT("/models/");
    struct str path = r->head->path, inner = path;
    bool versioned = str_starts(path, STR_LIT("/v1/")) || str_eq(path, v1);
    if (versioned) {
        inner = str_slice(path, v1.len, path.len);
    }
    if (str_eqz(inner, "/chat/completions")) {
        return parse_chat(r);
    }
    if (str_eqz(inner, "/models")) {
        return parse_models(r, STR_NONE);
    }
    if (str_starts(inner, models) && inner.len > models.len) {
        return parse_models(r, str_slice(inner, models.len, inner.len));
    }
    if (versioned || path.len < 2 || path.ptr[0] != '/') {
        (void)error_set(&r->error, ERR_NOT_FOUND, "there is no endpoint at %.*s",
                        STR_ARG(str_slice(path, 0, 120)));
        return VERDICT_REJECT;
    }
    return parse_native(r, path);
}
