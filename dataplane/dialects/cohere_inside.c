/* What Cohere's embeddings and reranking share; see cohere_inside.h. */
#include "dataplane/dialects/cohere_inside.h"

#include "dataplane/canonical/read.h"

/* The room is the next power of two, from 4 on. */
bool cohere_extra_add(struct arena *a, struct extra **list, size_t *n, struct json_value name,
                      struct json_value value)
{
    bool full = *n == 0 || (*n >= 4 && (*n & (*n - 1)) == 0);
    struct str text = read_text(a, name);
    if (full) {
        struct extra *bigger = arena_alloc(a, (*n ? *n * 2 : 4) * sizeof(*bigger));
        if (!bigger) {
            return false;
        }
        if (*n) {
            memcpy(bigger, *list, *n * sizeof(*bigger));
        }
        *list = bigger;
    }
    (*list)[(*n)++] = (struct extra){text, value.raw};
    return text.ptr != NULL;
}

void cohere_put_extras(struct json_writer *w, struct arena *a, const struct extra *list, size_t n,
                       enum family family, const struct exchange_context *x)
{
    for (size_t i = 0; i < n; i++) {
        struct str name = family == FAMILY_COHERE ? arena_str(a, list[i].name) : STR_NONE;
        if (name.ptr) {
            json_name(w, name.ptr);
            json_put_raw(w, list[i].raw);
        } else {
            losses_add_name(x->losses, list[i].name);
        }
    }
}

struct str cohere_id(struct arena *a, const struct exchange_context *x)
{
    const char *u = x->unique.ptr;
    if (x->unique.len != 32) {
        return x->request_id.ptr ? x->request_id : STR_LIT("");
    }
    return arena_printf(a, "%.8s-%.4s-%.4s-%.4s-%.12s", u, u + 8, u + 12, u + 16, u + 20);
}

void cohere_put_meta(struct json_writer *w, const struct usage *u)
{
    json_name(w, "meta");
    json_object_begin(w);
    json_name(w, "api_version");
    json_object_begin(w);
    json_field_z(w, "version", "2");
    json_object_end(w);
    if (u->found) {
        json_name(w, "billed_units");
        json_object_begin(w);
        if (u->input_found) {
            json_field_u64(w, "input_tokens", u->input);
        }
        if (u->output_found) {
            json_field_u64(w, "output_tokens", u->output);
        }
        if (u->searches) {
            json_field_u64(w, "search_units", u->searches);
        }
        json_object_end(w);
    }
    json_object_end(w);
}
