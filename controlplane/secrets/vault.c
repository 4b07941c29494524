/* One read from HashiCorp Vault's KV engine: version 2 ({"data":{"data":{…}}}), and version 1. */
#include <stdio.h>

#include "common/base/mem.h"
#include "common/json.h"
#include "controlplane/fetch/fetch.h"
#include "controlplane/secrets/reference_inside.h"

#define TOKEN_MAX 4096
#define VAULT_TIMEOUT_MS 5000

static bool read_token(const struct references *r, char out[static TOKEN_MAX], struct error *err)
{
    size_t len = 0;
    const char *prefix = "x-vault-token: ";
    char *text = r->vault_token ? mem_strdup(r->vault_token)
                                : reference_read_file(r->vault_token_file, &len, err);
    if (!text) {
        return false;
    }
    len = strlen(text);
    bool ok = len > 0 && strlen(prefix) + len < TOKEN_MAX && !strpbrk(text, "\r\n");
    if (ok) {
        (void)snprintf(out, TOKEN_MAX, "%s%s", prefix, text);
    } else {
        (void)error_set(err, ERR_INVALID_FIELD, "the token of Vault is empty or malformed");
    }
    mem_free_secret(text, len);
    return ok;
}

/* The field as text; a number or boolean as it is written. */
static char *copy_value(struct json_value v, size_t *ret_len)
{
    if (v.type == JSON_NULL || v.type == JSON_OBJECT || v.type == JSON_ARRAY ||
        v.raw.len > REFERENCE_VALUE_MAX) {
        return NULL;
    }
    char *out = mem_alloc(v.raw.len + 1);
    if (v.type != JSON_STRING) {
        memcpy(out, v.raw.ptr, v.raw.len);
        *ret_len = v.raw.len;
    } else if (!json_unescape(v, out, v.raw.len, ret_len)) {
        mem_free_secret(out, v.raw.len + 1);
        return NULL;
    }
    return out;
}

static enum vault_verdict read_answer(const struct fetch_answer *answer, const char *field,
                                      char **ret, size_t *ret_len, struct error *err)
{
    struct json_value doc;
    struct json_member data = {.name = STR_LIT("data")}, inner = {.name = STR_LIT("data")},
                       wanted = {.name = str_of(field)};
    if (answer->status == 404) {
        (void)error_set(err, ERR_NOT_FOUND, "Vault has no such secret");
        return VAULT_GONE;
    }
    if (answer->status != 200) {
        (void)error_set(err, ERR_UPSTREAM_REFUSED, "Vault answered %d", answer->status);
        return VAULT_AWAY;
    }
    if (!json_validate(buffer_str(&answer->body), 32, &doc, NULL) || doc.type != JSON_OBJECT ||
        !json_members(doc, &data, 1, NULL) || !data.found || data.value.type != JSON_OBJECT) {
        (void)error_set(err, ERR_UPSTREAM_GARBAGE, "Vault's answer is not a secret");
        return VAULT_AWAY;
    }
    if (json_members(data.value, &inner, 1, NULL) && inner.found &&
        inner.value.type == JSON_OBJECT) {
        data = inner;
    }
    if (json_members(data.value, &wanted, 1, NULL) && wanted.found &&
        (*ret = copy_value(wanted.value, ret_len)) != NULL) {
        return VAULT_OK;
    }
    (void)error_set(err, ERR_NOT_FOUND, "the secret in Vault has no such field");
    return VAULT_GONE;
}

enum vault_verdict vault_read(const struct references *r, const char *path, const char *field,
                              char **ret, size_t *ret_len, struct error *err)
{
    char token[TOKEN_MAX], space[512];
    const char *headers[3] = {token, NULL, NULL};
    struct fetch_answer answer;
    struct buffer url;
    if (!read_token(r, token, err)) {
        return VAULT_AWAY;
    }
    if (r->vault_namespace) {
        (void)snprintf(space, sizeof space, "x-vault-namespace: %s", r->vault_namespace);
        headers[1] = space;
    }
    buffer_init(&url, 4096);
    buffer_printf(&url, "%s/v1/%s", r->vault_address, path);
    (void)buffer_append(&url, "", 1);
    const struct fetch_request request = {.url = url.ptr,
                                          .private_ok = true, /* the operator named it */
                                          .headers = headers,
                                          .ca_file = r->vault_ca_file,
                                          .timeout_ms = VAULT_TIMEOUT_MS};
    enum vault_verdict verdict = VAULT_AWAY;
    if (!url.failed && fetch(&request, &answer, err)) {
        verdict = read_answer(&answer, field, ret, ret_len, err);
        fetch_answer_release(&answer);
    }
    explicit_bzero(token, sizeof token);
    buffer_release(&url);
    return verdict;
}
