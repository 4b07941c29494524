/* The sections of the declarative document (apply and export share them) and what a document
 * covers. */
#ifndef CONTROLPLANE_API_MANIFEST_SECTIONS_H
#define CONTROLPLANE_API_MANIFEST_SECTIONS_H

#include "controlplane/api/resource.h"

enum manifest_section_id {
    MANIFEST_PROVIDERS = 0,
    MANIFEST_CONFIGS,
    MANIFEST_PROMPTS,
    MANIFEST_PRICE_BOOK,
    MANIFEST_MODELS, /* may refer to configs, as keys may */
    MANIFEST_PRICE_GROUPS,
    MANIFEST_TEAMS,
    MANIFEST_SERVICE_ACCOUNTS,
    MANIFEST_KEYS,
    MANIFEST_BUDGETS, /* about any of the above */
    MANIFEST_LIMITS,
    MANIFEST_SECTIONS
};

struct manifest_section {
    const char *name;
    const struct resource *resource;
    bool nocase; /* names differ by more than case */
    /* The document's own permission does not stand for this one: custom roles may part them. */
    enum permission write;
    bool (*remove)(struct change *ch, struct error *err);
    bool single; /* an object in place of a list: an organization has one at most */
};

extern const struct manifest_section manifest_sections[MANIFEST_SECTIONS];

/* One organization; in it one workspace, or what its workspaces share and the keys of its only one.
 */
struct manifest_scope {
    struct uuid organization, workspace, key_workspace; /* workspace nil: shared */
};

/* `organization` and `workspace` of the document; the organization may only repeat the call's.
 * needs_keys: a workspace for keys and service accounts must be found. */
bool manifest_scope_from_body(struct call *c, bool needs_keys, struct manifest_scope *ret,
                              struct error *err);
bool manifest_scope_from_query(struct call *c, struct manifest_scope *ret, struct error *err);
/* May the actor write (export: read) this section there? */
bool manifest_may(struct call *c, const struct manifest_scope *s, unsigned section, bool write);
struct uuid manifest_workspace(const struct manifest_scope *s, unsigned section);
/* The sections from price groups on, into the document. export_governance.c */
bool export_governance(struct call *c, const struct manifest_scope *scope, unsigned section,
                       struct error *err);
/* The rows that the document covers. */
void manifest_query(const struct manifest_scope *s, unsigned section, struct object_query *ret);

#endif
