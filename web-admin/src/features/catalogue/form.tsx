/* The organization's own prices and limits for one entry. Units that the form does not show are kept as they are. */
import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { ErrorNotice } from '../../ui/notices';
import { notifyDone } from '../../ui/notify';
import classes from './catalogue.module.css';
import { perMillion, picoOf } from './money';
import { useOverride, useRemoveOverride, type OverrideEntry } from './queries';
import type { Entry, Prices } from './schema';
import { texts } from './texts';

const UNITS = Object.keys(texts.form.units);

const shown = (price: Prices[string] | undefined): string => (price === undefined ? '' : perMillion(typeof price === 'number' ? price : price.price));
const count = (value: string) => (value.trim() === '' || /^\d{1,12}$/.test(value.trim()) ? null : texts.form.badCount);

/* What differs from the entry as it is now: an untouched price keeps its tiers. */
function valuesOf(entry: Entry, given: Record<string, string>): OverrideEntry {
  const price: Prices = { ...entry.price };
  for (const unit of UNITS) {
    if (given[unit] === shown(entry.price?.[unit])) continue;
    const pico = picoOf(given[unit]!);
    if (pico === null) delete price[unit];
    else price[unit] = pico;
  }
  const number = (text: string) => (text.trim() === '' ? null : Number(text.trim()));
  return { price, context: number(given.context!), max_output: number(given.max_output!) };
}

function OverrideForm({ entry, onClose }: { entry: Entry; onClose: () => void }) {
  const save = useOverride();
  const remove = useRemoveOverride();
  const initial: Record<string, string> = { context: entry.context?.toString() ?? '', max_output: entry.max_output?.toString() ?? '' };
  for (const unit of UNITS) initial[unit] = shown(entry.price?.[unit]);
  const price = (value: string) => (value.trim() === '' || picoOf(value) !== null ? null : texts.form.bad);
  const form = useForm({ initialValues: initial, validate: { ...Object.fromEntries(UNITS.map((unit) => [unit, price])), context: count, max_output: count } });
  const finish = (text: string) => () => {
    notifyDone(text);
    onClose();
  };
  const failure = save.error ?? remove.error;
  return (
    <form onSubmit={form.onSubmit((given) => save.mutate({ entry, values: valuesOf(entry, given) }, { onSuccess: finish(texts.form.done(entry.model)) }))} noValidate autoComplete="off">
      <Stack gap="md">
        {failure && <ErrorNotice error={failure} />}
        <Text size="sm" c="dimmed">
          {texts.form.help}
        </Text>
        <div className={classes.prices}>
          {UNITS.map((unit) => (
            <TextInput key={unit} {...form.getInputProps(unit)} label={texts.form.units[unit]} description={typeof entry.price?.[unit] === 'object' ? texts.form.tiered : undefined} inputMode="decimal" autoComplete="off" />
          ))}
          <TextInput {...form.getInputProps('context')} label={texts.form.context} inputMode="numeric" autoComplete="off" />
          <TextInput {...form.getInputProps('max_output')} label={texts.form.maxOutput} inputMode="numeric" autoComplete="off" />
        </div>
        <Group justify="space-between" gap="xs">
          <div>
            {entry.override_id && (
              <Button variant="subtle" color="var(--weir-bad)" loading={remove.isPending} onClick={() => remove.mutate(entry.override_id!, { onSuccess: finish(texts.form.removed(entry.model)) })}>
                {texts.form.remove}
              </Button>
            )}
          </div>
          <Group gap="xs">
            <Button variant="default" onClick={onClose}>
              {texts.form.cancel}
            </Button>
            <Button type="submit" loading={save.isPending}>
              {texts.form.submit}
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}

export function OverrideDialog({ entry, onClose }: { entry: Entry | null; onClose: () => void }) {
  return (
    <Modal opened={entry !== null} onClose={onClose} size="lg" title={entry ? texts.form.title(`${entry.provider}/${entry.model}`) : ''} closeOnClickOutside={false}>
      {entry && <OverrideForm key={entry.id} entry={entry} onClose={onClose} />}
    </Modal>
  );
}
