/* The snapshot as look-up tables: an immutable root over a fixed number of immutable shards per
 * kind of entity. A delta copies only the shards that it touches and makes a new root; old and new
 * share the rest, counted by references (atomic; taken per root, not per request). Primary shards
 * are by entity id; look-up shards by what requests search: key secret hash, (workspace or
 * organization, name) for models and providers.
 *
 * Hashes for divergence checks: entity = SHA-256(kind u32le | id | body); shard = XOR of its
 * entities; root = SHA-256 over every shard's hash in order of (kind, shard) for kinds 0..15. Kinds
 * this build does not know are kept and hashed too.
 *
 * Building happens on the bridge thread (or at start); reading on any thread that holds a
 * reference. */
#ifndef DATAPLANE_SNAPSHOT_INDEX_H
#define DATAPLANE_SNAPSHOT_INDEX_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/uuid.h"
#include "common/rules/prompt.h"
#include "common/rules/provider.h"
#include "common/rules/quota.h"
#include "common/rules/route_config.h"

#define SNAPSHOT_SHARDS 256 /* shard of an entity: first byte of SHA-256(id) */
#define SNAPSHOT_KINDS 16

struct jwt_keys;
struct price_book;
struct snapshot; /* a root */

struct snap_key {
    struct uuid id, organization_id, workspace_id, user_id;
    struct str name, metadata_json;
    const struct str *models; /* patterns */
    const struct str *providers;
    uint16_t n_models, n_providers;
    bool disabled;
    bool needs_unknown; /* bound by a feature this proxy lacks: 503 upgrade_required */
    int64_t expires_at_ms;
    struct str config; /* reference to its default routing config; "" none */
    bool config_locked;
    uint16_t n_tags;
    const struct str *tags;
    struct uuid team_id, service_account_id; /* nil: none */
    uint16_t n_endpoints, n_configs, n_mcp_tools, n_ip_allow, n_required_metadata;
    const struct str *endpoints; /* patterns; none: all. So are the next two */
    const struct str *configs, *mcp_tools;
    const struct str *ip_allow; /* addresses and CIDR blocks; none: from everywhere */
    const struct str *required_metadata;
    struct str price_group;
    /* The secret that was presented is a former one, which ends then; 0: it is the key's own. Set
     * by snapshot_key alone. */
    int64_t former_expires_at_ms;
};

/* A budget or a limit (proto/snapshot.proto). */
struct snap_scope {
    enum quota_scope kind; /* NONE: of the future; its quota has needs_unknown and holds */
    bool each;             /* "*" */
    struct uuid id;        /* where the value is one */
    struct str name, value;
};

struct snap_quota {
    struct uuid id, organization_id, workspace_id;
    struct str name;
    struct quota_rule rule;
    const struct snap_scope *scopes;
    size_t n_scopes;
    struct str downgrade_model;
    uint64_t max_cost;
    uint32_t max_values;
    bool exact, disabled, needs_unknown;
    const uint32_t *alert_percents;
    size_t n_alert_percents;
};

struct snap_team {
    struct uuid id, organization_id, workspace_id;
    struct str name, price_group;
};

struct snap_ratio {
    struct str provider, model; /* patterns; "": every one */
    uint64_t ppm;
};

struct snap_price_group {
    struct uuid id, organization_id;
    struct str name;
    uint64_t ratio_ppm;
    const struct snap_ratio *overrides;
    size_t n_overrides;
};

/* Whose tokens are taken in place of keys. */
struct snap_issuer {
    struct uuid id, organization_id;
    struct str name, issuer, claims_json;
    const struct str *audiences, *denied_jti;
    size_t n_audiences, n_denied_jti;
    unsigned algorithms;         /* bits of common/jwt.h */
    const struct jwt_keys *keys; /* never NULL */
    const struct uuid *key_ids;
    size_t n_key_ids;
    int64_t leeway_s;
    bool disabled, needs_unknown;
};

/* A text setting of a provider object, by its name in the table of common/rules/provider.h. */
struct snap_setting {
    struct str name, value;
};

struct snap_provider {
    struct uuid id, organization_id, workspace_id;
    struct str name, kind, base_url, settings_json;
    const struct provider_row
        *row;              /* of `kind`; unknown kinds and `custom`: the row named custom */
    struct str credential; /* plain API key, the first of `credentials`; "" none. Never logged */
    /* The API keys that it may be called with, each as `credential` would be: at least one, where
     * that is "" when the provider needs none or signs with its named secrets. */
    const struct str *credentials;
    size_t n_credentials;
    /* Text settings and named secrets together (region, project, aws_secret_access_key …):
     * snap_provider_setting. The secrets among them are never logged. */
    const struct snap_setting *settings;
    size_t n_settings;
    const struct snap_setting *headers; /* fields that every request gets: the row's, and those of
                                           the settings before them */
    size_t n_headers;
    struct str rename_json, drop_json; /* raw object and array; NULL ptr: none */
    struct str health_check_json; /* raw object (common/rules/health_check.h); NULL ptr: none */
    bool credential_unreadable;   /* its data key is missing: requests fail with a clear error */
    uint64_t timeout_ms;
    bool disabled, needs_unknown;
    bool base_url_invalid; /* disabled is set too: nothing can be sent there */
    /* split from base_url when indexed */
    bool tls;
    struct str host; /* without brackets */
    uint16_t port;
    struct str path; /* "/v1", "" for none; no trailing slash */
    /* "Host: …" value, with port when not the scheme's own */
    struct str host_header;
};

struct snap_target {
    struct uuid provider_id;
    struct str model;
    uint32_t weight;
    enum provider_api endpoint; /* API_NONE: the provider's own choice */
};

struct snap_model {
    struct uuid id, organization_id, workspace_id;
    struct str name;
    const struct snap_target *targets;
    size_t n_targets;
    struct str config;              /* reference, in place of the targets; "" none */
    const struct route_tree *plain; /* of several targets; NULL: it has one, or a config */
    bool needs_unknown;
};

/* A routing config, a prompt or a partial: docs/routing.md, docs/prompts.md. */
struct snap_version {
    uint64_t number;
    struct str json; /* with its secrets in place: never logged, never shown */
    bool unreadable; /* its secrets cannot be opened by this proxy */
    /* compiled: of the document's kind, where the version is published, labelled or the newest and
     * can be compiled; else NULL */
    const struct route_tree *tree;
    const struct prompt *prompt;
    const struct mustache *partial;
};

struct snap_label {
    struct str name;
    uint64_t version;
};

struct snap_document {
    struct uuid id, organization_id, workspace_id;
    struct str name;
    const struct snap_version *versions; /* ascending */
    size_t n_versions;
    const struct snap_label *labels;
    size_t n_labels;
    uint64_t published; /* 0: none */
    bool partial, needs_unknown;
};

/* An empty root at version 0. */
struct snapshot *snapshot_new(void);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* accepts NULL; frees with the last reference */
uint64_t snapshot_version(const struct snapshot *s);
void snapshot_root_hash(const struct snapshot *s, uint8_t out[static 32]);
void snapshot_shard_hash(const struct snapshot *s, unsigned kind, unsigned shard,
                         uint8_t out[static 32]);
size_t snapshot_count(const struct snapshot *s, unsigned kind);

/* "" never: NULL ptr when the provider has no such setting. */
struct str snap_provider_setting(const struct snap_provider *p, const char *name);
/* The alias with a `*` at its end that matches `name` best (longest text before the star), with the
 * workspace's before the organization's; *ret_rest is what the star stands for. NULL: none. */
const struct snap_model *snapshot_model_wildcard(const struct snapshot *s,
                                                 const struct uuid *organization,
                                                 const struct uuid *workspace, struct str name,
                                                 struct str *ret_rest);
/* The workspace's (or organization's) provider whose kind, or an alias of it, is `kind`: first by
 * name. */
const struct snap_provider *snapshot_provider_of_kind(const struct snapshot *s,
                                                      const struct uuid *organization,
                                                      const struct uuid *workspace,
                                                      struct str kind);

struct snap_organization {
    struct uuid id;
    struct str settings_json;
    struct str price_group; /* of its settings; "" none */
};
struct snap_workspace {
    struct uuid id, organization_id;
    struct str price_group;
};
/* NULL: there is none of that id. */
const struct snap_workspace *snapshot_workspace(const struct snapshot *s, const struct uuid *id);
const struct snap_team *snapshot_team(const struct snapshot *s, const struct uuid *id);
/* The quotas anchored at an id: each stands at the most particular thing with an id that it names
 * (key, service account, user, team, workspace of a scope), else at its own workspace, else at its
 * organization. So who wants all that may bind a request asks for each of those of the request;
 * what else a quota's scopes say is for the caller to see. Ascending by id; *ret_n 0: none. */
const struct snap_quota *const *snapshot_quotas(const struct snapshot *s, const struct uuid *anchor,
                                                size_t *ret_n);
/* False: nobody has any, so there is nothing to ask for. */
bool snapshot_has_quotas(const struct snapshot *s);
const struct snap_quota *snapshot_quota(const struct snapshot *s, const struct uuid *id);
/* Of its organization, by name. NULL: none. */
const struct snap_price_group *
snapshot_price_group(const struct snapshot *s, const struct uuid *organization, struct str name);
/* The organization's price book, compiled (common/rules/price_book.h); NULL: none is published.
 * There is one book an organization: the first by id. */
const struct price_book *snapshot_price_book(const struct snapshot *s,
                                             const struct uuid *organization, struct uuid *ret_id,
                                             uint64_t *ret_version);
/* Those with this `iss`, whatever the organization, one after the other: `after` NULL for the
 * first. NULL: no more. */
const struct snap_issuer *snapshot_issuer(const struct snapshot *s, struct str issuer,
                                          const struct snap_issuer *after);
const struct snap_organization *snapshot_organization(const struct snapshot *s,
                                                      const struct uuid *id);
/* The row of kind CATALOGUE for this organization and catalogue id, else everybody's (nil
 * organization); raw entry. NULL ptr: none. */
struct str snapshot_catalogue_entry(const struct snapshot *s, const struct uuid *organization,
                                    struct str provider, struct str model);

/* All return NULL when absent; results live as long as the caller's reference on the root. A key is
 * decoded into the arena, and lives no longer than that either (NULL, too, when it is out of room).
 */
const struct snap_key *snapshot_key(const struct snapshot *s,
                                    const uint8_t secret_sha256[static 32], struct arena *a);
const struct snap_provider *snapshot_provider(const struct snapshot *s, const struct uuid *id);
/* A workspace's own object shadows the organization's of the same name. */
const struct snap_provider *snapshot_provider_named(const struct snapshot *s,
                                                    const struct uuid *organization,
                                                    const struct uuid *workspace, struct str name);
const struct snap_model *snapshot_model(const struct snapshot *s, const struct uuid *organization,
                                        const struct uuid *workspace, struct str name);
/* Every model alias that the workspace can see, in byte order of names (for GET /v1/models); false
 * from fn stops. */
void snapshot_each_model(const struct snapshot *s, const struct uuid *organization,
                         const struct uuid *workspace,
                         bool (*fn)(void *arg, const struct snap_model *m), void *arg);

/* By name (a workspace's own shadows its organization's), or by id, which must be visible there. */
const struct snap_document *snapshot_config(const struct snapshot *s,
                                            const struct uuid *organization,
                                            const struct uuid *workspace, struct str name);
const struct snap_document *snapshot_config_by_id(const struct snapshot *s,
                                                  const struct uuid *organization,
                                                  const struct uuid *workspace,
                                                  const struct uuid *id);
const struct snap_document *snapshot_prompt(const struct snapshot *s,
                                            const struct uuid *organization,
                                            const struct uuid *workspace, struct str name);
const struct snap_document *snapshot_prompt_by_id(const struct snapshot *s,
                                                  const struct uuid *organization,
                                                  const struct uuid *workspace,
                                                  const struct uuid *id);
/* NULL: there is no such version or label, or none is published. */
const struct snap_version *snap_document_version(const struct snap_document *d, uint64_t number);
const struct snap_version *snap_document_find(const struct snap_document *d,
                                              const struct route_ref *ref);
/* By its id, whatever its secret: for explain. NULL: none. */
const struct snap_key *snapshot_key_by_id(const struct snapshot *s, const struct uuid *id,
                                          struct arena *a);

/* Builder: starts from `base` (NULL: empty), takes changes, gives a new root or an error that
 * leaves base as it was. */
struct snapshot_builder;
struct snapshot_builder *snapshot_builder_new(const struct snapshot *base);
void snapshot_builder_free(struct snapshot_builder *b);
/* Data keys for credentials: id (16 bytes) and the plain 32-byte key; carried over from the base
 * root otherwise. */
void snapshot_builder_data_key(struct snapshot_builder *b, const struct uuid *id,
                               const uint8_t key[static 32]);
/* body: the serialized message of the kind (proto/snapshot.proto). A body that cannot be read is an
 * error naming kind and id. */
bool snapshot_builder_put(struct snapshot_builder *b, unsigned kind, const struct uuid *id,
                          struct str body, struct error *err);
void snapshot_builder_delete(struct snapshot_builder *b, unsigned kind, const struct uuid *id);
/* Empties one shard before its entities are put again. */
void snapshot_builder_clear_shard(struct snapshot_builder *b, unsigned kind, unsigned shard);
/* Frees b. One reference to the caller. */
struct snapshot *snapshot_builder_finish(struct snapshot_builder *b, uint64_t version,
                                         struct error *err);
/* Every provider, whose ever it is; false from fn stops. */
void snapshot_each_provider(const struct snapshot *s,
                            bool (*fn)(void *arg, const struct snap_provider *p), void *arg);
/* Visits all entities as they came (kind, id, body), for writing the base file. */
bool snapshot_each_entity(const struct snapshot *s,
                          bool (*fn)(void *arg, unsigned kind, const struct uuid *id,
                                     struct str body),
                          void *arg);

#endif
