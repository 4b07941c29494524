/* weir targets, weir cache purge: what data planes know of whom they call, and keep. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "common/base/mem.h"
#include "common/json.h"

#define BODY_MAX 4096

static void number(struct table *t, const struct document *d, const char *member)
{
    table_cell_take(t, document_show(d, member));
}

static void add_row(struct table *t, const char *plane, const struct document *d)
{
    char state[64];
    int64_t reopens = document_integer(d, "reopens_in_ms");
    (void)snprintf(state, sizeof state, "%.30s", document_text(d, "state"));
    if (reopens > 0) {
        (void)snprintf(state, sizeof state, "%.20s (%lld s)", document_text(d, "state"),
                       (long long)(reopens + 999) / 1000);
    }
    table_cell_z(t, plane);
    table_cell_z(t, document_text(d, "provider"));
    table_cell_z(t, document_text(d, "model"));
    number(t, d, "credential");
    table_cell_z(t, state);
    number(t, d, "latency_ms");
    number(t, d, "p95_ms");
    number(t, d, "in_flight");
    number(t, d, "requests");
    number(t, d, "failures");
    number(t, d, "requests_left");
    number(t, d, "tokens_left");
}

int command_targets(struct cli *c)
{
    static const char *const titles[] = {
        "DATA PLANE", "PROVIDER",  "MODEL",     ">KEY",       "STATE",        ">MS", ">P95 MS",
        ">IN FLIGHT", ">REQUESTS", ">FAILURES", ">REQ. LEFT", ">TOKENS LEFT", NULL};
    struct error err = ERROR_INIT;
    struct document *answer = NULL;
    if (!api_call(c, "GET", "/targets", STR_NONE, &answer, &err)) {
        return cli_report(c, &err);
    }
    if (c->common->json) {
        int exit = api_print(c, answer);
        document_free(answer);
        return exit;
    }
    struct table *t = table_new(titles);
    const struct document *planes = document_get(answer, "data_planes");
    for (size_t i = 0; i < document_count(planes); i++) {
        const struct document *plane = document_at(planes, i);
        const struct document *list = document_get(plane, "targets");
        for (size_t k = 0; k < document_count(list); k++) {
            add_row(t, document_text(plane, "name"), document_at(list, k));
        }
    }
    table_print(t, c->out, c->color);
    table_free(t);
    document_free(answer);
    return CLI_OK;
}

int command_cache_purge(struct cli *c)
{
    const struct workspace_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *answer = NULL;
    struct json_writer w;
    struct buffer body;
    int exit = CLI_OK;
    buffer_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    if (o->workspace) {
        json_field_z(&w, "workspace", o->workspace);
    }
    json_object_end(&w);
    if (!api_call(c, "POST", "/cache/purge", buffer_str(&body), &answer, &err)) {
        exit = cli_report(c, &err);
    } else if (o->common.json) {
        exit = api_print(c, answer);
    } else {
        fprintf(c->out, "%lld answers are purged in %lld data planes\n",
                (long long)document_integer(answer, "entries"),
                (long long)document_integer(answer, "data_planes"));
        if (document_integer(answer, "unreachable")) {
            fprintf(c->err, "weir: %lld data planes could not be reached: they keep theirs\n",
                    (long long)document_integer(answer, "unreachable"));
        }
    }
    buffer_release(&body);
    document_free(answer);
    return exit;
}
