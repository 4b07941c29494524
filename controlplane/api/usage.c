/* Usage events, newest first, with their attempts and quantity lines, and sums over them. Costs are
 * in nano-USD. */
#include "controlplane/store/usage_read.h"

#include "common/base/clock.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/page.h"
#include "controlplane/http/reply.h"

#define GROUPS_MAX 1000

struct lines {
    struct usage_attempt *attempts;
    size_t n_attempts;
    struct usage_quantity *quantities;
    size_t n_quantities;
};

static void put_optional(struct json_writer *w, const char *name, int64_t v)
{
    json_name(w, name);
    if (v < 0) {
        json_put_null(w);
    } else {
        json_put_i64(w, v);
    }
}

static void show_quantities(struct json_writer *w, const struct lines *l,
                            const struct usage_attempt *at)
{
    json_name(w, "quantities");
    json_array_begin(w);
    for (size_t i = 0; i < l->n_quantities; i++) {
        const struct usage_quantity *q = &l->quantities[i];
        if (uuid_eq(&q->event, &at->event) && q->attempt == at->number) {
            json_object_begin(w);
            json_field_str(w, "unit", q->unit);
            json_field_i64(w, "quantity", q->quantity);
            json_field_i64(w, "price_picousd", q->price_picousd);
            json_field_str(w, "source", q->source);
            json_object_end(w);
        }
    }
    json_array_end(w);
}

static void show_attempt(struct json_writer *w, const struct lines *l,
                         const struct usage_attempt *at)
{
    json_object_begin(w);
    json_field_i64(w, "attempt", at->number);
    reply_put_id(w, "provider_id", "prov", &at->provider_id);
    json_field_str(w, "provider", at->provider);
    json_field_str(w, "model", at->model);
    json_field_str(w, "answered_model", at->answered_model);
    json_field_i64(w, "status", at->status);
    json_field_str(w, "outcome", at->outcome);
    json_field_str(w, "error_code", at->error_code);
    json_field_str(w, "finish_reason", at->finish_reason);
    json_field_i64(w, "started_us", at->started_us);
    json_field_i64(w, "duration_us", at->duration_us);
    put_optional(w, "first_byte_us", at->first_byte_us);
    json_field_i64(w, "bound_nanousd", at->bound_nanousd);
    json_field_i64(w, "cost_nanousd", at->cost_nanousd);
    json_field_str(w, "upstream_request_id", at->upstream_request_id);
    json_field_str(w, "kind", at->kind);
    json_field_str(w, "option", at->option);
    json_field_i64(w, "credential", at->credential);
    json_field_i64(w, "list_nanousd", at->list_nanousd);
    json_field_i64(w, "ratio_ppm", at->ratio_ppm);
    json_field_str(w, "service_tier", at->service_tier);
    show_quantities(w, l, at);
    json_object_end(w);
}

/* What cache, routing config and prompt had to do with it. */
static void show_routing(struct json_writer *w, const struct usage_event *e)
{
    json_field_str(w, "cache_status", e->cache_status);
    json_field_i64(w, "saved_nanousd", e->saved_nanousd);
    json_field_i64(w, "saved_us", e->saved_us);
    reply_put_id(w, "config_id", "cfg", &e->config_id);
    json_field_i64(w, "config_version_number", e->config_number);
    json_field_str(w, "assignment", e->assignment);
    reply_put_id(w, "prompt_id", "prm", &e->prompt_id);
    json_field_i64(w, "prompt_version", e->prompt_version);
    reply_put_id(w, "mirror_of", "evt", &e->mirror_of);
}

/* For whom it was, at whose price, and out of which budgets. */
static void show_governance(struct json_writer *w, const struct usage_event *e)
{
    reply_put_id(w, "team_id", "team", &e->team);
    reply_put_id(w, "service_account_id", "sa", &e->service_account);
    json_field_str(w, "end_user", e->end_user);
    json_name(w, "tags");
    json_array_begin(w);
    for (size_t i = 0; i < e->n_tags; i++) {
        json_put_str(w, e->tags[i]);
    }
    json_array_end(w);
    json_field_str(w, "price_group", e->price_group);
    reply_put_id(w, "price_book_id", "pbk", &e->price_book);
    json_field_i64(w, "list_nanousd", e->list_nanousd);
    json_field_i64(w, "custom_nanousd", e->custom_nanousd);
    json_field_str(w, "downgraded_from", e->downgraded_from);
    json_name(w, "charges");
    json_put_raw(w, e->charges_json);
}

static void show_event(struct json_writer *w, const struct lines *l, const struct usage_event *e)
{
    json_object_begin(w);
    reply_put_id(w, "id", "evt", &e->id);
    reply_put_id(w, "organization_id", "org", &e->organization);
    reply_put_id(w, "workspace_id", "ws", &e->workspace);
    reply_put_id(w, "key_id", "key", &e->key);
    json_field_str(w, "key_name", e->key_name);
    reply_put_id(w, "user_id", "usr", &e->user);
    reply_put_id(w, "data_plane_id", "dp", &e->data_plane);
    reply_put_time(w, "started_at", e->started_ms);
    json_field_i64(w, "duration_us", e->duration_us);
    put_optional(w, "first_byte_us", e->first_byte_us);
    json_field_str(w, "endpoint", e->endpoint);
    json_field_str(w, "dialect", e->dialect);
    json_field_str(w, "model", e->model);
    json_field_bool(w, "stream", e->stream);
    json_field_i64(w, "status", e->status);
    json_field_str(w, "outcome", e->outcome);
    json_field_str(w, "error_code", e->error_code);
    json_field_i64(w, "cost_nanousd", e->cost_nanousd);
    json_field_i64(w, "config_version", e->config_version);
    json_field_i64(w, "price_version", e->price_version);
    json_name(w, "metadata");
    json_put_raw(w, e->metadata_json);
    json_field_str(w, "trace_id", e->trace_id);
    show_routing(w, e);
    show_governance(w, e);
    reply_put_time(w, "received_at", e->received_ms);
    json_name(w, "attempts");
    json_array_begin(w);
    for (size_t i = 0; i < l->n_attempts; i++) {
        if (uuid_eq(&l->attempts[i].event, &e->id)) {
            show_attempt(w, l, &l->attempts[i]);
        }
    }
    json_array_end(w);
    json_object_end(w);
}

static bool load(struct call *c, const struct usage_event *events, size_t n, struct lines *ret,
                 struct error *err)
{
    return usage_attempt_list(c->tx, events, n, c->arena, &ret->attempts, &ret->n_attempts, err) &&
           usage_quantity_list(c->tx, events, n, c->arena, &ret->quantities, &ret->n_quantities,
                               err);
}

static void scope_query(const struct call *c, struct usage_query *q)
{
    q->organization = &c->organization;
    q->only_workspaces = !c->scope.whole;
    q->workspaces = c->scope.workspaces;
    q->n_workspaces = c->scope.n;
}

bool query_time(const struct call *c, const char *name, uint64_t *ret_ms, struct error *err)
{
    struct str s = http_query(c->request, name);
    return !s.ptr || clock_parse_rfc3339(s, ret_ms) ||
           error_set_param(err, ERR_INVALID_FIELD, name,
                           "%s must be a time such as \"2030-01-31T12:00:00Z\"", name);
}

bool query_span(const struct call *c, uint64_t *ret_from_ms, uint64_t *ret_to_ms, struct error *err)
{
    return query_time(c, "from", ret_from_ms, err) && query_time(c, "to", ret_to_ms, err);
}

/* "200", or "5xx" for a class. */
static bool read_status(struct call *c, int64_t *ret, struct error *err)
{
    struct str s = http_query(c->request, "status");
    uint64_t n;
    if (!s.ptr) {
        return true;
    }
    if (s.len == 3 && str_ends(s, STR_LIT("xx")) && s.ptr[0] >= '1' && s.ptr[0] <= '5') {
        *ret = s.ptr[0] - '0';
        return true;
    }
    if (!str_to_u64(s, &n) || n < 100 || n > 599) {
        return error_set_param(err, ERR_INVALID_FIELD, "status",
                               "status must be such as 200, or 5xx");
    }
    *ret = (int64_t)n;
    return true;
}

/* The ids that a query points to. */
struct filter_ids {
    struct uuid key, config, prompt;
};

static bool read_id(struct call *c, const char *name, const char *prefix, struct uuid *to,
                    const struct uuid **ret, struct error *err)
{
    struct str text = http_query(c->request, name);
    if (!text.ptr) {
        return true;
    }
    if (!uuid_parse_public(prefix, text, to)) {
        return error_set_param(err, ERR_INVALID_FIELD, name, "%s must be an id (%s_...)", name,
                               prefix);
    }
    *ret = to;
    return true;
}

static bool read_filters(struct call *c, struct usage_query *q, struct filter_ids *ids,
                         struct error *err)
{
    q->model = http_query(c->request, "model");
    q->outcome = http_query(c->request, "outcome");
    q->cache_status = http_query(c->request, "cache_status");
    q->assignment = http_query(c->request, "assignment");
    return read_id(c, "key_id", "key", &ids->key, &q->key, err) &&
           read_id(c, "config_id", "cfg", &ids->config, &q->config, err) &&
           read_id(c, "prompt_id", "prm", &ids->prompt, &q->prompt, err) &&
           read_status(c, &q->status, err) && query_span(c, &q->from_ms, &q->to_ms, err);
}

bool event_list_call(struct call *c, struct error *err)
{
    struct usage_query q = {.limit = 0};
    struct page page;
    struct usage_event *list;
    struct filter_ids ids;
    struct lines l;
    size_t n;
    scope_query(c, &q);
    if (!page_read(c->request, &page, err) || !read_filters(c, &q, &ids, err)) {
        return false;
    }
    q.before = page.has_after ? &page.after : NULL;
    q.limit = page.limit + 1;
    if (!usage_event_list(c->tx, &q, c->arena, &list, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    if (!load(c, list, n, &l, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        show_event(&c->json, &l, &list[i]);
    }
    page_end(&c->json, more, n > 0 ? &list[n - 1].id : NULL);
    return true;
}

bool event_get_call(struct call *c, struct error *err)
{
    struct usage_query q = {.id = &c->id, .limit = 1};
    struct usage_event *list;
    struct lines l;
    size_t n;
    scope_query(c, &q);
    if (!usage_event_list(c->tx, &q, c->arena, &list, &n, err)) {
        return false;
    }
    if (n == 0) {
        return error_set(err, ERR_NOT_FOUND, "event not found");
    }
    if (!load(c, list, 1, &l, err)) {
        return false;
    }
    show_event(&c->json, &l, &list[0]);
    return true;
}

/* ---- sums ---- */

static void show_sum(struct json_writer *w, const struct usage_sum *s)
{
    const struct {
        const char *name;
        struct str text;
    } sums[] = {{"requests", s->requests},
                {"cache_hits", s->cache_hits},
                {"cost_nanousd", s->cost_nanousd},
                {"saved_nanousd", s->saved_nanousd},
                {"saved_us", s->saved_us}};
    json_object_begin(w);
    if (s->group.ptr) {
        json_field_str(w, "group", s->group);
    }
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        json_name(w, sums[i].name);
        json_put_raw(w, sums[i].text);
    }
    json_object_end(w);
}

static void show_sums(struct json_writer *w, const char *name, const struct usage_sum *list,
                      size_t n)
{
    json_name(w, name);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        show_sum(w, &list[i]);
    }
    json_array_end(w);
}

bool usage_summary_call(struct call *c, struct error *err)
{
    struct usage_query q = {.limit = 1};
    struct filter_ids ids;
    struct usage_sum *total, *groups = NULL;
    size_t n, n_groups = 0;
    struct str by = http_query(c->request, "group_by");
    scope_query(c, &q);
    if (!read_filters(c, &q, &ids, err)) {
        return false;
    }
    if (by.ptr && !usage_group_known(by)) {
        return error_set_param(err, ERR_INVALID_FIELD, "group_by",
                               "group_by must be day, model, key_id, cache_status, config_id, "
                               "prompt_id or assignment");
    }
    if (!usage_sum_list(c->tx, &q, STR_NONE, c->arena, &total, &n, err)) {
        return false;
    }
    q.limit = GROUPS_MAX;
    if (by.ptr && !usage_sum_list(c->tx, &q, by, c->arena, &groups, &n_groups, err)) {
        return false;
    }
    json_object_begin(&c->json);
    json_name(&c->json, "total");
    show_sum(&c->json, &total[0]);
    show_sums(&c->json, "groups", groups, n_groups);
    json_object_end(&c->json);
    return true;
}
