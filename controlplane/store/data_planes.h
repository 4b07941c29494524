/* Data planes as the admin API shows them, and enrolment tokens. What they report about themselves
 * is written by the channel. System role. */
#ifndef CONTROLPLANE_STORE_DATA_PLANES_H
#define CONTROLPLANE_STORE_DATA_PLANES_H

#include "controlplane/store/db.h"

struct data_plane {
    struct uuid id, group, instance;
    struct str name, group_name, software_version, refused_reason, state_json;
    struct str *features;
    size_t n_features;
    uint64_t certificate_expires_ms, revoked_ms, last_seen_ms, created_ms; /* 0: none */
    uint64_t config_version, refused_version, revision;
    uint64_t silent_ms; /* since it was last seen, by the database's clock; meaningless when
                           last_seen_ms is 0 */
};

struct data_plane_query {
    const struct uuid *id;           /* NULL: all */
    const struct uuid *organization; /* NULL: all; else those whose group serves it */
    const struct uuid *after;        /* NULL: from the start */
    unsigned limit;
    bool with_revoked;
};

bool data_plane_list(struct tx *t, const struct data_plane_query *q, struct arena *a,
                     struct data_plane **ret, size_t *ret_n, struct error *err);
/* The version last logged (migrations/0002: config_version). Either role. */
bool config_version_read(struct tx *t, uint64_t *ret, struct error *err);

struct enrolment_token {
    struct uuid id, group, created_by, used_by;
    struct str group_name;
    uint64_t created_ms, expires_ms, used_ms;
};

bool enrolment_token_list(struct tx *t, const struct uuid *after, unsigned limit, struct arena *a,
                          struct enrolment_token **ret, size_t *ret_n, struct error *err);

/* One line about the database for the status page; counts are of the organization, or of all
 * (NULL). */
struct status_counts {
    struct str database_version;
    uint64_t size_bytes, organizations, workspaces, users, keys, providers, models, events_today;
    uint64_t quarantined; /* of the installation; 0 when an organization was given */
};
bool status_read(struct tx *t, const struct uuid *organization, struct arena *a,
                 struct status_counts *ret, struct error *err);

struct control_instance {
    struct uuid id;
    struct str version;
    uint64_t started_ms, last_seen_ms;
};
/* Instances seen within the last half minute. */
bool control_instance_list(struct tx *t, struct arena *a, struct control_instance **ret,
                           size_t *ret_n, struct error *err);

#endif
