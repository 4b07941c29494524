/* A proxy on its own keeps its own accounts (limits/own_ledger.h): where they stand, whose rules
 * they go by, who books and who asks. */
#include <stdio.h>

#include "common/log.h"
#include "dataplane/limits/own_pump.h"
#include "dataplane/service_parts.h"

#define EVENTS_A_SPOOL 1024 /* far more than the sink can have read and not acknowledged */
#define EVENTS_LEAST 65536

static const struct snap_quota *find_quota(void *arg, const struct uuid *id, void **ret_pin)
{
    const struct service *s = arg;
    struct snapshot *root = swap_current(s->hub);
    const struct snap_quota *q = root ? snapshot_quota(root, id) : NULL;
    if (!q) {
        snapshot_unref(root);
        return NULL;
    }
    *ret_pin = root;
    return q;
}

static void release_quota(void *arg, void *pin)
{
    (void)arg;
    snapshot_unref(pin);
}

static bool on_book(void *arg, const struct str *events, size_t n, struct error *err)
{
    const struct service *s = arg;
    return own_ledger_book(s->ledger, events, n, err);
}

static void on_caught_up(void *arg)
{
    const struct service *s = arg;
    own_ledger_caught_up(s->ledger);
    own_pump_wake(s->pump);
}

void service_wake_ledger(void *service)
{
    const struct service *s = service;
    if (s->pump) {
        own_pump_wake(s->pump);
    }
}

bool service_open_ledger(struct service *s, struct sink_file_config *sink, struct error *err)
{
    char folder[4096];
    size_t remember = s->n_spools * EVENTS_A_SPOOL;
    struct own_ledger_config c = {
        .folder = folder,
        .sync = dp_options_sync(&s->options) != SPOOL_SYNC_NONE,
        .find = find_quota,
        .release = release_quota,
        .arg = s,
        .remember = remember > EVENTS_LEAST ? remember : EVENTS_LEAST,
    };
    if (s->policy.quotas) {
        c.holder = *quota_holder(s->policy.quotas);
    }
    (void)snprintf(folder, sizeof(folder), "%s/ledger", s->options.state_folder);
    s->ledger = own_ledger_open(&c, err);
    sink->book = on_book;
    sink->caught_up = on_caught_up;
    sink->arg = s;
    return s->ledger != NULL;
}

bool service_start_ledger(struct service *s, struct error *err)
{
    return !s->policy.quotas || own_pump_start(s->pump, s->policy.quotas, s->ledger, err);
}

void service_stop_ledger(struct service *s)
{
    own_pump_stop(s->pump);
}

void service_close_ledger(struct service *s)
{
    own_ledger_close(s->ledger);
    s->ledger = NULL;
}
