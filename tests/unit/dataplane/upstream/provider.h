/* Calls to a provider that is a plain socket in the test's own thread, so each byte and each close
 * happens when the test says so. */
#ifndef TESTS_UNIT_DATAPLANE_UPSTREAM_PROVIDER_H
#define TESTS_UNIT_DATAPLANE_UPSTREAM_PROVIDER_H

#include "dataplane/net/rig.h"

#include "dataplane/upstream/client.h"

struct answer {
    unsigned heads, ends, errors;
    int status;
    int64_t length;
    enum error_code code;
    char text[240];
    struct buffer body;
    char header[100]; /* value of x-test */
    bool cancel_on_head, pause_on_head;
    struct upstream_call *call;
};

static void on_head(void *arg, const struct upstream_answer *a)
{
    struct answer *w = arg;
    w->heads++;
    w->status = a->status;
    w->length = a->content_length;
    for (size_t i = 0; i < a->n_headers; i++) {
        if (str_eq_nocase(a->headers[i].name, STR_LIT("x-test"))) {
            (void)snprintf(w->header, sizeof(w->header), "%.*s", STR_ARG(a->headers[i].value));
        }
    }
    if (w->cancel_on_head) {
        upstream_cancel(w->call);
    } else if (w->pause_on_head) {
        upstream_pause(w->call);
    }
}

static void on_data(void *arg, struct str piece)
{
    struct answer *w = arg;
    assert_true(piece.len > 0);
    assert_true(buffer_append_str(&w->body, piece));
}

static void on_end(void *arg)
{
    struct answer *w = arg;
    w->ends++;
}

static void on_error(void *arg, const struct error *err)
{
    struct answer *w = arg;
    w->errors++;
    w->code = err->code;
    (void)snprintf(w->text, sizeof(w->text), "%s", err->text);
}

static const struct upstream_ops ops = {on_head, on_data, on_end, on_error};

struct rig {
    struct loop *loop;
    struct upstream *up;
    int listening;
    struct upstream_origin origin;
    struct answer w;
    struct buffer in; /* what the provider has received */
};

#define HEAD_TEXT "POST /v1/chat HTTP/1.1\r\nhost: p\r\ncontent-length: 4\r\n\r\n"

static inline struct rig *rig_new_with(const struct upstream_limits *limits,
                                       struct tls_context *tls)
{
    struct rig *r = mem_alloc(sizeof(*r));
    clock_set_source(rig_clock, rig_wall);
    r->loop = loop_new();
    r->up = upstream_new(r->loop, limits, tls);
    r->listening = rig_listen(&r->origin.port);
    r->origin.host = STR_LIT("127.0.0.1");
    buffer_init(&r->w.body, 1u << 27);
    buffer_init(&r->in, 1u << 27);
    return r;
}

static inline struct rig *rig_new(void)
{
    return rig_new_with(NULL, NULL);
}

static inline void rig_free(struct rig *r)
{
    upstream_free(r->up);
    loop_free(r->loop);
    (void)close(r->listening);
    buffer_release(&r->w.body);
    buffer_release(&r->in);
    mem_free(r);
    clock_set_source(NULL, NULL);
}

static inline void call_start(struct rig *r)
{
    struct buffer keep = r->w.body;
    bool cancel = r->w.cancel_on_head, pause = r->w.pause_on_head;
    buffer_clear(&keep);
    buffer_clear(&r->in);
    r->w = (struct answer){.body = keep, .cancel_on_head = cancel, .pause_on_head = pause};
    r->w.call = upstream_send(r->up, &r->origin, STR_LIT(HEAD_TEXT), STR_LIT("body"), 60000, 30000,
                              &ops, &r->w);
    assert_non_null(r->w.call);
    assert_int_equal(r->w.heads + r->w.ends + r->w.errors, 0);
}

/* The provider has the whole request. */
static inline void request_arrives(struct rig *r, int fd)
{
    rig_expect(r->loop, fd, &r->in, HEAD_TEXT "body");
    assert_int_equal(r->in.len, strlen(HEAD_TEXT "body"));
    buffer_clear(&r->in);
}

static inline void answered(struct rig *r, int status, const char *body)
{
    RIG_UNTIL(r->loop, r->w.ends || r->w.errors);
    if (r->w.errors) {
        fail_msg("error: %s", r->w.text);
    }
    assert_int_equal(r->w.heads, 1);
    assert_int_equal(r->w.ends, 1);
    assert_int_equal(r->w.status, status);
    assert_int_equal(r->w.body.len, strlen(body));
    assert_memory_equal(r->w.body.ptr, body, strlen(body));
}

static inline void failed(struct rig *r, enum error_code code)
{
    RIG_UNTIL(r->loop, r->w.ends || r->w.errors);
    assert_int_equal(r->w.ends, 0);
    assert_int_equal(r->w.errors, 1);
    assert_string_equal(error_code_name(r->w.code), error_code_name(code));
    assert_true(r->w.text[0] != '\0');
}

#define OK_HELLO "HTTP/1.1 200 OK\r\nX-Test: yes\r\nContent-Length: 5\r\n\r\nhello"

#endif
