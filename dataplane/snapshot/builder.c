/* Making a new root from an old one. Changes go into drafts of the primary shards at once; look-ups
 * follow in `finish`, when all is known, so that two objects may swap names or secrets within one
 * run. The base root is never written. */
#include "dataplane/snapshot/index.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "dataplane/snapshot/key_entity.h"
#include "dataplane/snapshot/quota_index.h"
#include "dataplane/snapshot/root.h"
#include "dataplane/snapshot/zones.h"

static const struct uuid no_workspace;

struct entity_list {
    struct entity **items;
    size_t n, cap;
};

struct snapshot_builder {
    struct snapshot *root;    /* private until finished */
    struct entity_list added; /* now in the primaries, not in the base; NULL where removed again */
    struct entity_list removed; /* in the base, not in the primaries any more; one reference each */
    bool scopes_changed;        /* an organization or workspace came or went */
    bool data_keys_changed;
};

static void list_push_entity(struct entity_list *l, struct entity *e)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->items = mem_realloc(l->items, l->cap * sizeof(struct entity *));
    }
    l->items[l->n++] = e;
}

struct snapshot_builder *snapshot_builder_new(const struct snapshot *base)
{
    struct snapshot_builder *b = mem_alloc(sizeof(*b));
    b->root = mem_alloc(sizeof(*b->root));
    atomic_init(&b->root->refs, 1);
    if (base) {
        for (unsigned i = 0; i < SET_COUNT; i++) {
            b->root->sets[i] = set_ref(base->sets[i]);
        }
        b->root->quotas = quota_index_ref(base->quotas);
        if (base->n_data_keys) {
            b->root->data_keys =
                mem_dup(base->data_keys, base->n_data_keys * sizeof(struct data_key));
            b->root->n_data_keys = base->n_data_keys;
        }
        if (base->n_blocked) {
            b->root->blocked = mem_dup(base->blocked, base->n_blocked * sizeof(struct uuid));
            b->root->n_blocked = base->n_blocked;
        }
    }
    b->root->zones = base && base->zones ? zones_ref(base->zones) : zones_new();
    return b;
}

void snapshot_builder_free(struct snapshot_builder *b)
{
    if (!b) {
        return;
    }
    for (size_t i = 0; i < b->removed.n; i++) {
        entity_unref(b->removed.items[i]);
    }
    mem_free(b->removed.items);
    mem_free(b->added.items);
    snapshot_unref(b->root);
    mem_free(b);
}

void snapshot_builder_data_key(struct snapshot_builder *b, const struct uuid *id,
                               const uint8_t key[static 32])
{
    struct snapshot *s = b->root;
    const uint8_t *have = root_data_key(s, id);
    if (have && memcmp(have, key, 32) == 0) {
        return;
    }
    struct data_key *grown = mem_alloc((s->n_data_keys + 1) * sizeof(*grown));
    size_t n = 0;
    for (size_t i = 0; i < s->n_data_keys; i++) {
        if (!uuid_eq(&s->data_keys[i].id, id)) {
            grown[n++] = s->data_keys[i];
        }
    }
    grown[n].id = *id;
    memcpy(grown[n].key, key, 32);
    mem_free_secret(s->data_keys, s->n_data_keys * sizeof(*s->data_keys));
    s->data_keys = grown;
    s->n_data_keys = n + 1;
    b->data_keys_changed = true;
}

static struct entity_source source_of(const struct snapshot_builder *b)
{
    return (struct entity_source){root_data_key, b->root, b->root->zones};
}

static void hash_toggle(struct shard *s, const struct entity *e)
{
    uint8_t h[32];
    entity_hash(e, h);
    for (size_t i = 0; i < sizeof(h); i++) {
        s->hash[i] ^= h[i];
    }
}

static void note_scope(struct snapshot_builder *b, const struct entity *e)
{
    if ((e->kind == ENTITY_ORGANIZATION || e->kind == ENTITY_WORKSPACE) &&
        (e->own_needs || b->root->n_blocked)) {
        b->scopes_changed = true;
    }
}

/* Takes e out of its primary shard. */
static void take_out(struct snapshot_builder *b, struct entity *e, struct place at)
{
    struct set *set = set_draft(&b->root->sets[e->kind], true);
    struct shard *shard = set_draft_shard(set, at.shard);
    hash_toggle(shard, e);
    set_erase(set, at.shard, at.hash, e);
    note_scope(b, e);
    if (e->added_at && e->added_at <= b->added.n && b->added.items[e->added_at - 1] == e) {
        b->added.items[e->added_at - 1] = NULL;
        entity_unref(e);
    } else {
        list_push_entity(&b->removed, e);
    }
}

/* Takes over the reference. */
static void bring_in(struct snapshot_builder *b, struct entity *e, struct place at)
{
    struct set *set = set_draft(&b->root->sets[e->kind], true);
    set_insert(set, at.shard, at.hash, e);
    hash_toggle(set->shards[at.shard], e);
    note_scope(b, e);
    list_push_entity(&b->added, e);
    e->added_at = (uint32_t)b->added.n;
}

bool snapshot_builder_put(struct snapshot_builder *b, unsigned kind, const struct uuid *id,
                          struct str body, struct error *err)
{
    if (kind >= SNAPSHOT_KINDS) {
        return true; /* outside of what is hashed: a kind of the far future */
    }
    struct place at = place_of_id(id);
    struct entity *old = set_find(b->root->sets[kind], at.shard, at.hash, match_id, id);
    if (old && str_eq(entity_body(old), body)) {
        return true; /* a resent one: the old object and its shard stay shared */
    }
    struct entity_source from = source_of(b);
    struct entity *e = entity_new(kind, id, body, &from, err);
    if (!e) {
        return false;
    }
    if (old) {
        take_out(b, old, at);
    }
    bring_in(b, e, at);
    return true;
}

void snapshot_builder_delete(struct snapshot_builder *b, unsigned kind, const struct uuid *id)
{
    struct place at = place_of_id(id);
    struct entity *old = kind < SNAPSHOT_KINDS
                             ? set_find(b->root->sets[kind], at.shard, at.hash, match_id, id)
                             : NULL;
    if (old) {
        take_out(b, old, at);
    }
}

static struct entity *any_in_shard(const struct set *set, unsigned shard)
{
    const struct shard *in = set ? set->shards[shard] : NULL;
    for (uint32_t i = 0; in && i < in->cap; i++) {
        if (in->items[i]) {
            return in->items[i];
        }
    }
    return NULL;
}

void snapshot_builder_clear_shard(struct snapshot_builder *b, unsigned kind, unsigned shard)
{
    struct entity *e;
    if (kind >= SNAPSHOT_KINDS || shard >= SNAPSHOT_SHARDS ||
        !any_in_shard(b->root->sets[kind], shard)) {
        return;
    }
    struct set *set = set_draft(&b->root->sets[kind], true);
    struct shard *in = set_draft_shard(set, shard);
    /* erasing shifts later entities up, so each slot is looked at until it is empty */
    for (uint32_t i = 0; i < in->cap; i++) {
        while ((e = in->items[i]) != NULL) {
            take_out(b, e, place_of_id(&e->id));
        }
    }
}

static bool duplicate(struct error *err, const struct entity *a, const struct entity *b,
                      const char *what)
{
    char one[37], two[37];
    uuid_format(&a->id, one);
    uuid_format(&b->id, two);
    return error_set(err, ERR_CONFLICT, "%ss %s and %s have the same %s", entity_kind_name(a->kind),
                     one, two, what);
}

static const struct uuid *scope_of(const struct uuid *organization, const struct uuid *workspace)
{
    return uuid_is_nil(workspace) ? organization : workspace;
}

static bool lookups_add_named(struct snapshot *s, enum root_set which, struct entity *e,
                              const struct scoped_name *n, entity_match_fn match, struct error *err)
{
    struct place at = place_of_name(scope_of(n->organization, n->workspace), n->name);
    const struct entity *other = set_find(s->sets[which], at.shard, at.hash, match, n);
    if (other) {
        return duplicate(err, other, e, "name");
    }
    set_insert(set_draft(&s->sets[which], false), at.shard, at.hash, e);
    return true;
}

static enum root_set document_set(const struct entity *e)
{
    return e->kind == ENTITY_CONFIG ? SET_CONFIG_BY_NAME : SET_PROMPT_BY_NAME;
}

static bool is_document(const struct entity *e)
{
    return e->kind == ENTITY_CONFIG || e->kind == ENTITY_PROMPT;
}

static bool secrets_add(struct snapshot *s, struct entity *e, struct error *err)
{
    const uint8_t *secrets[KEY_SECRETS_MAX];
    unsigned n = key_entity_secrets(e, secrets);
    for (unsigned i = 0; i < n; i++) {
        struct place at = place_of_secret(secrets[i]);
        const struct entity *other =
            set_find(s->sets[SET_KEY_BY_SECRET], at.shard, at.hash, match_secret, secrets[i]);
        if (other && other != e) {
            return duplicate(err, other, e, "secret");
        }
        if (!other) {
            set_insert(set_draft(&s->sets[SET_KEY_BY_SECRET], false), at.shard, at.hash, e);
        }
    }
    return true;
}

static bool lookups_add(struct snapshot *s, struct entity *e, struct error *err)
{
    struct place at;
    if (e->kind == ENTITY_KEY) {
        return secrets_add(s, e, err);
    } else if (e->kind == ENTITY_PROVIDER) {
        const struct snap_provider *p = entity_more(e)->provider;
        struct scoped_name n = {&p->organization_id, &p->workspace_id, p->name};
        at = place_of_provider(&e->id);
        set_insert(set_draft(&s->sets[SET_PROVIDER_BY_ID], false), at.shard, at.hash, e);
        return lookups_add_named(s, SET_PROVIDER_BY_NAME, e, &n, match_provider_name, err);
    } else if (e->kind == ENTITY_MODEL) {
        const struct snap_model *m = entity_more(e)->model;
        struct scoped_name n = {&m->organization_id, &m->workspace_id, m->name};
        return lookups_add_named(s, SET_MODEL_BY_NAME, e, &n, match_model_name, err);
    } else if (is_document(e)) {
        const struct snap_document *d = entity_more(e)->document;
        struct scoped_name n = {&d->organization_id, &d->workspace_id, d->name};
        return lookups_add_named(s, document_set(e), e, &n, match_document_name, err);
    } else if (e->kind == ENTITY_CATALOGUE) {
        const struct catalogue_entry *c = entity_more(e)->catalogue;
        at = place_of_catalogue(&c->organization_id, c->provider, c->model);
        const struct entity *other =
            set_find(s->sets[SET_CATALOGUE_BY_MODEL], at.shard, at.hash, match_catalogue, c);
        if (other) {
            return duplicate(err, other, e, "model");
        }
        set_insert(set_draft(&s->sets[SET_CATALOGUE_BY_MODEL], false), at.shard, at.hash, e);
    } else if (e->kind == ENTITY_PRICE_GROUP) {
        const struct snap_price_group *g = entity_more(e)->group;
        struct scoped_name n = {&g->organization_id, &no_workspace, g->name};
        return lookups_add_named(s, SET_GROUP_BY_NAME, e, &n, match_group_name, err);
    } else if (e->kind == ENTITY_PRICE_BOOK) {
        at = place_of_organization(&entity_more(e)->book->organization_id);
        set_insert(set_draft(&s->sets[SET_BOOK_BY_ORGANIZATION], false), at.shard, at.hash, e);
    } else if (e->kind == ENTITY_ISSUER) {
        at = place_of_issuer(entity_more(e)->issuer->issuer);
        set_insert(set_draft(&s->sets[SET_ISSUER_BY_ISS], false), at.shard, at.hash, e);
    }
    return true;
}

static void lookups_drop(struct snapshot *s, const struct entity *e)
{
    struct place at;
    if (e->kind == ENTITY_KEY) {
        const uint8_t *secrets[KEY_SECRETS_MAX];
        unsigned n = key_entity_secrets(e, secrets);
        for (unsigned i = 0; i < n; i++) {
            at = place_of_secret(secrets[i]);
            set_erase(set_draft(&s->sets[SET_KEY_BY_SECRET], false), at.shard, at.hash, e);
        }
    } else if (e->kind == ENTITY_PROVIDER) {
        const struct snap_provider *p = entity_more(e)->provider;
        at = place_of_provider(&e->id);
        set_erase(set_draft(&s->sets[SET_PROVIDER_BY_ID], false), at.shard, at.hash, e);
        at = place_of_name(scope_of(&p->organization_id, &p->workspace_id), p->name);
        set_erase(set_draft(&s->sets[SET_PROVIDER_BY_NAME], false), at.shard, at.hash, e);
    } else if (e->kind == ENTITY_MODEL) {
        const struct snap_model *m = entity_more(e)->model;
        at = place_of_name(scope_of(&m->organization_id, &m->workspace_id), m->name);
        set_erase(set_draft(&s->sets[SET_MODEL_BY_NAME], false), at.shard, at.hash, e);
    } else if (is_document(e)) {
        const struct snap_document *d = entity_more(e)->document;
        at = place_of_name(scope_of(&d->organization_id, &d->workspace_id), d->name);
        set_erase(set_draft(&s->sets[document_set(e)], false), at.shard, at.hash, e);
    } else if (e->kind == ENTITY_CATALOGUE) {
        const struct catalogue_entry *c = entity_more(e)->catalogue;
        at = place_of_catalogue(&c->organization_id, c->provider, c->model);
        set_erase(set_draft(&s->sets[SET_CATALOGUE_BY_MODEL], false), at.shard, at.hash, e);
    } else if (e->kind == ENTITY_PRICE_GROUP) {
        const struct snap_price_group *g = entity_more(e)->group;
        at = place_of_name(&g->organization_id, g->name);
        set_erase(set_draft(&s->sets[SET_GROUP_BY_NAME], false), at.shard, at.hash, e);
    } else if (e->kind == ENTITY_PRICE_BOOK) {
        at = place_of_organization(&entity_more(e)->book->organization_id);
        set_erase(set_draft(&s->sets[SET_BOOK_BY_ORGANIZATION], false), at.shard, at.hash, e);
    } else if (e->kind == ENTITY_ISSUER) {
        at = place_of_issuer(entity_more(e)->issuer->issuer);
        set_erase(set_draft(&s->sets[SET_ISSUER_BY_ISS], false), at.shard, at.hash, e);
    }
}

/* A rebuilt twin of e: same body, so same hash; decoded anew. */
static void replace_twin(struct snapshot_builder *b, struct entity *e)
{
    struct error ignored = ERROR_INIT;
    struct entity_source from = source_of(b);
    struct entity *twin = entity_new(e->kind, &e->id, entity_body(e), &from, &ignored);
    if (twin) { /* it was read before, so it can be read again */
        struct place at = place_of_id(&e->id);
        take_out(b, e, at);
        bring_in(b, twin, at);
    }
}

/* Entities of a kind that `wanted` picks, gathered first because replacing moves slots. */
static struct entity_list pick(const struct snapshot *s, unsigned kind,
                               bool (*wanted)(const struct snapshot *s, const struct entity *e))
{
    struct entity_list list = {0};
    for (unsigned n = 0; s->sets[kind] && n < SNAPSHOT_SHARDS; n++) {
        const struct shard *in = s->sets[kind]->shards[n];
        for (uint32_t i = 0; in && i < in->cap; i++) {
            if (in->items[i] && wanted(s, in->items[i])) {
                list_push_entity(&list, in->items[i]);
            }
        }
    }
    return list;
}

static bool is_readable_now(const struct snapshot *s, const struct entity *e)
{
    return entity_more(e)->provider->credential_unreadable &&
           root_data_key(s, &entity_more(e)->data_key_id) != NULL;
}

static bool is_document_readable_now(const struct snapshot *s, const struct entity *e)
{
    return !uuid_is_nil(&entity_more(e)->data_key_id) &&
           root_data_key(s, &entity_more(e)->data_key_id) != NULL;
}

static bool is_scope_with_needs(const struct snapshot *s, const struct entity *e)
{
    (void)s;
    return e->own_needs;
}

static int compare_uuid(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

static void blocked_collect(struct snapshot *s)
{
    struct entity_list orgs = pick(s, ENTITY_ORGANIZATION, is_scope_with_needs);
    struct entity_list spaces = pick(s, ENTITY_WORKSPACE, is_scope_with_needs);
    mem_free(s->blocked);
    s->blocked = NULL;
    s->n_blocked = orgs.n + spaces.n;
    if (s->n_blocked) {
        s->blocked = mem_alloc(s->n_blocked * sizeof(struct uuid));
        for (size_t i = 0; i < s->n_blocked; i++) {
            s->blocked[i] = i < orgs.n ? orgs.items[i]->id : spaces.items[i - orgs.n]->id;
        }
        qsort(s->blocked, s->n_blocked, sizeof(struct uuid), compare_uuid);
    }
    mem_free(orgs.items);
    mem_free(spaces.items);
}

static void decode_again(struct snapshot_builder *b, unsigned kind,
                         bool (*wanted)(const struct snapshot *s, const struct entity *e))
{
    struct entity_list again = pick(b->root, kind, wanted);
    for (size_t i = 0; i < again.n; i++) {
        replace_twin(b, again.items[i]);
    }
    mem_free(again.items);
}

/* What follows from other entities: which organizations and workspaces bind their keys by needs,
 * and a provider's credential can be read once its data key is here. Both are rare, and may walk a
 * whole kind. */
static void derive(struct snapshot_builder *b)
{
    if (b->data_keys_changed) {
        decode_again(b, ENTITY_PROVIDER, is_readable_now);
        decode_again(b, ENTITY_CONFIG, is_document_readable_now);
    }
    if (b->scopes_changed) {
        blocked_collect(b->root);
    }
}

static void quotas_change(struct snapshot_builder *b)
{
    struct quota_index *base = b->root->quotas;
    b->root->quotas =
        quota_index_change(base, b->removed.items, b->removed.n, b->added.items, b->added.n);
    quota_index_unref(base);
}

struct snapshot *snapshot_builder_finish(struct snapshot_builder *b, uint64_t version,
                                         struct error *err)
{
    struct snapshot *s = b->root, *ret = NULL;
    derive(b);
    for (size_t i = 0; i < b->removed.n; i++) {
        lookups_drop(s, b->removed.items[i]);
    }
    for (size_t i = 0; i < b->added.n; i++) {
        if (b->added.items[i] && !lookups_add(s, b->added.items[i], err)) {
            goto out;
        }
    }
    quotas_change(b);
    for (unsigned i = 0; i < SET_COUNT; i++) {
        set_seal(s->sets[i]);
    }
    s->version = version;
    root_hash_compute(s);
    ret = s;
    b->root = NULL;
out:
    snapshot_builder_free(b);
    return ret;
}
