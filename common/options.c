/* Settings from one table, four layers: default, file, environment, flags. Each layer hands a text
 * and the name of its source to set_value, the only place that parses and stores, so a value means
 * the same wherever it was written. (The header stands in common/base; the file layer needs
 * common/yaml.) */
#include "common/base/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/arena.h"
#include "common/base/mem.h"
#include "common/yaml.h"

#define FILE_MAX_BYTES (1u << 20)

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit byte_units[] = {{"KiB", 1ull << 10},
                                         {"MiB", 1ull << 20},
                                         {"GiB", 1ull << 30},
                                         {"TiB", 1ull << 40},
                                         {"B", 1},
                                         {"", 1},
                                         {NULL, 0}};

struct loader {
    const struct option_row *rows;
    size_t n;
    char *target;
    struct error *err;
};

static char **text_field(const struct loader *l, const struct option_row *row)
{
    return (char **)(void *)(l->target + row->offset);
}

/* '_' and '-' are one in names. */
static bool name_eq(struct str name, const char *row_name)
{
    if (name.len != strlen(row_name)) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i] == '_' ? '-' : name.ptr[i];
        if (c != row_name[i]) {
            return false;
        }
    }
    return true;
}

static const struct option_row *find_row(const struct loader *l, struct str name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (name_eq(name, l->rows[i].name)) {
            return &l->rows[i];
        }
    }
    return NULL;
}

static bool parse_with_unit(struct str text, const struct unit *units, uint64_t *ret)
{
    size_t digits = 0;
    uint64_t v;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
        digits++;
    }
    if (!str_to_u64(str_slice(text, 0, digits), &v)) {
        return false;
    }
    struct str suffix = str_slice(text, digits, text.len);
    for (; units->name; units++) {
        if (str_eqz(suffix, units->name)) {
            return !__builtin_mul_overflow(v, units->factor, ret);
        }
    }
    return false;
}

static const char *expectation(enum option_type type)
{
    switch (type) {
    case OPTION_BOOL:
        return "true or false";
    case OPTION_U64:
        return "a whole number";
    case OPTION_DURATION_MS:
        return "a duration such as 500ms, 30s, 10m, 2h or 7d";
    case OPTION_BYTES:
        return "a size such as 65536, 64KiB, 8MiB or 1GiB";
    case OPTION_TEXT:
        break;
    }
    return "a text";
}

static bool parse_number(const struct option_row *row, struct str text, uint64_t *ret)
{
    switch (row->type) {
    case OPTION_DURATION_MS:
        /* plain 0 needs no unit; any other number does, or nobody would know which */
        if (str_eqz(text, "0")) {
            *ret = 0;
            return true;
        }
        return parse_with_unit(text, duration_units, ret);
    case OPTION_BYTES:
        return parse_with_unit(text, byte_units, ret);
    default:
        return str_to_u64(text, ret);
    }
}

static bool parse_bool(struct str text, bool *ret)
{
    if (str_eqz(text, "true") || str_eqz(text, "1")) {
        *ret = true;
        return true;
    }
    *ret = false;
    return str_eqz(text, "false") || str_eqz(text, "0");
}

/* What is shown of a refused value: secrets never, long ones not whole. */
static const char *shown(const struct option_row *row, struct str text, char buf[static 64])
{
    if (row->secret) {
        return "(not shown)";
    }
    (void)snprintf(buf, 64, "\"%.*s%s\"", (int)(text.len > 48 ? 48 : text.len), text.ptr,
                   text.len > 48 ? "..." : "");
    return buf;
}

static bool set_value(struct loader *l, const struct option_row *row, struct str text,
                      const char *source)
{
    char buf[64];
    uint64_t v;
    if (row->type == OPTION_TEXT) {
        char **field = text_field(l, row);
        if (text.len && memchr(text.ptr, '\0', text.len)) {
            return error_set_param(l->err, ERR_INVALID_FIELD, row->name, "%s: holds a NUL byte",
                                   source);
        }
        mem_free(*field);
        *field = str_dup(text);
        return true;
    }
    if (row->type == OPTION_BOOL) {
        bool on;
        if (!parse_bool(text, &on)) {
            return error_set_param(l->err, ERR_INVALID_FIELD, row->name, "%s: %s is not %s", source,
                                   shown(row, text, buf), expectation(row->type));
        }
        memcpy(l->target + row->offset, &on, sizeof(on));
        return true;
    }
    if (!parse_number(row, text, &v)) {
        return error_set_param(l->err, ERR_INVALID_FIELD, row->name, "%s: %s is not %s", source,
                               shown(row, text, buf), expectation(row->type));
    }
    if ((row->min || row->max) && (v < row->min || v > row->max)) {
        return error_set_param(l->err, ERR_INVALID_FIELD, row->name,
                               "%s: %s is not between %" PRIu64 " and %" PRIu64, source,
                               shown(row, text, buf), row->min, row->max);
    }
    memcpy(l->target + row->offset, &v, sizeof(v));
    return true;
}

static bool load_defaults(struct loader *l)
{
    /* clear every field first: a failure below releases them all */
    for (size_t i = 0; i < l->n; i++) {
        const struct option_row *row = &l->rows[i];
        size_t size = row->type == OPTION_BOOL   ? sizeof(bool)
                      : row->type == OPTION_TEXT ? sizeof(char *)
                                                 : sizeof(uint64_t);
        memset(l->target + row->offset, 0, size);
    }
    for (size_t i = 0; i < l->n; i++) {
        const struct option_row *row = &l->rows[i];
        if (row->fallback && !set_value(l, row, str_of(row->fallback), "built-in default")) {
            return false;
        }
    }
    return true;
}

static bool file_error(struct loader *l, const struct yaml_node *at, const char *file,
                       const char *what)
{
    (void)error_set(l->err, ERR_INVALID_FIELD, "%s:%d:%d: %s", file, at->line, at->column, what);
    l->err->line = at->line;
    l->err->column = at->column;
    return false;
}

static bool load_settings(struct loader *l, const struct yaml_node *map, const char *file)
{
    char what[160];
    if (map->kind != YAML_MAP) {
        return file_error(l, map, file, "settings must be a map of option names to values");
    }
    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_node *name = map->names[i], *value = map->items[i];
        const struct option_row *row = find_row(l, name->text);
        if (!row) {
            (void)snprintf(what, sizeof(what), "unknown option \"%.*s\"",
                           (int)(name->text.len > 60 ? 60 : name->text.len), name->text.ptr);
            return file_error(l, name, file, what);
        }
        if (value->kind != YAML_SCALAR || yaml_is_null(value)) {
            (void)snprintf(what, sizeof(what), "%s must be %s", row->name, expectation(row->type));
            return file_error(l, value, file, what);
        }
        char source[200];
        (void)snprintf(source, sizeof(source), "%.120s:%d:%d: %.60s", file, value->line,
                       value->column, row->name);
        if (!set_value(l, row, value->text, source)) {
            l->err->line = value->line;
            l->err->column = value->column;
            return false;
        }
    }
    return true;
}

static bool load_environment(struct loader *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct option_row *row = &l->rows[i];
        const char *value = row->env ? getenv(row->env) : NULL;
        if (!value || !*value) {
            continue;
        }
        char source[96];
        (void)snprintf(source, sizeof(source), "environment %s", row->env);
        if (!set_value(l, row, str_of(value), source)) {
            return false;
        }
    }
    return true;
}

/* The flag in argv[*at], with its value, which may be the next word (then *at moves on to it). */
static bool load_flag(struct loader *l, int argc, char **argv, int *at)
{
    struct str word = str_of(argv[*at] + 2), name = word, value = STR_NONE;
    bool has_value = str_cut(word, '=', &name, &value);
    const struct option_row *row = find_row(l, name);
    char source[96];
    int shown_len = (int)(name.len > 60 ? 60 : name.len);
    (void)snprintf(source, sizeof(source), "flag --%.*s", shown_len, name.ptr);
    if (!row && str_starts(name, STR_LIT("no-")) && !has_value) {
        row = find_row(l, str_slice(name, 3, name.len));
        if (row && row->type == OPTION_BOOL) {
            return set_value(l, row, STR_LIT("false"), source);
        }
        row = NULL;
    }
    if (!row) {
        return error_set(l->err, ERR_INVALID_FIELD, "unknown %s", source);
    }
    if (!has_value && row->type == OPTION_BOOL) {
        value = STR_LIT("true");
    } else if (!has_value) {
        if (*at + 1 >= argc) {
            return error_set_param(l->err, ERR_INVALID_FIELD, row->name, "%s: needs %s", source,
                                   expectation(row->type));
        }
        value = str_of(argv[++*at]);
    }
    return set_value(l, row, value, source);
}

static bool load_flags(struct loader *l, int argc, char **argv, int first, char **positional,
                       int *ret_n)
{
    bool flags_ended = false;
    *ret_n = 0;
    for (int i = first; i < argc; i++) {
        if (!flags_ended && strcmp(argv[i], "--") == 0) {
            flags_ended = true;
        } else if (!flags_ended && strncmp(argv[i], "--", 2) == 0) {
            if (!load_flag(l, argc, argv, &i)) {
                return false;
            }
        } else if (!flags_ended && argv[i][0] == '-' && argv[i][1]) {
            return error_set(l->err, ERR_INVALID_FIELD, "unknown flag %.60s", argv[i]);
        } else if (positional) {
            positional[(*ret_n)++] = argv[i];
        } else {
            return error_set(l->err, ERR_INVALID_FIELD, "unexpected argument \"%.60s\"", argv[i]);
        }
    }
    return true;
}

bool options_load_settings(const struct option_row *rows, size_t n, void *target,
                           const struct yaml_node *settings, const char *settings_name, int argc,
                           char **argv, int first, char ***ret_positional, int *ret_n,
                           struct error *err)
{
    struct loader l = {.rows = rows, .n = n, .target = target, .err = err};
    char **positional = NULL;
    int found = 0;
    if (ret_positional && ret_n) {
        positional = mem_alloc(sizeof(*positional) * (size_t)(argc > 0 ? argc : 1));
    }
    if (!load_defaults(&l) || (settings && !load_settings(&l, settings, settings_name)) ||
        !load_environment(&l) || !load_flags(&l, argc, argv, first, positional, &found)) {
        mem_free(positional);
        options_release(rows, n, target);
        return false;
    }
    if (positional) {
        if (!found) {
            mem_free(positional);
            positional = NULL;
        }
        *ret_positional = positional;
        *ret_n = found;
    }
    return true;
}

bool options_load(const struct option_row *rows, size_t n, void *target, const char *file, int argc,
                  char **argv, int first, char ***ret_positional, int *ret_n, struct error *err)
{
    struct yaml_node *settings = NULL;
    struct arena *a = arena_new(0);
    bool ok = true;
    if (file) {
        ok = yaml_parse_file(file, FILE_MAX_BYTES, a, &settings, err);
        if (!ok) {
            int line = err->line, column = err->column;
            if (line) {
                (void)error_set(err, err->code, "%s:%d:%d: %s", file, line, column, err->text);
                err->line = line;
                err->column = column;
            }
            struct loader l = {.rows = rows, .n = 0, .target = target, .err = err};
            l.n = n;
            (void)load_defaults(&l);
            options_release(rows, n, target);
        }
    }
    ok = ok && options_load_settings(rows, n, target, settings, file, argc, argv, first,
                                     ret_positional, ret_n, err);
    arena_free(a);
    return ok;
}

void options_release(const struct option_row *rows, size_t n, void *target)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].type == OPTION_TEXT) {
            char **field = (char **)(void *)((char *)target + rows[i].offset);
            mem_free_secret(*field, *field ? strlen(*field) : 0);
            *field = NULL;
        }
    }
}

void options_help(const struct option_row *rows, size_t n, const char *usage)
{
    printf("%s\n\nOptions (weakest first: default, file, environment, flag):\n", usage);
    for (size_t i = 0; i < n; i++) {
        const struct option_row *row = &rows[i];
        static const char *const values[] = {[OPTION_BOOL] = "",
                                             [OPTION_U64] = "=NUMBER",
                                             [OPTION_TEXT] = "=TEXT",
                                             [OPTION_DURATION_MS] = "=DURATION",
                                             [OPTION_BYTES] = "=SIZE"};
        printf("  --%s%s\n      %s", row->name, values[row->type], row->help);
        if (row->env) {
            printf(" [%s]", row->env);
        }
        if (row->fallback) {
            printf(" (default: %s)", row->secret ? "set" : row->fallback);
        }
        printf("\n");
    }
}

const char *options_peek(int argc, char **argv, const char *name)
{
    const char *found = NULL;
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--") == 0) {
            break;
        }
        if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, len) != 0) {
            continue;
        }
        if (word[2 + len] == '=') {
            found = word + 2 + len + 1;
        } else if (word[2 + len] == '\0') {
            bool next_is_value = i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0;
            found = next_is_value ? argv[i + 1] : "";
        }
    }
    return found;
}
