import { NativeSelect, Skeleton, TextInput } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useMay } from '../../app/permissions';
import { percentOf, usdOfNano } from '../../ui/amount';
import { DataTable, type Column } from '../../ui/data_table';
import { useDialogs } from '../../ui/dialog_search';
import { ChartIcon } from '../../ui/icons';
import { Meter } from '../../ui/meter';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { Page } from '../../ui/page';
import ui from '../../ui/ui.module.css';
import { Muted } from '../../ui/values';
import { keysQuery } from '../keys/queries';
import { usageQuery } from './queries';
import { GROUPINGS, spanOf, type Group, type Usage } from './schema';
import { texts } from './texts';

function columnsFor(by: string, { total }: Usage, names: Map<string, string>): Column<Group>[] {
  const nameOf = ({ group }: Group) => (group ? (names.get(group) ?? group) : texts.none);
  const share = ({ cost_nanousd }: Group) => percentOf(String(cost_nanousd), String(total.cost_nanousd));
  return [
    { id: 'group', header: texts.groupings[by] ?? by, cell: nameOf, sortBy: nameOf, main: true },
    { id: 'share', header: texts.columns.share, cell: (group) => <Meter label={`${share(group)} %`} spent={share(group)} /> },
    { id: 'requests', header: texts.columns.requests, cell: ({ requests }) => requests.toLocaleString('en'), sortBy: ({ requests }) => requests, align: 'right' },
    { id: 'hits', header: texts.columns.hits, cell: ({ cache_hits }) => cache_hits.toLocaleString('en'), sortBy: ({ cache_hits }) => cache_hits, align: 'right' },
    { id: 'saved', header: texts.columns.saved, cell: ({ saved_nanousd }) => usdOfNano(saved_nanousd), sortBy: ({ saved_nanousd }) => saved_nanousd, align: 'right' },
    { id: 'cost', header: texts.columns.cost, cell: ({ cost_nanousd }) => usdOfNano(cost_nanousd), sortBy: ({ cost_nanousd }) => cost_nanousd, align: 'right' },
  ];
}

function Sums({ by, usage }: { by: string; usage: Usage }) {
  const may = useMay();
  const { data: keys } = useInfiniteQuery({ ...keysQuery, enabled: by === 'key_id' && may('key.read') });
  const columns = useMemo(() => columnsFor(by, usage, new Map(keys?.pages.flatMap((page) => page.data.map(({ id, name }) => [id, name] as const)))), [by, usage, keys]);
  if (usage.total.requests === 0) {
    return (
      <EmptyState icon={ChartIcon} title={texts.empty.title}>
        {texts.empty.text}
      </EmptyState>
    );
  }
  return (
    <>
      <dl className={ui.facts} aria-label={texts.total}>
        <dt>{texts.total}</dt>
        <dd>
          <strong>{usdOfNano(usage.total.cost_nanousd)}</strong> <Muted>{texts.summary(usage.total.requests, usage.total.cache_hits)}</Muted>
          {usage.total.saved_nanousd > 0 && <Muted>{`, ${texts.saved(usdOfNano(usage.total.saved_nanousd))}`}</Muted>}
        </dd>
      </dl>
      <DataTable label={texts.title} columns={columns} rows={usage.groups} rowId={({ group }) => group ?? ''} />
    </>
  );
}

export function UsagePage() {
  const [search, show] = useDialogs<'by' | 'from' | 'to'>();
  const by = GROUPINGS.find((one) => one === search.by) ?? 'day';
  const { data, error, refetch } = useQuery(usageQuery(by, spanOf(search.from, search.to), `${search.from ?? ''}…${search.to ?? ''}`));
  const set = (name: 'by' | 'from' | 'to') => (event: { currentTarget: { value: string } }) => show({ ...search, [name]: event.currentTarget.value || undefined });
  return (
    <Page title={texts.title} lead={texts.lead}>
      <div className={ui.filters}>
        <NativeSelect label={texts.by} value={by} onChange={set('by')} data={GROUPINGS.map((value) => ({ value, label: texts.groupings[value]! }))} />
        <TextInput label={texts.from} type="date" value={search.from ?? ''} onChange={set('from')} />
        <TextInput label={texts.to} type="date" value={search.to ?? ''} onChange={set('to')} />
      </div>
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {data ? <Sums by={by} usage={data} /> : !error && <Skeleton height={200} />}
    </Page>
  );
}
