/* A walk with an environment of its own: a clock that is turned by hand, seeded random numbers, a
 * real table of targets, and a config compiled from text. A leaf's `provider` says how it is:
 * "none…" cannot be called; "alias-x" is walked in by rig_alias("alias-x", …). */
#ifndef DATAPLANE_ROUTING_WALK_RIG_H
#define DATAPLANE_ROUTING_WALK_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/base/error.h"
#include "common/json.h"
#include "dataplane/routing/walk.h"

#define RIG_ALIASES 8

struct rig {
    struct arena *arena;
    struct target_table *table;
    const struct route_tree *tree;
    struct walk_env env;
    struct walk *walk;
    struct walk_step step;
    uint64_t random; /* state of the generator */
    uint64_t n_random;
    unsigned n_state, n_fact;
    const char *metadata, *body; /* JSON objects; NULL: none */
    struct {
        const char *name;
        const struct route_tree *tree;
    } aliases[RIG_ALIASES];
    size_t n_aliases;
};

static inline uint64_t rig_random(void *arg, uint64_t n)
{
    struct rig *r = arg;
    uint64_t x = r->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    r->n_random++;
    return (x ^ (x >> 31)) % n;
}

static inline struct target_state *rig_target(struct rig *r, struct str name)
{
    struct uuid id = {0};
    memcpy(&id, name.ptr, name.len < sizeof(id) ? name.len : sizeof(id));
    return target_state_of(r->table, &id, name, STR_LIT("m"), 0, r->env.now_ms);
}

static inline struct target_state *rig_state(void *arg, const struct route_node *leaf)
{
    struct rig *r = arg;
    r->n_state++;
    if (!leaf->provider.ptr || str_starts(leaf->provider, STR_LIT("none"))) {
        return NULL;
    }
    return rig_target(r, leaf->provider);
}

static inline const struct route_tree *rig_expand(void *arg, const struct route_node *leaf)
{
    struct rig *r = arg;
    for (size_t i = 0; i < r->n_aliases; i++) {
        if (str_eqz(leaf->provider, r->aliases[i].name)) {
            return r->aliases[i].tree;
        }
    }
    return NULL;
}

/* "c12…": 12 nano-USD; others are not known. */
static inline uint64_t rig_price(void *arg, const struct route_node *leaf)
{
    (void)arg;
    return leaf->provider.ptr && leaf->provider.ptr[0] == 'c' && leaf->provider.len > 1
               ? strtoull(leaf->provider.ptr + 1, NULL, 10)
               : UINT64_MAX;
}

static inline void rig_fact(void *arg, const struct route_field *f, struct fact *ret)
{
    struct rig *r = arg;
    struct json_member m = {.name = f->name};
    r->n_fact++;
    switch (f->kind) {
    case ROUTE_FIELD_METADATA:
        if (r->metadata && json_scan(str_of(r->metadata), &m, 1, 0, NULL) && m.found) {
            fact_json(ret, r->arena, m.value);
        }
        break;
    case ROUTE_FIELD_BODY:
        if (r->body) {
            fact_body(ret, r->arena, str_of(r->body), f);
        }
        break;
    case ROUTE_FIELD_TIME:
        fact_text(ret, STR_LIT("09:30"));
        break;
    case ROUTE_FIELD_DATE:
        fact_text(ret, STR_LIT("2026-11-22"));
        break;
    case ROUTE_FIELD_PROMPT_TOKENS:
        fact_number(ret, r->arena, (int64_t)r->env.prompt_tokens);
        break;
    case ROUTE_FIELD_STREAM:
        fact_bool(ret, true);
        break;
    default:
        break;
    }
}

static inline const struct route_tree *rig_compile(struct rig *r, const char *json)
{
    const struct route_tree *t = NULL;
    struct error err = ERROR_INIT;
    if (!route_config_compile(arena_str(r->arena, str_of(json)), r->arena, &t, &err)) {
        fail_msg("%s: %s (%s)", json, error_text(&err), err.param);
    }
    return t;
}

static inline void rig_init(struct rig *r)
{
    *r = (struct rig){.arena = arena_new(0), .table = target_table_new(256), .random = 42};
    r->env = (struct walk_env){.arg = r,
                               .arena = r->arena,
                               .now_ms = 1000000,
                               .wall_s = 1800000000,
                               .random = rig_random,
                               .fact = rig_fact,
                               .state = rig_state,
                               .expand = rig_expand,
                               .price = rig_price,
                               .caller = STR_LIT("key_1")};
}

static inline void rig_release(struct rig *r)
{
    arena_free(r->arena);
    target_table_free(r->table);
}

static inline void rig_alias(struct rig *r, const char *name, const char *json)
{
    assert_true(r->n_aliases < RIG_ALIASES);
    r->aliases[r->n_aliases].name = name;
    r->aliases[r->n_aliases++].tree = rig_compile(r, json);
}

static inline void rig_config(struct rig *r, const char *json)
{
    r->tree = rig_compile(r, json);
}

/* The provider of the step's leaf; "END". */
static inline const char *rig_said(struct rig *r, enum walk_verdict v)
{
    struct str s;
    if (v == WALK_END) {
        return "END";
    }
    assert_ptr_equal(r->step.tree->nodes[r->step.leaf->ordinal], r->step.leaf);
    s = arena_str(r->arena, r->step.leaf->provider);
    return s.ptr;
}

/* Begins a new walk. */
static inline const char *rig_first(struct rig *r)
{
    r->walk = walk_new(r->tree, &r->env);
    assert_non_null(r->walk);
    return rig_said(r, walk_first(r->walk, &r->step));
}

static inline const char *rig_next(struct rig *r, struct walk_failure f)
{
    f.kinds |= ROUTE_FAIL_ANY;
    *walk_environment(r->walk) = r->env;
    walk_environment(r->walk)->max_tries = r->env.max_tries ? r->env.max_tries : WALK_MAX_TRIES;
    return rig_said(r, walk_next(r->walk, &f, &r->step));
}

static inline const char *rig_fail(struct rig *r, unsigned kinds, int status)
{
    return rig_next(r, (struct walk_failure){.kinds = kinds, .status = status});
}

static inline const char *rig_fail_500(struct rig *r)
{
    return rig_fail(r, ROUTE_FAIL_SERVER, 500);
}

/* Fails with 500 until the end: "a b c". */
static inline const char *rig_order(struct rig *r)
{
    static char text[512];
    size_t n = 0;
    const char *said = rig_first(r);
    while (strcmp(said, "END") != 0) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "", said);
        said = rig_fail_500(r);
    }
    text[n] = '\0';
    return text;
}

/* ---- how targets are ---- */

static inline void rig_open(struct rig *r, const char *name, uint64_t for_ms)
{
    target_checked(rig_target(r, str_of(name)), false, 1, for_ms, r->env.now_ms);
}

static inline void rig_cool(struct rig *r, const char *name, uint64_t for_ms)
{
    struct target_state *s = rig_target(r, str_of(name));
    struct target_outcome o = {
        .counts = true, .status = 429, .cooldown_ms = for_ms, .now_ms = r->env.now_ms};
    target_started(s, r->env.now_ms);
    target_finished(s, NULL, &o, false);
}

static inline void rig_saturate(struct rig *r, const char *name)
{
    struct limit_news news = {.has_requests = true, .requests_reset_ms = 60000};
    target_learn(rig_target(r, str_of(name)), &news, r->env.now_ms);
}

static inline void rig_sample(struct rig *r, const char *name, uint64_t us, unsigned times)
{
    struct target_state *s = rig_target(r, str_of(name));
    struct target_outcome o = {.success = true,
                               .counts = true,
                               .status = 200,
                               .first_token_us = us,
                               .now_ms = r->env.now_ms};
    for (unsigned i = 0; i < times; i++) {
        target_started(s, r->env.now_ms);
        target_finished(s, NULL, &o, false);
    }
}

/* Pearson's statistic of counts against parts, times a thousand. */
static inline uint64_t rig_chi(const unsigned *counts, const unsigned *parts, size_t n)
{
    uint64_t sum = 0, all = 0, chi = 0;
    for (size_t i = 0; i < n; i++) {
        sum += parts[i];
        all += counts[i];
    }
    for (size_t i = 0; i < n; i++) {
        int64_t expected = (int64_t)(all * parts[i] / sum), gap = (int64_t)counts[i] - expected;
        if (expected == 0) {
            assert_int_equal(counts[i], 0);
            continue;
        }
        chi += (uint64_t)(gap * gap * 1000 / expected);
    }
    return chi;
}

#endif
