-- What cache, routing config and prompt had to do with a request, and with which of its provider's keys each attempt was
-- made. A cache hit is an event without attempts, of cost 0: what it would have cost and taken stands in saved_*.
ALTER TABLE usage_events
    ADD COLUMN cache_status   text NOT NULL DEFAULT '',
    ADD COLUMN saved_nanousd  bigint NOT NULL DEFAULT 0,
    ADD COLUMN saved_us       bigint NOT NULL DEFAULT 0,
    ADD COLUMN config_id      uuid,
    ADD COLUMN config_number  bigint NOT NULL DEFAULT 0,
    ADD COLUMN assignment     text NOT NULL DEFAULT '',
    ADD COLUMN prompt_id      uuid,
    ADD COLUMN prompt_version bigint NOT NULL DEFAULT 0,
    ADD COLUMN mirror_of      uuid;
CREATE INDEX usage_events_config ON usage_events (config_id, id) WHERE config_id IS NOT NULL;
CREATE INDEX usage_events_prompt ON usage_events (prompt_id, id) WHERE prompt_id IS NOT NULL;

ALTER TABLE usage_attempts
    ADD COLUMN kind       text NOT NULL DEFAULT '',
    ADD COLUMN option     text NOT NULL DEFAULT '',
    ADD COLUMN credential integer NOT NULL DEFAULT 0;

-- How many API keys the sealed credential of a provider holds: told without opening it.
ALTER TABLE providers ADD COLUMN credential_keys smallint NOT NULL DEFAULT 0;
UPDATE providers SET credential_keys = 1 WHERE 'api_key' = ANY (credential_fields);
