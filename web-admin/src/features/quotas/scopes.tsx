/* Whose requests a budget or limit is about: parts in a form, and in words. */
import { Button, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useId } from 'react';
import { useMay } from '../../app/permissions';
import { PlusIcon } from '../../ui/icons';
import ui from '../../ui/ui.module.css';
import { Muted, Tags } from '../../ui/values';
import { membersQuery } from '../members/queries';
import { modelNamesQuery } from '../models/queries';
import { accounts } from '../service_accounts/queries';
import { teams } from '../teams/queries';
import { workspacesQuery } from '../workspaces/queries';
import type { Scope, ScopeDraft } from './schema';
import { texts } from './texts';

const MOST = 4;

/* Names that a value may have; what cannot be listed is typed. */
function useNames(kind: string): string[] {
  const may = useMay();
  const of = (what: string) => kind === what;
  const { data: workspaces = [] } = useQuery({ ...workspacesQuery, enabled: of('workspace') });
  const { data: team = [] } = useQuery({ ...teams.choicesQuery, enabled: of('team') });
  const { data: account = [] } = useQuery({ ...accounts.choicesQuery, enabled: of('service_account') });
  const { data: people = [] } = useQuery({ ...membersQuery, enabled: of('user') && may('member.read') });
  const { data: models = [] } = useQuery({ ...modelNamesQuery, enabled: of('model') && may('model.read') });
  const found = { workspace: workspaces.map((one) => one.name), team: team.map((one) => one.name), service_account: account.map((one) => one.name), user: people.map((one) => one.email), model: models };
  return found[kind as keyof typeof found] ?? [];
}

function ValueField({ kind, ...field }: { kind: string } & Record<string, unknown>) {
  const id = useId();
  const names = useNames(kind);
  return (
    <>
      <TextInput {...field} list={id} placeholder={kind === 'organization' ? '' : '*'} maxLength={200} autoComplete="off" />
      <datalist id={id}>
        {['*', ...names].map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}

export const validateScopes = {
  value: (value: string, values: { scopes: ScopeDraft[] }, path: string) => (value.trim() || values.scopes[Number(path.split('.')[1])]?.kind === 'organization' ? null : texts.scopes.needValue),
  name: (value: string, values: { scopes: ScopeDraft[] }, path: string) => (value.trim() || values.scopes[Number(path.split('.')[1])]?.kind !== 'metadata' ? null : texts.scopes.needMember),
};

export function ScopesField<V extends { scopes: ScopeDraft[] }>({ form }: { form: UseFormReturnType<V> }) {
  const { scopes } = form.values;
  return (
    <fieldset className={ui.fieldset}>
      <legend>{texts.scopes.legend}</legend>
      <Stack gap="xs">
        <Text size="xs" c="dimmed">
          {texts.scopes.help}
        </Text>
        {scopes.map(({ kind }, i) => (
          <div key={i} className={ui.builderRow}>
            <NativeSelect {...form.getInputProps(`scopes.${i}.kind`)} aria-label={`${texts.scopes.kind} ${i + 1}`} data={Object.entries(texts.kinds).map(([value, label]) => ({ value, label }))} />
            {kind === 'metadata' && <TextInput {...form.getInputProps(`scopes.${i}.name`)} aria-label={`${texts.scopes.member} ${i + 1}`} placeholder="department" maxLength={100} autoComplete="off" />}
            <ValueField kind={kind} {...form.getInputProps(`scopes.${i}.value`)} aria-label={`${texts.scopes.value} ${i + 1}`} />
            <Button variant="subtle" color="gray" aria-label={texts.scopes.remove(i + 1)} onClick={() => form.removeListItem('scopes', i)}>
              ×
            </Button>
          </div>
        ))}
        {form.errors.scopes && (
          <Text size="xs" c="var(--weir-bad)">
            {form.errors.scopes}
          </Text>
        )}
        {scopes.length < MOST && (
          <div>
            <Button size="compact-sm" variant="default" leftSection={<PlusIcon size={14} />} onClick={() => form.insertListItem('scopes', { kind: scopes.length === 0 ? 'team' : 'user', name: '', value: scopes.length === 0 ? '' : '*' } as never)}>
              {texts.scopes.add}
            </Button>
          </div>
        )}
      </Stack>
    </fieldset>
  );
}

/* "team interns", "each user", "metadata department = sales" */
export function scopeText({ kind, name, value, value_name }: Scope): string {
  const what = kind === 'metadata' ? `metadata ${name}` : (texts.kinds[kind] ?? kind);
  if (value === '*') return texts.scopes.each(what);
  if (value === '') return what;
  return kind === 'metadata' ? `${what} = ${value}` : `${what} ${value_name ?? value}`;
}

export function ScopeTags({ scopes }: { scopes: Scope[] }) {
  return scopes.length > 0 ? <Tags values={scopes.map(scopeText)} most={4} /> : <Muted>{texts.scopes.all}</Muted>;
}
