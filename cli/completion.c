/* weir completion bash: a script made from the table of commands. */
#include "cli/commands.h"
#include "common/base/buffer.h"
#include "common/json.h"

#define SCRIPT_MAX (256u << 10)

static void put_options(struct buffer *b, const struct option_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buffer_printf(b, " --%s", rows[i].name);
    }
}

/* The words that may follow `first` ("" for the first words), each once. */
static void put_words(struct buffer *b, const char *first)
{
    const char *before = "";
    size_t len = strlen(first), before_len = 0;
    for (size_t i = 0; i < n_commands; i++) {
        const char *words = commands[i].words;
        if (len && (strncmp(words, first, len) != 0 || words[len] != ' ')) {
            continue;
        }
        words += len ? len + 1 : 0;
        size_t word_len = strcspn(words, " ");
        if (word_len != before_len || strncmp(words, before, word_len) != 0) {
            buffer_printf(b, " %.*s", (int)word_len, words);
        }
        before = words;
        before_len = word_len;
    }
}

static void put_script(struct buffer *b)
{
    buffer_append_z(
        b,
        "# bash completion for weir; source <(weir completion bash)\n"
        "_weir()\n{\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=\n"
        "    local first= second= i\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case ${COMP_WORDS[i]} in -*) continue ;; esac\n"
        "        if [ -z \"$first\" ]; then first=${COMP_WORDS[i]}\n"
        "        elif [ -z \"$second\" ]; then second=${COMP_WORDS[i]}; fi\n"
        "    done\n"
        "    case $before in\n"
        "    -f|--file|-o|--output|--ca-file|--password-file|--token-file)\n"
        "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
        "    esac\n"
        "    case \"$first $second\" in\n");
    for (size_t i = 0; i < n_commands; i++) {
        const struct command *k = &commands[i];
        buffer_printf(b, "    \"%s%s) words='", k->words, strchr(k->words, ' ') ? "\"" : " \"*");
        put_options(b, k->options, k->n_options);
        put_options(b, cli_rows, cli_n_rows);
        buffer_append_z(b, "' ;;\n");
    }
    const char *before = "";
    for (size_t i = 0; i < n_commands; i++) {
        const char *space = strchr(commands[i].words, ' ');
        char group[32] = "";
        if (!space) {
            continue;
        }
        (void)snprintf(group, sizeof group, "%.*s", (int)(space - commands[i].words),
                       commands[i].words);
        if (strcspn(before, " ") == strlen(group) && strncmp(before, group, strlen(group)) == 0) {
            continue;
        }
        before = commands[i].words;
        buffer_printf(b, "    \"%s \"*) words='", group);
        put_words(b, group);
        buffer_append_z(b, "' ;;\n");
    }
    buffer_append_z(b, "    *) words='");
    put_words(b, "");
    put_options(b, cli_rows, cli_n_rows);
    buffer_append_z(b, "' ;;\n    esac\n"
                       "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                       "}\ncomplete -F _weir weir\n");
}

int command_completion_bash(struct cli *c)
{
    struct buffer script, json;
    struct json_writer w;
    int exit = CLI_OK;
    buffer_init(&script, SCRIPT_MAX);
    put_script(&script);
    if (c->common->json) {
        buffer_init(&json, 2 * SCRIPT_MAX);
        json_writer_init(&w, &json);
        json_object_begin(&w);
        json_field_z(&w, "shell", "bash");
        json_field_str(&w, "script", buffer_str(&script));
        json_object_end(&w);
        exit = cli_print_json(c, buffer_str(&json));
        buffer_release(&json);
    } else {
        fprintf(c->out, "%.*s", STR_ARG(buffer_str(&script)));
    }
    buffer_release(&script);
    return exit;
}
