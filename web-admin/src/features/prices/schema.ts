import { boolean, list, nullable, number, object, optional, ShapeError, text, time, type Parsed, type Parser } from '../../api/parse';

const tiered = object({ price: number, tiers: optional(list(object({ above: number, price: number })), []) });

export type Price = Parsed<typeof tiered>;

/* A price by its unit: a whole number, or one with tiers. */
const parsePrices: Parser<Record<string, Price>> = (value, at) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShapeError(at, 'an object', value);
  return Object.fromEntries(Object.entries(value).map(([unit, price]) => [unit, typeof price === 'number' ? { price, tiers: [] } : tiered(price, `${at}.${unit}`)]));
};

export const parseEffective = object({
  provider: text,
  model: text,
  service_tier: optional(text, ''),
  at: time,
  priced: optional(boolean, true),
  default_prices: optional(boolean, false),
  catalogue: nullable(parsePrices),
  list: nullable(parsePrices),
  charged: nullable(parsePrices),
  ratio: optional(text, '1'),
  price_group: nullable(text),
  price_book_id: nullable(text),
  price_book_version: optional(number, 0),
});

export type Effective = Parsed<typeof parseEffective>;

/* Units of any of the three, in the order in which they came. */
export function unitsOf({ catalogue, list: listed, charged }: Effective): string[] {
  return [...new Set([catalogue, listed, charged].flatMap((prices) => Object.keys(prices ?? {})))];
}

const PER_MILLION = /^(token_|cache_|audio_|image_in|image_out|image_cached|video_|character|pixel)/;

/* "2.5" USD: per million where a unit is small, else per unit; by moving the point. */
export function usdOfPico(unit: string, pico: number): string {
  const places = PER_MILLION.test(unit) ? 6 : 12;
  const digits = String(pico).padStart(places + 1, '0');
  const rest = digits.slice(-places).replace(/0+$/, '');
  return `$${digits.slice(0, -places)}${rest ? `.${rest}` : ''}`;
}

export const perOf = (unit: string): 'million' | 'unit' => (PER_MILLION.test(unit) ? 'million' : 'unit');
