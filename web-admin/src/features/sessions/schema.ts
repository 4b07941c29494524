import { boolean, nullable, object, optional, page, text, time, type Parsed } from '../../api/parse';

export const parseSessionRow = object({
  id: text,
  user_id: text,
  email: optional(text, ''),
  name: optional(text, ''),
  current: optional(boolean, false),
  issuer: nullable(text),
  address: optional(text, ''),
  user_agent: optional(text, ''),
  created_at: time,
  last_seen_at: time,
  expires_at: time,
});

export const parseSessions = page(parseSessionRow);
export type SessionRow = Parsed<typeof parseSessionRow>;

const BROWSERS: [RegExp, string][] = [[/Edg\//, 'Edge'], [/OPR\//, 'Opera'], [/Firefox\//, 'Firefox'], [/Chrom(e|ium)\//, 'Chrome'], [/Safari\//, 'Safari'], [/curl\//, 'curl']];
const SYSTEMS: [RegExp, string][] = [[/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Windows/, 'Windows'], [/Mac OS X/, 'macOS'], [/Linux/, 'Linux']];

/* "Firefox on Linux"; the whole text where neither is known. */
export function browserOf(agent: string): string {
  const find = (list: [RegExp, string][]) => list.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = find(BROWSERS);
  const system = find(SYSTEMS);
  return browser ? (system ? `${browser} on ${system}` : browser) : agent;
}
