/* Cursors: base64url of a mark and the id. */
#include "controlplane/http/page.h"

#include "common/crypto.h"

#define MARK 0x01
#define LIMIT_DEFAULT 50
#define LIMIT_MAX 200

bool page_read(const struct http_request *r, struct page *ret, struct error *err)
{
    struct str limit = http_query(r, "limit"), cursor = http_query(r, "cursor");
    uint64_t n = LIMIT_DEFAULT;
    uint8_t raw[1 + sizeof ret->after.b];
    size_t len;
    *ret = (struct page){.limit = LIMIT_DEFAULT};
    if (limit.ptr && (!str_to_u64(limit, &n) || n < 1 || n > LIMIT_MAX)) {
        return error_set_param(err, ERR_INVALID_FIELD, "limit", "limit must be between 1 and %d",
                               LIMIT_MAX);
    }
    ret->limit = (unsigned)n;
    if (!cursor.ptr || cursor.len == 0) {
        return true;
    }
    if (!crypto_unbase64(cursor, raw, sizeof raw, &len) || len != sizeof raw || raw[0] != MARK) {
        return error_set_param(err, ERR_INVALID_FIELD, "cursor",
                               "cursor is not one that this API gave");
    }
    memcpy(ret->after.b, raw + 1, sizeof ret->after.b);
    ret->has_after = true;
    return true;
}

bool page_begin(struct json_writer *w, const struct page *p, size_t *n)
{
    bool more = *n > p->limit;
    *n = more ? p->limit : *n;
    json_object_begin(w);
    json_name(w, "data");
    json_array_begin(w);
    return more;
}

void page_end(struct json_writer *w, bool more, const struct uuid *last)
{
    uint8_t raw[1 + sizeof last->b];
    char text[32];
    json_array_end(w);
    json_name(w, "next_cursor");
    if (more && last) {
        raw[0] = MARK;
        memcpy(raw + 1, last->b, sizeof last->b);
        (void)crypto_base64url(raw, sizeof raw, text);
        json_put_z(w, text);
    } else {
        json_put_null(w);
    }
    json_object_end(w);
}
