import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useMay } from '../../app/permissions';
import { useDialogs } from '../../ui/dialog_search';
import { RobotIcon } from '../../ui/icons';
import { ListPage, useRow, useRows } from '../../ui/list_page';
import { RemoveDialog } from '../../ui/remove_dialog';
import { teams } from '../teams/queries';
import { useWorkspaceNames } from '../workspaces/field';
import { AccountDialog } from './form';
import { accounts } from './queries';
import type { ServiceAccount } from './schema';
import { columnsFor } from './table';
import { texts } from './texts';

export function ServiceAccountsPage() {
  const [search, show] = useDialogs<'edit'>();
  const list = useRows<ServiceAccount>(accounts.listQuery());
  const changed = useRow(list.rows, search.edit, accounts.oneQuery);
  const [doomed, setDoomed] = useState<ServiceAccount | null>(null);
  const remove = accounts.useRemove();
  const may = useMay();
  const workspaces = useWorkspaceNames();
  const { data: known } = useQuery({ ...teams.choicesQuery, enabled: may('team.read') });
  const names = useMemo(() => ({ workspaces, teams: new Map(known?.map(({ id, name }) => [id, name])) }), [workspaces, known]);
  const columns = useMemo(() => columnsFor(may, names, { onChange: ({ id }) => show({ edit: id }), onRemove: setDoomed }), [may, names, show]);
  const close = () => show({});
  return (
    <ListPage title={texts.title} lead={texts.lead} list={list} columns={columns} empty={{ icon: RobotIcon, ...texts.empty }} create={may('service_account.write') ? { label: texts.create, onClick: () => show({ new: true }) } : null}>
      {search.new && may('service_account.write') && <AccountDialog row={null} onClose={close} />}
      {changed && <AccountDialog key={changed.id} row={changed} onClose={close} />}
      <RemoveDialog doomed={doomed} remove={remove} texts={texts.remove} onClose={() => setDoomed(null)} />
    </ListPage>
  );
}
