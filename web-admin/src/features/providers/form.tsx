import { Anchor, Button, Checkbox, Group, Modal, PasswordInput, Select, Stack, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { ApiError } from '../../api/errors';
import { ErrorNotice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import classes from './providers.module.css';
import { kindsQuery, useCreateProvider, type NewProvider } from './queries';
import type { ProviderKind } from './schema';
import { texts } from './texts';

type Values = { name: string; kind: string; base_url: string; api_key: string; api_keys: string; health_check: boolean; interval: string; settings: Record<string, string> };
type Setting = ProviderKind['settings'][number];

const FIRST_KIND = 'openai';

/* Objects and lists are for files and the API; a form would only get in their way. */
const shownSettings = (kind: ProviderKind | undefined): Setting[] => (kind?.settings ?? []).filter((setting) => setting.type === 'text');

function bodyOf(values: Values, kind: ProviderKind | undefined): NewProvider {
  const body: Record<string, unknown> = { name: values.name.trim(), kind: values.kind };
  if (values.base_url.trim()) body.base_url = values.base_url.trim();
  if (values.api_key) body.api_key = values.api_key;
  const further = values.api_keys.split('\n').map((key) => key.trim()).filter(Boolean);
  if (further.length > 0) body.api_keys = further;
  if (values.health_check) body.health_check = { interval_ms: Number(values.interval) * 1000 };
  for (const { name } of shownSettings(kind)) {
    const value = values.settings[name]?.trim();
    if (value) body[name] = value;
  }
  return body as NewProvider;
}

function SettingInput({ setting, ...input }: { setting: Setting; value: string; error?: React.ReactNode; onChange: (value: string) => void }) {
  const label = texts.form.setting(setting.name);
  const props = {
    label,
    description: setting.about.toLowerCase() === label.toLowerCase() ? undefined : setting.about,
    placeholder: setting.default ?? undefined,
    value: input.value,
    error: input.error,
    onChange: (event: { currentTarget: { value: string } }) => input.onChange(event.currentTarget.value),
  };
  if (setting.name === 'service_account') return <Textarea {...props} autosize minRows={2} maxRows={6} autoComplete="off" />;
  return setting.secret ? <PasswordInput {...props} autoComplete="new-password" /> : <TextInput {...props} autoComplete="off" maxLength={1024} />;
}

function ProviderForm({ onClose }: { onClose: () => void }) {
  const create = useCreateProvider();
  const kinds = useQuery(kindsQuery).data?.data ?? [];
  const kindNamed = (name: string) => kinds.find((kind) => kind.kind === name);
  const form = useForm<Values>({
    initialValues: { name: '', kind: FIRST_KIND, base_url: '', api_key: '', api_keys: '', health_check: false, interval: '10', settings: {} },
    validate: {
      name: (value) => (value.trim() ? null : texts.form.needName),
      base_url: (value, { kind }) => {
        const url = value.trim();
        if (!url) return kindNamed(kind)?.needs_base_url ? texts.form.needUrl : null;
        return /^https?:\/\/\S+$/.test(url) ? null : texts.form.needUrl;
      },
      interval: (value, { health_check }) => (!health_check || (/^\d{1,5}$/.test(value.trim()) && Number(value) >= 1 && Number(value) <= 86400) ? null : texts.form.needInterval),
    },
  });
  const kind = kindNamed(form.values.kind);
  const settings = shownSettings(kind);
  const fieldOf = (error: unknown) => {
    if (!(error instanceof ApiError)) return null;
    if (error.param && settings.some((setting) => setting.name === error.param)) return `settings.${error.param}`;
    if (error.param?.startsWith('api_keys')) return 'api_keys';
    if (error.param?.startsWith('health_check')) return 'interval';
    if (error.param && error.param in form.values) return error.param;
    return error.code === 'conflict' ? 'name' : null;
  };
  const submit = form.onSubmit((values) =>
    create.mutate(bodyOf(values, kind), {
      onSuccess: (made) => {
        notifyDone(texts.form.done(made.name));
        onClose();
      },
      onError: (error) => {
        const field = fieldOf(error);
        if (field) form.setFieldError(field, error.message);
      },
    }),
  );
  const options = kinds.length > 0 ? kinds.map(({ kind: value, title }) => ({ value, label: title })) : [{ value: FIRST_KIND, label: FIRST_KIND }];
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack gap="md">
        {create.error && !fieldOf(create.error) && <ErrorNotice error={create.error} />}
        <TextInput {...form.getInputProps('name')} label={texts.form.name} description={texts.form.nameHelp} placeholder={texts.form.namePlaceholder} maxLength={100} autoComplete="off" data-autofocus />
        <Select
          {...form.getInputProps('kind')}
          label={texts.form.kind}
          description={
            kind?.docs && (
              <Anchor href={kind.docs} target="_blank" rel="noreferrer" size="xs">
                {texts.form.kindDocs}
              </Anchor>
            )
          }
          data={options}
          searchable
          allowDeselect={false}
          maxDropdownHeight={280}
          nothingFoundMessage={texts.form.kindNone}
        />
        <TextInput
          {...form.getInputProps('base_url')}
          label={texts.form.url}
          description={kind && !kind.needs_base_url ? texts.form.urlOptional : texts.form.urlHelp}
          placeholder={kind?.base_url || texts.form.urlPlaceholder}
          type="url"
          autoComplete="off"
          inputMode="url"
          maxLength={1024}
        />
        <PasswordInput {...form.getInputProps('api_key')} label={texts.form.apiKey} description={texts.form.apiKeyHelp} autoComplete="new-password" />
        {settings.map((setting) => (
          <SettingInput
            key={setting.name}
            setting={setting}
            value={form.values.settings[setting.name] ?? ''}
            error={form.errors[`settings.${setting.name}`]}
            onChange={(value) => form.setFieldValue('settings', { ...form.values.settings, [setting.name]: value })}
          />
        ))}
        <details open={form.errors.api_keys !== undefined || form.errors.interval !== undefined || undefined} className={classes.more}>
          <summary>{texts.form.more}</summary>
          <Stack gap="md">
            <Textarea {...form.getInputProps('api_keys')} label={texts.form.apiKeys} description={texts.form.apiKeysHelp} autosize minRows={2} maxRows={8} autoComplete="off" spellCheck={false} />
            <Checkbox {...form.getInputProps('health_check', { type: 'checkbox' })} label={texts.form.healthCheck} description={texts.form.healthCheckHelp} />
            {form.values.health_check && <TextInput {...form.getInputProps('interval')} label={texts.form.interval} inputMode="numeric" maxLength={5} autoComplete="off" />}
          </Stack>
        </details>
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
