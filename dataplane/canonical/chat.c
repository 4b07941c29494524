/* Names, losses and growing lists of the neutral form; see chat.h. */
#include "dataplane/canonical/chat.h"

#include <assert.h>

static const char *const family_names[] = {"none",   "chat",     "responses", "messages",
                                           "gemini", "converse", "cohere",    "ollama"};
_Static_assert(sizeof(family_names) / sizeof(family_names[0]) == FAMILY_COUNT, "a name each");

static const char *const effort_names[] = {"",       "none", "minimal", "low",
                                           "medium", "high", "xhigh",   "max"};
_Static_assert(sizeof(effort_names) / sizeof(effort_names[0]) == EFFORT_COUNT, "a name each");

static const int64_t effort_budgets[EFFORT_COUNT] = {
    [EFFORT_UNSET] = -1,    [EFFORT_NONE] = 0,     [EFFORT_MINIMAL] = 1024, [EFFORT_LOW] = 1024,
    [EFFORT_MEDIUM] = 4096, [EFFORT_HIGH] = 16384, [EFFORT_XHIGH] = 24576,  [EFFORT_MAX] = 32768,
};

const char *family_name(enum family f)
{
    return (unsigned)f < FAMILY_COUNT ? family_names[f] : "";
}

const char *effort_name(enum effort e)
{
    return (unsigned)e < EFFORT_COUNT ? effort_names[e] : "";
}

enum effort effort_of(struct str name)
{
    for (unsigned i = EFFORT_NONE; i < EFFORT_COUNT; i++) {
        if (str_eq_nocase(name, str_of(effort_names[i]))) {
            return (enum effort)i;
        }
    }
    return EFFORT_UNSET;
}

int64_t effort_budget(enum effort e)
{
    return (unsigned)e < EFFORT_COUNT ? effort_budgets[e] : -1;
}

enum effort effort_of_budget(int64_t budget)
{
    if (budget < 0) {
        return EFFORT_UNSET;
    }
    if (budget == 0) {
        return EFFORT_NONE;
    }
    for (unsigned i = EFFORT_LOW; i < EFFORT_COUNT; i++) {
        if (budget <= effort_budgets[i]) {
            return (enum effort)i;
        }
    }
    return EFFORT_MAX;
}

/* The general name, then what a family calls it instead. */
struct field_row {
    enum chat_field field;
    const char *name;                                     /* chat completions' name */
    const char *responses, *messages, *gemini, *converse; /* NULL: the same */
};

static const struct field_row rows[] = {
    {FIELD_TEMPERATURE, "temperature", NULL, NULL, "generationConfig.temperature",
     "inferenceConfig.temperature"},
    {FIELD_TOP_P, "top_p", NULL, NULL, "generationConfig.topP", "inferenceConfig.topP"},
    {FIELD_TOP_K, "top_k", NULL, NULL, "generationConfig.topK",
     "additionalModelRequestFields.top_k"},
    {FIELD_MIN_P, "min_p", NULL, NULL, NULL, NULL},
    {FIELD_FREQUENCY_PENALTY, "frequency_penalty", NULL, NULL, "generationConfig.frequencyPenalty",
     NULL},
    {FIELD_PRESENCE_PENALTY, "presence_penalty", NULL, NULL, "generationConfig.presencePenalty",
     NULL},
    {FIELD_REPETITION_PENALTY, "repetition_penalty", NULL, NULL, NULL, NULL},
    {FIELD_SEED, "seed", NULL, NULL, "generationConfig.seed", NULL},
    {FIELD_STOP, "stop", NULL, "stop_sequences", "generationConfig.stopSequences",
     "inferenceConfig.stopSequences"},
    {FIELD_N, "n", NULL, NULL, "generationConfig.candidateCount", NULL},
    {FIELD_LOGPROBS, "logprobs", NULL, NULL, "generationConfig.responseLogprobs", NULL},
    {FIELD_TOP_LOGPROBS, "top_logprobs", NULL, NULL, "generationConfig.logprobs", NULL},
    {FIELD_LOGIT_BIAS, "logit_bias", NULL, NULL, NULL, NULL},
    {FIELD_MAX_TOKENS, "max_tokens", "max_output_tokens", NULL, "generationConfig.maxOutputTokens",
     "inferenceConfig.maxTokens"},
    {FIELD_USER, "user", NULL, "metadata.user_id", NULL, NULL},
    {FIELD_METADATA, "metadata", NULL, NULL, "labels", "requestMetadata"},
    {FIELD_STORE, "store", NULL, NULL, NULL, NULL},
    {FIELD_SERVICE_TIER, "service_tier", NULL, NULL, NULL, "serviceTier"},
    {FIELD_PARALLEL_TOOL_CALLS, "parallel_tool_calls", NULL,
     "tool_choice.disable_parallel_tool_use", NULL, NULL},
    {FIELD_TOOLS, "tools", NULL, NULL, NULL, "toolConfig.tools"},
    {FIELD_TOOL_CHOICE, "tool_choice", NULL, NULL, "toolConfig.functionCallingConfig",
     "toolConfig.toolChoice"},
    {FIELD_TOOL_STRICT, "tools.strict", NULL, NULL, NULL, NULL},
    {FIELD_RESPONSE_FORMAT, "response_format", "text.format", "output_config.format",
     "generationConfig.responseSchema", "outputConfig"},
    {FIELD_REASONING, "reasoning_effort", "reasoning", "thinking",
     "generationConfig.thinkingConfig", "additionalModelRequestFields.thinking"},
    {FIELD_THINKING, "messages.thinking_blocks", "input.reasoning", "messages.content.thinking",
     "contents.parts.thoughtSignature", "messages.content.reasoningContent"},
    {FIELD_MODALITIES, "modalities", NULL, NULL, "generationConfig.responseModalities", NULL},
    {FIELD_AUDIO, "audio", NULL, NULL, "generationConfig.speechConfig", NULL},
    {FIELD_IMAGE, "image", NULL, NULL, NULL, NULL},
    {FIELD_VIDEO, "video", NULL, NULL, NULL, NULL},
    {FIELD_DOCUMENT, "file", NULL, "document", NULL, "document"},
    {FIELD_CONTENT, "content", NULL, NULL, "parts", NULL},
    {FIELD_CACHE_CONTROL, "cache_control", NULL, NULL, NULL, "cachePoint"},
    {FIELD_CITATIONS, "citations", NULL, NULL, NULL, NULL},
    {FIELD_PREDICTION, "prediction", NULL, NULL, NULL, NULL},
    {FIELD_VERBOSITY, "verbosity", "text.verbosity", NULL, NULL, NULL},
    {FIELD_WEB_SEARCH, "web_search_options", NULL, NULL, NULL, NULL},
    {FIELD_SAFETY, "safety", NULL, NULL, "safetySettings", "guardrailConfig"},
    {FIELD_NAME, "messages.name", NULL, NULL, NULL, NULL},
    {FIELD_CACHED_CONTENT, "cached_content", NULL, NULL, "cachedContent", NULL},
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == FIELD_COUNT, "a row each");
_Static_assert(FIELD_COUNT <= 64, "losses.seen has a bit each");

const char *chat_field_name(enum family f, enum chat_field field)
{
    if ((unsigned)field >= FIELD_COUNT) {
        return "";
    }
    const struct field_row *row = &rows[field];
    const char *own = NULL;
    assert(row->field == field);
    switch (f) {
    case FAMILY_RESPONSES:
        own = row->responses;
        break;
    case FAMILY_MESSAGES:
        own = row->messages;
        break;
    case FAMILY_GEMINI:
        own = row->gemini;
        break;
    case FAMILY_CONVERSE:
        own = row->converse;
        break;
    default:
        break;
    }
    return own ? own : row->name;
}

/* ---- losses ---- */

void losses_add_name(struct losses *l, struct str name)
{
    if (!l || name.len == 0) {
        return;
    }
    for (unsigned i = 0; i < l->n; i++) {
        if (str_eq(l->names[i], name)) {
            return;
        }
    }
    if (l->n == LOSSES_MAX) {
        l->names[LOSSES_MAX - 1] = STR_LIT("...");
        return;
    }
    l->names[l->n++] = name;
}

void losses_add(struct losses *l, enum family client, enum chat_field field)
{
    if (!l || (unsigned)field >= FIELD_COUNT || (l->seen & 1ull << field)) {
        return;
    }
    l->seen |= 1ull << field;
    losses_add_name(l, str_of(chat_field_name(client, field)));
}

struct str losses_text(const struct losses *l, struct arena *a)
{
    size_t room = 1, n = 0;
    if (l->n == 0) {
        return STR_NONE;
    }
    for (unsigned i = 0; i < l->n; i++) {
        room += l->names[i].len + 2;
    }
    char *out = arena_alloc(a, room);
    if (!out) {
        return STR_NONE;
    }
    for (unsigned i = 0; i < l->n; i++) {
        if (i) {
            out[n++] = ',';
            out[n++] = ' ';
        }
        for (size_t k = 0; k < l->names[i].len; k++) {
            char c = l->names[i].ptr[k];
            if (c > ' ' && c <= '~' && c != ',') {
                out[n++] = c;
            }
        }
    }
    out[n] = '\0';
    return (struct str){out, n};
}

/* ---- lists ---- */

/* Room for one more of `size` bytes; false when the arena is out of it. */
static bool grow(struct arena *a, void **list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return true;
    }
    size_t more = *cap ? *cap * 2 : 4;
    void *bigger = arena_alloc(a, more * size);
    if (!bigger) {
        return false;
    }
    if (n) {
        memcpy(bigger, *list, n * size);
    }
    *list = bigger;
    *cap = more;
    return true;
}

struct part *part_add(struct arena *a, struct part **parts, size_t *n, size_t *cap)
{
    void *list = *parts;
    if (!grow(a, &list, *n, cap, sizeof(struct part))) {
        return NULL;
    }
    *parts = list;
    struct part *p = &(*parts)[(*n)++];
    *p = (struct part){.type = PART_TEXT};
    return p;
}

struct message *message_add(struct arena *a, struct message **list, size_t *n, size_t *cap)
{
    void *old = *list;
    if (!grow(a, &old, *n, cap, sizeof(struct message))) {
        return NULL;
    }
    *list = old;
    struct message *m = &(*list)[(*n)++];
    *m = (struct message){.role = ROLE_USER};
    return m;
}

struct tool *tool_add(struct arena *a, struct tool **list, size_t *n, size_t *cap)
{
    void *old = *list;
    if (!grow(a, &old, *n, cap, sizeof(struct tool))) {
        return NULL;
    }
    *list = old;
    struct tool *t = &(*list)[(*n)++];
    *t = (struct tool){.strict = -1};
    return t;
}

bool extra_add(struct arena *a, struct chat_request *q, size_t *cap, struct str name,
               struct str raw)
{
    void *old = q->extras;
    if (!grow(a, &old, q->n_extras, cap, sizeof(struct extra))) {
        return false;
    }
    q->extras = old;
    q->extras[q->n_extras++] = (struct extra){name, raw};
    return true;
}
