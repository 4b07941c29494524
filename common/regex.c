/* Regular expressions by PCRE2's interpreter. PCRE2's own match limit starts anew at each position
 * of the text, so it does not bound a whole match; what does is counted here: a callout before each
 * item of the pattern adds up the steps and the characters that went by, and ends the match when
 * there were too many. No JIT: patterns are compiled per document, and compiled code would cost
 * more than it saves. */
#include "common/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/base/mem.h"

#define PATTERN_MAX 4096u
#define TEXT_MAX (64u * 1024u)
#define REPEAT_MAX 1000u /* as RE2 has it */
#define STEPS_PER_START 100000u
#define STEPS_TOTAL 1000000u
#define HEAP_KIB 2048u

struct regex {
    pcre2_code *code;
    uint32_t item_cost;  /* of one step: characters that a counted repeat may look at unseen */
    bool has_references; /* to groups: one step compares as much as the group holds */
};

/* ---- memory: the compiled code lives in the arena, what a match needs on the stack ---- */

static void *compile_alloc(size_t n, void *arg)
{
    return arena_alloc(arg, n);
}

static void compile_free(void *p, void *arg)
{
    (void)p;
    (void)arg;
}

struct scratch {
    size_t used;
    _Alignas(16) char room[28 * 1024];
};

static void *match_alloc(size_t n, void *arg)
{
    struct scratch *s = arg;
    size_t need = (n + 15) & ~(size_t)15;
    if (need > sizeof(s->room) - s->used) {
        return mem_try_alloc(n);
    }
    void *p = s->room + s->used;
    s->used += need;
    return p;
}

static void match_free(void *p, void *arg)
{
    struct scratch *s = arg;
    if ((char *)p < s->room || (char *)p >= s->room + sizeof(s->room)) {
        mem_free(p);
    }
}

/* ---- compiling ---- */

/* The largest count of a "{n}" or "{n,m}"; UINT32_MAX: over REPEAT_MAX. */
static uint32_t largest_repeat(struct str pattern)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.ptr[i] == '\\') {
            i++;
            continue;
        }
        if (pattern.ptr[i] != '{') {
            continue;
        }
        uint32_t n = 0;
        for (size_t k = i + 1; k < pattern.len; k++) {
            char ch = pattern.ptr[k];
            if (ch == ',') {
                n = 0;
                continue;
            }
            if (ch < '0' || ch > '9') {
                break;
            }
            n = n > REPEAT_MAX ? n : n * 10 + (uint32_t)(ch - '0');
            largest = n > largest ? n : largest;
        }
    }
    return largest > REPEAT_MAX ? UINT32_MAX : largest;
}

static pcre2_code *code_compile(struct str pattern, struct arena *a, struct error *err)
{
    int why = 0;
    PCRE2_SIZE where = 0;
    pcre2_code *code = NULL;
    pcre2_general_context *memory = pcre2_general_context_create(compile_alloc, compile_free, a);
    pcre2_compile_context *how = memory ? pcre2_compile_context_create(memory) : NULL;
    if (how) {
        /* as JavaScript: "." stops at both line ends; nesting is bounded for the stack's sake */
        (void)pcre2_set_newline(how, PCRE2_NEWLINE_ANYCRLF);
        (void)pcre2_set_parens_nest_limit(how, 100);
        (void)pcre2_set_compile_extra_options(how, PCRE2_EXTRA_ALT_BSUX);
        code = pcre2_compile((PCRE2_SPTR)(pattern.len ? pattern.ptr : ""), pattern.len,
                             PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_AUTO_CALLOUT |
                                 PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_DOLLAR_ENDONLY |
                                 PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C,
                             &why, &where, how);
    }
    if (!code) {
        PCRE2_UCHAR text[120] = "out of room";
        if (how) {
            (void)pcre2_get_error_message(why, text, sizeof(text));
        }
        (void)error_set(err, ERR_INVALID_FIELD, "regular expression cannot be read at byte %zu: %s",
                        (size_t)where, (const char *)text);
        err->offset = (int64_t)where;
    }
    return code;
}

bool regex_compile(struct str pattern, struct arena *a, const struct regex **ret, struct error *err)
{
    uint32_t references = 0, repeat = largest_repeat(pattern);
    if (pattern.len > PATTERN_MAX) {
        return error_set(err, ERR_INVALID_FIELD, "regular expression is longer than %u bytes",
                         PATTERN_MAX);
    }
    if (repeat == UINT32_MAX) {
        return error_set(err, ERR_INVALID_FIELD,
                         "regular expression repeats an item more than %u times", REPEAT_MAX);
    }
    struct regex *x = arena_zalloc(a, sizeof(*x));
    if (!x) {
        return error_set(err, ERR_BODY_TOO_LARGE, "regular expression needs too much memory");
    }
    x->code = code_compile(pattern, a, err);
    if (!x->code) {
        return false;
    }
    (void)pcre2_pattern_info(x->code, PCRE2_INFO_BACKREFMAX, &references);
    x->has_references = references > 0;
    x->item_cost = 1 + repeat / 32;
    *ret = x;
    return true;
}

/* ---- matching ---- */

struct meter {
    uint32_t cost; /* of a step */
    uint64_t spent, most;
    PCRE2_SIZE at;
};

static int on_step(pcre2_callout_block *block, void *arg)
{
    struct meter *m = arg;
    PCRE2_SIZE at = block->current_position;
    m->spent += m->cost + (at > m->at ? at - m->at : m->at - at);
    m->at = at;
    return m->spent > m->most ? PCRE2_ERROR_CALLOUT : 0;
}

bool regex_matches(const struct regex *x, struct str text)
{
    uint64_t left = STEPS_TOTAL;
    return regex_matches_within(x, text, &left);
}

bool regex_matches_within(const struct regex *x, struct str text, uint64_t *left)
{
    struct scratch scratch;
    struct meter meter = {.cost = x->item_cost, .most = *left < STEPS_TOTAL ? *left : STEPS_TOTAL};
    if (*left == 0) {
        return false;
    }
    scratch.used = 0;
    text.len = text.len > TEXT_MAX ? TEXT_MAX : text.len;
    meter.spent = 1 + text.len / 64; /* a text is looked over for what must be in it */
    if (x->has_references) {
        meter.cost += (uint32_t)(text.len / 64);
    }
    pcre2_general_context *memory = pcre2_general_context_create(match_alloc, match_free, &scratch);
    pcre2_match_context *how = memory ? pcre2_match_context_create(memory) : NULL;
    pcre2_match_data *data = how ? pcre2_match_data_create(1, memory) : NULL;
    int found = -1;
    if (data) {
        (void)pcre2_set_match_limit(how, STEPS_PER_START);
        (void)pcre2_set_heap_limit(how, HEAP_KIB);
        (void)pcre2_set_callout(how, on_step, &meter);
        found =
            pcre2_match(x->code, (PCRE2_SPTR)(text.len ? text.ptr : ""), text.len, 0, 0, data, how);
    }
    *left -= meter.spent < *left ? meter.spent : *left;
    pcre2_match_data_free(data);
    pcre2_match_context_free(how);
    pcre2_general_context_free(memory);
    return found >= 0; /* 0: it matched, and has more groups than we have room for */
}
