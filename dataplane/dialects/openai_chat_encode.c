/* A provider's chat completions request: what stands beside the messages (those are in
 * openai_chat_messages.c). */
#include "dataplane/dialects/openai_chat_encode.h"

#include "dataplane/dialects/openai_chat_codec.h"
#include "dataplane/dialects/openai_target.h"

static void put_number(struct json_writer *w, const char *name, struct str raw)
{
    if (raw.ptr) {
        json_name(w, name);
        json_put_raw(w, raw);
    }
}

static void put_text(struct json_writer *w, const char *name, struct str text)
{
    if (text.ptr) {
        json_field_str(w, name, text);
    }
}

static bool put_tool(struct openai_chat_writer *c, const struct tool *t)
{
    struct json_writer *w = &c->w;
    if (t->builtin) {
        openai_lose_if(t->family != FAMILY_CHAT, c->q, c->x, FIELD_TOOLS);
        if (t->family == FAMILY_CHAT) {
            json_put_raw(w, t->raw);
        }
        return t->family == FAMILY_CHAT;
    }
    json_object_begin(w);
    json_field_z(w, "type", "function");
    json_name(w, "function");
    json_object_begin(w);
    json_field_str(w, "name", openai_tool_name(c->a, c->q, FAMILY_CHAT, t->name));
    put_text(w, "description", t->description);
    put_number(w, "parameters", t->parameters);
    if (t->strict >= 0) {
        json_field_bool(w, "strict", t->strict == 1);
    }
    json_object_end(w);
    openai_chat_put_cache(c, t->cache);
    json_object_end(w);
    return true;
}

/* Whether any tool can be told. */
static bool has_tools(const struct openai_chat_writer *c)
{
    for (size_t i = 0; i < c->q->n_tools; i++) {
        if (!c->q->tools[i].builtin || c->q->tools[i].family == FAMILY_CHAT) {
            return true;
        }
    }
    return false;
}

static void put_choice(struct openai_chat_writer *c)
{
    struct json_writer *w = &c->w;
    const struct chat_request *q = c->q;
    switch (q->tool_choice) {
    case CHOICE_AUTO:
        json_field_z(w, "tool_choice", "auto");
        break;
    case CHOICE_NONE:
        json_field_z(w, "tool_choice", "none");
        break;
    case CHOICE_REQUIRED:
        json_field_z(w, "tool_choice", c->x->quirks & QUIRK_TOOL_CHOICE_ANY ? "any" : "required");
        break;
    case CHOICE_NAMED:
        json_name(w, "tool_choice");
        json_object_begin(w);
        json_field_z(w, "type", "function");
        json_name(w, "function");
        json_object_begin(w);
        json_field_str(w, "name", openai_tool_name(c->a, q, FAMILY_CHAT, q->tool_choice_name));
        json_object_end(w);
        json_object_end(w);
        break;
    case CHOICE_UNSET:
        break;
    }
}

static void put_tools(struct openai_chat_writer *c)
{
    const struct chat_request *q = c->q;
    bool any = has_tools(c);
    if (any) {
        json_name(&c->w, "tools");
        json_array_begin(&c->w);
    }
    for (size_t i = 0; i < q->n_tools; i++) {
        (void)put_tool(c, &q->tools[i]);
    }
    if (!any) {
        /* without tools there is nothing to choose: only a demand is lost */
        openai_lose_if(q->tool_choice == CHOICE_REQUIRED || q->tool_choice == CHOICE_NAMED, q, c->x,
                       FIELD_TOOL_CHOICE);
        return;
    }
    json_array_end(&c->w);
    put_choice(c);
    if (q->parallel_tool_calls >= 0) {
        json_field_bool(&c->w, "parallel_tool_calls", q->parallel_tool_calls == 1);
    }
}

static void put_format(struct openai_chat_writer *c)
{
    struct json_writer *w = &c->w;
    const struct chat_request *q = c->q;
    bool schema = q->output == OUTPUT_SCHEMA && !(c->x->quirks & QUIRK_NO_JSON_SCHEMA);
    if (q->output == OUTPUT_UNSET) {
        return;
    }
    openai_lose_if(q->output == OUTPUT_SCHEMA && !schema, q, c->x, FIELD_RESPONSE_FORMAT);
    json_name(w, "response_format");
    json_object_begin(w);
    json_field_z(w, "type",
                 q->output == OUTPUT_TEXT ? "text"
                 : schema                 ? "json_schema"
                                          : "json_object");
    if (schema) {
        json_name(w, "json_schema");
        json_object_begin(w);
        json_field_str(w, "name", q->schema_name.len ? q->schema_name : STR_LIT("response"));
        put_text(w, "description", q->schema_description);
        json_name(w, "schema");
        json_put_raw(w, q->schema.ptr ? q->schema : STR_LIT("{}"));
        if (q->schema_strict >= 0) {
            json_field_bool(w, "strict", q->schema_strict == 1);
        }
        json_object_end(w);
    }
    json_object_end(w);
}

static void put_thinking_switch(struct openai_chat_writer *c, enum effort e)
{
    json_name(&c->w, "thinking");
    json_object_begin(&c->w);
    json_field_z(&c->w, "type", e == EFFORT_NONE ? "disabled" : "enabled");
    json_object_end(&c->w);
}

/* OpenRouter's own object says more than a word. */
static void put_router_reasoning(struct openai_chat_writer *c, const struct reasoning *r,
                                 const char *word)
{
    json_name(&c->w, "reasoning");
    json_object_begin(&c->w);
    if (r->budget > 0 && r->effort == EFFORT_UNSET) {
        json_field_i64(&c->w, "max_tokens", r->budget);
    } else if (r->effort == EFFORT_NONE) {
        json_field_bool(&c->w, "enabled", false);
    } else if (word) {
        json_field_z(&c->w, "effort", word);
    } else {
        json_field_bool(&c->w, "enabled", true);
    }
    if (r->include >= 0) {
        json_field_bool(&c->w, "exclude", r->include == 0);
    }
    json_object_end(&c->w);
}

static void put_reasoning(struct openai_chat_writer *c)
{
    const struct reasoning *r = &c->q->reasoning;
    bool lost = false;
    const char *word = openai_target_effort(c->x, r, &lost);
    openai_lose_if(lost, c->q, c->x, FIELD_REASONING);
    if (!word && !r->adaptive) {
        return;
    }
    enum effort e = word ? effort_of(str_of(word)) : EFFORT_UNSET;
    if (openai_target_is(c->x, "openrouter")) {
        put_router_reasoning(c, r, word);
    } else if (openai_target_is(c->x, "deepseek zai zai-coding zhipu zhipu-coding moonshot "
                                      "moonshot-cn volcengine byteplus")) {
        put_thinking_switch(c, e);
    } else if (openai_target_is(c->x, "dashscope dashscope-cn dashscope-coding")) {
        json_field_bool(&c->w, "enable_thinking", e != EFFORT_NONE);
        if (r->budget > 0) {
            json_field_i64(&c->w, "thinking_budget", r->budget);
        }
    } else if (word) {
        json_field_z(&c->w, "reasoning_effort", word);
    }
}

static void put_sampling(struct openai_chat_writer *c)
{
    struct json_writer *w = &c->w;
    const struct chat_request *q = c->q;
    bool samples = openai_target_samples(c->x);
    const struct {
        const char *name;
        struct str number;
        const char *otherwise;
        enum chat_field field;
    } plain[] = {
        {"temperature", q->temperature, "1", FIELD_TEMPERATURE},
        {"top_p", q->top_p, "1", FIELD_TOP_P},
        {"frequency_penalty", q->frequency_penalty, "0", FIELD_FREQUENCY_PENALTY},
        {"presence_penalty", q->presence_penalty, "0", FIELD_PRESENCE_PENALTY},
    };
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        put_number(w, plain[i].name,
                   openai_sampling(q, c->x, plain[i].number, plain[i].otherwise, plain[i].field));
    }
    put_number(w, "seed", q->seed);
    if (samples) {
        put_number(w, "top_k", q->top_k);
        put_number(w, "min_p", q->min_p);
        put_number(w, "repetition_penalty", q->repetition_penalty);
    } else {
        openai_lose_if(q->top_k.ptr != NULL, q, c->x, FIELD_TOP_K);
        openai_lose_if(q->min_p.ptr != NULL, q, c->x, FIELD_MIN_P);
        openai_lose_if(q->repetition_penalty.ptr != NULL, q, c->x, FIELD_REPETITION_PENALTY);
    }
    if (q->max_tokens) {
        json_field_u64(w,
                       openai_target_max_completion(c->x) ? "max_completion_tokens" : "max_tokens",
                       q->max_tokens);
    }
    if (q->n) {
        json_field_u64(w, "n", q->n);
    }
    if (openai_target_fixed_sampling(c->x, &q->reasoning)) {
        openai_lose_if(q->logprobs == 1, q, c->x, FIELD_LOGPROBS);
        openai_lose_if(q->logit_bias.ptr && q->logit_bias.len > 2, q, c->x, FIELD_LOGIT_BIAS);
        return;
    }
    if (q->logprobs >= 0) {
        json_field_bool(w, "logprobs", q->logprobs == 1);
    }
    if (q->top_logprobs >= 0 && q->logprobs == 1) { /* refused without the other */
        json_field_i64(w, "top_logprobs", q->top_logprobs);
    }
    put_number(w, "logit_bias", q->logit_bias);
}

#define OPENAI_MAX_STOP 4

static void put_stop(struct openai_chat_writer *c)
{
    const struct chat_request *q = c->q;
    size_t n = q->n_stop;
    if (n && openai_target_fixed_sampling(c->x, &q->reasoning)) {
        openai_lose(q, c->x, FIELD_STOP);
        n = 0;
    }
    if (openai_target_is_openai(c->x) && n > OPENAI_MAX_STOP) {
        openai_lose(q, c->x, FIELD_STOP);
        n = OPENAI_MAX_STOP;
    }
    if (n == 0) {
        return;
    }
    json_name(&c->w, "stop");
    json_array_begin(&c->w);
    for (size_t i = 0; i < n; i++) {
        json_put_str(&c->w, q->stop[i]);
    }
    json_array_end(&c->w);
}

static void put_modalities(struct openai_chat_writer *c)
{
    const struct chat_request *q = c->q;
    struct json_writer *w = &c->w;
    bool image = q->wants_image && !openai_target_is_openai(c->x);
    openai_lose_if(q->wants_image && !image, q, c->x, FIELD_MODALITIES);
    if (image || q->wants_audio) {
        json_name(w, "modalities");
        json_array_begin(w);
        json_put_z(w, "text");
        if (image) {
            json_put_z(w, "image");
        }
        if (q->wants_audio) {
            json_put_z(w, "audio");
        }
        json_array_end(w);
    }
    if (q->wants_audio || q->audio_voice.ptr) {
        json_name(w, "audio");
        json_object_begin(w);
        json_field_str(w, "voice", q->audio_voice.len ? q->audio_voice : STR_LIT("alloy"));
        json_field_str(w, "format",
                       q->audio_format.len ? q->audio_format
                       : q->stream         ? STR_LIT("pcm16")
                                           : STR_LIT("wav"));
        json_object_end(w);
    }
}

static void put_account(struct openai_chat_writer *c)
{
    const struct chat_request *q = c->q;
    struct json_writer *w = &c->w;
    bool openai = openai_target_is_openai(c->x);
    put_text(w, "user", openai_user(q, c->x));
    put_number(w, "metadata", q->metadata);
    if (openai && q->store >= 0) {
        json_field_bool(w, "store", q->store == 1);
    }
    openai_lose_if(!openai && q->store == 1, q, c->x, FIELD_STORE);
    if (q->service_tier.len) {
        struct str tier = openai_service_tier(q->service_tier);
        put_text(w, "service_tier", q->family == FAMILY_CHAT ? q->service_tier : tier);
        openai_lose_if(!tier.ptr && q->family != FAMILY_CHAT, q, c->x, FIELD_SERVICE_TIER);
    }
    if (q->verbosity.len) {
        bool known = openai || q->family == FAMILY_CHAT || openai_target_is(c->x, "openrouter");
        put_text(w, "verbosity", known ? q->verbosity : STR_NONE);
        openai_lose_if(!known, q, c->x, FIELD_VERBOSITY);
    }
}

static void put_own(struct openai_chat_writer *c)
{
    const struct chat_request *q = c->q;
    bool own = q->family == FAMILY_CHAT;
    if (own) {
        put_number(&c->w, "prediction", q->prediction);
        put_number(&c->w, "web_search_options", q->web_search);
    }
    openai_lose_if(!own && q->prediction.ptr, q, c->x, FIELD_PREDICTION);
    openai_lose_if(!own && q->web_search.ptr, q, c->x, FIELD_WEB_SEARCH);
    openai_lose_if(q->safety.ptr != NULL, q, c->x, FIELD_SAFETY);
    openai_lose_if(q->cached_content.ptr != NULL, q, c->x, FIELD_CACHED_CONTENT);
    openai_put_extras(&c->w, q, c->x, FAMILY_CHAT);
}

void openai_put_extras(struct json_writer *w, const struct chat_request *q,
                       const struct exchange_context *x, enum family own)
{
    bool kin = q->family == FAMILY_CHAT || q->family == FAMILY_RESPONSES;
    for (size_t i = 0; i < q->n_extras; i++) {
        const struct extra *e = &q->extras[i];
        char name[128];
        bool mine = q->family == own || (kin && openai_extra_is_shared(e->name));
        if (mine && e->name.len < sizeof(name) && !memchr(e->name.ptr, '\0', e->name.len)) {
            memcpy(name, e->name.ptr, e->name.len);
            name[e->name.len] = '\0';
            json_name(w, name);
            json_put_raw(w, e->raw);
        } else if (x->losses) {
            losses_add_name(x->losses, e->name);
        }
    }
}

bool openai_chat_encode_request(const struct chat_request *q, const struct exchange_context *x,
                                struct arena *a, struct buffer *out, struct error *err)
{
    struct openai_chat_writer c = {.q = q, .x = x, .a = a, .err = err};
    json_writer_init(&c.w, out);
    json_object_begin(&c.w);
    json_field_str(&c.w, "model", x->model);
    if (!openai_chat_put_messages(&c)) {
        return false;
    }
    put_tools(&c);
    put_format(&c);
    put_sampling(&c);
    put_stop(&c);
    put_reasoning(&c);
    put_modalities(&c);
    put_account(&c);
    put_own(&c);
    if (q->stream) {
        json_field_bool(&c.w, "stream", true);
        if (!(x->quirks & QUIRK_NO_STREAM_OPTIONS)) {
            json_name(&c.w, "stream_options");
            json_object_begin(&c.w);
            json_field_bool(&c.w, "include_usage", true);
            json_object_end(&c.w);
        }
    }
    json_object_end(&c.w);
    return !out->failed || error_set(err, ERR_INTERNAL, "out of room for the request");
}
