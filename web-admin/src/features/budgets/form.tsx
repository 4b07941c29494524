/* Makes a budget or changes one. What an amount is of cannot be changed. */
import { Checkbox, NativeSelect, Stack, TagsInput, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useId } from 'react';
import { faultOfAmount } from '../../ui/amount';
import { DialogForm, FormModal } from '../../ui/dialog_form';
import { notifyDone } from '../../ui/notify';
import ui from '../../ui/ui.module.css';
import { modelNamesQuery } from '../models/queries';
import { ScopesField, validateScopes } from '../quotas/scopes';
import { draftOf, scopesOf, type ScopeDraft } from '../quotas/schema';
import { texts as quota } from '../quotas/texts';
import { placeOf, usePlaces, WorkspaceField } from '../workspaces/field';
import { budgets, useIncrease } from './queries';
import { percentsOf, type Budget } from './schema';
import { texts } from './texts';

export interface Values {
  name: string;
  workspace_id: string;
  scopes: ScopeDraft[];
  metric: string;
  amount: string;
  window: string;
  zone: string;
  mode: string;
  downgrade_model: string;
  alert_percents: string[];
  max_cost: string;
  when_unavailable: string;
  max_values: string;
  disabled: boolean;
}

export const WINDOWS = ['hour', 'day', 'week', 'month', 'total'].map((value) => ({ value, label: quota.windows[value]! }));
export const METRICS = ['cost', 'tokens', 'requests'].map((value) => ({ value, label: quota.metrics[value]! }));

/* An amount of the metric, told why it is none. */
export function amountFault(metric: string, value: string): string | null {
  const fault = faultOfAmount(metric, value);
  if (fault === null) return null;
  return fault === 'none' ? quota.amount.none : metric === 'cost' ? quota.amount.cost : quota.amount.whole;
}

function valuesOf(row: Budget | null, workspace: string): Values {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return {
    name: row?.name ?? '',
    workspace_id: row?.workspace_id ?? workspace,
    scopes: row?.scopes.map(draftOf) ?? [],
    metric: row?.metric ?? 'cost',
    amount: row?.amount ?? '',
    window: row?.window ?? 'month',
    zone: row ? row.zone : own === 'UTC' ? '' : own,
    mode: row?.mode ?? 'hard',
    downgrade_model: row?.downgrade_model ?? '',
    alert_percents: row ? row.alert_percents.map(String) : ['50', '80', '100'],
    max_cost: row && !/^0(\.0+)?$/.test(row.max_cost) ? row.max_cost : '',
    when_unavailable: row?.when_unavailable || 'refuse',
    max_values: row?.max_values ? String(row.max_values) : '',
    disabled: row?.disabled ?? false,
  };
}

/* What is sent: no member that the reader did not mean. */
export function bodyOf(values: Values, row: Budget | null): Record<string, unknown> {
  const { name, workspace_id, scopes, metric, amount, window, zone, mode, downgrade_model, alert_percents, max_cost, when_unavailable, max_values, disabled } = values;
  return {
    name: name.trim(),
    ...(!row && { metric, ...(workspace_id && { workspace_id }) }),
    ...(!row || row.window !== window ? { window } : {}),
    scopes: scopesOf(scopes, row?.scopes),
    amount: amount.trim(),
    ...(zone.trim() || row ? { zone: zone.trim() || 'UTC' } : {}),
    mode,
    ...(mode === 'downgrade' && { downgrade_model: downgrade_model.trim() }),
    alert_percents: percentsOf(alert_percents) ?? [],
    ...(metric === 'cost' && (max_cost.trim() || row) ? { max_cost: max_cost.trim() || '0' } : {}),
    ...(mode === 'soft' ? {} : { when_unavailable }),
    ...(max_values.trim() && { max_values: Number(max_values) }),
    ...((disabled || row) && { disabled }),
  };
}

function BudgetForm({ row, onClose }: { row: Budget | null; onClose: () => void }) {
  const save = budgets.useSave();
  const models = useId();
  const { data: known = [] } = useQuery(modelNamesQuery);
  const places = usePlaces('budget.write', true);
  const form = useForm<Values>({
    initialValues: valuesOf(row, places[0]?.value ?? ''),
    validate: {
      name: (value) => (value.trim() ? null : texts.form.needName),
      amount: (value, all) => amountFault(all.metric, value),
      scopes: validateScopes,
      downgrade_model: (value, all) => (all.mode !== 'downgrade' || value.trim() ? null : texts.form.needModel),
      alert_percents: (value) => (percentsOf(value) ? null : texts.form.needPercent),
      max_cost: (value, all) => (all.metric !== 'cost' || value.trim() === '' ? null : amountFault('cost', value)),
      max_values: (value) => (/^\d{0,7}$/.test(value.trim()) ? null : texts.form.needCount),
    },
  });
  const submit = (values: Values) =>
    save.mutate(
      { row, body: bodyOf({ ...values, workspace_id: placeOf(places, values.workspace_id) }, row) },
      {
        onSuccess: ({ name }) => {
          notifyDone((row ? texts.form.saved : texts.form.made)(name));
          onClose();
        },
      },
    );
  const { metric, mode } = form.values;
  return (
    <DialogForm form={form} rows={['scopes']} onSubmit={submit} busy={save.isPending} error={save.error} submit={row ? texts.form.save : texts.form.create} onClose={onClose}>
      <div className={ui.pair}>
        <TextInput {...form.getInputProps('name')} label={texts.form.name} placeholder={texts.form.placeholder} maxLength={100} autoComplete="off" data-autofocus />
        {!row && places.length > 1 && <WorkspaceField places={places} {...form.getInputProps('workspace_id')} />}
      </div>
      <ScopesField form={form} />
      <div className={ui.pair}>
        <TextInput {...form.getInputProps('amount')} label={texts.form.amount} inputMode="decimal" leftSection={metric === 'cost' ? '$' : undefined} autoComplete="off" />
        <NativeSelect {...form.getInputProps('metric')} label={texts.form.metric} data={METRICS} disabled={row !== null} />
        <NativeSelect {...form.getInputProps('window')} label={texts.form.window} data={WINDOWS} />
      </div>
      <div className={ui.pair}>
        <NativeSelect {...form.getInputProps('mode')} label={texts.form.mode} data={Object.entries(texts.form.modes).map(([value, label]) => ({ value, label }))} />
        {mode === 'downgrade' && (
          <div>
            <TextInput {...form.getInputProps('downgrade_model')} label={texts.form.downgrade} list={models} maxLength={200} autoComplete="off" />
            <datalist id={models}>
              {known.map((name) => (
                <option key={name} value={name} />
              ))}
            </datalist>
          </div>
        )}
        <TagsInput {...form.getInputProps('alert_percents')} label={texts.form.alerts} description={texts.form.alertsHelp} splitChars={[',', ' ']} maxTags={10} acceptValueOnBlur />
      </div>
      <details open={['zone', 'max_cost', 'when_unavailable', 'max_values'].some((name) => form.errors[name] !== undefined) || undefined}>
        <summary>{texts.form.more}</summary>
        <Stack gap="md" mt="sm">
          <div className={ui.pair}>
            <TextInput {...form.getInputProps('zone')} label={texts.form.zone} description={texts.form.zoneHelp} placeholder="Europe/Berlin" maxLength={64} autoComplete="off" />
            {metric === 'cost' && <TextInput {...form.getInputProps('max_cost')} label={texts.form.maxCost} description={texts.form.maxCostHelp} inputMode="decimal" autoComplete="off" />}
            {mode !== 'soft' && <NativeSelect {...form.getInputProps('when_unavailable')} label={texts.form.unavailable} data={['refuse', 'allow'].map((value) => ({ value, label: quota.unavailable[value]! }))} />}
            <TextInput {...form.getInputProps('max_values')} label={texts.form.values} description={texts.form.valuesHelp} inputMode="numeric" autoComplete="off" />
          </div>
          <Checkbox {...form.getInputProps('disabled', { type: 'checkbox' })} label={texts.form.disabled} />
        </Stack>
      </details>
    </DialogForm>
  );
}

export function BudgetDialog({ row, onClose }: { row: Budget | null; onClose: () => void }) {
  return (
    <FormModal title={row ? texts.form.title(row.name) : texts.form.newTitle} size="xl" onClose={onClose}>
      <BudgetForm row={row} onClose={onClose} />
    </FormModal>
  );
}

/* A moment as <input type="datetime-local"> has it, in the reader's own zone. */
export function localMoment(at: Date): string {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function IncreaseDialog({ budget, onClose }: { budget: Budget; onClose: () => void }) {
  const increase = useIncrease(budget.id);
  const form = useForm({
    initialValues: { amount: '', until: localMoment(new Date(Date.now() + 7 * 86_400_000)) },
    validate: {
      amount: (value) => amountFault(budget.metric, value),
      until: (value) => (new Date(value).getTime() > Date.now() ? null : texts.increase.needUntil),
    },
  });
  const submit = ({ amount, until }: typeof form.values) =>
    increase.mutate(
      { amount: amount.trim(), until: new Date(until).toISOString() },
      {
        onSuccess: () => {
          notifyDone(texts.increase.done(budget.name));
          onClose();
        },
      },
    );
  return (
    <FormModal title={texts.increase.title(budget.name)} size="md" onClose={onClose}>
      <DialogForm form={form} onSubmit={submit} busy={increase.isPending} error={increase.error} submit={texts.increase.submit} onClose={onClose}>
        <TextInput {...form.getInputProps('amount')} label={texts.increase.amount} description={texts.increase.help} inputMode="decimal" leftSection={budget.metric === 'cost' ? '$' : undefined} autoComplete="off" data-autofocus />
        <TextInput {...form.getInputProps('until')} label={texts.increase.until} type="datetime-local" />
      </DialogForm>
    </FormModal>
  );
}
