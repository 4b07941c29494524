-- Price books (versioned documents, docs/prices.md) and price groups. One book an organization; its published version holds.
CREATE TABLE price_books (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    workspace_id    uuid CHECK (workspace_id IS NULL),
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description     text NOT NULL DEFAULT '',
    published       bigint NOT NULL DEFAULT 0 CHECK (published BETWEEN 0 AND latest),
    latest          bigint NOT NULL DEFAULT 0,
    labels          jsonb NOT NULL DEFAULT '{}',
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX price_books_one ON price_books (organization_id);
SELECT protect_tenant_table('price_books');

CREATE TABLE price_book_documents (
    organization_id uuid NOT NULL,
    owner_id        uuid NOT NULL,
    number          bigint NOT NULL CHECK (number > 0),
    document        text NOT NULL,
    note            text NOT NULL DEFAULT '',
    created_by      text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, number),
    FOREIGN KEY (organization_id, owner_id) REFERENCES price_books (organization_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('price_book_documents');
REVOKE UPDATE, DELETE ON price_book_documents FROM weir_tenant, weir_system;

-- overrides: [{"provider": "openai", "model": "gpt-4o*", "ratio_ppm": 500000}, …]; the first that fits counts.
CREATE TABLE price_groups (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description     text NOT NULL DEFAULT '',
    ratio_ppm       bigint NOT NULL CHECK (ratio_ppm BETWEEN 0 AND 1000000000),
    overrides       jsonb NOT NULL DEFAULT '[]',
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX price_groups_name ON price_groups (organization_id, lower(name));
SELECT protect_tenant_table('price_groups');

-- What stands on events of governance: for whom, at whose price, out of which budgets.
ALTER TABLE usage_events
    ADD COLUMN team_id            uuid,
    ADD COLUMN service_account_id uuid,
    ADD COLUMN end_user           text NOT NULL DEFAULT '',
    ADD COLUMN price_group        text NOT NULL DEFAULT '',
    ADD COLUMN list_nanousd       bigint NOT NULL DEFAULT 0,
    ADD COLUMN tags               text[] NOT NULL DEFAULT '{}',
    ADD COLUMN downgraded_from    text NOT NULL DEFAULT '',
    ADD COLUMN price_book_id      uuid,
    ADD COLUMN custom_nanousd     bigint NOT NULL DEFAULT 0,
    -- [{"quota": uuid, "bucket": text, "window": seconds, "amount": n, "overrun": true}, …]
    ADD COLUMN charges            jsonb NOT NULL DEFAULT '[]';
ALTER TABLE usage_attempts
    ADD COLUMN list_nanousd       bigint NOT NULL DEFAULT 0,
    ADD COLUMN ratio_ppm          bigint NOT NULL DEFAULT 0,
    ADD COLUMN service_tier       text NOT NULL DEFAULT '';
