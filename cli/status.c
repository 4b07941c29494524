/* weir status, and the data planes' commands. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "common/base/mem.h"
#include "common/json.h"

#define BODY_MAX (16u << 10)

static const struct row_column plane_columns[] = {
    {"ID", "id", ROW_PLAIN},
    {"NAME", "name", ROW_PLAIN},
    {"GROUP", "group", ROW_PLAIN},
    {"STATE", "state", ROW_PLAIN},
    {"VERSION", "software_version", ROW_PLAIN},
    {"CONFIG", "config_version", ROW_NUMBER},
    {"BEHIND", "behind", ROW_NUMBER},
    {"SEEN", "last_seen_at", ROW_AGE},
    {"REFUSED", "refused_reason", ROW_PLAIN},
    {NULL, NULL, ROW_PLAIN},
};

static void print_counts(struct cli *c, const struct document *counts)
{
    const void *pos = NULL;
    const char *name;
    const struct document *value;
    bool first = true;
    fputs("Holds       ", c->out);
    while (document_next(counts, &pos, &name, &value)) {
        char *number = document_show(value, "");
        fprintf(c->out, "%s%s ", first ? "" : ", ", number);
        for (const char *p = name; *p; p++) {
            fputc(*p == '_' ? ' ' : *p, c->out);
        }
        first = false;
        mem_free(number);
    }
    fputs("\n", c->out);
}

static void print_status(struct cli *c, const struct document *s)
{
    static const struct row_column control_columns[] = {{"CONTROL PLANE", "id", ROW_PLAIN},
                                                        {"VERSION", "version", ROW_PLAIN},
                                                        {"STARTED", "started_at", ROW_TIME},
                                                        {"SEEN", "last_seen_at", ROW_AGE},
                                                        {NULL, NULL, ROW_PLAIN}};
    char *version = cli_printable(str_of(document_text(s, "version")));
    char *database = cli_printable(str_of(document_text(s, "database.version")));
    char *state = cli_printable(str_of(document_text(s, "database.state")));
    fprintf(c->out, "Weir        %s at %s, configuration version %lld\n", version, api_url(c),
            (long long)document_integer(s, "config_version"));
    fprintf(c->out, "Database    %s, PostgreSQL %s, schema %lld", state, database,
            (long long)document_integer(s, "schema_version"));
    if (document_get(s, "database.size_bytes")) {
        fprintf(c->out, ", %lld MiB",
                (long long)(document_integer(s, "database.size_bytes") >> 20));
    }
    fputs("\n", c->out);
    print_counts(c, document_get(s, "counts"));
    fputs("\n", c->out);
    if (document_count(document_get(s, "control_planes"))) {
        rows_print(c, document_get(s, "control_planes"), control_columns);
        fputs("\n", c->out);
    }
    if (document_count(document_get(s, "data_planes"))) {
        rows_print(c, document_get(s, "data_planes"), plane_columns);
    } else {
        fputs("No data plane is enrolled: `weir data-plane token` makes a token for one.\n",
              c->out);
    }
    mem_free(version);
    mem_free(database);
    mem_free(state);
}

int command_status(struct cli *c)
{
    struct error err = ERROR_INIT;
    struct document *s = NULL;
    if (!api_call(c, "GET", "/status", STR_NONE, &s, &err)) {
        return cli_report(c, &err);
    }
    int exit = CLI_OK;
    if (c->common->json) {
        exit = api_print(c, s);
    } else {
        print_status(c, s);
    }
    document_free(s);
    return exit;
}

int command_data_plane_list(struct cli *c)
{
    return rows_list(c, "/data-planes", NULL, plane_columns);
}

int command_data_plane_revoke(struct cli *c)
{
    return rows_act(c, "/data-planes", NULL, "data plane", "/revoke", "revoked");
}

/* host of the URL, with the enrolment listener's usual port. */
static char *control_address(const struct cli *c, const char *given)
{
    const char *url = api_url(c), *host = strstr(url, "://");
    struct buffer b;
    buffer_init(&b, BODY_MAX);
    if (given) {
        buffer_append_z(&b, given);
        return buffer_detach(&b);
    }
    host = host ? host + 3 : url;
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    buffer_append(&b, host, strnlen(host, len));
    buffer_append_z(&b, ":8443");
    return buffer_detach(&b);
}

static int print_enrolment(struct cli *c, const struct document *answer, const char *command)
{
    struct buffer b;
    struct json_writer w;
    const char *token = document_text(answer, "token");
    if (!c->common->json) {
        fprintf(c->out, "%s\n", command);
        fflush(c->out);
        fprintf(
            c->err,
            "Run this where the data plane shall be. The token works once, within %lld minutes.\n",
            (long long)document_integer(answer, "expires_in_s") / 60);
        return CLI_OK;
    }
    buffer_init(&b, BODY_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "token", token);
    json_field_z(&w, "group", document_text(answer, "group"));
    json_field_i64(&w, "expires_in_s", document_integer(answer, "expires_in_s"));
    json_field_z(&w, "command", command);
    json_object_end(&w);
    int exit = cli_print_json(c, buffer_str(&b));
    if (b.ptr) {
        explicit_bzero(b.ptr, b.len);
    }
    buffer_release(&b);
    return exit;
}

int command_data_plane_token(struct cli *c)
{
    const struct data_plane_token_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *answer = NULL;
    struct buffer body, command;
    struct json_writer w;
    buffer_init(&body, BODY_MAX);
    buffer_init(&command, BODY_MAX);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    if (o->group) {
        json_field_z(&w, "group", o->group);
    }
    json_object_end(&w);
    bool ok = api_call(c, "POST", "/enrolment-tokens", buffer_str(&body), &answer, &err);
    buffer_release(&body);
    if (!ok) {
        return cli_report(c, &err);
    }
    char *address = control_address(c, o->control);
    buffer_printf(&command, "weir-proxy --enrol %s --control %s", document_text(answer, "token"),
                  address);
    char *text = buffer_detach(&command);
    int exit = print_enrolment(c, answer, text);
    mem_free_secret(text, strlen(text));
    mem_free(address);
    document_free(answer);
    return exit;
}
