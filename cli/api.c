/* From a path to an answer. */
#include "cli/api.h"

#include <stdlib.h>

#include "cli/http.h"
#include "common/base/mem.h"

#define DEFAULT_URL "http://127.0.0.1:8080"
#define URL_MAX 4096
#define HEADER_MAX 8300
#define PAGE "100"

static size_t without_slashes(const char *url)
{
    size_t n = url ? strlen(url) : 0;
    while (n && url[n - 1] == '/') {
        n--;
    }
    return n;
}

const char *api_url(const struct cli *c)
{
    return c->common->url ? c->common->url : c->profile.url ? c->profile.url : DEFAULT_URL;
}

/* A token that was made for one control plane is not shown to another. */
static bool profile_fits(const struct cli *c)
{
    const char *url = api_url(c);
    size_t n = without_slashes(url);
    return c->profile.url && n == without_slashes(c->profile.url) &&
           memcmp(url, c->profile.url, n) == 0;
}

static const char *find_token(struct cli *c, struct error *err)
{
    const char *token = getenv("WEIR_TOKEN");
    if (!token || !*token) {
        token = profile_fits(c) ? c->profile.token : NULL;
    }
    if (!token) {
        error_set(err, ERR_UNAUTHENTICATED, "not signed in to %.120s", api_url(c));
        return NULL;
    }
    for (const char *p = token; *p; p++) {
        if (*p <= ' ' || *p >= 0x7f) {
            error_set(err, ERR_INVALID_KEY,
                      "the token holds a blank or a character that is not ASCII");
            return NULL;
        }
    }
    return token;
}

static void copy_text(char *room, size_t size, const char *text)
{
    size_t n = strnlen(text, size - 1);
    memcpy(room, text, n);
    room[n] = '\0';
}

static enum error_code code_of(const char *name, long status)
{
    for (int i = ERR_NONE + 1; i < ERR_COUNT; i++) {
        if (strcmp(error_code_name((enum error_code)i), name) == 0) {
            return (enum error_code)i;
        }
    }
    for (int i = ERR_NONE + 1; i < ERR_COUNT; i++) {
        if (error_status((enum error_code)i) == status) {
            return (enum error_code)i;
        }
    }
    return ERR_INTERNAL;
}

/* The API's own error, or whatever else stands at that address. */
static bool refuse(struct cli *c, const struct http_answer *a, const struct document *d,
                   struct error *err)
{
    const struct document *e = document_get(d, "error");
    const char *text = document_text(e, "message");
    if (document_type(e) != DOCUMENT_OBJECT) {
        return error_set(err, code_of("", a->status),
                         "%.120s answered %ld, and not as weir-control does", api_url(c),
                         a->status);
    }
    copy_text(c->server_code, sizeof c->server_code, document_text(e, "code"));
    if (!c->request_id[0]) {
        copy_text(c->request_id, sizeof c->request_id, document_text(e, "request_id"));
    }
    error_set(err, code_of(c->server_code, a->status), "%s", text[0] ? text : c->server_code);
    copy_text(err->param, sizeof err->param, document_text(e, "param"));
    return false;
}

/* text: not NULL where the answer is wanted as it came. */
static bool read_answer(struct cli *c, struct http_answer *a, struct document **ret, char **text,
                        struct error *err)
{
    struct document *d = NULL;
    struct error why = ERROR_INIT;
    copy_text(c->request_id, sizeof c->request_id, a->request_id);
    if (a->body.len) {
        d = document_parse(buffer_str(&a->body), &why);
    }
    if (a->status < 200 || a->status > 299) {
        (void)refuse(c, a, d, err);
        document_free(d);
        return false;
    }
    if (text) {
        document_free(d);
        *text = buffer_detach(&a->body);
        return true;
    }
    if (a->body.len && !d) {
        return error_set(err, ERR_UPSTREAM_GARBAGE,
                         "%.120s answered what is not JSON: is it weir-control's address?",
                         api_url(c));
    }
    if (ret) {
        *ret = d;
    } else {
        document_free(d);
    }
    return true;
}

static bool send(struct cli *c, const char *method, const char *path, const char *const *extra,
                 struct str body, struct document **ret, char **text, struct error *err)
{
    struct buffer url, organization;
    struct http_answer answer;
    const char *base = api_url(c);
    buffer_init(&url, URL_MAX);
    buffer_init(&organization, HEADER_MAX);
    buffer_append(&url, base, without_slashes(base));
    buffer_printf(&url, "/api/v1%s", path);
    struct http_call call = {.method = method,
                             .body = body,
                             .headers = {text ? "accept: */*" : "accept: application/json"},
                             .n_headers = 1};
    for (; *extra; extra++) {
        call.headers[call.n_headers++] = *extra;
    }
    if (body.ptr) {
        call.headers[call.n_headers++] = "content-type: application/json";
    }
    const char *named = c->common->organization ? c->common->organization
                        : c->organization       ? c->organization
                        : profile_fits(c)       ? c->profile.organization
                                                : NULL;
    if (named) {
        buffer_printf(&organization, "x-weir-organization: %s", named);
    }
    if (url.failed || organization.failed || (named && strpbrk(named, "\r\n"))) {
        buffer_release(&url);
        buffer_release(&organization);
        return error_set(err, ERR_INVALID_FIELD,
                         "the address or the organization is too long or not well formed");
    }
    char *url_text = buffer_detach(&url), *organization_text = buffer_detach(&organization);
    if (organization_text[0]) {
        call.headers[call.n_headers++] = organization_text;
    }
    call.url = url_text;
    if (!c->http) {
        c->http = http_new(c->common->ca_file);
    }
    bool ok = http_send(c->http, &call, &answer, err);
    if (ok) {
        ok = read_answer(c, &answer, ret, text, err);
        http_answer_release(&answer);
    }
    mem_free(url_text);
    mem_free(organization_text);
    return ok;
}

static bool call_signed(struct cli *c, const char *method, const char *path, struct str body,
                        struct document **ret, char **ret_text, struct error *err)
{
    struct buffer header;
    const char *token = find_token(c, err);
    if (!token) {
        return false;
    }
    buffer_init(&header, HEADER_MAX);
    if (!buffer_printf(&header, "authorization: Bearer %s", token)) {
        buffer_release(&header);
        return error_set(err, ERR_INVALID_KEY, "the token is too long");
    }
    char *text = buffer_detach(&header);
    bool ok = send(c, method, path, (const char *const[]){text, NULL}, body, ret, ret_text, err);
    mem_free_secret(text, strlen(text));
    return ok;
}

bool api_call(struct cli *c, const char *method, const char *path, struct str body,
              struct document **ret, struct error *err)
{
    return call_signed(c, method, path, body, ret, NULL, err);
}

bool api_text(struct cli *c, const char *path, char **ret, struct error *err)
{
    return call_signed(c, "GET", path, STR_NONE, NULL, ret, err);
}

bool api_lines(struct cli *c, const char *path, struct str body, char **ret, struct error *err)
{
    return call_signed(c, "POST", path, body, NULL, ret, err);
}

bool api_call_unsigned(struct cli *c, const char *method, const char *path, const char *header,
                       struct str body, struct document **ret, struct error *err)
{
    return send(c, method, path, (const char *const[]){header, NULL}, body, ret, NULL, err);
}

void api_query(struct buffer *path, const char *name, const char *value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    if (!value || !*value) {
        return;
    }
    buffer_append_z(path, path->len && memchr(path->ptr, '?', path->len) ? "&" : "?");
    buffer_append_z(path, name);
    buffer_append_z(path, "=");
    for (; *value; value++) {
        if (strchr(plain, *value)) {
            buffer_append(path, value, 1);
        } else {
            buffer_printf(path, "%%%02X", (unsigned char)*value);
        }
    }
}

/* One page; *ret_next is the cursor of the next, heap, NULL at the end. */
static bool list_page(struct cli *c, const char *path, const char *cursor, struct document **ret,
                      char **ret_next, struct error *err)
{
    struct buffer b;
    buffer_init(&b, URL_MAX);
    buffer_append_z(&b, path);
    if (!strstr(path, "limit=")) {
        api_query(&b, "limit", PAGE);
    }
    api_query(&b, "cursor", cursor);
    char *full = buffer_detach(&b);
    bool ok = api_call(c, "GET", full, STR_NONE, ret, err);
    mem_free(full);
    if (ok && document_type(document_get(*ret, "data")) != DOCUMENT_LIST) {
        document_free(*ret);
        *ret = NULL;
        ok = error_set(err, ERR_UPSTREAM_GARBAGE, "%.120s answered no list", api_url(c));
    }
    if (ok) {
        const char *next = document_text(*ret, "next_cursor");
        *ret_next = next[0] ? mem_strdup(next) : NULL;
    }
    return ok;
}

bool api_list(struct cli *c, const char *path, size_t max, struct document **ret, struct error *err)
{
    struct document *all = NULL, *page;
    char *cursor = NULL;
    if (!list_page(c, path, NULL, &all, &cursor, err)) {
        return false;
    }
    struct document *data = document_edit(all, "data");
    while (cursor && (max == 0 || document_count(data) < max)) {
        char *next = NULL;
        if (!list_page(c, path, cursor, &page, &next, err)) {
            mem_free(cursor);
            document_free(all);
            return false;
        }
        mem_free(cursor);
        cursor = document_count(document_get(page, "data"))
                     ? next
                     : NULL; /* an empty page ends it in any case */
        if (!cursor) {
            mem_free(next);
        }
        document_extend(data, document_get(page, "data"));
        document_free(page);
    }
    if (!cursor) {
        document_set_null(all, "next_cursor");
    }
    mem_free(cursor);
    *ret = all;
    return true;
}

static bool is_live(const struct document *d)
{
    return document_type(document_get(d, "revoked_at")) == DOCUMENT_NULL;
}

bool api_find(struct cli *c, const char *path, const char *noun, const char *text,
              struct document **ret_list, const struct document **ret, struct error *err)
{
    const struct document *live = NULL, *dead = NULL;
    unsigned n_live = 0, n_dead = 0;
    if (!api_list(c, path, 0, ret_list, err)) {
        return false;
    }
    const struct document *data = document_get(*ret_list, "data");
    for (size_t i = 0; i < document_count(data); i++) {
        const struct document *d = document_at(data, i);
        if (strcmp(document_text(d, "id"), text) == 0) {
            *ret = d;
            return true;
        }
        if (strcmp(document_text(d, "name"), text) == 0) {
            n_live += is_live(d);
            n_dead += !is_live(d);
            *(is_live(d) ? &live : &dead) = d;
        }
    }
    if (n_live == 1 || (n_live == 0 && n_dead == 1)) {
        *ret = live ? live : dead;
        return true;
    }
    document_free(*ret_list);
    *ret_list = NULL;
    return n_live + n_dead == 0
               ? error_set(err, ERR_NOT_FOUND, "%s \"%.100s\" not found", noun, text)
               : error_set(err, ERR_CONFLICT, "%u %ss are named \"%.100s\": give the id",
                           n_live ? n_live : n_dead, noun, text);
}

int api_print(struct cli *c, const struct document *d)
{
    char *text = document_dump(d);
    int exit = cli_print_json(c, str_of(text));
    explicit_bzero(text, strlen(text)); /* may hold a new key */
    mem_free(text);
    return exit;
}
