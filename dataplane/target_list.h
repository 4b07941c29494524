/* What is known of the targets, as the admin API and the metrics show it. */
#ifndef DATAPLANE_TARGET_LIST_H
#define DATAPLANE_TARGET_LIST_H

#include "common/base/buffer.h"
#include "dataplane/request/env.h"

/* What one answer may hold; the channel carries a little more. */
#define TARGET_LIST_MAX (900u << 10)

/* {"targets":[{provider_id, provider, model, credential, state, …}]}: those whose provider is the
 * organization's (nil: all), by the snapshot that the worker holds; as many as fit, "truncated"
 * tells when some do not. On the worker's thread. False: not even one fits. */
bool target_list_write(struct request_env *env, const struct uuid *organization,
                       struct buffer *out);

/* One of /metrics: how the targets of a provider are, all its models and keys together. */
struct provider_health {
    char provider[64];
    unsigned targets[3]; /* by enum breaker_state */
};
/* At most `max` providers, by name; more are left out. Any thread. Returns how many there are. */
size_t target_health(const struct target_table *t, uint64_t now_ms, struct provider_health *ret,
                     size_t max);

#endif
