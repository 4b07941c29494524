/* weir provider add, list, test. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "common/rules/provider.h"
#include "common/rules/secret_ref.h"

#define BODY_MAX (64u << 10)

/* env:, file: or "-"; a literal is refused without repeating it. False after *ret_exit was set. */
static bool read_api_key(struct cli *c, const char *text, struct arena *a, struct str *ret,
                         int *ret_exit)
{
    struct error err = ERROR_INIT;
    char line[SECRET_MAX_BYTES + 2] = "";
    struct str given = str_of(text);
    if (str_starts(given, STR_LIT("ref:"))) { /* the server's own: it is no secret */
        *ret = given;
        return true;
    }
    if (strcmp(text, "-") == 0) {
        if (!fgets(line, sizeof line, c->in)) {
            *ret_exit = cli_usage(c, "--api-key -: standard input is empty");
            return false;
        }
        line[strcspn(line, "\r\n")] = '\0';
        if (strncmp(line, "env:", 4) == 0 || strncmp(line, "file:", 5) == 0) {
            *ret_exit = cli_usage(c, "--api-key -: standard input holds a reference, not a key");
            return false;
        }
        given = str_of(line);
    } else if (!str_starts(given, STR_LIT("env:")) && !str_starts(given, STR_LIT("file:"))) {
        *ret_exit = cli_usage(c, "--api-key takes env:NAME, file:PATH, ref:NAME or - (standard "
                                 "input): on the command line a "
                                 "key would be seen by others, and kept in the shell's history");
        return false;
    }
    bool ok = secret_ref_resolve(given, a, ret, &err);
    explicit_bzero(line, sizeof line);
    if (!ok) {
        *ret_exit = cli_report(c, &err);
    }
    return ok;
}

/* "region=eu-west-1,client_secret=env:X" as members of an open object. A secret in clear is refused
 * without repeating it. */
static bool put_settings(struct json_writer *w, struct str list, struct arena *a, struct error *err)
{
    while (list.len) {
        struct str item = list, name, text, value;
        if (!str_cut(list, ',', &item, &list)) {
            list = STR_NONE;
        }
        if (!str_cut(item, '=', &name, &text) || text.len == 0) {
            return error_set(err, ERR_INVALID_FIELD, "--set takes NAME=VALUE, comma-separated");
        }
        const struct provider_setting *s = provider_setting_named(name);
        if (!s || s->object) {
            return error_set(err, ERR_INVALID_FIELD, "--set: there is no setting \"%.*s\"",
                             STR_ARG(str_slice(name, 0, 40)));
        }
        if (s->secret && !str_starts(text, STR_LIT("ref:")) && !str_starts(text, STR_LIT("env:")) &&
            !str_starts(text, STR_LIT("file:"))) {
            return error_set(err, ERR_INVALID_FIELD, "--set: %s takes env:NAME or file:PATH",
                             s->name);
        }
        if (!text_ref_resolve(text, a, &value, err)) {
            return false;
        }
        json_field_str(w, s->name, value);
    }
    return true;
}

static bool put_provider(struct buffer *b, const struct provider_add_options *o, const char *name,
                         struct str api_key, struct arena *a, struct error *err)
{
    struct json_writer w;
    json_writer_init(&w, b);
    json_object_begin(&w);
    json_field_z(&w, "name", name);
    json_field_z(&w, "kind", o->kind);
    if (o->base_url) {
        json_field_z(&w, "base_url", o->base_url);
    }
    if (api_key.ptr) {
        json_field_str(&w, "api_key", api_key);
    }
    if (o->timeout_ms) {
        json_field_u64(&w, "timeout_ms", o->timeout_ms);
    }
    if (o->workspace) {
        json_field_z(&w, "workspace", o->workspace);
    }
    bool ok = !o->set || put_settings(&w, str_of(o->set), a, err);
    json_object_end(&w);
    return ok;
}

int command_provider_add(struct cli *c)
{
    const struct provider_add_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *answer = NULL;
    struct str api_key = STR_NONE;
    struct buffer body;
    int exit = CLI_OK;
    if (!o->kind) {
        return cli_usage(c, "--kind is missing (openai, anthropic, gemini, bedrock ...)");
    }
    struct arena *a = arena_new(0);
    buffer_init(&body, BODY_MAX);
    if (o->api_key && !read_api_key(c, o->api_key, a, &api_key, &exit)) {
        goto out;
    }
    if (!put_provider(&body, o, c->words[0], api_key, a, &err) ||
        !api_call(c, "POST", "/providers", buffer_str(&body), &answer, &err)) {
        exit = cli_report(c, &err);
    } else if (o->common.json) {
        exit = api_print(c, answer);
    } else {
        fprintf(c->out, "provider %s (%s) is added; `weir provider test %s` calls it\n",
                c->words[0], document_text(answer, "id"), c->words[0]);
    }
out:
    if (body.ptr) {
        explicit_bzero(body.ptr, body.len);
    }
    buffer_release(&body);
    document_free(answer);
    arena_free(a);
    return exit;
}

int command_provider_list(struct cli *c)
{
    static const struct row_column columns[] = {{"ID", "id", ROW_PLAIN},
                                                {"NAME", "name", ROW_PLAIN},
                                                {"KIND", "kind", ROW_PLAIN},
                                                {"BASE URL", "base_url", ROW_PLAIN},
                                                {"API KEY", "api_key_mask", ROW_PLAIN},
                                                {"DISABLED", "disabled", ROW_PLAIN},
                                                {"OWNED BY", "owned_by", ROW_PLAIN},
                                                {NULL, NULL, ROW_PLAIN}};
    const struct workspace_options *o = c->options;
    return rows_list(c, "/providers", o->workspace, columns);
}

static int print_test(struct cli *c, const struct document *answer, const char *name)
{
    const struct document *result = document_get(answer, "result");
    char *plane = cli_printable(str_of(document_text(answer, "data_plane.name")));
    bool ok = document_bool(result, "ok");
    if (ok) {
        fprintf(c->out, "provider %s answered data plane %s in %lld ms (%lld models)\n", name,
                plane, (long long)document_integer(result, "latency_ms"),
                (long long)document_integer(result, "models"));
    } else {
        char *why = cli_printable(str_of(document_text(result, "error")));
        fprintf(c->out, "provider %s failed, called by data plane %s: %s", name, plane,
                why[0] ? why : "the data plane sent no result");
        if (document_integer(result, "status")) {
            fprintf(c->out, " (status %lld)", (long long)document_integer(result, "status"));
        }
        fputs("\n", c->out);
        mem_free(why);
    }
    mem_free(plane);
    return ok ? CLI_OK : CLI_ERROR;
}

int command_provider_test(struct cli *c)
{
    const struct workspace_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *list = NULL, *answer = NULL;
    const struct document *found;
    struct buffer b;
    buffer_init(&b, BODY_MAX);
    buffer_append_z(&b, "/providers");
    api_query(&b, "workspace", o->workspace);
    char *path = buffer_detach(&b);
    bool ok = api_find(c, path, "provider", c->words[0], &list, &found, &err);
    mem_free(path);
    if (ok) {
        buffer_printf(&b, "/providers/%s/test", document_text(found, "id"));
        path = buffer_detach(&b);
        ok = api_call(c, "POST", path, STR_NONE, &answer, &err);
        mem_free(path);
    }
    int exit = CLI_OK;
    if (!ok) {
        exit = cli_report(c, &err);
    } else if (o->common.json) {
        (void)api_print(c, answer);
        exit = document_bool(answer, "result.ok") ? CLI_OK : CLI_ERROR;
    } else {
        exit = print_test(c, answer, c->words[0]);
    }
    document_free(answer);
    document_free(list);
    return exit;
}
