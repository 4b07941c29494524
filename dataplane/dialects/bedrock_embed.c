/* Embeddings in Bedrock's InvokeModel: Amazon's Titan, one text a call, and Cohere's, where the
 * body is Cohere's own. Usage of Cohere's is in a header of the answer
 * (X-Amzn-Bedrock-Input-Token-Count), which is not the codec's to see. */
#include <stdio.h>

#include "dataplane/dialects/converse_parts.h"

static bool out_of_room(struct error *err)
{
    return error_set(err, ERR_INTERNAL, "out of room for the embedding");
}

static bool wrong(struct error *err, const char *param, const char *what)
{
    return error_set_param(err, ERR_INVALID_FIELD, param, "%s %s", param, what);
}

static void lose(const struct exchange_context *x, bool given, const char *name)
{
    if (given) {
        losses_add_name(x->losses, str_of(name));
    }
}

/* The members that `known` (NULL at its end) does not name. */
static bool keep_extras(struct arena *a, struct str body, const char *const *known,
                        struct extra **ret, size_t *ret_n)
{
    struct chat_request q = {.n_extras = 0};
    struct json_value whole, name, v;
    size_t pos = 0, cap = 0;
    if (!read_json(body, &whole)) {
        return false;
    }
    while (json_next(whole, &pos, &name, &v)) {
        size_t i = 0;
        while (known[i] && !json_text_eq(name, str_of(known[i]))) {
            i++;
        }
        if (!known[i] && v.type != JSON_NULL &&
            !extra_add(a, &q, &cap, read_text(a, name), v.raw)) {
            return false;
        }
    }
    *ret = q.extras;
    *ret_n = q.n_extras;
    return true;
}

static void name_extras(const struct embedding_request *q, const struct exchange_context *x)
{
    for (size_t i = 0; i < q->n_extras; i++) {
        losses_add_name(x->losses, q->extras[i].name);
    }
}

/* "float" of a list of types, else its first. */
static struct str wanted_type(struct arena *a, struct json_value list)
{
    struct str first = STR_NONE;
    struct json_value v;
    size_t pos = 0;
    while (json_next(list, &pos, NULL, &v)) {
        struct str type = read_text(a, v);
        if (str_eqz(type, "float")) {
            return type;
        }
        first = first.ptr ? first : type;
    }
    return first;
}

/* Little-endian float32 in base64 as a JSON array of numbers. */
static void put_floats(struct json_writer *w, struct arena *a, const struct embedding_vector *v)
{
    char text[32];
    if (v->floats.ptr) {
        json_put_raw(w, v->floats);
        return;
    }
    struct str bytes = v->base64.ptr ? base64_bytes(a, v->base64) : STR_NONE;
    json_array_begin(w);
    for (size_t i = 0; bytes.ptr && i + 4 <= bytes.len; i += 4) {
        const uint8_t *p = (const uint8_t *)bytes.ptr + i;
        uint32_t bits = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        float number;
        memcpy(&number, &bits, sizeof(number));
        bool finite = (bits & 0x7f800000u) != 0x7f800000u;
        int n = snprintf(text, sizeof(text), "%.9g", finite ? (double)number : 0.0);
        json_put_raw(w, (struct str){text, (size_t)n});
    }
    json_array_end(w);
}

/* ---- Titan ---- */

static bool titan_decode_request(const struct wire_request *w, struct arena *a,
                                 struct embedding_request *ret, struct error *err)
{
    enum { TEXT, IMAGE, DIMENSIONS, NORMALIZE, TYPES, WANTED };
    static const char *const known[] = {"inputText", "inputImage",     "dimensions",
                                        "normalize", "embeddingTypes", NULL};
    struct json_member m[WANTED];
    struct embedding_request q = {.family = FAMILY_CONVERSE,
                                  .model = w->model,
                                  .single = true,
                                  .normalize = -1,
                                  .n_inputs = 1};
    struct str image;
    for (size_t i = 0; i < WANTED; i++) {
        m[i] = (struct json_member){.name = str_of(known[i])};
    }
    q.inputs = arena_zalloc(a, sizeof(*q.inputs));
    if (!q.inputs) {
        return out_of_room(err);
    }
    if (!json_scan(w->body, m, WANTED, 0, err) ||
        !read_text_member(a, &m[TEXT], "inputText", &q.inputs[0].text, err) ||
        !read_text_member(a, &m[IMAGE], "inputImage", &image, err) ||
        !read_u64_member(&m[DIMENSIONS], "dimensions", &q.dimensions, err) ||
        !read_bool_member(&m[NORMALIZE], "normalize", &q.normalize, err)) {
        return false;
    }
    if (!q.inputs[0].text.ptr && !image.ptr) {
        return wrong(err, "inputText", "must be a string");
    }
    q.inputs[0].has_image = image.ptr != NULL;
    q.inputs[0].image.data = image;
    if (read_there(&m[TYPES])) {
        q.encoding = wanted_type(a, m[TYPES].value);
    }
    if (!keep_extras(a, w->body, known, &q.extras, &q.n_extras)) {
        return out_of_room(err);
    }
    *ret = q;
    return true;
}

static bool titan_encode_request(const struct embedding_request *q,
                                 const struct exchange_context *x, struct arena *a,
                                 struct buffer *out, struct error *err)
{
    struct json_writer w;
    const struct embedding_input *in = &q->inputs[0];
    bool v2 = converse_model_is(x->model, "embed-text-v2"), own = q->family == FAMILY_CONVERSE;
    bool image = converse_model_is(x->model, "embed-image");
    (void)a;
    if (!in->text.ptr && !(in->has_image && in->image.data.ptr)) {
        return wrong(err, "input", "must be a text: token ids and URLs cannot be sent to Titan");
    }
    lose(x, in->has_image && in->text.ptr && !image && !own, "image");
    lose(x, q->dimensions && !v2 && !image && !own, "dimensions");
    lose(x, q->input_type.ptr, "input_type");
    lose(x, q->truncate.ptr, "truncate");
    lose(x, q->title.ptr, "title");
    lose(x, q->user.ptr, "user");
    json_writer_init(&w, out);
    json_object_begin(&w);
    if (in->text.ptr) {
        json_field_str(&w, "inputText", in->text);
    }
    if (in->has_image && in->image.data.ptr && (image || own || !in->text.ptr)) {
        json_field_str(&w, "inputImage", in->image.data);
    }
    if (q->dimensions && image) {
        json_name(&w, "embeddingConfig");
        json_object_begin(&w);
        json_field_u64(&w, "outputEmbeddingLength", q->dimensions);
        json_object_end(&w);
    } else if (q->dimensions && (v2 || own)) {
        json_field_u64(&w, "dimensions", q->dimensions);
    }
    if (q->normalize >= 0 && (v2 || own)) {
        json_field_bool(&w, "normalize", q->normalize);
    }
    for (size_t i = 0; own && i < q->n_extras; i++) {
        json_put_str(&w, q->extras[i].name);
        (void)buffer_append(out, ":", 1);
        w.after_name = true;
        json_put_raw(&w, q->extras[i].raw);
    }
    if (!own) {
        name_extras(q, x);
    }
    json_object_end(&w);
    return !out->failed || out_of_room(err);
}

static bool titan_decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                               struct embedding_reply *ret, struct error *err)
{
    struct json_value whole, v, types;
    struct embedding_vector *vector = arena_zalloc(a, sizeof(*vector));
    (void)x;
    if (!vector) {
        return out_of_room(err);
    }
    if (!read_json(body, &whole)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer is not JSON");
    }
    if ((read_get(whole, "embedding", &v) ||
         (read_get(whole, "embeddingsByType", &types) && read_get(types, "float", &v))) &&
        v.type == JSON_ARRAY) {
        vector->floats = v.raw;
    } else {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no embedding");
    }
    *ret = (struct embedding_reply){.vectors = vector, .n_vectors = 1};
    if (read_get(whole, "inputTextTokenCount", &v)) {
        ret->usage.found = ret->usage.input_found = true;
        ret->usage.input = read_get_u64(whole, "inputTextTokenCount");
    }
    return true;
}

static bool titan_encode_reply(const struct embedding_reply *r, const struct embedding_request *q,
                               const struct exchange_context *x, struct arena *a,
                               struct buffer *out)
{
    struct json_writer w;
    static const struct embedding_vector none;
    const struct embedding_vector *v = r->n_vectors ? &r->vectors[0] : &none;
    (void)x;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_name(&w, "embedding");
    put_floats(&w, a, v);
    if (q && q->encoding.ptr) {
        json_name(&w, "embeddingsByType");
        json_object_begin(&w);
        json_name(&w, "float");
        put_floats(&w, a, v);
        json_object_end(&w);
    }
    json_field_u64(&w, "inputTextTokenCount", r->usage.input);
    json_object_end(&w);
    return !out->failed;
}

const struct embedding_codec titan_embedding_codec = {
    .decode_request = titan_decode_request,
    .encode_request = titan_encode_request,
    .decode_reply = titan_decode_reply,
    .encode_reply = titan_encode_reply,
    .max_inputs = 1,
};

/* ---- Cohere ---- */

static bool add_inputs(struct arena *a, struct json_value list, bool images,
                       struct embedding_request *q, struct error *err)
{
    size_t n = 0, pos = 0;
    struct json_value v;
    while (json_next(list, &pos, NULL, &v)) {
        n++;
    }
    struct embedding_input *inputs = arena_zalloc(a, (q->n_inputs + n + 1) * sizeof(*inputs));
    if (!inputs) {
        return out_of_room(err);
    }
    if (q->n_inputs) {
        memcpy(inputs, q->inputs, q->n_inputs * sizeof(*inputs));
    }
    q->inputs = inputs;
    for (pos = 0; json_next(list, &pos, NULL, &v);) {
        struct embedding_input *in = &inputs[q->n_inputs++];
        struct str text = read_text(a, v);
        if (!text.ptr) {
            return wrong(err, images ? "images" : "texts", "must be a list of strings");
        }
        if (!images) {
            in->text = text;
        } else if (media_of_url(a, text, &in->image)) {
            in->has_image = true;
        } else {
            return wrong(err, "images", "must be a list of data URLs");
        }
    }
    return true;
}

static bool cohere_decode_request(const struct wire_request *w, struct arena *a,
                                  struct embedding_request *ret, struct error *err)
{
    enum { TEXTS, IMAGES, INPUT_TYPE, TRUNCATE, TYPES, DIMENSION, WANTED };
    static const char *const known[] = {
        "texts", "images", "input_type", "truncate", "embedding_types", "output_dimension", NULL};
    struct json_member m[WANTED];
    struct embedding_request q = {.family = FAMILY_COHERE, .model = w->model, .normalize = -1};
    for (size_t i = 0; i < WANTED; i++) {
        m[i] = (struct json_member){.name = str_of(known[i])};
    }
    if (!json_scan(w->body, m, WANTED, 0, err) ||
        !read_text_member(a, &m[INPUT_TYPE], "input_type", &q.input_type, err) ||
        !read_text_member(a, &m[TRUNCATE], "truncate", &q.truncate, err) ||
        !read_u64_member(&m[DIMENSION], "output_dimension", &q.dimensions, err)) {
        return false;
    }
    if ((read_there(&m[TEXTS]) && !add_inputs(a, m[TEXTS].value, false, &q, err)) ||
        (read_there(&m[IMAGES]) && !add_inputs(a, m[IMAGES].value, true, &q, err))) {
        return false;
    }
    if (q.n_inputs == 0) {
        return wrong(err, "texts", "must be a list of strings");
    }
    if (read_there(&m[TYPES])) {
        q.encoding = wanted_type(a, m[TYPES].value);
    }
    if (!keep_extras(a, w->body, known, &q.extras, &q.n_extras)) {
        return out_of_room(err);
    }
    *ret = q;
    return true;
}

static bool put_cohere_inputs(struct json_writer *w, const struct embedding_request *q,
                              struct arena *a, struct error *err)
{
    size_t texts = 0, images = 0;
    for (size_t i = 0; i < q->n_inputs; i++) {
        texts += q->inputs[i].text.ptr && !q->inputs[i].has_image;
        images += q->inputs[i].has_image && !q->inputs[i].text.ptr;
    }
    if (texts != q->n_inputs && images != q->n_inputs) {
        return wrong(err, "input", "must be texts alone or images alone for this provider");
    }
    json_name(w, images ? "images" : "texts");
    json_array_begin(w);
    for (size_t i = 0; i < q->n_inputs; i++) {
        json_put_str(w, images ? media_url(a, &q->inputs[i].image) : q->inputs[i].text);
    }
    json_array_end(w);
    if (images) {
        json_field_z(w, "input_type", "image");
    }
    return true;
}

static bool cohere_encode_request(const struct embedding_request *q,
                                  const struct exchange_context *x, struct arena *a,
                                  struct buffer *out, struct error *err)
{
    struct json_writer w;
    bool own = q->family == FAMILY_COHERE, v4 = converse_model_is(x->model, "embed-v4");
    json_writer_init(&w, out);
    json_object_begin(&w);
    if (!put_cohere_inputs(&w, q, a, err)) {
        return false;
    }
    /* the body does not go without it; documents are what is embedded most */
    if (!q->inputs[0].has_image) {
        json_field_str(&w, "input_type",
                       q->input_type.len ? q->input_type : STR_LIT("search_document"));
    }
    if (q->truncate.ptr) {
        json_field_str(&w, "truncate", q->truncate);
    }
    if (own && q->encoding.ptr) {
        json_name(&w, "embedding_types");
        json_array_begin(&w);
        json_put_str(&w, q->encoding);
        json_array_end(&w);
    }
    if (q->dimensions && (own || v4)) {
        json_field_u64(&w, "output_dimension", q->dimensions);
    }
    lose(x, q->dimensions && !own && !v4, "dimensions");
    lose(x, q->user.ptr, "user");
    lose(x, q->title.ptr, "title");
    lose(x, q->normalize >= 0, "normalize");
    for (size_t i = 0; own && i < q->n_extras; i++) {
        json_put_str(&w, q->extras[i].name);
        (void)buffer_append(out, ":", 1);
        w.after_name = true;
        json_put_raw(&w, q->extras[i].raw);
    }
    if (!own) {
        name_extras(q, x);
    }
    json_object_end(&w);
    return !out->failed || out_of_room(err);
}

static bool cohere_decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                                struct embedding_reply *ret, struct error *err)
{
    struct json_value whole, list, v;
    size_t n = 0, pos = 0;
    (void)x;
    if (!read_json(body, &whole) || !read_get(whole, "embeddings", &list)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no embeddings");
    }
    if (list.type == JSON_OBJECT && read_get(list, "float", &v)) {
        list = v;
    } else if (list.type == JSON_OBJECT && !json_next(list, &pos, NULL, &list)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no embeddings");
    }
    for (pos = 0; json_next(list, &pos, NULL, &v);) {
        n++;
    }
    *ret = (struct embedding_reply){.id = read_get_text(a, whole, "id")};
    ret->vectors = arena_zalloc(a, (n + 1) * sizeof(*ret->vectors));
    if (!ret->vectors) {
        return out_of_room(err);
    }
    for (pos = 0; json_next(list, &pos, NULL, &v);) {
        struct embedding_vector *vector = &ret->vectors[ret->n_vectors++];
        vector->base64 = read_text(a, v);
        vector->floats = v.type == JSON_ARRAY ? v.raw : STR_NONE;
    }
    return true;
}

static bool cohere_encode_reply(const struct embedding_reply *r, const struct embedding_request *q,
                                const struct exchange_context *x, struct arena *a,
                                struct buffer *out)
{
    struct json_writer w;
    bool by_type = q && q->encoding.ptr;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_str(&w, "id", r->id.ptr ? r->id : x->unique);
    json_name(&w, "embeddings");
    if (by_type) {
        json_object_begin(&w);
        json_name(&w, "float");
    }
    json_array_begin(&w);
    for (size_t i = 0; i < r->n_vectors; i++) {
        put_floats(&w, a, &r->vectors[i]);
    }
    json_array_end(&w);
    if (by_type) {
        json_object_end(&w);
    }
    json_field_z(&w, "response_type", by_type ? "embeddings_by_type" : "embeddings_floats");
    json_name(&w, "texts");
    json_array_begin(&w);
    for (size_t i = 0; q && i < q->n_inputs; i++) {
        if (q->inputs[i].text.ptr) {
            json_put_str(&w, q->inputs[i].text);
        }
    }
    json_array_end(&w);
    json_object_end(&w);
    return !out->failed;
}

const struct embedding_codec bedrock_cohere_embedding_codec = {
    .decode_request = cohere_decode_request,
    .encode_request = cohere_encode_request,
    .decode_reply = cohere_decode_reply,
    .encode_reply = cohere_encode_reply,
    .max_inputs = 96,
};
