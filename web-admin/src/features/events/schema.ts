import { boolean, list, nullable, number, object, optional, page, text, time, type Parsed } from '../../api/parse';

const parseAttempt = object({
  provider: optional(text, ''),
  model: optional(text, ''),
  answered_model: optional(text, ''),
  status: number,
  outcome: text,
  error_code: optional(text, ''),
  duration_us: optional(number, 0),
  cost_nanousd: optional(number, 0),
  kind: optional(text, ''),
  option: optional(text, ''),
  credential: optional(number, 0),
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
  first_byte_us: nullable(number),
  endpoint: optional(text, ''),
  cost_nanousd: optional(number, 0),
  cache_status: optional(text, ''),
  saved_nanousd: optional(number, 0),
  saved_us: optional(number, 0),
  config_id: nullable(text),
  config_version_number: optional(number, 0),
  assignment: optional(text, ''),
  prompt_id: nullable(text),
  prompt_version: optional(number, 0),
  mirror_of: nullable(text),
  attempts: list(parseAttempt),
});

export const parseEvents = page(parseEvent);

export type UsageEvent = Parsed<typeof parseEvent>;
