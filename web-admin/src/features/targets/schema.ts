import { boolean, list, nullable, number, object, optional, text, type Parsed } from '../../api/parse';

const parseTarget = object({
  provider_id: text,
  provider: text,
  model: text,
  credential: number,
  state: text,
  reopens_in_ms: optional(number, 0),
  latency_ms: optional(number, 0),
  p95_ms: optional(number, 0),
  in_flight: optional(number, 0),
  requests: optional(number, 0),
  failures: optional(number, 0),
  requests_left: nullable(number),
  tokens_left: nullable(number),
  limits_reset_in_ms: nullable(number),
  last_used_ms_ago: optional(number, 0),
  total_requests: optional(number, 0),
  total_failures: optional(number, 0),
  total_retries_refused: optional(number, 0),
});

export const parseTargets = object({
  data_planes: list(
    object({
      id: text,
      name: nullable(text),
      targets: list(parseTarget),
      truncated: optional(boolean, false),
      error: nullable(text),
    }),
  ),
});

export const parsePurge = object({ data_planes: number, unreachable: optional(number, 0), entries: number });

export type PlaneTargets = Parsed<typeof parseTargets>['data_planes'][number];
export type Target = PlaneTargets['targets'][number] & { plane: string };

export interface Narrowed {
  q?: string;
  state?: string;
}

/* Of all planes; what is not well first. */
export function targetsOf(planes: PlaneTargets[], { q, state }: Narrowed = {}): Target[] {
  const rank = (target: Target) => ['open', 'half_open', 'closed'].indexOf(target.state);
  const words = (q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return planes
    .flatMap(({ id, name, targets }) => targets.map((target) => ({ ...target, plane: name ?? id })))
    .filter((target) => !state || target.state === state)
    .filter((target) => words.every((word) => `${target.plane} ${target.provider} ${target.model}`.toLowerCase().includes(word)))
    .sort((a, b) => rank(a) - rank(b) || a.provider.localeCompare(b.provider) || a.model.localeCompare(b.model) || a.plane.localeCompare(b.plane) || a.credential - b.credential);
}
