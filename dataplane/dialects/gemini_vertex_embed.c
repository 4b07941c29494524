/* Vertex's embeddings: :predict of publishers/google text models; see dialect.h. */
#include "dataplane/dialects/gemini_embed.h"

#include <stdio.h>

/* ---- requests in ---- */

static bool instance_read(struct json_value v, size_t index, struct arena *a,
                          struct embedding_request *q, size_t *cap, struct error *err)
{
    struct json_member m[] = {
        {.name = STR_LIT("content")}, {.name = STR_LIT("taskType")}, {.name = STR_LIT("title")}};
    char path[64];
    (void)snprintf(path, sizeof(path), "instances[%zu].content", index);
    if (!gemini_members(v, m, 3) || !m[0].found || m[0].value.type != JSON_STRING) {
        return error_set_param(err, ERR_INVALID_FIELD, path, "%s must be a string", path);
    }
    q->inputs[index] = (struct embedding_input){.text = read_text(a, m[0].value)};
    q->n_inputs = index + 1;
    if (index == 0) {
        q->title = read_member(a, &m[2]);
        return gemini_task_read(a, q, cap, read_member(a, &m[1])) ||
               error_set(err, ERR_INTERNAL, "out of room for the request");
    }
    return true;
}

static bool decode_request(const struct wire_request *w, struct arena *a,
                           struct embedding_request *ret, struct error *err)
{
    struct embedding_request q = {.family = FAMILY_GEMINI, .model = w->model, .normalize = -1};
    struct json_member m[] = {{.name = STR_LIT("outputDimensionality")},
                              {.name = STR_LIT("autoTruncate")}};
    struct json_value v, list, one, parameters;
    size_t pos = 0, n = 0, cap = 0;
    int truncate = -1;
    if (!json_validate(w->body, 0, &v, err)) {
        return false;
    }
    if (!gemini_get(v, "instances", &list)) {
        return error_set_param(err, ERR_INVALID_FIELD, "instances", "instances must be given");
    }
    while (json_next(list, &pos, NULL, &one)) {
        n++;
    }
    q.inputs = arena_alloc(a, (n + 1) * sizeof(*q.inputs));
    if (!q.inputs) {
        return error_set(err, ERR_INTERNAL, "out of room for the request");
    }
    if (n == 0) {
        return error_set_param(err, ERR_INVALID_FIELD, "instances", "instances must not be empty");
    }
    pos = 0;
    for (size_t i = 0; json_next(list, &pos, NULL, &one); i++) {
        if (!instance_read(one, i, a, &q, &cap, err)) {
            return false;
        }
    }
    if (gemini_get(v, "parameters", &parameters)) {
        (void)gemini_members(parameters, m, 2);
        if (!read_u64_member(&m[0], "parameters.outputDimensionality", &q.dimensions, err) ||
            !read_bool_member(&m[1], "parameters.autoTruncate", &truncate, err)) {
            return false;
        }
    }
    q.truncate = truncate < 0 ? STR_NONE : truncate ? STR_LIT("END") : STR_LIT("NONE");
    *ret = q;
    return true;
}

/* ---- requests out ---- */

static bool encode_request(const struct embedding_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err)
{
    struct json_writer w;
    struct str task = gemini_task_word(a, q);
    char param[64];
    if (!gemini_embed_losses(q, x, err)) {
        return false;
    }
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_name(&w, "instances");
    json_array_begin(&w);
    for (size_t i = 0; i < q->n_inputs; i++) {
        if (!q->inputs[i].text.ptr) {
            (void)snprintf(param, sizeof(param), "input[%zu]", i);
            return error_set_param(err, ERR_INVALID_FIELD, param,
                                   "%s is an image, which this model does not take", param);
        }
        json_object_begin(&w);
        json_field_str(&w, "content", q->inputs[i].text);
        if (task.ptr) {
            json_field_str(&w, "task_type", task);
        }
        if (q->title.ptr) {
            json_field_str(&w, "title", q->title);
        }
        json_object_end(&w);
    }
    json_array_end(&w);
    if (q->dimensions > 0 || q->truncate.ptr) {
        json_name(&w, "parameters");
        json_object_begin(&w);
        if (q->dimensions > 0) {
            json_field_u64(&w, "outputDimensionality", q->dimensions);
        }
        if (q->truncate.ptr) {
            json_field_bool(&w, "autoTruncate", !str_eq_nocase(q->truncate, STR_LIT("NONE")));
        }
        json_object_end(&w);
    }
    json_object_end(&w);
    if (str_eq_nocase(q->truncate, STR_LIT("START")) && x->losses) {
        losses_add_name(x->losses, STR_LIT("truncate"));
    }
    return !out->failed || error_set(err, ERR_INTERNAL, "out of room for the provider's request");
}

/* ---- answers ---- */

static bool decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct embedding_reply *ret, struct error *err)
{
    struct embedding_reply r = {.n_vectors = 0};
    struct json_value v, list, one, embeddings, values, statistics, tokens;
    size_t pos = 0, n = 0;
    (void)x;
    if (!json_validate(body, 0, &v, NULL) || !gemini_get(v, "predictions", &list)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no predictions");
    }
    while (json_next(list, &pos, NULL, &one)) {
        n++;
    }
    r.vectors = arena_zalloc(a, (n + 1) * sizeof(*r.vectors));
    if (!r.vectors) {
        return error_set(err, ERR_INTERNAL, "out of room for the answer");
    }
    pos = 0;
    while (json_next(list, &pos, NULL, &one)) {
        if (!gemini_get(one, "embeddings", &embeddings) ||
            !gemini_get(embeddings, "values", &values) || values.type != JSON_ARRAY) {
            return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no values");
        }
        r.vectors[r.n_vectors++].floats = values.raw;
        if (gemini_get(embeddings, "statistics", &statistics) &&
            gemini_get(statistics, "tokenCount", &tokens)) {
            r.usage.found = r.usage.input_found = true;
            r.usage.input += gemini_u64(tokens);
        }
    }
    *ret = r;
    return true;
}

static bool encode_reply(const struct embedding_reply *r, const struct embedding_request *q,
                         const struct exchange_context *x, struct arena *a, struct buffer *out)
{
    struct json_writer w;
    (void)q;
    (void)x;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_name(&w, "predictions");
    json_array_begin(&w);
    for (size_t i = 0; i < r->n_vectors; i++) {
        json_object_begin(&w);
        json_name(&w, "embeddings");
        json_object_begin(&w);
        json_name(&w, "values");
        if (!gemini_put_vector(&w, a, &r->vectors[i])) {
            return false;
        }
        if (r->usage.found) {
            /* one sum came for all: the first tells it, so that a reader's total is right */
            json_name(&w, "statistics");
            json_object_begin(&w);
            json_field_bool(&w, "truncated", false);
            json_field_u64(&w, "token_count", i == 0 ? r->usage.input : 0);
            json_object_end(&w);
        }
        json_object_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    return !out->failed;
}

const struct embedding_codec vertex_embedding_codec = {
    .decode_request = decode_request,
    .encode_request = encode_request,
    .decode_reply = decode_reply,
    .encode_reply = encode_reply,
    .max_inputs = 250,
};
