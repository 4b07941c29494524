import { DataTable, type Column } from '../../ui/data_table';
import { StateMark, type Tone } from '../../ui/state_mark';
import { ago } from '../../ui/time_text';
import { Mono, Muted } from '../../ui/values';
import type { Target } from './schema';
import { texts } from './texts';

const TONES: Record<string, Tone> = { closed: 'good', half_open: 'warn', open: 'bad' };
const counts = new Intl.NumberFormat();
const seconds = (ms: number) => Math.ceil(ms / 1000);

function State({ target }: { target: Target }) {
  return (
    <span>
      <StateMark tone={TONES[target.state] ?? 'idle'} title={texts.stateHelp[target.state]}>
        {texts.states[target.state] ?? target.state}
      </StateMark>{' '}
      {target.state === 'open' && target.reopens_in_ms > 0 && <Muted>{texts.reopens(seconds(target.reopens_in_ms))}</Muted>}
    </span>
  );
}

function limitsOf(target: Target): string {
  return [
    target.requests_left !== null && texts.requestsLeft(counts.format(target.requests_left)),
    target.tokens_left !== null && texts.tokensLeft(counts.format(target.tokens_left)),
    target.limits_reset_in_ms !== null && texts.reset(seconds(target.limits_reset_in_ms)),
  ].filter(Boolean).join(' · ');
}

const failing = (target: Target) => (target.requests > 0 ? target.failures / target.requests : 0);

const COLUMNS: Column<Target>[] = [
  { id: 'provider', header: texts.columns.provider, cell: (target) => target.provider, sortBy: (target) => target.provider.toLowerCase(), main: true },
  { id: 'model', header: texts.columns.model, cell: (target) => (target.model ? <Mono>{target.model}</Mono> : <Muted>{texts.whole}</Muted>), sortBy: (target) => target.model },
  { id: 'key', header: texts.columns.key, cell: (target) => String(target.credential), sortBy: (target) => target.credential },
  { id: 'state', header: texts.columns.state, cell: (target) => <State target={target} />, sortBy: (target) => target.state },
  { id: 'latency', header: texts.columns.latency, align: 'right', cell: (target) => (target.latency_ms > 0 || target.p95_ms > 0 ? texts.latency(target.latency_ms, target.p95_ms) : <Muted>{texts.none}</Muted>), sortBy: (target) => target.latency_ms },
  { id: 'inFlight', header: texts.columns.inFlight, align: 'right', cell: (target) => counts.format(target.in_flight), sortBy: (target) => target.in_flight },
  {
    id: 'minute',
    header: texts.columns.minute,
    align: 'right',
    cell: (target) => <span title={texts.totals(target.total_requests, target.total_failures, target.total_retries_refused)}>{texts.minute(target.requests, target.failures)}</span>,
    sortBy: failing,
  },
  { id: 'limits', header: texts.columns.limits, cell: (target) => limitsOf(target) || <Muted>{texts.none}</Muted>, sortBy: (target) => target.requests_left ?? Infinity },
  { id: 'used', header: texts.columns.used, cell: (target) => (target.total_requests > 0 ? ago(new Date(Date.now() - target.last_used_ms_ago)) : <Muted>{texts.none}</Muted>), sortBy: (target) => target.last_used_ms_ago },
  { id: 'plane', header: texts.columns.plane, cell: (target) => target.plane, sortBy: (target) => target.plane },
];

export function TargetsTable({ targets }: { targets: Target[] | undefined }) {
  return <DataTable label={texts.title} columns={COLUMNS} rows={targets} rowId={(target) => `${target.plane}/${target.provider_id}/${target.model}/${target.credential}`} />;
}
