/* See token_post.h. */
#include "dataplane/request/token_post.h"

#include "common/base/mem.h"
#include "dataplane/canonical/head.h"
#include "dataplane/snapshot/base_url.h"
#include "dataplane/upstream/client.h"

#define HEAD_DEADLINE_MS 10000
#define GAP_DEADLINE_MS 10000
#define ANSWER_MAX (64u << 10)
#define HEAD_ROOM 1024

/* One POST under way; ends in token_cache_done or cancel, and is freed there. */
struct post {
    struct token_fetch *fetch;
    struct upstream_call *call;
    struct arena *arena; /* url, head, body */
    struct buffer answer;
    int status;
};

static void post_free(struct post *p)
{
    if (p->answer.len) {
        memset(p->answer.ptr, 0, p->answer.len); /* it holds a token */
    }
    buffer_release(&p->answer);
    arena_free(p->arena);
    mem_free(p);
}

static void end(struct post *p, int status, struct str body, const struct error *err)
{
    token_cache_done(p->fetch, status, body, err);
    post_free(p);
}

static void on_head(void *arg, const struct upstream_answer *a)
{
    ((struct post *)arg)->status = a->status;
}

static void on_data(void *arg, struct str piece)
{
    (void)buffer_append_str(&((struct post *)arg)->answer, piece);
}

static void on_end(void *arg)
{
    struct post *p = arg;
    struct error err = ERROR_INIT;
    if (p->answer.failed) {
        (void)error_set(&err, ERR_UPSTREAM_GARBAGE, "the token endpoint's answer is too large");
        end(p, 0, STR_NONE, &err);
        return;
    }
    end(p, p->status, buffer_str(&p->answer), NULL);
}

/* Addresses are the operator's business: the client gets the plain text of the code. */
static void on_error(void *arg, const struct error *err)
{
    struct error shown = {.code = err->code, .offset = -1}, plain = {.code = err->code};
    (void)error_set(&shown, err->code, "token endpoint: %s", error_text(&plain));
    end(arg, 0, STR_NONE, &shown);
}

static const struct upstream_ops ops = {on_head, on_data, on_end, on_error};

static bool write_head(struct arena *a, const struct base_url *u, const struct token_call *call,
                       struct str query, struct str *ret)
{
    struct head h;
    char host[300];
    size_t n = u->host.len < 256 ? base_url_host_header(u, host, sizeof(host)) : 0;
    if (n == 0 ||
        !head_init(&h, a, HEAD_ROOM + u->path.len + query.len + n + call->content_type.len)) {
        return false;
    }
    head_put(&h, STR_LIT("POST "));
    head_put(&h, u->path.len ? u->path : STR_LIT("/"));
    head_put(&h, query);
    head_put(&h, STR_LIT(" HTTP/1.1\r\n"));
    head_put_header(&h, STR_LIT("Host"), (struct str){host, n});
    head_put_header(&h, STR_LIT("Content-Type"), call->content_type);
    head_put(&h, STR_LIT("Accept: application/json\r\nAccept-Encoding: identity\r\n"));
    head_put(&h, STR_LIT("Content-Length: "));
    head_put_u64(&h, call->body.len);
    head_put(&h, STR_LIT("\r\n\r\n"));
    *ret = head_str(&h);
    return !h.failed;
}

/* As it may stand in a request line. */
static bool query_valid(struct str query)
{
    for (size_t i = 0; i < query.len; i++) {
        if (query.ptr[i] <= ' ' || query.ptr[i] > '~' || query.ptr[i] == '#') {
            return false;
        }
    }
    return true;
}

static void start(void *arg, struct token_fetch *f, const struct token_call *call)
{
    struct request_env *env = arg;
    struct post *p = mem_alloc(sizeof(*p));
    struct error err = ERROR_INIT;
    struct base_url u;
    struct str head, url, query = STR_NONE;
    *p = (struct post){.fetch = f, .arena = arena_new(1u << 20)};
    buffer_init(&p->answer, ANSWER_MAX);
    url = arena_str(p->arena, call->url);
    const char *mark = url.ptr ? memchr(url.ptr, '?', url.len) : NULL;
    if (mark) {
        query = (struct str){mark, (size_t)(url.ptr + url.len - mark)};
        url.len -= query.len;
    }
    struct str body = arena_str(p->arena, call->body);
    if (!url.ptr || !body.ptr || !query_valid(query) || !base_url_split(url, &u, &err) ||
        !write_head(p->arena, &u, call, query, &head)) {
        err = (struct error)ERROR_INIT;
        (void)error_set(&err, ERR_INVALID_FIELD, "the token endpoint's URL cannot be used");
        end(p, 0, STR_NONE, &err);
        return;
    }
    struct upstream_origin origin = {.tls = u.tls, .host = u.host, .port = u.port};
    token_fetch_set_user(f, p);
    p->call = upstream_send(env->upstream, &origin, head, body, HEAD_DEADLINE_MS, GAP_DEADLINE_MS,
                            &ops, p);
}

static void cancel(void *arg, struct token_fetch *f)
{
    struct post *p = token_fetch_user(f);
    (void)arg;
    if (p) {
        upstream_cancel(p->call);
        post_free(p);
    }
}

struct token_cache *token_post_cache(struct request_env *env)
{
    if (!env->tokens) {
        struct token_transport t = {.start = start, .cancel = cancel, .arg = env};
        env->tokens = token_cache_new(&t, 0);
    }
    return env->tokens;
}

void token_post_release(struct request_env *env)
{
    token_cache_free(env->tokens);
    env->tokens = NULL;
}
