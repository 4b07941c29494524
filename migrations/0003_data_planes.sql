-- Data planes, their groups and enrolment; the control plane's CA, keys and instances.

CREATE TABLE data_plane_groups (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    serves_all boolean NOT NULL DEFAULT false,
    revision   bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX data_plane_groups_name ON data_plane_groups (lower(name));
GRANT SELECT, INSERT, UPDATE, DELETE ON data_plane_groups TO weir_system;
INSERT INTO data_plane_groups (id, name, serves_all) VALUES ('00000000-0000-7000-8000-000000000001', 'default', true);

-- What a group serves when not all: whole organizations (workspace_id NULL) or single workspaces.
CREATE TABLE data_plane_group_serves (
    group_id        uuid NOT NULL REFERENCES data_plane_groups ON DELETE CASCADE,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    workspace_id    uuid REFERENCES workspaces ON DELETE CASCADE,
    UNIQUE NULLS NOT DISTINCT (group_id, organization_id, workspace_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON data_plane_group_serves TO weir_system;

CREATE TABLE enrolment_tokens (
    id         uuid PRIMARY KEY,
    group_id   uuid NOT NULL REFERENCES data_plane_groups ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE,
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    used_by    uuid
);
GRANT SELECT, INSERT, UPDATE, DELETE ON enrolment_tokens TO weir_system;

-- The secret is sealed; revoking a plane sets revoked_at and forgets the secret.
CREATE TABLE data_planes (
    id               uuid PRIMARY KEY,
    group_id         uuid NOT NULL REFERENCES data_plane_groups,
    name             text NOT NULL,
    secret           bytea,
    secret_kek       text,
    certificate_expires_at timestamptz,
    revoked_at       timestamptz,
    software_version text NOT NULL DEFAULT '',
    features         text[] NOT NULL DEFAULT '{}',
    instance_id      uuid,
    config_version   bigint NOT NULL DEFAULT 0,
    root_hash        bytea,
    refused_version  bigint,
    refused_reason   text,
    state            jsonb NOT NULL DEFAULT '{}',
    last_seen_at     timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    revision         bigint NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX data_planes_name ON data_planes (lower(name)) WHERE revoked_at IS NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON data_planes TO weir_system;

-- Control-plane processes that serve the channel; proxies learn of the others from here.
CREATE TABLE control_instances (
    id           uuid PRIMARY KEY,
    endpoints    jsonb NOT NULL,
    version      text NOT NULL DEFAULT '',
    started_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON control_instances TO weir_system;

-- The channel's CA (one row); its key is sealed.
CREATE TABLE certificate_authority (
    singleton   boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    certificate text NOT NULL,
    key         bytea NOT NULL,
    key_kek     text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON certificate_authority TO weir_system;

-- Data keys that provider credentials are encrypted by inside snapshots; the newest one is used.
CREATE TABLE snapshot_keys (
    id         uuid PRIMARY KEY,
    key        bytea NOT NULL,
    key_kek    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON snapshot_keys TO weir_system;
