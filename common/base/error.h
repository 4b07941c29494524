/* The code table: every error that reaches a user is a row here: code, HTTP status, the OpenAI
 * error `type`, and a default text. Detail goes into `struct error`. Messages: lower case, no full
 * stop, what failed first, the value quoted. Never a secret, a prompt or a body. */
#ifndef COMMON_BASE_ERROR_H
#define COMMON_BASE_ERROR_H

#include "common/base/str.h"

/* X(enum suffix, stable code, HTTP status, OpenAI type, default text) */
#define ERROR_TABLE(X)                                                                             \
    X(NONE, "ok", 200, "", "")                                                                     \
    X(INTERNAL, "internal_error", 500, "server_error", "internal error")                           \
    X(BAD_REQUEST, "bad_request", 400, "invalid_request_error", "bad request")                     \
    X(INVALID_JSON, "invalid_json", 400, "invalid_request_error", "body is not valid JSON")        \
    X(INVALID_FIELD, "invalid_field", 400, "invalid_request_error", "invalid field")               \
    X(MISSING_KEY, "missing_api_key", 401, "authentication_error", "no API key given")             \
    X(INVALID_KEY, "invalid_api_key", 401, "authentication_error", "API key not recognised")       \
    X(KEY_EXPIRED, "api_key_expired", 401, "authentication_error", "API key has expired")          \
    X(KEY_DISABLED, "api_key_disabled", 401, "authentication_error", "API key is disabled")        \
    X(UNAUTHENTICATED, "unauthenticated", 401, "authentication_error", "not signed in")            \
    X(FORBIDDEN, "forbidden", 403, "permission_error", "not allowed")                              \
    X(MODEL_NOT_ALLOWED, "model_not_allowed", 403, "permission_error",                             \
      "key may not use this model")                                                                \
    X(MODEL_UNPRICED, "model_unpriced", 403, "permission_error",                                   \
      "model has no price, and the organization's policy refuses those")                           \
    X(CONFIG_LOCKED, "config_locked", 403, "permission_error",                                     \
      "the key's routing config is locked")                                                        \
    X(INVALID_CONFIG, "invalid_config", 400, "invalid_request_error", "invalid routing config")    \
    X(CONFIG_NOT_FOUND, "config_not_found", 400, "invalid_request_error",                          \
      "routing config not found")                                                                  \
    X(NO_ROUTE, "no_route", 400, "invalid_request_error",                                          \
      "no condition of the routing config holds")                                                  \
    X(CACHE_MISS, "cache_miss", 504, "invalid_request_error", "not in the cache")                  \
    X(CSRF, "csrf_failed", 403, "permission_error", "missing or wrong CSRF token")                 \
    X(NOT_FOUND, "not_found", 404, "invalid_request_error", "not found")                           \
    X(MODEL_NOT_FOUND, "model_not_found", 404, "invalid_request_error", "model not found")         \
    X(PROVIDER_NOT_FOUND, "provider_not_found", 404, "invalid_request_error",                      \
      "provider not found")                                                                        \
    X(PROMPT_NOT_FOUND, "prompt_not_found", 404, "invalid_request_error", "prompt not found")      \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, "invalid_request_error",                      \
      "method not allowed")                                                                        \
    X(REQUEST_TIMEOUT, "request_timeout", 408, "invalid_request_error",                            \
      "request took too long to arrive")                                                           \
    X(CONFLICT, "conflict", 409, "invalid_request_error", "conflict")                              \
    X(PRECONDITION_FAILED, "precondition_failed", 412, "invalid_request_error",                    \
      "object was changed meanwhile")                                                              \
    X(BODY_TOO_LARGE, "body_too_large", 413, "invalid_request_error", "body exceeds the limit")    \
    X(UNSUPPORTED_MEDIA, "unsupported_media_type", 415, "invalid_request_error",                   \
      "unsupported content type")                                                                  \
    X(PRECONDITION_REQUIRED, "precondition_required", 428, "invalid_request_error",                \
      "If-Match is required")                                                                      \
    X(RATE_LIMITED, "rate_limit_exceeded", 429, "rate_limit_error", "rate limit exceeded")         \
    X(BUDGET_EXCEEDED, "budget_exceeded", 429, "insufficient_quota", "budget exceeded")            \
    X(BUDGET_UNAVAILABLE, "budget_unavailable", 503, "server_error",                               \
      "the budget cannot be reserved from now")                                                    \
    X(LIMIT_UNAVAILABLE, "limit_unavailable", 503, "server_error",                                 \
      "the limit cannot be asked now")                                                             \
    X(COST_UNBOUNDED, "cost_unbounded", 400, "invalid_request_error",                              \
      "the call has no upper bound of cost, and a hard budget binds it")                           \
    X(ENDPOINT_NOT_ALLOWED, "endpoint_not_allowed", 403, "permission_error",                       \
      "key may not use this endpoint")                                                             \
    X(ADDRESS_NOT_ALLOWED, "address_not_allowed", 403, "permission_error",                         \
      "key may not be used from this address")                                                     \
    X(CONFIG_NOT_ALLOWED, "config_not_allowed", 403, "permission_error",                           \
      "key may not use this routing config")                                                       \
    X(METADATA_REQUIRED, "metadata_required", 400, "invalid_request_error",                        \
      "the request lacks metadata that its key demands")                                           \
    X(INVALID_TOKEN, "invalid_token", 401, "authentication_error", "token not accepted")           \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, "invalid_request_error",                        \
      "request header fields too large")                                                           \
    X(NOT_IMPLEMENTED, "not_implemented", 501, "server_error", "not implemented")                  \
    X(UPSTREAM_REFUSED, "upstream_unreachable", 502, "upstream_error",                             \
      "provider could not be reached")                                                             \
    X(UPSTREAM_GARBAGE, "upstream_invalid_response", 502, "upstream_error",                        \
      "provider sent an invalid response")                                                         \
    X(UPSTREAM_CLOSED, "upstream_closed", 502, "upstream_error", "provider closed the connection") \
    X(UPSTREAM_TLS, "upstream_tls_failed", 502, "upstream_error", "TLS to the provider failed")    \
    X(PROVIDER_ERROR, "provider_error", 502, "upstream_error",                                     \
      "the provider answered with an error")                                                       \
    X(UPSTREAM_TIMEOUT, "upstream_timeout", 504, "upstream_error",                                 \
      "provider did not answer in time")                                                           \
    X(TIMEOUT, "timeout", 408, "upstream_error",                                                   \
      "provider did not answer within the request's own time")                                     \
    X(NOT_READY, "not_ready", 503, "server_error", "no configuration loaded yet")                  \
    X(OVERLOADED, "overloaded", 503, "server_error", "server is overloaded")                       \
    X(SPOOL_FULL, "accounting_unavailable", 503, "server_error", "usage spool is full")            \
    X(UPGRADE_REQUIRED, "upgrade_required", 503, "server_error",                                   \
      "this proxy lacks a feature that the policy needs")                                          \
    X(STALE, "configuration_stale", 503, "server_error",                                           \
      "configuration is older than max_staleness")                                                 \
    X(CLIENT_GONE, "client_closed_request", 499, "server_error", "client closed the connection")   \
    X(DATABASE, "database_unavailable", 503, "server_error", "database unavailable")

#define ERROR_ENUM(name, code, status, type, text) ERR_##name,
enum error_code { ERROR_TABLE(ERROR_ENUM) ERR_COUNT };
#undef ERROR_ENUM

/* A plain value: zero-initialise it (ERR_NONE), pass it down, test `code`. */
struct error {
    enum error_code code;
    char text[240];   /* detail for the user; empty: the table's default */
    char param[64];   /* field or path that is wrong, "" when none */
    int64_t offset;   /* byte offset in the input, -1 when not known */
    int line, column; /* 1-based, 0 when not known */
};

#define ERROR_INIT                     \
    {                                  \
        .code = ERR_NONE, .offset = -1 \
    }

const char *error_code_name(enum error_code code); /* "model_not_found" */
int error_status(enum error_code code);            /* HTTP status */
const char *error_type(enum error_code code);      /* OpenAI's `type` */
/* The detail, or the table's default text. */
const char *error_text(const struct error *e);
/* Sets code and text (cut to fit, always NUL-terminated and valid UTF-8); offset -1, param empty.
 * Always returns false, so that a caller can `return error_set(...)`. */
bool error_set(struct error *e, enum error_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool error_set_param(struct error *e, enum error_code code, const char *param, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
