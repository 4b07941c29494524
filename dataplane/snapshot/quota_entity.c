/* See quota_entity.h. */
#include "dataplane/snapshot/quota_entity.h"

#include "dataplane/snapshot/wire_take.h"
#include "dataplane/snapshot/zones.h"

/* Words of the message, until all are known. */
struct words {
    struct str metric, window, zone, mode, algorithm, when_unavailable;
};

static bool id_of_hex(struct str text, struct uuid *ret)
{
    struct uuid id;
    if (text.len != 2 * sizeof(id.b)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(id.b); i++) {
        int high = str_hex_digit(text.ptr[2 * i]), low = str_hex_digit(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        id.b[i] = (uint8_t)(high << 4 | low);
    }
    *ret = id;
    return true;
}

static void scope_read(struct wire *w, const struct wire_field *f, struct snap_quota *q,
                       struct snap_scope *ret)
{
    struct wire in = take_message(f);
    struct wire_field g;
    struct str kind = STR_LIT("");
    ret->name = ret->value = STR_LIT("");
    while (!in.bad && wire_next(&in, &g)) {
        if (g.number == 1) {
            take_str(&in, &g, &kind);
        } else if (g.number == 2) {
            take_str(&in, &g, &ret->name);
        } else if (g.number == 3) {
            take_str(&in, &g, &ret->value);
        }
    }
    w->bad |= in.bad;
    ret->kind = quota_scope_named(kind);
    ret->each = str_eqz(ret->value, "*");
    bool has_id = !ret->each && id_of_hex(ret->value, &ret->id);
    q->needs_unknown |=
        ret->kind == SCOPE_NONE || (quota_scope_by_id(ret->kind) && !ret->each && !has_id);
}

/* repeated uint32: packed, or one by one. */
static void percents_read(struct wire *w, const struct wire_field *f, uint32_t *list, size_t *n,
                          size_t most)
{
    struct wire in = wire_of(f->bytes);
    uint64_t v = f->value;
    if (f->type == WIRE_VARINT && *n < most) {
        list[(*n)++] = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
        return;
    }
    w->bad |= f->type != WIRE_BYTES;
    while (!w->bad && in.at < in.end && *n < most) {
        w->bad |= !wire_varint(&in, &v);
        list[(*n)++] = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    }
}

static size_t percents_most(struct str body)
{
    struct wire w = wire_of(body);
    struct wire_field f;
    size_t n = 0;
    while (wire_next(&w, &f)) {
        if (f.number == 12) {
            n += f.type == WIRE_BYTES ? f.bytes.len : 1;
        }
    }
    return n;
}

/* Members that both have under the same number. */
static bool shared_field(struct snap_quota *q, struct wire *w, const struct wire_field *f,
                         struct words *words, struct uuid *ret_own)
{
    switch (f->number) {
    case 1:
        take_uuid(w, f, ret_own);
        return true;
    case 2:
        take_uuid(w, f, &q->organization_id);
        return true;
    case 3:
        take_uuid(w, f, &q->workspace_id);
        return true;
    case 4:
        take_str(w, f, &q->name);
        return true;
    case 6:
        take_str(w, f, &words->metric);
        return true;
    case 7:
        take_u64(w, f, &q->rule.amount);
        return true;
    case 8:
        take_str(w, f, &words->window);
        return true;
    case 18:
        take_u32(w, f, &q->max_values);
        return true;
    case 19:
        take_bool(w, f, &q->disabled);
        return true;
    default:
        return false;
    }
}

static void limit_field(struct snap_quota *q, struct wire *w, const struct wire_field *f,
                        struct words *words)
{
    switch (f->number) {
    case 9:
        take_str(w, f, &words->algorithm);
        break;
    case 10:
        take_u64(w, f, &q->rule.burst);
        break;
    case 11:
        take_bool(w, f, &q->exact);
        break;
    case 12:
        take_str(w, f, &words->when_unavailable);
        break;
    default:
        break;
    }
}

static void budget_field(struct snap_quota *q, struct wire *w, const struct wire_field *f,
                         struct words *words)
{
    switch (f->number) {
    case 9:
        take_str(w, f, &words->zone);
        break;
    case 10:
        take_str(w, f, &words->mode);
        break;
    case 11:
        take_str(w, f, &q->downgrade_model);
        break;
    case 13:
        take_u64(w, f, &q->max_cost);
        break;
    case 14:
        take_str(w, f, &words->when_unavailable);
        break;
    case 16:
        take_u64(w, f, &q->rule.extra_amount);
        break;
    case 17:
        take_i64(w, f, &q->rule.extra_until_ms);
        break;
    default:
        break;
    }
}

/* Whether the rule says what this build can do. */
static bool words_settle(struct snap_quota *q, const struct words *words, struct zones *zones)
{
    struct quota_rule *r = &q->rule;
    struct str when = words->when_unavailable;
    r->metric = quota_metric_named(words->metric);
    r->window = quota_window_named(words->window);
    bool fits = r->limit ? r->metric != METRIC_COST : r->metric != METRIC_CONCURRENCY;
    bool windowless = r->metric == METRIC_CONCURRENCY && words->window.len == 0;
    if (r->limit && when.len == 0) {
        when = STR_LIT("local");
    }
    return r->metric != METRIC_NONE && fits && (r->window != WINDOW_NONE || windowless) &&
           quota_algorithm_named(words->algorithm, &r->algorithm) &&
           quota_mode_named(words->mode, &r->mode) &&
           quota_absent_named(when, &r->when_unavailable) &&
           zones_find(zones, words->zone, &r->zone);
}

struct entity *quota_entity_new(unsigned kind, const struct uuid *id, struct str body,
                                const struct entity_source *from, struct error *err)
{
    struct entity_more *e = entity_begin(kind, id, body, sizeof(struct snap_quota));
    struct snap_quota *q = e->quota;
    size_t n_scopes = wire_count(body, 5), most = kind == ENTITY_BUDGET ? percents_most(body) : 0;
    struct snap_scope *scopes =
        n_scopes ? arena_zalloc(entity_memory(e), n_scopes * sizeof(*scopes)) : NULL;
    uint32_t *percents = most ? arena_alloc(entity_memory(e), most * sizeof(*percents)) : NULL;
    struct words words = {STR_LIT(""), STR_LIT(""), STR_LIT(""),
                          STR_LIT(""), STR_LIT(""), STR_LIT("")};
    struct uuid own = *id;
    struct wire w = wire_of(entity_body(&e->head));
    struct wire_field f;
    w.bad = (n_scopes && !scopes) || (most && !percents);
    q->id = *id;
    q->name = q->downgrade_model = STR_LIT("");
    q->rule.limit = kind == ENTITY_LIMIT;
    q->scopes = scopes;
    q->alert_percents = percents;
    while (!w.bad && wire_next(&w, &f)) {
        if (shared_field(q, &w, &f, &words, &own)) {
            continue;
        }
        if (f.number == 5) {
            scope_read(&w, &f, q, &scopes[q->n_scopes++]);
        } else if (f.number == 15) {
            entity_take_need(&w, &f, &e->head.own_needs);
        } else if (kind == ENTITY_LIMIT) {
            limit_field(q, &w, &f, &words);
        } else if (f.number == 12) {
            percents_read(&w, &f, percents, &q->n_alert_percents, most);
        } else {
            budget_field(q, &w, &f, &words);
        }
    }
    q->max_values = q->max_values ? q->max_values : QUOTA_VALUES_DEFAULT;
    q->needs_unknown |= !words_settle(q, &words, from->zones) || e->head.own_needs;
    return entity_settle(e, &w, uuid_eq(&own, id) && !uuid_is_nil(&q->organization_id), err);
}

struct uuid quota_entity_anchor(const struct snap_quota *q)
{
    static const enum quota_scope order[] = {SCOPE_KEY, SCOPE_SERVICE_ACCOUNT, SCOPE_USER,
                                             SCOPE_TEAM, SCOPE_WORKSPACE};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        for (size_t n = 0; n < q->n_scopes; n++) {
            if (q->scopes[n].kind == order[i] && !q->scopes[n].each &&
                !uuid_is_nil(&q->scopes[n].id)) {
                return q->scopes[n].id;
            }
        }
    }
    return uuid_is_nil(&q->workspace_id) ? q->organization_id : q->workspace_id;
}
