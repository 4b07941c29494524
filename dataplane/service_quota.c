/* The table of leases (limits/quota.h): made for either mode, and joined to the bridge, which is
 * its authority where there is a control plane. Standalone: service_ledger.c. */
#include "common/crypto.h"
#include "dataplane/limits/lease_wire.h"
#include "dataplane/limits/quota.h"
#include "dataplane/service_parts.h"

#define ASKS_MAX 1000 /* in one request */

/* Any thread; before the bridge runs, the session that it opens is what wakes the table. */
static void on_wake(void *arg)
{
    struct service *s = arg;
    if (s->options.config) {
        service_wake_ledger(s);
        return;
    }
    struct bridge *b = atomic_load_explicit(&s->leases.bridge, memory_order_acquire);
    if (b) {
        bridge_lease_wake(b);
    }
}

void service_open_quotas(struct service *s)
{
    struct quota_table_config c = {.wake = on_wake, .arg = s};
    crypto_random(&c.holder, sizeof(c.holder)); /* of this run alone */
    s->policy.quotas = quota_table_new(&c);
}

void service_close_quotas(struct service *s)
{
    quota_table_free(s->policy.quotas);
    s->policy.quotas = NULL;
}

/* ---- on the bridge thread ---- */

/* A request without asks says that the former run is over, or finds out whether anybody answers. */
static void gather(void *arg, bool former_delivered, struct buffer *out)
{
    struct service *s = arg;
    size_t n = quota_gather(s->policy.quotas, former_delivered, ASKS_MAX, out);
    bool news = former_delivered && !s->leases.former_told;
    s->leases.empty = n == 0;
    s->leases.telling = former_delivered;
    if (n == 0 && (news || s->leases.away)) {
        (void)lease_request_write(out, quota_holder(s->policy.quotas), former_delivered, NULL, 0);
    }
}

static bool answer(void *arg, struct str grant)
{
    struct service *s = arg;
    bool ok = s->leases.empty || quota_answered(s->policy.quotas, grant);
    s->leases.former_told |= ok && s->leases.telling;
    return ok;
}

static void lost(void *arg)
{
    const struct service *s = arg;
    if (!s->leases.empty) {
        quota_lost(s->policy.quotas);
    }
}

static void reachable(void *arg, bool is)
{
    struct service *s = arg;
    s->leases.away = !is;
    quota_reachable(s->policy.quotas, is);
}

static uint64_t due(void *arg)
{
    const struct service *s = arg;
    return quota_due_ms(s->policy.quotas);
}

void service_lease_by(struct bridge_config *c)
{
    c->lease_gather = gather;
    c->lease_answer = answer;
    c->lease_lost = lost;
    c->lease_reachable = reachable;
    c->lease_due_ms = due;
}

void service_lease_from(struct service *s, struct bridge *b)
{
    atomic_store_explicit(&s->leases.bridge, b, memory_order_release);
}
