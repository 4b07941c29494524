/* What a routing config's conditions see of a request; each is asked at most once. */
#include "common/zone.h"
#include "dataplane/stages/governed.h"
#include "dataplane/stages/routing.h"

struct str routing_header_metadata(const struct request *r)
{
    static const char *const names[] = {"x-weir-metadata", "x-portkey-metadata", "cf-aig-metadata"};
    struct json_value v;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str said = request_header(r, names[i]);
        if (said.len && json_validate(said, 0, &v, NULL) && v.type == JSON_OBJECT) {
            return v.raw;
        }
    }
    return STR_NONE;
}

struct str routing_metadata(const struct request *r)
{
    struct str said = routing_header_metadata(r);
    struct json_member m = {.name = STR_LIT("metadata")};
    if (said.ptr) {
        return said;
    }
    if (json_scan(r->client_body, &m, 1, 0, NULL) && m.found && m.value.type == JSON_OBJECT) {
        return m.value.raw;
    }
    return STR_NONE;
}

static bool member_of(struct str object, struct str name, struct json_value *ret)
{
    struct json_value whole;
    struct json_member m = {.name = name};
    if (!object.len || !json_validate(object, 0, &whole, NULL) ||
        !json_members(whole, &m, 1, NULL) || !m.found) {
        return false;
    }
    *ret = m.value;
    return true;
}

static void fact_metadata(struct routing *g, struct str name, struct fact *ret)
{
    const struct request *r = g->request;
    struct json_value v;
    if (!g->metadata_known) {
        g->metadata = routing_metadata(r);
        g->metadata_known = true;
    }
    if (member_of(g->metadata, name, &v) || member_of(r->key->metadata_json, name, &v)) {
        fact_json(ret, r->arena, v);
    }
}

static void fact_header(const struct request *r, struct str name, struct fact *ret)
{
    char z[128];
    if (name.len < sizeof(z)) {
        memcpy(z, name.ptr, name.len);
        z[name.len] = '\0';
        fact_text(ret, request_header(r, z));
    }
}

/* ---- what the body holds ---- */

#define VIEW_MEMBERS 64
#define LOOK_MAX (256u << 20) /* bytes that all looks into one body pass over */

/* The body's members, so that a config with many fields does not read a large body for each. */
struct body_view {
    struct json_value names[VIEW_MEMBERS], values[VIEW_MEMBERS];
    size_t n;
    bool whole; /* all of them are there */
    uint64_t looked;
};

static struct body_view *view_of(struct routing *g)
{
    struct str text = str_trim(g->request->client_body);
    struct json_value object = {.type = JSON_OBJECT, .raw = text}, name, value;
    size_t pos = 0;
    if (g->body || text.len < 2 || text.ptr[0] != '{') {
        return g->body;
    }
    struct body_view *v = g->body = arena_zalloc(g->request->arena, sizeof(*v));
    while (v && json_next(object, &pos, &name, &value)) {
        if (v->n == VIEW_MEMBERS) {
            return v;
        }
        v->names[v->n] = name;
        v->values[v->n++] = value;
    }
    if (v) {
        v->whole = true;
    }
    return v;
}

/* NULL: none, or one that is there twice, of which a second reader might pick the other. */
static const struct json_value *view_find(const struct body_view *v, struct str name)
{
    const struct json_value *found = NULL;
    for (size_t i = 0; i < v->n; i++) {
        if (json_text_eq(v->names[i], name)) {
            if (found) {
                return NULL;
            }
            found = &v->values[i];
        }
    }
    return found;
}

static void fact_in_body(struct routing *g, const struct route_field *f, struct fact *ret)
{
    struct request *r = g->request;
    struct body_view *v = view_of(g);
    if (!v || f->n_steps == 0 || !f->steps[0].name.ptr) {
        return;
    }
    const struct json_value *at = v->whole ? view_find(v, f->steps[0].name) : NULL;
    if (v->whole && !at) {
        return;
    }
    v->looked += at ? at->raw.len : r->client_body.len;
    if (v->looked > LOOK_MAX) {
        g->seen.failed = true; /* not all that it asks for was seen: nothing is kept of it */
        return;
    }
    if (at) {
        fact_steps(ret, r->arena, *at, f->steps + 1, f->n_steps - 1);
    } else {
        fact_body(ret, r->arena, r->client_body, f);
    }
}

static bool not_empty(struct json_value v)
{
    size_t pos = 0;
    struct json_value one;
    return v.type == JSON_OBJECT || (v.type == JSON_ARRAY && json_next(v, &pos, NULL, &one));
}

static bool has_tools(const struct request *r)
{
    static const char *const names[] = {"tools", "functions", "toolConfig"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct json_member m = {.name = str_of(names[i])};
        if (json_scan(r->client_body, &m, 1, 0, NULL) && m.found && not_empty(m.value)) {
            return true;
        }
    }
    return false;
}

static bool text_has(struct str text, const char *mark)
{
    return memmem(text.ptr, text.len, mark, strlen(mark)) != NULL;
}

/* By the words that each dialect has for a part that is an image: a look, not a reading. A text
 * that holds such a word holds it with its quotes escaped. */
static bool has_images(const struct request *r)
{
    static const char *const marks[] = {"\"image_url\"", "\"input_image\"", "\"image\"",
                                        "\"image/png\"", "\"image/jpeg\"",  "\"image/webp\"",
                                        "\"image/gif\""};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (text_has(r->client_body, marks[i])) {
            return true;
        }
    }
    return false;
}

static bool has_schema(const struct request *r)
{
    static const char *const marks[] = {"\"json_schema\"", "\"responseSchema\"",
                                        "\"response_schema\"", "\"responseJsonSchema\"",
                                        "\"output_format\""};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (text_has(r->client_body, marks[i])) {
            return true;
        }
    }
    return false;
}

/* ---- who asks, and when ---- */

static struct str public_id(struct request *r, const char *prefix, const struct uuid *id)
{
    char text[64];
    uuid_format_public(prefix, id, text, sizeof(text));
    return uuid_is_nil(id) ? STR_NONE : arena_str(r->arena, str_of(text));
}

static void fact_caller(struct request *r, struct str name, struct fact *ret)
{
    const struct snap_key *k = r->key;
    if (str_eqz(name, "key")) {
        fact_text(ret, public_id(r, "key", &k->id));
    } else if (str_eqz(name, "key_name")) {
        fact_text(ret, k->name);
    } else if (str_eqz(name, "user")) {
        fact_text(ret, public_id(r, "usr", &k->user_id));
    } else if (str_eqz(name, "workspace")) {
        fact_text(ret, public_id(r, "ws", &k->workspace_id));
    } else if (str_eqz(name, "team") && !uuid_is_nil(&k->team_id)) {
        const struct snap_team *t = snapshot_team(r->snapshot, &k->team_id);
        fact_text(ret, t ? t->name : public_id(r, "team", &k->team_id));
    } else if (str_eqz(name, "team")) {
        struct json_value v;
        if (member_of(k->metadata_json, STR_LIT("team"), &v)) {
            fact_json(ret, r->arena, v);
        }
    } else if (str_eqz(name, "tags") && k->n_tags) {
        *ret = (struct fact){.type = FACT_LIST, .items = k->tags, .n_items = k->n_tags};
    }
}

static void fact_clock(struct request *r, const struct route_field *f, struct fact *ret)
{
    static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    struct civil_time c;
    zone_civil(f->zone, (int64_t)(r->started_wall_us / 1000000), &c);
    if (f->kind == ROUTE_FIELD_WEEKDAY) {
        fact_text(ret, str_of(days[c.weekday]));
    } else if (f->kind == ROUTE_FIELD_DATE) {
        fact_text(ret, arena_printf(r->arena, "%04d-%02d-%02d", c.year, c.month, c.day));
    } else if (str_eqz(f->name, "hour")) {
        fact_number(ret, r->arena, c.hour);
    } else if (str_eqz(f->name, "minute")) {
        fact_number(ret, r->arena, c.hour * 60 + c.minute);
    } else {
        fact_text(ret, arena_printf(r->arena, "%02d:%02d", c.hour, c.minute));
    }
}

/* Of the budgets that bind the request whomever it goes to: what is left of the tightest, in USD or
 * percent. */
static void fact_budget(struct request *r, struct str name, struct fact *ret)
{
    struct quota_view v;
    bool percent = str_eqz(name, "remaining_percent");
    if (!governed_tightest(r, percent ? METRIC_NONE : METRIC_COST, &v) || v.amount == 0) {
        return;
    }
    uint64_t left = v.amount > v.settled ? v.amount - v.settled : 0;
    if (percent) {
        fact_number(ret, r->arena, (int64_t)((unsigned __int128)left * 100 / v.amount));
    } else {
        fact_text(ret, governed_amount(r->arena, METRIC_COST, left));
        ret->type = ret->type == FACT_TEXT ? FACT_NUMBER : ret->type;
    }
}

static void note_text(struct buffer *b, struct str s)
{
    uint64_t len = s.len;
    (void)buffer_append(b, &len, sizeof(len));
    (void)buffer_append_str(b, s);
}

/* With lengths and kinds, so that no two callers' facts read alike: an empty text is none that is
 * absent, and no text may stand for two. */
static void note(struct routing *g, const struct route_field *f, const struct fact *v)
{
    char head[2] = {(char)v->type, (char)v->is_number};
    note_text(&g->seen, f->text);
    (void)buffer_append(&g->seen, head, sizeof(head));
    for (size_t i = 0; i < v->n_items; i++) {
        note_text(&g->seen, v->items[i]);
    }
    note_text(&g->seen, v->text);
}

static void answer(struct routing *g, const struct route_field *f, struct fact *ret)
{
    struct request *r = g->request;
    *ret = (struct fact){.type = FACT_ABSENT};
    switch (f->kind) {
    case ROUTE_FIELD_METADATA:
        fact_metadata(g, f->name, ret);
        break;
    case ROUTE_FIELD_HEADER:
        fact_header(r, f->name, ret);
        break;
    case ROUTE_FIELD_BODY:
        fact_in_body(g, f, ret);
        break;
    case ROUTE_FIELD_PATH:
        fact_text(ret, r->head->path);
        break;
    case ROUTE_FIELD_ENDPOINT:
        fact_text(ret, str_of(request_endpoint_name(r)));
        break;
    case ROUTE_FIELD_MODEL:
        fact_text(ret, r->model);
        break;
    case ROUTE_FIELD_STREAM:
        fact_bool(ret, r->stream);
        break;
    case ROUTE_FIELD_PROMPT_TOKENS:
        fact_number(ret, r->arena, (int64_t)routing_prompt_tokens(r));
        break;
    case ROUTE_FIELD_HAS_TOOLS:
        fact_bool(ret, has_tools(r));
        break;
    case ROUTE_FIELD_HAS_IMAGES:
        fact_bool(ret, has_images(r));
        break;
    case ROUTE_FIELD_HAS_JSON_SCHEMA:
        fact_bool(ret, has_schema(r));
        break;
    case ROUTE_FIELD_CALLER:
        fact_caller(r, f->name, ret);
        break;
    case ROUTE_FIELD_TIME:
    case ROUTE_FIELD_WEEKDAY:
    case ROUTE_FIELD_DATE:
        fact_clock(r, f, ret);
        break;
    case ROUTE_FIELD_BUDGET:
        fact_budget(r, f->name, ret);
        break;
    default: /* of health and latency the walk knows by itself */
        break;
    }
}

void routing_fact(void *arg, const struct route_field *f, struct fact *ret)
{
    answer(arg, f, ret);
    note(arg, f, ret);
}
