/* Who somebody is here: the user behind (issuer, subject), and the memberships and teams that the
 * group rules give, compared at each sign-in. What was given by hand stays. */
#include "controlplane/identity/login.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/crypto.h"
#include "controlplane/store/memberships.h"

/* May this issuer speak for addresses of that domain? */
static bool speaks_for(const struct issuer *x, struct str email)
{
    struct str local, domain;
    if (uuid_is_nil(&x->organization)) {
        return true;
    }
    for (size_t i = 0; str_cut(email, '@', &local, &domain) && i < x->n_email_domains; i++) {
        if (str_eq_nocase(domain, x->email_domains[i])) {
            return true;
        }
    }
    return false;
}

/* An address that is nobody's: for those whose own cannot be usable at the issuer's word, or
 * belongs to somebody already. */
static struct str placeholder(const struct issuer *x, const struct uuid *user, struct arena *a)
{
    char id[33], issuer[33];
    crypto_hex(user->b, sizeof user->b, id);
    crypto_hex(x->id.b, sizeof x->id.b, issuer);
    return arena_printf(a, "%s@%s.invalid", id, issuer);
}

/* An account that is there, by an address that the issuer may vouch for. ERR_NOT_FOUND. */
static bool find_by_email(struct tx *t, const struct issuer *x, const struct person *p,
                          struct arena *a, struct identity_user *ret, struct error *err)
{
    if (!p->email.ptr || !p->email_verified || !speaks_for(x, p->email)) {
        return error_set(err, ERR_NOT_FOUND, "%s", "");
    }
    return identity_user_by_email(t, p->email, a, ret, err);
}

static bool create_user(struct tx *t, const struct issuer *x, const struct person *p,
                        struct arena *a, struct identity_user *ret, struct error *err)
{
    struct identity_user u = {.name = p->name.ptr ? p->name : STR_LIT("")}, other;
    /* A session by an organization's own issuer reaches that organization only, so an address is
     * worth nothing elsewhere; the installation's issuers must have verified it. */
    bool usable = p->email.ptr && (!uuid_is_nil(&x->organization) || p->email_verified);
    struct error why = ERROR_INIT;
    if (usable) {
        usable = !identity_user_by_email(t, p->email, a, &other, &why);
        if (usable && why.code != ERR_NOT_FOUND) {
            *err = why;
            return false;
        }
    }
    jwt_subject_id(&x->id, p->subject, &u.id);
    u.email = usable ? p->email : placeholder(x, &u.id, a);
    if (!usable && p->email.ptr && u.name.len == 0) {
        u.name = p->email;
    }
    *ret = u;
    return u.email.ptr && identity_user_create(t, &u, err) &&
           tx_audit(t, "user.create", "user",
                    uuid_is_nil(&x->organization) ? NULL : &x->organization, &u.id, u.email.ptr,
                    NULL, NULL, err);
}

/* --- memberships --- */

static const char *audit_text(const struct identity_membership *m, struct arena *a)
{
    char workspace[64] = "null", role[64] = "null";
    if (!uuid_is_nil(&m->workspace)) {
        char id[48];
        uuid_format_public("ws", &m->workspace, id, sizeof id);
        (void)snprintf(workspace, sizeof workspace, "\"%s\"", id);
    }
    if (!uuid_is_nil(&m->role_id)) {
        char id[48];
        uuid_format_public("role", &m->role_id, id, sizeof id);
        (void)snprintf(role, sizeof role, "\"%s\"", id);
    }
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 4096);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_str(&w, "role", m->role);
    json_name(&w, "role_id");
    json_put_raw(&w, str_of(role));
    json_name(&w, "workspace_id");
    json_put_raw(&w, str_of(workspace));
    json_field_z(&w, "owned_by", "oidc");
    json_object_end(&w);
    struct str text = b.failed ? STR_NONE : arena_str(a, buffer_str(&b));
    buffer_release(&b);
    return text.ptr;
}

static struct identity_membership membership_of(const struct mapped_role *r)
{
    return (struct identity_membership){
        .organization = r->grant.organization,
        .workspace = r->grant.workspace,
        .role_id = r->grant.role == ROLE_CUSTOM ? r->grant.role_id : (struct uuid){{0}},
        .role = r->grant.role == ROLE_CUSTOM ? STR_NONE : r->role};
}

static const struct identity_membership *at_place(const struct identity_membership *list, size_t n,
                                                  const struct identity_membership *m)
{
    for (size_t i = 0; i < n; i++) {
        if (uuid_eq(&list[i].organization, &m->organization) &&
            uuid_eq(&list[i].workspace, &m->workspace)) {
            return &list[i];
        }
    }
    return NULL;
}

static bool put_membership(struct tx *t, const struct issuer *x, const struct identity_user *u,
                           struct identity_membership *m, const struct identity_membership *was,
                           struct arena *a, struct error *err)
{
    bool put = false;
    if (was && str_eq(was->role, m->role) && uuid_eq(&was->role_id, &m->role_id)) {
        return true;
    }
    if (!identity_membership_put(t, &x->id, &u->id, m, &put, err)) {
        return false;
    }
    return !put || tx_audit(t, was ? "membership.update" : "membership.create", "membership",
                            &m->organization, &m->id, u->email.ptr, was ? audit_text(was, a) : NULL,
                            audit_text(m, a), err);
}

static bool sync_memberships(struct tx *t, const struct issuer *x, const struct identity_user *u,
                             const struct mapped *mapped, struct arena *a, struct error *err)
{
    struct identity_membership *now, *wanted;
    size_t n = 0;
    wanted = arena_zalloc(a, (mapped->n_roles + 1) * sizeof *wanted);
    if (!wanted || !identity_memberships(t, &x->id, &u->id, a, &now, &n, err)) {
        return wanted ? false : error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < mapped->n_roles; i++) {
        wanted[i] = membership_of(&mapped->roles[i]);
        if (!put_membership(t, x, u, &wanted[i], at_place(now, n, &wanted[i]), a, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!at_place(wanted, mapped->n_roles, &now[i]) &&
            (!membership_leave_teams(t, &now[i].organization, &u->id, &now[i].id, err) ||
             !identity_membership_delete(t, &now[i].id, err) ||
             !tx_audit(t, "membership.delete", "membership", &now[i].organization, &now[i].id,
                       u->email.ptr, audit_text(&now[i], a), NULL, err))) {
            return false;
        }
    }
    return true;
}

static bool sync_teams(struct tx *t, const struct issuer *x, const struct identity_user *u,
                       const struct mapped *m, struct arena *a, struct error *err)
{
    struct uuid *organizations = arena_alloc(a, (m->n_teams + 1) * sizeof *organizations),
                *teams = arena_alloc(a, (m->n_teams + 1) * sizeof *teams);
    if (!organizations || !teams) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < m->n_teams; i++) {
        organizations[i] = m->teams[i].organization;
        teams[i] = m->teams[i].team;
    }
    return identity_teams_set(t, &x->id, &u->id, organizations, teams, m->n_teams, a, err);
}

/* Does anything reach them through this issuer? */
static bool has_any(struct tx *t, const struct issuer *x, const struct identity_user *u,
                    const struct mapped *m, struct arena *a, bool *ret, struct error *err)
{
    struct grant *grants;
    size_t n;
    bool own = !uuid_is_nil(&x->organization);
    *ret = m->platform_admin || (u->platform_admin && !own);
    if (!membership_grants(t, &u->id, a, &grants, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        *ret = *ret || !own || uuid_eq(&grants[i].organization, &x->organization);
    }
    return true;
}

bool login_admit(struct tx *t, const struct issuer *issuer, const struct person *p,
                 struct json_value claims, struct arena *a, struct identity_user *ret_user,
                 struct mapped *ret_mapped, bool *ret_access, const char **ret_reason,
                 struct error *err)
{
    struct identity_user u = {.id = {{0}}};
    struct error why = ERROR_INIT;
    *ret_access = false;
    *ret_reason = "no role is given to you here: ask an administrator";
    if (!mapping_resolve(t, issuer, p, claims, a, ret_mapped, err)) {
        return false;
    }
    bool known = identity_find(t, &issuer->id, p->subject, a, &u, &why);
    if (!known && why.code == ERR_NOT_FOUND) {
        why = (struct error)ERROR_INIT;
        known = find_by_email(t, issuer, p, a, &u, &why);
    }
    if (!known && why.code != ERR_NOT_FOUND) {
        *err = why;
        return false;
    }
    if (!known) {
        if (ret_mapped->n_roles == 0 && !ret_mapped->platform_admin) {
            return true; /* nobody is made who could do nothing */
        }
        if (!create_user(t, issuer, p, a, &u, err)) {
            return false;
        }
    }
    *ret_user = u;
    if (u.disabled) {
        *ret_reason = "the account is disabled";
        return true;
    }
    return sync_memberships(t, issuer, &u, ret_mapped, a, err) &&
           sync_teams(t, issuer, &u, ret_mapped, a, err) &&
           identity_link(t, &issuer->id, p->subject, &u.id, p->groups, p->n_groups, err) &&
           has_any(t, issuer, &u, ret_mapped, a, ret_access, err);
}
