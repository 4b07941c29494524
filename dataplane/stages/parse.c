/* parse: where a request wants to go, from path and method alone. Paths are compared as sent; only
 * names inside them (a model, a provider) are percent-decoded. */
#include "common/base/str.h"
#include "dataplane/stages/faces.h"
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

static enum verdict check_post(struct request *r)
{
    if (is_method(r, "OPTIONS")) {
        return answer_options(r, "POST, OPTIONS");
    }
    return is_method(r, "POST") ? VERDICT_NEXT : reject_method(r, "POST, OPTIONS");
}

static enum verdict check_get(struct request *r)
{
    if (is_method(r, "OPTIONS")) {
        return answer_options(r, "GET, HEAD, OPTIONS");
    }
    if (!is_method(r, "GET") && !is_method(r, "HEAD")) {
        return reject_method(r, "GET, HEAD, OPTIONS");
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

/* A provider that a header asks for; how Portkey's clients write it too. */
static struct str hinted_provider(const struct request *r)
{
    static const char *const headers[] = {"x-weir-provider", "x-portkey-provider",
                                          "x-portkey-virtual-key"};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct str v = request_header(r, headers[i]);
        if (str_starts(v, STR_LIT("@"))) {
            v = str_slice(v, 1, v.len);
        }
        if (v.len && v.len <= PATH_NAME_MAX) {
            return v;
        }
    }
    return STR_NONE;
}

static bool is_true(struct str v)
{
    return str_eq_nocase(v, STR_LIT("true")) || str_eqz(v, "1");
}

/* "/compat" before any path of ours, as Cloudflare's clients have it. */
static struct str without_compat(struct str path)
{
    static const struct str compat = STR_LIT("/compat");
    return str_starts(path, STR_LIT("/compat/")) ? str_slice(path, compat.len, path.len) : path;
}

/* Whose error shape it is below a path that only one dialect has. */
static const struct dialect *dialect_of_prefix(struct str path)
{
    static const struct {
        const char *prefix;
        const struct dialect *dialect;
    } known[] = {{"/v1beta", &dialect_gemini},         {"/v1alpha", &dialect_gemini},
                 {"/v1/messages", &dialect_messages},  {"/v1/projects/", &dialect_gemini},
                 {"/v1/publishers/", &dialect_gemini}, {"/v2/", &dialect_cohere},
                 {"/model/", &dialect_bedrock}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (str_starts(path, str_of(known[i].prefix))) {
            return known[i].dialect;
        }
    }
    return &dialect_openai;
}

const struct dialect *parse_dialect(struct arena *a, struct exchange *x)
{
    struct request r = {
        .arena = a, .exchange = x, .head = exchange_head(x), .dialect = &dialect_openai};
    struct str path = without_compat(r.head->path);
    enum face f = path.len ? face_of_path(&r, path) : FACE_NONE;
    return f == FACE_NONE ? dialect_of_prefix(path) : r.dialect;
}

static enum verdict not_found(struct request *r)
{
    r->dialect = dialect_of_prefix(r->head->path);
    (void)error_set(&r->error, ERR_NOT_FOUND, "there is no endpoint at %.*s",
                    STR_ARG(str_slice(r->head->path, 0, 120)));
    return VERDICT_REJECT;
}

static enum verdict check_face(struct request *r, enum face f)
{
    switch (f) {
    case FACE_POST:
        return check_post(r);
    case FACE_MODELS:
        return check_get(r);
    case FACE_BAD:
        return VERDICT_REJECT;
    default:
        return not_found(r);
    }
}

/* What follows Cloudflare's account and gateway: a path of ours behind "/compat", or a provider's.
 */
static enum verdict parse_cloudflare(struct request *r, struct str rest)
{
    if (rest.len < 2) {
        if (!is_method(r, "POST") && !is_method(r, "OPTIONS")) {
            return not_found(r); /* nothing but a universal request would make this a path */
        }
        r->kind = REQUEST_UNIVERSAL;
        return check_post(r);
    }
    struct str path = without_compat(rest);
    return path.ptr == rest.ptr ? parse_native(r, rest) : check_face(r, face_of_path(r, path));
}

enum verdict stage_parse(struct request *r)
{
    struct str path = without_compat(r->head->path), rest;
    r->strict = is_true(request_header(r, "x-weir-strict"));
    r->provider_hint = hinted_provider(r);
    enum face f = face_of_path(r, path);
    if (f != FACE_NONE) {
        return check_face(r, f);
    }
    if (cloudflare_front(path, &rest)) {
        return parse_cloudflare(r, rest);
    }
    bool versioned = str_starts(path, STR_LIT("/v1/")) || str_eqz(path, "/v1") ||
                     str_starts(path, STR_LIT("/v1beta/")) || str_starts(path, STR_LIT("/v2/"));
    if (versioned || path.len < 2 || path.ptr[0] != '/' || path.ptr != r->head->path.ptr) {
        return not_found(r);
    }
    return parse_native(r, path);
}
