-- Budgets and rate limits: what is counted, for whom, in which window (docs/budgets.md). What is spent stands in the ledger.
-- scopes: [{"kind": "user", "name": "", "value": "*"}, …], all of which must hold. Amounts are nano-USD, tokens or requests.
CREATE TABLE budgets (
    id               uuid PRIMARY KEY,
    organization_id  uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    workspace_id     uuid,
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes           jsonb NOT NULL DEFAULT '[]',
    key_id           uuid, -- where one key alone is what it is about: goes with that key
    metric           text NOT NULL CHECK (metric IN ('cost', 'tokens', 'requests')),
    amount           bigint NOT NULL CHECK (amount >= 0),
    time_window      text NOT NULL CHECK (time_window IN ('hour', 'day', 'week', 'month', 'total')),
    zone             text NOT NULL DEFAULT 'UTC',
    mode             text NOT NULL DEFAULT 'hard' CHECK (mode IN ('hard', 'soft', 'downgrade')),
    downgrade_model  text NOT NULL DEFAULT '',
    alert_percents   integer[] NOT NULL DEFAULT '{}',
    max_cost         bigint NOT NULL DEFAULT 0 CHECK (max_cost >= 0),
    when_unavailable text NOT NULL DEFAULT 'refuse' CHECK (when_unavailable IN ('refuse', 'allow')),
    extra_amount     bigint NOT NULL DEFAULT 0 CHECK (extra_amount >= 0),
    extra_until      timestamptz,
    max_values       integer NOT NULL DEFAULT 10000 CHECK (max_values BETWEEN 1 AND 1000000),
    disabled         boolean NOT NULL DEFAULT false,
    owned_by         text NOT NULL DEFAULT 'api',
    revision         bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX budgets_name ON budgets (organization_id, workspace_id, lower(name)) NULLS NOT DISTINCT;
SELECT protect_tenant_table('budgets');

CREATE TABLE limits (
    id               uuid PRIMARY KEY,
    organization_id  uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    workspace_id     uuid,
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes           jsonb NOT NULL DEFAULT '[]',
    key_id           uuid, -- where one key alone is what it is about: goes with that key
    metric           text NOT NULL CHECK (metric IN ('requests', 'tokens', 'concurrency')),
    amount           bigint NOT NULL CHECK (amount >= 0),
    time_window      text NOT NULL DEFAULT '' CHECK (time_window IN ('', 'second', 'minute', 'hour', 'day')),
    algorithm        text NOT NULL DEFAULT '' CHECK (algorithm IN ('', 'fixed', 'sliding', 'token_bucket')),
    burst            bigint NOT NULL DEFAULT 0 CHECK (burst >= 0),
    exact            boolean NOT NULL DEFAULT false,
    when_unavailable text NOT NULL DEFAULT 'local' CHECK (when_unavailable IN ('local', 'refuse', 'allow')),
    max_values       integer NOT NULL DEFAULT 10000 CHECK (max_values BETWEEN 1 AND 1000000),
    disabled         boolean NOT NULL DEFAULT false,
    owned_by         text NOT NULL DEFAULT 'api',
    revision         bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    UNIQUE (organization_id, id),
    CHECK ((metric = 'concurrency') = (time_window = ''))
);
CREATE UNIQUE INDEX limits_name ON limits (organization_id, workspace_id, lower(name)) NULLS NOT DISTINCT;
SELECT protect_tenant_table('limits');

CREATE INDEX budgets_key ON budgets (key_id) WHERE key_id IS NOT NULL;
CREATE INDEX limits_key ON limits (key_id) WHERE key_id IS NOT NULL;
