import { fireEvent, screen, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import { configRow, fakeApi, keyRow, listOf, refusal, versionRow, type Answer } from '../../test/fake_api';
import { open } from '../../test/open';
import { usd } from './money';
import { headersOf, parseExplanation } from './schema';

const ANSWER = {
  data_plane: { id: 'dp_1', name: 'one' },
  config_version: 9,
  request: { endpoint: 'chat.completions', dialect: 'openai', model: 'gpt-4o', stream: false, prompt_tokens: 16 },
  caller: { key: 'key_app', name: 'app', workspace: 'ws_1' },
  config: { source: 'header', id: 'cfg_1', name: 'house', version: 3 },
  decisions: [
    {
      node: 'config',
      mode: 'conditional',
      conditions: [
        { query: { stream: { $eq: true } }, holds: false, values: { stream: false } },
        { query: { 'metadata.plan': { $eq: 'pro' } }, holds: true, values: { 'metadata.plan': 'pro' } },
      ],
      order: [
        { target: 'config.targets[0]', name: 'best', weight: 1, health: 'healthy', limits: 'ok', latency_ms: 40, in_flight: 0, price_nanousd: 2600000 },
        { target: 'config.targets[1]', name: 'cheap', weight: 1, health: 'open', passed_over: 'not asked for' },
      ],
      chosen: 'config.targets[0]',
    },
  ],
  targets: [{ option: 'config.targets[0]', name: 'best', provider: 'openai', model: 'gpt-4o', endpoint: 'chat', translated: false, health: 'closed', reopens_in_ms: 0, saturated: false, latency_ms: 40, in_flight: 0, estimated_nanousd: 2600000 }],
  impossible: [{ option: 'config.targets[2]', code: 'provider_not_found', reason: 'there is no provider nope' }],
  cache: { mode: 'simple', key: '69f0c11343aef97e', ttl_s: 3600, would_hit: false },
  refused: null,
};

async function explain(answer: Answer) {
  const api = fakeApi({ 'GET /keys': () => listOf(keyRow('gone', { status: 'revoked' }), keyRow('app')), 'POST /explain': () => answer });
  const opened = open('/explain');
  await screen.findByRole('option', { name: /^app/ });
  fireEvent.change(screen.getByLabelText('Header fields'), { target: { value: 'x-weir-config: house\nX-Weir-Metadata: {"plan": "pro"}' } });
  await opened.user.click(screen.getByRole('button', { name: 'Explain' }));
  return { ...api, ...opened };
}

test('the answer is told: config, conditions with what they saw, order, price, cache', async () => {
  const { to } = await explain({ body: ANSWER });
  await screen.findByText('It would be sent to openai, model gpt-4o');
  expect(to('POST /explain')[0]!.body).toEqual({
    key: 'key_app', method: 'POST', path: '/v1/chat/completions', headers: { 'x-weir-config': 'house', 'x-weir-metadata': '{"plan": "pro"}' },
    body: { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] },
  });
  screen.getByText('house, version 3');
  const [no, yes] = within(screen.getByRole('list', { name: 'Conditions' })).getAllByRole('listitem').map((item) => item.textContent);
  expect(no).toMatch(/Does not hold.*stream = true.*it saw stream = false/);
  expect(yes).toMatch(/^Holds.*metadata.plan = "pro".*it saw metadata.plan = "pro"/);
  const rows = within(screen.getByRole('table', { name: 'config: conditional' })).getAllByRole('row').map((row) => row.textContent);
  expect(rows[1]).toMatch(/best.*Healthy.*40 ms to the first token · \$0\.0026.*Chosen/);
  expect(rows[2]).toMatch(/cheap.*Open.*not asked for/);
  expect(within(screen.getByRole('table', { name: 'Order of trying' })).getAllByRole('row')[1]!.textContent).toContain('openai · gpt-4o');
  screen.getByText(/there is no provider nope/);
  screen.getByText(/simple, kept for 3600 s/);
});

test('a refusal comes first, with its reason', async () => {
  await explain({ body: { ...ANSWER, targets: [], decisions: [], cache: null, refused: { status: 404, code: 'model_not_found', message: 'the model does not exist', param: 'model' } } });
  await screen.findByText('It would be refused: 404 model_not_found');
  screen.getByText(/the model does not exist/);
  screen.getByText('There was nothing to decide.');
});

test('that no data plane could tell is told as such', async () => {
  await explain(refusal(503, 'not_ready', 'no data plane is connected'));
  expect((await screen.findByRole('alert')).textContent).toContain('No data plane is connected.');
});

test('what is wrong with the question is told at its field, and nothing is asked', async () => {
  const { to } = fakeApi({ 'GET /keys': () => listOf(keyRow('app')) });
  const { user } = open('/explain');
  await screen.findByRole('option', { name: /^app/ });
  fireEvent.change(screen.getByLabelText('Header fields'), { target: { value: 'no colon' } });
  fireEvent.change(await screen.findByRole('textbox', { name: 'Body' }), { target: { value: '{"model": }' } });
  fireEvent.change(screen.getByLabelText('Path'), { target: { value: 'v1' } });
  await user.click(screen.getByRole('button', { name: 'Explain' }));
  await screen.findByText('Line 1 is no “name: value”');
  screen.getByText('The body is no JSON');
  screen.getByText('A path begins with /');
  expect(to('POST /explain')).toHaveLength(0);
});

test('a version of a config is put in as the proposed document', async () => {
  const { to } = fakeApi({
    'GET /keys': () => listOf(keyRow('app')),
    'GET /configs/cfg_house': () => ({ body: configRow('house') }),
    'GET /configs/cfg_house/versions/2': () => ({ body: versionRow(2, { targets: [] }) }),
    'POST /explain': () => ({ body: ANSWER }),
  });
  const { user } = open('/explain?config=cfg_house&version=2');
  await screen.findByText('Version 2 of “house” is put in as the proposed document.');
  await screen.findByRole('option', { name: /^app/ });
  await user.click(screen.getByRole('button', { name: 'Explain' }));
  await screen.findByText('What would be done');
  expect((to('POST /explain')[0]!.body as { config: unknown }).config).toEqual({ targets: [] });
});

test('header lines, amounts, and answers that lack what may be absent', () => {
  expect(headersOf('A: b: c\n\n x-y :z ')).toEqual({ headers: { a: 'b: c', 'x-y': 'z' } });
  expect(headersOf('a: b\n: c')).toEqual({ line: 2 });
  expect([0, 1, 2_600_000, 500_000_000, 12_000_000_000].map(usd)).toEqual(['$0', '$0.000000001', '$0.0026', '$0.50', '$12']);
  expect(parseExplanation({ data_plane: { id: 'dp_1', name: null } }, '').decisions).toEqual([]);
  expect(() => parseExplanation({ data_plane: {}, decisions: 'x' }, '')).toThrow('decisions: expected a list');
});
