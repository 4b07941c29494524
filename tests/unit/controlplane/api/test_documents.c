/* Configs and prompts: versions that never change, what points at them, what is refused and where,
 * secrets that are never shown again, references that hold. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_fixture.h"

#define ROUTE "{\"provider\":\"openai\",\"override_params\":{\"model\":\"gpt-5\"}}"
#define ROUTE_2 "{\"provider\":\"anthropic\",\"model\":\"claude\"}"

static char path[256];

/* "/configs/cfg_.../versions": of the ring of `at`, so it is copied. */
static const char *below(const char *collection, const char *id, const char *rest)
{
    snprintf(path, sizeof path, "/%s/%s%s", collection, id, rest);
    return path;
}

static void if_any(void)
{
    snprintf(fx.extra, sizeof fx.extra, "If-Match: *\r\n");
}

static const char *make_config(const char *name, const char *document)
{
    static char id[64];
    struct answer a = call("POST", "/configs", "{\"name\":\"%s\",\"document\":%s}", name, document);
    assert_status(a, 201);
    snprintf(id, sizeof id, "%s", at(&a, "id"));
    return id;
}

static void a_config_is_made_published(void **state)
{
    (void)state;
    struct answer a =
        call("POST", "/configs",
             "{\"name\":\"router\",\"description\":\"d\",\"note\":\"first\",\"document\": { "
             "\"provider\" : \"openai\" ,\"override_params\":{\"model\":\"gpt-5\"} }}");
    assert_status(a, 201);
    assert_true(strncmp(at(&a, "id"), "cfg_", 4) == 0);
    assert_string_equal(at(&a, "published_version"), "1");
    assert_string_equal(at(&a, "latest_version"), "1");
    assert_string_equal(at(&a, "labels"), "{}");
    assert_string_equal(at(&a, "workspace_id"), "null");
    assert_string_equal(header(&a, "etag"), "\"1\"");
    /* its bytes are kept */
    assert_string_equal(at(&a, "document"),
                        "{ \"provider\" : \"openai\" ,\"override_params\":{\"model\":\"gpt-5\"} }");
    char id[64];
    snprintf(id, sizeof id, "%s", at(&a, "id"));
    a = call("GET", below("configs", id, "/versions/1"), NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "note"), "first");
    assert_string_equal(at(&a, "published"), "true");
    assert_true(strncmp(at(&a, "created_by"), "usr_", 4) == 0);
    assert_status(call("GET", below("configs", id, "/versions/2"), NULL), 404);
    assert_status(call("GET", below("configs", id, "/versions/x"), NULL), 404);
    assert_status(call("GET", below("configs", id, "/versions/18446744073709551615"), NULL), 404);
    a = call("POST", "/configs", "{\"name\":\"Router\",\"document\":" ROUTE "}");
    assert_status(a, 409);
    assert_string_equal(at(&a, "error.param"), "name");
    a = call("GET", "/configs?name=router", NULL);
    assert_string_equal(at(&a, "data.0.id"), id);
    assert_string_equal(at(&a, "data.0.document.provider"), "openai");
}

static void versions_follow_and_pointers_move(void **state)
{
    (void)state;
    char id[64];
    snprintf(id, sizeof id, "%s", make_config("moving", ROUTE));
    struct answer a = call("POST", below("configs", id, "/versions"),
                           "{\"document\":" ROUTE_2 ",\"note\":\"second\"}");
    assert_status(a, 201);
    assert_string_equal(at(&a, "number"), "2");
    assert_string_equal(at(&a, "published"), "false"); /* by default it is not */
    a = call("GET", below("configs", id, ""), NULL);
    assert_string_equal(at(&a, "published_version"), "1");
    assert_string_equal(at(&a, "latest_version"), "2");
    assert_string_equal(at(&a, "document.provider"), "openai");
    a = call("POST", below("configs", id, "/publish"), "{\"version\":2}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "document.provider"), "anthropic");
    a = call("POST", below("configs", id, "/versions"),
             "{\"document\":" ROUTE ",\"publish\":true,\"labels\":[\"production\",\"staging\"]}");
    assert_status(a, 201);
    assert_string_equal(at(&a, "published"), "true");
    assert_string_equal(at(&a, "labels.0"), "staging"); /* as the database has them */
    a = call("POST", below("configs", id, "/publish"), "{\"version\":1}"); /* a rollback */
    assert_string_equal(at(&a, "published_version"), "1");
    assert_string_equal(at(&a, "latest_version"), "3");
    a = call("PUT", below("configs", id, "/labels/production"), "{\"version\":2}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "labels.production"), "2");
    assert_string_equal(at(&a, "labels.staging"), "3");
    assert_status(call("DELETE", below("configs", id, "/labels/staging"), NULL), 204);
    assert_status(call("DELETE", below("configs", id, "/labels/staging"), NULL), 404);
    a = call("GET", below("configs", id, "/versions?limit=2"), NULL);
    assert_string_equal(at(&a, "data.0.number"), "3");
    assert_string_equal(at(&a, "data.1.labels.0"), "production");
    char next[300];
    snprintf(next, sizeof next, "/versions?limit=2&cursor=%s", at(&a, "next_cursor"));
    a = call("GET", below("configs", id, next), NULL);
    assert_string_equal(at(&a, "data.0.number"), "1");
    assert_string_equal(at(&a, "data.0.published"), "true");
    assert_string_equal(at(&a, "next_cursor"), "null");
    a = call("GET", "/audit?object_kind=config&limit=200", NULL);
    for (const char *const *s =
             (const char *const[]){"config.create", "config.version", "config.publish",
                                   "config.label", "config.unlabel", NULL};
         *s; s++) {
        assert_non_null(strstr(a.body, *s));
    }
}

static void refuses(const char *method, const char *where, const char *body, int status,
                    const char *param)
{
    struct answer a = call(method, where, "%s", body);
    assert_status(a, status);
    assert_string_equal(at(&a, "error.param"), param);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    char id[64];
    snprintf(id, sizeof id, "%s", make_config("named", ROUTE));
    refuses("POST", "/configs", "{\"name\":\"x\"}", 400, "document");
    refuses("POST", "/configs", "{\"document\":" ROUTE "}", 400, "name");
    refuses("POST", "/configs", "{\"name\":\"a b\",\"document\":" ROUTE "}", 400, "name");
    refuses("POST", "/configs", "{\"name\":\"a@b\",\"document\":" ROUTE "}", 400, "name");
    refuses("POST", "/configs", "{\"name\":\"CFG_x\",\"document\":" ROUTE "}", 400, "name");
    refuses("POST", "/configs",
            "{\"name\":\"x\",\"document\":{\"strategy\":{\"mode\":\"fallback\"},\"targets\":["
            "{\"provider\":\"a\"},{\"provider\":\"b\",\"retry\":{\"attempts\":99}}]}}",
            400, "document.targets[1].retry.attempts");
    refuses("POST", "/configs", "{\"name\":\"x\",\"document\":[1]}", 400, "document");
    refuses("POST", "/configs", "{\"name\":\"x\",\"partial\":true,\"document\":" ROUTE "}", 400,
            "partial");
    refuses("POST", below("configs", id, "/versions"), "{\"document\":{}}", 400, "document");
    refuses("POST", below("configs", id, "/versions"),
            "{\"document\":" ROUTE ",\"labels\":[\"ok\",\"latest\"]}", 400, "labels[1]");
    refuses("POST", below("configs", id, "/versions"), "{\"document\":" ROUTE ",\"number\":7}", 400,
            "number");
    refuses("POST", below("configs", id, "/publish"), "{\"version\":2}", 400, "version");
    refuses("POST", below("configs", id, "/publish"), "{\"version\":0}", 400, "version");
    refuses("PUT", below("configs", id, "/labels/latest"), "{\"version\":1}", 400, "label");
    refuses("PUT", below("configs", id, "/labels/Prod"), "{\"version\":1}", 400, "label");
    refuses("PUT", below("configs", id, "/labels/p"), "{}", 400, "version");
    if_any();
    refuses("PATCH", below("configs", id, ""), "{\"document\":" ROUTE "}", 400, "document");
    if_any();
    refuses("PATCH", below("configs", id, ""), "{\"published_version\":1}", 400,
            "published_version");
    if_any();
    struct answer a = call("PATCH", below("configs", id, ""), "{\"description\":\"new\"}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "description"), "new");
    assert_string_equal(at(&a, "document.provider"), "openai");
    snprintf(fx.extra, sizeof fx.extra, "If-Match: \"1\"\r\n");
    assert_status(call("POST", below("configs", id, "/publish"), "{\"version\":1}"), 412);
    assert_status(call("PUT", below("configs", id, "/labels"), "{\"version\":1}"), 404);
}

static void validating_stores_nothing(void **state)
{
    (void)state;
    struct answer a = call("POST", "/configs/validate", "{\"document\":" ROUTE "}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "valid"), "true");
    assert_string_equal(at(&a, "error"), "null");
    a = call("POST", "/configs/validate",
             "{\"document\":{\"strategy\":{\"mode\":\"fallbak\"},\"targets\":[" ROUTE "]}}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "valid"), "false");
    assert_string_equal(at(&a, "error.param"), "config.strategy.mode");
    assert_true(at(&a, "error.message")[0] != '\0');
    a = call("POST", "/prompts/validate",
             "{\"document\":{\"messages\":[{\"role\":\"user\",\"content\":\"Hi {{name}}\"}]}}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "valid"), "true");
    assert_string_equal(at(&a, "variables.0.name"), "name");
    a = call("POST", "/prompts/validate",
             "{\"document\":{\"messages\":[{\"role\":\"user\",\"content\":\"{{#a}}\"}]}}");
    assert_string_equal(at(&a, "valid"), "false");
    a = call("POST", "/prompts/validate", "{\"partial\":true,\"document\":\"I am {{x}}\"}");
    assert_string_equal(at(&a, "valid"), "true");
    assert_status(call("POST", "/configs/validate", "{}"), 400);
}

#define SECRETS                                                                                 \
    "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{\"provider\":\"openai\",\"api_key\":"  \
    "\"%s\"},{\"provider\":\"bedrock\",\"aws_access_key_id\":\"%s\",\"aws_secret_access_key\":" \
    "\"%s\",\"aws_region\":\"us-east-1\"}]}"

static int64_t count_where(const char *sql)
{
    struct error err = ERROR_INIT;
    struct db_rows *r = NULL;
    struct tx *t = tx_begin(fx.pool, TX_SYSTEM, NULL, &err);
    assert_non_null(t);
    assert_true(tx_exec(t, &r, &err, sql));
    int64_t n = db_i64(r, 0, 0);
    db_rows_free(r);
    tx_rollback(t);
    return n;
}

static void secrets_are_sealed_and_kept_by_their_markers(void **state)
{
    (void)state;
    struct answer a = call("POST", "/configs", "{\"name\":\"sealed\",\"document\":" SECRETS "}",
                           "sk-one-secret", "AKIA-two-secret", "three-secret");
    assert_status(a, 201);
    assert_null(strstr(a.body, "-secret\""));
    assert_string_equal(at(&a, "document.targets.0.api_key"), "weir-secret:1");
    assert_string_equal(at(&a, "document.targets.1.aws_secret_access_key"), "weir-secret:3");
    char id[64];
    snprintf(id, sizeof id, "%s", at(&a, "id"));
    assert_int_equal(count_where("SELECT count(*) FROM config_documents WHERE document LIKE "
                                 "'%-secret\"%' OR encode(secrets, 'escape') LIKE '%one-secret%'"),
                     0);
    assert_int_equal(count_where("SELECT count(*) FROM audit_log WHERE after::text LIKE "
                                 "'%one-secret%'"),
                     0);
    /* a marker keeps its secret, a known secret gets its marker again, a new one a new marker */
    a = call("POST", below("configs", id, "/versions"), "{\"document\":" SECRETS "}",
             "weir-secret:1", "AKIA-two-secret", "four-secret");
    assert_status(a, 201);
    assert_string_equal(at(&a, "document.targets.0.api_key"), "weir-secret:1");
    assert_string_equal(at(&a, "document.targets.1.aws_access_key_id"), "weir-secret:2");
    assert_string_equal(at(&a, "document.targets.1.aws_secret_access_key"), "weir-secret:4");
    /* the third is only in the first version: it is still known */
    a = call("POST", below("configs", id, "/versions"), "{\"document\":" SECRETS "}",
             "weir-secret:1", "weir-secret:2", "weir-secret:3");
    assert_status(a, 201);
    a = call("POST", below("configs", id, "/versions"), "{\"document\":" SECRETS "}",
             "weir-secret:5", "weir-secret:2", "weir-secret:4");
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "document.targets[0].api_key");
    a = call("POST", "/configs", "{\"name\":\"stolen\",\"document\":" SECRETS "}", "weir-secret:1",
             "b", "c"); /* another config's marker means nothing */
    assert_status(a, 400);
    a = call("POST", "/configs", "{\"name\":\"ref\",\"document\":" SECRETS "}", "env:KEY", "b",
             "c");
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "document.targets[0].api_key");
    /* a schema of a tool that has such a parameter is no secret */
    a = call("POST", "/configs",
             "{\"name\":\"tool\",\"document\":{\"provider\":\"openai\",\"override_params\":{"
             "\"tools\":[{\"properties\":{\"service_account\":{\"type\":\"string\"}}}]}}}");
    assert_status(a, 201);
    assert_null(strstr(a.body, "weir-secret"));
    a = call("POST", "/configs",
             "{\"name\":\"file\",\"document\":{\"provider\":\"vertex\",\"service_account\":{"
             "\"type\":\"service_account\",\"private_key\":\"-----BEGIN\"}}}");
    assert_status(a, 201);
    assert_string_equal(at(&a, "document.service_account"), "weir-secret:1");
    assert_null(strstr(a.body, "BEGIN"));
}

/* One config with a secret in a nested target; then the same marker in other surroundings. */
static void kept(const char *id, const char *document, int status)
{
    struct answer a =
        call("POST", below("configs", id, "/versions"), "{\"document\":%s}", document);
    assert_status(a, status);
    if (status == 400) {
        assert_non_null(strstr(at(&a, "error.message"), "must be given again"));
    }
}

static void a_secret_is_kept_only_where_it_was_sent_to(void **state)
{
    (void)state;
    char id[64];
    snprintf(id, sizeof id, "%s",
             make_config("bound",
                         "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{\"provider\":"
                         "\"openai\",\"api_key\":\"sk-bound\"},{\"provider\":\"groq\"}]}"));
#define BOUND(root, target, other)                                                 \
    "{" root "\"strategy\":{\"mode\":\"fallback\"},\"targets\":[" other "{" target \
    "\"api_key\":\"weir-secret:1\"}]}"
    kept(id, BOUND("", "\"provider\":\"openai\",", ""), 201);
    kept(id, BOUND("", "\"weight\":2,\"provider\":\"openai\",", "{\"provider\":\"xai\"},"), 201);
    kept(id, BOUND("\"retry\":{\"attempts\":1},", "\"provider\":\"openai\",\"model\":\"m\",", ""),
         201);
    kept(id, BOUND("", "\"provider\":\"@mine\",", ""), 400);
    kept(id, BOUND("", "\"virtual_key\":\"openai\",", ""), 400);
    kept(id, BOUND("", "\"provider\":\"openai\",\"custom_host\":\"https://evil.example\",", ""),
         400);
    kept(id, BOUND("\"custom_host\":\"https://evil.example\",", "\"provider\":\"openai\",", ""),
         400);
    kept(id, BOUND("", "\"targets\":[{\"provider\":\"@mine\"}],\"provider\":\"openai\",", ""), 400);
    kept(id, "{\"provider\":\"openai\",\"api_key\":\"weir-secret:1\"}", 201);
    kept(id, "{\"provider\":\"@mine\",\"api_key\":\"weir-secret:1\"}", 400);
    kept(id, "{\"provider\":\"@mine\",\"override_params\":{\"api_key\":\"weir-secret:1\"}}", 400);
    /* whoever knows it may send it anywhere */
    kept(id, "{\"provider\":\"@mine\",\"api_key\":\"sk-bound\"}", 201);
    kept(id, "{\"provider\":\"@mine\",\"api_key\":\"weir-secret:1\"}", 201);
}

static void keys_and_models_refer_to_what_is_there(void **state)
{
    (void)state;
    char id[64], key[64];
    snprintf(id, sizeof id, "%s", make_config("referred", ROUTE));
    call("PUT", below("configs", id, "/labels/prod"), "{\"version\":1}");
    refuses("POST", "/keys", "{\"name\":\"k\",\"config\":\"nothing\"}", 400, "config");
    refuses("POST", "/keys", "{\"name\":\"k\",\"config\":\"referred@2\"}", 400, "config");
    refuses("POST", "/keys", "{\"name\":\"k\",\"config\":\"referred@test\"}", 400, "config");
    refuses("POST", "/keys", "{\"name\":\"k\",\"config\":\"@\"}", 400, "config");
    refuses("POST", "/keys", "{\"name\":\"k\",\"config\":{}}", 400, "config");
    refuses("POST", "/keys", "{\"name\":\"k\",\"tags\":[\"a\",\"\"]}", 400, "tags[1]");
    refuses("POST", "/models",
            "{\"name\":\"m\",\"config\":\"cfg_00000000000000000000000000000001\"}", 400, "config");
    refuses("POST", "/models", "{\"name\":\"m\"}", 400, "targets");
    refuses("POST", "/models", "{\"name\":\"m\",\"targets\":[]}", 400, "targets");
    struct answer a = call("POST", "/keys",
                           "{\"name\":\"k\",\"config\":\"referred@prod\",\"config_locked\":true,"
                           "\"tags\":[\"team a\",\"b\"]}");
    assert_status(a, 201);
    assert_string_equal(at(&a, "config"), "referred@prod");
    assert_string_equal(at(&a, "config_locked"), "true");
    assert_string_equal(at(&a, "tags.0"), "team a");
    snprintf(key, sizeof key, "%s", at(&a, "id"));
    a = call("POST", "/keys", "{\"name\":\"plain\"}");
    assert_string_equal(at(&a, "config"), "null");
    assert_string_equal(at(&a, "tags"), "[]");
    /* what is referred to stays, under its name */
    a = call("DELETE", below("configs", id, ""), NULL);
    assert_status(a, 409);
    assert_non_null(strstr(at(&a, "error.message"), "key \"k\""));
    assert_status(call("DELETE", below("configs", id, "/labels/prod"), NULL), 409);
    if_any();
    assert_status(call("PATCH", below("configs", id, ""), "{\"name\":\"other\"}"), 409);
    if_any();
    a = call("PATCH", below("keys", key, ""), "{\"config\":null}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "config"), "null");
    a = call("POST", "/models", "{\"name\":\"by-config\",\"config\":\"%s@latest\"}", id);
    assert_status(a, 201);
    assert_string_equal(at(&a, "targets"), "[]");
    char model[64];
    snprintf(model, sizeof model, "%s", at(&a, "id"));
    a = call("DELETE", below("configs", id, ""), NULL);
    assert_status(a, 409);
    assert_non_null(strstr(at(&a, "error.message"), "model \"by-config\""));
    if_any();
    refuses("PATCH", below("models", model, ""), "{\"config\":null}", 400, "targets");
    assert_status(call("DELETE", below("models", model, ""), NULL), 204);
    assert_status(call("DELETE", below("configs", id, ""), NULL), 204);
    assert_status(call("GET", below("configs", id, ""), NULL), 404);
}

static void a_draft_is_nothing_to_refer_to(void **state)
{
    (void)state;
    struct answer a =
        call("POST", "/configs", "{\"name\":\"draft\",\"publish\":false,\"document\":" ROUTE "}");
    assert_status(a, 201);
    assert_string_equal(at(&a, "published_version"), "0");
    assert_string_equal(at(&a, "document.provider"),
                        "openai"); /* the newest, as there is no other */
    refuses("POST", "/keys", "{\"name\":\"d\",\"config\":\"draft\"}", 400, "config");
    assert_status(call("POST", "/keys", "{\"name\":\"d\",\"config\":\"draft@1\"}"), 201);
}

static void prompts_and_partials(void **state)
{
    (void)state;
    struct answer a = call("POST", "/prompts",
                           "{\"name\":\"greet\",\"document\":{\"messages\":[{\"role\":\"user\","
                           "\"content\":\"Hi {{n}}, "
                           "{{> tone}}\"}]}}");
    assert_status(a, 201);
    assert_true(strncmp(at(&a, "id"), "prm_", 4) == 0);
    assert_string_equal(at(&a, "partial"), "false");
    a = call("POST", "/prompts",
             "{\"name\":\"tone\",\"partial\":true,\"document\":\"be \\u00e9 {{kind}}\"}");
    assert_status(a, 201);
    char id[64];
    snprintf(id, sizeof id, "%s", at(&a, "id"));
    a = call("POST", below("prompts", id, "/versions"),
             "{\"document\":{\"text\":\"be brief\"},\"publish\":true}");
    assert_status(a, 201);
    refuses("POST", below("prompts", id, "/versions"), "{\"document\":{\"text\":\"{{#x}}\"}}", 400,
            "document.text");
    refuses("POST", "/prompts", "{\"name\":\"p\",\"document\":\"text\"}", 400, "document");
    if_any();
    refuses("PATCH", below("prompts", id, ""), "{\"partial\":false}", 400, "partial");
}

static void versions_cannot_be_rewritten_by_the_service(void **state)
{
    static const char *const sql[] = {"UPDATE config_documents SET document = '{}'",
                                      "DELETE FROM prompt_documents"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct error err = ERROR_INIT;
        struct tx *t = tx_begin(fx.pool, TX_SYSTEM, NULL, &err);
        assert_non_null(t);
        assert_false(tx_exec(t, NULL, &err, sql[i]));
        assert_non_null(strstr(error_text(&err), "permission denied"));
        tx_rollback(t);
    }
}

static void another_tenant_finds_none_of_it(void **state)
{
    (void)state;
    char id[64];
    struct answer a = call("GET", "/configs?name=router", NULL);
    snprintf(id, sizeof id, "%s", at(&a, "data.0.id"));
    assert_status(call("POST", "/organizations", "{\"name\":\"other\"}"), 201);
    snprintf(fx.organization, sizeof fx.organization, "other");
    assert_status(call("POST", "/workspaces", "{\"name\":\"main\"}"), 201);
    assert_status(call("GET", below("configs", id, ""), NULL), 404);
    assert_status(call("GET", below("configs", id, "/versions"), NULL), 404);
    assert_status(call("GET", below("configs", id, "/versions/1"), NULL), 404);
    assert_status(call("POST", below("configs", id, "/versions"), "{\"document\":" ROUTE "}"), 404);
    assert_status(call("POST", below("configs", id, "/publish"), "{\"version\":1}"), 404);
    assert_status(call("PUT", below("configs", id, "/labels/x"), "{\"version\":1}"), 404);
    assert_status(call("DELETE", below("configs", id, ""), NULL), 404);
    refuses("POST", "/keys", "{\"name\":\"k\",\"config\":\"router\"}", 400, "config");
    a = call("POST", "/keys", "{\"name\":\"k\",\"config\":\"%s\"}", id);
    assert_status(a, 400);
    a = call("GET", "/configs", NULL);
    assert_string_equal(at(&a, "data"), "[]");
    snprintf(fx.organization, sizeof fx.organization, "acme");
}

#define FILE_DOCUMENT                                                                             \
    "\"version\":1,\"configs\":[{\"name\":\"filed\",\"labels\":[\"prod\"],\"document\":{"         \
    "\"provider\":\"openai\",\"api_key\":\"sk-filed-secret\"}}],\"prompts\":[{\"name\":\"part\"," \
    "\"partial\":true,\"document\":\"x {{y}}\"}],\"models\":[{\"name\":\"via\",\"config\":"       \
    "\"filed\",\"targets\":[]}],\"keys\":[{\"name\":\"filekey\",\"config\":\"filed@prod\","       \
    "\"config_locked\":true,\"tags\":[\"t\"]}]"

static void a_file_says_what_is_in_force(void **state)
{
    (void)state;
    static char first[1 << 16];
    struct answer a = call("POST", "/apply", "{" FILE_DOCUMENT "}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "configs.created.0"), "filed");
    assert_string_equal(at(&a, "prompts.created.0"), "part");
    a = call("POST", "/apply", "{" FILE_DOCUMENT "}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "configs.unchanged.0"), "filed");
    assert_string_equal(at(&a, "prompts.unchanged.0"), "part");
    assert_string_equal(at(&a, "models.unchanged.0"), "via");
    assert_string_equal(at(&a, "keys.unchanged.0"), "filekey");
    a = call("GET", "/configs?name=filed", NULL);
    assert_string_equal(at(&a, "data.0.latest_version"), "1");
    assert_string_equal(at(&a, "data.0.labels.prod"), "1");
    assert_string_equal(at(&a, "data.0.owned_by"), "file");
    char id[64];
    snprintf(id, sizeof id, "%s", at(&a, "data.0.id"));
    a = call("POST", below("configs", id, "/publish"), "{\"version\":1}");
    assert_status(a, 409);
    assert_string_equal(at(&a, "error.param"), "owned_by");
    /* another document is the next version, in force at once */
    a = call("POST", "/apply",
             "{\"version\":1,\"configs\":[{\"name\":\"filed\",\"document\":" ROUTE_2 "}]}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "configs.updated.0"), "filed");
    a = call("GET", below("configs", id, ""), NULL);
    assert_string_equal(at(&a, "published_version"), "2");
    assert_string_equal(at(&a, "labels.prod"), "1"); /* stays where it was */
    /* and what stood before is found again */
    a = call("POST", "/apply", "{" FILE_DOCUMENT "}");
    assert_string_equal(at(&a, "configs.updated.0"), "filed");
    refuses("POST", "/apply",
            "{\"version\":1,\"configs\":[{\"name\":\"ok\",\"document\":" ROUTE "},"
            "{\"name\":\"bad\",\"document\":{\"targets\":[{\"provider\":\"a\",\"wieght\":1}]}}]}",
            400, "configs[1].document.targets[0].wieght");
    a = call("GET", "/export", NULL);
    assert_status(a, 200);
    assert_non_null(strstr(a.body, "\"api_key\":\"weir-secret:1\""));
    assert_null(strstr(a.body, "sk-filed-secret"));
    assert_null(strstr(a.body, "\"draft\",")); /* was never published */
    snprintf(first, sizeof first, "%s", a.body);
    a = call("POST", "/apply", "%s", first);
    assert_status(a, 200);
    assert_string_equal(at(&a, "prompts.updated.0"), "greet"); /* the file's from now on */
    a = call("GET", "/export", NULL);
    assert_string_equal(first, a.body);
    a = call("POST", "/apply", "%s", first);
    assert_string_equal(at(&a, "configs.updated"), "[]");
    assert_string_equal(at(&a, "keys.updated"), "[]");
    assert_string_equal(at(&a, "models.updated"), "[]");
    /* users go before what they use */
    a = call("POST", "/apply",
             "{\"version\":1,\"configs\":[],\"prompts\":[],\"models\":[],\"keys\":[],"
             "\"prune\":true}");
    assert_status(a, 200);
    assert_non_null(strstr(at(&a, "configs.deleted"), "filed"));
    assert_string_equal(at(&a, "prompts.unchanged"), "[]");
}

static void drafts_are_a_developers_and_publishing_is_not(void **state)
{
    (void)state;
    char user[64], shared[64], id[64];
    snprintf(shared, sizeof shared, "%s", make_config("everybodys", ROUTE));
    assert_status(call("POST", "/memberships",
                       "{\"email\":\"dev@acme.example\",\"role\":\"developer\",\"workspace\":"
                       "\"main\"}"),
                  201);
    struct answer a = call("GET", "/users?email=dev@acme.example", NULL);
    snprintf(user, sizeof user, "%s", at(&a, "data.0.id"));
    if_any();
    assert_status(call("PATCH", below("users", user, ""), "{\"password\":\"a long password\"}"),
                  200);
    fx.organization[0] = '\0';
    assert_status(sign_in("dev@acme.example", "a long password"), 201);
    a = call("POST", "/configs", "{\"name\":\"mine\",\"document\":" ROUTE "}");
    assert_status(a, 403); /* it would be published */
    assert_non_null(strstr(at(&a, "error.message"), "config.publish"));
    a = call("POST", "/configs", "{\"name\":\"mine\",\"publish\":false,\"document\":" ROUTE "}");
    assert_status(a, 201);
    assert_true(strncmp(at(&a, "workspace_id"), "ws_", 3) == 0);
    snprintf(id, sizeof id, "%s", at(&a, "id"));
    assert_status(call("POST", below("configs", id, "/versions"), "{\"document\":" ROUTE_2 "}"),
                  201);
    assert_status(call("POST", below("configs", id, "/versions"),
                       "{\"document\":" ROUTE_2 ",\"labels\":[\"x\"]}"),
                  403);
    assert_status(call("POST", below("configs", id, "/publish"), "{\"version\":1}"), 403);
    assert_status(call("PUT", below("configs", id, "/labels/x"), "{\"version\":1}"), 403);
    /* what is shared is seen, and somebody else's to change */
    assert_status(call("GET", below("configs", shared, ""), NULL), 200);
    assert_status(call("POST", below("configs", shared, "/versions"), "{\"document\":" ROUTE "}"),
                  403);
}

static int setup(void **state)
{
    bool ok = fixture_setup(state) == 0 && sign_in(ADMIN_EMAIL, ADMIN_PASSWORD).status == 201 &&
              call("POST", "/organizations", "{\"name\":\"acme\"}").status == 201 &&
              call("POST", "/workspaces", "{\"name\":\"main\"}").status == 201;
    return ok ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_is_made_published),
        cmocka_unit_test(versions_follow_and_pointers_move),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(validating_stores_nothing),
        cmocka_unit_test(secrets_are_sealed_and_kept_by_their_markers),
        cmocka_unit_test(a_secret_is_kept_only_where_it_was_sent_to),
        cmocka_unit_test(keys_and_models_refer_to_what_is_there),
        cmocka_unit_test(a_draft_is_nothing_to_refer_to),
        cmocka_unit_test(prompts_and_partials),
        cmocka_unit_test(versions_cannot_be_rewritten_by_the_service),
        cmocka_unit_test(another_tenant_finds_none_of_it),
        cmocka_unit_test(a_file_says_what_is_in_force),
        cmocka_unit_test(drafts_are_a_developers_and_publishing_is_not),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
