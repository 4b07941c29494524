/* Reads the command line: finds the command's words among the global options, spells short options
 * out, gathers repeated ones, and leaves the rest to common/options.c, so values are parsed in one
 * place in all programs. */
#include "cli/arguments.h"

#include "common/base/buffer.h"
#include "common/base/mem.h"

#define REPEATED_MAX (64u << 10)

static const struct {
    char letter;
    const char *name;
} short_names[] = {{'f', "file"}, {'o', "output"}, {'n', "count"}, {'h', "help"}};

const char *arguments_long(char letter)
{
    for (size_t i = 0; i < sizeof short_names / sizeof *short_names; i++) {
        if (short_names[i].letter == letter) {
            return short_names[i].name;
        }
    }
    return NULL;
}

char arguments_short(const char *name)
{
    for (size_t i = 0; i < sizeof short_names / sizeof *short_names; i++) {
        if (strcmp(short_names[i].name, name) == 0) {
            return short_names[i].letter;
        }
    }
    return '\0';
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1];
}

static const struct option_row *find(const struct option_row *rows, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eqz(name, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* What an option word says: its long name, and its value if that stands in the same word (ptr NULL:
 * it does not). */
static struct str option_name(const char *word, struct str *ret_value)
{
    struct str name = str_of(word + 2), value = STR_NONE;
    *ret_value = STR_NONE;
    if (word[1] != '-') {
        const char *spelt = arguments_long(word[1]);
        if (word[2]) {
            *ret_value = str_of(word + 2 + (word[2] == '='));
        }
        return spelt ? str_of(spelt) : STR_NONE;
    }
    if (str_cut(name, '=', &name, &value)) {
        *ret_value = value;
    }
    return name;
}

/* How many of argv[at..] this option takes: 1, or 2 with its value behind it. */
static int option_len(const struct option_row *rows, size_t n, int argc, char **argv, int at)
{
    struct str value, name = option_name(argv[at], &value);
    const struct option_row *row = find(rows, n, name);
    return row && row->type != OPTION_BOOL && !value.ptr && at + 1 < argc ? 2 : 1;
}

static bool words_match(const char *words, char *const *given, int n)
{
    struct str rest = str_of(words), head;
    for (int i = 0; i < n; i++) {
        struct str tail = STR_NONE;
        if (!str_cut(rest, ' ', &head, &tail)) {
            head = rest;
        }
        if (!str_eqz(head, given[i])) {
            return false;
        }
        rest = tail;
    }
    return rest.len == 0;
}

static bool begins_with(const char *words, const char *first)
{
    size_t n = strlen(first);
    return strncmp(words, first, n) == 0 && (words[n] == ' ' || words[n] == '\0');
}

/* Sets a->command and, in at[], where its words stand. */
static bool find_command(const struct command *table, size_t n, int argc, char **argv,
                         int at[static 2], struct arguments *a, struct error *err)
{
    char *given[2];
    int found = 0;
    at[0] = at[1] = -1;
    for (int i = 1; i < argc && found < 2; i++) {
        if (is_option(argv[i])) {
            i += option_len(cli_rows, cli_n_rows, argc, argv, i) - 1;
            continue;
        }
        at[found] = i;
        given[found++] = argv[i];
    }
    for (int words = found; words > 0; words--) {
        for (size_t i = 0; i < n; i++) {
            if (words_match(table[i].words, given, words)) {
                a->command = &table[i];
                at[1] = words == 2 ? at[1] : -1;
                return true;
            }
        }
    }
    for (size_t i = 0; found && i < n; i++) {
        if (begins_with(table[i].words, given[0])) {
            return found == 2 ? error_set(err, ERR_INVALID_FIELD, "unknown command \"%.60s %.60s\"",
                                          given[0], given[1])
                              : error_set(err, ERR_INVALID_FIELD,
                                          "\"weir %.60s\" needs one word more", given[0]);
        }
    }
    return found == 0 || error_set(err, ERR_INVALID_FIELD, "unknown command \"%.60s\"", given[0]);
}

static int repeatable_index(const struct command *command, struct str name)
{
    for (int i = 0; i < COMMAND_REPEATABLE_MAX && command->repeatable[i]; i++) {
        if (str_eqz(name, command->repeatable[i])) {
            return i;
        }
    }
    return -1;
}

struct rewriting {
    char **argv; /* heap array; the words below are heap too */
    int argc;
    char **made;
    int n_made;
    struct buffer repeated[COMMAND_REPEATABLE_MAX];
};

static void add_made(struct rewriting *r, struct buffer *b)
{
    r->made[r->n_made] = buffer_detach(b);
    r->argv[r->argc++] = r->made[r->n_made++];
}

/* One option: argv[*i] and perhaps the next word. */
static bool rewrite_option(struct rewriting *r, const struct arguments *a, int argc, char **argv,
                           int *i, struct error *err)
{
    struct str value, name = option_name(argv[*i], &value);
    int len = option_len(a->rows, a->n_rows, argc, argv, *i);
    int repeated = repeatable_index(a->command, name);
    if (!name.ptr) {
        return error_set(err, ERR_INVALID_FIELD, "unknown option %.60s", argv[*i]);
    }
    if (repeated >= 0) {
        struct str one = len == 2 ? str_of(argv[*i + 1]) : value;
        struct buffer *b = &r->repeated[repeated];
        if (!one.ptr || one.len == 0) {
            return error_set(err, ERR_INVALID_FIELD, "flag --%.*s: needs a text", STR_ARG(name));
        }
        if (memchr(one.ptr, '\n', one.len)) {
            return error_set(err, ERR_INVALID_FIELD, "flag --%.*s: holds a line break",
                             STR_ARG(name));
        }
        buffer_append_z(b, b->len ? "\n" : "");
        if (!buffer_append_str(b, one)) {
            return error_set(err, ERR_INVALID_FIELD, "flag --%.*s: too much", STR_ARG(name));
        }
    } else if (argv[*i][1] != '-') {
        struct buffer b;
        buffer_init(&b, REPEATED_MAX);
        buffer_printf(&b, "--%.*s", STR_ARG(name));
        if (value.ptr) {
            buffer_append_z(&b, "=");
            buffer_append_str(&b, value);
        }
        if (b.failed) {
            buffer_release(&b);
            return error_set(err, ERR_INVALID_FIELD, "flag --%.*s: too long", STR_ARG(name));
        }
        add_made(r, &b);
        if (len == 2) {
            r->argv[r->argc++] = argv[*i + 1];
        }
    } else {
        for (int k = 0; k < len; k++) {
            r->argv[r->argc++] = argv[*i + k];
        }
    }
    *i += len - 1;
    return true;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool rewrite(struct rewriting *r, struct arguments *a, int argc, char **argv,
                    const int at[static 2], struct error *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc) {
                r->argv[r->argc++] = argv[i++];
            }
        } else if (i == at[0] || i == at[1]) {
            continue;
        } else if (!is_option(argv[i])) {
            r->argv[r->argc++] = argv[i];
        } else if (is_help(argv[i])) {
            a->help = true;
        } else if (!rewrite_option(r, a, argc, argv, &i, err)) {
            return false;
        }
    }
    return true;
}

/* The options of repeatable names stand first, so that a "--" further on does not swallow them. */
static void put_repeated(struct rewriting *r, const struct command *command)
{
    for (int i = 0; i < COMMAND_REPEATABLE_MAX && command->repeatable[i]; i++) {
        if (r->repeated[i].len) {
            struct buffer b;
            buffer_init(&b, 2 * REPEATED_MAX);
            buffer_printf(&b, "--%s=", command->repeatable[i]);
            buffer_append_str(&b, buffer_str(&r->repeated[i]));
            memmove(r->argv + 1, r->argv, (size_t)r->argc * sizeof *r->argv);
            r->made[r->n_made] = buffer_detach(&b);
            r->argv[0] = r->made[r->n_made++];
            r->argc++;
        }
    }
}

static bool load(struct arguments *a, int argc, char **argv, const int at[static 2],
                 struct error *err)
{
    struct rewriting r = {.argc = 0};
    char **words = NULL;
    size_t room = (size_t)argc + COMMAND_REPEATABLE_MAX + 1;
    r.argv = mem_alloc(room * 2 * sizeof *r.argv);
    r.made = mem_alloc(room * sizeof *r.made);
    for (int i = 0; i < COMMAND_REPEATABLE_MAX; i++) {
        buffer_init(&r.repeated[i], REPEATED_MAX);
    }
    bool ok = rewrite(&r, a, argc, argv, at, err);
    if (ok && !a->help) {
        put_repeated(&r, a->command);
        ok = options_load(a->rows, a->n_rows, a->options, NULL, r.argc, r.argv, 0, &words,
                          &a->n_words, err);
        a->words = words;
    }
    for (int i = 0; i < COMMAND_REPEATABLE_MAX; i++) {
        buffer_release(&r.repeated[i]);
    }
    for (int i = 0; i < r.n_made; i++) {
        mem_free(r.made[i]); /* options are copies; arguments are argv's own */
    }
    mem_free(r.made);
    mem_free(r.argv);
    return ok;
}

static bool check_words(const struct arguments *a, struct error *err)
{
    const struct command *k = a->command;
    if (a->n_words < k->min_words) {
        return error_set(err, ERR_INVALID_FIELD, "\"weir %s\" needs %s", k->words, k->arguments);
    }
    if (a->n_words > k->max_words) {
        return error_set(err, ERR_INVALID_FIELD, "unexpected argument \"%.60s\"",
                         a->words[k->max_words]);
    }
    return true;
}

/* No command: only --help and --version make sense. */
static bool without_command(struct arguments *a, int argc, char **argv, struct error *err)
{
    for (int i = 1; i < argc; i++) {
        a->help = a->help || is_help(argv[i]);
        a->version = a->version || strcmp(argv[i], "--version") == 0;
    }
    return a->help || a->version || error_set(err, ERR_INVALID_FIELD, "no command was given");
}

bool arguments_read(const struct command *table, size_t n, int argc, char **argv,
                    struct arguments *ret, struct error *err)
{
    int at[2];
    *ret = (struct arguments){.command = NULL};
    if (!find_command(table, n, argc, argv, at, ret, err)) {
        return false;
    }
    if (!ret->command) {
        return without_command(ret, argc, argv, err);
    }
    const struct command *k = ret->command;
    ret->n_rows = cli_n_rows + k->n_options;
    ret->rows = mem_alloc(ret->n_rows * sizeof *ret->rows);
    memcpy(ret->rows, cli_rows, cli_n_rows * sizeof *ret->rows);
    if (k->n_options) {
        memcpy(ret->rows + cli_n_rows, k->options, k->n_options * sizeof *ret->rows);
    }
    ret->options =
        mem_alloc(k->options_size > sizeof(struct cli_options) ? k->options_size
                                                               : sizeof(struct cli_options));
    return load(ret, argc, argv, at, err) && (ret->help || check_words(ret, err));
}

void arguments_release(struct arguments *a)
{
    if (a->options) {
        options_release(a->rows, a->n_rows, a->options);
    }
    mem_free(a->options);
    mem_free(a->rows);
    mem_free(a->words);
    *a = (struct arguments){.command = NULL};
}
