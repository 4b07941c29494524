/* A file of the declarative format as the body of POST /apply. */
#include "cli/manifest_file.h"

#include "cli/manifest_governance.h"

#include "common/base/clock.h"
#include "common/json.h"
#include "common/yaml.h"

static void put_texts(struct json_writer *w, const char *name, const struct str *texts, size_t n)
{
    json_name(w, name);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_put_str(w, texts[i]);
    }
    json_array_end(w);
}

/* The members of a JSON object, into one that is open. */
static void put_members(struct json_writer *w, struct str json)
{
    struct json_value object, name, value;
    size_t pos = 0;
    if (json.len == 0 || !json_validate(json, 0, &object, NULL)) {
        return;
    }
    while (json_next(object, &pos, &name, &value)) {
        char z[64];
        struct str text = str_slice(json_text(name), 0, sizeof(z) - 1);
        memcpy(z, text.ptr, text.len);
        z[text.len] = '\0';
        json_name(w, z);
        json_put_raw(w, value.raw);
    }
}

static void put_provider(struct json_writer *w, const struct manifest_provider *p,
                         const struct manifest_extras *e, size_t i)
{
    json_object_begin(w);
    json_field_str(w, "name", p->name);
    json_field_str(w, "kind", p->kind);
    if (p->base_url.len) {
        json_field_str(w, "base_url", p->base_url);
    }
    /* with more secrets than the API key it is an object, which holds that too */
    bool plain = str_eq(p->credential, p->api_key);
    if (p->api_key.ptr && plain) {
        json_field_str(w, "api_key", p->api_key);
    } else if (!plain) {
        put_members(w, p->credential);
    }
    put_members(w, p->settings_json);
    if (p->timeout_ms) {
        json_field_u64(w, "timeout_ms", p->timeout_ms);
    }
    manifest_extras_put(e, EXTRAS_PROVIDERS, i, w);
    json_object_end(w);
}

static void put_model(struct json_writer *w, const struct manifest_model *m,
                      const struct manifest_extras *e, size_t i)
{
    json_object_begin(w);
    json_field_str(w, "name", m->name);
    if (m->config.ptr) {
        json_field_str(w, "config", m->config);
    }
    json_name(w, "targets");
    json_array_begin(w);
    for (size_t t = 0; t < m->n_targets; t++) {
        json_object_begin(w);
        json_field_str(w, "provider", m->targets[t].provider);
        json_field_str(w, "model", m->targets[t].model);
        json_field_u64(w, "weight", m->targets[t].weight);
        if (m->targets[t].endpoint.ptr) {
            json_field_str(w, "endpoint", m->targets[t].endpoint);
        }
        json_object_end(w);
    }
    json_array_end(w);
    manifest_extras_put(e, EXTRAS_MODELS, i, w);
    json_object_end(w);
}

static void put_key(struct json_writer *w, const struct manifest_key *k,
                    const struct manifest_extras *e, size_t i)
{
    char time[25];
    json_object_begin(w);
    json_field_str(w, "name", k->name);
    if (k->secret.ptr) {
        json_field_str(w, "secret", k->secret);
    }
    put_texts(w, "models", k->models, k->n_models);
    put_texts(w, "providers", k->providers, k->n_providers);
    json_field_bool(w, "disabled", k->disabled);
    if (k->expires_at_ms) {
        clock_format_rfc3339(k->expires_at_ms, time);
        json_field_z(w, "expires_at", time);
    }
    if (k->config.ptr) {
        json_field_str(w, "config", k->config);
        json_field_bool(w, "config_locked", k->config_locked);
    }
    if (k->n_tags) {
        put_texts(w, "tags", k->tags, k->n_tags);
    }
    manifest_governance_put_key(w, k);
    manifest_extras_put(e, EXTRAS_KEYS, i, w);
    json_object_end(w);
}

static void put_document(struct json_writer *w, const struct manifest_document *d,
                         const struct manifest_extras *e, unsigned section, size_t i)
{
    json_object_begin(w);
    json_field_str(w, "name", d->name);
    if (d->description.ptr) {
        json_field_str(w, "description", d->description);
    }
    if (section == EXTRAS_PROMPTS) {
        json_field_bool(w, "partial", d->partial);
    }
    json_name(w, "document");
    json_put_raw(w, d->json);
    if (d->n_labels) {
        put_texts(w, "labels", d->labels, d->n_labels);
    }
    manifest_extras_put(e, section, i, w);
    json_object_end(w);
}

static void put_documents(struct json_writer *w, const struct manifest_document *list, size_t n,
                          const struct manifest_extras *e, unsigned section)
{
    if (e->has[section]) {
        json_name(w, section == EXTRAS_CONFIGS ? "configs" : "prompts");
        json_array_begin(w);
        for (size_t i = 0; i < n; i++) {
            put_document(w, &list[i], e, section, i);
        }
        json_array_end(w);
    }
}

/* As they stand in the file, which was checked: ratios keep their text. */
static void put_prices(struct json_writer *w, const struct manifest_file *f)
{
    const struct yaml_node *groups = yaml_get(f->root, "price_groups");
    const struct manifest_document *book = &f->manifest.price_book;
    if (groups) {
        json_name(w, "price_groups");
        if (groups->kind == YAML_SEQ) {
            manifest_put_json(groups, w);
        } else {
            json_put_raw(w, STR_LIT("[]"));
        }
    }
    if (book->json.ptr) {
        json_name(w, "price_book");
        json_object_begin(w);
        json_field_str(w, "name", book->name);
        if (book->description.ptr) {
            json_field_str(w, "description", book->description);
        }
        json_name(w, "document");
        json_put_raw(w, book->json);
        json_object_end(w);
    } else if (yaml_get(f->root, "price_book")) {
        json_name(w, "price_book");
        json_put_null(w);
    }
}

void manifest_file_json(const struct manifest_file *f, const struct apply_flags *flags,
                        struct buffer *ret)
{
    const struct manifest *m = &f->manifest;
    struct json_writer w;
    json_writer_init(&w, ret);
    json_object_begin(&w);
    json_field_u64(&w, "version", m->version);
    const char *workspace = flags->workspace ? flags->workspace : f->workspace;
    if (f->organization) {
        json_field_z(&w, "organization", f->organization);
    }
    if (workspace) {
        json_field_z(&w, "workspace", workspace);
    }
    /* a section that is not in the file is not touched, so it is not sent */
    if (f->extras.has[EXTRAS_PROVIDERS]) {
        json_name(&w, "providers");
        json_array_begin(&w);
        for (size_t i = 0; i < m->n_providers; i++) {
            put_provider(&w, &m->providers[i], &f->extras, i);
        }
        json_array_end(&w);
    }
    put_documents(&w, m->configs, m->n_configs, &f->extras, EXTRAS_CONFIGS);
    put_documents(&w, m->prompts, m->n_prompts, &f->extras, EXTRAS_PROMPTS);
    put_prices(&w, f);
    if (f->extras.has[EXTRAS_MODELS]) {
        json_name(&w, "models");
        json_array_begin(&w);
        for (size_t i = 0; i < m->n_models; i++) {
            put_model(&w, &m->models[i], &f->extras, i);
        }
        json_array_end(&w);
    }
    manifest_governance_put_owners(&w, f);
    if (f->extras.has[EXTRAS_KEYS]) {
        json_name(&w, "keys");
        json_array_begin(&w);
        for (size_t i = 0; i < m->n_keys; i++) {
            put_key(&w, &m->keys[i], &f->extras, i);
        }
        json_array_end(&w);
    }
    manifest_governance_put_quotas(&w, f);
    json_field_bool(&w, "prune", flags->prune);
    json_field_bool(&w, "dry_run", flags->dry_run);
    json_object_end(&w);
}
