/* The object, and what it says about addresses. */
#include "controlplane/identity/inside.h"

#include "common/base/mem.h"
#include "controlplane/fetch/fetch.h"

struct identity *identity_new(const struct identity_config *c)
{
    struct identity *i = mem_alloc(sizeof *i);
    i->config = *c;
    i->private_issuers = mem_strdup(c->private_issuers ? c->private_issuers : "");
    pthread_mutex_init(&i->lock, NULL);
    pthread_cond_init(&i->fetched, NULL);
    return i;
}

void identity_free(struct identity *i)
{
    if (i) {
        pthread_cond_destroy(&i->fetched);
        pthread_mutex_destroy(&i->lock);
        mem_free(i->private_issuers);
        mem_free(i);
    }
}

const struct seal_keys *identity_seal_keys(const struct identity *i)
{
    return i->config.keys;
}

static bool host_fits(struct str item, struct str host, struct str port)
{
    struct str name, wanted_port;
    if (str_eqz(item, "*")) {
        return true;
    }
    fetch_url_host(item, &name, &wanted_port);
    return str_eq_nocase(name, host) && (wanted_port.len == 0 || str_eq(wanted_port, port));
}

bool identity_private_ok(const struct identity *i, const struct uuid *organization, struct str url)
{
    struct str rest = str_of(i->private_issuers), item, host, port;
    bool more = rest.len > 0;
    if (uuid_is_nil(organization)) {
        return true;
    }
    fetch_url_host(url, &host, &port);
    while (more) {
        more = str_cut(rest, ',', &item, &rest);
        if (host_fits(str_trim(more ? item : rest), host, port)) {
            return true;
        }
    }
    return false;
}
