import { Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useMay } from '../../app/permissions';
import { DialogForm, FormModal } from '../../ui/dialog_form';
import { notifyDone } from '../../ui/notify';
import { teams } from '../teams/queries';
import { placeOf, usePlaces, WorkspaceField } from '../workspaces/field';
import { accounts } from './queries';
import type { ServiceAccount } from './schema';
import { texts } from './texts';

function AccountForm({ row, onClose }: { row: ServiceAccount | null; onClose: () => void }) {
  const save = accounts.useSave();
  const may = useMay();
  const places = usePlaces('service_account.write', false);
  const { data: known = [] } = useQuery({ ...teams.choicesQuery, enabled: may('team.read') });
  const form = useForm({
    initialValues: { name: row?.name ?? '', workspace_id: row?.workspace_id ?? '', description: row?.description ?? '', team_id: row?.team_id ?? '', disabled: row?.disabled ?? false },
    validate: { name: (value) => (value.trim() ? null : texts.form.needName) },
  });
  const submit = ({ name, workspace_id, description, team_id, disabled }: typeof form.values) =>
    save.mutate(
      { row, body: { name: name.trim(), description: description.trim(), team_id: team_id || null, ...(row ? { disabled } : { workspace_id: placeOf(places, workspace_id) }) } },
      {
        onSuccess: (account) => {
          notifyDone((row ? texts.form.saved : texts.form.made)(account.name));
          onClose();
        },
      },
    );
  return (
    <DialogForm form={form} onSubmit={submit} busy={save.isPending} error={save.error} submit={row ? texts.form.save : texts.form.create} onClose={onClose}>
      <TextInput {...form.getInputProps('name')} label={texts.form.name} placeholder={texts.form.placeholder} maxLength={100} autoComplete="off" data-autofocus />
      {!row && places.length > 1 && <WorkspaceField places={places} {...form.getInputProps('workspace_id')} label={texts.form.workspace} />}
      <TextInput {...form.getInputProps('description')} label={texts.form.description} maxLength={1000} autoComplete="off" />
      <NativeSelect {...form.getInputProps('team_id')} label={texts.form.team} data={[{ value: '', label: texts.form.none }, ...known.map(({ id, name }) => ({ value: id, label: name }))]} />
      {row && <Checkbox {...form.getInputProps('disabled', { type: 'checkbox' })} label={texts.form.disabled} description={texts.form.disabledHelp} />}
    </DialogForm>
  );
}

export function AccountDialog({ row, onClose }: { row: ServiceAccount | null; onClose: () => void }) {
  return (
    <FormModal title={row ? texts.form.title(row.name) : texts.form.newTitle} size="md" onClose={onClose}>
      <AccountForm row={row} onClose={onClose} />
    </FormModal>
  );
}
