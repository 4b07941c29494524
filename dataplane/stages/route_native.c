/* See route_native.h. A key that is bound to models keeps to them here too, wherever the request
 * names one: in the path, in a parameter, or in the body. */
#include "dataplane/stages/route_native.h"

#include "common/json.h"
#include "common/rules/model_name.h"
#include "dataplane/canonical/head.h"
#include "dataplane/dialects/bedrock_invoke.h"
#include "dataplane/stages/faces.h"
#include "dataplane/stages/path.h"

#define NATIVE_MODEL_MAX 200

/* One native call as it is judged. */
struct native {
    struct request *r;
    const struct snap_provider *provider;
    struct str path, query, body;
    struct str body_model;                    /* NULL ptr: names none in plain form */
    const struct provider_endpoint *endpoint; /* of the provider's row; NULL: none of these */
    struct str path_model;                    /* decoded; NULL ptr: the endpoint's path has none */
};

bool route_matches(const struct str *patterns, uint16_t n, struct str name)
{
    for (uint16_t i = 0; i < n; i++) {
        if (model_name_matches(patterns[i], name)) {
            return true;
        }
    }
    return false;
}

static bool key_allows_all(const struct snap_key *k)
{
    for (uint16_t i = 0; i < k->n_models; i++) {
        if (str_eqz(k->models[i], "*")) {
            return true;
        }
    }
    return false;
}

static bool model_matches(const struct native *n, struct str model)
{
    const struct snap_key *k = n->r->key;
    struct str full = model.ptr ? arena_printf(n->r->arena, "%.*s/%.*s", STR_ARG(n->provider->name),
                                               STR_ARG(model))
                                : STR_NONE;
    return full.ptr && route_matches(k->models, k->n_models, full);
}

/* Where providers look for a model in a path: …/models/{name}:verb, …/deployments/{name}/…,
 * /model/{name}/invoke */
static bool names_models(struct str segment)
{
    static const char *const words[] = {"models", "model", "deployments", "engines"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eq_nocase(segment, str_of(words[i]))) {
            return true;
        }
    }
    return false;
}

/* The model that stands at the beginning of `rest`: a segment, a segment with a verb behind a
 * colon, or all of it (a name with slashes). */
static bool path_matches(const struct native *n, struct str rest)
{
    struct str segment = rest, model, tail;
    (void)str_cut(rest, '/', &segment, &tail);
    model = segment;
    (void)str_cut(segment, ':', &model, &tail);
    return model_matches(n, segment) || model_matches(n, model) || model_matches(n, rest);
}

/* Models that the URL names count as those in the body do: which of the two a provider heeds is not
 * for the client to choose. */
static bool url_matches(const struct native *n)
{
    struct str rest, segment, model;
    struct str wanted = query_value(n->query, "model");
    if (wanted.ptr && (query_count(n->query, "model") > 1 ||
                       !path_decode(n->r->arena, wanted, &model) || !model_matches(n, model))) {
        return false;
    }
    if (n->path_model.ptr) {
        return model_matches(n, n->path_model);
    }
    if (!path_decode(n->r->arena, n->path, &rest)) {
        return false;
    }
    while (str_cut(rest, '/', &segment, &rest)) {
        bool named = names_models(segment);
        while (named && str_starts(rest, STR_LIT("/"))) {
            rest = str_slice(rest, 1, rest.len); /* doubled slashes are one to many servers */
        }
        if (named && rest.len && !path_matches(n, rest)) {
            return false;
        }
    }
    return true;
}

/* What it sends must name one of the key's models, as provider/model: in the path where the
 * provider's operation has it there (then the body may leave it out), else in the body. */
static bool model_allowed(const struct native *n)
{
    bool in_body = n->body.len && !(n->path_model.ptr && !n->body_model.ptr);
    if (key_allows_all(n->r->key)) {
        return true;
    }
    if (url_matches(n) && (!in_body || model_matches(n, n->body_model))) {
        return true;
    }
    return error_set_param(
        &n->r->error, ERR_MODEL_NOT_ALLOWED, "model",
        "this key is bound to models, and the request names none of them as '%.*s/MODEL'",
        STR_ARG(str_slice(n->provider->name, 0, 64)));
}

static struct str plain_model(struct str body)
{
    struct json_member m = {.name = STR_LIT("model")};
    if (!json_scan(body, &m, 1, 0, NULL) || !m.found || m.value.type != JSON_STRING ||
        m.value.escaped) {
        return STR_NONE;
    }
    struct str name = json_text(m.value);
    return name.len && name.len <= NATIVE_MODEL_MAX && head_value_ok(name) ? name : STR_NONE;
}

/* An operation that Weir knows: then usage can be read from its answer. */
static void recognise(struct native *n, bool *ret_stream)
{
    struct str encoded;
    *ret_stream = false;
    if (!str_eqz(n->r->head->method, "POST")) {
        return;
    }
    n->endpoint = provider_endpoint_at(n->provider->row, n->path, ret_stream, &encoded);
    if (n->endpoint && encoded.ptr && !path_decode_name(n->r->arena, encoded, &n->path_model)) {
        n->endpoint = NULL;
        n->path_model = STR_NONE;
    }
}

static enum provider_api api_of(const struct native *n)
{
    if (!n->endpoint) {
        return API_NONE;
    }
    /* many things are invoked; the body tells which */
    return n->endpoint->api == API_INVOKE_MESSAGES ? bedrock_invoke_api(n->body, n->path_model)
                                                   : n->endpoint->api;
}

bool route_native_candidate(struct request *r, struct str provider, struct step *step,
                            struct candidate *ret)
{
    const struct snap_provider *p = route_visible_provider(r, provider);
    bool stream;
    if (!p) {
        return route_unknown_provider(r, provider);
    }
    struct native n = {
        .r = r,
        .provider = p,
        .path = cloudflare_native_path(r, p->row, step ? step->path : r->native_path),
        .query = step ? step->query : r->head->query,
        .body = step ? step->body : r->body,
        .body_model = step ? plain_model(step->body) : r->model,
    };
    if (!n.path.ptr) {
        return error_set(&r->error, ERR_INTERNAL, "out of room for the path");
    }
    recognise(&n, &stream);
    if (!model_allowed(&n) || !route_provider_usable(r, p)) {
        return false;
    }
    struct str model = n.path_model.ptr ? n.path_model : n.body_model;
    *ret = (struct candidate){.provider = p, .model = model, .step = step};
    if (step) {
        step->path = n.path;
        ret->api = api_of(&n);
        return true;
    }
    r->native_path = n.path;
    r->face_api = api_of(&n);
    r->stream = r->stream || stream;
    r->model = model;
    return true;
}
