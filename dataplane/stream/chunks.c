/* A codec at work on a provider's stream: events to chunks, chunks to the client's form, to a whole
 * answer, or to nobody but the meter. Memory for one event is given back behind it. */
#include "dataplane/canonical/read.h"
#include "dataplane/stream/sink.h"

#define OUT_MAX (64u << 20) /* what one piece of the provider's may come to */

static void release(void *arg)
{
    struct relay *rl = arg;
    framing_release(rl->frames);
    buffer_release(&rl->out);
    request_env_arena_back(rl->request->env, rl->scratch);
}

static void keep_text(char buf[HEARD_TEXT_MAX], size_t *len, struct str s)
{
    size_t n = s.len < HEARD_TEXT_MAX ? s.len : HEARD_TEXT_MAX - 1;
    while (n < s.len && n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80) {
        n--; /* not within a character */
    }
    if (n) {
        memcpy(buf, s.ptr, n);
        *len = n;
    }
}

static const char *const finish_words[FINISH_COUNT] = {
    [FINISH_STOP] = "stop",
    [FINISH_STOP_SEQUENCE] = "stop_sequence",
    [FINISH_LENGTH] = "length",
    [FINISH_TOOL_CALLS] = "tool_calls",
    [FINISH_CONTENT_FILTER] = "content_filter",
    [FINISH_REFUSAL] = "refusal",
    [FINISH_PAUSE] = "pause_turn",
    [FINISH_CONTEXT] = "context_window",
    [FINISH_MALFORMED] = "malformed",
    [FINISH_OTHER] = "other",
};

static void keep_finish(struct heard *h, enum finish finish, struct str raw)
{
    const char *word = finish < FINISH_COUNT ? finish_words[finish] : NULL;
    h->finish_seen = true;
    keep_text(h->finish, &h->finish_len, raw.len ? raw : str_of(word));
}

static void hear(struct heard *h, const struct chunk *c)
{
    if (c->usage) {
        usage_merge(&h->usage, c->usage);
    }
    keep_text(h->tier, &h->tier_len, c->service_tier);
    switch (c->type) {
    case CHUNK_START:
        keep_text(h->model, &h->model_len, c->model);
        break;
    case CHUNK_TEXT:
    case CHUNK_REFUSAL:
    case CHUNK_THINKING:
    case CHUNK_TOOL_ARGUMENTS:
        h->text_bytes += c->text.len;
        break;
    case CHUNK_FINISH:
        keep_finish(h, c->finish, c->text);
        break;
    default:
        break;
    }
}

void heard_reply(struct heard *h, const struct chat_reply *reply)
{
    keep_text(h->model, &h->model_len, reply->model);
    keep_text(h->tier, &h->tier_len, reply->service_tier);
    usage_merge(&h->usage, &reply->usage);
    h->whole = true;
    if (reply->blocked) {
        keep_finish(h, FINISH_CONTENT_FILTER, reply->block_reason);
    }
    for (size_t i = 0; i < reply->n_choices; i++) {
        const struct chat_choice *choice = &reply->choices[i];
        if (!h->finish_seen) {
            keep_finish(h, choice->finish, choice->finish_raw);
        }
        for (size_t k = 0; k < choice->n_parts; k++) {
            h->text_bytes += choice->parts[k].text.len + choice->parts[k].arguments.len;
        }
    }
}

static void hear_embeddings(struct heard *h, const struct usage *usage, struct str model)
{
    keep_text(h->model, &h->model_len, model);
    usage_merge(&h->usage, usage);
    h->whole = true;
}

void heard_body(struct relay *rl, enum provider_api api, const struct exchange_context *x)
{
    struct arena *a = rl->request->arena;
    struct str body = buffer_str(&rl->whole);
    struct error err = ERROR_INIT;
    const struct embedding_codec *embed = dialect_embedding_codec(api);
    const struct rerank_codec *rerank = dialect_rerank_codec(api);
    const struct chat_codec *chat = dialect_chat_codec(api);
    if (rl->whole.failed || dialect_count_codec(api)) {
        return;
    }
    if (embed && embed->decode_reply) {
        struct embedding_reply reply = {.n_vectors = 0};
        if (embed->decode_reply(body, x, a, &reply, &err)) {
            hear_embeddings(&rl->heard, &reply.usage, reply.model);
        }
    } else if (rerank && rerank->decode_reply) {
        struct rerank_reply reply = {.n_results = 0};
        if (rerank->decode_reply(body, x, a, &reply, &err)) {
            hear_embeddings(&rl->heard, &reply.usage, reply.model);
        }
    } else if (chat && chat->decode_reply) {
        struct chat_reply reply = {.n_choices = 0};
        if (chat->decode_reply(body, x, a, &reply, &err)) {
            heard_reply(&rl->heard, &reply);
        }
    }
}

/* A failure within the stream, in the client's words: the encoder's own, or the face's. */
static void write_failure(struct relay *rl, const struct chunk *c)
{
    struct request *r = rl->request;
    struct error err = ERROR_INIT;
    size_t before = rl->out.len;
    if (!rl->to->encode_chunk(rl->encoder, c, &rl->out)) {
        rl->garbled = true;
    }
    if (rl->out.len != before) {
        return;
    }
    (void)error_set(&err, ERR_PROVIDER_ERROR, "the provider failed within its answer");
    struct failure f = {.error = &err,
                        .provider = c->error,
                        .request_id = str_of(r->id_text),
                        .status = c->error ? failure_status(c->error->class) : 502};
    (void)buffer_append_str(&rl->out, r->dialect->error_event(rl->scratch, &f, rl->framing));
}

void chunks_fail(struct relay *rl, const struct error *err)
{
    struct provider_error e = {
        .class = err->code == ERR_UPSTREAM_TIMEOUT ? FAILURE_TIMEOUT : FAILURE_SERVER,
        .message = str_of(error_text(err)),
        .code = str_of(error_code_name(err->code)),
        .type = str_of(error_type(err->code)),
    };
    struct chunk c = {.type = CHUNK_ERROR, .tool = -1, .error = &e};
    write_failure(rl, &c);
}

static void on_chunk(void *arg, const struct chunk *c)
{
    struct relay *rl = arg;
    hear(&rl->heard, c);
    if (c->type == CHUNK_ERROR) {
        rl->failed = true;
        if (rl->encoder && !rl->fold) {
            write_failure(rl, c);
            return;
        }
    } else if (c->type == CHUNK_END) {
        rl->done = true;
        rl->heard.whole = true;
    }
    if (rl->fold) {
        fold_chunk(rl->fold, c);
    } else if (rl->encoder && !rl->to->encode_chunk(rl->encoder, c, &rl->out)) {
        rl->garbled = true;
    }
}

static bool on_event(void *arg, struct str name, struct str data)
{
    struct relay *rl = arg;
    /* what comes behind the end is nobody's */
    bool ok =
        rl->done || rl->failed || rl->from->decode_event(rl->decoder, rl->scratch, name, data);
    arena_reset(rl->scratch);
    rl->garbled = rl->garbled || !ok;
    return !rl->garbled;
}

bool chunks_begin(struct relay *rl, const struct chat_codec *from, enum framing framing,
                  const struct chat_codec *to, const struct exchange_context *x)
{
    struct request *r = rl->request;
    rl->from = from;
    rl->frames = arena_zalloc(r->arena, sizeof(*rl->frames));
    rl->decoder = from->decoder_new(x, r->arena, on_chunk, rl);
    if (to) {
        rl->to = to;
        rl->encoder = to->encoder_new(x, r->arena);
    }
    if (!rl->frames || !rl->decoder || (to && !rl->encoder)) {
        return false;
    }
    buffer_init(&rl->out, OUT_MAX);
    rl->scratch = request_env_arena(r->env);
    framing_init(rl->frames, framing, from == &invoke_messages_codec, rl->scratch, on_event, rl);
    if (!arena_on_release(r->arena, release, rl)) {
        release(rl);
        return false;
    }
    return true;
}

bool chunks_feed(struct relay *rl, struct str piece)
{
    return framing_feed(rl->frames, piece) && !rl->garbled;
}

void chunks_finish(struct relay *rl)
{
    bool whole = framing_finish(rl->frames);
    if (whole && !rl->done && !rl->failed && !rl->garbled) {
        rl->from->decode_end(rl->decoder);
    }
}
