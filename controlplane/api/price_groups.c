/* Price groups (docs/prices.md): a ratio, and others for some providers or models. Ratios are
 * decimal texts in the API and parts per million in the database. */
#include "controlplane/store/price_groups.h"

#include "common/base/buffer.h"
#include "common/rules/money.h"
#include "common/rules/price_book.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "proto/snapshot.pb-c.h"

#define RATIO_BYTES_MAX 64
#define OVERRIDES_BYTES_MAX ((size_t)1 << 20)

static const struct field fields[] = {
    FIELD_ORGANIZATION(PRICE_GROUP),
    FIELD_NAME(PRICE_GROUP, 100, validate_slug),
    {.name = "description",
     .kind = FIELD_TEXT,
     .column = PRICE_GROUP_DESCRIPTION,
     .flags = FIELD_WRITE,
     .max = 1000},
    FIELD_OWNED_BY(PRICE_GROUP),
    FIELD_ROW_TIMES(PRICE_GROUP),
};

static const char *const extras[] = {"ratio", "overrides", NULL};

/* --- reading --- */

static bool read_ratio(const struct body_value *object, const struct body_path *at, uint64_t *ret,
                       struct error *err)
{
    const struct body_value *v = body_get(object, "ratio");
    if (!v) {
        return body_refuse(err, at, "ratio", "is required");
    }
    bool number = v->type == BODY_INTEGER || v->type == BODY_REAL;
    struct str text = v->type == BODY_TEXT ? v->text : number ? v->raw : STR_NONE;
    if (text.len == 0 || text.len > RATIO_BYTES_MAX ||
        !money_parse(text, MONEY_RATIO_DECIMALS, ret) || *ret > PRICE_RATIO_MAX) {
        return body_refuse(err, at, "ratio",
                           "must be a number from 0 to 1000 with at most 6 decimals, as \"0.8\"");
    }
    return true;
}

static bool read_pattern(const struct body_value *object, const struct body_path *at,
                         const char *name, struct str *ret, struct error *err)
{
    const struct body_value *v = body_get(object, name);
    *ret = STR_LIT("");
    return !v || v->type == BODY_NULL || body_text(v, 0, PRICE_PATTERN_MAX, at, name, ret, err);
}

static bool read_override(const struct body_value *v, const struct body_path *at,
                          struct json_writer *w, struct error *err)
{
    static const char *const names[] = {"provider", "model", "ratio", NULL};
    struct str provider, model;
    uint64_t ppm;
    if (!body_object(v, OVERRIDES_BYTES_MAX, at, NULL, err) || !body_known(v, names, at, err) ||
        !read_pattern(v, at, "provider", &provider, err) ||
        !read_pattern(v, at, "model", &model, err) || !read_ratio(v, at, &ppm, err)) {
        return false;
    }
    if (provider.len == 0 && model.len == 0) {
        return body_refuse(err, at, NULL, "needs a provider or a model");
    }
    json_object_begin(w);
    json_field_str(w, "provider", provider);
    json_field_str(w, "model", model);
    json_field_u64(w, "ratio_ppm", ppm);
    json_object_end(w);
    return true;
}

static bool take_overrides(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "overrides");
    struct object_value *column = &ch->now.v[PRICE_GROUP_OVERRIDES];
    struct body_path here = {ch->at, "overrides", 0};
    struct json_writer w;
    struct buffer b;
    if (!v || v->type == BODY_NULL) {
        if (v || ch->whole) {
            object_set_text(column, STR_LIT("[]"));
        }
        return true;
    }
    if (!body_array(v, PRICE_OVERRIDES_MAX, ch->at, "overrides", err)) {
        return false;
    }
    buffer_init(&b, OVERRIDES_BYTES_MAX);
    json_writer_init(&w, &b);
    json_array_begin(&w);
    bool ok = true;
    for (size_t i = 0; ok && i < v->n; i++) {
        struct body_path at = {&here, NULL, i};
        ok = read_override(&v->items[i], &at, &w, err);
    }
    json_array_end(&w);
    if (ok) {
        struct str text = b.failed ? STR_NONE : arena_str(ch->call->arena, buffer_str(&b));
        object_set_text(column, text);
        ok = text.ptr || error_set(err, ERR_OVERLOADED, "%s", "");
    }
    buffer_release(&b);
    return ok;
}

/* A group that something is in keeps its name, and is there. */
static bool check_unused(struct change *ch, struct error *err)
{
    struct str kind, name;
    if (!price_group_user(ch->call->tx, &ch->call->organization,
                          ch->before.v[PRICE_GROUP_NAME].text, ch->call->arena, &kind, &name,
                          err)) {
        return false;
    }
    return !kind.ptr || error_set(err, ERR_CONFLICT, "price_group is what the %.*s \"%.*s\" is in",
                                  STR_ARG(kind), STR_ARG(name));
}

static bool prepare(struct change *ch, struct error *err)
{
    const struct object_value *name = &ch->now.v[PRICE_GROUP_NAME];
    uint64_t ppm;
    if (ch->creating || ch->whole || body_get(ch->body, "ratio")) {
        if (!read_ratio(ch->body, ch->at, &ppm, err)) {
            return false;
        }
        object_set_i64(&ch->now.v[PRICE_GROUP_RATIO_PPM], (int64_t)ppm);
    }
    if (!ch->creating && object_is_set(name) &&
        !str_eq_nocase(name->text, ch->before.v[PRICE_GROUP_NAME].text) && !check_unused(ch, err)) {
        return false;
    }
    return take_overrides(ch, err);
}

/* --- showing --- */

static void put_ratio(struct json_writer *w, uint64_t ppm)
{
    char text[MONEY_TEXT_MAX];
    size_t n = money_format(ppm, MONEY_RATIO_DECIMALS, text, sizeof text);
    json_field_str(w, "ratio", (struct str){text, n});
}

static void put_pattern(struct json_writer *w, const char *name, const struct json_member *m,
                        struct arena *a)
{
    size_t len = 0;
    char *text = m->found ? arena_alloc(a, m->value.raw.len + 1) : NULL;
    if (text && json_unescape(m->value, text, m->value.raw.len, &len) && len > 0) {
        json_field_str(w, name, (struct str){text, len});
    }
}

void price_group_show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    struct json_value list, item;
    struct error ignored = ERROR_INIT;
    size_t pos = 0;
    (void)loaded;
    put_ratio(w, (uint64_t)row->v[PRICE_GROUP_RATIO_PPM].integer);
    json_name(w, "overrides");
    json_array_begin(w);
    if (object_is_set(&row->v[PRICE_GROUP_OVERRIDES]) &&
        json_validate(row->v[PRICE_GROUP_OVERRIDES].text, 0, &list, &ignored)) {
        while (json_next(list, &pos, NULL, &item)) {
            struct json_member m[] = {{.name = STR_LIT("provider")},
                                      {.name = STR_LIT("model")},
                                      {.name = STR_LIT("ratio_ppm")}};
            uint64_t ppm = 0;
            if (!json_members(item, m, 3, NULL) || !m[2].found || !json_u64(m[2].value, &ppm)) {
                continue;
            }
            json_object_begin(w);
            put_pattern(w, "provider", &m[0], c->arena);
            put_pattern(w, "model", &m[1], c->arena);
            put_ratio(w, ppm);
            json_object_end(w);
        }
    }
    json_array_end(w);
}

const struct resource price_group_resource = {
    .kind = "price_group",
    .prefix = "pgr",
    .table = &price_groups_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_PRICE_READ,
    .change_kind = WEIR__KIND__KIND_PRICE_GROUP,
    .shared = true,
    .prepare = prepare,
    .removing = check_unused,
    .show = price_group_show,
};
