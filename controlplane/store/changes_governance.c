/* See changes_governance.h. Lists of objects come as jsonb's text, whose members always stand in
 * the same order. */
#include "controlplane/store/changes_governance.h"

#include "common/json.h"

/* The text of a JSON string, ending in NUL; "" where it is none. */
static struct str text_of(const struct json_member *m, struct arena *a)
{
    size_t n = 0;
    if (!m->found || m->value.type != JSON_STRING) {
        return STR_LIT("");
    }
    char *text = arena_alloc(a, m->value.raw.len);
    if (!text || !json_unescape(m->value, text, m->value.raw.len - 1, &n)) {
        return STR_LIT("");
    }
    text[n] = '\0';
    return (struct str){text, n};
}

/* A validated array and how many it holds; 0 where it is none. */
static size_t array_of(struct str text, struct json_value *ret)
{
    struct json_value each;
    size_t n = 0, pos = 0;
    if (!text.ptr || !json_validate(text, 0, ret, NULL) || ret->type != JSON_ARRAY) {
        return 0;
    }
    while (json_next(*ret, &pos, NULL, &each)) {
        n++;
    }
    return n;
}

static size_t read_scopes(struct str text, struct arena *a, const struct config_scope **ret)
{
    struct json_value array, each;
    size_t n = array_of(text, &array), pos = 0, at = 0;
    struct config_scope *list = arena_alloc(a, (n + 1) * sizeof(*list));
    while (list && at < n && json_next(array, &pos, NULL, &each)) {
        struct json_member m[] = {
            {.name = STR_LIT("kind")}, {.name = STR_LIT("name")}, {.name = STR_LIT("value")}};
        (void)json_members(each, m, 3, NULL);
        list[at++] = (struct config_scope){text_of(&m[0], a), text_of(&m[1], a), text_of(&m[2], a)};
    }
    *ret = list;
    return at;
}

static size_t read_ratios(struct str text, struct arena *a, const struct config_ratio **ret)
{
    struct json_value array, each;
    size_t n = array_of(text, &array), pos = 0, at = 0;
    struct config_ratio *list = arena_alloc(a, (n + 1) * sizeof(*list));
    while (list && at < n && json_next(array, &pos, NULL, &each)) {
        struct json_member m[] = {{.name = STR_LIT("provider")},
                                  {.name = STR_LIT("model")},
                                  {.name = STR_LIT("ratio_ppm")}};
        (void)json_members(each, m, 3, NULL);
        list[at] = (struct config_ratio){text_of(&m[0], a), text_of(&m[1], a), 0};
        at += m[2].found && json_u64(m[2].value, &list[at].ratio_ppm);
    }
    *ret = list;
    return at;
}

static size_t read_percents(const struct db_rows *r, size_t row, int col, struct arena *a,
                            const uint32_t **ret)
{
    const struct str *list;
    size_t n = changes_texts(r, row, col, a, &list), at = 0;
    uint32_t *percents = arena_alloc(a, (n + 1) * sizeof(*percents));
    uint64_t v;
    for (size_t i = 0; percents && i < n; i++) {
        if (str_to_u64(list[i], &v) && v <= UINT32_MAX) {
            percents[at++] = (uint32_t)v;
        }
    }
    *ret = percents;
    return at;
}

static size_t read_ids(const struct db_rows *r, size_t row, int col, struct arena *a,
                       const struct uuid **ret)
{
    const struct str *list;
    size_t n = changes_texts(r, row, col, a, &list), at = 0;
    struct uuid *ids = arena_alloc(a, (n + 1) * sizeof(*ids));
    for (size_t i = 0; ids && i < n; i++) {
        at += uuid_parse(list[i], &ids[at]);
    }
    *ret = ids;
    return at;
}

static void read_quota(const struct db_rows *r, size_t i, struct arena *a, struct config_row *row)
{
    struct config_quota *q = &row->quota;
    q->n_scopes = read_scopes(changes_copy(r, i, 4, a), a, &q->scopes);
    q->metric = changes_copy(r, i, 5, a);
    q->amount = (uint64_t)db_i64(r, i, 6);
    q->window = changes_copy(r, i, 7, a);
    q->when_unavailable = changes_copy(r, i, 8, a);
    q->max_values = (uint32_t)db_i64(r, i, 9);
    row->disabled = db_bool(r, i, 10);
    if (row->kind == CONFIG_LIMIT) {
        q->algorithm = changes_copy(r, i, 11, a);
        q->burst = (uint64_t)db_i64(r, i, 12);
        q->exact = db_bool(r, i, 13);
        return;
    }
    q->zone = changes_copy(r, i, 11, a);
    q->mode = changes_copy(r, i, 12, a);
    q->downgrade_model = changes_copy(r, i, 13, a);
    q->n_alert_percents = read_percents(r, i, 14, a, &q->alert_percents);
    q->max_cost = (uint64_t)db_i64(r, i, 15);
    q->extra_amount = (uint64_t)db_i64(r, i, 16);
    q->extra_until_ms = db_time_ms(r, i, 17);
}

static void read_issuer(const struct db_rows *r, size_t i, struct arena *a, struct config_row *row)
{
    struct config_issuer *s = &row->issuer;
    s->issuer = changes_copy(r, i, 4, a);
    s->n_audiences = changes_texts(r, i, 5, a, &s->audiences);
    s->n_algorithms = changes_texts(r, i, 6, a, &s->algorithms);
    s->jwks_json = changes_copy(r, i, 7, a);
    s->claims_json = changes_copy(r, i, 8, a);
    s->n_key_ids = read_ids(r, i, 9, a, &s->key_ids);
    s->leeway_s = (uint64_t)db_i64(r, i, 10);
    row->disabled = db_bool(r, i, 11);
    s->n_denied_jti = changes_texts(r, i, 12, a, &s->denied_jti);
}

void changes_read_governance(const struct db_rows *r, size_t row, struct arena *a,
                             struct config_row *ret)
{
    switch (ret->kind) {
    case CONFIG_BUDGET:
    case CONFIG_LIMIT:
        read_quota(r, row, a, ret);
        break;
    case CONFIG_PRICE_GROUP:
        ret->ratio_ppm = (uint64_t)db_i64(r, row, 4);
        ret->n_ratios = read_ratios(changes_copy(r, row, 5, a), a, &ret->ratios);
        break;
    case CONFIG_ISSUER:
        read_issuer(r, row, a, ret);
        break;
    case CONFIG_TEAM:
        ret->price_group = changes_copy(r, row, 4, a);
        break;
    default:
        break;
    }
}
