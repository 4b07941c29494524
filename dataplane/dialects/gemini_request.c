/* A client's generateContent request read into the neutral form; see gemini_inside.h. What has no
 * place there becomes an extra, named by its path ("generationConfig.mediaResolution"). */
#include "dataplane/dialects/gemini_inside.h"

#include <stdio.h>

struct request_reader {
    struct arena *a;
    struct chat_request *q;
    size_t cap_tools, cap_extras;
    struct error *err;
};

static bool no_room(struct request_reader *r)
{
    return error_set(r->err, ERR_INTERNAL, "out of room for the request");
}

static bool wrong(struct request_reader *r, const char *param, const char *what)
{
    return error_set_param(r->err, ERR_INVALID_FIELD, param, "%s %s", param, what);
}

static bool extra(struct request_reader *r, const char *prefix, struct str name, struct str raw)
{
    struct str path = arena_printf(r->a, "%s%.*s", prefix, STR_ARG(name));
    return (path.ptr && extra_add(r->a, r->q, &r->cap_extras, path, raw)) || no_room(r);
}

/* The decoded name of a member that nobody wanted, its value as it is. */
static bool extra_member(struct request_reader *r, const char *prefix, struct json_value name,
                         struct json_value value)
{
    struct str text = read_text(r->a, name);
    if (value.type == JSON_NULL) {
        return true;
    }
    return text.ptr ? extra(r, prefix, text, value.raw) : no_room(r);
}

/* Every member that none of the wanted names takes. */
static bool rest_read(struct request_reader *r, const char *prefix, struct json_value object,
                      const struct json_member *wanted, size_t n)
{
    size_t pos = 0;
    struct json_value name, value;
    while (json_next(object, &pos, &name, &value)) {
        bool known = false;
        for (size_t i = 0; i < n && !known; i++) {
            known = gemini_name_is(name, wanted[i].name);
        }
        if (!known && !extra_member(r, prefix, name, value)) {
            return false;
        }
    }
    return true;
}

/* ---- tools ---- */

static bool function_read(struct request_reader *r, struct json_value v, const char *path)
{
    struct json_member m[] = {{.name = STR_LIT("name")},
                              {.name = STR_LIT("description")},
                              {.name = STR_LIT("parameters")},
                              {.name = STR_LIT("parametersJsonSchema")}};
    char param[80];
    struct tool *t = tool_add(r->a, &r->q->tools, &r->q->n_tools, &r->cap_tools);
    if (!t) {
        return no_room(r);
    }
    if (v.type != JSON_OBJECT || !gemini_members(v, m, 4)) {
        return wrong(r, path, "must be an object without doubles");
    }
    (void)snprintf(param, sizeof(param), "%s.name", path);
    t->strict = -1;
    t->name = read_member(r->a, &m[0]);
    t->description = read_member(r->a, &m[1]);
    if (!t->name.ptr || t->name.len == 0) {
        return wrong(r, param, "must be a string");
    }
    if (m[3].found) {
        t->parameters = m[3].value.raw;
    } else if (m[2].found) {
        t->parameters = gemini_schema_json(r->a, m[2].value.raw);
    }
    return true;
}

/* {"googleSearch":{}} as a tool of its own. */
static bool builtin_add(struct request_reader *r, struct json_value name, struct json_value value)
{
    struct tool *t = tool_add(r->a, &r->q->tools, &r->q->n_tools, &r->cap_tools);
    size_t len = name.raw.len + value.raw.len + 3;
    char *raw = t ? arena_alloc(r->a, len) : NULL;
    if (!raw) {
        return no_room(r);
    }
    raw[0] = '{';
    memcpy(raw + 1, name.raw.ptr, name.raw.len);
    raw[1 + name.raw.len] = ':';
    memcpy(raw + 2 + name.raw.len, value.raw.ptr, value.raw.len);
    raw[len - 1] = '}';
    t->builtin = true;
    t->family = FAMILY_GEMINI;
    t->strict = -1;
    t->name = read_text(r->a, name);
    t->raw = (struct str){raw, len};
    return t->name.ptr || no_room(r);
}

static bool tool_read(struct request_reader *r, struct json_value v, const char *path)
{
    size_t pos = 0, at, i;
    struct json_value name, value, one;
    char place[64];
    if (v.type != JSON_OBJECT) {
        return wrong(r, path, "must be an object");
    }
    while (json_next(v, &pos, &name, &value)) {
        if (value.type == JSON_NULL) {
            continue;
        }
        if (!gemini_name_is(name, STR_LIT("functionDeclarations"))) {
            if (!builtin_add(r, name, value)) {
                return false;
            }
            continue;
        }
        for (at = 0, i = 0; json_next(value, &at, NULL, &one); i++) {
            (void)snprintf(place, sizeof(place), "%s.functionDeclarations[%zu]", path, i);
            if (!function_read(r, one, place)) {
                return false;
            }
        }
    }
    return true;
}

static bool tools_read(struct request_reader *r, struct json_value v)
{
    size_t pos = 0, i = 0;
    struct json_value one;
    char path[64];
    if (v.type == JSON_OBJECT) {
        return tool_read(r, v, "tools");
    }
    if (v.type != JSON_ARRAY) {
        return wrong(r, "tools", "must be an array");
    }
    while (json_next(v, &pos, NULL, &one)) {
        (void)snprintf(path, sizeof(path), "tools[%zu]", i++);
        if (!tool_read(r, one, path)) {
            return false;
        }
    }
    return true;
}

static bool calling_read(struct request_reader *r, struct json_value v)
{
    static const char path[] = "toolConfig.functionCallingConfig.";
    struct json_member m[] = {{.name = STR_LIT("mode")}, {.name = STR_LIT("allowedFunctionNames")}};
    struct json_value first, second;
    size_t pos = 0;
    if (v.type != JSON_OBJECT || !gemini_members(v, m, 2)) {
        return wrong(r, "toolConfig.functionCallingConfig", "must be an object without doubles");
    }
    struct str mode = read_member(r->a, &m[0]);
    bool named = m[1].found && json_next(m[1].value, &pos, NULL, &first);
    bool one = named && !json_next(m[1].value, &pos, NULL, &second) && first.type == JSON_STRING;
    if (str_eq_nocase(mode, STR_LIT("NONE"))) {
        r->q->tool_choice = CHOICE_NONE;
        named = false;
    } else if (str_eq_nocase(mode, STR_LIT("ANY"))) {
        r->q->tool_choice = one ? CHOICE_NAMED : CHOICE_REQUIRED;
        r->q->tool_choice_name = one ? read_text(r->a, first) : STR_NONE;
        named = named && !one;
    } else if (str_eq_nocase(mode, STR_LIT("AUTO"))) {
        r->q->tool_choice = CHOICE_AUTO;
    } else if (m[0].found && !str_eqz(mode, "MODE_UNSPECIFIED")) {
        r->q->tool_choice = CHOICE_AUTO; /* VALIDATED, or newer */
        if (!extra(r, path, STR_LIT("mode"), m[0].value.raw)) {
            return false;
        }
    }
    if (named && !extra(r, path, STR_LIT("allowedFunctionNames"), m[1].value.raw)) {
        return false;
    }
    return rest_read(r, path, v, m, 2);
}

static bool tool_config_read(struct request_reader *r, struct json_value v)
{
    struct json_member m = {.name = STR_LIT("functionCallingConfig")};
    if (v.type != JSON_OBJECT || !gemini_members(v, &m, 1)) {
        return wrong(r, "toolConfig", "must be an object without doubles");
    }
    return (!m.found || calling_read(r, m.value)) && rest_read(r, "toolConfig.", v, &m, 1);
}

/* ---- generationConfig ---- */

enum {
    TEMPERATURE,
    TOP_P,
    TOP_K,
    MAX_TOKENS,
    STOP,
    CANDIDATES,
    PRESENCE,
    FREQUENCY,
    SEED,
    MIME,
    SCHEMA,
    JSON_SCHEMA,
    OLD_JSON_SCHEMA,
    WANT_LOGPROBS,
    LOGPROBS,
    MODALITIES,
    SPEECH,
    THINKING,
    CONFIG_MEMBERS
};

static bool stop_read(struct request_reader *r, struct json_value v)
{
    size_t pos = 0, n = 0;
    struct json_value one;
    if (v.type == JSON_STRING) {
        n = 1;
    } else if (v.type != JSON_ARRAY) {
        return wrong(r, "generationConfig.stopSequences", "must be an array of strings");
    }
    while (json_next(v, &pos, NULL, &one)) {
        n++;
    }
    struct str *list = arena_zalloc(r->a, (n + 1) * sizeof(*list));
    if (!list) {
        return no_room(r);
    }
    if (v.type == JSON_STRING) {
        list[0] = read_text(r->a, v);
    }
    n = v.type == JSON_STRING ? 1 : 0;
    pos = 0;
    while (json_next(v, &pos, NULL, &one)) {
        if (one.type != JSON_STRING) {
            return wrong(r, "generationConfig.stopSequences", "must be an array of strings");
        }
        list[n++] = read_text(r->a, one);
    }
    r->q->stop = list;
    r->q->n_stop = n;
    return true;
}

static bool format_read(struct request_reader *r, const struct json_member *m)
{
    struct chat_request *q = r->q;
    struct str mime = read_member(r->a, &m[MIME]);
    const struct json_member *json = m[JSON_SCHEMA].found ? &m[JSON_SCHEMA] : &m[OLD_JSON_SCHEMA];
    struct str schema = json->found       ? json->value.raw
                        : m[SCHEMA].found ? gemini_schema_json(r->a, m[SCHEMA].value.raw)
                                          : STR_NONE;
    if (mime.len == 0 || str_eq_nocase(mime, STR_LIT("application/json"))) {
        q->output = schema.ptr ? OUTPUT_SCHEMA : mime.len ? OUTPUT_JSON : OUTPUT_UNSET;
        q->schema = schema;
        return true;
    }
    if (str_eq_nocase(mime, STR_LIT("text/plain"))) {
        q->output = OUTPUT_TEXT;
        return true;
    }
    /* text/x.enum: one bare word, which no other dialect can promise */
    if (!extra(r, "generationConfig.", STR_LIT("responseMimeType"), m[MIME].value.raw)) {
        return false;
    }
    const struct json_member *as_sent = json->found ? json : &m[SCHEMA];
    return !as_sent->found || extra(r, "generationConfig.", as_sent->name, as_sent->value.raw);
}

static void modalities_read(struct request_reader *r, struct json_value v)
{
    size_t pos = 0;
    struct json_value one;
    r->q->modalities_given = v.type == JSON_ARRAY;
    while (json_next(v, &pos, NULL, &one)) {
        struct str word = read_text(r->a, one);
        if (str_eq_nocase(word, STR_LIT("IMAGE"))) {
            r->q->wants_image = true;
        } else if (str_eq_nocase(word, STR_LIT("AUDIO"))) {
            r->q->wants_audio = true;
        }
    }
}

/* The plain case, one prebuilt voice, is the neutral one; more goes along as it is. */
static bool speech_read(struct request_reader *r, struct json_value v)
{
    struct json_value voice, prebuilt, ignored;
    size_t pos = 0;
    if (gemini_get(v, "voiceConfig", &voice) &&
        gemini_get(voice, "prebuiltVoiceConfig", &prebuilt)) {
        r->q->audio_voice = gemini_get_text(r->a, prebuilt, "voiceName");
    }
    (void)json_next(v, &pos, NULL, &ignored);
    bool more = v.type == JSON_OBJECT && json_next(v, &pos, NULL, &ignored);
    return (r->q->audio_voice.ptr && !more) ||
           extra(r, "generationConfig.", STR_LIT("speechConfig"), v.raw);
}

static bool thinking_read(struct request_reader *r, struct json_value v)
{
    static const char path[] = "generationConfig.thinkingConfig.";
    struct reasoning *t = &r->q->reasoning;
    struct json_member m[] = {{.name = STR_LIT("includeThoughts")},
                              {.name = STR_LIT("thinkingBudget")},
                              {.name = STR_LIT("thinkingLevel")}};
    int64_t budget = 0;
    if (v.type != JSON_OBJECT || !gemini_members(v, m, 3)) {
        return wrong(r, "generationConfig.thinkingConfig", "must be an object without doubles");
    }
    if (!read_bool_member(&m[0], "generationConfig.thinkingConfig.includeThoughts", &t->include,
                          r->err)) {
        return false;
    }
    if (m[1].found) {
        if (!json_i64(m[1].value, &budget)) {
            return wrong(r, "generationConfig.thinkingConfig.thinkingBudget",
                         "must be a whole number");
        }
        if (budget < 0) {
            t->adaptive = true;
        } else {
            t->budget = budget;
            t->effort = budget == 0 ? EFFORT_NONE : EFFORT_UNSET;
        }
    }
    if (m[2].found) {
        t->effort = effort_of(read_member(r->a, &m[2]));
        if (t->effort == EFFORT_UNSET && !extra(r, path, m[2].name, m[2].value.raw)) {
            return false;
        }
    }
    return rest_read(r, path, v, m, 3);
}

static bool numbers_read(struct request_reader *r, const struct json_member *m)
{
    struct chat_request *q = r->q;
    uint64_t top = 0;
    const struct {
        int member;
        const char *param;
        struct str *ret;
    } texts[] = {
        {TEMPERATURE, "generationConfig.temperature", &q->temperature},
        {TOP_P, "generationConfig.topP", &q->top_p},
        {TOP_K, "generationConfig.topK", &q->top_k},
        {PRESENCE, "generationConfig.presencePenalty", &q->presence_penalty},
        {FREQUENCY, "generationConfig.frequencyPenalty", &q->frequency_penalty},
        {SEED, "generationConfig.seed", &q->seed},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!read_number_member(&m[texts[i].member], texts[i].param, texts[i].ret, r->err)) {
            return false;
        }
    }
    /* Google's topK is a float: others want the whole number that it is */
    struct error ignored = ERROR_INIT;
    uint64_t top_k = 0;
    if (q->top_k.ptr && read_u64_member(&m[TOP_K], "", &top_k, &ignored)) {
        struct str plain = arena_printf(r->a, "%llu", (unsigned long long)top_k);
        q->top_k = plain.ptr ? plain : q->top_k;
    }
    if (!read_u64_member(&m[MAX_TOKENS], "generationConfig.maxOutputTokens", &q->max_tokens,
                         r->err) ||
        !read_u64_member(&m[CANDIDATES], "generationConfig.candidateCount", &q->n, r->err) ||
        !read_bool_member(&m[WANT_LOGPROBS], "generationConfig.responseLogprobs", &q->logprobs,
                          r->err) ||
        !read_u64_member(&m[LOGPROBS], "generationConfig.logprobs", &top, r->err)) {
        return false;
    }
    if (m[LOGPROBS].found) {
        q->top_logprobs = top < 1000 ? (int64_t)top : 1000;
    }
    return true;
}

static bool config_read(struct request_reader *r, struct json_value v)
{
    struct json_member m[CONFIG_MEMBERS] = {
        [TEMPERATURE] = {.name = STR_LIT("temperature")},
        [TOP_P] = {.name = STR_LIT("topP")},
        [TOP_K] = {.name = STR_LIT("topK")},
        [MAX_TOKENS] = {.name = STR_LIT("maxOutputTokens")},
        [STOP] = {.name = STR_LIT("stopSequences")},
        [CANDIDATES] = {.name = STR_LIT("candidateCount")},
        [PRESENCE] = {.name = STR_LIT("presencePenalty")},
        [FREQUENCY] = {.name = STR_LIT("frequencyPenalty")},
        [SEED] = {.name = STR_LIT("seed")},
        [MIME] = {.name = STR_LIT("responseMimeType")},
        [SCHEMA] = {.name = STR_LIT("responseSchema")},
        [JSON_SCHEMA] = {.name = STR_LIT("responseJsonSchema")},
        [OLD_JSON_SCHEMA] = {.name = STR_LIT("_responseJsonSchema")},
        [WANT_LOGPROBS] = {.name = STR_LIT("responseLogprobs")},
        [LOGPROBS] = {.name = STR_LIT("logprobs")},
        [MODALITIES] = {.name = STR_LIT("responseModalities")},
        [SPEECH] = {.name = STR_LIT("speechConfig")},
        [THINKING] = {.name = STR_LIT("thinkingConfig")},
    };
    if (v.type != JSON_OBJECT || !gemini_members(v, m, CONFIG_MEMBERS)) {
        return wrong(r, "generationConfig", "must be an object without doubles");
    }
    if (m[MODALITIES].found) {
        modalities_read(r, m[MODALITIES].value);
    }
    return numbers_read(r, m) && (!m[STOP].found || stop_read(r, m[STOP].value)) &&
           format_read(r, m) && (!m[SPEECH].found || speech_read(r, m[SPEECH].value)) &&
           (!m[THINKING].found || thinking_read(r, m[THINKING].value)) &&
           rest_read(r, "generationConfig.", v, m, CONFIG_MEMBERS);
}

/* ---- the whole ---- */

enum { CONTENTS, SYSTEM, TOOLS, TOOL_CONFIG, CONFIG, SAFETY, CACHED, LABELS, MODEL, MEMBERS };

static bool system_read(struct request_reader *r, const struct json_member *m, size_t *cap)
{
    if (!m->found) {
        return true;
    }
    struct message *s = message_add(r->a, &r->q->messages, &r->q->n_messages, cap);
    if (!s) {
        return no_room(r);
    }
    s->role = ROLE_SYSTEM;
    return gemini_system_read(m->value, r->a, &s->parts, &s->n_parts, r->err);
}

/* The system message stands first, in one list with the contents. */
static bool messages_read(struct request_reader *r, const struct json_member *m)
{
    struct chat_request *q = r->q;
    size_t cap = 0;
    if (!m[CONTENTS].found) {
        return wrong(r, "contents", "must be given");
    }
    if (!gemini_contents_read(m[CONTENTS].value, r->a, q, r->err)) {
        return false;
    }
    r->cap_extras = q->n_extras; /* that reader may have added one */
    struct message *contents = q->messages;
    size_t n = q->n_messages;
    q->messages = NULL;
    q->n_messages = 0;
    if (!system_read(r, &m[SYSTEM], &cap)) {
        return false;
    }
    if (q->n_messages == 0 || q->messages[0].n_parts == 0) {
        q->messages = contents;
        q->n_messages = n;
        return true;
    }
    struct message *all = arena_alloc(r->a, (n + 1) * sizeof(*all));
    if (!all) {
        return no_room(r);
    }
    all[0] = q->messages[0];
    memcpy(all + 1, contents, n * sizeof(*all));
    q->messages = all;
    q->n_messages = n + 1;
    return true;
}

bool gemini_request_read(struct json_value v, struct str model, struct arena *a,
                         struct chat_request *ret, struct error *err)
{
    struct json_member m[MEMBERS] = {
        [CONTENTS] = {.name = STR_LIT("contents")},
        [SYSTEM] = {.name = STR_LIT("systemInstruction")},
        [TOOLS] = {.name = STR_LIT("tools")},
        [TOOL_CONFIG] = {.name = STR_LIT("toolConfig")},
        [CONFIG] = {.name = STR_LIT("generationConfig")},
        [SAFETY] = {.name = STR_LIT("safetySettings")},
        [CACHED] = {.name = STR_LIT("cachedContent")},
        [LABELS] = {.name = STR_LIT("labels")},
        [MODEL] = {.name = STR_LIT("model")},
    };
    struct chat_request q = {
        .family = FAMILY_GEMINI,
        .model = model,
        .stream_usage = true,
        .parallel_tool_calls = -1,
        .schema_strict = -1,
        .logprobs = -1,
        .top_logprobs = -1,
        .store = -1,
        .reasoning = {.budget = -1, .include = -1},
    };
    struct request_reader r = {.a = a, .q = &q, .err = err};
    if (v.type != JSON_OBJECT) {
        return error_set(err, ERR_INVALID_JSON, "body must be a JSON object");
    }
    if (!gemini_members(v, m, MEMBERS)) {
        return error_set(err, ERR_INVALID_JSON, "body names a member twice");
    }
    if (!q.model.ptr) {
        q.model = gemini_model_name(read_member(a, &m[MODEL]));
    }
    size_t pos = 0;
    struct json_value setting;
    if (m[SAFETY].found && json_next(m[SAFETY].value, &pos, NULL, &setting)) {
        q.safety = m[SAFETY].value.raw; /* an empty list asks for nothing */
    }
    q.metadata = read_raw(&m[LABELS]);
    if (!messages_read(&r, m) || (m[TOOLS].found && !tools_read(&r, m[TOOLS].value)) ||
        (m[TOOL_CONFIG].found && !tool_config_read(&r, m[TOOL_CONFIG].value)) ||
        (m[CONFIG].found && !config_read(&r, m[CONFIG].value)) ||
        !read_text_member(a, &m[CACHED], "cachedContent", &q.cached_content, err) ||
        !rest_read(&r, "", v, m, MEMBERS)) {
        return false;
    }
    *ret = q;
    return true;
}

bool gemini_decode_request(const struct wire_request *w, struct arena *a, struct chat_request *ret,
                           struct error *err)
{
    struct json_value v, inner;
    if (!json_validate(w->body, 0, &v, err)) {
        return false;
    }
    if (!gemini_get(v, "contents", &inner) && gemini_get(v, "generateContentRequest", &inner)) {
        v = inner; /* countTokens may wrap it */
    }
    if (!gemini_request_read(v, w->model, a, ret, err)) {
        return false;
    }
    ret->stream = w->stream;
    return true;
}
