/* A stream of Gemini or Vertex read: each event is a whole GenerateContentResponse whose parts are
 * the next pieces. Older models repeat finishReason in every event, so it is told when the bytes
 * end. See gemini_inside.h. */
#include "dataplane/dialects/gemini_inside.h"

#include <stdio.h>

#define REASON_MAX 40
#define ID_MAX 96

struct candidate_state {
    bool seen, finished, ascii, thinking, cited;
    int tools;
    char reason[REASON_MAX];
    size_t reason_len;
};

struct decoder {
    const struct exchange_context *x;
    chunk_fn emit;
    void *arg;
    bool started, failed, blocked;
    unsigned calls;
    char block[REASON_MAX];
    size_t block_len;
    struct candidate_state c[GEMINI_CANDIDATES];
    struct arena *scratch; /* of the event at hand */
};

void *gemini_decoder_new(const struct exchange_context *x, struct arena *a, chunk_fn emit,
                         void *arg)
{
    struct decoder *d = arena_zalloc(a, sizeof(*d));
    if (!d) {
        return NULL;
    }
    d->x = x;
    d->emit = emit;
    d->arg = arg;
    for (size_t i = 0; i < GEMINI_CANDIDATES; i++) {
        d->c[i].ascii = true;
    }
    return d;
}

static void send(struct decoder *d, struct chunk c)
{
    d->emit(d->arg, &c);
}

static void send_text(struct decoder *d, enum chunk_type type, unsigned choice, struct str text)
{
    send(d, (struct chunk){.type = type, .choice = choice, .tool = -1, .text = text});
}

static void send_signature(struct decoder *d, unsigned choice, int tool, const struct part *p)
{
    if (p->signature.ptr) {
        send(d, (struct chunk){.type = CHUNK_SIGNATURE,
                               .choice = choice,
                               .tool = tool,
                               .text = p->signature,
                               .family = p->signature_family});
    }
}

static void send_call(struct decoder *d, unsigned choice, const struct part *p)
{
    char made[ID_MAX];
    struct str id = p->id;
    int tool = d->c[choice].tools++;
    if (!id.ptr) {
        int n = snprintf(made, sizeof(made), "call_%.*s_%u", STR_ARG(d->x->unique), d->calls);
        id = (struct str){made, n < (int)sizeof(made) ? (size_t)n : sizeof(made) - 1};
    }
    d->calls++;
    send(d, (struct chunk){.type = CHUNK_TOOL_BEGIN,
                           .choice = choice,
                           .tool = tool,
                           .id = id,
                           .name = gemini_tool_name_back(d->scratch, d->x, p->name)});
    send_signature(d, choice, tool, p);
    send(d,
         (struct chunk){
             .type = CHUNK_TOOL_ARGUMENTS, .choice = choice, .tool = tool, .text = p->arguments});
    send(d, (struct chunk){.type = CHUNK_TOOL_END, .choice = choice, .tool = tool});
}

static void send_audio(struct decoder *d, unsigned choice, const struct part *p)
{
    send(d,
         (struct chunk){.type = CHUNK_AUDIO, .choice = choice, .tool = -1, .audio = p->media.data});
}

static void send_part(struct decoder *d, unsigned choice, const struct part *p)
{
    struct candidate_state *c = &d->c[choice];
    bool was_thinking = c->thinking;
    c->thinking = p->type == PART_THINKING;
    switch (p->type) {
    case PART_THINKING:
        if (p->text.len > 0) {
            send_text(d, CHUNK_THINKING, choice, p->text);
        }
        send_signature(d, choice, -1, p);
        break;
    case PART_TEXT:
        /* a text's signature stands for the thoughts before it; alone it has no other place */
        if (was_thinking) {
            send_signature(d, choice, -1, p);
        }
        for (size_t i = 0; c->ascii && i < p->text.len; i++) {
            c->ascii = (unsigned char)p->text.ptr[i] < 0x80;
        }
        if (p->text.len > 0) {
            send_text(d, CHUNK_TEXT, choice, p->text);
        }
        break;
    case PART_TOOL_CALL:
        send_call(d, choice, p);
        break;
    case PART_AUDIO:
        if (p->media.data.ptr) {
            send_audio(d, choice, p);
            break;
        }
        /* fall through */
    default:
        send(d, (struct chunk){.type = CHUNK_MEDIA, .choice = choice, .tool = -1, .part = p});
        break;
    }
}

static void parts_decode(struct decoder *d, unsigned choice, struct json_value content)
{
    struct json_value list, v;
    struct error ignored = ERROR_INIT;
    size_t pos = 0;
    if (!gemini_get(content, "parts", &list)) {
        return;
    }
    while (json_next(list, &pos, NULL, &v)) {
        struct part p = {.type = PART_TEXT};
        struct str meta;
        if (!gemini_part_read(v, d->scratch, "", &p, &meta, &ignored)) {
            continue;
        }
        if (p.type == PART_TOOL_RESULT || p.type == PART_REDACTED_THINKING) {
            p = (struct part){.type = PART_NATIVE, .raw = v.raw, .family = FAMILY_GEMINI};
        }
        send_part(d, choice, &p);
    }
}

static void citations_decode(struct decoder *d, unsigned choice, struct json_value candidate)
{
    struct citation *list = NULL;
    size_t searches = 0;
    size_t n =
        gemini_citations_read(candidate, d->scratch, NULL, 0, d->c[choice].ascii, &list, &searches);
    for (size_t i = 0; i < n; i++) {
        send(d, (struct chunk){.type = CHUNK_CITATION,
                               .choice = choice,
                               .tool = -1,
                               .family = FAMILY_GEMINI,
                               .citation = &list[i]});
    }
    if (searches > 0) {
        struct usage u = {.searches = searches};
        send(d, (struct chunk){.type = CHUNK_USAGE, .tool = -1, .usage = &u});
    }
}

static size_t keep(char *to, struct str word)
{
    size_t n = word.len < REASON_MAX ? word.len : REASON_MAX;
    if (n) {
        memcpy(to, word.ptr, n);
    }
    return n;
}

static void candidate_decode(struct decoder *d, struct json_value v, size_t position)
{
    struct json_member m[] = {{.name = STR_LIT("content")},
                              {.name = STR_LIT("finishReason")},
                              {.name = STR_LIT("index")},
                              {.name = STR_LIT("logprobsResult")}};
    (void)gemini_members(v, m, 4);
    uint64_t index = m[2].found ? gemini_u64(m[2].value) : position;
    if (index >= GEMINI_CANDIDATES) {
        return;
    }
    unsigned choice = (unsigned)index;
    struct candidate_state *c = &d->c[choice];
    c->seen = true;
    if (m[0].found) {
        parts_decode(d, choice, m[0].value);
    }
    struct str logprobs = m[3].found ? gemini_logprobs_read(m[3].value, d->scratch) : STR_NONE;
    if (logprobs.ptr) {
        send(d,
             (struct chunk){.type = CHUNK_LOGPROBS, .choice = choice, .tool = -1, .raw = logprobs});
    }
    citations_decode(d, choice, v);
    struct str reason = read_member(d->scratch, &m[1]);
    if (reason.len > 0 && !str_eqz(reason, "FINISH_REASON_UNSPECIFIED")) {
        c->finished = true;
        c->reason_len = keep(c->reason, reason);
    }
}

static void start(struct decoder *d, const struct json_member *id, const struct json_member *model)
{
    if (!d->started) {
        d->started = true;
        send(d, (struct chunk){.type = CHUNK_START,
                               .tool = -1,
                               .id = read_member(d->scratch, id),
                               .model = read_member(d->scratch, model)});
    }
}

static void error_decode(struct decoder *d, struct str data)
{
    struct provider_error e;
    provider_error_read(data, 0, STR_NONE, d->scratch, &e);
    provider_error_refine(&e);
    d->failed = true;
    send(d, (struct chunk){.type = CHUNK_ERROR, .tool = -1, .error = &e});
}

static bool object_decode(struct decoder *d, struct json_value v)
{
    struct json_member m[] = {
        {.name = STR_LIT("candidates")},     {.name = STR_LIT("usageMetadata")},
        {.name = STR_LIT("promptFeedback")}, {.name = STR_LIT("modelVersion")},
        {.name = STR_LIT("responseId")},     {.name = STR_LIT("error")}};
    struct json_value one;
    size_t pos = 0, i = 0;
    if (v.type != JSON_OBJECT || d->failed) {
        return v.type == JSON_OBJECT;
    }
    (void)gemini_members(v, m, 6);
    if (m[5].found) {
        error_decode(d, v.raw);
        return true;
    }
    start(d, &m[4], &m[3]);
    while (m[0].found && json_next(m[0].value, &pos, NULL, &one)) {
        candidate_decode(d, one, i++);
    }
    struct str block =
        m[2].found ? gemini_get_text(d->scratch, m[2].value, "blockReason") : STR_NONE;
    if (block.len > 0) {
        d->blocked = true;
        d->block_len = keep(d->block, block);
    }
    struct usage u = {.found = false};
    if (m[1].found) {
        gemini_usage_read(m[1].value, &u);
    }
    if (u.found) {
        send(d, (struct chunk){.type = CHUNK_USAGE,
                               .tool = -1,
                               .usage = &u,
                               .service_tier = gemini_tier_read(m[1].value)});
    }
    return true;
}

bool gemini_decode_event(void *decoder, struct arena *scratch, struct str name, struct str data)
{
    struct decoder *d = decoder;
    struct json_value v, one;
    size_t pos = 0;
    (void)name;
    d->scratch = scratch;
    if (str_trim(data).len == 0 || str_eqz(str_trim(data), "[DONE]")) {
        return true;
    }
    if (!json_validate(data, 0, &v, NULL)) {
        return false;
    }
    if (v.type != JSON_ARRAY) {
        return object_decode(d, v);
    }
    while (json_next(v, &pos, NULL, &one)) { /* errors come as an array of one */
        if (!object_decode(d, one)) {
            return false;
        }
    }
    return true;
}

static void finish(struct decoder *d, unsigned choice, struct str reason, enum finish f)
{
    send(d, (struct chunk){
                .type = CHUNK_FINISH, .choice = choice, .tool = -1, .finish = f, .text = reason});
}

void gemini_decode_end(void *decoder)
{
    struct decoder *d = decoder;
    bool finished = d->blocked;
    for (unsigned i = 0; i < GEMINI_CANDIDATES; i++) {
        finished = finished || d->c[i].finished;
    }
    if (d->failed || !finished) {
        return;
    }
    bool any = false;
    for (unsigned i = 0; i < GEMINI_CANDIDATES; i++) {
        struct candidate_state *c = &d->c[i];
        struct str reason = {c->reason, c->reason_len};
        if (c->finished) {
            finish(d, i, reason, gemini_finish_of(reason, c->tools > 0));
        } else if (c->seen) {
            finish(d, i, STR_NONE, d->blocked ? FINISH_CONTENT_FILTER : FINISH_OTHER);
        }
        any = any || c->seen;
    }
    if (!any) {
        finish(d, 0, (struct str){d->block, d->block_len}, FINISH_CONTENT_FILTER);
    }
    send(d, (struct chunk){.type = CHUNK_END, .tool = -1});
}
