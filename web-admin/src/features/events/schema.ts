import { boolean, list, nullable, number, object, optional, page, text, time, type Parsed } from '../../api/parse';

const parseAttempt = object({
  provider: optional(text, ''),
  model: optional(text, ''),
  status: number,
  outcome: text,
  quantities: list(object({ unit: text, quantity: number, source: text })),
});

export const parseEvent = object({
  id: text,
  started_at: time,
  key_name: nullable(text),
  model: text,
  stream: boolean,
  status: number,
  outcome: text,
  error_code: optional(text, ''),
  duration_us: number,
  attempts: list(parseAttempt),
});

export const parseEvents = page(parseEvent);

export type UsageEvent = Parsed<typeof parseEvent>;
