/* The admin API's table of routes; docs/openapi.json describes each row, and a test holds the two
 * together. */
#ifndef CONTROLPLANE_API_ROUTES_H
#define CONTROLPLANE_API_ROUTES_H

#include "controlplane/http/router.h"

extern const struct route api_routes[];
extern const size_t api_routes_count;

#endif
