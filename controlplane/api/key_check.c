/* POST /keys/check: whose key a secret is that somebody found where it should not be. The secret is
 * hashed and forgotten; it stands in no log, audit row or stored answer. */
#include "controlplane/api/keys.h"

#include "common/base/clock.h"
#include "common/rules/apikey.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/store/virtual_keys.h"

#define SECRET_BYTES_MAX 1024

/* By the column of its hash, as far as the actor may see. */
static bool find_by(struct call *c, int column, struct str hash, struct object *ret,
                    struct error *err)
{
    struct object_query q;
    if (!resource_query(c, &key_resource, &q, err)) {
        return false;
    }
    object_filter_text(&q, column, hash, false);
    return object_find(c->tx, &virtual_keys_table, &q, c->arena, ret, err);
}

static void show_key(struct json_writer *w, const struct object *row, bool former)
{
    uint64_t now_ms = clock_wall_ms();
    const struct object_value *ends = &row->v[KEY_FORMER_EXPIRES_AT];
    bool over = former && object_is_set(ends) && (uint64_t)ends->integer <= now_ms;
    json_name(w, "key");
    json_object_begin(w);
    reply_put_id(w, "id", "key", &row->v[KEY_ID].uuid);
    json_field_str(w, "name", row->v[KEY_NAME].text);
    json_field_str(w, "mask", row->v[KEY_MASK].text);
    reply_put_id(w, "workspace_id", "ws", &row->v[KEY_WORKSPACE_ID].uuid);
    reply_put_id(w, "user_id", "usr", &row->v[KEY_USER_ID].uuid);
    reply_put_id(w, "team_id", "team", &row->v[KEY_TEAM_ID].uuid);
    reply_put_id(w, "service_account_id", "sa", &row->v[KEY_SERVICE_ACCOUNT_ID].uuid);
    json_field_z(w, "status", key_status(row, now_ms));
    json_field_bool(w, "former", former);
    /* does it open anything now? */
    json_field_bool(w, "usable", !over && strcmp(key_status(row, now_ms), "active") == 0);
    reply_put_time(w, "former_expires_at", former ? (uint64_t)ends->integer : 0);
    reply_put_time(w, "last_used_at", (uint64_t)row->v[KEY_LAST_USED_AT].integer);
    json_object_end(w);
}

bool key_check_call(struct call *c, struct error *err)
{
    static const char *const names[] = {"secret", NULL};
    const struct body_value *v = body_get(&c->body, "secret");
    struct object row;
    struct str secret;
    uint8_t hash[32];
    bool valid = false, found = false, former = false;
    if (!body_known(&c->body, names, NULL, err)) {
        return false;
    }
    if (!v) {
        return body_refuse(err, NULL, "secret", "is required");
    }
    if (!body_text(v, 1, SECRET_BYTES_MAX, NULL, "secret", &secret, err)) {
        return false;
    }
    secret = str_trim(secret);
    bool ours = apikey_is_ours(secret, &valid);
    apikey_hash(secret, hash);
    struct str text = {(const char *)hash, sizeof hash};
    for (int i = 0; i < 2 && !found; i++) {
        former = i == 1;
        found = find_by(c, former ? KEY_FORMER_HASH : KEY_SECRET_HASH, text, &row, err);
        if (!found && err->code != ERR_NOT_FOUND) {
            return false;
        }
        *err = (struct error)ERROR_INIT;
    }
    json_object_begin(&c->json);
    json_field_z(&c->json, "form", !ours ? "other" : valid ? "weir" : "misspelt");
    json_field_bool(&c->json, "found", found);
    if (found) {
        show_key(&c->json, &row, former);
    } else {
        json_name(&c->json, "key");
        json_put_null(&c->json);
    }
    json_object_end(&c->json);
    return true;
}
