/* Changes a key, and gives it another secret. */
import { Modal, NativeSelect, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { ApiError } from '../../api/errors';
import { useQuery } from '@tanstack/react-query';
import { DialogForm, FormModal } from '../../ui/dialog_form';
import { notifyDone } from '../../ui/notify';
import { modelNamesQuery } from '../models/queries';
import { SettingsFields } from './fields';
import { Made } from './form';
import { useChangeKey, useRotateKey } from './queries';
import type { Key } from './schema';
import { fieldOfKey, settingsBody, settingsOf, validateSettings, type Settings } from './settings';
import { texts } from './texts';

interface Values extends Settings {
  name: string;
  models: string[];
}

/* The refusal with the name of its field in this form. */
function here(error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  return new ApiError(error.status, error.code, error.message, fieldOfKey(error.param), error.requestId, error.retryAfterS);
}

function ChangeForm({ changed, onClose }: { changed: Key; onClose: () => void }) {
  const change = useChangeKey(changed.id, changed.revision);
  const { data: known = [] } = useQuery(modelNamesQuery);
  const before = settingsOf(changed);
  const form = useForm<Values>({
    initialValues: { name: changed.name, models: changed.models, ...before },
    validate: { ...validateSettings, name: (value) => (value.trim() ? null : texts.form.needName) },
  });
  const submit = (values: Values) =>
    change.mutate(
      {
        ...(values.name.trim() !== changed.name && { name: values.name.trim() }),
        ...(JSON.stringify(values.models) !== JSON.stringify(changed.models) && { models: values.models }),
        ...settingsBody(values, before),
      },
      {
        onSuccess: ({ name }) => {
          notifyDone(texts.change.done(name));
          onClose();
        },
      },
    );
  return (
    <DialogForm form={form} onSubmit={submit} busy={change.isPending} error={change.error && stable(change.error)} submit={texts.change.submit} onClose={onClose}>
      <TextInput {...form.getInputProps('name')} label={texts.form.name} maxLength={100} autoComplete="off" />
      <TagsInput {...form.getInputProps('models')} label={texts.form.models} description={texts.form.modelsHelp} data={['*', ...known]} splitChars={[',', ' ']} acceptValueOnBlur />
      <SettingsFields form={form} />
    </DialogForm>
  );
}

/* One object for one refusal, so that it is told once. */
const seen = new WeakMap<object, unknown>();
function stable(error: Error): unknown {
  if (!seen.has(error)) seen.set(error, here(error));
  return seen.get(error);
}

export function ChangeDialog({ changed, onClose }: { changed: Key; onClose: () => void }) {
  return (
    <FormModal title={texts.change.title(changed.name)} onClose={onClose}>
      <ChangeForm changed={changed} onClose={onClose} />
    </FormModal>
  );
}

export function RotateDialog({ rotated, onClose }: { rotated: Key; onClose: () => void }) {
  const rotate = useRotateKey(rotated.id);
  const form = useForm({ initialValues: { overlap_s: '1800' } });
  const close = () => {
    onClose();
    rotate.reset(); // the secret goes with it
  };
  const made = rotate.data;
  return (
    <Modal opened onClose={close} title={made ? texts.made.title(made.name) : texts.rotate.title(rotated.name)} size="lg" closeOnClickOutside={false} closeOnEscape={!made} withCloseButton={!made}>
      {made ? (
        <Made created={made} onClose={close} />
      ) : (
        <DialogForm form={form} onSubmit={({ overlap_s }) => rotate.mutate(Number(overlap_s))} busy={rotate.isPending} error={rotate.error} submit={texts.rotate.submit} onClose={close}>
          <Stack gap="md">
            <Text size="sm">{texts.rotate.text}</Text>
            <NativeSelect {...form.getInputProps('overlap_s')} label={texts.rotate.overlap} data={texts.rotate.overlaps} />
          </Stack>
        </DialogForm>
      )}
    </Modal>
  );
}
