/* THE table of commands: words, arguments, summary, handler, options. Rows of one group stand
 * together. */
#include "cli/commands.h"

#include "common/json.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define TEXT(s, field) .type = OPTION_TEXT, .offset = offsetof(struct s, field)
#define FLAG(s, field) .type = OPTION_BOOL, .offset = offsetof(struct s, field)
#define WORKSPACE(s)                                                           \
    {                                                                          \
        .name = "workspace", .env = "WEIR_WORKSPACE", TEXT(s, workspace),      \
        .help = "workspace, by name or id, where the organization has several" \
    }
/* For a row of commands[]: its options and the struct that they fill. */
#define OPTIONS(rows, s) \
    .options = (rows), .n_options = COUNT(rows), .options_size = sizeof(struct s)

static const struct option_row login_rows[] = {
    {.name = "email",
     .env = "WEIR_EMAIL",
     TEXT(login_options, email),
     .help = "who signs in; asked for when absent"},
    {.name = "password-file",
     TEXT(login_options, password_file),
     .help = "file that holds the password (- reads standard input); asked for when absent"},
    {.name = "token-file",
     TEXT(login_options, token_file),
     .help = "keep this admin token instead of signing in (- reads standard input)"},
};

static const struct option_row key_create_rows[] = {
    {.name = "model",
     TEXT(key_create_options, models),
     .help = "model or pattern that the key may use; absent: all"},
    {.name = "provider",
     TEXT(key_create_options, providers),
     .help = "provider or pattern whose own paths the key may use; absent: all"},
    {.name = "expires",
     TEXT(key_create_options, expires),
     .help = "when it ends: 12h, 30d, or a time such as 2027-01-31T00:00:00Z"},
    WORKSPACE(key_create_options),
};

static const struct option_row workspace_rows[] = {WORKSPACE(workspace_options)};

static const struct option_row provider_add_rows[] = {
    {.name = "kind",
     TEXT(provider_add_options, kind),
     .help = "what it is, by its name in the table of providers: openai, anthropic, bedrock ..."},
    {.name = "base-url",
     TEXT(provider_add_options, base_url),
     .help = "its address; absent: the kind's own"},
    {.name = "api-key",
     TEXT(provider_add_options, api_key),
     .secret = true,
     .help = "where its key is: env:NAME, file:PATH, or - for standard input"},
    {.name = "set",
     TEXT(provider_add_options, set),
     .help = "what its kind needs: NAME=VALUE, comma-separated; secrets as env:NAME or file:PATH"},
    {.name = "timeout",
     .type = OPTION_DURATION_MS,
     .offset = offsetof(struct provider_add_options, timeout_ms),
     .max = 86400000,
     .help = "for a whole answer; absent: the data plane's default"},
    WORKSPACE(provider_add_options),
};

static const struct option_row catalogue_list_rows[] = {
    {.name = "provider",
     TEXT(catalogue_list_options, provider),
     .help = "of this provider, by its id in the catalogue"},
    {.name = "search",
     TEXT(catalogue_list_options, search),
     .help = "whose name, title or provider holds this"},
    {.name = "priced", FLAG(catalogue_list_options, priced), .help = "only those with a price"},
    {.name = "count",
     .type = OPTION_U64,
     .offset = offsetof(struct catalogue_list_options, count),
     .fallback = "200",
     .max = 1000000,
     .help = "how many at most; 0: all"},
};

#define INSTALLED                                                                          \
    {                                                                                      \
        .name = "installed", TEXT(catalogue_update_options, installed),                    \
        .help = "the catalogue.json of a standalone proxy, instead of the control plane's" \
    }
static const struct option_row catalogue_diff_rows[] = {INSTALLED};

static const struct option_row catalogue_update_rows[] = {
    INSTALLED,
    {.name = "yes", FLAG(catalogue_update_options, yes), .help = "do not ask"},
};

static const struct option_row apply_rows[] = {
    {.name = "file", TEXT(apply_options, file), .help = "the file; - reads standard input"},
    {.name = "dry-run",
     FLAG(apply_options, dry_run),
     .help = "tell what would be done, and do nothing"},
    {.name = "prune",
     FLAG(apply_options, prune),
     .help = "delete what came from a file before and is not in this one"},
    WORKSPACE(apply_options),
};

static const struct option_row export_rows[] = {
    {.name = "output",
     TEXT(export_options, output),
     .help = "write to this file; absent: standard output"},
    WORKSPACE(export_options),
};

#define FILE_ROW(s, text)                             \
    {                                                 \
        .name = "file", TEXT(s, file), .help = (text) \
    }
#define VERSION_ROWS                                                                              \
    FILE_ROW(versioned_options, "the document, JSON or YAML; - reads standard input"),            \
        {.name = "note", TEXT(versioned_options, note), .help = "why, for those who look later"}, \
        {.name = "label",                                                                         \
         TEXT(versioned_options, labels),                                                         \
         .help = "label that the new version gets, such as staging"},                             \
        {.name = "draft", FLAG(versioned_options, draft), .help = "do not publish it"},           \
        WORKSPACE(versioned_options)
#define DESCRIPTION_ROW                                                                       \
    {                                                                                         \
        .name = "description", TEXT(versioned_options, description), .help = "what it is for" \
    }

static const struct option_row config_create_rows[] = {VERSION_ROWS, DESCRIPTION_ROW};
static const struct option_row prompt_create_rows[] = {
    VERSION_ROWS,
    DESCRIPTION_ROW,
    {.name = "partial",
     FLAG(versioned_options, partial),
     .help = "a text that prompts include by its name"}};
static const struct option_row publish_rows[] = {VERSION_ROWS};
static const struct option_row label_rows[] = {
    {.name = "remove", FLAG(label_options, remove), .help = "take the label away"},
    WORKSPACE(label_options),
};

static const struct option_row explain_rows[] = {
    {.name = "key",
     TEXT(explain_options, key),
     .help = "virtual key whose request it would be, by name or id"},
    {.name = "path",
     TEXT(explain_options, path),
     .fallback = "/v1/chat/completions",
     .help = "path of the request"},
    {.name = "model", TEXT(explain_options, model), .help = "model that the request names"},
    {.name = "body",
     TEXT(explain_options, body),
     .help = "file with the request's body; - reads standard input"},
    {.name = "header",
     TEXT(explain_options, headers),
     .help = "header field of the request, \"NAME: VALUE\""},
    {.name = "config",
     TEXT(explain_options, config),
     .help = "file with a routing config, in place of the one in force"},
    WORKSPACE(explain_options),
};

static const struct option_row replay_rows[] = {
    {.name = "proxy", TEXT(replay_options, proxy), .help = "address of the proxy"},
    {.name = "key",
     .env = "WEIR_KEY",
     TEXT(replay_options, key),
     .secret = true,
     .help = "virtual key, as env:NAME or file:PATH; a key itself is taken too"},
    {.name = "config",
     TEXT(replay_options, config),
     .help = "proposed routing config: a file, or a reference"},
    {.name = "baseline",
     TEXT(replay_options, baseline),
     .help = "what it is compared with: a file, or a reference; absent: whatever is in force"},
    {.name = "events",
     TEXT(replay_options, events),
     .help = "events file of a standalone proxy, for costs; absent: the admin API's events"},
    {.name = "concurrency",
     .type = OPTION_U64,
     .offset = offsetof(struct replay_options, concurrency),
     .fallback = "4",
     .min = 1,
     .max = 64,
     .help = "how many requests at a time"},
    {.name = "limit",
     .type = OPTION_U64,
     .offset = offsetof(struct replay_options, limit),
     .fallback = "0",
     .max = 1000000,
     .help = "only the first so many; 0: all"},
    {.name = "timeout",
     .type = OPTION_DURATION_MS,
     .offset = offsetof(struct replay_options, timeout_ms),
     .fallback = "10m",
     .min = 1,
     .max = 86400000,
     .help = "for one answer"},
};

static const struct option_row import_rows[] = {
    {.name = "output",
     TEXT(import_options, output),
     .help = "write the manifest to this file; absent: standard output"},
    {.name = "report",
     TEXT(import_options, report),
     .help = "write what did not map to this file, as JSON; absent: standard error, as text"},
};

static const struct option_row logs_rows[] = {
    {.name = "count",
     .type = OPTION_U64,
     .offset = offsetof(struct logs_options, count),
     .fallback = "20",
     .min = 1,
     .max = 10000,
     .help = "how many of the latest requests"},
    {.name = "follow", FLAG(logs_options, follow), .help = "go on with new ones until interrupted"},
    {.name = "key", TEXT(logs_options, key), .help = "of this virtual key, by name or id"},
    {.name = "model", TEXT(logs_options, model), .help = "that named this model"},
    {.name = "status",
     TEXT(logs_options, status),
     .help = "with this status, such as 200, or of a class, such as 5xx"},
};

static const struct option_row data_plane_token_rows[] = {
    {.name = "group",
     TEXT(data_plane_token_options, group),
     .help = "group that the data plane joins; absent: default"},
    {.name = "control",
     TEXT(data_plane_token_options, control),
     .help = "HOST:PORT of weir-control's enrolment listener, for the command shown; absent: the "
             "host of --url, port 8443"},
};

#define IMPORT_DETAILS                                                                         \
    "Nothing is changed: the manifest is for weir apply, or for a standalone proxy. What did " \
    "not\n"                                                                                    \
    "map is told, each with its path and why. FILE - reads standard input."
#define PLAIN .options_size = sizeof(struct cli_options)

const struct command commands[] = {
    {.words = "login",
     .arguments = "",
     .summary = "sign in and keep an admin token",
     .run = command_login,
     OPTIONS(login_rows, login_options),
     .details = "Makes an admin token named after this machine and keeps it, with the address, in\n"
                "$XDG_CONFIG_HOME/weir/config.yaml or ~/.config/weir/config.yaml (mode 0600)."},
    {.words = "logout",
     .arguments = "",
     .summary = "revoke that token and forget it",
     .run = command_logout,
     PLAIN},
    {.words = "key create",
     .arguments = "NAME",
     .summary = "make a virtual key; its secret is shown once",
     .run = command_key_create,
     OPTIONS(key_create_rows, key_create_options),
     .min_words = 1,
     .max_words = 1,
     .repeatable = {"model", "provider"}},
    {.words = "key list",
     .arguments = "",
     .summary = "list virtual keys",
     .run = command_key_list,
     OPTIONS(workspace_rows, workspace_options)},
    {.words = "key revoke",
     .arguments = "ID|NAME",
     .summary = "revoke a virtual key for good",
     .run = command_key_revoke,
     OPTIONS(workspace_rows, workspace_options),
     .min_words = 1,
     .max_words = 1},
    {.words = "provider add",
     .arguments = "NAME",
     .summary = "add a model provider",
     .run = command_provider_add,
     OPTIONS(provider_add_rows, provider_add_options),
     .min_words = 1,
     .max_words = 1,
     .details = "A key never stands on the command line, where other users and the shell's history "
                "would see it."},
    {.words = "provider list",
     .arguments = "",
     .summary = "list model providers",
     .run = command_provider_list,
     OPTIONS(workspace_rows, workspace_options)},
    {.words = "provider test",
     .arguments = "NAME",
     .summary = "let a data plane call a provider",
     .run = command_provider_test,
     OPTIONS(workspace_rows, workspace_options),
     .min_words = 1,
     .max_words = 1},
    {.words = "catalog list",
     .arguments = "",
     .summary = "list models that the catalogue knows, with prices in USD",
     .run = command_catalogue_list,
     OPTIONS(catalogue_list_rows, catalogue_list_options)},
    {.words = "catalog show",
     .arguments = "PROVIDER/MODEL",
     .summary = "show one model of the catalogue",
     .run = command_catalogue_show,
     PLAIN,
     .min_words = 1,
     .max_words = 1},
    {.words = "catalog diff",
     .arguments = "FILE",
     .summary = "show what a newer catalogue file would change",
     .run = command_catalogue_diff,
     OPTIONS(catalogue_diff_rows, catalogue_update_options),
     .min_words = 1,
     .max_words = 1},
    {.words = "catalog update",
     .arguments = "FILE",
     .summary = "take a newer catalogue file into use",
     .run = command_catalogue_update,
     OPTIONS(catalogue_update_rows, catalogue_update_options),
     .min_words = 1,
     .max_words = 1,
     .details = "FILE is a catalogue.json of a newer build of Weir. The difference is shown first; "
                "entries that\n"
                "it lacks stay as they are installed. With --installed the file named is replaced, "
                "in one step."},
    {.words = "apply",
     .arguments = "-f FILE",
     .summary = "make providers, models and keys as a file says",
     .run = command_apply,
     OPTIONS(apply_rows, apply_options),
     .details =
         "env:NAME and file:PATH in the file are read here, where weir runs; the values are sent.\n"
         "Keys without a secret get one, which is shown once. What is not in the file stays, "
         "unless --prune."},
    {.words = "export",
     .arguments = "",
     .summary = "write the configuration as such a file, without secrets",
     .run = command_export,
     OPTIONS(export_rows, export_options)},
    {.words = "config list",
     .arguments = "",
     .summary = "list routing configs",
     .run = command_config_list,
     OPTIONS(workspace_rows, workspace_options)},
    {.words = "config show",
     .arguments = "NAME[@VERSION|@LABEL]",
     .summary = "show a routing config's document",
     .run = command_config_show,
     OPTIONS(workspace_rows, workspace_options),
     .min_words = 1,
     .max_words = 1},
    {.words = "config create",
     .arguments = "NAME -f FILE",
     .summary = "make a routing config",
     .run = command_config_create,
     OPTIONS(config_create_rows, versioned_options),
     .min_words = 1,
     .max_words = 1,
     .repeatable = {"label"}},
    {.words = "config publish",
     .arguments = "NAME[@VERSION|@LABEL] [-f FILE]",
     .summary = "publish a version, or a file as the next one",
     .run = command_config_publish,
     OPTIONS(publish_rows, versioned_options),
     .min_words = 1,
     .max_words = 1,
     .repeatable = {"label"},
     .details =
         "Without a file the version named is published (absent: the newest); an older one is\n"
         "a rollback."},
    {.words = "config label",
     .arguments = "NAME[@VERSION|@LABEL] LABEL",
     .summary = "point a label at a version",
     .run = command_config_label,
     OPTIONS(label_rows, label_options),
     .min_words = 2,
     .max_words = 2},
    {.words = "prompt list",
     .arguments = "",
     .summary = "list prompts",
     .run = command_prompt_list,
     OPTIONS(workspace_rows, workspace_options)},
    {.words = "prompt show",
     .arguments = "NAME[@VERSION|@LABEL]",
     .summary = "show a prompt's document",
     .run = command_prompt_show,
     OPTIONS(workspace_rows, workspace_options),
     .min_words = 1,
     .max_words = 1},
    {.words = "prompt create",
     .arguments = "NAME -f FILE",
     .summary = "make a prompt",
     .run = command_prompt_create,
     OPTIONS(prompt_create_rows, versioned_options),
     .min_words = 1,
     .max_words = 1,
     .repeatable = {"label"}},
    {.words = "prompt publish",
     .arguments = "NAME[@VERSION|@LABEL] [-f FILE]",
     .summary = "publish a version, or a file as the next one",
     .run = command_prompt_publish,
     OPTIONS(publish_rows, versioned_options),
     .min_words = 1,
     .max_words = 1,
     .repeatable = {"label"},
     .details =
         "Without a file the version named is published (absent: the newest); an older one is\n"
         "a rollback."},
    {.words = "prompt label",
     .arguments = "NAME[@VERSION|@LABEL] LABEL",
     .summary = "point a label at a version",
     .run = command_prompt_label,
     OPTIONS(label_rows, label_options),
     .min_words = 2,
     .max_words = 2},
    {.words = "explain",
     .arguments = "",
     .summary = "tell what would be done with a request, without sending it",
     .run = command_explain,
     OPTIONS(explain_rows, explain_options),
     .repeatable = {"header"}},
    {.words = "targets",
     .arguments = "",
     .summary = "show how the targets of requests are, as data planes see them",
     .run = command_targets,
     PLAIN},
    {.words = "cache purge",
     .arguments = "",
     .summary = "forget all cached answers",
     .run = command_cache_purge,
     OPTIONS(workspace_rows, workspace_options)},
    {.words = "replay",
     .arguments = "FILE",
     .summary = "send recorded requests by a proposed config and by the present one, and compare",
     .run = command_replay,
     OPTIONS(replay_rows, replay_options),
     .min_words = 1,
     .max_words = 1,
     .details = "FILE holds a request on each line: {\"method\"?, \"path\", \"headers\"?, "
                "\"body\"}. Each is "
                "sent twice\n"
                "and costs what such requests cost. - reads standard input."},
    {.words = "import litellm",
     .arguments = "FILE",
     .summary = "turn a config.yaml of LiteLLM into a manifest",
     .run = command_import_litellm,
     OPTIONS(import_rows, import_options),
     .min_words = 1,
     .max_words = 1,
     .details = IMPORT_DETAILS},
    {.words = "import cloudflare",
     .arguments = "FILE",
     .summary = "turn dynamic routes of Cloudflare AI Gateway into a manifest",
     .run = command_import_cloudflare,
     OPTIONS(import_rows, import_options),
     .min_words = 1,
     .max_words = 1,
     .details = IMPORT_DETAILS},
    {.words = "import portkey",
     .arguments = "FILE",
     .summary = "turn configs of Portkey into a manifest",
     .run = command_import_portkey,
     OPTIONS(import_rows, import_options),
     .min_words = 1,
     .max_words = 1,
     .details = IMPORT_DETAILS},
    {.words = "logs",
     .arguments = "",
     .summary = "show requests and what they used",
     .run = command_logs,
     OPTIONS(logs_rows, logs_options),
     .details = "With --follow and --json each event is one JSON document on its own line."},
    {.words = "status",
     .arguments = "",
     .summary = "show data planes, versions and the database",
     .run = command_status,
     PLAIN},
    {.words = "data-plane list",
     .arguments = "",
     .summary = "list data planes",
     .run = command_data_plane_list,
     PLAIN},
    {.words = "data-plane token",
     .arguments = "",
     .summary = "make an enrolment token and show the command that uses it",
     .run = command_data_plane_token,
     OPTIONS(data_plane_token_rows, data_plane_token_options)},
    {.words = "data-plane revoke",
     .arguments = "ID|NAME",
     .summary = "shut a data plane out for good",
     .run = command_data_plane_revoke,
     PLAIN,
     .min_words = 1,
     .max_words = 1},
    {.words = "version",
     .arguments = "",
     .summary = "show the version",
     .run = command_version,
     PLAIN},
    {.words = "help",
     .arguments = "[COMMAND]",
     .summary = "show this, or more about one command",
     .run = command_help,
     PLAIN,
     .max_words = 2},
    {.words = "completion bash",
     .arguments = "",
     .summary = "write a completion script for bash",
     .run = command_completion_bash,
     PLAIN,
     .details = "source <(weir completion bash)"},
};
const size_t n_commands = COUNT(commands);

int command_version(struct cli *c)
{
    if (c->common->json) {
        return cli_print_json(c, STR_LIT("{\"version\":\"" WEIR_VERSION "\"}"));
    }
    fprintf(c->out, "weir %s\n", WEIR_VERSION);
    return CLI_OK;
}
