/* See document_file.h. */
#include "cli/document_file.h"

#include "cli/file.h"
#include "common/base/arena.h"
#include "common/json.h"
#include "common/rules/manifest.h"
#include "common/yaml.h"

#define FILE_MAX_BYTES ((size_t)16 << 20)

/* Places are the file's, whichever reader found them. */
static bool refuse(const char *path, const struct error *why, struct error *err)
{
    error_set(err, ERR_INVALID_FIELD, "%.80s:%d:%d: %.140s", path, why->line, why->column,
              error_text(why));
    err->line = why->line;
    err->column = why->column;
    return false;
}

static bool from_yaml(const char *path, struct str text, struct buffer *ret, struct error *err)
{
    struct arena *a = arena_new(0);
    struct error why = ERROR_INIT;
    struct yaml_node *root;
    struct json_writer w;
    bool ok = yaml_parse(text, FILE_MAX_BYTES, a, &root, &why);
    if (ok) {
        json_writer_init(&w, ret);
        manifest_put_json(root, &w);
        ok = !ret->failed ||
             error_set(err, ERR_BODY_TOO_LARGE, "\"%.160s\" nests too deep or is too large", path);
    } else {
        (void)refuse(path, &why, err);
    }
    arena_free(a);
    return ok;
}

bool document_file_read(const char *path, FILE *in, struct buffer *ret, struct error *err)
{
    struct error why = ERROR_INIT;
    struct json_value v;
    struct buffer text;
    buffer_init(&text, FILE_MAX_BYTES);
    bool ok = file_read(path, in, &text, err);
    if (ok) {
        struct str s = str_trim(buffer_str(&text));
        bool json = s.len && (s.ptr[0] == '{' || s.ptr[0] == '[');
        if (json && json_validate(s, 0, &v, &why)) {
            buffer_append_str(ret, s);
        } else {
            /* what begins as JSON may still be YAML in flow style */
            ok = from_yaml(path, buffer_str(&text), ret, err) || (json && refuse(path, &why, err));
        }
    }
    if (text.len) {
        explicit_bzero(text.ptr, text.len);
    }
    buffer_release(&text);
    return ok;
}
