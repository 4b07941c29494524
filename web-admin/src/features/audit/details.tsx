/* One entry: who, from where, and what was before and after. */
import { Modal, Stack } from '@mantine/core';
import type { ReactNode } from 'react';
import { DataTable, type Column } from '../../ui/data_table';
import { Moment } from '../../ui/time_text';
import ui from '../../ui/ui.module.css';
import { Mono, Muted } from '../../ui/values';
import { differencesOf, type Difference, type Entry } from './schema';
import { texts } from './texts';

const side = (value: string | null) => (value === null ? <Muted>{texts.absent}</Muted> : <Mono>{value}</Mono>);

const COLUMNS: Column<Difference>[] = [
  { id: 'member', header: texts.change.member, cell: ({ member }) => <Mono>{member}</Mono>, main: true },
  { id: 'before', header: texts.change.before, cell: ({ before }) => side(before) },
  { id: 'after', header: texts.change.after, cell: ({ after }) => side(after) },
];

function Facts({ entry }: { entry: Entry }) {
  const facts: [string, ReactNode][] = [
    [texts.facts.at, <Moment key="at" at={entry.at} />],
    [texts.facts.who, `${entry.actor_name || '–'} (${entry.actor_kind})`],
    [texts.facts.address, entry.address && <Mono>{entry.address}</Mono>],
    [texts.facts.object, entry.object_kind && <>{texts.kindWord(entry.object_kind)} {entry.object_name} {entry.object_id && <Mono>{entry.object_id}</Mono>}</>],
    [texts.facts.request, entry.request_id && <Mono>{entry.request_id}</Mono>],
    [texts.facts.seq, entry.seq],
    [texts.facts.hash, entry.hash && <Mono>{entry.hash}</Mono>],
  ];
  return (
    <dl className={ui.facts}>
      {facts.map(
        ([term, fact]) =>
          fact !== null &&
          fact !== '' && (
            <div key={term} style={{ display: 'contents' }}>
              <dt>{term}</dt>
              <dd>{fact}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

export function EntryDialog({ entry, onClose }: { entry: Entry; onClose: () => void }) {
  const differences = differencesOf(entry.before, entry.after);
  return (
    <Modal opened onClose={onClose} size="xl" title={texts.details.title(entry.action)}>
      <Stack gap="md">
        <Facts entry={entry} />
        {differences.length > 0 ? <DataTable label={texts.changes} columns={COLUMNS} rows={differences} rowId={({ member }) => member} /> : <Muted>{texts.noChange}</Muted>}
      </Stack>
    </Modal>
  );
}
