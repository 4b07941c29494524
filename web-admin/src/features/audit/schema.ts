import { nullable, number, object, optional, page, text, time, type Parsed, type Parser } from '../../api/parse';

const anything: Parser<unknown> = (value) => value ?? null;

export const parseEntry = object({
  id: text,
  at: time,
  actor_kind: optional(text, ''),
  actor_name: optional(text, ''),
  action: text,
  object_kind: optional(text, ''),
  object_id: nullable(text),
  object_name: optional(text, ''),
  before: anything,
  after: anything,
  address: optional(text, ''),
  request_id: optional(text, ''),
  seq: nullable(number),
  hash: nullable(text),
});

export const parseEntries = page(parseEntry);
export type Entry = Parsed<typeof parseEntry>;

export interface Difference {
  member: string;
  before: string | null; // null: it was not there
  after: string | null;
}

const membersOf = (value: unknown): Record<string, unknown> => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {});
const written = (value: unknown): string | null => (value === undefined ? null : typeof value === 'string' ? value : JSON.stringify(value));

/* Members that differ. What is told as a whole ("given") is told as a whole here. */
export function differencesOf(before: unknown, after: unknown): Difference[] {
  const old = membersOf(before);
  const now = membersOf(after);
  return [...new Set([...Object.keys(old), ...Object.keys(now)])]
    .map((member) => ({ member, before: written(old[member]), after: written(now[member]) }))
    .filter((one) => one.before !== one.after);
}

/* Days of the address as moments; the last one counts to its end. */
export function momentsOf(from: string | undefined, to: string | undefined): { from?: string; to?: string } {
  const day = /^\d{4}-\d{2}-\d{2}$/;
  return {
    ...(day.test(from ?? '') && { from: new Date(`${from}T00:00:00`).toISOString() }),
    ...(day.test(to ?? '') && { to: new Date(new Date(`${to}T00:00:00`).getTime() + 86_400_000).toISOString() }),
  };
}
