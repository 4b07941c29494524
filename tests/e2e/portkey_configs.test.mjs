// Configs in the shapes that Portkey documents, run as its clients would: each is accepted, and does what Portkey's documentation says that
// it does. The documents are our own; what differs from Portkey on purpose is told where it is tested.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import OpenAI from 'openai';
import { createHeaders, Portkey } from 'portkey-ai';
import { after as later, fails, inTurn, KEY, startFleet, well } from './harness/fleet.mjs';

const NAMES = ['openai-prod', 'openai-1', 'openai-2', 'azure-prod', 'azure-eu', 'azure-us', 'vertex', 'google-1', 'bedrock', 'anyscale-prod'];
let f, generation = 0;
const m = (name) => `${name}.${generation}`; // targets are remembered by their model
const at = (slug, model, more = {}) => ({ override_params: { model: `@${slug}/${m(model)}` }, ...more });
const S = (mode, targets, more = {}, root = {}) => ({ strategy: { mode, ...more }, ...root, targets });
const said = (more = {}) => ({ model: m('any'), messages: [{ role: 'user', content: 'Hi' }], ...more });
let n = 0;
const fresh = () => said({ messages: [{ role: 'user', content: `question ${++n}` }] });

// As curl would, with Portkey's own fields: the key in x-portkey-api-key, the config as JSON or by its id.
const ask = async (config, body = said(), headers = {}, path = '/v1/chat/completions') => {
  const fields = { 'content-type': 'application/json', 'x-portkey-api-key': KEY, ...headers };
  if (config) fields['x-portkey-config'] = typeof config === 'string' ? config : JSON.stringify(config);
  const r = await f.read(await fetch(`${f.proxy.url}${path}`, { method: 'POST', headers: fields, body: JSON.stringify(body), signal: AbortSignal.timeout(15000) }));
  return { ...r, option: r.headers.get('x-portkey-last-used-option-index'), retried: r.headers.get('x-portkey-retry-attempt-count'), cache: r.headers.get('x-portkey-cache-status') };
};
const by = async (config, body, headers) => {
  const r = await ask(config, body, headers);
  assert.equal(r.status, 200, r.text);
  return r.by;
};
const meta = (o) => ({ 'x-portkey-metadata': JSON.stringify(o) });
// a share p of n draws lies within five standard deviations
const near = (got, count, p, what) => {
  const bound = 5 * Math.sqrt(count * p * (1 - p));
  assert.ok(Math.abs((got ?? 0) - count * p) <= bound, `${what}: ${got} of ${count}, expected ${count * p} ± ${bound.toFixed(0)}`);
};
const tally = async (config, count, expected) => {
  const got = {};
  for (let i = 0; i < count; i += 10) {
    for (const x of await Promise.all(Array.from({ length: 10 }, () => by(config)))) got[x] = (got[x] ?? 0) + 1;
  }
  for (const [name, p] of Object.entries(expected)) p === 0 ? assert.equal(got[name], undefined, name) : near(got[name], count, p, name);
};
const sdk = (more = {}) => new Portkey({ baseURL: `${f.proxy.url}/v1`, apiKey: KEY, maxRetries: 0, ...more });
const heard = (name) => f.at[name].calls.at(-1);
const CLAUDE = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude', content: [{ type: 'text', text: 'Hello from Claude' }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 9, output_tokens: 4 } };
const claude = (call, res) => {
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify(CLAUDE));
};

before(async () => {
  const spec = Object.fromEntries(NAMES.map((x) => [x, 'openai']));
  f = await startFleet({ ...spec, 'anthropic-prod': 'anthropic', open: { kind: 'openai', api_key: undefined } }, {
    args: ['--custom-hosts', '127.0.0.1'],
    keys: '  - {name: defaulted, secret: key-defaulted, config: pc-resil-2b8c91}\n',
    extra: `configs:
  - {name: pc-resil-2b8c91, document: {strategy: {mode: fallback, on_status_codes: [429, 503]}, targets: [{provider: "@openai-prod"}, {provider: "@azure-prod"}]}}
  - {name: pc-again-0f1e2d, document: {retry: {attempts: 1, on_status_codes: [429]}}}
prompts:
  - name: pp-tasks-a1b2c3
    document: {model: "@openai-prod/prompted", messages: [{role: user, content: "Split {{goal}}"}]}
`,
  });
});
after(() => f?.end());
beforeEach(() => {
  generation++;
  f.reset();
  f.at['anthropic-prod'].handler = claude;
});

describe('fallbacks', () => {
  test('between models, by "@slug/model" in override_params: any status but 2xx goes on, in order', async () => {
    const config = S('fallback', [at('openai-prod', 'gpt'), at('anthropic-prod', 'claude'), at('google-1', 'gemini')]);
    const first = await ask(config);
    assert.deepEqual([first.by, first.option, heard('openai-prod').json.model], ['openai-prod', 'config.targets[0]', m('gpt')]);
    for (const status of [400, 401, 404, 422, 429, 500, 503]) {
      f.at['openai-prod'].handler = fails(status);
      const r = await ask(config);
      assert.deepEqual([r.status, r.by, r.option], [200, 'anthropic-prod', 'config.targets[1]'], status);
      assert.equal(r.json.choices[0].message.content, 'Hello from Claude');
    }
    assert.equal(heard('anthropic-prod').json.model, m('claude'));
    f.at['anthropic-prod'].handler = fails(529);
    const third = await ask(config);
    assert.deepEqual([third.by, third.option, heard('google-1').json.model], ['google-1', 'config.targets[2]', m('gemini')]);
    f.at['google-1'].handler = fails(418);
    const last = await ask(config);
    assert.deepEqual([last.status, last.option], [418, 'config.targets[2]']);
  });

  test('between providers: the model is the request\'s', async () => {
    const config = S('fallback', [{ provider: '@openai-prod' }, { provider: '@azure-prod' }]);
    f.at['openai-prod'].handler = fails(500);
    assert.equal(await by(config, said({ model: m('theirs') })), 'azure-prod');
    assert.deepEqual([heard('openai-prod').json.model, heard('azure-prod').json.model], [m('theirs'), m('theirs')]);
  });

  test('on_status_codes: only these go on', async () => {
    for (const [list, status, answer] of [[[429], 429, 'azure-prod'], [[429], 500, null], [[429, 503], 503, 'azure-prod'], [[429, 503], 400, null], [[429, 241], 429, 'azure-prod'], [[246, 446], 500, null]]) {
      generation++;
      f.at['openai-prod'].handler = fails(status);
      const r = await ask(S('fallback', [{ provider: '@openai-prod' }, { provider: '@azure-prod' }], { on_status_codes: list }));
      assert.deepEqual([r.status, r.by, r.option], answer ? [200, answer, 'config.targets[1]'] : [status, 'openai-prod', 'config.targets[0]'], `${list} ${status}`);
    }
  });

  test('virtual keys, and the older place of on_status_codes', async () => {
    f.at['openai-prod'].handler = fails(429);
    assert.equal(await by(S('fallback', [{ virtual_key: 'openai-prod' }, { virtual_key: 'azure-prod' }])), 'azure-prod');
    assert.equal(await by({ strategy: { mode: 'fallback' }, on_status_codes: [429], targets: [{ virtual_key: 'openai-prod' }, { virtual_key: 'azure-prod' }] }), 'azure-prod');
    generation++; // a target that said 429 is passed over for a while
    assert.equal((await ask({ strategy: { mode: 'fallback' }, on_status_codes: [500], targets: [{ virtual_key: 'openai-prod' }, { virtual_key: 'azure-prod' }] })).status, 429);
    generation++;
    assert.equal(await by(S('fallback', [{ provider: 'openai', virtual_key: 'openai-prod' }, { provider: 'azure-openai', virtual_key: 'azure-prod' }])), 'azure-prod', 'the key decides');
  });

  test('a stream that fails before its first content falls back too', async () => {
    f.at['openai-prod'].handler = fails(503);
    const r = await ask(S('fallback', [at('openai-prod', 'gpt'), at('azure-prod', 'gpt')]), said({ stream: true }));
    assert.deepEqual([r.status, r.by, r.option], [200, 'azure-prod', 'config.targets[1]']);
    assert.match(r.text, /Hello/);
    assert.match(r.text, /data: \[DONE\]/);
  });
});

describe('load balancing', () => {
  test('weights are shares of their sum; 1 where there is none, and 0 gets nothing', async () => {
    await tally(S('loadbalance', [{ provider: '@openai-prod', weight: 0.7 }, { provider: '@azure-prod', weight: 0.3 }]), 300, { 'openai-prod': 0.7, 'azure-prod': 0.3 });
    await tally(S('loadbalance', [at('openai-1', 'x', { weight: 5 }), at('openai-2', 'x', { weight: 3 }), at('vertex', 'x', { weight: 1 })]), 300, { 'openai-1': 5 / 9, 'openai-2': 3 / 9, vertex: 1 / 9 });
    await tally(S('loadbalance', [{ provider: '@openai-1' }, { provider: '@openai-2', weight: 1 }, { provider: '@vertex', weight: 0 }]), 200, { 'openai-1': 0.5, 'openai-2': 0.5, vertex: 0 });
  });

  test('a failure is the answer: there is no failover within it', async () => {
    f.at['openai-prod'].handler = fails(500);
    const r = await ask(S('loadbalance', [at('openai-prod', 'x', { weight: 1 }), at('azure-prod', 'x', { weight: 0 })]));
    assert.deepEqual([r.status, r.option], [500, 'config.targets[0]']);
    assert.deepEqual(f.calls(), { 'openai-prod': 1 });
  });

  test('one provider, two models', async () => {
    await tally(S('loadbalance', [at('openai-prod', 'mini', { weight: 0.8 }), at('openai-prod', 'large', { weight: 0.2 })]), 200, { 'openai-prod': 1 });
    near(f.at['openai-prod'].calls.filter((c) => c.json.model === m('mini')).length, 200, 0.8, 'mini');
  });

  test('a canary gets 5 %, and its own model', async () => {
    const model = m('llama');
    await tally(S('loadbalance', [{ provider: '@openai-prod', weight: 0.95 }, { provider: '@anyscale-prod', weight: 0.05, override_params: { model } }]), 400, { 'openai-prod': 0.95, 'anyscale-prod': 0.05 });
    for (const c of f.at['anyscale-prod'].calls) assert.equal(c.json.model, model);
    for (const c of f.at['openai-prod'].calls) assert.equal(c.json.model, m('any'));
  });

  for (const [name, sticky] of [['sticky_session', { hash_fields: ['metadata.user_id'], ttl: 3600 }], ['sticky', { enabled: true, hash_fields: ['metadata.user_id'], ttl: 300 }]]) {
    test(`${name}: one user stays with one target, many spread`, async () => {
      const config = S('loadbalance', [{ provider: '@openai-1', weight: 0.5 }, { provider: '@openai-2', weight: 0.5 }], { [name]: sticky });
      const seen = new Set();
      for (let user = 0; user < 16; user++) {
        const mine = new Set();
        for (let i = 0; i < 3; i++) mine.add(await by(config, said(), meta({ user_id: `u${user}`, n: i })));
        assert.equal(mine.size, 1, `user ${user}`);
        seen.add([...mine][0]);
      }
      assert.deepEqual([...seen].sort(), ['openai-1', 'openai-2']);
    });
  }
  test('sticky that is not enabled draws lots', async () => {
    const config = S('loadbalance', [{ provider: '@openai-1' }, { provider: '@openai-2' }], { sticky: { enabled: false, hash_fields: ['metadata.user_id'] } });
    const got = new Set();
    for (let i = 0; i < 40; i++) got.add(await by(config, said(), meta({ user_id: 'one' })));
    assert.equal(got.size, 2);
  });
});

describe('conditions', () => {
  const plans = (conditions, fallback = 'base') => S('conditional', [{ name: 'tuned', provider: '@openai-1', override_params: { model: m('ft:gpt') } }, { name: 'base', provider: '@openai-2', override_params: { model: m('gpt') } }, { name: 'third', provider: '@vertex' }], { conditions, default: fallback });
  const is = (query, then) => ({ query, then });

  test('by metadata: the first that holds; none, or none sent: the default', async () => {
    const config = plans([is({ 'metadata.user_plan': { $eq: 'paid' } }, 'tuned'), is({ 'metadata.user_plan': { $in: ['paid', 'free'] } }, 'third')]);
    const r = await ask(config, said(), meta({ user_plan: 'paid' }));
    assert.deepEqual([r.by, r.option, heard('openai-1').json.model], ['openai-1', 'config.targets[0]', m('ft:gpt')]);
    assert.equal(await by(config, said(), meta({ user_plan: 'free' })), 'vertex');
    assert.equal(await by(config, said(), meta({ user_plan: 'gone' })), 'openai-2');
    assert.equal(await by(config), 'openai-2');
  });

  test('every documented operator, on values that are there and on none', async () => {
    const cases = [
      [{ 'metadata.x': { $eq: 'a' } }, { x: 'a' }, { x: 'b' }], [{ 'metadata.x': { $ne: 'a' } }, { x: 'b' }, { x: 'a' }],
      [{ 'metadata.x': { $in: ['a', 'b'] } }, { x: 'b' }, { x: 'c' }], [{ 'metadata.x': { $nin: ['a', 'b'] } }, { x: 'c' }, { x: 'a' }],
      [{ 'metadata.x': { $regex: 'my_app' } }, { x: 'is my_app 2' }, { x: 'MY_APP' }], [{ 'metadata.x': { $gt: 5 } }, { x: 6 }, { x: 5 }],
      [{ 'metadata.x': { $gte: 5 } }, { x: '5' }, { x: 4 }], [{ 'metadata.x': { $lt: 5 } }, { x: 4.5 }, { x: 5 }], [{ 'metadata.x': { $lte: 5 } }, { x: 5 }, { x: 5.1 }],
      [{ 'metadata.flag': { $eq: true } }, { flag: true }, { flag: false }],
      [{ $and: [{ 'metadata.t': { $eq: 'pro' } }, { 'metadata.tier': { $eq: 'tier-1' } }] }, { t: 'pro', tier: 'tier-1' }, { t: 'pro' }],
      [{ $or: [{ 'metadata.client': { $eq: 'UI' } }, { 'metadata.app': { $regex: 'my_app' } }] }, { app: 'my_app' }, { client: 'CLI' }],
      [{ $or: [{ $and: [{ 'metadata.t': { $eq: 'pro' } }, { 'params.model': { $eq: m('any') } }] }, { 'params.max_tokens': { $gt: 1000 } }] }, { t: 'pro' }, { t: 'free' }],
    ];
    for (const [query, yes, no] of cases) {
      const config = plans([is(query, 'tuned')]);
      assert.equal(await by(config, said(), meta(yes)), 'openai-1', JSON.stringify([query, yes]));
      assert.equal(await by(config, said(), meta(no)), 'openai-2', JSON.stringify([query, no]));
      assert.equal(await by(config, said(), {}), 'openai-2', JSON.stringify([query, 'nothing']));
    }
  });

  test('by parameters of the body: a model\'s pet name, temperature, max_tokens', async () => {
    const names = plans([is({ 'params.model': { $eq: 'fastest' } }, 'base'), is({ 'params.model': { $eq: 'smartest' } }, 'tuned')], 'third');
    for (const [model, who] of [['fastest', 'openai-2'], ['smartest', 'openai-1'], ['other', 'vertex']]) assert.equal(await by(names, said({ model })), who);
    const warm = plans([is({ 'params.temperature': { $gte: 0.7 } }, 'tuned'), is({ 'params.temperature': { $lt: 0.3 } }, 'third')]);
    for (const [temperature, who] of [[0.7, 'openai-1'], [0.1, 'vertex'], [0.5, 'openai-2'], [undefined, 'openai-2']]) assert.equal(await by(warm, said({ temperature })), who);
    const long = plans([is({ 'params.max_tokens': { $gt: 4000 } }, 'tuned')]);
    for (const [max_tokens, who] of [[4001, 'openai-1'], [4000, 'openai-2']]) assert.equal(await by(long, said({ max_tokens })), who);
    const both = plans([is({ $and: [{ 'metadata.user_tier': { $eq: 'enterprise' } }, { 'params.temperature': { $gte: 0.7 } }] }, 'tuned')]);
    assert.equal(await by(both, said({ temperature: 0.9 }), meta({ user_tier: 'enterprise' })), 'openai-1');
    assert.equal(await by(both, said({ temperature: 0.9 })), 'openai-2');
  });

  test('by path, and targets that say "@slug/model" as their provider', async () => {
    const config = S('conditional', [{ name: 'responses', provider: `@openai-1/${m('r')}` }, { name: 'rest', provider: `@openai-2/${m('c')}` }], { conditions: [is({ 'url.pathname': { $regex: '/chat/' } }, 'rest')], default: 'responses' });
    assert.equal(await by(config), 'openai-2');
    assert.equal(heard('openai-2').json.model, m('c'));
    const r = await ask(config, { model: 'x', input: 'Hi' }, {}, '/v1/embeddings');
    assert.equal(r.by, 'openai-1', r.text);
    assert.equal(heard('openai-1').json.model, m('r'));
  });

  test('what cannot work is refused with the place: no such target', async () => {
    const r = await ask(plans([is({ 'metadata.x': { $eq: 1 } }, 'tunned')]));
    assert.deepEqual([r.status, r.json.error.code], [400, 'invalid_config']);
    assert.match(r.json.error.message, /tunned.*tuned/);
    assert.equal(r.json.error.param, 'config.strategy.conditions[0].then');
  });
});

describe('strategies in strategies', () => {
  test('conditional to load balancer: a pet name spread over providers', async () => {
    const config = S('conditional', [{ name: 'sonnet', strategy: { mode: 'loadbalance' }, targets: [at('openai-1', 'sonnet@2025', { weight: 1 }), at('vertex', 'sonnet@2025', { weight: 1 }), at('bedrock', 'an.sonnet-v1:0', { weight: 1 })] },
      { name: 'direct', ...at('openai-prod', 'gpt') }], { conditions: [{ query: { 'params.model': { $eq: 'claude-sonnet' } }, then: 'sonnet' }, { query: { 'params.model': { $eq: 'gpt' } }, then: 'direct' }], default: 'direct' });
    const got = {};
    for (let i = 0; i < 60; i++) {
      const r = await ask(config, said({ model: 'claude-sonnet' }));
      got[r.by] = (got[r.by] ?? 0) + 1;
      assert.match(r.option, /^config\.targets\[0\]\.targets\[[012]\]$/);
    }
    assert.deepEqual(Object.keys(got).sort(), ['bedrock', 'openai-1', 'vertex']);
    assert.equal(heard('bedrock').json.model, m('an.sonnet-v1:0'));
    assert.equal(heard('vertex').json.model, m('sonnet@2025'));
    const r = await ask(config, said({ model: 'anything' }));
    assert.deepEqual([r.by, r.option], ['openai-prod', 'config.targets[1]']);
  });

  test('conditional to fallback: each branch has its own chain', async () => {
    const on_status_codes = [429, 500, 502, 503, 504];
    const chain = (name, targets) => ({ name, strategy: { mode: 'fallback', on_status_codes }, targets });
    const config = S('conditional', [chain('claude', [at('openai-1', 'c'), at('vertex', 'c'), at('bedrock', 'c')]), chain('gpt', [at('openai-prod', 'g'), at('azure-prod', 'g')])],
      { conditions: [{ query: { 'params.model': { $eq: 'claude' } }, then: 'claude' }], default: 'gpt' });
    f.at['openai-1'].handler = f.at.vertex.handler = fails(503);
    const r = await ask(config, said({ model: 'claude' }));
    assert.deepEqual([r.by, r.option], ['bedrock', 'config.targets[0].targets[2]']);
    assert.equal((await ask(config, said({ model: 'gpt' }))).option, 'config.targets[1].targets[0]');
    f.at['openai-1'].handler = fails(400);
    const bad = await ask(config, said({ model: 'claude' }));
    assert.deepEqual([bad.status, bad.option], [400, 'config.targets[0].targets[0]']);
  });

  test('fallback to a conditional router', async () => {
    const config = S('fallback', [at('openai-prod', 'g'), S('conditional', [{ name: 'eu', ...at('azure-eu', 'g') }, { name: 'us', ...at('azure-us', 'g') }], { conditions: [{ query: { 'metadata.user_region': { $eq: 'EU' } }, then: 'eu' }], default: 'us' })]);
    assert.equal(await by(config, said(), meta({ user_region: 'EU' })), 'openai-prod');
    f.at['openai-prod'].handler = fails(500);
    const r = await ask(config, said(), meta({ user_region: 'EU' }));
    assert.deepEqual([r.by, r.option], ['azure-eu', 'config.targets[1].targets[0]']);
    assert.equal(await by(config, said(), meta({ user_region: 'US' })), 'azure-us');
    assert.equal(await by(config), 'azure-us');
  });

  test('fallback around a load balancer', async () => {
    const config = S('fallback', [S('loadbalance', [at('vertex', 'gem', { weight: 1 }), at('google-1', 'gem', { weight: 1 })]), at('openai-prod', 'g')]);
    assert.match(await by(config), /^(vertex|google-1)$/);
    f.at.vertex.handler = f.at['google-1'].handler = fails(503);
    const r = await ask(config);
    assert.deepEqual([r.status, r.by, r.option], [200, 'openai-prod', 'config.targets[1]']);
  });

  test('load balancer of fallbacks, each leg with its own', async () => {
    const leg = (a, b) => ({ ...S('fallback', [at(a, 'x'), at(b, 'x')]), weight: 1 });
    const config = S('loadbalance', [leg('openai-prod', 'azure-prod'), leg('openai-1', 'bedrock')]);
    f.at['openai-prod'].handler = fails(500);
    const got = new Set();
    for (let i = 0; i < 8; i++) got.add(await by(config));
    assert.ok(!got.has('openai-prod') && !got.has('bedrock'), [...got].join());
    for (const x of got) assert.match(x, /^(azure-prod|openai-1)$/);
  });

  test('the resilient load balancer: model and max_tokens of a target, beside a chain', async () => {
    const config = S('loadbalance', [{ provider: '@openai-1', model: m('opus'), weight: 0.5, override_params: { max_tokens: 200 } },
      { ...S('fallback', [{ provider: '@openai-prod', model: m('g35') }, { provider: '@azure-prod', model: m('g35') }]), weight: 0.5 }]);
    const body = { messages: [{ role: 'user', content: 'no model at all' }] };
    while (!f.at['openai-1'].calls.length || !f.at['openai-prod'].calls.length) assert.equal((await ask(config, body)).status, 200);
    assert.deepEqual([heard('openai-1').json.model, heard('openai-1').json.max_tokens], [m('opus'), 200]);
    assert.deepEqual([heard('openai-prod').json.model, heard('openai-prod').json.max_tokens], [m('g35'), undefined]);
  });
});

describe('retries', () => {
  test('x-portkey-retry-attempt-count: 0 without, n at the one that succeeded, -1 when none did', async () => {
    const config = (attempts, more = {}) => ({ retry: { attempts, ...more }, virtual_key: 'openai-prod', override_params: { model: m('r') } });
    assert.equal((await ask({ virtual_key: 'openai-prod' })).retried, '0');
    assert.equal((await ask(config(5))).retried, '0');
    f.at['openai-prod'].handler = inTurn(fails(503), fails(429), well);
    const r = await ask(config(3));
    assert.deepEqual([r.status, r.retried, r.option], [200, '2', 'config']);
    generation++;
    f.at['openai-prod'].handler = fails(500);
    const gone = await ask(config(2));
    assert.deepEqual([gone.status, gone.retried, f.at['openai-prod'].calls.length], [500, '-1', 5 + 3]);
  });

  test('on_status_codes are then the only ones; 429, 500, 502, 503, 504 else', async () => {
    const tried = async (status, retry) => {
      generation++;
      f.at['openai-prod'].calls.length = 0;
      f.at['openai-prod'].handler = inTurn(fails(status), well);
      const r = await ask({ retry: { attempts: 1, ...retry }, virtual_key: 'openai-prod', override_params: { model: m('s') } });
      return [r.status, r.retried, f.at['openai-prod'].calls.length];
    };
    for (const status of [429, 500, 502, 503, 504]) assert.deepEqual(await tried(status, {}), [200, '1', 2], status);
    for (const status of [400, 401, 404]) assert.deepEqual(await tried(status, {}), [status, '0', 1], status);
    const list = { on_status_codes: [408, 429, 401] };
    for (const status of list.on_status_codes) assert.deepEqual(await tried(status, list), [200, '1', 2], status);
    for (const status of [500, 503]) assert.deepEqual(await tried(status, list), [status, '0', 1], status);
  });

  for (const name of ['use_retry_after_header', 'use_retry_after_headers']) {
    test(`${name}: retry-after-ms, x-ms-retry-after-ms and Retry-After are waited for, longer than 60 s fails at once`, async () => {
      const config = { retry: { attempts: 3, on_status_codes: [429], [name]: true }, virtual_key: 'openai-prod', override_params: { model: m('w') } };
      const again = (headers) => {
        config.override_params.model = m(`w${++n}`);
        f.at['openai-prod'].handler = inTurn(fails(429, { headers }), well);
      };
      for (const headers of [{ 'retry-after-ms': '300' }, { 'x-ms-retry-after-ms': '300' }]) {
        again(headers);
        const from = performance.now();
        const r = await ask(config);
        assert.deepEqual([r.status, r.retried], [200, '1'], r.text);
        assert.ok(performance.now() - from >= 290, Object.keys(headers)[0]);
      }
      again({ 'retry-after': '61' });
      const from = performance.now();
      const r = await ask(config);
      assert.equal(r.status, 429);
      assert.ok(performance.now() - from < 2000);
    });
  }

  test('a target\'s own retries come first, then the fallback', async () => {
    f.at['openai-prod'].handler = fails(503);
    const r = await ask(S('fallback', [at('openai-prod', 'x', { retry: { attempts: 1 } }), at('azure-prod', 'x')]));
    assert.deepEqual([r.status, r.option, r.retried], [200, 'config.targets[1]', '0']);
    assert.deepEqual(f.calls(), { 'openai-prod': 2, 'azure-prod': 1 });
  });

  test('a config of nothing but retry: who is called is said by the model or by a header', async () => {
    for (const [body, headers] of [[said({ model: `@openai-prod/${m('x')}` }), {}], [said({ model: m('y') }), { 'x-portkey-virtual-key': 'openai-prod' }], [said({ model: m('z') }), { 'x-portkey-provider': '@openai-prod' }]]) {
      f.at['openai-prod'].calls.length = 0;
      f.at['openai-prod'].handler = inTurn(fails(429), well);
      const r = await ask({ retry: { attempts: 3, on_status_codes: [429] } }, body, headers);
      assert.deepEqual([r.status, r.by, r.retried, f.at['openai-prod'].calls.length], [200, 'openai-prod', '1', 2]);
    }
  });

  test('on_status_codes that are empty: none', async () => {
    f.at['openai-prod'].handler = fails(503);
    const r = await ask({ retry: { attempts: 2, on_status_codes: [] }, virtual_key: 'openai-prod' });
    assert.equal(r.status, 503, r.text);
  });
});

describe('timeouts', () => {
  const slow = (ms) => later(ms);
  test('a request that takes longer answers 408', async () => {
    f.at['openai-prod'].handler = slow(3000);
    const r = await ask({ virtual_key: 'openai-prod', request_timeout: 150 });
    assert.deepEqual([r.status, r.option], [408, 'config']);
    assert.equal(r.json.error.code, 'timeout');
  });

  test('fallback on 408 alone', async () => {
    const config = S('fallback', [{ virtual_key: 'openai-prod', request_timeout: 150, override_params: { model: m('x') } }, { virtual_key: 'azure-prod' }], { on_status_codes: [408] });
    f.at['openai-prod'].handler = slow(3000);
    assert.equal(await by(config), 'azure-prod');
    f.at['openai-prod'].handler = fails(500);
    assert.equal((await ask(config)).status, 500);
  });

  test('retry on 408', async () => {
    f.at['openai-prod'].handler = inTurn(slow(3000), well);
    const r = await ask({ request_timeout: 300, retry: { attempts: 3, on_status_codes: [408] }, virtual_key: 'openai-prod', override_params: { model: m('x') } });
    assert.deepEqual([r.status, r.retried], [200, '1']);
  });

  test('the nearest one up the tree counts', async () => {
    const config = (weight) => S('loadbalance', [
      { ...S('fallback', [at('openai-prod', 'x'), at('azure-prod', 'x', { request_timeout: 4000 })], {}, { request_timeout: 400 }), weight },
      at('openai-1', 'x', { weight: 1 - weight })], {}, { request_timeout: 150 });
    f.at['openai-prod'].handler = f.at['azure-prod'].handler = f.at['openai-1'].handler = slow(250);
    assert.equal(await by(config(1)), 'openai-prod', 'the inner 400 ms');
    assert.equal((await ask(config(0))).status, 408, 'the outer 150 ms');
    f.at['openai-prod'].handler = slow(3000);
    f.at['azure-prod'].handler = slow(600);
    assert.equal(await by(config(1)), 'azure-prod', 'its own 4000 ms');
  });

  test('a stream whose first piece came in time goes on', async () => {
    f.at['openai-prod'].handler = async (call, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      const chunk = (delta, finish = null) => res.write(`data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'x', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`);
      chunk({ role: 'assistant', content: 'a' });
      await new Promise((r) => setTimeout(r, 600));
      chunk({ content: 'b' }, 'stop');
      res.end('data: [DONE]\n\n');
    };
    const r = await ask({ virtual_key: 'openai-prod', request_timeout: 300 }, said({ stream: true }));
    assert.deepEqual([r.status, r.clean], [200, true]);
    assert.match(r.text, /"b"[\s\S]*\[DONE\]/);
  });

  test('x-portkey-request-timeout, where no config says one', async () => {
    f.at['openai-prod'].handler = slow(500);
    const header = { 'x-portkey-request-timeout': '150', 'x-portkey-virtual-key': 'openai-prod' };
    assert.equal((await ask(null, said(), header)).status, 408);
    assert.equal((await ask({ retry: { attempts: 0 } }, said(), header)).status, 408);
    assert.equal((await ask({ virtual_key: 'openai-prod', request_timeout: 4000 }, said(), header)).status, 200);
    assert.equal((await ask(null, said(), { ...header, 'x-portkey-request-timeout': 'soon' })).status, 200);
  });
});

describe('cache', () => {
  const simple = { cache: { mode: 'simple' }, virtual_key: 'openai-prod' };
  const statuses = async (config, list) => {
    const all = [];
    for (const [body, headers] of list) all.push((await ask(config, body, headers)).cache);
    return all;
  };

  test('MISS, HIT, REFRESH, and DISABLED without one', async () => {
    const q = fresh(), other = fresh(), refresh = { 'x-portkey-cache-force-refresh': 'true' };
    assert.deepEqual(await statuses(simple, [[q], [q], [other], [{ ...q, temperature: 0.5 }], [q, refresh], [q]]), ['MISS', 'HIT', 'MISS', 'MISS', 'REFRESH', 'HIT']);
    assert.equal(f.at['openai-prod'].calls.length, 4);
    assert.deepEqual(await statuses({ virtual_key: 'openai-prod' }, [[q], [q, refresh]]), ['DISABLED', 'DISABLED']);
    assert.deepEqual(await statuses(simple, [[q, { 'x-portkey-debug': 'false' }]]), ['DISABLED']);
  });

  test('only 200s are kept', async () => {
    const q = fresh();
    f.at['openai-prod'].handler = inTurn(fails(400), well);
    assert.deepEqual(await statuses(simple, [[q], [q], [q]]), ['MISS', 'MISS', 'HIT']);
  });

  test('max_age', async () => {
    const q = fresh(), config = { ...simple, cache: { mode: 'simple', max_age: 1 } };
    assert.deepEqual(await statuses(config, [[q], [q]]), ['MISS', 'HIT']);
    await new Promise((r) => setTimeout(r, 2100));
    assert.deepEqual(await statuses(config, [[q]]), ['MISS']);
    assert.deepEqual(await statuses({ ...simple, cache: { mode: 'simple', max_age: 604800 } }, [[q], [q]]), ['MISS', 'HIT']);
  });

  test('namespaces keep answers apart', async () => {
    const q = fresh(), of = (x) => ({ 'x-portkey-cache-namespace': x });
    assert.deepEqual(await statuses(simple, [[q, of('user-1')], [q, of('user-1')], [q, of('user-2')], [q], [q, of('user-2')]]), ['MISS', 'HIT', 'MISS', 'MISS', 'HIT']);
  });

  test('a stream is kept and comes again as one', async () => {
    const q = { ...fresh(), stream: true };
    const first = await ask(simple, q), second = await ask(simple, q);
    assert.deepEqual([first.cache, second.cache, second.text === first.text], ['MISS', 'HIT', true]);
    assert.equal(f.at['openai-prod'].calls.length, 1);
  });

  test('for all targets, and per target, which wins', async () => {
    const both = S('fallback', [at('openai-prod', 'x'), at('azure-prod', 'x')], {}, { cache: { mode: 'simple', max_age: 60 } });
    let q = fresh();
    assert.deepEqual(await statuses(both, [[q], [q]]), ['MISS', 'HIT']);
    const own = S('fallback', [at('openai-prod', 'x', { cache: { mode: 'simple', max_age: 200 } }), at('azure-prod', 'x')]);
    q = fresh();
    assert.deepEqual(await statuses(own, [[q], [q]]), ['MISS', 'HIT']);
    q = fresh();
    f.at['openai-prod'].handler = fails(500);
    const r = await ask(both, q);
    assert.deepEqual([r.by, r.cache, (await ask(both, q)).cache], ['azure-prod', 'MISS', 'HIT']);
  });

  test('a config of nothing but cache', async () => {
    const q = { ...fresh(), model: `@openai-prod/${m('x')}` };
    assert.deepEqual(await statuses({ cache: { mode: 'simple' } }, [[q], [q]]), ['MISS', 'HIT']);
  });

  test('whom the request goes to is part of what is equal: by header, or by metadata that a condition reads', async () => {
    const q = fresh(), to = (slug) => ({ 'x-portkey-virtual-key': slug });
    assert.deepEqual(await statuses({ cache: { mode: 'simple' } }, [[q, to('openai-1')], [q, to('openai-2')], [q, to('openai-1')]]), ['MISS', 'MISS', 'HIT']);
    const config = S('conditional', [{ name: 'eu', provider: '@azure-eu' }, { name: 'us', provider: '@azure-us' }], { conditions: [{ query: { 'metadata.region': 'EU' }, then: 'eu' }], default: 'us' }, { cache: { mode: 'simple' } });
    assert.deepEqual(await statuses(config, [[q, meta({ region: 'EU' })], [q, meta({ region: 'US' })], [q, meta({ region: 'EU' })]]), ['MISS', 'MISS', 'HIT']);
    assert.deepEqual(f.calls(), { 'openai-1': 1, 'openai-2': 1, 'azure-eu': 1, 'azure-us': 1 });
  });

  test('semantic is refused by name: it is not built', async () => {
    const r = await ask({ ...simple, cache: { mode: 'semantic', max_age: 60 } });
    assert.deepEqual([r.status, r.json.error.code, r.json.error.param], [501, 'not_implemented', 'config.cache.mode']);
    assert.deepEqual(f.calls(), {});
  });
});

describe('what goes up', () => {
  test('override_params merge down the tree, the child wins, the client loses', async () => {
    const config = { override_params: { temperature: 0.1, top_p: 0.5, seed: 1 }, strategy: { mode: 'fallback' }, targets: [{ override_params: { temperature: 0.2, max_tokens: 5 }, strategy: { mode: 'fallback' }, targets: [at('openai-prod', 'x', { provider: undefined, override_params: { model: `@openai-prod/${m('x')}`, max_tokens: 7 } })] }] };
    await by(config, said({ temperature: 2, top_p: 1, n: 1 }));
    const { model, temperature, top_p, seed, max_tokens, n: count } = heard('openai-prod').json;
    assert.deepEqual({ model, temperature, top_p, seed, max_tokens, count }, { model: m('x'), temperature: 0.2, top_p: 0.5, seed: 1, max_tokens: 7, count: 1 });
  });

  test('default_params, then override_params, then drop_params', async () => {
    const config = S('fallback', [{ provider: '@openai-prod', default_params: { temperature: 0.7, max_tokens: 1024 }, override_params: { model: m('x') }, drop_params: ['logprobs', 'tools[0].function.strict', 'tools[*].function.description', 'nowhere[2].at.all', 'response_format.json_schema.description'] }, { provider: '@azure-prod' }]);
    const tool = (name) => ({ type: 'function', function: { name, description: 'd', strict: true, parameters: { type: 'object', properties: {} } } });
    await by(config, said({ temperature: 0, logprobs: true, tools: [tool('a'), tool('b')] }));
    const { model, temperature, max_tokens, logprobs, tools } = heard('openai-prod').json;
    assert.deepEqual([model, temperature, max_tokens, logprobs], [m('x'), 0, 1024, undefined]);
    assert.deepEqual(tools.map((t) => [t.function.name, t.function.description, t.function.strict]), [['a', undefined, undefined], ['b', undefined, true]]);
  });

  test('a provider\'s own parameters across dialects: max_tokens for one that demands it', async () => {
    const config = S('loadbalance', [{ provider: '@anthropic-prod', weight: 1, override_params: { model: m('claude-sonnet-4-5'), max_tokens: 512, temperature: 0 } }]);
    const r = await ask(config);
    assert.equal(r.json.choices[0].message.content, 'Hello from Claude');
    const { model, max_tokens, temperature } = heard('anthropic-prod').json;
    assert.deepEqual([model, max_tokens, temperature], [m('claude-sonnet-4-5'), 512, 0]);
  });

  test('an api_key in the config goes to its kind\'s address, here a custom host', async () => {
    const config = { provider: 'openai', api_key: 'sk-mine', custom_host: `${f.at['azure-eu'].url}/v1` };
    const r = await ask(config);
    assert.equal(r.status, 200, r.text);
    assert.equal(heard('azure-eu').headers.authorization, 'Bearer sk-mine');
    const two = S('loadbalance', [{ ...config, weight: 1 }, { ...config, api_key: 'sk-two', weight: 1 }]);
    for (let i = 0; i < 30; i++) assert.equal((await ask(two)).status, 200);
    assert.deepEqual([...new Set(f.at['azure-eu'].calls.map((c) => c.headers.authorization))].sort(), ['Bearer sk-mine', 'Bearer sk-two']);
  });

  test('forward_headers reach a provider of another dialect; keys never do', async () => {
    const config = { provider: '@anthropic-prod', forward_headers: ['X-Session', 'authorization'] };
    const r = await ask(config, said({ max_tokens: 5 }), { 'x-session': 's-1', 'x-other': 'o-1', authorization: 'Bearer sk-theirs' });
    assert.equal(r.status, 200, r.text);
    const { headers } = heard('anthropic-prod');
    assert.deepEqual([headers['x-session'], headers['x-other'], headers.authorization], ['s-1', undefined, undefined]);
  });

  test('none of Portkey\'s own fields reaches a provider', async () => {
    const all = { 'x-portkey-trace-id': 't', 'x-portkey-span-id': 's', 'x-portkey-span-name': 'n', 'x-portkey-parent-span-id': 'p', ...meta({ _user: 'u', foo: 'bar' }), 'x-portkey-cache-namespace': 'n', 'x-portkey-strict-open-ai-compliance': 'false',
      'x-portkey-debug': 'true', 'x-portkey-retry-count': '3', 'x-portkey-mode': 'proxy openai', 'x-portkey-beta': 'responses-api', 'x-portkey-nitro-mode': 'false', 'x-portkey-sensitive-headers': 'x-a', 'x-portkey-ignore-service-log': 'true',
      'x-portkey-azure-resource-name': 'r', 'x-portkey-aws-region': 'us-east-1', 'x-portkey-vertex-project-id': 'p', 'x-portkey-openai-project': 'p', 'x-portkey-refresh-prompt-cache': 'true', 'x-portkey-forward-headers': 'x-a,x-b', 'x-portkey-anything-new': '\u00e9' };
    const r = await ask({ virtual_key: 'openai-prod' }, said(), all);
    assert.equal(r.status, 200, r.text);
    assert.deepEqual(Object.keys(heard('openai-prod').headers).filter((x) => x.startsWith('x-portkey')), []);
    assert.equal((await ask(null, said(), { ...all, 'x-portkey-virtual-key': 'openai-prod' })).status, 200);
  });
});

describe('circuit breakers', () => {
  test('cb_config: a target that failed too often is left out, while another is there', async () => {
    const config = S('fallback', [at('openai-prod', 'x'), at('azure-prod', 'x')], { cb_config: { failure_threshold: 3, cooldown_interval: 60000, failure_status_codes: [401, 429, 500], minimum_requests: 1 } });
    f.at['openai-prod'].handler = fails(500);
    for (let i = 0; i < 5; i++) assert.equal(await by(config), 'azure-prod');
    assert.equal(f.at['openai-prod'].calls.length, 3);
    const r = await ask(config);
    assert.deepEqual([r.by, r.option], ['azure-prod', 'config.targets[1]']);
  });

  test('by percentage, once there are enough', async () => {
    const config = S('fallback', [at('openai-prod', 'x'), at('azure-prod', 'x')], { cb_config: { failure_threshold_percentage: 20, minimum_requests: 6, cooldown_interval: 60000, failure_status_codes: [503] } });
    f.at['openai-prod'].handler = inTurn(well, well, well, well, fails(503));
    for (let i = 0; i < 9; i++) await by(config);
    assert.equal(f.at['openai-prod'].calls.length, 6);
  });

  test('other statuses do not count; and where all are open they are ignored', async () => {
    const cb_config = { failure_threshold: 2, cooldown_interval: 30000, failure_status_codes: [500], minimum_requests: 1 };
    const config = S('fallback', [at('openai-prod', 'x'), at('azure-prod', 'x')], { cb_config });
    f.at['openai-prod'].handler = fails(404);
    for (let i = 0; i < 4; i++) await by(config);
    assert.equal(f.at['openai-prod'].calls.length, 4);
    f.at['openai-prod'].handler = f.at['azure-prod'].handler = fails(500);
    for (let i = 0; i < 4; i++) assert.equal((await ask(config)).status, 500);
    f.at['openai-prod'].handler = f.at['azure-prod'].handler = well;
    assert.equal((await ask(config)).status, 200);
  });
});

describe('how a config is named', () => {
  test('by its id in the header, in a key, and not at all', async () => {
    f.at['openai-prod'].handler = fails(429);
    const r = await ask('pc-resil-2b8c91', said({ model: m('x') }));
    assert.deepEqual([r.by, r.option], ['azure-prod', 'config.targets[1]']);
    assert.equal((await ask(null, said({ model: m('x') }), { 'x-portkey-api-key': 'key-defaulted' })).by, 'azure-prod');
    assert.equal((await ask({ virtual_key: 'vertex' }, said(), { 'x-portkey-api-key': 'key-defaulted' })).by, 'vertex', 'the request\'s wins over the key\'s');
    const none = await ask('pc-nobody-000000');
    assert.deepEqual([none.status, none.json.error.code], [400, 'config_not_found']);
  });

  test('targets in the config win over the headers', async () => {
    for (const headers of [{ 'x-portkey-virtual-key': 'vertex' }, { 'x-portkey-provider': '@vertex' }]) assert.equal(await by({ virtual_key: 'openai-1' }, said(), headers), 'openai-1');
  });

  test('a passthrough target calls whom the request names, by header or by its model', async () => {
    const config = S('fallback', [{ passthrough: true, override_params: { model: m('gpt') } }, { provider: '@azure-prod', override_params: { model: m('backup') } }]);
    assert.equal(await by(config, said(), { 'x-portkey-provider': '@openai-1' }), 'openai-1');
    assert.equal(await by(config, said({ model: `@openai-2/${m('mine')}` })), 'openai-2');
    assert.deepEqual([heard('openai-1').json.model, heard('openai-2').json.model], [m('gpt'), m('gpt')]);
    f.at['openai-2'].handler = fails(503);
    assert.equal(await by(config, said({ model: `@openai-2/${m('mine')}` })), 'azure-prod');
    const free = S('loadbalance', [{ passthrough: true, weight: 1 }, { provider: '@azure-prod', weight: 0 }]);
    assert.equal(await by(free, said({ model: `@openai-1/${m('mine')}` })), 'openai-1');
    assert.equal(heard('openai-1').json.model, m('mine'));
  });

  test('a body without a model: the config says it', async () => {
    const r = await ask(S('fallback', [at('openai-prod', 'x'), at('azure-prod', 'x')]), { messages: [{ role: 'user', content: 'Hi' }] });
    assert.deepEqual([r.status, heard('openai-prod').json.model], [200, m('x')], r.text);
  });

  test('the same config serves Responses and Messages', async () => {
    const config = S('fallback', [at('openai-prod', 'x'), at('azure-prod', 'x')]);
    f.at['openai-prod'].handler = fails(500);
    const r = await ask(config, { model: 'x', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] }, {}, '/v1/messages');
    assert.deepEqual([r.status, r.json?.content?.[0]?.text, r.option], [200, 'Hello from fake', 'config.targets[1]'], r.text);
  });

  test('older forms and mistakes are refused with the member', async () => {
    const cases = [
      [{ mode: 'fallback', options: [{ provider: 'openai' }] }, /mode|options/], [{ strategy: { mode: 'ab_test' }, targets: [{ provider: '@openai-1' }] }, /ab_test/],
      [{ strategy: { mode: 'scientist' }, targets: [{ provider: '@openai-1' }] }, /scientist/], [{ strategy: { mode: 'fallback' } }, /targets/], [{ strategy: { mode: 'fallback' }, targets: [] }, /targets/],
      [{ strategy: {}, targets: [{ provider: '@openai-1' }] }, /mode/], [{ cache: {}, provider: '@openai-1' }, /mode/], [{ retry: {}, provider: '@openai-1' }, /attempts/], [{ provider: '@openai-1', overide_params: {} }, /override_params/],
      [{ retry: 3, options: [] }, /retry|options/],
    ];
    for (const [config, what] of cases) {
      const r = await ask(config);
      assert.deepEqual([r.status, r.json?.error?.code], [400, 'invalid_config'], JSON.stringify(config));
      assert.match(`${r.json.error.message} ${r.json.error.param}`, what);
    }
    assert.deepEqual(f.calls(), {});
  });

  test('guardrails are refused rather than left out; empty lists are fine', async () => {
    for (const name of ['input_guardrails', 'output_guardrails', 'before_request_hooks', 'after_request_hooks']) {
      const r = await ask({ virtual_key: 'openai-1', [name]: ['pg-check-1'] });
      assert.deepEqual([r.status, r.json.error.code, r.json.error.param], [501, 'not_implemented', `config.${name}`]);
      assert.equal((await ask({ virtual_key: 'openai-1', [name]: [] })).status, 200);
    }
  });
});

describe("Portkey's SDK", () => {
  const messages = [{ role: 'user', content: 'Hi' }];
  test('config as an object, a text and an id; for the client and for one call, which wins', async () => {
    const to = (slug) => ({ strategy: { mode: 'fallback' }, targets: [at(slug, 'x')] });
    assert.equal((await sdk({ config: to('openai-1') }).chat.completions.create({ messages })).choices[0].message.content, 'Hello from fake');
    assert.deepEqual(f.calls(), { 'openai-1': 1 });
    await sdk({ config: JSON.stringify(to('openai-2')) }).chat.completions.create({ messages, model: 'x' });
    await sdk({ config: 'pc-resil-2b8c91' }).chat.completions.create({ messages, model: m('x') });
    const client = sdk({ config: to('openai-1') });
    await client.chat.completions.create({ messages, model: 'x' }, { config: to('vertex') });
    await client.chat.completions.create({ messages, model: 'x' }, { config: JSON.stringify(to('bedrock')) });
    assert.deepEqual(f.calls(), { 'openai-1': 1, 'openai-2': 1, 'openai-prod': 1, vertex: 1, bedrock: 1 });
  });

  test('headers of the answer are at getHeaders()', async () => {
    f.at['openai-1'].handler = fails(500);
    const answer = await sdk({ config: S('fallback', [at('openai-1', 'x'), at('openai-2', 'x')], {}, { cache: { mode: 'simple' } }) }).chat.completions.create({ messages, model: 'x' });
    const headers = answer.getHeaders();
    assert.deepEqual([headers['last-used-option-index'], headers['retry-attempt-count'], headers['cache-status']], ['config.targets[1]', '0', 'MISS']);
  });

  test('virtualKey, provider, metadata, traceID and all other options', async () => {
    const routed = S('conditional', [{ name: 'vip', virtual_key: 'vertex' }, { name: 'all', virtual_key: 'openai-1' }], { conditions: [{ query: { 'metadata.plan': 'vip' }, then: 'vip' }], default: 'all' });
    await sdk({ config: routed, metadata: { plan: 'vip', _user: 'u1' } }).chat.completions.create({ messages, model: 'x' });
    await sdk({ config: routed }).chat.completions.create({ messages, model: 'x' }, { metadata: { plan: 'vip' }, traceID: 't-1' });
    await sdk({ config: routed }).chat.completions.create({ messages, model: 'x' });
    assert.deepEqual(f.calls(), { vertex: 2, 'openai-1': 1 });
    await sdk({ virtualKey: 'bedrock', requestTimeout: 5000, strictOpenAiCompliance: false, debug: true, traceID: 't-2', cacheForceRefresh: false, cacheNamespace: 'ns', forwardHeaders: ['x-a'] }).chat.completions.create({ messages, model: 'x' });
    await sdk({ provider: '@bedrock', strictOpenAiCompliance: true }).chat.completions.create({ messages, model: 'x' });
    assert.equal(f.at.bedrock.calls.length, 2);
  });

  test('cacheForceRefresh and cacheNamespace', async () => {
    const body = fresh();
    // a client each: it goes on sending what one of its calls said
    const status = async (options) => (await sdk({ config: { cache: { mode: 'simple' }, virtual_key: 'openai-1' } }).chat.completions.create(body, options)).getHeaders()['cache-status'];
    assert.deepEqual([await status(), await status(), await status({ cacheForceRefresh: true }), await status({ cacheNamespace: 'user-123' }), await status({ cacheNamespace: 'user-123' }), await status()], ['MISS', 'HIT', 'REFRESH', 'MISS', 'HIT', 'HIT']);
  });

  test('requestTimeout', async () => {
    f.at['openai-1'].handler = later(3000);
    await assert.rejects(sdk({ virtualKey: 'openai-1', requestTimeout: 150 }).chat.completions.create({ messages, model: 'x' }), { status: 408 });
  });

  test('a stream through a fallback', async () => {
    f.at['openai-1'].handler = fails(500);
    let text = '';
    for await (const c of await sdk({ config: S('fallback', [at('openai-1', 'x'), at('openai-2', 'x')]) }).chat.completions.create({ messages, model: 'x', stream: true })) text += c.choices?.[0]?.delta?.content ?? '';
    assert.equal(text, 'Hello from fake');
  });

  test('customHost: an address that the operator allows, without a stored key; never with one', async () => {
    const customHost = `${f.at['azure-us'].url}/v1`;
    await sdk({ provider: '@open', customHost }).chat.completions.create({ messages, model: 'x' });
    assert.deepEqual(f.calls(), { 'azure-us': 1 });
    for (const more of [{ provider: '@openai-1', customHost }, { provider: '@open', customHost: 'http://169.254.169.254/v1' }]) {
      await assert.rejects(sdk(more).chat.completions.create({ messages, model: 'x' }), { status: 400 });
    }
    assert.deepEqual(f.calls(), { 'azure-us': 1 });
  });

  test('a stored prompt follows the config beside it', async () => {
    f.at['openai-prod'].handler = fails(503);
    const config = S('fallback', [{ provider: '@openai-prod' }, { provider: '@azure-prod' }]);
    const answer = await sdk({ config }).prompts.completions.create({ promptID: 'pp-tasks-a1b2c3', variables: { goal: 'fitness' } });
    assert.equal(answer.choices[0].message.content, 'Hello from fake');
    assert.deepEqual([heard('azure-prod').json.messages, heard('azure-prod').json.variables], [[{ role: 'user', content: 'Split fitness' }], undefined]);
  });

  test("OpenAI's SDK with createHeaders()", async () => {
    const client = new OpenAI({ apiKey: 'not-used', baseURL: `${f.proxy.url}/v1`, maxRetries: 0, defaultHeaders: createHeaders({ apiKey: KEY, config: 'pc-again-0f1e2d', virtualKey: 'openai-1', metadata: { a: 'b' } }) });
    f.at['openai-1'].handler = inTurn(fails(429), well);
    const { response } = await client.chat.completions.create({ model: m('x'), messages }).withResponse();
    assert.equal(response.headers.get('x-portkey-retry-attempt-count'), '1');
    await client.chat.completions.create({ model: m('x'), messages }, { headers: createHeaders({ config: { virtual_key: 'openai-2' } }) });
    assert.deepEqual(f.calls(), { 'openai-1': 2, 'openai-2': 1 });
  });
});
