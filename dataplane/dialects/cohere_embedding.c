/* Embeddings in Cohere's form (/v2/embed), both sides. The client's request is read in
 * cohere_embedding_request.c. */
#include "dataplane/canonical/read.h"
#include "dataplane/dialects/cohere_chat.h"
#include "dataplane/dialects/cohere_embedding.h"
#include "dataplane/dialects/cohere_inside.h"
#include "dataplane/dialects/cohere_vectors.h"

#define TEXTS_MAX 96 /* per call, Cohere's own limit */

/* What an embedding may be written as, the neutral ones first. */
static const char *const types[] = {"float", "base64", "int8", "uint8", "binary", "ubinary"};
#define TYPES (sizeof(types) / sizeof(types[0]))

/* ---- the provider's request ---- */

static void put_input(struct json_writer *w, struct arena *a, const struct embedding_input *in)
{
    json_object_begin(w);
    json_name(w, "content");
    json_array_begin(w);
    if (in->text.ptr) {
        json_object_begin(w);
        json_field_z(w, "type", "text");
        json_field_str(w, "text", in->text);
        json_object_end(w);
    }
    if (in->has_image) {
        json_object_begin(w);
        json_field_z(w, "type", "image_url");
        json_name(w, "image_url");
        json_object_begin(w);
        json_field_str(w, "url", media_url(a, &in->image));
        json_object_end(w);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

/* Texts alone, images alone, or both as `inputs`. */
static void put_inputs(struct json_writer *w, struct arena *a, const struct embedding_request *q)
{
    size_t texts = 0, images = 0;
    for (size_t i = 0; i < q->n_inputs; i++) {
        texts += q->inputs[i].text.ptr != NULL;
        images += q->inputs[i].has_image;
    }
    json_name(w, !images ? "texts" : !texts ? "images" : "inputs");
    json_array_begin(w);
    for (size_t i = 0; i < q->n_inputs; i++) {
        if (!images) {
            json_put_str(w, q->inputs[i].text);
        } else if (!texts) {
            json_put_str(w, media_url(a, &q->inputs[i].image));
        } else {
            put_input(w, a, &q->inputs[i]);
        }
    }
    json_array_end(w);
    /* Cohere's v3 and later models refuse a request without it. */
    json_field_str(w, "input_type",
                   q->input_type.len  ? q->input_type
                   : images && !texts ? STR_LIT("image")
                                      : STR_LIT("search_document"));
}

/* The client's list as it was, or its one encoding. */
static void put_types(struct json_writer *w, const struct embedding_request *q,
                      const struct exchange_context *x)
{
    struct str type = STR_LIT("float");
    for (size_t i = 0; i < q->n_extras && q->family == FAMILY_COHERE; i++) {
        if (str_eqz(q->extras[i].name, "embedding_types")) {
            return; /* goes with the extras */
        }
    }
    for (size_t i = 0; i < TYPES; i++) {
        if (str_eqz(q->encoding, types[i])) {
            type = q->encoding;
        }
    }
    if (q->encoding.len && !str_eq(type, q->encoding)) {
        losses_add_name(x->losses, STR_LIT("encoding_format"));
    }
    json_name(w, "embedding_types");
    json_array_begin(w);
    json_put_str(w, type);
    json_array_end(w);
}

static bool encode_request(const struct embedding_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err)
{
    struct json_writer w;
    for (size_t i = 0; i < q->n_inputs; i++) {
        const struct embedding_input *in = &q->inputs[i];
        if (!in->text.ptr && !(in->has_image && (in->image.data.len || in->image.url.len))) {
            return error_set_param(err, ERR_INVALID_FIELD, "input",
                                   "this provider takes texts and images only, not token ids");
        }
    }
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_str(&w, "model", x->model);
    put_inputs(&w, a, q);
    put_types(&w, q, x);
    if (q->dimensions) {
        json_field_u64(&w, "output_dimension", q->dimensions);
    }
    if (q->truncate.len) {
        json_field_str(&w, "truncate", q->truncate);
    }
    if (q->title.len) {
        losses_add_name(x->losses, STR_LIT("title"));
    }
    if (q->normalize >= 0) {
        losses_add_name(x->losses, STR_LIT("normalize"));
    }
    if (q->user.len) {
        losses_add_name(x->losses, STR_LIT("user"));
    }
    cohere_put_extras(&w, a, q->extras, q->n_extras, q->family, x);
    json_object_end(&w);
    return !out->failed ||
           error_set(err, ERR_BODY_TOO_LARGE, "the request is too large for the provider");
}

/* ---- the provider's answer ---- */

static bool read_vectors(struct arena *a, struct json_value list, struct embedding_reply *r)
{
    struct json_value item;
    size_t pos = 0, n = 0;
    while (json_next(list, &pos, NULL, &item)) {
        n++;
    }
    r->vectors = arena_zalloc(a, (n ? n : 1) * sizeof(*r->vectors));
    if (!r->vectors) {
        return false;
    }
    for (pos = 0; json_next(list, &pos, NULL, &item); r->n_vectors++) {
        struct embedding_vector *v = &r->vectors[r->n_vectors];
        if (item.type == JSON_ARRAY) {
            v->floats = item.raw;
        } else if (item.type == JSON_STRING) {
            v->base64 = read_text(a, item);
        } else {
            return false;
        }
    }
    return true;
}

/* v2 has a list per type; v1 had one flat list. */
static bool find_vectors(struct arena *a, struct json_value o, struct embedding_reply *r)
{
    struct json_value embeddings, list;
    size_t pos = 0;
    if (!read_get(o, "embeddings", &embeddings)) {
        return false;
    }
    if (embeddings.type == JSON_ARRAY) {
        return read_vectors(a, embeddings, r);
    }
    for (size_t i = 0; i < TYPES; i++) {
        pos = 0;
        if (read_get(embeddings, types[i], &list) && list.type == JSON_ARRAY &&
            json_next(list, &pos, NULL, &(struct json_value){.type = JSON_NULL})) {
            return read_vectors(a, list, r);
        }
    }
    return false;
}

static void read_usage(struct json_value o, struct usage *u)
{
    struct json_value meta, billed;
    if (!read_get(o, "meta", &meta)) {
        return;
    }
    cohere_usage_read(meta, u);
    if (read_get(meta, "billed_units", &billed)) {
        u->image_in = read_get_u64(billed, "image_tokens");
        u->input += u->image_in;
        u->input_found = u->input_found || u->image_in;
        u->found = u->found || u->image_in;
    }
}

static bool decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct embedding_reply *ret, struct error *err)
{
    struct json_value o;
    struct embedding_reply r = {.n_vectors = 0};
    if (!read_json(body, &o)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer is not valid JSON");
    }
    if (!find_vectors(a, o, &r)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the provider's answer holds no embeddings");
    }
    r.id = read_get_text(a, o, "id");
    r.model = x->model;
    read_usage(o, &r.usage);
    *ret = r;
    return true;
}

/* ---- the client's answer ---- */

static void put_vectors(struct json_writer *w, struct arena *a, const char *type,
                        const struct embedding_reply *r)
{
    bool base64 = strcmp(type, "base64") == 0;
    json_name(w, type);
    json_array_begin(w);
    for (size_t i = 0; i < r->n_vectors; i++) {
        struct str v = base64 ? vector_base64(a, &r->vectors[i]) : vector_floats(a, &r->vectors[i]);
        if (!v.ptr) {
            w->out->failed = true;
        } else if (base64) {
            json_put_str(w, v);
        } else {
            json_put_raw(w, v);
        }
    }
    json_array_end(w);
}

/* The type that the client asked for, where the target made it: base64 can be made of any, the
 * integer types only come from a provider that has them, and whoever lacks them has named
 * encoding_format as lost and sent floats. */
static const char *type_of(const struct embedding_reply *r, const struct embedding_request *q,
                           const struct exchange_context *x)
{
    bool lost = false;
    for (unsigned i = 0; x->losses && i < x->losses->n; i++) {
        lost = lost || str_eqz(x->losses->names[i], "encoding_format") ||
               str_eqz(x->losses->names[i], "embedding_types");
    }
    if (str_eqz(q->encoding, "base64")) {
        return "base64";
    }
    for (size_t i = 2; i < TYPES && !lost && r->n_vectors && r->vectors[0].floats.ptr; i++) {
        if (str_eqz(q->encoding, types[i])) {
            return types[i];
        }
    }
    return "float";
}

static bool encode_reply(const struct embedding_reply *r, const struct embedding_request *q,
                         const struct exchange_context *x, struct arena *a, struct buffer *out)
{
    struct json_writer w;
    bool texts = q->n_inputs > 0;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_str(&w, "id", r->id.len ? r->id : cohere_id(a, x));
    json_name(&w, "embeddings");
    json_object_begin(&w);
    put_vectors(&w, a, type_of(r, q, x), r);
    json_object_end(&w);
    for (size_t i = 0; i < q->n_inputs; i++) {
        texts = texts && q->inputs[i].text.ptr && !q->inputs[i].has_image;
    }
    if (texts) {
        json_name(&w, "texts");
        json_array_begin(&w);
        for (size_t i = 0; i < q->n_inputs; i++) {
            json_put_str(&w, q->inputs[i].text);
        }
        json_array_end(&w);
    }
    cohere_put_meta(&w, &r->usage);
    json_field_z(&w, "response_type", "embeddings_by_type");
    json_object_end(&w);
    return !out->failed;
}

const struct embedding_codec cohere_embedding_codec = {
    .decode_request = cohere_embedding_decode,
    .encode_request = encode_request,
    .decode_reply = decode_reply,
    .encode_reply = encode_reply,
    .max_inputs = TEXTS_MAX,
};
