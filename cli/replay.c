/* weir replay FILE: requests by a proposed config and by the present one, compared by outcome,
 * latency, tokens and cost. */
#include "cli/replay.h"

#include <stdlib.h>

#include "cli/commands.h"
#include "cli/table.h"
#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "common/rules/secret_ref.h"

#define OUTPUT_MAX ((size_t)256 << 20)
#define STATUS_MAX 1000
#define SHOWN_MAX 20

struct totals {
    size_t n, ok, unanswered, costed, counted;
    unsigned statuses[STATUS_MAX]; /* [0]: no answer */
    uint64_t mean_us, p50_us, p95_us, first_mean_us, first_p95_us;
    int64_t cost_nanousd;
    uint64_t tokens_in, tokens_out;
};

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The value that so many percent do not exceed. */
static uint64_t percentile(const uint64_t *sorted, size_t n, unsigned percent)
{
    size_t rank = (n * percent + 99) / 100;
    return n ? sorted[rank ? rank - 1 : 0] : 0;
}

static uint64_t mean_of(const uint64_t *list, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += list[i];
    }
    return n ? sum / n : 0;
}

static void add_up(const struct replay *r, enum replay_side side, struct totals *t)
{
    uint64_t *total = mem_alloc((r->n + 1) * sizeof *total),
             *first = mem_alloc((r->n + 1) * sizeof *first);
    size_t n = 0;
    *t = (struct totals){.n = r->n};
    for (size_t i = 0; i < r->n; i++) {
        const struct replay_run *run = &r->cases[i].runs[side];
        t->statuses[run->status > 0 && run->status < STATUS_MAX ? run->status : 0]++;
        t->ok += run->status >= 200 && run->status < 300;
        t->unanswered += run->status == 0;
        t->costed += run->has_cost;
        t->counted += run->has_tokens;
        t->cost_nanousd += run->has_cost ? run->cost_nanousd : 0;
        t->tokens_in += run->has_tokens ? run->tokens_in : 0;
        t->tokens_out += run->has_tokens ? run->tokens_out : 0;
        if (run->status) {
            total[n] = run->total_us;
            first[n++] = run->first_byte_us;
        }
    }
    qsort(total, n, sizeof *total, compare_u64);
    qsort(first, n, sizeof *first, compare_u64);
    t->mean_us = mean_of(total, n);
    t->p50_us = percentile(total, n, 50);
    t->p95_us = percentile(total, n, 95);
    t->first_mean_us = mean_of(first, n);
    t->first_p95_us = percentile(first, n, 95);
    mem_free(total);
    mem_free(first);
}

/* ---- as JSON ---- */

static void put_run(struct json_writer *w, const char *name, const struct replay_run *run)
{
    json_name(w, name);
    json_object_begin(w);
    json_field_i64(w, "status", run->status);
    if (run->error[0]) {
        json_field_z(w, "error", run->error);
    }
    json_field_z(w, "request_id", run->request_id[0] ? run->request_id : NULL);
    json_field_u64(w, "latency_us", run->total_us);
    json_field_u64(w, "first_byte_us", run->first_byte_us);
    json_name(w, "cost_nanousd");
    if (run->has_cost) {
        json_put_i64(w, run->cost_nanousd);
    } else {
        json_put_null(w);
    }
    if (run->has_tokens) {
        json_field_u64(w, "tokens_in", run->tokens_in);
        json_field_u64(w, "tokens_out", run->tokens_out);
    }
    json_object_end(w);
}

static void put_totals(struct json_writer *w, const char *name, const char *config,
                       const struct totals *t)
{
    json_name(w, name);
    json_object_begin(w);
    json_field_z(w, "config", config);
    json_field_u64(w, "succeeded", t->ok);
    json_field_u64(w, "unanswered", t->unanswered);
    json_name(w, "statuses");
    json_object_begin(w);
    for (unsigned i = 1; i < STATUS_MAX; i++) {
        char text[8];
        (void)snprintf(text, sizeof text, "%u", i);
        if (t->statuses[i]) {
            json_field_u64(w, text, t->statuses[i]);
        }
    }
    json_object_end(w);
    json_name(w, "latency_us");
    json_object_begin(w);
    json_field_u64(w, "mean", t->mean_us);
    json_field_u64(w, "p50", t->p50_us);
    json_field_u64(w, "p95", t->p95_us);
    json_object_end(w);
    json_name(w, "first_byte_us");
    json_object_begin(w);
    json_field_u64(w, "mean", t->first_mean_us);
    json_field_u64(w, "p95", t->first_p95_us);
    json_object_end(w);
    json_field_i64(w, "cost_nanousd", t->cost_nanousd);
    json_field_u64(w, "costed", t->costed);
    json_field_u64(w, "tokens_in", t->tokens_in);
    json_field_u64(w, "tokens_out", t->tokens_out);
    json_object_end(w);
}

static int print_json(struct cli *c, const struct replay *r, const struct totals *t)
{
    struct json_writer w;
    struct buffer b;
    size_t different = 0;
    buffer_init(&b, OUTPUT_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_u64(&w, "requests", r->n);
    put_totals(&w, "baseline", r->shown[REPLAY_BASELINE], &t[REPLAY_BASELINE]);
    put_totals(&w, "proposed", r->shown[REPLAY_PROPOSED], &t[REPLAY_PROPOSED]);
    json_name(&w, "results");
    json_array_begin(&w);
    for (size_t i = 0; i < r->n; i++) {
        const struct replay_case *k = &r->cases[i];
        different += k->runs[0].status != k->runs[1].status;
        json_object_begin(&w);
        json_field_i64(&w, "line", k->line);
        put_run(&w, "baseline", &k->runs[REPLAY_BASELINE]);
        put_run(&w, "proposed", &k->runs[REPLAY_PROPOSED]);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_field_u64(&w, "different", different);
    json_object_end(&w);
    int exit = cli_print_json(c, buffer_str(&b));
    buffer_release(&b);
    return exit;
}

/* ---- for people ---- */

static void row(struct table *t, const char *label, const char *baseline, const char *proposed,
                const char *change)
{
    table_cell_z(t, label);
    table_cell_z(t, baseline);
    table_cell_z(t, proposed);
    table_cell_z(t, change);
}

/* Thousandths of `unit` as a decimal, and the change in percent. */
static void row_number(struct table *t, const char *label, int64_t baseline, int64_t proposed,
                       int64_t per, int digits)
{
    char a[48], b[48], change[48] = "";
    int64_t scale = 1;
    for (int i = 0; i < digits; i++) {
        scale *= 10;
    }
    int64_t step = per / scale ? per / scale : 1;
    if (digits) {
        (void)snprintf(a, sizeof a, "%lld.%0*lld", (long long)(baseline / per), digits,
                       (long long)(baseline % per / step));
        (void)snprintf(b, sizeof b, "%lld.%0*lld", (long long)(proposed / per), digits,
                       (long long)(proposed % per / step));
    } else {
        (void)snprintf(a, sizeof a, "%lld", (long long)(baseline / per));
        (void)snprintf(b, sizeof b, "%lld", (long long)(proposed / per));
    }
    if (baseline > 0 && baseline != proposed) {
        int64_t tenths = (proposed - baseline) * 1000 / baseline;
        (void)snprintf(change, sizeof change, "%s%lld.%lld %%", tenths < 0 ? "-" : "+",
                       (long long)(tenths < 0 ? -tenths : tenths) / 10,
                       (long long)(tenths < 0 ? -tenths : tenths) % 10);
    }
    row(t, label, a, b, change);
}

static char *statuses_text(const struct totals *t)
{
    struct buffer b;
    buffer_init(&b, 64u << 10);
    for (unsigned i = 0; i < STATUS_MAX; i++) {
        if (t->statuses[i]) {
            buffer_append_z(&b, b.len ? ", " : "");
            if (i) {
                buffer_printf(&b, "%u x %u", t->statuses[i], i);
            } else {
                buffer_printf(&b, "%u without an answer", t->statuses[i]);
            }
        }
    }
    return buffer_detach(&b);
}

static void print_different(struct cli *c, const struct replay *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct replay_run *a = &r->cases[i].runs[0], *b = &r->cases[i].runs[1];
        if (a->status == b->status) {
            continue;
        }
        if (n++ < SHOWN_MAX) {
            fprintf(c->out, "%sline %d: %ld by the baseline, %ld by the proposed config\n",
                    n == 1 ? "\n" : "", r->cases[i].line, a->status, b->status);
        }
    }
    if (n > SHOWN_MAX) {
        fprintf(c->out, "... and %zu more end otherwise (--json tells each)\n", n - SHOWN_MAX);
    }
}

static void print_table(struct cli *c, const struct replay *r, const struct totals *t)
{
    static const char *const titles[] = {"", ">BASELINE", ">PROPOSED", ">CHANGE", NULL};
    const struct totals *a = &t[REPLAY_BASELINE], *b = &t[REPLAY_PROPOSED];
    struct table *out = table_new(titles);
    char *left = statuses_text(a), *right = statuses_text(b);
    row(out, "config", r->shown[REPLAY_BASELINE], r->shown[REPLAY_PROPOSED], "");
    row(out, "statuses", left, right, "");
    row_number(out, "succeeded", (int64_t)a->ok, (int64_t)b->ok, 1, 0);
    row_number(out, "latency, mean ms", (int64_t)a->mean_us, (int64_t)b->mean_us, 1000, 1);
    row_number(out, "latency, p50 ms", (int64_t)a->p50_us, (int64_t)b->p50_us, 1000, 1);
    row_number(out, "latency, p95 ms", (int64_t)a->p95_us, (int64_t)b->p95_us, 1000, 1);
    row_number(out, "first byte, mean ms", (int64_t)a->first_mean_us, (int64_t)b->first_mean_us,
               1000, 1);
    row_number(out, "tokens in", (int64_t)a->tokens_in, (int64_t)b->tokens_in, 1, 0);
    row_number(out, "tokens out", (int64_t)a->tokens_out, (int64_t)b->tokens_out, 1, 0);
    row_number(out, "cost, USD", a->cost_nanousd, b->cost_nanousd, 1000000000, 6);
    table_print(out, c->out, c->color);
    table_free(out);
    mem_free(left);
    mem_free(right);
    if (a->costed < a->n || b->costed < b->n) {
        fprintf(c->err, "weir: note: the cost of %zu and %zu requests is not known\n",
                a->n - a->costed, b->n - b->costed);
    }
    print_different(c, r);
}

/* ---- the command ---- */

/* Where costs come from; without any source they stay unknown. */
static bool add_usage(struct cli *c, struct replay *r)
{
    const struct replay_options *o = c->options;
    struct error err = ERROR_INIT;
    const char *token = getenv("WEIR_TOKEN");
    if (o->events) {
        if (!replay_usage_from_file(r, o->events, &err)) {
            (void)cli_report(c, &err);
            return false;
        }
    } else if ((token && *token) || c->profile.token) {
        if (!replay_usage_from_api(r, c, &err)) {
            fprintf(c->err, "weir: note: costs are not known: %s\n", error_text(&err));
        }
    }
    return true;
}

static bool prepare(struct cli *c, struct replay *r, struct error *err)
{
    const struct replay_options *o = c->options;
    struct str key, url = str_of(o->proxy);
    while (url.len && url.ptr[url.len - 1] == '/') {
        url.len--;
    }
    r->proxy = arena_str(r->arena, url).ptr;
    r->ca_file = o->common.ca_file;
    r->timeout_ms = o->timeout_ms;
    if (!secret_ref_resolve(str_of(o->key), r->arena, &key, err)) {
        return false;
    }
    r->key_header = arena_printf(r->arena, "x-weir-key: %.*s", STR_ARG(key)).ptr;
    return replay_config(c, o->config, r->arena, &r->config_header[REPLAY_PROPOSED],
                         &r->shown[REPLAY_PROPOSED], err) &&
           replay_config(c, o->baseline, r->arena, &r->config_header[REPLAY_BASELINE],
                         &r->shown[REPLAY_BASELINE], err) &&
           replay_read(c->words[0], c->in, o->limit, r, err);
}

int command_replay(struct cli *c)
{
    const struct replay_options *o = c->options;
    struct error err = ERROR_INIT;
    struct totals *t;
    int exit = CLI_OK;
    if (!o->proxy || !o->key || !o->config) {
        return cli_usage(c, "--%s is missing", !o->proxy ? "proxy" : !o->key ? "key" : "config");
    }
    struct replay r = {.arena = arena_new(0)};
    if (!prepare(c, &r, &err)) {
        exit = cli_report(c, &err);
        arena_free(r.arena);
        return exit;
    }
    replay_send(&r, (unsigned)o->concurrency);
    if (!add_usage(c, &r)) {
        arena_free(r.arena);
        return CLI_ERROR;
    }
    t = mem_alloc(REPLAY_SIDES * sizeof *t);
    add_up(&r, REPLAY_BASELINE, &t[REPLAY_BASELINE]);
    add_up(&r, REPLAY_PROPOSED, &t[REPLAY_PROPOSED]);
    if (o->common.json) {
        exit = print_json(c, &r, t);
    } else {
        print_table(c, &r, t);
    }
    if (t[REPLAY_PROPOSED].unanswered == r.n) {
        fprintf(c->err, "weir: no request was answered: %s\n", r.cases[0].runs[1].error);
        exit = CLI_ERROR;
    }
    mem_free(t);
    arena_free(r.arena);
    return exit;
}
