/* Routing configs in words. A document is read as it is being written, so nothing about its shape is taken for granted. */

export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const itemsOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const shown = (value: unknown): string => JSON.stringify(value) ?? '';

const OPERATORS: Record<string, string> = {
  $eq: '=', $ne: '≠', $gt: '>', $gte: '≥', $lt: '<', $lte: '≤', $in: 'is one of', $nin: 'is none of', $regex: 'matches',
  $contains: 'contains', $startsWith: 'begins with', $endsWith: 'ends with',
};

function describeField(field: string, condition: unknown): string {
  if (!isObject(condition)) return `${field} = ${shown(condition)}`;
  const parts = Object.entries(condition).map(([operator, value]) => {
    if (operator === '$exists') return `${field} is ${value === false ? 'absent' : 'there'}`;
    if (operator === '$not') return `not (${describeField(field, value)})`;
    return `${field} ${OPERATORS[operator] ?? operator} ${shown(value)}`;
  });
  return parts.join(' and ');
}

/* metadata.plan = "pro" and params.max_tokens > 100 */
export function describeQuery(query: unknown): string {
  if (!isObject(query)) return shown(query);
  const parts = Object.entries(query).map(([name, value]) => {
    if (name === '$and' || name === '$or') return `(${itemsOf(value).map(describeQuery).join(name === '$and' ? ' and ' : ' or ')})`;
    if (name === '$not') return `not (${describeQuery(value)})`;
    return describeField(name, value);
  });
  return parts.length > 0 ? parts.join(' and ') : 'always';
}

export interface Choice {
  when: string;
  then: string;
}

export interface TreeNode {
  path: string; // within the document: targets[0].targets[1]
  title: string;
  mode: string | null; // null: a leaf
  how: string; // what the mode does, or whom a leaf calls
  part: string | null; // its weight, share or tier among its siblings
  settings: string[];
  choices: Choice[];
  children: TreeNode[];
}

export const MODES: Record<string, string> = {
  single: 'the first target',
  fallback: 'in order, the next when one fails',
  weighted: 'at random by weight; another when one fails',
  loadbalance: 'at random by weight',
  round_robin: 'in turns, by weight',
  least_latency: 'the one whose first token comes soonest',
  least_busy: 'the one with the fewest requests in flight',
  least_cost: 'the cheapest for this request',
  consistent_hash: 'always the same for the same caller or fields',
  sticky: 'always the same for the same caller or fields',
  priority: 'the first tier that is well; by weight within it',
  split: 'in fixed shares, recorded as an experiment',
  percentage: 'in fixed shares, recorded as an experiment',
  conditional: 'by the first condition that holds',
  mirror: 'the first answers, the others get a copy',
  hedge: 'the first; the second too when it is slow',
};

const NEEDS_PART: Record<string, string> = { priority: 'priority', split: 'share', percentage: 'share' };
const WEIGHED = new Set(['weighted', 'loadbalance', 'round_robin', 'least_busy', 'consistent_hash', 'sticky', 'priority']);

function partOf(mode: string | null, node: Json): string | null {
  if (mode === null) return null;
  const parts: string[] = [];
  const special = NEEDS_PART[mode];
  if (special === 'share' && node.share !== undefined) parts.push(`${shown(node.share)} %`);
  if (special === 'priority') parts.push(`tier ${shown(node.priority ?? 0)}`);
  if (WEIGHED.has(mode) && (node.weight !== undefined || mode !== 'priority')) parts.push(`weight ${shown(node.weight ?? 1)}`);
  return parts.length > 0 ? parts.join(', ') : null;
}

const ms = (value: unknown): string => (typeof value === 'number' && value >= 1000 ? `${value / 1000} s` : `${shown(value)} ms`);

function describeCache(cache: unknown): string {
  if (!isObject(cache)) return `cache ${shown(cache)}`;
  return [`cache ${textOf(cache.mode) ?? ''}`.trim(), cache.max_age !== undefined ? `for ${shown(cache.max_age)} s` : null, textOf(cache.namespace) && `in “${String(cache.namespace)}”`].filter(Boolean).join(' ');
}

function describeRetry(retry: unknown): string {
  if (!isObject(retry)) return `retry ${shown(retry)}`;
  const codes = itemsOf(retry.on_status_codes);
  return [`retry ${shown(retry.attempts ?? 0)}×`, codes.length > 0 ? `on ${codes.join(', ')}` : null, retry.use_retry_after_header === true ? 'after Retry-After' : null].filter(Boolean).join(' ');
}

function describeBreaker(breaker: unknown): string {
  if (breaker === false) return 'no circuit breaker';
  if (!isObject(breaker)) return 'circuit breaker';
  const when = [breaker.threshold !== undefined ? `${shown(breaker.threshold)} failures` : null, breaker.percent !== undefined ? `${shown(breaker.percent)} %` : null].filter(Boolean).join(' or ');
  return `circuit breaker${when ? ` at ${when}` : ''}${breaker.cooldown_ms !== undefined ? `, cools ${ms(breaker.cooldown_ms)}` : ''}`;
}

function settingsOf(node: Json): string[] {
  const result: string[] = [];
  const strategy = isObject(node.strategy) ? node.strategy : {};
  if (itemsOf(strategy.on_status_codes).length > 0) result.push(`goes on at ${itemsOf(strategy.on_status_codes).join(', ')}`);
  if (strategy.on !== undefined) result.push(`goes on at ${itemsOf(strategy.on).join(', ') || shown(strategy.on)}`);
  if (strategy.failover !== undefined) result.push(strategy.failover === false ? 'no failover' : `failover${typeof strategy.failover === 'number' ? ` to ${strategy.failover} more` : ''}`);
  if (itemsOf(strategy.hash_fields).length > 0) result.push(`by ${itemsOf(strategy.hash_fields).join(', ')}`);
  if (strategy.by !== undefined) result.push(`by ${itemsOf(strategy.by).join(', ') || shown(strategy.by)}`);
  if (strategy.after_ms !== undefined) result.push(`second after ${ms(strategy.after_ms)}`);
  if (strategy.sample !== undefined) result.push(`copies ${shown(strategy.sample)} %`);
  if (isObject(strategy.sticky) && strategy.sticky.enabled !== false) result.push('sticky');
  if (strategy.timezone !== undefined) result.push(`time zone ${textOf(strategy.timezone) ?? ''}`);
  if (node.retry !== undefined) result.push(describeRetry(node.retry));
  if (node.cache !== undefined) result.push(describeCache(node.cache));
  if (node.request_timeout !== undefined) result.push(`timeout ${ms(node.request_timeout)}`);
  const breaker = node.circuit_breaker ?? strategy.cb_config;
  if (breaker !== undefined) result.push(describeBreaker(breaker));
  for (const [name, words] of [['override_params', 'forces'], ['default_params', 'puts in']] as const) {
    const params = node[name];
    if (isObject(params) && Object.keys(params).length > 0) result.push(`${words} ${Object.entries(params).map(([key, value]) => `${key} = ${short(value)}`).join(', ')}`);
  }
  if (itemsOf(node.drop_params).length > 0) result.push(`drops ${itemsOf(node.drop_params).join(', ')}`);
  if (itemsOf(node.forward_headers).length > 0) result.push(`forwards ${itemsOf(node.forward_headers).join(', ')}`);
  if (node.passthrough === true) result.push('passed through');
  if (textOf(node.endpoint)) result.push(`speaks ${String(node.endpoint)}`);
  if (textOf(node.custom_host)) result.push(`at ${String(node.custom_host)}`);
  return result;
}

function short(value: unknown): string {
  const text = shown(value);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

function callOf(node: Json): string {
  const provider = textOf(node.provider) ?? (textOf(node.virtual_key) && `@${String(node.virtual_key)}`);
  const forced = isObject(node.override_params) ? textOf(node.override_params.model) : null;
  const model = textOf(node.model) ?? forced;
  if (provider) return model ? `${provider} · ${model}` : `${provider} · the model that is asked for`;
  return model ? `model ${model}` : 'the model that is asked for';
}

function choicesOf(strategy: Json): Choice[] {
  const choices = itemsOf(strategy.conditions).filter(isObject).map((condition) => ({ when: describeQuery(condition.query ?? {}), then: textOf(condition.then) ?? '?' }));
  if (choices.length > 0 || strategy.default !== undefined) choices.push({ when: '', then: textOf(strategy.default) ?? '' });
  return choices;
}

const DEEPEST = 16;

function nodeOf(node: Json, path: string, index: number | null, parentMode: string | null, depth: number): TreeNode {
  const targets = depth < DEEPEST ? itemsOf(node.targets).filter(isObject) : [];
  const strategy = isObject(node.strategy) ? node.strategy : {};
  const mode = targets.length > 0 || isObject(node.strategy) ? (textOf(strategy.mode) ?? 'single') : null;
  return {
    path,
    title: textOf(node.name) ?? (index === null ? 'Every request' : `Target ${index + 1}`),
    mode,
    how: mode === null ? callOf(node) : (MODES[mode] ?? ''),
    part: partOf(parentMode, node),
    settings: settingsOf(node),
    choices: mode === 'conditional' ? choicesOf(strategy) : [],
    children: targets.map((target) => {
      const at = itemsOf(node.targets).indexOf(target);
      return nodeOf(target, `${path ? `${path}.` : ''}targets[${at}]`, at, mode, depth + 1);
    }),
  };
}

/* Null: it is no object. */
export function treeOf(document: unknown): TreeNode | null {
  return isObject(document) ? nodeOf(document, '', null, null, 1) : null;
}
