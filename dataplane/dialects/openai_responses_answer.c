/* A provider's whole response. */
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_responses.h"
#include "dataplane/dialects/openai_target.h"

static struct str failure_text(struct arena *a, struct json_value top)
{
    struct json_value e;
    struct str text = STR_NONE;
    if (read_get(top, "error", &e)) {
        text = e.type == JSON_STRING ? read_text(a, e) : read_get_text(a, e, "message");
    }
    return text.ptr ? text : STR_LIT("no reason given");
}

/* logprobs of output_text, in chat completions' form */
static struct str logprobs_of(struct arena *a, struct json_value item)
{
    struct json_value content, part, list;
    if (!read_get(item, "content", &content)) {
        return STR_NONE;
    }
    for (size_t pos = 0; json_next(content, &pos, NULL, &part);) {
        if (read_get(part, "logprobs", &list) && list.type == JSON_ARRAY && list.raw.len > 2) {
            return arena_printf(a, "{\"content\":%.*s,\"refusal\":null}", STR_ARG(list.raw));
        }
    }
    return STR_NONE;
}

static enum finish finish_of(struct arena *a, struct json_value top, const struct chat_choice *c)
{
    struct json_value details;
    if (str_eqz(read_get_text(a, top, "status"), "incomplete")) {
        struct str reason = read_get(top, "incomplete_details", &details)
                                ? read_get_text(a, details, "reason")
                                : STR_NONE;
        return str_eqz(reason, "content_filter") ? FINISH_CONTENT_FILTER : FINISH_LENGTH;
    }
    for (size_t i = 0; i < c->n_parts; i++) {
        if (c->parts[i].type == PART_TOOL_CALL) {
            return FINISH_TOOL_CALLS;
        }
    }
    return FINISH_STOP;
}

bool openai_responses_decode_reply(struct str body, const struct exchange_context *x,
                                   struct arena *a, struct chat_reply *ret, struct error *err)
{
    struct chat_request none;
    struct openai_decode d;
    struct error ignored = ERROR_INIT;
    struct json_value top, output, item, usage;
    struct chat_reply r = {.n_choices = 1};
    size_t cap = 0;
    if (!json_validate(body, 0, &top, NULL) || top.type != JSON_OBJECT) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer is not a JSON object");
    }
    struct str status = read_get_text(a, top, "status");
    bool failed = str_eqz(status, "failed") || str_eqz(status, "cancelled");
    if (failed || !read_get(top, "output", &output) || output.type != JSON_ARRAY) {
        struct str text = failure_text(a, top);
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's response has no output: %.*s",
                         (int)(text.len < 180 ? text.len : 180), text.ptr);
    }
    openai_decode_init(&d, a, &none, &ignored);
    d.lenient = true;
    struct chat_choice *c = arena_zalloc(a, sizeof(*c));
    if (!c) {
        return error_set(err, ERR_INTERNAL, "out of room for the answer");
    }
    for (size_t pos = 0; json_next(output, &pos, NULL, &item);) {
        struct str type = read_get_text(a, item, "type");
        if (!openai_responses_read_item(&d, item, type, &c->parts, &c->n_parts, &cap)) {
            if (ignored.code == ERR_INTERNAL) {
                return error_set(err, ERR_INTERNAL, "out of room for the answer");
            }
            openai_path_back(&d, 0);
        }
        if (!c->logprobs.ptr) {
            c->logprobs = logprobs_of(a, item);
        }
        r.usage.searches += str_eqz(type, "web_search_call");
    }
    openai_responses_settle(c->parts, &c->n_parts);
    for (size_t i = 0; i < c->n_parts; i++) {
        if (c->parts[i].type == PART_TOOL_CALL) {
            c->parts[i].name = openai_tool_name_back(a, x, FAMILY_RESPONSES, c->parts[i].name);
        }
    }
    uint64_t searches = r.usage.searches;
    c->finish = finish_of(a, top, c);
    c->finish_raw = status;
    r.choices = c;
    r.id = read_get_text(a, top, "id");
    r.model = read_get_text(a, top, "model");
    r.created = (int64_t)(read_get_u64(top, "created_at") & INT64_MAX);
    r.service_tier = read_get_text(a, top, "service_tier");
    if (read_get(top, "usage", &usage)) {
        (void)openai_read_usage(usage, x, &r.usage);
        r.usage.searches = searches;
    }
    *ret = r;
    return true;
}
