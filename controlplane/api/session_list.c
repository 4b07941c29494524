/* Sessions that go on: one's own, and those of an organization's people for who may see them. */
#include "controlplane/store/sessions.h"

#include "controlplane/api/resources.h"
#include "controlplane/http/page.h"
#include "controlplane/http/reply.h"

/* Organizations where the actor holds the permission as a whole. */
static size_t organizations_with(const struct call *c, enum permission p, struct uuid *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < c->actor.n_grants; i++) {
        const struct grant *g = &c->actor.grants[i];
        if (uuid_is_nil(&g->workspace) && !uuid_is_nil(&g->organization) && grant_holds(g, p)) {
            ret[n++] = g->organization;
        }
    }
    return n;
}

/* Whose sessions somebody with this permission reaches besides their own. */
static bool others_scope(struct call *c, enum permission p, struct session_scope *ret,
                         struct error *err)
{
    struct uuid *list = arena_alloc(c->arena, (c->actor.n_grants + 1) * sizeof *list);
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    *ret = (struct session_scope){.only_organizations = !c->actor.platform, .organizations = list};
    ret->n_organizations = organizations_with(c, p, list);
    return c->actor.platform || ret->n_organizations > 0 ||
           error_set(err, ERR_FORBIDDEN, "this needs the permission %s", permission_name(p));
}

static struct session_scope own_scope(const struct call *c)
{
    return (struct session_scope){.user = &c->actor.id,
                                  .issuer = uuid_is_nil(&c->actor.organization) ? NULL
                                                                                : &c->actor.issuer};
}

static void show(struct call *c, const struct session_row *s)
{
    struct json_writer *w = &c->json;
    json_object_begin(w);
    reply_put_id(w, "id", "ses", &s->id);
    reply_put_id(w, "user_id", "usr", &s->user);
    json_field_str(w, "email", s->email);
    json_field_str(w, "name", s->name);
    json_field_bool(w, "current", uuid_eq(&s->id, &c->actor.session));
    reply_put_id(w, "issuer_id", "iss", &s->issuer);
    json_field_str(w, "issuer", uuid_is_nil(&s->issuer) ? STR_NONE : s->issuer_name);
    json_field_str(w, "address", s->address);
    json_field_str(w, "user_agent", s->user_agent);
    reply_put_time(w, "created_at", s->created_at_ms);
    reply_put_time(w, "last_seen_at", s->last_seen_at_ms);
    reply_put_time(w, "expires_at", s->expires_at_ms);
    json_object_end(w);
}

/* One's own, or with ?all=true (and ?user_id=) those of others. */
bool session_list_call(struct call *c, struct error *err)
{
    struct str all = http_query(c->request, "all"), user = http_query(c->request, "user_id");
    struct session_scope scope = own_scope(c);
    struct session_row *rows;
    struct page page;
    struct uuid id;
    size_t n;
    bool others = str_eqz(all, "true") || user.ptr;
    if (!page_read(c->request, &page, err) ||
        (others && !others_scope(c, PERMISSION_SESSION_READ, &scope, err))) {
        return false;
    }
    if (user.ptr) {
        if (!uuid_parse_public("usr", user, &id)) {
            return error_set_param(err, ERR_INVALID_FIELD, "user_id",
                                   "user_id must be an id (usr_...)");
        }
        scope.user = &id;
    }
    if (!others && c->actor.token) {
        return error_set(err, ERR_BAD_REQUEST, "a token has no sessions: ask for ?all=true");
    }
    if (!session_list(c->tx, &scope, page.has_after ? &page.after : NULL, page.limit + 1, c->arena,
                      &rows, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    for (size_t i = 0; i < n; i++) {
        show(c, &rows[i]);
    }
    page_end(&c->json, more, n > 0 ? &rows[n - 1].id : NULL);
    return true;
}

bool session_revoke_call(struct call *c, struct error *err)
{
    struct session_scope scope = own_scope(c);
    struct session_row row;
    struct error why = ERROR_INIT;
    c->status = 204;
    bool found = !c->actor.token && session_read(c->tx, &scope, &c->id, c->arena, &row, &why);
    if (!found) {
        if (why.code != ERR_NONE && why.code != ERR_NOT_FOUND) {
            *err = why;
            return false;
        }
        /* what is not there and what is not theirs to see are answered alike */
        if (!others_scope(c, PERMISSION_SESSION_REVOKE, &scope, err)) {
            return err->code == ERR_FORBIDDEN ? error_set(err, ERR_NOT_FOUND, "session not found")
                                              : false;
        }
        if (!session_read(c->tx, &scope, &c->id, c->arena, &row, err)) {
            return false;
        }
    }
    const struct uuid *organization = scope.n_organizations == 1 ? scope.organizations : NULL;
    return session_delete(c->tx, &row.id, err) &&
           tx_audit(c->tx, "session.revoke", "session", organization, &row.id,
                    arena_str(c->arena, row.email).ptr, NULL, NULL, err);
}
