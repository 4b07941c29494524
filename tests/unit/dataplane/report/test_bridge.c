/* The bridge against a control plane that misbehaves on demand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <time.h>

#include "dataplane/report/bridge_rig.h"
#include "dataplane/snapshot/entities.h"

static struct uuid last_command;
static unsigned commands;

static void on_command(void *arg, struct bridge *b, const struct uuid *id, unsigned kind,
                       struct str body, uint64_t deadline_ms)
{
    (void)arg;
    (void)deadline_ms;
    last_command = *id;
    commands++;
    assert_int_equal(kind, WEIR__COMMAND_KIND__COMMAND_LOG_LEVEL);
    assert_true(str_eqz(body, "debug"));
    bridge_command_done(b, id, true, NULL, "{\"level\":\"debug\"}");
}

static void on_state(void *arg, uint64_t *in_flight, uint64_t *total, bool *draining)
{
    (void)arg;
    *in_flight = 3;
    *total = 77;
    *draining = true;
}

static void plane_start(struct proxy *p)
{
    proxy_start(p, (struct bridge_config){.on_command = on_command, .on_state = on_state});
}

static uint64_t version_of(struct proxy *p)
{
    struct snapshot *s = swap_current(p->hub);
    uint64_t v = s ? snapshot_version(s) : 0;
    snapshot_unref(s);
    return v;
}

static void wait_version(struct proxy *p, uint64_t wanted)
{
    uint64_t by = clock_mono_ms() + 20000;
    while (version_of(p) != wanted) {
        if (clock_mono_ms() > by) {
            fail_msg("version %d, not %d", (int)version_of(p), (int)wanted);
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* One part with key n; body NULL: a broken one. */
static void say_part(struct fake_control *f, uint64_t from, uint64_t to, uint32_t number, bool last,
                     unsigned n, bool broken)
{
    struct uuid id = id_of(3, n);
    struct str body = broken
                          ? str_of(mem_strdup("\x0a\xff"))
                          : key_body((struct key_spec){.n = n, .organization = 1, .workspace = 1});
    Weir__SyncReply m = WEIR__SYNC_REPLY__INIT;
    Weir__SnapshotPart part = WEIR__SNAPSHOT_PART__INIT;
    Weir__Change c = WEIR__CHANGE__INIT, *list[] = {&c};
    c.kind = 3;
    c.id = bytes_of_uuid(&id);
    c.body = (ProtobufCBinaryData){body.len, (uint8_t *)(uintptr_t)body.ptr};
    part.from_version = from;
    part.to_version = to;
    part.part = number;
    part.last = last;
    part.changes = list;
    part.n_changes = 1;
    m.part = &part;
    fake_say(f, &m);
    release(body);
}

static void event_append(struct proxy *p, unsigned n)
{
    struct error err = ERROR_INIT;
    struct event e = {.id = id_of(99, n), .endpoint = STR_LIT("models"), .status = 200};
    struct buffer out;
    buffer_init(&out, 4096);
    assert_true(event_write(&e, &out));
    assert_true(spool_append_event(p->spools[n % 2], &e.id, buffer_str(&out), &err));
    buffer_release(&out);
}

static void test_snapshots(void **state)
{
    (void)state;
    struct fake_control f;
    struct proxy p;
    struct bridge_status status;
    fake_start(&f, &authority);
    enrolled_at(&f.urls, 1);
    plane_start(&p);
    assert_true(
        FAKE_WAIT(&f, f.last && f.last->have_version == 0 && f.last->state->requests_total == 77));
    assert_true(f.last->state->draining);
    assert_int_equal(version_of(&p), 0);
    /* everything, in two parts; nothing shows before the last */
    say_part(&f, 0, 5, 0, false, 1, false);
    assert_true(FAKE_WAIT(&f, f.last->next_part == 1 && f.last->run_version == 5));
    assert_int_equal(version_of(&p), 0);
    say_part(&f, 0, 5, 1, true, 2, false);
    wait_version(&p, 5);
    assert_true(FAKE_WAIT(&f, f.last->have_version == 5 && f.last->root_hash.len == 32));
    say_part(&f, 5, 6, 0, true, 3, false);
    wait_version(&p, 6);
    /* a broken one never displaces the good one, and the reason is told */
    say_part(&f, 6, 7, 0, true, 4, true);
    assert_true(FAKE_WAIT(&f, f.last->refused_version == 7 && f.last->have_version == 6));
    assert_non_null(strstr(f.last->refused_reason, "key 01030000"));
    assert_int_equal(version_of(&p), 6);
    say_part(&f, 6, 8, 0, true, 4, false);
    wait_version(&p, 8);
    assert_true(FAKE_WAIT(&f, f.last->refused_version == 0 && f.last->have_version == 8));
    /* the control plane compares shards */
    Weir__SyncReply m = WEIR__SYNC_REPLY__INIT;
    m.want_shard_hashes = true;
    fake_say(&f, &m);
    assert_true(FAKE_WAIT(&f, f.last->n_shard_hashes == SNAPSHOT_KINDS * SNAPSHOT_SHARDS));
    bridge_status(p.bridge, &status);
    assert_true(status.connected && status.version == 8 && status.last_sync_mono_ms &&
                status.snapshot_wall_ms);
    proxy_stop(&p, 0);
    fake_free(&f);
    /* the control plane is gone: the last good one is served again */
    plane_start(&p);
    assert_int_equal(version_of(&p), 8);
    bridge_status(p.bridge, &status);
    assert_false(status.connected);
    assert_true(status.snapshot_wall_ms > 0);
    struct snapshot *s = swap_current(p.hub);
    assert_int_equal(snapshot_count(s, 3), 4);
    snapshot_unref(s);
    proxy_stop(&p, 0);
}

static void test_reports(void **state)
{
    (void)state;
    struct fake_control f;
    struct proxy p;
    fake_start(&f, &authority);
    f.fail_reports = 2;
    f.drop_reports = 1;
    enrolled_at(&f.urls, 1);
    plane_start(&p);
    for (unsigned i = 1; i <= 1000; i++) {
        event_append(&p, i);
    }
    assert_true(FAKE_WAIT(&f, f.n_stored == 1000));
    event_append(&p, 1001); /* idle now: it is woken */
    assert_true(FAKE_WAIT(&f, f.n_stored == 1001));
    assert_true(f.n_doubled > 0); /* the batch whose acknowledgement was lost came again, whole */
    for (unsigned i = 1002; i <= 1500; i++) {
        event_append(&p, i);
    }
    proxy_stop(&p, 10000); /* hands over what is left */
    assert_int_equal(f.n_stored, 1500);
    assert_true(f.reports < 100);
    plane_start(&p);
    struct spool_stats stats[2];
    spool_stats(p.spools[0], &stats[0]);
    spool_stats(p.spools[1], &stats[1]);
    assert_int_equal(stats[0].waiting_records + stats[1].waiting_records, 0);
    proxy_stop(&p, 0);
    fake_free(&f);
}

static void test_failover_and_new_session(void **state)
{
    (void)state;
    struct fake_control one, two;
    struct proxy p;
    struct error err = ERROR_INIT;
    struct identity learned;
    fake_start(&one, &authority);
    fake_start(&two, &authority);
    one.others = &two.urls;
    enrolled_at(&one.urls, 1);
    plane_start(&p);
    assert_true(FAKE_WAIT(&one, one.syncs > 0));
    assert_int_equal(two.hellos, 0); /* one at a time */
    say_part(&one, 0, 5, 0, true, 1, false);
    wait_version(&p, 5);
    /* the session is forgotten: hello again, at once, there */
    (void)pthread_mutex_lock(&one.lock);
    one.forget_session = true;
    (void)pthread_mutex_unlock(&one.lock);
    say_part(&one, 5, 6, 0, true, 2, false);
    assert_true(FAKE_WAIT(&one, one.hellos == 2 && one.last->have_version >= 5));
    fake_kill(&one);
    event_append(&p, 1);
    assert_true(FAKE_WAIT(&two, two.hellos == 1 && two.syncs > 0 && two.n_stored == 1));
    uint64_t have = two.last->have_version;
    say_part(&two, have, 9, 0, true, 3, false);
    wait_version(&p, 9);
    proxy_stop(&p, 5000);
    assert_true(identity_load(folder, NULL, &learned,
                              &err));         /* what was learned is there at the next start */
    assert_int_equal(learned.n_endpoints, 1); /* the second knows of itself only */
    assert_string_equal(learned.endpoints[0].sync, two.urls.sync);
    identity_release(&learned);
    fake_free(&one);
    fake_free(&two);
}

static void test_commands_and_renewal(void **state)
{
    (void)state;
    struct fake_control f;
    struct proxy p;
    struct error err = ERROR_INIT;
    Weir__SyncReply m = WEIR__SYNC_REPLY__INIT;
    Weir__Command c = WEIR__COMMAND__INIT, *list[] = {&c};
    struct uuid id = id_of(50, 1);
    struct authority short_lived = authority;
    char *csr = NULL;
    /* a certificate with ten days left is renewed */
    assert_true(x509_make_csr("plane", &csr, &short_lived.plane_key, &err));
    assert_true(x509_sign_csr(csr, authority.ca_cert, authority.ca_key, "plane", false, NULL, 10,
                              &short_lived.plane_cert, &err));
    mem_free(csr);
    struct authority keep = authority;
    authority = short_lived;
    fake_start(&f, &authority);
    enrolled_at(&f.urls, 1);
    commands = 0;
    plane_start(&p);
    assert_true(FAKE_WAIT(&f, f.last && f.last->csr_pem && f.last->csr_pem[0]));
    char *cert = NULL;
    assert_true(x509_sign_csr(f.last->csr_pem, authority.ca_cert, authority.ca_key, "plane", false,
                              NULL, 90, &cert, &err));
    c.id = bytes_of_uuid(&id);
    c.kind = WEIR__COMMAND_KIND__COMMAND_LOG_LEVEL;
    c.body = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "debug"};
    m.commands = list;
    m.n_commands = 1;
    m.certificate_pem = cert;
    fake_say(&f, &m);
    assert_true(FAKE_WAIT(&f, f.last->n_results == 1 && f.last->csr_pem[0] == '\0'));
    assert_true(f.last->results[0]->ok);
    assert_string_equal(f.last->results[0]->body_json, "{\"level\":\"debug\"}");
    assert_memory_equal(f.last->results[0]->id.data, id.b, 16);
    /* the same command again (its reply was lost on the way): not run twice */
    m.certificate_pem = (char *)(uintptr_t) "";
    unsigned syncs = f.syncs;
    fake_say(&f, &m);
    assert_true(FAKE_WAIT(&f, f.syncs > syncs && f.last->n_results == 0));
    assert_int_equal(commands, 1);
    proxy_stop(&p, 0);
    struct identity i;
    assert_true(identity_load(folder, NULL, &i, &err));
    assert_string_equal(i.cert_pem, cert);
    identity_release(&i);
    plane_start(&p); /* key and certificate belong together: they open a session */
    assert_true(FAKE_WAIT(&f, f.hellos == 2));
    proxy_stop(&p, 0);
    mem_free(cert);
    fake_free(&f);
    mem_free(short_lived.plane_cert);
    mem_free(short_lived.plane_key);
    authority = keep;
}

static void test_announce_hurries_a_parked_sync(void **state)
{
    (void)state;
    struct fake_control f;
    struct proxy p;
    fake_start(&f, &authority);
    enrolled_at(&f.urls, 1);
    plane_start(&p);
    say_part(&f, 0, 5, 0, true, 1, false);
    wait_version(&p, 5);
    assert_true(FAKE_WAIT(&f, f.last->have_version == 5));
    unsigned syncs = f.syncs;
    /* the parked one is never answered; the announcement alone makes the plane ask again */
    Weir__Announce a = WEIR__ANNOUNCE__INIT;
    uint8_t body[64], out[64 + ENVELOPE_OVERHEAD], no_key[32] = {0};
    a.version = 6;
    size_t n = weir__announce__pack(&a, body);
    struct envelope e = {.schema = 1, .type = ENVELOPE_ANNOUNCE, .body = {(char *)body, n}};
    envelope_write(&e, no_key, out);
    bool asked = false;
    for (int i = 0; i < 400 && !asked; i++) { /* announcements may be lost; they are repeated */
        link_publish(f.announce, (struct str){(char *)out, n + ENVELOPE_OVERHEAD});
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        (void)pthread_mutex_lock(&f.lock);
        asked = f.syncs > syncs;
        (void)pthread_mutex_unlock(&f.lock);
    }
    assert_true(asked);
    proxy_stop(&p, 0);
    fake_free(&f);
}

static void test_identity_sealed(void **state)
{
    (void)state;
    static const char hex[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct error err = ERROR_INIT;
    struct identity i, back;
    uint8_t key[32], wrong[32] = {1};
    memset(&i, 0, sizeof(i));
    assert_true(state_key_parse(hex, key, &err));
    assert_true(state_key_parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", key, &err));
    assert_false(state_key_parse("short", key, &err));
    i.cert_pem = authority.plane_cert;
    i.key_pem = authority.plane_key;
    i.ca_pem = authority.ca_cert;
    i.n_endpoints = 1;
    (void)snprintf(i.endpoints[0].sync, IDENTITY_URL_MAX, "tls+tcp://h:1");
    (void)snprintf(i.endpoints[0].report, IDENTITY_URL_MAX, "tls+tcp://h:2");
    (void)snprintf(i.endpoints[0].announce, IDENTITY_URL_MAX, "tls+tcp://h:3");
    (void)snprintf(i.endpoints[0].lease, IDENTITY_URL_MAX, "tls+tcp://h:4");
    assert_false(bridge_is_enrolled(folder));
    assert_true(identity_save(folder, key, &i, &err));
    assert_true(bridge_is_enrolled(folder));
    assert_false(identity_load(folder, NULL, &back, &err));
    assert_false(identity_load(folder, wrong, &back, &err));
    assert_true(identity_load(folder, key, &back, &err));
    assert_string_equal(back.key_pem, authority.plane_key);
    assert_string_equal(back.endpoints[0].lease, "tls+tcp://h:4");
    identity_release(&back);
    char path[300], text[8192] = "";
    (void)snprintf(path, sizeof(path), "%s/plane.json", folder);
    FILE *file = fopen(path, "r");
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    assert_null(strstr(text, "PRIVATE"));
    /* a second enrolment must not replace it */
    assert_false(bridge_enrol(folder, NULL, "wr_enr_x.y", "127.0.0.1:1", "n", &err));
    assert_int_equal(err.code, ERR_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_snapshots),
        WITH_FOLDER(test_reports),
        WITH_FOLDER(test_failover_and_new_session),
        WITH_FOLDER(test_commands_and_renewal),
        WITH_FOLDER(test_announce_hurries_a_parked_sync),
        WITH_FOLDER(test_identity_sealed),
    };
    return cmocka_run_group_tests(tests, make_authority, drop_authority);
}
