/* Paths that have a model, a project or a deployment in them are taken apart here, dialect by
 * dialect; the plain ones stand in a table. See faces.h. */
#include "dataplane/stages/faces.h"

#include "dataplane/stages/path.h"

struct operation {
    const char *path; /* or verb */
    enum request_kind kind;
    enum provider_api api;
    const struct dialect *dialect;
    bool stream;
};

/* With or without "/v1". */
static const struct operation openai_paths[] = {
    {"/chat/completions", REQUEST_CHAT, API_CHAT, &dialect_openai, false},
    {"/responses", REQUEST_CHAT, API_RESPONSES, &dialect_responses, false},
    {"/embeddings", REQUEST_EMBED, API_EMBEDDINGS, &dialect_openai, false},
    {"/rerank", REQUEST_RERANK, API_RERANK, &dialect_cohere, false},
};

static const struct operation whole_paths[] = {
    {"/v1/messages", REQUEST_CHAT, API_MESSAGES, &dialect_messages, false},
    {"/v1/messages/count_tokens", REQUEST_COUNT, API_MESSAGES_COUNT, &dialect_messages, false},
    {"/v2/rerank", REQUEST_RERANK, API_RERANK, &dialect_cohere, false},
    {"/v2/embed", REQUEST_EMBED, API_COHERE_EMBED, &dialect_cohere, false},
};

static const struct operation gemini_verbs[] = {
    {"generateContent", REQUEST_CHAT, API_GENERATE, &dialect_gemini, false},
    {"streamGenerateContent", REQUEST_CHAT, API_GENERATE, &dialect_gemini, true},
    {"countTokens", REQUEST_COUNT, API_GEMINI_COUNT, &dialect_gemini, false},
    {"embedContent", REQUEST_EMBED, API_GEMINI_EMBED, &dialect_gemini, false},
    {"batchEmbedContents", REQUEST_EMBED, API_GEMINI_EMBED, &dialect_gemini, false},
};

/* Vertex's besides. */
static const struct operation vertex_verbs[] = {
    {"rawPredict", REQUEST_CHAT, API_VERTEX_MESSAGES, &dialect_messages, false},
    {"streamRawPredict", REQUEST_CHAT, API_VERTEX_MESSAGES, &dialect_messages, true},
    {"predict", REQUEST_EMBED, API_VERTEX_EMBED, &dialect_gemini, false},
};

static const struct operation bedrock_verbs[] = {
    {"converse", REQUEST_CHAT, API_CONVERSE, &dialect_bedrock, false},
    {"converse-stream", REQUEST_CHAT, API_CONVERSE, &dialect_bedrock, true},
    /* what the body is says `read` */
    {"invoke", REQUEST_CHAT, API_INVOKE_MESSAGES, &dialect_bedrock, false},
    {"invoke-with-response-stream", REQUEST_CHAT, API_INVOKE_MESSAGES, &dialect_bedrock, true},
    {"count-tokens", REQUEST_COUNT, API_CONVERSE_COUNT, &dialect_bedrock, false},
};

#define FIND(list, path) find(list, sizeof(list) / sizeof((list)[0]), path)

static const struct operation *find(const struct operation *list, size_t n, struct str path)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eqz(path, list[i].path)) {
            return &list[i];
        }
    }
    return NULL;
}

static enum face take(struct request *r, const struct operation *o)
{
    r->kind = o->kind;
    r->face_api = o->api;
    r->dialect = o->dialect;
    r->stream = o->stream;
    return FACE_POST;
}

static enum face bad_model(struct request *r)
{
    (void)error_set_param(&r->error, ERR_INVALID_FIELD, "model",
                          "model name in the path is not well encoded");
    return FACE_BAD;
}

/* The model that a path names: decoded, without "models/" in front. */
static enum face take_model(struct request *r, const struct operation *o, struct str encoded)
{
    static const struct str models = STR_LIT("models/");
    enum face f = take(r, o);
    struct str name;
    if (encoded.len == 0 || !path_decode_name(r->arena, encoded, &name)) {
        return bad_model(r);
    }
    r->path_model = str_starts(name, models) && name.len > models.len
                        ? str_slice(name, models.len, name.len)
                        : name;
    return f;
}

/* How Gemini's clients want their stream. */
static void gemini_framing(struct request *r)
{
    if (r->stream && r->dialect == &dialect_gemini) {
        r->client_framing =
            str_eqz(query_value(r->head->query, "alt"), "sse") ? FRAMING_SSE : FRAMING_JSON_ARRAY;
    }
}

/* "M:verb"; M may hold colons itself. */
static bool cut_verb(struct str s, struct str *ret_model, struct str *ret_verb)
{
    size_t i = s.len;
    while (i > 0 && s.ptr[i - 1] != ':' && s.ptr[i - 1] != '/') {
        i--;
    }
    if (i == 0 || s.ptr[i - 1] != ':') {
        return false;
    }
    *ret_model = str_slice(s, 0, i - 1);
    *ret_verb = str_slice(s, i, s.len);
    return true;
}

/* ---- models: Gemini's operations, everybody's list ---- */

static enum face models_list(struct request *r, struct str name, bool gemini)
{
    r->kind = REQUEST_MODELS;
    if (gemini || request_header(r, "x-goog-api-key").len) {
        r->dialect = &dialect_gemini;
    } else if (request_header(r, "anthropic-version").len) {
        r->dialect = &dialect_messages;
    }
    if (name.ptr && !path_decode_name(r->arena, name, &r->model_id)) {
        return bad_model(r);
    }
    return FACE_MODELS;
}

/* rest: what follows "/models", with its slash. */
static enum face models_face(struct request *r, struct str rest, bool gemini)
{
    struct str model, verb;
    if (rest.len == 0) {
        return models_list(r, STR_NONE, gemini);
    }
    if (rest.ptr[0] != '/' || rest.len == 1) {
        return FACE_NONE;
    }
    rest = str_slice(rest, 1, rest.len);
    const struct operation *o = cut_verb(rest, &model, &verb) ? FIND(gemini_verbs, verb) : NULL;
    if (!o) {
        return models_list(r, rest, gemini);
    }
    enum face f = take_model(r, o, model);
    gemini_framing(r);
    return f;
}

/* ---- Vertex ---- */

/* One segment off the front of "/a/b"; false at the end. */
static bool cut_segment(struct str *path, struct str *ret)
{
    if (path->len == 0 || path->ptr[0] != '/') {
        return false;
    }
    struct str rest = str_slice(*path, 1, path->len);
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/') {
        n++;
    }
    *ret = str_slice(rest, 0, n);
    *path = str_slice(rest, n, rest.len);
    return n > 0;
}

static bool cut_named(struct str *path, const char *name)
{
    struct str segment, rest = *path;
    if (!cut_segment(&rest, &segment) || !str_eqz(segment, name)) {
        return false;
    }
    *path = rest;
    return true;
}

/* "/projects/P/locations/L/publishers/X/models/M:verb", and without project and location as keys of
 * express mode have it. Other publishers than the two are part of the model's name. */
static enum face vertex_face(struct request *r, struct str path)
{
    struct str segment, publisher, model, verb;
    if (cut_named(&path, "projects") &&
        (!cut_segment(&path, &segment) || !cut_named(&path, "locations") ||
         !cut_segment(&path, &segment))) {
        return FACE_NONE;
    }
    if (!cut_named(&path, "publishers") || !cut_segment(&path, &publisher) ||
        !cut_named(&path, "models") || path.len < 2 ||
        !cut_verb(str_slice(path, 1, path.len), &model, &verb)) {
        return FACE_NONE;
    }
    if (str_eqz(model, "count-tokens")) {
        static const struct operation count = {NULL, REQUEST_COUNT, API_MESSAGES_COUNT,
                                               &dialect_messages, false};
        return take(r, &count); /* the body names the model */
    }
    const struct operation *o = FIND(gemini_verbs, verb);
    o = o ? o : FIND(vertex_verbs, verb);
    if (!o) {
        return FACE_NONE;
    }
    if (!str_eqz(publisher, "google") && !str_eqz(publisher, "anthropic")) {
        model = arena_printf(r->arena, "%.*s/%.*s", STR_ARG(publisher), STR_ARG(model));
    }
    enum face f = take_model(r, o, model);
    gemini_framing(r);
    return f;
}

/* ---- Bedrock ---- */

/* "/model/M/verb": M may hold slashes, encoded or not. */
static enum face bedrock_face(struct request *r, struct str rest)
{
    size_t i = rest.len;
    while (i > 0 && rest.ptr[i - 1] != '/') {
        i--;
    }
    const struct operation *o = i > 1 ? FIND(bedrock_verbs, str_slice(rest, i, rest.len)) : NULL;
    if (!o) {
        return FACE_NONE;
    }
    enum face f = take_model(r, o, str_slice(rest, 0, i - 1));
    r->client_framing = r->stream ? FRAMING_AWS : FRAMING_NONE;
    return f;
}

/* ---- Azure ---- */

/* "/openai/deployments/D/…", "/engines/D/…" */
static enum face deployment_face(struct request *r, struct str rest)
{
    struct str deployment;
    if (!cut_segment(&rest, &deployment)) {
        return FACE_NONE;
    }
    const struct operation *o = FIND(openai_paths, rest);
    return o ? take_model(r, o, deployment) : FACE_NONE;
}

/* "/openai/v1/…" and "/openai/responses" are a provider's own paths too (its name may be openai):
 * Azure's clients are known by their parameter, and the newer ones by their header. */
static enum face azure_face(struct request *r, struct str path)
{
    struct str rest = path;
    if (cut_named(&rest, "engines")) {
        return deployment_face(r, rest);
    }
    if (!cut_named(&rest, "openai")) {
        return FACE_NONE;
    }
    struct str inner = rest;
    if (cut_named(&inner, "deployments") || cut_named(&inner, "engines")) {
        return deployment_face(r, inner);
    }
    bool v1 = cut_named(&inner, "v1");
    if (!query_value(r->head->query, "api-version").ptr &&
        !(v1 && request_header(r, "api-key").len)) {
        return FACE_NONE;
    }
    rest = v1 ? inner : rest;
    const struct operation *o = FIND(openai_paths, rest);
    if (o) {
        return take(r, o);
    }
    return cut_named(&rest, "models") ? models_face(r, rest, false) : FACE_NONE;
}

/* ---- prompts ---- */

/* "/prompts/{id}/completions", "/prompts/{id}/render": a chat completion whose body expand makes.
 */
static enum face prompts_face(struct request *r, struct str rest)
{
    static const struct operation chat = {NULL, REQUEST_CHAT, API_CHAT, &dialect_openai, false};
    struct str id;
    if (!cut_segment(&rest, &id) || (!str_eqz(rest, "/completions") && !str_eqz(rest, "/render"))) {
        return FACE_NONE;
    }
    enum face f = take(r, &chat);
    if (!path_decode_name(r->arena, id, &r->prompt_ref)) {
        (void)error_set_param(&r->error, ERR_INVALID_FIELD, "prompt",
                              "name of the prompt in the path is not well encoded");
        return FACE_BAD;
    }
    r->prompt_render = str_eqz(rest, "/render");
    return f;
}

/* ---- all ---- */

enum face face_of_path(struct request *r, struct str path)
{
    struct str inner = path, version;
    bool v1 = cut_named(&inner, "v1");
    const struct operation *o = FIND(openai_paths, inner);
    o = o ? o : FIND(whole_paths, path);
    if (o) {
        return take(r, o);
    }
    enum face f = FACE_NONE;
    struct str rest = inner;
    if (v1 && str_eqz(inner, "/usage")) {
        r->kind = REQUEST_USAGE;
        return FACE_MODELS;
    }
    if (cut_named(&rest, "prompts")) {
        return prompts_face(r, rest);
    }
    rest = inner;
    if (!v1 && cut_segment(&rest, &version) &&
        (str_eqz(version, "v1beta") || str_eqz(version, "v1alpha") ||
         str_eqz(version, "v1beta1"))) {
        inner = rest;
        v1 = true;
    }
    bool gemini = v1 && !str_starts(path, STR_LIT("/v1/"));
    rest = inner;
    if (cut_named(&rest, "models")) {
        return models_face(r, rest, gemini);
    }
    if (v1) {
        f = vertex_face(r, inner);
    }
    rest = inner;
    if (f == FACE_NONE && !gemini && cut_named(&rest, "model") && rest.len > 1) {
        f = bedrock_face(r, str_slice(rest, 1, rest.len));
    }
    rest = inner;
    if (f == FACE_NONE && !gemini) {
        f = azure_face(r, inner);
    }
    return f;
}
