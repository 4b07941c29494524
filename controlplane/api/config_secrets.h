/* Credentials that stand in a routing config (api_key, aws_secret_access_key …). The document that
 * is stored has the text "weir-secret:N" in the place of each; the secrets are sealed beside it as
 * one JSON object {"N": "secret"}. N is never used twice in a config, so a later version may hold
 * the marker of an earlier one and thereby keep its secret. A part of configs.c. */
#ifndef CONTROLPLANE_API_CONFIG_SECRETS_H
#define CONTROLPLANE_API_CONFIG_SECRETS_H

#include "controlplane/api/resource.h"
#include "controlplane/store/documents.h"

/* `seal` of struct document_kind. A credential that a version holds already gets its marker again,
 * so a document that comes again is the same text again. False: ERR_INVALID_FIELD for a marker that
 * no version has, or what can be no credential. */
bool config_secrets_seal(struct change *ch, const struct body_path *at, struct str given,
                         struct document_version *v, struct error *err);

#endif
