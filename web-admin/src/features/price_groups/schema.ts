import { list, nullable, number, object, optional, text, time, type Parsed } from '../../api/parse';

export const parsePriceGroup = object({
  id: text,
  name: text,
  description: optional(text, ''),
  ratio: text,
  overrides: optional(list(object({ provider: nullable(text), model: nullable(text), ratio: text })), []),
  owned_by: optional(text, 'api'),
  revision: optional(number, 0),
  created_at: time,
});

export type PriceGroup = Parsed<typeof parsePriceGroup>;

/* From 0 to 1000 with at most 6 places. */
export function isRatio(value: string): boolean {
  const found = /^(\d{1,4})(?:\.(\d{1,6}))?$/.exec(value.trim());
  return found !== null && (Number(found[1]) < 1000 || (Number(found[1]) === 1000 && /^0*$/.test(found[2] ?? '')));
}

/* "− 20 %" for 0.8, by moving the point: a hint beside the number. */
export function percentText(ratio: string): string {
  if (!isRatio(ratio)) return '';
  const [whole = '0', rest = ''] = ratio.trim().split('.');
  const micro = Number(whole) * 1_000_000 + Number(rest.padEnd(6, '0')) - 1_000_000;
  if (micro === 0) return 'list price';
  const digits = String(Math.abs(micro)).padStart(5, '0');
  const places = digits.slice(-4).replace(/0+$/, '');
  return `${micro < 0 ? '−' : '+'} ${digits.slice(0, -4)}${places ? `.${places}` : ''} %`;
}
