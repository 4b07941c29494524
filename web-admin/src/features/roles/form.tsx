import { Checkbox, NativeSelect, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { permissionsQuery } from '../../app/permissions';
import { DialogForm, FormModal } from '../../ui/dialog_form';
import { notifyDone } from '../../ui/notify';
import ui from '../../ui/ui.module.css';
import { roles } from './queries';
import classes from './roles.module.css';
import { fits, groupsOf, type Role } from './schema';
import { texts } from './texts';

/* Permissions to be chosen, under the names of their resources. */
function Choices({ scope, chosen, onChange }: { scope: string; chosen: string[]; onChange: (chosen: string[]) => void }) {
  const { data } = useQuery(permissionsQuery);
  const groups = groupsOf((data?.permissions ?? []).filter((one) => fits(one, scope)));
  return groups.map((group) => (
    <div key={group.name}>
      <h3 className={classes.group}>{texts.resource(group.name)}</h3>
      <div className={classes.choices}>
        {group.permissions.map(({ name, text }) => (
          <Checkbox key={name} size="xs" label={name} description={text} checked={chosen.includes(name)} onChange={(event) => onChange(event.currentTarget.checked ? [...chosen, name] : chosen.filter((one) => one !== name))} />
        ))}
      </div>
    </div>
  ));
}

function RoleForm({ row, onClose }: { row: Role | null; onClose: () => void }) {
  const save = roles.useSave();
  const { data } = useQuery(permissionsQuery);
  const form = useForm({
    initialValues: { name: row?.name ?? '', description: row?.description ?? '', scope: row?.scope ?? 'workspace', permissions: row?.permissions ?? [] },
    validate: {
      name: (value) => (value.trim() ? null : texts.form.needName),
      permissions: (value) => (value.length > 0 ? null : texts.form.needPermission),
    },
  });
  const { scope, permissions } = form.values;
  const submit = ({ name, description }: typeof form.values) => {
    const known = data?.permissions ?? [];
    const body = { name: name.trim(), description: description.trim(), permissions: permissions.filter((name) => known.some((one) => one.name === name && fits(one, scope))), ...(!row && { scope }) };
    save.mutate(
      { row, body },
      {
        onSuccess: (role) => {
          notifyDone((row ? texts.form.saved : texts.form.made)(role.name));
          onClose();
        },
      },
    );
  };
  return (
    <DialogForm form={form} onSubmit={submit} busy={save.isPending} error={save.error} submit={row ? texts.form.save : texts.form.create} onClose={onClose}>
      <div className={ui.pair}>
        <TextInput {...form.getInputProps('name')} label={texts.form.name} placeholder={texts.form.placeholder} maxLength={100} autoComplete="off" data-autofocus />
        <NativeSelect {...form.getInputProps('scope')} label={texts.form.scope} disabled={row !== null} data={['workspace', 'organization'].map((value) => ({ value, label: texts.scopes[value]! }))} />
      </div>
      <TextInput {...form.getInputProps('description')} label={texts.form.description} maxLength={1000} autoComplete="off" />
      <fieldset className={ui.fieldset}>
        <legend>{texts.form.permissions}</legend>
        <Text size="xs" c="dimmed">
          {texts.form.help}
        </Text>
        {form.errors.permissions && (
          <Text size="xs" c="var(--weir-bad)" role="alert">
            {form.errors.permissions}
          </Text>
        )}
        <Choices scope={scope} chosen={permissions} onChange={(chosen) => form.setFieldValue('permissions', chosen)} />
      </fieldset>
    </DialogForm>
  );
}

export function RoleDialog({ row, onClose }: { row: Role | null; onClose: () => void }) {
  return (
    <FormModal title={row ? texts.form.title(row.name) : texts.form.newTitle} size="xl" onClose={onClose}>
      <RoleForm row={row} onClose={onClose} />
    </FormModal>
  );
}
