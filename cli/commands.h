/* The table of commands, and the functions that it names. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct command commands[];
extern const size_t n_commands;

int command_login(struct cli *c);
int command_logout(struct cli *c);
int command_key_create(struct cli *c);
int command_key_list(struct cli *c);
int command_key_revoke(struct cli *c);
int command_provider_add(struct cli *c);
int command_provider_list(struct cli *c);
int command_provider_test(struct cli *c);
int command_catalogue_list(struct cli *c);
int command_catalogue_show(struct cli *c);
int command_catalogue_diff(struct cli *c);
int command_catalogue_update(struct cli *c);
int command_apply(struct cli *c);
int command_export(struct cli *c);
int command_logs(struct cli *c);
int command_status(struct cli *c);
int command_data_plane_list(struct cli *c);
int command_data_plane_token(struct cli *c);
int command_data_plane_revoke(struct cli *c);
int command_completion_bash(struct cli *c);
int command_version(struct cli *c);
int command_help(struct cli *c);

/* Each command's own options; cli_options comes first. */
struct login_options {
    struct cli_options common;
    char *email, *password_file, *token_file;
};
struct key_create_options {
    struct cli_options common;
    char *models, *providers; /* joined by '\n' */
    char *expires, *workspace;
};
struct workspace_options { /* of the lists */
    struct cli_options common;
    char *workspace;
};
struct provider_add_options {
    struct cli_options common;
    char *kind, *base_url, *api_key, *set, *workspace;
    uint64_t timeout_ms;
};
struct catalogue_list_options {
    struct cli_options common;
    char *provider, *search;
    uint64_t count; /* 0: all */
    bool priced;
};
struct catalogue_update_options { /* of diff too */
    struct cli_options common;
    char *installed;
    bool yes;
};
struct apply_options {
    struct cli_options common;
    char *file, *workspace;
    bool dry_run, prune;
};
struct export_options {
    struct cli_options common;
    char *output, *workspace;
};
struct logs_options {
    struct cli_options common;
    uint64_t count;
    bool follow;
    char *key, *model, *status, *workspace;
};
struct data_plane_token_options {
    struct cli_options common;
    char *group, *control;
};

#endif
