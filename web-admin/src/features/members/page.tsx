import { useMemo, useState } from 'react';
import { useMay, type May } from '../../app/permissions';
import type { Column } from '../../ui/data_table';
import { useDialogs } from '../../ui/dialog_search';
import { PersonIcon } from '../../ui/icons';
import { ListPage, useRow, useRows } from '../../ui/list_page';
import { RemoveDialog } from '../../ui/remove_dialog';
import { RowActions } from '../../ui/row_actions';
import { Day } from '../../ui/time_text';
import { Muted } from '../../ui/values';
import { useWorkspaceNames } from '../workspaces/field';
import { MemberDialog } from './form';
import { members } from './queries';
import type { Member } from './schema';
import { texts } from './texts';

interface Actions {
  onChange: (member: Member) => void;
  onRemove: (member: Member) => void;
}

const nameOf = ({ user_name, email }: Member) => user_name || email;

function columnsFor(may: May, workspaces: Map<string, string>, { onChange, onRemove }: Actions): Column<Member>[] {
  return [
    { id: 'person', header: texts.columns.person, cell: (member) => <span>{nameOf(member)} {member.user_name && <Muted>{member.email}</Muted>}</span>, sortBy: nameOf, main: true },
    { id: 'place', header: texts.columns.place, cell: ({ workspace_id }) => (workspace_id ? (workspaces.get(workspace_id) ?? workspace_id) : texts.organization), sortBy: ({ workspace_id }) => workspace_id ?? '' },
    { id: 'role', header: texts.columns.role, cell: ({ role, role_name }) => role_name || role || '–', sortBy: ({ role, role_name }) => role_name || role || '' },
    { id: 'source', header: texts.columns.source, cell: ({ owned_by }) => <Muted>{texts.sources[owned_by] ?? owned_by}</Muted> },
    { id: 'since', header: texts.columns.since, cell: ({ created_at }) => <Day at={created_at} />, sortBy: ({ created_at }) => created_at.getTime() },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (member) =>
        may('member.write', member.workspace_id) && (
          <RowActions
            actions={[
              { text: texts.change.action, label: texts.change.label(nameOf(member)), onClick: () => onChange(member) },
              { text: texts.remove.action, label: texts.remove.label(nameOf(member)), onClick: () => onRemove(member), bad: true },
            ]}
          />
        ),
    },
  ];
}

export function MembersPage() {
  const [search, show] = useDialogs<'edit'>();
  const list = useRows<Member>(members.listQuery());
  const changed = useRow(list.rows, search.edit, members.oneQuery);
  const [doomed, setDoomed] = useState<Member | null>(null);
  const remove = members.useRemove();
  const may = useMay();
  const workspaces = useWorkspaceNames();
  const columns = useMemo(() => columnsFor(may, workspaces, { onChange: ({ id }) => show({ edit: id }), onRemove: setDoomed }), [may, workspaces, show]);
  const close = () => show({});
  return (
    <ListPage title={texts.title} lead={texts.lead} list={list} columns={columns} empty={{ icon: PersonIcon, ...texts.empty }} create={may('member.write') ? { label: texts.create, onClick: () => show({ new: true }) } : null}>
      {search.new && may('member.write') && <MemberDialog row={null} onClose={close} />}
      {changed && <MemberDialog key={changed.id} row={changed} onClose={close} />}
      <RemoveDialog doomed={doomed && { id: doomed.id, name: nameOf(doomed) }} remove={remove} texts={texts.remove} onClose={() => setDoomed(null)} />
    </ListPage>
  );
}
