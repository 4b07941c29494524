import type { May } from '../../app/permissions';
import type { Column } from '../../ui/data_table';
import { RowActions } from '../../ui/row_actions';
import { Day } from '../../ui/time_text';
import { Mono, Muted } from '../../ui/values';
import type { Team } from './schema';
import { texts } from './texts';

export interface TeamActions {
  onMembers: (team: Team) => void;
  onChange: (team: Team) => void;
  onRemove: (team: Team) => void;
}

export function columnsFor(may: May, workspaces: Map<string, string>, { onMembers, onChange, onRemove }: TeamActions): Column<Team>[] {
  return [
    { id: 'name', header: texts.columns.name, cell: (team) => team.name, sortBy: (team) => team.name.toLowerCase(), main: true },
    { id: 'workspace', header: texts.columns.workspace, cell: ({ workspace_id }) => (workspace_id ? (workspaces.get(workspace_id) ?? workspace_id) : <Muted>{texts.organization}</Muted>) },
    { id: 'price', header: texts.columns.priceGroup, cell: ({ price_group }) => price_group || <Muted>–</Muted> },
    { id: 'external', header: texts.columns.external, cell: ({ external_id }) => (external_id ? <Mono>{external_id}</Mono> : <Muted>–</Muted>) },
    { id: 'created', header: texts.columns.created, cell: ({ created_at }) => <Day at={created_at} />, sortBy: ({ created_at }) => created_at.getTime() },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (team) => {
        const mine = may('team.write', team.workspace_id) && team.owned_by !== 'file';
        return (
          <RowActions
            actions={[
              { text: texts.members.action, label: texts.members.label(team.name), onClick: () => onMembers(team) },
              mine && { text: texts.change.action, label: texts.change.label(team.name), onClick: () => onChange(team) },
              mine && { text: texts.remove.action, label: texts.remove.label(team.name), onClick: () => onRemove(team), bad: true },
            ]}
          />
        );
      },
    },
  ];
}
