/* Requests by configs of every kind, their providers, clients, timers and snapshots played by dice.
 */
#ifndef TESTS_UNIT_DATAPLANE_REQUEST_CHAOS_RIG_H
#define TESTS_UNIT_DATAPLANE_REQUEST_CHAOS_RIG_H

#include "dataplane/request/life_rig.h"

#include "common/crypto.h"

#ifndef CHAOS_YAML
#define CHAOS_YAML PROVIDERS REST
#endif

static uint64_t dice = 1;
static void (*on_turn)(void); /* what else happens meanwhile */

static unsigned roll(unsigned n)
{
    dice = dice * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((dice >> 33) % n);
}

static const char *const configs[] = {
    NULL,
    FALLBACK(A "," B "," AN),
    FALLBACK(RETRY(A, "2") "," B),
    HEDGE(A "," B),
    HEDGE(FALLBACK(A "," AN) "," B),
    FALLBACK(HEDGE(AN "," A) "," RETRY(B, "1")),
    MIRROR(HEDGE(A "," B) "," AN "," B),
    MIRROR(FALLBACK(BRITTLE(RETRY(A, "1")) "," B) "," A),
    BRITTLE(FALLBACK(A "," B)),
    BRITTLE(HEDGE(RETRY(A, "1") ","
                                "{\"provider\":\"@two\",\"model\":\"m\"}")),
    FALLBACK("{\"provider\":\"@two\",\"model\":\"m\",\"retry\":{\"attempts\":2}}"
             "," A),
    "{\"strategy\":{\"mode\":\"weighted\"},\"cache\":{\"mode\":\"simple\"},\"targets\":[" BRITTLE(
        A) "," BRITTLE(AN) "," B "]}",
    FALLBACK(BR "," A "," AN),
    HEDGE(FALLBACK(AZ "," A) "," AZ),
    MIRROR(BRITTLE(HEDGE(A "," RETRY(AZ, "2"))) "," AZ "," AN),
    MIRROR(FALLBACK(BRITTLE(RETRY(BR, "1")) "," A) "," AN),
};

static struct upstream_call *any_call(void)
{
    size_t from = roll(WORLD_CALLS);
    for (size_t i = 0; i < WORLD_CALLS; i++) {
        struct upstream_call *c = &world.pool[(from + i) % WORLD_CALLS];
        if (c->live) {
            return c;
        }
    }
    return NULL;
}

static void play_head(void)
{
    static const int statuses[] = {200, 200, 200, 200, 400, 401, 408, 429, 500, 503, 204};
    int status = statuses[roll(sizeof(statuses) / sizeof(statuses[0]))];
    upstream_head_with(status, roll(2) ? "text/event-stream" : "application/json", -1,
                       status == 429 && roll(2) ? "retry-after: 1" : NULL);
}

#define M_START                                                                                    \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":" \
    "\"c\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
#define M_BLOCK                                                                                  \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"           \
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: " \
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":" \
    "\"Hello\"}}\n\n"
#define M_STOP "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
#define M_ANSWER                                                                               \
    "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[{" \
    "\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\",\"usage\":{"             \
    "\"input_tokens\":3,\"output_tokens\":4}}"

static void play_body(void)
{
    static const char *const pieces[] = {ROLE,       CHUNK,   TOLD,    DONE,  "data: {\"cho",
                                         "nonsense", M_START, M_BLOCK, M_STOP};
    static const char *const bodies[] = {
        ANSWER, M_ANSWER, EMBEDDING, "{\"id\":", "{\"input_tokens\":5}", TOKEN};
    if (roll(4) == 0) {
        upstream_fail(roll(2) ? ERR_UPSTREAM_CLOSED : ERR_UPSTREAM_TIMEOUT);
    } else if (roll(3) == 0) {
        upstream_end();
    } else {
        upstream_data(world.call->stream ? pieces[roll(9)] : bodies[roll(6)]);
    }
}

static void play_call(struct upstream_call *c)
{
    world.call = c;
    if (c->answered) {
        play_body();
    } else if (roll(4) == 0) {
        upstream_fail(roll(2) ? ERR_UPSTREAM_CLOSED : ERR_UPSTREAM_TIMEOUT);
    } else {
        play_head();
    }
}

static void play_turn(void)
{
    if (on_turn) {
        on_turn();
    }
    struct upstream_call *c = any_call();
    unsigned what = roll(20);
    if (what == 0 && world.x.on_gone && !world.x.ended) {
        client_goes();
    } else if (what == 1) {
        world_publish(CHAOS_YAML);
    } else if (what < 5) {
        (void)world_time_over();
    } else if (what == 5) {
        world.x.full = !world.x.full;
        if (!world.x.full && world.x.on_drain) {
            world.x.on_drain(world.x.drain_arg);
        }
    } else if (c) {
        play_call(c);
    } else {
        (void)world_time_over();
    }
    if (roll(3) == 0) {
        world_end_turn();
    }
}

static const struct {
    const char *path, *body;
} asked[] = {
    {CHAT, BODY},
    {CHAT, STREAM_BODY},
    {CHAT, STREAM_BODY},
    {"/v1/messages", STREAM_BODY},
    {"/v1/messages", BODY},
    {"/v1/messages/count_tokens", BODY},
    {"/v1/responses", "{\"model\":\"any\",\"stream\":true,\"input\":\"Hi\"}"},
    {EMBED, INPUTS},
    {"/a/chat/completions", BODY},
    {"/v1/acc/gw",
     "[{\"provider\":\"a\",\"endpoint\":\"chat/completions\",\"query\":" BODY
     "},{\"provider\":\"b\",\"endpoint\":\"chat/completions\",\"query\":" STREAM_BODY "}]"},
};

/* What the client got is what its event says. */
static void event_is_of_the_answer(void)
{
    const char *id = strstr(world.x.answer_headers, "x-weir-request-id: req_");
    struct uuid wanted;
    bool read = id && crypto_unhex((struct str){id + 23, 32}, wanted.b, sizeof(wanted.b));
    for (size_t i = world.n_records; read && i-- > 0;) {
        if (uuid_eq(&world.records[i].id, &wanted)) {
            assert_int_equal(world.records[i].status, world.x.status);
            return;
        }
    }
    assert_false(read);
}

/* more: further header fields, each with its line's end. */
static void play_request(const char *more)
{
    const char *config = configs[roll(sizeof(configs) / sizeof(configs[0]))];
    static const char plain[] = "{\"model\":\"fast\",\"messages\":[]}";
    unsigned most = 4 + roll(60), what = roll(sizeof(asked) / sizeof(asked[0]));
    ask_at(config ? asked[what].path : CHAT, config, config ? asked[what].body : plain,
           roll(8) ? more : "x-weir-strict: true\n");
    while (!world.x.ended && most--) {
        play_turn();
    }
    if (!world.x.ended && roll(2)) {
        client_goes();
    }
    if (!world.x.ended) {
        request_end_all(&world.env);
        world.env.ending = false;
    }
    assert_true(world.x.ended);
    event_is_of_the_answer();
}

#endif
