/* See own_journal.h. Writes go to known places (pwrite), so that what a full disk cut short is
 * written over by the next try. */
#include "dataplane/limits/own_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/crypto.h"

#define FILE_NAME "ledger"
#define HEAD "weir own ledger\n"
#define HEAD_LEN (sizeof(HEAD) - 1) /* 16 */
#define RECORD_HEAD 8u

static bool failed(struct error *err, const char *what, const char *path)
{
    return error_set(err, ERR_INTERNAL, "cannot %s \"%s\": %s", what, path, strerror(errno));
}

/* ---- records ---- */

size_t own_record_begin(struct buffer *b)
{
    static const char head[RECORD_HEAD];
    size_t at = b->len;
    (void)buffer_append(b, head, sizeof(head));
    return at;
}

void own_record_end(struct buffer *b, size_t begin)
{
    if (b->failed) {
        return;
    }
    uint32_t len = (uint32_t)(b->len - begin - RECORD_HEAD);
    uint32_t crc = crypto_crc32(len, b->ptr + begin + RECORD_HEAD, len);
    memcpy(b->ptr + begin, &len, sizeof(len));
    memcpy(b->ptr + begin + sizeof(len), &crc, sizeof(crc));
}

/* The record at the beginning of `rest`; false: there is no whole one. */
static bool record_cut(struct str rest, struct str *ret)
{
    uint32_t len, crc;
    if (rest.len < RECORD_HEAD) {
        return false;
    }
    memcpy(&len, rest.ptr, sizeof(len));
    memcpy(&crc, rest.ptr + sizeof(len), sizeof(crc));
    if (len == 0 || len > OWN_RECORD_MAX || len > rest.len - RECORD_HEAD ||
        crypto_crc32(len, rest.ptr + RECORD_HEAD, len) != crc) {
        return false;
    }
    *ret = (struct str){rest.ptr + RECORD_HEAD, len};
    return true;
}

/* ---- files ---- */

static bool write_at(int fd, uint64_t at, struct str s)
{
    while (s.len) {
        ssize_t n = pwrite(fd, s.ptr, s.len, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        at += (uint64_t)n;
        s = str_slice(s, (size_t)n, s.len);
    }
    return true;
}

static bool folder_sync(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static bool read_all(struct own_journal *j, char **ret, size_t *ret_n, struct error *err)
{
    struct stat st;
    size_t n = 0;
    if (fstat(j->fd, &st) != 0) {
        return failed(err, "read", j->path);
    }
    char *text = mem_try_alloc((size_t)st.st_size + 1);
    if (!text) {
        return error_set(err, ERR_INTERNAL, "\"%s\" does not fit into memory", j->path);
    }
    while (n < (size_t)st.st_size) {
        ssize_t got = pread(j->fd, text + n, (size_t)st.st_size - n, (off_t)n);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            mem_free(text);
            return failed(err, "read", j->path);
        }
        if (got == 0) {
            break;
        }
        n += (size_t)got;
    }
    *ret = text;
    *ret_n = n;
    return true;
}

static bool replay(struct own_journal *j, void (*fn)(void *arg, struct str record), void *arg,
                   uint64_t *ret_cut, struct error *err)
{
    char *text = NULL;
    size_t n = 0;
    if (!read_all(j, &text, &n, err)) {
        return false;
    }
    /* a crash while it was made left less than the header */
    bool begun = n < HEAD_LEN && memcmp(text, HEAD, n) == 0;
    if (!begun && (n < HEAD_LEN || memcmp(text, HEAD, HEAD_LEN) != 0)) {
        mem_free(text);
        return error_set(err, ERR_INTERNAL, "\"%s\" is no ledger of this version", j->path);
    }
    struct str rest = {text + HEAD_LEN, begun ? 0 : n - HEAD_LEN}, record;
    while (record_cut(rest, &record)) {
        fn(arg, record);
        rest = str_slice(rest, RECORD_HEAD + record.len, rest.len);
    }
    j->size = begun ? HEAD_LEN : n - rest.len;
    j->base = HEAD_LEN; /* how much of it is old is not known: soon made anew, and then it is */
    *ret_cut = begun ? 0 : rest.len;
    bool ok = begun ? write_at(j->fd, 0, STR_LIT(HEAD))
                    : rest.len == 0 || ftruncate(j->fd, (off_t)j->size) == 0;
    mem_free(text);
    return ok || failed(err, "write", j->path);
}

bool own_journal_open(struct own_journal *j, const char *folder, bool sync,
                      void (*fn)(void *arg, struct str record), void *arg, uint64_t *ret_cut,
                      struct error *err)
{
    char path[4096], next[4096];
    memset(j, 0, sizeof(*j));
    j->fd = j->next_fd = -1;
    j->sync = sync;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return failed(err, "make", folder);
    }
    (void)snprintf(path, sizeof(path), "%s/%s", folder, FILE_NAME);
    (void)snprintf(next, sizeof(next), "%s/%s.new", folder, FILE_NAME);
    j->path = mem_strdup(path);
    j->next_path = mem_strdup(next);
    (void)unlink(next); /* a crash's */
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->fd < 0) {
        return failed(err, "open", path);
    }
    return replay(j, fn, arg, ret_cut, err) &&
           (!sync || (fdatasync(j->fd) == 0 && folder_sync(path)) || failed(err, "sync", path));
}

void own_journal_close(struct own_journal *j)
{
    own_journal_abandon(j);
    if (j->path && j->fd >= 0) {
        (void)close(j->fd);
    }
    mem_free(j->path);
    mem_free(j->next_path);
    *j = (struct own_journal){.fd = -1, .next_fd = -1};
}

bool own_journal_append(struct own_journal *j, struct str records, bool lasting, struct error *err)
{
    if (!write_at(j->fd, j->size, records) || (lasting && j->sync && fdatasync(j->fd) != 0)) {
        (void)failed(err, "write", j->path);
        /* where even this fails, the next batch is written over it, or a start finds it in part */
        int cut = ftruncate(j->fd, (off_t)j->size);
        (void)cut;
        return false;
    }
    j->size += records.len;
    return true;
}

bool own_journal_begin(struct own_journal *j, struct error *err)
{
    own_journal_abandon(j);
    j->next_fd = open(j->next_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (j->next_fd < 0) {
        return failed(err, "open", j->next_path);
    }
    j->next_size = 0;
    return own_journal_write(j, STR_LIT(HEAD), err);
}

bool own_journal_write(struct own_journal *j, struct str records, struct error *err)
{
    if (!write_at(j->next_fd, j->next_size, records)) {
        return failed(err, "write", j->next_path);
    }
    j->next_size += records.len;
    return true;
}

/* What is renamed is on disk before, whatever the policy: an empty file in its place would be a
 * ledger that knows nothing. */
bool own_journal_commit(struct own_journal *j, struct error *err)
{
    if (fsync(j->next_fd) != 0) {
        return failed(err, "sync", j->next_path);
    }
    if (rename(j->next_path, j->path) != 0) {
        return failed(err, "rename", j->next_path);
    }
    (void)close(j->fd);
    j->fd = j->next_fd;
    j->next_fd = -1;
    j->size = j->base = j->next_size;
    return folder_sync(j->path) || failed(err, "sync the folder of", j->path);
}

void own_journal_abandon(struct own_journal *j)
{
    if (j->path && j->next_fd >= 0) {
        (void)close(j->next_fd);
        (void)unlink(j->next_path);
        j->next_fd = -1;
    }
}
