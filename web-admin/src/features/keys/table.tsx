import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { DataTable, type Column } from '../../ui/data_table';
import { StateMark, type Tone } from '../../ui/state_mark';
import { Day } from '../../ui/time_text';
import { Mono, Muted, Tags } from '../../ui/values';
import type { Key } from './schema';
import { texts } from './texts';

const TONES: Record<string, Tone> = { active: 'good', disabled: 'warn', expired: 'warn', revoked: 'idle' };

function columnsFor(onRevoke: (key: Key) => void, onChange: ((key: Key) => void) | null): Column<Key>[] {
  return [
    { id: 'name', header: texts.columns.name, cell: (key) => (key.tags.length > 0 ? <span>{key.name} <Tags values={key.tags} /></span> : key.name), sortBy: (key) => key.name.toLowerCase(), main: true },
    { id: 'mask', header: texts.columns.key, cell: (key) => <Mono>{key.mask}</Mono> },
    { id: 'models', header: texts.columns.models, cell: (key) => <Tags values={key.models} /> },
    {
      id: 'config',
      header: texts.columns.config,
      cell: (key) => (key.config ? <span><Mono>{key.config}</Mono> {key.config_locked && <Muted>{texts.locked}</Muted>}</span> : <Muted>–</Muted>),
      sortBy: (key) => key.config ?? '',
    },
    {
      id: 'status',
      header: texts.columns.status,
      cell: (key) => <StateMark tone={TONES[key.status] ?? 'idle'}>{texts.status[key.status] ?? key.status}</StateMark>,
      sortBy: (key) => key.status,
    },
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
        key.status !== 'revoked' && (
          <span>
            {onChange && key.owned_by !== 'file' && (
              <Button size="compact-xs" variant="subtle" aria-label={texts.change.label(key.name)} onClick={() => onChange(key)}>
                {texts.change.action}
              </Button>
            )}
            <Button size="compact-xs" variant="subtle" color="var(--weir-bad)" aria-label={texts.revoke.label(key.name)} onClick={() => onRevoke(key)}>
              {texts.revoke.action}
            </Button>
          </span>
        ),
    },
  ];
}

/* onChange null: the reader may not. */
export function KeysTable({ keys, onRevoke, onChange }: { keys: Key[] | undefined; onRevoke: (key: Key) => void; onChange: ((key: Key) => void) | null }) {
  const columns = useMemo(() => columnsFor(onRevoke, onChange), [onRevoke, onChange]);
  return <DataTable label={texts.title} columns={columns} rows={keys} rowId={(key) => key.id} />;
}
