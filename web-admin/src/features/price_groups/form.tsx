import { Button, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { DialogForm, FormModal } from '../../ui/dialog_form';
import { PlusIcon } from '../../ui/icons';
import { notifyDone } from '../../ui/notify';
import ui from '../../ui/ui.module.css';
import { priceGroups } from './queries';
import { isRatio, percentText, type PriceGroup } from './schema';
import { texts } from './texts';

const ratio = (value: string) => (isRatio(value) ? null : texts.form.needRatio);

function GroupForm({ row, onClose }: { row: PriceGroup | null; onClose: () => void }) {
  const save = priceGroups.useSave();
  const form = useForm({
    initialValues: {
      name: row?.name ?? '',
      description: row?.description ?? '',
      ratio: row?.ratio ?? '',
      overrides: row?.overrides.map((one) => ({ provider: one.provider ?? '', model: one.model ?? '', ratio: one.ratio })) ?? [],
    },
    validate: { name: (value) => (value.trim() ? null : texts.form.needName), ratio, overrides: { ratio } },
  });
  const submit = (values: typeof form.values) => {
    const overrides = values.overrides.map((one) => ({ ...(one.provider.trim() && { provider: one.provider.trim() }), ...(one.model.trim() && { model: one.model.trim() }), ratio: one.ratio.trim() }));
    save.mutate(
      { row, body: { name: values.name.trim(), description: values.description.trim(), ratio: values.ratio.trim(), overrides } },
      {
        onSuccess: ({ name }) => {
          notifyDone((row ? texts.form.saved : texts.form.made)(name));
          onClose();
        },
      },
    );
  };
  return (
    <DialogForm form={form} rows={['overrides']} onSubmit={submit} busy={save.isPending} error={save.error} submit={row ? texts.form.save : texts.form.create} onClose={onClose}>
      <div className={ui.pair}>
        <TextInput {...form.getInputProps('name')} label={texts.form.name} placeholder={texts.form.placeholder} maxLength={100} autoComplete="off" data-autofocus />
        <TextInput {...form.getInputProps('ratio')} label={texts.form.ratio} description={percentText(form.values.ratio) || texts.form.ratioHelp} inputMode="decimal" autoComplete="off" />
      </div>
      <TextInput {...form.getInputProps('description')} label={texts.form.description} maxLength={1000} autoComplete="off" />
      <fieldset className={ui.fieldset}>
        <legend>{texts.form.overrides}</legend>
        <Stack gap="xs">
          <Text size="xs" c="dimmed">
            {texts.form.overridesHelp}
          </Text>
          {form.values.overrides.map((_, i) => (
            <div key={i} className={ui.builderRow}>
              <TextInput {...form.getInputProps(`overrides.${i}.provider`)} aria-label={texts.form.provider(i + 1)} placeholder={texts.form.anyProvider} maxLength={200} autoComplete="off" />
              <TextInput {...form.getInputProps(`overrides.${i}.model`)} aria-label={texts.form.model(i + 1)} placeholder={texts.form.anyModel} maxLength={200} autoComplete="off" />
              <TextInput {...form.getInputProps(`overrides.${i}.ratio`)} aria-label={texts.form.one(i + 1)} placeholder="0.5" inputMode="decimal" autoComplete="off" />
              <Button variant="subtle" color="gray" aria-label={texts.form.drop(i + 1)} onClick={() => form.removeListItem('overrides', i)}>
                ×
              </Button>
            </div>
          ))}
          <div>
            <Button size="compact-sm" variant="default" leftSection={<PlusIcon size={14} />} onClick={() => form.insertListItem('overrides', { provider: '', model: '', ratio: '' })}>
              {texts.form.add}
            </Button>
          </div>
        </Stack>
      </fieldset>
    </DialogForm>
  );
}

export function PriceGroupDialog({ row, onClose }: { row: PriceGroup | null; onClose: () => void }) {
  return (
    <FormModal title={row ? texts.form.title(row.name) : texts.form.newTitle} onClose={onClose}>
      <GroupForm row={row} onClose={onClose} />
    </FormModal>
  );
}
