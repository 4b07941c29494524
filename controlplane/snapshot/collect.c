/* Reads the configuration from the database into the state: all of it at start or when the log was
 * trimmed past us, else what the log names. Each reading is one REPEATABLE READ transaction, so
 * version, log and rows belong together; the state is changed afterwards, in one step. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/log.h"
#include "controlplane/secrets/reference.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/snapshot/internal.h"
#include "controlplane/store/authority.h"

#define PAGE_ROWS 5000
#define LOG_DEFAULT 200000
#define FULL_KEPT_DEFAULT 20000
#define CREDENTIAL_ARENA ((size_t)64 << 20)

/* Plain text of what is sealed in a row; NULL ptr: it cannot be opened. */
static struct str open_sealed(const struct state *s, const struct config_row *row,
                              const char *table, const char *column, struct str sealed,
                              struct str kek, struct arena *a)
{
    struct str plain = STR_NONE;
    struct error ignored = ERROR_INIT;
    if (!kek.ptr ||
        !seal_open(s->config.keys, kek.ptr, table, &row->id, column, sealed, a, &plain, &ignored)) {
        char id[37];
        uuid_format(&row->id, id);
        log_write(LOG_WARN, "credential_unreadable",
                  "a stored credential cannot be opened with the keys given", LOG_Z("table", table),
                  LOG_Z("id", id));
        return STR_NONE;
    }
    return plain;
}

static void wipe(struct str s)
{
    if (s.ptr) {
        explicit_bzero((void *)(uintptr_t)s.ptr, s.len);
    }
}

/* A provider's credential with its references replaced; NULL ptr: one cannot be had now. */
static struct str open_credential(const struct state *s, const struct config_row *row,
                                  struct arena *a)
{
    struct str stored = open_sealed(s, row, "providers", "credential", row->credential,
                                    row->credential_kek, a),
               plain;
    if (!stored.ptr ||
        references_expand(s->config.references, &row->organization_id, stored, a, &plain)) {
        if (stored.ptr && plain.ptr != stored.ptr) {
            wipe(stored);
        }
        return stored.ptr ? plain : stored;
    }
    char id[37];
    uuid_format(&row->id, id);
    wipe(stored);
    log_write(LOG_WARN, "reference_unresolved",
              "a provider stands without its credential: a reference in it cannot be read",
              LOG_Z("provider", id));
    return STR_NONE;
}

static void forget(const struct build_secrets *x, size_t n_versions)
{
    wipe(x->credential);
    for (size_t i = 0; x->versions && i < n_versions; i++) {
        wipe(x->versions[i]);
    }
}

static struct entity *entity_of(const struct state *s, const struct config_row *row)
{
    struct build_secrets plain = {.credential = STR_NONE};
    if (!row->credential.ptr && row->n_versions == 0) {
        return build_entity(row, &plain, &s->key);
    }
    struct arena *a = arena_new(CREDENTIAL_ARENA);
    if (row->credential.ptr) {
        plain.credential = open_credential(s, row, a);
    }
    struct str *versions = arena_zalloc(a, (row->n_versions + 1) * sizeof(*versions));
    for (size_t i = 0; versions && i < row->n_versions; i++) {
        const struct config_version *v = &row->versions[i];
        if (v->secrets.ptr) {
            versions[i] = open_sealed(s, row, "configs", "secrets", v->secrets, v->secrets_kek, a);
        }
    }
    plain.versions = versions;
    struct entity *e = versions ? build_entity(row, &plain, &s->key) : NULL;
    forget(&plain, row->n_versions);
    arena_free(a);
    return e;
}

static bool add_rows(const struct state *s, const struct config_row *rows, size_t n,
                     uint64_t version, struct entity_list *ret, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct entity *e = entity_of(s, &rows[i]);
        if (!e) {
            return error_set(err, ERR_INTERNAL, "out of memory");
        }
        e->version = version;
        entity_list_add(ret, e);
    }
    return true;
}

static unsigned page_rows(unsigned kind)
{
    return changes_has_versions(kind) ? CHANGES_PAGE_DOCUMENTS : PAGE_ROWS;
}

static bool read_kind(struct state *s, struct tx *t, unsigned kind, struct entity_list *ret,
                      struct error *err)
{
    struct uuid after = {{0}};
    for (;;) {
        struct config_row *rows = NULL;
        size_t n = 0;
        struct arena *a = arena_new(0);
        bool ok = changes_page(t, kind, &after, page_rows(kind), a, &rows, &n, err) &&
                  add_rows(s, rows, n, 0, ret, err);
        if (ok && n > 0) {
            after = rows[n - 1].id;
        }
        arena_free(a);
        if (!ok || n < page_rows(kind)) {
            return ok;
        }
    }
}

/* The log is worth keeping from a former life, so that proxies need only deltas after a restart. */
static void merge_log(struct entity_list *all, const struct change_row *log, size_t n)
{
    struct map *by_key = map_new();
    for (size_t i = 0; i < all->n; i++) {
        (void)map_put(by_key, (struct str){(char *)&all->items[i]->key, sizeof(all->items[i]->key)},
                      all->items[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (log[i].kind == 0 || log[i].kind >= CONFIG_KIND_END) {
            continue;
        }
        struct {
            uint32_t kind;
            struct uuid id;
        } key = {log[i].kind, log[i].id};
        struct entity *e = map_get(by_key, (struct str){(char *)&key, sizeof(key)});
        if (!e) {
            e = entity_tombstone(log[i].kind, &log[i].id, &log[i].organization_id, NULL);
            entity_list_add(all, e);
            (void)map_put(by_key, (struct str){(char *)&e->key, sizeof(e->key)}, e);
        }
        e->version = log[i].version;
    }
    map_free(by_key);
}

static bool collect_all(struct state *s, struct tx *t, uint64_t version, uint64_t horizon,
                        const struct group_serves *groups, size_t n_groups, struct error *err)
{
    struct entity_list all = {0};
    struct change_row *log = NULL;
    size_t n_log = 0;
    struct arena *a = arena_new(0);
    bool ok = true;
    for (unsigned kind = 1; ok && kind < CONFIG_KIND_END; kind++) {
        ok = read_kind(s, t, kind, &all, err);
    }
    ok = ok && changes_after(t, horizon, s->config.log_max, a, &log, &n_log, err);
    if (ok) {
        if (n_log == s->config.log_max) {
            horizon = log[0].version; /* its other rows may have been left out */
            while (n_log > 0 && log->version == horizon) {
                log++;
                n_log--;
            }
        }
        merge_log(&all, log, n_log);
        pthread_mutex_lock(s->lock);
        (void)state_set_groups(s, groups, n_groups);
        state_replace(s, &all, version, horizon);
        pthread_mutex_unlock(s->lock);
    }
    arena_free(a);
    entity_list_release(&all);
    return ok;
}

/* The last change of each entity of one kind: those with a row as they are now, the others as
 * tombstones. */
static bool collect_kind(struct state *s, struct tx *t, unsigned kind, const struct change_row *log,
                         size_t n, struct arena *a, struct entity_list *ret, struct error *err)
{
    struct uuid *ids = arena_alloc(a, (n + 1) * sizeof(*ids));
    struct map *last = map_new(); /* id -> change_row */
    size_t n_ids = 0, at = ret->n;
    bool ok = ids || error_set(err, ERR_INTERNAL, "out of memory");
    for (size_t i = 0; ok && i < n; i++) {
        if (log[i].kind == kind) {
            struct str id = {(const char *)log[i].id.b, 16};
            if (!map_put(last, id, (void *)(uintptr_t)&log[i])) {
                ids[n_ids++] = log[i].id;
            }
        }
    }
    const size_t most = page_rows(kind);
    for (size_t i = 0; ok && i < n_ids; i += most) {
        struct config_row *rows = NULL;
        size_t m = 0, k = n_ids - i < most ? n_ids - i : most;
        struct arena *page = arena_new(0);
        ok = changes_rows(t, kind, ids + i, k, page, &rows, &m, err) &&
             add_rows(s, rows, m, 0, ret, err);
        arena_free(page);
    }
    for (; ok && at < ret->n; at++) {
        struct entity *e = ret->items[at];
        const struct change_row *c = map_remove(last, (struct str){(char *)e->key.id.b, 16});
        e->version = c->version;
    }
    size_t pos = 0;
    struct str id;
    void *value;
    while (ok && map_next(last, &pos, &id, &value)) {
        const struct change_row *c = value;
        struct entity *e = entity_tombstone(kind, &c->id, &c->organization_id, NULL);
        e->version = c->version;
        entity_list_add(ret, e);
    }
    map_free(last);
    return ok;
}

static int by_version(const void *a, const void *b)
{
    uint64_t x = (*(struct entity *const *)a)->version, y = (*(struct entity *const *)b)->version;
    return x < y ? -1 : x > y;
}

/* *ret_all: the log does not reach back far enough. */
static bool collect_changes(struct state *s, struct tx *t, uint64_t have, uint64_t version,
                            const struct group_serves *groups, size_t n_groups, bool *ret_all,
                            bool *ret_changed, struct error *err)
{
    struct entity_list changes = {0};
    struct change_row *log = NULL;
    size_t n = 0;
    struct arena *a = arena_new(0);
    bool ok = version == have || changes_after(t, have, s->config.log_max, a, &log, &n, err);
    *ret_all = ok && n == s->config.log_max;
    for (unsigned kind = 1; ok && !*ret_all && kind < CONFIG_KIND_END; kind++) {
        ok = collect_kind(s, t, kind, log, n, a, &changes, err);
    }
    if (ok && !*ret_all) {
        if (changes.n > 0) {
            qsort(changes.items, changes.n, sizeof(*changes.items), by_version);
        }
        pthread_mutex_lock(s->lock);
        *ret_changed = state_set_groups(s, groups, n_groups) || version != s->version;
        state_apply(s, &changes, version);
        pthread_mutex_unlock(s->lock);
    }
    entity_list_release(&changes);
    arena_free(a);
    return ok;
}

static bool collect(struct state *s, bool everything, bool *ret_changed, struct error *err)
{
    uint64_t version = 0, horizon = 0, have = state_version(s);
    struct group_serves *groups = NULL;
    size_t n_groups = 0;
    struct tx *t = tx_begin_snapshot(s->config.pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    struct arena *a = arena_new(0);
    bool ok =
        changes_version(t, &version, &horizon, err) && planes_groups(t, a, &groups, &n_groups, err);
    everything = everything || have < horizon || version < have;
    *ret_changed = everything;
    if (ok && !everything) {
        ok = collect_changes(s, t, have, version, groups, n_groups, &everything, ret_changed, err);
    }
    if (ok && everything) {
        *ret_changed = true;
        ok = collect_all(s, t, version, horizon, groups, n_groups, err);
    }
    arena_free(a);
    tx_rollback(t); /* it only read */
    return ok;
}

bool state_refresh(struct state *s, bool *ret_changed, struct error *err)
{
    bool changed = false;
    if (!collect(s, false, &changed, err)) {
        return false;
    }
    *ret_changed = changed;
    return true;
}

struct state *state_load(const struct state_config *c, struct error *err)
{
    uint8_t key[32];
    struct uuid id;
    bool changed;
    if (!snapshot_key_get(c->pool, c->keys, &id, key, err)) {
        return NULL;
    }
    struct state *s = mem_alloc(sizeof(*s));
    s->config = *c;
    s->config.log_max = c->log_max ? c->log_max : LOG_DEFAULT;
    s->config.part_bytes = c->part_bytes ? c->part_bytes : STATE_PART_BYTES;
    s->config.full_kept_from = c->full_kept_from ? c->full_kept_from : FULL_KEPT_DEFAULT;
    build_key_init(&s->key, &id, key);
    memset(key, 0, sizeof(key));
    s->lock = mem_alloc(sizeof(*s->lock));
    pthread_mutex_init(s->lock, NULL);
    s->entities = map_new();
    if (!collect(s, true, &changed, err)) {
        state_free(s);
        return NULL;
    }
    return s;
}
