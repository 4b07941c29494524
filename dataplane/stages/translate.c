/* translate: the upstream head and body for the first candidate. The body is not rebuilt: what
 * changes is copied, with the bytes before it, behind the head, and the rest stays where the
 * client's bytes are; so the provider gets it all by one write. */
#include "dataplane/canonical/head.h"
#include "dataplane/signers/signer.h"
#include "dataplane/stages/headers.h"
#include "dataplane/stages/path.h"
#include "dataplane/stages/stages.h"

#define HEAD_ROOM 512 /* for what is always there */

struct outgoing {
    struct str method, path, query; /* path behind the provider's own; query NULL ptr: none */
    struct str content_type;        /* NULL ptr: the client's passes */
    struct openai_chat_body body;
};

static size_t room_for(const struct request *r, const struct snap_provider *p,
                       struct str credential, const struct outgoing *o)
{
    size_t n = HEAD_ROOM + o->method.len + p->path.len + o->path.len + o->query.len +
               p->host_header.len + credential.len + o->content_type.len;
    for (size_t i = 0; i < r->head->n_headers; i++) {
        n += r->head->headers[i].name.len + r->head->headers[i].value.len + 4;
    }
    for (size_t i = 0; i + 1 < o->body.n; i++) {
        n += o->body.pieces[i].len;
    }
    return n;
}

static void put_request_line(struct head *h, const struct snap_provider *p,
                             const struct outgoing *o)
{
    head_put(h, o->method);
    head_put(h, STR_LIT(" "));
    head_put(h, p->path);
    head_put(h, o->path);
    if (p->path.len + o->path.len == 0) {
        head_put(h, STR_LIT("/"));
    }
    if (o->query.ptr) {
        head_put(h, STR_LIT("?"));
        head_put(h, o->query);
    }
    head_put(h, STR_LIT(" HTTP/1.1\r\n"));
    head_put_header(h, STR_LIT("Host"), p->host_header);
}

/* The client's own fields, as it wrote them. */
static void put_passed(struct head *h, const struct request *r, const struct outgoing *o)
{
    const struct header *list = r->head->headers;
    size_t n = r->head->n_headers;
    bool named = exchange_header(r->exchange, "connection").len != 0;
    bool accept = false;
    for (size_t i = 0; i < n; i++) {
        struct str name = list[i].name;
        if (!header_goes_up(name) || (named && header_is_named_by_connection(list, n, name))) {
            continue;
        }
        if (o->content_type.ptr && str_eq_nocase(name, STR_LIT("content-type"))) {
            continue;
        }
        accept = accept || str_eq_nocase(name, STR_LIT("accept"));
        head_put_header(h, name, list[i].value);
    }
    if (!accept) {
        head_put_header(h, STR_LIT("Accept"), STR_LIT("*/*"));
    }
}

static bool has_body(const struct outgoing *o)
{
    return o->body.len_bytes > 0 || str_eqz(o->method, "POST") || str_eqz(o->method, "PUT") ||
           str_eqz(o->method, "PATCH");
}

/* The stored credential goes to the provider; a client's own only where none is stored. */
static struct str credential_for(const struct request *r, const struct snap_provider *p)
{
    return p->credential.len ? p->credential : r->client_credential;
}

static bool write_head(struct request *r, const struct snap_provider *p, const struct outgoing *o)
{
    struct head h;
    struct str credential = credential_for(r, p);
    if (!head_init(&h, r->arena, room_for(r, p, credential, o))) {
        return error_set(&r->error, ERR_INTERNAL, "out of room for the request to the provider");
    }
    put_request_line(&h, p, o);
    if (!signer_for(p->kind)->sign(credential, &h, &r->error)) {
        return false;
    }
    if (o->content_type.ptr) {
        head_put_header(&h, STR_LIT("Content-Type"), o->content_type);
    }
    if (has_body(o)) {
        head_put(&h, STR_LIT("Content-Length: "));
        head_put_u64(&h, o->body.len_bytes);
        head_put(&h, STR_LIT("\r\n"));
    }
    put_passed(&h, r, o);
    head_put(&h, STR_LIT("Accept-Encoding: identity\r\n\r\n"));
    for (size_t i = 0; i + 1 < o->body.n; i++) {
        head_put(&h, o->body.pieces[i]);
    }
    if (h.failed) {
        return error_set(&r->error, ERR_INTERNAL, "request to the provider outgrew its room");
    }
    r->upstream_head = head_str(&h);
    r->upstream_body = o->body.pieces[o->body.n - 1];
    return true;
}

static bool translate_chat(struct request *r, const struct candidate *c)
{
    struct outgoing o = {
        .method = STR_LIT("POST"),
        .path = STR_LIT("/chat/completions"),
        .content_type = STR_LIT("application/json"),
    };
    if (!openai_chat_write(r->body, &r->chat, c->model, r->arena, &o.body)) {
        return error_set(&r->error, ERR_INTERNAL, "out of room for the request to the provider");
    }
    r->hide_usage = o.body.usage_added;
    return write_head(r, c->provider, &o);
}

static bool translate_native(struct request *r, const struct candidate *c)
{
    struct outgoing o = {
        .method = r->head->method, .path = r->native_path, .query = r->head->query};
    o.body = (struct openai_chat_body){.pieces = {r->body}, .n = 1, .len_bytes = r->body.len};
    if (r->key_parameter.ptr && !query_without(r->arena, o.query, r->key_parameter.ptr, &o.query)) {
        return error_set(&r->error, ERR_INTERNAL, "out of room for the request to the provider");
    }
    return write_head(r, c->provider, &o);
}

enum verdict stage_translate(struct request *r)
{
    const struct candidate *c = &r->candidates[0];
    bool ok = r->kind == REQUEST_NATIVE ? translate_native(r, c) : translate_chat(r, c);
    return ok ? VERDICT_NEXT : VERDICT_REJECT;
}
