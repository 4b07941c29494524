// What the admin API asks of data planes: each that serves the organization is asked, wherever it is in session, and tells of what is
// the organization's own alone.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, configure, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { until } from './harness/process.mjs';

let database, first, second, proxies, provider, other, acme;
const mine = {};

before(async () => {
  database = await sharedDatabase();
  const admin = bootstrap(database);
  first = await startControl(database, { name: 'control-1' });
  first.token = admin.admin_token;
  second = await startControl(database, { name: 'control-2' });
  second.token = admin.admin_token;
  proxies = [await startProxy(first, { name: 'proxy-1' }), await startProxy(second, { name: 'proxy-2' })];
  provider = await fakeProvider();
  acme = { 'x-weir-organization': (await first.must('GET', '/organizations')).data.find((o) => o.name === 'acme').id };
  await configure(first, provider.url, proxies);
  other = await first.must('POST', '/organizations', { name: 'other' });
  mine.at = { 'x-weir-organization': other.id };
  mine.workspace = await first.must('POST', '/workspaces', { name: 'theirs' }, mine.at);
  for (const [name, at] of [['checked', acme], ['foreign', mine.at]]) {
    await first.must('POST', '/providers', { name, kind: 'openai', base_url: `${provider.url}/v1`, api_keys: ['k1', 'k2'], health_check: { interval_ms: 1000 } }, at);
  }
});

after(async () => {
  await provider?.close();
  for (const p of proxies ?? []) await p.end();
  await first?.end();
  await second?.end();
  await database?.drop();
});

test('targets come from every data plane, and only those of the organization', async () => {
  for (const control of [first, second]) {
    for (const [at, name, never] of [[acme, 'checked', 'foreign'], [mine.at, 'foreign', 'checked']]) {
      await until('both planes know the provider', async () => {
        const r = await control.must('GET', '/targets', undefined, at);
        assert.ok(!JSON.stringify(r).includes(never), JSON.stringify(r));
        return r.data_planes.length === 2 && r.data_planes.every((p) => p.error === null && p.targets.some((t) => t.provider === name && t.state === 'closed'));
      });
    }
  }
});

test('a purge reaches every data plane', async () => {
  for (const control of [first, second]) {
    assert.deepEqual(await control.must('POST', '/cache/purge', undefined, acme), { data_planes: 2, unreachable: 0, entries: 0 });
  }
  assert.equal((await first.must('POST', '/cache/purge', { workspace_id: mine.workspace.id }, mine.at)).data_planes, 2);
  const foreign = await first.call('POST', '/cache/purge', { workspace_id: mine.workspace.id }, acme);
  assert.ok(foreign.status >= 400 && foreign.status < 500, foreign.text);
});

test('explain says whose request is meant, and reaches no key of another organization', async () => {
  const question = { method: 'POST', path: '/v1/chat/completions', body: { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] } };
  const theirs = await first.must('POST', '/keys', { name: 'theirs' }, mine.at);
  assert.equal((await first.call('POST', '/explain', question, acme)).json.error.param, 'key');
  assert.equal((await first.call('POST', '/explain', { ...question, key: theirs.id }, acme)).status, 404);
  assert.equal((await first.call('POST', '/explain', { ...question, key: 'key_1' }, acme)).status, 400);
  const nobody = { ...question, key: theirs.id, data_plane: 'dp_00000000000070008000000000000000' };
  assert.equal((await first.call('POST', '/explain', nobody, mine.at)).status, 404);
});
