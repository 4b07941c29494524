/* weir explain: what would be done with a request, without sending it. */
#include <stdarg.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/document_file.h"
#include "cli/table.h"
#include "common/base/mem.h"
#include "common/json.h"

#define BODY_MAX ((size_t)32 << 20)
#define PATH_BYTES_MAX 4096

/* ---- the question ---- */

/* "name: value" lines as an object. */
static bool put_headers(struct json_writer *w, const char *lines, struct error *err)
{
    struct str rest = str_of(lines ? lines : ""), line, name, value;
    json_name(w, "headers");
    json_object_begin(w);
    while (rest.len) {
        char z[128];
        struct str tail = STR_NONE;
        if (!str_cut(rest, '\n', &line, &tail)) {
            line = rest;
        }
        rest = tail;
        if (!str_cut(line, ':', &name, &value) || name.len == 0 || name.len >= sizeof z) {
            return error_set(err, ERR_INVALID_FIELD, "--header takes \"NAME: VALUE\"");
        }
        memcpy(z, name.ptr, name.len);
        z[name.len] = '\0';
        json_field_str(w, z, str_trim(value));
    }
    json_object_end(w);
    return true;
}

/* The body that was given, with --model's name in it; without one, the least that asks a model. */
static bool put_body(struct cli *c, struct json_writer *w, struct error *err)
{
    const struct explain_options *o = c->options;
    struct json_value object, name, value;
    struct buffer text;
    size_t pos = 0;
    buffer_init(&text, BODY_MAX);
    bool ok = !o->body || document_file_read(o->body, c->in, &text, err);
    json_name(w, "body");
    json_object_begin(w);
    if (ok && o->model) {
        json_field_z(w, "model", o->model);
    }
    if (ok && o->body) {
        ok = (json_validate(buffer_str(&text), 0, &object, NULL) && object.type == JSON_OBJECT) ||
             error_set(err, ERR_INVALID_FIELD, "\"%.160s\" holds no object", o->body);
        while (ok && json_next(object, &pos, &name, &value)) {
            if (!o->model || !json_text_eq(name, STR_LIT("model"))) {
                char *z = str_dup(str_slice(name.raw, 1, name.raw.len - 2));
                json_name(w, z);
                json_put_raw(w, value.raw);
                mem_free(z);
            }
        }
    } else if (ok) {
        json_name(w, "messages");
        json_put_raw(w, STR_LIT("[{\"role\":\"user\",\"content\":\"Hello\"}]"));
    }
    json_object_end(w);
    buffer_release(&text);
    return ok;
}

/* The API wants the key's id. */
static bool put_key(struct cli *c, struct json_writer *w, const char *key, struct error *err)
{
    const struct explain_options *o = c->options;
    const struct document *found;
    struct document *list = NULL;
    struct buffer b;
    buffer_init(&b, PATH_BYTES_MAX);
    buffer_append_z(&b, "/keys");
    api_query(&b, "workspace", o->workspace);
    char *path = buffer_detach(&b);
    bool ok = api_find(c, path, "key", key, &list, &found, err);
    if (ok) {
        json_field_z(w, "key", document_text(found, "id"));
    }
    mem_free(path);
    document_free(list);
    return ok;
}

static bool write_question(struct cli *c, struct buffer *ret, struct error *err)
{
    const struct explain_options *o = c->options;
    struct json_writer w;
    struct buffer config;
    buffer_init(&config, BODY_MAX);
    json_writer_init(&w, ret);
    json_object_begin(&w);
    bool ok = put_key(c, &w, o->key, err);
    json_field_z(&w, "method", "POST");
    json_field_z(&w, "path", o->path);
    ok = ok && put_headers(&w, o->headers, err) && put_body(c, &w, err) &&
         (!o->config || document_file_read(o->config, c->in, &config, err));
    if (ok && o->config) {
        json_name(&w, "config");
        json_put_raw(&w, buffer_str(&config));
    }
    json_object_end(&w);
    buffer_release(&config);
    return ok && (!ret->failed || error_set(err, ERR_BODY_TOO_LARGE, "the request is too large"));
}

/* ---- the answer ---- */

static void print_line(struct cli *c, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void print_line(struct cli *c, const char *label, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    char *safe = cli_printable(str_of(text));
    fprintf(c->out, "%-12s%s\n", label, safe);
    mem_free(safe);
}

static void usd(char *room, size_t size, int64_t nanousd)
{
    (void)snprintf(room, size, "%lld.%06lld", (long long)(nanousd / 1000000000),
                   (long long)(nanousd % 1000000000 / 1000));
}

static void print_conditions(struct cli *c, const struct document *list)
{
    for (size_t i = 0; i < document_count(list); i++) {
        const struct document *d = document_at(list, i);
        char *query = document_dump(document_get(d, "query")),
             *values = document_dump(document_get(d, "values"));
        print_line(c, "", "  %s %s: it saw %s", query,
                   document_bool(d, "holds") ? "holds" : "does not hold", values);
        mem_free(query);
        mem_free(values);
    }
}

static void print_order(struct cli *c, const struct document *list)
{
    for (size_t i = 0; i < document_count(list); i++) {
        const struct document *d = document_at(list, i);
        static const char *const members[] = {"weight", "share",      "priority", "health",
                                              "limits", "latency_ms", "in_flight"};
        struct buffer b;
        buffer_init(&b, PATH_BYTES_MAX);
        for (size_t k = 0; k < sizeof members / sizeof *members; k++) {
            char *text = document_show(d, members[k]);
            if (*text) {
                buffer_printf(&b, ", %s %s", members[k], text);
            }
            mem_free(text);
        }
        const char *why = document_text(d, "passed_over"), *name = document_text(d, "name");
        if (*why) {
            buffer_printf(&b, "; passed over: %s", why);
        }
        char *text = buffer_detach(&b);
        print_line(c, "", "  %zu. %s%s%s%s%s", i + 1, document_text(d, "target"), *name ? " (" : "",
                   name, *name ? ")" : "", text);
        mem_free(text);
    }
}

static void print_decisions(struct cli *c, const struct document *list)
{
    for (size_t i = 0; i < document_count(list); i++) {
        const struct document *d = document_at(list, i);
        const char *chosen = document_text(d, "chosen"), *arm = document_text(d, "assignment");
        print_line(c, i ? "" : "decisions", "%s: %s chose %s%s%s", document_text(d, "node"),
                   document_text(d, "mode"), *chosen ? chosen : "nothing", *arm ? ", arm " : "",
                   arm);
        print_conditions(c, document_get(d, "conditions"));
        print_order(c, document_get(d, "order"));
    }
}

static void print_targets(struct cli *c, const struct document *list)
{
    static const char *const titles[] = {"#",        "OPTION", "PROVIDER",  "MODEL",
                                         "ENDPOINT", "HEALTH", ">EST. USD", NULL};
    struct table *t = table_new(titles);
    for (size_t i = 0; i < document_count(list); i++) {
        const struct document *d = document_at(list, i);
        static const char *const members[] = {"option", "provider", "model", "endpoint", "health"};
        char text[48];
        (void)snprintf(text, sizeof text, "%zu", i + 1);
        table_cell_z(t, text);
        for (size_t k = 0; k < sizeof members / sizeof *members; k++) {
            table_cell_take(t, document_show(d, members[k]));
        }
        text[0] = '\0';
        if (document_type(document_get(d, "estimated_nanousd")) == DOCUMENT_NUMBER) {
            usd(text, sizeof text, document_integer(d, "estimated_nanousd"));
        }
        table_cell_z(t, text);
    }
    if (document_count(list)) {
        fprintf(c->out, "\n");
        table_print(t, c->out, c->color);
    }
    table_free(t);
}

static void print_cache(struct cli *c, const struct document *d)
{
    if (document_type(d) == DOCUMENT_OBJECT) {
        char *text = document_dump(d);
        print_line(c, "cache", "%s", text);
        mem_free(text);
    }
}

static void print_config(struct cli *c, const struct document *d)
{
    const char *name = document_text(d, "name");
    if (document_type(d) != DOCUMENT_OBJECT) {
        print_line(c, "config", "none");
    } else if (*name) {
        print_line(c, "config", "%s@%lld (%s), from: %s", name,
                   (long long)document_integer(d, "version"), document_text(d, "id"),
                   document_text(d, "source"));
    } else {
        print_line(c, "config", "from: %s", document_text(d, "source"));
    }
}

static void print_answer(struct cli *c, const struct document *d)
{
    const struct document *plane = document_get(d, "data_plane"), *r = document_get(d, "request"),
                          *impossible = document_get(d, "impossible"),
                          *refused = document_get(d, "refused");
    print_line(c, "data plane", "%s, configuration %lld",
               document_type(plane) == DOCUMENT_TEXT ? document_text(plane, "")
                                                     : document_text(plane, "name"),
               (long long)document_integer(d, "config_version"));
    print_line(c, "request", "%s in dialect %s, model %s, %s, about %lld prompt tokens",
               document_text(r, "endpoint"), document_text(r, "dialect"), document_text(r, "model"),
               document_bool(r, "stream") ? "streamed" : "not streamed",
               (long long)document_integer(r, "prompt_tokens"));
    print_config(c, document_get(d, "config"));
    print_decisions(c, document_get(d, "decisions"));
    print_cache(c, document_get(d, "cache"));
    for (size_t i = 0; i < document_count(impossible); i++) {
        const struct document *t = document_at(impossible, i);
        print_line(c, i ? "" : "impossible", "%s: %s", document_text(t, "option"),
                   document_text(t, "reason"));
    }
    if (document_type(refused) == DOCUMENT_OBJECT) {
        print_line(c, "refused", "%lld %s: %s", (long long)document_integer(refused, "status"),
                   document_text(refused, "code"), document_text(refused, "message"));
    }
    print_targets(c, document_get(d, "targets"));
}

int command_explain(struct cli *c)
{
    const struct explain_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *answer = NULL;
    struct buffer body;
    int exit = CLI_OK;
    if (!o->key) {
        return cli_usage(c, "--key is missing: whose request it would be");
    }
    if (!o->model && !o->body) {
        return cli_usage(c, "--model or --body is missing: what would be asked");
    }
    buffer_init(&body, BODY_MAX);
    if (!write_question(c, &body, &err) ||
        !api_call(c, "POST", "/explain", buffer_str(&body), &answer, &err)) {
        exit = cli_report(c, &err);
    } else if (o->common.json) {
        exit = api_print(c, answer);
    } else {
        print_answer(c, answer);
    }
    buffer_release(&body);
    document_free(answer);
    return exit;
}
