/* Makes a document: its name, where it belongs, and its first version. */
import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useId, useRef, useState } from 'react';
import { ApiError } from '../../api/errors';
import { useMay } from '../../app/permissions';
import { writeJson } from '../../ui/json_text';
import { LinkButton } from '../../ui/link_button';
import { ErrorNotice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { Page } from '../../ui/page';
import { workspacesQuery } from '../workspaces/queries';
import classes from './documents.module.css';
import { useDraft } from './draft';
import type { Kind, Template } from './kind';
import { LeaveGuard } from './leave';
import { useCreate } from './queries';
import { isName } from './schema';
import { texts } from './texts';
import { VerdictLine } from './verdict';

type About = { name: string; description: string; workspace: string; note: string };

/* The draft, and with it what a template brings: made anew when another template is chosen. */
function FirstVersion({ kind, template, about, onFault, isTouched }: { kind: Kind; template: Template; about: About; onFault: (fault: string | null) => void; isTouched: (dirty: boolean) => void }) {
  const navigate = useNavigate();
  const create = useCreate(kind.root);
  const initial = writeJson(template.document);
  const partial = template.partial ?? false;
  const draft = useDraft(kind.root, initial, partial, kind.pathRoot);
  const [made, setMade] = useState(false);
  const dirty = useRef(false);
  dirty.current = !made && !create.isSuccess && draft.text !== initial;
  isTouched(dirty.current);
  const verdictId = useId();
  const may = useMay();
  const { Editor } = kind;
  const atName = create.error instanceof ApiError && (create.error.code === 'conflict' || create.error.param === 'name');
  const save = (publish: boolean) => {
    if (!isName(about.name.trim())) return onFault(texts.form.needName);
    create.mutate(
      {
        name: about.name.trim(),
        document: draft.read.value,
        publish,
        ...(about.description.trim() && { description: about.description.trim() }),
        ...(about.workspace && { workspace_id: about.workspace }),
        ...(about.note.trim() && { note: about.note.trim() }),
        ...(partial && { partial }),
      },
      {
        onSuccess: (document) => {
          dirty.current = false;
          setMade(true);
          notifyDone(texts.form.done(document.name));
          void navigate({ to: `${kind.root}/$id`, params: { id: document.id } });
        },
        onError: (error) => {
          if (error instanceof ApiError && (error.code === 'conflict' || error.param === 'name')) onFault(error.message);
        },
      },
    );
  };
  return (
    <section className={classes.draft} aria-label={kind.texts.newTitle}>
      <LeaveGuard isDirty={() => dirty.current} />
      <Editor draft={draft} partial={partial} readOnly={false} describedBy={verdictId} saved={null} />
      <VerdictLine id={verdictId} draft={draft} />
      {create.error && !atName && <ErrorNotice error={create.error} />}
      <Group justify="flex-end" gap="xs">
        <LinkButton to={kind.root} variant="default">
          {texts.form.cancel}
        </LinkButton>
        <Button variant="default" disabled={draft.state !== 'good'} loading={create.isPending && !create.variables.publish} onClick={() => save(false)}>
          {texts.form.draft}
        </Button>
        {may(kind.publish, about.workspace || null) && (
          <Button disabled={draft.state !== 'good'} loading={create.isPending && create.variables.publish} onClick={() => save(true)}>
            {texts.form.publish}
          </Button>
        )}
      </Group>
    </section>
  );
}

export function NewDocumentPage({ kind }: { kind: Kind }) {
  const may = useMay();
  const { data: workspaces } = useQuery(workspacesQuery);
  const [chosen, setChosen] = useState(kind.templates[0]!.value);
  const [fault, setFault] = useState<string | null>(null);
  const [about, setAbout] = useState<About>({ name: '', description: '', workspace: '', note: '' });
  const touched = useRef(false);
  const places = [...(may(kind.write, null) ? [{ value: '', label: texts.shared }] : []), ...(kind.sharedOnly ? [] : (workspaces ?? [])).filter((one) => may(kind.write, one.id)).map((one) => ({ value: one.id, label: one.name }))];
  const workspace = places.some((place) => place.value === about.workspace) ? about.workspace : (places[0]?.value ?? '');
  const set = (name: keyof About) => (event: { currentTarget: { value: string } }) => {
    const { value } = event.currentTarget;
    setAbout((old) => ({ ...old, [name]: value }));
    if (name === 'name') setFault(null);
  };
  const template = kind.templates.find((one) => one.value === chosen)!;
  return (
    <Page title={kind.texts.newTitle} lead={kind.texts.newLead}>
      <div className={classes.fields}>
        <TextInput label={texts.form.name} description={texts.form.nameHelp} placeholder={kind.texts.namePlaceholder} value={about.name} error={fault} onChange={set('name')} maxLength={100} autoComplete="off" autoFocus />
        <TextInput label={texts.form.description} value={about.description} onChange={set('description')} maxLength={1000} autoComplete="off" />
        {!kind.sharedOnly && <NativeSelect label={texts.form.workspace} value={workspace} data={places} onChange={set('workspace')} />}
        <NativeSelect label={texts.form.template} value={chosen} data={kind.templates.map(({ value, label }) => ({ value, label }))} onChange={(event) => (!touched.current || window.confirm(texts.leave.text)) && setChosen(event.currentTarget.value)} />
      </div>
      <FirstVersion
        key={chosen}
        kind={kind}
        template={template}
        about={{ ...about, workspace }}
        onFault={setFault}
        isTouched={(dirty) => {
          touched.current = dirty;
        }}
      />
    </Page>
  );
}
