/* A reference is checked when it is written; what it names is kept from going away by configs.c. */
#include "controlplane/api/config_reference.h"

#include "common/rules/route_config.h"
#include "controlplane/api/documents.h"

const char *config_reference_form(struct str text)
{
    struct route_ref ref;
    return route_ref_parse(text, &ref) ? NULL
                                       : "must be NAME, NAME@VERSION, NAME@LABEL, or an id "
                                         "(cfg_...) in place of the name";
}

static bool has_label(struct change *ch, const struct object *config, struct str label)
{
    struct document_label *list;
    size_t n = document_labels(config->v[DOCUMENT_LABELS].text, ch->call->arena, &list);
    for (size_t i = 0; i < n; i++) {
        if (str_eq(list[i].name, label)) {
            return true;
        }
    }
    return str_eqz(label, "latest");
}

static bool check_version(struct change *ch, const struct object *config,
                          const struct route_ref *ref, struct error *err)
{
    if (ref->version > (uint64_t)config->v[DOCUMENT_LATEST].integer) {
        return body_refuse(err, ch->at, "config", "names version %llu, which \"%.*s\" has not",
                           (unsigned long long)ref->version, STR_ARG(ref->name));
    }
    if (ref->label.len > 0 && !has_label(ch, config, ref->label)) {
        return body_refuse(err, ch->at, "config",
                           "names the label \"%.*s\", which \"%.*s\" has not", STR_ARG(ref->label),
                           STR_ARG(ref->name));
    }
    if (ref->version == 0 && ref->label.len == 0 && config->v[DOCUMENT_PUBLISHED].integer == 0) {
        return body_refuse(err, ch->at, "config", "names \"%.*s\", which has no published version",
                           STR_ARG(ref->name));
    }
    return true;
}

bool config_reference_check(struct change *ch, int column, const struct uuid *workspace,
                            struct error *err)
{
    const struct object_value *now = &ch->now.v[column];
    struct call *c = ch->call;
    struct object config;
    struct route_ref ref;
    struct uuid id;
    if (!object_is_set(now)) {
        return true;
    }
    if (!route_ref_parse(now->text, &ref)) {
        return body_refuse(err, ch->at, "config", "%s", config_reference_form(now->text));
    }
    bool by_id = str_starts(ref.name, STR_LIT("cfg_")) && uuid_parse_public("cfg", ref.name, &id);
    if (!config_find(c->tx, &c->organization, workspace, ref.name, by_id ? &id : NULL, c->arena,
                     &config, err)) {
        return err->code == ERR_NOT_FOUND
                   ? body_refuse(err, ch->at, "config", "names no config: \"%.*s\"",
                                 STR_ARG(ref.name))
                   : false;
    }
    return check_version(ch, &config, &ref, err);
}
