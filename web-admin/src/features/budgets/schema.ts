import { boolean, list, nullable, number, object, optional, text, time, type Parsed } from '../../api/parse';
import { nanoOf } from '../../ui/amount';
import { parseScope, quotaFields } from '../quotas/schema';

export const parseBudget = object({
  ...quotaFields,
  scopes: optional(list(parseScope), []),
  window: text,
  zone: optional(text, ''),
  mode: optional(text, 'hard'),
  downgrade_model: optional(text, ''),
  alert_percents: optional(list(number), []),
  max_cost: optional(text, '0'),
  extra_amount: optional(text, '0'),
  extra_until: nullable(time),
  disabled: optional(boolean, false),
  created_at: time,
});

export type Budget = Parsed<typeof parseBudget>;

/* What is granted on top now; null: nothing. */
export function increaseOf({ extra_amount, extra_until }: Budget, now = Date.now()): { amount: string; until: Date } | null {
  return extra_until !== null && extra_until.getTime() > now && nanoOf(extra_amount) !== 0n ? { amount: extra_amount, until: extra_until } : null;
}

/* "50, 80" as percents; null: one of them is none. */
export function percentsOf(texts: string[]): number[] | null {
  const percents = texts.map((one) => (/^\d{1,3}$/.test(one.trim()) ? Number(one) : NaN));
  return percents.every((one) => one >= 1 && one <= 999) ? percents : null;
}
