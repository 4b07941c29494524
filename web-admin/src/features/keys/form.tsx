/* Makes a key. Afterwards the dialog shows its secret, once, and closes only on purpose. */
import { Button, Group, Modal, NativeSelect, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { ApiError } from '../../api/errors';
import { CodeBlock } from '../../ui/code_block';
import { ErrorNotice } from '../../ui/notices';
import { modelNamesQuery } from '../models/queries';
import { workspacesQuery } from '../workspaces/queries';
import { useCreateKey, type NewKey } from './queries';
import { QuotaFields, SettingsFields } from './fields';
import type { CreatedKey } from './schema';
import { fieldOfKey, NO_QUOTAS, quotasBody, settingsBody, settingsOf, validateQuotas, validateSettings, type Quotas, type Settings } from './settings';
import { texts } from './texts';

interface Values extends Settings, Quotas {
  name: string;
  models: string[];
  expiry: string;
  date: string;
  workspace: string;
}

/* The moment at which a key ends; a chosen day counts to its end. */
export function expiryOf({ expiry, date }: Pick<Values, 'expiry' | 'date'>, now = new Date()): string | null {
  if (expiry === 'never') return null;
  if (expiry === 'date') return new Date(`${date}T23:59:59`).toISOString();
  return new Date(now.getTime() + Number(expiry) * 86_400_000).toISOString();
}

function snippetOf(secret: string, models: string[], known: string[]): string {
  const model = models.find((name) => !name.includes('*')) ?? known[0] ?? 'gpt-4o';
  return [
    `curl http://${window.location.hostname}:8787/v1/chat/completions \\`,
    `  -H "Authorization: Bearer ${secret}" \\`,
    '  -H "Content-Type: application/json" \\',
    `  -d '${JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] })}'`,
  ].join('\n');
}

interface KeyFormProps {
  create: ReturnType<typeof useCreateKey>;
  onMade: () => void;
  onClose: () => void;
}

function KeyForm({ create, onMade, onClose }: KeyFormProps) {
  const { data: known = [] } = useQuery(modelNamesQuery);
  const { data: workspaces = [] } = useQuery(workspacesQuery);
  const form = useForm<Values>({
    initialValues: { name: '', models: ['*'], expiry: 'never', date: '', workspace: '', ...settingsOf(null), ...NO_QUOTAS },
    validate: {
      ...validateSettings,
      ...validateQuotas,
      name: (value) => (value.trim() ? null : texts.form.needName),
      models: (value) => (value.length > 0 ? null : texts.form.needModels),
      date: (value, all) => (all.expiry !== 'date' || new Date(`${value}T23:59:59`).getTime() > Date.now() ? null : texts.form.needDate),
    },
  });
  const fieldOfRefusal = ({ code, param }: ApiError) => {
    const field = fieldOfKey(param);
    return field !== null && field in form.values ? field : code === 'conflict' ? 'name' : null;
  };
  const submit = form.onSubmit((values) => {
    const key: NewKey = { name: values.name.trim(), models: values.models, expires_at: expiryOf(values), ...settingsBody(values, settingsOf(null)), ...quotasBody(values) };
    if (workspaces.length > 1) key.workspace_id = values.workspace || workspaces[0]!.id;
    create.mutate(key, {
      onSuccess: onMade,
      onError: (error) => {
        const field = error instanceof ApiError ? fieldOfRefusal(error) : null;
        if (field !== null) form.setFieldError(field, error.message);
      },
    });
  });
  const atField = create.error instanceof ApiError && fieldOfRefusal(create.error) !== null;
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {create.error && !atField && <ErrorNotice error={create.error} />}
        <TextInput {...form.getInputProps('name')} label={texts.form.name} description={texts.form.nameHelp} placeholder={texts.form.namePlaceholder} maxLength={100} autoComplete="off" data-autofocus />
        {workspaces.length > 1 && <NativeSelect {...form.getInputProps('workspace')} label={texts.form.workspace} data={workspaces.map((w) => ({ value: w.id, label: w.name }))} />}
        <TagsInput {...form.getInputProps('models')} label={texts.form.models} description={texts.form.modelsHelp} data={['*', ...known]} splitChars={[',', ' ']} acceptValueOnBlur />
        <Group grow align="flex-start">
          <NativeSelect {...form.getInputProps('expiry')} label={texts.form.expiry} data={texts.expiry} />
          {form.values.expiry === 'date' && <TextInput {...form.getInputProps('date')} label={texts.form.expiryDate} type="date" />}
        </Group>
        <div>
          <QuotaFields form={form} />
          <SettingsFields form={form} />
        </div>
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

/* Of a key that was made, and of one that got another secret. */
export function Made({ created, onClose }: { created: CreatedKey; onClose: () => void }) {
  const { data: known = [] } = useQuery(modelNamesQuery);
  return (
    <Stack gap="md">
      <Text size="sm">{texts.made.warning}</Text>
      <CodeBlock secret label={texts.made.secret} value={created.secret} copyLabel={texts.made.copy} />
      <div>
        <CodeBlock label={texts.made.snippet} value={snippetOf(created.secret, created.models, known)} />
        <Text size="xs" c="dimmed" mt={6}>
          {texts.made.snippetHelp}
        </Text>
      </div>
      <Group justify="flex-end">
        <Button onClick={onClose}>{texts.made.close}</Button>
      </Group>
    </Stack>
  );
}

/* onClose takes the dialog out of the address: when it closes, and already once the key is made, so that loading the page
 * anew does not offer to make another. */
export function KeyDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const create = useCreateKey();
  const close = () => {
    onClose();
    create.reset(); // the secret goes with it
  };
  const created = create.data;
  return (
    <Modal
      opened={opened || created !== undefined}
      onClose={close}
      title={created ? texts.made.title(created.name) : texts.form.title}
      size="lg"
      closeOnClickOutside={false}
      closeOnEscape={!created}
      withCloseButton={!created}
    >
      {created ? <Made created={created} onClose={close} /> : <KeyForm create={create} onMade={onClose} onClose={close} />}
    </Modal>
  );
}
