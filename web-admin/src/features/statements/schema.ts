import { list, nullable, number, object, optional, ShapeError, text, time, type Parsed, type Parser } from '../../api/parse';

const quantities: Parser<Record<string, number>> = (value, at) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShapeError(at, 'an object', value);
  return Object.fromEntries(Object.entries(value).map(([unit, one]) => [unit, number(one, `${at}.${unit}`)]));
};

const sums = { events: number, attempts: optional(number, 0), list: text, cost: text };

export const parseLine = object({
  team_id: nullable(text),
  team: nullable(text),
  workspace: nullable(text),
  key_id: nullable(text),
  key: nullable(text),
  provider: optional(text, ''),
  model: optional(text, ''),
  quantities: optional(quantities, {}),
  ...sums,
});

export const parseStatement = object({ month: text, zone: optional(text, 'UTC'), from: time, to: time, lines: list(parseLine), total: object(sums) });

export type Statement = Parsed<typeof parseStatement>;
export type Line = Parsed<typeof parseLine>;

/* "2026-11" of a moment, in UTC. */
export const monthOf = (at: Date): string => at.toISOString().slice(0, 7);
export const isMonth = (month: string | undefined): month is string => /^\d{4}-(0[1-9]|1[0-2])$/.test(month ?? '');

/* Lines of each team, in the order in which they came. */
export function teamsOf(lines: Line[]): { id: string; name: string | null; lines: Line[] }[] {
  const teams: { id: string; name: string | null; lines: Line[] }[] = [];
  for (const line of lines) {
    const id = line.team_id ?? '';
    const team = teams.find((one) => one.id === id);
    if (team) team.lines.push(line);
    else teams.push({ id, name: line.team, lines: [line] });
  }
  return teams;
}

/* The sum of decimal texts, exact. */
export function sumOf(amounts: string[]): string {
  let nano = 0n;
  for (const amount of amounts) {
    const found = /^(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(amount);
    if (found) nano += BigInt(`${found[1]}${found[2]}${(found[3] ?? '').padEnd(9, '0')}`);
  }
  const digits = (nano < 0n ? -nano : nano).toString().padStart(10, '0');
  return `${nano < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}
