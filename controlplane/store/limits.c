/* Columns of limits. */
#include "controlplane/store/limits.h"

#include "controlplane/store/quota_rows.h"

static const struct object_column columns[LIMIT_COLUMN_COUNT] = {
    QUOTA_COLUMNS(LIMIT),
    [LIMIT_ALGORITHM] = {"algorithm", OBJECT_TEXT},
    [LIMIT_BURST] = {"burst", OBJECT_I64},
    [LIMIT_EXACT] = {"exact", OBJECT_BOOL},
};

const struct object_table limits_table = {.name = "limits", QUOTA_TABLE(LIMIT)};
