/* THE tables of weir-control's settings. */
#include "controlplane/cp_options.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/options.h"
#include "controlplane/secrets/seal.h"

#define ROW_COUNT(rows) (sizeof(rows) / sizeof *(rows))
#define MINUTE_MS 60000u
#define DAY_MS (24u * 60u * MINUTE_MS)

#define AT(field) offsetof(struct cp_options, field)
static const struct option_row serve_rows[] = {
    {"config-file", "WEIR_CONTROL_CONFIG", OPTION_TEXT, AT(config_file), NULL, 0, 0, false,
     "YAML file with any of these settings by name"},
    {"database-url", "WEIR_DATABASE_URL", OPTION_TEXT, AT(database_url), NULL, 0, 0, true,
     "PostgreSQL as the service's role: postgresql://weir_service:…@host/weir"},
    {"database-connections", "WEIR_DATABASE_CONNECTIONS", OPTION_U64, AT(database_connections),
     "12", 2, 1000, false, "most connections to the database at once"},
    {"listen", "WEIR_LISTEN", OPTION_TEXT, AT(listen), "127.0.0.1:8080", 0, 0, false,
     "admin API and web admin, plain HTTP; empty for none"},
    {"tls-listen", "WEIR_TLS_LISTEN", OPTION_TEXT, AT(tls_listen), NULL, 0, 0, false,
     "admin API and web admin, HTTPS"},
    {"tls-certificate", "WEIR_TLS_CERTIFICATE", OPTION_TEXT, AT(tls_certificate), NULL, 0, 0, false,
     "PEM file of the certificate and its chain, read again on SIGHUP"},
    {"tls-key", "WEIR_TLS_KEY", OPTION_TEXT, AT(tls_key), NULL, 0, 0, false,
     "PEM file of its private key, read again on SIGHUP"},
    {"base-path", "WEIR_BASE_PATH", OPTION_TEXT, AT(base_path), "/", 0, 0, false,
     "path that the admin API and the web admin stand under"},
    {"public-url", "WEIR_PUBLIC_URL", OPTION_TEXT, AT(public_url), NULL, 0, 0, false,
     "how browsers reach this instance; https makes cookies Secure"},
    {"web-admin-folder", "WEIR_WEB_ADMIN_FOLDER", OPTION_TEXT, AT(web_admin_folder), NULL, 0, 0,
     false, "built web admin to serve"},
    {"catalogue", "WEIR_CATALOGUE", OPTION_TEXT, AT(catalogue), NULL, 0, 0, false,
     "file of the model catalogue; catalogue.json beside the program, or in share/weir, when not "
     "given"},
    {"key-file", "WEIR_KEY_FILE", OPTION_TEXT, AT(key_file), NULL, 0, 0, false,
     "file of key-encryption keys, one a line, the first seals; mode 0600"},
    {"key", "WEIR_KEY", OPTION_TEXT, AT(key), NULL, 0, 0, true,
     "the key-encryption key itself, instead of a file"},
    {"former-keys", "WEIR_FORMER_KEYS", OPTION_TEXT, AT(former_keys), NULL, 0, 0, true,
     "key-encryption keys of before, comma-separated: they only open, until weir-control reseal "
     "ran"},
    {"former-key-file", "WEIR_FORMER_KEY_FILE", OPTION_TEXT, AT(former_key_file), NULL, 0, 0, false,
     "file of such keys, one a line; mode 0600"},
    {"secret-references", "WEIR_SECRET_REFERENCES", OPTION_TEXT, AT(secret_references), NULL, 0, 0,
     false,
     "what ref:NAME stands for: NAME = env:VARIABLE, file:PATH or vault:PATH#FIELD, then [for "
     "ORGANIZATION_ID, ...]; several by line or ;"},
    {"secret-references-file", "WEIR_SECRET_REFERENCES_FILE", OPTION_TEXT,
     AT(secret_references_file), NULL, 0, 0, false, "file of more of them, one a line"},
    {"secret-refresh", "WEIR_SECRET_REFRESH", OPTION_DURATION_MS, AT(secret_refresh_ms), "1m", 100,
     DAY_MS, false, "how often the values of references are read again"},
    {"vault-address", "WEIR_VAULT_ADDRESS", OPTION_TEXT, AT(vault_address), NULL, 0, 0, false,
     "HashiCorp Vault, such as https://vault.internal:8200"},
    {"vault-token-file", "WEIR_VAULT_TOKEN_FILE", OPTION_TEXT, AT(vault_token_file), NULL, 0, 0,
     false, "file of Vault's token, read again each time"},
    {"vault-token", "WEIR_VAULT_TOKEN", OPTION_TEXT, AT(vault_token), NULL, 0, 0, true,
     "Vault's token itself, instead of a file"},
    {"vault-ca-file", "WEIR_VAULT_CA_FILE", OPTION_TEXT, AT(vault_ca_file), NULL, 0, 0, false,
     "PEM file of the CA that Vault's certificate is from (the system's)"},
    {"vault-namespace", "WEIR_VAULT_NAMESPACE", OPTION_TEXT, AT(vault_namespace), NULL, 0, 0, false,
     "Vault's namespace"},
    {"core-dumps", "WEIR_CORE_DUMPS", OPTION_BOOL, AT(core_dumps), NULL, 0, 0, false,
     "let the kernel write the memory of a crash to disk, secrets included, and debuggers attach"},
    {"enrol-listen", "WEIR_ENROL_LISTEN", OPTION_TEXT, AT(enrol_listen), "127.0.0.1:8443", 0, 0,
     false, "where proxies enrol, HTTPS by the channel's own CA"},
    {"channel-listen", "WEIR_CHANNEL_LISTEN", OPTION_TEXT, AT(channel_listen), "127.0.0.1:7300", 0,
     0, false, "where proxies connect; takes this port and the three behind it"},
    {"channel-advertise", "WEIR_CHANNEL_ADVERTISE", OPTION_TEXT, AT(channel_advertise), NULL, 0, 0,
     false, "name or address that proxies reach this instance by (the channel's address)"},
    {"session-idle", "WEIR_SESSION_IDLE", OPTION_DURATION_MS, AT(session_idle_ms), "1h", MINUTE_MS,
     90ull * DAY_MS, false, "a browser session ends after this long without use"},
    {"session-max", "WEIR_SESSION_MAX", OPTION_DURATION_MS, AT(session_max_ms), "12h", MINUTE_MS,
     90ull * DAY_MS, false, "a browser session ends after this long"},
    {"local-login", "WEIR_LOCAL_LOGIN", OPTION_TEXT, AT(local_login), "on", 0, 0, false,
     "on or off: whether people may sign in by password"},
    {"private-issuers", "WEIR_PRIVATE_ISSUERS", OPTION_TEXT, AT(private_issuers), NULL, 0, 0, false,
     "hosts, comma-separated, where organizations' own identity providers may be although their "
     "addresses are not public; * for any"},
    {"lease-writeoff", "WEIR_LEASE_WRITEOFF", OPTION_DURATION_MS, AT(lease_writeoff_ms), "0", 0,
     365ull * DAY_MS, false,
     "book what a proxy holds of budgets as spent after it was gone for this long; 0: only by "
     "hand"},
    {"log-level", "WEIR_LOG_LEVEL", OPTION_TEXT, AT(log_level), "info", 0, 0, false,
     "debug, info, warn or error; read again from the config file on SIGHUP"},
    {"log-format", "WEIR_LOG_FORMAT", OPTION_TEXT, AT(log_format), "json", 0, 0, false,
     "json or text"},
};
#undef AT

#define AT(field) offsetof(struct migrate_options, field)
static const struct option_row migrate_rows[] = {
    {"owner-url", "WEIR_OWNER_URL", OPTION_TEXT, AT(owner_url), NULL, 0, 0, true,
     "PostgreSQL as the schema's owner"},
    {"service-role", "WEIR_SERVICE_ROLE", OPTION_TEXT, AT(service_role), NULL, 0, 0, false,
     "existing login role that is made the service's"},
    {"migrations-folder", "WEIR_MIGRATIONS_FOLDER", OPTION_TEXT, AT(migrations_folder), NULL, 0, 0,
     false, "folder to take migrations from (those built in)"},
};
#undef AT

#define AT(field) offsetof(struct bootstrap_options, field)
static const struct option_row bootstrap_rows[] = {
    {"database-url", "WEIR_DATABASE_URL", OPTION_TEXT, AT(database_url), NULL, 0, 0, true,
     "PostgreSQL as the service's role"},
    {"email", NULL, OPTION_TEXT, AT(email), NULL, 0, 0, false, "the administrator's address"},
    {"organization", NULL, OPTION_TEXT, AT(organization), NULL, 0, 0, false,
     "organization to make or use"},
    {"workspace", NULL, OPTION_TEXT, AT(workspace), NULL, 0, 0, false, "workspace to make or use"},
    {"password-file", NULL, OPTION_TEXT, AT(password_file), NULL, 0, 0, false,
     "file whose first line is the password (else one is made and printed once)"},
    {"reset-password", NULL, OPTION_BOOL, AT(reset_password), NULL, 0, 0, false,
     "give an existing administrator a new password and end their sessions"},
    {"admin-token", NULL, OPTION_TEXT, AT(admin_token), NULL, 0, 0, false,
     "also make a platform token of this name and print it once"},
    {"key", NULL, OPTION_TEXT, AT(key), NULL, 0, 0, false,
     "also make a virtual key of this name and print it once"},
    {"json", NULL, OPTION_BOOL, AT(json), NULL, 0, 0, false, "print one JSON object"},
};
#undef AT

bool cp_address_parse(const char *name, const char *text, char ret_host[static 64],
                      uint16_t *ret_port, struct error *err)
{
    const char *colon = strrchr(text, ':');
    struct str host = {text, colon ? (size_t)(colon - text) : 0};
    uint64_t port = 0;
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = str_slice(host, 1, host.len - 2);
    } else if (memchr(host.ptr, ':', host.len)) {
        host.len = 0; /* an IPv6 address must stand in brackets */
    }
    if (!colon || host.len == 0 || host.len >= 64 || !str_to_u64(str_of(colon + 1), &port) ||
        port > 65535) {
        return error_set_param(err, ERR_INVALID_FIELD, name,
                               "--%s: \"%s\" is not ADDRESS:PORT, such as 127.0.0.1:8080 or "
                               "[::1]:8080",
                               name, text);
    }
    memcpy(ret_host, host.ptr, host.len);
    ret_host[host.len] = '\0';
    *ret_port = (uint16_t)port;
    return true;
}

static bool needed(const char *name, const char *env, const char *value, struct error *err)
{
    if (value && *value) {
        return true;
    }
    return error_set_param(err, ERR_INVALID_FIELD, name, "--%s%s%s is needed", name,
                           env ? " or " : "", env ? env : "");
}

/* An empty text switches a listener off. */
static bool check_address(const char *name, char *text, struct error *err)
{
    char host[64];
    uint16_t port;
    return !text || !*text || cp_address_parse(name, text, host, &port, err);
}

static bool check_channel(const struct cp_options *o, struct error *err)
{
    char host[64];
    uint16_t port;
    if (!cp_address_parse("channel-listen", o->channel_listen, host, &port, err)) {
        return false;
    }
    if (port == 0 || port > 65535 - 3) {
        return error_set_param(err, ERR_INVALID_FIELD, "channel-listen",
                               "--channel-listen: port must be 1 to %d", 65535 - 3);
    }
    if ((strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0) &&
        !(o->channel_advertise && *o->channel_advertise)) {
        return error_set_param(err, ERR_INVALID_FIELD, "channel-advertise",
                               "--channel-listen on all addresses needs --channel-advertise: the "
                               "name that proxies reach this instance by");
    }
    return true;
}

static bool check_serve(struct cp_options *o, struct error *err)
{
    enum log_level level;
    bool tls = o->tls_listen && *o->tls_listen;
    size_t len = strlen(o->base_path);
    if (!needed("database-url", "WEIR_DATABASE_URL", o->database_url, err) ||
        !check_address("listen", o->listen, err) ||
        !check_address("tls-listen", o->tls_listen, err) ||
        !check_address("enrol-listen", o->enrol_listen, err) || !check_channel(o, err)) {
        return false;
    }
    if (tls && !(o->tls_certificate && o->tls_key)) {
        return error_set_param(err, ERR_INVALID_FIELD, "tls-listen",
                               "--tls-listen needs --tls-certificate and --tls-key");
    }
    if (!o->key_file == !o->key) {
        return error_set_param(err, ERR_INVALID_FIELD, "key-file",
                               "give one of --key-file (WEIR_KEY_FILE) and --key (WEIR_KEY); "
                               "weir-control new-key-encryption-key makes a key");
    }
    if (o->base_path[0] != '/' || (len > 1 && o->base_path[len - 1] == '/')) {
        return error_set_param(err, ERR_INVALID_FIELD, "base-path",
                               "--base-path: \"%s\" must begin with / and not end with it",
                               o->base_path);
    }
    if (o->public_url && !str_starts(str_of(o->public_url), STR_LIT("http://")) &&
        !str_starts(str_of(o->public_url), STR_LIT("https://"))) {
        return error_set_param(err, ERR_INVALID_FIELD, "public-url",
                               "--public-url: \"%s\" is not an http or https URL", o->public_url);
    }
    if (strcmp(o->local_login, "on") != 0 && strcmp(o->local_login, "off") != 0) {
        return error_set_param(err, ERR_INVALID_FIELD, "local-login",
                               "--local-login: \"%s\" is not on or off", o->local_login);
    }
    if (!log_level_parse(str_of(o->log_level), &level)) {
        return error_set_param(err, ERR_INVALID_FIELD, "log-level",
                               "--log-level: \"%s\" is not debug, info, warn or error",
                               o->log_level);
    }
    if (strcmp(o->log_format, "json") != 0 && strcmp(o->log_format, "text") != 0) {
        return error_set_param(err, ERR_INVALID_FIELD, "log-format",
                               "--log-format: \"%s\" is not json or text", o->log_format);
    }
    return true;
}

enum log_level cp_log_level(const char *text)
{
    enum log_level level = LOG_INFO;
    (void)log_level_parse(str_of(text), &level);
    return level;
}

bool cp_options_load(struct cp_options *o, int argc, char **argv, int first, struct error *err)
{
    const char *file = options_peek(argc, argv, "config-file");
    if (!file) {
        file = getenv("WEIR_CONTROL_CONFIG");
    }
    if (!options_load(serve_rows, ROW_COUNT(serve_rows), o, file && *file ? file : NULL, argc, argv,
                      first, NULL, NULL, err)) {
        return false;
    }
    if (!check_serve(o, err)) {
        cp_options_release(o);
        return false;
    }
    return true;
}

struct seal_keys *cp_options_keys(const struct cp_options *o, struct error *err)
{
    struct seal_keys *keys =
        o->key_file ? seal_keys_load(o->key_file, err) : seal_keys_parse(str_of(o->key), err);
    if (keys && ((o->former_keys && !seal_keys_add(keys, str_of(o->former_keys), err)) ||
                 (o->former_key_file && *o->former_key_file &&
                  !seal_keys_add_file(keys, o->former_key_file, err)))) {
        seal_keys_free(keys);
        keys = NULL;
    }
    return keys;
}

void cp_options_release(struct cp_options *o)
{
    options_release(serve_rows, ROW_COUNT(serve_rows), o);
}

bool migrate_options_load(struct migrate_options *o, int argc, char **argv, int first,
                          struct error *err)
{
    if (!options_load(migrate_rows, ROW_COUNT(migrate_rows), o, NULL, argc, argv, first, NULL, NULL,
                      err)) {
        return false;
    }
    if (!needed("owner-url", "WEIR_OWNER_URL", o->owner_url, err)) {
        migrate_options_release(o);
        return false;
    }
    return true;
}

void migrate_options_release(struct migrate_options *o)
{
    options_release(migrate_rows, ROW_COUNT(migrate_rows), o);
}

bool bootstrap_options_load(struct bootstrap_options *o, int argc, char **argv, int first,
                            struct error *err)
{
    if (!options_load(bootstrap_rows, ROW_COUNT(bootstrap_rows), o, NULL, argc, argv, first, NULL,
                      NULL, err)) {
        return false;
    }
    if (!needed("database-url", "WEIR_DATABASE_URL", o->database_url, err) ||
        !needed("email", NULL, o->email, err) ||
        !needed("organization", NULL, o->organization, err) ||
        !needed("workspace", NULL, o->workspace, err)) {
        bootstrap_options_release(o);
        return false;
    }
    return true;
}

void bootstrap_options_release(struct bootstrap_options *o)
{
    options_release(bootstrap_rows, ROW_COUNT(bootstrap_rows), o);
}

void cp_options_help(void)
{
    options_help(serve_rows, ROW_COUNT(serve_rows), "weir-control [serve] [options]");
    printf("\n");
    options_help(migrate_rows, ROW_COUNT(migrate_rows), "weir-control migrate --owner-url URL");
    printf("\n");
    options_help(bootstrap_rows, ROW_COUNT(bootstrap_rows),
                 "weir-control bootstrap-admin --email E --organization NAME --workspace NAME");
    printf("\nweir-control reseal [options of serve]\n      seals every stored secret anew by the "
           "current key, while the service runs\n"
           "\nweir-control new-key-encryption-key\n      prints a new key for --key-file\n"
           "\nweir-control version\n");
}
