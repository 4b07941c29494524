/* Tools and settings written for Gemini or Vertex; see gemini_inside.h. */
#include "dataplane/dialects/gemini_inside.h"

#define STOP_MAX 5 /* Google's limit */

/* Budgets that the thinking models of the second generation take; zero switches thinking off where
 * that is allowed. */
static const struct {
    const char *model;
    int64_t least, most;
    bool off;
} budgets[] = {
    {"gemini-2.5-pro", 128, 32768, false},
    {"gemini-2.5-flash-lite", 512, 24576, true},
    {"gemini-2.5-flash", 0, 24576, true},
};

/* ---- tools ---- */

static bool has_properties(struct str schema)
{
    struct json_value v, p, ignored;
    size_t pos = 0;
    return read_json(schema, &v) && read_get(v, "properties", &p) &&
           json_next(p, &pos, NULL, &ignored);
}

static void put_function(struct gemini_out *o, const struct tool *t)
{
    struct json_writer *w = &o->w;
    json_object_begin(w);
    json_field_str(w, "name", gemini_tool_name(o->a, o->q, t->name));
    if (t->description.ptr) {
        json_field_str(w, "description", t->description);
    }
    if (t->parameters.ptr) {
        struct str schema = schema_openapi(o->a, t->parameters);
        /* Gemini refuses an object without properties here; no parameters say the same */
        if (has_properties(schema)) {
            json_name(w, "parameters");
            json_put_raw(w, schema);
        }
    }
    json_object_end(w);
    if (t->strict == 1) {
        gemini_lose(o, FIELD_TOOL_STRICT);
    }
    if (t->cache != CACHE_NONE) {
        gemini_lose(o, FIELD_CACHE_CONTROL);
    }
}

static const struct extra *extra_find(const struct gemini_out *o, const char *name)
{
    for (size_t i = 0; o->own && i < o->q->n_extras; i++) {
        if (str_eqz(o->q->extras[i].name, name)) {
            return &o->q->extras[i];
        }
    }
    return NULL;
}

/* Extras whose name is the prefix and one more step. */
static void put_extras(struct gemini_out *o, const char *prefix, const char *const *but)
{
    struct str head = str_of(prefix);
    for (size_t i = 0; o->own && i < o->q->n_extras; i++) {
        const struct extra *e = &o->q->extras[i];
        struct str rest = str_slice(e->name, head.len, e->name.len);
        bool skip =
            !str_starts(e->name, head) || rest.len == 0 || memchr(rest.ptr, '.', rest.len) != NULL;
        for (size_t k = 0; but && but[k]; k++) {
            skip = skip || str_eqz(rest, but[k]);
        }
        char name[128];
        if (!skip && rest.len < sizeof(name)) {
            memcpy(name, rest.ptr, rest.len);
            name[rest.len] = '\0';
            json_name(&o->w, name);
            json_put_raw(&o->w, e->raw);
        }
    }
}

static void put_calling(struct gemini_out *o)
{
    static const char *const done[] = {"mode", "allowedFunctionNames", NULL};
    static const char *const modes[] = {
        [CHOICE_UNSET] = "AUTO",   [CHOICE_AUTO] = "AUTO", [CHOICE_NONE] = "NONE",
        [CHOICE_REQUIRED] = "ANY", [CHOICE_NAMED] = "ANY",
    };
    const struct extra *mode = extra_find(o, "toolConfig.functionCallingConfig.mode");
    const struct extra *names =
        extra_find(o, "toolConfig.functionCallingConfig.allowedFunctionNames");
    struct json_writer *w = &o->w;
    json_name(w, "functionCallingConfig");
    json_object_begin(w);
    json_name(w, "mode");
    if (mode) {
        json_put_raw(w, mode->raw);
    } else {
        json_put_z(w, modes[o->q->tool_choice]);
    }
    if (o->q->tool_choice == CHOICE_NAMED || names) {
        json_name(w, "allowedFunctionNames");
        if (names) {
            json_put_raw(w, names->raw);
        } else {
            json_array_begin(w);
            json_put_str(w, gemini_tool_name(o->a, o->q, o->q->tool_choice_name));
            json_array_end(w);
        }
    }
    put_extras(o, "toolConfig.functionCallingConfig.", done);
    json_object_end(w);
}

bool gemini_put_tools(struct gemini_out *o)
{
    const struct chat_request *q = o->q;
    struct json_writer *w = &o->w;
    size_t functions = 0, builtin = 0;
    for (size_t i = 0; i < q->n_tools; i++) {
        const struct tool *t = &q->tools[i];
        functions += t->builtin ? 0 : 1;
        builtin += t->builtin && t->family == FAMILY_GEMINI ? 1 : 0;
        if (t->builtin && t->family != FAMILY_GEMINI) {
            gemini_lose(o, FIELD_TOOLS);
        }
    }
    if (functions + builtin > 0) {
        json_name(w, "tools");
        json_array_begin(w);
        if (functions > 0) {
            json_object_begin(w);
            json_name(w, "functionDeclarations");
            json_array_begin(w);
            for (size_t i = 0; i < q->n_tools; i++) {
                if (!q->tools[i].builtin) {
                    put_function(o, &q->tools[i]);
                }
            }
            json_array_end(w);
            json_object_end(w);
        }
        for (size_t i = 0; i < q->n_tools; i++) {
            if (q->tools[i].builtin && q->tools[i].family == FAMILY_GEMINI) {
                json_put_raw(w, q->tools[i].raw);
            }
        }
        json_array_end(w);
    }
    bool more = false;
    for (size_t i = 0; o->own && i < q->n_extras; i++) {
        more = more || str_starts(q->extras[i].name, STR_LIT("toolConfig."));
    }
    if ((functions > 0 && q->tool_choice != CHOICE_UNSET) || more) {
        json_name(w, "toolConfig");
        json_object_begin(w);
        if (q->tool_choice != CHOICE_UNSET) {
            put_calling(o);
        }
        put_extras(o, "toolConfig.", NULL);
        json_object_end(w);
    }
    if (q->parallel_tool_calls == 0 && functions > 0) {
        gemini_lose(o, FIELD_PARALLEL_TOOL_CALLS);
    }
    return true;
}

/* ---- thinking ---- */

static bool is_flash(struct str model)
{
    struct str name = gemini_model_name(model);
    return name.len > 0 && memmem(name.ptr, name.len, "flash", 5) != NULL;
}

/* The third generation's words: low and high everywhere, minimal on Flash, medium all but the first
 * Pro. */
static const char *level_of(struct gemini_out *o, enum effort effort)
{
    struct str name = gemini_model_name(o->x->model);
    bool first_pro = str_starts(name, STR_LIT("gemini-3-pro"));
    switch (effort) {
    case EFFORT_NONE:
        if (!is_flash(name)) {
            gemini_lose(o, FIELD_REASONING); /* it cannot be switched off */
        }
        return is_flash(name) ? "minimal" : "low";
    case EFFORT_MINIMAL:
        return is_flash(name) ? "minimal" : "low";
    case EFFORT_LOW:
        return "low";
    case EFFORT_MEDIUM:
        return first_pro ? "high" : "medium";
    default:
        return "high";
    }
}

static int64_t budget_of(struct gemini_out *o, int64_t budget)
{
    struct str name = gemini_model_name(o->x->model);
    for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
        if (!str_starts(name, str_of(budgets[i].model))) {
            continue;
        }
        if (budget == 0 && budgets[i].off) {
            return 0;
        }
        if (budget == 0) {
            gemini_lose(o, FIELD_REASONING);
        }
        return budget < budgets[i].least  ? budgets[i].least
               : budget > budgets[i].most ? budgets[i].most
                                          : budget;
    }
    return budget;
}

static bool thoughts_wanted(const struct gemini_out *o, bool thinks)
{
    const struct reasoning *t = &o->q->reasoning;
    if (t->include >= 0) {
        return t->include == 1;
    }
    return thinks && !o->own && (o->q->family != FAMILY_RESPONSES || t->summary.ptr);
}

static bool cannot_think(struct str model)
{
    struct str name = gemini_model_name(model);
    unsigned n = gemini_generation(name);
    bool draws_or_speaks = n == 2 && (memmem(name.ptr, name.len, "-image", 6) != NULL ||
                                      memmem(name.ptr, name.len, "-tts", 4) != NULL);
    return n == 1 || draws_or_speaks || str_starts(name, STR_LIT("gemini-2.0"));
}

static void put_thinking(struct gemini_out *o)
{
    static const char prefix[] = "generationConfig.thinkingConfig.";
    const struct reasoning *t = &o->q->reasoning;
    struct json_writer *w = &o->w;
    bool off = t->effort == EFFORT_NONE || t->budget == 0;
    bool thinks = !off && (t->effort != EFFORT_UNSET || t->budget > 0 || t->adaptive);
    bool more = false;
    for (size_t i = 0; o->own && i < o->q->n_extras; i++) {
        more = more || str_starts(o->q->extras[i].name, str_of(prefix));
    }
    if (cannot_think(o->x->model)) {
        if (thinks) {
            gemini_lose(o, FIELD_REASONING);
        }
        return;
    }
    if (!off && !thinks && t->include < 0 && !more) {
        return;
    }
    bool level = gemini_generation(o->x->model) >= 3;
    json_name(w, "thinkingConfig");
    json_object_begin(w);
    if (thoughts_wanted(o, thinks)) {
        json_field_bool(w, "includeThoughts", true);
    } else if (t->include == 0) {
        json_field_bool(w, "includeThoughts", false);
    }
    if (t->budget > 0) {
        json_field_i64(w, "thinkingBudget", budget_of(o, t->budget));
    } else if (off || t->effort != EFFORT_UNSET) {
        enum effort effort = off ? EFFORT_NONE : t->effort;
        if (level) {
            json_field_z(w, "thinkingLevel", level_of(o, effort));
        } else {
            json_field_i64(w, "thinkingBudget", budget_of(o, effort_budget(effort)));
        }
    } else if (t->adaptive && !level) {
        json_field_i64(w, "thinkingBudget", -1);
    }
    put_extras(o, prefix, NULL);
    json_object_end(w);
}

/* ---- generationConfig ---- */

static void put_number(struct gemini_out *o, const char *name, struct str number)
{
    if (number.ptr) {
        json_name(&o->w, name);
        json_put_raw(&o->w, number);
    }
}

static void put_stop(struct gemini_out *o)
{
    const struct chat_request *q = o->q;
    if (q->n_stop == 0) {
        return;
    }
    json_name(&o->w, "stopSequences");
    json_array_begin(&o->w);
    for (size_t i = 0; i < q->n_stop && i < STOP_MAX; i++) {
        json_put_str(&o->w, q->stop[i]);
    }
    json_array_end(&o->w);
    if (q->n_stop > STOP_MAX) {
        gemini_lose(o, FIELD_STOP);
    }
}

static void put_format(struct gemini_out *o)
{
    struct json_writer *w = &o->w;
    switch (o->q->output) {
    case OUTPUT_JSON:
        json_field_z(w, "responseMimeType", "application/json");
        break;
    case OUTPUT_SCHEMA:
        json_field_z(w, "responseMimeType", "application/json");
        if (o->q->schema.ptr) {
            struct str schema = schema_openapi(o->a, o->q->schema);
            if (schema.ptr) {
                json_name(w, "responseSchema");
                json_put_raw(w, schema);
            }
        }
        break;
    case OUTPUT_TEXT:
        if (o->own) {
            json_field_z(w, "responseMimeType", "text/plain");
        }
        break;
    case OUTPUT_UNSET:
        break;
    }
}

static void put_voice(struct gemini_out *o)
{
    struct json_writer *w = &o->w;
    if (!o->q->audio_voice.ptr || extra_find(o, "generationConfig.speechConfig")) {
        return;
    }
    json_name(w, "speechConfig");
    json_object_begin(w);
    json_name(w, "voiceConfig");
    json_object_begin(w);
    json_name(w, "prebuiltVoiceConfig");
    json_object_begin(w);
    json_field_str(w, "voiceName", o->q->audio_voice);
    json_object_end(w);
    json_object_end(w);
    json_object_end(w);
}

static void put_modalities(struct gemini_out *o)
{
    const struct chat_request *q = o->q;
    struct json_writer *w = &o->w;
    if (q->wants_audio || q->wants_image || (q->modalities_given && o->own)) {
        json_name(w, "responseModalities");
        json_array_begin(w);
        if (q->wants_audio) {
            json_put_z(w, "AUDIO"); /* Gemini speaks or writes, never both */
        } else {
            json_put_z(w, "TEXT");
        }
        if (q->wants_image) {
            json_put_z(w, "IMAGE");
        }
        json_array_end(w);
    }
    if (o->own) {
        put_voice(o);
    } else if (q->audio_voice.ptr || q->audio_format.ptr) {
        gemini_lose(o, FIELD_AUDIO); /* other voices, and linear PCM whatever was asked for */
    }
}

static void put_generation(struct gemini_out *o)
{
    const struct chat_request *q = o->q;
    struct json_writer *w = &o->w;
    put_number(o, "temperature", q->temperature);
    put_number(o, "topP", q->top_p);
    put_number(o, "topK", q->top_k);
    if (q->max_tokens > 0) {
        json_field_u64(w, "maxOutputTokens", q->max_tokens);
    }
    put_stop(o);
    if (q->n > 1) {
        json_field_u64(w, "candidateCount", q->n);
    }
    put_number(o, "presencePenalty", q->presence_penalty);
    put_number(o, "frequencyPenalty", q->frequency_penalty);
    put_number(o, "seed", q->seed);
    put_format(o);
    if (q->logprobs >= 0) {
        json_field_bool(w, "responseLogprobs", q->logprobs == 1);
    }
    if (q->top_logprobs > 0) {
        json_field_i64(w, "logprobs", q->top_logprobs);
    }
    put_modalities(o);
    put_thinking(o);
    put_extras(o, "generationConfig.", NULL);
}

/* The object only where it holds something. */
static void put_generation_config(struct gemini_out *o)
{
    struct buffer *out = o->w.out;
    size_t before = out->len;
    struct json_writer saved = o->w;
    json_name(&o->w, "generationConfig");
    json_object_begin(&o->w);
    size_t begun = out->len;
    put_generation(o);
    if (out->len == begun && !out->failed) {
        out->len = before;
        o->w = saved;
    } else {
        json_object_end(&o->w);
    }
}

/* ---- the rest ---- */

static void name_losses(struct gemini_out *o)
{
    const struct chat_request *q = o->q;
    const struct {
        bool asked;
        enum chat_field field;
    } list[] = {
        {q->min_p.ptr != NULL, FIELD_MIN_P},
        {q->repetition_penalty.ptr != NULL, FIELD_REPETITION_PENALTY},
        {q->logit_bias.ptr != NULL, FIELD_LOGIT_BIAS},
        {q->user.len > 0, FIELD_USER},
        {q->store == 1, FIELD_STORE},
        {q->service_tier.ptr && !str_eqz(q->service_tier, "auto") &&
             !str_eqz(q->service_tier, "default"),
         FIELD_SERVICE_TIER},
        {q->verbosity.ptr != NULL, FIELD_VERBOSITY},
        {q->prediction.ptr != NULL, FIELD_PREDICTION},
        {q->web_search.ptr != NULL, FIELD_WEB_SEARCH},
        {q->safety.ptr && !o->own, FIELD_SAFETY},
        {q->cached_content.ptr && !o->own, FIELD_CACHED_CONTENT},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        if (list[i].asked) {
            gemini_lose(o, list[i].field);
        }
    }
    for (size_t i = 0; !o->own && o->x->losses && i < q->n_extras; i++) {
        losses_add_name(o->x->losses, q->extras[i].name);
    }
}

bool gemini_put_config(struct gemini_out *o)
{
    const struct chat_request *q = o->q;
    (void)gemini_put_tools(o);
    put_generation_config(o);
    if (o->own && q->safety.ptr) {
        json_name(&o->w, "safetySettings");
        json_put_raw(&o->w, q->safety);
    }
    if (o->own && q->cached_content.ptr) {
        json_field_str(&o->w, "cachedContent", q->cached_content);
    }
    if (q->metadata.ptr) {
        if (o->own && !str_eqz(o->x->provider_kind, "gemini")) {
            json_name(&o->w, "labels"); /* Vertex's only */
            json_put_raw(&o->w, q->metadata);
        } else {
            gemini_lose(o, FIELD_METADATA);
        }
    }
    put_extras(o, "", NULL);
    name_losses(o);
    return true;
}

bool gemini_encode_request(const struct chat_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err)
{
    struct gemini_out o = {.q = q, .x = x, .a = a, .err = err, .own = q->family == FAMILY_GEMINI};
    json_writer_init(&o.w, out);
    json_object_begin(&o.w);
    if (!gemini_put_contents(&o) || !gemini_put_config(&o)) {
        return false;
    }
    json_object_end(&o.w);
    return !out->failed || error_set(err, ERR_INTERNAL, "out of room for the provider's request");
}
