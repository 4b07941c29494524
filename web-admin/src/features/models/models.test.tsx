import { screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import { fakeApi, listOf } from '../../test/fake_api';
import { open } from '../../test/open';

const provider = (name: string) => ({ id: `prov_${name}`, name, kind: 'openai', base_url: 'http://127.0.0.1:1/v1', api_key_mask: '', disabled: false });

test('a model is sent with its fallbacks in order, which weigh nothing', async () => {
  const { to } = fakeApi({
    'GET /providers': () => listOf(provider('one'), provider('two')),
    'GET /models': () => listOf(),
    'POST /models': () => ({ status: 201, body: { id: 'mdl_1', name: 'house', targets: [], created_at: '2030-01-31T12:00:00.000Z' } }),
  });
  const { user } = open('/models?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'house');
  await user.click(within(dialog).getByRole('button', { name: 'Add a fallback' }));
  await user.selectOptions(within(dialog).getAllByLabelText('Provider')[1]!, 'two');
  await user.type(within(dialog).getAllByLabelText('The provider’s name for it')[1]!, 'big');
  await user.click(within(dialog).getByRole('button', { name: 'Add model' }));
  await waitFor(() => expect(to('POST /models')).toHaveLength(1));
  expect(to('POST /models')[0]!.body).toEqual({
    name: 'house',
    targets: [{ provider: 'one', model: 'house', weight: 1 }, { provider: 'two', model: 'big', weight: 0 }],
  });
});

test('without a provider the way there is shown', async () => {
  fakeApi({ 'GET /models': () => listOf() });
  open('/models?new=true');
  expect((await screen.findByRole('link', { name: 'Add provider' })).getAttribute('href')).toBe('/providers?new=true');
  expect(screen.queryByRole('dialog')).toBeNull();
});

test('a target speaks the operation that is chosen for it', async () => {
  const { to } = fakeApi({
    'GET /provider-kinds': () => ({ body: { data: [{ kind: 'openai', title: 'OpenAI', endpoints: ['chat', 'responses'] }] } }),
    'GET /providers': () => listOf(provider('one')),
    'GET /models': () => listOf(),
    'POST /models': () => ({ status: 201, body: { id: 'mdl_1', name: 'house', targets: [], created_at: '2030-01-31T12:00:00.000Z' } }),
  });
  const { user } = open('/models?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'house');
  await user.selectOptions(await within(dialog).findByLabelText('Spoken to by'), 'responses');
  await user.click(within(dialog).getByRole('button', { name: 'Add model' }));
  await waitFor(() => expect(to('POST /models')).toHaveLength(1));
  expect(to('POST /models')[0]!.body).toEqual({ name: 'house', targets: [{ provider: 'one', model: 'house', weight: 1, endpoint: 'responses' }] });
});

test('a model may be answered as a routing config says', async () => {
  const models: unknown[] = [];
  const { to } = fakeApi({
    'GET /providers': () => listOf(provider('one')),
    'GET /models': () => listOf(...models),
    'POST /models': () => {
      models.push({ id: 'mdl_1', name: 'house', config: 'production', targets: [], created_at: '2030-01-31T12:00:00.000Z' });
      return { status: 201, body: models[0] };
    },
  });
  const { user } = open('/models?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'house');
  await user.selectOptions(within(dialog).getByLabelText('Answered by'), 'config');
  expect(within(dialog).queryByLabelText('Provider')).toBeNull();
  await user.click(within(dialog).getByRole('button', { name: 'Add model' }));
  await within(dialog).findByText('Name a routing config');
  await user.type(within(dialog).getByLabelText('Routing config'), 'production');
  await user.click(within(dialog).getByRole('button', { name: 'Add model' }));
  await waitFor(() => expect(to('POST /models')[0]?.body).toEqual({ name: 'house', config: 'production' }));
  expect((await screen.findByRole('cell', { name: 'house' })).closest('tr')!.textContent).toContain('routing config production');
});
