/* Reading claims and rules. Where several rules give roles at one place, the one that may do most
 * counts; everything else adds up. */
#include "controlplane/identity/mapping.h"

#include <stdio.h>

#include "common/regex.h"
#include "controlplane/identity/inside.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/user_identities.h"

#define NAME_MAX_BYTES 200

/* --- the forms --- */

static bool check_texts(struct json_value object, const char *const *names, const char *field,
                        struct error *err)
{
    struct json_value name, value;
    size_t pos = 0;
    while (json_next(object, &pos, &name, &value)) {
        bool known = false;
        for (size_t i = 0; names[i]; i++) {
            known = known || json_text_eq(name, str_of(names[i]));
        }
        if (!known) {
            return error_set_param(err, ERR_INVALID_FIELD, field, "%s: unknown field %.*s", field,
                                   name.raw.len > 60 ? 60 : (int)name.raw.len, name.raw.ptr);
        }
    }
    return true;
}

static bool is_short_text(struct json_value v)
{
    return v.type == JSON_STRING && v.raw.len > 2 && v.raw.len <= NAME_MAX_BYTES + 2;
}

bool claims_check(struct str json, struct error *err)
{
    static const char *const names[] = {"user", "email", "email_verified", "name",     "groups",
                                        "team", "key",   "end_user",       "metadata", NULL};
    struct json_value object, name, value, inner_name, inner;
    size_t pos = 0, at = 0, n = 0;
    if (!json_validate(json, 8, &object, NULL) || object.type != JSON_OBJECT) {
        return error_set_param(err, ERR_INVALID_FIELD, "claims", "claims must be an object");
    }
    if (!check_texts(object, names, "claims", err)) {
        return false;
    }
    while (json_next(object, &pos, &name, &value)) {
        if (!json_text_eq(name, STR_LIT("metadata"))) {
            if (!is_short_text(value)) {
                return error_set_param(err, ERR_INVALID_FIELD, "claims",
                                       "claims: %.*s must be the name of a claim",
                                       (int)name.raw.len, name.raw.ptr);
            }
            continue;
        }
        while (json_next(value, &at, &inner_name, &inner)) {
            if (!is_short_text(inner) || inner_name.raw.len > 66 || ++n > 16) {
                return error_set_param(err, ERR_INVALID_FIELD, "claims",
                                       "claims: metadata must be at most 16 names with the name of "
                                       "a claim each");
            }
        }
        if (value.type != JSON_OBJECT) {
            return error_set_param(err, ERR_INVALID_FIELD, "claims",
                                   "claims: metadata must be an object");
        }
    }
    return true;
}

static bool refuse_rule(struct error *err, size_t i, const char *what)
{
    char param[40];
    (void)snprintf(param, sizeof param, "group_rules[%zu]", i);
    return error_set_param(err, ERR_INVALID_FIELD, param, "%s %s", param, what);
}

static bool check_rule(struct json_value rule, size_t i, bool own, struct arena *a,
                       struct error *err)
{
    static const char *const names[] = {"group",     "regex", "claim", "organization",
                                        "workspace", "role",  "team",  NULL};
    const struct regex *x;
    struct error why = ERROR_INIT;
    struct json_value name, value;
    size_t pos = 0;
    if (rule.type != JSON_OBJECT) {
        return refuse_rule(err, i, "must be an object");
    }
    if (!check_texts(rule, names, "group_rules", err)) {
        return false;
    }
    while (json_next(rule, &pos, &name, &value)) {
        if (value.type != JSON_NULL && !is_short_text(value)) {
            return refuse_rule(err, i, "may hold texts of 1 to 200 bytes only");
        }
    }
    struct str group = identity_text(rule, "group", a), regex = identity_text(rule, "regex", a),
               role = identity_text(rule, "role", a),
               workspace = identity_text(rule, "workspace", a);
    if (!group.ptr == !regex.ptr) {
        return refuse_rule(err, i, "must have one of group and regex");
    }
    if (regex.ptr && !regex_compile(regex, a, &x, &why)) {
        return refuse_rule(err, i, "has a regex that cannot be compiled");
    }
    if (!role.ptr && !identity_text(rule, "team", a).ptr) {
        return refuse_rule(err, i, "must have a role or a team");
    }
    if (str_eqz(role, "platform_admin")) {
        return (!own && !workspace.ptr && !identity_text(rule, "organization", a).ptr) ||
               refuse_rule(err, i,
                           "may give platform_admin only for the installation's own issuers and "
                           "without an organization");
    }
    if (own && identity_text(rule, "organization", a).ptr) {
        return refuse_rule(err, i, "must not name an organization: it is the issuer's own");
    }
    return own || identity_text(rule, "organization", a).ptr ||
           refuse_rule(err, i, "must name an organization");
}

bool rules_check(struct str json, bool own_organization, struct error *err)
{
    struct json_value list, rule;
    size_t pos = 0, n = 0;
    if (!json_validate(json, 8, &list, NULL) || list.type != JSON_ARRAY) {
        return error_set_param(err, ERR_INVALID_FIELD, "group_rules",
                               "group_rules must be an array");
    }
    struct arena *a = arena_new((size_t)8 << 20);
    bool ok = true;
    while (ok && json_next(list, &pos, NULL, &rule)) {
        ok = n < MAPPING_RULES_MAX ? check_rule(rule, n, own_organization, a, err)
                                   : refuse_rule(err, n, "is one too many");
        n++;
    }
    arena_free(a);
    return ok;
}

/* --- the person --- */

static struct str claim_path(struct json_value config, const char *what, const char *usual,
                             struct arena *a)
{
    struct str path = identity_text(config, what, a);
    return path.ptr ? path : str_of(usual);
}

static struct str text_claim(struct json_value config, const char *what, const char *usual,
                             struct json_value claims, struct arena *a)
{
    struct json_value v;
    struct str s = jwt_claim(claims, claim_path(config, what, usual, a), &v) ? identity_decode(v, a)
                                                                             : STR_NONE;
    return s.ptr && validate_utf8(s) ? s : STR_NONE;
}

/* A list of texts, or one text. */
static size_t take_groups(struct json_value v, struct arena *a, struct str **ret)
{
    struct str *list = arena_alloc(a, MAPPING_GROUPS_MAX * sizeof *list);
    struct json_value item;
    size_t pos = 0, n = 0;
    *ret = list;
    if (list && v.type == JSON_STRING) {
        list[0] = identity_decode(v, a);
        return list[0].ptr && validate_utf8(list[0]);
    }
    while (list && n < MAPPING_GROUPS_MAX && json_next(v, &pos, NULL, &item) &&
           v.type == JSON_ARRAY) {
        list[n] = identity_decode(item, a);
        n += list[n].ptr && list[n].len <= 256 && validate_utf8(list[n]);
    }
    return n;
}

static bool holds(struct json_value object, const char *name)
{
    struct json_member m = {.name = str_of(name)};
    return json_members(object, &m, 1, NULL) && m.found && m.value.type != JSON_FALSE;
}

bool person_read(const struct issuer *issuer, struct json_value claims, struct arena *a,
                 struct person *ret, struct error *err)
{
    struct json_value config, v;
    struct person p = {.n_groups = 0};
    if (!json_validate(issuer->claims, 0, &config, NULL)) {
        return error_set(err, ERR_INTERNAL, "the issuer's claims cannot be read");
    }
    p.subject = text_claim(config, "user", "sub", claims, a);
    if (!p.subject.ptr || p.subject.len == 0 || p.subject.len > 255) {
        return error_set(err, ERR_INVALID_TOKEN, "the token names no subject");
    }
    p.email = text_claim(config, "email", "email", claims, a);
    if (p.email.ptr && (p.email.len > 254 || validate_email(p.email) != NULL)) {
        p.email = STR_NONE;
    }
    p.name = text_claim(config, "name", "name", claims, a);
    if (p.name.ptr && (p.name.len > 200 || validate_name(p.name) != NULL)) {
        p.name = STR_NONE;
    }
    if (jwt_claim(claims, claim_path(config, "email_verified", "email_verified", a), &v)) {
        p.email_verified = v.type == JSON_TRUE || json_text_eq(v, STR_LIT("true"));
    }
    if (jwt_claim(claims, claim_path(config, "groups", "groups", a), &v)) {
        p.n_groups = take_groups(v, a, &p.groups);
    }
    p.overage = holds(claims, "_claim_names") || holds(claims, "hasgroups");
    *ret = p;
    return true;
}

/* --- rules --- */

static bool group_fits(struct str pattern, struct str group)
{
    if (pattern.len && pattern.ptr[pattern.len - 1] == '*') {
        return str_starts(group, str_slice(pattern, 0, pattern.len - 1));
    }
    return str_eq(pattern, group);
}

static bool rule_fits(struct json_value rule, const struct person *p, struct json_value claims,
                      struct arena *a)
{
    struct str group = identity_text(rule, "group", a), pattern = identity_text(rule, "regex", a),
               claim = identity_text(rule, "claim", a), *groups = p->groups;
    const struct regex *x = NULL;
    struct error ignored = ERROR_INIT;
    struct json_value v;
    size_t n = p->n_groups;
    if (claim.ptr) {
        n = jwt_claim(claims, claim, &v) ? take_groups(v, a, &groups) : 0;
    }
    if (!group.ptr && (!pattern.ptr || !regex_compile(pattern, a, &x, &ignored))) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (group.ptr ? group_fits(group, groups[i]) : regex_matches(x, groups[i])) {
            return true;
        }
    }
    return false;
}

static void warn(struct mapped *m, struct arena *a, size_t rule, const char *what, struct str name)
{
    struct str text =
        arena_printf(a, "group_rules[%zu]: %s \"%.*s\" does not exist", rule, what, STR_ARG(name));
    if (text.ptr) {
        m->warnings[m->n_warnings++] = text;
    }
}

static unsigned width_of(const struct grant *g)
{
    struct permission_set s = grant_permissions(g);
    unsigned n = 0;
    for (int p = 0; p < PERMISSION_COUNT; p++) {
        n += permission_in(&s, (enum permission)p);
    }
    return n;
}

/* The widest at a place stays. */
static void add_role(struct mapped *m, const struct mapped_role *r)
{
    for (size_t i = 0; i < m->n_roles; i++) {
        struct grant *g = &m->roles[i].grant;
        if (uuid_eq(&g->organization, &r->grant.organization) &&
            uuid_eq(&g->workspace, &r->grant.workspace)) {
            if (width_of(&r->grant) > width_of(g)) {
                m->roles[i] = *r;
            }
            return;
        }
    }
    m->roles[m->n_roles++] = *r;
}

static void add_team(struct mapped *m, const struct mapped_team *t)
{
    for (size_t i = 0; i < m->n_teams; i++) {
        if (uuid_eq(&m->teams[i].team, &t->team)) {
            return;
        }
    }
    m->teams[m->n_teams++] = *t;
}

/* False with ERR_NOT_FOUND: what it names is not there. */
static bool resolve_role(struct tx *t, struct mapped_role *r, struct arena *a, struct error *err)
{
    bool workspace = !uuid_is_nil(&r->grant.workspace);
    r->grant.role = role_parse(r->role, workspace);
    if (r->grant.role == ROLE_PLATFORM_ADMIN) {
        r->grant.role = ROLE_NONE;
        return error_set(err, ERR_NOT_FOUND, "%s", "");
    }
    if (r->grant.role != ROLE_NONE) {
        return true;
    }
    r->grant.role = ROLE_CUSTOM;
    return identity_role(t, &r->grant.organization, r->role, workspace, a, &r->grant.role_id,
                         &r->role, &r->grant.permissions, err);
}

struct rule_names {
    struct str organization, workspace, role, team;
};

/* *ret_missing: what kind of thing is not there, with its name in *ret_name; NULL: all are. */
static bool resolve_names(struct tx *t, const struct issuer *issuer, const struct rule_names *n,
                          struct arena *a, struct mapped *m, const char **ret_missing,
                          struct str *ret_name, struct error *err)
{
    struct mapped_role r = {
        .role = n->role, .organization_name = n->organization, .workspace_name = n->workspace};
    struct mapped_team team = {.name = n->team};
    *ret_missing = "organization";
    *ret_name = n->organization;
    r.grant.organization = issuer->organization;
    if (uuid_is_nil(&issuer->organization) &&
        !identity_organization(t, n->organization, &r.grant.organization, err)) {
        return false;
    }
    *ret_missing = "workspace";
    *ret_name = n->workspace;
    if (n->workspace.ptr &&
        !identity_workspace(t, &r.grant.organization, n->workspace, &r.grant.workspace, err)) {
        return false;
    }
    *ret_missing = "role";
    *ret_name = n->role;
    if (n->role.ptr) {
        if (!resolve_role(t, &r, a, err)) {
            return false;
        }
        add_role(m, &r);
    }
    *ret_missing = "team";
    *ret_name = n->team;
    team.organization = r.grant.organization;
    if (n->team.ptr) {
        if (!identity_team(t, &r.grant.organization, n->team, &team.team, err)) {
            return false;
        }
        add_team(m, &team);
    }
    *ret_missing = NULL;
    return true;
}

static bool apply_rule(struct tx *t, const struct issuer *issuer, struct json_value rule, size_t i,
                       struct arena *a, struct mapped *m, struct error *err)
{
    const char *missing;
    struct str name;
    struct rule_names n = {.organization = identity_text(rule, "organization", a),
                           .workspace = identity_text(rule, "workspace", a),
                           .role = identity_text(rule, "role", a),
                           .team = identity_text(rule, "team", a)};
    if (str_eqz(n.role, "platform_admin")) {
        m->platform_admin = m->platform_admin || uuid_is_nil(&issuer->organization);
        return true;
    }
    if (!resolve_names(t, issuer, &n, a, m, &missing, &name, err)) {
        if (err->code != ERR_NOT_FOUND) {
            return false;
        }
        *err = (struct error)ERROR_INIT;
        warn(m, a, i, missing, name);
    }
    return true;
}

bool mapping_resolve(struct tx *t, const struct issuer *issuer, const struct person *p,
                     struct json_value claims, struct arena *a, struct mapped *ret,
                     struct error *err)
{
    struct json_value rules, rule;
    size_t pos = 0, i = 0;
    struct mapped m = {.roles = arena_alloc(a, MAPPING_RULES_MAX * sizeof *m.roles),
                       .teams = arena_alloc(a, MAPPING_RULES_MAX * sizeof *m.teams),
                       .warnings = arena_alloc(a, MAPPING_RULES_MAX * sizeof *m.warnings)};
    if (!m.roles || !m.teams || !m.warnings) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (json_validate(issuer->group_rules, 0, &rules, NULL) && rules.type == JSON_ARRAY) {
        for (; i < MAPPING_RULES_MAX && json_next(rules, &pos, NULL, &rule); i++) {
            if (!rule_fits(rule, p, claims, a)) {
                continue;
            }
            m.matched++;
            if (!apply_rule(t, issuer, rule, i, a, &m, err)) {
                return false;
            }
        }
    }
    *ret = m;
    return true;
}

struct grant *mapping_grants(const struct mapped *m, struct arena *a)
{
    struct grant *list = arena_zalloc(a, (m->n_roles + 2) * sizeof *list);
    for (size_t i = 0; list && i < m->n_roles; i++) {
        list[i] = m->roles[i].grant;
    }
    return list;
}
