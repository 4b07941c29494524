/* weir-proxy's settings: one table for the command line, the environment, and the `settings` map of
 * weir.yaml. */
#ifndef DATAPLANE_DP_OPTIONS_H
#define DATAPLANE_DP_OPTIONS_H

#include "common/base/options.h"
#include "dataplane/report/spool.h"

struct dp_options {
    /* texts: NULL when not given */
    char *config, *listen, *tls_listen, *tls_certificate, *tls_key, *ops_listen;
    char *state_folder, *state_key, *control, *enrol, *name, *events_file;
    char *spool_full, *spool_sync, *auth, *upstream_ca, *catalogue, *log_level, *log_format;
    uint64_t workers; /* 0: as many as cores */
    uint64_t spool_size_bytes, spool_segment_bytes, max_body_bytes, max_head_bytes, max_connections;
    uint64_t head_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms;
    uint64_t connect_timeout_ms, upstream_timeout_ms, upstream_gap_timeout_ms;
    uint64_t drain_timeout_ms, max_staleness_ms;
    char *cache_redis, *custom_hosts;
    uint64_t cache_bytes, cache_redis_timeout_ms;
    bool core_dumps;
};

/* The table, for help and lint. */
const struct option_row *dp_options_rows(size_t *ret_n);
/* Fills o from defaults, `settings` (a map of weir.yaml, NULL for none; settings_name stands for
 * the file in messages), environment and flags from argv[first], then checks what one row alone
 * cannot. False: err says which setting and why. */
bool dp_options_load(struct dp_options *o, const struct yaml_node *settings,
                     const char *settings_name, int argc, char **argv, int first,
                     struct error *err);
void dp_options_release(struct dp_options *o);
void dp_options_help(void);

/* Words that dp_options_load has checked. */
bool dp_options_drop_oldest(const struct dp_options *o);
enum spool_sync dp_options_sync(const struct dp_options *o);
unsigned dp_options_workers(const struct dp_options *o);
/* True for "127.0.0.1:8787", "[::1]:0", "localhost:80". */
bool dp_options_is_loopback(const char *address);

#endif
