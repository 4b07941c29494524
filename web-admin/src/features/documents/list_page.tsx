import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useMemo } from 'react';
import { useMay } from '../../app/permissions';
import { DataTable, type Column } from '../../ui/data_table';
import { PlusIcon } from '../../ui/icons';
import { LinkButton } from '../../ui/link_button';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { Page } from '../../ui/page';
import { StateMark } from '../../ui/state_mark';
import { Day } from '../../ui/time_text';
import { Muted, Tags } from '../../ui/values';
import type { Kind } from './kind';
import { listQuery } from './queries';
import type { Document } from './schema';
import { texts } from './texts';

export const labelTexts = (labels: Record<string, number>): string[] => Object.entries(labels).map(([label, version]) => `${label} → ${version}`);

interface ListProps {
  kind: Kind;
  name: (document: Document) => ReactNode; // a link to it
  extra?: Column<Document>[]; // stable
  actions?: ReactNode;
}

export function DocumentListPage({ kind, name, extra, actions }: ListProps) {
  const may = useMay();
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(listQuery(kind.root));
  const documents = useMemo(() => data?.pages.flatMap((page) => page.data), [data]);
  const columns = useMemo<Column<Document>[]>(
    () => [
      { id: 'name', header: texts.columns.name, cell: name, sortBy: (one) => one.name.toLowerCase(), main: true },
      {
        id: 'published',
        header: texts.columns.published,
        cell: (one) => <StateMark tone={one.published_version > 0 ? 'good' : 'idle'}>{one.published_version > 0 ? texts.version(one.published_version) : texts.notPublished}</StateMark>,
        sortBy: (one) => one.published_version,
      },
      { id: 'newest', header: texts.columns.newest, cell: (one) => texts.version(one.latest_version), sortBy: (one) => one.latest_version },
      { id: 'labels', header: texts.columns.labels, cell: (one) => (Object.keys(one.labels).length > 0 ? <Tags values={labelTexts(one.labels)} /> : <Muted>{texts.none}</Muted>) },
      ...(extra ?? []),
      { id: 'updated', header: texts.columns.updated, cell: (one) => <Day at={one.updated_at} />, sortBy: (one) => one.updated_at.getTime() },
    ],
    [name, extra],
  );
  const button = may(kind.write) && (
    <LinkButton to={`${kind.root}/new`} leftSection={<PlusIcon size={16} />}>
      {kind.texts.create}
    </LinkButton>
  );
  return (
    <Page title={kind.texts.title} lead={kind.texts.lead} actions={<>{actions}{button}</>}>
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {documents?.length === 0 ? (
        <EmptyState icon={kind.icon} title={kind.texts.empty.title} action={button}>
          {kind.texts.empty.text}
        </EmptyState>
      ) : (
        (documents || !error) && <DataTable label={kind.texts.title} columns={columns} rows={documents} rowId={(one) => one.id} />
      )}
      {hasNextPage && (
        <div>
          <Button size="compact-sm" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {texts.more}
          </Button>
        </div>
      )}
    </Page>
  );
}
