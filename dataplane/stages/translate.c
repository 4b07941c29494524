/* translate: the upstream head and body for the candidate at hand. Where the client speaks the
 * endpoint's dialect the body is not rebuilt: what changes is copied, with the bytes before it,
 * behind the head, and the rest stays where the client's bytes are; so the provider gets it all by
 * one write. Else it goes through the neutral form (between.c). */
#include "common/json.h"
#include "dataplane/canonical/head.h"
#include "dataplane/request/pricing.h"
#include "dataplane/stages/between.h"
#include "dataplane/stages/outgoing.h"
#include "dataplane/stages/params.h"
#include "dataplane/stages/path.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"

static enum verdict out_of_room(struct request *r)
{
    (void)error_set(&r->error, ERR_INTERNAL, "out of room for the request to the provider");
    return VERDICT_REJECT;
}

/* ---- native ---- */

static enum verdict translate_native(struct request *r, const struct candidate *c)
{
    struct str body = r->body, query = r->head->query;
    struct outgoing o = {.method = r->head->method,
                         .query = query,
                         .body = &body,
                         .n_body = 1,
                         .body_bytes = body.len};
    if (r->key_parameter.ptr && !query_without(r->arena, query, r->key_parameter.ptr, &o.query)) {
        return out_of_room(r);
    }
    if (!outgoing_join(r, c, r->native_path, &o)) {
        return VERDICT_REJECT;
    }
    return outgoing_write(r, c, &o);
}

static enum verdict translate_step(struct request *r, const struct candidate *c)
{
    const struct step *step = c->step;
    struct str body = step->body;
    struct outgoing o = {.method = STR_LIT("POST"),
                         .query = step->query,
                         .content_type = STR_LIT("application/json"),
                         .body = &body,
                         .n_body = 1,
                         .body_bytes = body.len,
                         .step = step};
    struct str path = step->path;
    (void)str_cut(path, '?', &path, &o.query);
    if (!outgoing_join(r, c, path, &o)) {
        return VERDICT_REJECT;
    }
    return outgoing_write(r, c, &o);
}

/* ---- the same dialect ---- */

static bool splice_model(struct splice *s, const struct request *r, struct str model)
{
    const struct json_value *v = &r->chat.model_value;
    struct head h;
    if (!v->raw.ptr || str_eq(model, r->chat.model)) {
        return true;
    }
    if (!head_init(&h, s->arena, 6 * model.len + 2)) {
        return false;
    }
    head_put(&h, STR_LIT("\""));
    head_put_json(&h, model);
    head_put(&h, STR_LIT("\""));
    return !h.failed && splice_replace(s, v->raw.ptr, v->raw.len, head_str(&h));
}

static bool splice_name(struct splice *s, struct json_value object, struct str quoted)
{
    struct json_member model = {.name = STR_LIT("model")};
    return !json_members(object, &model, 1, NULL) || !model.found ||
           splice_replace(s, model.value.raw.ptr, model.value.raw.len, quoted);
}

/* Gemini's bodies repeat the path's model, and within their parts too; it refuses what differs. */
static bool splice_gemini(struct splice *s, const struct request *r, struct str model)
{
    struct json_member inner[] = {{.name = STR_LIT("requests")},
                                  {.name = STR_LIT("generateContentRequest")}};
    struct json_value whole, one;
    struct head h;
    size_t pos = 0;
    if (str_eq(model, r->path_model) || !json_validate(r->body, 0, &whole, NULL)) {
        return true;
    }
    if (!head_init(&h, s->arena, 6 * model.len + 16)) {
        return false;
    }
    head_put(&h, str_starts(model, STR_LIT("models/")) ? STR_LIT("\"") : STR_LIT("\"models/"));
    head_put_json(&h, model);
    head_put(&h, STR_LIT("\""));
    if (h.failed || !splice_name(s, whole, head_str(&h))) {
        return false;
    }
    if (!json_members(whole, inner, 2, NULL)) {
        return true;
    }
    if (inner[1].found && !splice_name(s, inner[1].value, head_str(&h))) {
        return false;
    }
    while (inner[0].found && json_next(inner[0].value, &pos, NULL, &one)) {
        if (!splice_name(s, one, head_str(&h))) {
            return false;
        }
    }
    return true;
}

/* Chat completions that ask for usage on Weir's account, where the provider knows how to. */
static bool edit_chat(struct request *r, const struct candidate *c, struct openai_chat_body *ret)
{
    if (!openai_chat_write(r->body, &r->chat, c->model, r->arena, ret)) {
        return false;
    }
    r->hide_usage = ret->usage_added;
    return true;
}

static bool is_openai_stream(const struct request *r, const struct candidate *c)
{
    unsigned quirks = c->provider->row ? c->provider->row->quirks : 0;
    return r->face_api == API_CHAT && !(r->chat.stream && (quirks & QUIRK_NO_STREAM_OPTIONS));
}

static bool edit_body(struct request *r, const struct candidate *c, struct splice *s)
{
    struct openai_chat_body chat;
    if (is_openai_stream(r, c)) {
        return edit_chat(r, c, &chat) && splice_init_pieces(s, r->arena, chat.pieces, chat.n);
    }
    if (!splice_init(s, r->arena, r->body)) {
        return false;
    }
    bool gemini = r->face_api == API_GEMINI_EMBED || r->face_api == API_GEMINI_COUNT;
    return gemini ? splice_gemini(s, r, c->model) : splice_model(s, r, c->model);
}

/* Which of two verbs a path has that serves both: as the client said. */
static struct str same_verb(const struct request *r)
{
    static const struct str batch = STR_LIT(":batchEmbedContents");
    return str_ends(r->head->path, batch) ? STR_LIT("batchEmbedContents") : STR_LIT("embedContent");
}

/* Gemini streams as one array unless asked for events. */
static bool ask_for_events(struct request *r, struct outgoing *o)
{
    if (o->query.len) {
        o->query = arena_printf(r->arena, "%.*s&alt=sse", STR_ARG(o->query));
        return o->query.ptr != NULL;
    }
    o->query = STR_LIT("alt=sse");
    return true;
}

static enum verdict translate_same(struct request *r, const struct candidate *c)
{
    enum provider_api api = c->endpoint->api;
    struct outgoing o = {.method = STR_LIT("POST"), .content_type = STR_LIT("application/json")};
    struct openai_chat_body chat;
    struct splice s;
    if (!outgoing_path(r, c, r->stream, same_verb(r), &o)) {
        return VERDICT_REJECT;
    }
    if (api == API_GENERATE && r->stream && r->client_framing != FRAMING_JSON_ARRAY &&
        !ask_for_events(r, &o)) {
        return out_of_room(r);
    }
    bool edited = params_apply(c->provider, api);
    if (!edited && is_openai_stream(r, c)) {
        if (!edit_chat(r, c, &chat)) {
            return out_of_room(r);
        }
        o.body = chat.pieces;
        o.n_body = chat.n;
        o.body_bytes = chat.len_bytes;
        return outgoing_write(r, c, &o);
    }
    if (!edit_body(r, c, &s) ||
        (edited && !params_edit(c->provider, api, r->body, &s, &r->losses))) {
        return out_of_room(r);
    }
    if (!between_strict(r)) {
        return VERDICT_REJECT;
    }
    o.body = s.pieces;
    o.n_body = s.n;
    o.body_bytes = s.len_bytes;
    return outgoing_write(r, c, &o);
}

/* Rerank has one form with habits: Voyage's names differ, and what Cohere's first version and Jina
 * have beyond its second (documents as objects, documents in the answer) is made here. */
static bool rerank_passes(const struct request *r, const struct candidate *c)
{
    struct json_member wanted[] = {{.name = STR_LIT("return_documents")},
                                   {.name = STR_LIT("documents")}};
    struct json_value first;
    size_t pos = 0;
    if (c->provider->row && (c->provider->row->quirks & QUIRK_VOYAGE)) {
        return false;
    }
    if (!json_scan(r->body, wanted, 2, 0, NULL) || wanted[0].found) {
        return false;
    }
    return !json_next(wanted[1].value, &pos, NULL, &first) || first.type == JSON_STRING;
}

/* ---- another one ---- */

static enum verdict translate_between(struct request *r, const struct candidate *c)
{
    enum provider_api api = c->endpoint->api;
    struct outgoing o = {
        .method = STR_LIT("POST"), .content_type = STR_LIT("application/json"), .translated = true};
    struct str body, verb = STR_LIT("batchEmbedContents");
    struct splice s;
    if (!between_request(r, c, &body, &verb)) {
        return VERDICT_REJECT;
    }
    if (!splice_init(&s, r->arena, body) ||
        (params_apply(c->provider, api) && !params_edit(c->provider, api, body, &s, &r->losses))) {
        return out_of_room(r);
    }
    if (!between_strict(r) || !outgoing_path(r, c, r->translation->context.stream, verb, &o)) {
        return VERDICT_REJECT;
    }
    if (api == API_GENERATE && r->translation->context.stream && !ask_for_events(r, &o)) {
        return out_of_room(r);
    }
    o.body = s.pieces;
    o.n_body = s.n;
    o.body_bytes = s.len_bytes;
    return outgoing_write(r, c, &o);
}

static enum verdict translate(struct request *r, const struct candidate *c)
{
    if (!pricing_allows(r, c)) {
        return VERDICT_REJECT;
    }
    if (r->kind == REQUEST_NATIVE) {
        return translate_native(r, c);
    }
    if (c->step) {
        return translate_step(r, c);
    }
    if (r->kind == REQUEST_COUNT && !between_can_count(r, c)) {
        return between_estimate(r);
    }
    if (!c->endpoint) {
        (void)error_set(&r->error, ERR_NOT_IMPLEMENTED,
                        "provider '%.*s' does not offer this operation",
                        STR_ARG(str_slice(c->provider->name, 0, 64)));
        return VERDICT_REJECT;
    }
    if (c->endpoint->api == r->face_api && (r->face_api != API_RERANK || rerank_passes(r, c))) {
        return translate_same(r, c);
    }
    return translate_between(r, c);
}

/* A target that the request cannot even be made for is passed over like one that failed. */
enum verdict stage_translate(struct request *r)
{
    enum verdict v = translate(r, &r->candidates[r->candidate]), next;
    struct attempt_failure f = {.code = r->error.code,
                                .outcome = EVENT_REFUSED,
                                .status = error_status(r->error.code),
                                .ours = true};
    return v == VERDICT_REJECT && attempt_failed(r, &f, &next) ? next : v;
}
