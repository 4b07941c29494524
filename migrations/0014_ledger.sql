-- The ledger: what is spent of each budget and limit, and what is leased to whom (docs/budgets.md).
--
-- An account is a budget (or limit), the values of its "*" scopes and a window. settled: spent. held: leased and neither
-- spent nor given back, by all holders; settled + held never pass the amount by a grant. overrun: what was billed above what
-- had been reserved, within settled. presumed: within settled too, what was written off and not yet heard of.
-- No foreign keys to budgets and limits: what was spent is booked even when its budget is gone.
CREATE TABLE ledger_accounts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    quota_id        uuid NOT NULL,
    bucket          text COLLATE "C" NOT NULL,
    window_start    bigint NOT NULL,
    window_end      bigint NOT NULL DEFAULT 0, -- 0: never
    amount          bigint NOT NULL DEFAULT 0, -- as it was last
    settled         bigint NOT NULL DEFAULT 0 CHECK (settled >= 0),
    held            bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    overrun         bigint NOT NULL DEFAULT 0,
    presumed        bigint NOT NULL DEFAULT 0,
    level_milli     bigint NOT NULL DEFAULT 0, -- token buckets
    level_ms        bigint NOT NULL DEFAULT 0,
    waiting_ms      bigint NOT NULL DEFAULT 0, -- when somebody was last told to wait for what others hold
    alerted         integer NOT NULL DEFAULT 0, -- the highest percent that was alerted
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (quota_id, window_start, bucket)
) WITH (fillfactor = 70);
CREATE INDEX ledger_accounts_tenant ON ledger_accounts (organization_id);

-- One holder (a run of a proxy) and one account: running totals. presumed: given up for lost; a holder that is heard of
-- again has it back. closed: the holder is dead and all its events are stored.
CREATE TABLE ledger_leases (
    account_id      bigint NOT NULL REFERENCES ledger_accounts ON DELETE CASCADE,
    holder          uuid NOT NULL,
    organization_id uuid NOT NULL,
    data_plane_id   uuid NOT NULL,
    granted         bigint NOT NULL DEFAULT 0,
    returned        bigint NOT NULL DEFAULT 0,
    settled         bigint NOT NULL DEFAULT 0,
    presumed        bigint NOT NULL DEFAULT 0,
    closed          boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, holder)
) WITH (fillfactor = 70);
CREATE INDEX ledger_leases_open ON ledger_leases (data_plane_id, holder) WHERE NOT closed;

-- Limits count in tables of the same shape that a crash of the database may empty: that loses counters, not money.
CREATE UNLOGGED TABLE limit_accounts (LIKE ledger_accounts INCLUDING ALL) WITH (fillfactor = 50);
CREATE UNLOGGED TABLE limit_leases (LIKE ledger_leases INCLUDING ALL) WITH (fillfactor = 50);
ALTER TABLE limit_leases ADD FOREIGN KEY (account_id) REFERENCES limit_accounts ON DELETE CASCADE;
-- when a window is nobody's business any more, one that slides over its successor included
CREATE INDEX limit_accounts_over ON limit_accounts ((2 * window_end - window_start)) WHERE window_end > 0;

-- Raised once for an account and percent, in the transaction that crosses it.
CREATE TABLE alert_events (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    workspace_id    uuid,
    kind            text NOT NULL,
    budget_id       uuid NOT NULL,
    metric          text NOT NULL,
    bucket          text COLLATE "C" NOT NULL,
    window_start    bigint NOT NULL,
    percent         integer NOT NULL,
    settled         bigint NOT NULL,
    amount          bigint NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    UNIQUE (budget_id, window_start, bucket, percent)
);
CREATE INDEX alert_events_tenant ON alert_events (organization_id, id);

SELECT protect_tenant_table('ledger_accounts');
SELECT protect_tenant_table('ledger_leases');
SELECT protect_tenant_table('limit_accounts');
SELECT protect_tenant_table('limit_leases');
SELECT protect_tenant_table('alert_events');
-- A tenant reads them; nobody but the service's own work writes, and alerts are not changed at all.
REVOKE INSERT, UPDATE, DELETE ON ledger_accounts, ledger_leases, limit_accounts, limit_leases, alert_events FROM weir_tenant;
REVOKE UPDATE ON alert_events FROM weir_system;
