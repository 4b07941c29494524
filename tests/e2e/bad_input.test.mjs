// Bad input gets a clear answer in OpenAI's error shape with a request id, and never a crash.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { fakeProvider } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { freePorts, until } from './harness/process.mjs';

let proxy, provider, garbage, deadPort;
const KEY = 'test-key-of-our-own';
const body = (model = 'm', extra = {}) => ({ model, messages: [{ role: 'user', content: 'Hi' }], ...extra });

before(async () => {
  provider = await fakeProvider();
  garbage = net.createServer((s) => {
    s.on('error', () => {});
    s.once('data', () => s.end('SSH-2.0-not-http\r\n\r\n'));
  });
  await new Promise((r) => garbage.listen(0, '127.0.0.1', r));
  deadPort = await freePorts(1);
  proxy = await startStandalone(`
version: 1
providers:
  - {name: good, kind: openai, base_url: "${provider.url}/v1", api_key: sk-up}
  - {name: dead, kind: openai, base_url: "http://127.0.0.1:${deadPort}/v1", api_key: sk-up}
  - {name: junk, kind: openai, base_url: "http://127.0.0.1:${garbage.address().port}/v1", api_key: sk-up}
  - {name: slow, kind: openai, base_url: "${provider.url}/v1", api_key: sk-up, timeout_ms: 300}
models:
  - {name: m, targets: [{provider: good, model: m}]}
  - {name: dead, targets: [{provider: dead, model: m}]}
  - {name: junk, targets: [{provider: junk, model: m}]}
  - {name: slow, targets: [{provider: slow, model: slow}]}
keys:
  - {name: dev, secret: "${KEY}", models: ["*"]}
  - {name: narrow, secret: "narrow-key-0000", models: ["other*"]}
  - {name: off, secret: "disabled-key-000", disabled: true}
  - {name: old, secret: "expired-key-0000", expires_at: "2020-01-01T00:00:00Z"}
`, { args: ['--max-body', '1MiB', '--max-head', '16KiB', '--head-timeout', '700ms', '--body-timeout', '700ms'] });
});

after(async () => {
  await proxy?.end();
  await provider?.close();
  await new Promise((r) => garbage.close(r));
});

async function refused(promise, status, code) {
  const r = await promise;
  const text = await r.text();
  assert.equal(r.status, status, text);
  const { error } = JSON.parse(text);
  assert.equal(error.code, code);
  assert.ok(error.message.length > 0 && error.type.length > 0);
  assert.ok('param' in error);
  assert.match(r.headers.get('x-weir-request-id'), /^req_[0-9a-f]{32}$/);
  return error;
}

// One raw exchange; resolves with everything the proxy said until it closed.
function raw(chunks, { pauseMs = 0, timeoutMs = 8000 } = {}) {
  return new Promise((resolve, reject) => {
    const s = net.connect(Number(new URL(proxy.url).port), '127.0.0.1');
    let got = '';
    s.on('data', (d) => (got += d.toString('latin1')));
    s.on('close', () => resolve(got));
    s.on('error', () => {});
    s.setTimeout(timeoutMs, () => {
      s.destroy();
      reject(new Error(`not closed after ${timeoutMs} ms, got: ${got.slice(0, 200)}`));
    });
    (async () => {
      for (const c of chunks) {
        if (s.destroyed) return;
        s.write(c);
        if (pauseMs) await new Promise((r) => setTimeout(r, pauseMs));
      }
    })();
  });
}

test('unknown model is 404 and names the model', async () => {
  const error = await refused(proxy.chat(KEY, body('no-such-model')), 404, 'model_not_found');
  assert.equal(error.param, 'model');
  assert.match(error.message, /no-such-model/);
});

test('keys: none, wrong, mistyped, disabled, expired, not for this model', async () => {
  await refused(fetch(`${proxy.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body()) }), 401, 'missing_api_key');
  const error = await refused(proxy.chat('sk-of-somebody-else', body()), 401, 'invalid_api_key');
  assert.ok(!error.message.includes('sk-of-somebody-else'));
  await refused(proxy.chat(`wr_live_${'0'.repeat(33)}`, body()), 401, 'invalid_api_key');
  await refused(proxy.chat('disabled-key-000', body()), 401, 'api_key_disabled');
  await refused(proxy.chat('expired-key-0000', body()), 401, 'api_key_expired');
  await refused(proxy.chat('narrow-key-0000', body()), 403, 'model_not_allowed');
});

test('malformed JSON is 400 and tells where', async () => {
  const error = await refused(proxy.chat(KEY, '{"model":"m",\n "messages": [}'), 400, 'invalid_json');
  assert.match(error.message, /line 2, column 15|offset 28/);
  for (const bad of ['', '[]', 'null', '{"model":"m"', '{"model":"m"} x', '{"model":"m","model":"n"}', '{"mod\\u0065l":"m","model":"n"}', '{"model":"m\u0001"}', Buffer.from('{"model":"m\xff"}', 'latin1')]) {
    await refused(proxy.chat(KEY, bad), 400, 'invalid_json');
  }
  for (const [bad, param] of [['{}', 'model'], ['{"model":1}', 'model'], ['{"model":""}', 'model'], ['{"model":"m","stream":"yes"}', 'stream']]) {
    assert.equal((await refused(proxy.chat(KEY, bad), 400, 'invalid_field')).param, param);
  }
  await refused(proxy.chat(KEY, `{"model":"m","x":${'['.repeat(5000)}${']'.repeat(5000)}}`), 400, 'invalid_json');
});

test('a body over the limit is 413, declared or chunked', async () => {
  const big = 'x'.repeat(1100 * 1024);
  await refused(proxy.chat(KEY, big), 413, 'body_too_large');
  const answer = await raw([`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    ...Array.from({ length: 20 }, () => `10000\r\n${'y'.repeat(65536)}\r\n`)]);
  assert.match(answer, /^HTTP\/1\.1 413 /);
  assert.match(answer, /body_too_large/);
});

test('a header flood is 431', async () => {
  const answer = await raw([`GET /v1/models HTTP/1.1\r\nHost: x\r\n${'X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(1000)}\r\n`]);
  assert.match(answer, /^HTTP\/1\.1 431 /);
  assert.match(answer, /headers_too_large/);
  assert.match(answer, /x-weir-request-id: req_/i);
});

test('a slow-loris is cut off', async () => {
  const began = Date.now();
  const answer = await raw(Array.from({ length: 40 }, (_, i) => (i === 0 ? 'GET /v1/models HTTP/1.1\r\n' : `X-${i}: 1\r\n`)), { pauseMs: 100 });
  assert.ok(Date.now() - began < 3500);
  assert.match(answer, /^HTTP\/1\.1 408 |^$/);
  const slowBody = await raw([`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 100\r\n\r\n{`]);
  assert.match(slowBody, /^HTTP\/1\.1 408 |^$/);
});

test('what is not HTTP, and smuggling attempts, are 400 and the connection closes', async () => {
  const head = `POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer ${KEY}\r\n`;
  for (const bad of ['\x16\x03\x01\x02\x00', 'GET / HTTP/1.1\nHost: x\n\n', 'GET  / HTTP/1.1\r\nHost: x\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', 'GET / HTTP/9.9\r\nHost: x\r\n\r\n',
    `${head}Host: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, `${head}Host: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    `${head}Host: x\r\nContent-Length: +2\r\n\r\n{}`, `${head}Host: x\r\nTransfer-Encoding: gzip\r\n\r\n`, `${head}Host: x\r\nBad Name: 1\r\n\r\n`,
    `${head}Host: x\r\nX: 1\r\n folded\r\n\r\n`, `${head}Host: x\r\nHost: y\r\n\r\n`]) {
    const answer = await raw([bad]);
    assert.match(answer, /^HTTP\/1\.1 (400|501|505) /, JSON.stringify(bad));
    assert.equal(answer.match(/HTTP\/1\.1 /g).length, 1, 'one answer, then closed');
  }
});

test('an unreachable provider is 502, one that is silent 504, one that talks nonsense 502', async () => {
  await refused(proxy.chat(KEY, body('dead')), 502, 'upstream_unreachable');
  await refused(proxy.chat(KEY, body('junk')), 502, 'upstream_invalid_response');
  provider.handler = (call) => (call.json?.model === 'slow' ? true : false);
  await refused(proxy.chat(KEY, body('slow')), 504, 'upstream_timeout');
  provider.handler = () => false;
});

test('unknown paths and methods', async () => {
  const h = { authorization: `Bearer ${KEY}` };
  await refused(fetch(`${proxy.url}/v1/no/such`, { headers: h }), 404, 'not_found');
  const r = await fetch(`${proxy.url}/v1/chat/completions`, { headers: h });
  assert.equal(r.status, 405);
  assert.match(r.headers.get('allow'), /POST/);
  await r.text();
  await refused(fetch(`${proxy.url}/nobody/v1/x`, { headers: h }), 404, 'not_found').catch(() =>
    refused(fetch(`${proxy.url}/nobody/v1/x`, { headers: h }), 404, 'provider_not_found'));
});

test('the SDK raises its own classes', async () => {
  const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
  await assert.rejects(client.chat.completions.create(body()), OpenAI.AuthenticationError);
  const good = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: KEY, maxRetries: 0 });
  await assert.rejects(good.chat.completions.create(body('nope')), OpenAI.NotFoundError);
  await assert.rejects(good.chat.completions.create(body('dead')), OpenAI.InternalServerError);
});

test('it still serves, and refusals of known keys stand in the log of events', async () => {
  assert.equal((await proxy.chat(KEY, body())).status, 200);
  const { readFileSync } = await import('node:fs');
  await until('events', () => {
    const events = readFileSync(proxy.eventsFile, 'utf8').trim().split('\n').map((l) => JSON.parse(l));
    return events.some((e) => e.error_code === 'model_not_found' && e.outcome === 'refused') && events.some((e) => e.outcome === 'ok')
      && events.some((e) => e.outcome === 'timeout');
  });
});
