import { NativeSelect, Skeleton, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useMay } from '../../app/permissions';
import { usdOf } from '../../ui/amount';
import { DataTable, type Column } from '../../ui/data_table';
import { useDialogs } from '../../ui/dialog_search';
import { DownloadLink } from '../../ui/download';
import { ReceiptIcon } from '../../ui/icons';
import { EmptyState, ErrorNotice } from '../../ui/notices';
import { Page, Section } from '../../ui/page';
import ui from '../../ui/ui.module.css';
import { Mono, Muted } from '../../ui/values';
import { teams } from '../teams/queries';
import { statementQuery } from './queries';
import { isMonth, monthOf, sumOf, teamsOf, type Line, type Statement } from './schema';
import { texts } from './texts';

const count = (n: number | undefined) => (n === undefined ? <Muted>–</Muted> : n.toLocaleString('en'));

function columnsFor(byKey: boolean): Column<Line>[] {
  return [
    { id: 'model', header: texts.columns.model, cell: ({ model }) => <Mono>{model}</Mono>, sortBy: ({ model }) => model, main: true },
    { id: 'provider', header: texts.columns.provider, cell: ({ provider }) => provider || <Muted>–</Muted>, sortBy: ({ provider }) => provider },
    { id: 'workspace', header: texts.columns.workspace, cell: ({ workspace }) => workspace ?? <Muted>–</Muted>, sortBy: ({ workspace }) => workspace ?? '' },
    ...(byKey ? [{ id: 'key', header: texts.columns.key, cell: ({ key }: Line) => key ?? <Muted>–</Muted>, sortBy: ({ key }: Line) => key ?? '' }] : []),
    { id: 'requests', header: texts.columns.requests, cell: ({ events }) => count(events), sortBy: ({ events }) => events, align: 'right' },
    { id: 'in', header: texts.columns.tokensIn, cell: ({ quantities }) => count(quantities.token_in), sortBy: ({ quantities }) => quantities.token_in ?? 0, align: 'right' },
    { id: 'out', header: texts.columns.tokensOut, cell: ({ quantities }) => count(quantities.token_out), sortBy: ({ quantities }) => quantities.token_out ?? 0, align: 'right' },
    { id: 'list', header: texts.columns.list, cell: ({ list }) => usdOf(list), align: 'right' },
    { id: 'cost', header: texts.columns.cost, cell: ({ cost }) => usdOf(cost), sortBy: ({ cost }) => Number(cost), align: 'right' },
  ];
}

const lineId = (line: Line) => [line.workspace, line.key_id, line.provider, line.model].join('\n');

function Lines({ statement, byKey }: { statement: Statement; byKey: boolean }) {
  const columns = useMemo(() => columnsFor(byKey), [byKey]);
  const groups = useMemo(() => teamsOf(statement.lines), [statement]);
  if (statement.lines.length === 0) {
    return (
      <EmptyState icon={ReceiptIcon} title={texts.empty.title}>
        {texts.empty.text}
      </EmptyState>
    );
  }
  const { total } = statement;
  return (
    <>
      <dl className={ui.facts} aria-label={texts.total}>
        <dt>{texts.total}</dt>
        <dd>
          <strong>{usdOf(total.cost)}</strong> <Muted>{`${texts.requests(total.events)}, ${texts.listPrice(usdOf(total.list))}`}</Muted>
        </dd>
      </dl>
      {groups.map(({ id, name, lines }) => (
        <Section key={id} title={name ?? (id || texts.noTeam)} aside={`${usdOf(sumOf(lines.map((line) => line.cost)))}, ${texts.requests(lines.reduce((n, line) => n + line.events, 0))}`}>
          <DataTable label={name ?? (id || texts.noTeam)} columns={columns} rows={lines} rowId={lineId} />
        </Section>
      ))}
    </>
  );
}

export function StatementsPage() {
  const [search, show] = useDialogs<'month' | 'team' | 'by'>();
  const may = useMay();
  const month = isMonth(search.month) ? search.month : monthOf(new Date());
  const { data: known = [] } = useQuery({ ...teams.choicesQuery, enabled: may('team.read') });
  const wanted = { month, team: search.team, by: search.by === 'key' ? 'key' : undefined };
  const { data, error, refetch } = useQuery(statementQuery(wanted));
  const set = (name: 'month' | 'team' | 'by') => (event: { currentTarget: { value: string } }) => show({ ...search, [name]: event.currentTarget.value || undefined });
  const actions = (['csv', 'json'] as const).map((form) => (
    <DownloadLink key={form} path="/statements" query={{ ...wanted, format: form }} file={texts.file(month, form)}>
      {texts[form]}
    </DownloadLink>
  ));
  return (
    <Page title={texts.title} lead={texts.lead} actions={actions}>
      <div className={ui.filters}>
        <TextInput label={texts.month} type="month" value={month} onChange={(event) => isMonth(event.currentTarget.value) && set('month')(event)} />
        <NativeSelect label={texts.team} value={search.team ?? ''} onChange={set('team')} data={[{ value: '', label: texts.allTeams }, ...known.map(({ id, name }) => ({ value: id, label: name }))]} />
        <NativeSelect label={texts.by} value={wanted.by ?? ''} onChange={set('by')} data={[{ value: '', label: texts.byModel }, { value: 'key', label: texts.byKey }]} />
      </div>
      {error && <ErrorNotice error={error} onRetry={() => void refetch()} />}
      {data ? <Lines statement={data} byKey={wanted.by === 'key'} /> : !error && <Skeleton height={200} />}
    </Page>
  );
}
