/* How a model name that a client sends is matched. Both planes must agree byte for byte, so it
 * stands here once. */
#include "common/rules/model_name.h"

#define NAME_MAX_BYTES 200

bool model_name_matches(struct str pattern, struct str name)
{
    /* On a mismatch only the last '*' can take one byte more: linear for one star, never
     * exponential. */
    size_t p = 0, n = 0, star = SIZE_MAX, resume = 0;
    while (n < name.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            resume = n;
        } else if (p < pattern.len && pattern.ptr[p] == name.ptr[n]) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

bool model_name_split(struct str name, struct str *ret_provider, struct str *ret_model)
{
    struct str provider, model;
    if (str_starts(name, STR_LIT("@"))) {
        name = str_slice(name, 1, name.len);
    }
    if (!str_cut(name, '/', &provider, &model) || provider.len == 0 || model.len == 0) {
        return false;
    }
    *ret_provider = provider;
    *ret_model = model;
    return true;
}

bool model_name_valid(struct str name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES || name.ptr[0] == '@') {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\'' || c == '`') {
            return false;
        }
    }
    return true;
}
