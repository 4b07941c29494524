-- Renewing seals (weir-control reseal) and server-side references.

-- Nothing but the seal changes: the certificate and the ids stay.
GRANT UPDATE (key, key_kek) ON certificate_authority TO weir_system;
GRANT UPDATE (key, key_kek) ON snapshot_keys TO weir_system;

-- What of the sealed credential is a reference ("ref:NAME"), readable without opening it: credential_references holds the
-- members that are nothing but references, as the API takes them; credential_reference_names all names, to find out whom the
-- change of a value concerns.
ALTER TABLE providers ADD COLUMN credential_references jsonb NOT NULL DEFAULT '{}';
ALTER TABLE providers ADD COLUMN credential_reference_names text[] NOT NULL DEFAULT '{}';
CREATE INDEX providers_references ON providers USING gin (credential_reference_names) WHERE credential_reference_names <> '{}';

ALTER TABLE issuers ADD COLUMN client_secret_reference text;
