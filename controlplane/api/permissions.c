/* The table of permissions as the web admin and other clients need it, and what the caller holds:
 * so that no client keeps a table of its own. */
#include "controlplane/api/resources.h"

#include "controlplane/http/reply.h"

static void show_names(struct json_writer *w, const struct permission_set *s)
{
    json_name(w, "permissions");
    json_array_begin(w);
    for (int p = PERMISSION_SIGNED_IN + 1; p < PERMISSION_COUNT; p++) {
        if (permission_in(s, (enum permission)p)) {
            json_put_z(w, permission_name((enum permission)p));
        }
    }
    json_array_end(w);
}

static void show_permissions(struct json_writer *w)
{
    json_name(w, "permissions");
    json_array_begin(w);
    for (int p = PERMISSION_SIGNED_IN + 1; p < PERMISSION_COUNT; p++) {
        struct permission_set organization = role_permissions_most(false),
                              workspace = role_permissions_most(true);
        json_object_begin(w);
        json_field_z(w, "name", permission_name((enum permission)p));
        json_field_z(w, "text", permission_text((enum permission)p));
        json_name(w, "roles");
        json_array_begin(w);
        for (int r = ROLE_NONE + 1; r < ROLE_COUNT; r++) {
            if (permission_granted((enum permission)p, (enum role)r)) {
                json_put_z(w, role_key((enum role)r));
            }
        }
        json_array_end(w);
        /* where a custom role may have it */
        json_field_bool(w, "organization", permission_in(&organization, (enum permission)p));
        json_field_bool(w, "workspace", permission_in(&workspace, (enum permission)p));
        json_object_end(w);
    }
    json_array_end(w);
}

static void show_roles(struct json_writer *w)
{
    json_name(w, "roles");
    json_array_begin(w);
    for (int r = ROLE_NONE + 1; r < ROLE_COUNT; r++) {
        json_object_begin(w);
        json_field_z(w, "key", role_key((enum role)r));
        json_field_z(w, "name", role_name((enum role)r));
        json_field_z(w, "scope",
                     r == ROLE_PLATFORM_ADMIN          ? "platform"
                     : role_of_workspace((enum role)r) ? "workspace"
                                                       : "organization");
        json_field_z(w, "text", role_text((enum role)r));
        json_object_end(w);
    }
    json_array_end(w);
}

static void show_held(struct json_writer *w, const struct actor *a)
{
    json_name(w, "held");
    json_array_begin(w);
    for (size_t i = 0; i < a->n_grants; i++) {
        const struct grant *g = &a->grants[i];
        struct permission_set s = grant_permissions(g);
        json_object_begin(w);
        reply_put_id(w, "organization_id", "org", &g->organization);
        reply_put_id(w, "workspace_id", "ws", &g->workspace);
        json_field_z(w, "role", role_key(g->role));
        reply_put_id(w, "role_id", "role", &g->role_id);
        show_names(w, &s);
        json_object_end(w);
    }
    json_array_end(w);
}

bool permissions_call(struct call *c, struct error *err)
{
    (void)err;
    json_object_begin(&c->json);
    show_permissions(&c->json);
    show_roles(&c->json);
    show_held(&c->json, &c->actor);
    json_object_end(&c->json);
    return true;
}
