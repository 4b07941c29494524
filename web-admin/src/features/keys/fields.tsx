/* The members of a key, in the form that makes one and in the one that changes it: those that few need are folded away. */
import { Checkbox, NativeSelect, Stack, TagsInput, Textarea, TextInput } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { permissionsQuery, useMay } from '../../app/permissions';
import { useSession } from '../../app/session';
import ui from '../../ui/ui.module.css';
import { WINDOWS } from '../budgets/form';
import { ReferenceField } from '../configs/reference_field';
import { membersQuery } from '../members/queries';
import { accounts } from '../service_accounts/queries';
import { PriceGroupField } from '../teams/form';
import { teams } from '../teams/queries';
import classes from './keys.module.css';
import type { Quotas, Settings } from './settings';
import { texts } from './texts';

const ENDPOINTS = ['chat.completions', 'responses', 'messages', 'generate_content', 'converse', 'invoke_model', 'chat', 'embeddings', 'rerank', 'count_tokens', 'prompts.completions', 'prompts.render', 'universal', 'models', 'usage', 'native'];

const tags = { splitChars: [',', ' '], acceptValueOnBlur: true };

type Form<V> = UseFormReturnType<V>;

/* Opens by itself where one of its fields is wrong. */
function Folded<V>({ form, names, title, children }: { form: Form<V>; names: string[]; title: string; children: ReactNode }) {
  return (
    <details open={names.some((name) => form.errors[name] !== undefined) || undefined} className={classes.more}>
      <summary>{title}</summary>
      <Stack gap="md">{children}</Stack>
    </details>
  );
}

/* People and service accounts, and whoever has it now. */
function OwnerField({ now, ...field }: { now: string } & Record<string, unknown>) {
  const may = useMay();
  const me = useSession()?.user;
  const { data: people = [] } = useQuery({ ...membersQuery, enabled: may('member.read') });
  const { data: robots = [] } = useQuery({ ...accounts.choicesQuery, enabled: may('service_account.read') });
  const persons = new Map(people.map(({ user_id, email }) => [user_id, email]));
  if (persons.size === 0 && me) persons.set(me.id, me.email);
  const known = now === '' || persons.has(now) || robots.some(({ id }) => id === now);
  return (
    <NativeSelect {...field} label={texts.form.owner} description={texts.form.ownerHelp}>
      <option value="">{texts.form.nobody}</option>
      {!known && <option value={now}>{now}</option>}
      {robots.length > 0 && (
        <optgroup label={texts.form.robots}>
          {robots.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </optgroup>
      )}
      <optgroup label={texts.form.people}>
        {[...persons].map(([id, email]) => (
          <option key={id} value={id}>
            {email}
          </option>
        ))}
      </optgroup>
    </NativeSelect>
  );
}

function Belongs<V extends Settings>({ form }: { form: Form<V> }) {
  const may = useMay();
  const { data: known = [] } = useQuery({ ...teams.choicesQuery, enabled: may('team.read') });
  return (
    <Folded form={form} names={['owner', 'team_id', 'price_group']} title={texts.form.belongs}>
      <div className={ui.pair}>
        <OwnerField {...form.getInputProps('owner')} now={form.values.owner} />
        <NativeSelect {...form.getInputProps('team_id')} label={texts.form.team} data={[{ value: '', label: texts.form.noTeam }, ...known.map(({ id, name }) => ({ value: id, label: name }))]} />
        <PriceGroupField none={texts.form.noPriceGroup} {...form.getInputProps('price_group')} label={texts.form.priceGroup} />
      </div>
    </Folded>
  );
}

function Reach<V extends Settings>({ form }: { form: Form<V> }) {
  const field = (name: keyof Settings & string) => ({ ...form.getInputProps(name), ...tags });
  return (
    <Folded form={form} names={['endpoints', 'providers', 'configs', 'mcp_tools', 'ip_allow', 'required_metadata', 'metadata']} title={texts.form.reach}>
      <div className={ui.pair}>
        <TagsInput {...field('endpoints')} label={texts.form.endpoints} description={texts.form.allWhenEmpty} data={ENDPOINTS} />
        <TagsInput {...field('providers')} label={texts.form.providers} description={texts.form.providersHelp} />
        <TagsInput {...field('configs')} label={texts.form.configs} description={texts.form.configsHelp} />
        <TagsInput {...field('mcp_tools')} label={texts.form.tools} description={texts.form.toolsHelp} />
        <TagsInput {...field('ip_allow')} label={texts.form.ip} description={texts.form.ipHelp} />
        <TagsInput {...field('required_metadata')} label={texts.form.required} description={texts.form.requiredHelp} />
      </div>
      <Textarea {...form.getInputProps('metadata')} label={texts.form.metadata} description={texts.form.metadataHelp} placeholder='{"department": "sales"}' rows={2} autoComplete="off" />
    </Folded>
  );
}

function Administers<V extends Settings>({ form }: { form: Form<V> }) {
  const { data } = useQuery(permissionsQuery);
  const may = useMay();
  const names = (data?.permissions ?? []).filter(({ name, workspace }) => workspace && may(name)).map(({ name }) => name);
  return (
    <Folded form={form} names={['admin_permissions']} title={texts.form.admin}>
      <TagsInput {...form.getInputProps('admin_permissions')} {...tags} label={texts.form.permissions} description={texts.form.permissionsHelp} data={names} />
    </Folded>
  );
}

function Routing<V extends Settings>({ form }: { form: Form<V> }) {
  return (
    <Folded form={form} names={['config', 'config_locked', 'tags']} title={texts.form.more}>
      <ReferenceField {...form.getInputProps('config')} />
      <Checkbox {...form.getInputProps('config_locked', { type: 'checkbox' })} label={texts.form.configLocked} description={texts.form.configLockedHelp} />
      <TagsInput {...form.getInputProps('tags')} {...tags} label={texts.form.tags} description={texts.form.tagsHelp} maxTags={50} />
    </Folded>
  );
}

export function SettingsFields<V extends Settings>({ form }: { form: Form<V> }) {
  return (
    <div>
      <Belongs form={form} />
      <Reach form={form} />
      <Routing form={form} />
      <Administers form={form} />
    </div>
  );
}

export function QuotaFields<V extends Quotas>({ form }: { form: Form<V> }) {
  const may = useMay();
  const budget = may('budget.write');
  const limit = may('limit.write');
  if (!budget && !limit) return null;
  return (
    <Folded form={form} names={['budget_amount', 'limit_requests', 'limit_tokens']} title={texts.form.quotas}>
      <div className={ui.pair}>
        {budget && <TextInput {...form.getInputProps('budget_amount')} label={texts.form.budget} description={texts.form.budgetHelp} inputMode="decimal" leftSection="$" autoComplete="off" />}
        {budget && <NativeSelect {...form.getInputProps('budget_window')} label={texts.form.budgetWindow} description={texts.form.budgetWindowHelp} data={WINDOWS} />}
        {limit && <TextInput {...form.getInputProps('limit_requests')} label={texts.form.requests} inputMode="numeric" autoComplete="off" />}
        {limit && <TextInput {...form.getInputProps('limit_tokens')} label={texts.form.tokens} inputMode="numeric" autoComplete="off" />}
      </div>
    </Folded>
  );
}
