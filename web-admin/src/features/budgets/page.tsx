import { useMemo, useState } from 'react';
import { useMay } from '../../app/permissions';
import { useDialogs } from '../../ui/dialog_search';
import { CoinIcon } from '../../ui/icons';
import { ListPage, useRow, useRows } from '../../ui/list_page';
import { RemoveDialog } from '../../ui/remove_dialog';
import { AccountsDrawer } from '../quotas/accounts';
import { BudgetDialog, IncreaseDialog } from './form';
import { budgets } from './queries';
import type { Budget } from './schema';
import { columnsFor } from './table';
import { texts } from './texts';

export function BudgetsPage() {
  const [search, show] = useDialogs<'edit' | 'accounts' | 'increase'>();
  const list = useRows<Budget>(budgets.listQuery());
  const changed = useRow(list.rows, search.edit, budgets.oneQuery);
  const opened = useRow(list.rows, search.accounts, budgets.oneQuery);
  const increased = useRow(list.rows, search.increase, budgets.oneQuery);
  const [doomed, setDoomed] = useState<Budget | null>(null);
  const remove = budgets.useRemove();
  const may = useMay();
  const columns = useMemo(
    () => columnsFor(may, { onAccounts: ({ id }) => show({ accounts: id }), onIncrease: ({ id }) => show({ increase: id }), onChange: ({ id }) => show({ edit: id }), onRemove: setDoomed }),
    [may, show],
  );
  const close = () => show({});
  return (
    <ListPage title={texts.title} lead={texts.lead} list={list} columns={columns} empty={{ icon: CoinIcon, ...texts.empty }} create={may('budget.write') ? { label: texts.create, onClick: () => show({ new: true }) } : null}>
      {search.new && may('budget.write') && <BudgetDialog row={null} onClose={close} />}
      {changed && <BudgetDialog key={changed.id} row={changed} onClose={close} />}
      {increased && <IncreaseDialog key={increased.id} budget={increased} onClose={close} />}
      {opened && <AccountsDrawer root="/budgets" quota={opened} onClose={close} />}
      <RemoveDialog doomed={doomed} remove={remove} texts={texts.remove} onClose={() => setDoomed(null)} />
    </ListPage>
  );
}
