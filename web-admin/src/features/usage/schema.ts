import { list, nullable, number, object, optional, text, type Parsed } from '../../api/parse';

const sum = { requests: number, cache_hits: optional(number, 0), cost_nanousd: optional(number, 0), saved_nanousd: optional(number, 0) };

export const parseUsage = object({ total: object(sum), groups: optional(list(object({ group: nullable(text), ...sum })), []) });

export type Usage = Parsed<typeof parseUsage>;
export type Group = Usage['groups'][number];

export const GROUPINGS = ['day', 'model', 'key_id', 'config_id', 'prompt_id', 'cache_status'] as const;

/* A span of days, as the address has it, as moments; the last day counts to its end. */
export function spanOf(from: string | undefined, to: string | undefined, now = new Date()): { from: string; to?: string } {
  const day = /^\d{4}-\d{2}-\d{2}$/;
  const start = day.test(from ?? '') ? new Date(`${from}T00:00:00Z`) : new Date(now.getTime() - 30 * 86_400_000);
  return { from: start.toISOString(), ...(day.test(to ?? '') && { to: new Date(new Date(`${to}T00:00:00Z`).getTime() + 86_400_000).toISOString() }) };
}
