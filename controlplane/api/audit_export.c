/* The audit log as JSON lines: each row with what its hash is made of (docs/security.md). Read in
 * parts, each in a transaction of its own, up to the heads as they stood at the beginning. */
#include "controlplane/store/audit_read.h"

#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"

#define PART_ROWS 500

struct export
{
    struct call call;
    struct audit_head *heads;
    size_t n_heads, at; /* the chain that is being written */
    uint64_t after;     /* its row that was written last */
    uint64_t left;      /* rows that may still be written, when `limited` */
    bool limited;
    struct buffer from; /* what is told first: where the rows go on from */
};

static void put_chain(struct json_writer *w, const struct uuid *organization)
{
    char text[37];
    uuid_format(organization, text);
    json_field_z(w, "chain", text);
}

/* {"chain":…,"head":{"seq":…,"hash":…}}; `name` "from" where the rows before are left out. */
static void put_mark(struct buffer *out, const struct uuid *chain, const char *name, uint64_t seq,
                     struct str hash)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    put_chain(&w, chain);
    json_name(&w, name);
    json_object_begin(&w);
    json_field_u64(&w, "seq", seq);
    json_field_str(&w, "hash", hash);
    json_object_end(&w);
    json_object_end(&w);
    (void)buffer_append_z(out, "\n");
}

static void put_link(struct buffer *out, const struct uuid *chain, const struct audit_link *l)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    put_chain(&w, chain);
    json_field_u64(&w, "seq", l->seq);
    json_field_str(&w, "hash", l->hash);
    json_field_str(&w, "text", l->text);
    json_object_end(&w);
    (void)buffer_append_z(out, "\n");
}

static bool put_part(struct export *x, struct arena *a, struct buffer *out, struct error *err)
{
    const struct audit_head *h = &x->heads[x->at];
    unsigned most = x->limited && x->left < PART_ROWS ? (unsigned)x->left : PART_ROWS;
    struct audit_link *list;
    size_t n;
    if (!audit_links(x->call.tx, &h->organization, x->after, h->seq, most, a, &list, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        put_link(out, &h->organization, &list[i]);
    }
    x->after = n > 0 ? list[n - 1].seq : x->after;
    x->left -= x->limited ? n : 0;
    if (x->after >= h->seq || n == 0) {
        put_mark(out, &h->organization, "head", h->seq, h->hash);
        x->at++;
        x->after = 0;
    }
    x->at = x->limited && x->left == 0 ? x->n_heads : x->at;
    return true;
}

/* An export that fails half way ends without the line of its head: whoever verifies it sees that.
 */
static bool more(void *arg, struct buffer *out)
{
    struct export *x = arg;
    struct error err = ERROR_INIT;
    (void)buffer_append_str(out, buffer_str(&x->from));
    buffer_clear(&x->from);
    if (x->at == x->n_heads || !call_begin(&x->call, &err)) {
        return false;
    }
    struct arena *a = arena_new((size_t)64 << 20);
    bool ok = put_part(x, a, out, &err);
    arena_free(a);
    tx_rollback(x->call.tx);
    x->call.tx = NULL;
    return ok && x->at < x->n_heads;
}

static void done(void *arg)
{
    struct export *x = arg; /* in the request's arena */
    buffer_release(&x->from);
}

/* Those of the caller's organization, or all; ?chain= one of them. */
static bool read_heads(struct call *c, struct audit_head **ret, size_t *ret_n, struct error *err)
{
    struct str text = http_query(c->request, "chain");
    struct uuid chain;
    const struct uuid *wanted = uuid_is_nil(&c->organization) ? NULL : &c->organization;
    if (text.ptr) {
        if (!uuid_parse(text, &chain) || (wanted && !uuid_eq(wanted, &chain))) {
            return error_set_param(err, ERR_INVALID_FIELD, "chain",
                                   "chain must be one of GET /audit/heads");
        }
        wanted = &chain;
    }
    return audit_heads(c->tx, wanted, c->arena, ret, ret_n, err);
}

/* ?limit=ROWS */
static bool read_limit(struct export *x, struct error *err)
{
    struct str text = http_query(x->call.request, "limit");
    x->limited = text.ptr != NULL;
    return !x->limited || (str_to_u64(text, &x->left) && x->left > 0) ||
           error_set_param(err, ERR_INVALID_FIELD, "limit", "limit must be a number of rows");
}

/* ?after=SEQ: only the rows behind it; the hash that they go on from is told first. */
static bool read_after(struct export *x, struct error *err)
{
    struct call *c = &x->call;
    struct str text = http_query(c->request, "after");
    struct audit_link *list;
    size_t n;
    if (!text.ptr) {
        return true;
    }
    if (x->n_heads > 1 || (uuid_is_nil(&c->organization) && !http_query(c->request, "chain").ptr)) {
        return error_set_param(err, ERR_INVALID_FIELD, "after",
                               "after goes with one chain: name it, or the organization");
    }
    if (!str_to_u64(text, &x->after) ||
        (x->after > 0 && (x->n_heads == 0 || x->after > x->heads[0].seq))) {
        return error_set_param(err, ERR_INVALID_FIELD, "after",
                               "after must be the number of a row of the audit log");
    }
    if (x->after == 0) {
        return true;
    }
    if (!audit_links(c->tx, &x->heads[0].organization, x->after - 1, x->after, 1, c->arena, &list,
                     &n, err)) {
        return false;
    }
    if (n == 1) {
        put_mark(&x->from, &x->heads[0].organization, "from", x->after, list[0].hash);
    }
    return true;
}

bool audit_export_call(struct call *c, struct error *err)
{
    struct export *x = arena_zalloc(c->arena, sizeof *x);
    if (!x || !call_begin(c, err)) {
        return x ? false : error_set(err, ERR_OVERLOADED, "%s", "");
    }
    buffer_init(&x->from, 1024);
    x->call = *c;
    bool ok =
        read_heads(c, &x->heads, &x->n_heads, err) && read_limit(x, err) && read_after(x, err);
    tx_rollback(c->tx);
    c->tx = x->call.tx = NULL;
    x->call.out = (struct buffer){.max = 0};
    const struct http_stream stream = {.more = more, .done = done, .arg = x};
    if (ok) {
        reply_guard_headers(c->request);
        http_reply_header(c->request, "cache-control", "no-store");
        ok = http_reply_stream(c->request, 200, "application/x-ndjson", &stream) ||
             error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!ok) {
        done(x);
    }
    return ok;
}

bool audit_heads_call(struct call *c, struct error *err)
{
    struct audit_head *list;
    struct json_writer *w = &c->json;
    size_t n;
    if (!read_heads(c, &list, &n, err)) {
        return false;
    }
    json_object_begin(w);
    json_name(w, "data");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(w);
        put_chain(w, &list[i].organization);
        reply_put_id(w, "organization_id", "org", &list[i].organization);
        json_field_u64(w, "seq", list[i].seq);
        json_field_str(w, "hash", list[i].hash);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
    return true;
}
