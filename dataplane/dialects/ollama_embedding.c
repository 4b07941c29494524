/* Embeddings of Ollama's /api/embed, provider side. */
#include <stdio.h>

#include "common/json.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/dialect.h"

static void name_losses(const struct embedding_request *q, const struct exchange_context *x)
{
    bool plain = !q->encoding.len || str_eqz(q->encoding, "float") ||
                 str_eqz(q->encoding, "base64"); /* the client's encoder makes base64 itself */
    const struct {
        bool asked;
        struct str name;
    } names[] = {
        {!plain,
         q->family == FAMILY_COHERE ? STR_LIT("embedding_types") : STR_LIT("encoding_format")},
        /* search_document is what a text is embedded as where nothing is said */
        {q->input_type.len && !str_eqz(q->input_type, "search_document"), STR_LIT("input_type")},
        {q->title.len > 0, STR_LIT("title")},
        {q->normalize == 0, STR_LIT("normalize")}, /* Ollama's vectors always are */
        {q->user.len > 0, STR_LIT("user")},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].asked) {
            losses_add_name(x->losses, names[i].name);
        }
    }
    for (size_t i = 0; i < q->n_extras; i++) {
        losses_add_name(x->losses, q->extras[i].name);
    }
}

static bool encode_request(const struct embedding_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err)
{
    struct json_writer w;
    (void)a;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_str(&w, "model", x->model);
    json_name(&w, "input");
    json_array_begin(&w);
    for (size_t i = 0; i < q->n_inputs; i++) {
        if (!q->inputs[i].text.ptr || q->inputs[i].has_image) {
            char param[64];
            (void)snprintf(param, sizeof(param), "input[%zu]", i);
            return error_set_param(err, ERR_INVALID_FIELD, param,
                                   "%s is not a text, and this provider embeds texts only", param);
        }
        json_put_str(&w, q->inputs[i].text);
    }
    json_array_end(&w);
    if (q->dimensions) {
        json_field_u64(&w, "dimensions", q->dimensions);
    }
    if (str_eqz(q->truncate, "NONE")) {
        json_field_bool(&w, "truncate", false);
    } else if (str_eqz(q->truncate, "END")) {
        json_field_bool(&w, "truncate", true);
    } else if (q->truncate.len) {
        losses_add_name(x->losses, STR_LIT("truncate")); /* only ends can be cut off */
    }
    name_losses(q, x);
    json_object_end(&w);
    return !out->failed ||
           error_set(err, ERR_BODY_TOO_LARGE, "the request is too large for the provider");
}

static bool decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct embedding_reply *ret, struct error *err)
{
    struct json_value o, list, item, v;
    struct embedding_reply r = {.n_vectors = 0};
    size_t pos = 0, n = 0;
    if (!read_json(body, &o)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer is not valid JSON");
    }
    if (!read_get(o, "embeddings", &list) || list.type != JSON_ARRAY) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer holds no embeddings");
    }
    while (json_next(list, &pos, NULL, &item)) {
        n++;
    }
    r.vectors = arena_zalloc(a, (n ? n : 1) * sizeof(*r.vectors));
    if (!r.vectors) {
        return error_set(err, ERR_INTERNAL, "the provider's answer is too large");
    }
    for (pos = 0; json_next(list, &pos, NULL, &item); r.n_vectors++) {
        if (item.type != JSON_ARRAY) {
            return error_set(err, ERR_UPSTREAM_GARBAGE,
                             "the provider's embeddings cannot be understood");
        }
        r.vectors[r.n_vectors].floats = item.raw;
    }
    r.model = read_get_text(a, o, "model");
    r.model = r.model.len ? r.model : x->model;
    r.usage.input_found = read_get(o, "prompt_eval_count", &v) && json_u64(v, &r.usage.input);
    r.usage.found = r.usage.input_found;
    *ret = r;
    return true;
}

const struct embedding_codec ollama_embedding_codec = {
    .encode_request = encode_request,
    .decode_reply = decode_reply,
};
