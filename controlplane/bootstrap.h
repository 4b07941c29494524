/* `weir-control bootstrap-admin`: the first administrator, with an organization and a workspace,
 * and if asked a platform token and a virtual key; straight in the database, because no route makes
 * them. Doing it again changes nothing. */
#ifndef CONTROLPLANE_BOOTSTRAP_H
#define CONTROLPLANE_BOOTSTRAP_H

#include "common/base/uuid.h"
#include "common/rules/apikey.h"
#include "controlplane/cp_options.h"

struct db_pool;

struct bootstrap_result {
    struct uuid organization, workspace, user, token, key; /* nil: not asked for */
    bool organization_made, workspace_made, user_made, password_reset, token_made, key_made;
    char password[24];           /* the one that was generated, else "" */
    char token_text[APIKEY_MAX]; /* "" unless made just now */
    char key_text[APIKEY_MAX];
};

/* All or nothing. Blocks. */
bool bootstrap_admin(struct db_pool *pool, const struct bootstrap_options *o,
                     struct bootstrap_result *ret, struct error *err);
/* What was made, to stdout: secrets are shown here and never again. */
void bootstrap_print(const struct bootstrap_options *o, const struct bootstrap_result *r);

#endif
