import { boolean, list, nullable, object, optional, text, time, type Parsed } from '../../api/parse';
import { parseScope, quotaFields } from '../quotas/schema';

export const parseLimit = object({
  ...quotaFields,
  scopes: optional(list(parseScope), []),
  window: nullable(text),
  algorithm: nullable(text),
  burst: optional(text, '0'),
  exact: optional(boolean, false),
  disabled: optional(boolean, false),
  created_at: time,
});

export type Limit = Parsed<typeof parseLimit>;
