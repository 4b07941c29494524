/* The history of a document: which version is which, and what may be done with each. */
import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { useSession } from '../../app/session';
import { DataTable, type Column } from '../../ui/data_table';
import { StateMark } from '../../ui/state_mark';
import { Moment } from '../../ui/time_text';
import { Muted, Tags } from '../../ui/values';
import classes from './documents.module.css';
import type { Document, Version } from './schema';
import { texts } from './texts';

export interface VersionActions {
  onOpen: (version: Version) => void;
  onCompare: ((version: Version) => void) | null;
  onPublish: ((version: Version) => void) | null; // null: the reader may not
  onLabels: ((version: Version) => void) | null;
}

function whoOf(createdBy: string, self: string | undefined): string {
  if (createdBy && createdBy === self) return texts.versions.you;
  if (createdBy.startsWith('tok_')) return texts.versions.token;
  return createdBy.startsWith('usr_') ? texts.versions.other : texts.none;
}

function Action({ label, children, onClick }: { label: string; children: string; onClick: () => void }) {
  return (
    <Button size="compact-xs" variant="subtle" aria-label={label} onClick={onClick}>
      {children}
    </Button>
  );
}

function columnsFor(document: Document, shown: number, self: string | undefined, { onOpen, onCompare, onPublish, onLabels }: VersionActions): Column<Version>[] {
  const back = (version: Version) => version.number < document.published_version;
  return [
    { id: 'number', header: texts.versions.columns.number, cell: (version) => String(version.number), sortBy: (version) => version.number, main: true },
    { id: 'note', header: texts.versions.columns.note, cell: (version) => (version.note ? <span className={classes.note}>{version.note}</span> : <Muted>{texts.none}</Muted>) },
    { id: 'saved', header: texts.versions.columns.saved, cell: (version) => <Moment at={version.created_at} /> },
    { id: 'by', header: texts.versions.columns.by, cell: (version) => <span title={version.created_by || undefined}>{whoOf(version.created_by, self)}</span> },
    {
      id: 'state',
      header: texts.versions.columns.state,
      cell: (version) => (
        <span className={classes.labels}>
          {version.published && <StateMark tone="good">{texts.versions.published}</StateMark>}
          {version.labels.length > 0 && <Tags values={version.labels} />}
        </span>
      ),
    },
    {
      id: 'actions',
      header: texts.versions.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (version) => (
        <span className={classes.actions}>
          {version.number !== shown && (
            <Action label={texts.versions.openLabel(version.number)} onClick={() => onOpen(version)}>
              {texts.versions.open}
            </Action>
          )}
          {onCompare && (
            <Action label={texts.versions.compareLabel(version.number)} onClick={() => onCompare(version)}>
              {texts.versions.compare}
            </Action>
          )}
          {onLabels && (
            <Action label={texts.versions.labelsLabel(version.number)} onClick={() => onLabels(version)}>
              {texts.versions.labels}
            </Action>
          )}
          {onPublish && !version.published && (
            <Action label={(back(version) ? texts.versions.rollBackLabel : texts.versions.publishLabel)(version.number)} onClick={() => onPublish(version)}>
              {back(version) ? texts.versions.rollBack : texts.versions.publish}
            </Action>
          )}
        </span>
      ),
    },
  ];
}

export function VersionsTable({ document, versions, shown, actions }: { document: Document; versions: Version[] | undefined; shown: number; actions: VersionActions }) {
  const self = useSession()?.user.id;
  const columns = useMemo(() => columnsFor(document, shown, self, actions), [document, shown, self, actions]);
  return <DataTable label={texts.versions.title} columns={columns} rows={versions} rowId={(version) => String(version.number)} />;
}
