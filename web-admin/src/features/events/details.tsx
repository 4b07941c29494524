/* One request: which way it went, who was called why, what it cost and what the cache saved. */
import { Modal, Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useMay } from '../../app/permissions';
import { DataTable, type Column } from '../../ui/data_table';
import { TextLink } from '../../ui/link_button';
import { ErrorNotice } from '../../ui/notices';
import { Section } from '../../ui/page';
import { StateMark } from '../../ui/state_mark';
import { formatDuration, Moment } from '../../ui/time_text';
import { Mono, Muted } from '../../ui/values';
import { documentQuery, type Root } from '../documents/queries';
import { usd } from '../explain/money';
import classes from './events.module.css';
import { eventQuery } from './queries';
import type { UsageEvent } from './schema';
import { toneOfStatus } from './table';
import { texts } from './texts';

const say = texts.details;
type Attempt = UsageEvent['attempts'][number] & { number: number };

const ATTEMPTS: Column<Attempt>[] = [
  { id: 'attempt', header: say.columns.attempt, cell: (attempt) => String(attempt.number) },
  { id: 'kind', header: say.columns.kind, cell: (attempt) => say.kinds[attempt.kind] ?? attempt.kind },
  { id: 'call', header: say.columns.call, main: true, cell: (attempt) => `${attempt.provider}${attempt.model ? ` · ${attempt.model}` : ''}` },
  { id: 'key', header: say.columns.key, cell: (attempt) => String(attempt.credential) },
  { id: 'option', header: say.columns.option, cell: (attempt) => (attempt.option ? <Mono>{attempt.option}</Mono> : <Muted>{texts.none}</Muted>) },
  {
    id: 'status',
    header: say.columns.status,
    cell: (attempt) => (
      <span>
        <StateMark tone={toneOfStatus(attempt.status)}>{String(attempt.status)}</StateMark> {attempt.error_code && <Muted>{attempt.error_code}</Muted>}
      </span>
    ),
  },
  { id: 'duration', header: say.columns.duration, align: 'right', cell: (attempt) => formatDuration(attempt.duration_us) },
  { id: 'cost', header: say.columns.cost, align: 'right', cell: (attempt) => usd(attempt.cost_nanousd) },
];

/* By its name, where it is still there. */
function Reference({ root, id, version }: { root: Root; id: string; version: number }) {
  const readable = useMay()(root === '/configs' ? 'config.read' : 'prompt.read');
  const { data } = useQuery({ ...documentQuery(root, id), enabled: readable });
  if (!readable) return <Mono>{id}</Mono>;
  return (
    <TextLink to={root === '/configs' ? '/configs/$id' : '/prompts/$id'} params={{ id }} search={version > 0 ? { version } : {}}>
      {data && `${data.name}, `}
      {say.version(version)}
    </TextLink>
  );
}

function rowsOf(event: UsageEvent): [string, ReactNode][] {
  const rows: [string, ReactNode][] = [
    [say.rows.id, <Mono key="id">{event.id}</Mono>],
    [say.rows.endpoint, event.endpoint],
    [say.rows.key, event.key_name],
    [say.rows.model, event.model],
    [say.rows.outcome, <span key="outcome"><StateMark tone={toneOfStatus(event.status)}>{String(event.status)}</StateMark> {texts.outcome[event.outcome] ?? event.outcome}</span>],
    [say.rows.error, event.error_code],
    [say.rows.duration, formatDuration(event.duration_us)],
    [say.rows.firstByte, event.first_byte_us === null ? null : formatDuration(event.first_byte_us)],
    [say.rows.cost, usd(event.cost_nanousd)],
    [say.rows.cache, event.cache_status && (say.cache[event.cache_status] ?? event.cache_status)],
    [say.rows.saved, event.saved_nanousd > 0 || event.saved_us > 0 ? `${usd(event.saved_nanousd)}, ${formatDuration(event.saved_us)}` : null],
    [say.rows.config, event.config_id && <Reference key="config" root="/configs" id={event.config_id} version={event.config_version_number} />],
    [say.rows.assignment, event.assignment],
    [say.rows.prompt, event.prompt_id && <Reference key="prompt" root="/prompts" id={event.prompt_id} version={event.prompt_version} />],
    [say.rows.mirrorOf, event.mirror_of && <Mono key="mirror">{event.mirror_of}</Mono>],
  ];
  return rows.filter(([, value]) => value !== null && value !== '');
}

function Details({ event }: { event: UsageEvent }) {
  const attempts = event.attempts.map((attempt, i) => ({ ...attempt, number: i + 1 }));
  return (
    <div className={classes.details}>
      <Moment at={event.started_at} />
      <dl className={classes.facts}>
        {rowsOf(event).map(([term, value]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Section title={say.attempts}>{attempts.length === 0 ? <Muted>{say.noAttempts}</Muted> : <DataTable label={say.attempts} columns={ATTEMPTS} rows={attempts} rowId={(attempt) => String(attempt.number)} />}</Section>
    </div>
  );
}

export function EventDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const { data, error, refetch } = useQuery(eventQuery(id));
  return (
    <Modal opened onClose={onClose} title={say.title} size="62rem">
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {data ? <Details event={data} /> : !error && <Skeleton height={240} />}
    </Modal>
  );
}
