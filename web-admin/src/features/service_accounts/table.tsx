import type { May } from '../../app/permissions';
import type { Column } from '../../ui/data_table';
import { RowActions } from '../../ui/row_actions';
import { StateMark } from '../../ui/state_mark';
import { Day } from '../../ui/time_text';
import ui from '../../ui/ui.module.css';
import { Muted } from '../../ui/values';
import type { ServiceAccount } from './schema';
import { texts } from './texts';

interface Names {
  workspaces: Map<string, string>;
  teams: Map<string, string>;
}

export interface AccountActions {
  onChange: (account: ServiceAccount) => void;
  onRemove: (account: ServiceAccount) => void;
}

export function columnsFor(may: May, { workspaces, teams }: Names, { onChange, onRemove }: AccountActions): Column<ServiceAccount>[] {
  return [
    {
      id: 'name',
      header: texts.columns.name,
      cell: ({ name, description }) => (
        <span className={ui.stacked}>
          <span>{name}</span>
          {description && <Muted>{description}</Muted>}
        </span>
      ),
      sortBy: ({ name }) => name.toLowerCase(),
      main: true,
    },
    { id: 'workspace', header: texts.columns.workspace, cell: ({ workspace_id }) => workspaces.get(workspace_id ?? '') ?? workspace_id ?? '' },
    { id: 'team', header: texts.columns.team, cell: ({ team_id }) => (team_id ? (teams.get(team_id) ?? team_id) : <Muted>–</Muted>) },
    { id: 'status', header: texts.columns.status, cell: ({ disabled }) => <StateMark tone={disabled ? 'warn' : 'good'}>{disabled ? texts.disabled : texts.active}</StateMark> },
    { id: 'created', header: texts.columns.created, cell: ({ created_at }) => <Day at={created_at} />, sortBy: ({ created_at }) => created_at.getTime() },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (account) => {
        const mine = may('service_account.write', account.workspace_id) && account.owned_by !== 'file';
        return (
          <RowActions
            actions={[
              mine && { text: texts.change.action, label: texts.change.label(account.name), onClick: () => onChange(account) },
              mine && { text: texts.remove.action, label: texts.remove.label(account.name), onClick: () => onRemove(account), bad: true },
            ]}
          />
        );
      },
    },
  ];
}
