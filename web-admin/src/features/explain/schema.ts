import { boolean, list, nullable, number, object, optional, ShapeError, text, type Parsed, type Parser } from '../../api/parse';

const anything: Parser<unknown> = (value) => value ?? null;

const values: Parser<Record<string, unknown>> = (value, at) => {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new ShapeError(at, 'an object', value);
  return value as Record<string, unknown>;
};

const parseOption = object({
  target: optional(text, ''),
  name: nullable(text),
  weight: nullable(number),
  share: nullable(number),
  priority: nullable(number),
  health: optional(text, ''),
  limits: nullable(text),
  latency_ms: nullable(number),
  in_flight: nullable(number),
  price_nanousd: nullable(number),
  passed_over: nullable(text),
});

const parseDecision = object({
  node: optional(text, ''),
  mode: optional(text, ''),
  conditions: optional(list(object({ query: anything, holds: boolean, values })), []),
  order: optional(list(parseOption), []),
  chosen: nullable(text),
  assignment: nullable(text),
});

const parseTarget = object({
  option: nullable(text),
  name: nullable(text),
  provider: optional(text, ''),
  model: optional(text, ''),
  endpoint: optional(text, ''),
  translated: optional(boolean, false),
  health: optional(text, ''),
  reopens_in_ms: optional(number, 0),
  saturated: optional(boolean, false),
  latency_ms: optional(number, 0),
  in_flight: optional(number, 0),
  estimated_nanousd: nullable(number),
});

const explanation = object({
  data_plane: object({ id: optional(text, ''), name: nullable(text) }),
  config_version: optional(number, 0),
  request: nullable(object({ endpoint: optional(text, ''), dialect: optional(text, ''), model: nullable(text), stream: optional(boolean, false), prompt_tokens: optional(number, 0) })),
  caller: nullable(object({ name: nullable(text) })),
  config: nullable(object({ source: optional(text, ''), id: nullable(text), name: nullable(text), version: nullable(number) })),
  decisions: optional(list(parseDecision), []),
  targets: optional(list(parseTarget), []),
  impossible: optional(list(object({ option: optional(text, ''), code: optional(text, ''), reason: optional(text, '') })), []),
  cache: nullable(object({ mode: optional(text, ''), key: nullable(text), ttl_s: nullable(number), would_hit: optional(boolean, false) })),
  refused: nullable(object({ status: number, code: text, message: optional(text, ''), param: nullable(text) })),
});

/* The answer in full, too: for whoever wants to see it as it came. */
export const parseExplanation: Parser<Parsed<typeof explanation> & { whole: unknown }> = (value, at) => ({ ...explanation(value, at), whole: value });

export type Explanation = Parsed<typeof parseExplanation>;
export type Decision = Explanation['decisions'][number];
export type Option = Decision['order'][number];
export type ExplainedTarget = Explanation['targets'][number];

/* "name: value" a line; null: which line is none. */
export function headersOf(lines: string): { headers: Record<string, string> } | { line: number } {
  const headers: Record<string, string> = {};
  for (const [i, line] of lines.split('\n').entries()) {
    if (line.trim() === '') continue;
    const found = /^\s*([!#$%&'*+.^_`|~\w-]+)\s*:\s*(.*?)\s*$/.exec(line);
    if (!found) return { line: i + 1 };
    headers[found[1]!.toLowerCase()] = found[2]!;
  }
  return { headers };
}
