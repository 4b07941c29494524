-- Usage: one event per request, with its attempts and their quantity lines, partitioned by the day that stands in
-- the event's UUIDv7. Money is in nano-USD, prices in pico-USD per unit. No foreign keys: an event must land even when
-- the key it names is gone.

CREATE TABLE usage_events (
    day             date NOT NULL,
    id              uuid NOT NULL,
    organization_id uuid NOT NULL,
    workspace_id    uuid,
    key_id          uuid,
    user_id         uuid,
    data_plane_id   uuid,
    started_at      timestamptz NOT NULL,
    duration_us     bigint NOT NULL,
    first_byte_us   bigint,
    endpoint        text NOT NULL,
    dialect         text NOT NULL DEFAULT '',
    model           text NOT NULL DEFAULT '',
    stream          boolean NOT NULL DEFAULT false,
    status          integer NOT NULL,
    outcome         text NOT NULL,
    error_code      text NOT NULL DEFAULT '',
    cost_nanousd    bigint NOT NULL DEFAULT 0,
    config_version  bigint NOT NULL DEFAULT 0,
    price_version   bigint NOT NULL DEFAULT 0,
    metadata        jsonb NOT NULL DEFAULT '{}',
    trace_id        text NOT NULL DEFAULT '',
    received_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, id)
) PARTITION BY RANGE (day);
CREATE TABLE usage_events_default PARTITION OF usage_events DEFAULT;
CREATE INDEX usage_events_tenant ON usage_events (organization_id, id);
CREATE INDEX usage_events_key ON usage_events (key_id, id);
SELECT protect_tenant_table('usage_events');

CREATE TABLE usage_attempts (
    day             date NOT NULL,
    event_id        uuid NOT NULL,
    attempt         smallint NOT NULL,
    organization_id uuid NOT NULL,
    provider_id     uuid,
    provider        text NOT NULL DEFAULT '',
    model           text NOT NULL DEFAULT '',
    answered_model  text NOT NULL DEFAULT '',
    status          integer NOT NULL,
    outcome         text NOT NULL,
    error_code      text NOT NULL DEFAULT '',
    finish_reason   text NOT NULL DEFAULT '',
    started_us      bigint NOT NULL,
    duration_us     bigint NOT NULL,
    first_byte_us   bigint,
    bound_nanousd   bigint NOT NULL DEFAULT 0,
    cost_nanousd    bigint NOT NULL DEFAULT 0,
    upstream_request_id text NOT NULL DEFAULT '',
    PRIMARY KEY (day, event_id, attempt)
) PARTITION BY RANGE (day);
CREATE TABLE usage_attempts_default PARTITION OF usage_attempts DEFAULT;
SELECT protect_tenant_table('usage_attempts');

CREATE TABLE usage_quantities (
    day             date NOT NULL,
    event_id        uuid NOT NULL,
    attempt         smallint NOT NULL,
    unit            text NOT NULL,
    organization_id uuid NOT NULL,
    quantity        bigint NOT NULL,
    price_picousd   bigint NOT NULL DEFAULT 0,
    source          text NOT NULL,
    PRIMARY KEY (day, event_id, attempt, unit)
) PARTITION BY RANGE (day);
CREATE TABLE usage_quantities_default PARTITION OF usage_quantities DEFAULT;
SELECT protect_tenant_table('usage_quantities');

-- The service may add and read usage, and change none of it.
REVOKE UPDATE, DELETE ON usage_events, usage_attempts, usage_quantities FROM weir_tenant, weir_system;

-- What could not be stored, with its reason; it never blocks those behind it.
CREATE TABLE usage_quarantine (
    id            uuid PRIMARY KEY,
    data_plane_id uuid NOT NULL,
    payload_hash  bytea NOT NULL,
    reason        text NOT NULL,
    payload       bytea NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (data_plane_id, payload_hash)
);
GRANT SELECT, INSERT, DELETE ON usage_quarantine TO weir_system;

-- Makes the partitions of [first, last]. A day whose rows already stand in the default partition is left there.
CREATE FUNCTION ensure_usage_partitions(first date, last date) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = weir, pg_temp AS $$
DECLARE d date; t text; made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('weir usage partitions'));
    FOR d IN SELECT generate_series(first, last, interval '1 day')::date LOOP
        FOREACH t IN ARRAY ARRAY['usage_events', 'usage_attempts', 'usage_quantities'] LOOP
            IF to_regclass(format('weir.%I', t || '_' || to_char(d, 'YYYYMMDD'))) IS NULL THEN
                BEGIN
                    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                                   t || '_' || to_char(d, 'YYYYMMDD'), t, d, d + 1);
                    made := made + 1;
                EXCEPTION WHEN check_violation THEN NULL;
                END;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION ensure_usage_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_usage_partitions TO weir_system;
