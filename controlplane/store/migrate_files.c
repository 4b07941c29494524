/* Loading migration files and cutting them into statements. */
#include "controlplane/store/migrate_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"

#define FILE_MAX_BYTES ((size_t)4 << 20)

static bool name_number(const char *name, unsigned *ret)
{
    uint64_t n = 0;
    size_t len = strlen(name);
    if (len < 10 || name[4] != '_' || strcmp(name + len - 4, ".sql") != 0 ||
        !str_to_u64((struct str){name, 4}, &n) || n == 0) {
        return false;
    }
    *ret = (unsigned)n;
    return true;
}

static bool read_file(const char *folder, const char *name, struct arena *a, struct str *ret,
                      struct error *err)
{
    struct str path = arena_printf(a, "%s/%s", folder, name);
    FILE *f = path.ptr ? fopen(path.ptr, "re") : NULL;
    if (!f) {
        return error_set(err, ERR_INTERNAL, "cannot read \"%s/%s\": %s", folder, name,
                         strerror(errno));
    }
    struct buffer b;
    char chunk[8192];
    size_t n;
    buffer_init(&b, FILE_MAX_BYTES);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        buffer_append(&b, chunk, n);
    }
    bool ok = !ferror(f) && !b.failed;
    fclose(f);
    if (ok) {
        *ret = arena_str(a, b.ptr ? buffer_str(&b) : STR_LIT(""));
    } else {
        error_set(err, ERR_INTERNAL, "cannot read \"%s/%s\", or it is over %zu bytes", folder, name,
                  FILE_MAX_BYTES);
    }
    buffer_release(&b);
    return ok;
}

static bool is_marked(struct str text)
{
    struct str line = text, rest;
    (void)str_cut(text, '\n', &line, &rest);
    return str_eqz(str_trim(line), "-- weir: no transaction");
}

static int compare_files(const void *a, const void *b)
{
    const struct migration_file *x = a, *y = b;
    return x->number != y->number ? (x->number < y->number ? -1 : 1) : strcmp(x->name, y->name);
}

static bool check_order(struct migration_file *files, size_t n, struct error *err)
{
    qsort(files, n, sizeof *files, compare_files);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && files[i].number == files[i - 1].number) {
            return error_set(err, ERR_INTERNAL, "migrations \"%s\" and \"%s\" have the same number",
                             files[i - 1].name, files[i].name);
        }
        if (files[i].number != i + 1) {
            return error_set(err, ERR_INTERNAL, "migration %04zu is missing: next is \"%s\"", i + 1,
                             files[i].name);
        }
    }
    return true;
}

static bool add_file(struct migration_file *f, const char *name, struct error *err)
{
    f->name = name;
    if (!name_number(name, &f->number)) {
        return error_set(err, ERR_INTERNAL, "\"%s\" is not named NNNN_what.sql", name);
    }
    return true;
}

static bool load_embedded(struct arena *a, struct migration_file **ret, size_t *ret_n,
                          struct error *err)
{
    size_t n = migration_embedded_count;
    struct migration_file *files = arena_zalloc(a, (n + 1) * sizeof *files);
    for (size_t i = 0; i < n; i++) {
        const struct migration_embedded *e = &migration_embedded[i];
        if (!add_file(&files[i], e->name, err)) {
            return false;
        }
        files[i].text = (struct str){(const char *)e->text, e->len};
    }
    *ret = files;
    *ret_n = n;
    return true;
}

static bool load_folder(const char *folder, struct arena *a, struct migration_file **ret,
                        size_t *ret_n, struct error *err)
{
    DIR *d = opendir(folder);
    if (!d) {
        return error_set(err, ERR_INTERNAL, "cannot open folder \"%s\": %s", folder,
                         strerror(errno));
    }
    struct migration_file *files = NULL;
    size_t n = 0;
    bool ok = true;
    const struct dirent *e;
    while (ok && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || !str_ends(str_of(e->d_name), STR_LIT(".sql"))) {
            continue;
        }
        files = mem_realloc(files, (n + 1) * sizeof *files);
        files[n] = (struct migration_file){0};
        ok = add_file(&files[n], arena_str(a, str_of(e->d_name)).ptr, err) &&
             read_file(folder, e->d_name, a, &files[n].text, err);
        n++;
    }
    closedir(d);
    if (ok && n == 0) {
        ok = error_set(err, ERR_INTERNAL, "folder \"%s\" holds no migrations", folder);
    }
    if (ok) {
        *ret = arena_alloc(a, n * sizeof *files);
        memcpy(*ret, files, n * sizeof *files);
        *ret_n = n;
    }
    mem_free(files);
    return ok;
}

bool migration_files_load(const char *folder, struct arena *a, struct migration_file **ret,
                          size_t *ret_n, struct error *err)
{
    struct migration_file *files = NULL;
    size_t n = 0;
    if (!(folder ? load_folder(folder, a, &files, &n, err) : load_embedded(a, &files, &n, err)) ||
        !check_order(files, n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        files[i].no_transaction = is_marked(files[i].text);
    }
    *ret = files;
    *ret_n = n;
    return true;
}

static bool at(struct str s, size_t i, const char *z)
{
    size_t n = strlen(z);
    return i + n <= s.len && memcmp(s.ptr + i, z, n) == 0;
}

/* Behind the comment that starts at i: to the line's end, or a block, which nests. */
static size_t skip_comment(struct str s, size_t i)
{
    if (s.ptr[i] == '-') {
        while (i < s.len && s.ptr[i] != '\n') {
            i++;
        }
        return i;
    }
    for (unsigned depth = 0; i < s.len;) {
        if (at(s, i, "/*")) {
            depth++;
            i += 2;
        } else if (at(s, i, "*/")) {
            i += 2;
            if (--depth == 0) {
                break;
            }
        } else {
            i++;
        }
    }
    return i;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c & 0x80);
}

/* Behind the quoted text that starts at i; a doubled quote reads as two texts side by side. E'…'
 * has backslashes. */
static size_t skip_quoted(struct str s, size_t i)
{
    char quote = s.ptr[i];
    bool escapes = quote == '\'' && i > 0 && (s.ptr[i - 1] == 'E' || s.ptr[i - 1] == 'e') &&
                   (i < 2 || !is_word(s.ptr[i - 2]));
    for (i++; i < s.len && s.ptr[i] != quote; i++) {
        if (escapes && s.ptr[i] == '\\') {
            i++;
        }
    }
    return i < s.len ? i + 1 : s.len;
}

/* Behind $tag$ … $tag$; when it is no dollar quote (as in $1), one further. */
static size_t skip_dollar(struct str s, size_t i)
{
    size_t end = i + 1;
    if (end < s.len && s.ptr[end] >= '0' && s.ptr[end] <= '9') {
        return end;
    }
    while (end < s.len && is_word(s.ptr[end])) {
        end++;
    }
    if (end >= s.len || s.ptr[end] != '$') {
        return i + 1;
    }
    size_t tag = end + 1 - i;
    for (size_t k = end + 1; k + tag <= s.len; k++) {
        if (memcmp(s.ptr + k, s.ptr + i, tag) == 0) {
            return k + tag;
        }
    }
    return s.len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_to_statement(struct str s, size_t i)
{
    while (i < s.len) {
        if (at(s, i, "--") || at(s, i, "/*")) {
            i = skip_comment(s, i);
        } else if (is_blank(s.ptr[i]) || s.ptr[i] == ';') {
            i++;
        } else {
            break;
        }
    }
    return i;
}

bool migration_statement(struct str text, size_t *pos, struct str *ret_statement, int *ret_line)
{
    size_t start = skip_to_statement(text, *pos), i = start;
    if (start >= text.len) {
        return false;
    }
    while (i < text.len && text.ptr[i] != ';') {
        char c = text.ptr[i];
        if (at(text, i, "--") || at(text, i, "/*")) {
            i = skip_comment(text, i);
        } else if (c == '\'' || c == '"') {
            i = skip_quoted(text, i);
        } else if (c == '$' && (i == 0 || !is_word(text.ptr[i - 1]))) {
            i = skip_dollar(text, i);
        } else {
            i++;
        }
    }
    *ret_line = 1;
    for (size_t k = 0; k < start; k++) {
        *ret_line += text.ptr[k] == '\n';
    }
    *ret_statement = str_slice(text, start, i - start);
    *pos = i < text.len ? i + 1 : i;
    return true;
}
