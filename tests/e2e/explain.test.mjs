// What a data plane tells of a request that is not sent, through the admin API: every shape of answer, what is wrong with a question, who may
// ask, and that asking leaves no trace.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fakeProvider } from './harness/fake_provider.mjs';
import { checkAnswers } from './harness/openapi.mjs';
import { bootstrap, startControl, startProxy } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { build, root, temporaryFolder, until } from './harness/process.mjs';

const PASSWORD = 'correct horse battery staple';
let admin, control, database, faults, folder, provider, proxies;
const planes = [], keys = {}, configs = {};
const messages = [{ role: 'user', content: 'Hi' }];
const T = (name, more = {}) => ({ provider: `@${name}`, override_params: { model: `m-${name}` }, ...more });
const S = (mode, targets, more = {}) => ({ strategy: { mode, ...more }, targets });
const COND = {
  strategy: { mode: 'conditional', default: 'cheap', conditions: [
    { query: { 'metadata.plan': { $eq: 'pro' }, prompt_tokens: { $lt: 100000 } }, then: 'best' },
    { query: { $or: [{ 'params.temperature': { $gt: 1 } }, { has_tools: true }] }, then: 'wild' }] },
  targets: [{ name: 'best', ...S('fallback', [T('a'), T('b')]) }, T('b', { name: 'cheap' }), T('c', { name: 'wild' })],
};

before(async () => {
  folder = temporaryFolder('home');
  database = await sharedDatabase();
  admin = bootstrap(database);
  control = await startControl(database);
  control.token = admin.admin_token;
  faults = checkAnswers(control);
  proxies = [await startProxy(control, { name: 'proxy-1', workers: 1 }), await startProxy(control, { name: 'proxy-2', workers: 1 })];
  provider = await fakeProvider((call, res) => {
    if (!/fails/.test(call.json?.model)) return false;
    res.writeHead(500, { 'content-type': 'application/json' });
    res.end('{"error": {"message": "down"}}');
    return true;
  });
  for (const name of ['a', 'b', 'c']) {
    await control.must('POST', '/providers', { name, kind: name === 'c' ? 'anthropic' : 'openai', base_url: `${provider.url}${name === 'c' ? '' : '/v1'}`, api_key: `sk-${name}` });
  }
  for (const [name, document] of Object.entries({ 'by-key': T('b', { override_params: { model: 'keyed' } }), conditional: COND,
    breaking: S('fallback', [T('a', { override_params: { model: 'fails-here' }, circuit_breaker: { threshold: 2, minimum_requests: 1, cooldown_ms: 60000 } }), T('b')]),
    'of-alias': S('fallback', [T('b'), T('a')]), cached: { ...T('a'), cache: { mode: 'simple', max_age: 600 } },
    sealed: { provider: '@a', api_key: 'sk-never-in-an-explanation', override_params: { model: 'm-sealed' } } })) {
    configs[name] = await control.must('POST', '/configs', { name, document, labels: ['production'] });
  }
  await control.must('POST', '/models', { name: 'one', targets: [{ provider: 'a', model: 'm-one' }] });
  await control.must('POST', '/models', { name: 'two', targets: [{ provider: 'a', model: 'm-a', weight: 3 }, { provider: 'b', model: 'm-b', weight: 1 }] });
  await control.must('POST', '/models', { name: 'configured', config: 'of-alias' });
  await control.must('POST', '/prompts', { name: 'greet', labels: ['production'],
    document: { model: 'one', messages: [{ role: 'user', content: 'Hello {{name}}' }], variables: { name: { required: true } } } });
  for (const [name, more] of Object.entries({ plain: {}, keyed: { config: 'by-key' }, locked: { config: 'by-key@production', config_locked: true },
    bound: { models: ['one'], providers: ['a'] }, disabled: { disabled: true }, tagged: { tags: ['gold'], metadata: { plan: 'pro' } } })) {
    keys[name] = await control.must('POST', '/keys', { name, ...more });
  }
  await settled();
  for (const p of proxies) planes.push(await planeOf(p));
});

after(async () => {
  await provider?.close();
  for (const p of proxies ?? []) await p.end();
  await control?.end();
  await database?.drop();
  folder?.remove();
});

// Every data plane serves what has been changed until now.
async function settled() {
  const [{ version }] = await database.query('select version from config_version');
  await until('the data planes serve it', async () =>
    (await control.must('GET', '/data-planes')).data.filter((p) => proxies.some((x) => x.planeName === p.name) && Number(p.config_version) >= Number(version)).length === proxies.length);
}
const planeOf = async (proxy) => (await control.must('GET', '/data-planes')).data.find((p) => p.name === proxy.planeName);
const question = (q = {}) => ({ key: keys.plain.id, method: 'POST', path: '/v1/chat/completions', ...q, body: 'body' in q ? q.body : { model: 'one', messages } });
const ask = (q, headers) => control.call('POST', '/explain', question(q), headers);
async function explained(q) {
  const r = await ask(q);
  assert.equal(r.status, 200, r.text);
  return r.json;
}
const about = (model, more = {}) => explained({ body: { model, messages }, ...more });
async function refusedAs(q, status, code, param) {
  const e = await explained(q);
  assert.deepEqual([e.refused?.status, e.refused?.code, e.refused?.param], [status, code, param], JSON.stringify(e.refused));
  assert.deepEqual([e.targets, e.cache], [[], null]);
  return e;
}
const told = (e) => e.targets.map((t) => [t.provider, t.model]);

describe('answers', () => {
  test('an alias of one target, and a provider and model, have no config and one target', async () => {
    const e = await about('one');
    assert.deepEqual(Object.keys(e), ['data_plane', 'config_version', 'request', 'caller', 'prompt', 'config', 'decisions', 'targets', 'impossible', 'guardrails', 'limits', 'cache', 'refused']);
    assert.deepEqual([e.config, e.decisions, e.impossible, e.refused, e.prompt, e.guardrails, e.limits], [null, [], [], null, null, [], []]);
    assert.deepEqual({ ...e.request, prompt_tokens: 0 }, { endpoint: 'chat.completions', dialect: 'openai', model: 'one', stream: false, prompt_tokens: 0 });
    assert.ok(e.request.prompt_tokens > 0);
    assert.deepEqual([e.caller.key, e.caller.name], [keys.plain.id, 'plain']);
    assert.ok(planes.some((p) => p.id === e.data_plane.id && p.name === e.data_plane.name), JSON.stringify(e.data_plane));
    const [t] = e.targets;
    assert.deepEqual([t.provider, t.model, t.endpoint, t.translated, t.health, t.saturated, t.in_flight], ['a', 'm-one', 'chat', false, 'closed', false, 0]);
    assert.deepEqual(told(await about('b/any-model')), [['b', 'any-model']]);
    const claude = (await about('c/claude-x', { body: { model: 'c/claude-x', messages, stream: true } }));
    assert.deepEqual([claude.request.stream, claude.targets[0].endpoint, claude.targets[0].translated], [true, 'messages', true]);
  });

  test('an alias of several targets is a weighted node, and every target is told in the order of trying', async () => {
    const e = await about('two');
    assert.equal(e.config.source, 'targets');
    assert.equal(e.decisions.length, 1);
    assert.equal(e.decisions[0].mode, 'weighted');
    assert.deepEqual(new Set(e.decisions[0].order.map((o) => `${o.weight} ${o.health} ${o.limits}`)), new Set(['3 healthy ok', '1 healthy ok']));
    assert.equal(e.decisions[0].chosen, e.targets[0].option);
    assert.deepEqual(told(e).sort(), [['a', 'm-a'], ['b', 'm-b']]);
  });

  test('a saved config is named with its version, wherever it is asked for', async () => {
    const sources = [
      [{ headers: { 'x-weir-config': 'by-key' } }, 'header'], [{ headers: { 'x-portkey-config': 'by-key@latest' } }, 'header'],
      [{ headers: { 'X-Weir-Config': 'by-key@1' } }, 'header'], [{ headers: { 'x-weir-config': configs['by-key'].id } }, 'header'],
      [{ headers: { 'x-weir-config': 'by-key@production' } }, 'header'], [{ key: keys.keyed.id }, 'key'], [{ key: keys.locked.id }, 'key']];
    for (const [q, source] of sources) {
      const e = await explained(q);
      assert.deepEqual(e.config, { source, id: configs['by-key'].id, name: 'by-key', version: 1 }, JSON.stringify(q));
      assert.deepEqual(told(e), [['b', 'keyed']]);
    }
    const alias = await about('configured');
    assert.deepEqual(alias.config, { source: 'model', id: configs['of-alias'].id, name: 'of-alias', version: 1 });
    assert.deepEqual(told(alias), [['b', 'm-b'], ['a', 'm-a']]);
    assert.deepEqual((await about('configured', { key: keys.keyed.id })).config.source, 'key', "a key's config goes before an alias's");
  });

  test('a proposed config stands in for the one in force, locked or not', async () => {
    const config = S('fallback', [T('a', { name: 'first' }), { name: 'gone', provider: '@nobody', override_params: { model: 'x' } }, T('c')]);
    for (const key of [keys.plain.id, keys.locked.id]) {
      for (const given of [config, JSON.stringify(config)]) {
        const e = await explained({ key, config: given, headers: { 'x-weir-config': 'by-key' } });
        assert.deepEqual(e.config, { source: 'proposed' });
        assert.deepEqual(e.targets.map((t) => [t.option, t.name, t.provider]), [['config.targets[0]', 'first', 'a'], ['config.targets[2]', null, 'c']]);
        assert.deepEqual(e.impossible.map((i) => [i.option, i.code]), [['config.targets[1]', 'provider_not_found']]);
        assert.equal(e.decisions[0].order[1].passed_over, 'cannot be called');
      }
    }
    const split = await explained({ config: S('split', [T('a', { name: 'old', share: 100 }), T('b', { name: 'new', share: 0 })]) });
    assert.deepEqual([split.decisions[0].assignment, split.decisions[0].order.map((o) => o.share)], ['old', [100, 0]]);
    const mirror = await explained({ config: S('mirror', [T('a'), T('b')]) });
    assert.equal(mirror.decisions[0].order[1].passed_over, 'gets a copy');
    const ordered = await explained({ config: S('priority', [T('a', { priority: 2 }), T('b', { priority: 1 })]) });
    assert.deepEqual([told(ordered), ordered.decisions[0].order.map((o) => o.priority)], [[['b', 'm-b'], ['a', 'm-a']], [1, 2]]);
    for (const [mode, more] of [['single'], ['loadbalance'], ['round_robin'], ['least_latency'], ['least_busy'], ['least_cost'], ['sticky'], ['hedge', { after_ms: 5 }]]) {
      const e = await explained({ config: S(mode, [T('a'), T('b')], more) });
      assert.equal(e.refused, null, mode);
      assert.equal(e.decisions[0].order.length, 2, mode);
      assert.ok(e.targets.length > 0, mode);
    }
  });

  test('turns and draws are not used up by asking', async () => {
    const config = S('round_robin', [T('a'), T('b'), T('c')]);
    const first = (await explained({ config, data_plane: planes[0].id })).targets[0].provider;
    for (let i = 0; i < 4; i++) assert.equal((await explained({ config, data_plane: planes[0].id })).targets[0].provider, first);
  });

  test('conditions are told with the values that they saw, up to the one that held', async () => {
    const pro = await explained({ headers: { 'x-weir-config': 'conditional', 'x-weir-metadata': '{"plan": "pro"}' } });
    assert.deepEqual(pro.decisions.map((d) => [d.node, d.mode, d.chosen]), [['config', 'conditional', 'config.targets[0]'], ['config.targets[0]', 'fallback', 'config.targets[0].targets[0]']]);
    assert.deepEqual(pro.decisions[0].conditions, [{ query: COND.strategy.conditions[0].query, holds: true, values: { 'metadata.plan': 'pro', prompt_tokens: pro.request.prompt_tokens } }]);
    assert.deepEqual(told(pro), [['a', 'm-a'], ['b', 'm-b']]);
    const wild = await explained({ headers: { 'x-weir-config': 'conditional' }, body: { model: 'one', messages, temperature: 1.5, metadata: { plan: 'free' } } });
    assert.deepEqual(wild.decisions[0].conditions.map((c) => [c.holds, c.values]), [[false, { 'metadata.plan': 'free', prompt_tokens: wild.request.prompt_tokens }], [true, { 'params.temperature': 1.5, has_tools: false }]]);
    assert.deepEqual(told(wild), [['c', 'm-c']]);
    const plain = await explained({ headers: { 'x-weir-config': 'conditional' } });
    assert.deepEqual(plain.decisions[0].conditions.map((c) => c.holds), [false, false]);
    assert.deepEqual(plain.decisions[0].conditions[1].values, { 'params.temperature': null, has_tools: false });
    assert.deepEqual(told(plain), [['b', 'm-b']]);
    assert.deepEqual(told(await explained({ key: keys.tagged.id, headers: { 'x-weir-config': 'conditional' } })), [['a', 'm-a'], ['b', 'm-b']], "the key's metadata");
    const caller = { ...COND, strategy: { mode: 'conditional', default: 'cheap', conditions: [{ query: { 'caller.tags': 'gold', 'caller.key_name': 'tagged', weekday: { $in: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] } }, then: 'wild' }] } };
    const e = await explained({ key: keys.tagged.id, config: caller });
    assert.equal(e.decisions[0].conditions[0].holds, true);
    assert.deepEqual(e.decisions[0].conditions[0].values['caller.tags'], ['gold']);
    assert.match(e.decisions[0].conditions[0].values.weekday, /^(mon|tue|wed|thu|fri|sat|sun)$/);
  });

  test('what an alias leads to inside of a config is told too', async () => {
    const e = await explained({ config: S('fallback', [{ model: 'configured', name: 'inner' }, T('c')]) });
    assert.deepEqual(told(e), [['b', 'm-b'], ['a', 'm-a'], ['c', 'm-c']]);
    assert.ok(e.decisions.length >= 1);
  });

  test('an open breaker is told by the plane that opened it, and by no other', async () => {
    const headers = { 'x-weir-config': 'breaking' };
    for (let i = 0; i < 3; i++) {
      const r = await proxies[0].chat(keys.plain.secret, { model: 'one', messages }, headers);
      assert.equal(r.status, 200, await r.text());
    }
    const e = await explained({ headers, data_plane: planes[0].id });
    assert.equal(e.data_plane.name, proxies[0].planeName);
    const open = e.decisions[0].order.find((o) => o.target === 'config.targets[0]');
    assert.deepEqual([open.health, open.passed_over, e.decisions[0].chosen], ['open', 'open', 'config.targets[1]']);
    assert.deepEqual(told(e)[0], ['b', 'm-b']);
    const shut = e.targets.find((t) => t.provider === 'a');
    if (shut) assert.ok(shut.health === 'open' && shut.reopens_in_ms > 0 && shut.reopens_in_ms <= 60000, JSON.stringify(shut));
    const other = await explained({ headers, data_plane: planes[1].id });
    assert.equal(other.data_plane.id, planes[1].id);
    assert.deepEqual([other.decisions[0].chosen, told(other)[0]], ['config.targets[0]', ['a', 'fails-here']]);
  });

  test('whether the cache would answer is told by each plane of its own', async () => {
    const q = { headers: { 'x-weir-config': 'cached' } };
    const before = await explained({ ...q, data_plane: planes[0].id });
    assert.deepEqual([before.cache.mode, before.cache.ttl_s, before.cache.would_hit], ['simple', 600, false]);
    const r = await proxies[0].chat(keys.plain.secret, { model: 'one', messages }, q.headers);
    assert.equal(r.status, 200, await r.text());
    assert.equal(r.headers.get('x-weir-cache-key'), before.cache.key, 'the key is the one that the request has');
    const hit = async (more, plane = planes[0]) => (await explained({ ...q, ...more, data_plane: plane.id })).cache;
    await until('it is kept', async () => (await hit()).would_hit);
    assert.equal((await hit({}, planes[1])).would_hit, false);
    assert.equal((await hit({ body: { messages, model: 'one' } })).would_hit, true, 'the order of members does not count');
    assert.equal((await hit({ body: { model: 'one', messages, temperature: 0 } })).would_hit, false);
    assert.deepEqual(await hit({ headers: { ...q.headers, 'x-weir-cache': 'off' } }), { mode: 'off' });
    const fresh = await hit({ headers: { ...q.headers, 'x-weir-cache': 'refresh' } });
    assert.deepEqual([fresh.mode, fresh.would_hit], ['refresh', false]);
    assert.deepEqual((await explained({ headers: { 'x-weir-cache': 'on', 'x-weir-cache-ttl': '77' } })).cache.ttl_s, 77);
    assert.deepEqual((await about('one')).cache, { mode: 'off' });
  });

  test('other dialects and paths, native ones too', async () => {
    const messagesApi = await explained({ path: '/v1/messages', body: { model: 'one', max_tokens: 5, messages } });
    assert.deepEqual([messagesApi.request.dialect, messagesApi.targets[0].translated], ['anthropic', true]);
    const gemini = await explained({ path: '/v1beta/models/one:generateContent?alt=sse', body: { contents: [{ parts: [{ text: 'Hi' }] }] } });
    assert.deepEqual([gemini.request.dialect, gemini.request.model, gemini.targets[0].model], ['gemini', 'one', 'm-one']);
    assert.equal((await explained({ path: '/v1/embeddings', body: { model: 'one', input: 'x' } })).targets[0].endpoint, 'embeddings');
    const native = await explained({ method: 'GET', path: '/a/v1/files', body: undefined });
    assert.deepEqual([native.request.endpoint, native.request.dialect, native.targets.map((t) => [t.provider, t.endpoint])], ['native', 'native', [['a', 'native']]]);
    const models = await explained({ method: 'GET', path: '/v1/models', body: undefined });
    assert.deepEqual([models.refused, models.targets], [null, []], 'a data plane answers that by itself');
    await refusedAs({ path: '/v1/nothing' }, 404, 'not_found', null);
    await refusedAs({ path: '/nobody/v1/files' }, 404, 'provider_not_found', null);
    await refusedAs({ method: 'BREW' }, 405, 'method_not_allowed', null);
  });

  test('a stored prompt is expanded, and named', async () => {
    const e = await explained({ path: '/v1/prompts/greet@production/completions', body: { variables: { name: 'Ada' } } });
    assert.deepEqual([e.request.endpoint, e.request.model, e.refused, e.prompt.name, e.prompt.version], ['prompts.completions', 'one', null, 'greet', 1]);
    assert.match(e.prompt.id, /^prm_[0-9a-f]{32}$/);
    assert.deepEqual(told(e), [['a', 'm-one']]);
    await refusedAs({ path: '/v1/prompts/greet/completions', body: {} }, 400, 'invalid_field', 'variables.name');
    assert.equal((await refusedAs({ path: '/v1/prompts/nobody/completions', body: {} }, 404, 'prompt_not_found', 'prompt')).prompt, null);
    const render = await explained({ path: '/v1/prompts/greet/render', body: { variables: { name: 'Ada' } } });
    assert.deepEqual([render.refused, render.targets, render.prompt.version], [null, [], 1]);
  });

  test('why a request would be refused is told as the request would be', async () => {
    const send = (key, body, headers = {}) => proxies[0].chat(key.secret, body, headers);
    const none = JSON.stringify({ ...COND, strategy: { mode: 'conditional', conditions: COND.strategy.conditions } });
    const cases = [
      ['plain', { model: 'nobody', messages }, {}], ['bound', { model: 'two', messages }, {}], ['bound', { model: 'b/x', messages }, {}],
      ['locked', { model: 'one', messages }, { 'x-weir-config': 'by-key' }], ['locked', { model: 'one', messages }, { 'x-portkey-config': '{"provider": "@a"}' }],
      ['plain', { model: 'one', messages }, { 'x-weir-config': 'nobody' }], ['plain', { model: 'one', messages }, { 'x-weir-config': 'by-key@9' }],
      ['plain', { model: 'one', messages }, { 'x-weir-config': 'by-key@staging' }], ['plain', { model: 'one', messages }, { 'x-weir-config': '{"provider": 5}' }],
      ['plain', { model: 'one', messages }, { 'x-weir-config': '{"targets": []}' }], ['plain', { model: 'one', messages }, { 'x-weir-config': none }],
      ['plain', { model: 'one', messages }, { 'x-weir-config': '{"provider": "@nobody"}' }], ['bound', { model: 'one', messages }, { 'x-weir-config': '{"provider": "@b"}' }],
      ['plain', { model: 'one', messages }, { 'x-weir-config': '{"provider": "@a", "custom_host": "http://127.0.0.1:1"}' }],
      ['plain', { model: 'one', messages }, { 'x-weir-cache': 'bogus' }], ['plain', { model: 'one', messages }, { 'x-weir-cache-ttl': '-4' }],
      ['plain', { messages }, {}], ['plain', { model: 7, messages }, {}], ['disabled', { model: 'one', messages }, {}],
      ['plain', { model: 'one', messages }, { 'x-weir-config': '{"provider": "@a", "cache": {"mode": "semantic"}}' }],
    ];
    for (const [key, body, headers] of cases) {
      const r = await send(keys[key], body, headers);
      const { error } = await r.json();
      const what = `${key} ${JSON.stringify(body)} ${JSON.stringify(headers)}: ${r.status} ${JSON.stringify(error)}`;
      assert.ok(r.status >= 400, what);
      const e = await explained({ key: keys[key].id, body, headers });
      assert.ok(e.refused, `${what}, but explained: ${JSON.stringify(e)}`);
      // what is said to whoever holds the secret names it by its ends
      assert.deepEqual([e.refused.status, e.refused.code, e.refused.param, e.refused.message], [r.status, error.code, error.param, error.message.replace(/: wr_live_\S+$/, '')], what);
    }
    await refusedAs({ body: 'no JSON' }, 400, 'invalid_json', null);
    const proposed = await refusedAs({ config: { strategy: { mode: 'nonsense' }, targets: [T('a')] } }, 400, 'invalid_config', 'config.strategy.mode');
    assert.match(proposed.refused.message, /nonsense/);
  });

  test('a large config is explained', async () => {
    const many = 1000;
    const config = S('conditional', Array.from({ length: many }, (_, i) => T('a', { name: `t${i}` })), { default: 't999',
      conditions: Array.from({ length: many }, (_, i) => ({ query: { 'metadata.plan': `plan-${i}-${'x'.repeat(50)}` }, then: `t${i}` })) });
    const e = await explained({ config });
    assert.deepEqual([e.decisions[0].conditions.length, e.decisions[0].order.length, e.targets[0].option], [many, many, 'config.targets[999]']);
  });

  test('no secret of a config is shown', async () => {
    const r = await ask({ headers: { 'x-weir-config': 'sealed' } });
    assert.equal(r.status, 200);
    assert.deepEqual(told(r.json), [['a', 'm-sealed']]);
    const proposed = await ask({ config: S('conditional', [{ ...T('a'), name: 'x', api_key: 'sk-never-in-an-explanation' }], { default: 'x', conditions: [] }) });
    for (const text of [r.text, proposed.text]) assert.ok(!text.includes('sk-never'), text);
  });
});

describe('questions', () => {
  test('what is wrong with one is named', async () => {
    const wrong = async (q, status, code, param) => {
      const r = await control.call('POST', '/explain', q);
      assert.deepEqual([r.status, r.json?.error.code, r.json?.error.param], [status, code, param], `${JSON.stringify(q)?.slice(0, 200)}: ${r.text}`);
      return r.json.error.message;
    };
    const bad = (more, param) => wrong(question(more), 400, 'invalid_field', param);
    await bad({ key: undefined }, 'key');
    await bad({ key: null }, 'key');
    await bad({ key: 'plain' }, 'key');
    await bad({ key: 5 }, 'key');
    await bad({ path: 5 }, 'path');
    await bad({ path: '' }, 'path');
    await bad({ path: 'v1/chat/completions' }, 'path');
    await bad({ path: `/${'x'.repeat(5000)}` }, 'path');
    await bad({ method: 5 }, 'method');
    await bad({ method: '' }, 'method');
    await bad({ headers: [] }, 'headers');
    await bad({ headers: 'x: y' }, 'headers');
    await bad({ headers: { 'x-weir-cache': true } }, 'headers.x-weir-cache');
    await bad({ headers: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`h${i}`, 'v'])) }, 'headers');
    await bad({ data_plane: 'proxy-1' }, 'data_plane');
    await bad({ data_plane: 5 }, 'data_plane');
    await bad({ models: [] }, 'models');
    await wrong('{', 400, 'invalid_json', null);
    await wrong('[]', 400, 'invalid_json', null);
    await wrong(question({ key: 'key_00000000000070008000000000000000' }), 404, 'not_found', null);
    await wrong(question({ data_plane: 'dp_00000000000070008000000000000000' }), 404, 'not_found', null);
    await wrong(question({ data_plane: `dp_${'f'.repeat(32)}` }), 404, 'not_found', null);
    for (const more of [{ path: null }, { method: null }, { headers: null }, { config: null }, { data_plane: null }]) await explained(more);
    assert.deepEqual((await control.must('POST', '/explain', { key: keys.plain.id, body: { model: 'one', messages } })).request.endpoint, 'chat.completions', 'chat is what is meant where nothing is said');
  });

  test('a key that a data plane has not heard of yet is not found there', async () => {
    const made = await control.must('POST', '/keys', { name: 'gone' });
    await settled();
    assert.equal((await explained({ key: made.id })).refused, null);
    await control.must('POST', `/keys/${made.id}/revoke`);
    await settled();
    const r = await ask({ key: made.id });
    const e = r.json?.error ?? r.json?.refused;
    assert.ok(['not_found', 'key_revoked', 'key_disabled'].includes(e?.code), r.text);
  });

  test('it is asked for a key of the organization, by those who may explain its workspace', async () => {
    const other = await control.must('POST', '/workspaces', { name: 'elsewhere' });
    const away = await control.must('POST', '/keys', { name: 'away', workspace_id: other.id });
    await settled();
    const main = (await control.must('GET', '/workspaces')).data.find((w) => w.name === 'main');
    const asking = async (role, workspace_id) => {
      let headers;
      if (workspace_id) {
        const user = await control.must('POST', '/users', { email: `workspace-${role}@example.test`, password: PASSWORD });
        await control.must('POST', '/memberships', { user_id: user.id, role, workspace_id });
        const r = await control.call('POST', '/session', { email: user.email, password: PASSWORD }, { authorization: '' });
        assert.equal(r.status, 201, r.text);
        headers = { cookie: r.headers.get('set-cookie').split(';')[0], 'x-weir-csrf': r.json.csrf_token };
      } else {
        headers = { authorization: `Bearer ${(await control.must('POST', '/admin-tokens', { name: role, role }, { 'x-weir-organization': 'acme' })).secret}` };
      }
      return async (q) => {
        const a = await fetch(`${control.url}/api/v1/explain`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(question(q)) });
        return { status: a.status, text: await a.text() };
      };
    };
    for (const [role, workspace, here, there] of [['owner', undefined, 200, 200], ['admin', undefined, 200, 200], ['billing', undefined, 403, 403], ['auditor', undefined, 403, 403],
      ['admin', main.id, 200, 404], ['manager', main.id, 200, 404], ['developer', main.id, 200, 404], ['viewer', main.id, 403, 403]]) {
      const as = await asking(role, workspace);
      const who = `${role} of ${workspace ? 'a workspace' : 'the organization'}`;
      const own = await as({});
      assert.equal(own.status, here, `${who}: ${own.text}`);
      const elsewhere = await as({ key: away.id });
      assert.equal(elsewhere.status, there, `${who}: ${elsewhere.text}`);
    }
    const organization = await control.must('POST', '/organizations', { name: 'stranger' });
    const token = await control.must('POST', '/admin-tokens', { name: 't', role: 'owner' }, { 'x-weir-organization': organization.id });
    const stranger = await ask({}, { authorization: `Bearer ${token.secret}` });
    assert.deepEqual([stranger.status, stranger.json.error.code], [404, 'not_found']);
    await control.must('DELETE', `/organizations/${organization.id}`, undefined, { 'if-match': '*' });
  });

  test('a question leaves no trace', async () => {
    const trace = async () => {
      const seen = [];
      for (const p of proxies) {
        const text = await (await fetch(`${p.opsUrl}/metrics`)).text();
        seen.push(...text.split('\n').filter((l) => /^weir_(requests|responses|events|cache_(entries|bytes|stored|coalesced)|spool|malformed|unauthenticated)/.test(l)));
      }
      assert.ok(seen.some((l) => l.startsWith('weir_requests_total')) && seen.some((l) => l.startsWith('weir_cache_stored_total')));
      const targets = (await control.must('GET', '/targets')).data_planes.map((p) => p.targets.filter((t) => t.total_requests).map((t) => [t.provider, t.model, t.state, t.requests, t.failures, t.in_flight, t.total_requests, t.total_failures]));
      const [{ events, audit }] = await database.query('select (select count(*) from usage_events) as events, (select count(*) from audit_log) as audit');
      return { seen, targets, events, audit, calls: provider.calls.length };
    };
    await until('the events of what was asked before are in', async () => (await Promise.all(proxies.map(async (p) =>
      (await (await fetch(`${p.opsUrl}/metrics`)).text()).includes('weir_spool_records 0')))).every(Boolean));
    const before = await trace();
    for (const plane of planes) {
      await explained({ data_plane: plane.id, headers: { 'x-weir-config': 'cached' } });
      await about('two', { data_plane: plane.id });
      await about('nobody', { data_plane: plane.id });
      await explained({ data_plane: plane.id, config: S('mirror', [T('a'), T('b')]) });
      await explained({ data_plane: plane.id, config: S('hedge', [T('a'), T('never-seen')]) });
      await explained({ data_plane: plane.id, config: S('fallback', [T('a', { override_params: { model: 'fails-here' } }), T('b')]) });
      await explained({ data_plane: plane.id, path: '/a/v1/files', method: 'GET', body: undefined });
      await explained({ data_plane: plane.id, path: '/v1/prompts/greet/completions', body: { variables: { name: 'x' } } });
    }
    assert.deepEqual(await trace(), before);
  });
});

describe('weir explain', () => {
  const weir = (args, input = '') => new Promise((resolve, reject) => {
    const child = spawn(join(build, 'weir'), args, { cwd: root, env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: folder.folder, WEIR_URL: control.url, WEIR_TOKEN: admin.admin_token } });
    let out = '', err = '';
    child.stdout.on('data', (d) => (out += d));
    child.stderr.on('data', (d) => (err += d));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => (/Sanitizer|runtime error:/.test(err) ? reject(new Error(err)) : resolve({ code, out, err })));
  });

  test('shows what the admin API answers, or what is wrong', async () => {
    const r = await weir(['explain', '--key', 'plain', '--model', 'one', '--header', 'x-weir-config: conditional', '--header', 'x-weir-metadata: {"plan":"pro"}']);
    assert.equal(r.code, 0, r.err);
    assert.match(r.out, /conditional@1/);
    assert.match(r.out, /metadata\.plan.*holds.*pro/);
    assert.match(r.out, /config\.targets\[0\]\.targets\[0\] +a +m-a/);
    const j = await weir(['explain', '--key', keys.keyed.id, '--body', '-', '--json'], JSON.stringify({ model: 'one', messages }));
    assert.deepEqual(JSON.parse(j.out).config, { source: 'key', id: configs['by-key'].id, name: 'by-key', version: 1 });
    const refused = await weir(['explain', '--key', 'locked', '--model', 'one', '--header', 'x-weir-config: conditional']);
    assert.match(refused.out, /403 config_locked/);
    const path = await weir(['explain', '--key', 'plain', '--model', 'one', '--path', 'v1']);
    assert.equal(path.code, 1);
    assert.match(path.err, /path must begin with \//);
  });
});

test('with no data plane it is said so, and in time', async () => {
  for (const p of proxies) await p.stop();
  const began = Date.now();
  const r = await ask();
  assert.ok(r.status === 503 || r.status === 504, r.text);
  assert.ok(['not_ready', 'upstream_timeout'].includes(r.json.error.code), r.text);
  assert.ok(Date.now() - began < 12000);
  const named = await until('its absence is known', async () => {
    const a = await ask({ data_plane: planes[0].id });
    return a.status !== 504 && a;
  });
  assert.ok([404, 503].includes(named.status), named.text);
  await until('it is not ready', async () => (await ask()).json.error.code === 'not_ready');
  assert.match((await ask()).json.error.message, /no data plane is connected|went away/);
});

test('every answer of the admin API was as docs/openapi.json has it', () => {
  assert.deepEqual(faults, []);
});
