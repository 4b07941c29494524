/* The neutral request as a Converse body; see converse_parts.h. Conversation and tools are in
 * converse_messages.c and converse_tools.c. */
#include "dataplane/dialects/claude_model.h"
#include "dataplane/dialects/converse_parts.h"

#include <ctype.h>

#define BUDGET_MIN 1024   /* Anthropic's floor */
#define ANSWER_ROOM 4096u /* left for the answer behind the thinking when no maximum is said */

/* How Claude is asked to think. */
struct thinking {
    bool on, adaptive;
    int64_t budget;
};

struct writer {
    struct json_writer *w;
    const struct chat_request *q;
    const struct exchange_context *x;
    bool own, claude, opus;
    unsigned version; /* of Claude; 0: not known */
    struct thinking thinking;
    uint64_t max_tokens;
};

static void lose(struct writer *s, enum chat_field field)
{
    losses_add(s->x->losses, s->q->family, field);
}

/* ---- thinking ---- */

static bool wants_thinking(const struct reasoning *r)
{
    return r->adaptive || r->budget > 0 || r->effort > EFFORT_NONE;
}

static bool wants_no_thinking(const struct reasoning *r)
{
    return r->effort == EFFORT_NONE || (r->effort == EFFORT_UNSET && r->budget == 0);
}

/* Claude refuses to think on in the middle of calls that it did not begin with a thought: the last
 * message of the assistant, when only results of tools stand behind it. */
static bool thought_is_missing(const struct chat_request *q)
{
    for (size_t i = q->n_messages; i-- > 0;) {
        const struct message *m = &q->messages[i];
        bool calls = false;
        if (m->role == ROLE_TOOL) {
            continue;
        }
        if (m->role != ROLE_ASSISTANT) {
            return false;
        }
        for (size_t k = 0; k < m->n_parts; k++) {
            const struct part *p = &m->parts[k];
            if ((p->type == PART_THINKING || p->type == PART_REDACTED_THINKING) &&
                p->signature.ptr && converse_signature_fits(p->signature_family)) {
                return false;
            }
            calls = calls || p->type == PART_TOOL_CALL;
        }
        return calls;
    }
    return false;
}

/* OpenAI's open models take an effort of three, and always think. */
static const char *gpt_effort(const struct writer *s)
{
    const struct reasoning *r = &s->q->reasoning;
    enum effort e = r->effort == EFFORT_UNSET ? effort_of_budget(r->budget) : r->effort;
    if (s->own || e <= EFFORT_NONE || !converse_model_is(s->x->model, "openai.gpt-oss")) {
        return NULL;
    }
    return e <= EFFORT_LOW ? "low" : e == EFFORT_MEDIUM ? "medium" : "high";
}

static void plan_thinking(struct writer *s)
{
    const struct reasoning *r = &s->q->reasoning;
    struct thinking *t = &s->thinking;
    s->max_tokens = s->q->max_tokens;
    if (!wants_thinking(r)) {
        return;
    }
    if (s->own) {
        *t = (struct thinking){r->adaptive || r->budget > 0, r->adaptive, r->budget};
        return;
    }
    if (gpt_effort(s)) {
        return;
    }
    t->adaptive = s->version >= CLAUDE_ADAPTIVE;
    if (!s->claude || converse_forces_tool(s->q) || (s->version && s->version < CLAUDE_THINKS) ||
        (!t->adaptive && thought_is_missing(s->q))) {
        lose(s, FIELD_REASONING);
        return;
    }
    t->budget = r->budget > 0
                    ? r->budget
                    : effort_budget(r->effort == EFFORT_UNSET ? EFFORT_MEDIUM : r->effort);
    t->budget = t->budget < BUDGET_MIN ? BUDGET_MIN : t->budget;
    t->on = true;
    if (t->adaptive) {
        return;
    }
    if (s->x->max_output > BUDGET_MIN && (uint64_t)t->budget >= s->x->max_output) {
        t->budget =
            (int64_t)(s->x->max_output / 2 > BUDGET_MIN ? s->x->max_output / 2 : BUDGET_MIN);
    }
    if (s->max_tokens == 0) {
        s->max_tokens = (uint64_t)t->budget + ANSWER_ROOM;
        if (s->x->max_output > (uint64_t)t->budget && s->max_tokens > s->x->max_output) {
            s->max_tokens = s->x->max_output;
        }
    } else if (s->max_tokens <= BUDGET_MIN) {
        t->on = false; /* there is no room to think in */
        lose(s, FIELD_REASONING);
    } else if ((uint64_t)t->budget >= s->max_tokens) {
        t->budget = (int64_t)s->max_tokens - 1;
    }
}

static void put_thinking(struct writer *s)
{
    const struct thinking *t = &s->thinking;
    json_name(s->w, "thinking");
    json_object_begin(s->w);
    json_field_z(s->w, "type", t->adaptive ? "adaptive" : "enabled");
    if (!t->adaptive) {
        json_field_i64(s->w, "budget_tokens", t->budget);
    }
    json_object_end(s->w);
    enum effort e = s->q->reasoning.effort;
    e = e == EFFORT_UNSET ? effort_of_budget(s->q->reasoning.budget) : e;
    if (t->adaptive && !s->own && e > EFFORT_NONE) {
        json_name(s->w, "output_config");
        json_object_begin(s->w);
        json_field_z(s->w, "effort", claude_effort(e, s->version));
        json_object_end(s->w);
    }
}

/* ---- settings ---- */

/* value * 1000, or -1 */
static int64_t thousandths(struct str number)
{
    struct json_value v = {.type = JSON_NUMBER, .raw = number};
    int64_t n;
    return number.ptr && json_decimal(v, 3, &n) ? n : -1;
}

/* Extras of one nested object: "inferenceConfig.foo". The object is begun at the first. */
static void put_nested_extras(struct writer *s, const char *within, size_t *n)
{
    size_t len = strlen(within);
    for (size_t i = 0; s->own && i < s->q->n_extras; i++) {
        const struct extra *e = &s->q->extras[i];
        if (e->name.len <= len + 1 || !str_starts(e->name, str_of(within)) ||
            e->name.ptr[len] != '.') {
            continue;
        }
        if ((*n)++ == 0) {
            json_name(s->w, within);
            json_object_begin(s->w);
        }
        json_put_str(s->w, str_slice(e->name, len + 1, e->name.len));
        s->w->after_name = true;
        (void)buffer_append(s->w->out, ":", 1);
        json_put_raw(s->w, e->raw);
    }
}

/* What Claude refuses: beside thoughts all but 1, of newer models any, of some both at once. */
static void plan_sampling(struct writer *s, struct str *temperature, struct str *top_p)
{
    bool none = s->version >= CLAUDE_NO_SAMPLING;
    bool one = s->version >= (s->opus ? CLAUDE_ONE_SAMPLING_OPUS : CLAUDE_ONE_SAMPLING);
    if (s->own || !s->claude) {
        return;
    }
    if (temperature->ptr && (none || s->thinking.on)) {
        if (thousandths(*temperature) != 1000) {
            lose(s, FIELD_TEMPERATURE);
        }
        *temperature = STR_NONE; /* 1 is what it is then */
    }
    if (top_p->ptr &&
        (none || (s->thinking.on && thousandths(*top_p) < 950) || (one && temperature->ptr))) {
        if (thousandths(*top_p) != 1000) {
            lose(s, FIELD_TOP_P);
        }
        *top_p = STR_NONE;
    }
}

/* Claude refuses stop sequences that are blank. */
static bool stop_fits(const struct writer *s, struct str stop)
{
    return s->own || !text_blank(stop);
}

static size_t count_stops(struct writer *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->q->n_stop; i++) {
        if (stop_fits(s, s->q->stop[i])) {
            n++;
        } else {
            lose(s, FIELD_STOP);
        }
    }
    return n;
}

static void put_inference(struct writer *s)
{
    const struct chat_request *q = s->q;
    struct str temperature = q->temperature, top_p = q->top_p;
    size_t n = 0;
    if (!s->own && thousandths(temperature) > 1000) {
        temperature = STR_LIT("1"); /* Bedrock's range ends there */
        lose(s, FIELD_TEMPERATURE);
    }
    plan_sampling(s, &temperature, &top_p);
    size_t n_stop = count_stops(s);
    if (s->max_tokens || temperature.ptr || top_p.ptr || n_stop) {
        n = 1;
        json_name(s->w, "inferenceConfig");
        json_object_begin(s->w);
    }
    if (s->max_tokens) {
        json_field_u64(s->w, "maxTokens", s->max_tokens);
    }
    if (temperature.ptr) {
        json_name(s->w, "temperature");
        json_put_raw(s->w, temperature);
    }
    if (top_p.ptr) {
        json_name(s->w, "topP");
        json_put_raw(s->w, top_p);
    }
    if (n_stop) {
        json_name(s->w, "stopSequences");
        json_array_begin(s->w);
        for (size_t i = 0; i < q->n_stop; i++) {
            if (stop_fits(s, q->stop[i])) {
                json_put_str(s->w, q->stop[i]);
            }
        }
        json_array_end(s->w);
    }
    put_nested_extras(s, "inferenceConfig", &n);
    if (n) {
        json_object_end(s->w);
    }
}

static void begin_additional(struct writer *s, size_t *n)
{
    if ((*n)++ == 0) {
        json_name(s->w, "additionalModelRequestFields");
        json_object_begin(s->w);
    }
}

/* Features that a client of Messages asked for by its header. */
static void put_betas(struct writer *s, size_t *n)
{
    struct str rest = s->q->betas, head;
    bool begun = false;
    while (s->q->family == FAMILY_MESSAGES && rest.len) {
        if (!str_cut(rest, ',', &head, &rest)) {
            head = rest;
            rest = STR_NONE;
        }
        head = str_trim(head);
        if (!s->claude || !claude_beta_at_bedrock(head)) {
            if (head.len) {
                losses_add_name(s->x->losses, STR_LIT("anthropic-beta"));
            }
            continue;
        }
        if (!begun) {
            begun = true;
            begin_additional(s, n);
            json_name(s->w, "anthropic_beta");
            json_array_begin(s->w);
        }
        json_put_str(s->w, head);
    }
    if (begun) {
        json_array_end(s->w);
    }
}

static void put_additional(struct writer *s)
{
    const struct chat_request *q = s->q;
    bool top_k = q->top_k.ptr &&
                 (s->own || (s->claude && !s->thinking.on && s->version < CLAUDE_NO_SAMPLING));
    const char *gpt = gpt_effort(s);
    bool off = !s->own && s->version >= CLAUDE_ADAPTIVE && wants_no_thinking(&q->reasoning);
    bool effort = s->own && q->reasoning.effort != EFFORT_UNSET;
    size_t n = 0;
    if (q->top_k.ptr && !top_k) {
        lose(s, FIELD_TOP_K);
    }
    if (top_k || s->thinking.on || effort || gpt || off) {
        begin_additional(s, &n);
    }
    if (top_k) {
        json_name(s->w, "top_k");
        json_put_raw(s->w, q->top_k);
    }
    if (s->thinking.on) {
        put_thinking(s);
    }
    if (gpt) {
        json_field_z(s->w, "reasoning_effort", gpt);
    }
    if (off || (effort && q->reasoning.effort == EFFORT_NONE)) {
        json_name(s->w, "thinking");
        json_put_raw(s->w, STR_LIT("{\"type\":\"disabled\"}"));
    } else if (effort) {
        json_field_z(s->w, "reasoning_effort", effort_name(q->reasoning.effort));
    }
    put_betas(s, &n);
    put_nested_extras(s, "additionalModelRequestFields", &n);
    if (n) {
        json_object_end(s->w);
    }
}

/* A client of Converse that asked for a schema natively knows that its model can. */
static void put_output(struct writer *s)
{
    const struct chat_request *q = s->q;
    size_t n = 0;
    if (q->output == OUTPUT_JSON) {
        lose(s, FIELD_RESPONSE_FORMAT);
    }
    if (s->own && q->output == OUTPUT_SCHEMA) {
        n = 1;
        json_name(s->w, "outputConfig");
        json_object_begin(s->w);
        json_name(s->w, "textFormat");
        json_object_begin(s->w);
        json_field_z(s->w, "type", "json_schema");
        json_name(s->w, "structure");
        json_object_begin(s->w);
        json_name(s->w, "jsonSchema");
        json_object_begin(s->w);
        json_field_str(s->w, "schema", q->schema);
        if (q->schema_name.ptr) {
            json_field_str(s->w, "name", q->schema_name);
        }
        if (q->schema_description.ptr) {
            json_field_str(s->w, "description", q->schema_description);
        }
        json_object_end(s->w);
        json_object_end(s->w);
        json_object_end(s->w);
    }
    put_nested_extras(s, "outputConfig", &n);
    if (n) {
        json_object_end(s->w);
    }
}

static bool metadata_text_ok(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == 0 || !(isalnum(c) || strchr(" :_@$#=/+,-.", c)) || c >= 0x80) {
            return false;
        }
    }
    return s.len > 0 && s.len <= 256;
}

/* requestMetadata takes 16 short texts of few characters. */
static bool metadata_fits(struct str raw)
{
    struct json_value whole, name, v;
    size_t pos = 0, n = 0;
    if (!read_json(raw, &whole) || whole.type != JSON_OBJECT) {
        return false;
    }
    while (json_next(whole, &pos, &name, &v)) {
        if (v.type != JSON_STRING || v.escaped || name.escaped || ++n > 16 ||
            !metadata_text_ok(json_text(v)) || !metadata_text_ok(json_text(name))) {
            return false;
        }
    }
    return n > 0;
}

static void put_metadata(struct writer *s)
{
    const struct chat_request *q = s->q;
    if (!q->metadata.ptr) {
        return;
    }
    if (s->own || metadata_fits(q->metadata)) {
        json_name(s->w, "requestMetadata");
        json_put_raw(s->w, q->metadata);
    } else {
        lose(s, FIELD_METADATA);
    }
}

static void put_tier(struct writer *s)
{
    static const char *const tiers[] = {"default", "priority", "flex", "reserved"};
    struct str tier = s->q->service_tier;
    bool known = s->own;
    if (!tier.ptr || str_eqz(tier, "auto")) {
        return;
    }
    for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {
        known = known || str_eqz(tier, tiers[i]);
    }
    if (!known) {
        lose(s, FIELD_SERVICE_TIER);
        return;
    }
    json_name(s->w, "serviceTier");
    json_object_begin(s->w);
    json_field_str(s->w, "type", tier);
    json_object_end(s->w);
}

/* Whatever Converse has no word for. */
static void name_losses(struct writer *s)
{
    const struct chat_request *q = s->q;
    const struct {
        bool given;
        enum chat_field field;
    } fields[] = {
        {q->min_p.ptr, FIELD_MIN_P},
        {q->frequency_penalty.ptr, FIELD_FREQUENCY_PENALTY},
        {q->presence_penalty.ptr, FIELD_PRESENCE_PENALTY},
        {q->repetition_penalty.ptr, FIELD_REPETITION_PENALTY},
        {q->seed.ptr, FIELD_SEED},
        {q->n > 1, FIELD_N},
        {q->logprobs == 1, FIELD_LOGPROBS},
        {q->top_logprobs > 0, FIELD_TOP_LOGPROBS},
        {q->logit_bias.ptr, FIELD_LOGIT_BIAS},
        {q->user.ptr, FIELD_USER},
        {q->store == 1, FIELD_STORE},
        {q->parallel_tool_calls == 0, FIELD_PARALLEL_TOOL_CALLS},
        {q->wants_audio || q->wants_image, FIELD_MODALITIES},
        {q->audio_voice.ptr || q->audio_format.ptr, FIELD_AUDIO},
        {q->verbosity.ptr, FIELD_VERBOSITY},
        {q->prediction.ptr, FIELD_PREDICTION},
        {q->web_search.ptr, FIELD_WEB_SEARCH},
        {q->safety.ptr && !s->own, FIELD_SAFETY},
        {q->cached_content.ptr, FIELD_CACHED_CONTENT},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].given) {
            lose(s, fields[i].field);
        }
    }
    for (size_t i = 0; !s->own && i < q->n_extras; i++) {
        losses_add_name(s->x->losses, q->extras[i].name);
    }
}

static bool is_nested(struct str name)
{
    return str_starts(name, STR_LIT("inferenceConfig.")) ||
           str_starts(name, STR_LIT("additionalModelRequestFields.")) ||
           str_starts(name, STR_LIT("outputConfig."));
}

static void put_extras(struct writer *s)
{
    for (size_t i = 0; s->own && i < s->q->n_extras; i++) {
        const struct extra *e = &s->q->extras[i];
        if (!is_nested(e->name)) {
            json_put_str(s->w, e->name);
            (void)buffer_append(s->w->out, ":", 1);
            s->w->after_name = true;
            json_put_raw(s->w, e->raw);
        }
    }
}

static void writer_init(struct writer *s, struct json_writer *w, const struct chat_request *q,
                        const struct exchange_context *x)
{
    *s = (struct writer){.w = w, .q = q, .x = x};
    s->own = q->family == FAMILY_CONVERSE;
    s->claude = converse_model_is(x->model, "anthropic.");
    s->version = s->claude ? claude_version(x->model, &s->opus) : 0;
    plan_thinking(s);
}

bool converse_encode_request(const struct chat_request *q, const struct exchange_context *x,
                             struct arena *a, struct buffer *out, struct error *err)
{
    struct json_writer w;
    struct writer s;
    json_writer_init(&w, out);
    writer_init(&s, &w, q, x);
    json_object_begin(&w);
    if (!converse_put_messages(&w, q, x, a, err)) {
        return false;
    }
    put_inference(&s);
    converse_put_tools(&w, q, x, a);
    put_additional(&s);
    put_output(&s);
    if (s.own && q->safety.ptr) {
        json_name(&w, "guardrailConfig");
        json_put_raw(&w, q->safety);
    }
    put_metadata(&s);
    put_tier(&s);
    put_extras(&s);
    name_losses(&s);
    json_object_end(&w);
    return !out->failed || error_set(err, ERR_INTERNAL, "out of room for the provider's request");
}

bool converse_encode_count(const struct chat_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err)
{
    struct json_writer w;
    struct writer s;
    json_writer_init(&w, out);
    writer_init(&s, &w, q, x);
    json_object_begin(&w);
    json_name(&w, "input");
    json_object_begin(&w);
    json_name(&w, "converse");
    json_object_begin(&w);
    if (!converse_put_messages(&w, q, x, a, err)) {
        return false;
    }
    converse_put_tools(&w, q, x, a);
    put_additional(&s);
    json_object_end(&w);
    json_object_end(&w);
    json_object_end(&w);
    return !out->failed || error_set(err, ERR_INTERNAL, "out of room for the provider's request");
}
