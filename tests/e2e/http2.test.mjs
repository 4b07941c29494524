// Cleartext HTTP/2 by prior knowledge on the data plane's listener: what stock AWS SDKs speak, beside HTTP/1.1 on the same port.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { chunks, completion, fakeProvider, sse } from './harness/fake_provider.mjs';
import { startStandalone } from './harness/planes.mjs';
import { until } from './harness/process.mjs';

const KEY = 'http2-client-key';
let provider, proxy;

before(async () => {
  provider = await fakeProvider();
  proxy = await startStandalone(`
version: 1
providers: [{name: openai, kind: openai, base_url: "${provider.url}/v1", api_key: sk-test}]
models: [{name: gpt-4o, targets: [{provider: openai, model: gpt-4o}]}]
keys: [{name: dev, secret: ${KEY}}]
`, { workers: 1, args: ['--max-body', '4194304'] });
});

after(async () => {
  await proxy?.end();
  await provider?.close();
});

const connect = () => new Promise((resolve, reject) => {
  const session = http2.connect(proxy.url);
  session.once('connect', () => resolve(session)).once('error', reject);
});

// One request; resolves to { status, headers, body, error } when its stream closes.
function ask(session, body, { path = '/v1/chat/completions', method = 'POST', headers = {}, onData } = {}) {
  return new Promise((resolve) => {
    const stream = session.request({ ':method': method, ':path': path, authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers });
    const answer = { stream, body: '' };
    stream.setEncoding('utf8');
    stream.on('response', (h) => Object.assign(answer, { status: h[':status'], headers: h }));
    stream.on('data', (d) => {
      answer.body += d;
      onData?.(d, stream);
    });
    stream.on('error', (e) => (answer.error = e));
    stream.on('close', () => resolve({ ...answer, code: stream.rstCode }));
    stream.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  });
}

const chat = (text, more = {}) => ({ model: 'gpt-4o', messages: [{ role: 'user', content: text }], ...more });

describe('HTTP/2 by prior knowledge', () => {
  test('a whole answer, with headers in lower case and its length', async () => {
    const session = await connect();
    const a = await ask(session, chat('Hi'));
    assert.equal(a.status, 200);
    assert.match(a.headers['x-weir-request-id'], /^req_[0-9a-f]{32}$/);
    assert.equal(JSON.parse(a.body).choices[0].message.content, 'Hello from fake');
    const list = await ask(session, undefined, { method: 'GET', path: '/v1/models' });
    assert.equal(Number(list.headers['content-length']), Buffer.byteLength(list.body));
    session.close();
  });

  test('a hundred streams at once on one connection, each with its own answer and event', async () => {
    provider.handler = (call, res) => {
      const text = call.json.messages[0].content;
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const c of chunks('gpt-4o', [text, ' done'])) res.write(sse(c));
      res.end(sse('[DONE]'));
    };
    const session = await connect();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(session, chat(`number ${i}`, { stream: true }))));
    provider.handler = () => false;
    answers.forEach((a, i) => {
      assert.equal(a.status, 200);
      assert.ok(a.body.includes(`"content":"number ${i}"`), a.body);
      assert.ok(a.body.endsWith('data: [DONE]\n\n'));
    });
    assert.equal(new Set(answers.map((a) => a.headers['x-weir-request-id'])).size, 100);
    session.close();
  });

  test('bodies larger than every window pass both ways', async () => {
    const text = 'x'.repeat(3 << 20);
    provider.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify(completion('gpt-4o', call.json.messages[0].content)));
    };
    const session = await connect();
    const a = await ask(session, chat(text));
    provider.handler = () => false;
    assert.equal(JSON.parse(a.body).choices[0].message.content.length, text.length);
    session.close();
  });

  test('a client that reads slowly pauses the provider, and gets everything', async () => {
    const total = 2000;
    let written = 0, paused = false;
    provider.handler = async (call, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let i = 0; i < total; i++) {
        written = i;
        if (!res.write(sse(chunks('gpt-4o', ['y'.repeat(8000)])[1]))) {
          paused = true;
          await new Promise((r) => res.once('drain', r));
        }
      }
      res.end(sse('[DONE]'));
    };
    const session = await connect();
    const stream = session.request({ ':method': 'POST', ':path': '/v1/chat/completions', authorization: `Bearer ${KEY}` });
    stream.end(JSON.stringify(chat('go', { stream: true })));
    await new Promise((r) => stream.once('response', r));
    await until('the provider is paused', () => paused && written < total - 1);
    const stopped = written;
    let bytes = 0, end = '';
    for await (const d of stream) {
      bytes += d.length;
      end = d.toString('latin1').slice(-14);
    }
    provider.handler = () => false;
    assert.ok(stopped < total - 1, 'the provider was never held back');
    assert.ok(bytes > total * 8000);
    assert.ok(end.endsWith('[DONE]\n\n'));
    session.close();
  });

  test('a reset stream closes its provider call, and leaves the others alone', async () => {
    let gone;
    const closed = new Promise((r) => (gone = r));
    provider.handler = (call, res) => {
      if (call.json.messages[0].content !== 'hang') return false;
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(sse(chunks('gpt-4o', ['a'])[1]));
      res.on('close', gone);
    };
    const session = await connect();
    const hanging = ask(session, chat('hang', { stream: true }), { onData: (d, stream) => stream.close(http2.constants.NGHTTP2_CANCEL) });
    await closed;
    await hanging;
    assert.equal((await ask(session, chat('Hi'))).status, 200);
    provider.handler = () => false;
    session.close();
    const events = await until('both events', () => {
      const e = readFileSync(proxy.eventsFile, 'utf8').trim().split('\n').map((l) => JSON.parse(l)).filter((x) => x.outcome === 'client_gone');
      return e.length === 1 && e;
    });
    assert.equal(events.length, 1);
  });

  test('a cut answer ends as a reset, not as a clean end', async () => {
    provider.handler = (call, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(sse(chunks('gpt-4o', ['half'])[1]));
      setImmediate(() => res.destroy());
    };
    const session = await connect();
    const a = await ask(session, chat('Hi', { stream: true }));
    provider.handler = () => false;
    assert.ok(a.body.includes('upstream_closed'), a.body);
    assert.equal(a.code, http2.constants.NGHTTP2_INTERNAL_ERROR);
    session.close();
  });

  test('refusals: no key, no such path, a body too large, a bad path, each with a request id', async () => {
    const session = await connect();
    const cases = [
      [chat('Hi'), { headers: { authorization: 'Bearer wrong' } }, 401],
      [chat('Hi'), { path: '/v1/nothing/here/at/all' }, [400, 404]],
      [chat('z'.repeat(5 << 20)), {}, 413],
      [undefined, { method: 'GET', path: '/v1/models' }, 200],
    ];
    for (const [body, options, want] of cases) {
      const a = await ask(session, body, options);
      assert.ok([want].flat().includes(a.status), `${JSON.stringify(options)}: ${a.status} ${a.error}`);
      assert.match(a.headers['x-weir-request-id'], /^req_/);
    }
    const bad = await ask(session, chat('Hi'), { path: '/v1/chat completions' });
    assert.equal(bad.code, http2.constants.NGHTTP2_PROTOCOL_ERROR, 'a path with a blank');
    assert.equal((await ask(session, chat('Hi'))).status, 200, 'the connection lives on');
    session.close();
  });

  test('heads that are too large are refused with 431', async () => {
    const session = await connect();
    const a = await ask(session, chat('Hi'), { headers: { 'x-long': 'h'.repeat(60000), 'x-longer': 'h'.repeat(20000) } });
    assert.ok(a.status === 431 || a.error, `${a.status}`);
    session.destroy();
  });

  test('HTTP/1.1 on the same port is untouched, and junk behind the preface ends only its connection', async () => {
    const r = await fetch(`${proxy.url}/v1/models`, { headers: { authorization: `Bearer ${KEY}` } });
    assert.equal(r.status, 200);
    for (const junk of ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + 'junk'.repeat(50), 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', 'PRI * HT', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0']) {
      await new Promise((resolve) => {
        const s = net.connect(Number(new URL(proxy.url).port), '127.0.0.1', () => s.end(junk));
        s.on('error', () => {});
        s.on('close', resolve);
        s.resume();
      });
    }
    assert.equal((await fetch(`${proxy.url}/v1/models`, { headers: { authorization: `Bearer ${KEY}` } })).status, 200);
  });

  test('the preface one byte at a time', async () => {
    const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
    const first = await new Promise((resolve, reject) => {
      const s = net.connect(Number(new URL(proxy.url).port), '127.0.0.1', async () => {
        s.setNoDelay(true);
        for (const b of preface) await new Promise((r) => s.write(Buffer.from([b]), () => setImmediate(r)));
      });
      s.once('data', (d) => {
        resolve(d);
        s.destroy();
      });
      s.once('error', reject);
    });
    assert.equal(first[3], 4, 'a SETTINGS frame');
  });

  test('stopping the proxy says GOAWAY, finishes what runs, and ends', async () => {
    let release;
    const held = new Promise((r) => (release = r));
    provider.handler = async (call, res) => {
      await held;
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify(completion('gpt-4o', 'late')));
    };
    const session = await connect();
    const went = new Promise((r) => session.once('goaway', r));
    const calls = provider.calls.length;
    const running = ask(session, chat('Hi'));
    await until('the call is with the provider', () => provider.calls.length > calls);
    proxy.program.signal('SIGTERM');
    await went;
    release();
    const a = await running;
    provider.handler = () => false;
    assert.equal(a.status, 200);
    assert.equal(JSON.parse(a.body).choices[0].message.content, 'late');
    await until('the proxy has ended', () => !proxy.program.alive());
  });
});
