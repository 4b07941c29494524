/* What the pages of governance read and send, without a page. */
import { expect, test } from 'vitest';
import { differencesOf } from '../features/audit/schema';
import { parseIssuer, ruleDraftOf, rulesOf } from '../features/issuers/schema';
import { bodyOf as limitBody } from '../features/limits/form';
import { choicesOf, roleBody } from '../features/members/schema';
import { isRatio, percentText } from '../features/price_groups/schema';
import { perOf, usdOfPico } from '../features/prices/schema';
import { fits, groupsOf } from '../features/roles/schema';
import { browserOf } from '../features/sessions/schema';
import { isMonth, sumOf, teamsOf, type Line } from '../features/statements/schema';
import { spanOf } from '../features/usage/schema';
import { ApiError } from '../api/errors';
import { fieldOf } from '../ui/dialog_form';
import { parsePermissions } from '../app/permissions';
import { permissions } from './fake_api';

test('a refusal finds its field', () => {
  const at = (param: string | null, code = 'invalid_field') => fieldOf({ name: '', scopes: [], tags: [] }, new ApiError(400, code, '', param), ['scopes']);
  expect([at('name'), at('scopes[1].value'), at('scopes'), at('tags[3]'), at('other'), at(null), at(null, 'conflict')]).toEqual(['name', 'scopes.1.value', 'scopes', 'tags', null, null, 'name']);
  expect(fieldOf({ name: '' }, new Error('x'))).toBeNull();
});

test('the audit log tells members that differ', () => {
  expect(differencesOf({ a: 1, b: 'x', c: [1] }, { a: 1, b: 'y', d: null })).toEqual([{ member: 'b', before: 'x', after: 'y' }, { member: 'c', before: '[1]', after: null }, { member: 'd', before: null, after: 'null' }]);
  expect(differencesOf(null, null)).toEqual([]);
});

test('group rules keep what the form does not show', () => {
  const issuer = parseIssuer({ id: 'iss_1', name: 'a', issuer: 'https://a', group_rules: [{ group: 'ml-*', claim: 'roles', role: 'developer', workspace: 'main' }, { regex: '^x', role: 'viewer' }] }, '');
  const drafts = issuer.group_rules.map(ruleDraftOf);
  expect(drafts[1]).toEqual({ group: '/^x/', workspace: '', role: 'viewer', team: '' });
  expect(rulesOf(drafts, issuer.group_rules)).toEqual([{ group: 'ml-*', claim: 'roles', role: 'developer', workspace: 'main' }, { regex: '^x', role: 'viewer' }]);
});

test('a limit on what is under way at once has no window', () => {
  const values = { name: 'l', workspace_id: '', scopes: [], metric: 'concurrency', amount: '5', window: 'minute', algorithm: 'token_bucket', burst: '9', exact: false, when_unavailable: 'local', max_values: '', disabled: false };
  expect(limitBody(values, null)).toEqual({ name: 'l', metric: 'concurrency', scopes: [], amount: '5', when_unavailable: 'local' });
  expect(limitBody({ ...values, metric: 'tokens' }, null)).toMatchObject({ window: 'minute', algorithm: 'token_bucket', burst: '9' });
});

test('roles are offered where they hold', () => {
  const table = parsePermissions(permissions, '');
  const own = [{ id: 'role_1', name: 'mine', description: '', scope: 'workspace', permissions: [], owned_by: 'api', revision: 1, created_at: new Date() }];
  expect(choicesOf(table, own, true).map(({ value }) => value)).toEqual(['viewer', 'role_1']);
  expect(choicesOf(table, own, false).map(({ value }) => value)).toEqual(['owner', 'billing']);
  expect([roleBody('role_1'), roleBody('viewer')]).toEqual([{ role_id: 'role_1' }, { role: 'viewer' }]);
  expect(groupsOf(table.permissions).map(({ name, permissions: list }) => [name, list.length])).toEqual([['key', 2], ['role', 1]]);
  expect(table.permissions.filter((one) => fits(one, 'workspace')).map(({ name }) => name)).toEqual(['key.read', 'key.write']);
});

test('ratios and prices are told by moving the point', () => {
  expect(['0.8', '1', '1.05', '0.333333', '1000', '1000.1', '-1', '0.1234567'].map((one) => [isRatio(one), percentText(one)])).toEqual([
    [true, '− 20 %'], [true, 'list price'], [true, '+ 5 %'], [true, '− 66.6667 %'], [true, '+ 99900 %'], [false, ''], [false, ''], [false, ''],
  ]);
  expect([usdOfPico('token_in', 2_500_000), usdOfPico('search', 14_000_000_000), perOf('token_in'), perOf('request')]).toEqual(['$2.5', '$0.014', 'million', 'unit']);
});

test('a statement’s lines stand by team, and add up to the nano-dollar', () => {
  const line = (team: string | null, cost: string) => ({ team_id: team, team, cost }) as Line;
  expect(teamsOf([line('a', '1'), line(null, '2'), line('a', '3')]).map(({ id, lines }) => [id, lines.length])).toEqual([['a', 2], ['', 1]]);
  expect([sumOf(['0.000000001', '9007199254740993.1']), sumOf([]), sumOf(['-1.5', '0.5'])]).toEqual(['9007199254740993.100000001', '0.000000000', '-1.000000000']);
  expect(['2026-11', '2026-13', undefined].map(isMonth)).toEqual([true, false, false]);
});

test('days of usage count to their end', () => {
  expect(spanOf('2030-01-01', '2030-01-31')).toEqual({ from: '2030-01-01T00:00:00.000Z', to: '2030-02-01T00:00:00.000Z' });
  expect(spanOf(undefined, 'x', new Date('2030-01-31T00:00:00Z'))).toEqual({ from: '2030-01-01T00:00:00.000Z' });
});

test('browsers are named as people know them', () => {
  expect([browserOf('Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0'), browserOf('curl/8.0'), browserOf('node')]).toEqual(['Firefox on Linux', 'curl', 'node']);
});
