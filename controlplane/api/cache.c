/* Purging cached answers: of one workspace, or of all that the actor may purge. What an application
 * could still be answered with from a plane that cannot be reached now stays there for its time to
 * live: the answer tells how many planes did it. */
#include "controlplane/api/planes.h"
#include "controlplane/store/workspaces.h"

#define TIMEOUT_MS 10000u

struct purge {
    struct uuid workspace; /* nil: all */
    struct str ids;        /* 16 bytes each */
};

static bool read_workspaces(struct call *c, void *arg, struct error *err)
{
    struct purge *p = arg;
    struct object_query q = {.organization = &c->organization};
    struct object *rows;
    size_t n, len = 0;
    if (!resource_read_workspace(c, &c->body, NULL, &p->workspace, err)) {
        return false;
    }
    if (!uuid_is_nil(&p->workspace) && !permission_scope_covers(&c->scope, &p->workspace)) {
        return error_set(err, ERR_FORBIDDEN, "this needs the permission cache.purge there");
    }
    if (!object_list(c->tx, &workspaces_table, &q, c->arena, &rows, &n, err)) {
        return false;
    }
    char *ids = arena_alloc(c->arena, (n + 1) * sizeof(struct uuid));
    for (size_t i = 0; ids && i < n; i++) {
        const struct uuid *id = &rows[i].v[WORKSPACE_ID].uuid;
        bool wanted = uuid_is_nil(&p->workspace) ? permission_scope_covers(&c->scope, id)
                                                 : uuid_eq(id, &p->workspace);
        if (wanted) {
            memcpy(ids + len, id->b, sizeof id->b);
            len += sizeof id->b;
        }
    }
    p->ids = (struct str){ids, len};
    if (!ids) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    bool one = !uuid_is_nil(&p->workspace);
    return tx_audit(c->tx, "cache.purge", one ? "workspace" : "organization", &c->organization,
                    one ? &p->workspace : &c->organization, "", NULL, NULL, err);
}

static uint64_t entries_of(struct str answer)
{
    struct json_member m = {.name = STR_LIT("entries")};
    uint64_t n;
    return json_scan(answer, &m, 1, 0, NULL) && m.found && json_u64(m.value, &n) ? n : 0;
}

static bool purge(struct call *c, struct error *err)
{
    struct purge p = {.ids = STR_NONE};
    struct planes_found f = {.only = NULL};
    struct channel_answer *answers = NULL;
    uint64_t entries = 0;
    size_t planes = 0;
    static const char *const known[] = {"workspace_id", "workspace", NULL};
    if ((c->body.type == BODY_OBJECT && !body_known(&c->body, known, NULL, err)) ||
        !planes_in_tx(c, TX_TENANT, read_workspaces, &p, err) || !planes_find(c, &f, err)) {
        return false;
    }
    /* an empty list would mean everybody's */
    if (p.ids.len && !planes_ask(c, &f, PLANES_PURGE, p.ids, TIMEOUT_MS, &answers, err)) {
        return false;
    }
    for (size_t i = 0; answers && i < f.n; i++) {
        planes += answers[i].ok;
        entries += answers[i].ok ? entries_of(answers[i].json) : 0;
    }
    json_object_begin(&c->json);
    json_field_u64(&c->json, "data_planes", planes);
    json_field_u64(&c->json, "unreachable", f.n - planes);
    json_field_u64(&c->json, "entries", entries);
    json_object_end(&c->json);
    return true;
}

bool cache_purge_call(struct call *c, struct error *err)
{
    if (!planes_enter(c, err)) {
        return false;
    }
    bool ok = purge(c, err);
    planes_leave(c);
    return ok;
}
