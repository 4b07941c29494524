/* command.c: what the control plane may ask of a proxy, and how each answer looks. */
#include "dataplane/real_world.h"

#include "common/log.h"
#include "dataplane/cache/store.h"
#include "dataplane/command.h"
#include "dataplane/routing/target_state.h"
#include "dataplane/service.h"
#include "proto/control.pb-c.h"

static atomic_uint answers, drains;
static bool answered_ok;
static char answered_error[256], answered_body[4096];
static struct commands *commands;

/* The bridge and the service, as far as commands see them. */
void bridge_command_done(struct bridge *b, const struct uuid *id, bool ok, const char *error,
                         const char *body_json)
{
    (void)b;
    (void)id;
    answered_ok = ok;
    (void)snprintf(answered_error, sizeof(answered_error), "%s", error ? error : "");
    (void)snprintf(answered_body, sizeof(answered_body), "%s", body_json ? body_json : "");
    atomic_fetch_add(&answers, 1);
}

struct worker *service_worker(const struct service *s, unsigned index)
{
    (void)s;
    return index == 0 ? world.worker : NULL;
}

void service_request_drain(struct service *s)
{
    (void)s;
    atomic_fetch_add(&drains, 1);
}

static int set_up(void **state)
{
    (void)state;
    world_begin();
    world.policy.targets = target_table_new(16);
    world.policy.cache = cache_store_new(4 << 20);
    assert_non_null(world.policy.cache);
    commands = commands_new(NULL);
    atomic_store(&answers, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    worker_stop(world.worker);
    commands_free(commands);
    target_table_free(world.policy.targets);
    cache_store_free(world.policy.cache);
    world_end();
    return 0;
}

static void command(unsigned kind, struct str body)
{
    struct uuid id = uuid_v7();
    unsigned before = atomic_load(&answers);
    commands_on_command(commands, NULL, &id, kind, body, 0);
    assert_true(reaches(&answers, before + 1));
}

static void test_provider(const char *name)
{
    struct uuid id = standalone_id(4, str_of(name));
    command(WEIR__COMMAND_KIND__COMMAND_TEST_PROVIDER,
            (struct str){(const char *)id.b, sizeof(id.b)});
    assert_true(answered_ok);
}

static void a_good_provider_is_ok(void **state)
{
    (void)state;
    test_provider("p");
    assert_true(
        str_starts(str_of(answered_body), STR_LIT("{\"ok\":true,\"status\":200,\"latency_ms\":")));
    assert_true(str_ends(str_of(answered_body), STR_LIT("\"models\":2,\"error\":null}")));
}

static void a_bad_one_says_why(void **state)
{
    (void)state;
    test_provider("wrong");
    assert_non_null(strstr(answered_body, "\"ok\":false,\"status\":401"));
    assert_non_null(strstr(answered_body, "refused the credential"));
    test_provider("closed");
    assert_non_null(strstr(answered_body, "\"ok\":false,\"status\":0"));
    test_provider("nobody");
    assert_non_null(strstr(answered_body, "does not know the provider"));
}

/* A target whose provider is the default organization's, one of a provider that is unknown here. */
static void know_two_targets(struct uuid *ret_organization)
{
    uint64_t now = clock_mono_ms();
    struct uuid known = standalone_id(4, STR_LIT("p")), gone = uuid_v7();
    struct target_state *t =
        target_state_of(world.policy.targets, &known, STR_LIT("p"), STR_LIT("m"), 1, now);
    struct target_outcome o = {
        .success = true, .counts = true, .status = 200, .first_token_us = 30000, .now_ms = now};
    target_started(t, now);
    target_finished(t, NULL, &o, false);
    (void)target_state_of(world.policy.targets, &gone, STR_LIT("gone"), STR_LIT("m"), 0, now);
    *ret_organization = standalone_id(1, STR_LIT("default"));
}

static void targets_are_told_to_whom_they_belong(void **state)
{
    (void)state;
    struct uuid organization, other = uuid_v7();
    know_two_targets(&organization);
    command(WEIR__COMMAND_KIND__COMMAND_TARGETS,
            (struct str){(const char *)organization.b, sizeof(organization.b)});
    assert_true(answered_ok);
    assert_non_null(strstr(answered_body, "\"provider\":\"p\",\"model\":\"m\",\"credential\":1,"
                                          "\"state\":\"closed\""));
    assert_non_null(strstr(answered_body, "\"latency_ms\":30,"));
    assert_non_null(strstr(answered_body, "\"requests_left\":null"));
    assert_non_null(strstr(answered_body, "\"truncated\":false}"));
    assert_null(strstr(answered_body, "gone"));
    command(WEIR__COMMAND_KIND__COMMAND_TARGETS,
            (struct str){(const char *)other.b, sizeof(other.b)});
    assert_string_equal(answered_body, "{\"targets\":[],\"truncated\":false}");
    command(WEIR__COMMAND_KIND__COMMAND_TARGETS, STR_LIT(""));
    assert_non_null(strstr(answered_body, "\"provider\":\"gone\""));
    command(WEIR__COMMAND_KIND__COMMAND_TARGETS, STR_LIT("short"));
    assert_false(answered_ok);
}

static struct uuid cached(uint8_t n)
{
    struct cache_key k = {.tenant = uuid_v7()};
    struct cache_entry e = {
        .head = STR_LIT("h"), .body = STR_LIT("b"), .stored_ms = 1000, .expires_ms = 100000};
    memset(k.digest, n, sizeof(k.digest));
    assert_true(cache_put(world.policy.cache, &k, &e, 1000));
    return k.tenant;
}

static void only_the_named_workspaces_are_purged(void **state)
{
    (void)state;
    struct uuid list[2] = {cached(1), cached(2)};
    (void)cached(3);
    command(WEIR__COMMAND_KIND__COMMAND_PURGE, (struct str){(const char *)list, sizeof(list)});
    assert_true(answered_ok);
    assert_string_equal(answered_body, "{\"entries\":2}");
    command(WEIR__COMMAND_KIND__COMMAND_PURGE, STR_LIT("no list"));
    assert_false(answered_ok);
    command(WEIR__COMMAND_KIND__COMMAND_PURGE, STR_LIT(""));
    assert_string_equal(answered_body, "{\"entries\":1}");
}

static void other_commands(void **state)
{
    (void)state;
    command(WEIR__COMMAND_KIND__COMMAND_LOG_LEVEL, STR_LIT("error"));
    assert_true(answered_ok);
    assert_false(log_enabled(LOG_WARN));
    command(WEIR__COMMAND_KIND__COMMAND_LOG_LEVEL, STR_LIT("loud"));
    assert_false(answered_ok);
    command(WEIR__COMMAND_KIND__COMMAND_DRAIN, STR_LIT(""));
    assert_true(answered_ok);
    assert_int_equal(atomic_load(&drains), 1);
    command(WEIR__COMMAND_KIND__COMMAND_TEST_PROVIDER, STR_LIT("short"));
    assert_false(answered_ok);
    command(999, STR_LIT(""));
    assert_false(answered_ok);
    assert_string_equal(answered_error, "unsupported");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(a_good_provider_is_ok), T(a_bad_one_says_why),
                                       T(targets_are_told_to_whom_they_belong),
                                       T(only_the_named_workspaces_are_purged), T(other_commands)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
