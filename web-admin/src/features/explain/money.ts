/* "$0.0026" for 2600000 nano-USD: by moving the point, never by arithmetic on fractions. */
export function usd(nano: number): string {
  const digits = String(Math.trunc(nano)).padStart(10, '0');
  const rest = digits.slice(-9).replace(/0+$/, '');
  return `$${digits.slice(0, -9)}${rest ? `.${rest.padEnd(2, '0')}` : ''}`;
}
