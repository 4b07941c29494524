/* What a kind of provider and a model's name tell; see openai_target.h. */
#include "dataplane/dialects/openai_target.h"

#include "dataplane/dialects/tool_shape.h"

static bool word_in(const char *words, struct str word)
{
    struct str rest = str_of(words), one;
    while (str_cut(rest, ' ', &one, &rest)) {
        if (str_eq(one, word)) {
            return true;
        }
    }
    return word.len > 0 && str_eq(rest, word);
}

bool openai_target_is(const struct exchange_context *x, const char *kinds)
{
    return word_in(kinds, x->provider_kind);
}

bool openai_target_is_openai(const struct exchange_context *x)
{
    return x->provider_kind.len == 0 || openai_target_is(x, "openai azure-openai");
}

bool openai_target_samples(const struct exchange_context *x)
{
    return openai_target_is(x, "vllm sglang llama.cpp lm-studio tgi localai triton custom together "
                               "fireworks openrouter deepinfra novita hyperbolic nebius "
                               "siliconflow siliconflow-cn featherless chutes parasail "
                               "ollama-openai huggingface litellm");
}

/* "openai/ft:gpt-4o:…" → "gpt-4o:…" */
static struct str bare_model(const struct exchange_context *x)
{
    struct str m = x->model;
    for (size_t i = m.len; i-- > 0;) {
        if (m.ptr[i] == '/') {
            m = str_slice(m, i + 1, m.len);
            break;
        }
    }
    return str_starts(m, STR_LIT("ft:")) ? str_slice(m, 3, m.len) : m;
}

static bool digit_at(struct str s, size_t i, char from)
{
    return i < s.len && s.ptr[i] >= from && s.ptr[i] <= '9';
}

/* gpt-5 and later, without the chat tunings that answer at once */
static bool is_late_gpt(struct str m)
{
    return str_starts(m, STR_LIT("gpt-")) && (digit_at(m, 4, '5') || digit_at(m, 5, '0'));
}

bool openai_target_reasons(const struct exchange_context *x)
{
    struct str m = bare_model(x);
    bool o_series = m.len > 1 && m.ptr[0] == 'o' && digit_at(m, 1, '1');
    bool chat = memmem(m.ptr ? m.ptr : "", m.len, "-chat", 5) != NULL;
    return o_series || (is_late_gpt(m) && !chat) || str_starts(m, STR_LIT("codex-"));
}

bool openai_target_never_reasons(const struct exchange_context *x)
{
    struct str m = bare_model(x);
    bool chat = memmem(m.ptr ? m.ptr : "", m.len, "-chat", 5) != NULL;
    return openai_target_is_openai(x) &&
           (str_starts(m, STR_LIT("gpt-3")) || str_starts(m, STR_LIT("gpt-4")) ||
            str_starts(m, STR_LIT("chatgpt-")) || (is_late_gpt(m) && chat));
}

bool openai_target_max_completion(const struct exchange_context *x)
{
    if (x->quirks & QUIRK_MAX_COMPLETION) {
        return true;
    }
    return openai_target_is_openai(x) && (openai_target_reasons(x) || is_late_gpt(bare_model(x)));
}

/* Minor versions matter: gpt-5.1 took up "none", gpt-5.2 and the max models "xhigh". */
static bool at_least(struct str m, char minor)
{
    return str_starts(m, STR_LIT("gpt-")) &&
           (digit_at(m, 4, '6') || digit_at(m, 5, '0') ||
            (m.len > 6 && m.ptr[5] == '.' && digit_at(m, 6, minor)));
}

static const char *openai_word(struct str m, enum effort e, bool *ret_lost)
{
    bool xhigh = at_least(m, '2') || memmem(m.ptr ? m.ptr : "", m.len, "codex-max", 9) != NULL;
    switch (e) {
    case EFFORT_NONE:
        if (at_least(m, '1')) {
            return "none";
        }
        *ret_lost = !is_late_gpt(m);
        return *ret_lost ? NULL : "minimal";
    case EFFORT_MINIMAL:
        return is_late_gpt(m) && !at_least(m, '1') ? "minimal" : "low";
    case EFFORT_XHIGH:
    case EFFORT_MAX:
        return xhigh ? "xhigh" : "high";
    default:
        return effort_name(e);
    }
}

const char *openai_target_effort(const struct exchange_context *x, const struct reasoning *r,
                                 bool *ret_lost)
{
    enum effort e = r->effort;
    bool of_budget = e == EFFORT_UNSET && r->budget >= 0;
    *ret_lost = false;
    if (of_budget) {
        e = effort_of_budget(r->budget);
        e = e > EFFORT_HIGH ? EFFORT_HIGH : e; /* the highest word that all know */
    }
    if (e == EFFORT_UNSET) {
        return NULL; /* adaptive is what a model does that is told nothing */
    }
    if (openai_target_never_reasons(x)) {
        *ret_lost = e != EFFORT_NONE;
        return NULL;
    }
    if (openai_target_is_openai(x) && openai_target_reasons(x)) {
        return openai_word(bare_model(x), e, ret_lost);
    }
    return effort_name(e == EFFORT_MAX && !openai_target_is(x, "openrouter") ? EFFORT_HIGH : e);
}

bool openai_target_fixed_sampling(const struct exchange_context *x, const struct reasoning *r)
{
    bool lost = false;
    if (!openai_target_is_openai(x) || !openai_target_reasons(x)) {
        return false;
    }
    const char *word = openai_target_effort(x, r, &lost);
    bool thinks = word && strcmp(word, "none") != 0;
    return thinks ||
           !at_least(bare_model(x), '1'); /* since gpt-5.1 they answer at once by default */
}

bool openai_extra_is_shared(struct str name)
{
    return word_in("prompt_cache_key prompt_cache_retention safety_identifier", name);
}

struct str openai_service_tier(struct str tier)
{
    if (word_in("auto default flex priority scale", tier)) {
        return tier;
    }
    return str_eqz(tier, "standard_only") || str_eqz(tier, "standard") ? STR_LIT("default")
                                                                       : STR_NONE;
}

void openai_lose(const struct chat_request *q, const struct exchange_context *x,
                 enum chat_field field)
{
    if (x->losses) {
        losses_add(x->losses, q->family, field);
    }
}

void openai_lose_if(bool is, const struct chat_request *q, const struct exchange_context *x,
                    enum chat_field field)
{
    if (is) {
        openai_lose(q, x, field);
    }
}

struct str openai_sampling(const struct chat_request *q, const struct exchange_context *x,
                           struct str number, const char *otherwise, enum chat_field field)
{
    if (!number.ptr || !openai_target_fixed_sampling(x, &q->reasoning)) {
        return number;
    }
    struct str plain = number; /* "1.0" is "1" */
    while (plain.len > 2 && plain.ptr[plain.len - 1] == '0') {
        plain.len--;
    }
    plain.len -= plain.len > 1 && plain.ptr[plain.len - 1] == '.';
    openai_lose_if(!str_eqz(plain, otherwise), q, x, field);
    return STR_NONE;
}

#define TOOL_MAX 64
#define USER_MAX 64

struct str openai_tool_name(struct arena *a, const struct chat_request *q, enum family own,
                            struct str name)
{
    if (!name.len) {
        return STR_LIT("");
    }
    return q->family == own ? name : tool_text(a, name, TOOL_MAX);
}

struct str openai_call_id(struct arena *a, const struct chat_request *q, enum family own,
                          struct str id)
{
    if (!id.len) {
        return STR_LIT("");
    }
    return q->family == own || id.len <= TOOL_MAX ? id : tool_text(a, id, TOOL_MAX);
}

struct str openai_tool_name_back(struct arena *a, const struct exchange_context *x, enum family own,
                                 struct str name)
{
    const struct chat_request *q = x->request;
    return q && q->family != own ? tool_text_back(a, q, name, TOOL_MAX) : name;
}

struct str openai_user(const struct chat_request *q, const struct exchange_context *x)
{
    if (q->user.len <= USER_MAX || !openai_target_is(x, "openai azure-openai")) {
        return q->user;
    }
    openai_lose(q, x, FIELD_USER);
    return STR_NONE;
}
