import { screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';
import { fakeApi, listOf, readerOf, refusal } from '../../test/fake_api';
import { open } from '../../test/open';
import { scopesOf } from '../quotas/schema';
import { scopeText } from '../quotas/scopes';
import { bodyOf, type Values } from './form';
import { increaseOf, parseBudget, percentsOf } from './schema';

const row = (more: Record<string, unknown> = {}) => ({
  id: 'bud_1', organization_id: 'org_1', workspace_id: null, name: 'interns', metric: 'cost', amount: '1.00', window: 'month', zone: 'UTC', mode: 'hard', downgrade_model: '',
  scopes: [{ kind: 'team', value: 'team_1', value_name: 'interns' }, { kind: 'user', value: '*' }], alert_percents: [80], max_cost: '0', when_unavailable: 'refuse', max_values: 10000,
  extra_amount: '0', extra_until: null, disabled: false, owned_by: 'api', revision: 3, created_at: '2030-01-31T12:00:00.000Z', ...more,
});
const account = { bucket: 'user:usr_1', values: { user: 'usr_1' }, window_start: '2020-01-01T00:00:00Z', window_end: '2099-01-01T00:00:00Z', amount: '1.00', settled: '0.25', held: '0.125', remaining: '0.625', overrun: '0' };

test('a budget is shown with what is spent and reserved of it', async () => {
  fakeApi({ 'GET /budgets': () => listOf(row()), 'GET /budgets/bud_1/accounts': () => listOf(account) });
  const { user } = open('/budgets');
  const cells = (await screen.findByText('interns')).closest('tr')!;
  await waitFor(() => expect(cells.textContent).toMatch(/team interns.*each user.*\$1\.00 a month.*\$0\.25 of \$1\.00 · \$0\.125 reserved.*Refuse.*80 %/));
  expect(within(cells).getByRole('meter').getAttribute('aria-valuenow')).toBe('25');
  await user.click(within(cells).getByRole('button', { name: 'Accounts of interns' }));
  expect(window.location.search).toBe('?accounts=bud_1');
  expect((await screen.findByRole('dialog')).textContent).toMatch(/user usr_1.*\$0\.625/);
});

test('what the server refuses in a part is told at that part', async () => {
  const { to } = fakeApi({ 'POST /budgets': () => refusal(400, 'invalid_field', 'scopes[0].value names no team', { param: 'scopes[0].value' }) });
  const { user } = open('/budgets?new=true');
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByLabelText('Name'), 'b');
  await user.type(within(dialog).getByLabelText('Amount'), '0.5');
  await user.click(within(dialog).getByRole('button', { name: 'Add a part' }));
  await user.type(within(dialog).getByLabelText('Value 1'), 'none');
  await user.click(within(dialog).getByRole('button', { name: 'Make budget' }));
  await within(dialog).findByText('scopes[0].value names no team');
  expect(within(dialog).queryByRole('alert')).toBeNull();
  expect(to('POST /budgets')[0]!.body).toMatchObject({ name: 'b', metric: 'cost', amount: '0.5', scopes: [{ kind: 'team', value: 'none' }], mode: 'hard', alert_percents: [50, 80, 100] });
});

test('who may only read is offered no change', async () => {
  fakeApi({ ...readerOf('budget.read'), 'GET /budgets': () => listOf(row()), 'GET /budgets/bud_1/accounts': () => listOf() });
  open('/budgets?new=true');
  await screen.findByText('interns');
  expect(screen.queryByRole('button', { name: /New budget|Change|Increase|Delete/ })).toBeNull();
  expect(screen.queryByRole('dialog')).toBeNull();
});

test('a scope that was not touched goes back as the id that it was', () => {
  const before = parseBudget(row(), '').scopes;
  expect(before.map(scopeText)).toEqual(['team interns', 'each user']);
  expect(scopesOf([{ kind: 'team', name: '', value: 'interns' }, { kind: 'metadata', name: 'dept', value: 'x' }, { kind: 'organization', name: '', value: '' }], before)).toEqual([{ kind: 'team', value: 'team_1' }, { kind: 'metadata', name: 'dept', value: 'x' }, { kind: 'organization' }]);
});

test('only what the reader meant is sent', () => {
  const values: Values = { name: ' b ', workspace_id: 'ws_1', scopes: [], metric: 'tokens', amount: '10', window: 'day', zone: '', mode: 'soft', downgrade_model: 'x', alert_percents: [], max_cost: '1', when_unavailable: 'refuse', max_values: '', disabled: false };
  expect(bodyOf(values, null)).toEqual({ name: 'b', metric: 'tokens', workspace_id: 'ws_1', window: 'day', scopes: [], amount: '10', mode: 'soft', alert_percents: [] });
  expect([percentsOf(['50', '100']), percentsOf(['0']), percentsOf(['x'])]).toEqual([[50, 100], null, null]);
});

test('an increase counts while it lasts', () => {
  const given = (extra_amount: string, extra_until: string | null) => increaseOf(parseBudget(row({ extra_amount, extra_until }), ''), Date.parse('2030-01-01T00:00:00Z'))?.amount ?? null;
  expect([given('5', '2031-01-01T00:00:00Z'), given('5', '2029-01-01T00:00:00Z'), given('0.00', '2031-01-01T00:00:00Z'), given('5', null)]).toEqual(['5', null, null, null]);
});
