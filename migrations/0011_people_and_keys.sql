-- Teams, service accounts and custom roles; and what a virtual key is bound by.

-- workspace_id NULL: of the whole organization.
CREATE TABLE teams (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    workspace_id    uuid,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    price_group     text NOT NULL DEFAULT '',
    -- the group's name at an identity provider, where its members come from there
    external_id     text NOT NULL DEFAULT '',
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX teams_name ON teams (organization_id, workspace_id, lower(name)) NULLS NOT DISTINCT;
SELECT protect_tenant_table('teams');

CREATE TABLE team_members (
    organization_id uuid NOT NULL,
    team_id         uuid NOT NULL,
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    owned_by        text NOT NULL DEFAULT 'api',
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (team_id, user_id),
    FOREIGN KEY (organization_id, team_id) REFERENCES teams (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX team_members_user ON team_members (user_id);
SELECT protect_tenant_table('team_members');

-- Who is no person: an application, a job. Its keys outlive people.
CREATE TABLE service_accounts (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    workspace_id    uuid NOT NULL,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description     text NOT NULL DEFAULT '',
    team_id         uuid,
    disabled        boolean NOT NULL DEFAULT false,
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, team_id) REFERENCES teams (organization_id, id) ON DELETE SET NULL (team_id),
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX service_accounts_name ON service_accounts (workspace_id, lower(name));
SELECT protect_tenant_table('service_accounts');

-- Roles that an organization made itself, of permissions of the table (controlplane/rules/permission.c).
-- scope: 'organization' or 'workspace', where it can be held.
CREATE TABLE roles (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    description     text NOT NULL DEFAULT '',
    scope           text NOT NULL CHECK (scope IN ('organization', 'workspace')),
    permissions     text[] NOT NULL DEFAULT '{}',
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX roles_name ON roles (organization_id, lower(name));
SELECT protect_tenant_table('roles');

-- A membership holds a role of the table or one of these.
ALTER TABLE memberships ADD COLUMN role_id uuid;
ALTER TABLE memberships ALTER COLUMN role DROP NOT NULL;
ALTER TABLE memberships ADD CHECK ((role IS NULL) <> (role_id IS NULL));
ALTER TABLE memberships ADD FOREIGN KEY (organization_id, role_id) REFERENCES roles (organization_id, id);
CREATE INDEX memberships_role ON memberships (role_id) WHERE role_id IS NOT NULL;

-- former_*: the secret before the last rotation, until it ends. last_used_at is kept by ingest, at most once a minute.
ALTER TABLE virtual_keys
    ADD COLUMN team_id            uuid,
    ADD COLUMN service_account_id uuid,
    ADD COLUMN endpoints          text[] NOT NULL DEFAULT '{}',
    ADD COLUMN configs            text[] NOT NULL DEFAULT '{}',
    ADD COLUMN mcp_tools          text[] NOT NULL DEFAULT '{}',
    ADD COLUMN admin_permissions  text[] NOT NULL DEFAULT '{}',
    ADD COLUMN ip_allow           text[] NOT NULL DEFAULT '{}',
    ADD COLUMN required_metadata  text[] NOT NULL DEFAULT '{}',
    ADD COLUMN price_group        text NOT NULL DEFAULT '',
    ADD COLUMN former_hash        bytea,
    ADD COLUMN former_expires_at  timestamptz,
    ADD COLUMN rotated_at         timestamptz,
    ADD COLUMN last_used_at       timestamptz;
CREATE UNIQUE INDEX virtual_keys_former ON virtual_keys (former_hash) WHERE former_hash IS NOT NULL;
CREATE INDEX virtual_keys_team ON virtual_keys (team_id) WHERE team_id IS NOT NULL;
CREATE INDEX virtual_keys_service_account ON virtual_keys (service_account_id) WHERE service_account_id IS NOT NULL;

ALTER TABLE workspaces ADD COLUMN price_group text NOT NULL DEFAULT '';

-- What a budget or limit is about is not deleted under it; TG_ARGV[0] is the kind of scope. Where the whole organization
-- goes, everything goes.
CREATE FUNCTION keep_quota_scope() RETURNS trigger LANGUAGE plpgsql SET search_path = weir, pg_temp AS $$
DECLARE
    wanted jsonb := jsonb_build_array(jsonb_build_object('kind', TG_ARGV[0], 'value', replace(OLD.id::text, '-', '')));
    named  text;
BEGIN
    SELECT 'budget "' || name || '"' INTO named FROM budgets
        WHERE scopes @> wanted OR (TG_ARGV[0] = 'workspace' AND workspace_id = OLD.id) LIMIT 1;
    IF named IS NULL THEN
        SELECT 'limit "' || name || '"' INTO named FROM limits
            WHERE scopes @> wanted OR (TG_ARGV[0] = 'workspace' AND workspace_id = OLD.id) LIMIT 1;
    END IF;
    IF named IS NOT NULL THEN
        RAISE EXCEPTION '% % is what % is about', TG_ARGV[0], OLD.id, named
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'quota_scope_fkey';
    END IF;
    RETURN OLD;
END $$;

CREATE FUNCTION organization_stands(id uuid) RETURNS boolean LANGUAGE sql STABLE SET search_path = weir, pg_temp AS
    $$ SELECT EXISTS (SELECT 1 FROM organizations o WHERE o.id = $1) $$;

CREATE TRIGGER keep_quota_scope BEFORE DELETE ON teams FOR EACH ROW
    WHEN (organization_stands(OLD.organization_id)) EXECUTE FUNCTION keep_quota_scope('team');
CREATE TRIGGER keep_quota_scope BEFORE DELETE ON service_accounts FOR EACH ROW
    WHEN (organization_stands(OLD.organization_id)) EXECUTE FUNCTION keep_quota_scope('service_account');
CREATE TRIGGER keep_quota_scope BEFORE DELETE ON providers FOR EACH ROW
    WHEN (organization_stands(OLD.organization_id)) EXECUTE FUNCTION keep_quota_scope('provider');
CREATE TRIGGER keep_quota_scope BEFORE DELETE ON workspaces FOR EACH ROW
    WHEN (organization_stands(OLD.organization_id)) EXECUTE FUNCTION keep_quota_scope('workspace');
CREATE TRIGGER keep_quota_scope BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION keep_quota_scope('user');

-- Which groups serve an organization is the platform's to see; held back from the tenant like the rest all the same.
SELECT protect_tenant_table('data_plane_group_serves');
REVOKE ALL ON data_plane_group_serves FROM weir_tenant;
