/* What a key's requests go by: its default routing config, and tags that conditions see. In the form that makes a key, and in a
 * dialog of their own for one that is there. */
import { Button, Checkbox, Group, Modal, Stack, TagsInput } from '@mantine/core';
import { useForm, type UseFormReturnType } from '@mantine/form';
import { ApiError } from '../../api/errors';
import { ErrorNotice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import { ReferenceField } from '../configs/reference_field';
import { useChangeKey } from './queries';
import type { Key } from './schema';
import { texts } from './texts';

export interface Routing {
  config: string;
  config_locked: boolean;
  tags: string[];
}

export const NO_ROUTING: Routing = { config: '', config_locked: false, tags: [] };

export function RoutingFields<V extends Routing>({ form }: { form: UseFormReturnType<V> }) {
  return (
    <Stack gap="md">
      <ReferenceField {...form.getInputProps('config')} />
      <Checkbox {...form.getInputProps('config_locked', { type: 'checkbox' })} label={texts.form.configLocked} description={texts.form.configLockedHelp} />
      <TagsInput {...form.getInputProps('tags')} label={texts.form.tags} description={texts.form.tagsHelp} splitChars={[',', ' ']} maxTags={50} acceptValueOnBlur />
    </Stack>
  );
}

function RoutingForm({ changed, onClose }: { changed: Key; onClose: () => void }) {
  const change = useChangeKey(changed.id);
  const form = useForm<Routing>({ initialValues: { config: changed.config ?? '', config_locked: changed.config_locked, tags: changed.tags } });
  const atField = change.error instanceof ApiError && change.error.param !== null && change.error.param in form.values;
  const submit = form.onSubmit(({ config, config_locked, tags }) =>
    change.mutate({ config: config.trim() || null, config_locked, tags }, {
      onSuccess: () => {
        notifyDone(texts.change.done(changed.name));
        onClose();
      },
      onError: (error) => {
        if (error instanceof ApiError && error.param && error.param in form.values) form.setFieldError(error.param, error.message);
      },
    }),
  );
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {change.error && !atField && <ErrorNotice error={change.error} />}
        <RoutingFields form={form} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {texts.form.cancel}
          </Button>
          <Button type="submit" loading={change.isPending}>
            {texts.change.submit}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

export function RoutingDialog({ changed, onClose }: { changed: Key; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title={texts.change.title(changed.name)}>
      <RoutingForm changed={changed} onClose={onClose} />
    </Modal>
  );
}
