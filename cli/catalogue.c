/* weir catalog list, show, diff, update: the model catalogue, at the control plane or (--installed)
 * as a file on this machine. */
#include "common/rules/catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/price.h"
#include "cli/table.h"
#include "common/base/mem.h"

#define PATH_MAX_BYTES ((size_t)16 << 10)
#define DIFF_MAX_BYTES ((size_t)64 << 20)
#define SHOWN_MAX 40 /* entries of a part of the diff, for people */

/* --- money --- */

static bool is_token(enum price_unit u)
{
    return !(u == PRICE_IMAGE || u == PRICE_SECOND || u == PRICE_PIXEL || u == PRICE_REQUEST ||
             u == PRICE_SEARCH || u == PRICE_CHARACTER || u == PRICE_PAGE);
}

/* pico-USD with `places` decimals taken as whole ones: 2500000 of 6 is "2.5". */
static void put_decimal(struct buffer *b, uint64_t v, unsigned places)
{
    uint64_t unit = 1;
    char digits[24];
    for (unsigned i = 0; i < places; i++) {
        unit *= 10;
    }
    buffer_printf(b, "%" PRIu64, v / unit);
    int n = snprintf(digits, sizeof digits, "%0*" PRIu64, (int)places, v % unit);
    while (n > 0 && digits[n - 1] == '0') {
        n--;
    }
    if (n > 0) {
        buffer_printf(b, ".%.*s", n, digits);
    }
}

/* A price as the API has it (a number, or an object with tiers) in USD; "-" for none. */
static void put_usd(struct buffer *b, const struct document *price, const char *unit)
{
    unsigned places = is_token(price_unit_named(str_of(unit))) ? 6 : 12;
    const struct document *tiers = document_get(price, "tiers");
    if (document_type(price) == DOCUMENT_NULL) {
        buffer_append_z(b, "-");
        return;
    }
    bool plain = document_type(price) == DOCUMENT_NUMBER;
    put_decimal(b, (uint64_t)document_integer(price, plain ? "" : "price"), places);
    for (size_t i = 0; i < document_count(tiers); i++) {
        const struct document *t = document_at(tiers, i);
        buffer_append_z(b, " (");
        put_decimal(b, (uint64_t)document_integer(t, "price"), places);
        buffer_printf(b, " above %lld)", (long long)document_integer(t, "above"));
    }
}

char *price_usd(const struct document *price, const char *unit)
{
    struct buffer b;
    buffer_init(&b, 1024);
    put_usd(&b, price, unit);
    return buffer_detach(&b);
}

/* --- list and show --- */

static char *list_path(const char *provider, const char *search, bool priced)
{
    struct buffer b;
    buffer_init(&b, PATH_MAX_BYTES);
    buffer_append_z(&b, "/catalogue?limit=200");
    api_query(&b, "provider", provider);
    api_query(&b, "q", search);
    api_query(&b, "priced", priced ? "true" : NULL);
    return buffer_detach(&b);
}

static void print_list(struct cli *c, const struct document *list)
{
    static const char *const titles[] = {"PROVIDER",     "MODEL",    ">CONTEXT",
                                         ">IN $/M",      ">OUT $/M", ">CACHED $/M",
                                         "CAPABILITIES", "",         NULL};
    static const char *const prices[] = {"token_in", "token_out", "token_cached"};
    struct table *t = table_new(titles);
    for (size_t i = 0; i < document_count(list); i++) {
        const struct document *m = document_at(list, i);
        const struct document *price = document_get(m, "price");
        table_cell_z(t, document_text(m, "provider"));
        table_cell_z(t, document_text(m, "model"));
        table_cell_take(t, document_show(m, "context"));
        for (size_t k = 0; k < 3; k++) {
            table_cell_take(t, price_usd(document_get(price, prices[k]), prices[k]));
        }
        table_cell_take(t, document_show(m, "capabilities"));
        table_cell_z(t, document_text(m, "override_id")[0] ? "override"
                        : document_bool(m, "deprecated")   ? "deprecated"
                                                           : "");
    }
    table_print(t, c->out, c->color);
    table_free(t);
}

int command_catalogue_list(struct cli *c)
{
    const struct catalogue_list_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *answer;
    char *path = list_path(o->provider, o->search, o->priced);
    bool ok = api_list(c, path, o->count, &answer, &err);
    mem_free(path);
    if (!ok) {
        return cli_report(c, &err);
    }
    int exit = CLI_OK;
    if (c->common->json) {
        exit = api_print(c, answer);
    } else {
        print_list(c, document_get(answer, "data"));
    }
    document_free(answer);
    return exit;
}

static void print_line(struct cli *c, const char *name, char *text)
{
    if (text[0]) {
        char *safe = cli_printable(str_of(text));
        fprintf(c->out, "%-16s%s\n", name, safe);
        mem_free(safe);
    }
    mem_free(text);
}

static void print_model(struct cli *c, const struct document *m)
{
    static const char *const members[] = {"provider",   "model",         "title",      "context",
                                          "max_output", "capabilities",  "input",      "output",
                                          "source",     "deprecated_on", "override_id"};
    const struct document *price = document_get(m, "price");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        print_line(c, members[i], document_show(m, members[i]));
    }
    for (unsigned u = 1; u < PRICE_UNIT_COUNT; u++) {
        const char *unit = price_unit_name((enum price_unit)u);
        const struct document *p = document_get(price, unit);
        if (p) {
            char *text = price_usd(p, unit);
            fprintf(c->out, "%-16s%s USD per %s\n", unit, text,
                    is_token((enum price_unit)u) ? "million tokens" : unit);
            mem_free(text);
        }
    }
    if (document_type(price) == DOCUMENT_NULL) {
        fprintf(c->out, "%-16snot known\n", "price");
    }
}

int command_catalogue_show(struct cli *c)
{
    struct str provider, model;
    struct error err = ERROR_INIT;
    struct document *answer;
    const struct document *found = NULL;
    if (!str_cut(str_of(c->words[0]), '/', &provider, &model) || model.len == 0) {
        return cli_usage(c, "the model is named by PROVIDER/MODEL, such as openai/gpt-4o");
    }
    char *name = str_dup(provider), *path = list_path(name, model.ptr, false);
    mem_free(name);
    bool ok = api_list(c, path, 0, &answer, &err);
    mem_free(path);
    if (!ok) {
        return cli_report(c, &err);
    }
    const struct document *list = document_get(answer, "data");
    for (size_t i = 0; i < document_count(list) && !found; i++) {
        const struct document *m = document_at(list, i);
        found = strcmp(document_text(m, "model"), model.ptr) == 0 ? m : NULL;
    }
    int exit = CLI_OK;
    if (!found) {
        error_set(&err, ERR_NOT_FOUND, "the catalogue has no model \"%.200s\"", c->words[0]);
        exit = cli_report(c, &err);
    } else if (c->common->json) {
        exit = api_print(c, found);
    } else {
        print_model(c, found);
    }
    document_free(answer);
    return exit;
}

/* --- diff and update --- */

static bool read_file(const char *path, struct buffer *b, struct error *err)
{
    char chunk[65536];
    size_t n;
    FILE *f = fopen(path, "rbe");
    if (!f) {
        return error_set(err, ERR_NOT_FOUND, "cannot read \"%.160s\": %s", path, strerror(errno));
    }
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        buffer_append(b, chunk, n);
    }
    bool ok = !ferror(f) && !b->failed;
    (void)fclose(f);
    return ok || error_set(err, ERR_INVALID_FIELD, "\"%.160s\" cannot be read whole", path);
}

/* The file's text in *b, checked to be a catalogue. */
static struct catalogue *read_catalogue(const char *path, struct buffer *b, struct error *err)
{
    struct error why = ERROR_INIT;
    if (!read_file(path, b, err)) {
        return NULL;
    }
    struct catalogue *c = catalogue_parse(buffer_str(b), &why);
    if (!c && why.line > 0) {
        error_set(err, why.code, "%.120s:%d:%d: %s", path, why.line, why.column, error_text(&why));
    } else if (!c) {
        error_set(err, why.code, "%.120s: %s", path, error_text(&why));
    }
    return c;
}

static const struct catalogue_model **list_of(const struct catalogue *c)
{
    size_t n = c ? catalogue_count(c) : 0;
    const struct catalogue_model **list = mem_alloc((n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        list[i] = catalogue_at(c, i);
    }
    return list;
}

/* The same answer as the API's, of two files; `old` may be NULL: there is none yet. */
static struct document *diff_files(const struct catalogue *old, const struct catalogue *now,
                                   bool dry_run, struct error *err)
{
    const struct catalogue_model **a = list_of(old), **b = list_of(now);
    struct catalogue_side before = {a, old ? catalogue_count(old) : 0},
                          after = {b, catalogue_count(now)};
    struct catalogue_counts counts;
    struct json_writer w;
    struct buffer out;
    buffer_init(&out, DIFF_MAX_BYTES);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_field_bool(&w, "dry_run", dry_run);
    json_field_str(&w, "version", catalogue_version(now));
    catalogue_diff_write(&before, &after, &w, &counts);
    json_object_end(&w);
    struct document *d = out.failed ? NULL : document_parse(buffer_str(&out), err);
    if (out.failed) {
        error_set(err, ERR_BODY_TOO_LARGE, "the two files differ too much to be shown");
    }
    buffer_release(&out);
    mem_free(a);
    mem_free(b);
    return d;
}

static void print_entry(struct cli *c, char mark, const struct document *e)
{
    const struct document *prices = document_get(e, "prices");
    char *provider = cli_printable(str_of(document_text(e, "provider")));
    char *model = cli_printable(str_of(document_text(e, "model")));
    fprintf(c->out, "%c %s/%s", mark, provider, model);
    for (size_t i = 0; i < document_count(prices); i++) {
        const struct document *p = document_at(prices, i);
        const char *unit = document_text(p, "unit");
        char *old = price_usd(document_get(p, "old"), unit),
             *now = price_usd(document_get(p, "new"), unit);
        fprintf(c->out, "%s %s %s -> %s", i ? "," : " ", unit, old, now);
        mem_free(old);
        mem_free(now);
    }
    char *fields = document_show(e, "fields");
    if (fields[0]) {
        fprintf(c->out, "%s %s", document_count(prices) ? ";" : " ", fields);
    }
    fputc('\n', c->out);
    mem_free(fields);
    mem_free(provider);
    mem_free(model);
}

static void print_part(struct cli *c, const struct document *d, const char *name, char mark)
{
    const struct document *list = document_get(d, name);
    size_t n = document_count(list);
    for (size_t i = 0; i < n && i < SHOWN_MAX; i++) {
        print_entry(c, mark, document_at(list, i));
    }
    if (n > SHOWN_MAX) {
        fprintf(c->out, "  … and %zu more %s (--json shows all)\n", n - SHOWN_MAX, name);
    }
}

static void print_diff(struct cli *c, const struct document *d)
{
    char *version = cli_printable(str_of(document_text(d, "version")));
    print_part(c, d, "added", '+');
    print_part(c, d, "changed", '~');
    print_part(c, d, "removed", '-');
    fprintf(c->out, "%s: %lld added, %lld changed, %lld removed, %lld unchanged\n", version,
            (long long)document_integer(d, "counts.added"),
            (long long)document_integer(d, "counts.changed"),
            (long long)document_integer(d, "counts.removed"),
            (long long)document_integer(d, "counts.unchanged"));
    mem_free(version);
}

static bool is_empty(const struct document *d)
{
    return document_integer(d, "counts.added") + document_integer(d, "counts.changed") +
               document_integer(d, "counts.removed") ==
           0;
}

static bool agrees(struct cli *c)
{
    char line[16] = "";
    fputs("Take this into use? [y/N] ", c->err);
    (void)fflush(c->err);
    return fgets(line, sizeof line, c->in) && (line[0] == 'y' || line[0] == 'Y');
}

/* In one step: a proxy that starts meanwhile finds the old file or the new one. */
static bool replace_file(const char *path, struct str text, struct error *err)
{
    struct buffer b;
    buffer_init(&b, PATH_MAX_BYTES);
    buffer_printf(&b, "%s.new", path);
    char *fresh = buffer_detach(&b);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t done = 0;
    bool ok = fd >= 0;
    while (ok && done < text.len) {
        ssize_t n = write(fd, text.ptr + done, text.len - done);
        ok = n > 0 || (n < 0 && errno == EINTR);
        done += n > 0 ? (size_t)n : 0;
    }
    ok = ok && fsync(fd) == 0;
    ok = (fd < 0 || close(fd) == 0) && ok && rename(fresh, path) == 0;
    if (!ok) {
        error_set(err, ERR_INTERNAL, "cannot write \"%.160s\": %s", path, strerror(errno));
        (void)unlink(fresh);
    }
    mem_free(fresh);
    return ok;
}

struct both {
    struct catalogue *old, *now; /* old NULL: none is there */
    struct buffer old_text, now_text;
};

static void both_release(struct both *b)
{
    catalogue_free(b->old);
    catalogue_free(b->now);
    buffer_release(&b->old_text);
    buffer_release(&b->now_text);
}

/* The new file, and the installed one where that is what is meant. */
static bool both_read(struct both *b, const char *file, const char *installed, struct error *err)
{
    *b = (struct both){.old = NULL};
    buffer_init(&b->old_text, API_BODY_MAX);
    buffer_init(&b->now_text, API_BODY_MAX);
    b->now = read_catalogue(file, &b->now_text, err);
    if (b->now && installed && access(installed, F_OK) == 0) {
        b->old = read_catalogue(installed, &b->old_text, err);
        return b->old != NULL;
    }
    return b->now != NULL;
}

static struct document *diff(struct cli *c, const struct both *b, const char *installed,
                             struct error *err)
{
    struct document *d = NULL;
    if (installed) {
        return diff_files(b->old, b->now, true, err);
    }
    return api_call(c, "POST", "/catalogue/update?dry_run=true", buffer_str(&b->now_text), &d, err)
               ? d
               : NULL;
}

int command_catalogue_diff(struct cli *c)
{
    const struct catalogue_update_options *o = c->options;
    struct error err = ERROR_INIT;
    struct both b;
    int exit = CLI_OK;
    struct document *d =
        both_read(&b, c->words[0], o->installed, &err) ? diff(c, &b, o->installed, &err) : NULL;
    if (!d) {
        exit = cli_report(c, &err);
    } else if (c->common->json) {
        exit = api_print(c, d);
    } else {
        print_diff(c, d);
    }
    document_free(d);
    both_release(&b);
    return exit;
}

static int apply(struct cli *c, const struct both *b, const char *installed, struct document *shown)
{
    struct error err = ERROR_INIT;
    struct document *answer = NULL;
    bool ok = installed ? replace_file(installed, buffer_str(&b->now_text), &err)
                        : api_call(c, "POST", "/catalogue/update", buffer_str(&b->now_text),
                                   &answer, &err);
    int exit = CLI_OK;
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (c->common->json) {
        exit = api_print(c, answer ? answer : shown);
    } else if (installed) {
        fprintf(c->out, "\"%s\" is replaced; a proxy reads it when it starts\n", installed);
    } else {
        fputs("the catalogue is updated; data planes have it within a second\n", c->out);
    }
    document_free(answer);
    return exit;
}

int command_catalogue_update(struct cli *c)
{
    const struct catalogue_update_options *o = c->options;
    struct error err = ERROR_INIT;
    struct both b;
    int exit = CLI_OK;
    bool quiet = c->common->json;
    struct document *d =
        both_read(&b, c->words[0], o->installed, &err) ? diff(c, &b, o->installed, &err) : NULL;
    if (d && !quiet) {
        print_diff(c, d);
    }
    if (!d) {
        exit = cli_report(c, &err);
    } else if (quiet && !o->yes) {
        exit = cli_usage(c, "--json asks nothing: add --yes, or use `weir catalog diff`");
    } else if (is_empty(d) && (!o->installed || b.old)) {
        exit = quiet ? api_print(c, d) : CLI_OK;
    } else if (!o->yes && !agrees(c)) {
        fputs("nothing was changed\n", c->err);
        exit = CLI_ERROR;
    } else {
        exit = apply(c, &b, o->installed, d);
    }
    document_free(d);
    both_release(&b);
    return exit;
}
