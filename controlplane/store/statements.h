/* Statements: what teams used and were charged in a span of time, a line for each team, workspace,
 * key, provider and model. Money stands on attempts; where an event's own sum differs from its
 * attempts' (a cost that the caller gave), the last attempt's line bears the difference, so the
 * lines add up to the events exactly. Sums are decimal texts: they are exact, however large. */
#ifndef CONTROLPLANE_STORE_STATEMENTS_H
#define CONTROLPLANE_STORE_STATEMENTS_H

#include "controlplane/store/db.h"

struct statement_query {
    const struct uuid *organization;
    bool only_workspaces; /* only events of those below */
    const struct uuid *workspaces;
    size_t n_workspaces;
    const struct uuid *team; /* NULL: all */
    uint64_t from_ms, to_ms; /* started in [from, to) */
    bool by_key;             /* a line a key; else keys are taken together */
    unsigned limit;          /* of lines; one more is fetched where there are more */
};

struct statement_line {
    struct uuid team, workspace, key;               /* nil: none, or not asked for */
    struct str team_name, workspace_name, key_name; /* NULL ptr: none, or gone */
    struct str provider, model;
    struct str events, attempts, list_nanousd, cost_nanousd;
    struct str quantities_json; /* {"token_in": 12, …} */
};

struct statement_total {
    struct str events, attempts, list_nanousd, cost_nanousd; /* of the events themselves */
};

/* Lines and total are of one moment. In order of team, workspace, key, provider, model. */
bool statement_read(struct tx *t, const struct statement_query *q, struct arena *a,
                    struct statement_line **ret, size_t *ret_n, struct statement_total *ret_total,
                    struct error *err);
/* The team of that name, of the organization or of those of its workspaces that the query is held
 * to. ERR_NOT_FOUND. */
bool statement_team(struct tx *t, const struct statement_query *q, struct str name, struct arena *a,
                    struct uuid *ret, struct error *err);

#endif
