/* See claude_model.h. */
#include "dataplane/dialects/claude_model.h"

unsigned claude_version(struct str model, bool *ret_opus)
{
    unsigned version = 0, parts = 0;
    size_t at = 0;
    static const char mark[] = "claude";
    *ret_opus = false;
    while (at + sizeof(mark) - 1 <= model.len &&
           memcmp(model.ptr + at, mark, sizeof(mark) - 1) != 0) {
        at++;
    }
    if (at + sizeof(mark) - 1 > model.len) {
        return 0;
    }
    size_t begin = at + sizeof(mark) - 1;
    for (at = begin; at < model.len && parts < 2;) {
        size_t from = at;
        unsigned n = 0;
        while (at < model.len && model.ptr[at] >= '0' && model.ptr[at] <= '9' && at - from < 3) {
            n = n * 10 + (unsigned)(model.ptr[at++] - '0');
        }
        if (at - from == 3) {
            break; /* a date */
        }
        if (at > from) {
            bool alone = from == begin || strchr("-.@ ", model.ptr[from - 1]);
            if (!alone) {
                continue;
            }
            version = parts++ == 0 ? n * 100 : version + n;
            continue;
        }
        if (parts && strchr("@:", model.ptr[at])) {
            break; /* behind these stand dates and revisions */
        }
        if (model.len - at >= 4 && memcmp(model.ptr + at, "opus", 4) == 0) {
            *ret_opus = true;
        }
        if (parts && model.ptr[at] >= 'a' && model.ptr[at] <= 'z') {
            break; /* "claude-3-opus": the number is whole */
        }
        at++;
    }
    /* "claude-3-opus": the name may follow */
    for (; at + 4 <= model.len; at++) {
        *ret_opus = *ret_opus || memcmp(model.ptr + at, "opus", 4) == 0;
    }
    return version;
}

const char *claude_effort(enum effort e, unsigned version)
{
    switch (e) {
    case EFFORT_MINIMAL:
    case EFFORT_LOW:
        return "low";
    case EFFORT_MEDIUM:
        return "medium";
    case EFFORT_XHIGH:
        return version >= CLAUDE_NO_SAMPLING ? "xhigh" : "high";
    case EFFORT_MAX:
        return "max";
    default:
        return "high";
    }
}

bool claude_beta_at_bedrock(struct str beta)
{
    static const char *const known[] = {
        "computer-use-2024-10-22",         "computer-use-2025-01-24",
        "computer-use-2025-11-24",         "token-efficient-tools-2025-02-19",
        "interleaved-thinking-2025-05-14", "output-128k-2025-02-19",
        "dev-full-thinking-2025-05-14",    "context-1m-2025-08-07",
        "context-management-2025-06-27",   "effort-2025-11-24",
        "tool-search-tool-2025-10-19",     "tool-examples-2025-10-29",
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (str_eqz(beta, known[i])) {
            return true;
        }
    }
    return false;
}
