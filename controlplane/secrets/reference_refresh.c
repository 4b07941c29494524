/* Where the values of references come from, and the thread that keeps them fresh. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/log.h"
#include "controlplane/rules/validate.h"
#include "controlplane/secrets/reference_inside.h"

#define RETRY_MS 5000u /* while something could not be read, or not be told */

char *reference_read_file(const char *path, size_t *ret_len, struct error *err)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        (void)error_set(err, ERR_NOT_FOUND, "the file cannot be read: %s", strerror(errno));
        return NULL;
    }
    setvbuf(f, NULL, _IONBF, 0); /* no copy of the secret in a buffer that nobody wipes */
    char *text = mem_alloc(REFERENCE_VALUE_MAX + 1);
    size_t n = fread(text, 1, REFERENCE_VALUE_MAX + 1, f);
    bool ok = !ferror(f) && n <= REFERENCE_VALUE_MAX;
    fclose(f);
    if (!ok) {
        mem_free_secret(text, REFERENCE_VALUE_MAX + 1);
        (void)error_set(err, ERR_NOT_FOUND, "the file is too large, or cannot be read");
        return NULL;
    }
    n -= n > 0 && text[n - 1] == '\n';
    n -= n > 0 && text[n - 1] == '\r';
    char *out = mem_alloc(n + 1);
    memcpy(out, text, n);
    mem_free_secret(text, REFERENCE_VALUE_MAX + 1);
    *ret_len = n;
    return out;
}

/* A key file is JSON of several lines; anything else must fit in a header field. */
static bool usable(const char *value, size_t len)
{
    struct str s = {value, len};
    return len > 0 && !memchr(value, '\0', len) && validate_utf8(s) &&
           (value[0] == '{' || !validate_secret(s));
}

/* *ret_gone: there is nothing there, which is not the same as not knowing. */
static char *read_value(const struct references *r, const struct reference *x, size_t *ret_len,
                        bool *ret_gone, struct error *err)
{
    char *value = NULL;
    const char *text;
    *ret_gone = false;
    switch (x->source) {
    case REFERENCE_ENV:
        text = getenv(x->place);
        value = text ? mem_strdup(text) : NULL;
        *ret_len = text ? strlen(text) : 0;
        *ret_gone = !text;
        if (!text) {
            (void)error_set(err, ERR_NOT_FOUND, "the variable is not set");
        }
        break;
    case REFERENCE_FILE:
        value = reference_read_file(x->place, ret_len, err);
        break;
    case REFERENCE_VAULT:
        *ret_gone = vault_read(r, x->place, x->field, &value, ret_len, err) == VAULT_GONE;
        break;
    }
    if (value && !usable(value, *ret_len)) {
        mem_free_secret(value, *ret_len);
        value = NULL;
        (void)error_set(err, ERR_INVALID_FIELD,
                        "the value is empty, or no text that could be a secret");
    }
    return value;
}

/* Under the lock. Takes the value. */
static void keep(struct reference *x, char *value, size_t len, bool gone)
{
    x->failed = value == NULL;
    if (value ? (x->value && x->len == len && crypto_equal(x->value, value, len)) : !gone) {
        x->read_at_ms = value ? clock_wall_ms() : x->read_at_ms;
        if (value) {
            mem_free_secret(value, len);
        }
        return; /* the same, or what was there last */
    }
    x->changed = x->changed || value || x->value;
    if (x->value) {
        mem_free_secret(x->value, x->len);
    }
    x->value = value;
    x->len = value ? len : 0;
    x->read_at_ms = value ? clock_wall_ms() : 0;
}

static void report(struct reference *x, const struct error *err)
{
    if (x->failed && !x->told_failed) {
        log_write(LOG_WARN, "reference_failed", "a secret reference cannot be read",
                  LOG_Z("name", x->name), LOG_Z("error", error_text(err)),
                  LOG_Z("serves", x->value ? "the value read before" : "nothing"));
    } else if (!x->failed && x->told_failed) {
        log_write(LOG_INFO, "reference_resolved", "a secret reference can be read again",
                  LOG_Z("name", x->name));
    }
    x->told_failed = x->failed;
}

void references_refresh(struct references *r)
{
    bool vault_away = false;
    for (size_t i = 0; i < r->n; i++) {
        struct reference *x = &r->list[i];
        struct error err = ERROR_INIT;
        size_t len = 0;
        bool gone = false;
        char *value = NULL;
        if (x->source == REFERENCE_VAULT && vault_away) {
            (void)error_set(&err, ERR_UPSTREAM_REFUSED, "Vault cannot be asked");
        } else {
            value = read_value(r, x, &len, &gone, &err);
            /* one wait for a Vault that does not answer is enough */
            vault_away = vault_away || (x->source == REFERENCE_VAULT && !value &&
                                        err.code == ERR_UPSTREAM_TIMEOUT);
        }
        pthread_mutex_lock(&r->lock);
        keep(x, value, len, gone);
        report(x, &err);
        pthread_mutex_unlock(&r->lock);
    }
}

/* Tells who asked of what changed. False: it has to be told again. */
static bool tell(struct references *r)
{
    struct str *names = mem_alloc((r->n + 1) * sizeof *names);
    size_t n = 0;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n; i++) {
        if (r->list[i].changed) {
            names[n++] = str_of(r->list[i].name);
            r->list[i].changed = false;
        }
    }
    pthread_mutex_unlock(&r->lock);
    bool ok = n == 0 || r->tell(r->tell_arg, names, n);
    if (n > 0 && ok) {
        log_write(LOG_INFO, "references_changed", "values of secret references changed",
                  LOG_U("count", n));
    }
    for (size_t i = 0, k = 0; !ok && i < r->n && k < n; i++) {
        if (names[k].ptr == r->list[i].name) {
            pthread_mutex_lock(&r->lock);
            r->list[i].changed = true;
            pthread_mutex_unlock(&r->lock);
            k++;
        }
    }
    mem_free(names);
    return ok;
}

static bool any_failed(struct references *r)
{
    bool failed = false;
    for (size_t i = 0; i < r->n; i++) {
        failed = failed || r->list[i].failed;
    }
    return failed;
}

static void *run(void *arg)
{
    struct references *r = arg;
    bool told = true;
    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        uint64_t wait = r->refresh_ms;
        if ((!told || any_failed(r)) && wait > RETRY_MS) {
            wait = RETRY_MS;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)(wait / 1000);
        until.tv_nsec += (long)(wait % 1000) * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&r->wake, &r->lock, &until) == 0 || r->stopping) {
            continue;
        }
        pthread_mutex_unlock(&r->lock);
        references_refresh(r);
        told = tell(r);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

bool references_start(struct references *r, references_changed_fn changed, void *arg,
                      struct error *err)
{
    r->tell = changed;
    r->tell_arg = arg;
    references_refresh(r);
    if (r->n == 0) {
        return true;
    }
    /* Other instances may have served other values: what is read at start is told once too. */
    if (pthread_create(&r->thread, NULL, run, r) != 0) {
        return error_set(err, ERR_INTERNAL, "no thread for secret references");
    }
    r->started = true;
    return true;
}
