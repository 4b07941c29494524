-- Identity providers: who may sign in to the web admin by OpenID Connect, and whose tokens are taken as bearer tokens.
-- organization_id NULL: the installation's own (its group rules may name any organization).
CREATE TABLE issuers (
    id               uuid PRIMARY KEY,
    organization_id  uuid REFERENCES organizations ON DELETE CASCADE,
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    issuer           text NOT NULL CHECK (length(issuer) BETWEEN 1 AND 500),
    client_id        text NOT NULL DEFAULT '',
    client_secret    bytea,
    client_secret_kek text,
    scopes           text[] NOT NULL DEFAULT '{openid,email,profile}',
    audiences        text[] NOT NULL DEFAULT '{}',
    algorithms       text[] NOT NULL DEFAULT '{RS256,ES256}',
    login            boolean NOT NULL DEFAULT true,   -- people sign in to the web admin
    admin_api        boolean NOT NULL DEFAULT false,  -- bearer tokens at the admin API
    data_plane       boolean NOT NULL DEFAULT false,  -- bearer tokens at the proxies
    claims           jsonb NOT NULL DEFAULT '{}',
    -- [{"group": "platform-*", "organization": …, "workspace": …, "role": "developer", "team": …}, …]
    group_rules      jsonb NOT NULL DEFAULT '[]',
    -- domains of e-mail addresses that the issuer may speak for; only the platform's administrators say so
    email_domains    text[] NOT NULL DEFAULT '{}',
    key_ids          uuid[] NOT NULL DEFAULT '{}',
    denied_jti       text[] NOT NULL DEFAULT '{}',
    leeway_s         integer NOT NULL DEFAULT 60 CHECK (leeway_s BETWEEN 0 AND 600),
    disabled         boolean NOT NULL DEFAULT false,
    -- where the keys are, when discovery does not tell; and whether they were given by hand and are never fetched
    jwks_uri         text NOT NULL DEFAULT '',
    jwks_fixed       boolean NOT NULL DEFAULT false,
    -- what was fetched: discovery, keys (those that were replaced stay until the next are, and stand in former_jwks
    -- too), when, when it was last tried, and why that failed
    discovery        jsonb,
    jwks             jsonb NOT NULL DEFAULT '{"keys": []}',
    former_jwks      jsonb NOT NULL DEFAULT '{"keys": []}',
    fetched_at       timestamptz,
    asked_at         timestamptz,
    next_fetch_at    timestamptz NOT NULL DEFAULT now(),
    fetch_error      text NOT NULL DEFAULT '',
    owned_by         text NOT NULL DEFAULT 'api',
    revision         bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX issuers_name ON issuers (organization_id, lower(name)) NULLS NOT DISTINCT;
CREATE INDEX issuers_issuer ON issuers (issuer);
CREATE INDEX issuers_next_fetch ON issuers (next_fetch_at) WHERE NOT disabled AND NOT jwks_fixed;
SELECT protect_tenant_table('issuers');

-- A person as an identity provider knows them: by issuer and subject, never by e-mail alone.
CREATE TABLE user_identities (
    issuer_id     uuid NOT NULL REFERENCES issuers ON DELETE CASCADE,
    subject       text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    groups        text[] NOT NULL DEFAULT '{}',
    last_login_at timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer_id, subject)
);
CREATE INDEX user_identities_user ON user_identities (user_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON user_identities TO weir_system;

-- What an issuer's group rules gave is marked with it: it is compared at each login and goes with the issuer. What people
-- gave by hand has no mark and stays.
ALTER TABLE memberships ADD COLUMN issuer_id uuid REFERENCES issuers ON DELETE CASCADE;
ALTER TABLE team_members ADD COLUMN issuer_id uuid REFERENCES issuers ON DELETE CASCADE;

-- A login under way: state, nonce and verifier, bound to the browser by a cookie; once, for ten minutes.
CREATE TABLE login_flows (
    state_hash  bytea PRIMARY KEY,
    issuer_id   uuid NOT NULL REFERENCES issuers ON DELETE CASCADE,
    nonce       text NOT NULL,
    verifier    text NOT NULL,
    cookie_hash bytea NOT NULL,
    return_to   text NOT NULL DEFAULT '/',
    expires_at  timestamptz NOT NULL
);
CREATE INDEX login_flows_expires ON login_flows (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON login_flows TO weir_system;

-- id_token is sealed, for the provider's own logout. platform_admin: by a group rule, for this session.
ALTER TABLE sessions
    ADD COLUMN issuer_id      uuid REFERENCES issuers ON DELETE CASCADE,
    ADD COLUMN platform_admin boolean NOT NULL DEFAULT false,
    ADD COLUMN id_token       bytea,
    ADD COLUMN id_token_kek   text;
