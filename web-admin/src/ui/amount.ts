/* Amounts as the API writes them: decimal texts, of USD with up to 9 places, else whole. Shown and compared by their digits,
 * never by arithmetic on fractions. */

const PLACES = 9;

/* Whole nano-units; null: it is no amount. */
export function nanoOf(amount: string): bigint | null {
  const found = /^(-?)(\d{1,18})(?:\.(\d{1,9}))?$/.exec(amount.trim());
  return found ? BigInt(found[1]! + found[2]! + (found[3] ?? '').padEnd(PLACES, '0')) : null;
}

function grouped(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, ',');
}

/* "$1,234.50", "$0.000000001" */
export function usdOf(amount: string): string {
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount.trim());
  if (!found) return amount;
  const rest = (found[3] ?? '').replace(/0+$/, '').padEnd(2, '0');
  return `${found[1]}$${grouped(found[2]!)}.${rest}`;
}

/* Of whole nano-USD. */
export function usdOfNano(nano: number): string {
  const digits = BigInt(Math.trunc(nano)).toString().replace('-', '').padStart(PLACES + 1, '0');
  return usdOf(`${nano < 0 ? '-' : ''}${digits.slice(0, -PLACES)}.${digits.slice(-PLACES)}`);
}

export type Metric = 'cost' | 'tokens' | 'requests' | 'concurrency';

/* "$1.00", "1,000 tokens" */
export function amountText(metric: string, amount: string): string {
  if (metric === 'cost') return usdOf(amount);
  const whole = /^\d+$/.test(amount) ? grouped(amount) : amount;
  return metric === 'concurrency' ? `${whole} at once` : `${whole} ${metric}`;
}

/* How much of the whole it is, in percent with one place, from 0 to 100. */
export function percentOf(part: string, whole: string): number {
  const a = nanoOf(part);
  const b = nanoOf(whole);
  if (a === null || b === null || a <= 0n) return 0;
  if (b <= 0n) return 100;
  const permille = Number((a * 1000n) / b);
  return Math.min(100, permille / 10);
}

/* Why a text is no amount of the metric; null: it is one. */
export function faultOfAmount(metric: string, amount: string): 'none' | 'form' | null {
  if (amount.trim() === '') return 'none';
  const nano = nanoOf(amount);
  if (nano === null || nano < 0n) return 'form';
  return metric === 'cost' || !amount.includes('.') ? null : 'form';
}
