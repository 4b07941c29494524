import { useMemo } from 'react';
import { DataTable, type Column } from '../../ui/data_table';
import { RowActions } from '../../ui/row_actions';
import { StateMark, type Tone } from '../../ui/state_mark';
import { Ago, Day, Moment } from '../../ui/time_text';
import ui from '../../ui/ui.module.css';
import { Mono, Muted, Tags } from '../../ui/values';
import type { Key } from './schema';
import { texts } from './texts';

const TONES: Record<string, Tone> = { active: 'good', disabled: 'warn', expired: 'warn', revoked: 'idle' };

export interface KeyActions {
  mayWrite: (key: Key) => boolean;
  onChange: (key: Key) => void;
  onRotate: (key: Key) => void;
  onBlock: (key: Key) => void;
  onRevoke: (key: Key) => void;
}

/* Owners and teams by their ids. */
export type Names = Map<string, string>;

function Owner({ owner: { user_id, service_account_id, team_id }, names }: { owner: Key; names: Names }) {
  const id = service_account_id ?? user_id;
  if (!id && !team_id) return <Muted>–</Muted>;
  return (
    <span className={ui.stacked}>
      {id && <span>{names.get(id) ?? <Mono>{id}</Mono>}</span>}
      {team_id && <Muted>{names.get(team_id) ?? team_id}</Muted>}
    </span>
  );
}

function Status({ of: key }: { of: Key }) {
  return (
    <span className={ui.stacked}>
      <StateMark tone={TONES[key.status] ?? 'idle'}>{texts.status[key.status] ?? key.status}</StateMark>
      {key.former_expires_at && key.former_expires_at.getTime() > Date.now() && <span><Muted>{texts.rotate.former}</Muted> <Moment at={key.former_expires_at} /></span>}
    </span>
  );
}

function columnsFor({ mayWrite, onChange, onRotate, onBlock, onRevoke }: KeyActions, names: Names): Column<Key>[] {
  return [
    { id: 'name', header: texts.columns.name, cell: (key) => (key.tags.length > 0 ? <span>{key.name} <Tags values={key.tags} /></span> : key.name), sortBy: (key) => key.name.toLowerCase(), main: true },
    { id: 'mask', header: texts.columns.key, cell: (key) => <Mono>{key.mask}</Mono> },
    { id: 'owner', header: texts.columns.owner, cell: (key) => <Owner owner={key} names={names} /> },
    { id: 'models', header: texts.columns.models, cell: (key) => <Tags values={key.models} /> },
    {
      id: 'config',
      header: texts.columns.config,
      cell: (key) => (key.config ? <span><Mono>{key.config}</Mono> {key.config_locked && <Muted>{texts.locked}</Muted>}</span> : <Muted>–</Muted>),
      sortBy: (key) => key.config ?? '',
    },
    { id: 'status', header: texts.columns.status, cell: (key) => <Status of={key} />, sortBy: (key) => key.status },
    { id: 'used', header: texts.columns.used, cell: (key) => (key.last_used_at ? <Ago at={key.last_used_at} /> : <Muted>{texts.neverUsed}</Muted>), sortBy: (key) => key.last_used_at?.getTime() ?? 0 },
    {
      id: 'expires',
      header: texts.columns.expires,
      cell: (key) => (key.expires_at ? <Day at={key.expires_at} /> : texts.never),
      sortBy: (key) => key.expires_at?.getTime() ?? Infinity,
    },
    { id: 'created', header: texts.columns.created, cell: (key) => <Day at={key.created_at} />, sortBy: (key) => key.created_at.getTime() },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (key) =>
        key.status !== 'revoked' &&
        mayWrite(key) && (
          <RowActions
            actions={[
              key.owned_by !== 'file' && { text: texts.change.action, label: texts.change.label(key.name), onClick: () => onChange(key) },
              { text: texts.rotate.action, label: texts.rotate.label(key.name), onClick: () => onRotate(key) },
              { text: key.disabled ? texts.block.undo : texts.block.action, label: (key.disabled ? texts.block.undoLabel : texts.block.label)(key.name), onClick: () => onBlock(key) },
              { text: texts.revoke.action, label: texts.revoke.label(key.name), onClick: () => onRevoke(key), bad: true },
            ]}
          />
        ),
    },
  ];
}

/* actions, names: stable. */
export function KeysTable({ keys, actions, names }: { keys: Key[] | undefined; actions: KeyActions; names: Names }) {
  const columns = useMemo(() => columnsFor(actions, names), [actions, names]);
  return <DataTable label={texts.title} columns={columns} rows={keys} rowId={(key) => key.id} />;
}
