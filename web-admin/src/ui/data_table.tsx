/* Rows of a resource: sortable where a column says so, skeleton rows while they load, cards instead of columns on a
 * narrow screen. */
import { Skeleton, UnstyledButton } from '@mantine/core';
import { createSortedRowModel, rowSortingFeature, sortFns, tableFeatures, useTable } from '@tanstack/react-table';
import { useMemo, type ReactNode } from 'react';
import { SortDownIcon, SortIcon, SortUpIcon } from './icons';
import classes from './ui.module.css';

export interface Column<T> {
  id: string;
  header: string;
  cell: (row: T) => ReactNode;
  sortBy?: (row: T) => string | number;
  align?: 'right';
  main?: boolean; // heads the card on a narrow screen
  hideHeader?: boolean; // read out only
}

interface DataTableProps<T> {
  label: string;
  columns: Column<T>[]; // stable: made outside of render, or memoised
  rows: T[] | undefined; // undefined: loading
  rowId: (row: T) => string;
  isNew?: (row: T) => boolean;
  skeletonRows?: number;
}

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel(), sortFns });
const NO_ROWS: never[] = [];

export function DataTable<T extends object>({ label, columns, rows, rowId, isNew, skeletonRows = 4 }: DataTableProps<T>) {
  const definitions = useMemo(
    () =>
      columns.map((column) => ({
        id: column.id,
        accessorFn: column.sortBy ?? (() => ''),
        enableSorting: column.sortBy !== undefined,
        header: column.header,
      })),
    [columns],
  );
  const table = useTable({ features, columns: definitions, data: rows ?? (NO_ROWS as T[]), getRowId: rowId });
  const byId = useMemo(() => new Map(columns.map((column) => [column.id, column])), [columns]);

  return (
    <div className={classes.tableFrame}>
      <table className={classes.table} aria-label={label} aria-busy={rows === undefined}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const column = byId.get(header.column.id)!;
                const sorted = header.column.getIsSorted();
                const Arrow = sorted === 'asc' ? SortUpIcon : sorted === 'desc' ? SortDownIcon : SortIcon;
                return (
                  <th
                    key={header.id}
                    scope="col"
                    data-align={column.align}
                    aria-sort={sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : undefined}
                  >
                    {column.sortBy ? (
                      <UnstyledButton className={classes.sort} data-sorted={sorted || undefined} onClick={header.column.getToggleSortingHandler()}>
                        {column.header}
                        <Arrow size={13} />
                      </UnstyledButton>
                    ) : (
                      <span className={column.hideHeader ? classes.readOut : undefined}>{column.header}</span>
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {rows === undefined
            ? Array.from({ length: skeletonRows }, (_, i) => (
                <tr key={i}>
                  {columns.map((column) => (
                    <td key={column.id} data-main={column.main}>
                      <Skeleton height={12} my={4} width={column.main ? '70%' : '55%'} />
                    </td>
                  ))}
                </tr>
              ))
            : table.getRowModel().rows.map((row) => (
                <tr key={row.id} data-new={isNew?.(row.original) || undefined}>
                  {columns.map((column) => (
                    <td key={column.id} data-label={column.hideHeader ? undefined : column.header} data-align={column.align} data-main={column.main}>
                      {column.cell(row.original)}
                    </td>
                  ))}
                </tr>
              ))}
        </tbody>
      </table>
    </div>
  );
}
