/* Reads the arguments, loads the profile, runs the command of the table, cleans up. */
#include "cli/run.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/http.h"
#include "common/base/mem.h"

static bool wants_color(const struct cli *c, FILE *out)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return !c->common->no_color && !(no_color && *no_color) && isatty(fileno(out)) == 1 &&
           !(term && strcmp(term, "dumb") == 0);
}

/* --json may stand anywhere, also where the arguments could not be read. */
static bool asks_json(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

static bool load_profile(struct cli *c, struct error *err)
{
    struct error none = ERROR_INIT;
    bool open = false;
    char *path = profile_path(
        &none); /* without a home there is no profile, and none is needed with WEIR_TOKEN */
    if (!path) {
        return true;
    }
    bool ok = profile_load(path, &c->profile, &open, err);
    if (ok && open && c->profile.token) {
        fprintf(c->err, "weir: warning: %s can be read by others: chmod 600 it\n", path);
    }
    mem_free(path);
    return ok;
}

static int run_command(struct cli *c)
{
    struct error err = ERROR_INIT;
    if (!load_profile(c, &err)) {
        return cli_report(c, &err);
    }
    int exit = c->command->run(c);
    http_free(c->http);
    profile_release(&c->profile);
    return exit;
}

int cli_run(int argc, char **argv, FILE *in, FILE *out, FILE *err_stream)
{
    struct arguments a;
    struct error err = ERROR_INIT;
    struct cli_options only_json = {.json = asks_json(argc, argv)};
    struct cli c = {.in = in, .out = out, .err = err_stream, .common = &only_json};
    int exit = CLI_OK;
    bool ok = arguments_read(commands, n_commands, argc, argv, &a, &err);
    c.command = a.command;
    if (!ok) {
        exit = cli_usage(&c, "%s", error_text(&err));
    } else if (a.version) {
        exit = command_version(&c);
    } else if (a.help && !a.command) {
        exit = command_help(&c);
    } else if (a.help) {
        exit = help_page(&c, a.command);
    } else {
        c.options = a.options;
        c.common = a.options;
        c.words = a.words;
        c.n_words = a.n_words;
        c.color = wants_color(&c, out);
        exit = run_command(&c);
    }
    arguments_release(&a);
    return exit;
}
