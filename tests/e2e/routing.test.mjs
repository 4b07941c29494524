// Whom a routing config sends a request to, from outside: every strategy, nesting, conditions, what it changes in bodies and headers, where
// configs come from, and what they may not do.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fails, hangs, KEY, M, startFleet, T, up } from './harness/fleet.mjs';
import { fakeProvider } from './harness/fake_provider.mjs';
import { bootstrap, eventsOf, startControl, startProxy, startStandalone } from './harness/planes.mjs';
import { sharedDatabase } from './harness/postgres.mjs';
import { until } from './harness/process.mjs';

let f;
const order = async (config, n, body, options) => {
  const by = [];
  for (let i = 0; i < n; i++) {
    const r = await f.chat(config, typeof body === 'function' ? body(i) : body, typeof options === 'function' ? options(i) : options);
    assert.equal(r.status, 200, r.text);
    by.push(r.by);
  }
  return by;
};
const counted = (list) => list.reduce((all, x) => ({ ...all, [x]: (all[x] ?? 0) + 1 }), {});
// a share p of n draws lies within five standard deviations
const near = (got, n, p, what) => {
  const bound = 5 * Math.sqrt(n * p * (1 - p));
  assert.ok(Math.abs((got ?? 0) - n * p) <= bound, `${what}: ${got} of ${n}, expected ${n * p} ± ${bound.toFixed(0)}`);
};
const S = (mode, targets, more = {}) => ({ strategy: { mode, ...more }, targets });

before(async () => {
  f = await startFleet({ a: 'openai', b: 'openai', c: 'openai', d: 'openai', claude: 'anthropic', google: 'gemini' }, {
    args: ['--custom-hosts', '127.0.0.1'],
    models: `
  - {name: two, targets: [{provider: a, model: m-two-a, weight: 1}, {provider: b, model: m-two-b, weight: 1}]}
  - {name: one, targets: [{provider: c, model: m-one}]}
  - {name: with-config, config: to-d}
  - {name: in-config, config: through-alias}
  - {name: loop-a, config: loop-b}
  - {name: loop-b, config: loop-a}
  - {name: self, config: self}
  - {name: "wild/*", config: wild}
  - {name: hosted, config: elsewhere}
  - {name: wildplain, targets: [{provider: b, model: m-wp}]}`,
    keys: `
  - {name: defaulted, secret: key-defaulted, config: to-d}
  - {name: locked, secret: key-locked, config: to-d, config_locked: true}
  - {name: bound, secret: key-bound, models: ["one", "a/m-a*", "via"], providers: ["a", "c"]}
  - {name: tagged, secret: key-tagged, tags: [gold, eu]}
`,
    extra: `configs:
  - {name: to-d, document: ${JSON.stringify(T('d'))}, labels: [production]}
  - {name: through-alias, document: ${JSON.stringify(S('fallback', [{ model: 'one', name: 'inner', override_params: { temperature: 0.5 } }, T('d')]))}}
  - {name: loop-a, document: {model: loop-a}}
  - {name: loop-b, document: {model: loop-b}}
  - {name: self, document: ${JSON.stringify(S('fallback', [{ model: 'self' }, T('a')]))}}
  - {name: wild, document: {provider: "@b"}}
  - {name: elsewhere, document: {provider: "@a", custom_host: "URL_OF_B/v1", model: m-x}}
`,
  });
});
after(() => f?.end());
beforeEach(() => f.reset());

describe('strategies', () => {
  test('single calls the first, and nobody else when it fails', async () => {
    assert.deepEqual(await order(S('single', [T('a'), T('b')]), 2), ['a', 'a']);
    assert.equal(f.at.a.calls[0].json.model, M('a'));
    f.at.a.handler = fails(500);
    const r = await f.chat(S('single', [T('a'), T('b')]));
    assert.equal(r.status, 500);
    assert.deepEqual(f.calls(), { a: 3 });
  });

  test('a node without a strategy is single; a bare leaf needs none', async () => {
    assert.deepEqual(await order({ targets: [T('b'), T('a')] }, 1), ['b']);
    assert.deepEqual(await order(T('c'), 1), ['c']);
    assert.deepEqual(await order({ provider: 'anthropic', model: 'claude-x' }, 0), []);
  });

  test('fallback goes on in order, and stays with the first that answers', async () => {
    const config = S('fallback', [T('a'), T('b'), T('c')]);
    assert.deepEqual(await order(config, 2), ['a', 'a']);
    assert.deepEqual(f.calls(), { a: 2 });
    f.at.a.handler = fails(500);
    f.at.b.handler = fails(503);
    const r = await f.chat(config);
    assert.equal(r.by, 'c');
    assert.equal(r.headers.get('x-weir-attempts'), '3');
    const e = await r.event();
    assert.deepEqual(e.attempts.map((t) => [t.provider, t.status, t.kind, t.outcome]), [['a', 500, '', 'provider_error'], ['b', 503, 'fallback', 'provider_error'], ['c', 200, 'fallback', 'ok']]);
    assert.deepEqual(e.attempts.map((t) => t.option), ['config.targets[0]', 'config.targets[1]', 'config.targets[2]']);
    assert.equal(e.outcome, 'ok');
  });

  test('when all fail, the last failure is the answer', async () => {
    f.at.a.handler = fails(500);
    f.at.b.handler = fails(502, { message: 'second' });
    const r = await f.chat(S('fallback', [T('a'), T('b')]));
    assert.equal(r.status, 502);
    assert.match(r.text, /second/);
    assert.equal((await r.event()).attempts.length, 2);
  });

  test('on_status_codes, on and failover say which failures go on', async () => {
    const cases = [
      [{ on_status_codes: [429, 503] }, 503, 'b'], [{ on_status_codes: [429, 503] }, 500, null], [{ on_status_codes: [429] }, 400, null], [{ on_status_codes: [400] }, 400, 'b'],
      [{}, 400, 'b'], [{}, 404, 'b'], [{ on: ['server'] }, 500, 'b'], [{ on: ['server'] }, 429, null], [{ on: ['rate_limit'] }, 429, 'b'], [{ on: ['rate_limit'] }, 500, null],
      [{ on: ['credential'] }, 401, 'b'], [{ on: ['credential'] }, 500, null], [{ on: ['any'] }, 418, 'b'], [{ failover: false }, 500, null], [{ failover: 1 }, 500, 'b'],
      [{ on: ['server'], on_status_codes: [418] }, 418, 'b'],
    ];
    for (const [strategy, status, by] of cases) {
      f.reset();
      f.at.a.handler = fails(status);
      const r = await f.chat(S('fallback', [T('a'), T('b'), T('c')], strategy));
      const what = `${JSON.stringify(strategy)} ${status}: ${r.status} ${r.text}`;
      if (by) assert.equal(r.by, by, what);
      else assert.equal(r.status, status, what);
      assert.equal(f.at.b.calls.length, by ? 1 : 0, what);
    }
    f.reset();
    f.at.a.handler = f.at.b.handler = fails(500);
    const r = await f.chat(S('fallback', [T('a'), T('b'), T('c')], { failover: 1 }));
    assert.equal(r.status, 500);
    assert.deepEqual(f.calls(), { a: 1, b: 1 });
  });

  test('weighted draws by weight and fails over; loadbalance does not', async () => {
    const off = { circuit_breaker: false };
    const config = (mode) => S(mode, [T('a', { weight: 3, ...off }), T('b', { weight: 1, ...off }), T('c', { weight: 0, ...off })]);
    const n = 400;
    for (const mode of ['weighted', 'loadbalance']) {
      const by = counted(await order(config(mode), n));
      near(by.a, n, 0.75, mode);
      assert.equal(by.c, undefined);
    }
    f.at.a.handler = fails(500);
    assert.deepEqual([...new Set(await order(config('weighted'), 20))], ['b']);
    f.at.b.handler = fails(500);
    assert.deepEqual(await order(config('weighted'), 1), ['c']);
    let failed = 0;
    for (let i = 0; i < 5; i++) failed += (await f.chat(config('loadbalance'))).status === 500;
    assert.equal(failed, 5);
  });

  test('round_robin takes smooth weighted turns', async () => {
    const by = await order(S('round_robin', [T('a', { weight: 2 }), T('b', { weight: 1 }), T('c', { weight: 1 })]), 12);
    assert.deepEqual(counted(by), { a: 6, b: 3, c: 3 });
    for (let i = 0; i < 11; i++) assert.ok(!(by[i] === by[i + 1] && by[i] !== 'a'), by.join(''));
    f.at.b.handler = fails(500);
    assert.deepEqual(Object.keys(counted(await order(S('round_robin', [T('a'), T('b')]), 6))), ['a']);
  });

  test('least_latency tries each once, then the quickest', async () => {
    const slow = async (call, res) => {
      await new Promise((r) => setTimeout(r, 120));
      return res.destroyed;
    };
    f.at.c.handler = slow;
    const fresh = (name) => T(name, { model: 'm-latency' });
    const by = await order(S('least_latency', [fresh('c'), fresh('d')]), 8);
    assert.equal(counted(by).c, 1);
    assert.deepEqual(by.slice(2), Array(6).fill('d'));
  });

  test('least_busy goes where the fewest are in flight, per weight', async () => {
    let release;
    const gate = new Promise((r) => (release = r));
    f.at.a.handler = f.at.b.handler = async () => {
      await gate;
      return false;
    };
    const fresh = (name, weight) => T(name, { weight, model: 'm-busy' });
    const config = S('least_busy', [fresh('a', 1), fresh('b', 3)]);
    const all = [];
    for (let i = 1; i <= 8; i++) {
      all.push(f.chat(config));
      await until('it arrived', () => f.at.a.calls.length + f.at.b.calls.length === i);
    }
    assert.deepEqual(f.calls(), { a: 2, b: 6 });
    release();
    for (const r of await Promise.all(all)) assert.equal(r.status, 200);
  });

  test('least_cost takes the cheapest known price; an unknown one last', async () => {
    const priced = (provider, model) => ({ provider: `@${provider}`, model });
    const config = S('least_cost', [priced('a', 'no-such-model-anywhere'), priced('b', 'gpt-4o'), priced('c', 'gpt-4o-mini')]);
    assert.deepEqual(await order(config, 2), ['c', 'c']);
    f.at.c.handler = fails(500);
    assert.deepEqual(await order(config, 1), ['b']);
    f.at.b.handler = fails(500);
    assert.deepEqual(await order(config, 1), ['a']);
  });

  test('consistent_hash sticks by its fields over two proxies, and only a lost share moves', async () => {
    const other = await startStandalone(f.yaml, { workers: 1 });
    try {
      const config = S('consistent_hash', [T('a'), T('b'), T('c')], { hash_fields: ['metadata.user'] });
      const homes = {};
      for (let i = 0; i < 60; i++) {
        const body = { metadata: { user: `u${i}` } };
        homes[i] = (await f.chat(config, body)).by;
        const there = await other.chat(KEY, { model: 'any', messages: [], ...body }, { 'x-weir-config': JSON.stringify(config) });
        assert.equal(there.headers.get('x-weir-provider'), homes[i]);
        await there.text();
      }
      const by = counted(Object.values(homes));
      for (const n of ['a', 'b', 'c']) near(by[n], 60, 1 / 3, n);
      f.at.b.handler = fails(500);
      for (let i = 0; i < 60; i++) {
        const now = (await f.chat(S('consistent_hash', config.targets.map((t) => ({ ...t, circuit_breaker: false })), config.strategy), { metadata: { user: `u${i}` } })).by;
        if (homes[i] === 'b') assert.notEqual(now, 'b');
        else assert.equal(now, homes[i]);
      }
      const sticky = S('sticky', [T('c'), T('d')]); // no fields: the caller's key
      assert.equal(new Set(await order(sticky, 6)).size, 1);
    } finally {
      await other.end();
    }
  });

  test('a weighted node with sticky keeps a user where it was', async () => {
    const config = S('weighted', [T('a'), T('b')], { sticky: { enabled: true, hash_fields: ['metadata.user'], ttl: 3600 } });
    const seen = new Set();
    for (let u = 0; u < 12; u++) {
      const by = new Set(await order(config, 3, { metadata: { user: `s${u}` } }));
      assert.equal(by.size, 1);
      seen.add([...by][0]);
    }
    assert.equal(seen.size, 2);
    // through x-portkey-metadata as well
    const by = await order(config, 4, {}, { headers: { 'x-portkey-metadata': '{"user":"s1"}' } });
    assert.equal(new Set(by).size, 1);
  });

  test('priority empties a tier before the next, by weight within it', async () => {
    const off = { circuit_breaker: false };
    const config = S('priority', [T('c', { priority: 2, ...off }), T('a', { priority: 1, weight: 4, ...off }), T('b', { priority: 1, weight: 1, ...off })]);
    const by = counted(await order(config, 200));
    near(by.a, 200, 0.8, 'a');
    assert.equal(by.c, undefined);
    f.at.a.handler = f.at.b.handler = fails(500);
    const r = await f.chat(config);
    assert.equal(r.by, 'c');
    assert.deepEqual((await r.event()).attempts.map((t) => t.provider).sort(), ['a', 'b', 'c']);
  });

  test('split keeps its shares and users in their arms, and tells the arm', async () => {
    const config = S('split', [T('a', { name: 'control', share: 80 }), T('b', { name: 'canary', share: 20 })]);
    const n = 400, by = [];
    for (let i = 0; i < n; i++) by.push((await f.chat(config)).by);
    near(counted(by).b, n, 0.2, 'canary');
    const fixed = S('split', config.targets, { by: ['metadata.user'] });
    const arms = [];
    for (let u = 0; u < 40; u++) {
      const one = await f.chat(fixed, { metadata: { user: `p${u}` } });
      const again = await f.chat(fixed, { metadata: { user: `p${u}` } });
      assert.equal(one.by, again.by);
      assert.equal(one.headers.get('x-weir-assignment'), one.by === 'a' ? 'control' : 'canary');
      assert.equal((await one.event()).assignment, one.by === 'a' ? 'control' : 'canary');
      arms.push(one.by);
    }
    assert.equal(new Set(arms).size, 2);
    const plain = await f.chat(S('fallback', config.targets.map(({ share, ...t }) => t)));
    assert.equal(plain.headers.get('x-weir-assignment'), null);
    assert.equal((await plain.event()).assignment, '');
    f.at.b.handler = fails(500); // no failover from an arm
    let failed = 0;
    for (let i = 0; i < 60; i++) failed += (await f.chat(config)).status === 500;
    near(failed, 60, 0.2, 'failed canaries');
  });
});

describe('conditional', () => {
  const IMAGE = { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] }] };
  const minutes = () => new Date().getUTCHours() * 60 + new Date().getUTCMinutes();
  const cond = (query, more = {}) => S('conditional', [T('a', { name: 'yes' }), T('b', { name: 'no' })], { conditions: [{ query, then: 'yes' }], default: 'no', ...more });
  const cases = [
    // query, what makes it hold, what does not: [body, headers, key]
    ['metadata', { 'metadata.plan': { $eq: 'pro' } }, [{ metadata: { plan: 'pro' } }], [{ metadata: { plan: 'free' } }]],
    ['metadata of the header', { 'metadata.plan': 'pro' }, [{}, { 'x-weir-metadata': '{"plan":"pro"}' }], [{}, { 'x-weir-metadata': '{"plan":"x"}' }]],
    ["metadata of Portkey's header", { 'metadata.n': { $gt: 5 } }, [{}, { 'x-portkey-metadata': '{"n":"6"}' }], [{}, { 'x-portkey-metadata': '{"n":5}' }]],
    ["metadata of Cloudflare's header", { 'metadata.ok': { $eq: true } }, [{}, { 'cf-aig-metadata': '{"ok":true}' }], [{}, { 'cf-aig-metadata': '{"ok":false}' }]],
    ['header', { 'headers.x-region': { $in: ['eu', 'us'] } }, [{}, { 'X-Region': 'eu' }], [{}, { 'x-region': 'ap' }]],
    ['header $nin', { 'headers.x-region': { $nin: ['eu'] } }, [{}, { 'x-region': 'us' }], [{}]],
    ['params', { 'params.max_tokens': { $lte: 100 } }, [{ max_tokens: 100 }], [{ max_tokens: 101 }]],
    ['params deep', { 'params.messages[-1].content': { $contains: 'urgent' } }, [{ messages: [{ role: 'user', content: 'x' }, { role: 'user', content: 'this is urgent' }] }], [{ messages: [{ role: 'user', content: 'urgent' }, { role: 'user', content: 'not' }] }]],
    ['body', { 'body.temperature': { $gte: 0.5 } }, [{ temperature: 0.75 }], [{ temperature: 0.25 }]],
    ['regex', { 'params.user': { $regex: '^acme-[0-9]+$' } }, [{ user: 'acme-12' }], [{ user: 'acme-x' }]],
    ['$startsWith', { 'params.user': { $startsWith: 'ac' } }, [{ user: 'acme' }], [{ user: 'bacme' }]],
    ['$endsWith', { 'params.user': { $endsWith: 'me' } }, [{ user: 'acme' }], [{ user: 'acmes' }]],
    ['$exists', { 'params.user': { $exists: true } }, [{ user: 'x' }], [{}]],
    ['$exists false', { 'params.user': { $exists: false } }, [{}], [{ user: 'x' }]],
    ['$ne', { 'params.user': { $ne: 'x' } }, [{ user: 'y' }], [{}]],
    ['$not', { $not: { 'params.user': 'x' } }, [{}], [{ user: 'x' }]],
    ['$and', { $and: [{ 'params.user': 'x' }, { stream: true }] }, [{ user: 'x', stream: true }], [{ user: 'x' }]],
    ['$or', { $or: [{ 'params.user': 'x' }, { 'params.user': 'z' }] }, [{ user: 'z' }], [{ user: 'y' }]],
    ['path', { 'url.pathname': '/v1/chat/completions' }, [{}], null],
    ['endpoint', { endpoint: 'chat.completions' }, [{}], null],
    ['endpoint, another', { endpoint: 'embeddings' }, null, [{}]],
    ['model', { model: { $startsWith: 'gpt-' } }, [{ model: 'gpt-x' }], [{ model: 'claude' }]],
    ['stream', { stream: true }, [{ stream: true }], [{ stream: false }]],
    ['prompt_tokens', { prompt_tokens: { $gt: 500 } }, [{ messages: [{ role: 'user', content: 'w '.repeat(3000) }] }], [{}]],
    ['has_tools', { has_tools: true }, [{ tools: [{ type: 'function', function: { name: 'f' } }] }], [{ tools: [] }]],
    ['has_images', { has_images: true }, [IMAGE], [{ messages: [{ role: 'user', content: 'an "image_url" in words' }] }]],
    ['has_json_schema', { has_json_schema: true }, [{ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: {} } } }], [{ response_format: { type: 'json_object' } }]],
    ['caller.key_name', { 'caller.key_name': 'tagged' }, [{}, {}, 'key-tagged'], [{}]],
    ['caller.key', { 'caller.key': { $startsWith: 'key_' } }, [{}], null],
    ['caller.tags', { 'caller.tags': { $in: ['gold'] } }, [{}, {}, 'key-tagged'], [{}]],
    ['caller.tags =', { 'caller.tags': 'eu' }, [{}, {}, 'key-tagged'], [{}]],
    ['budget', { 'budget.remaining': { $gt: 0 } }, null, [{}]],
    ['health', { 'health.yes': 'healthy' }, [{}], null],
    ['health of the other', { 'health.yes': 'open' }, null, [{}]],
  ];
  for (const [name, query, yes, no] of cases) {
    test(`${name}: ${JSON.stringify(query)}`, async () => {
      for (const [sample, by] of [[yes, 'a'], [no, 'b']]) {
        if (!sample) continue;
        const [body, headers = {}, key = KEY] = sample;
        const r = await f.chat(cond(query), body, { headers, key });
        assert.equal(r.by, by, `${JSON.stringify(sample)}: ${r.text}`);
      }
    });
  }

  test('time, hour, weekday and date, in the zone that is said', async () => {
    const zones = { UTC: 0, 'Asia/Tokyo': 9 * 60 };
    for (const [timezone, offset] of Object.entries(zones)) {
      const t = () => new Date(Date.now() + offset * 60000);
      const date = t().toISOString().slice(0, 10), day = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][t().getUTCDay()];
      const hour = t().getUTCHours();
      const one = async (query) => (await f.chat(cond(query, { timezone }))).by;
      const now = [await one({ date }), await one({ weekday: day }), await one({ 'time.hour': hour }), await one({ time: { $gte: '00:00' } }), await one({ 'time.minute': { $gte: (minutes() + offset) % 1440 } })];
      if (t().getUTCHours() !== hour) return; // the hour struck meanwhile
      assert.deepEqual(now, ['a', 'a', 'a', 'a', 'a'], timezone);
      assert.deepEqual([await one({ date: '2001-01-01' }), await one({ weekday: { $ne: day } }), await one({ 'time.hour': (hour + 12) % 24 })], ['b', 'b', 'b'], timezone);
    }
  });

  test('the first that holds decides; none without a default is 400 no_route', async () => {
    const config = S('conditional', [T('a'), T('b')], { conditions: [{ query: { model: 'x' }, then: 'a' }, { query: { model: { $regex: '^x' } }, then: 'b' }] });
    assert.equal((await f.chat(config, { model: 'x' })).by, 'a');
    assert.equal((await f.chat(config, { model: 'xy' })).by, 'b');
    const r = await f.chat(config, { model: 'none' });
    assert.equal(r.status, 400);
    assert.equal(r.json.error.code, 'no_route');
    assert.equal((await r.event()).attempts.length, 0);
  });

  test('health sees an open breaker', async () => {
    const breaker = { threshold: 2, cooldown_ms: 60000 };
    const sick = T('d', { name: 'sick', circuit_breaker: breaker });
    f.at.d.handler = fails(500);
    for (let i = 0; i < 2; i++) assert.equal((await f.chat(sick)).status, 500);
    const config = S('conditional', [T('a'), sick], { conditions: [{ query: { 'health.sick': 'open' }, then: 'a' }], default: 'sick' });
    assert.equal((await f.chat(config)).by, 'a');
  });
});

describe('nesting', () => {
  test('any strategy in any other: each reaches its leaf, and a failure goes up to what covers it', async () => {
    const wrap = {
      single: (t) => S('single', [t]), fallback: (t) => S('fallback', [t, T('d')]), weighted: (t) => S('weighted', [t]), loadbalance: (t) => S('loadbalance', [t]), round_robin: (t) => S('round_robin', [t]),
      least_latency: (t) => S('least_latency', [t]), least_busy: (t) => S('least_busy', [t]), least_cost: (t) => S('least_cost', [t]), consistent_hash: (t) => S('consistent_hash', [t]), priority: (t) => S('priority', [t]),
      split: (t) => S('split', [{ ...t, share: 100, name: 'all' }]), conditional: (t) => S('conditional', [{ ...t, name: 'it' }], { conditions: [{ query: { model: 'any' }, then: 'it' }] }),
      mirror: (t) => S('mirror', [t]), hedge: (t) => S('hedge', [t, T('d')], { after_ms: 5000 }),
    };
    const off = { circuit_breaker: false };
    for (const [o, outer] of Object.entries(wrap)) {
      for (const [i, inner] of Object.entries(wrap)) {
        const r = await f.chat(outer(inner(T('a', off))));
        assert.equal(r.by, 'a', `${o} of ${i}: ${r.text}`);
      }
    }
    f.at.a.handler = f.at.b.handler = fails(500);
    for (const [i, inner] of Object.entries(wrap)) {
      if (['fallback', 'hedge'].includes(i)) continue; // those have a target of their own left
      const r = await f.chat(S('fallback', [inner(T('a', off)), T('c')]));
      assert.equal(r.by, 'c', `${i}: ${r.text}`);
    }
  });

  test('settings come down, and a child replaces or merges them', async () => {
    const config = {
      override_params: { temperature: 0.1, top_p: 0.2 }, default_params: { max_tokens: 7, seed: 3 }, drop_params: ['user'], ...S('fallback', [
        { override_params: { temperature: 0.9 }, ...S('single', [T('a', { drop_params: ['seed'] })]) }]),
    };
    await f.chat(config, { user: 'u', seed: 5, temperature: 1 });
    const sent = f.at.a.calls[0].json;
    assert.deepEqual([sent.temperature, sent.top_p, sent.max_tokens, sent.user, sent.seed, sent.model], [0.9, 0.2, 7, 'u', undefined, M('a')]);
  });
});

describe('what is changed in the body', () => {
  const changes = { override_params: { temperature: 0.25, top_p: 0.5 }, default_params: { max_tokens: 77 }, drop_params: ['metadata.user', 'messages[*].name', 'logit_bias'] };
  test('OpenAI chat: forced, put in, dropped, and every other byte as it came', async () => {
    const body = '{"model": "any",  "messages":[{"role":"user","name":"bob","content":"h\\u00e9 \\ud83d\\ude00"}],"temperature":1,"metadata":{"user":"u","keep":1.50},"logit_bias":{"1":2},"big":123456789012345678901234567890}';
    await f.read(await f.post('/v1/chat/completions', body, { config: T('a', changes) }));
    const sent = f.at.a.calls[0];
    assert.deepEqual(sent.json, { model: M('a'), messages: [{ role: 'user', content: 'hé 😀' }], temperature: 0.25, top_p: 0.5, max_tokens: 77, metadata: { keep: 1.5 }, big: 123456789012345678901234567890 });
    assert.ok(sent.body.includes('"big":123456789012345678901234567890') && sent.body.includes('1.50') && sent.body.includes('h\\u00e9 \\ud83d\\ude00'), sent.body);
    // quiet: without changes the body is untouched but for the model
    await f.read(await f.post('/v1/chat/completions', body, { config: T('a') }));
    assert.equal(f.at.a.calls[1].body, body.replace('"any"', `"${M('a')}"`));
  });

  test("each target's changes are made to the body as it came", async () => {
    f.at.a.handler = fails(500);
    await f.chat(S('fallback', [T('a', { override_params: { temperature: 0.1, extra_a: 1 } }), T('b', { default_params: { temperature: 0.7 } })]), { top_p: 1 });
    assert.equal(f.at.a.calls[0].json.extra_a, 1);
    assert.equal(f.at.b.calls[0].json.extra_a, undefined);
    assert.equal(f.at.b.calls[0].json.temperature, 0.7);
  });

  test('translated: the names are those of the client, whatever the target speaks', async () => {
    f.at.claude.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ id: 'msg_1', type: 'message', role: 'assistant', model: call.json.model, content: [{ type: 'text', text: 'Hello' }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } }));
    };
    f.at.google.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ candidates: [{ content: { role: 'model', parts: [{ text: 'Hello' }] }, finishReason: 'STOP', index: 0 }], usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 } }));
    };
    const clients = {
      chat: ['/v1/chat/completions', { model: 'any', messages: [{ role: 'user', content: 'Hi' }] }, { override_params: { max_tokens: 33, temperature: 0.25 }, default_params: { stop: ['X'] }, drop_params: ['top_p'] }, { top_p: 0.9 }],
      responses: ['/v1/responses', { model: 'any', input: 'Hi' }, { override_params: { max_output_tokens: 33, temperature: 0.25 }, drop_params: ['top_p'] }, { top_p: 0.9 }],
      messages: ['/v1/messages', { model: 'any', max_tokens: 5, messages: [{ role: 'user', content: 'Hi' }] }, { override_params: { max_tokens: 33, temperature: 0.25 }, default_params: { stop_sequences: ['X'] }, drop_params: ['top_p'] }, { top_p: 0.9 }],
      gemini: ['/v1beta/models/any:generateContent', { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }, { override_params: { generationConfig: { maxOutputTokens: 33, temperature: 0.25 } }, drop_params: ['toolConfig'] }, { generationConfig: { topP: 0.9 } }],
    };
    for (const [name, [path, body, change, more]] of Object.entries(clients)) {
      for (const [target, get] of [['a', (j) => [j.max_tokens ?? j.max_completion_tokens ?? j.max_output_tokens, j.temperature, j.top_p]], ['claude', (j) => [j.max_tokens, j.temperature, j.top_p]], ['google', (j) => [j.generationConfig?.maxOutputTokens, j.generationConfig?.temperature, j.generationConfig?.topP]]]) {
        const config = { provider: `@${target}`, ...change, override_params: { model: `up-${target}`, ...change.override_params } };
        const r = await f.read(await f.post(path, { ...body, ...more }, { config }));
        assert.equal(r.status, 200, `${name} to ${target}: ${r.text}`);
        const call = f.at[target].calls.at(-1);
        assert.deepEqual(get(call.json), [33, 0.25, undefined], `${name} to ${target}: ${call.body}`);
        assert.ok(target === 'google' ? call.url.includes('/models/up-google:') && call.json.model === undefined : call.json.model === `up-${target}`, `${name} to ${target}: ${call.url} ${call.body}`);
      }
    }
  });

  test('stream stays what the client said; a model and an endpoint are as the target says', async () => {
    const r = await f.chat(T('a', { override_params: { stream: true } }));
    assert.equal(r.json.choices[0].message.content, 'Hello from fake');
    assert.ok(!f.at.a.calls[0].json.stream);
    f.at.a.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ id: 'resp_1', object: 'response', created_at: 1, status: 'completed', model: 'm', output: [{ type: 'message', id: 'msg', status: 'completed', role: 'assistant', content: [{ type: 'output_text', text: 'by responses', annotations: [] }] }], usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 } }));
    };
    const s = await f.chat(T('a', { endpoint: 'responses' }));
    assert.equal(f.at.a.calls.at(-1).url, '/v1/responses');
    assert.equal(s.json.choices[0].message.content, 'by responses');
  });

  test('passthrough: another dialect is no target', async () => {
    const r = await f.chat(S('fallback', [{ provider: '@claude', model: 'claude-x', passthrough: true }, T('a', { passthrough: true })]));
    if (r.status === 200) assert.deepEqual(f.calls(), { a: 1 });
    const alone = await f.chat({ provider: '@claude', model: 'claude-x', passthrough: true });
    assert.equal(alone.status, 400, alone.text);
    assert.equal(f.at.claude.calls.length, 0);
  });

  test('embeddings and other bodies with a config', async () => {
    f.at.a.handler = fails(500);
    f.at.b.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ object: 'list', data: [{ object: 'embedding', index: 0, embedding: [0.5, 0.25] }], model: call.json.model, usage: { prompt_tokens: 2, total_tokens: 2 } }));
    };
    const r = await f.read(await f.post('/v1/embeddings', { model: 'any', input: 'x', user: 'u' }, { config: S('fallback', [T('a'), T('b', { drop_params: ['user'], override_params: { dimensions: 2 } })]) }));
    assert.equal(r.by, 'b');
    assert.deepEqual(f.at.b.calls[0].json, { model: M('b'), input: 'x', dimensions: 2 });
  });
});

describe('where a config comes from', () => {
  const ask = (options, body = {}) => f.chat(options.config, { model: 'one', ...body }, options);
  test('header, key and alias, in that order; x-portkey-config works alike', async () => {
    assert.equal((await ask({ config: T('a'), key: 'key-defaulted' })).by, 'a');
    assert.equal((await ask({ key: 'key-defaulted' })).by, 'd');
    assert.equal((await ask({}, { model: 'with-config' })).by, 'd');
    assert.equal((await ask({})).by, 'c');
    const r = await ask({ headers: { 'x-portkey-config': JSON.stringify(S('loadbalance', [T('b')])) } });
    assert.equal(r.by, 'b');
    assert.equal(r.headers.get('x-portkey-last-used-option-index'), 'config.targets[0]');
    assert.equal(r.headers.get('x-portkey-provider'), 'openai');
  });

  test('a locked key takes no other', async () => {
    for (const headers of [{ 'x-weir-config': JSON.stringify(T('a')) }, { 'x-portkey-config': 'through-alias' }]) {
      const r = await ask({ key: 'key-locked', headers });
      assert.equal(r.status, 403);
      assert.equal(r.json.error.code, 'config_locked');
    }
    assert.equal((await ask({ key: 'key-locked' })).by, 'd');
    assert.deepEqual(f.calls(), { d: 1 });
  });

  test('by name, version, label and latest; what is not there says so', async () => {
    for (const ref of ['to-d', 'to-d@1', 'to-d@latest', 'to-d@production']) {
      const r = await ask({ config: ref });
      assert.equal(r.by, 'd', `${ref}: ${r.text}`);
      assert.equal((await r.event()).config_number, 1);
    }
    for (const ref of ['nothing', 'to-d@2', 'to-d@staging', 'to-d@', '@x', 'cfg_00000000000000000000000000000000']) {
      const r = await ask({ config: ref });
      assert.equal(r.status, 400, `${ref}: ${r.text}`);
      assert.equal(r.json.error.code, 'config_not_found', ref);
    }
    assert.deepEqual(f.calls(), { d: 4 });
  });

  test('aliases in configs, configs in aliases', async () => {
    const two = S('fallback', [{ model: 'two' }, T('c')]);
    const by = counted(await order(two, 40));
    assert.ok(by.a > 0 && by.b > 0 && !by.c, JSON.stringify(by));
    f.at.a.handler = f.at.b.handler = fails(500);
    const r = await f.chat(two);
    assert.equal(r.by, 'c');
    assert.equal(r.headers.get('x-weir-attempts'), '3');
    assert.equal(f.at.a.calls.at(-1).json.model, 'm-two-a');
    // an alias whose config names an alias, with parameters on the way
    const s = await f.chat(undefined, { model: 'in-config' });
    assert.equal(s.by, 'c');
    assert.deepEqual([f.at.c.calls.at(-1).json.model, f.at.c.calls.at(-1).json.temperature], ['m-one', 0.5]);
    // an alias with several targets alone fails over as well
    f.at.b.handler = () => false;
    assert.deepEqual([...new Set(await order(undefined, 10, { model: 'two' }))], ['b']);
    // provider/model as a model's name, and a wildcard alias with a config
    assert.equal((await f.chat({ model: 'd/m-free' })).by, 'd');
    assert.equal(f.at.d.calls.at(-1).json.model, 'm-free');
    assert.equal((await f.chat(undefined, { model: 'wild/card' })).by, 'b');
  });

  test('what an alias says is retried and moved with the config around it', async () => {
    f.at.c.handler = fails(500);
    const r = await f.chat(undefined, { model: 'in-config' });
    assert.equal(r.by, 'd');
    assert.deepEqual(f.calls(), { c: 1, d: 1 });
  });

  test('aliases in a circle end in a clear error; a way out is taken', async () => {
    const r = await f.chat(undefined, { model: 'loop-a' });
    assert.equal(r.status, 400, r.text);
    assert.equal(r.json.error.code, 'invalid_config');
    assert.match(r.json.error.message, /alias/);
    assert.deepEqual(f.calls(), {});
    const s = await f.chat(undefined, { model: 'self' });
    assert.equal(s.by, 'a', s.text);
  });

  test('a broken document is refused with the path and the nearest name', async () => {
    for (const [config, param, pattern] of [
      [{ stratgy: { mode: 'fallback' }, targets: [] }, null, /strategy/],
      [S('falback', [T('a')]), 'strategy.mode', /fallback/],
      [S('fallback', [{ ...T('a'), retry: { attemps: 2 } }]), 'targets[0]', /attempts/],
      ['{"provider": "@a"', null, /config/],
      [S('semantic', [T('a')]), 'strategy.mode', /not implemented/],
      [{ ...T('a'), input_guardrails: ['x'] }, null, /not implemented|guardrail/],
      [S('conditional', [T('a')], { conditions: [{ query: { model: { $regex: '(' } }, then: 'a' }] }), null, /regex|unbalanced|parenthes|pattern|\)/i],
      [S('conditional', [T('a')], { conditions: [{ query: { model: 'x' }, then: 'nobody' }] }), null, /nobody/],
      [S('split', [T('a', { share: 50 }), T('b', { share: 20 })]), null, /100/],
    ]) {
      const r = await f.chat(config);
      assert.ok([400, 501].includes(r.status), `${JSON.stringify(config)}: ${r.status} ${r.text}`);
      assert.match(r.text, pattern);
      if (param) assert.ok((r.json.error.param ?? '').includes(param), `${r.json.error.param} for ${JSON.stringify(config)}`);
    }
    assert.deepEqual(f.calls(), {});
    const empty = await f.chat({ ...T('a'), input_guardrails: [], before_request_hooks: [] });
    assert.equal(empty.by, 'a', empty.text);
  });

  test('a config of some 60 KB fits a header; what a head cannot hold is refused as such', async () => {
    const many = (n) => S('fallback', Array.from({ length: n }, (_, i) => T('a', { name: `target-${i}-${'x'.repeat(40)}` })));
    const fits = JSON.stringify(many(420));
    assert.ok(fits.length > 40000 && fits.length < 64000, String(fits.length));
    const r = await f.chat(fits);
    assert.equal(r.by, 'a', `${r.status} ${r.text.slice(0, 200)}`);
    const large = await f.chat(JSON.stringify(many(3000)));
    assert.ok([400, 431].includes(large.status), String(large.status));
  });
});

describe('what a config may not do', () => {
  test('a key bound to models and providers gets no further by a config of its own', async () => {
    const ask = (config) => f.chat(config, { model: 'one' }, { key: 'key-bound' });
    assert.equal((await ask(undefined)).by, 'c');
    assert.equal((await ask(T('a'))).by, 'a'); // a/m-a is allowed
    for (const config of [
      { provider: '@a', model: 'other' }, { provider: '@b', model: 'm-a' }, { provider: 'b', model: 'm-a' }, { virtual_key: 'b', model: 'm-a' }, { model: 'b/m-a' }, { model: 'two' }, { model: 'with-config' },
      { provider: 'anthropic', model: 'one' }, { provider: '@d', override_params: { model: 'one' } }, { provider: '@b', api_key: 'sk-mine-mine', model: 'one' },
      { provider: 'openai', api_key: 'sk-mine-mine', model: 'm-a' }, { provider: 'groq', api_key: 'sk-mine-mine', custom_host: f.at.b.url, model: 'one' },
    ]) {
      const r = await ask(config);
      assert.ok([403, 404].includes(r.status), `${JSON.stringify(config)}: ${r.status} ${r.text} ${JSON.stringify(f.calls())}`);
    }
    assert.deepEqual(f.calls(), { a: 1, c: 1 });
    // of several, only what it may use is called
    const r = await ask(S('fallback', [{ provider: '@b', model: 'm-b' }, T('a')]));
    assert.equal(r.by, 'a', r.text);
    assert.equal(f.at.b.calls.length, 0);
    // a stored one that the header names is the caller's choice all the same; the key's own default is not (above)
    const s = await f.chat('to-d', { model: 'one' }, { key: 'key-bound' });
    assert.equal(s.status, 404, s.text);
    assert.equal(f.at.d.calls.length, 0);
  });

  test('a custom host is called where the operator allows it, with the key that stands beside it', async () => {
    const ok = await f.chat({ provider: 'openai', api_key: 'sk-mine-mine', custom_host: `${f.at.b.url}/v1`, model: 'm-x' });
    assert.equal(ok.status, 200, ok.text);
    assert.equal(f.at.b.calls[0].headers.authorization, 'Bearer sk-mine-mine');
    for (const host of ['http://localhost:1/v1', 'https://example.test/v1', 'http://169.254.169.254/latest', 'http://127.0.0.1.example.test/']) {
      const r = await f.chat({ provider: 'openai', api_key: 'sk-mine-mine', custom_host: host, model: 'm-x' });
      assert.equal(r.status, 400, `${host}: ${r.status} ${r.text}`);
      assert.match(r.json.error.code, /invalid_config/);
    }
    // a stored key never goes to a host that a caller names; where the operator's own config says so it does
    for (const host of [{ custom_host: `${f.at.b.url}/v1` }, { azure_resource_name: 'attackers' }, { azure_foundry_url: f.at.b.url }]) {
      const r = await f.chat({ provider: '@a', ...host, model: 'm-x' });
      assert.equal(r.status, 400, `${JSON.stringify(host)}: ${r.text}`);
      assert.equal(r.json.error.code, 'invalid_config');
    }
    assert.equal(f.at.b.calls.length, 1);
    for (const [options, model] of [[{ config: 'elsewhere' }, 'x'], [{}, 'hosted']]) {
      const r = await f.chat(options.config, { model });
      assert.equal(r.status, 200, r.text);
      assert.equal(f.at.b.calls.at(-1).headers.authorization, `Bearer ${up('a')}`);
    }
  });

  test('no custom host without leave', async () => {
    const strict = await startStandalone(f.yaml, { workers: 1 });
    try {
      const config = { provider: 'openai', api_key: 'sk-mine-mine', custom_host: `${f.at.b.url}/v1`, model: 'm-x' };
      const r = await strict.chat(KEY, { model: 'x', messages: [] }, { 'x-weir-config': JSON.stringify(config) });
      assert.equal(r.status, 400);
      assert.match(await r.text(), /custom host/);
      assert.equal(f.at.b.calls.length, 0);
    } finally {
      await strict.end();
    }
  });

  test("a config's keys stand in no log, error or event, and a provider that repeats one is masked", async () => {
    const secret = 'sk-in-the-config-12345';
    f.at.b.handler = (call, res) => {
      res.writeHead(401, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { message: `Incorrect API key provided: ${call.headers.authorization.slice(7)}`, type: 'invalid_request_error', code: 'invalid_api_key' } }));
    };
    for (const config of [{ provider: 'openai', api_key: secret, custom_host: `${f.at.b.url}/v1`, model: 'm' }, { provider: '@b', api_key: secret, model: 'm' }, { provider: '@b', api_key: secret, modle: 'm' }, { provider: 'nobody-at-all', api_key: secret, model: 'm' }]) {
      const r = await f.chat(config);
      assert.ok(r.status >= 400);
      assert.ok(!r.text.includes(secret), r.text);
      if (r.id) assert.ok(!JSON.stringify(await r.event()).includes(secret));
    }
    assert.ok(f.at.b.calls.length >= 1);
    assert.ok(!f.log().includes(secret));
    const bad = await f.chat(`{"provider": "openai", "api_key": "${secret}", "x`);
    assert.ok(!bad.text.includes(secret), bad.text);
    assert.ok(!f.log().includes(secret));
  });

  test('forward_headers pass fields on, never a key', async () => {
    f.at.claude.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ id: 'msg_1', type: 'message', role: 'assistant', model: 'x', content: [{ type: 'text', text: 'Hello' }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } }));
    };
    const config = { provider: '@claude', model: 'claude-x', forward_headers: ['x-tenant', 'Authorization', 'x-api-key', 'cookie'] };
    const headers = { 'x-tenant': 't1', 'x-other': 'o1', cookie: 'session=1' };
    let r = await f.chat(config, {}, { headers });
    if (r.status !== 200) r = await f.chat({ ...config, forward_headers: ['x-tenant'] }, {}, { headers }); // refused as a whole is as good
    assert.equal(r.status, 200, r.text);
    const sent = f.at.claude.calls.at(-1).headers;
    assert.equal(sent['x-tenant'], 't1');
    assert.equal(sent['x-other'], undefined);
    assert.equal(sent.authorization, undefined);
    assert.equal(sent.cookie, undefined);
    assert.equal(sent['x-api-key'], up('claude'));
    assert.ok(!JSON.stringify(sent).includes(KEY));
    await f.chat({ ...config, forward_headers: [] }, {}, { headers });
    assert.equal(f.at.claude.calls.at(-1).headers['x-tenant'], undefined);
  });

  test('an unknown provider or model is said, not called', async () => {
    const r = await f.chat({ provider: '@nobody', model: 'x' });
    assert.equal(r.status, 404, r.text);
    assert.equal(r.json.error.code, 'provider_not_found');
    const s = await f.chat({ model: 'no-such-alias' });
    assert.equal(s.status, 404, s.text);
    assert.equal(s.json.error.code, 'model_not_found');
    const both = await f.chat(S('fallback', [{ provider: '@nobody', model: 'x' }, T('a')]));
    assert.equal(both.by, 'a');
    assert.equal((await both.event()).attempts.length, 1);
  });
});

test('a client that goes while a target is called ends the walk', async () => {
  f.at.a.handler = hangs();
  const gone = new AbortController();
  const asked = f.post('/v1/chat/completions', { model: 'any', messages: [] }, { config: S('fallback', [T('a'), T('b')]), signal: gone.signal }).catch(() => {});
  await until('it arrived', () => f.at.a.calls.length === 1);
  gone.abort();
  await asked;
  await f.chat(T('c'));
  await until('the upstream connection is closed', () => f.at.a.gone === 1);
  assert.equal(f.at.b.calls.length, 0);
});

describe('under a control plane', () => {
  let database, control, proxy, mine, theirs;
  const tenants = {};
  before(async () => {
    database = await sharedDatabase();
    const admin = bootstrap(database);
    control = await startControl(database);
    control.token = admin.admin_token;
    proxy = await startProxy(control);
    mine = await fakeProvider();
    theirs = await fakeProvider();
    const other = await control.must('POST', '/organizations', { name: 'other' });
    const acme = (await control.must('GET', '/organizations')).data.find((o) => o.name === 'acme');
    await control.must('POST', '/workspaces', { name: 'main' }, { 'x-weir-organization': other.id });
    for (const [name, organization, fake] of [['mine', acme.id, mine], ['theirs', other.id, theirs]]) {
      const as = { 'x-weir-organization': organization };
      const must = (method, path, body) => control.must(method, path, body, as);
      await must('POST', '/providers', { name: 'up', kind: 'openai', base_url: `${fake.url}/v1`, api_key: `sk-of-${name}` });
      await must('POST', '/providers', { name: `only-${name}`, kind: 'openai', base_url: `${fake.url}/v1`, api_key: `sk-of-${name}` });
      await must('POST', '/models', { name: `alias-${name}`, targets: [{ provider: 'up', model: 'm' }] });
      const config = await must('POST', '/configs', { name: 'shared-name', document: { provider: '@up', model: 'v1' } });
      await must('POST', `/configs/${config.id}/versions`, { document: { provider: '@up', model: 'v2' }, labels: ['production'] });
      await must('POST', `/configs/${config.id}/versions`, { document: { provider: '@up', model: 'v3' } });
      await must('POST', '/configs', { name: `config-${name}`, document: { provider: '@up', model: 'own' } });
      const workspace = (await must('GET', '/workspaces')).data[0].id;
      const key = await must('POST', '/keys', { name: 'k', workspace_id: workspace, metadata: { plan: 'pro', team: 'red' }, tags: ['gold'] });
      tenants[name] = { must, config, key: key.secret, workspace, fake };
    }
    for (const t of Object.values(tenants)) await until('the proxy knows it', async () => (await ask(t, 'shared-name')).status === 200);
  });
  after(async () => {
    for (const p of [mine, theirs]) await p?.close();
    await proxy?.end();
    await control?.end();
    await database?.drop();
  });
  const ask = async (tenant, config, body = {}) => {
    const r = await proxy.chat(tenant.key, { model: 'any', messages: [{ role: 'user', content: 'Hi' }], ...body }, config ? { 'x-weir-config': typeof config === 'string' ? config : JSON.stringify(config) } : {});
    const json = await r.json();
    return { status: r.status, json, model: json.model, code: json.error?.code, id: r.headers.get('x-weir-request-id'), text: JSON.stringify(json) };
  };

  test('by id, name, version, label and latest, each the tenant\'s own', async () => {
    for (const t of Object.values(tenants)) {
      const id = t.config.id;
      for (const [ref, model] of [['shared-name', 'v1'], [id, 'v1'], ['shared-name@2', 'v2'], [`${id}@2`, 'v2'], ['shared-name@production', 'v2'], ['shared-name@latest', 'v3'], [`${id}@latest`, 'v3']]) {
        const before = t.fake.calls.length;
        const r = await ask(t, ref);
        assert.equal(r.model, model, `${ref}: ${r.text}`);
        assert.equal(t.fake.calls.length, before + 1);
        const [e] = await eventsOf(database, [r.id]);
        assert.equal(Number(e.config_number ?? e.config_version_number), Number(model.slice(1)));
      }
      for (const ref of ['shared-name@9', 'shared-name@staging']) assert.equal((await ask(t, ref)).code, 'config_not_found');
    }
  });

  test("another tenant's configs, providers and models are as if they were not there", async () => {
    const before = theirs.calls.length;
    for (const [config, code] of [
      ['config-theirs', 'config_not_found'], [tenants.theirs.config.id, 'config_not_found'], [`${tenants.theirs.config.id}@1`, 'config_not_found'],
      [{ provider: '@only-theirs', model: 'm' }, 'provider_not_found'], [{ model: 'alias-theirs' }, 'model_not_found'], [{ model: 'only-theirs/m' }, 'model_not_found'],
    ]) {
      const r = await ask(tenants.mine, config);
      assert.equal(r.code, code, `${JSON.stringify(config)}: ${r.text}`);
      // the very same words as for what does not exist at all
      const none = await ask(tenants.mine, JSON.parse(JSON.stringify(config).replace('theirs', 'nobody').replace(tenants.theirs.config.id, 'cfg_0123456789abcdef0123456789abcdef')));
      assert.equal(r.json.error.message.replace(/theirs|cfg_[0-9a-f]+/g, ''), none.json.error.message.replace(/nobody|cfg_[0-9a-f]+/g, ''));
    }
    assert.equal(theirs.calls.length, before);
    assert.equal((await ask(tenants.theirs, 'config-theirs')).status, 200); // quiet: to its own tenant
  });

  test("a key's metadata and tags are seen by conditions", async () => {
    const cond = (query) => ({ strategy: { mode: 'conditional', conditions: [{ query, then: 'yes' }], default: 'no' }, targets: [{ name: 'yes', provider: '@up', model: 'yes' }, { name: 'no', provider: '@up', model: 'no' }] });
    for (const [query, model] of [[{ 'metadata.plan': 'pro' }, 'yes'], [{ 'metadata.plan': 'free' }, 'no'], [{ 'caller.team': 'red' }, 'yes'], [{ 'caller.team': 'blue' }, 'no'], [{ 'caller.tags': { $in: ['gold'] } }, 'yes'], [{ 'caller.tags': 'tin' }, 'no'], [{ 'caller.workspace': tenants.mine.workspace }, 'yes']]) {
      assert.equal((await ask(tenants.mine, cond(query))).model, model, JSON.stringify(query));
    }
    assert.equal((await ask(tenants.mine, cond({ 'metadata.plan': 'pro' }), { metadata: { plan: 'free' } })).model, 'no'); // the request's own goes first
  });

  test('a key that a stored config holds reaches the provider and nothing else', async () => {
    const secret = 'sk-sealed-in-a-config-1';
    await tenants.mine.must('POST', '/configs', { name: 'sealed', document: { provider: '@up', model: 'sealed', api_key: secret } });
    const r = await until('it is served', async () => {
      const a = await ask(tenants.mine, 'sealed');
      return a.status === 200 && a;
    });
    assert.equal(mine.calls.at(-1).headers.authorization, `Bearer ${secret}`);
    const events = await eventsOf(database, [r.id]);
    assert.ok(!JSON.stringify(events).includes(secret));
    assert.ok(!proxy.program.log().includes(secret) && !control.program.log().includes(secret));
  });
});
