/* Look-ups in the table of providers; the rows are in provider_table*.c. */
#include "common/rules/provider.h"

#include "common/rules/model_name.h"
#include "common/rules/provider_table.h"

#include <pthread.h>

static const struct {
    const char *name;
    enum api_kind kind;
} apis[API_COUNT] = {
    [API_NONE] = {"", API_KIND_NONE},
    [API_CHAT] = {"chat", API_KIND_CHAT},
    [API_RESPONSES] = {"responses", API_KIND_CHAT},
    [API_MESSAGES] = {"messages", API_KIND_CHAT},
    [API_GENERATE] = {"generate", API_KIND_CHAT},
    [API_CONVERSE] = {"converse", API_KIND_CHAT},
    [API_INVOKE_MESSAGES] = {"invoke", API_KIND_CHAT},
    [API_VERTEX_MESSAGES] = {"rawpredict", API_KIND_CHAT},
    [API_COHERE_CHAT] = {"cohere_chat", API_KIND_CHAT},
    [API_OLLAMA_CHAT] = {"ollama_chat", API_KIND_CHAT},
    [API_EMBEDDINGS] = {"embeddings", API_KIND_EMBED},
    [API_GEMINI_EMBED] = {"embed_content", API_KIND_EMBED},
    [API_VERTEX_EMBED] = {"predict", API_KIND_EMBED},
    [API_TITAN_EMBED] = {"titan_embed", API_KIND_EMBED},
    [API_BEDROCK_COHERE_EMBED] = {"bedrock_cohere_embed", API_KIND_EMBED},
    [API_COHERE_EMBED] = {"embed", API_KIND_EMBED},
    [API_OLLAMA_EMBED] = {"ollama_embed", API_KIND_EMBED},
    [API_RERANK] = {"rerank", API_KIND_RERANK},
    [API_BEDROCK_RERANK] = {"bedrock_rerank", API_KIND_RERANK},
    [API_MESSAGES_COUNT] = {"count_tokens", API_KIND_COUNT_TOKENS},
    [API_GEMINI_COUNT] = {"gemini_count", API_KIND_COUNT_TOKENS},
    [API_CONVERSE_COUNT] = {"converse_count", API_KIND_COUNT_TOKENS},
};

#define MAX_ROWS 256

/* The parts as one array, put together once: rows are handed out by address. */
static struct provider_row all_rows[MAX_ROWS];
static size_t n_rows;
static pthread_once_t rows_once = PTHREAD_ONCE_INIT;

static void rows_gather(void)
{
    const struct provider_part *const parts[] = {&provider_part_native, &provider_part_hosted,
                                                 &provider_part_special};
    for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
        for (size_t i = 0; i < parts[p]->n && n_rows < MAX_ROWS; i++) {
            all_rows[n_rows++] = parts[p]->rows[i];
        }
    }
}

const struct provider_row *provider_rows(size_t *ret_n)
{
    (void)pthread_once(&rows_once, rows_gather);
    *ret_n = n_rows;
    return all_rows;
}

/* The next word of a blank-separated list; false at its end. */
static bool word_next(const char **list, struct str *ret)
{
    const char *p = *list;
    while (p && *p == ' ') {
        p++;
    }
    if (!p || !*p) {
        return false;
    }
    size_t n = strcspn(p, " ");
    *ret = (struct str){p, n};
    *list = p + n;
    return true;
}

static bool list_has(const char *list, struct str name)
{
    struct str word;
    while (word_next(&list, &word)) {
        if (str_eq_nocase(word, name)) {
            return true;
        }
    }
    return false;
}

const struct provider_row *provider_row_named(struct str kind)
{
    size_t n;
    const struct provider_row *rows = provider_rows(&n);
    for (size_t i = 0; kind.len && i < n; i++) {
        if (str_eq_nocase(str_of(rows[i].name), kind)) {
            return &rows[i];
        }
    }
    for (size_t i = 0; kind.len && i < n; i++) {
        if (list_has(rows[i].aliases, kind)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* Azure's versions are dates, "2024-10-21" or "2025-04-01-preview"; "v1", "preview" and "latest"
 * name the newer paths. */
const struct provider_row *provider_row_at(const struct provider_row *row, struct str api_version)
{
    bool date = api_version.len >= 10 && api_version.ptr[4] == '-' && api_version.ptr[7] == '-' &&
                api_version.ptr[0] >= '0' && api_version.ptr[0] <= '9';
    return row && row->dated && date ? row->dated : row;
}

const char *provider_api_name(enum provider_api api)
{
    return api < API_COUNT ? apis[api].name : "";
}

enum provider_api provider_api_named(struct str name)
{
    for (unsigned i = API_NONE + 1; i < API_COUNT; i++) {
        if (str_eqz(name, apis[i].name)) {
            return (enum provider_api)i;
        }
    }
    return API_NONE;
}

enum api_kind provider_api_kind(enum provider_api api)
{
    return api < API_COUNT ? apis[api].kind : API_KIND_NONE;
}

const char *provider_auth_name(enum provider_auth auth)
{
    static const char *const names[AUTH_COUNT] = {
        [AUTH_BEARER] = "bearer", [AUTH_HEADER] = "header", [AUTH_QUERY] = "query",
        [AUTH_SIGV4] = "sigv4",   [AUTH_GOOGLE] = "google", [AUTH_AZURE] = "azure",
        [AUTH_NONE] = "none",
    };
    return auth < AUTH_COUNT ? names[auth] : "";
}

/* "!a b*": not a, but what begins with b; with exclusions alone, all else. */
static bool serves_model(const struct provider_endpoint *e, struct str model)
{
    const char *list = e->models;
    struct str word;
    bool any_positive = false, matched = false;
    while (word_next(&list, &word)) {
        if (word.ptr[0] == '!') {
            if (model_name_matches(str_slice(word, 1, word.len), model)) {
                return false;
            }
            continue;
        }
        any_positive = true;
        matched = matched || model_name_matches(word, model);
    }
    return matched || !any_positive;
}

const struct provider_endpoint *provider_endpoint_for(const struct provider_row *row,
                                                      enum api_kind kind, enum provider_api wanted,
                                                      enum provider_api forced, struct str model)
{
    const struct provider_endpoint *first = NULL;
    for (size_t i = 0; i < row->n_endpoints; i++) {
        const struct provider_endpoint *e = &row->endpoints[i];
        if (forced != API_NONE && provider_api_kind(forced) == kind) {
            if (e->api == forced) {
                return e;
            }
            continue;
        }
        if (provider_api_kind(e->api) != kind || !serves_model(e, model)) {
            continue;
        }
        if (e->api == wanted) {
            return e;
        }
        first = first ? first : e;
    }
    return first;
}

static const struct provider_setting settings[] = {
    {"region", false, false, "bedrock bedrock-mantle sagemaker oracle watsonx",
     "cloud region, as \"us-east-1\"", NULL},
    {"aws_access_key_id", false, false, "bedrock sagemaker", "AWS access key id", NULL},
    {"aws_secret_access_key", true, false, "bedrock sagemaker", "AWS secret access key", NULL},
    {"aws_session_token", true, false, "bedrock sagemaker", "AWS session token", NULL},
    {"project", false, false, "vertex", "Google Cloud project", NULL},
    {"location", false, false, "vertex", "Google Cloud location, as \"europe-west4\"", "global"},
    {"access_token", true, false, "vertex azure-openai azure-ai",
     "OAuth access token, used as it is", NULL},
    {"service_account", true, false, "vertex",
     "service account key, the JSON text; access tokens are made from it", NULL},
    {"api_version", false, false, "azure-openai azure-ai",
     "Azure's api-version; a date picks the deployment paths, none (or v1) /openai/v1", NULL},
    {"tenant_id", false, false, "azure-openai azure-ai", "Entra tenant", NULL},
    {"client_id", false, false, "azure-openai azure-ai", "Entra application", NULL},
    {"client_secret", true, false, "azure-openai azure-ai", "Entra client secret", NULL},
    {"authority", false, false, "azure-openai azure-ai",
     "Entra authority, where it is not the public cloud's", NULL},
    {"account_id", false, false, "cloudflare snowflake predibase", "account in the base URL", NULL},
    {"organization", false, false, "openai", "OpenAI-Organization header", NULL},
    {"dialect", false, false, "custom",
     "operations that it speaks, blank-separated names of endpoints (chat, responses, messages, "
     "generate, embeddings …); chat, embeddings and rerank when not given",
     NULL},
    {"auth", false, false, "custom", "bearer (as when not given), none, header:NAME or query:NAME",
     NULL},
    {"headers", false, true, NULL, "object of header fields that every request gets", NULL},
    {"rename_params", false, true, NULL,
     "object of body members to rename, for OpenAI's dialect: {\"max_completion_tokens\": "
     "\"max_tokens\"}",
     NULL},
    {"drop_params", false, true, NULL, "array of body members to leave out, for OpenAI's dialect",
     NULL},
};

const struct provider_setting *provider_settings(size_t *ret_n)
{
    *ret_n = sizeof(settings) / sizeof(settings[0]);
    return settings;
}

const struct provider_setting *provider_setting_named(struct str name)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (str_eqz(name, settings[i].name)) {
            return &settings[i];
        }
    }
    return NULL;
}

bool provider_setting_applies(const struct provider_setting *setting,
                              const struct provider_row *row)
{
    return !setting->kinds || list_has(setting->kinds, str_of(row->name));
}

/* The first "{name}" of a template whose name is a setting without a value. */
static const char *template_missing(const char *template, provider_get_fn get, void *arg)
{
    for (const char *p = template ? strchr(template, '{') : NULL; p; p = strchr(p + 1, '{')) {
        struct str name = {p + 1, strcspn(p + 1, "}")};
        const struct provider_setting *s = provider_setting_named(name);
        if (s && !s->fallback && get(arg, name).len == 0) {
            return s->name;
        }
    }
    return NULL;
}

const char *provider_missing(const struct provider_row *row, struct str base_url,
                             provider_get_fn get, void *arg)
{
    const char *missing = NULL;
    if (base_url.len == 0) {
        missing = row->base_url[0] ? template_missing(row->base_url, get, arg) : "base_url";
    }
    for (size_t i = 0; !missing && i < row->n_endpoints; i++) {
        missing = template_missing(row->endpoints[i].path, get, arg);
    }
    return missing;
}
