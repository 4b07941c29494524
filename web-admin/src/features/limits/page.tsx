import { useMemo, useState } from 'react';
import { useMay } from '../../app/permissions';
import { useDialogs } from '../../ui/dialog_search';
import { GaugeIcon } from '../../ui/icons';
import { ListPage, useRow, useRows } from '../../ui/list_page';
import { RemoveDialog } from '../../ui/remove_dialog';
import { AccountsDrawer } from '../quotas/accounts';
import { LimitDialog } from './form';
import { limits } from './queries';
import type { Limit } from './schema';
import { columnsFor } from './table';
import { texts } from './texts';

export function LimitsPage() {
  const [search, show] = useDialogs<'edit' | 'accounts'>();
  const list = useRows<Limit>(limits.listQuery());
  const changed = useRow(list.rows, search.edit, limits.oneQuery);
  const opened = useRow(list.rows, search.accounts, limits.oneQuery);
  const [doomed, setDoomed] = useState<Limit | null>(null);
  const remove = limits.useRemove();
  const may = useMay();
  const columns = useMemo(() => columnsFor(may, { onAccounts: ({ id }) => show({ accounts: id }), onChange: ({ id }) => show({ edit: id }), onRemove: setDoomed }), [may, show]);
  const close = () => show({});
  return (
    <ListPage title={texts.title} lead={texts.lead} list={list} columns={columns} empty={{ icon: GaugeIcon, ...texts.empty }} create={may('limit.write') ? { label: texts.create, onClick: () => show({ new: true }) } : null}>
      {search.new && may('limit.write') && <LimitDialog row={null} onClose={close} />}
      {changed && <LimitDialog key={changed.id} row={changed} onClose={close} />}
      {opened && <AccountsDrawer root="/limits" quota={opened} onClose={close} />}
      <RemoveDialog doomed={doomed} remove={remove} texts={texts.remove} onClose={() => setDoomed(null)} />
    </ListPage>
  );
}
