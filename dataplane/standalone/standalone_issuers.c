/* Issuers of weir.yaml: the message that the control plane would send. */
#include "dataplane/standalone/standalone_build.h"

static bool put_issuer(struct build *b, const struct manifest_issuer *x, struct error *err)
{
    struct uuid id = standalone_id(WEIR__KIND__KIND_ISSUER, x->name);
    struct uuid *keys = arena_alloc(b->arena, (x->n_keys + 1) * sizeof *keys);
    ProtobufCBinaryData *key_ids = arena_alloc(b->arena, (x->n_keys + 1) * sizeof *key_ids);
    Weir__Issuer out = WEIR__ISSUER__INIT;
    if (!keys || !key_ids) {
        return error_set(err, ERR_OVERLOADED, "out of memory");
    }
    for (size_t i = 0; i < x->n_keys; i++) {
        keys[i] = standalone_id(WEIR__KIND__KIND_KEY, x->keys[i]);
        key_ids[i] = bytes_of(keys[i].b, 16);
    }
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.name = standalone_text(b, x->name);
    out.issuer = standalone_text(b, x->issuer);
    out.audiences = standalone_texts(b, x->audiences, x->n_audiences);
    out.n_audiences = x->n_audiences;
    out.algorithms = standalone_texts(b, x->algorithms, x->n_algorithms);
    out.n_algorithms = x->n_algorithms;
    out.jwks_json = standalone_text(b, x->jwks_json);
    out.claims_json = standalone_text(b, x->claims_json);
    out.key_ids = key_ids;
    out.n_key_ids = x->n_keys;
    out.leeway_s = x->leeway_s;
    out.disabled = x->disabled;
    out.denied_jti = standalone_texts(b, x->denied_jti, x->n_denied_jti);
    out.n_denied_jti = x->n_denied_jti;
    return standalone_put(b, WEIR__KIND__KIND_ISSUER, &id, &out.base, err);
}

bool standalone_put_issuers(struct build *b, const struct manifest *m, struct error *err)
{
    for (size_t i = 0; i < m->n_issuers; i++) {
        if (!put_issuer(b, &m->issuers[i], err)) {
            return false;
        }
    }
    return true;
}
