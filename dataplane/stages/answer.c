/* See answer.h. */
#include "dataplane/stages/answer.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/canonical/head.h"
#include "dataplane/stages/cache.h"
#include "dataplane/stages/governed.h"
#include "dataplane/stages/headers.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stream/unfold.h"
#include "dataplane/upstream/client.h"

#define OWN_HEADERS (14 + CACHE_HEADERS)

/* ---- header fields ---- */

/* Of an answer in another dialect, what still means the same. */
static bool comes_down_translated(struct str name)
{
    static const char *const kept[] = {"retry-after", "retry-after-ms", "x-should-retry",
                                       "x-request-id", "request-id"};
    static const struct str prefixes[] = {STR_LIT("x-ratelimit-"), STR_LIT("anthropic-ratelimit-")};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (str_eq_nocase(name, str_of(kept[i]))) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (str_eq_nocase(str_slice(name, 0, prefixes[i].len), prefixes[i])) {
            return true;
        }
    }
    return false;
}

/* Where Weir's own limits are told in these fields, the provider's would contradict them. */
static bool is_limit_header(struct str name)
{
    static const struct str prefix = STR_LIT("x-ratelimit-");
    return str_eq_nocase(str_slice(name, 0, prefix.len), prefix);
}

static struct str kept_text(struct request *r, struct str s, bool copied)
{
    return copied ? arena_str(r->arena, s) : s;
}

/* As Portkey counts: the retries of the target that answered, -1 when they are used up in vain. */
static struct str retry_count(struct request *r)
{
    const struct candidate *c = &r->candidates[r->candidate];
    unsigned n = 0;
    for (size_t i = r->candidate; i > 0 && r->candidates[i].leaf == c->leaf; i--) {
        n += r->candidates[i].kind && strcmp(r->candidates[i].kind, "retry") == 0;
    }
    int status = r->attempt ? request_attempt(r)->status : 0;
    bool well = status >= 200 && status < 300, set = c->settings && c->settings->retry.attempts;
    return set && !well && n >= c->settings->retry.attempts ? STR_LIT("-1")
                                                            : arena_printf(r->arena, "%u", n);
}

/* By which way the answer came; Portkey's clients read their own names for it. */
static size_t routing_headers(struct request *r, struct header *list)
{
    const struct candidate *c = &r->candidates[r->candidate];
    const struct routing *g = r->routing;
    struct str arm = walk_assignment(g->walk);
    size_t n = 0;
    list[n++] =
        (struct header){STR_LIT("x-weir-attempts"), arena_printf(r->arena, "%u", r->n_attempts)};
    if (c->option.len && g->config.source != CONFIG_PLAIN && head_value_ok(c->option)) {
        list[n++] = (struct header){STR_LIT("x-weir-option"), c->option};
    }
    if (arm.len && head_value_ok(arm)) {
        list[n++] = (struct header){STR_LIT("x-weir-assignment"), arm};
    }
    if (request_header(r, "x-portkey-config").len || request_header(r, "x-portkey-api-key").len) {
        list[n++] = (struct header){STR_LIT("x-portkey-last-used-option-index"), c->option};
        list[n++] = (struct header){STR_LIT("x-portkey-retry-attempt-count"), retry_count(r)};
        list[n++] = (struct header){STR_LIT("x-portkey-provider"),
                                    str_of(c->provider->row ? c->provider->row->name : "")};
    }
    return n;
}

static size_t own_headers(struct request *r, struct header *list)
{
    const struct candidate *c = &r->candidates[r->candidate];
    struct str dropped = r->losses.n ? losses_text(&r->losses, r->arena) : STR_NONE;
    size_t n = 0;
    if (head_value_ok(c->provider->name)) {
        list[n++] = (struct header){STR_LIT("x-weir-provider"), c->provider->name};
    }
    if (c->model.ptr && head_value_ok(c->model)) {
        list[n++] = (struct header){STR_LIT("x-weir-model"), c->model};
    }
    if (dropped.len) {
        list[n++] = (struct header){STR_LIT("x-weir-dropped-params"), dropped};
    }
    if (r->estimated) {
        list[n++] = (struct header){STR_LIT("x-weir-estimated"), STR_LIT("true")};
    }
    if (r->kind == REQUEST_UNIVERSAL) {
        list[n++] =
            (struct header){STR_LIT("cf-aig-step"), arena_printf(r->arena, "%zu", r->candidate)};
    }
    if (r->routing) {
        n += routing_headers(r, list + n);
    }
    return n + cache_headers(r, list + n);
}

void answer_way(struct request *r)
{
    struct header *list = r->routing ? arena_alloc(r->arena, OWN_HEADERS * sizeof(*list)) : NULL;
    if (list) {
        r->reply.n_headers = routing_headers(r, list);
        r->reply.headers = list;
    }
}

bool answer_headers(struct request *r, struct relay *rl, const struct upstream_answer *a,
                    bool translated, bool copied)
{
    size_t given = a ? a->n_headers : 0;
    struct header *list = arena_alloc(r->arena, (given + OWN_HEADERS) * sizeof(*list));
    size_t n = 0;
    if (!list) {
        return false;
    }
    bool own_limits = governed_limits_shown(r);
    for (size_t i = 0; i < given; i++) {
        const struct header *f = &a->headers[i];
        if (own_limits && is_limit_header(f->name)) {
            continue;
        }
        if (header_comes_down(f->name) && (!translated || comes_down_translated(f->name))) {
            list[n++] =
                (struct header){kept_text(r, f->name, copied), kept_text(r, f->value, copied)};
        }
    }
    n += own_headers(r, list + n);
    rl->headers = list;
    rl->n_headers = n;
    return true;
}

/* ---- translated ---- */

static bool garbage(struct request *r, const struct error *err)
{
    return error_set(&r->error, ERR_UPSTREAM_GARBAGE,
                     "the provider's answer cannot be read: %.160s", error_text(err));
}

static bool out_of_room(struct request *r)
{
    return error_set(&r->error, ERR_INTERNAL, "out of room for the answer");
}

/* The collected bytes stay until the request's end; what is written goes into a buffer that does
 * too. */
static struct buffer *out_buffer(struct request *r)
{
    return arena_buffer(r->arena, 2u * ANSWER_MAX);
}

static void set_reply(struct request *r, const struct relay *rl, struct str body, const char *type)
{
    r->reply = (struct reply){
        .status = 200,
        .body = body,
        .content_type = str_of(type),
        .headers = rl->headers,
        .n_headers = rl->n_headers,
    };
}

struct writing {
    const struct chat_codec *codec;
    void *encoder;
    struct buffer *out;
    bool failed;
};

static void write_chunk(void *arg, const struct chunk *c)
{
    struct writing *w = arg;
    if (!w->failed && !w->codec->encode_chunk(w->encoder, c, w->out)) {
        w->failed = true;
    }
}

/* A whole answer as the stream that the client asked for. */
static bool write_stream(struct request *r, struct relay *rl, const struct chat_reply *reply)
{
    struct translation *t = r->translation;
    struct writing w = {.codec = t->face_chat, .out = out_buffer(r)};
    if (!t->face_chat->encoder_new || !w.out) {
        return out_of_room(r);
    }
    w.encoder = t->face_chat->encoder_new(&t->context, r->arena);
    if (!w.encoder) {
        return out_of_room(r);
    }
    unfold_reply(reply, write_chunk, &w);
    if (w.failed || w.out->failed) {
        return out_of_room(r);
    }
    set_reply(r, rl, buffer_str(w.out), framing_type(rl->framing));
    return true;
}

static bool write_reply(struct request *r, struct relay *rl, const struct chat_reply *reply)
{
    struct translation *t = r->translation;
    if (t->chat.stream) {
        return write_stream(r, rl, reply);
    }
    struct buffer *out = out_buffer(r);
    if (!out || !t->face_chat->encode_reply(reply, &t->context, r->arena, out) || out->failed) {
        return out_of_room(r);
    }
    set_reply(r, rl, buffer_str(out), "application/json");
    return true;
}

static bool answer_chat(struct request *r, struct relay *rl)
{
    struct translation *t = r->translation;
    struct chat_reply reply = {.n_choices = 0};
    struct error err = ERROR_INIT;
    if (!t->target_chat->decode_reply(buffer_str(&rl->whole), &t->context, r->arena, &reply,
                                      &err)) {
        return garbage(r, &err);
    }
    heard_reply(&rl->heard, &reply);
    if (t->answer_passes && !t->chat.stream) {
        set_reply(r, rl, buffer_str(&rl->whole), "application/json");
        return true;
    }
    return write_reply(r, rl, &reply);
}

static bool answer_rerank(struct request *r, struct relay *rl)
{
    struct translation *t = r->translation;
    struct rerank_reply reply = {.n_results = 0};
    struct error err = ERROR_INIT;
    struct buffer *out = out_buffer(r);
    if (!t->target_rerank->decode_reply(buffer_str(&rl->whole), &t->context, r->arena, &reply,
                                        &err)) {
        return garbage(r, &err);
    }
    usage_merge(&rl->heard.usage, &reply.usage);
    rl->heard.whole = true;
    if (!out || !t->face_rerank->encode_reply(&reply, &t->rerank, &t->context, r->arena, out) ||
        out->failed) {
        return out_of_room(r);
    }
    set_reply(r, rl, buffer_str(out), "application/json");
    return true;
}

static bool answer_count(struct request *r, struct relay *rl)
{
    struct translation *t = r->translation;
    uint64_t tokens = 0;
    struct error err = ERROR_INIT;
    struct buffer *out = out_buffer(r);
    if (!t->target_count->decode_reply(buffer_str(&rl->whole), &tokens, &err)) {
        return garbage(r, &err);
    }
    rl->heard.whole = true;
    if (!out || !t->face_count->encode_reply(tokens, r->arena, out) || out->failed) {
        return out_of_room(r);
    }
    set_reply(r, rl, buffer_str(out), "application/json");
    return true;
}

static void add_usage(struct usage *sum, const struct usage *u)
{
    sum->found = sum->found || u->found;
    sum->input_found = sum->input_found || u->input_found;
    sum->output_found = sum->output_found || u->output_found;
    sum->input += u->input;
    sum->output += u->output;
    sum->image_in += u->image_in;
    sum->total += u->total;
    sum->searches += u->searches;
}

/* The vectors of this call behind those of the calls before. */
static bool take_vectors(struct request *r, const struct embedding_reply *reply, size_t asked)
{
    struct translation *t = r->translation;
    if (reply->n_vectors != asked) {
        struct error err = ERROR_INIT;
        (void)error_set(&err, ERR_UPSTREAM_GARBAGE, "%zu vectors for %zu inputs", reply->n_vectors,
                        asked);
        return garbage(r, &err);
    }
    if (!t->vectors) {
        t->vectors = arena_alloc(r->arena, t->embed.n_inputs * sizeof(*t->vectors));
        if (!t->vectors) {
            return out_of_room(r);
        }
    }
    memcpy(t->vectors + t->n_vectors, reply->vectors, asked * sizeof(*t->vectors));
    t->n_vectors += asked;
    t->n_done += asked;
    return true;
}

static enum verdict answer_embed(struct request *r, struct relay *rl)
{
    struct translation *t = r->translation;
    struct embedding_reply reply = {.n_vectors = 0};
    struct error err = ERROR_INIT;
    size_t left = t->embed.n_inputs - t->n_done;
    size_t asked = left < t->per_call ? left : t->per_call;
    if (!t->target_embed->decode_reply(buffer_str(&rl->whole), &t->context, r->arena, &reply,
                                       &err)) {
        (void)garbage(r, &err);
        return VERDICT_REJECT;
    }
    if (!reply.usage.input_found &&
        rl->told_input) { /* Cohere's models in Bedrock: in a header alone */
        reply.usage.found = reply.usage.input_found = true;
        reply.usage.input = rl->told_input;
    }
    add_usage(&t->usage, &reply.usage);
    rl->heard.usage = t->usage;
    rl->heard.whole = true;
    if (!take_vectors(r, &reply, asked)) {
        return VERDICT_REJECT;
    }
    if (translation_goes_on(t)) {
        r->relay = NULL;
        return VERDICT_AGAIN;
    }
    struct buffer *out = out_buffer(r);
    reply.vectors = t->vectors;
    reply.n_vectors = t->n_vectors;
    reply.usage = t->usage;
    if (!out || !t->face_embed->encode_reply(&reply, &t->embed, &t->context, r->arena, out) ||
        out->failed) {
        (void)out_of_room(r);
        return VERDICT_REJECT;
    }
    set_reply(r, rl, buffer_str(out), "application/json");
    return VERDICT_ANSWERED;
}

enum verdict answer_whole(struct request *r, struct relay *rl)
{
    bool ok = false;
    switch (r->translation->kind) {
    case API_KIND_EMBED:
        return answer_embed(r, rl);
    case API_KIND_RERANK:
        ok = answer_rerank(r, rl);
        break;
    case API_KIND_COUNT_TOKENS:
        ok = answer_count(r, rl);
        break;
    default:
        ok = answer_chat(r, rl);
        break;
    }
    return ok ? VERDICT_ANSWERED : VERDICT_REJECT;
}

enum verdict answer_folded(struct request *r, struct relay *rl)
{
    struct chat_reply reply = {.n_choices = 0};
    if (!fold_reply(rl->fold, &reply)) {
        (void)error_set(&r->error, ERR_UPSTREAM_GARBAGE, "the provider's answer is too large");
        return VERDICT_REJECT;
    }
    return write_reply(r, rl, &reply) ? VERDICT_ANSWERED : VERDICT_REJECT;
}
