-- What a provider's kind needs beside base URL and API key stands in `settings`; which secrets its sealed credential
-- holds is told here, so that they can be shown to exist without being opened.
ALTER TABLE providers ADD COLUMN credential_fields text[] NOT NULL DEFAULT '{}';
UPDATE providers SET credential_fields = '{api_key}' WHERE credential IS NOT NULL;

-- Which of its provider's operations a target speaks; empty: the provider's own choice.
ALTER TABLE model_targets ADD COLUMN endpoint text NOT NULL DEFAULT '' CHECK (length(endpoint) <= 40);
