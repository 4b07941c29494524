/* Whom a budget or limit binds: each kind of scope, by value, by pattern and "each"; and what a
 * request is taken to name. Asked through what the events charge. */
#include "dataplane/request/life_rig.h"

#include "dataplane/quota_world.h"
#include "dataplane/stages/governed.h"

#define BUDGET(name, scopes) \
    "  - {name: " name ", scopes: [" scopes "], metric: requests, amount: 1000, window: total}\n"
#define YAML                                                                                       \
    PROVIDERS                                                                                      \
    "models:\n"                                                                                    \
    "  - {name: fast, targets: [{provider: a, model: m-a}]}\n"                                     \
    "keys:\n"                                                                                      \
    "  - {name: dev, secret: dev-secret, tags: [red, red], metadata: {dept: it, floor: 2}}\n"      \
    "  - {name: other, secret: other-secret}\n"                                                    \
    "budgets:\n" BUDGET("org", "") BUDGET("k", "{kind: key, value: dev}") BUDGET(                  \
        "user", "{kind: end_user, value: ann}") BUDGET("users", "{kind: end_user, value: \"*\"}")  \
        BUDGET("model", "{kind: model, value: \"m-*\"}") BUDGET("alias",                           \
                                                                "{kind: model, value: fast}")      \
            BUDGET("full", "{kind: model, value: \"a/m-a\"}")                                      \
                BUDGET("models", "{kind: model, value: \"*\"}") BUDGET(                            \
                    "prov", "{kind: provider, value: a}") BUDGET("tag", "{kind: tag, value: red}") \
                    BUDGET("tags", "{kind: tag, value: \"*\"}") BUDGET(                            \
                        "dept", "{kind: metadata, name: dept, value: it}")                         \
                        BUDGET("floors", "{kind: metadata, name: floor, value: \"*\"}") BUDGET(    \
                            "both", "{kind: end_user, value: \"*\"}, {kind: tag, value: \"*\"}")
#define CATALOGUE "{\"format\":1,\"version\":\"test\",\"models\":[]}"

/* "name=bucket;" of each account that the last event charged, by name. */
static char charged[4096];

static void note(bool open, struct str record)
{
    books_record(open, record);
    Weir__Event *e =
        open ? NULL : weir__event__unpack(NULL, record.len, (const uint8_t *)record.ptr);
    struct snapshot *root = swap_current(world.hub);
    charged[0] = '\0';
    for (size_t i = 0; e && i < e->n_charges; i++) {
        const struct snap_quota *q =
            snapshot_quota(root, (const struct uuid *)(const void *)e->charges[i]->quota_id.data);
        size_t n = strlen(charged);
        assert_int_equal(e->charges[i]->amount, 1);
        (void)snprintf(charged + n, sizeof(charged) - n, "%.*s=%s;", STR_ARG(q->name),
                       e->charges[i]->bucket);
    }
    snapshot_unref(root);
    if (e) {
        weir__event__free_unpacked(e, NULL);
    }
}

static int begin(void **state)
{
    (void)state;
    world_begin(PROVIDERS REST);
    books_begin(YAML, CATALOGUE);
    world.on_record = note;
    return 0;
}

static int end(void **state)
{
    (void)state;
    books_add_up();
    world_end();
    books_end();
    return 0;
}

static void ask(const char *key, const char *model, const char *headers, const char *more)
{
    char head[4096], body[4096];
    (void)snprintf(head, sizeof(head), "Authorization: Bearer %s-secret\n%s", key, headers);
    (void)snprintf(body, sizeof(body), "{\"model\":\"%s\",\"messages\":[]%s}", model, more);
    world_request("POST", CHAT, head, body);
    books_pump();
    assert_false(world.x.ended);
    upstream_head(200, "application/json", -1);
    upstream_data(ANSWER);
    upstream_end();
    assert_int_equal(world.n_events, 1);
    world_end_turn();
}

static bool is_charged(const char *text)
{
    return strstr(charged, text) != NULL;
}

static void scopes_bind_whom_they_name(void **state)
{
    (void)state;
    ask("dev", "fast", "x-weir-end-user: ann\n", "");
    static const char *const bound[] = {
        "org=;",       "k=;",    "user=;", "users=ann;", "model=;", "alias=;",  "full=;",
        "models=m-a;", "prov=;", "tag=;",  "tags=red;",  "dept=;",  "floors=2;"};
    for (size_t i = 0; i < sizeof(bound) / sizeof(bound[0]); i++) {
        if (!is_charged(bound[i])) {
            fail_msg("no %s in %s", bound[i], charged);
        }
    }
    assert_true(is_charged("both=ann\x1fred;"));
    ask("other", "b/x", "", "");
    assert_true(is_charged("org=;") && is_charged("models=x;"));
    static const char *const free[] = {"k=",    "user", "users=", "model=", "alias=",  "full=",
                                       "prov=", "tag=", "tags=",  "dept=",  "floors=", "both="};
    for (size_t i = 0; i < sizeof(free) / sizeof(free[0]); i++) {
        assert_false(is_charged(free[i]));
    }
}

static void what_a_request_names(void **state)
{
    (void)state;
    ask("other", "b/x", "", ",\"user\":\"bob\"");
    assert_true(is_charged("users=bob;") && !is_charged("user=;"));
    ask("other", "b/x", "x-weir-end-user: ann\n", ",\"user\":\"bob\"");
    assert_true(is_charged("users=ann;") && is_charged("user=;"));
    ask("other", "b/x", "x-weir-metadata: {\"_user\":\"eve\",\"floor\":7}\n", "");
    assert_true(is_charged("users=eve;") && is_charged("floors=7;"));
    ask("other", "b/x", "", ",\"metadata\":{\"floor\":\"8\",\"dept\":null}");
    assert_true(is_charged("floors=8;") && !is_charged("dept="));
    /* the request's members over the key's */
    ask("dev", "b/x", "x-weir-metadata: {\"dept\":\"hr\"}\n", "");
    assert_true(is_charged("floors=2;") && !is_charged("dept="));
    assert_true(event_has("hr") && event_has("floor"));
}

/* Each tag once, however often it is said, by whomever. */
static void tags_count_once(void **state)
{
    (void)state;
    ask("dev", "b/x", "x-weir-tags: red, blue,, blue ,red\n", "");
    const char *first = strstr(charged, "tags=red;");
    assert_non_null(first);
    assert_null(strstr(first + 1, "tags=red;"));
    assert_true(is_charged("tags=blue;"));
}

/* Nobody gets out of "each" by a name that is long or odd. */
static void odd_names_have_accounts(void **state)
{
    char long_name[600], header[700], first[128];
    (void)state;
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    (void)snprintf(header, sizeof(header), "x-weir-end-user: %s\n", long_name);
    ask("other", "b/x", header, "");
    const char *at = strstr(charged, "users=sha256:");
    assert_non_null(at);
    (void)snprintf(first, sizeof(first), "%.80s", at);
    ask("other", "b/x", header, "");
    assert_true(is_charged(first));
    ask("other", "b/x", "", ",\"user\":\"a\\u0001b\"");
    assert_true(is_charged("users=sha256:") && !is_charged(first));
}

#define B_(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        B_(scopes_bind_whom_they_name),
        B_(what_a_request_names),
        B_(tags_count_once),
        B_(odd_names_have_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
