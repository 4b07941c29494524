/* Reranking in Cohere's form (/v2/rerank), which Jina, Voyage, vLLM and others share but for names:
 * Voyage has top_k for top_n and answers with `data`; Jina and Voyage count tokens where Cohere
 * counts search units. Both sides.
 *
 * return_documents never goes to the provider: the texts are in the request, so they are put into
 * the answer here (Cohere's v2 has no such member any more). */
#include <stdio.h>

#include "common/json.h"
#include "common/rules/provider.h"
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/cohere_chat.h"
#include "dataplane/dialects/cohere_inside.h"

/* ---- the client's request ---- */

static bool add_extra(struct arena *a, struct rerank_request *q, struct json_value name,
                      struct json_value value)
{
    return cohere_extra_add(a, &q->extras, &q->n_extras, name, value);
}

static bool read_document(struct arena *a, struct json_value v, size_t number, struct str *ret,
                          struct error *err)
{
    char param[64];
    if (v.type == JSON_STRING) {
        *ret = read_text(a, v);
    } else if (v.type == JSON_OBJECT) {
        struct str text = read_get_text(a, v, "text");
        *ret = text.ptr ? text : v.raw;
    } else {
        (void)snprintf(param, sizeof(param), "documents[%zu]", number);
        return error_set_param(err, ERR_INVALID_FIELD, param, "%s must be a string or an object",
                               param);
    }
    return ret->ptr || error_set(err, ERR_INTERNAL, "out of room for the documents");
}

static bool read_documents(struct arena *a, const struct json_member *m, struct rerank_request *q,
                           struct error *err)
{
    struct json_value item;
    size_t pos = 0, n = 0;
    if (!read_there(m) || m->value.type != JSON_ARRAY) {
        return error_set_param(err, ERR_INVALID_FIELD, "documents", "documents must be an array");
    }
    while (json_next(m->value, &pos, NULL, &item)) {
        n++;
    }
    if (n == 0) {
        return error_set_param(err, ERR_INVALID_FIELD, "documents", "documents must not be empty");
    }
    q->documents = arena_alloc(a, n * sizeof(*q->documents));
    if (!q->documents) {
        return error_set(err, ERR_INTERNAL, "out of room for the documents");
    }
    for (pos = 0; json_next(m->value, &pos, NULL, &item); q->n_documents++) {
        if (!read_document(a, item, q->n_documents, &q->documents[q->n_documents], err)) {
            return false;
        }
    }
    return true;
}

static bool decode_request(const struct wire_request *w, struct arena *a,
                           struct rerank_request *ret, struct error *err)
{
    enum { MODEL, QUERY, DOCUMENTS, TOP_N, TOP_K, MAX_TOKENS, RETURN, COUNT };
    struct json_member m[COUNT] = {
        {.name = STR_LIT("model")},           {.name = STR_LIT("query")},
        {.name = STR_LIT("documents")},       {.name = STR_LIT("top_n")},
        {.name = STR_LIT("top_k")},           {.name = STR_LIT("max_tokens_per_doc")},
        {.name = STR_LIT("return_documents")}};
    struct rerank_request q = {.family = FAMILY_COHERE};
    struct json_value o, name, value;
    int documents = 0;
    size_t pos = 0;
    if (!json_validate(w->body, 0, &o, err) || !json_members(o, m, COUNT, err)) {
        return false;
    }
    if (!read_text_member(a, &m[MODEL], "model", &q.model, err) ||
        !read_text_member(a, &m[QUERY], "query", &q.query, err) ||
        !read_documents(a, &m[DOCUMENTS], &q, err) ||
        !read_u64_member(&m[TOP_K], "top_k", &q.top_n, err) ||
        !read_u64_member(&m[TOP_N], "top_n", &q.top_n, err) ||
        !read_u64_member(&m[MAX_TOKENS], "max_tokens_per_doc", &q.max_tokens_per_doc, err) ||
        !read_bool_member(&m[RETURN], "return_documents", &documents, err)) {
        return false;
    }
    if (!q.query.ptr) {
        return error_set_param(err, ERR_INVALID_FIELD, "query", "query is required");
    }
    q.model = w->model.ptr ? w->model : q.model;
    q.return_documents = documents == 1;
    while (json_next(o, &pos, &name, &value)) {
        bool known = value.type == JSON_NULL;
        for (size_t i = 0; i < COUNT && !known; i++) {
            known = json_text_eq(name, m[i].name);
        }
        if (!known && !add_extra(a, &q, name, value)) {
            return error_set(err, ERR_INTERNAL, "out of room for the request");
        }
    }
    *ret = q;
    return true;
}

/* ---- the provider's request ---- */

static bool encode_request(const struct rerank_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err)
{
    struct json_writer w;
    bool voyage = (x->quirks & QUIRK_VOYAGE) != 0;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_str(&w, "model", x->model);
    json_field_str(&w, "query", q->query);
    json_name(&w, "documents");
    json_array_begin(&w);
    for (size_t i = 0; i < q->n_documents; i++) {
        json_put_str(&w, q->documents[i]);
    }
    json_array_end(&w);
    if (q->top_n) {
        json_field_u64(&w, voyage ? "top_k" : "top_n", q->top_n);
    }
    if (q->max_tokens_per_doc && voyage) {
        losses_add_name(x->losses, STR_LIT("max_tokens_per_doc"));
    } else if (q->max_tokens_per_doc) {
        json_field_u64(&w, "max_tokens_per_doc", q->max_tokens_per_doc);
    }
    cohere_put_extras(&w, a, q->extras, q->n_extras, q->family, x);
    json_object_end(&w);
    return !out->failed ||
           error_set(err, ERR_BODY_TOO_LARGE, "the request is too large for the provider");
}

/* ---- the provider's answer ---- */

static bool read_results(struct arena *a, struct json_value list, struct rerank_reply *r)
{
    struct json_value item, score;
    size_t pos = 0, n = 0;
    while (json_next(list, &pos, NULL, &item)) {
        n++;
    }
    r->results = arena_alloc(a, (n ? n : 1) * sizeof(*r->results));
    if (!r->results) {
        return false;
    }
    for (pos = 0; json_next(list, &pos, NULL, &item);) {
        struct json_value index;
        if (!read_get(item, "index", &index) || index.type != JSON_NUMBER ||
            (!read_get(item, "relevance_score", &score) && !read_get(item, "score", &score)) ||
            score.type != JSON_NUMBER) {
            continue;
        }
        r->results[r->n_results++] = (struct rerank_result){read_get_u64(item, "index"), score.raw};
    }
    return n == 0 || r->n_results > 0;
}

static void read_usage(struct json_value o, struct usage *u)
{
    struct json_value v;
    if (read_get(o, "meta", &v)) {
        cohere_usage_read(v, u);
    }
    if (!u->input_found && read_get(o, "usage", &v)) {
        uint64_t prompt = read_get_u64(v, "prompt_tokens");
        u->total = read_get_u64(v, "total_tokens");
        u->input = prompt ? prompt : u->total;
        u->input_found = u->input > 0;
        u->found = u->found || u->input_found;
    }
}

static bool decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct rerank_reply *ret, struct error *err)
{
    struct json_value o, list;
    struct rerank_reply r = {.n_results = 0};
    if (!read_json(body, &o)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer is not valid JSON");
    }
    if (o.type == JSON_ARRAY) {
        list = o; /* text-embeddings-inference answers with the list alone */
    } else if (!read_get(o, "results", &list) && !read_get(o, "data", &list)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer holds no results");
    }
    if (list.type != JSON_ARRAY || !read_results(a, list, &r)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's results cannot be understood");
    }
    r.id = read_get_text(a, o, "id");
    r.model = read_get_text(a, o, "model");
    r.model = r.model.len ? r.model : x->model;
    read_usage(o, &r.usage);
    *ret = r;
    return true;
}

/* ---- the client's answer ---- */

static void put_result(struct json_writer *w, const struct rerank_result *result,
                       const struct rerank_request *q)
{
    json_object_begin(w);
    json_field_u64(w, "index", result->index);
    json_name(w, "relevance_score");
    json_put_raw(w, result->score);
    if (q && q->return_documents && result->index < q->n_documents) {
        json_name(w, "document");
        json_object_begin(w);
        json_field_str(w, "text", q->documents[result->index]);
        json_object_end(w);
    }
    json_object_end(w);
}

static bool encode_reply(const struct rerank_reply *r, const struct rerank_request *q,
                         const struct exchange_context *x, struct arena *a, struct buffer *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_str(&w, "id", r->id.len ? r->id : cohere_id(a, x));
    json_name(&w, "results");
    json_array_begin(&w);
    for (size_t i = 0; i < r->n_results; i++) {
        put_result(&w, &r->results[i], q);
    }
    json_array_end(&w);
    cohere_put_meta(&w, &r->usage);
    if (r->usage.input_found) { /* Jina's clients read this */
        json_name(&w, "usage");
        json_object_begin(&w);
        json_field_u64(&w, "total_tokens", usage_total(&r->usage));
        json_object_end(&w);
    }
    json_object_end(&w);
    return !out->failed;
}

const struct rerank_codec cohere_rerank_codec = {
    .decode_request = decode_request,
    .encode_request = encode_request,
    .decode_reply = decode_reply,
    .encode_reply = encode_reply,
};
