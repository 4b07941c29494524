import { Button, NativeSelect, Textarea, TextInput } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { useId, useMemo, useState, type FormEvent } from 'react';
import { useMay } from '../../app/permissions';
import { CodeEditor } from '../../ui/code_editor';
import { readJson, writeJson } from '../../ui/json_text';
import { ErrorNotice, Notice } from '../../ui/notices';
import { Page, Section } from '../../ui/page';
import { Muted } from '../../ui/values';
import { dataPlanesQuery } from '../data_planes/queries';
import { documentQuery, versionQuery } from '../documents/queries';
import { keysQuery } from '../keys/queries';
import { modelNamesQuery } from '../models/queries';
import classes from './explain.module.css';
import { useExplain } from './queries';
import { headersOf } from './schema';
import { Story } from './story';
import { texts } from './texts';

const PATHS = ['/v1/chat/completions', '/v1/responses', '/v1/messages', '/v1/embeddings'];
const bodyFor = (model: string) => writeJson({ model, messages: [{ role: 'user', content: 'Hello' }] });

type Values = { key: string; path: string; headers: string; config: 'in force' | 'proposed'; plane: string };
type Faults = Partial<Record<'key' | 'path' | 'headers' | 'body' | 'config', string>>;

/* A document in its field, with what is wrong with it. */
function JsonField({ label, text, onText, fault }: { label: string; text: string; onText: (text: string) => void; fault: string | undefined }) {
  const id = useId();
  const mark = useMemo(() => {
    const { error } = readJson(text);
    return error && { from: error.at, to: error.at + 1, message: error.message };
  }, [text]);
  return (
    <div>
      <div className={classes.label}>{label}</div>
      <CodeEditor label={label} value={text} onChange={onText} mark={mark} describedBy={id} short />
      <p id={id} className={classes.fault} hidden={!fault && !mark}>
        {fault ?? mark?.message}
      </p>
    </div>
  );
}

function useKeys() {
  const { data, isSuccess } = useInfiniteQuery(keysQuery);
  return useMemo(() => ({ known: isSuccess, keys: data?.pages.flatMap((page) => page.data).filter((key) => key.status === 'active') ?? [] }), [data, isSuccess]);
}

function ExplainForm({ proposed }: { proposed: { text: string; about: string } | null }) {
  const explain = useExplain();
  const { known, keys } = useKeys();
  const { data: planes = [] } = useQuery(dataPlanesQuery);
  const { data: models } = useQuery(modelNamesQuery);
  const [values, setValues] = useState<Values>({ key: '', path: PATHS[0]!, headers: '', config: proposed ? 'proposed' : 'in force', plane: '' });
  const [body, setBody] = useState<string | null>(null); // null: nobody wrote it yet
  const [document, setDocument] = useState(proposed?.text ?? writeJson({ strategy: { mode: 'fallback' }, targets: [] }));
  const [faults, setFaults] = useState<Faults>({});
  const key = values.key || keys[0]?.id || '';
  const shownBody = body ?? bodyFor(models?.find((name) => !name.includes('*')) ?? 'gpt-4o');
  const set = (name: keyof Values) => (event: { currentTarget: { value: string } }) => {
    const { value } = event.currentTarget;
    setValues((old) => ({ ...old, [name]: value }));
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const headers = headersOf(values.headers);
    const request = readJson(shownBody);
    const config = readJson(document);
    const found: Faults = {};
    if (!key) found.key = texts.form.needKey;
    if (!values.path.startsWith('/')) found.path = texts.form.needPath;
    if ('line' in headers) found.headers = texts.form.badHeader(headers.line);
    if (request.error) found.body = texts.form.badBody;
    if (values.config === 'proposed' && config.error) found.config = texts.form.badConfig;
    setFaults(found);
    if (Object.keys(found).length > 0 || 'line' in headers) return;
    explain.mutate({
      key,
      method: 'POST',
      path: values.path.trim(),
      headers: headers.headers,
      body: request.value,
      ...(values.config === 'proposed' && { config: config.value }),
      ...(values.plane && { data_plane: values.plane }),
    });
  };
  return (
    <>
      <Section title={texts.form.title}>
        {proposed && <Muted>{proposed.about}</Muted>}
        <form className={classes.form} onSubmit={submit} noValidate>
          <div className={classes.fields}>
            <NativeSelect
              label={texts.form.key}
              description={texts.form.keyHelp}
              value={key}
              error={faults.key}
              data={keys.length > 0 ? keys.map(({ id, name, mask }) => ({ value: id, label: `${name} (${mask})` })) : [{ value: '', label: known ? texts.form.noKeys : '…' }]}
              onChange={set('key')}
            />
            <TextInput label={texts.form.path} value={values.path} error={faults.path} list="explain-paths" onChange={set('path')} autoComplete="off" />
            <datalist id="explain-paths">
              {PATHS.map((path) => (
                <option key={path} value={path} />
              ))}
            </datalist>
            <Textarea label={texts.form.headers} description={texts.form.headersHelp} placeholder={texts.form.headersPlaceholder} value={values.headers} error={faults.headers} onChange={set('headers')} autosize minRows={2} maxRows={8} autoComplete="off" />
            <NativeSelect
              label={texts.form.config}
              value={values.config}
              data={[
                { value: 'in force', label: texts.form.inForce },
                { value: 'proposed', label: texts.form.proposed },
              ]}
              onChange={set('config')}
            />
            {planes.length > 1 && (
              <NativeSelect label={texts.form.plane} value={values.plane} data={[{ value: '', label: texts.form.anyPlane }, ...planes.map(({ id, name }) => ({ value: id, label: name }))]} onChange={set('plane')} />
            )}
          </div>
          <div className={classes.fields}>
            <JsonField label={texts.form.body} text={shownBody} onText={setBody} fault={faults.body} />
            {values.config === 'proposed' && <JsonField label={texts.form.proposedDocument} text={document} onText={setDocument} fault={faults.config} />}
            <div className={classes.submit}>
              <Button type="submit" loading={explain.isPending}>
                {texts.form.submit}
              </Button>
            </div>
          </div>
        </form>
      </Section>
      {explain.error && <ErrorNotice error={explain.error} />}
      {explain.data && (
        <Section title={texts.story.title}>
          <Story answer={explain.data} />
        </Section>
      )}
    </>
  );
}

/* With ?config= and ?version= that version is the proposed document. */
function useProposed() {
  const { config, version } = useSearch({ from: '/shell/explain' });
  const named = useQuery({ ...documentQuery('/configs', config ?? ''), enabled: config !== undefined });
  const number = version ?? named.data?.latest_version;
  const found = useQuery({ ...versionQuery('/configs', config ?? '', number ?? 0), enabled: config !== undefined && number !== undefined });
  if (config === undefined) return { ready: true, error: null, proposed: null };
  const proposed = named.data && found.data ? { text: writeJson(found.data.document), about: texts.form.prefilled(named.data.name, found.data.number) } : null;
  return { ready: proposed !== null || named.error !== null || found.error !== null, error: named.error ?? found.error, proposed };
}

export function ExplainPage() {
  const may = useMay();
  const { ready, error, proposed } = useProposed();
  return (
    <Page title={texts.title} lead={texts.lead}>
      {error && <ErrorNotice error={error} />}
      {!may('routing.explain') ? <Notice tone="warn" title={texts.mayNot} /> : ready && <ExplainForm key={proposed?.about ?? ''} proposed={proposed} />}
    </Page>
  );
}
