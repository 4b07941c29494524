import { Button, Group, Modal, NativeSelect, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { ApiError } from '../../api/errors';
import { ErrorNotice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { useCreateProvider, type NewProvider } from './queries';
import { texts } from './texts';

function ProviderForm({ onClose }: { onClose: () => void }) {
  const create = useCreateProvider();
  const form = useForm({
    initialValues: { name: '', kind: 'openai' as NewProvider['kind'], base_url: '', api_key: '' },
    validate: {
      name: (value) => (value.trim() ? null : texts.form.needName),
      base_url: (value) => (/^https?:\/\/\S+$/.test(value.trim()) ? null : texts.form.needUrl),
    },
  });
  const fieldOf = (error: unknown) =>
    error instanceof ApiError ? (error.param && error.param in form.values ? error.param : error.code === 'conflict' ? 'name' : null) : null;
  const submit = form.onSubmit((values) => {
    const provider: NewProvider = { name: values.name.trim(), kind: values.kind, base_url: values.base_url.trim() };
    if (values.api_key) provider.api_key = values.api_key;
    create.mutate(provider, {
      onSuccess: (made) => {
        notifyDone(texts.form.done(made.name));
        onClose();
      },
      onError: (error) => {
        const field = fieldOf(error);
        if (field) form.setFieldError(field, error.message);
      },
    });
  });
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack gap="md">
        {create.error && !fieldOf(create.error) && <ErrorNotice error={create.error} />}
        <TextInput {...form.getInputProps('name')} label={texts.form.name} description={texts.form.nameHelp} placeholder={texts.form.namePlaceholder} maxLength={100} autoComplete="off" data-autofocus />
        <NativeSelect {...form.getInputProps('kind')} label={texts.form.kind} data={texts.kinds} />
        <TextInput {...form.getInputProps('base_url')} label={texts.form.url} description={texts.form.urlHelp} placeholder={texts.form.urlPlaceholder} type="url" autoComplete="off" inputMode="url" maxLength={500} />
        <PasswordInput {...form.getInputProps('api_key')} label={texts.form.apiKey} description={texts.form.apiKeyHelp} autoComplete="new-password" />
        <Group justify="flex-end" gap="xs" mt="xs">
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

export function ProviderDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title={texts.form.title} closeOnClickOutside={false}>
      <ProviderForm onClose={onClose} />
    </Modal>
  );
}
