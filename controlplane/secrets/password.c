/* The one wrapper over libargon2. */
#include "controlplane/secrets/password.h"

#include <pthread.h>

#include <argon2.h>

#include "common/crypto.h"

#define COST_MEMORY_KIB 65536u
#define COST_PASSES 3u
#define COST_LANES 1u
#define SALT_LEN 16u
#define HASH_LEN 32u
#define AT_ONCE 2u

/* A crowd at the sign-in door must not take gigabytes. */
static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_free = PTHREAD_COND_INITIALIZER;
static unsigned turns_taken;

static void turn_take(void)
{
    pthread_mutex_lock(&turn_lock);
    while (turns_taken == AT_ONCE) {
        pthread_cond_wait(&turn_free, &turn_lock);
    }
    turns_taken++;
    pthread_mutex_unlock(&turn_lock);
}

static void turn_give(void)
{
    pthread_mutex_lock(&turn_lock);
    turns_taken--;
    pthread_cond_signal(&turn_free);
    pthread_mutex_unlock(&turn_lock);
}

bool password_hash(struct str password, char out[static PASSWORD_HASH_MAX], struct error *err)
{
    uint8_t salt[SALT_LEN];
    if (password.len > PASSWORD_MAX) {
        return error_set_param(err, ERR_INVALID_FIELD, "password",
                               "password is longer than %d bytes", PASSWORD_MAX);
    }
    crypto_random(salt, sizeof salt);
    turn_take();
    int rc =
        argon2id_hash_encoded(COST_PASSES, COST_MEMORY_KIB, COST_LANES, password.ptr, password.len,
                              salt, sizeof salt, HASH_LEN, out, PASSWORD_HASH_MAX);
    turn_give();
    if (rc != ARGON2_OK) {
        return error_set(err, ERR_INTERNAL, "cannot hash the password: %s",
                         argon2_error_message(rc));
    }
    return true;
}

/* The same work on a salt of its own; the result is thrown away. */
static void verify_nobody(struct str password)
{
    static const uint8_t salt[SALT_LEN] = "weir: no account";
    uint8_t hash[HASH_LEN];
    (void)argon2id_hash_raw(COST_PASSES, COST_MEMORY_KIB, COST_LANES, password.ptr, password.len,
                            salt, sizeof salt, hash, sizeof hash);
}

bool password_verify(struct str password, const char *encoded)
{
    bool ok = false;
    if (password.len > PASSWORD_MAX) {
        return false; /* no account has one, so this tells nothing */
    }
    turn_take();
    if (encoded && *encoded) {
        ok = argon2id_verify(encoded, password.ptr, password.len) == ARGON2_OK;
    } else {
        verify_nobody(password);
    }
    turn_give();
    return ok;
}

void password_generate(char out[static 24])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    const size_t n_letters = sizeof letters - 1; /* 56 */
    size_t n = 0;
    while (n < 20) {
        uint8_t b;
        crypto_random(&b, 1);
        if (b < 256 / n_letters * n_letters) {
            out[n++] = letters[b % n_letters];
        }
    }
    out[n] = '\0';
}
