import { screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import { configRow, fakeApi, keyRow, listOf, readerOf, refusal } from '../../test/fake_api';
import { open } from '../../test/open';
import { bulkBody, keysOf, secretsCsv, type BulkValues } from './bulk';
import { expiryOf } from './form';
import { fieldOfKey, NO_QUOTAS, quotasBody, settingsBody, settingsOf } from './settings';

const SECRET = 'wr_live_shownOnce0123456789';

test('the secret of a new key is shown once and kept nowhere', async () => {
  const keys: unknown[] = [];
  const { to } = fakeApi({
    'GET /keys': () => listOf(...keys),
    'POST /keys': () => {
      keys.push(keyRow('my-app'));
      return { status: 201, body: { ...keyRow('my-app'), secret: SECRET } };
    },
  });
  const { user, queryClient } = open('/keys?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'my-app');
  await user.click(within(dialog).getByRole('button', { name: 'Create key' }));

  expect((await screen.findByLabelText('Secret')).textContent).toBe(SECRET);
  expect(screen.getByLabelText('Try it').textContent).toContain(`Authorization: Bearer ${SECRET}`);
  expect(to('POST /keys')[0]!.body).toEqual({ name: 'my-app', models: ['*'], expires_at: null });
  expect(to('POST /keys')[0]!.headers['x-weir-csrf']).toBe('csrf-1');
  expect(window.location.search).toBe(''); // a reload does not offer to make another

  await user.click(screen.getByRole('button', { name: 'I have stored it' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  await screen.findByRole('cell', { name: 'my-app' });
  expect(document.body.textContent).not.toContain(SECRET);
  expect(JSON.stringify(queryClient.getQueryCache().getAll().map((query) => query.state.data))).not.toContain(SECRET);
  await waitFor(() => expect(JSON.stringify(queryClient.getMutationCache().getAll().map((mutation) => mutation.state.data ?? null))).not.toContain(SECRET));
});

test('what the server refuses in a field is told at that field', async () => {
  fakeApi({ 'POST /keys': () => refusal(409, 'conflict', 'name is taken in this workspace') });
  const { user } = open('/keys?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'my-app');
  await user.click(within(dialog).getByRole('button', { name: 'Create key' }));
  await within(dialog).findByText('name is taken in this workspace');
  expect(within(dialog).getByLabelText('Name').getAttribute('aria-invalid')).toBe('true');
  expect(within(dialog).queryByRole('alert')).toBeNull();
});

test('a reply without the secret is refused, not shown as success', async () => {
  fakeApi({ 'POST /keys': () => ({ status: 201, body: keyRow('my-app') }) });
  const { user } = open('/keys?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'my-app');
  await user.click(within(dialog).getByRole('button', { name: 'Create key' }));
  expect((await within(dialog).findByRole('alert')).textContent).toContain('Secret: expected a text, got nothing');
});

test('a key gets a routing config, locked, and tags; one that there is gets others', async () => {
  const row = keyRow('app', { config: 'house@staging', config_locked: true, tags: ['team-a'] });
  const { to } = fakeApi({
    'GET /keys': () => listOf(row),
    'GET /configs': () => listOf(configRow('house', { labels: { staging: 1 } })),
    'POST /keys': () => refusal(400, 'invalid_field', 'there is no such config', { param: 'config' }),
    'PATCH /keys/key_app': () => ({ body: row }),
  });
  const { user } = open('/keys?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'my-app');
  await user.click(within(dialog).getByText('Routing and tags'));
  await user.type(within(dialog).getByLabelText('Routing config'), 'none');
  await user.click(within(dialog).getByLabelText('Requests may not bring another'));
  await user.type(within(dialog).getByLabelText('Tags'), 'gold,');
  await user.click(within(dialog).getByRole('button', { name: 'Create key' }));
  await within(dialog).findByText('there is no such config');
  expect(to('POST /keys')[0]!.body).toMatchObject({ config: 'none', config_locked: true, tags: ['gold'] });
  await waitFor(() => expect([...document.querySelectorAll('datalist option')].map((option) => option.getAttribute('value'))).toEqual(['house', 'house@staging']));
  await user.click(within(dialog).getByRole('button', { name: 'Cancel' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());

  const cells = screen.getByRole('button', { name: 'Change app' }).closest('tr')!.textContent;
  expect(cells).toMatch(/team-a.*house@staging locked/);
  await user.click(screen.getByRole('button', { name: 'Change app' }));
  const change = await screen.findByRole('dialog');
  await user.click(within(change).getByText('Routing and tags'));
  await user.clear(within(change).getByLabelText('Routing config'));
  await user.click(within(change).getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(to('PATCH /keys/key_app')[0]?.body).toEqual({ config: null }));
});

test('revoking asks first', async () => {
  const { to } = fakeApi({ 'GET /keys': () => listOf(keyRow('old')), 'POST /keys/key_old/revoke': () => ({ body: keyRow('old', { status: 'revoked' }) }) });
  const { user } = open('/keys');
  await user.click(await screen.findByRole('button', { name: 'Revoke old' }));
  const dialog = await screen.findByRole('dialog');
  expect(to('POST /keys/key_old/revoke')).toHaveLength(0);
  await user.click(within(dialog).getByRole('button', { name: 'Cancel' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(to('POST /keys/key_old/revoke')).toHaveLength(0);

  await user.click(screen.getByRole('button', { name: 'Revoke old' }));
  await user.click(within(await screen.findByRole('dialog')).getByRole('button', { name: 'Revoke key' }));
  await waitFor(() => expect(to('POST /keys/key_old/revoke')).toHaveLength(1));
});

test('a list of the wrong shape is refused with the place that is wrong', async () => {
  fakeApi({ 'GET /keys': () => listOf({ ...keyRow('odd'), models: 'gpt-4o' }) });
  open('/keys');
  const alert = await screen.findByRole('alert');
  expect(alert.textContent).toContain('Data[0].models: expected a list, got a string');
  expect(screen.queryByRole('table')).toBeNull();
});

test('an expiry is a moment to come', () => {
  const now = new Date('2030-01-31T12:00:00Z');
  expect(expiryOf({ expiry: 'never', date: '' }, now)).toBeNull();
  expect(expiryOf({ expiry: '7', date: '' }, now)).toBe('2030-02-07T12:00:00.000Z');
  expect(expiryOf({ expiry: 'date', date: '2030-03-01' }, now)).toBe(new Date('2030-03-01T23:59:59').toISOString());
});

test('rotating shows the new secret once, and says how long the former one holds', async () => {
  const { to } = fakeApi({
    'GET /keys': () => listOf(keyRow('app')),
    'POST /keys/key_app/rotate': () => ({ body: { ...keyRow('app', { former_expires_at: '2030-01-31T13:00:00.000Z' }), secret: SECRET } }),
  });
  const { user, queryClient } = open('/keys');
  await user.click(await screen.findByRole('button', { name: 'Rotate app' }));
  const dialog = await screen.findByRole('dialog');
  await user.selectOptions(within(dialog).getByLabelText('The former secret holds'), '0');
  await user.click(within(dialog).getByRole('button', { name: 'Rotate key' }));
  expect((await screen.findByLabelText('Secret')).textContent).toBe(SECRET);
  expect(to('POST /keys/key_app/rotate')[0]!.body).toEqual({ overlap_s: 0 });
  await user.click(screen.getByRole('button', { name: 'I have stored it' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(document.body.textContent).not.toContain(SECRET);
  expect(JSON.stringify(queryClient.getQueryCache().getAll().map((query) => query.state.data))).not.toContain(SECRET);
});

test('who may not write keys is offered nothing to do with them', async () => {
  fakeApi({ ...readerOf('key.read'), 'GET /keys': () => listOf(keyRow('app')) });
  open('/keys?new=true');
  await screen.findByRole('cell', { name: 'app' });
  expect(screen.queryByRole('button', { name: /Create key|Many keys|Change|Rotate|Block|Revoke/ })).toBeNull();
});

test('only what differs is sent, and an owner of the other kind takes the former one’s place', () => {
  const before = { ...settingsOf(null), owner: 'usr_1', tags: ['a'] };
  expect(settingsBody(before, before)).toEqual({});
  expect(settingsBody({ ...before, owner: 'sa_1' }, before)).toEqual({ user_id: null, service_account_id: 'sa_1' });
  expect(settingsBody({ ...before, owner: '', team_id: 'team_1', metadata: '{"a": 1}', ip_allow: ['10.0.0.0/8'] }, before)).toEqual({ user_id: null, team_id: 'team_1', metadata: { a: 1 }, ip_allow: ['10.0.0.0/8'] });
  expect(settingsBody({ ...settingsOf(null), owner: 'usr_1' }, settingsOf(null))).toEqual({ user_id: 'usr_1' });
});

test('budgets and limits of a new key, and where their refusals stand', () => {
  expect(quotasBody(NO_QUOTAS)).toEqual({});
  expect(quotasBody({ budget_amount: ' 0.50 ', budget_window: 'day', limit_requests: '', limit_tokens: '1000' })).toEqual({ budgets: [{ metric: 'cost', amount: '0.50', window: 'day' }], limits: [{ metric: 'tokens', amount: '1000', window: 'minute' }] });
  expect([fieldOfKey('budgets[0].amount'), fieldOfKey('user_id'), fieldOfKey('ip_allow[1]'), fieldOfKey(null)]).toEqual(['budget_amount', 'owner', 'ip_allow', null]);
});

test('many keys are named by a list or by their numbers', () => {
  const values: BulkValues = { way: 'count', name: 'app-{n}', count: '3', start: '', list: '', workspace_id: 'ws_1', models: ['*'], tags: [], team_id: '' };
  expect(bulkBody(values)).toEqual({ action: 'create', workspace_id: 'ws_1', template: { name: 'app-{n}', models: ['*'] }, count: 3, start: 1 });
  expect(bulkBody({ ...values, way: 'list', list: 'a\n\n{"name": "b"}', tags: ['fleet'] })).toEqual({ action: 'create', workspace_id: 'ws_1', template: { models: ['*'], tags: ['fleet'] }, keys: [{ name: 'a' }, { name: 'b' }] });
  expect(keysOf('a\n{no')).toBeNull();
  const line = { result: 'created', index: null, error: null, done: null };
  expect(secretsCsv([{ ...line, name: 'a "b", c', secret: 's1' }, { ...line, name: 'brought', secret: null }])).toBe('name,secret\n"a ""b"", c",s1');
});
