/* Reranking in Bedrock's InvokeModel: Cohere's and Amazon's models, whose bodies differ by
 * api_version alone. */
#include "dataplane/dialects/converse_parts.h"

static bool out_of_room(struct error *err)
{
    return error_set(err, ERR_INTERNAL, "out of room for the documents");
}

static bool wrong(struct error *err, const char *param, const char *what)
{
    return error_set_param(err, ERR_INVALID_FIELD, param, "%s %s", param, what);
}

/* A text, an object's `text`, or the object's JSON. */
static struct str document_text(struct arena *a, struct json_value v)
{
    struct str text = v.type == JSON_OBJECT ? read_get_text(a, v, "text") : read_text(a, v);
    return text.ptr ? text : v.raw;
}

static bool read_documents(struct arena *a, struct json_value list, struct rerank_request *q,
                           struct error *err)
{
    size_t n = 0, pos = 0;
    struct json_value v;
    while (json_next(list, &pos, NULL, &v)) {
        n++;
    }
    q->documents = arena_alloc(a, (n + 1) * sizeof(struct str));
    if (!q->documents) {
        return out_of_room(err);
    }
    for (pos = 0; json_next(list, &pos, NULL, &v);) {
        q->documents[q->n_documents++] = document_text(a, v);
    }
    return n > 0 || wrong(err, "documents", "must not be empty");
}

static bool decode_request(const struct wire_request *w, struct arena *a,
                           struct rerank_request *ret, struct error *err)
{
    enum { QUERY, DOCUMENTS, TOP_N, MAX_TOKENS, WANTED };
    struct json_member m[WANTED] = {[QUERY] = {.name = STR_LIT("query")},
                                    [DOCUMENTS] = {.name = STR_LIT("documents")},
                                    [TOP_N] = {.name = STR_LIT("top_n")},
                                    [MAX_TOKENS] = {.name = STR_LIT("max_tokens_per_doc")}};
    struct rerank_request q = {.family = FAMILY_COHERE, .model = w->model};
    if (!json_scan(w->body, m, WANTED, 0, err) ||
        !read_text_member(a, &m[QUERY], "query", &q.query, err) ||
        !read_u64_member(&m[TOP_N], "top_n", &q.top_n, err) ||
        !read_u64_member(&m[MAX_TOKENS], "max_tokens_per_doc", &q.max_tokens_per_doc, err)) {
        return false;
    }
    if (!q.query.ptr) {
        return wrong(err, "query", "must be a string");
    }
    if (!read_there(&m[DOCUMENTS]) || m[DOCUMENTS].value.type != JSON_ARRAY) {
        return wrong(err, "documents", "must be a list");
    }
    if (!read_documents(a, m[DOCUMENTS].value, &q, err)) {
        return false;
    }
    *ret = q;
    return true;
}

static bool encode_request(const struct rerank_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err)
{
    struct json_writer w;
    bool cohere = converse_model_is(x->model, "cohere.");
    (void)a;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_str(&w, "query", q->query);
    json_name(&w, "documents");
    json_array_begin(&w);
    for (size_t i = 0; i < q->n_documents; i++) {
        json_put_str(&w, q->documents[i]);
    }
    json_array_end(&w);
    if (q->top_n) {
        json_field_u64(&w, "top_n", q->top_n);
    }
    if (cohere || !converse_model_is(x->model, "amazon.")) {
        json_field_u64(&w, "api_version", 2);
    }
    if (q->max_tokens_per_doc && cohere) {
        json_field_u64(&w, "max_tokens_per_doc", q->max_tokens_per_doc);
    } else if (q->max_tokens_per_doc) {
        losses_add_name(x->losses, STR_LIT("max_tokens_per_doc"));
    }
    for (size_t i = 0; i < q->n_extras; i++) {
        losses_add_name(x->losses, q->extras[i].name);
    }
    json_object_end(&w);
    return !out->failed || out_of_room(err);
}

static bool decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct rerank_reply *ret, struct error *err)
{
    struct json_value whole, list, v, score;
    size_t n = 0, pos = 0;
    (void)x;
    if (!read_json(body, &whole) || !read_get(whole, "results", &list) || list.type != JSON_ARRAY) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no results");
    }
    while (json_next(list, &pos, NULL, &v)) {
        n++;
    }
    *ret = (struct rerank_reply){.id = read_get_text(a, whole, "id")};
    ret->results = arena_zalloc(a, (n + 1) * sizeof(*ret->results));
    if (!ret->results) {
        return out_of_room(err);
    }
    for (pos = 0; json_next(list, &pos, NULL, &v);) {
        if (read_get(v, "relevance_score", &score) && score.type == JSON_NUMBER) {
            ret->results[ret->n_results++] =
                (struct rerank_result){read_get_u64(v, "index"), score.raw};
        }
    }
    return true;
}

static bool encode_reply(const struct rerank_reply *r, const struct rerank_request *q,
                         const struct exchange_context *x, struct arena *a, struct buffer *out)
{
    struct json_writer w;
    (void)q;
    (void)x;
    (void)a;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_name(&w, "results");
    json_array_begin(&w);
    for (size_t i = 0; i < r->n_results; i++) {
        json_object_begin(&w);
        json_field_u64(&w, "index", r->results[i].index);
        json_name(&w, "relevance_score");
        json_put_raw(&w, r->results[i].score);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    return !out->failed;
}

const struct rerank_codec bedrock_cohere_rerank_codec = {
    .decode_request = decode_request,
    .encode_request = encode_request,
    .decode_reply = decode_reply,
    .encode_reply = encode_reply,
};
