/* What stands in a Messages request beside the prompt: sampling, thinking, output, extras; and the
 * names of what has no place. */
#include "dataplane/dialects/claude_model.h"
#include "dataplane/dialects/messages_inside.h"

#define USER_MAX 256 /* bytes of metadata.user_id */

struct settings {
    struct messages_writer *m;
    const struct chat_request *q;
    const struct messages_plan *plan;
};

/* Extras named "metadata.x" stand within metadata. */
static bool nested(struct str name)
{
    return str_starts(name, STR_LIT("metadata.")) || str_starts(name, STR_LIT("thinking.")) ||
           str_starts(name, STR_LIT("output_config."));
}

static size_t count_nested(const struct settings *s, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; s->plan->own && i < s->q->n_extras; i++) {
        n += str_starts(s->q->extras[i].name, str_of(prefix));
    }
    return n;
}

static void write_name(struct messages_writer *m, struct str name)
{
    struct str z = arena_str(m->a, name); /* NUL-terminated */
    json_name(&m->w, z.ptr ? z.ptr : "");
}

static void write_nested(const struct settings *s, const char *prefix)
{
    size_t skip = strlen(prefix);
    for (size_t i = 0; s->plan->own && i < s->q->n_extras; i++) {
        const struct extra *e = &s->q->extras[i];
        if (str_starts(e->name, str_of(prefix))) {
            write_name(s->m, str_slice(e->name, skip, e->name.len));
            json_put_raw(&s->m->w, e->raw);
        }
    }
}

static void write_stop(const struct settings *s)
{
    struct json_writer *w = &s->m->w;
    bool begun = false;
    for (size_t i = 0; i < s->q->n_stop; i++) {
        if (text_blank(s->q->stop[i])) {
            messages_lose(s->m, FIELD_STOP); /* Anthropic refuses blank ones */
            continue;
        }
        if (!begun) {
            json_name(w, "stop_sequences");
            json_array_begin(w);
            begun = true;
        }
        json_put_str(w, s->q->stop[i]);
    }
    if (begun) {
        json_array_end(w);
    }
}

static void write_number(struct json_writer *w, const char *name, struct str number)
{
    json_name(w, name);
    json_put_raw(w, number);
}

static void write_sampling(const struct settings *s)
{
    struct json_writer *w = &s->m->w;
    if (s->plan->temperature.ptr) {
        write_number(w, "temperature", s->plan->temperature);
    }
    if (s->plan->top_p) {
        write_number(w, "top_p", s->q->top_p);
    }
    if (s->plan->top_k) {
        write_number(w, "top_k", s->q->top_k);
    }
}

static void write_metadata(const struct settings *s)
{
    struct json_writer *w = &s->m->w;
    bool user = s->q->user.len > 0;
    if (!s->plan->own && s->q->user.len > USER_MAX) {
        user = false;
        messages_lose(s->m, FIELD_USER);
    }
    if (!user && !count_nested(s, "metadata.")) {
        return;
    }
    json_name(w, "metadata");
    json_object_begin(w);
    if (user) {
        json_field_str(w, "user_id", s->q->user);
    }
    write_nested(s, "metadata.");
    json_object_end(w);
}

static void write_thinking(const struct settings *s)
{
    static const char *const words[] = {[THINKING_UNSAID] = "",
                                        [THINKING_OFF] = "disabled",
                                        [THINKING_BUDGET] = "enabled",
                                        [THINKING_ADAPTIVE] = "adaptive"};
    struct json_writer *w = &s->m->w;
    const struct messages_plan *p = s->plan;
    if (p->thinking == THINKING_UNSAID) {
        return;
    }
    json_name(w, "thinking");
    json_object_begin(w);
    json_field_z(w, "type", words[p->thinking]);
    if (p->thinking == THINKING_BUDGET) {
        json_field_u64(w, "budget_tokens", p->budget);
    }
    if (p->display) {
        json_field_z(w, "display", p->display);
    }
    write_nested(s, "thinking.");
    json_object_end(w);
}

static void write_output(const struct settings *s)
{
    struct json_writer *w = &s->m->w;
    const struct messages_plan *p = s->plan;
    if (!p->effort.ptr && !p->schema && !count_nested(s, "output_config.")) {
        return;
    }
    json_name(w, "output_config");
    json_object_begin(w);
    if (p->effort.ptr) {
        json_field_str(w, "effort", p->effort);
    }
    if (p->schema) {
        json_name(w, "format");
        json_object_begin(w);
        json_field_z(w, "type", "json_schema");
        json_name(w, "schema");
        json_put_raw(w, s->q->schema);
        json_object_end(w);
    }
    write_nested(s, "output_config.");
    json_object_end(w);
}

static void write_tier(const struct settings *s)
{
    struct str tier = s->q->service_tier;
    if (!tier.ptr) {
        return;
    }
    if (s->plan->flavour == MESSAGES_API) {
        if (s->plan->own || str_eqz(tier, "auto")) {
            json_field_str(&s->m->w, "service_tier", tier);
            return;
        }
        if (str_eqz(tier, "default")) {
            json_field_z(&s->m->w, "service_tier", "standard_only");
            return;
        }
    }
    if (!str_eqz(tier, "auto") && !str_eqz(tier, "default")) {
        messages_lose(s->m, FIELD_SERVICE_TIER);
    }
}

/* ---- what gets lost ---- */

static void lose_settings(const struct settings *s)
{
    const struct chat_request *q = s->q;
    const struct {
        bool lost;
        enum chat_field field;
    } list[] = {
        {q->n > 1, FIELD_N},
        {q->seed.ptr != NULL, FIELD_SEED},
        {q->min_p.ptr != NULL, FIELD_MIN_P},
        {q->frequency_penalty.ptr != NULL, FIELD_FREQUENCY_PENALTY},
        {q->presence_penalty.ptr != NULL, FIELD_PRESENCE_PENALTY},
        {q->repetition_penalty.ptr != NULL, FIELD_REPETITION_PENALTY},
        {q->logprobs == 1, FIELD_LOGPROBS},
        {q->top_logprobs > 0, FIELD_TOP_LOGPROBS},
        {q->logit_bias.len > 2, FIELD_LOGIT_BIAS}, /* more than {} */
        {q->metadata.len > 2, FIELD_METADATA},
        {q->store == 1, FIELD_STORE},
        {q->verbosity.ptr != NULL, FIELD_VERBOSITY},
        {q->wants_audio || q->wants_image, FIELD_MODALITIES},
        {q->audio_voice.ptr != NULL, FIELD_AUDIO},
        {q->prediction.ptr != NULL, FIELD_PREDICTION},
        {q->web_search.ptr != NULL, FIELD_WEB_SEARCH},
        {q->safety.ptr != NULL, FIELD_SAFETY},
        {q->cached_content.ptr != NULL, FIELD_CACHED_CONTENT},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        if (list[i].lost) {
            messages_lose(s->m, list[i].field);
        }
    }
}

static void write_extras(const struct settings *s)
{
    const struct chat_request *q = s->q;
    for (size_t i = 0; i < q->n_extras; i++) {
        const struct extra *e = &q->extras[i];
        bool betas = str_eqz(e->name, "anthropic_beta");
        bool mine = s->plan->own && !(betas && s->plan->flavour == MESSAGES_API);
        if (mine && nested(e->name)) {
            continue;
        }
        if (!mine) {
            losses_add_name(s->m->x->losses, e->name);
            continue;
        }
        write_name(s->m, e->name);
        json_put_raw(&s->m->w, e->raw);
    }
}

/* Features asked for by header stand in the body at Bedrock. */
static void write_betas(const struct settings *s)
{
    struct json_writer *w = &s->m->w;
    struct str rest = s->q->betas, head;
    bool begun = false;
    for (size_t i = 0; i < s->q->n_extras; i++) {
        if (str_eqz(s->q->extras[i].name, "anthropic_beta")) {
            return; /* it says it itself */
        }
    }
    if (s->plan->flavour != MESSAGES_INVOKE || !s->plan->own) {
        return;
    }
    while (rest.len) {
        if (!str_cut(rest, ',', &head, &rest)) {
            head = rest;
            rest = STR_NONE;
        }
        head = str_trim(head);
        if (!claude_beta_at_bedrock(head)) {
            if (head.len) {
                losses_add_name(s->m->x->losses, STR_LIT("anthropic-beta"));
            }
            continue;
        }
        if (!begun) {
            json_name(w, "anthropic_beta");
            json_array_begin(w);
            begun = true;
        }
        json_put_str(w, head);
    }
    if (begun) {
        json_array_end(w);
    }
}

/* Members that count_tokens knows besides the prompt. */
static void write_count_extras(const struct settings *s)
{
    static const char *const known[] = {"mcp_servers", "context_management", "cache_control",
                                        "thinking"};
    for (size_t i = 0; s->plan->own && i < s->q->n_extras; i++) {
        const struct extra *e = &s->q->extras[i];
        for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++) {
            if (str_eqz(e->name, known[j])) {
                json_name(&s->m->w, known[j]);
                json_put_raw(&s->m->w, e->raw);
            }
        }
    }
}

void messages_write_settings(struct messages_writer *m, const struct chat_request *q,
                             const struct messages_plan *plan)
{
    const struct settings s = {m, q, plan};
    if (plan->flavour == MESSAGES_COUNT) {
        write_thinking(&s);
        write_output(&s);
        write_count_extras(&s);
        return;
    }
    write_stop(&s);
    write_sampling(&s);
    write_metadata(&s);
    write_thinking(&s);
    write_output(&s);
    write_tier(&s);
    write_betas(&s);
    write_extras(&s);
    lose_settings(&s);
}
