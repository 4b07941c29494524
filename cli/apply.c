/* weir apply: a file of the declarative format becomes what the control plane has. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/manifest_file.h"
#include "cli/table.h"
#include "common/base/mem.h"

static const struct {
    const char *section, *kind;
} sections[] = {{"providers", "provider"},
                {"configs", "config"},
                {"prompts", "prompt"},
                {"price_groups", "price group"},
                {"price_book", "price book"},
                {"models", "model"},
                {"teams", "team"},
                {"service_accounts", "service account"},
                {"keys", "key"},
                {"budgets", "budget"},
                {"limits", "limit"}};
static const char *const outcomes[] = {"created", "updated", "unchanged", "deleted"};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Without its secret nobody could ever use a newly made key: it is shown once, here. */
static void print_secrets(struct cli *c, const struct document *secrets)
{
    for (size_t i = 0; i < document_count(secrets); i++) {
        const struct document *s = document_at(secrets, i);
        char *name = cli_printable(str_of(document_text(s, "name")));
        fprintf(c->out, "%s  %s  %s\n", i ? "" : "\nNew keys, whose secrets are shown only now:\n",
                name, document_text(s, "secret"));
        mem_free(name);
    }
}

static void print_changes(struct cli *c, const struct document *answer)
{
    static const char *const done[] = {"KIND", "NAME", "DONE", NULL};
    static const char *const would[] = {"KIND", "NAME", "WOULD BE", NULL};
    bool dry_run = document_bool(answer, "dry_run");
    size_t counts[COUNT(outcomes)] = {0}, all = 0;
    struct table *t = table_new(dry_run ? would : done);
    for (size_t s = 0; s < COUNT(sections); s++) {
        const struct document *section = document_get(answer, sections[s].section);
        for (size_t o = 0; o < COUNT(outcomes); o++) {
            const struct document *names = document_get(section, outcomes[o]);
            for (size_t i = 0; i < document_count(names); i++) {
                table_cell_z(t, sections[s].kind);
                table_cell_z(t, document_text(document_at(names, i), ""));
                table_cell_z(t, outcomes[o]);
                counts[o]++;
                all++;
            }
        }
    }
    if (all) {
        table_print(t, c->out, c->color);
        fputs("\n", c->out);
    }
    table_free(t);
    for (size_t o = 0; o < COUNT(outcomes); o++) {
        fprintf(c->out, "%s%zu %s", o ? ", " : "", counts[o], outcomes[o]);
    }
    fprintf(c->out, "%s\n", dry_run ? " (dry run: nothing was changed)" : "");
    print_secrets(c, document_get(answer, "secrets"));
}

int command_apply(struct cli *c)
{
    const struct apply_options *o = c->options;
    struct error err = ERROR_INIT;
    struct manifest_file f;
    struct document *answer = NULL;
    struct buffer body;
    if (!o->file) {
        return cli_usage(c, "-f FILE is missing (- reads standard input)");
    }
    struct arena *a = arena_new(0);
    struct apply_flags flags = {
        .prune = o->prune, .dry_run = o->dry_run, .workspace = o->workspace};
    buffer_init(&body, API_BODY_MAX);
    bool ok = manifest_file_read(o->file, c->in, a, &f, &err);
    if (ok) {
        c->organization = f.organization;
        manifest_file_json(&f, &flags, &body);
        ok =
            !body.failed || error_set(&err, ERR_BODY_TOO_LARGE, "\"%.120s\" is too large", o->file);
    }
    if (ok && f.manifest.settings) {
        fprintf(c->err,
                "weir: note: %.160s has settings; they are for a standalone proxy and are left out "
                "here\n",
                f.name);
    }
    if (ok && !api_call(c, "POST", "/apply", buffer_str(&body), &answer, &err)) {
        ok = false;
        manifest_file_locate(&f, &err);
    }
    int exit = CLI_OK;
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (o->common.json) {
        exit = api_print(c, answer);
    } else {
        print_changes(c, answer);
    }
    if (body.ptr) {
        explicit_bzero(body.ptr, body.len);
    }
    buffer_release(&body);
    document_free(answer);
    arena_free(a);
    return exit;
}
