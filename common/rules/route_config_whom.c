/* See route_config_inside.h: whom a leaf calls. The members that belong to one provider or another
 * have Portkey's names or provider.h's own; here they become provider.h's. */
#include "common/rules/route_config_inside.h"

#include <pthread.h>

#define NAME(s)            \
    {                      \
        (s), sizeof(s) - 1 \
    }

/* Members of nodes by enum route_member. */
static const struct str member_names[MEMBER_COUNT] = {
    [MEMBER_SCHEMA] = NAME("$schema"),
    [MEMBER_STRATEGY] = NAME("strategy"),
    [MEMBER_TARGETS] = NAME("targets"),
    [MEMBER_NAME] = NAME("name"),
    [MEMBER_WEIGHT] = NAME("weight"),
    [MEMBER_PRIORITY] = NAME("priority"),
    [MEMBER_SHARE] = NAME("share"),
    [MEMBER_ON_STATUS_CODES] = NAME("on_status_codes"),
    [MEMBER_PROVIDER] = NAME("provider"),
    [MEMBER_VIRTUAL_KEY] = NAME("virtual_key"),
    [MEMBER_MODEL] = NAME("model"),
    [MEMBER_ENDPOINT] = NAME("endpoint"),
    [MEMBER_API_KEY] = NAME("api_key"),
    [MEMBER_DEPLOYMENTS] = NAME("deployments"),
    [MEMBER_OVERRIDE_PARAMS] = NAME("override_params"),
    [MEMBER_DEFAULT_PARAMS] = NAME("default_params"),
    [MEMBER_DROP_PARAMS] = NAME("drop_params"),
    [MEMBER_RETRY] = NAME("retry"),
    [MEMBER_CACHE] = NAME("cache"),
    [MEMBER_REQUEST_TIMEOUT] = NAME("request_timeout"),
    [MEMBER_CIRCUIT_BREAKER] = NAME("circuit_breaker"),
    [MEMBER_FORWARD_HEADERS] = NAME("forward_headers"),
    [MEMBER_CUSTOM_HOST] = NAME("custom_host"),
    [MEMBER_STRICT] = NAME("strict_open_ai_compliance"),
    [MEMBER_PASSTHROUGH] = NAME("passthrough"),
    [MEMBER_PROMPT_ID] = NAME("prompt_id"),
    [MEMBER_GUARD_FIRST] = NAME("input_guardrails"),
    [MEMBER_GUARD_FIRST + 1] = NAME("output_guardrails"),
    [MEMBER_GUARD_FIRST + 2] = NAME("default_input_guardrails"),
    [MEMBER_GUARD_FIRST + 3] = NAME("default_output_guardrails"),
    [MEMBER_GUARD_FIRST + 4] = NAME("before_request_hooks"),
    [MEMBER_GUARD_FIRST + 5] = NAME("after_request_hooks"),
    [MEMBER_GUARD_FIRST + 6] = NAME("input_mutators"),
    [MEMBER_GUARD_FIRST + 7] = NAME("output_mutators"),
    [MEMBER_GUARD_LAST] = NAME("guardrails"),
};

/* clang-format off */
#define CREDENTIAL(name, to) {NAME(name), to, EXTRA_CREDENTIAL, NULL}
#define SECRET(name, to) {NAME(name), to, EXTRA_SECRET, NULL}
#define SETTING(name, to) {NAME(name), to, EXTRA_SETTING, NULL}
#define HEADER(name, to) {NAME(name), to, EXTRA_HEADER, NULL}
#define KIND(name, kind) {NAME(name), NULL, kind, NULL}
#define REFUSED(name, unless) {NAME(name), NULL, EXTRA_REFUSED, unless}
static const struct route_extra_row rows[] = {
    /* AWS */
    CREDENTIAL("aws_access_key_id", "aws_access_key_id"),
    SECRET("aws_secret_access_key", "aws_secret_access_key"),
    SECRET("aws_session_token", "aws_session_token"),
    SETTING("aws_region", "region"),
    SETTING("region", "region"),
    REFUSED("aws_auth_type", "accessKey"),
    REFUSED("aws_role_arn", NULL),
    REFUSED("aws_external_id", NULL),
    KIND("aws_s3_bucket", EXTRA_NO_EFFECT),
    KIND("aws_s3_object_key", EXTRA_NO_EFFECT),
    KIND("aws_bedrock_model", EXTRA_NO_EFFECT),
    KIND("aws_server_side_encryption", EXTRA_NO_EFFECT),
    KIND("aws_server_side_encryption_kms_key_id", EXTRA_NO_EFFECT),
    HEADER("amzn_sagemaker_custom_attributes", "X-Amzn-SageMaker-Custom-Attributes"),
    HEADER("amzn_sagemaker_target_model", "X-Amzn-SageMaker-Target-Model"),
    HEADER("amzn_sagemaker_target_variant", "X-Amzn-SageMaker-Target-Variant"),
    HEADER("amzn_sagemaker_target_container_hostname", "X-Amzn-SageMaker-Target-Container-Hostname"),
    HEADER("amzn_sagemaker_inference_id", "X-Amzn-SageMaker-Inference-Id"),
    HEADER("amzn_sagemaker_enable_explanations", "X-Amzn-SageMaker-Enable-Explanations"),
    HEADER("amzn_sagemaker_inference_component", "X-Amzn-SageMaker-Inference-Component"),
    HEADER("amzn_sagemaker_session_id", "X-Amzn-SageMaker-Session-Id"),
    KIND("amzn_sagemaker_model_name", EXTRA_MODEL),
    /* Azure */
    KIND("azure_resource_name", EXTRA_AZURE_RESOURCE),
    KIND("resource_name", EXTRA_AZURE_RESOURCE),
    KIND("azure_deployment_id", EXTRA_MODEL),
    KIND("azure_deployment_name", EXTRA_MODEL),
    KIND("deployment_id", EXTRA_MODEL),
    SETTING("azure_api_version", "api_version"),
    SETTING("api_version", "api_version"),
    KIND("azure_model_name", EXTRA_NO_EFFECT),
    KIND("azure_foundry_url", EXTRA_HOST),
    KIND("azure_extra_parameters", EXTRA_NO_EFFECT),
    KIND("azure_extra_params", EXTRA_NO_EFFECT),
    REFUSED("azure_entra_scope", NULL),
    REFUSED("azure_auth_mode", "entra"),
    REFUSED("azure_managed_client_id", NULL),
    SECRET("azure_ad_token", "access_token"),
    CREDENTIAL("azure_entra_client_id", "client_id"),
    SECRET("azure_entra_client_secret", "client_secret"),
    CREDENTIAL("azure_entra_tenant_id", "tenant_id"),
    CREDENTIAL("client_id", "client_id"),
    SECRET("client_secret", "client_secret"),
    CREDENTIAL("tenant_id", "tenant_id"),
    SECRET("access_token", "access_token"),
    /* Google */
    SETTING("vertex_project_id", "project"),
    SETTING("project", "project"),
    SETTING("vertex_region", "location"),
    SETTING("location", "location"),
    SECRET("vertex_service_account_json", "service_account"),
    SECRET("service_account", "service_account"),
    KIND("vertex_storage_bucket_name", EXTRA_NO_EFFECT),
    KIND("vertex_model_name", EXTRA_NO_EFFECT),
    KIND("filename", EXTRA_NO_EFFECT),
    /* others */
    HEADER("openai_project", "OpenAI-Project"),
    SETTING("openai_organization", "organization"),
    SETTING("organization", "organization"),
    HEADER("openai_beta", "OpenAI-Beta"),
    HEADER("anthropic_beta", "anthropic-beta"),
    HEADER("anthropic_version", "anthropic-version"),
    SETTING("workers_ai_account_id", "account_id"),
    SETTING("snowflake_account", "account_id"),
    SETTING("account_id", "account_id"),
    SETTING("oracle_region", "region"),
    REFUSED("oracle_tenancy", NULL),
    REFUSED("oracle_user", NULL),
    REFUSED("oracle_fingerprint", NULL),
    REFUSED("oracle_private_key", NULL),
    KIND("huggingface_base_url", EXTRA_HOST),
    KIND("fireworks_account_id", EXTRA_NO_EFFECT),
    KIND("fireworks_file_length", EXTRA_NO_EFFECT),
    REFUSED("mistral_fim_completion", "false"),
    HEADER("stability_client_id", "stability-client-id"),
    HEADER("stability_client_user_id", "stability-client-user-id"),
    HEADER("stability_client_version", "stability-client-version"),
};
/* clang-format on */
#define ROWS (sizeof(rows) / sizeof(rows[0]))

const struct route_extra_row *route_extra_rows(size_t *ret_n)
{
    *ret_n = ROWS;
    return rows;
}

/* ---- names of members ---- */

#define TABLE 512 /* a power of two, well above the number of names */
static struct str all_names[MEMBER_COUNT + ROWS];
static int16_t by_hash[TABLE]; /* index + 1; 0: none */
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

static size_t hash_of(struct str name)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.ptr[i]) * 16777619u;
    }
    return (h ^ h >> 16) & (TABLE - 1);
}

static void names_gather(void)
{
    for (size_t i = 0; i < MEMBER_COUNT + ROWS; i++) {
        all_names[i] = i < MEMBER_COUNT ? member_names[i] : rows[i - MEMBER_COUNT].name;
        size_t at = hash_of(all_names[i]);
        while (by_hash[at]) {
            at = (at + 1) & (TABLE - 1);
        }
        by_hash[at] = (int16_t)(i + 1);
    }
}

const struct str *route_member_names(size_t *ret_n)
{
    (void)pthread_once(&names_once, names_gather);
    *ret_n = MEMBER_COUNT + ROWS;
    return all_names;
}

struct str route_member_name(enum route_member m)
{
    return member_names[m];
}

int route_member_named(struct str name)
{
    (void)pthread_once(&names_once, names_gather);
    if (name.len > 48) {
        return -1;
    }
    for (size_t at = hash_of(name); by_hash[at]; at = (at + 1) & (TABLE - 1)) {
        if (str_eq(all_names[by_hash[at] - 1], name)) {
            return by_hash[at] - 1;
        }
    }
    return -1;
}

/* ---- provider ---- */

static bool provider_read(struct route_compile *c, const struct route_at *at,
                          const struct route_members *m, struct route_whom *w)
{
    struct json_value provider = m->m[MEMBER_PROVIDER], key = m->m[MEMBER_VIRTUAL_KEY];
    bool by_key = route_has(key);
    struct str name = STR_NONE;
    if (!by_key && !route_has(provider)) {
        return true;
    }
    *w = (struct route_whom){0}; /* another provider: nothing of the parent's is for it */
    if (route_has(provider) && !route_word(c, ROUTE_AT(at, "provider"), provider, &name)) {
        return false;
    }
    /* where both are given the virtual key decides, as at Portkey */
    if (by_key && !route_word(c, ROUTE_AT(at, "virtual_key"), key, &name)) {
        return false;
    }
    bool marked = name.ptr[0] == '@';
    w->must_exist = marked || by_key;
    w->provider = marked ? str_slice(name, 1, name.len) : name;
    struct str slug, model;
    if (marked && str_cut(w->provider, '/', &slug, &model) && slug.len && model.len) {
        w->provider = slug; /* "@slug/model", as models may be written */
        w->model = model;
    }
    if (w->provider.len == 0) {
        return route_fail(c, ROUTE_AT(at, by_key ? "virtual_key" : "provider"),
                          by_key ? &key : &provider, ERR_INVALID_FIELD,
                          "names no provider behind \"@\"");
    }
    return true;
}

static bool endpoint_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                          enum provider_api *ret)
{
    struct str names[API_COUNT], text;
    const struct route_at *here = ROUTE_AT(at, "endpoint");
    if (!route_word(c, here, v, &text)) {
        return false;
    }
    *ret = provider_api_named(text);
    if (*ret != API_NONE) {
        return true;
    }
    for (unsigned i = 1; i < API_COUNT; i++) {
        names[i - 1] = str_of(provider_api_name((enum provider_api)i));
    }
    const char *nearest = route_nearest(text, names, API_COUNT - 1);
    return route_fail(c, here, &v, ERR_INVALID_FIELD,
                      "no operation \"%.*s\" (did you mean \"%s\"?)", route_shown(text), text.ptr,
                      nearest ? nearest : "chat");
}

/* ---- the other members ---- */

static bool is_label(struct str s)
{
    bool ok = s.len > 0 && s.len <= 63;
    for (size_t i = 0; ok && i < s.len; i++) {
        char ch = s.ptr[i], lower = (char)(ch | 0x20);
        ok = (lower >= 'a' && lower <= 'z') || (ch >= '0' && ch <= '9') || ch == '-';
    }
    return ok;
}

/* What goes into a header field or an address. */
static bool is_line(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        if (ch < 0x20 || ch == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool extra_text(struct route_compile *c, const struct route_at *at,
                       const struct route_extra *x, struct str *ret)
{
    struct json_value v = x->value;
    /* a service account may be the key file itself */
    bool object = x->row->to && strcmp(x->row->to, "service_account") == 0;
    if (v.type == JSON_STRING) {
        return route_text(c, at, v, ret);
    }
    if (v.type == JSON_TRUE || v.type == JSON_FALSE || v.type == JSON_NUMBER ||
        (object && v.type == JSON_OBJECT)) {
        *ret = v.raw;
        return true;
    }
    return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be a text");
}

static bool extra_check(struct route_compile *c, const struct route_at *at,
                        const struct route_extra *x, struct str text)
{
    const struct route_extra_row *row = x->row;
    if (text.len == 0) {
        return true;
    }
    if (row->kind == EXTRA_REFUSED && !(row->unless && str_eqz(text, row->unless))) {
        return route_fail(c, at, &x->value, ERR_NOT_IMPLEMENTED, "%s%s%.*s%s is not implemented",
                          row->name.ptr, row->unless ? " \"" : "",
                          row->unless ? route_shown(text) : 0, text.ptr, row->unless ? "\"" : "");
    }
    if (row->kind == EXTRA_AZURE_RESOURCE && !is_label(text)) {
        return route_fail(c, at, &x->value, ERR_INVALID_FIELD,
                          "must be 1 to 63 letters, digits or '-'");
    }
    if (row->kind == EXTRA_HOST) {
        struct json_value v = x->value;
        return route_host_check(c, at, &v, text);
    }
    if ((row->kind == EXTRA_SETTING || row->kind == EXTRA_HEADER) && !is_line(text)) {
        return route_fail(c, at, &x->value, ERR_INVALID_FIELD, "holds a control character");
    }
    return true;
}

static bool same_target(const struct route_extra_row *a, const struct route_extra_row *b)
{
    return a->kind == b->kind && (a->to == b->to || (a->to && b->to && strcmp(a->to, b->to) == 0));
}

/* The parent's and the node's own, which win. */
static bool extras_read(struct route_compile *c, const struct route_at *at,
                        const struct route_members *m, struct route_whom *w, struct str *ret_host)
{
    struct route_extra_text *list = arena_alloc(c->a, (w->n_extras + m->n_extras) * sizeof(*list));
    size_t n = w->n_extras;
    if (!list) {
        return route_fail_memory(c);
    }
    if (n) {
        memcpy(list, w->extras, n * sizeof(*list));
    }
    for (size_t i = 0; i < m->n_extras; i++) {
        const struct route_extra *x = &m->extras[i];
        const struct route_at *here = ROUTE_AT(at, x->row->name.ptr);
        struct str text = STR_NONE;
        if (!extra_text(c, here, x, &text) || !extra_check(c, here, x, text)) {
            return false;
        }
        if (text.len == 0 || x->row->kind == EXTRA_NO_EFFECT || x->row->kind == EXTRA_REFUSED) {
            continue;
        }
        if (x->row->kind == EXTRA_HOST) {
            *ret_host = text;
        } else if (x->row->kind == EXTRA_MODEL) {
            w->model = text;
        } else {
            size_t k = 0;
            while (k < n && !same_target(list[k].row, x->row)) {
                k++;
            }
            list[k] = (struct route_extra_text){x->row, text};
            n += k == n;
        }
    }
    w->extras = list;
    w->n_extras = n;
    return true;
}

/* ---- composing ---- */

static bool compose(struct route_compile *c, const struct route_at *at, struct buffer *b,
                    struct str *ret)
{
    char *copy = b->failed ? NULL : route_derive(c, at, b->len + 1);
    if (b->failed) {
        (void)route_fail_memory(c);
    }
    if (copy) {
        memcpy(copy, b->ptr, b->len);
        *ret = (struct str){copy, b->len};
    }
    buffer_release(b);
    return copy != NULL;
}

static bool is_secret_kind(const struct route_extra_row *row)
{
    return row->kind == EXTRA_CREDENTIAL || row->kind == EXTRA_SECRET;
}

static bool credential_compose(struct route_compile *c, const struct route_at *at,
                               struct route_whom *w)
{
    struct buffer b;
    struct json_writer out;
    size_t n = 0;
    for (size_t i = 0; i < w->n_extras; i++) {
        n += is_secret_kind(w->extras[i].row);
    }
    w->credential = w->api_key;
    if (n == 0) {
        return true;
    }
    buffer_init(&b, 4u << 20);
    json_writer_init(&out, &b);
    json_object_begin(&out);
    if (w->api_key.ptr) {
        json_field_str(&out, "api_key", w->api_key);
    }
    for (size_t i = 0; i < w->n_extras; i++) {
        if (is_secret_kind(w->extras[i].row)) {
            json_field_str(&out, w->extras[i].row->to, w->extras[i].text);
        }
    }
    json_object_end(&out);
    return compose(c, at, &b, &w->credential);
}

static bool settings_compose(struct route_compile *c, const struct route_at *at,
                             struct route_whom *w)
{
    struct buffer b;
    struct json_writer out;
    size_t n = 0, n_headers = 0;
    w->settings_json = STR_NONE;
    buffer_init(&b, 4u << 20);
    json_writer_init(&out, &b);
    json_object_begin(&out);
    for (size_t i = 0; i < w->n_extras; i++) {
        const struct route_extra_text *x = &w->extras[i];
        n_headers += x->row->kind == EXTRA_HEADER;
        if (x->row->kind == EXTRA_SETTING) {
            json_field_str(&out, x->row->to, x->text);
            n++;
        } else if (x->row->kind == EXTRA_AZURE_RESOURCE) {
            char url[96];
            size_t len = sizeof("https://") - 1;
            memcpy(url, "https://", len);
            memcpy(url + len, x->text.ptr, x->text.len);
            len += x->text.len;
            memcpy(url + len, ".openai.azure.com", sizeof(".openai.azure.com"));
            json_field_z(&out, "base_url", url);
            n++;
        }
    }
    if (n_headers) {
        json_name(&out, "headers");
        json_object_begin(&out);
        for (size_t i = 0; i < w->n_extras; i++) {
            if (w->extras[i].row->kind == EXTRA_HEADER) {
                json_field_str(&out, w->extras[i].row->to, w->extras[i].text);
            }
        }
        json_object_end(&out);
    }
    json_object_end(&out);
    if (n + n_headers == 0) {
        buffer_release(&b);
        return true;
    }
    return compose(c, at, &b, &w->settings_json);
}

bool route_whom_read(struct route_compile *c, const struct route_at *at,
                     const struct route_members *m, struct route_whom *w, struct str *ret_host)
{
    bool changed = m->n_extras > 0;
    *ret_host = STR_NONE;
    if (!provider_read(c, at, m, w)) {
        return false;
    }
    if (route_has(m->m[MEMBER_MODEL]) &&
        !route_word(c, ROUTE_AT(at, "model"), m->m[MEMBER_MODEL], &w->model)) {
        return false;
    }
    if (route_has(m->m[MEMBER_ENDPOINT]) &&
        !endpoint_read(c, at, m->m[MEMBER_ENDPOINT], &w->endpoint)) {
        return false;
    }
    if (route_has(m->m[MEMBER_API_KEY])) {
        if (!route_text(c, ROUTE_AT(at, "api_key"), m->m[MEMBER_API_KEY], &w->api_key)) {
            return false;
        }
        w->api_key = w->api_key.len ? w->api_key : STR_NONE;
        changed = true;
    }
    if (m->n_extras && !extras_read(c, at, m, w, ret_host)) {
        return false;
    }
    return !changed || (credential_compose(c, at, w) && settings_compose(c, at, w));
}

bool route_whom_version(struct route_compile *c, const struct route_at *at, struct route_whom *w,
                        struct str api_version)
{
    struct route_extra_text *list = arena_alloc(c->a, (w->n_extras + 1) * sizeof(*list));
    const struct route_extra_row *row =
        &rows[route_member_named(STR_LIT("api_version")) - MEMBER_COUNT];
    size_t k = 0;
    if (!list) {
        return route_fail_memory(c);
    }
    if (w->n_extras) {
        memcpy(list, w->extras, w->n_extras * sizeof(*list));
    }
    while (k < w->n_extras && !same_target(list[k].row, row)) {
        k++;
    }
    list[k] = (struct route_extra_text){row, api_version};
    w->n_extras += k == w->n_extras;
    w->extras = list;
    return settings_compose(c, at, w);
}
