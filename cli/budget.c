/* weir budget …, weir limit …, weir team …: what may be spent, how fast, and by whom. Amounts are
 * sent as they are written. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/json.h"

#define BODY_MAX 65536

/* "team=ml", "metadata.customer=*" each. */
static bool put_scopes(struct json_writer *w, const char *lines)
{
    struct str rest = str_of(lines), line, kind, name, value;
    if (!lines) {
        return true;
    }
    json_name(w, "scopes");
    json_array_begin(w);
    for (bool more = true; more;) {
        more = str_cut(rest, '\n', &line, &rest);
        line = more ? line : rest;
        if (!str_cut(line, '=', &kind, &value)) {
            return false;
        }
        json_object_begin(w);
        if (str_cut(kind, '.', &kind, &name)) {
            json_field_str(w, "name", name);
        }
        json_field_str(w, "kind", kind);
        json_field_str(w, "value", value);
        json_object_end(w);
    }
    json_array_end(w);
    return true;
}

static bool put_percents(struct json_writer *w, const char *lines)
{
    struct str rest = str_of(lines), line;
    uint64_t percent;
    if (!lines) {
        return true;
    }
    json_name(w, "alert_percents");
    json_array_begin(w);
    for (bool more = true; more;) {
        more = str_cut(rest, '\n', &line, &rest);
        if (!str_to_u64(more ? line : rest, &percent)) {
            return false;
        }
        json_put_u64(w, percent);
    }
    json_array_end(w);
    return true;
}

struct thing {
    const char *path, *noun;
};
static const struct thing budget = {"/budgets", "budget"}, limit = {"/limits", "limit"},
                          team = {"/teams", "team"};

/* The object that is to be made, with what each has. */
static void begin(struct cli *c, struct json_writer *w, struct buffer *body, const char *workspace)
{
    buffer_init(body, BODY_MAX);
    json_writer_init(w, body);
    json_object_begin(w);
    json_field_z(w, "name", c->words[0]);
    rows_put_text(w, "workspace", workspace);
}

static int create(struct cli *c, const struct thing *t, struct json_writer *w, struct buffer *body)
{
    struct error err = ERROR_INIT;
    struct document *made = NULL;
    json_object_end(w);
    bool ok = api_call(c, "POST", t->path, buffer_str(body), &made, &err);
    buffer_release(body);
    int exit = CLI_OK;
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (c->common->json) {
        exit = api_print(c, made);
    } else {
        fprintf(c->out, "%s %s (%s) is made\n", t->noun, c->words[0], document_text(made, "id"));
    }
    document_free(made);
    return exit;
}

static int wrong_scope(struct cli *c, struct buffer *body)
{
    buffer_release(body);
    return cli_usage(c, "--scope is KIND=VALUE or metadata.NAME=VALUE, such as team=ml or key=*");
}

int command_budget_create(struct cli *c)
{
    const struct budget_create_options *o = c->options;
    struct json_writer w;
    struct buffer body;
    begin(c, &w, &body, o->workspace);
    rows_put_text(&w, "metric", o->metric);
    rows_put_text(&w, "amount", o->amount);
    rows_put_text(&w, "window", o->window);
    rows_put_text(&w, "zone", o->zone);
    rows_put_text(&w, "mode", o->mode);
    rows_put_text(&w, "downgrade_model", o->downgrade_model);
    rows_put_text(&w, "max_cost", o->max_cost);
    rows_put_text(&w, "when_unavailable", o->when_unavailable);
    if (!put_scopes(&w, o->scopes)) {
        return wrong_scope(c, &body);
    }
    if (!put_percents(&w, o->alerts)) {
        buffer_release(&body);
        return cli_usage(c, "--alert is a whole number of percent");
    }
    return create(c, &budget, &w, &body);
}

int command_limit_create(struct cli *c)
{
    const struct limit_create_options *o = c->options;
    struct json_writer w;
    struct buffer body;
    begin(c, &w, &body, o->workspace);
    rows_put_text(&w, "metric", o->metric);
    rows_put_text(&w, "amount", o->amount);
    rows_put_text(&w, "window", o->window);
    rows_put_text(&w, "algorithm", o->algorithm);
    rows_put_text(&w, "burst", o->burst);
    rows_put_text(&w, "when_unavailable", o->when_unavailable);
    if (o->exact) {
        json_field_bool(&w, "exact", true);
    }
    if (!put_scopes(&w, o->scopes)) {
        return wrong_scope(c, &body);
    }
    return create(c, &limit, &w, &body);
}

/* Budgets and limits, with the column in which they differ. */
static int list(struct cli *c, const struct thing *t, struct row_column own)
{
    const struct row_column columns[] = {{"ID", "id", ROW_PLAIN},
                                         {"NAME", "name", ROW_PLAIN},
                                         {"METRIC", "metric", ROW_PLAIN},
                                         {"AMOUNT", "amount", ROW_NUMBER},
                                         {"WINDOW", "window", ROW_PLAIN},
                                         own,
                                         {"DISABLED", "disabled", ROW_PLAIN},
                                         {"OWNED BY", "owned_by", ROW_PLAIN},
                                         {NULL, NULL, ROW_PLAIN}};
    const struct workspace_options *o = c->options;
    return rows_list(c, t->path, o->workspace, columns);
}

int command_budget_list(struct cli *c)
{
    return list(c, &budget, (struct row_column){"MODE", "mode", ROW_PLAIN});
}

int command_limit_list(struct cli *c)
{
    return list(c, &limit, (struct row_column){"ALGORITHM", "algorithm", ROW_PLAIN});
}

static void print_scopes(struct cli *c, const struct document *b)
{
    const struct document *scopes = document_get(b, "scopes");
    for (size_t i = 0; i < document_count(scopes); i++) {
        const struct document *s = document_at(scopes, i);
        const char *known = document_text(s, "value_name"), *name = document_text(s, "name");
        char *value = cli_printable(str_of(known[0] ? known : document_text(s, "value")));
        fprintf(c->out, "scope       %s%s%s = %s\n", document_text(s, "kind"), name[0] ? "." : "",
                name, value);
        mem_free(value);
    }
}

static void print_budget(struct cli *c, const struct document *b, const struct document *accounts)
{
    static const struct row_column columns[] = {
        {"BUCKET", "bucket", ROW_PLAIN},        {"FROM", "window_start", ROW_TIME},
        {"SETTLED", "settled", ROW_NUMBER},     {"HELD", "held", ROW_NUMBER},
        {"REMAINING", "remaining", ROW_NUMBER}, {NULL, NULL, ROW_PLAIN}};
    char *name = cli_printable(str_of(document_text(b, "name")));
    fprintf(c->out, "budget      %s (%s)\n", name, document_text(b, "id"));
    mem_free(name);
    fprintf(c->out, "amount      %s %s per %s, %s, %s\n", document_text(b, "amount"),
            strcmp(document_text(b, "metric"), "cost") == 0 ? "USD" : document_text(b, "metric"),
            document_text(b, "window"), document_text(b, "mode"), document_text(b, "zone"));
    if (document_text(b, "extra_until")[0]) {
        fprintf(c->out, "increase    %s until %s\n", document_text(b, "extra_amount"),
                document_text(b, "extra_until"));
    }
    print_scopes(c, b);
    if (document_count(document_get(accounts, "data"))) {
        rows_print(c, document_get(accounts, "data"), columns);
    } else {
        fprintf(c->out, "nothing was spent yet\n");
    }
}

int command_budget_show(struct cli *c)
{
    const struct workspace_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *found = NULL, *accounts = NULL;
    char id[ROW_ID_MAX];
    bool ok = rows_find(c, budget.path, o->workspace, budget.noun, c->words[0], id, &err) &&
              rows_call(c, "GET", budget.path, id, "", STR_NONE, &found, &err) &&
              rows_call(c, "GET", budget.path, id, "/accounts", STR_NONE, &accounts, &err);
    int exit = CLI_OK;
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (c->common->json) {
        exit = api_print(c, found);
    } else {
        print_budget(c, found, accounts);
    }
    document_free(accounts);
    document_free(found);
    return exit;
}

int command_budget_increase(struct cli *c)
{
    const struct budget_increase_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *answer = NULL;
    struct json_writer w;
    struct buffer body;
    uint64_t until_ms = 0;
    char id[ROW_ID_MAX], time[25];
    if (o->until && !expiry_parse(str_of(o->until), clock_wall_ms(), &until_ms)) {
        return cli_usage(c, "--until \"%.60s\" is neither a span such as 12h nor a time", o->until);
    }
    buffer_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    json_field_z(&w, "amount", c->words[1]);
    if (until_ms) {
        clock_format_rfc3339(until_ms, time);
        json_field_z(&w, "until", time);
    }
    json_object_end(&w);
    bool ok = rows_find(c, budget.path, o->workspace, budget.noun, c->words[0], id, &err) &&
              rows_call(c, "POST", budget.path, id, "/increase", buffer_str(&body), &answer, &err);
    buffer_release(&body);
    int exit = CLI_OK;
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (c->common->json) {
        exit = api_print(c, answer);
    } else if (document_text(answer, "extra_until")[0]) {
        fprintf(c->out, "budget %s has %s more until %s\n", c->words[0],
                document_text(answer, "extra_amount"), document_text(answer, "extra_until"));
    } else {
        fprintf(c->out, "budget %s has its own amount again\n", c->words[0]);
    }
    document_free(answer);
    return exit;
}

static int delete_one(struct cli *c, const struct thing *t)
{
    const struct workspace_options *o = c->options;
    return rows_delete(c, t->path, o->workspace, t->noun);
}

int command_budget_delete(struct cli *c)
{
    return delete_one(c, &budget);
}

int command_limit_delete(struct cli *c)
{
    return delete_one(c, &limit);
}

/* --- teams --- */

int command_team_list(struct cli *c)
{
    static const struct row_column columns[] = {{"ID", "id", ROW_PLAIN},
                                                {"NAME", "name", ROW_PLAIN},
                                                {"WORKSPACE", "workspace_id", ROW_PLAIN},
                                                {"PRICE GROUP", "price_group", ROW_PLAIN},
                                                {"OWNED BY", "owned_by", ROW_PLAIN},
                                                {NULL, NULL, ROW_PLAIN}};
    const struct workspace_options *o = c->options;
    return rows_list(c, team.path, o->workspace, columns);
}

int command_team_create(struct cli *c)
{
    const struct team_create_options *o = c->options;
    struct json_writer w;
    struct buffer body;
    begin(c, &w, &body, o->workspace);
    rows_put_text(&w, "price_group", o->price_group);
    return create(c, &team, &w, &body);
}

int command_team_delete(struct cli *c)
{
    return delete_one(c, &team);
}
