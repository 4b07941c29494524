/* Lists of the API as tables. */
#include "cli/rows.h"

#include <inttypes.h>

#include "cli/api.h"
#include "cli/table.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define COLUMNS_MAX 16
#define CELL_MAX 512
#define PATH_BYTES_MAX 4096

static char *age_text(uint64_t then_ms, uint64_t now_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms, below;
    } steps[] = {{"s", 1000, 120000},
                 {"m", 60000, 7200000},
                 {"h", 3600000, 172800000},
                 {"d", 86400000, UINT64_MAX}};
    uint64_t span = now_ms > then_ms ? now_ms - then_ms : 0;
    struct buffer b;
    size_t i = 0;
    while (span >= steps[i].below) {
        i++;
    }
    buffer_init(&b, CELL_MAX);
    buffer_printf(&b, "%" PRIu64 "%s", span / steps[i].ms, steps[i].unit);
    return buffer_detach(&b);
}

char *row_text(const struct document *row, const struct row_column *column, uint64_t now_ms)
{
    char *text = document_show(row, column->member);
    uint64_t ms;
    if (column->kind == ROW_AGE && clock_parse_rfc3339(str_of(text), &ms)) {
        mem_free(text);
        return age_text(ms, now_ms);
    }
    if (column->kind == ROW_TIME && strlen(text) >= 20 && text[10] == 'T') {
        text[10] = ' ';
        text[19] = '\0';
    }
    return text;
}

void rows_print(struct cli *c, const struct document *list, const struct row_column *columns)
{
    const char *titles[COLUMNS_MAX + 1] = {NULL};
    char marked[COLUMNS_MAX][32];
    uint64_t now_ms = clock_wall_ms();
    size_t n = 0;
    for (; n < COLUMNS_MAX && columns[n].title; n++) {
        (void)snprintf(marked[n], sizeof marked[n], "%s%s",
                       columns[n].kind == ROW_NUMBER ? ">" : "", columns[n].title);
        titles[n] = marked[n];
    }
    struct table *t = table_new(titles);
    for (size_t i = 0; i < document_count(list); i++) {
        for (size_t k = 0; k < n; k++) {
            table_cell_take(t, row_text(document_at(list, i), &columns[k], now_ms));
        }
    }
    table_print(t, c->out, c->color);
    table_free(t);
}

/* Heap. */
static char *path_there(const char *path, const char *workspace)
{
    struct buffer b;
    buffer_init(&b, PATH_BYTES_MAX);
    buffer_append_z(&b, path);
    api_query(&b, "workspace", workspace);
    return buffer_detach(&b);
}

int rows_list(struct cli *c, const char *path, const char *workspace,
              const struct row_column *columns)
{
    struct error err = ERROR_INIT;
    struct document *answer;
    char *full = path_there(path, workspace);
    bool ok = api_list(c, full, 0, &answer, &err);
    mem_free(full);
    if (!ok) {
        return cli_report(c, &err);
    }
    int exit = CLI_OK;
    if (c->common->json) {
        exit = api_print(c, answer);
    } else {
        rows_print(c, document_get(answer, "data"), columns);
    }
    document_free(answer);
    return exit;
}

int rows_act(struct cli *c, const char *path, const char *workspace, const char *noun,
             const char *verb, const char *done)
{
    struct error err = ERROR_INIT;
    struct document *list = NULL, *answer = NULL;
    const struct document *found;
    char *full = path_there(path, workspace);
    bool ok = api_find(c, full, noun, c->words[0], &list, &found, &err);
    mem_free(full);
    ok =
        ok && rows_call(c, "POST", path, document_text(found, "id"), verb, STR_NONE, &answer, &err);
    int exit = CLI_OK;
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (c->common->json) {
        exit = api_print(c, answer);
    } else {
        char *name = cli_printable(str_of(document_text(found, "name")));
        fprintf(c->out, "%s %s (%s) is %s\n", noun, name, document_text(found, "id"), done);
        mem_free(name);
    }
    document_free(answer);
    document_free(list);
    return exit;
}

bool rows_find(struct cli *c, const char *path, const char *workspace, const char *noun,
               const char *word, char ret_id[static ROW_ID_MAX], struct error *err)
{
    struct document *list = NULL;
    const struct document *found = NULL;
    char *full = path_there(path, workspace);
    bool ok = api_find(c, full, noun, word, &list, &found, err);
    mem_free(full);
    if (ok) {
        (void)snprintf(ret_id, ROW_ID_MAX, "%s", document_text(found, "id"));
    }
    document_free(list);
    return ok;
}

bool rows_call(struct cli *c, const char *method, const char *path, const char *id,
               const char *verb, struct str body, struct document **ret, struct error *err)
{
    struct buffer b;
    buffer_init(&b, PATH_BYTES_MAX);
    buffer_printf(&b, "%s/%s%s", path, id, verb);
    char *full = buffer_detach(&b);
    bool ok = api_call(c, method, full, body, ret, err);
    mem_free(full);
    return ok;
}

int rows_delete(struct cli *c, const char *path, const char *workspace, const char *noun)
{
    struct error err = ERROR_INIT;
    char id[ROW_ID_MAX];
    if (!rows_find(c, path, workspace, noun, c->words[0], id, &err) ||
        !rows_call(c, "DELETE", path, id, "", STR_NONE, NULL, &err)) {
        return cli_report(c, &err);
    }
    if (!c->common->json) {
        fprintf(c->out, "%s %s is deleted\n", noun, c->words[0]);
    }
    return CLI_OK;
}
