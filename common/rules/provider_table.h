/* The parts of the table of providers; provider.c puts them together. Private to common/rules. */
#ifndef COMMON_RULES_PROVIDER_TABLE_H
#define COMMON_RULES_PROVIDER_TABLE_H

#include "common/rules/provider.h"

/* a row: what every one has by position, the rest by name behind the documentation link */
#define ROW(n, other, label, url, list, ...)                                                       \
    {                                                                                              \
        .name = (n), .aliases = (other), .title = (label), .base_url = (url), .endpoints = (list), \
        .n_endpoints = sizeof(list) / sizeof((list)[0]), .docs = __VA_ARGS__                       \
    }

struct provider_part {
    const struct provider_row *rows;
    size_t n;
};

/* Dialects of their own, the clouds, what people run themselves. */
extern const struct provider_part provider_part_native;
/* Those reached by a base URL and a key. */
extern const struct provider_part provider_part_hosted;
/* No chat: images, vectors, 3D; here for native calls. */
extern const struct provider_part provider_part_special;

#endif
