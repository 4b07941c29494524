/* Sends the cases of a replay: threads that each take the next case and run it by both sides, in
 * turns first by one and first by the other, so that neither side always finds the caches warm. */
#include "cli/replay.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "cli/http.h"
#include "common/base/mem.h"
#include "common/json.h"

#define THREADS_MAX 64

struct crew {
    struct replay *replay;
    atomic_size_t next;
};

struct hand {
    struct crew *crew;
    struct http *http;
    pthread_t thread;
};

static uint64_t member(struct json_value object, const char *name)
{
    struct json_member m = {.name = str_of(name)};
    uint64_t v = 0;
    return object.type == JSON_OBJECT && json_members(object, &m, 1, NULL) && m.found &&
                   json_u64(m.value, &v)
               ? v
               : 0;
}

/* Tokens as the answer itself tells them, in whichever dialect; an event, which knows better, comes
 * later. */
static void take_usage(struct replay_run *run, struct str body)
{
    struct json_member m[] = {{.name = STR_LIT("usage")}, {.name = STR_LIT("usageMetadata")}};
    if (!json_scan(body, m, 2, 0, NULL)) {
        return;
    }
    struct json_value u = m[0].found ? m[0].value : m[1].value;
    if ((!m[0].found && !m[1].found) || u.type != JSON_OBJECT) {
        return;
    }
    run->tokens_in = member(u, "prompt_tokens") + member(u, "input_tokens") +
                     member(u, "promptTokenCount") + member(u, "inputTokens");
    run->tokens_out = member(u, "completion_tokens") + member(u, "output_tokens") +
                      member(u, "candidatesTokenCount") + member(u, "outputTokens");
    run->has_tokens = true;
}

static void take_cost(struct replay_run *run, const char *text)
{
    struct json_value v;
    run->has_cost = *text && json_validate(str_of(text), 1, &v, NULL) && v.type == JSON_NUMBER &&
                    json_decimal(v, 9, &run->cost_nanousd);
}

static void run_one(struct hand *h, const struct replay *r, struct replay_case *k,
                    enum replay_side side)
{
    struct replay_run *run = &k->runs[side];
    struct http_answer answer;
    struct error err = ERROR_INIT;
    struct buffer url;
    bool typed = false;
    buffer_init(&url, 64u << 10);
    buffer_append_z(&url, r->proxy);
    buffer_append_z(&url, k->path);
    char *text = buffer_detach(&url);
    struct http_call call = {
        .method = k->method, .url = text, .body = k->body, .timeout_ms = r->timeout_ms};
    for (unsigned i = 0; i < k->n_headers; i++) {
        call.headers[call.n_headers++] = k->headers[i];
        typed = typed ||
                str_eq_nocase(str_slice(str_of(k->headers[i]), 0, 13), STR_LIT("content-type:"));
    }
    call.headers[call.n_headers++] = r->key_header;
    if (r->config_header[side]) {
        call.headers[call.n_headers++] = r->config_header[side];
    }
    if (k->body.ptr && !typed) {
        call.headers[call.n_headers++] = "content-type: application/json";
    }
    if (http_send(h->http, &call, &answer, &err)) {
        run->status = answer.status;
        run->first_byte_us = answer.first_byte_us;
        run->total_us = answer.total_us;
        (void)snprintf(run->request_id, sizeof run->request_id, "%s", answer.request_id);
        take_cost(run, answer.cost_usd);
        take_usage(run, buffer_str(&answer.body));
        http_answer_release(&answer);
    } else {
        (void)snprintf(run->error, sizeof run->error, "%s", error_text(&err));
    }
    mem_free(text);
}

static void *work(void *arg)
{
    struct hand *h = arg;
    struct replay *r = h->crew->replay;
    for (;;) {
        size_t i = atomic_fetch_add(&h->crew->next, 1);
        if (i >= r->n) {
            return NULL;
        }
        run_one(h, r, &r->cases[i], i % 2 ? REPLAY_PROPOSED : REPLAY_BASELINE);
        run_one(h, r, &r->cases[i], i % 2 ? REPLAY_BASELINE : REPLAY_PROPOSED);
    }
}

void replay_send(struct replay *r, unsigned concurrency)
{
    struct crew crew = {.replay = r};
    struct hand hands[THREADS_MAX];
    unsigned started = 0;
    unsigned n = concurrency < THREADS_MAX ? concurrency : THREADS_MAX;
    n = r->n < n ? (unsigned)r->n : n;
    atomic_init(&crew.next, 0);
    for (unsigned i = 0; i < n; i++) {
        hands[i] = (struct hand){.crew = &crew, .http = http_new(r->ca_file)};
    }
    /* the first one is this thread: at least one there always is */
    for (unsigned i = 1; i < n; i++) {
        if (pthread_create(&hands[i].thread, NULL, work, &hands[i]) != 0) {
            break;
        }
        started = i;
    }
    (void)work(&hands[0]);
    for (unsigned i = 1; i <= started; i++) {
        (void)pthread_join(hands[i].thread, NULL);
    }
    for (unsigned i = 0; i < n; i++) {
        http_free(hands[i].http);
    }
}
