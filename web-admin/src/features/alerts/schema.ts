import { nullable, number, object, optional, page, text, time, type Parsed } from '../../api/parse';

export const parseAlert = object({
  id: text,
  kind: text,
  budget_id: nullable(text),
  bucket: optional(text, ''),
  percent: optional(number, 0),
  at: time,
  settled: optional(text, ''),
  amount: optional(text, ''),
});

export const parseAlerts = page(parseAlert);
export type Alert = Parsed<typeof parseAlert>;
