/* What the tests of the bridge share: a folder and an authority for each, and a proxy enrolled with
 * a control plane that the test plays. Include behind cmocka.h. */
#ifndef DATAPLANE_REPORT_BRIDGE_RIG_H
#define DATAPLANE_REPORT_BRIDGE_RIG_H

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "dataplane/report/bridge.h"
#include "dataplane/report/event.h"
#include "dataplane/report/fake_control.h"

/* A listener of NNG 1.5 that is closed while a client is in the midst of its TLS handshake forgets
 * that connection. It happens in the control plane that this file plays, never in the bridge. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libnng.so\nleak:libmbedtls.so\nleak:libmbedcrypto.so\nleak:libmbedx509.so\n";
}

static struct authority authority;
static char folder[256], spool_folder[300];

static int remove_one(const char *p, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(p);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/weir-bridge-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    (void)snprintf(spool_folder, sizeof(spool_folder), "%s/spool", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int make_authority(void **state)
{
    (void)state;
    log_init("test", LOG_ERROR + 1, false);
    authority_make(&authority);
    return 0;
}

static int drop_authority(void **state)
{
    (void)state;
    authority_free(&authority);
    return 0;
}

static void enrolled_at(const struct identity_endpoint *urls, unsigned n)
{
    struct error err = ERROR_INIT;
    struct identity i;
    memset(&i, 0, sizeof(i));
    i.plane_id = authority.plane_id;
    memcpy(i.secret, authority.secret, 32);
    i.cert_pem = authority.plane_cert;
    i.key_pem = authority.plane_key;
    i.ca_pem = authority.ca_cert;
    i.n_endpoints = n;
    memcpy(i.endpoints, urls, n * sizeof(*urls));
    assert_true(identity_save(folder, NULL, &i, &err));
}

struct proxy {
    struct swap_hub *hub;
    struct spool *spools[2];
    struct bridge *bridge;
};

/* c: what the test has of its own. */
static void proxy_start(struct proxy *p, struct bridge_config c)
{
    struct error err = ERROR_INIT;
    p->hub = swap_hub_new();
    for (unsigned i = 0; i < 2; i++) {
        struct spool_config s = {
            .folder = spool_folder, .worker = i, .segment_bytes = 256 << 10, .max_bytes = 16 << 20};
        p->spools[i] = spool_open(&s, event_recover, NULL, &err);
        assert_non_null(p->spools[i]);
    }
    c.state_folder = folder;
    c.hub = p->hub;
    c.spools = p->spools;
    c.n_spools = 2;
    p->bridge = bridge_start(&c, &err);
    if (!p->bridge) {
        fail_msg("%s", error_text(&err));
    }
}

static void proxy_stop(struct proxy *p, unsigned drain_ms)
{
    bridge_stop(p->bridge, drain_ms);
    for (unsigned i = 0; i < 2; i++) {
        spool_close(p->spools[i]);
    }
    swap_hub_free(p->hub);
}

#define WITH_FOLDER(t) cmocka_unit_test_setup_teardown(t, make_folder, remove_folder)

#endif
