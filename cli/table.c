/* Cells are kept until all widths are known. */
#include "cli/table.h"

#include "cli/cli.h"
#include "common/base/mem.h"

#define COLUMNS_MAX 16
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

struct table {
    const char *const *titles;
    size_t n_columns, n_cells, room;
    size_t widths[COLUMNS_MAX];
    char **cells;
    bool titled; /* the titles were printed by a flush */
};

static bool is_right(const struct table *t, size_t column)
{
    return t->titles[column][0] == '>';
}

static const char *title(const struct table *t, size_t column)
{
    return t->titles[column] + is_right(t, column);
}

/* Characters of UTF-8 text. */
static size_t width_of(const char *z)
{
    size_t n = 0;
    for (; *z; z++) {
        n += ((unsigned char)*z & 0xc0) != 0x80;
    }
    return n;
}

struct table *table_new(const char *const *titles)
{
    struct table *t = mem_alloc(sizeof *t);
    t->titles = titles;
    while (titles[t->n_columns] && t->n_columns < COLUMNS_MAX) {
        t->widths[t->n_columns] = width_of(title(t, t->n_columns));
        t->n_columns++;
    }
    return t;
}

static void forget(struct table *t)
{
    for (size_t i = 0; i < t->n_cells; i++) {
        mem_free(t->cells[i]);
    }
    t->n_cells = 0;
}

void table_free(struct table *t)
{
    if (t) {
        forget(t);
        mem_free(t->cells);
        mem_free(t);
    }
}

void table_cell(struct table *t, struct str text)
{
    if (t->n_cells == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->cells = mem_realloc(t->cells, t->room * sizeof *t->cells);
    }
    char *cell = cli_printable(text.len ? text : STR_LIT("-"));
    size_t column = t->n_cells % t->n_columns, width = width_of(cell);
    t->widths[column] = width > t->widths[column] ? width : t->widths[column];
    t->cells[t->n_cells++] = cell;
}

void table_cell_z(struct table *t, const char *text)
{
    table_cell(t, str_of(text));
}

void table_cell_take(struct table *t, char *text)
{
    table_cell_z(t, text);
    mem_free(text);
}

static void pad(FILE *out, size_t n)
{
    while (n-- > 0) {
        fputc(' ', out);
    }
}

/* No blanks at the end of a line. */
static void print_cell(const struct table *t, FILE *out, size_t column, const char *text)
{
    size_t blanks = t->widths[column] - width_of(text);
    bool last = column + 1 == t->n_columns;
    if (is_right(t, column)) {
        pad(out, blanks);
        fputs(text, out);
    } else {
        fputs(text, out);
        pad(out, last ? 0 : blanks);
    }
    fputs(last ? "\n" : "  ", out);
}

static void print_titles(const struct table *t, FILE *out, bool color)
{
    fputs(color ? BOLD : "", out);
    for (size_t i = 0; i < t->n_columns; i++) {
        if (i + 1 == t->n_columns) {
            size_t blanks = is_right(t, i) ? t->widths[i] - width_of(title(t, i)) : 0;
            pad(out, blanks);
            fprintf(out, "%s%s\n", title(t, i), color ? PLAIN : "");
        } else {
            print_cell(t, out, i, title(t, i));
        }
    }
}

static void print_rows(const struct table *t, FILE *out)
{
    for (size_t i = 0; i < t->n_cells; i++) {
        print_cell(t, out, i % t->n_columns, t->cells[i]);
    }
}

void table_print(const struct table *t, FILE *out, bool color)
{
    print_titles(t, out, color);
    print_rows(t, out);
}

void table_flush(struct table *t, FILE *out, bool color)
{
    if (!t->titled) {
        print_titles(t, out, color);
        t->titled = true;
    }
    print_rows(t, out);
    forget(t);
    fflush(out);
}
