/* Anthropic counts what was read from and written to the cache beside the input; usage.h counts
 * them as parts of it. And the reasons for stopping. */
#include "dataplane/dialects/messages_inside.h"

static bool take(struct json_value usage, const char *name, uint64_t *ret)
{
    struct json_value v;
    if (!read_get(usage, name, &v) || v.type != JSON_NUMBER) {
        return false;
    }
    uint64_t n = read_get_u64(usage, name);
    if (n) {
        *ret = n; /* a stream's last numbers may say 0 where its first ones knew */
    }
    return true;
}

void messages_counts_read(struct messages_counts *c, struct json_value usage)
{
    struct json_value v;
    if (usage.type != JSON_OBJECT) {
        return;
    }
    bool in = take(usage, "input_tokens", &c->input);
    bool out = take(usage, "output_tokens", &c->output);
    uint64_t created = c->created;
    (void)take(usage, "cache_read_input_tokens", &c->read);
    (void)take(usage, "cache_creation_input_tokens", &c->created);
    if (created != c->created && c->created < c->created_5m + c->created_1h) {
        c->created_5m = c->created_1h = 0; /* the split was of another number */
    }
    if (read_get(usage, "cache_creation", &v) && v.type == JSON_OBJECT) {
        (void)take(v, "ephemeral_5m_input_tokens", &c->created_5m);
        (void)take(v, "ephemeral_1h_input_tokens", &c->created_1h);
    }
    if (read_get(usage, "output_tokens_details", &v) && v.type == JSON_OBJECT) {
        (void)take(v, "thinking_tokens", &c->thinking);
    }
    if (read_get(usage, "server_tool_use", &v) && v.type == JSON_OBJECT) {
        (void)take(v, "web_search_requests", &c->searches);
    }
    c->input_found = c->input_found || in;
    c->output_found = c->output_found || out;
    c->found = c->found || in || out;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

struct usage messages_counts_usage(const struct messages_counts *c)
{
    uint64_t split = plus(c->created_5m, c->created_1h);
    uint64_t created = c->created > split ? c->created : split;
    /* what the split does not tell of is written as the rest, else for five minutes, the default */
    bool hours = c->created_1h > 0 && c->created_5m == 0;
    struct usage u = {
        .found = c->found,
        .input_found = c->input_found,
        .output_found = c->output_found,
        .input = plus(plus(c->input, c->read), created),
        .output = c->output,
        .cached = c->read,
        .cache_write_5m = plus(c->created_5m, hours ? 0 : created - split),
        .cache_write_1h = plus(c->created_1h, hours ? created - split : 0),
        .reasoning = c->thinking,
        .searches = c->searches,
    };
    return u;
}

struct str messages_read_tier(struct arena *a, struct json_value usage)
{
    struct str tier = read_get_text(a, usage, "service_tier");
    return str_eqz(tier, "standard") ? STR_LIT("default") : tier;
}

static void put_tier(struct json_writer *w, struct str tier)
{
    if (str_eqz(tier, "default")) {
        json_field_z(w, "service_tier", "standard");
    } else if (str_eqz(tier, "standard") || str_eqz(tier, "priority") || str_eqz(tier, "batch")) {
        json_field_str(w, "service_tier", tier);
    }
}

void messages_write_usage(struct json_writer *w, const struct usage *u, struct str service_tier)
{
    uint64_t created = plus(u->cache_write_5m, u->cache_write_1h);
    uint64_t beside = plus(created, u->cached);
    json_object_begin(w);
    json_field_u64(w, "input_tokens", u->input > beside ? u->input - beside : 0);
    json_field_u64(w, "cache_creation_input_tokens", created);
    json_field_u64(w, "cache_read_input_tokens", u->cached);
    json_name(w, "cache_creation");
    if (u->found) {
        json_object_begin(w);
        json_field_u64(w, "ephemeral_5m_input_tokens", u->cache_write_5m);
        json_field_u64(w, "ephemeral_1h_input_tokens", u->cache_write_1h);
        json_object_end(w);
    } else {
        json_put_null(w); /* not known at a stream's start: SDKs keep what they read first */
    }
    json_field_u64(w, "output_tokens", u->output);
    if (u->searches) {
        json_name(w, "server_tool_use");
        json_object_begin(w);
        json_field_u64(w, "web_search_requests", u->searches);
        json_object_end(w);
    }
    put_tier(w, service_tier);
    json_object_end(w);
}

static const struct {
    const char *name;
    enum finish finish;
} reasons[] = {
    {"end_turn", FINISH_STOP},
    {"max_tokens", FINISH_LENGTH},
    {"stop_sequence", FINISH_STOP_SEQUENCE},
    {"tool_use", FINISH_TOOL_CALLS},
    {"pause_turn", FINISH_PAUSE},
    {"refusal", FINISH_REFUSAL},
    {"model_context_window_exceeded", FINISH_CONTEXT},
    /* from here on: one way only */
    {"content_filtered", FINISH_CONTENT_FILTER},
    {"guardrail_intervened", FINISH_CONTENT_FILTER},
};

enum finish messages_finish_of(struct str stop_reason)
{
    if (!stop_reason.ptr || stop_reason.len == 0) {
        return FINISH_NONE;
    }
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (str_eqz(stop_reason, reasons[i].name)) {
            return reasons[i].finish;
        }
    }
    return FINISH_OTHER;
}

const char *messages_finish_name(enum finish f)
{
    if (f == FINISH_CONTENT_FILTER) {
        return "refusal";
    }
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].finish == f) {
            return reasons[i].name;
        }
    }
    return "end_turn";
}
