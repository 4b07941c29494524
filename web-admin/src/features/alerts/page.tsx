import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useMay } from '../../app/permissions';
import { amountText } from '../../ui/amount';
import type { Column } from '../../ui/data_table';
import { BellIcon } from '../../ui/icons';
import { TextLink } from '../../ui/link_button';
import { ListPage, useRows } from '../../ui/list_page';
import { StateMark } from '../../ui/state_mark';
import { Moment } from '../../ui/time_text';
import { Mono, Muted } from '../../ui/values';
import { budgets } from '../budgets/queries';
import type { Budget } from '../budgets/schema';
import { alertsQuery } from './queries';
import type { Alert } from './schema';
import { texts } from './texts';

function columnsFor(known: Map<string, Budget>): Column<Alert>[] {
  const metricOf = ({ budget_id }: Alert) => known.get(budget_id ?? '')?.metric ?? 'cost';
  return [
    { id: 'at', header: texts.columns.at, cell: ({ at }) => <Moment at={at} />, sortBy: ({ at }) => at.getTime() },
    {
      id: 'what',
      header: texts.columns.what,
      cell: ({ kind, budget_id }) => (
        <span>
          {texts.kinds[kind] ?? kind}{' '}
          {budget_id && (known.has(budget_id) ? <TextLink to="/budgets" search={{ accounts: budget_id }}>{known.get(budget_id)!.name}</TextLink> : <Muted>{texts.gone}</Muted>)}
        </span>
      ),
      main: true,
    },
    { id: 'bucket', header: texts.columns.bucket, cell: ({ bucket }) => (bucket ? <Mono>{bucket}</Mono> : <Muted>{texts.everybody}</Muted>) },
    { id: 'percent', header: texts.columns.percent, cell: ({ percent }) => <StateMark tone={percent >= 100 ? 'bad' : 'warn'}>{texts.percent(percent)}</StateMark>, sortBy: ({ percent }) => percent },
    { id: 'spent', header: texts.columns.spent, cell: (alert) => texts.spent(amountText(metricOf(alert), alert.settled), amountText(metricOf(alert), alert.amount)), align: 'right' },
  ];
}

export function AlertsPage() {
  const list = useRows<Alert>(alertsQuery);
  const may = useMay();
  const { data } = useQuery({ ...budgets.choicesQuery, enabled: may('budget.read') });
  const columns = useMemo(() => columnsFor(new Map(data?.map((budget) => [budget.id, budget]))), [data]);
  return <ListPage title={texts.title} lead={texts.lead} list={list} columns={columns} empty={{ icon: BellIcon, ...texts.empty }} />;
}
