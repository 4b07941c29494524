/* weir replay: what the files of the command share. A case is a request of the file; each is run
 * twice, by the baseline and by the proposed config. */
#ifndef CLI_REPLAY_H
#define CLI_REPLAY_H

#include "cli/cli.h"
#include "common/base/arena.h"
#include "common/base/error.h"

enum replay_side { REPLAY_BASELINE = 0, REPLAY_PROPOSED, REPLAY_SIDES };

struct replay_run {
    long status;         /* 0: no answer */
    char error[160];     /* why not */
    char request_id[64]; /* "" : the proxy named none */
    uint64_t first_byte_us, total_us;
    bool has_cost, has_tokens;
    int64_t cost_nanousd;
    uint64_t tokens_in, tokens_out;
};

struct replay_case {
    int line; /* in the file */
    const char *method, *path;
    const char *const *headers; /* "name: value" */
    unsigned n_headers;
    struct str body; /* ptr NULL: none */
    struct replay_run runs[REPLAY_SIDES];
};

struct replay {
    struct arena *arena;
    struct replay_case *cases;
    size_t n;
    const char *proxy, *ca_file;
    const char *key_header;                  /* "x-weir-key: …" */
    const char *config_header[REPLAY_SIDES]; /* NULL: none is sent */
    const char *shown[REPLAY_SIDES];         /* how the config is called */
    uint64_t timeout_ms;
};

/* replay_read.c: the file's lines; at most `limit` (0: all). False: *err names the line. */
bool replay_read(const char *path, FILE *in, uint64_t limit, struct replay *ret, struct error *err);
/* The header that brings a config: a file's document inline, or a reference as it is. text NULL:
 * *ret_header NULL. */
bool replay_config(struct cli *c, const char *text, struct arena *a, const char **ret_header,
                   const char **ret_shown, struct error *err);

/* replay_send.c: runs every case by both sides, so many at a time. */
void replay_send(struct replay *r, unsigned concurrency);

/* replay_usage.c: fills in costs and tokens of runs that have none, from the events file (path
 * NULL: from the admin API's events). Waits for events that are on their way. False: they could not
 * be read. */
bool replay_usage_from_file(struct replay *r, const char *path, struct error *err);
bool replay_usage_from_api(struct replay *r, struct cli *c, struct error *err);

#endif
