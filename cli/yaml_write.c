/* Only what JSON can say, so each text is either plain beyond doubt or a JSON string, which YAML
 * reads alike. */
#include "cli/yaml_write.h"

#include "common/base/mem.h"
#include "common/json.h"

#define DEPTH_MAX 16
#define LINE_MAX_BYTES 120
#define LINE_ROOM 4096

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

/* In one line, where that is short enough. */
static bool put_short(struct buffer *b, const struct document *d, unsigned indent)
{
    struct buffer line;
    buffer_init(&line, LINE_ROOM);
    put_flow(&line, d, 0);
    bool fits = !line.failed && line.len + indent <= LINE_MAX_BYTES;
    if (fits) {
        buffer_append_str(b, buffer_str(&line));
        buffer_append_z(b, "\n");
    }
    buffer_release(&line);
    return fits;
}

static void put_members(struct buffer *b, const struct document *object, unsigned indent,
                        unsigned depth, bool first_stands);
static void put_value(struct buffer *b, const struct document *d, unsigned indent, unsigned depth);

/* "- name: x", the first member on the line of the dash. */
static void put_items(struct buffer *b, const struct document *list, unsigned indent,
                      unsigned depth)
{
    for (size_t i = 0; i < document_count(list); i++) {
        const struct document *d = document_at(list, i);
        bool block = document_type(d) == DOCUMENT_OBJECT && document_count(d) > 0;
        put_indent(b, indent);
        buffer_append_z(b, "- ");
        if (block && depth == 0) {
            put_members(b, d, indent + 2, depth + 1, true);
        } else if (put_short(b, d, indent + 2)) {
            continue;
        } else if (block && depth < DEPTH_MAX) {
            put_members(b, d, indent + 2, depth + 1, true);
        } else {
            put_flow(b, d, 0);
            buffer_append_z(b, "\n");
        }
    }
}

/* What stands behind "name:". Lists of objects near the top, and all that is long, in block style.
 */
static void put_value(struct buffer *b, const struct document *d, unsigned indent, unsigned depth)
{
    bool sections = holds_objects(d) && depth < 2;
    if (!sections) {
        buffer_append_z(b, " ");
        if (put_short(b, d, indent)) {
            return;
        }
    }
    if (!is_scalar(d) && document_count(d) && depth < DEPTH_MAX) {
        b->len -= sections ? 0 : 1; /* the blank */
        buffer_append_z(b, "\n");
        if (document_type(d) == DOCUMENT_LIST) {
            put_items(b, d, indent + 2, depth);
        } else {
            put_members(b, d, indent + 2, depth + 1, false);
        }
        return;
    }
    put_flow(b, d, 0);
    buffer_append_z(b, "\n");
}

/* Members of the top and of what its lists hold are the API's, where null means "not set"; further
 * in, null is somebody's value. */
static void put_members(struct buffer *b, const struct document *object, unsigned indent,
                        unsigned depth, bool first_stands)
{
    const void *pos = NULL;
    const char *name;
    const struct document *value;
    while (document_next(object, &pos, &name, &value)) {
        if (depth < 2 && document_type(value) == DOCUMENT_NULL) {
            continue;
        }
        put_indent(b, first_stands ? 0 : indent);
        first_stands = false;
        put_text(b, name);
        buffer_append_z(b, ":");
        put_value(b, value, indent, depth);
    }
}

void yaml_write(struct buffer *b, const struct document *object)
{
    put_members(b, object, 0, 0, false);
}

void yaml_write_all(struct buffer *b, const struct document *object)
{
    put_members(b, object, 0, 2, false);
}
