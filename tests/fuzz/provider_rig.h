/* What the drivers of dialects that only providers speak share: a stream keeps to the grammar of
 * chunks, an answer goes back as a turn in valid JSON. CODEC names the codec; define it first. */
#ifndef TESTS_FUZZ_PROVIDER_RIG_H
#define TESTS_FUZZ_PROVIDER_RIG_H

#include "dataplane/canonical/read.h"
#include "dataplane/dialects/dialect.h"

#include <stdlib.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

#define ROOM (16u << 20)

static struct losses losses;
static struct exchange_context context = {.model = STR_LIT("m"),
                                          .request_id = STR_LIT("req_1"),
                                          .unique = STR_LIT("0123456789abcdef0123456789abcdef"),
                                          .created = 1,
                                          .losses = &losses};

/* What a stream may say, and in which order (chat.h's grammar). */
struct grammar {
    bool started, finished, over;
    int calls;
};

static void on_chunk(void *arg, const struct chunk *c)
{
    struct grammar *g = arg;
    must(!g->over);
    must(g->started == (c->type != CHUNK_START));
    g->started = true;
    if (c->type == CHUNK_TOOL_BEGIN)
        must(c->tool == g->calls++ && c->id.len);
    else if (c->type == CHUNK_TOOL_ARGUMENTS || c->type == CHUNK_TOOL_END)
        must(c->tool >= 0 && c->tool < g->calls);
    else
        must(c->tool == -1 || c->type == CHUNK_SIGNATURE);
    if (c->type == CHUNK_FINISH) {
        must(!g->finished && c->finish != FINISH_NONE);
        g->finished = true;
    }
    if (c->type == CHUNK_LOGPROBS)
        must(json_validate(c->raw, 0, NULL, NULL));
    if (c->type == CHUNK_USAGE)
        must(c->usage && c->usage->found);
    if (c->type == CHUNK_ERROR)
        must(c->error && c->error->message.len && c->error->class != FAILURE_NONE);
    g->over = c->type == CHUNK_END || c->type == CHUNK_ERROR;
    must(c->type != CHUNK_END || g->finished);
}

/* A line is an event. */
static void stream(struct str text)
{
    struct grammar g = {.calls = 0};
    struct arena *a = arena_new(ROOM), *scratch = arena_new(ROOM);
    void *d = CODEC.decoder_new(&context, a, on_chunk, &g);
    struct str line;
    bool more = true, ok = true;

    while (ok && more) {
        more = str_cut(text, '\n', &line, &text);
        line = more ? line : text;
        ok = CODEC.decode_event(d, scratch, STR_LIT(""), line);
        must(ok ||
             !json_validate(str_trim(line), 0, &(struct json_value){.type = JSON_NULL}, NULL) ||
             str_trim(line).ptr[0] != '{');
        arena_reset(scratch);
    }
    CODEC.decode_end(d);
    arena_free(scratch);
    arena_free(a);
}

/* An answer that is understood has its parts whole, and goes back as a turn of the next request. */
static void reply(struct str text)
{
    struct arena *a = arena_new(ROOM);
    struct error err = ERROR_INIT;
    struct chat_reply r;
    struct buffer out;

    buffer_init(&out, ROOM);
    if (CODEC.decode_reply(text, &context, a, &r, &err)) {
        struct message m = {.role = ROLE_ASSISTANT};
        struct chat_request q = {.family = FAMILY_CHAT, .messages = &m, .n_messages = 1};

        must(r.n_choices == 1 && r.choices[0].finish != FINISH_NONE);
        m.parts = r.choices[0].parts;
        m.n_parts = r.choices[0].n_parts;
        for (size_t i = 0; i < m.n_parts; i++) {
            struct json_value v;
            must(m.parts[i].type != PART_TOOL_CALL ||
                 (m.parts[i].id.len && read_json(m.parts[i].arguments, &v) &&
                  v.type == JSON_OBJECT));
        }
        must(CODEC.encode_request(&q, &context, a, &out, &err));
        must(json_validate(buffer_str(&out), JSON_MAX_DEPTH, NULL, NULL) ||
             !json_validate(text, 100, NULL, NULL));
    } else {
        must(err.code != ERR_NONE);
    }
    buffer_release(&out);
    arena_free(a);
}

#endif
