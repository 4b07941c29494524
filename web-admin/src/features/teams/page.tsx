import { useMemo, useState } from 'react';
import { useMay } from '../../app/permissions';
import { useDialogs } from '../../ui/dialog_search';
import { TeamIcon } from '../../ui/icons';
import { ListPage, useRow, useRows } from '../../ui/list_page';
import { RemoveDialog } from '../../ui/remove_dialog';
import { useWorkspaceNames } from '../workspaces/field';
import { TeamDialog } from './form';
import { MembersDrawer } from './members';
import { teams } from './queries';
import type { Team } from './schema';
import { columnsFor } from './table';
import { texts } from './texts';

export function TeamsPage() {
  const [search, show] = useDialogs<'edit' | 'members'>();
  const list = useRows<Team>(teams.listQuery());
  const changed = useRow(list.rows, search.edit, teams.oneQuery);
  const opened = useRow(list.rows, search.members, teams.oneQuery);
  const [doomed, setDoomed] = useState<Team | null>(null);
  const remove = teams.useRemove();
  const may = useMay();
  const workspaces = useWorkspaceNames();
  const columns = useMemo(
    () => columnsFor(may, workspaces, { onMembers: ({ id }) => show({ members: id }), onChange: ({ id }) => show({ edit: id }), onRemove: setDoomed }),
    [may, workspaces, show],
  );
  const close = () => show({});
  return (
    <ListPage title={texts.title} lead={texts.lead} list={list} columns={columns} empty={{ icon: TeamIcon, ...texts.empty }} create={may('team.write') ? { label: texts.create, onClick: () => show({ new: true }) } : null}>
      {search.new && may('team.write') && <TeamDialog row={null} onClose={close} />}
      {changed && <TeamDialog key={changed.id} row={changed} onClose={close} />}
      {opened && <MembersDrawer key={opened.id} team={opened} onClose={close} />}
      <RemoveDialog doomed={doomed} remove={remove} texts={texts.remove} onClose={() => setDoomed(null)} />
    </ListPage>
  );
}
