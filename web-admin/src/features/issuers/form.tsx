/* Connects an identity provider, or changes one. Members that the form does not show stay as they are. */
import { Button, Checkbox, PasswordInput, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useForm, type UseFormReturnType } from '@mantine/form';
import { useSession } from '../../app/session';
import { CodeBlock } from '../../ui/code_block';
import { DialogForm, FormModal } from '../../ui/dialog_form';
import { PlusIcon } from '../../ui/icons';
import { notifyDone } from '../../ui/notify';
import ui from '../../ui/ui.module.css';
import { issuers } from './queries';
import { claimNames, ruleDraftOf, rulesOf, type Issuer, type RuleDraft } from './schema';
import { texts } from './texts';

interface Values {
  name: string;
  issuer: string;
  client_id: string;
  client_secret: string;
  login: boolean;
  admin_api: boolean;
  data_plane: boolean;
  audiences: string[];
  algorithms: string[];
  key_ids: string[];
  group_rules: RuleDraft[];
  scopes: string[];
  email_domains: string[];
  leeway_s: string;
  jwks_uri: string;
  disabled: boolean;
  claims: Record<string, string>;
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

function valuesOf(row: Issuer | null): Values {
  return {
    name: row?.name ?? '',
    issuer: row?.issuer ?? '',
    client_id: row?.client_id ?? '',
    client_secret: '',
    login: row?.login ?? true,
    admin_api: row?.admin_api ?? false,
    data_plane: row?.data_plane ?? false,
    audiences: row?.audiences ?? [],
    algorithms: row?.algorithms ?? ['RS256', 'ES256'],
    key_ids: row?.key_ids ?? [],
    group_rules: row?.group_rules.map(ruleDraftOf) ?? [],
    scopes: row?.scopes ?? [],
    email_domains: row?.email_domains ?? [],
    leeway_s: String(row?.leeway_s ?? 60),
    jwks_uri: row?.jwks_uri ?? '',
    disabled: row?.disabled ?? false,
    claims: Object.fromEntries(claimNames.map((name) => [name, row?.claims[name] ?? ''])),
  };
}

/* Only what differs from the row, or from what is usual. */
export function bodyOf(values: Values, row: Issuer | null): Record<string, unknown> {
  const before = valuesOf(row);
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const body: Record<string, unknown> = { name: values.name.trim(), ...(!row && { issuer: values.issuer.trim() }) };
  for (const name of ['client_id', 'jwks_uri'] as const) if (values[name].trim() !== before[name]) body[name] = values[name].trim();
  for (const name of ['audiences', 'algorithms', 'key_ids', 'scopes', 'email_domains'] as const) if (!same(values[name], before[name])) body[name] = values[name];
  for (const name of ['login', 'admin_api', 'data_plane', 'disabled'] as const) if (!row || values[name] !== before[name]) body[name] = values[name];
  if (values.leeway_s !== before.leeway_s) body.leeway_s = Number(values.leeway_s);
  if (values.client_secret) body.client_secret = values.client_secret;
  if (!same(values.group_rules, before.group_rules)) body.group_rules = rulesOf(values.group_rules, row?.group_rules);
  if (!same(values.claims, before.claims)) body.claims = { ...(row?.claims.metadata ? { metadata: row.claims.metadata } : {}), ...Object.fromEntries(Object.entries(values.claims).filter(([, claim]) => claim.trim() !== '')) };
  return body;
}

function RulesField({ form }: { form: UseFormReturnType<Values> }) {
  return (
    <fieldset className={ui.fieldset}>
      <legend>{texts.form.rules}</legend>
      <Stack gap="xs">
        <Text size="xs" c="dimmed">
          {texts.form.rulesHelp}
        </Text>
        {form.values.group_rules.map((_, i) => (
          <div key={i} className={ui.builderRow}>
            {(['group', 'workspace', 'role', 'team'] as const).map((name) => (
              <TextInput key={name} {...form.getInputProps(`group_rules.${i}.${name}`)} aria-label={texts.form[name](i + 1)} placeholder={texts.form.placeholders[name]} maxLength={200} autoComplete="off" />
            ))}
            <Button variant="subtle" color="gray" aria-label={texts.form.dropRule(i + 1)} onClick={() => form.removeListItem('group_rules', i)}>
              ×
            </Button>
          </div>
        ))}
        {form.errors.group_rules && (
          <Text size="xs" c="var(--weir-bad)">
            {form.errors.group_rules}
          </Text>
        )}
        <div>
          <Button size="compact-sm" variant="default" leftSection={<PlusIcon size={14} />} onClick={() => form.insertListItem('group_rules', { group: '', workspace: '', role: '', team: '' })}>
            {texts.form.addRule}
          </Button>
        </div>
      </Stack>
    </fieldset>
  );
}

const tags = { splitChars: [',', ' '], acceptValueOnBlur: true };

function Special({ form, platform }: { form: UseFormReturnType<Values>; platform: boolean }) {
  return (
    <details open={['claims', 'scopes', 'leeway_s', 'jwks_uri', 'email_domains'].some((name) => form.errors[name] !== undefined) || undefined}>
      <summary>{texts.form.more}</summary>
      <Stack gap="md" mt="sm">
        <div className={ui.pair}>
          {claimNames.map((name) => (
            <TextInput key={name} {...form.getInputProps(`claims.${name}`)} label={texts.form.claim[name]} maxLength={200} autoComplete="off" />
          ))}
        </div>
        <div className={ui.pair}>
          <TagsInput {...form.getInputProps('scopes')} {...tags} label={texts.form.scopes} placeholder={form.values.scopes.length > 0 ? undefined : 'openid profile email'} />
          {platform && <TagsInput {...form.getInputProps('email_domains')} {...tags} label={texts.form.domains} />}
          <TextInput {...form.getInputProps('leeway_s')} label={texts.form.leeway} inputMode="numeric" autoComplete="off" />
          <TextInput {...form.getInputProps('jwks_uri')} label={texts.form.jwks} description={texts.form.jwksHelp} maxLength={2000} autoComplete="off" />
        </div>
        <Checkbox {...form.getInputProps('disabled', { type: 'checkbox' })} label={texts.form.disabled} />
      </Stack>
    </details>
  );
}

function IssuerForm({ row, onClose }: { row: Issuer | null; onClose: () => void }) {
  const save = issuers.useSave();
  const platform = useSession()?.platform_admin ?? false;
  const form = useForm<Values>({
    initialValues: valuesOf(row),
    validate: {
      name: (value) => (value.trim() ? null : texts.form.needName),
      issuer: (value) => (row || /^https?:\/\/\S+$/.test(value.trim()) ? null : texts.form.needIssuer),
      leeway_s: (value) => (/^\d{1,4}$/.test(value.trim()) ? null : texts.form.needSeconds),
      group_rules: { group: (value) => (value.trim() ? null : texts.form.needGroup) },
    },
  });
  const submit = (values: Values) =>
    save.mutate(
      { row, body: bodyOf(values, row) },
      {
        onSuccess: ({ name }) => {
          notifyDone((row ? texts.form.saved : texts.form.made)(name));
          onClose();
        },
      },
    );
  const { admin_api, data_plane } = form.values;
  return (
    <DialogForm form={form} rows={['group_rules']} onSubmit={submit} busy={save.isPending} error={save.error} submit={row ? texts.form.save : texts.form.create} onClose={onClose}>
      <div className={ui.pair}>
        <TextInput {...form.getInputProps('name')} label={texts.form.name} description={texts.form.nameHelp} maxLength={100} autoComplete="off" data-autofocus />
        <TextInput {...form.getInputProps('issuer')} label={texts.form.issuer} description={texts.form.issuerHelp} placeholder="https://idp.example.com" disabled={row !== null} maxLength={2000} autoComplete="off" />
        <TextInput {...form.getInputProps('client_id')} label={texts.form.clientId} maxLength={400} autoComplete="off" />
        <PasswordInput {...form.getInputProps('client_secret')} label={texts.form.clientSecret} description={row?.client_secret_set ? texts.form.secretKept : texts.form.secretHelp} autoComplete="new-password" />
      </div>
      <fieldset className={ui.fieldset}>
        <legend>{texts.form.opens}</legend>
        <Stack gap="xs">
          <Checkbox {...form.getInputProps('login', { type: 'checkbox' })} label={texts.form.login} />
          <Checkbox {...form.getInputProps('admin_api', { type: 'checkbox' })} label={texts.form.adminApi} />
          <Checkbox {...form.getInputProps('data_plane', { type: 'checkbox' })} label={texts.form.dataPlane} />
        </Stack>
      </fieldset>
      {(admin_api || data_plane) && (
        <div className={ui.pair}>
          <TagsInput {...form.getInputProps('audiences')} {...tags} label={texts.form.audiences} description={texts.form.audiencesHelp} />
          <TagsInput {...form.getInputProps('algorithms')} {...tags} label={texts.form.algorithms} data={ALGORITHMS} />
          {data_plane && <TagsInput {...form.getInputProps('key_ids')} {...tags} label={texts.form.keys} description={texts.form.keysHelp} />}
        </div>
      )}
      <RulesField form={form} />
      <Special form={form} platform={platform} />
      {row?.redirect_uri && <CodeBlock label={texts.form.redirect} value={row.redirect_uri} />}
    </DialogForm>
  );
}

export function IssuerDialog({ row, onClose }: { row: Issuer | null; onClose: () => void }) {
  return (
    <FormModal title={row ? texts.form.title(row.name) : texts.form.newTitle} size="xl" onClose={onClose}>
      <IssuerForm row={row} onClose={onClose} />
    </FormModal>
  );
}
