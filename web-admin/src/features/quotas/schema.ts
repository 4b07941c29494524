/* What budgets and limits share: the scopes that say whose requests they are about, and accounts. */
import { nullable, number, object, optional, page, ShapeError, text, time, type Parsed, type Parser } from '../../api/parse';

export const parseScope = object({ kind: text, name: optional(text, ''), value: optional(text, ''), value_name: nullable(text) });

export type Scope = Parsed<typeof parseScope>;

const texts: Parser<Record<string, string>> = (value, at) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ShapeError(at, 'an object', value);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, text(one, `${at}.${name}`)]));
};

export const parseAccount = object({
  bucket: optional(text, ''),
  values: optional(texts, {}),
  window_start: nullable(time),
  window_end: nullable(time),
  amount: text,
  settled: optional(text, '0'),
  held: optional(text, '0'),
  remaining: optional(text, ''),
  overrun: optional(text, '0'),
});

export const parseAccounts = page(parseAccount);
export type Account = Parsed<typeof parseAccount>;

/* Of budgets and limits alike. */
export const quotaFields = {
  id: text,
  workspace_id: nullable(text),
  name: text,
  metric: text,
  amount: text,
  when_unavailable: optional(text, ''),
  max_values: nullable(number),
  owned_by: optional(text, 'api'),
  revision: optional(number, 0),
};

/* Those of the window that goes on. */
export function currentOf(accounts: Account[], now = Date.now()): Account[] {
  return accounts.filter(({ window_start, window_end }) => (window_end === null || window_end.getTime() > now) && (window_start === null || window_start.getTime() <= now));
}

/* A scope as the form has it: what stands for an id is its name. */
export interface ScopeDraft {
  kind: string;
  name: string;
  value: string;
}

export function draftOf({ kind, name, value, value_name }: Scope): ScopeDraft {
  return { kind, name, value: value_name ?? value };
}

/* What was not touched goes back as the id that it was: names may be taken by several. */
export function scopesOf(drafts: ScopeDraft[], before: Scope[] = []) {
  return drafts.map(({ kind, name, value }) => {
    const same = before.find((scope) => scope.kind === kind && (scope.value_name ?? scope.value) === value.trim());
    return { kind, ...(kind === 'metadata' && { name: name.trim() }), ...(kind === 'organization' && value.trim() === '' ? {} : { value: same?.value ?? value.trim() }) };
  });
}
