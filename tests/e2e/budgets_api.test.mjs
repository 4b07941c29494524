// The promises of budgets and limits in the admin API: what is written is kept exactly, what is wrong is named with its place,
// scopes are names or ids for people and stay inside the tenant, and what a budget is about is not deleted under it.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bootstrap, run, startControl } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';

let database, control, admin, team, account, key, provider, user, other;
let counter = 0;
const fresh = (what) => `${what}-${++counter}`;
const ANY = { 'if-match': '*' };

before(async () => {
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  const organization = (await control.must('GET', '/organizations')).data[0];
  other = { 'x-weir-organization': (await control.must('POST', '/organizations', { name: 'stranger' })).id };
  await control.must('POST', '/workspaces', { name: 'theirs' }, other);
  const headers = { 'x-weir-organization': organization.id };
  const call = control.call;
  control.call = (method, path, body, more = {}) => call.call(control, method, path, body, { ...headers, ...more });
  team = await control.must('POST', '/teams', { name: 'ml' });
  account = await control.must('POST', '/service-accounts', { name: 'nightly' });
  key = await control.must('POST', '/keys', { name: 'app' });
  provider = await control.must('POST', '/providers', { name: 'openai', kind: 'openai', api_key: 'sk-1' });
  user = await control.must('POST', '/memberships', { email: 'ann@example.test', role: 'auditor' });
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

const budget = (more) => ({ name: fresh('b'), metric: 'cost', amount: '1', window: 'month', ...more });
const limit = (more) => ({ name: fresh('l'), metric: 'requests', amount: 60, window: 'minute', ...more });

test('amounts are kept exactly, however they are written', async () => {
  const cases = [
    ['"1.00"', '1.00'], ['"0.000000001"', '0.000000001'], ['0.000000001', '0.000000001'], ['1e-9', '0.000000001'], ['1', '1.00'], ['"12.5"', '12.50'],
    ['123456789.123456789', '123456789.123456789'], ['0.1', '0.10'], ['0', '0.00'], ['"1.500000000000"', '1.50'],
  ];
  for (const [given, shown] of cases) {
    const made = await control.must('POST', '/budgets', `{"name":"${fresh('exact')}","metric":"cost","window":"day","amount":${given}}`);
    assert.equal(made.amount, shown, given);
    assert.equal((await control.must('GET', `/budgets/${made.id}`)).amount, shown);
  }
  for (const amount of ['"-1"', '-1', '"0.0000000001"', '1e-10', '"1,5"', '"NaN"', 'true', '""', '"1000000001"', '[]', '"1 "']) {
    assertError(await control.call('POST', '/budgets', `{"name":"${fresh('odd')}","metric":"cost","window":"day","amount":${amount}}`), 400, 'invalid_field', 'amount');
  }
  assertError(await control.call('POST', '/budgets', budget({ metric: 'tokens', amount: '1.5' })), 400, 'invalid_field', 'amount');
  assert.equal((await control.must('POST', '/budgets', budget({ metric: 'tokens', amount: '1000' }))).amount, '1000');
  assertError(await control.call('POST', '/budgets', { ...budget(), amount: undefined }), 400, 'invalid_field', 'amount');
});

test('a budget shows what it was made with and what it was not', async () => {
  const made = await control.must('POST', '/budgets', budget({ zone: 'Europe/Berlin', mode: 'downgrade', downgrade_model: 'gpt-4o-mini', alert_percents: [100, 50, 80], max_cost: '0.5', when_unavailable: 'allow', max_values: 7 }));
  const { id, created_at, updated_at, organization_id, name, ...rest } = await control.must('GET', `/budgets/${made.id}`);
  assert.match(id, /^bud_/);
  assert.ok(created_at && updated_at && organization_id && name);
  assert.deepEqual(rest, {
    workspace_id: null, metric: 'cost', window: 'month', zone: 'Europe/Berlin', mode: 'downgrade', downgrade_model: 'gpt-4o-mini', when_unavailable: 'allow',
    max_values: 7, disabled: false, extra_until: null, owned_by: 'api', revision: 1, scopes: [], amount: '1.00', max_cost: '0.50', extra_amount: '0.00', alert_percents: [50, 80, 100],
  });
  const plain = await control.must('POST', '/budgets', budget());
  assert.deepEqual([plain.zone, plain.mode, plain.when_unavailable, plain.max_values, plain.alert_percents], ['UTC', 'hard', 'refuse', 10000, []]);
  assert.deepEqual((await control.must('POST', '/budgets', budget({ mode: 'soft' }))).alert_percents, [100], 'a soft budget alerts');
  const changed = await control.must('PATCH', `/budgets/${plain.id}`, { amount: '2.25', disabled: true }, ANY);
  assert.deepEqual([changed.amount, changed.disabled, changed.window, changed.revision], ['2.25', true, 'month', 2]);
  assert.equal((await control.must('PATCH', `/budgets/${made.id}`, { mode: 'hard' }, ANY)).downgrade_model, '', 'what the mode needed goes with it');
  assert.equal((await control.call('DELETE', `/budgets/${plain.id}`)).status, 204);
  assert.equal((await control.call('GET', `/budgets/${plain.id}`)).status, 404);
});

test('what does not go together is refused at its place', async () => {
  const bad = [
    [{ metric: 'dollars' }, 'metric'], [{ metric: 'concurrency' }, 'metric'], [{ window: 'minute' }, 'window'], [{ window: 'year' }, 'window'],
    [{ zone: 'Mars/Olympus' }, 'zone'], [{ zone: '../../etc/passwd' }, 'zone'], [{ mode: 'loud' }, 'mode'], [{ mode: 'downgrade' }, 'downgrade_model'],
    [{ downgrade_model: 'gpt' }, 'downgrade_model'], [{ alert_percents: [0] }, 'alert_percents[0]'], [{ alert_percents: [50, 1001] }, 'alert_percents[1]'],
    [{ alert_percents: [50, 50] }, 'alert_percents[1]'], [{ when_unavailable: 'local' }, 'when_unavailable'], [{ max_values: 0 }, 'max_values'], [{ max_cost: 'x' }, 'max_cost'],
    [{ scopes: [{ kind: 'planet', value: 'x' }] }, 'scopes[0].kind'], [{ scopes: [{ value: 'x' }] }, 'scopes[0].kind'], [{ scopes: [{ kind: 'tag' }] }, 'scopes[0].value'],
    [{ scopes: [{ kind: 'metadata', value: 'x' }] }, 'scopes[0].name'], [{ scopes: [{ kind: 'tag', name: 'a', value: 'x' }] }, 'scopes[0].name'],
    [{ scopes: [{ kind: 'tag', value: 'x' }, { kind: 'tag', value: 'x' }] }, 'scopes[1]'], [{ scopes: [{ kind: 'tag', value: 'x', extra: 1 }] }, 'scopes[0].extra'],
    [{ scopes: Array.from({ length: 5 }, (_, i) => ({ kind: 'tag', value: `${i}` })) }, 'scopes'], [{ scopes: [{ kind: 'team', value: 'nobody' }] }, 'scopes[0].value'],
    [{ scopes: [{ kind: 'provider', value: 'nobody' }] }, 'scopes[0].value'], [{ unknown: 1 }, 'unknown'], [{ name: undefined }, 'name'], [{ extra_amount: '1' }, 'extra_amount'],
  ];
  for (const [more, param] of bad) assertError(await control.call('POST', '/budgets', budget(more)), 400, 'invalid_field', param);
  const worse = [
    [{ metric: 'cost' }, 'metric'], [{ window: 'month' }, 'window'], [{ metric: 'concurrency' }, 'window'], [{ metric: 'concurrency', window: undefined, algorithm: 'sliding' }, 'algorithm'],
    [{ algorithm: 'leaky' }, 'algorithm'], [{ burst: 10 }, 'burst'], [{ amount: 1.5 }, 'amount'], [{ zone: 'UTC' }, 'zone'], [{ when_unavailable: 'maybe' }, 'when_unavailable'],
  ];
  for (const [more, param] of worse) assertError(await control.call('POST', '/limits', limit(more)), 400, 'invalid_field', param);
  const name = fresh('twice');
  await control.must('POST', '/budgets', budget({ name }));
  assertError(await control.call('POST', '/budgets', budget({ name: name.toUpperCase() })), 409, 'conflict', 'name');
  const made = await control.must('POST', '/budgets', budget());
  assertError(await control.call('PATCH', `/budgets/${made.id}`, { metric: 'tokens' }, ANY), 400, 'invalid_field', 'metric');
  assertError(await control.call('PATCH', `/budgets/${made.id}`, { amount: '1' }), 428, 'precondition_required');
});

test('limits: windows, buckets, slots', async () => {
  const plain = await control.must('POST', '/limits', limit({ scopes: [{ kind: 'key', value: '*' }] }));
  assert.match(plain.id, /^lim_/);
  assert.deepEqual([plain.amount, plain.window, plain.algorithm, plain.burst, plain.exact, plain.when_unavailable, plain.max_values], ['60', 'minute', 'fixed', '0', false, 'local', 10000]);
  const bucket = await control.must('POST', '/limits', limit({ metric: 'tokens', algorithm: 'token_bucket', burst: '500', exact: true }));
  assert.deepEqual([bucket.burst, bucket.exact], ['500', true]);
  assert.equal((await control.must('PATCH', `/limits/${bucket.id}`, { algorithm: 'sliding' }, ANY)).burst, '0');
  const slots = await control.must('POST', '/limits', { name: fresh('slots'), metric: 'concurrency', amount: 5 });
  assert.deepEqual([slots.window, slots.algorithm, slots.amount], ['', '', '5']);
});

test('scopes are given by name or id, shown as ids with names, and stored as the data planes have them', async () => {
  const scopes = [{ kind: 'team', value: 'ML' }, { kind: 'key', value: 'app' }, { kind: 'metadata', name: 'customer', value: '*' }, { kind: 'model', value: 'gpt-*' }];
  const made = await control.must('POST', '/budgets', budget({ scopes }));
  const shown = [
    { kind: 'team', value: team.id, value_name: 'ml' }, { kind: 'key', value: key.id, value_name: 'app' },
    { kind: 'metadata', name: 'customer', value: '*' }, { kind: 'model', value: 'gpt-*' },
  ];
  assert.deepEqual(made.scopes, shown);
  const [row] = await database.query('select scopes, key_id from budgets where name = $1', [made.name]);
  assert.deepEqual(row.scopes[0], { kind: 'team', name: '', value: team.id.replace('team_', '') });
  assert.equal(row.key_id, null, 'the key is not all that it is about');
  assert.deepEqual((await control.must('PATCH', `/budgets/${made.id}`, { scopes: made.scopes }, ANY)).scopes, shown, 'what was shown can be sent back');
  const more = await control.must('POST', '/budgets', budget({ scopes: [
    { kind: 'user', value: 'ANN@example.test' }, { kind: 'service_account', value: account.id }, { kind: 'provider', value: provider.id }, { kind: 'end_user', value: '*' }] }));
  assert.deepEqual(more.scopes.map((s) => s.value_name), ['ann@example.test', 'nightly', 'openai', undefined]);
  assert.equal(more.scopes[0].value, user.user_id);
  const named = await control.must('POST', '/budgets', budget({ scopes: [{ kind: 'provider', value: 'openai' }, { kind: 'organization', value: '*' }] }));
  assert.deepEqual(named.scopes[0], { kind: 'provider', value: 'openai' });
  assert.match(named.scopes[1].value, /^org_/);
  assert.ok((await control.must('GET', `/budgets?scope=${account.id}`)).data.some((b) => b.id === more.id));
  assertError(await control.call('GET', '/budgets?scope=app'), 400, 'invalid_field', 'scope');
});

test('another tenant is not named, seen or counted', async () => {
  const theirs = await control.must('POST', '/keys', { name: 'app' }, other);
  assertError(await control.call('POST', '/budgets', budget({ scopes: [{ kind: 'key', value: theirs.id }] })), 400, 'invalid_field', 'scopes[0].value');
  const stranger = await control.must('POST', '/budgets', budget({ scopes: [{ kind: 'key', value: 'app' }] }), other);
  assert.equal(stranger.scopes[0].value, theirs.id);
  assert.equal((await control.call('GET', `/budgets/${stranger.id}`)).status, 404);
  assert.equal((await control.call('PATCH', `/budgets/${stranger.id}`, { amount: '9' }, ANY)).status, 404);
  assert.equal((await control.must('GET', '/budgets?limit=200')).data.some((b) => b.id === stranger.id), false);
});

test('a temporary increase, and its end', async () => {
  const made = await control.must('POST', '/budgets', budget());
  const until = new Date(Date.now() + 3600e3).toISOString();
  const raised = await control.must('POST', `/budgets/${made.id}/increase`, { amount: '0.5', until });
  assert.deepEqual([raised.amount, raised.extra_amount, raised.extra_until], ['1.00', '0.50', until]);
  assertError(await control.call('POST', `/budgets/${made.id}/increase`, { amount: '0.5' }), 400, 'invalid_field', 'until');
  assertError(await control.call('POST', `/budgets/${made.id}/increase`, { amount: '0.5', until: '2020-01-01T00:00:00Z' }), 400, 'invalid_field', 'until');
  assertError(await control.call('POST', `/budgets/${made.id}/increase`, { amount: 'much', until }), 400, 'invalid_field', 'amount');
  assertError(await control.call('POST', `/budgets/${made.id}/increase`, { until }), 400, 'invalid_field', 'amount');
  const ended = await control.must('POST', `/budgets/${made.id}/increase`, { amount: '0' });
  assert.deepEqual([ended.extra_amount, ended.extra_until], ['0.00', null]);
});

test('what a budget or limit is about is not deleted under it', async () => {
  const t = await control.must('POST', '/teams', { name: fresh('t') });
  const b = await control.must('POST', '/budgets', budget({ scopes: [{ kind: 'team', value: t.id }] }));
  assertError(await control.call('DELETE', `/teams/${t.id}`), 409, 'conflict');
  await control.call('DELETE', `/budgets/${b.id}`);
  assert.equal((await control.call('DELETE', `/teams/${t.id}`)).status, 204);
  const w = await control.must('POST', '/workspaces', { name: fresh('w') });
  const l = await control.must('POST', '/limits', limit({ workspace: w.name }));
  assert.equal(l.workspace_id, w.id);
  assertError(await control.call('DELETE', `/workspaces/${w.id}`), 409, 'conflict');
  await control.call('DELETE', `/limits/${l.id}`);
  assert.equal((await control.call('DELETE', `/workspaces/${w.id}`)).status, 204);
});

test('each change is logged for the data planes and audited', async () => {
  const made = await control.must('POST', '/budgets', budget());
  const id = made.id.replace('bud_', '');
  const kinds = await database.query("select kind, deleted from change_log where replace(entity_id::text, '-', '') = $1", [id]);
  assert.deepEqual(kinds, [{ kind: 9, deleted: false }]);
  const audit = (await control.must('GET', '/audit?limit=5')).data.find((a) => a.object_id === made.id);
  assert.deepEqual([audit.action, audit.object_kind, audit.after.amount], ['budget.create', 'budget', '1.00']);
});

const FILE = `
version: 1
price_groups:
  - { name: internal, ratio: 0.1 }
teams:
  - { name: file-team, price_group: internal }
service_accounts:
  - { name: file-job, description: nightly, team: file-team }
keys:
  - name: file-key
    service_account: file-job
    team: file-team
    endpoints: [chat.completions]
    ip_allow: [10.1.2.3/8]
    required_metadata: [customer]
    budgets:
      - { metric: cost, amount: 1.00, window: total }
budgets:
  - name: file-budget
    scopes: [{ kind: team, value: file-team }, { kind: metadata, name: customer, value: "*" }]
    metric: cost
    amount: 0.000000001
    window: month
    zone: Europe/Berlin
    alert_percents: [50, 100]
limits:
  - { name: file-limit, metric: requests, amount: 60, window: minute, scopes: [{ kind: key, value: file-key }] }
`;

test('a file makes teams, accounts, keys, budgets and limits, and its export changes nothing', async () => {
  const env = { WEIR_URL: control.url, WEIR_TOKEN: admin.admin_token, WEIR_ORGANIZATION: 'acme', HOME: '/nonexistent' };
  const folder = mkdtempSync(join(tmpdir(), 'weir-budgets-'));
  const file = join(folder, 'weir.yaml'), exported = join(folder, 'exported.yaml');
  try {
    writeFileSync(file, FILE);
    const first = JSON.parse(run('weir', ['apply', '-f', file, '--json'], env));
    assert.deepEqual([first.teams.created, first.service_accounts.created, first.keys.created], [['file-team'], ['file-job'], ['file-key']]);
    assert.deepEqual(first.budgets.created.sort(), ['file-budget', 'file-key: cost per total']);
    assert.deepEqual(first.limits.created, ['file-limit']);
    const again = JSON.parse(run('weir', ['apply', '-f', file, '--json'], env));
    for (const s of ['price_groups', 'teams', 'service_accounts', 'keys', 'budgets', 'limits']) assert.deepEqual([again[s].created, again[s].updated, again[s].deleted], [[], [], []], s);
    const [b] = (await control.must('GET', '/budgets?name=file-budget')).data;
    assert.deepEqual([b.amount, b.owned_by, b.zone, b.alert_percents], ['0.000000001', 'file', 'Europe/Berlin', [50, 100]]);
    const key = (await control.must('GET', '/keys?name=file-key')).data[0];
    assert.deepEqual([key.ip_allow, key.required_metadata, key.endpoints], [['10.0.0.0/8'], ['customer'], ['chat.completions']]);
    assert.ok(key.team_id && key.service_account_id);
    assertError(await control.call('PATCH', `/budgets/${b.id}`, { amount: '1' }, ANY), 409, 'conflict', 'owned_by');
    assert.equal((await control.call('POST', `/budgets/${b.id}/increase`, { amount: '1', until: new Date(Date.now() + 60000) })).status, 200, 'for a while it may');

    run('weir', ['export', '--output', exported], env);
    const text = readFileSync(exported, 'utf8');
    assert.match(text, /value: "?file-key/);
    const back = JSON.parse(run('weir', ['apply', '-f', exported, '--json'], env));
    for (const s of ['teams', 'service_accounts', 'keys', 'budgets', 'limits']) assert.deepEqual([back[s].created, back[s].deleted], [[], []], s);
    assert.equal((await control.must('GET', `/budgets/${b.id}`)).extra_amount, '1.00', 'an increase is not undone');

    writeFileSync(file, FILE.replace(/limits:[\s\S]*$/, 'limits: []\n').replace('amount: 1.00', 'amount: 2'));
    const pruned = JSON.parse(run('weir', ['apply', '-f', file, '--prune', '--json'], env));
    assert.ok(pruned.limits.deleted.includes('file-limit'));
    assert.ok(pruned.budgets.updated.includes('file-key: cost per total'));
    writeFileSync(file, 'version: 1\nbudgets:\n  - { name: x, metric: cost, amount: 1, window: minute }\n');
    assert.throws(() => run('weir', ['apply', '-f', file], env), /weir.yaml:3:\d+: window must be one of hour/);
    writeFileSync(file, 'version: 1\nbudgets:\n  - name: x\n    metric: cost\n    amount: 1\n    window: day\n    scopes:\n      - { kind: team, value: nobody }\n');
    assert.throws(() => run('weir', ['apply', '-f', file], env), /weir.yaml:8:\d+: budgets\[0\].scopes\[0\].value names no team/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the command line makes, shows and increases', async () => {
  const env = { WEIR_URL: control.url, WEIR_TOKEN: admin.admin_token, WEIR_ORGANIZATION: 'acme', HOME: '/nonexistent' };
  run('weir', ['team', 'create', 'cli-team'], env);
  assert.match(run('weir', ['budget', 'create', 'cli-budget', '--amount', '2.5', '--scope', 'team=cli-team', '--scope', 'metadata.customer=*', '--alert', '80'], env), /budget cli-budget \(bud_/);
  assert.match(run('weir', ['budget', 'increase', 'cli-budget', '1', '--until', '2h'], env), /1\.00 more until/);
  const [b] = (await control.must('GET', '/budgets?name=cli-budget')).data;
  assert.deepEqual([b.amount, b.extra_amount, b.alert_percents, b.scopes.length], ['2.50', '1.00', [80], 2]);
  assert.match(run('weir', ['limit', 'create', 'cli-limit', '--amount', '60', '--window', 'minute', '--scope', 'key=*'], env), /limit cli-limit/);
  const secret = run('weir', ['key', 'create', 'cli-key', '--team', 'cli-team', '--budget', '1/total', '--ip', '127.0.0.1'], env).trim();
  assert.match(run('weir', ['key', 'check', 'env:FOUND'], { ...env, FOUND: secret }), /key cli-key \(key_\w+\) is active/);
  const turned = run('weir', ['key', 'rotate', 'cli-key', '--overlap', '10m'], env).trim();
  assert.match(turned, /^wr_live_/);
  assert.match(run('weir', ['key', 'check', 'env:FOUND'], { ...env, FOUND: secret }), /its former secret/);
  run('weir', ['key', 'block', 'cli-key'], env);
  assert.equal((await control.must('GET', '/keys?name=cli-key')).data[0].status, 'disabled');
});
