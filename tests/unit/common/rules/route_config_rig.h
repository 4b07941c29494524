/* What the tests of routing configs share: a tree made of a text. */
#ifndef COMMON_RULES_ROUTE_CONFIG_RIG_H
#define COMMON_RULES_ROUTE_CONFIG_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/rules/route_config.h"

static inline const struct route_tree *rig_tree(struct arena *a, const char *json)
{
    const struct route_tree *t = NULL;
    struct error err = ERROR_INIT;
    if (!route_config_compile(str_of(json), a, &t, &err)) {
        fail_msg("%s: %s (%s)", json, err.text, err.param);
    }
    return t;
}

static inline void rig_refused(const char *json, const char *param)
{
    struct arena *a = arena_new(0);
    const struct route_tree *t = NULL;
    struct error err = ERROR_INIT;
    if (route_config_compile(str_of(json), a, &t, &err)) {
        fail_msg("%s: accepted", json);
    }
    assert_null(t);
    assert_string_equal(err.param, param);
    arena_free(a);
}

#define rig_is(s, z)                                                 \
    do {                                                             \
        struct str rig_s = (s);                                      \
        if (!rig_s.ptr || !str_eqz(rig_s, (z))) {                    \
            fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(rig_s), (z)); \
        }                                                            \
    } while (0)

#endif
