/* Reading a client's /v2/embed request; see cohere_embedding.h. */
#include <stdio.h>

#include "dataplane/canonical/read.h"
#include "dataplane/dialects/cohere_embedding.h"
#include "dataplane/dialects/cohere_inside.h"

enum { MODEL, TEXTS, IMAGES, INPUTS, INPUT_TYPE, TYPES, DIMENSION, TRUNCATE, COUNT };

static size_t length_of(const struct json_member *m)
{
    struct json_value item;
    size_t pos = 0, n = 0;
    while (read_there(m) && json_next(m->value, &pos, NULL, &item)) {
        n++;
    }
    return n;
}

static bool wrong(struct error *err, const char *list, size_t i, const char *behind,
                  const char *what)
{
    char param[64];
    (void)snprintf(param, sizeof(param), "%s[%zu]%s", list, i, behind);
    return error_set_param(err, ERR_INVALID_FIELD, param, "%s must be %s", param, what);
}

static bool read_image(struct arena *a, struct str url, struct embedding_input *in)
{
    in->has_image =
        url.len && media_of_url(a, url, &in->image) && (in->image.url.len || in->image.data.len);
    return in->has_image;
}

/* {"content": [{type: text, text}, {type: image_url, image_url: {url}}]} */
static bool read_input(struct arena *a, struct json_value v, size_t i, struct embedding_input *in,
                       struct error *err)
{
    struct json_value content, item, image;
    size_t pos = 0;
    if (!read_get(v, "content", &content) || content.type != JSON_ARRAY) {
        return wrong(err, "inputs", i, ".content", "an array");
    }
    while (json_next(content, &pos, NULL, &item)) {
        struct str type = read_get_text(a, item, "type");
        if (str_eqz(type, "text")) {
            struct str text = read_get_text(a, item, "text");
            in->text = in->text.len
                           ? arena_printf(a, "%.*s\n%.*s", STR_ARG(in->text), STR_ARG(text))
                           : text;
        } else if (str_eqz(type, "image_url") && read_get(item, "image_url", &image)) {
            struct str url =
                image.type == JSON_STRING ? read_text(a, image) : read_get_text(a, image, "url");
            if (!read_image(a, url, in)) {
                return wrong(err, "inputs", i, ".content", "texts and images");
            }
        } else {
            return wrong(err, "inputs", i, ".content", "texts and images");
        }
    }
    return in->text.ptr || in->has_image || wrong(err, "inputs", i, ".content", "texts and images");
}

static bool read_lists(struct arena *a, const struct json_member *m, struct embedding_request *q,
                       struct error *err)
{
    static const char *const names[] = {"texts", "images", "inputs"};
    size_t n = length_of(&m[TEXTS]) + length_of(&m[IMAGES]) + length_of(&m[INPUTS]);
    if (n == 0) {
        return error_set_param(err, ERR_INVALID_FIELD, "texts",
                               "one of texts, images and inputs must hold something");
    }
    q->inputs = arena_zalloc(a, n * sizeof(*q->inputs));
    if (!q->inputs) {
        return error_set(err, ERR_INTERNAL, "out of room for the texts");
    }
    for (unsigned list = 0; list < 3; list++) {
        const struct json_member *member = &m[TEXTS + list];
        struct json_value item;
        size_t pos = 0;
        if (read_there(member) && member->value.type != JSON_ARRAY) {
            return error_set_param(err, ERR_INVALID_FIELD, names[list], "%s must be an array",
                                   names[list]);
        }
        for (size_t i = 0; read_there(member) && json_next(member->value, &pos, NULL, &item); i++) {
            struct embedding_input *in = &q->inputs[q->n_inputs];
            bool ok = list == 2   ? read_input(a, item, i, in, err)
                      : list == 1 ? read_image(a, read_text(a, item), in) ||
                                        wrong(err, names[list], i, "", "a data URL")
                                  : (in->text = read_text(a, item)).ptr ||
                                        wrong(err, names[list], i, "", "a string");
            if (!ok) {
                return false;
            }
            q->n_inputs++;
        }
    }
    return true;
}

static bool read_types(struct arena *a, const struct json_member *m, struct embedding_request *q,
                       bool *ret_many, struct error *err)
{
    struct json_value item;
    size_t pos = 0;
    if (!read_there(m)) {
        return true;
    }
    if (m->value.type != JSON_ARRAY) {
        return error_set_param(err, ERR_INVALID_FIELD, "embedding_types",
                               "embedding_types must be an array");
    }
    for (size_t i = 0; json_next(m->value, &pos, NULL, &item); i++) {
        struct str type = read_text(a, item);
        if (!type.ptr) {
            return wrong(err, "embedding_types", i, "", "a string");
        }
        q->encoding = i == 0 ? type : q->encoding;
        *ret_many = i > 0;
    }
    return true;
}

bool cohere_embedding_decode(const struct wire_request *w, struct arena *a,
                             struct embedding_request *ret, struct error *err)
{
    struct json_member m[COUNT] = {{.name = STR_LIT("model")},
                                   {.name = STR_LIT("texts")},
                                   {.name = STR_LIT("images")},
                                   {.name = STR_LIT("inputs")},
                                   {.name = STR_LIT("input_type")},
                                   {.name = STR_LIT("embedding_types")},
                                   {.name = STR_LIT("output_dimension")},
                                   {.name = STR_LIT("truncate")}};
    struct embedding_request q = {.family = FAMILY_COHERE, .normalize = -1};
    struct json_value o, name, value;
    bool many = false;
    size_t pos = 0;
    if (!json_validate(w->body, 0, &o, err) || !json_members(o, m, COUNT, err) ||
        !read_text_member(a, &m[MODEL], "model", &q.model, err) || !read_lists(a, m, &q, err) ||
        !read_text_member(a, &m[INPUT_TYPE], "input_type", &q.input_type, err) ||
        !read_types(a, &m[TYPES], &q, &many, err) ||
        !read_u64_member(&m[DIMENSION], "output_dimension", &q.dimensions, err) ||
        !read_text_member(a, &m[TRUNCATE], "truncate", &q.truncate, err)) {
        return false;
    }
    q.model = w->model.ptr ? w->model : q.model;
    while (json_next(o, &pos, &name, &value)) {
        bool known = value.type == JSON_NULL;
        for (size_t i = 0; i < COUNT && !known; i++) {
            known = json_text_eq(name, m[i].name) && !(i == TYPES && many);
        }
        if (!known && !cohere_extra_add(a, &q.extras, &q.n_extras, name, value)) {
            return error_set(err, ERR_INTERNAL, "out of room for the request");
        }
    }
    *ret = q;
    return true;
}
