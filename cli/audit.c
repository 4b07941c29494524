/* weir audit export, verify, head. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/api.h"
#include "cli/audit_chain.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "common/base/mem.h"
#include "common/json.h"

#define PATH_BYTES_MAX 1024
#define PAGE_ROWS "10000"

typedef bool (*line_fn)(void *arg, struct str line, struct error *err);

/* --- from the server --- */

static char *page_path(const char *chain, uint64_t after)
{
    struct buffer b;
    char text[24];
    buffer_init(&b, PATH_BYTES_MAX);
    buffer_append_z(&b, "/audit/export");
    api_query(&b, "chain", chain);
    (void)snprintf(text, sizeof text, "%" PRIu64, after);
    api_query(&b, "after", after ? text : NULL);
    api_query(&b, "limit", PAGE_ROWS);
    return buffer_detach(&b);
}

/* The number of a row's line; 0 of any other. *ret_end: the line of the head. */
static uint64_t row_number(struct str line, bool *ret_end)
{
    struct json_member m[] = {{.name = STR_LIT("seq")}, {.name = STR_LIT("head")}};
    uint64_t seq = 0;
    if (json_scan(line, m, 2, 0, NULL)) {
        *ret_end = *ret_end || m[1].found;
        if (m[0].found) {
            (void)str_to_u64(m[0].value.raw, &seq);
        }
    }
    return seq;
}

/* A page of a chain; *after moves on. *ret_end: the last one. */
static bool read_page(struct cli *c, const char *chain, uint64_t *after, bool *ret_end, bool inner,
                      line_fn take, void *arg, struct error *err)
{
    char *path = page_path(chain, *after), *text = NULL;
    bool ok = api_text(c, path, &text, err);
    uint64_t before = *after;
    mem_free(path);
    struct str rest = text ? str_of(text) : STR_NONE, line;
    while (ok && str_cut(rest, '\n', &line, &rest)) {
        uint64_t seq = row_number(line, ret_end);
        bool from = seq == 0 && !*ret_end;
        *after = seq ? seq : *after;
        ok = (from && inner) || take(arg, line, err);
    }
    mem_free(text);
    return ok && (*ret_end || *after > before ||
                  error_set(err, ERR_UPSTREAM_GARBAGE, "the export was cut off"));
}

static bool read_chain(struct cli *c, const char *chain, uint64_t after, bool check, line_fn take,
                       void *arg, struct error *err)
{
    bool end = false, ok = true;
    for (bool inner = false; ok && !end; inner = !check) {
        ok = read_page(c, chain, &after, &end, inner, take, arg, err);
    }
    return ok;
}

/* All lines of all chains that the caller may see. `check`: also where pages go on from. */
static bool read_server(struct cli *c, uint64_t after, bool check, line_fn take, void *arg,
                        struct error *err)
{
    struct document *heads = NULL;
    bool ok = api_call(c, "GET", "/audit/heads", STR_NONE, &heads, err);
    const struct document *list = document_get(heads, "data");
    size_t n = document_count(list);
    if (ok && after > 0 && n != 1) {
        ok = error_set(err, ERR_INVALID_FIELD,
                       "--after goes with one organization: name it by --organization");
    }
    for (size_t i = 0; ok && i < n; i++) {
        ok = read_chain(c, document_text(document_at(list, i), "chain"), after, check, take, arg,
                        err);
    }
    document_free(heads);
    return ok;
}

/* --- commands --- */

static bool write_line(void *arg, struct str line, struct error *err)
{
    FILE *out = arg;
    return (fwrite(line.ptr, 1, line.len, out) == line.len && fputc('\n', out) != EOF) ||
           error_set(err, ERR_INVALID_FIELD, "cannot write: %s", strerror(errno));
}

int command_audit_export(struct cli *c)
{
    const struct audit_options *o = c->options;
    struct error err = ERROR_INIT;
    bool to_file = o->output && strcmp(o->output, "-") != 0;
    FILE *out = to_file ? fopen(o->output, "we") : c->out;
    bool ok = out || error_set(&err, ERR_INVALID_FIELD, "cannot write \"%s\": %s", o->output,
                               strerror(errno));
    ok = ok && read_server(c, o->after, false, write_line, out, &err);
    if (to_file && out && fclose(out) != 0 && ok) {
        ok = error_set(&err, ERR_INVALID_FIELD, "cannot write \"%s\": %s", o->output,
                       strerror(errno));
    }
    return ok ? CLI_OK : cli_report(c, &err);
}

static bool check_line(void *arg, struct str line, struct error *err)
{
    return audit_check_line(arg, line, err);
}

static bool read_file(struct cli *c, const char *path, struct audit_check *check, struct error *err)
{
    FILE *in = strcmp(path, "-") == 0 ? c->in : fopen(path, "re");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    bool ok =
        in || error_set(err, ERR_INVALID_FIELD, "cannot read \"%s\": %s", path, strerror(errno));
    while (ok && (n = getline(&line, &cap, in)) >= 0) {
        ok = audit_check_line(check, (struct str){line, (size_t)n}, err);
    }
    free(line); /* getline's own */
    if (in && in != c->in) {
        fclose(in);
    }
    return ok;
}

static int print_verified(struct cli *c, const struct audit_check *check)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, API_BODY_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_bool(&w, "verified", true);
    json_name(&w, "chains");
    json_array_begin(&w);
    for (size_t i = 0; i < audit_check_chains(check); i++) {
        const struct audit_chain *x = audit_check_chain(check, i);
        json_object_begin(&w);
        json_field_z(&w, "chain", x->id);
        json_field_u64(&w, "from", x->from);
        json_field_u64(&w, "seq", x->seq);
        json_field_z(&w, "hash", x->hash);
        json_object_end(&w);
        if (!c->common->json) {
            fprintf(c->out, "chain %s: rows %" PRIu64 " to %" PRIu64 " hold, head %s\n", x->id,
                    x->from + 1, x->seq, x->hash);
        }
    }
    json_array_end(&w);
    json_object_end(&w);
    int exit = c->common->json ? cli_print_json(c, buffer_str(&b)) : CLI_OK;
    buffer_release(&b);
    return exit;
}

int command_audit_verify(struct cli *c)
{
    const struct audit_options *o = c->options;
    struct error err = ERROR_INIT;
    if (o->head && strlen(o->head) != AUDIT_HASH_LEN) {
        return cli_usage(c, "--head takes a hash of %d hex digits", AUDIT_HASH_LEN);
    }
    struct audit_check *check = audit_check_new(o->head);
    bool ok = c->n_words > 0 ? read_file(c, c->words[0], check, &err)
                             : read_server(c, 0, true, check_line, check, &err);
    ok = ok && audit_check_end(check, &err);
    int exit = ok ? print_verified(c, check) : cli_report(c, &err);
    audit_check_free(check);
    return exit;
}

int command_audit_head(struct cli *c)
{
    struct error err = ERROR_INIT;
    struct document *heads = NULL;
    if (!api_call(c, "GET", "/audit/heads", STR_NONE, &heads, &err)) {
        return cli_report(c, &err);
    }
    int exit = CLI_OK;
    const struct document *list = document_get(heads, "data");
    if (c->common->json) {
        exit = api_print(c, heads);
    }
    for (size_t i = 0; !c->common->json && i < document_count(list); i++) {
        const struct document *x = document_at(list, i);
        fprintf(c->out, "%s %" PRId64 " %s\n", document_text(x, "chain"),
                document_integer(x, "seq"), document_text(x, "hash"));
    }
    document_free(heads);
    return exit;
}
