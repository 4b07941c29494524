/* The declarative document: POST /apply makes the database say what it says, by name, in one
 * transaction.
 *
 * {"version":1, "organization"?, "workspace"?, "providers":[], "configs":[], "prompts":[],
 * "price_book":{}, "models":[], "keys":[], "prune"?, "dry_run"?}
 *
 * A config's or prompt's document is published; one that differs from what is in force and from the
 * newest becomes a new version. Its labels are those that this version has; labels of other
 * versions stay where they are, unless named.
 *
 * Without `workspace`, all but keys and service accounts are the organization's, and those stand in
 * its only workspace. What is made or taken over is owned by the file from then on. An absent
 * section is left alone; `prune` deletes what a file owns and the sections given do not name.
 * Absent fields mean their defaults, absent secrets "as it is". */
#include "controlplane/api/manifest_sections.h"

#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/store/quota_scopes.h"

#define ITEMS_MAX 10000

enum outcome { CREATED = 0, UPDATED, UNCHANGED, DELETED, OUTCOME_COUNT };

static const char *const outcome_names[OUTCOME_COUNT] = {"created", "updated", "unchanged",
                                                         "deleted"};

/* What became of one section's items, in order. */
struct section_report {
    struct {
        enum outcome outcome;
        struct str name;
        struct uuid id;
        struct str secret; /* of a key minted here */
    } * items;
    size_t n, cap;
};

struct apply {
    struct call *call;
    struct manifest_scope scope;
    bool prune, dry_run;
    struct section_report reports[MANIFEST_SECTIONS];
};

static bool report(struct apply *ap, unsigned section, enum outcome outcome, struct str name,
                   const struct uuid *id, struct str secret, struct error *err)
{
    struct section_report *r = &ap->reports[section];
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 64;
        void *grown = arena_alloc(ap->call->arena, cap * sizeof *r->items);
        if (!grown) {
            return error_set(err, ERR_OVERLOADED, "%s", "");
        }
        if (r->n > 0) {
            memcpy(grown, r->items, r->n * sizeof *r->items);
        }
        r->items = grown;
        r->cap = cap;
    }
    r->items[r->n].outcome = outcome;
    r->items[r->n].name = name;
    r->items[r->n].id = *id;
    r->items[r->n].secret = secret;
    r->n++;
    return true;
}

static bool item_name(const struct body_value *item, const struct body_path *at, struct str *ret,
                      struct error *err)
{
    const struct body_value *name = body_get(item, "name");
    if (item->type != BODY_OBJECT) {
        return body_refuse(err, at, NULL, "must be an object");
    }
    if (!name) {
        return body_refuse(err, at, "name", "is required");
    }
    return body_text(name, 1, 200, at, "name", ret, err);
}

/* The same name twice in a section would make the outcome depend on the order. */
static bool check_twice(const struct body_value *list, const char *section, struct error *err)
{
    struct body_path here = {NULL, section, 0};
    struct str a, b;
    for (size_t i = 0; i < list->n; i++) {
        struct body_path at = {&here, NULL, i};
        if (!item_name(&list->items[i], &at, &a, err)) {
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            b = body_get(&list->items[k], "name")->text;
            if (str_eq_nocase(a, b)) {
                return body_refuse(err, &at, "name", "stands twice: \"%.*s\"", STR_ARG(a));
            }
        }
    }
    return true;
}

/* A service account names its team as keys do, and its resource takes an id. */
static bool name_team(struct apply *ap, const struct body_value *item, const struct body_path *at,
                      struct body_value *ret, struct error *err)
{
    const struct body_value *v = body_get(item, "team");
    struct call *c = ap->call;
    struct scope_target team;
    struct str name;
    char id[64];
    *ret = *item;
    if (!v || v->type == BODY_NULL) {
        return true;
    }
    if (!body_text(v, 1, 100, at, "team", &name, err)) {
        return false;
    }
    if (!quota_scope_find(c->tx, SCOPE_TEAM, &c->organization, &ap->scope.key_workspace, name,
                          c->arena, &team, err)) {
        return err->code == ERR_NOT_FOUND ? body_refuse(err, at, "team", "does not exist") : false;
    }
    uuid_format_public("team", &team.id, id, sizeof id);
    ret->names = arena_alloc(c->arena, item->n * sizeof *ret->names);
    ret->items = arena_alloc(c->arena, item->n * sizeof *ret->items);
    struct str text = arena_str(c->arena, str_of(id));
    if (!ret->names || !ret->items || !text.ptr) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < item->n; i++) {
        bool is_team = str_eqz(item->names[i], "team");
        ret->names[i] = is_team ? STR_LIT("team_id") : item->names[i];
        ret->items[i] =
            is_team ? (struct body_value){.type = BODY_TEXT, .text = text} : item->items[i];
    }
    return true;
}

static bool apply_item(struct apply *ap, unsigned section, const struct body_value *item,
                       const struct body_path *at, struct error *err)
{
    const struct manifest_section *s = &manifest_sections[section];
    struct object_query q;
    struct change ch;
    struct str name;
    struct body_value body = *item;
    bool changed = true;
    if (!item_name(item, at, &name, err) ||
        (section == MANIFEST_SERVICE_ACCOUNTS && !name_team(ap, item, at, &body, err))) {
        return false;
    }
    change_init(&ch, ap->call, s->resource);
    ch.body = &body;
    ch.at = at;
    ch.owner = "file";
    ch.placed = true;
    ch.workspace = manifest_workspace(&ap->scope, section);
    manifest_query(&ap->scope, section, &q);
    if (!s->single) {
        object_filter_text(&q, s->resource->table->title, name, s->nocase);
    }
    q.lock = true;
    if (object_find(ap->call->tx, s->resource->table, &q, ap->call->arena, &ch.before, err)) {
        ch.whole = true;
        return change_update(&ch, &changed, err) &&
               report(ap, section, changed ? UPDATED : UNCHANGED, name, &ch.now.v[0].uuid, STR_NONE,
                      err);
    }
    if (err->code != ERR_NOT_FOUND) {
        return false;
    }
    *err = (struct error)ERROR_INIT;
    return change_create(&ch, err) &&
           report(ap, section, CREATED, name, &ch.now.v[0].uuid, ch.secret, err);
}

/* The section's items as a list, NULL when it is not given; of a single one: itself, or none. */
static const struct body_value *section_list(struct apply *ap, const struct manifest_section *s)
{
    const struct body_value *v = body_get(&ap->call->body, s->name);
    struct body_value *list = v && s->single ? arena_zalloc(ap->call->arena, sizeof *list) : NULL;
    if (!list) {
        return v;
    }
    list->type = BODY_ARRAY;
    list->n = v->type == BODY_NULL ? 0 : 1;
    list->items = (struct body_value *)(uintptr_t)v;
    return list;
}

/* What no workspace has is not for a workspace's document, nor any of it for whoever may not write
 * it. */
static bool check_section(struct apply *ap, unsigned section, const struct body_value *list,
                          struct error *err)
{
    const struct manifest_section *s = &manifest_sections[section];
    if ((s->single || section == MANIFEST_PRICE_GROUPS) && !uuid_is_nil(&ap->scope.workspace)) {
        return body_refuse(err, NULL, s->name, "has no place in a workspace's document");
    }
    if (list->n == 0 && !ap->prune) {
        return true;
    }
    return manifest_may(ap->call, &ap->scope, section, true) ||
           error_set_param(err, ERR_FORBIDDEN, s->name, "%s: this needs the permission %s there",
                           s->name, permission_name(s->write));
}

static bool apply_section(struct apply *ap, unsigned section, struct error *err)
{
    const struct manifest_section *s = &manifest_sections[section];
    const struct body_value *list = section_list(ap, s);
    struct body_path here = {NULL, s->name, 0};
    if (!list) {
        return true;
    }
    if (!body_array(list, ITEMS_MAX, NULL, s->name, err) ||
        !check_section(ap, section, list, err) || !check_twice(list, s->name, err)) {
        return false;
    }
    for (size_t i = 0; i < list->n; i++) {
        struct body_path at = {&here, NULL, i};
        if (!apply_item(ap, section, &list->items[i], s->single ? &here : &at, err)) {
            return false;
        }
    }
    return true;
}

static bool is_named(const struct body_value *list, struct str name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (str_eq_nocase(body_get(&list->items[i], "name")->text, name)) {
            return true;
        }
    }
    return false;
}

static bool prune_section(struct apply *ap, unsigned section, struct error *err)
{
    const struct manifest_section *s = &manifest_sections[section];
    const struct object_table *table = s->resource->table;
    const struct body_value *list = section_list(ap, s);
    struct object_query q;
    struct object *rows;
    size_t n;
    if (!list || !ap->prune) {
        return true;
    }
    manifest_query(&ap->scope, section, &q);
    object_filter_text(&q, table->owned_by, STR_LIT("file"), false);
    q.lock = true;
    if (!object_list(ap->call->tx, table, &q, ap->call->arena, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct str name = rows[i].v[table->title].text;
        struct change ch;
        if (is_named(list, name)) {
            continue;
        }
        change_init(&ch, ap->call, s->resource);
        ch.owner = "file";
        ch.before = rows[i];
        if (!s->remove(&ch, err) ||
            !report(ap, section, DELETED, name, &rows[i].v[0].uuid, STR_NONE, err)) {
            return false;
        }
    }
    return true;
}

static void show_report(struct apply *ap)
{
    struct json_writer *w = &ap->call->json;
    json_object_begin(w);
    json_field_bool(w, "dry_run", ap->dry_run);
    for (unsigned s = 0; s < MANIFEST_SECTIONS; s++) {
        const struct section_report *r = &ap->reports[s];
        json_name(w, manifest_sections[s].name);
        json_object_begin(w);
        for (int o = 0; o < OUTCOME_COUNT; o++) {
            json_name(w, outcome_names[o]);
            json_array_begin(w);
            for (size_t i = 0; i < r->n; i++) {
                if ((int)r->items[i].outcome == o) {
                    json_put_str(w, r->items[i].name);
                }
            }
            json_array_end(w);
        }
        json_object_end(w);
    }
    json_name(w, "secrets");
    json_array_begin(w);
    const struct section_report *keys = &ap->reports[MANIFEST_KEYS];
    for (size_t i = 0; i < keys->n; i++) {
        if (keys->items[i].secret.ptr && !ap->dry_run) {
            json_object_begin(w);
            reply_put_id(w, "id", "key", &keys->items[i].id);
            json_field_str(w, "name", keys->items[i].name);
            json_field_str(w, "secret", keys->items[i].secret);
            json_object_end(w);
        }
    }
    json_array_end(w);
    json_object_end(w);
}

static bool read_head(struct apply *ap, struct error *err)
{
    const char *names[MANIFEST_SECTIONS + 6] = {"version", "organization", "workspace", "prune",
                                                "dry_run"};
    const struct body_value *body = &ap->call->body, *version = body_get(body, "version"),
                            *prune = body_get(body, "prune"), *dry_run = body_get(body, "dry_run");
    int64_t n;
    for (unsigned i = 0; i < MANIFEST_SECTIONS; i++) {
        names[5 + i] = manifest_sections[i].name;
    }
    if (!body_known(body, names, NULL, err)) {
        return false;
    }
    if (!version) {
        return body_refuse(err, NULL, "version", "is required");
    }
    return body_integer(version, 1, 1, NULL, "version", &n, err) &&
           (!prune || body_bool(prune, NULL, "prune", &ap->prune, err)) &&
           (!dry_run || body_bool(dry_run, NULL, "dry_run", &ap->dry_run, err));
}

bool apply_call(struct call *c, struct error *err)
{
    struct apply ap = {.call = c};
    bool has_keys = body_get(&c->body, "keys") || body_get(&c->body, "service_accounts");
    if (!read_head(&ap, err) || !manifest_scope_from_body(c, has_keys, &ap.scope, err)) {
        return false;
    }
    for (unsigned s = 0; s < MANIFEST_SECTIONS; s++) {
        if (!apply_section(&ap, s, err)) {
            return false;
        }
    }
    /* users before what they use: keys and models before configs and providers */
    for (unsigned s = MANIFEST_SECTIONS; s-- > 0;) {
        if (!prune_section(&ap, s, err)) {
            return false;
        }
    }
    show_report(&ap);
    c->undo = ap.dry_run;
    return true;
}
