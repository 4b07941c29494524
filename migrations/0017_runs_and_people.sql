-- The run of a proxy that asked the ledger last and some of those before it: a late word of one of these frees nothing of
-- what its successors hold.
ALTER TABLE data_planes
    ADD COLUMN ledger_holder  uuid,
    ADD COLUMN ledger_formers uuid[] NOT NULL DEFAULT '{}';

-- A person's keys; and those whose keys do not work, who are few.
CREATE INDEX virtual_keys_user ON virtual_keys (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX users_disabled ON users (id) WHERE disabled;
CREATE INDEX service_accounts_disabled ON service_accounts (id) WHERE disabled;
