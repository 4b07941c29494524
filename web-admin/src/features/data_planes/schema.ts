import { nullable, number, object, optional, page, text, time, type Parsed } from '../../api/parse';

/* What a data plane last said of itself; nothing before it said anything. */
const parseReported = object({
  in_flight: optional(number, 0),
  spool_records: optional(number, 0),
});

export const parseDataPlane = object({
  id: text,
  name: text,
  group: optional(text, ''),
  state: text,
  software_version: text,
  config_version: number,
  current_version: number,
  behind: number,
  refused_version: nullable(number),
  refused_reason: nullable(text),
  reported: parseReported,
  last_seen_at: nullable(time),
});

export const parseDataPlanes = page(parseDataPlane);
export const parseEnrolment = object({ token: text, expires_in_s: number });

export type DataPlane = Parsed<typeof parseDataPlane>;
