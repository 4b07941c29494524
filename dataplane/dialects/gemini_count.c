/* countTokens. The client's body, {"contents":…} or {"generateContentRequest":{…}}, is read by
 * gemini_decode_request. */
#include "dataplane/dialects/gemini_inside.h"

/* Contents alone as they are; with anything else that costs tokens, the whole request, which the
 * Gemini API takes in a wrapping and Vertex beside the contents. */
static bool encode_request(const struct chat_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err)
{
    struct gemini_out o = {.q = q, .x = x, .a = a, .err = err, .own = q->family == FAMILY_GEMINI};
    bool instructed = q->n_tools > 0;
    for (size_t i = 0; i < q->n_messages; i++) {
        instructed = instructed || q->messages[i].role == ROLE_SYSTEM ||
                     q->messages[i].role == ROLE_DEVELOPER;
    }
    bool wrap = instructed && !str_eqz(x->provider_kind, "vertex");
    json_writer_init(&o.w, out);
    json_object_begin(&o.w);
    if (wrap) {
        struct str name = gemini_model_name(x->model);
        struct str path = arena_printf(a, "models/%.*s", STR_ARG(name));
        json_name(&o.w, "generateContentRequest");
        json_object_begin(&o.w);
        json_field_str(&o.w, "model", path);
    }
    if (!gemini_put_contents(&o)) {
        return false;
    }
    (void)gemini_put_tools(&o);
    if (wrap) {
        json_object_end(&o.w);
    }
    json_object_end(&o.w);
    return !out->failed || error_set(err, ERR_INTERNAL, "out of room for the provider's request");
}

static bool decode_reply(struct str body, uint64_t *ret_tokens, struct error *err)
{
    struct json_value v, total;
    if (!json_validate(body, 0, &v, NULL) || !gemini_get(v, "totalTokens", &total)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no totalTokens");
    }
    *ret_tokens = gemini_u64(total);
    return true;
}

static bool encode_reply(uint64_t tokens, struct arena *a, struct buffer *out)
{
    struct json_writer w;
    (void)a;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_u64(&w, "totalTokens", tokens);
    json_object_end(&w);
    return !out->failed;
}

const struct count_codec gemini_count_codec = {
    .encode_request = encode_request,
    .decode_reply = decode_reply,
    .encode_reply = encode_reply,
};
