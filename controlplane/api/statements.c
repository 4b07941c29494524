/* GET /statements: a month of usage by team, workspace, key, provider and model, as JSON or CSV,
 * that adds up to its events to the nano-dollar (docs/prices.md). */
#include "controlplane/store/statements.h"

#include <stdio.h>

#include "common/rules/price.h"
#include "common/zone.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"

#define LINES_MAX 100000u
#define USD_MAX 96 /* of a sum's text */

struct span {
    struct str month, zone;
    uint64_t from_ms, to_ms;
};

/* --- what is asked for --- */

static bool read_number(struct str s, size_t at, size_t len, int *ret)
{
    uint64_t n;
    if (!str_to_u64(str_slice(s, at, len), &n)) {
        return false;
    }
    *ret = (int)n;
    return true;
}

/* A month of the zone: from its first midnight to the next one's. */
static bool read_span(struct call *c, struct span *ret, struct error *err)
{
    struct str month = http_query(c->request, "month"), name = http_query(c->request, "zone");
    struct civil_time first = {.day = 1}, next;
    const struct zone *zone = NULL;
    struct error why = ERROR_INIT;
    if (month.len != 7 || month.ptr[4] != '-' || !read_number(month, 0, 4, &first.year) ||
        !read_number(month, 5, 2, &first.month) || first.year < 1971 || first.month < 1 ||
        first.month > 12) {
        return error_set_param(err, ERR_INVALID_FIELD, "month",
                               "month must be one such as \"2026-11\"");
    }
    if (name.len > 0 && !zone_load(name, c->arena, &zone, &why)) {
        return error_set_param(err, ERR_INVALID_FIELD, "zone", "%s", error_text(&why));
    }
    next = first;
    next.year += first.month == 12;
    next.month = first.month % 12 + 1;
    *ret = (struct span){.month = month,
                         .zone = name.len > 0 ? name : STR_LIT("UTC"),
                         .from_ms = (uint64_t)zone_unix(zone, &first) * 1000,
                         .to_ms = (uint64_t)zone_unix(zone, &next) * 1000};
    return true;
}

static bool read_team(struct call *c, const struct statement_query *q, struct uuid *to,
                      const struct uuid **ret, struct error *err)
{
    struct str text = http_query(c->request, "team");
    if (text.len == 0) {
        return true;
    }
    if (!uuid_parse_public("team", text, to) &&
        !statement_team(c->tx, q, text, c->arena, to, err)) {
        return err->code == ERR_NOT_FOUND
                   ? error_set_param(err, ERR_NOT_FOUND, "team", "team not found")
                   : false;
    }
    *ret = to;
    return true;
}

static bool read_flags(struct call *c, bool *ret_by_key, bool *ret_csv, struct error *err)
{
    struct str by = http_query(c->request, "by"), format = http_query(c->request, "format");
    if (by.len > 0 && !str_eqz(by, "key")) {
        return error_set_param(err, ERR_INVALID_FIELD, "by", "by must be \"key\"");
    }
    if (format.len > 0 && !str_eqz(format, "json") && !str_eqz(format, "csv")) {
        return error_set_param(err, ERR_INVALID_FIELD, "format", "format must be json or csv");
    }
    *ret_by_key = by.len > 0;
    *ret_csv = str_eqz(format, "csv");
    return true;
}

/* --- money --- */

/* A whole number of nano-USD, however long, as USD with nine decimals. */
static struct str usd_of(struct str nano, char room[static USD_MAX])
{
    bool minus = nano.len > 0 && nano.ptr[0] == '-';
    struct str digits = str_slice(nano, minus, nano.len);
    size_t whole = digits.len > 9 ? digits.len - 9 : 0;
    int n = snprintf(room, USD_MAX, "%s%.*s.%.*s%.*s", minus ? "-" : "", (int)(whole ? whole : 1),
                     whole ? digits.ptr : "0", (int)(digits.len < 9 ? 9 - digits.len : 0),
                     "000000000", (int)(digits.len - whole), digits.ptr ? digits.ptr + whole : "");
    return (struct str){room, n > 0 && n < USD_MAX ? (size_t)n : 0};
}

/* --- JSON --- */

static void put_named(struct json_writer *w, const char *id_name, const char *prefix,
                      const struct uuid *id, const char *name, struct str text)
{
    reply_put_id(w, id_name, prefix, id);
    json_field_str(w, name, text.ptr ? text : STR_NONE);
}

static void put_money(struct json_writer *w, struct str events, struct str attempts,
                      struct str list, struct str cost)
{
    char room[USD_MAX];
    const struct {
        const char *name;
        struct str text;
    } sums[] = {
        {"events", events}, {"attempts", attempts}, {"list_nanousd", list}, {"cost_nanousd", cost}};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        json_name(w, sums[i].name);
        json_put_raw(w, sums[i].text.len ? sums[i].text : STR_LIT("0"));
    }
    json_field_str(w, "list", usd_of(list, room));
    json_field_str(w, "cost", usd_of(cost, room));
}

static void put_line(struct json_writer *w, const struct statement_line *l, bool by_key)
{
    json_object_begin(w);
    put_named(w, "team_id", "team", &l->team, "team", l->team_name);
    put_named(w, "workspace_id", "ws", &l->workspace, "workspace", l->workspace_name);
    if (by_key) {
        put_named(w, "key_id", "key", &l->key, "key", l->key_name);
    }
    json_field_str(w, "provider", l->provider);
    json_field_str(w, "model", l->model);
    json_name(w, "quantities");
    json_put_raw(w, l->quantities_json);
    put_money(w, l->events, l->attempts, l->list_nanousd, l->cost_nanousd);
    json_object_end(w);
}

static void put_json(struct json_writer *w, const struct span *s, bool by_key,
                     const struct statement_line *lines, size_t n,
                     const struct statement_total *total)
{
    json_object_begin(w);
    json_field_str(w, "month", s->month);
    json_field_str(w, "zone", s->zone);
    reply_put_time(w, "from", s->from_ms);
    reply_put_time(w, "to", s->to_ms);
    json_name(w, "lines");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        put_line(w, &lines[i], by_key);
    }
    json_array_end(w);
    json_name(w, "total");
    json_object_begin(w);
    put_money(w, total->events, total->attempts, total->list_nanousd, total->cost_nanousd);
    json_object_end(w);
    json_object_end(w);
}

/* --- CSV --- */

/* A text cell: quoted, and with a mark before what a spreadsheet would take for a formula. */
static void put_cell(struct buffer *out, struct str s)
{
    bool formula = s.len > 0 && strchr("=+-@\t\r\n", s.ptr[0]) != NULL;
    (void)buffer_append_z(out, formula ? "\"'" : "\"");
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"') {
            (void)buffer_append_z(out, "\"");
        }
        (void)buffer_append(out, &s.ptr[i], 1);
    }
    (void)buffer_append_z(out, "\",");
}

static void put_id_cell(struct buffer *out, const char *prefix, const struct uuid *id)
{
    char text[64] = "";
    if (!uuid_is_nil(id)) {
        uuid_format_public(prefix, id, text, sizeof text);
    }
    put_cell(out, str_of(text));
}

static void put_quantities(struct buffer *out, struct str json)
{
    struct json_member m[PRICE_UNIT_COUNT];
    for (unsigned u = 1; u < PRICE_UNIT_COUNT; u++) {
        m[u - 1] = (struct json_member){.name = str_of(price_unit_name((enum price_unit)u))};
    }
    bool ok = json.len > 0 && json_scan(json, m, PRICE_UNIT_COUNT - 1, 0, NULL);
    for (unsigned u = 1; u < PRICE_UNIT_COUNT; u++) {
        struct str n = ok && m[u - 1].found ? m[u - 1].value.raw : STR_LIT("0");
        (void)buffer_printf(out, "%.*s,", STR_ARG(n));
    }
}

static void put_sums(struct buffer *out, struct str list, struct str cost)
{
    char room[USD_MAX];
    (void)buffer_printf(out, "%.*s,%.*s,", STR_ARG(list), STR_ARG(cost));
    (void)buffer_append_str(out, usd_of(list, room));
    (void)buffer_append_z(out, ",");
    (void)buffer_append_str(out, usd_of(cost, room));
    (void)buffer_append_z(out, "\r\n");
}

static void put_header(struct buffer *out)
{
    (void)buffer_append_z(out, "row,month,team_id,team,workspace_id,workspace,key_id,key,provider,"
                               "model,events,attempts,");
    for (unsigned u = 1; u < PRICE_UNIT_COUNT; u++) {
        (void)buffer_printf(out, "%s,", price_unit_name((enum price_unit)u));
    }
    (void)buffer_append_z(out, "list_nanousd,cost_nanousd,list_usd,cost_usd\r\n");
}

static void put_csv(struct buffer *out, const struct span *s, const struct statement_line *lines,
                    size_t n, const struct statement_total *total)
{
    put_header(out);
    for (size_t i = 0; i < n; i++) {
        const struct statement_line *l = &lines[i];
        (void)buffer_printf(out, "line,%.*s,", STR_ARG(s->month));
        put_id_cell(out, "team", &l->team);
        put_cell(out, l->team_name);
        put_id_cell(out, "ws", &l->workspace);
        put_cell(out, l->workspace_name);
        put_id_cell(out, "key", &l->key);
        put_cell(out, l->key_name);
        put_cell(out, l->provider);
        put_cell(out, l->model);
        (void)buffer_printf(out, "%.*s,%.*s,", STR_ARG(l->events), STR_ARG(l->attempts));
        put_quantities(out, l->quantities_json);
        put_sums(out, l->list_nanousd, l->cost_nanousd);
    }
    (void)buffer_printf(out, "total,%.*s,,,,,,,,,%.*s,%.*s,", STR_ARG(s->month),
                        STR_ARG(total->events), STR_ARG(total->attempts));
    for (unsigned u = 1; u < PRICE_UNIT_COUNT; u++) {
        (void)buffer_append_z(out, ",");
    }
    put_sums(out, total->list_nanousd, total->cost_nanousd);
}

bool statements_call(struct call *c, struct error *err)
{
    struct statement_query q = {.organization = &c->organization,
                                .only_workspaces = !c->scope.whole,
                                .workspaces = c->scope.workspaces,
                                .n_workspaces = c->scope.n,
                                .limit = LINES_MAX};
    struct statement_line *lines;
    struct statement_total total;
    struct uuid team;
    struct span span = {.from_ms = 0};
    bool csv = false;
    size_t n = 0;
    if (!read_span(c, &span, err) || !read_flags(c, &q.by_key, &csv, err) ||
        !read_team(c, &q, &team, &q.team, err)) {
        return false;
    }
    q.from_ms = span.from_ms;
    q.to_ms = span.to_ms;
    if (!statement_read(c->tx, &q, c->arena, &lines, &n, &total, err)) {
        return false;
    }
    if (n > LINES_MAX) {
        return error_set_param(err, ERR_INVALID_FIELD, q.by_key ? "by" : "team",
                               "the statement has more than %u lines: ask for one team, or not by "
                               "key",
                               LINES_MAX);
    }
    if (csv) {
        struct str name = arena_printf(c->arena, "attachment; filename=\"statement-%.*s.csv\"",
                                       STR_ARG(span.month));
        http_reply_header(c->request, "content-disposition", name.ptr ? name.ptr : "attachment");
        c->content_type = "text/csv; charset=utf-8";
        put_csv(&c->out, &span, lines, n, &total);
    } else {
        put_json(&c->json, &span, q.by_key, lines, n, &total);
    }
    return true;
}
