/* What runs cost: usage events by their request's id, from a standalone proxy's file or from the
 * admin API. Events come a moment after the answer, so they are waited for, for a while. */
#include "cli/replay.h"

#include <stdio.h>
#include <time.h>

#include "cli/api.h"
#include "cli/file.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/mem.h"

#define FILE_MAX_BYTES ((size_t)1 << 30)
#define PATIENCE_MS 10000
#define POLL_MS 200
#define ID_BYTES 32

/* The 32 hexadecimal digits of "req_…" or of a UUID. False: it is none. */
static bool digits_of(const char *id, char ret[static ID_BYTES + 1])
{
    size_t n = 0;
    const char *p = strncmp(id, "req_", 4) == 0 ? id + 4 : id;
    for (; *p; p++) {
        if (*p == '-') {
            continue;
        }
        if (str_hex_digit(*p) < 0 || n == ID_BYTES) {
            return false;
        }
        ret[n++] = *p;
    }
    ret[n] = '\0';
    return n == ID_BYTES;
}

/* A further try is a further line of the bill; its tokens count as well. */
static void take_event(struct replay_run *run, const struct document *event)
{
    const struct document *attempts = document_get(event, "attempts");
    run->tokens_in = run->tokens_out = 0;
    for (size_t i = 0; i < document_count(attempts); i++) {
        const struct document *lines = document_get(document_at(attempts, i), "quantities");
        for (size_t k = 0; k < document_count(lines); k++) {
            const struct document *q = document_at(lines, k);
            uint64_t quantity = (uint64_t)document_integer(q, "quantity");
            run->tokens_in += strcmp(document_text(q, "unit"), "token_in") == 0 ? quantity : 0;
            run->tokens_out += strcmp(document_text(q, "unit"), "token_out") == 0 ? quantity : 0;
        }
    }
    run->has_tokens = true;
    if (!run->has_cost) {
        run->cost_nanousd = document_integer(event, "cost_nanousd");
        run->has_cost = true;
    }
}

static void rest(void)
{
    struct timespec t = {.tv_nsec = POLL_MS * 1000000L};
    (void)nanosleep(&t, NULL);
}

/* ---- the file ---- */

/* Runs that an event is wanted for, by the digits of their ids. */
static struct map *wanted_of(struct replay *r)
{
    struct map *wanted = map_new();
    for (size_t i = 0; i < r->n; i++) {
        for (int side = 0; side < REPLAY_SIDES; side++) {
            struct replay_run *run = &r->cases[i].runs[side];
            char digits[ID_BYTES + 1];
            struct str key = STR_NONE; /* the map keeps the pointer */
            if (digits_of(run->request_id, digits)) {
                key = arena_str(r->arena, (struct str){digits, ID_BYTES});
            }
            if (key.ptr) {
                (void)map_put(wanted, key, run);
            }
        }
    }
    return wanted;
}

static void take_line(struct map *wanted, struct str line)
{
    struct error ignored = ERROR_INIT;
    struct document *event = line.len ? document_parse(line, &ignored) : NULL;
    char digits[ID_BYTES + 1];
    if (event && digits_of(document_text(event, "id"), digits)) {
        struct replay_run *run = map_remove(wanted, (struct str){digits, ID_BYTES});
        if (run) {
            take_event(run, event);
        }
    }
    document_free(event);
}

/* Each round reads what was written since the last one; a line without its end is left for the
 * next. */
static bool read_on(FILE *f, struct buffer *left, struct map *wanted)
{
    char part[64 << 10];
    size_t n, done = 0;
    clearerr(f);
    while ((n = fread(part, 1, sizeof part, f)) > 0) {
        buffer_append(left, part, n);
    }
    for (size_t i = 0; i < left->len; i++) {
        if (left->ptr[i] == '\n') {
            take_line(wanted, str_trim((struct str){left->ptr + done, i - done}));
            done = i + 1;
        }
    }
    buffer_consume(left, done);
    return !ferror(f) && !left->failed;
}

bool replay_usage_from_file(struct replay *r, const char *path, struct error *err)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        return error_set(err, ERR_INVALID_FIELD, "cannot read \"%.160s\": %m", path);
    }
    struct map *wanted = wanted_of(r);
    struct buffer left;
    uint64_t end_ns = clock_mono_ns() + PATIENCE_MS * 1000000ull;
    buffer_init(&left, FILE_MAX_BYTES);
    bool ok = read_on(f, &left, wanted);
    while (ok && map_count(wanted) && clock_mono_ns() < end_ns) {
        rest();
        ok = read_on(f, &left, wanted);
    }
    (void)fclose(f);
    map_free(wanted);
    buffer_release(&left);
    return ok || error_set(err, ERR_INVALID_FIELD, "cannot read \"%.160s\"", path);
}

/* ---- the API ---- */

/* True: it is done with, one way or the other. *err is set when no further call makes sense. */
static bool ask(struct cli *c, struct replay_run *run, struct error *err)
{
    char digits[ID_BYTES + 1], path[64];
    struct document *event = NULL;
    struct error why = ERROR_INIT;
    if (!digits_of(run->request_id, digits)) {
        return true;
    }
    (void)snprintf(path, sizeof path, "/events/evt_%s", digits);
    if (api_call(c, "GET", path, STR_NONE, &event, &why)) {
        take_event(run, event);
        document_free(event);
        return true;
    }
    if (why.code != ERR_NOT_FOUND) {
        *err = why;
    }
    return false;
}

bool replay_usage_from_api(struct replay *r, struct cli *c, struct error *err)
{
    uint64_t end_ns = clock_mono_ns() + PATIENCE_MS * 1000000ull;
    bool *done = mem_alloc((r->n * REPLAY_SIDES + 1) * sizeof *done);
    size_t open = r->n * REPLAY_SIDES;
    while (open && err->code == ERR_NONE) {
        for (size_t i = 0; i < r->n * REPLAY_SIDES && err->code == ERR_NONE; i++) {
            if (!done[i] && ask(c, &r->cases[i / REPLAY_SIDES].runs[i % REPLAY_SIDES], err)) {
                done[i] = true;
                open--;
            }
        }
        if (open && clock_mono_ns() >= end_ns) {
            break;
        }
        if (open) {
            rest();
        }
    }
    mem_free(done);
    return err->code == ERR_NONE;
}
