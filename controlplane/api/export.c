/* GET /export: what apply takes, without secrets. Applying it to where it came from changes
 * nothing. */
#include "controlplane/api/manifest_sections.h"

#include "controlplane/api/documents.h"
#include "controlplane/api/provider_settings.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/store/models.h"
#include "controlplane/store/organizations.h"
#include "controlplane/store/providers.h"
#include "controlplane/store/workspaces.h"

static void put_object(struct json_writer *w, const char *name, const struct object_value *v)
{
    if (!str_eqz(v->text, "{}")) {
        json_name(w, name);
        json_put_raw(w, v->text);
    }
}

/* Secrets are left out, but what is nothing but a reference is none. */
static void put_references(struct json_writer *w, struct str members)
{
    struct json_value object = {.type = JSON_OBJECT, .raw = members}, name, value;
    size_t pos = 0;
    while (json_next(object, &pos, &name, &value)) {
        char z[64];
        struct str text = str_slice(json_text(name), 0, sizeof z - 1);
        memcpy(z, text.ptr, text.len);
        z[text.len] = '\0';
        json_name(w, z);
        json_put_raw(w, value.raw);
    }
}

static void put_provider(struct json_writer *w, const struct object *p)
{
    json_field_str(w, "name", p->v[PROVIDER_NAME].text);
    json_field_str(w, "kind", p->v[PROVIDER_KIND].text);
    if (p->v[PROVIDER_BASE_URL].text.len > 0) {
        json_field_str(w, "base_url", p->v[PROVIDER_BASE_URL].text);
    }
    if (p->v[PROVIDER_TIMEOUT_MS].integer > 0) {
        json_field_i64(w, "timeout_ms", p->v[PROVIDER_TIMEOUT_MS].integer);
    }
    if (p->v[PROVIDER_DISABLED].integer) {
        json_field_bool(w, "disabled", true);
    }
    put_references(w, p->v[PROVIDER_CREDENTIAL_REFERENCES].text);
    provider_settings_show(w, p, true);
}

static void put_model(struct json_writer *w, const struct object *m,
                      const struct model_target *targets, size_t n)
{
    json_field_str(w, "name", m->v[MODEL_NAME].text);
    if (object_is_set(&m->v[MODEL_CONFIG])) {
        json_field_str(w, "config", m->v[MODEL_CONFIG].text);
    }
    json_name(w, "targets");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        if (uuid_eq(&targets[i].model, &m->v[MODEL_ID].uuid)) {
            json_object_begin(w);
            json_field_str(w, "provider", targets[i].provider_name);
            json_field_str(w, "model", targets[i].name);
            if (targets[i].weight != 1) {
                json_field_i64(w, "weight", targets[i].weight);
            }
            if (targets[i].endpoint.len) {
                json_field_str(w, "endpoint", targets[i].endpoint);
            }
            json_object_end(w);
        }
    }
    json_array_end(w);
    put_object(w, "settings", &m->v[MODEL_SETTINGS]);
}

/* What is published, for that is what applying publishes; one that was never published is left
 * out. */
static bool put_document(struct call *c, const struct object_table *table, const struct object *d,
                         struct error *err)
{
    struct document_version v;
    uint64_t number = (uint64_t)d->v[DOCUMENT_PUBLISHED].integer;
    struct json_writer *w = &c->json;
    if (number == 0) {
        return true;
    }
    if (!document_get(c->tx, table, &d->v[DOCUMENT_ID].uuid, number, c->arena, &v, err)) {
        return false;
    }
    json_object_begin(w);
    json_field_str(w, "name", d->v[DOCUMENT_NAME].text);
    if (d->v[DOCUMENT_DESCRIPTION].text.len > 0) {
        json_field_str(w, "description", d->v[DOCUMENT_DESCRIPTION].text);
    }
    if (table == &prompts_table && d->v[PROMPT_PARTIAL].integer) {
        json_field_bool(w, "partial", true);
    }
    json_name(w, "document");
    json_put_raw(w, v.document);
    if (document_has_label(d->v[DOCUMENT_LABELS].text, number, c->arena)) {
        json_name(w, "labels");
        document_put_labels(w, d->v[DOCUMENT_LABELS].text, number, c->arena);
    }
    json_object_end(w);
    return true;
}

static bool put_section(struct call *c, const struct manifest_scope *scope, unsigned section,
                        struct error *err)
{
    const struct manifest_section *s = &manifest_sections[section];
    struct model_target *targets = NULL;
    struct object_query q;
    struct object *rows;
    size_t n, n_targets = 0;
    bool elsewhere = s->single || section == MANIFEST_PRICE_GROUPS; /* the organization's alone */
    if ((elsewhere && !uuid_is_nil(&scope->workspace)) || !manifest_may(c, scope, section, false)) {
        return true;
    }
    if (section >= MANIFEST_PRICE_GROUPS) {
        return export_governance(c, scope, section, err);
    }
    manifest_query(scope, section, &q);
    if (!object_list(c->tx, s->resource->table, &q, c->arena, &rows, &n, err)) {
        return false;
    }
    if (section == MANIFEST_MODELS) {
        struct uuid *ids = object_ids(rows, n, MODEL_ID, c->arena);
        if (!ids || !model_targets(c->tx, ids, n, c->arena, &targets, &n_targets, err)) {
            return ids ? false : error_set(err, ERR_OVERLOADED, "%s", "");
        }
    }
    if (s->single) {
        if (n == 0 || rows[0].v[DOCUMENT_PUBLISHED].integer == 0) {
            return true;
        }
        json_name(&c->json, s->name);
        return put_document(c, s->resource->table, &rows[0], err);
    }
    json_name(&c->json, s->name);
    json_array_begin(&c->json);
    for (size_t i = 0; i < n; i++) {
        if (section == MANIFEST_CONFIGS || section == MANIFEST_PROMPTS) {
            if (!put_document(c, s->resource->table, &rows[i], err)) {
                return false;
            }
            continue;
        }
        json_object_begin(&c->json);
        if (section == MANIFEST_PROVIDERS) {
            put_provider(&c->json, &rows[i]);
        } else {
            put_model(&c->json, &rows[i], targets, n_targets);
        }
        json_object_end(&c->json);
    }
    json_array_end(&c->json);
    return true;
}

static bool put_name(struct call *c, const char *field, const struct object_table *table,
                     const struct uuid *id, struct error *err)
{
    struct object_query q = {.limit = 1};
    struct object row;
    object_filter_uuid(&q, 0, id);
    if (!object_find(c->tx, table, &q, c->arena, &row, err)) {
        return false;
    }
    json_field_str(&c->json, field, row.v[table->title].text);
    return true;
}

bool export_call(struct call *c, struct error *err)
{
    struct manifest_scope scope;
    if (!manifest_scope_from_query(c, &scope, err)) {
        return false;
    }
    json_object_begin(&c->json);
    json_field_u64(&c->json, "version", 1);
    if (!put_name(c, "organization", &organizations_table, &scope.organization, err) ||
        (!uuid_is_nil(&scope.workspace) &&
         !put_name(c, "workspace", &workspaces_table, &scope.workspace, err))) {
        return false;
    }
    for (unsigned s = 0; s < MANIFEST_SECTIONS; s++) {
        if (!put_section(c, &scope, s, err)) {
            return false;
        }
    }
    json_object_end(&c->json);
    return true;
}
