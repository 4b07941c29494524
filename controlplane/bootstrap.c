/* Making the first administrator. */
#include "controlplane/bootstrap.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/buffer.h"
#include "common/json.h"
#include "controlplane/rules/permission.h"
#include "controlplane/secrets/password.h"
#include "controlplane/store/db_bootstrap.h"

/* The first line of the file. */
static bool read_password(const char *path, char out[static PASSWORD_MAX + 2], struct error *err)
{
    FILE *f = fopen(path, "re");
    if (!f || !fgets(out, PASSWORD_MAX + 2, f)) {
        error_set(err, ERR_INVALID_FIELD, "cannot read a password from \"%s\": %s", path,
                  f ? "it is empty" : strerror(errno));
        if (f) {
            fclose(f);
        }
        return false;
    }
    fclose(f);
    out[strcspn(out, "\r\n")] = '\0';
    if (strlen(out) < PASSWORD_MIN) {
        return error_set(err, ERR_INVALID_FIELD, "password in \"%s\" has fewer than %d characters",
                         path, PASSWORD_MIN);
    }
    return true;
}

static bool new_password_hash(const struct bootstrap_options *o, struct bootstrap_result *r,
                              char hash[static PASSWORD_HASH_MAX], struct error *err)
{
    char given[PASSWORD_MAX + 2] = "";
    bool ok = true;
    if (o->password_file) {
        ok = read_password(o->password_file, given, err);
    } else {
        password_generate(r->password);
    }
    ok = ok && password_hash(str_of(o->password_file ? given : r->password), hash, err);
    explicit_bzero(given, sizeof given);
    return ok;
}

static bool make_or_reset_user(struct tx *t, const struct bootstrap_options *o,
                               struct bootstrap_result *r, struct error *err)
{
    char hash[PASSWORD_HASH_MAX];
    if (!bootstrap_find_user(t, o->email, &r->user, err)) {
        return false;
    }
    if (uuid_is_nil(&r->user)) {
        r->user_made = true;
        return new_password_hash(o, r, hash, err) &&
               bootstrap_make_user(t, o->email, hash, &r->user, err);
    }
    if (o->reset_password) {
        r->password_reset = true;
        return new_password_hash(o, r, hash, err) &&
               bootstrap_reset_user(t, &r->user, o->email, hash, err);
    }
    return true;
}

static bool make_token(struct tx *t, const char *name, struct bootstrap_result *r,
                       struct error *err)
{
    uint8_t hash[32];
    char mask[32];
    apikey_mint(APIKEY_ADMIN, r->token_text);
    apikey_hash(str_of(r->token_text), hash);
    apikey_mask(str_of(r->token_text), mask);
    if (!bootstrap_token(t, name, role_name(ROLE_PLATFORM_ADMIN), hash, mask, &r->user, &r->token,
                         &r->token_made, err)) {
        return false;
    }
    if (!r->token_made) {
        r->token_text[0] = '\0';
    }
    return true;
}

static bool make_key(struct tx *t, const char *name, struct bootstrap_result *r, struct error *err)
{
    uint8_t hash[32];
    char mask[32];
    apikey_mint(APIKEY_LIVE, r->key_text);
    apikey_hash(str_of(r->key_text), hash);
    apikey_mask(str_of(r->key_text), mask);
    if (!bootstrap_key(t, &r->organization, &r->workspace, name, hash, mask, &r->user, &r->key,
                       &r->key_made, err)) {
        return false;
    }
    if (!r->key_made) {
        r->key_text[0] = '\0';
    }
    return true;
}

static bool run(struct tx *t, const struct bootstrap_options *o, struct bootstrap_result *r,
                struct error *err)
{
    const struct tx_actor actor = {.kind = "system", .name = "weir-control bootstrap-admin"};
    tx_set_actor(t, &actor);
    return bootstrap_lock(t, err) &&
           bootstrap_organization(t, o->organization, &r->organization, &r->organization_made,
                                  err) &&
           bootstrap_workspace(t, &r->organization, o->workspace, &r->workspace, &r->workspace_made,
                               err) &&
           make_or_reset_user(t, o, r, err) &&
           bootstrap_membership(t, &r->organization, &r->user, err) &&
           (!o->admin_token || make_token(t, o->admin_token, r, err)) &&
           (!o->key || make_key(t, o->key, r, err));
}

bool bootstrap_admin(struct db_pool *pool, const struct bootstrap_options *o,
                     struct bootstrap_result *ret, struct error *err)
{
    struct bootstrap_result r = {.user_made = false};
    const char *at = strchr(o->email, '@');
    if (!at || at == o->email || !at[1] || strpbrk(o->email, " \t\r\n<>\"")) {
        return error_set_param(err, ERR_INVALID_FIELD, "email", "\"%s\" is not an e-mail address",
                               o->email);
    }
    struct tx *t = tx_begin(pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!run(t, o, &r, err)) {
        tx_rollback(t);
        return false;
    }
    if (!tx_commit(t, NULL, err)) {
        return false;
    }
    *ret = r;
    return true;
}

static void put_id(struct json_writer *w, const char *name, const struct uuid *id)
{
    char text[37];
    if (!uuid_is_nil(id)) {
        uuid_format(id, text);
        json_field_z(w, name, text);
    }
}

static void put_secret(struct json_writer *w, const char *name, const char *text)
{
    if (*text) {
        json_field_z(w, name, text);
    }
}

static void print_json(const struct bootstrap_result *r)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 8192);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    put_id(&w, "organization_id", &r->organization);
    put_id(&w, "workspace_id", &r->workspace);
    put_id(&w, "user_id", &r->user);
    json_field_bool(&w, "user_made", r->user_made);
    put_secret(&w, "password", r->password);
    put_id(&w, "admin_token_id", &r->token);
    put_secret(&w, "admin_token", r->token_text);
    put_id(&w, "key_id", &r->key);
    put_secret(&w, "key", r->key_text);
    json_object_end(&w);
    printf("%.*s\n", STR_ARG(buffer_str(&b)));
    buffer_release(&b);
}

void bootstrap_print(const struct bootstrap_options *o, const struct bootstrap_result *r)
{
    if (o->json) {
        print_json(r);
        return;
    }
    printf("organization %s: %s\n", o->organization, r->organization_made ? "made" : "exists");
    printf("workspace %s: %s\n", o->workspace, r->workspace_made ? "made" : "exists");
    printf("administrator %s: %s\n", o->email,
           r->user_made        ? "made"
           : r->password_reset ? "password reset, sessions ended"
                               : "exists, password unchanged (--reset-password sets a new one)");
    if (r->password[0]) {
        printf("password (shown once): %s\n", r->password);
    }
    if (o->admin_token) {
        printf("platform token %s%s: %s\n", o->admin_token, r->token_made ? " (shown once)" : "",
               r->token_made ? r->token_text : "exists");
    }
    if (o->key) {
        printf("virtual key %s%s: %s\n", o->key, r->key_made ? " (shown once)" : "",
               r->key_made ? r->key_text : "exists");
    }
}
