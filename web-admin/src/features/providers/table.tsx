import { Button } from '@mantine/core';
import { describeError } from '../../api/errors';
import { DataTable, type Column } from '../../ui/data_table';
import { BoltIcon } from '../../ui/icons';
import { StateMark } from '../../ui/state_mark';
import { Mono, Muted } from '../../ui/values';
import classes from './providers.module.css';
import { useTestProvider } from './queries';
import type { Provider, ProviderTest } from './schema';
import { texts } from './texts';

function Verdict({ test }: { test: ProviderTest }) {
  const { result, data_plane } = test;
  const from = data_plane.name ? texts.test.from(data_plane.name) : undefined;
  if (!result) return <StateMark tone="warn">{texts.test.none}</StateMark>;
  if (result.ok) {
    return (
      <StateMark tone="good" title={from}>
        {texts.test.good(result.latency_ms, result.models)}
      </StateMark>
    );
  }
  return (
    <span className={classes.verdict}>
      <StateMark tone="bad" title={from}>
        {texts.test.bad(result.status)}
      </StateMark>
      {result.error && <Muted>{result.error}</Muted>}
    </span>
  );
}

function TestCell({ provider }: { provider: Provider }) {
  const test = useTestProvider();
  const failure = test.error ? describeError(test.error) : null;
  return (
    <span className={classes.test}>
      <span role="status">
        {test.isPending && <Muted>{texts.test.running}</Muted>}
        {test.data && !test.isPending && <Verdict test={test.data} />}
        {failure && !test.isPending && (
          <span className={classes.verdict}>
            <StateMark tone="bad" title={failure.requestId ?? undefined}>
              {texts.test.bad(0)}
            </StateMark>
            <Muted title={failure.requestId ?? undefined}>{failure.detail}</Muted>
          </span>
        )}
      </span>
      <Button size="compact-xs" variant="default" leftSection={<BoltIcon size={13} />} loading={test.isPending} aria-label={texts.test.label(provider.name)} onClick={() => test.mutate(provider.id)}>
        {texts.test.action}
      </Button>
    </span>
  );
}

/* The first key is shown by its mask, the others by their number. */
function Credential({ provider: { api_key_mask, api_keys_count } }: { provider: Provider }) {
  if (!api_key_mask) return <Muted>{api_keys_count > 0 ? texts.keys(api_keys_count) : texts.noCredential}</Muted>;
  return (
    <span>
      <Mono>{api_key_mask}</Mono> {api_keys_count > 1 && <Muted>{texts.moreKeys(api_keys_count - 1)}</Muted>}
    </span>
  );
}

const COLUMNS: Column<Provider>[] = [
  { id: 'name', header: texts.columns.name, cell: (provider) => provider.name, sortBy: (provider) => provider.name.toLowerCase(), main: true },
  { id: 'kind', header: texts.columns.kind, cell: (provider) => provider.kind },
  { id: 'url', header: texts.columns.url, cell: (provider) => (provider.base_url ? <Mono>{provider.base_url}</Mono> : <Muted>{texts.defaultUrl}</Muted>) },
  { id: 'credential', header: texts.columns.credential, cell: (provider) => <Credential provider={provider} /> },
  {
    id: 'status',
    header: texts.columns.status,
    cell: (provider) => (
      <span>
        <StateMark tone={provider.disabled ? 'idle' : 'good'}>{provider.disabled ? texts.disabled : texts.enabled}</StateMark> {provider.health_check && <Muted>{texts.checked}</Muted>}
      </span>
    ),
  },
  { id: 'test', header: texts.columns.test, hideHeader: true, align: 'right', cell: (provider) => <TestCell provider={provider} /> },
];

export function ProvidersTable({ providers }: { providers: Provider[] | undefined }) {
  return <DataTable label={texts.title} columns={COLUMNS} rows={providers} rowId={(provider) => provider.id} />;
}
