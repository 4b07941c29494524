import { NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useMemo } from 'react';
import { CodeBlock } from '../../ui/code_block';
import type { Column } from '../../ui/data_table';
import { useDialogs } from '../../ui/dialog_search';
import { DownloadLink } from '../../ui/download';
import { ListIcon } from '../../ui/icons';
import { ListPage, useRows } from '../../ui/list_page';
import { RowActions } from '../../ui/row_actions';
import { Moment } from '../../ui/time_text';
import ui from '../../ui/ui.module.css';
import { Mono, Muted } from '../../ui/values';
import { EntryDialog } from './details';
import { auditQuery } from './queries';
import { momentsOf, type Entry } from './schema';
import { texts } from './texts';

type Words = 'action' | 'kind' | 'object' | 'from' | 'to' | 'entry';

function columnsFor(onOpen: (entry: Entry) => void): Column<Entry>[] {
  return [
    { id: 'at', header: texts.columns.at, cell: ({ at }) => <Moment at={at} />, sortBy: ({ at }) => at.getTime() },
    { id: 'action', header: texts.columns.action, cell: ({ action }) => <Mono>{action}</Mono>, sortBy: ({ action }) => action, main: true },
    { id: 'object', header: texts.columns.object, cell: ({ object_kind, object_name, object_id }) => <span title={object_id ?? undefined}>{object_name || object_id} <Muted>{texts.kindWord(object_kind)}</Muted></span>, sortBy: ({ object_name }) => object_name },
    { id: 'who', header: texts.columns.who, cell: ({ actor_name, actor_kind }) => <span>{actor_name || '–'} <Muted>{actor_kind}</Muted></span>, sortBy: ({ actor_name }) => actor_name },
    { id: 'address', header: texts.columns.address, cell: ({ address }) => <Mono>{address}</Mono> },
    {
      id: 'actions',
      header: texts.columns.actions,
      hideHeader: true,
      align: 'right',
      cell: (entry) => <RowActions actions={[{ text: texts.details.action, label: texts.details.label(entry.action, entry.object_name), onClick: () => onOpen(entry) }]} />,
    },
  ];
}

function Filters({ search, show }: { search: Record<string, string | undefined>; show: (next: Record<string, string | undefined>) => void }) {
  const set = (name: Words) => (event: { currentTarget: { value: string } }) => show({ ...search, [name]: event.currentTarget.value.trim() || undefined });
  const later = useDebouncedCallback((name: Words, value: string) => show({ ...search, [name]: value.trim() || undefined }), 400);
  return (
    <div className={ui.filters}>
      <TextInput label={texts.filters.action} placeholder={texts.filters.actionPlaceholder} defaultValue={search.action ?? ''} onChange={(event) => later('action', event.currentTarget.value)} maxLength={100} autoComplete="off" />
      <NativeSelect label={texts.filters.kind} value={search.kind ?? ''} onChange={set('kind')} data={[{ value: '', label: texts.filters.any }, ...texts.kinds.map((value) => ({ value, label: texts.kindWord(value) }))]} />
      <TextInput label={texts.filters.object} placeholder={texts.filters.objectPlaceholder} defaultValue={search.object ?? ''} onChange={(event) => later('object', event.currentTarget.value)} maxLength={100} autoComplete="off" />
      <TextInput label={texts.filters.from} type="date" value={search.from ?? ''} onChange={set('from')} />
      <TextInput label={texts.filters.to} type="date" value={search.to ?? ''} onChange={set('to')} />
    </div>
  );
}

export function AuditPage() {
  const [search, show] = useDialogs<Words>();
  const { entry: opened, new: _, ...filters } = search;
  const narrowed = useMemo(() => ({ action: filters.action, object_kind: filters.kind, object_id: filters.object, ...momentsOf(filters.from, filters.to) }), [filters.action, filters.kind, filters.object, filters.from, filters.to]);
  const list = useRows<Entry>(auditQuery(narrowed));
  const columns = useMemo(() => columnsFor(({ id }) => show({ ...search, entry: id })), [show, search]);
  const entry = list.rows?.find(({ id }) => id === opened);
  const download = (
    <DownloadLink path="/audit/export" query={{}} file={texts.file}>
      {texts.export}
    </DownloadLink>
  );
  return (
    <ListPage title={texts.title} lead={texts.lead} list={list} columns={columns} empty={{ icon: ListIcon, ...texts.empty }} actions={download} filters={<Filters search={filters} show={(next) => show(next)} />}>
      <div>
        <p>
          <strong>{texts.verify.title}</strong> <Muted>{texts.verify.text}</Muted>
        </p>
        <CodeBlock label={texts.verify.label} value={texts.verify.command} />
      </div>
      {entry && <EntryDialog entry={entry} onClose={() => show({ ...search, entry: undefined })} />}
    </ListPage>
  );
}
