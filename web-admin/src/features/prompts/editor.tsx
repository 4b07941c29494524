/* A prompt as messages, or as the JSON that it is. Both are faces of one text. */
import { ActionIcon, Button, NativeSelect, Textarea, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { CodeEditor } from '../../ui/code_editor';
import { DataTable, type Column } from '../../ui/data_table';
import { CrossIcon, PlusIcon, SortDownIcon, SortUpIcon } from '../../ui/icons';
import { writeJson } from '../../ui/json_text';
import { Section } from '../../ui/page';
import { Mono, Muted } from '../../ui/values';
import { isObject, type Json } from '../configs/describe';
import type { Draft } from '../documents/draft';
import type { EditorProps } from '../documents/kind';
import type { Variable } from '../documents/schema';
import { moved, partialText, rowsOf, withPartialText, withRows, type Row } from './messages';
import classes from './prompts.module.css';
import { texts } from './texts';

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'];

function RowTools({ number, count, onMove, onRemove }: { number: number; count: number; onMove: (to: number) => void; onRemove: () => void }) {
  return (
    <span className={classes.tools}>
      <ActionIcon variant="subtle" color="gray" aria-label={texts.up(number)} disabled={number === 1} onClick={() => onMove(number - 2)}>
        <SortUpIcon />
      </ActionIcon>
      <ActionIcon variant="subtle" color="gray" aria-label={texts.down(number)} disabled={number === count} onClick={() => onMove(number)}>
        <SortDownIcon />
      </ActionIcon>
      <ActionIcon variant="subtle" color="gray" aria-label={texts.remove(number)} onClick={onRemove}>
        <CrossIcon size={15} />
      </ActionIcon>
    </span>
  );
}

interface RowProps {
  row: Row;
  number: number;
  readOnly: boolean;
  onChange: (row: Row) => void;
}

function RowFields({ row, number, readOnly, onChange }: RowProps) {
  if (row.kind === 'other') return <Muted>{texts.other(number)}</Muted>;
  if (row.kind === 'slot') {
    return <TextInput aria-label={texts.slot(number)} value={row.template} readOnly={readOnly} onChange={(event) => onChange({ ...row, template: event.currentTarget.value })} autoComplete="off" />;
  }
  return <Textarea className={classes.text} aria-label={texts.content(number)} value={row.content} readOnly={readOnly} onChange={(event) => onChange({ ...row, content: event.currentTarget.value })} autosize minRows={2} maxRows={18} />;
}

function Messages({ document, readOnly, onChange }: { document: Json; readOnly: boolean; onChange: (document: Json) => void }) {
  const rows = rowsOf(document);
  if (rows === null) {
    return <Textarea className={classes.text} label={texts.whole} value={String(document.messages)} readOnly={readOnly} onChange={(event) => onChange({ ...document, messages: event.currentTarget.value })} autosize minRows={4} maxRows={24} />;
  }
  const set = (next: Row[]) => onChange(withRows(document, next));
  return (
    <>
      <ol className={classes.messages} aria-label={texts.messages}>
        {rows.map((row, i) => (
          <li key={i} className={classes.message}>
            {row.kind === 'message' ? (
              <NativeSelect
                aria-label={texts.role(i + 1)}
                value={row.role}
                disabled={readOnly}
                data={ROLES.includes(row.role) ? ROLES : [row.role, ...ROLES]}
                onChange={(event) => set(rows.with(i, { ...row, role: event.currentTarget.value }))}
              />
            ) : (
              <Muted>{row.kind === 'slot' ? texts.messages : texts.message(i + 1)}</Muted>
            )}
            <RowFields row={row} number={i + 1} readOnly={readOnly} onChange={(next) => set(rows.with(i, next))} />
            {!readOnly && <RowTools number={i + 1} count={rows.length} onMove={(to) => set(moved(rows, i, to))} onRemove={() => set(rows.filter((_, at) => at !== i))} />}
          </li>
        ))}
      </ol>
      {!readOnly && (
        <div className={classes.buttons}>
          <Button size="compact-sm" variant="default" leftSection={<PlusIcon size={14} />} onClick={() => set([...rows, { kind: 'message', role: 'user', content: '', rest: {} }])}>
            {texts.add}
          </Button>
          <Button size="compact-sm" variant="subtle" onClick={() => set([...rows, { kind: 'slot', template: '{{history}}' }])}>
            {texts.addSlot}
          </Button>
        </div>
      )}
    </>
  );
}

function PromptForm({ document, readOnly, onChange }: { document: Json; readOnly: boolean; onChange: (document: Json) => void }) {
  const setModel = (model: string) => {
    const { model: _, ...rest } = document;
    onChange(model ? { model, ...rest } : rest);
  };
  return (
    <>
      <TextInput label={texts.model} description={texts.modelHelp} value={typeof document.model === 'string' ? document.model : ''} readOnly={readOnly} onChange={(event) => setModel(event.currentTarget.value)} autoComplete="off" />
      <Messages document={document} readOnly={readOnly} onChange={onChange} />
    </>
  );
}

const VARIABLES: Column<Variable>[] = [
  { id: 'name', header: texts.variables.columns.name, cell: (variable) => <Mono>{variable.name}</Mono>, main: true },
  { id: 'required', header: texts.variables.columns.required, cell: (variable) => (variable.required ? texts.variables.yes : texts.variables.no) },
  { id: 'default', header: texts.variables.columns.default, cell: (variable) => (variable.default === null ? <Muted>–</Muted> : <Mono>{JSON.stringify(variable.default)}</Mono>) },
];

function Variables({ draft }: { draft: Draft }) {
  return (
    <Section title={texts.variables.title}>
      {draft.state !== 'good' ? (
        <Muted>{texts.variables.pending}</Muted>
      ) : draft.variables.length === 0 ? (
        <Muted>{texts.variables.none}</Muted>
      ) : (
        <DataTable label={texts.variables.title} columns={VARIABLES} rows={draft.variables} rowId={(variable) => variable.name} />
      )}
    </Section>
  );
}

function Face({ draft, partial, readOnly, name }: { draft: Draft; partial: boolean; readOnly: boolean; name: string }) {
  const { value } = draft.read;
  const onChange = (document: unknown) => draft.setText(writeJson(document));
  if (partial) {
    const text = partialText(value);
    if (text === null) return <p>{texts.unreadable}</p>;
    return <Textarea className={classes.text} label={texts.partialText} description={texts.partialHelp(name)} value={text} readOnly={readOnly} onChange={(event) => onChange(withPartialText(value, event.currentTarget.value))} autosize minRows={6} maxRows={24} />;
  }
  if (!isObject(value) || (!Array.isArray(value.messages) && typeof value.messages !== 'string')) return <p>{texts.unreadable}</p>;
  return <PromptForm document={value} readOnly={readOnly} onChange={onChange} />;
}

export function PromptEditor({ draft, partial, readOnly, describedBy, saved }: EditorProps) {
  const [json, setJson] = useState(false);
  useEffect(() => {
    if (draft.place) setJson(true); // places are in the text
  }, [draft.place]);
  const mode = (asJson: boolean, label: string) => (
    <Button size="compact-sm" variant={json === asJson ? 'light' : 'subtle'} aria-pressed={json === asJson} onClick={() => setJson(asJson)}>
      {label}
    </Button>
  );
  return (
    <div className={classes.editor}>
      <div className={classes.modes} role="group" aria-label={texts.modes.label}>
        {mode(false, texts.modes.form)}
        {mode(true, texts.modes.json)}
      </div>
      {json ? (
        <CodeEditor label={texts.document} value={draft.text} onChange={readOnly ? undefined : draft.setText} mark={draft.fault} select={draft.place} describedBy={describedBy} />
      ) : (
        <Face draft={draft} partial={partial} readOnly={readOnly} name={saved?.document.name ?? 'name'} />
      )}
      {!partial && <Variables draft={draft} />}
    </div>
  );
}
