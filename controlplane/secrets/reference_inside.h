/* What the files of references share. */
#ifndef CONTROLPLANE_SECRETS_REFERENCE_INSIDE_H
#define CONTROLPLANE_SECRETS_REFERENCE_INSIDE_H

#include <pthread.h>

#include "controlplane/secrets/reference.h"

#define REFERENCE_VALUE_MAX ((size_t)64 << 10)

enum reference_source { REFERENCE_ENV, REFERENCE_FILE, REFERENCE_VAULT };

struct reference {
    char *name, *place, *field; /* field: vault's */
    enum reference_source source;
    struct uuid *organizations; /* none: all may use it */
    size_t n_organizations;
    /* under the lock */
    char *value; /* NULL: none */
    size_t len;
    uint64_t read_at_ms;
    bool failed, told_failed; /* the last try; whether the log knows */
    bool changed;             /* and not told yet */
};

struct references {
    struct reference *list; /* by name */
    size_t n;
    char *vault_address, *vault_token, *vault_token_file, *vault_ca_file, *vault_namespace;
    uint64_t refresh_ms;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool started, stopping;
    references_changed_fn tell;
    void *tell_arg;
};

/* VAULT_GONE: Vault says that there is nothing there; VAULT_AWAY: it cannot be asked just now. */
enum vault_verdict { VAULT_OK, VAULT_GONE, VAULT_AWAY };
/* Reads one field of a KV secret. *ret is heap of *ret_len bytes (mem_free_secret). *err names no
 * secret. Blocks. */
enum vault_verdict vault_read(const struct references *r, const char *path, const char *field,
                              char **ret, size_t *ret_len, struct error *err);
/* The first line's worth of a file: without the line feed at its end. NULL with *err. */
char *reference_read_file(const char *path, size_t *ret_len, struct error *err);

#endif
