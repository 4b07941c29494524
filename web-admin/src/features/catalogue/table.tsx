import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { DataTable, type Column } from '../../ui/data_table';
import { StateMark } from '../../ui/state_mark';
import { Mono, Muted, Tags } from '../../ui/values';
import classes from './catalogue.module.css';
import { perMillion } from './money';
import type { Entry } from './schema';
import { texts } from './texts';

function Price({ entry, unit }: { entry: Entry; unit: string }) {
  const price = entry.price?.[unit];
  if (price === undefined) return <Muted>{entry.price || unit !== 'token_in' ? '–' : texts.unpriced}</Muted>;
  const base = perMillion(typeof price === 'number' ? price : price.price);
  return typeof price === 'number' || price.tiers.length === 0 ? <>{base}</> : <span title={texts.tiers(base)}>{base}+</span>;
}

const sortPrice = (unit: string) => (entry: Entry) => {
  const price = entry.price?.[unit];
  return price === undefined ? -1 : typeof price === 'number' ? price : price.price;
};

function Name({ entry }: { entry: Entry }) {
  return (
    <span className={classes.name}>
      <Mono title={entry.title}>{entry.model}</Mono>
      {entry.override_id && <StateMark tone="good">{texts.override}</StateMark>}
      {entry.deprecated && (
        <StateMark tone="warn" title={entry.deprecated_on ?? undefined}>
          {texts.deprecated}
        </StateMark>
      )}
    </span>
  );
}

function columnsFor(onEdit: ((entry: Entry) => void) | null): Column<Entry>[] {
  const money = (id: string, header: string, unit: string): Column<Entry> => ({ id, header, align: 'right', cell: (entry) => <Price entry={entry} unit={unit} />, sortBy: sortPrice(unit) });
  const columns: Column<Entry>[] = [
    { id: 'model', header: texts.columns.model, cell: (entry) => <Name entry={entry} />, sortBy: (entry) => entry.model.toLowerCase(), main: true },
    { id: 'provider', header: texts.columns.provider, cell: (entry) => entry.provider, sortBy: (entry) => entry.provider },
    money('input', texts.columns.input, 'token_in'),
    money('output', texts.columns.output, 'token_out'),
    money('cached', texts.columns.cached, 'token_cached'),
    { id: 'context', header: texts.columns.context, align: 'right', cell: (entry) => (entry.context ? entry.context.toLocaleString('en') : <Muted>–</Muted>), sortBy: (entry) => entry.context ?? 0 },
    { id: 'capabilities', header: texts.columns.capabilities, cell: (entry) => <Tags values={[...entry.capabilities.filter((word) => word !== 'stream'), ...entry.input.filter((word) => word !== 'text')]} most={4} /> },
  ];
  if (onEdit) {
    columns.push({
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (entry) => (
        <Button size="compact-xs" variant="subtle" aria-label={texts.edit.label(entry.model)} onClick={() => onEdit(entry)}>
          {texts.edit.action}
        </Button>
      ),
    });
  }
  return columns;
}

/* onEdit null: the reader may not. */
export function CatalogueTable({ entries, onEdit }: { entries: Entry[] | undefined; onEdit: ((entry: Entry) => void) | null }) {
  const columns = useMemo(() => columnsFor(onEdit), [onEdit]);
  return <DataTable label={texts.title} columns={columns} rows={entries} rowId={(entry) => entry.id} skeletonRows={8} />;
}
