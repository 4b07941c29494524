/* Columns of budgets. */
#include "controlplane/store/budgets.h"

#include "controlplane/store/quota_rows.h"

static const struct object_column columns[BUDGET_COLUMN_COUNT] = {
    QUOTA_COLUMNS(BUDGET),
    [BUDGET_ZONE] = {"zone", OBJECT_TEXT},
    [BUDGET_MODE] = {"mode", OBJECT_TEXT},
    [BUDGET_DOWNGRADE_MODEL] = {"downgrade_model", OBJECT_TEXT},
    [BUDGET_ALERT_PERCENTS] = {"alert_percents", OBJECT_NUMBERS},
    [BUDGET_MAX_COST] = {"max_cost", OBJECT_I64},
    [BUDGET_EXTRA_AMOUNT] = {"extra_amount", OBJECT_I64},
    [BUDGET_EXTRA_UNTIL] = {"extra_until", OBJECT_TIME},
};

const struct object_table budgets_table = {.name = "budgets", QUOTA_TABLE(BUDGET)};
