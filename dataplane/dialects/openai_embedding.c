/* OpenAI's embeddings, both sides. The official SDKs ask for base64 by themselves; where a provider
 * answers with numbers they are turned to little-endian float32, and back where a client wants
 * numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/canonical/read.h"
#include "dataplane/dialects/openai_answer.h"
#include "dataplane/dialects/openai_encoding.h"
#include "dataplane/dialects/openai_target.h"

#define NUMBER_MAX 40 /* bytes of a number that are looked at */

/* ---- the client's request ---- */

static bool bad(struct error *err, const char *param, const char *what)
{
    return error_set_param(err, ERR_INVALID_FIELD, param, "%s %s", param, what);
}

static bool read_list(struct arena *a, struct json_value list, struct embedding_request *q,
                      struct error *err)
{
    struct json_value item;
    char param[48];
    for (size_t pos = 0; json_next(list, &pos, NULL, &item);) {
        q->n_inputs++;
    }
    q->inputs = arena_zalloc(a, (q->n_inputs + 1) * sizeof(*q->inputs));
    if (!q->inputs) {
        return error_set(err, ERR_INTERNAL, "out of room for the request");
    }
    size_t i = 0;
    for (size_t pos = 0; json_next(list, &pos, NULL, &item); i++) {
        (void)snprintf(param, sizeof(param), "input[%zu]", i);
        if (item.type == JSON_STRING) {
            q->inputs[i].text = read_text(a, item);
        } else if (item.type == JSON_ARRAY) {
            q->inputs[i].tokens = item.raw;
        } else {
            return bad(err, param, "must be a string or an array of tokens");
        }
    }
    return q->n_inputs > 0 || bad(err, "input", "must not be empty");
}

static bool read_input(struct arena *a, struct json_value v, struct embedding_request *q,
                       struct error *err)
{
    struct json_value first;
    size_t pos = 0;
    bool tokens =
        v.type == JSON_ARRAY && json_next(v, &pos, NULL, &first) && first.type == JSON_NUMBER;
    if (v.type == JSON_ARRAY && !tokens) {
        return read_list(a, v, q, err);
    }
    if (v.type != JSON_STRING && !tokens) {
        return bad(err, "input", "must be a string or an array");
    }
    q->inputs = arena_zalloc(a, sizeof(*q->inputs));
    if (!q->inputs) {
        return error_set(err, ERR_INTERNAL, "out of room for the request");
    }
    q->n_inputs = 1;
    q->single = true;
    if (tokens) {
        q->inputs[0].tokens = v.raw;
    } else {
        q->inputs[0].text = read_text(a, v);
    }
    return true;
}

static bool add_extra(struct arena *a, struct embedding_request *q, size_t *cap, struct str name,
                      struct str raw)
{
    if (q->n_extras == *cap) {
        size_t n = *cap ? *cap * 2 : 8;
        struct extra *grown = arena_zalloc(a, n * sizeof(*grown));
        if (!grown) {
            return false;
        }
        if (q->n_extras) {
            memcpy(grown, q->extras, q->n_extras * sizeof(*grown));
        }
        q->extras = grown;
        *cap = n;
    }
    q->extras[q->n_extras++] = (struct extra){name, raw};
    return true;
}

static bool read_member_of(struct arena *a, struct json_value name, struct json_value v,
                           struct embedding_request *q, size_t *cap, struct error *err)
{
    struct json_member m = {.found = true, .value = v};
    if (json_text_eq(name, STR_LIT("model"))) {
        return read_text_member(a, &m, "model", &q->model, err);
    }
    if (json_text_eq(name, STR_LIT("input"))) {
        return read_input(a, v, q, err);
    }
    if (json_text_eq(name, STR_LIT("dimensions"))) {
        return read_u64_member(&m, "dimensions", &q->dimensions, err);
    }
    if (json_text_eq(name, STR_LIT("encoding_format"))) {
        return read_text_member(a, &m, "encoding_format", &q->encoding, err);
    }
    if (json_text_eq(name, STR_LIT("user"))) {
        return read_text_member(a, &m, "user", &q->user, err);
    }
    if (json_text_eq(name, STR_LIT("input_type"))) { /* NVIDIA's, Voyage's, LiteLLM's */
        return read_text_member(a, &m, "input_type", &q->input_type, err);
    }
    struct str text = read_text(a, name);
    return (text.ptr && add_extra(a, q, cap, text, v.raw)) ||
           error_set(err, ERR_INTERNAL, "out of room for the request");
}

static bool decode_request(const struct wire_request *w, struct arena *a,
                           struct embedding_request *ret, struct error *err)
{
    struct json_value top, name, v;
    size_t cap = 0;
    *ret = (struct embedding_request){.family = FAMILY_CHAT, .normalize = -1};
    if (!json_scan(w->body, NULL, 0, 0, err)) {
        return false;
    }
    top = (struct json_value){JSON_OBJECT, false, str_trim(w->body)};
    for (size_t pos = 0; json_next(top, &pos, &name, &v);) {
        if (v.type != JSON_NULL && !read_member_of(a, name, v, ret, &cap, err)) {
            return false;
        }
    }
    if (w->model.ptr) {
        ret->model = w->model;
    }
    return ret->n_inputs > 0 || bad(err, "input", "is missing");
}

/* ---- the provider's request ---- */

static void lose(const struct exchange_context *x, bool is, const char *name)
{
    if (is && x->losses) {
        losses_add_name(x->losses, str_of(name));
    }
}

static bool put_inputs(struct json_writer *w, const struct embedding_request *q, struct error *err)
{
    char param[48];
    bool list = !q->single || q->n_inputs != 1;
    json_name(w, "input");
    if (list) {
        json_array_begin(w);
    }
    for (size_t i = 0; i < q->n_inputs; i++) {
        const struct embedding_input *in = &q->inputs[i];
        if (in->has_image || (!in->text.ptr && !in->tokens.ptr)) {
            (void)snprintf(param, sizeof(param), "input[%zu]", i);
            return bad(err, param, "is of a kind that this model cannot be given");
        }
        if (in->text.ptr) {
            json_put_str(w, in->text);
        } else {
            json_put_raw(w, in->tokens);
        }
    }
    if (list) {
        json_array_end(w);
    }
    return true;
}

static bool encode_request(const struct embedding_request *q, const struct exchange_context *x,
                           struct arena *a, struct buffer *out, struct error *err)
{
    struct json_writer w;
    bool own = q->family == FAMILY_CHAT;
    (void)a;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_str(&w, "model", x->model);
    if (!put_inputs(&w, q, err)) {
        return false;
    }
    if (q->dimensions) {
        json_field_u64(&w, "dimensions", q->dimensions);
    }
    /* few others know base64: it is made here of what they send */
    bool base64 = str_eqz(q->encoding, "base64") && !openai_target_is_openai(x);
    if (q->encoding.len && !base64 &&
        (own || str_eqz(q->encoding, "float") || str_eqz(q->encoding, "base64"))) {
        json_field_str(&w, "encoding_format", q->encoding);
    } else if (!base64) {
        lose(x, q->encoding.len > 0, "embedding_types");
    }
    if (q->user.ptr) {
        json_field_str(&w, "user", q->user);
    }
    if (own && q->input_type.ptr) {
        json_field_str(&w, "input_type", q->input_type);
    }
    lose(x, !own && q->input_type.ptr, "input_type");
    lose(x, q->title.ptr != NULL, "title");
    lose(x, q->truncate.ptr != NULL && !str_eqz(q->truncate, "NONE"), "truncate");
    lose(x, q->normalize >= 0, "normalize");
    for (size_t i = 0; i < q->n_extras; i++) {
        char name[128];
        if (own && q->extras[i].name.len < sizeof(name) &&
            !memchr(q->extras[i].name.ptr, '\0', q->extras[i].name.len)) {
            memcpy(name, q->extras[i].name.ptr, q->extras[i].name.len);
            name[q->extras[i].name.len] = '\0';
            json_name(&w, name);
            json_put_raw(&w, q->extras[i].raw);
        } else if (x->losses) {
            losses_add_name(x->losses, q->extras[i].name);
        }
    }
    json_object_end(&w);
    return !out->failed || error_set(err, ERR_INTERNAL, "out of room for the request");
}

/* ---- answers ---- */

static bool decode_reply(struct str body, const struct exchange_context *x, struct arena *a,
                         struct embedding_reply *ret, struct error *err)
{
    struct json_value top, data, o, v;
    struct embedding_reply r = {.n_vectors = 0};
    size_t n = 0, i = 0;
    if (!json_validate(body, 0, &top, NULL) || !read_get(top, "data", &data) ||
        data.type != JSON_ARRAY) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's answer holds no embeddings");
    }
    for (size_t pos = 0; json_next(data, &pos, NULL, &o);) {
        n++;
    }
    r.vectors = arena_zalloc(a, (n + 1) * sizeof(*r.vectors));
    if (!r.vectors) {
        return error_set(err, ERR_INTERNAL, "out of room for the answer");
    }
    for (size_t pos = 0; json_next(data, &pos, NULL, &o); i++) {
        /* entries say which input they are of; few providers leave that out */
        uint64_t at = read_get(o, "index", &v) ? read_get_u64(o, "index") : i;
        if (at >= n || !read_get(o, "embedding", &v)) {
            return error_set(err, ERR_UPSTREAM_GARBAGE, "provider's embedding %zu is not one", i);
        }
        if (v.type == JSON_STRING) {
            r.vectors[at].base64 = read_text(a, v);
        } else {
            r.vectors[at].floats = v.raw;
        }
    }
    r.n_vectors = n;
    r.id = read_get_text(a, top, "id");
    r.model = read_get_text(a, top, "model");
    if (read_get(top, "usage", &v)) {
        (void)openai_read_usage(v, x, &r.usage);
    }
    *ret = r;
    return true;
}

struct str openai_floats_base64(struct arena *a, struct str floats)
{
    struct json_value list, v;
    size_t n = 0;
    if (!read_json(floats, &list) || list.type != JSON_ARRAY) {
        return STR_NONE;
    }
    for (size_t pos = 0; json_next(list, &pos, NULL, &v);) {
        n++;
    }
    unsigned char *bytes = arena_alloc(a, n * 4 + 1), *at = bytes;
    for (size_t pos = 0; bytes && json_next(list, &pos, NULL, &v);) {
        char text[NUMBER_MAX + 1];
        size_t len = v.raw.len < NUMBER_MAX ? v.raw.len : NUMBER_MAX;
        uint32_t bits;
        memcpy(text, v.raw.ptr, len);
        text[len] = '\0';
        float f = v.type == JSON_NUMBER ? strtof(text, NULL) : 0.0f;
        memcpy(&bits, &f, sizeof(bits));
        for (unsigned shift = 0; shift < 32; shift += 8) {
            *at++ = (unsigned char)(bits >> shift);
        }
    }
    return bytes ? base64_text(a, (struct str){(char *)bytes, n * 4}) : STR_NONE;
}

struct str openai_base64_floats(struct arena *a, struct str text)
{
    struct str bytes = base64_bytes(a, text);
    size_t n = bytes.len / 4, len = 0, cap = n * 20 + 3;
    char *out = bytes.ptr ? arena_alloc(a, cap) : NULL;
    if (!out || bytes.len % 4) {
        return STR_NONE;
    }
    out[len++] = '[';
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = 0;
        float f;
        for (unsigned k = 0; k < 4; k++) {
            bits |= (uint32_t)(unsigned char)bytes.ptr[i * 4 + k] << (8 * k);
        }
        memcpy(&f, &bits, sizeof(f));
        /* nine digits bring back the same float; JSON has no infinities */
        len += (size_t)snprintf(out + len, cap - len, "%s%.9g", i ? "," : "",
                                isfinite(f) ? (double)f : 0.0);
    }
    out[len++] = ']';
    return (struct str){out, len};
}

static bool put_vector(struct json_writer *w, const struct embedding_vector *v, bool base64,
                       struct arena *a)
{
    struct str text = v->base64, floats = v->floats;
    if (base64 && !text.ptr) {
        text = openai_floats_base64(a, floats);
    } else if (!base64 && !floats.ptr) {
        floats = openai_base64_floats(a, text);
    }
    if (base64) {
        json_put_str(w, text);
        return text.ptr != NULL;
    }
    json_put_raw(w, floats.ptr ? floats : STR_LIT("[]"));
    return floats.ptr != NULL;
}

static bool encode_reply(const struct embedding_reply *r, const struct embedding_request *q,
                         const struct exchange_context *x, struct arena *a, struct buffer *out)
{
    struct json_writer w;
    bool base64 = str_eqz(q->encoding, "base64"), ok = true;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_z(&w, "object", "list");
    json_name(&w, "data");
    json_array_begin(&w);
    for (size_t i = 0; i < r->n_vectors; i++) {
        json_object_begin(&w);
        json_field_z(&w, "object", "embedding");
        json_field_u64(&w, "index", i);
        json_name(&w, "embedding");
        ok &= put_vector(&w, &r->vectors[i], base64, a);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_field_str(&w, "model", r->model.len ? r->model : x->model);
    json_name(&w, "usage");
    json_object_begin(&w);
    json_field_u64(&w, "prompt_tokens", r->usage.input);
    json_field_u64(&w, "total_tokens", usage_total(&r->usage));
    json_object_end(&w);
    json_object_end(&w);
    return ok && !out->failed;
}

const struct embedding_codec openai_embedding_codec = {
    .decode_request = decode_request,
    .encode_request = encode_request,
    .decode_reply = decode_reply,
    .encode_reply = encode_reply,
    .max_inputs = 2048,
};
