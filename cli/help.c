/* weir help, --help and the JSON form of the table. */
#include "cli/help.h"

#include "cli/arguments.h"
#include "cli/commands.h"
#include "common/base/buffer.h"
#include "common/json.h"

#define DOCUMENT_MAX (1u << 20)

static const char *value_of(enum option_type type)
{
    switch (type) {
    case OPTION_BOOL:
        return "";
    case OPTION_U64:
        return " NUMBER";
    case OPTION_DURATION_MS:
        return " DURATION";
    case OPTION_BYTES:
        return " SIZE";
    case OPTION_TEXT:
        break;
    }
    return " TEXT";
}

static bool is_repeatable(const struct command *k, const char *name)
{
    for (int i = 0; k && i < COMMAND_REPEATABLE_MAX && k->repeatable[i]; i++) {
        if (strcmp(k->repeatable[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void print_rows(FILE *out, const struct command *k, const struct option_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct option_row *r = &rows[i];
        char letter = arguments_short(r->name), left[80], shortly[8] = "";
        if (letter) {
            (void)snprintf(shortly, sizeof shortly, "-%c, ", letter);
        }
        (void)snprintf(left, sizeof left, "%s--%s%s%s", shortly, r->name, value_of(r->type),
                       is_repeatable(k, r->name) ? "..." : "");
        fprintf(out, "  %-26s %s", left, r->help);
        if (r->env) {
            fprintf(out, " [%s]", r->env);
        }
        if (r->fallback) {
            fprintf(out, " (default: %s)", r->fallback);
        }
        fputs("\n", out);
    }
}

static void print_global(FILE *out)
{
    fputs("\nGlobal options:\n", out);
    print_rows(out, NULL, cli_rows, cli_n_rows);
    fputs("  -h, --help                 this page\n", out);
}

void help_overview(FILE *out, const struct command *table, size_t n)
{
    fputs("weir: the command line of the Weir gateway\n\nusage: weir COMMAND [options] "
          "[arguments]\n\n",
          out);
    for (size_t i = 0; i < n; i++) {
        char left[96];
        (void)snprintf(left, sizeof left, "%s %s", table[i].words, table[i].arguments);
        fprintf(out, "  %-44s %s\n", left, table[i].summary);
    }
    print_global(out);
    fputs("\nEnvironment: WEIR_TOKEN is the admin token, where it is not that of `weir login`.\n"
          "Exit codes: 0 done, 1 error, 2 wrong use, 3 not found, 4 conflict.\n"
          "weir help COMMAND tells more about one command.\n",
          out);
}

void help_command(FILE *out, const struct command *k)
{
    fprintf(out, "weir %s: %s\n\nusage: weir %s%s%s%s\n", k->words, k->summary, k->words,
            k->n_options ? " [options]" : "", k->arguments[0] ? " " : "", k->arguments);
    if (k->details) {
        fprintf(out, "\n%s\n", k->details);
    }
    if (k->n_options) {
        fputs("\nOptions:\n", out);
        print_rows(out, k, k->options, k->n_options);
    }
    print_global(out);
}

static void put_rows(struct json_writer *w, const struct command *k, const struct option_row *rows,
                     size_t n)
{
    static const char *const types[] = {[OPTION_BOOL] = "boolean",
                                        [OPTION_U64] = "number",
                                        [OPTION_TEXT] = "text",
                                        [OPTION_DURATION_MS] = "duration",
                                        [OPTION_BYTES] = "size"};
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        char letter[2] = {arguments_short(rows[i].name), '\0'};
        json_object_begin(w);
        json_field_z(w, "name", rows[i].name);
        json_field_z(w, "short", letter[0] ? letter : NULL);
        json_field_z(w, "type", types[rows[i].type]);
        json_field_bool(w, "repeatable", is_repeatable(k, rows[i].name));
        json_field_z(w, "environment", rows[i].env);
        json_field_z(w, "default", rows[i].fallback);
        json_field_z(w, "help", rows[i].help);
        json_object_end(w);
    }
    json_array_end(w);
}

void help_json(struct buffer *b, const struct command *table, size_t n)
{
    struct json_writer w;
    json_writer_init(&w, b);
    json_object_begin(&w);
    json_name(&w, "commands");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        json_field_z(&w, "name", table[i].words);
        json_field_z(&w, "arguments", table[i].arguments);
        json_field_z(&w, "summary", table[i].summary);
        json_name(&w, "options");
        put_rows(&w, &table[i], table[i].options, table[i].n_options);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_name(&w, "global_options");
    put_rows(&w, NULL, cli_rows, cli_n_rows);
    json_object_end(&w);
}

static int print_json(struct cli *c, const struct command *table, size_t n)
{
    struct buffer b;
    buffer_init(&b, DOCUMENT_MAX);
    help_json(&b, table, n);
    int exit = cli_print_json(c, buffer_str(&b));
    buffer_release(&b);
    return exit;
}

int help_page(struct cli *c, const struct command *k)
{
    if (c->common->json) {
        return print_json(c, k, 1);
    }
    help_command(c->out, k);
    return CLI_OK;
}

/* How many rows from `first` on are the command "words", or of the group "words". */
static size_t count_rows(size_t first, const char *words)
{
    size_t n = 0, len = strlen(words);
    while (first + n < n_commands && strncmp(commands[first + n].words, words, len) == 0 &&
           (commands[first + n].words[len] == '\0' || commands[first + n].words[len] == ' ')) {
        n++;
    }
    return n;
}

int command_help(struct cli *c)
{
    char words[128];
    size_t first = 0, n = n_commands;
    if (c->n_words) {
        (void)snprintf(words, sizeof words, "%s%s%s", c->words[0], c->n_words > 1 ? " " : "",
                       c->n_words > 1 ? c->words[1] : "");
        while (first < n_commands && (n = count_rows(first, words)) == 0) {
            first++;
        }
        if (first == n_commands) {
            return cli_usage(c, "unknown command \"%.60s\"", words);
        }
        if (n == 1) {
            return help_page(c, &commands[first]);
        }
    }
    if (c->common->json) {
        return print_json(c, commands + first, n);
    }
    help_overview(c->out, commands + first, n);
    return CLI_OK;
}
