-- Roles, the schema, tenants and people.
--
-- Two roles without login stand behind the service's own login role, which is a NOINHERIT member of both and
-- takes one of them for each transaction (SET LOCAL ROLE): weir_tenant sees one organization, named by the setting
-- weir.organization_id; weir_system sees all and is for the service's own work (sign-in, snapshots, ingest). A query
-- that forgets its role is refused; one that forgets its tenant returns nothing.

DO $$ BEGIN
    CREATE ROLE weir_tenant NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
DO $$ BEGIN
    CREATE ROLE weir_system NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;

GRANT USAGE ON SCHEMA weir TO weir_tenant, weir_system;

-- The tenant of the transaction, NULL when none was set: no row matches NULL.
CREATE FUNCTION current_organization() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT nullif(current_setting('weir.organization_id', true), '')::uuid $$;

-- Grants on a tenant table and its row-level security. Every table with an organization_id goes through here.
CREATE FUNCTION protect_tenant_table(t regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %s TO weir_tenant USING (organization_id = current_organization()) '
                   'WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('CREATE POLICY service ON %s TO weir_system USING (true) WITH CHECK (true)', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO weir_tenant, weir_system', t);
END $$;
REVOKE ALL ON FUNCTION protect_tenant_table(regclass) FROM PUBLIC;

-- Makes an existing login role the service's role. Called by `weir-control migrate --service-role`. What is so already is
-- left alone: roles belong to the whole server, where two databases may be migrated at once.
CREATE FUNCTION grant_service(role_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    -- From PostgreSQL 16 on each membership says for itself whether it is inherited.
    apart text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT FALSE' ELSE '' END;
    t text;
BEGIN
    IF (SELECT rolinherit FROM pg_roles WHERE rolname = role_name) THEN
        EXECUTE format('ALTER ROLE %I NOINHERIT', role_name);
    END IF;
    FOREACH t IN ARRAY ARRAY['weir_tenant', 'weir_system'] LOOP
        IF NOT pg_has_role(role_name, t, 'MEMBER') OR pg_has_role(role_name, t, 'USAGE') THEN
            EXECUTE format('GRANT %I TO %I', t, role_name) || apart;
        END IF;
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA weir TO %I', role_name);
    EXECUTE format('GRANT SELECT ON schema_migrations TO %I', role_name);
END $$;
REVOKE ALL ON FUNCTION grant_service(text) FROM PUBLIC;

-- `owned_by` is the ownership mark: api, ui, file or scim. What a file owns is read-only elsewhere.
-- `revision` is the ETag.

CREATE TABLE organizations (
    id              uuid PRIMARY KEY,
    organization_id uuid GENERATED ALWAYS AS (id) STORED,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    settings        jsonb NOT NULL DEFAULT '{}',
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX organizations_name ON organizations (lower(name));
SELECT protect_tenant_table('organizations');

CREATE TABLE workspaces (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    settings        jsonb NOT NULL DEFAULT '{}',
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX workspaces_name ON workspaces (organization_id, lower(name));
SELECT protect_tenant_table('workspaces');

-- People are known once per installation; what they may do stands in memberships. `platform_admin` administers the
-- installation itself (organizations, data planes, groups).
CREATE TABLE users (
    id             uuid PRIMARY KEY,
    email          text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    name           text NOT NULL DEFAULT '',
    password_hash  text,
    platform_admin boolean NOT NULL DEFAULT false,
    disabled       boolean NOT NULL DEFAULT false,
    revision       bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

-- role: owner, admin, billing, auditor (workspace_id NULL: the organization), admin, manager, developer, viewer (a workspace)
CREATE TABLE memberships (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    workspace_id    uuid,
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role            text NOT NULL,
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    UNIQUE NULLS NOT DISTINCT (organization_id, workspace_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);
SELECT protect_tenant_table('memberships');

-- A tenant sees those who are its members and changes nobody.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON users FOR SELECT TO weir_tenant USING (
    EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = users.id AND m.organization_id = current_organization()));
CREATE POLICY service ON users TO weir_system USING (true) WITH CHECK (true);
GRANT SELECT (id, email, name, platform_admin, disabled, revision, created_at, updated_at) ON users TO weir_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON users TO weir_system;

-- Browser sessions: the cookie's token and the CSRF token are stored hashed.
CREATE TABLE sessions (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    token_hash   bytea NOT NULL UNIQUE,
    csrf_hash    bytea NOT NULL,
    address      text NOT NULL DEFAULT '',
    user_agent   text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO weir_system;

-- Tokens for the admin API (wr_adm_…); organization_id NULL: a platform token.
CREATE TABLE admin_tokens (
    id              uuid PRIMARY KEY,
    organization_id uuid REFERENCES organizations ON DELETE CASCADE,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    secret_hash     bytea NOT NULL UNIQUE,
    mask            text NOT NULL,
    role            text NOT NULL,
    created_by      uuid REFERENCES users ON DELETE SET NULL,
    expires_at      timestamptz,
    last_used_at    timestamptz,
    revoked_at      timestamptz,
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now()
);
SELECT protect_tenant_table('admin_tokens');

-- One row per account and per address that failed to sign in.
CREATE TABLE login_throttle (
    kind         text NOT NULL CHECK (kind IN ('account', 'address')),
    subject      text NOT NULL,
    failures     integer NOT NULL DEFAULT 0,
    window_start timestamptz NOT NULL DEFAULT now(),
    locked_until timestamptz,
    PRIMARY KEY (kind, subject)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON login_throttle TO weir_system;

-- Answers to calls that carried an Idempotency-Key, kept for a day.
CREATE TABLE idempotency_keys (
    actor        text NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL,
    status       integer,
    response     bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, key)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO weir_system, weir_tenant;
