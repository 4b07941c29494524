/* See document_entity.h. */
#include "dataplane/snapshot/document_entity.h"

#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/json.h"
#include "dataplane/snapshot/wire_take.h"

#define MARK STR_LIT("\"weir-secret:")

struct sealed {
    struct uuid key;
    struct str bytes;
};

static void read_sealed(struct wire *w, struct str bytes, struct sealed *ret)
{
    struct wire in = wire_of(bytes);
    struct wire_field f;
    while (!in.bad && wire_next(&in, &f)) {
        if (f.number == 1 && f.type == WIRE_BYTES && f.bytes.len == sizeof(ret->key.b)) {
            memcpy(ret->key.b, f.bytes.ptr, sizeof(ret->key.b));
        } else if (f.number == 2 && f.type == WIRE_BYTES) {
            ret->bytes = f.bytes;
        }
    }
    w->bad |= in.bad;
}

/* The secret's JSON text that stands for the marker at the head of `text`, and the marker's length.
 */
static struct str secret_for(struct str secrets, struct str text, size_t *ret_len)
{
    size_t end = MARK.len;
    struct json_value object;
    while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9') {
        end++;
    }
    if (end == MARK.len || end >= text.len || text.ptr[end] != '"' ||
        !json_validate(secrets, 0, &object, NULL)) {
        return STR_NONE;
    }
    struct json_member m = {.name = str_slice(text, MARK.len, end - MARK.len)};
    *ret_len = end + 1;
    return json_members(object, &m, 1, NULL) && m.found && m.value.type == JSON_STRING ? m.value.raw
                                                                                       : STR_NONE;
}

static void wipe(void *arg)
{
    const struct str *s = arg;
    explicit_bzero((char *)(uintptr_t)s->ptr, s->len);
}

/* A copy that is wiped when the arena goes. */
static struct str keep_secret(struct arena *a, struct str text)
{
    struct str *kept = arena_alloc(a, sizeof(*kept));
    if (!kept) {
        return STR_NONE;
    }
    *kept = arena_str(a, text);
    if (kept->ptr && !arena_on_release(a, wipe, kept)) {
        wipe(kept);
        return STR_NONE;
    }
    return *kept;
}

/* The document with its secrets in place. */
static struct str fill_in(struct arena *a, struct str document, struct str secrets)
{
    struct buffer out;
    const char *p = document.ptr, *end = document.ptr + document.len, *at;
    buffer_init(&out, document.len + 64 * (secrets.len + 1) + ROUTE_MAX_DOCUMENT);
    while ((at = memmem(p, (size_t)(end - p), MARK.ptr, MARK.len)) != NULL) {
        size_t len = MARK.len;
        struct str secret = secret_for(secrets, (struct str){at, (size_t)(end - at)}, &len);
        (void)buffer_append_str(&out, (struct str){p, (size_t)(at - p)});
        (void)buffer_append_str(&out, secret.ptr ? secret : (struct str){at, len});
        p = at + len;
    }
    (void)buffer_append_str(&out, (struct str){p, (size_t)(end - p)});
    struct str whole = out.failed ? STR_NONE : keep_secret(a, buffer_str(&out));
    if (out.len) {
        explicit_bzero(out.ptr, out.len);
    }
    buffer_release(&out);
    return whole;
}

static void open_version(struct entity_more *e, const struct sealed *s,
                         const struct entity_source *from, struct snap_version *v)
{
    struct str plain = s->bytes;
    uint8_t *opened = NULL;
    if (!uuid_is_nil(&s->key)) {
        const uint8_t *key = from->data_key ? from->data_key(from->arg, &s->key) : NULL;
        opened = mem_alloc(s->bytes.len + 1);
        plain = STR_NONE;
        if (key && crypto_open(key, (struct str){(const char *)e->head.id.b, 16}, s->bytes.ptr,
                               s->bytes.len, opened)) {
            plain = (struct str){(const char *)opened, s->bytes.len - CRYPTO_SEALED_LEN(0)};
        }
    }
    struct str whole = plain.ptr ? fill_in(e->memory, v->json, plain) : STR_NONE;
    if (whole.ptr) {
        v->json = whole;
    } else {
        v->unreadable = true;
        e->data_key_id = s->key;
    }
    mem_free_secret(opened, opened ? s->bytes.len + 1 : 0);
}

static void read_version(struct entity_more *e, struct wire *w, struct str bytes,
                         const struct entity_source *from, struct snap_version *ret)
{
    struct wire in = wire_of(bytes);
    struct wire_field f;
    struct sealed s = {.bytes = STR_NONE};
    ret->json = STR_LIT("");
    while (!in.bad && wire_next(&in, &f)) {
        if (f.number == 1 && f.type == WIRE_VARINT) {
            ret->number = f.value;
        } else if (f.number == 2 && f.type == WIRE_BYTES) {
            ret->json = f.bytes;
        } else if (f.number == 3 && f.type == WIRE_BYTES) {
            read_sealed(&in, f.bytes, &s);
        }
    }
    w->bad |= in.bad;
    if (!w->bad && s.bytes.len) {
        open_version(e, &s, from, ret);
    }
}

static void read_label(struct wire *w, struct str bytes, struct snap_label *ret)
{
    struct wire in = wire_of(bytes);
    struct wire_field f;
    ret->name = STR_LIT("");
    while (!in.bad && wire_next(&in, &f)) {
        if (f.number == 1 && f.type == WIRE_BYTES) {
            ret->name = f.bytes;
        } else if (f.number == 2 && f.type == WIRE_VARINT) {
            ret->version = f.value;
        }
    }
    w->bad |= in.bad;
}

static bool named_often(const struct snap_document *d, const struct snap_version *v)
{
    if (v->number == d->published || v == &d->versions[d->n_versions - 1]) {
        return true;
    }
    for (size_t i = 0; i < d->n_labels; i++) {
        if (d->labels[i].version == v->number) {
            return true;
        }
    }
    return false;
}

/* One that cannot be compiled (made by a newer control plane) stays uncompiled: a request that asks
 * for it learns why. */
static void compile(const struct entity_more *e, const struct snap_document *d,
                    struct snap_version *v)
{
    struct error ignored = ERROR_INIT;
    if (v->unreadable || !named_often(d, v)) {
        return;
    }
    if (e->head.kind == ENTITY_CONFIG) {
        (void)route_config_compile(v->json, e->memory, &v->tree, &ignored);
    } else if (d->partial) {
        (void)prompt_partial_compile(v->json, e->memory, &v->partial, &ignored);
    } else {
        (void)prompt_compile(v->json, e->memory, &v->prompt, &ignored);
    }
}

static bool make_room(struct entity_more *e, struct str body, struct snap_version **ret_versions,
                      struct snap_label **ret_labels)
{
    struct wire w = wire_of(body);
    struct wire_field f;
    size_t versions = 0, labels = 0;
    while (wire_next(&w, &f)) {
        versions += f.number == 5;
        labels += f.number == 6;
    }
    *ret_versions = arena_zalloc(e->memory, (versions + 1) * sizeof(**ret_versions));
    *ret_labels = arena_zalloc(e->memory, (labels + 1) * sizeof(**ret_labels));
    return !w.bad && *ret_versions && *ret_labels;
}

bool document_entity_read(struct entity_more *e, struct str body, const struct entity_source *from,
                          struct snap_document *ret, struct uuid *ret_own)
{
    struct snap_version *versions;
    struct snap_label *labels;
    struct wire w = wire_of(body);
    struct wire_field f;
    if (!make_room(e, body, &versions, &labels)) {
        return false;
    }
    while (!w.bad && wire_next(&w, &f)) {
        bool text = f.type == WIRE_BYTES;
        if (f.number == 1) {
            take_uuid(&w, &f, ret_own);
        } else if (f.number == 2) {
            take_uuid(&w, &f, &ret->organization_id);
        } else if (f.number == 3) {
            take_uuid(&w, &f, &ret->workspace_id);
        } else if (f.number == 4 && text) {
            ret->name = f.bytes;
        } else if (f.number == 5 && text) {
            read_version(e, &w, f.bytes, from, &versions[ret->n_versions++]);
        } else if (f.number == 6 && text) {
            read_label(&w, f.bytes, &labels[ret->n_labels++]);
        } else if (f.number == 7 && !text) {
            ret->published = f.value;
        } else if (f.number == 8 && !text && e->head.kind == ENTITY_PROMPT) {
            ret->partial = f.value != 0;
        } else if (f.number == 15) {
            entity_take_need(&w, &f, &e->head.own_needs);
        }
    }
    ret->versions = versions;
    ret->labels = labels;
    ret->needs_unknown = e->head.own_needs;
    for (size_t i = 0; i < ret->n_versions; i++) {
        compile(e, ret, &versions[i]);
    }
    return !w.bad;
}

const struct snap_version *snap_document_version(const struct snap_document *d, uint64_t number)
{
    for (size_t i = d->n_versions; i-- > 0;) {
        if (d->versions[i].number == number) {
            return &d->versions[i];
        }
    }
    return NULL;
}

const struct snap_version *snap_document_find(const struct snap_document *d,
                                              const struct route_ref *ref)
{
    if (ref->version) {
        return snap_document_version(d, ref->version);
    }
    if (str_eqz(ref->label, "latest")) {
        return d->n_versions ? &d->versions[d->n_versions - 1] : NULL;
    }
    for (size_t i = 0; ref->label.len && i < d->n_labels; i++) {
        if (str_eq(d->labels[i].name, ref->label)) {
            return snap_document_version(d, d->labels[i].version);
        }
    }
    return ref->label.len || !d->published ? NULL : snap_document_version(d, d->published);
}
