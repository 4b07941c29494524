/* See between.h. */
#include "dataplane/stages/between.h"

#include "dataplane/canonical/read.h"
#include "dataplane/stages/answer.h"

#define BODY_MAX (256u << 20)

static bool out_of_room(struct request *r)
{
    return error_set(&r->error, ERR_INTERNAL, "out of room for the request to the provider");
}

static struct str header_of(void *arg, const char *name)
{
    const struct request *r = arg;
    return request_header(r, name);
}

bool between_strict(struct request *r)
{
    struct str said = request_header(r, "x-weir-strict");
    r->strict = r->strict || str_eq_nocase(said, STR_LIT("true")) || str_eqz(said, "1");
    if (!r->strict || r->losses.n == 0) {
        return true;
    }
    struct str names = losses_text(&r->losses, r->arena);
    char param[64];
    struct str first = str_slice(r->losses.names[0], 0, sizeof(param) - 1);
    memcpy(param, first.ptr, first.len);
    param[first.len] = '\0';
    return error_set_param(&r->error, ERR_INVALID_FIELD, param, "the target cannot carry: %.*s",
                           STR_ARG(str_slice(names, 0, 180)));
}

/* ---- decoding ---- */

/* Where a body to be counted holds the request itself: Gemini's generateContentRequest, Bedrock's
 * input.converse. */
static struct str counted_body(const struct request *r)
{
    struct json_value v, inner;
    if (!read_json(r->body, &v)) {
        return r->body;
    }
    if (r->face_api == API_GEMINI_COUNT && read_get(v, "generateContentRequest", &inner)) {
        return inner.raw;
    }
    if (r->face_api == API_CONVERSE_COUNT && read_get(v, "input", &inner) &&
        read_get(inner, "converse", &v)) {
        return v.raw;
    }
    return r->body;
}

static bool lacks(struct request *r)
{
    return error_set(&r->error, ERR_NOT_IMPLEMENTED,
                     "this operation cannot be translated for its provider");
}

static bool decode(struct request *r, struct translation *t)
{
    struct wire_request w = {.body = r->body,
                             .model = r->path_model,
                             .stream = r->stream,
                             .header = header_of,
                             .arg = r};
    switch (t->kind) {
    case API_KIND_EMBED:
        return t->face_embed && t->face_embed->decode_request
                   ? t->face_embed->decode_request(&w, r->arena, &t->embed, &r->error)
                   : lacks(r);
    case API_KIND_RERANK:
        return t->face_rerank && t->face_rerank->decode_request
                   ? t->face_rerank->decode_request(&w, r->arena, &t->rerank, &r->error)
                   : lacks(r);
    case API_KIND_COUNT_TOKENS:
        w.body = counted_body(r);
        break;
    default:
        break;
    }
    return t->face_chat && t->face_chat->decode_request
               ? t->face_chat->decode_request(&w, r->arena, &t->chat, &r->error)
               : lacks(r);
}

static void find_codecs(struct translation *t, enum provider_api face, enum provider_api target)
{
    t->face_chat = dialect_chat_codec(face);
    t->target_chat = dialect_chat_codec(target);
    t->face_embed = dialect_embedding_codec(face);
    t->target_embed = dialect_embedding_codec(target);
    t->face_rerank = dialect_rerank_codec(face);
    t->target_rerank = dialect_rerank_codec(target);
    t->face_count = dialect_count_codec(face);
    t->target_count = dialect_count_codec(target);
}

static bool begin(struct request *r, const struct candidate *c)
{
    struct translation *t = arena_zalloc(r->arena, sizeof(*t));
    if (!t) {
        return out_of_room(r);
    }
    t->kind = provider_api_kind(r->face_api);
    find_codecs(t, r->face_api, c->endpoint->api);
    if (!decode(r, t)) {
        return false;
    }
    translation_context(r, c, &t->context);
    if (t->kind == API_KIND_CHAT) {
        t->context.stream = r->stream = t->chat.stream;
        t->context.request = &t->chat;
        t->answer_passes = t->target_chat && t->face_chat->family == t->target_chat->family;
    } else if (t->kind == API_KIND_COUNT_TOKENS) {
        t->context.request = &t->chat;
        t->context.stream = false;
    }
    r->translation = t;
    return true;
}

/* ---- encoding ---- */

static bool encode_embed(struct request *r, struct translation *t, struct buffer *out,
                         struct str *verb)
{
    struct embedding_request part = t->embed;
    uint64_t most = t->target_embed ? t->target_embed->max_inputs : 0;
    if (!t->target_embed || !t->target_embed->encode_request || !t->face_embed->encode_reply) {
        return lacks(r);
    }
    t->per_call = most && most < part.n_inputs ? (size_t)most : part.n_inputs;
    if (part.n_inputs == 0 ||
        (part.n_inputs + t->per_call - 1) / t->per_call > TRANSLATION_MAX_CALLS) {
        return error_set_param(&r->error, ERR_INVALID_FIELD, "input",
                               "the model takes %zu input%s a call, and at most %d calls are made",
                               t->per_call, t->per_call == 1 ? "" : "s", TRANSLATION_MAX_CALLS);
    }
    part.inputs += t->n_done;
    part.n_inputs -= t->n_done;
    part.n_inputs = part.n_inputs < t->per_call ? part.n_inputs : t->per_call;
    *verb =
        part.single && part.n_inputs == 1 ? STR_LIT("embedContent") : STR_LIT("batchEmbedContents");
    return t->target_embed->encode_request(&part, &t->context, r->arena, out, &r->error);
}

static bool encode_count(struct request *r, struct translation *t, struct buffer *out)
{
    if (t->target_count->encode_request) {
        return t->target_count->encode_request(&t->chat, &t->context, r->arena, out, &r->error);
    }
    return t->target_chat->encode_request(&t->chat, &t->context, r->arena, out, &r->error);
}

static bool encode(struct request *r, struct translation *t, struct buffer *out, struct str *verb)
{
    switch (t->kind) {
    case API_KIND_EMBED:
        return encode_embed(r, t, out, verb);
    case API_KIND_RERANK:
        return t->target_rerank && t->target_rerank->encode_request
                   ? t->target_rerank->encode_request(&t->rerank, &t->context, r->arena, out,
                                                      &r->error)
                   : lacks(r);
    case API_KIND_COUNT_TOKENS:
        return encode_count(r, t, out);
    default:
        return t->target_chat && t->target_chat->encode_request
                   ? t->target_chat->encode_request(&t->chat, &t->context, r->arena, out, &r->error)
                   : lacks(r);
    }
}

bool between_request(struct request *r, const struct candidate *c, struct str *ret_body,
                     struct str *verb)
{
    if (!r->translation && !begin(r, c)) {
        return false;
    }
    struct buffer *out = arena_buffer(r->arena, BODY_MAX);
    if (!out) {
        return out_of_room(r);
    }
    if (!encode(r, r->translation, out, verb)) {
        return r->error.code != ERR_NONE ? false : out_of_room(r);
    }
    *ret_body = buffer_str(out);
    return !out->failed || out_of_room(r);
}

/* ---- counting ---- */

bool between_can_count(const struct request *r, const struct candidate *c)
{
    return c->endpoint && provider_api_kind(c->endpoint->api) == API_KIND_COUNT_TOKENS &&
           dialect_count_codec(c->endpoint->api) && dialect_count_codec(r->face_api);
}

enum verdict between_estimate(struct request *r)
{
    const struct count_codec *codec = dialect_count_codec(r->face_api);
    struct relay *rl = arena_zalloc(r->arena, sizeof(*rl));
    struct buffer *out = arena_buffer(r->arena, BODY_MAX);
    r->estimated = true;
    if (!codec || !codec->encode_reply) {
        (void)lacks(r);
        return VERDICT_REJECT;
    }
    if (!rl || !out || !codec->encode_reply((r->body.len + 3) / 4, r->arena, out) || out->failed ||
        !answer_headers(r, rl, NULL, true, false)) {
        (void)out_of_room(r);
        return VERDICT_REJECT;
    }
    r->reply = (struct reply){.status = 200,
                              .body = buffer_str(out),
                              .content_type = STR_LIT("application/json"),
                              .headers = rl->headers,
                              .n_headers = rl->n_headers};
    return VERDICT_ANSWERED;
}
