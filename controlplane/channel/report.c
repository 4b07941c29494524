/* Usage batches, acknowledged after COMMIT. */
#include "controlplane/channel/internal.h"

#include "common/base/mem.h"
#include "common/log.h"
#include "controlplane/ingest/receive.h"
#include "proto/usage.pb-c.h"

void report_request(struct channel *c, struct session *s, uint64_t sequence, struct str body)
{
    struct session_scope scope = {c, s};
    struct ingest_ack ack;
    struct error err = ERROR_INIT;
    struct buffer reply;
    if (!ingest_receive(c->config.pool, &s->plane, session_serves, &scope, body, &ack, &err)) {
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
