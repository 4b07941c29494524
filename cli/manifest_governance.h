/* Teams, service accounts, budgets and limits of a manifest, and a key's members about them, as
 * parts of the body of POST /apply. */
#ifndef CLI_MANIFEST_GOVERNANCE_H
#define CLI_MANIFEST_GOVERNANCE_H

#include "cli/manifest_file.h"
#include "common/json.h"

/* Into the open object of a key. */
void manifest_governance_put_key(struct json_writer *w, const struct manifest_key *k);
/* The sections that stand before keys, and those that stand behind: only what the file has. */
void manifest_governance_put_owners(struct json_writer *w, const struct manifest_file *f);
void manifest_governance_put_quotas(struct json_writer *w, const struct manifest_file *f);

#endif
