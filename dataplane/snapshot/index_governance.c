/* Reading a root: organizations, workspaces, teams, quotas, prices, issuers. */
#include "common/base/map.h"
#include "dataplane/snapshot/quota_index.h"
#include "dataplane/snapshot/root.h"

bool match_group_name(const struct entity *e, const void *scoped_name)
{
    const struct snap_price_group *g = entity_more(e)->group;
    const struct scoped_name *wanted = scoped_name;
    return str_eq(g->name, wanted->name) && uuid_eq(&g->organization_id, wanted->organization);
}

struct place place_of_organization(const struct uuid *organization)
{
    return place_of_name(organization, STR_LIT(""));
}

struct place place_of_issuer(struct str iss)
{
    uint64_t h = map_hash(iss.len ? iss.ptr : "", iss.len);
    return (struct place){(unsigned)(h >> 56), (uint32_t)h};
}

const struct snap_organization *snapshot_organization(const struct snapshot *s,
                                                      const struct uuid *id)
{
    const struct entity *e = root_find_id(s, ENTITY_ORGANIZATION, id);
    return e ? entity_more(e)->organization : NULL;
}

const struct snap_workspace *snapshot_workspace(const struct snapshot *s, const struct uuid *id)
{
    const struct entity *e = root_find_id(s, ENTITY_WORKSPACE, id);
    return e ? entity_more(e)->workspace : NULL;
}

const struct snap_team *snapshot_team(const struct snapshot *s, const struct uuid *id)
{
    const struct entity *e = root_find_id(s, ENTITY_TEAM, id);
    return e ? entity_more(e)->team : NULL;
}

const struct snap_quota *const *snapshot_quotas(const struct snapshot *s, const struct uuid *anchor,
                                                size_t *ret_n)
{
    return quota_index_find(s->quotas, anchor, ret_n);
}

bool snapshot_has_quotas(const struct snapshot *s)
{
    return snapshot_count(s, ENTITY_BUDGET) > 0 || snapshot_count(s, ENTITY_LIMIT) > 0;
}

const struct snap_quota *snapshot_quota(const struct snapshot *s, const struct uuid *id)
{
    const struct entity *e = root_find_id(s, ENTITY_BUDGET, id);
    if (!e) {
        e = root_find_id(s, ENTITY_LIMIT, id);
    }
    return e ? entity_more(e)->quota : NULL;
}

const struct snap_price_group *
snapshot_price_group(const struct snapshot *s, const struct uuid *organization, struct str name)
{
    const struct entity *e =
        root_find_named(s->sets[SET_GROUP_BY_NAME], match_group_name, organization, NULL, name);
    return e ? entity_more(e)->group : NULL;
}

/* set_find goes through all that may fit; a question that never says yes sees each of them. */
struct book_search {
    const struct uuid *organization;
    const struct entity **first;
};

static bool keep_first_book(const struct entity *e, const void *book_search)
{
    const struct book_search *x = book_search;
    if (uuid_eq(&entity_more(e)->book->organization_id, x->organization) &&
        (!*x->first || memcmp(&e->id, &(*x->first)->id, sizeof(e->id)) < 0)) {
        *x->first = e;
    }
    return false;
}

const struct price_book *snapshot_price_book(const struct snapshot *s,
                                             const struct uuid *organization, struct uuid *ret_id,
                                             uint64_t *ret_version)
{
    const struct entity *first = NULL;
    struct book_search x = {organization, &first};
    struct place at = place_of_organization(organization);
    (void)set_find(s->sets[SET_BOOK_BY_ORGANIZATION], at.shard, at.hash, keep_first_book, &x);
    const struct book_entry *b = first ? entity_more(first)->book : NULL;
    if (!b || !b->book) {
        return NULL;
    }
    *ret_id = first->id;
    *ret_version = b->version;
    return b->book;
}

/* Those of one `iss` in the order of their ids: the least behind `after`. */
struct issuer_search {
    struct str issuer;
    const struct snap_issuer *after;
    const struct snap_issuer **next;
};

static bool keep_next_issuer(const struct entity *e, const void *issuer_search)
{
    const struct issuer_search *x = issuer_search;
    const struct snap_issuer *i = entity_more(e)->issuer;
    if (str_eq(i->issuer, x->issuer) &&
        (!x->after || memcmp(&i->id, &x->after->id, sizeof(i->id)) > 0) &&
        (!*x->next || memcmp(&i->id, &(*x->next)->id, sizeof(i->id)) < 0)) {
        *x->next = i;
    }
    return false;
}

const struct snap_issuer *snapshot_issuer(const struct snapshot *s, struct str issuer,
                                          const struct snap_issuer *after)
{
    const struct snap_issuer *next = NULL;
    struct issuer_search x = {issuer, after, &next};
    struct place at = place_of_issuer(issuer);
    (void)set_find(s->sets[SET_ISSUER_BY_ISS], at.shard, at.hash, keep_next_issuer, &x);
    return next;
}
