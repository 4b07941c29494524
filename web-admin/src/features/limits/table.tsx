import type { May } from '../../app/permissions';
import { amountText } from '../../ui/amount';
import type { Column } from '../../ui/data_table';
import { RowActions } from '../../ui/row_actions';
import { StateMark } from '../../ui/state_mark';
import { Muted } from '../../ui/values';
import { ScopeTags } from '../quotas/scopes';
import { texts as quota } from '../quotas/texts';
import type { Limit } from './schema';
import { texts } from './texts';

export interface LimitActions {
  onAccounts: (limit: Limit) => void;
  onChange: (limit: Limit) => void;
  onRemove: (limit: Limit) => void;
}

export function rateOf({ metric, amount, window }: Pick<Limit, 'metric' | 'amount' | 'window'>): string {
  const most = amountText(metric, amount);
  return window && metric !== 'concurrency' ? texts.rate(most, quota.windows[window] ?? window) : most;
}

function Counted({ limit: { metric, algorithm, burst, exact } }: { limit: Limit }) {
  if (metric === 'concurrency') return <Muted>–</Muted>;
  const more = [...(algorithm === 'token_bucket' && burst !== '0' ? [texts.burst(burst)] : []), ...(exact ? [texts.exact] : [])];
  return (
    <span>
      {texts.algorithms[algorithm ?? ''] ?? algorithm} {more.length > 0 && <Muted>{more.join(', ')}</Muted>}
    </span>
  );
}

export function columnsFor(may: May, { onAccounts, onChange, onRemove }: LimitActions): Column<Limit>[] {
  return [
    { id: 'name', header: texts.columns.name, cell: ({ name, disabled }) => <span>{name} {disabled && <StateMark tone="idle">{texts.disabled}</StateMark>}</span>, sortBy: ({ name }) => name.toLowerCase(), main: true },
    { id: 'scopes', header: texts.columns.scopes, cell: ({ scopes }) => <ScopeTags scopes={scopes} /> },
    { id: 'limit', header: texts.columns.limit, cell: rateOf, sortBy: ({ metric }) => metric },
    { id: 'algorithm', header: texts.columns.algorithm, cell: (limit) => <Counted limit={limit} /> },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (limit) => {
        const mine = may('limit.write', limit.workspace_id) && limit.owned_by !== 'file';
        return (
          <RowActions
            actions={[
              { text: texts.accounts.action, label: texts.accounts.label(limit.name), onClick: () => onAccounts(limit) },
              mine && { text: texts.change.action, label: texts.change.label(limit.name), onClick: () => onChange(limit) },
              mine && { text: texts.remove.action, label: texts.remove.label(limit.name), onClick: () => onRemove(limit), bad: true },
            ]}
          />
        );
      },
    },
  ];
}
