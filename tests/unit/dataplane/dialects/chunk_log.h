/* Chunks of an answer as one line each, for tests of decoders. */
#ifndef TESTS_UNIT_DATAPLANE_DIALECTS_CHUNK_LOG_H
#define TESTS_UNIT_DATAPLANE_DIALECTS_CHUNK_LOG_H

#include <stdio.h>

#include "dataplane/dialects/dialect.h"

struct chunk_log {
    char text[16384];
    size_t len;
};

static inline void chunk_log_put(struct chunk_log *l, const char *word, struct str s)
{
    int n = snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s %.*s\n", word, STR_ARG(s));
    l->len += n > 0 && (size_t)n < sizeof(l->text) - l->len ? (size_t)n : 0;
}

static inline void chunk_log_put_usage(struct chunk_log *l, const struct usage *u)
{
    char text[96];
    (void)snprintf(text, sizeof(text), "%llu/%llu cached %llu", (unsigned long long)u->input,
                   (unsigned long long)u->output, (unsigned long long)u->cached);
    chunk_log_put(l, "USAGE", str_of(text));
}

/* A chunk_fn; arg is the log. */
static inline void chunk_log_emit(void *arg, const struct chunk *c)
{
    static const char *const plain[CHUNK_TYPE_COUNT] = {
        [CHUNK_TEXT] = "TEXT",   [CHUNK_REFUSAL] = "REFUSAL", [CHUNK_THINKING] = "THINKING",
        [CHUNK_BREAK] = "BREAK", [CHUNK_PING] = "PING",       [CHUNK_END] = "END",
    };
    struct chunk_log *l = arg;
    char word[128];
    switch (c->type) {
    case CHUNK_START:
        (void)snprintf(word, sizeof(word), "START %.*s", STR_ARG(c->id));
        chunk_log_put(l, word, c->model);
        break;
    case CHUNK_TOOL_BEGIN:
        (void)snprintf(word, sizeof(word), "BEGIN %d %.*s", c->tool, STR_ARG(c->id));
        chunk_log_put(l, word, c->name);
        break;
    case CHUNK_TOOL_ARGUMENTS:
        (void)snprintf(word, sizeof(word), "ARGS %d", c->tool);
        chunk_log_put(l, word, c->text);
        break;
    case CHUNK_TOOL_END:
        (void)snprintf(word, sizeof(word), "ENDTOOL %d", c->tool);
        chunk_log_put(l, word, STR_LIT(""));
        break;
    case CHUNK_CITATION:
        (void)snprintf(word, sizeof(word), "CITE %d-%d doc %d", (int)c->citation->start,
                       (int)c->citation->end, (int)c->citation->document);
        chunk_log_put(l, word, c->citation->title);
        break;
    case CHUNK_LOGPROBS:
        chunk_log_put(l, "LOGPROBS", c->raw);
        break;
    case CHUNK_FINISH:
        (void)snprintf(word, sizeof(word), "FINISH %d", (int)c->finish);
        chunk_log_put(l, word, c->text);
        break;
    case CHUNK_USAGE:
        chunk_log_put_usage(l, c->usage);
        break;
    case CHUNK_ERROR:
        (void)snprintf(word, sizeof(word), "ERROR %d", (int)c->error->class);
        chunk_log_put(l, word, c->error->message);
        break;
    default:
        chunk_log_put(l, plain[c->type] ? plain[c->type] : "OTHER", c->text);
        break;
    }
}

#endif
