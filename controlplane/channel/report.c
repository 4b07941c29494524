/* Usage batches, acknowledged after COMMIT; and leases, which are reserved. */
#include "controlplane/channel/internal.h"

#include "common/base/mem.h"
#include "common/log.h"
#include "controlplane/ingest/receive.h"
#include "proto/usage.pb-c.h"

struct scope {
    const struct channel *c;
    const struct session *s;
};

static bool serves(void *arg, const struct uuid *organization, const struct uuid *workspace)
{
    const struct scope *x = arg;
    return state_serves(x->c->state, &x->s->group, organization, workspace);
}

void report_request(struct channel *c, struct session *s, uint64_t sequence, struct str body)
{
    struct scope scope = {c, s};
    struct ingest_ack ack;
    struct error err = ERROR_INIT;
    struct buffer reply;
    if (!ingest_receive(c->config.pool, &s->plane, serves, &scope, body, &ack, &err)) {
        bool bad = err.code == ERR_BAD_REQUEST;
        char plane[37];
        uuid_format(&s->plane, plane);
        log_write(LOG_WARN, "usage_not_stored", "a batch of usage was not stored",
                  LOG_Z("data_plane", plane), LOG_Z("error", error_text(&err)));
        session_finish_error(c, s, LANE_REPORT, sequence, bad ? "bad_request" : "unavailable",
                             bad ? "not a batch of events" : "try again");
        return;
    }
    if (ack.quarantined > 0) {
        char plane[37];
        uuid_format(&s->plane, plane);
        log_write(LOG_WARN, "usage_quarantined", "usage events were put into quarantine",
                  LOG_Z("data_plane", plane), LOG_U("events", ack.quarantined));
    }
    Weir__BatchAck m = WEIR__BATCH_ACK__INIT;
    m.number = ack.number;
    m.stored = ack.stored;
    m.duplicates = ack.duplicates;
    m.quarantined = ack.quarantined;
    buffer_init(&reply, 4096);
    (void)pack_message(&m.base, &reply);
    session_finish(c, s, LANE_REPORT, sequence, ENVELOPE_REPORT_ACK, buffer_str(&reply), true);
    buffer_release(&reply);
}

void lease_request(struct channel *c, struct session *s, uint64_t sequence, struct str body)
{
    Weir__LeaseRequest *request =
        weir__lease_request__unpack(NULL, body.len, (const uint8_t *)body.ptr);
    if (!request) {
        session_finish_error(c, s, LANE_LEASE, sequence, "bad_request", "cannot be read");
        return;
    }
    Weir__LeaseGrant m = WEIR__LEASE_GRANT__INIT;
    struct buffer reply;
    buffer_init(&reply, LINK_MAX_REQUEST);
    (void)pack_message(&m.base, &reply);
    weir__lease_request__free_unpacked(request, NULL);
    session_finish(c, s, LANE_LEASE, sequence, ENVELOPE_LEASE_GRANT, buffer_str(&reply), true);
    buffer_release(&reply);
}
