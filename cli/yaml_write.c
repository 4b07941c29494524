/* Only what JSON can say, so each text is either plain beyond doubt or a JSON string, which YAML
 * reads alike. */
#include "cli/yaml_write.h"

#include "common/base/mem.h"
#include "common/json.h"

#define DEPTH_MAX 16

static bool is_plain(const char *z)
{
    /* words that some YAML reader takes for a truth value or for nothing */
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on",
                                        "off",  "y",     "n",    "nan", "inf"};
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t first = strspn(z, letters);
    if (first == 0 ||
        z[strspn(z, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-")] ||
        strlen(z) > 200) {
        return false;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (str_eq_nocase(str_of(z), str_of(words[i]))) {
            return false;
        }
    }
    return true;
}

static void put_text(struct buffer *b, const char *z)
{
    struct json_writer w;
    if (is_plain(z)) {
        buffer_append_z(b, z);
    } else {
        json_writer_init(&w, b);
        json_put_z(&w, z);
    }
}

static void put_scalar(struct buffer *b, const struct document *d)
{
    if (document_type(d) == DOCUMENT_TEXT) {
        put_text(b, document_text(d, ""));
    } else {
        char *text = document_dump(d);
        buffer_append_z(b, text);
        mem_free(text);
    }
}

static bool is_scalar(const struct document *d)
{
    return document_type(d) != DOCUMENT_LIST && document_type(d) != DOCUMENT_OBJECT;
}

/* [a, {b: c}] in one line. */
static void put_flow(struct buffer *b, const struct document *d, unsigned depth)
{
    const void *pos = NULL;
    const char *name, *comma = "";
    const struct document *value;
    if (is_scalar(d) || depth > DEPTH_MAX) {
        put_scalar(b, d);
        return;
    }
    bool list = document_type(d) == DOCUMENT_LIST;
    buffer_append_z(b, list ? "[" : "{");
    for (size_t i = 0; list && i < document_count(d); i++) {
        buffer_append_z(b, i ? ", " : "");
        put_flow(b, document_at(d, i), depth + 1);
    }
    while (!list && document_next(d, &pos, &name, &value)) {
        buffer_append_z(b, comma);
        put_text(b, name);
        buffer_append_z(b, ": ");
        put_flow(b, value, depth + 1);
        comma = ", ";
    }
    buffer_append_z(b, list ? "]" : "}");
}

static void put_indent(struct buffer *b, unsigned indent)
{
    for (unsigned i = 0; i < indent; i++) {
        buffer_append_z(b, " ");
    }
}

static bool holds_objects(const struct document *list)
{
    return document_type(list) == DOCUMENT_LIST &&
           document_type(document_at(list, 0)) == DOCUMENT_OBJECT;
}

static void put_members(struct buffer *b, const struct document *object, unsigned indent,
                        bool first_stands);

/* "- name: x", the first member on the line of the dash; innermost lists of objects in flow style.
 */
static void put_items(struct buffer *b, const struct document *list, unsigned indent)
{
    for (size_t i = 0; i < document_count(list); i++) {
        put_indent(b, indent);
        buffer_append_z(b, "- ");
        if (indent >= 4 || document_type(document_at(list, i)) != DOCUMENT_OBJECT ||
            document_count(document_at(list, i)) == 0) {
            put_flow(b, document_at(list, i), 0);
            buffer_append_z(b, "\n");
        } else {
            put_members(b, document_at(list, i), indent + 2, true);
        }
    }
}

static void put_members(struct buffer *b, const struct document *object, unsigned indent,
                        bool first_stands)
{
    const void *pos = NULL;
    const char *name;
    const struct document *value;
    while (document_next(object, &pos, &name, &value)) {
        if (document_type(value) == DOCUMENT_NULL) {
            continue;
        }
        put_indent(b, first_stands ? 0 : indent);
        first_stands = false;
        put_text(b, name);
        buffer_append_z(b, ":");
        if (holds_objects(value)) {
            buffer_append_z(b, "\n");
            put_items(b, value, indent + 2);
        } else {
            buffer_append_z(b, " ");
            put_flow(b, value, 0);
            buffer_append_z(b, "\n");
        }
    }
}

void yaml_write(struct buffer *b, const struct document *object)
{
    put_members(b, object, 0, false);
}
