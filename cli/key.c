/* weir key create, list: the keys that applications sign in by. */
#include <stdarg.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "cli/table.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/json.h"

#define BODY_MAX (256u << 10)

bool expiry_parse(struct str text, uint64_t now_ms, uint64_t *ret_ms)
{
    static const struct {
        char letter;
        uint64_t ms;
    } units[] = {{'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 604800000}};
    uint64_t n, span;
    if (text.len < 2 || !str_to_u64(str_slice(text, 0, text.len - 1), &n)) {
        return clock_parse_rfc3339(text, ret_ms);
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (text.ptr[text.len - 1] == units[i].letter) {
            return n > 0 && !__builtin_mul_overflow(n, units[i].ms, &span) &&
                   !__builtin_add_overflow(now_ms, span, ret_ms) && *ret_ms < EXPIRY_MAX_MS;
        }
    }
    return false;
}

void rows_put_text(struct json_writer *w, const char *name, const char *text)
{
    if (text) {
        json_field_z(w, name, text);
    }
}

void rows_put_lines(struct json_writer *w, const char *name, const char *lines)
{
    struct str rest = str_of(lines), head, tail;
    if (!lines) {
        return;
    }
    json_name(w, name);
    json_array_begin(w);
    while (str_cut(rest, '\n', &head, &tail)) {
        json_put_str(w, head);
        rest = tail;
    }
    json_put_str(w, rest);
    json_array_end(w);
}

/* "10/month" each. */
static bool put_budgets(struct json_writer *w, const char *lines)
{
    struct str rest = str_of(lines), line, amount, window;
    if (!lines) {
        return true;
    }
    json_name(w, "budgets");
    json_array_begin(w);
    for (bool more = true; more;) {
        more = str_cut(rest, '\n', &line, &rest);
        line = more ? line : rest;
        if (!str_cut(line, '/', &amount, &window)) {
            return false;
        }
        json_object_begin(w);
        json_field_z(w, "metric", "cost");
        json_field_str(w, "amount", amount);
        json_field_str(w, "window", window);
        json_object_end(w);
    }
    json_array_end(w);
    return true;
}

int key_print_secret(struct cli *c, struct document *key, const char *remark, ...)
{
    int exit = CLI_OK;
    va_list args;
    va_start(args, remark);
    if (c->common->json) {
        exit = api_print(c, key);
    } else {
        fprintf(c->out, "%s\n", document_text(key, "secret"));
        fflush(c->out);
        vfprintf(c->err, remark, args);
    }
    va_end(args);
    document_free(key);
    return exit;
}

int command_key_create(struct cli *c)
{
    const struct key_create_options *o = c->options;
    struct error err = ERROR_INIT;
    struct document *key = NULL;
    struct buffer body;
    struct json_writer w;
    uint64_t expires_ms = 0;
    char time[25];
    if (o->expires && !expiry_parse(str_of(o->expires), clock_wall_ms(), &expires_ms)) {
        return cli_usage(
            c,
            "--expires \"%.60s\" is neither a span such as 12h or 30d nor a time such as "
            "2027-01-31T00:00:00Z",
            o->expires);
    }
    buffer_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    json_field_z(&w, "name", c->words[0]);
    rows_put_text(&w, "workspace", o->workspace);
    rows_put_lines(&w, "models", o->models);
    rows_put_lines(&w, "providers", o->providers);
    rows_put_lines(&w, "endpoints", o->endpoints);
    rows_put_lines(&w, "ip_allow", o->addresses);
    rows_put_lines(&w, "tags", o->tags);
    rows_put_text(&w, "team", o->team);
    rows_put_text(&w, "user", o->user);
    rows_put_text(&w, "service_account", o->service_account);
    rows_put_text(&w, "price_group", o->price_group);
    rows_put_text(&w, "config", o->config);
    if (expires_ms) {
        clock_format_rfc3339(expires_ms, time);
        json_field_z(&w, "expires_at", time);
    }
    if (!put_budgets(&w, o->budgets)) {
        buffer_release(&body);
        return cli_usage(c, "--budget is an amount of USD and a window, such as 10/month");
    }
    json_object_end(&w);
    bool ok = api_call(c, "POST", "/keys", buffer_str(&body), &key, &err);
    buffer_release(&body);
    if (!ok) {
        return cli_report(c, &err);
    }
    return key_print_secret(c, key,
                            "Key %s is made. Its secret stands above and is not shown again.\n",
                            document_text(key, "id"));
}

int command_key_list(struct cli *c)
{
    static const struct row_column columns[] = {{"ID", "id", ROW_PLAIN},
                                                {"NAME", "name", ROW_PLAIN},
                                                {"KEY", "mask", ROW_PLAIN},
                                                {"STATUS", "status", ROW_PLAIN},
                                                {"MODELS", "models", ROW_PLAIN},
                                                {"EXPIRES", "expires_at", ROW_TIME},
                                                {"USED", "last_used_at", ROW_TIME},
                                                {"MADE", "created_at", ROW_TIME},
                                                {NULL, NULL, ROW_PLAIN}};
    const struct workspace_options *o = c->options;
    return rows_list(c, "/keys", o->workspace, columns);
}
