// The model catalogue behind a control plane: an update that is shown, asked for, permitted, and then charged by every data plane to the
// nano-dollar; an organization's own prices over it; what an organization does with a model that has none. All figures are made by hand.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { completion, fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, eventsOf, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { build, root, temporaryFolder, until } from './harness/process.mjs';

// pico-USD a token. What is installed, and what a newer file says.
const INSTALLED = {
  format: 1, version: '2026-01-01 test', sources: [], aliases: {},
  models: [
    { provider: 'openai', model: 'gpt-priced', title: 'Priced', context: 8000, max_output: 4000, capabilities: ['tools'], input: ['text'], output: ['text'], price: { token_in: 1000003, token_out: 2000011 } },
    { provider: 'openai', model: 'gpt-staying', context: 8000, price: { token_in: 5000000, token_out: 7000000 } },
    { provider: 'openai', model: 'gpt-unpriced', context: 8000 },
  ],
};
const NEWER = structuredClone(INSTALLED);
NEWER.version = '2026-02-02 test';
NEWER.models[0].price = { token_in: 1300007, token_out: 2600013, token_cached: 130001 };
NEWER.models.splice(1, 0, { provider: 'openai', model: 'gpt-new', context: 9000, price: { token_in: 11, token_out: 13 } });
NEWER.models = NEWER.models.filter((m) => m.model !== 'gpt-staying');
NEWER.models.sort((a, b) => (a.model < b.model ? -1 : 1));

const USAGE = { prompt_tokens: 1001, completion_tokens: 333, total_tokens: 1334 };
const cost = (input, output) => Number((1001n * BigInt(input) + 333n * BigInt(output) + 500n) / 1000n);

let acme, admin, control, database, folder, other, provider, proxies;

before(async () => {
  folder = temporaryFolder('catalogue');
  for (const [name, file] of Object.entries({ installed: INSTALLED, newer: NEWER })) writeFileSync(join(folder.folder, `${name}.json`), JSON.stringify(file));
  const args = ['--catalogue', join(folder.folder, 'installed.json')];
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database, { args });
  control.token = admin.admin_token;
  proxies = [await startProxy(control, { name: 'proxy-1', workers: 1, args }), await startProxy(control, { name: 'proxy-2', workers: 1, args })];
  provider = await fakeProvider((call, res) => {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify(completion(call.json.model, 'Hello', USAGE)));
  });
  acme = { id: (await control.must('GET', '/organizations')).data[0].id, name: 'acme' };
  other = await control.must('POST', '/organizations', { name: 'other' });
  await control.must('POST', '/workspaces', { name: 'main' }, at(other));
  for (const o of [acme, other]) {
    await control.must('POST', '/providers', { name: 'up', kind: 'openai', base_url: `${provider.url}/v1`, api_key: 'sk-up' }, at(o));
    o.key = (await control.must('POST', '/keys', { name: 'all' }, at(o))).secret;
    o.owner = (await control.must('POST', '/admin-tokens', { name: `owner-${o.name}`, role: 'owner' }, at(o))).secret;
    o.viewer = (await control.must('POST', '/admin-tokens', { name: `viewer-${o.name}`, role: 'auditor' }, at(o))).secret;
    for (const p of proxies) await until('the key works', async () => (await p.chat(o.key, body('gpt-priced'))).status === 200);
  }
});

after(async () => {
  for (const p of proxies ?? []) await p.end();
  await control?.end();
  await provider?.close();
  await database?.drop();
  folder?.remove();
});

const at = (organization) => ({ 'x-weir-organization': organization.id });
const body = (model) => ({ model: `up/${model}`, messages: [{ role: 'user', content: 'Hi' }] });

function weir(args, { input = '', token = admin.admin_token, organization = 'acme' } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(build, 'weir'), args, {
      cwd: root, env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: folder.folder, WEIR_URL: control.url, WEIR_TOKEN: token, WEIR_ORGANIZATION: organization, ASAN_OPTIONS: 'detect_leaks=1:exitcode=99' },
    });
    let out = '', err = '';
    child.stdout.on('data', (d) => (out += d));
    child.stderr.on('data', (d) => (err += d));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => {
      if (/Sanitizer|runtime error:/.test(err)) return reject(new Error(`weir ${args.join(' ')}\n${err}`));
      return resolve({ code, out, err });
    });
  });
}
async function must(args, options) {
  const r = await weir(args, options);
  assert.equal(r.code, 0, `weir ${args.join(' ')}: ${r.err}${r.out}`);
  return r.out;
}
const file = (name) => join(folder.folder, `${name}.json`);
const rows = () => database.query('select organization_id, provider, model from catalogue_models order by 1, 2, 3');

// What one chat at each proxy is stored to have cost.
async function costs(organization, model) {
  const ids = [];
  for (const proxy of proxies) {
    const r = await proxy.chat(organization.key, body(model));
    assert.equal(r.status, 200, await r.clone().text());
    await r.text();
    ids.push(r.headers.get('x-weir-request-id'));
  }
  return (await eventsOf(database, ids)).map((e) => Number(e.cost_nanousd));
}
// Both proxies charge so within a second of now.
async function charged(organization, model, nano) {
  const from = Date.now();
  for (;;) {
    const began = Date.now();
    const seen = await costs(organization, model).catch((e) => [e.message]); // refused as yet
    if (seen.every((n) => n === nano)) break;
    assert.ok(began - from < 1000, `after a second ${model} costs ${seen}, not ${nano}`);
  }
}

describe('the catalogue is read', () => {
  test('list, with a search and of one provider, and show', async () => {
    const list = await must(['catalog', 'list']);
    assert.match(list, /openai\s+gpt-priced\s+8000\s+1\.000003\s+2\.000011/);
    assert.doesNotMatch(await must(['catalog', 'list', '--search', 'staying']), /gpt-priced/);
    assert.doesNotMatch(await must(['catalog', 'list', '--priced']), /gpt-unpriced/);
    const { data } = JSON.parse(await must(['catalog', 'list', '--provider', 'openai', '--json']));
    assert.deepEqual(data.map((m) => m.model), ['gpt-priced', 'gpt-staying', 'gpt-unpriced']);
    const shown = await must(['catalog', 'show', 'openai/gpt-priced']);
    assert.match(shown, /token_in\s+1\.000003 USD per million tokens/);
    assert.match(shown, /context\s+8000/);
    assert.match(await must(['catalog', 'show', 'openai/gpt-unpriced']), /price\s+not known/);
    assert.equal((await weir(['catalog', 'show', 'openai/none'])).code, 3);
    assert.equal((await weir(['catalog', 'show', 'gpt-priced'])).code, 2);
  });

  test('a viewer reads it, and a stranger does not', async () => {
    await must(['catalog', 'list'], { token: acme.viewer });
    assert.equal((await weir(['catalog', 'list'], { token: 'wr_adm_nobody' })).code, 1);
  });

  test('what is installed is charged', async () => {
    assert.deepEqual(await costs(acme, 'gpt-priced'), [cost(1000003, 2000011), cost(1000003, 2000011)]);
    assert.deepEqual(await costs(acme, 'gpt-unpriced'), [0, 0]);
  });
});

describe('an update', () => {
  test('is shown as a difference and changes nothing by that', async () => {
    for (const out of [await must(['catalog', 'diff', file('newer')]), (await weir(['catalog', 'update', file('newer')], { input: 'n\n' })).out]) {
      assert.match(out, /^\+ openai\/gpt-new$/m);
      assert.match(out, /^~ openai\/gpt-priced {2}token_in 1\.000003 -> 1\.300007, token_out 2\.000011 -> 2\.600013, token_cached - -> 0\.130001$/m);
      assert.match(out, /^- openai\/gpt-staying$/m);
      assert.match(out, /1 added, 1 changed, 1 removed, 1 unchanged/);
    }
    assert.equal((await weir(['catalog', 'update', file('newer')], { input: 'n\n' })).code, 1);
    assert.deepEqual(await rows(), []);
    assert.deepEqual(await costs(acme, 'gpt-priced'), [cost(1000003, 2000011), cost(1000003, 2000011)]);
  });

  test('is refused to whoever is no platform administrator', async () => {
    for (const token of [acme.owner, acme.viewer, other.owner]) {
      const r = await weir(['catalog', 'update', file('newer'), '--yes'], { token, organization: '' });
      assert.equal(r.code, 1);
      assert.match(r.err, /catalogue\.manage|permission/);
    }
    assert.deepEqual(await rows(), []);
  });

  test('is charged by both data planes within a second, and shown', async () => {
    await must(['catalog', 'update', file('newer'), '--yes']);
    await charged(acme, 'gpt-priced', cost(1300007, 2600013));
    await charged(other, 'gpt-priced', cost(1300007, 2600013));
    await charged(acme, 'gpt-new', cost(11, 13));
    await charged(acme, 'gpt-staying', cost(5000000, 7000000)); // what the file lacks stays as installed
    assert.match(await must(['catalog', 'show', 'openai/gpt-priced']), /token_cached\s+0\.130001 USD/);
    const { data } = await control.must('GET', '/audit?limit=50');
    const row = data.find((a) => a.action === 'catalogue.update');
    assert.ok(row, JSON.stringify(data.map((a) => a.action)));
    assert.match(await must(['catalog', 'update', file('newer'), '--yes']), /0 added, 0 changed/);
  });

  test('cannot be what is no catalogue', async () => {
    const before = await rows();
    const bad = {
      'no JSON': ['{"format":1,\n"models":[}', /:2:\d+: /],
      'no object': ['[]', /object/],
      'another format': [JSON.stringify({ ...NEWER, format: 99 }), /format/],
      'no list of models': [JSON.stringify({ format: 1, version: 'x', models: {} }), /models/],
      'a price that is a fraction': [JSON.stringify({ ...NEWER, models: [{ provider: 'a', model: 'b', price: { token_in: 1.5 } }] }), /a\/b.*token_in/],
      'a price below nothing': [JSON.stringify({ ...NEWER, models: [{ provider: 'a', model: 'b', price: { token_in: -1 } }] }), /a\/b.*token_in/],
      'a unit that is none': [JSON.stringify({ ...NEWER, models: [{ provider: 'a', model: 'b', price: { banana: 1 } }] }), /a\/b.*banana/],
      'an entry without a name': [JSON.stringify({ ...NEWER, models: [{ provider: 'a' }] }), /model/],
    };
    for (const [what, [text, words]] of Object.entries(bad)) {
      writeFileSync(file('bad'), text);
      for (const command of ['diff', 'update']) {
        const r = await weir(['catalog', command, file('bad'), ...(command === 'update' ? ['--yes'] : [])]);
        assert.equal(r.code, 1, `${what}: ${r.out}`);
        assert.match(r.err, words, what);
      }
      const r = await control.call('POST', '/catalogue/update', text); // and without the command line, which looks first
      assert.equal(r.status, 400, `${what}: ${r.text}`);
      assert.match(r.json.error.message, what === 'no JSON' ? /JSON|line|expected/ : words, what);
    }
    assert.equal((await weir(['catalog', 'update', file('absent'), '--yes'])).code, 3);
    assert.deepEqual(await rows(), before);
    await charged(acme, 'gpt-priced', cost(1300007, 2600013));
  });
});

describe('an organization\'s own price', () => {
  let made;
  test('beats everybody\'s, for that organization only', async () => {
    const r = await control.must('POST', '/catalogue-overrides', { provider: 'openai', model: 'gpt-priced', entry: { price: { token_in: 777001, token_out: 888003 } } }, at(acme));
    made = r;
    await charged(acme, 'gpt-priced', cost(777001, 888003));
    assert.deepEqual(await costs(other, 'gpt-priced'), [cost(1300007, 2600013), cost(1300007, 2600013)]);
    const entry = JSON.parse(await must(['catalog', 'show', 'openai/gpt-priced', '--json']));
    assert.equal(entry.override_id, made.id);
    assert.deepEqual(entry.price, { token_in: 777001, token_out: 888003 });
    assert.equal(entry.context, 8000); // what it does not name stays
    assert.equal(JSON.parse(await must(['catalog', 'show', 'openai/gpt-priced', '--json'], { organization: 'other' })).override_id, null);
    assert.match(await must(['catalog', 'list']), /gpt-priced.*override/);
  });

  test('is changed in place', async () => {
    await control.must('PATCH', `/catalogue-overrides/${made.id}`, { entry: { price: { token_in: 3, token_out: 500 } } }, { ...at(acme), 'if-match': '*' });
    await charged(acme, 'gpt-priced', cost(3, 500));
  });

  test('outlives an update for everybody', async () => {
    const newest = structuredClone(NEWER);
    newest.version = '2026-03-03 test';
    newest.models.find((m) => m.model === 'gpt-priced').price = { token_in: 4000037, token_out: 4000039 };
    writeFileSync(file('newest'), JSON.stringify(newest));
    await must(['catalog', 'update', file('newest'), '--yes']);
    await charged(other, 'gpt-priced', cost(4000037, 4000039));
    assert.deepEqual(await costs(acme, 'gpt-priced'), [cost(3, 500), cost(3, 500)]);
  });

  test('is for those who may', async () => {
    const as = (token) => ({ authorization: `Bearer ${token}` });
    const wanted = { provider: 'openai', model: 'gpt-new', entry: { price: { token_in: 1 } } };
    assert.equal((await control.call('POST', '/catalogue-overrides', wanted, as(acme.viewer))).status, 403);
    assert.equal((await control.call('GET', `/catalogue-overrides/${made.id}`, undefined, as(other.owner))).status, 404);
    assert.equal((await control.call('DELETE', `/catalogue-overrides/${made.id}`, undefined, { ...as(other.owner), 'if-match': '*' })).status, 404);
    const own = await control.call('POST', '/catalogue-overrides', wanted, as(acme.owner));
    assert.equal(own.status, 201, own.text);
    assert.equal((await control.call('POST', '/catalogue-overrides', wanted, as(acme.owner))).status, 409);
    for (const [entry, param] of [[{}, 'entry'], [{ price: { token_in: 1.5 } }, 'entry.price.token_in'], [{ price: { banana: 1 } }, 'entry.price'], [{ contex: 1 }, 'entry.contex'], [{ context: 'much' }, 'entry.context']]) {
      const r = await control.call('POST', '/catalogue-overrides', { ...wanted, model: 'wrong', entry }, as(acme.owner));
      assert.equal(r.status, 400, r.text);
      assert.equal(r.json.error.param, param, r.text);
    }
    await control.must('DELETE', `/catalogue-overrides/${own.json.id}`, undefined, { ...at(acme), 'if-match': '*' });
  });

  test('taken away, everybody\'s is charged again', async () => {
    await control.must('DELETE', `/catalogue-overrides/${made.id}`, undefined, { ...at(acme), 'if-match': '*' });
    await charged(acme, 'gpt-priced', cost(4000037, 4000039));
  });

  test('and an update with the installed file takes every update back', async () => {
    await must(['catalog', 'update', file('installed'), '--yes']);
    await charged(acme, 'gpt-priced', cost(1000003, 2000011));
    assert.deepEqual(await rows(), []);
    assert.equal((await weir(['catalog', 'show', 'openai/gpt-new'])).code, 3);
  });
});

describe('a model without a price', () => {
  const policy = (settings) => control.must('PATCH', `/organizations/${acme.id}`, { settings }, { 'if-match': '*' });
  const post = (proxy, path, json, headers) => fetch(proxy.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(json) });

  test('is refused in the client\'s own dialect, for that organization only', async () => {
    await policy({ unpriced_models: 'refuse' });
    for (const proxy of proxies) {
      const refused = await until('it is refused', async () => {
        const r = await proxy.chat(acme.key, body('gpt-unpriced'));
        const json = await r.json();
        return r.status === 403 && json;
      }, 5000);
      assert.equal(refused.error.code, 'model_unpriced');
    }
    const [{ url }] = proxies, message = [{ role: 'user', content: 'Hi' }];
    const before = provider.calls.length;
    const anthropic = await post({ url }, '/v1/messages', { model: 'up/gpt-unpriced', max_tokens: 9, messages: message }, { 'x-api-key': acme.key });
    assert.equal(anthropic.status, 403);
    const a = await anthropic.json();
    assert.deepEqual([a.type, a.error.type], ['error', 'permission_error']);
    assert.match(JSON.stringify(a), /no price/);
    const gemini = await post({ url }, '/v1beta/models/up%2Fgpt-unpriced:generateContent', { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }, { 'x-goog-api-key': acme.key });
    assert.equal(gemini.status, 403);
    assert.equal((await gemini.json()).error.status, 'PERMISSION_DENIED');
    const converse = await post({ url }, '/model/up%2Fgpt-unpriced/converse', { messages: [{ role: 'user', content: [{ text: 'Hi' }] }] }, { authorization: `Bearer ${acme.key}` });
    assert.equal(converse.status, 403);
    assert.match(converse.headers.get('x-amzn-errortype') ?? '', /AccessDenied/);
    const streamed = await proxies[0].chat(acme.key, { ...body('gpt-unpriced'), stream: true });
    assert.equal(streamed.status, 403);
    await streamed.text();
    assert.equal(provider.calls.length, before, 'no provider was asked');
    assert.deepEqual(await costs(other, 'gpt-unpriced'), [0, 0]);
    assert.deepEqual(await costs(acme, 'gpt-priced'), [cost(1000003, 2000011), cost(1000003, 2000011)]);
  });

  test('is taken as soon as the organization gives it a price', async () => {
    const own = await control.must('POST', '/catalogue-overrides', { provider: 'openai', model: 'gpt-unpriced', entry: { price: { token_in: 17, token_out: 19000 } } }, at(acme));
    await charged(acme, 'gpt-unpriced', cost(17, 19000));
    await control.must('DELETE', `/catalogue-overrides/${own.id}`, undefined, { ...at(acme), 'if-match': '*' });
  });

  test('is charged by the default prices', async () => {
    await policy({ unpriced_models: 'default', default_prices: { token_in: 5000001, token_out: 15000003 } });
    await charged(acme, 'gpt-unpriced', cost(5000001, 15000003));
    await charged(acme, 'gpt-priced', cost(1000003, 2000011));
    assert.deepEqual(await costs(other, 'gpt-unpriced'), [0, 0]);
  });

  test('is free', async () => {
    await policy({ unpriced_models: 'allow' });
    await charged(acme, 'gpt-unpriced', 0);
  });

  test('a policy that is none is refused', async () => {
    for (const [settings, param] of [
      [{ unpriced_models: 'perhaps' }, 'settings.unpriced_models'], [{ unpriced_models: 'default' }, 'settings.default_prices'],
      [{ unpriced_models: 'default', default_prices: { token_in: 0.5 } }, 'settings.default_prices'], [{ unpriced_models: 'default', default_prices: [] }, 'settings.default_prices'],
    ]) {
      const r = await control.call('PATCH', `/organizations/${acme.id}`, { settings }, { 'if-match': '*' });
      assert.equal(r.status, 400, r.text);
      assert.equal(r.json.error.param, param);
    }
  });
});
