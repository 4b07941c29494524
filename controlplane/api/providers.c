/* Model providers. API key and other secrets are write-only: they are sealed before they are
 * stored, and answers show a mask and their names. */
#include "controlplane/store/providers.h"

#include "common/base/buffer.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/rules/apikey.h"
#include "common/rules/provider.h"
#include "controlplane/api/crud.h"
#include "controlplane/api/planes.h"
#include "controlplane/api/provider_settings.h"
#include "controlplane/api/resources.h"
#include "controlplane/channel/channel.h"
#include "controlplane/http/reply.h"
#include "controlplane/rules/validate.h"
#include "controlplane/secrets/reference.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/data_planes.h"

#define TEST_COMMAND 1u /* proto/control.proto: COMMAND_TEST_PROVIDER */
#define TEST_TIMEOUT_MS 20000u
#define TESTS_AT_ONCE 4u /* each may wait for a silent provider for long */

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

static const char *check_kind(struct str s)
{
    return provider_row_named(s) ? NULL : "is not one that is known (GET /provider-kinds)";
}

static const struct field fields[] = {
    FIELD_ORGANIZATION(PROVIDER),
    FIELD_WORKSPACE(PROVIDER),
    FIELD_NAME(PROVIDER, 100, check_provider_name),
    {.name = "kind",
     .kind = FIELD_TEXT,
     .column = PROVIDER_KIND,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 50,
     .check = check_kind},
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
    {.name = "api_keys_count", .kind = FIELD_INTEGER, .column = PROVIDER_CREDENTIAL_KEYS},
    {.name = "secrets", .kind = FIELD_TEXTS, .column = PROVIDER_CREDENTIAL_FIELDS},
    {.name = "disabled", .kind = FIELD_BOOL, .column = PROVIDER_DISABLED, .flags = FIELD_WRITE},
    FIELD_OWNED_BY(PROVIDER),
    FIELD_ROW_TIMES(PROVIDER),
};

/* Beside these every setting of common/rules/provider.c (a test compares them). */
static const char *const extras[] = {
    "workspace_id",      "workspace",   "api_key",           "api_keys",
    "health_check",      "region",      "aws_access_key_id", "aws_secret_access_key",
    "aws_session_token", "project",     "location",          "access_token",
    "service_account",   "api_version", "tenant_id",         "client_id",
    "client_secret",     "authority",   "account_id",        "organization",
    "dialect",           "auth",        "headers",           "rename_params",
    "drop_params",       NULL};

static const struct api_context *context(const struct change *ch)
{
    return ch->call->context;
}

static const struct uuid *row_id(const struct change *ch)
{
    return ch->creating ? &ch->now.v[PROVIDER_ID].uuid : &ch->before.v[PROVIDER_ID].uuid;
}

/* The stored credential, opened; "" when there is none, NULL ptr when it cannot be opened. */
static struct str open_credential(const struct change *ch)
{
    const struct object_value *v = &ch->before.v[PROVIDER_CREDENTIAL];
    struct str plain = STR_NONE;
    struct error ignored = ERROR_INIT;
    if (ch->creating || !object_is_set(v)) {
        return STR_LIT("");
    }
    return seal_open(context(ch)->keys, ch->before.v[PROVIDER_CREDENTIAL_KEK].text.ptr, "providers",
                     row_id(ch), "credential", v->text, ch->call->arena, &plain, &ignored)
               ? plain
               : STR_NONE;
}

static void set_fields(struct change *ch, const struct provider_secrets *s)
{
    struct object_value *v = &ch->now.v[PROVIDER_CREDENTIAL_FIELDS];
    struct str *names = arena_alloc(ch->call->arena, (s->n + 1) * sizeof *names);
    *v = (struct object_value){.state = OBJECT_SET, .list = names};
    for (size_t i = 0; names && i < s->n; i++) {
        names[v->n++] = s->items[i].name;
    }
    object_set_i64(&ch->now.v[PROVIDER_CREDENTIAL_KEYS],
                   (int64_t)provider_secrets_keys(s, ch->call->arena, NULL));
}

static bool set_references(struct change *ch, const struct provider_secrets *s)
{
    struct object_value *v = &ch->now.v[PROVIDER_CREDENTIAL_REFERENCE_NAMES];
    struct str members, *names;
    size_t n;
    if (!provider_secrets_references(s, ch->call->arena, &members, &names, &n)) {
        return false;
    }
    object_set_text(&ch->now.v[PROVIDER_CREDENTIAL_REFERENCES], members);
    *v = (struct object_value){.state = OBJECT_SET, .list = names, .n = n};
    return true;
}

static void clear_credential(struct change *ch, const struct provider_secrets *none)
{
    object_set_null(&ch->now.v[PROVIDER_CREDENTIAL]);
    object_set_null(&ch->now.v[PROVIDER_CREDENTIAL_KEK]);
    object_set_text(&ch->now.v[PROVIDER_CREDENTIAL_MASK], STR_LIT(""));
    set_fields(ch, none);
    (void)set_references(ch, none);
}

/* The mask is the first API key's, else that of the first secret; a reference is shown as it is. */
static bool seal_credential(struct change *ch, const struct provider_secrets *s, struct str secret,
                            struct error *err)
{
    const struct seal_keys *keys = context(ch)->keys;
    struct arena *a = ch->call->arena;
    struct str shown = s->items[0].value;
    char mask[32];
    (void)provider_secrets_keys(s, a, &shown);
    struct str sealed = seal_close(keys, "providers", row_id(ch), "credential", secret, a);
    apikey_mask(shown.ptr[0] == '{' ? STR_LIT("") : shown, mask);
    object_set_text(&ch->now.v[PROVIDER_CREDENTIAL], sealed);
    object_set_text(&ch->now.v[PROVIDER_CREDENTIAL_KEK], str_of(seal_current_id(keys)));
    object_set_text(&ch->now.v[PROVIDER_CREDENTIAL_MASK],
                    reference_is(shown) ? shown : arena_str(a, str_of(mask)));
    set_fields(ch, s);
    return (sealed.ptr && set_references(ch, s)) || error_set(err, ERR_OVERLOADED, "%s", "");
}

static struct str get_before(void *arg, struct str name)
{
    const struct change *ch = arg;
    struct json_member m = {.name = name};
    struct str settings = ch->before.v[PROVIDER_SETTINGS].text;
    if (!json_scan(settings, &m, 1, 0, NULL) || !m.found || m.value.type != JSON_STRING ||
        m.value.escaped) {
        return STR_NONE;
    }
    return json_text(m.value);
}

static struct str get_now(void *arg, struct str name)
{
    return provider_settings_get(arg, name);
}

/* "https://host:port" of a URL; "" for none. */
static struct str server_of(struct str url)
{
    const char *host = url.len > 0 ? memmem(url.ptr, url.len, "://", 3) : NULL;
    size_t from = host ? (size_t)(host - url.ptr) + 3 : url.len;
    const char *slash = from < url.len ? memchr(url.ptr + from, '/', url.len - from) : NULL;
    return str_slice(url, 0, slash ? (size_t)(slash - url.ptr) : url.len);
}

/* Where a provider's requests go, by its base URL or its kind's with the settings in it. */
static struct str server_by(const struct change *ch, struct str kind, struct str url,
                            provider_get_fn get)
{
    const struct provider_row *row = provider_row_named(kind);
    struct str missing;
    url = url.len == 0 && row ? str_of(row->base_url) : url;
    return server_of(provider_fill(ch->call->arena, url, STR_NONE, STR_NONE, get,
                                   (void *)(uintptr_t)ch, &missing));
}

/* Does the change send the credential elsewhere? To another server, or (for tokens bought with it)
 * another authority. */
static bool moves(const struct change *ch)
{
    const struct object *was = &ch->before, *now = &ch->now;
    const struct object_value *url = &now->v[PROVIDER_BASE_URL], *kind = &now->v[PROVIDER_KIND];
    struct str old_kind = was->v[PROVIDER_KIND].text, old_url = was->v[PROVIDER_BASE_URL].text;
    struct str new_kind = object_is_set(kind) ? kind->text : old_kind;
    struct str new_url = url->state != OBJECT_UNSET ? url->text : old_url;
    static const struct str authority = STR_LIT("authority");
    return !str_eq(old_kind, new_kind) ||
           !str_eq_nocase(server_by(ch, old_kind, old_url, get_before),
                          server_by(ch, new_kind, new_url, get_now)) ||
           !str_eq(get_before((void *)(uintptr_t)ch, authority),
                   get_now((void *)(uintptr_t)ch, authority));
}

/* Absent: as it was; null: none any more; a text: that.
 *
 * A stored secret goes only where somebody who knew it sent it: else whoever may edit a provider
 * could have it delivered to a server of theirs. So a move keeps none of them. */
static bool take_secrets(struct change *ch, struct error *err)
{
    struct provider_secrets secrets = {.n = 0};
    struct str stored = open_credential(ch), text;
    bool given, moved = !ch->creating && moves(ch);
    if (stored.ptr && !moved) {
        provider_secrets_read(stored, ch->call->arena, &secrets);
    }
    if (!provider_secrets_take(ch, &secrets, &given, err)) {
        return false;
    }
    bool had = !ch->creating && object_is_set(&ch->before.v[PROVIDER_CREDENTIAL]);
    if (moved && had && !given) {
        return body_refuse(err, ch->at, "api_key",
                           "must be given again (or null) when the provider moves to another "
                           "server");
    }
    if (!given) {
        return true;
    }
    if (!stored.ptr && !moved && secrets.n == 0 && !body_get(ch->body, "api_key")) {
        return body_refuse(err, ch->at, "api_key",
                           "must be given again: the stored credential cannot be opened here");
    }
    text = provider_secrets_text(&secrets, ch->call->arena);
    if (secrets.n == 0) {
        clear_credential(ch, &secrets);
        return true;
    }
    if (!text.ptr) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    /* the credential that stands there is not written again: apply finds nothing changed */
    bool same =
        stored.len && stored.len == text.len && crypto_equal(stored.ptr, text.ptr, text.len);
    return same || seal_credential(ch, &secrets, text, err);
}

static bool prepare(struct change *ch, struct error *err)
{
    return resource_place(ch, PROVIDER_WORKSPACE_ID, false, err) &&
           provider_settings_take(ch, err) && take_secrets(ch, err) &&
           provider_settings_check(ch, err);
}

static void show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    (void)c;
    (void)loaded;
    provider_settings_show(w, row, false);
    json_name(w, "references");
    json_put_raw(w, row->v[PROVIDER_CREDENTIAL_REFERENCES].text);
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
    .show = show,
};

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

static bool run_test(struct call *c, struct error *err)
{
    const struct api_context *api = c->context;
    struct data_plane plane = {.name = STR_NONE};
    struct str result;
    if (!planes_in_tx(c, TX_TENANT, check_provider, NULL, err)) {
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
    if (!answered || !planes_read(c, &plane, err)) {
        return false;
    }
    json_object_begin(&c->json);
    reply_put_id(&c->json, "provider_id", "prov", &c->id);
    json_name(&c->json, "data_plane");
    json_object_begin(&c->json);
    planes_put(&c->json, &plane);
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
