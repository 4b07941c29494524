/* YAML in, JSON out; the format itself is common/rules/manifest.h's. */
#include "cli/manifest_file.h"

#include <stdio.h>

#include "common/yaml.h"

#define FILE_MAX_BYTES ((size_t)16 << 20)

/* Puts "FILE:LINE:COLUMN: " before the text, which is cut at its end if it must be. */
static bool place(const struct manifest_file *f, struct error *err, int line, int column)
{
    char text[sizeof err->text], param[sizeof err->param];
    (void)snprintf(text, sizeof text, "%s", error_text(err));
    (void)snprintf(param, sizeof param, "%s", err->param);
    if (line) {
        error_set_param(err, err->code, param, "%.80s:%d:%d: %.140s", f->name, line, column, text);
    } else {
        error_set_param(err, err->code, param, "%.80s: %.150s", f->name, text);
    }
    err->line = line;
    err->column = column;
    return false;
}

static bool read_stream(FILE *in, struct arena *a, struct str *ret, struct error *err)
{
    struct buffer b;
    char part[8192];
    size_t n;
    buffer_init(&b, FILE_MAX_BYTES);
    while ((n = fread(part, 1, sizeof part, in)) > 0 && buffer_append(&b, part, n)) {
    }
    bool ok = !ferror(in) && !b.failed;
    *ret = ok ? arena_str(a, buffer_str(&b)) : STR_NONE;
    explicit_bzero(part, sizeof part);
    buffer_release(&b);
    return ok ||
           error_set(err, ERR_INVALID_FIELD,
                     "cannot read standard input, or it is larger than %zu bytes", FILE_MAX_BYTES);
}

/* Where the file belongs. */
static bool take_place(struct manifest_file *f, struct error *err)
{
    static const char *const names[] = {"organization", "workspace"};
    const char **const room[] = {&f->organization, &f->workspace};
    for (size_t i = 0; i < 2; i++) {
        const struct yaml_node *n = manifest_extras_top(&f->extras, names[i]);
        if (!n) {
            continue;
        }
        if (n->kind != YAML_SCALAR || n->text.len == 0 || yaml_is_null(n)) {
            error_set_param(err, ERR_INVALID_FIELD, names[i], "%s must be a text that is not empty",
                            names[i]);
            return place(f, err, n->line, n->column);
        }
        *room[i] = n->text.ptr;
    }
    return true;
}

bool manifest_file_read(const char *path, FILE *in, struct arena *a, struct manifest_file *ret,
                        struct error *err)
{
    bool from_stream = strcmp(path, "-") == 0;
    struct str text;
    *ret = (struct manifest_file){.name = from_stream ? "<stdin>" : path};
    if (from_stream) {
        if (!read_stream(in, a, &text, err)) {
            return false;
        }
        if (!yaml_parse(text, FILE_MAX_BYTES, a, &ret->root, err)) {
            return place(ret, err, err->line, err->column);
        }
    } else if (!yaml_parse_file(path, FILE_MAX_BYTES, a, &ret->root, err)) {
        /* what is wrong with the file as a whole names it already */
        return err->line ? place(ret, err, err->line, err->column) : false;
    }
    if (!manifest_extras_take(ret->root, a, &ret->extras, err) || !take_place(ret, err)) {
        return false;
    }
    if (!manifest_parse(ret->root, a, &ret->manifest, err)) {
        return place(ret, err, err->line, err->column);
    }
    ret->manifest.n_providers -= ret->extras.n_stubs;
    return true;
}

void manifest_file_locate(const struct manifest_file *f, struct error *err)
{
    const struct yaml_node *n = manifest_find(f->root, err->param);
    if (n) {
        char text[sizeof err->text];
        (void)snprintf(text, sizeof text, "%s", error_text(err));
        if (!strstr(text, err->param)) {
            char param[sizeof err->param];
            (void)snprintf(param, sizeof param, "%s", err->param);
            error_set_param(err, err->code, param, "%s: %.150s", param, text);
        }
        (void)place(f, err, n->line, n->column);
    }
}
