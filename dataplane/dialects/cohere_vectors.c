/* Embeddings between numbers and base64; see cohere_vectors.h. */
#include "dataplane/dialects/cohere_vectors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/canonical/read.h"

#define NUMBER_MAX 64 /* bytes of a float's text that can matter */
#define WRITTEN_MAX 18

static float number_of(struct json_value v)
{
    char text[NUMBER_MAX];
    size_t n = v.raw.len < sizeof(text) - 1 ? v.raw.len : sizeof(text) - 1;
    if (v.type != JSON_NUMBER) {
        return 0;
    }
    memcpy(text, v.raw.ptr, n);
    text[n] = '\0';
    float f = strtof(text, NULL);
    return isfinite(f) ? f : 0;
}

struct str vector_floats(struct arena *a, const struct embedding_vector *v)
{
    if (v->floats.ptr || !v->base64.ptr) {
        return v->floats;
    }
    struct str bytes = base64_bytes(a, v->base64);
    if (!bytes.ptr || bytes.len % 4 != 0) {
        return STR_NONE;
    }
    char *out = arena_alloc(a, bytes.len / 4 * WRITTEN_MAX + 3);
    size_t at = 0;
    if (!out) {
        return STR_NONE;
    }
    out[at++] = '[';
    for (size_t i = 0; i < bytes.len; i += 4) {
        const uint8_t *p = (const uint8_t *)bytes.ptr + i;
        uint32_t bits = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        float f;
        memcpy(&f, &bits, sizeof(f));
        if (i) {
            out[at++] = ',';
        }
        at += (size_t)snprintf(out + at, WRITTEN_MAX - 1, "%.9g", isfinite(f) ? (double)f : 0.0);
    }
    out[at++] = ']';
    out[at] = '\0';
    return (struct str){out, at};
}

struct str vector_base64(struct arena *a, const struct embedding_vector *v)
{
    struct json_value list, item;
    size_t pos = 0, n = 0, at = 0;
    if (v->base64.ptr || !v->floats.ptr) {
        return v->base64;
    }
    if (!read_json(v->floats, &list) || list.type != JSON_ARRAY) {
        return STR_NONE;
    }
    while (json_next(list, &pos, NULL, &item)) {
        n++;
    }
    uint8_t *bytes = arena_alloc(a, n * 4 + 1);
    if (!bytes) {
        return STR_NONE;
    }
    for (pos = 0; json_next(list, &pos, NULL, &item);) {
        float f = number_of(item);
        uint32_t bits;
        memcpy(&bits, &f, sizeof(bits));
        for (unsigned shift = 0; shift < 32; shift += 8) {
            bytes[at++] = (uint8_t)(bits >> shift);
        }
    }
    return base64_text(a, (struct str){(const char *)bytes, at});
}
