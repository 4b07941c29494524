import { screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import { fakeApi, listOf, session } from '../../test/fake_api';
import { open } from '../../test/open';
import { perMillion, picoOf } from './money';

const entry = (model: string, more: Record<string, unknown> = {}) => ({
  id: `cat_${model}`,
  provider: 'openai',
  model,
  title: model,
  context: 128000,
  max_output: 16384,
  capabilities: ['tools', 'stream'],
  input: ['text', 'image'],
  output: ['text'],
  deprecated: false,
  deprecated_on: null,
  price: { token_in: 2500000, token_out: { price: 10000000, tiers: [{ above: 200000, price: 15000000 }] }, search: 10000000000 },
  source: 'test',
  updated: false,
  override_id: null,
  ...more,
});
const providers = () => ({ body: { data: [{ provider: 'openai', models: 2, priced: 2 }], version: '2026-01-01 test' } });

test('amounts are moved by their point, exactly', () => {
  for (const [pico, text] of [[0, '0'], [1, '0.000001'], [3625, '0.003625'], [135000, '0.135'], [2500000, '2.5'], [10000000, '10']] as const) {
    expect(perMillion(pico)).toBe(text);
    expect(picoOf(text)).toBe(pico);
  }
  for (const text of ['', '.5', '-1', '1e3', '0.0000001', 'much']) expect(picoOf(text)).toBeNull();
});

test('prices stand per million tokens, and our own are marked', async () => {
  const { to } = fakeApi({ 'GET /catalogue': () => listOf(entry('gpt-4o', { override_id: 'cato_1' }), entry('plain', { price: null })), 'GET /catalogue/providers': providers });
  const { user } = open('/catalogue');
  const table = await screen.findByRole('table', { name: 'Catalogue' });
  const row = (await within(table).findByText('gpt-4o')).closest('tr')!;
  expect(within(row).getByText('2.5')).toBeTruthy();
  expect(within(row).getByText('10+')).toBeTruthy();
  expect(within(row).getByText('our price')).toBeTruthy();
  expect(within(within(table).getByText('plain').closest('tr')!).getAllByText('no price').length).toBe(1);
  await user.type(screen.getByLabelText('Search'), 'gpt');
  await waitFor(() => expect(to('GET /catalogue').at(-1)!.query.get('q')).toBe('gpt'));
  await user.selectOptions(screen.getByLabelText('Provider'), 'openai');
  await waitFor(() => expect(to('GET /catalogue').at(-1)!.query.get('provider')).toBe('openai'));
});

test('an override is sent whole, with what was not touched as it was', async () => {
  const { to } = fakeApi({
    'GET /catalogue': () => listOf(entry('gpt-4o')),
    'GET /catalogue/providers': providers,
    'POST /catalogue-overrides': () => ({ status: 201, body: { id: 'cato_1' } }),
  });
  const { user } = open('/catalogue');
  await user.click(await screen.findByRole('button', { name: 'Edit gpt-4o' }));
  const dialog = await screen.findByRole('dialog');
  const input = within(dialog).getByLabelText('Input');
  await user.clear(input);
  await user.type(input, '1.9999999');
  await user.click(within(dialog).getByRole('button', { name: 'Save override' }));
  expect(await within(dialog).findByText(/at most 6 decimals/)).toBeTruthy();
  await user.clear(input);
  await user.type(input, '1.75');
  await user.click(within(dialog).getByRole('button', { name: 'Save override' }));
  await waitFor(() => expect(to('POST /catalogue-overrides')).toHaveLength(1));
  expect(to('POST /catalogue-overrides')[0]!.body).toEqual({
    provider: 'openai',
    model: 'gpt-4o',
    entry: {
      price: { token_in: 1750000, token_out: { price: 10000000, tiers: [{ above: 200000, price: 15000000 }] }, search: 10000000000 },
      context: 128000,
      max_output: 16384,
    },
  });
});

test('who may not override sees no button', async () => {
  fakeApi({
    'GET /session': () => ({ body: { ...session, platform_admin: false, memberships: [{ organization_id: 'org_1', workspace_id: 'ws_1', role: 'admin' }] } }),
    'GET /catalogue': () => listOf(entry('gpt-4o')),
    'GET /catalogue/providers': providers,
  });
  open('/catalogue');
  expect(await screen.findByText('gpt-4o')).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Edit gpt-4o' })).toBeNull();
});
