import { act, screen, waitFor, within } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import { fakeApi, listOf } from '../../test/fake_api';
import { open } from '../../test/open';
import { parseEvent } from '../events/schema';
import { tokensOf, toneOfStatus } from '../events/table';
import { ago, formatDuration } from '../../ui/time_text';

afterEach(() => {
  vi.useRealTimers();
});

const plane = (name: string, more: Record<string, unknown> = {}) => ({
  id: `dp_${name}`,
  name,
  group: 'default',
  state: 'connected',
  software_version: '0.1.0',
  config_version: 7,
  current_version: 7,
  behind: 0,
  refused_version: null,
  refused_reason: null,
  reported: {},
  last_seen_at: new Date().toISOString(),
  ...more,
});

const event = (more: Record<string, unknown> = {}) => ({
  id: 'evt_1',
  started_at: '2030-01-31T12:00:00.000Z',
  key_name: 'my-app',
  model: 'gpt-4o',
  stream: false,
  status: 200,
  outcome: 'ok',
  error_code: '',
  duration_us: 1_240_000,
  attempts: [{ provider: 'openai', model: 'gpt-4o', status: 200, outcome: 'ok', quantities: [{ unit: 'token_in', quantity: 1200, source: 'provider' }, { unit: 'token_out', quantity: 7, source: 'provider' }] }],
  ...more,
});

test('data planes are shown with state and lag, and a refusal with its reason', async () => {
  fakeApi({
    'GET /data-planes': () =>
      listOf(plane('one'), plane('two', { state: 'lagging', config_version: 5, behind: 2, refused_version: 6, refused_reason: 'route names a feature it lacks' }), plane('three', { state: 'gone', last_seen_at: null })),
  });
  open('/');
  const table = await screen.findByRole('table', { name: 'Data planes' });
  const two = within((await within(table).findByRole('cell', { name: 'two' })).closest('tr')!);
  expect(two.getByText('Lagging')).toBeTruthy();
  expect(two.getByText('5 of 7')).toBeTruthy();
  expect(two.getByText('2 changes')).toBeTruthy();
  expect(screen.getByText('two refused configuration 6 and serves the one before')).toBeTruthy();
  expect(screen.getByText('route names a feature it lacks')).toBeTruthy();
  expect(screen.getByText('1 of 3')).toBeTruthy();
});

test('a request is shown with what it used', async () => {
  fakeApi({ 'GET /events': () => listOf(event()) });
  open('/');
  const table = await screen.findByRole('table', { name: 'Last requests' });
  const row = (await within(table).findByRole('cell', { name: 'gpt-4o' })).closest('tr')!;
  expect(within(row).getAllByRole('cell').slice(1).map((cell) => cell.textContent?.trim())).toEqual(['my-app', 'gpt-4o', 'openai', '200', 'Answered', '1,200', '7', '1.24 s']);
});

test('a request is opened by an address: its attempts and why they were made, its config, and what the cache saved', async () => {
  const attempt = (more: Record<string, unknown>) => ({ provider: 'openai', model: 'gpt-4o', status: 200, outcome: 'ok', duration_us: 4_100, cost_nanousd: 1_500_000, kind: '', option: 'config.targets[0]', credential: 1, quantities: [], ...more });
  const one = event({ first_byte_us: 900, cost_nanousd: 1_500_000, cache_status: 'hit', saved_nanousd: 2_600_000, saved_us: 61_400, config_id: 'cfg_1', config_version_number: 3, assignment: 'new/b', attempts: [attempt({ status: 503, outcome: 'provider_error', error_code: 'server_error', cost_nanousd: 0 }), attempt({ kind: 'fallback', option: 'config.targets[1]' })] });
  fakeApi({ 'GET /events': () => listOf(one), 'GET /events/evt_1': () => ({ body: one }) });
  const { user } = open('/');
  const row = (await screen.findByRole('cell', { name: 'gpt-4o' })).closest('tr')!;
  expect(row.textContent).toContain('from the cache');
  await user.click(within(row).getByRole('link'));
  const dialog = await screen.findByRole('dialog');
  const attempts = await within(dialog).findByRole('table', { name: 'Attempts' });
  const rows = within(attempts).getAllByRole('row').slice(1).map((line) => within(line).getAllByRole('cell').map((cell) => cell.textContent?.trim()));
  expect(rows).toEqual([
    ['1', 'first', 'openai · gpt-4o', '1', 'config.targets[0]', '503 server_error', '4.1 ms', '$0'],
    ['2', 'fallback', 'openai · gpt-4o', '1', 'config.targets[1]', '200', '4.1 ms', '$0.0015'],
  ]);
  for (const text of ['answered from it', '$0.0026, 61 ms', 'new/b']) within(dialog).getByText(text);
  expect(within(dialog).getByRole('link', { name: 'version 3' }).getAttribute('href')).toBe('/configs/cfg_1?version=3');
  expect(window.location.search).toBe('?event=evt_1');
  await user.click(within(dialog).getByRole('button', { name: 'Close' }));
  await waitFor(() => expect(window.location.search).toBe(''));
});

test('lists are read anew while the page is seen, and rest while it is not', async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const { to } = fakeApi({ 'GET /events': () => listOf(event()) });
  open('/');
  await screen.findByRole('cell', { name: 'gpt-4o' });
  const first = to('GET /events').length;
  await act(() => vi.advanceTimersByTimeAsync(6500));
  const second = to('GET /events').length;
  expect(second - first).toBeGreaterThanOrEqual(3);

  const hidden = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  document.dispatchEvent(new Event('visibilitychange'));
  await act(() => vi.advanceTimersByTimeAsync(10_000));
  expect(to('GET /events').length).toBe(second);
  hidden.mockRestore();
  document.dispatchEvent(new Event('visibilitychange'));
  await act(() => vi.advanceTimersByTimeAsync(2500));
  expect(to('GET /events').length).toBeGreaterThan(second);
});

test('an empty installation is told what comes first', async () => {
  fakeApi();
  open('/');
  await screen.findByText(/Add a provider, so that somebody can answer/);
  expect(screen.getByRole('link', { name: 'Add provider' }).getAttribute('href')).toBe('/providers?new=true');
});

test('tokens of all attempts count, and the weakest source is told', () => {
  const attempt = (quantity: number, source: string) => ({ provider: 'p', model: 'm', status: 200, outcome: 'ok', quantities: [{ unit: 'token_in', quantity, source }] });
  const parsed = parseEvent(event({ attempts: [attempt(10, 'provider'), attempt(5, 'estimated')] }), '');
  expect(tokensOf(parsed, 'token_in')).toEqual({ sum: 15, source: 'estimated' });
  expect(tokensOf(parsed, 'token_out')).toBeNull();
});

test('statuses and lengths of time read as people expect', () => {
  expect([200, 304, 403, 429, 499, 502].map(toneOfStatus)).toEqual(['good', 'good', 'warn', 'warn', 'idle', 'bad']);
  expect([412, 4_120, 61_400, 1_240_000, 125_000_000].map(formatDuration)).toEqual(['412 µs', '4.1 ms', '61 ms', '1.24 s', '2 min 5 s']);
  const now = Date.parse('2030-01-31T12:00:00Z');
  expect([0, 3, 300, 7200, 400_000].map((s) => ago(new Date(now - s * 1000), now))).toEqual(['just now', '3 s ago', '5 min ago', '2 h ago', '5 d ago']);
});
