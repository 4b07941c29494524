/* See headers.h. Rows stand in order of their first letter, so that a look-up, which is made for
 * every field of every request, ends early. */
#include "dataplane/stages/headers.h"

struct row {
    const char *name;
    unsigned char len;
    bool prefix;
};

#define NAME(s)                 \
    {                           \
        s, sizeof(s) - 1, false \
    }
#define PREFIX(s)              \
    {                          \
        s, sizeof(s) - 1, true \
    }

/* sorted by first letter */
static const struct row not_up[] = {
    NAME("accept-encoding"), /* identity is asked for, so that usage can be read */
    NAME("api-key"),
    NAME("authorization"),
    PREFIX("cf-"),
    NAME("connection"),
    NAME("content-length"),
    NAME("cookie"),
    NAME("expect"),
    NAME("forwarded"),
    NAME("host"),
    NAME("http2-settings"),
    NAME("keep-alive"),
    PREFIX("proxy-"),
    NAME("te"),
    NAME("trailer"),
    NAME("transfer-encoding"),
    NAME("true-client-ip"),
    NAME("upgrade"),
    NAME("via"),
    NAME("x-amz-content-sha256"), /* of the client's own signature */
    NAME("x-amz-date"),
    NAME("x-amz-security-token"),
    NAME("x-api-key"),
    PREFIX("x-forwarded-"),
    NAME("x-goog-api-key"),
    PREFIX("x-portkey-"),
    NAME("x-real-ip"),
    PREFIX("x-weir-"),
};

static const struct row not_down[] = {
    NAME("alt-svc"),    NAME("connection"),  NAME("content-length"),
    NAME("date"),       NAME("keep-alive"),  PREFIX("proxy-"),
    NAME("set-cookie"), NAME("set-cookie2"), NAME("strict-transport-security"),
    NAME("te"),         NAME("trailer"),     NAME("transfer-encoding"),
    NAME("upgrade"),    PREFIX("x-weir-"),
};

static bool listed(const struct row *rows, size_t n, struct str name)
{
    char first = name.len ? (char)(name.ptr[0] | 0x20) : '\0';
    for (size_t i = 0; i < n && rows[i].name[0] <= first; i++) {
        const struct row *row = &rows[i];
        if (row->name[0] != first || (row->prefix ? name.len < row->len : name.len != row->len)) {
            continue;
        }
        if (str_eq_nocase((struct str){name.ptr, row->len}, (struct str){row->name, row->len})) {
            return true;
        }
    }
    return false;
}

bool header_goes_up(struct str name)
{
    return !listed(not_up, sizeof(not_up) / sizeof(not_up[0]), name);
}

bool header_comes_down(struct str name)
{
    return !listed(not_down, sizeof(not_down) / sizeof(not_down[0]), name);
}

static bool token_in(struct str list, struct str name)
{
    struct str token, rest;
    for (;;) {
        bool more = str_cut(list, ',', &token, &rest);
        if (str_eq_nocase(str_trim(more ? token : list), name)) {
            return true;
        }
        if (!more) {
            return false;
        }
        list = rest;
    }
}

bool header_is_named_by_connection(const struct header *headers, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq_nocase(headers[i].name, STR_LIT("connection")) &&
            token_in(headers[i].value, name)) {
            return true;
        }
    }
    return false;
}
