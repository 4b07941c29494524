import { NativeSelect, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useMay } from '../../app/permissions';
import { DialogForm, FormModal } from '../../ui/dialog_form';
import { notifyDone } from '../../ui/notify';
import { priceGroups } from '../price_groups/queries';
import { placeOf, usePlaces, WorkspaceField } from '../workspaces/field';
import { teams } from './queries';
import type { Team } from './schema';
import { texts } from './texts';

/* Names of price groups, with none first. */
export function PriceGroupField({ none, ...field }: { none: string } & Record<string, unknown>) {
  const may = useMay();
  const { data = [] } = useQuery({ ...priceGroups.choicesQuery, enabled: may('price.read') });
  return <NativeSelect {...field} data={[{ value: '', label: none }, ...data.map(({ name, ratio }) => ({ value: name, label: `${name} (× ${ratio})` }))]} />;
}

const placedIn = (row: Team | null, workspace_id: string) => (row === null && workspace_id !== '' ? { workspace_id } : {});

function TeamForm({ row, onClose }: { row: Team | null; onClose: () => void }) {
  const save = teams.useSave();
  const places = usePlaces('team.write', true);
  const form = useForm({
    initialValues: { name: row?.name ?? '', workspace_id: row?.workspace_id ?? places[0]?.value ?? '', price_group: row?.price_group ?? '', external_id: row?.external_id ?? '' },
    validate: { name: (value) => (value.trim() ? null : texts.form.needName) },
  });
  const submit = ({ name, workspace_id, price_group, external_id }: typeof form.values) =>
    save.mutate(
      { row, body: { name: name.trim(), price_group, external_id: external_id.trim(), ...placedIn(row, placeOf(places, workspace_id)) } },
      {
        onSuccess: (team) => {
          notifyDone((row ? texts.form.saved : texts.form.made)(team.name));
          onClose();
        },
      },
    );
  return (
    <DialogForm form={form} onSubmit={submit} busy={save.isPending} error={save.error} submit={row ? texts.form.save : texts.form.create} onClose={onClose}>
      <TextInput {...form.getInputProps('name')} label={texts.form.name} maxLength={100} autoComplete="off" data-autofocus />
      {!row && places.length > 1 && <WorkspaceField places={places} {...form.getInputProps('workspace_id')} />}
      <PriceGroupField none={texts.form.none} {...form.getInputProps('price_group')} label={texts.form.priceGroup} description={texts.form.priceGroupHelp} />
      <TextInput {...form.getInputProps('external_id')} label={texts.form.external} description={texts.form.externalHelp} maxLength={200} autoComplete="off" />
    </DialogForm>
  );
}

export function TeamDialog({ row, onClose }: { row: Team | null; onClose: () => void }) {
  return (
    <FormModal title={row ? texts.form.title(row.name) : texts.form.newTitle} size="md" onClose={onClose}>
      <TeamForm row={row} onClose={onClose} />
    </FormModal>
  );
}
