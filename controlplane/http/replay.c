/* Storing and replaying answers. Stored form: length of the key-encryption key's id, the id, then
 * the sealed "revision\nbody". */
#include "controlplane/http/replay.h"

#include "common/crypto.h"
#include "controlplane/secrets/seal.h"

#define TABLE "idempotency_keys"
#define COLUMN "response"

static bool key_is_valid(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] < 0x20 || key.ptr[i] > 0x7e) {
            return false;
        }
    }
    return key.len >= 1 && key.len <= 255;
}

static bool open_answer(struct call *c, const struct replay *p,
                        const struct idempotency_answer *found, struct error *err)
{
    struct str r = found->response, plain, revision, body;
    struct uuid row = idempotency_row(p->id.actor, p->id.key);
    size_t id_len = r.len > 0 ? (unsigned char)r.ptr[0] : 0;
    if (id_len == 0 || r.len < 1 + id_len) {
        return error_set(err, ERR_INTERNAL, "stored answer cannot be read");
    }
    struct str kek = arena_str(c->arena, str_slice(r, 1, id_len));
    if (!seal_open(c->router->keys, kek.ptr, TABLE, &row, COLUMN, str_slice(r, 1 + id_len, r.len),
                   c->arena, &plain, err)) {
        return false;
    }
    if (!str_cut(plain, '\n', &revision, &body) || !str_to_u64(revision, &c->revision)) {
        return error_set(err, ERR_INTERNAL, "stored answer cannot be read");
    }
    buffer_clear(&c->out);
    (void)buffer_append_str(&c->out, body);
    c->status = found->status;
    http_reply_header(c->request, "idempotent-replayed", "true");
    return true;
}

bool replay_begin(struct call *c, struct replay *ret, bool *ret_answered, struct error *err)
{
    struct str key = http_header(c->request, "idempotency-key");
    char actor[48], organization[37];
    *ret_answered = false;
    ret->active = key.ptr != NULL && (c->route->flags & ROUTE_IDEMPOTENT);
    if (!ret->active) {
        return true;
    }
    if (!key_is_valid(key)) {
        return error_set_param(err, ERR_INVALID_FIELD, "idempotency-key",
                               "idempotency-key must be 1 to 255 printable ASCII characters");
    }
    uuid_format_public(c->actor.token ? "token" : "user", &c->actor.id, actor, sizeof actor);
    uuid_format(&c->organization, organization);
    ret->id.actor = arena_str(c->arena, str_of(actor));
    ret->id.key = key;
    struct str body = http_body(c->request);
    struct str call = arena_printf(c->arena, "%s %.*s %s\n", c->route->method,
                                   STR_ARG(http_path(c->request)), organization);
    uint8_t parts[64];
    crypto_sha256(call.ptr, call.len, parts);
    crypto_sha256(body.ptr, body.len, parts + 32);
    crypto_sha256(parts, sizeof parts, ret->id.request_hash);
    bool held;
    struct idempotency_answer found;
    if (!idempotency_hold(c->tx, &ret->id, &held, err)) {
        return false;
    }
    if (!held) {
        return error_set_param(err, ERR_CONFLICT, "idempotency-key",
                               "a call with this idempotency-key is still running");
    }
    if (!idempotency_find(c->tx, &ret->id, c->arena, &found, err)) {
        return false;
    }
    if (found.found && !found.same_request) {
        return error_set_param(err, ERR_CONFLICT, "idempotency-key",
                               "this idempotency-key was used for another request");
    }
    *ret_answered = found.found;
    return !found.found || open_answer(c, ret, &found, err);
}

bool replay_save(struct call *c, const struct replay *p, struct error *err)
{
    if (!p->active) {
        return true;
    }
    struct uuid row = idempotency_row(p->id.actor, p->id.key);
    struct str plain = arena_printf(c->arena, "%llu\n%.*s", (unsigned long long)c->revision,
                                    STR_ARG(buffer_str(&c->out)));
    struct str sealed = seal_close(c->router->keys, TABLE, &row, COLUMN, plain, c->arena);
    const char *kek = seal_current_id(c->router->keys);
    size_t id_len = strlen(kek);
    char *stored = plain.ptr && sealed.ptr ? arena_alloc(c->arena, 1 + id_len + sealed.len) : NULL;
    if (!stored) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    stored[0] = (char)(unsigned char)id_len;
    memcpy(stored + 1, kek, id_len);
    memcpy(stored + 1 + id_len, sealed.ptr, sealed.len);
    explicit_bzero((char *)(uintptr_t)plain.ptr, plain.len);
    return idempotency_save(c->tx, &p->id, c->status, (struct str){stored, 1 + id_len + sealed.len},
                            err);
}
