import { boolean, list, nullable, number, object, page, text, ShapeError, type Parsed, type Parser } from '../../api/parse';

export interface Tiered {
  price: number;
  tiers: { above: number; price: number }[];
}
/* By unit; pico-USD. */
export type Prices = Record<string, number | Tiered>;

const tiered = object({ price: number, tiers: list(object({ above: number, price: number })) });

export const parsePrices: Parser<Prices> = (value, at) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShapeError(at, 'an object of prices', value);
  return Object.fromEntries(Object.entries(value).map(([unit, price]) => [unit, typeof price === 'number' ? price : tiered(price, `${at}.${unit}`)]));
};

export const parseEntry = object({
  id: text,
  provider: text,
  model: text,
  title: text,
  context: nullable(number),
  max_output: nullable(number),
  capabilities: list(text),
  input: list(text),
  deprecated: boolean,
  deprecated_on: nullable(text),
  price: nullable(parsePrices),
  updated: boolean,
  override_id: nullable(text),
});

export const parseEntries = page(parseEntry);
export const parseOverride = object({ id: text });
export const parseProviders = object({ data: list(object({ provider: text, models: number, priced: number })), version: nullable(text) });

export type Entry = Parsed<typeof parseEntry>;
