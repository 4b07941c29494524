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
int command_key_rotate(struct cli *c);
int command_key_block(struct cli *c);
int command_key_unblock(struct cli *c);
int command_key_check(struct cli *c);
int command_key_import(struct cli *c);
int command_budget_list(struct cli *c);
int command_budget_create(struct cli *c);
int command_budget_show(struct cli *c);
int command_budget_increase(struct cli *c);
int command_budget_delete(struct cli *c);
int command_limit_list(struct cli *c);
int command_limit_create(struct cli *c);
int command_limit_delete(struct cli *c);
int command_team_list(struct cli *c);
int command_team_create(struct cli *c);
int command_team_delete(struct cli *c);
int command_provider_add(struct cli *c);
int command_provider_list(struct cli *c);
int command_provider_test(struct cli *c);
int command_catalogue_list(struct cli *c);
int command_catalogue_show(struct cli *c);
int command_catalogue_diff(struct cli *c);
int command_catalogue_update(struct cli *c);
int command_apply(struct cli *c);
int command_export(struct cli *c);
int command_config_list(struct cli *c);
int command_config_show(struct cli *c);
int command_config_create(struct cli *c);
int command_config_publish(struct cli *c);
int command_config_label(struct cli *c);
int command_prompt_list(struct cli *c);
int command_prompt_show(struct cli *c);
int command_prompt_create(struct cli *c);
int command_prompt_publish(struct cli *c);
int command_prompt_label(struct cli *c);
int command_price_show(struct cli *c);
int command_price_book_list(struct cli *c);
int command_price_book_show(struct cli *c);
int command_price_book_create(struct cli *c);
int command_price_book_publish(struct cli *c);
int command_price_group_list(struct cli *c);
int command_statement(struct cli *c);
int command_explain(struct cli *c);
int command_targets(struct cli *c);
int command_cache_purge(struct cli *c);
int command_replay(struct cli *c);
int command_import_litellm(struct cli *c);
int command_import_cloudflare(struct cli *c);
int command_import_portkey(struct cli *c);
int command_logs(struct cli *c);
int command_audit_export(struct cli *c);
int command_audit_verify(struct cli *c);
int command_audit_head(struct cli *c);
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
    char *models, *providers, *endpoints, *addresses, *tags, *budgets; /* joined by '\n' */
    char *expires, *workspace, *team, *user, *service_account, *price_group, *config;
};
struct key_rotate_options {
    struct cli_options common;
    char *workspace;
    uint64_t overlap_ms;
};
struct budget_create_options {
    struct cli_options common;
    char *metric, *amount, *window, *zone, *mode, *downgrade_model, *max_cost, *when_unavailable;
    char *scopes, *alerts; /* joined by '\n' */
    char *workspace;
};
struct budget_increase_options {
    struct cli_options common;
    char *until, *workspace;
};
struct limit_create_options {
    struct cli_options common;
    char *metric, *amount, *window, *algorithm, *burst, *when_unavailable;
    char *scopes; /* joined by '\n' */
    char *workspace;
    bool exact;
};
struct team_create_options {
    struct cli_options common;
    char *price_group, *workspace;
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
struct versioned_options { /* of create and publish */
    struct cli_options common;
    char *file, *note, *description, *workspace;
    char *labels; /* joined by '\n' */
    bool draft, partial;
};
struct label_options {
    struct cli_options common;
    char *workspace;
    bool remove;
};
struct price_options {
    struct cli_options common;
    char *service_tier, *at, *group, *called;
};
struct statement_options {
    struct cli_options common;
    char *month, *zone, *team, *format, *output;
    bool by_key;
};
struct explain_options {
    struct cli_options common;
    char *key, *path, *model, *body, *config, *workspace;
    char *headers; /* joined by '\n' */
};
struct replay_options {
    struct cli_options common;
    char *proxy, *key, *config, *baseline, *events;
    uint64_t concurrency, limit, timeout_ms;
};
struct import_options {
    struct cli_options common;
    char *output, *report;
};
struct logs_options {
    struct cli_options common;
    uint64_t count;
    bool follow;
    char *key, *model, *status, *workspace;
};
struct audit_options { /* of export and verify */
    struct cli_options common;
    char *output, *head;
    uint64_t after;
};
struct data_plane_token_options {
    struct cli_options common;
    char *group, *control;
};

#endif
