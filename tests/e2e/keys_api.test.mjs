// The promises of virtual keys in the admin API: every member is kept and checked, a secret is shown once and stands nowhere in
// clear, rotation overlaps, blocking is at once, a found key is recognised, and many keys are worked at a time.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { bootstrap, startControl } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';

let database, control, admin, team, account, at;
let counter = 0;
const fresh = (what) => `${what}-${++counter}`;
const ANY = { 'if-match': '*' };
const KEY_FORM = /^wr_live_[0-9A-Za-z]{33}$/;

before(async () => {
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  const organization = (await control.must('GET', '/organizations')).data[0], call = control.call;
  control.call = (method, path, body, more = {}) => call.call(control, method, path, body, { 'x-weir-organization': organization.id, ...more });
  team = await control.must('POST', '/teams', { name: 'ml' });
  account = await control.must('POST', '/service-accounts', { name: 'nightly' });
  at = (await control.must('GET', '/workspaces')).data[0];
});

after(async () => {
  await control?.end();
  await database?.drop();
});

function assertError(r, status, code, param) {
  assert.equal(r.status, status, r.text);
  assert.equal(r.json.error.code, code, r.text);
  if (param !== undefined) assert.equal(r.json.error.param, param, r.text);
}

// Sends a bulk and gives its lines, the last apart.
async function bulk(body) {
  const r = await control.call('POST', '/keys/bulk', body);
  assert.equal(r.status, 200, r.text);
  const lines = r.text.trim().split('\n').map((l) => JSON.parse(l));
  return { end: lines.pop(), lines, headers: r.headers };
}

test('a key keeps every member, in normal form', async () => {
  const name = fresh('full');
  const given = {
    name, service_account_id: account.id, team_id: team.id, endpoints: ['chat.completions', 'embed*'], models: ['gpt-*'], providers: ['openai'],
    configs: ['prod-*'], mcp_tools: ['github/*'], admin_permissions: ['key.read', 'usage.read'],
    ip_allow: ['10.1.2.3/8', '2001:DB8::/32', '192.0.2.7', '192.0.2.7/32'], metadata: { env: 'prod' }, required_metadata: ['customer'],
    tags: ['batch'], expires_at: '2031-01-31T00:00:00.000Z', price_group: '',
  };
  const made = await control.must('POST', '/keys', given);
  assert.match(made.secret, KEY_FORM);
  const key = await control.must('GET', `/keys/${made.id}`);
  for (const m of ['service_account_id', 'team_id', 'endpoints', 'models', 'configs', 'mcp_tools', 'admin_permissions', 'metadata', 'required_metadata', 'tags', 'expires_at']) {
    assert.deepEqual(key[m], given[m], m);
  }
  assert.deepEqual(key.ip_allow, ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7']);
  assert.equal(key.user_id, null);
  assert.equal(key.secret, undefined);
  assert.equal(key.last_used_at, null);
  assert.deepEqual([key.budgets, key.limits], [[], []]);

  const changed = await control.must('PATCH', `/keys/${made.id}`, { endpoints: [], ip_allow: ['::ffff:10.0.0.1'], team: null }, ANY);
  assert.deepEqual([changed.endpoints, changed.ip_allow, changed.team_id], [[], ['10.0.0.1'], null]);
  assert.equal((await control.must('PATCH', `/keys/${made.id}`, { team: 'ML' }, ANY)).team_id, team.id, 'a team by its name');
  const listed = (await control.must('GET', `/keys?team_id=${team.id}`)).data;
  assert.ok(listed.some((k) => k.id === made.id));
});

test('what a key names must be there, and what it holds must be well formed', async () => {
  const make = (more) => control.call('POST', '/keys', { name: fresh('bad'), ...more });
  assertError(await make({ ip_allow: ['10.0.0.0/33'] }), 400, 'invalid_field', 'ip_allow[0]');
  assertError(await make({ ip_allow: ['10.0.0.1', 'example.com'] }), 400, 'invalid_field', 'ip_allow[1]');
  assertError(await make({ admin_permissions: ['key.raed'] }), 400, 'invalid_field', 'admin_permissions[0]');
  assertError(await make({ admin_permissions: ['signed_in'] }), 400, 'invalid_field', 'admin_permissions[0]');
  assertError(await make({ team_id: 'team_0190aaaaaaaa7aaaaaaaaaaaaaaaaaaa' }), 400, 'invalid_field', 'team_id');
  assertError(await make({ team: 'nobody' }), 400, 'invalid_field', 'team');
  assertError(await make({ service_account: 'nobody' }), 400, 'invalid_field', 'service_account');
  const me = (await control.must('GET', '/users')).data[0];
  assertError(await make({ service_account: 'nightly', user_id: me.id }), 400, 'invalid_field', 'service_account_id');
  assertError(await make({ endpoints: [''] }), 400, 'invalid_field', 'endpoints[0]');
  assertError(await make({ expires_at: 'soon' }), 400, 'invalid_field', 'expires_at');
});

test('nobody gives a key permissions that they do not hold, nor comes by its secret', async () => {
  const owner = await control.must('POST', '/admin-tokens', { name: fresh('t'), role: 'admin' }, { 'x-weir-organization': at.organization_id });
  const as = { authorization: `Bearer ${owner.secret}` };
  const refused = await control.call('POST', '/keys', { name: fresh('k'), admin_permissions: ['organization.write'] }, as);
  assertError(refused, 403, 'forbidden', 'admin_permissions[0]');
  const made = await control.must('POST', '/keys', { name: fresh('k'), admin_permissions: ['organization.write'] });
  assert.equal((await control.call('PATCH', `/keys/${made.id}`, { tags: ['x'], admin_permissions: ['organization.write'] }, { ...as, ...ANY })).status, 200, 'what it has may stay');
  assertError(await control.call('POST', `/keys/${made.id}/rotate`, {}, as), 403, 'forbidden');
  const { lines, end } = await bulk({ action: 'rotate', ids: [made.id] });
  assert.equal(end.succeeded, 1, 'whoever holds it may');
  assert.match(lines[0].secret, KEY_FORM);
});

test('rotation overlaps, a second one drops the oldest, and overlap 0 ends the old at once', async () => {
  const made = await control.must('POST', '/keys', { name: fresh('r') });
  const hashes = async () => (await database.query('select secret_hash, former_hash from virtual_keys where name = $1', [made.name]))[0];
  const first = (await hashes()).secret_hash;
  const once = await control.must('POST', `/keys/${made.id}/rotate`, {});
  assert.match(once.secret, KEY_FORM);
  assert.notEqual(once.secret, made.secret);
  assert.equal(once.id, made.id);
  const left = new Date(once.former_expires_at) - new Date(once.rotated_at);
  assert.equal(left, 1800 * 1000);
  const after1 = await hashes();
  assert.deepEqual(after1.former_hash, first);
  const twice = await control.must('POST', `/keys/${made.id}/rotate`, { overlap_s: 60 });
  assert.deepEqual((await hashes()).former_hash, after1.secret_hash, 'the first secret is gone');
  const check = (secret) => control.must('POST', '/keys/check', { secret });
  assert.equal((await check(made.secret)).found, false);
  assert.deepEqual([(await check(once.secret)).key.former, (await check(once.secret)).key.usable], [true, true]);
  assert.equal((await check(twice.secret)).key.former, false);
  const last = await control.must('POST', `/keys/${made.id}/rotate`, { overlap_s: 0 });
  assert.equal(last.former_expires_at, null);
  assert.equal((await hashes()).former_hash, null);
  assert.equal((await check(twice.secret)).found, false);
  assertError(await control.call('POST', `/keys/${made.id}/rotate`, { overlap_s: -1 }), 400, 'invalid_field', 'overlap_s');
  assertError(await control.call('POST', `/keys/${made.id}/rotate`, { overlap: 1 }), 400, 'invalid_field', 'overlap');
  await control.must('POST', `/keys/${made.id}/revoke`);
  assertError(await control.call('POST', `/keys/${made.id}/rotate`, {}), 409, 'conflict');
});

test('blocking and unblocking', async () => {
  const made = await control.must('POST', '/keys', { name: fresh('b') });
  assert.equal((await control.must('POST', `/keys/${made.id}/block`)).status, 'disabled');
  assert.equal((await control.must('POST', `/keys/${made.id}/block`)).disabled, true, 'twice is once');
  const free = await control.must('POST', `/keys/${made.id}/unblock`);
  assert.deepEqual([free.status, free.disabled], ['active', false]);
  const actions = (await control.must('GET', '/audit?limit=20')).data.filter((a) => a.object_id === made.id).map((a) => a.action);
  assert.deepEqual(actions.sort(), ['key.block', 'key.create', 'key.unblock']);
});

test('a found key is recognised, and only as far as one may see', async () => {
  const made = await control.must('POST', '/keys', { name: fresh('leak'), team_id: team.id });
  const found = await control.must('POST', '/keys/check', { secret: ` ${made.secret}\n` });
  assert.equal(found.form, 'weir');
  assert.deepEqual([found.key.id, found.key.name, found.key.mask, found.key.status, found.key.team_id], [made.id, made.name, made.mask, 'active', team.id]);
  assert.equal(JSON.stringify(found).includes(made.secret), false);
  const typo = made.secret.slice(0, -1) + (made.secret.endsWith('0') ? '1' : '0');
  assert.deepEqual(await control.must('POST', '/keys/check', { secret: typo }), { form: 'misspelt', found: false, key: null });
  assert.equal((await control.must('POST', '/keys/check', { secret: 'sk-something-else' })).form, 'other');
  const other = await control.must('POST', '/organizations', { name: fresh('other') });
  const elsewhere = await control.must('POST', '/keys/check', { secret: made.secret }, { 'x-weir-organization': other.id });
  assert.equal(elsewhere.found, false, 'another tenant learns nothing');
});

test('secrets stand nowhere in clear: not in the audit log, stored answers, or the log', async () => {
  const headers = { 'idempotency-key': fresh('once') };
  const body = { name: fresh('quiet') };
  const made = await control.must('POST', '/keys', body, headers);
  const again = await control.must('POST', '/keys', body, headers);
  assert.equal(again.secret, made.secret, 'the stored answer has it, sealed');
  const turned = await control.must('POST', `/keys/${made.id}/rotate`, { overlap_s: 5 });
  const { lines } = await bulk({ action: 'create', template: { name: fresh('quiet') }, count: 2 });
  await control.must('POST', '/keys/check', { secret: made.secret });
  const stored = [
    ...(await database.query('select row_to_json(a)::text as t from audit_log a')),
    ...(await database.query("select row_to_json(k)::text || encode(response, 'escape') as t from idempotency_keys k")),
    ...(await database.query('select row_to_json(k)::text as t from virtual_keys k')),
  ].map((r) => r.t).join('\n') + readFileSync(control.program.logPath, 'utf8');
  for (const secret of [made.secret, turned.secret, ...lines.map((l) => l.secret)]) {
    assert.equal(stored.includes(secret), false, 'a secret in clear');
    assert.equal(stored.includes(Buffer.from(secret).toString('hex')), false, 'a secret as hex');
  }
});

test('budgets and limits in the body of a key become objects about it, and go with it', async () => {
  const name = fresh('paid');
  const made = await control.must('POST', '/keys', {
    name, budgets: [{ metric: 'cost', amount: '1.00', window: 'total' }, { metric: 'cost', amount: 2, window: 'month', mode: 'soft' }],
    limits: [{ metric: 'requests', amount: 60, window: 'minute' }],
  });
  assert.equal(made.budgets.length, 2);
  const budget = await control.must('GET', `/budgets/${made.budgets[0]}`);
  assert.equal(budget.name, `${name}: cost per total`);
  assert.deepEqual(budget.scopes, [{ kind: 'key', value: made.id, value_name: name }]);
  assert.equal(budget.amount, '1.00');
  assert.deepEqual((await control.must('GET', `/budgets?scope=${made.id}`)).data.map((b) => b.id), made.budgets);
  assertError(await control.call('POST', '/keys', { name: fresh('x'), budgets: [{ metric: 'cost', amount: '-1', window: 'day' }] }), 400, 'invalid_field', 'budgets[0].amount');
  assertError(await control.call('PATCH', `/keys/${made.id}`, { budgets: [] }, ANY), 400, 'invalid_field', 'budgets');
  await control.must('POST', `/keys/${made.id}/revoke`);
  assert.equal((await control.call('GET', `/budgets/${budget.id}`)).status, 404);
  assert.equal((await control.call('GET', `/limits/${made.limits[0]}`)).status, 404);
});

test('many keys are made, changed, rotated, blocked and revoked, each told of', async () => {
  const tag = fresh('bulk');
  const { lines, end, headers } = await bulk({ action: 'create', template: { name: `${tag}-{n}`, tags: [tag], team: 'ml', models: ['gpt-*'] }, count: 2500 });
  assert.deepEqual(end, { done: true, succeeded: 2500, failed: 0 });
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(new Set(lines.map((l) => l.secret)).size, 2500);
  for (const l of lines) assert.match(l.secret, KEY_FORM);
  assert.deepEqual([lines[0].name, lines[2499].name], [`${tag}-1`, `${tag}-2500`]);
  const one = await control.must('GET', `/keys/${lines[7].id}`);
  assert.deepEqual([one.tags, one.team_id, one.models, one.status], [[tag], team.id, ['gpt-*'], 'active']);
  const versions = await database.query('select count(distinct version)::int as n from change_log where kind = 3 and at > now() - interval \'5 minutes\' and entity_id = any($1)',
    [lines.map((l) => l.id.slice(4))]);
  assert.equal(versions[0].n, 3, 'one version for a batch');

  const updated = await bulk({ action: 'update', filter: { tag }, patch: { models: ['claude-*'], team: null } });
  assert.equal(updated.end.succeeded, 2500);
  assert.deepEqual((await control.must('GET', `/keys/${lines[2400].id}`)).models, ['claude-*']);
  const ids = lines.slice(0, 3).map((l) => l.id), missing = 'key_0190aaaaaaaa7aaaaaaaaaaaaaaaaaaa';
  const rotated = await bulk({ action: 'rotate', ids: [...ids, missing], overlap_s: 0 });
  assert.deepEqual([rotated.end.succeeded, rotated.end.failed], [3, 1]);
  assert.equal(rotated.lines.find((l) => l.id === missing).error.code, 'not_found');
  assert.equal((await control.must('POST', '/keys/check', { secret: lines[0].secret })).found, false);
  const fresh0 = rotated.lines.find((l) => l.id === ids[0]).secret;
  assert.equal((await control.must('POST', '/keys/check', { secret: fresh0 })).key.id, ids[0]);
  assert.equal((await bulk({ action: 'block', ids: lines.map((l) => l.id) })).end.succeeded, 2500);
  assert.equal((await control.must('GET', `/keys/${ids[1]}`)).status, 'disabled');
  assert.equal((await bulk({ action: 'unblock', ids })).end.succeeded, 3);
  const gone = await bulk({ action: 'delete', filter: { tag } });
  assert.equal(gone.end.succeeded, 2500);
  assert.equal((await control.must('GET', `/keys/${ids[1]}`)).status, 'revoked');
  assert.equal((await bulk({ action: 'update', ids: [ids[1]], patch: { tags: [] } })).lines[0].error.code, 'conflict');
});

test('a list of keys is made as far as it can be, and each fault names its item', async () => {
  const taken = await control.must('POST', '/keys', { name: fresh('taken') });
  const brought = `own-secret-${fresh('s')}`;
  const { lines, end } = await bulk({ action: 'create', template: { tags: ['t'], service_account: 'nightly' }, keys: [
    { name: fresh('one') }, { name: taken.name.toUpperCase() }, { name: fresh('three'), ip_allow: ['nowhere'] }, { name: '' }, 'five', { name: fresh('six'), secret: brought, tags: [] },
  ] });
  assert.deepEqual([end.done, end.succeeded, end.failed], [true, 2, 4]);
  const by = Object.fromEntries(lines.map((l) => [l.index, l]));
  assert.match(by[0].secret, KEY_FORM);
  assert.deepEqual([by[1].error.code, by[1].error.param], ['conflict', 'keys[1].name']);
  assert.equal(by[2].error.param, 'keys[2].ip_allow[0]');
  assert.equal(by[3].error.param, 'keys[3].name');
  assert.equal(by[4].error.param, 'keys[4]');
  assert.equal(by[5].secret, undefined, 'a secret that was brought is not told again');
  assert.equal((await control.must('POST', '/keys/check', { secret: brought })).key.id, by[5].id);
  const six = await control.must('GET', `/keys/${by[5].id}`);
  assert.deepEqual([six.tags, six.service_account_id], [[], account.id]);
});

test('a bulk that says too little or too much is refused as a whole', async () => {
  const refused = async (body, param) => assertError(await control.call('POST', '/keys/bulk', body), 400, 'invalid_field', param);
  await refused({}, 'action');
  await refused({ action: 'explode' }, 'action');
  await refused({ action: 'create', count: 3 }, 'template');
  await refused({ action: 'create', template: { name: 'x' } }, 'keys');
  await refused({ action: 'create', template: { name: 'x' }, count: 100001 }, 'count');
  await refused({ action: 'create', template: { name: 'x', secret: 'the-same-for-all' }, count: 2 }, 'template.secret');
  await refused({ action: 'revoke' }, 'ids');
  await refused({ action: 'revoke', filter: {} }, 'filter');
  await refused({ action: 'revoke', ids: ['key_nonsense'] }, 'ids[0]');
  await refused({ action: 'update', ids: [] }, 'patch');
  await refused({ action: 'update', ids: [], patch: { name: 'same' } }, 'patch');
  await refused({ action: 'block', ids: [], overlap_s: 1 }, 'overlap_s');
  const empty = await bulk({ action: 'block', ids: [] });
  assert.deepEqual(empty.end, { done: true, succeeded: 0, failed: 0 });
});
