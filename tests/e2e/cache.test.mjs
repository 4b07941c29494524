// The exact cache from outside: what a request may ask of it in every family of header fields, what counts as equal, what is never kept,
// equal requests at once, and answers that come again as the streams that they were, read by the providers' own SDKs.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelWithResponseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { fakeDialects, providerYaml, TARGETS } from './harness/fake_dialects.mjs';
import { chunks, completion, sse } from './harness/fake_provider.mjs';
import { after as later, breaks, fails, hangs, inTurn, KEY, M, startFleet, streams, T, well } from './harness/fleet.mjs';
import { startStandalone } from './harness/planes.mjs';
import { until } from './harness/process.mjs';

let f, n = 0;
const fresh = (text = 'question') => `${text} ${++n}`;
const on = { 'x-weir-cache': 'on' };
const said = (text, more = {}) => ({ model: 'a/gpt-4o', messages: [{ role: 'user', content: text }], ...more });
const ask = async (body, headers = {}, path = '/v1/chat/completions', options = {}) => {
  const r = await f.read(await f.post(path, body, { headers, ...options }));
  return { ...r, cache: r.headers.get('x-weir-cache') };
};
const statuses = async (body, ...list) => {
  const all = [];
  for (const headers of list) all.push((await ask(body, headers)).cache);
  return all;
};
// Both workers have room for it: what the kernel gives to one of them may be asked of the other.
const metric = async (name) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(await (await fetch(`${f.proxy.opsUrl}/metrics`)).text())?.[1] ?? NaN);
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
// A handler that answers when it is told to: gate.open(), gate.arrived
const gate = (then = well) => {
  let open;
  const opened = new Promise((r) => (open = r));
  return { open, handler: async (call, res, p) => {
    await opened;
    return res.destroyed ? true : then()(call, res, p);
  } };
};
// Answers that differ, so that one can tell which was given.
const numbered = () => {
  let at = 0;
  return (call, res) => {
    const text = `answer ${++at}`;
    if (call.json?.stream) {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const c of chunks(call.json.model, text.split(/(?= )/), { usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } })) res.write(sse(c));
      return res.end(sse('[DONE]'));
    }
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify(completion(call.json?.model, text)));
  };
};

before(async () => {
  f = await startFleet({ a: 'openai', b: 'openai', c: 'openai', open: { kind: 'openai', api_key: undefined }, g: 'gemini' }, {
    workers: 2,
    args: ['--cache-bytes', '64MiB'],
    models: `
  - {name: plain, targets: [{provider: a, model: gpt-4o}]}
  - {name: cached, config: cached}
  - {name: moving, targets: [{provider: a, model: gpt-4o}]}`,
    keys: `
  - {name: second, secret: key-second, tags: [pro]}
`,
    extra: `configs:
  - {name: cached, document: {cache: {mode: simple, max_age: 60}, provider: "@a", model: gpt-4o}}
  - {name: by-moving, document: {cache: {mode: simple}, model: moving}}
`,
  });
});
after(() => f?.end());
beforeEach(() => f.reset());

describe('what a request says', () => {
  test('x-weir-cache: on, off, refresh, only', async () => {
    f.at.a.handler = numbered();
    const q = said(fresh());
    const first = await ask(q, on), second = await ask(q, on);
    assert.deepEqual([first.cache, second.cache], ['miss', 'hit']);
    assert.equal(second.text, first.text);
    assert.match(second.headers.get('age'), /^[01]$/);
    assert.match(second.headers.get('x-weir-cache-key'), /^[0-9a-f]{64}$/);
    assert.equal(first.headers.get('x-weir-cache-key'), second.headers.get('x-weir-cache-key'));
    assert.equal(second.headers.get('content-type'), 'application/json');
    assert.notEqual(second.id, first.id);
    assert.equal(second.headers.get('x-weir-provider'), 'a');
    assert.equal(second.headers.get('x-weir-attempts'), null);
    assert.equal((await ask(q, { 'x-weir-cache': 'off' })).json.choices[0].message.content, 'answer 2');
    assert.equal((await ask(q, on)).json.choices[0].message.content, 'answer 1', 'off kept its answer');
    const refreshed = await ask(q, { 'x-weir-cache': 'refresh' });
    assert.deepEqual([refreshed.cache, refreshed.json.choices[0].message.content], ['refresh', 'answer 3']);
    const only = await ask(q, { 'x-weir-cache': 'only' });
    assert.deepEqual([only.cache, only.json.choices[0].message.content], ['hit', 'answer 3']);
    const none = await ask(said(fresh()), { 'x-weir-cache': 'only' });
    assert.deepEqual([none.status, none.cache, none.json.error.code], [504, 'only', 'cache_miss']);
    assert.equal(f.at.a.calls.length, 3);
    const e = await none.event();
    assert.deepEqual([e.attempts.length, e.cost_nanousd, e.cache_status], [0, 0, 'only']);
  });

  test('without a word nothing is cached and nothing is said of it', async () => {
    const q = said(fresh());
    for (let i = 0; i < 2; i++) {
      const r = await ask(q, { 'cache-control': 'no-cache' });
      assert.equal(r.status, 200);
      for (const h of ['x-weir-cache', 'x-portkey-cache-status', 'cf-aig-cache-status', 'age', 'x-weir-cache-key']) assert.equal(r.headers.get(h), null, h);
      assert.equal((await r.event()).cache_status, '');
    }
    assert.equal(f.at.a.calls.length, 2);
    assert.equal((await ask(q, on)).cache, 'miss', 'no-cache alone kept an answer');
  });

  test('x-weir-cache-ttl, -key and -namespace', async () => {
    f.at.a.handler = numbered();
    const q = said(fresh());
    assert.equal((await ask(q, { 'x-weir-cache-ttl': '1' })).cache, 'miss');
    assert.equal((await ask(q, { 'x-weir-cache-ttl': '1' })).cache, 'hit');
    await until('it expires', async () => (await ask(q, { 'x-weir-cache': 'only' })).status === 504, 5000);
    const key = { 'x-weir-cache-key': fresh('key') };
    const first = await ask(said(fresh()), key), second = await ask(said(fresh(), { temperature: 1 }), key);
    assert.deepEqual([first.cache, second.cache, second.text], ['miss', 'hit', first.text]);
    assert.equal((await ask({ ...said(fresh()), model: 'a/gpt-4o-mini' }, key)).cache, 'miss', 'another model');
    assert.equal((await ask(said(fresh(), { stream: true }), key)).cache, 'miss', 'a stream');
    assert.equal((await ask(said(fresh()), key, '/v1/chat/completions', { config: T('a') })).cache, 'miss', 'another config');
    const ns = { ...on, 'x-weir-cache-namespace': 'x' };
    assert.deepEqual(await statuses(said('namespaces'), on, ns, ns, { ...ns, 'x-weir-cache-namespace': 'y' }, on), ['miss', 'miss', 'hit', 'miss', 'hit']);
  });

  test('Cache-Control narrows', async () => {
    f.at.a.handler = numbered();
    const q = said(fresh());
    const cc = (v) => ({ ...on, 'cache-control': v });
    assert.equal((await ask(q, on)).cache, 'miss');
    assert.equal((await ask(q, { 'cache-control': 'no-store', 'x-portkey-cache': 'simple' })).cache, 'off');
    await sleep(1100);
    assert.equal((await ask(q, cc('max-age=60'))).cache, 'hit');
    const older = await ask(q, cc('max-age=0'));
    assert.deepEqual([older.cache, older.json.choices[0].message.content], ['miss', 'answer 3']);
    assert.equal((await ask(q, { 'cache-control': 'only-if-cached' })).cache, 'hit');
    assert.equal((await ask(said(fresh()), { 'cache-control': 'only-if-cached' })).status, 504);
    assert.equal((await ask(q, { 'cache-control': 'no-cache', 'x-portkey-cache': 'simple' })).cache, 'refresh');
    assert.equal((await ask(q, { 'cache-control': 'no-cache, only-if-cached', 'x-portkey-cache': 'simple' })).status, 504);
  });

  test("Portkey's fields", async () => {
    f.at.a.handler = numbered();
    const q = said(fresh()), simple = { 'x-portkey-cache': 'simple' };
    const status = async (headers, body = q) => {
      const r = await ask(body, headers);
      return [r.headers.get('x-portkey-cache-status'), r.cache];
    };
    assert.deepEqual(await status(simple), ['MISS', 'miss']);
    assert.deepEqual(await status(simple), ['HIT', 'hit']);
    assert.deepEqual(await status({ ...simple, 'x-portkey-cache-force-refresh': 'true' }), ['REFRESH', 'refresh']);
    assert.deepEqual(await status({ ...simple, 'x-portkey-cache-force-refresh': 'false' }), ['HIT', 'hit']);
    assert.deepEqual(await status({ 'x-portkey-cache-force-refresh': 'true' }), ['DISABLED', 'off']);
    assert.deepEqual(await status({ ...simple, 'x-portkey-cache-namespace': 'n' }), ['MISS', 'miss']);
    assert.deepEqual(await status({ ...simple, 'x-weir-cache-namespace': 'n' }), ['HIT', 'hit']);
    assert.deepEqual(await status({ ...simple, 'x-portkey-debug': 'false' }), ['DISABLED', 'off']);
    assert.deepEqual(await status({ 'x-portkey-trace-id': 't' }), ['DISABLED', 'off']);
    assert.deepEqual(await status({ ...simple, 'x-weir-cache': 'off' }), ['DISABLED', 'off']);
    const short = said(fresh()), second = { ...simple, 'cache-control': 'max-age=1' };
    assert.deepEqual(await status(second, short), ['MISS', 'miss']);
    await until('it expires', async () => (await ask(short, { 'x-weir-cache': 'only' })).status === 504, 5000);
    const semantic = await ask(q, { 'x-portkey-cache': 'semantic' });
    assert.equal(semantic.status, 501);
  });

  test("Cloudflare's fields, old names too, and their paths", async () => {
    f.at.a.handler = numbered();
    const status = async (headers, body, path) => {
      const r = await ask(body, headers, path);
      assert.equal(r.status, 200, r.text);
      return [r.headers.get('cf-aig-cache-status'), r.cache];
    };
    for (const prefix of ['cf-aig-', 'cf-']) {
      const q = said(fresh()), ttl = { [`${prefix}cache-ttl`]: '60' };
      assert.deepEqual(await status(ttl, q), ['MISS', 'miss']);
      assert.deepEqual(await status(ttl, q), ['HIT', 'hit']);
      assert.deepEqual(await status({ ...ttl, [`${prefix}skip-cache`]: 'true' }, q), [null, 'off']);
      assert.deepEqual(await status({ [`${prefix}cache-ttl`]: '0' }, q), [null, 'off']);
    }
    const key = { 'cf-aig-cache-key': fresh('key') };
    assert.deepEqual(await status(key, said(fresh())), ['MISS', 'miss']);
    assert.deepEqual(await status(key, said(fresh())), ['HIT', 'hit']);
    const q = { ...said(fresh()), model: 'gpt-4o' }, ttl = { 'cf-aig-cache-ttl': '60', 'cf-aig-authorization': `Bearer ${KEY}` };
    for (const path of ['/v1/account/gateway/a/chat/completions', '/a/chat/completions']) {
      assert.deepEqual(await status(ttl, q, path), path.startsWith('/v1') ? ['MISS', 'miss'] : ['HIT', 'hit'], path);
    }
    assert.deepEqual(await status(ttl, q, '/v1/account/gateway/b/chat/completions'), ['MISS', 'miss'], 'another provider');
    const steps = [{ provider: 'c', endpoint: 'chat/completions', headers: {}, query: q }, { provider: 'a', endpoint: 'chat/completions', headers: {}, query: q }];
    f.at.c.handler = fails(500);
    const first = await ask(steps, ttl, '/v1/account/gateway'), second = await ask(steps, ttl, '/v1/account/gateway');
    assert.deepEqual([first.status, first.cache, second.cache, second.text], [200, 'miss', 'hit', first.text], first.text);
    assert.equal(f.at.c.calls.length, 1);
    const streamed = [{ ...steps[1], query: { ...q, stream: true } }];
    assert.deepEqual([(await ask(streamed, ttl, '/v1/account/gateway')).cache, (await ask(streamed, ttl, '/v1/account/gateway')).cache], ['miss', 'hit']);
  });

  test('values that cannot be read are refused by name, before anybody is called', async () => {
    for (const [name, value] of [['x-weir-cache', 'maybe'], ['x-weir-cache-ttl', '-1'], ['x-weir-cache-ttl', '1.5'], ['x-weir-cache-key', 'x'.repeat(1025)],
      ['x-weir-cache-namespace', 'x'.repeat(257)], ['cf-aig-cache-ttl', 'soon'], ['cf-aig-skip-cache', 'perhaps'], ['x-portkey-cache', 'none'], ['x-portkey-cache-force-refresh', '2']]) {
      const r = await ask(said(fresh()), { [name]: value });
      assert.deepEqual([r.status, r.json.error.param], [400, name], `${name}: ${value}: ${r.text}`);
    }
    assert.equal(f.at.a.calls.length, 0);
  });
});

describe('configs', () => {
  const C = (more = {}, cache = { mode: 'simple', max_age: 60 }) => ({ cache, ...T('a', { model: 'gpt-4o', ...more }) });
  const by = (config, q, headers) => ask(q, headers, '/v1/chat/completions', { config });

  test('cache at the root, in a node, in an alias; max_age and namespace', async () => {
    f.at.a.handler = f.at.b.handler = numbered();
    for (const config of [C(), { strategy: { mode: 'fallback' }, targets: [C(), T('b')] }, { strategy: { mode: 'single' }, cache: { mode: 'simple' }, targets: [T('a')] }]) {
      const q = said(fresh());
      assert.deepEqual([(await by(config, q)).cache, (await by(config, q)).cache], ['miss', 'hit'], JSON.stringify(config));
      assert.equal((await by(config, q, { 'cache-control': 'no-store' })).cache, 'off');
      assert.equal((await by(config, q, { 'cache-control': 'no-cache' })).cache, 'refresh');
      assert.equal((await by(config, q, { 'x-portkey-cache-force-refresh': 'true' })).headers.get('x-portkey-cache-status'), 'REFRESH');
    }
    const other = said(fresh()), second = { strategy: { mode: 'fallback' }, targets: [T('b'), C()] };
    assert.deepEqual([(await by(second, other)).cache, (await by(second, other)).cache], [null, null], 'the target that is called has none');
    const alias = { ...said(fresh()), model: 'cached' };
    assert.deepEqual([(await ask(alias)).cache, (await ask(alias)).cache], ['miss', 'hit']);
    const short = C({}, { mode: 'simple', max_age: 1 }), q = said(fresh());
    assert.equal((await by(short, q)).cache, 'miss');
    await until('it expires', async () => (await by(short, q, { 'x-weir-cache': 'only' })).status === 504, 5000);
    const name = said(fresh()), one = C({}, { mode: 'simple', namespace: 'one' });
    assert.deepEqual([(await by(one, name)).cache, (await by(one, name, { 'x-weir-cache-namespace': 'two' })).cache, (await by(one, name)).cache], ['miss', 'miss', 'hit']);
    const off = { ...C(), cache: false };
    assert.equal((await by(off, q)).cache, null);
  });

  test('another document is another cache', async () => {
    const q = said(fresh());
    assert.deepEqual([(await by(C(), q)).cache, (await by(C({ override_params: { temperature: 0 } }), q)).cache, (await by(C(), q)).cache], ['miss', 'miss', 'hit']);
  });

  test('branches never mix, whatever they looked at', async () => {
    f.at.a.handler = f.at.b.handler = f.at.c.handler = well;
    const two = (query) => ({ cache: { mode: 'simple' }, strategy: { mode: 'conditional', conditions: [{ query, then: 'b' }], default: 'a' }, targets: [T('a'), T('b')] });
    const cases = [
      [two({ 'metadata.plan': 'pro' }), [{ 'x-weir-metadata': '{"plan":"free"}' }, { 'x-weir-metadata': '{"plan":"pro"}' }, {}]],
      [two({ 'headers.x-region': 'eu' }), [{ 'x-region': 'us' }, { 'x-region': 'eu' }, {}]],
    ];
    for (const [config, [no, yes, none]] of cases) {
      const q = said(fresh());
      assert.equal((await by(config, q, no)).by, 'a');
      assert.equal((await by(config, q, yes)).by, 'b');
      assert.equal((await by(config, q, none)).by, 'a');
      for (const [headers, at] of [[no, 'a'], [yes, 'b'], [none, 'a']]) {
        const r = await by(config, q, headers);
        assert.deepEqual([r.cache, r.by], ['hit', at]);
      }
      const own = { 'x-weir-cache-key': fresh('own') };
      assert.equal((await by(config, said(fresh()), { ...no, ...own })).by, 'a');
      assert.equal((await by(config, said(fresh()), { ...yes, ...own })).by, 'b', 'an own key crossed a condition');
    }
    // metadata in the body is left out of the key, and its conditions are not
    const q = said(fresh()), config = two({ 'metadata.plan': 'pro' });
    assert.equal((await by(config, { ...q, metadata: { plan: 'free' } })).by, 'a');
    assert.equal((await by(config, { ...q, metadata: { plan: 'pro' } })).by, 'b');
    // of the key itself
    const tagged = two({ 'caller.tags': 'pro' });
    assert.equal((await ask(q, {}, '/v1/chat/completions', { config: tagged, key: 'key-second' })).by, 'b');
    assert.equal((await ask(q, {}, '/v1/chat/completions', { config: tagged })).by, 'a');
  });

  test('a condition that is looked at behind a failure keeps nothing for others', async () => {
    const inner = { strategy: { mode: 'conditional', conditions: [{ query: { 'metadata.plan': 'pro' }, then: 'b' }], default: 'c' }, targets: [T('b'), T('c')] };
    const config = { cache: { mode: 'simple' }, strategy: { mode: 'fallback' }, targets: [T('a', { circuit_breaker: false }), inner] };
    const q = said(fresh());
    f.at.a.handler = fails(500);
    const pro = await by(config, q, { 'x-weir-metadata': '{"plan":"pro"}' });
    assert.deepEqual([pro.by, pro.cache], ['b', 'miss']);
    const free = await by(config, q, { 'x-weir-metadata': '{"plan":"free"}' });
    assert.deepEqual([free.by, free.cache], ['c', 'miss']);
  });

  test('the arms of a split, and header fields that go on to the provider, have answers of their own', async () => {
    const split = { cache: { mode: 'simple' }, strategy: { mode: 'split' }, targets: [{ ...T('a'), share: 50 }, { ...T('b'), share: 50 }] };
    const q = said(fresh()), arms = {};
    for (let i = 0; i < 30; i++) {
      const r = await by(split, q);
      assert.equal(r.headers.get('x-weir-assignment'), r.by);
      (arms[r.by] ??= []).push(r.cache);
    }
    assert.deepEqual(Object.keys(arms).sort(), ['a', 'b']);
    for (const list of Object.values(arms)) assert.deepEqual([list[0], ...new Set(list.slice(1))], ['miss', 'hit']);
    const forwards = { ...C(), forward_headers: ['x-tenant'] }, other = said(fresh());
    assert.deepEqual([(await by(forwards, other, { 'x-tenant': '1' })).cache, (await by(forwards, other, { 'x-tenant': '2' })).cache, (await by(forwards, other, { 'X-Tenant': '1' })).cache], ['miss', 'miss', 'hit']);
    assert.deepEqual(await statuses(said(fresh()), { ...on, 'openai-beta': 'x' }, on, { ...on, 'openai-beta': 'x' }), ['miss', 'miss', 'hit']);
  });
});

describe('what counts as equal', () => {
  const raw = async (...bodies) => {
    const all = [];
    for (const b of bodies) all.push((await ask(b, on)).cache);
    return all;
  };
  test('spelling does not count', async () => {
    const text = fresh('größe');
    const same = [
      `{"model":"a/gpt-4o","messages":[{"role":"user","content":"${text}"}],"temperature":1,"top_p":0.5}`,
      `{ "top_p" : 5e-1,\n"temperature": 1.0, "messages": [ {"content": "gr\\u00f6\\u00dfe ${n}", "role": "user"} ], "model":"a\\/gpt-4o" }`,
      `{"user":"somebody","metadata":{"x":"y"},"model":"a/gpt-4o","messages":[{"role":"user","content":"${text}"}],"temperature":1e0,"top_p":0.50}`,
    ];
    assert.deepEqual(await raw(...same), ['miss', 'hit', 'hit']);
    assert.equal(f.at.a.calls.length, 1);
  });

  test('whatever could change the answer does', async () => {
    const q = said(fresh(), { temperature: 0.5, seed: 7 });
    const others = [{ temperature: 0.6 }, { seed: 8 }, { model: 'a/gpt-4o-mini' }, { messages: [...q.messages, ...q.messages] }, { messages: [{ role: 'system', content: q.messages[0].content }] },
      { stream: true }, { max_tokens: 5 }, { tools: [{ type: 'function', function: { name: 'x' } }] }, { service_tier: 'flex' }, { n: 2 }, { response_format: { type: 'json_object' } }, { logit_bias: { 50256: -100 } }];
    assert.deepEqual(await raw(q, q), ['miss', 'hit']);
    for (const o of others) assert.deepEqual(await raw({ ...q, ...o }, { ...q, ...o }, q), ['miss', 'hit', 'hit'], JSON.stringify(o));
    assert.equal(f.at.a.calls.length, others.length + 1);
  });

  test("dialects, streams' framings and Gemini's verbs never meet", async () => {
    const own = { 'x-weir-cache-key': fresh('own') };
    const seen = new Set();
    for (const [path, body] of [
      ['/v1/chat/completions', { model: 'plain', messages: [{ role: 'user', content: 'x' }] }],
      ['/v1/chat/completions', { model: 'plain', stream: true, messages: [{ role: 'user', content: 'x' }] }],
      ['/v1/messages', { model: 'plain', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }],
      ['/v1/messages', { model: 'plain', stream: true, max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }],
      ['/v1beta/models/plain:generateContent', { contents: [{ role: 'user', parts: [{ text: 'x' }] }] }],
      ['/v1beta/models/plain:streamGenerateContent?alt=sse', { contents: [{ role: 'user', parts: [{ text: 'x' }] }] }],
      ['/v1beta/models/plain:streamGenerateContent', { contents: [{ role: 'user', parts: [{ text: 'x' }] }] }],
      ['/model/plain/converse', { messages: [{ role: 'user', content: [{ text: 'x' }] }] }],
      ['/model/plain/converse-stream', { messages: [{ role: 'user', content: [{ text: 'x' }] }] }],
    ]) {
      const first = await ask(body, own, path), second = await ask(body, own, path);
      assert.deepEqual([first.status, first.cache, second.cache], [200, 'miss', 'hit'], `${path} ${first.text}`);
      assert.equal(Buffer.compare(first.raw, second.raw), 0, path);
      assert.equal(second.headers.get('content-type'), first.headers.get('content-type'));
      seen.add(first.headers.get('x-weir-cache-key'));
    }
    assert.equal(seen.size, 9);
  });

  test("Gemini's own array is kept whole, and never in part", async () => {
    const piece = (text, finishReason) => JSON.stringify({ candidates: [{ content: { parts: [{ text }], role: 'model' }, ...(finishReason ? { finishReason } : {}), index: 0 }], usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 } });
    const array = (pieces) => streams(pieces, { type: 'application/json', headers: { connection: 'close' } });
    const path = '/v1beta/models/g%2Fgemini-x:streamGenerateContent', whole = [`[${piece('a')}`, `,\n${piece('b', 'STOP')}`, ']'];
    for (const [pieces, kept] of [[whole, true], [whole.slice(0, 2), false], [whole.slice(0, 1), false]]) {
      const q = { contents: [{ role: 'user', parts: [{ text: fresh() }] }] };
      f.at.g.handler = array(pieces);
      const first = await ask(q, on, path);
      f.at.g.handler = array(whole);
      const second = await ask(q, on, path);
      assert.deepEqual([first.cache, second.cache], ['miss', kept ? 'hit' : 'miss'], first.text);
      assert.equal(JSON.parse(second.text).length, 2);
    }
  });

  test('a body of some megabytes is one, and the proxy goes on meanwhile', async () => {
    const q = said('x'.repeat(6 << 20));
    assert.deepEqual([(await ask(q, on)).cache, (await ask(q, on)).cache], ['miss', 'hit']);
  });

  test("whoever brings the provider's key along shares with nobody else", async () => {
    const q = { ...said(fresh()), model: 'open/gpt-4o' };
    const mine = (key) => ask(q, { ...on, 'x-weir-key': KEY, authorization: `Bearer ${key}` });
    assert.deepEqual([(await mine('sk-one')).cache, (await mine('sk-two')).cache, (await mine('sk-one')).cache], ['miss', 'miss', 'hit']);
    assert.deepEqual(f.at.open.calls.map((c) => c.headers.authorization), ['Bearer sk-one', 'Bearer sk-two']);
    const stored = said(fresh());
    const placeholder = (key) => ask(stored, { ...on, 'x-weir-key': KEY, authorization: `Bearer ${key}` });
    assert.deepEqual([(await placeholder('x')).cache, (await placeholder('y')).cache], ['miss', 'hit']);
  });
});

describe('events and money', () => {
  test('a hit costs nothing, names no attempt, and says what it saved; also while the provider is down', async () => {
    for (const stream of [false, true]) {
      const q = said(fresh(), { stream });
      f.at.a.handler = numbered();
      const first = await ask(q, on), paid = await first.event();
      assert.ok(paid.cost_nanousd > 0);
      assert.deepEqual([paid.cache_status, paid.saved_nanousd], ['miss', 0]);
      f.at.a.handler = breaks();
      for (let i = 0; i < 3; i++) await ask(said(fresh()));
      const hit = await ask(q, on), e = await hit.event();
      assert.deepEqual([hit.status, hit.text], [200, first.text]);
      assert.deepEqual([e.cache_status, e.cost_nanousd, e.saved_nanousd, e.attempts, e.outcome, e.status, e.stream], ['hit', 0, paid.cost_nanousd, [], 'ok', 200, stream]);
      assert.ok(e.saved_us > 0);
      assert.equal(hit.headers.get('x-weir-saved-usd'), (paid.cost_nanousd / 1e9).toFixed(9));
      f.at.a.handler = well;
    }
  });

  test('what failed attempts cost is saved too, and the answer of a fallback is kept', async () => {
    f.at.a.handler = fails(500);
    const config = { cache: { mode: 'simple' }, strategy: { mode: 'fallback' }, targets: [T('a'), T('b', { model: 'gpt-4o' })] };
    const q = said(fresh());
    const first = await ask(q, {}, '/v1/chat/completions', { config }), second = await ask(q, {}, '/v1/chat/completions', { config });
    assert.deepEqual([first.by, second.by, second.cache], ['b', 'b', 'hit']);
    assert.equal((await second.event()).saved_nanousd, (await first.event()).cost_nanousd);
  });

  test('a hit takes no probe of a breaker that is half open', async () => {
    const leaf = T('a', { model: fresh('gpt-4o').replace(' ', '-'), circuit_breaker: { threshold: 1, cooldown_ms: 50, probes: 1 } }), config = { cache: { mode: 'simple' }, ...leaf };
    const q = said(fresh()), go = (body) => ask(body, {}, '/v1/chat/completions', { config });
    assert.equal((await go(q)).cache, 'miss');
    f.at.a.handler = fails(500);
    assert.equal((await go(said(fresh()))).status, 500);
    f.at.a.handler = well;
    await sleep(80);
    for (let i = 0; i < 3; i++) assert.equal((await go(q)).cache, 'hit');
    assert.equal((await go(said(fresh()))).status, 200);
    // closed again by that one call: a fallback beside it would not be taken
    const beside = { cache: { mode: 'simple' }, strategy: { mode: 'fallback' }, targets: [leaf, T('b')] };
    assert.equal((await ask(said(fresh()), {}, '/v1/chat/completions', { config: beside })).by, 'a');
  });
});

describe('what is never kept', () => {
  const never = async (handler, body = {}, check = () => {}) => {
    const q = said(fresh(), body);
    f.at.a.handler = handler;
    const first = await ask(q, on).catch((e) => e);
    check(first);
    f.at.a.handler = numbered();
    const second = await ask(q, on);
    assert.equal(second.cache, 'miss', `kept: ${first.status} ${first.text}`);
    assert.equal(second.status, 200);
    assert.equal((await ask(q, on)).cache, 'hit');
  };
  const json = (o, headers = {}) => (call, res) => {
    res.writeHead(200, { 'content-type': 'application/json', ...headers });
    res.end(typeof o === 'string' ? o : JSON.stringify(o));
  };
  const parts = chunks('gpt-4o', ['Hello', ' from', ' fake']).map((c) => sse(c));

  for (const status of [400, 401, 403, 404, 408, 429, 500, 503]) test(`an answer of ${status}`, () => never(fails(status), {}, (r) => assert.equal(r.status, status)));
  test('a provider that cannot be reached, or breaks off', async () => {
    await never(breaks());
    await never((call, res) => {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
      res.write('{"id":"x","choices":[');
      setTimeout(() => res.destroy(), 20);
    });
  });
  test('a 200 that tells of an error, or is none of it', async () => {
    await never(json({ error: { message: 'upstream is down', code: 502 } }));
    await never(json('<html>sign in first</html>', { 'content-type': 'text/html' }));
    await never(json(''));
    await never((call, res) => {
      res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      res.end(Buffer.from('1f8b08000000000000034b04000000ffff0300', 'hex'));
    });
    await never(json('{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assist', { connection: 'close' }));
  });
  test('a stream that is cut, tells of an error, says nothing, or cannot be read', async () => {
    const stream = { stream: true };
    await never(streams(parts.slice(0, 2), { end: 'cut' }), stream);
    await never(streams(parts.slice(0, 2)), stream);
    await never(streams([...parts.slice(0, 2), sse({ error: { message: 'overloaded', type: 'server_error' } }), sse('[DONE]')]), stream);
    await never(streams([sse('[DONE]')]), stream);
    await never(streams(['']), stream);
  });
  test("an answer whose client went, also when it had begun", async () => {
    for (const stream of [false, true]) {
      const q = said(fresh(), { stream }), stop = new AbortController();
      f.at.a.handler = stream ? streams(parts.slice(0, 3), { end: 'hang' }) : hangs();
      const gone = f.post('/v1/chat/completions', q, { headers: on, signal: stop.signal }).then((r) => r.text());
      await until('it arrived', () => f.at.a.calls.length === 1);
      stop.abort();
      await assert.rejects(gone);
      f.reset();
      assert.equal((await ask(q, on)).cache, 'miss');
      f.reset();
    }
  });
  test('an answer that is too large passes whole', async () => {
    for (const stream of [false, true]) {
      const text = 'y'.repeat(9 << 20), q = said(fresh(), { stream });
      f.at.a.handler = (call, res) => {
        res.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
        if (!stream) return res.end(JSON.stringify(completion('gpt-4o', text)));
        for (let i = 0; i < 9; i++) for (const c of chunks('gpt-4o', [text.slice(0, 1 << 20)]).slice(i ? 1 : 0, i === 8 ? undefined : 2)) res.write(sse(c));
        res.end(sse('[DONE]'));
      };
      for (let i = 0; i < 2; i++) {
        const r = await ask(q, on);
        assert.equal(r.cache, 'miss');
        assert.ok(r.clean && r.raw.length > 9 << 20);
      }
      f.reset();
    }
  });
  test('what others of the worker sent meanwhile does not get into what is kept', async () => {
    // the head comes alone, then other traffic passes through the same buffers, then the body
    const q = said(fresh()), open = gate((() => () => (call, res) => void res.end(JSON.stringify(completion('gpt-4o', 'late'))))());
    f.at.a.handler = async (call, res, p) => {
      if (call.json.messages[0].content !== q.messages[0].content) return false;
      res.writeHead(200, { 'content-type': 'application/json', 'x-marked': 'M'.repeat(300), 'x-second': 'S'.repeat(300) });
      res.flushHeaders();
      return open.handler(call, res, p);
    };
    const first = ask(q, on);
    await until('it began', () => f.at.a.calls.length === 1);
    for (let i = 0; i < 20; i++) await ask(said(fresh('other traffic '.repeat(50))));
    open.open();
    assert.equal((await first).status, 200);
    const hit = await ask(q, on);
    assert.equal(hit.cache, 'hit');
    assert.equal(hit.headers.get('x-marked'), 'M'.repeat(300));
    assert.equal(hit.headers.get('x-second'), 'S'.repeat(300));
  });
  test("one call's own header fields do not come again", async () => {
    f.at.a.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json', 'x-request-id': 'up', 'x-ratelimit-remaining-requests': '5', 'openai-processing-ms': '7', 'openai-version': '2020-10-01', date: 'Mon, 01 Jan 2024 00:00:00 GMT', 'set-cookie': 'a=b' });
      res.end(JSON.stringify(completion('gpt-4o', 'x')));
    };
    const q = said(fresh());
    await ask(q, on);
    const hit = await ask(q, on);
    for (const h of ['x-request-id', 'x-ratelimit-remaining-requests', 'openai-processing-ms', 'set-cookie']) assert.equal(hit.headers.get(h), null, h);
    assert.equal(hit.headers.get('openai-version'), '2020-10-01');
  });
});

describe('equal requests at once', () => {
  const HUNDRED = 100;
  const crowd = (q, count = HUNDRED, headers = on) => Array.from({ length: count }, () => ask(q, headers));
  const waiting = (count) => until(`${count} are in the proxy`, async () => (await metric('weir_requests_in_flight')) >= count || (await metric('weir_connections')) >= count);

  for (const stream of [false, true]) {
    test(`a hundred ${stream ? 'streams' : 'answers'} are one call`, async () => {
      const q = said(fresh(), { stream }), g = gate(() => numbered());
      f.at.a.handler = g.handler;
      const all = crowd(q);
      await waiting(HUNDRED);
      g.open();
      const answers = await Promise.all(all);
      assert.equal(f.at.a.calls.length, 1);
      assert.deepEqual([...new Set(answers.map((r) => r.text))], [answers[0].text]);
      const count = (s) => answers.filter((r) => r.cache === s).length;
      assert.equal(count('miss'), 1);
      assert.equal(count('coalesced') + count('hit'), HUNDRED - 1);
      assert.ok(count('coalesced') > 0);
      const events = await Promise.all(answers.map((r) => r.event()));
      const paid = events.filter((e) => e.cost_nanousd > 0);
      assert.equal(paid.length, 1);
      for (const e of events.filter((x) => x !== paid[0])) assert.deepEqual([e.attempts.length, e.saved_nanousd], [0, paid[0].cost_nanousd]);
    });
  }

  test('when the one that leads fails, each calls by itself and none hangs', async () => {
    const q = said(fresh()), g = gate(() => fails(503));
    f.at.a.handler = inTurn(g.handler, well);
    const all = crowd(q, 20);
    await waiting(20);
    g.open();
    const answers = await Promise.all(all);
    assert.equal(answers.filter((r) => r.status === 503).length, 1);
    assert.equal(answers.filter((r) => r.status === 200).length, 19);
    assert.ok(f.at.a.calls.length <= 20);
  });

  test('when the client of the one that leads goes, another of them leads the others', async () => {
    for (const stream of [false, true]) {
      f.reset();
      const q = said(fresh(), { stream }), g = gate(() => numbered()), stop = new AbortController();
      f.at.a.handler = inTurn(hangs(), g.handler);
      const leader = f.post('/v1/chat/completions', q, { headers: on, signal: stop.signal });
      await until('it leads', () => f.at.a.calls.length === 1);
      const all = crowd(q, 30);
      await waiting(30);
      stop.abort();
      await assert.rejects(leader);
      await until('the next one leads', () => f.at.a.calls.length === 2);
      g.open();
      const answers = await Promise.all(all);
      assert.equal(f.at.a.calls.length, 2);
      assert.deepEqual([...new Set(answers.map((r) => r.status))], [200]);
      assert.equal(answers.filter((r) => r.cache === 'miss').length, 1);
    }
  });

  test('those who wait may go, and the rest gets its answer', async () => {
    const q = said(fresh()), g = gate(() => numbered()), stop = new AbortController();
    f.at.a.handler = g.handler;
    const leader = ask(q, on);
    await until('it leads', () => f.at.a.calls.length === 1);
    const going = Array.from({ length: 20 }, () => f.post('/v1/chat/completions', q, { headers: on, signal: stop.signal }));
    const staying = crowd(q, 5);
    await waiting(26);
    stop.abort();
    for (const r of await Promise.allSettled(going)) assert.equal(r.status, 'rejected');
    g.open();
    for (const r of await Promise.all([leader, ...staying])) assert.equal(r.status, 200);
    assert.equal(f.at.a.calls.length, 1);
  });

  test('a client that takes nothing of its answer holds nobody else up', async () => {
    const q = said(fresh(), { stream: true });
    const big = (call, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let i = 0; i < 7; i++) for (const c of chunks('gpt-4o', ['z'.repeat(1 << 20)]).slice(i ? 1 : 0, i === 6 ? undefined : 2)) res.write(sse(c));
      res.end(sse('[DONE]'));
    };
    f.at.a.handler = inTurn(big, numbered());
    const body = JSON.stringify(q), url = new URL(f.proxy.url);
    const slow = http.request({ host: url.hostname, port: url.port, method: 'POST', path: '/v1/chat/completions', headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}`, ...on } });
    slow.on('error', () => {});
    const answered = new Promise((r) => slow.once('response', r));
    slow.end(body);
    const res = await answered;
    res.on('error', () => {});
    res.pause();
    const began = Date.now(), others = await Promise.all(crowd(q, 5));
    assert.ok(Date.now() - began < 12000, `${Date.now() - began} ms`);
    assert.equal(f.at.a.calls.length, 2);
    for (const r of others) assert.equal(r.status, 200);
    slow.destroy();
  });

  test('an answer that turns out too large is not waited for', async () => {
    const q = said(fresh(), { stream: true });
    let open;
    const opened = new Promise((r) => (open = r));
    f.at.a.handler = inTurn(async (call, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let i = 0; i < 9; i++) for (const c of chunks('gpt-4o', ['w'.repeat(1 << 20)]).slice(i ? 1 : 0, 2)) res.write(sse(c));
      await opened;
      res.end(sse('[DONE]'));
    }, numbered());
    const leader = ask(q, on);
    await until('it leads', () => f.at.a.calls.length === 1);
    const others = await Promise.all(crowd(q, 3));
    for (const r of others) assert.equal(r.status, 200);
    open();
    await leader;
  });

  test('hedged, held back, retried: kept is what went out', async () => {
    const go = (config, q) => ask(q, {}, '/v1/chat/completions', { config });
    for (const stream of [false, true]) {
      f.reset();
      const hedged = { cache: { mode: 'simple' }, strategy: { mode: 'hedge', after_ms: 30 }, targets: [T('a'), T('b')] };
      f.at.a.handler = hangs();
      const q = said(fresh(), { stream }), first = await go(hedged, q);
      assert.deepEqual([first.by, first.cache], ['b', 'miss']);
      f.at.a.handler = well;
      const again = await go(hedged, q);
      assert.deepEqual([again.by, again.cache, again.text], ['b', 'hit', first.text]);
      f.reset();
      const retried = { cache: { mode: 'simple' }, retry: { attempts: 2, base_ms: 1 }, ...T('a') };
      f.at.a.handler = inTurn(stream ? streams([sse({ error: { message: 'no', type: 'server_error' } })]) : fails(500), later(10));
      const r = said(fresh(), { stream }), second = await go(retried, r), third = await go(retried, r);
      assert.deepEqual([second.status, third.cache, third.text], [200, 'hit', second.text], second.text);
    }
  });

  test('nothing is left behind', async () => {
    await until('no request is under way', async () => (await metric('weir_requests_in_flight')) === 0);
  });
});

describe("the providers' SDKs read what comes again", () => {
  let fake, proxy;
  const sdkKey = 'cache-sdk-key', headers = on;
  before(async () => {
    fake = await fakeDialects();
    proxy = await startStandalone(`
version: 1
providers:${providerYaml(fake.url)}
models:
${Object.entries(TARGETS).map(([name, target]) => `  - {name: ${name}, targets: [${target}]}`).join('\n')}
keys: [{name: sdk, secret: ${sdkKey}}]
`, { workers: 2 });
  });
  after(async () => {
    await proxy?.end();
    await fake?.close();
  });

  const tool = { name: 'get_weather', description: 'd', parameters: { type: 'object', properties: { city: { type: 'string' } } } };
  const CLIENTS = {
    openai: {
      client: () => new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: sdkKey, maxRetries: 0, defaultHeaders: headers }),
      async ask(c, model, text, stream) {
        const q = { model, messages: [{ role: 'user', content: text }], tools: [{ type: 'function', function: tool }] };
        if (!stream) return (await c.chat.completions.create(q)).choices;
        const all = [];
        for await (const x of await c.chat.completions.create({ ...q, stream: true, stream_options: { include_usage: true } })) all.push([x.choices, x.usage]);
        return all;
      },
    },
    'openai responses': {
      client: () => new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: sdkKey, maxRetries: 0, defaultHeaders: headers }),
      async ask(c, model, text, stream) {
        const q = { model, input: text, tools: [{ type: 'function', strict: false, ...tool }] };
        const r = stream ? await c.responses.stream(q).finalResponse() : await c.responses.create(q);
        return [r.output, r.usage, r.status];
      },
    },
    '@anthropic-ai/sdk': {
      client: () => new Anthropic({ baseURL: proxy.url, apiKey: sdkKey, maxRetries: 0, defaultHeaders: headers }),
      async ask(c, model, text, stream) {
        const q = { model, max_tokens: 100, messages: [{ role: 'user', content: text }], tools: [{ name: tool.name, description: 'd', input_schema: tool.parameters }] };
        const r = stream ? await c.messages.stream(q).finalMessage() : await c.messages.create(q);
        return [r.content, r.usage, r.stop_reason];
      },
    },
    '@google/genai': {
      client: () => new GoogleGenAI({ apiKey: sdkKey, httpOptions: { baseUrl: proxy.url, headers, retryOptions: { attempts: 1 } } }),
      async ask(c, model, text, stream) {
        const q = { model, contents: [{ role: 'user', parts: [{ text }] }], config: { tools: [{ functionDeclarations: [{ name: tool.name, description: 'd', parametersJsonSchema: tool.parameters }] }] } };
        if (!stream) return (await c.models.generateContent(q)).candidates;
        const all = [];
        for await (const x of await c.models.generateContentStream(q)) all.push([x.candidates, x.usageMetadata]);
        return all;
      },
    },
    '@aws-sdk/client-bedrock-runtime': {
      client() {
        const c = new BedrockRuntimeClient({ endpoint: proxy.url, region: 'us-east-1', credentials: { accessKeyId: sdkKey, secretAccessKey: 'anything' }, maxAttempts: 1 });
        c.middlewareStack.add((next) => (args) => {
          args.request.headers['x-weir-cache'] = 'on';
          return next(args);
        }, { step: 'build' });
        return c;
      },
      close: (c) => c.destroy(),
      async ask(c, modelId, text, stream) {
        const q = { modelId, messages: [{ role: 'user', content: [{ text }] }], toolConfig: { tools: [{ toolSpec: { name: tool.name, description: 'd', inputSchema: { json: tool.parameters } } }] } };
        if (!stream) return (({ output, usage, stopReason }) => [output, usage, stopReason])(await c.send(new ConverseCommand(q)));
        const all = [];
        for await (const e of (await c.send(new ConverseStreamCommand(q))).stream) all.push(e);
        return all;
      },
    },
  };
  for (const [name, c] of Object.entries(CLIENTS)) {
    test(`${name}: text and tool calls, whole and streamed, from every provider`, async () => {
      const client = c.client();
      try {
        for (const target of Object.keys(TARGETS)) {
          for (const stream of [false, true]) {
            for (const text of ['Hi', 'weather in both?']) {
              const from = fake.calls.length;
              const first = await c.ask(client, target, text, stream), second = await c.ask(client, target, text, stream);
              assert.deepEqual(second, first, `${target} ${stream} ${text}`);
              assert.equal(fake.calls.length - from, 1, `${target}, stream ${stream}, ${text}: not kept`);
            }
          }
        }
      } finally {
        c.close?.(client);
      }
    });
  }

  test('InvokeModel streams, and Gemini\'s array without SSE', async () => {
    const client = CLIENTS['@aws-sdk/client-bedrock-runtime'].client();
    const from = fake.calls.length, texts = [];
    for (let i = 0; i < 2; i++) {
      let text = '';
      const body = JSON.stringify({ anthropic_version: 'bedrock-2023-05-31', max_tokens: 4000, messages: [{ role: 'user', content: 'Hi' }] });
      for await (const e of (await client.send(new InvokeModelWithResponseStreamCommand({ modelId: 'to-bedrock', contentType: 'application/json', body }))).body) text += Buffer.from(e.chunk.bytes);
      texts.push(text);
    }
    client.destroy();
    assert.equal(texts[0], texts[1]);
    assert.equal(fake.calls.length - from, 1);
    const before = fake.calls.length, answers = [];
    for (let i = 0; i < 2; i++) {
      const r = await fetch(`${proxy.url}/v1beta/models/to-chat:streamGenerateContent`, { method: 'POST', headers: { ...on, 'content-type': 'application/json', 'x-goog-api-key': sdkKey }, body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] }) });
      answers.push([r.headers.get('x-weir-cache'), await r.json()]);
    }
    assert.deepEqual([answers[0][0], answers[1][0]], ['miss', 'hit']);
    assert.deepEqual(answers[0][1], answers[1][1]);
    assert.ok(Array.isArray(answers[1][1]));
    assert.equal(fake.calls.length - before, 1);
  });

  test('a stream that breaks off, or reports an error, in any dialect is not kept', async () => {
    for (const name of ['openai', '@anthropic-ai/sdk', '@google/genai', '@aws-sdk/client-bedrock-runtime', 'openai responses']) {
      const client = CLIENTS[name].client();
      for (const target of Object.keys(TARGETS)) {
        for (const text of ['cut', 'broken']) {
          const from = fake.calls.length;
          for (let i = 0; i < 2; i++) await CLIENTS[name].ask(client, target, text, true).catch(() => {});
          assert.equal(fake.calls.length - from, 2, `${name} ${target} ${text}: kept`);
        }
      }
      CLIENTS[name].close?.(client);
    }
  });
});

describe('embeddings and rerankings', () => {
  test('are kept like chats', async () => {
    f.at.a.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ object: 'list', model: 'text-embedding-3-small', data: [{ object: 'embedding', index: 0, embedding: [0.25, call.json.input.length] }], usage: { prompt_tokens: 3, total_tokens: 3 } }));
    };
    const q = { model: 'a/text-embedding-3-small', input: fresh('text'), encoding_format: 'float' };
    const first = await ask(q, on, '/v1/embeddings'), second = await ask(q, on, '/v1/embeddings');
    assert.deepEqual([first.status, first.cache, second.cache, second.text], [200, 'miss', 'hit', first.text]);
    assert.equal((await ask({ ...q, dimensions: 2 }, on, '/v1/embeddings')).cache, 'miss');
    assert.equal((await second.event()).saved_nanousd, (await first.event()).cost_nanousd);
  });
});
