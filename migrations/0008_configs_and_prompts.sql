-- Routing configs and prompts: what is named and pointed with (a row of configs or prompts) and what it points at
-- (numbered documents, which never change). Documents are text, not jsonb: the bytes that were given are kept.
--
-- published: the version that a bare name means; 0: none. latest: the number given last. labels: {"production": 3}.
-- workspace_id NULL: shared by the whole organization.

CREATE TABLE configs (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    workspace_id    uuid,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description     text NOT NULL DEFAULT '',
    published       bigint NOT NULL DEFAULT 0 CHECK (published BETWEEN 0 AND latest),
    latest          bigint NOT NULL DEFAULT 0,
    labels          jsonb NOT NULL DEFAULT '{}',
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- the number of the last marker ("weir-secret:N") that stands for a credential in one of its documents
    secrets_made    bigint NOT NULL DEFAULT 0,
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX configs_name ON configs (organization_id, workspace_id, lower(name)) NULLS NOT DISTINCT;
SELECT protect_tenant_table('configs');

CREATE TABLE prompts (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    workspace_id    uuid,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description     text NOT NULL DEFAULT '',
    published       bigint NOT NULL DEFAULT 0 CHECK (published BETWEEN 0 AND latest),
    latest          bigint NOT NULL DEFAULT 0,
    labels          jsonb NOT NULL DEFAULT '{}',
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    -- included by other prompts under its name, no prompt itself
    partial         boolean NOT NULL DEFAULT false,
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX prompts_name ON prompts (organization_id, workspace_id, lower(name)) NULLS NOT DISTINCT;
SELECT protect_tenant_table('prompts');

-- `secrets`: the credentials behind the document's markers, sealed as one JSON object (controlplane/secrets/seal.h: table
-- "configs", row the config, column "secrets").
CREATE TABLE config_documents (
    organization_id uuid NOT NULL,
    owner_id        uuid NOT NULL,
    number          bigint NOT NULL CHECK (number > 0),
    document        text NOT NULL,
    note            text NOT NULL DEFAULT '',
    secrets         bytea,
    secrets_kek     text,
    created_by      text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, number),
    FOREIGN KEY (organization_id, owner_id) REFERENCES configs (organization_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('config_documents');

CREATE TABLE prompt_documents (
    organization_id uuid NOT NULL,
    owner_id        uuid NOT NULL,
    number          bigint NOT NULL CHECK (number > 0),
    document        text NOT NULL,
    note            text NOT NULL DEFAULT '',
    created_by      text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, number),
    FOREIGN KEY (organization_id, owner_id) REFERENCES prompts (organization_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('prompt_documents');

-- A version stands as long as what it is a version of. Only the seal around its secrets may be renewed.
REVOKE UPDATE, DELETE ON config_documents, prompt_documents FROM weir_tenant, weir_system;
GRANT UPDATE (secrets, secrets_kek) ON config_documents TO weir_system;

-- Which config requests go by that bring none: a reference (NAME, NAME@12, NAME@label, cfg_...). A key's may be locked.
ALTER TABLE virtual_keys ADD COLUMN config text;
ALTER TABLE virtual_keys ADD COLUMN config_locked boolean NOT NULL DEFAULT false;
ALTER TABLE virtual_keys ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE models ADD COLUMN config text;
-- who refers to a config: asked before it is renamed or deleted
CREATE INDEX virtual_keys_config ON virtual_keys (organization_id) WHERE config IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX models_config ON models (organization_id) WHERE config IS NOT NULL;
