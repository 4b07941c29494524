/* Reading and splicing a chat-completions body; see openai_chat.h. */
#include "dataplane/dialects/openai_chat.h"

#include "dataplane/canonical/head.h"

#define MODEL_MAX 200

enum { MODEL, STREAM, OPTIONS, USER, SAFETY, METADATA, WANTED };

static bool read_model(const struct json_member *m, struct arena *a, struct str *ret,
                       struct error *err)
{
    if (!m->found) {
        return error_set_param(err, ERR_INVALID_FIELD, "model",
                               "you must provide a model parameter");
    }
    if (m->value.type != JSON_STRING) {
        return error_set_param(err, ERR_INVALID_FIELD, "model", "model must be a string");
    }
    if (!m->value.escaped) {
        *ret = json_text(m->value);
    } else {
        size_t len = 0;
        char *text = arena_alloc(a, m->value.raw.len);
        if (!text || !json_unescape(m->value, text, m->value.raw.len, &len)) {
            return error_set(err, ERR_INTERNAL, "out of room for the model name");
        }
        *ret = (struct str){text, len};
    }
    if (ret->len == 0) {
        return error_set_param(err, ERR_INVALID_FIELD, "model", "model must not be empty");
    }
    if (ret->len > MODEL_MAX || !head_value_ok(*ret)) {
        return error_set_param(
            err, ERR_INVALID_FIELD, "model",
            "model must be a name of at most %d bytes without control characters", MODEL_MAX);
    }
    return true;
}

static bool read_options(struct openai_chat *c, struct error *err)
{
    struct json_member usage = {.name = STR_LIT("include_usage")};
    if (c->options.type != JSON_OBJECT) {
        return true; /* null, or the provider's to refuse */
    }
    if (!json_members(c->options, &usage, 1, err)) {
        return false;
    }
    c->has_include_usage = usage.found;
    c->include_usage = usage.value;
    c->usage_asked = usage.found && usage.value.type == JSON_TRUE;
    return true;
}

bool openai_chat_read(struct str body, struct arena *a, struct openai_chat *ret, struct error *err)
{
    struct json_member wanted[WANTED] = {
        [MODEL] = {.name = STR_LIT("model")},
        [STREAM] = {.name = STR_LIT("stream")},
        [OPTIONS] = {.name = STR_LIT("stream_options")},
        [USER] = {.name = STR_LIT("user")},
        [SAFETY] = {.name = STR_LIT("safety_identifier")},
        [METADATA] = {.name = STR_LIT("metadata")},
    };
    struct openai_chat c = {.stream = false};
    if (!json_scan(body, wanted, WANTED, 0, err)) {
        return false;
    }
    if (!read_model(&wanted[MODEL], a, &c.model, err)) {
        return false;
    }
    c.model_value = wanted[MODEL].value;
    if (wanted[STREAM].found) {
        enum json_type type = wanted[STREAM].value.type;
        if (type != JSON_TRUE && type != JSON_FALSE && type != JSON_NULL) {
            return error_set_param(err, ERR_INVALID_FIELD, "stream",
                                   "stream must be true or false");
        }
        c.stream = type == JSON_TRUE;
    }
    c.has_metadata = wanted[METADATA].found && wanted[METADATA].value.type == JSON_OBJECT;
    c.end_user = wanted[SAFETY].found ? wanted[SAFETY].value : wanted[USER].value;
    c.has_options = wanted[OPTIONS].found;
    c.options = wanted[OPTIONS].value;
    if (c.has_options && !read_options(&c, err)) {
        return false;
    }
    *ret = c;
    return true;
}

/* One replacement of a span (empty: an insertion). */
struct splice {
    const char *at;
    size_t old_len;
    struct str text;
};

static bool model_splice(const struct openai_chat *c, struct str model, struct arena *a,
                         struct splice *ret)
{
    struct head h;
    if (!head_init(&h, a, 6 * model.len + 2)) {
        return false;
    }
    head_put(&h, STR_LIT("\""));
    head_put_json(&h, model);
    head_put(&h, STR_LIT("\""));
    *ret = (struct splice){c->model_value.raw.ptr, c->model_value.raw.len, head_str(&h)};
    return !h.failed;
}

/* How include_usage gets in; false when there is nothing to do, or the client sent a shape that is
 * the provider's to refuse. */
static bool usage_splice(struct str body, const struct openai_chat *c, struct splice *ret)
{
    if (!c->stream || c->usage_asked) {
        return false;
    }
    if (!c->has_options) {
        /* right behind the body's brace: there is a member (model) to follow the comma */
        const char *brace = memchr(body.ptr, '{', body.len);
        *ret =
            (struct splice){brace + 1, 0, STR_LIT("\"stream_options\":{\"include_usage\":true},")};
        return true;
    }
    if (c->options.type == JSON_NULL) {
        *ret = (struct splice){c->options.raw.ptr, c->options.raw.len,
                               STR_LIT("{\"include_usage\":true}")};
        return true;
    }
    if (c->options.type != JSON_OBJECT) {
        return false;
    }
    if (c->has_include_usage) {
        enum json_type type = c->include_usage.type;
        *ret = (struct splice){c->include_usage.raw.ptr, c->include_usage.raw.len, STR_LIT("true")};
        return type == JSON_FALSE || type == JSON_NULL;
    }
    size_t pos = 0;
    struct json_value value;
    bool empty = !json_next(c->options, &pos, NULL, &value);
    *ret = (struct splice){c->options.raw.ptr + 1, 0,
                           empty ? STR_LIT("\"include_usage\":true")
                                 : STR_LIT("\"include_usage\":true,")};
    return true;
}

bool openai_chat_write(struct str body, const struct openai_chat *c, struct str model,
                       struct arena *a, struct openai_chat_body *ret)
{
    struct splice list[2], usage;
    size_t n = 0;
    struct openai_chat_body out = {.n = 0};
    if (!str_eq(model, c->model)) {
        if (!model_splice(c, model, a, &list[n++])) {
            return false;
        }
    }
    out.usage_added = usage_splice(body, c, &usage);
    if (out.usage_added) {
        if (n == 1 && usage.at < list[0].at) {
            list[1] = list[0];
            list[0] = usage;
            n = 2;
        } else {
            list[n++] = usage;
        }
    }
    const char *from = body.ptr;
    for (size_t i = 0; i < n; i++) {
        out.pieces[out.n++] = (struct str){from, (size_t)(list[i].at - from)};
        out.pieces[out.n++] = list[i].text;
        from = list[i].at + list[i].old_len;
    }
    out.pieces[out.n++] = (struct str){from, (size_t)(body.ptr + body.len - from)};
    for (size_t i = 0; i < out.n; i++) {
        out.len_bytes += out.pieces[i].len;
    }
    *ret = out;
    return true;
}
