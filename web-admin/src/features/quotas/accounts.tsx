/* What of an amount is spent and reserved: a bar in a row of the list, and all accounts in a drawer. */
import { Drawer, Skeleton, Stack, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { amountText, percentOf } from '../../ui/amount';
import type { Column } from '../../ui/data_table';
import { CoinIcon } from '../../ui/icons';
import { RowList, useRows } from '../../ui/list_page';
import { Meter } from '../../ui/meter';
import { Moment } from '../../ui/time_text';
import ui from '../../ui/ui.module.css';
import { Muted, Tags } from '../../ui/values';
import { accountsQuery } from './queries';
import { currentOf, type Account } from './schema';
import { texts } from './texts';

export interface Quota {
  id: string;
  name: string;
  metric: string;
  amount: string;
}

const toneOf = (percent: number) => (percent >= 100 ? 'bad' : percent >= 80 ? 'warn' : 'good');

/* Values of ids are named where the server does. */
const whoOf = ({ values, bucket }: Account): string[] => (Object.keys(values).length > 0 ? Object.entries(values).map(([kind, value]) => `${kind} ${value}`) : bucket ? [bucket] : []);

function Bar({ metric, account }: { metric: string; account: Account }) {
  const spent = percentOf(account.settled, account.amount);
  const words = texts.spent(amountText(metric, account.settled), amountText(metric, account.amount));
  return (
    <span className={ui.stacked}>
      <span>
        {words}
        {!/^0(\.0+)?$/.test(account.held) && <Muted>{` · ${texts.reserved(amountText(metric, account.held))}`}</Muted>}
      </span>
      <Meter label={words} spent={spent} reserved={percentOf(account.held, account.amount)} tone={toneOf(spent)} />
    </span>
  );
}

export function Spent({ root, quota }: { root: '/budgets' | '/limits'; quota: Quota }) {
  const { data, error } = useInfiniteQuery(accountsQuery(root, quota.id, 10));
  if (error) return <Muted>–</Muted>;
  if (!data) return <Skeleton height={12} width={120} />;
  const [first, ...others] = currentOf(data.pages.flatMap((page) => page.data)).sort((a, b) => percentOf(b.settled, b.amount) - percentOf(a.settled, a.amount));
  const nothing = { settled: '0', held: '0', amount: quota.amount } as Account;
  return (
    <span className={ui.stacked}>
      <Bar metric={quota.metric} account={first ?? nothing} />
      {others.length > 0 && <Muted>{texts.others(others.length)}</Muted>}
    </span>
  );
}

function columnsFor(metric: string): Column<Account>[] {
  return [
    { id: 'who', header: texts.accounts.columns.who, cell: (account) => (whoOf(account).length > 0 ? <Tags values={whoOf(account)} /> : texts.accounts.everybody), main: true },
    { id: 'window', header: texts.accounts.columns.window, cell: ({ window_start, window_end }) => (window_start ? <span>{<Moment at={window_start} />}{window_end && <> – <Moment at={window_end} /></>}</span> : <Muted>–</Muted>) },
    { id: 'share', header: texts.accounts.columns.share, cell: (account) => <Bar metric={metric} account={account} /> },
    { id: 'remaining', header: texts.accounts.columns.remaining, cell: ({ remaining }) => amountText(metric, remaining), align: 'right' },
    { id: 'overrun', header: texts.accounts.columns.overrun, cell: ({ overrun }) => (/^0(\.0+)?$/.test(overrun) ? <Muted>–</Muted> : amountText(metric, overrun)), align: 'right' },
  ];
}

export function AccountsDrawer({ root, quota, onClose }: { root: '/budgets' | '/limits'; quota: Quota; onClose: () => void }) {
  const list = useRows<Account>(accountsQuery(root, quota.id));
  const columns = useMemo(() => columnsFor(quota.metric), [quota.metric]);
  return (
    <Drawer opened onClose={onClose} title={texts.accounts.title(quota.name)} size="xl">
      <Stack gap="md">
        {list.rows?.length === 0 ? (
          <Text size="sm" c="dimmed">
            {texts.accounts.none}
          </Text>
        ) : (
          <RowList list={list} label={texts.accounts.title(quota.name)} columns={columns} rowId={(account) => `${account.bucket} ${account.window_start?.getTime() ?? ''}`} empty={{ icon: CoinIcon, title: '', text: '' }} />
        )}
      </Stack>
    </Drawer>
  );
}
