/* One document: what it is, a version of it to read or to go on from, and its history. */
import { Button, Group, Skeleton, TextInput } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useId, useMemo, useRef, useState, type ReactNode } from 'react';
import { useMay } from '../../app/permissions';
import { Confirm } from '../../ui/confirm';
import { writeJson } from '../../ui/json_text';
import { ErrorNotice, Notice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { Page, Section } from '../../ui/page';
import { StateMark } from '../../ui/state_mark';
import { Mono, Muted, Tags } from '../../ui/values';
import { workspacesQuery } from '../workspaces/queries';
import { CompareDialog } from './compare';
import { DetailsDialog, LabelsDialog, PublishDialog } from './dialogs';
import classes from './documents.module.css';
import { useDraft } from './draft';
import type { Kind } from './kind';
import { LeaveGuard } from './leave';
import { labelTexts } from './list_page';
import { documentQuery, useDelete, useSaveVersion, versionQuery, versionsQuery } from './queries';
import type { Document, Version } from './schema';
import { texts } from './texts';
import { VerdictLine } from './verdict';
import { VersionsTable, type VersionActions } from './versions';

export interface DocumentSearch {
  version?: number; // which one is shown; the newest when none is said
  left?: number; // what is compared
  right?: number;
}

interface DocumentPageProps {
  kind: Kind;
  id: string;
  search: DocumentSearch;
  onSearch: (search: DocumentSearch) => Promise<void>;
  uses?: (document: Document) => ReactNode;
  actions?: (document: Document, version: number) => ReactNode;
}

function About({ document, uses }: { document: Document; uses: ReactNode }) {
  const { data: workspaces } = useQuery(workspacesQuery);
  const workspace = document.workspace_id === null ? texts.shared : (workspaces?.find((one) => one.id === document.workspace_id)?.name ?? document.workspace_id);
  const rows: [string, ReactNode][] = [
    [texts.about.reference, <Mono key="name">{document.name}</Mono>],
    [texts.about.published, document.published_version > 0 ? texts.version(document.published_version) : <Muted>{texts.notPublished}</Muted>],
    [texts.about.newest, texts.version(document.latest_version)],
    [texts.about.labels, Object.keys(document.labels).length > 0 ? <Tags values={labelTexts(document.labels)} most={6} /> : <Muted>{texts.none}</Muted>],
    [texts.about.workspace, workspace],
  ];
  if (uses !== undefined) rows.push([texts.about.usedBy, uses]);
  return (
    <dl className={classes.about}>
      {rows.map(([term, value]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface DraftProps {
  kind: Kind;
  document: Document;
  version: Version;
  readOnly: boolean;
  onSaved: (made: Version) => void;
}

/* Made anew for each version. */
function DraftOf({ kind, document, version, readOnly, onSaved }: DraftProps) {
  const initial = useMemo(() => writeJson(version.document), [version]);
  const draft = useDraft(kind.root, initial, document.partial, kind.pathRoot);
  const save = useSaveVersion(kind.root, document.id);
  const [note, setNote] = useState('');
  const dirty = useRef(false);
  const changed = draft.text !== initial;
  dirty.current = changed && !save.isSuccess;
  const verdictId = useId();
  const may = useMay();
  const { Editor, Below } = kind;
  const submit = (publish: boolean) =>
    save.mutate(
      { document: draft.read.value, publish, ...(note.trim() && { note: note.trim() }) },
      {
        onSuccess: (made) => {
          dirty.current = false;
          notifyDone((publish ? texts.editor.published : texts.editor.saved)(document.name, made.number));
          onSaved(made);
        },
      },
    );
  const ready = changed && draft.state === 'good';
  return (
    <div className={classes.draft}>
      <LeaveGuard isDirty={() => dirty.current} />
      {!readOnly && version.number < document.latest_version && <Muted>{texts.editor.older(version.number)}</Muted>}
      <Editor draft={draft} partial={document.partial} readOnly={readOnly} describedBy={verdictId} saved={{ document, version }} />
      <VerdictLine id={verdictId} draft={draft} />
      {save.error && <ErrorNotice error={save.error} />}
      {!readOnly && (
        <div className={classes.bar}>
          <TextInput label={texts.editor.note} placeholder={texts.editor.noteHelp} value={note} onChange={(event) => setNote(event.currentTarget.value)} maxLength={1000} autoComplete="off" />
          {changed && (
            <Button variant="subtle" color="gray" onClick={() => draft.setText(initial)}>
              {texts.editor.revert}
            </Button>
          )}
          <Button variant="default" disabled={!ready} loading={save.isPending && !save.variables.publish} onClick={() => submit(false)}>
            {texts.editor.save(document.latest_version + 1)}
          </Button>
          {may(kind.publish, document.workspace_id) && (
            <Button disabled={!ready} loading={save.isPending && save.variables.publish} onClick={() => submit(true)}>
              {texts.editor.saveAndPublish}
            </Button>
          )}
        </div>
      )}
      {Below && <Below draft={draft} document={document} version={version} />}
    </div>
  );
}

function RemoveDialog({ kind, document, onClose, onRemoved }: { kind: Kind; document: Document; onClose: () => void; onRemoved: () => void }) {
  const remove = useDelete(kind.root, document.id);
  return (
    <Confirm
      opened
      title={texts.remove.title(document.name)}
      action={texts.remove.confirm(kind.texts.noun)}
      busy={remove.isPending}
      error={remove.error}
      onClose={onClose}
      onConfirm={() =>
        remove.mutate(undefined, {
          onSuccess: () => {
            notifyDone(texts.remove.done(document.name));
            onRemoved();
          },
        })
      }
    >
      {texts.remove.text}
    </Confirm>
  );
}

type Asked = { about: 'publish' | 'labels'; version: Version } | { about: 'details' | 'remove' } | null;

function Dialogs({ kind, document, asked, onClose, onRemoved }: { kind: Kind; document: Document; asked: Asked; onClose: () => void; onRemoved: () => void }) {
  switch (asked?.about) {
    case 'publish':
      return <PublishDialog kind={kind} document={document} version={asked.version} onClose={onClose} />;
    case 'labels':
      return <LabelsDialog kind={kind} document={document} number={asked.version.number} onClose={onClose} />;
    case 'details':
      return <DetailsDialog kind={kind} document={document} onClose={onClose} />;
    case 'remove':
      return <RemoveDialog kind={kind} document={document} onClose={onClose} onRemoved={onRemoved} />;
    default:
      return null;
  }
}

function Loaded({ kind, document, search, onSearch, uses, actions }: Omit<DocumentPageProps, 'id'> & { document: Document }) {
  const may = useMay();
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Asked>(null);
  const shown = search.version ?? document.latest_version;
  const version = useQuery(versionQuery(kind.root, document.id, shown));
  const history = useInfiniteQuery(versionsQuery(kind.root, document.id));
  const versions = useMemo(() => history.data?.pages.flatMap((page) => page.data), [history.data]);
  const byFile = document.owned_by === 'file';
  const mayWrite = may(kind.write, document.workspace_id) && !byFile;
  const mayPublish = may(kind.publish, document.workspace_id) && !byFile;
  const several = document.latest_version > 1;
  const table = useMemo<VersionActions>(
    () => ({
      onOpen: (one) => void onSearch({ version: one.number }),
      onCompare: several
        ? (one) => {
            const other = one.number === document.published_version || document.published_version === 0 ? Math.max(1, one.number - 1) : document.published_version;
            void onSearch({ ...search, left: Math.min(other, one.number), right: Math.max(other, one.number) });
          }
        : null,
      onPublish: mayPublish ? (one) => setAsked({ about: 'publish', version: one }) : null,
      onLabels: mayPublish ? (one) => setAsked({ about: 'labels', version: one }) : null,
    }),
    [onSearch, search, document.published_version, several, mayPublish],
  );
  const buttons = (
    <>
      {actions?.(document, shown)}
      {mayWrite && (
        <Button variant="default" onClick={() => setAsked({ about: 'details' })}>
          {texts.details.action}
        </Button>
      )}
      {mayWrite && (
        <Button variant="default" color="red.9" onClick={() => setAsked({ about: 'remove' })}>
          {texts.remove.action}
        </Button>
      )}
    </>
  );
  return (
    <Page title={document.name} lead={document.description || undefined} actions={buttons}>
      <About document={document} uses={uses?.(document)} />
      {byFile && <Notice tone="warn" title={texts.byFile} />}
      {!byFile && !mayWrite && <Notice tone="warn" title={texts.mayNot} />}
      <Section title={texts.version(shown)} aside={shown === document.published_version ? <StateMark tone="good">{texts.versions.published}</StateMark> : undefined}>
        {version.error && <ErrorNotice error={version.error} onRetry={() => void version.refetch()} />}
        {version.data ? (
          <DraftOf key={shown} kind={kind} document={document} version={version.data} readOnly={!mayWrite} onSaved={(made) => void onSearch({ version: made.number })} />
        ) : (
          !version.error && <Skeleton height={280} />
        )}
      </Section>
      <Section title={texts.versions.title}>
        {history.error && <ErrorNotice error={history.error} onRetry={() => void history.refetch()} />}
        {(versions || !history.error) && <VersionsTable document={document} versions={versions} shown={shown} actions={table} />}
        {history.hasNextPage && (
          <Group>
            <Button size="compact-sm" variant="default" loading={history.isFetchingNextPage} onClick={() => void history.fetchNextPage()}>
              {texts.more}
            </Button>
          </Group>
        )}
      </Section>
      {search.left !== undefined && search.right !== undefined && (
        <CompareDialog
          kind={kind}
          document={document}
          versions={versions ?? []}
          left={search.left}
          right={search.right}
          onChoose={(left, right) => void onSearch({ ...search, left, right })}
          onClose={() => void onSearch({ version: search.version })}
        />
      )}
      <Dialogs kind={kind} document={document} asked={asked} onClose={() => setAsked(null)} onRemoved={() => void navigate({ to: kind.root })} />
    </Page>
  );
}

export function DocumentPage({ id, ...rest }: DocumentPageProps) {
  const { kind } = rest;
  const { data: document, error, refetch } = useQuery(documentQuery(kind.root, id));
  if (document) return <Loaded {...rest} document={document} />;
  return (
    <Page title={kind.texts.title}>
      {error ? <ErrorNotice error={error} onRetry={() => void refetch()} /> : <Skeleton height={320} />}
    </Page>
  );
}
