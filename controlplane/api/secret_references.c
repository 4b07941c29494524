/* GET /secret-references: which names secrets may stand for, and whether they can be read; never
 * what they are, nor where. */
#include "controlplane/secrets/reference.h"

#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"

bool secret_reference_list_call(struct call *c, struct error *err)
{
    const struct api_context *context = c->context;
    struct json_writer *w = &c->json;
    struct reference_state *list;
    size_t n;
    if (!references_list(context->references,
                         uuid_is_nil(&c->organization) ? NULL : &c->organization, c->arena, &list,
                         &n)) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    json_object_begin(w);
    json_name(w, "data");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(w);
        json_field_str(w, "name", list[i].name);
        json_field_z(w, "source", list[i].source);
        json_field_bool(w, "resolves", list[i].resolves);
        json_field_bool(w, "stale", list[i].stale);
        reply_put_time(w, "read_at", list[i].read_at_ms);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
    return true;
}
