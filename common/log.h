/* Structured log lines, one JSON object a line on stderr (or `text` for people): ts, level, msg,
 * component, event code and key-value pairs. Values are escaped; nothing that is secret may be
 * passed, and texts that look like a Weir key or a bearer credential are masked all the same. Any
 * thread; each line is one write(). Leaves (common/, stores, parsers) never log above debug: who
 * decides logs, once. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/base/str.h"

enum log_level { LOG_DEBUG = 0, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVEL_COUNT };

void log_init(const char *component, enum log_level level, bool json);
void log_set_level(enum log_level level);
bool log_level_parse(struct str s, enum log_level *ret); /* debug info warn error */
bool log_enabled(enum log_level level);
struct log_pair {
    const char *key;
    enum { LOG_PAIR_END = 0, LOG_PAIR_STR, LOG_PAIR_U64, LOG_PAIR_I64 } kind;
    struct str s;
    uint64_t u;
    int64_t i;
};
#define LOG_S(k, v) ((struct log_pair){.key = (k), .kind = LOG_PAIR_STR, .s = (v)})
#define LOG_Z(k, v) ((struct log_pair){.key = (k), .kind = LOG_PAIR_STR, .s = str_of(v)})
#define LOG_U(k, v) ((struct log_pair){.key = (k), .kind = LOG_PAIR_U64, .u = (uint64_t)(v)})
#define LOG_I(k, v) ((struct log_pair){.key = (k), .kind = LOG_PAIR_I64, .i = (int64_t)(v)})
/* log_write(LOG_INFO, "listening", "listener is open", LOG_Z("address", a), LOG_U("port", p)) */
#define log_write(level, event, msg, ...) \
    log_emit((level), (event), (msg),     \
             (struct log_pair[]){__VA_ARGS__ __VA_OPT__(, ){.kind = LOG_PAIR_END}})
void log_emit(enum log_level level, const char *event, const char *msg,
              const struct log_pair *pairs);

#endif
