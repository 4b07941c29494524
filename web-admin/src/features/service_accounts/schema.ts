import { boolean, nullable, number, object, optional, text, time, type Parsed } from '../../api/parse';

export const parseServiceAccount = object({
  id: text,
  workspace_id: nullable(text),
  name: text,
  description: optional(text, ''),
  team_id: nullable(text),
  disabled: optional(boolean, false),
  owned_by: optional(text, 'api'),
  revision: optional(number, 0),
  created_at: time,
});

export type ServiceAccount = Parsed<typeof parseServiceAccount>;
