import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { DataTable, type Column } from '../../ui/data_table';
import { Notice } from '../../ui/notices';
import { StateMark, type Tone } from '../../ui/state_mark';
import { Ago } from '../../ui/time_text';
import { Muted } from '../../ui/values';
import type { DataPlane } from './schema';
import { texts } from './texts';

const counts = new Intl.NumberFormat();

const TONES: Record<string, Tone> = { connected: 'good', lagging: 'warn', gone: 'bad', revoked: 'idle' };

function columnsFor(onRevoke?: (plane: DataPlane) => void): Column<DataPlane>[] {
  const columns: Column<DataPlane>[] = [
    { id: 'name', header: texts.columns.name, cell: (plane) => plane.name, sortBy: (plane) => plane.name.toLowerCase(), main: true },
    {
      id: 'state',
      header: texts.columns.state,
      cell: (plane) => (
        <StateMark tone={TONES[plane.state] ?? 'idle'} title={texts.stateHelp[plane.state]}>
          {texts.state[plane.state] ?? plane.state}
        </StateMark>
      ),
      sortBy: (plane) => plane.state,
    },
    { id: 'version', header: texts.columns.version, cell: (plane) => texts.versionOf(plane.config_version, plane.current_version) },
    { id: 'behind', header: texts.columns.behind, cell: (plane) => (plane.behind > 0 ? texts.behind(plane.behind) : <Muted>{texts.current}</Muted>) },
    { id: 'load', header: texts.columns.load, cell: (plane) => counts.format(plane.reported.in_flight), align: 'right' },
    { id: 'spool', header: texts.columns.spool, cell: (plane) => counts.format(plane.reported.spool_records), align: 'right' },
    { id: 'seen', header: texts.columns.seen, cell: (plane) => (plane.last_seen_at ? <Ago at={plane.last_seen_at} /> : texts.never) },
  ];
  if (!onRevoke) return columns;
  columns.splice(4, 0, { id: 'software', header: texts.columns.software, cell: (plane) => plane.software_version || '–' });
  columns.push({
    id: 'actions',
    header: texts.columns.actions,
    hideHeader: true,
    align: 'right',
    cell: (plane) => (
      <Button size="compact-xs" variant="subtle" color="var(--weir-bad)" aria-label={texts.revoke.label(plane.name)} onClick={() => onRevoke(plane)}>
        {texts.revoke.action}
      </Button>
    ),
  });
  return columns;
}

/* Those that refused a configuration say why, above the table: it is the one thing here that asks for somebody. */
function Refusals({ planes }: { planes: DataPlane[] }) {
  return planes
    .filter((plane) => plane.refused_version !== null)
    .map((plane) => (
      <Notice key={plane.id} tone="warn" title={texts.refused(plane.name, plane.refused_version ?? 0)}>
        {plane.refused_reason && <p>{plane.refused_reason}</p>}
        <p>{texts.refusedNext}</p>
      </Notice>
    ));
}

export function DataPlanesTable({ planes, onRevoke }: { planes: DataPlane[] | undefined; onRevoke?: (plane: DataPlane) => void }) {
  const columns = useMemo(() => columnsFor(onRevoke), [onRevoke]);
  return (
    <>
      {planes && <Refusals planes={planes} />}
      <DataTable label={texts.title} columns={columns} rows={planes} rowId={(plane) => plane.id} skeletonRows={2} />
    </>
  );
}
