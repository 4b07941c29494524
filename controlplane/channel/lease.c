/* Lease requests of proxies, on workers of their own: a batch of usage that is slow to store keeps
 * no request waiting for its lease. */
#include "controlplane/channel/internal.h"

#include "common/base/mem.h"
#include "common/log.h"
#include "controlplane/ledger/ledger.h"

/* Ids that are none become nil, which no quota has. */
static void read_asks(const Weir__LeaseRequest *m, struct ledger_ask *ret)
{
    for (size_t i = 0; i < m->n_asks; i++) {
        const Weir__LeaseAsk *k = m->asks[i];
        const Weir__Account *account = k->account;
        ret[i] = (struct ledger_ask){.granted_total = k->granted_total,
                                     .returned_total = k->returned_total,
                                     .used_total = k->used_total,
                                     .need = k->need,
                                     .want = k->want};
        if (account) {
            ret[i].bucket = str_of(account->bucket);
            ret[i].window_start_s = account->window_start_s;
        }
        if (account && account->quota_id.len == 16) {
            memcpy(ret[i].quota.b, account->quota_id.data, 16);
        }
    }
}

static uint32_t state_code(enum quota_verdict v)
{
    static const uint32_t codes[] = {[QUOTA_UNKNOWN] = WEIR__LEASE_STATE__LEASE_UNKNOWN,
                                     [QUOTA_GRANTED] = WEIR__LEASE_STATE__LEASE_GRANTED,
                                     [QUOTA_HELD] = WEIR__LEASE_STATE__LEASE_HELD,
                                     [QUOTA_EXCEEDED] = WEIR__LEASE_STATE__LEASE_EXCEEDED};
    return codes[v];
}

static void pack_grant(const struct ledger_answer *answers, size_t n, unsigned planes,
                       struct arena *a, struct buffer *out)
{
    Weir__LeaseGrant m = WEIR__LEASE_GRANT__INIT;
    Weir__LeaseAnswer *items = arena_alloc(a, (n + 1) * sizeof *items);
    Weir__LeaseAnswer **list = arena_alloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; items && list && i < n; i++) {
        const struct ledger_answer *r = &answers[i];
        weir__lease_answer__init(&items[i]);
        items[i].state = state_code(r->state);
        items[i].granted_total = r->granted_total;
        items[i].amount = r->amount;
        items[i].settled = r->settled;
        items[i].held = r->held;
        items[i].reset_ms = r->reset_ms;
        items[i].scarce = r->scarce;
        list[i] = &items[i];
    }
    m.answers = list;
    m.n_answers = items && list ? n : 0;
    m.planes = planes;
    (void)pack_message(&m.base, out);
}

static void answer(struct channel *c, struct session *s, uint64_t sequence,
                   const Weir__LeaseRequest *m, struct arena *a)
{
    struct session_scope scope = {c, s};
    struct error err = ERROR_INIT;
    struct ledger_request q = {.plane = s->plane,
                               .former_delivered = m->former_delivered,
                               .serves = session_serves,
                               .arg = &scope};
    struct ledger_ask *asks = arena_alloc(a, (m->n_asks + 1) * sizeof *asks);
    struct ledger_answer *answers = arena_zalloc(a, (m->n_asks + 1) * sizeof *answers);
    unsigned planes = 1;
    if (!asks || !answers) {
        session_finish_error(c, s, LANE_LEASE, sequence, "unavailable", "try again");
        return;
    }
    read_asks(m, asks);
    memcpy(q.holder.b, m->holder.data, 16);
    if (!ledger_lease(c->config.pool, &q, asks, m->n_asks, answers, &planes, &err)) {
        char plane[37];
        uuid_format(&s->plane, plane);
        log_write(LOG_WARN, "leases_not_answered", "a proxy's lease request was not answered",
                  LOG_Z("data_plane", plane), LOG_Z("error", error_text(&err)));
        session_finish_error(c, s, LANE_LEASE, sequence, "unavailable", "try again");
        return;
    }
    struct buffer reply;
    buffer_init(&reply, LINK_MAX_REPLY);
    pack_grant(answers, m->n_asks, planes, a, &reply);
    session_finish(c, s, LANE_LEASE, sequence, ENVELOPE_LEASE_GRANT, buffer_str(&reply), true);
    buffer_release(&reply);
}

void lease_request(struct channel *c, struct session *s, uint64_t sequence, struct str body)
{
    Weir__LeaseRequest *m = weir__lease_request__unpack(NULL, body.len, (const uint8_t *)body.ptr);
    if (!m || m->holder.len != 16 || m->n_asks > LEDGER_ASKS_MAX) {
        session_finish_error(c, s, LANE_LEASE, sequence, "bad_request",
                             m ? "no holder, or too many asks" : "cannot be read");
    } else {
        struct arena *a = arena_new(0);
        answer(c, s, sequence, m, a);
        arena_free(a);
    }
    weir__lease_request__free_unpacked(m, NULL);
}
