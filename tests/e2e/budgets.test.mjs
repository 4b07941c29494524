// Budgets and limits as a caller meets them, on one standalone proxy: whom they bind, what is reserved and spent, what answers and refusals
// say, what a soft, a hard and a downgrading budget do, and that every kind of call is counted once.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { completion } from './harness/fake_provider.mjs';
import { hangs, startFleet } from './harness/fleet.mjs';
import { until } from './harness/process.mjs';

// gpt-4o-mini of the installed catalogue: 150 nano-USD a token in, 600 out. The fake's answer has 9 and 12 of them.
const COST = 9 * 150 + 12 * 600;
const usd = (nano) => (nano / 1e9).toFixed(9);
const KEYS = ['cost', 'requests', 'tokens', 'soft', 'down', 'each', 'tagged', 'meta', 'model', 'prov', 'nomax', 'free', 'rate', 'slots', 'tpm', 'cached', 'retry', 'native',
  'scoped', 'here', 'elsewhere', 'demands', 'total', 'two', 'unbounded', 'stream', 'gone'];
const sec = (name) => `wk-${name}-key-of-the-test`;

const budget = (name, more) => `  - ${JSON.stringify({ name, scopes: [{ kind: 'key', value: name }], metric: 'cost', window: 'total', mode: 'hard', ...more })}`;
const limit = (name, more) => `  - ${JSON.stringify({ name, scopes: [{ kind: 'key', value: name }], metric: 'requests', window: 'hour', ...more })}`;

let fleet;
before(async () => {
  fleet = await startFleet({ alpha: 'openai', beta: 'openai' }, {
    models: `  - {name: mini, targets: [{provider: alpha, model: gpt-4o-mini}]}
  - {name: cheap, targets: [{provider: beta, model: gpt-4o-mini}]}
  - {name: both, targets: [{provider: alpha, model: gpt-4o-mini}, {provider: beta, model: gpt-4o-mini}]}
  - {name: unpriced, targets: [{provider: alpha, model: no-such-price}]}`,
    keys: KEYS.map((k) => `  - ${JSON.stringify({
      name: k, secret: sec(k), ...(k === 'scoped' ? { endpoints: ['embeddings'] } : {}), ...(k === 'here' ? { ip_allow: ['127.0.0.0/8'] } : {}),
      ...(k === 'elsewhere' ? { ip_allow: ['192.0.2.0/24'] } : {}), ...(k === 'demands' ? { required_metadata: ['team'] } : {}),
    })}`).join('\n'),
    extra: `budgets:
${budget('cost', { amount: '0.00004' })}
${budget('requests', { metric: 'requests', amount: 3, window: 'day' })}
${budget('tokens', { metric: 'tokens', amount: 400 })}
${budget('soft', { amount: usd(COST), mode: 'soft', alert_percents: [50, 100] })}
${budget('down', { amount: '0.00004', mode: 'downgrade', downgrade_model: 'cheap' })}
${budget('each', { scopes: [{ kind: 'key', value: 'each' }, { kind: 'end_user', value: '*' }], metric: 'requests', amount: 1 })}
${budget('tagged', { scopes: [{ kind: 'key', value: 'tagged' }, { kind: 'tag', value: 'blue' }], metric: 'requests', amount: 1 })}
${budget('meta', { scopes: [{ kind: 'key', value: 'meta' }, { kind: 'metadata', name: 'dept', value: '*' }], metric: 'requests', amount: 1, max_values: 2 })}
${budget('model', { scopes: [{ kind: 'key', value: 'model' }, { kind: 'model', value: 'mini' }], metric: 'requests', amount: 1 })}
${budget('prov', { scopes: [{ kind: 'key', value: 'prov' }, { kind: 'provider', value: 'alpha' }], metric: 'requests', amount: 1 })}
${budget('nomax', { amount: '0.0005' })}
${budget('free', { amount: '0.0000001' })}
${budget('cached', { metric: 'requests', amount: 1 })}
${budget('retry', { metric: 'requests', amount: 1 })}
${budget('native', { amount: '0.00004' })}
${budget('total', { metric: 'requests', amount: 1, window: 'month', zone: 'Europe/Berlin' })}
${budget('two', { metric: 'requests', amount: 5 })}
${`  - ${JSON.stringify({ name: 'two-less', scopes: [{ kind: 'key', value: 'two' }], metric: 'requests', window: 'hour', amount: 1 })}`}
${budget('unbounded', { amount: '1' })}
${budget('stream', { amount: '0.00004' })}
${budget('gone', { amount: '0.00008' })}
limits:
${limit('rate', { amount: 2 })}
${limit('slots', { metric: 'concurrency', amount: 1, window: undefined })}
${limit('tpm', { metric: 'tokens', amount: 330 })}`,
  });
});
after(() => fleet?.end());

const body = { model: 'mini', max_tokens: 20, messages: [{ role: 'user', content: 'Hi' }] };
const chat = async (key, more = {}, headers = {}) => fleet.read(await fleet.post('/v1/chat/completions', { ...body, ...more }, { key: sec(key), headers }));
const usage = async (key) => (await fetch(`${fleet.proxy.url}/v1/usage`, { headers: { authorization: `Bearer ${sec(key)}` } })).json();
// What was spent is told once the event is booked.
const told = (what, key, condition) => until(what, async () => {
  const u = await usage(key);
  return condition(u) && u;
});
const good = (r) => (assert.equal(r.status, 200, r.text), r);
const refused = (r, code = 'budget_exceeded', status = 429) => (assert.equal(`${r.status} ${r.json?.error?.code}`, `${status} ${code}`, r.text), r);

describe('hard budgets', () => {
  test('money: reserved before, settled after, refused when the next call might not fit', async () => {
    const first = good(await chat('cost'));
    assert.equal(first.headers.get('x-weir-budget-limit'), '0.00004');
    const r = refused(await chat('cost'));
    assert.match(r.json.error.message, /budget 'cost'/);
    assert.match(r.json.error.message, /0\.00004 USD/);
    assert.match(r.json.error.message, new RegExp(`spent ${String(COST / 1e9).replace('.', '\\.')}|spent 0\\.00000855`));
    assert.equal(r.headers.get('x-should-retry'), 'false');
    const u = (await told('nothing is leased', 'cost', ({ budgets: [b] }) => b.reserved === '0.00')).budgets[0];
    assert.equal(u.spent, '0.00000855');
    assert.equal(u.remaining, '0.00003145');
    const event = await first.event();
    assert.equal(event.cost_nanousd, COST);
    assert.equal(event.charges.length, 1);
    assert.equal(event.charges[0].amount, COST);
    assert.ok(event.attempts[0].bound_nanousd > COST);
    assert.equal((await r.event()).charges.length, 0, 'what was refused costs nothing');
  });

  test('requests', async () => {
    for (let i = 0; i < 3; i++) good(await chat('requests'));
    refused(await chat('requests'));
  });

  test('tokens', async () => {
    good(await chat('tokens'));
    await told('21 tokens', 'tokens', ({ budgets: [b] }) => b.spent === '21');
    refused(await chat('tokens', { max_tokens: 390 }));
  });

  test('several at once: the tighter one refuses, and the other is not charged for it', async () => {
    good(await chat('two'));
    assert.match(refused(await chat('two')).json.error.message, /two-less/);
    const { budgets } = await told('nothing is leased', 'two', (u) => u.budgets.every((b) => b.reserved === '0'));
    assert.deepEqual(budgets.map((b) => [b.name, b.spent, b.reserved]).sort(), [['two', '1', '0'], ['two-less', '1', '0']]);
  });

  test('a calendar month in its zone tells when it begins anew', async () => {
    good(await chat('total'));
    const r = refused(await chat('total'));
    const resets = /resets at (\S+Z)/.exec(r.json.error.message)[1];
    const local = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', day: '2-digit', hour: '2-digit', minute: '2-digit' }).format(new Date(resets));
    assert.match(local, /^01,? 00:00$/);
  });

  test('what the model costs nothing for passes; what has no bound is refused', async () => {
    good(await chat('free', { model: 'unpriced' }));
    refused(await chat('free'));
    refused(await fleet.read(await fleet.post('/alpha/images/generations', { model: 'gpt-4o-mini', prompt: 'a hen' }, { key: sec('unbounded') })), 'cost_unbounded', 400);
  });

  test('a stream is settled at what it was', async () => {
    const r = good(await chat('stream', { stream: true }));
    assert.ok(r.text.includes('[DONE]'));
    const event = await r.event();
    assert.equal(event.charges[0].amount, event.cost_nanousd);
    await told('it is settled', 'stream', ({ budgets: [b] }) => b.reserved === '0.00' && b.spent === usd(event.cost_nanousd).replace(/0+$/, ''));
  });

  test('a client that goes gives back what was not used', async () => {
    fleet.reset();
    fleet.at.alpha.handler = hangs();
    const stop = new AbortController();
    const asked = fleet.post('/v1/chat/completions', body, { key: sec('gone'), signal: stop.signal }).catch(() => 0);
    await until('the provider was asked', () => fleet.at.alpha.calls.length === 1);
    assert.notEqual((await usage('gone')).budgets[0].reserved, '0.00');
    stop.abort();
    await asked;
    await until('nothing is reserved any more', async () => (await usage('gone')).budgets[0].reserved === '0.00');
    fleet.reset();
  });

  test('provider-native calls are bound too', async () => {
    const native = async () => fleet.read(await fleet.post('/alpha/chat/completions', { ...body, model: 'gpt-4o-mini' }, { key: sec('native') }));
    good(await native());
    refused(await native());
  });

  test('a retry is reserved, and counted once as a request', async () => {
    fleet.reset();
    let n = 0;
    fleet.at.alpha.handler = (call, res) => {
      if (n++) return false;
      res.writeHead(500, { 'content-type': 'application/json' });
      res.end('{"error":{"message":"no"}}');
    };
    const config = { retry: { attempts: 2, base_ms: 1 }, targets: [{ provider: '@alpha', model: 'gpt-4o-mini' }] };
    const r = good(await fleet.chat(config, body, { key: sec('retry') }));
    assert.equal((await r.event()).attempts.length, 2);
    refused(await chat('retry'));
    fleet.reset();
  });

  test('an answer from the cache costs nothing', async () => {
    const ask = (content) => chat('cached', { messages: [{ role: 'user', content }] }, { 'x-weir-cache': 'on' });
    good(await ask('keep me'));
    const again = good(await ask('keep me'));
    assert.equal(again.headers.get('x-weir-cache'), 'hit');
    refused(await ask('another'));
  });
});

describe('whom a budget binds', () => {
  test('each end user has an account of its own, by body and by header', async () => {
    good(await chat('each', { user: 'ann' }));
    refused(await chat('each', { user: 'ann' }));
    good(await chat('each', { user: 'ben' }));
    refused(await chat('each', {}, { 'x-weir-end-user': 'ben' }));
    const r = good(await chat('each'));
    assert.equal((await r.event()).charges.length, 0, 'nobody is named: it does not bind');
  });

  test('a tag', async () => {
    good(await chat('tagged', {}, { 'x-weir-tags': 'red, blue' }));
    refused(await chat('tagged', {}, { 'x-weir-tags': 'blue' }));
    good(await chat('tagged', {}, { 'x-weir-tags': 'red' }));
  });

  test('metadata values, of which those beyond the bound share one account', async () => {
    const ask = (dept) => chat('meta', {}, { 'x-weir-metadata': JSON.stringify({ dept }) });
    good(await ask('a'));
    good(await ask('b'));
    refused(await ask('a'));
    good(await ask('c'));
    refused(await ask('d'));
  });

  test('a model, and a provider past which the next target is taken', async () => {
    good(await chat('model'));
    refused(await chat('model'));
    good(await chat('model', { model: 'cheap' }));
    const config = { strategy: { mode: 'fallback' }, targets: [{ provider: '@alpha', model: 'gpt-4o-mini' }, { provider: '@beta', model: 'gpt-4o-mini' }] };
    const one = good(await fleet.chat(config, body, { key: sec('prov') }));
    assert.equal(one.by, 'alpha');
    const two = good(await fleet.chat(config, body, { key: sec('prov') }));
    assert.equal(two.by, 'beta');
  });
});

describe('soft and downgrading budgets', () => {
  test('soft: goes on, and tells the operator once', async () => {
    for (let i = 0; i < 3; i++) good(await chat('soft'));
    await until('the log tells of it', () => fleet.log().includes('budget_alert'));
    await told('all three are booked', 'soft', ({ budgets: [b] }) => b.spent === usd(3 * COST).replace(/0+$/, ''));
  });

  test('downgrade: the cheaper model answers, and the answer says so', async () => {
    const first = good(await chat('down'));
    assert.equal(first.by, 'alpha');
    const second = good(await chat('down'));
    assert.equal(second.by, 'beta');
    assert.equal(second.headers.get('x-weir-downgraded-from'), 'mini');
    assert.equal((await second.event()).downgraded_from, 'mini');
  });
});

describe('an answer without a maximum', () => {
  test('is capped at what the budget buys, and says so', async () => {
    fleet.reset();
    const r = good(await chat('nomax', { max_tokens: undefined }));
    const cap = Number(r.headers.get('x-weir-max-tokens'));
    assert.ok(cap >= 16 && cap < 1000, `${cap}`);
    const sent = fleet.at.alpha.calls.at(-1).json;
    assert.equal(sent.max_tokens ?? sent.max_completion_tokens, cap);
  });
});

describe('limits', () => {
  test('requests: OpenAI\'s header fields, and a refusal that says when to come again', async () => {
    const r = good(await chat('rate'));
    assert.equal(r.headers.get('x-ratelimit-limit-requests'), '2');
    assert.equal(r.headers.get('x-ratelimit-remaining-requests'), '1');
    assert.match(r.headers.get('x-ratelimit-reset-requests'), /^(\d+m)?\d+(s|ms)$/);
    good(await chat('rate'));
    const over = refused(await chat('rate'), 'rate_limit_exceeded');
    assert.ok(Number(over.headers.get('retry-after')) <= 3600);
    assert.equal(over.headers.get('x-ratelimit-remaining-requests'), '0');
  });

  test('concurrency: one at once', async () => {
    fleet.reset();
    let end;
    fleet.at.alpha.handler = (call, res) => ((end = () => { res.setHeader('content-type', 'application/json'); res.end(JSON.stringify(completion('m', 'x'))); }), true);
    const first = chat('slots');
    await until('it is under way', () => end);
    refused(await chat('slots'), 'rate_limit_exceeded');
    end();
    good(await first);
    fleet.reset();
    good(await chat('slots'));
  });

  test('tokens: counted by what answers had', async () => {
    good(await chat('tpm'));
    await told('21 tokens', 'tpm', ({ limits: [l] }) => l.used === '21');
    const r = good(await chat('tpm'));
    assert.equal(r.headers.get('x-ratelimit-limit-tokens'), '330');
  });
});

describe('what a key allows', () => {
  test('endpoints, addresses, metadata', async () => {
    refused(await chat('scoped'), 'endpoint_not_allowed', 403);
    good(await chat('here'));
    refused(await chat('elsewhere'), 'address_not_allowed', 403);
    refused(await chat('demands'), 'metadata_required', 400);
    good(await chat('demands', {}, { 'x-weir-metadata': '{"team":"x"}' }));
    const r = good(await chat('demands', {}, { 'x-weir-metadata': '{"team":"x","n":1}' }));
    assert.deepEqual((await r.event()).metadata, { team: 'x', n: 1 });
  });

  test('who is bound by nothing is told of nothing', async () => {
    const r = good(await fleet.chat(undefined, body));
    assert.ok(![...r.headers.keys()].some((h) => h.startsWith('x-weir-budget') || h.startsWith('x-ratelimit')));
    const u = await (await fetch(`${fleet.proxy.url}/v1/usage`, { headers: { authorization: 'Bearer wk-fleet-key' } })).json();
    assert.deepEqual([u.object, u.budgets, u.limits], ['usage', [], []]);
  });
});
