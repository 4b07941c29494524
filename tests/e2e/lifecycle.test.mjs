// Requests with more than one call under way when the proxy ends, its file changes, or the client goes: each is told so, each has its one event,
// and nothing is left in flight.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fails, hangs, inTurn, M, startFleet, streams, T, after as later, well } from './harness/fleet.mjs';
import { sse } from './harness/fake_provider.mjs';
import { until } from './harness/process.mjs';

const S = (mode, targets, more = {}) => ({ strategy: { mode, ...more }, targets });
const NOBODY = '00000000-0000-0000-0000-000000000000';
const role = sse({ model: 'm', choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] });

async function withFleet(args, run) {
  const f = await startFleet({ a: 'openai', b: 'openai', c: 'openai', d: 'openai', e: 'openai' }, { args, workers: 2 });
  f.all = () => readFileSync(f.proxy.eventsFile, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
  f.metric = async (name) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(await (await fetch(`${f.proxy.opsUrl}/metrics`)).text())[1]);
  f.inFlight = () => f.metric('weir_requests_in_flight');
  try {
    await run(f);
  } finally {
    await f.end();
  }
}

// One request in each state that waits for something. Resolves when all of them are there.
async function everyWait(f, { backOff = 30000 } = {}) {
  f.at.a.handler = hangs();
  f.at.b.handler = hangs();
  f.at.c.handler = fails(503);
  f.at.d.handler = streams([role], { end: 'hang' });
  f.at.e.handler = hangs();
  const asked = {
    hedged: f.chat(S('hedge', [T('a'), T('b')], { after_ms: 20 })),
    backing_off: f.chat(T('c', { retry: { attempts: 1, base_ms: 2 * backOff, max_ms: 2 * backOff }, circuit_breaker: false })),
    held: f.chat(S('fallback', [T('d'), T('a')]), { stream: true }),
    mirrored: f.chat(S('mirror', [T('a'), T('e')])),
    leading: f.chat({ cache: { mode: 'simple' }, ...T('e') }, { user: 'same' }),
  };
  await until('the leader calls', () => f.at.e.calls.length === 2);
  asked.following = f.chat({ cache: { mode: 'simple' }, ...T('e') }, { user: 'same' });
  await until('all calls', () => f.at.a.calls.length === 2 && f.at.b.calls.length === 1 && f.at.c.calls.length === 1 && f.at.d.calls.length === 1);
  await until('all requests', async () => (await f.inFlight()) === 6);
  return asked;
}

describe('the end of the proxy', () => {
  test('ends whatever waits, each with an answer and an event', () => withFleet(['--drain-timeout', '300ms'], async (f) => {
    const asked = await everyWait(f);
    await f.proxy.stop();
    const ended = Object.entries(await Promise.all(Object.values(asked)).then((l) => Object.fromEntries(Object.keys(asked).map((k, i) => [k, l[i]]))));
    for (const [name, r] of ended) assert.equal(r.status, 503, `${name}: ${r.status} ${r.text}`);
    const events = f.all();
    assert.equal(new Set(events.map((e) => e.id)).size, events.length);
    const ids = new Set(events.map((e) => `req_${e.id.replaceAll('-', '')}`));
    for (const [name, r] of ended) assert.ok(ids.has(r.id), `${name} has no event`);
    assert.equal(events.length, 7, 'six requests and a copy');
    assert.equal(events.filter((e) => e.mirror_of && e.mirror_of !== NOBODY).length, 1);
    for (const e of events) assert.ok(e.status > 0 && e.outcome !== 'ok', JSON.stringify(e));
    const hedged = events.find((e) => e.attempts.length === 2);
    assert.deepEqual(hedged.attempts.map((a) => a.kind), ['', 'hedge']);
    assert.ok(events.every((e) => e.attempts.every((a) => a.outcome !== 'unknown')));
  }));

  test('waits for those that come to their end in time', () => withFleet(['--drain-timeout', '20s'], async (f) => {
    f.at.a.handler = inTurn(fails(503), well);
    f.at.b.handler = later(400, well);
    const retried = f.chat(T('a', { retry: { attempts: 1, base_ms: 600, max_ms: 600, use_retry_after_header: true }, circuit_breaker: false }));
    const hedged = f.chat(S('hedge', [T('b'), T('c')], { after_ms: 150 }));
    await until('both', () => f.at.a.calls.length >= 1 && f.at.b.calls.length === 1);
    await f.proxy.stop();
    assert.equal((await retried).status, 200);
    assert.equal((await hedged).status, 200);
    assert.equal(f.all().length, 2);
  }));
});

test('clients that go in any state leave nothing behind', () => withFleet([], async (f) => {
  f.at.a.handler = hangs();
  f.at.b.handler = hangs();
  f.at.c.handler = fails(503);
  f.at.d.handler = streams([role], { end: 'hang' });
  f.at.e.handler = hangs();
  const configs = [
    S('hedge', [T('a'), T('b')], { after_ms: 5 }),
    T('c', { retry: { attempts: 1, base_ms: 60000, max_ms: 60000, budget_min: 1000 }, circuit_breaker: false }),
    S('fallback', [T('d'), T('a')]),
    { cache: { mode: 'simple' }, ...T('e') },
  ];
  for (let round = 0; round < 10; round++) {
    await Promise.all(configs.flatMap((config, i) => [0, 1, 2].map(async (k) => {
      const gone = new AbortController();
      setTimeout(() => gone.abort(), 10 + 30 * k);
      await assert.rejects(f.chat(config, { stream: i === 2 }, { signal: gone.signal }));
    })));
  }
  await until('nothing is in flight', async () => (await f.inFlight()) === 0);
  const came = await f.metric('weir_requests_total'); // a client may have gone before it was heard at all
  assert.ok(came > 60, String(came));
  const events = await until('all events', () => f.all().length >= came && f.all());
  assert.equal(events.length, came);
  assert.ok(events.every((e) => e.outcome === 'client_gone' && e.status === 499), JSON.stringify(events.find((e) => e.status !== 499)));
  f.reset();
  assert.equal((await f.chat(T('a'))).status, 200);
}));

test('a request that waits keeps what it began with when the file changes', () => withFleet([], async (f) => {
  f.at.a.handler = inTurn(fails(503, { headers: { 'retry-after-ms': '1500' } }), well);
  const retried = f.chat(S('fallback', [T('a', { retry: { attempts: 1, use_retry_after_header: true }, circuit_breaker: false }), T('b')]));
  await until('the first call', () => f.at.a.calls.length === 1);
  writeFileSync(f.proxy.file, `version: 1\nproviders:\n  - {name: b, kind: openai, base_url: "${f.at.b.url}/v1"}\nkeys:\n  - {name: other, secret: "wk-other"}\n`);
  f.proxy.program.signal('SIGHUP');
  await until('the new file', async () => (await fetch(`${f.proxy.url}/v1/models`, { headers: { authorization: 'Bearer wk-other' } })).status === 200);
  const r = await retried;
  assert.equal(r.status, 200, r.text);
  assert.equal(r.by, 'a');
}));

test('copies of large requests arrive whole, though their client has gone', () => withFleet(['--max-body', '16MiB'], async (f) => {
  const text = 'x'.repeat(10 << 20);
  f.at.b.handler = later(300, well);
  f.at.c.handler = later(300, fails(500));
  const answers = await Promise.all([1, 2, 3].map(() => f.chat(S('mirror', [T('a'), T('b'), T('c', { override_params: { user: 'copy' } })]), { messages: [{ role: 'user', content: text }] })));
  for (const r of answers) assert.equal(r.status, 200, r.text);
  const events = await until('every event', () => f.all().length === 9 && f.all());
  for (const name of ['b', 'c']) {
    assert.equal(f.at[name].calls.length, 3);
    for (const c of f.at[name].calls) {
      assert.equal(c.json.messages[0].content.length, text.length);
      assert.equal(c.json.model, M(name));
      assert.equal(c.json.user, name === 'c' ? 'copy' : undefined);
    }
  }
  const copies = events.filter((e) => e.mirror_of && e.mirror_of !== NOBODY);
  assert.equal(copies.length, 6);
  for (const r of answers) assert.equal(copies.filter((e) => `req_${e.mirror_of.replaceAll('-', '')}` === r.id).length, 2);
  assert.equal(await f.inFlight(), 0);
}));
