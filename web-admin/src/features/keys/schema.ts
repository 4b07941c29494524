import { boolean, list, nullable, object, optional, page, text, time, type Parsed } from '../../api/parse';

const fields = {
  id: text,
  workspace_id: nullable(text),
  name: text,
  mask: text,
  models: list(text),
  status: text,
  config: nullable(text),
  config_locked: optional(boolean, false),
  tags: optional(list(text), []),
  disabled: optional(boolean, false),
  expires_at: nullable(time),
  owned_by: optional(text, 'api'),
  created_at: time,
};

export const parseKey = object(fields);
export const parseKeys = page(parseKey);
/* The one answer that holds the secret. */
export const parseCreatedKey = object({ ...fields, secret: text });

export type Key = Parsed<typeof parseKey>;
export type CreatedKey = Parsed<typeof parseCreatedKey>;
