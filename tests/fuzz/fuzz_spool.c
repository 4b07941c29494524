/* Recovery of a spool whose files hold anything: a spool is written, its files are damaged as the
 * input says, and it is opened again. It must open or say why not, give back only whole records
 * that were written, each once, and go on working; undamaged, it gives all of them.
 *
 * Input: number of records, their sizes and kinds; then the damage: file, place (16 bits), length,
 * bytes. */
#include "common/base/mem.h"
#include "dataplane/report/spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT (16u << 10)
#define RECORDS_MAX 64u
#define FILES 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void must(bool ok)
{
    if (!ok)
        abort();
}

struct input {
    const uint8_t *p, *end;
};

static unsigned take(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static void empty_folder(void)
{
    char path[128];
    if (!folder[0]) {
        (void)snprintf(folder, sizeof(folder), "/dev/shm/weir-fuzz-%u", (unsigned)getpid());
        (void)mkdir(folder, 0700);
    }
    for (unsigned i = 0; i < FILES; i++) {
        (void)snprintf(path, sizeof(path), "%s/spool-0-%u.seg", folder, i);
        (void)unlink(path);
    }
}

static bool recover(void *arg, struct str open, struct buffer *out)
{
    (void)arg;
    return buffer_append(out, "U", 1) && buffer_append_str(out, open);
}

static struct spool *open_again(void)
{
    struct spool_config c = {.folder = folder,
                             .segment_bytes = SEGMENT,
                             .max_bytes = FILES / 2 * SEGMENT,
                             .sync = SPOOL_SYNC_NONE};
    struct error err = ERROR_INIT;
    struct spool *s = spool_open(&c, recover, NULL, &err);
    must(s || err.code != ERR_NONE);
    return s;
}

struct written {
    unsigned number;
    bool opened, event;
};

/* "<number> xxxx": tells by itself whether it is whole. */
static struct str text_of(char *buf, unsigned number, size_t len)
{
    size_t n = (size_t)snprintf(buf, 16, "%03u", number);
    memset(buf + n, 'a' + (int)(number % 26), len);
    return (struct str){buf, n + len};
}

static unsigned write_some(struct input *in, struct written *list)
{
    char buf[1100];
    unsigned n = take(in) % RECORDS_MAX;
    struct spool *s = open_again();
    must(s != NULL);
    for (unsigned i = 0; i < n; i++) {
        struct error err = ERROR_INIT;
        struct uuid id = {{(uint8_t)i, 1}};
        unsigned kind = take(in);
        struct str text = text_of(buf, i, (size_t)take(in) * 4);
        list[i].number = i;
        list[i].opened = (kind & 1) && spool_append_open(s, &id, text, text.len + 64, &err);
        if (kind & 2) {
            list[i].event = spool_append_event(s, &id, text, &err);
            must(list[i].event || !list[i].opened);
        }
    }
    spool_close(s);
    return n;
}

/* True when something was changed. */
static bool damage(struct input *in)
{
    char path[128];
    bool done = false;
    while (in->p < in->end) {
        unsigned file = take(in) % FILES;
        long at = (long)take(in);
        at |= (long)take(in) << 8;
        size_t n = take(in) % 32 + 1u;
        n = n < (size_t)(in->end - in->p) ? n : (size_t)(in->end - in->p);
        (void)snprintf(path, sizeof(path), "%s/spool-0-%u.seg", folder, file);
        int fd = open(path, at == 0xffff ? O_RDWR | O_CREAT : O_RDWR, 0600);
        if (fd >= 0) {
            if (at == 0xffff) { /* cut, or made out of nothing */
                must(ftruncate(fd, (off_t)(n * 977)) == 0);
            } else if (n > 0) {
                must(pwrite(fd, in->p, n, at % SEGMENT) == (ssize_t)n);
            }
            (void)close(fd);
            done = true;
        }
        in->p += n;
    }
    return done;
}

/* Reads all; returns how many came. Each must be one that was written, at most once. */
static unsigned read_back(struct spool *s, const struct written *list, unsigned n, bool damaged)
{
    bool seen[RECORDS_MAX] = {false};
    unsigned count = 0;
    struct str r;
    uint64_t position = 0;
    while (spool_read(s, &r, &position)) {
        bool unknown = r.len > 0 && r.ptr[0] == 'U';
        struct str text = str_slice(r, unknown ? 1 : 0, r.len);
        uint64_t number; /* the text ends where its record does, without a NUL */
        must(str_to_u64(str_slice(text, 0, 3), &number) && number < n);
        for (size_t i = 3; i < text.len; i++)
            must(text.ptr[i] == (char)('a' + (int)(number % 26)));
        must(!seen[number] || damaged);
        must(unknown ? list[number].opened : list[number].event);
        seen[number] = true;
        count++;
    }
    if (count > 0)
        spool_ack(s, position);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct written list[RECORDS_MAX] = {{0}};
    struct input in = {data, data + size};
    unsigned wanted = 0;
    empty_folder();
    unsigned n = write_some(&in, list);
    for (unsigned i = 0; i < n; i++)
        wanted += list[i].event || list[i].opened;
    bool damaged = damage(&in);
    struct spool *s = open_again();
    if (!s) {
        must(damaged);
        return 0;
    }
    unsigned got = read_back(s, list, n, damaged);
    must(damaged ? got <= 2 * n : got == wanted);
    /* and it goes on */
    struct error err = ERROR_INIT;
    struct uuid id = {{0xff, 0xff}};
    char buf[64];
    if (n > 0 && spool_append_event(s, &id, text_of(buf, 0, 8), &err)) {
        struct str r;
        uint64_t position;
        must(spool_read(s, &r, &position));
        must(str_eqz(r, "000aaaaaaaa"));
        spool_ack(s, position);
        must(!spool_read(s, &r, &position));
    }
    spool_close(s);
    return 0;
}
