/* Settings of weir-control and of its commands, each set one table (docs/configuration.md documents
 * each row). */
#ifndef CONTROLPLANE_CP_OPTIONS_H
#define CONTROLPLANE_CP_OPTIONS_H

#include "common/base/error.h"
#include "common/log.h"

struct seal_keys;

/* `serve`. Texts are NULL when not set and have no default. */
struct cp_options {
    char *config_file, *database_url;
    char *listen, *tls_listen, *tls_certificate, *tls_key;
    char *base_path, *public_url, *web_admin_folder, *catalogue;
    char *key_file, *key, *former_keys, *former_key_file;
    char *secret_references, *secret_references_file;
    char *vault_address, *vault_token, *vault_token_file, *vault_ca_file, *vault_namespace;
    char *enrol_listen, *channel_listen, *channel_advertise;
    char *private_issuers, *local_login;
    char *log_level, *log_format;
    uint64_t secret_refresh_ms;
    bool core_dumps;
    uint64_t database_connections, session_idle_ms, session_max_ms, lease_writeoff_ms;
};

struct migrate_options {
    char *owner_url, *service_role, *migrations_folder;
};

struct bootstrap_options {
    char *database_url, *email, *organization, *workspace, *password_file, *admin_token, *key;
    bool reset_password, json;
};

/* Loads from argv[first..] and the layers below, and checks what belongs together. False: nothing
 * to release. */
bool cp_options_load(struct cp_options *o, int argc, char **argv, int first, struct error *err);
void cp_options_release(struct cp_options *o);
/* The key-encryption keys, the current one first; NULL with *err. */
struct seal_keys *cp_options_keys(const struct cp_options *o, struct error *err);
bool migrate_options_load(struct migrate_options *o, int argc, char **argv, int first,
                          struct error *err);
void migrate_options_release(struct migrate_options *o);
bool bootstrap_options_load(struct bootstrap_options *o, int argc, char **argv, int first,
                            struct error *err);
void bootstrap_options_release(struct bootstrap_options *o);
/* --help of all commands, to stdout. */
void cp_options_help(void);

/* "127.0.0.1:8080" or "[::1]:8080" to its parts; `name` is the option for the message. */
bool cp_address_parse(const char *name, const char *text, char ret_host[static 64],
                      uint16_t *ret_port, struct error *err);
enum log_level cp_log_level(const char *text); /* of a checked option */

#endif
