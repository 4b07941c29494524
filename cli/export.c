/* weir export: what `weir apply` takes, as YAML. Secrets are not in it: the control plane has no
 * way to show them. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/yaml_write.h"
#include "common/base/mem.h"
#include "common/json.h"

#define PATH_BYTES_MAX 4096

static int print_written(struct cli *c, const struct document *d, const char *path)
{
    static const char *const sections[] = {"providers", "configs", "prompts", "models", "keys"};
    const size_t n = sizeof sections / sizeof *sections;
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, PATH_BYTES_MAX * 8);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "file", path);
    for (size_t i = 0; i < n; i++) {
        json_field_u64(&w, sections[i], document_count(document_get(d, sections[i])));
    }
    json_object_end(&w);
    int exit = CLI_OK;
    if (c->common->json) {
        exit = cli_print_json(c, buffer_str(&b));
    } else {
        for (size_t i = 0; i < n; i++) {
            fprintf(c->err, "%s%zu %s",
                    i == 0      ? ""
                    : i + 1 < n ? ", "
                                : " and ",
                    document_count(document_get(d, sections[i])), sections[i]);
        }
        fprintf(c->err, " are written to %s\n", path);
    }
    buffer_release(&b);
    return exit;
}

static int print_document(struct cli *c, const struct document *d, const char *output)
{
    struct error err = ERROR_INIT;
    struct buffer b;
    int exit = CLI_OK;
    bool to_file = output && strcmp(output, "-") != 0;
    if (c->common->json && !to_file) {
        return api_print(c, d);
    }
    buffer_init(&b, API_BODY_MAX);
    buffer_append_z(&b, "# Written by `weir export`; `weir apply -f` takes it. Secrets are not in "
                        "it, and stay as they are.\n");
    yaml_write(&b, d);
    if (b.failed) {
        error_set(&err, ERR_BODY_TOO_LARGE, "the configuration is too large");
        exit = cli_report(c, &err);
    } else if (!to_file) {
        (void)fwrite(b.ptr, 1, b.len, c->out);
    } else if (!file_write(output, buffer_str(&b), &err)) {
        exit = cli_report(c, &err);
    } else {
        exit = print_written(c, d, output);
    }
    buffer_release(&b);
    return exit;
}

int command_export(struct cli *c)
{
    const struct export_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *d = NULL;
    struct buffer b;
    buffer_init(&b, PATH_BYTES_MAX);
    buffer_append_z(&b, "/export");
    api_query(&b, "workspace", o->workspace);
    char *path = buffer_detach(&b);
    bool ok = api_call(c, "GET", path, STR_NONE, &d, &err);
    mem_free(path);
    if (!ok) {
        return cli_report(c, &err);
    }
    int exit = print_document(c, d, o->output);
    document_free(d);
    return exit;
}
