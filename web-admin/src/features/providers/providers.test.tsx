import { screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import { fakeApi, listOf, refusal } from '../../test/fake_api';
import { open } from '../../test/open';

const provider = { id: 'prov_1', name: 'openai', kind: 'openai', base_url: 'https://api.openai.com/v1', api_key_mask: 'sk-…abcd', disabled: false };
const setting = (name: string, secret = false) => ({ name, about: `the ${name}`, secret, type: 'text', default: null });
const kinds = {
  body: {
    data: [
      { kind: 'openai', title: 'OpenAI', aliases: [], base_url: 'https://api.openai.com/v1', needs_base_url: false, auth: 'bearer', endpoints: ['chat'], settings: [], docs: 'https://platform.openai.com/' },
      { kind: 'bedrock', title: 'Amazon Bedrock', aliases: [], base_url: '', needs_base_url: false, auth: 'sigv4', endpoints: ['converse'], settings: [setting('region'), setting('aws_secret_access_key', true)], docs: 'https://docs.aws.amazon.com/' },
    ],
  },
};
const verdict = (result: unknown) => ({ body: { provider_id: 'prov_1', data_plane: { id: 'dp_1', name: 'one' }, result } });

async function testOnce(answer: Parameters<typeof fakeApi>[0]) {
  fakeApi({ 'GET /providers': () => listOf(provider), ...answer });
  const { user } = open('/providers');
  await user.click(await screen.findByRole('button', { name: 'Test openai' }));
}

test('a test that went well says how long it took and what it found', async () => {
  await testOnce({ 'POST /providers/prov_1/test': () => verdict({ ok: true, status: 200, latency_ms: 184, models: 67, error: null }) });
  await screen.findByText('Answered in 184 ms, 67 models');
});

test('a test that failed says why', async () => {
  await testOnce({ 'POST /providers/prov_1/test': () => verdict({ ok: false, status: 401, latency_ms: 9, models: 0, error: 'the provider refused the credential' }) });
  await screen.findByText('Status 401');
  await screen.findByText('the provider refused the credential');
});

test('a test that no data plane could make says so', async () => {
  await testOnce({ 'POST /providers/prov_1/test': () => refusal(503, 'not_ready', 'no data plane is connected') });
  await screen.findByText('No data plane is connected.');
});

test('an added provider’s credential is sent once and shown by its mask only', async () => {
  const made: unknown[] = [];
  const { to } = fakeApi({
    'GET /provider-kinds': () => kinds,
    'GET /providers': () => listOf(...made),
    'POST /providers': () => {
      made.push(provider);
      return { status: 201, body: provider };
    },
  });
  const { user } = open('/providers?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'openai');
  await user.type(within(dialog).getByLabelText('Base URL'), 'https://api.openai.com/v1');
  await user.type(within(dialog).getByLabelText('API key'), 'sk-very-secret');
  await user.click(within(dialog).getByRole('button', { name: 'Add provider' }));
  await screen.findByText('sk-…abcd');
  expect(to('POST /providers')[0]!.body).toEqual({ name: 'openai', kind: 'openai', base_url: 'https://api.openai.com/v1', api_key: 'sk-very-secret' });
  await waitFor(() => expect(document.body.innerHTML).not.toContain('sk-very-secret'));
});

test('a kind asks for what it needs, and only that is sent', async () => {
  const { to } = fakeApi({
    'GET /provider-kinds': () => kinds,
    'GET /providers': () => listOf(),
    'POST /providers': () => refusal(400, 'invalid_field', 'region must not hold blanks', { param: 'region' }),
  });
  const { user } = open('/providers?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'aws');
  expect(within(dialog).queryByLabelText('Region')).toBeNull();
  await user.click(within(dialog).getByRole('combobox', { name: 'Kind' }));
  await user.click(await screen.findByRole('option', { name: 'Amazon Bedrock', hidden: true }));
  await user.type(within(dialog).getByLabelText('Region'), 'eu west');
  await user.type(within(dialog).getByLabelText('AWS secret access key'), 'very-secret');
  await user.click(within(dialog).getByRole('button', { name: 'Add provider' }));
  await screen.findByText(/must not hold blanks/i);
  expect(to('POST /providers')[0]!.body).toEqual({ name: 'aws', kind: 'bedrock', region: 'eu west', aws_secret_access_key: 'very-secret' });
});

test('further keys are sent as a list and shown by their number; a health check has its interval', async () => {
  const made: unknown[] = [];
  const { to } = fakeApi({
    'GET /provider-kinds': () => kinds,
    'GET /providers': () => listOf(...made),
    'POST /providers': () => {
      made.push({ ...provider, api_keys_count: 3, health_check: { interval_ms: 30000 } });
      return { status: 201, body: made[0] };
    },
  });
  const { user } = open('/providers?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'openai');
  await user.type(within(dialog).getByLabelText('API key'), 'sk-1');
  await user.click(within(dialog).getByText('Further keys and health check'));
  await user.type(within(dialog).getByLabelText('Further API keys'), 'sk-two-secret{Enter}{Enter} sk-three ');
  await user.click(within(dialog).getByLabelText('Check its health'));
  const interval = within(dialog).getByLabelText('Every … seconds');
  await user.clear(interval);
  await user.click(within(dialog).getByRole('button', { name: 'Add provider' }));
  await within(dialog).findByText('Whole seconds, 1 to 86400');
  await user.type(interval, '30');
  await user.click(within(dialog).getByRole('button', { name: 'Add provider' }));
  const row = (await screen.findByRole('button', { name: 'Test openai' })).closest('tr')!;
  expect(row.textContent).toMatch(/sk-…abcd and 2 more.*health checked/);
  expect(to('POST /providers')[0]!.body).toEqual({ name: 'openai', kind: 'openai', api_key: 'sk-1', api_keys: ['sk-two-secret', 'sk-three'], health_check: { interval_ms: 30000 } });
  await waitFor(() => expect(document.body.innerHTML).not.toContain('sk-two-secret'));
});
