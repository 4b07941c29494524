/* record: one event per request into the worker's spool, exactly once however it ends, before the
 * last byte of the answer goes out. A request that nobody was found for (401, malformed before
 * that) has no tenant and so no event; it is counted. */
#include "common/base/clock.h"
#include "common/log.h"
#include "dataplane/request/holds.h"
#include "dataplane/request/pricing.h"
#include "dataplane/stages/cache.h"
#include "dataplane/stages/event.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"

static uint64_t us_since(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;
}

static struct str code_text(enum error_code code)
{
    return code == ERR_NONE ? STR_NONE : str_of(error_code_name(code));
}

static void event_of_attempt(const struct request *r, const struct attempt *t,
                             struct event_attempt *ret)
{
    *ret = (struct event_attempt){
        .number = (uint32_t)(t - r->attempts) + 1,
        .status = (uint32_t)t->status,
        .provider_id = t->provider->id,
        .provider = t->provider->name,
        .model = t->model,
        .answered_model = t->answered_model,
        .outcome = t->outcome,
        .error_code = code_text(t->error),
        .finish_reason = t->finish_reason,
        .upstream_request_id = t->upstream_request_id,
        .started_us = us_since(r->started_ns, t->started_ns),
        .duration_us = us_since(t->started_ns, t->ended_ns),
        .first_byte_us = us_since(t->started_ns, t->first_byte_ns),
        .cost_nanousd = t->cost_nanousd,
        .quantities = t->quantities,
        .n_quantities = t->n_quantities,
        .kind = t->kind ? str_of(t->kind) : STR_NONE,
        .option = t->option,
        .credential = t->credential,
        .bound_nanousd = t->bound_nanousd,
        .list_nanousd = t->list_nanousd,
        .ratio_ppm = t->ratio_ppm,
        .service_tier = t->service_tier,
    };
}

/* "00-<32 hex>-…": the trace that the client's span belongs to. */
static struct str trace_of(const struct request *r)
{
    struct str value = request_header(r, "traceparent");
    if (value.len < 55 || value.ptr[2] != '-' || value.ptr[35] != '-') {
        return STR_NONE;
    }
    for (size_t i = 3; i < 35; i++) {
        char c = value.ptr[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            return STR_NONE;
        }
    }
    return str_slice(value, 3, 32);
}

void event_of_request(struct request *r, struct event *ret, struct event_attempt *attempts)
{
    const struct snap_key *k = r->key;
    uint64_t now = clock_mono_ns();
    *ret = (struct event){
        .id = r->id,
        .organization_id = k->organization_id,
        .workspace_id = k->workspace_id,
        .key_id = k->id,
        .user_id = k->user_id,
        .started_us = r->started_wall_us,
        .duration_us = us_since(r->started_ns, now),
        .first_byte_us = us_since(r->started_ns, r->first_byte_ns),
        .endpoint = str_of(request_endpoint_name(r)),
        .dialect = str_of(r->dialect->name),
        .model = r->model,
        .stream = r->stream,
        .status = (uint32_t)r->status,
        .outcome = r->outcome,
        .error_code = code_text(r->error.code),
        .config_version = snapshot_version(r->snapshot),
        .metadata_json = r->metadata_json.ptr ? r->metadata_json : k->metadata_json,
        .team_id = k->team_id,
        .service_account_id = k->service_account_id,
        .end_user = r->end_user,
        .tags = r->tags,
        .n_tags = r->n_tags,
        .downgraded_from = r->downgraded_from,
        .trace_id = trace_of(r),
        .attempts = attempts,
        .n_attempts = r->n_attempts,
    };
    if (r->routing) {
        const struct config_found *c = &r->routing->config;
        ret->config_id = c->document ? c->document->id : (struct uuid){{0}};
        ret->config_number = c->number;
        ret->assignment = r->routing->walk ? walk_assignment(r->routing->walk) : STR_NONE;
    }
    if (r->prompt) {
        ret->prompt_id = r->prompt->id;
        ret->prompt_version = r->prompt_version;
    }
    if (r->cache && r->cache->status && strcmp(r->cache->status, "off") != 0) {
        ret->cache_status = str_of(r->cache->status);
        ret->saved_nanousd = r->cache->saved_nanousd;
        ret->saved_us = r->cache->saved_us;
    }
    ret->mirror_of = r->mirror_of;
    for (unsigned i = 0; i < r->n_attempts; i++) {
        event_of_attempt(r, &r->attempts[i], &attempts[i]);
        ret->cost_nanousd += r->attempts[i].cost_nanousd;
        ret->list_nanousd += r->attempts[i].list_nanousd;
    }
    ret->charges = holds_charges(r, &ret->n_charges);
    pricing_names(r, &ret->price_group, &ret->price_book_id, &ret->price_version);
    if (r->n_attempts && pricing_custom(r, &ret->custom_nanousd)) {
        ret->cost_nanousd = ret->custom_nanousd;
    }
}

void stage_record(struct request *r)
{
    struct buffer *out = &r->env->record;
    struct event e;
    struct event_attempt attempts[REQUEST_MAX_ATTEMPTS];
    struct error err = ERROR_INIT;
    if (r->recorded) {
        return;
    }
    r->recorded = true;
    if (!r->key) {
        return;
    }
    event_of_request(r, &e, attempts);
    buffer_clear(out);
    if (!event_write(&e, out) ||
        !spool_append_event(r->env->spool, &r->id, buffer_str(out), &err)) {
        /* Only a request that opened nothing can meet a full spool here: nothing was sent, so
         * nothing was spent. */
        counter_add(&r->env->counters->events_refused, 1);
        log_write(LOG_WARN, "event_refused", "usage event could not be written",
                  LOG_Z("request", r->id_text),
                  LOG_Z("error", err.code ? error_text(&err) : "event too large"));
        return;
    }
    counter_add(&r->env->counters->events, 1);
}
