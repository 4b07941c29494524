/* A deployment's litellm_params as a provider object: the prefix of its model names the kind, the
 * rest says where it is and by what it is called. */
#include "cli/import_litellm.h"

#include <stdio.h>

#include "cli/json_tree.h"
#include "common/base/map.h"
#include "common/rules/provider.h"
#include "common/yaml.h"

#define PROVIDER_ROOM (256u << 10)
#define VALUES_MAX 24

/* Prefixes that the table of providers does not have as aliases. */
static const struct {
    const char *prefix, *kind;
} prefixes[] = {{"text-completion-openai", "openai"},
                {"azure_text", "azure-openai"},
                {"vertex_ai_beta", "vertex"},
                {"aiml", "custom"},
                {"openai_like", "custom"},
                {"bedrock_mantle", "bedrock-mantle"}};

/* Models without a prefix, as LiteLLM guesses. */
static const struct {
    const char *begins, *kind;
} guesses[] = {{"gpt-", "openai"},       {"chatgpt-", "openai"},   {"o1", "openai"},
               {"o3", "openai"},         {"o4", "openai"},         {"text-embedding-", "openai"},
               {"dall-e", "openai"},     {"whisper", "openai"},    {"tts-", "openai"},
               {"claude-", "anthropic"}, {"gemini", "vertex"},     {"command", "cohere"},
               {"mistral", "mistral"},   {"deepseek-", "deepseek"}};

/* Where LiteLLM looks for a key, and other things, that the file does not give. */
static const struct {
    const char *kind, *setting, *variable;
} variables[] = {{"openai", "api_key", "OPENAI_API_KEY"},
                 {"anthropic", "api_key", "ANTHROPIC_API_KEY"},
                 {"gemini", "api_key", "GEMINI_API_KEY"},
                 {"groq", "api_key", "GROQ_API_KEY"},
                 {"mistral", "api_key", "MISTRAL_API_KEY"},
                 {"cohere", "api_key", "COHERE_API_KEY"},
                 {"deepseek", "api_key", "DEEPSEEK_API_KEY"},
                 {"xai", "api_key", "XAI_API_KEY"},
                 {"openrouter", "api_key", "OPENROUTER_API_KEY"},
                 {"together", "api_key", "TOGETHERAI_API_KEY"},
                 {"fireworks", "api_key", "FIREWORKS_AI_API_KEY"},
                 {"perplexity", "api_key", "PERPLEXITYAI_API_KEY"},
                 {"azure-openai", "api_key", "AZURE_API_KEY"},
                 {"azure-openai", "base_url", "AZURE_API_BASE"},
                 {"bedrock", "region", "AWS_REGION_NAME"},
                 {"bedrock", "aws_access_key_id", "AWS_ACCESS_KEY_ID"},
                 {"bedrock", "aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"},
                 {"vertex", "project", "VERTEXAI_PROJECT"}};

/* litellm_params -> members of a provider. */
static const struct {
    const char *theirs, *ours;
} members[] = {{"api_base", "base_url"},
               {"base_url", "base_url"},
               {"api_key", "api_key"},
               {"api_version", "api_version"},
               {"organization", "organization"},
               {"region_name", "region"},
               {"aws_region_name", "region"},
               {"aws_access_key_id", "aws_access_key_id"},
               {"aws_secret_access_key", "aws_secret_access_key"},
               {"aws_session_token", "aws_session_token"},
               {"aws_bedrock_runtime_endpoint", "base_url"},
               {"vertex_project", "project"},
               {"vertex_ai_project", "project"},
               {"vertex_location", "location"},
               {"vertex_ai_location", "location"},
               {"vertex_credentials", "service_account"},
               {"vertex_ai_credentials", "service_account"},
               {"tenant_id", "tenant_id"},
               {"client_id", "client_id"},
               {"client_secret", "client_secret"},
               {"azure_ad_token", "access_token"}};

struct values {
    struct {
        const char *name;
        struct str text;
    } items[VALUES_MAX];
    size_t n;
};

static struct str values_get(void *arg, struct str name)
{
    const struct values *v = arg;
    for (size_t i = 0; i < v->n; i++) {
        if (str_eqz(name, v->items[i].name)) {
            return v->items[i].text;
        }
    }
    return STR_NONE;
}

static void values_put(struct values *v, const char *name, struct str text)
{
    if (v->n < VALUES_MAX && !values_get(v, str_of(name)).ptr) {
        v->items[v->n].name = name;
        v->items[v->n++].text = text;
    }
}

/* ---- what kind, and which model ---- */

static const struct provider_row *row_of(struct str name)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (str_eqz(name, prefixes[i].prefix)) {
            return provider_row_named(str_of(prefixes[i].kind));
        }
    }
    return provider_row_named(name);
}

static const struct provider_row *guess(struct str model)
{
    for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++) {
        if (str_starts(model, str_of(guesses[i].begins))) {
            return provider_row_named(str_of(guesses[i].kind));
        }
    }
    return NULL;
}

/* Words between prefix and model that say how it is called. */
static void cut_route(struct litellm_target *t, struct str *model)
{
    static const struct {
        const char *word, *endpoint;
    } routes[] = {{"converse/", "converse"}, {"invoke/", "invoke"}, {"responses/", "responses"},
                  {"o_series/", ""},         {"gpt5_series/", ""},  {"chat/", "chat"}};
    t->endpoint = "";
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct str word = str_of(routes[i].word);
        if (str_starts(*model, word)) {
            *model = str_slice(*model, word.len, model->len);
            t->endpoint = routes[i].endpoint;
            return;
        }
    }
}

static const struct provider_row *find_row(struct litellm *l, struct litellm_target *t,
                                           struct str *ret_model)
{
    struct str model = str_of(json_tree_text(t->params, "model")), prefix, rest;
    struct str named = str_of(json_tree_text(t->params, "custom_llm_provider"));
    const char *base = json_tree_text(t->params, "api_base");
    const struct provider_row *row = named.len ? row_of(named) : NULL;
    if (str_cut(model, '/', &prefix, &rest)) {
        const struct provider_row *by_prefix = row_of(prefix);
        if (by_prefix && (!row || row == by_prefix)) {
            row = by_prefix;
            model = rest;
        }
    }
    if (!row) {
        row = guess(model);
    }
    if (!row && *base) {
        row = provider_row_named(STR_LIT("custom"));
        import_note(l->im, IMPORT_APPROXIMATE, t->path,
                    "its provider is not known; taken for one that speaks OpenAI's dialect");
    }
    cut_route(t, &model);
    *ret_model = model;
    return row;
}

/* ---- its settings ---- */

/* os.environ/NAME becomes env:NAME. */
static struct str reference(struct litellm *l, const char *text)
{
    struct str s = str_of(text), name = STR_LIT("os.environ/");
    return str_starts(s, name)
               ? arena_printf(l->im->arena, "env:%.*s", STR_ARG(str_slice(s, name.len, s.len)))
               : arena_str(l->im->arena, s);
}

/* credential_list: values that deployments name by litellm_credential_name. */
static const struct yaml_node *credential(struct litellm *l, const struct litellm_target *t)
{
    const char *name = json_tree_text(t->params, "litellm_credential_name");
    const struct yaml_node *list = json_tree_list(l->root, "credential_list");
    for (size_t i = 0; *name && list && i < list->n; i++) {
        if (strcmp(json_tree_text(list->items[i], "credential_name"), name) == 0) {
            return json_tree_map(list->items[i], "credential_values");
        }
    }
    if (*name) {
        import_note(l->im, IMPORT_NOT_MAPPED, t->path, "no credential is named \"%s\"", name);
    }
    return NULL;
}

static bool applies(const struct provider_row *row, const char *member)
{
    const struct provider_setting *s = provider_setting_named(str_of(member));
    return !s || provider_setting_applies(s, row);
}

static void take_value(struct litellm *l, const struct litellm_target *t,
                       const struct provider_row *row, const char *theirs, const char *ours,
                       struct values *v, const struct yaml_node *from)
{
    const char *text = json_tree_text(from, theirs);
    struct str path = arena_printf(l->im->arena, "%s.litellm_params.%s", t->path, theirs);
    const struct yaml_node *n = from && from->kind == YAML_MAP ? yaml_get(from, theirs) : NULL;
    if (!n || !path.ptr || (n->kind == YAML_SCALAR && !*text)) {
        return;
    }
    if (n->kind != YAML_SCALAR || !applies(row, ours)) {
        import_note(l->im, IMPORT_NOT_MAPPED, path.ptr, "a provider of kind %s has no such setting",
                    row->name);
        return;
    }
    struct str value = reference(l, text);
    bool reference_given = str_starts(value, STR_LIT("env:"));
    if (strcmp(ours, "base_url") == 0 && !reference_given &&
        !str_starts(value, STR_LIT("http://")) && !str_starts(value, STR_LIT("https://"))) {
        import_note(l->im, IMPORT_NOT_MAPPED, path.ptr, "it is no http:// or https:// URL");
        return;
    }
    if (strcmp(ours, "service_account") == 0 && !reference_given && *text != '{') {
        value = arena_printf(l->im->arena, "file:%s", text);
    }
    const struct provider_setting *s = provider_setting_named(str_of(ours));
    bool secret = strcmp(ours, "api_key") == 0 || (s && s->secret);
    if (secret && !reference_given && !str_starts(value, STR_LIT("file:"))) {
        import_note(l->im, IMPORT_TO_DO, path.ptr,
                    "the secret stands in clear in the manifest: env:NAME or file:PATH would name "
                    "where it is");
    }
    values_put(v, ours, value);
}

/* What LiteLLM takes from the environment by itself. */
static void take_variables(struct litellm *l, const struct litellm_target *t,
                           const struct provider_row *row, struct values *v)
{
    bool elsewhere = values_get(v, STR_LIT("base_url")).ptr && strcmp(row->name, "azure-openai");
    bool token = values_get(v, STR_LIT("access_token")).ptr ||
                 values_get(v, STR_LIT("client_secret")).ptr ||
                 values_get(v, STR_LIT("api_key")).ptr;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        bool by_key = strcmp(variables[i].setting, "api_key") == 0;
        bool aws = strncmp(variables[i].setting, "aws_", 4) == 0;
        if (strcmp(variables[i].kind, row->name) != 0 ||
            values_get(v, str_of(variables[i].setting)).ptr || (by_key && (elsewhere || token)) ||
            (aws && token)) {
            continue;
        }
        struct str text = arena_printf(l->im->arena, "env:%s", variables[i].variable);
        values_put(v, variables[i].setting, text);
        import_note(l->im, IMPORT_TO_DO, t->path,
                    "%s is taken from the environment variable %s, as LiteLLM does",
                    variables[i].setting, variables[i].variable);
    }
}

static struct str describe(struct litellm *l, const struct provider_row *row,
                           const struct values *v)
{
    struct json_writer w;
    struct buffer b;
    buffer_init(&b, PROVIDER_ROOM);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "kind", row->name);
    for (size_t i = 0; i < v->n; i++) {
        json_field_str(&w, v->items[i].name, v->items[i].text);
    }
    json_object_end(&w);
    struct str text = arena_str(l->im->arena, buffer_str(&b));
    buffer_release(&b);
    return text;
}

/* Its name, made at the first deployment that has it. */
static const char *claim(struct litellm *l, const struct provider_row *row, struct str about)
{
    const char *name = map_get(l->providers, about);
    if (!name) {
        name = import_name(l->im, 'p', row->name);
        struct str json = arena_printf(l->im->arena, "{\"name\":\"%s\",%.*s", name,
                                       (int)about.len - 1, about.ptr + 1);
        import_add_provider(l->im, json);
        (void)map_put(l->providers, about, (void *)(uintptr_t)name);
    }
    return name;
}

bool litellm_provider(struct litellm *l, struct litellm_target *t)
{
    struct values v = {.n = 0};
    struct str model;
    const struct provider_row *row = find_row(l, t, &model);
    if (!row || model.len == 0) {
        import_note(l->im, IMPORT_NOT_MAPPED, t->path,
                    "Weir knows no provider for model \"%.100s\"",
                    json_tree_text(t->params, "model"));
        return false;
    }
    const struct yaml_node *named = credential(l, t);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        take_value(l, t, row, members[i].theirs, members[i].ours, &v, t->params);
    }
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        take_value(l, t, row, members[i].theirs, members[i].ours, &v, named);
    }
    take_variables(l, t, row, &v);
    const char *missing =
        provider_missing(provider_row_at(row, values_get(&v, STR_LIT("api_version"))),
                         values_get(&v, STR_LIT("base_url")), values_get, &v);
    if (missing) {
        import_note(l->im, IMPORT_NOT_MAPPED, t->path, "a provider of kind %s needs %s", row->name,
                    missing);
        return false;
    }
    struct str about = describe(l, row, &v), copy = arena_str(l->im->arena, model);
    if (!about.ptr || !copy.ptr) {
        l->im->failed = true;
        return false;
    }
    t->provider = claim(l, row, about);
    t->model = copy.ptr;
    return true;
}
