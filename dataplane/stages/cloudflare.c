/* What Cloudflare's gateway has that nobody else does: account and gateway in the path, its names
 * for two providers' paths, and the universal request. See faces.h. */
#include <stdio.h>

#include "common/json.h"
#include "common/rules/apikey.h"
#include "dataplane/canonical/head.h"
#include "dataplane/stages/faces.h"
#include "dataplane/stages/path.h"
#include "dataplane/stages/stages.h"

#define STEP_HEADERS_MAX 64
#define STEPS_MAX 16

/* First segments behind "/v1" that OpenAI's API, and those like it, have: no account is called so.
 */
static bool is_api_word(struct str s)
{
    static const char *const words[] = {
        "assistants",  "audio",        "batches",       "chat",          "chatkit",
        "completions", "containers",   "conversations", "embeddings",    "engines",
        "evals",       "files",        "fine-tunes",    "fine_tuning",   "images",
        "mcp",         "messages",     "model",         "models",        "moderations",
        "openai",      "organization", "organizations", "projects",      "prompts",
        "publishers",  "realtime",     "rerank",        "responses",     "skills",
        "threads",     "tuning",       "uploads",       "vector_stores", "videos",
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eqz(s, words[i])) {
            return true;
        }
    }
    return false;
}

bool cloudflare_front(struct str path, struct str *ret_rest)
{
    struct str rest, account, gateway, tail;
    if (!str_starts(path, STR_LIT("/v1/"))) {
        return false;
    }
    rest = str_slice(path, 4, path.len);
    if (!str_cut(rest, '/', &account, &rest) || account.len == 0 || is_api_word(account)) {
        return false;
    }
    gateway = rest;
    tail = STR_LIT("");
    if (str_cut(rest, '/', &gateway, &tail)) {
        tail = tail.len ? (struct str){tail.ptr - 1, tail.len + 1} : STR_LIT("");
    }
    if (gateway.len == 0) {
        return false;
    }
    *ret_rest = tail;
    return true;
}

/* "/a/b/rest" → a, b, "/rest". */
static bool cut_two(struct str path, struct str *ret_a, struct str *ret_b, struct str *ret_rest)
{
    struct str rest;
    if (path.len < 2 || path.ptr[0] != '/' ||
        !str_cut(str_slice(path, 1, path.len), '/', ret_a, &rest) ||
        !str_cut(rest, '/', ret_b, ret_rest) || ret_a->len == 0 || ret_b->len == 0) {
        return false;
    }
    *ret_rest = (struct str){ret_rest->ptr - 1, ret_rest->len + 1};
    return true;
}

struct str cloudflare_native_path(struct request *r, const struct provider_row *row,
                                  struct str path)
{
    struct str a, b, rest;
    if (!cut_two(path, &a, &b, &rest)) {
        return path;
    }
    if (str_eqz(STR_LIT("bedrock"), row->name) && str_eqz(a, "bedrock-runtime")) {
        return rest; /* the configured region's */
    }
    if (str_eqz(STR_LIT("azure-openai"), row->name) && !str_eqz(a, "openai")) {
        return arena_printf(r->arena, "/openai/deployments/%.*s%.*s", STR_ARG(b), STR_ARG(rest));
    }
    return path;
}

/* ---- the universal request ---- */

static bool bad_step(struct request *r, size_t i, const char *field, const char *what)
{
    char param[40];
    (void)snprintf(param, sizeof(param), "[%zu]%s%s", i, *field ? "." : "", field);
    return error_set_param(&r->error, ERR_INVALID_FIELD, param, "%s %s", param, what);
}

static bool take_text(struct request *r, struct json_value v, struct str *ret)
{
    size_t len = 0;
    char *buf = v.type == JSON_STRING ? arena_alloc(r->arena, v.raw.len) : NULL;
    if (!buf || !json_unescape(v, buf, v.raw.len, &len)) {
        return false;
    }
    *ret = (struct str){buf, len};
    return true;
}

/* A key for the provider that a step brings along: for providers that have none stored. */
static void note_credential(struct step *s, struct str name, struct str value)
{
    static const struct str scheme = STR_LIT("bearer ");
    bool valid;
    if (str_eq_nocase(name, STR_LIT("authorization"))) {
        if (!str_eq_nocase(str_slice(value, 0, scheme.len), scheme)) {
            return;
        }
        value = str_trim(str_slice(value, scheme.len, value.len));
    } else if (!str_eq_nocase(name, STR_LIT("x-api-key")) &&
               !str_eq_nocase(name, STR_LIT("x-goog-api-key")) &&
               !str_eq_nocase(name, STR_LIT("api-key"))) {
        return;
    }
    if (!s->credential.ptr && value.len && !apikey_is_ours(value, &valid)) {
        s->credential = value;
    }
}

static bool read_headers(struct request *r, size_t i, struct json_value object, struct step *s)
{
    struct json_value name, value;
    size_t pos = 0;
    if (object.type != JSON_OBJECT) {
        return object.type == JSON_NULL || bad_step(r, i, "headers", "must be an object");
    }
    s->headers = arena_alloc(r->arena, STEP_HEADERS_MAX * sizeof(*s->headers));
    while (s->headers && json_next(object, &pos, &name, &value)) {
        struct header h = {STR_NONE, value.raw};
        if (s->n_headers == STEP_HEADERS_MAX || !take_text(r, name, &h.name) ||
            (value.type == JSON_STRING && !take_text(r, value, &h.value)) ||
            value.type == JSON_OBJECT || value.type == JSON_ARRAY || h.name.len == 0 ||
            !head_value_ok(h.name) || !head_value_ok(h.value)) {
            return bad_step(r, i, "headers", "must be an object of at most 64 texts");
        }
        note_credential(s, h.name, h.value);
        s->headers[s->n_headers++] = h;
    }
    return s->headers || error_set(&r->error, ERR_INTERNAL, "out of room for the request");
}

/* "chat/completions?x=y", with or without a slash in front. */
static bool read_endpoint(struct request *r, size_t i, struct json_value v, struct step *s)
{
    struct str text, path;
    s->query = STR_NONE;
    if (!take_text(r, v, &text)) {
        return bad_step(r, i, "endpoint", "must be a text");
    }
    path = text;
    (void)str_cut(text, '?', &path, &s->query);
    while (str_starts(path, STR_LIT("/"))) {
        path = str_slice(path, 1, path.len);
    }
    s->path = path.len ? arena_printf(r->arena, "/%.*s", STR_ARG(path)) : STR_LIT("");
    for (size_t k = 0; k < text.len; k++) {
        if (text.ptr[k] <= ' ' || text.ptr[k] >= 0x7f || text.ptr[k] == '#') {
            return bad_step(r, i, "endpoint", "must be a path as it stands in a URL");
        }
    }
    if (!s->path.ptr || !path_is_plain(r->arena, s->path)) {
        return bad_step(r, i, "endpoint", "must be a path without dot segments");
    }
    return true;
}

static bool read_config(struct request *r, size_t i, struct json_value v, struct step *s)
{
    struct json_member timeout = {.name = STR_LIT("requestTimeout")};
    if (v.type == JSON_NULL) {
        return true;
    }
    if (!json_members(v, &timeout, 1, NULL)) {
        return bad_step(r, i, "config", "must be an object");
    }
    if (timeout.found && timeout.value.type != JSON_NULL &&
        (!json_u64(timeout.value, &s->timeout_ms) || s->timeout_ms > UINT32_MAX)) {
        return bad_step(r, i, "config.requestTimeout", "must be milliseconds");
    }
    return true;
}

enum { PROVIDER, ENDPOINT, HEADERS, AUTHORIZATION, QUERY, CONFIG, STEP_FIELDS };

static bool read_step(struct request *r, size_t i, struct json_value v, struct step *s)
{
    struct json_member m[STEP_FIELDS] = {
        [PROVIDER] = {.name = STR_LIT("provider")},
        [ENDPOINT] = {.name = STR_LIT("endpoint")},
        [HEADERS] = {.name = STR_LIT("headers")},
        [AUTHORIZATION] = {.name = STR_LIT("authorization")},
        [QUERY] = {.name = STR_LIT("query")},
        [CONFIG] = {.name = STR_LIT("config")},
    };
    struct str credential;
    if (v.type != JSON_OBJECT || !json_members(v, m, STEP_FIELDS, NULL)) {
        return bad_step(r, i, "", "must be an object");
    }
    if (!m[PROVIDER].found || !take_text(r, m[PROVIDER].value, &s->provider) ||
        s->provider.len == 0 || s->provider.len > PATH_NAME_MAX) {
        return bad_step(r, i, "provider", "must be a provider's name");
    }
    if (!m[QUERY].found || m[QUERY].value.type != JSON_OBJECT) {
        return bad_step(r, i, "query", "must be an object: the provider's own request");
    }
    s->body = m[QUERY].value.raw;
    if (m[AUTHORIZATION].found && take_text(r, m[AUTHORIZATION].value, &credential)) {
        note_credential(s, STR_LIT("authorization"), credential);
    }
    if (!m[ENDPOINT].found) {
        return bad_step(r, i, "endpoint", "must be a text");
    }
    return read_endpoint(r, i, m[ENDPOINT].value, s) &&
           (!m[HEADERS].found || read_headers(r, i, m[HEADERS].value, s)) &&
           (!m[CONFIG].found || read_config(r, i, m[CONFIG].value, s));
}

bool cloudflare_read_steps(struct request *r)
{
    struct json_value list, v;
    size_t pos = 0;
    if (!json_validate(r->body, 0, &list, &r->error)) {
        return false;
    }
    if (list.type != JSON_ARRAY) {
        return error_set(&r->error, ERR_INVALID_FIELD,
                         "a universal request must be an array of steps");
    }
    r->steps = arena_zalloc(r->arena, STEPS_MAX * sizeof(*r->steps));
    while (r->steps && json_next(list, &pos, NULL, &v)) {
        if (r->n_steps == STEPS_MAX) {
            return error_set(&r->error, ERR_INVALID_FIELD,
                             "a universal request may hold at most %d steps", STEPS_MAX);
        }
        if (!read_step(r, r->n_steps, v, &r->steps[r->n_steps])) {
            return false;
        }
        r->n_steps++;
    }
    if (r->n_steps == 0) {
        return error_set(&r->error, ERR_INVALID_FIELD,
                         "a universal request must hold at least one step");
    }
    return true;
}
