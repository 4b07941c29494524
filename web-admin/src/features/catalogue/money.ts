/* Prices stand as whole pico-USD (10^-12 USD) per unit: 2500000 per token is 2.5 USD per million. Texts become integers
 * and back by moving the point, never by arithmetic on fractions. */

const PLACES = 6; // a million tokens

/* "2.5" for 2500000 */
export function perMillion(pico: number): string {
  const digits = String(pico).padStart(PLACES + 1, '0');
  const rest = digits.slice(-PLACES).replace(/0+$/, '');
  return rest ? `${digits.slice(0, -PLACES)}.${rest}` : digits.slice(0, -PLACES);
}

/* 2500000 for "2.5"; null: not an amount that can be kept exactly. */
export function picoOf(text: string): number | null {
  const found = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text.trim());
  return found ? Number(found[1]! + (found[2] ?? '').padEnd(PLACES, '0')) : null;
}
