/* weir import litellm|cloudflare|portkey FILE: reads the file, prints the manifest, and tells what
 * did not map. */
#include "cli/import.h"

#include <stdio.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/document.h"
#include "cli/json_tree.h"
#include "cli/yaml_write.h"
#include "cli/file.h"
#include "common/base/mem.h"
#include "common/yaml.h"

#define FILE_MAX_BYTES ((size_t)16 << 20)
#define ARENA_MAX_BYTES ((size_t)1 << 30)
#define OUTPUT_MAX ((size_t)256 << 20)

typedef bool (*import_fn)(struct import *im, struct yaml_node *root, struct error *err);

/* "routes" of "/etc/routes.json". */
static const char *stem(const char *path, struct arena *a)
{
    const char *slash = strrchr(path, '/');
    struct str s = str_of(slash ? slash + 1 : path);
    const char *dot = memchr(s.ptr, '.', s.len);
    s.len = dot ? (size_t)(dot - s.ptr) : s.len;
    struct str copy = arena_str(a, s.len && !str_eqz(s, "-") ? s : STR_LIT("imported"));
    return copy.ptr ? copy.ptr : "imported";
}

/* JSON by its own reader, since YAML's knows not all of its escapes. */
static struct yaml_node *read_tree(struct cli *c, const char *path, struct arena *a,
                                   struct error *err)
{
    struct yaml_node *root = NULL;
    struct buffer text;
    buffer_init(&text, FILE_MAX_BYTES);
    if (!file_read(path, c->in, &text, err)) {
        buffer_release(&text);
        return NULL;
    }
    struct str s = str_trim(buffer_str(&text));
    struct error json = ERROR_INIT;
    if (s.len && (s.ptr[0] == '{' || s.ptr[0] == '[')) {
        root = json_tree_parse(s, a, &json);
    }
    if (!root && !yaml_parse(buffer_str(&text), FILE_MAX_BYTES, a, &root, err)) {
        char why[sizeof err->text];
        const struct error *e = json.code != ERR_NONE ? &json : err;
        int line = e->line, column = e->column;
        (void)snprintf(why, sizeof why, "%s", error_text(e));
        error_set(err, ERR_INVALID_FIELD, "%.80s:%d:%d: %.140s", path, line, column, why);
        root = NULL;
    }
    buffer_release(&text);
    return root;
}

static bool to_yaml(struct str json, const char *source, struct buffer *ret, struct error *err)
{
    struct document *d = document_parse(json, err);
    if (!d) {
        return false;
    }
    buffer_printf(ret,
                  "# Written by `weir import %s`: for `weir apply -f`, or a standalone proxy.\n",
                  source);
    yaml_write(ret, d);
    document_free(d);
    return !ret->failed || error_set(err, ERR_BODY_TOO_LARGE, "the manifest is too large");
}

static void print_notes(struct cli *c, const struct import *im)
{
    static const char *const words[IMPORT_STATUS_COUNT] = {[IMPORT_NOT_MAPPED] = "not mapped",
                                                           [IMPORT_APPROXIMATE] = "changed",
                                                           [IMPORT_TO_DO] = "to do"};
    for (size_t i = 0; i < im->n_notes; i++) {
        const struct import_note *n = &im->notes[i];
        char *path = cli_printable(str_of(n->path)), *reason = cli_printable(str_of(n->reason));
        fprintf(c->err, "%s: %s: %s\n", words[n->status], path, reason);
        mem_free(path);
        mem_free(reason);
    }
    fprintf(c->err,
            "%zu providers, %zu models and %zu configs; %zu elements did not map, %zu changed, %zu "
            "things to do\n",
            im->n_providers, im->n_models, im->n_configs, im->n_of[IMPORT_NOT_MAPPED],
            im->n_of[IMPORT_APPROXIMATE], im->n_of[IMPORT_TO_DO]);
}

/* One document, as --json promises. */
static int print_json(struct cli *c, struct str manifest, struct str report, bool written)
{
    struct json_writer w;
    struct buffer b;
    buffer_init(&b, OUTPUT_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    if (!written) {
        json_name(&w, "manifest");
        json_put_raw(&w, manifest);
    }
    json_name(&w, "report");
    json_put_raw(&w, report);
    json_object_end(&w);
    int exit = cli_print_json(c, buffer_str(&b));
    buffer_release(&b);
    return exit;
}

static int finish(struct cli *c, const struct import *im, const char *source)
{
    const struct import_options *o = c->options;
    struct error err = ERROR_INIT;
    struct buffer manifest, yaml, report;
    bool to_file = o->output && strcmp(o->output, "-") != 0;
    int exit = CLI_OK;
    buffer_init(&manifest, OUTPUT_MAX);
    buffer_init(&yaml, OUTPUT_MAX);
    buffer_init(&report, OUTPUT_MAX);
    import_manifest(im, &manifest);
    import_report(im, source, &report);
    bool ok = to_yaml(buffer_str(&manifest), source, &yaml, &err) &&
              (!to_file || file_write(o->output, buffer_str(&yaml), &err)) &&
              (!o->report || file_write(o->report, buffer_str(&report), &err));
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (o->common.json) {
        exit = print_json(c, buffer_str(&manifest), buffer_str(&report), to_file);
    } else if (!to_file) {
        (void)fwrite(yaml.ptr, 1, yaml.len, c->out);
    }
    if (ok && !o->report) {
        fflush(c->out);
        print_notes(c, im);
    }
    if (manifest.len) {
        explicit_bzero(manifest.ptr, manifest.len);
    }
    buffer_release(&manifest);
    buffer_release(&yaml);
    buffer_release(&report);
    return exit;
}

static int run(struct cli *c, const char *source, import_fn fn)
{
    struct arena *a = arena_new(ARENA_MAX_BYTES);
    struct error err = ERROR_INIT;
    struct import im;
    int exit;
    import_init(&im, a, stem(c->words[0], a));
    struct yaml_node *root = read_tree(c, c->words[0], a, &err);
    if (!root || !fn(&im, root, &err)) {
        (void)cli_report(c, &err);
        exit = CLI_USAGE;
    } else if (im.failed || im.providers.failed || im.models.failed || im.configs.failed) {
        error_set(&err, ERR_BODY_TOO_LARGE, "\"%.120s\" needs too much memory", c->words[0]);
        exit = cli_report(c, &err);
    } else {
        exit = finish(c, &im, source);
    }
    import_release(&im);
    arena_free(a);
    return exit;
}

int command_import_litellm(struct cli *c)
{
    return run(c, "litellm", import_litellm);
}

int command_import_cloudflare(struct cli *c)
{
    return run(c, "cloudflare", import_cloudflare);
}

int command_import_portkey(struct cli *c)
{
    return run(c, "portkey", import_portkey);
}
