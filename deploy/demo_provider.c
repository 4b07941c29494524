/* The demo provider: a small local server that speaks OpenAI's chat completions, so that a fresh
 * installation answers without an account anywhere. It is no part of the gateway: deploy/up runs it
 * beside, tests use it too.
 *
 * Answers depend on the request alone. A model's name tells how it behaves:
 *   demo             answers at once
 *   demo-slow-MS     waits so many milliseconds before its first byte (at most 60,000)
 *   demo-pace-MS     streams a word each so many milliseconds
 *   demo-fail-CODE   answers with that HTTP status, 400 to 599, in OpenAI's error shape
 *   demo-cut         closes the connection in the middle of the answer
 * Tokens are counted as one for each started four bytes of text, the same way for prompt and
 * completion.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <microhttpd.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define MAX_BODY (8u << 20)
#define MAX_WAIT_MS 60000
#define CREATED 1767225600 /* a fixed time, so that equal requests get equal answers */

struct call {
    struct buffer body;
    bool too_large;
};

/* A streamed answer: the ready-made events, sent one by one. */
struct stream {
    struct buffer text;
    size_t events[512]; /* ends */
    size_t n_events, next, sent;
    unsigned wait_ms, pace_ms;
    bool cut;
};

static void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) == -1 && errno == EINTR) {
    }
}

/* The number behind `prefix` in a model's name; false when it does not begin so. */
static bool model_number(const char *model, const char *prefix, unsigned max, unsigned *ret)
{
    size_t n = strlen(prefix);
    uint64_t v;
    if (strncmp(model, prefix, n) != 0 || !str_to_u64(str_of(model + n), &v)) {
        return false;
    }
    *ret = v > max ? max : (unsigned)v;
    return true;
}

static size_t count_tokens(size_t bytes)
{
    return (bytes + 3) / 4;
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, json_t *doc)
{
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    if (text == NULL) {
        return MHD_NO;
    }
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(r, "Content-Type", "application/json");
    MHD_add_response_header(r, "x-request-id", "demo-request");
    enum MHD_Result ok = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return ok;
}

static enum MHD_Result reply_error(struct MHD_Connection *c, unsigned status, const char *type,
                                   const char *message)
{
    return reply(c, status,
                 json_pack("{s:{s:s,s:s,s:n,s:n}}", "error", "message", message, "type", type,
                           "param", "code"));
}

/* Text bytes of all messages, and the last user's text into *ret_last (owned by the document). */
static size_t read_messages(const json_t *messages, const char **ret_last)
{
    size_t bytes = 0, i, j;
    json_t *m, *part;
    json_array_foreach(messages, i, m)
    {
        json_t *content = json_object_get(m, "content");
        const char *role = json_string_value(json_object_get(m, "role"));
        const char *text = json_string_value(content);
        json_array_foreach(content, j, part)
        {
            const char *t = json_string_value(json_object_get(part, "text"));
            if (t != NULL) {
                text = t;
                bytes += strlen(t);
            }
        }
        if (json_is_string(content)) {
            bytes += strlen(text);
        }
        if (text != NULL && role != NULL && strcmp(role, "user") == 0) {
            *ret_last = text;
        }
    }
    return bytes;
}

static json_t *usage_of(size_t prompt_tokens, size_t completion_tokens)
{
    return json_pack("{s:I,s:I,s:I,s:{s:i},s:{s:i}}", "prompt_tokens", (json_int_t)prompt_tokens,
                     "completion_tokens", (json_int_t)completion_tokens, "total_tokens",
                     (json_int_t)(prompt_tokens + completion_tokens), "prompt_tokens_details",
                     "cached_tokens", 0, "completion_tokens_details", "reasoning_tokens", 0);
}

static void stream_event(struct stream *s, json_t *doc)
{
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    if (text != NULL && s->n_events < sizeof(s->events) / sizeof(s->events[0])) {
        buffer_printf(&s->text, "data: %s\n\n", text);
        s->events[s->n_events++] = s->text.len;
    }
    free(text);
}

static json_t *chunk_of(const char *model, json_t *delta, const char *finish_reason)
{
    return json_pack("{s:s,s:s,s:i,s:s,s:[{s:i,s:o,s:s?}]}", "id", "chatcmpl-demo", "object",
                     "chat.completion.chunk", "created", CREATED, "model", model, "choices",
                     "index", 0, "delta", delta, "finish_reason", finish_reason);
}

static ssize_t stream_read(void *arg, uint64_t pos, char *buf, size_t max)
{
    struct stream *s = arg;
    (void)pos;
    if (s->next == s->n_events || (s->cut && s->next == s->n_events / 2)) {
        return s->cut ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (s->sent == 0 && s->wait_ms > 0) {
        sleep_ms(s->wait_ms);
        s->wait_ms = 0;
    }
    size_t n = s->events[s->next] - s->sent;
    n = n > max ? max : n;
    memcpy(buf, s->text.ptr + s->sent, n);
    s->sent += n;
    if (s->sent == s->events[s->next]) {
        s->next++;
        if (s->pace_ms > 0) {
            sleep_ms(s->pace_ms);
        }
    }
    return (ssize_t)n;
}

static void stream_free(void *arg)
{
    struct stream *s = arg;
    buffer_release(&s->text);
    mem_free(s);
}

static enum MHD_Result reply_stream(struct MHD_Connection *c, const char *model, const char *answer,
                                    json_t *usage, bool with_usage, unsigned wait_ms)
{
    struct stream *s = mem_alloc(sizeof(*s));
    buffer_init(&s->text, 4u << 20);
    s->wait_ms = wait_ms;
    s->cut = strcmp(model, "demo-cut") == 0;
    (void)model_number(model, "demo-pace-", MAX_WAIT_MS, &s->pace_ms);
    stream_event(s,
                 chunk_of(model, json_pack("{s:s,s:s}", "role", "assistant", "content", ""), NULL));
    for (const char *p = answer; *p != '\0';) { /* a word with the blank before it is one chunk */
        size_t n = 1 + strcspn(p + 1, " ");
        if (s->n_events == 500) {
            n = strlen(p);
        }
        stream_event(s, chunk_of(model, json_pack("{s:s%}", "content", p, n), NULL));
        p += n;
    }
    stream_event(s, chunk_of(model, json_object(), "stop"));
    if (with_usage) {
        json_t *last = chunk_of(model, json_object(), NULL);
        json_array_clear(json_object_get(last, "choices"));
        json_object_set(last, "usage", usage);
        stream_event(s, last);
    }
    json_decref(usage);
    buffer_append_z(&s->text, "data: [DONE]\n\n");
    s->events[s->n_events++] = s->text.len;
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, stream_read, s, stream_free);
    MHD_add_response_header(r, "Content-Type", "text/event-stream");
    MHD_add_response_header(r, "x-request-id", "demo-request");
    enum MHD_Result ok = MHD_queue_response(c, 200, r);
    MHD_destroy_response(r);
    return ok;
}

static enum MHD_Result chat(struct MHD_Connection *c, const struct call *call)
{
    json_error_t bad;
    json_t *doc = json_loadb(call->body.ptr ? call->body.ptr : "", call->body.len,
                             JSON_REJECT_DUPLICATES, &bad);
    const char *model = json_string_value(json_object_get(doc, "model"));
    json_t *messages = json_object_get(doc, "messages");
    if (doc == NULL || model == NULL || !json_is_array(messages) ||
        json_array_size(messages) == 0) {
        enum MHD_Result r =
            reply_error(c, 400, "invalid_request_error",
                        doc == NULL ? "body is not valid JSON" : "model and messages are required");
        json_decref(doc);
        return r;
    }
    unsigned status, wait_ms = 0;
    (void)model_number(model, "demo-slow-", MAX_WAIT_MS, &wait_ms);
    if (model_number(model, "demo-fail-", 599, &status)) {
        enum MHD_Result r = reply_error(c, status < 400 ? 500 : status, "demo_error",
                                        "the model's name asks for this failure");
        json_decref(doc);
        return r;
    }
    const char *last = "";
    size_t prompt_tokens = count_tokens(read_messages(messages, &last));
    struct buffer answer;
    buffer_init(&answer, MAX_BODY + 256);
    buffer_printf(&answer, "This is the demo provider, and you said: %s", last);
    char *text = buffer_detach(&answer);
    json_t *usage = usage_of(prompt_tokens, count_tokens(strlen(text)));
    bool with_usage =
        json_is_true(json_object_get(json_object_get(doc, "stream_options"), "include_usage"));
    enum MHD_Result ok;
    if (json_is_true(json_object_get(doc, "stream"))) {
        ok = reply_stream(c, model, text, usage, with_usage, wait_ms);
    } else {
        sleep_ms(wait_ms);
        ok = reply(c, 200,
                   json_pack("{s:s,s:s,s:i,s:s,s:[{s:i,s:{s:s,s:s,s:n},s:n,s:s}],s:o,s:n}", "id",
                             "chatcmpl-demo", "object", "chat.completion", "created", CREATED,
                             "model", model, "choices", "index", 0, "message", "role", "assistant",
                             "content", text, "refusal", "logprobs", "finish_reason", "stop",
                             "usage", usage, "system_fingerprint"));
    }
    mem_free(text);
    json_decref(doc);
    return ok;
}

static enum MHD_Result models(struct MHD_Connection *c)
{
    static const char *const names[] = {"demo", "demo-slow-2000", "demo-pace-50", "demo-fail-503",
                                        "demo-cut"};
    json_t *data = json_array();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_array_append_new(data,
                              json_pack("{s:s,s:s,s:i,s:s}", "id", names[i], "object", "model",
                                        "created", CREATED, "owned_by", "weir-demo"));
    }
    return reply(c, 200, json_pack("{s:s,s:o}", "object", "list", "data", data));
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    (void)arg;
    (void)version;
    struct call *call = *state;
    if (call == NULL) {
        call = mem_alloc(sizeof(*call));
        buffer_init(&call->body, MAX_BODY);
        *state = call;
        return MHD_YES;
    }
    if (*size > 0) {
        call->too_large = !buffer_append(&call->body, data, *size) || call->too_large;
        *size = 0;
        return MHD_YES;
    }
    bool post = strcmp(method, "POST") == 0;
    if (call->too_large) {
        return reply_error(c, 413, "invalid_request_error", "body too large");
    }
    if (post && strcmp(url, "/v1/chat/completions") == 0) {
        return chat(c, call);
    }
    if (!post && strcmp(url, "/v1/models") == 0) {
        return models(c);
    }
    return reply_error(c, 404, "invalid_request_error",
                       "the demo provider has /v1/chat/completions and /v1/models");
}

static void on_completed(void *arg, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)c;
    (void)code;
    struct call *call = *state;
    if (call != NULL) {
        buffer_release(&call->body);
        mem_free(call);
        *state = NULL;
    }
}

/* "127.0.0.1:8790" */
static bool parse_listen(const char *text, struct sockaddr_in *ret)
{
    struct str host, port;
    uint64_t n;
    char address[64];
    if (!str_cut(str_of(text), ':', &host, &port) || !str_to_u64(port, &n) || n > 65535 ||
        host.len >= sizeof(address)) {
        return false;
    }
    memcpy(address, host.ptr, host.len);
    address[host.len] = '\0';
    ret->sin_family = AF_INET;
    ret->sin_port = htons((uint16_t)n);
    return inet_pton(AF_INET, address, &ret->sin_addr) == 1;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {0};
    const char *listen_on = "127.0.0.1:8790";
    if (argc == 3 && strcmp(argv[1], "--listen") == 0) {
        listen_on = argv[2];
    } else if (argc != 1) {
        fprintf(stderr, "usage: weir-demo-provider [--listen ADDRESS:PORT]\n");
        return 2;
    }
    if (!parse_listen(listen_on, &address)) {
        fprintf(stderr, "error: --listen takes ADDRESS:PORT, not '%s'\n", listen_on);
        return 2;
    }
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* A thread a connection: slow models sleep on theirs. */
    struct MHD_Daemon *d = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL,
        NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (d == NULL) {
        fprintf(stderr, "error: cannot listen on %s: %s\n", listen_on, strerror(errno));
        return 1;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
    fprintf(stderr, "demo provider listens on port %u\n",
            info != NULL ? info->port : ntohs(address.sin_port));
    int sig;
    sigwait(&stop, &sig);
    MHD_stop_daemon(d);
    return 0;
}
