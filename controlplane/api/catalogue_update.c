/* POST /catalogue/update: a newer catalogue file against the one in use. What differs from the
 * installed file becomes everybody's rows; what an earlier update left and the new file no longer
 * holds goes. An installed entry that the new file lacks stays: proxies have it from their file. */
#include "common/log.h"
#include "controlplane/api/catalogue.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/store/changes.h"

#define DIFF_MAX ((size_t)64 << 20)

struct update {
    struct call *call;
    const struct catalogue *installed; /* NULL: none */
    struct catalogue *file;
    struct catalogue_row *rows; /* everybody's, as they stand */
    size_t n_rows;
    struct catalogue_row *put;
    size_t n_put;
    struct uuid *gone;
    size_t n_gone;
};

/* What is in use, as one side of the comparison; room for `max` entries. */
static bool gather(struct call *c, struct catalogue_side *ret, struct error *err)
{
    struct catalogue_walk w;
    struct catalogue_item item;
    if (!catalogue_walk_init(&w, c, NULL, err)) {
        return false;
    }
    size_t max = (w.installed ? catalogue_count(w.installed) : 0) + w.n_rows, n = 0;
    const struct catalogue_model **list = arena_alloc(c->arena, (max + 1) * sizeof *list);
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    while (catalogue_walk_next(&w, &item)) {
        list[n++] = item.model;
    }
    *ret = (struct catalogue_side){list, n};
    return true;
}

static bool side_of(struct call *c, const struct catalogue *file, struct catalogue_side *ret,
                    struct error *err)
{
    size_t n = catalogue_count(file);
    const struct catalogue_model **list = arena_alloc(c->arena, (n + 1) * sizeof *list);
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < n; i++) {
        list[i] = catalogue_at(file, i);
    }
    *ret = (struct catalogue_side){list, n};
    return true;
}

static int order(const struct catalogue_model *m, const struct catalogue_row *r)
{
    int by_provider = str_cmp(m->provider, r->provider);
    return by_provider ? by_provider : str_cmp(m->model, r->model);
}

/* A row whose entry is as the new one stays untouched. */
static bool row_holds(const struct update *u, const struct catalogue_row *r,
                      const struct catalogue_model *base, const struct catalogue_model *m)
{
    struct catalogue_model now = base ? *base : (struct catalogue_model){.priced = false};
    struct error ignored = ERROR_INIT;
    return catalogue_entry_read(r->entry_json, u->call->arena, &now, &ignored) &&
           catalogue_model_equal(&now, m);
}

/* Whose members an entry lacks must not shine through from the installed one. */
static struct str whole_entry(const struct update *u, const struct catalogue_model *m)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 1 << 20);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_str(&w, "title", m->title);
    json_field_u64(&w, "context", m->context);
    json_field_u64(&w, "max_output", m->max_output);
    catalogue_words_write(m->can, "capabilities", &w);
    catalogue_words_write(m->can, "input", &w);
    catalogue_words_write(m->can, "output", &w);
    json_field_str(&w, "deprecated", m->deprecated);
    json_name(&w, "price");
    if (m->priced) {
        price_list_write(&m->prices, &w);
    } else {
        json_put_null(&w);
    }
    json_field_str(&w, "source", m->source);
    json_object_end(&w);
    struct str s = b.failed ? STR_NONE : arena_str(u->call->arena, buffer_str(&b));
    buffer_release(&b);
    return s;
}

static bool plan(struct update *u, struct error *err)
{
    size_t n = catalogue_count(u->file), k = 0;
    u->put = arena_alloc(u->call->arena, (n + 1) * sizeof *u->put);
    u->gone = arena_alloc(u->call->arena, (u->n_rows + 1) * sizeof *u->gone);
    if (!u->put || !u->gone) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (size_t i = 0; i < n; i++) {
        const struct catalogue_model *m = catalogue_at(u->file, i);
        const struct catalogue_model *base =
            u->installed ? catalogue_get(u->installed, m->provider, m->model) : NULL;
        while (k < u->n_rows && order(m, &u->rows[k]) > 0) {
            u->gone[u->n_gone++] = u->rows[k++].id;
        }
        const struct catalogue_row *row =
            k < u->n_rows && order(m, &u->rows[k]) == 0 ? &u->rows[k++] : NULL;
        if (base && catalogue_model_equal(base, m)) {
            if (row) {
                u->gone[u->n_gone++] = row->id;
            }
        } else if (!row || !row_holds(u, row, base, m)) {
            struct str entry = whole_entry(u, m);
            if (!entry.ptr) {
                return error_set(err, ERR_OVERLOADED, "%s", "");
            }
            u->put[u->n_put++] = (struct catalogue_row){
                .provider = m->provider, .model = m->model, .entry_json = entry};
        }
    }
    while (k < u->n_rows) {
        u->gone[u->n_gone++] = u->rows[k++].id;
    }
    return true;
}

static bool audit(const struct update *u, const struct catalogue_counts *n, struct error *err)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 4096);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_str(&w, "version", catalogue_version(u->file));
    json_field_u64(&w, "added", n->added);
    json_field_u64(&w, "changed", n->changed);
    json_field_u64(&w, "rows_written", u->n_put);
    json_field_u64(&w, "rows_removed", u->n_gone);
    json_object_end(&w);
    buffer_append(&b, "", 1);
    bool ok = b.failed ? error_set(err, ERR_OVERLOADED, "%s", "")
                       : tx_audit(u->call->tx, "catalogue.update", "catalogue", NULL,
                                  &(struct uuid){{0}}, "model catalogue", NULL, b.ptr, err);
    buffer_release(&b);
    return ok;
}

static bool store(struct update *u, const struct catalogue_counts *n, struct error *err)
{
    struct tx *t = u->call->tx;
    if (u->n_put + u->n_gone == 0) {
        return true;
    }
    if (!catalogue_remove(t, u->gone, u->n_gone, u->call->arena, err) ||
        !catalogue_put(t, u->put, u->n_put, u->call->arena, err)) {
        return false;
    }
    for (size_t i = 0; i < u->n_gone; i++) {
        tx_change(t, CONFIG_CATALOGUE, NULL, &u->gone[i], true);
    }
    for (size_t i = 0; i < u->n_put; i++) {
        tx_change(t, CONFIG_CATALOGUE, NULL, &u->put[i].id, false);
    }
    return audit(u, n, err);
}

static bool run(struct update *u, bool dry_run, struct error *err)
{
    struct call *c = u->call;
    struct catalogue_side old, now;
    struct catalogue_counts counts;
    if ((!dry_run && !catalogue_lock(c->tx, err)) ||
        !catalogue_rows(c->tx, NULL, c->arena, &u->rows, &u->n_rows, err) ||
        !gather(c, &old, err) || !side_of(c, u->file, &now, err) || !plan(u, err)) {
        return false;
    }
    json_object_begin(&c->json);
    json_field_bool(&c->json, "dry_run", dry_run);
    json_field_str(&c->json, "version", catalogue_version(u->file));
    catalogue_diff_write(&old, &now, &c->json, &counts);
    json_field_u64(&c->json, "rows_written", dry_run ? 0 : u->n_put);
    json_field_u64(&c->json, "rows_removed", dry_run ? 0 : u->n_gone);
    json_object_end(&c->json);
    return dry_run || store(u, &counts, err);
}

bool catalogue_update_call(struct call *c, struct error *err)
{
    const struct api_context *context = c->context;
    struct str dry = http_query(c->request, "dry_run");
    struct update u = {.call = c, .installed = context->catalogue};
    if (dry.ptr && !str_eqz(dry, "true") && !str_eqz(dry, "false")) {
        return error_set_param(err, ERR_INVALID_FIELD, "dry_run", "dry_run must be true or false");
    }
    u.file = catalogue_parse(http_body(c->request), err);
    if (!u.file) {
        return false;
    }
    bool ok = run(&u, str_eqz(dry, "true"), err);
    catalogue_free(u.file);
    return ok;
}
