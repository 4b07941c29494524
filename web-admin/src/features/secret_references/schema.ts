import { boolean, list, nullable, object, optional, text, time, type Parsed } from '../../api/parse';

export const parseReference = object({ name: text, source: optional(text, ''), resolves: boolean, stale: optional(boolean, false), read_at: nullable(time) });

export const parseReferences = object({ data: list(parseReference) });
export type Reference = Parsed<typeof parseReference>;
