/* What a provider's kind needs beside its base URL (the table of common/rules/provider.h): flat
 * members of the body. Those that are no secrets stand in the column `settings`; secrets go, sealed
 * together with the API key, into `credential`, and are never shown. A part of providers.c. */
#ifndef CONTROLPLANE_API_PROVIDER_SETTINGS_H
#define CONTROLPLANE_API_PROVIDER_SETTINGS_H

#include "controlplane/api/resource.h"

#define PROVIDER_SECRETS_MAX 12

struct provider_secret {
    struct str name;  /* "api_key", "client_secret" */
    struct str value; /* of "api_keys": the JSON list */
};

/* The named secrets of a provider. One alone that is the API key is stored as it is, else all as a
 * JSON object. */
struct provider_secrets {
    struct provider_secret items[PROVIDER_SECRETS_MAX];
    size_t n;
};

/* Reads `kind`, `settings` and the flat members of the body into the columns, merged with what
 * stands there (nothing of that when the kind changes, or the whole is given). False: err names the
 * member. */
bool provider_settings_take(struct change *ch, struct error *err);
/* A setting of the row as it will be; NULL ptr when there is none. */
struct str provider_settings_get(const struct change *ch, struct str name);
/* Everything that the kind needs is there, and what a custom provider says of itself has meaning.
 */
bool provider_settings_check(struct change *ch, struct error *err);

/* Secrets that stand in an opened credential. */
void provider_secrets_read(struct str credential, struct arena *a, struct provider_secrets *ret);
/* The body's secrets over those: a text replaces, null removes. *ret_given: one was there. */
bool provider_secrets_take(struct change *ch, struct provider_secrets *s, bool *ret_given,
                           struct error *err);
/* How many different API keys are among them; *ret_first (may be NULL, left alone when there is
 * none) the first. */
size_t provider_secrets_keys(const struct provider_secrets *s, struct arena *a,
                             struct str *ret_first);
/* What of them is a reference: *ret_members, a JSON object of the members that are nothing else;
 * *ret_names, all names. */
bool provider_secrets_references(const struct provider_secrets *s, struct arena *a,
                                 struct str *ret_members, struct str **ret_names, size_t *ret_n);
/* As it is sealed; NULL ptr when there are none or out of room. */
struct str provider_secrets_text(const struct provider_secrets *s, struct arena *a);

/* The flat members of a row, into an open object. With `rest`, what is no known setting stands
 * under "settings". */
void provider_settings_show(struct json_writer *w, const struct object *row, bool rest);

#endif
