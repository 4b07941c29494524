import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import { configRow, fakeApi, keyRow, listOf, versionRow } from '../../test/fake_api';
import { open } from '../../test/open';
import { moved, partialText, rowsOf, valueTyped, variablesTyped, withPartialText, withRows } from './messages';

const DOCUMENT = { model: 'fast', temperature: 0, messages: [{ role: 'system', content: 'Be {{tone}}.', name: 'x' }, '{{history}}', { role: 'user', content: [{ type: 'text', text: 'Hi' }] }] };
const variables = [{ name: 'tone', required: true, default: null }, { name: 'history', required: false, default: [] }];

const greet = (more: Record<string, unknown> = {}) => configRow('greet', { id: 'prm_greet', partial: false, ...more });

test('messages are rows and come back as they were', () => {
  const rows = rowsOf(DOCUMENT)!;
  expect(rows.map((row) => row.kind)).toEqual(['message', 'slot', 'other']);
  expect(withRows(DOCUMENT, rows)).toEqual(DOCUMENT);
  expect(withRows(DOCUMENT, moved(rows, 0, 2)).messages).toEqual([DOCUMENT.messages[1], DOCUMENT.messages[2], DOCUMENT.messages[0]]);
  expect(rowsOf({ messages: '[{{history}}]' })).toBeNull();
  expect([partialText('a'), partialText({ text: 'b' }), partialText({})]).toEqual(['a', 'b', null]);
  expect([withPartialText('a', 'c'), withPartialText({ text: 'b', x: 1 }, 'c')]).toEqual(['c', { text: 'c', x: 1 }]);
});

test('values are texts, and JSON where they are lists or objects', () => {
  expect(['kind', '12', '[1]', ' {"a": 1}', '[not'].map(valueTyped)).toEqual(['kind', '12', [1], { a: 1 }, '[not']);
  expect(variablesTyped({ a: 'x', b: '', c: 'y' }, ['a', 'b'])).toEqual({ a: 'x' });
});

test('the list tells prompts from partials', async () => {
  fakeApi({ 'GET /prompts': () => listOf(greet(), greet({ id: 'prm_rules', name: 'rules', partial: true })) });
  open('/prompts');
  expect((await screen.findByRole('link', { name: 'rules' })).closest('tr')!.textContent).toContain('Partial');
  expect(screen.getByRole('link', { name: 'greet' }).closest('tr')!.textContent).toContain('Prompt');
});

test('a message is changed in its field, and all else of the document stays', async () => {
  const { to } = fakeApi({
    'GET /prompts/prm_greet': () => ({ body: greet() }),
    'GET /prompts/prm_greet/versions': () => listOf(versionRow(1, DOCUMENT)),
    'GET /prompts/prm_greet/versions/1': () => ({ body: versionRow(1, DOCUMENT) }),
    'POST /prompts/validate': () => ({ body: { valid: true, error: null, variables } }),
    'POST /prompts/prm_greet/versions': () => ({ status: 201, body: versionRow(2, DOCUMENT) }),
  });
  const { user } = open('/prompts/prm_greet');
  const text = await screen.findByLabelText('Text of message 1');
  expect(text).toHaveProperty('value', 'Be {{tone}}.');
  expect(screen.getByLabelText('Place for messages 2')).toHaveProperty('value', '{{history}}');
  screen.getByText(/Message 3 holds more than a text/);
  const table = await screen.findByRole('table', { name: 'Variables' });
  expect(within(table).getAllByRole('row').slice(1).map((row) => row.textContent)).toEqual(['toneYes–', 'historyNo[]']);

  fireEvent.change(text, { target: { value: 'Be brief.' } });
  await waitFor(() => expect(screen.getByRole('button', { name: 'Save as version 2' })).toHaveProperty('disabled', false));
  await user.click(screen.getByRole('button', { name: 'Save as version 2' }));
  await waitFor(() => expect(to('POST /prompts/prm_greet/versions')).toHaveLength(1));
  expect(to('POST /prompts/prm_greet/versions')[0]!.body).toEqual({ document: { ...DOCUMENT, messages: [{ ...(DOCUMENT.messages[0] as object), content: 'Be brief.' }, ...DOCUMENT.messages.slice(1)] }, publish: false });
});

test('a prompt is tried with values, without sending it', async () => {
  const { to } = fakeApi({
    'GET /keys': () => listOf(keyRow('app')),
    'GET /prompts/prm_greet': () => ({ body: greet() }),
    'GET /prompts/prm_greet/versions': () => listOf(versionRow(1, DOCUMENT)),
    'GET /prompts/prm_greet/versions/1': () => ({ body: versionRow(1, DOCUMENT) }),
    'POST /prompts/validate': () => ({ body: { valid: true, error: null, variables } }),
    'POST /explain': () => ({ body: { data_plane: { id: 'dp_1', name: 'one' }, refused: { status: 400, code: 'invalid_field', message: 'the prompt needs a value', param: 'variables.tone' } } }),
  });
  const { user } = open('/prompts/prm_greet');
  fireEvent.change(await screen.findByLabelText('history'), { target: { value: '[{"role": "user", "content": "it\'s"}]' } });
  expect(screen.getByLabelText('Sends it').textContent).toContain('/v1/prompts/greet@1/completions');
  expect(screen.getByLabelText('Sends it').textContent).toContain("it'\\''s"); // a shell takes it as it is
  await user.click(screen.getByRole('button', { name: 'Explain the call' }));
  await screen.findByText('It would be refused: 400 invalid_field');
  expect(to('POST /explain')[0]!.body).toEqual({ key: 'key_app', method: 'POST', path: '/v1/prompts/prm_greet@1/completions', headers: {}, body: { variables: { history: [{ role: 'user', content: "it's" }] } } });
});

test('a partial is its text', async () => {
  const { to } = fakeApi({ 'POST /prompts': () => ({ status: 201, body: greet({ partial: true }) }) });
  const { user } = open('/prompts/new');
  await user.selectOptions(await screen.findByLabelText('Start from'), 'partial');
  await user.type(screen.getByLabelText('Name'), 'rules');
  fireEvent.change(screen.getByLabelText('Text'), { target: { value: 'Be {{tone}}.' } });
  await waitFor(() => expect(screen.getByRole('button', { name: 'Create and publish' })).toHaveProperty('disabled', false));
  await user.click(screen.getByRole('button', { name: 'Create and publish' }));
  await waitFor(() => expect(to('POST /prompts')).toHaveLength(1));
  expect(to('POST /prompts')[0]!.body).toEqual({ name: 'rules', document: 'Be {{tone}}.', publish: true, partial: true });
});
