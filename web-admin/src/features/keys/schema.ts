import { boolean, list, nullable, number, object, optional, page, ShapeError, text, time, type Parsed, type Parser } from '../../api/parse';

const texts = optional(list(text), []);

const anyObject: Parser<Record<string, unknown>> = (value, at) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShapeError(at, 'an object', value);
  return value as Record<string, unknown>;
};

const fields = {
  id: text,
  workspace_id: nullable(text),
  name: text,
  mask: text,
  models: list(text),
  providers: optional(list(text), ['*']),
  status: text,
  config: nullable(text),
  config_locked: optional(boolean, false),
  tags: texts,
  user_id: nullable(text),
  service_account_id: nullable(text),
  team_id: nullable(text),
  endpoints: texts,
  configs: texts,
  mcp_tools: texts,
  admin_permissions: texts,
  ip_allow: texts,
  metadata: optional(anyObject, {}),
  required_metadata: texts,
  price_group: optional(text, ''),
  disabled: optional(boolean, false),
  expires_at: nullable(time),
  former_expires_at: nullable(time),
  last_used_at: nullable(time),
  owned_by: optional(text, 'api'),
  revision: optional(number, 0),
  created_at: time,
};

export const parseKey = object(fields);
export const parseKeys = page(parseKey);
/* The answers that hold a secret: to making a key, and to rotating it. */
export const parseCreatedKey = object({ ...fields, secret: text });

export type Key = Parsed<typeof parseKey>;
export type CreatedKey = Parsed<typeof parseCreatedKey>;

const bulkLine = object({
  name: optional(text, ''),
  result: optional(text, ''),
  secret: nullable(text),
  index: nullable(number),
  error: nullable(object({ message: optional(text, ''), param: nullable(text) })),
  done: nullable(boolean),
});

export const parseBulk = list(bulkLine);
export type BulkLine = Parsed<typeof bulkLine>;
