-- What differs from the installed model catalogue: everybody's rows (organization_id NULL, by `weir catalog update`)
-- and an organization's own (its prices). `entry` is an entry as in the catalogue's file (common/catalogue/README.md);
-- members that it has replace the installed ones.
CREATE TABLE catalogue_models (
    id              uuid PRIMARY KEY,
    organization_id uuid REFERENCES organizations ON DELETE CASCADE,
    provider        text NOT NULL CHECK (length(provider) BETWEEN 1 AND 100),
    model           text NOT NULL CHECK (length(model) BETWEEN 1 AND 400),
    entry           jsonb NOT NULL,
    owned_by        text NOT NULL DEFAULT 'api',
    revision        bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX catalogue_models_model ON catalogue_models (organization_id, provider, model) NULLS NOT DISTINCT;
SELECT protect_tenant_table('catalogue_models');
-- Everybody reads everybody's rows; only the service writes them.
CREATE POLICY everybody ON catalogue_models FOR SELECT TO weir_tenant USING (organization_id IS NULL);
