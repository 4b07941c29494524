/* Storing a run of events, whatever is in them: see internal.h. */
#include "controlplane/ingest/internal.h"

static bool is_data_error(const struct error *e)
{
    return e->code == ERR_INVALID_FIELD || e->code == ERR_CONFLICT;
}

bool persist_events(struct db_pool *p, const struct uuid *plane,
                    const struct usage_event *const *events, size_t n,
                    const struct usage_refused *refused, size_t n_refused, struct ingest_ack *ret,
                    struct error *err)
{
    struct error why = ERROR_INIT;
    size_t stored = 0;
    if (n == 0 && n_refused == 0) {
        return true;
    }
    if (usage_write(p, plane, events, n, refused, n_refused, &stored, &why)) {
        ret->stored += (uint32_t)stored;
        ret->duplicates += (uint32_t)(n - stored);
        ret->quarantined += (uint32_t)n_refused;
        return true;
    }
    if (!is_data_error(&why) || n == 0) {
        *err = why;
        err->code = ERR_DATABASE;
        return false;
    }
    if (n == 1) {
        struct usage_refused alone = {events[0]->payload, error_text(&why)};
        return persist_events(p, plane, NULL, 0, &alone, 1, ret, err) &&
               persist_events(p, plane, NULL, 0, refused, n_refused, ret, err);
    }
    return persist_events(p, plane, events, n / 2, refused, n_refused, ret, err) &&
           persist_events(p, plane, events + n / 2, n - n / 2, NULL, 0, ret, err);
}
