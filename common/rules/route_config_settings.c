/* See route_config_inside.h: what holds for a node and all below it. */
#include "common/rules/route_config_inside.h"

#define NAME(s)            \
    {                      \
        (s), sizeof(s) - 1 \
    }
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define DAY_MS 86400000u
#define NINETY_DAYS_S (90u * 86400u)

static const uint16_t retry_statuses[] = {429, 500, 502, 503, 504};

const struct route_settings route_settings_default = {.strict_openai = true};

/* ---- retry ---- */

static bool retry_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                       struct route_retry *ret)
{
    enum {
        ATTEMPTS,
        STATUSES,
        USE_HEADER,
        USE_HEADERS, /* as Portkey's documents have it; its schema has the other */
        BASE,
        MOST,
        MAX_WAIT,
        TOTAL,
        PERCENT,
        MINIMUM
    };
    static const struct str names[] = {
        NAME("attempts"),
        NAME("on_status_codes"),
        NAME("use_retry_after_header"),
        NAME("use_retry_after_headers"),
        NAME("base_ms"),
        NAME("max_ms"),
        NAME("max_wait_ms"),
        NAME("total_ms"),
        NAME("budget_percent"),
        NAME("budget_min"),
    };
    struct json_value m[COUNT(names)];
    struct route_retry r = {
        .set = true,
        .on = {ROUTE_FAIL_STATUS | ROUTE_FAIL_CONNECTION | ROUTE_FAIL_TIMEOUT,
               {retry_statuses, COUNT(retry_statuses)}},
        .base_ms = 250,
        .max_ms = 8000,
        .max_wait_ms = 60000,
        .budget_percent = 20,
        .budget_min = 3,
    };
    if (!route_object(c, at, v, names, COUNT(names), m)) {
        return false;
    }
    if (!route_has(m[ATTEMPTS])) {
        return route_fail(c, ROUTE_AT(at, "attempts"), &v, ERR_INVALID_FIELD,
                          "missing member \"attempts\"");
    }
    if (route_has(m[STATUSES])) {
        if (!route_statuses_read(c, ROUTE_AT(at, "on_status_codes"), m[STATUSES], &r.on.statuses)) {
            return false;
        }
        r.on.kinds = route_status_kinds(r.on.statuses);
    }
    bool ok = route_unsigned(c, ROUTE_AT(at, "attempts"), m[ATTEMPTS], 0, 10, &r.attempts) &&
              (!route_has(m[USE_HEADER]) || route_bool(c, ROUTE_AT(at, "use_retry_after_header"),
                                                       m[USE_HEADER], &r.use_retry_after)) &&
              (!route_has(m[USE_HEADERS]) || route_bool(c, ROUTE_AT(at, "use_retry_after_headers"),
                                                        m[USE_HEADERS], &r.use_retry_after)) &&
              (!route_has(m[BASE]) ||
               route_u64(c, ROUTE_AT(at, "base_ms"), m[BASE], 0, 60000, &r.base_ms)) &&
              (!route_has(m[MOST]) ||
               route_u64(c, ROUTE_AT(at, "max_ms"), m[MOST], 0, 600000, &r.max_ms)) &&
              (!route_has(m[MAX_WAIT]) ||
               route_u64(c, ROUTE_AT(at, "max_wait_ms"), m[MAX_WAIT], 0, 600000, &r.max_wait_ms)) &&
              (!route_has(m[TOTAL]) ||
               route_u64(c, ROUTE_AT(at, "total_ms"), m[TOTAL], 0, DAY_MS, &r.total_ms)) &&
              (!route_has(m[PERCENT]) || route_unsigned(c, ROUTE_AT(at, "budget_percent"),
                                                        m[PERCENT], 0, 1000, &r.budget_percent)) &&
              (!route_has(m[MINIMUM]) ||
               route_unsigned(c, ROUTE_AT(at, "budget_min"), m[MINIMUM], 0, 100000, &r.budget_min));
    *ret = ok ? r : *ret;
    return ok;
}

/* ---- cache ---- */

static bool cache_mode(struct route_compile *c, const struct route_at *at, struct json_value v,
                       enum route_cache_mode *ret)
{
    struct str text;
    if (!route_word(c, at, v, &text)) {
        return false;
    }
    if (str_eqz(text, "semantic")) {
        return route_fail(c, at, &v, ERR_NOT_IMPLEMENTED, "semantic caching is not implemented");
    }
    if (!str_eqz(text, "simple") && !str_eqz(text, "none")) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD,
                          "no cache mode \"%.*s\" (there are \"simple\" and \"none\")",
                          route_shown(text), text.ptr);
    }
    *ret = str_eqz(text, "simple") ? ROUTE_CACHE_SIMPLE : ROUTE_CACHE_NONE;
    return true;
}

static bool cache_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                       struct route_cache *ret)
{
    static const struct str names[] = {NAME("mode"), NAME("max_age"), NAME("namespace")};
    struct json_value m[COUNT(names)];
    struct route_cache cache = {.set = true};
    if (v.type == JSON_STRING) { /* Portkey's short form: "simple" */
        if (!cache_mode(c, at, v, &cache.mode)) {
            return false;
        }
        *ret = cache;
        return true;
    }
    if (!route_object(c, at, v, names, COUNT(names), m)) {
        return false;
    }
    if (!route_has(m[0])) {
        return route_fail(c, ROUTE_AT(at, "mode"), &v, ERR_INVALID_FIELD,
                          "missing member \"mode\"");
    }
    bool ok =
        cache_mode(c, ROUTE_AT(at, "mode"), m[0], &cache.mode) &&
        (!route_has(m[1]) ||
         route_u64(c, ROUTE_AT(at, "max_age"), m[1], 1, NINETY_DAYS_S, &cache.max_age_s)) &&
        (!route_has(m[2]) || route_word(c, ROUTE_AT(at, "namespace"), m[2], &cache.name_space));
    *ret = ok ? cache : *ret;
    return ok;
}

/* ---- circuit breaker ---- */

static const struct route_breaker breaker_default = {
    .set = true,
    .minimum_requests = 10,
    .window_ms = 60000,
    .cooldown_ms = 30000,
    .probes = 2,
};

static bool breaker_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                         struct route_breaker *ret)
{
    enum { THRESHOLD, PERCENT, WINDOW, MINIMUM, COOLDOWN, PROBES, STATUSES };
    static const struct str names[] = {
        NAME("threshold"),   NAME("percent"), NAME("window_ms"),       NAME("minimum_requests"),
        NAME("cooldown_ms"), NAME("probes"),  NAME("on_status_codes"),
    };
    struct json_value m[COUNT(names)] = {0};
    struct route_breaker b = breaker_default;
    if (v.type == JSON_FALSE) {
        *ret = (struct route_breaker){.set = true, .off = true};
        return true;
    }
    if (v.type != JSON_TRUE && !route_object(c, at, v, names, COUNT(names), m)) {
        return false;
    }
    bool ok =
        (!route_has(m[THRESHOLD]) ||
         route_unsigned(c, ROUTE_AT(at, "threshold"), m[THRESHOLD], 1, 1000000, &b.threshold)) &&
        (!route_has(m[PERCENT]) ||
         route_unsigned(c, ROUTE_AT(at, "percent"), m[PERCENT], 1, 100, &b.percent)) &&
        (!route_has(m[WINDOW]) ||
         route_u64(c, ROUTE_AT(at, "window_ms"), m[WINDOW], 1000, 3600000, &b.window_ms)) &&
        (!route_has(m[MINIMUM]) || route_unsigned(c, ROUTE_AT(at, "minimum_requests"), m[MINIMUM],
                                                  1, 1000000, &b.minimum_requests)) &&
        (!route_has(m[COOLDOWN]) ||
         route_u64(c, ROUTE_AT(at, "cooldown_ms"), m[COOLDOWN], 1, DAY_MS, &b.cooldown_ms)) &&
        (!route_has(m[PROBES]) ||
         route_unsigned(c, ROUTE_AT(at, "probes"), m[PROBES], 1, 100, &b.probes)) &&
        (!route_has(m[STATUSES]) ||
         route_statuses_read(c, ROUTE_AT(at, "on_status_codes"), m[STATUSES], &b.statuses));
    b.percent = b.threshold || b.percent ? b.percent : 50;
    *ret = ok ? b : *ret;
    return ok;
}

/* What fails a target at Portkey where no list is given: every status from 500 up. */
#define TEN(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9
static const uint16_t server_statuses[] = {TEN(500), TEN(510), TEN(520), TEN(530), TEN(540),
                                           TEN(550), TEN(560), TEN(570), TEN(580), TEN(590)};

/* strategy.cb_config: the same by Portkey's names, and with its bounds. */
static bool cb_config_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                           struct route_breaker *ret)
{
    enum { THRESHOLD, PERCENT, COOLDOWN, STATUSES, MINIMUM };
    static const struct str names[] = {
        NAME("failure_threshold"), NAME("failure_threshold_percentage"),
        NAME("cooldown_interval"), NAME("failure_status_codes"),
        NAME("minimum_requests"),
    };
    struct json_value m[COUNT(names)];
    struct route_breaker b = breaker_default;
    b.minimum_requests = 5;
    b.statuses = (struct route_statuses){server_statuses, COUNT(server_statuses)};
    if (!route_object(c, at, v, names, COUNT(names), m)) {
        return false;
    }
    bool ok =
        (!route_has(m[THRESHOLD]) || route_unsigned(c, ROUTE_AT(at, "failure_threshold"),
                                                    m[THRESHOLD], 1, 1000000, &b.threshold)) &&
        (!route_has(m[PERCENT]) || route_unsigned(c, ROUTE_AT(at, "failure_threshold_percentage"),
                                                  m[PERCENT], 1, 100, &b.percent)) &&
        (!route_has(m[COOLDOWN]) ||
         route_u64(c, ROUTE_AT(at, "cooldown_interval"), m[COOLDOWN], 0, DAY_MS, &b.cooldown_ms)) &&
        (!route_has(m[STATUSES]) ||
         route_statuses_read(c, ROUTE_AT(at, "failure_status_codes"), m[STATUSES], &b.statuses)) &&
        (!route_has(m[MINIMUM]) || route_unsigned(c, ROUTE_AT(at, "minimum_requests"), m[MINIMUM],
                                                  1, 1000000, &b.minimum_requests));
    b.cooldown_ms = b.cooldown_ms < 30000 ? 30000 : b.cooldown_ms;
    b.percent = b.threshold || b.percent ? b.percent : 50;
    *ret = ok ? b : *ret;
    return ok;
}

/* ---- texts ---- */

/* "a.b", "messages[*].name", "list[0]" */
static bool is_path(struct str s)
{
    size_t i = 0;
    while (i < s.len) {
        size_t from = i;
        while (i < s.len && s.ptr[i] != '.' && s.ptr[i] != '[' && s.ptr[i] != ']') {
            i++;
        }
        if (i == from) {
            return false;
        }
        while (i < s.len && s.ptr[i] == '[') {
            size_t digits = ++i;
            while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9') {
                i++;
            }
            i += i == digits && i < s.len && s.ptr[i] == '*';
            if (i == digits || i == s.len || s.ptr[i] != ']') {
                return false;
            }
            i++;
        }
        if (i == s.len) {
            return true;
        }
        if (s.ptr[i] != '.') {
            return false;
        }
        i++;
    }
    return false;
}

static bool drop_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                      struct route_settings *s)
{
    const struct str *list;
    size_t n;
    if (!route_words(c, at, v, &list, &n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_path(list[i])) {
            return route_fail(c, ROUTE_AT_INDEX(at, i), &v, ERR_INVALID_FIELD,
                              "\"%.*s\" is no path (\"a.b\", \"list[*].name\", \"list[0]\")",
                              route_shown(list[i]), list[i].ptr);
        }
    }
    s->drop_paths = list;
    s->n_drop_paths = n;
    return true;
}

/* Fields that hold Weir's own key. */
static bool is_own_header(struct str name)
{
    static const char *const own[] = {"x-weir-key", "x-portkey-api-key", "cf-aig-authorization",
                                      "x-portkey-forward-headers"};
    bool is = false;
    for (size_t i = 0; i < COUNT(own); i++) {
        is = is || str_eq_nocase(name, str_of(own[i]));
    }
    return is;
}

static bool forward_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                         struct route_settings *s)
{
    const struct str *list;
    size_t n;
    if (!route_words(c, at, v, &list, &n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!provider_header_ok(list[i]) || is_own_header(list[i])) {
            return route_fail(c, ROUTE_AT_INDEX(at, i), &v, ERR_INVALID_FIELD,
                              "\"%.*s\" is no header field that may be forwarded",
                              route_shown(list[i]), list[i].ptr);
        }
    }
    s->forward_headers = list;
    s->n_forward_headers = n;
    return true;
}

/* Whether the address may be called is the data plane's to say, when it calls. */
bool route_host_check(struct route_compile *c, const struct route_at *at, struct json_value *v,
                      struct str url)
{
    struct str rest = STR_NONE;
    bool ok = true;
    if (str_starts(url, STR_LIT("https://"))) {
        rest = str_slice(url, 8, url.len);
    } else if (str_starts(url, STR_LIT("http://"))) {
        rest = str_slice(url, 7, url.len);
    }
    for (size_t i = 0; i < rest.len; i++) {
        unsigned char ch = (unsigned char)rest.ptr[i];
        ok = ok && ch > 0x20 && ch < 0x7f && ch != '@' && ch != '\\' && ch != '#' && ch != '?';
    }
    if (!ok || rest.len == 0 || rest.ptr[0] == '/' || rest.ptr[0] == ':') {
        return route_fail(c, at, v, ERR_INVALID_FIELD,
                          "must be a base URL, as \"https://api.example.com/v1\"");
    }
    return true;
}

static bool host_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                      struct str *ret)
{
    struct str url;
    if (!route_word(c, at, v, &url) || !route_host_check(c, at, &v, url)) {
        return false;
    }
    *ret = url;
    return true;
}

static bool default_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                         struct str *ret)
{
    if (v.type != JSON_OBJECT) {
        return route_fail(c, at, &v, ERR_INVALID_FIELD, "must be an object");
    }
    *ret = v.raw;
    return true;
}

/* ---- all of a node ---- */

static bool breakers_read(struct route_compile *c, const struct route_at *at, struct json_value v,
                          struct json_value cb, struct route_breaker *ret)
{
    if (route_has(v) && route_has(cb)) {
        return route_fail(c, ROUTE_AT(at, "circuit_breaker"), &v, ERR_INVALID_FIELD,
                          "circuit_breaker and strategy.cb_config are the same thing twice");
    }
    if (route_has(cb)) {
        return cb_config_read(c, ROUTE_AT(ROUTE_AT(at, "strategy"), "cb_config"), cb, ret);
    }
    return !route_has(v) || breaker_read(c, ROUTE_AT(at, "circuit_breaker"), v, ret);
}

static bool all_read(struct route_compile *c, const struct route_at *at, const struct json_value *m,
                     struct json_value cb, struct route_settings *s)
{
    return (!route_has(m[MEMBER_RETRY]) ||
            retry_read(c, ROUTE_AT(at, "retry"), m[MEMBER_RETRY], &s->retry)) &&
           (!route_has(m[MEMBER_CACHE]) ||
            cache_read(c, ROUTE_AT(at, "cache"), m[MEMBER_CACHE], &s->cache)) &&
           breakers_read(c, at, m[MEMBER_CIRCUIT_BREAKER], cb, &s->breaker) &&
           (!route_has(m[MEMBER_REQUEST_TIMEOUT]) ||
            route_u64(c, ROUTE_AT(at, "request_timeout"), m[MEMBER_REQUEST_TIMEOUT], 0, DAY_MS,
                      &s->request_timeout_ms)) &&
           (!route_has(m[MEMBER_DEFAULT_PARAMS]) ||
            default_read(c, ROUTE_AT(at, "default_params"), m[MEMBER_DEFAULT_PARAMS],
                         &s->default_json)) &&
           (!route_has(m[MEMBER_DROP_PARAMS]) ||
            drop_read(c, ROUTE_AT(at, "drop_params"), m[MEMBER_DROP_PARAMS], s)) &&
           (!route_has(m[MEMBER_FORWARD_HEADERS]) ||
            forward_read(c, ROUTE_AT(at, "forward_headers"), m[MEMBER_FORWARD_HEADERS], s)) &&
           (!route_has(m[MEMBER_CUSTOM_HOST]) ||
            host_read(c, ROUTE_AT(at, "custom_host"), m[MEMBER_CUSTOM_HOST], &s->custom_host)) &&
           (!route_has(m[MEMBER_STRICT]) || route_bool(c, ROUTE_AT(at, "strict_open_ai_compliance"),
                                                       m[MEMBER_STRICT], &s->strict_openai)) &&
           (!route_has(m[MEMBER_PASSTHROUGH]) ||
            route_bool(c, ROUTE_AT(at, "passthrough"), m[MEMBER_PASSTHROUGH], &s->passthrough));
}

bool route_settings_read(struct route_compile *c, const struct route_at *at,
                         const struct route_members *m, struct json_value cb,
                         struct route_inherit *in, struct str *ret_own_model)
{
    bool any = route_has(cb);
    *ret_own_model = STR_NONE;
    for (int i = MEMBER_DEFAULT_PARAMS; i <= MEMBER_PASSTHROUGH; i++) {
        any = any || route_has(m->m[i]);
    }
    struct str override = in->settings->override_json;
    if (route_has(m->m[MEMBER_OVERRIDE_PARAMS])) {
        if (!route_override_merge(c, ROUTE_AT(at, "override_params"), override,
                                  m->m[MEMBER_OVERRIDE_PARAMS], &override, ret_own_model)) {
            return false;
        }
        any = any || override.ptr != in->settings->override_json.ptr;
    }
    if (!any) {
        return true;
    }
    struct route_settings *s = arena_alloc(c->a, sizeof(*s));
    if (!s) {
        return route_fail_memory(c);
    }
    *s = *in->settings;
    s->override_json = override;
    in->settings = s;
    return all_read(c, at, m->m, cb, s);
}
