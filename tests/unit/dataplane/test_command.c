/* command.c: what the control plane may ask of a proxy, and how each answer looks. */
#include "dataplane/real_world.h"

#include "common/log.h"
#include "dataplane/command.h"
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
    commands = commands_new(NULL);
    atomic_store(&answers, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    worker_stop(world.worker);
    commands_free(commands);
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
                                       T(other_commands)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
