/* See key_entity.h. Reading is on the path of every request: one walk over the body gathers what
 * repeats on the stack, and one piece of the arena then holds all arrays; a key with more texts
 * than fit there is walked twice. */
#include "dataplane/snapshot/key_entity.h"

#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/snapshot/wire_take.h"

#define FIELD_SECRET 5
#define LISTS 8
#define TEXTS_MAX 24 /* gathered on the stack */

/* Most keys allow everything: those share one array. */
static const struct str any_pattern[1] = {{"*", 1}};

static unsigned list_of(uint32_t number)
{
    /* fields that are lists of texts: number -> place + 1 */
    static const uint8_t places[23] = {
        [7] = 1, [8] = 2, [14] = 3, [18] = 4, [19] = 5, [20] = 6, [21] = 7, [22] = 8};
    return number < sizeof(places) && places[number] ? places[number] - 1u : LISTS;
}

static bool takes_bytes(uint32_t number)
{
    return (number >= 1 && number <= 8) || number == 11 || number == 12 || number == 14 ||
           number == 15 || (number >= 16 && number <= 23);
}

static bool takes_number(uint32_t number)
{
    return number == 9 || number == 10 || number == 13 || number == 24;
}

static bool takes_id(uint32_t number)
{
    return (number >= 1 && number <= 4) || number == 16 || number == 17;
}

/* Everything that could make reading fail is seen here, once. */
static bool check(const struct uuid *id, struct str body, bool *ret_needs, bool *ret_ids)
{
    struct wire w = wire_of(body);
    struct wire_field f;
    struct uuid ids[5] = {{{0}}};
    size_t secrets = 0, texts = 0;
    ids[1] = *id;
    while (!w.bad && wire_next(&w, &f)) {
        if ((takes_bytes(f.number) && f.type != WIRE_BYTES) ||
            (takes_number(f.number) && f.type != WIRE_VARINT)) {
            return false;
        }
        if (takes_id(f.number)) {
            take_uuid(&w, &f, f.number <= 4 ? &ids[f.number] : &ids[0]);
        } else if (f.number == FIELD_SECRET) {
            w.bad |= f.bytes.len != 32 || ++secrets > KEY_SECRETS_MAX;
        } else if (f.number == 15) {
            entity_take_need(&w, &f, ret_needs);
        } else if (list_of(f.number) < LISTS) {
            w.bad |= ++texts > UINT16_MAX;
        }
    }
    *ret_ids = uuid_eq(&ids[1], id) && !uuid_is_nil(&ids[2]) && !uuid_is_nil(&ids[3]);
    return !w.bad;
}

struct entity *key_entity_new(const struct uuid *id, struct str body, struct error *err)
{
    bool needs = false, ids = false, read = check(id, body, &needs, &ids);
    if (!read || !ids) {
        (void)entity_wrong(err, ENTITY_KEY, id,
                           read ? "ids are missing or differ" : "body cannot be read");
        return NULL;
    }
    struct entity *e = mem_alloc(sizeof(*e) + body.len);
    atomic_init(&e->refs, 1);
    e->kind = ENTITY_KEY;
    e->own_needs = needs;
    e->id = *id;
    e->body_len = (uint32_t)body.len;
    if (body.len) {
        memcpy(e + 1, body.ptr, body.len);
    }
    return e;
}

unsigned key_entity_secrets(const struct entity *e, const uint8_t *ret[static KEY_SECRETS_MAX])
{
    struct wire w = wire_of(entity_body(e));
    struct wire_field f;
    unsigned n = 0;
    while (n < KEY_SECRETS_MAX && wire_next(&w, &f)) {
        if (f.number == FIELD_SECRET) {
            ret[n++] = (const uint8_t *)f.bytes.ptr;
        }
    }
    return n;
}

bool key_entity_has_secret(const struct entity *e, const uint8_t secret[static 32])
{
    struct wire w = wire_of(entity_body(e));
    struct wire_field f;
    while (wire_next(&w, &f)) {
        if (f.number == FIELD_SECRET && crypto_equal(f.bytes.ptr, secret, 32)) {
            return true;
        }
    }
    return false;
}

struct text {
    unsigned list;
    struct str text;
};

static const struct str *patterns_settle(const struct str *own, uint16_t n)
{
    return n == 1 && str_eq(own[0], any_pattern[0]) ? any_pattern : own;
}

/* One field that stands alone. */
static void read_field(struct snap_key *k, struct wire *w, const struct wire_field *f,
                       int64_t *ret_former)
{
    switch (f->number) {
    case 2:
        take_uuid(w, f, &k->organization_id);
        break;
    case 3:
        take_uuid(w, f, &k->workspace_id);
        break;
    case 4:
        take_uuid(w, f, &k->user_id);
        break;
    case 6:
        take_str(w, f, &k->name);
        break;
    case 9:
        take_i64(w, f, &k->expires_at_ms);
        break;
    case 10:
        take_bool(w, f, &k->disabled);
        break;
    case 11:
        take_str(w, f, &k->metadata_json);
        break;
    case 12:
        take_str(w, f, &k->config);
        break;
    case 13:
        take_bool(w, f, &k->config_locked);
        break;
    case 16:
        take_uuid(w, f, &k->team_id);
        break;
    case 17:
        take_uuid(w, f, &k->service_account_id);
        break;
    case 23:
        take_str(w, f, &k->price_group);
        break;
    case 24:
        take_i64(w, f, ret_former);
        break;
    default:
        break;
    }
}

/* The key's lists out of texts in the order of the body, in one piece of the arena. */
static bool lists_settle(struct snap_key *k, const struct text *texts, size_t n, struct arena *a)
{
    uint16_t count[LISTS] = {0}, filled[LISTS] = {0};
    struct str *at[LISTS] = {NULL}, *room = n ? arena_alloc(a, n * sizeof(*room)) : NULL;
    if (n && !room) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        count[texts[i].list]++;
    }
    for (unsigned i = 0; n && i < LISTS; i++) {
        at[i] = room;
        room += count[i];
    }
    for (size_t i = 0; i < n; i++) {
        unsigned l = texts[i].list;
        at[l][filled[l]++] = texts[i].text;
    }
    k->models = patterns_settle(at[0], k->n_models = count[0]);
    k->providers = patterns_settle(at[1], k->n_providers = count[1]);
    k->tags = at[2];
    k->n_tags = count[2];
    k->endpoints = at[3];
    k->n_endpoints = count[3];
    k->configs = at[4];
    k->n_configs = count[4];
    k->mcp_tools = at[5];
    k->n_mcp_tools = count[5];
    k->ip_allow = at[6];
    k->n_ip_allow = count[6];
    k->required_metadata = at[7];
    k->n_required_metadata = count[7];
    return true;
}

/* More than the stack was meant for. */
static bool settle_many(struct snap_key *k, struct str body, size_t n, struct arena *a)
{
    struct text *texts = mem_alloc(n * sizeof(*texts));
    struct wire w = wire_of(body);
    struct wire_field f;
    size_t at = 0;
    while (wire_next(&w, &f)) {
        unsigned l = list_of(f.number);
        if (l < LISTS) {
            texts[at++] = (struct text){l, f.bytes};
        }
    }
    bool ok = lists_settle(k, texts, at, a);
    mem_free(texts);
    return ok;
}

struct snap_key *key_entity_read(const struct entity *e, const uint8_t *secret, struct arena *a)
{
    struct text texts[TEXTS_MAX];
    struct snap_key *k = arena_zalloc(a, sizeof(*k));
    struct str body = entity_body(e);
    struct wire w = wire_of(body);
    struct wire_field f;
    size_t n = 0;
    bool own = true; /* the first secret is the key's own */
    unsigned secrets = 0;
    int64_t former = 0;
    if (!k) {
        return NULL;
    }
    k->id = e->id;
    k->name = k->metadata_json = k->config = k->price_group = STR_LIT("");
    while (wire_next(&w, &f)) {
        unsigned i = list_of(f.number);
        if (i < LISTS) {
            if (n < TEXTS_MAX) {
                texts[n] = (struct text){i, f.bytes};
            }
            n++;
        } else if (f.number == FIELD_SECRET) {
            own &= !secret || secrets > 0 || memcmp(f.bytes.ptr, secret, 32) == 0;
            secrets++;
        } else {
            read_field(k, &w, &f, &former);
        }
    }
    if (!(n <= TEXTS_MAX ? lists_settle(k, texts, n, a) : settle_many(k, body, n, a))) {
        return NULL;
    }
    k->needs_unknown = e->own_needs;
    k->former_expires_at_ms = own ? 0 : former;
    return k;
}
