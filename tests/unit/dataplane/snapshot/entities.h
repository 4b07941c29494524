/* Bodies of snapshot entities for tests, packed by protobuf-c, so that the data plane's own reader
 * is compared with it. */
#ifndef DATAPLANE_SNAPSHOT_ENTITIES_H
#define DATAPLANE_SNAPSHOT_ENTITIES_H

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/snapshot/index.h"
#include "proto/snapshot.pb-c.h"

static inline struct uuid id_of(unsigned kind, unsigned n)
{
    struct uuid u = {{0}};
    u.b[0] = 1;
    u.b[1] = (uint8_t)kind;
    memcpy(u.b + 8, &n, sizeof(n));
    return u;
}

static inline ProtobufCBinaryData bytes_of_uuid(struct uuid *u)
{
    return (ProtobufCBinaryData){16, u->b};
}

static inline struct str packed(const ProtobufCMessage *m)
{
    uint8_t *p = mem_alloc(protobuf_c_message_get_packed_size(m) + 1);
    return (struct str){(char *)p, protobuf_c_message_pack(m, p)};
}

static inline void release(struct str s)
{
    mem_free((void *)(uintptr_t)s.ptr);
}

static inline void secret_of(unsigned n, uint8_t out[32])
{
    crypto_sha256(&n, sizeof(n), out);
}

struct key_spec {
    unsigned n, organization, workspace, secret;
    const char *name, *pattern, *need;
};

static inline struct str key_body(struct key_spec k)
{
    uint8_t hash[32];
    struct uuid id = id_of(3, k.n), org = id_of(1, k.organization), ws = id_of(2, k.workspace);
    Weir__Key m = WEIR__KEY__INIT;
    ProtobufCBinaryData secret = {32, hash};
    char *patterns[] = {(char *)(uintptr_t)(k.pattern ? k.pattern : "*")};
    char *needs[] = {(char *)(uintptr_t)k.need};
    secret_of(k.secret ? k.secret : k.n, hash);
    m.id = bytes_of_uuid(&id);
    m.organization_id = bytes_of_uuid(&org);
    m.workspace_id = bytes_of_uuid(&ws);
    m.n_secret_sha256 = 1;
    m.secret_sha256 = &secret;
    m.name = (char *)(uintptr_t)(k.name ? k.name : "key");
    m.n_models = m.n_providers = 1;
    m.models = m.providers = patterns;
    m.n_needs = k.need ? 1 : 0;
    m.needs = needs;
    return packed(&m.base);
}

static inline struct str model_body(unsigned n, unsigned organization, unsigned workspace,
                                    const char *name, unsigned provider)
{
    struct uuid id = id_of(5, n), org = id_of(1, organization), ws = id_of(2, workspace),
                target_id = id_of(4, provider);
    Weir__Model m = WEIR__MODEL__INIT;
    Weir__Target t = WEIR__TARGET__INIT;
    Weir__Target *targets[] = {&t};
    char upstream[] = "upstream-model";
    t.provider_id = bytes_of_uuid(&target_id);
    t.model = upstream;
    t.weight = 7;
    m.id = bytes_of_uuid(&id);
    m.organization_id = bytes_of_uuid(&org);
    if (workspace) {
        m.workspace_id = bytes_of_uuid(&ws);
    }
    m.name = (char *)(uintptr_t)name;
    m.n_targets = 1;
    m.targets = targets;
    return packed(&m.base);
}

struct provider_spec {
    unsigned n, organization, workspace;
    const char *name, *kind, *base_url, *settings;
    const char *plain;              /* credential in clear */
    const struct uuid *data_key_id; /* else sealed */
    struct str sealed;
};

static inline struct str provider_body(struct provider_spec p)
{
    struct uuid id = id_of(4, p.n), org = id_of(1, p.organization), ws = id_of(2, p.workspace), key;
    Weir__Provider m = WEIR__PROVIDER__INIT;
    Weir__Credential c = WEIR__CREDENTIAL__INIT;
    m.id = bytes_of_uuid(&id);
    m.organization_id = bytes_of_uuid(&org);
    if (p.workspace) {
        m.workspace_id = bytes_of_uuid(&ws);
    }
    m.name = (char *)(uintptr_t)p.name;
    m.kind = (char *)(uintptr_t)(p.kind ? p.kind : "openai");
    m.base_url = (char *)(uintptr_t)(p.base_url ? p.base_url : "");
    m.settings_json = (char *)(uintptr_t)(p.settings ? p.settings : "");
    if (p.plain) {
        c.sealed = (ProtobufCBinaryData){strlen(p.plain), (uint8_t *)(uintptr_t)p.plain};
        m.credential = &c;
    } else if (p.data_key_id) {
        key = *p.data_key_id;
        c.data_key_id = bytes_of_uuid(&key);
        c.sealed = (ProtobufCBinaryData){p.sealed.len, (uint8_t *)(uintptr_t)p.sealed.ptr};
        m.credential = &c;
    }
    return packed(&m.base);
}

static inline struct str scope_body(unsigned kind, unsigned n, const char *need)
{
    struct uuid id = id_of(kind, n);
    Weir__Organization m =
        WEIR__ORGANIZATION__INIT; /* a workspace's id and needs stand in the same fields */
    char *needs[] = {(char *)(uintptr_t)need};
    m.id = bytes_of_uuid(&id);
    m.n_needs = need ? 1 : 0;
    m.needs = needs;
    return packed(&m.base);
}

#endif
