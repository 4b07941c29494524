/* The page of a resource: its list with what may go wrong, an empty state, and more pages of it. */
import { Button } from '@mantine/core';
import { useInfiniteQuery, useQuery, type UseInfiniteQueryResult, type UseQueryOptions } from '@tanstack/react-query';
import { useMemo, type ReactNode } from 'react';
import { DataTable, type Column } from './data_table';
import { PlusIcon, type Icon } from './icons';
import { EmptyState, ErrorNotice } from './notices';
import { Page } from './page';

type Pages<T> = { pages: { data: T[] }[] };

/* Rows of all pages that have come; undefined: none has. */
export function useRows<T>(query: unknown) {
  // the options' own types hold the page's key, which nobody needs here
  const list = useInfiniteQuery(query as Parameters<typeof useInfiniteQuery>[0]) as unknown as UseInfiniteQueryResult<Pages<T>>;
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.data), [list.data]);
  return { ...list, rows };
}

export type Rows<T> = ReturnType<typeof useRows<T>>;

/* The one with the id: of the list where it stands there, else asked for. */
export function useRow<T extends { id: string }>(rows: T[] | undefined, id: string | undefined, query: (id: string) => unknown): T | null {
  const listed = rows?.find((row) => row.id === id);
  const { data } = useQuery({ ...(query(id ?? '') as UseQueryOptions<T>), enabled: id !== undefined && rows !== undefined && !listed });
  return id === undefined ? null : (listed ?? data ?? null);
}

interface ListProps<T> {
  list: Rows<T>;
  label: string;
  columns: Column<T>[];
  rowId?: (row: T) => string;
  empty: { icon: Icon; title: string; text: string };
  action?: ReactNode;
}

const idOf = (row: unknown) => (row as { id: string }).id;

export function RowList<T extends object>({ list, label, columns, rowId = idOf, empty, action }: ListProps<T>) {
  const { rows, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = list;
  return (
    <>
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {rows?.length === 0 ? (
        <EmptyState icon={empty.icon} title={empty.title} action={action}>
          {empty.text}
        </EmptyState>
      ) : (
        (rows || !error) && <DataTable label={label} columns={columns} rows={rows} rowId={rowId} />
      )}
      {hasNextPage && (
        <div>
          <Button size="compact-sm" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Load more
          </Button>
        </div>
      )}
    </>
  );
}

interface ListPageProps<T> extends Omit<ListProps<T>, 'label' | 'action'> {
  title: string;
  lead: string;
  create?: { label: string; onClick: () => void } | null; // null: the reader may not
  actions?: ReactNode;
  filters?: ReactNode;
  children?: ReactNode; // dialogs
}

export function ListPage<T extends object>({ title, lead, create, actions, filters, children, ...list }: ListPageProps<T>) {
  const button = create && (
    <Button leftSection={<PlusIcon size={16} />} onClick={create.onClick}>
      {create.label}
    </Button>
  );
  return (
    <Page title={title} lead={lead} actions={actions || button ? <>{actions}{button}</> : undefined}>
      {filters}
      <RowList label={title} action={button} {...list} />
      {children}
    </Page>
  );
}
