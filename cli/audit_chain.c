/* Row by row: the hash of each is made of the hash before it and of its text. */
#include "cli/audit_chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/json.h"

#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define TEXT_MAX ((size_t)64 << 20)
#define NO_CHAIN "00000000-0000-0000-0000-000000000000"

struct audit_check {
    struct audit_chain *list;
    size_t n;
    char wanted[AUDIT_HASH_LEN + 1];
    bool found;
};

struct audit_check *audit_check_new(const char *head)
{
    struct audit_check *c = mem_alloc(sizeof *c);
    (void)snprintf(c->wanted, sizeof c->wanted, "%s", head ? head : "");
    return c;
}

void audit_check_free(struct audit_check *c)
{
    if (c) {
        mem_free(c->list);
        mem_free(c);
    }
}

size_t audit_check_chains(const struct audit_check *c)
{
    return c->n;
}

const struct audit_chain *audit_check_chain(const struct audit_check *c, size_t i)
{
    return &c->list[i];
}

/* "of the installation", "of 0190…" */
static const char *of_whom(const struct audit_chain *x, char buf[static 64])
{
    (void)snprintf(buf, 64, "of %s", strcmp(x->id, NO_CHAIN) == 0 ? "the installation" : x->id);
    return buf;
}

static bool fault(struct error *err, const struct audit_chain *x, uint64_t seq, const char *what)
{
    char whom[64];
    return error_set(err, ERR_INVALID_FIELD, "row %" PRIu64 " %s %s", seq, of_whom(x, whom), what);
}

static struct audit_chain *chain_of(struct audit_check *c, const char *id)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->list[i].id, id) == 0) {
            return &c->list[i];
        }
    }
    c->list = mem_realloc(c->list, (c->n + 1) * sizeof *c->list);
    struct audit_chain *x = &c->list[c->n++];
    *x = (struct audit_chain){.hash = ZERO};
    (void)snprintf(x->id, sizeof x->id, "%s", id);
    return x;
}

/* A short text without escapes. */
static bool short_text(const struct json_member *m, size_t len, char *out)
{
    if (!m->found || m->value.type != JSON_STRING || m->value.escaped ||
        json_text(m->value).len != len) {
        return false;
    }
    memcpy(out, json_text(m->value).ptr, len);
    out[len] = '\0';
    return true;
}

static bool number(const struct json_member *m, uint64_t *ret)
{
    return m->found && m->value.type == JSON_NUMBER && str_to_u64(m->value.raw, ret);
}

/* {"seq":…,"hash":…} */
static bool mark(struct json_value v, uint64_t *ret_seq, char hash[static AUDIT_HASH_LEN + 1])
{
    struct json_member m[] = {{.name = STR_LIT("seq")}, {.name = STR_LIT("hash")}};
    return v.type == JSON_OBJECT && json_members(v, m, 2, NULL) && number(&m[0], ret_seq) &&
           short_text(&m[1], AUDIT_HASH_LEN, hash);
}

/* Does the text say the same place as its line does? */
static bool text_fits(struct str text, const struct audit_chain *x, uint64_t seq)
{
    struct json_member m[] = {{.name = STR_LIT("chain")}, {.name = STR_LIT("seq")}};
    char id[37];
    uint64_t said = 0;
    return json_scan(text, m, 2, 0, NULL) && short_text(&m[0], 36, id) && strcmp(id, x->id) == 0 &&
           number(&m[1], &said) && said == seq;
}

static void hash_of(const char *before, struct str text, char out[static AUDIT_HASH_LEN + 1])
{
    uint8_t sum[CRYPTO_SHA256_LEN];
    struct buffer b;
    buffer_init(&b, TEXT_MAX);
    buffer_printf(&b, "%s\n", before);
    (void)buffer_append_str(&b, text);
    crypto_sha256(b.ptr, b.len, sum);
    crypto_hex(sum, sizeof sum, out);
    buffer_release(&b);
}

static bool check_row(struct audit_check *c, struct audit_chain *x, uint64_t seq, const char *hash,
                      struct str text, struct error *err)
{
    char made[AUDIT_HASH_LEN + 1];
    if (x->ended) {
        return fault(err, x, seq, "stands behind the end of its chain");
    }
    if (seq != x->seq + 1) {
        char whom[64];
        return error_set(err, ERR_INVALID_FIELD,
                         "row %" PRIu64 " %s stands where row %" PRIu64
                         " belongs: rows were removed, added or moved",
                         seq, of_whom(x, whom), x->seq + 1);
    }
    if (!text_fits(text, x, seq)) {
        return fault(err, x, seq, "holds the text of another row");
    }
    hash_of(x->hash, text, made);
    if (strcmp(made, hash) != 0) {
        return fault(err, x, seq,
                     "was changed: its hash is not that of its text and the row before");
    }
    x->seq = seq;
    memcpy(x->hash, hash, sizeof x->hash);
    c->found = c->found || strcmp(hash, c->wanted) == 0;
    return true;
}

static bool check_head(struct audit_chain *x, struct json_value v, struct error *err)
{
    char hash[AUDIT_HASH_LEN + 1];
    uint64_t seq = 0;
    if (!mark(v, &seq, hash)) {
        return error_set(err, ERR_INVALID_FIELD, "the line of a head is not in a known form");
    }
    if (seq != x->seq) {
        return fault(err, x, seq > x->seq ? x->seq + 1 : x->seq,
                     seq > x->seq ? "is missing, and what follows it"
                                  : "stands behind the head of its chain");
    }
    if (strcmp(hash, x->hash) != 0) {
        return fault(err, x, seq, "was changed: it is not the head of its chain");
    }
    x->ended = true;
    return true;
}

static bool check_from(struct audit_check *c, struct audit_chain *x, struct json_value v,
                       struct error *err)
{
    char hash[AUDIT_HASH_LEN + 1];
    uint64_t seq = 0;
    if (!mark(v, &seq, hash)) {
        return error_set(err, ERR_INVALID_FIELD, "the first line is not in a known form");
    }
    if (x->seq == 0 && !x->ended) {
        x->seq = x->from = seq;
        memcpy(x->hash, hash, sizeof x->hash);
        c->found = c->found || strcmp(hash, c->wanted) == 0;
        return true;
    }
    return (seq == x->seq && strcmp(hash, x->hash) == 0) ||
           fault(err, x, seq, "is not where the rows before it ended");
}

static bool read_text(struct json_value v, struct buffer *out)
{
    size_t len = 0;
    if (v.type != JSON_STRING || !buffer_reserve(out, v.raw.len + 1) ||
        !json_unescape(v, out->ptr, v.raw.len, &len)) {
        return false;
    }
    out->len = len;
    return true;
}

bool audit_check_line(struct audit_check *c, struct str line, struct error *err)
{
    struct json_member m[] = {{.name = STR_LIT("chain")}, {.name = STR_LIT("seq")},
                              {.name = STR_LIT("hash")},  {.name = STR_LIT("text")},
                              {.name = STR_LIT("head")},  {.name = STR_LIT("from")}};
    char id[37], hash[AUDIT_HASH_LEN + 1];
    uint64_t seq = 0;
    line = str_trim(line);
    if (line.len == 0) {
        return true;
    }
    if (!json_scan(line, m, 6, 0, NULL) || !short_text(&m[0], 36, id)) {
        return error_set(err, ERR_INVALID_FIELD, "a line is not a row of an audit export");
    }
    struct audit_chain *x = chain_of(c, id);
    if (m[4].found) {
        return check_head(x, m[4].value, err);
    }
    if (m[5].found) {
        return check_from(c, x, m[5].value, err);
    }
    struct buffer text;
    buffer_init(&text, TEXT_MAX);
    bool ok = number(&m[1], &seq) && short_text(&m[2], AUDIT_HASH_LEN, hash) && m[3].found &&
              read_text(m[3].value, &text);
    ok = ok ? check_row(c, x, seq, hash, buffer_str(&text), err)
            : fault(err, x, x->seq + 1, "is not in a known form");
    buffer_release(&text);
    return ok;
}

bool audit_check_end(const struct audit_check *c, struct error *err)
{
    for (size_t i = 0; i < c->n; i++) {
        if (!c->list[i].ended) {
            return fault(err, &c->list[i], c->list[i].seq + 1,
                         "or the end of the chain is missing: the export was cut off");
        }
    }
    return c->wanted[0] == '\0' || c->found ||
           error_set(err, ERR_INVALID_FIELD,
                     "no row has the hash %.64s: rows were removed or changed since it was noted",
                     c->wanted);
}
