/* Many keys in one call: so many of one form, or a list of names or of JSON objects. Their secrets are shown once. */
import { Button, Group, Modal, NativeSelect, Stack, TagsInput, Text, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useMay } from '../../app/permissions';
import { CopyButton } from '../../ui/copy_button';
import { DialogForm } from '../../ui/dialog_form';
import { Notice } from '../../ui/notices';
import ui from '../../ui/ui.module.css';
import { teams } from '../teams/queries';
import { placeOf, usePlaces, WorkspaceField } from '../workspaces/field';
import { useBulk, type Bulk } from './queries';
import type { BulkLine } from './schema';
import { texts } from './texts';

const MOST = 100_000;

export interface BulkValues {
  way: 'count' | 'list';
  name: string;
  count: string;
  start: string;
  list: string;
  workspace_id: string;
  models: string[];
  tags: string[];
  team_id: string;
}

/* A line is a name, or a JSON object as POST /keys takes it. Null: one of them is neither. */
export function keysOf(list: string): Record<string, unknown>[] | null {
  const keys: Record<string, unknown>[] = [];
  for (const line of list.split('\n').map((one) => one.trim())) {
    if (line === '') continue;
    if (!line.startsWith('{')) keys.push({ name: line });
    else {
      try {
        keys.push(JSON.parse(line) as Record<string, unknown>);
      } catch {
        return null;
      }
    }
  }
  return keys;
}

export function bulkBody({ way, name, count, start, list, workspace_id, models, tags, team_id }: BulkValues): Bulk {
  const template = { models, ...(tags.length > 0 && { tags }), ...(team_id && { team_id }) };
  const place = workspace_id ? { workspace_id } : {};
  if (way === 'list') return { action: 'create', ...place, template, keys: keysOf(list) ?? [] };
  return { action: 'create', ...place, template: { ...template, name: name.trim() }, count: Number(count), start: Number(start || '1') };
}

/* "name,secret" lines; a quote in a name is doubled, as CSV has it. */
export function secretsCsv(lines: BulkLine[]): string {
  const quoted = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return ['name,secret', ...lines.filter(({ secret }) => secret).map(({ name, secret }) => `${quoted(name)},${secret}`)].join('\n');
}

function save(text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = 'weir-keys.csv';
  link.click();
  URL.revokeObjectURL(address);
}

function Outcome({ lines, onClose }: { lines: BulkLine[]; onClose: () => void }) {
  const made = lines.filter(({ result }) => result === 'created');
  const failed = lines.filter(({ result }) => result === 'failed');
  const whole = lines.at(-1)?.done === true;
  const csv = secretsCsv(made);
  return (
    <Stack gap="md">
      {!whole && <Notice tone="bad" title={texts.bulk.cut} alert />}
      <Text size="sm">{texts.bulk.outcome(made.length, failed.length)}</Text>
      {made.length > 0 && (
        <>
          <Text size="sm">{texts.made.warning}</Text>
          <Group gap="xs">
            <CopyButton value={csv} label={texts.bulk.copy} />
            <Button size="xs" variant="default" onClick={() => save(csv)}>
              {texts.bulk.download}
            </Button>
          </Group>
        </>
      )}
      {failed.slice(0, 20).map(({ name, index, error }, i) => (
        <Notice key={i} tone="warn" title={texts.bulk.failed(name || String((index ?? i) + 1), error?.message ?? '')} />
      ))}
      <Group justify="flex-end">
        <Button onClick={onClose}>{texts.made.close}</Button>
      </Group>
    </Stack>
  );
}

function BulkForm({ bulk, onClose }: { bulk: ReturnType<typeof useBulk>; onClose: () => void }) {
  const may = useMay();
  const places = usePlaces('key.write', false);
  const { data: known = [] } = useQuery({ ...teams.choicesQuery, enabled: may('team.read') });
  const form = useForm<BulkValues>({
    initialValues: { way: 'count', name: 'app-{n}', count: '10', start: '1', list: '', workspace_id: '', models: ['*'], tags: [], team_id: '' },
    validate: {
      name: (value, { way }) => (way === 'list' || value.includes('{n}') ? null : texts.bulk.needNumber),
      count: (value, { way }) => (way === 'list' || (/^\d{1,6}$/.test(value.trim()) && Number(value) >= 1 && Number(value) <= MOST) ? null : texts.bulk.needCount),
      start: (value) => (/^\d{0,9}$/.test(value.trim()) ? null : texts.form.needCount),
      list: (value, { way }) => {
        const keys = way === 'list' ? keysOf(value) : [{}];
        return keys === null ? texts.bulk.needJson : keys.length === 0 ? texts.bulk.needKeys : keys.length > MOST ? texts.bulk.needCount : null;
      },
    },
  });
  const { way } = form.values;
  return (
    <DialogForm form={form} onSubmit={(values) => bulk.mutate(bulkBody({ ...values, workspace_id: placeOf(places, values.workspace_id) }))} busy={bulk.isPending} error={bulk.error} submit={texts.bulk.submit} onClose={onClose}>
      <NativeSelect {...form.getInputProps('way')} label={texts.bulk.way} data={[{ value: 'count', label: texts.bulk.byCount }, { value: 'list', label: texts.bulk.byList }]} />
      {way === 'count' ? (
        <div className={ui.pair}>
          <TextInput {...form.getInputProps('name')} label={texts.bulk.name} description={texts.bulk.nameHelp} maxLength={100} autoComplete="off" />
          <TextInput {...form.getInputProps('count')} label={texts.bulk.count} description={texts.bulk.countHelp} inputMode="numeric" autoComplete="off" />
          <TextInput {...form.getInputProps('start')} label={texts.bulk.start} description={texts.bulk.startHelp} inputMode="numeric" autoComplete="off" />
        </div>
      ) : (
        <Textarea {...form.getInputProps('list')} label={texts.bulk.list} description={texts.bulk.listHelp} rows={8} autoComplete="off" />
      )}
      <div className={ui.pair}>
        {places.length > 1 && <WorkspaceField places={places} {...form.getInputProps('workspace_id')} label={texts.form.workspace} />}
        <TagsInput {...form.getInputProps('models')} label={texts.form.models} splitChars={[',', ' ']} acceptValueOnBlur />
        <TagsInput {...form.getInputProps('tags')} label={texts.form.tags} splitChars={[',', ' ']} acceptValueOnBlur />
        <NativeSelect {...form.getInputProps('team_id')} label={texts.form.team} data={[{ value: '', label: texts.form.noTeam }, ...known.map(({ id, name }) => ({ value: id, label: name }))]} />
      </div>
    </DialogForm>
  );
}

export function BulkDialog({ onClose }: { onClose: () => void }) {
  const bulk = useBulk();
  const close = () => {
    onClose();
    bulk.reset(); // the secrets go with it
  };
  const over = bulk.data !== undefined;
  return (
    <Modal opened onClose={close} size="lg" title={texts.bulk.title} closeOnClickOutside={false} closeOnEscape={!over} withCloseButton={!over}>
      {bulk.data ? <Outcome lines={bulk.data} onClose={close} /> : <BulkForm bulk={bulk} onClose={close} />}
    </Modal>
  );
}
