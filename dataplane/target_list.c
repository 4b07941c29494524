/* See target_list.h. */
#include "dataplane/target_list.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/json.h"
#include "dataplane/routing/target_state.h"

#define TARGET_BYTES 2048 /* more than one takes, with every byte of its names escaped */

struct listing {
    struct json_writer w;
    struct buffer *out;
    const struct snapshot *root;
    const struct uuid *organization;
    bool truncated;
};

static void put_known(struct json_writer *w, const char *name, bool known, uint64_t v)
{
    json_name(w, name);
    if (known && v != UINT64_MAX) {
        json_put_u64(w, v);
    } else {
        json_put_null(w);
    }
}

static void put_view(struct json_writer *w, const struct target_view *v)
{
    char id[64];
    uuid_format_public("prov", &v->provider_id, id, sizeof(id));
    json_object_begin(w);
    json_field_z(w, "provider_id", id);
    json_field_z(w, "provider", v->provider);
    json_field_z(w, "model", v->model);
    json_field_u64(w, "credential", v->credential);
    json_field_z(w, "state", breaker_state_name(v->breaker));
    json_field_u64(w, "reopens_in_ms", v->reopens_in_ms);
    json_field_u64(w, "latency_ms", (v->latency_us + 500) / 1000);
    json_field_u64(w, "p95_ms", (v->p95_us + 500) / 1000);
    json_field_u64(w, "in_flight", v->in_flight);
    json_field_u64(w, "requests", v->requests);
    json_field_u64(w, "failures", v->failures);
    put_known(w, "requests_left", v->limits_known, v->requests_left);
    put_known(w, "tokens_left", v->limits_known, v->tokens_left);
    put_known(w, "limits_reset_in_ms", v->limits_known, v->limits_reset_in_ms);
    json_field_u64(w, "last_used_ms_ago", v->last_used_ms_ago);
    json_field_u64(w, "total_requests", v->total_requests);
    json_field_u64(w, "total_failures", v->total_failures);
    json_field_u64(w, "total_retries_refused", v->total_retries_refused);
    json_object_end(w);
}

/* Nobody hears of another's targets: a provider that the snapshot does not know (any more) is shown
 * to none but who may see all. */
static bool is_shown(const struct listing *l, const struct target_view *v)
{
    const struct snap_provider *p = l->root ? snapshot_provider(l->root, &v->provider_id) : NULL;
    return uuid_is_nil(l->organization) || (p && uuid_eq(&p->organization_id, l->organization));
}

static bool on_view(void *arg, const struct target_view *v)
{
    struct listing *l = arg;
    if (!is_shown(l, v)) {
        return true;
    }
    if (l->out->len + TARGET_BYTES > TARGET_LIST_MAX) {
        l->truncated = true;
        return false;
    }
    put_view(&l->w, v);
    return true;
}

bool target_list_write(struct request_env *env, const struct uuid *organization, struct buffer *out)
{
    struct swap_hold *hold = swap_acquire(env->reader);
    struct listing l = {
        .out = out, .root = hold ? swap_root(hold) : NULL, .organization = organization};
    json_writer_init(&l.w, out);
    json_object_begin(&l.w);
    json_name(&l.w, "targets");
    json_array_begin(&l.w);
    if (env->policy->targets) {
        target_table_each(env->policy->targets, clock_mono_ms(), on_view, &l);
    }
    json_array_end(&l.w);
    json_field_bool(&l.w, "truncated", l.truncated);
    json_object_end(&l.w);
    if (hold) {
        swap_release(env->reader, hold);
    }
    return !out->failed;
}

/* ---- for metrics ---- */

struct gathering {
    struct provider_health *list;
    size_t n, max;
};

static bool gather(void *arg, const struct target_view *v)
{
    struct gathering *g = arg;
    size_t i = 0;
    while (i < g->n && strcmp(g->list[i].provider, v->provider) != 0) {
        i++;
    }
    if (i == g->max) {
        return true;
    }
    if (i == g->n) {
        g->list[g->n] = (struct provider_health){.targets = {0}};
        memcpy(g->list[g->n++].provider, v->provider, sizeof(v->provider));
    }
    g->list[i].targets[v->breaker < BREAKER_STATE_COUNT ? v->breaker : BREAKER_CLOSED]++;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct provider_health *)a)->provider,
                  ((const struct provider_health *)b)->provider);
}

_Static_assert(BREAKER_STATE_COUNT == 3, "a count for each state");

size_t target_health(const struct target_table *t, uint64_t now_ms, struct provider_health *ret,
                     size_t max)
{
    struct gathering g = {.list = ret, .max = max};
    if (t) {
        target_table_each(t, now_ms, gather, &g);
    }
    qsort(ret, g.n, sizeof(*ret), by_name);
    return g.n;
}
