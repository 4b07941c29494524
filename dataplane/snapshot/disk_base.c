/* The base file is a full run: parts of about 256 KiB, the data keys wrapped as on the wire, the
 * root hash in the last. */
#include "dataplane/snapshot/disk_base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/snapshot/disk_file.h"
#include "dataplane/snapshot/root.h"
#include "proto/snapshot.pb-c.h"

#define PART_BYTES (256u << 10)
#define PART_CHANGES 4096

struct writer {
    struct disk_file file;
    struct buffer bytes;
    const struct disk_base_job *job;
    struct error *err;
    Weir__SnapshotPart part;
    Weir__Change changes[PART_CHANGES];
    Weir__Change *list[PART_CHANGES];
    size_t n, body_bytes;
};

static bool flush(struct writer *w, bool last)
{
    w->part.last = last;
    w->part.changes = w->list;
    w->part.n_changes = w->n;
    size_t n = weir__snapshot_part__get_packed_size(&w->part);
    buffer_clear(&w->bytes);
    if (!buffer_reserve(&w->bytes, n + 1)) {
        return error_set(w->err, ERR_INTERNAL, "snapshot part does not fit into memory");
    }
    w->bytes.len = weir__snapshot_part__pack(&w->part, (uint8_t *)w->bytes.ptr);
    struct str record = buffer_str(&w->bytes);
    w->part.part++;
    w->part.n_keys = 0;
    w->n = w->body_bytes = 0;
    return disk_file_append(&w->file, &record, 1, false, w->err);
}

static bool on_entity(void *arg, unsigned kind, const struct uuid *id, struct str body)
{
    struct writer *w = arg;
    if ((w->n == PART_CHANGES || w->body_bytes + body.len > PART_BYTES) && w->n &&
        !flush(w, false)) {
        return false;
    }
    Weir__Change *c = &w->changes[w->n];
    weir__change__init(c);
    c->kind = kind;
    c->id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)id->b};
    c->body = (ProtobufCBinaryData){body.len, (uint8_t *)(uintptr_t)body.ptr};
    w->list[w->n++] = c;
    w->body_bytes += body.len + 32;
    return true;
}

/* Data keys for part 0; the arrays are one allocation that the caller frees. */
static void *wrap_keys(const struct disk_base_job *job, Weir__SnapshotPart *part)
{
    struct wrapped {
        Weir__WrappedKey *pointer;
        Weir__WrappedKey message;
        uint8_t sealed[CRYPTO_SEALED_LEN(32)];
    };
    const struct snapshot *s = job->root;
    size_t n = job->wrap_key ? s->n_data_keys : 0;
    if (n == 0) {
        return NULL;
    }
    char *block = mem_alloc(n * (sizeof(Weir__WrappedKey *) + sizeof(struct wrapped)));
    Weir__WrappedKey **list = (Weir__WrappedKey **)(void *)block;
    struct wrapped *all = (struct wrapped *)(void *)(list + n);
    for (size_t i = 0; i < n; i++) {
        const struct data_key *k = &s->data_keys[i];
        crypto_seal(job->wrap_key, NULL, (struct str){(const char *)k->id.b, 16}, k->key, 32,
                    all[i].sealed);
        weir__wrapped_key__init(&all[i].message);
        all[i].message.id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)k->id.b};
        all[i].message.sealed = (ProtobufCBinaryData){sizeof(all[i].sealed), all[i].sealed};
        list[i] = &all[i].message;
    }
    part->keys = list;
    part->n_keys = n;
    return block;
}

static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

bool disk_base_write(struct disk_base_job *job, struct error *err)
{
    char temporary[4096];
    uint8_t hash[32];
    struct writer *w = mem_alloc(sizeof(*w));
    bool ok = false;
    w->job = job;
    w->err = err;
    buffer_init(&w->bytes, DISK_RECORD_MAX);
    weir__snapshot_part__init(&w->part);
    w->part.to_version = snapshot_version(job->root);
    snapshot_root_hash(job->root, hash);
    w->part.root_hash = (ProtobufCBinaryData){sizeof(hash), hash};
    void *keys = wrap_keys(job, &w->part);
    (void)snprintf(temporary, sizeof(temporary), "%s.new", job->path);
    if (disk_file_create(&w->file, temporary, job->state_key, err)) {
        ok = snapshot_each_entity(job->root, on_entity, w) && flush(w, true);
        if (ok && (fdatasync(w->file.fd) != 0 || rename(temporary, job->path) != 0 ||
                   !sync_folder(job->folder))) {
            ok =
                error_set(err, ERR_INTERNAL, "cannot write \"%s\": %s", job->path, strerror(errno));
        }
        job->bytes = w->file.size;
        disk_file_close(&w->file);
        if (!ok) {
            (void)unlink(temporary);
        }
    }
    mem_free(keys);
    buffer_release(&w->bytes);
    mem_free(w);
    return ok;
}
