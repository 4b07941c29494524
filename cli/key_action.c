/* weir key rotate, revoke, block, unblock, check, import: what is done to keys that are there, and
 * to many at once. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/password.h"
#include "cli/rows.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "common/rules/secret_ref.h"

#define BODY_MAX ((size_t)48 << 20)
#define IMPORT_MAX 100000

int command_key_revoke(struct cli *c)
{
    const struct workspace_options *o = c->options;
    return rows_act(c, "/keys", o->workspace, "key", "/revoke", "revoked");
}

int command_key_block(struct cli *c)
{
    const struct workspace_options *o = c->options;
    return rows_act(c, "/keys", o->workspace, "key", "/block", "blocked");
}

int command_key_unblock(struct cli *c)
{
    const struct workspace_options *o = c->options;
    return rows_act(c, "/keys", o->workspace, "key", "/unblock", "unblocked");
}

int command_key_rotate(struct cli *c)
{
    const struct key_rotate_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *key = NULL;
    struct buffer body;
    char id[ROW_ID_MAX];
    buffer_init(&body, 256);
    buffer_printf(&body, "{\"overlap_s\":%llu}", (unsigned long long)(o->overlap_ms / 1000));
    bool ok = rows_find(c, "/keys", o->workspace, "key", c->words[0], id, &err) &&
              rows_call(c, "POST", "/keys", id, "/rotate", buffer_str(&body), &key, &err);
    buffer_release(&body);
    if (!ok) {
        return cli_report(c, &err);
    }
    const char *until = document_text(key, "former_expires_at");
    return key_print_secret(
        c, key, "The new secret of key %s stands above and is not shown again. The former %s%s.\n",
        id, until[0] ? "one holds until " : "one has ended", until);
}

/* The secret: "-" reads standard input, env:NAME and file:PATH what they name. */
static bool read_secret(struct cli *c, const char *word, struct arena *a, struct str *ret,
                        struct error *err)
{
    char typed[PASSWORD_ROOM];
    if (strcmp(word, "-") != 0) {
        return secret_ref_resolve(str_of(word), a, ret, err);
    }
    if (!password_read_file("-", c->in, typed, err)) {
        return false;
    }
    *ret = arena_str(a, str_of(typed));
    explicit_bzero(typed, sizeof typed);
    return true;
}

static int print_check(struct cli *c, const struct document *answer)
{
    if (c->common->json) {
        return api_print(c, answer);
    }
    if (!document_bool(answer, "found")) {
        fprintf(c->out, "%s\n",
                strcmp(document_text(answer, "form"), "misspelt") == 0
                    ? "not a key: it has the form of one, but its checksum does not fit"
                    : "no key of this organization that you may see");
        return CLI_NOT_FOUND;
    }
    char *name = cli_printable(str_of(document_text(answer, "key.name")));
    fprintf(c->out, "key %s (%s) is %s%s%s\n", name, document_text(answer, "key.id"),
            document_text(answer, "key.status"),
            document_bool(answer, "key.former") ? "; this is its former secret" : "",
            document_bool(answer, "key.usable") ? "" : ", and this secret opens nothing");
    mem_free(name);
    return CLI_OK;
}

int command_key_check(struct cli *c)
{
    struct error err = ERROR_INIT;
    struct document *answer = NULL;
    struct arena *a = arena_new(0);
    struct str secret = STR_NONE;
    struct json_writer w;
    struct buffer body;
    buffer_init(&body, 65536);
    json_writer_init(&w, &body);
    bool ok = read_secret(c, c->n_words ? c->words[0] : "-", a, &secret, &err);
    if (ok) {
        json_object_begin(&w);
        json_field_str(&w, "secret", secret);
        json_object_end(&w);
        ok = api_call(c, "POST", "/keys/check", buffer_str(&body), &answer, &err);
    }
    if (body.ptr) {
        explicit_bzero(body.ptr, body.len);
    }
    buffer_release(&body);
    arena_free(a);
    int exit = ok ? print_check(c, answer) : cli_report(c, &err);
    document_free(answer);
    return exit;
}

/* --- many --- */

/* Lines of JSON, or one JSON list, as the body of a bulk. */
static bool put_import(struct buffer *body, struct str text, const char *workspace,
                       struct error *err)
{
    struct json_writer w;
    struct str rest = text, line;
    size_t n = 0, number = 0;
    json_writer_init(&w, body);
    json_object_begin(&w);
    json_field_z(&w, "action", "create");
    if (workspace) {
        json_field_z(&w, "workspace", workspace);
    }
    json_name(&w, "keys");
    if (str_trim(text).len && str_trim(text).ptr[0] == '[') {
        struct json_value list;
        if (!json_validate(str_trim(text), 0, &list, err)) {
            return false;
        }
        json_put_raw(&w, str_trim(text));
        json_object_end(&w);
        return !body->failed || error_set(err, ERR_BODY_TOO_LARGE, "the file is too large");
    }
    json_array_begin(&w);
    for (bool more = rest.len > 0; more;) {
        struct json_value v;
        more = str_cut(rest, '\n', &line, &rest);
        line = str_trim(more ? line : rest);
        number++;
        if (line.len == 0) {
            continue;
        }
        if (!json_validate(line, 0, &v, err) || v.type != JSON_OBJECT) {
            return error_set(err, ERR_INVALID_JSON, "line %zu is not a JSON object", number);
        }
        json_put_raw(&w, line);
        if (++n > IMPORT_MAX) {
            return error_set(err, ERR_BODY_TOO_LARGE, "more than %d keys: import them in parts",
                             IMPORT_MAX);
        }
    }
    json_array_end(&w);
    json_object_end(&w);
    return !body->failed || error_set(err, ERR_BODY_TOO_LARGE, "the file is too large");
}

/* What became of each, in the form it was told; the faults for people, too. */
static int print_lines(struct cli *c, const char *text)
{
    struct str rest = str_of(text), line;
    struct error ignored = ERROR_INIT;
    int64_t made = 0, failed = -1;
    bool done = false;
    while (str_cut(rest, '\n', &line, &rest)) {
        struct document *d = document_parse(line, &ignored);
        if (document_get(d, "done")) {
            done = document_bool(d, "done");
            made = document_integer(d, "succeeded");
            failed = document_integer(d, "failed");
        } else {
            if (document_get(d, "error")) {
                char *why = cli_printable(str_of(document_text(d, "error.message")));
                fprintf(c->err, "%s\n", why);
                mem_free(why);
            }
            fprintf(c->out, "%.*s\n", STR_ARG(line));
        }
        document_free(d);
    }
    fflush(c->out);
    fprintf(c->err, "%lld keys are made, %lld failed%s\n", (long long)made,
            (long long)(failed < 0 ? 0 : failed), done ? "" : "; then it ended early");
    return done && failed == 0 ? CLI_OK : CLI_ERROR;
}

int command_key_import(struct cli *c)
{
    const struct workspace_options *o = c->options;
    struct error err = ERROR_INIT;
    struct buffer file, body;
    char *answer = NULL;
    buffer_init(&file, BODY_MAX);
    buffer_init(&body, BODY_MAX);
    bool ok = file_read(c->words[0], c->in, &file, &err) &&
              put_import(&body, buffer_str(&file), o->workspace, &err) &&
              api_lines(c, "/keys/bulk", buffer_str(&body), &answer, &err);
    int exit = ok ? print_lines(c, answer) : cli_report(c, &err);
    if (body.ptr) {
        explicit_bzero(body.ptr, body.len);
    }
    if (file.ptr) {
        explicit_bzero(file.ptr, file.len);
    }
    if (answer) {
        mem_free_secret(answer, strlen(answer));
    }
    buffer_release(&body);
    buffer_release(&file);
    return exit;
}
