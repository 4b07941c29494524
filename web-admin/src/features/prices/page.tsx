/* What a model costs: asked by the address, so that the answer can be shared. */
import { Button, NativeSelect, Skeleton, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useId } from 'react';
import { useMay } from '../../app/permissions';
import { DataTable, type Column } from '../../ui/data_table';
import { useDialogs } from '../../ui/dialog_search';
import { ErrorNotice, Notice } from '../../ui/notices';
import { Page, Section } from '../../ui/page';
import ui from '../../ui/ui.module.css';
import { Mono, Muted } from '../../ui/values';
import { modelNamesQuery } from '../models/queries';
import { providersQuery } from '../providers/queries';
import { PriceGroupField } from '../teams/form';
import { effectiveQuery } from './queries';
import { perOf, unitsOf, usdOfPico, type Effective, type Price } from './schema';
import { texts } from './texts';

type Words = 'provider' | 'model' | 'tier' | 'at' | 'group';

interface Line {
  unit: string;
  catalogue?: Price;
  list?: Price;
  charged?: Price;
}

function PriceCell({ unit, price }: { unit: string; price: Price | undefined }) {
  if (!price) return <Muted>–</Muted>;
  return (
    <span className={ui.stacked}>
      <span>{usdOfPico(unit, price.price)}</span>
      {price.tiers.map(({ above, price: one }) => (
        <Muted key={above}>{texts.above(above, usdOfPico(unit, one))}</Muted>
      ))}
    </span>
  );
}

const COLUMNS: Column<Line>[] = [
  { id: 'unit', header: texts.columns.unit, cell: ({ unit }) => <Mono>{unit}</Mono>, main: true },
  { id: 'per', header: texts.columns.per, cell: ({ unit }) => texts.per[perOf(unit)] },
  { id: 'catalogue', header: texts.columns.catalogue, cell: ({ unit, catalogue }) => <PriceCell unit={unit} price={catalogue} />, align: 'right' },
  { id: 'list', header: texts.columns.list, cell: ({ unit, list }) => <PriceCell unit={unit} price={list} />, align: 'right' },
  { id: 'charged', header: texts.columns.charged, cell: ({ unit, charged }) => <PriceCell unit={unit} price={charged} />, align: 'right' },
];

function Answer({ effective }: { effective: Effective }) {
  const lines = unitsOf(effective).map((unit) => ({ unit, catalogue: effective.catalogue?.[unit], list: effective.list?.[unit], charged: effective.charged?.[unit] }));
  if (!effective.priced || lines.length === 0) {
    return (
      <Notice tone="warn" title={texts.unpriced.title}>
        <p>{texts.unpriced.text}</p>
      </Notice>
    );
  }
  return (
    <Section title={texts.result(effective.model, effective.provider)} aside={`${texts.book(effective.price_book_version)} · ${texts.ratio(effective.ratio, effective.price_group)}`}>
      {effective.default_prices && <Notice tone="warn" title={texts.defaults} />}
      <DataTable label={texts.result(effective.model, effective.provider)} columns={COLUMNS} rows={lines} rowId={(line) => line.unit} />
    </Section>
  );
}

export function PricesPage() {
  const [search, show] = useDialogs<Words>();
  const may = useMay();
  const models = useId();
  const { data: known = [] } = useQuery({ ...modelNamesQuery, enabled: may('model.read') });
  const { data: providers } = useInfiniteQuery({ ...providersQuery, enabled: may('provider.read') });
  const names = providers?.pages.flatMap((page) => page.data.map((one) => one.name)) ?? [];
  const form = useForm({ initialValues: { provider: search.provider ?? '', model: search.model ?? '', tier: search.tier ?? '', at: search.at ?? '', group: search.group ?? '' } });
  const asked = search.provider !== undefined && search.model !== undefined;
  const answer = useQuery({
    ...effectiveQuery({ provider: search.provider ?? '', model: search.model ?? '', service_tier: search.tier, at: search.at ? new Date(search.at).toISOString() : undefined, group: search.group }),
    enabled: asked,
  });
  const submit = form.onSubmit(({ provider, model, tier, at, group }) => {
    const next = { provider: provider || names[0], model: model.trim(), tier: tier.trim(), at, group };
    show(Object.fromEntries(Object.entries(next).filter(([, value]) => value)));
  });
  return (
    <Page title={texts.title} lead={texts.lead}>
      <form className={ui.filters} onSubmit={submit} noValidate>
        <NativeSelect {...form.getInputProps('provider')} label={texts.provider} data={names.length > 0 ? names : [{ value: search.provider ?? '', label: search.provider ?? texts.choose }]} />
        <TextInput {...form.getInputProps('model')} label={texts.model} list={models} maxLength={200} autoComplete="off" />
        <datalist id={models}>
          {known.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <TextInput {...form.getInputProps('tier')} label={texts.tier} placeholder={texts.tierPlaceholder} maxLength={64} autoComplete="off" />
        <TextInput {...form.getInputProps('at')} label={texts.at} type="datetime-local" />
        <PriceGroupField none={texts.noGroup} {...form.getInputProps('group')} label={texts.group} />
        <Button type="submit" loading={answer.isFetching}>
          {texts.submit}
        </Button>
      </form>
      {answer.error && <ErrorNotice error={answer.error} onRetry={() => void answer.refetch()} />}
      {asked && (answer.data ? <Answer effective={answer.data} /> : !answer.error && <Skeleton height={160} />)}
    </Page>
  );
}
