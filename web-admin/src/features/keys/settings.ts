/* What a key may have besides its name, models and expiry, as the forms hold it: a text or list of texts for each member. */
import { faultOfAmount } from '../../ui/amount';
import type { NewKey } from './queries';
import type { Key } from './schema';
import { texts } from './texts';

export interface Settings {
  config: string;
  config_locked: boolean;
  tags: string[];
  owner: string; // usr_…, sa_…, or ""
  team_id: string;
  endpoints: string[];
  providers: string[];
  configs: string[];
  mcp_tools: string[];
  ip_allow: string[];
  metadata: string; // JSON
  required_metadata: string[];
  price_group: string;
  admin_permissions: string[];
}

export const LISTS = ['tags', 'endpoints', 'providers', 'configs', 'mcp_tools', 'ip_allow', 'required_metadata', 'admin_permissions'] as const;

export function settingsOf(key: Key | null): Settings {
  return {
    config: key?.config ?? '',
    config_locked: key?.config_locked ?? false,
    tags: key?.tags ?? [],
    owner: key?.service_account_id ?? key?.user_id ?? '',
    team_id: key?.team_id ?? '',
    endpoints: key?.endpoints ?? [],
    providers: key?.providers ?? ['*'],
    configs: key?.configs ?? [],
    mcp_tools: key?.mcp_tools ?? [],
    ip_allow: key?.ip_allow ?? [],
    metadata: key && Object.keys(key.metadata).length > 0 ? JSON.stringify(key.metadata) : '',
    required_metadata: key?.required_metadata ?? [],
    price_group: key?.price_group ?? '',
    admin_permissions: key?.admin_permissions ?? [],
  };
}

/* "{}" for nothing; null: it is no JSON object. */
export function metadataOf(text: string): Record<string, unknown> | null {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/* Members that differ from what they were. */
export function settingsBody(values: Settings, before: Settings): Partial<NewKey> {
  const body: Partial<NewKey> = {};
  if (values.config.trim() !== before.config) body.config = values.config.trim() || null;
  if (values.config_locked !== before.config_locked) body.config_locked = values.config_locked;
  for (const name of LISTS) if (JSON.stringify(values[name]) !== JSON.stringify(before[name])) body[name] = values[name];
  if (values.owner !== before.owner) {
    const account = values.owner.startsWith('sa_');
    if (!account || before.owner.startsWith('usr_')) body.user_id = account ? null : values.owner || null;
    if (account || before.owner.startsWith('sa_')) body.service_account_id = account ? values.owner : null;
  }
  if (values.team_id !== before.team_id) body.team_id = values.team_id || null;
  if (values.metadata.trim() !== before.metadata) body.metadata = (metadataOf(values.metadata) ?? {}) as NonNullable<NewKey['metadata']>;
  if (values.price_group !== before.price_group) body.price_group = values.price_group;
  return body;
}

export const validateSettings = { metadata: (value: string) => (metadataOf(value) ? null : texts.form.needObject) };

/* Budgets and limits that are made with a key. */
export interface Quotas {
  budget_amount: string;
  budget_window: string;
  limit_requests: string;
  limit_tokens: string;
}

export const NO_QUOTAS: Quotas = { budget_amount: '', budget_window: 'month', limit_requests: '', limit_tokens: '' };

export function quotasBody({ budget_amount, budget_window, limit_requests, limit_tokens }: Quotas): Partial<NewKey> {
  const limits = [['requests', limit_requests] as const, ['tokens', limit_tokens] as const].filter(([, amount]) => amount.trim() !== '');
  return {
    ...(budget_amount.trim() && { budgets: [{ metric: 'cost', amount: budget_amount.trim(), window: budget_window }] as never }),
    ...(limits.length > 0 && { limits: limits.map(([metric, amount]) => ({ metric, amount: amount.trim(), window: 'minute' })) as never }),
  };
}

const amount = (metric: string, words: string) => (value: string) => (value.trim() === '' || faultOfAmount(metric, value) === null ? null : words);

export const validateQuotas = { budget_amount: amount('cost', texts.form.needAmount), limit_requests: amount('requests', texts.form.needCount), limit_tokens: amount('tokens', texts.form.needCount) };

/* Where a refusal of the server belongs in the forms. */
export function fieldOfKey(param: string | null): string | null {
  const name = /^\w+/.exec(param ?? '')?.[0];
  if (!name) return null;
  const others: Record<string, string> = { user_id: 'owner', service_account_id: 'owner', budgets: 'budget_amount', limits: param?.startsWith('limits[1]') ? 'limit_tokens' : 'limit_requests', expires_at: 'date', workspace_id: 'workspace' };
  return others[name] ?? name;
}
