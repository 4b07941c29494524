/* Reading results: PostgreSQL's text forms (ISO, UTC, hex bytea, arrays) to ours. */
#include "controlplane/store/db_internal.h"

#include <assert.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/crypto.h"

size_t db_count(const struct db_rows *r)
{
    return (size_t)PQntuples(r->result);
}

size_t db_affected(const struct db_rows *r)
{
    uint64_t n = 0;
    (void)str_to_u64(str_of(PQcmdTuples(r->result)), &n);
    return (size_t)n;
}

bool db_is_null(const struct db_rows *r, size_t row, int col)
{
    assert(row < db_count(r) && col < PQnfields(r->result));
    return PQgetisnull(r->result, (int)row, col) != 0;
}

struct str db_text(const struct db_rows *r, size_t row, int col)
{
    if (db_is_null(r, row, col)) {
        return STR_NONE;
    }
    return (struct str){PQgetvalue(r->result, (int)row, col),
                        (size_t)PQgetlength(r->result, (int)row, col)};
}

int64_t db_i64(const struct db_rows *r, size_t row, int col)
{
    int64_t v = 0;
    (void)str_to_i64(db_text(r, row, col), &v);
    return v;
}

bool db_bool(const struct db_rows *r, size_t row, int col)
{
    return str_eqz(db_text(r, row, col), "t");
}

struct uuid db_uuid(const struct db_rows *r, size_t row, int col)
{
    struct uuid u = {{0}};
    (void)uuid_parse(db_text(r, row, col), &u);
    return u;
}

struct str db_bytes(const struct db_rows *r, size_t row, int col, struct arena *a)
{
    struct str s = db_text(r, row, col);
    if (!s.ptr || !str_starts(s, STR_LIT("\\x"))) {
        return STR_NONE;
    }
    size_t n = (s.len - 2) / 2;
    uint8_t *out = arena_alloc(a, n + 1);
    if (!out || (n > 0 && !crypto_unhex(str_slice(s, 2, n * 2), out, n))) {
        return STR_NONE;
    }
    out[n] = '\0';
    return (struct str){(const char *)out, n};
}

uint64_t db_time_ms(const struct db_rows *r, size_t row, int col)
{
    /* "2026-11-21 22:53:31.123456+00": the session is in UTC, so only the zone's minutes are
     * missing. */
    struct str s = db_text(r, row, col);
    char buf[48];
    uint64_t ms = 0;
    if (s.ptr && s.len < sizeof buf - 4) {
        snprintf(buf, sizeof buf, "%.*s:00", STR_ARG(s));
        (void)clock_parse_rfc3339(str_of(buf), &ms);
    }
    return ms;
}

/* One element of {a,"b\"c",NULL} from *pos; its decoded text goes to out, which has room for all of
 * s. */
static struct str array_item(struct str s, size_t *pos, char *out)
{
    size_t n = 0;
    bool quoted = s.ptr[*pos] == '"';
    if (quoted) {
        (*pos)++;
    }
    while (*pos < s.len) {
        char ch = s.ptr[*pos];
        if (quoted ? ch == '"' : (ch == ',' || ch == '}')) {
            break;
        }
        if (ch == '\\' && *pos + 1 < s.len) {
            ch = s.ptr[++*pos];
        }
        out[n++] = ch;
        (*pos)++;
    }
    if (quoted) {
        (*pos)++;
    }
    out[n] = '\0';
    if (!quoted && n == 4 && memcmp(out, "NULL", 4) == 0) {
        return STR_NONE;
    }
    return (struct str){out, n};
}

size_t db_texts(const struct db_rows *r, size_t row, int col, struct arena *a, struct str **ret)
{
    struct str s = db_text(r, row, col);
    *ret = NULL;
    if (!s.ptr || s.len < 3 || s.ptr[0] != '{') {
        return 0;
    }
    size_t most = 1;
    for (size_t i = 0; i < s.len; i++) {
        most += s.ptr[i] == ',';
    }
    /* Each element's text ends in a NUL that stands for its comma or brace. */
    struct str *items = arena_alloc(a, most * sizeof *items);
    char *text = arena_alloc(a, s.len + 1);
    if (!items || !text) {
        return 0;
    }
    size_t n = 0, pos = 1;
    while (pos < s.len && s.ptr[pos] != '}' && n < most) {
        items[n] = array_item(s, &pos, text);
        text += items[n].ptr ? items[n].len + 1 : 0;
        n++;
        if (pos < s.len && s.ptr[pos] == ',') {
            pos++;
        }
    }
    *ret = items;
    return n;
}

void db_rows_free(struct db_rows *r)
{
    if (r) {
        PQclear(r->result);
        mem_free(r);
    }
}
