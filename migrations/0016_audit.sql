-- The audit log as chains of hashes (docs/security.md): one chain for each organization, one for the installation itself.
-- Row `seq` of a chain has hash = SHA-256(hex of the hash before it, a line feed, audit_text(row)); the hash before the
-- first is 32 zero bytes. Whoever has the rows of a chain can verify all of it, and nothing of another's is needed.

ALTER TABLE audit_log ADD COLUMN seq bigint;
ALTER TABLE audit_log ADD COLUMN hash bytea;

-- The last row of each chain. Locked by who appends, from then to commit: last but for config_version, in the order of chains.
CREATE TABLE audit_heads (
    organization_id uuid,
    -- the organization, or all zeros: the installation
    chain           uuid PRIMARY KEY GENERATED ALWAYS AS (coalesce(organization_id, '00000000-0000-0000-0000-000000000000')) STORED,
    seq             bigint NOT NULL DEFAULT 0,
    hash            bytea NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000'
);
SELECT protect_tenant_table('audit_heads');
REVOKE INSERT, UPDATE, DELETE ON audit_heads FROM weir_tenant, weir_system;

CREATE FUNCTION audit_chain(organization uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT coalesce(organization, '00000000-0000-0000-0000-000000000000') $$;

-- Everything that a row says, as one text that depends on nothing but the row: jsonb orders the members and spells numbers
-- in one way only.
CREATE FUNCTION audit_text(a audit_log) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET search_path = weir, pg_temp AS $$
    SELECT jsonb_build_object(
        'chain', audit_chain(a.organization_id), 'seq', a.seq, 'id', a.id,
        'at', to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'actor_kind', a.actor_kind, 'actor_id', a.actor_id, 'actor_name', a.actor_name, 'action', a.action,
        'object_kind', a.object_kind, 'object_id', a.object_id, 'object_name', a.object_name,
        'before', a.before, 'after', a.after, 'address', a.address, 'request_id', a.request_id)::text $$;

CREATE FUNCTION audit_hash(former bytea, entry text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT sha256(convert_to(encode(former, 'hex') || E'\n' || entry, 'UTF8')) $$;

-- Rows from before there were chains, in the order of their ids.
DO $$
DECLARE
    c uuid;
    r audit_log%ROWTYPE;
    s bigint;
    h bytea;
BEGIN
    FOR c IN SELECT DISTINCT audit_chain(organization_id) FROM audit_log ORDER BY 1 LOOP
        s := 0;
        h := '\x0000000000000000000000000000000000000000000000000000000000000000';
        FOR r IN SELECT * FROM audit_log WHERE audit_chain(organization_id) = c ORDER BY id LOOP
            s := s + 1;
            r.seq := s;
            h := audit_hash(h, audit_text(r));
            UPDATE audit_log SET seq = s, hash = h WHERE id = r.id;
        END LOOP;
        INSERT INTO audit_heads (organization_id, seq, hash) VALUES (nullif(c, audit_chain(NULL)), s, h);
    END LOOP;
END $$;

ALTER TABLE audit_log ALTER COLUMN seq SET NOT NULL;
ALTER TABLE audit_log ALTER COLUMN hash SET NOT NULL;
CREATE UNIQUE INDEX audit_log_chain ON audit_log (audit_chain(organization_id), seq);

-- Rows come in by append_audit alone, and stay.
REVOKE INSERT ON audit_log FROM weir_tenant, weir_system;

CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
REVOKE ALL ON FUNCTION audit_stays() FROM PUBLIC;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_stays();
CREATE TRIGGER audit_stays_whole BEFORE TRUNCATE ON audit_log EXECUTE FUNCTION audit_stays();

-- Appends to the chains: entries is an array of objects with the columns' names, in the order they happened. The last
-- statement of a transaction but for log_changes. A tenant appends to its own chain only.
CREATE FUNCTION append_audit(entries jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = weir, pg_temp AS $$
DECLARE
    tenant boolean := current_setting('role') <> 'weir_system';
    c uuid;
    e jsonb;
    r audit_log%ROWTYPE;
    s bigint;
    h bytea;
BEGIN
    FOR c IN SELECT DISTINCT audit_chain((x ->> 'organization_id')::uuid) FROM jsonb_array_elements(entries) x ORDER BY 1 LOOP
        IF tenant AND c IS DISTINCT FROM current_organization() THEN
            RAISE insufficient_privilege USING MESSAGE = 'another organization''s audit log';
        END IF;
        INSERT INTO audit_heads (organization_id) VALUES (nullif(c, audit_chain(NULL))) ON CONFLICT DO NOTHING;
        SELECT seq, hash INTO STRICT s, h FROM audit_heads WHERE chain = c FOR UPDATE;
        FOR e IN SELECT x FROM jsonb_array_elements(entries) WITH ORDINALITY AS t (x, n)
                 WHERE audit_chain((x ->> 'organization_id')::uuid) = c ORDER BY n LOOP
            s := s + 1;
            r := jsonb_populate_record(NULL::audit_log, e);
            r.before := e -> 'before';
            r.after := e -> 'after';
            r.at := now();
            r.seq := s;
            h := audit_hash(h, audit_text(r));
            r.hash := h;
            INSERT INTO audit_log VALUES (r.*);
        END LOOP;
        UPDATE audit_heads SET seq = s, hash = h WHERE chain = c;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION append_audit(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_audit(jsonb) TO weir_tenant, weir_system;
