// What a proxy remembers of its targets: breakers, cooldowns, the turns of several keys, and the limits that providers tell of.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { after as later, fails, hangs, M, startFleet, T, up, well } from './harness/fleet.mjs';
import { until } from './harness/process.mjs';

let f;
const KEYS = ['sk-key-number-0', 'sk-key-number-1', 'sk-key-number-2'];
const S = (mode, targets, more = {}) => ({ strategy: { mode, ...more }, targets });
const F = (...targets) => S('fallback', targets);
const by = async (config, n = 1, body) => {
  const list = [];
  for (let i = 0; i < n; i++) {
    const r = await f.chat(config, body);
    list.push(r.status === 200 ? r.by : r.status);
  }
  return n === 1 ? list[0] : list;
};
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const ok = (headers) => (call, res) => {
  for (const [k, v] of Object.entries(headers)) res.setHeader(k, v);
  return false;
};
const keyOf = (call) => KEYS.indexOf(call.headers.authorization.slice(7));

before(async () => {
  f = await startFleet({ a: 'openai', b: 'openai', c: 'openai', keyed: { kind: 'openai', keys: KEYS }, an: 'anthropic' }, { workers: 2 });
});
after(async () => {
  const log = f?.log() ?? '';
  await f?.end();
  for (const k of KEYS) assert.ok(!log.includes(k), 'a key stands in the log');
});
beforeEach(() => f.reset());

describe('breakers', () => {
  const B = (name, breaker) => T(name, { circuit_breaker: { cooldown_ms: 60000, minimum_requests: 3, ...breaker } });
  test('threshold failures open it; then the target is passed over, by every config', async () => {
    f.at.a.handler = fails(500);
    const config = () => F(B('a', { threshold: 3 }), T('b'));
    assert.deepEqual(await by(config(), 10), Array(10).fill('b'));
    assert.deepEqual(f.calls(), { a: 3, b: 10 });
    f.at.a.handler = well;
    assert.equal(await by(S('weighted', [T('a', { weight: 1000000 }), T('b')])), 'b');
    assert.equal(f.at.a.calls.length, 3);
    // another model of the same provider is another target
    assert.equal(await by(F(T('a', { model: `${M('a')}.other` }), T('b'))), 'a');
  });

  test('by percent, once there are enough requests', async () => {
    let n = 0;
    f.at.a.handler = (call, res) => (n++ % 2 ? false : fails(500)(call, res));
    const config = F(B('a', { percent: 50, minimum_requests: 6 }), T('b'));
    await by(config, 12);
    assert.ok(f.at.a.calls.length >= 6 && f.at.a.calls.length <= 7, `opened after ${f.at.a.calls.length} calls`);
    // quiet: fewer failures than the percentage
    f.reset();
    n = 1;
    f.at.a.handler = (call, res) => (n++ % 4 ? false : fails(500)(call, res));
    await by(F(B('a', { percent: 50, minimum_requests: 6 }), T('b')), 20);
    assert.equal(f.at.a.calls.length, 20);
  });

  test('without one, half of ten open it; false switches it off', async () => {
    f.at.a.handler = fails(500);
    await by(F(T('a'), T('b')), 15);
    assert.equal(f.at.a.calls.length, 10);
    f.reset();
    f.at.a.handler = fails(500);
    await by(F(T('a', { circuit_breaker: false }), T('b')), 15);
    assert.equal(f.at.a.calls.length, 15);
  });

  test('only its own statuses count, and never a mistake of the client', async () => {
    f.at.a.handler = fails(500);
    await by(F(B('a', { threshold: 2, on_status_codes: [503] }), T('b')), 6);
    assert.equal(f.at.a.calls.length, 6);
    f.at.a.handler = fails(503);
    await by(F(B('a', { threshold: 2, on_status_codes: [503] }), T('b')), 6);
    assert.equal(f.at.a.calls.length, 8);
    f.reset();
    f.at.a.handler = fails(400);
    await by(F(B('a', { threshold: 2 }), T('b')), 6);
    assert.equal(f.at.a.calls.length, 6);
    f.reset();
    f.at.a.handler = hangs();
    for (let i = 0; i < 4; i++) {
      const gone = new AbortController();
      const asked = f.chat(F(B('a', { threshold: 2 }), T('b')), {}, { signal: gone.signal }).catch(() => {});
      await until('it arrived', () => f.at.a.calls.length === i + 1);
      gone.abort();
      await asked;
      await until('it was given up', () => f.at.a.gone === i + 1);
    }
    f.at.a.handler = well;
    assert.equal(await by(F(B('a', { threshold: 2 }), T('b'))), 'a');
  });

  test("Portkey's cb_config is the same", async () => {
    f.at.a.handler = fails(500);
    const config = S('fallback', [T('a'), T('b')], { cb_config: { failure_threshold: 3, cooldown_interval: 30000, failure_status_codes: [500] } });
    assert.deepEqual(await by(config, 6), Array(6).fill('b'));
    assert.equal(f.at.a.calls.length, 3);
  });

  test('after its cooldown one request at a time probes it; successes in a row close it', async () => {
    const config = F(B('a', { threshold: 2, cooldown_ms: 300, probes: 2 }), T('b'));
    f.at.a.handler = fails(500);
    await by(config, 3);
    assert.equal(f.at.a.calls.length, 2);
    f.at.a.handler = later(200);
    await sleep(320);
    const many = await Promise.all(Array.from({ length: 12 }, () => by(config)));
    assert.equal(many.filter((x) => x === 'a').length, 1, many.join());
    assert.equal(await by(config), 'a'); // the second probe
    f.at.a.handler = later(50);
    const all = await Promise.all(Array.from({ length: 12 }, () => by(config)));
    assert.deepEqual(all, Array(12).fill('a'));
  });

  test('a probe that fails opens it again, for longer', async () => {
    const config = F(B('a', { threshold: 2, cooldown_ms: 300 }), T('b'));
    f.at.a.handler = fails(500);
    await by(config, 2);
    await sleep(320);
    assert.equal(await by(config), 'b'); // the probe failed, and the request went on
    assert.equal(f.at.a.calls.length, 3);
    f.at.a.handler = well;
    await sleep(320);
    assert.equal(await by(config), 'b'); // twice as long now
    await sleep(320);
    assert.equal(await by(config), 'a');
  });

  test('where all are open, the one that reopens first is tried all the same', async () => {
    f.at.a.handler = f.at.b.handler = fails(500);
    const config = F(B('a', { threshold: 2, cooldown_ms: 60000 }), B('b', { threshold: 2, cooldown_ms: 30000 }));
    await by(config, 2);
    assert.deepEqual(f.calls(), { a: 2, b: 2 });
    assert.equal(await by(config), 500);
    assert.deepEqual(f.calls(), { a: 2, b: 3 }); // and no other: it would only add to the outage
    f.at.b.handler = well;
    assert.equal(await by(config), 'b');
  });

  test('an alias with several targets has them as well', async () => {
    f.at.a.handler = fails(500);
    const config = S('weighted', [T('a'), T('b')]);
    await by(config, 60);
    assert.ok(f.at.a.calls.length <= 10, String(f.at.a.calls.length));
  });
});

describe('cooldowns', () => {
  test("a 429's Retry-After keeps the target out for so long", async () => {
    f.at.a.handler = fails(429, { headers: { 'retry-after-ms': '700' } });
    const config = F(T('a'), T('b'));
    assert.deepEqual(await by(config, 3), ['b', 'b', 'b']);
    assert.equal(f.at.a.calls.length, 1);
    f.at.a.handler = well;
    await sleep(720);
    assert.equal(await by(config), 'a');
  });

  test("a 503's too; a 500 without one does not", async () => {
    f.at.a.handler = fails(503, { headers: { 'retry-after': '30' } });
    await by(F(T('a'), T('b')), 3);
    assert.equal(f.at.a.calls.length, 1);
    f.reset();
    f.at.a.handler = fails(500);
    await by(F(T('a'), T('b')), 3);
    assert.equal(f.at.a.calls.length, 3);
  });

  test('alone it is tried all the same', async () => {
    f.at.a.handler = fails(429, { headers: { 'retry-after': '30' } });
    assert.equal(await by(T('a')), 429);
    f.at.a.handler = well;
    assert.equal(await by(T('a')), 'a');
  });
});

describe('several keys', () => {
  const config = (more) => T('keyed', more);
  test('take turns', async () => {
    for (let i = 0; i < 30; i++) assert.equal(await by(config()), 'keyed');
    const used = f.at.keyed.calls.map(keyOf);
    for (const k of [0, 1, 2]) assert.ok(used.filter((x) => x === k).length >= 5, used.join());
  });

  test('one that is refused is put aside, and the request goes on with another', async () => {
    f.at.keyed.handler = (call, res) => (keyOf(call) === 1 ? fails(401, { message: `Incorrect API key provided: ${KEYS[1]}` })(call, res) : false);
    const results = [];
    for (let i = 0; i < 12; i++) results.push(await f.chat(config({ circuit_breaker: false })));
    assert.ok(results.every((r) => r.status === 200), results.map((r) => r.status).join());
    const refused = f.at.keyed.calls.filter((c) => keyOf(c) === 1).length;
    assert.equal(refused, 1);
    assert.equal(f.at.keyed.calls.length, 13);
    const two = (await Promise.all(results.map((r) => r.event()))).filter((e) => e.attempts.length === 2);
    assert.equal(two.length, 1);
    assert.deepEqual(two[0].attempts.map((t) => [t.status, t.kind]), [[401, ''], [200, 'credential']]);
    assert.equal(two[0].attempts[0].credential, 1);
    assert.notEqual(two[0].attempts[1].credential, 1);
  });

  test('without any routing config as well', async () => {
    f.at.keyed.handler = (call, res) => (keyOf(call) === 0 ? fails(403)(call, res) : false);
    const model = M('direct');
    for (let i = 0; i < 6; i++) assert.equal((await f.chat(undefined, { model: `keyed/${model}` })).status, 200);
    assert.equal(f.at.keyed.calls.filter((c) => keyOf(c) === 0).length, 1);
  });

  test('a 429 with Retry-After rests that key only, and comes back', async () => {
    f.at.keyed.handler = (call, res) => (keyOf(call) === 2 ? fails(429, { headers: { 'retry-after-ms': '600' } })(call, res) : false);
    for (let i = 0; i < 9; i++) assert.equal(await by(config()), 'keyed');
    assert.equal(f.at.keyed.calls.filter((c) => keyOf(c) === 2).length, 1);
    f.at.keyed.handler = well;
    await sleep(650);
    for (let i = 0; i < 9; i++) await by(config());
    assert.ok(f.at.keyed.calls.filter((c) => keyOf(c) === 2).length >= 2);
  });

  test('when all are refused the client learns it, after each was asked once; another target follows', async () => {
    f.at.keyed.handler = fails(401);
    assert.equal(await by(config()), 401);
    assert.deepEqual(f.at.keyed.calls.map(keyOf).sort(), [0, 1, 2]);
    f.reset();
    f.at.keyed.handler = fails(401);
    assert.equal(await by(F(config(), T('b'))), 'b');
    assert.deepEqual(f.calls(), { keyed: 3, b: 1 });
  });

  test('with one key nothing is rotated; a server error does not change keys', async () => {
    f.at.a.handler = fails(401);
    assert.equal(await by(T('a')), 401);
    assert.equal(f.at.a.calls.length, 1);
    f.at.keyed.handler = fails(500);
    assert.equal(await by(config()), 500);
    assert.equal(f.at.keyed.calls.length, 1);
  });

  test('a stream that is refused goes on with another key', async () => {
    f.at.keyed.handler = (call, res) => (keyOf(call) !== 0 ? fails(401)(call, res) : false);
    for (let i = 0; i < 3; i++) {
      const r = await f.chat(config(), { stream: true });
      assert.ok(r.text.includes('[DONE]'), r.text);
    }
  });
});

describe('limits that are told', () => {
  const small = { messages: [{ role: 'user', content: 'Hi' }] };
  const large = { messages: [{ role: 'user', content: 'word '.repeat(4000) }] };
  test('no request left: the next goes elsewhere before any 429, until the reset', async () => {
    f.at.a.handler = ok({ 'x-ratelimit-limit-requests': '10', 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '700ms' });
    const config = F(T('a'), T('b'));
    assert.deepEqual(await by(config, 3), ['a', 'b', 'b']);
    f.at.a.handler = well;
    await sleep(720);
    assert.equal(await by(config), 'a');
  });

  test('some left: used up by what is sent, not before', async () => {
    f.at.a.handler = ok({ 'x-ratelimit-remaining-requests': '3', 'x-ratelimit-reset-requests': '30s' });
    const config = F(T('a'), T('b'));
    assert.equal(await by(config), 'a');
    f.at.a.handler = well; // tells no more
    assert.deepEqual(await by(config, 5), ['a', 'a', 'a', 'b', 'b']);
  });

  test('tokens: what does not fit goes elsewhere, what fits does not', async () => {
    f.at.a.handler = ok({ 'x-ratelimit-remaining-tokens': '1000', 'x-ratelimit-reset-tokens': '30s' });
    const config = F(T('a'), T('b'));
    assert.equal(await by(config, 1, small), 'a');
    assert.equal(await by(config, 1, large), 'b');
    assert.equal(await by(config, 1, small), 'a');
  });

  test("Anthropic's fields", async () => {
    f.at.an.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json', 'anthropic-ratelimit-requests-remaining': '0', 'anthropic-ratelimit-requests-limit': '50', 'anthropic-ratelimit-requests-reset': new Date(Date.now() + 30000).toISOString() });
      res.end(JSON.stringify({ id: 'msg_1', type: 'message', role: 'assistant', model: 'x', content: [{ type: 'text', text: 'Hello' }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } }));
    };
    assert.deepEqual(await by(F(T('an'), T('b')), 2), ['an', 'b']);
  });

  test('alone it is tried all the same, and in streams it is learned too', async () => {
    f.at.a.handler = ok({ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '30s' });
    assert.deepEqual(await by(T('a'), 2), ['a', 'a']);
    f.reset();
    f.at.a.handler = ok({ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '30s' });
    const config = F(T('a'), T('b'));
    assert.deepEqual(await by(config, 2, { stream: true }), ['a', 'a'].map((x, i) => (i ? 'b' : x)));
  });

  test('of several keys, the one with room is taken', async () => {
    f.at.keyed.handler = (call, res) => (keyOf(call) === 0 ? ok({ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '30s' })(call, res) : false);
    const model = M('room');
    for (let i = 0; i < 12; i++) assert.equal(await by(T('keyed', { model })), 'keyed');
    assert.equal(f.at.keyed.calls.filter((c) => keyOf(c) === 0).length, 1);
  });
});
