/* Where in the text each value of a body's tree stands. Documents are stored as they were sent, and
 * jansson tells no positions; it keeps the order of members, so our own scanner's walk over the
 * bytes goes in step with its tree. A file of its own, since the two libraries' names of types
 * clash. */
#include "common/json.h"
#include "controlplane/http/body.h"

static void fill(struct json_value j, struct body_value *v)
{
    struct json_value name, item;
    size_t pos = 0;
    v->raw = j.raw;
    for (size_t i = 0; i < v->n && json_next(j, &pos, &name, &item); i++) {
        fill(item, &v->items[i]);
    }
}

void body_fill_raw(struct str text, struct body_value *v)
{
    struct json_value j;
    struct error ignored = ERROR_INIT;
    if (json_validate(text, 0, &j, &ignored)) {
        fill(j, v);
    }
}
