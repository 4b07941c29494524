/* A whole answer of Gemini or Vertex read into the neutral form, and its usage; see
 * gemini_inside.h. */
#include "dataplane/dialects/gemini_inside.h"

/* ---- usage ---- */

struct modalities {
    uint64_t audio, image, video;
};

static void details_add(struct json_value usage, const char *name, struct modalities *ret)
{
    struct json_value list, one, modality;
    size_t pos = 0;
    if (!gemini_get(usage, name, &list)) {
        return;
    }
    while (json_next(list, &pos, NULL, &one)) {
        uint64_t n = gemini_get_u64(one, "tokenCount");
        if (!gemini_get(one, "modality", &modality)) {
            continue;
        }
        if (json_text_eq(modality, STR_LIT("AUDIO"))) {
            ret->audio += n;
        } else if (json_text_eq(modality, STR_LIT("IMAGE"))) {
            ret->image += n;
        } else if (json_text_eq(modality, STR_LIT("VIDEO"))) {
            ret->video += n;
        }
    }
}

void gemini_usage_read(struct json_value v, struct usage *ret)
{
    struct modalities in = {0}, out = {0}, cached = {0};
    struct json_member m[] = {
        {.name = STR_LIT("promptTokenCount")},        {.name = STR_LIT("candidatesTokenCount")},
        {.name = STR_LIT("thoughtsTokenCount")},      {.name = STR_LIT("toolUsePromptTokenCount")},
        {.name = STR_LIT("cachedContentTokenCount")}, {.name = STR_LIT("totalTokenCount")},
        {.name = STR_LIT("responseTokenCount")}}; /* the live API's name */
    if (v.type != JSON_OBJECT) {
        return;
    }
    (void)gemini_members(v, m, sizeof(m) / sizeof(m[0]));
    uint64_t n[7] = {0};
    for (size_t i = 0; i < 7; i++) {
        n[i] = m[i].found ? gemini_u64(m[i].value) : 0;
        ret->found = ret->found || m[i].found;
    }
    uint64_t prompt = n[0], made = m[1].found ? n[1] : n[6], thoughts = n[2], tools = n[3];
    /* thoughts are counted apart; a total that leaves no room for them says that they are not */
    bool apart = n[5] == 0 || thoughts == 0 || made < thoughts || prompt + tools + made != n[5];
    ret->input_found = m[0].found;
    ret->output_found = m[1].found || m[2].found || m[6].found;
    ret->input = prompt + tools;
    ret->output = apart ? made + thoughts : made;
    ret->reasoning = thoughts;
    ret->tool_input = tools;
    ret->cached = n[4];
    ret->total = n[5];
    details_add(v, "promptTokensDetails", &in);
    details_add(v, "toolUsePromptTokensDetails", &in);
    details_add(v, "candidatesTokensDetails", &out);
    details_add(v, "responseTokensDetails", &out);
    details_add(v, "cacheTokensDetails", &cached);
    ret->audio_in = in.audio;
    ret->image_in = in.image;
    ret->video_in = in.video;
    ret->audio_out = out.audio;
    ret->image_out = out.image;
    ret->audio_cached = cached.audio;
    ret->image_cached = cached.image;
}

struct str gemini_tier_read(struct json_value usage)
{
    static const struct {
        const char *word, *tier;
    } words[] = {{"flex", "flex"},
                 {"priority", "priority"},
                 {"batch", "batch"},
                 {"ON_DEMAND_FLEX", "flex"},
                 {"ON_DEMAND_PRIORITY", "priority"},
                 {"PROVISIONED_THROUGHPUT", "scale"}};
    struct json_value v;
    if ((!gemini_get(usage, "serviceTier", &v) && !gemini_get(usage, "trafficType", &v)) ||
        v.type != JSON_STRING || v.escaped) {
        return STR_NONE;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eq_nocase(json_text(v), str_of(words[i].word))) {
            return str_of(words[i].tier);
        }
    }
    return STR_NONE;
}

/* ---- candidates ---- */

struct reply_reader {
    const struct exchange_context *x;
    struct arena *a;
    unsigned calls; /* of the whole answer: ids must differ between choices too */
    size_t searches;
};

/* A signature that comes behind its text, alone, belongs to that text. */
static bool signature_join(struct chat_choice *c, const struct part *p)
{
    struct part *last = c->n_parts ? &c->parts[c->n_parts - 1] : NULL;
    if (!last || p->text.len > 0 || !p->signature.ptr || last->signature.ptr ||
        (p->type != PART_TEXT && p->type != PART_THINKING) ||
        (last->type != PART_TEXT && last->type != PART_THINKING)) {
        return false;
    }
    last->signature = p->signature;
    last->signature_family = p->signature_family;
    return true;
}

/* Other dialects sign thoughts, not texts: there a text's signature stands for the thought before
 * it, as it does in streams (gemini_stream.c). */
static void signatures_place(const struct reply_reader *r, struct chat_choice *c)
{
    bool own = !r->x->request || r->x->request->family == FAMILY_GEMINI;
    for (size_t i = 1; !own && i < c->n_parts; i++) {
        struct part *thought = &c->parts[i - 1], *text = &c->parts[i];
        if (thought->type == PART_THINKING && text->type == PART_TEXT && text->signature.ptr &&
            !thought->signature.ptr) {
            thought->signature = text->signature;
            thought->signature_family = text->signature_family;
            text->signature = STR_NONE;
            text->signature_family = FAMILY_NONE;
        }
    }
}

static bool parts_read(struct reply_reader *r, struct json_value content, struct chat_choice *c)
{
    struct json_value list, v;
    struct error ignored = ERROR_INIT;
    size_t pos = 0, cap = 0;
    if (!gemini_get(content, "parts", &list)) {
        return true;
    }
    while (json_next(list, &pos, NULL, &v)) {
        struct part p = {.type = PART_TEXT}, *to;
        struct str meta;
        if (!gemini_part_read(v, r->a, "", &p, &meta, &ignored) || signature_join(c, &p)) {
            continue;
        }
        if (p.type == PART_TEXT && p.text.len == 0 && !p.signature.ptr) {
            continue;
        }
        if (p.type == PART_TOOL_RESULT) {
            p = (struct part){.type = PART_NATIVE, .raw = v.raw, .family = FAMILY_GEMINI};
        }
        if (p.type == PART_TOOL_CALL && !p.id.ptr) {
            p.id = gemini_call_id(r->a, r->x->unique, r->calls);
        }
        if (p.type == PART_TOOL_CALL) {
            p.name = gemini_tool_name_back(r->a, r->x, p.name);
            r->calls++;
        }
        to = part_add(r->a, &c->parts, &c->n_parts, &cap);
        if (!to) {
            return false;
        }
        *to = p;
    }
    return true;
}

static void citations_place(struct reply_reader *r, struct json_value candidate,
                            struct chat_choice *c)
{
    struct citation *list = NULL;
    size_t n =
        gemini_citations_read(candidate, r->a, c->parts, c->n_parts, false, &list, &r->searches);
    for (size_t i = c->n_parts; n > 0 && i > 0; i--) {
        if (c->parts[i - 1].type == PART_TEXT) {
            c->parts[i - 1].citations = list;
            c->parts[i - 1].n_citations = n;
            return;
        }
    }
}

static bool candidate_read(struct reply_reader *r, struct json_value v, size_t position,
                           struct chat_choice *c)
{
    struct json_member m[] = {{.name = STR_LIT("content")},
                              {.name = STR_LIT("finishReason")},
                              {.name = STR_LIT("index")},
                              {.name = STR_LIT("safetyRatings")},
                              {.name = STR_LIT("logprobsResult")}};
    bool has_calls = false;
    (void)gemini_members(v, m, 5);
    *c = (struct chat_choice){.index = (unsigned)position};
    if (m[2].found && gemini_u64(m[2].value) < 1000) {
        c->index = (unsigned)gemini_u64(m[2].value);
    }
    if (m[0].found && !parts_read(r, m[0].value, c)) {
        return false;
    }
    signatures_place(r, c);
    for (size_t i = 0; i < c->n_parts; i++) {
        has_calls = has_calls || c->parts[i].type == PART_TOOL_CALL;
    }
    c->finish_raw = read_member(r->a, &m[1]);
    c->finish = gemini_finish_of(c->finish_raw, has_calls);
    c->safety = read_raw(&m[3]);
    if (m[4].found) {
        c->logprobs = gemini_logprobs_read(m[4].value, r->a);
    }
    citations_place(r, v, c);
    return true;
}

static bool candidates_read(struct reply_reader *r, struct json_value list, struct chat_reply *ret)
{
    struct json_value v;
    size_t pos = 0;
    struct chat_choice *choices = arena_zalloc(r->a, GEMINI_CANDIDATES * sizeof(*choices));
    if (!choices) {
        return false;
    }
    ret->choices = choices;
    while (ret->n_choices < GEMINI_CANDIDATES && json_next(list, &pos, NULL, &v)) {
        if (!candidate_read(r, v, ret->n_choices, &choices[ret->n_choices])) {
            return false;
        }
        ret->n_choices++;
    }
    return true;
}

bool gemini_decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct chat_reply *ret, struct error *err)
{
    struct json_member m[] = {{.name = STR_LIT("candidates")},
                              {.name = STR_LIT("promptFeedback")},
                              {.name = STR_LIT("usageMetadata")},
                              {.name = STR_LIT("modelVersion")},
                              {.name = STR_LIT("responseId")}};
    struct reply_reader r = {.x = x, .a = a};
    struct chat_reply reply = {.created = 0};
    struct json_value v, list = {.type = JSON_NULL};
    if (!json_validate(body, 0, &v, NULL) || v.type != JSON_OBJECT) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer is not a JSON object");
    }
    (void)gemini_members(v, m, 5);
    if (!m[0].found && !m[1].found && !m[2].found) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no candidates");
    }
    if (m[0].found) {
        list = m[0].value;
    }
    if (!candidates_read(&r, list, &reply)) {
        return error_set(err, ERR_INTERNAL, "out of room for the answer");
    }
    reply.model = read_member(a, &m[3]);
    reply.id = read_member(a, &m[4]);
    if (m[2].found) {
        gemini_usage_read(m[2].value, &reply.usage);
        reply.service_tier = gemini_tier_read(m[2].value);
    }
    reply.usage.searches = r.searches;
    if (reply.n_choices == 0) {
        reply.block_reason = m[1].found ? gemini_get_text(a, m[1].value, "blockReason") : STR_NONE;
        reply.blocked = reply.block_reason.len > 0;
        reply.n_choices = reply.blocked ? 0 : 1; /* nothing said, nothing blocked */
        reply.choices[0].finish = FINISH_OTHER;
    }
    *ret = reply;
    return true;
}
