/* Envelope encryption: a data key for each value, wrapped by the key-encryption key. */
#include "controlplane/secrets/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/crypto.h"

#define SEAL_VERSION 1
#define SEAL_KEYS_MAX 16
#define KEY_FILE_MAX_BYTES 4096
#define WRAPPED_LEN CRYPTO_SEALED_LEN(CRYPTO_KEY_LEN)

struct seal_key {
    uint8_t key[CRYPTO_KEY_LEN];
    char id[17];
};

struct seal_keys {
    size_t n;
    struct seal_key keys[SEAL_KEYS_MAX]; /* the first seals */
};

static bool parse_key(struct str line, struct seal_key *k)
{
    size_t len = 0;
    if (!crypto_unhex(line, k->key, sizeof k->key) &&
        !(crypto_unbase64(line, k->key, sizeof k->key, &len) && len == sizeof k->key)) {
        return false;
    }
    uint8_t sum[CRYPTO_SHA256_LEN];
    crypto_sha256(k->key, sizeof k->key, sum);
    crypto_hex(sum, 8, k->id);
    return true;
}

bool seal_keys_add(struct seal_keys *k, struct str text, struct error *err)
{
    for (int line_number = 1; text.len > 0; line_number++) {
        size_t end = 0;
        while (end < text.len && text.ptr[end] != '\n' && text.ptr[end] != ',') {
            end++;
        }
        struct str line = str_trim(str_slice(text, 0, end));
        text = str_slice(text, end + 1, text.len);
        if (line.len == 0) {
            continue;
        }
        if (k->n == SEAL_KEYS_MAX) {
            return error_set(err, ERR_INVALID_FIELD, "more than %d key-encryption keys",
                             SEAL_KEYS_MAX);
        }
        if (!parse_key(line, &k->keys[k->n])) {
            /* Never the value: it may be a real key with one slip. */
            return error_set(err, ERR_INVALID_FIELD,
                             "key-encryption key on line %d is not 32 bytes as 64 hex digits or "
                             "base64",
                             line_number);
        }
        k->n++;
    }
    return true;
}

struct seal_keys *seal_keys_parse(struct str text, struct error *err)
{
    struct seal_keys *keys = mem_alloc(sizeof *keys);
    if (!seal_keys_add(keys, text, err) ||
        (keys->n == 0 && !error_set(err, ERR_INVALID_FIELD, "no key-encryption key given"))) {
        seal_keys_free(keys);
        return NULL;
    }
    return keys;
}

bool seal_keys_add_file(struct seal_keys *k, const char *path, struct error *err)
{
    bool ok = false;
    struct stat st;
    char *text = mem_alloc(KEY_FILE_MAX_BYTES);
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        error_set(err, ERR_INVALID_FIELD, "cannot read key file \"%s\": %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        error_set(err, ERR_INVALID_FIELD,
                  "key file \"%s\" may be read by others: it must be a regular file of mode 0600",
                  path);
    } else if (st.st_size >= KEY_FILE_MAX_BYTES ||
               (n = read(fd, text, KEY_FILE_MAX_BYTES)) != st.st_size) {
        error_set(err, ERR_INVALID_FIELD, "cannot read key file \"%s\", or it is too large", path);
    } else {
        ok = seal_keys_add(k, (struct str){text, (size_t)n}, err);
    }
    if (fd >= 0) {
        close(fd);
    }
    mem_free_secret(text, KEY_FILE_MAX_BYTES);
    return ok;
}

struct seal_keys *seal_keys_load(const char *path, struct error *err)
{
    struct seal_keys *keys = mem_alloc(sizeof *keys);
    if (!seal_keys_add_file(keys, path, err) ||
        (keys->n == 0 && !error_set(err, ERR_INVALID_FIELD, "no key-encryption key given"))) {
        seal_keys_free(keys);
        return NULL;
    }
    return keys;
}

void seal_keys_free(struct seal_keys *k)
{
    if (k) {
        mem_free_secret(k, sizeof *k);
    }
}

const char *seal_current_id(const struct seal_keys *k)
{
    return k->keys[0].id;
}

/* Binds a sealed value to its place and its key. */
static struct str place(struct arena *a, const char *table, const struct uuid *row,
                        const char *column, const char *kek_id)
{
    char id[37];
    uuid_format(row, id);
    return arena_printf(a, "%s|%s|%s|%s", table, id, column, kek_id);
}

struct str seal_close(const struct seal_keys *k, const char *table, const struct uuid *row,
                      const char *column, struct str secret, struct arena *a)
{
    const struct seal_key *kek = &k->keys[0];
    uint8_t data_key[CRYPTO_KEY_LEN];
    size_t len = 1 + WRAPPED_LEN + CRYPTO_SEALED_LEN(secret.len);
    struct str aad = place(a, table, row, column, kek->id);
    uint8_t *out = arena_alloc(a, len);
    if (!out || !aad.ptr) {
        return STR_NONE;
    }
    crypto_random(data_key, sizeof data_key);
    out[0] = SEAL_VERSION;
    crypto_seal(kek->key, NULL, aad, data_key, sizeof data_key, out + 1);
    crypto_seal(data_key, NULL, aad, secret.ptr, secret.len, out + 1 + WRAPPED_LEN);
    explicit_bzero(data_key, sizeof data_key);
    return (struct str){(const char *)out, len};
}

static const struct seal_key *find_key(const struct seal_keys *k, const char *kek_id)
{
    for (size_t i = 0; i < k->n; i++) {
        if (strcmp(k->keys[i].id, kek_id) == 0) {
            return &k->keys[i];
        }
    }
    return NULL;
}

bool seal_open(const struct seal_keys *k, const char *kek_id, const char *table,
               const struct uuid *row, const char *column, struct str sealed, struct arena *a,
               struct str *ret, struct error *err)
{
    const struct seal_key *kek = find_key(k, kek_id);
    const size_t fixed = 1 + WRAPPED_LEN + CRYPTO_SEALED_LEN(0);
    uint8_t data_key[CRYPTO_KEY_LEN];
    if (!kek) {
        return error_set(err, ERR_INTERNAL, "key-encryption key \"%s\" is not loaded", kek_id);
    }
    if (sealed.len < fixed || sealed.ptr[0] != SEAL_VERSION) {
        return error_set(err, ERR_INTERNAL, "sealed %s.%s is not in a known form", table, column);
    }
    struct str aad = place(a, table, row, column, kek->id);
    uint8_t *out = arena_alloc(a, sealed.len - fixed + 1);
    if (!out || !aad.ptr) {
        return error_set(err, ERR_INTERNAL, "out of memory");
    }
    bool ok =
        crypto_open(kek->key, aad, sealed.ptr + 1, WRAPPED_LEN, data_key) &&
        crypto_open(data_key, aad, sealed.ptr + 1 + WRAPPED_LEN, sealed.len - 1 - WRAPPED_LEN, out);
    explicit_bzero(data_key, sizeof data_key);
    if (!ok) {
        return error_set(err, ERR_INTERNAL, "sealed %s.%s was changed, or belongs to another row",
                         table, column);
    }
    out[sealed.len - fixed] = '\0';
    *ret = (struct str){(const char *)out, sealed.len - fixed};
    return true;
}
