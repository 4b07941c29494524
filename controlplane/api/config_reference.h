/* The routing config that a key or a model refers to. */
#ifndef CONTROLPLANE_API_CONFIG_REFERENCE_H
#define CONTROLPLANE_API_CONFIG_REFERENCE_H

#include "controlplane/api/resource.h"

#define CONFIG_REFERENCE_MAX 200

/* For a field's `check`: what is wrong with its form, or NULL. */
const char *config_reference_form(struct str text);
/* The member "config" of a body, where the column of ch->now is set to a text: it names a config
 * that `workspace` (nil: the organization) can see, and a version of it that is there. The config
 * cannot be deleted before the transaction ends. */
bool config_reference_check(struct change *ch, int column, const struct uuid *workspace,
                            struct error *err);

#endif
