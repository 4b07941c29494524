/* What a request asks of the model beyond its text, and what that model takes of it. A client that
 * speaks Messages itself is taken by its word; for the others a few rules on the model's name hold,
 * all about Anthropic's own models ("claude-"), whose version stands in the name
 * ("claude-3-7-sonnet-20250219", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
 * "claude-opus-4.6"):
 *
 *   3.5 and older    no thinking
 *   3.7 … 4.5        thinking by a budget of tokens
 *   4.6 and newer    adaptive thinking with an effort
 *   4.7 and newer    no temperature, top_p, top_k
 *   opus 4.1, 4.5 …  temperature or top_p, not both; answers in a JSON schema
 * (output_config.format, on Anthropic's own API)
 *
 * A name without a version, and models of others behind this dialect, are asked in the oldest way
 * that thinks: a budget. */
#include "dataplane/dialects/claude_model.h"
#include "dataplane/dialects/messages_inside.h"

#define BUDGET_MIN 1024
#define MAX_TOKENS_DEFAULT 4096
#define EXACT 1000000 /* scale of decimals that are compared */

/* ---- schemas ---- */

/* Structured outputs take a part of JSON Schema: objects closed, no bounds. */
static bool keyword_refused(struct json_value name)
{
    static const char *const refused[] = {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "oneOf",
        "not",
        "if",
        "patternProperties",
        "propertyNames",
        "contains",
        "prefixItems",
        "dependentSchemas",
        "dependentRequired",
        "nullable",
        "pattern",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (json_text_eq(name, str_of(refused[i]))) {
            return true;
        }
    }
    return false;
}

static bool schema_closed(struct json_value schema, unsigned depth);

static bool all_closed(struct json_value list, unsigned depth)
{
    struct json_value v;
    size_t pos = 0;
    while (json_next(list, &pos, NULL, &v)) {
        if (!schema_closed(v, depth)) {
            return false;
        }
    }
    return true;
}

static bool schema_closed(struct json_value schema, unsigned depth)
{
    struct json_value name, v;
    size_t pos = 0;
    bool object = false, closed = false;
    if (schema.type != JSON_OBJECT || depth > 24) {
        return false;
    }
    while (json_next(schema, &pos, &name, &v)) {
        bool map = json_text_eq(name, STR_LIT("properties")) ||
                   json_text_eq(name, STR_LIT("$defs")) ||
                   json_text_eq(name, STR_LIT("definitions"));
        bool list = json_text_eq(name, STR_LIT("anyOf")) || json_text_eq(name, STR_LIT("allOf"));
        if (keyword_refused(name)) {
            return false;
        }
        object = object || json_text_eq(name, STR_LIT("properties")) ||
                 (json_text_eq(name, STR_LIT("type")) && json_text_eq(v, STR_LIT("object")));
        closed =
            closed || (json_text_eq(name, STR_LIT("additionalProperties")) && v.type == JSON_FALSE);
        if ((map || list) && !all_closed(v, depth + 1)) {
            return false;
        }
        if (json_text_eq(name, STR_LIT("items")) && !schema_closed(v, depth + 1)) {
            return false;
        }
    }
    return !object || closed;
}

static void plan_output(const struct chat_request *q, unsigned version, bool opus,
                        struct messages_plan *p)
{
    struct json_value schema;
    if (p->own) {
        p->schema = q->output == OUTPUT_SCHEMA;
        return;
    }
    if (q->output == OUTPUT_SCHEMA && p->flavour == MESSAGES_API &&
        (version >= 405 || (opus && version >= 401)) && read_json(q->schema, &schema) &&
        schema_closed(schema, 0)) {
        p->schema = true;
        return;
    }
    /* where a tool must be called anyway, the answer is that call and no JSON text is due */
    p->json_tool = (q->output == OUTPUT_SCHEMA || q->output == OUTPUT_JSON) &&
                   q->tool_choice != CHOICE_REQUIRED && q->tool_choice != CHOICE_NAMED;
}

static void plan_choice(const struct chat_request *q, struct messages_plan *p)
{
    p->choice = q->n_tools ? q->tool_choice : CHOICE_UNSET;
    p->choice_name = q->tool_choice_name;
    if (p->json_tool) {
        bool others = q->n_tools > 0 && q->tool_choice != CHOICE_NONE;
        p->choice = others ? CHOICE_REQUIRED : CHOICE_NAMED;
        p->choice_name = STR_LIT(MESSAGES_JSON_TOOL);
    }
}

/* ---- thinking ---- */

/* A budget needs the last turn's thoughts back, signed: with a tool call whose thoughts another
 * dialect could not keep, Anthropic refuses the request. */
static bool history_lacks_thoughts(const struct chat_request *q)
{
    for (size_t i = q->n_messages; i > 0; i--) {
        const struct message *m = &q->messages[i - 1];
        if (m->role == ROLE_USER) {
            return false; /* a new turn */
        }
        if (m->role != ROLE_ASSISTANT) {
            continue;
        }
        bool thought = false, call = false;
        for (size_t j = 0; j < m->n_parts; j++) {
            const struct part *p = &m->parts[j];
            thought = thought || (p->signature.ptr && p->signature_family == FAMILY_MESSAGES &&
                                  (p->type == PART_THINKING || p->type == PART_REDACTED_THINKING));
            call = call || p->type == PART_TOOL_CALL;
        }
        if (call && !thought) {
            return true;
        }
    }
    return false;
}

static void plan_budget(const struct chat_request *q, const struct exchange_context *x,
                        struct messages_plan *p)
{
    const struct reasoning *g = &q->reasoning;
    enum effort e = g->effort == EFFORT_UNSET ? EFFORT_MEDIUM : g->effort;
    uint64_t budget = (uint64_t)(g->budget > 0 ? g->budget : effort_budget(e));
    if (budget < BUDGET_MIN) {
        budget = BUDGET_MIN;
    }
    if (q->max_tokens == 0 && x->max_output == 0) {
        p->max_tokens =
            budget > UINT64_MAX - MAX_TOKENS_DEFAULT ? budget : budget + MAX_TOKENS_DEFAULT;
    }
    if (budget >= p->max_tokens) {
        budget = p->max_tokens - 1;
    }
    if (budget < BUDGET_MIN) {
        losses_add(x->losses, q->family, FIELD_REASONING);
        return;
    }
    p->thinking = THINKING_BUDGET;
    p->budget = budget;
}

static void plan_own_thinking(const struct chat_request *q, struct messages_plan *p)
{
    const struct reasoning *g = &q->reasoning;
    if (g->budget >= 0) {
        p->thinking = THINKING_BUDGET;
        p->budget = (uint64_t)g->budget;
    } else if (g->adaptive) {
        p->thinking = THINKING_ADAPTIVE;
    } else if (g->effort == EFFORT_NONE) {
        p->thinking = THINKING_OFF;
    }
    if (g->effort > EFFORT_NONE) {
        p->effort = str_of(effort_name(g->effort));
    }
    if (g->include >= 0 && p->thinking > THINKING_OFF) {
        p->display = g->include ? "summarized" : "omitted";
    }
}

static void plan_thinking(const struct chat_request *q, const struct exchange_context *x,
                          unsigned version, struct messages_plan *p)
{
    const struct reasoning *g = &q->reasoning;
    bool off = g->effort == EFFORT_NONE || (g->effort == EFFORT_UNSET && g->budget == 0);
    bool on = !off && (g->adaptive || g->budget > 0 || g->effort != EFFORT_UNSET);
    if (off && version >= 406) {
        p->thinking = THINKING_OFF;
    }
    if (!on) {
        return;
    }
    bool forced = p->choice == CHOICE_REQUIRED || p->choice == CHOICE_NAMED;
    bool adaptive = version >= 406;
    if ((version && version < 307) || forced || (!adaptive && history_lacks_thoughts(q))) {
        /* thinking is refused beside a tool that must be called */
        losses_add(x->losses, q->family, FIELD_REASONING);
        return;
    }
    if (!adaptive) {
        plan_budget(q, x, p);
        return;
    }
    p->thinking = THINKING_ADAPTIVE;
    if (g->effort != EFFORT_UNSET || g->budget > 0) {
        enum effort e = g->effort != EFFORT_UNSET ? g->effort : effort_of_budget(g->budget);
        p->effort = str_of(claude_effort(e, version));
    }
    if (g->include == 1) {
        p->display = "summarized";
    }
}

/* ---- sampling ---- */

/* True when the number is above `limit` millionths. */
static bool above(struct str number, int64_t limit)
{
    int64_t n;
    struct json_value v = {.type = JSON_NUMBER, .raw = number};
    if (!json_decimal(v, 6, &n)) {
        return number.len > 0 && number.ptr[0] != '-';
    }
    return n > limit;
}

static bool below(struct str number, int64_t limit)
{
    int64_t n;
    struct json_value v = {.type = JSON_NUMBER, .raw = number};
    return json_decimal(v, 6, &n) && n < limit;
}

static void plan_sampling(const struct chat_request *q, const struct exchange_context *x,
                          unsigned version, bool opus, struct messages_plan *p)
{
    bool thinks = p->thinking == THINKING_BUDGET || p->thinking == THINKING_ADAPTIVE;
    bool none = !p->own && version >= 407;
    bool one_of_two = !p->own && (version >= 405 || (opus && version >= 401));
    p->temperature = q->temperature;
    p->top_p = q->top_p.ptr != NULL;
    p->top_k = q->top_k.ptr != NULL;
    if (p->own) {
        return;
    }
    if (q->temperature.ptr && above(q->temperature, EXACT)) {
        p->temperature = STR_LIT("1");
        losses_add(x->losses, q->family, FIELD_TEMPERATURE);
    }
    if (p->temperature.ptr && (thinks || none)) {
        if (above(q->temperature, EXACT) || below(q->temperature, EXACT)) {
            losses_add(x->losses, q->family, FIELD_TEMPERATURE);
        }
        p->temperature = STR_NONE; /* 1 is what it is then */
    }
    if (p->top_k && (thinks || none)) {
        p->top_k = false;
        losses_add(x->losses, q->family, FIELD_TOP_K);
    }
    if (p->top_p && (none || (thinks && below(q->top_p, EXACT / 100 * 95)) ||
                     (one_of_two && p->temperature.ptr))) {
        p->top_p = false;
        if (below(q->top_p, EXACT)) {
            losses_add(x->losses, q->family, FIELD_TOP_P);
        }
    }
}

void messages_plan_make(const struct chat_request *q, const struct exchange_context *x,
                        enum messages_flavour flavour, struct messages_plan *ret)
{
    bool opus;
    unsigned version = claude_version(x->model, &opus);
    *ret = (struct messages_plan){.flavour = flavour, .own = q->family == FAMILY_MESSAGES};
    ret->max_tokens = q->max_tokens   ? q->max_tokens
                      : x->max_output ? x->max_output
                                      : MAX_TOKENS_DEFAULT;
    plan_output(q, version, opus, ret);
    plan_choice(q, ret);
    if (ret->own) {
        plan_own_thinking(q, ret);
    } else {
        plan_thinking(q, x, version, ret);
    }
    plan_sampling(q, x, version, opus, ret);
}
