/* Reading a root: look-ups by what requests search for, hashes, and walks. Nothing here writes. */
#include "dataplane/snapshot/index.h"

#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/snapshot/key_entity.h"
#include "dataplane/snapshot/quota_index.h"
#include "dataplane/snapshot/root.h"
#include "dataplane/snapshot/zones.h"

#define MODEL_NAME_MAX 200 /* longest alias (common/rules/model_name.h) */

struct place place_of_id(const struct uuid *id)
{
    uint8_t h[32];
    uint32_t hash;
    crypto_sha256(id->b, sizeof(id->b), h);
    memcpy(&hash, h + 1, sizeof(hash));
    return (struct place){h[0], hash};
}

struct place place_of_secret(const uint8_t secret_sha256[static 32])
{
    uint32_t hash;
    memcpy(&hash, secret_sha256 + 1, sizeof(hash));
    return (struct place){secret_sha256[0], hash};
}

struct place place_of_provider(const struct uuid *id)
{
    uint64_t h = map_hash(id->b, sizeof(id->b));
    return (struct place){(unsigned)(h >> 56), (uint32_t)h};
}

struct place place_of_name(const struct uuid *scope, struct str name)
{
    uint64_t s = map_hash(scope->b, sizeof(scope->b));
    uint64_t n = map_hash(name.len ? name.ptr : "", name.len);
    return (struct place){(unsigned)(s >> 56), (uint32_t)(s ^ n)};
}

bool match_id(const struct entity *e, const void *uuid)
{
    return uuid_eq(&e->id, uuid);
}

bool match_secret(const struct entity *e, const void *secret)
{
    return key_entity_has_secret(e, secret);
}

/* The organization is compared as well: no name of another tenant's is ever found, whatever ids a
 * message claims. */
static bool match_name(const struct uuid *organization, const struct uuid *workspace,
                       struct str name, const struct scoped_name *wanted)
{
    return str_eq(name, wanted->name) && uuid_eq(workspace, wanted->workspace) &&
           uuid_eq(organization, wanted->organization);
}

bool match_provider_name(const struct entity *e, const void *scoped_name)
{
    const struct snap_provider *p = entity_more(e)->provider;
    return match_name(&p->organization_id, &p->workspace_id, p->name, scoped_name);
}

bool match_model_name(const struct entity *e, const void *scoped_name)
{
    const struct snap_model *m = entity_more(e)->model;
    return match_name(&m->organization_id, &m->workspace_id, m->name, scoped_name);
}

bool match_document_name(const struct entity *e, const void *scoped_name)
{
    const struct snap_document *d = entity_more(e)->document;
    return match_name(&d->organization_id, &d->workspace_id, d->name, scoped_name);
}

/* One organization's (or everybody's) in one shard each. */
struct place place_of_catalogue(const struct uuid *organization, struct str provider,
                                struct str model)
{
    struct place at = place_of_name(organization, model);
    at.hash ^= (uint32_t)(map_hash(provider.len ? provider.ptr : "", provider.len) >> 7);
    return at;
}

bool match_catalogue(const struct entity *e, const void *catalogue_entry)
{
    const struct catalogue_entry *have = entity_more(e)->catalogue, *wanted = catalogue_entry;
    return str_eq(have->model, wanted->model) && str_eq(have->provider, wanted->provider) &&
           uuid_eq(&have->organization_id, &wanted->organization_id);
}

struct snapshot *snapshot_new(void)
{
    struct snapshot *s = mem_alloc(sizeof(*s));
    atomic_init(&s->refs, 1);
    root_hash_compute(s);
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (unsigned i = 0; i < SET_COUNT; i++) {
        set_unref(s->sets[i]);
    }
    mem_free_secret(s->data_keys, s->n_data_keys * sizeof(*s->data_keys));
    mem_free(s->blocked);
    quota_index_unref(s->quotas);
    zones_unref(s->zones);
    mem_free(s);
}

uint64_t snapshot_version(const struct snapshot *s)
{
    return s->version;
}

void snapshot_root_hash(const struct snapshot *s, uint8_t out[static 32])
{
    memcpy(out, s->root_hash, 32);
}

void snapshot_shard_hash(const struct snapshot *s, unsigned kind, unsigned shard,
                         uint8_t out[static 32])
{
    const struct set *set = kind < SNAPSHOT_KINDS ? s->sets[kind] : NULL;
    const struct shard *in = set && shard < SNAPSHOT_SHARDS ? set->shards[shard] : NULL;
    if (in) {
        memcpy(out, in->hash, 32);
    } else {
        memset(out, 0, 32);
    }
}

void root_hash_compute(struct snapshot *s)
{
    size_t n = (size_t)SNAPSHOT_KINDS * SNAPSHOT_SHARDS * 32;
    uint8_t *all = mem_alloc(n), *at = all;
    for (unsigned kind = 0; kind < SNAPSHOT_KINDS; kind++) {
        for (unsigned shard = 0; shard < SNAPSHOT_SHARDS; shard++, at += 32) {
            snapshot_shard_hash(s, kind, shard, at);
        }
    }
    crypto_sha256(all, n, s->root_hash);
    mem_free(all);
}

size_t snapshot_count(const struct snapshot *s, unsigned kind)
{
    return kind < SNAPSHOT_KINDS && s->sets[kind] ? s->sets[kind]->count : 0;
}

/* A key is bound by the needs of its organization and workspace as well. */
static const struct snap_key *read_key(const struct snapshot *s, const struct entity *e,
                                       const uint8_t *secret, struct arena *a)
{
    struct snap_key *k = e ? key_entity_read(e, secret, a) : NULL;
    if (k && s->n_blocked) {
        k->needs_unknown = k->needs_unknown || root_is_blocked(s, &k->organization_id) ||
                           root_is_blocked(s, &k->workspace_id);
    }
    return k;
}

const struct snap_key *snapshot_key(const struct snapshot *s,
                                    const uint8_t secret_sha256[static 32], struct arena *a)
{
    struct place at = place_of_secret(secret_sha256);
    const struct entity *e =
        set_find(s->sets[SET_KEY_BY_SECRET], at.shard, at.hash, match_secret, secret_sha256);
    return read_key(s, e, secret_sha256, a);
}

const struct snap_provider *snapshot_provider(const struct snapshot *s, const struct uuid *id)
{
    struct place at = place_of_provider(id);
    const struct entity *e = set_find(s->sets[SET_PROVIDER_BY_ID], at.shard, at.hash, match_id, id);
    return e ? entity_more(e)->provider : NULL;
}

/* The workspace's own first, then what its organization shares. */
const struct entity *root_find_named(const struct set *set, entity_match_fn match,
                                     const struct uuid *organization, const struct uuid *workspace,
                                     struct str name)
{
    static const struct uuid nil;
    const struct entity *e = NULL;
    if (workspace && !uuid_is_nil(workspace)) {
        struct scoped_name own = {organization, workspace, name};
        struct place at = place_of_name(workspace, name);
        e = set_find(set, at.shard, at.hash, match, &own);
    }
    if (!e) {
        struct scoped_name shared = {organization, &nil, name};
        struct place at = place_of_name(organization, name);
        e = set_find(set, at.shard, at.hash, match, &shared);
    }
    return e;
}

const struct snap_provider *snapshot_provider_named(const struct snapshot *s,
                                                    const struct uuid *organization,
                                                    const struct uuid *workspace, struct str name)
{
    const struct entity *e = root_find_named(s->sets[SET_PROVIDER_BY_NAME], match_provider_name,
                                             organization, workspace, name);
    return e ? entity_more(e)->provider : NULL;
}

const struct snap_model *snapshot_model(const struct snapshot *s, const struct uuid *organization,
                                        const struct uuid *workspace, struct str name)
{
    const struct entity *e = root_find_named(s->sets[SET_MODEL_BY_NAME], match_model_name,
                                             organization, workspace, name);
    return e ? entity_more(e)->model : NULL;
}

static const struct snap_document *document_named(const struct snapshot *s, unsigned set,
                                                  const struct uuid *organization,
                                                  const struct uuid *workspace, struct str name)
{
    const struct entity *e =
        root_find_named(s->sets[set], match_document_name, organization, workspace, name);
    return e ? entity_more(e)->document : NULL;
}

const struct entity *root_find_id(const struct snapshot *s, unsigned kind, const struct uuid *id)
{
    struct place at = place_of_id(id);
    return set_find(s->sets[kind], at.shard, at.hash, match_id, id);
}

/* What another tenant has is not there. */
static const struct snap_document *document_by_id(const struct snapshot *s, unsigned kind,
                                                  const struct uuid *organization,
                                                  const struct uuid *workspace,
                                                  const struct uuid *id)
{
    const struct entity *e = root_find_id(s, kind, id);
    const struct snap_document *d = e ? entity_more(e)->document : NULL;
    bool visible = d && uuid_eq(&d->organization_id, organization) &&
                   (uuid_is_nil(&d->workspace_id) || uuid_eq(&d->workspace_id, workspace));
    return visible ? d : NULL;
}

const struct snap_document *snapshot_config(const struct snapshot *s,
                                            const struct uuid *organization,
                                            const struct uuid *workspace, struct str name)
{
    return document_named(s, SET_CONFIG_BY_NAME, organization, workspace, name);
}

const struct snap_document *snapshot_config_by_id(const struct snapshot *s,
                                                  const struct uuid *organization,
                                                  const struct uuid *workspace,
                                                  const struct uuid *id)
{
    return document_by_id(s, ENTITY_CONFIG, organization, workspace, id);
}

const struct snap_document *snapshot_prompt(const struct snapshot *s,
                                            const struct uuid *organization,
                                            const struct uuid *workspace, struct str name)
{
    return document_named(s, SET_PROMPT_BY_NAME, organization, workspace, name);
}

const struct snap_document *snapshot_prompt_by_id(const struct snapshot *s,
                                                  const struct uuid *organization,
                                                  const struct uuid *workspace,
                                                  const struct uuid *id)
{
    return document_by_id(s, ENTITY_PROMPT, organization, workspace, id);
}

const struct snap_key *snapshot_key_by_id(const struct snapshot *s, const struct uuid *id,
                                          struct arena *a)
{
    return read_key(s, root_find_id(s, ENTITY_KEY, id), NULL, a);
}

const struct snap_model *snapshot_model_wildcard(const struct snapshot *s,
                                                 const struct uuid *organization,
                                                 const struct uuid *workspace, struct str name,
                                                 struct str *ret_rest)
{
    char pattern[MODEL_NAME_MAX + 1];
    const struct set *set = s->sets[SET_MODEL_BY_NAME];
    size_t longest = name.len < MODEL_NAME_MAX ? name.len : MODEL_NAME_MAX - 1;
    if (longest) {
        memcpy(pattern, name.ptr, longest);
    }
    for (size_t n = longest + 1; set && n-- > 0;) {
        pattern[n] = '*';
        const struct entity *e = root_find_named(set, match_model_name, organization, workspace,
                                                 (struct str){pattern, n + 1});
        if (e) {
            *ret_rest = str_slice(name, n, name.len);
            return entity_more(e)->model;
        }
    }
    return NULL;
}

/* The best of one scope: enabled ones first, then by name. */
static const struct snap_provider *kind_in_scope(const struct set *set, const struct uuid *scope,
                                                 const struct uuid *organization,
                                                 const struct uuid *workspace, const char *kind)
{
    const struct snap_provider *best = NULL;
    const struct shard *in = set ? set->shards[place_of_name(scope, STR_LIT("")).shard] : NULL;
    for (uint32_t i = 0; in && i < in->cap; i++) {
        const struct snap_provider *p = in->items[i] ? entity_more(in->items[i])->provider : NULL;
        if (!p || !uuid_eq(&p->organization_id, organization) ||
            !uuid_eq(&p->workspace_id, workspace) || !str_eqz(str_of(p->row->name), kind)) {
            continue;
        }
        if (!best || (best->disabled && !p->disabled) ||
            (best->disabled == p->disabled && str_cmp(p->name, best->name) < 0)) {
            best = p;
        }
    }
    return best;
}

const struct snap_provider *snapshot_provider_of_kind(const struct snapshot *s,
                                                      const struct uuid *organization,
                                                      const struct uuid *workspace, struct str kind)
{
    static const struct uuid nil;
    const struct set *set = s->sets[SET_PROVIDER_BY_NAME];
    const struct provider_row *row = provider_row_named(kind);
    const struct snap_provider *p = NULL;
    if (row && workspace && !uuid_is_nil(workspace)) {
        p = kind_in_scope(set, workspace, organization, workspace, row->name);
    }
    if (row && !p) {
        p = kind_in_scope(set, organization, organization, &nil, row->name);
    }
    return p;
}

struct str snapshot_catalogue_entry(const struct snapshot *s, const struct uuid *organization,
                                    struct str provider, struct str model)
{
    static const struct uuid nil;
    const struct set *set = s->sets[SET_CATALOGUE_BY_MODEL];
    const struct uuid *scopes[] = {organization, &nil};
    for (size_t i = 0; set && i < 2; i++) {
        struct catalogue_entry wanted = {*scopes[i], provider, model, STR_NONE};
        struct place at = place_of_catalogue(scopes[i], provider, model);
        const struct entity *e = set_find(set, at.shard, at.hash, match_catalogue, &wanted);
        if (e) {
            return entity_more(e)->catalogue->entry_json;
        }
    }
    return STR_NONE;
}

struct model_list {
    const struct snap_model **items;
    size_t n, cap;
};

static void gather_models(const struct set *set, const struct uuid *scope,
                          const struct uuid *organization, const struct uuid *workspace,
                          struct model_list *list)
{
    const struct shard *in = set ? set->shards[place_of_name(scope, STR_LIT("")).shard] : NULL;
    for (uint32_t i = 0; in && i < in->cap; i++) {
        const struct snap_model *m = in->items[i] ? entity_more(in->items[i])->model : NULL;
        if (!m || !uuid_eq(&m->organization_id, organization) ||
            !uuid_eq(&m->workspace_id, workspace)) {
            continue;
        }
        if (list->n == list->cap) {
            list->cap = list->cap ? list->cap * 2 : 16;
            list->items = mem_realloc(list->items, list->cap * sizeof(struct snap_model *));
        }
        list->items[list->n++] = m;
    }
}

/* By name; of two with one name the workspace's own comes first. */
static int compare_models(const void *a, const void *b)
{
    const struct snap_model *x = *(const struct snap_model *const *)a;
    const struct snap_model *y = *(const struct snap_model *const *)b;
    int c = str_cmp(x->name, y->name);
    return c ? c : (int)uuid_is_nil(&x->workspace_id) - (int)uuid_is_nil(&y->workspace_id);
}

void snapshot_each_model(const struct snapshot *s, const struct uuid *organization,
                         const struct uuid *workspace,
                         bool (*fn)(void *arg, const struct snap_model *m), void *arg)
{
    static const struct uuid nil;
    const struct set *set = s->sets[SET_MODEL_BY_NAME];
    struct model_list list = {0};
    gather_models(set, organization, organization, &nil, &list);
    if (workspace && !uuid_is_nil(workspace)) {
        gather_models(set, workspace, organization, workspace, &list);
    }
    if (list.n) {
        qsort(list.items, list.n, sizeof(struct snap_model *), compare_models);
    }
    for (size_t i = 0; i < list.n; i++) {
        if (i > 0 && str_eq(list.items[i]->name, list.items[i - 1]->name)) {
            continue; /* shadowed */
        }
        if (!fn(arg, list.items[i])) {
            break;
        }
    }
    mem_free(list.items);
}

void snapshot_each_provider(const struct snapshot *s,
                            bool (*fn)(void *arg, const struct snap_provider *p), void *arg)
{
    const struct set *all = s->sets[ENTITY_PROVIDER];
    for (unsigned n = 0; all && n < SNAPSHOT_SHARDS; n++) {
        const struct shard *in = all->shards[n];
        for (uint32_t i = 0; in && i < in->cap; i++) {
            const struct entity *e = in->items[i];
            if (e && !fn(arg, entity_more(e)->provider)) {
                return;
            }
        }
    }
}

bool snapshot_each_entity(const struct snapshot *s,
                          bool (*fn)(void *arg, unsigned kind, const struct uuid *id,
                                     struct str body),
                          void *arg)
{
    for (unsigned kind = 0; kind < SNAPSHOT_KINDS; kind++) {
        for (unsigned n = 0; s->sets[kind] && n < SNAPSHOT_SHARDS; n++) {
            const struct shard *in = s->sets[kind]->shards[n];
            for (uint32_t i = 0; in && i < in->cap; i++) {
                const struct entity *e = in->items[i];
                if (e && !fn(arg, kind, &e->id, entity_body(e))) {
                    return false;
                }
            }
        }
    }
    return true;
}

const uint8_t *root_data_key(const void *snapshot, const struct uuid *id)
{
    const struct snapshot *s = snapshot;
    for (size_t i = s->n_data_keys; i-- > 0;) {
        if (uuid_eq(&s->data_keys[i].id, id)) {
            return s->data_keys[i].key;
        }
    }
    return NULL;
}

bool root_is_blocked(const struct snapshot *s, const struct uuid *scope)
{
    size_t lo = 0, hi = s->n_blocked;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = memcmp(s->blocked[mid].b, scope->b, sizeof(scope->b));
        if (c == 0) {
            return true;
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return false;
}
