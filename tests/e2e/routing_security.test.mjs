// What callers may not get by routing configs, prompts and caching: past the bounds of their key, to hosts or keys that are not theirs, into
// what others see.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { hangs, KEY, startFleet, T, up } from './harness/fleet.mjs';
import { bootstrap, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { until } from './harness/process.mjs';

let f;
const S = (mode, targets, more = {}) => ({ strategy: { mode, ...more }, targets });
const refused = (r, codes = ['model_not_allowed', 'provider_not_found', 'model_not_found']) => {
  assert.ok(r.status === 403 || r.status === 404, `${r.status} ${r.text}`);
  assert.ok(codes.includes(r.json.error.code), r.text);
};

before(async () => {
  f = await startFleet({ a: 'openai', b: { kind: 'openai', headers: { 'x-stored-secret': 'stored-header-secret' } }, c: 'openai' }, {
    args: ['--custom-hosts', '127.0.0.1'],
    models: `
  - {name: one, targets: [{provider: c, model: m-one}]}
  - {name: two, targets: [{provider: a, model: m-two}]}
  - {name: open, config: passes}
  - {name: "wild-*", config: passes}`,
    keys: `
  - {name: leafed, secret: key-leafed, models: ["one", "a/m-fine"], config: passes}
  - {name: retrying, secret: key-retrying, models: ["one"], config: only-retries}
  - {name: named, secret: key-named, models: ["one"], config: names-model}
  - {name: aliased, secret: key-aliased, models: ["open", "wild-*"]}
  - {name: bare, secret: key-bare, models: ["one", "m-*"]}
  - {name: locked, secret: key-locked, config: names-model, config_locked: true}
  - {name: bound-c, secret: key-bound-c, providers: ["c"]}
  - {name: bound-c-too, secret: key-bound-c-too, providers: ["c"]}
  - {name: promptly, secret: key-promptly, models: ["one"], providers: ["c"]}
`,
    extra: `configs:
  - {name: passes, document: {provider: "@a"}}
  - {name: only-retries, document: {retry: {attempts: 1}}}
  - {name: names-model, document: {model: a/m-named}}
prompts:
  - {name: costly, document: {model: one, config: passes, messages: [{role: user, content: Hi}]}}
  - {name: fair, document: {model: one, messages: [{role: user, content: "Hi {{who}}"}]}}
`,
  });
});
after(() => f?.end());
beforeEach(() => f.reset());

describe('a key that is bound to models', () => {
  test("gets no leave from its own config for what the client names", async () => {
    for (const model of ['m-other', 'two', 'a/m-other', 'b/m-fine', '@a/m-other']) refused(await f.chat(undefined, { model }, { key: 'key-leafed' }), ['model_not_allowed']);
    assert.deepEqual(f.calls(), {});
    const fine = await f.chat(undefined, { model: 'm-fine' }, { key: 'key-leafed' });
    assert.equal(fine.by, 'a', fine.text);
    // where the config says whom the client's model goes to, a bare name that is allowed will do
    assert.equal((await f.chat(undefined, { model: 'one' }, { key: 'key-leafed' })).by, 'a');
  });

  test('nor from a config that names nobody', async () => {
    for (const model of ['two', 'a/m-x', 'm-x']) refused(await f.chat(undefined, { model }, { key: 'key-retrying' }));
    refused(await f.chat(undefined, { model: 'm-x' }, { key: 'key-retrying', headers: { 'x-weir-provider': 'a' } }));
    assert.deepEqual(f.calls(), {});
    assert.equal((await f.chat(undefined, { model: 'one' }, { key: 'key-retrying' })).by, 'c');
  });

  test('nor by naming another provider for the model of its config', async () => {
    refused(await f.chat(undefined, { model: 'any' }, { key: 'key-named', headers: { 'x-weir-provider': 'b' } }));
    assert.deepEqual(f.calls(), {});
    assert.equal((await f.chat(undefined, { model: 'any' }, { key: 'key-named' })).by, 'a'); // what an administrator named needs no leave
  });

  test('nor by an alias of its own name at another provider', async () => {
    for (const config of [{ provider: '@a', model: 'one' }, { provider: 'a', override_params: { model: 'm-x' } }, { provider: '@b', model: 'm-x' }, { virtual_key: 'a' }]) {
      refused(await f.chat(config, { model: 'one' }, { key: 'key-bare' }), ['model_not_allowed']);
    }
    assert.deepEqual(f.calls(), {});
    assert.equal((await f.chat({ model: 'one' }, { model: 'x' }, { key: 'key-bare' })).by, 'c');
  });

  test('may call what an alias it has leave for passes on', async () => {
    for (const model of ['open', 'wild-thing']) {
      const r = await f.chat(undefined, { model }, { key: 'key-aliased' });
      assert.equal(r.by, 'a', r.text);
    }
    refused(await f.chat(undefined, { model: 'two' }, { key: 'key-aliased' }));
  });

  test("does not get past them by a prompt's config", async () => {
    const ask = (name, key, body = {}) => f.post(`/v1/prompts/${name}/completions`, { variables: { who: 'you' }, ...body }, { key }).then((r) => f.read(r));
    refused(await ask('costly', 'key-promptly'));
    refused(await ask('fair', 'key-promptly', { model: 'two' }));
    assert.deepEqual(f.calls(), {});
    const fair = await ask('fair', 'key-promptly');
    assert.equal(fair.by, 'c', fair.text);
    assert.equal((await ask('costly', KEY)).by, 'a');
  });
});

test('a bound key gets no kept answer of a model that is not for it', async () => {
  const config = { ...S('fallback', [{ provider: '@a', model: 'm-kept' }, { provider: '@c', model: 'm-kept' }]), cache: { mode: 'simple', max_age: 60 } };
  const ask = async (key) => f.chat(config, { model: 'kept' }, { key });
  assert.equal((await ask(KEY)).by, 'a');
  const again = await ask(KEY);
  assert.equal(again.headers.get('x-weir-cache'), 'hit');
  const bound = await ask('key-bound-c');
  assert.equal(bound.headers.get('x-weir-cache'), 'miss', bound.text);
  assert.equal(bound.by, 'c');
  assert.equal((await ask('key-bound-c-too')).headers.get('x-weir-cache'), 'hit'); // the same bounds
  assert.deepEqual(f.calls(), { a: 1, c: 1 });
});

test('a locked key calls no provider past its config', async () => {
  for (const path of ['/a/v1/chat/completions', '/openai/v1/chat/completions', '/v1/proxy/chat/completions', '/v1/gw/acme/a/v1/chat/completions']) {
    const r = await f.read(await f.post(path, { model: 'm-x', messages: [] }, { key: 'key-locked', headers: { 'x-weir-provider': 'a' } }));
    assert.ok(r.status === 403 || r.status === 404 || r.by === 'a', `${path}: ${r.status} ${r.text}`);
    if (r.status === 403) assert.equal(r.json.error.code, 'config_locked', path);
  }
  assert.ok(f.at.a.calls.every((c) => c.json.model === 'm-named'), JSON.stringify(f.at.a.calls.map((c) => c.json)));
  const native = await f.read(await f.post('/a/v1/chat/completions', { model: 'm-x', messages: [] }, { key: 'key-locked' }));
  assert.equal(native.status, 403, native.text);
  assert.equal(native.json.error.code, 'config_locked');
});

describe('addresses', () => {
  const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const account = (uri) => ({ type: 'service_account', client_email: 'x@y.test', private_key: pem, token_uri: uri });

  test('a credential in a config has no tokens bought where the operator did not allow it', async () => {
    const inside = await fakeProvider();
    const strict = await startFleet({ a: 'openai' });
    try {
      const uri = `${inside.url}/token`;
      const entra = { tenant_id: 't', client_id: 'c', client_secret: 's', authority: inside.url };
      const vertex = { provider: 'vertex', vertex_project_id: 'p', vertex_region: 'us-east1', model: 'gemini-x' };
      const azure = { provider: 'azure-openai', azure_resource_name: 'mine', model: 'x', azure_api_version: '2024-10-21' };
      for (const config of [
        { ...vertex, vertex_service_account_json: account(uri) }, { ...vertex, vertex_service_account_json: JSON.stringify(account(uri)) }, { ...vertex, api_key: JSON.stringify(account(uri)) },
        { ...vertex, api_key: JSON.stringify({ service_account: account(uri) }) }, { ...vertex, api_key: JSON.stringify({ service_account: JSON.stringify(account(uri)) }) },
        { provider: 'gemini', api_key: JSON.stringify(account(uri)), model: 'gemini-x' }, { ...azure, api_key: JSON.stringify(entra) },
        { ...azure, api_key: JSON.stringify({ ...entra, authority: undefined, azure_authority: inside.url }) },
        { ...vertex, vertex_service_account_json: account('http://oauth2.googleapis.com/token') }, { ...vertex, vertex_service_account_json: account('https://evilgoogleapis.com/token') },
        { ...vertex, vertex_service_account_json: account('https://oauth2.googleapis.com@127.0.0.1/token') }, { ...vertex, vertex_service_account_json: account('https://oauth2.googleapis.com:8443/token') },
      ]) {
        const r = await strict.chat(config);
        assert.equal(r.status, 400, `${JSON.stringify({ ...config, vertex_service_account_json: undefined })}: ${r.status} ${r.text}`);
        assert.equal(r.json.error.code, 'invalid_config', r.text);
        assert.ok(!r.text.includes('127.0.0.1') && !r.text.includes('PRIVATE'), r.text);
      }
      assert.equal(inside.calls.length, 0);
    } finally {
      await strict.end();
      await inside.close();
    }
  });

  test('where the operator allows it they are', async () => {
    const inside = await fakeProvider();
    inside.handler = (call, res) => {
      res.writeHead(400, { 'content-type': 'application/json' });
      res.end('{"error": "invalid_grant"}');
    };
    try {
      await f.chat({ provider: 'vertex', vertex_project_id: 'p', vertex_region: 'us-east1', model: 'gemini-x', vertex_service_account_json: account(`${inside.url}/token`) });
      assert.equal(inside.calls.length, 1);
    } finally {
      await inside.close();
    }
  });

  test("what is stored with a provider goes to no host of the caller's", async () => {
    const config = { provider: '@b', api_key: 'sk-mine-mine', custom_host: `${f.at.c.url}/v1`, model: 'm-x' };
    const r = await f.chat(config);
    assert.equal(r.by, 'b', r.text);
    const sent = f.at.c.calls[0].headers;
    assert.equal(sent.authorization, 'Bearer sk-mine-mine');
    assert.equal(sent['x-stored-secret'], undefined);
    await f.chat({ provider: '@b', model: 'm-x' });
    assert.equal(f.at.b.calls[0].headers['x-stored-secret'], 'stored-header-secret');
    assert.equal(f.at.b.calls[0].headers.authorization, `Bearer ${up('b')}`);
  });

  test('the header field for a host gets no further than a config', async () => {
    const ask = (key, host, more = {}) => f.chat(undefined, { model: 'm-x' }, { key, headers: { 'x-portkey-custom-host': host, 'x-portkey-provider': '@b', ...more } });
    for (const host of [`${f.at.c.url}/v1`, 'http://169.254.169.254/', `${f.at.c.url}/v1","api_key":"k`, `${f.at.c.url}/v1", "x": "`]) {
      const r = await ask(KEY, host);
      assert.equal(r.status, 400, `${host}: ${r.status} ${r.text}`);
    }
    assert.equal((await ask('key-locked', `${f.at.c.url}/v1`)).json.error.code, 'config_locked');
    refused(await ask('key-bound-c', `${f.at.c.url}/v1`));
    assert.deepEqual(f.calls(), {});
  });

  test('no setting of a leaf makes another host of its kind\'s', async () => {
    for (const config of [
      { provider: 'bedrock', aws_access_key_id: 'AKIAX', aws_secret_access_key: 's', aws_region: '127.0.0.1/', model: 'x' }, { provider: 'bedrock', aws_access_key_id: 'AKIAX', aws_secret_access_key: 's', aws_region: 'a@127.0.0.1:1/#', model: 'x' },
      { provider: 'vertex', access_token: 't', vertex_project_id: 'p', vertex_region: '127.0.0.1:80/?', model: 'gemini-x' }, { provider: 'snowflake', api_key: 'k', snowflake_account: '127.0.0.1/a', model: 'x' },
      { provider: 'bedrock', api_key: JSON.stringify({ aws_access_key_id: 'A', aws_secret_access_key: 's', region: '127.0.0.1#' }), model: 'x' },
    ]) {
      const r = await f.chat(config);
      assert.ok(r.status >= 400 && r.status < 600, r.text);
      assert.notEqual(r.json.error.code, 'upstream_refused', `${JSON.stringify(config)}: ${r.text}`);
    }
  });
});

test('names from a config split no header, of the answer or of the request', async () => {
  const bad = 'x\r\nx-evil: 1\r\n\r\n';
  for (const config of [
    S('split', [{ ...T('a'), name: bad, share: 100 }]), S('fallback', [{ ...T('a'), name: bad }]), { provider: '@a', model: bad }, { provider: bad, model: 'x' },
    { provider: 'openai', api_key: bad, custom_host: `${f.at.b.url}/v1`, model: 'x' }, { provider: 'openai', api_key: 'k', openai_project: bad, custom_host: `${f.at.b.url}/v1`, model: 'x' },
    { provider: 'openai', api_key: JSON.stringify({ api_key: 'k', headers: { 'x-a': bad, 'x-b\r\nx-evil': '1', host: 'evil.test', 'transfer-encoding': 'chunked' } }), custom_host: `${f.at.b.url}/v1`, model: 'x' },
    { provider: 'openai', api_key: 'k', custom_host: `${f.at.b.url}/v1${bad}`, model: 'x' }, { ...T('a'), cache: { mode: 'simple', namespace: bad } },
  ]) {
    const r = await f.chat(config, {}, { headers: { 'x-portkey-config': '{}' } });
    assert.equal(r.headers.get('x-evil'), null, JSON.stringify(config));
  }
  for (const p of Object.values(f.at)) {
    for (const c of p.calls) {
      assert.equal(c.headers['x-evil'], undefined);
      assert.ok(!String(c.headers.host).includes('evil'));
      assert.equal(c.headers['transfer-encoding'], undefined);
    }
  }
});

test('what steers the proxy stays with it: no provider and no mirror sees it', async () => {
  const headers = { 'x-weir-cache': 'on', 'x-weir-cache-key': 'k1', 'x-weir-cache-namespace': 'n', 'x-weir-metadata': '{"u":1}', 'x-portkey-metadata': '{"u":1}', 'x-portkey-cache': 'simple', 'cf-aig-cache-ttl': '9', 'cf-aig-metadata': '{}' };
  const r = await f.chat(S('mirror', [{ ...T('a'), forward_headers: ['x-tenant'] }, T('b')]), {}, { headers: { ...headers, 'x-tenant': '1' } });
  assert.equal(r.by, 'a', r.text);
  for (let i = 0; i < 200 && f.at.b.calls.length === 0; i++) await new Promise((done) => setTimeout(done, 20));
  for (const p of [f.at.a, f.at.b]) {
    assert.equal(p.calls.length, 1);
    const names = Object.keys(p.calls[0].headers);
    assert.deepEqual(names.filter((n) => /^(x-weir|x-portkey|cf-)/.test(n)), []);
    assert.ok(!JSON.stringify(p.calls[0].headers).includes(KEY));
  }
});

describe('what one caller may cost the others', () => {
  test('regular expressions of a config take a bounded time together', async () => {
    const evil = Array.from({ length: 400 }, (_, i) => ({ query: { 'params.user': { $regex: `^(x+x+)+${i}$` } }, then: 'a' }));
    const started = Date.now();
    const r = await f.chat(S('conditional', [T('a')], { conditions: evil, default: 'a' }), { user: 'x'.repeat(5000) });
    assert.equal(r.by, 'a', r.text);
    assert.ok(Date.now() - started < 3000, `${Date.now() - started} ms`);
    const many = { query: { 'params.tags': { $regex: '^(x+x+)+y$' } }, then: 'a' };
    const again = Date.now();
    await f.chat(S('conditional', [T('a')], { conditions: [many], default: 'a' }), { tags: Array.from({ length: 4000 }, (_, i) => `${'x'.repeat(200)}${i}`) });
    assert.ok(Date.now() - again < 3000, `${Date.now() - again} ms`);
  });

  test('so do looks into a large body', async () => {
    const fields = Array.from({ length: 600 }, (_, i) => ({ query: { [`params.f${i}`]: 1, [`metadata.m${i}`]: 1 }, then: 'a' }));
    const more = Array.from({ length: 600 }, (_, i) => ({ query: { [`metadata.m${i}`]: 1 }, then: 'a' }));
    for (const conditions of [fields, more]) {
      const started = Date.now();
      const r = await f.chat(S('conditional', [T('a')], { conditions, default: 'a' }), { messages: [{ role: 'user', content: 'x'.repeat(6 << 20) }] });
      assert.ok([200, 400].includes(r.status), r.text.slice(0, 300));
      assert.ok(Date.now() - started < 6000, `${Date.now() - started} ms`);
    }
  });

  test('copies for mirrors hold a bounded memory', async () => {
    f.at.b.handler = hangs();
    const before = f.log().split('mirror_skipped').length;
    const config = S('mirror', [T('a'), ...Array.from({ length: 8 }, (_, i) => T('b', { name: `copy-${i}` }))]);
    const body = { messages: [{ role: 'user', content: 'x'.repeat(6 << 20) }] };
    for (let i = 0; i < 3; i++) assert.equal((await f.chat(config, body)).by, 'a');
    await until('copies arrived', () => f.at.b.calls.length >= 8);
    await until('the rest was told of', () => f.log().split('mirror_skipped').length - before >= 14);
    assert.ok(f.at.b.calls.length <= 10, String(f.at.b.calls.length));
  });
});

test("one workspace's own config opens no breaker for another's; purges reach the right answers", async () => {
  const database = await sharedDatabase();
  const provider = await fakeProvider();
  let control, proxy;
  try {
    const admin = bootstrap(database);
    control = await startControl(database);
    control.token = admin.admin_token;
    proxy = await startProxy(control, { workers: 1 });
    await control.must('POST', '/providers', { name: 'shared', kind: 'openai', base_url: `${provider.url}/v1`, api_key: 'sk-upstream' });
    const [mine, theirs] = [await control.must('POST', '/workspaces', { name: 'mine' }), await control.must('POST', '/workspaces', { name: 'theirs' })];
    const own = await control.must('POST', '/providers', { name: 'own', kind: 'openai', base_url: `${provider.url}/v1`, api_key: 'sk-upstream', workspace_id: mine.id });
    assert.ok(own.id);
    const bad = await control.must('POST', '/keys', { name: 'bad', workspace_id: mine.id });
    const good = await control.must('POST', '/keys', { name: 'good', workspace_id: theirs.id });
    const ask = async (key, config, model = 'm', headers = {}) => {
      const r = await proxy.chat(key.secret, { model, messages: [{ role: 'user', content: 'Hi' }] }, config ? { 'x-weir-config': JSON.stringify(config), ...headers } : headers);
      return { status: r.status, text: await r.text(), cache: r.headers.get('x-weir-cache') };
    };
    await until('both keys are known', async () => (await ask(good, undefined, 'shared/w')).status === 200 && (await ask(bad, undefined, 'own/w')).status === 200);
    // a purge of a workspace drops nobody else's answers
    const cached = async (key) => (await ask(key, undefined, 'shared/w', { 'x-weir-cache': 'on' })).cache;
    for (const key of [good, bad]) assert.deepEqual([await cached(key), await cached(key)], ['miss', 'hit'], key.name);
    assert.equal((await control.must('POST', '/cache/purge', { workspace_id: mine.id })).entries, 1);
    assert.deepEqual([await cached(bad), await cached(good)], ['miss', 'hit']);
    assert.equal((await control.must('POST', '/cache/purge', {})).entries, 2);
    for (const key of [good, bad]) assert.equal(await cached(key), 'miss', key.name);

    provider.handler = hangs();
    for (const name of ['shared', 'own']) {
      for (let i = 0; i < 12; i++) {
        const r = await ask(bad, { provider: `@${name}`, model: 'm', request_timeout: 20, circuit_breaker: { threshold: 1, cooldown_ms: 600000 } });
        assert.equal(r.status, 408, r.text);
      }
    }
    for (let i = 0; i < 12; i++) assert.equal((await ask(bad, undefined, 'shared/late', { 'x-portkey-request-timeout': '20' })).status, 408);
    provider.handler = () => false;
    const state = async (name, model = 'm') => (await control.must('GET', '/targets')).data_planes[0].targets.find((t) => t.provider === name && t.model === model);
    assert.equal((await ask(good, undefined, 'shared/m')).status, 200);
    assert.equal((await state('shared')).state, 'closed');
    assert.equal((await state('shared', 'late')).state, 'closed');
    assert.equal((await state('own')).state, 'open'); // what is its own it may close to itself
  } finally {
    await proxy?.end();
    await control?.end();
    await provider.close();
    await database.drop();
  }
});
