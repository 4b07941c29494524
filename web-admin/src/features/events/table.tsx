import { useRef } from 'react';
import { DataTable, type Column } from '../../ui/data_table';
import { TextLink } from '../../ui/link_button';
import { StateMark, type Tone } from '../../ui/state_mark';
import { formatDuration, Moment } from '../../ui/time_text';
import { Mono, Muted } from '../../ui/values';
import type { UsageEvent } from './schema';
import { texts } from './texts';

export function toneOfStatus(status: number): Tone {
  if (status >= 200 && status < 400) return 'good';
  if (status === 499) return 'idle';
  return status >= 500 || status === 0 ? 'bad' : 'warn';
}

const counts = new Intl.NumberFormat();

/* Tokens of a request: all its attempts were billed, so all count. Null: nobody counted any. */
export function tokensOf(event: UsageEvent, unit: 'token_in' | 'token_out'): { sum: number; source: string } | null {
  const lines = event.attempts.flatMap((attempt) => attempt.quantities).filter((line) => line.unit === unit);
  if (lines.length === 0) return null;
  const weakest = ['bound', 'estimated', 'provider'].find((source) => lines.some((line) => line.source === source));
  return { sum: lines.reduce((sum, line) => sum + line.quantity, 0), source: weakest ?? 'provider' };
}

function Tokens({ event, unit }: { event: UsageEvent; unit: 'token_in' | 'token_out' }) {
  const tokens = tokensOf(event, unit);
  if (!tokens) return <Muted>{texts.none}</Muted>;
  if (tokens.source === 'provider') return counts.format(tokens.sum);
  return <span title={tokens.source === 'bound' ? texts.bound : texts.estimated}>{`${tokens.source === 'bound' ? '≤' : '~'} ${counts.format(tokens.sum)}`}</span>;
}

function Provider({ event }: { event: UsageEvent }) {
  const last = event.attempts.at(-1);
  if (!last?.provider) return <Muted>{texts.none}</Muted>;
  return (
    <span title={last.model ? `${last.provider}: ${last.model}` : undefined}>
      {last.provider} {event.attempts.length > 1 && <Muted>{`(${texts.attempts(event.attempts.length)})`}</Muted>}
    </span>
  );
}

/* From the cache, or a copy that a mirror sent. */
function How({ event }: { event: UsageEvent }) {
  const word = event.cache_status === 'hit' ? texts.cached : event.cache_status === 'coalesced' ? texts.shared : event.mirror_of ? texts.copy : null;
  return word ? <Muted title={event.mirror_of ? texts.copyHelp : undefined}>{word}</Muted> : null;
}

const COLUMNS: Column<UsageEvent>[] = [
  {
    id: 'time',
    header: texts.columns.time,
    cell: (event) => (
      <TextLink to="/" search={{ event: event.id }} size="xs" resetScroll={false}>
        <Moment at={event.started_at} />
      </TextLink>
    ),
  },
  { id: 'key', header: texts.columns.key, cell: (event) => event.key_name ?? <Muted>{texts.none}</Muted> },
  { id: 'model', header: texts.columns.model, cell: (event) => (event.model ? <Mono title={event.stream ? texts.streamed : undefined}>{event.model}</Mono> : <Muted>{texts.none}</Muted>), main: true },
  { id: 'provider', header: texts.columns.provider, cell: (event) => <Provider event={event} /> },
  { id: 'status', header: texts.columns.status, cell: (event) => <StateMark tone={toneOfStatus(event.status)}>{String(event.status)}</StateMark> },
  {
    id: 'outcome',
    header: texts.columns.outcome,
    cell: (event) => (
      <span title={event.error_code || undefined}>
        {texts.outcome[event.outcome] ?? event.outcome} <How event={event} />
      </span>
    ),
  },
  { id: 'in', header: texts.columns.tokensIn, align: 'right', cell: (event) => <Tokens event={event} unit="token_in" /> },
  { id: 'out', header: texts.columns.tokensOut, align: 'right', cell: (event) => <Tokens event={event} unit="token_out" /> },
  { id: 'duration', header: texts.columns.duration, align: 'right', cell: (event) => formatDuration(event.duration_us) },
];

/* Requests, newest first. Those that came since the table was first shown are lit for a moment. */
export function EventsTable({ events }: { events: UsageEvent[] | undefined }) {
  const atFirst = useRef<Set<string> | null>(null);
  if (events && !atFirst.current) atFirst.current = new Set(events.map((event) => event.id));
  const isNew = (event: UsageEvent) => atFirst.current !== null && !atFirst.current.has(event.id);
  return <DataTable label={texts.title} columns={COLUMNS} rows={events} rowId={(event) => event.id} isNew={isNew} skeletonRows={6} />;
}
