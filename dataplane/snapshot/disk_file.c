/* Record files. Header: "WEIRSNP1", flags (bit 0: sealed), reserved, 32 bytes that the file's own
 * key is derived with. Record: length u32, CRC-32 u32 over the length and what follows, then the
 * bytes. */
#include "dataplane/snapshot/disk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/crypto.h"

#define MAGIC "WEIRSNP1"
#define SALT_AT 16
#define RECORD_HEAD 8

static void put_u32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(v >> (8 * i));
    }
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void derive_key(struct disk_file *f, const uint8_t *state_key)
{
    f->sealed = f->header[8] & 1;
    if (f->sealed && state_key) {
        crypto_hkdf(state_key, 32, f->header + SALT_AT, sizeof(f->header) - SALT_AT,
                    "weir snapshot file", f->key, sizeof(f->key));
    }
}

bool disk_file_create(struct disk_file *f, const char *path, const uint8_t *state_key,
                      struct error *err)
{
    *f = (struct disk_file){.fd = -1};
    (void)snprintf(f->path, sizeof(f->path), "%s", path);
    memcpy(f->header, MAGIC, 8);
    f->header[8] = state_key != NULL;
    crypto_random(f->header + SALT_AT, sizeof(f->header) - SALT_AT);
    derive_key(f, state_key);
    f->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f->fd < 0 || pwrite(f->fd, f->header, sizeof(f->header), 0) != (ssize_t)sizeof(f->header)) {
        (void)error_set(err, ERR_INTERNAL, "cannot write \"%s\": %s", path, strerror(errno));
        disk_file_close(f);
        return false;
    }
    f->size = sizeof(f->header);
    return true;
}

bool disk_file_open(struct disk_file *f, const char *path, const uint8_t *state_key,
                    struct error *err)
{
    *f = (struct disk_file){.fd = -1};
    (void)snprintf(f->path, sizeof(f->path), "%s", path);
    f->fd = open(path, O_RDWR | O_CLOEXEC);
    if (f->fd < 0) {
        return error_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL,
                         "cannot open \"%s\": %s", path, strerror(errno));
    }
    if (pread(f->fd, f->header, sizeof(f->header), 0) != (ssize_t)sizeof(f->header) ||
        memcmp(f->header, MAGIC, 8) != 0) {
        disk_file_close(f);
        return error_set(err, ERR_INVALID_FIELD, "\"%s\" is not a snapshot file", path);
    }
    derive_key(f, state_key);
    if (f->sealed && !state_key) {
        disk_file_close(f);
        return error_set(err, ERR_INVALID_FIELD, "\"%s\" is sealed and no state key was given",
                         path);
    }
    f->size = sizeof(f->header);
    return true;
}

/* What a sealed record is bound to: its file and its place. */
static struct str aad_of(const struct disk_file *f, uint64_t record, uint8_t buf[static 56])
{
    memcpy(buf, f->header, sizeof(f->header));
    for (int i = 0; i < 8; i++) {
        buf[48 + i] = (uint8_t)(record >> (8 * i));
    }
    return (struct str){(const char *)buf, 56};
}

static bool read_full(int fd, void *buf, size_t n, uint64_t at)
{
    for (uint8_t *to = buf; n;) {
        ssize_t got = pread(fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

bool disk_file_read(struct disk_file *f, struct buffer *ret)
{
    uint8_t head[RECORD_HEAD], aad[56];
    buffer_clear(ret);
    if (!read_full(f->fd, head, sizeof(head), f->size)) {
        return false;
    }
    size_t n = get_u32(head);
    if (n > DISK_RECORD_MAX || !buffer_reserve(ret, n + 1) ||
        !read_full(f->fd, ret->ptr, n, f->size + RECORD_HEAD) ||
        crypto_crc32(crypto_crc32(0, head, 4), ret->ptr, n) != get_u32(head + 4)) {
        return false;
    }
    if (f->sealed) {
        if (n < CRYPTO_SEALED_LEN(0)) {
            return false;
        }
        uint8_t *plain = mem_try_alloc(n);
        bool ok = plain && crypto_open(f->key, aad_of(f, f->records, aad), ret->ptr, n, plain);
        if (ok) {
            ret->len = n - CRYPTO_SEALED_LEN(0);
            memcpy(ret->ptr, plain, ret->len);
        }
        mem_free(plain);
        if (!ok) {
            return false;
        }
    } else {
        ret->len = n;
    }
    f->size += RECORD_HEAD + n;
    f->records++;
    return true;
}

static bool write_full(int fd, const void *buf, size_t n, uint64_t at)
{
    for (const uint8_t *from = buf; n;) {
        ssize_t put = pwrite(fd, from, n, (off_t)at);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return false;
        }
        from += put;
        at += (uint64_t)put;
        n -= (size_t)put;
    }
    return true;
}

/* One record's bytes as they stand in the file, appended to out. */
static bool record_encode(const struct disk_file *f, uint64_t number, struct str record,
                          struct buffer *out)
{
    uint8_t aad[56];
    size_t n = f->sealed ? CRYPTO_SEALED_LEN(record.len) : record.len;
    if (n > DISK_RECORD_MAX || !buffer_reserve(out, RECORD_HEAD + n)) {
        return false;
    }
    uint8_t *head = (uint8_t *)out->ptr + out->len, *body = head + RECORD_HEAD;
    put_u32(head, (uint32_t)n);
    if (f->sealed) {
        crypto_seal(f->key, NULL, aad_of(f, number, aad), record.ptr, record.len, body);
    } else if (n) {
        memcpy(body, record.ptr, n);
    }
    put_u32(head + 4, crypto_crc32(crypto_crc32(0, head, 4), body, n));
    out->len += RECORD_HEAD + n;
    return true;
}

bool disk_file_append(struct disk_file *f, const struct str *records, size_t n, bool sync,
                      struct error *err)
{
    struct buffer out;
    bool ok = true;
    buffer_init(&out, SIZE_MAX);
    for (size_t i = 0; ok && i < n; i++) {
        ok = record_encode(f, f->records + i, records[i], &out);
    }
    errno = ok ? 0 : EFBIG;
    ok = ok && write_full(f->fd, out.ptr, out.len, f->size) && (!sync || fdatasync(f->fd) == 0);
    if (ok) {
        f->size += out.len;
        f->records += n;
    } else {
        (void)error_set(err, ERR_INTERNAL, "cannot write \"%s\": %s", f->path, strerror(errno));
        (void)disk_file_cut(f, f->size, f->records);
    }
    buffer_release(&out);
    return ok;
}

bool disk_file_cut(struct disk_file *f, uint64_t size, uint64_t records)
{
    f->size = size;
    f->records = records;
    return ftruncate(f->fd, (off_t)size) == 0;
}

void disk_file_close(struct disk_file *f)
{
    if (f->fd >= 0) {
        (void)close(f->fd);
    }
    f->fd = -1;
    explicit_bzero(f->key, sizeof(f->key));
}
