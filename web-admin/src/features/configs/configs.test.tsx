import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import { configRow, fakeApi, keyRow, listOf, refusal, session, versionRow } from '../../test/fake_api';
import { open } from '../../test/open';
import { describeQuery, treeOf } from './describe';
import { wordsOf } from './schema_words';

const FIRST = { strategy: { mode: 'fallback' }, targets: [{ provider: 'a' }, { provider: 'b' }] };
const SECOND = { ...FIRST, retry: { attempts: 3 } };
const write = (field: HTMLElement, value: unknown) => fireEvent.change(field, { target: { value: typeof value === 'string' ? value : JSON.stringify(value) } });

/* A config with two versions, of which the second is published; the calls move it. */
function houseApi(more: Parameters<typeof fakeApi>[0] = {}, row: Record<string, unknown> = {}) {
  const state = { published: 2, labels: {} as Record<string, number>, documents: [FIRST, SECOND] as unknown[] };
  const house = () => configRow('house', { published_version: state.published, latest_version: state.documents.length, labels: state.labels, ...row });
  const version = (n: number) => versionRow(n, state.documents[n - 1], { note: `note ${n}`, published: n === state.published, labels: Object.keys(state.labels).filter((label) => state.labels[label] === n) });
  const api = fakeApi({
    'GET /configs': () => listOf(house()),
    'GET /configs/cfg_house': () => ({ body: house() }),
    'GET /configs/cfg_house/versions': () => listOf(...state.documents.map((_, i) => version(i + 1)).reverse()),
    'GET /configs/cfg_house/versions/1': () => ({ body: version(1) }),
    'GET /configs/cfg_house/versions/2': () => ({ body: version(2) }),
    'POST /configs/cfg_house/versions': ({ body }) => {
      const { document, publish } = body as { document: unknown; publish: boolean };
      state.documents.push(document);
      if (publish) state.published = state.documents.length;
      return { status: 201, body: version(state.documents.length) };
    },
    'POST /configs/cfg_house/publish': ({ body }) => {
      state.published = (body as { version: number }).version;
      return { body: house() };
    },
    'PUT /configs/cfg_house/labels/staging': ({ body }) => {
      state.labels = { ...state.labels, staging: (body as { version: number }).version };
      return { body: house() };
    },
    ...more,
  });
  return { ...api, state };
}

test('the list tells what is published, which labels point where, and who goes by it', async () => {
  fakeApi({
    'GET /configs': () => listOf(configRow('house', { latest_version: 3, labels: { staging: 3 } }), configRow('draft', { published_version: 0 })),
    'GET /keys': () => listOf(keyRow('app', { config: 'house@staging' }), keyRow('other')),
    'GET /models': () => listOf({ name: 'smart', config: 'cfg_house' }),
  });
  open('/configs');
  const row = within((await screen.findByRole('link', { name: 'house' })).closest('tr')!);
  expect([row.getByText('Version 1'), row.getByText('Version 3'), row.getByText('staging → 3')]).toHaveLength(3);
  await row.findByText('key app');
  row.getByText('model smart');
  const other = within(screen.getByRole('link', { name: 'draft' }).closest('tr')!);
  other.getByText('Nothing yet');
  await other.findByText('Nothing by default');
});

test('an error is told at its place, by the server or where it is no JSON, and nothing is saved until it is gone', async () => {
  const wrong = { code: 'invalid_field', message: 'must be from 0 to 10, not 99', param: 'config.targets[0].retry.attempts' };
  const { to } = fakeApi({
    'POST /configs/validate': ({ body }) => ({ body: JSON.stringify(body).includes('99') ? { valid: false, error: wrong } : { valid: true, error: null } }),
    'POST /configs': () => ({ status: 201, body: configRow('house') }),
  });
  const { user } = open('/configs/new');
  const editor = await screen.findByRole('textbox', { name: 'Document' });
  const create = screen.getByRole('button', { name: 'Create and publish' });
  await user.type(screen.getByLabelText('Name'), 'house');

  write(editor, '{"targets": [{"provider": "a",}]}');
  await screen.findByText(/the name of a member/);
  expect(create).toHaveProperty('disabled', true);

  write(editor, '{"targets": [{"provider": "a", "retry": {"attempts": 99}}]}');
  await screen.findByText('must be from 0 to 10, not 99');
  screen.getByText('line 1, config.targets[0].retry.attempts');
  expect(editor.getAttribute('data-mark')).toBe('99');
  await user.click(screen.getByRole('button', { name: 'Go there' }));
  expect(document.activeElement).toBe(editor);
  const { value, selectionStart, selectionEnd } = editor as HTMLTextAreaElement;
  expect(value.slice(selectionStart, selectionEnd)).toBe('99');
  expect(within(screen.getByRole('list', { name: 'Strategy' })).getByText('not valid')).toBeTruthy();
  expect(create).toHaveProperty('disabled', true);

  write(editor, FIRST);
  await screen.findByText('Valid');
  await user.click(create);
  await waitFor(() => expect(to('POST /configs')).toHaveLength(1));
  expect(to('POST /configs')[0]!.body).toEqual({ name: 'house', document: FIRST, publish: true });
});

test('a name that is taken or unfit is told at its field', async () => {
  fakeApi({ 'POST /configs': () => refusal(409, 'conflict', 'name is taken') });
  const { user } = open('/configs/new');
  const name = await screen.findByLabelText('Name');
  await user.type(name, 'not good');
  await screen.findByText('Valid');
  await user.click(screen.getByRole('button', { name: 'Create and publish' }));
  await screen.findByText(/begins with a letter or digit/);
  await user.clear(name);
  await user.type(name, 'house');
  await user.click(screen.getByRole('button', { name: 'Create unpublished' }));
  await screen.findByText('name is taken');
});

test('a changed document becomes the next version, published when that is asked for', async () => {
  const { to } = houseApi();
  const { user } = open('/configs/cfg_house');
  const editor = await screen.findByRole('textbox', { name: 'Document' });
  expect(screen.getByRole('button', { name: 'Save as version 3' })).toHaveProperty('disabled', true);
  write(editor, { targets: [{ provider: 'c' }] });
  await user.type(screen.getByLabelText('Note'), 'one only');
  await waitFor(() => expect(screen.getByRole('button', { name: 'Save and publish' })).toHaveProperty('disabled', false));
  await user.click(screen.getByRole('button', { name: 'Save and publish' }));
  await screen.findByRole('heading', { name: 'Version 3' });
  expect(to('POST /configs/cfg_house/versions')[0]!.body).toEqual({ document: { targets: [{ provider: 'c' }] }, publish: true, note: 'one only' });
  expect(window.location.search).toBe('?version=3');
});

test('going back to an older version asks first, and so does leaving what is not saved', async () => {
  const { to } = houseApi();
  const { user } = open('/configs/cfg_house');
  write(await screen.findByRole('textbox', { name: 'Document' }), '{}');
  await user.click(await screen.findByRole('button', { name: 'Open version 1' }));
  await user.click(within(await screen.findByRole('dialog')).getByRole('button', { name: 'Leave' }));
  await screen.findByRole('heading', { name: 'Version 1' });

  await user.click(screen.getByRole('button', { name: 'Roll back to version 1' }));
  const dialog = await screen.findByRole('dialog');
  expect(dialog.textContent).toContain('go by version 2 now');
  expect(to('POST /configs/cfg_house/publish')).toHaveLength(0);
  await user.click(within(dialog).getByRole('button', { name: 'Roll back' }));
  await waitFor(() => expect(to('POST /configs/cfg_house/publish')[0]?.body).toEqual({ version: 1 }));
  await screen.findByRole('button', { name: 'Publish version 2' });
});

test('two versions are compared, by an address of their own', async () => {
  houseApi();
  const { user } = open('/configs/cfg_house');
  await user.click(await screen.findByRole('button', { name: 'Compare version 1' }));
  const dialog = await screen.findByRole('dialog');
  expect((await within(dialog).findByLabelText('Version 1')).textContent).not.toContain('attempts');
  expect(within(dialog).getByLabelText('Version 2').textContent).toContain('"attempts": 3');
  expect(window.location.search).toBe('?left=1&right=2');
  await user.selectOptions(within(dialog).getByLabelText('After'), '1');
  await within(dialog).findByText('The two are the same.');
});

test('a label is pointed at a version; what cannot be one is refused before it is sent', async () => {
  const { to, state } = houseApi();
  const { user } = open('/configs/cfg_house');
  await user.click(await screen.findByRole('button', { name: 'Labels of version 2' }));
  const dialog = await screen.findByRole('dialog');
  const field = within(dialog).getByLabelText('Add or move a label here');
  await user.type(field, 'latest{Enter}');
  await within(dialog).findByText(/is the newest version always/);
  await user.clear(field);
  await user.type(field, 'staging{Enter}');
  await within(dialog).findByRole('button', { name: 'Remove staging' });
  expect(to('PUT /configs/cfg_house/labels/staging')[0]!.body).toEqual({ version: 2 });
  expect(state.labels).toEqual({ staging: 2 });
});

test('who may only read is offered no change; what a file owns is told so', async () => {
  const reader = { ...session, platform_admin: false, memberships: [{ organization_id: 'org_1', workspace_id: null, role: 'auditor' }] };
  houseApi({ 'GET /session': () => ({ body: reader }) });
  const first = open('/configs/cfg_house');
  await screen.findByText('Your role may read it, but not change it.');
  expect((await screen.findByRole('textbox', { name: 'Document' })).hasAttribute('readonly')).toBe(true);
  await screen.findByRole('button', { name: 'Compare version 1' });
  for (const name of [/^Save/, /^Publish/, /^Roll back/, /^Labels/, /^Rename/, /^Delete/]) expect(screen.queryByRole('button', { name })).toBeNull();
  expect(screen.queryByRole('link', { name: 'Explain' })).toBeNull();
  first.unmount();

  houseApi({}, { owned_by: 'file' });
  open('/configs/cfg_house');
  await screen.findByText(/comes from a file/);
  expect(screen.queryByRole('button', { name: /^Save/ })).toBeNull();
});

test('conditions and strategies read as words', () => {
  expect(describeQuery({ 'metadata.plan': { $eq: 'pro' }, stream: true, 'params.max_tokens': { $gt: 1, $lte: 9 } })).toBe('metadata.plan = "pro" and stream = true and params.max_tokens > 1 and params.max_tokens ≤ 9');
  expect(describeQuery({ $or: [{ model: { $in: ['a', 'b'] } }, { $not: { 'headers.x': { $exists: false } } }] })).toBe('(model is one of ["a","b"] or not (headers.x is absent))');
  const tree = treeOf({
    strategy: { mode: 'conditional', conditions: [{ query: { model: 'x' }, then: 'best' }] },
    cache: { mode: 'simple', max_age: 60 },
    targets: [{ name: 'best', strategy: { mode: 'split' }, targets: [{ share: 90, provider: '@a' }, { share: 10, model: 'm', retry: { attempts: 2 } }] }],
  })!;
  expect(tree).toMatchObject({ mode: 'conditional', settings: ['cache simple for 60 s'], choices: [{ when: 'model = "x"', then: 'best' }, { when: '', then: '' }] });
  expect(tree.children[0]!.children.map(({ path, part, how, settings }) => [path, part, how, settings])).toEqual([
    ['targets[0].targets[0]', '90 %', '@a · the model that is asked for', []],
    ['targets[0].targets[1]', '10 %', 'model m', ['retry 2×']],
  ]);
});

test('what is no config yet breaks no tree', () => {
  expect(treeOf([])).toBeNull();
  for (const odd of [{}, { targets: 'x' }, { targets: [null, 3, {}] }, { strategy: 7, retry: null, override_params: [], circuit_breaker: false }, { strategy: { mode: 5, conditions: [{}], on: {} }, targets: [{ weight: 'a' }] }]) {
    expect(treeOf(odd)).not.toBeNull();
  }
  let deep: Record<string, unknown> = { provider: 'a' };
  for (let i = 0; i < 100; i++) deep = { targets: [deep] };
  expect(treeOf(deep)!.mode).toBe('single');
});

test('the schema’s names and words are offered, each once', () => {
  const schema = { $defs: { a: { properties: { mode: { enum: ['single', 'fallback'] }, retry: { type: 'object', description: 'tries' } } } }, properties: { mode: {}, x: { const: 'y' } } };
  const { names, values } = wordsOf(schema);
  expect(names.map(({ name }) => name).sort()).toEqual(['mode', 'retry', 'x']);
  expect(names.find(({ name }) => name === 'retry')).toEqual({ name: 'retry', kind: 'object', about: 'tries' });
  expect(values.map(({ name }) => name).sort()).toEqual(['fallback', 'single', 'y']);
});
