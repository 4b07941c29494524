/* weir logs: usage events, oldest first, so the newest stands at the bottom as in any log. */
#include <inttypes.h>
#include <time.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "cli/table.h"
#include "common/base/map.h"
#include "common/base/mem.h"

#define PATH_BYTES_MAX 4096
#define WINDOW 200 /* newest events looked at in each round of --follow: the API's largest page */
#define SEEN_MAX 4096 /* ids remembered; a power of two, well above WINDOW */
#define POLL_MS 1000

static const char *const titles[] = {"TIME", "KEY",  "MODEL", "PROVIDER", ">STATUS", ">IN",
                                     ">OUT", ">USD", ">MS",   "ERROR",    NULL};

static int64_t tokens(const struct document *event, const char *unit)
{
    const struct document *attempts = document_get(event, "attempts");
    int64_t sum = 0;
    for (size_t i = 0; i < document_count(attempts); i++) {
        const struct document *lines = document_get(document_at(attempts, i), "quantities");
        for (size_t k = 0; k < document_count(lines); k++) {
            if (strcmp(document_text(document_at(lines, k), "unit"), unit) == 0) {
                sum += document_integer(document_at(lines, k), "quantity");
            }
        }
    }
    return sum;
}

static void number(struct table *t, int64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, v);
    table_cell_z(t, text);
}

static void money(struct table *t, int64_t nanousd)
{
    char text[48];
    (void)snprintf(text, sizeof text, "%" PRId64 ".%06" PRId64, nanousd / 1000000000,
                   nanousd % 1000000000 / 1000);
    table_cell_z(t, nanousd ? text : "0");
}

static void add_row(struct table *t, const struct document *e)
{
    static const struct row_column when = {"TIME", "started_at", ROW_TIME};
    const struct document *attempts = document_get(e, "attempts");
    const struct document *last =
        document_at(attempts, document_count(attempts) ? document_count(attempts) - 1 : 0);
    const char *error = document_text(e, "error_code"), *outcome = document_text(e, "outcome");
    table_cell_take(t, row_text(e, &when, 0));
    table_cell_z(t, document_text(e, "key_name"));
    table_cell_z(t, document_text(e, "model"));
    table_cell_z(t, document_text(last, "provider"));
    number(t, document_integer(e, "status"));
    number(t, tokens(e, "token_in"));
    number(t, tokens(e, "token_out"));
    money(t, document_integer(e, "cost_nanousd"));
    number(t, document_integer(e, "duration_us") / 1000);
    table_cell_z(t, error[0] ? error : strcmp(outcome, "ok") == 0 ? "" : outcome);
}

/* --- which events --- */

static bool make_path(struct cli *c, const struct logs_options *o, size_t page, char **ret,
                      struct error *err)
{
    struct document *keys = NULL;
    const struct document *key = NULL;
    struct buffer b;
    char limit[24];
    if (o->key && !api_find(c, "/keys", "key", o->key, &keys, &key, err)) {
        return false;
    }
    buffer_init(&b, PATH_BYTES_MAX);
    buffer_append_z(&b, "/events");
    (void)snprintf(limit, sizeof limit, "%zu", page);
    api_query(&b, "limit", limit);
    api_query(&b, "key_id", document_text(key, "id"));
    api_query(&b, "model", o->model);
    api_query(&b, "status", o->status);
    *ret = buffer_detach(&b);
    document_free(keys);
    return true;
}

/* --- events that were shown --- */

struct seen {
    struct map *ids;
    char *ring[SEEN_MAX]; /* in the order they came, to forget the oldest */
    size_t next;
};

/* True when it was not there yet. */
static bool remember(struct seen *s, const char *id)
{
    if (map_get(s->ids, str_of(id))) {
        return false;
    }
    char **slot = &s->ring[s->next++ % SEEN_MAX];
    if (*slot) {
        (void)map_remove(s->ids, str_of(*slot));
        mem_free(*slot);
    }
    *slot = mem_strdup(id);
    (void)map_put(s->ids, str_of(*slot), *slot);
    return true;
}

static void seen_free(struct seen *s)
{
    map_free(s->ids);
    for (size_t i = 0; i < SEEN_MAX; i++) {
        mem_free(s->ring[i]);
    }
    mem_free(s);
}

/* Shows those of the list (newest first) that are new; of them the last `max` (0: all). */
static void show_new(struct cli *c, struct table *t, struct seen *s, const struct document *list,
                     size_t max)
{
    size_t n = document_count(list);
    for (size_t i = n; i-- > 0;) {
        const struct document *e = document_at(list, i);
        if (!remember(s, document_text(e, "id")) || (max && i >= max)) {
            continue;
        }
        if (c->common->json) {
            (void)api_print(c, e);
        } else {
            add_row(t, e);
        }
    }
    if (c->common->json) {
        fflush(c->out);
    } else {
        table_flush(t, c->out, c->color);
    }
}

static void pause_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

/* An instance that restarts is waited for; an answer that will not change ends it. */
static bool is_passing(const struct error *err)
{
    return error_status(err->code) >= 500;
}

/* Until the reader of our output is gone, or the API refuses. */
static int follow(struct cli *c, const struct logs_options *o, const char *path)
{
    struct seen *s = mem_alloc(sizeof *s);
    struct table *t = table_new(titles);
    struct error err = ERROR_INIT;
    struct document *page;
    bool first = true, told = false;
    int exit = CLI_OK;
    s->ids = map_new();
    while (!ferror(c->out)) {
        page = NULL;
        if (api_list(c, path, WINDOW, &page, &err)) {
            show_new(c, t, s, document_get(page, "data"), first ? (size_t)o->count : 0);
            document_free(page);
            first = told = false;
        } else if (first || !is_passing(&err)) {
            exit = cli_report(c, &err);
            break;
        } else if (!told) {
            fprintf(c->err, "weir: %s; trying again\n", error_text(&err));
            told = true;
        }
        pause_ms(POLL_MS);
    }
    seen_free(s);
    table_free(t);
    return exit;
}

static int show_once(struct cli *c, const struct logs_options *o, const char *path)
{
    struct error err = ERROR_INIT;
    struct document *answer = NULL;
    if (!api_list(c, path, (size_t)o->count, &answer, &err)) {
        return cli_report(c, &err);
    }
    struct document *list = document_edit(answer, "data");
    int exit = CLI_OK;
    document_trim(list, (size_t)o->count);
    if (c->common->json) {
        exit = api_print(c, answer);
    } else {
        struct table *t = table_new(titles);
        for (size_t i = document_count(list); i-- > 0;) {
            add_row(t, document_at(list, i));
        }
        table_print(t, c->out, c->color);
        table_free(t);
    }
    document_free(answer);
    return exit;
}

int command_logs(struct cli *c)
{
    const struct logs_options *o = c->options;
    struct error err = ERROR_INIT;
    char *path;
    size_t page = o->follow || o->count > WINDOW ? WINDOW : (size_t)o->count;
    if (!make_path(c, o, page, &path, &err)) {
        return cli_report(c, &err);
    }
    int exit = o->follow ? follow(c, o, path) : show_once(c, o, path);
    mem_free(path);
    return exit;
}
