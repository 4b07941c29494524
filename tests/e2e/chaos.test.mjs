// Five targets, four of them sick each in its own way, and ten thousand requests, half of them streams: no client sees a failure while one
// target is healthy, the sick are not flooded, and every call that a provider got stands in the events exactly once.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { fakeChaos } from './harness/fake_chaos.mjs';
import { startStandalone } from './harness/planes.mjs';
import { build, until } from './harness/process.mjs';

const KEY = 'wk-chaos-key';
const small = /tsan/.test(build); // where every access is watched, the races are the same with fewer requests
const PARALLEL = small ? 16 : 64;
let fake, proxy;

const leaf = (name, more = {}) => ({ provider: `@${name}`, model: 'm', name, ...more });
const patient = { request_timeout: 1500 };
const CONFIGS = {
  'least latency': [10000, { strategy: { mode: 'least_latency' }, ...patient, targets: ['slow', 'flaky', 'limited', 'cutter', 'healthy'].map((n) => leaf(n)) }],
  'weighted with a breaker': [10000, { strategy: { mode: 'weighted' }, ...patient, circuit_breaker: { threshold: 5, percent: 30, minimum_requests: 5, cooldown_ms: 1000 }, targets: ['slow', 'flaky', 'limited', 'cutter', 'healthy'].map((n) => leaf(n)) }],
  'a chain of fallbacks': [10000, {
    strategy: { mode: 'fallback' }, ...patient, targets: [
      { strategy: { mode: 'fallback', on_status_codes: [408, 429, 500, 502] }, targets: [leaf('slow'), leaf('flaky', { retry: { attempts: 1, base_ms: 5 } })] },
      { strategy: { mode: 'round_robin' }, targets: [leaf('limited'), leaf('cutter')] }, leaf('healthy')],
  }],
};

before(async () => {
  fake = await fakeChaos();
});
after(() => fake?.close());

const agent = new http.Agent({ keepAlive: true, maxSockets: PARALLEL });
// leave: ms after which the client goes
function ask(port, stream, config, leave) {
  const body = `{"model":"any",${stream ? '"stream":true,' : ''}"messages":[{"role":"user","content":"Hi"}]}`;
  return new Promise((resolve) => {
    const req = http.request({ port, host: '127.0.0.1', path: '/v1/chat/completions', method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': body.length, authorization: `Bearer ${KEY}`, 'x-weir-config': config } }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (d) => (text += d));
      res.on('error', () => {});
      res.on('close', () => {
        const whole = stream ? text.includes('"All is "') && text.endsWith('data: [DONE]\n\n') && !text.includes('"error"') : text.includes('"All is well"');
        resolve({ ok: res.complete && res.statusCode === 200 && whole, id: res.headers['x-weir-request-id'], status: res.statusCode, text });
      });
    });
    req.on('error', (e) => resolve({ ok: false, status: 0, text: String(e) }));
    req.end(body);
    if (leave !== undefined) setTimeout(() => req.destroy(), leave);
  });
}

for (const [name, [full, config]] of Object.entries(CONFIGS)) {
  test(name, async (t) => {
    const n = small ? full / 10 : full;
    proxy = await startStandalone(`version: 1
providers:
${fake.names.map((p) => `  - {name: ${p}, kind: openai, base_url: "${fake.urls[p]}/v1", api_key: sk-up-${p}-key}`).join('\n')}
models: [{name: any, targets: [{provider: healthy, model: m}]}]
keys: [{name: dev, secret: "${KEY}"}]
`, { workers: 2, args: ['--log-level', 'error'] });
    try {
      await fake.reset();
      const port = Number(new URL(proxy.url).port), text = JSON.stringify(config), failures = [];
      const ids = new Set();
      let sent = 0;
      const began = performance.now();
      await Promise.all(Array.from({ length: PARALLEL }, async () => {
        while (sent < n) {
          const r = await ask(port, ++sent % 2 === 0, text);
          if (!r.ok) failures.push(r);
          ids.add(r.id);
        }
      }));
      const ms = performance.now() - began;
      const counts = await fake.counts();
      const calls = Object.values(counts).reduce((a, b) => a + b);
      const events = await until('every event', () => {
        const lines = readFileSync(proxy.eventsFile, 'utf8').split('\n').filter(Boolean);
        return lines.length >= n && lines.map((l) => JSON.parse(l));
      });
      const attempts = {};
      for (const e of events) for (const a of e.attempts) attempts[a.provider] = (attempts[a.provider] ?? 0) + 1;
      t.diagnostic(`${name}: ${n} requests in ${(ms / 1000).toFixed(1)} s (${Math.round((n / ms) * 1000)}/s), ${failures.length} failed for the client, ${calls} upstream calls (${(calls / n).toFixed(3)} a request): ${JSON.stringify(counts)}`);
      assert.equal(failures.length, 0, JSON.stringify(failures.slice(0, 3)));
      assert.ok(calls <= 1.2 * n, `${calls} upstream calls for ${n} requests: ${JSON.stringify(counts)}`);
      assert.equal(events.length, n);
      assert.equal(new Set(events.map((e) => e.id)).size, n);
      assert.ok(events.every((e) => e.outcome === 'ok' && e.attempts.at(-1).outcome === 'ok' && ids.has(`req_${e.id.replaceAll('-', '')}`)));
      for (const p of fake.names) assert.equal(attempts[p] ?? 0, counts[p], `${p}: attempts in events and calls that it got`);
      for (const p of ['flaky', 'limited', 'cutter']) assert.ok(counts[p] > 0, `${p} was never tried`);
    } finally {
      await proxy.end();
    }
  });
}

// The same with second calls, copies and retries in every nesting, and clients that leave at any moment: what was sent is accounted for all the same.
test('hedges, mirrors and clients that leave', async (t) => {
  const n = small ? 600 : 4000;
  const brief = { request_timeout: 300 };
  const configs = [
    { strategy: { mode: 'hedge', after_ms: 15 }, targets: [leaf('slow', brief), leaf('flaky'), leaf('healthy')] },
    { strategy: { mode: 'fallback' }, targets: [{ strategy: { mode: 'hedge', after_ms: 1 }, targets: [leaf('flaky'), leaf('cutter')] }, leaf('healthy')] },
    { strategy: { mode: 'mirror' }, targets: [{ strategy: { mode: 'fallback' }, targets: [leaf('cutter'), leaf('healthy')] }, leaf('healthy'), leaf('flaky'), leaf('cutter')] },
    { strategy: { mode: 'hedge', after_ms: 10 }, retry: { attempts: 1, base_ms: 10 }, targets: [{ strategy: { mode: 'weighted' }, targets: [leaf('slow', brief), leaf('cutter')] }, { strategy: { mode: 'round_robin' }, targets: [leaf('healthy'), leaf('limited')] }] },
  ].map((c) => JSON.stringify({ circuit_breaker: false, request_timeout: 5000, ...c }));
  proxy = await startStandalone(`version: 1
providers:
${fake.names.map((p) => `  - {name: ${p}, kind: openai, base_url: "${fake.urls[p]}/v1", api_key: sk-up-${p}-key}`).join('\n')}
models: [{name: any, targets: [{provider: healthy, model: m}]}]
keys: [{name: dev, secret: "${KEY}"}]
`, { workers: 2, args: ['--log-level', 'error'] });
  try {
    await fake.reset();
    const port = Number(new URL(proxy.url).port), stayed = new Set();
    const failures = [];
    let sent = 0, left = 0;
    const began = performance.now();
    await Promise.all(Array.from({ length: PARALLEL }, async () => {
      while (sent < n) {
        const i = ++sent;
        const leave = i % 5 === 0 ? Math.random() * 40 : undefined;
        const r = await ask(port, i % 2 === 0, configs[i % 4], leave);
        if (leave === undefined && i % 4 < 3 && !r.ok) failures.push({ ...r, config: i % 4, stream: i % 2 === 0 });
        if (r.id) stayed.add(r.id.replace('req_', ''));
        else left++;
      }
    }));
    const ms = performance.now() - began;
    const read = () => readFileSync(proxy.eventsFile, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
    const none = '00000000-0000-0000-0000-000000000000';
    await proxy.stop(); // what still runs ends here, with its event
    const events = read(), own = events.filter((e) => [null, none].includes(e.mirror_of)), copies = events.filter((e) => !own.includes(e));
    const counts = await fake.counts(), attempts = {};
    for (const e of events) for (const a of e.attempts) attempts[a.provider] = (attempts[a.provider] ?? 0) + 1;
    t.diagnostic(`hedges, mirrors and leavers: ${n} requests in ${(ms / 1000).toFixed(1)} s, ${left} left early, ${copies.length} copies, calls ${JSON.stringify(counts)}, attempts ${JSON.stringify(attempts)}`);
    for (const x of failures) x.event = events.find((e) => x.id?.includes(e.id.replaceAll('-', '')));
    assert.equal(failures.length, 0, JSON.stringify(failures));
    assert.equal(new Set(events.map((e) => e.id)).size, events.length);
    assert.ok(own.length <= n && own.length >= n - left, `${own.length} events for ${n} requests`);
    const known = new Set(own.map((e) => e.id.replaceAll('-', '')));
    for (const id of stayed) assert.ok(known.has(id), `${id} has no event`);
    for (const c of copies) assert.ok(c.attempts.length === 1 && c.attempts[0].kind === 'mirror' && known.has(c.mirror_of.replaceAll('-', '')));
    for (const p of fake.names) assert.ok(counts[p] <= (attempts[p] ?? 0), `${p}: ${counts[p]} calls, ${attempts[p]} attempts`);
    for (const e of own) assert.ok(e.attempts.length <= 16);
  } finally {
    await proxy.end();
  }
});
