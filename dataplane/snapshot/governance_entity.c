/* See governance_entity.h. */
#include "dataplane/snapshot/governance_entity.h"

#include "common/json.h"
#include "common/jwt.h"
#include "common/rules/price_book.h"
#include "dataplane/snapshot/wire_take.h"

/* A text member of an object, decoded; "" where it is none. */
static struct str member_text(struct entity_more *e, struct str object, const char *name)
{
    struct json_member m = {.name = str_of(name)};
    size_t n = 0;
    if (!json_scan(object, &m, 1, 0, NULL) || !m.found || m.value.type != JSON_STRING) {
        return STR_LIT("");
    }
    if (!m.value.escaped) {
        return json_text(m.value);
    }
    char *text = arena_alloc(entity_memory(e), m.value.raw.len);
    return text && json_unescape(m.value, text, m.value.raw.len, &n) ? (struct str){text, n}
                                                                     : STR_LIT("");
}

struct entity *organization_entity_new(const struct uuid *id, struct str body, struct error *err)
{
    struct entity_more *e =
        entity_begin(ENTITY_ORGANIZATION, id, body, sizeof(struct snap_organization));
    struct snap_organization *o = e->organization;
    struct uuid own = *id;
    struct wire w = wire_of(entity_body(&e->head));
    struct wire_field f;
    o->id = *id;
    o->settings_json = o->price_group = STR_LIT("");
    while (!w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_uuid(&w, &f, &own);
        } else if (f.number == 3) {
            take_str(&w, &f, &o->settings_json);
        } else if (f.number == 15) {
            entity_take_need(&w, &f, &e->head.own_needs);
        }
    }
    if (!w.bad && o->settings_json.len) {
        o->price_group = member_text(e, o->settings_json, "price_group");
    }
    return entity_settle(e, &w, uuid_eq(&own, id), err);
}

struct entity *workspace_entity_new(const struct uuid *id, struct str body, struct error *err)
{
    struct entity_more *e = entity_begin(ENTITY_WORKSPACE, id, body, sizeof(struct snap_workspace));
    struct snap_workspace *s = e->workspace;
    struct uuid own = *id;
    struct wire w = wire_of(entity_body(&e->head));
    struct wire_field f;
    s->id = *id;
    s->price_group = STR_LIT("");
    while (!w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_uuid(&w, &f, &own);
        } else if (f.number == 2) {
            take_uuid(&w, &f, &s->organization_id);
        } else if (f.number == 4) {
            take_str(&w, &f, &s->price_group);
        } else if (f.number == 15) {
            entity_take_need(&w, &f, &e->head.own_needs);
        }
    }
    return entity_settle(e, &w, uuid_eq(&own, id), err);
}

struct entity *team_entity_new(const struct uuid *id, struct str body, struct error *err)
{
    struct entity_more *e = entity_begin(ENTITY_TEAM, id, body, sizeof(struct snap_team));
    struct snap_team *t = e->team;
    struct uuid own = *id;
    struct wire w = wire_of(entity_body(&e->head));
    struct wire_field f;
    t->id = *id;
    t->name = t->price_group = STR_LIT("");
    while (!w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_uuid(&w, &f, &own);
        } else if (f.number == 2) {
            take_uuid(&w, &f, &t->organization_id);
        } else if (f.number == 3) {
            take_uuid(&w, &f, &t->workspace_id);
        } else if (f.number == 4) {
            take_str(&w, &f, &t->name);
        } else if (f.number == 5) {
            take_str(&w, &f, &t->price_group);
        } else if (f.number == 15) {
            entity_take_need(&w, &f, &e->head.own_needs);
        }
    }
    return entity_settle(e, &w, uuid_eq(&own, id) && !uuid_is_nil(&t->organization_id), err);
}

static void ratio_read(struct wire *w, const struct wire_field *f, struct snap_ratio *ret)
{
    struct wire in = take_message(f);
    struct wire_field g;
    ret->provider = ret->model = STR_LIT("");
    while (!in.bad && wire_next(&in, &g)) {
        if (g.number == 1) {
            take_str(&in, &g, &ret->provider);
        } else if (g.number == 2) {
            take_str(&in, &g, &ret->model);
        } else if (g.number == 3) {
            take_u64(&in, &g, &ret->ppm);
        }
    }
    w->bad |= in.bad;
}

struct entity *price_group_entity_new(const struct uuid *id, struct str body, struct error *err)
{
    size_t n = wire_count(body, 5);
    struct entity_more *e =
        entity_begin(ENTITY_PRICE_GROUP, id, body,
                     sizeof(struct snap_price_group) + n * sizeof(struct snap_ratio));
    struct snap_price_group *g = e->group;
    struct snap_ratio *ratios = (struct snap_ratio *)(void *)(g + 1);
    struct uuid own = *id;
    struct wire w = wire_of(entity_body(&e->head));
    struct wire_field f;
    g->id = *id;
    g->name = STR_LIT("");
    g->overrides = ratios;
    while (!w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_uuid(&w, &f, &own);
        } else if (f.number == 2) {
            take_uuid(&w, &f, &g->organization_id);
        } else if (f.number == 3) {
            take_str(&w, &f, &g->name);
        } else if (f.number == 4) {
            take_u64(&w, &f, &g->ratio_ppm);
        } else if (f.number == 5) {
            ratio_read(&w, &f, &ratios[g->n_overrides++]);
        } else if (f.number == 15) {
            entity_take_need(&w, &f, &e->head.own_needs);
        }
    }
    return entity_settle(e, &w, uuid_eq(&own, id) && !uuid_is_nil(&g->organization_id), err);
}

/* The document of one version; NULL ptr: there is no such version. */
static struct str version_document(struct str body, uint64_t number)
{
    struct wire w = wire_of(body);
    struct wire_field f, g;
    while (wire_next(&w, &f)) {
        struct wire in = f.number == 5 ? take_message(&f) : wire_of(STR_NONE);
        struct str document = STR_NONE;
        uint64_t have = 0;
        while (wire_next(&in, &g)) {
            if (g.number == 1) {
                take_u64(&in, &g, &have);
            } else if (g.number == 2) {
                take_str(&in, &g, &document);
            }
        }
        if (document.ptr && have == number && !in.bad) {
            return document;
        }
    }
    return STR_NONE;
}

static void book_free(void *arg)
{
    price_book_free(arg);
}

static void keys_free(void *arg)
{
    jwt_keys_free(arg);
}

static void book_compile(struct entity_more *e, struct str document)
{
    struct error ignored = ERROR_INIT;
    struct price_book *book = NULL;
    if (!document.ptr || !price_book_new(document, &book, &ignored)) {
        return;
    }
    if (!arena_on_release(entity_memory(e), book_free, book)) {
        price_book_free(book);
        return;
    }
    e->book->book = book;
}

struct entity *price_book_entity_new(const struct uuid *id, struct str body, struct error *err)
{
    struct entity_more *e = entity_begin(ENTITY_PRICE_BOOK, id, body, sizeof(struct book_entry));
    struct book_entry *b = e->book;
    struct uuid own = *id;
    struct wire w = wire_of(entity_body(&e->head));
    struct wire_field f;
    while (!w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_uuid(&w, &f, &own);
        } else if (f.number == 2) {
            take_uuid(&w, &f, &b->organization_id);
        } else if (f.number == 7) {
            take_u64(&w, &f, &b->version);
        } else if (f.number == 15) {
            entity_take_need(&w, &f, &e->head.own_needs);
        }
    }
    if (!w.bad && b->version && !e->head.own_needs) {
        book_compile(e, version_document(entity_body(&e->head), b->version));
    }
    return entity_settle(e, &w, uuid_eq(&own, id) && !uuid_is_nil(&b->organization_id), err);
}

/* Never NULL while there is memory: of a set that cannot be read no key is known. */
static const struct jwt_keys *keys_of(struct entity_more *e, struct str jwks)
{
    struct error ignored = ERROR_INIT;
    struct jwt_keys *keys = NULL;
    if (!jwt_keys_new(jwks, &keys, &ignored) &&
        !jwt_keys_new(STR_LIT("{\"keys\":[]}"), &keys, &ignored)) {
        return NULL;
    }
    if (!arena_on_release(entity_memory(e), keys_free, keys)) {
        jwt_keys_free(keys);
        return NULL;
    }
    return keys;
}

struct issuer_lists {
    struct str *audiences, *denied;
    struct uuid *keys;
    struct str jwks;
};

static bool issuer_room(struct entity_more *e, struct str body, struct issuer_lists *ret)
{
    struct arena *a = entity_memory(e);
    ret->jwks = STR_LIT("");
    ret->audiences = arena_alloc(a, (wire_count(body, 5) + 1) * sizeof(*ret->audiences));
    ret->keys = arena_zalloc(a, (wire_count(body, 9) + 1) * sizeof(*ret->keys));
    ret->denied = arena_alloc(a, (wire_count(body, 12) + 1) * sizeof(*ret->denied));
    return ret->audiences && ret->keys && ret->denied;
}

static void issuer_field(struct snap_issuer *s, struct wire *w, const struct wire_field *f,
                         struct issuer_lists *l)
{
    struct str name = STR_NONE;
    switch (f->number) {
    case 2:
        take_uuid(w, f, &s->organization_id);
        break;
    case 3:
        take_str(w, f, &s->name);
        break;
    case 4:
        take_str(w, f, &s->issuer);
        break;
    case 5:
        take_str(w, f, &l->audiences[s->n_audiences++]);
        break;
    case 6: /* one that this build lacks is not allowed, which is the safe side */
        take_str(w, f, &name);
        s->algorithms |= w->bad ? 0 : 1u << jwt_algorithm_named(name);
        break;
    case 7:
        take_str(w, f, &l->jwks);
        break;
    case 8:
        take_str(w, f, &s->claims_json);
        break;
    case 9:
        take_uuid(w, f, &l->keys[s->n_key_ids++]);
        break;
    case 10:
        take_i64(w, f, &s->leeway_s);
        break;
    case 11:
        take_bool(w, f, &s->disabled);
        break;
    case 12:
        take_str(w, f, &l->denied[s->n_denied_jti++]);
        break;
    default:
        break;
    }
}

struct entity *issuer_entity_new(const struct uuid *id, struct str body, struct error *err)
{
    struct entity_more *e = entity_begin(ENTITY_ISSUER, id, body, sizeof(struct snap_issuer));
    struct snap_issuer *s = e->issuer;
    struct issuer_lists l;
    struct uuid own = *id;
    struct wire w = wire_of(entity_body(&e->head));
    struct wire_field f;
    w.bad = !issuer_room(e, body, &l);
    s->id = *id;
    s->name = s->issuer = s->claims_json = STR_LIT("");
    while (!w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_uuid(&w, &f, &own);
        } else if (f.number == 15) {
            entity_take_need(&w, &f, &e->head.own_needs);
        } else {
            issuer_field(s, &w, &f, &l);
        }
    }
    s->algorithms &= ~(1u << JWT_NONE);
    s->audiences = l.audiences;
    s->denied_jti = l.denied;
    s->key_ids = l.keys;
    s->needs_unknown = e->head.own_needs;
    if (!w.bad) {
        s->keys = keys_of(e, l.jwks);
        w.bad = !s->keys;
    }
    return entity_settle(e, &w, uuid_eq(&own, id), err);
}
