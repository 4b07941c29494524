/* Alerts that budgets raised, newest first. */
#include "controlplane/store/ledger_read.h"

#include "controlplane/api/quotas.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/page.h"
#include "controlplane/http/reply.h"

static void show(struct json_writer *w, const struct alert_row *r)
{
    enum quota_metric metric = quota_metric_named(r->metric);
    json_object_begin(w);
    reply_put_id(w, "id", "alr", &r->id);
    reply_put_id(w, "organization_id", "org", &r->organization);
    reply_put_id(w, "workspace_id", "ws", &r->workspace);
    json_field_str(w, "kind", r->kind);
    reply_put_id(w, "budget_id", "bud", &r->budget);
    json_field_str(w, "bucket", r->bucket);
    reply_put_time(w, "window_start",
                   r->window_start_s > 0 ? (uint64_t)r->window_start_s * 1000 : 0);
    json_field_i64(w, "percent", r->percent);
    reply_put_time(w, "at", r->at_ms);
    quota_put_amount(w, "settled", metric, r->settled);
    quota_put_amount(w, "amount", metric, r->amount);
    json_object_end(w);
}

bool alert_list_call(struct call *c, struct error *err)
{
    struct page page;
    struct alert_row *list = NULL;
    struct uuid budget;
    size_t n = 0;
    struct alert_query q = {.organization = &c->organization,
                            .only_workspaces = !c->scope.whole,
                            .workspaces = c->scope.workspaces,
                            .n_workspaces = c->scope.n};
    struct str text = http_query(c->request, "budget_id");
    if (text.ptr && !uuid_parse_public("bud", text, &budget)) {
        return error_set_param(err, ERR_INVALID_FIELD, "budget_id",
                               "budget_id must be an id (bud_...)");
    }
    q.budget = text.ptr ? &budget : NULL;
    if (!page_read(c->request, &page, err) || !query_span(c, &q.from_ms, &q.to_ms, err)) {
        return false;
    }
    q.before = page.has_after ? &page.after : NULL;
    q.limit = page.limit + 1;
    if (!alert_list(c->tx, &q, c->arena, &list, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    for (size_t i = 0; i < n; i++) {
        show(&c->json, &list[i]);
    }
    page_end(&c->json, more, n > 0 ? &list[n - 1].id : NULL);
    return true;
}
