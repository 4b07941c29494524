// The exact cache of a managed data plane: nothing is ever shared between organizations or workspaces, what is published, rolled back
// or changed makes new answers, and a purge empties memory and Redis.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { completion, fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, eventsOf, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { freePorts, Program, temporaryFolder, until } from './harness/process.mjs';

let database, control, home, redis, proxies, provider, other, n = 0;
const tenants = {};
const on = { 'x-weir-cache': 'on' };

const ask = async (key, body, headers = on, proxy = proxies[0]) => {
  const r = await proxy.chat(key, body, headers), text = await r.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: r.status, cache: r.headers.get('x-weir-cache'), id: r.headers.get('x-weir-request-id'), text, json, said: json?.choices?.[0]?.message.content };
};
const said = (text = `question ${++n}`, model = 'm') => ({ model, messages: [{ role: 'user', content: text }] });

async function makeTenant(name, organization, workspace) {
  const at = { 'x-weir-organization': organization };
  const key = await control.must('POST', '/keys', { name, workspace_id: workspace }, at);
  tenants[name] = { at, workspace, organization, key: key.secret };
}

before(async () => {
  database = await sharedDatabase();
  const admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  home = temporaryFolder('tenants-redis');
  const port = await freePorts(1);
  writeFileSync(join(home.folder, 'redis.conf'), `bind 127.0.0.1\nport ${port}\nsave ""\nappendonly no\ndir ${home.folder}\n`);
  redis = new Program('redis', 'redis-server', [join(home.folder, 'redis.conf')], { folder: home.folder });
  const args = ['--cache-redis', `redis://127.0.0.1:${port}`];
  proxies = [await startProxy(control, { name: 'proxy-1', args }), await startProxy(control, { name: 'proxy-2', args })];
  let answers = 0;
  provider = await fakeProvider((call, res) => {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify(completion(call.json?.model, `answer ${++answers} of ${call.headers.authorization}`)));
  });
  const acme = (await control.must('GET', '/organizations')).data.find((o) => o.name === 'acme').id;
  other = (await control.must('POST', '/organizations', { name: 'other' })).id;
  for (const organization of [acme, other]) {
    const at = { 'x-weir-organization': organization };
    for (const name of ['p', 'q']) await control.must('POST', '/providers', { name, kind: 'openai', base_url: `${provider.url}/v1`, api_key: `sk-${name}-${organization === acme ? 'acme' : 'other'}` }, at);
    await control.must('POST', '/models', { name: 'm', targets: [{ provider: 'p', model: 'gpt-4o' }] }, at);
  }
  const main = (await control.must('GET', '/workspaces', undefined, { 'x-weir-organization': acme })).data[0].id;
  const second = (await control.must('POST', '/workspaces', { name: 'second' }, { 'x-weir-organization': acme })).id;
  const theirs = (await control.must('POST', '/workspaces', { name: 'main' }, { 'x-weir-organization': other })).id;
  await makeTenant('main', acme, main);
  await makeTenant('colleague', acme, main);
  await makeTenant('second', acme, second);
  await makeTenant('other', other, theirs);
  for (const t of Object.values(tenants)) {
    for (const p of proxies) await until('the proxy serves it', async () => (await ask(t.key, said(), {}, p)).status === 200);
  }
});

after(async () => {
  await provider?.close();
  for (const p of proxies ?? []) await p.end();
  await control?.end();
  await database?.drop();
  redis?.signal('SIGKILL');
  await redis?.wait();
  home?.remove();
});

test('equal bodies, own keys and namespaces of two organizations or workspaces never meet', async () => {
  for (const headers of [on, { 'x-weir-cache-key': 'the same' }, { ...on, 'x-weir-cache-namespace': 'the same' }, { 'cf-aig-cache-key': 'the same', 'x-weir-cache-namespace': 'x' }]) {
    const q = said(), answers = {};
    for (const name of ['main', 'second', 'other']) {
      answers[name] = await ask(tenants[name].key, q, headers);
      assert.deepEqual([answers[name].status, answers[name].cache], [200, 'miss'], `${name} ${JSON.stringify(headers)}`);
    }
    assert.equal(new Set(Object.values(answers).map((r) => r.said)).size, 3);
    for (const [name, first] of Object.entries(answers)) {
      for (const proxy of proxies) {
        const r = await until('it is there', async () => {
          const x = await ask(tenants[name].key, q, { ...headers, 'x-weir-cache': 'only' }, proxy);
          return x.status === 200 && x;
        });
        assert.deepEqual([r.cache, r.said], ['hit', first.said]);
      }
    }
    const colleague = await ask(tenants.colleague.key, q, headers);
    assert.deepEqual([colleague.cache, colleague.said], ['hit', answers.main.said], 'keys of one workspace share');
  }
});

test('at once, each tenant makes its own call and no more', async () => {
  const q = said(), from = provider.calls.length, names = ['main', 'second', 'other'];
  const all = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(tenants[names[i % 3]].key, q).then((r) => [names[i % 3], r])));
  assert.equal(provider.calls.length - from, 3);
  for (const name of names) assert.equal(new Set(all.filter(([who]) => who === name).map(([, r]) => r.said)).size, 1);
  assert.equal(new Set(all.map(([, r]) => r.said)).size, 3);
});

test('usage in the database: what was saved, and no cost', async () => {
  const q = said(), first = await ask(tenants.main.key, q), second = await ask(tenants.main.key, q);
  const rows = await eventsOf(database, [first.id, second.id]);
  const [miss, hit] = ['miss', 'hit'].map((s) => rows.find((r) => r.cache_status === s));
  assert.ok(Number(miss.cost_nanousd) > 0);
  assert.deepEqual([Number(hit.cost_nanousd), hit.saved_nanousd], [0, miss.cost_nanousd]);
});

test('a published version starts anew, and so does one that is rolled back to only with what it kept', async () => {
  const { key, at, workspace } = tenants.main;
  const document = (temperature) => ({ cache: { mode: 'simple' }, provider: '@p', model: 'gpt-4o', override_params: { temperature } });
  const config = await control.must('POST', '/configs', { name: 'versions', workspace_id: workspace, document: document(0) }, at);
  const q = said(), by = { 'x-weir-config': 'versions' };
  const go = async (want) => until(`version ${want}`, async () => {
    const r = await ask(key, q, by);
    return r.status === 200 && provider.calls.at(-1).json.temperature === want && r;
  });
  const first = await go(0);
  assert.deepEqual([(await ask(key, q, by)).cache, (await ask(key, q, by)).said], ['hit', first.said]);
  await control.must('POST', `/configs/${config.id}/versions`, { document: document(1), publish: true }, at);
  const second = await go(1);
  assert.equal(second.cache, 'miss');
  await control.must('POST', `/configs/${config.id}/publish`, { version: 1 }, at);
  await until('the first is back', async () => (await ask(key, q, by)).said === first.said);
});

test("an alias's new target starts anew, also where a config names the alias", async () => {
  const { key, at, workspace } = tenants.main;
  const model = await control.must('POST', '/models', { name: 'moving', targets: [{ provider: 'p', model: 'gpt-4o' }] }, at);
  await control.must('POST', '/configs', { name: 'by-alias', workspace_id: workspace, document: { cache: { mode: 'simple' }, model: 'moving' } }, at);
  const ways = [[said(undefined, 'moving'), on], [said(undefined, 'whatever'), { 'x-weir-config': 'by-alias' }]];
  for (const [q, headers] of ways) {
    await until('it is served', async () => (await ask(key, q, headers)).status === 200);
    const r = await ask(key, q, headers);
    assert.equal(r.cache, 'hit');
    assert.match(r.said, /sk-p-acme/);
  }
  await control.must('PATCH', `/models/${model.id}`, { targets: [{ provider: 'q', model: 'gpt-4o' }] }, { ...at, 'if-match': '*' });
  for (const [q, headers] of ways) await until('the new target answers', async () => /sk-q-acme/.test((await ask(key, q, headers)).said));
});

test('a purge empties memory and Redis, of one workspace alone or of all', async () => {
  const q = said();
  const keep = async (...names) => {
    for (const name of names) {
      for (const p of proxies) await until('it is kept', async () => (await ask(tenants[name].key, q, on, p)).cache === 'hit');
    }
  };
  const has = async (name) => (await Promise.all(proxies.map((p) => ask(tenants[name].key, q, { 'x-weir-cache': 'only' }, p)))).map((r) => r.status === 200);
  await keep('main', 'second', 'other');
  const one = await control.must('POST', '/cache/purge', { workspace_id: tenants.main.workspace }, tenants.main.at);
  assert.equal(one.data_planes, 2);
  assert.ok(one.entries >= 2, JSON.stringify(one));
  await until('it is gone', async () => (await has('main')).every((x) => !x));
  assert.deepEqual(await has('second'), [true, true]);
  assert.deepEqual(await has('other'), [true, true]);
  await keep('main');
  await control.must('POST', '/cache/purge', undefined, tenants.main.at);
  await until('all of the organization is gone', async () => ![...(await has('main')), ...(await has('second'))].includes(true));
  assert.deepEqual(await has('other'), [true, true], "another organization's");
});
