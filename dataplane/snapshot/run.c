/* Checks that parts follow each other, and feeds them to a builder. Parts are read in place: a
 * million keys come in some hundred of them, and each would cost three allocations a key as an
 * unpacked message. */
#include "dataplane/snapshot/run.h"

#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/snapshot/wire_take.h"

struct snapshot_run {
    struct snapshot *base;
    struct snapshot_builder *builder; /* made with the first part */
    bool has_wrap_key;
    bool last;     /* the head of the last part has come */
    bool complete; /* and all of it was taken in */
    uint8_t wrap_key[32];
    uint64_t from_version, to_version;
    uint32_t next_part;
    bool has_hash;
    uint8_t root_hash[32];
    uint8_t cleared[SNAPSHOT_KINDS][SNAPSHOT_SHARDS / 8];
};

struct snapshot_run *snapshot_run_new(struct snapshot *base, const uint8_t *wrap_key)
{
    struct snapshot_run *r = mem_alloc(sizeof(*r));
    r->base = base ? snapshot_ref(base) : NULL;
    if (wrap_key) {
        r->has_wrap_key = true;
        memcpy(r->wrap_key, wrap_key, sizeof(r->wrap_key));
    }
    return r;
}

void snapshot_run_free(struct snapshot_run *r)
{
    if (r) {
        snapshot_builder_free(r->builder);
        snapshot_unref(r->base);
        mem_free_secret(r, sizeof(*r));
    }
}

/* What a part says of itself. */
struct part_head {
    uint64_t from_version, to_version;
    uint32_t part;
    bool last;
    struct str root_hash;
    size_t n_resend_kind, n_resend_shard;
};

/* repeated uint32, packed or one by one: how many one field holds. */
static size_t count_numbers(struct wire *w, const struct wire_field *f)
{
    struct wire in = wire_of(f->bytes);
    uint64_t v;
    size_t n = f->type == WIRE_VARINT;
    w->bad |= f->type != WIRE_VARINT && f->type != WIRE_BYTES;
    while (f->type == WIRE_BYTES && in.at < in.end && wire_varint(&in, &v)) {
        n++;
    }
    w->bad |= in.bad;
    return n;
}

static bool read_head(struct str part, struct part_head *ret)
{
    struct wire w = wire_of(part);
    struct wire_field f;
    while (!w.bad && wire_next(&w, &f)) {
        switch (f.number) {
        case 1:
            take_u64(&w, &f, &ret->from_version);
            break;
        case 2:
            take_u64(&w, &f, &ret->to_version);
            break;
        case 3:
            take_u32(&w, &f, &ret->part);
            break;
        case 4:
            take_bool(&w, &f, &ret->last);
            break;
        case 5:
        case 6:
            w.bad |= f.type != WIRE_BYTES;
            break;
        case 7:
            take_str(&w, &f, &ret->root_hash);
            break;
        case 8:
            ret->n_resend_kind += count_numbers(&w, &f);
            break;
        case 9:
            ret->n_resend_shard += count_numbers(&w, &f);
            break;
        default:
            break;
        }
    }
    return !w.bad;
}

bool snapshot_run_peek(struct str part, uint32_t *ret_part, uint64_t *ret_to_version)
{
    struct part_head h = {0};
    if (!read_head(part, &h)) {
        return false;
    }
    *ret_part = h.part;
    *ret_to_version = h.to_version;
    return true;
}

static bool begin(struct snapshot_run *r, const struct part_head *p, struct error *err)
{
    uint64_t have = r->base ? snapshot_version(r->base) : 0;
    if (p->from_version != 0 && p->from_version != have) {
        return error_set(err, ERR_CONFLICT, "snapshot delta starts at version %llu, not at %llu",
                         (unsigned long long)p->from_version, (unsigned long long)have);
    }
    if (p->to_version == 0 || p->to_version < p->from_version) {
        return error_set(err, ERR_INVALID_FIELD, "snapshot part leads to version %llu",
                         (unsigned long long)p->to_version);
    }
    r->from_version = p->from_version;
    r->to_version = p->to_version;
    r->builder = snapshot_builder_new(p->from_version ? r->base : NULL);
    return true;
}

static bool cannot_read(struct error *err, struct str part)
{
    return error_set(err, ERR_INVALID_FIELD, "snapshot part of %zu bytes cannot be read", part.len);
}

/* id and bytes of a WrappedKey. */
static bool take_key(struct snapshot_run *r, const struct wire_field *field, size_t number,
                     struct error *err)
{
    struct wire w = take_message(field);
    struct wire_field f;
    struct str id_bytes = STR_LIT(""), sealed = STR_LIT("");
    struct uuid id;
    uint8_t key[CRYPTO_KEY_LEN];
    while (!w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_str(&w, &f, &id_bytes);
        } else if (f.number == 2) {
            take_str(&w, &f, &sealed);
        }
    }
    if (w.bad || id_bytes.len != sizeof(id.b) || sealed.len != CRYPTO_SEALED_LEN(sizeof(key)) ||
        !crypto_open(r->wrap_key, id_bytes, sealed.ptr, sealed.len, key)) {
        return error_set(err, ERR_INVALID_FIELD, "data key %zu of the snapshot cannot be opened",
                         number);
    }
    memcpy(id.b, id_bytes.ptr, sizeof(id.b));
    snapshot_builder_data_key(r->builder, &id, key);
    explicit_bzero(key, sizeof(key));
    return true;
}

static bool take_keys(struct snapshot_run *r, struct str part, struct error *err)
{
    struct wire w = wire_of(part);
    struct wire_field f;
    size_t n = 0;
    while (r->has_wrap_key && wire_next(&w, &f)) {
        if (f.number == 6 && !take_key(r, &f, n++, err)) {
            return false;
        }
    }
    return true;
}

/* All numbers of one list, in order. */
static void read_numbers(struct str part, uint32_t number, uint32_t *ret)
{
    struct wire w = wire_of(part);
    struct wire_field f;
    uint64_t v;
    while (wire_next(&w, &f)) {
        struct wire in = wire_of(f.bytes);
        if (f.number != number) {
            continue;
        }
        if (f.type == WIRE_VARINT) {
            *ret++ = f.value > UINT32_MAX ? UINT32_MAX : (uint32_t)f.value;
        }
        while (f.type == WIRE_BYTES && in.at < in.end && wire_varint(&in, &v)) {
            *ret++ = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
        }
    }
}

/* A shard may be named again in later parts: only the first time empties it. */
static bool clear_shards(struct snapshot_run *r, const struct part_head *p, struct str part,
                         struct error *err)
{
    size_t n = p->n_resend_kind;
    if (n != p->n_resend_shard) {
        return error_set(err, ERR_INVALID_FIELD, "snapshot part names %zu kinds but %zu shards", n,
                         p->n_resend_shard);
    }
    if (n == 0) {
        return true;
    }
    uint32_t *kinds = mem_alloc(2 * n * sizeof(*kinds)), *shards = kinds + n;
    read_numbers(part, 8, kinds);
    read_numbers(part, 9, shards);
    for (size_t i = 0; i < n; i++) {
        uint32_t kind = kinds[i], shard = shards[i];
        if (kind >= SNAPSHOT_KINDS || shard >= SNAPSHOT_SHARDS ||
            r->cleared[kind][shard / 8] & (1u << shard % 8)) {
            continue;
        }
        r->cleared[kind][shard / 8] |= (uint8_t)(1u << shard % 8);
        snapshot_builder_clear_shard(r->builder, kind, shard);
    }
    mem_free(kinds);
    return true;
}

static bool take_change(struct snapshot_run *r, const struct wire_field *field, size_t number,
                        struct error *err)
{
    struct wire w = take_message(field);
    struct wire_field f;
    struct str id_bytes = STR_LIT(""), body = STR_LIT("");
    struct uuid id;
    uint32_t kind = 0;
    bool deleted = false;
    while (!w.bad && wire_next(&w, &f)) {
        if (f.number == 1) {
            take_u32(&w, &f, &kind);
        } else if (f.number == 2) {
            take_str(&w, &f, &id_bytes);
        } else if (f.number == 3) {
            take_bool(&w, &f, &deleted);
        } else if (f.number == 4) {
            take_str(&w, &f, &body);
        }
    }
    if (w.bad) {
        return error_set(err, ERR_INVALID_FIELD, "change %zu of the snapshot cannot be read",
                         number);
    }
    if (id_bytes.len != sizeof(id.b)) {
        return error_set(err, ERR_INVALID_FIELD,
                         "change %zu of the snapshot has an id of %zu bytes", number, id_bytes.len);
    }
    memcpy(id.b, id_bytes.ptr, sizeof(id.b));
    if (deleted) {
        snapshot_builder_delete(r->builder, kind, &id);
        return true;
    }
    return snapshot_builder_put(r->builder, kind, &id, body, err);
}

static bool take_changes(struct snapshot_run *r, struct str part, struct error *err)
{
    struct wire w = wire_of(part);
    struct wire_field f;
    size_t n = 0;
    while (wire_next(&w, &f)) {
        if (f.number == 5 && !take_change(r, &f, n++, err)) {
            return false;
        }
    }
    return true;
}

bool snapshot_run_head(struct snapshot_run *r, struct str part, struct error *err)
{
    struct part_head p = {0};
    if (!read_head(part, &p)) {
        return cannot_read(err, part);
    }
    if (r->last || p.part != r->next_part) {
        return error_set(err, ERR_CONFLICT, "snapshot part %u came where part %u belongs", p.part,
                         r->next_part);
    }
    if (!r->builder && !begin(r, &p, err)) {
        return false;
    }
    if (p.from_version != r->from_version || p.to_version != r->to_version) {
        return error_set(err, ERR_CONFLICT, "snapshot part belongs to another run");
    }
    r->next_part++;
    r->last = p.last;
    return true;
}

bool snapshot_run_body(struct snapshot_run *r, struct str part, struct error *err)
{
    struct part_head p = {0};
    bool ok = (read_head(part, &p) || cannot_read(err, part)) && take_keys(r, part, err) &&
              clear_shards(r, &p, part, err) && take_changes(r, part, err);
    r->complete = ok && p.last;
    if (p.last && p.root_hash.len == sizeof(r->root_hash)) {
        r->has_hash = true;
        memcpy(r->root_hash, p.root_hash.ptr, sizeof(r->root_hash));
    }
    return ok;
}

bool snapshot_run_part(struct snapshot_run *r, struct str part, struct error *err)
{
    return snapshot_run_head(r, part, err) && snapshot_run_body(r, part, err);
}

bool snapshot_run_wants_more(const struct snapshot_run *r)
{
    return !r->last;
}

bool snapshot_run_complete(const struct snapshot_run *r)
{
    return r->complete;
}

uint64_t snapshot_run_version(const struct snapshot_run *r)
{
    return r->to_version;
}

uint32_t snapshot_run_next_part(const struct snapshot_run *r)
{
    return r->next_part;
}

bool snapshot_run_is_full(const struct snapshot_run *r)
{
    return r->builder && r->from_version == 0;
}

struct snapshot *snapshot_run_finish(struct snapshot_run *r, bool *ret_diverged, struct error *err)
{
    struct snapshot *s = NULL;
    uint8_t hash[32];
    if (!r->complete) {
        (void)error_set(err, ERR_CONFLICT, "snapshot run is not complete");
    } else {
        s = snapshot_builder_finish(r->builder, r->to_version, err);
        r->builder = NULL;
    }
    if (s) {
        snapshot_root_hash(s, hash);
        *ret_diverged = r->has_hash && memcmp(hash, r->root_hash, sizeof(hash)) != 0;
    }
    snapshot_run_free(r);
    return s;
}
