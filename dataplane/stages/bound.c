/* What a call may take at most: tokens in (bound_input.c), and tokens out by what the client or the
 * model's entry says. Upper bounds, not guesses. See governed.h. */
#include "common/json.h"
#include "dataplane/request/pricing.h"
#include "dataplane/stages/governed.h"
#include "dataplane/stages/routing.h"

#define CHOICES_MAX 1024u
#define NAMED_MIN 16u /* a smaller maximum is raised to it where a provider refuses it */

/* ---- what comes out ---- */

/* Where each dialect has its maximum: in which object of the body (NULL: itself), under which
 * names, of which the largest counts, and how many answers there will be. Proto's JSON knows two
 * spellings of each. */
struct place {
    const char *objects[2];
    const char *names[2];
    const char *choices[2];
};

static const struct place *place_of(enum provider_api api)
{
    static const struct place chat = {.names = {"max_completion_tokens", "max_tokens"},
                                      .choices = {"n"}};
    static const struct place responses = {.names = {"max_output_tokens"}};
    static const struct place messages = {.names = {"max_tokens"}};
    static const struct place gemini = {{"generationConfig", "generation_config"},
                                        {"maxOutputTokens", "max_output_tokens"},
                                        {"candidateCount", "candidate_count"}};
    static const struct place converse = {.objects = {"inferenceConfig"}, .names = {"maxTokens"}};
    static const struct place ollama = {.objects = {"options"}, .names = {"num_predict"}};
    switch (api) {
    case API_CHAT:
        return &chat;
    case API_RESPONSES:
        return &responses;
    case API_MESSAGES:
    case API_INVOKE_MESSAGES:
    case API_VERTEX_MESSAGES:
    case API_COHERE_CHAT:
        return &messages;
    case API_GENERATE:
        return &gemini;
    case API_CONVERSE:
        return &converse;
    case API_OLLAMA_CHAT:
        return &ollama;
    default:
        return NULL;
    }
}

/* The object and its name; NULL ptr: it is not there. False: it cannot be told which one counts. */
static bool find_object(struct str body, const struct place *p, struct str *ret, const char **name)
{
    struct json_member m[2];
    size_t n = 0;
    *ret = STR_NONE;
    *name = p->objects[0];
    if (!p->objects[0]) {
        *ret = body;
        return true;
    }
    for (; n < 2 && p->objects[n]; n++) {
        m[n] = (struct json_member){.name = str_of(p->objects[n])};
    }
    if (!json_scan(body, m, n, 0, NULL)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!m[i].found || m[i].value.type == JSON_NULL) {
            continue;
        }
        if (m[i].value.type != JSON_OBJECT || ret->ptr) {
            return false;
        }
        *ret = m[i].value.raw;
        *name = p->objects[i];
    }
    return true;
}

/* A maximum that is 0, null or no whole number is none: providers differ in what they make of it,
 * and of one that stands beside it. */
static void read_maximum(const struct json_member *m, size_t n, struct bound *ret)
{
    bool odd = false;
    uint64_t most = 0, v;
    for (size_t i = 0; i < n; i++) {
        if (!m[i].found) {
            continue;
        }
        bool whole = json_u64(m[i].value, &v) && v > 0;
        odd = odd || !whole;
        most = whole && v > most ? v : most;
    }
    if (most && !odd) {
        ret->named = true;
        ret->tokens_out = most < NAMED_MIN ? NAMED_MIN : most;
    }
}

static bool read_choices(const struct json_member *m, size_t n, struct bound *ret)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t v = 0;
        if (!m[i].found || m[i].value.type == JSON_NULL) {
            continue;
        }
        if (!json_u64(m[i].value, &v) || v > CHOICES_MAX) {
            return false; /* nobody makes so many, or it is not known how many */
        }
        ret->choices = v > ret->choices ? v : ret->choices;
    }
    return true;
}

/* False: no bound can be read out of it. */
static bool read_output(struct str body, const struct place *p, struct bound *ret)
{
    struct json_member m[4];
    struct str object;
    const char *name;
    size_t n = 0, names;
    if (!find_object(body, p, &object, &name)) {
        return false;
    }
    if (!object.len) {
        return true;
    }
    for (size_t i = 0; i < 2 && p->names[i]; i++) {
        m[n++] = (struct json_member){.name = str_of(p->names[i])};
    }
    names = n;
    for (size_t i = 0; i < 2 && p->choices[i]; i++) {
        m[n++] = (struct json_member){.name = str_of(p->choices[i])};
    }
    if (!json_scan(object, m, n, 0, NULL)) {
        return false;
    }
    read_maximum(m, names, ret);
    return read_choices(m + names, n - names, ret);
}

/* What of OpenAI's is billed besides the answer, and when. */
static bool read_besides(struct str body, struct bound *ret)
{
    struct json_member m[] = {{.name = STR_LIT("prediction")}, {.name = STR_LIT("background")}};
    if (!json_scan(body, m, 2, 0, NULL)) {
        return false;
    }
    ret->predicted = m[0].found && m[0].value.type != JSON_NULL ? m[0].value.raw.len : 0;
    ret->later = m[1].found && m[1].value.type == JSON_TRUE;
    return true;
}

/* The operator has the provider's maximum left out. */
static bool is_dropped(const struct candidate *c, const struct place *p)
{
    struct json_value all, one;
    size_t pos = 0;
    if (!c || !c->provider->drop_json.len || c->step ||
        !json_validate(c->provider->drop_json, 0, &all, NULL)) {
        return false;
    }
    while (json_next(all, &pos, NULL, &one)) {
        for (size_t i = 0; i < 2 && p->names[i]; i++) {
            if (json_text_eq(one, str_of(p->names[i]))) {
                return true;
            }
        }
    }
    return false;
}

static bool makes_text(const struct request *r, const struct candidate *c)
{
    if (r->kind == REQUEST_NATIVE || r->kind == REQUEST_UNIVERSAL) {
        enum provider_api api = c && c->step ? c->api : r->face_api;
        enum api_kind kind = provider_api_kind(api);
        return kind == API_KIND_CHAT || kind == API_KIND_NONE;
    }
    return r->kind == REQUEST_CHAT;
}

static struct str body_of(const struct request *r, const struct candidate *c)
{
    return c && c->step ? c->step->body : r->body;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* An empty call to a provider's own path lists, reads, deletes: free. */
static bool is_free(const struct request *r, struct str body)
{
    return r->kind == REQUEST_COUNT || (r->kind == REQUEST_NATIVE && body.len == 0);
}

static void bound_output(struct request *r, const struct candidate *c, const struct place *p,
                         struct bound *ret)
{
    struct str body = body_of(r, c);
    bool dropped = p && is_dropped(c, p);
    if (!p || !read_output(body, p, ret) || !read_besides(body, ret)) {
        ret->tokens_out = UINT64_MAX;
        ret->named = true; /* and no place to put one */
        return;
    }
    if (dropped || !ret->named) {
        ret->tokens_out = c ? pricing_max_output(r, c) : 0;
        ret->tokens_out = ret->tokens_out ? ret->tokens_out : UINT64_MAX;
        ret->named = dropped;
    }
    ret->tokens_out = ret->tokens_out <= UINT64_MAX / ret->choices
                          ? plus(ret->tokens_out * ret->choices, ret->predicted)
                          : UINT64_MAX;
}

void bound_of_request(struct request *r, const struct candidate *c, struct bound *ret)
{
    enum provider_api api = c && c->step ? c->api : r->face_api;
    struct str body = body_of(r, c);
    bool text = makes_text(r, c);
    *ret = (struct bound){.tokens_out = UINT64_MAX, .choices = 1};
    if (is_free(r, body)) {
        *ret = (struct bound){.named = true, .choices = 1};
        return;
    }
    ret->tokens_in = bound_tokens_in(r, c, body, text);
    if (text) {
        bound_output(r, c, place_of(api), ret);
    } else {
        ret->tokens_out = 0;
        ret->named = true;
    }
}

/* OpenAI's newer models refuse the older name; others know that one alone. */
static const char *name_of(const struct request *r, const struct candidate *c,
                           const struct place *p)
{
    bool openai = c->provider->row && (str_eqz(c->provider->kind, "openai") ||
                                       str_eqz(c->provider->kind, "azure-openai") ||
                                       str_eqz(c->provider->kind, "azure"));
    return r->face_api == API_CHAT && !openai ? "max_tokens" : p->names[0];
}

bool bound_cap(struct request *r, const struct candidate *c, uint64_t tokens)
{
    const struct place *p = c->step || r->kind != REQUEST_CHAT ? NULL : place_of(r->face_api);
    struct str object, others[2];
    const char *inside;
    size_t n = 0;
    if (!p || !find_object(r->body, p, &object, &inside)) {
        return false;
    }
    const char *name = name_of(r, c, p);
    for (size_t i = 0; i < 2 && p->names[i]; i++) {
        if (strcmp(p->names[i], name) != 0) {
            others[n++] = str_of(p->names[i]); /* it says nothing, but might be heeded */
        }
    }
    struct str json = arena_printf(r->arena, "{\"%s\":%llu}", name, (unsigned long long)tokens);
    struct route_settings s = {.override_json = json, .drop_paths = others, .n_drop_paths = n};
    struct str made = STR_NONE;
    if (json.ptr) {
        made = override_body(r->arena, object.len ? object : STR_LIT("{}"), &s);
    }
    if (made.ptr && inside) {
        s = (struct route_settings){
            .override_json = arena_printf(r->arena, "{\"%s\":%.*s}", inside, STR_ARG(made))};
        made = s.override_json.ptr ? override_body(r->arena, r->body, &s) : STR_NONE;
    }
    if (!made.ptr) {
        return false;
    }
    r->body = made;
    return read_again(r);
}
