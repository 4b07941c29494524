import { useQuery } from '@tanstack/react-query';
import { DataTable, type Column } from '../../ui/data_table';
import { LockIcon } from '../../ui/icons';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { Page } from '../../ui/page';
import { StateMark } from '../../ui/state_mark';
import { Moment } from '../../ui/time_text';
import { Mono, Muted } from '../../ui/values';
import { referencesQuery } from './queries';
import type { Reference } from './schema';
import { texts } from './texts';

function Status({ reference: { resolves, stale } }: { reference: Reference }) {
  return <StateMark tone={resolves ? (stale ? 'warn' : 'good') : 'bad'}>{resolves ? (stale ? texts.stale : texts.ok) : texts.bad}</StateMark>;
}

const COLUMNS: Column<Reference>[] = [
  { id: 'name', header: texts.columns.name, cell: ({ name }) => name, sortBy: ({ name }) => name, main: true },
  { id: 'reference', header: texts.columns.reference, cell: ({ name }) => <Mono>{`ref:${name}`}</Mono> },
  { id: 'source', header: texts.columns.source, cell: ({ source }) => texts.sources[source] ?? source },
  { id: 'status', header: texts.columns.status, cell: (reference) => <Status reference={reference} />, sortBy: ({ resolves }) => Number(resolves) },
  { id: 'read', header: texts.columns.read, cell: ({ read_at }) => (read_at ? <Moment at={read_at} /> : <Muted>{texts.never}</Muted>) },
];

export function SecretReferencesPage() {
  const { data, error, refetch } = useQuery(referencesQuery);
  return (
    <Page title={texts.title} lead={texts.lead}>
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {data?.length === 0 ? (
        <EmptyState icon={LockIcon} title={texts.empty.title}>
          {texts.empty.text}
        </EmptyState>
      ) : (
        (data || !error) && <DataTable label={texts.title} columns={COLUMNS} rows={data} rowId={({ name }) => name} />
      )}
    </Page>
  );
}
