/* Server-side references: `ref:NAME` in a stored secret stands for a value that only weir-control's
 * own configuration says where to find: in its environment, in a file, in HashiCorp Vault. Nothing
 * that the API takes can name a variable, a path or a URL.
 *
 * Values are read when the process starts and again every `refresh_ms`; a source that is away
 * leaves the value that it gave last. Any thread after references_new. */
#ifndef CONTROLPLANE_SECRETS_REFERENCE_H
#define CONTROLPLANE_SECRETS_REFERENCE_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/uuid.h"

struct references;

struct references_config {
    /* Declarations, each on a line of its own or ended by ';':
     *   NAME = env:VARIABLE | file:PATH | vault:PATH#FIELD [for ORGANIZATION, ...]
     * where ORGANIZATION is an id (org_...); without any, every organization may use it. '#' at the
     * beginning of a line makes it a comment. NULL or "": none. */
    const char *declared;
    const char *file; /* of more declarations; NULL: none */
    /* Where vault: is; token or token_file (read again each time). NULL: not set. */
    const char *vault_address, *vault_token, *vault_token_file, *vault_ca_file, *vault_namespace;
    uint64_t refresh_ms; /* 0: a minute */
};

/* Reads the declarations, not yet the values. NULL with *err set: it names the reference. */
struct references *references_new(const struct references_config *c, struct error *err);
void references_free(struct references *r); /* accepts NULL; stops the thread */

/* Called with the names whose value is another one than before (or is there for the first time, or
 * no more). False: to be told again at the next round. */
typedef bool (*references_changed_fn)(void *arg, const struct str *names, size_t n);
/* Reads all values once. Blocks, as long as sources take to answer. */
void references_refresh(struct references *r);
/* Reads all values now, without telling anybody; then a thread keeps them fresh and tells. */
bool references_start(struct references *r, references_changed_fn changed, void *arg,
                      struct error *err);

/* --- for stored secrets; references NULL: none are declared --- */

bool reference_is(struct str secret); /* begins with "ref:" */
/* NULL when a secret of this organization (nil: of the installation) may be `secret`, which
 * reference_is; else why not. Unknown names and those of others are not told apart. */
const char *references_refuse(const struct references *r, const struct uuid *organization,
                              struct str secret);
/* What it stands for, into the arena (the caller wipes it). False: not declared for this
 * organization, or it cannot be read now. */
bool references_value(struct references *r, const struct uuid *organization, struct str secret,
                      struct arena *a, struct str *ret);
/* A credential (a text, or a JSON object of texts and lists of texts) with every reference in it
 * replaced. Items of lists that cannot be read are left out; false: something else cannot be. */
bool references_expand(struct references *r, const struct uuid *organization, struct str credential,
                       struct arena *a, struct str *ret);

/* --- for people --- */

struct reference_state {
    struct str name;
    const char *source;   /* "env", "file", "vault" */
    bool resolves, stale; /* stale: the last try failed, the value is an older one */
    uint64_t read_at_ms;  /* the value; 0: never */
};
/* Those that this organization may use; NULL: all. By name, in the arena. */
bool references_list(struct references *r, const struct uuid *organization, struct arena *a,
                     struct reference_state **ret, size_t *ret_n);

#endif
