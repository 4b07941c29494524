import { NativeSelect, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { permissionsQuery } from '../../app/permissions';
import { DialogForm, FormModal } from '../../ui/dialog_form';
import { notifyDone } from '../../ui/notify';
import { roles } from '../roles/queries';
import { placeOf, usePlaces, WorkspaceField } from '../workspaces/field';
import { members } from './queries';
import { choicesOf, roleBody, type Member } from './schema';
import { texts } from './texts';

function MemberForm({ row, onClose }: { row: Member | null; onClose: () => void }) {
  const save = members.useSave();
  const places = usePlaces('member.write', true);
  const { data: table } = useQuery(permissionsQuery);
  const { data: own = [] } = useQuery(roles.choicesQuery);
  const form = useForm({
    initialValues: { email: row?.email ?? '', workspace_id: row?.workspace_id ?? '', role: row?.role_id ?? row?.role ?? '' },
    validate: { email: (value) => (row || value.trim() ? null : texts.form.needEmail) },
  });
  const place = row ? (row.workspace_id ?? '') : placeOf(places, form.values.workspace_id);
  const choices = choicesOf(table, own, place !== '');
  const role = choices.some((one) => one.value === form.values.role) ? form.values.role : (choices[choices.length - 1 - own.filter((one) => one.scope === (place ? 'workspace' : 'organization')).length]?.value ?? '');
  const submit = ({ email }: typeof form.values) =>
    save.mutate(
      { row, body: row ? roleBody(role) : { email: email.trim(), ...(place && { workspace_id: place }), ...roleBody(role) } },
      {
        onSuccess: (member) => {
          notifyDone((row ? texts.form.saved : texts.form.made)(member.user_name || member.email));
          onClose();
        },
      },
    );
  return (
    <DialogForm form={form} onSubmit={submit} busy={save.isPending} error={save.error} submit={row ? texts.form.save : texts.form.create} onClose={onClose}>
      {!row && <TextInput {...form.getInputProps('email')} label={texts.form.email} description={texts.form.emailHelp} type="email" maxLength={254} autoComplete="off" data-autofocus />}
      {!row && places.length > 1 && <WorkspaceField places={places} {...form.getInputProps('workspace_id')} label={texts.form.place} />}
      <NativeSelect {...form.getInputProps('role')} value={role} label={texts.form.role} data={choices} />
    </DialogForm>
  );
}

export function MemberDialog({ row, onClose }: { row: Member | null; onClose: () => void }) {
  return (
    <FormModal title={row ? texts.form.title(row.user_name || row.email) : texts.form.newTitle} size="md" onClose={onClose}>
      <MemberForm row={row} onClose={onClose} />
    </FormModal>
  );
}
