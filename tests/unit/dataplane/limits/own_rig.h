/* What the tests of the own ledger share: a folder, quotas by number, a clock, events. */
#ifndef TESTS_UNIT_DATAPLANE_LIMITS_OWN_RIG_H
#define TESTS_UNIT_DATAPLANE_LIMITS_OWN_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "dataplane/limits/own_ledger.h"
#include "dataplane/report/event.h"

#define DAY_S 86400
#define TODAY_S (20778ll * DAY_S) /* a sunday in november 2026 */
#define QUOTAS 8
#define WITH_FOLDER(t) cmocka_unit_test_setup_teardown(t, make_folder, remove_folder)

static const struct uuid our_holder = {{0x11, 0x22}};
static char folder[256];
static _Atomic int64_t now_ms;
static struct snap_quota quotas[QUOTAS]; /* amount 0: there is none */
static _Atomic unsigned pins;            /* given and not released */

static struct {
    unsigned n;
    uint32_t percent[64];
    char bucket[64][32];
    uint64_t settled[64];
} alerts;

static inline int remove_one(const char *p, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(p);
}

static inline struct uuid quota_id(unsigned n)
{
    struct uuid u = {{0xb0}};
    u.b[15] = (uint8_t)n;
    return u;
}

static inline int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/weir-own-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    (void)snprintf(folder + strlen(folder), 16, "/ledger");
    memset(quotas, 0, sizeof(quotas));
    memset(&alerts, 0, sizeof(alerts));
    for (unsigned i = 0; i < QUOTAS; i++) {
        quotas[i].id = quota_id(i);
        quotas[i].name = STR_LIT("monthly");
        quotas[i].rule.window = WINDOW_DAY;
        quotas[i].rule.metric = METRIC_COST;
    }
    now_ms = TODAY_S * 1000;
    pins = 0;
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    *strrchr(folder, '/') = '\0';
    return pins || nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const struct snap_quota *find_quota(void *arg, const struct uuid *id, void **ret_pin)
{
    (void)arg;
    struct uuid like = quota_id(id->b[15]);
    if (id->b[15] >= QUOTAS || !uuid_eq(&like, id) || quotas[id->b[15]].rule.amount == 0) {
        return NULL;
    }
    pins++;
    *ret_pin = (void *)(uintptr_t)&our_holder;
    return &quotas[id->b[15]];
}

static inline void release_quota(void *arg, void *pin)
{
    (void)arg;
    pins -= pin != NULL;
}

static inline void on_alert(void *arg, const struct own_alert *a)
{
    (void)arg;
    assert_true(alerts.n < 64);
    alerts.percent[alerts.n] = a->percent;
    alerts.settled[alerts.n] = a->settled;
    (void)snprintf(alerts.bucket[alerts.n++], 32, "%.*s", STR_ARG(a->bucket));
}

static inline int64_t test_now(void *arg)
{
    (void)arg;
    return now_ms;
}

static inline struct own_ledger_config rig_config(void)
{
    return (struct own_ledger_config){.folder = folder,
                                      .holder = our_holder,
                                      .find = find_quota,
                                      .release = release_quota,
                                      .on_alert = on_alert,
                                      .now_ms = test_now};
}

static inline struct own_ledger *rig_open_as(const struct own_ledger_config *c)
{
    struct error err = ERROR_INIT;
    struct own_ledger *l = own_ledger_open(c, &err);
    if (!l) {
        fail_msg("%s", error_text(&err));
    }
    return l;
}

static inline struct own_ledger *rig_open(void)
{
    struct own_ledger_config c = rig_config();
    return rig_open_as(&c);
}

/* Ids as requests have them: by time. */
static inline struct uuid event_id(uint64_t n)
{
    struct uuid u = {{0}};
    uint64_t ms = (uint64_t)TODAY_S * 1000;
    for (unsigned i = 0; i < 6; i++) {
        u.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    memcpy(u.b + 8, &n, sizeof(n));
    return u;
}

static inline struct event_charge charge_of(unsigned quota, const char *bucket, uint64_t amount)
{
    return (struct event_charge){.quota_id = quota_id(quota),
                                 .bucket = str_of(bucket),
                                 .window_start_s = TODAY_S,
                                 .amount = amount};
}

/* The event's bytes at the end of `out`. */
static inline struct str event_put(struct buffer *out, uint64_t n, const struct event_charge *c,
                                   size_t n_charges)
{
    size_t at = out->len;
    struct event e = {.id = event_id(n),
                      .endpoint = STR_LIT("chat.completions"),
                      .model = STR_LIT("m"),
                      .status = 200,
                      .outcome = EVENT_OK,
                      .cost_nanousd = 5,
                      .charges = c,
                      .n_charges = n_charges};
    assert_true(event_write(&e, out));
    return (struct str){out->ptr + at, out->len - at};
}

/* One event of one charge, booked by itself. */
static inline bool book_charge(struct own_ledger *l, uint64_t n, struct event_charge c)
{
    struct error err = ERROR_INIT;
    struct buffer b;
    buffer_init(&b, 65536);
    struct str event = event_put(&b, n, &c, 1);
    bool ok = own_ledger_book(l, &event, 1, &err);
    assert_true(ok || err.code != ERR_NONE);
    buffer_release(&b);
    return ok;
}

static inline bool book(struct own_ledger *l, uint64_t n, unsigned quota, const char *bucket,
                        uint64_t amount)
{
    return book_charge(l, n, charge_of(quota, bucket, amount));
}

static inline uint64_t settled_at(struct own_ledger *l, unsigned quota, const char *bucket,
                                  int64_t start_s)
{
    struct uuid id = quota_id(quota);
    uint64_t settled, held;
    (void)own_ledger_sums(l, &id, str_of(bucket), start_s, &settled, &held);
    return settled;
}

static inline uint64_t settled(struct own_ledger *l, unsigned quota, const char *bucket)
{
    return settled_at(l, quota, bucket, TODAY_S);
}

#endif
