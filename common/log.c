/* Structured log lines. A line is built in one fixed block on the stack and leaves by one write(),
 * so lines of threads never mix and logging never allocates; what does not fit is cut, and the line
 * still closes. Redaction is a net under the rule that callers pass no secrets: it masks what looks
 * like one. */
#include "common/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"

#define LINE_MAX_BYTES 8192u
#define LINE_RESERVE 8u /* for the quote, the brace and the newline */

static struct {
    char component[32];
    atomic_int level;
    atomic_bool json;
} logger = {.component = "weir", .level = LOG_INFO, .json = true};

static const char *const level_names[LOG_LEVEL_COUNT] = {"debug", "info", "warn", "error"};

void log_init(const char *component, enum log_level level, bool json)
{
    (void)snprintf(logger.component, sizeof(logger.component), "%s", component);
    atomic_store(&logger.json, json);
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store(&logger.level, (int)level);
}

bool log_level_parse(struct str s, enum log_level *ret)
{
    for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
        if (str_eqz(s, level_names[i])) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
    bool full;
};

/* All or nothing, so that an escape or a character is never cut in two. */
static void put(struct line *l, const char *p, size_t n)
{
    if (l->full || n > LINE_MAX_BYTES - LINE_RESERVE - l->len) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->len, p, n);
    l->len += n;
}

static void put_z(struct line *l, const char *z)
{
    put(l, z, strlen(z));
}

/* Length of the UTF-8 sequence at p by its shape, 0 when broken (overlong forms may pass: they are
 * only shown). */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    size_t len = p[0] < 0x80   ? 1
                 : p[0] < 0xc2 ? 0
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf5 ? 4
                               : 0;
    if (len > n) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

static void put_escaped(struct line *l, struct str s)
{
    for (size_t i = 0; i < s.len;) {
        const unsigned char *p = (const unsigned char *)s.ptr + i;
        size_t len = utf8_length(p, s.len - i);
        char escape[8];
        if (len == 0) {
            put_z(l, "\xef\xbf\xbd");
            len = 1;
        } else if (*p == '"' || *p == '\\') {
            escape[0] = '\\';
            escape[1] = (char)*p;
            put(l, escape, 2);
        } else if (*p == '\n') {
            put(l, "\\n", 2);
        } else if (*p < 0x20 || *p == 0x7f) {
            put(l, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", *p));
        } else {
            put(l, (const char *)p, len);
        }
        i += len;
    }
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Bytes of s from `at` that may belong to a credential; *ret_digit: one of them is a digit. */
static size_t token_length(struct str s, size_t at, const char *also, bool *ret_digit)
{
    size_t n = 0;
    *ret_digit = false;
    while (at + n < s.len &&
           (is_alnum(s.ptr[at + n]) || (s.ptr[at + n] && strchr(also, s.ptr[at + n])))) {
        *ret_digit = *ret_digit || (s.ptr[at + n] >= '0' && s.ptr[at + n] <= '9');
        n++;
    }
    return n;
}

/* If a secret starts at s[at]: true, with the bytes to show (*ret_keep) and to hide behind them
 * (*ret_hide). */
static bool secret_at(struct str s, size_t at, size_t *ret_keep, size_t *ret_hide)
{
    static const char *const ours[] = {"wr_live_", "wr_adm_", "wr_scim_", "wr_enr_"};
    struct str rest = str_slice(s, at, s.len);
    bool starts_word = at == 0 || !is_alnum(s.ptr[at - 1]);
    bool digit;
    switch (rest.ptr[0]) {
    case 'w':
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
            if (str_starts(rest, str_of(ours[i]))) {
                *ret_keep = strlen(ours[i]);
                *ret_hide = token_length(rest, *ret_keep, "_-", &digit);
                return *ret_hide > 0;
            }
        }
        return false;
    case 's':
        if (!str_starts(rest, STR_LIT("sk-"))) {
            return false;
        }
        *ret_keep = 3;
        *ret_hide = token_length(rest, 3, "_-", &digit);
        /* inside a word ("task-list") only what is long and has a digit is a key */
        return *ret_hide > 0 && (starts_word || (*ret_hide >= 20 && digit));
    case 'b':
    case 'B':
        if (!starts_word || !str_eq_nocase(str_slice(rest, 0, 6), STR_LIT("bearer"))) {
            return false;
        }
        *ret_keep = 6;
        while (*ret_keep < rest.len &&
               (rest.ptr[*ret_keep] == ' ' || rest.ptr[*ret_keep] == '\t')) {
            ++*ret_keep;
        }
        *ret_hide = *ret_keep > 6 ? token_length(rest, *ret_keep, "-._~+/=", &digit) : 0;
        return *ret_hide > 0;
    default:
        return false;
    }
}

static void put_redacted(struct line *l, struct str s)
{
    size_t from = 0, keep, hide;
    for (size_t i = 0; i < s.len;) {
        if (secret_at(s, i, &keep, &hide)) {
            put_escaped(l, str_slice(s, from, i + keep - from));
            put_z(l, "***");
            i += keep + hide;
            from = i;
        } else {
            i++;
        }
    }
    put_escaped(l, str_slice(s, from, s.len));
}

static void put_json_text(struct line *l, const char *name, struct str value)
{
    if (l->full) {
        return;
    }
    put_z(l, ",\"");
    put_z(l, name);
    put_z(l, "\":\"");
    put_redacted(l, value);
    /* past the ceiling too, the string must end: the reserve holds the quote */
    if (l->full) {
        l->text[l->len++] = '"';
        return;
    }
    put_z(l, "\"");
}

static void put_number(struct line *l, const struct log_pair *p)
{
    char digits[24];
    int n = p->kind == LOG_PAIR_U64
                ? snprintf(digits, sizeof(digits), "%llu", (unsigned long long)p->u)
                : snprintf(digits, sizeof(digits), "%lld", (long long)p->i);
    put(l, digits, (size_t)n);
}

static void build_json(struct line *l, enum log_level level, const char *ts, const char *event,
                       const char *msg, const struct log_pair *pairs)
{
    put_z(l, "{\"ts\":\"");
    put_z(l, ts);
    put_z(l, "\",\"level\":\"");
    put_z(l, level_names[level]);
    put_z(l, "\"");
    put_json_text(l, "component", str_of(logger.component));
    put_json_text(l, "event", str_of(event));
    put_json_text(l, "msg", str_of(msg));
    for (const struct log_pair *p = pairs; p->kind != LOG_PAIR_END && !l->full; p++) {
        size_t before = l->len;
        if (p->kind != LOG_PAIR_STR) {
            put_z(l, ",\"");
            put_z(l, p->key);
            put_z(l, "\":");
            put_number(l, p);
        } else if (p->s.ptr) {
            /* a name that does not fit would leave a stray quote behind: 64 bytes are more than any
             * name */
            if (l->len + 64 > LINE_MAX_BYTES - LINE_RESERVE) {
                l->full = true;
                break;
            }
            put_json_text(l, p->key, p->s);
            continue;
        } else {
            put_z(l, ",\"");
            put_z(l, p->key);
            put_z(l, "\":null");
        }
        if (l->full) {
            l->len = before;
        }
    }
    l->text[l->len++] = '}';
    l->text[l->len++] = '\n';
}

static void build_text(struct line *l, enum log_level level, const char *ts, const char *event,
                       const char *msg, const struct log_pair *pairs)
{
    char head[96];
    (void)snprintf(head, sizeof(head), "%s %-5s %s %s: ", ts, level_names[level], logger.component,
                   event);
    put_z(l, head);
    put_redacted(l, str_of(msg));
    for (const struct log_pair *p = pairs; p->kind != LOG_PAIR_END; p++) {
        put_z(l, " ");
        put_z(l, p->key);
        put_z(l, "=");
        if (p->kind == LOG_PAIR_STR) {
            bool quote = p->s.len == 0 || memchr(p->s.ptr, ' ', p->s.len);
            put_z(l, quote ? "\"" : "");
            put_redacted(l, p->s);
            put_z(l, quote ? "\"" : "");
        } else {
            put_number(l, p);
        }
    }
    l->text[l->len++] = '\n';
}

void log_emit(enum log_level level, const char *event, const char *msg,
              const struct log_pair *pairs)
{
    if (!log_enabled(level) || (unsigned)level >= LOG_LEVEL_COUNT) {
        return;
    }
    struct line l;
    l.len = 0;
    l.full = false;
    char ts[25];
    int saved_errno = errno;
    clock_format_rfc3339(clock_wall_ms(), ts);
    event = event ? event : "";
    msg = msg ? msg : "";
    if (atomic_load_explicit(&logger.json, memory_order_relaxed)) {
        build_json(&l, level, ts, event, msg, pairs);
    } else {
        build_text(&l, level, ts, event, msg, pairs);
    }
    const char *at = l.text;
    while (l.len) {
        ssize_t n = write(STDERR_FILENO, at, l.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break; /* nowhere to say so */
        }
        at += n;
        l.len -= (size_t)n;
    }
    errno = saved_errno;
}
