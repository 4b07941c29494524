/* What is spent and held: accounts of budgets and limits, leases of proxies that are gone, and
 * writing those off. docs/budgets.md. */
#include "controlplane/store/ledger_read.h"

#include "common/base/clock.h"
#include "common/rules/quota_check.h"
#include "controlplane/api/quotas.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/page.h"
#include "controlplane/http/reply.h"
#include "controlplane/ledger/ledger.h"
#include "controlplane/store/budgets.h"
#include "controlplane/store/limits.h"
#include "controlplane/store/quota_scopes.h"

#define SEPARATOR '\x1f'
#define WRITE_OFF_ROUNDS 50

/* Cursors are ids: two numbers make one. */
static struct uuid pair_id(int64_t a, int64_t b)
{
    struct uuid u;
    for (int i = 0; i < 8; i++) {
        u.b[i] = (uint8_t)((uint64_t)a >> (56 - 8 * i));
        u.b[8 + i] = (uint8_t)((uint64_t)b >> (56 - 8 * i));
    }
    return u;
}

static int64_t half_of(const struct uuid *u, int half)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v = v << 8 | u->b[8 * half + i];
    }
    return (int64_t)v;
}

static void put_time_s(struct json_writer *w, const char *name, int64_t unix_s)
{
    reply_put_time(w, name, unix_s > 0 ? (uint64_t)unix_s * 1000 : 0);
}

/* ---- accounts ---- */

static void put_value(struct call *c, const struct quota_scope_text *scope, struct str text)
{
    enum quota_scope kind = quota_scope_named(scope->kind);
    const char *prefix = quota_scope_prefix(kind);
    struct str name = kind == SCOPE_METADATA ? scope->name : scope->kind;
    name = arena_str(c->arena, name); /* which ends it, too */
    struct buffer b;
    buffer_init(&b, 128);
    if (prefix && quota_scope_by_id(kind) && text.len == 32) {
        (void)buffer_printf(&b, "%s_%.*s", prefix, STR_ARG(text));
        text = buffer_str(&b);
    }
    if (name.ptr) {
        json_field_str(&c->json, name.ptr, text);
    }
    buffer_release(&b);
}

/* The values that a bucket stands for, by scope; none for the shared rest. */
static void put_values(struct call *c, const struct quota_scope_text *scopes, size_t n,
                       struct str bucket)
{
    struct json_writer *w = &c->json;
    struct str rest = bucket;
    json_name(w, "values");
    json_object_begin(w);
    for (size_t i = 0; i < n && !str_eqz(bucket, QUOTA_BUCKET_REST); i++) {
        struct str value = rest, tail = STR_LIT("");
        if (!str_eqz(scopes[i].value, "*")) {
            continue;
        }
        if (str_cut(rest, SEPARATOR, &value, &tail)) {
            rest = tail;
        }
        put_value(c, &scopes[i], value);
    }
    json_object_end(w);
}

/* Of a window that is not over the amount is the one of now. */
static int64_t amount_of(const struct object *row, bool limit, const struct ledger_account_row *x,
                         uint64_t now_ms)
{
    if (x->window_end_s > 0 && (uint64_t)x->window_end_s * 1000 <= now_ms) {
        return x->amount;
    }
    int64_t amount = row->v[BUDGET_AMOUNT].integer;
    if (!limit && object_is_set(&row->v[BUDGET_EXTRA_UNTIL]) &&
        row->v[BUDGET_EXTRA_UNTIL].integer > (int64_t)now_ms) {
        amount += row->v[BUDGET_EXTRA_AMOUNT].integer;
    }
    return amount;
}

/* A token bucket's account is one for ever: what counts is what is missing in the bucket now. */
static void read_bucket(const struct object *row, const struct ledger_account_row *x,
                        uint64_t now_ms, int64_t *ret_amount, int64_t *ret_used)
{
    static const struct quota_span always = {0, INT64_MAX};
    struct quota_rule r = {.limit = true,
                           .metric = quota_metric_named(row->v[LIMIT_METRIC].text),
                           .window = quota_window_named(row->v[LIMIT_WINDOW].text),
                           .algorithm = ALGORITHM_BUCKET,
                           .amount = (uint64_t)row->v[LIMIT_AMOUNT].integer,
                           .burst = (uint64_t)row->v[LIMIT_BURST].integer};
    struct quota_state s = {.settled = (uint64_t)x->settled,
                            .held = (uint64_t)x->held,
                            .level_milli = (uint64_t)x->level_milli,
                            .level_ms = x->level_ms};
    uint64_t amount, used;
    quota_stands(&r, &s, &always, (int64_t)now_ms, &amount, &used);
    *ret_amount = (int64_t)amount;
    *ret_used = (int64_t)used;
}

static void show_account(struct call *c, const struct object *row, bool limit,
                         const struct quota_scope_text *scopes, size_t n_scopes,
                         const struct ledger_account_row *x)
{
    struct json_writer *w = &c->json;
    enum quota_metric metric = quota_metric_named(row->v[BUDGET_METRIC].text);
    int64_t amount = amount_of(row, limit, x, clock_wall_ms()), settled = x->settled;
    if (limit && str_eqz(row->v[LIMIT_ALGORITHM].text, "token_bucket")) {
        read_bucket(row, x, clock_wall_ms(), &amount, &settled);
    }
    int64_t left = amount - settled, remaining = left > x->held ? left - x->held : 0;
    json_object_begin(w);
    json_field_str(w, "bucket", x->bucket);
    put_values(c, scopes, n_scopes, x->bucket);
    put_time_s(w, "window_start", x->window_start_s);
    put_time_s(w, "window_end", x->window_end_s);
    quota_put_amount(w, "amount", metric, amount);
    quota_put_amount(w, "settled", metric, settled);
    quota_put_amount(w, "held", metric, x->held);
    quota_put_amount(w, "remaining", metric, remaining);
    quota_put_amount(w, "overrun", metric, x->overrun);
    quota_put_amount(w, "presumed", metric, x->presumed);
    json_object_end(w);
}

bool quota_accounts_call(struct call *c, struct error *err)
{
    const struct resource *res = c->route->resource;
    bool limit = res == &limit_resource;
    struct object row;
    struct page page;
    struct quota_scope_text *scopes = NULL;
    struct ledger_account_row *list = NULL;
    size_t n_scopes = 0, n = 0;
    if (!page_read(c->request, &page, err) || !resource_find(c, res, &c->id, false, &row, err) ||
        !quota_scopes_parse(row.v[BUDGET_SCOPES].text, c->arena, &scopes, &n_scopes, err)) {
        return false;
    }
    struct ledger_account_query q = {.book = limit ? LEDGER_LIMITS : LEDGER_BUDGETS,
                                     .quota = &c->id,
                                     .bucket = http_query(c->request, "bucket"),
                                     .limit = page.limit + 1};
    if (page.has_after) {
        q.after_window_s = half_of(&page.after, 0);
        q.after_id = half_of(&page.after, 1);
    }
    if (!ledger_account_list(c->tx, &q, c->arena, &list, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    for (size_t i = 0; i < n; i++) {
        show_account(c, &row, limit, scopes, n_scopes, &list[i]);
    }
    struct uuid last = n > 0 ? pair_id(list[n - 1].window_start_s, list[n - 1].id) : pair_id(0, 0);
    page_end(&c->json, more, n > 0 ? &last : NULL);
    return true;
}

/* ---- leases ---- */

static void show_lease(struct json_writer *w, const struct ledger_lease_row *x)
{
    enum quota_metric metric = quota_metric_named(x->metric);
    json_object_begin(w);
    reply_put_id(w, "data_plane_id", "dp", &x->plane);
    json_field_str(w, "data_plane", x->plane_name);
    reply_put_time(w, "last_seen_at", x->last_seen_ms);
    reply_put_id(w, "holder", "hold", &x->holder);
    reply_put_id(w, "budget_id", "bud", &x->budget);
    json_field_str(w, "budget", x->budget_name);
    reply_put_id(w, "workspace_id", "ws", &x->workspace);
    json_field_z(w, "metric", quota_metric_name(metric));
    json_field_str(w, "bucket", x->bucket);
    put_time_s(w, "window_start", x->window_start_s);
    quota_put_amount(w, "held", metric, x->held);
    quota_put_amount(w, "presumed", metric, x->presumed);
    reply_put_time(w, "created_at", x->since_ms);
    json_object_end(w);
}

bool ledger_leases_call(struct call *c, struct error *err)
{
    struct page page;
    struct ledger_lease_row *list = NULL;
    size_t n = 0;
    if (!page_read(c->request, &page, err)) {
        return false;
    }
    struct ledger_lease_query q = {.organization = &c->organization,
                                   .only_workspaces = !c->scope.whole,
                                   .workspaces = c->scope.workspaces,
                                   .n_workspaces = c->scope.n,
                                   .silent_ms = LEDGER_PRESENT_MS,
                                   .limit = page.limit + 1};
    if (page.has_after) { /* behind it: a holder's first half is random enough to name it */
        q.after_account = half_of(&page.after, 0);
        q.after_holder = pair_id(half_of(&page.after, 1), -1);
    }
    if (!ledger_lease_list(c->tx, &q, c->arena, &list, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    for (size_t i = 0; i < n; i++) {
        show_lease(&c->json, &list[i]);
    }
    struct uuid last =
        n > 0 ? pair_id(list[n - 1].account, half_of(&list[n - 1].holder, 0)) : pair_id(0, 0);
    page_end(&c->json, more, n > 0 ? &last : NULL);
    return true;
}

static bool read_plane(struct call *c, struct uuid *ret, struct error *err)
{
    static const char *const names[] = {"data_plane_id", NULL};
    const struct body_value *v = body_get(&c->body, "data_plane_id");
    struct str text;
    if (!body_known(&c->body, names, NULL, err)) {
        return false;
    }
    if (!v) {
        return body_refuse(err, NULL, "data_plane_id", "is required");
    }
    return body_text(v, 1, 100, NULL, "data_plane_id", &text, err) &&
           (uuid_parse_public("dp", text, ret) ||
            body_refuse(err, NULL, "data_plane_id", "must be an id (dp_...)"));
}

static void show_written_off(struct json_writer *w, const struct ledger_written_off *r)
{
    json_object_begin(w);
    json_field_u64(w, "leases", r->leases);
    quota_put_amount(w, "cost", METRIC_COST, r->cost_nanousd);
    quota_put_amount(w, "tokens", METRIC_TOKENS, r->tokens);
    quota_put_amount(w, "requests", METRIC_REQUESTS, r->requests);
    json_object_end(w);
}

static bool note_written_off(struct call *c, const struct uuid *plane,
                             const struct ledger_written_off *r, struct error *err)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 1024);
    json_writer_init(&w, &b);
    show_written_off(&w, r);
    struct str text = b.failed ? STR_NONE : arena_str(c->arena, buffer_str(&b));
    buffer_release(&b);
    return text.ptr ? tx_audit(c->tx, "ledger.write_off", "data_plane", &c->organization, plane, "",
                               NULL, text.ptr, err)
                    : error_set(err, ERR_OVERLOADED, "%s", "");
}

/* They come some thousand at a time. */
static bool write_off_all(struct call *c, const struct uuid *plane, struct ledger_written_off *ret,
                          struct error *err)
{
    struct ledger_written_off *list = NULL;
    size_t n = 1;
    for (int i = 0; n > 0 && i < WRITE_OFF_ROUNDS; i++) {
        if (!ledger_write_off(c->tx, plane, &c->organization, LEDGER_PRESENT_MS, c->arena, &list,
                              &n, err)) {
            return false;
        }
        if (n > 0) {
            ret->leases += list->leases;
            ret->cost_nanousd += list->cost_nanousd;
            ret->tokens += list->tokens;
            ret->requests += list->requests;
        }
    }
    return true;
}

bool ledger_write_off_call(struct call *c, struct error *err)
{
    struct uuid plane;
    bool present = false;
    struct ledger_written_off sum = {.leases = 0};
    if (!c->scope.whole) {
        return error_set(err, ERR_FORBIDDEN, "this needs the permission %s in the organization",
                         permission_name(c->route->permission));
    }
    if (!read_plane(c, &plane, err) ||
        !ledger_plane_present(c->tx, &plane, LEDGER_PRESENT_MS, &present, err)) {
        return false;
    }
    if (present) {
        return error_set(err, ERR_CONFLICT, "the data plane is in session");
    }
    if (!write_off_all(c, &plane, &sum, err) ||
        (sum.leases > 0 && !note_written_off(c, &plane, &sum, err))) {
        return false;
    }
    show_written_off(&c->json, &sum);
    return true;
}
