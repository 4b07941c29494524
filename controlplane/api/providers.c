/* Model providers. The API key is write-only: it is sealed before it is stored, and answers show
 * its mask. */
#include "controlplane/store/providers.h"

#include "common/base/buffer.h"
#include "common/crypto.h"
#include "common/rules/apikey.h"
#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/channel/channel.h"
#include "controlplane/http/reply.h"
#include "controlplane/rules/validate.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/data_planes.h"

#define API_KEY_MAX 4096
#define TEST_COMMAND 1u /* proto/control.proto: COMMAND_TEST_PROVIDER */
#define TEST_TIMEOUT_MS 20000u
#define TESTS_AT_ONCE 4u /* each may wait for a silent provider for long */

static const char *const kinds[] = {"openai", NULL};

/* In paths of the data plane these words mean something else. */
static const char *check_provider_name(struct str s)
{
    static const char *const reserved[] = {"v1",    "v1beta", "mcp",    "model",
                                           "livez", "readyz", "metrics"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (str_eq_nocase(s, str_of(reserved[i]))) {
            return "is a word that paths of the data plane use";
        }
    }
    return validate_slug(s);
}

static const struct field fields[] = {
    {.name = "organization_id",
     .kind = FIELD_ID,
     .column = PROVIDER_ORGANIZATION_ID,
     .prefix = "org"},
    {.name = "workspace_id",
     .kind = FIELD_ID,
     .column = PROVIDER_WORKSPACE_ID,
     .prefix = "ws",
     .flags = FIELD_FILTER},
    {.name = "name",
     .kind = FIELD_TEXT,
     .column = PROVIDER_NAME,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 100,
     .check = check_provider_name},
    {.name = "kind",
     .kind = FIELD_TEXT,
     .column = PROVIDER_KIND,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 50,
     .words = kinds},
    {.name = "base_url",
     .kind = FIELD_TEXT,
     .column = PROVIDER_BASE_URL,
     .flags = FIELD_WRITE,
     .max = 1024,
     .check = validate_base_url},
    {.name = "settings",
     .kind = FIELD_OBJECT,
     .column = PROVIDER_SETTINGS,
     .flags = FIELD_WRITE,
     .max = 16384},
    {.name = "timeout_ms",
     .kind = FIELD_INTEGER,
     .column = PROVIDER_TIMEOUT_MS,
     .flags = FIELD_WRITE,
     .max = 86400000},
    {.name = "api_key_mask", .kind = FIELD_TEXT, .column = PROVIDER_CREDENTIAL_MASK},
    {.name = "disabled", .kind = FIELD_BOOL, .column = PROVIDER_DISABLED, .flags = FIELD_WRITE},
    FIELD_OWNED_BY(PROVIDER),
    FIELD_ROW_TIMES(PROVIDER),
};

static const char *const extras[] = {"workspace_id", "workspace", "api_key", NULL};

static const struct api_context *context(const struct change *ch)
{
    return ch->call->context;
}

static const struct uuid *row_id(const struct change *ch)
{
    return ch->creating ? &ch->now.v[PROVIDER_ID].uuid : &ch->before.v[PROVIDER_ID].uuid;
}

/* Is this the credential that stands there? Then it is not written again, and apply finds nothing
 * changed. */
static bool same_credential(const struct change *ch, struct str secret)
{
    const struct object_value *v = &ch->before.v[PROVIDER_CREDENTIAL];
    struct str plain;
    struct error ignored = ERROR_INIT;
    if (ch->creating || !object_is_set(v) ||
        !seal_open(context(ch)->keys, ch->before.v[PROVIDER_CREDENTIAL_KEK].text.ptr, "providers",
                   row_id(ch), "credential", v->text, ch->call->arena, &plain, &ignored)) {
        return false;
    }
    bool same = plain.len == secret.len && crypto_equal(plain.ptr, secret.ptr, secret.len);
    explicit_bzero((char *)(uintptr_t)plain.ptr, plain.len);
    return same;
}

static bool seal_credential(struct change *ch, struct str secret, struct error *err)
{
    const struct seal_keys *keys = context(ch)->keys;
    struct arena *a = ch->call->arena;
    char mask[32];
    if (same_credential(ch, secret)) {
        return true;
    }
    struct str sealed = seal_close(keys, "providers", row_id(ch), "credential", secret, a);
    apikey_mask(secret, mask);
    object_set_text(&ch->now.v[PROVIDER_CREDENTIAL], sealed);
    object_set_text(&ch->now.v[PROVIDER_CREDENTIAL_KEK], str_of(seal_current_id(keys)));
    object_set_text(&ch->now.v[PROVIDER_CREDENTIAL_MASK], arena_str(a, str_of(mask)));
    return sealed.ptr || error_set(err, ERR_OVERLOADED, "%s", "");
}

/* absent: as it was; null: none any more; a text: that. */
static bool take_api_key(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "api_key");
    struct str secret;
    const char *wrong;
    if (!v) {
        return true;
    }
    if (v->type == BODY_NULL) {
        object_set_null(&ch->now.v[PROVIDER_CREDENTIAL]);
        object_set_null(&ch->now.v[PROVIDER_CREDENTIAL_KEK]);
        object_set_text(&ch->now.v[PROVIDER_CREDENTIAL_MASK], STR_LIT(""));
        return true;
    }
    if (!body_text(v, 1, API_KEY_MAX, ch->at, "api_key", &secret, err)) {
        return false;
    }
    if ((wrong = validate_secret(secret)) != NULL) {
        return body_refuse(err, ch->at, "api_key", "%s", wrong);
    }
    return seal_credential(ch, secret, err);
}

/* "https://host:port" of a URL; "" for the kind's own. */
static struct str server_of(struct str url)
{
    const char *host = url.len > 0 ? memmem(url.ptr, url.len, "://", 3) : NULL;
    size_t from = host ? (size_t)(host - url.ptr) + 3 : url.len;
    const char *slash = from < url.len ? memchr(url.ptr + from, '/', url.len - from) : NULL;
    return str_slice(url, 0, slash ? (size_t)(slash - url.ptr) : url.len);
}

/* A stored credential goes only where somebody who knew it sent it: else whoever may edit a
 * provider could have its secret delivered to a server of theirs. */
static bool check_server(struct change *ch, struct error *err)
{
    const struct object_value *url = &ch->now.v[PROVIDER_BASE_URL],
                              *kind = &ch->now.v[PROVIDER_KIND];
    if (ch->creating || !object_is_set(&ch->before.v[PROVIDER_CREDENTIAL]) ||
        body_get(ch->body, "api_key")) {
        return true;
    }
    bool moved =
        (object_is_set(url) &&
         !str_eq_nocase(server_of(url->text), server_of(ch->before.v[PROVIDER_BASE_URL].text))) ||
        (object_is_set(kind) && !str_eq(kind->text, ch->before.v[PROVIDER_KIND].text));
    return !moved || body_refuse(err, ch->at, "api_key",
                                 "must be given again (or null) when the provider moves to another "
                                 "server");
}

static bool prepare(struct change *ch, struct error *err)
{
    return resource_place(ch, PROVIDER_WORKSPACE_ID, false, err) && check_server(ch, err) &&
           take_api_key(ch, err);
}

static bool removing(struct change *ch, struct error *err)
{
    struct str model;
    if (!provider_user(ch->call->tx, row_id(ch), ch->call->arena, &model, err)) {
        return false;
    }
    return !model.ptr || error_set(err, ERR_CONFLICT, "provider is a target of the model \"%.*s\"",
                                   STR_ARG(model));
}

const struct resource provider_resource = {
    .kind = "provider",
    .prefix = "prov",
    .table = &providers_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_PROVIDER_READ,
    .change_kind = CONFIG_PROVIDER,
    .shared = true,
    .prepare = prepare,
    .removing = removing,
};

/* Opens and ends a transaction of its own: waiting for a data plane must not hold one. */
static bool in_tenant(struct call *c, bool (*fn)(struct call *, void *, struct error *), void *arg,
                      enum tx_role role, struct error *err)
{
    const struct api_context *api = c->context;
    c->tx = tx_begin(api->pool, role, role == TX_TENANT ? &c->organization : NULL, err);
    if (!c->tx) {
        return false;
    }
    bool ok = fn(c, arg, err);
    struct tx *t = c->tx;
    c->tx = NULL;
    if (!ok) {
        tx_rollback(t);
        return false;
    }
    return tx_commit(t, NULL, err);
}

static bool check_provider(struct call *c, void *arg, struct error *err)
{
    struct object row;
    (void)arg;
    if (!resource_find(c, &provider_resource, &c->id, false, &row, err)) {
        return false;
    }
    struct uuid workspace = resource_workspace(&provider_resource, &row);
    return permission_scope_covers(&c->scope, &workspace) ||
           error_set(err, ERR_FORBIDDEN, "this needs the permission provider.test there");
}

static bool find_plane(struct call *c, void *arg, struct error *err)
{
    struct data_plane *found = arg, *list;
    size_t n;
    struct data_plane_query q = {.id = &found->id, .limit = 1, .with_revoked = true};
    if (!data_plane_list(c->tx, &q, c->arena, &list, &n, err)) {
        return false;
    }
    if (n == 1) {
        *found = list[0];
    }
    return true;
}

static bool run_test(struct call *c, struct error *err)
{
    const struct api_context *api = c->context;
    struct data_plane plane = {.name = STR_NONE};
    struct str result;
    if (!in_tenant(c, check_provider, NULL, TX_TENANT, err)) {
        return false;
    }
    if (!api->channel) {
        return error_set(err, ERR_NOT_READY, "no data plane is connected");
    }
    http_wait_begin(c->request);
    bool answered = channel_command(api->channel, NULL, &c->organization, TEST_COMMAND,
                                    (struct str){(const char *)c->id.b, sizeof c->id.b},
                                    TEST_TIMEOUT_MS, c->arena, &plane.id, &result, err);
    http_wait_end(c->request);
    if (!answered || !in_tenant(c, find_plane, &plane, TX_SYSTEM, err)) {
        return false;
    }
    json_object_begin(&c->json);
    reply_put_id(&c->json, "provider_id", "prov", &c->id);
    json_name(&c->json, "data_plane");
    json_object_begin(&c->json);
    reply_put_id(&c->json, "id", "dp", &plane.id);
    json_field_str(&c->json, "name", plane.name);
    json_object_end(&c->json);
    json_name(&c->json, "result");
    struct json_value valid;
    struct error ignored = ERROR_INIT;
    if (result.len > 0 && json_validate(result, 0, &valid, &ignored)) {
        json_put_raw(&c->json, result);
    } else {
        json_put_null(&c->json);
    }
    json_object_end(&c->json);
    return true;
}

bool provider_test_call(struct call *c, struct error *err)
{
    struct api_context *api = c->context;
    bool ok = atomic_fetch_add(&api->provider_tests, 1) < TESTS_AT_ONCE
                  ? run_test(c, err)
                  : error_set(err, ERR_OVERLOADED,
                              "too many provider tests run already: try again in a moment");
    atomic_fetch_sub(&api->provider_tests, 1);
    return ok;
}
