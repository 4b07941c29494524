/* Writing text of bounded room; see head.h. */
#include "dataplane/canonical/head.h"

bool head_init(struct head *h, struct arena *a, size_t cap)
{
    *h = (struct head){.ptr = arena_alloc(a, cap), .cap = cap};
    if (!h->ptr) {
        h->cap = 0;
        h->failed = true;
    }
    return !h->failed;
}

void head_put_z(struct head *h, const char *z)
{
    head_put(h, str_of(z));
}

void head_put_u64(struct head *h, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    head_put(h, (struct str){digits + at, sizeof(digits) - at});
}

void head_put_header(struct head *h, struct str name, struct str value)
{
    head_put(h, name);
    head_put(h, STR_LIT(": "));
    head_put(h, value);
    head_put(h, STR_LIT("\r\n"));
}

void head_put_json(struct head *h, struct str s)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\') {
            char pair[2] = {'\\', (char)c};
            head_put(h, (struct str){pair, 2});
        } else if (c < 0x20 || c == 0x7f) {
            char code[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            head_put(h, (struct str){code, 6});
        } else {
            head_put(h, (struct str){s.ptr + i, 1});
        }
    }
}

bool head_value_ok(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}
