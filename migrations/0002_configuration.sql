-- What a data plane is configured by, and the log of its changes.

CREATE TABLE virtual_keys (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    workspace_id    uuid NOT NULL,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    secret_hash     bytea NOT NULL CHECK (length(secret_hash) = 32),
    mask            text NOT NULL,
    user_id         uuid REFERENCES users ON DELETE SET NULL,
    models          text[] NOT NULL DEFAULT '{*}',
    providers       text[] NOT NULL DEFAULT '{*}',
    metadata        jsonb NOT NULL DEFAULT '{}',
    disabled        boolean NOT NULL DEFAULT false,
    expires_at      timestamptz,
    revoked_at      timestamptz,
    owned_by        text NOT NULL DEFAULT 'api',
    created_by      uuid,
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX virtual_keys_secret ON virtual_keys (secret_hash);
CREATE UNIQUE INDEX virtual_keys_name ON virtual_keys (workspace_id, lower(name)) WHERE revoked_at IS NULL;
CREATE INDEX virtual_keys_tenant ON virtual_keys (organization_id, id);
SELECT protect_tenant_table('virtual_keys');

-- workspace_id NULL: shared by the whole organization. The credential is sealed (controlplane/secrets/seal.h);
-- `credential_kek` names the key-encryption key that its data key is wrapped by.
CREATE TABLE providers (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    workspace_id    uuid,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    kind            text NOT NULL,
    base_url        text NOT NULL DEFAULT '',
    settings        jsonb NOT NULL DEFAULT '{}',
    timeout_ms      bigint NOT NULL DEFAULT 0,
    credential      bytea,
    credential_kek  text,
    credential_mask text NOT NULL DEFAULT '',
    disabled        boolean NOT NULL DEFAULT false,
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX providers_name ON providers (organization_id, workspace_id, lower(name)) NULLS NOT DISTINCT;
SELECT protect_tenant_table('providers');

-- Model aliases; workspace_id NULL: shared by the whole organization.
CREATE TABLE models (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    workspace_id    uuid,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    settings        jsonb NOT NULL DEFAULT '{}',
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX models_name ON models (organization_id, workspace_id, name) NULLS NOT DISTINCT;
SELECT protect_tenant_table('models');

CREATE TABLE model_targets (
    organization_id uuid NOT NULL,
    model_id        uuid NOT NULL,
    position        integer NOT NULL,
    provider_id     uuid NOT NULL,
    model           text NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
    weight          integer NOT NULL DEFAULT 1 CHECK (weight >= 0),
    PRIMARY KEY (model_id, position),
    FOREIGN KEY (organization_id, model_id) REFERENCES models (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, provider_id) REFERENCES providers (organization_id, id)
);
CREATE INDEX model_targets_provider ON model_targets (provider_id);
SELECT protect_tenant_table('model_targets');

-- The log of changes. Its version is taken last in a transaction, under one row lock that is held to commit, so
-- versions become visible in the order of their numbers: who has seen N has seen all below it.
-- kind: 1 organization, 2 workspace, 3 key, 4 provider, 5 model (proto/snapshot.proto, enum Kind).
CREATE TABLE config_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version   bigint NOT NULL,
    -- changes at or below this version were trimmed: a proxy behind it gets everything
    horizon   bigint NOT NULL DEFAULT 0
);
INSERT INTO config_version (version) VALUES (1);
GRANT SELECT ON config_version TO weir_tenant, weir_system;

CREATE TABLE change_log (
    version         bigint NOT NULL,
    position        integer NOT NULL,
    organization_id uuid,
    kind            smallint NOT NULL,
    entity_id       uuid NOT NULL,
    deleted         boolean NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version, position)
);
SELECT protect_tenant_table('change_log');
REVOKE INSERT, UPDATE, DELETE ON change_log FROM weir_tenant, weir_system;
REVOKE SELECT ON change_log FROM weir_tenant;

-- Writes one version for all changes of the transaction and tells the listeners. The last statement before COMMIT.
CREATE FUNCTION log_changes(organization_ids uuid[], kinds smallint[], entity_ids uuid[], deletions boolean[])
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = weir, pg_temp AS $$
DECLARE v bigint;
BEGIN
    UPDATE config_version SET version = version + 1 RETURNING version INTO v;
    INSERT INTO change_log (version, position, organization_id, kind, entity_id, deleted)
        SELECT v, n, o, k, e, d FROM unnest(organization_ids, kinds, entity_ids, deletions)
            WITH ORDINALITY AS t (o, k, e, d, n);
    PERFORM pg_notify('weir_config', v::text);
    RETURN v;
END $$;
REVOKE ALL ON FUNCTION log_changes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_changes TO weir_tenant, weir_system;

-- Forgets changes older than `keep`, moving the horizon.
CREATE FUNCTION trim_changes(keep interval) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = weir, pg_temp AS $$
DECLARE v bigint;
BEGIN
    SELECT max(version) INTO v FROM change_log WHERE at < now() - keep;
    IF v IS NOT NULL THEN
        UPDATE config_version SET horizon = greatest(horizon, v);
        DELETE FROM change_log WHERE version <= v;
    END IF;
    RETURN coalesce(v, 0);
END $$;
REVOKE ALL ON FUNCTION trim_changes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trim_changes TO weir_system;

-- Each change by a person, token or job: in the transaction of the change. Append-only.
CREATE TABLE audit_log (
    id              uuid PRIMARY KEY,
    organization_id uuid,
    at              timestamptz NOT NULL DEFAULT now(),
    actor_kind      text NOT NULL CHECK (actor_kind IN ('user', 'token', 'system')),
    actor_id        uuid,
    actor_name      text NOT NULL DEFAULT '',
    action          text NOT NULL,
    object_kind     text NOT NULL,
    object_id       uuid,
    object_name     text NOT NULL DEFAULT '',
    before          jsonb,
    after           jsonb,
    address         text NOT NULL DEFAULT '',
    request_id      text NOT NULL DEFAULT ''
);
CREATE INDEX audit_log_tenant ON audit_log (organization_id, id);
SELECT protect_tenant_table('audit_log');
REVOKE UPDATE, DELETE ON audit_log FROM weir_tenant, weir_system;
