/* Names a model and who answers it: one target, and fallbacks in order. */
import { Button, CloseButton, Group, Modal, NativeSelect, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { ApiError } from '../../api/errors';
import { PlusIcon } from '../../ui/icons';
import { ErrorNotice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { ReferenceField } from '../configs/reference_field';
import { kindsQuery } from '../providers/queries';
import type { Provider } from '../providers/schema';
import classes from './models.module.css';
import { useCreateModel } from './queries';
import { texts } from './texts';

function fieldOf(error: unknown): string | null {
  if (!(error instanceof ApiError)) return null;
  if (error.param === 'config') return 'config';
  return error.param === 'name' || error.code === 'conflict' ? 'name' : null;
}

function ModelForm({ providers, onClose }: { providers: Provider[]; onClose: () => void }) {
  const create = useCreateModel();
  const kinds = useQuery(kindsQuery).data?.data ?? [];
  const target = { provider: providers[0]?.name ?? '', model: '', endpoint: '' };
  const endpointsOf = (name: string) => kinds.find(({ kind }) => kind === providers.find((provider) => provider.name === name)?.kind)?.endpoints ?? [];
  const form = useForm({
    initialValues: { name: '', by: 'targets', config: '', targets: [target] },
    validate: {
      name: (value) => (value.trim() ? null : texts.form.needName),
      config: (value, { by }) => (by === 'config' && !value.trim() ? texts.form.needConfig : null),
    },
  });
  const submit = form.onSubmit(({ name, by, config, targets }) =>
    create.mutate(
      // the first is chosen by weight, the others follow in their order
      by === 'config' ? { name: name.trim(), config: config.trim() } : { name: name.trim(), targets: targets.map(({ provider, model, endpoint }, i) => ({ provider, model: model.trim() || name.trim(), weight: i === 0 ? 1 : 0, ...(endpoint && endpointsOf(provider).includes(endpoint) ? { endpoint } : {}) })) },
      {
        onSuccess: (made) => {
          notifyDone(texts.form.done(made.name));
          onClose();
        },
        onError: (error) => {
          const field = fieldOf(error);
          if (field) form.setFieldError(field, error.message);
        },
      },
    ),
  );
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack gap="md">
        {create.error && !fieldOf(create.error) && <ErrorNotice error={create.error} />}
        <TextInput {...form.getInputProps('name')} label={texts.form.name} description={texts.form.nameHelp} placeholder={texts.form.namePlaceholder} maxLength={200} autoComplete="off" data-autofocus />
        <NativeSelect {...form.getInputProps('by')} label={texts.form.answeredBy} data={[{ value: 'targets', label: texts.form.byTargets }, { value: 'config', label: texts.form.byConfig }]} />
        {form.values.by === 'config' && <ReferenceField {...form.getInputProps('config')} />}
        {form.values.by === 'targets' && form.values.targets.map((_, i) => (
          <div key={i} className={classes.target}>
            <NativeSelect {...form.getInputProps(`targets.${i}.provider`)} label={texts.form.provider} data={providers.map((provider) => provider.name)} />
            <TextInput {...form.getInputProps(`targets.${i}.model`)} label={texts.form.model} placeholder={form.values.name || texts.form.namePlaceholder} maxLength={200} autoComplete="off" />
            {endpointsOf(form.values.targets[i]!.provider).length > 1 && (
              <NativeSelect {...form.getInputProps(`targets.${i}.endpoint`)} label={texts.form.endpoint} data={[{ value: '', label: texts.form.anyEndpoint }, ...endpointsOf(form.values.targets[i]!.provider)]} />
            )}
            {i > 0 && <CloseButton aria-label={texts.form.remove} onClick={() => form.removeListItem('targets', i)} />}
          </div>
        ))}
        {form.values.by === 'targets' && (
          <div>
            <Button variant="subtle" size="compact-sm" leftSection={<PlusIcon size={14} />} onClick={() => form.insertListItem('targets', target)}>
              {texts.form.another}
            </Button>
          </div>
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {texts.form.cancel}
          </Button>
          <Button type="submit" loading={create.isPending}>
            {texts.form.submit}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

export function ModelDialog({ opened, providers, onClose }: { opened: boolean; providers: Provider[]; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title={texts.form.title} closeOnClickOutside={false}>
      <ModelForm key={providers.length > 0 ? 'with' : 'without'} providers={providers} onClose={onClose} />
    </Modal>
  );
}
