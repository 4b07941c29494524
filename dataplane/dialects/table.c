/* A row per dialect; see dialect.h. */
#include "dataplane/dialects/dialect.h"

#include "dataplane/dialects/openai_error.h"

/* In the order in which they are tried, behind Weir's, Portkey's and Cloudflare's own headers. */
static const struct key_place openai_places[] = {
    {.header = "authorization", .bearer = true},
};

static const struct key_place native_places[] = {
    {.header = "authorization", .bearer = true},
    {.header = "x-api-key"},
    {.header = "x-goog-api-key"},
    {.header = "api-key"},
    {.parameter = "key"},
};

const struct dialect dialect_openai = {
    .name = "openai",
    .key_places = openai_places,
    .n_key_places = sizeof(openai_places) / sizeof(openai_places[0]),
    .error_body = openai_error_body,
    .error_event = openai_error_event,
    .content_type = "application/json",
};

const struct dialect dialect_native = {
    .name = "native",
    .key_places = native_places,
    .n_key_places = sizeof(native_places) / sizeof(native_places[0]),
    .error_body = openai_error_body,
    .error_event = openai_error_event,
    .content_type = "application/json",
};
