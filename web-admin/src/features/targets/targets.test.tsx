import { act, screen, waitFor, within } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import { fakeApi, session } from '../../test/fake_api';
import { open } from '../../test/open';
import { parseTargets, targetsOf } from './schema';

afterEach(() => {
  vi.useRealTimers();
});

const target = (provider: string, more: Record<string, unknown> = {}) => ({
  provider_id: `prov_${provider}`, provider, model: 'gpt-4o', credential: 0, state: 'closed', reopens_in_ms: 0, latency_ms: 120, p95_ms: 900, in_flight: 2, requests: 10, failures: 0,
  requests_left: null, tokens_left: null, limits_reset_in_ms: null, last_used_ms_ago: 5000, total_requests: 100, total_failures: 1, total_retries_refused: 0, ...more,
});
const plane = (name: string, ...targets: unknown[]) => ({ id: `dp_${name}`, name, targets, truncated: false, error: null as string | null });
const answer = (...data_planes: unknown[]) => ({ body: { data_planes } });

test('what has tripped comes first, with when it is tried again and how much failed', async () => {
  fakeApi({
    'GET /targets': () => answer(plane('one', target('good', { requests_left: 40, limits_reset_in_ms: 6000 }), target('bad', { state: 'open', reopens_in_ms: 29100, requests: 10, failures: 9 })), { ...plane('two'), error: 'it is gone' }),
  });
  open('/targets');
  await screen.findByRole('cell', { name: 'bad' });
  const table = screen.getByRole('table', { name: 'Targets' });
  const [first, second] = (await within(table).findAllByRole('row')).slice(1).map((row) => row.textContent);
  expect(first).toContain('bad');
  for (const text of ['Open', 'tried in 30 s', '9 of 10 failed', '120 ms · p95 900 ms', 'one']) expect(first).toContain(text);
  for (const text of ['good', 'Closed', '10 requests', '40 requests · reset in 6 s']) expect(second).toContain(text);
  screen.getByText('two did not answer');
});

test('targets are narrowed by words and by state, which the address keeps', () => {
  const planes = parseTargets(answer(plane('one', target('alpha'), target('beta', { state: 'open' })), plane('two', target('alpha', { model: 'o3' }))).body, '').data_planes;
  const names = (narrowed: Parameters<typeof targetsOf>[1]) => targetsOf(planes, narrowed).map((one) => `${one.plane}/${one.provider}/${one.model}`);
  expect(names({})).toEqual(['one/beta/gpt-4o', 'one/alpha/gpt-4o', 'two/alpha/o3']);
  expect(names({ q: 'ALPHA two' })).toEqual(['two/alpha/o3']);
  expect(names({ state: 'open' })).toEqual(['one/beta/gpt-4o']);
});

test('they are read anew every five seconds', async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const { to } = fakeApi({ 'GET /targets': () => answer(plane('one', target('good'))) });
  open('/targets?state=closed');
  await screen.findByRole('cell', { name: 'good' });
  const before = to('GET /targets').length;
  await act(() => vi.advanceTimersByTimeAsync(10_500));
  expect(to('GET /targets').length - before).toBeGreaterThanOrEqual(2);
});

test('without a data plane, or without a target, the page says what is missing', async () => {
  fakeApi({ 'GET /targets': () => answer() });
  const { unmount } = open('/targets');
  await screen.findByText('No data plane is connected');
  unmount();
  fakeApi({ 'GET /targets': () => answer(plane('one')) });
  open('/targets');
  await screen.findByText('No target has been used yet');
});

test('the cache is purged once that is confirmed, by whom may', async () => {
  const { to } = fakeApi({ 'GET /targets': () => answer(plane('one', target('good'))), 'POST /cache/purge': () => ({ body: { data_planes: 2, unreachable: 0, entries: 7 } }) });
  const first = open('/targets');
  await first.user.click(await screen.findByRole('button', { name: 'Purge cache' }));
  const dialog = await screen.findByRole('dialog');
  await first.user.selectOptions(within(dialog).getByLabelText('Of workspace'), 'ws_1');
  await first.user.click(within(dialog).getByRole('button', { name: 'Purge cache' }));
  await screen.findByText('7 answers are forgotten in 2 data planes');
  expect(to('POST /cache/purge')[0]!.body).toEqual({ workspace_id: 'ws_1' });
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  first.unmount();

  fakeApi({ 'GET /targets': () => answer(plane('one', target('good'))), 'GET /session': () => ({ body: { ...session, platform_admin: false, memberships: [{ organization_id: 'org_1', workspace_id: 'ws_1', role: 'viewer' }] } }) });
  open('/targets');
  await screen.findByRole('cell', { name: 'good' });
  expect(screen.queryByRole('button', { name: 'Purge cache' })).toBeNull();
});
