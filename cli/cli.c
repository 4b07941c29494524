/* The global options, and how a command ends: error texts, exit codes, JSON. */
#include "cli/cli.h"

#include <stdarg.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/json.h"

#define DOCUMENT_MAX (1u << 20)

const struct option_row cli_rows[] = {
    {.name = "url",
     .env = "WEIR_URL",
     .type = OPTION_TEXT,
     .offset = offsetof(struct cli_options, url),
     .help = "address of weir-control; else that of `weir login`, else http://127.0.0.1:8080"},
    {.name = "organization",
     .env = "WEIR_ORGANIZATION",
     .type = OPTION_TEXT,
     .offset = offsetof(struct cli_options, organization),
     .help = "organization, by name or id, where you have several"},
    {.name = "ca-file",
     .env = "WEIR_CA_FILE",
     .type = OPTION_TEXT,
     .offset = offsetof(struct cli_options, ca_file),
     .help = "CA certificates (PEM) to trust in place of the system's"},
    {.name = "json",
     .type = OPTION_BOOL,
     .offset = offsetof(struct cli_options, json),
     .help = "answer with one JSON document on standard output"},
    {.name = "no-color",
     .type = OPTION_BOOL,
     .offset = offsetof(struct cli_options, no_color),
     .help = "no colours (NO_COLOR does the same)"},
};
const size_t cli_n_rows = sizeof cli_rows / sizeof *cli_rows;

char *cli_printable(struct str s)
{
    char *text = str_dup(s.ptr ? s : STR_LIT(""));
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 =
            c == 0xc2 && (unsigned char)text[i + 1] >= 0x80 && (unsigned char)text[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f) {
            text[i] = '?';
        } else if (c1) {
            text[i] = text[i + 1] = '?';
        }
    }
    return text;
}

int cli_print_json(struct cli *c, struct str text)
{
    fprintf(c->out, "%.*s\n", STR_ARG(text));
    return CLI_OK;
}

static int exit_code(enum error_code code)
{
    switch (error_status(code)) {
    case 404:
        return CLI_NOT_FOUND;
    case 409:
    case 412:
        return CLI_CONFLICT;
    default:
        return CLI_ERROR;
    }
}

static void print_error_json(struct cli *c, const struct error *err, const char *code, int exit)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, DOCUMENT_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_name(&w, "error");
    json_object_begin(&w);
    json_field_z(&w, "code", code);
    json_field_z(&w, "message", error_text(err));
    if (err->param[0]) {
        json_field_z(&w, "param", err->param);
    }
    json_field_z(&w, "type", error_type(err->code));
    if (c->request_id[0]) {
        json_field_z(&w, "request_id", c->request_id);
    }
    if (err->line) {
        json_field_i64(&w, "line", err->line);
        json_field_i64(&w, "column", err->column);
    }
    json_field_i64(&w, "exit_code", exit);
    json_object_end(&w);
    json_object_end(&w);
    (void)cli_print_json(c, buffer_str(&b));
    buffer_release(&b);
}

int cli_report(struct cli *c, const struct error *err)
{
    int exit = exit_code(err->code);
    const char *code = c->server_code[0] ? c->server_code : error_code_name(err->code);
    char *text = cli_printable(str_of(error_text(err)));
    char *param = cli_printable(str_of(err->param));
    bool organization =
        strcmp(param, "x-weir-organization") == 0; /* a header to the API, an option here */
    bool named = !param[0] || organization || err->line || strstr(text, param);
    fprintf(c->err, "weir: %s%s%s\n", named ? "" : param, named ? "" : ": ", text);
    if (error_status(err->code) == 401 && !c->signing_in) {
        fprintf(c->err, "hint: sign in by `weir login`, or set WEIR_TOKEN to an admin token\n");
    }
    if (organization) {
        fprintf(c->err, "hint: --organization (or WEIR_ORGANIZATION) names it\n");
    }
    if (c->request_id[0] && error_status(err->code) >= 500) {
        fprintf(c->err, "request id: %s\n", c->request_id);
    }
    if (c->common && c->common->json) {
        print_error_json(c, err, code, exit);
    }
    mem_free(text);
    mem_free(param);
    return exit;
}

int cli_usage(struct cli *c, const char *fmt, ...)
{
    struct error err = ERROR_INIT;
    char detail[sizeof err.text];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    error_set(&err, ERR_INVALID_FIELD, "%s", detail);
    char *text = cli_printable(str_of(error_text(&err)));
    fprintf(c->err, "weir: %s\n", text);
    mem_free(text);
    if (c->command) {
        fprintf(c->err, "usage: weir %s [options]%s%s (see weir help %s)\n", c->command->words,
                c->command->arguments[0] ? " " : "", c->command->arguments, c->command->words);
    } else {
        fprintf(c->err, "see weir help\n");
    }
    if (c->common && c->common->json) {
        print_error_json(c, &err, "usage", CLI_USAGE);
    }
    return CLI_USAGE;
}
