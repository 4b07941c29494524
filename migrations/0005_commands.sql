-- Commands to a data plane that is in session with another instance: the asking instance writes a row and notifies;
-- the instance that holds the session passes the command on and writes the result back. Rows live for seconds.

CREATE TABLE plane_commands (
    id          uuid PRIMARY KEY,
    instance_id uuid NOT NULL,
    plane_id    uuid NOT NULL,
    kind        integer NOT NULL,
    body        bytea NOT NULL,
    timeout_ms  integer NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    done_at     timestamptz,
    ok          boolean,
    error       text NOT NULL DEFAULT '',
    result      text NOT NULL DEFAULT ''
);
GRANT SELECT, INSERT, UPDATE, DELETE ON plane_commands TO weir_system;
