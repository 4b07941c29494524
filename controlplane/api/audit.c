/* The audit log, newest first. */
#include "controlplane/store/audit_read.h"

#include "controlplane/api/resources.h"
#include "controlplane/http/page.h"
#include "controlplane/http/reply.h"

static void put_json(struct json_writer *w, const char *name, struct str text)
{
    json_name(w, name);
    if (text.ptr) {
        json_put_raw(w, text);
    } else {
        json_put_null(w);
    }
}

static const char *object_prefix(struct str kind)
{
    static const char *const pairs[][2] = {
        {"organization", "org"}, {"workspace", "ws"},
        {"user", "usr"},         {"membership", "mem"},
        {"key", "key"},          {"provider", "prov"},
        {"model", "mdl"},        {"data_plane_group", "grp"},
        {"data_plane", "dp"},    {"admin_token", "tok"},
        {"session", "ses"},      {"config", "cfg"},
        {"prompt", "prm"},       {"budget", "bud"},
        {"limit", "lim"},        {"team", "team"},
        {"role", "role"},        {"service_account", "sa"},
        {"issuer", "iss"},       {"price_book", "pbk"},
        {"price_group", "pgr"},  {"catalogue_override", "cato"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (str_eqz(kind, pairs[i][0])) {
            return pairs[i][1];
        }
    }
    return "obj";
}

static void show(struct json_writer *w, const struct audit_row *r)
{
    json_object_begin(w);
    reply_put_id(w, "id", "aud", &r->id);
    reply_put_id(w, "organization_id", "org", &r->organization);
    reply_put_time(w, "at", r->at_ms);
    json_field_str(w, "actor_kind", r->actor_kind);
    reply_put_id(w, "actor_id", str_eqz(r->actor_kind, "token") ? "tok" : "usr", &r->actor);
    json_field_str(w, "actor_name", r->actor_name);
    json_field_str(w, "action", r->action);
    json_field_str(w, "object_kind", r->object_kind);
    reply_put_id(w, "object_id", object_prefix(r->object_kind), &r->object);
    json_field_str(w, "object_name", r->object_name);
    put_json(w, "before", r->before_json);
    put_json(w, "after", r->after_json);
    json_field_str(w, "address", r->address);
    json_field_str(w, "request_id", r->request_id);
    json_field_u64(w, "seq", r->seq);
    json_field_str(w, "hash", r->hash);
    json_object_end(w);
}

/* An id of whatever type: its prefix is looked past. */
static bool read_object(struct call *c, struct uuid *ret, const struct uuid **ret_filter,
                        struct error *err)
{
    struct str text = http_query(c->request, "object_id"), prefix, rest;
    if (!text.ptr) {
        return true;
    }
    bool ok = uuid_parse(text, ret);
    if (!ok && str_cut(text, '_', &prefix, &rest)) {
        struct str z = arena_str(c->arena, prefix);
        ok = z.ptr && uuid_parse_public(z.ptr, text, ret);
    }
    *ret_filter = ret;
    return ok || error_set_param(err, ERR_INVALID_FIELD, "object_id", "object_id must be an id");
}

bool audit_list_call(struct call *c, struct error *err)
{
    struct audit_query q = {.organization = uuid_is_nil(&c->organization) ? NULL : &c->organization,
                            .action = http_query(c->request, "action"),
                            .object_kind = http_query(c->request, "object_kind")};
    struct page page;
    struct audit_row *list;
    struct uuid object;
    size_t n;
    if (!page_read(c->request, &page, err) || !read_object(c, &object, &q.object, err) ||
        !query_span(c, &q.from_ms, &q.to_ms, err)) {
        return false;
    }
    q.before = page.has_after ? &page.after : NULL;
    q.limit = page.limit + 1;
    if (!audit_list(c->tx, &q, c->arena, &list, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    for (size_t i = 0; i < n; i++) {
        show(&c->json, &list[i]);
    }
    page_end(&c->json, more, n > 0 ? &list[n - 1].id : NULL);
    return true;
}
