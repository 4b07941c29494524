import { expect, test } from 'vitest';
import { amountText, faultOfAmount, nanoOf, percentOf, usdOf, usdOfNano } from './amount';

test('amounts are shown to the last digit, whatever their size', () => {
  expect(['1', '1.00', '0.000000001', '1234567.5', '90071992547409.930000001', '-0.10'].map(usdOf)).toEqual(['$1.00', '$1.00', '$0.000000001', '$1,234,567.50', '$90,071,992,547,409.930000001', '-$0.10']);
  expect([0, 1, 2_600_000, 12_000_000_000].map(usdOfNano)).toEqual(['$0.00', '$0.000000001', '$0.0026', '$12.00']);
  expect([amountText('cost', '1.5'), amountText('tokens', '1000000'), amountText('concurrency', '5')]).toEqual(['$1.50', '1,000,000 tokens', '5 at once']);
});

test('shares of an amount are from 0 to 100', () => {
  expect([percentOf('0', '1'), percentOf('0.333', '1.00'), percentOf('1', '1.00'), percentOf('3', '2'), percentOf('0', '0'), percentOf('1', '0'), percentOf('x', '1')]).toEqual([0, 33.3, 100, 100, 0, 100, 0]);
});

test('what is no amount is told from what is one', () => {
  expect([nanoOf('1.000000001'), nanoOf('0.0000000001'), nanoOf('1e3'), nanoOf('')]).toEqual([1_000_000_001n, null, null, null]);
  expect([faultOfAmount('cost', '0.5'), faultOfAmount('tokens', '0.5'), faultOfAmount('cost', ' '), faultOfAmount('cost', '-1'), faultOfAmount('requests', '10')]).toEqual([null, 'form', 'none', 'form', null]);
});
