/* What is asked about a document: to publish a version, to point labels at it, what it is called. */
import { Button, CloseButton, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useState } from 'react';
import { ApiError } from '../../api/errors';
import { ErrorNotice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { Muted } from '../../ui/values';
import classes from './documents.module.css';
import type { Kind } from './kind';
import { usePublish, useRemoveLabel, useSetLabel, useUpdate } from './queries';
import { faultOfLabel, isName, type Document, type Version } from './schema';
import { texts } from './texts';

export function PublishDialog({ kind, document, version, onClose }: { kind: Kind; document: Document; version: Version; onClose: () => void }) {
  const publish = usePublish(kind.root, document.id);
  const back = version.number < document.published_version;
  return (
    <Modal opened onClose={onClose} title={(back ? texts.publish.backTitle : texts.publish.title)(document.name, version.number)}>
      <Stack gap="md">
        <Text size="sm">{texts.publish.text(document.published_version)}</Text>
        {publish.error && <ErrorNotice error={publish.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose} data-autofocus>
            {texts.publish.cancel}
          </Button>
          <Button
            loading={publish.isPending}
            onClick={() =>
              publish.mutate(version.number, {
                onSuccess: () => {
                  notifyDone(texts.editor.published(document.name, version.number));
                  onClose();
                },
              })
            }
          >
            {back ? texts.publish.backConfirm : texts.publish.confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

export function LabelsDialog({ kind, document, number, onClose }: { kind: Kind; document: Document; number: number; onClose: () => void }) {
  const set = useSetLabel(kind.root, document.id);
  const remove = useRemoveLabel(kind.root, document.id);
  const [label, setLabel] = useState('');
  const [fault, setFault] = useState<string | null>(null);
  const here = Object.entries(document.labels).filter(([, version]) => version === number);
  const elsewhere = document.labels[label.trim()];
  const error = set.error ?? remove.error;
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    const name = label.trim();
    const wrong = faultOfLabel(name);
    setFault(wrong && texts.labels.fault[wrong]);
    if (wrong) return;
    set.mutate({ label: name, version: number }, {
      onSuccess: () => {
        notifyDone(texts.labels.done(name, number));
        setLabel('');
      },
    });
  };
  return (
    <Modal opened onClose={onClose} title={texts.labels.title(number)}>
      <Stack gap="md">
        <Text size="sm">{texts.labels.lead(document.name, here[0]?.[0] ?? 'production')}</Text>
        {error && <ErrorNotice error={error} />}
        {here.length === 0 ? (
          <Muted>{texts.labels.none}</Muted>
        ) : (
          <ul className={classes.labels} aria-label={texts.labels.title(number)}>
            {here.map(([name]) => (
              <li key={name} className={classes.label}>
                {name}
                <CloseButton size="xs" aria-label={texts.labels.remove(name)} disabled={remove.isPending} onClick={() => remove.mutate(name, { onSuccess: () => notifyDone(texts.labels.removed(name)) })} />
              </li>
            ))}
          </ul>
        )}
        <form onSubmit={submit} noValidate>
          <div className={classes.bar}>
            <TextInput
              label={texts.labels.add}
              placeholder={texts.labels.placeholder}
              description={elsewhere !== undefined && elsewhere !== number ? texts.labels.elsewhere(label.trim(), elsewhere) : undefined}
              value={label}
              error={fault}
              maxLength={63}
              autoComplete="off"
              data-autofocus
              onChange={(event) => {
                setLabel(event.currentTarget.value);
                setFault(null);
              }}
            />
            <Button type="submit" loading={set.isPending}>
              {texts.labels.submit}
            </Button>
          </div>
        </form>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {texts.labels.close}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

export function DetailsDialog({ kind, document, onClose }: { kind: Kind; document: Document; onClose: () => void }) {
  const update = useUpdate(kind.root, document.id);
  const form = useForm({
    initialValues: { name: document.name, description: document.description },
    validate: { name: (value) => (isName(value.trim()) ? null : texts.form.needName) },
  });
  const atName = update.error instanceof ApiError && (update.error.code === 'conflict' || update.error.param === 'name');
  const submit = form.onSubmit(({ name, description }) =>
    update.mutate({ name: name.trim(), description: description.trim(), revision: document.revision }, {
      onSuccess: () => {
        notifyDone(texts.details.done);
        onClose();
      },
      onError: (error) => {
        if (error instanceof ApiError && (error.code === 'conflict' || error.param === 'name')) form.setFieldError('name', error.message);
      },
    }),
  );
  return (
    <Modal opened onClose={onClose} title={texts.details.title(document.name)}>
      <form onSubmit={submit} noValidate autoComplete="off">
        <Stack gap="md">
          {update.error && !atName && <ErrorNotice error={update.error} />}
          <TextInput {...form.getInputProps('name')} label={texts.form.name} description={texts.details.renameHelp} maxLength={100} data-autofocus />
          <TextInput {...form.getInputProps('description')} label={texts.form.description} maxLength={1000} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              {texts.details.cancel}
            </Button>
            <Button type="submit" loading={update.isPending}>
              {texts.details.submit}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
