/* weir config …, weir prompt …, weir price-book …: documents in immutable versions, one published,
 * labels on any. The kinds work alike. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/document_file.h"
#include "cli/rows.h"
#include "cli/yaml_write.h"
#include "common/base/mem.h"
#include "common/json.h"

#define BODY_MAX ((size_t)16 << 20)
#define PATH_BYTES_MAX 4096

struct kind {
    const char *noun, *path;
};
static const struct kind config_kind = {"config", "/configs"}, prompt_kind = {"prompt", "/prompts"},
                         book_kind = {"price book", "/price-books"};

/* "NAME@12" in two; the second "" for none. */
static void cut_reference(const char *text, char **ret_name, const char **ret_version)
{
    const char *at = strrchr(text, '@');
    *ret_name =
        at && at > text ? str_dup((struct str){text, (size_t)(at - text)}) : mem_strdup(text);
    *ret_version = at && at > text ? at + 1 : "";
}

static char *list_path(const struct kind *k, const char *workspace)
{
    struct buffer b;
    buffer_init(&b, PATH_BYTES_MAX);
    buffer_append_z(&b, k->path);
    api_query(&b, "workspace", workspace);
    return buffer_detach(&b);
}

/* The object of that name or id; free *ret_list. */
static bool find(struct cli *c, const struct kind *k, const char *name, const char *workspace,
                 struct document **ret_list, const struct document **ret, struct error *err)
{
    char *path = list_path(k, workspace);
    bool ok = api_find(c, path, k->noun, name, ret_list, ret, err);
    mem_free(path);
    return ok;
}

/* The number that "12", "latest" or a label means; "" is the published one's. */
static bool resolve(const struct document *d, const char *version, uint64_t *ret, struct error *err)
{
    uint64_t n = 0;
    const struct document *labels = document_get(d, "labels");
    if (!*version) {
        n = (uint64_t)document_integer(d, "published_version");
    } else if (strcmp(version, "latest") == 0) {
        n = (uint64_t)document_integer(d, "latest_version");
    } else if (!str_to_u64(str_of(version), &n)) {
        n = (uint64_t)document_integer(labels, version);
    }
    *ret = n;
    return n > 0 || error_set(err, ERR_NOT_FOUND, "\"%.100s\" has no version \"%.60s\"",
                              document_text(d, "name"), *version ? version : "published");
}

static int list(struct cli *c, const struct kind *k)
{
    static const struct row_column columns[] = {{"ID", "id", ROW_PLAIN},
                                                {"NAME", "name", ROW_PLAIN},
                                                {"PUBLISHED", "published_version", ROW_NUMBER},
                                                {"LATEST", "latest_version", ROW_NUMBER},
                                                {"DESCRIPTION", "description", ROW_PLAIN},
                                                {"CHANGED", "updated_at", ROW_TIME},
                                                {NULL, NULL, ROW_PLAIN}};
    const struct workspace_options *o = c->options;
    return rows_list(c, k->path, o->workspace, columns);
}

static void print_labels(struct cli *c, const struct document *labels)
{
    const void *pos = NULL;
    const char *name, *comma = "# labels: ";
    const struct document *value;
    while (document_next(labels, &pos, &name, &value)) {
        fprintf(c->out, "%s%s: %lld", comma, name, (long long)document_integer(value, ""));
        comma = ", ";
    }
    fputs(*comma == ',' ? "\n" : "", c->out);
}

/* As YAML, which create and publish take again. */
static void print_version(struct cli *c, const struct document *d, const struct document *version)
{
    struct buffer b;
    char *name = cli_printable(str_of(document_text(d, "name")));
    const struct document *body = document_get(version, "document");
    fprintf(c->out, "# %s (%s), version %lld of %lld; published: %lld\n", name,
            document_text(d, "id"), (long long)document_integer(version, "number"),
            (long long)document_integer(d, "latest_version"),
            (long long)document_integer(d, "published_version"));
    print_labels(c, document_get(d, "labels"));
    buffer_init(&b, API_BODY_MAX);
    if (document_type(body) == DOCUMENT_OBJECT) {
        yaml_write_all(&b, body);
    } else {
        char *text = document_dump(body);
        buffer_printf(&b, "%s\n", text);
        mem_free(text);
    }
    (void)fwrite(b.ptr, 1, b.len, c->out);
    buffer_release(&b);
    mem_free(name);
}

static int show(struct cli *c, const struct kind *k)
{
    const struct workspace_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *all = NULL, *version = NULL;
    const struct document *d;
    const char *wanted;
    uint64_t number = 0;
    char *name, *path = NULL;
    int exit = CLI_OK;
    cut_reference(c->words[0], &name, &wanted);
    bool ok = find(c, k, name, o->workspace, &all, &d, &err);
    if (ok && !*wanted && document_integer(d, "published_version") == 0) {
        wanted = "latest"; /* nothing is published: the newest is what there is to see */
    }
    ok = ok && resolve(d, wanted, &number, &err);
    if (ok) {
        struct buffer b;
        buffer_init(&b, PATH_BYTES_MAX);
        buffer_printf(&b, "%s/%s/versions/%llu", k->path, document_text(d, "id"),
                      (unsigned long long)number);
        path = buffer_detach(&b);
        ok = api_call(c, "GET", path, STR_NONE, &version, &err);
    }
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (o->common.json) {
        exit = api_print(c, version);
    } else {
        print_version(c, d, version);
    }
    mem_free(name);
    mem_free(path);
    document_free(version);
    document_free(all);
    return exit;
}

/* "a\nb" as a list. */
static void put_lines(struct json_writer *w, const char *name, const char *lines)
{
    struct str rest = str_of(lines), head;
    if (!lines) {
        return;
    }
    json_name(w, name);
    json_array_begin(w);
    while (rest.len) {
        struct str tail = STR_NONE;
        if (!str_cut(rest, '\n', &head, &tail)) {
            head = rest;
        }
        json_put_str(w, head);
        rest = tail;
    }
    json_array_end(w);
}

/* name NULL: a further version. */
static bool write_body(struct cli *c, const char *name, bool prompt, struct buffer *ret,
                       struct error *err)
{
    const struct versioned_options *o = c->options;
    struct json_writer w;
    struct buffer document;
    buffer_init(&document, BODY_MAX);
    json_writer_init(&w, ret);
    json_object_begin(&w);
    bool ok = document_file_read(o->file, c->in, &document, err);
    if (name) {
        json_field_z(&w, "name", name);
        if (o->workspace) {
            json_field_z(&w, "workspace", o->workspace);
        }
        if (o->description) {
            json_field_z(&w, "description", o->description);
        }
        if (prompt && o->partial) {
            json_field_bool(&w, "partial", true);
        }
    }
    if (o->note) {
        json_field_z(&w, "note", o->note);
    }
    put_lines(&w, "labels", o->labels);
    json_field_bool(&w, "publish", !o->draft);
    if (ok) {
        json_name(&w, "document");
        json_put_raw(&w, buffer_str(&document));
    }
    json_object_end(&w);
    if (document.len) {
        explicit_bzero(document.ptr, document.len);
    }
    buffer_release(&document);
    return ok && (!ret->failed || error_set(err, ERR_BODY_TOO_LARGE, "the document is too large"));
}

static int create(struct cli *c, const struct kind *k)
{
    const struct versioned_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *answer = NULL;
    struct buffer body;
    int exit = CLI_OK;
    if (!o->file) {
        return cli_usage(c, "-f FILE is missing (- reads standard input)");
    }
    buffer_init(&body, API_BODY_MAX);
    if (!write_body(c, c->words[0], k == &prompt_kind, &body, &err) ||
        !api_call(c, "POST", k->path, buffer_str(&body), &answer, &err)) {
        exit = cli_report(c, &err);
    } else if (o->common.json) {
        exit = api_print(c, answer);
    } else {
        fprintf(c->out, "%s %s (%s) is made, version 1%s\n", k->noun, c->words[0],
                document_text(answer, "id"), o->draft ? ", not published" : "");
    }
    buffer_release(&body);
    document_free(answer);
    return exit;
}

/* With a file: its document becomes the next version. Without: NAME@VERSION is published, which
 * rolls back as well. */
static int publish(struct cli *c, const struct kind *k)
{
    const struct versioned_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *all = NULL, *answer = NULL;
    const struct document *d;
    const char *wanted;
    struct buffer body, path;
    uint64_t number = 0;
    char *name, *full = NULL;
    int exit = CLI_OK;
    cut_reference(c->words[0], &name, &wanted);
    buffer_init(&body, API_BODY_MAX);
    buffer_init(&path, PATH_BYTES_MAX);
    bool ok = find(c, k, name, o->workspace, &all, &d, &err);
    if (ok && o->file) {
        ok = write_body(c, NULL, false, &body, &err);
        buffer_printf(&path, "%s/%s/versions", k->path, document_text(d, "id"));
    } else if (ok) {
        ok = resolve(d, *wanted ? wanted : "latest", &number, &err);
        buffer_printf(&body, "{\"version\":%llu}", (unsigned long long)number);
        buffer_printf(&path, "%s/%s/publish", k->path, document_text(d, "id"));
    }
    full = buffer_detach(&path);
    if (!ok || !api_call(c, "POST", full, buffer_str(&body), &answer, &err)) {
        exit = cli_report(c, &err);
    } else if (o->common.json) {
        exit = api_print(c, answer);
    } else {
        number = o->file ? (uint64_t)document_integer(answer, "number") : number;
        fprintf(c->out, "%s %s: version %llu is %s\n", k->noun, name, (unsigned long long)number,
                o->file && o->draft ? "made" : "published");
    }
    mem_free(name);
    mem_free(full);
    buffer_release(&body);
    document_free(answer);
    document_free(all);
    return exit;
}

/* NAME@VERSION LABEL, or NAME LABEL --remove. */
static int label(struct cli *c, const struct kind *k)
{
    const struct label_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *all = NULL, *answer = NULL;
    const struct document *d;
    const char *wanted;
    struct buffer body, path;
    uint64_t number = 0;
    char *name, *full;
    int exit = CLI_OK;
    cut_reference(c->words[0], &name, &wanted);
    buffer_init(&body, PATH_BYTES_MAX);
    buffer_init(&path, PATH_BYTES_MAX);
    bool ok = find(c, k, name, o->workspace, &all, &d, &err) &&
              (o->remove || resolve(d, *wanted ? wanted : "latest", &number, &err));
    if (ok) {
        buffer_printf(&path, "%s/%s/labels/%s", k->path, document_text(d, "id"), c->words[1]);
        buffer_printf(&body, "{\"version\":%llu}", (unsigned long long)number);
    }
    full = buffer_detach(&path);
    ok = ok && api_call(c, o->remove ? "DELETE" : "PUT", full,
                        o->remove ? STR_NONE : buffer_str(&body), &answer, &err);
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (o->common.json) {
        exit = answer ? api_print(c, answer) : cli_print_json(c, STR_LIT("{}"));
    } else if (o->remove) {
        fprintf(c->out, "%s %s: label %s is gone\n", k->noun, name, c->words[1]);
    } else {
        fprintf(c->out, "%s %s: label %s is at version %llu\n", k->noun, name, c->words[1],
                (unsigned long long)number);
    }
    mem_free(name);
    mem_free(full);
    buffer_release(&body);
    document_free(answer);
    document_free(all);
    return exit;
}

int command_config_list(struct cli *c)
{
    return list(c, &config_kind);
}

int command_config_show(struct cli *c)
{
    return show(c, &config_kind);
}

int command_config_create(struct cli *c)
{
    return create(c, &config_kind);
}

int command_config_publish(struct cli *c)
{
    return publish(c, &config_kind);
}

int command_config_label(struct cli *c)
{
    return label(c, &config_kind);
}

int command_prompt_list(struct cli *c)
{
    return list(c, &prompt_kind);
}

int command_prompt_show(struct cli *c)
{
    return show(c, &prompt_kind);
}

int command_prompt_create(struct cli *c)
{
    return create(c, &prompt_kind);
}

int command_prompt_publish(struct cli *c)
{
    return publish(c, &prompt_kind);
}

int command_prompt_label(struct cli *c)
{
    return label(c, &prompt_kind);
}

int command_price_book_list(struct cli *c)
{
    return list(c, &book_kind);
}

int command_price_book_show(struct cli *c)
{
    return show(c, &book_kind);
}

int command_price_book_create(struct cli *c)
{
    return create(c, &book_kind);
}

int command_price_book_publish(struct cli *c)
{
    return publish(c, &book_kind);
}
