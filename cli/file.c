/* See file.h. */
#include "cli/file.h"

bool file_read(const char *path, FILE *in, struct buffer *ret, struct error *err)
{
    bool own = strcmp(path, "-") != 0;
    FILE *f = own ? fopen(path, "re") : in;
    char part[8192];
    size_t n;
    if (!f) {
        return error_set(err, ERR_INVALID_FIELD, "cannot read \"%.160s\": %m", path);
    }
    while ((n = fread(part, 1, sizeof part, f)) > 0 && buffer_append(ret, part, n)) {
    }
    bool ok = !ferror(f);
    if (!ok) {
        error_set(err, ERR_INVALID_FIELD, "cannot read \"%.160s\": %m", path);
    } else if (ret->failed) {
        ok = error_set(err, ERR_INVALID_FIELD, "\"%.160s\" is larger than %zu bytes", path,
                       ret->max);
    }
    explicit_bzero(part, sizeof part);
    if (own) {
        (void)fclose(f);
    }
    return ok;
}

bool file_write(const char *path, struct str text, struct error *err)
{
    FILE *f = fopen(path, "we");
    if (!f) {
        return error_set(err, ERR_INVALID_FIELD, "cannot write \"%.160s\": %m", path);
    }
    bool ok = fwrite(text.ptr, 1, text.len, f) == text.len;
    if (fclose(f) != 0 || !ok) {
        return error_set(err, ERR_INVALID_FIELD, "cannot write \"%.160s\": %m", path);
    }
    return true;
}
