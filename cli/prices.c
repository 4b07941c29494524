/* weir price show, weir price-group list, weir statement: what is charged, and what was. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/price.h"
#include "cli/rows.h"
#include "cli/table.h"
#include "common/base/mem.h"
#include "common/rules/price.h"

#define PATH_BYTES_MAX 4096

/* --- weir price show --- */

static char *effective_path(const struct cli *c)
{
    const struct price_options *o = c->options;
    struct buffer b;
    buffer_init(&b, PATH_BYTES_MAX);
    buffer_append_z(&b, "/prices/effective");
    api_query(&b, "provider", c->words[0]);
    api_query(&b, "model", c->words[1]);
    api_query(&b, "service_tier", o->service_tier);
    api_query(&b, "at", o->at);
    api_query(&b, "group", o->group);
    api_query(&b, "called", o->called);
    return buffer_detach(&b);
}

static void price_cell(struct table *t, const struct document *prices, const char *unit)
{
    const struct document *p = document_get(prices, unit);
    if (document_type(p) == DOCUMENT_NULL) {
        table_cell_z(t, "");
    } else {
        table_cell_take(t, price_usd(p, unit));
    }
}

static void print_prices(struct cli *c, const struct document *d)
{
    static const char *const titles[] = {"UNIT", ">CATALOGUE", ">LIST", ">CHARGED", NULL};
    static const char *const columns[] = {"catalogue", "list", "charged"};
    const char *group = document_text(d, "price_group");
    char *name = cli_printable(str_of(document_text(d, "model")));
    struct table *t = table_new(titles);
    fprintf(c->out, "%s at %s, service tier %s", name, document_text(d, "provider"),
            document_text(d, "service_tier"));
    if (document_integer(d, "price_book_version") > 0) {
        fprintf(c->out, ", price book version %lld",
                (long long)document_integer(d, "price_book_version"));
    }
    fprintf(c->out, group[0] ? ", price group %s (x %s)\n" : "%s%s\n", group,
            group[0] ? document_text(d, "ratio") : "");
    for (unsigned u = 1; u < PRICE_UNIT_COUNT; u++) {
        const char *unit = price_unit_name((enum price_unit)u);
        bool any = false;
        for (int i = 0; i < 3; i++) {
            const struct document *prices = document_get(d, columns[i]);
            any = any || document_type(document_get(prices, unit)) != DOCUMENT_NULL;
        }
        if (any) {
            table_cell_z(t, unit);
            for (int i = 0; i < 3; i++) {
                price_cell(t, document_get(d, columns[i]), unit);
            }
        }
    }
    table_print(t, c->out, c->color);
    table_free(t);
    mem_free(name);
}

int command_price_show(struct cli *c)
{
    struct error err = ERROR_INIT;
    struct document *d = NULL;
    char *path = effective_path(c);
    bool ok = api_call(c, "GET", path, STR_NONE, &d, &err);
    int exit = CLI_OK;
    mem_free(path);
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (c->common->json) {
        exit = api_print(c, d);
    } else if (!document_bool(d, "priced")) {
        fprintf(c->out, "%s has no price\n", c->words[1]);
    } else {
        print_prices(c, d);
    }
    document_free(d);
    return exit;
}

/* --- weir price-group list --- */

int command_price_group_list(struct cli *c)
{
    static const struct row_column columns[] = {{"ID", "id", ROW_PLAIN},
                                                {"NAME", "name", ROW_PLAIN},
                                                {"RATIO", "ratio", ROW_NUMBER},
                                                {"DESCRIPTION", "description", ROW_PLAIN},
                                                {"CHANGED", "updated_at", ROW_TIME},
                                                {NULL, NULL, ROW_PLAIN}};
    return rows_list(c, "/price-groups", NULL, columns);
}

/* --- weir statement --- */

static char *statement_path(const struct statement_options *o, const char *format)
{
    struct buffer b;
    buffer_init(&b, PATH_BYTES_MAX);
    buffer_append_z(&b, "/statements");
    api_query(&b, "month", o->month);
    api_query(&b, "zone", o->zone);
    api_query(&b, "team", o->team);
    api_query(&b, "by", o->by_key ? "key" : NULL);
    api_query(&b, "format", format);
    return buffer_detach(&b);
}

static void add_line(struct table *t, const struct document *l, bool by_key, bool total)
{
    table_cell_z(t, total ? "TOTAL" : document_text(l, "team"));
    table_cell_z(t, total ? " " : document_text(l, "workspace"));
    if (by_key) {
        table_cell_z(t, total ? " " : document_text(l, "key"));
    }
    table_cell_z(t, total ? " " : document_text(l, "provider"));
    table_cell_z(t, total ? " " : document_text(l, "model"));
    table_cell_take(t, document_show(l, "events"));
    table_cell_z(t, document_text(l, "list"));
    table_cell_z(t, document_text(l, "cost"));
}

static int print_statement(struct cli *c, const struct document *d)
{
    static const char *const plain[] = {"TEAM",    "WORKSPACE", "PROVIDER",  "MODEL",
                                        ">EVENTS", ">LIST USD", ">COST USD", NULL};
    static const char *const keyed[] = {"TEAM",    "WORKSPACE", "KEY",       "PROVIDER", "MODEL",
                                        ">EVENTS", ">LIST USD", ">COST USD", NULL};
    const struct statement_options *o = c->options;
    const struct document *lines = document_get(d, "lines");
    struct table *t = table_new(o->by_key ? keyed : plain);
    for (size_t i = 0; i < document_count(lines); i++) {
        add_line(t, document_at(lines, i), o->by_key, false);
    }
    add_line(t, document_get(d, "total"), o->by_key, true);
    table_print(t, c->out, c->color);
    table_free(t);
    return CLI_OK;
}

/* As it came, to a file or to standard output. */
static int write_text(struct cli *c, const char *text)
{
    const struct statement_options *o = c->options;
    struct error err = ERROR_INIT;
    if (!o->output || strcmp(o->output, "-") == 0) {
        fputs(text, c->out);
        return CLI_OK;
    }
    return file_write(o->output, str_of(text), &err) ? CLI_OK : cli_report(c, &err);
}

int command_statement(struct cli *c)
{
    const struct statement_options *o = c->options;
    const char *format = c->common->json ? "json" : o->format;
    struct error err = ERROR_INIT;
    struct document *d = NULL;
    char *text = NULL;
    bool csv = strcmp(format, "csv") == 0, table = strcmp(format, "table") == 0;
    if (!o->month) {
        return cli_usage(c, "--month MONTH is missing, such as 2026-11");
    }
    if (!csv && !table && strcmp(format, "json") != 0) {
        return cli_usage(c, "--format must be table, csv or json");
    }
    char *path = statement_path(o, csv ? "csv" : "json");
    bool ok = table ? api_call(c, "GET", path, STR_NONE, &d, &err) : api_text(c, path, &text, &err);
    int exit = !ok ? cli_report(c, &err) : table ? print_statement(c, d) : write_text(c, text);
    mem_free(path);
    mem_free(text);
    document_free(d);
    return exit;
}
