/* embedContent and batchEmbedContents; see dialect.h and gemini_embed.h. */
#include "dataplane/dialects/gemini_embed.h"

#include <stdio.h>

/* ---- shared with Vertex ---- */

static const struct {
    const char *google, *cohere;
    bool same; /* the two words say the same */
} tasks[] = {
    {"RETRIEVAL_QUERY", "search_query", true},
    {"RETRIEVAL_DOCUMENT", "search_document", true},
    {"CLASSIFICATION", "classification", true},
    {"CLUSTERING", "clustering", true},
    {"QUESTION_ANSWERING", "search_query", false},
    {"FACT_VERIFICATION", "search_query", false},
    {"CODE_RETRIEVAL_QUERY", "search_query", false},
};

bool gemini_embed_extra(struct arena *a, struct embedding_request *q, size_t *cap, struct str name,
                        struct str raw)
{
    if (q->n_extras == *cap) {
        size_t more = *cap ? 2 * *cap : 8;
        struct extra *list = arena_alloc(a, more * sizeof(*list));
        if (!list) {
            return false;
        }
        if (q->n_extras) {
            memcpy(list, q->extras, q->n_extras * sizeof(*list));
        }
        q->extras = list;
        *cap = more;
    }
    q->extras[q->n_extras++] = (struct extra){name, raw};
    return true;
}

bool gemini_task_read(struct arena *a, struct embedding_request *q, size_t *cap, struct str word)
{
    if (word.len == 0 || str_eqz(word, "TASK_TYPE_UNSPECIFIED")) {
        return true;
    }
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
        if (str_eq_nocase(word, str_of(tasks[i].google))) {
            q->input_type = str_of(tasks[i].cohere);
            if (tasks[i].same) {
                return true;
            }
            break;
        }
    }
    struct buffer out;
    struct json_writer w;
    buffer_init(&out, 6 * word.len + 16);
    json_writer_init(&w, &out);
    json_put_str(&w, word);
    struct str raw = arena_str(a, buffer_str(&out));
    buffer_release(&out);
    return raw.ptr && gemini_embed_extra(a, q, cap, STR_LIT("taskType"), raw);
}

struct str gemini_task_word(struct arena *a, const struct embedding_request *q)
{
    for (size_t i = 0; q->family == FAMILY_GEMINI && i < q->n_extras; i++) {
        struct json_value v;
        if (str_eqz(q->extras[i].name, "taskType") && read_json(q->extras[i].raw, &v)) {
            return read_text(a, v);
        }
    }
    for (size_t i = 0; q->input_type.ptr && i < sizeof(tasks) / sizeof(tasks[0]); i++) {
        if (str_eq_nocase(q->input_type, str_of(tasks[i].cohere))) {
            return str_of(tasks[i].google);
        }
    }
    return STR_NONE;
}

bool gemini_embed_losses(const struct embedding_request *q, const struct exchange_context *x,
                         struct error *err)
{
    char param[64];
    for (size_t i = 0; i < q->n_inputs; i++) {
        if (!q->inputs[i].text.ptr && !q->inputs[i].has_image) {
            (void)snprintf(param, sizeof(param), "input[%zu]", i);
            return error_set_param(err, ERR_INVALID_FIELD, param,
                                   "%s holds token ids, which this model does not take", param);
        }
    }
    if (!x->losses) {
        return true;
    }
    if (q->user.len > 0) {
        losses_add_name(x->losses, STR_LIT("user"));
    }
    if (q->normalize >= 0 && q->family != FAMILY_GEMINI) {
        losses_add_name(x->losses, STR_LIT("normalize"));
    }
    if (q->encoding.ptr && !str_eqz(q->encoding, "float") && !str_eqz(q->encoding, "base64")) {
        losses_add_name(x->losses, q->family == FAMILY_COHERE ? STR_LIT("embedding_types")
                                                              : STR_LIT("encoding_format"));
    }
    for (size_t i = 0; q->family != FAMILY_GEMINI && i < q->n_extras; i++) {
        losses_add_name(x->losses, q->extras[i].name);
    }
    return true;
}

bool gemini_put_vector(struct json_writer *w, struct arena *a, const struct embedding_vector *v)
{
    if (v->floats.ptr) {
        json_put_raw(w, v->floats);
        return true;
    }
    struct str bytes = v->base64.ptr ? base64_bytes(a, v->base64) : STR_NONE;
    if (!bytes.ptr || bytes.len % 4 != 0) {
        return false;
    }
    json_array_begin(w);
    for (size_t i = 0; i < bytes.len; i += 4) {
        const unsigned char *p = (const unsigned char *)bytes.ptr + i;
        uint32_t bits =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        float number;
        char text[40];
        memcpy(&number, &bits, sizeof(number));
        if ((bits >> 23 & 0xff) == 0xff) {
            number = 0; /* JSON has neither infinities nor NaN */
        }
        int n = snprintf(text, sizeof(text), "%.9g", (double)number);
        json_put_raw(w, (struct str){text, (size_t)n});
    }
    json_array_end(w);
    return true;
}

/* ---- requests in ---- */

enum { CONTENT, TASK, TITLE, DIMENSIONS, MODEL, MEMBERS };

struct embed_reader {
    struct arena *a;
    struct embedding_request *q;
    size_t cap_inputs, cap_extras;
    struct error *err;
};

static bool no_room(struct embed_reader *r)
{
    return error_set(r->err, ERR_INTERNAL, "out of room for the request");
}

static struct embedding_input *input_add(struct embed_reader *r)
{
    struct embedding_request *q = r->q;
    if (q->n_inputs == r->cap_inputs) {
        size_t more = r->cap_inputs ? 2 * r->cap_inputs : 8;
        struct embedding_input *list = arena_alloc(r->a, more * sizeof(*list));
        if (!list) {
            return NULL;
        }
        if (q->n_inputs) {
            memcpy(list, q->inputs, q->n_inputs * sizeof(*list));
        }
        q->inputs = list;
        r->cap_inputs = more;
    }
    q->inputs[q->n_inputs] = (struct embedding_input){.has_image = false};
    return &q->inputs[q->n_inputs++];
}

static bool content_read(struct embed_reader *r, struct json_value content, const char *path)
{
    struct part *parts = NULL;
    size_t n = 0;
    struct embedding_input *in = input_add(r);
    if (!in) {
        return no_room(r);
    }
    if (!gemini_system_read(content, r->a, &parts, &n, r->err)) {
        return error_set_param(r->err, ERR_INVALID_FIELD, path, "%s is not a content", path);
    }
    for (size_t i = 0; i < n; i++) {
        if (parts[i].type == PART_IMAGE && !in->has_image) {
            in->has_image = true;
            in->image = parts[i].media;
        } else if (parts[i].type != PART_TEXT) {
            return error_set_param(r->err, ERR_INVALID_FIELD, path,
                                   "%s may hold texts and one image", path);
        }
    }
    if (n == 0) {
        return error_set_param(r->err, ERR_INVALID_FIELD, path, "%s must have parts", path);
    }
    if (n > (in->has_image ? 1u : 0u)) {
        in->text = parts_text(r->a, parts, n, STR_LIT("\n"), NULL);
    }
    return true;
}

static bool one_read(struct embed_reader *r, struct json_value v, size_t index, bool batch)
{
    struct json_member m[MEMBERS] = {
        [CONTENT] = {.name = STR_LIT("content")},
        [TASK] = {.name = STR_LIT("taskType")},
        [TITLE] = {.name = STR_LIT("title")},
        [DIMENSIONS] = {.name = STR_LIT("outputDimensionality")},
        [MODEL] = {.name = STR_LIT("model")},
    };
    struct json_value name, value;
    char path[64];
    size_t pos = 0;
    (void)snprintf(path, sizeof(path), batch ? "requests[%zu].content" : "content", index);
    if (v.type != JSON_OBJECT || !gemini_members(v, m, MEMBERS) || !m[CONTENT].found) {
        return error_set_param(r->err, ERR_INVALID_FIELD, path, "%s must be given once", path);
    }
    if (!content_read(r, m[CONTENT].value, path)) {
        return false;
    }
    if (index > 0) {
        return true; /* what the first says holds for all */
    }
    if (!r->q->model.ptr) {
        r->q->model = gemini_model_name(read_member(r->a, &m[MODEL]));
    }
    if (!gemini_task_read(r->a, r->q, &r->cap_extras, read_member(r->a, &m[TASK]))) {
        return no_room(r);
    }
    r->q->title = read_member(r->a, &m[TITLE]);
    while (json_next(v, &pos, &name, &value)) {
        bool known = value.type == JSON_NULL;
        for (size_t i = 0; i < MEMBERS && !known; i++) {
            known = gemini_name_is(name, m[i].name);
        }
        struct str text = known ? STR_NONE : read_text(r->a, name);
        if (!known &&
            (!text.ptr || !gemini_embed_extra(r->a, r->q, &r->cap_extras, text, value.raw))) {
            return no_room(r);
        }
    }
    return read_u64_member(&m[DIMENSIONS], "outputDimensionality", &r->q->dimensions, r->err);
}

static bool decode_request(const struct wire_request *w, struct arena *a,
                           struct embedding_request *ret, struct error *err)
{
    struct embedding_request q = {.family = FAMILY_GEMINI, .model = w->model, .normalize = -1};
    struct embed_reader r = {.a = a, .q = &q, .err = err};
    struct json_value v, list, one;
    size_t pos = 0, i = 0;
    if (!json_validate(w->body, 0, &v, err)) {
        return false;
    }
    if (v.type != JSON_OBJECT) {
        return error_set(err, ERR_INVALID_JSON, "body must be a JSON object");
    }
    if (!gemini_get(v, "requests", &list)) {
        q.single = true;
        if (!one_read(&r, v, 0, false)) {
            return false;
        }
    } else {
        while (json_next(list, &pos, NULL, &one)) {
            if (!one_read(&r, one, i++, true)) {
                return false;
            }
        }
        if (i == 0) {
            return error_set_param(err, ERR_INVALID_FIELD, "requests",
                                   "requests must not be empty");
        }
    }
    *ret = q;
    return true;
}

/* ---- requests out ---- */

static void put_one(struct json_writer *w, struct arena *a, const struct embedding_request *q,
                    const struct exchange_context *x, const struct embedding_input *in)
{
    struct str name = gemini_model_name(x->model), task = gemini_task_word(a, q);
    json_object_begin(w);
    json_field_str(w, "model", arena_printf(a, "models/%.*s", STR_ARG(name)));
    json_name(w, "content");
    json_object_begin(w);
    json_name(w, "parts");
    json_array_begin(w);
    if (in->text.ptr) {
        json_object_begin(w);
        json_field_str(w, "text", in->text);
        json_object_end(w);
    }
    if (in->has_image) {
        bool data = in->image.data.ptr != NULL;
        json_object_begin(w);
        json_name(w, data ? "inlineData" : "fileData");
        json_object_begin(w);
        json_field_str(w, "mimeType",
                       in->image.media_type.ptr ? in->image.media_type : STR_LIT("image/png"));
        json_field_str(w, data ? "data" : "fileUri",
                       data                ? in->image.data
                       : in->image.url.ptr ? in->image.url
                                           : in->image.file_id);
        json_object_end(w);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
    if (task.ptr) {
        json_field_str(w, "taskType", task);
    }
    if (q->title.ptr) {
        json_field_str(w, "title", q->title);
    }
    if (q->dimensions > 0) {
        json_field_u64(w, "outputDimensionality", q->dimensions);
    }
    json_object_end(w);
}

static bool encode_request(const struct embedding_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err)
{
    struct json_writer w;
    if (!gemini_embed_losses(q, x, err)) {
        return false;
    }
    if (q->truncate.ptr && x->losses) {
        losses_add_name(x->losses, STR_LIT("truncate"));
    }
    json_writer_init(&w, out);
    if (q->single && q->n_inputs == 1) {
        put_one(&w, a, q, x, &q->inputs[0]);
    } else {
        json_object_begin(&w);
        json_name(&w, "requests");
        json_array_begin(&w);
        for (size_t i = 0; i < q->n_inputs; i++) {
            put_one(&w, a, q, x, &q->inputs[i]);
        }
        json_array_end(&w);
        json_object_end(&w);
    }
    return !out->failed || error_set(err, ERR_INTERNAL, "out of room for the provider's request");
}

/* ---- answers ---- */

static bool decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct embedding_reply *ret, struct error *err)
{
    struct embedding_reply r = {.n_vectors = 0};
    struct json_value v, list, one, values, usage;
    size_t pos = 0, n = 0;
    (void)x;
    if (!json_validate(body, 0, &v, NULL)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer is not JSON");
    }
    bool many = gemini_get(v, "embeddings", &list) && list.type == JSON_ARRAY;
    if (!many && !gemini_get(v, "embedding", &list)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no embeddings");
    }
    while (many && json_next(list, &pos, NULL, &one)) {
        n++;
    }
    r.vectors = arena_zalloc(a, (n + 1) * sizeof(*r.vectors));
    if (!r.vectors) {
        return error_set(err, ERR_INTERNAL, "out of room for the answer");
    }
    pos = 0;
    one = list;
    while (many ? json_next(list, &pos, NULL, &one) : r.n_vectors == 0) {
        if (!gemini_get(one, "values", &values) || values.type != JSON_ARRAY) {
            return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer has no values");
        }
        r.vectors[r.n_vectors++].floats = values.raw;
    }
    if (gemini_get(v, "usageMetadata", &usage)) {
        gemini_usage_read(usage, &r.usage);
    }
    *ret = r;
    return true;
}

static bool put_values(struct json_writer *w, struct arena *a, const struct embedding_vector *v)
{
    json_object_begin(w);
    json_name(w, "values");
    bool ok = gemini_put_vector(w, a, v);
    json_object_end(w);
    return ok;
}

static bool encode_reply(const struct embedding_reply *r, const struct embedding_request *q,
                         const struct exchange_context *x, struct arena *a, struct buffer *out)
{
    struct json_writer w;
    (void)x;
    json_writer_init(&w, out);
    json_object_begin(&w);
    if (q && q->single && r->n_vectors == 1) {
        json_name(&w, "embedding");
        if (!put_values(&w, a, &r->vectors[0])) {
            return false;
        }
    } else {
        json_name(&w, "embeddings");
        json_array_begin(&w);
        for (size_t i = 0; i < r->n_vectors; i++) {
            if (!put_values(&w, a, &r->vectors[i])) {
                return false;
            }
        }
        json_array_end(&w);
    }
    if (r->usage.found) {
        json_name(&w, "usageMetadata");
        json_object_begin(&w);
        json_field_u64(&w, "promptTokenCount", r->usage.input);
        json_field_u64(&w, "totalTokenCount", usage_total(&r->usage));
        json_object_end(&w);
    }
    json_object_end(&w);
    return !out->failed;
}

const struct embedding_codec gemini_embedding_codec = {
    .decode_request = decode_request,
    .encode_request = encode_request,
    .decode_reply = decode_reply,
    .encode_reply = encode_reply,
    .max_inputs = 100,
};
