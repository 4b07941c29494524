/* What LiteLLM's router is told: strategy, retries, cooldowns, cache; and a note for everything
 * else that the file holds. */
#include "cli/import_litellm.h"

#include <stdio.h>

#include "cli/json_tree.h"
#include "common/yaml.h"

#define STATUSES_ROOM 4096

static const char *text_of(const struct yaml_node *n)
{
    return n && n->kind == YAML_SCALAR && n->text.ptr ? n->text.ptr : "";
}

static bool is_true(const struct yaml_node *n)
{
    bool b = false;
    return n && ((yaml_bool(n, &b) && b) || strcmp(text_of(n), "True") == 0);
}

/* A number of seconds, or of times, in thousandths. */
static bool number(const struct litellm *l, const char *name, int64_t *ret_milli)
{
    const char *path;
    struct json_value v;
    struct str text = str_of(text_of(litellm_setting(l, name, &path)));
    return text.len && json_validate(text, 1, &v, NULL) && v.type == JSON_NUMBER &&
           json_decimal(v, 3, ret_milli) && *ret_milli >= 0;
}

static void read_strategy(struct litellm *l)
{
    static const struct {
        const char *theirs, *ours, *note;
    } modes[] = {
        {"simple-shuffle", "weighted", NULL},
        {"least-busy", "least_busy", NULL},
        {"latency-based-routing", "least_latency", NULL},
        {"cost-based-routing", "least_cost", NULL},
        {"usage-based-routing", "least_busy",
         "taken as least_busy: limits of providers are learned "
         "from their answers instead"},
        {"usage-based-routing-v2", "least_busy",
         "taken as least_busy: limits of providers are learned from their answers instead"},
    };
    const char *path = "";
    const struct yaml_node *n = litellm_setting(l, "routing_strategy", &path);
    l->mode = "weighted";
    for (size_t i = 0; n && i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(text_of(n), modes[i].theirs) == 0) {
            l->mode = modes[i].ours;
            if (modes[i].note) {
                import_note(l->im, IMPORT_APPROXIMATE, path, "%s", modes[i].note);
            }
            return;
        }
    }
    if (n) {
        import_note(l->im, IMPORT_NOT_MAPPED, path,
                    "strategy \"%.60s\" is not known; weighted is "
                    "taken",
                    text_of(n));
    }
}

/* retry_policy: {"TimeoutErrorRetries": 2, …}: the statuses with a number above 0, and the largest
 * number. */
static void read_retry_policy(struct litellm *l)
{
    static const struct {
        const char *name;
        unsigned status;
    } errors[] = {{"BadRequestErrorRetries", 400},
                  {"AuthenticationErrorRetries", 401},
                  {"NotFoundErrorRetries", 404},
                  {"TimeoutErrorRetries", 408},
                  {"RateLimitErrorRetries", 429},
                  {"InternalServerErrorRetries", 500},
                  {"ServiceUnavailableErrorRetries", 503},
                  {"DefaultRetries", 0},
                  {"ContentPolicyViolationErrorRetries", 0}};
    const char *path;
    const struct yaml_node *map = litellm_setting(l, "retry_policy", &path);
    struct json_writer w;
    struct buffer b;
    int64_t most = -1, v;
    bool differ = false, any = false;
    if (!map || map->kind != YAML_MAP) {
        return;
    }
    buffer_init(&b, STATUSES_ROOM);
    json_writer_init(&w, &b);
    json_array_begin(&w);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (!json_tree_milli(map, errors[i].name, &v)) {
            continue;
        }
        if (errors[i].status == 0) {
            struct str at = arena_printf(l->im->arena, "%s.%s", path, errors[i].name);
            import_note(l->im, IMPORT_NOT_MAPPED, at.ptr ? at.ptr : path,
                        "retries are told by status only");
            continue;
        }
        v /= 1000;
        differ = differ || (most >= 0 && v > 0 && v != most);
        most = v > most ? v : most;
        if (v > 0) {
            json_put_u64(&w, errors[i].status);
            any = true;
        }
    }
    json_array_end(&w);
    if (any) {
        l->statuses_json = arena_str(l->im->arena, buffer_str(&b));
        l->retries = most;
    }
    buffer_release(&b);
    if (differ) {
        import_note(l->im, IMPORT_APPROXIMATE, path,
                    "one number of retries holds for all statuses: the largest, %lld",
                    (long long)most);
    }
    import_note_rest(l->im, map, path,
                     "BadRequestErrorRetries AuthenticationErrorRetries NotFoundErrorRetries "
                     "TimeoutErrorRetries RateLimitErrorRetries InternalServerErrorRetries "
                     "ServiceUnavailableErrorRetries DefaultRetries "
                     "ContentPolicyViolationErrorRetries");
}

static void read_retries(struct litellm *l)
{
    const char *path = "";
    int64_t v;
    l->retries = number(l, "num_retries", &v) ? v / 1000 : -1;
    if (number(l, "retry_after", &v) && v > 0) {
        l->retry_after_ms = (uint64_t)v;
        (void)litellm_setting(l, "retry_after", &path);
        import_note(l->im, IMPORT_APPROXIMATE, path,
                    "taken as base_ms: the wait is random below it and its doubles, not at least "
                    "so long");
    }
    read_retry_policy(l);
}

static void read_cooldowns(struct litellm *l)
{
    const char *path = "";
    int64_t v;
    l->breaker_off = is_true(litellm_setting(l, "disable_cooldowns", &path));
    if (number(l, "allowed_fails", &v)) {
        l->threshold = (uint64_t)(v / 1000) + 1;
    }
    if (number(l, "cooldown_time", &v)) {
        l->cooldown_ms = (uint64_t)v;
    }
}

static void read_timeout(struct litellm *l)
{
    const char *path = "";
    int64_t v;
    const char *name = litellm_setting(l, "timeout", &path) ? "timeout" : "request_timeout";
    if (number(l, name, &v) && v > 0) {
        l->timeout_ms = (uint64_t)v;
        (void)litellm_setting(l, name, &path);
        import_note(l->im, IMPORT_APPROXIMATE, path,
                    "taken as request_timeout: it bounds the time to the first byte, not to the "
                    "last");
    }
}

/* cache: true with cache_params. */
static void read_cache(struct litellm *l)
{
    const char *path = "", *params_path = "litellm_settings.cache_params";
    const struct yaml_node *params = litellm_setting(l, "cache_params", &params_path);
    const char *type = json_tree_text(params, "type"), *space = json_tree_text(params, "namespace");
    int64_t ttl = 0;
    if (!is_true(litellm_setting(l, "cache", &path))) {
        return;
    }
    if (strstr(type, "semantic")) {
        import_note(l->im, IMPORT_NOT_MAPPED, params_path, "semantic caching is not there yet");
        return;
    }
    if (strcmp(json_tree_text(params, "mode"), "default_off") == 0) {
        import_note(l->im, IMPORT_NOT_MAPPED, params_path,
                    "a cache that requests switch on: x-weir-cache-ttl does so without a config");
        return;
    }
    if (*type && strcmp(type, "local") != 0) {
        import_note(l->im, IMPORT_TO_DO, params_path,
                    "where answers are kept (%.40s) is an option of weir-proxy: docs/caching.md",
                    type);
    }
    (void)json_tree_milli(params, "ttl", &ttl);
    uint64_t seconds = ttl > 0 ? (uint64_t)(ttl + 999) / 1000 : 0;
    struct json_writer w;
    struct buffer b;
    buffer_init(&b, STATUSES_ROOM);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "mode", "simple");
    if (seconds) {
        json_field_u64(&w, "max_age", seconds);
    }
    if (*space) {
        json_field_z(&w, "namespace", space);
    }
    json_object_end(&w);
    l->cache_json = b.failed ? STR_NONE : arena_str(l->im->arena, buffer_str(&b));
    buffer_release(&b);
    import_note_rest(l->im, params, params_path, "type ttl namespace host port password mode");
}

void litellm_read_settings(struct litellm *l)
{
    const char *path = "";
    read_strategy(l);
    read_retries(l);
    read_cooldowns(l);
    read_timeout(l);
    read_cache(l);
    l->by_tags = is_true(litellm_setting(l, "enable_tag_filtering", &path));
}

/* Fallbacks of what is no group: LiteLLM takes ids of deployments there, too. */
static void note_fallbacks(struct litellm *l)
{
    static const char *const lists[] = {"fallbacks", "context_window_fallbacks",
                                        "content_policy_fallbacks"};
    for (size_t s = 0; s < sizeof lists / sizeof *lists; s++) {
        const char *path = "";
        const struct yaml_node *list = litellm_setting(l, lists[s], &path);
        for (size_t i = 0; list && list->kind == YAML_SEQ && i < list->n; i++) {
            const struct yaml_node *map = list->items[i];
            for (size_t k = 0; map->kind == YAML_MAP && k < map->n; k++) {
                const char *name = map->names[k]->text.ptr;
                struct str at = arena_printf(l->im->arena, "%s[%zu].%s", path, i, name);
                if (strcmp(name, "*") != 0 && !litellm_group_named(l, name)) {
                    import_note(l->im, IMPORT_NOT_MAPPED, at.ptr ? at.ptr : path,
                                "no model is named \"%.100s\"", name);
                }
            }
        }
    }
}

void litellm_note_settings(struct litellm *l)
{
    static const char *const known =
        "routing_strategy num_retries retry_after retry_policy allowed_fails cooldown_time "
        "disable_cooldowns timeout request_timeout fallbacks default_fallbacks "
        "context_window_fallbacks content_policy_fallbacks model_group_alias enable_tag_filtering "
        "cache cache_params";
    const struct yaml_node *general = json_tree_map(l->root, "general_settings");
    const struct yaml_node *settings = json_tree_map(l->root, "litellm_settings");
    struct str with_drop = arena_printf(l->im->arena, "%s drop_params", known);
    import_note_rest(l->im, json_tree_map(l->root, "router_settings"), "router_settings", known);
    import_note_rest(l->im, settings, "litellm_settings", with_drop.ptr ? with_drop.ptr : known);
    if (settings && yaml_get(settings, "drop_params")) {
        import_note(l->im, IMPORT_APPROXIMATE, "litellm_settings.drop_params",
                    "parameters that a provider does not take are always left out, and named in "
                    "x-weir-dropped-params");
    }
    note_fallbacks(l);
    if (general && yaml_get(general, "master_key")) {
        import_note(l->im, IMPORT_TO_DO, "general_settings.master_key",
                    "make a virtual key (weir key create), or sign in with your own token");
    }
    import_note_rest(l->im, general, "general_settings", "master_key");
    import_note_rest(l->im, l->root, "",
                     "model_list router_settings litellm_settings general_settings "
                     "credential_list");
}
