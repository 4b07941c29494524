/* Fields of a manifest's maps, taken out one by one; every complaint names its place. Private to
 * manifest*.c. */
#ifndef COMMON_RULES_MANIFEST_READ_H
#define COMMON_RULES_MANIFEST_READ_H

#include "common/rules/manifest.h"

struct map;

struct manifest_reader {
    struct arena *arena;
    struct error *err;
    struct map *providers; /* name to struct manifest_provider */
};

/* A map node and where it stands: "models[0].targets[1]", "" at the top. */
struct manifest_place {
    const struct yaml_node *map;
    char path[48];
};

/* Always false. */
bool manifest_fail(const struct manifest_reader *r, const struct yaml_node *at, const char *path,
                   const char *field, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
bool manifest_fail_memory(const struct manifest_reader *r);
int manifest_shown(struct str s); /* how much of a text is shown */
/* known ends in NULL. */
bool manifest_check_fields(const struct manifest_reader *r, const struct manifest_place *p,
                           const char *const *known);
/* A text field. Absent: fails when required, else leaves *ret alone. */
bool manifest_take_text(const struct manifest_reader *r, const struct manifest_place *p,
                        const char *field, bool required, struct str *ret);
bool manifest_take_number(const struct manifest_reader *r, const struct manifest_place *p,
                          const char *field, uint64_t max, uint64_t *ret);
/* A text that may be a reference (secret_ref.h). */
bool manifest_take_secret(const struct manifest_reader *r, const struct manifest_place *p,
                          const char *field, struct str *ret);
/* Names of providers and keys go into paths, headers and messages. */
bool manifest_take_name(const struct manifest_reader *r, const struct manifest_place *p,
                        struct str *ret);
bool manifest_take_model_name(const struct manifest_reader *r, const struct manifest_place *p,
                              const char *field, struct str *ret);
/* The list in `field` and room for its elements; absent: *ret_list NULL. */
bool manifest_take_list(const struct manifest_reader *r, const struct manifest_place *p,
                        const char *field, size_t size, const struct yaml_node **ret_list,
                        void *ret_room);
/* The i-th element of a list of maps, with its path. */
bool manifest_enter(const struct manifest_reader *r, const struct manifest_place *outer,
                    const char *field, const struct yaml_node *list, size_t i,
                    struct manifest_place *ret);

/* true or false; absent: leaves *ret alone. */
bool manifest_take_bool(const struct manifest_reader *r, const struct manifest_place *p,
                        const char *field, bool *ret);
/* Claims a name in `names` for `owner`; a second one is refused. */
bool manifest_claim_name(const struct manifest_reader *r, struct map *names,
                         const struct manifest_place *p, struct str name, void *owner);
/* A reference to a routing config (route_config.h); that it exists is not looked at. */
bool manifest_take_config(const struct manifest_reader *r, const struct manifest_place *p,
                          struct str *ret);

/* manifest_document.c: the lists `configs` and `prompts` */
bool manifest_read_documents(const struct manifest_reader *r, const struct manifest_place *top,
                             struct manifest *m);

/* manifest_prices.c: the list `price_groups` and the map `price_book` */
bool manifest_read_prices(const struct manifest_reader *r, const struct manifest_place *top,
                          struct manifest *m);

/* manifest_keys.c: the lists `keys`, `teams`, `service_accounts` */
bool manifest_read_keys(const struct manifest_reader *r, const struct manifest_place *top,
                        struct manifest *m);

/* manifest_quotas.c: the lists `budgets` and `limits`, at the top and in keys */
bool manifest_read_quotas(const struct manifest_reader *r, const struct manifest_place *top,
                          struct manifest *m);

/* manifest_issuers.c: the list `issuers`; after the keys */
bool manifest_read_issuers(const struct manifest_reader *r, const struct manifest_place *top,
                           struct manifest *m);

/* manifest_provider.c */
bool manifest_read_provider(const struct manifest_reader *r, const struct manifest_place *p,
                            struct manifest_provider *ret);

#endif
