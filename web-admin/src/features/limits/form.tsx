import { Checkbox, NativeSelect, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { faultOfAmount } from '../../ui/amount';
import { DialogForm, FormModal } from '../../ui/dialog_form';
import { notifyDone } from '../../ui/notify';
import ui from '../../ui/ui.module.css';
import { ScopesField, validateScopes } from '../quotas/scopes';
import { draftOf, scopesOf, type ScopeDraft } from '../quotas/schema';
import { texts as quota } from '../quotas/texts';
import { placeOf, usePlaces, WorkspaceField } from '../workspaces/field';
import { limits } from './queries';
import type { Limit } from './schema';
import { texts } from './texts';

export interface Values {
  name: string;
  workspace_id: string;
  scopes: ScopeDraft[];
  metric: string;
  amount: string;
  window: string;
  algorithm: string;
  burst: string;
  exact: boolean;
  when_unavailable: string;
  max_values: string;
  disabled: boolean;
}

const WINDOWS = ['second', 'minute', 'hour', 'day'].map((value) => ({ value, label: quota.windows[value]! }));
const METRICS = ['requests', 'tokens', 'concurrency'].map((value) => ({ value, label: quota.metrics[value]! }));
const whole = (value: string) => {
  const fault = faultOfAmount('requests', value);
  return fault === null ? null : fault === 'none' ? quota.amount.none : quota.amount.whole;
};

export function bodyOf(values: Values, row: Limit | null): Record<string, unknown> {
  const { name, workspace_id, scopes, metric, amount, window, algorithm, burst, exact, when_unavailable, max_values, disabled } = values;
  const rate = metric !== 'concurrency';
  return {
    name: name.trim(),
    ...(!row && { metric, ...(workspace_id && { workspace_id }) }),
    scopes: scopesOf(scopes, row?.scopes),
    amount: amount.trim(),
    ...(rate && { ...(!row || row.window !== window ? { window } : {}), algorithm }),
    ...(rate && algorithm === 'token_bucket' && burst.trim() && { burst: burst.trim() }),
    ...((exact || row) && { exact }),
    when_unavailable,
    ...(max_values.trim() && { max_values: Number(max_values) }),
    ...((disabled || row) && { disabled }),
  };
}

function LimitForm({ row, onClose }: { row: Limit | null; onClose: () => void }) {
  const save = limits.useSave();
  const places = usePlaces('limit.write', true);
  const form = useForm<Values>({
    initialValues: {
      name: row?.name ?? '',
      workspace_id: row?.workspace_id ?? places[0]?.value ?? '',
      scopes: row?.scopes.map(draftOf) ?? [{ kind: 'key', name: '', value: '*' }],
      metric: row?.metric ?? 'requests',
      amount: row?.amount ?? '',
      window: row?.window || 'minute',
      algorithm: row?.algorithm || 'sliding',
      burst: row && row.burst !== '0' ? row.burst : '',
      exact: row?.exact ?? false,
      when_unavailable: row?.when_unavailable || 'local',
      max_values: row?.max_values ? String(row.max_values) : '',
      disabled: row?.disabled ?? false,
    },
    validate: {
      name: (value) => (value.trim() ? null : texts.form.needName),
      scopes: validateScopes,
      amount: whole,
      burst: (value, all) => (all.algorithm !== 'token_bucket' || value.trim() === '' ? null : whole(value)),
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
  const { metric, algorithm } = form.values;
  return (
    <DialogForm form={form} rows={['scopes']} onSubmit={submit} busy={save.isPending} error={save.error} submit={row ? texts.form.save : texts.form.create} onClose={onClose}>
      <div className={ui.pair}>
        <TextInput {...form.getInputProps('name')} label={texts.form.name} placeholder={texts.form.placeholder} maxLength={100} autoComplete="off" data-autofocus />
        {!row && places.length > 1 && <WorkspaceField places={places} {...form.getInputProps('workspace_id')} />}
      </div>
      <ScopesField form={form} />
      <div className={ui.pair}>
        <TextInput {...form.getInputProps('amount')} label={texts.form.amount} inputMode="numeric" autoComplete="off" />
        <NativeSelect {...form.getInputProps('metric')} label={texts.form.metric} data={METRICS} disabled={row !== null} />
        {metric !== 'concurrency' && <NativeSelect {...form.getInputProps('window')} label={texts.form.window} data={WINDOWS} />}
      </div>
      {metric !== 'concurrency' && (
        <div className={ui.pair}>
          <NativeSelect {...form.getInputProps('algorithm')} label={texts.form.algorithm} data={Object.entries(texts.algorithms).map(([value, label]) => ({ value, label }))} />
          {algorithm === 'token_bucket' && <TextInput {...form.getInputProps('burst')} label={texts.form.burst} description={texts.form.burstHelp} inputMode="numeric" autoComplete="off" />}
        </div>
      )}
      <details open={['when_unavailable', 'max_values', 'exact'].some((name) => form.errors[name] !== undefined) || undefined}>
        <summary>{texts.form.more}</summary>
        <Stack gap="md" mt="sm">
          <Checkbox {...form.getInputProps('exact', { type: 'checkbox' })} label={texts.form.exact} description={texts.form.exactHelp} />
          <div className={ui.pair}>
            <NativeSelect {...form.getInputProps('when_unavailable')} label={texts.form.unavailable} data={Object.entries(quota.unavailable).map(([value, label]) => ({ value, label }))} />
            <TextInput {...form.getInputProps('max_values')} label={texts.form.values} description={texts.form.valuesHelp} inputMode="numeric" autoComplete="off" />
          </div>
          <Checkbox {...form.getInputProps('disabled', { type: 'checkbox' })} label={texts.form.disabled} />
        </Stack>
      </details>
    </DialogForm>
  );
}

export function LimitDialog({ row, onClose }: { row: Limit | null; onClose: () => void }) {
  return (
    <FormModal title={row ? texts.form.title(row.name) : texts.form.newTitle} size="xl" onClose={onClose}>
      <LimitForm row={row} onClose={onClose} />
    </FormModal>
  );
}
