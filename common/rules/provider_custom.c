/* What a custom provider says of itself in settings, as a row would. See provider.h. */
#include "common/rules/provider.h"

#define GROUP_MAX 6

/* Whole dialects, by the operations that belong to them. */
static const struct {
    const char *name;
    enum provider_api apis[GROUP_MAX];
} groups[] = {
    {"openai", {API_CHAT, API_RESPONSES, API_EMBEDDINGS, API_RERANK}},
    {"chat", {API_CHAT, API_EMBEDDINGS, API_RERANK}},
    {"anthropic", {API_MESSAGES, API_MESSAGES_COUNT}},
    {"messages", {API_MESSAGES, API_MESSAGES_COUNT}},
    {"gemini", {API_GENERATE, API_GEMINI_EMBED, API_GEMINI_COUNT}},
    {"generate", {API_GENERATE, API_GEMINI_EMBED, API_GEMINI_COUNT}},
    {"bedrock",
     {API_CONVERSE, API_INVOKE_MESSAGES, API_TITAN_EMBED, API_BEDROCK_COHERE_EMBED,
      API_BEDROCK_RERANK, API_CONVERSE_COUNT}},
    {"converse", {API_CONVERSE, API_CONVERSE_COUNT}},
    {"cohere", {API_COHERE_CHAT, API_COHERE_EMBED, API_RERANK}},
    {"ollama", {API_OLLAMA_CHAT, API_OLLAMA_EMBED}},
};

/* Where the operation usually stands: as the first row of the table that has it says. */
static bool usual_endpoint(enum provider_api api, struct provider_endpoint *ret)
{
    size_t n;
    const struct provider_row *rows = provider_rows(&n);
    if (api == API_RERANK) {
        *ret = (struct provider_endpoint){API_RERANK, "/rerank", NULL, NULL};
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < rows[i].n_endpoints; k++) {
            if (rows[i].endpoints[k].api == api) {
                *ret = rows[i].endpoints[k];
                /* which of Bedrock's embedding models speaks what stays as it is */
                if (provider_api_kind(api) == API_KIND_CHAT) {
                    ret->models = NULL;
                }
                return true;
            }
        }
    }
    return false;
}

static size_t add(enum provider_api api, struct provider_endpoint *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].api == api) {
            return n;
        }
    }
    return n < API_COUNT && usual_endpoint(api, &list[n]) ? n + 1 : n;
}

/* The group of that name; NULL: none. */
static const enum provider_api *group_named(struct str word)
{
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        if (str_eq_nocase(word, str_of(groups[g].name))) {
            return groups[g].apis;
        }
    }
    return NULL;
}

static bool word_known(struct str word)
{
    return group_named(word) || provider_api_named(word) != API_NONE;
}

static size_t add_word(struct str word, struct provider_endpoint *list, size_t n)
{
    const enum provider_api *group = group_named(word);
    for (size_t i = 0; group && i < GROUP_MAX && group[i] != API_NONE; i++) {
        n = add(group[i], list, n);
    }
    return group ? n : add(provider_api_named(word), list, n);
}

size_t provider_dialect_endpoints(struct str dialect,
                                  struct provider_endpoint ret[static API_COUNT],
                                  struct str *ret_unknown)
{
    size_t n = 0;
    *ret_unknown = STR_NONE;
    while (dialect.len) {
        size_t len = 0;
        while (len < dialect.len && dialect.ptr[len] != ' ' && dialect.ptr[len] != ',') {
            len++;
        }
        struct str word = str_slice(dialect, 0, len);
        dialect = str_slice(dialect, len + 1, dialect.len);
        if (word.len == 0) {
            continue;
        }
        if (!word_known(word)) {
            *ret_unknown = word;
            return 0;
        }
        n = add_word(word, ret, n);
    }
    return n;
}

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool provider_header_ok(struct str name)
{
    static const char *const reserved[] = {"accept-encoding",
                                           "connection",
                                           "content-length",
                                           "expect",
                                           "host",
                                           "http2-settings",
                                           "keep-alive",
                                           "te",
                                           "trailer",
                                           "transfer-encoding",
                                           "upgrade",
                                           "proxy-connection"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (str_eq_nocase(name, str_of(reserved[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_char(name.ptr[i])) {
            return false;
        }
    }
    return name.len > 0 && name.len <= 128;
}

/* A name that a key may stand under, in a header or a query, where it needs no escaping. */
static bool is_key_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_') {
            return false;
        }
    }
    return s.len <= 64 && provider_header_ok(s) && !str_eq_nocase(s, STR_LIT("content-type"));
}

bool provider_auth_parse(struct str text, enum provider_auth *ret_auth, struct str *ret_name)
{
    struct str how, name;
    *ret_name = STR_NONE;
    if (text.len == 0 || str_eqz(text, "bearer") || str_eqz(text, "none")) {
        *ret_auth = str_eqz(text, "none") ? AUTH_NONE : AUTH_BEARER;
        return true;
    }
    if (!str_cut(text, ':', &how, &name) || !is_key_name(name)) {
        return false;
    }
    if (str_eqz(how, "header") || str_eqz(how, "query")) {
        *ret_auth = str_eqz(how, "header") ? AUTH_HEADER : AUTH_QUERY;
        *ret_name = name;
        return true;
    }
    return false;
}
