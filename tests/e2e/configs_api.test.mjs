// Routing configs and prompts in the admin API: versions that never change, pointers that move, what is wrong is named, secrets that
// nobody sees again, tenants that do not meet, changes that are told, and data planes that have them within a second.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { root, until } from './harness/process.mjs';

let database, control, proxy, provider;
let counter = 0;
const fresh = (what) => `${what}-${++counter}`;
const route = (model) => ({ provider: '@openai', override_params: { model } });
const body = { model: 'anything', messages: [{ role: 'user', content: 'Hi' }] };

before(async () => {
  database = await sharedDatabase();
  const admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  proxy = await startProxy(control);
  provider = await fakeProvider();
  await control.must('POST', '/providers', { name: 'openai', kind: 'openai', base_url: `${provider.url}/v1`, api_key: 'sk-upstream' });
});
after(async () => {
  await provider?.close();
  await proxy?.end();
  await control?.end();
  await database?.drop();
});

async function refused(r, status, code, param) {
  const a = await r;
  assert.equal(a.status, status, a.text);
  assert.equal(a.json.error.code, code, a.text);
  if (param !== undefined) assert.equal(a.json.error.param, param, a.text);
  return a.json.error.message;
}

const any = { 'if-match': '*' };
const kinds = [
  { collection: 'configs', kind: 'config', prefix: 'cfg', one: route('one'), two: route('two'), bad: { ...route('x'), retry: { attempts: 99 } }, at: 'document.retry.attempts' },
  { collection: 'prompts', kind: 'prompt', prefix: 'prm', one: { messages: [{ role: 'user', content: 'one {{x}}' }] },
    two: { messages: [{ role: 'user', content: 'two' }] }, bad: { messages: [{ role: 'user', content: '{{#open}}' }] }, at: 'document.messages[0].content' },
];

for (const { collection, kind, prefix, one, two, bad, at } of kinds) {
  test(`${collection}: versions stay as they were made, publishing and labels point at them`, async () => {
    const name = fresh(kind);
    const made = await control.must('POST', `/${collection}`, { name, document: one, note: 'first' });
    assert.match(made.id, new RegExp(`^${prefix}_[0-9a-f]{32}$`));
    assert.deepEqual([made.published_version, made.latest_version, made.labels, made.document], [1, 1, {}, one]);
    const own = `/${collection}/${made.id}`;
    const second = await control.must('POST', `${own}/versions`, { document: two });
    assert.deepEqual([second.number, second.published, second.labels], [2, false, []]);
    assert.deepEqual((await control.must('GET', own)).document, one, 'what is published is what is shown');
    assert.deepEqual((await control.must('POST', `${own}/publish`, { version: 2 })).document, two);
    assert.equal((await control.must('POST', `${own}/publish`, { version: 1 })).published_version, 1, 'a rollback');
    assert.deepEqual((await control.must('PUT', `${own}/labels/production`, { version: 2 })).labels, { production: 2 });
    const third = await control.must('POST', `${own}/versions`, { document: one, publish: true, labels: ['production', 'staging'] });
    assert.deepEqual([third.number, third.published, third.labels.sort()], [3, true, ['production', 'staging']]);
    assert.equal((await control.call('DELETE', `${own}/labels/staging`)).status, 204);
    await refused(control.call('DELETE', `${own}/labels/staging`), 404, 'not_found');
    const versions = (await control.must('GET', `${own}/versions`)).data;
    assert.deepEqual(versions.map((v) => [v.number, v.published, v.labels]), [[3, true, ['production']], [2, false, []], [1, false, []]]);
    assert.deepEqual(versions[2].document, one);
    assert.equal(versions[2].note, 'first');
    assert.match(versions[2].created_by, /^tok_/);
    for (const [method, path] of [['PUT', 'versions/1'], ['PATCH', 'versions/1'], ['DELETE', 'versions/1']]) {
      await refused(control.call(method, `${own}/${path}`, method === 'DELETE' ? undefined : { document: two }, any), 405, 'method_not_allowed');
    }
    const table = `${kind}_documents`;
    assert.equal((await database.query(`select has_table_privilege('weir_system', 'weir.${table}', 'update') as may`))[0].may, false);
    const renamed = await control.must('PATCH', own, { description: 'd' }, any);
    assert.deepEqual([renamed.description, renamed.latest_version], ['d', 3]);
    const audit = (await control.must('GET', `/audit?limit=200`)).data.filter((row) => row.object_id === made.id).map((row) => row.action);
    assert.deepEqual(audit.sort(), [`${kind}.create`, `${kind}.version`, `${kind}.publish`, `${kind}.publish`, `${kind}.label`, `${kind}.version`,
      `${kind}.unlabel`, `${kind}.update`].sort());
    assert.equal((await control.call('DELETE', own)).status, 204);
    await refused(control.call('GET', `${own}/versions/1`), 404, 'not_found');
  });

  test(`${collection}: what is wrong is named, in the body and in the document`, async () => {
    const made = await control.must('POST', `/${collection}`, { name: fresh(kind), document: one });
    const own = `/${collection}/${made.id}`;
    const post = (b) => control.call('POST', `/${collection}`, b);
    const message = await refused(post({ name: fresh(kind), document: bad }), 400, 'invalid_field', at);
    assert.ok(message.startsWith(at), message);
    await refused(control.call('POST', `${own}/versions`, { document: bad }), 400, 'invalid_field', at);
    await refused(post({ document: one }), 400, 'invalid_field', 'name');
    await refused(post({ name: made.name.toUpperCase(), document: one }), 409, 'conflict', 'name');
    await refused(post({ name: 'a@b', document: one }), 400, 'invalid_field', 'name');
    await refused(post({ name: fresh(kind) }), 400, 'invalid_field', 'document');
    await refused(post({ name: fresh(kind), document: one, labels: ['Upper'] }), 400, 'invalid_field', 'labels[0]');
    await refused(control.call('PUT', `${own}/labels/latest`, { version: 1 }), 400, 'invalid_field', 'label');
    await refused(control.call('PUT', `${own}/labels/x`, { version: 2 }), 400, 'invalid_field', 'version');
    await refused(control.call('POST', `${own}/publish`, { version: '1' }), 400, 'invalid_field', 'version');
    await refused(control.call('PATCH', own, { document: two }, any), 400, 'invalid_field', 'document');
    await refused(control.call('POST', `${own}/publish`, { version: 1 }, { 'if-match': '"999"' }), 412, 'precondition_failed');
    const yes = await control.must('POST', `/${collection}/validate`, { document: one });
    assert.deepEqual([yes.valid, yes.error], [true, null]);
    const no = await control.must('POST', `/${collection}/validate`, { document: bad });
    assert.equal(no.valid, false);
    assert.ok(no.error.code && no.error.message && no.error.param, JSON.stringify(no));
  });

  test(`${collection}: two writers at once make two versions, and one Idempotency-Key makes one`, async () => {
    const made = await control.must('POST', `/${collection}`, { name: fresh(kind), document: one });
    const own = `/${collection}/${made.id}/versions`;
    const many = await Promise.all(Array.from({ length: 8 }, () => control.must('POST', own, { document: two })));
    assert.deepEqual(many.map((v) => v.number).sort((a, b) => a - b), [2, 3, 4, 5, 6, 7, 8, 9]);
    const key = { 'idempotency-key': fresh('once') };
    const first = await control.must('POST', own, { document: two }, key);
    assert.equal((await control.must('POST', own, { document: two }, key)).number, first.number);
  });

  test(`${collection}: another tenant neither sees nor moves them`, async () => {
    const made = await control.must('POST', `/${collection}`, { name: fresh(kind), document: one }, { 'x-weir-organization': 'acme' });
    const other = await control.must('POST', '/organizations', { name: fresh('tenant') });
    await control.must('POST', '/workspaces', { name: 'w' }, { 'x-weir-organization': other.id });
    const token = await control.must('POST', '/admin-tokens', { name: 't', role: 'owner' }, { 'x-weir-organization': other.id });
    const as = { authorization: `Bearer ${token.secret}` };
    const own = `/${collection}/${made.id}`;
    for (const [method, path, b] of [['GET', own], ['GET', `${own}/versions`], ['GET', `${own}/versions/1`], ['POST', `${own}/versions`, { document: two }],
      ['POST', `${own}/publish`, { version: 1 }], ['PUT', `${own}/labels/x`, { version: 1 }], ['DELETE', `${own}/labels/x`], ['PATCH', own, { description: 'x' }], ['DELETE', own]]) {
      await refused(control.call(method, path, b, { ...as, ...any }), 404, 'not_found');
    }
    assert.deepEqual((await control.must('GET', `/${collection}`, undefined, as)).data, []);
    if (kind === 'config') {
      for (const config of [made.name, made.id]) await refused(control.call('POST', '/keys', { name: 'k', config }, as), 400, 'invalid_field', 'config');
    }
    await control.must('DELETE', `/organizations/${other.id}`, undefined, any);
  });
}

test('the JSON Schema of configs is served to anybody, and knows what is accepted', async () => {
  const r = await fetch(`${control.url}/api/v1/schemas/routing-config`);
  assert.equal(r.status, 200);
  assert.match(r.headers.get('content-type'), /^application\/json/);
  assert.deepEqual(await r.json(), JSON.parse(readFileSync(join(root, 'docs/schema/routing-config.schema.json'), 'utf8')));
});

test('credentials in a config are sealed, shown as markers, and kept by them', async () => {
  const secrets = ['sk-one-of-the-config', 'aws-two-of-the-config'];
  const document = (key, secret) => ({ strategy: { mode: 'fallback' }, targets: [{ provider: 'openai', api_key: key },
    { provider: 'bedrock', aws_access_key_id: 'AKIA', aws_secret_access_key: secret, aws_region: 'us-east-1' }] });
  const r = await control.call('POST', '/configs', { name: fresh('sealed'), document: document(...secrets) });
  assert.equal(r.status, 201, r.text);
  const made = r.json, [first, second] = made.document.targets;
  for (const v of [first.api_key, second.aws_secret_access_key, second.aws_access_key_id]) assert.match(v, /^weir-secret:\d+$/);
  const next = await control.must('POST', `/configs/${made.id}/versions`, { document: document(first.api_key, 'aws-three-of-the-config') });
  assert.equal(next.document.targets[0].api_key, first.api_key);
  assert.notEqual(next.document.targets[1].aws_secret_access_key, second.aws_secret_access_key);
  await refused(control.call('POST', `/configs/${made.id}/versions`, { document: document('weir-secret:99', 'x') }), 400, 'invalid_field', 'document.targets[0].api_key');
  await refused(control.call('POST', '/configs', { name: fresh('thief'), document: document(first.api_key, 'x') }), 400, 'invalid_field', 'document.targets[0].api_key');
  const moved = document(first.api_key, next.document.targets[1].aws_secret_access_key);
  moved.targets[0].provider = '@theirs';
  const why = await refused(control.call('POST', `/configs/${made.id}/versions`, { document: moved }), 400, 'invalid_field', 'document.targets[0].api_key');
  assert.match(why, /must be given again/, 'a stored secret goes only where somebody who knew it sent it');
  const shown = [(await control.call('GET', `/configs/${made.id}/versions`)).text, (await control.call('GET', '/configs')).text,
    (await control.call('GET', '/export')).text, JSON.stringify(await database.query('select before, after from audit_log')),
    JSON.stringify(await database.query("select document, encode(secrets, 'escape') as sealed from config_documents"))].join();
  for (const s of [...secrets, 'aws-three-of-the-config']) assert.ok(!shown.includes(s), s);
});

test('what keys and models refer to is there, and stays', async () => {
  const config = await control.must('POST', '/configs', { name: fresh('referred'), document: route('r'), labels: ['prod'] });
  for (const bad of ['nothing', `${config.name}@2`, `${config.name}@test`, `${config.name}@`, 'cfg_00000000000070008000000000000000']) {
    await refused(control.call('POST', '/keys', { name: fresh('k'), config: bad }), 400, 'invalid_field', 'config');
    await refused(control.call('POST', '/models', { name: fresh('m'), config: bad }), 400, 'invalid_field', 'config');
  }
  await refused(control.call('POST', '/models', { name: fresh('m') }), 400, 'invalid_field', 'targets');
  const key = await control.must('POST', '/keys', { name: fresh('k'), config: `${config.name}@prod`, config_locked: true, tags: ['a', 'b c'] });
  assert.deepEqual([key.config, key.config_locked, key.tags], [`${config.name}@prod`, true, ['a', 'b c']]);
  const model = await control.must('POST', '/models', { name: fresh('m'), config: config.id });
  assert.deepEqual([model.config, model.targets], [config.id, []]);
  const why = await refused(control.call('DELETE', `/configs/${config.id}`), 409, 'conflict');
  assert.ok(why.includes(key.name) || why.includes(model.name), why);
  await refused(control.call('DELETE', `/configs/${config.id}/labels/prod`), 409, 'conflict');
  await refused(control.call('PATCH', `/configs/${config.id}`, { name: fresh('renamed') }, any), 409, 'conflict');
  await control.must('PATCH', `/keys/${key.id}`, { config: null }, any);
  await refused(control.call('DELETE', `/configs/${config.id}`), 409, 'conflict');
  await control.call('DELETE', `/models/${model.id}`);
  assert.equal((await control.call('DELETE', `/configs/${config.id}`)).status, 204);
});

test('a file brings configs and prompts, changes nothing the second time, and can be exported', async () => {
  const workspace = await control.must('POST', '/workspaces', { name: fresh('filed') });
  const file = { version: 1, workspace: workspace.name,
    configs: [{ name: 'filed', description: 'from a file', labels: ['prod'], document: { ...route('filed'), api_key: 'sk-of-the-file' } }],
    prompts: [{ name: 'filed', document: { messages: [{ role: 'user', content: '{{> part}}' }] } }, { name: 'part', partial: true, document: 'I am {{x}}' }],
    models: [{ name: 'filed', config: 'filed', targets: [] }], keys: [{ name: 'filed', config: 'filed@prod', config_locked: true, tags: ['t'] }] };
  const first = await control.must('POST', '/apply', file);
  assert.deepEqual([first.configs.created, first.prompts.created, first.models.created, first.keys.created], [['filed'], ['filed', 'part'], ['filed'], ['filed']]);
  const second = await control.must('POST', '/apply', file);
  for (const s of ['configs', 'prompts', 'models', 'keys']) assert.deepEqual([s, second[s].created, second[s].updated], [s, [], []]);
  const exported = await control.must('GET', `/export?workspace=${workspace.name}`);
  assert.equal(exported.configs[0].document.api_key, 'weir-secret:1');
  assert.deepEqual(exported.configs[0].labels, ['prod']);
  const third = await control.must('POST', '/apply', exported);
  for (const s of ['configs', 'prompts', 'models', 'keys']) assert.deepEqual([s, third[s].updated], [s, []]);
  file.configs[0].document.override_params.model = 'another';
  assert.deepEqual((await control.must('POST', '/apply', file)).configs.updated, ['filed']);
  const [config] = (await control.must('GET', `/configs?name=filed&workspace=${workspace.name}`)).data;
  assert.deepEqual([config.published_version, config.labels, config.owned_by], [2, { prod: 2 }, 'file']);
  await refused(control.call('POST', `/configs/${config.id}/publish`, { version: 1 }), 409, 'conflict', 'owned_by');
  await refused(control.call('POST', '/apply', { ...file, configs: [{ name: 'bad', document: { strategy: { mode: 'nonsense' }, targets: [route('x')] } }] }), 400, 'invalid_field',
    'configs[0].document.strategy.mode');
  const pruned = await control.must('POST', '/apply', { version: 1, workspace: workspace.name, configs: [], prompts: [], models: [], keys: [], prune: true });
  assert.deepEqual([pruned.configs.deleted, pruned.keys.deleted], [['filed'], ['filed']]);
});

test('a change of a config is in the data plane within a second', async () => {
  const config = await control.must('POST', '/configs', { name: fresh('quick'), document: route('quick') });
  await control.must('POST', '/keys', { name: fresh('k'), config: config.name, workspace: 'main' });
  const [{ version }] = await database.query('select version from config_version');
  const began = Date.now();
  await until('the plane has it', async () => {
    const p = (await control.must('GET', '/data-planes')).data.find((x) => x.name === proxy.planeName);
    assert.equal(p.refused_reason ?? '', '');
    return Number(p.config_version) >= Number(version);
  });
  assert.ok(Date.now() - began < 1000, `${Date.now() - began} ms`);
});

test('a request goes by its key\'s config from within a second of publishing it', async () => {
  const config = await control.must('POST', '/configs', { name: fresh('used'), document: route('first-model') });
  const key = await control.must('POST', '/keys', { name: fresh('k'), config: config.name, workspace: 'main' });
  const model = async () => {
    const r = await proxy.chat(key.secret, body);
    const answer = await r.json();
    return r.status === 200 ? provider.calls.at(-1).json.model : JSON.stringify(answer);
  };
  await until('the first version is in force', async () => (await model()) === 'first-model');
  await control.must('POST', `/configs/${config.id}/versions`, { document: route('second-model') });
  assert.equal(await model(), 'first-model', 'a draft changes nothing');
  await control.must('POST', `/configs/${config.id}/publish`, { version: 2 });
  await until('the second is', async () => (await model()) === 'second-model', 1000);
  await control.must('POST', `/configs/${config.id}/publish`, { version: 1 });
  await until('it is rolled back', async () => (await model()) === 'first-model', 1000);
});
