import type { May } from '../../app/permissions';
import { amountText } from '../../ui/amount';
import type { Column } from '../../ui/data_table';
import { RowActions } from '../../ui/row_actions';
import { StateMark } from '../../ui/state_mark';
import { Moment } from '../../ui/time_text';
import ui from '../../ui/ui.module.css';
import { Mono, Muted } from '../../ui/values';
import { Spent } from '../quotas/accounts';
import { ScopeTags } from '../quotas/scopes';
import { texts as quota } from '../quotas/texts';
import { increaseOf, type Budget } from './schema';
import { texts } from './texts';

export interface BudgetActions {
  onAccounts: (budget: Budget) => void;
  onIncrease: (budget: Budget) => void;
  onChange: (budget: Budget) => void;
  onRemove: (budget: Budget) => void;
}

function Window({ budget }: { budget: Budget }) {
  const increase = increaseOf(budget);
  return (
    <span className={ui.stacked}>
      <span>{texts.each(amountText(budget.metric, budget.amount), quota.windows[budget.window] ?? budget.window)}</span>
      {budget.zone && <Muted>{budget.zone}</Muted>}
      {increase && (
        <span>
          <Muted>{texts.increased(amountText(budget.metric, increase.amount))}</Muted> <Moment at={increase.until} />
        </span>
      )}
    </span>
  );
}

export function columnsFor(may: May, { onAccounts, onIncrease, onChange, onRemove }: BudgetActions): Column<Budget>[] {
  return [
    { id: 'name', header: texts.columns.name, cell: ({ name, disabled }) => <span>{name} {disabled && <StateMark tone="idle">{texts.disabled}</StateMark>}</span>, sortBy: ({ name }) => name.toLowerCase(), main: true },
    { id: 'scopes', header: texts.columns.scopes, cell: ({ scopes }) => <ScopeTags scopes={scopes} /> },
    { id: 'window', header: texts.columns.window, cell: (budget) => <Window budget={budget} />, sortBy: ({ window }) => window },
    { id: 'spent', header: texts.columns.spent, cell: (budget) => <Spent root="/budgets" quota={budget} /> },
    {
      id: 'mode',
      header: texts.columns.mode,
      cell: ({ mode, downgrade_model }) => <span>{texts.modes[mode] ?? mode} {mode === 'downgrade' && <Mono>{texts.to(downgrade_model)}</Mono>}</span>,
      sortBy: ({ mode }) => mode,
    },
    { id: 'alerts', header: texts.columns.alerts, cell: ({ alert_percents }) => (alert_percents.length > 0 ? alert_percents.map((one) => `${one} %`).join(', ') : <Muted>–</Muted>) },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (budget) => {
        const mine = may('budget.write', budget.workspace_id);
        const ours = mine && budget.owned_by !== 'file';
        return (
          <RowActions
            actions={[
              { text: texts.accounts.action, label: texts.accounts.label(budget.name), onClick: () => onAccounts(budget) },
              mine && { text: texts.increase.action, label: texts.increase.label(budget.name), onClick: () => onIncrease(budget) },
              ours && { text: texts.change.action, label: texts.change.label(budget.name), onClick: () => onChange(budget) },
              ours && { text: texts.remove.action, label: texts.remove.label(budget.name), onClick: () => onRemove(budget), bad: true },
            ]}
          />
        );
      },
    },
  ];
}
