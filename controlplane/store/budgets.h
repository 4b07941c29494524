/* Budgets: how much may be spent, by whom, in which window. What was spent stands in the ledger. */
#ifndef CONTROLPLANE_STORE_BUDGETS_H
#define CONTROLPLANE_STORE_BUDGETS_H

#include "controlplane/store/object.h"

enum {
    BUDGET_ID = 0,
    BUDGET_ORGANIZATION_ID,
    BUDGET_WORKSPACE_ID,
    BUDGET_NAME,
    BUDGET_SCOPES,
    BUDGET_KEY_ID,
    BUDGET_METRIC,
    BUDGET_AMOUNT,
    BUDGET_WINDOW,
    BUDGET_WHEN_UNAVAILABLE,
    BUDGET_MAX_VALUES,
    BUDGET_ZONE,
    BUDGET_MODE,
    BUDGET_DOWNGRADE_MODEL,
    BUDGET_ALERT_PERCENTS,
    BUDGET_MAX_COST,
    BUDGET_EXTRA_AMOUNT,
    BUDGET_EXTRA_UNTIL,
    BUDGET_DISABLED,
    BUDGET_OWNED_BY,
    BUDGET_REVISION,
    BUDGET_CREATED_AT,
    BUDGET_UPDATED_AT,
    BUDGET_COLUMN_COUNT
};

extern const struct object_table budgets_table;

#endif
