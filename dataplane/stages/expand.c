/* expand: a stored prompt to a chat completion. The prompt is the caller's workspace's own or its
 * organization's; the version is the one that the path asks for, else the published one. What the
 * body holds besides `variables` replaces what the prompt says. From here on the request is as if
 * the client had sent the expanded body; the prompt and its version stay on it for the event. */
#include <stdio.h>
#include <string.h>

#include "common/rules/prompt.h"
#include "common/rules/route_config.h"
#include "dataplane/stages/stages.h"

#define SHOWN 120

/* Partials that this request compiled itself, by the version they are of. */
#define OWN_PARTIALS 16

struct expanding {
    struct request *r;
    struct error err; /* what is wrong with the first partial that could not be had */
    struct {
        const struct snap_version *version;
        const struct mustache *compiled;
    } own[OWN_PARTIALS];
    size_t n_own;
};

static const struct snap_document *document_of(const struct request *r, struct str name)
{
    const struct snap_key *k = r->key;
    const struct snap_document *d = NULL;
    struct uuid id;
    if (str_starts(name, STR_LIT("prm_")) && uuid_parse_public("prm", name, &id)) {
        d = snapshot_prompt_by_id(r->snapshot, &k->organization_id, &k->workspace_id, &id);
    }
    return d ? d : snapshot_prompt(r->snapshot, &k->organization_id, &k->workspace_id, name);
}

/* Which version is missing, in words. */
static bool no_version(struct error *err, enum error_code code, const char *param, const char *what,
                       const struct route_ref *ref)
{
    struct str name = str_slice(ref->name, 0, SHOWN), label = str_slice(ref->label, 0, 64);
    if (ref->version) {
        return error_set_param(err, code, param, "%s '%.*s' has no version %llu", what,
                               STR_ARG(name), (unsigned long long)ref->version);
    }
    if (label.len) {
        return error_set_param(err, code, param, "%s '%.*s' has no label '%.*s'", what,
                               STR_ARG(name), STR_ARG(label));
    }
    return error_set_param(err, code, param, "%s '%.*s' has no published version", what,
                           STR_ARG(name));
}

/* By reference, of the kind that is wanted; NULL: *err, with `code` where there is no such. */
static const struct snap_version *find_version(const struct request *r, struct str text,
                                               bool partial, enum error_code code,
                                               const char *param, struct error *err,
                                               const struct snap_document **ret)
{
    const char *what = partial ? "partial" : "prompt";
    struct route_ref ref;
    bool read = route_ref_parse(text, &ref);
    const struct snap_document *d = read ? document_of(r, ref.name) : NULL;
    if (!d || d->partial != partial) {
        (void)error_set_param(err, code, param,
                              d && !partial
                                  ? "%s '%.*s' is a partial, which has no messages"
                                  : "%s '%.*s' does not exist or is not visible to this key",
                              what, STR_ARG(str_slice(text, 0, SHOWN)));
        return NULL;
    }
    const struct snap_version *v = snap_document_find(d, &ref);
    if (!v) {
        (void)no_version(err, code, param, what, &ref);
        return NULL;
    }
    if (d->needs_unknown) {
        (void)error_set(err, ERR_UPGRADE_REQUIRED,
                        "this proxy lacks a feature that %s '%.*s' needs", what,
                        STR_ARG(str_slice(text, 0, SHOWN)));
        return NULL;
    }
    *ret = d;
    return v;
}

static bool unusable(struct error *err, const char *what, struct str name, const struct error *why)
{
    return error_set(err, ERR_UPGRADE_REQUIRED, "%s '%.*s' cannot be used by this proxy: %s", what,
                     STR_ARG(str_slice(name, 0, SHOWN)), error_text(why));
}

/* ---- partials ---- */

/* A version that was not compiled ahead, once per request. */
static const struct mustache *compile_partial(struct expanding *x, const struct snap_version *v,
                                              struct str name)
{
    const struct mustache *m = NULL;
    struct error why = ERROR_INIT;
    for (size_t i = 0; i < x->n_own; i++) {
        if (x->own[i].version == v) {
            return x->own[i].compiled;
        }
    }
    if (!prompt_partial_compile(v->json, x->r->arena, &m, &why)) {
        (void)unusable(&x->err, "partial", name, &why);
        return NULL;
    }
    if (x->n_own < OWN_PARTIALS) {
        x->own[x->n_own].version = v;
        x->own[x->n_own++].compiled = m;
    }
    return m;
}

static const struct mustache *find_partial(void *arg, struct str name)
{
    struct expanding *x = arg;
    const struct snap_document *d;
    struct error err = ERROR_INIT;
    char param[64];
    (void)snprintf(param, sizeof(param), "partials.%.*s", STR_ARG(str_slice(name, 0, 50)));
    const struct snap_version *v =
        find_version(x->r, name, true, ERR_INVALID_FIELD, param, &err, &d);
    if (v) {
        return v->partial ? v->partial : compile_partial(x, v, name);
    }
    if (x->err.code == ERR_NONE) {
        x->err = err;
    }
    return NULL;
}

/* ---- the prompt ---- */

static bool find_prompt(struct request *r, const struct prompt **ret)
{
    const struct snap_document *d;
    struct error why = ERROR_INIT;
    const struct snap_version *v =
        find_version(r, r->prompt_ref, false, ERR_PROMPT_NOT_FOUND, "prompt", &r->error, &d);
    if (!v) {
        return false;
    }
    r->prompt = d;
    r->prompt_version = v->number;
    *ret = v->prompt;
    if (!*ret && !prompt_compile(v->json, r->arena, ret, &why)) {
        return unusable(&r->error, "prompt", r->prompt_ref, &why);
    }
    r->prompt_config = prompt_config(*ret);
    return true;
}

/* An empty body asks for nothing but the prompt. */
static bool read_input(struct request *r, struct prompt_input *ret)
{
    struct json_member m = {.name = STR_LIT("variables")};
    if (str_trim(r->body).len == 0) {
        return true;
    }
    if (!json_validate(r->body, 0, &ret->overrides, &r->error)) {
        return false;
    }
    if (ret->overrides.type != JSON_OBJECT) {
        return error_set(&r->error, ERR_INVALID_JSON, "the body must be a JSON object");
    }
    if (!json_members(ret->overrides, &m, 1, &r->error)) {
        return false;
    }
    ret->variables = m.found ? m.value : (struct json_value){0};
    return true;
}

static bool expand(struct request *r, const struct prompt *p)
{
    struct expanding x = {.r = r, .err = ERROR_INIT};
    struct prompt_input in = {.partial = find_partial, .partial_arg = &x};
    struct str body;
    if (!read_input(r, &in)) {
        return false;
    }
    if (!prompt_expand(p, &in, r->arena, &body, &r->error)) {
        if (x.err.code != ERR_NONE) {
            r->error = x.err;
        }
        return false;
    }
    r->body = body;
    return true;
}

/* ---- the answer of …/render ---- */

/* For the event. */
static void note_model(struct request *r)
{
    struct error ignored = ERROR_INIT;
    struct openai_chat chat;
    if (openai_chat_read(r->body, r->arena, &chat, &ignored)) {
        r->model = chat.model;
    }
}

static enum verdict answer_rendered(struct request *r)
{
    static const struct str head = STR_LIT("{\"success\":true,\"data\":");
    char *text = arena_alloc(r->arena, head.len + r->body.len + 1);
    if (!text) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the prompt");
        return VERDICT_REJECT;
    }
    memcpy(text, head.ptr, head.len);
    memcpy(text + head.len, r->body.ptr, r->body.len);
    text[head.len + r->body.len] = '}';
    note_model(r);
    r->reply.status = 200;
    r->reply.body = (struct str){text, head.len + r->body.len + 1};
    return VERDICT_ANSWERED;
}

enum verdict stage_expand(struct request *r)
{
    const struct prompt *p;
    if (!r->prompt_ref.ptr) {
        return VERDICT_NEXT;
    }
    if (!find_prompt(r, &p) || !expand(r, p)) {
        return VERDICT_REJECT;
    }
    return r->prompt_render ? answer_rendered(r) : stage_read(r);
}
